"""The core's steps are the steps written by hand; in each turn of any game one player moves."""

from functools import partial

import pytest
import torch
from by_hand import (
    GOALS,
    LR_D,
    LR_G,
    PENALTIES,
    Frozen,
    K,
    N,
    WholeCode,
    Z,
    assert_equal_games,
    by_hand,
    descend,
    every_loss,
    every_penalty,
    game,
    generate,
    judge,
    penalise,
    weights,
)
from torch.nn.functional import log_softmax

from ganedu import losses, models, steps, training
from ganedu.topics import infogan

pytestmark = pytest.mark.usefixtures("double")


@every_loss
@every_penalty
@pytest.mark.parametrize("n_critic", [1, 4])
def test_train_step_is_the_step_written_by_hand(loss, penalty, n_critic):
    players, x_real, _ = game()
    torch.manual_seed(1)
    expected = by_hand(players["G"], players["D"], x_real, None, loss.name, penalty, n_critic)
    torch.manual_seed(1)
    record = steps.train_step(x_real, **players, loss=loss, penalty=PENALTIES[penalty], n_critic=n_critic)
    assert_equal_games(players, record, *expected)


@every_loss
@every_penalty
def test_cgan_step_is_the_step_written_by_hand(loss, penalty):
    players, x_real, labels = game(conditional=True)
    torch.manual_seed(1)
    expected = by_hand(players["G"], players["D"], x_real, labels, loss.name, penalty)
    torch.manual_seed(1)
    record = steps.cgan_step(x_real, labels, **players, loss=loss, penalty=PENALTIES[penalty])
    assert_equal_games(players, record, *expected)


@every_loss
@every_penalty
def test_acgan_step_is_the_step_written_by_hand(loss, penalty):
    players, x_real, labels = game(heads=True)
    d_goal, g_goal = GOALS[loss.name]
    g, d = ([p.detach().clone().requires_grad_() for p in players[m].parameters()] for m in "GD")

    def class_loss(d, x):
        return -log_softmax((x @ d[0]).tanh() @ d[2], 1)[torch.arange(N), labels].mean()

    torch.manual_seed(1)
    x_fake = generate(g, torch.randn(N, Z), labels).detach()
    loss_class = class_loss(d, x_real)
    loss_D = d_goal(judge(d, x_real), judge(d, x_fake)) + 0.7 * (loss_class + class_loss(d, x_fake))
    if penalty != "none":
        loss_D = loss_D + penalise(penalty, lambda t, d=d: judge(d, t), x_real, x_fake)
    d = descend(d, loss_D, LR_D)
    x_fake = generate(g, torch.randn(N, Z), labels)
    loss_G = g_goal(judge(d, x_fake), judge(d, x_real)) + 0.7 * class_loss(d, x_fake)
    g = descend(g, loss_G, LR_G)

    torch.manual_seed(1)
    record = steps.acgan_step(x_real, labels, **players, loss=loss, penalty=PENALTIES[penalty], class_weight=0.7)
    assert_equal_games(players, record, g, d, loss_D, loss_G)
    assert abs(record["loss_class"].item() - loss_class.item()) < 1e-10


# --------------------------------------------------------------------------------------------- who moves in whose turn

GAMES = {
    "train_step": (steps.train_step, {}, False),
    "n_critic": (partial(steps.train_step, n_critic=4), {}, False),
    "relativistic": (partial(steps.train_step, loss=losses.relativistic), {}, False),
    "cgan_step": (steps.cgan_step, {"conditional": True}, True),
    "acgan_step": (steps.acgan_step, {"heads": True}, True),
    "infogan_step": (partial(infogan.infogan_step, code=WholeCode()), {"coded": True}, False),
}
every_game = pytest.mark.parametrize(("step", "kind", "labelled"), GAMES.values(), ids=GAMES)


@every_game
@pytest.mark.parametrize("mover", ["G", "D"])
def test_a_turn_moves_one_player_only(step, kind, labelled, mover):
    players, *batch = game(**kind)
    other = "D" if mover == "G" else "G"
    players[f"opt_{other}"] = Frozen(players[other].parameters(), 1.0)
    before = {name: weights(players[name]) for name in "GD"}
    step(*batch[: 1 + labelled], **players)
    assert torch.equal(weights(players[other]), before[other])
    assert not torch.equal(weights(players[mover]), before[mover])


@every_game
def test_the_generators_turn_leaves_no_gradient_in_the_discriminator(step, kind, labelled):
    """What lies in D's grad after the round is what its own last turn left there."""
    players, *batch = game(**kind)
    left = []
    players["opt_D"].register_step_post_hook(
        lambda *_: left.append([p.grad.clone() for p in players["D"].parameters()])
    )
    step(*batch[: 1 + labelled], **players)
    assert all(torch.equal(p.grad, grad) for p, grad in zip(players["D"].parameters(), left[-1], strict=True))


@every_game
def test_the_discriminators_turn_reaches_no_weight_of_the_generator(step, kind, labelled):
    """Without detach the numbers would be the same, since G zeroes its gradients, but the work done for nothing."""
    players, *batch = game(**kind)
    seen = []
    players["opt_D"].register_step_post_hook(lambda *_: seen.extend(p.grad for p in players["G"].parameters()))
    step(*batch[: 1 + labelled], **players)
    assert seen and all(grad is None for grad in seen)


@every_game
def test_records_are_detached_scalars(step, kind, labelled):
    players, *batch = game(**kind)
    record = step(*batch[: 1 + labelled], **players)
    assert {"loss_D", "loss_G"} <= record.keys()
    assert all(v.ndim == 0 and not v.requires_grad for v in record.values())


def test_each_step_of_D_sees_its_own_reals():
    players, x_real, _ = game()
    seen = []
    players["D"].register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    steps.train_step(x_real, **players, n_critic=4)
    reals = seen[0:8:2]  # each step of D asks for reals, then for fakes
    assert torch.equal(torch.cat(reals), x_real) and all(len(x) == 2 for x in reals)


def test_a_batch_that_does_not_divide_still_gives_every_step_of_D():
    players, x_real, _ = game(n=9)
    turns = []
    players["opt_D"].register_step_post_hook(lambda *_: turns.append(1))
    record = steps.train_step(x_real, **players, n_critic=4)
    assert len(turns) == 4 and record["loss_D"].isfinite()


def test_fakes_of_a_conditional_step_take_the_labels_of_the_reals():
    players, x_real, labels = game(conditional=True)
    seen = {"G": [], "D": []}
    for name in "GD":
        players[name].register_forward_pre_hook(lambda _, args, name=name: seen[name].append(args[1]))
    steps.cgan_step(x_real, labels, **players)
    assert len(seen["G"]) == 2 and len(seen["D"]) == 3
    assert all(torch.equal(y, labels) for y in seen["G"] + seen["D"])


def test_steps_train_the_packages_own_models():
    """Batch norm, in-place activations and a double backward in one step."""
    torch.set_default_dtype(torch.float32)
    for condition, step in (("projection", partial(steps.cgan_step, penalty=losses.r1)), ("acgan", steps.acgan_step)):
        G, D = models.build("cgan", image_size=16, width=2, z_dim=4, n_classes=K, condition=condition)
        opt_G, opt_D = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
        before = weights(G), weights(D)
        step(torch.rand(6, 1, 16, 16), torch.randint(K, (6,)), G=G, D=D, opt_G=opt_G, opt_D=opt_D, z_dim=4)
        assert not torch.equal(weights(G), before[0]) and not torch.equal(weights(D), before[1])


def test_training_hands_on_no_step():
    assert not [name for name in vars(training) if name.endswith("_step")]

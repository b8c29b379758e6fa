"""Oracle: each step written out once more by hand, on functional networks with plain gradient descent.

The hand-written step shares nothing with the package's: its networks are matrix products, its gradients come from
`torch.autograd.grad` of the papers' formulas, and its random numbers are drawn by itself in the documented order.
"""

from functools import partial

import pytest
import torch
from torch.nn.functional import log_softmax, logsigmoid

from ganedu import losses, models, steps, training
from ganedu.topics import cyclegan, infogan, perceptual, pix2pix, restoration, vae

LR_G, LR_D, N, DIM, Z, K = 0.05, 0.03, 8, 2, 3, 4

# (D's loss, G's loss) once more, by other functions of torch than the package takes
GOALS = {
    "minimax": (lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean(), lambda f, r: logsigmoid(-f).mean()),
    "non-saturating": (lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean(), lambda f, r: -logsigmoid(f).mean()),
    "least squares": (lambda r, f: ((r - 1) ** 2 + f**2).mean() / 2, lambda f, r: ((f - 1) ** 2).mean() / 2),
    "hinge": (lambda r, f: ((1 - r).clamp(min=0) + (1 + f).clamp(min=0)).mean(), lambda f, r: -f.mean()),
    "Wasserstein": (lambda r, f: (f - r).mean(), lambda f, r: -f.mean()),
    "relativistic": (lambda r, f: -logsigmoid(r - f).mean(), lambda f, r: -logsigmoid(f - r).mean()),
}
PENALTIES = {"none": None, "r1": losses.r1, "r2": losses.r2, "wgan_gp": losses.wgan_gp}


class Generator(torch.nn.Module):
    """x = tanh(z A) B, + the label's row of C where it is conditional."""

    z_dim = Z

    def __init__(self, conditional=False):
        super().__init__()
        self.A, self.B = (torch.nn.Parameter(torch.randn(s, dtype=torch.float64)) for s in ((Z, 6), (6, DIM)))
        if conditional:
            self.C = torch.nn.Parameter(torch.randn(K, DIM, dtype=torch.float64))

    def forward(self, z, labels=None):
        return generate([*self.parameters()], z, labels)


class Discriminator(torch.nn.Module):
    """d = tanh(x A + the label's row of C) b; with `heads`, class logits tanh(x A) H beside it."""

    def __init__(self, conditional=False, heads=False):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s, dtype=torch.float64)) for s in ((DIM, 7), (7,)))
        self.heads = heads
        if conditional or heads:
            self.C = torch.nn.Parameter(torch.randn((7, K) if heads else (K, 7), dtype=torch.float64))

    def forward(self, x, labels=None):
        return judge([*self.parameters()][: 2 if self.heads else 3], x, labels)

    def both(self, x):
        return self(x), (x @ self.A).tanh() @ self.C


def generate(weights, z, labels=None):
    x = (z @ weights[0]).tanh() @ weights[1]
    return x if labels is None else x + weights[2][labels]


def judge(weights, x, labels=None):
    hidden = x @ weights[0] if labels is None else x @ weights[0] + weights[2][labels]
    return hidden.tanh() @ weights[1]


def descend(weights, loss, lr):
    grads = torch.autograd.grad(loss, weights)
    return [(w - lr * g).detach().requires_grad_() for w, g in zip(weights, grads, strict=True)]


def penalise(name, d, x_real, x_fake):
    """gamma / 2 E |grad|^2 with gamma = 1, or 10 E (|grad| - 1)^2 between."""
    if name == "wgan_gp":
        t = torch.rand(len(x_real), 1, dtype=torch.float64)
        x = (t * x_real + (1 - t) * x_fake).detach().requires_grad_()
    else:
        x = (x_real if name == "r1" else x_fake).detach().requires_grad_()
    (grad,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    squared = (grad * grad).sum(1)
    return 10 * ((squared.sqrt() - 1) ** 2).mean() if name == "wgan_gp" else squared.mean() / 2


def by_hand(G, D, x_real, labels, loss, penalty="none", n_critic=1):
    """(weights of G, weights of D, loss_D, loss_G) after one round of the game."""
    g, d = ([p.detach().clone().requires_grad_() for p in m.parameters()] for m in (G, D))
    d_goal, g_goal = GOALS[loss]
    size = len(x_real) // n_critic
    for i in range(n_critic):
        x = x_real[i * size : (i + 1) * size]
        x_fake = generate(g, torch.randn(size, Z), labels).detach()
        loss_D = d_goal(judge(d, x, labels), judge(d, x_fake, labels))
        if penalty != "none":
            loss_D = loss_D + penalise(penalty, lambda t, d=d: judge(d, t, labels), x, x_fake)
        d = descend(d, loss_D, LR_D)
    fakes = generate(g, torch.randn(size, Z), labels)
    loss_G = g_goal(judge(d, fakes, labels), judge(d, x, labels))
    return descend(g, loss_G, LR_G), d, loss_D, loss_G


@pytest.fixture(autouse=True)
def double():
    """Noise in float64 too, so that two ways of rounding stay 1e-10 apart."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def game(conditional=False, heads=False, coded=False, n=N):
    torch.manual_seed(0)
    G, D = Generator(conditional or heads), Discriminator(conditional, heads or coded)
    x_real, labels = torch.randn(n, DIM), torch.randint(K, (n,))
    players = {"G": G, "D": D, "z_dim": Z, "opt_G": torch.optim.SGD(G.parameters(), LR_G),
               "opt_D": torch.optim.SGD(D.parameters(), LR_D)}  # fmt: skip
    return players, x_real, labels


def assert_equal_games(players, record, g, d, loss_D, loss_G):
    for module, weights in ((players["G"], g), (players["D"], d)):
        for ours, theirs in zip(module.parameters(), weights, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert abs(record["loss_D"].item() - loss_D.item()) < 1e-10
    assert abs(record["loss_G"].item() - loss_G.item()) < 1e-10


every_loss = pytest.mark.parametrize("loss", losses.ALL, ids=lambda loss: loss.name)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


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


class WholeCode:
    """All of z, read by the first of the heads with an error that is squared."""

    def __call__(self, z):
        return z

    def nll(self, q, c):
        return (q[:, :Z] - c).square().sum(1).mean()


@every_loss
@every_penalty
def test_infogan_step_is_the_step_written_by_hand(loss, penalty):
    players, x_real, _ = game(coded=True)
    d_goal, g_goal = GOALS[loss.name]
    g, d = ([p.detach().clone().requires_grad_() for p in players[m].parameters()] for m in "GD")

    def misread(d, x, z):
        return ((((x @ d[0]).tanh() @ d[2])[:, :Z] - z) ** 2).sum(1).mean()

    torch.manual_seed(1)
    z = torch.randn(N, Z)
    x_fake = generate(g, z).detach()
    loss_D = d_goal(judge(d, x_real), judge(d, x_fake)) + 0.7 * misread(d, x_fake, z)
    if penalty != "none":
        loss_D = loss_D + penalise(penalty, lambda t, d=d: judge(d, t), x_real, x_fake)
    d = descend(d, loss_D, LR_D)
    z = torch.randn(N, Z)
    x_fake = generate(g, z)
    nll = misread(d, x_fake, z)
    loss_G = g_goal(judge(d, x_fake), judge(d, x_real)) + 0.7 * nll
    g = descend(g, loss_G, LR_G)

    torch.manual_seed(1)
    step = partial(infogan.infogan_step, code=WholeCode(), info_weight=0.7, loss=loss, penalty=PENALTIES[penalty])
    record = step(x_real, **players)
    assert_equal_games(players, record, g, d, loss_D, loss_G)
    assert abs(record["nll"].item() - nll.item()) < 1e-10


def test_infogan_step_runs_in_the_trainer_unchanged():
    torch.set_default_dtype(torch.float32)
    code = infogan.Code(classes=2, numbers=1)

    def players():
        torch.manual_seed(0)
        G = infogan.CodedGenerator(models.DCGenerator(16, 1, z_dim=8, width=2), code)
        D = infogan.CodedDiscriminator(models.DCDiscriminator(16, 1, 2), code)
        return {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}

    x = torch.rand(64, 1, 16, 16) * 2 - 1
    step = partial(infogan.infogan_step, z_dim=8, code=code)
    trainer = training.Trainer(step, players(), lambda n: x[:n], batch_size=8, seed=3, ema=0.9)
    list(trainer.run(steps=5))
    by_hand = players()
    torch.manual_seed(3)
    for _ in range(5):
        step(x[:8], **by_hand)
    assert set(trainer.history) == {"loss_D", "loss_G", "nll"}
    for ours, theirs in zip(trainer.modules["G"].parameters(), by_hand["G"].parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    assert trainer.sample(4).shape == (4, 1, 16, 16)


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


class Frozen(torch.optim.SGD):
    def step(self, closure=None):
        pass


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


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


# ------------------------------------------------------------------------------------------ the variational autoencoder


class Encoder(torch.nn.Module):
    """mean = tanh(x A) B, log_var = tanh(x A) C."""

    def __init__(self):
        super().__init__()
        self.A, self.B, self.C = (torch.nn.Parameter(torch.randn(s)) for s in ((DIM, 5), (5, Z), (5, Z)))

    def forward(self, x):
        h = (x @ self.A).tanh()
        return h @ self.B, h @ self.C


@pytest.mark.parametrize(("sigma", "beta"), [(0.5, 1.0), (1.0, 0.0), (0.3, 4.0)])
def test_vae_step_is_the_step_written_by_hand(sigma, beta):
    players, x, _ = game()
    G, E = players["G"], Encoder()
    weights_before = [p.detach().clone().requires_grad_() for p in (*E.parameters(), *G.parameters())]

    torch.manual_seed(1)
    A, B, C, *g = weights_before
    mean, log_var = (x @ A).tanh() @ B, (x @ A).tanh() @ C
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    z = mean + (log_var / 2).exp() * torch.randn(N, Z)
    loss_x = -torch.distributions.Normal(generate(g, z), sigma).log_prob(x).sum(1).mean()
    prior = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    loss_z = torch.distributions.kl_divergence(q, prior).sum(1).mean()
    expected = descend(weights_before, loss_x + beta * loss_z, LR_G)

    opt = torch.optim.SGD([*E.parameters(), *G.parameters()], LR_G)
    torch.manual_seed(1)
    record = vae.vae_step(x, E=E, G=G, opt=opt, sigma=sigma, beta=beta)
    for ours, theirs in zip((*E.parameters(), *G.parameters()), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert abs(record["loss_x"].item() - loss_x.item()) < 1e-10 and abs(record["loss_z"].item() - loss_z.item()) < 1e-10
    assert not any(v.requires_grad for v in record.values())


def test_vae_step_refuses_a_negative_beta_before_it_moves_anything():
    players, x, _ = game()
    E = Encoder()
    before = weights(E)
    opt = torch.optim.SGD([*E.parameters(), *players["G"].parameters()], 1.0)
    with pytest.raises(ValueError, match="beta=-1"):
        vae.vae_step(x, E=E, G=players["G"], opt=opt, beta=-1)
    with pytest.raises(ValueError, match="sigma=0"):
        vae.vae_step(x, E=E, G=players["G"], opt=opt, sigma=0)
    assert torch.equal(weights(E), before)


class FeatureDiscriminator(torch.nn.Module):
    """f(x) = tanh(x A), d(x) = f(x) b."""

    def __init__(self):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s)) for s in ((DIM, 7), (7,)))

    def features(self, x):
        return (x @ self.A).tanh()

    def forward(self, x):
        return self.features(x) @ self.b


def vae_gan(n=N):
    players, x, _ = game(n=n)
    E, G, D = Encoder(), players["G"], FeatureDiscriminator()
    rates = {"E": 0.02, "G": LR_G, "D": LR_D}
    opts = {f"opt_{k}": torch.optim.SGD(m.parameters(), rates[k]) for k, m in (("E", E), ("G", G), ("D", D))}
    return {"E": E, "G": G, "D": D, **opts}, x


def test_vae_gan_step_is_the_step_written_by_hand():
    players, x = vae_gan()
    e, g, d = ([p.detach().clone().requires_grad_() for p in players[k].parameters()] for k in "EGD")
    torch.manual_seed(1)
    mean, log_var = (x @ e[0]).tanh() @ e[1], (x @ e[0]).tanh() @ e[2]
    z = mean + (log_var / 2).exp() * torch.randn(N, Z)
    again, fake = generate(g, z), generate(g, torch.randn(N, Z))
    both = torch.cat([again, fake])
    loss_D = -logsigmoid(judge(d, x)).mean() - logsigmoid(-judge(d, both.detach())).mean()
    d = [w.detach() for w in descend(d, loss_D, LR_D)]
    noise = torch.distributions.Normal((again @ d[0]).tanh(), 0.7)
    loss_x = -noise.log_prob((x @ d[0]).tanh()).sum(1).mean()
    q, p = torch.distributions.Normal(mean, (log_var / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    loss_z = torch.distributions.kl_divergence(q, p).sum(1).mean()
    loss_G = -logsigmoid(judge(d, both)).mean()
    slopes = [
        torch.autograd.grad(t, w, retain_graph=True) for t, w in ((loss_x + 2 * loss_z, e), (0.1 * loss_x + loss_G, g))
    ]
    e, g = (
        [w - lr * s for w, s in zip(ws, ss, strict=True)]
        for ws, ss, lr in zip((e, g), slopes, (0.02, LR_G), strict=True)
    )

    torch.manual_seed(1)
    record = vae.vae_gan_step(x, **players, sigma=0.7, beta=2.0, feature_weight=0.1)
    for module, expected in ((players["E"], e), (players["G"], g), (players["D"], d)):
        for ours, theirs in zip(module.parameters(), expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    for key, value in (("loss_D", loss_D), ("loss_G", loss_G), ("loss_x", loss_x), ("loss_z", loss_z)):
        assert abs(record[key].item() - value.item()) < 1e-10 and not record[key].requires_grad


@pytest.mark.parametrize("mover", "EGD")
def test_a_turn_of_the_vae_gan_moves_one_player_only(mover):
    players, x = vae_gan()
    before = {k: weights(players[k]) for k in "EGD"}
    for other in set("EGD") - {mover}:
        players[f"opt_{other}"] = Frozen(players[other].parameters(), 1.0)
    vae.vae_gan_step(x, **players)
    assert {k for k in "EGD" if not torch.equal(weights(players[k]), before[k])} == {mover}


def test_vae_gan_step_refuses_a_loss_that_pairs():
    players, x = vae_gan()
    with pytest.raises(ValueError, match="pairs each real"):
        vae.vae_gan_step(x, **players, loss=losses.relativistic)


def test_vae_gan_step_runs_on_images_in_the_trainer():
    torch.set_default_dtype(torch.float32)
    E, G, D = vae.Encoder(16, 1, 4, width=2), models.DCGenerator(16, 1, 4, width=2), models.DCDiscriminator(16, 1, 2)
    opts = {f"opt_{k}": torch.optim.Adam(m.parameters(), 1e-3) for k, m in (("E", E), ("G", G), ("D", D))}
    data = torch.rand(32, 1, 16, 16) * 2 - 1
    trainer = training.Trainer(vae.vae_gan_step, {"E": E, "G": G, "D": D, **opts}, lambda n: data, batch_size=32)
    (record,) = trainer.run(steps=3)
    assert {"loss_D", "loss_G", "loss_x", "loss_z"} <= record.keys()


# ------------------------------------------------------------------------------------------------------- CycleGAN


class Mover(torch.nn.Module):
    """x + tanh(x A) B: points to points of the same kind."""

    def __init__(self):
        super().__init__()
        self.A, self.B = (torch.nn.Parameter(torch.randn(s)) for s in ((DIM, 6), (6, DIM)))

    def forward(self, x):
        return x + generate([self.A, self.B], x)


CYCLE_PLAYERS = ("G", "F", "D_A", "D_B")


def two_way():
    torch.manual_seed(0)
    players = {"G": Mover(), "F": Mover(), "D_A": Discriminator(), "D_B": Discriminator()}
    for name, pair, lr in (("opt_G", "GF", LR_G), ("opt_D", ("D_A", "D_B"), LR_D)):
        players[name] = torch.optim.SGD([w for k in pair for w in players[k].parameters()], lr)
    return players, torch.randn(N, DIM), torch.randn(N, DIM) + 1


@every_loss
@pytest.mark.parametrize("terms", [(1.0, 10.0, 5.0), (0.7, 0.0, 2.0), (0.0, 3.0, 0.0)])
def test_cyclegan_step_is_the_step_written_by_hand(loss, terms):
    players, a, b = two_way()
    g, f, d_a, d_b = ([p.detach().clone().requires_grad_() for p in players[k].parameters()] for k in CYCLE_PLAYERS)
    d_goal, g_goal = GOALS[loss.name]

    def move(w, x):
        return x + (x @ w[0]).tanh() @ w[1]

    to_b, to_a = move(g, a), move(f, b)
    loss_D = d_goal(judge(d_b, b), judge(d_b, to_b.detach())) + d_goal(judge(d_a, a), judge(d_a, to_a.detach()))
    both = descend([*d_a, *d_b], loss_D, LR_D)
    d_a, d_b = both[: len(d_a)], both[len(d_a) :]
    loss_G = g_goal(judge(d_b, to_b), judge(d_b, b)) + g_goal(judge(d_a, to_a), judge(d_a, a))
    cycle = ((move(f, to_b) - a).abs().sum() + (move(g, to_a) - b).abs().sum()) / (N * DIM)
    identity = ((move(g, b) - b).abs().sum() + (move(f, a) - a).abs().sum()) / (N * DIM)
    both = descend([*g, *f], terms[0] * loss_G + terms[1] * cycle + terms[2] * identity, LR_G)
    g, f = both[: len(g)], both[len(g) :]

    gan_weight, cycle_weight, identity_weight = terms
    record = cyclegan.cyclegan_step(
        a, b, **players, loss=loss, gan_weight=gan_weight, cycle_weight=cycle_weight, identity_weight=identity_weight
    )
    for name, expected in zip(CYCLE_PLAYERS, (g, f, d_a, d_b), strict=True):
        for ours, theirs in zip(players[name].parameters(), expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12), name
    for key, value in (("D", loss_D), ("G", loss_G), ("cycle", cycle), ("identity", identity)):
        found = record[f"loss_{key}"]
        assert abs(found.item() - value.item()) < 1e-10 and not found.requires_grad


@pytest.mark.parametrize("side", ["G", "D"])
def test_a_turn_of_cyclegan_moves_one_side_only(side):
    players, a, b = two_way()
    before = {k: weights(players[k]) for k in CYCLE_PLAYERS}
    other = "D" if side == "G" else "G"
    players[f"opt_{other}"] = Frozen(players[f"opt_{other}"].param_groups[0]["params"], 1.0)
    cyclegan.cyclegan_step(a, b, **players)
    moved = {k for k in CYCLE_PLAYERS if not torch.equal(weights(players[k]), before[k])}
    assert moved == ({"G", "F"} if side == "G" else {"D_A", "D_B"})


def test_cyclegan_step_runs_on_images_in_the_trainer():
    torch.set_default_dtype(torch.float32)
    players = {"G": cyclegan.Translator(1, 4, 1), "F": cyclegan.Translator(1, 4, 1)}
    players |= {k: pix2pix.PatchDiscriminator(1, 4, outline=False) for k in ("D_A", "D_B")}
    for name, pair in (("opt_G", "GF"), ("opt_D", ("D_A", "D_B"))):
        players[name] = torch.optim.Adam([w for k in pair for w in players[k].parameters()], 1e-3)
    images = cyclegan.Unpaired(*(torch.randint(256, (9, 1, 16, 16), dtype=torch.uint8) for _ in range(2)))
    trainer = training.Trainer(cyclegan.cyclegan_step, players, images.sample, batch_size=4)
    (record,) = trainer.run(steps=3)
    assert {"loss_D", "loss_G", "loss_cycle", "loss_identity"} <= record.keys()


# ----------------------------------------------------------------------------------------- autoencoder with distances


class Images(torch.nn.Module):
    """z -> tanh(z A) B as images (N, 1, 4, 4)."""

    def __init__(self):
        super().__init__()
        self.A, self.B = (torch.nn.Parameter(torch.randn(s)) for s in ((Z, 6), (6, 16)))

    def forward(self, z):
        return generate([self.A, self.B], z).view(-1, 1, 4, 4)


class Layered(torch.nn.Module):
    """d = tanh(x A) b, its layers in `net` as those of a DCDiscriminator."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 7, bias=False), torch.nn.Tanh())
        self.head = torch.nn.Linear(7, 1, bias=False)

    def forward(self, x):
        return self.head(self.net(x))[:, 0]


def autoencoder():
    torch.manual_seed(0)
    E, G, D = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, Z)), Images(), Layered()
    opts = {f"opt_{k}": torch.optim.SGD(m.parameters(), r) for k, m, r in (("G", G, LR_G), ("D", D, LR_D))}
    return {"E": E, "G": G, "D": D, **opts, "at": (1, 2)}, torch.randn(N, 1, 4, 4)


def test_autoencoder_step_is_the_step_written_by_hand():
    players, x = autoencoder()
    before = weights(players["E"])
    g = [p.detach().clone().requires_grad_() for p in players["G"].parameters()]
    d = [p.detach().clone().T.requires_grad_() for p in players["D"].parameters()]
    flat = x.flatten(1)
    again = generate(g, players["E"](x).detach())

    def score(w, x):
        return ((x @ w[0]).tanh() @ w[1])[:, 0]

    loss_D = -logsigmoid(score(d, flat)).mean() - logsigmoid(-score(d, again.detach())).mean()
    d = [w.detach() for w in descend(d, loss_D, LR_D)]
    loss_x, loss_f = (flat - again).abs().sum(1).mean(), 0
    for layer in (lambda t: t @ d[0], lambda t: (t @ d[0]).tanh()):
        f = layer(flat)
        pairs = ((f[:, None] - f[None]) ** 2).mean(2).sum() / (N * (N - 1))  # the scale, over all pairs
        loss_f = loss_f + ((f - layer(again)) ** 2).mean() / pairs / 2
    loss_G = -logsigmoid(score(d, again)).mean()
    g = descend(g, loss_x + 0.7 * loss_f + 0.3 * loss_G, LR_G)

    distance = lambda a, b: (a - b).abs().sum((1, 2, 3))  # noqa: E731
    record = perceptual.autoencoder_step(x, **players, distance=distance, feature_weight=0.7, gan_weight=0.3)
    for ours, theirs in zip(players["G"].parameters(), g, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(players["D"].parameters(), d, strict=True):
        assert torch.allclose(ours, theirs.T, rtol=1e-10, atol=1e-12)
    assert torch.equal(weights(players["E"]), before), "the encoder is finished"
    for key, value in (("loss_D", loss_D), ("loss_G", loss_G), ("loss_x", loss_x), ("loss_f", loss_f)):
        assert abs(record[key].item() - value.item()) < 1e-10 and not record[key].requires_grad


@pytest.mark.parametrize("mover", "GD")
def test_a_turn_of_the_autoencoder_moves_one_player_only(mover):
    players, x = autoencoder()
    before, other = {k: weights(players[k]) for k in "EGD"}, "D" if mover == "G" else "G"
    players[f"opt_{other}"] = Frozen(players[other].parameters(), 1.0)
    distance = lambda a, b: (a - b).square().sum((1, 2, 3))  # noqa: E731
    perceptual.autoencoder_step(x, **players, distance=distance, feature_weight=1.0, gan_weight=1.0)
    assert {k for k in "EGD" if not torch.equal(weights(players[k]), before[k])} == {mover}


def test_autoencoder_step_runs_in_the_trainer_with_a_loss_that_pairs():
    torch.set_default_dtype(torch.float32)
    E = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 4)).requires_grad_(False)
    G, D = models.DCGenerator(28, 1, 4, width=2), models.DCDiscriminator(28, 1, 2)
    opts = {f"opt_{k}": torch.optim.Adam(m.parameters(), 1e-3) for k, m in (("G", G), ("D", D))}
    data = torch.rand(16, 1, 28, 28) * 2 - 1
    pixels = perceptual.distance_in(perceptual.PIXELS, (0,), data)
    step = partial(
        perceptual.autoencoder_step, distance=pixels, feature_weight=1, gan_weight=1, loss=losses.relativistic
    )
    trainer = training.Trainer(step, {"E": E, "G": G, "D": D, **opts}, lambda n: data, batch_size=16)
    (record,) = trainer.run(steps=3)
    assert {"loss_D", "loss_G", "loss_x", "loss_f"} <= record.keys()


class Answerer(torch.nn.Module):
    """x = tanh((x_bad + noise) A), other noise at every call; with `noise` 0 one answer."""

    def __init__(self, noise):
        super().__init__()
        self.A, self.noise = torch.nn.Parameter(torch.randn(DIM, DIM)), noise

    def forward(self, x_bad):
        return ((x_bad + self.noise * torch.randn_like(x_bad)) @ self.A).tanh()


class PairJudge(torch.nn.Module):
    """d = tanh([x, x_bad] A) b."""

    def __init__(self, dim=DIM):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s)) for s in ((2 * dim, 7), (7,)))

    def forward(self, x, x_bad):
        return (torch.cat([x, x_bad], 1) @ self.A).tanh() @ self.b


def restorer(noise=0.5):
    torch.manual_seed(0)
    G, D = Answerer(noise), PairJudge()
    opts = {"opt_G": torch.optim.SGD(G.parameters(), LR_G), "opt_D": torch.optim.SGD(D.parameters(), LR_D)}
    return {"G": G, "D": D, **opts}, torch.randn(N, DIM), torch.randn(N, DIM)


def slope_of(x, answers, weights, features, D, x_bad):
    pixel, feature, gan = weights
    first, other = answers
    total = pixel * ((first - x) * (other - x)).sum() / x.numel()
    total = total + feature * (features(first) - features(x)).pow(2).sum() / x.numel()
    return total - gan * logsigmoid(D(first, x_bad)).mean()


@pytest.mark.parametrize("answers", [1, 2])
@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (1.0, 0.5, 0.0), (0.7, 0.0, 0.3), (1.0, 0.5, 0.3)])
def test_restore_step_is_the_step_written_by_hand(weights, answers):
    players, x, x_bad = restorer()
    features = torch.sin
    A = players["G"].A.detach().clone().requires_grad_()
    d = [p.detach().clone().requires_grad_() for p in players["D"].parameters()]

    def judge_by(ws, x):
        return (torch.cat([x, x_bad], 1) @ ws[0]).tanh() @ ws[1]

    torch.manual_seed(1)
    made = [((x_bad + 0.5 * torch.randn(N, DIM)) @ A).tanh() for _ in range(answers)]
    loss_D = -logsigmoid(judge_by(d, x)).mean() - logsigmoid(-judge_by(d, made[0].detach())).mean()
    d = [w.detach() for w in descend(d, loss_D, LR_D)]
    total = slope_of(x, (made[0], made[-1]), weights, features, lambda a, b: judge_by(d, a), x_bad)
    (A,) = descend([A], total, LR_G)

    torch.manual_seed(1)
    names = ("pixel_weight", "feature_weight", "gan_weight")
    record = restoration.restore_step(
        x, x_bad, **players, features=features, answers=answers, **dict(zip(names, weights, strict=True))
    )
    assert torch.allclose(players["G"].A, A, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(players["D"].parameters(), d, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert not any(v.requires_grad for v in record.values())
    assert abs(record["loss_pixel"].item() - ((made[0] - x) * (made[-1] - x)).mean().item()) < 1e-12
    assert abs(record["loss_D"].item() - loss_D.item()) < 1e-12
    assert ("loss_feature" in record) == (weights[1] > 0)


def test_pixel_step_is_the_step_written_by_hand():
    players, x, x_bad = restorer(noise=0.0)
    A = players["G"].A.detach().clone().requires_grad_()
    loss = ((x_bad @ A).tanh() - x).pow(2).sum() / x.numel()
    (expected,) = descend([A], loss, LR_G)
    record = restoration.pixel_step(x, x_bad, G=players["G"], opt_G=players["opt_G"])
    assert torch.allclose(players["G"].A, expected, rtol=1e-10, atol=1e-12)
    assert record.keys() == {"loss_pixel"} and not record["loss_pixel"].requires_grad
    assert abs(record["loss_pixel"].item() - loss.item()) < 1e-12


@pytest.mark.parametrize("answers", [0, 3, None])
def test_restore_step_takes_one_or_two_answers_and_says_so_before_G_moves(answers):
    players, x, x_bad = restorer()
    before = players["G"].A.detach().clone()
    with pytest.raises(ValueError, match="give 1 or 2"):
        restoration.restore_step(x, x_bad, **players, gan_weight=0.1, answers=answers)
    assert torch.equal(players["G"].A, before)


def test_two_answers_ask_for_the_right_mean_and_leave_the_spread_alone():
    """E (y - x)(y' - x) = (E y - x)^2 for independent y, y'; one answer adds the variance of y."""
    torch.manual_seed(0)

    class Around(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.width = torch.nn.Parameter(torch.tensor(0.3)), torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, x_bad):
            return self.mean + self.width * torch.randn_like(x_bad)

    for answers, expected in ((1, 0.7**2 + 0.5**2), (2, 0.7**2)):
        G, x = Around(), torch.ones(200_000, 1)
        D = PairJudge(1)
        opts = {"opt_G": torch.optim.SGD(G.parameters(), 0.1), "opt_D": torch.optim.SGD(D.parameters(), 0.1)}
        record = restoration.restore_step(x, x, G=G, D=D, **opts, gan_weight=0.0, answers=answers)
        assert abs(record["loss_pixel"].item() - expected) < 0.01
        assert abs(G.mean.item() - (0.3 + 0.1 * 2 * 0.7)) < 0.005
        assert abs(G.width.item() - (0.5 - 0.1 * 2 * 0.5 * (answers == 1))) < 0.005

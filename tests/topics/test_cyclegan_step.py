"""CycleGAN's step is the step written by hand."""

import pytest
import torch
from by_hand import DIM, GOALS, LR_D, LR_G, Discriminator, Frozen, N, descend, every_loss, generate, judge, weights

from ganedu import training
from ganedu.topics import cyclegan, pix2pix

pytestmark = pytest.mark.usefixtures("double")


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
    players |= {
        "D_A": pix2pix.PatchDiscriminator(1, 4, outline=False),
        "D_B": pix2pix.PatchDiscriminator(1, 4, outline=False),
    }
    for name, pair in (("opt_G", "GF"), ("opt_D", ("D_A", "D_B"))):
        players[name] = torch.optim.Adam([w for k in pair for w in players[k].parameters()], 1e-3)
    images = cyclegan.Unpaired(*(torch.randint(256, (9, 1, 16, 16), dtype=torch.uint8) for _ in range(2)))
    trainer = training.Trainer(cyclegan.cyclegan_step, players, images.sample, batch_size=4)
    (record,) = trainer.run(steps=3)
    assert {"loss_D", "loss_G", "loss_cycle", "loss_identity"} <= record.keys()

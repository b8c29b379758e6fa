"""The autoencoder's step, with distances in D's maps, is the step written by hand."""

from functools import partial

import pytest
import torch
from by_hand import LR_D, LR_G, Frozen, N, Z, descend, generate, weights
from torch.nn.functional import logsigmoid

from ganedu import losses, models, training
from ganedu.topics import perceptual

pytestmark = pytest.mark.usefixtures("double")


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

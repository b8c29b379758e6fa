"""Oracles: loops over single pixels; for the Gaussian its conditional distribution by the joint covariance."""

import math

import pytest
import torch
from torch import nn

from ganedu import data, models
from ganedu.course import stored
from ganedu.data import to_uint8
from ganedu.topics import completions, gain, holes, vae

N = 12


@pytest.fixture(autouse=True)
def fixed():
    torch.manual_seed(0)


def digits(n=N):
    return torch.rand(n, holes.SIDE**2), torch.rand(n, holes.SIDE**2) < 0.6


# ------------------------------------------------------------------------------------------------------ pixels, holes


def test_pixels_and_pictures_undo_each_other():
    x, _ = digits()
    assert torch.allclose(holes.table(holes.pictures(x)), x, atol=1e-6)
    images = to_uint8(holes.pictures(x))
    assert torch.equal(to_uint8(holes.pictures(holes.table(images))), images)
    assert holes.pictures(x.expand(3, -1, -1)).shape == (3, N, 1, 28, 28)


def test_holes_are_what_they_are_called():
    coins, strokes = (holes.holes(300, kind, 3) for kind in holes.KINDS)
    assert abs(coins.float().mean() - 0.5) < 0.01
    beside = lambda m: float((m[:, 1:] == m[:, :-1]).float().mean())  # noqa: E731
    assert abs(beside(coins) - 0.5) < 0.01 and beside(strokes) > 0.9
    assert 0.5 < strokes.float().mean() < 0.9 and (~strokes).any(1).all() and strokes.any(1).all()
    assert torch.equal(strokes, holes.holes(300, "strokes", 3))
    assert not torch.equal(strokes, holes.holes(300, "strokes"))


def test_training_holes_are_of_both_kinds_by_turns():
    m = holes.training_holes(100, 5)
    for i, kind in enumerate(holes.KINDS):
        assert torch.equal(m[i::2], holes.holes(100, kind, 1005)[i::2])


# --------------------------------------------------------------------------------------------------- without networks


def test_the_mean_is_of_what_is_seen():
    train, m_train = digits()
    x, m = digits(3)
    filled = holes.by_mean(x, m, train, m_train)[0]
    for j in (0, 50, 783):
        seen = [float(v) for v, s in zip(train[:, j], m_train[:, j], strict=True) if s]
        for i in range(3):
            wanted = float(x[i, j]) if m[i, j] else sum(seen) / len(seen)
            assert filled[i, j] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("neighbours", [1, 4])
def test_the_nearest_by_a_loop(neighbours):
    train, m_train = digits()
    x, m = digits(3)
    filled = holes.by_nearest(x, m, train, m_train, neighbours)[0]
    mean = holes.seen_means(train, m_train)
    for i in range(3):
        both = m[i] & m_train
        far = [((x[i] - train[k])[both[k]] ** 2).mean().item() for k in range(N)]
        order = sorted(range(N), key=far.__getitem__)[:neighbours]
        for j in range(0, 784, 7):
            shown = [float(train[k, j]) for k in order if m_train[k, j]]
            wanted = float(x[i, j]) if m[i, j] else shown[0] if shown else float(mean[j])
            assert filled[i, j] == pytest.approx(wanted, abs=1e-6)


def gaussian():
    """A model with three factors, far from 0 and 1, of six pixels, and its parameters."""
    made = object.__new__(holes.Gaussian)
    made.mean, made.W, made.noise = torch.full((6,), 0.5), 0.05 * torch.randn(6, 3), 0.03**2
    return made


def test_the_gaussian_is_the_conditional_of_the_joint_one():
    model = gaussian()
    x, m = 0.5 + 0.1 * torch.randn(4, 6), torch.rand(4, 6) < 0.5
    m[:, 0], m[:, 5] = True, False
    cov = model.W @ model.W.T + model.noise * torch.eye(6)
    likely, many = model.fill(x, m)[0], model.fill(x, m, draws=20_000)
    for i in range(4):
        s, h = m[i], ~m[i]
        K = cov[h][:, s] @ torch.linalg.inv(cov[s][:, s])
        mean, rest = model.mean[h] + K @ (x[i] - model.mean)[s], cov[h][:, h] - K @ cov[s][:, h]
        assert torch.allclose(likely[i][h], mean, atol=1e-5) and torch.equal(likely[i][s], x[i][s])
        drawn = many[:, i][:, h]
        assert torch.allclose(drawn.mean(0), mean, atol=5 * 0.1 / math.sqrt(20_000))
        assert torch.allclose(torch.atleast_2d(drawn.T.cov()), rest, atol=3e-4)


def test_the_gaussian_is_fitted_to_what_is_seen():
    W, mean = 0.1 * torch.randn(784, 3), 0.5 + 0.05 * torch.randn(784)
    train = mean + torch.randn(3000, 3) @ W.T + 0.02 * torch.randn(3000, 784)
    model = holes.Gaussian(train, torch.rand(3000, 784) < 0.7, 3)
    assert torch.allclose(model.mean, mean, atol=0.04)
    assert (model.W @ model.W.T - W @ W.T).square().mean().sqrt() < 0.1 * (W @ W.T).square().mean().sqrt()
    assert 0.5 * 0.02**2 < model.noise < 2 * 0.02**2


# -------------------------------------------------------------------------------------------------- networks and steps


def test_the_filler_is_gains_player_with_louder_noise():
    quiet, loud = gain.Player(5, 1, 4, fills=True), holes.Filler(5, 1, 4, fills=True)
    m = torch.tensor([[[True, False, True, False, True]]])
    x = torch.rand(1, 1, 5)
    assert torch.allclose(loud(x, m), quiet(torch.where(m, x, 100 * x), m))


@pytest.mark.parametrize("settings", [{}, {"hidden": 0.2}, {"hidden": 0.0}], ids=["GAIN", "practice", "without D"])
def test_what_is_seen_stays_and_draws_differ(settings):
    x, m = (v[None].expand(2, -1, -1) for v in digits())
    G = holes.fit_gain(x, m, steps=2, batch=4, width=4, **settings)
    one = holes.by_gain(holes.fit_gain(x[:1], m[:1], steps=2, batch=4, width=4), x[0], m[0], 3)
    worlds = holes.by_gain(G, x, m, 3)
    assert one.shape == (3, N, 784) and worlds.shape == (3, 2, N, 784)
    assert torch.equal(worlds[1][m], x[m]) and not torch.equal(worlds[0], worlds[1])
    assert torch.equal(worlds, holes.by_gain(G, x, m, 3)) and 0 <= worlds.min() <= worlds.max() <= 1


class Fixed(nn.Module):
    def __init__(self, *values):
        super().__init__()
        self.values = nn.ParameterList(nn.Parameter(v) for v in values)

    def forward(self, x):
        values = [v.expand(len(x), *v.shape[1:]) for v in self.values]
        return tuple(values) if len(values) > 1 else values[0] + 0 * x.sum(1)[:, None, None, None]


def test_the_step_of_the_vae_sees_nothing_in_the_holes():
    """With nothing hidden it is `vae_step`; what is hidden changes neither losses nor slopes."""
    x, m = torch.rand(6, 1, 28, 28) * 2 - 1, (torch.rand(6, 1, 28, 28) < 0.5).float()
    found = []
    for picture, mask, step in ((x, m, None), (x * m, m, None), (x, torch.ones_like(m), None), (x, None, vae.vae_step)):
        torch.manual_seed(1)
        E, G = vae.Encoder(28, 1, 4, 2), holes.DCGenerator(28, 1, 4, 2)
        opt = torch.optim.SGD([*E.parameters(), *G.parameters()], 1e-4)
        given = (picture,) if mask is None else (picture, mask)
        losses = (step or holes.masked_vae_step)(*given, E=E, G=G, opt=opt)
        found.append((losses, [p.detach().clone() for p in (*E.parameters(), *G.parameters())]))
    for (one, weights), (other, others) in ((found[0], found[1]), (found[2], found[3])):
        assert all(torch.allclose(one[k], other[k], rtol=1e-6) for k in one)
        assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(weights, others, strict=True))
    assert not torch.allclose(found[0][0]["loss_x"], found[2][0]["loss_x"])


def test_a_vae_fills_by_its_own_draws():
    E = Fixed(torch.full((1, 2), 0.5), torch.full((1, 2), -60.0))
    G = Fixed(torch.linspace(-1, 1, 784).view(1, 1, 28, 28))
    x, m = digits()
    filled = holes.by_vae(E, G, x, m, draws=2, rounds=3)
    wanted = torch.where(m, x, torch.linspace(0, 1, 784))
    assert filled.shape == (2, N, 784) and torch.allclose(filled, wanted.expand(2, -1, -1), atol=1e-6)


def test_a_vae_trains_on_digits_with_holes():
    x, m = digits(40)
    E, G = holes.fit_vae(x, m, steps=2, batch=8, z_dim=3)
    first, second = holes.by_vae(E, G, x, m, 2)
    assert torch.equal(first[m], x[m]) and not torch.equal(first, second)


# ------------------------------------------------------------------------------------------------------------ the pad


def test_a_picture_stands_below_its_name():
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    pages = holes.labelled(x, ["left", ""])
    assert pages.shape == (2, 3, 128, 112)
    large = x.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(-1, 3, -1, -1)
    assert (pages[:, :, 16:] - large).abs().max() < 1 / 127
    assert pages[0, :, :16].max() > 0.5 and pages[1, :, :16].max() == -1


def test_wrong_everywhere_by_hand():
    completions = torch.tensor([[[0.2, 0.2, 0.2, 0.2]], [[0.6, 0.6, 0.6, 0.6]]])
    true, mask = torch.tensor([[0.9, 0.8, 0.4, 0.9]]), torch.tensor([[False, False, False, True]])
    assert holes.wrong_everywhere(completions, true, mask).tolist() == [[True, False, False, False]]
    below = torch.tensor([[-0.1, 0.1, 0.4, -1.0]])
    assert holes.wrong_everywhere(completions, below, mask, 0.2).tolist() == [[True, False, False, False]]


# ----------------------------------------------------------------------------------------------------- what is stored


def test_the_stored_networks_fill_as_the_table_says():
    table = stored.table("18_holes")
    digits = data.load("digits")
    x = holes.table(digits.x_test)[: table["card"]["test"]]
    G = stored.network(holes.Filler(784, 1, 128, fills=True), "18_holes", "GAIN")
    E = stored.network(vae.Encoder(z_dim=16), "18_holes", "VAE/E")
    G_vae = stored.network(models.DCGenerator(z_dim=16), "18_holes", "VAE/G")
    for kind in holes.KINDS:
        m = holes.holes(len(x), kind, 5)
        for method, filled in (("GAIN", holes.by_gain(G, x, m)), ("VAE", holes.by_vae(E, G_vae, x, m))):
            (row,) = [r for r in table["rows"] if (r["method"], r["holes"], r["seed"]) == (method, kind, 0)]
            assert completions.rmse(filled[0], x, m) == pytest.approx(row["rmse"], abs=0.005)


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: holes.table(torch.zeros(3, 1, 32, 32)), "digits must be"),
        (lambda: holes.holes(3, "stroke"), "Did you mean 'strokes'"),
        (lambda: holes.labelled(torch.zeros(2, 1, 28, 28), ["one"]), "2 pictures but 1 names"),
        (lambda: holes.labelled(torch.zeros(2, 2, 28, 28), ["one", "two"]), "pictures must be"),
        (lambda: holes.Gaussian(*digits(), factors=784), "factors=784 does not fit"),
        (lambda: holes.by_vae(nn.Linear(1, 1), nn.Linear(1, 1), *digits(), rounds=0), "rounds=0 does not fit"),
    ],
)
def test_bad_input_is_told(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()

"""Oracles: the integral of the definition, loops over samples, a library for accounting where there is one, tests."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.nn.functional import softplus

from ganedu import metrics, models, sampling
from ganedu.topics import private


def players(seed=0):
    with sampling.seeded(seed):
        D = nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1), nn.Flatten(0))
        G = models.MLPGenerator(3, (6,), 5)
    made = {"G": G, "D": D}
    return D, G, made | {f"opt_{k}": torch.optim.Adam(v.parameters(), 1e-2) for k, v in made.items()}


def points(n, seed=0):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ------------------------------------------------------------------------------------------------ what is given away


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("sigma", [0.7, 3.0])
def test_delta_is_the_integral_of_its_definition(epsilon, sigma):
    """delta(epsilon) = integral of max(0, p - e^epsilon p') over the two noisy sums, with x and without."""
    p, other = stats.norm(1, sigma), stats.norm(0, sigma)
    cut = sigma**2 * epsilon + 0.5  # where p = e^epsilon p'
    exact = integrate.quad(lambda y: p.pdf(y) - math.exp(epsilon) * other.pdf(y), cut, cut + 12 * sigma)[0]
    assert abs(private.gaussian_delta(epsilon, sigma) - exact) < 1e-9


@pytest.mark.parametrize("order", [2, 3, 8])
@pytest.mark.parametrize(("q", "sigma"), [(0.05, 1.0), (0.3, 2.0), (1.0, 0.8)])
def test_renyi_is_the_integral_of_its_definition(q, sigma, order):
    """log E_0 (p_q / p_0)^order / (order - 1), with p_q = (1 - q) N(0, sigma^2) + q N(1, sigma^2)."""
    zero, one = stats.norm(0, sigma), stats.norm(1, sigma)

    def f(y):
        return zero.pdf(y) * (1 - q + q * math.exp(one.logpdf(y) - zero.logpdf(y))) ** order

    moment = integrate.quad(f, -12 * sigma, order + 12 * sigma, limit=400)[0]
    assert abs(private.renyi(sigma, q, order) - math.log(moment) / (order - 1)) < 1e-6


def test_the_other_side_gives_away_no_more():
    """Removing x and adding x: the divergence of "without" from "with" is the smaller one (Mironov 2019, theorem 5)."""
    q, sigma, order = 0.1, 1.0, 4
    zero, one = stats.norm(0, sigma), stats.norm(1, sigma)

    def f(y):
        mixed = (1 - q) * zero.pdf(y) + q * one.pdf(y)
        return mixed * (zero.pdf(y) / mixed) ** order

    other = math.log(integrate.quad(f, -12, 16)[0]) / (order - 1)
    assert 0 < other <= private.renyi(sigma, q, order)


@pytest.mark.parametrize(("sigma", "steps"), [(20.0, 100), (5.0, 10), (40.0, 1000)])
def test_all_images_a_step_is_one_gaussian_sum(sigma, steps):
    """q = 1: T steps are one sum with sigma / sqrt(T), whose epsilon is exact; the accounting must lie just above."""
    bound = private.spent(sigma, 1.0, steps, 1e-5)
    exact = private.gaussian_delta(bound, sigma / math.sqrt(steps))
    assert exact < 1e-5  # at the epsilon that we tell, delta is smaller than we tell
    assert private.gaussian_delta(0.85 * bound, sigma / math.sqrt(steps)) > 1e-5  # and not far from it


def test_an_accountant_says_the_same():
    dp = pytest.importorskip("dp_accounting", reason="pip install dp-accounting")
    from dp_accounting import pld, rdp

    for q, sigma, steps, delta in ((0.05, 2.0, 1000, 1e-5), (0.1, 1.3, 400, 1e-4), (1.0, 30.0, 500, 1e-5)):
        step = dp.PoissonSampledDpEvent(q, dp.GaussianDpEvent(sigma))
        run = dp.SelfComposedDpEvent(step, steps)
        ours = private.spent(sigma, q, steps, delta)
        theirs = rdp.RdpAccountant(list(private.ORDERS)).compose(run).get_epsilon(delta)
        assert abs(ours - theirs) < 1e-6 * theirs
        tight = pld.PLDAccountant().compose(run).get_epsilon(delta)
        assert 0.8 * ours < tight < ours  # Renyi's way is an upper bound of what another way of counting finds


def test_noise_keeps_the_budget():
    for epsilon in (1.0, 3.0, 10.0):
        sigma = private.noise_for(epsilon, 1e-5, 0.05, 500)
        assert private.spent(sigma, 0.05, 500, 1e-5) <= epsilon < private.spent(0.99 * sigma, 0.05, 500, 1e-5)


def test_no_test_has_a_larger_advantage():
    """The best test between two Gaussians one apart has the advantage 2 Phi(1 / (2 sigma)) - 1."""
    for sigma in (0.6, 1.0, 4.0):
        best = 2 * stats.norm.cdf(1 / (2 * sigma)) - 1
        assert abs(private.gaussian_delta(0.0, sigma) - best) < 1e-12
        for epsilon in (0.1, 1.0, 3.0):
            assert best <= private.advantage_bound(epsilon, private.gaussian_delta(epsilon, sigma)) + 1e-12
    assert private.advantage_bound(0.0) == 0 and abs(private.advantage_bound(1.0) - 0.4621) < 1e-4
    # randomised response attains it: a true bit is told with probability e^epsilon / (1 + e^epsilon)
    truth = math.e / (1 + math.e)
    assert abs(private.advantage_bound(1.0) - (2 * truth - 1)) < 1e-12


# ------------------------------------------------------------------------------------------------ a private step


def by_loop(D, x, real):
    """Each sample's own gradient by autograd, one after another."""
    found = []
    for sample in x:
        d = D(sample[None]).squeeze()
        found.append(torch.autograd.grad(softplus(-d if real else d), list(D.parameters())))
    return {k: torch.stack(v) for k, v in zip(dict(D.named_parameters()), zip(*found, strict=True), strict=True)}


@pytest.mark.parametrize("real", [True, False])
def test_own_gradients_are_autograds(real):
    D, _, _ = players()
    found, wanted = private.own_gradients(D, points(7), real), by_loop(D, points(7), real)
    for k in wanted:
        torch.testing.assert_close(found[k], wanted[k])
    assert all(len(g) == 0 for g in private.own_gradients(D, points(0), real).values())


def test_images_have_their_own_gradients_too():
    D = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8, 1), nn.Flatten(0))
    x = torch.rand(5, 1, 4, 4) * 2 - 1
    found, wanted = private.own_gradients(D, x, True), by_loop(D, x, True)
    assert all(torch.allclose(found[k], wanted[k], atol=1e-6) for k in wanted)


@pytest.mark.parametrize("clip", [0.05, 1.0, 100.0])
def test_a_clipped_sum_moves_by_clip_at_most(clip):
    D, _, _ = players()
    gradients = private.own_gradients(D, 5 * points(9), True)
    flat = torch.cat([g.flatten(1) for g in gradients.values()], 1).double()
    length = flat.norm(dim=1)
    wanted = (flat * (clip / length).clamp(max=1)[:, None]).sum(0)
    total = private.clipped_sum(gradients, clip)
    torch.testing.assert_close(torch.cat([g.flatten() for g in total.values()]).double(), wanted, rtol=1e-4, atol=1e-6)
    for i in range(9):  # without sample i
        rest = private.clipped_sum({k: torch.cat([g[:i], g[i + 1 :]]) for k, g in gradients.items()}, clip)
        moved = torch.cat([(total[k] - rest[k]).flatten() for k in total]).norm()
        assert moved <= clip * 1.0001


def test_without_noise_and_with_a_wide_clip_it_is_the_gradient():
    D, _, _ = players()
    x_real, x_fake = points(8), points(6, 1)
    found = private.private_gradient(D, x_real, x_fake, clip=1e6, sigma=0, expected=8)
    loss = softplus(-D(x_real)).mean() + softplus(D(x_fake)).mean()
    for (k, g), wanted in zip(found.items(), torch.autograd.grad(loss, list(D.parameters())), strict=True):
        torch.testing.assert_close(g, wanted, msg=k)


def test_the_noise_is_sigma_clip_over_expected():
    """An empty batch and fakes of weight zero leave the noise alone."""
    D = nn.Sequential(nn.Linear(400, 50), nn.Linear(50, 1), nn.Flatten(0))
    torch.manual_seed(0)
    x_fake = torch.zeros(2, 400)
    clip, sigma, expected = 0.5, 3.0, 20.0
    with_noise = private.private_gradient(D, x_fake[:0], x_fake, clip=clip, sigma=sigma, expected=expected)
    without = private.private_gradient(D, x_fake[:0], x_fake, clip=clip, sigma=0, expected=expected)
    noise = torch.cat([(with_noise[k] - without[k]).flatten() for k in without])
    assert abs(noise.std() - sigma * clip / expected) < 4 * sigma * clip / expected / math.sqrt(2 * len(noise))
    assert abs(noise.mean()) < 4 * noise.std() / math.sqrt(len(noise))


def test_a_step_moves_both_players_and_takes_an_empty_batch():
    D, G, made = players()
    for x in (points(5), points(0)):
        before = {k: [p.clone() for p in m.parameters()] for k, m in (("D", D), ("G", G))}
        found = private.private_step(x, **made, z_dim=3, clip=1.0, sigma=1.0, expected=4.0)
        assert set(found) == {"loss_G"} and found["loss_G"].isfinite() and not found["loss_G"].requires_grad
        for k, m in (("D", D), ("G", G)):
            assert any(not torch.equal(a, b) for a, b in zip(before[k], m.parameters(), strict=True))


def test_a_step_is_this_by_hand():
    """The same random numbers, the gradients by loops, Adam by torch: the same weights afterwards."""
    D, G, made = players(1)
    D2, G2, other = players(1)
    x = points(4)
    torch.manual_seed(3)
    private.private_step(x, **made, z_dim=3, clip=0.4, sigma=0.7, expected=5.0)

    torch.manual_seed(3)
    x_fake = G2(torch.randn(5, 3)).detach()
    real, fake = by_loop(D2, x, True), by_loop(D2, x_fake, False)
    for name, weight in D2.named_parameters():
        sums = []
        for g in (real, fake):
            length = torch.cat([v.flatten(1) for v in g.values()], 1).norm(dim=1)
            factor = torch.minimum(torch.ones(()), 0.4 / length)
            sums.append((g[name] * factor.view(-1, *[1] * (g[name].ndim - 1))).sum(0))
        weight.grad = (sums[0] + 0.7 * 0.4 * torch.randn(weight.shape)) / 5 + sums[1] / 5
    other["opt_D"].step()
    other["opt_G"].zero_grad()
    softplus(-D2(G2(torch.randn(5, 3)))).mean().backward(inputs=list(G2.parameters()))
    other["opt_G"].step()
    for a, b in zip([*D.parameters(), *G.parameters()], [*D2.parameters(), *G2.parameters()], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_stacked_gradients_are_those_of_each_world():
    _, D = private.players(3, 6, 0, width=5)
    x, weigh = torch.stack([points(8, seed) for seed in range(3)]), torch.ones(3, 8)
    weigh[1, 5:] = 0  # a smaller batch, filled up
    for real, clip in ((True, 0.3), (False, 0.3), (True, None)):
        found = private.stacked_gradient(D, x, real, clip, weigh)
        for w in range(3):
            one = nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1), nn.Flatten(0))
            for mine, theirs in zip(one.parameters(), D.parameters(), strict=True):
                mine.data = theirs[w].detach().T.reshape(mine.shape).clone()
            wanted = private.clipped_sum(private.own_gradients(one, x[w][weigh[w] > 0], real), clip or 1e9)
            for f, g in zip(found, wanted.values(), strict=True):
                torch.testing.assert_close(f[w].T.reshape(g.shape), g, rtol=1e-4, atol=1e-6)


def test_a_private_training_learns_less_of_its_images():
    """Ten images, no noise: D knows them; with much noise it cannot."""
    g = torch.Generator().manual_seed(0)
    x, others = torch.rand(4, 10, 40, generator=g) * 2 - 1, torch.rand(4, 200, 40, generator=g) * 2 - 1
    settings = {"steps": 150, "batch": 10, "seed": 0, "rates": (1e-3, 1e-2)}
    found = {}
    for sigma in (0.0, 500.0):
        G, D = private.train(x, clip=1.0, sigma=sigma, **settings)
        assert private.draw(G, 7).shape == (4, 7, 40) and private.draw(G, 500).abs().max() <= 1
        members, new = D(x)[..., 0], D(others)[..., 0]
        found[sigma] = [metrics.auc(a, b) for a, b in zip(members.detach(), new.detach(), strict=True)]
    assert np.mean(found[0.0]) > 0.8 and abs(np.mean(found[500.0]) - 0.5) < 0.2


def test_worlds_train_as_if_alone_and_equal_seeds_are_equal():
    x = torch.stack([points(12, s) for s in range(2)])
    settings = {"steps": 3, "batch": 12, "clip": None, "sigma": 0.0, "seed": 1}  # batch of all: nothing is drawn
    both, again = (private.train(x, **settings)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(both.parameters(), again.parameters(), strict=True))


def test_a_training_refuses_what_does_not_fit():
    settings = {"steps": 1, "batch": 5, "clip": 1.0, "sigma": 1.0, "seed": 0}
    for change, said in (
        ({"batch": 11}, "batch=11 does not fit: .*there are 10 images"),
        ({"clip": None}, "noise without a clip is not private"),
        ({"clip": 0}, "clip=0 does not fit"),
        ({"steps": 0}, "steps=0 does not fit"),
        ({"every": 0}, "every=0 does not fit"),
    ):
        with pytest.raises(ValueError, match=said):
            private.train(points(10)[None], **{**settings, **change})


def test_poisson_draws_each_image_on_its_own():
    draw = private.poisson(torch.arange(400.0)[:, None])
    torch.manual_seed(0)
    batches = [draw(20)[:, 0] for _ in range(500)]
    sizes = np.array([len(b) for b in batches])
    assert abs(sizes.mean() - 20) < 4 * math.sqrt(19 / 500) and abs(sizes.var() / 19 - 1) < 0.3  # binomial
    assert all(len(b.unique()) == len(b) for b in batches)


# ------------------------------------------------------------------------------------------------ attacks, bad input


def test_caught_is_the_roc_curve_at_that_point():
    members, others = points(300)[:, 0] + 0.4, points(200, 1)[:, 0]
    for accused in (0.05, 0.1, 0.5):
        threshold = min(t for t in others.tolist() if (others > t).double().mean() <= accused)
        assert private.caught(members, others, accused) == float((members > threshold).double().mean())
    assert private.caught(others + 5, others) == 1 and private.caught(others - 5, others) == 0
    assert abs(private.caught(others, others) - 0.1) < 0.011
    assert private.caught(torch.zeros(30), torch.zeros(30)) == 0  # ties accuse nobody


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: private.noise_for(0, 1e-5, 0.1, 100), "epsilon=0 does not fit .*nothing to learn"),
        (lambda: private.noise_for(-1, 1e-5, 0.1, 100), "epsilon=-1 does not fit: give a number above 0"),
        (lambda: private.noise_for(1, 0, 0.1, 100), "delta=0 does not fit .*no epsilon holds for certain"),
        (lambda: private.noise_for(1, 1.5, 0.1, 100), "delta=1.5 does not fit"),
        (lambda: private.noise_for(1e-4, 1e-9, 1.0, 10**9), "take fewer steps"),
        (lambda: private.spent(0, 0.1, 100, 1e-5), "sigma=0 does not fit .*epsilon is infinite"),
        (lambda: private.spent(1.0, 1.2, 100, 1e-5), "q=1.2 is no share"),
        (lambda: private.spent(1.0, 0.1, 0, 1e-5), "steps=0 does not fit"),
        (lambda: private.renyi(1.0, 0.1, 1), "order=1 does not fit"),
        (lambda: private.gaussian_delta(-1, 1.0), "epsilon=-1 does not fit"),
        (lambda: private.gaussian_delta(1, "1"), "sigma='1' does not fit"),
        (lambda: private.advantage_bound(-0.1), "epsilon=-0.1.*do not fit"),
        (lambda: private.advantage_bound(float("nan")), "do not fit"),
        (lambda: private.poisson(points(10))(11), "batch=11 does not fit: .*there are 10 images"),
        (lambda: private.poisson(points(10))(0), "batch=0 does not fit"),
        (lambda: private.caught(points(3)[:, 0], points(5)[:, 0]), "at least 1 / accused others"),
        (lambda: private.caught(points(3), points(50)[:, 0]), "one number an image"),
        (lambda: private.caught(torch.full((3,), math.nan), points(50)[:, 0]), "NaN or infinity"),
    ],
)
def test_bad_input_is_told_what_to_do(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"clip": 0}, "clip=0 does not fit .*noise alone"),
        ({"clip": -1.0}, "clip=-1.0 does not fit: give a number above 0"),
        ({"sigma": -1}, "sigma=-1 does not fit: give 0"),
        ({"sigma": math.nan}, "sigma=nan does not fit"),
        ({"expected": 0}, "expected=0 does not fit .*a batch without images"),
    ],
)
def test_a_step_refuses_what_is_not_private(settings, said):
    D, _, _ = players()
    with pytest.raises(ValueError, match=said):
        private.private_gradient(D, points(3), points(3), **{"clip": 1.0, "sigma": 1.0, "expected": 3.0, **settings})

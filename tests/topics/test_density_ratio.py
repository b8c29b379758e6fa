"""D as a density ratio: against two Gaussians whose ratio is known, scipy and scikit-learn."""

import math

import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression

from ganedu.topics import density_ratio as dr
from ganedu.toys import densities

MEAN, STD, N = 0.5, 1.5, 40_000  # q = N(0.5, 1.5^2), p = N(0, 1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def draws(generator):
    x = MEAN + STD * torch.randn(N, generator=generator)
    return x, dr.gaussian_logit(x, MEAN, STD)


def is_p(x, other=False):
    """Kolmogorov and Smirnov's test does not see that x is drawn from N(0, 1)."""
    return stats.kstest(x.double().numpy(), "norm").pvalue > 0.01


def test_the_logit_is_scipys_and_its_largest_value_is_the_cap():
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    wanted = stats.norm.logpdf(x) - stats.norm.logpdf(x, MEAN, STD)
    torch.testing.assert_close(dr.gaussian_logit(x, MEAN, STD), torch.as_tensor(wanted))
    assert abs(dr.gaussian_cap(MEAN, STD) - wanted.max()) < 1e-5
    assert dr.gaussian_cap(0.0, 1.0) == 0 and dr.gaussian_cap(0.1, 1.0) == dr.gaussian_cap(0.0, 0.9) == math.inf


def test_rejection_by_the_right_ratio_gives_p_and_keeps_one_in_m(draws, generator):
    x, d = draws
    cap = dr.gaussian_cap(MEAN, STD)
    kept = dr.reject(d, cap, generator=generator)
    assert is_p(x[kept]) and not is_p(x)
    assert abs(float(kept.float().mean()) - math.exp(-cap)) < 4 * math.sqrt(0.25 / N)


def test_acceptance_is_azadis_formula():
    d = torch.tensor([-3.0, -0.2, 0.9, 1.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(dr.acceptance(d, 1.0), (d - 1).exp().clamp(max=1))
    for gamma in (-2.0, 0.7):
        eps = 1e-14
        f = (d - 1) - torch.log(1 - (d - 1 - eps).exp()) - gamma
        torch.testing.assert_close(dr.acceptance(d, 1.0, gamma)[:3], f[:3].sigmoid())
        assert (dr.acceptance(d, 1.0, gamma)[3:] == 1).all()  # at the cap and above
    assert (dr.acceptance(d, 1.0, 1e-9) - dr.acceptance(d, 1.0)).abs().max() < 1e-6
    each = dr.acceptance(d.expand(2, -1), torch.tensor([1.0, 2.0], dtype=torch.float64))  # a cap a world
    torch.testing.assert_close(each[1], dr.acceptance(d, 2.0))


def test_weights_are_those_of_importance_sampling(draws, generator):
    x, d = draws
    w = dr.weights(d)
    assert abs(float(w.sum()) - 1) < 1e-5
    assert abs(float((w * x).sum())) < 0.03 and abs(float((w * x.square()).sum()) - 1) < 0.05
    # E_q w^2 = integral of p^2 / q
    v = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    square = (2 * torch.as_tensor(stats.norm.logpdf(v)) - torch.as_tensor(stats.norm.logpdf(v, MEAN, STD))).exp()
    assert abs(float(dr.effective_share(w)) - 1 / float(torch.trapezoid(square, v))) < 0.02
    assert float(dr.effective_share(torch.ones(5) / 5)) == pytest.approx(1)
    assert float(dr.effective_share(torch.eye(5)[0])) == pytest.approx(1 / 5)
    assert is_p(x[dr.resample(d, 2000, generator)])


def test_resampling_draws_each_place_by_its_weight(generator):
    w = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-9]])
    counts = torch.stack([row.bincount(minlength=3) for row in dr.resample(w.log(), 30_000, generator)])
    assert (counts / 30_000 - w).abs().max() < 0.015


def test_a_long_chain_ends_at_p_and_one_fake_changes_nothing(draws, generator):
    x, d = draws
    ends = dr.chain(d.view(-1, 40), generator)
    assert is_p(x.view(-1, 40).gather(1, ends[:, None])[:, 0])
    assert not is_p(x.view(-1, 40)[:, 0])
    assert (dr.chain(d[:, None]) == 0).all()


def test_pushing_with_the_right_ratio_gives_p(generator):
    z = torch.randn(4000, 1, generator=generator)
    score = lambda z: dr.gaussian_logit(MEAN + STD * z[:, 0], MEAN, STD)  # noqa: E731
    x = MEAN + STD * dr.push(score, z, 300, 0.15, generator=generator)[:, 0]
    assert abs(float(x.mean())) < 0.06 and abs(float(x.std()) - 1) < 0.04
    peak = MEAN + STD * dr.push(score, z, 2000, 0.15, noise=False)
    assert peak.std() < 0.01  # without noise all climb to the one peak
    assert torch.equal(dr.push(score, z, 0), z)


def test_without_d_pushing_keeps_the_normal_distribution(generator):
    z = dr.push(lambda z: 0 * z.sum(-1), torch.randn(4000, 2, generator=generator), 50, 0.2, generator=generator)
    assert abs(float(z.std()) - 1) < 0.03 and not z.requires_grad


def test_a_right_d_is_reliable_and_a_steep_one_is_mended(draws, generator):
    _, d_fake = draws
    d_real = dr.gaussian_logit(torch.randn(N, generator=generator), MEAN, STD)
    assert dr.reliability(d_real, d_fake).error < 0.01
    bad = [3 * d + 1 for d in (d_real, d_fake)]
    assert dr.reliability(*bad).error > 0.15
    for kind in dr.KINDS:
        mend = dr.calibrated(bad[0][::2], bad[1][::2], kind)
        assert dr.reliability(mend(bad[0][1::2]), mend(bad[1][1::2])).error < 0.015
    line = dr.calibrated(*bad)
    assert abs(float(line(torch.tensor(4.0))) - 1) < 0.1 and abs(float(line(torch.tensor(1.0)))) < 0.05


def test_logistic_calibration_is_scikit_learns(generator):
    real, fake = torch.randn(300, generator=generator) + 0.5, torch.randn(300, generator=generator)
    x, y = torch.cat([real, fake])[:, None].numpy(), [1] * 300 + [0] * 300
    model = LogisticRegression(C=1e6).fit(x, y)
    wanted = torch.as_tensor(model.decision_function(x)).float()
    torch.testing.assert_close(dr.calibrated(real, fake)(torch.as_tensor(x[:, 0])), wanted, atol=1e-3, rtol=1e-3)


def test_isotonic_calibration_rises_and_stays_finite(generator):
    real, fake = torch.randn(200, generator=generator) + 3, torch.randn(200, generator=generator) - 3
    out = dr.calibrated(real, fake, "isotonic")(torch.linspace(-20, 20, 500))
    assert (out.diff() >= -1e-6).all() and out.isfinite().all() and out.abs().max() < 10


def test_reliability_by_hand():
    d = torch.tensor([0.1] * 20).logit()
    r = dr.reliability(torch.full((20,), 0.95).logit(), d, 10)
    assert r.mass.tolist() == [0, 20, 0, 0, 0, 0, 0, 0, 0, 20] or r.mass.tolist() == [20] + [0] * 8 + [20]
    assert r.error == pytest.approx((0.05 + 0.1) / 2, abs=1e-6) and r.told.isnan().sum() == 8


def test_teaching_brings_d_to_the_right_logit(generator):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        D = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))  # p / q of x and x^2 is linear
    values = dr.teach(
        D,
        lambda: (lambda x: torch.stack([x, x.square()], 1))(torch.randn(512, generator=generator)),
        lambda: (lambda x: torch.stack([x, x.square()], 1))(MEAN + STD * torch.randn(512, generator=generator)),
        1500,
        2e-2,
    )
    x = torch.linspace(-2, 2, 9)
    found = D(torch.stack([x, x.square()], 1)).detach()
    assert (found - dr.gaussian_logit(x, MEAN, STD)).abs().max() < 0.15 and values[-1] < values[0]


def test_unevenness(generator):
    grid = densities.grid()
    assert dr.unevenness(grid.modes, grid.modes, grid.std) == 0
    assert dr.unevenness(grid.modes[:1].expand(9, -1), grid.modes, grid.std) == pytest.approx(24 / 25)
    assert dr.unevenness(grid.modes + 0.5, grid.modes, grid.std) == 1.0
    found = [dr.unevenness(grid.sample(1000, generator), grid.modes, grid.std) for _ in range(20)]
    assert abs(sum(found) / 20 - math.sqrt(25 / (2 * math.pi * 1000))) < 0.01


ROW = torch.zeros(30)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dr.gaussian_logit(ROW, 0, 0), "std=0"),
        (lambda: dr.acceptance(ROW, math.inf), "cap=inf"),
        (lambda: dr.acceptance(ROW, 0.0, math.nan), "gamma=nan"),
        (lambda: dr.weights(ROW / 0), "finite"),
        (lambda: dr.weights(torch.tensor(1.0)), "(..., N)"),
        (lambda: dr.effective_share(ROW + 1), "no weights"),
        (lambda: dr.resample(ROW, 0), "n=0"),
        (lambda: dr.chain(ROW.long()), "logits"),
        (lambda: dr.push(lambda z: z.sum(-1), ROW[:, None], 3, 0.0), "size=0.0"),
        (lambda: dr.push(lambda z: 1e30 * z.square().sum(-1), ROW[:, None] + 1, 9, 1.0), "too large"),
        (lambda: dr.reliability(ROW[:5], ROW), "20 or more"),
        (lambda: dr.reliability(ROW, ROW, 0), "bins=0"),
        (lambda: dr.calibrated(ROW, ROW + 1, "platt"), "platt"),
        (lambda: dr.calibrated(ROW, ROW, "isotonic"), "the same"),
        (lambda: dr.teach(torch.nn.Linear(1, 1), None, None, 0), "steps=0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError) as e:
        call()
    assert words in str(e.value)

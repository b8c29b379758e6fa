"""Oracles: scipy's binomial interval and bootstrap, closed forms, the spread over fresh samples."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.stats import binomtest

from ganedu import metrics


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ------------------------------------------------------------------------------------------------- Student


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_mean_interval_is_scipys(level):
    x = [0.3, -1.0, 2.5, 0.0, 0.7]
    low, high = scipy.stats.ttest_1samp(x, 0).confidence_interval(level)
    assert metrics.mean_interval(x, level) == pytest.approx((0.5, low, high))
    assert metrics.mean_interval(torch.tensor(x), level) == pytest.approx((0.5, low, high), rel=1e-6)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_mean_interval_needs_two_finite_numbers(values):
    with pytest.raises(ValueError, match="Give 2 or more, all finite"):
        metrics.mean_interval(values)


# ------------------------------------------------------------------------------------------------- Wilson


@pytest.mark.parametrize(("k", "n"), [(0, 20), (20, 20), (3, 64), (32, 64), (1, 1), (500, 1000)])
@pytest.mark.parametrize(("z", "level"), [(1.959963985, 0.95), (2.575829304, 0.99)])
def test_wilson_is_scipys_interval(k, n, z, level):
    expected = binomtest(k, n).proportion_ci(level, method="wilson")
    low, high = metrics.wilson(k, n, z)
    assert abs(low - expected.low) < 1e-8 and abs(high - expected.high) < 1e-8


def test_none_of_twenty_still_allows_16_per_cent():
    low, high = metrics.wilson(0, 20)
    assert low == 0 and round(high, 2) == 0.16


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_what_is_no_share_has_no_interval(k, n):
    with pytest.raises(ValueError, match=f"{k} of {n} is no share"):
        metrics.wilson(k, n)


# ------------------------------------------------------------------------------------------------- bootstrap


def test_the_bootstraps_interval_of_a_mean_is_scipys():
    x = draw(200, 1)[:, 0].exp()
    found = metrics.bootstrap(torch.mean, x, repeats=4000)
    expected = scipy.stats.bootstrap((x.numpy(),), np.mean, n_resamples=4000, method="percentile", rng=0)
    low, high = expected.confidence_interval
    width = high - low
    assert (
        found.value == float(x.mean()) and abs(found.low - low) < 0.06 * width and abs(found.high - high) < 0.06 * width
    )


def test_two_samples_are_drawn_each_on_its_own():
    a, b = draw(300, 1)[:, 0], 3 * draw(200, 1, 1)[:, 0]
    found = metrics.bootstrap(lambda x, y: x.mean() - y.mean(), a, b, repeats=2000, level=0.8)
    error = math.sqrt(float(a.var() / 300 + b.var() / 200))
    assert abs((found.high - found.low) / (2 * 1.2816 * error) - 1) < 0.08


def test_the_bootstrap_of_the_frechet_distance_is_too_high_and_the_jackknife_is_not():
    """Equal Gaussians: F distances of F + c / N; the resampled ones lie about F + 2 c / N high."""
    a, b = draw(300, 16), draw(300, 16, 1) + 0.1
    boot = metrics.bootstrap(metrics.frechet_distance, a, b, repeats=40)
    jack = metrics.jackknife(metrics.frechet_distance, a, b)
    assert boot.low > boot.value  # the interval does not even hold what was measured
    assert jack.low < jack.value == boot.value < jack.high


# ------------------------------------------------------------------------------------------------- jackknife


def test_the_jackknife_of_a_mean_is_the_textbooks_error():
    x = draw(60, 1)[:, 0]
    found = metrics.jackknife(torch.mean, x, blocks=60)
    assert found.error == pytest.approx(float(x.std()) / 60**0.5) and found.corrected == pytest.approx(float(x.mean()))
    assert found.high - found.low == pytest.approx(2 * 1.959964 * found.error, rel=1e-6)


def test_the_jackknife_makes_the_plain_variance_unbiased():
    x = draw(40, 1)[:, 0]
    found = metrics.jackknife(lambda s: s.var(correction=0), x, blocks=40)
    assert found.value == pytest.approx(float(x.var(correction=0))) and found.corrected == pytest.approx(float(x.var()))


@pytest.mark.parametrize(("shift", "least", "most"), [(0.3, 0.8, 1.3), (0.0, 1.0, 2.2)])
def test_the_jackknifes_error_of_the_frechet_distance_is_the_spread_of_fresh_samples(shift, least, most):
    f, n = 8, 400
    found = [
        metrics.jackknife(metrics.frechet_distance, draw(n, f, 2 * i), draw(n, f, 2 * i + 1) + shift, blocks=20)
        for i in range(40)
    ]
    values, errors, corrected = (torch.tensor([getattr(j, k) for j in found]) for k in ("value", "error", "corrected"))
    assert least < errors.mean() / values.std() < most
    exact, bias = f * shift**2, (f * (f + 1) / 2 + 2 * f) / n
    assert abs(corrected.mean() - exact) < 0.1 * bias + 3 * corrected.std() / 40**0.5
    assert values.mean() - exact > 0.7 * bias


def test_blocks_need_not_divide_the_samples_and_equal_seeds_give_equal_intervals():
    a, b = draw(53, 2), draw(71, 2, 1)
    for method in (metrics.jackknife, metrics.bootstrap):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        assert method(metrics.frechet_distance, a, b) == method(metrics.frechet_distance, a, b)
        assert torch.equal(torch.get_rng_state(), before)
        assert method(metrics.frechet_distance, a, b) != method(metrics.frechet_distance, a, b, seed=1)


def test_what_gives_no_interval_is_refused():
    x = draw(30, 1)[:, 0]
    for method in (metrics.bootstrap, metrics.jackknife):
        with pytest.raises(ValueError, match="level=95 is no probability"):
            method(torch.mean, x, level=95)
        with pytest.raises(ValueError, match="the statistic is nan: it must be finite on every subset"):
            method(lambda s: s.mean() * float("nan"), torch.cat([x, x]))
        with pytest.raises(ValueError, match="no samples are too few here"):
            method(torch.mean)
    with pytest.raises(ValueError, match="30 samples are too few here: give at least 50 of each"):
        metrics.jackknife(torch.mean, x)
    with pytest.raises(ValueError, match="blocks=5 gives"):
        metrics.jackknife(torch.mean, x, blocks=5)
    with pytest.raises(ValueError, match="repeats=10 leaves"):
        metrics.bootstrap(torch.mean, x, repeats=10)

"""Oracles: scipy's matrix root and distances, torchmetrics' scores, scikit-learn's kernel, closed forms."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import polynomial_kernel

from ganedu import data, metrics


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def judge(digits):
    return metrics.train_judge(digits, steps=80)


# ------------------------------------------------------------------------------------------------- Fréchet distance


def by_scipy(a, b):
    S_a, S_b = np.cov(a.T), np.cov(b.T)
    root = sqrtm(S_a @ S_b).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(S_a + S_b - 2 * root)


def with_moments(mean, cov, n=200):
    """n samples whose sample mean and covariance are exactly these."""
    x = draw(n, len(mean))
    x = x - x.mean(0)
    whiten = torch.linalg.inv(torch.linalg.cholesky(x.T.cov()))
    return x @ whiten.T @ torch.linalg.cholesky(cov).T + mean


@pytest.mark.parametrize("f", [2, 16, 64])
def test_frechet_distance_is_scipys_formula(f):
    a, b = draw(300, f) @ draw(f, f, 1), draw(400, f, 2) @ draw(f, f, 3) + draw(1, f, 4)
    expected = by_scipy(a.numpy(), b.numpy())
    assert abs(metrics.frechet_distance(a, b) - expected) < 1e-8 * expected


def test_frechet_distance_of_gaussians_is_the_closed_form():
    """Axes in common: |m_a - m_b|^2 + sum (s_a - s_b)^2."""
    m_a, m_b = torch.tensor([[1.0, 2, 3], [0, 0, 5]], dtype=torch.float64)
    s_a, s_b = torch.tensor([[1.0, 2, 0.5], [3, 1, 0.5]], dtype=torch.float64)
    a, b = with_moments(m_a, (s_a**2).diag()), with_moments(m_b, (s_b**2).diag())
    assert abs(metrics.frechet_distance(a, b) - float(((m_a - m_b) ** 2 + (s_a - s_b) ** 2).sum())) < 1e-9


def test_frechet_distance_on_the_line_is_the_squared_difference_of_moments():
    a, b = draw(60, 1), 3 * draw(50, 1, 1) + 2
    expected = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert abs(metrics.frechet_distance(a, b) - float(expected)) < 1e-9


def test_frechet_distance_is_symmetric_and_zero_for_equal_samples():
    a, b = draw(100, 8), draw(100, 8, 1) * 2 + 1
    assert abs(metrics.frechet_distance(a, b) - metrics.frechet_distance(b, a)) < 1e-9
    assert 0 <= metrics.frechet_distance(a, a.flip(0)) < 1e-9


def test_dead_features_do_no_harm():
    """A judge's unit that never fires has no variance: the covariance is singular, and scipy's root shaky."""
    a, b = draw(100, 8), draw(100, 8, 1) + 1
    expected = metrics.frechet_distance(a, b)
    pad = torch.zeros(100, 3, dtype=torch.float64)
    assert abs(metrics.frechet_distance(torch.cat([a, pad], 1), torch.cat([b, pad], 1)) - expected) < 1e-9


def test_float32_features_lose_nothing_that_matters(judge, digits):
    a, b = (metrics.features(judge, x) for x in (digits.x_test, digits.x[:1000]))
    alive = (a.std(0) > 0) & (b.std(0) > 0)  # scipy has no root of a singular matrix
    a, b = a[:, alive], b[:, alive]
    exact = by_scipy(a.double().numpy(), b.double().numpy())
    assert abs(metrics.frechet_distance(a, b) - exact) < 1e-3 * exact


def test_stored_moments_give_the_same():
    a, b = draw(100, 5), draw(90, 5, 1) + 1
    moments = (a.mean(0), a.T.cov(), b.mean(0), b.T.cov())
    assert metrics.frechet_from_moments(*moments) == pytest.approx(metrics.frechet_distance(a, b), rel=1e-12)


def test_moments_that_do_not_fit_are_refused():
    m, S = torch.zeros(3), torch.eye(3)
    with pytest.raises(ValueError, match=r"means \(F,\) and covariances \(F, F\) of one F: got \(3,\), \(2, 2\)"):
        metrics.frechet_from_moments(m, torch.eye(2), m, S)
    with pytest.raises(ValueError, match="NaN or infinity, or a covariance is not symmetric"):
        metrics.frechet_from_moments(m, S, m, S / 0)
    with pytest.raises(ValueError, match="not symmetric"):
        metrics.frechet_from_moments(m, S, m, torch.ones(3, 3).tril())


# ------------------------------------------------------------------------------------------------- extrapolated


@pytest.mark.parametrize("f", [8, 32])
def test_for_equal_white_features_the_distance_has_the_bias_that_the_docstring_says(f):
    n = 4000
    found = metrics.frechet_distance(draw(n, f), draw(n, f, 1))
    assert abs(found * n / (f * (f + 1) / 2 + 2 * f) - 1) < 0.25


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.2, 1.3)])
def test_the_extrapolated_distance_is_that_of_the_distributions(shift, scale):
    """Closed form of two Gaussians with round covariances; one sample alone is far above it."""
    f, n = 32, 3000
    exact = f * (shift**2 + (scale - 1) ** 2)
    pairs = [(draw(n, f, 2 * i), draw(n, f, 2 * i + 1) * scale + shift) for i in range(8)]
    found = [metrics.frechet_extrapolated(a, b, seed=i) for i, (a, b) in enumerate(pairs)]
    values = torch.tensor([e.value for e in found])
    bias = (f * (f + 1) / 2 + 2 * f) / n
    assert abs(float(values.mean()) - exact) < 0.15 * bias + 3 * float(values.std()) / 8**0.5
    assert found[0].distances[-1] - exact > 0.7 * bias
    assert (
        found[0].sizes == (600, 750, 1000, 1500, 3000) and list(found[0].distances) == sorted(found[0].distances)[::-1]
    )


def test_the_line_goes_through_the_points_that_it_returns():
    found = metrics.frechet_extrapolated(draw(400, 4), draw(400, 4, 1) + 1, sizes=(50, 100, 400), repeats=3)
    slope, value = np.polyfit(1 / np.array(found.sizes), found.distances, 1)
    assert found.value == pytest.approx(value) and found.slope == pytest.approx(slope)
    assert found.distances[-1] == pytest.approx(metrics.frechet_distance(draw(400, 4), draw(400, 4, 1) + 1))


@pytest.mark.parametrize("sizes", [(50,), (4, 50), (50, 401), (50, 50)])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(ValueError, match=r"give two or more different sizes from 8 \(2 F\) to 400"):
        metrics.frechet_extrapolated(draw(400, 4), draw(400, 4, 1), sizes=sizes)


# ------------------------------------------------------------------------------------------------- kernel distance


def mmd2_by_scikit_learn(a, b):
    n, m = len(a), len(b)
    kernel = lambda x, y: polynomial_kernel(x, y, degree=3, coef0=1)  # noqa: E731  # gamma is 1 / F
    A, B, C = kernel(a, a), kernel(b, b), kernel(a, b)
    return (A.sum() - np.trace(A)) / (n * (n - 1)) + (B.sum() - np.trace(B)) / (m * (m - 1)) - 2 * C.mean()


@pytest.mark.parametrize(("n", "m", "f"), [(40, 30, 8), (300, 250, 4), (300, 20, 8)])
def test_kernel_distance_is_the_sum_over_all_pairs(n, m, f):
    """Both ways: through third moments where rows outnumber squared features, else pair by pair; and one of each."""
    a, b = draw(n, f), draw(m, f, 1) * 1.3 + 0.2
    assert metrics.kernel_distance(a, b).value == pytest.approx(mmd2_by_scikit_learn(a.numpy(), b.numpy()), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "f"), [(12, 9, 4), (60, 50, 2)])
def test_the_kernel_distances_error_is_the_jackknifes(n, m, f):
    a, b = draw(n, f), draw(m, f, 1) + 0.5
    without_a = [metrics.kernel_distance(torch.cat([a[:i], a[i + 1 :]]), b).value for i in range(n)]
    without_b = [metrics.kernel_distance(a, torch.cat([b[:i], b[i + 1 :]])).value for i in range(m)]
    expected = math.sqrt((n - 1) * np.var(without_a) + (m - 1) * np.var(without_b))
    assert metrics.kernel_distance(a, b).error == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_has_no_bias_and_its_error_is_the_spread_of_fresh_samples():
    apart = [metrics.kernel_distance(draw(200, 6, 2 * i), draw(200, 6, 2 * i + 1) + 0.3) for i in range(60)]
    same = [metrics.kernel_distance(draw(200, 6, 2 * i), draw(200, 6, 2 * i + 1)) for i in range(60)]
    for found, least, most in ((apart, 0.8, 1.25), (same, 0.8, 2.0)):
        values, errors = torch.tensor(found).T
        assert least < errors.mean() / values.std() < most
    assert abs(values.mean()) < 3 * values.std() / 60**0.5
    assert min(v for v, _ in same) < 0


def test_subsets_average_to_the_same_with_an_honest_error():
    found = [metrics.kernel_distance(draw(600, 6, 2 * i), draw(600, 6, 2 * i + 1) + 0.3, 10, 60) for i in range(30)]
    whole = [metrics.kernel_distance(draw(600, 6, 2 * i), draw(600, 6, 2 * i + 1) + 0.3).value for i in range(30)]
    values, errors = torch.tensor(found).T
    assert abs(values.mean() - sum(whole) / 30) < 0.3 * values.std()
    assert 0.75 < errors.mean() / values.std() < 1.33
    assert values.std() > 0.95 * torch.tensor(whole).std()


@pytest.mark.parametrize(("subsets", "size"), [(1, 10), (2, 2), (5, 21)])
def test_subsets_that_do_not_fit_are_refused(subsets, size):
    with pytest.raises(ValueError, match=f"{subsets} disjoint subsets of {size} do not fit in 100 samples"):
        metrics.kernel_distance(draw(100, 4), draw(120, 4, 1), subsets, size)


# ------------------------------------------------------------------------------------------------- energy distance


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_energy_distance_is_that_of_scipys_pairs(scale):
    a, b = draw(12, 4) + scale, draw(7, 4, 1) + scale + 0.5
    all_pairs = 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
    different = 2 * cdist(a, b).mean() - pdist(a).mean() - pdist(b).mean()
    assert abs(metrics.energy_distance(a, b) - all_pairs) < 1e-12 * scale
    assert abs(metrics.energy_distance(a, b, unbiased=True) - different) < 1e-12 * scale


def test_energy_distance_in_one_column_is_scipys():
    a, b = draw(30, 1), 2 * draw(50, 1, 1) + 1  # scipy gives the root, by distribution functions
    assert abs(metrics.energy_distance(a, b) - stats.energy_distance(a[:, 0], b[:, 0]) ** 2) < 1e-12


def test_energy_distance_by_hand():
    a, b = torch.tensor([[0.0], [2.0]]), torch.ones(3, 1)
    assert metrics.energy_distance(a, b) == 2 * 1 - (0 + 2 + 2 + 0) / 4 - 0
    assert metrics.energy_distance(a, b, unbiased=True) == 2 * 1 - 2 - 0
    assert metrics.energy_distance(a, b[:1]) == 1 and metrics.energy_distance(b, b) == 0


def test_energy_distance_of_the_same_rows_and_of_many():
    a = draw(1100, 5)  # more than are taken at once
    order = torch.randperm(1100, generator=torch.Generator().manual_seed(0))
    assert 0 <= metrics.energy_distance(a, a[order]) < 1e-12
    assert abs(metrics.energy_distance(a, a[order], unbiased=True) + 2 * pdist(a).mean() / 1100) < 1e-12
    first, rest = a[:600], a[600:]
    assert metrics.energy_distance(first, rest) == pytest.approx(metrics.energy_distance(rest, first), rel=1e-12)
    wanted = 2 * cdist(first, rest).mean() - pdist(first).mean() - pdist(rest).mean()
    assert abs(metrics.energy_distance(first, rest, unbiased=True) - wanted) < 1e-12


@pytest.mark.parametrize("unbiased", [False, True])
def test_energy_distance_of_one_distribution_is_as_the_docstring_says(unbiased):
    length = 2 * math.gamma(2.5) / math.gamma(2)  # E|x - x'| of N(0, I) in four dimensions
    found = [metrics.energy_distance(draw(50, 4, 2 * i), draw(100, 4, 2 * i + 1), unbiased) for i in range(60)]
    wanted = 0 if unbiased else length * (1 / 50 + 1 / 100)
    assert abs(np.mean(found) - wanted) < 4 * np.std(found) / math.sqrt(60)
    assert (min(found) < 0) == unbiased


def test_an_energy_distance_needs_tables_with_rows():
    with pytest.raises(ValueError, match=r"one F: got \(6, 2\) and list"):
        metrics.energy_distance(draw(6, 2), [[1.0, 2.0]])
    with pytest.raises(ValueError, match="6 and 0 samples are too few here: give at least 1"):
        metrics.energy_distance(draw(6, 2), draw(6, 2)[:0])
    with pytest.raises(ValueError, match=r"1 and 6 samples are too few here: give at least 2 .* \(a pair of rows\)"):
        metrics.energy_distance(draw(1, 2), draw(6, 2), unbiased=True)


# ------------------------------------------------------------------------------------------------- Inception Score


def test_inception_score_of_sure_and_unsure_answers():
    sure = torch.eye(10).repeat(5, 1)
    assert metrics.inception_score(sure) == pytest.approx(10)
    assert metrics.inception_score(sure[sure[:, :4].sum(1) > 0]) == pytest.approx(4)  # four classes only
    assert metrics.inception_score(torch.full((20, 10), 0.1)) == pytest.approx(1)
    assert metrics.inception_score(torch.eye(10)[:1].repeat(20, 1)) == pytest.approx(1)  # one class only
    three_to_one = torch.eye(2)[[0, 0, 0, 1]].repeat(9, 1)
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert metrics.inception_score(three_to_one) == pytest.approx(math.exp(entropy))


@pytest.mark.parametrize("splits", [1, 4])
def test_inception_score_is_torchmetrics(splits):
    from torchmetrics.image.inception import InceptionScore

    logits = 2 * draw(200, 10).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = InceptionScore(feature=torch.nn.Identity(), splits=splits)
        score.update(logits)
    torch.manual_seed(3)
    order = torch.randperm(200)
    torch.manual_seed(3)
    expected = float(score.compute()[0])
    assert metrics.inception_score(logits.softmax(1)[order], splits) == pytest.approx(expected, rel=1e-5)


def test_inception_score_is_too_low_by_what_the_docstring_says():
    torch.manual_seed(0)
    n, c, repeats = 100, 10, 200
    found = torch.tensor([metrics.inception_score(torch.eye(c)[torch.randint(c, (n,))]) for _ in range(repeats)])
    bias = math.log(c) - found.log().mean()  # of sure answers, sum_c var(p_c) / p(c) is C - 1
    assert abs(bias / ((c - 1) / (2 * n)) - 1) < 0.2


def test_what_is_no_probability_has_no_inception_score():
    p = torch.full((20, 4), 0.25)
    for bad in (draw(20, 4), p * 2, p * float("nan")):
        with pytest.raises(ValueError, match="each row must be probabilities, 0 or more with sum 1"):
            metrics.inception_score(bad)
    for bad, splits in ((p[0], 1), (p, 0), (p, 11), (p[:1], 1)):
        with pytest.raises(ValueError, match="do not fit: give"):
            metrics.inception_score(bad, splits)


# ------------------------------------------------------------------------------------------------- bad features

BOTH = [metrics.frechet_distance, metrics.kernel_distance]


def spoilt(value):
    x = draw(100, 4)
    x[3, 2] = value
    return x


@pytest.mark.parametrize("measure", [*BOTH, metrics.energy_distance])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(measure, value):
    with pytest.raises(ValueError, match="the first features hold NaN or infinity"):
        measure(spoilt(value), draw(100, 4))
    with pytest.raises(ValueError, match="the second features hold NaN or infinity"):
        measure(draw(100, 4), spoilt(value))
    with pytest.raises(ValueError, match="the fake features hold NaN or infinity"):
        metrics.frechet_extrapolated(draw(100, 4), spoilt(value))


@pytest.mark.parametrize("measure", [*BOTH, metrics.frechet_extrapolated, metrics.energy_distance])
@pytest.mark.parametrize("shapes", [((100, 4), (100, 5)), ((100,), (100,)), ((9, 2, 2), (9, 2, 2)), ((9, 0), (9, 0))])
def test_features_of_other_shapes_are_refused(measure, shapes):
    with pytest.raises(ValueError, match=r"features must be \(N, F\) with one F"):
        measure(*(torch.zeros(s) for s in shapes))


@pytest.mark.parametrize("measure", [*BOTH, metrics.frechet_extrapolated])
def test_features_that_are_all_one_row_are_refused(measure):
    with pytest.raises(ValueError, match="features are constant: all 50 rows are equal"):
        measure(draw(50, 4), torch.ones(50, 4))
    with pytest.raises(ValueError, match="features are constant: all 50 rows are equal"):
        measure(torch.ones(50, 4), draw(50, 4))


def test_too_few_samples_for_a_covariance_are_refused():
    assert metrics.frechet_distance(draw(5, 4), draw(50, 4, 1)) > 0
    with pytest.raises(
        ValueError, match=r"4 and 50 samples are too few here: give at least 5 on each side \(4 features"
    ):
        metrics.frechet_distance(draw(4, 4), draw(50, 4, 1))
    with pytest.raises(ValueError, match="15 and 50 samples are too few here: give at least 16"):
        metrics.frechet_extrapolated(draw(15, 4), draw(50, 4, 1))
    with pytest.raises(ValueError, match="2 and 50 samples are too few here: give at least 3"):
        metrics.kernel_distance(draw(2, 4), draw(50, 4, 1))

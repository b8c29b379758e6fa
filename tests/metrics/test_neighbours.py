"""Oracles: scikit-learn's neighbours, closed forms of Naeem et al., the spread over fresh samples."""

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from ganedu import metrics
from ganedu.toys import densities


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ------------------------------------------------------------------------------------------------- recall, precision


def recall_by_neighbours(real, fake, k):
    radii = NearestNeighbors(n_neighbors=k + 1).fit(fake).kneighbors(fake)[0][:, -1]
    distance, index = NearestNeighbors(n_neighbors=len(fake)).fit(fake).kneighbors(real)
    return (distance <= radii[index]).any(1).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("f", [2, 8])
def test_recall_and_precision_are_those_of_scikit_learns_neighbours(k, f):
    real, fake = draw(150, f), draw(120, f, 1) + 0.7
    recall, precision = metrics.recall(real, fake, k), metrics.precision(real, fake, k)
    assert abs(recall - recall_by_neighbours(real, fake, k)) < 1e-6
    assert abs(precision - recall_by_neighbours(fake, real, k)) < 1e-6
    assert 0.1 < recall < 0.98 and 0.1 < precision < 0.98  # else the test would see little


def test_recall_does_not_depend_on_the_chunk():
    real, fake = draw(150, 3), draw(120, 3, 1)
    assert metrics.recall(real, fake, chunk=7) == metrics.recall(real, fake)


def test_recall_sees_a_half_that_fakes_miss_and_precision_does_not():
    half = torch.tensor([20.0, 0, 0], dtype=torch.float64)
    real = torch.cat([draw(200, 3), draw(200, 3, 1) + half])
    fake = draw(400, 3, 2)
    assert abs(metrics.recall(real, fake) - 0.5) < 0.05 and metrics.precision(real, fake) > 0.9


def test_collapsed_fakes_have_balls_of_radius_zero():
    point = 300 * torch.rand(1, 64, generator=torch.Generator().manual_seed(0))
    fake, real = point.expand(60, 64), torch.cat([point.expand(10, 64), (point + 0.01).expand(10, 64)])
    assert metrics.recall(real, fake) == 0.5


def test_a_tight_crowd_far_from_the_origin_is_measured_at_its_own_scale():
    """|a|^2 + |b|^2 - 2 a b would lose it in float32: rows of length 1,400, some 0.01 apart."""
    centre = 300 * torch.rand(1, 64, generator=torch.Generator().manual_seed(0))
    real, fake = ((centre + 1e-3 * draw(150, 64, seed)).float() for seed in (1, 2))
    expected = recall_by_neighbours(real.double(), fake.double(), 5)
    assert 0.1 < expected < 0.98 and abs(metrics.recall(real, fake) - expected) < 0.02


def test_every_sample_lies_in_its_own_ball():
    x = draw(60, 4).float()
    assert metrics.recall(x, x) == 1 and metrics.precision(x, x) == 1


def test_recall_per_class_finds_the_class_where_all_fakes_are_the_same():
    real, labels = draw(300, 4), torch.arange(300) % 3
    fake = draw(300, 4, 1)
    fake[labels == 1] = fake[1].clone()
    per_class = metrics.recall_per_class(real, labels, fake, labels)
    expected = [metrics.recall(real[labels == c], fake[labels == c]) for c in range(3)]
    assert torch.allclose(per_class.double(), torch.tensor(expected).double())
    assert per_class[1] == 0 and min(per_class[0], per_class[2]) > 0.5


# ------------------------------------------------------------------------------------------------- density, coverage


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("f", [2, 8])
def test_density_and_coverage_are_those_of_scikit_learns_neighbours(k, f):
    real, fake = draw(150, f), draw(120, f, 1) + 0.7
    radii = NearestNeighbors(n_neighbors=k + 1).fit(real).kneighbors(real)[0][:, -1]
    distance, index = NearestNeighbors(n_neighbors=len(real)).fit(real).kneighbors(fake)
    to_fakes = NearestNeighbors(n_neighbors=1).fit(fake).kneighbors(real)[0][:, 0]
    assert abs(metrics.density(real, fake, k) - (distance <= radii[index]).sum() / (k * len(fake))) < 1e-9
    assert abs(metrics.coverage(real, fake, k) - (to_fakes <= radii).mean()) < 1e-9


@pytest.mark.parametrize("k", [1, 3, 5])
def test_for_equal_distributions_density_is_one_and_coverage_that_of_the_paper(k):
    """Naeem et al. 2020, section 3.3: 1 - (n - 1) ... (n - k) / ((2 n - 1) ... (2 n - k)), for any distribution."""
    n, repeats = 300, 30
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    pairs = [(draw(n, 3, 2 * i), draw(n, 3, 2 * i + 1)) for i in range(repeats)]
    d = torch.tensor([metrics.density(a, b, k) for a, b in pairs])
    c = torch.tensor([metrics.coverage(a, b, k) for a, b in pairs])
    assert abs(d.mean() - 1) < 4 * d.std() / repeats**0.5
    assert abs(c.mean() - expected) < 4 * c.std() / repeats**0.5 and abs(expected - (1 - 2**-k)) < 0.01


def test_one_outlier_among_the_real_ones_raises_precision_and_hardly_density():
    real, fake = draw(300, 2), draw(300, 2, 1) + 8
    assert metrics.precision(real, fake) == metrics.density(real, fake) == 0
    real[0] = torch.tensor([20.0, 20.0])
    assert metrics.precision(real, fake) > 0.9 and metrics.density(real, fake) < 0.21


def test_one_outlier_among_the_fakes_raises_recall_and_not_coverage():
    real, fake = draw(300, 2), draw(300, 2, 1) + 8
    assert metrics.recall(real, fake) == metrics.coverage(real, fake) == 0
    fake[0] = torch.tensor([-12.0, -12.0])
    assert metrics.recall(real, fake) > 0.9 and metrics.coverage(real, fake) == 0


# ------------------------------------------------------------------------------------------------- all four at once


def test_all_four_at_once_are_the_four_one_by_one():
    real, fake = draw(150, 4), draw(110, 4, 1) + 0.5
    four = metrics.neighbourhoods(real, fake, k=3, chunk=40)
    for name, estimate in four._asdict().items():
        assert estimate.value == pytest.approx(getattr(metrics, name)(real, fake, 3), abs=1e-12)
        assert 0 <= estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize(("f", "shift"), [(2, 0.5), (8, 0.3), (64, 0.1)])
def test_the_intervals_are_as_wide_as_fresh_samples_spread(f, shift):
    """The half width over 1.96 times the spread: 1 were right; Wilson's with n alone goes down to 0.4 here."""
    rows = []
    for i in range(40):
        real, fake = draw(500, f, 2 * i), draw(500, f, 2 * i + 1) * (1 + shift) + shift
        rows.append([(e.value, (e.high - e.low) / 2 / 1.96) for e in metrics.neighbourhoods(real, fake)])
    values, errors = torch.tensor(rows).unbind(-1)
    ratio = errors.mean(0) / values.std(0)
    inner = (values.mean(0) > 0.02) & (values.mean(0) < 0.98)
    assert inner.sum() >= 3 and (ratio[inner] > 0.65).all() and (ratio[inner] < 2.5).all(), ratio


def test_where_nothing_is_inside_the_interval_still_allows_something():
    four = metrics.neighbourhoods(draw(50, 2), draw(50, 2, 1) + 100)
    assert all(e.value == e.low == 0 for e in four) and 0.01 < four.precision.high < 0.15


# ------------------------------------------------------------------------------------------------- nearest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_nearest_are_those_of_scikit_learn(dtype):
    a, b = (50 + draw(90, 6)).to(dtype), (50 + draw(70, 6, 1)).to(dtype)
    distance, index = metrics.nearest(a, b, chunk=16)
    expected, rows = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(b.double()).kneighbors(a.double())
    assert index.tolist() == rows[:, 0].tolist() and torch.allclose(distance, torch.from_numpy(expected[:, 0]))


def test_a_row_that_is_there_is_at_distance_zero_exactly():
    x = (300 + draw(60, 64)).float()
    distance, index = metrics.nearest(x[20:30], x)
    assert (distance == 0).all() and index.tolist() == list(range(20, 30))


# ------------------------------------------------------------------------------------------------- on the plane

RING = densities.ring(8, std=0.2)


def ring(n, seed, modes=8, blur=0.0):
    g = torch.Generator().manual_seed(seed)
    x = RING.sample(8 * n // modes + 400, generator=g)
    x = x[metrics.nearest_mode(x, RING.modes)[1] < modes][:n]
    return x + blur * torch.randn(x.shape, generator=g)


def test_dropped_modes_lower_recall_and_coverage_and_leave_precision_and_density():
    real = ring(2000, 0)
    whole, half = metrics.neighbourhoods(real, ring(2000, 1)), metrics.neighbourhoods(real, ring(2000, 2, modes=4))
    assert min(whole.precision.value, whole.recall.value) > 0.97 and whole.coverage.value > 0.95
    assert abs(whole.density.value - 1) < 0.1
    for name in ("recall", "coverage"):
        assert abs(getattr(half, name).value - 0.5) < 0.06
    assert half.precision.value > 0.97 and half.density.value > 0.9


def test_blur_lowers_precision_and_density():
    real = ring(2000, 0)
    blurred = metrics.neighbourhoods(real, ring(2000, 1, blur=0.5))
    assert blurred.precision.value < 0.9 and blurred.density.value < 0.7


# ------------------------------------------------------------------------------------------------- bad features

ALL_FOUR = [metrics.precision, metrics.recall, metrics.density, metrics.coverage, metrics.neighbourhoods]


def spoilt(value):
    x = draw(100, 4)
    x[3, 2] = value
    return x


@pytest.mark.parametrize("measure", ALL_FOUR)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(measure, value):
    with pytest.raises(ValueError, match="the real features hold NaN or infinity"):
        measure(spoilt(value), draw(100, 4))
    with pytest.raises(ValueError, match="the fake features hold NaN or infinity"):
        measure(draw(100, 4), spoilt(value))
    with pytest.raises(ValueError, match="the second features hold NaN or infinity"):
        metrics.nearest(draw(100, 4), spoilt(value))


@pytest.mark.parametrize("measure", [*ALL_FOUR, metrics.nearest])
@pytest.mark.parametrize("shapes", [((100, 4), (100, 5)), ((100,), (100,)), ((100, 2, 2), (100, 2, 2))])
def test_features_of_other_shapes_are_refused(measure, shapes):
    with pytest.raises(ValueError, match=r"features must be \(N, F\) with one F"):
        measure(*(torch.zeros(s) for s in shapes))


@pytest.mark.parametrize("measure", ALL_FOUR)
def test_too_few_samples_for_k_neighbours_are_refused(measure):
    measure(draw(6, 4), draw(6, 4, 1), k=5)
    with pytest.raises(ValueError, match=r"5 and 6 samples are too few here: give at least 6 on each side \(k = 5"):
        measure(draw(5, 4), draw(6, 4, 1), k=5)
    with pytest.raises(ValueError, match="k=0 does not fit"):
        measure(draw(5, 4), draw(6, 4, 1), k=0)


@pytest.mark.parametrize("measure", ALL_FOUR)
def test_real_features_that_are_all_one_row_are_refused_and_such_fakes_measured(measure):
    with pytest.raises(ValueError, match="the real features are constant: all 50 rows are equal"):
        measure(torch.ones(50, 4), draw(50, 4))
    measure(draw(50, 4), torch.ones(50, 4))

"""Oracles: scipy's matrix root and binomial interval, torchmetrics' FID, scikit-learn's neighbours, counts by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import binomtest
from sklearn.neighbors import NearestNeighbors

from ganedu import data, densities, metrics

RING = densities.ring(8)


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def judge(digits):
    return metrics.train_judge(digits, steps=80)


# ------------------------------------------------------------------------------------------------- modes


def at_modes(counts, spread=0.0):
    """`counts[i]` points at `spread` standard deviations from mode i of the ring, along the first axis."""
    offset = torch.tensor([spread * RING.std, 0.0])
    return torch.cat([RING.modes[i].expand(n, 2) + offset for i, n in enumerate(counts)])


def test_samples_of_the_ring_itself_cover_all_its_modes():
    torch.manual_seed(0)
    assert metrics.modes_covered(RING.sample(2000), RING.modes, RING.std) == 8


def test_a_mode_counts_from_a_fifth_of_its_fair_share():
    """1,000 samples over 8 modes: a fair share is 125, a fifth of it 25."""
    assert metrics.modes_covered(at_modes([475, 475, 25, 25]), RING.modes, RING.std) == 4
    assert metrics.modes_covered(at_modes([476, 475, 25, 24]), RING.modes, RING.std) == 3


def test_only_samples_within_the_radius_count():
    assert metrics.modes_covered(at_modes([125] * 8, spread=3.9), RING.modes, RING.std) == 8
    assert metrics.modes_covered(at_modes([125] * 8, spread=4.1), RING.modes, RING.std) == 0
    assert metrics.modes_covered(at_modes([125] * 8, spread=4.1), RING.modes, RING.std, radius=4.2) == 8


def test_good_share_is_the_share_within_the_radius():
    x = torch.cat([at_modes([30], spread=3.9), at_modes([50], spread=4.1)])
    assert abs(metrics.good_share(x, RING.modes, RING.std) - 30 / 80) < 1e-6
    assert metrics.good_share(torch.full((5, 2), 9.0), RING.modes, RING.std) == 0


@pytest.mark.parametrize("radius", [1.0, 2.0, 4.0])
def test_of_a_gaussian_in_the_plane_the_share_of_rayleighs_law_is_good(radius):
    torch.manual_seed(0)
    n, expected = 40_000, 1 - math.exp(-(radius**2) / 2)
    share = float(metrics.good_share(RING.sample(n), RING.modes, RING.std, radius))
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n) + 1e-4


def test_worlds_are_counted_one_by_one():
    torch.manual_seed(0)
    x = torch.stack([RING.sample(800), at_modes([800]), at_modes([400, 400]), torch.zeros(800, 2)])
    assert metrics.modes_covered(x, RING.modes, RING.std).tolist() == [8, 1, 2, 0]
    share = metrics.good_share(x.view(2, 2, 800, 2), RING.modes, RING.std)
    assert share.shape == (2, 2) and share[0, 1] == 1 and share[1, 1] == 0


def test_the_nearest_mode_is_found_with_its_distance():
    x = torch.tensor([[2.5, 0.0], [0.0, -1.0]])
    distance, index = metrics.nearest_mode(x, RING.modes)
    assert index.tolist() == [0, 6]
    assert torch.allclose(distance, torch.tensor([0.5, 1.0]), atol=1e-5)


def test_samples_that_left_the_finite_numbers_are_near_no_mode():
    x = torch.full((400, 2), float("nan"))
    assert metrics.modes_covered(x, RING.modes, RING.std) == 0 and metrics.good_share(x, RING.modes, RING.std) == 0


def test_too_few_samples_to_count_modes_are_refused_with_the_number_that_is_enough():
    assert metrics.modes_covered(at_modes([200]), RING.modes, RING.std) == 1
    with pytest.raises(ValueError, match=r"199 samples over 8 modes.*at least 200 samples"):
        metrics.modes_covered(at_modes([199]), RING.modes, RING.std)


# ------------------------------------------------------------------------------------------------- intervals


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


def test_frechet_distance_agrees_with_torchmetrics_on_the_judges_features(judge, digits):
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Extractor(torch.nn.Module):
        num_features = 64

        def forward(self, x):
            return metrics.features(judge, x)

    real, fake = digits.x_test, 255 - digits.x[:1000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fid = FrechetInceptionDistance(feature=Extractor())
    fid.update(real, real=True)
    fid.update(fake, real=False)
    expected = float(fid.compute())
    ours = metrics.frechet_distance(metrics.features(judge, real), metrics.features(judge, fake))
    assert expected > 1 and abs(ours - expected) < 1e-3 * expected


def test_float32_features_lose_nothing_that_matters(judge, digits):
    a, b = (metrics.features(judge, x) for x in (digits.x_test, digits.x[:1000]))
    alive = (a.std(0) > 0) & (b.std(0) > 0)  # scipy has no root of a singular matrix
    a, b = a[:, alive], b[:, alive]
    exact = by_scipy(a.double().numpy(), b.double().numpy())
    assert abs(metrics.frechet_distance(a, b) - exact) < 1e-3 * exact


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


# ------------------------------------------------------------------------------------------------- bad features


def spoilt(value):
    x = draw(100, 4)
    x[3, 2] = value
    return x


@pytest.mark.parametrize("measure", [metrics.frechet_distance, metrics.recall, metrics.precision])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(measure, value):
    with pytest.raises(ValueError, match="the first features hold NaN or infinity"):
        measure(spoilt(value), draw(100, 4))
    with pytest.raises(ValueError, match="the second features hold NaN or infinity"):
        measure(draw(100, 4), spoilt(value))


@pytest.mark.parametrize("measure", [metrics.frechet_distance, metrics.recall, metrics.precision])
@pytest.mark.parametrize("shapes", [((100, 4), (100, 5)), ((100,), (100,)), ((100, 2, 2), (100, 2, 2))])
def test_features_of_other_shapes_are_refused(measure, shapes):
    with pytest.raises(ValueError, match=r"features must be \(N, F\) with one F"):
        measure(*(torch.zeros(s) for s in shapes))


def test_too_few_samples_for_a_covariance_are_refused():
    assert metrics.frechet_distance(draw(5, 4), draw(50, 4, 1)) > 0
    with pytest.raises(ValueError, match="4 and 50 samples are too few here: give at least 5 on each side"):
        metrics.frechet_distance(draw(4, 4), draw(50, 4, 1))


@pytest.mark.parametrize("measure", [metrics.recall, metrics.precision])
def test_too_few_samples_for_k_neighbours_are_refused(measure):
    assert measure(draw(6, 4), draw(6, 4, 1), k=5) >= 0
    with pytest.raises(ValueError, match="5 and 6 samples are too few here: give at least 6"):
        measure(draw(5, 4), draw(6, 4, 1), k=5)


# ------------------------------------------------------------------------------------------------- the judge


def test_the_judge_knows_digits_it_never_saw(judge, digits):
    right = metrics.label_accuracy(judge, digits.x_test, digits.labels_test)
    assert right == float((metrics.predict(judge, digits.x_test) == digits.labels_test).float().mean())
    assert right > 0.85
    shifted = (digits.labels_test + 1) % 10
    assert metrics.label_accuracy(judge, digits.x_test, shifted) < 0.1


def test_equal_seeds_train_equal_judges_and_others_do_not(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, other = (metrics.train_judge(digits, steps=3, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (a, b, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_judge_is_frozen(judge):
    assert not judge.training and not any(p.requires_grad for p in judge.parameters())


def test_features_are_the_same_from_bytes_and_floats_in_batches_and_at_once(judge, digits):
    x = digits.x_test[:30]
    expected = judge.features(x.float() / 127.5 - 1)
    assert expected.shape == (30, 64)
    for features in (metrics.features(judge, x, batch_size=7), metrics.features(judge, data.to_float(x))):
        assert torch.allclose(features, expected, atol=1e-4)
    assert torch.equal(metrics.predict(judge, x, batch_size=7), judge(data.to_float(x)).argmax(1))


def test_label_accuracy_asks_for_one_label_an_image(judge, digits):
    with pytest.raises(ValueError, match="5 images but 4 labels"):
        metrics.label_accuracy(judge, digits.x_test[:5], digits.labels_test[:4])

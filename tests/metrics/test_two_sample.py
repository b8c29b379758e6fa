"""Oracles: scipy's binomial test, scikit-learn's 1-NN, the level of a test under its hypothesis."""

import pytest
import torch
from scipy.stats import binomtest
from sklearn.neighbors import KNeighborsClassifier

from ganedu import metrics
from ganedu.toys import densities

BOTH = ("logistic", "nearest")


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("classifier", BOTH)
def test_far_apart_every_sample_is_told_and_the_figures_are_scipys(classifier):
    found = metrics.classifier_two_sample(draw(60, 4), draw(60, 4, 1) + 20, classifier)
    assert found.accuracy == 1 and found.n == 60 and found.high == pytest.approx(1)
    half_apart = metrics.classifier_two_sample(draw(200, 4), draw(200, 4, 1) + 0.4, classifier)
    test = binomtest(round(half_apart.accuracy * 200), 200, alternative="greater")
    assert half_apart.p_value == pytest.approx(test.pvalue)
    interval = binomtest(round(half_apart.accuracy * 200), 200).proportion_ci(method="wilson")
    assert half_apart.low == pytest.approx(interval.low, abs=1e-4)
    assert half_apart.high == pytest.approx(interval.high, abs=1e-4)


@pytest.mark.parametrize("classifier", BOTH)
def test_of_equal_distributions_one_in_twenty_is_called_different(classifier):
    p = torch.tensor([metrics.classifier_two_sample(draw(80, 3, 2 * i), draw(80, 3, 2 * i + 1), classifier).p_value
                      for i in range(200)])  # fmt: skip
    assert 0.005 < (p < 0.05).float().mean() < 0.1  # at most 1/20; less, since accuracy comes in steps
    assert abs(p.median() - 0.5) < 0.15


def test_logistic_regression_is_as_good_as_two_gaussians_allow():
    """N(0, I) against N(d, I): the best accuracy is Phi(|d| / 2)."""
    found = metrics.classifier_two_sample(draw(4000, 5), draw(4000, 5, 1) + 0.5)
    best = float(torch.special.ndtr(torch.tensor(0.5 * 5**0.5 / 2)))
    assert found.low < best < found.high + 0.01


def test_the_nearest_is_scikit_learns_1nn():
    real, fake = draw(100, 3), draw(100, 3, 1) * 2
    g = torch.Generator().manual_seed(0)
    orders = [torch.randperm(100, generator=g) for _ in range(2)]
    train, test = (torch.cat([x[o[s]] for x, o in zip((real, fake), orders, strict=True)])
                   for s in (slice(50), slice(50, None)))  # fmt: skip
    labels = torch.arange(2).repeat_interleave(50)
    expected = KNeighborsClassifier(1).fit(train, labels).score(test, labels)
    assert metrics.classifier_two_sample(real, fake, "nearest").accuracy == pytest.approx(expected)


def test_only_the_nearest_sees_what_has_equal_means():
    """A ring and a spot at its middle, with equal means: no plane parts them."""
    g = torch.Generator().manual_seed(0)
    ring, spot = densities.ring(8).sample(600, g), densities.gaussian(0.0, 0.3, dim=2).sample(600, g)
    assert metrics.classifier_two_sample(ring, spot).accuracy < 0.6
    assert metrics.classifier_two_sample(ring, spot, "nearest").accuracy > 0.99


@pytest.mark.parametrize("classifier", BOTH)
def test_unequal_numbers_do_not_make_guessing_pay(classifier):
    found = metrics.classifier_two_sample(draw(2000, 3), draw(200, 3, 1), classifier)
    assert found.n == 200 and found.low < 0.5 < found.high


def test_dead_features_do_no_harm():
    a, b, pad = draw(100, 3), draw(100, 3, 1) + 1, torch.full((100, 2), 7.0, dtype=torch.float64)
    whole = metrics.classifier_two_sample(torch.cat([a, pad], 1), torch.cat([b, pad], 1))
    assert whole == metrics.classifier_two_sample(a, b)


@pytest.mark.parametrize("classifier", BOTH)
def test_bad_input_is_refused(classifier):
    good, bad = draw(40, 3), draw(40, 3)
    bad[2, 1] = float("nan")
    for pair, message in (
        ((good, good[:19]), "40 and 19 samples are too few here: give at least 20"),
        ((good, bad), "the fake features hold NaN or infinity"),
        ((torch.ones(40, 3), good), "the real features are constant"),
        ((good, good[:, :2]), "with one F"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.classifier_two_sample(*pair, classifier)


def test_another_classifier_is_refused():
    with pytest.raises(ValueError, match="there is no classifier 'forest' here: choose 'logistic' or 'nearest'"):
        metrics.classifier_two_sample(draw(40, 3), draw(40, 3, 1), "forest")

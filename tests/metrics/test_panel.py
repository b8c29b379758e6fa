"""Each line of the table is the function of its name; on the plane, each measure moves the way it should."""

import math

import pytest
import torch

from ganedu import metrics
from ganedu.toys import densities

RING = densities.ring(8, std=0.2)


def sample(n, seed, modes=8, blur=0.0):
    g = torch.Generator().manual_seed(seed)
    x = RING.sample(8 * n // modes + 800, generator=g)
    x = x[metrics.nearest_mode(x, RING.modes)[1] < modes][:n]
    return x + blur * torch.randn(x.shape, generator=g)


REAL, TRAIN = sample(1500, 0), sample(1500, 1)


@pytest.fixture(scope="module")
def fresh():
    return metrics.judge_all(REAL, sample(1500, 2), TRAIN, torch.eye(8).repeat(100, 1))


def test_every_line_is_the_function_of_its_name(fresh):
    fake = sample(1500, 2)
    expected = {
        "frechet_distance": metrics.frechet_distance(REAL, fake),
        "frechet_extrapolated": metrics.frechet_extrapolated(REAL, fake).value,
        "kernel_distance": metrics.kernel_distance(REAL, fake).value,
        **{k: getattr(metrics, k)(REAL, fake) for k in ("precision", "recall", "density", "coverage")},
        "two_sample_logistic": metrics.classifier_two_sample(REAL, fake).accuracy,
        "two_sample_nearest": metrics.classifier_two_sample(REAL, fake, "nearest").accuracy,
        "copying": metrics.copying(fake, TRAIN, REAL).share,
        "copying_u": metrics.copying_u(fake, TRAIN, REAL).auc,
        "inception_score": 8.0,
    }
    assert list(fresh) == list(expected)
    for name, estimate in fresh.items():
        assert estimate.value == pytest.approx(expected[name], abs=1e-12), name
        assert estimate.low <= estimate.value <= estimate.high or math.isnan(estimate.low), name
    assert len(metrics.judge_all(REAL, fake)) == 9


def test_of_one_distribution_every_measure_is_near_its_best(fresh):
    best = {"frechet_extrapolated": 0, "kernel_distance": 0, "density": 1, "coverage": 1 - 2**-5,
            "two_sample_logistic": 0.5, "two_sample_nearest": 0.5, "copying": 0.5}  # fmt: skip
    for name, value in best.items():
        slack = 0.5 * (fresh[name].high - fresh[name].low)
        assert fresh[name].low - slack <= value <= fresh[name].high + slack, name
    assert fresh["frechet_distance"].value < 0.03
    assert min(fresh["precision"].value, fresh["recall"].value) > 0.97


def test_dropped_modes_blur_and_copies_move_what_they_should(fresh):
    noise = torch.randn(1500, 2, generator=torch.Generator().manual_seed(5))
    dropped = metrics.judge_all(REAL, sample(1500, 3, modes=4), TRAIN)
    blurred = metrics.judge_all(REAL, sample(1500, 4, blur=0.5), TRAIN)
    copied = metrics.judge_all(REAL, TRAIN + 0.002 * noise, TRAIN)

    def falls(report, *names):
        return all(report[n].high < fresh[n].low for n in names)

    def rises(report, *names):
        return all(report[n].low > fresh[n].high for n in names)

    assert falls(dropped, "recall", "coverage") and not falls(dropped, "precision") and not falls(dropped, "density")
    assert falls(blurred, "precision", "density")
    assert rises(dropped, "frechet_distance", "kernel_distance", "two_sample_logistic", "two_sample_nearest")
    # a round blur leaves the means and hardly moves the covariance: who sees moments alone sees little
    assert rises(blurred, "two_sample_nearest") and not rises(blurred, "two_sample_logistic")
    assert blurred["frechet_distance"].value > fresh["frechet_distance"].value
    assert not rises(dropped, "copying") and not rises(blurred, "copying")
    assert rises(copied, "copying") and copied["copying"].low > 0.9 and copied["copying_u"].value < 0.1
    assert not rises(copied, "frechet_distance", "kernel_distance") and not falls(copied, "precision", "recall")

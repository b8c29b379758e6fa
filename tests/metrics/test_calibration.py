"""Oracles: torchmetrics' calibration error, scikit-learn's curve, the weighted case by hand and by repeating cases."""

import pytest
import torch
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from ganedu import metrics


@pytest.fixture
def cases():
    """(told, true) of 2,000 cases, foretold too often: they come true with probability told^2."""
    generator = torch.Generator().manual_seed(0)
    told = torch.rand(2000, generator=generator)
    return told, (torch.rand(2000, generator=generator) < told.square()).long()


@pytest.mark.parametrize("bins", [1, 7, 10, 50])
def test_the_error_is_torchmetrics_and_the_curve_scikit_learns(cases, bins):
    told, true = cases
    found = metrics.reliability(told, true, bins=bins)
    assert abs(found.error - float(binary_calibration_error(told, true, n_bins=bins, norm="l1"))) < 1e-6
    share, mean = map(torch.as_tensor, calibration_curve(true, told, n_bins=bins))
    full = found.mass > 0
    torch.testing.assert_close((found.told[full], found.true[full]), (mean.double(), share), atol=1e-6, rtol=0)
    assert found.mass.sum() == 2000


def test_what_is_told_right_has_no_error_and_what_is_told_twice_too_often_has_ratio_2():
    generator = torch.Generator().manual_seed(1)
    told = torch.rand(40_000, generator=generator, dtype=torch.float64) / 2
    true = torch.rand(40_000, generator=generator, dtype=torch.float64) < told
    right, twice = (metrics.reliability(p, true) for p in (told, 2 * told))
    assert right.error < 0.01 and abs(right.ratio - 1) < 0.03
    assert abs(twice.error - 0.25) < 0.01 and abs(twice.ratio - 2) < 0.06


def test_weighted_cases_by_hand():
    told, weight = torch.tensor([0.05, 0.15, 0.15, 1.0]), torch.tensor([1.0, 1.0, 3.0, 1.0])
    found = metrics.reliability(told, torch.tensor([0, 0, 1, 1]), weight)
    assert found.mass.tolist() == [1, 4, *[0] * 7, 1] and torch.equal(found.told.isnan(), found.mass == 0)
    assert found.true[[0, 1, 9]].tolist() == [0, 0.75, 1]
    assert abs(found.error - (0.05 + 4 * 0.6 + 0) / 6) < 1e-7 and abs(found.ratio - 1.65 / 4) < 1e-7


def test_a_case_of_weight_3_is_three_cases(cases):
    told, true = cases
    weight = torch.arange(2000) % 4
    found = metrics.reliability(told, true, weight)
    repeated = metrics.reliability(*(v.repeat_interleave(weight) for v in cases))
    torch.testing.assert_close(tuple(found), tuple(repeated), atol=1e-12, rtol=0)
    third = metrics.reliability(told, true, weight.double() / 3)  # the unit does not matter
    assert abs(third.error - found.error) < 1e-12 and abs(third.ratio - found.ratio) < 1e-12


@pytest.mark.parametrize(
    ("told", "true", "weight"),
    [
        (torch.rand(4), torch.ones(5), None),
        (torch.rand(4, 1), torch.ones(4, 1), None),
        (torch.rand(0), torch.ones(0), None),
        (torch.rand(4), torch.ones(4), torch.ones(3)),
        (torch.rand(4), torch.ones(4), -torch.ones(4)),
        (torch.rand(4) + 1.1, torch.ones(4), None),
        (torch.rand(4) / 0 * 0, torch.ones(4), None),
        (torch.rand(4), torch.full((4,), 0.5), None),
    ],
)
def test_what_does_not_fit_is_told(told, true, weight):
    with pytest.raises(ValueError, match=r"give told \(N,\) from 0 to 1, true \(N,\), 0 or 1, and weights"):
        metrics.reliability(told, true, weight)


def test_bins_are_at_least_one(cases):
    with pytest.raises(ValueError, match="bins=0 does not fit"):
        metrics.reliability(*cases, bins=0)

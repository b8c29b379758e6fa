"""Oracles: counts by hand, Rayleigh's law."""

import math

import pytest
import torch

from ganedu import metrics
from ganedu.toys import densities

RING = densities.ring(8)


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

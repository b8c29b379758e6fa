"""Where the truth is known: which modes of a toy density the samples reach, and how many samples lie at one."""

import math

import torch
from torch import Tensor


def nearest_mode(x: Tensor, modes: Tensor) -> tuple[Tensor, Tensor]:
    """(distance to the nearest mode, its index), each (..., n), for samples x (..., n, dim) and modes (k, dim).

    Raises ValueError for other shapes; so do the measures below.
    """
    if x.ndim < 2 or modes.ndim != 2 or x.shape[-1] != modes.shape[1] or not len(modes):
        raise ValueError(f"give x (..., n, dim) and modes (k, dim): got {tuple(x.shape)} and {tuple(modes.shape)}.")
    # by matrix products, cdist's default, a sample at a mode can seem 0.03 away from it
    return torch.cdist(x, modes.to(x), compute_mode="donot_use_mm_for_euclid_dist").min(-1)


def good_share(x: Tensor, modes: Tensor, std: float, radius: float = 4.0) -> Tensor:
    """Share of samples within `radius` standard deviations of a mode, (...) for x (..., n, dim); 0 to 1.

    Of a Gaussian in the plane, 1 - exp(-radius^2 / 2) = 0.9997 lies within 4.
    Metz et al. 2017 and Lin et al. 2018 count within 3.
    """
    return (nearest_mode(x, modes)[0] < radius * std).float().mean(-1)


def modes_covered(x: Tensor, modes: Tensor, std: float, radius: float = 4.0, min_share: float = 0.2) -> Tensor:
    """Number of modes that get at least `min_share` of their fair share of good samples; (...) int64.

    A mode's fair share is n / k samples. One stray sample does not make a mode: with `min_share` = 0.2, n = 1,000 and
    k = 8 it takes 25. Raises ValueError when n is too small for the smallest count to be 5.
    """
    distance, index = nearest_mode(x, modes)
    n, k = x.shape[-2], len(modes)
    need = min_share * n / k
    if need < 5:
        raise ValueError(
            f"{n} samples over {k} modes: a mode would count from {need:.1f} samples on, which chance decides. Give at "
            f"least {math.ceil(5 * k / min_share):,} samples."
        )
    good = (distance < radius * std).to(x.dtype)
    counts = torch.zeros(*x.shape[:-2], k, dtype=x.dtype, device=x.device).scatter_add_(-1, index, good)
    return (counts >= need).sum(-1)

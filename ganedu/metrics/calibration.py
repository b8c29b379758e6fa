"""Do probabilities mean what they say? Of the cases that are told 0.7, 0.7 should come true."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..inputs import whole


class Reliability(NamedTuple):
    """By bins of the probability told: its mean, the share that came true, the weight of the cases; and two sums.

    `told`, `true` and `mass` are (bins,); an empty bin has mass 0 and NaN else. `error`, the expected calibration
    error, is sum mass |told - true| / sum mass; `ratio` is sum mass told / sum mass true: 1 where it is right on the
    whole, 2 where it is foretold twice too often.
    """

    told: Tensor
    true: Tensor
    mass: Tensor
    error: float
    ratio: float


def reliability(told: Tensor, true: Tensor, weight: Tensor | None = None, bins: int = 10) -> Reliability:
    """Do cases that are told a probability q come true in a share q? For told (N,) from 0 to 1 and true (N,), 0 or 1.

    Bins of equal width; cases weigh `weight` (N,), by default 1 each, so that mass counts them. All in float64. Raises
    ValueError for other shapes or values, or bins outside 1 to 1,000.
    Source: Guo et al. 2017, section 2 and eq. 3 (there for the top class).
    """
    whole("bins", bins, 1, 1000)
    weight = torch.ones_like(told) if weight is None else weight
    told, true, weight = told.double(), true.double(), weight.double()
    fits = told.ndim == 1 and len(told) and told.shape == true.shape == weight.shape
    if not fits or not ((told >= 0) & (told <= 1) & (true * (1 - true) == 0) & (weight >= 0)).all():
        raise ValueError(f"give told (N,) from 0 to 1, true (N,), 0 or 1, and weights (N,) of 0 or more: got shapes "
                         f"{tuple(told.shape)}, {tuple(true.shape)}, {tuple(weight.shape)}.")  # fmt: skip
    place = (told * bins).long().clamp(max=bins - 1)
    zeros = weight.new_zeros(bins)
    mass, sum_told, sum_true = (zeros.index_add(0, place, v) for v in (weight, weight * told, weight * true))
    error = (sum_told - sum_true).abs().sum() / mass.sum()
    return Reliability(sum_told / mass, sum_true / mass, mass, float(error), float(sum_told.sum() / sum_true.sum()))

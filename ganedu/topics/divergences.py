"""How far p is from q: f-divergences with their variational form, and two integral probability metrics, on masses.

p and q (..., n) are masses on the same n cells, as `densities.masses` gives them: there every expectation is a finite
sum, so that values and bounds are exact. All in nats where a logarithm is in it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..toys.densities import check_masses


class FDivergence(NamedTuple):
    """D(p, q) = sum q f(p / q) for a convex f with f(1) = 0, and what its game needs.

    T is any function of x, one number a cell: sum p T - sum q f*(T) <= D(p, q), with equality at T* = f'(p / q).
    Source: Nguyen, Wainwright and Jordan 2010; Nowozin, Cseke and Tomioka 2016, eq. 4 and table 1.
    """

    name: str
    f: Callable[[Tensor], Tensor]  # of the ratio u = p / q
    conjugate: Callable[[Tensor], Tensor]  # f*(t) = max over u of u t - f(u); infinite outside its domain
    best: Callable[[Tensor], Tensor]  # T* = f'(u)
    activation: Callable[[Tensor], Tensor]  # from any real number into the domain of f*
    steepness: float  # f(u) / u as u grows: what a mass of p costs where q has none


def _reverse_conjugate(t: Tensor) -> Tensor:
    return torch.where(t < 0, -1 - (-t).clamp(min=1e-38).log(), math.inf)


def _js_conjugate(t: Tensor) -> Tensor:
    left = 2 - (2 * t).exp()
    return torch.where(left > 0, -0.5 * left.clamp(min=1e-38).log(), math.inf)


def _tv_conjugate(t: Tensor) -> Tensor:
    return torch.where(t > 0.5, math.inf, t.clamp(min=-0.5))


kl = FDivergence("KL(p, q)", lambda u: torch.xlogy(u, u), lambda t: (t - 1).exp(), lambda u: 1 + u.log(),
                 lambda v: v, math.inf)  # fmt: skip
reverse_kl = FDivergence("KL(q, p)", lambda u: -u.log(), _reverse_conjugate, lambda u: -1 / u,
                         lambda v: -v.exp(), 0.0)  # fmt: skip
js = FDivergence("JSD", lambda u: 0.5 * (torch.xlogy(u, u) - torch.xlogy(u + 1, (u + 1) / 2)), _js_conjugate,
                 lambda u: 0.5 * (2 * u / (u + 1)).log(), lambda v: 0.5 * (math.log(2) - softplus(-v)),
                 0.5 * math.log(2))  # fmt: skip
total_variation = FDivergence("total variation", lambda u: 0.5 * (u - 1).abs(), _tv_conjugate,
                              lambda u: 0.5 * (u - 1).sign(), lambda v: 0.5 * v.tanh(), 0.5)  # fmt: skip
pearson = FDivergence("Pearson χ²", lambda u: (u - 1) ** 2, lambda t: torch.where(t > -2, t + t**2 / 4, -1.0),
                      lambda u: 2 * (u - 1), lambda v: v, math.inf)  # fmt: skip
ALL = (js, kl, reverse_kl, total_variation, pearson)


def exact(which: FDivergence, p: Tensor, q: Tensor) -> Tensor:
    """D(p, q) over the last axis -> (...); infinite where a mass meets none and the divergence does not forgive it.

    Raises ValueError for masses that are not.
    """
    p, q = check_masses(p, q)
    u = torch.where(q > 0, p / q.clamp(min=1e-300), 1.0)
    inside = torch.where(q > 0, q * which.f(u), 0.0)
    alone = torch.where((q == 0) & (p > 0), p * which.steepness, 0.0)
    return (inside + alone).sum(-1)


def bound(which: FDivergence, T: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """sum p T - sum q f*(T), the value of D's game: never above `exact`. T (..., n), differentiable.

    T (n,) serves all games of p and q, many T (..., n) one game. Raises ValueError for masses that are not, other T.
    """
    p, q = check_masses(p, q)
    if T.shape[-1:] != p.shape[-1:] or (T.ndim > 1 and p.ndim > 1 and T.shape != p.shape):
        raise ValueError(f"T {tuple(T.shape)} must give one number a cell of p and q {tuple(p.shape)}.")
    paid = torch.where(q > 0, q * which.conjugate(T), 0.0)
    return (p * T - paid).sum(-1)


def wasserstein1(p: Tensor, q: Tensor, width: float) -> Tensor:
    """The least work that carries p to q, mass times way, on cells in a row that are `width` apart: sum |P - Q| width.

    P and Q are the running sums. Also the largest sum (p - q) d over all d of slope at most 1 (Kantorovich and
    Rubinstein). Source: Villani 2009, remarks 2.19 and 6.5.
    """
    p, q = check_masses(p, q)
    return (p - q).cumsum(-1).abs().sum(-1) * width


def mmd2(p: Tensor, q: Tensor, x: Tensor, bandwidth: float = 1.0) -> Tensor:
    """Squared maximum mean discrepancy, (p - q)' K (p - q), with K = exp(-(x_i - x_j)^2 / (2 bandwidth^2)).

    x (n,) are the cells' centres. Raises ValueError for masses that are not, other centres, or a bandwidth not above
    0. Source: Gretton et al. 2012, eq. 2.
    """
    p, q = check_masses(p, q)
    if x.shape != p.shape[-1:]:
        raise ValueError(f"masses {tuple(p.shape)} need one centre a cell, (n,): got {tuple(x.shape)}.")
    if bandwidth <= 0:
        raise ValueError(f"bandwidth={bandwidth!r} does not fit: give a length above 0.")
    x = x.double()
    K = (-((x[:, None] - x) ** 2) / (2 * bandwidth**2)).exp()
    return ((p - q) @ K * (p - q)).sum(-1)

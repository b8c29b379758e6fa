"""How many true points are a model's samples worth? Errors of masses and of means, on a density that is known.

Points x are (..., N, 2), one row a point; leading axes are worlds. The density is a mixture of equal round Gaussians,
such as `densities.two_gaussians()`, so that cells of exactly equal mass, the mean and the spread are closed forms.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..inputs import whole
from ..losses import r1
from ..metrics import mean_interval
from ..metrics.intervals import Estimate
from ..toys import worlds
from ..toys.densities import Density
from ..toys.stacked import StackedMLP

# ----------------------------------------------------------------------------------------- the truth, in cells


class Cells(NamedTuple):
    """k columns, cut at `columns` (k - 1,) of the first axis; column i is cut at `rows[i]` (m - 1,) of the second."""

    columns: Tensor
    rows: Tensor

    @property
    def n(self) -> int:
        return len(self.rows) * (self.rows.shape[1] + 1)


def cells(density: Density, k: int, m: int) -> Cells:
    """k x m cells of mass 1 / (k m) each: columns by the first axis' quantiles, rows by those of x_2 in a column.

    Of 1/J sum_j N(c_j, std^2 I): column edges solve 1/J sum_j Phi((a - c_j1) / std) = i / k; in a column each Gaussian
    weighs what it has there. Raises ValueError for a density that is no such mixture in the plane, or k, m not in 1 to
    1,000. Source: Butter et al. 2021, sections 2 and 3, quantiles on the line and on a ring.
    """
    if density.modes is None or density.dim != 2:
        raise ValueError(f"{density.name} is no mixture of separate Gaussians in the plane: give ring() or the like.")
    whole("k", k, 1, 1000)
    whole("m", m, 1, 1000)
    centres, std = density.modes.double(), density.std
    equal = torch.ones(len(centres), dtype=torch.float64)
    columns = _quantiles(centres[:, 0], equal, std, k)
    ends = torch.cat([columns.new_tensor([-math.inf]), columns, columns.new_tensor([math.inf])])
    inside = torch.special.ndtr((ends[:, None] - centres[:, 0]) / std).diff(dim=0)  # (k, J)
    return Cells(columns, torch.stack([_quantiles(centres[:, 1], w, std, m) for w in inside]))


def _quantiles(centres: Tensor, weights: Tensor, std: float, k: int) -> Tensor:
    """Where 1/k, 2/k, ... of the mass of sum_j w_j N(c_j, std^2) lies to the left: (k - 1,), by bisection."""
    wanted = torch.arange(1, k, dtype=torch.float64) / k
    low, high = (torch.full_like(wanted, float(end)) for end in (centres.min() - 40 * std, centres.max() + 40 * std))
    for _ in range(80):
        middle = (low + high) / 2
        below = (weights * torch.special.ndtr((middle[:, None] - centres) / std)).sum(1) / weights.sum() < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def shares(x: Tensor, cells: Cells) -> Tensor:
    """Share of the points x (..., N, 2) in each cell: (..., k m) float64 with sum 1, column by column.

    Raises ValueError for points of another shape, or not finite.
    """
    if x.ndim < 2 or x.shape[-1] != 2 or not x.shape[-2] or not x.isfinite().all():
        raise ValueError(f"points must be (..., N, 2) and finite, N 1 or more: got {tuple(x.shape)}.")
    columns, rows = (edges.to(x.device, torch.float64) for edges in cells)
    x = x.double()
    column = torch.searchsorted(columns, x[..., 0].contiguous())  # (..., N)
    row = (x[..., 1, None] > rows[column]).sum(-1)
    cell = column * (rows.shape[1] + 1) + row
    counts = torch.zeros(*x.shape[:-2], cells.n, dtype=torch.float64, device=x.device)
    return counts.scatter_add_(-1, cell, torch.ones_like(cell, dtype=torch.float64)) / x.shape[-2]


# ------------------------------------------------------------------------------------------------------- errors


def quantile_error(x: Tensor, cells: Cells) -> Tensor:
    """Mean over the K cells of (share of x - 1/K)^2: (...,) float64. Source: Butter et al. 2021, section 2."""
    return (shares(x, cells) - 1 / cells.n).square().mean(-1)


def quantile_error_of_one(cells: Cells) -> float:
    """What `quantile_error` of one true point is on average, 1/K (1 - 1/K); of N points it is the N-th part."""
    return (1 - 1 / cells.n) / cells.n


def mean_error(x: Tensor, density: Density) -> Tensor:
    """|mean of x - mean of the density|^2: (...,) float64; the density as `cells` takes it."""
    return (x.double().mean(-2) - density.modes.double().mean(0).to(x.device)).square().sum(-1)


def mean_error_of_one(density: Density) -> float:
    """What `mean_error` of one true point is on average, the trace of the covariance; of N points the N-th part."""
    modes = density.modes.double()
    return float((modes - modes.mean(0)).square().sum(1).mean()) + density.dim * density.std**2


def worth(errors, of_one: float) -> Estimate:
    """How many true points err as much: of_one / mean error over worlds, with the ends that the mean's interval gives.

    Raises ValueError for fewer than two errors, for negative ones, or where all are 0; the upper end is infinite where
    the interval of the mean reaches 0. Source: Butter et al. 2021, section 2, the equivalent number of events.
    """
    errors = [float(e) for e in errors]
    if not errors or min(errors) < 0 or max(errors) == 0:
        raise ValueError("errors must be 0 or more, and not all 0: give one mean squared error a world.")
    mean, low, high = mean_interval(errors)
    return Estimate(of_one / mean, of_one / high, of_one / low if low > 0 else math.inf)


# ----------------------------------------------------------------------------------------------- a GAN on few points


def train(
    x: Tensor, *, stops: Sequence[int] = (2000,), batch: int = 50, z_dim: int = 4, width: int = 64, lr: float = 1e-3,
    gamma: float = 0.1, ema: float = 0.995, n_samples: int = 10_000, seed: int = 0,
) -> dict[int, Tensor]:  # fmt: skip
    """{step: samples (W, n_samples, 2)} of W small GANs, world w trained on x[w] alone, x (W, N, 2).

    The game of `worlds.step`, non-saturating with R1, Adam (0.5, 0.9); batches are drawn from x[w] with replacement.
    Samples come from the running average of G's weights, from the same noise at each stop; on x's device. The same
    call gives the same numbers. Raises ValueError for points of another shape or not finite, or no stop.
    """
    if x.ndim != 3 or x.shape[-1] != 2 or not x.numel() or not x.isfinite().all():
        raise ValueError(f"x must be (W, N, 2), N points of W worlds, finite: got {tuple(x.shape)}.")
    if not stops or min(stops) < 1:
        raise ValueError(f"stops={tuple(stops)} does not fit: give one or more steps to look at, such as (1000, 2000).")
    draw, (n_worlds, n, _) = worlds.streams, x.shape
    device, x = x.device, x.float()
    G = StackedMLP(n_worlds, [z_dim, width, width, 2], draw(seed, 0)).to(device)
    D = StackedMLP(n_worlds, [2, width, width, 1], draw(seed, 1), slope=0.2, logits=True).to(device)
    average = StackedMLP(n_worlds, [z_dim, width, width, 2], draw(seed, 0)).to(device)
    opt_G, opt_D = (torch.optim.Adam(p.parameters(), lr, (0.5, 0.9), fused=True) for p in (G, D))
    index, noise, shown = ([draw(seed, role)(w) for w in range(n_worlds)] for role in (2, 3, 4))
    z_shown = torch.stack([torch.randn(n_samples, z_dim, generator=g) for g in shown]).to(device)
    found = {}
    for i in range(1, max(stops) + 1):
        chosen = torch.stack([torch.randint(n, (batch,), generator=g) for g in index])[..., None].to(device)
        z = torch.stack([torch.randn(2, batch, z_dim, generator=g) for g in noise], 1).to(device)
        worlds.step(x.gather(1, chosen.expand(-1, -1, 2))[None], z, G=G, D=D, opt_G=opt_G, opt_D=opt_D,
                    penalty=lambda D, real, fake: r1(D, real, gamma=gamma))  # fmt: skip
        with torch.no_grad():
            for a, p in zip(average.parameters(), G.parameters(), strict=True):
                a.lerp_(p, 1 - min(ema, i / (i + 10)))
            if i in stops:
                found[i] = average(z_shown)
    return found


# -------------------------------------------------------------------------------------------------------- other models


def from_mixture(x: Tensor, n: int, seed: int = 0, most: int = 6) -> Tensor:
    """n draws (n, 2) from a mixture of 1 to `most` Gaussians fitted to x (N, 2), their number by the BIC.

    scikit-learn's `GaussianMixture`, three starts each. Source: Schwarz 1978 for the criterion.
    """
    from sklearn.mixture import GaussianMixture

    points = _plane(x).double().cpu().numpy()
    fits = [GaussianMixture(k, n_init=3, random_state=seed).fit(points) for k in range(1, min(most, len(x)) + 1)]
    best = min(fits, key=lambda fit: fit.bic(points))
    return torch.from_numpy(best.sample(n)[0]).float()[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]


def from_gaussian(x: Tensor, n: int, seed: int = 0) -> Tensor:
    """n draws (n, 2) from one Gaussian with the mean and covariance of x (N, 2): a model that may be wrong."""
    return from_mixture(x, n, seed, most=1)


def from_kernel(x: Tensor, n: int, seed: int = 0, widths: Sequence[float] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)) -> Tensor:
    """n draws (n, 2) from a Gaussian around each point of x (N, 2): scipy's `gaussian_kde`.

    Its width, a share of the points' own spread, is that of `widths` with the greatest likelihood of a fifth of the
    points under the other four, five times. Source: Silverman 1986, section 3.4.4.
    """
    import numpy as np
    from scipy.stats import gaussian_kde

    points = _plane(x).double().cpu().numpy().T  # (2, N)
    fifth = np.random.default_rng(seed).permutation(points.shape[1]) % 5

    def likelihood(width: float) -> float:
        parts = ((points[:, fifth != k], points[:, fifth == k]) for k in range(5))
        return sum(gaussian_kde(most, width).logpdf(rest).sum() for most, rest in parts)

    best = gaussian_kde(points, max(widths, key=likelihood))
    return torch.from_numpy(best.resample(n, seed=np.random.default_rng(seed)).T).float()


def _plane(x: Tensor) -> Tensor:
    if x.ndim != 2 or x.shape[1] != 2 or len(x) < 10 or not x.isfinite().all():
        raise ValueError(f"a model is fitted to points (N, 2), 10 or more, finite: got {tuple(x.shape)}.")
    return x


MODELS: dict[str, Callable[..., Tensor]] = {
    "mixture": from_mixture, "kernel estimate": from_kernel, "one Gaussian": from_gaussian,
}  # fmt: skip

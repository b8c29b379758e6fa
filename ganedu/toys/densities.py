"""Toy densities on the line and in the plane: drawn from at any length, and known exactly where a closed form exists.

All of them live in [-3, 3]^dim (centres lie inside; a Gaussian's tails may leave). Points are float32, (n, dim). At the
end stand three helpers that turn two densities into masses on one grid, where the Jensen-Shannon divergence is exact.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

LIMIT = 3.0
MOST_DRAWN = 500  # points of somebody's drawing


@dataclass(frozen=True)
class Density:
    """A distribution of points: `sample` draws from it, `pdf` is its density; `modes` and their `std` where it has any.

    Mixtures of Gaussians have `modes` (k, dim) with one standard deviation `std` for all; the others have None.
    """

    name: str
    dim: int
    modes: Tensor | None = field(default=None, repr=False)
    std: float | None = None
    _draw: Callable = field(default=None, repr=False)
    _pdf: Callable | None = field(default=None, repr=False)

    @property
    def has_pdf(self) -> bool:
        """Whether the density has a closed form, so that `pdf` answers."""
        return self._pdf is not None

    def sample(self, n: int, generator: torch.Generator | None = None, device=None) -> Tensor:
        """n independent points, (n, dim) float32, on the device (the generator's, or torch's default, unless given).

        From torch's global random numbers without a generator. Raises ValueError for n below 1.
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"cannot draw n={n!r} points: give a whole number, 1 or more.")
        if generator is None:
            return self._draw(n, {"generator": None, "device": device, "dtype": torch.float32})
        return self._draw(n, {"generator": generator, "device": generator.device, "dtype": torch.float32}).to(device)

    def pdf(self, x: Tensor) -> Tensor:
        """Density at x (..., dim) -> (...), in x's dtype, per unit of length^dim; integrates to 1.

        Raises ValueError when x has another last axis, NotImplementedError where no closed form exists (`has_pdf`).
        """
        if self._pdf is None:
            raise NotImplementedError(
                f"{self.name} is a curve blurred by noise and has no density in closed form: draw from it by sample(), "
                "or take one that has_pdf, such as ring() or line()."
            )
        if x.ndim < 1 or x.shape[-1] != self.dim or not x.is_floating_point():
            raise ValueError(
                f"{self.name} has dim {self.dim}: its pdf takes floating-point x of shape (..., {self.dim}), got "
                f"{x.dtype} {tuple(x.shape)}."
            )
        return self._pdf(x)


# ------------------------------------------------------------------------------------------- mixtures of Gaussians


def gaussian(mean: float | Sequence[float] = 0.0, std: float = 1.0, dim: int = 1) -> Density:
    """One round Gaussian, N(mean, std^2 I), on the line or in the plane; `mean` is a number or dim of them."""
    _check_dim(dim)
    mean = torch.as_tensor(mean, dtype=torch.float64).flatten()
    if len(mean) not in (1, dim):
        raise ValueError(f"mean has {len(mean)} coordinates, but dim is {dim}: give one number, or {dim}.")
    return _mixture("Gaussian", mean.expand(dim)[None], std)


def two_gaussians(dim: int = 2, distance: float = 3.0, std: float = 0.4) -> Density:
    """Two equal Gaussians at -distance / 2 and distance / 2 on the first axis."""
    _check_dim(dim)
    centres = torch.zeros(2, dim, dtype=torch.float64)
    centres[:, 0] = torch.tensor([-distance / 2, distance / 2])
    return _mixture("two Gaussians", centres, std)


def ring(k: int = 8, radius: float = 2.0, std: float = 0.05) -> Density:
    """k equal Gaussians, evenly spaced on a circle. Source: Metz et al. 2017, section 3.1, with radius 2, std 0.02."""
    _check_count("k", k)
    angle = 2 * math.pi * torch.arange(k, dtype=torch.float64) / k
    return _mixture(f"ring of {k}", radius * torch.stack([angle.cos(), angle.sin()], -1), std)


def grid(side: int = 5, spacing: float = 1.0, std: float = 0.05) -> Density:
    """side x side equal Gaussians on a square grid. Source: Lin et al. 2018, section 4.1, with spacing 2, std 0.05."""
    _check_count("side", side)
    axis = spacing * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
    return _mixture(f"grid of {side * side}", torch.cartesian_prod(axis, axis).view(-1, 2), std)


def drawn(points, std: float = 0.1) -> Density:
    """Equal Gaussians at points that somebody drew: (k, 2) or (k, 1) numbers within [-3, 3], k from 1 to 500.

    Raises ValueError for no point or too many, another shape, or values that are no numbers, not finite or outside.
    """
    try:
        points = points.detach() if isinstance(points, Tensor) else points
        given = torch.as_tensor(points)
        if given.dtype == torch.bool or given.is_complex():
            raise TypeError("these are True and False, or complex.")
        points = torch.as_tensor(points, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as e:
        why = str(e).partition("\n")[0]
        raise ValueError(f"points must be numbers, one pair (x1, x2) a point: {why}") from None
    if points.numel() == 0:
        raise ValueError("there is no point: draw at least one.")
    if points.ndim != 2 or points.shape[1] not in (1, 2):
        raise ValueError(f"points have shape {tuple(points.shape)}: give (k, 2) in the plane, or (k, 1) on the line.")
    if len(points) > MOST_DRAWN:
        raise ValueError(
            f"{len(points):,} points: give {MOST_DRAWN} at most. Each is a mode, which fakes are counted for and whose "
            "distance to every other one is measured."
        )
    return _mixture(f"{len(points)} drawn points", points, std)


def _mixture(name: str, centres: Tensor, std: float) -> Density:
    """1/k sum_i N(x; c_i, std^2 I). Two centres within 2 std merge into one hump, so there `modes` is None."""
    _check_positive("std", std)
    if not centres.isfinite().all():
        raise ValueError(f"{name}: a centre is NaN or infinite; give finite numbers within [-{LIMIT:g}, {LIMIT:g}].")
    if centres.abs().max() > LIMIT:
        worst = centres.abs().max().item()
        raise ValueError(
            f"{name}: a centre has a coordinate of size {worst:.3g}; all centres must lie within "
            f"[-{LIMIT:g}, {LIMIT:g}], which is what figures show: bring them nearer to 0."
        )
    k, dim = centres.shape
    modes = centres.float()
    norm = k * (math.sqrt(2 * math.pi) * std) ** dim

    def draw(n: int, kw: dict) -> Tensor:
        x = torch.randn(n, dim, **kw)
        chosen = torch.randint(k, (n,), generator=kw["generator"], device=x.device)
        return modes.to(x.device)[chosen] + std * x

    def pdf(x: Tensor) -> Tensor:
        squares = (x.unsqueeze(-2) - centres.to(x)).square().sum(-1)  # (..., k)
        return (-squares / (2 * std * std)).exp().sum(-1) / norm

    separate = k == 1 or float(torch.pdist(centres).min()) > 2 * std
    return Density(name, dim, modes if separate else None, std, draw, pdf)


# ------------------------------------------------------------------------------------------------ other shapes


def line(start: Sequence[float] = (-2.0, -1.0), end: Sequence[float] = (2.0, 1.0), std: float = 0.1) -> Density:
    """A segment in the plane with uniform mass, blurred by N(0, std^2 I).

    With t along the segment, u across, both from its middle, and half its length h:
    p = (Phi((t + h) / std) - Phi((t - h) / std)) / (2 h) * N(u; 0, std^2).
    """
    _check_positive("std", std)
    ends = torch.tensor([list(start), list(end)], dtype=torch.float64)
    if ends.shape != (2, 2) or not ends.isfinite().all() or ends.abs().max() > LIMIT or torch.equal(ends[0], ends[1]):
        raise ValueError(f"start={start} and end={end} do not fit: give two different points of [-3, 3]^2.")
    middle, h = ends.mean(0), float((ends[1] - ends[0]).norm()) / 2
    along = (ends[1] - ends[0]) / (2 * h)
    across = torch.stack([-along[1], along[0]])

    def draw(n: int, kw: dict) -> Tensor:
        t = torch.rand(n, 1, **kw) * 2 - 1
        return middle.to(t) + h * t * along.to(t) + std * torch.randn(n, 2, **kw)

    def pdf(x: Tensor) -> Tensor:
        t, u = (x - middle.to(x)) @ along.to(x), (x - middle.to(x)) @ across.to(x)
        inside = torch.special.ndtr((t + h) / std) - torch.special.ndtr((t - h) / std)
        return inside / (2 * h) * torch.exp(-0.5 * (u / std) ** 2) / (math.sqrt(2 * math.pi) * std)

    return Density("line", 2, None, None, draw, pdf)


def disjoint(dim: int = 2) -> Density:
    """Uniform on separate pieces: the intervals [-2, -1] and [1, 2], or three rectangles of different size.

    The density is one constant on the pieces and 0 between them: no path of data leads from one to another.
    """
    _check_dim(dim)
    boxes = {1: [((-2.0,), (-1.0,)), ((1.0,), (2.0,))],
             2: [((-2.5, -2.0), (-1.5, 2.0)), ((0.5, 0.5), (2.5, 2.0)), ((1.0, -2.0), (2.0, -1.0))]}[dim]  # fmt: skip
    lo, hi = (torch.tensor(side, dtype=torch.float64) for side in zip(*boxes, strict=True))  # (k, dim)
    volumes = (hi - lo).prod(-1)

    def draw(n: int, kw: dict) -> Tensor:
        x = torch.rand(n, dim, **kw)
        chosen = torch.multinomial(volumes.to(x), n, replacement=True, generator=kw["generator"])
        return lo.to(x)[chosen] + (hi - lo).to(x)[chosen] * x

    def pdf(x: Tensor) -> Tensor:
        points = x.unsqueeze(-2)
        inside = ((points >= lo.to(x)) & (points <= hi.to(x))).all(-1).any(-1)
        return inside.to(x) / float(volumes.sum())

    return Density("disjoint pieces", dim, None, None, draw, pdf)


def moons(std: float = 0.1) -> Density:
    """Two interleaved half circles of radius 1.5, blurred by N(0, std^2 I): scikit-learn's `make_moons`, 1.5 times."""
    _check_positive("std", std)

    def draw(n: int, kw: dict) -> Tensor:
        angle = math.pi * torch.rand(n, **kw)
        side = torch.randint(2, (n,), generator=kw["generator"], device=angle.device) * 2 - 1
        x = 1.5 * torch.stack([side * (angle.cos() - 0.5), side * (angle.sin() - 0.25)], -1)
        return x + std * torch.randn(n, 2, **kw)

    return Density("moons", 2, None, None, draw)


def spiral(turns: float = 1.75, std: float = 0.05) -> Density:
    """An arm that winds out from the centre to radius 2.6 in `turns` turns, blurred by N(0, std^2 I).

    The angle grows as the root of a uniform number, which spreads the points about evenly along the arm.
    """
    _check_positive("std", std)
    _check_positive("turns", turns)

    def draw(n: int, kw: dict) -> Tensor:
        share = torch.rand(n, **kw).sqrt()
        angle = 2 * math.pi * turns * share
        x = 2.6 * share[:, None] * torch.stack([angle.cos(), angle.sin()], -1)
        return x + std * torch.randn(n, 2, **kw)

    return Density("spiral", 2, None, None, draw)


# Each is made without an argument; `drawn` needs points, so menus offer it in another way.
ALL: dict[str, Callable[[], Density]] = {
    f.__name__: f for f in (gaussian, line, two_gaussians, ring, grid, disjoint, moons, spiral)
}


def _check_dim(dim: int) -> None:
    if dim not in (1, 2):
        raise ValueError(f"dim={dim!r} does not fit: 1 is the line, 2 is the plane.")


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r} does not fit: give a whole number, 1 or more.")


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r} does not fit: give a finite number above 0.")


# ------------------------------------------------------------------------------------------------ masses on a grid


def cells(lo: float = -LIMIT, hi: float = LIMIT, n: int = 100, dim: int = 2) -> tuple[Tensor, float]:
    """(centres (n^dim, dim) float32, volume of a cell) of a regular grid of n cells a side over [lo, hi]^dim.

    In the plane x_1 runs fastest: `values.view(n, n)` has x_2 down the rows and x_1 along the columns, as a heat map.
    """
    _check_dim(dim)
    _check_count("n", n)
    if not -math.inf < lo < hi < math.inf:
        raise ValueError(f"[{lo}, {hi}] is no interval: give finite lo < hi.")
    width = (hi - lo) / n
    axis = (lo + width * (torch.arange(n, dtype=torch.float64) + 0.5)).float()
    if dim == 1:
        return axis[:, None], width
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2), width**2


def masses(values: Tensor, volume: float) -> Tensor:
    """Density values (..., n) at the cells' centres -> masses (..., n) float64 with sum 1: value * volume, normalised.

    Raises ValueError for negative or non-finite values, and where value * volume adds up to less than 0.9 or more
    than 1.1: then the grid leaves mass out, or is too coarse for the density.
    """
    m = values.double() * volume
    if not m.isfinite().all() or (m < 0).any():
        raise ValueError("density values must be finite and not negative.")
    total = m.sum(-1, keepdim=True)
    off = float(total.flatten()[(total - 1).abs().argmax()])
    if not 0.9 <= off <= 1.1:
        raise ValueError(
            f"the cells hold a mass of {off:.3f}, where it should be near 1: widen the grid over the whole density, "
            "or take more cells if they are wider than its details."
        )
    return m / total


def check_masses(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64. Raises ValueError for different shapes, negative masses, or sums that are not 1."""
    if p.shape != q.shape or not p.ndim:
        raise ValueError(f"p and q must be masses on the same cells: got {tuple(p.shape)} and {tuple(q.shape)}.")
    p, q = p.double(), q.double()
    for name, m in (("p", p), ("q", q)):
        if (m < 0).any() or not torch.allclose(m.sum(-1), torch.ones((), dtype=m.dtype, device=m.device), atol=1e-5):
            raise ValueError(f"{name} holds no masses: they must be 0 or more and add up to 1. Use masses() first.")
    return p, q


def jsd(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence of masses (..., n), in nats: 0 for equal ones, log 2 for masses that never meet.

    1/2 sum p log(p / m) + 1/2 sum q log(q / m) with m = (p + q) / 2 and 0 log 0 = 0; over the last axis -> (...).
    Raises ValueError for different shapes, negative masses, or sums that are not 1. Source: Lin 1991, section III.
    """
    p, q = check_masses(p, q)
    both = (p + q).clamp(min=torch.finfo(p.dtype).tiny)  # 0 only where p and q are
    return 0.5 * (torch.xlogy(p, 2 * p / both) + torch.xlogy(q, 2 * q / both)).sum(-1).clamp(min=0)

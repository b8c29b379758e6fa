"""Does scale help? A pair of players that grows in width, depth and side, and a power law over what was bought.

The players go without batch norm, so that a large batch, a penalty on single samples and an average of weights mean
what they say; their weights are equalised, so that one learning rate serves every width. The game they play here is the
relativistic one with R1 + R2 (Huang, Gokaslan, Kuleshov and Tompkin 2024, R3GAN, section 2); progressive growing is
that of Karras, Aila, Laine and Lehtinen 2018, section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..inputs import whole
from ..metrics import Estimate, mean_interval
from .style_generator import EqualLinear

SIDES = (16, 32, 64, 128)
GAIN = math.sqrt(2)  # about what LeakyReLU(0.2) takes from a signal's size

# ------------------------------------------------------------------------------------------------------ the players


class EqualConv(nn.Conv2d):
    """A 3 x 3 convolution x (N, n_in, S, S) -> (N, n_out, S, S) whose weights, from N(0, 1), are scaled by fan-in.

    Source: Karras et al. 2018, section 4.1 (equalised learning rate).
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__(n_in, n_out, 3, padding=1)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * (9 * self.in_channels) ** -0.5, self.bias, padding=1)


class Stage(nn.Module):
    """`depth` convolutions with LeakyReLU(0.2) on x (N, n_in, S, S) -> (N, n_out, S, S); from the second on residual.

    With `norm` each place's vector of maps has unit mean square after each (Karras et al. 2018, section 4.2).
    """

    def __init__(self, n_in: int, n_out: int, depth: int, norm: bool):
        super().__init__()
        self.convs = nn.ModuleList(EqualConv(n_in if i == 0 else n_out, n_out) for i in range(depth))
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            y = F.leaky_relu(conv(x), 0.2) * GAIN
            x = y if i == 0 else (x + y) / GAIN
            if self.norm:
                x = x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return x


def _maps(image_size: int, width: int, depth: int) -> list[int]:
    """Number of maps at 4, 8, ... image_size / 2 pixels: `width` at the finest, doubled at each halving to x 4."""
    if image_size not in SIDES:
        raise ValueError(f"image_size={image_size!r} does not fit: choose one of {', '.join(map(str, SIDES))}.")
    whole("width", width, 1, 2**12)
    whole("depth", depth, 1, 16)
    stages = int(math.log2(image_size)) - 2
    return [width * min(4, 2 ** (stages - 1 - i)) for i in range(stages)]


class Generator(nn.Module):
    """z (N, z_dim) -> images (N, channels, S, S), S = image_size; a linear layer to 4 x 4, then one `Stage` a doubling.

    The last maps have half the image's side: 4 * `channels` maps become pixels there (pixel shuffle). `level`
    counts the doublings in use, 0 to `levels`; at the lower ones images have 8 * 2^level pixels a side. A level between
    two whole numbers, as 1.25, fades: 3/4 the smaller image, doubled, and 1/4 the larger. Raises ValueError for another
    image_size than those of SIDES, or a level outside 0 to `levels`.
    Source: Karras et al. 2018, section 2 (growth and fading).
    """

    def __init__(self, image_size: int = 32, width: int = 16, depth: int = 1, z_dim: int = 32, channels: int = 3):
        super().__init__()
        maps = _maps(image_size, width, depth)
        self.z_dim, self.image_size, self.levels = z_dim, image_size, len(maps) - 1
        self.first = EqualLinear(z_dim, maps[0] * 16)
        n_in = [maps[0], *maps[:-1]]
        self.stages = nn.ModuleList(Stage(a, b, depth, True) for a, b in zip(n_in, maps, strict=True))
        self.rgb = nn.ModuleList(EqualConv(n, 4 * channels) for n in maps)
        self.level = float(self.levels)

    def forward(self, z: Tensor) -> Tensor:
        low, mix = _level(self.level, self.levels)
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        x = self.stages[0](F.leaky_relu(self.first(z), 0.2).unflatten(1, (-1, 4, 4)))
        for i in range(1, low + 1):
            x = self.stages[i](F.interpolate(x, scale_factor=2))
        image = F.pixel_shuffle(self.rgb[low](x), 2)
        if mix:
            x = self.stages[low + 1](F.interpolate(x, scale_factor=2))
            image = torch.lerp(F.interpolate(image, scale_factor=2), F.pixel_shuffle(self.rgb[low + 1](x), 2), mix)
        return image.tanh()


class Discriminator(nn.Module):
    """Images (N, channels, S, S) -> logits (N,); the mirror of `Generator`, with averages of 2 x 2 for its doublings.

    No norm. `level` as there: the image's side must be that of the level, else a ValueError.
    """

    def __init__(self, image_size: int = 32, width: int = 16, depth: int = 1, channels: int = 3):
        super().__init__()
        maps = _maps(image_size, width, depth)
        self.image_size, self.levels = image_size, len(maps) - 1
        n_out = [maps[0], *maps[:-1]]
        self.stages = nn.ModuleList(Stage(a, b, depth, False) for a, b in zip(maps, n_out, strict=True))
        self.rgb = nn.ModuleList(EqualConv(4 * channels, n) for n in maps)
        self.head = EqualLinear(maps[0] * 16, 1)
        self.level = float(self.levels)

    def forward(self, x: Tensor) -> Tensor:
        low, mix = _level(self.level, self.levels)
        top = low + (mix > 0)
        if x.ndim != 4 or x.shape[-1] != 8 * 2**top or x.shape[-2] != x.shape[-1]:
            raise ValueError(f"images {tuple(x.shape)} do not fit level {self.level}: {8 * 2**top} pixels a side.")
        h = self._seen(x, top)
        if mix:
            h = F.avg_pool2d(self.stages[top](h), 2)
            h = torch.lerp(self._seen(F.avg_pool2d(x, 2), low), h, mix)
        for i in range(low, 0, -1):
            h = F.avg_pool2d(self.stages[i](h), 2)
        return self.head(self.stages[0](h).flatten(1)).squeeze(-1)

    def _seen(self, x: Tensor, level: int) -> Tensor:
        return F.leaky_relu(self.rgb[level](F.pixel_unshuffle(x, 2)), 0.2) * GAIN


def _level(level: float, levels: int) -> tuple[int, float]:
    if not 0 <= level <= levels:
        raise ValueError(f"level={level!r} does not fit: give a number from 0 to {levels}.")
    return int(level), float(level) - int(level)


# ------------------------------------------------------------------------------------------------------ the law


@dataclass(frozen=True)
class Law:
    """y = exp(a) * prod_k x_k^(-b_k), fitted for each seed on its own.

    names     of the K factors
    each      (seeds, 1 + K): a, then b_1, ... b_K of each seed
    residual  standard deviation of log y about its own seed's law, with the right degrees of freedom; nats
    points    how many rows each seed had
    """

    names: tuple[str, ...]
    each: np.ndarray
    residual: float
    points: int

    def exponent(self, name: str) -> Estimate:
        """Mean over the seeds of the exponent of a factor, with Student's interval. Above 0: more of it, smaller y."""
        if name not in self.names:
            raise ValueError(f"no factor {name!r} in this law: choose one of {', '.join(self.names)}.")
        return mean_interval(self.each[:, 1 + self.names.index(name)])

    def predict(self, level: float = 0.95, runs: int = 1, **factors: float) -> Estimate:
        """y of the mean law at these factors, and the interval for the geometric mean of `runs` new runs there.

        log y = mean over seeds of (a - sum b_k log x_k); its variance is that of this mean, s^2 / seeds, plus
        residual^2 / runs; Student's t with seeds - 1 degrees of freedom. It holds as far as the law does: beyond the
        points that were fitted, that is an assumption. Raises ValueError for missing or unknown factors, or one that is
        not above 0.
        """
        from scipy import stats

        if set(factors) != set(self.names) or not all(v > 0 and math.isfinite(v) for v in factors.values()):
            raise ValueError(f"give {', '.join(self.names)}, each a number above 0: got {factors}.")
        whole("runs", runs, 1, 10**9)
        row = np.array([1.0] + [-math.log(factors[name]) for name in self.names])
        logs = self.each @ row
        n = len(logs)
        error = math.sqrt(logs.var(ddof=1) / n + self.residual**2 / runs)
        half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
        middle = float(logs.mean())
        return Estimate(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def fit_law(rows: Sequence[dict], names: Sequence[str], of: str = "distance", by: str = "seed") -> Law:
    """log y = a - sum_k b_k log x_k by least squares, for each seed on its own: the seeds then give the intervals.

    rows   dicts with the factors `names`, the value `of`, and `by`, which says what belongs together (a seed)
    Every seed must have the same factors' values, so that the mean of the seeds' exponents is the fit to all rows at
    once. Runs of one seed share pictures, and moments of one run share the run: rows are not independent, seeds are.
    Raises ValueError for fewer than 2 seeds, unequal designs, values not above 0, or factors that cannot be told apart.
    Source of the form: Hestness and others 2017, Deep Learning Scaling is Predictable, Empirically (a power law in
    data, and a floor, which this has not). The product over several factors is ours: Kaplan and others 2020, Scaling
    Laws for Neural Language Models, add a term of size and one of data, so that the scarcest binds.
    """
    names = tuple(names)
    missing = {name for row in rows for name in (*names, of, by) if name not in row}
    if missing:
        raise ValueError(f"some rows lack {', '.join(sorted(missing))}: give rows with {', '.join((*names, of, by))}.")
    if not all(row[k] > 0 and math.isfinite(row[k]) for row in rows for k in (*names, of)):
        raise ValueError(f"a power law takes logarithms: {', '.join((*names, of))} must be finite and above 0.")
    groups: dict = {}
    for row in sorted(rows, key=lambda row: [row[name] for name in names]):
        groups.setdefault(row[by], []).append(row)
    designs = {tuple(tuple(row[name] for name in names) for row in group) for group in groups.values()}
    if len(groups) < 2 or len(designs) > 1:
        raise ValueError(f"{len(groups)} of {by}, {len(designs)} designs: give 2 or more, all with the same rows.")
    x = np.array([[1.0] + [-math.log(v) for v in values] for values in designs.pop()])
    if np.linalg.matrix_rank(x) < x.shape[1] or len(x) <= x.shape[1]:
        raise ValueError(f"{len(x)} rows do not tell {', '.join(names)} apart: vary each, not all in step.")
    y = np.array([[math.log(row[of]) for row in groups[seed]] for seed in sorted(groups)]).T  # (rows, seeds)
    each = np.linalg.lstsq(x, y, rcond=None)[0]
    left = y - x @ each
    spread = math.sqrt(float((left**2).sum()) / (y.shape[1] * (len(x) - x.shape[1])))
    return Law(names, each.T, spread, len(x))


def paired_ratio(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Geometric mean of a_i / b_i over pairs, with Student's interval of the logarithms. Raises ValueError."""
    if len(a) != len(b) or len(a) < 2 or not all(v > 0 for v in (*a, *b)):
        raise ValueError(f"{len(a)} and {len(b)} numbers: give 2 or more pairs, all above 0.")
    return Estimate(*map(math.exp, mean_interval([math.log(u / v) for u, v in zip(a, b, strict=True)])))

"""How sure is a figure? Wilson's interval for a share, the bootstrap, and the jackknife for what the bootstrap spoils.

Each speaks of new samples from the same generator. Two recipes are another question, for which seeds are the samples:
`scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval()` of the figures of 5 seeds or more each (Welch).
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A figure with the ends of its interval; both are NaN where none is given."""

    value: float
    low: float = math.nan
    high: float = math.nan


class Jackknife(NamedTuple):
    """`value` of all samples, its interval and standard `error`; `corrected` is the value less its estimated bias."""

    value: float
    low: float
    high: float
    error: float
    corrected: float


def wilson(successes: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Interval for a probability of which `successes` of `n` trials were seen; z = 1.96 covers 95 %.

    Centre (k + z^2 / 2) / (n + z^2); unlike k / n +- z sd it stays in [0, 1] and is not empty at k = 0: none of
    20 still allows 16 %. Source: Wilson 1927.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is no share: give 0 <= successes <= n and n >= 1.")
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mean_interval(values, level: float = 0.95) -> Estimate:
    """Mean of a few numbers, such as one difference a seed, with Student's interval: mean +- t s / sqrt(n).

    t is the quantile of n - 1 degrees of freedom, s the standard deviation with n - 1; right where the numbers are
    independent and about normal. Raises ValueError for fewer than 2 numbers, or one that is not finite. Source:
    Student 1908.
    """
    from scipy import stats

    x = [float(v) for v in values]
    if len(x) < 2 or not all(map(math.isfinite, x)):
        raise ValueError(f"{len(x)} numbers, all finite: {all(map(math.isfinite, x))}. Give 2 or more, all finite.")
    mean = math.fsum(x) / len(x)
    half = stats.t.ppf((1 + level) / 2, len(x) - 1) * stats.sem(x)
    return Estimate(mean, float(mean - half), float(mean + half))


def bootstrap(
    statistic: Callable[..., float], *samples: Tensor, repeats: int = 200, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Percentile interval of statistic(*samples): each sample (N, ...) drawn again from itself, `repeats` times.

    Samples are drawn each on its own: what belongs together, such as a score and its label, goes into one tensor. For
    one number a row and a vectorised statistic, `scipy.stats.bootstrap` is faster; it knows no rows of features.
    Right for means, shares and medians. Wrong where repeated rows matter: a resample of N rows holds 0.63 N different
    ones, so every Fréchet distance is too large (by about its own bias, E of the resampled is F + 2 c / N where F + c /
    N is measured), and the copies are each other's nearest neighbours. There use `jackknife`, or the error that
    `kernel_distance` and `neighbourhoods` give. Raises ValueError for fewer than 2 rows, `repeats` below 20, a level
    outside (0, 1), or a statistic that is not finite. Source: Efron and Tibshirani 1993, section 13.3.
    """
    _check(samples, level, 2)
    if repeats < 20:
        raise ValueError(f"repeats={repeats} leaves no tail to read an interval from: give at least 20, better 200.")
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(repeats):
        drawn = (s[torch.randint(len(s), (len(s),), generator=generator).to(s.device)] for s in samples)
        values.append(_number(statistic(*drawn)))
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.tensor(values, dtype=torch.float64).quantile(tails).tolist()
    return Estimate(_number(statistic(*samples)), low, high)


def jackknife(
    statistic: Callable[..., float], *samples: Tensor, blocks: int = 50, level: float = 0.95, seed: int = 0
) -> Jackknife:
    """statistic(*samples) with block i of `blocks` left out of every sample in turn: t_i, with mean t.

    error^2 = (g - 1) / g sum (t_i - t)^2 with g blocks; corrected = value - (g - 1) (t - value), which removes a bias
    of c / N: for `frechet_distance` it estimates what N = infinity would give. Interval: value +- z error, for smooth
    statistics of independent rows (Fréchet distance, means, Inception Score); not for medians or nearest neighbours.
    Where both samples come from one distribution the distance's error is about 1.6 times too large.
    Raises ValueError for fewer than `blocks` rows, blocks below 10, a level outside (0, 1), or a statistic that is not
    finite. Source: Quenouille 1956; Efron and Tibshirani 1993, chapter 11; groups, Shao and Tu 1995, section 2.3.
    """
    if blocks < 10:
        raise ValueError(f"blocks={blocks} gives an error that is itself a guess: give at least 10, better 50.")
    _check(samples, level, blocks)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [s[torch.randperm(len(s), generator=generator).to(s.device)] for s in samples]
    edges = [[round(i * len(s) / blocks) for i in range(blocks + 1)] for s in shuffled]
    left_out = [
        _number(statistic(*(torch.cat([s[: e[i]], s[e[i + 1] :]]) for s, e in zip(shuffled, edges, strict=True))))
        for i in range(blocks)
    ]
    value, t = _number(statistic(*samples)), torch.tensor(left_out, dtype=torch.float64)
    error = math.sqrt((blocks - 1) / blocks * float((t - t.mean()).square().sum()))
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return Jackknife(value, value - half, value + half, error, value - (blocks - 1) * (float(t.mean()) - value))


def _check(samples: tuple[Tensor, ...], level: float, need: int) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level={level} is no probability: give one between 0 and 1, such as 0.95.")
    if not samples or min(len(s) for s in samples) < need:
        sizes = ", ".join(str(len(s)) for s in samples) or "no"
        raise ValueError(f"{sizes} samples are too few here: give at least {need} of each.")


def _number(value) -> float:
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"the statistic is {value}: it must be finite on every subset of the samples; look at them.")
    return value

"""Bias: what a generator makes of a training pile with much of one thing and little of another, and who notices.

A pile holds two classes, the common one (label 0) and the rare one (label 1). A share is always that of the rare class.
What is trained on a pile is `forensics.gan`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data import Images
from ..inputs import whole
from ..metrics import predict, train_judge
from ..sampling import device_of

MARGIN = 0.2  # of right over wrong, which a judge needs to count with


def pile(images: Images, common: str, rare: str, share: float, n: int = 1000, seed: int = 0) -> Images:
    """n images of two classes, round(share n) of them rare, drawn without replacement; the held-out ones all kept.

    Raises ValueError for a share outside 0 to 1, an unknown class, or more images than there are.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} does not fit: give that of the rare class, from 0 to 1, such as 0.1.")
    two = images.only(common, rare)
    whole("n", n, 1, len(two), f"what {images.name} has of both")
    wanted = (n - round(share * n), round(share * n))
    draw, rows = torch.Generator().manual_seed(seed), []
    for label, (name, count) in enumerate(zip((common, rare), wanted, strict=True)):
        own = (two.labels.cpu() == label).nonzero()[:, 0]
        whole(f"images of {name!r}", count, 0, len(own), "as many as there are; choose a smaller n or another share")
        rows.append(own[torch.randperm(len(own), generator=draw)[:count]])
    rows = torch.cat(rows).to(two.x.device)
    return Images(images.name, two.x[rows], two.labels[rows], two.x_test, two.labels_test, two.class_names)


@torch.no_grad()
def fakes(G: nn.Module, n: int, limit: float = math.inf, seed: int = 0, batch_size: int = 500) -> Tensor:
    """n fakes, float32 on the CPU, of z whose numbers come from N(0, 1) cut off at -limit and limit: the truncation
    trick. Equal seeds give equal quantiles at every limit.

    By the inverse of the normal distribution: z = Phi^-1(u) for u even in Phi(-limit) to Phi(limit). Raises ValueError
    for n below 1, or a limit not above 0. Source: Brock, Donahue and Simonyan 2019, section 3.1.
    """
    whole("n", n, 1, 10**7)
    z = truncated_z(n, G.z_dim, limit, seed).to(device_of(G))
    was_training = G.training
    G.eval()
    try:
        return torch.cat([G(part).float().cpu() for part in z.split(batch_size)])
    finally:
        G.train(was_training)


def truncated_z(n: int, z_dim: int, limit: float = math.inf, seed: int = 0) -> Tensor:
    """z (n, z_dim) float32 from N(0, 1) cut off at -limit and limit; see `fakes`."""
    if not limit > 0:
        raise ValueError(f"limit={limit} does not fit: give a number above 0, such as 1; math.inf cuts nothing off.")
    u = torch.rand(n, z_dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    below = 0.5 * math.erfc(limit / math.sqrt(2))  # Phi(-limit)
    u = (below + (1 - 2 * below) * u).clamp(1e-16, 1 - 1e-16)
    return torch.special.ndtri(u).float()


# ------------------------------------------------------------------------------------------------------- who counts


class Counter(NamedTuple):
    """A judge that names common (0) or rare (1), and how often it says "rare" of held-out images that are, or not."""

    judge: nn.Module
    of_rare: float
    of_common: float


def counter(images: Images, common: str, rare: str, steps: int = 300, seed: int = 0) -> Counter:
    """A `Counter` taught with as many images of each class, and measured on those held out."""
    two = images.only(common, rare)
    fewest = int(two.labels.bincount(minlength=2).min())
    even = pile(images, common, rare, 0.5, 2 * fewest, seed)
    judge = train_judge(even, steps, seed=seed)
    said = predict(judge, even.x_test).double()
    of = [float(said[even.labels_test.cpu() == label].mean()) for label in (1, 0)]
    return Counter(judge, *of)


def share(counter: Counter, x: Tensor) -> float:
    """The share of the rare class among images x, corrected for the judge's errors: (said - f) / (t - f).

    `said` is the share that the judge calls rare, t and f how often it does so where that is right and where it is
    wrong, on real images; on fakes it may err more. Cut off at 0 and 1. Raises ValueError for a judge whose t is not
    MARGIN above f. Source: Rogan and Gladen 1978.
    """
    _, t, f = counter
    if not t - f >= MARGIN:
        raise ValueError(f"this judge says rare to {t:.0%} of the rare and {f:.0%} of the others: it cannot count.")
    said = float(predict(counter.judge, x).double().mean())
    return min(1.0, max(0.0, (said - f) / (t - f)))


# ------------------------------------------------------------------------------------------------------ who notices?


def noticed(expected: float, true: float, n: int, level: float = 0.05) -> float:
    """The chance that somebody who counts n images notices that there are too few rare ones, true share for expected.

    The largest count c is sought that an honest n stays at or below with a chance of at most `level`; noticed is a
    count of c or less, which has the chance P(Binomial(n, true) <= c). 0 where even a count of 0 would prove nothing.
    Raises ValueError for shares outside 0 to 1, or n below 1.
    """
    from scipy.stats import binom

    for name, p in (("expected", expected), ("true", true), ("level", level)):
        if not 0 <= p <= 1:
            raise ValueError(f"{name}={p} does not fit: give a number from 0 to 1.")
    whole("n", n, 1, 10**7)
    c = int(binom.ppf(level, n, expected))
    if binom.cdf(c, n, expected) > level:
        c -= 1
    return float(binom.cdf(c, n, true)) if c >= 0 else 0.0


def enough(expected: float, true: float, chance: float = 0.8, level: float = 0.05, most: int = 100_000) -> int | None:
    """About how many images one must count to notice with that chance: the first of n = 1, 2, ... within 3 % that does.

    None where `most` are not enough. Raises as `noticed`.
    """
    n = 1
    while n <= most:
        if noticed(expected, true, n, level) >= chance:
            return n
        n = max(n + 1, int(n * 1.03))
    return None

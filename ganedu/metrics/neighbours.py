"""Who lies beside whom in the features? Precision and recall, density and coverage; nearest neighbours.

They grow or fall with the number of samples and with k: compare figures of equal numbers. As fast as scikit-learn's
neighbours (benchmarks/metrics.py), which are not used here: these work on any device, keep equal rows together, need no
second of import, and leave what the intervals are made of.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ._inputs import check_features
from .intervals import Estimate, wilson

NAMES = ("real", "fake")


class Neighbourhoods(NamedTuple):
    """The four shares of one k, each with a 95 % interval over new samples of both sides."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def precision(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 200) -> float:
    """Share of fakes that lie in a ball around some real sample, reaching to that sample's k-th nearest other real one.

    0 to 1; low where fakes are no real thing. One outlier among the real ones has a large ball: see `density`.
    Raises ValueError for fewer than k + 1 samples, constant real features, or values that are not finite.
    Source: Kynkäänniemi et al. 2019, eq. 2.
    """
    return _share(_in_real_balls(real, fake, k, chunk)[0])


def recall(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 200) -> float:
    """`precision` with the sides exchanged: share of real features that lie in a ball around some fake.

    0 to 1; low when fakes miss parts of the data. Grows with the number of fakes.
    """
    _check(real, fake, k)
    return _share(_meetings(real, fake, [_radii(fake, k, chunk)[None]], chunk)[0][0])


def density(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 200) -> float:
    """In how many of the real samples' balls a fake lies on average, over k; 1 on average for equal distributions.

    0 or more, above 1 where fakes crowd at the middle of the data. An outlier's ball counts once, and no more.
    Source: Naeem et al. 2020, eq. 3.
    """
    return float(_in_real_balls(real, fake, k, chunk)[0][:, 0].mean() / k)


def coverage(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 200) -> float:
    """Share of real samples whose ball, to the k-th nearest other real sample, holds a fake.

    0 to 1; for equal distributions and numbers about 1 - 2^-k, 0.969 at k = 5. A fake far off cannot raise it, as it
    can raise `recall`. Source: Naeem et al. 2020, eq. 4.
    """
    return _share(_in_real_balls(real, fake, k, chunk)[1])


def neighbourhoods(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 200) -> Neighbourhoods:
    """All four in one go, with intervals. A share of n judged points in balls around others has the variance

    p (1 - p) / n + sum_i (u_i - mean u)^2, u_i: share of the points that lie in ball i alone, and so would be lost with
    it; Wilson's interval with the number that has this variance. For `density`, the variance of the mean over fakes
    plus that over balls. Mostly a little wide, up to 2 times; Wilson's with n alone is up to 2.5 times too narrow.
    """
    _check(real, fake, k)
    radii = [_radii(real, k, chunk)[None], _radii(fake, k, chunk)[:, None]]
    (fakes, real_balls), (_, reals) = _meetings(fake, real, radii, chunk)
    value = float(fakes[:, 0].mean() / k)
    variance = fakes[:, 0].var() / len(fake) + real_balls[:, 0].var() * len(real) / len(fake) ** 2
    half = 1.96 * float(variance.sqrt()) / k
    return Neighbourhoods(
        _with_interval(fakes, len(real)),
        _with_interval(reals, len(fake)),
        Estimate(value, max(0.0, value - half), value + half),
        _with_interval(real_balls, len(fake)),
    )


def recall_per_class(real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor, k: int = 5) -> Tensor:
    """`recall` within each class, (n_classes,): where every seven is the same seven, class 7 is near 0."""
    n_classes = int(real_labels.max()) + 1
    return torch.tensor([recall(real[real_labels == c], fake[fake_labels == c], k) for c in range(n_classes)])


def nearest(a: Tensor, b: Tensor, chunk: int = 200) -> tuple[Tensor, Tensor]:
    """(Euclidean distance (N,) float64, index (N,)) of the row of b (M, F) nearest to each row of a (N, F).

    Exactly 0 for a row that is in b. Of images, flatten them. Raises ValueError for other shapes or values that are
    not finite.
    """
    check_features(a, b, 1, varied=())
    index = torch.cat([squares.argmin(1) for _, squares in _squares(a, b, chunk)])
    # chosen by rounded squares, measured exactly; in pieces, for images are long rows
    pieces = zip(a.split(1000), index.split(1000), strict=True)
    return torch.cat([(c.double() - b[i].double()).norm(dim=1) for c, i in pieces]), index


# ------------------------------------------------------------------------------------------------ distances in chunks


def _squares(a: Tensor, b: Tensor, chunk: int, slack: float = 0.0) -> Iterator[tuple[int, Tensor]]:
    """(first row, squared distances (rows, M) less slack (|a|^2 + |b|^2)) by chunks of a; the next overwrites the last.

    |a|^2 + |b|^2 - 2 a.b as one matrix product in double, from b's mean: its rounding, about 1e-15 of |a|^2 + |b|^2, is
    below that of float32 features themselves. One buffer that stays in the cache is 7 times as fast as a new one.
    """
    centre = b.double().mean(0)
    a, b = a.double() - centre, b.double() - centre
    one_a, one_b = a.new_ones(len(a), 1), b.new_ones(len(b), 1)
    left = torch.cat([-2 * a, (1 - slack) * a.square().sum(1, keepdim=True), one_a], 1)
    right = torch.cat([b, one_b, (1 - slack) * b.square().sum(1, keepdim=True)], 1).T.contiguous()
    buffer = a.new_empty(min(chunk, len(a)), len(b))
    for i in range(0, len(a), chunk):
        rows = left[i : i + chunk]
        yield i, torch.mm(rows, right, out=buffer[: len(rows)])


def _radii(x: Tensor, k: int, chunk: int) -> Tensor:
    """Squared distance of each row to its k-th nearest other row, (N,)."""
    # of the k + 1 nearest, one is the row itself
    return torch.cat([s.topk(k + 1, largest=False, dim=1).values[:, -1] for _, s in _squares(x, x, chunk)])


def _meetings(a: Tensor, b: Tensor, limits: list[Tensor], chunk: int) -> list[tuple[Tensor, Tensor]]:
    """For each of `limits`, squared radii that broadcast to (N, M): who meets whom, that is lies within the radius.

    Of each row of a (N, 2): how many rows of b it meets, and the sum of their indices, which where it meets one is that
    one; of each row of b (M, 2) the same.
    """
    n, m, kind = len(a), len(b), {"device": a.device, "dtype": torch.float32}  # exact up to 2^24
    found = [(torch.zeros(n, 2, **kind), torch.zeros(2, m, **kind)) for _ in limits]
    ones, index = torch.ones(max(n, m), **kind), torch.arange(max(n, m), **kind)
    buffer = torch.empty(min(chunk, n), m, **kind)
    # equal rows must meet, and a sample on a ball's edge belongs to it, whatever the rounding
    for first, squares in _squares(a, b, chunk, slack=1e-14):
        rows = slice(first, first + len(squares))
        for limit, (of_a, of_b) in zip(limits, found, strict=True):
            meet = torch.le(squares, limit.expand(n, m)[rows], out=buffer[: len(squares)])
            of_a[rows, 0], of_a[rows, 1] = meet @ ones[:m], meet @ index[:m]
            of_b += torch.stack([ones[rows], index[rows]]) @ meet
    return [(of_a.double(), of_b.T.double()) for of_a, of_b in found]


def _in_real_balls(real: Tensor, fake: Tensor, k: int, chunk: int) -> tuple[Tensor, Tensor]:
    _check(real, fake, k)
    return _meetings(fake, real, [_radii(real, k, chunk)[None]], chunk)[0]


def _share(met: Tensor) -> float:
    return float((met[:, 0] > 0).double().mean())


def _with_interval(met: Tensor, n_others: int) -> Estimate:
    n, p = len(met), _share(met)
    alone = torch.bincount(met[met[:, 0] == 1, 1].long(), minlength=n_others).double() / n
    variance = p * (1 - p) / n + float((alone - alone.mean()).square().sum())
    trials = max(1.0, p * (1 - p) / variance) if 0 < p < 1 else n
    return Estimate(p, *wilson(p * trials, trials))


def _check(real: Tensor, fake: Tensor, k: int) -> None:
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k={k!r} does not fit: give a whole number of neighbours, 1 or more, such as 5.")
    # fakes may all be equal, which is what recall is there to show
    check_features(real, fake, k + 1, f"k = {k} neighbours and the sample itself", NAMES, varied=(0,))

"""Does a GAN know its training set? Copies among the fakes, and scores that betray who was in it.

Each compares with held-out samples of the same data: a small distance to the training set alone proves nothing.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from ._inputs import check_features
from .intervals import wilson
from .neighbours import nearest

# ------------------------------------------------------------------------------------------------ scores


class Membership(NamedTuple):
    """TPR - FPR at `threshold` with its 95 % interval, and the area under the whole curve."""

    advantage: float
    low: float
    high: float
    threshold: float
    auc: float


def auc(positive: Tensor, negative: Tensor) -> float:
    """P(a positive score > a negative one) + P(equal) / 2: the area under the ROC curve, from scores (n,) and (m,).

    1/2 by guessing. Mann and Whitney's U over n m, in (n + m) log m steps.
    Raises ValueError for no score, other shapes or values that are not finite.
    """
    _check_scores(positive, negative, 1)
    below, not_above = _placements(positive, negative)
    return float((below + not_above).double().mean() / (2 * len(negative)))


def membership_advantage(scores_train: Tensor, scores_held_out: Tensor, seed: int = 0) -> Membership:
    """How well "score > threshold" tells training samples from held-out ones: TPR - FPR; 0 by guessing, 1 at best.

    Scores (n,), (m,) are anything that is higher for members, such as D's logits or minus the loss. The threshold is
    the best of one random half and the advantage that of the other half; the best of all, on the same scores, would be
    above 0 for pure chance. Interval: Newcombe's for a difference of shares, from Wilson's. Raises ValueError for fewer
    than 20 scores, other shapes or values that are not finite.
    Source: Yeom et al. 2018, definition 4; Newcombe 1998, method 10.
    """
    _check_scores(scores_train, scores_held_out, 20)
    generator = torch.Generator().manual_seed(seed)
    chosen, judged = zip(
        *(s[torch.randperm(len(s), generator=generator).to(s.device)].double().tensor_split(2)
          for s in (scores_train, scores_held_out)), strict=True)  # fmt: skip
    thresholds = torch.cat(chosen)
    shares = [(len(s) - _placements(thresholds, s)[1]) / len(s) for s in chosen]
    threshold = float(thresholds[(shares[0] - shares[1]).argmax()])
    (n_t, n_f), (k_t, k_f) = zip(*((len(s), int((s > threshold).sum())) for s in judged), strict=True)
    tpr, fpr, (low_t, high_t), (low_f, high_f) = k_t / n_t, k_f / n_f, wilson(k_t, n_t), wilson(k_f, n_f)
    low = tpr - fpr - math.hypot(tpr - low_t, high_f - fpr)
    high = tpr - fpr + math.hypot(high_t - tpr, fpr - low_f)
    return Membership(tpr - fpr, low, high, threshold, auc(scores_train, scores_held_out))


def _placements(scores: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """How many of `others` lie below each score, and how many not above it."""
    others = others.double().sort().values
    scores = scores.double().contiguous()
    return torch.searchsorted(others, scores), torch.searchsorted(others, scores, right=True)


def _check_scores(a: Tensor, b: Tensor, need: int) -> None:
    if a.ndim != 1 or b.ndim != 1 or min(len(a), len(b)) < need:
        raise ValueError(
            f"scores must be (n,), at least {need} on each side: got {tuple(a.shape)} and {tuple(b.shape)}; give one "
            "number a sample."
        )
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("the scores hold NaN or infinity: look at what computes them.")


# ------------------------------------------------------------------------------------------------ copies


class Copying(NamedTuple):
    """Share of fakes nearer to the training set, its 95 % interval, the chance of as much or more without copying."""

    share: float
    low: float
    high: float
    p_value: float


class UTest(NamedTuple):
    """P(a fake is further from the training set than a held-out sample), its z, the chance of as little or less."""

    auc: float
    z: float
    p_value: float


def copying(fake: Tensor, train: Tensor, held_out: Tensor, seed: int = 0) -> Copying:
    """Share of fakes whose nearest real sample is a training sample and not one of equally many held-out ones.

    Features (N, F), or flattened images. 1/2 where nothing is copied, since then training and held-out samples may be
    exchanged; 1 where all is. Equal distances count half. The larger real set is cut at random to the smaller.
    p-value: normal, with the variance 1/4 sum_j (w_j - mean w)^2 M / (M - 1) of that exchange, w_j the share of fakes
    nearest to real sample j of M: many fakes at one training sample are one witness, not many. The interval is Wilson's
    with the number of witnesses. Raises ValueError for fewer than 20 samples a set, other shapes, constant real
    samples, or values that are not finite.
    """
    check_features(train, held_out, 20, "to tell copies from chance", ("training", "held-out"))
    generator = torch.Generator().manual_seed(seed)
    m = min(len(train), len(held_out))
    train, held_out = (x[torch.randperm(len(x), generator=generator)[:m].to(x.device)] for x in (train, held_out))
    (to_train, i), (to_held_out, j) = nearest(fake, train), nearest(fake, held_out)
    n = len(fake)
    share = float(((to_train < to_held_out).double() + (to_train == to_held_out).double() / 2).mean())
    owners = torch.where(to_train < to_held_out, i, j + m)[to_train != to_held_out]
    w = torch.bincount(owners, minlength=2 * m).double() / n
    variance = float((w - w.mean()).square().sum()) * 2 * m / (2 * m - 1) / 4
    # no variance: every fake ties, or every real sample has the same share; then 1/2 is exact
    p_value = NormalDist().cdf((0.5 - share) / math.sqrt(variance)) if variance > 1e-15 else 0.5
    trials = max(1.0, min(n, 0.25 / variance)) if variance > 1e-15 else n
    return Copying(share, *wilson(share * trials, trials), p_value)


def copying_u(fake: Tensor, train: Tensor, held_out: Tensor) -> UTest:
    """Are fakes nearer to the training set than held-out samples are? Mann and Whitney's U of both sets' distances.

    auc 1/2, z 0 where fakes are like new data; z below -3: copied; above 3: fakes lie off the data. Bad fakes hide
    copies here (measure the parts of the data apart, as the paper does), not in `copying`. z is normal with the ties'
    correction; p-value one-sided. The training set is held fixed. Raises ValueError as `copying`.
    Source: Meehan et al. 2020, section 3; Mann and Whitney 1947.
    """
    check_features(train, held_out, 20, "to tell copies from chance", ("training", "held-out"))
    check_features(fake, held_out, 20, "to tell copies from chance", ("fake", "held-out"), varied=(1,))
    far, reference = nearest(fake, train)[0], nearest(held_out, train)[0]
    n, m, area = len(far), len(reference), auc(far, reference)
    ties = torch.cat([far, reference]).unique(return_counts=True)[1].double()
    total = n + m
    variance = (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1))) / (12 * n * m)
    z = (area - 0.5) / math.sqrt(variance) if variance > 0 else 0.0
    return UTest(area, z, NormalDist().cdf(z))

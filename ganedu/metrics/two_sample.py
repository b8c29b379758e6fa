"""Can a classifier tell fakes from real samples? If it cannot, it may be the classifier; if it can, they differ."""

from typing import NamedTuple

import torch
from torch import Tensor

from ._inputs import check_features
from .intervals import wilson
from .neighbours import nearest


class TwoSample(NamedTuple):
    """Held-out accuracy with its 95 % interval, the chance of as much or more by guessing, and how many were judged."""

    accuracy: float
    low: float
    high: float
    p_value: float
    n: int


def classifier_two_sample(real: Tensor, fake: Tensor, classifier: str = "logistic", seed: int = 0) -> TwoSample:
    """Accuracy of a classifier real against fake, trained on one half of each and measured on the other.

    1/2 where it sees no difference, 1 where it sees one in every sample. `classifier`: "logistic", scikit-learn's
    logistic regression on standardised features, sees means; "nearest", the label of the nearest of the first half,
    sees any difference, given enough samples. Of unequal sets the larger is cut at random, so that guessing earns 1/2.
    p-value: binomial, one-sided. Raises ValueError for fewer than 20 samples, constant features, values that are not
    finite, or another classifier. Source: Lopez-Paz and Oquab 2017, section 3.
    """
    if classifier not in ("logistic", "nearest"):
        raise ValueError(f"there is no classifier {classifier!r} here: choose 'logistic' or 'nearest'.")
    check_features(real, fake, 20, "10 to learn from and 10 to judge", ("real", "fake"))
    from scipy.stats import binom

    generator = torch.Generator().manual_seed(seed)
    half = min(len(real), len(fake)) // 2
    orders = [torch.randperm(len(x), generator=generator).to(x.device) for x in (real, fake)]
    train, test = (
        torch.cat([x[o[i : i + half]].double() for x, o in zip((real, fake), orders, strict=True)]) for i in (0, half)
    )
    labels = torch.arange(2, device=real.device).repeat_interleave(half)
    guesses = labels[nearest(test, train)[1]] if classifier == "nearest" else _logistic(train, labels, test)
    right, n = int((guesses == labels).sum()), 2 * half
    return TwoSample(right / n, *wilson(right, n), float(binom.sf(right - 1, n, 0.5)), n)


def _logistic(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    from sklearn.linear_model import LogisticRegression

    mean, std = train.mean(0), train.std(0)
    std = torch.where(std > 0, std, 1.0)  # a dead unit tells nothing, and must not divide by 0
    model = LogisticRegression(max_iter=1000)
    model.fit(((train - mean) / std).cpu().numpy(), labels.cpu().numpy())
    return torch.from_numpy(model.predict(((test - mean) / std).cpu().numpy())).to(labels.device)

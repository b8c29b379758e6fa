"""How entangled is a latent space? Changes, ambiguity of directions, mutual information, MIG and DCI.

Pure functions of codes (N, D) and factors (N, K), or of matrices made from them: codes are what one sets (the entries
of z, a code), factors what the images show. scikit-learn is imported where it is used.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


def change(before: Tensor, after: Tensor, fresh: Tensor, named: int) -> Tensor:
    """How much each factor (K,) differs between `before` and `after` (N, K): 0 not at all, 1 as two fresh images do.

    For the first `named` factors, which are class numbers: the share of rows that change class; for the others: the
    mean of |after - before|. Both divided by the same of two random rows of `fresh` (M, K), the factors of images of
    fresh z. Raises ValueError for other shapes, or a factor that all of `fresh` have alike.
    """
    if before.ndim != 2 or before.shape != after.shape or fresh.shape[1:] != before.shape[1:] or not len(before):
        shapes = ", ".join(str(tuple(t.shape)) for t in (before, after, fresh))
        raise ValueError(f"give factors before and after (N, K), and fresh (M, K): got {shapes}.")
    if not 0 <= named <= before.shape[1]:
        raise ValueError(f"named={named} must lie in 0 to {before.shape[1]}, the number of factors.")
    is_named = torch.arange(before.shape[1], device=before.device) < named

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(is_named, (a != b).double(), (a - b).abs().double()).mean(0)

    usual = torch.stack([apart(fresh, fresh.roll(i, 0)) for i in range(1, min(20, len(fresh)))]).mean(0)
    if not (usual > 0).all():
        raise ValueError(f"factor {int((usual == 0).nonzero()[0])} is the same in all fresh images: it has no scale.")
    return apart(before, after) / usual


def ambiguity(matrix: Tensor) -> Tensor:
    """Share of each row (K, K) that lies off the diagonal: 0 where moving along direction a changes factor a alone.

    `matrix[a, b]` is how much b changes; (K - 1) / K where all change alike. Raises ValueError for negative or
    non-finite entries, or a row of zeros.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"give a square matrix, directions by factors: got {tuple(matrix.shape)}.")
    if not matrix.isfinite().all() or (matrix < 0).any() or (matrix.sum(1) == 0).any():
        raise ValueError("changes must be finite, 0 or more, and each direction must change something.")
    return 1 - matrix.diagonal() / matrix.sum(1)


class MutualInformation(NamedTuple):
    """`matrix[i, k]` = I(code i; factor k) and `entropies[k]` = H(factor k), in nats."""

    matrix: Tensor
    entropies: Tensor


def mutual_information(codes: Tensor, factors: Tensor, bins: int = 20) -> MutualInformation:
    """I(code_i; factor_k) of codes (N, D) and factors (N, K), from histograms.

    A column of at most `bins` different values is taken as it is, any other cut into `bins` equally filled bins. Biased
    upwards by about (bins - 1)^2 / (2 N) nats. Raises ValueError for other shapes, NaN, or N below 10 bins.
    """
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 10 * bins or bins < 2:
        raise ValueError(
            f"give codes (N, D) and factors (N, K) with N of at least {10 * bins}, and bins 2 or more: got "
            f"{tuple(codes.shape)}, {tuple(factors.shape)}, bins={bins}."
        )
    if not (codes.isfinite().all() and factors.isfinite().all()):
        raise ValueError("codes or factors hold NaN or infinity.")
    from sklearn.metrics import mutual_info_score

    a, b = ([_binned(column, bins) for column in x.T.contiguous()] for x in (codes, factors))
    matrix = [[mutual_info_score(i, k) for k in b] for i in a]
    return MutualInformation(
        torch.tensor(matrix, dtype=torch.float64),
        torch.tensor([mutual_info_score(k, k) for k in b], dtype=torch.float64),
    )


def _binned(column: Tensor, bins: int):
    values, index = column.unique(return_inverse=True)
    if len(values) > bins:
        edges = column.double().quantile(torch.arange(1, bins, device=column.device).double() / bins).to(column.dtype)
        index = torch.bucketize(column, edges)
    return index.cpu().numpy()


def mig(information: MutualInformation) -> Tensor:
    """Mutual information gap of each factor (K,): (largest - second largest I over the codes) / H(factor).

    1: one code knows the factor, no other knows anything of it. Raises ValueError for a single code or a factor that
    never changes. Source: Chen, Li, Grosse and Duvenaud 2018, eq. 6.
    """
    matrix, entropies = information
    if matrix.ndim != 2 or len(matrix) < 2 or entropies.shape != matrix.shape[1:] or not (entropies > 0).all():
        raise ValueError("the gap needs two codes or more, and factors that vary, with one entropy each.")
    first, second = matrix.topk(2, 0).values
    return (first - second) / entropies


class DCI(NamedTuple):
    """Both from 0 to 1: `disentanglement` (a code speaks of one factor), `completeness` (a factor has one code)."""

    disentanglement: float
    completeness: float


def dci(importance: Tensor) -> DCI:
    """How near a matrix of importances (D codes, K factors), 0 or more, is to one entry a row and one a column.

    With P the rows scaled to sum 1, a code's disentanglement is 1 - H_K(P_i), the entropy to base K; the mean over
    codes is weighted by their share of all importance. Completeness is the same of the columns, with base D. The paper
    takes importances from regression; mutual information serves too. Raises ValueError for negative or non-finite
    entries, or nothing but zeros. Source: Eastwood and Williams 2018, section 2.
    """
    if importance.ndim != 2 or min(importance.shape) < 2:
        raise ValueError(
            f"give importances (D, K) of two codes and two factors or more: got {tuple(importance.shape)}."
        )
    if not importance.isfinite().all() or (importance < 0).any() or not importance.sum() > 0:
        raise ValueError("importances must be finite and 0 or more, and not all 0.")

    def score(rows: Tensor) -> float:
        total = rows.sum(1, keepdim=True)
        p = rows / total.clamp(min=torch.finfo(rows.dtype).tiny)
        entropy = -torch.xlogy(p, p).sum(1) / math.log(rows.shape[1])
        return float(((1 - entropy) * total[:, 0] / total.sum()).sum())

    return DCI(score(importance.double()), score(importance.double().T))

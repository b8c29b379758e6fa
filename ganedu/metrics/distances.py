"""How far is one set of features from another? Fréchet, kernel and energy distance; the Inception Score sees one."""

from typing import NamedTuple

import torch
from torch import Tensor

from ._inputs import check_features

# ------------------------------------------------------------------------------------------------ Inception Score


def inception_score(probabilities: Tensor, splits: int = 1) -> float:
    """exp(mean KL(p(y|x), p(y))) of class probabilities (N, C): 1 to C, high where each image is clear and all differ.

    p(y) is the mean row of the images. Sees no real image: one perfect image a class gives C. Biased downwards, since
    p(y) is fitted to the same images: its logarithm by about sum_c var(p_c) / p(c) / (2 N), at most (C - 1) / (2 N).
    With `splits` > 1, the mean over that many runs of images in their order, each of N / splits with so much more bias.
    Raises ValueError for rows that are no probabilities, or fewer than 2 images a split.
    Source: Salimans et al. 2016, section 4; Barratt and Sharma 2018, section 4.
    """
    if probabilities.ndim != 2 or not isinstance(splits, int) or splits < 1 or len(probabilities) < 2 * splits:
        raise ValueError(
            f"probabilities {tuple(probabilities.shape)} with splits={splits!r} do not fit: give (N, C) "
            "with at least 2 images a split, and splits 1 or more."
        )
    p = probabilities.double()
    if not p.isfinite().all() or (p < 0).any() or ((p.sum(1) - 1).abs() > 1e-3).any():
        raise ValueError(
            "each row must be probabilities, 0 or more with sum 1: got NaN, logits or something else. "
            "`metrics.probabilities(judge, x)` makes them from images."
        )
    p = p / p.sum(1, keepdim=True)
    scores = [(torch.xlogy(c, c) - torch.xlogy(c, c.mean(0))).sum(1).mean().exp() for c in p.tensor_split(splits)]
    return float(torch.stack(scores).mean())


# ------------------------------------------------------------------------------------------------ Fréchet distance


class Extrapolated(NamedTuple):
    """The line value + slope / N through the mean `distances` at N = `sizes`, and the points themselves."""

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), squared units of the features (N, F); 0 for equal moments.

    The squared Wasserstein-2 distance of two Gaussians with the samples' means m and covariances S. Finite samples
    raise it, by about (F (F + 1) / 2 + 2 F) / N for equal white features, so compare only figures of equal N or see
    `frechet_extrapolated`; interval: `jackknife`. Raises ValueError for fewer than F + 1 samples (no covariance of full
    rank), constant features, or values that are not finite. Source: Dowson and Landau 1982; for GANs Heusel et al.
    2017, eq. 6.
    """
    need = a.shape[-1] + 1 if a.ndim == 2 else 2
    check_features(a, b, need, f"{need - 1} features need one more for a covariance of full rank")
    a, b = a.double(), b.double()
    return frechet_from_moments(a.mean(0), torch.atleast_2d(a.T.cov()), b.mean(0), torch.atleast_2d(b.T.cov()))


def frechet_from_moments(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """The same from means (F,) and covariances (F, F), such as those of a whole data set, stored.

    Raises ValueError for other shapes, values that are not finite, or a covariance that is not symmetric.
    """
    mean_a, cov_a, mean_b, cov_b = (t.double() for t in (mean_a, cov_a, mean_b, cov_b))
    f = mean_a.shape[0] if mean_a.ndim == 1 else -1
    if mean_b.shape != (f,) or cov_a.shape != (f, f) or cov_b.shape != (f, f):
        shapes = ", ".join(str(tuple(t.shape)) for t in (mean_a, cov_a, mean_b, cov_b))
        raise ValueError(f"give means (F,) and covariances (F, F) of one F: got {shapes}.")
    for t in (mean_a, mean_b, cov_a, cov_b):
        if not t.isfinite().all() or (t.ndim == 2 and not torch.allclose(t, t.T, atol=1e-6 * float(t.abs().max()))):
            raise ValueError("the moments hold NaN or infinity, or a covariance is not symmetric: compute them again.")
    # tr (S_a S_b)^(1/2) through the symmetric R S_b R with R = S_a^(1/2), whose eigenvalues are real and >= 0
    values, vectors = torch.linalg.eigh(cov_a)
    R = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(R @ cov_b @ R).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, float(distance))  # rounding can leave -1e-12 for equal moments


def frechet_extrapolated(real: Tensor, fake: Tensor, sizes=None, repeats: int = 2, seed: int = 0) -> Extrapolated:
    """`frechet_distance` at several N, and the straight line in 1 / N through them, whose value at 1 / N = 0 is sought.

    At each N both sides are cut at random into as many separate blocks of N as there are (`repeats` times over), and
    their distances averaged, so that the points are about equally sure. The paper cuts the fakes only, and so leaves
    the bias of the finite real set in. `sizes`: by default a fifth, a quarter, a third, a half and all of the smaller
    set, those of at least 2 F samples, where the bias is straight in 1 / N. May fall below 0 for equal distributions.
    Raises ValueError for fewer than 2 sizes, one that does not fit, or what `frechet_distance` refuses.
    Source: Chong and Forsyth 2020, section 3.
    """
    need = 2 * real.shape[1] if real.ndim == 2 else 2
    check_features(real, fake, 2 * need, f"{need} for each of two sizes", ("real", "fake"))
    n = min(len(real), len(fake))
    sizes = [n // i for i in (5, 4, 3, 2, 1) if n // i >= need] if sizes is None else sorted(set(sizes))
    if len(sizes) < 2 or sizes[0] < need or sizes[-1] > n or repeats < 1:
        raise ValueError(
            f"sizes={sizes} with repeats={repeats} do not fit: give two or more different sizes from {need} (2 F) to "
            f"{n} (the smaller set), and repeats 1 or more."
        )
    generator = torch.Generator().manual_seed(seed)
    points = []
    for size in sizes:
        values = []
        for _ in range(repeats if size < n or len(real) != len(fake) else 1):
            order_r, order_f = (torch.randperm(len(x), generator=generator).to(x.device) for x in (real, fake))
            for i in range(0, n - size + 1, size):
                values.append(frechet_distance(real[order_r[i : i + size]], fake[order_f[i : i + size]]))
        points.append(sum(values) / len(values))
    x, y = 1 / torch.tensor(sizes, dtype=torch.float64), torch.tensor(points, dtype=torch.float64)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return Extrapolated(float(y.mean() - slope * x.mean()), float(slope), tuple(sizes), tuple(points))


# ------------------------------------------------------------------------------------------------ kernel distance


class KernelDistance(NamedTuple):
    """The squared maximum mean discrepancy and its standard error."""

    value: float
    error: float


def kernel_distance(a: Tensor, b: Tensor, subsets: int = 0, subset_size: int = 1000, seed: int = 0) -> KernelDistance:
    """Unbiased squared MMD of features (N, F), (M, F) with the kernel k(x, y) = (x.y / F + 1)^3.

    mean of k(a_i, a_j), i != j, + mean of k(b_i, b_j), i != j, - 2 mean of k(a_i, b_j): 0 on average for equal
    distributions, at any N; below 0 by chance. From all pairs, with the jackknife's error (each row left out in turn);
    where the distributions are equal that error is up to 1.6 times too large.

    With `subsets`, the mean over that many disjoint pairs of subsets of `subset_size` rows, with its standard error.
    The paper's subsets overlap: then their spread / sqrt(subsets) can be made as small as one likes by drawing more.
    Raises ValueError for fewer than 3 samples, subsets that don't fit in, constant or non-finite features.
    Source: Binkowski et al. 2018, section 4; the estimate, Gretton et al. 2012, eq. 3; the error, Bounliphone et al.
    2016, section 2; the blocks, Zaremba et al. 2013.
    """
    check_features(a, b, 3)
    if not subsets:
        return KernelDistance(*_mmd2(a, b))
    n = min(len(a), len(b))
    if subsets < 2 or subset_size < 3 or subsets * subset_size > n:
        raise ValueError(
            f"{subsets} disjoint subsets of {subset_size} do not fit in {n} samples: give 2 or more subsets of 3 or "
            f"more rows, {n} in all at most; or leave `subsets` out, which takes all pairs and has the smaller error."
        )
    generator = torch.Generator().manual_seed(seed)
    orders = (torch.randperm(len(x), generator=generator)[: subsets * subset_size].to(x.device) for x in (a, b))
    pairs = zip(*(x[order].split(subset_size) for x, order in zip((a, b), orders, strict=True)), strict=True)
    values = torch.tensor([_mmd2(x, y)[0] for x, y in pairs], dtype=torch.float64)
    return KernelDistance(float(values.mean()), float(values.std() / subsets**0.5))


def _mmd2(a: Tensor, b: Tensor) -> tuple[float, float]:
    # x.y / F + 1 is the plain product of rows (x / sqrt F, 1)
    a, b = (torch.cat([x.double() / x.shape[1] ** 0.5, x.new_ones(len(x), 1).double()], 1) for x in (a, b))
    n, m = len(a), len(b)
    (aa, ab), (ba, bb) = _kernel_sums(a, b)
    aa, bb = aa - a.square().sum(1) ** 3, bb - b.square().sum(1) ** 3  # without the pairs of a row with itself
    A, B, C = aa.sum(), bb.sum(), ab.sum()
    value = A / (n * (n - 1)) + B / (m * (m - 1)) - 2 * C / (n * m)
    # the same with row i left out: of a's n (n - 1) pairs, 2 (n - 1) go
    without_a = (A - 2 * aa) / ((n - 1) * (n - 2)) - 2 * (C - ab) / ((n - 1) * m)
    without_b = (B - 2 * bb) / ((m - 1) * (m - 2)) - 2 * (C - ba) / (n * (m - 1))
    return float(value), float(sum((len(t) - 1) * t.var(correction=0) for t in (without_a, without_b)).sqrt())


def _kernel_sums(a: Tensor, b: Tensor, chunk: int = 100) -> list[Tensor]:
    """At each row p of a, and of b: the sums of (p . x)^3 over the rows x of a and of b, (2, n) and (2, m).

    Where rows outnumber the pairs of features, by third moments, sum_x x x x: (n + m) F^3 steps, not (n + m)^2 F.
    """
    f = a.shape[1]
    if f * (f + 1) // 2 >= min(len(a), len(b)):
        return [torch.cat([torch.stack([(c @ x.T).pow_(3).sum(1) for x in (a, b)]) for c in p.split(chunk)], 1)
                for p in (a, b)]  # fmt: skip
    i, j = torch.triu_indices(f, f, device=a.device)

    def pairs(c: Tensor) -> Tensor:
        columns = c.T.contiguous()
        return columns[i] * columns[j]

    moments = a.new_zeros(2, len(i), f)
    for moment, x in zip(moments, (a, b), strict=True):
        for c in x.split(chunk):
            moment.addmm_(pairs(c), c)
    moments[:, i < j] *= 2  # a pair stands for both of its orders
    moments = moments.mT.reshape(2 * f, -1)
    return [torch.cat([((moments @ pairs(c)).view(2, f, -1) * c.T).sum(1) for c in p.split(chunk)], 1) for p in (a, b)]


# ------------------------------------------------------------------------------------------------ energy distance


def energy_distance(a: Tensor, b: Tensor, unbiased: bool = False) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'| for rows x of a (N, F) and y of b (M, F), |.| the Euclidean length.

    Over all pairs, a row with itself included: 0 or more, 0 for the same rows in any order, and above 0 by chance for
    two samples of one distribution, by about the mean length |x - x'| (1 / N + 1 / M): compare equal N. With `unbiased`
    x, x' and y, y' are different rows: 0 on average for equal distributions, at any N; below 0 by chance. In the
    columns' unit: give columns of like scale. Sees the distribution and not whose row is whose, so that a draw can beat
    the conditional mean. Memory grows with N + M, not with N M. Raises ValueError for other shapes, a side without
    rows (`unbiased`: with one), or values that are not finite. Source: Székely and Rizzo 2013.
    """
    check_features(a, b, 1 + unbiased, "a pair of rows" if unbiased else "", varied=())
    a, b = a.detach().double(), b.detach().double()
    within = sum(_lengths(x, x) / (len(x) * (len(x) - unbiased)) for x in (a, b))  # a row is 0 from itself
    distance = 2 * _lengths(a, b) / (len(a) * len(b)) - within
    return distance if unbiased else max(0.0, distance)  # rounding can leave -1e-16


def _lengths(a: Tensor, b: Tensor, chunk: int = 500) -> float:
    """The sum of |x - y| over all rows x of a and y of b."""
    exact = "donot_use_mm_for_euclid_dist"  # the quick way is off by 1e-8 for a row with itself
    return float(sum(torch.cdist(part, b, compute_mode=exact).sum() for part in a.split(chunk)))

"""How good are the samples? Modes and shares on toy data, distances and recall in the features of a small judge.

Every measure is a pure function of samples or features; the extractor is passed in. State with each figure how many
samples, which features and which reference it stands on.
"""

import math

import torch
from torch import Tensor, nn


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (..., n, m). By matrix products, torch's default, equal rows can lie 0.03 apart."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


# ------------------------------------------------------------------------------------------- where the truth is known


def nearest_mode(x: Tensor, modes: Tensor) -> tuple[Tensor, Tensor]:
    """(distance to the nearest mode, its index), each (..., n), for samples x (..., n, dim) and modes (k, dim)."""
    return _distances(x, modes.to(x)).min(-1)


def good_share(x: Tensor, modes: Tensor, std: float, radius: float = 4.0) -> Tensor:
    """Share of samples within `radius` standard deviations of a mode, (...) for x (..., n, dim); 0 to 1.

    Of a Gaussian in the plane, 1 - exp(-radius^2 / 2) = 0.9997 lies within 4.
    Metz et al. 2017 and Lin et al. 2018 count within 3.
    """
    return (nearest_mode(x, modes)[0] < radius * std).float().mean(-1)


def modes_covered(x: Tensor, modes: Tensor, std: float, radius: float = 4.0, min_share: float = 0.2) -> Tensor:
    """Number of modes that get at least `min_share` of their fair share of good samples; (...) int64.

    A mode's fair share is n / k samples. One stray sample does not make a mode: with `min_share` = 0.2, n = 1,000 and
    k = 8 it takes 25. Raises ValueError when n is too small for the smallest count to be 5.
    """
    n, k = x.shape[-2], len(modes)
    need = min_share * n / k
    if need < 5:
        raise ValueError(
            f"{n} samples over {k} modes: a mode would count from {need:.1f} samples on, which chance decides. Give at "
            f"least {math.ceil(5 * k / min_share):,} samples."
        )
    distance, index = nearest_mode(x, modes)
    good = (distance < radius * std).to(x.dtype)
    counts = torch.zeros(*x.shape[:-2], k, dtype=x.dtype, device=x.device).scatter_add_(-1, index, good)
    return (counts >= need).sum(-1)


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
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


# ------------------------------------------------------------------------------------------------ distances on features


def _check_features(a: Tensor, b: Tensor, need: int) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, F) with one F: got {tuple(a.shape)} and {tuple(b.shape)}.")
    if min(len(a), len(b)) < need:
        raise ValueError(f"{len(a)} and {len(b)} samples are too few here: give at least {need} on each side.")
    for name, t in (("first", a), ("second", b)):
        if not t.isfinite().all():
            raise ValueError(f"the {name} features hold NaN or infinity: look at the samples before you measure them.")


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), squared units of the features (N, F); 0 for equal moments.

    The squared Wasserstein-2 distance of two Gaussians with the samples' means m and covariances S. Finite samples
    raise it, so compare only figures of equal N. Raises ValueError for fewer than F + 1 samples (no covariance of full
    rank) or values that are not finite. Source: Dowson and Landau 1982; for GANs Heusel et al. 2017, eq. 6.
    """
    _check_features(a, b, need=a.shape[-1] + 1)
    a, b = a.double(), b.double()
    S_a, S_b = torch.atleast_2d(a.T.cov()), torch.atleast_2d(b.T.cov())
    # tr (S_a S_b)^(1/2) through the symmetric R S_b R with R = S_a^(1/2), whose eigenvalues are real and >= 0
    values, vectors = torch.linalg.eigh(S_a)
    R = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(R @ S_b @ R).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).square().sum() + S_a.trace() + S_b.trace() - 2 * cross
    return max(0.0, float(distance))  # rounding can leave -1e-12 for equal moments


def _radii(x: Tensor, k: int, chunk: int = 2000) -> Tensor:
    """Distance of each row to its k-th nearest other row, (N,)."""
    nearest = [_distances(c, x).topk(k + 1, largest=False).values for c in x.split(chunk)]
    return torch.cat(nearest)[:, -1]  # of the k + 1 nearest, one is the row itself


def recall(real: Tensor, fake: Tensor, k: int = 5, chunk: int = 2000) -> float:
    """Share of real features that lie in a ball around some fake, reaching to that fake's k-th nearest other fake.

    0 to 1; low when fakes miss parts of the data. Grows with the number of fakes: compare equal numbers.
    Source: Kynkäänniemi et al. 2019, eq. 2.
    """
    _check_features(real, fake, need=k + 1)
    radii = _radii(fake, k)
    return float(torch.cat([(_distances(c, fake) <= radii).any(1) for c in real.split(chunk)]).float().mean())


def precision(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of fakes that lie in a ball around some real sample; `recall` with the sides exchanged."""
    _check_features(real, fake, need=k + 1)  # here, where the sides have their right names
    return recall(fake, real, k)


def recall_per_class(real: Tensor, real_labels: Tensor, fake: Tensor, fake_labels: Tensor, k: int = 5) -> Tensor:
    """`recall` within each class, (n_classes,): where every seven is the same seven, class 7 is near 0."""
    n_classes = int(real_labels.max()) + 1
    return torch.tensor([recall(real[real_labels == c], fake[fake_labels == c], k) for c in range(n_classes)])


# --------------------------------------------------------------------------------------------------------- the judge


def train_judge(images, steps: int = 600, batch_size: int = 128, lr: float = 2e-3, seed: int = 0) -> nn.Module:
    """A small classifier trained on `images` (a `data.Images`, its training part), in eval mode; Adam, rate to zero.

    Its `features` (N, 64) are what distances are measured in; distances in two judges' features do not compare.
    """
    from .models import Classifier
    from .sampling import seeded

    with seeded(seed):
        judge = Classifier(images.image_size, images.channels, images.n_classes).to(images.x.device)
        optimiser = torch.optim.Adam(judge.parameters(), lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        for _ in range(steps):
            x, labels = images.sample_labelled(batch_size)
            loss = nn.functional.cross_entropy(judge(x), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return judge.eval().requires_grad_(False)


@torch.no_grad()
def features(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The judge's features (N, F) of images x, float in [-1, 1] or uint8, in batches."""
    return torch.cat([judge.features(_as_float(c)) for c in x.split(batch_size)])


@torch.no_grad()
def predict(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The class (N,) that the judge names for each image, float in [-1, 1] or uint8."""
    return torch.cat([judge(_as_float(c)).argmax(1) for c in x.split(batch_size)])


def _as_float(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x


def label_accuracy(judge: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Share of images that the judge takes for their label; 1.00 goes along with collapse inside the classes."""
    if len(x) != len(labels):
        raise ValueError(f"{len(x)} images but {len(labels)} labels: give one label an image.")
    return float((predict(judge, x) == labels).float().mean())

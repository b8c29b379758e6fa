"""The numbers of a report: runs of `train` side by side, each judged by one judge on the same held-out images.

assets/report.ipynb makes sentences and drawings of it. Each run is read once, for its fakes, the doctor and the curves
alike. Everything hangs on SEED alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import doctor, metrics
from ..data import Images
from ..metrics import Estimate
from ..pixels import to_float
from ..runs import recipes
from ..sampling import generate, seeded
from .check import N_FEATURES, check

SEED = 0
K = 5  # neighbours
SHOWN, GRID = 8, 40  # fakes beside their nearest training images; fakes in the grid of samples


class Measure(NamedTuple):
    """How a measure is written: title, which values are good, what the axis must show, perfect fakes' where known."""

    title: str
    better: str
    axis: tuple[float, ...] = (0,)
    ideal: float = math.nan


MEASURES = {
    "frechet_distance": Measure("Fréchet distance", "lower"),
    "frechet_extrapolated": Measure("Fréchet distance, N to infinity", "lower", ideal=0),
    "kernel_distance": Measure("kernel distance", "lower", ideal=0),
    "precision": Measure("precision", "higher", (0, 1)),
    "recall": Measure("recall", "higher", (0, 1)),
    "density": Measure("density", "near 1", (0, 1), 1),
    "coverage": Measure("coverage", "higher", (0, 1)),
    "two_sample_logistic": Measure("told apart by a line", "near 0.5", (0, 1), 0.5),
    "two_sample_nearest": Measure("told apart by a neighbour", "near 0.5", (0, 1), 0.5),
    "copying": Measure("nearer to training images", "near 0.5", (0, 1), 0.5),
    "copying_u": Measure("further off than new images", "near 0.5", (0, 1), 0.5),
    "inception_score": Measure("Inception Score", "higher", (1,)),  # and the number of classes
}


class Judge(NamedTuple):
    """Who makes the features: a classifier with its held-out accuracy, or, without classes, principal components."""

    look: Callable[[Tensor], Tensor]
    net: nn.Module | None = None
    accuracy: Estimate | None = None

    @property
    def name(self) -> str:
        return "classifier" if self.net is not None else "principal components"


@dataclass(eq=False)
class Judged:
    """One run: what it is, some of its fakes, and all that was measured; `why_not` says why nothing could be."""

    name: str
    settings: dict
    step: int
    seconds: float
    history: dict[str, list[float]]
    grid: Tensor
    shown: Tensor
    measures: dict[str, Estimate]
    why_not: str
    at_half: dict[str, Estimate]  # as the yardstick, of as many samples
    in_features: Tensor  # of the training image nearest to each of `shown`: its index
    in_pixels: Tensor
    distance: float  # median distance from a fake to the nearest training image, in features
    logits: dict[str, Tensor]
    findings: doctor.Report
    accuracy: list[Estimate] = field(default_factory=list)  # one a class, of a conditional run
    recall: list[Estimate] = field(default_factory=list)


@dataclass(eq=False)
class Summary:
    """All runs, and what their numbers stand on. `yardstick`: one half of the reference judged against the other."""

    n: int
    images: Images
    judge: Judge
    reference: Tensor  # which of the held-out images
    yardstick: dict[str, Estimate]
    distance: float  # median distance from a held-out image to the nearest training image, in features
    runs: list[Judged]


def summary(folders: list[str | Path], n: int) -> Summary:
    """`n` fakes of each run in `folders`, judged. Raises what `check.check` raises, before anything is trained."""
    contents, images = check(folders, n)
    judge, chosen = make_judge(images), reference(images, n)
    real, train = judge.look(images.x_test[chosen]), judge.look(images.x)
    half = len(real) // 2
    yardstick = metrics.judge_few(real[:half], real[half : 2 * half], K, SEED)
    runs = [
        _judged(Path(folder), content, n, images, judge, chosen, real, train)
        for folder, content in zip(folders, contents, strict=True)
    ]
    return Summary(n, images, judge, chosen, yardstick, float(metrics.nearest(real, train)[0].median()), runs)


def make_judge(images: Images) -> Judge:
    """`metrics.train_judge` where there are classes; else 64 principal components of the training images' pixels."""
    if images.n_classes > 1:
        net = metrics.train_judge(images, seed=SEED)
        hits = int((metrics.predict(net, images.x_test) == images.labels_test).sum())
        n = len(images.x_test)
        return Judge(lambda x: metrics.features(net, x), net, Estimate(hits / n, *metrics.wilson(hits, n)))
    with seeded(SEED):
        some = to_float(images.x[torch.randperm(len(images.x))[:2000]]).flatten(1)
        mean = some.mean(0)
        components = torch.pca_lowrank(some - mean, N_FEATURES, center=False, niter=4)[2]
    as_float = lambda x: to_float(x) if x.dtype == torch.uint8 else x  # noqa: E731
    return Judge(lambda x: torch.cat([(as_float(c).flatten(1) - mean) @ components for c in x.split(500)]))


def reference(images: Images, n: int) -> Tensor:
    """Which held-out images the fakes are held against: n, or all where there are fewer, in random order."""
    return torch.randperm(len(images.x_test), generator=torch.Generator().manual_seed(SEED))[:n]


def fake_labels(settings: dict, images: Images, n: int) -> Tensor | None:
    """Labels (n,) for the fakes of a conditional run, as frequent as in training; None for a run without."""
    if not settings["class_names"]:
        return None
    return images.labels[torch.randint(len(images), (n,), generator=torch.Generator().manual_seed(SEED))]


def _judged(
    folder: Path, content: tuple, n: int, images: Images, judge: Judge, chosen: Tensor, real: Tensor, train: Tensor
) -> Judged:
    settings = content[1]["settings"]
    trainer = recipes.trainer(settings, images)
    trainer.load(folder, content)
    G = trainer.averaged()
    labels = fake_labels(settings, images, n)
    in_turn = None if labels is None else torch.arange(GRID) % images.n_classes
    grid, fakes = generate(G, GRID, in_turn, SEED), generate(G, n, labels, SEED)
    measures, why_not, at_half, half = {}, "", {}, len(real) // 2
    in_features = torch.zeros(0, dtype=torch.int64)
    distance, accuracy, recall = math.nan, [], []
    try:
        fake = judge.look(fakes)
        in_features = metrics.nearest(fake[:SHOWN], train)[1]
        distance = float(metrics.nearest(fake, train)[0].median())
        if labels is not None:
            accuracy, recall = _of_classes(images, judge, fakes, labels, fake, real, images.labels_test[chosen])
        if bool((fake == fake[0]).all()):
            raise ValueError(f"all {n:,} fakes are the same to the judge, so there is no spread to measure.")
        probabilities = None if judge.net is None else metrics.probabilities(judge.net, fakes)
        measures = metrics.judge_all(real, fake, train, probabilities, K, SEED)
        at_half = metrics.judge_few(real[:half], fake[:half], K, SEED)
    except ValueError as e:  # fakes that are all the same: the rest of the report stands
        why_not = str(e)
    return Judged(
        folder.resolve().name, settings, trainer.step, trainer.seconds, trainer.history, grid, fakes[:SHOWN], measures,
        why_not, at_half, in_features, nearest_images(fakes[:SHOWN], images.x), distance,
        _logits(trainer, images, chosen, fakes, labels), doctor.examine(trainer), accuracy, recall,
    )  # fmt: skip


def _of_classes(images, judge, fakes, labels, fake, real, real_labels) -> tuple[list[Estimate], list[Estimate]]:
    """(label accuracy, recall) of each class; NaN where it has too few fakes or held-out images."""
    accuracy, recall = [], []
    right = metrics.predict(judge.net, fakes) == labels
    for c in range(images.n_classes):
        hits, n = int(right[labels == c].sum()), int((labels == c).sum())
        accuracy.append(Estimate(hits / n, *metrics.wilson(hits, n)) if n else Estimate(math.nan))
        a, b = real[real_labels == c], fake[labels == c]
        recall.append(metrics.neighbourhoods(a, b, K).recall if min(len(a), len(b)) > K else Estimate(math.nan))
    return accuracy, recall


def nearest_images(x: Tensor, train: Tensor, piece: int = 5000) -> Tensor:
    """Index (N,), on the CPU, of the training image (uint8) with the pixels nearest to each of x (N, C, H, W)."""
    best = torch.full((len(x),), math.inf, dtype=torch.float64)
    index = torch.zeros(len(x), dtype=torch.int64)
    for start in range(0, len(train), piece):  # 60,000 images in double would take gigabytes
        far, i = metrics.nearest(x.cpu().flatten(1), to_float(train[start : start + piece].cpu()).flatten(1))
        index = torch.where(far < best, i + start, index)
        best = torch.minimum(best, far)
    return index


@torch.no_grad()
def _logits(trainer, images: Images, chosen: Tensor, fakes: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """D's logits, at rest, of fakes, training images and held-out ones: up to 1,000 of each."""
    some = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))[:1000]
    D, chosen = trainer.players["D"], chosen[:1000]
    sets = {
        "training images": (to_float(images.x[some]), images.labels[some]),
        "held-out images": (to_float(images.x_test[chosen]), images.labels_test[chosen]),
        "fakes": (fakes[:1000], labels if labels is None else labels[:1000]),
    }
    was_training = D.training
    D.eval()
    try:
        found = {}
        for name, (x, y) in sets.items():
            given = (x,) if labels is None else (x, y)
            pieces = zip(*(t.to(trainer.device).split(250) for t in given), strict=True)
            found[name] = torch.cat([D(*piece).float().flatten().cpu() for piece in pieces])
        return found
    finally:
        D.train(was_training)


# ---------------------------------------------------------------------------------------------------- as JSON


def as_json(found: Summary) -> dict:
    """All figures as plain dicts and lists, for report.json; what is no number is null."""
    judge, images = found.judge, found.images
    conditional = {r.name: {"accuracy": _list(r.accuracy), "recall": _list(r.recall)} for r in found.runs if r.accuracy}
    return {
        "n": found.n,
        "reference": len(found.reference),
        "seed": SEED,
        "judge": {"kind": judge.name, "seed": SEED, "features": N_FEATURES,
                  "accuracy": judge.accuracy and _plain(judge.accuracy)},
        "data": {"name": images.name, "image_size": images.image_size, "channels": images.channels,
                 "training": len(images.x), "held_out": len(images.x_test), "classes": list(images.class_names)},
        "steps": {r.name: r.step for r in found.runs},
        "seconds": {r.name: r.seconds for r in found.runs},
        "runs": {r.name: _all(r.measures) for r in found.runs},
        "not_measured": {r.name: r.why_not for r in found.runs if r.why_not},
        "yardstick": {"n": len(found.reference) // 2, "real": _all(found.yardstick),
                      "runs": {r.name: _all(r.at_half) for r in found.runs}},
        "classes": conditional,
        "findings": {r.name: [f.key for f in r.findings if f.sick] for r in found.runs},
    }  # fmt: skip


def _plain(estimate: Estimate) -> dict[str, float | None]:
    return {k: v if math.isfinite(v) else None for k, v in estimate._asdict().items()}


def _all(measures: dict[str, Estimate]) -> dict[str, dict]:
    return {name: _plain(estimate) for name, estimate in measures.items()}


def _list(estimates: list[Estimate]) -> list[dict]:
    return [_plain(e) for e in estimates]

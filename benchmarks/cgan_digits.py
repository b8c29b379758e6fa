"""`train cgan --data digits --seconds 60`: does a fake look like its label, and is every way of writing it there?

    python benchmarks/cgan_digits.py                 5 seeds of 60 s each
    python benchmarks/cgan_digits.py --seeds 1       a quick look
    python benchmarks/cgan_digits.py --out runs/x    measure a run of the command line in place of training

Extractor: the features (N, 64) of a judge trained on the 4,000 training digits. Recall: k = 5, within each class. It
grows with the number of images that span the balls, so fakes stand beside real digits of equal number:

    held out   100 held-out digits a class, covered by 100 fakes, or by 100 training digits
    halves     all 5,000 digits cut in two at random: 250 a class, covered by 250 fakes, or by the other half

Limits: label accuracy at least 0.95 of the judge's on held-out digits; recall of the worst class at least 0.5, of the
mean at least 0.7 of the real digits' own, by both references; each as the median over seeds.
"""

import argparse
import statistics
import sys
from pathlib import Path

import torch

from ganedu import metrics
from ganedu.course import machine
from ganedu.data import to_float
from ganedu.runs import recipes
from ganedu.sampling import generate, seeded

CLASSES, K = 10, 5
LIMITS = {
    "accuracy / real": 0.95, "held out: worst class": 0.5, "held out: mean / real": 0.7,
    "halves: worst class": 0.5, "halves: mean / real": 0.7,
}  # fmt: skip


def first_of_each(labels: torch.Tensor, n: int, skip: int = 0) -> torch.Tensor:
    """Index of the first n of each class, after `skip` of each; class by class."""
    return torch.cat([(labels == c).nonzero().squeeze(1)[skip : skip + n] for c in range(CLASSES)])


def by_class(x: torch.Tensor) -> torch.Tensor:
    return torch.arange(CLASSES).repeat_interleave(len(x) // CLASSES)


def recalls(real: torch.Tensor, other: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Recall per class of `real` by `fake`, and by `other` real digits; features sorted by class, equal numbers."""
    y = by_class(real)
    return tuple(metrics.recall_per_class(real, y, f, y, k=K) for f in (fake, other))


class Measure:
    """The judge and the real digits, prepared once; then a dict of figures a generator."""

    def __init__(self, images):
        self.judge = metrics.train_judge(images)
        self.real_accuracy = metrics.label_accuracy(self.judge, images.x_test, images.labels_test)
        train, test = (metrics.features(self.judge, to_float(x)) for x in (images.x, images.x_test))
        self.test = test[first_of_each(images.labels_test, 100)]
        self.train = train[first_of_each(images.labels, 100)]
        with seeded(0):
            shuffled = torch.randperm(len(train) + len(test))
        every, labels = torch.cat([train, test])[shuffled], torch.cat([images.labels, images.labels_test])[shuffled]
        self.halves = [every[first_of_each(labels, 250, skip)] for skip in (0, 250)]

    def __call__(self, G) -> dict[str, float]:
        y = torch.arange(CLASSES).repeat_interleave(400)
        x = generate(G, len(y), y, seed=0)
        fake = metrics.features(self.judge, x)
        row = {"accuracy / real": metrics.label_accuracy(self.judge, x, y) / self.real_accuracy}
        for name, n, real, other in (("held out", 100, self.test, self.train), ("halves", 250, *self.halves)):
            ours, reals = recalls(real, other, fake[first_of_each(y, n)])
            row |= {f"{name}: worst class": float(ours.min()), f"{name}: its mean": float(ours.mean()),
                    f"{name}: mean / real": float(ours.mean() / reals.mean())}  # fmt: skip
        row["Fréchet distance, 1,000 fakes"] = metrics.frechet_distance(fake[first_of_each(y, 100)], self.test)
        return row


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the conditional GAN on digits.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="folder of a run to measure in place of training")
    args = parser.parse_args()
    measure = Measure(recipes.prepare("cgan", "digits")[1])
    print(f"{machine.cores()} cores, {torch.get_num_threads()} threads, {machine.speed(3.0):.0f} DCGAN steps a second")
    print(f"the judge names {measure.real_accuracy:.3f} of 1,000 held-out digits; recall of the real digits:")
    for name, (real, other) in (("held out", (measure.test, measure.train)), ("halves", measure.halves)):
        own = recalls(real, other, other)[1]
        print(f"  {name:<9}{len(real) // CLASSES} a class: mean {own.mean():.3f}, worst class {own.min():.3f}")
    if args.out:
        rows = [measure(recipes.load_generator(args.out)[0])]
    else:
        rows = []
        for seed in range(args.seeds):
            trainer = recipes.trainer(*recipes.prepare("cgan", "digits", seed=seed))
            for _ in trainer.run(seconds=args.seconds):
                pass
            rows.append(measure(trainer.averaged()))
            print(f"seed {seed}: {trainer.step:,} steps in {trainer.seconds:.1f} s", flush=True)
    reached = True
    for name in rows[0]:
        values = [row[name] for row in rows]
        median, limit = statistics.median(values), LIMITS.get(name)
        verdict = "" if limit is None else f"at least {limit}: {'reached' if median >= limit else 'NOT reached'}"
        reached &= limit is None or median >= limit
        print(f"{name:<31}{median:7.3f}   {' '.join(f'{v:.3f}' for v in values):<32}{verdict}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

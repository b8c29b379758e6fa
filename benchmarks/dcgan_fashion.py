"""`train dcgan --data fashion70k --seconds 60`: how far are its samples from held-out clothes, and how soon?

    python benchmarks/dcgan_fashion.py                       5 seeds of ours, one run of each textbook loop
    python benchmarks/dcgan_fashion.py --seeds 1 --seconds 20
    python benchmarks/dcgan_fashion.py --textbook 1 2        only these of the three loops (0 for none)
    python benchmarks/dcgan_fashion.py --cpu                 one thread, counting processor time: on a busy machine

Distance: Fréchet, 10,000 samples against the 10,000 held-out images. Extractor: the features (N, 64) of a judge trained
on the 60,000 training images for 3,000 steps (`metrics.train_judge`). Ours runs by `recipes`, as the command line does;
checkpoints are measured while the clock stands still. Since the learning rate falls over a run's second half, a whole
run of a tenth of the time is measured as well: it is further than the long run at that moment.

A textbook loop is the DCGAN of PyTorch's tutorial (nz = 100, one convolution fewer) at 32 x 32, images padded by 2:
DataLoader, sigmoid and binary cross-entropy, Adam with rate 2e-4 and beta1 = 0.5, no average. Its samples are taken in
training mode or in evaluation mode, whichever is nearer to the held-out images, and cropped to 28 x 28.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ganedu import metrics, training
from ganedu.course import machine
from ganedu.data import to_float
from ganedu.metrics import Classifier
from ganedu.runs import recipes
from ganedu.sampling import seeded

N = 10_000  # samples, against as many held-out images
CHECKPOINTS = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50)  # seconds, and the end
MUST, AMBITION, SHARE = 15.0, 8.0, 0.1  # distance after 60 s; share of the textbook's time in which ours must be there


class Measure:
    """The judge and the held-out features, prepared once; then the distance of any 28 x 28 samples."""

    def __init__(self, images, steps: int, kept: Path | None):
        if kept and kept.exists():
            self.judge = Classifier(images.image_size, images.channels, images.n_classes).eval().requires_grad_(False)
            self.judge.load_state_dict(load_file(kept))
        else:
            self.judge = metrics.train_judge(images, steps=steps)
            if kept:
                save_file(self.judge.state_dict(), kept)
        self.held_out = metrics.features(self.judge, images.x_test)
        self.accuracy = metrics.label_accuracy(self.judge, images.x_test, images.labels_test)
        with seeded(0):
            some = torch.randperm(len(images.x))[:N]
        self.floor = self(images.x[some])

    def __call__(self, x: torch.Tensor) -> float:
        return metrics.frechet_distance(metrics.features(self.judge, x), self.held_out)


# ------------------------------------------------------------------------------------------------------------ ours


def ours(images, measure: Measure, seed: int, seconds: float) -> tuple[dict[float, float], float]:
    """({seconds: distance}, images a second) of one run of the recipe."""
    settings, _ = recipes.prepare("dcgan", "fashion70k", seed=seed)
    trainer = recipes.trainer(settings, images)
    left = [t for t in CHECKPOINTS if t < seconds]
    found = {}
    for record in trainer.run(seconds=seconds, every=10):
        if left and record["seconds"] >= left[0]:
            found[left.pop(0)] = measure(trainer.sample(N))
    found[seconds] = measure(trainer.sample(N))
    return found, trainer.step * settings["batch_size"] / trainer.seconds


# -------------------------------------------------------------------------------------------------------- textbook


def tutorial_pair(width: int, nz: int = 100) -> tuple[nn.Module, nn.Module]:
    def up(n_in, n_out, stride=2, padding=1):
        return [nn.ConvTranspose2d(n_in, n_out, 4, stride, padding, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(True)]

    def down(n_in, n_out):
        return [nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2, inplace=True)]

    w = width
    G = nn.Sequential(*up(nz, 4 * w, 1, 0), *up(4 * w, 2 * w), *up(2 * w, w),
                      nn.ConvTranspose2d(w, 1, 4, 2, 1, bias=False), nn.Tanh())  # fmt: skip
    D = nn.Sequential(nn.Conv2d(1, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True), *down(w, 2 * w),
                      *down(2 * w, 4 * w), nn.Conv2d(4 * w, 1, 4, 1, 0, bias=False), nn.Sigmoid())  # fmt: skip
    for m in (*G.modules(), *D.modules()):
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(m.weight, 0.0, 0.02)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.zeros_(m.bias)
    return G, D


def textbook(images, measure: Measure, width: int, batch_size: int, seconds: float, seed: int = 0):
    """(distance, images a second) of the textbook loop after `seconds`."""
    torch.manual_seed(seed)
    x = nn.functional.pad(to_float(images.x), (2, 2, 2, 2), value=-1.0)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size, shuffle=True, drop_last=True)
    G, D = tutorial_pair(width)
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (G, D))
    bce, real, fake = nn.BCELoss(), torch.ones(batch_size), torch.zeros(batch_size)
    start, steps = training.time.perf_counter(), 0
    while training.time.perf_counter() - start < seconds:
        for (x_real,) in loader:
            D.zero_grad()
            bce(D(x_real).view(-1), real).backward()
            x_fake = G(torch.randn(batch_size, 100, 1, 1))
            bce(D(x_fake.detach()).view(-1), fake).backward()
            opt_D.step()
            G.zero_grad()
            bce(D(x_fake).view(-1), real).backward()
            opt_G.step()
            steps += 1
            if training.time.perf_counter() - start >= seconds:
                break
    rate = steps * batch_size / (training.time.perf_counter() - start)
    distances = []
    for mode in (G.train, G.eval):
        evaluating = mode() is G and not G.training
        with torch.no_grad(), seeded(0):
            size = 500 if evaluating else batch_size
            z = torch.randn(N, 100, 1, 1).split(size)
            state = {k: v.clone() for k, v in G.state_dict().items()}
            samples = torch.cat([G(part) for part in z])[:, :, 2:-2, 2:-2]
            G.load_state_dict(state)  # training mode also moved the running statistics
        distances.append(measure(samples))
    return min(distances), rate


LOOPS = {  # name -> width, batch size
    "textbook, width 64, batch 128": (64, 128),
    "textbook, width 64, batch 64": (64, 64),
    "textbook, our width 8, batch 64": (8, 64),
}


def row(found: dict[float, float]) -> str:
    return ", ".join(f"{t:g} s {d:.1f}" for t, d in found.items())


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure DCGAN on Fashion-MNIST against a textbook loop.")
    parser.add_argument("--seeds", type=int, default=5, help="runs of ours (5); 0 for the textbook alone")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--textbook", type=int, nargs="*", default=[1, 2, 3], help="which of its three loops; 0: none")
    parser.add_argument("--judge-steps", type=int, default=3000)
    parser.add_argument("--judge", type=Path, help="safetensors of a judge: read if it is there, else written")
    parser.add_argument("--cpu", action="store_true", help="one thread; seconds are the processor's, not the clock's")
    args = parser.parse_args()
    if args.cpu:  # two threads on a busy core wait for each other, and both loops would be timed at that
        torch.set_num_threads(1)
        training.time = SimpleNamespace(perf_counter=time.process_time)
    images = recipes.prepare("dcgan", "fashion70k")[1]
    measure = Measure(images, args.judge_steps, args.judge)
    print(f"{machine.cores()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"judge: {measure.accuracy:.3f} of the held-out images; {N:,} training images are at {measure.floor:.2f}")

    runs, short, soon = [], [], SHARE * args.seconds
    for seed in range(args.seeds):
        found, rate = ours(images, measure, seed, args.seconds)
        runs.append(found)
        short.append(ours(images, measure, seed, soon)[0][soon])
        print(f"ours, seed {seed}: {rate:,.0f} images/s; {row(found)}; a run of {soon:g} s {short[-1]:.1f}", flush=True)
    reached = True
    if runs:
        medians = {t: statistics.median(run[t] for run in runs) for t in runs[0]}
        reached = medians[args.seconds] <= MUST
        print(f"ours, median of {len(runs)}: {row(medians)}; a run of {soon:g} s {statistics.median(short):.1f}")
        print(f"after {args.seconds:g} s: {medians[args.seconds]:.2f}; must {MUST:g}, ambition {AMBITION:g}")
    for i, (name, (width, batch_size)) in enumerate(LOOPS.items(), 1):
        if i not in args.textbook:
            continue
        distance, rate = textbook(images, measure, width, batch_size, args.seconds)
        print(f"{name}: {rate:,.0f} images/s, distance {distance:.1f} after {args.seconds:g} s", flush=True)
        if runs:
            there = statistics.median(short) <= distance
            reached &= there
            first = next((t for t, d in medians.items() if d <= distance), None)
            print(f"   ours in {soon:g} s: {'there' if there else 'not there'}; within the long run: "
                  f"{'not there' if first is None else f'after {first:g} s'}")  # fmt: skip
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

"""`judge_all` of 10,000 against 10,000 samples of 64 features: how long, how much memory, and how fast are the peers?

    python benchmarks/metrics.py                   all rows, 2 threads, the best of 5 runs each
    python benchmarks/metrics.py --only kernel     only rows with this in their name
    python benchmarks/metrics.py --n 2000          fewer samples
    python benchmarks/metrics.py --cpu             one thread, counting processor time: on a busy machine

Each side of a row runs in a process of its own, after a warm-up with 300 samples, so that imports don't count; memory
is the process's greatest resident size, in all. Peers: torchmetrics for distances and the Inception Score, scikit-learn
for neighbours and classifiers, scipy for tests; each the fastest way we found. Agreement: the largest relative
difference of values. The total of the peers is that of the measures in `judge_all`, without its intervals.

Features: a judge of Fashion-MNIST, of its 10,000 images, the same moved by a pixel and noisy ("fake"), and mirrored
("train").

Limits: `judge_all` at most 20 s and 1,000 MB; the kernel distance of all pairs at least 3 times as fast as its peers.
The rest is about as fast as theirs, and ours for its intervals and to be read.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch

from ganedu import data, metrics
from ganedu.course import machine

K = 5
SECONDS, MEGABYTES, RATIO = 20.0, 1000.0, 3.0


def make_features(n: int, path: Path) -> None:
    images = data.load("fashion")
    judge = metrics.train_judge(images, steps=300)
    x, g = images.x[:n], torch.Generator().manual_seed(0)
    noisy = (x.roll(1, -1) + 40 * torch.randn(x.shape, generator=g)).clamp(0, 255).to(torch.uint8)
    sets = {k: metrics.features(judge, v) for k, v in (("real", x), ("fake", noisy), ("train", x.flip(-1)))}
    torch.save({**sets, "logits": judge.head(sets["fake"])}, path)


# ------------------------------------------------------------------------------------------------ the peers


def torchmetrics_of(metric, s: dict) -> list[float]:
    metric.update(s["real"], real=True)
    metric.update(s["fake"], real=False)
    value = metric.compute()
    return [float(value[0] if isinstance(value, tuple) else value)]


def identity(n_features: int) -> torch.nn.Module:
    network = torch.nn.Identity()
    network.num_features = n_features
    return network


def frechet(s: dict) -> list[float]:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return torchmetrics_of(FrechetInceptionDistance(feature=identity(s["real"].shape[1])), s)


def kernel(s: dict) -> list[float]:
    from torchmetrics.image.kid import KernelInceptionDistance

    return torchmetrics_of(KernelInceptionDistance(feature=identity(64), subsets=1, subset_size=len(s["real"])), s)


def kernel_pairs(s: dict) -> list[float]:
    from sklearn.metrics.pairwise import polynomial_kernel

    a, b = s["real"].double().numpy(), s["fake"].double().numpy()
    n, A, B = len(a), polynomial_kernel(a), polynomial_kernel(b)  # degree 3, 1 / F and 1 are scikit-learn's defaults
    within = (A.sum() - A.trace() + B.sum() - B.trace()) / (n * (n - 1))
    return [float(within - 2 * polynomial_kernel(a, b).mean())]


def kernel_subsets(s: dict) -> list[float]:
    from torchmetrics.image.kid import KernelInceptionDistance

    size = len(s["real"]) // 10
    torchmetrics_of(KernelInceptionDistance(feature=identity(64), subsets=10, subset_size=size), s)
    return []  # other subsets: no agreement


def neighbourhoods(s: dict) -> list[float]:
    import numpy as np
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    real, fake = s["real"].numpy(), s["fake"].numpy()
    radii = [
        NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(x).kneighbors(x)[0][:, -1] for x in (real, fake)
    ]
    covered, recalled, precise, total = np.zeros(len(real), bool), np.zeros(len(real), bool), 0, 0
    first = 0
    for d in pairwise_distances_chunked(fake, real, working_memory=40):
        inside = d <= radii[0]
        counts = inside.sum(1)
        precise, total = precise + (counts > 0).sum(), total + counts.sum()
        covered |= inside.any(0)
        recalled |= (d <= radii[1][first : first + len(d), None]).any(0)
        first += len(d)
    return [float(v) for v in (precise / len(fake), recalled.mean(), total / (K * len(fake)), covered.mean())]


def two_sample(s: dict, model, standardise: bool) -> list[float]:
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    half, g = len(s["real"]) // 2, torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(s["real"]), generator=g) for _ in range(2)]
    sides = list(zip((s["real"], s["fake"]), orders, strict=True))
    train, test = (torch.cat([x[o[i : i + half]] for x, o in sides]).double().numpy() for i in (0, half))
    labels = np.arange(2).repeat(half)
    return [(make_pipeline(StandardScaler(), model) if standardise else model).fit(train, labels).score(test, labels)]


def logistic(s: dict) -> list[float]:
    from sklearn.linear_model import LogisticRegression

    return two_sample(s, LogisticRegression(max_iter=1000), True)


def one_nearest(s: dict) -> list[float]:
    from sklearn.neighbors import KNeighborsClassifier

    return two_sample(s, KNeighborsClassifier(1, algorithm="brute"), False)


def nearest(a: torch.Tensor, b: torch.Tensor):
    from sklearn.metrics import pairwise_distances_argmin_min

    return pairwise_distances_argmin_min(a.numpy(), b.numpy())[1]


def copying(s: dict) -> list[float]:
    return [float((nearest(s["fake"], s["train"]) < nearest(s["fake"], s["real"])).mean())]


def copying_u(s: dict) -> list[float]:
    from scipy.stats import mannwhitneyu

    far, reference = nearest(s["fake"], s["train"]), nearest(s["real"], s["train"])
    return [float(mannwhitneyu(far, reference, alternative="less").statistic) / (len(far) * len(reference))]


def inception(s: dict) -> list[float]:
    from torchmetrics.image.inception import InceptionScore

    score = InceptionScore(feature=torch.nn.Identity(), splits=1)
    score.update(s["logits"])
    return [float(score.compute()[0])]


def area(s: dict) -> list[float]:
    from sklearn.metrics import roc_auc_score

    labels = torch.arange(2).repeat_interleave(len(s["real"]))
    return [float(roc_auc_score(labels, torch.cat([s["real"].sum(1), s["fake"].sum(1)])))]


def bootstrap(s: dict) -> list[float]:
    import numpy as np
    import scipy.stats

    x = s["real"].sum(1).double().numpy()
    scipy.stats.bootstrap((x,), np.mean, n_resamples=200, method="percentile", rng=0)
    return []


ONCE = (frechet, kernel, neighbourhoods, logistic, one_nearest, copying, copying_u, inception)

# name: (ours, the peer, whose it is, whether it must be RATIO times as fast)
ROWS = {
    "frechet_distance": (lambda s: [metrics.frechet_distance(s["real"], s["fake"])], frechet, "torchmetrics", False),
    "kernel_distance": (lambda s: [metrics.kernel_distance(s["real"], s["fake"]).value], kernel, "torchmetrics", True),
    "kernel_distance, doubles": (lambda s: [metrics.kernel_distance(s["real"], s["fake"]).value], kernel_pairs,
                                 "scikit-learn", True),
    "kernel_distance, 10 subsets": (lambda s: metrics.kernel_distance(s["real"], s["fake"], 10, len(s["real"]) // 10)
                                    and [], kernel_subsets, "torchmetrics", False),
    "neighbourhoods, all four": (lambda s: [e.value for e in metrics.neighbourhoods(s["real"], s["fake"], K)],
                                 neighbourhoods, "scikit-learn", False),
    "two_sample, nearest": (lambda s: [metrics.classifier_two_sample(s["real"], s["fake"], "nearest").accuracy],
                            one_nearest, "scikit-learn", False),
    "two_sample, logistic": (lambda s: [metrics.classifier_two_sample(s["real"], s["fake"]).accuracy], logistic,
                             "scikit-learn", False),
    "copying": (lambda s: [metrics.copying(s["fake"], s["train"], s["real"]).share], copying, "scikit-learn", False),
    "copying_u": (lambda s: [metrics.copying_u(s["fake"], s["train"], s["real"]).auc], copying_u, "scikit-learn, scipy",
                  False),
    "inception_score": (lambda s: [metrics.inception_score(s["logits"].double().softmax(1))], inception, "torchmetrics",
                        False),
    "auc": (lambda s: [metrics.auc(s["fake"].sum(1), s["real"].sum(1))], area, "scikit-learn", False),
    "bootstrap of a mean": (lambda s: metrics.bootstrap(torch.mean, s["real"].sum(1)) and [], bootstrap, "scipy",
                            False),
    "frechet_extrapolated": (lambda s: [metrics.frechet_extrapolated(s["real"], s["fake"]).value], None, "", False),
    "jackknife of frechet": (lambda s: [metrics.jackknife(metrics.frechet_distance, s["real"], s["fake"]).value], None,
                             "", False),
    "judge_all": (lambda s: metrics.judge_all(s["real"], s["fake"], s["train"], s["logits"].double().softmax(1)) and [],
                  lambda s: [f(s) for f in ONCE] and [], "all of them, once", False),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ measuring


def measure(name: str, side: int, path: str, repeats: int, cpu: bool) -> None:
    """In a process of its own: the values, the best of the times, the greatest resident size."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1 if cpu else 2)
    clock = time.process_time if cpu else time.perf_counter
    sets, call = torch.load(path), ROWS[name][side]
    call({k: v[:300] for k, v in sets.items()})
    times = []
    for _ in range(repeats):
        start = clock()
        values = call(sets)
        times.append(clock() - start)
    peak = greatest_resident()
    print(json.dumps({"values": values, "seconds": min(times), "megabytes": peak}))


def greatest_resident() -> float:
    """MB of this process; where Linux tells, not by getrusage, which starts from the size of the parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def apart(name: str, side: int, path: Path, repeats: int, cpu: bool) -> dict:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1" if cpu else "2")
    command = [sys.executable, __file__, "--measure", name, str(side), str(path), "--repeats", str(repeats)]
    command += ["--cpu"] * cpu
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}, side {side}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the measures.")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, side, path = args.measure
        measure(name, int(side), path, args.repeats, args.cpu)
        return 0
    how = "1 thread, processor time" if args.cpu else f"2 threads, {machine.speed(3.0):.0f} DCGAN steps a second"
    print(f"{platform.machine()}, {machine.cores()} cores, torch {torch.__version__}, {how}; {args.n:,} x {args.n:,}")
    print(f"{'measure':<29}{'ours':>9}{'peer':>9}{'ratio':>7}{'agree to':>10}{'ours':>9}{'peer':>9}  peer")
    reached = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.pt"
        make_features(args.n, path)
        for name, (_, peer, whose, must) in ROWS.items():
            if args.only not in name:
                continue
            ours = apart(name, 0, path, args.repeats, args.cpu)
            line = f"{name:<29}{ours['seconds']:>8.3f}s"
            if peer is None:
                print(f"{line}{'':>26}{ours['megabytes']:>7.0f}MB", flush=True)
                continue
            theirs = apart(name, 1, path, args.repeats, args.cpu)
            ratio = theirs["seconds"] / ours["seconds"]
            apart_by = [abs(a - b) / abs(b) for a, b in zip(ours["values"], theirs["values"], strict=True)]
            agree = f"{max(apart_by):.0e}" if apart_by else ""
            verdict = "" if not must else "" if ratio >= RATIO else f"  NOT {RATIO:g} times"
            print(f"{line}{theirs['seconds']:>8.3f}s{ratio:>7.1f}{agree:>10}{ours['megabytes']:>7.0f}MB"
                  f"{theirs['megabytes']:>7.0f}MB  {whose}{verdict}", flush=True)  # fmt: skip
            reached &= not must or ratio >= RATIO
            if name == "judge_all":
                within = ours["seconds"] <= SECONDS and ours["megabytes"] <= MEGABYTES
                print(f"judge_all: {'within' if within else 'NOT within'} {SECONDS:g} s and {MEGABYTES:g} MB")
                reached &= within
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

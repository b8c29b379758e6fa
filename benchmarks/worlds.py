"""Twenty small GANs at once against one after the other, on the ring; MLPs of two hidden layers of 64.

    python benchmarks/worlds.py              both batch sizes, 7 alternating rounds each
    python benchmarks/worlds.py --rounds 3   a quick look

One after the other: `steps.train_step` on torch.nn modules with the same fused Adam, non-saturating loss, samples drawn
each step. At once: `worlds.train`, all its costs included. Rounds alternate in one process, so a slow moment of the
machine hits both; the ratio is the median over rounds. The ratio to torch's default Adam, slower, is shown beside.

Limits: 2.8 times the steps at batch 256, 5 times at batch 128, on two cores.
"""

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path

import torch

from ganedu.course import machine
from ganedu.models import MLPDiscriminator, MLPGenerator
from ganedu.steps import train_step
from ganedu.toys import densities, worlds

WORLDS, LIMITS = 20, {256: 2.8, 128: 5.0}
ALONE, TOGETHER = 320, 320  # steps of one GAN, and of all at once, in a round; few would measure the set-up


def alone(batch: int, fused: bool | None) -> float:
    """Seconds that one step of each of WORLDS GANs takes, one after the other."""
    ring, G, D = densities.ring(), MLPGenerator(2), MLPDiscriminator()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-3, (0.5, 0.9), fused=fused) for m in (G, D))
    start = time.perf_counter()
    for _ in range(ALONE):
        train_step(ring.sample(batch), G=G, D=D, opt_G=opt_G, opt_D=opt_D, z_dim=2)
    return WORLDS * (time.perf_counter() - start) / ALONE


def together(batch: int) -> float:
    """Seconds that one step of WORLDS GANs takes, all at once."""
    start = time.perf_counter()
    worlds.train(densities.ring(), worlds=WORLDS, steps=TOGETHER, batch=batch, measure=lambda samples: {})
    return (time.perf_counter() - start) / TOGETHER


def cpu() -> str:
    """The CPU's name: from /proc/cpuinfo on Linux, else as Python knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(f"{cpu()}, {machine.cores()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    reached = True
    for batch, limit in LIMITS.items():
        together(batch), alone(batch, True), alone(batch, None)  # caches, thread pools
        times = [(alone(batch, True), together(batch), alone(batch, None)) for _ in range(rounds)]
        one, many, plain = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b, _ in times)
        against_plain = statistics.median(c / b for _, b, c in times)
        reached &= ratio >= limit
        print(f"batch {batch}: a step of {WORLDS} GANs takes {one:.1f} ms one after the other, {many:.2f} ms at once: "
              f"{ratio:.1f} times the steps (limit {limit}); {against_plain:.1f} times torch's default Adam "
              f"({plain:.1f} ms); rounds {', '.join(f'{a / b:.1f}' for a, b, _ in times)}")  # fmt: skip
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

"""What this machine has, and how long the course will take on it."""

import json
import os
import platform
import time
from pathlib import Path

import torch

from .. import ASSETS
from ..models import DCDiscriminator, DCGenerator
from ..sampling import seeded
from ..steps import train_step

TIMES = ASSETS / "lookup" / "notebook_seconds.json"  # written by benchmarks/notebooks.py on the machine it names


def cores() -> int:
    """Cores this process may use; fewer than the machine has in a container that pins them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> float:
    """GiB of memory this process may use: the container's limit where there is one (Binder: 2), else the machine's."""
    import psutil

    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total / 2**30


def speed(seconds: float = 1.0) -> float:
    """Training steps a second of the course's DCGAN (28 x 28, width 8, batch 64) on this CPU, timed for `seconds`."""
    with seeded(0):
        G, D = DCGenerator(), DCDiscriminator()
        opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-3) for m in (G, D))
        x_real = torch.rand(64, 1, 28, 28) * 2 - 1
        players = {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D, "z_dim": G.z_dim}
        for _ in range(3):
            train_step(x_real, **players)  # the first steps also allocate
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            train_step(x_real, **players)
            steps += 1
    return steps / (time.perf_counter() - start)


def report(seconds: float = 1.0) -> str:
    """A few lines: system, torch, cores, memory, device, speed, and the seconds each notebook should take here.

    The times are those measured on the machine that benchmarks/notebooks.py last ran on, scaled by `speed`.
    """
    device = f"GPU {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU; none is needed"
    here = speed(seconds)
    lines = [
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.system()} {platform.machine()}",
        f"{cores()} CPU cores, {memory():.1f} GiB of memory, {device}",
        f"{here:.0f} DCGAN training steps a second",
    ]
    if TIMES.is_file():
        times = json.loads(TIMES.read_text())
        ratio = times["speed"] / here
        lines += ["", "Top to bottom, the notebooks should take about:"]
        lines += [f"  {name:<32}{max(1, round(s * ratio)):>4} s" for name, s in times["seconds"].items()]
    if memory() < 1.2:
        lines += ["", "Below 1.2 GiB a notebook may be stopped half way: close the others first."]
    return "\n".join(lines)

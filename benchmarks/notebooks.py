"""Each notebook from top to bottom: seconds, seconds to the first figure, peak memory of the kernel; 2 CPU cores.

    python benchmarks/notebooks.py              measure all
    python benchmarks/notebooks.py 01 03        measure these
    python benchmarks/notebooks.py --write      and store the seconds for notebook 00, which scales them to its reader;
                                                those not measured now are kept, scaled by the machine's speed

Limits: 90 s, 15 s, 1.2 GB. Memory is the resident set of the kernel and all its children, sampled five times a second.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

from ganedu.course import machine, notebooks

LIMITS = {"seconds": 90.0, "first figure": 15.0, "GB": 1.2}
TABLE = machine.TIMES


class Stopwatch(NotebookClient):
    """Runs a notebook and notes when the first picture came in."""

    first_figure = float("nan")

    def output(self, outs, msg, display_id, cell_index):
        if "image/png" in msg["content"].get("data", {}) and self.first_figure != self.first_figure:
            self.first_figure = time.perf_counter() - self.start
        return super().output(outs, msg, display_id, cell_index)


def measure(path: Path) -> dict[str, float]:
    client = Stopwatch(nbformat.read(path, as_version=4), timeout=600, kernel_name="python3",
                       resources={"metadata": {"path": str(path.parent)}})  # fmt: skip
    peak, done = [0.0], threading.Event()
    sampler = threading.Thread(target=_sample_memory, args=(peak, done), daemon=True)
    client.start = time.perf_counter()
    sampler.start()
    client.execute()
    seconds = time.perf_counter() - client.start
    done.set()
    return {"seconds": seconds, "first figure": client.first_figure, "GB": peak[0] / 1e9}


def _sample_memory(peak: list[float], done: threading.Event) -> None:
    """Our children are the kernel and what it starts; this process itself does not count."""
    while not done.wait(0.2):
        total = 0
        for process in psutil.Process().children(recursive=True):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the notebooks.")
    parser.add_argument("notebooks", nargs="*", help="numbers or names; all by default")
    parser.add_argument("--write", action="store_true", help="store the seconds for notebook 00")
    args = parser.parse_args()
    paths = [notebooks.find(name) for name in args.notebooks] or notebooks.listing()
    speed = machine.speed(3.0)
    print(f"{machine.cores()} cores, {speed:.0f} DCGAN steps a second")
    print(f"{'notebook':<28}{'seconds':>9}{'first figure':>14}{'GB':>7}")
    times, over = {}, []
    for path in paths:
        row = measure(path)
        times[path.stem] = round(row["seconds"], 1)
        print(f"{path.stem:<28}{row['seconds']:>9.1f}{row['first figure']:>14.1f}{row['GB']:>7.2f}", flush=True)
        over += [f"{path.stem}: {k} {v:.2f} > {LIMITS[k]}" for k, v in row.items() if not v <= LIMITS[k]]
    if args.write:
        stored = json.loads(TABLE.read_text())
        others = {k: round(v * stored["speed"] / speed, 1) for k, v in stored["seconds"].items()}
        seconds = dict(sorted({**others, **times}.items()))
        TABLE.write_text(json.dumps({"speed": round(speed, 1), "seconds": seconds}, indent=1) + "\n")
    print("\n".join(over) or "all within their limits")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

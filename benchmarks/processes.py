"""What a second process brings: steps of one process with the whole batch, and of two with half of it each.

The script starts itself twice, one core each. A round times, in turn and in an order that alternates: one process
alone with batches of B, B/2, B/4 and B/8 while the other waits; both with B/2 each, every gradient averaged;
all-reduces of several sizes; and a discriminator's steps under DistributedDataParallel against the averaging at the
optimiser's step. On Linux only those steps count in which no process had to wait for a core that another program held.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from torch.nn.functional import softplus

from ganedu import data, processes, training
from ganedu.models import DCDiscriminator, DCGenerator, MLPDiscriminator, MLPGenerator
from ganedu.sampling import seeded
from ganedu.steps import train_step
from ganedu.toys import densities

BYTES = (4, 4096, 65536, 2**20, 2**22, 2**24)  # of a message


def players(make):
    with seeded(0):
        G, D = make()
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-3, betas=(0.5, 0.9), fused=True) for m in (G, D))
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}


def plane():
    return MLPGenerator(2), MLPDiscriminator()


def images(width):
    nets = DCGenerator(width=width), DCDiscriminator(width=width)
    return tuple(net.to(memory_format=torch.channels_last) for net in nets)


def cases(widths, batches):
    """{name: (players, data, batch)}."""
    clothes = data.load("fashion").sample
    plane_case = {"plane": (plane, densities.ring().sample, 128)}
    return plane_case | {f"width {w}, batch {b}": (partial(images, w), clothes, b) for w in widths for b in batches}


def waited() -> float:
    """Seconds for which this process's threads have waited for a core, so far; 0 where the system does not tell."""
    told = (Path("/proc/self/task").glob("*/schedstat")) if Path("/proc/self/schedstat").exists() else ()
    return sum(int(path.read_text().split()[1]) for path in told) / 1e9


def undisturbed(marks, alone):
    """Median seconds between marks (time, waited), over those fifth in which no process waited much for a core."""
    marks = torch.tensor(marks, dtype=torch.float64)
    spans, waits = marks.diff(dim=0).T
    if not alone:
        waits = torch.stack(processes.of_all(waits.contiguous())).amax(0)
    clean = (waits / spans).argsort()[: max(3, len(spans) // 5)]
    return float(spans[clean].median())


def seconds_a_step(make, draw, batch, alone, steps):
    """Of a Trainer: by all processes together, or by this one as if there were no other."""
    with mock.patch.object(processes, "count", lambda: 1) if alone else contextlib.nullcontext():
        game, marks = players(make), []
        step = partial(train_step, z_dim=game["G"].z_dim)

        def marked(*args, **kw):
            marks.append((time.perf_counter(), waited()))
            return step(*args, **kw)

        run = training.Trainer(marked, game, draw, batch_size=batch, precision="no")
        list(run.run(steps=3 + steps, every=10**6))
        return undisturbed(marks[2:], alone)


def all_reduce(size, times):
    t, marks = torch.zeros(size // 4), []
    dist.barrier()
    for _ in range(times + 2):
        marks.append((time.perf_counter(), waited()))
        dist.all_reduce(t)
    return undisturbed(marks[1:], False)


def steps_of_D(make, draw, batch, wrapped, steps):
    """Seconds a step of D on one batch of real and fake, gradients averaged by DDP or at the optimiser's step."""
    with seeded(0):
        D = make()[1]
    net = torch.nn.parallel.DistributedDataParallel(D) if wrapped else D
    optimiser, marks = torch.optim.Adam(D.parameters(), 1e-3, fused=True), []
    if not wrapped:
        processes.average_at_each_step(optimiser)
    for _ in range(steps + 3):
        marks.append((time.perf_counter(), waited()))
        x = draw(batch // 2)
        optimiser.zero_grad()
        softplus(net(x)).mean().backward()
        optimiser.step()
    return undisturbed(marks[2:], False)


def measure(rounds, widths, batches, target):
    """{case: {what: [seconds, a round each]}}; `target`: about how long one timing takes."""
    training.connect()
    rank, found, steps = processes.rank(), {}, {}
    for name, (make, draw, whole) in cases(widths, batches).items():
        if not rank:
            steps[name] = max(6, round(target / seconds_a_step(make, draw, whole, True, 3)))
        told = [steps.get(name)]
        dist.broadcast_object_list(told, 0)
        steps[name] = told[0]
    for i in range(rounds):
        for name, (make, draw, whole) in list(cases(widths, batches).items())[:: 1 if i % 2 else -1]:
            ways = {f"alone {whole // k}": (True, whole // k) for k in (1, 2, 4, 8)} | {"two": (False, whole)}
            row = found.setdefault(name, {"batch": whole, "bytes": [
                4 * sum(p.numel() for p in net.parameters()) for net in make()]})  # fmt: skip
            for way, (alone, size) in list(ways.items())[:: 1 if i % 2 else -1]:
                if not (alone and rank):
                    row.setdefault(way, []).append(seconds_a_step(make, draw, size, alone, steps[name]))
                dist.barrier()
            for wrapped in (False, True) if i % 2 else (True, False):
                key = "D, DDP" if wrapped else "D, at the step"
                row.setdefault(key, []).append(steps_of_D(make, draw, whole, wrapped, steps[name]))
                dist.barrier()
        for size in BYTES:
            row = found.setdefault("messages", {}).setdefault(str(size), [])
            row.append(all_reduce(size, 200 if size < 10**5 else 20))
    return found


def started(arguments) -> dict:
    """What two processes of this script measured."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
        subprocess.run([*command, *arguments, "--out", str(out)], check=True,
                       env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"})  # fmt: skip
        return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (5)")
    parser.add_argument("--widths", default="8,32", help="of the DCGAN at 28 pixels (8,32)")
    parser.add_argument("--batches", default="64,256", help="whole batches (64,256)")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long one timing takes (0.3)")
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # where the two processes leave what they found
    args = parser.parse_args()
    if args.out is None:
        found = started(sys.argv[1:])
        for name, row in found.items():
            if name == "messages":
                print("all-reduce: " + ", ".join(f"{int(k):,} B {statistics.median(v) * 1e6:,.0f} us"
                                                 for k, v in row.items()))  # fmt: skip
                continue
            a, b, ddp, ours = (row[k] for k in (f"alone {row['batch']}", "two", "D, DDP", "D, at the step"))
            gain, cost = (statistics.median(x / y for x, y in zip(*p, strict=True)) for p in ((a, b), (ours, ddp)))
            print(f"{name:<20}{statistics.median(a) * 1e3:8.2f} ms a step alone, two processes {gain:.2f} times as "
                  f"fast; averaging at the step takes {cost:.2f} of DDP's time")  # fmt: skip
        return
    found = measure(
        args.rounds, *([int(k) for k in text.split(",")] for text in (args.widths, args.batches)), args.seconds
    )
    if not processes.rank():
        args.out.write_text(json.dumps(found))
    processes.leave()


if __name__ == "__main__":
    main()

"""Whether a run survives being killed: SIGKILL at random moments, resume, and in the end the unbroken run's numbers.

`--kills` in all, spread over `--runs` runs of `ganedu train`: each is killed over and over until its share is used up,
then trained to its end. After each kill the folder must hold a whole checkpoint, never of an earlier step than before;
at the end weights, optimisers, random numbers and records must equal, bit by bit, those of a run that nobody killed.
The moments are drawn from `--seed`, which is printed. Children are forked, so that a kill costs no start of Python.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import accelerate  # noqa: F401  here once, not in each child
import torch

import ganedu.__main__ as command_line
from ganedu import checkpoints
from ganedu.runs import recipes

STEPS = 800
LONGEST = 1.0  # seconds that a process lives at most before its kill: about twice what it takes to begin
TRAIN = ["train", "mlp", "--image-size", "16", "--width", "4", "--steps", str(STEPS), "--seed", "5"]


def child(out: Path) -> int:
    """A process that trains into `out`, or goes on there; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        resume = ["--resume"] if (out / checkpoints.CHECKPOINT).exists() else []
        os._exit(command_line.main([*TRAIN, *resume, "--out", str(out)]))


def lived_to_the_end(out: Path, seconds: float | None) -> bool:
    """Whether a child ended by itself, within `seconds` where there is a limit; it is killed then."""
    pid = child(out)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def equal(a: Path, b: Path) -> bool:
    (x, header_x, records_x), (y, header_y, records_y) = checkpoints.read(a), checkpoints.read(b)
    same = x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)
    return same and header_x["step"] == header_y["step"] == STEPS and records_x == records_y


def killed_until_done(out: Path, kills: int, draw: random.Random) -> tuple[int, int]:
    """(kills that hit a living run, checkpoints that were not whole or went back) of one run, trained to its end."""
    hits = lost = reached = 0
    while hits < kills:
        ended = lived_to_the_end(out, draw.uniform(0, LONGEST))
        hits += not ended
        if (out / checkpoints.CHECKPOINT).exists():
            try:
                step = recipes.read_run(out)[1]["step"]
            except ValueError as e:
                print(f"lost: {e}")
                return hits, lost + 1
            lost += step < reached
            reached = step
        if ended:
            break
    lived_to_the_end(out, None)
    return hits, lost


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--runs", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    command_line.SAVE_EVERY = 0  # a checkpoint every 50 steps, so that kills meet the writing of one
    draw, hits, lost, same, run = random.Random(given.seed), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        unbroken = Path(folder) / "unbroken"
        start = time.perf_counter()
        lived_to_the_end(unbroken, None)
        whole = time.perf_counter() - start
        while hits < given.kills:  # a run that ends before its share is used up gives the rest to the next
            out = Path(folder) / f"killed-{run}"
            share = min(given.kills - hits, -(-given.kills // given.runs))
            more, less = killed_until_done(out, share, draw)
            hits, lost, same, run = hits + more, lost + less, same + equal(out, unbroken), run + 1
    print(f"{hits} kills in {run} runs of {STEPS:,} steps ({whole:.1f} s unbroken), seed {given.seed}: "
          f"{lost} lost, {same} of {run} runs equal to the unbroken one")  # fmt: skip
    return 0 if lost == 0 and same == run else 1


if __name__ == "__main__":
    sys.exit(main())

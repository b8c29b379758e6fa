"""Train and pack the checkpoints that ship: `python precompute/make_zoo.py`, or some: `... digits fashion`.

Each entry is a run of `python -m ganedu train` in runs/zoo/NAME, packed by `ganedu.runs.zoo.pack`, which measures it.
What is there is not made again: a stopped run goes on where it was, a packed entry is left alone without --again.
On one core all take about an hour; the CPU is used even where there is a GPU: equal seeds then give equal numbers.

The smallest, digits16, is trained with five seeds: its card says between what limits a run by its command ends, and a
test trains it anew.
"""

import argparse
import os
from pathlib import Path

from ganedu.__main__ import main as ganedu
from ganedu.course import machine
from ganedu.runs import recipes, zoo

RUNS = Path("runs/zoo")
COMMON = {"channels": 1, "seed": 0, "z_dim": 64, "batch_size": 64, "lr": 0.003, "betas": [0.0, 0.9], "ema": 0.99}
DIGITS = {**COMMON, "model": "dcgan", "data": "digits", "image_size": 28, "width": 12}
# a third of the rate and Adam's beta1 of the paper: at 3e-3 colours come in checkerboards still after 2,800 steps
SHAPES = {**COMMON, "model": "dcgan", "data": "shapes", "image_size": 32, "channels": 3, "width": 12, "lr": 0.001}
SHAPES["betas"] = [0.5, 0.99]
ENTRIES = {  # name -> settings, steps
    "digits16": ({**DIGITS, "image_size": 16, "width": 8}, 1000),
    "digits": (DIGITS, 5000),
    "fashion": ({**DIGITS, "data": "fashion"}, 6000),
    "shapes": (SHAPES, 4500),
    "digits_by_class": ({**DIGITS, "model": "cgan", "r1": 0.1}, 2500),
}
RETRAINED = "digits16"
NOTES = {
    "shapes": "Colours and backgrounds are right, outlines mostly blobs, some images empty: the least finished entry. "
    "The judge was taught to name the shape: colours, sizes and places count only as far as that takes them.",
    "digits_by_class": "G and D take labels 0 to 9; rows (N, 10) in their place blend classes.",
}


def train(settings: dict, steps: int, folder: Path) -> None:
    """The run of these settings in `folder`, to its end; nothing where it is at its end."""
    arguments = zoo.command(settings, steps, folder.as_posix())
    if (folder / "checkpoint.safetensors").exists():
        arguments.append("--resume")  # at its end, this only draws samples.png again
    if ganedu(arguments):
        raise SystemExit(f"training {folder} failed: what it said stands above.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and pack the checkpoints in ganedu/assets/zoo.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ENTRIES)}; all by default")
    parser.add_argument("--again", action="store_true", help="pack entries that are there already")
    parser.add_argument("--machine", default=f"1 thread of {machine.cores()} CPU cores", help="what the card says")
    args = parser.parse_args()
    if unknown := set(args.names) - set(ENTRIES):
        parser.error(f"there is no entry {', '.join(sorted(unknown))}: choose from {', '.join(ENTRIES)}")
    os.environ["ACCELERATE_USE_CPU"] = "1"
    judged: dict[tuple, list] = {}
    for name in args.names or ENTRIES:
        settings, steps = ENTRIES[name]
        if name in zoo.names() and not args.again:
            print(f"{name}: packed already")
            continue
        train(settings, steps, RUNS / name)
        images = recipes.settle(**settings)[1]
        kind = (settings["data"], images.image_size, images.channels)
        if kind not in judged:
            judged[kind] = zoo.judges(images)
        more = {"note": NOTES[name]} if name in NOTES else {}
        if name == RETRAINED:
            found = []
            for seed, judge in enumerate(judged[kind]):
                folder = RUNS / (name if seed == settings["seed"] else f"{name}-seed{seed}")
                train({**settings, "seed": seed}, steps, folder)
                found.append(zoo.measure(recipes.load_generator(folder)[0], images, judge, seed=seed)["frechet"])
            more["retrained"] = {
                "what": "frechet of the command's run, its seed s = 0 to 4 for `each`, s for judge and noise too; "
                "interval: one more run, 99 %",
                **zoo.spread(found, zoo.T_99),
            }
        path = zoo.pack(RUNS / name, name, machine=args.machine, judged=judged[kind], **more)
        quality = zoo.card(name)["quality"]
        print(f"{path}: frechet {quality['frechet']}, real {quality['yardstick']['frechet']}", flush=True)


if __name__ == "__main__":
    main()

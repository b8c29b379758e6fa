"""Train and pack the checkpoints that ship: `python precompute/make_zoo.py`, or some: `... digits fashion`.

Each entry is a run of `python -m ganedu train` in runs/zoo/NAME, packed by `pack`, which measures it.
What is there is not made again: a stopped run goes on where it was, a packed entry is left alone without --again.
On one core all take about an hour; the CPU is used even where there is a GPU: equal seeds then give equal numbers.

The smallest, digits16, is trained with five seeds: its card says between what limits a run by its command ends, and a
test trains it anew.
"""

import argparse
import hashlib
import json
import math
import os
import re
from pathlib import Path

import torch
from safetensors.torch import save

from ganedu import metrics
from ganedu.__main__ import main as ganedu
from ganedu.checkpoints import write_atomic
from ganedu.course import machine
from ganedu.data import load, shapes
from ganedu.pixels import to_float
from ganedu.runs import recipes, zoo
from ganedu.sampling import generate, refresh_batchnorm, seeded
from ganedu.topics import outlines

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
    "shapes": "A failure, kept for what it teaches: colours and backgrounds are right, outlines are not, some images "
    "are empty. quality.fits_a_shape says how many fakes fit one of the six shapes, and how many of these are circles. "
    "The judge was taught to name the shape: colours, sizes and places count only as far as that takes them.",
    "digits_by_class": "G and D take labels 0 to 9; rows (N, 10) in their place blend classes.",
}
N_FAKES = 2000  # what `measure` draws
JUDGE_STEPS = 300  # half of the default, for the tests' sake: .96 of the held-out digits named right in place of .97
REPEATS = 5  # judges a card is measured with: seeds 0 to 4
T_95, T_99 = 2.776, 4.604  # Student's t with REPEATS - 1 degrees of freedom, two-sided

LICENCES = {
    "digits": "MNIST digits (LeCun, Cortes, Burges 1998), CC BY-SA 3.0; the weights are passed on under the same",
    "fashion": "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; Zalando SE), MIT",
    "shapes": "computed by ganedu.data.shapes, MIT",
}


# ----------------------------------------------------------------------------------------------------- how good is it


def measure(G, images, judge, n: int = N_FAKES, seed: int = 0) -> dict[str, float]:
    """{"frechet", "recall"} of n fakes against all held-out images, in the judge's features (N, 64).

    frechet in squared units of the features, recall with k = 5. Of a conditional G, told every class in turn, also
    "label_accuracy". Finite samples raise the distance: compare only equal n, and only with the same judge.
    """
    labels = torch.arange(n) % G.n_classes if getattr(G, "n_classes", 0) else None
    x = generate(G, n, labels, seed)
    found = _compare(x, images, judge)
    return found if labels is None else {**found, "label_accuracy": metrics.label_accuracy(judge, x, labels)}


def yardstick(images, judge, n: int = N_FAKES, seed: int = 0) -> dict[str, float]:
    """What `measure` would give a perfect generator: n training images in place of the fakes, drawn without repeat.

    The judge was trained on them and not on those held out, so this is a little further than two fresh halves are.
    """
    generator = torch.Generator().manual_seed(seed)
    return _compare(images.x[torch.randperm(len(images.x), generator=generator)[:n]], images, judge)


def _compare(x, images, judge) -> dict[str, float]:
    x, held_out = metrics.features(judge, x), metrics.features(judge, images.x_test)
    return {"frechet": metrics.frechet_distance(x, held_out), "recall": metrics.recall(held_out, x)}


def judges(images) -> list:
    """The judges that a card is measured with: `metrics.train_judge` on the training images, seeds 0 to 4."""
    return [metrics.train_judge(images, steps=JUDGE_STEPS, seed=seed) for seed in range(REPEATS)]


def mean_and_interval(values: list[float], t: float = T_95) -> dict:
    """{"mean", "interval", "each"} of REPEATS measurements; one more falls into the interval in 95 % of cases.

    mean -+ t s sqrt(1 + 1 / REPEATS) with the sample's standard deviation s, cut off at 0. With t = T_99: 99 %.
    Raises ValueError for another number of values.
    """
    if len(values) != REPEATS:
        raise ValueError(f"{len(values)} values, but t is that of {REPEATS}: measure {REPEATS} times.")
    mean = sum(values) / REPEATS
    s = math.sqrt(sum((v - mean) ** 2 for v in values) / (REPEATS - 1))
    half = t * s * math.sqrt(1 + 1 / REPEATS)
    interval = [max(0.0, mean - half), mean + half]
    return {"mean": round(mean, 3), "interval": [round(v, 3) for v in interval], "each": [round(v, 3) for v in values]}


def _quality(G, D, images, judged: list) -> dict:
    right = [metrics.label_accuracy(judge, images.x_test, images.labels_test) for judge in judged]
    found = [measure(G, images, judge, N_FAKES, seed) for seed, judge in enumerate(judged)]
    real = [yardstick(images, judge, N_FAKES, seed) for seed, judge in enumerate(judged)]
    found, real = ({k: mean_and_interval([row[k] for row in rows]) for k in rows[0]} for rows in (found, real))
    return {
        "fakes": N_FAKES, "held_out": len(images.x_test),
        "judge": f"metrics.train_judge(images, steps={JUDGE_STEPS}, seed=s), s = 0 to {REPEATS - 1} for `each`, with "
                 "seed s for the noise too; interval: one more measurement, 95 %",
        "judge_right": round(sum(right) / len(right), 3),  # share of the held-out images that it names
        **found,
        "yardstick": {"what": f"as many training images in place of fakes ({min(N_FAKES, len(images.x)):,})", **real},
        "times_yardstick": times(found["frechet"], real["frechet"]),
        "called_real": _called_real(G, D, images),
        **({"fits_a_shape": fits_a_shape(G, images)} if images.name == "shapes" else {}),
    }  # fmt: skip


def fits_a_shape(G, images, n: int = 1000) -> dict:
    """Share of n fakes, and of n held-out images, with one of the six shapes in them; of those fakes, the circles."""
    (fake, kind), (real, _) = (outlines.overlap(x) for x in (generate(G, n), images.x_test[:n]))
    fits = fake > outlines.FITS
    circles = (kind[fits] == shapes.SHAPES.index("circle")).float().mean() if fits.any() else 0.0
    shares = {"fakes": fits.float().mean(), "held_out": (real > outlines.FITS).float().mean(), "circles": circles}
    return {"of": n, "overlap": outlines.FITS, **{k: round(float(v), 3) for k, v in shares.items()}}


def times(fake: dict, real: dict) -> dict:
    """The distance of fakes over that of real images, judge by judge: each judge's own scale drops out."""
    return mean_and_interval([a / b for a, b in zip(fake["each"], real["each"], strict=True)])


def _called_real(G, D, images, n: int = 1000) -> dict[str, float]:
    """Share of n held-out images, and of n fakes, with a logit of D above 0."""
    labels = images.labels_test[:n]
    y = (labels,) if getattr(D, "n_classes", 0) else ()
    x = {"held_out": to_float(images.x_test[:n]), "fakes": generate(G, len(labels), *y)}
    with torch.no_grad():
        return {k: round(float((D(v, *y) > 0).float().mean()), 3) for k, v in x.items()}


# ------------------------------------------------------------------------------------------------------ how it is made


def command(settings: dict, steps: int, out: str) -> list[str]:
    """Arguments of `python -m ganedu` that train with these settings, each said aloud, whatever a recipe becomes."""
    said = [part for k in recipes.GIVEN if k != "model" for part in (f"--{k.replace('_', '-')}", str(settings[k]))]
    for k in recipes.TUNED:
        if k in settings:
            value = settings[k]
            said += ["-p", k, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    return ["train", settings["model"], *said, "--steps", str(steps), "--out", out]


def pack(folder, name: str, *, machine: str, licence: str | None = None, judged: list | None = None, **more) -> Path:
    """Write the entry `name` from the folder of a run of `train --steps`; returns the card's path.

    G's statistics are taken anew after its weights have been rounded, and what is measured is what `zoo.load` gives.
    `machine` says what trained it; `licence` that of the data, where it is none of LICENCES; `judged` saves training
    `judges(images)` anew; `more` goes into the card. Raises ValueError for a name that is no plain word, data without a
    licence or images without classes (no judge), and what `recipes.load_trainer` raises. Weights are written before
    the card, each atomically: stopped in between, `zoo.load` refuses the entry.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"name={name!r} does not fit: small letters, digits and _ make a name.")
    trainer = recipes.load_trainer(folder)
    settings = recipes.read_run(folder)[1]["settings"]
    licence = licence or LICENCES.get(settings["data"])
    if licence is None:
        raise ValueError(f"nothing is known of the licence of {settings['data']}: give it, pack(..., licence=...).")
    images = load(settings["data"], image_size=settings["image_size"], channels=settings["channels"])
    if images.n_classes < 2:
        raise ValueError(f"{settings['data']} has no classes, so no judge can be trained on it: sort it into folders.")
    G, D = trainer.averaged(batches=1).cpu(), trainer.accelerator.unwrap_model(trainer.modules["D"]).cpu()
    G, D = (_rounded(module).eval().requires_grad_(False) for module in (G, D))
    with seeded(0):
        refresh_batchnorm(G)
    data = _bytes({"G": G, "D": D})
    source = {"images": len(images.x), "held_out": len(images.x_test), "licence": licence}
    entry = {
        "name": name, "data": {"name": settings["data"], **source},
        **_made(name, trainer, settings, machine), **_weights({"G": G, "D": D}, data),
        "quality": _quality(G, D, images, judged or judges(images)), **more,
    }  # fmt: skip
    write_atomic(zoo.FOLDER / f"{name}.safetensors", data)
    path = zoo.FOLDER / f"{name}.json"
    write_atomic(path, (json.dumps(entry, indent=1) + "\n").encode())
    return path


def _made(name: str, trainer, settings: dict, machine: str) -> dict:
    """What a card says of how its entry is made again."""
    return {
        "command": "python -m ganedu " + " ".join(command(settings, trainer.step, f"runs/zoo/{name}")),
        "pack": f"python precompute/make_zoo.py {name}",
        "settings": settings,
        "training": {"steps": trainer.step, "seconds": round(trainer.seconds), "machine": machine},
    }


def _weights(players: dict, data: bytes) -> dict:
    """What a card says of the players' file."""
    stored = {"stored": "float16, batch-norm statistics float32; measured as stored", "bytes": len(data)}
    return {
        "parameters": {k: sum(p.numel() for p in m.parameters()) for k, m in players.items()},
        "weights": {**stored, "sha256": hashlib.sha256(data).hexdigest()},
    }


def _rounded(module):
    """The module with its weights as float16 would keep them."""
    for p in module.parameters():
        p.data = p.data.half().float()
    return module


def _bytes(players: dict) -> bytes:
    tensors = {}
    for letter, module in players.items():
        weights = {k for k, _ in module.named_parameters()}
        for k, v in module.state_dict().items():
            tensors[f"{letter}.{k}"] = (v.half() if k in weights else v).contiguous().clone()
    return save(tensors)


def train(settings: dict, steps: int, folder: Path) -> None:
    """The run of these settings in `folder`, to its end; nothing where it is at its end."""
    arguments = command(settings, steps, folder.as_posix())
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
        images = recipes.prepare(**settings)[1]
        kind = (settings["data"], images.image_size, images.channels)
        if kind not in judged:
            judged[kind] = judges(images)
        more = {"note": NOTES[name]} if name in NOTES else {}
        if name == RETRAINED:
            found = []
            for seed, judge in enumerate(judged[kind]):
                folder = RUNS / (name if seed == settings["seed"] else f"{name}-seed{seed}")
                train({**settings, "seed": seed}, steps, folder)
                found.append(measure(recipes.load_generator(folder)[0], images, judge, seed=seed)["frechet"])
            more["retrained"] = {
                "what": "frechet of the command's run, its seed s = 0 to 4 for `each`, s for judge and noise too; "
                "interval: one more run, 99 %",
                **mean_and_interval(found, T_99),
            }
        path = pack(RUNS / name, name, machine=args.machine, judged=judged[kind], **more)
        quality = zoo.card(name)["quality"]
        print(f"{path}: frechet {quality['frechet']}, real {quality['yardstick']['frechet']}", flush=True)


if __name__ == "__main__":
    main()

"""Small checkpoints that ship with the package: a well-trained G and D by name, each with a card that says how good.

An entry is two files in ganedu/assets/zoo: NAME.safetensors holds "G.*", the running average with batch-norm statistics
of its own, and "D.*", as training left it; weights as float16, statistics as float32. NAME.json is the card: data and
their licence, settings, the command that trains it again, steps, seconds and machine, parameters, and the quality as
`measure` found it. `precompute/make_zoo.py` makes all of them. What is heavy is imported where it is used.
"""

import hashlib
import json
import math
import re
from pathlib import Path

from .. import ASSETS

FOLDER = ASSETS / "zoo"
N_FAKES = 2000  # what `measure` draws
JUDGE_STEPS = 300  # half of the default, for the tests' sake: .96 of the held-out digits named right in place of .97
REPEATS = 5  # judges a card is measured with: seeds 0 to 4
T_95, T_99 = 2.776, 4.604  # Student's t with REPEATS - 1 degrees of freedom, two-sided

LICENCES = {
    "digits": "MNIST digits (LeCun, Cortes, Burges 1998), CC BY-SA 3.0; the weights are passed on under the same",
    "fashion": "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; Zalando SE), MIT",
    "shapes": "computed by ganedu.data.shapes, MIT",
}


def names() -> tuple[str, ...]:
    """The entries there are, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def card(name: str) -> dict:
    """What is known of an entry, as in its file. Raises ValueError for an unknown name, with the nearest one."""
    if name not in names():
        from ..inputs import one_of

        one_of(name, names(), "zoo entry")
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str):
    """(G, D) of an entry, float32 on the CPU, in eval mode and frozen; G is ready for `sampling.generate`.

    A conditional entry's card lists its classes as settings.class_names. D judges each image by the statistics that
    training left it, which mix real and fake batches; in training each batch had its own. So its logits do not depend
    on what else is in the batch, and 0 is not where it draws the line (the card's quality.called_real): read their
    order, not their sign. Raises ValueError for an unknown name, with the nearest one, and for a file that is not the
    one its card was written for.
    """
    import torch
    from safetensors.torch import load as read

    from ..models import build

    entry = card(name)
    path = FOLDER / f"{name}.safetensors"
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != entry["weights"]["sha256"]:
        what = "damaged, or of another version than its card" if data else "missing"
        raise ValueError(f"{path} is {what}: install ganedu again, or restore both files of {name!r} from a copy.")
    tensors, settings = read(data), entry["settings"]
    keys = ("image_size", "channels", "z_dim", "width")
    G, D = build(settings["model"], **{k: settings[k] for k in keys}, n_classes=len(settings["class_names"]))
    for letter, module in (("G", G), ("D", D)):
        module.load_state_dict({k[2:]: v for k, v in tensors.items() if k[0] == letter})
        module.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return G, D


# ----------------------------------------------------------------------------------------------------- how good is it


def measure(G, images, judge, n: int = N_FAKES, seed: int = 0) -> dict[str, float]:
    """{"frechet", "recall"} of n fakes against all held-out images, in the judge's features (N, 64).

    frechet in squared units of the features, recall with k = 5. Of a conditional G, told every class in turn, also
    "label_accuracy". Finite samples raise the distance: compare only equal n, and only with the same judge.
    """
    import torch

    from .. import metrics
    from ..sampling import generate

    labels = torch.arange(n) % G.n_classes if getattr(G, "n_classes", 0) else None
    x = generate(G, n, labels, seed)
    found = _compare(x, images, judge)
    return found if labels is None else {**found, "label_accuracy": metrics.label_accuracy(judge, x, labels)}


def yardstick(images, judge, n: int = N_FAKES, seed: int = 0) -> dict[str, float]:
    """What `measure` would give a perfect generator: n training images in place of the fakes, drawn without repeat.

    The judge was trained on them and not on those held out, so this is a little further than two fresh halves are.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    return _compare(images.x[torch.randperm(len(images.x), generator=generator)[:n]], images, judge)


def _compare(x, images, judge) -> dict[str, float]:
    from .. import metrics

    x, held_out = metrics.features(judge, x), metrics.features(judge, images.x_test)
    return {"frechet": metrics.frechet_distance(x, held_out), "recall": metrics.recall(held_out, x)}


def judges(images) -> list:
    """The judges that a card is measured with: `metrics.train_judge` on the training images, seeds 0 to 4."""
    from .. import metrics

    return [metrics.train_judge(images, steps=JUDGE_STEPS, seed=seed) for seed in range(REPEATS)]


def spread(values: list[float], t: float = T_95) -> dict:
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
    from .. import metrics

    right = [metrics.label_accuracy(judge, images.x_test, images.labels_test) for judge in judged]
    found = [measure(G, images, judge, N_FAKES, seed) for seed, judge in enumerate(judged)]
    real = [yardstick(images, judge, N_FAKES, seed) for seed, judge in enumerate(judged)]
    found, real = ({k: spread([row[k] for row in rows]) for k in rows[0]} for rows in (found, real))
    return {
        "fakes": N_FAKES, "held_out": len(images.x_test),
        "judge": f"metrics.train_judge(images, steps={JUDGE_STEPS}, seed=s), s = 0 to {REPEATS - 1} for `each`, with "
                 "seed s for the noise too; interval: one more measurement, 95 %",
        "judge_right": round(sum(right) / len(right), 3),  # share of the held-out images that it names
        **found,
        "yardstick": {"what": f"as many training images in place of fakes ({min(N_FAKES, len(images.x)):,})", **real},
        "times_yardstick": times(found["frechet"], real["frechet"]),
        "called_real": _called_real(G, D, images),
    }  # fmt: skip


def times(fake: dict, real: dict) -> dict:
    """`spread` of the distance of fakes over that of real images, judge by judge: each judge's own scale drops out."""
    return spread([a / b for a, b in zip(fake["each"], real["each"], strict=True)])


def _called_real(G, D, images, n: int = 1000) -> dict[str, float]:
    """Share of n held-out images, and of n fakes, with a logit of D above 0."""
    import torch

    from ..pixels import to_float
    from ..sampling import generate

    labels = images.labels_test[:n]
    y = (labels,) if getattr(D, "n_classes", 0) else ()
    x = {"held_out": to_float(images.x_test[:n]), "fakes": generate(G, len(labels), *y)}
    with torch.no_grad():
        return {k: round(float((D(v, *y) > 0).float().mean()), 3) for k, v in x.items()}


# ------------------------------------------------------------------------------------------------------ how it is made


def command(settings: dict, steps: int, out: str) -> list[str]:
    """Arguments of `python -m ganedu` that train with these settings, each said aloud, whatever a recipe becomes."""
    from .recipes import GIVEN, TUNED

    said = [part for k in GIVEN if k != "model" for part in (f"--{k.replace('_', '-')}", str(settings[k]))]
    for k in TUNED:
        if k in settings:
            value = settings[k]
            said += ["-p", k, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    return ["train", settings["model"], *said, "--steps", str(steps), "--out", out]


def pack(folder, name: str, *, machine: str, licence: str | None = None, judged: list | None = None, **more) -> Path:
    """Write the entry `name` from the folder of a run of `train --steps`; returns the card's path.

    G's statistics are taken anew after its weights have been rounded, and what is measured is what `load` gives.
    `machine` says what trained it; `licence` that of the data, where it is none of LICENCES; `judged` saves training
    `judges(images)` anew; `more` goes into the card. Raises ValueError for a name that is no plain word, data without a
    licence or images without classes (no judge), and what `recipes.load_trainer` raises. Weights are written before
    the card, each atomically: stopped in between, `load` refuses the entry.
    """
    from ..checkpoints import write_atomic
    from ..data import load as load_images
    from ..sampling import refresh_batchnorm, seeded
    from . import recipes

    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"name={name!r} does not fit: small letters, digits and _ make a name.")
    trainer = recipes.load_trainer(folder)
    settings = recipes.read(folder)[1]
    licence = licence or LICENCES.get(settings["data"])
    if licence is None:
        raise ValueError(f"nothing is known of the licence of {settings['data']}: give it, pack(..., licence=...).")
    images = load_images(settings["data"], image_size=settings["image_size"], channels=settings["channels"])
    if images.n_classes < 2:
        raise ValueError(f"{settings['data']} has no classes, so no judge can be trained on it: sort it into folders.")
    G, D = trainer.averaged(batches=1).cpu(), trainer.accelerator.unwrap_model(trainer.modules["D"]).cpu()
    G, D = (_rounded(module).eval().requires_grad_(False) for module in (G, D))
    with seeded(0):
        refresh_batchnorm(G)
    data = _bytes({"G": G, "D": D})
    entry = {
        "name": name,
        "data": {"name": settings["data"], "images": len(images.x), "held_out": len(images.x_test), "licence": licence},
        "command": "python -m ganedu " + " ".join(command(settings, trainer.step, f"runs/zoo/{name}")),
        "pack": f"python precompute/make_zoo.py {name}",
        "settings": settings,
        "training": {"steps": trainer.step, "seconds": round(trainer.seconds), "machine": machine},
        "parameters": {k: sum(p.numel() for p in m.parameters()) for k, m in (("G", G), ("D", D))},
        "weights": {
            "stored": "float16, batch-norm statistics float32; measured as stored",
            "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        },
        "quality": _quality(G, D, images, judged or judges(images)),
        **more,
    }  # fmt: skip
    write_atomic(FOLDER / f"{name}.safetensors", data)
    path = FOLDER / f"{name}.json"
    write_atomic(path, (json.dumps(entry, indent=1) + "\n").encode())
    return path


def _rounded(module):
    """The module with its weights as float16 would keep them."""
    for p in module.parameters():
        p.data = p.data.half().float()
    return module


def _bytes(players: dict) -> bytes:
    from safetensors.torch import save

    tensors = {}
    for letter, module in players.items():
        weights = {k for k, _ in module.named_parameters()}
        for k, v in module.state_dict().items():
            tensors[f"{letter}.{k}"] = (v.half() if k in weights else v).contiguous().clone()
    return save(tensors)

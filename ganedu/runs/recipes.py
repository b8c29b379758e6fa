"""From settings to a run on images: what the command line trains, and how its checkpoints are read back.

Settings are a plain dict that travels in the checkpoint, so a folder alone is enough to go on, or to sample.
"""

import contextlib
import copy
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .. import checkpoints
from ..data import Images, load, located
from ..inputs import brief, one_of, whole
from ..losses import r1
from ..models import build, check_image_config
from ..sampling import refresh_batchnorm, seeded
from ..steps import cgan_step, train_step
from ..training import Trainer, linear_second_half

# Chosen for the first minute on two CPU cores: narrow players take many steps, a high rate that falls over the second
# half takes large ones, and the running average with its own batch-norm statistics evens them out. r1 is the penalty's
# gamma: with 400 digits a class it keeps D from learning them by heart (recall of held-out digits .78 without it, .87
# with it: one seed, 2,500 and 2,000 steps, a D of two halvings), at six tenths of the steps a second.
RECIPES = {
    "mlp": {"width": 128, "z_dim": 64, "batch_size": 64, "lr": 1e-3, "betas": [0.5, 0.99], "ema": 0.99},
    "dcgan": {"width": 8, "z_dim": 64, "batch_size": 64, "lr": 3e-3, "betas": [0.0, 0.99], "ema": 0.99},
    "cgan": {"width": 8, "z_dim": 64, "batch_size": 64, "lr": 3e-3, "betas": [0.0, 0.99], "ema": 0.99, "r1": 0.1},
}

GIVEN = ("model", "data", "image_size", "channels", "width", "seed")  # what `prepare` makes all settings from
TUNED = ("z_dim", "batch_size", "lr", "betas", "ema", "r1")  # and what it lets you put in place of the recipe's
NEEDED = (*GIVEN, "z_dim", "batch_size", "lr", "betas", "ema", "n_images", "class_names")  # to go on with a run
FOUND = ("n_images", "class_names", "digest")  # and what it finds in the data
WHOLE = {
    "image_size": (8, 256), "width": (1, 4096), "z_dim": (1, 4096), "batch_size": (1, 2**16),
    "seed": (-(2**63), 2**64 - 1, "torch takes no other"), "n_images": (1, 2**40),
}  # fmt: skip
MOST_WEIGHTS = 2**27  # of G and D together: two gigabytes while Adam trains them
MOST_NUMBERS = 2**28  # in one batch of images, or all fakes of a run: a gigabyte


def prepare(
    model: str, data: str, image_size=None, channels=None, width=None, seed: int = 0, **tuned
) -> tuple[dict, Images]:
    """(settings, images) of a run: the model's recipe, and what was given in its place.

    `data`, image_size and channels are what `data.load` takes; `tuned` are settings of the recipe: z_dim, batch_size,
    lr, betas (two numbers), ema, r1 (the penalty's gamma; 0 for none). Raises ValueError for an unknown model, data set
    or setting, with the nearest name, and for values that do not fit, or that no memory would hold.
    """
    for name in tuned:
        one_of(name, TUNED, "setting")
    one_of(model, tuple(RECIPES), "model")
    given = {"image_size": image_size, "channels": channels, "width": width}
    given = {k: v for k, v in given.items() if v is not None}
    settings = {"model": model, "data": str(located(data)), **RECIPES[model], **given, **tuned, "seed": seed}
    check({"image_size": 32, "channels": 1, **settings})  # before the data are read
    images = load(settings["data"], image_size=image_size, channels=channels)
    settings |= {"image_size": images.image_size, "channels": images.channels, "n_images": len(images.x),
                 "class_names": list(images.class_names) if model == "cgan" else [],
                 **({"digest": images.digest} if images.digest else {})}  # fmt: skip
    if model == "cgan" and images.n_classes < 2:
        raise ValueError(
            f"cgan needs labels, but {data} has {images.n_classes or 'no'} class: train dcgan on it, or sort the "
            "images into one folder a class."
        )
    check(settings)
    return settings, images


def check(settings: dict) -> None:
    """Raise ValueError unless each of these settings fits by itself, and the players they make fit into memory."""
    for name, value in settings.items():
        one_of(name, (*GIVEN, *TUNED, *FOUND), "setting")
        if name in WHOLE:
            whole(name, value, *WHOLE[name])
        elif name == "model":
            one_of(value, tuple(RECIPES), "model")
        elif fault := _fault(name, value):
            raise ValueError(f"{name}={brief(value)} does not fit: give {fault}.")
    check_image_config(settings["image_size"], settings["channels"], settings["width"])
    numbers = settings["channels"] * settings["image_size"] ** 2 * settings.get("batch_size", 1)
    if numbers > MOST_NUMBERS:
        raise ValueError(
            f"batch_size={settings['batch_size']} of these images are {numbers:,} numbers, more than the "
            f"{MOST_NUMBERS:,} (a gigabyte) that one batch may take: give fewer, or smaller images."
        )
    with torch.device("meta"):  # shapes without numbers
        classes = {"class_names": ["one", "another"] if settings["model"] == "cgan" else []}  # where not yet known
        weights = sum(p.numel() for player in _players({**classes, **settings}) for p in player.parameters())
    if weights > MOST_WEIGHTS:
        raise ValueError(
            f"width={settings['width']} and z_dim={settings['z_dim']} make {weights:,} weights, more than the "
            f"{MOST_WEIGHTS:,} (two gigabytes while they train) that are taken here: give smaller ones."
        )


def _fault(name: str, value) -> str | None:
    """What would fit in the place of this value; None where it fits."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "channels":
        return None if type(value) is int and value in (1, 3) else "1 or 3: 1 is grey, 3 is RGB"
    if name in ("data", "digest"):
        return None if isinstance(value, str) and value else "a text"
    if name == "class_names":
        return None if isinstance(value, list) and all(isinstance(v, str) for v in value) else "a list of names"
    if name == "betas":
        fits = isinstance(value, list | tuple) and len(value) == 2 and all(type(b) in (int, float) for b in value)
        return None if fits and all(0 <= b < 1 for b in value) else "two numbers from 0 to below 1: 0,0.9"
    if name == "ema":
        return None if number and 0 <= value < 1 else "a number from 0 to below 1"
    if name == "r1":
        return None if number and 0 <= value < 1e6 else "a positive number below a million (0: no penalty)"
    return None if number and 0 < value < 1e6 else "a positive number below a million"


def arguments(settings: dict) -> dict:
    """What `prepare` makes these settings from again, whatever the recipes have become since."""
    return {k: settings[k] for k in (*GIVEN, *TUNED) if k in settings}


def balance(images: Images) -> str:
    """One line on classes that are far from equally many, to train on; "" where the rarest has a third of the most.

    Names the rarest and the commonest with their counts, says where a class has one image, and points to notebook 17.
    """
    counts = images.labels.bincount(minlength=images.n_classes).tolist()
    if images.n_classes < 2 or 3 * min(counts) > max(counts):
        return ""
    rare, common = counts.index(min(counts)), counts.index(max(counts))
    single = [images.class_names[c] for c, n in enumerate(counts) if n < 2]
    said = f"unbalanced classes: {counts[rare]:,} of {images.class_names[rare]}, the rarest, {counts[common]:,} of "
    said += f"{images.class_names[common]}, the commonest, to train on"
    if single:
        more = f" and {len(single) - 1} more" if len(single) > 1 else ""
        said += f"; one image ({single[0]}{more}) can only be learnt by heart: add some, or leave the class out"
    return f"{said}. Notebook 17 measures what helps rare classes."


def trainer(settings: dict, images: Images, device=None) -> Trainer:
    """A fresh Trainer of these settings on these images; `Trainer.load` lets it go on from a checkpoint.

    It runs on the `device` that `Trainer` takes, and the images are moved there.
    """
    with seeded(settings["seed"]):
        players = _playing(settings)
    conditional = bool(settings["class_names"])
    penalty = partial(r1, gamma=settings["r1"]) if settings.get("r1") else None
    result = Trainer(
        partial(cgan_step if conditional else train_step, z_dim=settings["z_dim"], penalty=penalty),
        players, None, batch_size=settings["batch_size"], seed=settings["seed"], ema=settings["ema"],
        schedule=linear_second_half, device=device,
    )  # fmt: skip
    images = images.to(result.device)
    result.data = images.sample_labelled if conditional else images.sample
    return result


def again(settings: dict, folder: str | Path, data: str | None = None) -> tuple[dict, Images]:
    """(settings, images) of the run in `folder` once more; `data` says where its folder of images is now.

    Raises what `prepare` raises, FileNotFoundError where the images are gone, ValueError where they have changed.
    """
    place = settings["data"] if data is None else data
    try:
        now, images = prepare(**arguments({**settings, "data": place}))
    except FileNotFoundError as e:
        raise FileNotFoundError(
            f"the run in {folder} was trained on the images in {place}: {e} Put them back where they were, or go on "
            "with the run by --resume --data, and say where they are now."
        ) from e
    check_same_images(settings, images, folder)
    return now, images


def check_same_images(settings: dict, images: Images, folder: str | Path) -> None:
    """Raise ValueError unless `images` are those that the run in `folder` was trained on."""
    names = settings["class_names"]
    before, now = ((n, *rest) for n, *rest in (
        (settings["n_images"], settings.get("digest", ""), *(names or images.class_names)),
        (len(images.x), images.digest, *images.class_names),
    ))  # fmt: skip
    if before != now:
        said = f"{before[0]:,} training images of {len(names) or 'unused'} classes then, "
        said += "other ones now" if before[0] == now[0] else f"{len(images.x):,} of {images.n_classes} now"
        raise ValueError(
            f"{settings['data']} has changed since the run in {folder} was trained: {said}. What was held out then may "
            "not be held out now: put the images back as they were, or train again into another folder."
        )


@contextlib.contextmanager
def alone_in(folder: str | Path):
    """Nobody else trains into `folder` meanwhile, which is made if need be; what a killed run half wrote is removed.

    Raises ValueError where somebody does, OSError where the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            for name in (checkpoints.CHECKPOINT, checkpoints.RECORDS):
                for left in folder.glob(f".{name}.*"):
                    left.unlink(missing_ok=True)
            yield
    except Timeout as e:
        raise ValueError(
            f"another process is training into {folder}: wait for its end, or choose another --out."
        ) from e


def read_run(folder: str | Path) -> tuple[dict[str, Tensor], dict, dict[str, list[float]]]:
    """(tensors, header, history) of the run of `train` in `folder`, as `checkpoints.read`; settings are in the header.

    Raises FileNotFoundError when there is no checkpoint, ValueError when it is damaged, a pickle, of another game, or
    not what training with these settings could have left.
    """
    tensors, header, history = checkpoints.read(folder)
    settings = header["settings"]
    try:
        if settings.get("model") not in tuple(RECIPES):
            raise ValueError("it names no model we know.")
        if lacking := [k for k in NEEDED if k not in settings]:
            raise ValueError(f"its settings lack {', '.join(lacking)}.")
        check(settings)
    except ValueError as e:
        raise ValueError(
            f"the checkpoint in {folder} is not of a run of `train`: {e} Load it into the Trainer that wrote it, by "
            "Trainer.load, and work with that."
        ) from e
    with seeded(0):
        players = _playing(settings)
    modules = {"G": players["G"], "D": players["D"], "ema": AveragedModel(players["G"])}
    checkpoints.fitting(tensors, header, modules, {k: players[k] for k in ("opt_G", "opt_D")}, folder)
    return tensors, header, history


def load_trainer(folder: str | Path, device=None) -> Trainer:
    """The Trainer of the run of `train` in `folder`, where its checkpoint left it; on `device`, as `trainer`.

    Raises what `read_run`, `again` and `Trainer.load` raise: its data must still be there, and be the same.
    """
    content = read_run(folder)
    result = trainer(*again(content[1]["settings"], folder), device)
    result.load(folder, content)
    return result


def load_generator(folder: str | Path) -> tuple[nn.Module, dict]:
    """(averaged generator in eval mode, settings) of the run in `folder`; what `Trainer.averaged` gives at its end.

    On the CPU, wherever it was trained. Raises FileNotFoundError when there is no checkpoint, ValueError when it is
    damaged, a pickle, or another model's.
    """
    tensors, header, _ = read_run(folder)
    settings = header["settings"]
    G = _players(settings)[0]
    G.load_state_dict({k.removeprefix("ema.module."): v for k, v in tensors.items() if k.startswith("ema.module.")})
    with seeded(0):
        refresh_batchnorm(G)
    return G.eval().requires_grad_(False), copy.deepcopy(settings)


def _playing(settings: dict) -> dict:
    """Fresh players and their optimisers by name."""
    G, D = _players(settings)
    optimise = partial(torch.optim.Adam, lr=settings["lr"], betas=tuple(map(float, settings["betas"])), fused=True)
    return {"G": G, "D": D, "opt_G": optimise(G.parameters()), "opt_D": optimise(D.parameters())}


def _players(settings: dict) -> tuple[nn.Module, nn.Module]:
    keys = ("image_size", "channels", "z_dim", "width")
    players = build(settings["model"], **{k: settings[k] for k in keys}, n_classes=len(settings["class_names"]))
    G, D = (player.to(memory_format=torch.channels_last) for player in players)  # a fifth faster on a CPU
    return G, D

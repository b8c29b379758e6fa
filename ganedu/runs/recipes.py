"""From settings to a run on images: what the command line trains, and how its checkpoints are read back.

Settings are a plain dict that travels in the checkpoint, so a folder alone is enough to go on, or to sample.
"""

import copy
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import checkpoints
from ..data import Images, load
from ..inputs import one_of
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


def prepare(
    model: str, data: str, image_size=None, channels=None, width=None, seed: int = 0, **tuned
) -> tuple[dict, Images]:
    """(settings, images) of a run: the model's recipe, and what was given in its place.

    `data`, image_size and channels are what `data.load` takes; `tuned` are settings of the recipe: z_dim, batch_size,
    lr, betas (two numbers), ema, r1 (the penalty's gamma; 0 for none). Raises ValueError for an unknown model, data set
    or setting, with the nearest name, and for values that do not fit.
    """
    one_of(model, tuple(RECIPES), "model")
    for name, value in tuned.items():
        _check_tuned(name, value)
    recipe = {**RECIPES[model], **({"width": width} if width is not None else {}), **tuned}
    check_image_config(image_size or 32, channels or 1, recipe["width"])  # before the data are read
    images = load(data, image_size=image_size, channels=channels)
    check_image_config(images.image_size, images.channels)
    if model == "cgan" and images.n_classes < 2:
        raise ValueError(
            f"cgan needs labels, but {data} has {images.n_classes or 'no'} class: train dcgan on it, or sort the "
            "images into one folder a class."
        )
    return {
        "model": model, "data": data, "image_size": images.image_size, "channels": images.channels,
        **recipe, "seed": seed, "n_images": len(images.x),
        "class_names": list(images.class_names) if model == "cgan" else [],
    }, images  # fmt: skip


def _check_tuned(name: str, value) -> None:
    one_of(name, TUNED, "setting")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in ("z_dim", "batch_size"):
        fits, allowed = isinstance(value, int) and number and value >= 1, "a whole number, 1 or more"
    elif name == "betas":
        fits = isinstance(value, list | tuple) and len(value) == 2 and all(0 <= b < 1 for b in value)
        allowed = "two numbers from 0 to below 1: 0,0.9"
    elif name == "ema":
        fits, allowed = number and 0 <= value < 1, "a number from 0 to below 1"
    else:
        fits, allowed = number and 0 <= value < 1e6 and (value or name == "r1"), "a positive number"
        allowed += " (0: no penalty)" if name == "r1" else ""
    if not fits:
        raise ValueError(f"{name}={value!r} does not fit: give {allowed}.")


def arguments(settings: dict) -> dict:
    """What `prepare` makes these settings from again, whatever the recipes have become since."""
    return {k: settings[k] for k in (*GIVEN, *TUNED) if k in settings}


def trainer(settings: dict, images: Images, device=None) -> Trainer:
    """A fresh Trainer of these settings on these images; `Trainer.load` lets it go on from a checkpoint.

    It runs on the `device` that `Trainer` takes, and the images are moved there.
    """
    with seeded(settings["seed"]):
        G, D = _players(settings)
    optimise = partial(torch.optim.Adam, lr=settings["lr"], betas=tuple(map(float, settings["betas"])), fused=True)
    players = {"G": G, "D": D, "opt_G": optimise(G.parameters()), "opt_D": optimise(D.parameters())}
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


def read_run(folder: str | Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, settings) of the run of `train` in `folder`.

    Raises FileNotFoundError when there is no checkpoint, ValueError when it is damaged, a pickle, or of another game.
    """
    tensors, header, _ = checkpoints.read(folder)
    return tensors, _settings(header, folder)


def read_header(folder: str | Path) -> tuple[dict[str, Tensor], dict]:
    """As `read`, and raises the same, but without weights: the tensors have a shape and no values."""
    shapes, header = checkpoints.read_header(folder)
    return shapes, _settings(header, folder)


def check_weights(tensors: dict[str, Tensor], settings: dict, folder: str | Path) -> None:
    """Raise ValueError unless the tensors that were read in `folder` have the shapes of these settings' players."""
    with seeded(0):
        G, D = (player.state_dict() for player in _players(settings))
    checkpoints.check_fits(tensors, {"G": G, "D": D, "ema.module": G}, folder)


def _settings(header: dict, folder: str | Path) -> dict:
    settings = header["settings"]
    if not isinstance(settings, dict) or settings.get("model") not in RECIPES:
        what = "it names no model we know"
    elif lacking := [k for k in (*GIVEN, "z_dim", "class_names") if k not in settings]:
        what = f"its settings lack {', '.join(lacking)}"
    else:
        return settings
    raise ValueError(
        f"the checkpoint in {folder} is not of a run of `train`: {what}. Load it into the Trainer that wrote it, by "
        "Trainer.load, and work with that."
    )


def load_trainer(folder: str | Path, device=None) -> Trainer:
    """The Trainer of the run of `train` in `folder`, where its checkpoint left it; on `device`, as `trainer`.

    Raises what `read_run`, `prepare` and `Trainer.load` raise: its data must still be there, and fit.
    """
    settings = read_header(folder)[1]
    result = trainer(*prepare(**arguments(settings)), device)
    result.load(folder)
    return result


def load_generator(folder: str | Path) -> tuple[nn.Module, dict]:
    """(averaged generator in eval mode, settings) of the run in `folder`; what `Trainer.averaged` gives at its end.

    On the CPU, wherever it was trained. Raises FileNotFoundError when there is no checkpoint, ValueError when it is
    damaged, a pickle, or another model's.
    """
    tensors, settings = read_run(folder)
    G = _players(settings)[0]
    average = {k.removeprefix("ema.module."): v for k, v in tensors.items() if k.startswith("ema.module.")}
    checkpoints.check_fits({f"G.{k}": v for k, v in average.items()}, {"G": G.state_dict()}, folder)
    G.load_state_dict(average)
    with seeded(0):
        refresh_batchnorm(G)
    return G.eval().requires_grad_(False), copy.deepcopy(settings)


def _players(settings: dict) -> tuple[nn.Module, nn.Module]:
    keys = ("image_size", "channels", "z_dim", "width")
    players = build(settings["model"], **{k: settings[k] for k in keys}, n_classes=len(settings["class_names"]))
    G, D = (player.to(memory_format=torch.channels_last) for player in players)  # a fifth faster on a CPU
    return G, D

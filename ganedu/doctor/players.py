"""The players of somebody's loop and how its step is called: copies to experiment on, originals put back as they were.

What can go wrong on the way has a sentence that helps: `meaning` of an exception.
"""

import contextlib
import copy
import inspect
import random

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..sampling import seeded

WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


@contextlib.contextmanager
def undisturbed(seed: int):
    """Chance from `seed` and gradients inside; what somebody's code switches for the whole process is as before again.

    That is: random numbers of torch, NumPy and Python, whether gradients are computed, and the default dtype.
    """
    with seeded(seed), torch.enable_grad(), contextlib.ExitStack() as afterwards:
        afterwards.callback(torch.set_default_dtype, torch.get_default_dtype())
        afterwards.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        afterwards.callback(random.setstate, random.getstate())
        yield


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside DataParallel or torch.compile's wrapper; any other as it is."""
    while (inner := WRAPPERS.get(type(module).__name__)) and isinstance(getattr(module, inner, None), nn.Module):
        module = getattr(module, inner)
    return module


def takes_labels(module: nn.Module) -> bool:
    """Whether forward has a place for labels; our own networks always have, and say by `n_classes` if it is used."""
    module = unwrapped(module)
    return getattr(module, "n_classes", 1) > 0 and len(inspect.signature(module.forward).parameters) > 1


# -------------------------------------------------------------------------------------------- how the step is called


def _parameters(step) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(step).parameters.values())
    except (TypeError, ValueError):
        return None


def takes_players(step, players: dict) -> bool:
    """Whether players are passed to the step; one that has no place for optimisers holds its own."""
    parameters = _parameters(step)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters):
        return True
    names = {p.name for p in parameters}
    optimisers = {name for name in players if name.startswith("opt_")}
    return bool(names & optimisers) or (not optimisers and bool(names & {*players}))


def ways(step, players: dict, batch: tuple) -> list[tuple]:
    """The arguments that the step may want of a batch (x,) or (x, labels), likeliest first, by its signature."""
    parameters = _parameters(step)
    if parameters is None or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [batch]
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in players]
    least = sum(p.default is p.empty for p in places)
    if least > len(batch):  # it may have a place for labels and make nothing of them
        return [batch + (None,) * (least - len(batch))]
    pair = [(batch,)] if len(batch) > 1 and len(places) == 1 else []  # as a loader gives it
    return [batch[: len(places)], *pair]


def call_step(step, batch: tuple, players: dict):
    """step(*batch, **players), or step(*batch) of a function that holds its own players; of copies of the batch."""
    batch = tuple(tuple(copied(u) for u in t) if isinstance(t, tuple) else copied(t) for t in batch)
    parameters = _parameters(step)
    if parameters is not None and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        players = {name: value for name, value in players.items() if name in {p.name for p in parameters}}
    names = [p.name for p in parameters or () if p.kind is p.POSITIONAL_OR_KEYWORD]
    if names and names[0] in players:  # step(G, D, x): the batch by name, behind the players
        return step(**dict(zip((n for n in names if n not in players), batch, strict=False)), **players)
    return step(*batch, **players)


def copied(t):
    """A clone of a tensor, as a step may work in place."""
    return t.clone() if torch.is_tensor(t) else t


# ---------------------------------------------------------------------------------------------- copies and originals


@contextlib.contextmanager
def stand_ins(step, players: dict):
    """Players to experiment on: copies that share weights as the originals do; the originals where there is no copy.

    That is where the step holds its own players, or a network refuses to be copied. They are put back afterwards.
    """
    twin = copies(players) if takes_players(step, players) else None
    if twin is None:
        with put_back(*players.values()):
            yield players
        return
    for module in (m for m in twin.values() if isinstance(m, nn.Module)):
        module.zero_grad(set_to_none=True)
    yield twin


def copies(players):
    """A deep copy, or None of what refuses: the old spectral norm keeps a weight that is no leaf."""
    try:
        return copy.deepcopy(players)
    except Exception:  # whatever somebody's __deepcopy__ raises
        return None


@contextlib.contextmanager
def put_back(*players):
    """Networks among `players`, and every optimiser that steps inside, are afterwards as they were.

    Those are put back: weights, statistics, gradients, modes, requires_grad and the optimisers' state, and a weight or
    statistic that was replaced by another one. Inside, gradients are None at first.
    """
    modules = [m for m in players if isinstance(m, nn.Module)]
    optimisers = {}  # found as they step

    def note(optimiser, *_):
        optimisers.setdefault(id(optimiser), (optimiser, copy.deepcopy(optimiser.state_dict())))

    hook = register_optimizer_step_pre_hook(note)
    held = [(own, k, t, t.detach().clone()) for m in modules for s in m.modules() for own in (s._parameters, s._buffers)
            for k, t in own.items() if t is not None]  # fmt: skip
    grads = [(p, p.grad, None if p.grad is None else p.grad.clone(), p.requires_grad)
             for m in modules for p in m.parameters()]  # fmt: skip
    modes = [(s, s.training) for m in modules for s in m.modules()]
    for p, *_ in grads:
        p.grad = None
    try:
        yield
    finally:
        hook.remove()
        with torch.no_grad():
            for own, k, t, value in held:
                own[k] = t
                t.copy_(value)
            for p, grad, value, wanted in grads:
                p.grad = grad if grad is None else grad.copy_(value)
                p.requires_grad_(wanted)
        for submodule, mode in modes:
            submodule.training = mode
        for optimiser, state in optimisers.values():
            optimiser.load_state_dict(state)


# ------------------------------------------------------------------------------------------- what an exception means

INPLACE = ("modified by an inplace operation", "backward through the graph a second time")
MEANINGS = {
    INPLACE[0]: "G's loss uses what D said before D's own step changed its weights: call D(x_fake) again after "
    "opt_D.step(), and take G's loss of that",
    INPLACE[1]: "the first backward() has freed a graph that the second one needs: detach the fakes in D's step, and "
    "judge them again, D(x_fake), for G's",
    "target should be between 0 and 1": "nn.BCELoss takes targets from 0 to 1: smooth those of real samples to 0.9, no "
    "others",
    "between 0 and 1": "nn.BCELoss takes chances, and D gives something else: leave D without a sigmoid and take "
    "nn.BCEWithLogitsLoss",
    "positional argument": "it is called as step(x_real), or step(x_real, labels) with labels=...: for another call "
    "give step=lambda x: your_step(x, ...)",
    "keyword argument": "players are passed by their names G, D, opt_G, opt_D: give step=lambda x: your_step(x, ...)",
    "NoneType": "it wants more than a batch of images: give labels=..., or step=lambda x: your_step(x, ...)",
    "same device": "batch, noise and networks lie on several devices: move them to that of G",
    "size": "a batch size is written into the loop: take len(x_real) wherever a batch's size is meant, or give x_real "
    "with as many rows",
    "shape": "a batch size or an image size is written into the loop: take x_real.shape, or give x_real in that shape",
    "dtype": "images come as whole numbers, or in another precision than the weights: give x_real as the loop has it",
}


def meaning(error: BaseException) -> str:
    """What an exception of somebody's step usually means, as a half-sentence; "" where nobody knows."""
    text = str(error)
    return next((meaning for words, meaning in MEANINGS.items() if words in text), "")

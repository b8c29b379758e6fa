"""What somebody gives the doctor, made ready: arrays and lists become tensors; what cannot be meant is refused.

All of it is looked at before anything runs. What is left out, or fails later, is the report's business.
"""

import os
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ..inputs import whole
from ..training import Trainer

USAGE = "examine(G=G, D=D, step=step, x_real=x, z_dim=100) or examine(trainer, x_real=x)"
KINDS = {**dict.fromkeys(("G", "D"), (nn.Module, "torch.nn.Module")),
         **dict.fromkeys(("opt_G", "opt_D"), (torch.optim.Optimizer, "torch.optim.Optimizer"))}  # fmt: skip


def check_players(run, given: dict, step) -> None:
    """Raise ValueError unless `run` is a Trainer, a folder or None, and what was `given` by name is what it is called.

    A run brings its own networks, optimisers and step, so none of them may come beside it.
    """
    if not isinstance(run, Trainer | str | os.PathLike | None):
        raise ValueError(f"{_kind(run)} is no run: give a Trainer or the folder of one, or {USAGE}.")
    beside = [name for name, value in {**given, "step": step}.items() if value is not None]
    if run is not None and beside:
        raise ValueError(f"a run has {', '.join(beside)} of its own: give either the run, or {USAGE}.")
    for name, (kind, wanted) in KINDS.items():
        if given[name] is not None and not isinstance(given[name], kind):
            raise ValueError(f"{name} is {_kind(given[name])}: give the {wanted} that you train, or leave it out.")
    if step is not None and not callable(step):
        raise ValueError(f"step is {_kind(step)}: give the function that takes one step of training.")


def batch(x_real, labels, z, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """x_real (N, ...), labels (N, ...) and z (n, ...) as tensors, None where they are; floats of lists in `dtype`.

    Raises ValueError for what holds no numbers or no sample, and for labels of another length.
    """
    x_real, labels, z = (_tensor(*pair, dtype) for pair in (("x_real", x_real), ("labels", labels), ("z", z)))
    if x_real is not None and labels is not None and len(x_real) != len(labels):
        raise ValueError(f"{len(labels)} labels for {len(x_real)} samples in x_real: give one label a sample.")
    return x_real, labels, z


def latents(z_dim) -> None:
    if z_dim is not None:
        whole("z_dim", z_dim, 1, 2**16, "it is how many numbers a latent has")


def _tensor(name: str, value, dtype: torch.dtype) -> Tensor | None:
    """A tensor as it is, without its past; an array, or a nested list of numbers or tensors, as a new one."""
    if value is None:
        return None
    try:
        if isinstance(value, Tensor):
            x = value.detach()
        else:
            listed = isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Tensor)
            x = torch.stack([v.detach() for v in value]) if listed else torch.from_numpy(np.array(value))
            x = x.to(dtype) if x.is_floating_point() else x
    except (AttributeError, TypeError, ValueError, RuntimeError) as e:
        why = str(e).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"{name} is {_kind(value)} and makes no tensor ({why}): give numbers (N, ...).") from None
    odd = x.is_complex() or x.is_quantized or x.is_meta or x.layout != torch.strided
    if x.ndim == 0 or x.numel() == 0 or odd:
        raise ValueError(
            f"{name} is {x.dtype} {tuple(x.shape)}, {x.device}: give real numbers (N, ...), one row or more."
        )
    return x


def records(history) -> tuple[dict[str, list[float]], list[str]]:
    """{name: list of floats}, and the names of what is not one. Raises ValueError where `history` is no dict."""
    if not isinstance(history, Mapping | None):
        raise ValueError(f"history is {_kind(history)}: give a dict of records, such as {{'loss_D': [1.4, 1.3]}}.")
    found, others = {}, []
    for name, values in (history or {}).items():
        try:
            if not isinstance(values, list | tuple | np.ndarray | Tensor):
                raise TypeError
            values = values.tolist() if isinstance(values, np.ndarray | Tensor) else values
            if len(values):
                found[str(name)] = [float(v.detach() if isinstance(v, Tensor) else v) for v in values]
        except (TypeError, ValueError, OverflowError, RuntimeError):
            others.append(str(name))
    return found, others


def graphs(history) -> list[str]:
    """Names of the records whose values are tensors that keep the graph they came from."""
    listed = [(str(k), v) for k, v in (history or {}).items() if isinstance(v, list | tuple)]
    return [name for name, values in listed if any(isinstance(v, Tensor) and v.grad_fn is not None for v in values)]


def _kind(value) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__

"""The learner's own loss: two functions of logits, tried before they may play."""

import contextlib
import inspect
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ... import losses
from ..pictures import said


def own_loss(name: str, d_loss: Callable, g_loss: Callable) -> losses.Loss:
    """A `Loss` of d_loss(d_real, d_fake) and g_loss(d_fake[, d_real]), which see one world's logits (N,) each.

    What they switch for the whole process (gradients, the default dtype, random numbers) is put back after each call.
    Raises ValueError that says what is wrong: a crash, another shape than one number, NaN, no slope in the logits.
    """
    for which, loss in (("d_loss", d_loss), ("g_loss", g_loss)):
        if not callable(loss):
            raise ValueError(f"{which} is {type(loss).__name__}: give a function of logits that returns one number.")
    pairs = _needs_real(g_loss)
    d_real, d_fake = (torch.linspace(a, b, 7, requires_grad=True) for a, b in ((-1, 3), (-3, 2)))
    _try("d_loss", lambda: d_loss(d_real, d_fake), d_real, d_fake)
    _try("g_loss", lambda: g_loss(d_fake, d_real) if pairs else g_loss(d_fake), d_fake)

    def each(loss):  # the learner thinks of one world; W of them come as (W, N)
        def of_worlds(*logits):
            values = []
            with undisturbed() as switch_back:
                for d in zip(*logits, strict=True):
                    value = loss(*d)
                    switch_back()  # what follows is to have gradients
                    values.append(value.reshape(()))
            return torch.stack(values)

        return of_worlds

    g = each(g_loss) if pairs else lambda d_fake, d_real=None: each(g_loss)(d_fake)
    return losses.Loss(name, each(d_loss), g, pairs)


@contextlib.contextmanager
def undisturbed():
    """What somebody's code inside switches for the whole process is as before again.

    Gives a function that puts back at once what counts for the next calls: gradients, and the default dtype.
    """
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()

    def switch_back() -> None:
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(dtype)

    with contextlib.ExitStack() as afterwards:
        afterwards.callback(switch_back)
        afterwards.enter_context(torch.random.fork_rng(None if torch.cuda.is_initialized() else []))  # None: all
        afterwards.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        afterwards.callback(random.setstate, random.getstate())
        yield switch_back


def _needs_real(g_loss) -> bool:
    """Whether g_loss reads d_real: it takes two arguments and fails without the second."""
    try:
        parameters = inspect.signature(g_loss).parameters.values()
    except (TypeError, ValueError):
        return False
    if sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) < 2:
        return False
    try:
        with undisturbed():
            g_loss(torch.zeros(3))
        return False
    except KeyboardInterrupt:
        raise
    except BaseException:
        return True


def _try(name: str, call, *logits: Tensor) -> None:
    """Raise ValueError that says what is wrong with the loss, whatever it does; only Ctrl-C goes through."""
    try:
        with undisturbed(), torch.enable_grad():
            value, finite, grads = call(), True, [None]
            if isinstance(value, Tensor) and value.numel() == 1:
                finite = bool(value.isfinite())
                grads = torch.autograd.grad(value, logits, allow_unused=True) if value.requires_grad else grads
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        raise ValueError(f"{name} stops with {said(e)}") from None
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} returns {type(value).__name__}: return one number, a tensor such as loss.mean().")
    if value.numel() != 1:
        raise ValueError(f"{name} returns a tensor {tuple(value.shape)}: return one number, the mean over the samples.")
    if not finite:
        raise ValueError(f"{name} gives {value.item()} on logits from -3 to 3: keep logarithms away from 0.")
    if all(g is None or not g.any() for g in grads):
        raise ValueError(f"{name} has no slope in the logits, so nothing would be learnt: no .item(), no .detach().")
    if not all(g is None or g.isfinite().all() for g in grads):
        raise ValueError(f"{name} has a slope that is not finite on logits from -3 to 3.")

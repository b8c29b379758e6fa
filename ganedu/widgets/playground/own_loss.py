"""The learner's own loss: two functions of logits, tried before they may play."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor

from ... import losses


def own_loss(name: str, d_loss: Callable, g_loss: Callable) -> losses.Loss:
    """A `Loss` of d_loss(d_real, d_fake) and g_loss(d_fake[, d_real]), which see one world's logits (N,) each.

    Raises ValueError that says what is wrong: a crash, another shape than one number, NaN, no slope in the logits.
    """
    pairs = _needs_real(g_loss)
    d_real, d_fake = (torch.linspace(a, b, 7, requires_grad=True) for a, b in ((-1, 3), (-3, 2)))
    _try("d_loss", lambda: d_loss(d_real, d_fake), d_real, d_fake)
    _try("g_loss", lambda: g_loss(d_fake, d_real) if pairs else g_loss(d_fake), d_fake)

    def each(loss):  # the learner thinks of one world; W of them come as (W, N)
        return lambda *logits: torch.stack([loss(*d).reshape(()) for d in zip(*logits, strict=True)])

    g = each(g_loss) if pairs else lambda d_fake, d_real=None: each(g_loss)(d_fake)
    return losses.Loss(name, each(d_loss), g, pairs)


def _needs_real(g_loss) -> bool:
    """Whether g_loss reads d_real: it takes two arguments and fails without the second."""
    try:
        parameters = inspect.signature(g_loss).parameters.values()
    except (TypeError, ValueError):
        return False
    if sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) < 2:
        return False
    try:
        g_loss(torch.zeros(3))
        return False
    except Exception:
        return True


def _try(name: str, call, *logits: Tensor) -> None:
    try:
        value = call()
    except Exception as e:
        raise ValueError(f"{name} stops with {type(e).__name__}: {e}") from None
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} returns {type(value).__name__}: return one number, a tensor such as loss.mean().")
    if value.numel() != 1:
        raise ValueError(f"{name} returns a tensor {tuple(value.shape)}: return one number, the mean over the samples.")
    if not value.isfinite():
        raise ValueError(f"{name} gives {value.item()} on logits from -3 to 3: keep logarithms away from 0.")
    grads = torch.autograd.grad(value, logits, allow_unused=True) if value.requires_grad else [None]
    if all(g is None or not g.any() for g in grads):
        raise ValueError(f"{name} has no slope in the logits, so nothing would be learnt: no .item(), no .detach().")
    if not all(g is None or g.isfinite().all() for g in grads):
        raise ValueError(f"{name} has a slope that is not finite on logits from -3 to 3.")

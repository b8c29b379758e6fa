"""What the check of an exercise is made of: numbers and functions held against the right ones, hints that fit.

A check is a function that returns one text, "Not yet: ...", "Wrong: ..." or "Right: ...". What is wrong the functions
below say by raising Wrong, and `check` makes a verdict of it, as of whatever the learner's own code raises.
"""

import functools
import inspect
import math
import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..inputs import brief

CUT = "The slope is cut off: .item(), .detach(), torch.no_grad(), float() and numpy leave numbers without one."
NAN = "NaN comes of 0 / 0, of ∞ − ∞ and of the logarithm or root of a negative number."
BECAUSE = {  # part of an error's text: what mostly stands behind it
    r"does not require grad|on Tensor that requires grad|does not have a grad_fn": CUT,
    r"converted to Scalar|only one element tensors|length-1 arrays|0-dimensional": "math and float() take one number, "
    "torch.exp and the like a whole tensor.",
    r"Boolean value of|truth value of an array": "`if`, `and`, `min` and `max` decide once; for each element it is "
    "torch.where, &, torch.minimum or torch.maximum.",
    r"must be Tensor, not|'(float|int|list|ndarray)' object has no attribute": "A plain number, a list or an array "
    "stands where a tensor is needed.",
    r"__round__": "For each element it is torch.round.",
    r"in-place operation": "It changes its argument in place: work on a new tensor.",
    r"NoneType": "Something in it is None, as what a function without `return` gives.",
    r"positional argument|unexpected keyword": "Keep the arguments that the exercise gives it.",
    r"is not defined": "Run the cell above that defines it, or look how it is spelt.",
}


class Wrong(Exception):
    """What is wrong with an answer, in the words of its check, without "Wrong: " before them."""


def check(verdict: Callable[[], str]) -> Callable[[], str]:
    """A check that never raises: Wrong and any error, the learner's as well, become the text "Wrong: ..."."""

    @functools.wraps(verdict)
    def never_raises():
        try:
            with warnings.catch_warnings(action="ignore"):  # a right answer may draw some: errors to a grader
                return verdict()
        except Wrong as e:
            return f"Wrong: {e}"
        except Exception as e:
            frames = traceback.extract_tb(e.__traceback__)
            own = [f.line for f in frames[2:] if not Path(f.filename).is_file() and f.filename != frames[1].filename]
            where = f" in `{own[-1].strip()[:60]}`" if own and own[-1] else ""  # a cell is no file on disk
            return f"Wrong: your answer leads to {_said(e)}{where}. {_because(e)}".rstrip()

    return never_raises


def number(given, name: str = "the answer") -> float:
    """`given` as a float: an int, float or Fraction, or what numpy or torch hold of one element.

    Raises Wrong, saying what it is instead, for None, texts, lists, several numbers, complex ones, NaN and infinity.
    """
    several = tuple(getattr(given, "shape", ()))
    if math.prod(several) != 1:
        raise Wrong(f"{name} has the shape {several}; give one number.")
    if several or isinstance(given, Tensor):
        given = given.reshape(()).tolist()
    if given is None or isinstance(given, bool | str | list | tuple | dict | set) or callable(given):
        what = "a function; give what it returns" if callable(given) else f"{brief(given)}; give one number"
        raise Wrong(f"{name} is {what}" + (", without quotes." if isinstance(given, str) else "."))
    try:
        value = float(given)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise Wrong(f"{name} is {brief(given)}; give one number.") from None
    if not math.isfinite(value):
        raise Wrong(f"{name} is {value}. {NAN if math.isnan(value) else 'Give a finite number.'}")
    return value


def numbers(given, count: int, name: str = "the answer") -> tuple[float, ...]:
    """`given` as so many floats: a list or tuple of what `number` takes, an array or tensor (count,). Raises Wrong."""
    single = getattr(given, "ndim", 1) == 0 or not hasattr(given, "__len__")
    if single or isinstance(given, str | dict | set):
        raise Wrong(f"{name} is {brief(given)}; give {count} numbers in brackets.")
    if len(given) != count:
        raise Wrong(f"{name} has {len(given)} numbers; give {count}.")
    return tuple(number(value, f"number {i} of {name}") for i, value in enumerate(given, 1))


def equal(given, wanted, mistakes: dict | None = None, hint: str = "", name: str = "the answer", tolerance=1e-6):
    """What `number`, or `numbers` where a tuple is wanted, reads of `given`; raises Wrong unless it is `wanted`.

    mistakes   {a wrong answer: its hint}
    hint       for all other wrong answers
    tolerance  as in math.isclose, of the size of what is wanted and at least of 1
    """

    def near(other):
        pairs = zip(found, other, strict=True) if isinstance(wanted, tuple) else ((found, other),)
        return all(abs(a - b) <= tolerance * max(1, abs(b)) for a, b in pairs)

    found = numbers(given, len(wanted), name) if isinstance(wanted, tuple) else number(given, name)
    if near(wanted):
        return found
    raise Wrong(next((why for other, why in (mistakes or {}).items() if near(other)), hint))


def agree(
    mine: Callable,
    right: Callable,
    cases,
    mistakes: dict[Callable, str] | None = None,
    hint: str = "",
    *,
    slopes: bool = False,
    tolerance: float = 1e-4,
    draw: Callable | None = None,
) -> None:
    """Raise Wrong with the first of the cases in which `mine` gives something else than `right`, or raises.

    cases      arguments, from small to large: each a tuple, or the one argument; or {words for it: arguments}
    mistakes   {function with a typical mistake: its hint}, said if `mine` gives what it gives in all cases
    hint       said where no mistake is recognised and the numbers are of the right shape, but wrong
    slopes     the slopes by the tensors among the arguments must agree as well
    tolerance  relative, and absolute below 1
    draw       draw(given, wanted, *arguments) shows the case as a picture, where both are numbers of one shape
    """
    worded = list(cases.items()) if isinstance(cases, dict) else [("", case) for case in cases]
    worded = [(words, case if isinstance(case, tuple) else (case,)) for words, case in worded]
    slopes_of = []
    for words, arguments in worded:
        where = f"for {words}" if words else _where(mine, arguments)
        given, by_mine = _tried(mine, arguments, slopes, where)
        wanted, by_right = _outcome(right, arguments, slopes)
        slopes_of += [(where, *of) for of in zip(_names(mine, arguments), by_mine, by_right, strict=True)]
        if not _near(given, wanted, tolerance):
            both = isinstance(given, Tensor) and isinstance(wanted, Tensor)
            numbers = both and given.shape == wanted.shape and not given.isnan().any()
            known = [why for wrong, why in (mistakes or {}).items() if _alike(mine, wrong, worded, tolerance)]
            if draw is not None and numbers and given.isfinite().all():
                draw(given, wanted, *arguments)
            said = (known or [hint if numbers else ""])[0]
            raise Wrong(f"{where} it gives {_difference(given, wanted)} {said}".rstrip())
    for where, name, given, wanted in slopes_of:
        if wanted is not None and not _near(torch.zeros_like(wanted) if given is None else given, wanted, tolerance):
            but = f"it has no slope. {CUT}" if given is None else f"its slope by {name} is {_difference(given, wanted)}"
            raise Wrong(f"{where} the value is right, but {but}")


def _said(e: Exception) -> str:
    return f"{type(e).__name__}: {' '.join(str(e).split())[:160]}".removesuffix(": ").rstrip(".")


def _because(e: Exception) -> str:
    return next((why for part, why in BECAUSE.items() if re.search(part, str(e))), "")


def _tried(mine, arguments, slopes, where):
    try:
        return _outcome(mine, arguments, slopes)
    except Wrong:
        raise
    except Exception as e:
        raise Wrong(f"{where} it raises {_said(e)}. {_because(e)}".rstrip()) from e


def _outcome(f: Callable, arguments: tuple, slopes: bool):
    """(what f gives, a float64 tensor where that are numbers; for each argument its slope, None for none)."""
    inputs = [a.detach().clone() if isinstance(a, Tensor) else a for a in arguments]
    by = [a for a in inputs if slopes and isinstance(a, Tensor) and a.is_floating_point()]
    for a in by:
        a.requires_grad_()
    value = f(*inputs)
    for name, a, before in zip(_names(f, arguments), inputs, arguments, strict=True):
        if isinstance(a, Tensor) and not torch.equal(a, before):
            raise Wrong(f"it changes {name} itself, which others go on using: work on a new tensor.")
    found = {}
    if by and isinstance(value, Tensor) and value.requires_grad:
        found = dict(zip(map(id, by), torch.autograd.grad(value.sum(), by, allow_unused=True), strict=True))
    return _numbers_of(value), [found.get(id(a)) for a in inputs]


def _numbers_of(value):
    """A float64 tensor of what holds numbers; else the value itself."""
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value):
        parts = [_numbers_of(v) for v in value]
        same = all(isinstance(p, Tensor) and p.shape == parts[0].shape for p in parts)
        return torch.stack(parts) if same else value
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return value
    if found.is_complex():
        return value
    return found.detach().cpu() if found.dtype == torch.bool else found.detach().cpu().double()


def _near(given, wanted, tolerance: float) -> bool:
    """One number is one number, whatever its brackets; otherwise the shapes are equal as well."""
    if not isinstance(given, Tensor) or not isinstance(wanted, Tensor):
        return type(given) is type(wanted) and given == wanted
    if given.numel() == wanted.numel() == 1:
        given, wanted = given.reshape(()), wanted.reshape(())
    given, wanted = given.double(), wanted.double()
    return given.shape == wanted.shape and torch.allclose(given, wanted, tolerance, tolerance, equal_nan=True)


def _alike(mine, other, worded, tolerance) -> bool:
    """Whether two functions give the same in all cases."""
    try:
        return all(_near(_outcome(mine, a, False)[0], _outcome(other, a, False)[0], tolerance) for _, a in worded)
    except Exception:
        return False


def _difference(given, wanted) -> str:
    """What is given, and what should be: the numbers where they are few, else the first that differ, or the shapes."""
    if not isinstance(given, Tensor) or not isinstance(wanted, Tensor):
        return f"{_shown(given)}; it should give {_shown(wanted)}."
    if given.numel() == wanted.numel() == 1:
        given, wanted = given.reshape(()), wanted.reshape(())
    if given.shape != wanted.shape:
        return f"{_shape(given)}; it should give {_shape(wanted)}."
    nan = f" {NAN}" if given.isnan().any() and not wanted.isnan().any() else ""
    if wanted.numel() > 6 or wanted.ndim > 1:
        place = tuple((~torch.isclose(given, wanted, 1e-4, 1e-4, equal_nan=True)).nonzero()[0].tolist())
        return f"{_shown(given[place])} at the place {list(place)}; it should give {_shown(wanted[place])}.{nan}"
    return f"{_shown(given)}; it should give {_shown(wanted)}.{nan}"


def _shown(value) -> str:
    if not isinstance(value, Tensor):
        return brief(value)
    if value.numel() == 1:
        return str(value.item()) if value.dtype == torch.bool else f"{value.item():.5g}"
    return (
        f"[{', '.join(f'{v:.5g}' for v in value.tolist())}]" if value.ndim == 1 and len(value) <= 6 else _shape(value)
    )


def _shape(value: Tensor) -> str:
    return f"a tensor {tuple(value.shape)}" if value.numel() != 1 or value.ndim > 1 else "one number"


def _names(f: Callable, arguments: tuple) -> list[str]:
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [f"argument {i}" for i in range(len(names) + 1, len(arguments) + 1)])[: len(arguments)]


def _where(f: Callable, arguments: tuple) -> str:
    """The case in words, its functions left out: "at p = 0.3, q = 0.1"."""
    pairs = zip(_names(f, arguments), arguments, strict=True)
    said = [f"{name} = {_shown(_numbers_of(a))}" for name, a in pairs if not callable(a)]
    return f"at {', '.join(said)}" if said else "in one case"

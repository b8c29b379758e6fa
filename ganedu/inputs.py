"""What bad input is told: what was given, what is allowed, what to do. Imports nothing of the package."""

import difflib
import errno
from numbers import Integral

ADVICE = {errno.ENOENT: "check how it is spelt", errno.ENOSPC: "free some space, or choose another folder"}


def brief(value, most: int = 60) -> str:
    """A value as a message shows it, however long or odd it is."""
    try:
        text = repr(value)
    except Exception:  # a number of 5,000 digits, a list within lists without end
        text = f"a {type(value).__name__} too large to be shown"
    return text if len(text) <= most else f"{text[:most]}..."


def one_of(name: str, allowed: tuple[str, ...], what: str) -> None:
    """Raise ValueError that suggests the nearest allowed name, unless `name` is one of them."""
    if not isinstance(name, str) or name not in allowed:
        close = difflib.get_close_matches(brief(name).strip("'").lower(), allowed, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown {what} {brief(name)}: choose one of {', '.join(allowed)}.{hint}")


def whole(name: str, value, low: int, high: int, because: str = "") -> None:
    """Raise ValueError unless `value` is a whole number (no bool) from low to high; `because` says why no more."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
        allowed = f"from {low:,} to {high:,}" + (f": {because}" if because else "")
        raise ValueError(f"{name}={brief(value)} does not fit: give a whole number {allowed}.")


def why_not(e: OSError) -> str:
    """The cause of an error of the system, and what to do about it: all but the path, which the caller knows."""
    return f"{e.strerror or e}: {ADVICE.get(e.errno, 'choose another folder or name')}."

"""What bad input is told: what was given, what is allowed, what to do. Imports nothing of the package."""

import difflib
import errno
from collections.abc import Sequence
from numbers import Integral

ADVICE = {errno.ENOENT: "check how it is spelt", errno.ENOSPC: "free some space, or choose another folder"}


def one_of(name: str, allowed: Sequence[str], what: str) -> None:
    """Raise ValueError that suggests the nearest allowed name, unless `name` is one of them."""
    if not isinstance(name, str) or name not in allowed:
        close = difflib.get_close_matches(str(name).lower(), allowed, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown {what} {name!r}: choose one of {', '.join(allowed)}.{hint}")


def whole(name: str, value, low: int, high: int, because: str = "") -> None:
    """Raise ValueError unless `value` is a whole number (no bool) from low to high; `because` says why no more."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
        why = f": {because}" if because else ""
        raise ValueError(f"{name}={value!r} does not fit: give a whole number from {low:,} to {high:,}{why}.")


def why_not(e: OSError) -> str:
    """The cause of an error of the system, and what to do about it: all but the path, which the caller knows."""
    return f"{e.strerror or e}: {ADVICE.get(e.errno, 'choose another folder or name')}."

"""What bad input is told: what was given, what is allowed, what to do. Imports nothing of the package."""

import difflib
from collections.abc import Sequence


def one_of(name: str, allowed: Sequence[str], what: str) -> None:
    """Raise ValueError that suggests the nearest allowed name, unless `name` is one of them."""
    if name not in allowed:
        close = difflib.get_close_matches(str(name).lower(), allowed, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown {what} {name!r}: choose one of {', '.join(allowed)}.{hint}")

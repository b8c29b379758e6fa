"""Print pyproject.toml's lower bounds as pins: the oldest environment that the course promises, all of it at once.

    python tools/oldest.py >oldest.txt && pip install -c oldest.txt -e '.[test]'     on the oldest Python we allow
    python tools/oldest.py torch                                                     all but torch's

A pin is the bound itself, not the lowest version that happens to fit the others: pip refuses a bound that is not true.
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def pins(but: set[str] = frozenset(), pyproject: Path = PYPROJECT) -> list[str]:
    """["numpy==1.26", ...] of what the package and its tests need, without the names in `but`."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    needs = project["dependencies"] + project["optional-dependencies"]["test"]
    bounds = [re.fullmatch(r"([\w.-]+)>=([\w.]+)(,<.*)?", need) for need in needs]
    if None in bounds:
        sys.exit(f"{pyproject}: {needs[bounds.index(None)]!r} is not NAME>=VERSION or NAME>=VERSION,<VERSION.")
    return [f"{b[1]}=={b[2]}" for b in bounds if b[1] not in but]


if __name__ == "__main__":
    print(*pins(but=set(sys.argv[1:])), sep="\n")

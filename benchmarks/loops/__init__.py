"""Loops as strangers write them, for `benchmarks/strangers.py`: `KINDS` and a `case` of each."""

from . import healthy, sick
from .kinds import KINDS, case
from .loop import Loop

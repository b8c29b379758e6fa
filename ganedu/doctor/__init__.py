"""A run that looks wrong is examined: `doctor.examine(trainer)`, or a folder, or G, D and the step of your own loop."""

from .examine import Case, examine
from .findings import FINDINGS, SICK, Finding, Report

"""A run is judged on a page: `report.report("runs/dcgan-digits")`, or several side by side."""

from .write import report

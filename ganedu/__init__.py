"""ganedu: the helpers behind the course on generative adversarial networks.

The core is nine files, to be read in this order: losses, models, steps, training; sampling, plots, pixels, inputs and
checkpoints serve them. Every folder is a room for one purpose: README lists them.
"""

from pathlib import Path

ASSETS = (
    Path(__file__).parent / "assets"
)  # what ships beside the code: data, checkpoints, tables, the report's notebook

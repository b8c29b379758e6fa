"""ganedu: the helpers behind the course on generative adversarial networks.

The core is nine files, to be read in this order: losses, models, steps, training; sampling, plots, pixels, inputs and
checkpoints serve them. Every folder is a room for one purpose: README lists them.
"""

from pathlib import Path

# What ships beside the code: data, the zoo, the playground's games, the notebooks' tables (lookup), report.ipynb.
ASSETS = Path(__file__).parent / "assets"

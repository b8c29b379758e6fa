"""ganedu: the helpers behind the course on generative adversarial networks.

The core is ten files, to be read in this order: losses, models, steps, training; sampling, plots, pixels, inputs and
checkpoints serve them, processes where several devices train together. Every folder is a room for one purpose: README
lists them.
"""

from pathlib import Path

# What ships beside the code: data, the zoo, the playground's games, the notebooks' tables (lookup), report.ipynb.
ASSETS = Path(__file__).parent / "assets"

# Modules that have moved into a room: the old import still works.
_MOVED = {**dict.fromkeys(("densities", "worlds", "stacked"), "toys"),
          **dict.fromkeys(("fetch", "folders", "shapes", "photos"), "data")}  # fmt: skip


def __getattr__(name: str):
    if name in _MOVED:
        import importlib

        return importlib.import_module(f".{_MOVED[name]}.{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What lives in a notebook: pictures with their text, moved by sliders or growing while a game trains; questions."""

from .choice import choose
from .pictures import explore, show, watch

__all__ = ["ImageMap", "PhasePlane", "Playground", "Sketch", "choose", "explore", "image_map", "plane", "show",
           "sketch", "watch"]  # fmt: skip


def __getattr__(name: str):
    if name == "Playground":  # costs the import of anywidget
        from .playground import Playground

        return Playground
    if name in ("PhasePlane", "plane"):
        from . import phase_plane

        return getattr(phase_plane, name)
    if name in ("ImageMap", "image_map"):
        from . import atlas

        return getattr(atlas, name)
    if name in ("Sketch", "sketch"):
        from . import pad

        return getattr(pad, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What lives in a notebook: pictures with their text, moved by sliders or growing while a game trains; questions to
answer before; sounds to play."""

import sys
from importlib import import_module
from types import ModuleType

from .choice import choose
from .pictures import explore, show, watch

LATER = {"Clips": "clips", "clips": "clips", "hear": "sounds", "ImageMap": "image_map", "image_map": "image_map",
         "listen": "sounds", "Plane": "plane", "plane": "plane", "Playground": "playground", "Sketch": "sketch",
         "sketch": "sketch", "Studio": "studio", "studio": "studio"}  # fmt: skip
__all__ = ["Clips", "ImageMap", "Plane", "Playground", "Sketch", "Studio", "choose", "clips", "explore", "hear",
           "image_map", "listen", "plane", "show", "sketch", "studio", "watch"]  # fmt: skip


class Door(ModuleType):
    """This package. A widget's module has the widget's name, and an import puts modules here: the name is the widget's,
    whatever is imported first."""

    def __setattr__(self, name: str, value) -> None:
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = Door


def __getattr__(name: str):  # what costs the import of anywidget and torch
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{LATER[name]}", __name__), name)

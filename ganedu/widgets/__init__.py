"""Pictures that live in a notebook: shown with their text, moved by sliders, or growing while a game trains."""

from .live import LiveGame
from .pictures import explore, show, watch

__all__ = ["LiveGame", "explore", "show", "watch"]

"""The studio: pictures made by hand from a trained generator, by one who needs no Python. `studio` shows it."""

from .widget import Studio, studio

"""Images to learn from: `data.load("digits")`, by the name of a data set or the path of a folder."""

from ..pixels import resize, to_channels, to_float, to_uint8
from .images import CLOTHES, DIGITS, FULL, NAMES, Images, Row, available, load, located

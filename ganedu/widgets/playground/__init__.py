"""A GAN on the plane that trains under the learner's hands; `game` plays it without a page."""

from .widget import Playground

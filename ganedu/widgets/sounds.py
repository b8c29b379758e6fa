"""Sounds to play in the page: `listen` to some side by side, or `hear` what sliders make. Nothing plays by itself.

The volume is safe: one fixed factor for all, so that noise is not blown up; what overshoots is cut off; no click at
the ends. A page without a kernel plays them as well.
"""

import html
import io
import wave
from collections.abc import Callable

import ipywidgets as w
import numpy as np
from IPython.display import display

from ..inputs import brief, whole
from .pictures import Explorer, display_widget, number, numbers, text, text64

LOUDEST = 0.3  # of what a file can hold: the peak of a sound whose peak is 1
FADE = 0.005  # seconds, at each end
LONGEST = 30  # seconds


def safe(sound, rate: int) -> np.ndarray:
    """A sound (T,) in [-1, 1] as it is played: times LOUDEST, cut off there, the first and last FADE seconds faded.

    Raises ValueError for what is no row of finite numbers, or lasts less than 20 ms or more than LONGEST seconds.
    """
    whole("rate", rate, 3000, 192_000, "samples a second")
    x = numbers("the sound", sound)
    if x.ndim != 1 or x.dtype.kind not in "fiu":
        raise ValueError(f"the sound is {x.dtype} {x.shape}: give one row of numbers in [-1, 1], such as waves[0].")
    if not rate / 50 <= len(x) <= LONGEST * rate:
        raise ValueError(f"the sound has {len(x):,} samples, {len(x) / rate:.3g} s: give 0.02 to {LONGEST} s.")
    x = x.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("the sound holds NaN or infinity: look where the numbers come from.")
    x = LOUDEST * np.clip(x, -1, 1)
    n = round(FADE * rate)
    x[:n] *= np.arange(n) / n
    x[-n:] *= np.arange(n)[::-1] / n
    return x


def wav(sound, rate: int) -> bytes:
    """The sound, made `safe`, as a file of 16-bit samples."""
    samples = (safe(sound, rate) * 32767).round().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def page(sounds: dict, rate: int) -> str:
    """A player for each of the sounds {title: (T,)}, as HTML."""
    if not isinstance(sounds, dict) or not sounds:
        raise ValueError(f"sounds={brief(sounds)}: give a dict, title -> a row of numbers.")
    rows = []
    for title, sound in sounds.items():
        name = html.escape(text("a title", title), quote=True)
        source = f"data:audio/wav;base64,{text64(wav(sound, rate))}"
        rows.append(
            '<figure style="display:inline-block;margin:4px 12px 4px 0;max-width:100%">'
            f'<figcaption style="font-size:14px">{name}</figcaption>'
            f'<audio controls preload="auto" aria-label="{name}" src="{source}" '
            'style="width:230px;max-width:100%;height:36px"></audio></figure>'
        )
    return f'<div class="ganedu-sounds">{"".join(rows)}</div>'


def listen(sounds: dict, rate: int = 8000, alt: str = "") -> None:
    """Display a player for each of the sounds {title: row (T,) in [-1, 1]}; `alt` says what they sound like.

    Raises ValueError for what is no sound: see `safe`.
    """
    players = page(sounds, rate)
    plain = f"{text('alt', alt)} Sounds to play: {'; '.join(sounds)}.".strip()
    display({"text/html": players, "text/plain": plain}, raw=True)


class Hearing(Explorer):
    """Controls above one picture and its sounds; see `hear`."""

    def __init__(self, draw: Callable, controls: dict, alt: str, rate: int):
        if not callable(draw):
            raise ValueError(f"draw is {type(draw).__name__}: give a function that returns (figure, sounds).")
        self.sounds = w.HTML()

        def picture(**values):
            fig, sounds = draw(**values)
            self.sounds.value = page(sounds, rate)
            return fig

        super().__init__(picture, controls, alt)
        self.widget.children = (*self.widget.children, self.sounds)


def hear(draw: Callable, *, alt: str = "", rate: int = 8000, **controls) -> Hearing:
    """Sliders that move one picture and its sounds: `draw(**values)` returns (figure, {title: row (T,)}).

    Controls as in `explore`. Raises ValueError as it does, and for a rate that is no whole number.
    """
    if not number(rate):
        raise ValueError(f"rate={brief(rate)}: give samples a second, a whole number.")
    hearing = Hearing(draw, controls, alt, rate)
    display_widget(hearing.widget, hearing.image.value, hearing.image.alt)
    return hearing

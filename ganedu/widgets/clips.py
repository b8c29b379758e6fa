"""Short clips to play in a loop, to stop and to move through frame by frame. `clips` shows them."""

import anywidget
import numpy as np
import traitlets

from .. import plots
from ..inputs import brief, whole
from ..pixels import check
from .pictures import display_widget, joined, numbers, png, text

MOST, LONGEST, LARGEST = 32, 64, 128  # clips in all; frames of each; pixels of their sides
STRIPS, STRIP = 2, 12  # in a page without kernel: clips of each row, frames of each clip, at most


class Clips(anywidget.AnyWidget):
    """Rows of clips that all show the same frame; see `clips`.

    The page gets every pixel once, as a trait, and asks for nothing: clips play on when their kernel has gone.
    """

    _esm, _css = joined("helpers.js", "clips.js"), joined("theme.css", "clips.css")
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)  # of the rows
    counts = traitlets.List(traitlets.Int()).tag(sync=True)  # clips in each
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # T, H, W, C
    pixels = traitlets.Bytes().tag(sync=True)  # uint8 (clips, T, H, W, C), row after row
    per_second = traitlets.Int().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self, rows: dict, per_second: int = 5, alt: str = ""):
        text("alt", alt)
        whole("per_second", per_second, 1, 30, "more no eye follows")
        if not isinstance(rows, dict) or not rows:
            raise ValueError(f"rows is {type(rows).__name__}: give a dict with a row or more, its name -> clips.")
        arrays = [_row(name, x) for name, x in rows.items()]
        for name, x in zip(rows, arrays, strict=True):
            if x.shape[1:] != arrays[0].shape[1:]:
                raise ValueError(
                    f"rows[{brief(name)}] has clips {x.shape[1:]} (T, H, W, C), the first row {arrays[0].shape[1:]}: "
                    "what is shown together must be alike."
                )
        n, (frames, height, width, channels) = sum(map(len, arrays)), arrays[0].shape[1:]
        if n > MOST or not 2 <= frames <= LONGEST or max(height, width) > LARGEST:
            raise ValueError(
                f"{n} clips of {frames} frames of {height} x {width} pixels: at most {MOST} clips, 2 to {LONGEST} "
                f"frames, and sides up to {LARGEST} can be looked at together."
            )
        super().__init__(names=[str(name) for name in rows], counts=[len(x) for x in arrays], per_second=per_second,
                         shape=[frames, height, width, channels], pixels=np.concatenate(arrays).tobytes(),
                         alt=alt)  # fmt: skip

    def rows(self) -> dict[str, np.ndarray]:
        """{name: uint8 (clips, T, H, W, C)}, as the page has them."""
        everything = np.frombuffer(self.pixels, "u1").reshape(-1, *self.shape)
        return dict(zip(self.names, np.split(everything, np.cumsum(self.counts)[:-1]), strict=True))

    @property
    def words(self) -> str:
        rows = ", ".join(f"{n} {name}" for name, n in zip(self.names, self.counts, strict=True))
        return f"{self.alt} Clips of {self.shape[0]} frames: {rows}.".strip()

    def picture(self) -> bytes:
        """The first clips of each row as strips, a frame beside the other, as a PNG."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        rows = self.rows()
        shown = np.linspace(0, self.shape[0] - 1, min(STRIP, self.shape[0])).round().astype(int)
        with mpl.rc_context():
            plots.style()
            strips = sum(min(STRIPS, n) for n in self.counts)
            fig = Figure(figsize=(9.6, 0.5 + 1.25 * strips))
            axes = fig.subplots(strips, 1, squeeze=False)[:, 0]
            at = iter(axes)
            for name, x in rows.items():
                for k, clip in enumerate(x[:STRIPS]):
                    framed = np.pad(clip[shown], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
                    plots.images(next(at), framed.transpose(0, 3, 1, 2), len(shown), name if k == 0 else "")
            return png(fig)


def clips(rows: dict, per_second: int = 5, alt: str = "") -> Clips:
    """Clips that play together in a loop, and can be stopped and moved through frame by frame.

    `rows` holds by name one row or more of clips (N, T, C, H, W) with 1 or 3 channels, uint8 or floating in [-1, 1]:
    up to 32 clips in all, of 2 to 64 frames and sides up to 128, all of one size. All show the same frame. Keys: Space
    plays and stops, left and right go one frame, Home and End to the first and last. It does not play by itself.
    `alt` says what it shows. Returns the widget, a `Clips`. Raises ValueError for whatever does not fit, before
    anything is shown.
    """
    shown = Clips(rows, per_second, alt)
    display_widget(shown, shown.picture(), shown.words)
    return shown


def _row(name, x) -> np.ndarray:
    """Clips as uint8 (N, T, H, W, C)."""
    x = numbers(f"rows[{brief(name)}]", x)
    if x.ndim != 5 or 0 in x.shape:
        raise ValueError(f"rows[{brief(name)}] is {x.dtype} {x.shape}: give clips (N, T, C, H, W); x[None] is a row "
                         "of one.")  # fmt: skip
    frames = x.reshape(-1, *x.shape[2:])
    check(frames, ("N", (1, 3), "H", "W"), name=f"the frames of rows[{brief(name)}]", of=np.ndarray)
    if frames.dtype != np.uint8:
        frames = ((frames.astype("f4").clip(-1, 1) + 1) * 127.5).round().astype("u1")
    return frames.reshape(x.shape).transpose(0, 1, 3, 4, 2)

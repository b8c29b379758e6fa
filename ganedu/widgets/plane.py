"""The phase plane of a game of two numbers: drag its start, and see its path at once. `plane` shows it."""

import math

import anywidget
import ipywidgets as w
import numpy as np
import torch
import traitlets

from .. import plots
from ..inputs import brief
from .pictures import MISTAKES, Controls, display_widget, function, joined, number, png, text

CELLS = 15  # arrows along a side
DOTS = 300  # steps up to which each gets a dot
SHADES = 24  # of the path, from its start, pale, to its end


class WrongShape(ValueError):
    """What `field` or `path` returned cannot be drawn."""


class Plane(anywidget.AnyWidget):
    """Arrows, a start to be dragged and the path from there, below the controls; see `plane`.

    What the page draws are traits: one message carries a whole answer, and a page that is opened again has all of it.
    The page says where the start is, and waits with the next place until `answer` repeats which place it was.
    """

    _esm, _css = joined("helpers.js", "plane.js"), joined("theme.css", "plane.css")
    limit = traitlets.Float().tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    start = traitlets.List(traitlets.Float()).tag(sync=True)
    arrows = traitlets.Bytes().tag(sync=True)  # float32 (225, 4): the middle of each arrow, and the arrow as drawn
    points = traitlets.Bytes().tag(sync=True)  # float32 (steps + 1, 2): as much of the path as lies in the picture
    text = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, field, path, controls: dict, *, start=(1.0, 1.0), limit=2.0, labels=("theta", "psi"), says=None,
                 alt=""):  # fmt: skip
        if not number(limit) or not 1e-6 <= limit <= 1e6:
            raise ValueError(f"limit={brief(limit)}: give a number above 0, up to a million; -limit to limit is shown.")
        if not isinstance(labels, list | tuple) or len(labels) != 2 or not all(isinstance(t, str) for t in labels):
            raise ValueError(f"labels={brief(labels)}: give two texts, of the axes.")
        limit = float(limit)
        start = _pair(start, limit)
        self.field = function("field", field, "of points (N, 2) that returns an arrow for each")
        self.path = function("path", path, "of a start (2,) that returns places (T + 1, 2)")
        self.says = says if says is None else function("says", says, "of the path that returns a text")
        self.controls = Controls(controls)
        super().__init__(start=start, limit=limit, labels=list(labels), alt=text("alt", alt))
        self.widget = w.VBox([self.controls.row, self])
        mistake = self.render()
        if isinstance(mistake, WrongShape):
            raise mistake
        self.controls.on_change(self.render)
        self.on_msg(lambda _, content, buffers: self._heard(content))

    def render(self) -> Exception | None:
        """Arrows and path anew; returns the mistake that came of it, which `text` says."""
        with self.hold_sync():
            return self._draw(self._draw_field, self._draw_path)

    def _heard(self, content: dict) -> None:
        """A new start. It is answered whatever comes of it, since the page waits for the answer; if it is one."""
        if not isinstance(content, dict) or not isinstance(content.get("id"), dict):
            return
        with self.hold_sync():
            self.answer = content["id"]
            try:
                self.start = _pair(content.get("start"), self.limit)
            except ValueError as e:  # a page of another version: the start stays
                self.text = str(e)
                return
            self._draw(*[self._draw_path] if self.arrows else [self._draw_field, self._draw_path])

    def _draw(self, *parts) -> Exception | None:
        try:
            for part in parts:
                part()
        except MISTAKES as e:  # a mistake in the caller's functions must be seen, not vanish in a callback
            self.text = f"{type(e).__name__}: {e}"
            return e

    def _draw_field(self) -> None:
        self.arrows = self.points = b""
        spacing = 2 * self.limit / CELLS
        line = (torch.arange(CELLS) + 0.5) * spacing - self.limit
        places = torch.cartesian_prod(line, line)
        arrows = _checked(self.field(places, **self.controls.values), "field", CELLS * CELLS)
        length = arrows.norm(dim=1, keepdim=True)
        drawn = 2 * spacing * arrows / (1 + 2 * length)  # the longest fill a cell, and none reaches into the next
        self.arrows = _bytes(torch.cat([places, drawn], dim=1)[drawn.isfinite().all(dim=1)])

    def _draw_path(self) -> None:
        self.points = b""
        path = self.path(torch.tensor(self.start), **self.controls.values)
        self.points = _bytes(_inside(_checked(path, "path"), self.limit))
        self.text = str(self.says(path, **self.controls.values)) if self.says else ""

    @property
    def words(self) -> str:
        return f"{self.alt} {self.text}".strip() or f"The path of a game from {self.start} in the plane."

    def picture(self) -> bytes:
        """What the page shows, as a PNG."""
        import matplotlib as mpl
        from matplotlib.collections import LineCollection
        from matplotlib.figure import Figure

        with mpl.rc_context():
            plots.style()
            fig = Figure(figsize=(5.2, 5.2))
            ax = fig.add_subplot()
            x, y, u, v = _array(self.arrows, 4).T
            ax.quiver(x, y, u, v, color=plots.GREY, alpha=0.5, pivot="mid", angles="xy", scale_units="xy", scale=1,
                      width=0.004)  # fmt: skip
            path = _array(self.points, 2)
            shades = mpl.colors.LinearSegmentedColormap.from_list("path", ["#CDBEDC", plots.DISC], SHADES)
            time = np.linspace(0, 1, len(path))
            ax.add_collection(LineCollection(np.stack([path[:-1], path[1:]], 1), array=time[1:], cmap=shades, lw=1.6))
            if len(path) <= DOTS + 1:
                ax.scatter(*path[1:].T, c=time[1:], cmap=shades, s=12, vmin=0, vmax=1, zorder=3)
            ax.plot(*self.start, "o", ms=14, mfc="white", mec=plots.DISC, mew=3, zorder=4)
            ax.plot(0, 0, "+", ms=12, mew=2, color="black", zorder=5)
            ax.set(xlim=(-self.limit, self.limit), ylim=(-self.limit, self.limit), aspect="equal",
                   xlabel=self.labels[0], ylabel=self.labels[1])  # fmt: skip
            ax.locator_params(nbins=5)
            return png(fig)

    def _repr_mimebundle_(self, **kwargs):
        """By its name at the end of a cell it comes with its controls."""
        return self.widget._repr_mimebundle_(**kwargs)


def plane(field, path, *, start=(1.0, 1.0), limit=2.0, labels=("theta", "psi"), says=None, alt="", **controls):
    """A game of two numbers in the plane: drag its start with mouse, finger or arrow keys, and see its path at once.

    `field(points, **values)` gives an arrow for each of the points (N, 2); `path(start, **values)` gives the places
    (T + 1, 2) of the game from a start (2,); `says(path, **values)` one line about it. The controls are those of
    `explore`, and their values come by keyword. Returns the widget, a `Plane`. Raises ValueError for a start that
    is not two numbers in the picture, a limit that is not above 0 or beyond a million, what is no function, text or
    control, and for arrows or a path of another shape.
    """
    shown = Plane(field, path, controls, start=start, limit=limit, labels=labels, says=says, alt=alt)
    display_widget(shown.widget, shown.picture(), shown.words)
    return shown


def _pair(start, limit: float) -> list[float]:
    try:
        x, y = map(float, start) if not isinstance(start, str | bytes) else (math.nan, math.nan)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        x = y = math.nan
    if not (abs(x) <= limit and abs(y) <= limit):  # not a number is not within either
        raise ValueError(f"start={brief(start)}: give two numbers from {-limit} to {limit}, such as (1.0, 1.0).")
    return [x, y]


def _checked(result, name: str, rows: int | None = None) -> torch.Tensor:
    """What a function of the caller's returned, as (N, 2) on the CPU."""
    fits = isinstance(result, torch.Tensor) and result.ndim == 2 and result.shape[1] == 2
    if not fits or len(result) != (rows or max(1, len(result))):
        what = f"a tensor {tuple(result.shape)}" if isinstance(result, torch.Tensor) else type(result).__name__
        wanted = f"({rows}, 2), an arrow for each point" if rows else "(T + 1, 2), with its start and T steps"
        raise WrongShape(f"{name} gave {what}: it must return a tensor {wanted}.")
    return result.detach().cpu().float()


def _inside(path: torch.Tensor, limit: float) -> torch.Tensor:
    """The path up to its first place that is not in the picture; its last piece then runs out over the border."""
    out = ~(path.abs() <= limit * (1 + 1e-6)).all(dim=1)  # a float32 on the border may be above the limit
    if not out.any():
        return path
    k = int(out.nonzero()[0])
    if k == 0:
        return path[:0]
    last = path[k].double() - path[k - 1]  # float32 has no square of 1e30
    if not last.isfinite().all():
        return path[:k]
    piece = last * min(1.0, 4 * limit / float(last.norm()))  # far out a canvas draws nothing
    return torch.cat([path[:k], (path[k - 1] + piece)[None]])


def _bytes(x: torch.Tensor) -> bytes:
    return x.contiguous().numpy().astype("<f4").tobytes()


def _array(data: bytes, columns: int) -> np.ndarray:
    return np.frombuffer(data, "<f4").reshape(-1, columns)

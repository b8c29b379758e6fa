"""One picture, updated in place: `show` it, `explore` it with sliders, or `watch` it while a trainer runs.

Nothing here stacks plots: a change replaces the picture. Where no kernel is alive (a web page, print) the stored PNG
and its text stand in the widget's place.
"""

import asyncio
import base64
import html
import io
import math
from numbers import Real
from pathlib import Path

import ipywidgets as w
import numpy as np
from IPython.display import display

from ..inputs import brief, whole

HERE = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
MISTAKES = (Exception, SystemExit)  # of functions that callers give: exit() in one must not end the kernel


# ------------------------------------------------------------------------------------------------ what callers give


def said(e: BaseException, most: int = 300) -> str:
    """An error of somebody's code in one line."""
    try:
        text = " ".join(f"{type(e).__name__}: {e}".split())
    except Exception:  # its text is of their making too
        text = type(e).__name__
    return text if len(text) <= most else f"{text[:most]}..."


def text(name: str, value) -> str:
    """The value. Raises ValueError unless it is a text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}: give a text.")
    return value


def function(name: str, value, what: str):
    """The value. Raises ValueError, which says `what` to give, unless it can be called."""
    if not callable(value):
        raise ValueError(f"{name} is {type(value).__name__}: give a function {what}.")
    return value


def numbers(name: str, value) -> np.ndarray:
    """A tensor, array or nested list as an array. Raises ValueError for what is none."""
    from .. import plots  # which costs the import of torch

    try:
        return plots.array(value)
    except (TypeError, ValueError, RuntimeError) as e:
        why = str(e).partition("\n")[0]
        raise ValueError(f"{name} is {type(value).__name__} and makes no array: {why}") from None


def number(value) -> bool:
    """Whether it is a finite number, and neither True nor False."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


# ------------------------------------------------------------------------------------------------------- one picture


def png(fig, close: bool = True, photo: bool = False) -> bytes:
    """The figure as PNG; closed afterwards, so that pyplot neither shows it again nor keeps it.

    In a palette of 256 colours, which greys pass unchanged and charts with no difference to see, at well under half the
    bytes: a slow line gets its picture sooner. Photographs keep all their colours; small ones, which have few, are not
    known as such: then say `photo`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    if not isinstance(fig, Figure):
        raise ValueError(f"{type(fig).__name__} is no figure of matplotlib: give, or return, the figure.")
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    if not photo and picture.getcolors(2**13):
        # "maximum coverage" keeps the rare colours of a colour scale, which median cut bends
        picture = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    if close:
        import matplotlib.pyplot as plt

        plt.close(fig)
    return buffer.getvalue()


def joined(*parts: str) -> str:
    """The files of this folder, one after the other: the scripts, or the styles, of one page."""
    return "\n".join((HERE / part).read_text(encoding="utf-8") for part in parts)


def text64(data: bytes) -> str:
    """Bytes as a notebook stores them."""
    return base64.b64encode(data).decode()


def titles(fig) -> str:
    """The figure's titles in one line: they state the finding, so they are its text as well."""
    texts = [fig.get_suptitle()] + [ax.get_title(loc=k) for ax in fig.axes for k in ("left", "center", "right")]
    return ". ".join(" ".join(t.split()) for t in texts if t)


def show(fig, alt: str, photo: bool = False) -> None:
    """Display a figure once, with `alt` as the text that stands for it: what it shows, not that it is a figure.

    With `photo` it keeps all its colours: see `png`.
    """
    if not text("alt", alt).strip():
        raise ValueError("a figure needs a text for those who cannot see it: show(fig, alt='what it shows').")
    publish(png(fig, photo=photo), alt)


def publish(picture: bytes, alt: str, handle=None):
    """Display, or put in the place of `handle`, a PNG with its text; returns the handle."""
    bundle, metadata = {"image/png": text64(picture), "text/plain": alt}, {"image/png": {"alt": alt}}
    if handle is None:
        return display(bundle, raw=True, metadata=metadata, display_id=True)
    handle.update(bundle, raw=True, metadata=metadata)
    return handle


def display_widget(widget: w.Widget, picture: bytes, alt: str) -> None:
    """Display a widget; a page without a kernel shows `picture` with `alt` instead."""
    bundle = {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
    bundle |= {"image/png": text64(picture), "text/plain": alt}
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})


def control(name: str, spec) -> w.Widget:
    """A widget as it is; (low, high[, step[, value]]) a slider; a list a menu; a dict of name -> value one too."""
    label = name.replace("_", " ")
    common = {
        "description": label,
        "style": {"description_width": "8em"},
        "layout": w.Layout(width="28em", max_width="98%"),
    }
    if isinstance(spec, w.Widget) and spec.has_trait("value"):
        return spec
    if isinstance(spec, list | dict) and spec:
        try:
            return w.Dropdown(options=spec, **common)
        except Exception as e:  # what cannot be compared, or written out
            raise ValueError(f"{name} is no menu: its choices cannot be told apart ({said(e)}).") from None
    if isinstance(spec, bool):
        return w.Checkbox(value=spec, description=label, indent=False)
    if not isinstance(spec, tuple) or not 2 <= len(spec) <= 4 or not all(map(number, spec)):
        raise ValueError(
            f"{name}={brief(spec)} is no control: give (low, high), (low, high, step), (low, high, step, value) of "
            "numbers, a list or dict of choices, True or False, or an ipywidgets control."
        )
    low, high, step, value = (*spec, *(None, None)[len(spec) - 2 :])
    value = low if value is None else value
    if not low <= value <= high or (step is not None and step <= 0):
        raise ValueError(f"{name}={brief(spec)} is no slider: low <= value <= high and a step above 0.")
    whole = all(isinstance(v, int) for v in spec)
    step = step or (1 if whole else (high - low) / 100 or 1)
    slider = w.IntSlider if whole else w.FloatSlider
    return slider(min=low, max=high, step=step, value=value, **common)


class Controls:
    """Sliders, menus and boxes by their names, of what `control` takes; `row` shows them, `values` are their values."""

    def __init__(self, specs: dict):
        self._by_name = {name: control(name, spec) for name, spec in specs.items()}
        self.row = w.HBox(list(self._by_name.values()), layout=w.Layout(flex_flow="row wrap"))

    def __getitem__(self, name: str) -> w.Widget:
        return self._by_name[name]

    @property
    def values(self) -> dict:
        return {name: each.value for name, each in self._by_name.items()}

    def on_change(self, redraw) -> None:
        """Call `redraw()` after a change; one call serves all changes before it: the latest wins and nothing queues."""
        waiting = False

        def run() -> None:
            nonlocal waiting
            waiting = False
            redraw()

        def changed(_) -> None:
            nonlocal waiting
            if waiting:
                return
            try:
                asyncio.get_running_loop().call_later(0.02, run)
                waiting = True
            except RuntimeError:  # no event loop: a script or a test
                run()

        for each in self._by_name.values():
            each.observe(changed, "value")


class Explorer:
    """Controls above one picture; see `explore`."""

    def __init__(self, draw, controls: dict, alt: str, photo: bool = False):
        self.photo = photo
        self.draw, self.alt = function("draw", draw, "of the controls' values that returns a figure"), text("alt", alt)
        self.controls = Controls(controls)
        self.image = w.Image(format="png", layout=w.Layout(max_width="100%", object_fit="contain"))
        self.text = w.HTML()
        self.widget = w.VBox([self.controls.row, self.image, self.text])
        self.controls.on_change(self.render)
        self.render()

    def render(self) -> None:
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        try:
            fig = self.draw(**self.controls.values)
            self.image.value = png(fig, photo=self.photo)
            words = f"{self.alt} {titles(fig)}".strip()
        except MISTAKES as e:  # a mistake in draw must be seen, not vanish in a callback
            words = f"{type(e).__name__}: {e}"
            for half_drawn in set(plt.get_fignums()) - set(open_before):
                plt.close(half_drawn)
        self.image.alt = words
        self.text.value = f'<div role="status" aria-live="polite">{html.escape(words)}</div>'


def explore(draw, *, alt: str = "", photo: bool = False, **controls) -> Explorer:
    """Sliders that move one picture: `draw(**values)` returns a figure, drawn anew in place at each change.

    A control is (low, high), (low, high, step) or (low, high, step, value) for a slider, a list or dict for a menu,
    True or False for a box to tick, or any ipywidgets control. `draw` looks things up or computes them in a few
    milliseconds; what is slow belongs before it. The figure's titles, after `alt`, are its text; with `photo` it
    keeps all its colours: see `png`. Raises ValueError for a draw that is no function, an alt that is no text, or what
    is no control; what draw raises stands in the widget.
    """
    explorer = Explorer(draw, controls, alt, photo)
    display_widget(explorer.widget, explorer.image.value, explorer.image.alt)
    return explorer


def watch(trainer, *, steps: int | None = None, seconds: float | None = None, every: int = 50, draw=None, photo=False):
    """Run a trainer to its end behind a progress bar; in a notebook, with a live picture from `draw(record)`.

    `draw` returns a figure, whose titles are its text; with `photo` it keeps all its colours: see `png`. An
    interrupt keeps all records, and calling again goes on.
    Returns the trainer. Raises ValueError for what is no trainer, no number or no function, and what `Trainer.run` and
    `draw` raise: ValueError without steps or seconds, Diverged.
    """
    from tqdm import tqdm

    if not callable(getattr(trainer, "run", None)):
        raise ValueError(f"trainer is {type(trainer).__name__}: give a Trainer.")
    if steps is not None:
        whole("steps", steps, 0, 2**53)
    if seconds is not None and not (number(seconds) and seconds >= 0):
        raise ValueError(f"seconds={brief(seconds)} does not fit: give a number, 0 or more.")
    if draw is not None:
        function("draw", draw, "of a record that returns a figure")
    notebook = _in_notebook()
    total = steps if steps is not None else seconds and round(float(seconds), 1)
    bar = tqdm(total=total, unit=" steps" if steps is not None else " s", file=io.StringIO() if notebook else None)
    picture = None
    line = display({"text/plain": str(bar)}, raw=True, display_id=True) if notebook else None
    try:
        for record in trainer.run(steps=steps, seconds=seconds, every=every):
            bar.n = record["step"] if steps is not None else min(round(record["seconds"], 1), total)
            bar.set_postfix({k: f"{v:.3g}" for k, v in record.items() if k not in ("step", "seconds")}, refresh=False)
            if notebook:
                line.update({"text/plain": str(bar)}, raw=True)
                if draw is not None:
                    fig = draw(record)
                    picture = publish(png(fig, photo=photo), titles(fig), picture)
            else:
                bar.refresh()
    except KeyboardInterrupt:
        print(f"Stopped at step {trainer.step}; every record is kept. Run the cell again to go on.")
    finally:
        bar.close()
    return trainer


def _in_notebook() -> bool:
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")

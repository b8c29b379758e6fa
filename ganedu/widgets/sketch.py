"""A pad to draw on, whose picture is answered by the kernel while one draws. `sketch` shows it."""

import base64
import contextlib
import math

import anywidget
import ipywidgets as w
import numpy as np
import torch
import traitlets

from .. import plots
from ..inputs import brief
from ..pixels import check, to_float, to_uint8
from .pictures import MISTAKES, Controls, display_widget, function, joined, number, numbers, png, text

SMALLEST, LARGEST = 28, 64  # pixels along a side of the pad
MOST = 24  # images, or examples, to choose from
ANSWERS, ANSWER_SIDE = 16, 128  # images of an answer, at most, and pixels of their sides
MASK = 0.6  # how much of an image its mask hides


class WrongAnswer(ValueError):
    """What `answer` returned cannot be shown."""


class Sketch(anywidget.AnyWidget):
    """Tools, a pad, what the kernel answers beside it, and examples to start from; see `sketch`.

    The page holds the drawing. It sends all of it, waits with the next one until `reply` repeats which one it was, and
    gets the answer's pixels as they are: at these sizes a PNG would save little, and could not be drawn at once.
    """

    _esm, _css = joined("helpers.js", "ink.js", "sketch.js"), joined("theme.css", "sketch.css")
    size = traitlets.Int().tag(sync=True)
    thickness = traitlets.Float().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)  # uint8 (N, size, size, 3) to paint on; empty: the pad is black
    image_names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    examples = traitlets.Bytes().tag(sync=True)  # uint8 (N, size, size)
    example_names = traitlets.List(traitlets.Unicode()).tag(sync=True)  # "" for those without a name
    drawing = traitlets.Bytes().tag(sync=True)  # uint8 (size, size), as it was last answered
    image = traitlets.Int().tag(sync=True)  # which of the images it lies on
    pictures = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W, C), the answer; empty where there is none
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    reply = traitlets.Dict().tag(sync=True)

    def __init__(self, answer, controls: dict, *, size=28, over=None, examples=None, thickness=1.5, says=None, alt=""):
        function("answer", answer, "from a drawing to an image")
        if says is not None:
            function("says", says, "of what answer returned that gives a text")
        if not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
            raise ValueError(f"size={brief(size)}: the pad takes {SMALLEST} to {LARGEST} pixels along a side.")
        if not number(thickness) or not 1 <= thickness <= size / 4:
            raise ValueError(f"thickness={brief(thickness)}: give 1 to size / 4 = {size / 4:g} pixels of the pad.")
        image_names, self.photos = _photos(over, size)
        example_names, drawings = _examples(examples, size)
        self.answer, self.says = answer, says
        self.controls = Controls(controls)
        pages = b"" if self.photos is None else _pixels(to_uint8(self.photos).expand(-1, 3, -1, -1))
        super().__init__(size=size, thickness=float(thickness), alt=text("alt", alt), drawing=bytes(size**2),
                         images=pages, image_names=image_names,
                         examples=_pixels(drawings), example_names=example_names)  # fmt: skip
        self.widget = w.VBox([self.controls.row, self])
        self._first = self._try(drawings[0] if len(drawings) else _stock(size, filled=over is not None))
        self.controls.on_change(self.render)
        self.on_msg(lambda _, content, buffers: self._heard(content))

    @property
    def ink(self) -> torch.Tensor:
        """The drawing (1, size, size) in [0, 1], as `answer` gets it."""
        return _tensor(self.drawing).view(1, self.size, self.size) / 255

    def render(self) -> None:
        """The answer anew; a mistake that comes of it is said in `text`."""
        with self.hold_sync():
            self._draw()

    def _heard(self, content: dict) -> None:
        """Another drawing. It is answered whatever comes of it, since the page waits for the answer; if it is one."""
        if not isinstance(content, dict) or not isinstance(content.get("id"), dict):
            return
        ink, image = content.get("ink"), content.get("image")
        with self.hold_sync():
            self.reply = content["id"]
            with contextlib.suppress(ValueError):  # what is no drawing is not taken
                drawing = base64.b64decode(ink) if isinstance(ink, str) and len(ink) <= 2 * self.size**2 else b""
                if len(drawing) == self.size**2 and type(image) is int and 0 <= image < max(1, len(self.image_names)):
                    self.drawing, self.image = drawing, image
            self._draw()

    def _draw(self) -> None:
        self.pictures, self.shape, self.text = b"", [], ""
        if not any(self.drawing):
            return
        try:
            made, self.text = self._answered(self.ink)
            self.pictures, self.shape = _pixels(made), [len(made), *made.shape[2:], made.shape[1]]
        except MISTAKES as e:  # a mistake in the caller's functions must be seen, not vanish in a callback
            self.text = f"{type(e).__name__}: {e}"

    def _try(self, drawing: torch.Tensor) -> tuple:
        """(drawing, answer or None, text) before anything is shown; raises WrongAnswer."""
        try:
            return drawing, *self._answered(drawing / 255)
        except WrongAnswer:
            raise
        except MISTAKES as e:
            self.text = f"{type(e).__name__}: {e}"
            return drawing, None, self.text

    @torch.no_grad()
    def _answered(self, ink: torch.Tensor) -> tuple[torch.Tensor, str]:
        """uint8 (N, C, H, W), and the words about it."""
        inputs = (ink,) if self.photos is None else (ink, self.photos[self.image].clone())
        returned = self.answer(*inputs, **self.controls.values)
        made = _checked(returned)
        return made, str(self.says(returned, *inputs, **self.controls.values)) if self.says else ""

    def _shown(self) -> tuple:
        """(drawing uint8 (1, size, size), answer uint8 (N, C, H, W) or None, text) of the page, or of the example."""
        if not any(self.drawing):
            return self._first
        n, height, width, channels = self.shape or (0, 1, 1, 1)
        made = _tensor(self.pictures).view(n, height, width, channels)
        return (self.ink * 255).round().to(torch.uint8), made.permute(0, 3, 1, 2) if n else None, self.text

    @property
    def words(self) -> str:
        over = self.photos is not None
        general = "A mask painted on an image, and the answer to it." if over else "A drawing, and the answer to it."
        return f"{self.alt or general} {self._shown()[2]}".strip()

    def picture(self) -> bytes:
        """The drawing and its answer side by side, as a PNG; of the first example as long as nothing is drawn."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        drawing, made, _ = self._shown()
        page = drawing.expand(3, -1, -1)
        if self.photos is not None:
            share = MASK * drawing / 255
            colour = torch.tensor(mpl.colors.to_rgb(plots.FAKE)).view(3, 1, 1) * 255
            page = ((1 - share) * to_uint8(self.photos[self.image]) + share * colour).round().to(torch.uint8)
        with mpl.rc_context():
            plots.style()
            fig = Figure(figsize=(7.2, 3.9))
            left, right = fig.subplots(1, 2)
            plots.images(left, page[None], 1, "The drawing" if self.photos is None else "The image and its mask")
            right.set_axis_off()
            if made is not None:
                gap = (len(made) > 1) * max(1, made.shape[-1] // 24)
                made = torch.nn.functional.pad(made, (gap,) * 4, value=255)
                plots.images(right, made, math.ceil(math.sqrt(len(made))), "The answer")
            return png(fig, photo=self.photos is not None)

    def _repr_mimebundle_(self, **kwargs):
        """By its name at the end of a cell it comes with its controls."""
        return self.widget._repr_mimebundle_(**kwargs)


def sketch(answer, size=28, *, over=None, examples=None, thickness=1.5, says=None, alt="", **controls) -> Sketch:
    """A pad to draw on with mouse, finger, pen or keys, and beside it what `answer` makes of the drawing, at once.

    `answer(ink, **values)` gets the drawing as floats (1, size, size) in [0, 1] and returns an image (C, H, W), or up
    to 16 of them (N, C, H, W), in [-1, 1] with 1 or 3 channels and sides up to 128; it runs without gradients, and not
    for an empty drawing. With `over`, an image (C, size, size) or a list or dict of them, uint8 or floating in [-1, 1],
    the ink is a mask painted on the chosen one, and it is `answer(ink, image, **values)`, image in [-1, 1].
    `examples` are drawings to start from: a dict name -> (1, size, size), or a tensor (N, 1, size, size), uint8, bool
    or floating in [0, 1]. `thickness` is the pen's at first, in pixels of the pad. `says(answer, ink, **values)`, or
    `says(answer, ink, image, **values)`, gives a line about what `answer` returned. The controls are those of
    `explore`, and their values come by keyword. `answer` is tried on the first example before anything is shown; that
    picture stands where no kernel is alive. Returns the widget, a `Sketch`: its `ink` is the drawing. Raises ValueError
    for whatever does not fit.
    """
    shown = Sketch(answer, controls, size=size, over=over, examples=examples, thickness=thickness, says=says, alt=alt)
    display_widget(shown.widget, shown.picture(), shown.words)
    return shown


# ------------------------------------------------------------------------------------------------ what the page needs


def _photos(over, size: int) -> tuple[list[str], torch.Tensor | None]:
    """Names, and images (N, C, size, size) in [-1, 1], or None."""
    if over is None:
        return [], None
    single = not isinstance(over, dict | list | tuple) and numbers("over", over).ndim in (2, 3)
    names, images = _named([over] if single else over, "over", "an image (C, size, size), or a list or dict of them")
    for name, x in zip(names, images, strict=True):
        if x.shape != images[0].shape or x.shape not in [(c, size, size) for c in (1, 3)]:
            raise ValueError(f"{name} is {x.shape}: give (1 or 3, {size}, {size}), as the pad is, all alike.")
        check(x, x.shape, name=name, least=0, of=np.ndarray)
    photos = [to_float(torch.tensor(x).float()) if x.dtype == np.uint8 else torch.tensor(x).float() for x in images]
    return _written(over, names), torch.stack(photos)


def _examples(examples, size: int) -> tuple[list[str], torch.Tensor]:
    """Names, and drawings (N, 1, size, size) uint8; N is 0 where there are none."""
    if examples is None:
        return [], torch.zeros(0, 1, size, size, dtype=torch.uint8)
    wanted = f"a dict of drawings (1, {size}, {size}), or a tensor (N, 1, {size}, {size})"
    names, drawings = _named(examples, "examples", wanted)
    for name, x in zip(names, drawings, strict=True):
        if x.shape != (1, size, size):
            raise ValueError(f"{name} is {x.shape}: give {wanted}.")
        if x.dtype not in (np.uint8, bool) and not (x.dtype.kind == "f" and ((x >= 0) & (x <= 1)).all()):
            raise ValueError(f"{name} is {x.dtype} and must be ink: uint8, bool or floating in [0, 1]. An image in "
                             "[-1, 1] becomes ink by (x + 1) / 2.")  # fmt: skip
        if not x.any():
            raise ValueError(f"{name} is empty: an example needs ink.")
    ink = [x if x.dtype == np.uint8 else (x * 255.0).round().astype(np.uint8) for x in drawings]
    return _written(examples, names), torch.tensor(np.stack(ink))


def _named(images, what: str, wanted: str) -> tuple[list[str], list[np.ndarray]]:
    """What a mistake calls each of the images, and the images."""
    kind, keys = type(images).__name__, list(images) if isinstance(images, dict) else None
    images = list(images.values()) if keys is not None else images
    if not isinstance(images, list | tuple) and (images := numbers(what, images)).ndim == 0:
        raise ValueError(f"{what} is {kind}: give {wanted}.")
    if not 1 <= len(images) <= MOST:
        raise ValueError(f"{what} holds {len(images)} images: give 1 to {MOST} to choose from.")
    keys = range(len(images)) if keys is None else keys
    names = [f"{what}[{key!r}]" for key in keys]
    return names, [numbers(name, image) for name, image in zip(names, images, strict=True)]


def _written(images, names: list[str]) -> list[str]:
    """The names that the page writes: a dict's own, else none."""
    return [str(key) for key in images] if isinstance(images, dict) else [""] * len(names)


def _stock(size: int, filled: bool) -> torch.Tensor:
    """A disc, or a ring, in the middle of the pad: tried where there is no example."""
    line = torch.arange(size) - (size - 1) / 2
    far = torch.hypot(line[:, None], line) / size
    return ((far < 0.2) if filled else ((far - 0.3).abs() < 0.03)).to(torch.uint8)[None] * 255


def _checked(x) -> torch.Tensor:
    """What `answer` returned, as uint8 (N, C, H, W) on the CPU."""
    what = f"a tensor {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
    x = x[None] if isinstance(x, torch.Tensor) and x.ndim == 3 else x
    fits = isinstance(x, torch.Tensor) and x.ndim == 4 and 1 <= len(x) <= ANSWERS and x.shape[1] in (1, 3)
    if not fits or not 1 <= min(x.shape[2:]) <= max(x.shape[2:]) <= ANSWER_SIDE:
        raise WrongAnswer(f"answer gave {what}: it must return an image (C, H, W), or 1 to {ANSWERS} of them "
                          f"(N, C, H, W), with 1 or 3 channels and sides up to {ANSWER_SIDE}.")  # fmt: skip
    try:
        check(x, name="what answer gave", kinds=("float",))
    except ValueError as e:
        raise WrongAnswer(str(e)) from None
    return to_uint8(x.detach().cpu())


def _tensor(data: bytes) -> torch.Tensor:
    return torch.tensor(np.frombuffer(data, np.uint8))


def _pixels(x: torch.Tensor) -> bytes:
    """(N, C, H, W) as the page reads it: (N, H, W, C)."""
    return x.permute(0, 2, 3, 1).contiguous().numpy().tobytes()

"""A map of images: point at a dot, and see its image and those that lie nearest to it. `image_map` shows it."""

import io
import math
from collections.abc import Iterable
from numbers import Integral

import anywidget
import numpy as np
import traitlets

from .. import plots
from ..inputs import brief
from ..pixels import check
from .pictures import display_widget, joined, numbers, png, text

MOST, LARGEST, NEAREST = 2_500, 64, 12  # images, pixels of their sides, neighbours of each
THUMB, THUMBS = 0.046, 150  # in a page without kernel: side of the images drawn on the map, whose own is 1; at most
# Colours of classes, (on light, on dark): Okabe and Ito's six that can be seen on white, and four more. To no eye, of
# the three colour-blindnesses too, are two of the ten more alike than the two most alike of those six.
COLOURS = (
    ("#0072B2", "#5966A1"), ("#D55E00", "#F93500"), ("#009E73", "#21A285"), ("#CC79A7", "#AF8DDF"),
    ("#E69F00", "#FF951F"), ("#56B4E9", "#4FDEBF"), ("#5B2C9F", "#CA25FF"), ("#1B1B1F", "#D5FFF3"),
    ("#8B1A1A", "#A63D50"), ("#B2AF7E", "#FFDB1B"),
)  # fmt: skip


class ImageMap(anywidget.AnyWidget):
    """Images as dots on one or more maps, each image to be looked at with its neighbours; see `image_map`.

    The page gets everything at once, as traits, and asks for nothing: a map stays alive when its kernel has gone.
    """

    _esm, _css = joined("helpers.js", "image_map.js"), joined("theme.css", "image_map.css")
    sheet = traitlets.Bytes().tag(sync=True)  # a PNG of all images in rows, from left to right
    columns = traitlets.Int().tag(sync=True)  # images in a row of it
    size = traitlets.List(traitlets.Int()).tag(sync=True)  # height and width of an image
    maps = traitlets.List(traitlets.Unicode()).tag(sync=True)  # their names
    places = traitlets.Bytes().tag(sync=True)  # float32 (maps, N, 2) in 0 to 1
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)  # of the classes; empty without labels
    labels = traitlets.Bytes().tag(sync=True)  # uint8 (N,)
    k = traitlets.Int().tag(sync=True)  # neighbours of an image; 0: none are shown
    neighbours = traitlets.Bytes().tag(sync=True)  # uint16 (maps, N, k)
    colours = traitlets.List(traitlets.List(traitlets.Unicode()), [list(c) for c in COLOURS]).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self, x, places: dict, labels=None, names=None, *, neighbours: dict | None = None, alt=""):
        text("alt", alt)
        sheet, columns, n, size = _sheet(x)
        if not isinstance(places, dict) or not places:
            raise ValueError("places must be a dict with one map or more: its name -> the images' places (N, 2).")
        maps = [_scaled(name, p, n) for name, p in places.items()]
        labels, names = _classes(labels, names, n)
        near = _neighbours(neighbours, places, n)
        super().__init__(sheet=sheet, columns=columns, size=size, maps=[str(name) for name in places],
                         places=np.stack(maps).astype("<f4").tobytes(), labels=labels.tobytes(), names=names,
                         neighbours=near.astype("<u2").tobytes(), k=near.shape[-1], alt=alt)  # fmt: skip

    def _first(self) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """The first map: places (N, 2), labels (N,), and the images that have room to be drawn on it."""
        labels = np.frombuffer(self.labels, "u1")
        places = np.frombuffer(self.places, "<f4").reshape(-1, len(labels), 2)[0]
        return places, labels, thinned(places, 1.1 * THUMB, THUMBS)

    @property
    def words(self) -> str:
        places, _, drawn = self._first()
        classes = f", coloured by class: {', '.join(self.names)}" if self.names else ""
        return (
            f"{self.alt} A map of {len(places):,} images by {self.maps[0]}, each a dot{classes}; {len(drawn)} of the "
            "images are drawn at their places."
        ).strip()

    def picture(self) -> bytes:
        """The first map, with as many images on it as have room, as a PNG."""
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from PIL import Image

        places, labels, drawn = self._first()
        sheet, (height, width) = np.asarray(Image.open(io.BytesIO(self.sheet))), self.size
        colours, half = np.array([light for light, _ in COLOURS])[labels], THUMB / 2 / max(self.size)
        with mpl.rc_context():
            plots.style()
            fig = Figure(figsize=(7.2, 7.8))
            ax = fig.add_subplot()
            shuffled = np.random.default_rng(0).permutation(len(places))  # no class lies over all others
            ax.scatter(*places[shuffled].T, s=14, c=colours[shuffled], lw=0)
            for i in drawn:
                row, column = i // self.columns * height, i % self.columns * width
                left, low = places[i] - half * np.array([width, height])
                right, top = places[i] + half * np.array([width, height])
                ax.imshow(sheet[row : row + height, column : column + width], cmap="gray", vmin=0, vmax=255,
                          extent=(left, right, low, top), zorder=2)  # fmt: skip
                frame = {"fill": False, "lw": 1.8, "ec": colours[i], "zorder": 3}
                ax.add_patch(mpl.patches.Rectangle((left, low), right - left, top - low, **frame))
            ax.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xticks=[], yticks=[], aspect="equal", title=self.maps[0])
            ax.spines[:].set(visible=True, color="#D6D6DE")
            handles = [mpl.lines.Line2D([], [], ls="", marker="o", color=COLOURS[c][0], label=self.names[c])
                       for c in np.unique(labels) if self.names]  # fmt: skip
            fig.legend(handles=handles, loc="outside lower center", ncols=5, handletextpad=0.1, columnspacing=1)
            return png(fig)


def image_map(x, places: dict, labels=None, names=None, *, neighbours: dict | None = None, alt="") -> ImageMap:
    """Images as dots on a map: point at one, and see it large, with its nearest neighbours and what they are.

    `x` are 2 to 2,500 images (N, C, H, W) with 1 or 3 channels, uint8 or floating in [-1, 1], sides up to 64. `places`
    holds by name one or more maps of them, (N, 2) each, and each is scaled into the picture by itself, equally in both
    directions; a button in the page chooses the map, and the dots glide there. `labels` (N,) are classes, 0 to 9, which
    give the dots their colours, and `names` what they are called. `neighbours` holds for each map, under its name, the
    indices (N, k) of each image's neighbours, the nearest first and itself not among them; those of another class are
    framed. Mouse, finger or arrow keys mark a dot; its number, in the words below, is its index in x. Returns the
    widget, an `ImageMap`. Raises ValueError for whatever does not fit, before anything is shown.
    """
    shown = ImageMap(x, places, labels, names, neighbours=neighbours, alt=alt)
    display_widget(shown, shown.picture(), shown.words)
    return shown


def thinned(places: np.ndarray, gap: float, most: int) -> list[int]:
    """Indices of up to `most` of the places (N, 2), no two nearer than `gap` in both directions.

    The one in the middle comes first, and then always the one farthest from all before.
    """
    chosen = [int(np.abs(places - 0.5).max(1).argmin())]
    far = np.abs(places - places[chosen[0]]).max(1)
    while far.max() >= gap and len(chosen) < most:
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.abs(places - places[chosen[-1]]).max(1))
    return chosen


# ------------------------------------------------------------------------------------------------ what the page needs


def _sheet(x) -> tuple[bytes, int, int, list[int]]:
    """(PNG of all images, images in a row of it, number of images, [height, width])."""
    from PIL import Image

    x = numbers("x", x)
    if x.ndim == 4 and not 2 <= len(x) <= MOST:
        raise ValueError(f"{len(x):,} images: a map takes 2 to {MOST:,}; choose some, such as x[:2000].")
    columns = max(1, math.ceil(math.sqrt(x.shape[0] if x.ndim else 0)))
    check(x, ("N", (1, 3), "H", "W"), of=np.ndarray)
    page = plots.tile(x, columns)
    if not 1 <= min(x.shape[2:]) <= max(x.shape[2:]) <= LARGEST:
        raise ValueError(f"images of {x.shape[2]} x {x.shape[3]} pixels: sides from 1 to {LARGEST} fit beside the map.")
    Image.fromarray(page).save(buffer := io.BytesIO(), format="png")
    return buffer.getvalue(), columns, len(x), list(x.shape[2:])


def _scaled(name, places, n: int) -> np.ndarray:
    """Places (N, 2) moved and shrunk, equally in both directions, into the square from 0 to 1."""
    places = numbers(f"places[{name!r}]", places)
    if places.shape != (n, 2) or places.dtype.kind not in "fiu":
        raise ValueError(f"places[{name!r}] is {places.dtype} {places.shape}: give a point for each image, ({n}, 2).")
    if not np.isfinite(places).all():
        raise ValueError(f"places[{name!r}] holds NaN or infinity: every image needs a place.")
    places = places.astype(float) / (np.abs(places.astype(float)).max() or 1.0)  # 1e308 has no double
    low, high = places.min(0), places.max(0)
    return 0.5 + (places - (low + high) / 2) / ((high - low).max() or 1.0)


def _classes(labels, names, n: int) -> tuple[np.ndarray, list[str]]:
    """Labels (N,) as uint8, and a name for each class; without labels all are 0 and there is no name."""
    names = () if names is None else [*names] if isinstance(names, Iterable) else names
    if not isinstance(names, Iterable) or not all(isinstance(name, str | Integral) for name in names):
        raise ValueError(f"names={brief(names)} must be what the classes are called: one text each.")
    names = [str(name) for name in names]
    if labels is None:
        if names:
            raise ValueError("names without labels: give the class of each image too, labels (N,).")
        return np.zeros(n, "u1"), []
    labels = numbers("labels", labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels are {labels.dtype} {labels.shape}: give a whole number for each image, ({n},).")
    names = names or [str(c) for c in range(min(int(labels.max()), len(COLOURS)) + 1)]
    if len(names) > len(COLOURS):
        raise ValueError(f"{len(names)} classes: the eye tells {len(COLOURS)} colours apart. Put some together.")
    if not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}, but must lie in 0 to {len(names) - 1}.")
    return labels.astype("u1"), names


def _neighbours(neighbours, places: dict, n: int) -> np.ndarray:
    """Indices (maps, N, k), the maps in the order of `places`; k is 0 where there are none."""
    if neighbours is None:
        return np.zeros((len(places), n, 0), int)
    if not isinstance(neighbours, dict) or set(neighbours) != set(places):
        what = sorted(map(str, neighbours)) if isinstance(neighbours, dict) else type(neighbours).__name__
        raise ValueError(f"neighbours are {what}: give a dict with the names of places, {sorted(map(str, places))}.")
    near = {name: numbers(f"neighbours[{name!r}]", neighbours[name]) for name in places}
    for name, index in near.items():
        if index.ndim != 2 or len(index) != n or not 1 <= index.shape[1] <= NEAREST or index.dtype.kind not in "iu":
            raise ValueError(f"neighbours[{name!r}] is {index.dtype} {index.shape}: give indices, "
                             f"({n}, 1 to {NEAREST}).")  # fmt: skip
        if not 0 <= index.min() <= index.max() < n:
            raise ValueError(f"neighbours[{name!r}] go from {index.min()} to {index.max()}: give 0 to {n - 1}.")
        if (index == np.arange(n)[:, None]).any():
            raise ValueError(f"neighbours[{name!r}] hold an image among its own neighbours: leave it out.")
    if len({index.shape for index in near.values()}) > 1:
        raise ValueError("neighbours must be as many in every map: what is compared has the same k.")
    return np.stack(list(near.values()))

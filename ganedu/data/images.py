"""Images: one uint8 tensor with labels, class names and a held-out part; a batch is an index where the tensor lives.

digits and fashion are shipped and need no network; mnist70k and fashion70k are fetched once; shapes are computed; a
path to a folder gives anybody's images. Densities of points are in `ganedu.toys.densities`.
"""

import contextlib
import lzma
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .. import ASSETS
from ..inputs import one_of
from ..pixels import check, check_size, resize, to_channels, to_float
from . import fetch, shapes
from .folders import read_folder

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Images:
    """Images x (N, C, H, H) uint8 with labels (N,) int64, and as x_test, labels_test those held out from training.

    `class_names` is empty where there are no classes; then labels are 0. `factors` (shapes only) holds the ground truth
    by name, each with N rows; `factors_test` that of the held-out images. `digest` (a folder's only) tells two
    folders apart: SHA-256 of the names and bytes of all files, and of how they were split.
    Raises ValueError when the parts don't fit each other.
    """

    name: str
    x: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    x_test: Tensor = field(repr=False)
    labels_test: Tensor = field(repr=False)
    class_names: tuple[str, ...] = ()
    factors: dict[str, Tensor] | None = field(default=None, repr=False)
    factors_test: dict[str, Tensor] | None = field(default=None, repr=False)
    digest: str = field(default="", repr=False)

    def __post_init__(self):
        check(self.x, ("N", "C", "H", "H"), name="x", least=0, kinds=("uint8",))
        check(self.x_test, ("N", *self.x.shape[1:]), name="x_test, like x,", least=0, kinds=("uint8",))
        for what, x, labels in (("x", self.x, self.labels), ("x_test", self.x_test, self.labels_test)):
            if labels.shape != x.shape[:1] or labels.dtype != torch.int64:
                raise ValueError(f"{what} has {len(x)} images, but labels are {tuple(labels.shape)} {labels.dtype}.")
            top = max(1, self.n_classes) - 1
            if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) <= top):
                raise ValueError(f"labels of {what} must lie in 0 to {top}, the index of a class name.")
        if not len(self.x):
            raise ValueError(f"{self.name} holds no image to train on.")

    def __len__(self) -> int:
        """Number of images to train on."""
        return len(self.x)

    @property
    def image_size(self) -> int:
        return self.x.shape[-1]

    @property
    def channels(self) -> int:
        return self.x.shape[1]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n training images, drawn with replacement: (n, C, H, H) float32 in [-1, 1], on the tensor's device."""
        return to_float(self.x.index_select(0, self._index(n, generator)))

    def sample_labelled(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(images, labels (n,)): as `sample`, with the class of each. Equal random numbers give the same images."""
        index = self._index(n, generator)
        return to_float(self.x.index_select(0, index)), self.labels[index]

    def _index(self, n: int, generator: torch.Generator | None) -> Tensor:
        # for index_select, which copies whole images: ten times as fast on a CPU as x[index]
        device = self.x.device if generator is None else generator.device
        return torch.randint(len(self.x), (n,), generator=generator, device=device).to(self.x.device)

    def to(self, device) -> "Images":
        """The same on another device: all of it, once, so that no batch is ever transferred."""
        return self._map(lambda t, test: t.to(device))

    def only(self, *classes: int | str) -> "Images":
        """The images of these classes, given by index or name; labels then count from 0 in the order given.

        Raises ValueError for a class that there isn't, or twice the same.
        """
        chosen = [self._class_index(c) for c in classes]
        if not chosen or len(set(chosen)) < len(chosen):
            raise ValueError(f"only{classes} does not fit: give one or more classes, each once.")
        new = torch.full((self.n_classes,), -1, device=self.labels.device)
        new[torch.tensor(chosen)] = torch.arange(len(chosen), device=new.device)
        keep = {False: new[self.labels] >= 0, True: new[self.labels_test] >= 0}
        return self._map(lambda t, test: t[keep[test]], class_names=tuple(self.class_names[c] for c in chosen),
                         labels=new[self.labels], labels_test=new[self.labels_test])  # fmt: skip

    def _class_index(self, c: int | str) -> int:
        if c in self.class_names:
            return self.class_names.index(c)
        if isinstance(c, str) or not 0 <= c < self.n_classes:
            names = ", ".join(f"{i} {name}" if name != str(i) else name for i, name in enumerate(self.class_names))
            raise ValueError(f"{self.name} has no class {c!r}: choose from {names or 'none; it has no classes'}.")
        return int(c)

    def _map(self, f, **changed) -> "Images":
        """f(tensor, whether it is held out) applied to all tensors; `changed` replaces fields before."""
        parts = {k: changed.get(k, getattr(self, k)) for k in ("x", "labels", "x_test", "labels_test")}
        done = {k: f(t, k.endswith("_test")) for k, t in parts.items()}
        for k in ("factors", "factors_test"):
            held = getattr(self, k)
            done[k] = held and {name: f(t, k.endswith("_test")) for name, t in held.items()}
        return replace(self, **{**changed, **done})


# ------------------------------------------------------------------------------------------------ loading


def load(name: str | Path, image_size: int | None = None, channels: int | None = None, **options) -> Images:
    """The data set of that name, or the images in a folder; in its own size and channels unless given.

    - "digits": 4,000 MNIST digits and 1,000 held out, 28 x 28, grey. Shipped. LeCun, Cortes, Burges 1998.
    - "fashion": 10,000 of Fashion-MNIST's clothes and 2,000 held out, 28 x 28, grey. Shipped. Xiao et al. 2017.
    - "mnist70k", "fashion70k": all of either, 60,000 and 10,000 held out. From the cache or, fashion70k, from Debian's
      package dataset-fashion-mnist; otherwise fetched once (12 and 31 MB), verified and kept in the cache.
    - "shapes": computed colour images with known factors (`ganedu.data.shapes`), 32 x 32 or any size at once.
      Options: n=10_000, n_test=2_000, seed=0.
    - a path: the images in that folder, 32 x 32 unless given (`ganedu.data.folders.read_folder`). Options:
      held_out=0.1, seed=0. A folder named like a data set is reached as "./digits".

    Raises ValueError for an unknown name (with the nearest one), a size outside 8..256, channels other than 1 and 3, or
    options that this data set does not have; FileNotFoundError for a folder without images; ConnectionError offline.
    """
    if image_size is not None:
        check_size(image_size)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels={channels!r} does not fit: 1 is grey, 3 is RGB.")
    name = located(name)
    if name not in NAMES:
        _check_options(name, options, "held_out", "seed")
        x, labels, x_test, labels_test, names, digest = read_folder(name, image_size or 32, channels, **options)
        return Images(name.name, x, labels, x_test, labels_test, names, digest=digest)
    if name == "shapes":
        _check_options(name, options, "n", "n_test", "seed")
        images = _shapes(image_size or 32, **options)
    else:
        _check_options(name, options)
        images = _shipped(name) if name in SHIPPED else _full(name)
    size, c = image_size or images.image_size, channels or images.channels
    if (size, c) == (images.image_size, images.channels):
        return images
    return replace(images, **{k: to_channels(resize(getattr(images, k), size), c) for k in ("x", "x_test")})


def located(name: str | Path) -> str | Path:
    """The name of a data set as it is; that of a folder as its absolute path.

    Raises ValueError for a name that is neither, with the nearest one; FileNotFoundError where there is no such folder.
    """
    if name in NAMES or not isinstance(name, str | Path):
        one_of(name, NAMES, "data set or folder")
        return name
    if not str(name).strip() or "\0" in str(name):
        raise ValueError(
            f"data={str(name)!r} is no name: give {', '.join(NAMES)}, or a folder of images, . for this one."
        )
    with contextlib.suppress(RuntimeError, OSError):  # a user who doesn't exist, a link that leads to itself
        folder = Path(name).expanduser().resolve()
        if folder.is_dir():
            return folder
    if isinstance(name, Path) or any(sign in name for sign in "/\\.~"):
        raise FileNotFoundError(f"there is no folder {name}: give a folder of images, or {', '.join(NAMES)}.")
    one_of(name, NAMES, "data set or folder")


def _check_options(name, options: dict, *allowed: str) -> None:
    for option in options:
        if option not in allowed:
            raise ValueError(f"{name} has no option {option!r}: it takes {', '.join(allowed) or 'none'}.")


SHIPPED = {"digits": (4000, DIGITS), "fashion": (10_000, CLOTHES)}  # how many to train on; the rest is held out
FULL = {"mnist70k": DIGITS, "fashion70k": CLOTHES}
NAMES = (*SHIPPED, *FULL, "shapes")


def _shipped(name: str) -> Images:
    n_train, class_names = SHIPPED[name]
    with lzma.open(ASSETS / "data" / f"{name}.idx.xz") as f:
        x, labels = (_tensor(fetch.read_idx(f)) for _ in range(2))
    return _grey(name, x[:n_train], labels[:n_train], x[n_train:], labels[n_train:], class_names)


def _full(name: str) -> Images:
    return _grey(name, *(_tensor(a) for a in fetch.arrays(name)), FULL[name])


def _tensor(array) -> Tensor:
    return torch.tensor(array)  # a copy, since arrays over bytes are read-only


def _grey(name: str, x: Tensor, labels: Tensor, x_test: Tensor, labels_test: Tensor, class_names) -> Images:
    return Images(name, x[:, None], labels.long(), x_test[:, None], labels_test.long(), class_names)


def _shapes(image_size: int, n: int = 10_000, n_test: int = 2_000, seed: int = 0) -> Images:
    generator = torch.Generator().manual_seed(seed)
    factors, factors_test = shapes.draw_factors(n, generator), shapes.draw_factors(n_test, generator)
    x, x_test = (shapes.render(f, image_size) for f in (factors, factors_test))
    return Images("shapes", x, factors["shape"], x_test, factors_test["shape"], shapes.SHAPES, factors, factors_test)


# ------------------------------------------------------------------------------------------------ what there is


class Row(NamedTuple):
    """One data set: how many images (0: any number), their size, where they are, bytes there or to download."""

    name: str
    images: int
    size: str
    where: str
    bytes: int

    def __str__(self) -> str:
        count = f"{self.images:,}" if self.images else "any number"
        volume = f" ({self.bytes / 1e6:.1f} MB)" if self.bytes else ""
        return f"{self.name:<11} {count:>10}  {self.size:<20} {self.where}{volume}"


def available() -> list[Row]:
    """All data sets by name, with where each is now, or what would be downloaded; nothing is loaded."""
    rows = []
    for name, images in (("digits", 5000), ("fashion", 12_000)):
        path = ASSETS / "data" / f"{name}.idx.xz"
        rows.append(Row(name, images, "28 x 28, grey", f"shipped: {path}", path.stat().st_size))
    for name in FULL:
        place = fetch.where(name)
        size = sum((place / f).stat().st_size for f in fetch.FILES) if place else fetch.SOURCES[name].bytes
        text = f"on disk: {place}" if place else f"not here yet: to {fetch.cache_folder() / name} when first loaded"
        rows.append(Row(name, 70_000, "28 x 28, grey", text, size))
    rows.append(Row("shapes", 0, "8 to 256, colour", "computed", 0))
    rows.append(Row("FOLDER", 0, "8 to 256, any", "your images, in any format that Pillow reads", 0))
    return rows

"""Colour photographs: those inside scikit-image, cut into patches, and anybody's own."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..inputs import one_of, whole
from ..pixels import to_float
from . import Images
from .folders import read_image

PHOTOS = ("astronaut", "coffee", "rocket", "chelsea")  # no network is needed for these
TEXTURES = {"brick": "brick", "grass": "grass", "gravel": "gravel", "tissue": "immunohistochemistry"}


def photo(name: str, side: int = 128) -> Tensor:
    """One of PHOTOS, (3, H, W) uint8, shrunk so that its shorter side has `side` pixels. Needs no network.

    From scikit-image: astronaut (NASA) and rocket (SpaceX) are in the public domain, coffee (Rachel Michetti) and
    chelsea (Stefan van der Walt) under CC0. Raises ValueError for another name (with the nearest), or a side outside
    32 to 300.
    """
    import skimage.data

    one_of(name, PHOTOS, "photograph")
    if not isinstance(side, int) or not 32 <= side <= 300:
        raise ValueError(f"side={side!r} does not fit: give a whole number of pixels from 32 to 300.")
    x = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None].float()
    size = [round(s * side / min(x.shape[2:])) for s in x.shape[2:]]
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)[0].round().to(torch.uint8)


def texture(name: str, side: int = 256) -> Tensor:
    """One of TEXTURES, (C, side, side) uint8, grey (C = 1) but for the stained tissue (C = 3). Needs no network.

    From scikit-image: brick and gravel (CC0Textures) and grass (linolafett) under CC0, tissue (Center for Microscopy
    and Molecular Imaging) without known restrictions. Raises ValueError for another name (with the nearest), or a side
    outside 32 to 512.
    """
    import skimage.data

    one_of(name, tuple(TEXTURES), "texture")
    whole("side", side, 32, 512)
    x = torch.from_numpy(getattr(skimage.data, TEXTURES[name])())
    x = x[None, None] if x.ndim == 2 else x.permute(2, 0, 1)[None]
    return F.interpolate(x.float(), size=(side, side), mode="bilinear", antialias=True)[0].round().to(torch.uint8)


def photo_patches(held_out: str = "chelsea", size: int = 32, n: int = 3000, n_test: int = 200, seed: int = 0) -> Images:
    """Square patches of three photographs, turned and mirrored by chance; held out, patches of the fourth, upright.

    (n, 3, size, size) uint8 from anywhere in pages whose shorter side is 128 pixels; labels are the number of the
    photograph in PHOTOS. Raises ValueError as `photo`, and for a size outside 8 to 128.
    """
    one_of(held_out, PHOTOS, "photograph")
    if not isinstance(size, int) or not 8 <= size <= 128 or min(n, n_test) < 1:
        raise ValueError(f"size={size!r}, n={n}, n_test={n_test} do not fit: 8 to 128 pixels, and 1 patch or more.")
    pages, generator = {name: photo(name) for name in PHOTOS}, torch.Generator().manual_seed(seed)

    def below(n: int) -> int:
        return int(torch.randint(n, (1,), generator=generator))

    def cut(name: str) -> Tensor:
        top, left = (below(s - size + 1) for s in pages[name].shape[1:])
        return pages[name][:, top : top + size, left : left + size]

    known = [name for name in PHOTOS if name != held_out]
    of = [known[i % len(known)] for i in range(n)]
    x = [cut(name).rot90(below(4), (1, 2)) for name in of]
    x = torch.stack([patch.flip(2) if below(2) else patch for patch in x])
    x_test = torch.stack([cut(held_out) for _ in range(n_test)])
    labels, labels_test = torch.tensor([PHOTOS.index(k) for k in of]), torch.full((n_test,), PHOTOS.index(held_out))
    return Images(f"patches without {held_out}", x, labels, x_test, labels_test, PHOTOS)


def read_photo(path: str | Path, size: int = 96, channels: int = 3) -> Tensor:
    """Anybody's photograph (1, channels, size, size) in [-1, 1]: upright, the middle square of it, resized.

    Of any size, mode and orientation that Pillow reads. Raises FileNotFoundError, or ValueError for what is no picture.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give the path of a photograph.")
    if not isinstance(size, int) or not 8 <= size <= 1024 or channels not in (1, 3):
        raise ValueError(f"size={size!r}, channels={channels!r} do not fit: 8 to 1024 pixels; 1 is grey, 3 is RGB.")
    try:
        x = read_image(path, size, {1: "L", 3: "RGB"}[channels])
    except Exception as e:  # decoders of forty formats fail in many ways; whichever, this is no picture
        raise ValueError(f"{path.name} is no picture that can be read: {e}") from e
    return to_float(x[None])

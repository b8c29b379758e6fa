"""Pixels: what images are, uint8 and float, grey and RGB, another size."""

import sys
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import interpolate

# What may lie beyond -1 and 1 by rounding. After 1 comes 1 + 2^-10 in float16; float32 is off by a thousandth of that
# after x / 127.5 - 1 or bilinear resampling; bfloat16 needs nothing, since tanh and clamp end at 1 there and the next
# number, 1 + 2^-7, is a whole grey level off. Of a grey level, 1 / 127.5, what passes is an eighth. Bicubic resampling
# overshoots by a tenth, and bytes that nobody scaled by hundreds.
TOLERANCE = 1e-3


def check(
    x, shape=("N", "C", "H", "W"), *, name="images", least=1, kinds=("float", "uint8"), look="range", of=Tensor
) -> None:
    """Raise ValueError, which says what to do, unless x, called `name`, holds `least` or more images of `shape`.

    In `shape` a number must be met, a tuple holds those allowed, and a letter is free, though equal letters are equal
    numbers. `kinds` are the types allowed: "float", of any precision, and "uint8". Floats are looked at, which makes a
    GPU wait: with look="range" they lie in [-1, 1], give or take TOLERANCE; with "finite" they are finite; with None
    nobody looks. x is a tensor, or an array where `of` says so.
    """
    given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, of) else type(x).__name__
    floats = "finite floats" if look == "finite" else "float in [-1, 1]"
    text = ", ".join(" or ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in shape)
    wanted = f"{name} must be ({text}), " + (f"{least} or more, " if least else "")
    wanted += " or ".join(floats if kind == "float" else kind for kind in kinds)
    if not isinstance(x, of) or not any(k in str(x.dtype) for k in kinds) or not _fits(x.shape, shape, least):
        raise ValueError(
            f"{wanted}: got {given}. `data.to_float` scales bytes, `data.to_uint8` makes them, `data.resize` and "
            "`data.to_channels` give another shape; x[None] is a batch of one."
        )
    if look is None or "float" not in str(x.dtype) or 0 in x.shape:
        return
    x = x.detach() if isinstance(x, Tensor) else x
    low, high, limit = float(x.min()), float(x.max()), 1 + TOLERANCE if look == "range" else sys.float_info.max
    if not -limit <= low <= high <= limit:  # also where one is NaN, as low and high then are
        raise ValueError(
            f"{wanted}: got {given} from {low:.6g} to {high:.6g}. `data.to_float` scales bytes; clamp what overshoots; "
            "NaN or infinity say that what made them has diverged."
        )


def _fits(given, shape, least: int) -> bool:
    if len(given) != len(shape) or given[0] < least:
        return False
    free: dict[str, int] = {}
    for n, wanted in zip(given, shape, strict=True):
        wanted = free.setdefault(wanted, n) if isinstance(wanted, str) else wanted
        if n not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            return False
    return True


def to_float(x: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]: x / 127.5 - 1."""
    return x.div(127.5).sub_(1)


def as_float(x: Tensor) -> Tensor:
    """`to_float` of uint8; floats as they are."""
    return to_float(x) if x.dtype == torch.uint8 else x


def to_uint8(x: Tensor) -> Tensor:
    """Float -> uint8 0..255, the nearest; values outside [-1, 1] are cut off. Undoes `to_float` exactly."""
    return x.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def to_channels(x: Tensor, channels: int) -> Tensor:
    """(N, C, H, W) uint8 with 1 or 3 channels; grey from RGB is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r} does not fit: 1 is grey, 3 is RGB.")
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1).contiguous()
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device)
    return torch.cat([(c.movedim(1, -1).float() @ weights).round().to(torch.uint8)[:, None] for c in x.split(1000)])


def resize(x: Tensor, image_size: int) -> Tensor:
    """(N, C, H, H) uint8 -> (N, C, image_size, image_size), bilinear; smoothed before it shrinks, against aliasing."""
    check_size(image_size)
    if x.shape[-1] == image_size or not len(x):
        return x if len(x) else x.new_empty(0, x.shape[1], image_size, image_size)
    smooth = partial(interpolate, size=(image_size,) * 2, mode="bilinear", antialias=True)
    return torch.cat([smooth(chunk.float()).round().to(torch.uint8) for chunk in x.split(1000)])


def check_size(image_size: int) -> None:
    if not isinstance(image_size, int) or not 8 <= image_size <= 256:
        raise ValueError(f"image_size={image_size!r} does not fit: give a whole number of pixels from 8 to 256.")

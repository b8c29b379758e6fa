"""Pixels: uint8 and float, grey and RGB, another size."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def to_float(x: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]: x / 127.5 - 1."""
    return x.div(127.5).sub_(1)


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

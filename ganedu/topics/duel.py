"""The duel: one side marks and signs pictures, the other gives them back attacked; what each has left is counted.

Sides exchange files, as bytes of PNG, and nothing else. The rules are in `score`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pixels import check
from . import manifest, marks

REACH = 3  # pixels that a picture may be moved and still be laid on the original
PLACEMENTS = 2 * (2 * REACH + 1) ** 2  # mirrored or not, and moved
SPOILT = 20.0  # decibels: below, an attack has spoilt the picture and counts for nothing


def placements(y: Tensor) -> Tensor:
    """y (N, C, H, W) in all ways in which it may have been laid down, (98, N, C, H, W): as it is and mirrored, each
    moved by -3 to 3 pixels down and across, with its rim repeated where nothing is known."""
    h, w = y.shape[2:]
    sides = [F.pad(one, (REACH,) * 4, mode="replicate") for one in (y, y.flip(3))]
    starts = range(2 * REACH + 1)
    return torch.stack([one[..., i : i + h, j : j + w] for one in sides for i in starts for j in starts])


def damage(x: Tensor, y: Tensor) -> Tensor:
    """What an attack has really cost: the PSNR (N,) in decibels of x and the best that is got back from y by moving it
    up to 3 pixels, mirroring it, and setting brightness and contrast, over the inner pixels of x.

    PSNR = 10 log10(4 / mean (x - (a y' + b))^2), a and b by least squares, the largest over 2 * 7 * 7 placements y' of
    y. So a picture that was only moved or made fainter is not ruined, as plain PSNR would have it. Raises ValueError
    for unequal shapes, or sides below 16 pixels.
    """
    check(x, kinds=("float",))
    check(y, tuple(x.shape), name="y, like x,", kinds=("float",))
    if min(x.shape[2:]) < marks.SMALLEST:
        raise ValueError(f"{x.shape[2]} x {x.shape[3]} pixels are too few: give {marks.SMALLEST} a side or more.")
    inner = slice(REACH, -REACH)  # no placement's repeated rim reaches in here
    middle = x[..., inner, inner].flatten(1).double()
    middle = middle - middle.mean(1, keepdim=True)
    part = placements(y)[..., inner, inner].flatten(2).double()  # (98, N, pixels)
    part = part - part.mean(2, keepdim=True)
    a = (middle * part).sum(2, keepdim=True) / part.square().sum(2, keepdim=True).clamp(min=1e-12)
    least = (middle - a * part).square().mean(2).amin(0)
    return 10 * torch.log10(4 / least.clamp(min=1e-10))  # at most 106 dB


class Row(NamedTuple):
    """What came of one picture: its damage in decibels, the manifest's answer, bits that agree, points of each side."""

    damage: float
    manifest: str
    bits: int
    defender: int
    attacker: int


def score(handed: Sequence[bytes], back: Sequence[bytes], key, reader, message: Tensor) -> list[Row]:
    """The score sheet, a row a picture: the files handed over, and those that came back, in the same order.

    A picture damaged below 20 dB (`damage`) is spoilt: 2 points for the defender. Otherwise the manifest gives a point
    to the defender where `verify` with `key` finds it signed and untouched, else to the attacker; and the mark gives
    one to the defender where in one of the 98 `placements` enough of the 32 bits agree with `message`, else to the
    attacker. Enough: each placement is one more chance of a false alarm, so `marks.needed(1e-6 / 98)`, 31 of 32, keeps
    all of them together below one in a million. `reader` reads marks (`marks.Learnt`, `marks.Patterns`). Raises
    ValueError for unequal numbers of files, for what is no picture, or has another size.
    """
    if len(handed) != len(back) or not handed:
        raise ValueError(f"{len(handed)} pictures were handed over and {len(back)} came back: give as many, in order.")
    rows = []
    for before, after in zip(handed, back, strict=True):
        x, y = manifest.pixels(before), manifest.pixels(after)
        if x.shape != y.shape:
            raise ValueError(f"a picture {tuple(x.shape[1:])} came back as {tuple(y.shape[1:])}: resize it.")
        answer = manifest.verify(after, key).answer
        bits = int(marks.agreeing(reader.read(placements(y).flatten(0, 1)), message).max())
        left, enough = damage(x, y).item(), marks.needed(1e-6 / PLACEMENTS)
        kept = (answer == manifest.ANSWERS[0]) + (bits >= enough)
        defender = 2 if left < SPOILT else kept
        rows.append(Row(left, answer, bits, defender, 2 - defender))
    return rows

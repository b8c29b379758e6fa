"""The duel: one side marks and signs pictures, the other gives them back attacked; what each has left is counted.

Sides exchange files, as bytes of PNG, and nothing else. The rules are in `score`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..pixels import check
from . import manifest, marks

REACH = 3  # pixels that a picture may be moved and still be laid on the original
SPOILT = 20.0  # decibels: below, an attack has spoilt the picture and counts for nothing


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
    h, w = (side - 2 * REACH for side in x.shape[2:])
    middle = x[..., REACH : REACH + h, REACH : REACH + w].flatten(1).double()
    middle = middle - middle.mean(1, keepdim=True)
    least = middle.square().mean(1)  # a = 0
    for one in (y, y.flip(3)):
        for top in range(2 * REACH + 1):
            for left in range(2 * REACH + 1):
                part = one[..., top : top + h, left : left + w].flatten(1).double()
                part = part - part.mean(1, keepdim=True)
                a = (middle * part).sum(1, keepdim=True) / part.square().sum(1, keepdim=True).clamp(min=1e-12)
                least = torch.minimum(least, (middle - a * part).square().mean(1))
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
    one to the defender where at least `marks.needed()` of the 32 bits agree with `message`, else to the attacker.
    `reader` reads marks (`marks.Learnt`, `marks.Patterns`). Raises ValueError for unequal numbers of files, for what is
    no picture, or has another size.
    """
    if len(handed) != len(back) or not handed:
        raise ValueError(f"{len(handed)} pictures were handed over and {len(back)} came back: give as many, in order.")
    rows = []
    for before, after in zip(handed, back, strict=True):
        x, y = manifest.pixels(before), manifest.pixels(after)
        if x.shape != y.shape:
            raise ValueError(f"a picture {tuple(x.shape[1:])} came back as {tuple(y.shape[1:])}: resize it.")
        answer = manifest.verify(after, key).answer
        bits, left = int(marks.agreeing(reader.read(y), message)), damage(x, y).item()
        kept = (answer == manifest.ANSWERS[0]) + (bits >= marks.needed())
        defender = 2 if left < SPOILT else kept
        rows.append(Row(left, answer, bits, defender, 2 - defender))
    return rows

"""Does a picture of the world of `ganedu.data.shapes` hold a shape? Its figure is laid over all shapes that there are.

A blob of the right colour on a plain ground deceives the eye at a glance, and a classifier of shapes, which has to name
something, always. So we ask for the best overlap with any shape of any size at any place.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data import shapes
from ..pixels import as_float, check

SIDE = 32  # pixels a side, on which figures are compared
FITS = 0.85  # an overlap from which on we call a figure a shape; real ones have more, all of 600
_SIZES = 9  # of each shape, evenly spread over shapes.SIZES


def rim(x: Tensor) -> Tensor:
    """The background of pictures (N, C, H, W): the median of the outermost pixels, (N, C)."""
    return torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], -1).median(-1).values


def figures(x: Tensor) -> Tensor:
    """How much of each pixel is figure, 0 to 1, on the CPU: images (N, 3, H, W), [-1, 1] or uint8 -> (N, 32, 32).

    The ground is the median colour of the image's rim; a pixel counts by the distance of its colour from the ground's,
    as a share of the largest in the image (the 99th of 100). An image of one colour has no figure: all 0. Raises
    ValueError for other images, or a side that is no multiple of 32.
    """
    check(x, ("N", 3, "H", "W"), name="pictures of shapes")
    if x.shape[2] % SIDE or x.shape[3] != x.shape[2]:
        raise ValueError(f"pictures of {x.shape[2]} x {x.shape[3]} do not fit: give squares, a multiple of {SIDE}.")
    x = F.avg_pool2d(as_float(x).float().cpu(), x.shape[2] // SIDE)
    away = (x - rim(x)[:, :, None, None]).square().sum(1).sqrt()
    most = away.flatten(1).quantile(0.99, 1)[:, None, None]
    return torch.where(most > 0.2, away / most.clamp(min=0.2), 0.0).clamp(0, 1)


def overlap(x: Tensor) -> tuple[Tensor, Tensor]:
    """(best overlap, shape) of each image, (N,) and (N,): from 0 to 1, and an index into `shapes.SHAPES`.

    Overlap of a figure p and a shape q, both (32, 32): sum p q / (sum p^2 + sum q^2 - sum p q), which is intersection
    over union where both are sharp. Images as in `figures`; raises what it raises.
    """
    p, (known, kinds) = figures(x).flatten(1), _all_shapes()
    square, best = known.square().sum(1), []
    for part in p.split(200):
        common = part @ known.T
        whole = part.square().sum(1, keepdim=True) + square - common
        best.append((common / whole).max(1))
    return torch.cat([b.values for b in best]), torch.cat([kinds[b.indices] for b in best])


@functools.cache
def _all_shapes() -> tuple[Tensor, Tensor]:
    """Every shape, in some sizes, at places about a pixel apart: cover (M, 1024), and kind (M,)."""
    rows = []
    for kind in range(len(shapes.SHAPES)):
        for size in torch.linspace(*shapes.SIZES, _SIZES).tolist():
            room = 0.5 - size - shapes.MARGIN
            at = torch.linspace(0.5 - room, 0.5 + room, 1 + round(2 * room * SIDE))
            rows.append((kind, size, torch.cartesian_prod(at, at)))
    n = [len(place) for *_, place in rows]
    kind, size = (torch.tensor([row[i] for row in rows]).repeat_interleave(torch.tensor(n)) for i in (0, 1))
    none = torch.zeros_like(kind)
    place = torch.cat([place for *_, place in rows])
    night = none + list(shapes.BACKGROUNDS).index("night")
    white = {"shape": kind, "colour": none, "size": size, "place": place, "background": night}
    return figures(shapes.render(white, SIDE)).flatten(1), kind

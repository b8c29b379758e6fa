"""Colour images of one shape each, computed from known factors: shape, colour, size, place, background.

Factors are drawn first and rendered at any size afterwards, so one seed gives the same scenes at 16 and at 128 pixels.
"""

import math

import torch
from torch import Tensor

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
COLOURS = {  # Okabe and Ito's palette without black: apart for colour-blind eyes too
    "orange": (230, 159, 0), "sky": (86, 180, 233), "green": (0, 158, 115), "yellow": (240, 228, 66),
    "blue": (0, 114, 178), "red": (213, 94, 0), "pink": (204, 121, 167),
}  # fmt: skip
BACKGROUNDS = {"white": (255, 255, 255), "sand": (236, 224, 200), "grey": (96, 96, 96), "night": (16, 16, 40)}
SIZES = (0.16, 0.36)  # from a shape's centre to its rim, as a share of the image's side
MARGIN = 0.02  # between a shape and the image's edge, as a share of the side


def draw_factors(n: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Independent factors of n images, each evenly spread: the ground truth that `render` takes.

    - shape, colour, background: (n,) int64, an index into SHAPES, COLOURS, BACKGROUNDS;
    - size: (n,) float32 in SIZES, half the extent of the shape as a share of the image's side;
    - place: (n, 2) float32, the centre (right, down) as shares of the side; the whole shape stays inside the image,
      so the larger it is, the less far it goes from the middle: place given size is even, place alone is not.

    Raises ValueError for n below 0.
    """
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"cannot draw n={n!r} images: give a whole number, 0 or more.")
    kw = {"generator": generator}
    shape, colour, background = (torch.randint(len(of), (n,), **kw) for of in (SHAPES, COLOURS, BACKGROUNDS))
    size = SIZES[0] + (SIZES[1] - SIZES[0]) * torch.rand(n, **kw)
    room = (0.5 - size - MARGIN)[:, None]
    place = 0.5 + room * (2 * torch.rand(n, 2, **kw) - 1)
    return {"shape": shape, "colour": colour, "size": size, "place": place, "background": background}


def render(factors: dict[str, Tensor], image_size: int = 32) -> Tensor:
    """Images (n, 3, image_size, image_size) uint8 of the factors, with smooth edges (a pixel's coverage in 256 steps);
    on the CPU.

    Raises ValueError for missing factors, unequal lengths or an index that names nothing.
    """
    factors = {name: values.cpu() for name, values in factors.items()}
    _check(factors)
    n = len(factors["shape"])
    images = torch.empty(n, 3, image_size, image_size, dtype=torch.uint8)
    colours = torch.tensor([*COLOURS.values()], dtype=torch.float32)[factors["colour"]]
    backgrounds = torch.tensor([*BACKGROUNDS.values()], dtype=torch.float32)[factors["background"]]
    radius, centre = factors["size"] * image_size, factors["place"] * image_size  # in pixels
    at = torch.arange(image_size) + 0.5
    chunk = max(1, 2**19 // image_size**2)  # what stays in the processor's cache; about twice as fast as all at once
    for kind, distance in enumerate(_DISTANCES):
        for i in (factors["shape"] == kind).nonzero()[:, 0].split(chunk):
            right, down = (at - centre[i, axis, None] for axis in (0, 1))  # (m, S)
            outside = distance(right[:, None, :], down[:, :, None], radius[i, None, None])  # (m, S, S), in pixels
            cover = (0.5 - outside).clamp(0, 1)[:, None]
            back = backgrounds[i, :, None, None]
            images[i] = torch.addcmul(back + 0.5, cover, colours[i, :, None, None] - back).to(torch.uint8)
    return images


def _check(factors: dict[str, Tensor]) -> None:
    missing = [k for k in ("shape", "colour", "size", "place", "background") if k not in factors]
    if missing:
        raise ValueError(f"factors lack {', '.join(missing)}: start from draw_factors(n) and change what you like.")
    lengths = {k: len(v) for k, v in factors.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"factors must be equally many: got {lengths}.")
    for name, of in (("shape", SHAPES), ("colour", COLOURS), ("background", BACKGROUNDS)):
        index = factors[name]
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(of):
            raise ValueError(f"{name} must lie in 0 to {len(of) - 1} ({', '.join(of)}): got {index.unique().tolist()}.")


# Signed distances to each shape's rim, negative inside, for x (m, 1, S) to the right, y (m, S, 1) downwards and the
# radius r (m, 1, 1), all in pixels. Near the rim they are exact but for corners, which is all that smooth edges need.


def _circle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return (x.square() + y.square()).sqrt() - r


def _square(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.88 * r


def _triangle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    y = y - 0.25 * r  # equal corners on a circle of radius r, moved so that it looks centred
    return torch.maximum(0.8660254 * x.abs() - 0.5 * y, y) - 0.5 * r


def _star(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Five tips: the plane is folded into half a tip, where the rim is one line from tip (0, -r) to inner corner."""
    sector = math.pi / 5
    angle = torch.atan2(x, -y)  # 0 at the tip that points up
    angle = (angle - 2 * sector * (angle / (2 * sector)).round()).abs()
    rho = (x.square() + y.square()).sqrt()
    inner_x, inner_y = 0.42 * math.sin(sector), 0.42 * math.cos(sector)
    length = math.hypot(inner_x, 1 - inner_y)
    across, along = (1 - inner_y) / length, inner_x / length  # the rim's normal
    return across * rho * angle.sin() + along * (rho * angle.cos() - r)


def _ring(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return ((x.square() + y.square()).sqrt() - 0.72 * r).abs() - 0.28 * r


def _cross(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    arm = 0.32 * r
    return torch.minimum(torch.maximum(x - r, y - arm), torch.maximum(x - arm, y - r))


_DISTANCES = (_circle, _square, _triangle, _star, _ring, _cross)

"""What a dial of a generator does: numbers read off a picture by moments, directions found with them, their effects.

Ink is (x + 1) / 2: 0 where a picture is black, 1 where it is white. The measures of grey pictures are closed forms of
its moments and its edges, with no network in them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..pixels import as_float, check
from . import latent

# ------------------------------------------------------------------------------------------------ read off a picture


def _moments(ink: Tensor) -> tuple[Tensor, ...]:
    """(mass, centre x, centre y, variances xx, yy, covariance xy) of ink (N, H, W), in pixels; y points down."""
    h, w = ink.shape[1:]
    mass = ink.sum((1, 2)).clamp(min=1e-6)
    at_x, at_y = torch.arange(w).to(ink) + 0.5, torch.arange(h).to(ink) + 0.5
    along_x, along_y = ink.sum(1) / mass[:, None], ink.sum(2) / mass[:, None]
    x, y = along_x @ at_x, along_y @ at_y
    dx, dy = at_x - x[:, None], at_y - y[:, None]
    xy = torch.einsum("nhw,nh,nw->n", ink, dy, dx) / mass
    return mass, x, y, (along_x * dx.square()).sum(1), (along_y * dy.square()).sum(1), xy


def strokes(x: Tensor) -> dict[str, Tensor]:
    """{"weight", "slant", "width"}, each (N,) float32 on the CPU, of pictures (N, 1, H, W) of bright strokes on black.

    - weight, in pixels: 2 A / P, with A the ink and P the length of its outline, the sum of |gradient of ink|. A
      straight stroke of width t and length L has A = t L, and P = 2 L but for its ends: so t.
    - slant, in degrees: the arctangent of -mu_xy / mu_yy, the shear that sets the ink upright; above 0 leans right.
    - width, in pixels: 4 sqrt(mu_xx - mu_xy^2 / mu_yy), four deviations across once it is set upright.

    Raises ValueError for other pictures. Source of measuring by moments: Hu 1962.
    """
    ink = _ink(x)
    _, _, _, xx, yy, xy = _moments(ink)
    area = ink.sum((1, 2))
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    down, right = padded[:, 1:, :-1] - padded[:, :-1, :-1], padded[:, :-1, 1:] - padded[:, :-1, :-1]
    outline = (down.square() + right.square() + 1e-12).sqrt().sum((1, 2))
    shear = xy / yy.clamp(min=1e-6)
    return {
        "weight": 2 * area / outline.clamp(min=1e-6),
        "slant": torch.rad2deg(torch.atan(-shear)),
        "width": 4 * (xx - xy * shear).clamp(min=0).sqrt(),
    }


def garments(x: Tensor) -> dict[str, Tensor]:
    """{"brightness", "width", "length", "sleeve"}, each (N,) float32 on the CPU, of pictures (N, 1, H, W) of clothes.

    - brightness: sum ink^2 / sum ink, the brightness where there is cloth, 0 to 1;
    - width, length, in pixels: four deviations of the ink across and down;
    - sleeve: the share of the ink in the outer quarters of the columns, left and right.
    """
    ink = _ink(x)
    mass, _, _, xx, yy, _ = _moments(ink)
    quarter = ink.shape[-1] // 4
    outer = ink[:, :, :quarter].sum((1, 2)) + ink[:, :, -quarter:].sum((1, 2))
    return {
        "brightness": ink.square().sum((1, 2)) / mass,
        "width": 4 * xx.sqrt(),
        "length": 4 * yy.sqrt(),
        "sleeve": outer / mass,
    }


def things(x: Tensor) -> dict[str, Tensor]:
    """{"right", "down", "size", "warmth", "ground"}, each (N,) on the CPU, of pictures (N, 3, H, W) of one thing each.

    The ground is the median of the picture's rim, channel by channel, and a pixel belongs to the thing by its distance
    from it in colour, over the largest such distance, below 1/4 not at all.

    - right, down: the thing's centre as shares of the side, 0.5 in the middle;
    - size: sqrt(area / pi) as a share of the side; of a disc its radius;
    - warmth: red less blue of the thing, -1 to 1;
    - ground: the mean of the ground's channels, 0 black to 1 white.
    """
    check(x, ("N", 3, "H", "W"), name="the pictures")
    ink = (as_float(x).float().cpu().clamp(-1, 1) + 1) / 2
    h, w = ink.shape[2:]
    rim = torch.cat([ink[:, :, 0], ink[:, :, -1], ink[:, :, 1:-1, 0], ink[:, :, 1:-1, -1]], 2)
    ground = rim.median(2).values  # (N, 3)
    far = (ink - ground[:, :, None, None]).square().sum(1).sqrt()
    cover = far / far.amax((1, 2), keepdim=True).clamp(min=1e-6)
    cover = ((cover - 0.25) / 0.75).clamp(min=0)
    mass, right, down, *_ = _moments(cover)
    colour = (ink * cover[:, None]).sum((2, 3)) / mass[:, None]
    return {
        "right": right / w,
        "down": down / h,
        "size": (mass / (torch.pi * h * w)).sqrt(),
        "warmth": colour[:, 0] - colour[:, 2],
        "ground": ground.mean(1),
    }


def _ink(x: Tensor) -> Tensor:
    check(x, ("N", 1, "H", "W"), name="the pictures")
    return (as_float(x)[:, 0].float().cpu().clamp(-1, 1) + 1) / 2


# ---------------------------------------------------------------------------------------- directions and their effects


def directions(z: Tensor, y: dict[str, Tensor], labels: Tensor | None = None) -> dict[str, Tensor]:
    """{name: unit vector (z_dim,)} along which each measure (N,) of `y` grows, at right angles to what it should leave.

    Each is the direction of least squares of its measure on z (N, z_dim), which for normal z is the mean slope of the
    measure (Stein 1981). With `labels` (N,), what the pictures were taken for, the mean of each class is taken off the
    measure first, and from the direction whatever lies in the span of the classes' own directions. Then what lies in
    the span of the other measures' directions is taken off. Raises ValueError as `latent.direction`, and where nothing
    is left.
    """
    z, y, labels = z.cpu(), {k: v.cpu() for k, v in y.items()}, None if labels is None else labels.cpu()
    names, off = tuple(y), torch.zeros(0, z.shape[1])
    if labels is not None:
        kinds = [labels == c for c in labels.unique() if (labels == c).sum() > 1]
        y = {name: _within(values, kinds) for name, values in y.items()}
        off = torch.stack([latent.direction(z, kind.float()) for kind in kinds if not bool(kind.all())])
    plain = {name: latent.direction(z, y[name].float()) for name in names}
    found = {}
    for name in names:
        others = [plain[other] for other in names if other != name]
        rows = torch.cat([off, torch.stack(others)]) if others else off
        found[name] = apart(plain[name], rows)
    return found


def _within(values: Tensor, kinds: list[Tensor]) -> Tensor:
    values = values.clone()
    for kind in kinds:
        values[kind] -= values[kind].mean()
    return values


def apart(v: Tensor, rows: Tensor) -> Tensor:
    """The unit vector nearest to v (z_dim,) of those at right angles to every one of `rows` (k, z_dim).

    Raises ValueError where v lies in the span of the rows, so that nothing is left.
    """
    v, rows = v.cpu(), rows.cpu()
    if len(rows):
        u, s, _ = torch.linalg.svd(rows.T.double(), full_matrices=False)
        span = u[:, s > 1e-6 * s.max()]
        left = v.double() - span @ (span.T @ v.double())
    else:
        left = v.double()
    if left.norm() < 1e-6 * v.norm():
        raise ValueError("nothing is left of this direction: the others already hold all of it. Leave some out.")
    return (left / left.norm()).to(v.dtype)


class Effect(NamedTuple):
    """What one direction was seen to do to n pictures of other z than it was found with.

    - `slopes` {measure: (mean, low, high)}: change a unit of the dial, in deviations of that measure among pictures;
    - `kept` (share, low, high): of the pictures that are still taken for the same class, at `value`;
    - `works` (share, low, high): of those that keep it while their measure moves by a deviation or more, at `value`;
    - `value`: where the dial works best of those tried, chosen on other z.
    """

    slopes: dict[str, tuple[float, float, float]]
    kept: tuple[float, float, float]
    works: tuple[float, float, float]
    value: float


VALUES = (1.0, 1.5, 2.0, 2.5, 3.0)  # of a dial, tried both ways


def effect(draw, measure, classify, z: Tensor, along: Tensor, name: str) -> Effect:
    """What a dial along the unit vector does, over z (N, z_dim), N even: half for the choice of `value`, half measured.

    `draw(z)` gives pictures, `measure(x)` {measure: (N,)}, `classify(x)` (N,); `draw` is asked for rows in the order of
    z, so that labels may go with them. `name` is the measure that should move. Slopes are
    (m(z + 2 v) - m(z - 2 v)) / 4.
    Raises ValueError for an odd or small N.
    """
    if len(z) < 20 or len(z) % 2:
        raise ValueError(f"{len(z)} rows of z do not fit: give an even number, 20 or more.")
    from ..metrics import mean_interval, wilson

    z, along = z.cpu(), along.cpu()
    half, x = len(z) // 2, draw(z)
    before, taken = measure(x), classify(x)
    scale = {k: v.std().clamp(min=1e-9) for k, v in before.items()}
    worked, same, ends = {}, {}, {}
    for value in VALUES:
        for sign in (-1, 1):
            x = draw(z + sign * value * along)
            after = measure(x)
            moved = sign * (after[name] - before[name]) / scale[name]
            same[value, sign] = classify(x) == taken
            worked[value, sign] = (moved >= 1) & same[value, sign]
            if value == 2:
                ends[sign] = after
    best = max(VALUES, key=lambda v: float(sum(worked[v, s][:half].float().mean() for s in (-1, 1))))
    slopes = {k: tuple(mean_interval((ends[1][k] - ends[-1][k])[half:] / 4 / scale[k])) for k in before}

    def share(table):
        k = float(sum(table[best, s][half:].sum() for s in (-1, 1))) / 2  # both ways of one picture count as one
        return k / half, *wilson(k, half)

    return Effect(slopes, share(same), share(worked), best)

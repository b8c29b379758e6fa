"""A small world of shapes whose factors are known, and a reader that tells the factors of any image of it.

The world is a corner of `ganedu.data.shapes`, small enough for a GAN to learn in a minute: six independent factors,
16 x 16 pixels. The reader is what measures a generator's latent space: it says what G has drawn. Other worlds, such as
that of `ganedu.topics.style_mixing`, are told by a `World`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data import shapes
from ..metrics.judges import fit
from ..pixels import as_float, check
from ..sampling import device_of, seeded

IMAGE_SIZE = 16
CLASSES = {  # the factors that name something, with their classes as `ganedu.data.shapes` numbers them
    "shape": ("circle", "cross"), "colour": ("orange", "green", "pink"), "background": ("white", "night"),
}  # fmt: skip
RANGES = {"size": (0.22, 0.36), "right": (0.37, 0.63), "down": (0.37, 0.63)}  # shares of the image's side
FACTORS = (*CLASSES, *RANGES)
_OF = {"shape": shapes.SHAPES, "colour": tuple(shapes.COLOURS), "background": tuple(shapes.BACKGROUNDS)}


def draw(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Factors (n, 6) float32, independent: class numbers of shape, colour, background; size, right, down in -1 to 1.

    The last three are evenly spread over RANGES; -1 is small, left, high. Raises ValueError for n below 1.
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"cannot draw n={n!r} images: give a whole number, 1 or more.")
    named = [torch.randint(len(of), (n,), generator=generator).float() for of in CLASSES.values()]
    return torch.stack([*named, *(2 * torch.rand(3, n, generator=generator) - 1)], 1)


def render(factors: Tensor) -> Tensor:
    """Images (n, 3, 16, 16) uint8, on the CPU, of factors (n, 6) as `draw` gives them; raises ValueError for others."""
    factors = factors.cpu()
    _check(factors)
    found = {}
    for i, (name, of) in enumerate(CLASSES.items()):
        found[name] = torch.tensor([_OF[name].index(c) for c in of])[factors[:, i].long()]
    size, *place = (low + (high - low) * (factors[:, i] + 1) / 2 for i, (low, high) in enumerate(RANGES.values(), 3))
    return shapes.render({**found, "size": size, "place": torch.stack(place, 1)}, IMAGE_SIZE)


def _check(factors: Tensor) -> None:
    counts = torch.tensor([len(of) for of in CLASSES.values()])
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS) or not factors.isfinite().all():
        raise ValueError(
            f"factors must be (n, {len(FACTORS)}), finite: {', '.join(FACTORS)}; got {tuple(factors.shape)}."
        )
    named, numbers = factors[:, : len(counts)], factors[:, len(counts) :]
    if ((named < 0) | (named >= counts) | (named != named.floor())).any() or (numbers.abs() > 1.0001).any():
        raise ValueError(f"{', '.join(CLASSES)} are class numbers from 0, {', '.join(RANGES)} lie in -1 to 1.")


class World(NamedTuple):
    """Factors of known images: `classes` names those that are class numbers, `numbers` those that lie in -1 to 1.

    `draw(n, generator)` gives factors (n, K), classes first, and `render(factors)` their images (n, 3, S, S), uint8 or
    float in [-1, 1], with S = `image_size`.
    """

    classes: dict[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    image_size: int
    draw: Callable[..., Tensor]
    render: Callable[[Tensor], Tensor]

    @property
    def factors(self) -> tuple[str, ...]:
        return (*self.classes, *self.numbers)


CORNER = World(CLASSES, tuple(RANGES), IMAGE_SIZE, draw, render)


class Reader(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] -> logits and numbers of a world, by default the corner's, 10 in all.

    3x3 convolutions, each followed by a halving, down to 4 x 4, then one hidden layer. `features` (N, 64) are what
    distances live in. 38,570 parameters with width 16 for the corner.
    """

    channels = 3

    def __init__(self, width: int = 16, world: World = CORNER):
        super().__init__()
        layers, c, side = [], 3, world.image_size
        for n in (width, 2 * width, 4 * width, 8 * width):
            if side > 4:
                layers += [nn.Conv2d(c, n, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
                c, side = n, side // 2
        self.image_size = world.image_size
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(c * side**2, 64), nn.ReLU())
        self.sizes = [len(of) for of in world.classes.values()] + [len(world.numbers)]
        self.head = nn.Linear(64, sum(self.sizes))

    def features(self, x: Tensor) -> Tensor:
        return self.net(x)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of each class factor, then the numbers; in the corner (N, 2), (N, 3), (N, 2) and (N, 3)."""
        return self.head(self.net(x)).split(self.sizes, 1)


def train_reader(
    steps: int = 800, batch_size: int = 128, lr: float = 3e-3, seed: int = 0, world: World = CORNER, n: int = 10_000
) -> Reader:
    """A reader of `world`, trained on n images drawn from `seed`, in eval mode; by `metrics.judges.fit`.

    Its loss: the cross-entropies of the classes, plus 5 times the squared errors of the numbers.
    """
    with seeded(seed):
        factors = world.draw(n)
        x = as_float(world.render(factors))
        reader = Reader(world=world)

        def batch_loss() -> Tensor:
            i = torch.randint(len(x), (batch_size,))
            *logits, numbers = reader(x[i])
            loss = 5 * (numbers - factors[i, len(logits) :]).square().mean(0).sum()
            for k, logit in enumerate(logits):
                loss = loss + nn.functional.cross_entropy(logit, factors[i, k].long())
            return loss

        return fit(reader, batch_loss, steps, lr)


@torch.no_grad()
def read(reader: Reader, x: Tensor, batch_size: int = 500) -> Tensor:
    """The factors (N, K), on the CPU, that the reader sees in images x (N, 3, S, S), float in [-1, 1] or uint8.

    As its world's `draw` gives them: class numbers, then numbers, which may leave -1 to 1 where an image does. Raises
    ValueError for images of another shape, or not finite.
    """
    side = reader.image_size
    check(x, ("N", 3, side, side), name="the reader's images", look="finite")  # noise may leave [-1, 1]
    rows, device = [], device_of(reader, x)
    for part in as_float(x).split(batch_size):
        *logits, numbers = (t.cpu() for t in reader(part.to(device)))
        rows.append(torch.cat([torch.stack([logit.argmax(1) for logit in logits], 1).float(), numbers], 1))
    return torch.cat(rows)

"""A small world of shapes whose factors are known, and a reader that tells the factors of any image of it.

The world is a corner of `ganedu.data.shapes`, small enough for a GAN to learn in a minute: six independent factors,
16 x 16 pixels. The reader is what measures a generator's latent space: it says what G has drawn.
"""

import torch
from torch import Tensor, nn

from ..data import shapes
from ..metrics.judges import fit
from ..pixels import as_float, check, to_float
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


class Reader(nn.Module):
    """Images (N, 3, 16, 16) in [-1, 1] -> logits and numbers, 10 in all; two 3x3 convolutions, one hidden layer.

    `features` (N, 64) are what distances live in. 38,570 parameters with width 16.
    """

    image_size, channels = IMAGE_SIZE, 3

    def __init__(self, width: int = 16):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * width, 64), nn.ReLU(),
        )  # fmt: skip
        self.sizes = [len(of) for of in CLASSES.values()] + [len(RANGES)]
        self.head = nn.Linear(64, sum(self.sizes))

    def features(self, x: Tensor) -> Tensor:
        return self.net(x)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(logits of shape (N, 3), of colour (N, 3), of background (N, 2), numbers (N, 3))."""
        return self.head(self.net(x)).split(self.sizes, 1)


def train_reader(steps: int = 800, batch_size: int = 128, lr: float = 3e-3, seed: int = 0) -> Reader:
    """A reader trained on 10,000 images drawn from `seed`, in eval mode; by `metrics.judges.fit`.

    Its loss: the cross-entropies of the classes, plus 5 times the squared errors of the numbers.
    """
    with seeded(seed):
        factors = draw(10_000)
        x = to_float(render(factors))
        reader = Reader()

        def batch_loss() -> Tensor:
            i = torch.randint(len(x), (batch_size,))
            *logits, numbers = reader(x[i])
            loss = 5 * (numbers - factors[i, len(CLASSES) :]).square().mean(0).sum()
            for k, logit in enumerate(logits):
                loss = loss + nn.functional.cross_entropy(logit, factors[i, k].long())
            return loss

        return fit(reader, batch_loss, steps, lr)


@torch.no_grad()
def read(reader: Reader, x: Tensor, batch_size: int = 500) -> Tensor:
    """The factors (N, 6), on the CPU, that the reader sees in images x (N, 3, 16, 16), float in [-1, 1] or uint8.

    As `draw` gives them: class numbers, then numbers, which may leave -1 to 1 where an image does. Raises ValueError
    for images of another shape, or not finite.
    """
    check(x, ("N", 3, IMAGE_SIZE, IMAGE_SIZE), name="the reader's images", look="finite")  # noise may leave [-1, 1]
    rows, device = [], device_of(reader, x)
    for part in as_float(x).split(batch_size):
        *logits, numbers = (t.cpu() for t in reader(part.to(device)))
        rows.append(torch.cat([torch.stack([logit.argmax(1) for logit in logits], 1).float(), numbers], 1))
    return torch.cat(rows)

"""From one kind of picture to another without pairs: two domains, translators between them, what a result shows.

The domains whose true mapping is known are scenes of `ganedu.data.shapes` by day (on white or sand) and by night (on
dark blue): the shape, its colour, size and place stay, the background becomes night. Which of the two backgrounds of
the day it was cannot be seen at night. Pictures are (N, C, H, W) in [-1, 1].
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data import shapes
from ..losses import Loss, non_saturating
from ..pixels import as_float, check, to_float
from ..sampling import answers
from .outlines import rim

DAY, NIGHT = ("white", "sand"), ("night",)  # backgrounds of the two domains
_BACKGROUNDS = tuple(shapes.BACKGROUNDS)

# ------------------------------------------------------------------------------------------------- two domains


@dataclass(frozen=True, eq=False)
class Unpaired:
    """Pictures of two domains, x_a (N, C, H, W) and x_b (M, C, H, W), uint8; `sample` feeds a Trainer.

    Nothing says which picture of A belongs to which of B, and N need not be M. Raises ValueError when a domain is
    empty or no uint8 images, or when the two differ in size or channels.
    """

    x_a: Tensor = field(repr=False)
    x_b: Tensor = field(repr=False)

    def __post_init__(self):
        for name, x in (("A", self.x_a), ("B", self.x_b)):
            check(x, name=f"domain {name}", kinds=("uint8",))
        a, b = self.x_a.shape, self.x_b.shape
        if a[1] != b[1]:
            raise ValueError(f"domain A has {a[1]} channels, B has {b[1]}: make both grey or both RGB (to_channels).")
        if a[2:] != b[2:]:
            sizes = " and ".join(" x ".join(map(str, s[2:])) for s in (a, b))
            raise ValueError(f"the domains are of two sizes, {sizes} pixels: resize one of them (data.resize).")

    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """n pictures of either domain in [-1, 1], drawn with replacement and independently of each other."""
        picked = (x.index_select(0, torch.randint(len(x), (n,), device=x.device)) for x in (self.x_a, self.x_b))
        return tuple(to_float(x) for x in picked)


def draw(n: int, backgrounds: str | tuple[str, ...], seed: int) -> dict[str, Tensor]:
    """Factors of n scenes as `shapes.draw_factors` gives them, on backgrounds of these names, each equally likely.

    One name may stand alone. Raises ValueError for n below 0 or a background that there isn't.
    """
    backgrounds = (backgrounds,) if isinstance(backgrounds, str) else tuple(backgrounds)
    if not backgrounds or not set(backgrounds) <= set(_BACKGROUNDS):
        raise ValueError(f"backgrounds={backgrounds} does not fit: choose from {', '.join(_BACKGROUNDS)}.")
    numbers = torch.Generator().manual_seed(seed)
    factors = shapes.draw_factors(n, numbers)
    of = torch.tensor([_BACKGROUNDS.index(b) for b in backgrounds])
    return {**factors, "background": of[torch.randint(len(of), (n,), generator=numbers)]}


def with_background(factors: dict[str, Tensor], background: str) -> dict[str, Tensor]:
    """The same scenes with one background for all; with "night" the true mapping of a day, known for scoring alone.

    Raises ValueError for a background that there isn't.
    """
    if background not in _BACKGROUNDS:
        raise ValueError(f"background={background!r} does not fit: choose from {', '.join(_BACKGROUNDS)}.")
    return {**factors, "background": torch.full_like(factors["background"], _BACKGROUNDS.index(background))}


# ------------------------------------------------------------------------------------------------------ players


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, h: Tensor) -> Tensor:
        return h + self.net(h)


class Translator(nn.Module):
    """Pictures (N, channels, H, W) -> pictures of the same shape in [-1, 1]; H and W even, 8 or more.

    One convolution (4x4, stride 2) halves the map, residual blocks of two 3x3 convolutions follow, one transposed
    convolution brings the map back. No norm: it would take away how bright a picture is, which is what is translated.
    No noise at the input, no skip past the blocks. Parameters with 3 channels, width 24 and 3 blocks: 33,579.
    Source: Zhu et al. 2017, section 4 and appendix 7.2, much smaller here.
    """

    def __init__(self, channels: int = 3, width: int = 24, blocks: int = 3):
        super().__init__()
        if width < 1 or blocks < 1:
            raise ValueError(f"width={width}, blocks={blocks} does not fit: give 1 or more of each.")
        self.channels = channels
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU(),
            *[_Residual(width) for _ in range(blocks)],
            nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.channels or min(x.shape[2:]) < 8 or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(
                f"this translator takes pictures (N, {self.channels}, H, W), sides even and 8 or more: got {_what(x)}."
            )
        return self.net(x)


def translate(G: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """G's answers to pictures (N, C, H, W), float in [-1, 1] or uint8, on the CPU; raises what G raises.

    Raises ValueError where there is no picture, or one that leaves [-1, 1] or is not finite.
    """
    check(x, name="pictures")
    return answers(G, as_float(x).float(), batch_size=batch_size)


# ----------------------------------------------------------------------------------- what a picture of a shape shows


class Seen(NamedTuple):
    """What `recognise` finds, N each: indices as in `ganedu.data.shapes`, places in pixels, night from the judge."""

    night: Tensor  # (N,) bool
    shape: Tensor  # (N,) int64
    background: Tensor  # (N,) int64
    colour: Tensor  # (N,) int64
    place: Tensor  # (N, 2) float32: right, down
    sure: Tensor  # (N,) bool: the colour is that one, and not merely nearest to it


def judge_classes() -> tuple[str, ...]:
    """The judge's 12 classes: the six shapes by day, then the six by night."""
    return tuple(f"{shape}, {time}" for time in ("day", "night") for shape in shapes.SHAPES)


def recognise(judge: nn.Module, x: Tensor) -> Seen:
    """What pictures (N, 3, H, H) of one shape each show, float in [-1, 1] or uint8.

    The judge, a classifier of `judge_classes`, names shape and domain. The rest is measured: the background is the
    median of the rim's pixels, named after the nearest of the four; the shape's colour is the mean over the pixels
    that differ from it most (by 0.7 of the largest difference or more), named after the nearest of the seven, and sure
    where it is nearer than half the least distance between two of the seven (0.26): elsewhere, as for grey, it is none
    of them. The place is the centre of gravity of what differs from the background by more than 0.3. Differences are
    Euclidean, in colours from -1 to 1. All of it is on the CPU. Raises ValueError for other pictures, and what
    `metrics.predict` raises.
    """
    from ..metrics import predict

    check(x, ("N", 3, "H", "H"), name="pictures")
    x = as_float(x)
    named, x = predict(judge, x), x.cpu()
    back = rim(x)
    differs = (x - back[:, :, None, None]).square().sum(1).sqrt()  # (N, H, H)
    most = differs * (differs >= 0.7 * differs.flatten(1).amax(1)[:, None, None])
    colour = _centre(most, x.flatten(2).movedim(0, 1))
    right = torch.arange(x.shape[3]) + 0.5
    down = torch.arange(x.shape[2]) + 0.5
    grid = torch.stack([right.expand(len(down), -1), down[:, None].expand(-1, len(right))]).flatten(1)  # (2, H * H)
    place = _centre((differs - 0.3).clamp(min=0), grid[:, None])
    n, of, seven = len(shapes.SHAPES), _nearest(colour, shapes.COLOURS), _colours(shapes.COLOURS)
    sure = (colour - seven[of]).norm(dim=1) < torch.pdist(seven).min() / 2
    return Seen(named >= n, named % n, _nearest(back, shapes.BACKGROUNDS), of, place, sure)


def _centre(weight: Tensor, values: Tensor) -> Tensor:
    """Means (N, K) of K values (K, N or 1, P) under weights (N, ...) of P pixels; 0 where no pixel has weight."""
    weight = weight.flatten(1)
    return ((values * weight).sum(2) / weight.sum(1).clamp(min=1e-6)).T


def _colours(palette: dict[str, tuple[int, int, int]]) -> Tensor:
    return to_float(torch.tensor([*palette.values()], dtype=torch.float32))


def _nearest(colours: Tensor, palette: dict[str, tuple[int, int, int]]) -> Tensor:
    return torch.cdist(colours, _colours(palette)).argmin(1)


def score(judge: nn.Module, x: Tensor, factors: dict[str, Tensor]) -> dict[str, float]:
    """How far night pictures x (N, 3, H, H), float in [-1, 1], are the true ones of the scenes `factors`.

    - night: share that the judge takes for night; background: share whose rim's colour is nearest to night's;
    - shape, colour: shares in which they are read as what they were;
    - place: median distance of the place read to the place read in the true picture, in pixels;
    - error: mean |difference| a pixel to the true picture; black to white is 2.
    Raises what `recognise` raises, and ValueError for another number of scenes.
    """
    if len(x) != len(factors["shape"]):
        raise ValueError(f"{len(x)} pictures of {len(factors['shape'])} scenes: give one picture a scene.")
    true = to_float(shapes.render(with_background(factors, "night"), x.shape[-1]))
    seen, there = recognise(judge, x), recognise(judge, true)
    share = {
        "night": seen.night, "background": seen.background == _BACKGROUNDS.index("night"),
        "shape": seen.shape == factors["shape"].cpu(), "colour": seen.colour == factors["colour"].cpu(),
    }  # fmt: skip
    found = {k: float(v.float().mean()) for k, v in share.items()}
    found["place"] = float((seen.place - there.place).norm(dim=1).median())
    return found | {"error": float((x.cpu() - true).abs().mean())}


def _what(x: Tensor) -> str:
    return f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"


def cyclegan_step(
    x_a, x_b, *, G, F, D_A, D_B, opt_G, opt_D, loss: Loss = non_saturating,
    gan_weight=1.0, cycle_weight=10.0, identity_weight=5.0,
):  # fmt: skip
    """One round of unpaired translation: G turns A into B, F turns B into A, D_A and D_B judge what came out.

    `x_a`, `x_b` (N, C, H, W) are drawn independently. `opt_G` holds the weights of G and F, `opt_D` those of D_A and
    D_B. The translators' loss is gan_weight times both adversarial ones, plus cycle_weight times the means of
    |F(G(x_a)) - x_a| and |G(F(x_b)) - x_b| over all pixels, plus identity_weight times those of |G(x_b) - x_b| and
    |F(x_a) - x_a|. Returns {"loss_D", "loss_G", "loss_cycle", "loss_identity"}, detached and without weights, each the
    sum of both directions. Sources: Zhu et al. 2017, eq. 3 (cycle_weight is lambda), section 5.2 on the identity loss,
    whose weight there is half of lambda; least squares and a pool of old fakes, section 4, are left out.
    """
    fake_b, fake_a = G(x_a), F(x_b)
    loss_D = loss.d_loss(D_A(x_a), D_A(fake_a.detach())) + loss.d_loss(D_B(x_b), D_B(fake_b.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_a, d_b = (D_A(x_a).detach(), D_B(x_b).detach()) if loss.pairs else (None, None)
    loss_G = loss.g_loss(D_A(fake_a), d_a) + loss.g_loss(D_B(fake_b), d_b)
    loss_cycle = (F(fake_b) - x_a).abs().mean() + (G(fake_a) - x_b).abs().mean()
    loss_identity = (G(x_b) - x_b).abs().mean() + (F(x_a) - x_a).abs().mean()
    total = gan_weight * loss_G + cycle_weight * loss_cycle + identity_weight * loss_identity
    opt_G.zero_grad()
    total.backward(inputs=[*G.parameters(), *F.parameters()])  # through both D, but for the translators alone
    opt_G.step()
    losses = {"loss_D": loss_D, "loss_G": loss_G, "loss_cycle": loss_cycle, "loss_identity": loss_identity}
    return {name: value.detach() for name, value in losses.items()}

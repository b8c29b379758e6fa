"""From drawing to picture: outlines computed from images, pairs of both, a U-Net that fills them, a D of patches.

Pictures are (N, C, H, W) in [-1, 1]; outlines are (N, 1, H, W) in [0, 1], where 1 is ink.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..losses import Loss, non_saturating
from ..pixels import as_float, check, to_float
from ..sampling import answers

PART = 1000  # images worked on at once: what lies between picture and outline takes many times their memory
PATCHES = (4, 10, 22)  # sides of what one logit of `PatchDiscriminator` sees, after 1, 2, 3 halvings

# ----------------------------------------------------------------------------------------------------- outlines


def edges(x: Tensor, threshold: float = 0.2) -> Tensor:
    """The outlines of grey images, inner edges included: (N, 1, H, W) in [-1, 1] or uint8 -> ink, 0 or 1.

    Ink is where the slope |g|, in grey levels a pixel, is above `threshold` (black to white is 2) and no smaller than
    at both neighbours across the edge. g is Sobel's: a difference over two pixels, smoothed along the edge. This is
    Canny's detector without its smoothing and its second threshold. Raises ValueError for other images or a threshold
    not above 0.
    Source: Canny 1986, A Computational Approach to Edge Detection.
    """
    if not threshold > 0:
        raise ValueError(f"threshold={threshold} does not fit: give a slope above 0, such as 0.2.")
    return torch.cat([_edges(part, threshold) for part in _grey(x).split(PART)])


def _edges(x: Tensor, threshold: float) -> Tensor:
    padded = F.pad(x, (1,) * 4, mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=padded.device) / 8
    g = F.conv2d(padded, torch.stack([across, across.T])[:, None])  # (N, 2, H, W): slope to the right, downwards
    slope = g.square().sum(1, keepdim=True).sqrt()
    around = F.pad(slope, (1,) * 4)
    left_right = torch.maximum(around[..., 1:-1, :-2], around[..., 1:-1, 2:])
    up_down = torch.maximum(around[..., :-2, 1:-1], around[..., 2:, 1:-1])
    neighbours = torch.where(g[:, :1].abs() > g[:, 1:].abs(), left_right, up_down)
    return ((slope > threshold) & (slope >= neighbours)).float()


def silhouettes(x: Tensor, threshold: float = -0.9) -> Tensor:
    """The outer contour alone: (N, 1, H, W) in [-1, 1] or uint8, bright on dark -> ink, 0 or 1.

    What is brighter than `threshold`, its holes filled, less its inside: the pixels of which all eight neighbours
    belong to it as well. Raises ValueError as `edges`.
    """
    return torch.cat([_silhouettes(part, threshold) for part in _grey(x).split(PART)])


def _silhouettes(x: Tensor, threshold: float) -> Tensor:
    import numpy as np
    from scipy.ndimage import binary_fill_holes

    plane = np.zeros((3, 3, 3), bool)
    plane[1, [0, 1, 1, 1, 2], [1, 0, 1, 2, 1]] = True  # neighbours within one image, none in the next
    filled = binary_fill_holes((x > threshold)[:, 0].cpu().numpy(), plane)
    body = torch.from_numpy(filled).to(x.device)[:, None].float()
    inside = 1 - F.max_pool2d(1 - F.pad(body, (1,) * 4), 3, stride=1)
    return body - inside


def _grey(x: Tensor) -> Tensor:
    check(x, ("N", 1, "H", "W"), name="grey images")
    return as_float(x).float()


def check_outline(outline: Tensor) -> None:
    """Raise ValueError for a drawing that is no (N, 1, H, W) in [0, 1], or has an image without ink in it."""
    if outline.ndim != 4 or outline.shape[1] != 1 or not outline.is_floating_point() or not len(outline):
        raise ValueError(f"a drawing is (N, 1, H, W), float in [0, 1]: got {tuple(outline.shape)} {outline.dtype}.")
    low, high = float(outline.min()), float(outline.max())
    if not 0 <= low <= high <= 1:  # also where one is NaN
        raise ValueError(f"ink goes from 0 to 1, but this drawing from {low:.3g} to {high:.3g}.")
    empty = (outline.flatten(1).amax(1) == 0).nonzero()
    if len(empty):
        raise ValueError(f"drawing {int(empty[0])} of {len(outline)} is empty: draw at least one line.")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures x (N, C, H, W) uint8 and their outlines (N, 1, H, W), both of one size; `sample` feeds a Trainer.

    Raises ValueError when the two do not fit each other.
    """

    x: Tensor = field(repr=False)
    outline: Tensor = field(repr=False)

    def __post_init__(self):
        check(self.x, name="pictures", kinds=("uint8",))
        if self.outline.ndim != 4 or self.outline.shape[1] != 1 or len(self.outline) != len(self.x):
            raise ValueError(f"{len(self.x)} pictures need outlines (N, 1, H, W): got {tuple(self.outline.shape)}.")
        if self.outline.shape[2:] != self.x.shape[2:]:
            sizes = " and ".join(" x ".join(map(str, t.shape[2:])) for t in (self.x, self.outline))
            raise ValueError(f"pictures and outlines are of two sizes, {sizes}: resize one of them.")

    def __len__(self) -> int:
        return len(self.x)

    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """n pairs drawn with replacement: pictures in [-1, 1], and their outlines."""
        index = torch.randint(len(self.x), (n,), device=self.x.device)
        return to_float(self.x.index_select(0, index)), self.outline.index_select(0, index).float()


# ------------------------------------------------------------------------------------------------------ players


def _normed(layer: nn.Module, act: nn.Module) -> nn.ModuleList:
    return nn.ModuleList([layer, nn.Sequential(nn.GroupNorm(4, layer.out_channels), act)])


class UNet(nn.Module):
    """Outlines (N, 1, H, W) -> pictures (N, channels, H, W) in [-1, 1], of the same size, from 8 pixels on.

    Three convolutions (4x4, stride 2) halve the map, three transposed ones bring it back; with `skips` the last two of
    these also see the map of their size from the way down. Groups of channels are normalised, not batches, so a drawing
    alone gives what it gives among others. Chance: `dropout` on the two smaller maps of the way back, in training and
    afterwards alike; and, with `z_dim`, z (N, z_dim) beside the smallest map, drawn anew where it is not given. Raises
    ValueError for another shape. Parameters with width 16 and skips: 91,329.
    Sources: Ronneberger et al. 2015; Isola et al. 2017, section 3.2 and appendix 6.1.
    """

    def __init__(self, channels: int = 1, width: int = 16, skips: bool = True, dropout: float = 0.5, z_dim: int = 0):
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(f"width={width} does not fit: give a multiple of 4.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} does not fit: a share from 0 to below 1.")
        self.skips, self.dropout, self.z_dim = skips, dropout, z_dim
        down, up, w, twice = nn.Conv2d, nn.ConvTranspose2d, width, 1 + bool(skips)
        self.first = down(1, w, 4, 2, 1)  # a half of the side
        self.down = nn.ModuleList([_normed(down(a, 2 * a, 4, 2, 1), nn.LeakyReLU(0.2)) for a in (w, 2 * w)])
        self.up = nn.ModuleList([
            _normed(up(4 * w + z_dim, 2 * w, 4, 2, 1), nn.ReLU()), _normed(up(2 * w * twice, w, 4, 2, 1), nn.ReLU())
        ])  # fmt: skip
        self.last = up(w * twice, channels, 4, 2, 1)

    def forward(self, outline: Tensor, z: Tensor | None = None) -> Tensor:
        if outline.ndim != 4 or outline.shape[1] != 1 or min(outline.shape[2:]) < 8:
            raise ValueError(f"outlines must be (N, 1, H, W), 8 pixels or more a side: got {tuple(outline.shape)}.")
        h = F.leaky_relu(self.first(outline), 0.2)
        maps = [h]  # of a half, a quarter, an eighth of the side, rounded down
        for conv, act in self.down:
            h = act(conv(h))
            maps.append(h)
        h = maps.pop()
        if self.z_dim:
            z = torch.randn(len(h), self.z_dim, device=h.device) if z is None else z
            h = torch.cat([h, z[:, :, None, None].expand(-1, -1, *h.shape[2:])], 1)
        for conv, act in self.up:
            same = maps.pop()
            h = act(conv(h, output_size=same.shape[2:]))
            h = F.dropout(h, self.dropout)  # not only in training: it is where chance comes in
            h = torch.cat([h, same], 1) if self.skips else h
        return self.last(h, output_size=outline.shape[2:]).tanh()


class PatchDiscriminator(nn.Module):
    """Pictures (N, channels, H, W), and their outlines if it sees any -> logits (N * h * w,), one for each patch.

    One convolution (4x4, stride 2) a halving, LeakyReLU(0.2) after each: a logit sees `patch` pixels a side, 4, 10 or
    22. With patch=None it sees all, three halvings and a linear layer, for pictures of `image_size`: (N,). The outline
    enters as one more channel; with outline=False none is needed, and one that is given is ignored. Raises ValueError
    for another patch, a missing outline, or a picture and an outline of two sizes. Source: Isola et al. 2017, section
    3.2.2.
    """

    def __init__(self, channels: int = 1, width: int = 16, patch: int | None = 10, outline=True, image_size: int = 28):
        super().__init__()
        if patch is not None and patch not in PATCHES:
            raise ValueError(f"patch={patch} does not fit: choose one of {', '.join(map(str, PATCHES))}, or None.")
        self.patch, self.outline, self.image_size = patch, outline, image_size
        halvings = 3 if patch is None else PATCHES.index(patch) + 1
        c, layers = channels + bool(outline), []
        for i in range(halvings):
            n_out = width * 2**i
            layers += [nn.Conv2d(c, n_out, 4, 2, 1), nn.LeakyReLU(0.2)]
            c = n_out
        self.net = nn.Sequential(*layers)
        self.head = nn.Conv2d(c, 1, 1 if patch else image_size >> halvings)

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        return self.map(x, *conditions).flatten()  # every patch is one decision, as the losses take them

    def map(self, x: Tensor, *conditions: Tensor) -> Tensor:
        """The logits (N, h, w) where they belong."""
        if self.outline and not conditions:
            raise ValueError("this D sees an outline beside the picture: give both, or make it with outline=False.")
        for outline in conditions:
            if x.shape[2:] != outline.shape[2:] or len(x) != len(outline):
                raise ValueError(
                    f"pictures {tuple(x.shape)} and outlines {tuple(outline.shape)} do not fit each other."
                )
        if self.patch is None and x.shape[2:] != (self.image_size,) * 2:
            raise ValueError(f"this D was made for {self.image_size} pixels, the pictures are {tuple(x.shape)}.")
        return self.head(self.net(torch.cat([x, *conditions], 1) if self.outline else x)).squeeze(1)


def translate(G: UNet, outline: Tensor, seed: int = 0, batch_size: int = 500) -> Tensor:
    """G's pictures of the outlines, on the CPU, the same for equal seeds; raises what `check_outline` raises."""
    check_outline(outline)
    return answers(G, outline.float(), seed, batch_size)


# ----------------------------------------------------------------------------------------------- what came of it


def follows(outline: Tensor, again: Tensor) -> Tensor:
    """How well the outline of a result, `again`, is the one that was asked for: (N,) from 0 to 1.

    The harmonic mean of two shares: ink of `again` that has ink of `outline` on it or beside it (8 neighbours), and the
    other way round. 0 where either is empty. Raises ValueError for two shapes.
    """
    if outline.shape != again.shape or outline.ndim != 4:
        raise ValueError(f"outlines {tuple(outline.shape)} and {tuple(again.shape)} must be of one shape (N, 1, H, W).")

    def near(a: Tensor, b: Tensor) -> Tensor:
        return (a * F.max_pool2d(b, 3, 1, 1)).flatten(1).sum(1) / a.flatten(1).sum(1).clamp(min=1)

    a, b = near(again, outline), near(outline, again)
    return 2 * a * b / (a + b).clamp(min=1e-12)


def spread(draws: Tensor) -> Tensor:
    """How far k answers (k, N, C, H, W) to one outline lie apart: mean |difference| a pixel over all pairs, (N,).

    In units of pictures in [-1, 1]: 2 is black against white everywhere. Raises ValueError for fewer than two answers.
    """
    if len(draws) < 2:
        raise ValueError("one answer has no spread: give two or more draws, (k, N, C, H, W).")
    pairs = [(draws[i] - draws[j]).abs().flatten(1).mean(1) for i in range(len(draws)) for j in range(i)]
    return torch.stack(pairs).mean(0)


def nearest_outline(outline: Tensor, known: Tensor, k: int = 1) -> Tensor:
    """Indices (N, k) of the k outlines in `known` nearest to each, once both are blurred by 5x5 binomial weights.

    Blurred, since two lines a pixel apart share no ink. Euclidean distance. On the device of `outline`.
    """
    line = torch.tensor([1.0, 4, 6, 4, 1], device=outline.device) / 16
    weights = (line[:, None] * line)[None, None]

    def blurred(x: Tensor) -> Tensor:
        return torch.cat([F.conv2d(part.to(weights).float(), weights, padding=2).flatten(1) for part in x.split(PART)])

    a, b = blurred(outline), blurred(known)
    return torch.cat([torch.cdist(part, b).topk(k, largest=False).indices for part in a.split(500)])


def pix2pix_step(x_real, outline, *, G, D, opt_G, opt_D, loss: Loss = non_saturating, gan_weight=1.0, l1_weight=100.0):
    """One round of paired translation: D tells pairs (picture, outline) apart, G fools it and stays near the picture.

    `outline` (N, 1, H, W) belongs to `x_real` (N, C, H, W). G's loss is gan_weight times the adversarial one plus
    l1_weight times the mean of |G(outline) - x_real| over all pixels; D gives a logit a patch, and both losses are
    means over patches. Chance, where there is any, is inside G. Returns {"loss_D", "loss_G", "loss_l1"}, detached, the
    last two without weights. Source: Isola et al. 2017, eq. 4 (l1_weight is lambda; D's loss is not halved here).
    """
    x_fake = G(outline)
    loss_D = loss.d_loss(D(x_real, outline), D(x_fake.detach(), outline))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_real = D(x_real, outline).detach() if loss.pairs else None
    loss_G = loss.g_loss(D(x_fake, outline), d_real)
    loss_l1 = (x_fake - x_real).abs().mean()
    opt_G.zero_grad()
    (gan_weight * loss_G + l1_weight * loss_l1).backward(inputs=list(G.parameters()))  # through D, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_l1": loss_l1.detach()}

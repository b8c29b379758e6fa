"""Style as the statistics of filters' answers: textures from noise, the style of one picture with the content of
another, by descent or in one pass; and measures of how near they came that are not what was minimised.

Pictures are (N, C, H, W) in [-1, 1]. The filters are random and never trained: there is no network to download.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.photos import read_photo
from ..inputs import one_of, whole
from ..pixels import check

SIZES = (3, 5, 7, 11, 15, 23, 31)  # sides of the filters, in pixels
STATISTICS = ("mean colour", "two moments", "Gram matrix", "whole distributions")
SMALLEST = 64  # pixels of a photograph whose statistics are taken
SLICES, LEVELS = 64, 128  # of whole distributions: directions, and quantiles of each

# ------------------------------------------------------------------------------------------------ filters, statistics


def read_style(path: str | Path, side: int = 128, channels: int = 3) -> Tensor:
    """The reader's own photograph (1, channels, side, side), its middle square.

    Raises FileNotFoundError, or ValueError for what is no picture or has fewer than SMALLEST pixels a side: blown up,
    it would have no texture but that of the resampling.
    """
    from PIL import Image

    x = read_photo(path, side, channels)
    with Image.open(Path(path).expanduser()) as picture:
        size = picture.size
    if min(size) < SMALLEST:
        raise ValueError(
            f"{Path(path).name} has {size[0]} x {size[1]} pixels: too few for a texture. Give a picture of "
            f"{SMALLEST} pixels a side or more."
        )
    return x


def filters(channels: int = 1, sizes: Sequence[int] = SIZES, each: int = 16, seed: int = 0) -> list[Tensor]:
    """Random filters, `each` of every size: [(each, channels, s, s), ...], numbers from N(0, 1), then mean 0, length 1.

    Source: Ustyuzhaninov, Brendel, Gatys and Bethge 2016: one layer of random filters of several sizes, and a ReLU.
    """
    for s in sizes:
        whole("a filter's side", s, 2, 63)
    draw, bank = torch.Generator().manual_seed(seed), []
    for s in sizes:
        w = torch.randn(each, channels, s, s, generator=draw)
        w = w - w.mean((1, 2, 3), keepdim=True)
        bank.append(w / w.flatten(1).norm(dim=1)[:, None, None, None])
    return bank


def answers(x: Tensor, bank: Sequence[Tensor], wrap: bool = False, waves: Sequence[Tensor] | None = None) -> Tensor:
    """What each filter answers at each place: (N, K, H, W), K filters of all sizes in the bank.

    a_k(p) = sum_q w_k(q) x(p + q), q from the filter's middle. With `wrap` the picture goes on at its other edge, as a
    tile does; without, places within half the largest filter of an edge are cut off, so H and W are smaller by that.
    By the Fourier transform, so that large filters cost what small ones do; `waves` are the bank's `transforms` for
    this size, where they are known already. Raises ValueError for other channels, or a picture too small for the
    largest filter.
    """
    h, w = x.shape[-2:]
    largest = max(f.shape[-1] for f in bank)
    if x.ndim != 4 or x.shape[1] != bank[0].shape[1] or min(h, w) < largest + (0 if wrap else 8):
        raise ValueError(
            f"a picture {tuple(x.shape)} does not fit filters of {bank[0].shape[1]} channels and up to {largest} "
            f"pixels: give (N, C, H, W) with C as the filters have, and at least {largest + (0 if wrap else 8)} a side."
        )
    spectrum, found = torch.fft.rfft2(x)[:, None], []
    re, im = spectrum.real, spectrum.imag
    for g in waves or transforms(bank, (h, w), x):
        both = torch.complex((re * g.real + im * g.imag).sum(2), (im * g.real - re * g.imag).sum(2))  # spectrum conj(g)
        found.append(torch.fft.irfft2(both, s=(h, w)))
    cut = 0 if wrap else largest // 2
    return torch.cat(found, 1)[..., cut : h - cut, cut : w - cut]


def transforms(bank: Sequence[Tensor], size: tuple[int, int], like: Tensor) -> list[Tensor]:
    """The Fourier transforms of filters, their middle at the origin of a picture of `size` (H, W): complex."""
    h, w = size
    found = []
    for f in bank:
        s = f.shape[-1]
        padded = F.pad(f.to(like), (0, w - s, 0, h - s)).roll((-(s // 2), -(s // 2)), (2, 3))
        found.append(torch.fft.rfft2(padded))
    return found


class Style:
    """The statistics of a photograph, or of N, and how far other pictures are from them: one, or one a photograph.

    kind   one of STATISTICS: each is the mean colour and, of a_k = relu(answer / its standard deviation in the
           photograph): "two moments", the mean and spread of each a_k (what AdaIN keeps); "Gram matrix", the means and
           G_kl = mean over places of a_k a_l; "whole distributions", these and 128 quantiles along 64 random directions
    bent   without it the ReLU is left out, and only what is linear remains
    Raises ValueError for another kind, or a photograph smaller than SMALLEST pixels.
    Source: Gatys, Ecker and Bethge 2015 (Gram); Huang and Belongie 2017 (moments); Heitz and others 2021 (slices).
    """

    def __init__(self, photo: Tensor, kind: str, bank: Sequence[Tensor] | None = None, bent: bool = True):
        one_of(kind, STATISTICS, "statistic")
        check(photo, ("N", (1, 3), "H", "W"), name="photo", kinds=("float",))
        if min(photo.shape[2:]) < SMALLEST:
            raise ValueError(
                f"a photograph of {photo.shape[3]} x {photo.shape[2]} pixels has too little texture: give "
                f"{SMALLEST} pixels a side or more."
            )
        self.kind, self.bent, self.bank = kind, bent, bank or filters(photo.shape[1])
        self.waves: dict[tuple, list[Tensor]] = {}
        raw = answers(photo, self.bank)
        self.scale = raw.std((2, 3), keepdim=True).clamp(min=1e-4)  # (N, K, 1, 1)
        draw = torch.Generator().manual_seed(0)
        directions = torch.randn(SLICES, raw.shape[1], generator=draw).to(photo)
        self.directions = directions / directions.norm(dim=1, keepdim=True)
        self.target = [part.detach() for part in self._parts(photo, raw)]

    def distance(self, x: Tensor) -> Tensor:
        """Sum over the statistics of the mean squared difference to the photograph's: (N,), differentiable."""
        raw = None
        if self.kind != "mean colour":
            size = tuple(x.shape[2:])
            if size not in self.waves:
                self.waves = {size: transforms(self.bank, size, x)}
            raw = answers(x, self.bank, True, self.waves[size])
        pairs = zip(self._parts(x, raw), self.target, strict=True)
        return sum((a - b).square().flatten(1).mean(1) for a, b in pairs)

    def _parts(self, x: Tensor, raw: Tensor | None) -> list[Tensor]:
        colour = x.mean((2, 3))
        if self.kind == "mean colour":
            return [colour]
        a = (raw / self.scale).flatten(2)  # (N, K, places)
        a = a.relu() if self.bent else a
        if self.kind == "two moments":
            return [colour, a.mean(2), a.std(2)]
        parts = [colour, a.mean(2), a @ a.mT / a.shape[2]]
        if self.kind == "whole distributions":
            inorder = (self.directions @ a).sort(2).values
            parts.append(F.interpolate(inorder, size=LEVELS, mode="linear", align_corners=True))
        return parts


class Made(NamedTuple):
    """A picture x (1, C, H, W), the loss at each evaluation, and the seconds it took."""

    x: Tensor
    losses: list[float]
    seconds: float


def synthesise(style: Style, size: int = 64, iterations: int = 100, seed: int = 0) -> Made:
    """A texture (1, C, size, size) from noise: descent on `style.distance` by the pixels. It can be laid as tiles.

    The noise is white, with the photograph's mean. L-BFGS, `iterations` of it at most, as in Gatys and others.
    Raises ValueError for a size below the largest filter, or above 256.
    """
    whole("size", size, max(f.shape[-1] for f in style.bank), 256)
    mean = style.target[0]
    noise = torch.randn(1, mean.shape[1], size, size, generator=torch.Generator().manual_seed(seed))
    return _descend(style.distance, mean[:, :, None, None] + 0.25 * noise.to(mean), iterations)


def _descend(loss_of: Callable[[Tensor], Tensor], start: Tensor, iterations: int) -> Made:
    """L-BFGS on the pixels from `start`; what lies beyond -1 and 1 pays its square, and is cut off at the end."""
    x, losses, begun = start.clone(memory_format=torch.contiguous_format).requires_grad_(), [], time.perf_counter()
    opt = torch.optim.LBFGS([x], max_iter=iterations, history_size=20, line_search_fn="strong_wolfe",
                            tolerance_grad=1e-9, tolerance_change=1e-12)  # fmt: skip

    def closure():
        opt.zero_grad()
        loss = 1000 * loss_of(x).sum() + 10 * (x.abs() - 1).clamp(min=0).square().mean()
        loss.backward()
        losses.append(loss.item() / 1000)
        return loss

    opt.step(closure)
    return Made(x.detach().clamp(-1, 1), losses, time.perf_counter() - begun)


# ------------------------------------------------------------------------------------------------ without any training


def nearest_patches(
    photo: Tensor, size: int = 64, seed: int = 0, scales=(0.36, 0.6, 1.0), rounds: int = 3, alpha: float = 0.02
) -> Made:
    """A texture made of the photograph's own patches, coarse to fine: GPNN.

    At each of the scales the picture so far is enlarged; each of its patches q, 7 x 7, gives way to the photograph's k
    with the least d(q, k) / (alpha + min over q' of d(q', k)), d the mean squared difference: a patch that already
    serves somebody well is dearer elsewhere. Overlapping patches are averaged. It starts from a random place of the
    coarsest photograph under noise; `rounds` a scale. Raises ValueError for a photograph smaller than `size`.
    Source: Granot and others 2022, section 3 (their scales are finer, 3/4 each; their rounds are 10).
    """
    check(photo, (1, (1, 3), "H", "W"), name="photo", kinds=("float",))
    whole("size", size, 32, min(photo.shape[2:]), "the photograph's shorter side")
    begun, draw = time.perf_counter(), torch.Generator().manual_seed(seed)
    x = before = None
    for share in scales:
        s = round(size * share)
        source = _resized(photo, [round(n * share) for n in photo.shape[2:]])
        if x is None:
            top, left = (int(torch.randint(n - s + 1, (1,), generator=draw)) for n in source.shape[2:])
            x = source[..., top : top + s, left : left + s]
            x = x + 0.75 * torch.randn(x.shape, generator=draw).to(x)
        else:
            x = _resized(x, (s, s))
        keys = source if before is None else _resized(before, source.shape[2:])  # as blurred as x is
        for _ in range(rounds):
            x, keys = _replaced(x, keys, source, 7, alpha), source
        before = source
    return Made(x, [], time.perf_counter() - begun)


def _resized(x: Tensor, size) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", antialias=True)


def _replaced(x: Tensor, keys: Tensor, values: Tensor, patch: int, alpha: float) -> Tensor:
    """Each patch of x by the one of `values` whose place in `keys` is nearest, overlaps averaged."""
    q, k, v = (F.unfold(t, patch)[0].T for t in (x, keys, values))
    d = torch.cdist(q, k).square_().div_(q.shape[1])
    chosen = v[d.div_(alpha + d.min(0).values).argmin(1)].T[None]
    size = x.shape[2:]
    return F.fold(chosen, size, patch) / F.fold(torch.ones_like(chosen), size, patch)


# ------------------------------------------------------------------------------------------------ how near did it come?


def told_apart(real: Sequence[Tensor], made: Tensor, patch: int = 11, seed: int = 0) -> float:
    """Area under the ROC curve of a forest that tells patches of `made` from real ones: 1/2 where it cannot, 1 always.

    A random forest of 40 trees sees patches less their mean: of the left halves to learn, of the right halves to be
    judged, of equal numbers. `real` are pictures like `made`, (1, C, H, W), of places that nobody optimised. Patches of
    one picture overlap and resemble each other: there is no p-value, but real against real is the band to compare with.
    Raises ValueError for pictures below 4 patches a side. Source: Lopez-Paz and Oquab 2017, with another classifier.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    for x in (*real, made):
        check(x, (1, "C", "H", "W"), name="a picture")
        if min(x.shape[2:]) < 4 * patch:
            raise ValueError(f"{tuple(x.shape[2:])} pixels: give at least {4 * patch} a side for patches of {patch}.")
    draw, halves = torch.Generator().manual_seed(seed), []
    for right in (False, True):
        of_real = torch.cat([_patches(_half(x, right), patch, 2) for x in real])
        fake = _patches(_half(made, right), patch, 2)
        of_real = of_real[torch.randperm(len(of_real), generator=draw)[: len(fake)]]
        labels = [0] * len(fake) + [1] * len(of_real)
        halves.append((torch.cat([fake, of_real]).numpy(), labels))
    forest = RandomForestClassifier(40, min_samples_leaf=2, random_state=seed).fit(*halves[0])
    return float(roc_auc_score(halves[1][1], forest.predict_proba(halves[1][0])[:, 1]))


def _half(x: Tensor, right: bool) -> Tensor:
    middle = x.shape[3] // 2
    return x[..., middle:] if right else x[..., :middle]


def _patches(x: Tensor, patch: int, stride: int) -> Tensor:
    """(places, C patch^2) on the CPU, each patch and channel less its mean."""
    found = F.unfold(x.float().cpu(), patch, stride=stride)[0].T.unflatten(1, (x.shape[1], patch * patch))
    return (found - found.mean(2, keepdim=True)).flatten(1)


def edge_distance(real: Sequence[Tensor], made: Tensor) -> float:
    """Mean over 24 oriented filters of the Wasserstein-1 distance of their answers, in the real ones' deviations.

    The filters are first and second derivatives of a Gaussian of 1, 2 and 3.5 pixels in four directions (of the mean of
    the channels), so not those that a Style stands on. 0 for equal distributions; real against real is not 0 but a
    band. By scipy.stats.wasserstein_distance. Raises ValueError for pictures below 32 pixels.
    """
    from scipy.stats import wasserstein_distance

    for x in (*real, made):
        check(x, (1, "C", "H", "W"), name="a picture")
        whole("a picture's shorter side", min(x.shape[2:]), 32, 10**6)
    found = []
    for f in _derivatives():
        a, *b = (F.conv2d(x.float().cpu().mean(1, keepdim=True), f).flatten() for x in (made, *real))
        b = torch.cat(b)
        found.append(wasserstein_distance(a.numpy(), b.numpy()) / float(b.std()))
    return math.fsum(found) / len(found)


def _derivatives() -> list[Tensor]:
    found = []
    for width, turn, order in itertools.product((1.0, 2.0, 3.5), range(4), (1, 2)):
        r = int(3 * width) + 1
        y, x = torch.meshgrid(torch.arange(-r, r + 1.0), torch.arange(-r, r + 1.0), indexing="ij")
        u = x * math.cos(turn * math.pi / 4) + y * math.sin(turn * math.pi / 4)
        f = (u if order == 1 else u.square() / width**2 - 1) * torch.exp(-(x.square() + y.square()) / (2 * width**2))
        f = f - f.mean()
        found.append((f / f.norm())[None, None])
    return found


def newness(photo: Tensor, made: Tensor, patch: int = 11) -> float:
    """Mean distance of a patch of `made` to the nearest of the photograph, root mean square a pixel: 0 for a copy.

    Compare with that of another real crop. Raises ValueError for pictures below the patch.
    """
    for x in (photo, made):
        check(x, (1, "C", "H", "W"), name="a picture")
        whole("a picture's shorter side", min(x.shape[2:]), patch, 10**6)
    a, b = (F.unfold(x.float().cpu(), patch, stride=s)[0].T for x, s in ((made, 2), (photo, 1)))
    return float(torch.cdist(a, b).min(1).values.mean() / a.shape[1] ** 0.5)


# ------------------------------------------------------------------------------------------------------------ transfer


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """sd(s) (c - mean(c)) / sd(c) + mean(s), a map: content's maps (N, K, H, W) with the moments of style's.

    Means and spreads are over places. Raises ValueError for other numbers of maps. Source: Huang and Belongie 2017,
    eq. 8.
    """
    if content.ndim != 4 or style.ndim != 4 or content.shape[1] != style.shape[1]:
        raise ValueError(f"maps {tuple(content.shape)} and {tuple(style.shape)}: give (N, K, H, W) of one K.")
    mean, spread = (f(content) for f in (_mean, lambda t: (t.var((2, 3), keepdim=True) + eps).sqrt()))
    return (style.var((2, 3), keepdim=True) + eps).sqrt() * (content - mean) / spread + _mean(style)


def _mean(t: Tensor) -> Tensor:
    return t.mean((2, 3), keepdim=True)


def content_maps(x: Tensor, side: int = 5, each: int = 16) -> Tensor:
    """What is kept as content: answers of random filters to the grey picture, each with mean 0 and spread 1 in it.

    (N, each, H, W), the picture wrapped. So neither brightness nor contrast is content, but edges and their places.
    """
    a = answers(x.mean(1, keepdim=True), filters(1, (side,), each, seed=1), wrap=True)
    return (a - _mean(a)) / (a.std((2, 3), keepdim=True) + 1e-3)


def recoloured(content: Tensor, photo: Tensor) -> Tensor:
    """`adain` of the pixels themselves, cut off at -1 and 1: the photograph's mean and spread in each colour, no more.

    What a transfer has to beat, and the unit of its style: (N, C, H, W).
    """
    return adain(content, photo).clamp(-1, 1)


def transfer(content: Tensor, photo: Tensor, share: float = 0.5, iterations: int = 60, kind="Gram matrix") -> Made:
    """The style of a photograph with the content of a picture (1, C, H, W), by descent on the pixels.

    From r, the `recoloured` content, it lowers share S(x) / S(r) + (1 - share) mean (f(x) - f(content))^2 / 2, S the
    `Style`'s distance and f the `content_maps`. The first is 1 where colours are all that was taken, the second where
    nothing of the content is left. Raises ValueError for a share outside 0 to 1, or pictures with other channels.
    Source: Gatys, Ecker and Bethge 2016, eq. 7; the units, the start and the random filters are ours.
    """
    if not 0 <= share <= 1 or content.shape[1] != photo.shape[1]:
        raise ValueError(
            f"share={share}, channels {content.shape[1]} and {photo.shape[1]}: give 0 to 1, and equal ones."
        )
    style, start = Style(photo, kind), recoloured(content, photo)
    with torch.no_grad():
        kept, unit = content_maps(content), style.distance(start)

    def loss(x: Tensor) -> Tensor:
        lost = (content_maps(x) - kept).square().mean((1, 2, 3)) / 2
        return share * style.distance(x) / unit + (1 - share) * lost

    return _descend(loss, start, iterations)


def transfer_step(content, style, *, net, opt, bank, weight=1.0):
    """One step of a `Transfer`: style reached and content kept by three pictures of four, the content itself by one.

    Loss: weight log2(1 + S(x) / S(r)) + mean (f(x) - f(content))^2 / 2 with S, r and f as in `transfer`, and 4 mean
    (x - content)^2 for the first quarter, at amount 0; S is the Gram matrix in `bank`. Returns the three terms,
    detached. N is 4 or more.
    """
    quarter = len(content) // 4
    plain, content, style = content[:quarter], content[quarter:], style[quarter:]
    aim, x = Style(style, "Gram matrix", bank), net(content, style)
    unit = aim.distance(recoloured(content, style)).detach().clamp(min=1e-6)
    reached = (1 + aim.distance(x) / unit).log2().mean()
    lost = (content_maps(x) - content_maps(content)).square().mean() / 2
    error = (net(plain, style[:quarter], 0.0) - plain).square().mean()
    opt.zero_grad()
    (weight * reached + lost + 4 * error).backward()
    opt.step()
    return {"style": reached.detach(), "content": lost.detach(), "error": error.detach()}


class Transfer(nn.Module):
    """Style in one pass: x = decode(amount adain(E(c), E(s)) + (1 - amount) E(c)), (N, 3, H, W), sides multiples of 4.

    A small encoder E to `width` maps at a quarter of the side, and a decoder. Source: Huang and Belongie 2017, eq. 14;
    here E is trained with the decoder, since there is no network that has learnt to see.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        w = width
        self.encode = nn.Sequential(
            nn.Conv2d(3, w // 2, 5, padding=2, padding_mode="reflect"), nn.LeakyReLU(0.2),
            nn.Conv2d(w // 2, w, 3, 2, 1, padding_mode="reflect"), nn.LeakyReLU(0.2),
            nn.Conv2d(w, w, 3, 2, 1, padding_mode="reflect"),
        )  # fmt: skip
        up = nn.Upsample(scale_factor=2, mode="nearest")
        self.decode = nn.Sequential(
            nn.Conv2d(w, w, 3, 1, 1, padding_mode="reflect"), nn.LeakyReLU(0.2), up,
            nn.Conv2d(w, w // 2, 3, 1, 1, padding_mode="reflect"), nn.LeakyReLU(0.2), up,
            nn.Conv2d(w // 2, w // 4, 3, 1, 1, padding_mode="reflect"), nn.LeakyReLU(0.2),
            nn.Conv2d(w // 4, 3, 3, 1, 1, padding_mode="reflect"), nn.Tanh(),
        )  # fmt: skip

    def forward(self, content: Tensor, style: Tensor, amount: float = 1.0) -> Tensor:
        if content.shape[1] != 3 or style.shape[1] != 3 or content.shape[2] % 4 or content.shape[3] % 4:
            raise ValueError(f"{tuple(content.shape)} and {tuple(style.shape)}: give RGB, the content's sides by 4.")
        c = self.encode(content)
        return self.decode(amount * adain(c, self.encode(style)) + (1 - amount) * c)


# ------------------------------------------------------------------------------------------------- what is lost of it?


def edges(x: Tensor) -> Tensor:
    """How steep the grey picture is at each place: the length of Sobel's two answers, (N, H - 2, W - 2)."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(x)
    return F.conv2d(x.mean(1, keepdim=True), torch.stack([sobel, sobel.T])[:, None]).norm(dim=1)


def edges_kept(x: Tensor, content: Tensor) -> Tensor:
    """Correlation over places of the `edges` of a picture with its content's: (N,), 1 where all are kept."""
    if x.shape != content.shape:
        raise ValueError(f"pictures {tuple(x.shape)} and {tuple(content.shape)}: give one content a picture.")
    a, b = (e.flatten(1) - e.flatten(1).mean(1, keepdim=True) for e in (edges(x), edges(content)))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-12)


def found_again(x: Tensor, contents: Tensor) -> float:
    """Share of pictures x (N, C, H, W) whose own content, of the N contents, is the one most like it by blurred edges.

    By the correlation of `edges`, averaged over 4 x 4 pixels; guessing earns 1 / N.
    """
    if x.shape != contents.shape or len(x) < 2:
        raise ValueError(f"pictures {tuple(x.shape)} and {tuple(contents.shape)}: give two or more, a content each.")
    a, b = (F.avg_pool2d(edges(t)[:, None], 4).flatten(1) for t in (x, contents))
    a, b = ((t - t.mean(1, keepdim=True)) / t.std(1, keepdim=True).clamp(min=1e-12) for t in (a, b))
    return float(((a @ b.T).argmax(1) == torch.arange(len(x), device=x.device)).float().mean())

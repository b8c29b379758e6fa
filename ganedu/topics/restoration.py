"""Images made worse, and better again: degradations, the classical answers, and a small network.

Images are (N, C, H, W) float in [-1, 1] throughout; masks are (N, 1, H, W), 1 where the picture is missing. Only
`downscale` and `bicubic` change the size. What a library has is called, not written again.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import sampling
from ..losses import Loss, non_saturating
from ..pixels import check

# -------------------------------------------------------------------------------------------------- degradations


def downscale(x: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H / factor, W / factor): the mean of each block of factor x factor pixels.

    Raises ValueError unless factor is a whole number that divides both sides.
    """
    _check(x)
    if not isinstance(factor, int) or factor < 1 or x.shape[2] % factor or x.shape[3] % factor:
        raise ValueError(f"factor={factor!r} does not divide {x.shape[2]} x {x.shape[3]} pixels: crop, or choose 2.")
    return F.avg_pool2d(x, factor)


def add_noise(x: Tensor, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    """x plus Gaussian noise of standard deviation sigma in each value, not cut off; black to white is 2."""
    _check(x)
    _check_sigma(sigma)
    device = x.device if generator is None else generator.device
    return x + sigma * torch.randn(x.shape, generator=generator, device=device).to(x.device)


def kernel(sigma: float) -> Tensor:
    """The Gaussian weights (k, k) of `blur`, sum 1, cut off at 3 sigma, k odd; sigma in pixels, where 0 is no blur."""
    _check_sigma(sigma)
    line = torch.arange(-round(3 * sigma), round(3 * sigma) + 1)
    line = torch.exp(-(line.double() ** 2) / (2 * max(sigma, 1e-6) ** 2))
    return (line[:, None] * line / line.sum() ** 2).float()


def blur(x: Tensor, sigma: float) -> Tensor:
    """x blurred by `kernel`, mirrored at its borders. Raises ValueError where 3 sigma reaches beyond the picture."""
    _check(x)
    weights = kernel(sigma).to(x.device)
    r = len(weights) // 2
    if r >= min(x.shape[2:]):
        raise ValueError(f"sigma={sigma} is too wide for {x.shape[2]} x {x.shape[3]} pixels: 3 sigma must fit inside.")
    n, c, h, w = x.shape
    wide = F.pad(x, (r,) * 4, mode="reflect").view(n * c, 1, h + 2 * r, w + 2 * r)
    return F.conv2d(wide, weights[None, None]).view_as(x)


def strokes(n: int, size: int, thickness: tuple[float, float] = (4, 9), generator=None, most: int = 3) -> Tensor:
    """n masks (n, 1, size, size) as a broad pen paints them: one to `most` straight strokes, each from here to there.

    `thickness` is the range of the pen's widths in pixels. Raises ValueError for n, size or a width not above 0.
    """
    if n < 1 or size < 1 or most < 1 or not 0 < thickness[0] <= thickness[1]:
        raise ValueError(f"n={n}, size={size}, thickness={thickness}, most={most} do not fit: give numbers above 0.")
    a, b = (torch.rand(n, most, 2, 1, generator=generator) * size for _ in range(2))
    wide = thickness[0] + (thickness[1] - thickness[0]) * torch.rand(n, most, 1, generator=generator)
    there = torch.arange(most) < torch.randint(1, most + 1, (n, 1), generator=generator)
    p = torch.cartesian_prod(*[torch.arange(size) + 0.5] * 2).T  # (2, size * size), rows and columns
    along = ((p - a) * (b - a)).sum(2, keepdim=True) / (b - a).square().sum(2, keepdim=True).clamp(min=1e-9)
    far = (p - a - along.clamp(0, 1) * (b - a)).square().sum(2).sqrt()  # (n, most, size * size)
    ink = (far < wide / 2) & there[:, :, None]
    return ink.any(1).view(n, 1, size, size).float()


def punch(x: Tensor, mask: Tensor) -> Tensor:
    """(N, C + 1, H, W): the pictures with 0, middle grey, in the holes, and the mask as one more channel.

    Raises ValueError where `check_mask` does.
    """
    _check(x)
    check_mask(mask, x)
    mask = mask.to(x.device)
    return torch.cat([x * (1 - mask), mask.expand(len(x), -1, -1, -1)], 1)


def check_mask(mask: Tensor, x: Tensor) -> None:
    """Raise ValueError unless mask is (1 or N, 1, H, W) of 0 and 1 for x, with a hole in each and not all a hole."""
    if mask.ndim != 4 or mask.shape[1] != 1 or mask.shape[2:] != x.shape[2:] or len(mask) not in (1, len(x)):
        raise ValueError(f"a mask for pictures {tuple(x.shape)} is (N, 1, H, W) like them: got {tuple(mask.shape)}.")
    if not ((mask == 0) | (mask == 1)).all():
        raise ValueError("a mask holds 0 (known) and 1 (missing) alone: threshold it, (mask > 0.5).float().")
    share = mask.flatten(1).mean(1)
    if len(empty := (share == 0).nonzero()):
        raise ValueError(f"mask {int(empty[0])} of {len(mask)} is empty: paint a hole first.")
    if (share == 1).any():
        raise ValueError("a hole as large as the picture leaves nothing to go by: leave some pixels standing.")


# --------------------------------------------------------------------------------------------- classical answers
# All but `bicubic` are other libraries', which compute on the CPU, where their results are.


def bicubic(x: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) -> (N, C, factor H, factor W) by cubics through 4 x 4 pixels (torch), cut off at [-1, 1]."""
    _check(x)
    # "antialias" changes nothing in enlarging but the cubic, to Keys' of 1981, which keeps straight lines straight
    return F.interpolate(x, scale_factor=factor, mode="bicubic", antialias=True).clamp(-1, 1)


def median(x: Tensor, side: int = 3) -> Tensor:
    """Each value the median of the side x side around it in its channel (scipy), cut off at [-1, 1]."""
    from scipy.ndimage import median_filter

    _check(x)
    return torch.from_numpy(median_filter(x.cpu().numpy(), size=(1, 1, side, side), mode="mirror")).clamp(-1, 1)


def total_variation(x: Tensor, weight: float = 0.1) -> Tensor:
    """Chambolle's: least |u - x|^2 / 2 + weight * (sum of |slope|), in units of [0, 1] (scikit-image)."""
    from skimage.restoration import denoise_tv_chambolle

    return _each(x, lambda u: denoise_tv_chambolle(u, weight=weight, channel_axis=-1))


def wiener(x: Tensor, sigma: float, balance: float = 0.01) -> Tensor:
    """`blur` undone in frequencies, held back where it would raise noise, by `balance` (scikit-image's `wiener`).

    The picture is padded by its mirror image, for the filter takes it as periodic.
    """
    from skimage.restoration import wiener as undo

    return _deconvolved(x, sigma, lambda u, psf: undo(u, psf, balance, clip=False))


def richardson_lucy(x: Tensor, sigma: float, iterations: int = 15) -> Tensor:
    """`blur` undone by Richardson's and Lucy's steps towards the likeliest picture of Poisson counts (scikit-image)."""
    from skimage.restoration import richardson_lucy as undo

    return _deconvolved(x, sigma, lambda u, psf: undo(u.clip(1e-4, 1), psf, iterations))


def biharmonic(x: Tensor, mask: Tensor) -> Tensor:
    """The holes filled by the smoothest sheet (bending energy) that meets their borders (scikit-image)."""
    from skimage.restoration import inpaint_biharmonic

    check_mask(mask, x)
    holes = iter(mask.expand(len(x), -1, -1, -1)[:, 0].bool().cpu().numpy())
    return _each(x.double(), lambda u: inpaint_biharmonic(u, next(holes), channel_axis=-1))


def _deconvolved(x: Tensor, sigma: float, undo) -> Tensor:
    import numpy as np

    psf = kernel(sigma).numpy()
    r = min(2 * len(psf), min(x.shape[2:]) - 1)

    def one(u):
        wide = np.pad(u, ((r, r), (r, r), (0, 0)), mode="reflect")
        done = np.stack([undo(wide[..., c], psf) for c in range(u.shape[2])], -1)
        return done[r : r + u.shape[0], r : r + u.shape[1]]

    return _each(x, one)


def _each(x: Tensor, f) -> Tensor:
    """f on each picture as scikit-image has it, (H, W, C) in [0, 1], in x's precision; results cut off at [-1, 1]."""
    _check(x)
    done = [torch.from_numpy(f(u.permute(1, 2, 0).numpy() / 2 + 0.5)) for u in x.cpu()]
    return torch.stack(done).permute(0, 3, 1, 2).mul(2).sub(1).clamp(-1, 1).float().contiguous()


def _check(x: Tensor) -> None:
    check(x, name="pictures", kinds=("float",), look="finite")  # noise and sharpening leave [-1, 1]


def _check_sigma(sigma: float) -> None:
    if not sigma >= 0:
        raise ValueError(f"sigma={sigma} does not fit: give 0 or more.")


# ------------------------------------------------------------------------------------------------------- network


class Restorer(nn.Module):
    """Degraded pictures (N, channels, H, W) -> restored ones of the same shape: the input + what it lacks.

    Blocks of `block` x `block` pixels become channels (pixel unshuffle), so that the convolutions run on a map that
    many times smaller; `depth` residual pairs of 3x3 convolutions of `width` channels; and back (pixel shuffle). Sizes
    that `block` does not divide are mirrored at the border and cut again. `masked`: the last channel of the input is a
    mask, as `punch` adds it, and the picture is kept outside it. With z_dim, noise z (N, z_dim, H / block, W / block),
    rounded up, enters beside, drawn anew where it is not given. The last layer starts at 0: at first G returns its
    input. Not cut off at [-1, 1]; `restore` does that. Raises ValueError for another number of channels.
    Parameters with block 4, width 32, depth 2: 46,256 in grey.
    Sources: Ledig et al. 2017, section 2.1 (residual pairs, here without batch norm); Shi et al. 2016 (shuffle).
    """

    def __init__(self, channels=1, block=4, width=32, depth=2, masked=False, z_dim=0):
        super().__init__()
        self.channels, self.block, self.masked, self.z_dim = channels, block, masked, z_dim
        conv = lambda a, b: nn.Conv2d(a, b, 3, padding=1)  # noqa: E731
        self.first = conv((channels + masked) * block**2 + z_dim, width)
        self.pairs = nn.ModuleList(
            nn.Sequential(conv(width, width), nn.LeakyReLU(0.2), conv(width, width)) for _ in range(depth)
        )
        self.last = conv(width, channels * block**2)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x_bad: Tensor, z: Tensor | None = None) -> Tensor:
        if x_bad.ndim != 4 or x_bad.shape[1] != self.channels + self.masked:
            want = f"{self.channels} + a mask" if self.masked else self.channels
            raise ValueError(f"this network takes pictures (N, {want}, H, W): got {tuple(x_bad.shape)}.")
        n, _, height, width = x_bad.shape
        h = F.pad(x_bad, (0, -width % self.block, 0, -height % self.block), mode="reflect")
        h = F.pixel_unshuffle(h, self.block)
        if self.z_dim:
            z = torch.randn(n, self.z_dim, *h.shape[2:], device=h.device) if z is None else z
            h = torch.cat([h, z], 1)
        h = F.leaky_relu(self.first(h), 0.2)
        for pair in self.pairs:
            h = h + pair(h)
        h = F.pixel_shuffle(self.last(F.leaky_relu(h, 0.2)), self.block)[..., :height, :width]
        return x_bad[:, :-1] + x_bad[:, -1:] * h if self.masked else x_bad + h


def restore(G: nn.Module, x_bad: Tensor, seed: int = 0, batch_size: int = 250) -> Tensor:
    """G's answers, cut off at [-1, 1], on the CPU, the same for equal seeds.

    Raises ValueError for anything but finite floats (N, C, H, W), and for what G refuses.
    """
    _check(x_bad)
    return sampling.answers(G, x_bad, seed, batch_size).clamp(-1, 1)


def between(a: nn.Module, b: nn.Module, t: float) -> nn.Module:
    """A copy of `a` whose weights lie the share t, 0 to 1, of the way to those of `b`, a network of the same build.

    On a's device. It works where b was trained on from a, or both from one network. Raises ValueError for other t or
    two builds. Source: Wang et al. 2018, section 3.4 (network interpolation).
    """
    import copy

    first, second = a.state_dict(), b.state_dict()
    if not 0 <= t <= 1:
        raise ValueError(f"t={t} does not lie between: 0 is the first network, 1 the second.")
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        raise ValueError("the two networks are not of one build: train the second on from a copy of the first.")
    mixed = copy.deepcopy(a)
    mixed.load_state_dict({k: v.lerp(second[k].to(v.device), t) for k, v in first.items()})
    return mixed


def pixel_step(x_real, x_bad, *, G, opt_G):
    """One step of restoration by squared error alone: G's answer to `x_bad` comes nearer to `x_real`, pixel by pixel.

    `x_bad` (N, C', H, W), of the size of `x_real`, is what is left of it. Returns {"loss_pixel"}, the mean of
    (G(x_bad) - x_real)^2, detached. Where many pictures fit `x_bad`, the best answer to it is their mean.
    """
    loss_pixel = (G(x_bad) - x_real).square().mean()
    opt_G.zero_grad()
    loss_pixel.backward()
    opt_G.step()
    return {"loss_pixel": loss_pixel.detach()}


def restore_step(
    x_real, x_bad, *, G, D, opt_G, opt_D, features=None, loss: Loss = non_saturating,
    pixel_weight=1.0, feature_weight=0.0, gan_weight=0.1, answers=1,
):  # fmt: skip
    """One round of restoration as a game: squared error, features and D judge G's answer, each by its weight.

    D learns to tell `x_real` from G's answer; it sees picture and `x_bad` together. G's loss is pixel_weight times the
    mean of (G(x_bad) - x_real)^2, plus feature_weight times that of features(.), plus gan_weight times the adversarial
    one; with feature_weight=0 no features are asked. With `answers=2`, for a G with noise inside, the first term is the
    mean of (y - x_real)(y' - x_real) for two answers y, y' to the same `x_bad`: its expectation is the squared error of
    the mean answer, so their spread goes unpunished (and it can be negative); features and D judge y. Returns
    {"loss_D", "loss_G", "loss_pixel"[, "loss_feature"]}, detached, without weights. Raises ValueError for other
    `answers`. Source: Ledig et al. 2017, eq. 3; the thought of the mean answer, Ohayon et al. 2021, eq. 8.
    """
    if answers not in (1, 2):
        raise ValueError(f"answers={answers!r} does not fit: give 1 or 2.")
    x_fake = G(x_bad)
    other = G(x_bad) if answers == 2 else x_fake
    loss_D = loss.d_loss(D(x_real, x_bad), D(x_fake.detach(), x_bad))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    loss_G = loss.g_loss(D(x_fake, x_bad), D(x_real, x_bad).detach() if loss.pairs else None)
    loss_pixel = ((x_fake - x_real) * (other - x_real)).mean()
    record, total = {"loss_D": loss_D, "loss_G": loss_G, "loss_pixel": loss_pixel}, pixel_weight * loss_pixel
    if feature_weight:
        record["loss_feature"] = (features(x_fake) - features(x_real)).square().mean()
        total = total + feature_weight * record["loss_feature"]
    opt_G.zero_grad()
    (total + gan_weight * loss_G).backward(inputs=list(G.parameters()))  # through D and features, but for G alone
    opt_G.step()
    return {k: v.detach() for k, v in record.items()}

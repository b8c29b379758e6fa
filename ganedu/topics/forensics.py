"""Can a fake be detected? Two detectors, what happens to pictures on their way, and what an alarm means.

Pictures are uint8 (N, C, H, H), as they come out of a file. Real ones and fakes go through the same hands, `as_files`:
where they do not, a detector learns the difference in handling. A score is a logit: above 0 is called fake.
"""

import io
import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..inputs import one_of, whole
from ..metrics import Classifier
from ..metrics.judges import fit
from ..metrics.overfitting import auc
from ..models import DCDiscriminator, DCGenerator
from ..pixels import as_float, check, to_channels, to_uint8
from ..sampling import answers, seeded
from ..steps import train_step
from ..training import Trainer, linear_second_half

SIDE = 28  # pixels of `as_files`
FLOOR = 1 / 12  # in squared grey levels: the variance that rounding to whole levels adds to each pixel
Z_DIM = 16  # of the generators here: small files
LAST = ("transposed", "nearest", "bilinear")  # how a generator doubles its last map

# ---------------------------------------------------------------------------------------------- the same hands for all


def as_files(x: Tensor, side: int = SIDE) -> Tensor:
    """Pictures as grey files: (N, 1, side, side) uint8, rounded, the middle square cut out; no pixel is resampled.

    Takes (N, 1 or 3, H, H), uint8 or float in [-1, 1]; what overshoots is cut off. Raises ValueError for another shape,
    numbers that are not finite, or pictures smaller than `side`.
    """
    check(x, ("N", (1, 3), "H", "H"), look="finite")
    whole("side", side, 8, x.shape[-1], "the pictures' own side")
    x = to_channels(x if x.dtype == torch.uint8 else to_uint8(x), 1)
    start = (x.shape[-1] - side) // 2
    return x[..., start : start + side, start : start + side].contiguous()


# -------------------------------------------------------------------------------------------------- the radial spectrum


def radius(side: int) -> Tensor:
    """(side, side) int64: cycles an image of each coefficient of torch.fft.fft2, rounded; 0 in the corner is the mean.

    The largest, of the finest chessboard, is side / 2 cycles in both directions, so 20 at 28 pixels.
    """
    whole("side", side, 2, 4096)
    k = torch.fft.fftfreq(side, 1 / side)
    return (k[:, None].square() + k.square()).sqrt().round().long()


def power(x: Tensor) -> Tensor:
    """Power of each picture at each radius, (N, K) float32 in squared grey levels, for x uint8 (N, C, H, H).

    The mean of |F|^2 over the coefficients of that `radius` and over channels; F is orthonormal, so noise of standard
    deviation s has s^2 at every radius. As `metrics.spectrum`, but of each picture alone, its mean not taken off, and
    the corners beyond H / 2 cycles kept. Raises ValueError for other pictures.
    Source: Durall, Keuper and Keuper 2020, section 3.1 (there of the logarithms' size, interpolated).
    """
    check(x, ("N", "C", "H", "H"), kinds=("uint8",))
    rings = radius(x.shape[-1]).flatten().to(x.device)
    counts = rings.bincount().float()
    found = []
    for part in x.split(2000):
        square = torch.fft.fft2(part.float(), norm="ortho").abs().square().mean(1).flatten(1)  # (n, H * H)
        sums = square.new_zeros(len(part), len(counts)).index_add_(1, rings, square)
        found.append(sums / counts)
    return torch.cat(found)


def log_spectrum(x: Tensor) -> Tensor:
    """ln(power + FLOOR) at each radius, (N, K): what the spectral detector sees. Raises as `power`."""
    return (power(x) + FLOOR).log()


def excess(real: Tensor, fake: Tensor, finest: float = 0.75) -> float:
    """How much more power fakes have at the finest radii: the difference of the mean log spectra, in nats.

    Mean over the radii above finest * H / 2. 0: none; 1: e times as much. Raises ValueError as `power`, for pictures of
    two sizes, or `finest` outside 0 to 1.
    """
    if real.shape[1:] != fake.shape[1:] or not 0 <= finest <= 1:
        raise ValueError(
            f"real {tuple(real.shape)}, fake {tuple(fake.shape)}, finest={finest}: give pictures of one shape, 0 to 1."
        )
    difference = log_spectrum(fake).mean(0).cpu() - log_spectrum(real).mean(0).cpu()
    return float(difference[math.floor(finest * real.shape[-1] / 2) + 1 :].mean())


# ------------------------------------------------------------------------------------------------------ two detectors


class Spectral(NamedTuple):
    """Logistic regression on the log spectrum: score = bias + sum_k weight_k (s_k - mean_k) / std_k."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: float

    def __call__(self, x: Tensor) -> Tensor:
        """Scores (N,) of pictures uint8 (N, C, H, H), on the CPU."""
        return ((log_spectrum(x).cpu() - self.mean) / self.std) @ self.weight + self.bias


def by_spectrum(real: Tensor, fake: Tensor) -> Spectral:
    """A detector by the radial spectrum alone, fitted to pictures uint8 (N, C, H, H); scikit-learn's regression, C = 1.

    Raises ValueError for fewer than 20 of either, or pictures of two sizes.
    """
    from sklearn.linear_model import LogisticRegression

    _check_both(real, fake)
    s = torch.cat([log_spectrum(real).cpu(), log_spectrum(fake).cpu()])
    labels = (torch.arange(len(s)) >= len(real)).int()
    mean, std = s.mean(0), s.std(0).clamp(min=1e-6)
    model = LogisticRegression(max_iter=2000).fit(((s - mean) / std).numpy(), labels.numpy())
    return Spectral(mean, std, torch.from_numpy(model.coef_[0]).float(), float(model.intercept_[0]))


class Network(nn.Module):
    """A `metrics.Classifier` with two outputs, real and fake; pictures uint8 (N, C, H, H) -> scores (N,)."""

    def __init__(self, image_size: int = SIDE, channels: int = 1, width: int = 16):
        super().__init__()
        self.net = Classifier(image_size, channels, 2, width)

    def forward(self, x: Tensor) -> Tensor:
        out = self.net(as_float(x))
        return out[:, 1] - out[:, 0]


def by_network(real: Tensor, fake: Tensor, steps: int = 200, seed: int = 0, change=None) -> Network:
    """A `Network` trained on pictures uint8 (N, C, H, H): 32 of each a step, cross-entropy, Adam, its rate 2e-3 to 0.

    `change` is done to each batch (64, C, H, H) uint8, real and fake alike, as an augmentation. Raises ValueError for
    fewer than 20 of either, or pictures of two sizes.
    """
    _check_both(real, fake)
    whole("steps", steps, 1, 10**6)
    with seeded(seed):
        net = Network(real.shape[-1], real.shape[1]).to(real.device)
        labels = torch.arange(2, device=real.device).repeat_interleave(32).float()

        def batch_loss() -> Tensor:
            x = torch.cat([t[torch.randint(len(t), (32,)).to(t.device)].to(real.device) for t in (real, fake)])
            return F.binary_cross_entropy_with_logits(net(x if change is None else change(x)), labels)

        return fit(net, batch_loss, steps, 2e-3)


class Judged(NamedTuple):
    """What a detector does on pictures it has not seen: the share of fakes it `found` and of real ones it called fake,
    its `accuracy` where half are fake, and `auc`, the area under the ROC curve, which no threshold enters."""

    found: float
    false_alarms: float
    accuracy: float
    auc: float


def judged(detector, real: Tensor, fake: Tensor) -> Judged:
    """A detector, pictures -> scores (N,), on real pictures and fakes uint8. Raises ValueError where they are of two
    sizes, or fewer than 20 of either."""
    _check_both(real, fake)
    r, f = (answers(detector, x) if isinstance(detector, nn.Module) else detector(x).cpu() for x in (real, fake))
    found, alarms = ((s > 0).double().mean().item() for s in (f, r))
    return Judged(found, alarms, (found + 1 - alarms) / 2, auc(f, r))


def _check_both(real: Tensor, fake: Tensor) -> None:
    check(real, ("N", (1, 3), "H", "H"), name="real pictures", least=20, kinds=("uint8",))
    check(fake, ("N", *real.shape[1:]), name="fakes, like the real ones,", least=20, kinds=("uint8",))


# -------------------------------------------------------------------------------------------- what happens on the way


def jpeg(x: Tensor, quality: int) -> Tensor:
    """Grey pictures (N, 1, H, W) uint8, written as JPEG at a quality of 1 to 95 by Pillow, and read again."""
    import numpy as np
    from PIL import Image

    check(x, ("N", 1, "H", "W"), kinds=("uint8",))
    whole("quality", quality, 1, 95, "Pillow's scale")
    found = []
    for picture in x[:, 0].cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=int(quality))
        found.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(found))[:, None].to(x.device)


def resized(x: Tensor, side: int) -> Tensor:
    """Pictures uint8 (N, C, H, H) to `side` pixels and back, bilinear, rounded twice; smoothed where it shrinks."""
    check(x, ("N", "C", "H", "H"), kinds=("uint8",))
    whole("side", side, 4, 256)
    for s in (side, x.shape[-1]):
        x = F.interpolate(x.float(), size=(s, s), mode="bilinear", antialias=True).round().to(torch.uint8)
    return x


def noisy(x: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Pictures uint8 plus Gaussian noise of `sigma` grey levels, rounded and cut off; equal seeds, equal noise."""
    check(x, kinds=("uint8",))
    if not 0 <= sigma <= 255:
        raise ValueError(f"sigma={sigma} does not fit: give grey levels, from 0 to 255.")
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.device)
    return (x + sigma * noise).round().clamp(0, 255).to(torch.uint8)


def gain(real: Tensor, fake: Tensor) -> Tensor:
    """The filter g_k (K,) that gives fakes the mean log spectrum of real pictures: 2 ln g_k = s_k(real) - s_k(fake)."""
    _check_both(real, fake)
    return ((log_spectrum(real).mean(0).cpu() - log_spectrum(fake).mean(0).cpu()) / 2).exp()


def mended(x: Tensor, gain: Tensor) -> Tensor:
    """Each Fourier coefficient of pictures uint8 (N, C, H, H) times the gain (K,) of its `radius`, as uint8 again.

    One linear filter for all pictures. Rounding and cutting off put a little back. Raises ValueError for a gain of
    another length, below 0 or not finite.
    """
    check(x, ("N", "C", "H", "H"), kinds=("uint8",))
    rings = radius(x.shape[-1])
    if gain.shape != (int(rings.max()) + 1,) or not (gain >= 0).all() or not gain.isfinite().all():
        raise ValueError(
            f"gain {tuple(gain.shape)} does not fit: give {int(rings.max()) + 1} finite numbers from 0, one a radius."
        )
    g = gain.to(x.device)[rings.to(x.device)]
    y = torch.cat([torch.fft.ifft2(torch.fft.fft2(part.float()) * g).real for part in x.split(2000)])
    return y.round().clamp(0, 255).to(torch.uint8)


# ------------------------------------------------------------------------------------- where does the trace come from?


def generator(last: str = "transposed", image_size: int = SIDE, channels: int = 1, width: int = 8) -> DCGenerator:
    """A `DCGenerator` of z (N, Z_DIM) whose last map is doubled in one of three ways.

    "transposed": a transposed convolution, 4 x 4, as ever; "nearest" and "bilinear": the map at twice the side, then a
    convolution, 3 x 3. All else is the same. Raises ValueError for another way.
    """
    one_of(last, LAST, "way to double the last map")
    G = DCGenerator(image_size, channels, Z_DIM, width)
    if last != "transposed":
        conv = nn.Conv2d(G.net[-2].in_channels, channels, 3, padding=1)
        nn.init.normal_(conv.weight, 0.0, 0.02)
        nn.init.zeros_(conv.bias)
        G.net[-2] = nn.Sequential(nn.Upsample(scale_factor=2, mode=last), conv)
    return G


def gan(images, last: str = "transposed", seed: int = 0, width: int = 8) -> Trainer:
    """A DCGAN that sees these `data.Images`, not yet trained: `trainer.run(steps=...)`, then `trainer.averaged()`.

    Non-saturating, 32 a batch, Adam(2e-3, 0.5, 0.99) for both, its rate falling over the second half, running average
    0.99. For one seed D and z are the same whatever `last` is, and so is the start of all G but its last layer.
    """
    with seeded(seed):
        D = DCDiscriminator(images.image_size, images.channels, width).to(memory_format=torch.channels_last)
    with seeded(seed):
        G = generator(last, images.image_size, images.channels, width).to(memory_format=torch.channels_last)
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.99), fused=True)
    players = {"G": G, "D": D, "opt_G": adam(G.parameters()), "opt_D": adam(D.parameters())}
    step = partial(train_step, z_dim=G.z_dim)
    trainer = Trainer(step, players, None, batch_size=32, seed=seed, ema=0.99, schedule=linear_second_half)
    trainer.data = images.to(trainer.device).sample
    return trainer


# ------------------------------------------------------------------------------------------------ what an alarm means


def alarm_right(share: float, found: float, false_alarms: float) -> float:
    """The chance that a picture called fake is one: share found / (share found + (1 - share) false_alarms).

    `share` of all pictures are fake, `found` is the share of fakes that are called fake, `false_alarms` that of real
    ones; all from 0 to 1. NaN where there are no alarms. Raises ValueError for other numbers. Source: Bayes 1763.
    """
    for name, p in (("share", share), ("found", found), ("false_alarms", false_alarms)):
        if not 0 <= p <= 1:
            raise ValueError(f"{name}={p} does not fit: give a share from 0 to 1, such as 0.05 for 5 %.")
    right = share * found
    alarms = right + (1 - share) * false_alarms
    return right / alarms if alarms else math.nan

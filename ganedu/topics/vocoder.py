"""A small vocoder, from 20 bands of a spectrogram to a wave, trained by the spectrogram alone or with discriminators
that fold the wave at several periods and see it at several scales, as HiFi-GAN does; and a WaveGAN with phase shuffle.

Waves are (N, T), bands (N, BANDS, frames): see `sound`.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..inputs import whole
from .sound import BANDS, HOP, LENGTH, WINDOW, log_bands

PERIODS, SCALES = (2, 3, 5, 7, 11), (1, 2, 4)
SLOPE = 0.1  # of the leaky ReLU
PIECE = 512  # samples that the discriminators see of a wave

# --------------------------------------------------------------------------------------------------------- the vocoder


class Vocoder(nn.Module):
    """Bands (N, BANDS, frames) -> waves (N, frames HOP - HOP) in [-1, 1].

    Convolutions over frames, then a transposed one: each frame adds WINDOW samples, at a step of HOP. HiFi-GAN's goes
    up in several steps, which costs more. `width` maps, `dilations` of the residual layers.
    """

    def __init__(self, width: int = 64, dilations: Sequence[int] = (1, 3, 9, 1, 3, 9)):
        super().__init__()
        self.begin = nn.Conv1d(BANDS, width, 5, padding=2)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in dilations)
        self.end = nn.ConvTranspose1d(width, 1, WINDOW, HOP, padding=WINDOW // 2)
        with torch.no_grad():
            self.end.weight.mul_(0.3)

    def forward(self, bands: Tensor) -> Tensor:
        h = self.begin((bands + 4) / 2)  # about mean 0, spread 1
        for layer in self.layers:
            h = h + layer(F.leaky_relu(h, SLOPE))
        return torch.tanh(self.end(F.leaky_relu(h, SLOPE)))[:, 0]  # (N, T)


class Folded(nn.Module):
    """One discriminator: waves (N, T) -> logits (N,), the mean of its map, and its maps, for the feature loss.

    Of a period p it sees columns x(t), x(t + p), x(t + 2 p)..., each alone; of p = 1 with a `scale` s > 1, the wave
    averaged over s samples. Source: Kong, Kim and Bae 2020, section 2.3, with 8 to 32 maps.
    """

    def __init__(self, period: int = 1, scale: int = 1, maps: Sequence[int] = (8, 16, 32)):
        super().__init__()
        self.period, self.scale = period, scale
        size, step = (5, 3) if period > 1 else (15, 4)
        pairs = itertools.pairwise((1, *maps))
        self.layers = nn.ModuleList(nn.Conv1d(a, b, size, step, padding=size // 2) for a, b in pairs)
        self.last = nn.Conv1d(maps[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        n, p = len(x), self.period
        x = F.avg_pool1d(x[:, None], self.scale)[:, 0] if self.scale > 1 else x
        x = x[:, : x.shape[1] // p * p].unflatten(1, (-1, p)).transpose(1, 2).flatten(0, 1)[:, None]  # (N p, 1, T/p)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return self.last(x).view(n, -1).mean(1), maps


class Ears(nn.Module):
    """Several discriminators: waves (N, T) -> [(logits (N,), maps), ...]."""

    def __init__(self, periods: Sequence[int] = PERIODS, scales: Sequence[int] = SCALES):
        super().__init__()
        self.each = nn.ModuleList([*(Folded(p) for p in periods), *(Folded(1, s) for s in scales)])

    def forward(self, x: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        return [D(x) for D in self.each]


def spectral_loss(fake: Tensor, bands: Tensor) -> Tensor:
    """Mean |log_bands(fake) - bands|: what the spectrogram alone says of a wave."""
    return (log_bands(fake) - bands).abs().mean()


def spectral_step(x_real, *, G, opt_G, wave: float = 0.0):
    """G once towards the bands of real waves (N, T): `spectral_loss` + `wave` x mean |x_fake - x_real|.

    Nothing adversarial. Returns {"loss_bands"}, the first term, detached.
    """
    bands = log_bands(x_real)
    x_fake = G(bands)
    loss_bands = spectral_loss(x_fake, bands)
    opt_G.zero_grad()
    (loss_bands + wave * (x_fake - x_real).abs().mean()).backward()
    opt_G.step()
    return {"loss_bands": loss_bands.detach()}


def vocoder_step(x_real, *, G, D, opt_G, opt_D, weight=5.0, features=20.0, adversarial=1.0):
    """D once, then G once. All of D's parts see one piece of PIECE samples, at the same place of real and fake.

    D: sum over its parts of mean((d_real - 1)^2) + mean(d_fake^2).
    G: sum of `adversarial` x mean((d_fake - 1)^2) + `features` x mean |maps of the fake - maps of its real wave|,
       + `weight` x `spectral_loss` of the whole waves. With `features` 0 no term knows which wave was the real one.
    Returns {"loss_D", "loss_G", "loss_bands"} detached, loss_G without the last term. Source: Kong, Kim and Bae 2020,
    equations 1 to 5 (there the weights are 45, 2 and 1).
    """
    bands = log_bands(x_real)
    x_fake = G(bands)
    at = int(torch.randint(max(x_real.shape[1] - PIECE, 0) + 1, ()))
    real, fake = (x[:, at : at + PIECE] for x in (x_real, x_fake))
    pairs = zip(D(real), D(fake.detach()), strict=True)
    loss_D = sum((r - 1).square().mean() + f.square().mean() for (r, _), (f, _) in pairs)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    with torch.no_grad():
        wanted = [maps for _, maps in D(real)]
    loss_G = torch.zeros((), device=x_real.device)
    for (d, maps), aims in zip(D(fake), wanted, strict=True):
        alike = sum((m - a).abs().mean() for m, a in zip(maps, aims, strict=True))
        loss_G = loss_G + adversarial * (d - 1).square().mean() + features * alike
    loss_bands = spectral_loss(x_fake, bands)
    opt_G.zero_grad()
    (loss_G + weight * loss_bands).backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_bands": loss_bands.detach()}


# ------------------------------------------------------------------------------------------------------- from noise


class WaveGenerator(nn.Module):
    """z (N, z_dim) -> waves (N, LENGTH): four transposed convolutions of 24 samples, each four times longer.

    Source: Donahue, McAuley and Puckette 2019, table 3 (there 25 samples, five layers, 16,384 samples).
    """

    def __init__(self, z_dim: int = 32, maps: Sequence[int] = (64, 48, 32, 16)):
        super().__init__()
        self.z_dim, self.first = z_dim, nn.Linear(z_dim, maps[0] * (LENGTH // 256))
        pairs = itertools.pairwise((*maps, 1))
        self.layers = nn.ModuleList(nn.ConvTranspose1d(a, b, 24, 4, padding=10) for a, b in pairs)

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z).unflatten(1, (-1, LENGTH // 256))  # (N, maps, 8)
        for layer in self.layers:
            h = layer(F.relu(h))
        return torch.tanh(h)[:, 0]  # (N, LENGTH)


def phase_shuffle(h: Tensor, most: int = 2) -> Tensor:
    """Maps (N, C, T), each sample's moved by one whole number of places from -most to most, all its maps alike.

    The end that comes free is filled by mirroring. `most` 0 changes nothing. Source: Donahue, McAuley and Puckette
    2019, section 3.3.
    """
    whole("most", most, 0, h.shape[2] - 1, "fewer than there are places")
    if most == 0:
        return h
    shift = torch.randint(-most, most + 1, (len(h), 1), device=h.device)
    at = (torch.arange(h.shape[2], device=h.device) + shift).abs()
    last = h.shape[2] - 1
    at = torch.where(at > last, 2 * last - at, at)  # (N, T)
    return h.gather(2, at[:, None].expand(-1, h.shape[1], -1))


class WaveDiscriminator(nn.Module):
    """Waves (N, LENGTH) -> logits (N,): four convolutions of 24 samples, each to a quarter; after all but the last,
    `phase_shuffle` by up to `shuffle` places (0: none). Source: Donahue, McAuley and Puckette 2019, table 4.
    """

    def __init__(self, shuffle: int = 2, maps: Sequence[int] = (16, 32, 48, 64)):
        super().__init__()
        self.shuffle = shuffle
        pairs = itertools.pairwise((1, *maps))
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 24, 4, padding=10) for a, b in pairs)
        self.last = nn.Linear(maps[-1] * (LENGTH // 256), 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x[:, None]
        for i, layer in enumerate(self.layers):
            h = F.leaky_relu(layer(h), 0.2)
            if i < len(self.layers) - 1:
                h = phase_shuffle(h, self.shuffle)
        return self.last(h.flatten(1))[:, 0]

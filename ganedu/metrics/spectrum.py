"""How sharp is a set of images? The power of each spatial frequency, over the set."""

import torch
from torch import Tensor

from ..pixels import check


def spectrum(x: Tensor) -> Tensor:
    """Variance over the set of a Fourier coefficient, averaged over channels and directions: (H // 2 + 1,).

    Entry k is for k cycles an image, all coefficients whose radius rounds to k; the last, H / 2, is a pixel on, a pixel
    off. Of images x (N, C, H, H), float; the transform is orthonormal, so noise of standard deviation s gives s^2 at
    every k, in squared units of x. Raises ValueError for other shapes, fewer than 2 images, or values that are not
    finite. Source: van der Schaaf and van Hateren 1996.
    """
    check(x, ("N", "C", "H", "H"), least=2, kinds=("float",), look="finite")
    size = x.shape[-1]
    coefficients = torch.fft.fft2(x - x.mean(0), norm="ortho")
    power = coefficients.abs().square().sum(0).mean(0) / (len(x) - 1)  # (H, H)
    k = torch.fft.fftfreq(size, 1 / size, device=x.device)
    radius = (k[:, None].square() + k.square()).sqrt().round().long()
    inside = radius <= size // 2  # the corners beyond belong to no full circle
    sums, counts = (torch.zeros(size // 2 + 1, device=x.device, dtype=power.dtype) for _ in range(2))
    sums.index_add_(0, radius[inside], power[inside])
    return sums / counts.index_add_(0, radius[inside], torch.ones_like(power[inside]))


def sharpness(fake: Tensor, real: Tensor) -> float:
    """Power of `fake` in the upper half of the frequencies (k > H / 4) over that of `real`: 1 is as sharp as real.

    Each k counts by its mean power, as in `spectrum`. Grain counts as sharpness: noise of standard deviation s adds
    s^2 at every k. So it tells blurred from crisp only where nobody adds noise. Raises as `spectrum`, and for sizes
    that differ.
    """
    if fake.shape[1:] != real.shape[1:]:
        raise ValueError(f"fakes {tuple(fake.shape)} and reals {tuple(real.shape)} must be of one size.")
    fine = slice(real.shape[-1] // 4 + 1, None)
    return float(spectrum(fake)[fine].sum() / spectrum(real)[fine].sum())

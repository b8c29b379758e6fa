"""Oracles: scikit-image, and cases counted by hand."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ganedu import data, metrics


def pairs(channels=1, size=28):
    """Clothes (in three channels: three clothes), and the same with noise or blur or another garment."""
    x = data.to_float(data.load("fashion").x_test[: 6 * channels]).reshape(6, channels, 28, 28)[..., :size]
    numbers = torch.Generator().manual_seed(0)
    noisy = (x + 0.3 * torch.randn(x.shape, generator=numbers)).clamp(-1, 1)
    return x, torch.cat([noisy[:3], x[[5, 3]], (0.5 * x + 0.2)[5:]])


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 28), (1, 19)])
def test_psnr_and_ssim_are_scikit_images(channels, size):
    x, y = pairs(channels, size)
    with np.errstate(divide="ignore"):
        expected = [peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=2) for a, b in zip(x, y, strict=True)]
    assert np.allclose(metrics.psnr(x, y), expected, atol=1e-4)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2}
    expected = [  # scikit-image counts brightness from 0, so black must be 0 there
        structural_similarity(a.double().numpy() + 1, b.double().numpy() + 1, channel_axis=0, **options)
        for a, b in zip(x, y, strict=True)
    ]
    assert metrics.ssim(x, y).shape == (6,)
    assert np.allclose(metrics.ssim(x, y), expected, atol=1e-6)


def test_by_hand():
    x = torch.zeros(1, 1, 12, 12)
    y = torch.full_like(x, 0.2)  # squared error 0.04: 10 log10(4 / 0.04) = 20 dB
    assert abs(metrics.psnr(x, y).item() - 20) < 1e-5
    assert math.isinf(metrics.psnr(x, x).item())
    assert abs(metrics.ssim(x, x).item() - 1) < 1e-12
    c1 = 0.02**2  # two constants, 1 and 1.2 from black: the second factor is 1
    assert abs(metrics.ssim(x, y).item() - (2 * 1.2 + c1) / (1 + 1.2**2 + c1)) < 1e-6


def test_both_are_symmetric_and_know_the_nearer():
    x, y = pairs()
    for f in (metrics.psnr, metrics.ssim):
        assert torch.allclose(f(x, y), f(y, x))
        assert (f(x, 0.9 * x + 0.1 * y) > f(x, 0.5 * x + 0.5 * y)).all()


@pytest.mark.parametrize("f", [metrics.psnr, metrics.ssim])
@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (torch.zeros(2, 1, 28, 28), torch.zeros(1, 1, 28, 28), "of one shape"),
        (torch.zeros(1, 28, 28), torch.zeros(1, 28, 28), r"\(N, C, H, W\)"),
        (torch.zeros(1, 1, 28, 28), torch.full((1, 1, 28, 28), 255.0), "clamp what overshoots"),
        (torch.zeros(1, 1, 28, 28), torch.full((1, 1, 28, 28), math.nan), "clamp what overshoots"),
        (
            torch.zeros(1, 1, 28, 28, dtype=torch.uint8),
            torch.zeros(1, 1, 28, 28),
            r"float in \[-1, 1\]: got torch\.uint8",
        ),
    ],
)
def test_what_cannot_be_compared(f, x, y, says):
    with pytest.raises(ValueError, match=says):
        f(x, y)


def test_ssim_needs_its_window():
    with pytest.raises(ValueError, match="11 pixels"):
        metrics.ssim(torch.zeros(1, 1, 10, 28), torch.zeros(1, 1, 10, 28))

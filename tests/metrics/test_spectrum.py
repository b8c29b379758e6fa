"""Oracles: noise, whose spectrum is flat; a wave, whose spectrum is one line; Parseval; a blur of known transfer."""

import math

import pytest
import torch

from ganedu.metrics import sharpness, spectrum


def images(n=400, size=16, channels=1, seed=0):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (28, 3)])
def test_noise_has_its_variance_at_every_frequency(size, channels):
    power = spectrum(0.3 * images(2000, size, channels))
    assert power.shape == (size // 2 + 1,)
    assert (power / 0.09 - 1).abs().max() < 0.1


@pytest.mark.parametrize("k", [1, 3, 8])
def test_a_wave_of_k_cycles_has_power_at_k_alone(k):
    across = torch.cos(2 * math.pi * k * torch.arange(16) / 16).expand(16, 16)
    x = across * torch.tensor([1.0, -1.0])[:, None, None, None]  # its sign is all that varies
    power = spectrum(x)
    assert power[k] > 1 and power[torch.arange(9) != k].max() < 1e-10


def test_what_all_images_share_does_not_count():
    x = images()
    assert torch.allclose(spectrum(x), spectrum(x + 5 * images(1, seed=1)), rtol=1e-4)


def test_all_frequencies_together_are_the_variance():
    """Parseval, on smooth images whose corners beyond the last circle are empty."""
    x = images(50)
    k = torch.fft.fftfreq(16, 1 / 16)
    radius = (k[:, None] ** 2 + k**2).sqrt().round()
    x = torch.fft.ifft2(torch.fft.fft2(x) * (radius <= 8)).real
    counts = torch.stack([(radius == r).sum() for r in range(9)])
    assert abs((spectrum(x) * counts).sum() / x.var(0).sum() - 1) < 1e-4


def test_a_blur_multiplies_the_spectrum_by_its_transfer():
    x = images()
    blurred = (x + x.roll(1, -1)) / 2  # |1 + exp(-2 pi i k / 16)|^2 / 4 = cos^2(pi k / 16)
    k = torch.fft.fftfreq(16, 1 / 16)
    transfer = (torch.cos(math.pi * k / 16) ** 2).expand(16, 16)
    radius = (k[:, None] ** 2 + k**2).sqrt().round()
    expected = torch.stack([transfer[radius == r].mean() for r in range(9)])
    assert (spectrum(blurred) / spectrum(x) - expected).abs().max() < 0.08


def test_sharpness():
    x = images(600, 28)
    assert sharpness(x, x) == 1
    assert abs(sharpness(0.5 * x, x) - 0.25) < 1e-5
    assert sharpness((x + x.roll(1, -1) + x.roll(1, -2)) / 3, x) < 0.5
    assert sharpness(x + images(600, 28, seed=3), x) > 1.8  # grain counts as sharpness


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, 16, 16), r"\(N, C, H, H\), 2 or more, finite floats"),
        (torch.zeros(1, 1, 16, 16), r"\(N, C, H, H\), 2 or more, finite floats"),
        (torch.zeros(4, 1, 16, 16, dtype=torch.uint8), r"\(N, C, H, H\), 2 or more, finite floats"),
        (torch.full((4, 1, 16, 16), math.nan), "NaN or infinity"),
    ],
)
def test_what_has_no_spectrum(x, message):
    with pytest.raises(ValueError, match=message):
        spectrum(x)


def test_images_of_two_sizes():
    with pytest.raises(ValueError, match="of one size"):
        sharpness(torch.zeros(4, 1, 16, 16), torch.zeros(4, 1, 28, 28))

"""How near is a restored image to the true one, pixel by pixel? PSNR and SSIM, one number an image."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..pixels import check

RANGE = 2.0  # from black, -1, to white, 1


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio 10 log10(2^2 / mean (x - y)^2) in decibels, (N,), float64; infinite where x = y.

    x, y (N, C, H, W) float in [-1, 1], black to white 2; the mean is over channels and pixels. Raises ValueError for
    unequal shapes, other dtypes, or values outside.
    """
    _check(x, y)
    return 10 * torch.log10(RANGE**2 / (x.double() - y.double()).square().flatten(1).mean(1))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity (N,), float64, at most 1, which is x = y; the mean over places and channels.

    At each place (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x^2 + m_y^2 + c1) (s_x^2 + s_y^2 + c2)), with means, variances
    and covariance weighted by a Gaussian of 11 x 11 pixels with sigma 1.5, wherever it fits whole into the image; c1
    and c2 are (0.01 * 2)^2 and (0.03 * 2)^2. Brightness counts from black: 1 is added to images in [-1, 1], for the
    formula makes no sense where means are negative. Raises ValueError as `psnr`, and for sides below 11 pixels.
    Source: Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13.
    """
    _check(x, y)
    if min(x.shape[2:]) < 11:
        raise ValueError(f"SSIM looks through a window of 11 pixels: {x.shape[2]} x {x.shape[3]} are too few.")
    return torch.cat([_ssim(a, b) for a, b in zip(x.split(200), y.split(200), strict=True)])


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    line = torch.exp(-((torch.arange(11, device=x.device).double() - 5) ** 2) / (2 * 1.5**2))
    line = line / line.sum()
    n, c, h, w = x.shape
    x, y = (t.double().reshape(n * c, 1, h, w) + 1 for t in (x, y))
    moments = torch.cat([x, y, x * x, y * y, x * y])
    moments = F.conv2d(F.conv2d(moments, line.view(1, 1, 11, 1)), line.view(1, 1, 1, 11))
    mx, my, xx, yy, xy = moments.split(n * c)
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    s = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    s = s / ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2))
    return s.flatten(1).mean(1).view(n, c).mean(1)


def _check(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ValueError(f"give two sets of images of one shape (N, C, H, W): got {tuple(x.shape)}, {tuple(y.shape)}.")
    for images in (x, y):
        check(images, kinds=("float",))

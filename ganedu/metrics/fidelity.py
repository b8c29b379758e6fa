"""How near is a restored image to the true one, pixel by pixel? PSNR and SSIM, one number an image."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def psnr(x: Tensor, y: Tensor, data_range: float = 2.0) -> Tensor:
    """Peak signal-to-noise ratio 10 log10(data_range^2 / mean (x - y)^2) in decibels, (N,); infinite where x = y.

    x, y (N, C, H, W) float, the mean over channels and pixels; data_range is the distance from black to white, 2 for
    images in [-1, 1]. Raises ValueError for unequal shapes, other dtypes, or values that span more than data_range.
    """
    _check(x, y, data_range)
    return 10 * torch.log10(data_range**2 / (x - y).double().square().flatten(1).mean(1))


def ssim(x: Tensor, y: Tensor, data_range: float = 2.0) -> Tensor:
    """Structural similarity (N,), from -1 to 1, 1 where x = y; the mean over places and channels.

    At each place (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x^2 + m_y^2 + c1) (s_x^2 + s_y^2 + c2)), with means, variances
    and covariance weighted by a Gaussian of 11 x 11 pixels with sigma 1.5, where it fits whole into the image; c1 and
    c2 are (0.01 data_range)^2 and (0.03 data_range)^2. Raises ValueError as `psnr`, and for sides below 11 pixels.
    Source: Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13.
    """
    _check(x, y, data_range)
    if min(x.shape[2:]) < 11:
        raise ValueError(f"SSIM looks through a window of 11 pixels: {x.shape[2]} x {x.shape[3]} are too few.")
    line = torch.exp(-((torch.arange(11, device=x.device).double() - 5) ** 2) / (2 * 1.5**2))
    line = line / line.sum()
    n, c, h, w = x.shape
    x, y = (t.double().reshape(n * c, 1, h, w) for t in (x, y))
    both = torch.cat([x, y, x * x, y * y, x * y])
    both = F.conv2d(F.conv2d(both, line.view(1, 1, 11, 1)), line.view(1, 1, 1, 11))
    mx, my, xx, yy, xy = both.split(n * c)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    s = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    s = s / ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2))
    return s.flatten(1).mean(1).view(n, c).mean(1)


def _check(x: Tensor, y: Tensor, data_range: float) -> None:
    if x.ndim != 4 or x.shape != y.shape or not len(x):
        raise ValueError(f"give two sets of images of one shape (N, C, H, W): got {tuple(x.shape)}, {tuple(y.shape)}.")
    if not (x.is_floating_point() and y.is_floating_point()):
        raise ValueError(f"images must be floats: got {x.dtype} and {y.dtype}; `data.to_float` scales uint8.")
    if not (math.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range={data_range} does not fit: the distance from black to white, above 0.")
    low, high = (float(v) for v in torch.stack([x.detach(), y.detach()]).aminmax())
    if not high - low <= data_range * 1.001:  # also where one is NaN
        raise ValueError(f"values go from {low:.3g} to {high:.3g}, further than data_range={data_range:g}: clamp them.")

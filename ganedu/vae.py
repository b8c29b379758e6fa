"""The variational autoencoder: the encoder, and the two terms of its bound as pure functions that add up.

log p(x) >= E_q log p(x|z) - KL(q(z|x), p(z)), with the prior p(z) = N(0, I), the encoder's q(z|x) = N(mean, diag(var))
and the decoder's p(x|z) = N(G(z), sigma^2 I). Any generator of `ganedu.models` decodes. Everything is in nats, one
value a sample (N,), summed over its numbers, so that the terms compare and the bound bounds; x in [-1, 1] for images.
"""

import math

import torch
from torch import Tensor, nn

from .models import DCDiscriminator, init_dcgan
from .sampling import device_of


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, diag(var)), N(0, I)) = 1/2 sum(mean^2 + var - 1 - log var) of rows (N, z_dim), in nats: (N,).

    What the code z costs. Source: Kingma and Welling 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)


def gaussian_log_likelihood(x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """log N(x; mean, sigma^2 I) = -|x - mean|^2 / (2 sigma^2) - d/2 log(2 pi sigma^2) of samples (N, ...): (N,), nats.

    d numbers a sample; sigma in units of x, 2 from black to white for images. A density, so it may be above 0.
    Raises ValueError for a sigma that is not above 0, or two shapes.
    """
    if not sigma > 0:
        raise ValueError(f"sigma={sigma!r} does not fit: the noise of a pixel, a number above 0, such as 0.2.")
    if x.shape != mean.shape:
        raise ValueError(f"x {tuple(x.shape)} and its mean {tuple(mean.shape)} differ: does G make images of x's size?")
    d = x[0].numel()
    squares = (x - mean).square().flatten(1).sum(1)
    return -squares / (2 * sigma**2) - d / 2 * math.log(2 * math.pi * sigma**2)


def check_beta(beta: float) -> None:
    """Raise ValueError unless `beta`, the weight of the KL term, is a number, 0 or more."""
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta={beta!r} does not fit: the weight of the KL term, 0 or more; 1 is the bound itself.")


class Encoder(nn.Module):
    """Images (N, channels, image_size, image_size) -> q(z|x) as (mean, log_var), each (N, z_dim).

    The convolutions of `DCDiscriminator` with another last layer: 2 z_dim numbers in place of one logit. For grey
    images of 28 pixels with width 8 and z_dim 64: 115,280 parameters. Raises ValueError for images that do not fit,
    and on the CPU, where the look costs nothing, for pixels that are not finite.
    """

    def __init__(self, image_size=28, channels=1, z_dim=64, width=8):
        super().__init__()
        D = DCDiscriminator(image_size, channels, width)
        self.z_dim, self.shape, self.net = z_dim, D.shape, D.net
        self.head = init_dcgan(nn.Linear(D.head.in_features, 2 * z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[1:] != self.shape or not x.is_floating_point():
            raise ValueError(
                f"{x.dtype} images {tuple(x.shape)} do not fit: this encoder takes floats (N, *{self.shape}), -1 to 1."
            )
        if x.is_cpu and not x.isfinite().all():
            raise ValueError("the images hold NaN or infinity: look at them before they are encoded.")
        mean, log_var = self.head(self.net(x)).chunk(2, 1)
        return mean, log_var


@torch.no_grad()
def bound(x: Tensor, E: nn.Module, G: nn.Module, sigma: float, draws: int = 1) -> tuple[Tensor, Tensor]:
    """(E_q log p(x|z), KL) of each sample, both (N,), in nats; the first minus the second is the bound on log p(x).

    On the CPU. The expectation is the mean over `draws` codes a sample; the KL is exact. E and G stay in the mode they
    are in: call .eval() first, or a batch norm sees the batch. Raises ValueError for sigma not above 0, or draws below
    1.
    """
    if draws < 1:
        raise ValueError(f"draws={draws} does not fit: give 1 or more codes a sample.")
    x = x.to(device_of(E, x))
    mean, log_var = E(x)
    codes = (mean + (log_var / 2).exp() * torch.randn_like(mean) for _ in range(draws))
    likelihood = sum(gaussian_log_likelihood(x, G(z), sigma) for z in codes) / draws
    return likelihood.cpu(), gaussian_kl(mean, log_var).cpu()

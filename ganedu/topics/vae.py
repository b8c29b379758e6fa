"""The variational autoencoder: the encoder, and the two terms of its bound as pure functions that add up.

log p(x) >= E_q log p(x|z) - KL(q(z|x), p(z)), with the prior p(z) = N(0, I), the encoder's q(z|x) = N(mean, diag(var))
and the decoder's p(x|z) = N(G(z), sigma^2 I). Any generator of `ganedu.models` decodes. Everything is in nats, one
value a sample (N,), summed over its numbers, so that the terms compare and the bound bounds; x in [-1, 1] for images.
"""

import math

import torch
from torch import Tensor, nn

from ..losses import Loss, non_saturating
from ..models import DCDiscriminator, init_dcgan
from ..pixels import check
from ..sampling import device_of


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, diag(var)), N(0, I)) = 1/2 sum(mean^2 + var - 1 - log var) of rows (N, z_dim), in nats: (N,).

    What the code z costs. Raises ValueError for two shapes. Source: Kingma and Welling 2014, appendix B.
    """
    if mean.shape != log_var.shape or not mean.ndim:
        shapes = f"mean {tuple(mean.shape)} and log_var {tuple(log_var.shape)}"
        raise ValueError(f"give mean and log_var of one shape (N, z_dim): got {shapes}.")
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)


def gaussian_log_likelihood(x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """log N(x; mean, sigma^2 I) = -|x - mean|^2 / (2 sigma^2) - d/2 log(2 pi sigma^2) of samples (N, ...): (N,), nats.

    d numbers a sample; sigma in units of x, 2 from black to white for images. A density, so it may be above 0.
    Raises ValueError for a sigma that is not above 0, or two shapes.
    """
    if not sigma > 0:
        raise ValueError(f"sigma={sigma!r} does not fit: the noise of a pixel, a number above 0, such as 0.2.")
    if x.shape != mean.shape or x.ndim < 2:
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
        look = "finite" if x.is_cpu else None
        check(x, ("N", *self.shape), name="this encoder's images", least=0, kinds=("float",), look=look)
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


def vae_step(x_real, *, E, G, opt, sigma=0.2, beta=1.0):
    """One step of the variational autoencoder: no opponent, one loss; `opt` holds the weights of E and of G.

    The loss, in nats an image, is loss_x + beta loss_z: -E_q log N(x; G(z), sigma^2 I) and KL(q(z|x), p(z)). With
    beta = 1 it is minus the bound on log p(x). Returns {"loss_x", "loss_z"}, detached. Raises ValueError for a
    sigma not above 0, or beta below 0. Source: Kingma and Welling 2014, eq. 10; beta, Higgins et al. 2017, eq. 4.
    """
    check_beta(beta)
    mean, log_var = E(x_real)
    z = mean + (log_var / 2).exp() * torch.randn_like(mean)  # drawn so that the slope passes through z to E
    loss_x = -gaussian_log_likelihood(x_real, G(z), sigma).mean()
    loss_z = gaussian_kl(mean, log_var).mean()
    opt.zero_grad()
    (loss_x + beta * loss_z).backward()
    opt.step()
    return {"loss_x": loss_x.detach(), "loss_z": loss_z.detach()}


def vae_gan_step(
    x_real, *, E, G, D, opt_E, opt_G, opt_D, loss: Loss = non_saturating, sigma=1.0, beta=1.0, feature_weight=1e-3
):
    """One round of the VAE-GAN: a VAE whose error is measured in D's features, and D, which judges all that G draws.

    D learns to tell `x_real` from fakes, half of them decoded from E's codes, half from the prior's noise. Then, with
    loss_x = -E_q log N(f(x); f(G(z)), sigma^2 I) for f = `D.features`, E takes loss_x + beta KL(q(z|x), p(z)), in nats
    an image, and G takes feature_weight loss_x + its adversarial loss. Returns {"loss_D", "loss_G", "loss_x",
    "loss_z"}, detached. Raises ValueError for a sigma not above 0, beta below 0, or a relativistic loss, which pairs
    reals with equally many fakes. Source: Larsen et al. 2016, algorithm 1, where feature_weight is gamma.
    """
    check_beta(beta)
    mean, log_var = E(x_real)
    z = mean + (log_var / 2).exp() * torch.randn_like(mean)
    x_fake = torch.cat([x_again := G(z), G(torch.randn_like(z))])
    loss_D = loss.d_loss(D(x_real), D(x_fake.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    loss_x = -gaussian_log_likelihood(D.features(x_real).detach(), D.features(x_again), sigma).mean()
    loss_z = gaussian_kl(mean, log_var).mean()
    loss_G = loss.g_loss(D(x_fake), None)
    opt_E.zero_grad()
    opt_G.zero_grad()
    (loss_x + beta * loss_z).backward(inputs=list(E.parameters()), retain_graph=True)
    (feature_weight * loss_x + loss_G).backward(inputs=list(G.parameters()))  # through D, but not for D
    opt_E.step()
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_x": loss_x.detach(), "loss_z": loss_z.detach()}

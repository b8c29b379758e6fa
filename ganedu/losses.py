"""Adversarial losses and gradient penalties: pure functions of logits, of one shape for all.

A loss is a pair, `d_loss(d_real, d_fake)` for the discriminator and `g_loss(d_fake, d_real)` for the generator; both
are minimised. Logits come as (N,) for one GAN, or as (W, N) for W worlds; the mean runs over the last axis, so the
result is a scalar, or one value a world. A penalty takes `(D, x_real, x_fake)` and is added to the discriminator's
loss; its samples may come from any device, and it is on D's. Natural logarithms throughout; sigma is the logistic
function and D(x) = sigma(d(x)).

All raise ValueError for logits of other shapes. (N, 1), as `nn.Linear(n, 1)` gives them, is one of these: it could be
N samples, or N worlds with a sample each, and a silent guess would divide somebody's gradient by N.
"""

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from .sampling import device_of


class Loss(NamedTuple):
    """The two players' goals, each to be minimised; a name for legends; whether `g_loss` reads `d_real` too."""

    name: str
    d_loss: Callable[[Tensor, Tensor], Tensor]
    g_loss: Callable[[Tensor, Tensor | None], Tensor]
    pairs: bool = False


def _of_logits(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`loss`, which then refuses what is not logits; by shape and dtype alone, so that no device is waited for."""

    @wraps(loss)
    def checked(*logits: Tensor | None, **named: Tensor | None) -> Tensor:
        _check_logits(*logits, *named.values())
        return loss(*logits, **named)

    return checked


def _check_logits(*logits: Tensor | None) -> None:
    given = [d for d in logits if d is not None]
    if not all(isinstance(d, Tensor) and d.is_floating_point() and d.numel() and d.ndim in (1, 2)
               and d.shape[1:] != (1,) and d.shape[:-1] == given[0].shape[:-1] for d in given):  # fmt: skip
        got = ", ".join(f"{getattr(d, 'dtype', type(d).__name__)} {tuple(getattr(d, 'shape', ()))}" for d in given)
        raise ValueError(
            f"logits are floating tensors (N,), or (W, N) for W worlds of 2 samples or more: got {got}. One GAN's "
            "(N, 1), (N, 1, 1, 1) or map of patches becomes (N,) by D(x).flatten(), worlds' (W, N, 1) by .squeeze(-1)."
        )


# -log sigma(d) = softplus(-d) and -log(1 - sigma(d)) = softplus(d), finite for every d


@_of_logits
def cross_entropy_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), in nats: minus the value V(D, G) of the game.

    Source: Goodfellow et al. 2014, eq. 1.
    """
    return softplus(-d_real).mean(-1) + softplus(d_fake).mean(-1)


@_of_logits
def minimax_g(d_fake: Tensor, d_real: Tensor | None = None) -> Tensor:
    """E log(1 - D(G(z))): what the theory minimises. Slope in the logit: -D, which vanishes where D is near 0.

    Source: Goodfellow et al. 2014, eq. 1.
    """
    return -softplus(d_fake).mean(-1)


@_of_logits
def non_saturating_g(d_fake: Tensor, d_real: Tensor | None = None) -> Tensor:
    """-E log D(G(z)). Slope in the logit: -(1 - D), close to -1 where D is near 0.

    Source: Goodfellow et al. 2014, section 3, last paragraph.
    """
    return softplus(-d_fake).mean(-1)


@_of_logits
def least_squares_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """1/2 E (d(x) - 1)^2 + 1/2 E d(G(z))^2. Source: Mao et al. 2017, eq. 2 with a = 0, b = 1."""
    return 0.5 * (d_real - 1).square().mean(-1) + 0.5 * d_fake.square().mean(-1)


@_of_logits
def least_squares_g(d_fake: Tensor, d_real: Tensor | None = None) -> Tensor:
    """1/2 E (d(G(z)) - 1)^2. Source: Mao et al. 2017, eq. 2 with c = 1."""
    return 0.5 * (d_fake - 1).square().mean(-1)


@_of_logits
def hinge_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E max(0, 1 - d(x)) + E max(0, 1 + d(G(z))). Source: Lim and Ye 2017; Miyato et al. 2018, eq. 16."""
    return relu(1 - d_real).mean(-1) + relu(1 + d_fake).mean(-1)


@_of_logits
def wasserstein_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E d(G(z)) - E d(x): minus the critic's gap, a lower bound of the Wasserstein-1 distance for 1-Lipschitz d.

    Unbounded unless a penalty, clipping or spectral norm holds the critic's slope. Source: Arjovsky et al. 2017, eq. 2.
    """
    return d_fake.mean(-1) - d_real.mean(-1)


@_of_logits
def wasserstein_g(d_fake: Tensor, d_real: Tensor | None = None) -> Tensor:
    """-E d(G(z)); the hinge loss uses it too. Source: Arjovsky et al. 2017, eq. 2."""
    return -d_fake.mean(-1)


def relativistic_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """-E log sigma(d(x) - d(G(z))), each real paired with one fake. Source: Jolicoeur-Martineau 2018, section 4.1."""
    _check_pairs(d_real, d_fake)
    return softplus(d_fake - d_real).mean(-1)


def relativistic_g(d_fake: Tensor, d_real: Tensor | None = None) -> Tensor:
    """-E log sigma(d(G(z)) - d(x)); the only loss here that reads `d_real`. Source: as `relativistic_d`."""
    _check_pairs(d_real, d_fake)
    return softplus(d_real - d_fake).mean(-1)


def _check_pairs(d_real: Tensor | None, d_fake: Tensor) -> None:
    if d_real is None or d_real.shape != d_fake.shape:
        given = "no d_real" if d_real is None else f"d_real {tuple(d_real.shape)}"
        raise ValueError(
            f"a relativistic loss pairs each real logit with one fake: got {given} and d_fake "
            f"{tuple(d_fake.shape)}. Give both, of one shape."
        )
    _check_logits(d_real, d_fake)


minimax = Loss("minimax", cross_entropy_d, minimax_g)
non_saturating = Loss("non-saturating", cross_entropy_d, non_saturating_g)
least_squares = Loss("least squares", least_squares_d, least_squares_g)
hinge = Loss("hinge", hinge_d, wasserstein_g)
wasserstein = Loss("Wasserstein", wasserstein_d, wasserstein_g)
relativistic = Loss("relativistic", relativistic_d, relativistic_g, pairs=True)
ALL = (minimax, non_saturating, least_squares, hinge, wasserstein, relativistic)


def slopes(D: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Gradient of the logit by the input, grad_x d(x), at each sample: (..., N, features), differentiable again.

    x are images (N, C, H, W), or points (N, dim) or (W, N, dim); D gives one logit a sample, (N,) or (W, N), and
    anything else is a ValueError: (N, 1) as well, and a map of patches, whose mean over a sample's patches fits.
    Summing the logits first gives each sample its own gradient as long as D treats samples one by one; a batch norm
    in D mixes them, so leave it out of a discriminator under a penalty (Gulrajani et al. 2017, section 4). On D's
    device, wherever x is.
    """
    x = x.detach().to(device_of(D, x)).requires_grad_()
    d = D(x)
    if d.shape != _samples(x) or d.ndim not in (1, 2):
        raise ValueError(
            "a penalty takes images (N, C, H, W) or points (N, dim) with logits (N,), or worlds (W, N, dim) with "
            f"(W, N): got x {tuple(x.shape)}, D(x) {tuple(d.shape)}. Does D end in nn.Linear(n, 1)? Then "
            "D(x).squeeze(-1)."
        )
    (grad,) = torch.autograd.grad(d.sum(), x, create_graph=True)
    return grad.flatten(d.ndim)


def _samples(x: Tensor) -> torch.Size:
    """The axes that count samples: those of images (N, C, H, W), and of points (N, dim) or (W, N, dim)."""
    return x.shape[:-3] if x.ndim == 4 else x.shape[:-1]


def r1(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor | None = None, gamma: float = 1.0) -> Tensor:
    """gamma / 2 * E |grad d(x)|^2 at real samples. Source: Mescheder et al. 2018, eq. 9."""
    return 0.5 * gamma * slopes(D, x_real).square().sum(-1).mean(-1)


def r2(D: Callable[[Tensor], Tensor], x_real: Tensor | None, x_fake: Tensor, gamma: float = 1.0) -> Tensor:
    """gamma / 2 * E |grad d(G(z))|^2 at fakes. Source: Mescheder et al. 2018, eq. 10."""
    return 0.5 * gamma * slopes(D, x_fake).square().sum(-1).mean(-1)


def r1_r2(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor, gamma: float = 1.0) -> Tensor:
    """R1 + R2 with one gamma; with the relativistic loss the recipe of Huang et al. 2024 (R3GAN), section 2."""
    return r1(D, x_real, gamma=gamma) + r2(D, None, x_fake, gamma=gamma)


def wgan_gp(D: Callable[[Tensor], Tensor], x_real: Tensor, x_fake: Tensor, weight: float = 10.0) -> Tensor:
    """weight * E (|grad d(x_hat)| - 1)^2, no half, at points drawn uniformly on the lines between real and fake.

    Raises ValueError when the two batches differ in shape. Source: Gulrajani et al. 2017, eq. 3 and algorithm 1.
    """
    if x_real.shape != x_fake.shape:
        raise ValueError(
            f"WGAN-GP mixes each real sample with one fake: got x_real {tuple(x_real.shape)} and x_fake "
            f"{tuple(x_fake.shape)}. Draw two batches of one size."
        )
    device, n = device_of(D, x_fake), _samples(x_real)
    x_real, x_fake = x_real.to(device), x_fake.detach().to(device)
    t = torch.rand(n + (1,) * (x_real.ndim - len(n)), dtype=x_real.dtype, device=device)  # one weight a sample
    grad = slopes(D, x_fake + t * (x_real - x_fake))
    return weight * (grad.norm(dim=-1) - 1).square().mean(-1)

"""How two players move: the Dirac-GAN, a whole game in two numbers, rules of taking steps, and any game's Jacobian.

The Dirac-GAN has all real samples at 0, all fakes at theta, and the discriminator d(x) = psi x; both are content at
theta = psi = 0. Source: Mescheder et al. 2018, definition 2.1. A field v(w) says where the players of w = (theta, psi)
want to go; a rule makes steps of it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..inputs import one_of
from ..losses import Loss
from ..sampling import device_of

Field = Callable[[Tensor], Tensor]  # (..., 2) -> (..., 2)
RULES = ("simultaneous", "alternating", "extragradient")


def dirac(w: Tensor, loss: Loss, *, gamma: float = 0.0, weight: float = 0.0, noise: float = 0.0,
          consensus: float = 0.0) -> Tensor:  # fmt: skip
    """(-dL_G / dtheta, -dL_D / dpsi) at the points w (..., 2) = (theta, psi), differentiable.

    gamma      R1, gamma / 2 psi^2, added to D's loss; d's slope is psi everywhere, so R2 is the same here
    weight     of WGAN-GP, weight (|psi| - 1)^2
    noise      standard deviation of Gaussian noise on every sample that D sees, real or fake (Arjovsky and Bottou 2017)
    consensus  c in v - c grad 1/2 |v|^2: each player also minimises how hard both want to move (Mescheder et al. 2017)
    """
    keep = w.requires_grad
    w = w if keep else w.detach().requires_grad_()
    with torch.enable_grad():
        theta, psi = w.reshape(-1, 2).split(1, 1)  # a world a point, (W, 1) each
        x = noise * _normal_quantiles(w) if noise else w.new_zeros(2)  # one sample, twice: losses want a batch
        d_real, d_fake = psi * x, psi * (theta + x)
        loss_D = loss.d_loss(d_real, d_fake) + gamma / 2 * psi[:, 0] ** 2 + weight * (psi[:, 0].abs() - 1) ** 2
        loss_G = loss.g_loss(d_fake, d_real)
        of_G, of_D = (torch.autograd.grad(x.sum(), w, create_graph=True)[0] for x in (loss_G, loss_D))
        v = -torch.stack([of_G[..., 0], of_D[..., 1]], -1)
        if consensus:
            v = v - consensus * torch.autograd.grad(0.5 * v.square().sum(), w, create_graph=True)[0]
    return v if keep else v.detach()


def _normal_quantiles(like: Tensor, n: int = 61) -> Tensor:
    """n points of equal weight that stand for a standard normal: quantiles, stretched to a variance of 1."""
    q = torch.special.ndtri((torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) / n)
    return q / q.square().mean().sqrt()


def step(v: Field, w: Tensor, h: float, rule: str = "alternating", beta: float = 0.0, last: Tensor | None = None):
    """The players' next place from w (..., 2) by a step of size h along v, plus beta times their last move.

    simultaneous   w + h v(w)
    alternating    psi first, then theta along the field at the new psi, as a GAN's training does
    extragradient  w + h v(w + h v(w)): the field of one step ahead (Korpelevich 1976; Gidel et al. 2019a)
    beta           heavy-ball momentum, negative allowed (Gidel et al. 2019b); `last` is the place before w
    Raises ValueError for another rule.
    """
    one_of(rule, RULES, "rule")
    push = 0.0 if last is None or not beta else beta * (w - last)
    if rule == "extragradient":
        return w + h * v(w + h * v(w)) + push
    moved = w + h * v(w) + push
    if rule == "simultaneous":
        return moved
    half = torch.stack([w[..., 0], moved[..., 1]], -1)
    theta = (w + h * v(half) + push)[..., 0]
    return torch.stack([theta, moved[..., 1]], -1)


def path(v: Field, start, h: float, steps: int, rule: str = "alternating", beta: float = 0.0,
         clip: float | None = None) -> Tensor:  # fmt: skip
    """(steps + 1, ..., 2) places from `start` (..., 2); `clip` holds psi within [-clip, clip] after each step."""
    w = torch.as_tensor(start, dtype=torch.float64)
    places = [w]
    for _ in range(steps):
        w = step(v, places[-1], h, rule, beta, last=places[-2] if len(places) > 1 else None)
        if clip is not None:
            w = torch.stack([w[..., 0], w[..., 1].clamp(-clip, clip)], -1)
        places.append(w)
    return torch.stack(places)


def flow(v: Field, start, time: float, steps: int = 1000) -> Tensor:
    """(steps + 1, ..., 2) places of the continuous game dw / dt = v(w), by the classical Runge-Kutta method."""
    places, h = [torch.as_tensor(start, dtype=torch.float64)], time / steps
    for _ in range(steps):
        w = places[-1]
        a = v(w)
        b = v(w + h / 2 * a)
        c = v(w + h / 2 * b)
        places.append(w + h / 6 * (a + 2 * b + 2 * c + v(w + h * c)))
    return torch.stack(places)


def jacobian(v: Field, w) -> Tensor:
    """(2, 2) derivative of a field at w (2,)."""
    return torch.autograd.functional.jacobian(v, torch.as_tensor(w, dtype=torch.float64))


def update_matrix(J: Tensor, h, rule: str = "alternating", beta: float = 0.0) -> Tensor:
    """What one step does to a small distance from a point of rest, where the field is J (..., 2, 2) times it.

    (..., 2, 2), or (..., 4, 4) on (place, last place) with momentum, whose memory is a state of its own. The game
    converges there if all eigenvalues are below 1 in size. h may be a tensor of J's leading shape.
    """
    one_of(rule, RULES, "rule")
    h = torch.as_tensor(h, dtype=J.dtype, device=J.device)[..., None, None]
    one = torch.eye(2, dtype=J.dtype, device=J.device).expand(torch.broadcast_shapes(J.shape, (*h.shape[:-2], 2, 2)))
    shift = h * J
    if rule == "extragradient":
        shift = shift + shift @ shift
    back = beta * one
    if rule == "alternating":  # theta moves along row 0 at the new psi, which is row 1 of one + shift
        row = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=J.dtype, device=J.device)
        through = row @ shift  # theta's row of the field
        late = through[..., :, 1:] * shift[..., 1:, :]  # what psi's own move adds to theta's
        if beta:
            back = back + through[..., :, 1:] * back[..., 1:, :]
        shift = shift + late
    if not beta:
        return one + shift
    top = torch.cat([one + shift + back, -back.expand_as(one)], -1)
    return torch.cat([top, torch.cat([one, torch.zeros_like(one)], -1)], -2)


def radius(J: Tensor, h, rule: str = "alternating", beta: float = 0.0) -> Tensor:
    """Spectral radius of `update_matrix`: below 1 small distances die out, above 1 they grow."""
    return torch.linalg.eigvals(update_matrix(J, h, rule, beta)).abs().amax(-1)


def game_jacobian(G, D, x_real: Tensor, z: Tensor, loss: Loss, penalty=None) -> Tensor:
    """(n, n) derivative of the field (-grad L_G, -grad L_D) by all n weights of both players, G's first;
    on the CPU.

    On one batch, taken as the whole game. One backward pass a weight: for networks of up to about a thousand.
    """
    mine, theirs = list(G.parameters()), list(D.parameters())
    x_fake, x_real = G(z.to(device_of(G, z))), x_real.to(device_of(D, x_real))
    d_real, d_fake = D(x_real).flatten(), D(x_fake).flatten()
    loss_D = loss.d_loss(d_real, d_fake)
    if penalty is not None:
        loss_D = loss_D + penalty(D, x_real, x_fake)
    goals = ((loss.g_loss(d_fake, d_real), mine), (loss_D, theirs))
    v = torch.cat([-g.flatten() for goal, p in goals for g in torch.autograd.grad(goal, p, create_graph=True)])
    rows = (torch.autograd.grad(v_i, mine + theirs, retain_graph=True, materialize_grads=True) for v_i in v)
    return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]).cpu()

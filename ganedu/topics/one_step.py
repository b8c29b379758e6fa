"""From many steps to one: flow matching, a one-step student of it with and without a discriminator, and which map.

A flow moves noise z, at time 0, to data x, at time 1, along dx/dt = v(x, t). A sample is a point (dim,) or a picture
(C, H, H); z has the shape of a sample. A student maps z to a sample in one step.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..inputs import one_of, whole
from ..losses import Loss, non_saturating, r1, relativistic
from ..metrics import nearest_mode
from ..metrics.judges import fit
from ..sampling import device_of, seeded
from ..toys.stacked import StackedMLP
from ..toys.worlds import streams, turn_D
from ..training import linear_second_half

WAYS = ("regression", "regression + D", "D, teacher's weights", "D, from scratch")  # how a student is made
LEFT = 0.03  # of the time, at least, in what `Velocity` divides by
WAVES = 4  # cosines and sines of the time that a network sees

# ------------------------------------------------------------------------------------------------------ flow matching


class Velocity(nn.Module):
    """v(x, t): samples (N, *shape) and times (N,) or one number, from 0 to 1 -> velocities (N, *shape).

    The network guesses where x ends, `end(x, t)`, and v = (end - x) / (1 - t), with 1 - t at least 0.03: so it need not
    hand the noise through. A residual MLP, `depth` blocks h + W silu(norm(h)), over the flattened sample, the time, and
    the cosines and sines of pi k t for k = 1 to 4; tanh at its end where `bounded`, as pixels are. Raises ValueError
    for samples of another shape. Source of guessing the end: Li and He 2025, Back to Basics.
    """

    def __init__(self, shape: tuple[int, ...] = (2,), width: int = 128, depth: int = 3, bounded: bool = False):
        super().__init__()
        size = math.prod(shape)
        self.shape, self.width, self.depth, self.bounded = tuple(shape), width, depth, bounded
        self.first = nn.Linear(size + 1 + 2 * WAVES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.last = nn.Linear(width, size)

    def end(self, x: Tensor, t: Tensor | float) -> Tensor:
        """The guess, from x (N, *shape) at time t, at the sample that the flow will reach: (N, *shape)."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"samples {tuple(x.shape)} do not fit: this network takes (N, *{self.shape}).")
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(len(x))[:, None]  # (N, 1)
        k = math.pi * torch.arange(1, WAVES + 1, device=x.device) * t  # (N, WAVES)
        h = self.first(torch.cat([x.flatten(1), t, k.cos(), k.sin()], 1))
        for block in self.blocks:
            h = h + block(h)
        out = self.last(F.silu(h)).view_as(x)
        return out.tanh() if self.bounded else out

    def forward(self, x: Tensor, t: Tensor | float) -> Tensor:
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        left = (1 - t).clamp(min=LEFT).view(-1, *[1] * (x.ndim - 1))
        return (self.end(x, t) - x) / left


def flow_loss(v, x: Tensor, z: Tensor | None = None, t: Tensor | None = None) -> Tensor:
    """E |v(x_t, t) - (x - z)|^2, the mean over all numbers, with x_t = (1 - t) z + t x; x (N, ...).

    z from N(0, I) and t (N,) uniform in 0 to 1 unless given. Its minimum over v is E[x - z | x_t], whose flow carries
    N(0, I) to the data. Raises ValueError for z of another shape. Source: Lipman et al. 2023, section 4.1,
    with sigma_min = 0; Liu, Gong and Liu 2023, eq. 1.
    """
    z = torch.randn_like(x) if z is None else z
    t = torch.rand(len(x), device=x.device, dtype=x.dtype) if t is None else t
    if z.shape != x.shape or t.shape != x.shape[:1]:
        raise ValueError(f"x {tuple(x.shape)}, z {tuple(z.shape)}, t {tuple(t.shape)}: give z like x, and t (N,).")
    share = t.view(-1, *[1] * (x.ndim - 1))
    return (v((1 - share) * z + share * x, t) - (x - z)).square().mean()


@torch.no_grad()
def euler(v, z: Tensor, steps: int) -> Tensor:
    """From noise z (N, ...) to samples, like z: x + v(x, t) / steps, at t = 0, 1 / steps, ..., 1 - 1 / steps.

    Raises ValueError for fewer than 1 step.
    """
    whole("steps", steps, 1, 10_000)
    x = z
    for i in range(steps):
        x = x + v(x, i / steps) / steps
    return x


def exact_velocity(x: Tensor, t: float, data: Tensor) -> Tensor:
    """The v that minimises `flow_loss` for data that are points (K, dim), each as likely; x (N, dim).

    v(x, t) = sum_k w_k (x_k - x) / (1 - t), w = softmax over k of -|x - t x_k|^2 / (2 (1 - t)^2): the mean of x_k - z
    over all ways to be at x at time t. At t = 0 it is mean(x_k) - x. Raises ValueError for t outside 0 <= t < 1, or
    other shapes. Source: Bertrand, Gagneux, Massias and Emonet 2025, On the Closed-Form of Flow Matching.
    """
    if not 0 <= t < 1 or x.ndim != 2 or data.ndim != 2 or x.shape[1] != data.shape[1]:
        raise ValueError(
            f"x {tuple(x.shape)}, data {tuple(data.shape)}, t={t}: give x (N, dim), data (K, dim), 0 <= t < 1."
        )
    data = data.to(x)
    square = (x[:, None] - t * data).square().sum(-1)  # (N, K)
    w = (-square / (2 * (1 - t) ** 2)).softmax(1)
    return (w @ data - x) / (1 - t)


def flow(
    data,
    shape: tuple[int, ...],
    *,
    steps: int,
    batch: int = 128,
    width: int = 128,
    depth: int = 3,
    bounded: bool = False,
    lr: float = 1e-3,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Velocity:
    """A `Velocity` trained on `data.sample(n)`, a density or `data.Images`: Adam, its rate falling to 0; frozen."""
    whole("steps", steps, 1, 10**6)
    with seeded(seed):
        v = Velocity(shape, width, depth, bounded).to(device)
        return fit(v, lambda: flow_loss(v, data.sample(batch).to(device)), steps, lr)


# --------------------------------------------------------------------------------------------------- one-step students


class Student(nn.Module):
    """G(z) = z + v(z, 0) = end(z, 0): noise (N, z_dim), flat, -> samples (N, *shape); z_dim is the sample's size.

    With a teacher's v this is its one Euler step.
    """

    def __init__(self, v: Velocity):
        super().__init__()
        self.v, self.z_dim = v, math.prod(v.shape)

    def forward(self, z: Tensor) -> Tensor:
        return self.v.end(z.view(len(z), *self.v.shape), 0.0)


class Judge(nn.Module):
    """D for pictures (N, channels, side, side) -> logits (N,): two convolutions, 4 x 4, stride 2, LeakyReLU, one
    hidden layer; no batch norm, so that penalties fit. `side` is a multiple of 4."""

    def __init__(self, side: int = 16, channels: int = 1, width: int = 32):
        super().__init__()
        whole("side", side, 4, 256)
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(),
            nn.Linear(2 * width * (side // 4) ** 2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[:, 0]


def distil_step(x_real, z, x_teacher, *, G, D, opt_G, opt_D, weight, loss: Loss = non_saturating, penalty=None):
    """One round of a student: D learns to tell real samples from G(z), then G learns from the teacher and from D.

    x_real (N, ...), noise z (N, z_dim), and what the teacher makes of it, x_teacher (N, ...), on one device.
    G descends |G(z) - x_teacher|^2 (mean over numbers) + weight * g_loss(D(G(z))). Without a D (None) the first term
    alone; with x_teacher=None D alone. Returns {"loss_D", "loss_G"}, detached.
    Source: Sauer et al. 2024 (ADD), section 3, there with D on a frozen network's features.
    """
    loss_D = loss_G = torch.zeros((), device=z.device)
    x_fake = G(z)
    if D is not None:
        loss_D = loss.d_loss(D(x_real), D(x_fake.detach()))
        if penalty is not None:
            loss_D = loss_D + penalty(D, x_real, x_fake.detach())
        opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()
        loss_G = weight * loss.g_loss(D(x_fake), D(x_real).detach() if loss.pairs else None)
    if x_teacher is not None:
        loss_G = loss_G + (x_fake - x_teacher).square().mean()
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))  # through D, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def student(
    way: str,
    teacher: Velocity,
    images,
    pairs: tuple[Tensor, Tensor],
    *,
    steps: int,
    batch: int = 64,
    weight: float = 0.2,
    gamma: float = 1.0,
    lr: float = 5e-4,
    seed: int = 0,
) -> Student:
    """A `Student` made in one of `WAYS` in `steps` rounds of `distil_step`, frozen; on the teacher's device.

    pairs  (z, x): noise (M, z_dim) and what the teacher makes of it, (M, *shape); D alone sees z of the same pairs.
    Adam(betas 0.5, 0.99) for G and D, rates falling to 0 over the second half; R1 with gamma; G's weights at the end
    are the mean over the last tenth of its steps. Equal seeds: equal z, real samples and D, in every way; equal G
    at the start where it comes from the teacher, which is all ways but the last. Raises ValueError for another way.
    """
    one_of(way, WAYS, "way to make a student")
    whole("steps", steps, 10, 10**6)
    device, (z_all, x_all) = device_of(teacher), pairs
    with seeded(seed):
        D = None if way == WAYS[0] else Judge(teacher.shape[-1], teacher.shape[0]).to(device)
        v = Velocity(teacher.shape, teacher.width, teacher.depth, teacher.bounded).to(device)
    if way != WAYS[3]:
        v.load_state_dict(teacher.state_dict())
    G = Student(v).train().requires_grad_(True)
    opt_G = torch.optim.Adam(G.parameters(), lr, (0.5, 0.99), fused=True)
    opt_D = D and torch.optim.Adam(D.parameters(), lr, (0.5, 0.99), fused=True)
    mean, draw = [torch.zeros_like(p) for p in G.parameters()], torch.Generator().manual_seed(seed)
    for i in range(steps):
        for group in (*opt_G.param_groups, *(opt_D.param_groups if opt_D else ())):
            group["lr"] = lr * linear_second_half(i / steps)
        which = torch.randint(len(z_all), (batch,), generator=draw).to(z_all.device)
        x_real, z, x = images.sample(batch, draw).to(device), z_all[which].to(device), x_all[which].to(device)
        distil_step(x_real, z, x if way in WAYS[:2] else None, G=G, D=D, opt_G=opt_G, opt_D=opt_D,
                    weight=weight if way == WAYS[1] else 1.0, penalty=partial(r1, gamma=gamma))  # fmt: skip
        if i >= steps - steps // 10:
            torch._foreach_add_(mean, [p.detach() for p in G.parameters()], alpha=1 / (steps // 10))
    with torch.no_grad():
        for p, m in zip(G.parameters(), mean, strict=True):
            p.copy_(m)
    return G.eval().requires_grad_(False)


@torch.no_grad()
def stretch(G, z: Tensor, delta: float = 0.05, seed: int = 0) -> Tensor:
    """How far apart two close z land, |G(z + e) - G(z)| / |e|, (N,), for a map G of noise z (N, ...); |e| is delta |z|.

    The direction of e is random, one a row; equal seeds, equal directions.
    """
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed)).to(z)
    e = noise * (delta * z.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)).view(-1, *[1] * (z.ndim - 1))
    return (G(z + e) - G(z)).flatten(1).norm(dim=1) / e.flatten(1).norm(dim=1)


# --------------------------------------------------------------------------------------------------------- which map?


def gans_with_transport(density, weight: float, *, worlds: int = 16, steps: int = 1000, batch: int = 128,
                        width: int = 64, fade: bool = False, gamma: float = 0.1, lr: float = 1e-3,
                        seed: int = 0) -> StackedMLP:  # fmt: skip
    """`worlds` GANs on a density in the plane, each with a seed of its own: G (worlds, N, 2) -> (worlds, N, 2).

    G descends the relativistic loss + weight * E |G(z) - z|^2, z from N(0, I) of the plane; D the loss + R1 with
    gamma. With `fade` the weight falls linearly to 0 over the first half and stays there. Adam(0.5, 0.9).
    Raises ValueError for a weight below 0. Source: Lin et al. 2025 (adversarial flow models), section 3.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"weight={weight} does not fit: give a number from 0, such as 0.1.")
    whole("steps", steps, 1, 10**6)
    G = StackedMLP(worlds, [density.dim, width, width, density.dim], streams(seed, 0))
    D = StackedMLP(worlds, [density.dim, width, width, 1], streams(seed, 1), slope=0.2, logits=True)
    opt_G, opt_D = (torch.optim.Adam(p.parameters(), lr, (0.5, 0.9), fused=True) for p in (G, D))
    draw, shape = torch.Generator().manual_seed(seed), (worlds, batch, density.dim)
    for i in range(steps):
        now = weight * max(0.0, 1 - 2 * i / steps) if fade else weight
        x = density.sample(worlds * batch, draw).view(shape)
        turn_D(x, torch.randn(shape, generator=draw), G=G, D=D, opt_D=opt_D, loss=relativistic,
               penalty=partial(r1_of_worlds, gamma=gamma))  # fmt: skip
        z = torch.randn(shape, generator=draw)
        transport_turn(x, z, G=G, D=D, opt_G=opt_G, weight=now)
    return G.eval().requires_grad_(False)


def r1_of_worlds(D, x_real: Tensor, x_fake: Tensor, gamma: float) -> Tensor:
    """R1 of each world, (W,): `losses.r1`."""
    return r1(D, x_real, gamma=gamma)


def transport_turn(x_real: Tensor, z: Tensor, *, G, D, opt_G, weight: float, loss: Loss = relativistic) -> Tensor:
    """G learns once, in every world: its loss (W,), g_loss + weight * E |G(z) - z|^2; x_real and z (W, N, dim)."""
    x_fake = G(z)
    d_real = D(x_real).detach() if loss.pairs else None
    loss_G = loss.g_loss(D(x_fake), d_real) + weight * (x_fake - z).square().sum(-1).mean(-1)
    opt_G.zero_grad()
    loss_G.sum().backward(inputs=list(G.parameters()))  # worlds share no weight: each gets its own gradient
    opt_G.step()
    return loss_G.detach()


def same_mode(a: Tensor, b: Tensor, modes: Tensor) -> Tensor:
    """Share of places at which samples a and b (..., N, dim) are nearest to the same mode, (...), 0 to 1.

    Two maps, given the same z, agree where it is 1. Raises ValueError for two shapes.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"a {tuple(a.shape)} and b {tuple(b.shape)} must be of one shape: what two maps make of one z."
        )
    return (nearest_mode(a, modes)[1] == nearest_mode(b, modes)[1]).float().mean(-1)

"""Many small GANs trained at once, one world a seed: a claim about collapse or speed is a claim about how many of them.

`train` runs one setting over W worlds and hands back records and samples of each; `step` is the round it repeats, the
same game as `steps.train_step` on stacked weights. World w of a seed is the same GAN however many run beside it, and in
two settings it starts from the same weights where shapes agree, and sees the same real samples and noise.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..inputs import one_of
from ..losses import Loss, non_saturating
from ..metrics import good_share, modes_covered
from ..sampling import seeded
from .stacked import StackedMLP

# ---------------------------------------------------------------------------------------------------- one round


def step(x_real, z, *, G, D, opt_G, opt_D, loss: Loss = non_saturating, penalty=None, pack=1, unroll=0):
    """One round of the game in every world: D learns once a batch of `x_real`, then G once.

    x_real   (n_critic, W, N, dim)
    z        (n_critic + 1, W, N, z_dim); the last is G's
    penalty  `penalty(D, x_real, x_fake)` -> (W,), added to D's loss
    pack     D judges this many samples of one origin together, (W, N / pack, pack * dim); Lin et al. 2018, section 3
    unroll   G's loss is taken at a D that has looked ahead by this many steps of its own optimiser, on G's own fakes,
             and G's gradient runs through them; D itself does not keep them. Metz et al. 2017, eq. 6 to 8

    Players, x_real and z are on one device. Returns {"loss_D", "loss_G"}, each (W,), detached.
    """
    for x, z_d in zip(x_real, z[:-1], strict=True):
        loss_D = turn_D(x, z_d, G=G, D=D, opt_D=opt_D, loss=loss, penalty=penalty, pack=pack)
    loss_G = turn_G(x_real[-1], z[-1], G=G, D=D, opt_G=opt_G, opt_D=opt_D, loss=loss, penalty=penalty, pack=pack,
                    unroll=unroll)  # fmt: skip
    return {"loss_D": loss_D, "loss_G": loss_G}


def turn_D(x_real, z, *, G, D, opt_D, loss: Loss = non_saturating, penalty=None, pack=1) -> Tensor:
    """D learns once from x_real (W, N, dim) and G's fakes at z (W, N, z_dim): its loss (W,), detached."""
    with torch.no_grad():
        x_fake = packed(G(z), pack)
    loss_D = _d_goal(D, packed(x_real, pack), x_fake, loss, penalty)
    opt_D.zero_grad()
    loss_D.sum().backward()  # worlds share no weight, so the sum's gradient is each world's own
    opt_D.step()
    return loss_D.detach()


def turn_G(x_real, z, *, G, D, opt_G, opt_D=None, loss: Loss = non_saturating, penalty=None, pack=1, unroll=0):
    """G learns once at z (W, N, z_dim): its loss (W,), detached. Relativistic losses and unrolling read x_real."""
    x, x_fake = packed(x_real, pack), packed(G(z), pack)
    if unroll:
        d_fake, d_real = _look_ahead(D, opt_D, x, x_fake, loss, penalty, unroll)
    else:
        weights = list(D.parameters())  # walked once: in so small a game the walk is a part of the time
        for p in weights:
            p.requires_grad = False  # G's step goes through D, but leaves no gradient there
        d_fake = D(x_fake)
        d_real = D(x) if loss.pairs else None
        for p in weights:
            p.requires_grad = True
    loss_G = loss.g_loss(d_fake, d_real)
    opt_G.zero_grad()
    loss_G.sum().backward(inputs=list(G.parameters()))
    opt_G.step()
    return loss_G.detach()


def packed(x: Tensor, pack: int) -> Tensor:
    """(W, N, dim) -> (W, N / pack, pack * dim): each row holds `pack` samples."""
    return x if pack == 1 else x.reshape(len(x), -1, pack * x.shape[-1])


def _d_goal(D, x: Tensor, x_fake: Tensor, loss: Loss, penalty) -> Tensor:
    if getattr(D, "mixes", True):
        d_real, d_fake = D(x), D(x_fake)
    else:  # one pass for both is faster, and the same numbers
        d_real, d_fake = D(torch.cat([x, x_fake], 1)).split([x.shape[1], x_fake.shape[1]], 1)
    loss_D = loss.d_loss(d_real, d_fake)  # (W,)
    return loss_D if penalty is None else loss_D + penalty(D, x, x_fake)


# ------------------------------------------------------------------------------------------------------ unrolling


def _look_ahead(D, opt_D, x: Tensor, x_fake: Tensor, loss: Loss, penalty, unroll: int) -> tuple[Tensor, Tensor | None]:
    """(d_fake, d_real) of D after `unroll` steps that it does not take, differentiable in x_fake."""
    weights = dict(D.named_parameters())
    state = [dict(opt_D.state[p]) for p in weights.values()]

    def ahead(v: Tensor) -> Tensor:
        return functional_call(D, weights, (v,))

    ahead.mixes = D.mixes
    for _ in range(unroll):
        goal = _d_goal(ahead, x, x_fake, loss, penalty).sum()
        grads = torch.autograd.grad(goal, list(weights.values()), create_graph=True)
        moved = (_moved(*args, opt_D) for args in zip(weights.values(), grads, state, strict=True))
        weights = dict(zip(weights, moved, strict=True))
    return ahead(x_fake), ahead(x) if loss.pairs else None


def _moved(p: Tensor, g: Tensor, state: dict, opt: torch.optim.Optimizer) -> Tensor:
    """Where SGD (with momentum) or Adam would move p, out of place, so that it can be differentiated."""
    group = opt.param_groups[0]
    if "betas" not in group:
        if group["momentum"]:
            buffer = state.get("momentum_buffer")
            state["momentum_buffer"] = g = g if buffer is None else group["momentum"] * buffer + g
        return p - group["lr"] * g
    (b1, b2), t = group["betas"], float(state["step"]) + 1
    state["step"] = t
    state["exp_avg"] = m = b1 * state["exp_avg"] + (1 - b1) * g
    state["exp_avg_sq"] = v = b2 * state["exp_avg_sq"] + (1 - b2) * g.square()
    root = v.clamp_min(1e-30).sqrt() / math.sqrt(1 - b2**t)  # a root has no slope at 0
    return p - group["lr"] / (1 - b1**t) * m / (root + group["eps"])


# -------------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Run:
    """What `train` hands back.

    records  "step" (T,) and "seconds" (T,), training alone; "loss_D", "loss_G" and what was measured, each (T, W)
    samples  (W, n_samples, dim), float32 on the CPU, from the last generators
    G, D     the players, StackedMLP, on the run's device: (W, N, z_dim) -> (W, N, dim), and (W, N, pack * dim) ->
             logits (W, N)
    """

    records: dict[str, Tensor]
    samples: Tensor
    G: StackedMLP
    D: StackedMLP


def train(
    density,
    *,
    worlds: int = 64,
    steps: int = 1000,
    batch: int = 128,
    z_dim: int = 2,
    width: int | tuple[int, int] = 64,
    depth: int = 2,
    loss: Loss = non_saturating,
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
    lr_G: float = 1e-3,
    lr_D: float = 1e-3,
    optimiser: str = "adam",
    betas: tuple[float, float] = (0.5, 0.9),
    momentum: float = 0.0,
    schedule: Callable[[float], float] | None = None,
    n_critic: int = 1,
    pack: int = 1,
    unroll: int = 0,
    minibatch_std: bool = False,
    spectral_norm: bool = False,
    batch_norm: str = "",
    seed: int = 0,
    record_every: int | None = None,
    n_samples: int = 1000,
    measure: Callable[[Tensor], dict[str, Tensor]] | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Run:
    """Train `worlds` GANs of one setting on `density`, at once, for `steps` rounds of `step`; world w has seed w.

    density        anything with `dim` and `sample(n, generator)`: `densities.ring()` and its like
    batch          samples a step, real and fake each; one round draws n_critic + 1 times that
    width, depth   of the hidden layers, ReLU in G and LeakyReLU(0.2) in D; a pair is (G's, D's) width
    lr_G, lr_D     learning rates; `optimiser` is "adam" with `betas`, or "sgd" with `momentum`
    schedule       function of progress 0..1 that multiplies both rates, as `training.linear_second_half`
    minibatch_std, spectral_norm  in D
    batch_norm     "", "G", "D" or "GD": in G's hidden layers, in D's but the first (Radford et al. 2016, section 3)
    record_every   rounds between two records; only the last round without it
    measure        samples (W, n_samples, dim) -> {name: (W, ...)}, for the records; `modes` and `good` (see `metrics`)
                   where the density has modes. The noise behind these samples stays the same through the run.

    The mixing weights that WGAN-GP draws come from one stream for all worlds; all else is each world's own. The same
    call gives the same numbers. Raises ValueError for settings that do not fit, before training.
    """
    width_G, width_D = width if isinstance(width, Sequence) else (width, width)
    whole = {"worlds": worlds, "steps": steps, "batch": batch, "z_dim": z_dim, "width": width_G, "width of D": width_D}
    whole |= {"depth": depth, "n_critic": n_critic, "pack": pack, "n_samples": n_samples}
    _check(whole, {"lr_G": lr_G, "lr_D": lr_D}, unroll, optimiser, batch_norm, penalty)
    if batch % pack:
        more = pack * (batch // pack + 1)
        raise ValueError(f"batch={batch} cannot be dealt into packs of {pack}: give a multiple, such as {more}.")
    if measure is None:
        measure = _modes(density)
    sizes_G = [z_dim] + [width_G] * depth + [density.dim]
    sizes_D = [density.dim * pack] + [width_D] * depth + [1]
    G = StackedMLP(worlds, sizes_G, streams(seed, 0), norms=range(depth) if "G" in batch_norm else ())
    D = StackedMLP(
        worlds, sizes_D, streams(seed, 1), slope=0.2, norms=range(1, depth) if "D" in batch_norm else (),
        minibatch_std=minibatch_std, spectral_norm=spectral_norm, logits=True,
    )  # fmt: skip
    G, D = G.to(device, dtype), D.to(device, dtype)
    betas = tuple(map(float, betas))
    if optimiser == "adam":
        opt_G, opt_D = (torch.optim.Adam(p.parameters(), lr, betas, fused=True) for p, lr in ((G, lr_G), (D, lr_D)))
    else:
        opt_G, opt_D = (torch.optim.SGD(p.parameters(), lr, momentum, fused=True) for p, lr in ((G, lr_G), (D, lr_D)))

    x_stream = _batches(density.sample, (n_critic, batch, density.dim), worlds, streams(seed, 2), device, dtype)
    z_stream = _batches(_normal(z_dim), (n_critic + 1, batch, z_dim), worlds, streams(seed, 3), device, dtype)
    z_shown = next(_batches(_normal(z_dim), (1, n_samples, z_dim), worlds, streams(seed, 4), device, dtype))[0]
    measure(_sampled(G, z_shown))  # what cannot be measured should fail now

    _keep_memory()
    records, seconds = [], 0.0
    with seeded(seed):
        start = time.perf_counter()
        for i in range(1, steps + 1):
            if schedule is not None:
                _set_rates({opt_G: lr_G, opt_D: lr_D}, schedule((i - 1) / steps))
            values = step(next(x_stream), next(z_stream), G=G, D=D, opt_G=opt_G, opt_D=opt_D, loss=loss,
                          penalty=penalty, pack=pack, unroll=unroll)  # fmt: skip
            if i == steps or (record_every and i % record_every == 0):
                samples = _sampled(G, z_shown)  # waits for the device
                seconds += time.perf_counter() - start
                when = {"step": torch.tensor(i), "seconds": torch.tensor(seconds)}
                records.append({**when, **values, **measure(samples)})
                start = time.perf_counter()
    return Run({k: torch.stack([r[k] for r in records]).cpu() for k in records[0]}, samples, G, D)


# --------------------------------------------------------------------------------------------------------- helpers


def streams(seed: int, role: int) -> Callable[..., torch.Generator]:
    """draw(..., world) -> that world's own random numbers for this role."""

    def draw(*path: int) -> torch.Generator:
        state = int(np.random.SeedSequence([seed, role, *path]).generate_state(1, np.uint64)[0])
        return torch.Generator().manual_seed(state >> 1)  # NumPy 1 shifts no uint64 by a Python int

    return draw


def _set_rates(rates: dict[torch.optim.Optimizer, float], factor: float) -> None:
    for optimiser, lr in rates.items():
        for group in optimiser.param_groups:
            group["lr"] = lr * factor


def _normal(z_dim: int) -> Callable[..., Tensor]:
    return lambda n, generator: torch.randn(n, z_dim, generator=generator, dtype=torch.float32)


def _batches(sample, shape: tuple[int, int, int], worlds: int, draw, device, dtype) -> Iterator[Tensor]:
    """Endless (k, W, N, features), from each world's own random numbers; drawn for many rounds at a time."""
    generators = [draw(w) for w in range(worlds)]
    rounds = max(1, min(32, 2**16 // math.prod(shape)))  # does not depend on `worlds`: the streams must not either
    while True:
        drawn = [sample(rounds * shape[0] * shape[1], generator=g).view(rounds, *shape) for g in generators]
        yield from torch.stack(drawn, 2).to(device, dtype)  # each (k, W, N, features)


@torch.no_grad()
def _sampled(G: StackedMLP, z: Tensor) -> Tensor:
    return G(z).float().cpu()  # (W, n_samples, dim)


def _modes(density) -> Callable[[Tensor], dict[str, Tensor]]:
    modes = getattr(density, "modes", None)
    if modes is None:
        return lambda samples: {}
    return lambda x: {"modes": modes_covered(x, modes, density.std), "good": good_share(x, modes, density.std)}


def _keep_memory() -> None:
    """Have the C library keep freed memory for the next step instead of handing it back to the system.

    glibc learns from the largest block it has freed; without this, each step faults its pages in anew, which costs a
    fifth of the time. It does nothing where the library is another one.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def _check(whole: dict, rates: dict, unroll, optimiser, batch_norm, penalty) -> None:
    for name, value in whole.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r} does not fit: give a whole number, 1 or more.")
    for name, value in rates.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name}={value!r} does not fit: give a learning rate above 0, such as 1e-3.")
    if not isinstance(unroll, int) or unroll < 0:
        raise ValueError(f"unroll={unroll!r} does not fit: give the number of steps to look ahead, 0 for none.")
    one_of(optimiser, ("adam", "sgd"), "optimiser")
    if batch_norm not in ("", "G", "D", "GD"):
        raise ValueError(f'batch_norm={batch_norm!r} does not fit: give "", "G", "D" or "GD".')
    if penalty is not None and "D" in batch_norm:
        raise ValueError(
            "a gradient penalty asks for each sample's own slope, and batch norm in D mixes the samples of a batch: "
            'leave one of the two out (batch_norm="G" is fine).'
        )

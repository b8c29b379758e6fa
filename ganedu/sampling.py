"""Samples from a trained generator: the same for equal seeds, and without disturbing anybody's random numbers.

A network may live on any device: what is handed to it is moved there, and what is shown or measured comes back.
"""

import contextlib
import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn


@torch.no_grad()
def refresh_batchnorm(G: nn.Module, batches: int = 20, batch_size: int = 256) -> None:
    """Set G's batch-norm statistics to their plain mean over `batches` batches of its own noise (and random labels).

    Nothing else of G changes, its mode (training or evaluation) included.
    """
    norms = [m for m in G.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta, was_training = [m.momentum for m in norms], G.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a plain mean instead of a running one
    G.train()
    for _ in range(batches):
        G(*noise(G, batch_size))
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum
    G.train(was_training)


@torch.no_grad()
def generate(G: nn.Module, n: int, labels: Tensor | None = None, seed: int = 0, batch_size: int = 500) -> Tensor:
    """`n` samples of G in eval mode, as float32 on the CPU. Conditional: `labels` (n,), or random ones for None.

    Equal seeds give equal noise, with labels or without. Raises ValueError for n below 1, or another number of labels.
    """
    if n < 1:
        raise ValueError(f"cannot draw n={n} samples: give 1 or more.")
    if labels is not None and len(labels) != n:
        raise ValueError(f"{len(labels)} labels for {n} samples: give one label a sample.")
    was_training = G.training
    G.eval()
    try:
        with seeded(seed):
            z, *y = noise(G, n)
            inputs = (z, *y) if labels is None else (z, labels.to(z.device))
            pieces = [G(*(t[i : i + batch_size] for t in inputs)).float().cpu() for i in range(0, n, batch_size)]
    finally:
        G.train(was_training)
    return torch.cat(pieces)


@torch.no_grad()
def answers(G: nn.Module, x: Tensor, seed: int = 0, batch_size: int = 500) -> Tensor:
    """G(x) of inputs x (N, ...) in batches, G in the mode that it is in, on the CPU; equal seeds, equal chance in G."""
    device = device_of(G, x)
    with seeded(seed):
        return torch.cat([G(part.to(device)).cpu() for part in x.split(batch_size)])


def device_of(network: Callable, x: Tensor | None = None) -> torch.device:
    """Where a network lives: the device of its first weight or buffer. One without stays where its input `x` is.

    Any function may stand in for a network. Without weights and without `x`: the CPU.
    """
    weights = itertools.chain(network.parameters(), network.buffers()) if isinstance(network, nn.Module) else iter(())
    found = next(weights, x)
    return torch.device("cpu") if found is None else found.device


def noise(G: nn.Module, n: int) -> tuple[Tensor, ...]:
    """What G is drawn from: z (n, z_dim) from N(0, I), and random labels (n,) where it has classes; on G's device."""
    device = device_of(G)
    z = torch.randn(n, G.z_dim, device=device)
    classes = getattr(G, "n_classes", 0)
    return (z, torch.randint(classes, (n,), device=device)) if classes else (z,)


@contextlib.contextmanager
def seeded(seed: int):
    """Torch's random numbers from `seed` inside, and as if nothing had happened afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

"""Several processes that train one model together: what they share, and what each has for itself.

A launcher (torchrun, accelerate launch) starts one program n times, and `training` connects the n processes. Each
draws its own part of every batch, and its own latents; the gradients of all optimisers are averaged, so weights,
optimisers and running averages stay equal, bit for bit. Process 0 is the main one: it alone writes and prints.
In a program that was started alone everything here is a matter of course, and does nothing.

Why not DistributedDataParallel? With `train_step` it gives the same numbers (precompute/22_processes.ipynb), but it is
a wrapper around each player: it hides what a step asks of a player besides forward (D.both, an encoder), averages
while a backward runs and so must foresee which gradients come: a weight without one is an error, and with static_graph
a penalty's second derivative goes wrong without a word. An optimiser's step, in contrast, comes once all gradients are
there, whatever the step did to get them; so they are averaged just before it, and any step runs unchanged.
The price: sending waits until the backward is done, where DistributedDataParallel sends some of it meanwhile.
"""

import contextlib
import itertools
import os
import signal
import sys
import weakref

import torch
import torch.distributed as dist
from torch import Tensor, nn

_averaging: "weakref.WeakSet[torch.optim.Optimizer]" = weakref.WeakSet()
_of_numbers: list = []  # the group for clocks and flags: on the CPU, so that no GPU is waited for


class Elsewhere(RuntimeError):
    """Another process has stopped, so this one cannot go on."""

    in_all = True  # it is said once, by the main process


def launched() -> bool:
    """Whether a launcher started this program together with others, connected or not yet."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1


def count() -> int:
    """How many processes train together; 1 before they are connected, and without a launcher."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0, the main one."""
    return dist.get_rank() if count() > 1 else 0


def part(batch_size: int) -> int:
    """This process's part of a batch: batch_size / n. Raises ValueError where n does not divide it.

    The size of the whole batch is the setting, so that the same command means the same training on any number.
    """
    n = count()
    if batch_size % n:
        low = batch_size // n * n
        raise ValueError(
            f"batch_size={batch_size} is the whole batch, and {n} processes cannot share it equally: give a multiple "
            f"of {n}, such as {f'{low} or ' if low else ''}{low + n}."
        )
    return batch_size // n


def own_seed(seed: int) -> int:
    """The seed of this process's random numbers: `seed` in the main one, drawn from it, by rank, in the others."""
    if not (r := rank()):
        return seed
    generator = torch.Generator().manual_seed(seed)
    return int(torch.randint(2**63 - 1, (r,), generator=generator)[-1])


# ------------------------------------------------------------------------------------------- what is averaged or sent


@torch.no_grad()
def average_gradients(optimiser: torch.optim.Optimizer, args: tuple = (), kwargs: dict | None = None) -> None:
    """Put in place of each gradient its mean over the processes: 1/n sum_r g_r. One message a device and dtype.

    Where each loss is a mean over its own B / n samples, that is the gradient of the mean over all B, up to rounding;
    not for what crosses the batch (batch norm, minibatch deviation, a relativistic *average* loss). A gradient that
    only some processes have counts as 0 in the others, as in the whole batch; one that none has stays None. What a
    step does to gradients before the optimiser's step (clipping, noise) it does to its own process's.
    Raises ValueError for an optimiser that is given a closure: its gradients arise within the step.
    """
    if any(a is not None for a in (*args[1:], *(kwargs or {}).values())):
        raise ValueError(
            "with several processes an optimiser's step takes no closure (as LBFGS's does): its gradients would not "
            "be averaged. Take an optimiser whose step follows backward(), or start one process."
        )
    kinds: dict[tuple, list[nn.Parameter]] = {}
    for p in itertools.chain.from_iterable(group["params"] for group in optimiser.param_groups):
        kinds.setdefault((p.device, p.dtype), []).append(p)
    for (device, dtype), parameters in kinds.items():
        there = [p.grad is not None for p in parameters]
        have = torch.ones(len(there), dtype=dtype, device=device)
        if not all(there):
            have.copy_(torch.tensor(there))
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(g.flatten() for g in own), have])
        _talk(dist.all_reduce, flat)
        *means, have = flat.div_(count()).split([*(g.numel() for g in own), len(there)])
        for p, gradient, mean, seen, i in zip(parameters, own, means, there, itertools.count(), strict=False):
            if seen or have[i] > 0:  # read from the device only where a gradient is missing
                p.grad = gradient.copy_(mean.view(gradient.shape))


def average_at_each_step(optimiser: torch.optim.Optimizer) -> None:
    """From now on `optimiser.step()` averages the gradients first; asking twice does not average twice."""
    if count() > 1 and optimiser not in _averaging:
        optimiser.register_step_pre_hook(average_gradients)
        _averaging.add(optimiser)


@torch.no_grad()
def start_equal(modules: dict[str, nn.Module]) -> None:
    """Give all processes the main one's weights and buffers."""
    if count() > 1:
        for t in itertools.chain.from_iterable((*m.parameters(), *m.buffers()) for m in modules.values()):
            sent = t.contiguous()
            _talk(dist.broadcast, sent, 0)
            t.copy_(sent)


def mean(values: Tensor) -> Tensor:
    """The mean over the processes, of a tensor on the CPU."""
    if count() > 1:
        _talk(dist.all_reduce, values, group=_control())
        values /= count()
    return values


def of_all(value: Tensor) -> list[Tensor]:
    """The tensors of all processes, by rank; equal shapes, on the CPU."""
    if count() == 1:
        return [value]
    found = [torch.empty_like(value) for _ in range(count())]
    _talk(dist.all_gather, found, value, group=_control())
    return found


def agree(seconds: float, stop: bool) -> tuple[float, bool]:
    """(the main process's seconds, whether any process wants to stop): so that all end at the same step."""
    if count() == 1:
        return seconds, stop
    told = torch.tensor([0.0 if rank() else seconds, stop], dtype=torch.float64)
    _talk(dist.all_reduce, told, op=dist.ReduceOp.MAX, group=_control())
    return float(told[0]), bool(told[1])


@contextlib.contextmanager
def together():
    """All processes go on after what stands inside, or none: where one raises, the others raise Elsewhere.

    Where the main one raises too, the others' errors are the same most likely, and give way to it.
    """
    error = None
    try:
        yield
    except Exception as e:
        error = e
    if count() > 1:
        failed = torch.tensor([error is not None, error is not None and not rank()], dtype=torch.float64)
        _talk(dist.all_reduce, failed, op=dist.ReduceOp.MAX, group=_control())
        if failed[0] and (error is None or (failed[1] and rank())):
            raise Elsewhere("another process has stopped, and none can go on alone; what it said stands above.")
    if error is not None:
        raise error


def ignore_interrupts() -> None:
    """From now on Ctrl-C is not heard, if there are others: launchers send it twice, and all must save together."""
    if count() > 1:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave(code: int = 0) -> None:
    """End this program now with the exit code, if there are others; with 0, once they have come as far.

    A Python that ends as usual may abort in gloo's threads, exit code -6 after all went well (PyTorch's issue 190489),
    also where the group was destroyed first.
    """
    if count() > 1:
        if not code:
            with contextlib.suppress(Elsewhere):
                _talk(dist.barrier, group=_control())
        sys.stdout.flush()
        os._exit(code)


def _control():
    if not _of_numbers:
        _of_numbers.append(dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo"))
    return _of_numbers[0]


def _talk(send, *args, **kwargs) -> None:
    try:
        send(*args, **kwargs)
    except RuntimeError as e:  # a connection that the other end has closed
        raise Elsewhere(f"another process has stopped, and none can go on alone; what it said stands above. ({e})"
                        ) from e  # fmt: skip

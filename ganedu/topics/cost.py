"""What a step costs: its operations, the bytes it moves, the machine's limits, and what they allow.

Operations are multiplications plus additions, 2 for each weight that meets a number; padding counts as if it were
work. Times are in seconds. Nothing here depends on the values in the pictures, so they are noise.
"""

import contextlib
import math
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..inputs import one_of, whole
from ..models import DCDiscriminator, DCGenerator, MLPDiscriminator, MLPGenerator
from ..sampling import seeded
from ..steps import train_step
from .memory import size, tensors

ADAMS = ("loop", "foreach", "fused")
GROUPS = ("convolution forward", "convolution backward", "normalisation", "pointwise and other", "optimiser", "Python")

# ------------------------------------------------------------------------------------------------------ the step


class Game(NamedTuple):
    """Players and one batch; `step()` plays one round and returns its record, {"loss_D", "loss_G"}."""

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    x_real: Tensor
    step: Callable[[], dict]


def game(image_size=28, width=8, batch=64, channels=1, *, adam="loop", channels_last=False, compiled=False, wait=False,
         bf16=False, graph=False, device="cpu", seed=0) -> Game:  # fmt: skip
    """The course's DCGAN with `train_step` on `batch` pictures of noise, with what may make it faster.

    adam           how Adam walks over the weights: one after the other, many in one call, or in one fused kernel
    channels_last  weights and pictures lie in memory pixel by pixel, all channels of one side by side
    compiled       both players through torch.compile, which needs a compiler (`compiler()`); the first steps compile
    wait           the record is fetched after each step, as `.item()` in a loop does
    bf16           matrix products and convolutions in bfloat16
    graph          the step recorded once and replayed, CUDA alone: RuntimeError (torch's) elsewhere
    device         "meta" has sizes and no numbers: for counting, without running anything

    Raises ValueError for what `models` does not build, and for another Adam.
    """
    one_of(adam, ADAMS, "adam")
    whole("batch", batch, 1, 2**20)
    if graph and torch.device(device).type != "cuda":
        raise ValueError(f"graph=True on {device!r} does not fit: CUDA graphs need a CUDA device.")
    with seeded(seed), torch.device(device):
        G, D = DCGenerator(image_size, channels, 64, width), DCDiscriminator(image_size, channels, width)
        x_real = torch.rand(batch, channels, image_size, image_size) * 2 - 1
    if channels_last:
        G, D = (net.to(memory_format=torch.channels_last) for net in (G, D))
        x_real = x_real.contiguous(memory_format=torch.channels_last)
    kw = {"foreach": adam == "foreach", "fused": adam == "fused", "capturable": graph}
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999), **kw) for net in (G, D))
    if compiled:
        G.compile()
        D.compile()
    plain = partial(train_step, x_real, G=G, D=D, opt_G=opt_G, opt_D=opt_D, z_dim=64)

    def step():
        with torch.autocast(x_real.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext():
            record = plain()
        return {k: v.item() for k, v in record.items()} if wait else record

    return Game(G, D, opt_G, opt_D, x_real, _recorded(step) if graph else step)


def plane(batch=128, width=64, *, device="cpu", seed=0) -> Game:
    """The game of two small MLPs in the plane, on `batch` points of noise, as `game`."""
    whole("batch", batch, 1, 2**20)
    with seeded(seed), torch.device(device):
        G, D, x_real = MLPGenerator(2, width=width), MLPDiscriminator(width=width), torch.randn(batch, 2)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.9)) for net in (G, D))
    players = {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}
    return Game(**players, x_real=x_real, step=partial(train_step, x_real, **players, z_dim=2))


def _recorded(step: Callable[[], dict]) -> Callable[[], dict]:
    """The step as a CUDA graph: the same kernels on the same memory, launched by one call. Source: torch's manual."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # what is allocated and chosen once, before it is recorded
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        record = step()

    def replay():
        graph.replay()
        return record

    return replay


def compiler() -> str | None:
    """The path of a C++ compiler, which torch.compile needs for a CPU, or None: CXX, c++, g++, clang++ or cl."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


# ------------------------------------------------------------------------------------------------------ the time


class Limits(NamedTuple):
    """What a machine does at most: operations a second, bytes a second; and the seconds of a call that does nothing."""

    operations: float
    bytes: float
    call: float

    @property
    def balance(self) -> float:
        """Operations for each byte moved at which both limits bind at once."""
        return self.operations / self.bytes


def seconds(f: Callable[[], object], times: int = 1, clock=time.perf_counter) -> float:
    """Seconds of one call of f, as the mean of `times` calls; waits for a GPU at both ends."""
    whole("times", times, 1, 10**9)
    _wait()
    start = clock()
    for _ in range(times):
        f()
    _wait()
    return (clock() - start) / times


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def product(n: int = 1024, device="cpu", dtype=torch.float32) -> tuple[Callable, int]:
    """(a call that multiplies two (n, n) matrices, its operations 2 n^3)."""
    a, b, c = torch.randn(3, n, n, device=device).to(dtype)
    return partial(torch.mm, a, b, out=c), 2 * n**3


def limits(device="cpu", rounds: int = 5, n: int = 1024, clock=time.perf_counter) -> Limits:
    """The machine's limits in float32: the best of some rounds.

    A product of two (n, n) matrices; a copy of 64 MiB, more than most caches hold, each byte read and written; adding 1
    to one number in place.
    """
    whole("rounds", rounds, 1, 1000)
    whole("n", n, 16, 16384)
    multiply, work = product(n, device)
    a, b, one = (torch.ones(k, device=device) for k in (2**24, 2**24, 1))
    found = []
    for _ in range(rounds + 1):
        t = [seconds(multiply, 2, clock), seconds(partial(a.copy_, b), 2, clock)]
        found.append([work / t[0], 2 * 4 * len(a) / t[1], seconds(partial(one.add_, 1), 2000, clock)])
    by = list(zip(*found[1:], strict=True))  # the first warms up
    return Limits(max(by[0]), max(by[1]), min(by[2]))


def in_turn(ways: dict[str, Callable], rounds: int = 7, least: float = 0.2, clock=time.perf_counter) -> dict:
    """{name: seconds of one call, `rounds` of them}: each way in turn, in an order that turns round each time.

    Each is called twice before, and in a round as often as fits into `least` seconds. Ratios within one round compare
    what a machine did under nearly the same load.
    """
    whole("rounds", rounds, 1, 10_000)
    times = {}
    for name, f in ways.items():
        f()
        times[name] = max(1, math.floor(least / max(seconds(f, 1, clock), 1e-9)))
    found = {name: [] for name in ways}
    for i in range(rounds):
        for name in list(ways)[:: 1 if i % 2 else -1]:
            found[name].append(seconds(ways[name], times[name], clock))
    return found


def middle(found: dict[str, list[float]], of: str, by: str) -> float:
    """The median over rounds of the ratio found[of] / found[by], taken within each round."""
    return median(a / b for a, b in zip(found[of], found[by], strict=True))


def pays_after(once: float, plain: float, faster: float) -> float:
    """Steps after which what costs `once` seconds at the start has paid: once / (plain - faster); else infinity."""
    return once / (plain - faster) if faster < plain else math.inf


def taken_apart(step: Callable[[], object], times: int = 3) -> dict[str, float]:
    """{group: seconds of one step} by torch.profiler, in `GROUPS`; "Python" is what no operation of torch accounts for.

    An operation's own time, without those that it calls; all within an optimiser's step counts as "optimiser". The
    profiler itself takes time for each call. Works on the CPU, whose calls wait until they are done.
    """
    from torch.profiler import ProfilerActivity, profile

    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        took = seconds(step, times)
    sums = dict.fromkeys(GROUPS, 0.0)
    for event in found.events():
        if event.name.startswith(("aten::", "Optimizer.")):
            sums[_group(event)] += event.self_cpu_time_total / 1e6 / times
    sums["Python"] = max(0.0, took - sum(sums.values()))
    return sums


def _group(event) -> str:
    name, above = event.name, event
    while above is not None:
        if above.name.startswith("Optimizer."):
            return "optimiser"
        above = above.cpu_parent
    if "conv" in name or name in ("aten::addmm", "aten::mm", "aten::linear"):
        backward = "backward" in name or _under(event, "Backward")
        return "convolution backward" if backward else "convolution forward"
    return "normalisation" if "batch_norm" in name else "pointwise and other"


def _under(event, word: str) -> bool:
    while event is not None:
        if word in event.name:
            return True
        event = event.cpu_parent
    return False


# ------------------------------------------------------------------------------------------------------ counting


class Call(NamedTuple):
    """One call of torch: its name, its operations, and the bytes of the tensors that it is given and that it gives."""

    name: str
    operations: int
    bytes: int


class _Counter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        out = f(*args, **(kwargs or {}))
        if not f.is_view:
            count = flop_registry.get(f.overloadpacket)
            work = count(*args, **(kwargs or {}), out_val=out) if count else 0
            name = f._schema.name.removeprefix("aten::")
            moved = 0 if "empty" in name else sum(map(size, tensors((args, kwargs)) + tensors(out)))
            self.calls.append(Call(name, work, moved))
        return out


def counted(f: Callable[[], object]) -> list[Call]:
    """Every operation that f() asks of torch, also in its backward passes: views, which move nothing, left out.

    Operations are those of convolutions and matrix products (torch.utils.flop_counter); the rest has none, only bytes.
    """
    with _Counter() as counter:
        f()
    return counter.calls


def bound(calls: list[Call], limits: Limits) -> dict[str, float]:
    """Seconds that the calls take at least, by the limit that binds each: {"operations", "bytes", "calls"}.

    max(operations / limit, bytes / limit) of each call, which stands under the one that is larger, and the seconds of a
    call that does nothing, for each. What stays in a cache may move faster. Source: the roofline of Williams, Waterman
    and Patterson 2009, CACM 52(4), section 3; the calls are ours.
    """
    found = {"operations": 0.0, "bytes": 0.0, "calls": limits.call * len(calls)}
    for c in calls:
        work, way = c.operations / limits.operations, c.bytes / limits.bytes
        found["operations" if work >= way else "bytes"] += max(work, way)
    return found

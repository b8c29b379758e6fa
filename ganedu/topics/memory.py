"""What a step keeps in memory, how to keep less, and when that changes the gradient.

Sizes are in bytes. A gradient is a list of tensors, one for each weight.
"""

import itertools
import weakref
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from ..inputs import brief, one_of, whole
from ..losses import Loss
from .style_generator import batch_deviation

# ------------------------------------------------------------------------------------------------------ what is held


def tensors(of) -> list[Tensor]:
    """The tensors in lists, tuples and dicts, each once."""
    return list({id(t): t for t in tree_leaves(of) if isinstance(t, Tensor)}.values())


def size(t: Tensor) -> int:
    """Bytes of the numbers of a tensor."""
    return t.numel() * t.element_size()


def held(net: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> dict[str, int]:
    """Bytes of {"weights", "gradients", "moments"}: as they are now, so without gradients 0; counters apart."""
    moments = [t for s in (optimiser.state.values() if optimiser else ()) for k, t in s.items() if k != "step"]
    return {
        "weights": sum(map(size, net.parameters())),
        "gradients": sum(size(p.grad) for p in net.parameters() if p.grad is not None),
        "moments": sum(size(t) for t in moments if isinstance(t, Tensor)),
    }


def saved(f: Callable[[], object], *without: nn.Module) -> int:
    """Bytes that f() keeps for its backward pass, each piece of memory once; weights of the modules `without` apart."""
    own = {p.untyped_storage()._cdata for net in without for p in net.parameters()}
    kept = {}

    def pack(t):
        s = t.untyped_storage()
        kept[s._cdata] = (s.nbytes(), t)  # the tensor too, lest its address be used again
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = f()
    del result
    return sum(n for address, (n, _) in kept.items() if address not in own)


class _Peak(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.alive = {}

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        before = {t.untyped_storage()._cdata for t in tensors((args, kwargs))}
        out = f(*args, **(kwargs or {}))
        for t in tensors(out):
            s = t.untyped_storage()
            if s._cdata not in self.alive and s._cdata not in before:
                self.alive[s._cdata] = weakref.finalize(s, self._gone, s._cdata, s.nbytes())
                self.now += s.nbytes()
        self.most = max(self.most, self.now)
        return out

    def _gone(self, address, size):
        self.alive.pop(address, None)
        self.now -= size


def peak(f: Callable[[], object]) -> int:
    """The most bytes that live at once of all tensors that f() makes; what was there before is not counted.

    Counted at torch's operations, so what a kernel takes for itself within one, such as a copied convolution, is not
    seen. Works on every device, "meta" included.
    """
    with _Peak() as tracker:
        f()
    return tracker.most


# ------------------------------------------------------------------------------------------------------ less memory


def accumulate(loss: Callable[..., Tensor], net: nn.Module, batch: tuple[Tensor, ...], parts: int) -> list[Tensor]:
    """Gradients of loss(*batch) by the weights of `net`, one part of the batch after the other.

    `loss` is a mean over the batch; each part's loss is weighed by its share. Equal to the gradients of the whole batch
    where no number of one picture depends on another picture. Raises ValueError for more parts than pictures.
    """
    n = len(batch[0])
    whole("parts", parts, 1, n, "the pictures of the batch")
    weights = [p for p in net.parameters() if p.requires_grad]
    sums = [torch.zeros_like(p) for p in weights]
    for part in zip(*(x.tensor_split(parts) for x in batch), strict=True):
        share = len(part[0]) / n
        for s, g in zip(sums, torch.autograd.grad(loss(*part) * share, weights), strict=True):
            s += g
    return sums


def apart(a: list[Tensor], b: list[Tensor]) -> float:
    """|a - b| / |b|, Euclidean over all numbers of two lists of tensors of equal shapes."""
    if [t.shape for t in a] != [t.shape for t in b]:
        raise ValueError(f"{len(a)} and {len(b)} tensors do not fit: give two lists of equal shapes.")
    a, b = (torch.cat([t.detach().double().flatten() for t in of]) for of in (a, b))
    return float((a - b).norm() / b.norm())


class Deviation(nn.Module):
    """Minibatch deviation: (N, C, H, W) -> (N, C + 1, H, W), the new map one number, of the whole batch.

    The standard deviation over the batch at each place, averaged over all. Source: Karras et al. 2018, section 3.
    """

    def forward(self, x: Tensor) -> Tensor:
        s = batch_deviation(x, group=len(x))  # (N,), all the same
        return torch.cat([x, s[:, None, None, None].expand(-1, 1, *x.shape[2:])], 1)


def small_d(kind: str = "plain", side: int = 16, channels: int = 1, width: int = 8) -> nn.Sequential:
    """A D of two convolutions, (N, channels, side, side) -> logits (N,): "plain", "batch norm" or "deviation"."""
    one_of(kind, ("plain", "batch norm", "deviation"), "kind")
    norm = [nn.BatchNorm2d(2 * width)] if kind == "batch norm" else []
    last = [Deviation()] if kind == "deviation" else []
    n = (2 * width + len(last)) * (side // 4) ** 2
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1), *norm,
        nn.LeakyReLU(0.2), *last, nn.Flatten(), nn.Linear(n, 1), nn.Flatten(0),
    )  # fmt: skip


def average_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E softplus(-(d(x) - E d(G(z)))) + E softplus(d(G(z)) - E d(x)): each logit against the other side's mean.

    The sum of both halves. Source: Jolicoeur-Martineau 2019, The relativistic discriminator, section 4.2 (RaSGAN).
    """
    return softplus(d_fake.mean() - d_real).mean() + softplus(d_fake - d_real.mean()).mean()


def average_g(d_fake: Tensor, d_real: Tensor) -> Tensor:
    """`average_d` with real and fake exchanged. Source: as there."""
    return average_d(d_fake, d_real)


average = Loss("relativistic average", average_d, average_g, pairs=True)


def segments(net: nn.Sequential, count: int) -> list[nn.Sequential]:
    """`net` cut into `count` parts of about as many layers, each of which begins with a convolution or linear layer.

    So no part changes what was given to it in place. Raises ValueError for more parts than such layers.
    """
    starts = [i for i, m in enumerate(net) if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    whole("count", count, 1, len(starts), "the convolutions and linear layers of the network")
    first = [int(i) for i in torch.linspace(0, len(starts), count + 1)[:-1]]
    cuts = [0, *(starts[i] for i in first[1:]), len(net)]
    return [net[a:b] for a, b in itertools.pairwise(cuts)]


def chain(depth: int = 12, width: int = 16) -> nn.Sequential:
    """`depth` convolutions (3x3) of (N, width, H, W) to the same shape, LeakyReLU(0.2) after each: none is larger."""
    whole("depth", depth, 1, 1000)
    pairs = [(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2, inplace=True)) for _ in range(depth)]
    return nn.Sequential(*itertools.chain(*pairs))


def checkpointed(net: nn.Sequential, x: Tensor, count: int) -> Tensor:
    """net(x), keeping only what goes into each of `count` segments; backward computes the rest a second time.

    Batch norm sees each batch twice, so its running statistics move twice. Source: Chen, Xu, Zhang and Guestrin 2016,
    Training Deep Nets with Sublinear Memory Cost.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"x is {brief(x)}: give a tensor.")
    for part in segments(net, count):
        x = checkpoint(part, x, use_reentrant=False)
    return x

"""Layers of many small networks at once: one tensor (W, in, out) holds the weights of W worlds.

A stacked network maps (W, N, in) to (W, N, out), each world with weights of its own and none looking at another. The
gradient of a sum over worlds is therefore each world's own gradient, and an optimiser that works entry by entry (SGD,
Adam) moves each as if it were alone.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, leaky_relu_, normalize
from torch.nn.utils import parametrize

leaky_relu_backward = torch.ops.aten.leaky_relu_backward
Draw = Callable[[int], torch.Generator]  # a world's number -> its own random numbers


def _product(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x w + b, by the product that fits: BLAS is up to ten times slower on one that is a few numbers wide."""
    if w.shape[-1] > 8:
        return torch.baddbmm(b, x, w)  # (W, N, out)
    return torch.baddbmm(b.mT, w.mT.contiguous(), x.mT).mT.clone(memory_format=torch.contiguous_format)


def _slope_x(g: Tensor, w: Tensor) -> Tensor:
    return g * w.mT if w.shape[-1] == 1 else torch.bmm(g, w.mT)


def _slope_w(g: Tensor, x: Tensor, w: Tensor) -> Tensor:
    return torch.bmm(g.mT, x).mT if w.shape[-1] <= 8 else torch.bmm(x.mT, g)


class _Linear(torch.autograd.Function):
    """x w + b."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return _product(x, w, b)

    @staticmethod
    def backward(ctx, g: Tensor):
        x, w = ctx.saved_tensors
        of_x, of_w, of_b = ctx.needs_input_grad
        return (
            _slope_x(g, w) if of_x else None,
            _slope_w(g, x, w) if of_w else None,
            g.sum(1, keepdim=True) if of_b else None,
        )


class _MLP(torch.autograd.Function):
    """A whole network of `_Linear` and (leaky) ReLU as one node: small nets spend more time in Python than in BLAS."""

    @staticmethod
    def forward(ctx, slope: float, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.slope, (inputs, y) = slope, _walk(slope, x, weights)
        ctx.save_for_backward(*inputs, *weights)
        return y

    @staticmethod
    def backward(ctx, g: Tensor):
        n = len(ctx.saved_tensors) // 3
        inputs, weights = ctx.saved_tensors[:n], ctx.saved_tensors[n:]
        if torch.is_grad_enabled():  # this slope will be differentiated again: what lies between must be tracked
            inputs, _ = _walk(ctx.slope, inputs[0], weights)
        needs, grads = ctx.needs_input_grad[2:], [None] * (2 * n)
        for i in reversed(range(n)):
            w = weights[2 * i]
            if needs[2 * i]:
                grads[2 * i] = _slope_w(g, inputs[i], w)
            if needs[2 * i + 1]:
                grads[2 * i + 1] = g.sum(1, keepdim=True)
            if i > 0:
                g = leaky_relu_backward(_slope_x(g, w), inputs[i], ctx.slope, True)  # the sign is the result's too
        return None, _slope_x(g, weights[0]) if ctx.needs_input_grad[1] else None, *grads


def _walk(slope: float, x: Tensor, weights: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """(what enters each layer, what leaves the last)."""
    inputs = [x]
    for i in range(0, len(weights) - 2, 2):
        inputs.append(leaky_relu(_product(inputs[-1], *weights[i : i + 2]), slope))
    return inputs, _product(inputs[-1], *weights[-2:])


class StackedLinear(nn.Module):
    """W linear layers, weight (W, in, out) and bias (W, 1, out); initial values as `torch.nn.Linear` draws them.

    Uniform in +-1 / sqrt(in), for weight and bias, from each world's own random numbers.
    """

    def __init__(self, worlds: int, n_in: int, n_out: int, draw: Draw):
        super().__init__()
        bound = 1 / math.sqrt(n_in)
        first = torch.stack(
            [torch.rand(n_in + 1, n_out, generator=draw(w), dtype=torch.float32) for w in range(worlds)]
        )
        first = (2 * first - 1) * bound
        # copies: fused optimisers run over a tensor's memory and would take a slice's gaps for weights
        self.weight = nn.Parameter(first[:, :n_in].clone(memory_format=torch.contiguous_format))
        self.bias = nn.Parameter(first[:, n_in:].clone(memory_format=torch.contiguous_format))

    def forward(self, x: Tensor) -> Tensor:
        return _Linear.apply(x, self.weight, self.bias)  # (W, N, out)


class StackedNorm(nn.Module):
    """Batch normalisation of each world by its own batch: (x - mean) / sqrt(var + 1e-5) * scale + shift, var biased.

    Keeps no running statistics: a sample is normalised by the batch it is drawn in. Source: Ioffe and Szegedy 2015,
    algorithm 1.
    """

    def __init__(self, worlds: int, n: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(worlds, 1, n))
        self.shift = nn.Parameter(torch.zeros(worlds, 1, n))

    def forward(self, x: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, 1, correction=0, keepdim=True)  # (W, 1, n)
        factor = self.scale * (var + 1e-5).rsqrt()
        return torch.addcmul(self.shift - mean * factor, x, factor)


class StackedSpectralNorm(nn.Module):
    """Parametrisation w -> w / sigma(w), sigma each world's largest singular value by one power iteration a call.

    15 iterations at the start, as `torch.nn.utils.parametrizations.spectral_norm` takes, and the same formulas; the
    gradient flows through sigma = u w v, with u and v taken as constants. Source: Miyato et al. 2018, algorithm 1.
    """

    def __init__(self, weight: Tensor, draw: Draw):
        super().__init__()
        worlds, n_in, n_out = weight.shape
        start = torch.stack([torch.randn(n_in + n_out, generator=draw(w), dtype=torch.float32) for w in range(worlds)])
        start = start.to(weight)[:, None]  # (W, 1, in + out)
        self.register_buffer("v", normalize(start[..., :n_in], dim=-1))
        self.register_buffer("u", normalize(start[..., n_in:], dim=-1))
        self._iterate(weight.detach(), 15)

    @torch.no_grad()
    def _iterate(self, weight: Tensor, times: int) -> None:
        u, v = self.u, self.v
        for _ in range(times):
            u = normalize(v @ weight, dim=-1, eps=1e-12)  # (W, 1, out)
            v = normalize(u @ weight.mT, dim=-1, eps=1e-12)  # (W, 1, in)
        self.u, self.v = u, v  # new tensors: an earlier call's graph may still hold the old ones

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            self._iterate(weight, 1)
        return weight / (self.v @ weight @ self.u.mT)  # sigma: (W, 1, 1)


class StackedMLP(nn.Module):
    """W multilayer perceptrons: x (W, N, sizes[0]) -> (W, N, sizes[-1]); hidden layers with (leaky) ReLU.

    slope          of the leaky ReLU below zero; 0 is ReLU
    norms          indices of the hidden layers with batch norm between product and activation
    minibatch_std  before the last hidden layer, one more input for every sample: the standard deviation of each
                   feature over the batch, averaged over features (Karras et al. 2018, section 3)
    spectral_norm  on every weight
    logits         drop the last axis, of one output: (W, N), what losses and penalties take
    draw           (layer, world) -> generator: a layer starts equal in two networks where its shape is equal
    """

    def __init__(
        self,
        worlds: int,
        sizes: Sequence[int],
        draw: Callable[[int, int], torch.Generator],
        *,
        slope: float = 0.0,
        norms: Sequence[int] = (),
        minibatch_std: bool = False,
        spectral_norm: bool = False,
        logits: bool = False,
    ):
        super().__init__()
        self.logits = logits
        self.slope, n_layers = slope, len(sizes) - 1
        self.std_at = max(0, n_layers - 2) if minibatch_std else None
        self.layers = nn.ModuleList()
        for i in range(n_layers):
            n_in = sizes[i] + (i == self.std_at)
            layer = StackedLinear(worlds, n_in, sizes[i + 1], lambda w, i=i: draw(i, w))
            if spectral_norm:
                power = StackedSpectralNorm(layer.weight, lambda w, i=i: draw(n_layers + i, w))
                parametrize.register_parametrization(layer, "weight", power)
            self.layers.append(layer)
        self.norms = nn.ModuleDict({str(i): StackedNorm(worlds, sizes[i + 1]) for i in norms})

    @property
    def mixes(self) -> bool:
        """Whether a sample's output depends on the rest of its batch, so that real and fake must go in separately."""
        return self.std_at is not None or len(self.norms) > 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.mixes:
            x = _MLP.apply(self.slope, x, *(t for layer in self.layers for t in (layer.weight, layer.bias)))
            return x.squeeze(-1) if self.logits else x
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            if i == self.std_at:
                std = (x.var(1, correction=0) + 1e-8).sqrt().mean(-1)  # (W,)
                x = torch.cat([x, std[:, None, None].expand(-1, x.shape[1], 1)], -1)
            x = layer(x)
            if i < last:
                if str(i) in self.norms:
                    x = self.norms[str(i)](x)
                # in place: the product above does not need its own result to be differentiated, and memory is the cost
                x = leaky_relu_(x, self.slope) if self.slope else x.relu_()
        return x.squeeze(-1) if self.logits else x

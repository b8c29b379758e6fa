"""Differential privacy for a GAN: clip every image's own gradient, add noise, and count what was given away.

A training that is (epsilon, delta)-differentially private gives out almost the same with and without any one image x:
P(result in S | with x) <= e^epsilon P(result in S | without x) + delta, and the same with both exchanged, for every S.
Only D sees images, so only D's steps need noise. G learns from D alone: whatever is computed from a private D, fakes
included, is as private as D (post-processing; Dwork and Roth 2014, proposition 2.1).

Sources: Abadi and others 2016 (DP-SGD); Xie and others 2018 (DPGAN); Bie, Kamath and Zhang 2023 (more steps of D).
"""

import copy
import math
from collections.abc import Callable
from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from ..inputs import brief, whole
from ..sampling import device_of, seeded
from ..toys.stacked import StackedMLP
from ..toys.worlds import streams

ORDERS = (*range(2, 65), 80, 96, 128, 192, 256)  # of Renyi's divergence; whole: then one step's is a finite sum
PHI = NormalDist().cdf

# ------------------------------------------------------------------------------------------------ what is given away


def gaussian_delta(epsilon: float, sigma: float) -> float:
    """The smallest delta of one sum, of sensitivity 1, told with noise N(0, sigma^2) on every number; exact.

    delta(epsilon) = Phi(1 / (2 sigma) - epsilon sigma) - e^epsilon Phi(-1 / (2 sigma) - epsilon sigma), Phi the normal
    distribution. T sums are one with sigma / sqrt(T). epsilon 0 gives the largest advantage that a membership test can
    have. Raises ValueError for epsilon below 0, or sigma 0 or below. Source: Balle and Wang 2018, theorem 8.
    """
    _positive("sigma", sigma, "without noise a sum tells exactly who is in it")
    if not 0 <= epsilon < 700:
        raise ValueError(f"epsilon={brief(epsilon)} does not fit: give a number from 0 to 700.")
    return PHI(0.5 / sigma - epsilon * sigma) - math.exp(epsilon) * PHI(-0.5 / sigma - epsilon * sigma)


def renyi(sigma: float, q: float, order: int) -> float:
    """Renyi's divergence of that order, in nats, that one step of DP-SGD may put between "with x" and "without x".

    Each image is drawn with probability q on its own (Poisson sampling), each gradient is at most 1 long, the noise is
    N(0, sigma^2): log(sum_k C(order, k) (1 - q)^(order - k) q^k exp(k (k - 1) / (2 sigma^2))) / (order - 1), k from 0
    to `order`. Steps add. q = 1: order / (2 sigma^2).
    Raises ValueError for sigma 0 or below, q outside (0, 1], an order below 2 or above 10,000.
    Source: Mironov, Talwar and Zhang 2019, section 3.3.
    """
    _positive("sigma", sigma, "without noise nothing is private: epsilon is infinite")
    whole("order", order, 2, 10_000)
    if not 0 < q <= 1:
        raise ValueError(f"q={brief(q)} is no share of images a step: give a number above 0 and at most 1.")
    if q == 1:
        return order / (2 * sigma**2)
    k = torch.arange(order + 1, dtype=torch.float64)
    choose = math.lgamma(order + 1) - torch.lgamma(k + 1) - torch.lgamma(order - k + 1)
    terms = choose + (order - k) * math.log1p(-q) + k * math.log(q) + k * (k - 1) / (2 * sigma**2)
    return max(0.0, float(terms.logsumexp(0))) / (order - 1)


def spent(sigma: float, q: float, steps: int, delta: float, orders: tuple[int, ...] = ORDERS) -> float:
    """epsilon of `steps` steps, at this delta: the smallest over `orders` a of

    steps renyi(a) + log(1 - 1 / a) - (log delta + log a) / (a - 1). An upper bound: the true epsilon may be lower.
    Raises ValueError as `renyi`, and for delta outside (0, 1). Source: Canonne, Kamath and Steinke 2020, prop. 12.
    """
    _check_delta(delta)
    whole("steps", steps, 1, 10**9)
    each = (steps * renyi(sigma, q, a) + math.log1p(-1 / a) - (math.log(delta) + math.log(a)) / (a - 1) for a in orders)
    return max(0.0, min(each))


def noise_for(epsilon: float, delta: float, q: float, steps: int) -> float:
    """The smallest sigma with which `steps` steps spend at most epsilon, within 1 in 1,000; by halving.

    Raises ValueError for epsilon 0 or below, delta outside (0, 1), q outside (0, 1], or an epsilon that would need a
    sigma above 10,000.
    """
    _positive("epsilon", epsilon, "it would say that the images change nothing at all, so there is nothing to learn")
    low, high = 0.05, 10_000.0
    if spent(high, q, steps, delta) > epsilon:
        raise ValueError(f"epsilon={epsilon} in {steps:,} steps needs noise above {high:,.0f}: take fewer steps.")
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if spent(middle, q, steps, delta) <= epsilon else (middle, high)
    return high


def advantage_bound(epsilon: float, delta: float = 0.0) -> float:
    """The largest TPR - FPR of any membership test, whatever it looks at: (e^epsilon - 1 + 2 delta) / (e^epsilon + 1).

    From TPR <= e^epsilon FPR + delta and 1 - FPR <= e^epsilon (1 - TPR) + delta. Raises ValueError for epsilon below 0
    or delta outside [0, 1]. Source: Kairouz, Oh and Viswanath 2015, theorem 2.1; Humphries and others 2023.
    """
    if not epsilon >= 0 or not 0 <= delta <= 1:
        given = f"epsilon={brief(epsilon)}, delta={brief(delta)}"
        raise ValueError(f"{given} do not fit: give epsilon 0 or more, delta from 0 to 1.")
    return math.tanh(epsilon / 2) + delta * (1 - math.tanh(epsilon / 2))


# ------------------------------------------------------------------------------------------------ a private step


def own_gradients(D: nn.Module, x: Tensor, real: bool) -> dict[str, Tensor]:
    """{weight's name: (N, *its shape)}: for each sample the gradient of its own loss, softplus(-d), or (d) for a fake.

    x (N, ...), on D's device or not. D must treat samples one by one: no batch norm. An empty batch gives none.
    """
    weights = {k: v.detach() for k, v in D.named_parameters()}
    x = x.detach().to(device_of(D, x))
    if not len(x):
        return {k: v.new_zeros(0, *v.shape) for k, v in weights.items()}

    def loss(weights, sample):
        d = torch.func.functional_call(D, weights, (sample[None],)).squeeze()
        return softplus(-d if real else d)

    return torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)


def clipped_sum(gradients: dict[str, Tensor], clip: float) -> dict[str, Tensor]:
    """Sum over samples of g_i min(1, clip / |g_i|), |g_i| the length over all weights of sample i together.

    So one sample more or less moves the sum by at most `clip`. Source: Abadi and others 2016, algorithm 1.
    """
    length = torch.stack([g[..., None].flatten(1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()  # (N,)
    factor = clip / length.clamp(min=clip)
    return {k: torch.tensordot(factor, g, 1) for k, g in gradients.items()}


def private_gradient(D, x_real: Tensor, x_fake: Tensor, *, clip: float, sigma: float, expected: float) -> dict:
    """D's gradient, {weight's name: as its weight}, of a random batch x_real, private by the Gaussian mechanism:

    (sum of the real images' clipped gradients + sigma clip N(0, 1)) / expected + mean of the fakes' clipped ones.
    `expected` is q n, not the number drawn: that would give away how many were. Fakes are nobody's, and need no noise;
    they are clipped lest they outweigh the real ones. sigma 0: clipped only, not private.
    Raises ValueError for a clip or expected of 0 or below, or sigma below 0.
    """
    _check_step(clip, sigma, expected)
    real = clipped_sum(own_gradients(D, x_real, True), clip)
    fake = clipped_sum(own_gradients(D, x_fake, False), clip)
    return {
        k: (g + sigma * clip * torch.randn_like(g)) / expected + fake[k] / max(1, len(x_fake)) for k, g in real.items()
    }


def private_step(x_real, *, G, D, opt_G, opt_D, z_dim, clip, sigma, expected):
    """One round of the game with a private D; then G learns once, from D alone.

    x_real is a batch by `poisson`, of any number of images, none included. D's step counts for `spent`, G's does not.
    Returns {"loss_G"}, detached; D's loss on the real images would give something of them away.
    Source: Abadi and others 2016, algorithm 1; Xie and others 2018, algorithm 1, with gradients clipped, not weights.
    """
    n, device = max(2, round(expected)), device_of(D)
    x_fake = G(torch.randn(n, z_dim, device=device)).detach()
    gradient = private_gradient(D, x_real, x_fake, clip=clip, sigma=sigma, expected=expected)
    for name, weight in D.named_parameters():
        weight.grad = gradient[name]
    opt_D.step()

    loss_G = softplus(-D(G(torch.randn(n, z_dim, device=device)))).mean()
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_G": loss_G.detach()}


def poisson(x: Tensor) -> Callable[[int], Tensor]:
    """n -> a batch in which each image of x stands with probability n / len(x), on its own: about n of them, or none.

    What the accounting asks for: batches of a fixed size are another mechanism. Raises ValueError, when called, for n
    below 1 or above the number of images.
    """

    def draw(n: int) -> Tensor:
        whole("batch", n, 1, len(x), f"there are {len(x):,} images, and an image can be drawn once a step")
        return x[(torch.rand(len(x)) < n / len(x)).to(x.device)]

    return draw


# ------------------------------------------------------------------------------------------------ many worlds at once


def players(
    worlds: int, features: int, seed: int, *, z_dim: int = 16, width: int = 64
) -> tuple[StackedMLP, StackedMLP]:
    """(G, D) of so many worlds, for flat images (W, N, features): G with two hidden layers, D with one of `width`.

    G's output still goes through tanh: see `draw`. D is small, since the noise's length grows with the root of its
    number of weights.
    """
    G = StackedMLP(worlds, [z_dim, 128, 128, features], streams(seed, 0), slope=0.2)
    return G, StackedMLP(worlds, [features, width, 1], streams(seed, 1), slope=0.2)


def draw(G: StackedMLP, n: int) -> Tensor:
    """n fakes of each world, (W, n, features), from torch's random numbers; on G's device."""
    weight = G.layers[0].weight
    return G(torch.randn(len(weight), n, weight.shape[1], device=weight.device)).tanh()


def stacked_gradient(D: StackedMLP, x: Tensor, real: bool, clip: float | None, weigh: Tensor) -> list[Tensor]:
    """sum_i weigh_i clipped(g_i) of each world, in the order of D's parameters, without one gradient a sample.

    x (W, N, features), weigh (W, N). A linear layer's own gradient is an outer product, input times slope, so its
    squared length is (|input|^2 + 1) |slope|^2, and the clipped sum is one matrix product. clip None: no clipping.
    As `clipped_sum(own_gradients(...))` of each world. Source: Goodfellow 2015, arXiv 1510.01799.
    """
    inputs, layers = [x], list(D.layers)
    for layer in layers[:-1]:
        inputs.append(leaky_relu(torch.baddbmm(layer.bias, inputs[-1], layer.weight), D.slope))
    d = torch.baddbmm(layers[-1].bias, inputs[-1], layers[-1].weight)  # (W, N, 1)
    slopes = [-(-d).sigmoid() if real else d.sigmoid()]
    for layer, y in zip(layers[:0:-1], inputs[:0:-1], strict=True):
        slopes.insert(0, (slopes[0] @ layer.weight.mT) * torch.where(y > 0, 1.0, D.slope))
    squares = sum((x.square().sum(-1) + 1) * g.square().sum(-1) for x, g in zip(inputs, slopes, strict=True))
    factor = weigh if clip is None else weigh * clip / squares.sqrt().clamp(min=clip)  # (W, N)
    slopes = [factor[..., None] * g for g in slopes]
    return [t for x, g in zip(inputs, slopes, strict=True) for t in (x.mT @ g, g.sum(1, keepdim=True))]


def train(
    x: Tensor, *, steps: int, batch: int, clip: float | None, sigma: float, seed: int, rates=(1e-3, 4e-3),
    every: int = 1, **sizes
) -> tuple[StackedMLP, StackedMLP]:  # fmt: skip
    """(G with averaged weights, D) of one training a world, private where sigma > 0; x (W, n, features) in [-1, 1].

    `steps` steps of D, as `spent` counts them: each image stands in a batch with probability batch / n, on its own, and
    D's gradient is that of `private_gradient`. G takes one step at every `every`-th. Both by Adam (0.5, 0.99) with
    `rates` (of G, of D); G's weights are averaged with a decay of 0.995. Worlds do not look at each other. `sizes` as
    for `players`. Who knows the seed knows the noise: what is passed on as private needs one that nobody knows.
    Raises ValueError for a batch above n, noise without a clip, or what `private_gradient` refuses.
    """
    whole("batch", batch, 1, x.shape[1], f"there are {x.shape[1]:,} images, and an image can be drawn once a step")
    whole("steps", steps, 1, 10**9)
    whole("every", every, 1, 10**9)
    _check_step(1.0 if clip is None else clip, sigma, batch)
    if clip is None and sigma > 0:
        raise ValueError("noise without a clip is not private: one gradient may be any length. Give a clip, such as 1.")
    with seeded(seed), torch.no_grad():
        G, D = (m.to(x.device) for m in players(len(x), x.shape[2], seed, **sizes))
        opt_G, opt_D = (torch.optim.Adam(m.parameters(), lr, (0.5, 0.99)) for m, lr in zip((G, D), rates, strict=True))
        average = copy.deepcopy(G)
        for step in range(steps):
            x_real, taken = _drawn(x, batch)
            real = stacked_gradient(D, x_real, True, clip, taken)
            x_fake = draw(G, batch)
            fake = stacked_gradient(D, x_fake, False, clip, x_fake.new_ones(x_fake.shape[:2]))
            for weight, r, f in zip(D.parameters(), real, fake, strict=True):
                noise = sigma * clip * torch.randn_like(r) if sigma else 0.0
                weight.grad = (r + noise + f) / batch
            opt_D.step()
            if step % every:
                continue
            with torch.enable_grad():
                loss = softplus(-D(draw(G, batch))).mean((1, 2)).sum()  # each world's own gradient
                grads = torch.autograd.grad(loss, list(G.parameters()))
            for weight, g in zip(G.parameters(), grads, strict=True):
                weight.grad = g
            opt_G.step()
            keep = min(0.995, (1 + step) / (10 + step))
            for mean, weight in zip(average.parameters(), G.parameters(), strict=True):
                mean.lerp_(weight, 1 - keep)
    return average, D


def _drawn(x: Tensor, batch: int) -> tuple[Tensor, Tensor]:
    """A Poisson batch of each world, filled up to the largest (W, B, features), and which rows count (W, B)."""
    taken = (torch.rand(x.shape[:2]) < batch / x.shape[1]).to(x.device, x.dtype)
    weigh, index = taken.topk(max(1, int(taken.sum(1).max())), dim=1)
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2])), weigh


# ------------------------------------------------------------------------------------------------ attacks


def caught(members: Tensor, others: Tensor, accused: float = 0.1) -> float:
    """TPR at an FPR: share of members' scores (n,) above the threshold that at most `accused` of the others' (m,) pass.

    By guessing `accused`. Raises ValueError for fewer others than 1 / accused, other shapes, or values not finite.
    """
    if members.ndim != 1 or others.ndim != 1 or not len(members) or not 0 < accused < 1 or len(others) < 1 / accused:
        raise ValueError(
            f"scores {tuple(members.shape)} and {tuple(others.shape)} with accused={brief(accused)} do not fit: give "
            "one number an image, accused between 0 and 1, and at least 1 / accused others."
        )
    if not (members.isfinite().all() and others.isfinite().all()):
        raise ValueError("the scores hold NaN or infinity: look at what computes them.")
    allowed = math.floor(accused * len(others) + 1e-9)
    return float((members > others.sort(descending=True).values[allowed]).double().mean())


# ------------------------------------------------------------------------------------------------ bad input


def _positive(name: str, value, because: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        why = f" ({because})" if isinstance(value, int | float) and value == 0 else ""
        raise ValueError(f"{name}={brief(value)} does not fit{why}: give a number above 0.")


def _check_delta(delta) -> None:
    if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 < delta < 1:
        why = " (with Gaussian noise no epsilon holds for certain)" if delta == 0 else ""
        raise ValueError(f"delta={brief(delta)} does not fit{why}: give a number above 0, well below 1 / images.")


def _check_step(clip, sigma, expected) -> None:
    _positive("clip", clip, "every gradient would become 0, and D would learn from noise alone")
    _positive("expected", expected, "a batch without images")
    if isinstance(sigma, bool) or not isinstance(sigma, int | float) or not 0 <= sigma < math.inf:
        raise ValueError(f"sigma={brief(sigma)} does not fit: give 0 (not private) or a number above it.")

"""D as a density ratio: at its best D's logit is ln p(x) / q(x), of real points p over fakes q. So fakes can be mended.

Four ways, with G as it is: `reject` some fakes, `weights` for all of them, a `chain` that moves from fake to fake, and
`push`, which moves z uphill. All read logits d(x). How right d is can be measured (`reliability`) and partly mended
(`calibrated`); D can also be taught further while G stands still (`teach`).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import metrics
from ..inputs import one_of, whole

KINDS = ("logistic", "isotonic")

# ---------------------------------------------------------------------------------------- where p and q are known


def gaussian_logit(x: Tensor, mean: float, std: float) -> Tensor:
    """ln p(x) / q(x) for p = N(0, 1) and q = N(mean, std^2), elementwise: what the best D would say.

    ln std + ((x - mean)^2 / std^2 - x^2) / 2. Raises ValueError for std not above 0.
    """
    _positive("std", std)
    return math.log(std) + ((x - mean) / std).square() / 2 - x.square() / 2


def gaussian_cap(mean: float, std: float) -> float:
    """The largest `gaussian_logit` over all x, ln M = ln std + mean^2 / (2 (std^2 - 1)); infinite where std <= 1.

    Of q's draws 1 / M are kept by rejection. For std = 1 and mean 0 p is q, and ln M = 0. Raises as `gaussian_logit`.
    """
    _positive("std", std)
    if std == 1 and mean == 0:
        return 0.0
    return math.log(std) + mean**2 / (2 * (std**2 - 1)) if std > 1 else math.inf


# ------------------------------------------------------------------------------------------------ reject


def acceptance(logits: Tensor, cap: float | Tensor, gamma: float = 0.0) -> Tensor:
    """Chance to keep a fake, 0 to 1, of D's logits d (..., N) and cap = ln M, a number or (...).

    gamma = 0: exp(d - cap), 1 above the cap: the ratio p / q over its bound M. Otherwise sigmoid(F - gamma) with
    F = d - cap - ln(1 - exp(d - cap)): gamma < 0 keeps more fakes, gamma > 0 fewer. Raises ValueError for logits or a
    cap that are not finite. Source: Azadi and others 2019, section 3.2, with their epsilon = 0.
    """
    below = _finite(logits) - torch.as_tensor(cap, dtype=logits.dtype, device=logits.device).unsqueeze(-1)
    if not below.isfinite().all() or not math.isfinite(gamma):
        raise ValueError(f"cap={cap} and gamma={gamma} do not fit: give finite numbers, such as the largest logit, 0.")
    below = below.clamp(max=0)
    if gamma == 0:
        return below.exp()
    return (below - torch.log(-torch.expm1(below)) - gamma).sigmoid()  # at the cap F is infinite: kept for sure


def reject(logits: Tensor, cap: float | Tensor, gamma: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
    """Which fakes are kept, bool as logits (..., N): each on its own with its `acceptance`. Raises the same."""
    return _uniform(logits, generator) < acceptance(logits, cap, gamma)


# ------------------------------------------------------------------------------------------------ weigh


def weights(logits: Tensor) -> Tensor:
    """Importance weights w = exp(d) / sum exp(d) of logits (..., N): 0 or more, with sum 1 over the last axis.

    A mean over p is then sum_i w_i f(x_i) (self-normalised importance sampling). Raises ValueError for logits that are
    not finite.
    """
    return _finite(logits).softmax(-1)


def effective_share(w: Tensor) -> Tensor:
    """(...) of weights (..., N): 1 / (N sum w^2). 1: all weigh the same; 1 / N: one point has all weight.

    N times this is the effective sample size. Raises ValueError for weights that are negative or do not add up to 1.
    Source: Kish 1965, section 11.7.
    """
    if (w < 0).any() or not torch.allclose(w.double().sum(-1), torch.ones((), dtype=torch.float64, device=w.device)):
        raise ValueError("w are no weights: give numbers of 0 or more with sum 1, as weights(logits) does.")
    return 1 / (w.shape[-1] * w.square().sum(-1))


def resample(logits: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
    """Places (..., n) of fakes drawn by their `weights`, with repeats, from logits (..., N). Raises the same."""
    whole("n", n, 1, 10**7)
    total = weights(logits).double().cumsum(-1)
    u = _uniform(total[..., :1].expand(*total.shape[:-1], n), generator) * total[..., -1:]
    return torch.searchsorted(total, u).clamp(max=logits.shape[-1] - 1)


# ------------------------------------------------------------------------------------------------ move


def chain(logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Where a chain over fakes ends, (...) int64, for the logits (..., K) of the K fakes it meets one after another.

    It stands at the first and moves to the next, d', with the chance min(1, exp(d' - d)), where d is the logit of where
    it stands. Long chains end at a draw from q exp(d); K = 1 changes nothing. Raises ValueError for logits that are not
    finite. Source: Turner and others 2019 (MH-GAN), algorithm 1; they start from a real point.
    """
    at, u = torch.zeros_like(logits[..., 0], dtype=torch.int64), _uniform(_finite(logits), generator)
    here = logits[..., 0]
    for k in range(1, logits.shape[-1]):
        moves = u[..., k].log() < logits[..., k] - here
        at, here = torch.where(moves, k, at), torch.where(moves, logits[..., k], here)
    return at


def push(score: Callable[[Tensor], Tensor], z: Tensor, steps: int = 50, size: float = 0.1, noise: bool = True,
         generator: torch.Generator | None = None) -> Tensor:  # fmt: skip
    """z (..., dim) after `steps` moves along the slope of ln N(z; 0, I) + score(z), with score(z) = d(G(z)) (...,).

    z <- z + size^2 / 2 * (slope of score - z) + size * xi with xi ~ N(0, I) (Langevin); without `noise` it climbs to a
    peak instead of drawing. With the best d, small size and many steps, G(z) is drawn from p wherever G reaches. z is
    handed back detached. Raises ValueError for steps below 0, a size not above 0, or a z that is no longer finite.
    Source: Che and others 2020 (DDLS), algorithm 1.
    """
    whole("steps", steps, 0, 10**6)
    _positive("size", size)
    z = z.detach()
    for _ in range(steps):
        z = z.requires_grad_()
        (slope,) = torch.autograd.grad(score(z).sum(), z)
        with torch.no_grad():
            z = z + size**2 / 2 * (slope - z)
            if noise:
                z = z + size * torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device)
    if not z.isfinite().all():
        raise ValueError(f"z is not finite after {steps} moves: size={size} is too large for such slopes.")
    return z.detach()


# ------------------------------------------------------------------------------------------------ how right is d?


def reliability(d_real: Tensor, d_fake: Tensor, bins: int = 10) -> metrics.Reliability:
    """How often a point is real among those where D says so and so much, for logits (N,) and (M,).

    The `metrics.reliability` of sigmoid(d). Balanced classes, N = M, make d the logit of p / (p + q). Raises ValueError
    for logits of another number of axes or not finite, fewer than 20 of either, or bins outside 1 to 1,000.
    """
    _both(d_real, d_fake)
    real = torch.cat([torch.ones_like(d_real), torch.zeros_like(d_fake)])
    return metrics.reliability(torch.cat([d_real, d_fake]).double().sigmoid(), real, bins=bins)


class Calibration(NamedTuple):
    """A rising function of logits, piecewise linear through (at, to); beyond the ends it goes on with their slopes.

    Called with logits (...) it gives logits (...) on the same device.
    """

    at: Tensor
    to: Tensor
    flat: bool  # beyond the ends the last value, instead of the last slope

    def __call__(self, logits: Tensor) -> Tensor:
        at, to = self.at.to(logits), self.to.to(logits)
        d = logits.clamp(at[0], at[-1]) if self.flat else logits
        i = torch.searchsorted(at, d.contiguous()).clamp(1, len(at) - 1)
        return to[i - 1] + (d - at[i - 1]) * (to[i] - to[i - 1]) / (at[i] - at[i - 1])


def calibrated(d_real: Tensor, d_fake: Tensor, kind: str = "logistic") -> Calibration:
    """A function that mends logits, fitted to D's logits (N,) of real points and (M,) of fakes that it has not seen.

    "logistic": a d + b, by logistic regression without penalty, balanced; "isotonic": any rising function of d, by
    isotonic regression of "is real", its shares kept within 1 / (N + M) of 0 and 1. By scikit-learn. Raises ValueError
    as `reliability`, and for an unknown kind. Source: Platt 1999; Zadrozny and Elkan 2002.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    one_of(kind, KINDS, "kind")
    _both(d_real, d_fake)
    d = torch.cat([d_real, d_fake]).detach().double().cpu()
    y = torch.cat([torch.ones(len(d_real)), torch.zeros(len(d_fake))])
    balance = torch.where(y > 0, 0.5 / len(d_real), 0.5 / len(d_fake)).double() * len(d)
    if kind == "logistic":
        scale = float(d.std()) + 1e-12  # so that its solver sees numbers of size 1
        model = LogisticRegression(C=1e6, max_iter=1000).fit((d / scale)[:, None].numpy(), y.numpy(), balance.numpy())
        a, b = float(model.coef_[0, 0]) / scale, float(model.intercept_[0])
        return Calibration(torch.tensor([0.0, 1.0]), torch.tensor([b, a + b]), False)
    edge = 1 / len(d)
    model = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(d.numpy(), y.numpy(), balance.numpy())
    at, to = (torch.as_tensor(v) for v in (model.X_thresholds_, model.y_thresholds_))
    keep = torch.cat([torch.tensor([True]), at.diff() > 1e-9])
    if int(keep.sum()) < 2:
        raise ValueError("all logits are the same: D tells nothing apart, and nothing can be fitted to it.")
    return Calibration(at[keep].float(), to[keep].logit().float(), True)


def teach(D, real: Callable[[], Tensor], fake: Callable[[], Tensor], steps: int, lr: float = 1e-3) -> list[float]:
    """Teach D further while G stands still: `steps` of Adam, its rate falling to 0; the losses, mean over worlds.

    real() and fake() give a batch each, (N, ...) or (W, N, ...), where D is; one pass for both, so that batch norm, if
    any, sees both at once. D is changed in place and left in the mode that it is in. Raises ValueError for steps below
    1 or lr not above 0. Source: Goodfellow and others 2014, eq. 1, for D alone.
    """
    whole("steps", steps, 1, 10**7)
    _positive("lr", lr)
    optimiser, losses = torch.optim.Adam(D.parameters(), lr, (0.5, 0.9)), []
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        x_real, x_fake = real(), fake()
        axis = 1 if x_real.ndim == 3 else 0  # (W, N, dim) of stacked worlds
        d_real, d_fake = D(torch.cat([x_real, x_fake], axis)).split([x_real.shape[axis], x_fake.shape[axis]], -1)
        loss = F.softplus(-d_real).mean(-1) + F.softplus(d_fake).mean(-1)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.mean().detach()))
    return losses


# ------------------------------------------------------------------------------------------------ what it costs


def unevenness(x: Tensor, modes: Tensor, std: float, radius: float = 4.0) -> float:
    """Total variation between the modes' shares and equal shares, 0 to 1: 1/2 sum_k |n_k / n - 1 / K|.

    Counted are the points of x (n, dim) within `radius` std of a mode; 1 where there is none. As much mass would
    have to move to other modes. A sample of equal modes is not at 0, but about sqrt(K / (2 pi n)). Raises as
    `metrics.nearest_mode`.
    """
    distance, place = metrics.nearest_mode(x, modes)
    near = place[distance < radius * std]
    if not len(near):
        return 1.0
    share = near.bincount(minlength=len(modes)).double() / len(near)
    return float((share - 1 / len(modes)).abs().sum() / 2)


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(like.shape, generator=generator, dtype=like.dtype).to(like.device)


def _finite(logits: Tensor) -> Tensor:
    if not logits.is_floating_point() or not logits.ndim or not logits.isfinite().all():
        raise ValueError(
            "logits must be finite floating-point numbers, (..., N): D has diverged, or these are no logits."
        )
    return logits


def _both(d_real: Tensor, d_fake: Tensor) -> None:
    for name, d in (("d_real", d_real), ("d_fake", d_fake)):
        if _finite(d).ndim != 1 or len(d) < 20:
            raise ValueError(f"{name} {tuple(d.shape)} does not fit: give logits (N,), 20 or more of each.")


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value} does not fit: give a finite number above 0.")

"""The doctor's checks of what a run has left in its networks, where no step can be watched; of a `doctor.Case`.

Weights that look as they are drawn, counts and statistics of batch norm, gradients that are still kept.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..metrics import auc
from . import wiring
from .outputs import logits
from .players import takes_labels
from .watch import Skip
from .wiring import BATCHNORM

EARLY = 200  # steps before which alike fakes are no finding: many a generator starts from one grey image
PILED = 4  # gradients kept in D, in lengths of the longest that a loss of slope 1 can have
SWOLLEN = 5  # weights, in sizes that they are drawn with
MATRICES = nn.Linear | nn.modules.conv._ConvNd


def at_rest(case, *names: str) -> list:
    """What a check needs, of a run whose step was not watched."""
    if case.round is not None:
        raise Skip("the step shows it")
    return case.need(*names)


def older(case, *names: str) -> list:
    """The same of a run that is known to be no longer at its beginning."""
    found = at_rest(case, *names)
    if not EARLY <= case.steps < math.inf:
        raise Skip("no history says that the run is older than its beginning")
    return found


def _players(case):
    return [(name, case.networks[name]) for name in ("G", "D") if name in case.networks]


# ----------------------------------------------------------------------------------------- weights, and who moves them


def skipped_layers(case):
    """Matrices that no output of a network depends on."""
    G, _, fake, _ = at_rest(case, "G", "D", "fake", "d_real")
    outputs = {"G": lambda: G(case.z.clone(), *case.asked), "D": lambda: case.judged(fake, whole=True)}
    for name, network in (("G", G), ("D", case.D)):
        if takes_labels(network) and case.labels is None:
            continue  # a layer for labels rests where none are given
        weights = {k: p for k, p in network.named_parameters() if p.requires_grad and p.ndim > 1}
        out = outputs[name]()
        if isinstance(out, tuple | list):
            continue  # several heads: one of them may be another loss's
        slopes = torch.autograd.grad(out.float().mean(), list(weights.values()), allow_unused=True)
        if unused := [k for k, g in zip(weights, slopes, strict=True) if g is None]:
            yield "part_never_moves", f"No output of {name} depends on its {wiring.names(unused)}."


def unheld(case):
    """Weights that no optimiser holds, where both optimisers are given and hold nothing but these players."""
    at_rest(case, "G", "D")
    held = {id(p) for o in case.optimisers.values() for group in o.param_groups for p in group["params"]}
    own = {id(p) for _, network in _players(case) for p in network.parameters()}
    if len(case.optimisers) < 2 or not held <= own:
        raise Skip("not both optimisers were given, or they hold other weights as well")
    for name, network in _players(case):
        weights = [k for k, p in network.named_parameters() if p.requires_grad and p.ndim > 1]
        left = [k for k, p in network.named_parameters() if k in weights and id(p) not in held]
        if left and len(left) == len(weights):
            yield "not_updated", f"Neither optimiser holds a weight of {name}."
        elif left:
            yield "part_never_moves", f"Neither optimiser holds {name}'s {wiring.names(left)}."


def resting(case):
    """Layers that look as they are drawn, in a network whose others do not; none that an optimiser given has moved."""
    older(case)
    moved = {id(p) for o in case.optimisers.values() for p, state in o.state.items() if state}
    for name, network in _players(case):
        fresh = {k: id(m.weight) not in moved and _as_drawn(m) for k, m in network.named_modules() if _tells(m)}
        fresh = {k: f for k, f in fresh.items() if f is not None}
        if len(fresh) > 1 and all(fresh.values()):
            yield "not_updated", f"All weights of {name} look as they are drawn, after {case.steps:.0f} steps."
        elif any(fresh.values()):
            yield ("part_never_moves", f"{name}'s {wiring.names([k + '.weight' for k, f in fresh.items() if f])} look "
                   f"as they are drawn, after {case.steps:.0f} steps; the other layers do not.")  # fmt: skip


def _tells(m) -> bool:
    """Large enough to tell, not frozen, and not divided by a norm."""
    if isinstance(m, BATCHNORM):
        return m.affine and m.weight.requires_grad
    return isinstance(m, MATRICES) and not wiring.normed(m) and m.weight.requires_grad and m.weight.numel() >= 1000


def _as_drawn(m) -> bool | None:
    """Whether weights are as torch draws them: a batch norm's 1 and 0; a matrix's uniform in +-1 / sqrt(fan in).

    Of the latter its ends, and Kolmogorov's test; so with Xavier's ends, and with DCGAN's normal ones of spread 0.02.
    None of normal ones that are too few to tell.
    """
    w = m.weight.detach().double().flatten().sort().values
    if isinstance(m, BATCHNORM):
        return bool((w == 1).all() and (m.bias == 0).all())
    if not w.isfinite().all():
        return False
    into, out = nn.init._calculate_fan_in_and_fan_out(m.weight)
    steps = torch.arange(1, len(w) + 1, dtype=torch.float64, device=w.device) / len(w)
    most, xavier = float(w.abs().max()), (6 / (into + out)) ** 0.5
    ends = [into**-0.5] * (most <= into**-0.5 * (1 + 1e-6)) + [xavier] * (1 - 5 / len(w) < most / xavier <= 1 + 1e-6)
    if any(float((w / end / 2 + 0.5 - steps).abs().max()) < 2.2 / len(w) ** 0.5 for end in ends):
        return True  # about 1 in 10^4 is refused
    normal = float((torch.special.ndtr(w / 0.02) - steps).abs().max()) < 2.2 / len(w) ** 0.5
    normal = normal and abs(float(w.std()) / 0.02 - 1) < 3 / len(w) ** 0.5
    return (True if len(w) > 4000 else None) if normal else False


def swollen(case):
    """Weights many times as large as they are drawn, after so few steps: each step is too long."""
    older(case)
    if case.steps > 10 * EARLY:
        raise Skip("in so many steps weights may grow")
    for name, network in _players(case):
        sizes = [float(m.weight.detach().square().mean().sqrt()) * (3 * _into(m)) ** 0.5  # 1 as torch draws them
                 for m in network.modules() if isinstance(m, MATRICES) and not wiring.normed(m)]  # fmt: skip
        if sizes and (size := sorted(sizes)[len(sizes) // 2]) > SWOLLEN:
            yield ("exploding", f"In {case.steps:.0f} steps {name}'s weights have grown to {size:.0f} times the size "
                   "that they are drawn with.")  # fmt: skip


def _into(m) -> int:
    return nn.init._calculate_fan_in_and_fan_out(m.weight)[0]


# ------------------------------------------------------------------------------------- batch norm, labels and latents


def batches_counted(network) -> int | None:
    """The most batches that a batch norm of the network has counted; None where none counts."""
    counts = [m.num_batches_tracked for m in network.modules() if isinstance(m, BATCHNORM)]
    return max((int(n) for n in counts if n is not None), default=None)


def asleep(case):
    """Batch norm that has counted hardly a batch, in a player that learns: it trains in eval mode."""
    older(case)
    for name, network in _players(case):
        counted = batches_counted(network)
        learns = name == "D" or any(p.grad is not None for p in network.parameters())  # else it may be an average
        if counted is not None and counted < case.steps / 10 and learns:
            yield "eval_mode", f"In {case.steps:.0f} steps {name}'s batch norm has counted {counted} batches."


def labels_told(case):
    """Rows of an embedding that have a gradient: the labels that a player was told of in the last batch."""
    (labels,) = at_rest(case, "labels")
    if labels.ndim != 1 or labels.is_floating_point():
        raise Skip("labels are no classes")
    if float((torch.bincount(labels.long()).double() / len(labels)).pow(16).sum()) > 1e-3:
        raise Skip("so few classes that a batch may hold one alone")
    rows = {name: _rows(network) for name, network in _players(case)}
    if not all(len(r) for r in rows.values()) or len(rows) < 2:
        raise Skip("no gradient of an embedding is kept")
    of_G, of_D = rows["G"], rows["D"]
    heard = case.again is None or not torch.equal(case.again, case.fake)  # else G makes nothing of labels
    if len(of_D) == 1:
        yield "condition_constant", f"In the last batch D was told of class {of_D[0]} alone."
    elif len(of_G) == 1 and heard:
        yield "label_leak", f"In the last batch all fakes were of class {of_G[0]}; D was told of {len(of_D)}."


def _rows(network) -> list[int]:
    grads = [m.weight.grad for m in network.modules() if isinstance(m, nn.Embedding)]
    grads = [g for g in grads if g is not None and not g.is_sparse]
    return grads[0].flatten(1).any(1).nonzero().flatten().tolist() if grads else []


def _entering(case, network: str, kind, inputs) -> tuple[nn.Module, list[Tensor]]:
    """The first layer of a kind in a network, as it is, and what enters it as each of `inputs` is called."""
    copy = getattr(case, network)
    name = next((k for k, m in copy.named_modules() if isinstance(m, kind)), None)
    if name is None:
        raise Skip(f"{network} has no such layer")
    seen = []
    hook = copy.get_submodule(name).register_forward_pre_hook(lambda _, x: seen.append(x[0].detach().float()))
    try:
        for call in inputs:
            call()
    finally:
        hook.remove()
    return case.networks[network].get_submodule(name), [t.transpose(0, 1).flatten(2) for t in map(_with_place, seen)]


def _with_place(t: Tensor) -> Tensor:
    return t[..., None] if t.ndim == 2 else t


USUAL = (1.0, 1 / 3, 1 / 12)  # variances of latents: normal, uniform in -1 to 1, uniform in 0 to 1


def latents_met(case):
    """What latents G's first batch norm has met, where it stands behind a linear layer: their mean and variance."""
    G, z = older(case, "G", "z")
    norm, (h,) = _entering(case, "G", BATCHNORM, [lambda: G(z.clone(), *case.asked)])
    lasts = norm.momentum is not None and 0.05 <= norm.momentum <= 0.2 and batches_counted(case.networks["G"])
    if not lasts or lasts < case.steps / 10 or z.flatten(1).shape[1] < 16:
        raise Skip("it keeps no statistics of late steps, or latents are few numbers")
    n, given, means = len(z), z.flatten(1).double().cpu(), h.mean(2).t().double().cpu()
    basis = torch.cat([given, torch.ones(n, 1)], 1).double()
    if n < 2 * basis.shape[1] or means.shape[1] < given.shape[1] or not means.isfinite().all():
        raise Skip("too few latents or channels, or values that are not finite")
    weights = torch.linalg.lstsq(basis, means).solution
    if float((basis @ weights - means).norm() / means.norm()) > 0.01:
        raise Skip("it does not stand behind a linear layer of the latents")
    off = norm.running_mean.double().cpu() - weights[-1]
    mean = torch.linalg.lstsq(weights[:-1].t(), off[:, None]).solution
    explained = float((weights[:-1].t() @ mean - off[:, None]).norm() / off.norm().clamp(min=1e-12)) < 0.15
    ratio = norm.running_var / h.flatten(1).var(1).clamp(min=1e-12) * float(given.var())
    variance = float(ratio.median())
    told = explained or abs(float(mean.mean())) < 0.05
    even = float(ratio.log().std()) < 0.2
    if explained and float(mean.std()) > 0.12 * max(variance, 0.1) ** 0.5:
        yield ("fixed_noise", f"The latents that G's batch norm has met have means {float(mean.std()):.2f} apart: few "
               "latents, again and again.", "symptom")  # fmt: skip
    elif told and even and all(abs(math.log(variance / v)) > 0.2 for v in (*USUAL, float(given.var()))):
        yield ("latents_differ", f"The latents that G's batch norm has met have a variance of {variance:.2f}: that of "
               "no usual kind, but of two that take turns.", "symptom")  # fmt: skip


def batches_met(case):
    """What batches D's first batch norm has met: their mean and variance beside those of real samples and fakes."""
    _, fake, x_real, _ = older(case, "D", "fake", "x_real", "d_fake")
    if not 0.99 < (batches_counted(case.networks["D"]) or 0) / case.steps / 2 < 1.01:
        raise Skip("D is not called twice a step, as it is with real samples and fakes in one batch")
    norm, (r, f) = _entering(case, "D", BATCHNORM, [lambda: case.judged(x_real), lambda: case.judged(fake)])
    (mean_r, var_r), (mean_f, var_f) = ((t.flatten(1).mean(1), t.flatten(1).var(1)) for t in (r, f))
    gap = mean_f - mean_r
    share = float((gap * (norm.running_mean - mean_r)).sum() / gap.square().sum())
    left = float((norm.running_mean - mean_r - share * gap).norm() / gap.norm())
    extra = norm.running_var - (1 - share) * var_r - share * var_f
    between = float((extra * gap.square()).sum() / gap.pow(4).sum())
    if left < 0.1 and 0.65 < share < 0.9 and between > 0.06 and float((gap.square() / var_r).mean()) > 0.3:
        yield ("mixed_batch_batchnorm", "D is called twice a step, and its batch norm has met batches that hold both, "
               f"real and fake (its variance has {between:.2f} of their squared distance).", "symptom")  # fmt: skip


# ------------------------------------------------------------------------------------------- gradients that are kept


class Last(NamedTuple):
    """D's last matrix: the gradient kept in it, the bias's in a number of its own, and what enters and leaves it."""

    grad: Tensor  # (F,)
    bias: float | None
    real: tuple[Tensor, Tensor]  # inputs (N, F) and outputs (N,), of real samples and of fakes
    fake: tuple[Tensor, Tensor]


def last_matrix(case) -> Last:
    """Raises Skip where D's outputs are not what one matrix gives, a number a sample, or it keeps no gradient."""
    D, fake, x_real, _ = case.need("D", "fake", "x_real", "d_fake")
    names, calls = {m: k for k, m in D.named_modules()}, []
    hooks = [m.register_forward_hook(lambda *seen: calls.append(seen)) for m in names if isinstance(m, MATRICES)]
    try:
        case.judged(x_real[: len(fake)])
        real = calls[-1] if calls else None
        case.judged(fake)
    finally:
        for hook in hooks:
            hook.remove()
    if real is None or wiring.normed(real[0]):
        raise Skip("D ends in no matrix")
    own = case.networks["D"].get_submodule(names[real[0]])
    real, fake = ([t.detach().flatten(1).float() for t in (x[0], d)] for _, x, d in (real, calls[-1]))
    if own.weight.grad is None or real[1].shape[1] != 1 or own.weight.numel() != real[0].shape[1]:
        raise Skip("D's last matrix keeps no gradient, or gives several numbers")
    bias = None if own.bias is None or own.bias.grad is None else float(own.bias.grad)
    return Last(own.weight.grad.flatten().float(), bias, *((h, d[:, 0]) for h, d in (real, fake)))


def piled_up(case):
    """Gradients that hold many steps' worth: of a loss whose slope is 1 at most each sample gives its features."""
    at_rest(case)
    last = last_matrix(case)
    most = float(last.real[0].norm(dim=1).mean() + 2 * last.fake[0].norm(dim=1).mean())  # in D's loss and in G's
    held = float(last.grad.norm())
    if math.isfinite(held) and held > PILED * most > 0 and (last.bias is None or abs(last.bias) > PILED):
        yield ("leftover_gradient", f"The gradient kept in D's last layer is {held / most:.0f} times as long as "
               "the longest of a loss with slope 1.", "symptom")  # fmt: skip


def ways_of_G(case):
    """Which way the gradient that G keeps would move D's answer on its fakes, where D tells them from real ones."""
    G, _, d_real, d_fake = at_rest(case, "G", "D", "d_real", "d_fake")
    kept = [p.grad for p in case.networks["G"].parameters()]
    if d_fake[0].numel() > 1 or not any(g is not None and g.any() for g in kept):
        raise Skip("G keeps no gradient, or D gives several outputs")
    d = case.judged(logits(G(case.z.clone(), *case.asked)))
    slopes = torch.autograd.grad(d.float().mean(), list(G.parameters()), allow_unused=True)
    pairs = [(g.flatten().float(), s.flatten().float()) for g, s in zip(kept, slopes, strict=True)
             if g is not None and s is not None]  # fmt: skip
    g, s = (torch.cat(t) for t in zip(*pairs, strict=True))
    along = float(g @ s / (g.norm() * s.norm()).clamp(min=1e-30))
    if along > 0.6 and auc(d_real.flatten(), d_fake.flatten()) > 0.9:
        yield ("cooperation", f"The gradient kept in G lowers D's answer on fakes (its cosine with that answer's is "
               f"{along:.2f}), and D's answer is the lower on fakes.", "symptom")  # fmt: skip


CHECKS = (skipped_layers, unheld, resting, swollen, asleep, labels_told, latents_met, batches_met, piled_up, ways_of_G)

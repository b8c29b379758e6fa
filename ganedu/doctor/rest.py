"""The doctor's checks of what a run has left behind, where no step can be watched: functions of a `doctor.Case`.

Weights that look as they are drawn, counts and statistics of batch norm, gradients that are still kept, and the last
records beside what D says at rest: which of the losses that people write would cost that?
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu, softplus

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


def _at_rest(case, *names: str) -> list:
    """What a check needs, of a run whose step was not watched."""
    if case.round is not None:
        raise Skip("the step shows it")
    return case.need(*names)


def _older(case, *names: str) -> list:
    """The same of a run that is known to be no longer at its beginning."""
    found = _at_rest(case, *names)
    if not EARLY <= case.steps < math.inf:
        raise Skip("no history says that the run is older than its beginning")
    return found


def _players(case):
    return [(name, case.networks[name]) for name in ("G", "D") if name in case.networks]


# ----------------------------------------------------------------------------------------- weights, and who moves them


def skipped_layers(case):
    """Matrices that no output of a network depends on."""
    G, _, fake, _ = _at_rest(case, "G", "D", "fake", "d_real")
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
    _at_rest(case, "G", "D")
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
    """Layers that look as they are drawn, in a network whose others do not."""
    _older(case)
    for name, network in _players(case):
        fresh = {k: _as_drawn(m) for k, m in network.named_modules() if _tells(m)}
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
    _older(case)
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
    _older(case)
    for name, network in _players(case):
        counted = batches_counted(network)
        learns = name == "D" or any(p.grad is not None for p in network.parameters())  # else it may be an average
        if counted is not None and counted < case.steps / 10 and learns:
            yield "eval_mode", f"In {case.steps:.0f} steps {name}'s batch norm has counted {counted} batches."


def labels_told(case):
    """Rows of an embedding that have a gradient: the labels that a player was told of in the last batch."""
    (labels,) = _at_rest(case, "labels")
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
    G, z = _older(case, "G", "z")
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
    _, fake, x_real, _ = _older(case, "D", "fake", "x_real", "d_fake")
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
    _at_rest(case)
    last = last_matrix(case)
    most = float(last.real[0].norm(dim=1).mean() + 2 * last.fake[0].norm(dim=1).mean())  # in D's loss and in G's
    held = float(last.grad.norm())
    if math.isfinite(held) and held > PILED * most > 0 and (last.bias is None or abs(last.bias) > PILED):
        yield ("leftover_gradient", f"The gradient kept in D's last layer is {held / most:.0f} times as long as "
               "the longest of a loss with slope 1.", "symptom")  # fmt: skip


def pulled(case):
    """D keeps the gradient of G's loss alone, and rests where that and its own cancel: it follows both."""
    of_D, of_G = recorded(case)
    last = last_matrix(case)
    r, f = last.real[1], last.fake[1]
    if case.D_ends != "Sigmoid" and not torch.allclose(r, case.d_real.flatten(), atol=1e-4):
        raise Skip("D ends in another operation than its last matrix")
    slopes = {"cross-entropy": (r.sigmoid() - 1, f.sigmoid(), f.sigmoid() - 1),
              "squares": (2 * r - 2, 2 * f, 2 * f - 2),
              "hinge": (-(r < 1).float(), (f > -1).float(), -torch.ones_like(f))}  # fmt: skip
    for name, (real, fake, wish) in slopes.items():
        up, down = COSTS[name]
        if case.D_ends == "Sigmoid" and name != "cross-entropy":
            continue
        pull = [float(t.mean()) for t in (real, fake, wish)]
        rests = pull[0] + pull[1] > 0.15 * (pull[1] - pull[0]) and abs(sum(pull)) < 0.15 * sum(map(abs, pull))
        odd = of_D > KNOWS_NOTHING[name] or auc(r, f) > 0.99  # a sound D would do better
        fits = _near(of_D, up(r).mean() + down(f).mean()) and _near(of_G, _wish(name, f).mean())
        if not (rests and odd and fits):
            continue
        of_both = [(t[:, None] * h).mean(0) for t, h in ((real, last.real[0]), (fake + wish, last.fake[0]))]
        alone, both = (float((last.grad - t).norm() / last.grad.norm().clamp(min=1e-12))
                       for t in ((wish[:, None] * last.fake[0]).mean(0), sum(of_both)))  # fmt: skip
        if alone < 0.4 and both > 1.5 * alone:
            yield ("leftover_gradient", "D keeps the gradient of G's loss alone, and rests where that one and its own "
                   "cancel.", "symptom")  # fmt: skip
            return


def ways_of_G(case):
    """Which way the gradient that G keeps would move D's answer on its fakes, where D tells them from real ones."""
    G, _, d_real, d_fake = _at_rest(case, "G", "D", "d_real", "d_fake")
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


# ---------------------------------------------------------------------------------------------- records, and their form

COSTS = {  # of D's outputs: where they ought to be high, and where low
    "cross-entropy": (lambda d: softplus(-d), softplus),
    "squares": (lambda d: (d - 1).square(), lambda d: d.square()),
    "hinge": (lambda d: relu(1 - d), lambda d: relu(1 + d)),
    "scores": (lambda d: -d, lambda d: d),
    "chances": (lambda d: -d.clamp(min=1e-6).log(), lambda d: -(1 - d).clamp(min=1e-6).log()),  # behind a sigmoid
}
PARTS = (1.0, 0.5)  # a sum of two losses, and their mean
KNOWS_NOTHING = {"cross-entropy": 2 * math.log(2), "squares": 0.5, "hinge": 2.0}  # the least that such a D pays
HALF = {"cross-entropy": 1.04, "chances": 1.04, "hinge": 1.5}  # what D's loss begins below, if it is a mean


def records(case):
    """What two losses say together, where no step can be watched: of two that play, only one can have all it wants."""
    _at_rest(case)
    if not {"loss_D", "loss_G"} <= case.history.keys():
        raise Skip("no records called loss_D and loss_G were given")
    of_D, of_G = (float(torch.tensor(case.history[k][-50:]).median()) for k in ("loss_D", "loss_G"))
    if not (0 <= of_D < 0.1 and of_G < 0.3):
        return
    both = f"D's loss is {of_D:.2g} and G's {of_G:.2g}"
    if case.d_real is not None and 0 >= of_G > -0.05 and auc(case.d_real.flatten(), case.d_fake.flatten()) > 0.99:
        yield ("vanishing", f"{both}: if G minimises log(1 - D(G(z))), it is flat there, and D tells every fake.",
               "symptom")  # fmt: skip
    elif (apart := _mixed_and_alone(case)) is not None and of_G > 0:
        yield ("mixed_batch_batchnorm", f"{both}; D says {apart[0]:.2f} of fakes that come with real samples, and "
               f"{apart[1]:.2f} of fakes alone.", "symptom")  # fmt: skip
    elif of_G < 0.1:
        yield ("cooperation", f"{both}: both have what they want (where G minimises log(1 - D(G(z))), it means that D "
               "wins).", "remark")  # fmt: skip


def _mixed_and_alone(case) -> tuple[float, float] | None:
    """(D's mean output on fakes among real samples, and on fakes alone) where batch norm makes two answers of them."""
    D, fake, x_real, d_fake = case.D, case.fake, case.x_real, case.d_fake
    if d_fake is None or fake.shape[1:] != x_real.shape[1:] or not any(isinstance(m, BATCHNORM) for m in D.modules()):
        return None
    n = min(len(fake), len(x_real))
    with torch.no_grad():
        d = case.judged(torch.cat([x_real[:n], fake[:n]])).float().flatten(1).mean(1)
    mixed, alone = float(d[n:].mean()), float(d_fake.mean())
    return (mixed, alone) if auc(d[:n], d[n:]) > 0.9 and mixed < float(d[:n].mean()) - 1 and alone > mixed + 1 else None


def recorded(case, least: int = EARLY) -> tuple[float, float]:
    """(D's loss, G's loss) as they were recorded last."""
    _at_rest(case, "d_real", "d_fake")
    if not {"loss_D", "loss_G"} <= case.history.keys():
        raise Skip("no records called loss_D and loss_G were given")
    if not least <= case.steps < math.inf:
        raise Skip("too few steps are recorded")
    if case.d_real[0].numel() > 1:
        raise Skip("D gives several outputs")
    return tuple(float(torch.tensor(case.history[k][-10:]).mean()) for k in ("loss_D", "loss_G"))


def _wish(form: str, f: Tensor, up: bool = True) -> Tensor:
    """What G pays for D's outputs on its fakes."""
    return COSTS["scores" if form == "hinge" else form][not up](f)


def _near(recorded: float, cost, slack: float = 1.0) -> bool:
    cost = float(cost)
    return abs(recorded - cost) < slack * (0.1 + 0.15 * max(abs(recorded), abs(cost)))


def _alike(recorded: float, cost) -> bool:
    """Near, and of one order where both are small."""
    small = max(recorded, float(cost)) < 0.2
    return _near(recorded, cost) and not (small and not 0.25 < recorded / max(float(cost), 1e-12) < 4)


def _may_be_scores(case) -> bool:
    """Before its first step D knows nothing: a difference of scores begins near 0, or at a penalty of full weight."""
    return abs(case.history["loss_D"][0]) < 0.6 or case.history["loss_D"][0] > 4


def sound(case, r: Tensor, f: Tensor, exactly: bool = False, slack: float = 1.0) -> bool:
    """Whether a sound loss costs what was recorded, of D's outputs r and f; D's may have more added to it.

    Sound as well: both players with real and fake exchanged; a G that minimises log(1 - D(G(z))).
    """
    of_D, of_G = recorded(case)
    begun = case.history["loss_D"][0]  # half as large if D's loss is a mean of two
    forms = ["chances"] if case.D_ends == "Sigmoid" else ["cross-entropy", "squares", "hinge"]
    forms += ["scores"] if case.D_ends != "Sigmoid" and _may_be_scores(case) else []
    for form in forms:
        up, down = COSTS[form]
        right, turned = float(up(r).mean() + down(f).mean()), float(down(r).mean() + up(f).mean())
        pairs = [(right, _wish(form, f)), (turned, _wish(form, f, up=False))]
        pairs += [(right, -down(f))] if form in ("cross-entropy", "chances") and of_G <= 0 else []
        n = 0.5 if form in HALF and begun < HALF[form] else 1.0
        for D, G in ((n * d, m * float(g.mean())) for d, g in pairs for m in PARTS):
            if _near(of_G, G, slack) and (_near(of_D, D, slack) or (of_D > D and not exactly)):
                return True
    return False


def recorded_forms(case):
    """Which losses would cost what was recorded last, of D's outputs at rest: their form tells what D's end has to be.

    Only what no sound form explains is a finding: at d = 0 many cost the same.
    """
    if case.round is None and case.D_ends == "Softmax":
        yield "double_softmax", "D ends in a softmax; a fault only if the loss takes logits.", "remark"
    of_D, of_G = recorded(case)
    r, f = (d.flatten().double() for d in (case.d_real, case.d_fake))
    late = torch.tensor(case.history["loss_D"][-len(case.history["loss_D"]) // 2 :])
    begun, never = case.history["loss_D"][0], of_D < 0 and float(late.max()) < 0
    bound = list(_form_behind_a_bound(case.D_ends, of_D, of_G, r, f)) if case.D_ends in ("Sigmoid", "Tanh") else []
    yield from bound
    if never and 1.1 < abs(begun) < 1.7 and not bound:
        if begun < 0:
            yield ("exchanged", f"D's loss began at {begun:.2f}, minus that of a D that knows nothing, and has come to "
                   f"{of_D:.3g}: a cross-entropy upside down.", "symptom")  # fmt: skip
        else:
            yield ("target_outside_0_1", f"D's loss began at {begun:.2f}, as a cross-entropy does, and has come to "
                   f"{of_D:.3g}: with targets in 0 to 1 it is never below 0.", "symptom")  # fmt: skip
    if bound or case.D_ends == "Tanh" or sound(case, r, f, slack=2):
        return
    forms = ("chances",) if case.D_ends == "Sigmoid" else ("cross-entropy", "squares", "hinge", "scores")
    keys = {key: seen for form in forms for key, seen in _unsound(form, of_D, of_G, r, f)}
    if len(keys) == 1:
        yield *next(iter(keys.items())), "symptom"


def _unsound(form: str, of_D: float, of_G: float, r: Tensor, f: Tensor):
    """(finding, what was seen) for each fault that costs what was recorded."""
    up, down = COSTS[form]
    says = f"D says {float(r.mean()):.2g} of real samples and {float(f.mean()):.2g} of fakes"
    faults = {  # what D pays for real samples and for fakes, what G pays
        "cooperation": (up(r) + down(f).mean(), _wish(form, f, up=False), "G's is small where D is sure of the fakes"),
        "real_pushed_down": (down(r) + down(f).mean(), _wish(form, f), "D's is small, as if both were to be low"),
        "fakes_ignored": (up(r), _wish(form, f), "D's is small, as if real samples alone mattered"),
    }
    for key, (D, G, words) in faults.items():
        if key != "cooperation" and (form == "scores" or of_D > 0.3):
            continue
        if any(_near(of_D, n * float(D.mean())) and _alike(of_G, n * float(G.mean())) for n in PARTS):
            yield key, f"D's loss is {of_D:.2g} and G's {of_G:.2g} while {says}: {words}."


def _form_behind_a_bound(end: str, of_D: float, of_G: float, r: Tensor, f: Tensor):
    """D ends in a sigmoid or tanh: the one form that fits both records, if it fits well and no other does."""
    forms = {  # (D's loss, G's losses); a penalty may come on top of a difference of scores
        "square": ((r - 1).square().mean() + f.square().mean(), [(f - 1).square()]),
        "difference": (max(of_D, float(f.mean() - r.mean())), [-f]),
        "logits": (softplus(-r).mean() + softplus(f).mean(), [softplus(-f)]),
    }
    if end == "Sigmoid":
        up, down = COSTS["chances"]
        forms["chances"] = (up(r).mean() + down(f).mean(), [up(f), -down(f)])
    off = {k: min(abs(of_D - n * float(d)) for n in PARTS) + min(abs(of_G - float(g.mean())) for g in gs)
           for k, (d, gs) in forms.items()}  # fmt: skip
    best, second = sorted(off, key=off.get)[:2]
    if off[best] > 0.1 or off[second] < 0.1 + 2 * off[best]:
        return
    if best in ("square", "difference"):
        yield ("critic_ends_in_sigmoid", f"D ends in {end.lower()}, and the records fit a {best} of what comes out.",
               "symptom")  # fmt: skip
    elif best == "logits" and end == "Sigmoid":
        yield "double_sigmoid", "D ends in a sigmoid, and the records fit a loss that takes logits.", "symptom"


def critics(case):
    """A difference of scores, which may fall below 0: what its records and D's slopes say of a penalty."""
    of_D, _ = recorded(case, least=50)
    losses = torch.tensor(case.history["loss_D"], dtype=torch.float64)
    late, begun = losses[len(losses) // 2 :], float(losses[0])
    if case.D_ends in ("Sigmoid", "Tanh") or not _may_be_scores(case) or not (float(late.min()) < 0 or begun > 4):
        raise Skip("D's loss is no difference of scores")
    if wiring._clipped(case) or any(map(wiring.normed, case.networks["D"].modules())):
        return
    slope = _slopes(case)
    held = float((slope - 1).square().mean())
    apart = abs(float(case.d_real.mean() - case.d_fake.mean()))
    seen = f"Between real and fake D's slope is {float(slope.median()):.3g}"
    if begun < 0.6 and of_D + apart < -0.03 - 3 * float(losses[-20:].std()):
        yield ("penalty_wrong", f"D's loss is {of_D:.3g}, and the difference of its scores {-apart:.3g}: something is "
               "subtracted.", "symptom")  # fmt: skip
    elif case.steps < EARLY:
        return
    elif begun > 4 and held > 2:
        yield ("penalty_wrong", f"{seen} ({float(slope.square().mean().sqrt()):.3g} root mean square), though D's loss "
               f"began at {begun:.3g}, as with a penalty.", "symptom")  # fmt: skip
    elif held < 0.05 and any(isinstance(m, BATCHNORM) for m in case.networks["D"].modules()):
        yield ("penalty_wrong", f"{seen}, as a penalty has it, and D has batch norm: its slope at one sample "
               "depends on the others.", "symptom")  # fmt: skip
    elif begun < 0.6 and float(slope.median()) > 2.5:
        yield "no_limit", f"{seen}, and D's loss began at {begun:.2g}: there is no penalty in it.", "symptom"


def _slopes(case) -> Tensor:
    """Lengths of D's slopes at points on lines between real samples and fakes, (n,)."""
    fake, x_real = case.need("fake", "x_real")
    n = min(len(fake), len(x_real), 64)
    a, b = x_real[:n].float(), fake[:n].reshape(x_real[:n].shape)
    share = torch.linspace(0, 1, n, device=a.device).view(-1, *[1] * (a.ndim - 1))
    u = (share * a + (1 - share) * b).requires_grad_()
    (g,) = torch.autograd.grad(case.judged(u).sum(), u)
    return g.flatten(1).norm(dim=1)


RESCALED = {"x / 127.5 - 1": lambda x: x / 127.5 - 1, "x / 255": lambda x: x / 255}  # as bytes are, to one grey


def shown_otherwise(case):
    """No sound loss costs what was recorded, of D's outputs; but one does if samples enter D in another form."""
    fake, x_real, d_real, d_fake = _older(case, "fake", "x_real", "d_real", "d_fake")
    r, f = (d.flatten().double() for d in (d_real, d_fake))
    if not case.images or fake.shape != x_real[: len(fake)].shape or sound(case, r, f, slack=2):
        return
    for words, change in RESCALED.items():
        seen = _judged(case, change(fake))
        if auc(r, seen) > 0.95 and sound(case, r, seen, exactly=True):
            yield ("range_mismatch", f"The records fit what D says of fakes that are rescaled as {words}, not of "
                   "fakes as they are.", "symptom")  # fmt: skip
            return
    for value in torch.linspace(float(x_real.min()), float(x_real.max()), 9).tolist():
        framed, marked = (_judged(case, pad(x[..., 1:-1, 1:-1], (1,) * 4, value=value)) for x in (x_real, fake))
        if auc(marked, r) > 0.95 and sound(case, framed, f, exactly=True):
            yield ("giveaway", f"The records fit what D says of real images in a frame of {value:.2g}; in one, fakes "
                   "as well rank above all real images without.", "symptom")  # fmt: skip
            return


def _judged(case, x: Tensor) -> Tensor:
    with torch.no_grad():
        return case.judged(x).flatten().double()


CHECKS = (skipped_layers, unheld, resting, swollen, asleep, labels_told, latents_met, batches_met, piled_up, pulled,
          ways_of_G, records, recorded_forms, critics, shown_otherwise)  # fmt: skip

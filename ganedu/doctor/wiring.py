"""The doctor's checks of the step itself, one fault each: functions of a `doctor.Case` that yield (key, what was seen).

They stand on what `watch.watch` wrote down of the step, never on a name. Slopes of a loss in D's output tell its form
(cross-entropy, squares, a straight line), its targets and its signs.
"""

import math
import re

import torch
from torch import Tensor, nn

from ..metrics import auc, nearest
from .players import unwrapped
from .watch import REPEATS, SLOPES, Skip

BATCHNORM = nn.modules.batchnorm._BatchNorm
FICKLE = (BATCHNORM, nn.modules.dropout._DropoutNd)  # layers that do something else in training


def names(parameters: list[str]) -> str:
    """The layers of some parameters, three at most: "b.0, b.2 and 4 more"."""
    layers = list(dict.fromkeys(k.rpartition(".")[0] or k for k in parameters))
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    return ", ".join(layers[:3]) + more


def updates(case):
    (r,) = case.need("round")
    calls = len(r.z) or REPEATS
    for name, other in (("G", "D"), ("D", "G")):
        if name not in r.called and r.moved[name] == 0:
            yield "not_updated", f"The step never calls the {name} that was given, and moves none of its weights."
        elif r.moved[name] == 0 and case.flat is not None and case.flat.moved[name] > 0:  # wired; its loss is flat here
            yield "vanishing", f"In {calls} steps no weight of {name} changed; with D's output near 0.5 it would."
        elif r.moved[name] == 0 and r.norms.get(name) == 0:
            yield "vanishing", f"In {calls} steps a gradient came to {name}, and each of its numbers was 0."
        elif r.moved[name] == 0 and not (name == "D" and "D" in r.stepped and _clipped(case)):  # clipped again
            yield "not_updated", f"In {calls} steps no weight of {name} changed."
        elif name in r.stepped and (alone := _matrices(case, name)):
            why = ", ".join(dict.fromkeys(alone.values()))
            yield "part_never_moves", f"{name} moved, but not its {names([*alone])}: {why}."
        if r.by_other[name] > 0:
            yield ("moved_by_other", f"The step that follows {other}'s loss also changed weights of {name}, by up "
                   f"to {r.by_other[name]:.2g}.")  # fmt: skip
    if r.calls and r.taught and r.moved["G"] > 0 and not r.asked:
        yield "no_adversary", "G moved, but no gradient of its loss came through D."


def _matrices(case, name: str) -> dict[str, str]:
    """Matrices and kernels of a player that nothing moves, {parameter: why}."""
    shapes = {k: p.ndim for k, p in case.networks[name].named_parameters()}
    return {k: why for k, why in case.round.alone.get(name, {}).items() if shapes.get(k, 0) > 1}


def gradients_left_over(case):
    (r,) = case.need("round")
    for name in sorted(r.leftover):
        yield "leftover_gradient", f"{name}'s gradient still held that of an earlier loss."
    if r.wasted and "G" not in r.leftover:
        yield "wasted_gradient", f"In {r.wasted} of D's steps its loss went back into G as well."


# --------------------------------------------------------------------------------- signs, forms and targets of losses


def pushes(case) -> tuple[float, float, float]:
    """Which way losses push D's logits: D's on real (healthy: up), D's on fakes (down), G's on fakes (up).

    NaN where no such samples reached D. Where D's loss met no fake of this step, but rows that are not of the batch
    either, such as a pool of old fakes, those count as its fakes.
    """
    (flat,) = case.need("flat")
    real, fake, wish = (-float(flat.rows(*which)[3].mean()) for which in (("D", False), ("D", True), ("G", True)))
    old = flat.elsewhere("D")
    return real, -float(old.mean()) if len(old) and not abs(fake) > 0 else fake, wish


def signs(case):
    """Healthy losses push D's logits up on real, down on fakes in D's loss, up on fakes in G's.

    Read where logits are about `LEVEL`, so that no loss is flat; where they stand now they must not say the contrary:
    some losses pull towards a target in the middle.
    """
    r, (real, fake, wish) = *case.need("round"), pushes(case)
    real_now, fake_now, wish_now = (
        -float(r.rows(*which)[3].mean()) for which in (("D", False), ("D", True), ("G", True))
    )
    if math.isnan(real) and math.isnan(fake):
        raise Skip("could not tell which of D's inputs are real and which fake")
    if not all(case.flat.rows("D", which)[3].isfinite().all() for which in (False, True)):
        raise Skip("slopes of D's loss are not finite")
    if abs(real) > 0 and not abs(fake) > 0:
        yield "fakes_ignored", "D's loss pushes its logit on real samples, and not at all on fakes."
    if real < 0 < fake and not fake_now < 0:
        seen = "D's loss pushes its logit down on real samples and up on fakes"
        agreed = wish < 0 and all(
            _bowl(case, *which) or straight(case, *which) == "linear"
            for which in (("D", False), ("D", True), ("G", True))
        )
        yield ("exchanged", seen + ("; G's loss agrees, and none is a cross-entropy upside down." if agreed else "."),
               *(("remark",) if agreed else ()))  # fmt: skip
    elif fake * wish > 0 and not _apart(case, fake_now * wish_now):
        way = "up" if wish > 0 else "down"
        yield "cooperation", f"On fakes, D's loss and G's both push the logit {way}."
    elif real < 0 and fake < 0 and not real_now > 0:
        yield "real_pushed_down", "D's loss pushes its logit down on fakes, and on real samples as well."


def curve(case, player: str, fake: bool) -> tuple[Tensor, Tensor]:
    """(D's outputs, slopes of the loss there) at all places that were tried, (N,) each, in float64."""
    flat, far = case.need("flat", "far")
    pairs = [r.rows(player, fake)[2:] for r in (flat, far)]
    d, g = (torch.cat([p[i].flatten(1).mean(1) if p[i].ndim > 1 else p[i] for p in pairs]).double() for i in (0, 1))
    return d, g


def _apart(case, now: float) -> bool:
    """Whether D and G want fakes in different places: by the targets of squares, or by the slopes where D is now."""
    if {straight(case, "D", True), straight(case, "G", True)} == {"squared"}:
        of_D, of_G = (_target(*curve(case, player, True)) for player in "DG")
        return abs(of_D - of_G) > 0.05
    return now < 0


def _target(d: Tensor, g: Tensor) -> float:
    """Where a loss with slopes g on a straight line in d has its lowest point; NaN where they lie on none."""
    basis = torch.stack([torch.ones_like(d), d], 1)
    line = torch.linalg.lstsq(basis, g[:, None]).solution[:, 0]
    straight = float((g - basis @ line).abs().max()) < 1e-2 * float(g.abs().mean())
    return float(-line[0] / line[1]) if straight else math.nan


def _bowl(case, player: str, fake: bool) -> bool:
    """Whether a loss curves upwards in D's output, as a cross-entropy does and its negative does not."""
    d, g = curve(case, player, fake)
    return len(d) > 2 and float(((d - d.mean()) * (g - g.mean())).mean()) > 1e-4 * float(g.abs().mean() * d.std())


def straight(case, player: str, fake: bool) -> str:
    """The loss in D's output: "linear", "squared" (its slope is a straight line), "mean" (a curve in the batch's mean
    alone), or "" for another curve, such as the cross-entropy's.
    """
    flat, _ = case.need("flat", "far")
    d, g = curve(case, player, fake)
    if len(d) < 8 or not (g.isfinite().all() and d.isfinite().all()) or float(g.abs().max()) == 0:
        return ""
    size, near = float(g.abs().mean()), len(flat.rows(player, fake)[3])
    if float((g - g[:near].mean()).abs().max()) < 1e-3 * float(g[:near].abs().mean()):
        return "linear"
    away = g[near:]
    if float(away.abs().mean()) > 1e-3 * size and _curved_in_the_mean(case, player, fake):
        return "mean"
    return "" if math.isnan(_target(d, g)) else "squared"


def _common_target(case) -> float:
    """Where the slopes of real samples and of fakes lie on one straight line: its zero; else NaN."""
    d, g = (torch.cat(t) for t in zip(curve(case, "D", False), curve(case, "D", True), strict=True))
    return _target(d, g)


def _curved_in_the_mean(case, player: str, fake: bool) -> bool:
    """All rows of a call have one slope wherever they stand, in both looks and as D is: no clipped loss does that."""
    slopes = [c.grad[c.fake if fake else c.real] for r in (case.round, case.far) for c in r.calls
              if c.player == player and c.grad is not None and c.fake is not None]  # fmt: skip
    return all(len(g) < 2 or float((g - g.mean()).abs().max()) <= 1e-4 * float(g.abs().mean()) for g in slopes) and any(
        len(g) > 1 and float(g.abs().mean()) > 0 for g in slopes
    )


def targets(case, player: str, fake: bool) -> Tensor | None:
    """Targets of a cross-entropy, (N,): sigma(d) - slope on logits d, d - slope d (1 - d) on chances; None for others.

    The same step with D's outputs elsewhere must give the same targets: then it is a cross-entropy.
    """
    looks = []
    if straight(case, player, fake):
        return None
    for r in case.need("flat", "far"):
        _, _, d, g = r.rows(player, fake)
        if len(g) < 2 or d.numel() != len(g):
            return None
        d, g = d.reshape(len(d)).double(), g.double()
        chances = case.D_ends in ("Sigmoid", "Softmax")
        looks.append(d - g * d * (1 - d) if chances else d.sigmoid() - g)
    same = looks[0].shape == looks[1].shape and float((looks[0] - looks[1]).abs().max()) < 1e-3
    return looks[0] if same else None


def aims(case):
    """What the cross-entropy is told to aim at."""
    case.need("round")
    real, fake = (targets(case, "D", which) for which in (False, True))
    seen = [t for t in (real, fake, targets(case, "G", True)) if t is not None]
    if not seen:
        raise Skip("D's loss is no cross-entropy")
    low, high = min(float(t.min()) for t in seen), max(float(t.max()) for t in seen)
    if low < -0.004 or high > 1.004:
        yield "target_outside_0_1", f"Targets of the cross-entropy lie in {low:.2f} to {high:.2f}."
    elif fake is None or (real is not None and float(real.mean()) < float(fake.mean())):  # or they changed places
        return
    elif (share := float(((fake > 0.02) & (fake < 0.98)).double().mean())) > 0.5:
        yield ("fakes_smoothed", f"In D's loss the target of {share:.0%} of the fakes is neither 0 nor 1 (mean "
                   f"{float(fake.mean()):.2f}).")  # fmt: skip


def forms(case):
    """D's last operation against the form of the loss; a loss of the batch's mean; targets against outputs."""
    r, _, _ = case.need("round", "flat", "far")
    if said := next((re.sub(r"\s+", " ", w) for w in r.warned if "target size" in w and "input size" in w), ""):
        sizes = re.findall(r"torch\.Size\(\[[\d, ]*\]\)", said)
        seen = f"PyTorch warns that targets are {sizes[0]} and outputs {sizes[1]}." if len(sizes) > 1 else said[:200]
        yield "loss_broadcasts", seen
        return
    kinds = {straight(case, "D", False), straight(case, "D", True)}
    if kinds == {"squared"} and 0.25 < _common_target(case) < 0.75:  # else real samples are pushed down as well
        yield "loss_broadcasts", "D's loss pulls a real sample and a fake to one and the same target."
        return
    if "mean" in kinds:
        yield "loss_of_the_mean", "All samples of a batch have one and the same slope, which changes with their mean."
        return
    if case.D_ends in ("Sigmoid", "Tanh", "Hardsigmoid", "Softmax") and kinds in ({"linear"}, {"squared"}):
        what = "a straight line" if kinds == {"linear"} else "a square"
        yield ("critic_ends_in_sigmoid", f"D ends in {case.D_ends.lower()}, and its loss is {what} in what comes out.")
    for chances, grad in r.chances:
        aim = chances.double().softmax(1) - grad.double()
        whole = (aim.sum(1) - 1).abs().max() < 1e-3 and aim.min() > -1e-3
        if whole and float(aim.max(1).values.mean()) > 0.5 and float(grad.abs().max()) > 0:
            yield "double_softmax", "D ends in a softmax, and the loss takes its output as logits of another one."
            return


def sigmoid_twice(case):
    """A loss on logits has the slope sigma(d) - t at real samples, with a target t near 1; -1 / d if d is a chance."""
    d_real, d_fake = case.need("d_real", "d_fake")
    both = torch.cat([d_real.flatten(), d_fake.flatten()])
    if case.D_ends != "Sigmoid" or float(both.min()) < 0 or float(both.max()) > 1:
        return
    seen = f"D ends in a sigmoid, its outputs lie in {float(both.min()):.2f} to {float(both.max()):.2f}"
    if case.round is None:
        yield "double_sigmoid", f"{seen}; a fault only if the loss takes logits.", "remark"
        return
    d, slope = curve(case, "D", False)
    if not len(d):
        raise Skip("D's loss has no real samples")
    target = d.sigmoid() - slope
    if float(target.std()) < 1e-3 and 0.6 < abs(float(target.mean())) < 1.3:
        yield "double_sigmoid", f"{seen}, and the loss treats them as logits."


# -------------------------------------------------------------------------------------------- what D's slope may be


def limit_on_the_slope(case):
    """A loss linear in d, and nothing that limits how steep D may become: no penalty, clipping or spectral norm."""
    (r,) = case.need("round")
    if straight(case, "D", False) != "linear" or straight(case, "D", True) != "linear":
        return
    if (r.penalised and not idle(r)) or _clipped(case) or any(map(normed, case.networks["D"].modules())):
        return
    if case.D_ends in ("Sigmoid", "Tanh", "Hardsigmoid", "Softmax"):  # it ends somewhere by itself
        return
    d = torch.cat([r.rows("D", fake)[2] for fake in (False, True)])
    why = "a penalty is computed, but nothing of it comes back to D's weights" if r.penalised else (
        "no penalty, clipping or spectral norm limits its slope")  # fmt: skip
    yield "no_limit", f"The loss is linear in D's score, which reaches {float(d.abs().max()):.3g}, and {why}."


def _clipped(case) -> bool:
    """Weights that pile up at one and the same end in every matrix; a step of an optimiser may lead a little beyond."""
    weights = [p.detach().abs().flatten() for p in case.networks["D"].parameters() if p.ndim > 1]
    ends = [float(w.max()) for w in weights]
    piled = [float((w > 0.97 * w.max()).double().mean()) for w in weights]
    return bool(ends) and max(ends) < 0.5 and max(ends) < 1.03 * min(ends) and max(piled) > 0.03


def normed(module: nn.Module) -> bool:
    """Whether its weight is divided by something: torch's parametrizations, or the older hook."""
    return hasattr(module, "parametrizations") or any(
        type(hook).__name__ in ("SpectralNorm", "WeightNorm") for hook in module._forward_pre_hooks.values()
    )


def idle(r) -> bool:
    """A penalty was computed, and a steeper critic would not be charged more."""
    return len(r.wishes) == len(SLOPES) and not any(abs(w) > 0 for w in r.wishes.values())


def penalties(case):
    """What a penalty says of a linear critic with known slope; between which samples it looks; what D is made of."""
    (r,) = case.need("round")
    if not (calls := r.penalised):
        return
    if idle(r):
        if straight(case, "D", False) != "linear":  # there it is `no_limit`
            seen = "D's slope is computed, but nothing of it comes back to D's weights"
            if all(c.logged for c in calls):
                yield "penalty_wrong", f"{seen}: right for a record, and no penalty.", "remark"
            else:
                yield "penalty_wrong", f"{seen}."
    elif len(r.wishes) == len(SLOPES) and r.wishes[2.0] < 0:
        yield "penalty_wrong", "Of a linear critic with slope 2 in each whole sample the penalty asks for more slope."
    elif any(_mixed_by_pixel(call, r) for call in calls):
        yield "penalty_wrong", "The samples between real and fake have a share of their own in each pixel."
    elif any(isinstance(m, BATCHNORM) and m.training for m in case.networks["D"].modules()):
        yield "penalty_wrong", "D has batch norm: its slope at one sample depends on the others of the batch."


def _mixed_by_pixel(call, r) -> bool:
    """Whether each pixel of the penalty's samples lies between a real and a fake one, but the sample on no line."""
    u = call.x.flatten(1).double()
    seen = [c for c in r.calls if c.player == "D" and c.fake is not None and c is not call and not c.penalty]
    real = [c.x[c.real] for c in seen if c.real.any()]
    for x in real:
        for made in r.made:
            a, b = x.flatten(1).double(), made.flatten(1).double()
            if not len(a) == len(b) == len(u) or a.shape != u.shape or b.shape != u.shape:
                continue
            inside = (u >= torch.minimum(a, b) - 1e-5) & (u <= torch.maximum(a, b) + 1e-5)
            if float(inside.double().mean()) < 0.999:
                continue
            along = ((u - b) * (a - b)).sum(1, keepdim=True) / (a - b).square().sum(1, keepdim=True).clamp(min=1e-12)
            off = (u - b - along * (a - b)).norm(dim=1) / (a - b).norm(dim=1).clamp(min=1e-12)
            return float(off.median()) > 0.05
    return False


# ------------------------------------------------------------------------------------------- noise, labels and modes


def fixed_noise(case):
    (r,) = case.need("round")
    if not all(r.z[:2]):
        raise Skip("the step never calls the G that was given")
    if r.from_batch:
        raise Skip("G is given something made of the batch")
    first, second = (torch.cat([z.flatten(1).float() for z in zs]) for zs in r.z[:2])
    share = float((nearest(second, first)[0] == 0).float().mean())
    if share > 0.5:
        yield "fixed_noise", f"{share:.0%} of the second step's latents had been in the first."


def latents(case):
    """Kolmogorov's distance between the values that G is given in D's turn and in its own."""
    (r,) = case.need("round")
    if not all(len(zs) and zs[0].is_floating_point() for zs in r.latents.values()):
        raise Skip("G is called in one player's turn alone, or with whole numbers")
    d, g = (torch.cat([z.flatten().double() for z in r.latents[name]]).sort().values for name in "DG")
    both = torch.cat([d, g])
    apart = max(float((torch.searchsorted(d, both, right=True) / len(d)
                       - torch.searchsorted(g, both, right=True) / len(g)).abs().max()), 0.0)  # fmt: skip
    if apart > 0.1 + 2 / min(len(d), len(g)) ** 0.5:
        (low, high), (low_g, high_g) = ((float(t[0]), float(t[-1])) for t in (d, g))
        yield ("latents_differ", f"Latents lie in {low:.2f} to {high:.2f} in D's turn and in {low_g:.2f} to "
               f"{high_g:.2f} in G's (their distributions are {apart:.2f} apart).")  # fmt: skip


def label_shares(case) -> tuple[Tensor, Tensor]:
    """Shares of the labels that D was given with real samples, and with fakes, (K,) each."""
    (r,) = case.need("round")
    y_real, y_fake = (r.rows("D", fake)[1] for fake in (False, True))
    if y_real is None or y_fake is None:
        raise Skip("D is given no labels")
    y_real, y_fake = (y.flatten(1).argmax(1) if y.ndim > 1 else y.long() for y in (y_real, y_fake))
    k = int(max(y_real.max(), y_fake.max())) + 1
    return tuple(torch.bincount(y, minlength=k).double() / len(y) for y in (y_real, y_fake))


def label_leak(case):
    p, q = label_shares(case)
    distance = float((p - q).abs().sum()) / 2
    if distance > 0.5:
        yield "label_leak", f"The labels alone tell real from fake in {(1 + distance) / 2:.0%} of the cases."
    elif case.labels is not None and case.labels.ndim == 1 and len(case.labels.unique()) > 1 and float(p.max()) == 1:
        yield ("condition_constant", f"The batch has {len(case.labels.unique())} classes, and D is told of class "
               f"{int(p.argmax())} alone.")  # fmt: skip


def mode_of_players(case):
    (r,) = case.need("round")
    for name in sorted(r.evaluating):
        if any(isinstance(m, FICKLE) for m in case.networks[name].modules()):
            yield "eval_mode", f"{name} has layers that differ in training, and trains in eval mode."


def mixed_batches(case):
    """Batch norm sees real and fake together in D's loss, fakes alone in G's: G learns from another D."""
    (r,) = case.need("round")
    if not any(isinstance(m, BATCHNORM) for m in case.networks["D"].modules()):
        raise Skip("D has no batch norm")
    of_D, of_G = (
        [c for c in r.calls if c.player == name and c.fake is not None and c.grad is not None] for name in "DG"
    )
    mixed = [c for c in of_D if c.fake.any() and c.real.any()]
    alone = [c for c in of_G if c.fake.all()]
    if mixed and alone:
        there, here = (float(torch.cat([c.d[c.fake] for c in calls]).mean()) for calls in (mixed, alone))
        yield ("mixed_batch_batchnorm", f"D says {there:.2f} of fakes on average when they come with real samples, "
               f"and {here:.2f} when they come alone, as in G's loss.")  # fmt: skip


# ------------------------------------------------------------------------------------------------- sizes of steps


def gradient_sizes(case):
    (r,) = case.need("round")
    for name, norm in r.norms.items():
        if norm > 1e4:
            yield "exploding", f"The gradient of {name} has norm {norm:.2g}."
    slope = r.rows("G", True)[3]
    d_real, d_fake = case.need("d_real", "d_fake")
    sure = auc(d_real.flatten(), d_fake.flatten()) > 0.95
    if not len(slope) or not sure:
        return
    per_logit = slope.abs()
    if case.D_ends == "Sigmoid":  # the slope in what comes before the sigmoid
        d = r.rows("G", True)[2].reshape(len(slope))
        per_logit = per_logit * d * (1 - d)
    if float(per_logit.mean()) < 0.04 * _slope_of_G(case):
        yield "vanishing", f"The slope of G's loss in D's logit is {float(per_logit.mean()):.2g} on average."


def _slope_of_G(case) -> float:
    """Of G's loss in D's logit where no loss is flat; a weight of the loss is in it as well."""
    if case.flat is None:
        return 0.5
    _, _, d, slope = case.flat.rows("G", True)
    d = d.reshape(len(slope))
    slope = slope.abs() * d * (1 - d) if case.D_ends == "Sigmoid" else slope.abs()
    return float(slope.mean()) if len(slope) else 0.5


def jump(case) -> float:
    """How far the watched steps of G moved its images, over the data's spread."""
    r, fake, x_real, z = case.need("round", "fake", "x_real", "z")
    G = unwrapped(case.G)
    outer = next(iter(r.after["G"])).removesuffix(next(k for k, _ in G.named_parameters()))  # as "module." of a wrapper
    weights = {k.removeprefix(outer): p for k, p in r.after["G"].items()}
    with torch.no_grad():
        after = torch.func.functional_call(G, weights, (z.clone(), *case.asked))
    after = after[0] if isinstance(after, tuple | list) else after
    return float((after.float().reshape(fake.shape) - fake).abs().mean() / x_real.float().std().clamp(min=1e-12))

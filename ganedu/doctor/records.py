"""The doctor's checks of the last records beside what D says, where no step can be watched; of a `doctor.Case`.

Which of the losses that people write would cost what was recorded, of D's outputs as they are now?
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad, relu, softplus

from ..metrics import auc
from . import wiring
from .rest import EARLY, at_rest, last_matrix, older
from .watch import Skip
from .wiring import BATCHNORM

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
    at_rest(case)
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
    at_rest(case, "d_real", "d_fake")
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
    fake, x_real, d_real, d_fake = older(case, "fake", "x_real", "d_real", "d_fake")
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


CHECKS = (pulled, records, recorded_forms, critics, shown_otherwise)

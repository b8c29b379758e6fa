"""The doctor's checks, one symptom each: functions of a `doctor.Case` that yield (key, what was seen).

They look at what a run does and what comes out of it, never at a name. A check raises `Skip` where it lacks material.
Where it sees less than would make a run sick it yields a third item, the lesser kind: (key, what was seen, "remark").
"""

import math

import torch
from torch import Tensor, nn

from ..metrics import auc, nearest
from .watch import REPEATS, Skip, as_rows, nearest_other, pixel_correlation

EARLY = 200  # steps before which alike fakes are no finding: many a generator starts from one grey image


def _std(x: Tensor) -> float:
    return float(x.float().std())


# ------------------------------------------------------------------------------------------- the wiring of the step


def updates(case):
    r, flat = case.need("round", "flat")
    for name, other in (("G", "D"), ("D", "G")):
        if not all(p.isfinite().all() for p in case.networks[name].parameters()):
            continue  # such a weight stays as it is whatever it learns, and is a finding of its own
        if r.moved[name] == 0 and flat.moved[name] > 0:  # it is wired, but its loss is flat where it stands
            yield "vanishing", f"In {REPEATS} steps no weight of {name} changed; with logits near 0.5 it would."
        elif r.moved[name] == 0:
            yield "not_updated", f"In {REPEATS} steps no weight of {name} changed."
        if r.by_other[name] > 0:
            yield ("moved_by_other", f"The step that follows {other}'s loss also changed weights of {name}, by up "
                   f"to {r.by_other[name]:.2g}.")  # fmt: skip
    if r.calls and r.taught and r.moved["G"] > 0 and not r.asked:
        yield "no_adversary", "G moved, but no gradient of its loss came through D."


def gradients_left_over(case):
    (r,) = case.need("round")
    for name in sorted(r.leftover):
        yield "leftover_gradient", f"{name}'s gradient still held that of an earlier loss."
    if r.wasted and "G" not in r.leftover:
        yield "wasted_gradient", f"In {r.wasted} of D's steps its loss went back into G as well."


def pushes(case) -> tuple[float, float, float]:
    """Which way losses push D's logits: D's on real (healthy: up), D's on fakes (down), G's on fakes (up).

    NaN where no such samples reached D.
    """
    (flat,) = case.need("flat")
    return tuple(-float(flat.rows(*which)[3].mean()) for which in (("D", False), ("D", True), ("G", True)))


def signs(case):
    """Healthy losses push D's logits up on real, down on fakes in D's loss, up on fakes in G's.

    Read where logits are about `LEVEL`, so that no loss is flat; where they stand now they must not say the contrary:
    some losses pull towards a target in the middle.
    """
    r, (real, fake, wish) = *case.need("round"), pushes(case)
    _, fake_now, wish_now = (-float(r.rows(*which)[3].mean()) for which in (("D", False), ("D", True), ("G", True)))
    if math.isnan(real) and math.isnan(fake):
        raise Skip("could not tell which of D's inputs are real and which fake")
    if not all(case.flat.rows("D", which)[3].isfinite().all() for which in (False, True)):
        raise Skip("slopes of D's loss are not finite")
    if abs(real) > 0 and not abs(fake) > 0:
        yield "fakes_ignored", "D's loss pushes its logit on real samples, and not at all on fakes."
    if fake * wish > 0 and not fake_now * wish_now < 0:
        way = "up" if wish > 0 else "down"
        yield "cooperation", f"On fakes, D's loss and G's both push the logit {way}."
    elif real < 0 < fake and not fake_now < 0:
        yield "exchanged", "D's loss pushes its logit down on real samples and up on fakes."


def fixed_noise(case):
    (r,) = case.need("round")
    first, second = (torch.cat([z.flatten(1) for z in zs]) for zs in r.z)
    share = float((nearest(second, first)[0] == 0).float().mean())
    if share > 0.5:
        yield "fixed_noise", f"{share:.0%} of the second step's latents had been in the first."


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


def mode_of_players(case):
    (r,) = case.need("round")
    fickle = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    for name in sorted(r.evaluating):
        if any(isinstance(m, fickle) for m in getattr(case, name).modules()):
            yield "eval_mode", f"{name} has layers that differ in training, and trains in eval mode."


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
    _, _, d, slope = case.round.rows("D", False)
    if not len(d):
        raise Skip("D's loss has no real samples")
    target = d.sigmoid() - slope
    if _std(target) < 1e-3 and 0.6 < abs(float(target.mean())) < 1.3:
        yield "double_sigmoid", f"{seen}, and the loss treats them as logits."


def limit_on_the_slope(case):
    """A loss linear in d, and nothing that limits how steep D may become: no penalty, clipping or spectral norm."""
    r, flat, far = case.need("round", "flat", "far")
    near, away = ([a.rows("D", fake)[3] for fake in (False, True)] for a in (flat, far))
    if any(len(g) < 2 for g in (*near, *away)):
        raise Skip("D's loss lacks real samples or fakes")
    linear = all(float((a - b.mean()).abs().max()) < 1e-3 * float(b.abs().mean())
                 for a, b in zip(away, near, strict=True))  # fmt: skip
    if not linear or any(c.penalty for c in r.calls):
        return
    weights = [p.detach() for p in case.D.parameters() if p.ndim > 1]
    ends = [float(p.abs().max()) for p in weights]
    clipped = max(ends) < 0.2 and max(ends) - min(ends) < 1e-6  # every matrix ends at the same value
    if clipped or any(hasattr(m, "parametrizations") for m in case.D.modules()):
        return
    d = torch.cat([r.rows("D", fake)[2] for fake in (False, True)])
    yield ("no_limit", f"The loss is linear in D's score, which reaches {float(d.abs().max()):.3g}, and no "
           "penalty, clipping or spectral norm limits its slope.")  # fmt: skip


# ----------------------------------------------------------------------------------------------- data and range


def shape(case):
    fake, x_real = case.need("fake", "x_real")
    if fake.shape[1:] != x_real.shape[1:]:
        a, b = (" x ".join(map(str, x.shape[1:])) for x in (fake, x_real))
        yield "wrong_shape", f"A fake is {a}, a real sample {b}."


def structure(case):
    (x_real,) = case.need("x_real")
    if not case.images:
        raise Skip("only images have neighbouring pixels")
    r = pixel_correlation(x_real[:256])  # in double precision: a thousand large images would take gigabytes
    if abs(r) < 0.1:
        yield "no_structure", f"Neighbouring pixels of the real images have a correlation of {r:.3f}."


def value_range(case):
    fake, x_real = case.need("fake", "x_real")
    if case.round is not None:
        entered, real = (case.round.rows("D", which)[0] for which in (True, False))
        if len(entered) and len(real):
            made = torch.cat([x.flatten() for x in case.round.made])
            by = _std(entered) / max(_std(made), 1e-12)
            off = _std(entered) / max(_std(real), 1e-12)
            if math.isfinite(by * off) and not (0.5 < by < 2) and not (0.5 < off < 2):
                yield ("range_mismatch", f"Fakes are rescaled by {by:.2g} on their way into D: their spread there "
                       f"is {_std(entered):.2g}, that of real samples {_std(real):.2g}.")  # fmt: skip
    if not case.images or case.G_ends != "Tanh":
        return
    low, high = float(x_real.min()), float(x_real.max())
    if low >= -1e-3 or high > 1.5 or low < -1.5:
        yield ("range_mismatch", f"Real images lie in {low:.2f} to {high:.2f}; G ends in tanh, which gives -1 to "
               f"1 (these fakes: {float(fake.min()):.2f} to {float(fake.max()):.2f}).")  # fmt: skip


def bounds(case):
    fake, x_real = case.need("fake", "x_real")
    if not case.images:
        raise Skip("only images have bounds")
    low, high, end = float(x_real.min()), float(x_real.max()), case.G_ends
    beyond = max(float(fake.max()) - high, low - float(fake.min())) / max(high - low, 1e-12)
    if end in ("LeakyRelu", "Relu", "Elu", "Softplus", "Gelu", "Silu") or (
        beyond > 0.5 and end not in ("Tanh", "Sigmoid", "Clamp", "Hardtanh")
    ):
        yield ("unbounded_output", f"Fakes lie in {float(fake.min()):.2f} to {float(fake.max()):.2f}, real ones "
               f"in {low:.2f} to {high:.2f}; G ends in {end or 'an unknown operation'}.")  # fmt: skip


def condition(case):
    fake, again = case.need("fake", "again")
    change = float((fake - again).abs().mean()) / max(_std(fake), 1e-12)
    if change < 1e-5:
        yield "condition_ignored", f"Other labels for the same latents change the images by {change:.2g}."


# ------------------------------------------------------------------------------------------------ what comes out


def finite(case):
    """Records, weights and running statistics of all networks, samples and outputs at rest, and after two steps."""
    for name, values in case.history.items():
        bad = [i for i, v in enumerate(values) if not math.isfinite(v)]
        if bad:
            yield "not_finite", f"{name} is {values[bad[0]]} at record {bad[0] + 1}."
            return
    values = {f"A weight or statistic of {name}": (*network.parameters(), *network.buffers())
              for name, network in case.networks.items()}  # fmt: skip
    values |= {"A real sample": (case.x_real,), "A fake": (case.fake, case.settled), "D's output": (case.d_real,)}
    for what, tensors in values.items():
        if any(t is not None and not t.isfinite().all() for t in tensors):
            yield "not_finite", f"{what} is not finite."
            return
    for name in case.round.moved if case.round is not None else ():
        if not math.isfinite(case.round.moved[name]):
            yield "not_finite", f"In {REPEATS} steps a weight of {name} left the finite numbers."
            return


def gradient_sizes(case):
    (r,) = case.need("round")
    for name, norm in r.norms.items():
        if norm > 1e4:
            yield "exploding", f"The gradient of {name} has norm {norm:.2g}."
    slope = r.rows("G", True)[3]
    d_real, d_fake = case.need("d_real", "d_fake")
    if len(slope) and float(slope.abs().mean()) < 0.02 and auc(d_real.flatten(), d_fake.flatten()) > 0.95:
        yield "vanishing", f"The slope of G's loss in D's logit is {float(slope.abs().mean()):.2g} on average."


def balance(case):
    d_real, d_fake = (d.flatten() for d in case.need("d_real", "d_fake"))
    sure = auc(d_real, d_fake)
    if sure > 0.999:
        yield "d_winning", f"D ranks a real sample above a fake in {sure:.1%} of all pairs."
    elif sure < 0.05 and case.round is None:
        kind = "symptom" if case.steps >= EARLY else "remark"
        yield "exchanged", f"D ranks a real sample above a fake in only {sure:.1%} of all pairs.", kind
    if case.steps > EARLY and _std(torch.cat([d_real, d_fake])) < 1e-4:
        yield "d_idle", f"D's outputs differ by {_std(torch.cat([d_real, d_fake])):.1g} over all samples."


def records(case):
    """Of two that play against each other, only one can have all it wants: a hint where no step can be watched."""
    if case.round is not None or not {"loss_D", "loss_G"} <= case.history.keys():
        raise Skip("signs are read from the step" if case.round else "no records called loss_D and loss_G were given")
    of_D, of_G = (float(torch.tensor(case.history[k][-50:]).mean()) for k in ("loss_D", "loss_G"))
    if 0 <= of_D < 0.1 and of_G < 0.1:
        yield ("cooperation", f"D's loss is {of_D:.2g} and G's {of_G:.2g}: both have what they want (where G "
               "minimises log(1 - D(G(z))), it means that D wins).", "remark")  # fmt: skip


def collapse(case):
    """Spread of the fakes beside the data's, and the birthday test: does a fake have a twin among 256?"""
    fake, x_real = case.need("fake", "x_real")
    if fake.shape[1:] != x_real.shape[1:]:
        raise Skip("fakes and real samples differ in shape")
    if min(len(fake), len(x_real)) < 2:
        raise Skip("one sample has no spread")
    kind = "symptom" if case.steps >= EARLY else "remark"
    spread = float(fake.float().std(0).mean() / x_real.float().std(0).mean().clamp(min=1e-12))
    twins = own = 0.0
    if case.images:
        apart = nearest_other(x_real[: len(fake)])
        twins, own = (float((d < 0.1 * apart.median()).float().mean()) for d in (nearest_other(fake), apart))
    if spread < 0.1 or twins > 0.2 + 2 * own:  # the data may hold doubles itself
        seen = f"The fakes' spread is {spread:.0%} of the data's"
        yield "collapse", seen + (f"; {twins:.0%} of {len(fake)} have a twin." if case.images else "."), kind
    elif case.again is not None and case.labels is not None and case.labels.ndim == 1:
        worst, c, _ = worst_class(case)
        if worst < 0.1:
            yield "collapse_in_class", f"In class {c} the fakes' spread is {worst:.0%} of the data's.", kind


def worst_class(case) -> tuple[float, int, Tensor]:
    """(spread of the fakes over the data's where it is least, that class, labels of all fakes)."""
    fake, x_real, labels = case.need("fake", "x_real", "labels")
    of_fake = labels[torch.arange(len(fake)) % len(labels)]
    enough = [c for c in of_fake.unique() if (of_fake == c).sum() > 5]
    ratios = [(float(fake[of_fake == c].std(0).mean() / x_real[labels == c].std(0).mean()), int(c)) for c in enough]
    return *min(ratios, default=(math.inf, -1)), of_fake


def memorised(case):
    fake, x_real = case.need("fake", "x_real")
    if not case.images or fake.shape[1:] != x_real.shape[1:]:
        raise Skip("only images of the data's shape are compared")
    apart = nearest_other(x_real)
    if apart.median() == 0:  # so few that they were drawn again and again: how far apart are different ones?
        apart = nearest_other(x_real.unique(dim=0))
        if len(apart) < 2:
            raise Skip("the data are one image")
    to_data, _ = nearest(as_rows(fake), as_rows(x_real))
    share, own = (float((d < 0.2 * apart.median()).float().mean()) for d in (to_data, apart))
    if share > 0.05 + 2 * own:
        yield "memorised", f"{share:.0%} of the fakes are all but equal to one of {len(x_real)} real images."


def statistics(case):
    fake, settled = case.need("fake", "settled")
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in case.G.modules()):
        raise Skip("G has no batch norm")
    change = float((fake - settled).abs().mean()) / max(_std(fake), 1e-12)
    if change > 0.5 and case.steps >= EARLY:
        yield "stale_statistics", f"In eval mode pixels differ by {change:.0%} of their spread."


def oscillation(case):
    for name, values in case.history.items():
        x = torch.tensor(values, dtype=torch.float64)
        x = x[len(x) // 2 :]
        if len(x) < 128 or not x.isfinite().all() or not name.lower().count("loss"):
            continue
        power = torch.fft.rfft(x - x.mean()).abs().square()[2:]  # the slowest is a trend
        if float(power.max() / power.sum().clamp(min=1e-30)) > 0.4:
            period = len(x) / (int(power.argmax()) + 2)
            yield "oscillation", f"{name} swings with a period of about {period:.0f} steps."
            return


CHECKS = (updates, gradients_left_over, signs, fixed_noise, label_leak, mode_of_players, sigmoid_twice,
          limit_on_the_slope, shape, structure, value_range, bounds, condition, finite, gradient_sizes, balance,
          records, collapse, memorised, statistics, oscillation)  # fmt: skip

"""The doctor's checks of what comes out, one symptom each: functions of a `doctor.Case`, they yield (key, seen).

They look at data, networks, samples and records, never at a name; those of the step are in `ganedu.doctor.wiring`. A
check raises `Skip` where it lacks material. Where it sees less than would make a run sick it yields a third item, the
lesser kind: (key, seen, "remark").
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..metrics import auc, nearest
from . import wiring
from .outputs import as_rows, logits, nearest_other, pixel_correlation
from .players import INPLACE, takes_labels
from .watch import REPEATS, Skip
from .wiring import BATCHNORM

PILED = 6  # gradients kept in a player, in lengths of one that a loss of slope 1 can have
FEW_IMAGES = 64  # so many different images, or fewer, can only be copied
ENDS = {"Tanh": (-1, 1), "Sigmoid": (0, 1), "Hardtanh": (-1, 1), "Clamp": (-1, 1), "Hardsigmoid": (0, 1)}  # of a G
EARLY = 200  # steps before which alike fakes are no finding: many a generator starts from one grey image


def _std(x: Tensor) -> float:
    return float(x.float().std())


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
        if len(entered) and len(real) and case.round.made:
            made = torch.cat([x.flatten() for x in case.round.made])
            by = _std(entered) / max(_std(made), 1e-12)
            off = _std(entered) / max(_std(real), 1e-12)
            if math.isfinite(by * off) and not (0.5 < by < 2) and not (0.5 < off < 2):
                yield ("range_mismatch", f"Fakes are rescaled by {by:.2g} on their way into D: their spread there "
                       f"is {_std(entered):.2g}, that of real samples {_std(real):.2g}.")  # fmt: skip
    if not case.images or case.G_ends not in ENDS:
        return
    low, high = float(x_real.min()), float(x_real.max())
    least, most = ENDS[case.G_ends]
    width = most - least
    if low < least - 0.25 * width or high > most + 0.25 * width or low > least + 0.499 * width:
        made = f"{float(fake.min()):.2f} to {float(fake.max()):.2f}"
        yield ("range_mismatch", f"Real images lie in {low:.2f} to {high:.2f}; G ends in {case.G_ends.lower()}, which "
               f"gives {least} to {most} (these fakes: {made}).")  # fmt: skip


def bounds(case):
    fake, x_real = case.need("fake", "x_real")
    if not case.images:
        raise Skip("only images have bounds")
    low, high, end = float(x_real.min()), float(x_real.max()), case.G_ends
    values, few = fake.flatten().sort().values, int(0.005 * fake.numel())
    beyond = max(float(values[-1 - few]) - high, low - float(values[few])) / max(high - low, 1e-12)
    one_sided = end in ("LeakyRelu", "Relu", "Elu", "Softplus", "Gelu", "Silu") and (beyond > 0.05 or low < -0.05)
    if one_sided or (beyond > 0.5 and end not in ENDS):
        yield ("unbounded_output", f"Fakes lie in {float(fake.min()):.2f} to {float(fake.max()):.2f}, real ones "
               f"in {low:.2f} to {high:.2f}; G ends in {end or 'an unknown operation'}.")  # fmt: skip


def normalised_output(case):
    case.need("fake")
    if case.images and "BatchNorm" in case.G_before + case.G_ends:
        end = f"a batch norm and {case.G_ends.lower()}" if case.G_ends in ENDS else "a batch norm"
        yield "batchnorm_at_output", f"G ends in {end}: in every batch the images are told their mean and spread."


def frame(case):
    """Pixels at the border that are one and the same in all real images, cut off from the picture, not so in fakes.

    As they enter D, where a step could be watched.
    """
    fake, x_real = case.need("fake", "x_real")
    entered = [case.round.rows("D", which)[0] for which in (True, False)] if case.round is not None else []
    shape = x_real.shape[1:]
    if len(entered) == 2 and all(len(t) >= 8 and t[0].numel() == x_real[0].numel() for t in entered):
        fake, x_real = (t.reshape(len(t), *shape) for t in entered)
    x, f = x_real.float(), fake.float()
    if x.ndim != 4 or f.shape[1:] != x.shape[1:] or min(x.shape[-2:]) < 8:
        raise Skip("only images of the data's shape have a border to compare")
    if case.steps < EARLY:
        raise Skip("too few steps are recorded")
    width = float(x.max() - x.min())
    for name, turn in (("top row", lambda t: t), ("left column", lambda t: t.transpose(-1, -2))):
        ring, inner, of_fake = turn(x)[..., 0, 1:-1], turn(x)[..., 1:4, 1:-1], turn(f)[..., 0, 1:-1]
        goes_on = float(((inner - ring.mean()).abs() < 0.02 * width).float().mean())  # as a background does
        off = float((of_fake - ring.mean()).abs().mean())
        if float(ring.std()) < 1e-6 and goes_on < 0.2 and off > 0.02 * width:
            yield ("giveaway", f"The {name} of pixels is {float(ring.mean()):.2f} in every real image, "
                   f"and {off:.2g} off in the fakes.")  # fmt: skip
            return


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


def balance(case):
    d_real, d_fake = (d.flatten() for d in case.need("d_real", "d_fake"))
    sure = auc(d_real, d_fake)
    if sure > 0.999:
        yield "d_winning", f"D ranks a real sample above a fake in {sure:.1%} of all pairs."
    elif sure < 0.05 and case.round is None:  # or D lags behind: the step would tell
        yield "exchanged", f"D ranks a real sample above a fake in only {sure:.1%} of all pairs.", "remark"
    if case.steps > EARLY and _std(torch.cat([d_real, d_fake])) < 1e-4:
        yield "d_idle", f"D's outputs differ by {_std(torch.cat([d_real, d_fake])):.1g} over all samples."


def records(case):
    """What two losses say together, where no step can be watched: of two that play, only one can have all it wants."""
    if case.round is not None or not {"loss_D", "loss_G"} <= case.history.keys():
        raise Skip("signs are read from the step" if case.round else "no records called loss_D and loss_G were given")
    of_D, of_G = (float(torch.tensor(case.history[k][-50:]).mean()) for k in ("loss_D", "loss_G"))
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


def recorded_forms(case):
    """Which losses would cost what was recorded last, of D's outputs at rest: their form tells what D's end has to be.

    Only what no sound form explains is a finding: at d = 0 many cost the same.
    """
    if case.round is not None or not {"loss_D", "loss_G"} <= case.history.keys():
        raise Skip("forms are read from the step" if case.round else "no records called loss_D and loss_G were given")
    if not EARLY <= case.steps < math.inf:
        raise Skip("no history says that the run is older than its beginning")
    r, f = (d.reshape(len(d), -1).double() for d in case.need("d_real", "d_fake"))
    if r.shape[1] > 1:
        raise Skip("D gives several outputs")
    of_D, of_G = (float(torch.tensor(case.history[k][-10:]).mean()) for k in ("loss_D", "loss_G"))
    if case.D_ends in ("Sigmoid", "Tanh"):
        yield from _form_behind_a_bound(case.D_ends, of_D, of_G, r, f)
        return
    saturating = [-softplus(f)] if of_G <= 0 else []
    curved = (softplus(-f), (f - 1).square(), (f - 1).square() / 2, f.square(), *saturating)
    if any(_near(of_G, g) for g in curved):
        return
    if _near(of_G, -f):
        slope = _steepness(case)
        if slope > 2:
            yield "no_limit", f"G's loss is minus D's score; between real and fake D's slope is {slope:.3g}.", "symptom"
    elif _near(of_G, softplus(f)) or _near(of_G, f):
        yield ("cooperation", f"G's loss is {of_G:.2g} while D says {float(f.mean()):.2g} of fakes: it is small where "
               "D is sure of them.", "symptom")  # fmt: skip


def _near(recorded: float, cost: Tensor) -> bool:
    cost = float(cost.mean())
    return abs(recorded - cost) < 0.1 + 0.15 * max(abs(recorded), abs(cost))


def _form_behind_a_bound(end: str, of_D: float, of_G: float, r: Tensor, f: Tensor):
    """D ends in a sigmoid or tanh: the one form that fits both records, if it fits well and no other does."""
    forms = {  # (D's loss, G's loss); a penalty may come on top of a difference of scores
        "square": ((r - 1).square() + f.square(), (f - 1).square()),
        "difference": (torch.full_like(r, max(of_D, float(f.mean() - r.mean()))), -f),
        "logits": (softplus(-r) + softplus(f), softplus(-f)),
    }
    if end == "Sigmoid":
        low = 1e-6
        forms["chances"] = (-r.clamp(min=low).log() - (1 - f).clamp(min=low).log(), -f.clamp(min=low).log())
    off = {k: min(abs(of_D - n * float(d.mean())) for n in (0.5, 1)) + abs(of_G - float(g.mean()))
           for k, (d, g) in forms.items()}  # fmt: skip
    best, second = sorted(off, key=off.get)[:2]
    if off[best] > 0.1 or off[second] < 0.1 + 2 * off[best]:
        return
    if best in ("square", "difference"):
        yield ("critic_ends_in_sigmoid", f"D ends in {end.lower()}, and the records fit a {best} of what comes out.",
               "symptom")  # fmt: skip
    elif best == "logits" and end == "Sigmoid":
        yield "double_sigmoid", "D ends in a sigmoid, and the records fit a loss that takes logits.", "symptom"


def _steepness(case) -> float:
    """Median length of D's slope half-way between real samples and fakes."""
    fake, x_real = case.need("fake", "x_real")
    n = min(len(fake), len(x_real), 64)
    u = ((x_real[:n].float() + fake[:n].reshape(x_real[:n].shape)) / 2).requires_grad_()
    (g,) = torch.autograd.grad(case.judged(u).sum(), u)
    return float(g.flatten(1).norm(dim=1).median())


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
    norms = [m for m in case.networks["G"].modules() if isinstance(m, BATCHNORM)]
    if not norms:
        raise Skip("G has no batch norm")
    change = float((fake - settled).abs().mean()) / max(_std(fake), 1e-12)
    if change <= 0.2 or case.steps < EARLY:
        return
    seen = f"In eval mode pixels differ by {change:.0%} of their spread"
    never = case.steps < math.inf and all(
        m.num_batches_tracked is not None and int(m.num_batches_tracked) == 0 for m in norms
    )
    averaged = case.round is not None and "G" not in case.round.called and case.round.moved["G"] > 0
    if never or averaged:
        why = "its statistics are those it was made with" if never else "the step moves its weights and not these"
        yield "stale_statistics", f"{seen}, and {why}."
    elif change > 0.5:
        yield "stale_statistics", f"{seen}.", "remark"


def few_images(case):
    """So few different images that a sample of the data is full of doubles."""
    (x_real,) = case.need("x_real")
    if not case.images or len(x_real) < 4 * FEW_IMAGES:
        raise Skip("only a sample of many images shows how many there are")
    n = len(x_real.unique(dim=0))
    if n < FEW_IMAGES:
        yield "few_images", f"Of {len(x_real)} real images drawn only {n} are different."


def skipped_layers(case):
    """Matrices that no output of a network depends on."""
    if case.round is not None:
        raise Skip("the step shows what moves")
    G, D, fake, _ = case.need("G", "D", "fake", "d_real")
    outputs = {"G": lambda: G(case.z.clone(), *case.asked), "D": lambda: case.judged(fake, whole=True)}
    for name, network in (("G", G), ("D", D)):
        if takes_labels(network) and case.labels is None:
            continue  # a layer for labels rests where none are given
        weights = {k: p for k, p in network.named_parameters() if p.requires_grad and p.ndim > 1}
        out = outputs[name]()
        if isinstance(out, tuple | list):
            continue  # several heads: one of them may be another loss's
        slopes = torch.autograd.grad(out.float().mean(), list(weights.values()), allow_unused=True)
        if unused := [k for k, g in zip(weights, slopes, strict=True) if g is None]:
            yield "part_never_moves", f"No output of {name} depends on its {wiring.names(unused)}."


def resting(case):
    """Layers that look as they are drawn, in a network whose others do not."""
    if case.round is not None:
        raise Skip("the step shows what moves")
    if not EARLY <= case.steps < math.inf:
        raise Skip("no history says that the run is older than its beginning")
    for name in ("G", "D"):
        if name not in case.networks:
            continue
        fresh = {k: _as_drawn(m) for k, m in case.networks[name].named_modules() if _drawn_by_torch(m)}
        if len(fresh) > 1 and all(fresh.values()):
            yield "not_updated", f"All weights of {name} look as they are drawn, after {case.steps:.0f} steps."
        elif any(fresh.values()):
            yield ("part_never_moves", f"{name}'s {wiring.names([k + '.weight' for k, f in fresh.items() if f])} look "
                   f"as they are drawn, after {case.steps:.0f} steps; the other layers do not.")  # fmt: skip


def _drawn_by_torch(m) -> bool:
    """Large enough to tell, not frozen, and not divided by a norm."""
    whole = isinstance(m, nn.Linear | nn.modules.conv._ConvNd) and not wiring.normed(m)
    return whole and m.weight.requires_grad and m.weight.numel() >= 1000


def _as_drawn(m) -> bool:
    """Whether a weight is uniform in +-1 / sqrt(fan in), as torch draws it: its ends, and Kolmogorov's test."""
    w = m.weight.detach().double().flatten().sort().values
    end = nn.init._calculate_fan_in_and_fan_out(m.weight)[0] ** -0.5
    if not w.isfinite().all() or float(w.abs().max()) > end * (1 + 1e-6):
        return False
    steps = torch.arange(1, len(w) + 1, dtype=torch.float64, device=w.device) / len(w)
    return float((w / end / 2 + 0.5 - steps).abs().max()) < 2.2 / len(w) ** 0.5  # about 1 in 10^4 is refused


def piled_up(case):
    """Gradients that hold many steps' worth: a loss whose slope is 1 at most has a smaller one."""
    if case.round is not None:
        raise Skip("the step shows what is left over")
    G, D, x_real, _ = case.need("G", "D", "x_real", "fake")
    held = {name: _norm(p.grad for p in case.networks[name].parameters()) for name in ("G", "D")}
    if not any(held.values()):
        raise Skip("no gradients are kept")
    d_fake = case.judged(logits(G(case.z.clone(), *case.asked)))
    d_real = case.judged(x_real[: len(d_fake)])
    if case.D_ends == "Sigmoid" or d_fake[0].numel() > 1:
        raise Skip("of a sigmoid, and of several outputs, D's last slope is not known")
    lengths = {"G": _gradient(d_fake, G), "D": _gradient(d_fake, D) + _gradient(d_real, D)}
    for name, most in lengths.items():
        if math.isfinite(held[name]) and held[name] > PILED * most > 0:
            yield ("leftover_gradient", f"The gradient kept in {name} is {held[name] / most:.0f} times as long as one "
                   "of a loss with slope 1.", "symptom")  # fmt: skip


def _gradient(d: Tensor, network: nn.Module) -> float:
    """Length of the gradient of D's mean output by a network's weights."""
    weights = [p for p in network.parameters() if p.requires_grad]
    return _norm(torch.autograd.grad(d.mean(), weights, retain_graph=True, allow_unused=True))


def _norm(grads) -> float:
    norms = [g.detach().float().norm() for g in grads if g is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0


def wild(case):
    """Losses far beyond what an undecided D costs, up and down; fakes that one or two steps throw about."""
    losses = {k: torch.tensor(v, dtype=torch.float64) for k, v in case.history.items() if k in ("loss_D", "loss_G")}
    known = case.round is not None and EARLY <= case.steps < math.inf
    if known and (moved := wiring.jump(case)) > 0.5:
        yield "exploding", f"In {REPEATS} steps G's images changed by {moved:.0%} of the data's spread."
        return
    if len(losses) < 2 or case.steps < EARLY or any(float(v.min()) < 0 for v in losses.values()):
        return  # a loss below 0 is a difference of scores, and has no scale of its own
    late = {k: v[len(v) // 2 :] for k, v in losses.items()}
    if all(float(v.quantile(0.95)) > 20 for v in late.values()):
        ends = ", ".join(f"{k} up to {float(v.max()):.3g}" for k, v in late.items())
        yield "exploding", f"In the second half of the records {ends}: no D that is unsure costs that much."


def raises(case):
    """What an exception of the step says for certain."""
    if any(words in case.failed for words in INPLACE):
        yield "step_raises_inplace", case.failed.partition(". Usually")[0][:200] + "."
    if "target should be between 0 and 1" in case.failed:
        yield "target_outside_0_1", case.failed.partition(". Usually")[0][:200] + "."


def kept_graphs(case):
    if case.graphs:
        yield "history_keeps_graph", f"{', '.join(case.graphs)}: values are tensors that keep the graph they came from."


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


CHECKS = (raises, wiring.updates, wiring.gradients_left_over, wiring.signs, wiring.aims, wiring.forms,
          wiring.fixed_noise, wiring.latents, wiring.label_leak, wiring.mode_of_players, wiring.mixed_batches,
          wiring.sigmoid_twice, wiring.limit_on_the_slope, wiring.penalties, shape, structure, few_images, value_range,
          bounds, normalised_output, frame, condition, wiring.gradient_sizes, balance, records, recorded_forms,
          collapse, memorised, statistics, skipped_layers, resting, piled_up, wild, kept_graphs,
          oscillation)  # fmt: skip

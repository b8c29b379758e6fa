"""The doctor's checks of what comes out, one symptom each: functions of a `doctor.Case`, they yield (key, seen).

They look at data, networks, samples and records, never at a name; those of the step are in `ganedu.doctor.wiring`,
those of a run whose step was not watched in `ganedu.doctor.rest` (what its networks keep) and `ganedu.doctor.records`.
A check raises `Skip` where it lacks material. Where it sees less than would make a run sick it yields a third item, the
lesser kind: (key, seen, "remark").
"""

import math

import torch
from torch import Tensor

from ..metrics import auc, nearest
from . import records, rest, wiring
from .outputs import as_rows, nearest_other, pixel_correlation
from .players import INPLACE
from .rest import EARLY
from .watch import REPEATS, Skip
from .wiring import BATCHNORM

FEW_IMAGES = 64  # so many different images, or fewer, can only be copied
ENDS = {"Tanh": (-1, 1), "Sigmoid": (0, 1), "Hardtanh": (-1, 1), "Clamp": (-1, 1), "Hardsigmoid": (0, 1)}  # of a G


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
    counted = rest.batches_counted(case.networks["G"])
    learns = case.round is None and any(p.grad is not None for p in case.networks["G"].parameters())
    never = counted is not None and case.steps < math.inf and counted < case.steps / 10 and not learns
    averaged = case.round is not None and "G" not in case.round.called and case.round.moved["G"] > 0
    if never or averaged:
        why = (
            f"it has counted {counted} batches in {case.steps:.0f} steps"
            if never
            else "the step moves its weights and not these"
        )
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
          bounds, normalised_output, frame, condition, wiring.gradient_sizes, balance,
          collapse, memorised, statistics, wild, kept_graphs, oscillation, *rest.CHECKS,
          *records.CHECKS)  # fmt: skip

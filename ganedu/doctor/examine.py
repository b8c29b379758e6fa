"""The doctor: examines a run, whoever wrote its loop, and names the most likely cause first.

`examine(trainer)`, `examine("runs/dcgan-digits")`, or `examine(G=G, D=D, step=step, x_real=x, history=records)`.
Everything is tried on copies. A check (`ganedu.doctor.checks`) is a small function of a `Case` that yields (key, score,
what was seen). A score ranks: above 0.8 for what is wrong in the wiring of the step or in the data, 0.3 to 0.8
for symptoms that may have several causes, below 0.3 for a remark about a run that is not sick by it.
"""

import contextlib
import copy
import inspect
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..sampling import device_of, seeded
from . import cards
from .checks import CHECKS
from .watch import Round, Skip, last_operation, logits, watch

SICK = 0.3  # score from which on a finding makes the run sick
N = 256  # samples of each kind that the measures stand on


class Entry(NamedTuple):
    """What is said about a finding, besides the number: title, why it matters, what to try first, which notebook."""

    title: str
    why: str
    first: str
    notebook: str


FINDINGS = {key: Entry(*text) for key, text in {
    "wrong_shape": ("The fakes have another shape than the data",
        "D cannot compare them; or it flattens them and sees nonsense.",
        "Print x_real.shape and G(z).shape; follow the strides from the smallest map to the image.", "03_dcgan"),
    "not_updated": ("A player never moves", "The other one plays alone; nothing is learnt from each other.",
        "Check whose parameters each optimiser holds, detach() and no_grad(): only D's step may cut the graph to G.",
        "07_gan_clinic"),
    "no_structure": ("The real images are noise", "Neighbouring pixels have nothing to do with each other.",
        "Show a few of the real images just before they enter D.", "07_gan_clinic"),
    "label_leak": ("The label tells real from fake", "D need not look at the images at all.",
        "Give the fakes labels drawn as those of the real batch are.", "04_conditional_gan"),
    "no_adversary": ("G learns without asking D", "What G is fitted to has nothing to do with the data.",
        "G's loss must be a function of D(G(z)).", "01_minimax_game"),
    "moved_by_other": ("A player is moved by the other's loss", "Each undoes the other's learning, along its own wish.",
        "One optimiser for G's parameters, one for D's.", "07_gan_clinic"),
    "fakes_ignored": ("D never learns from a fake", "It calls everything real, and G gets no hint.",
        "D's loss needs a term of D(G(z)) that pushes it down.", "01_minimax_game"),
    "cooperation": ("G and D pull the same way", "G moves its fakes to where D already wants them: away from the data.",
        "Check the sign of G's loss: it must raise D(G(z)) where D lowers it.", "07_gan_clinic"),
    "exchanged": ("Real and fake have changed places", "D lowers its logit on real samples: harmless with a proper "
        "cross-entropy and both players agreed, but negated losses have no bound and no pull at their ends.",
        "Compare with -log D(x) - log(1 - D(G(z))), sign by sign.", "07_gan_clinic"),
    "double_sigmoid": ("Sigmoid twice", "The loss takes logits, D gives probabilities: D cannot be sure, and its "
        "gradient is small.", "Leave the sigmoid out of D.", "00_before_you_start"),
    "range_mismatch": ("Real and fake have another range", "D tells them by brightness alone.",
        "Print min, max and mean of both as they enter D; scale both to [-1, 1], once.", "07_gan_clinic"),
    "condition_ignored": ("G makes nothing of the label", "Whatever class is asked for, the same image comes.",
        "Check that the label enters G's first layers.", "04_conditional_gan"),
    "fixed_noise": ("The same latents again and again", "G learns a few images by heart, no distribution.",
        "Draw z anew in every step.", "07_gan_clinic"),
    "unbounded_output": ("The fakes leave the images' range", "Pixels beyond the data's range give the fakes away.",
        "End G in tanh, and scale the data to [-1, 1].", "03_dcgan"),
    "no_limit": ("A critic without a limit on its slope", "A difference of scores grows for ever as D steepens.",
        "Add a gradient penalty (wgan_gp) or spectral norm, or take the cross-entropy.", "06_distances_and_penalties"),
    "leftover_gradient": ("A gradient is added to an older one", "A player follows the other's loss as well.",
        "Call zero_grad() of its optimiser right before each backward().", "00_before_you_start"),
    "not_finite": ("Values are not finite", "From the first NaN on nothing is learnt.",
        "Take losses on logits, lower the learning rate, add R1.", "05_training_dynamics"),
    "collapse": ("The fakes look alike", "G covers a small part of the data.",
        "Add R1 or take the relativistic loss; try other seeds: collapse is a probability.", "02_mode_collapse"),
    "collapse_in_class": ("Within a class the fakes look alike", "Labels are right, and every seven is the same seven.",
        "Look at recall in the worst class; add R1.", "04_conditional_gan"),
    "eval_mode": ("A player trains in evaluation mode", "Batch norm uses old statistics, dropout is off.",
        "Call .train() before training goes on, .eval() for sampling.", "03_dcgan"),
    "vanishing": ("G's gradient vanishes", "D is sure, and the loss is flat there.",
        "Take the non-saturating loss; weaken D by R1.", "06_distances_and_penalties"),
    "exploding": ("Gradients explode", "One step undoes many.", "Lower the learning rate; add R1.",
        "05_training_dynamics"),
    "memorised": ("Fakes are training images", "G repeats the data.", "More data, augmentation, a stronger penalty.",
        "09_overfitting"),
    "d_winning": ("D tells every fake", "Not sick in itself: what matters is whether G still learns.",
        "Look whether the samples still improve; if not, add R1.", "06_distances_and_penalties"),
    "d_idle": ("D says the same of everything", "G gets no hint where to go.", "Raise D's learning rate or width.",
        "05_training_dynamics"),
    "stale_statistics": ("Batch norm's statistics are stale", "Samples in eval mode differ from those in training.",
        "Take them anew (sampling.refresh_batchnorm) before sampling.", "03_dcgan"),
    "oscillation": ("The losses swing", "The players chase each other; the level of a loss says little.",
        "Average G's weights; add R1; lower the learning rate.", "05_training_dynamics"),
    "wasted_gradient": ("D's step also computes a gradient of G", "Thrown away, so harmless; it costs time, and joins "
        "G's goal as soon as zero_grad() is not called before G's backward.", "x_fake = G(z).detach() in D's step.",
        "07_gan_clinic"),
}.items()}  # fmt: skip


class Finding(NamedTuple):
    """One thing found: its key in `FINDINGS`, how sure and grave it is (0 to 1), and the number that was seen."""

    key: str
    score: float
    seen: str

    @property
    def entry(self) -> Entry:
        return FINDINGS[self.key]

    @property
    def sick(self) -> bool:
        return self.score >= SICK

    def __str__(self) -> str:
        e, mark = self.entry, "!" if self.sick else "-"
        return (f"{mark} {e.title} [{self.key}]\n    seen:  {self.seen}\n    why:   {e.why}\n    first: {e.first}\n"
                f"    read:  {e.notebook}")  # fmt: skip


class Report(list):
    """Findings, most likely cause first; `skipped`, what could not be looked at: {check: why}.

    `case` holds what was looked at; a notebook draws its pictures from it.
    """

    def __init__(self, findings=(), skipped: dict[str, str] | None = None, case: "Case | None" = None):
        super().__init__(sorted(findings, key=lambda f: -f.score))
        self.skipped, self.case = skipped or {}, case

    @property
    def healthy(self) -> bool:
        """No finding makes the run sick: remarks do not count."""
        return not any(f.sick for f in self)

    def __str__(self) -> str:
        lines = ["healthy: nothing found that makes a run sick" if self.healthy else "sick: most likely cause first"]
        lines += [str(f) for f in self]
        lines += [f"not looked at: {check} ({why})" for check, why in self.skipped.items()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return cards.page(self)


# -------------------------------------------------------------------------------------------------- what is examined


@dataclass
class Case:
    """The material as the checks see it: copies of the players, samples at rest, and what the step did."""

    G: nn.Module | None
    D: nn.Module | None
    x_real: Tensor | None = None
    labels: Tensor | None = None
    fake: Tensor | None = None  # G's output as in training
    settled: Tensor | None = None  # and in eval mode
    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    again: Tensor | None = None  # the same latents with other labels
    G_ends: str = ""  # the last operation of each network, such as "Tanh"
    D_ends: str = ""
    round: Round | None = None
    flat: Round | None = None  # with D's logits at one level, see watch.watch
    far: Round | None = None
    history: dict = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)  # what is missing: why

    def need(self, *names: str) -> list:
        for name in names:
            if getattr(self, name) is None:
                raise Skip(self.why_not.get(name, f"no {name} was given"))
        return [getattr(self, name) for name in names]

    @property
    def steps(self) -> float:
        """Steps recorded; infinite where no history says."""
        return max((len(v) for v in self.history.values()), default=math.inf)

    @property
    def images(self) -> bool:
        return self.x_real is not None and self.x_real.ndim == 4


def examine(run=None, *, G=None, D=None, step=None, x_real=None, labels=None, z=None, z_dim=None, history=None,
            opt_G=None, opt_D=None) -> Report:  # fmt: skip
    """Findings about a run, most likely cause first; the run is left as it was found.

    `run` is a Trainer, or the folder of one that `ganedu train` wrote. Or give what you have of your own loop: the
    networks, `step(*batch, G=..., D=..., opt_G=..., opt_D=...)` or a `step(*batch)` that holds its players, a batch
    x_real (N, ...) with labels (N,), latents z or z_dim, history {name: list of floats}. The batch may be on any
    device: it is moved to the networks'. What is missing, or raises, is
    said in `report.skipped`. Raises FileNotFoundError or ValueError for a folder without a readable run.
    """
    given = {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}
    if isinstance(run, str | Path):
        from ..runs import recipes

        run = recipes.load_trainer(run)
    if run is not None:
        given = {**given, **run.players}
        step, history = run.step_function, history or run.history
        if x_real is None:
            with seeded(12345), contextlib.suppress(Exception):  # without data the rest is examined
                batch = run.data(4 * N)
                x_real, *rest = batch if isinstance(batch, tuple | list) else (batch,)
                labels = rest[0] if rest else labels
        z_dim = z_dim or getattr(step, "keywords", {}).get("z_dim")
    case = _prepare(given, step, x_real, labels, z, z_dim, history or {})
    findings, skipped = [], {}
    for check in CHECKS:
        try:
            with seeded(0):
                for found in check(case):
                    findings.append(Finding(*found))
        except Skip as e:
            skipped[check.__name__] = str(e)
        except Exception as e:  # somebody's network or records: one check fails, the others go on
            skipped[check.__name__] = f"{type(e).__name__}: {e}"
    return Report(findings, skipped, case)


def _prepare(given: dict, step, x_real, labels, z, z_dim, history: dict) -> Case:
    case = Case(None, None, history={k: v for k, v in history.items() if isinstance(v, list | tuple) and len(v)})
    for name in ("G", "D"):
        if isinstance(given[name], nn.Module):
            _try(case, (name,), lambda case, name=name: [copy.deepcopy(given[name])])
    G, D = case.G, case.D
    device = device_of(nn.ModuleList([m for m in (G, D) if m is not None]), x_real)
    case.x_real = None if x_real is None else x_real.detach().to(device)
    case.labels = None if labels is None else labels.detach().to(device)
    with seeded(0):
        _try(case, ("fake", "settled", "again"), _sample, z, z_dim or getattr(G, "z_dim", None))
        _try(case, ("d_real", "d_fake"), _judge)
    if step is None or case.x_real is None or None in (G, D):
        missing = "step" if step is None else "x_real" if case.x_real is None else "G" if G is None else "D"
        case.why_not |= dict.fromkeys(("round", "flat", "far"), f"no {missing} was given")
        return case
    players = {k: v for k, v in given.items() if v is not None}
    batch = tuple(t[: _count(case) // 4] for t in (case.x_real, case.labels) if t is not None)
    _try(case, ("round", "flat", "far"), lambda case: watch(step, players, batch))
    return case


def _try(case: Case, names: tuple[str, ...], measure, *rest) -> None:
    try:
        for name, value in zip(names, measure(case, *rest), strict=True):
            setattr(case, name, value)
    except Skip as e:
        case.why_not.update(dict.fromkeys(names, str(e)))
    except Exception as e:
        what = "the step" if "round" in names else "a network"
        case.why_not.update(dict.fromkeys(names, f"{what} raises {type(e).__name__}: {e}"))


def _sample(case: Case, z, z_dim) -> tuple:
    case.need("G")
    if z is None and z_dim is None:
        raise Skip("neither z nor z_dim was given")
    device = device_of(case.G)
    z = torch.randn(_count(case), z_dim, device=device) if z is None else z.detach()[:N].to(device)
    y = labels = None
    if case.labels is not None and _takes_labels(case.G):
        labels = case.labels[torch.arange(len(z)) % len(case.labels)]
        y = labels.roll(1) if labels.unique(dim=0).shape[0] > 1 else None
    case.G.train()
    fake = _call(case.G, z, labels)
    again = None if y is None else _call(case.G, z, y).detach()
    if again is None:
        case.why_not["again"] = "G takes no labels, or there is only one"
    case.G_ends = last_operation(fake)
    return fake.detach(), _call(copy.deepcopy(case.G).eval(), z, labels).detach(), again


def _judge(case: Case) -> tuple:
    D, fake, x_real = case.need("D", "fake", "x_real")
    D.train()
    labels = case.labels if _takes_labels(D) else None
    n = min(len(fake), len(x_real))
    d_real, d_fake = (logits(_call(D, x[:n].float(), None if labels is None else labels[:n])) for x in (x_real, fake))
    case.D_ends = last_operation(d_real)
    return d_real.detach(), d_fake.detach()


def _count(case: Case) -> int:
    """Samples to measure on: 256, fewer of large images, so that an examination takes seconds."""
    return N if not case.images else min(N, max(64, 2**20 // case.x_real[0].numel()))


def _takes_labels(module: nn.Module) -> bool:
    """Whether forward has a place for labels; our own networks always have, and say by `n_classes` if it is used."""
    return getattr(module, "n_classes", 1) > 0 and len(inspect.signature(module.forward).parameters) > 1


def _call(module: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return module(x) if labels is None else module(x, labels)

"""What the doctor can find: the table of findings with their texts, one `Finding`, and the `Report` that lists them.

A finding is of one of three kinds: wrong in the wiring of the step or in the data; a symptom that may have several
causes; a remark about a run that is not sick by it. A report lists them in the order of the table.
"""

from dataclasses import dataclass
from typing import NamedTuple

from . import cards


class Entry(NamedTuple):
    """What is said about a finding, besides what was seen: title, why it matters, what to try first, which notebook."""

    title: str
    why: str
    first: str
    notebook: str
    kind: str  # in the table; a check that is less sure says another


# {kind: {key: texts}}, most likely cause first. None: a lesser kind of a finding that stands above with its texts.
TABLE = {
    "wiring": {
        "wrong_shape": (
            "The fakes have another shape than the data",
            "D cannot compare them; or it flattens them and sees nonsense.",
            "Print x_real.shape and G(z).shape; follow the strides from the smallest map to the image.",
            "03_dcgan",
        ),
        "not_updated": (
            "A player never moves",
            "The other one plays alone; nothing is learnt from each other.",
            "Check whose parameters each optimiser holds, detach() and no_grad(): only D's step may cut the "
            "graph to G.",
            "07_gan_clinic",
        ),
        "no_structure": (
            "The real images are noise",
            "Neighbouring pixels have nothing to do with each other.",
            "Show a few of the real images just before they enter D.",
            "07_gan_clinic",
        ),
        "label_leak": (
            "The label tells real from fake",
            "D need not look at the images at all.",
            "Give the fakes labels drawn as those of the real batch are.",
            "04_conditional_gan",
        ),
        "no_adversary": (
            "G learns without asking D",
            "What G is fitted to has nothing to do with the data.",
            "G's loss must be a function of D(G(z)).",
            "01_minimax_game",
        ),
        "fakes_ignored": (
            "D never learns from a fake",
            "It calls everything real, and G gets no hint.",
            "D's loss needs a term of D(G(z)) that pushes it down.",
            "01_minimax_game",
        ),
        "cooperation": (
            "G and D pull the same way",
            "G moves its fakes to where D already wants them: away from the data.",
            "Check the sign of G's loss: it must raise D(G(z)) where D lowers it.",
            "07_gan_clinic",
        ),
        "exchanged": (
            "Real and fake have changed places",
            "D lowers its logit on real samples: harmless with a proper cross-entropy and both players agreed, "
            "but negated losses have no bound and no pull at their ends.",
            "Compare with -log D(x) - log(1 - D(G(z))), sign by sign.",
            "07_gan_clinic",
        ),
        "moved_by_other": (
            "A player is moved by the other's loss",
            "Each undoes the other's learning, along its own wish.",
            "One optimiser for G's parameters, one for D's.",
            "07_gan_clinic",
        ),
        "double_sigmoid": (
            "Sigmoid twice",
            "The loss takes logits, D gives probabilities: D cannot be sure, and its gradient is small.",
            "Leave the sigmoid out of D.",
            "00_before_you_start",
        ),
        "range_mismatch": (
            "Real and fake have another range",
            "D tells them by brightness alone.",
            "Print min, max and mean of both as they enter D; scale both to [-1, 1], once.",
            "07_gan_clinic",
        ),
        "condition_ignored": (
            "G makes nothing of the label",
            "Whatever class is asked for, the same image comes.",
            "Check that the label enters G's first layers.",
            "04_conditional_gan",
        ),
        "fixed_noise": (
            "The same latents again and again",
            "G learns a few images by heart, no distribution.",
            "Draw z anew in every step.",
            "07_gan_clinic",
        ),
        "unbounded_output": (
            "The fakes leave the images' range",
            "Pixels beyond the data's range give the fakes away.",
            "End G in tanh, and scale the data to [-1, 1].",
            "03_dcgan",
        ),
        "no_limit": (
            "A critic without a limit on its slope",
            "A difference of scores grows for ever as D steepens.",
            "Add a gradient penalty (wgan_gp) or spectral norm, or take the cross-entropy.",
            "06_distances_and_penalties",
        ),
        "leftover_gradient": (
            "A gradient is added to an older one",
            "A player follows the other's loss as well.",
            "Call zero_grad() of its optimiser right before each backward().",
            "00_before_you_start",
        ),
        "not_finite": (
            "Values are not finite",
            "From the first NaN on nothing is learnt.",
            "Take losses on logits, lower the learning rate, add R1.",
            "05_training_dynamics",
        ),
    },
    "symptom": {
        "exchanged": None,
        "collapse": (
            "The fakes look alike",
            "G covers a small part of the data.",
            "Add R1 or take the relativistic loss; try other seeds: collapse is a probability.",
            "02_mode_collapse",
        ),
        "collapse_in_class": (
            "Within a class the fakes look alike",
            "Labels are right, and every seven is the same seven.",
            "Look at recall in the worst class; add R1.",
            "04_conditional_gan",
        ),
        "eval_mode": (
            "A player trains in evaluation mode",
            "Batch norm uses old statistics, dropout is off.",
            "Call .train() before training goes on, .eval() for sampling.",
            "03_dcgan",
        ),
        "exploding": (
            "Gradients explode",
            "One step undoes many.",
            "Lower the learning rate; add R1.",
            "05_training_dynamics",
        ),
        "vanishing": (
            "G's gradient vanishes",
            "D is sure, and the loss is flat there.",
            "Take the non-saturating loss; weaken D by R1.",
            "06_distances_and_penalties",
        ),
        "memorised": (
            "Fakes are training images",
            "G repeats the data.",
            "More data, augmentation, a stronger penalty.",
            "09_overfitting",
        ),
    },
    "remark": {
        "wasted_gradient": (
            "D's step also computes a gradient of G",
            "Thrown away, so harmless; it costs time, and joins G's goal as soon as zero_grad() is not called "
            "before G's backward.",
            "x_fake = G(z).detach() in D's step.",
            "07_gan_clinic",
        ),
        "double_sigmoid": None,
        "d_idle": (
            "D says the same of everything",
            "G gets no hint where to go.",
            "Raise D's learning rate or width.",
            "05_training_dynamics",
        ),
        "cooperation": None,
        "stale_statistics": (
            "Batch norm's statistics are stale",
            "Samples in eval mode differ from those in training.",
            "Take them anew (sampling.refresh_batchnorm) before sampling.",
            "03_dcgan",
        ),
        "d_winning": (
            "D tells every fake",
            "Not sick in itself: what matters is whether G still learns.",
            "Look whether the samples still improve; if not, add R1.",
            "06_distances_and_penalties",
        ),
        "exchanged": None,
        "collapse": None,
        "collapse_in_class": None,
        "oscillation": (
            "The losses swing",
            "The players chase each other; the level of a loss says little.",
            "Average G's weights; add R1; lower the learning rate.",
            "05_training_dynamics",
        ),
    },
}
FINDINGS = {key: Entry(*texts, kind) for kind, rows in TABLE.items() for key, texts in rows.items() if texts}
PLACES = {place: i for i, place in enumerate((kind, key) for kind, rows in TABLE.items() for key in rows)}
SCORES = {"wiring": 1.0, "symptom": 0.5, "remark": 0.0}
SICK = SCORES["symptom"]  # score from which on a finding makes the run sick


@dataclass
class Finding:
    """One thing found: its key in `FINDINGS`, what was seen, and its kind where it is not that of its entry.

    Raises KeyError for a key that `TABLE` does not hold under this kind.
    """

    key: str
    seen: str
    kind: str = ""

    def __post_init__(self):
        self.kind = self.kind or self.entry.kind
        self.place = PLACES[self.kind, self.key]

    @property
    def entry(self) -> Entry:
        return FINDINGS[self.key]

    @property
    def score(self) -> float:
        """How grave its kind is: 1 for wiring, 0.5 for a symptom, 0 for a remark."""
        return SCORES[self.kind]

    @property
    def sick(self) -> bool:
        return self.score >= SICK

    def __str__(self) -> str:
        e, mark = self.entry, "!" if self.sick else "-"
        lines = [f"{mark} {e.title} [{self.key}]", f"seen:  {self.seen}", f"why:   {e.why}", f"first: {e.first}"]
        return "\n    ".join([*lines, f"read:  {e.notebook}"])


class Report(list):
    """Findings in the table's order, most likely cause first; `skipped`, what could not be looked at: {check: why}.

    `case` holds what was looked at; a notebook draws its pictures from it. A run is sick, or healthy, or nothing can
    be said of it, because too little was given or what was given does not run: `verdict` says which, in one line.
    """

    def __init__(self, findings=(), skipped: dict[str, str] | None = None, case=None):
        super().__init__(sorted(findings, key=lambda f: f.place))
        self.skipped, self.case = skipped or {}, case

    @property
    def sick(self) -> bool:
        """A finding makes the run sick: remarks do not count."""
        return any(f.sick for f in self)

    @property
    def healthy(self) -> bool:
        """No finding makes the run sick, and enough could be looked at to say so."""
        return not self.sick and not (self.case and self.case.doubt)

    @property
    def verdict(self) -> str:
        if self.sick:
            return "sick: most likely cause first"
        if not self.healthy:
            return f"could not tell: {self.case.doubt}"
        unwatched = self.case.unwatched if self.case else ""
        return "healthy: nothing found that makes a run sick" + (f"; but {unwatched}" if unwatched else "")

    def __str__(self) -> str:
        lines = [self.verdict, *(str(f) for f in self)]
        lines += [f"not looked at: {check} ({why})" for check, why in self.skipped.items()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return cards.page(self)

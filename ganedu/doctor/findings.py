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
        "not_finite": (
            "Values are not finite",
            "From the first NaN on nothing is learnt.",
            "Take losses on logits, lower the learning rate, add R1; under a square root add 1e-12 before it.",
            "05_training_dynamics",
        ),
        "step_raises_inplace": (
            "The step breaks off: two losses share one graph",
            "G's loss was taken of what D said before D's own step changed its weights, or freed the graph.",
            "After opt_D.step(): loss_G = bce(D(x_fake), ones); in D's step D(x_fake.detach()).",
            "07_gan_clinic",
        ),
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
        "part_never_moves": (
            "A part of a player never moves",
            "It stays as it was drawn: the rest has to learn around it.",
            "Pass all of it, Adam(D.parameters()), and see that forward calls each layer of __init__.",
            "07_gan_clinic",
        ),
        "loss_broadcasts": (
            "Every output is compared with every target",
            "Outputs (N, 1) beside targets (N,) make a table of N times N: D learns the mean of all targets.",
            "targets.view(-1, 1), or torch.ones_like(d): targets of the output's own shape.",
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
        "real_pushed_down": (
            "D's loss lowers real samples too",
            "Nothing tells D what is real: it can only say no.",
            "One term up on real, one down on fakes: bce(D(x_real), ones) + bce(D(x_fake), zeros).",
            "01_minimax_game",
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
        "double_softmax": (
            "Softmax twice",
            "The cross-entropy takes logits, D gives chances: D cannot be sure, and its gradient is small.",
            "Leave the softmax out of D: cross_entropy(D(x), labels) has it inside.",
            "00_before_you_start",
        ),
        "critic_ends_in_sigmoid": (
            "D's end does not fit its loss",
            "A score between 0 and 1 under a loss without a logarithm: where D is sure, its slope is flat, and so is "
            "G's.",
            "Leave the sigmoid out of D, or take nn.BCELoss with it.",
            "06_distances_and_penalties",
        ),
        "loss_of_the_mean": (
            "The loss is taken of the batch's mean",
            "(D(x).mean() - 1)^2 is content when half of the samples lie far above and half far below.",
            "Mean of the squares, not square of the mean: ((D(x) - 1) ** 2).mean().",
            "06_distances_and_penalties",
        ),
        "target_outside_0_1": (
            "A target that no probability reaches",
            "The cross-entropy of a target beyond 0 and 1 has no lowest point: D's logits grow for ever.",
            "Smooth the real targets to 0.9 and no further: bce(d_real, 0.9 * ones).",
            "07_gan_clinic",
        ),
        "fakes_smoothed": (
            "The targets of the fakes are smoothed",
            "With a target above 0 the best D no longer says p / (p + q): it rewards fakes for staying where they are "
            "(Salimans et al. 2016, section 3.4).",
            "Smooth the real targets alone: bce(d_real, 0.9 * ones) + bce(d_fake, zeros).",
            "07_gan_clinic",
        ),
        "range_mismatch": (
            "Real and fake have another range",
            "D tells them by brightness alone.",
            "Print min, max and mean of both as they enter D; scale both to [-1, 1], once.",
            "07_gan_clinic",
        ),
        "mixed_batch_batchnorm": (
            "D's batch norm sees real and fake together",
            "In D's loss a batch's own mean gives the fakes away; in G's loss they come alone, and D is another one.",
            "Two calls: D(x_real) and D(x_fake), each with its own batch.",
            "03_dcgan",
        ),
        "batchnorm_at_output": (
            "Batch norm right before G's output",
            "Every batch is given the same mean and spread, whatever its pictures are of.",
            "Leave the batch norm out before the last tanh.",
            "03_dcgan",
        ),
        "giveaway": (
            "The real images carry a mark",
            "D needs to look at the border alone.",
            "Show real images just before they enter D; crop what loading, padding or scaling has put there.",
            "07_gan_clinic",
        ),
        "condition_ignored": (
            "G makes nothing of the label",
            "Whatever class is asked for, the same image comes.",
            "Check that the label enters G's first layers.",
            "04_conditional_gan",
        ),
        "condition_constant": (
            "Every sample comes with one and the same label",
            "No network learns what another label would mean.",
            "Print labels.unique() just before D: they must be those of the batch.",
            "04_conditional_gan",
        ),
        "latents_differ": (
            "D's and G's steps draw their latents differently",
            "D judges fakes from other latents than those that G learns from.",
            "One function for both: z = torch.randn(n, z_dim).",
            "07_gan_clinic",
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
        "penalty_wrong": (
            "The penalty does not limit D's slope",
            "It is no part of what D learns, or measures something else than the slope of whole samples.",
            "g, = grad(D(u).sum(), u, create_graph=True); (g.flatten(1).norm(dim=1) - 1) ** 2; one weight a sample "
            "between real and fake; layer norm or none in D.",
            "06_distances_and_penalties",
        ),
        "leftover_gradient": (
            "A gradient is added to an older one",
            "A player follows the other's loss as well.",
            "Call zero_grad() of its optimiser right before each backward().",
            "00_before_you_start",
        ),
    },
    "symptom": {
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
        "leftover_gradient": None,
        "stale_statistics": (
            "Batch norm's statistics are stale",
            "Samples in eval mode differ from those in training.",
            "Take them anew (sampling.refresh_batchnorm) before sampling.",
            "03_dcgan",
        ),
        "critic_ends_in_sigmoid": None,
        "no_limit": None,
        "mixed_batch_batchnorm": None,
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
        "few_images": (
            "A handful of images",
            "D learns them by heart, and G can do nothing but copy.",
            "More images, or augment both real and fake (notebook 09 has a measure of copying).",
            "09_overfitting",
        ),
        "exchanged": None,
    },
    "remark": {
        "history_keeps_graph": (
            "Records keep the graph of every step",
            "Each value holds all that it was computed from: memory grows until the run is stopped.",
            "history.append(loss.item()), or loss.detach().",
            "00_before_you_start",
        ),
        "wasted_gradient": (
            "D's step also computes a gradient of G",
            "Thrown away, so harmless; it costs time, and joins G's goal as soon as zero_grad() is not called "
            "before G's backward.",
            "x_fake = G(z).detach() in D's step.",
            "07_gan_clinic",
        ),
        "double_sigmoid": None,
        "penalty_wrong": None,
        "d_idle": (
            "D says the same of everything",
            "G gets no hint where to go.",
            "Raise D's learning rate or width.",
            "05_training_dynamics",
        ),
        "cooperation": None,
        "stale_statistics": None,
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


HOW = "step=step, where step(x_real), or step(x_real, labels), is one round of your loop"


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

    def __init__(self, findings=(), skipped: dict[str, str] | None = None, case=None, looks: int = 0):
        super().__init__(sorted(findings, key=lambda f: f.place))
        self.skipped, self.case, self.looks = skipped or {}, case, looks

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
        if self.case and self.case.failed:
            return f"not examined: {self.case.doubt}"
        if self.sick:
            return "sick: most likely cause first"
        if not self.healthy:
            return f"could not tell: {self.case.doubt}"
        unwatched = self.case.unwatched if self.case else ""
        return "healthy: nothing found that makes a run sick" + (f"; but {unwatched}" if unwatched else "")

    def __str__(self) -> str:
        lines = [self.verdict, *(str(f) for f in self)]
        if self.case and self.case.unwatched == "no step was given":
            lines = [f"No step was given, so the wiring of the loop is not examined: give {HOW}.", *lines]
        if self.skipped:
            lines += [f"not looked at: {len(self.skipped)} of {self.looks} checks; report.skipped says why"]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return cards.page(self)

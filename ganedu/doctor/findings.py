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
            "Of logits nn.BCEWithLogitsLoss(), of chances nn.BCELoss(), in place of a torch.log() of your own; "
            "then a tenth of the learning rate. Under a root: (s + 1e-12).sqrt().",
            "05_training_dynamics",
        ),
        "step_raises_inplace": (
            "The step breaks off: two losses share one graph",
            "G's loss was taken of what D said before D's own step changed its weights, or freed the graph.",
            "In D's step D(x_fake.detach()); then, after opt_D.step(), ask D again: loss_G = bce(D(x_fake), ones), "
            "not bce(d_fake, ones). Where that is so: something is changed in place (x += 1, inplace=True), or kept "
            "from an earlier step without detach().",
            "07_gan_clinic",
        ),
        "wrong_shape": (
            "The fakes have another shape than the data",
            "D cannot compare them; or it flattens them and sees nonsense.",
            "print(x_real.shape, G(z).shape), then the shape behind each layer of G: nn.ConvTranspose2d(c, k, 4, "
            "stride=2, padding=1) doubles height and width.",
            "03_dcgan",
        ),
        "not_updated": (
            "A player never moves",
            "The other one plays alone; nothing is learnt from each other.",
            "opt_G = Adam(G.parameters()), opt_D = Adam(D.parameters()), and step() of both. D(x_fake.detach()) in "
            "D's loss alone; in G's it is D(x_fake), without no_grad(). If G's step freezes D: "
            "D.requires_grad_(True) before D's step.",
            "07_gan_clinic",
        ),
        "part_never_moves": (
            "A part of a player never moves",
            "It stays as it was drawn: the rest has to learn around it.",
            "opt_D = Adam(D.parameters()), not of some layers. Right after loss_D.backward(): for k, p in "
            "D.named_parameters(): print(k, p.grad is None). No loss reaches what is True. So with G.",
            "07_gan_clinic",
        ),
        "loss_broadcasts": (
            "Every output is compared with every target",
            "Outputs (N, 1) beside targets (N,) make a table of N times N: each output is pulled to the mean of all "
            "targets (no harm only where they are all alike).",
            "((d - targets) ** 2).mean() -> ((d - targets.view_as(d)) ** 2).mean(); the same with nn.MSELoss().",
            "07_gan_clinic",
        ),
        "no_structure": (
            "The real images are noise",
            "Neighbouring pixels have nothing to do with each other.",
            "plt.imshow(x_real[0, 0].cpu()) right before D(x_real). From (N, H, W, C): x.view(-1, C, H, W) -> "
            "x.permute(0, 3, 1, 2).",
            "07_gan_clinic",
        ),
        "label_leak": (
            "The label tells real from fake",
            "D need not look at the images at all.",
            "Labels of fakes in the form and the shares of the real ones: D(x_fake, labels), or "
            "torch.randint(n_classes, labels.shape).",
            "04_conditional_gan",
        ),
        "no_adversary": (
            "G learns without asking D",
            "What G is fitted to has nothing to do with the data.",
            "loss_G = bce(D(G(z)), ones), with other terms only added to it; no detach() and no no_grad() in it.",
            "01_minimax_game",
        ),
        "fakes_ignored": (
            "D never learns from a fake",
            "It calls everything real, and G gets no hint.",
            "loss_D = bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros), and backward() of the sum.",
            "01_minimax_game",
        ),
        "cooperation": (
            "G and D pull the same way",
            "G moves its fakes to where D already wants them: away from the data.",
            "Both push down: loss_G = bce(D(G(z)), zeros) -> bce(D(G(z)), ones); of a critic, D(G(z)).mean() -> "
            "-D(G(z)).mean(). Both push up: zeros are the targets of the fakes in loss_D.",
            "07_gan_clinic",
        ),
        "real_pushed_down": (
            "D's loss lowers real samples too",
            "Nothing tells D what is real: it can only say no.",
            "bce(D(x_real), zeros) -> bce(D(x_real), ones), beside bce(D(x_fake), zeros); of a critic, loss_D = "
            "D(x_fake).mean() - D(x_real).mean().",
            "01_minimax_game",
        ),
        "exchanged": (
            "Real and fake have changed places",
            "D lowers its logit on real samples: harmless with a proper cross-entropy and both players agreed, but "
            "negated losses have no bound or no pull at their ends.",
            "In both losses: loss_D = bce(D(x_real), ones) + bce(D(x_fake.detach()), zeros), loss_G = bce(D(x_fake), "
            "ones). By hand, of logits: (F.softplus(-d_real) + F.softplus(d_fake)).mean(), and "
            "F.softplus(-d_fake).mean() for G.",
            "07_gan_clinic",
        ),
        "moved_by_other": (
            "A player is moved by the other's loss",
            "Each undoes the other's learning, along its own wish.",
            "Adam([*G.parameters(), *D.parameters()]) -> opt_G = Adam(G.parameters()), opt_D = "
            "Adam(D.parameters()); each takes its step() after its own loss.",
            "07_gan_clinic",
        ),
        "double_sigmoid": (
            "Sigmoid twice",
            "The loss takes logits, D gives probabilities: D cannot be sure, and its gradient is small.",
            "Either nn.BCEWithLogitsLoss() and no sigmoid in D, or nn.BCELoss() and D's sigmoid: not "
            "nn.BCEWithLogitsLoss() with it.",
            "00_before_you_start",
        ),
        "double_softmax": (
            "Softmax twice",
            "The cross-entropy takes logits, D gives chances: D cannot be sure, and its gradient is small.",
            "cross_entropy(D(x).softmax(1), labels) -> cross_entropy(D(x), labels). Of chances: "
            "nn.NLLLoss()(D(x).log(), labels).",
            "00_before_you_start",
        ),
        "critic_ends_in_sigmoid": (
            "D's end does not fit its loss",
            "A score between two bounds (sigmoid, tanh) under a loss without a logarithm: where D is sure, its slope "
            "is flat, and so is G's.",
            "D: ..., nn.Linear(n, 1), nn.Sigmoid() -> ..., nn.Linear(n, 1); so with nn.Tanh(). Or keep the sigmoid "
            "and take nn.BCELoss().",
            "06_distances_and_penalties",
        ),
        "loss_of_the_mean": (
            "The loss is taken of the batch's mean",
            "(D(x).mean() - 1)^2 is content when half of the samples lie far above and half far below.",
            "(D(x).mean() - 1) ** 2 -> ((D(x) - 1) ** 2).mean(); bce(D(x).mean(), one) -> bce(D(x), ones), of "
            "logits and of chances.",
            "06_distances_and_penalties",
        ),
        "target_outside_0_1": (
            "A target that no probability reaches",
            "The cross-entropy of a target beyond 0 and 1 has no lowest point: where targets lie beyond on average, "
            "D's logits grow for ever.",
            "bce(d_real, 1.2 * ones) -> bce(d_real, 0.9 * ones), of logits and of chances; noisy targets: "
            "targets.clamp(0, 1).",
            "07_gan_clinic",
        ),
        "fakes_smoothed": (
            "The targets of the fakes are smoothed",
            "With a target above 0 the best D no longer says p / (p + q): it rewards fakes for staying where they are "
            "(Salimans et al. 2016, section 3.4).",
            "bce(d_fake, 0.1 * ones) -> bce(d_fake, zeros), beside bce(d_real, 0.9 * ones); of logits and of chances.",
            "07_gan_clinic",
        ),
        "range_mismatch": (
            "Real and fake have another range",
            "D tells them by brightness alone.",
            "print(x_real.min(), x_real.max(), x_fake.min(), x_fake.max()) right before D. For a G that ends in "
            "tanh: x_real = 2 * x - 1 of x in [0, 1], x / 127.5 - 1 of bytes, once.",
            "07_gan_clinic",
        ),
        "mixed_batch_batchnorm": (
            "D's batch norm sees real and fake together",
            "In D's loss a batch's own mean gives the fakes away; in G's loss they come alone, and D is another one.",
            "D(torch.cat([x_real, x_fake])) -> d_real, d_fake = D(x_real), D(x_fake.detach()).",
            "03_dcgan",
        ),
        "batchnorm_at_output": (
            "Batch norm right before G's output",
            "Every batch is given the same mean and spread, whatever its pictures are of.",
            "G: ..., nn.ConvTranspose2d(...), nn.BatchNorm2d(c), nn.Tanh() -> ..., nn.ConvTranspose2d(...), nn.Tanh().",
            "03_dcgan",
        ),
        "giveaway": (
            "The real images carry a mark",
            "D needs to look at the border alone.",
            "plt.imshow(torch.cat([x_real[0, 0], x_fake[0, 0].detach()], 1).cpu()) right before D. Cut from both "
            "what loading or padding has put there: x[..., 1:-1, 1:-1].",
            "07_gan_clinic",
        ),
        "condition_ignored": (
            "G makes nothing of the label",
            "Whatever class is asked for, the same image comes.",
            "G(z, labels), whose forward begins with torch.cat([z, self.embed(labels)], 1), self.embed = "
            "nn.Embedding(n_classes, 16); its first layer then takes z_dim + 16 numbers.",
            "04_conditional_gan",
        ),
        "condition_constant": (
            "Every sample comes with one and the same label",
            "No network learns what another label would mean.",
            "print(labels.unique()) right before D. With x_real go the labels of its batch: for x_real, labels in "
            "loader; with fakes torch.randint(n_classes, (n,)).",
            "04_conditional_gan",
        ),
        "latents_differ": (
            "D's and G's steps draw their latents differently",
            "D judges fakes from other latents than those that G learns from.",
            "z = torch.randn(n, z_dim) in both steps: not torch.rand in one, nor another size or scale.",
            "07_gan_clinic",
        ),
        "fixed_noise": (
            "The same latents again and again",
            "G learns a few images by heart, no distribution.",
            "z = torch.randn(n, z_dim) inside the loop, before G(z); a fixed_noise is for pictures alone.",
            "07_gan_clinic",
        ),
        "unbounded_output": (
            "The fakes leave the images' range",
            "Pixels beyond the data's range, or a part of it that G cannot reach, give the fakes away.",
            "G: nn.Sequential(..., nn.Tanh()), and x_real = 2 * x - 1 of images in [0, 1].",
            "03_dcgan",
        ),
        "no_limit": (
            "A critic without a limit on its slope",
            "A difference of scores grows for ever as D steepens.",
            "from ganedu.losses import wgan_gp; loss_D = loss_D + wgan_gp(lambda x: D(x).flatten(), x_real, x_fake); "
            "or torch.nn.utils.parametrizations.spectral_norm(layer) for each layer of D; or bce in place of means.",
            "06_distances_and_penalties",
        ),
        "penalty_wrong": (
            "The penalty does not limit D's slope",
            "It is no part of what D learns, or measures something else than the slope of whole samples.",
            "w = torch.rand(n, 1, 1, 1); u = (w * x_real + (1 - w) * x_fake.detach()).requires_grad_(); g, = "
            "torch.autograd.grad(D(u).sum(), u, create_graph=True); loss_D += 10 * ((g.flatten(1).norm(dim=1) - 1) "
            "** 2).mean(). No batch norm in D.",
            "06_distances_and_penalties",
        ),
        "leftover_gradient": (
            "A gradient is added to an older one",
            "A player follows the other's loss as well, or its own of earlier steps.",
            "loss_D.backward(); opt_D.step() -> opt_D.zero_grad(); loss_D.backward(); opt_D.step(). So with opt_G; "
            "with two backward() for one step(), once before the first.",
            "00_before_you_start",
        ),
    },
    "symptom": {
        "eval_mode": (
            "A player trains in evaluation mode",
            "Batch norm uses old statistics, dropout is off.",
            "G.train(); D.train() as the loop's first line; G.eval() for pictures alone.",
            "03_dcgan",
        ),
        "stale_statistics": (
            "Batch norm's statistics are stale",
            "Samples in eval mode differ from those in training.",
            "Before sampling: G.train(), fifty calls G(z) under torch.no_grad(), then G.eval(); or, of a G with a "
            "z_dim, ganedu.sampling.refresh_batchnorm(G).",
            "03_dcgan",
        ),
        "mixed_batch_batchnorm": None,
        "fixed_noise": None,
        "latents_differ": None,
        "target_outside_0_1": None,
        "exchanged": None,
        "penalty_wrong": None,
        "no_limit": None,
        "critic_ends_in_sigmoid": None,
        "double_sigmoid": None,
        "cooperation": None,
        "leftover_gradient": None,
        "range_mismatch": None,
        "giveaway": None,
        "real_pushed_down": None,
        "fakes_ignored": None,
        "collapse": (
            "The fakes look alike",
            "G covers a small part of the data.",
            "from ganedu.losses import r1; loss_D = loss_D + r1(lambda x: D(x).flatten(), x_real); or the "
            "relativistic loss, ganedu.losses.relativistic. Try three seeds: collapse is a probability.",
            "02_mode_collapse",
        ),
        "collapse_in_class": (
            "Within a class the fakes look alike",
            "Labels are right, and every seven is the same seven.",
            "Look at one class: G(z, torch.full((len(z),), c)). Then from ganedu.losses import r1; loss_D = loss_D + "
            "r1(lambda x: D(x, labels).flatten(), x_real).",
            "04_conditional_gan",
        ),
        "exploding": (
            "Gradients explode",
            "One step undoes many.",
            "Adam(..., lr=1e-3) -> Adam(..., lr=2e-4, betas=(0.5, 0.999)); then from ganedu.losses import r1; loss_D "
            "= loss_D + r1(lambda x: D(x).flatten(), x_real).",
            "05_training_dynamics",
        ),
        "vanishing": (
            "G's gradient vanishes",
            "D is sure, and the loss is flat there.",
            "loss_G = -bce(D(x_fake), zeros), that is log(1 - D(G(z))) -> loss_G = bce(D(x_fake), ones), of logits "
            "and of chances; then weaken D: from ganedu.losses import r1; loss_D = loss_D + r1(lambda x: "
            "D(x).flatten(), x_real).",
            "06_distances_and_penalties",
        ),
        "memorised": (
            "Fakes are training images",
            "G repeats the data.",
            "Augment both alike, D(T(x_real)) and D(T(x_fake)); from ganedu.losses import r1; loss_D = loss_D + "
            "r1(lambda x: D(x).flatten(), x_real); more images.",
            "09_overfitting",
        ),
        "few_images": (
            "A handful of images",
            "D learns them by heart, and G can do nothing but copy.",
            "print(len(dataset)); DataLoader(dataset, 64, shuffle=True). If they are that few: D(T(x_real)), "
            "D(T(x_fake)), one augmentation T for both (notebook 09).",
            "09_overfitting",
        ),
    },
    "remark": {
        "history_keeps_graph": (
            "Records keep the graph of every step",
            "Each value holds all that it was computed from: memory grows until the run is stopped.",
            "losses.append(loss) -> losses.append(loss.item()).",
            "00_before_you_start",
        ),
        "wasted_gradient": (
            "D's step also computes a gradient of G",
            "Thrown away, so harmless; it costs time, and joins G's goal as soon as zero_grad() is not called "
            "before G's backward.",
            "In D's step D(G(z)) -> D(G(z).detach()).",
            "07_gan_clinic",
        ),
        "double_sigmoid": None,
        "double_softmax": None,
        "penalty_wrong": None,
        "d_idle": (
            "D says the same of everything",
            "G gets no hint where to go.",
            "Adam(D.parameters(), lr=4e-4) beside 1e-4 for G; then twice the channels in D.",
            "05_training_dynamics",
        ),
        "cooperation": None,
        "stale_statistics": None,
        "d_winning": (
            "D tells every fake",
            "Not sick in itself: what matters is whether G still learns.",
            "Look at G(z) of the same z every 500 steps. If the pictures no longer improve: from ganedu.losses "
            "import r1; loss_D = loss_D + r1(lambda x: D(x).flatten(), x_real).",
            "06_distances_and_penalties",
        ),
        "exchanged": None,
        "collapse": None,
        "collapse_in_class": None,
        "oscillation": (
            "The losses swing",
            "The players chase each other; the level of a loss says little.",
            "Draw samples from an average of G's weights, 0.999 * average + 0.001 * weights; then from ganedu.losses "
            "import r1; loss_D = loss_D + r1(lambda x: D(x).flatten(), x_real); then half the learning rate.",
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

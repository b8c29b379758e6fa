"""The clinic's patients: mistakes that were published (B6' is half of one), each alone in a run healthy without it.

A run is made of `Parts`; a patient's fault replaces one of them (two where one mistake stands in two lines), so undoing
it gives the healthy run back, number by number. Points come from a ring of 8, with perceptrons; images are digits,
fashion or shapes at 16 pixels, with a narrow DCGAN. The letters and numbers are those of the articles' list of faults.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import data, losses, models
from ..inputs import one_of
from ..toys import densities

POINTS, IMAGES = ("ring",), ("digits", "fashion", "shapes")
EVERYWHERE = POINTS + IMAGES
STEPS = {"ring": 800, "digits": 150, "fashion": 150, "shapes": 150}  # two to six seconds on one core

# -------------------------------------------------------------------------------------------- the parts of a run


def same(x):
    return x


def by_the_judgement(D, x_fake, *labels, g_loss=losses.non_saturating_g) -> Tensor:
    """G's loss: what D thinks of the fakes."""
    return g_loss(D(x_fake, *labels))


@dataclass(frozen=True)
class Parts:
    """What a run is made of; the defaults are healthy. Each patient replaces what its fault is about."""

    d_loss: Callable = losses.cross_entropy_d  # (d_real, d_fake) -> scalar
    g_goal: Callable = by_the_judgement  # (D, x_fake, *labels) -> scalar
    prepare: Callable = same  # images as they come -> the batch
    shown: Callable = same  # fakes on their way into D's own step
    real_labels: Callable = same  # labels -> those that D gets with real images,
    fake_labels: Callable = same  # and with fakes
    noise: Callable = torch.randn  # (n, z_dim) -> z
    detach: bool = True
    players: Callable = lambda G, D: (G, D)
    optimisers: Callable = lambda G, D, adam: (adam(G.parameters()), adam(D.parameters()))


def step(x_real, labels=None, *, G, D, opt_G, opt_D, z_dim: int, parts: Parts = Parts()):
    """One round, `steps.train_step` or `steps.cgan_step` with its lines as parts; labels (N,) or None.

    The batch is on the players' device. Returns {"loss_D", "loss_G", "d_real", "d_fake"}, detached; the last two are
    mean logits in D's step.
    """
    told = (same, parts.real_labels, parts.fake_labels)
    y, y_real, y_fake = ((), (), ()) if labels is None else ((f(labels),) for f in told)
    x_fake = parts.shown(G(parts.noise(len(x_real), z_dim).to(x_real.device), *y))
    if parts.detach:
        x_fake = x_fake.detach()
    d_real, d_fake = D(x_real, *y_real), D(x_fake, *y_fake)
    loss_D = parts.d_loss(d_real, d_fake)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    loss_G = parts.g_goal(D, G(parts.noise(len(x_real), z_dim).to(x_real.device), *y), *y_fake)
    opt_G.zero_grad()
    loss_G.backward()  # D's weights get a gradient too, which its own zero_grad takes away
    opt_G.step()
    seen = {"loss_D": loss_D, "loss_G": loss_G, "d_real": d_real.mean(), "d_fake": d_fake.mean()}
    return {name: value.detach() for name, value in seen.items()}


@dataclass
class Run:
    """Players, optimisers and data of one run, and what was recorded; `train(steps)` goes on from where it is.

    `step(*batch, **run.players)` is one round; `draw(n)` gives a batch as a tuple, (x_real,) or (x_real, labels).
    """

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    step: Callable
    draw: Callable
    z_dim: int
    batch_size: int = 64
    seed: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._rng = torch.get_rng_state()

    @property
    def players(self) -> dict:
        return {"G": self.G, "D": self.D, "opt_G": self.opt_G, "opt_D": self.opt_D}

    def train(self, steps: int) -> "Run":
        """`steps` more rounds, from the run's own random numbers; returns the run. What a step raises goes through."""
        with torch.random.fork_rng():
            torch.set_rng_state(self._rng)
            for _ in range(steps):
                for name, value in self.step(*self.draw(self.batch_size), **self.players).items():
                    self.history.setdefault(name, []).append(float(value))
            self._rng = torch.get_rng_state()
        return self

    def batch(self, n: int = 256) -> tuple[Tensor, ...]:
        """n samples of the data, the same at each call, that leave the run's random numbers alone."""
        with torch.random.fork_rng():
            torch.manual_seed(12345)
            return self.draw(n)

    def material(self) -> dict:
        """What `doctor.examine(**run.material())` takes."""
        x_real, *labels = self.batch()
        labels = labels[0] if labels else None
        return {**self.players, "step": self.step, "x_real": x_real, "labels": labels, "z_dim": self.z_dim,
                "history": self.history}  # fmt: skip


@lru_cache(maxsize=8)
def _images(name: str, image_size: int) -> data.Images:
    return data.load(name, image_size=image_size)


def healthy(
    where: str, seed: int = 0, width: int | None = None, *, conditional=False, image_size: int = 16, parts=Parts()
) -> Run:
    """The run on `where` ("ring", "digits", "fashion", "shapes") that every patient differs from in one fault.

    `width` is that of both players: 64 on the ring, 8 on images by default. `conditional` (images only): both players
    see the label. Raises ValueError for an unknown data set, or labels on the ring.
    """
    one_of(where, EVERYWHERE, "data")
    if where in POINTS and conditional:
        raise ValueError("the ring has no labels: choose digits, fashion or shapes for a conditional run.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if where in POINTS:
            z_dim, lr, betas = 2, 1e-3, (0.5, 0.9)
            G, D = models.MLPGenerator(z_dim, width=width or 64), models.MLPDiscriminator(width=width or 64)
            source = densities.ring().sample
        else:
            z_dim, lr, betas = 32, 2e-3, (0.5, 0.99)
            images = _images(where, image_size)
            labelled = {"n_classes": images.n_classes, "condition": "concat"} if conditional else {}
            G = models.DCGenerator(image_size, images.channels, z_dim, width or 8, **labelled)
            D = models.DCDiscriminator(image_size, images.channels, width or 8, **labelled)
            source = images.sample_labelled if conditional else images.sample
        G, D = parts.players(G, D)
    opt_G, opt_D = parts.optimisers(G, D, partial(torch.optim.Adam, lr=lr, betas=betas, fused=True))

    def draw(n):
        x, *labels = source(n) if conditional else (source(n),)
        return (parts.prepare(x), *labels)

    batch_size = 64 if where in POINTS else 32
    return Run(G, D, opt_G, opt_D, partial(step, z_dim=z_dim, parts=parts), draw, z_dim, batch_size, seed)


# --------------------------------------------------------------------------------------------------- the patients


class Patient(NamedTuple):
    """A fault: its key in the list, what it does, the doctor's finding that belongs first, and where it can exist."""

    key: str
    title: str
    text: str
    finding: str
    where: tuple[str, ...]
    fault: dict  # the Parts that it replaces
    conditional: bool = False


def total_variation_d(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """E log(D(x) + 1) + E log(2 - D(G(z))): concave in D, least for a hard D(x) = 0, D(G(z)) = 1."""
    return (d_real.sigmoid() + 1).log().mean(-1) + (2 - d_fake.sigmoid()).log().mean(-1)


def total_variation_g(D, x_fake, *labels) -> Tensor:
    return (D(x_fake, *labels).sigmoid() + 1).log().mean(-1)


def negated_d(d_real, d_fake):
    return -losses.cross_entropy_d(d_real, d_fake)


def negated_g(D, x_fake, *labels):
    """-E log(1 - D(G(z))): minus what the theory's generator minimises."""
    return -losses.minimax_g(D(x_fake, *labels))


def fleeing_g(D, x_fake, *labels):
    """E log D(G(z)), minimised: the negative of the non-saturating loss."""
    return -losses.non_saturating_g(D(x_fake, *labels))


def to_ones_g(D, x_fake, *labels):
    """E (G(z) - 1)^2: D is not asked."""
    return (x_fake - 1).square().mean()


def half_critic_d(d_real, d_fake):
    """-1/2 (E d(x) - E d(G(z))), without any limit on the slope of d."""
    return losses.wasserstein_d(d_real, d_fake) / 2


half_critic_g = partial(by_the_judgement, g_loss=lambda d_fake: losses.wasserstein_g(d_fake) / 2)


class Then(nn.Module):
    """A network, and one more operation on what it gives."""

    def __init__(self, network: nn.Module, operation: nn.Module):
        super().__init__()
        self.network, self.operation = network, operation

    def forward(self, *inputs):
        return self.operation(self.network(*inputs))


class Blind(nn.Module):
    """A conditional generator that is given the label and makes nothing of it."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.z_dim, self.n_classes = network, network.z_dim, network.n_classes

    def forward(self, z, labels):
        return self.network(z, z.new_zeros(len(z), self.n_classes))


def leaky_end(G, D):
    G.net[-1] = nn.LeakyReLU(0.2)
    return G, D


def stride_left_at_one(G, D):
    G.net[-2].stride = (1, 1)
    return G, D


def one_adam(G, D, adam):
    both = adam([*G.parameters(), *D.parameters()])
    return both, both


def both_for_D(G, D, adam):
    return adam(D.parameters()), adam(D.parameters())


def the_same_noise(n: int, z_dim: int) -> Tensor:
    return torch.randn(n, z_dim, generator=torch.Generator().manual_seed(0))


PATIENTS = {p.key: p for p in (
    Patient("D1", "log(D + 1) and log(2 - D)", "Real and fake have changed places in both players, and the goal is "
            "concave in D: the best D is a hard 0 or 1, its gradient vanishes at both ends.", "exchanged", EVERYWHERE,
            {"d_loss": total_variation_d, "g_goal": total_variation_g}),
    Patient("B6", "both losses negated", "Still zero-sum, but real and fake have changed places, and D's loss has no "
            "lower bound.", "exchanged", EVERYWHERE, {"d_loss": negated_d, "g_goal": negated_g}),
    Patient("B6'", "only G's loss negated", "G moves its fakes to where D already calls them fake: the two cooperate.",
            "cooperation", EVERYWHERE, {"g_goal": negated_g}),
    Patient("A5", "fakes rescaled once more", "Fakes in -1..1 are scaled from 0..255 to -1..1 before D learns from "
            "them: all about -1, so brightness gives them away.", "range_mismatch", IMAGES,
            {"shown": lambda x: x / 127.5 - 1}),
    Patient("A6", "the label leaks", "D sees real images always with label 1 and fakes always with label 0: the label "
            "is the answer.", "label_leak", IMAGES,
            {"real_labels": torch.ones_like, "fake_labels": torch.zeros_like}, True),
    Patient("A4", "sigmoid twice", "D ends in a sigmoid, and the loss takes logits: D can say nothing surer than 0.73, "
            "and its gradient stays small.", "double_sigmoid", EVERYWHERE,
            {"players": lambda G, D: (G, Then(D, nn.Sigmoid()))}),
    Patient("C4", "one optimiser for both", "G's step also moves D, along G's wish.", "moved_by_other", EVERYWHERE,
            {"optimisers": one_adam}),
    Patient("D3", "no detach", "D's step also computes a gradient of G, which G's zero_grad throws away before its own "
            "backward: no harm, but work. Without that zero_grad G would play another game.", "wasted_gradient",
            EVERYWHERE, {"detach": False}),
    Patient("A1", "the label never enters G", "G makes the same image whatever the label: it is not conditional.",
            "condition_ignored", IMAGES, {"players": lambda G, D: (Blind(G), D)}, True),
    Patient("A7", "G's step trains D", "G's optimiser holds D's weights: D learns to call fakes real, and G never "
            "moves.", "not_updated", EVERYWHERE, {"optimisers": both_for_D}),
    Patient("A9", "one fixed set of latents", "Every step uses the same z: G learns a few images, not a distribution.",
            "fixed_noise", EVERYWHERE, {"noise": the_same_noise}),
    Patient("A10", "images of the wrong size", "A stride of 1 where 2 belongs: G's images are smaller than the data.",
            "wrong_shape", IMAGES, {"players": stride_left_at_one}),
    Patient("B2", "LeakyReLU at the end of G", "The fakes have no upper bound, the images end at 1.",
            "unbounded_output", IMAGES, {"players": leaky_end}),
    Patient("B4", "the images are noise", "The batches of real images are uniform random numbers: nothing to learn.",
            "no_structure", IMAGES, {"prepare": lambda x: torch.rand_like(x) * 2 - 1}),
    Patient("B5", "G fitted alone", "G is fitted to the target 1: no adversary in its gradient.", "no_adversary",
            EVERYWHERE, {"g_goal": to_ones_g}),
    Patient("C2", "D never sees a fake", "The fake term is zero times something: D calls everything real.",
            "fakes_ignored", EVERYWHERE, {"d_loss": lambda d_real, d_fake: losses.cross_entropy_d(d_real, 0 * d_fake)}),
    Patient("C5", "G descends log D", "G descends log D(G(z)) where it should ascend: it flees from fooling D.",
            "cooperation", EVERYWHERE, {"g_goal": fleeing_g}),
    Patient("E1", "images in 0..1", "G ends in tanh, -1..1, and the images lie in 0..1: a negative pixel gives a fake "
            "away.", "range_mismatch", IMAGES, {"prepare": lambda x: (x + 1) / 2}),
    Patient("E3", "a critic without a limit", "The loss is a difference of scores, and nothing limits the slope: the "
            "loss has no floor, and swings far above and below 0.", "no_limit", EVERYWHERE,
            {"d_loss": half_critic_d, "g_goal": half_critic_g}),
)}  # fmt: skip


def patient(key: str, where: str, seed: int = 0, width: int | None = None, *, image_size: int = 16) -> Run:
    """The run of patient `key` on `where`: `healthy(...)` with the patient's fault in it.

    Raises ValueError for an unknown patient, with the nearest key, or data on which the fault cannot exist.
    """
    one_of(key, tuple(PATIENTS), "patient")
    p = PATIENTS[key]
    if where not in p.where:
        raise ValueError(f"{key} ({p.title}) does not exist on {where!r}: choose one of {', '.join(p.where)}.")
    return healthy(where, seed, width, conditional=p.conditional, image_size=image_size,
                   parts=replace(Parts(), **p.fault))  # fmt: skip

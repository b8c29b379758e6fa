"""Rare classes: a few images of two classes among many of the others, what can be done about it, and how to see it.

Images x are (N, C, S, S) float32 in [-1, 1], labels (N,) int64. Probabilities p are (N, C), a row an image. The
held-out images are equally many of each class; the measures weigh them by `prior`, the classes' shares in the world,
where the rare classes are as rare as in training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from .. import metrics
from ..data import Images, to_float
from ..inputs import one_of, whole
from ..metrics.judges import fit
from ..models import build
from ..pixels import check
from ..sampling import generate, seeded
from ..training import Trainer, linear_second_half

# ----------------------------------------------------------------------------------------------------------- the data


@dataclass(frozen=True, eq=False)
class Unbalanced:
    """Images to train on, `most` of each class but n of each class in `rare`; and equally many of each held out."""

    x: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    x_test: Tensor = field(repr=False)
    labels_test: Tensor = field(repr=False)
    rare: tuple[int, ...]
    n: int
    most: int

    @property
    def counts(self) -> Tensor:
        """Images to train on of each class, (C,)."""
        return self.labels.bincount()

    @property
    def prior(self) -> Tensor:
        """The share of each class in the world, that of training: (C,) float64 with sum 1."""
        return self.counts.double() / len(self.labels)


def draw(
    images: Images, rare: Sequence[int | str], n: int, most: int = 200, held_out: int = 300, seed: int = 0
) -> Unbalanced:
    """A draw from all images, those held out by `images` too: n of each rare class, `most` of the others.

    Equal seeds give the same held-out images and the same order whatever n is, so the few are among the many. Raises
    ValueError for a class that there isn't, for all classes rare, n below 2 or above `most`, or more than there are.
    """
    if images.n_classes < 2:
        raise ValueError(f"{images.name} has no two classes: give images that are sorted into classes.")
    chosen = tuple(images._class_index(c) for c in rare)
    if not chosen or len(set(chosen)) < len(chosen) or len(chosen) >= images.n_classes:
        raise ValueError(f"rare={tuple(rare)} does not fit: name one or more of the classes, each once, but not all.")
    whole("n", n, 2, most, "a class of one image has no second to be told from chance, and a rare one has no more")
    x, labels = torch.cat([images.x, images.x_test]), torch.cat([images.labels, images.labels_test])
    there = int(labels.bincount(minlength=images.n_classes).min())
    if most + held_out > there or held_out < 1:
        raise ValueError(
            f"most={most} and held_out={held_out} need {most + held_out} images a class, held_out 1 or more; the "
            f"smallest class of {images.name} has {there}: give fewer."
        )
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    mine = [order[labels[order] == c] for c in range(images.n_classes)]
    train = torch.cat([i[held_out : held_out + (n if c in chosen else most)] for c, i in enumerate(mine)])
    test = torch.cat([i[:held_out] for i in mine])
    return Unbalanced(to_float(x[train]), labels[train], to_float(x[test]), labels[test], chosen, n, most)


# ---------------------------------------------------------------------------------------------- what fills a rare class


def filled(few: Unbalanced, make: Callable[[int, int], Tensor]) -> tuple[Tensor, Tensor]:
    """(x, labels) with each rare class brought to `most` images: make(class, how many) gives those that lack.

    Raises ValueError where `make` gives another number of images, or of another shape.
    """
    extra = {c: make(c, few.most - few.n) for c in few.rare}
    for c, x in extra.items():
        if x.shape != (few.most - few.n, *few.x.shape[1:]):
            raise ValueError(
                f"make({c}, {few.most - few.n}) gave images {tuple(x.shape)}: give so many of {tuple(few.x.shape[1:])}."
            )
    labels = [torch.full((len(x),), c, device=few.labels.device) for c, x in extra.items()]
    return torch.cat([few.x, *(x.to(few.x) for x in extra.values())]), torch.cat([few.labels, *labels])


def copies(few: Unbalanced, c: int, count: int) -> Tensor:
    """The images of class c in turn, again and again, until there are `count`: oversampling."""
    mine = few.x[few.labels == c]
    return mine[torch.arange(count, device=mine.device) % len(mine)]


# ------------------------------------------------------------------------------------- a conditional GAN of the few


def cgan_step(x_real, labels, *, G, D, opt_G, opt_D, z_dim, weights=None, shares=None, penalty=None):
    """`steps.cgan_step`, non-saturating, with two recipes for rare classes.

    weights  (C,): in D's loss each image, real or fake, counts `weights` of its class; None: 1 each
    shares   (C,): the fakes' labels, in D's step and in G's, are drawn with these probabilities: more noise of the rare
             classes reaches G; None: they are the labels of the real batch

    Returns {"loss_D", "loss_G"}, detached.
    """
    n, device = len(x_real), x_real.device
    weights = None if weights is None else weights.to(device)

    def counted(losses: Tensor, y: Tensor) -> Tensor:
        return (losses if weights is None else weights[y] * losses).mean()

    def fakes():
        z = torch.randn(n, z_dim, device=device)
        y = labels if shares is None else torch.multinomial(shares.to(device).float(), n, replacement=True)
        return G(z, y), y

    x_fake, y = fakes()
    d_real, d_fake = D(x_real, labels), D(x_fake.detach(), y)
    loss_D = counted(softplus(-d_real), labels) + counted(softplus(d_fake), y)
    if penalty is not None:
        loss_D = loss_D + penalty(lambda x: D(x, labels), x_real, x_fake.detach())
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    x_fake, y = fakes()
    loss_G = softplus(-D(x_fake, y)).mean()
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


RECIPES = ("plain", "weights in D's loss", "more rare latents")


def recipe(name: str, prior: Tensor) -> dict[str, Tensor]:
    """What `cgan_step` is told: nothing, weights 1 / (C prior), or equal shares. Raises ValueError for another name."""
    one_of(name, RECIPES, "recipe")
    n = len(prior)
    return {RECIPES[1]: {"weights": (1 / (n * prior)).float()}, RECIPES[2]: {"shares": torch.full((n,), 1 / n)}}.get(
        name, {}
    )


def train_generator(few: Unbalanced, name: str = "plain", steps: int = 500, seed: int = 0, width: int = 8):
    """The averaged G of a conditional GAN that saw the images of `few` alone, in eval mode; recipe by `name`.

    A DCGAN with projection, z of 64, batches of 32, Adam at 3e-3 falling to 0 in the second half, no penalty: small,
    for images of 16 pixels in seconds. Raises ValueError for an unknown recipe.
    """
    told = recipe(name, few.prior)
    size, channels, classes = few.x.shape[-1], few.x.shape[1], len(few.prior)
    with seeded(seed):
        G, D = build("cgan", image_size=size, channels=channels, width=width, n_classes=classes)
    G, D = (player.to(memory_format=torch.channels_last) for player in (G, D))
    opt_G, opt_D = (torch.optim.Adam(p.parameters(), 3e-3, (0.0, 0.99), fused=True) for p in (G, D))

    def batch(n: int) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(few.x), (n,))
        return few.x[index], few.labels[index]

    trainer = Trainer(partial(cgan_step, z_dim=G.z_dim, **told), {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D},
                      batch, batch_size=32, seed=seed, ema=0.99, schedule=linear_second_half)  # fmt: skip
    for _ in trainer.run(steps=steps, every=steps):
        pass
    return trainer.averaged()


def fakes(G: nn.Module, c: int, count: int, seed: int = 0) -> Tensor:
    """`count` images of class c by a conditional G, on the CPU."""
    return generate(G, count, torch.full((count,), c), seed)


# ------------------------------------------------------------------------------------------------------ the classifier


def probabilities(
    x: Tensor, labels: Tensor, x_test: Tensor, weights: Tensor | None = None, steps: int = 400, seed: int = 0
) -> Tensor:
    """p (M, C) float64 that a small network, trained on (x, labels), gives the images x_test; on the CPU.

    `metrics.Classifier` of width 8, batches of 64 drawn with replacement, Adam from 2e-3 falling to 0. With weights
    (C,) the loss is sum_i w_i l_i / sum_i w_i, w_i the weight of image i's class.
    """
    check(x, name="x")
    with seeded(seed):
        net = metrics.Classifier(x.shape[-1], x.shape[1], int(labels.max()) + 1, width=8)
        net = net.to(x.device, memory_format=torch.channels_last)
        weights = None if weights is None else weights.to(x)

        def batch_loss() -> Tensor:
            index = torch.randint(len(x), (64,)).to(x.device)
            return cross_entropy(net(x[index]), labels[index], weights)

        fit(net, batch_loss, steps, 2e-3)
    with torch.no_grad():
        return torch.cat([net(part.to(x)) for part in x_test.split(500)]).cpu().double().softmax(1)


def reweighed(p: Tensor, factors: Tensor) -> Tensor:
    """p_c f_c / sum_k p_k f_k: the probabilities if class c were f_c times as frequent, against the others, as before.

    Exact where p is, and what a picture of a class looks like stays the same. p (N, C), factors (C,) -> (N, C).
    Raises ValueError for factors that are not positive, or not one a class. Source: Saerens et al. 2002, eq. 4.
    """
    if factors.shape != p.shape[-1:] or not (factors > 0).all() or not factors.isfinite().all():
        raise ValueError(f"factors must be ({p.shape[-1]},), one a class, above 0 and finite: got {factors}.")
    p = p * factors.to(p)
    return p / p.sum(-1, keepdim=True)


# -------------------------------------------------------------------------------------------------------- the measures


class Scores(NamedTuple):
    """`recall` and `precision` of the rare classes, means over them; `balanced` the mean recall of all classes.

    `accuracy` is the share named right in the world, `precision` the share of right ones among what is called rare
    there, a class at a time; nothing called so counts as 0.
    """

    recall: float
    precision: float
    balanced: float
    accuracy: float


def scores(p: Tensor, labels: Tensor, rare: Sequence[int], prior: Tensor) -> Scores:
    """What naming the most probable class gets. With r_jc the share of class j's held-out images called c:

    recall_c = r_cc, precision_c = prior_c r_cc / sum_j prior_j r_jc, balanced = mean_c r_cc, accuracy = sum_c prior_c
    r_cc. Raises ValueError for p that is no (N, C) with its labels, a class without a held-out image, or another prior.
    """
    n_classes = _check(p, labels, prior)
    confusion = torch.zeros(n_classes, n_classes, dtype=torch.float64)
    confusion.index_put_((labels.cpu(), p.argmax(1).cpu()), torch.ones(len(p), dtype=torch.float64), accumulate=True)
    r = confusion / confusion.sum(1, keepdim=True)
    prior, hit = prior.double().cpu(), r.diagonal()
    called = prior @ r
    precision = torch.where(called > 0, prior * hit / called.clamp(min=1e-300), 0.0)
    rare = list(rare)
    return Scores(*(float(v) for v in (hit[rare].mean(), precision[rare].mean(), hit.mean(), prior @ hit)))


def traded(p: Tensor, labels: Tensor, rare: Sequence[int], prior: Tensor, factors: Sequence[float]) -> list[Scores]:
    """`scores` with the rare classes' probabilities multiplied by each of the factors: a curve of one classifier."""
    found = []
    for factor in factors:
        by_class = torch.ones(p.shape[1], dtype=p.dtype)
        by_class[list(rare)] = factor
        found.append(scores(reweighed(p, by_class.to(p)), labels, rare, prior))
    return found


def reliability(p: Tensor, labels: Tensor, rare: Sequence[int], prior: Tensor, bins: int = 10) -> metrics.Reliability:
    """Do images that are told "rare class c with probability q" belong to c in a share q of cases? In the world.

    The `metrics.reliability` of cases, each an image and a rare class; image i weighs prior of its class over that
    class's held-out images, so that all masses sum to 1. Raises as `scores`, or for bins outside 1 to 1,000.
    """
    _check(p, labels, prior)
    p, labels, prior = p.double().cpu(), labels.cpu(), prior.double().cpu()
    weight = (prior / labels.bincount(minlength=len(prior)))[labels] / len(rare)
    told = torch.cat([p[:, c] for c in rare])
    true = torch.cat([labels == c for c in rare])
    return metrics.reliability(told, true, weight.repeat(len(rare)), bins)


def _check(p: Tensor, labels: Tensor, prior: Tensor) -> int:
    """The number of classes. Raises ValueError for what does not fit."""
    if p.ndim != 2 or labels.shape != p.shape[:1] or prior.shape != p.shape[1:]:
        raise ValueError(
            f"p must be (N, C), labels (N,), prior (C,): got {tuple(p.shape)}, {tuple(labels.shape)}, "
            f"{tuple(prior.shape)}."
        )
    if not p.isfinite().all() or (p < 0).any() or ((p.sum(1) - 1).abs() > 1e-4).any():
        raise ValueError("each row of p must be probabilities, 0 or more with sum 1: take logits.softmax(1).")
    counts = labels.bincount(minlength=p.shape[1])
    if len(counts) > p.shape[1] or (counts == 0).any():
        raise ValueError(f"held-out images by class: {counts.tolist()}. Each of the {p.shape[1]} classes needs one.")
    return p.shape[1]

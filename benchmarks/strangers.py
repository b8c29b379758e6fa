"""The doctor meets loops as strangers write them: another hand's networks, losses and style, with one fault or none.

    python benchmarks/strangers.py --variants 1 --seed 0     one loop of each kind, to look at (seeds 0 to 4)
    python benchmarks/strangers.py --variants 3              to measure (seeds from 100 on: nothing was tuned on them)
    python benchmarks/strangers.py --only moved_by_other     some kinds
    python benchmarks/strangers.py --without-step            without the step alone (both by default)

A kind changes one part of a `Loop`; whatever it leaves open is drawn from its name and the seed: the form of the loss,
the networks, the data and the style of the loop. Intervals are Wilson's, 95 %.

Sound code may still run into collapse. Whether it did is told by measures that the doctor does not use, of 500 fakes:
the classes that they reach (each has the label of the nearest of 2,000 real samples in pixels, of the ring its
Gaussian; a class counts from a fifth of a fair share on), and their energy distance to 500 real samples, in units of
that of one picture, the data's mean, again and again. A run has collapsed if its fakes reach at most a third of the
classes that real samples reach and that one picture would do as well (1 or more): both, since poor fakes may be of many
classes, and young ones of few. One of fewer than 100 steps has no outcome yet and counts as good. Where healthy code
has collapsed the right answer is "collapse" first, "healthy" is a collapse not seen, and all else, of the wiring above
all, is a false alarm there too. These runs are counted apart.

Goals: the right finding first in 0.9 of the sick loops with the step and in 0.5 without it; at most 1 healthy loop in
20 of good outcome called sick, with the step or without; none called healthy where something could not be examined; an
examination in at most 10 s.
"""

import argparse
import copy
import random
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from ganedu import data, densities, doctor
from ganedu.metrics import nearest_mode, wilson
from ganedu.topics.completions import energy_distance

Z, SIDE = 32, 16

# ------------------------------------------------------------------------------------------------------------- losses


def difference(d, t):
    """Scores up where the target is 1, down where it is 0."""
    return ((1 - 2 * t) * d).mean()


def margin(d, t):
    return F.relu(1 + (1 - 2 * t) * d).mean()


COSTS = {"logits": F.binary_cross_entropy_with_logits, "bce": F.binary_cross_entropy, "squares": F.mse_loss,
         "hinge": margin}  # fmt: skip
CE, BOUNDED, CRITICS = ("logits", "bce"), ("logits", "bce", "squares", "hinge"), ("penalty", "clipping", "spectral")
ALL = (*BOUNDED, *CRITICS)


def penalty(share=lambda x: torch.rand(len(x), *[1] * (x.ndim - 1)), total=torch.sum, graph=True, weight=10.0,
            length=lambda g: g.flatten(1).norm(dim=1), charge=lambda s: (s - 1).square()):  # fmt: skip
    """A gradient penalty between real and fake; each argument is one thing that people get wrong."""

    def of(D, x, f, *y):
        e = share(x)
        u = (e * x.detach() + (1 - e) * f.detach()).requires_grad_()
        (g,) = torch.autograd.grad(total(D(u, *y)), u, create_graph=graph)
        return weight * charge(length(g)).mean()

    return of


# ----------------------------------------------------------------------------------------------------------- networks


class View(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.view(len(x), *self.shape)


def conv(p, ch, z):
    """Transposed convolutions with batch norm; D without norm, outputs (N, 1)."""
    w, sn = p.width or 16, p.limit
    G = [View(z, 1, 1), nn.ConvTranspose2d(z, 4 * w, 4), nn.BatchNorm2d(4 * w), nn.ReLU(),
         nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1), nn.BatchNorm2d(2 * w), nn.ReLU(),
         nn.ConvTranspose2d(2 * w, ch, 4, 2, 1)]  # fmt: skip
    norm = [nn.BatchNorm2d(2 * w)] if p.batchnorm_D else []
    D = [sn(nn.Conv2d(ch + p.planes, w, 4, 2, 1)), nn.LeakyReLU(0.2), sn(nn.Conv2d(w, 2 * w, 4, 2, 1)), *norm,
         nn.LeakyReLU(0.2), nn.Flatten(), sn(nn.Linear(32 * w, p.outputs))]  # fmt: skip
    return G, D


def dcgan(p, ch, z):
    """As PyTorch's tutorial: latents (N, z, 1, 1), batch norm in both, normal weights; outputs (N,)."""
    w, sn = p.width or 12, p.limit
    norm = nn.BatchNorm2d if p.batchnorm_D is not False else lambda c: nn.Identity()
    end = [nn.Flatten(0)] if p.outputs == 1 else [nn.Flatten()]
    G = [nn.ConvTranspose2d(z, 4 * w, 4, bias=False), nn.BatchNorm2d(4 * w), nn.ReLU(True),
         nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * w), nn.ReLU(True),
         nn.ConvTranspose2d(2 * w, ch, 4, 2, 1, bias=False)]  # fmt: skip
    D = [sn(nn.Conv2d(ch + p.planes, 2 * w, 4, 2, 1, bias=False)), nn.LeakyReLU(0.2, True),
         sn(nn.Conv2d(2 * w, 4 * w, 4, 2, 1, bias=False)), norm(4 * w), nn.LeakyReLU(0.2, True),
         sn(nn.Conv2d(4 * w, p.outputs, 4, bias=False)), *end]  # fmt: skip
    for m in G + D:
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and "weight" in m._parameters:
            nn.init.normal_(m.weight, 0, 0.02)
    return G, D


def upsample(p, ch, z):
    """Upsampling and convolutions; D with average pooling."""
    w, sn = p.width or 24, p.limit
    norm = [nn.BatchNorm2d(2 * w)] if p.batchnorm_D else []
    G = [nn.Linear(z, 32 * w), View(2 * w, 4, 4), nn.BatchNorm2d(2 * w), nn.ReLU(), nn.Upsample(scale_factor=2),
         nn.Conv2d(2 * w, w, 3, padding=1), nn.BatchNorm2d(w), nn.ReLU(), nn.Upsample(scale_factor=2),
         nn.Conv2d(w, ch, 3, padding=1)]  # fmt: skip
    D = [sn(nn.Conv2d(ch + p.planes, w, 3, padding=1)), nn.LeakyReLU(0.2), nn.AvgPool2d(2),
         sn(nn.Conv2d(w, 2 * w, 3, padding=1)), *norm, nn.LeakyReLU(0.2), nn.AvgPool2d(2), nn.Flatten(),
         sn(nn.Linear(32 * w, p.outputs))]  # fmt: skip
    return G, D


def mlp(p, ch, z):
    """Pixels in a row (or points)."""
    w, sn, n = p.width or 128, p.limit, 2 if p.data == "ring" else ch * SIDE * SIDE
    G = [nn.Linear(z, w), nn.ReLU(), nn.Linear(w, 2 * w), nn.ReLU(), nn.Linear(2 * w, n)]
    norm = [nn.BatchNorm1d(w)] if p.batchnorm_D else []
    D = [sn(nn.Linear(n + p.planes * SIDE * SIDE, 2 * w)), nn.LeakyReLU(0.2), sn(nn.Linear(2 * w, w)), *norm,
         nn.LeakyReLU(0.2), sn(nn.Linear(w, p.outputs))]  # fmt: skip
    return G, D


class Labelled(nn.Module):
    """Labels as ten more latents of G, or as one more plane of D's images."""

    def __init__(self, inner, size, rows=False):
        super().__init__()
        self.inner, self.embed, self.rows = inner, nn.Embedding(10, size), rows

    def forward(self, x, y):
        e = self.embed(y)
        e = e if x.ndim == 2 else e.view(len(x), -1, *x.shape[2:])
        return self.inner(torch.cat([x, e], 1))


IMAGES, NETS, BATCHNORMED = ("digits", "fashion", "shapes"), (conv, dcgan, upsample, mlp), (conv, dcgan, upsample)
STYLES = ("summed", "two backwards", "one G call", "halves", "as arguments")


@lru_cache
def samples(name):
    """(x in [-1, 1], labels) of a data set, in another order."""
    if name == "ring":
        x = densities.ring().sample(4000)
        return x, nearest_mode(x, densities.ring().modes.to(x))[1]
    d = data.load(name, image_size=SIDE)
    i = torch.randperm(len(d.x), generator=torch.Generator().manual_seed(1))[:4000]
    return d.x[i].float() / 127.5 - 1, d.labels[i]


# --------------------------------------------------------------------------------------------------------- one loop


@dataclass
class Loop:
    """Somebody's loop; every field below `style` is a part that a kind may replace."""

    loss: str
    net: Callable
    data: str
    style: str
    steps: int = 210
    batch: int = 32
    lr_G: float = 1e-3
    lr_D: float = 1e-3
    width: int = 0
    outputs: int = 1
    labelled: bool = False
    batchnorm_D: bool | None = None
    limit: Callable = lambda m: m  # on each layer of D
    end_G: list = field(default_factory=lambda: [nn.Tanh()])
    end_D: list = field(default_factory=list)
    change: Callable = lambda G, D: (G, D)  # the networks, once they are made
    optimisers: Callable | None = None
    prepare: Callable = lambda x: x  # the data, before the loop
    enter: Callable = lambda x: x  # and in the step
    show_real: Callable = lambda x: x  # on the way into D
    show_fake: Callable = lambda f: f
    noise_D: Callable | None = None
    noise_G: Callable | None = None
    asked: Callable = lambda y: y  # labels that fakes are given
    told: Callable = lambda y: y  # and those that come with real samples
    detach: bool = True
    detach_G: bool = False
    call: Callable = lambda m, *a: m(*a)
    judge: Callable | None = None  # (a, b) of D in its own loss
    real: Callable = torch.ones_like  # targets
    fake: Callable = torch.zeros_like
    wanted: Callable = torch.ones_like
    cost: Callable | None = None
    cost_G: Callable | None = None
    terms: Callable | None = None  # of D's loss, from (a, b)
    goal: Callable | None = None  # of G, from (D, f, y)
    penalty: Callable | None = None
    add: Callable = lambda p: p
    zero: str = "before"
    before_D: Callable = lambda D: None
    before_step: Callable = lambda D, G: None
    after: Callable = lambda G, D: None
    every: int = 1  # G's turn comes in each so many calls
    record: Callable = lambda v: v.item()
    step: Callable | None = None  # in place of the whole step: step(loop) -> function
    given: Callable = lambda **kw: kw  # what the doctor is given

    @property
    def planes(self):
        return int(self.labelled)

    @property
    def flat(self):
        return self.net is mlp and self.data != "ring"

    def draw(self, n):
        return torch.randn(n, Z, 1, 1) if self.net is dcgan else torch.randn(n, Z)

    def build(self):
        """Networks, optimisers and losses, as far as no kind has said otherwise."""
        ways = {"penalty": {"penalty": penalty()}, "spectral": {"limit": parametrizations.spectral_norm}}
        clip = {"after": lambda G, D: [p.data.clamp_(-0.05, 0.05) for p in D.parameters()]}
        defaults = {**ways, "clipping": clip, "bce": {"end_D": [nn.Sigmoid()]}}.get(self.loss, {})
        untouched = {f.name: f.default for f in self.__dataclass_fields__.values()}
        for name, part in defaults.items():
            if (name == "end_D" and not self.end_D) or getattr(self, name) is untouched.get(name):
                setattr(self, name, part)
        if self.loss in CRITICS and self.batchnorm_D is None:
            self.batchnorm_D = False
        self.cost = self.cost or COSTS.get(self.loss, difference)
        self.cost_G = self.cost_G or (difference if self.loss == "hinge" else self.cost)
        self.x, self.y = samples(self.data)
        self.x = self.prepare(self.x)
        ch = 1 if self.x.ndim == 2 else self.x.shape[1]
        G, D = self.net(self, ch, Z + 10 * self.labelled)
        if self.data == "ring":
            self.end_G = [] if isinstance(self.end_G[0], nn.Tanh) else self.end_G
        G, D = nn.Sequential(*G, *self.end_G), nn.Sequential(*D, *self.end_D)
        if self.labelled:
            G, D = Labelled(G, 10), Labelled(D, SIDE * SIDE)
        self.G, self.D = self.change(G, D)
        fast = {"lr": 2e-4, "opt": torch.optim.RMSprop} if self.loss == "clipping" else {"opt": torch.optim.Adam}

        def optimiser(parameters, lr):
            more = {"betas": (0.5, 0.99)} if fast["opt"] is torch.optim.Adam else {}
            return fast["opt"](parameters, lr=fast.get("lr", lr), **more)

        both = self.optimisers or (
            lambda G, D, make: (make(G.parameters(), self.lr_G), make(D.parameters(), self.lr_D))
        )
        self.opt_G, self.opt_D = both(self.G, self.D, optimiser)
        self.noise_D, self.noise_G = self.noise_D or self.draw, self.noise_G or self.noise_D or self.draw
        self.judge = self.judge or (lambda call, D, x, f, y, t: (call(D, x, *y), call(D, f, *t)))
        self.terms = self.terms or (lambda a, b: (self.cost(a, self.real(a)), self.cost(b, self.fake(b))))
        self.turn, self.last = 0, torch.tensor(0.0)
        self.run = self._called((self.step or Loop.written)(self))
        return self

    def _called(self, step):
        """The step as its author calls it: with its players, or holding them."""
        if self.style == "as arguments" or getattr(step, "bare", False):
            return step
        held = {"G": self.G, "D": self.D, "opt_G": self.opt_G, "opt_D": self.opt_D}
        return (lambda x, y: step(x, y, **held)) if self.labelled else (lambda x: step(x, **held))

    def written(self):
        p = self

        def step(x, *y, G, D, opt_G, opt_D):
            x = p.enter(x)
            x = x.flatten(1) if p.flat else x
            for part in range(2 if p.style == "halves" else 1):
                n = len(x) // 2 if p.style == "halves" else len(x)
                rows = slice(part * n, part * n + n)
                asked, told = (tuple(of(t[rows]) for t in y) for of in (p.asked, p.told))
                p.before_D(D)
                f = p.call(G, p.noise_D(n), *asked)
                if p.zero == "before":
                    opt_D.zero_grad()
                real, fake = p.show_real(x[rows]), p.show_fake(f.detach() if p.detach else f)
                a, b = p.judge(p.call, D, real, fake, told, asked)
                up, down = p.terms(a, b)
                charge = p.add(p.penalty(D, real, fake, *told)) if p.penalty else 0.0
                if p.style == "two backwards":
                    up.backward()
                    (down + charge).backward()
                else:
                    (up + down + charge).backward()
                p.before_step(D, None)
                opt_D.step()
                if p.zero == "after":
                    opt_D.zero_grad()
            loss_D = up + down + charge
            p.turn += 1
            if p.turn % p.every == 0:
                asked = tuple(p.asked(t) for t in y)
                if p.style != "one G call" or not p.detach:
                    f = p.call(G, p.noise_G(len(x)), *asked)
                if p.zero in ("before", "never D"):
                    opt_G.zero_grad()
                f = f.detach().requires_grad_() if p.detach_G else f
                if p.goal:
                    loss_G = p.goal(D, f, asked)
                else:
                    b = p.call(D, p.show_fake(f), *asked)
                    loss_G = p.cost_G(b, p.wanted(b))
                loss_G.backward()
                p.before_step(None, G)
                opt_G.step()
                if p.zero == "after":
                    opt_G.zero_grad()
                p.last = loss_G
            p.after(G, D)
            return loss_D, p.last

        return step

    def train(self):
        history = self.history = {"loss_D": [], "loss_G": []}
        g = torch.Generator().manual_seed(1)
        held = {"G": self.G, "D": self.D, "opt_G": self.opt_G, "opt_D": self.opt_D}
        held = held if self.style == "as arguments" and not getattr(self.run, "bare", False) else {}
        with suppress(RuntimeError, ValueError):  # a loop that breaks off stays where it was
            for _ in range(self.steps):
                i = torch.randint(len(self.x), (self.batch,), generator=g)
                for name, value in zip(
                    history, self.run(self.x[i], *([self.y[i]] if self.labelled else []), **held), strict=True
                ):
                    history[name].append(self.record(value))
        labels = {"labels": self.y[:256]} if self.labelled else {}
        held = {"opt_G": self.opt_G, "opt_D": self.opt_D} if held else {}
        found = {"G": self.G, "D": self.D, "step": self.run, "x_real": self.x[:256], "z_dim": Z, **labels, **held}
        return self.given(**found, history=history if history["loss_D"] else None)


# -------------------------------------------------------------------------------------------------------------- kinds

KINDS = {}


def kind(want: str, losses=BOUNDED, nets=NETS, where=IMAGES, styles=STYLES):
    """Registers a function that changes a `Loop`; `want`: keys that are right first, "" for a healthy one."""

    def register(f):
        KINDS[f.__name__] = (f, set(want.split()), losses, nets, where, styles)
        return f

    return register


def part(name, want, losses=BOUNDED, *, nets=NETS, where=IMAGES, styles=STYLES, **fault):
    """A kind that only puts something in the place of parts."""

    def replace(p):
        for key, value in fault.items():
            setattr(p, key, value)

    KINDS[name] = (replace, set(want.split()), losses, nets, where, styles)


def case(name, seed):
    """(Loop ready to train, in words)."""
    f, _, *choices = KINDS[name]
    loss, net, where, style = (random.Random(f"{name} {seed} {i}").choice(c) for i, c in enumerate(choices))
    net = mlp if where == "ring" else net
    p = Loop(loss, net, where, style)
    torch.manual_seed(seed)
    f(p)
    return p.build(), f"{p.loss}, {p.net.__name__}, {p.data}, {p.style}"


EVERYWHERE, SUMMED, ANEW = (*IMAGES, "ring"), ("summed", "as arguments"), ("summed", "two backwards", "halves")

# --- sick: the step breaks off


@kind("step_raises_inplace")
def one_graph_for_both(p):
    def write(p):
        def step(x, *y, G, D, opt_G, opt_D):
            x = x.flatten(1) if p.flat else x
            a, b = D(x), D(G(p.draw(len(x))))
            ld, lg = p.cost(a, p.real(a)) + p.cost(b, p.fake(b)), p.cost_G(b, p.wanted(b))
            opt_D.zero_grad()
            ld.backward(retain_graph=True)
            opt_D.step()
            opt_G.zero_grad()
            lg.backward()
            opt_G.step()
            return ld, lg

        return step

    p.step = write


@kind("step_raises_inplace")
def graph_freed(p):
    def write(p):
        def step(x, *y, G, D, opt_G, opt_D):
            x = x.flatten(1) if p.flat else x
            f = G(p.draw(len(x)))
            a, b = D(x), D(f)
            ld = p.cost(a, p.real(a)) + p.cost(b, p.fake(b))
            opt_D.zero_grad()
            ld.backward()  # through G as well
            opt_D.step()
            b = D(f)
            lg = p.cost_G(b, p.wanted(b))
            opt_G.zero_grad()
            lg.backward()
            opt_G.step()
            return ld, lg

        return step

    p.step = write


# --- sick: parts that never move


class Skips(nn.Module):
    """A layer of __init__ that forward forgets."""

    def __init__(self, inner, size):
        super().__init__()
        self.inner, self.refine = inner, nn.Linear(size, size)

    def forward(self, *inputs):
        return self.inner(*inputs)


part("layer_skipped_in_D", "part_never_moves", ALL, change=lambda G, D: (G, Skips(D, 40)))
part("layer_skipped_in_G", "part_never_moves", ALL, change=lambda G, D: (Skips(G, 64), D))


class Two(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return (self.a(x) + self.b(x)) / 2


@kind("part_never_moves", BOUNDED)
def half_of_D_in_no_optimiser(p):
    def twins(G, D):
        twin = copy.deepcopy(D)
        for m in twin.modules():
            if hasattr(m, "reset_parameters"):
                m.reset_parameters()
        return G, Two(D, twin)

    p.change = twins
    p.optimisers = lambda G, D, make: (make(G.parameters(), p.lr_G), make(D.a.parameters(), p.lr_D))


@kind("part_never_moves", BOUNDED)
def end_of_G_in_no_optimiser(p):
    p.optimisers = lambda G, D, make: (make(G[:4].parameters(), p.lr_G), make(D.parameters(), p.lr_D))


@kind("not_updated", ALL)
def both_optimisers_hold_D(p):
    p.optimisers = lambda G, D, make: (make(D.parameters(), p.lr_G), make(D.parameters(), p.lr_D))


part("G_detached_in_its_own_step", "not_updated no_adversary", ALL, where=EVERYWHERE, styles=ANEW, detach_G=True)


@kind("not_updated", ALL)
def G_is_not_the_one_that_trains(p):
    p.style = "summed"
    p.given = lambda **kw: {**kw, "G": copy.deepcopy(p.G).apply(_anew)}


def _anew(m):
    if hasattr(m, "reset_parameters"):
        m.reset_parameters()


# --- sick: penalties and limits

PENALTY = ("penalty",)


part("penalty_not_added", "no_limit penalty_wrong", PENALTY, add=lambda charge: 0.0)
part("penalty_without_create_graph", "no_limit penalty_wrong", PENALTY, penalty=penalty(graph=False))
part("penalty_over_channels", "penalty_wrong", PENALTY, nets=BATCHNORMED,
     penalty=penalty(length=lambda g: g.norm(2, dim=1)))  # fmt: skip
part("penalty_of_the_mean", "penalty_wrong", PENALTY, penalty=penalty(total=torch.mean))
part("penalty_mixed_by_pixel", "penalty_wrong", PENALTY, penalty=penalty(share=torch.rand_like))
part("penalty_with_batchnorm", "penalty_wrong", PENALTY, batchnorm_D=True)
part("penalty_subtracted", "penalty_wrong", PENALTY, penalty=penalty(weight=-0.1), lr_D=1e-4, steps=60)


@kind("not_finite", PENALTY)
def root_of_zero(p):
    def silent(G, D):
        last = [m for m in D.modules() if hasattr(m, "weight") and m.weight.ndim > 1][-1]
        nn.init.zeros_(last.weight)
        return G, D

    p.change, p.penalty = silent, penalty(length=lambda g: g.square().flatten(1).sum(1).sqrt())


@kind("not_finite")
def record_with_nan(p):
    p.record = lambda v: float("nan") if p.turn == 200 else v.item()


part("critic_without_limit", "no_limit", CRITICS, where=EVERYWHERE, loss="difference", cost=difference,
     batchnorm_D=False)  # fmt: skip


# --- sick: D's end against its loss, targets and reductions


part("mixed_batch_for_D_alone", "mixed_batch_batchnorm", ("logits", "bce", "squares"), styles=SUMMED,
     batchnorm_D=True, judge=lambda call, D, x, f, y, t: call(D, torch.cat([x, f])).chunk(2))  # fmt: skip
part("critic_behind_a_sigmoid", "critic_ends_in_sigmoid", CRITICS, end_D=[nn.Sigmoid()])


@kind("critic_ends_in_sigmoid", ("squares",))
def bounded_under_squares(p):
    p.end_D = [random.Random(p.data + p.style).choice((nn.Sigmoid, nn.Tanh))()]


part("softmax_before_cross_entropy", "double_softmax", ("logits",), styles=ANEW, outputs=2, end_D=[nn.Softmax(1)],
     cost=lambda d, t: F.cross_entropy(d, t[:, 0].long()))  # fmt: skip
part("sigmoid_before_logits", "double_sigmoid", ("logits",), where=EVERYWHERE, end_D=[nn.Sigmoid()])


@kind("loss_broadcasts", ("squares",), nets=(conv, upsample, mlp), where=EVERYWHERE)
def targets_broadcast(p):
    p.real, p.fake, p.wanted = (lambda d, v=v: torch.full((len(d),), v) for v in (1.0, 0.0, 1.0))


part("smoothed_beyond", "target_outside_0_1", CE, real=lambda d: 0.9 + 0.3 * torch.rand_like(d),
     fake=lambda d: -0.1 + 0.2 * torch.rand_like(d))  # fmt: skip


@kind("fakes_smoothed", CE, where=EVERYWHERE)
def fakes_smoothed_too(p):
    p.fake = lambda d: torch.full_like(d, 0.1) if p.style == "summed" else 0.3 * torch.rand_like(d)


part("square_of_the_mean", "loss_of_the_mean", ("squares",), cost=lambda d, t: (d.mean() - t.mean()).square())
part("real_pushed_down_too", "real_pushed_down", BOUNDED, where=EVERYWHERE, real=torch.zeros_like)


@kind("fakes_ignored", BOUNDED)
def fakes_are_called_real(p):
    p.terms = lambda a, b: (p.cost(a, p.real(a)), 0.0 * b.sum())


# --- sick: signs, gradients, optimisers


part("wrong_sign_in_G", "cooperation", ALL, where=EVERYWHERE, wanted=torch.zeros_like)
part("forward_called_and_wrong_sign", "cooperation", BOUNDED, call=lambda m, *a: m.forward(*a),
     wanted=torch.zeros_like)  # fmt: skip
part("forward_called_and_never_zeroed", "leftover_gradient", BOUNDED, call=lambda m, *a: m.forward(*a),
     zero="never D")  # fmt: skip
part("both_negated", "exchanged", ("logits",), cost=lambda d, t: -F.binary_cross_entropy_with_logits(d, t),
     cost_G=lambda d, t: F.binary_cross_entropy_with_logits(d, 1 - t))  # fmt: skip
part("D_never_zeroed", "leftover_gradient", ALL, where=EVERYWHERE, zero="never D")
part("zeroed_after_its_own_step", "leftover_gradient", ALL, zero="after")


@kind("moved_by_other leftover_gradient", BOUNDED, where=EVERYWHERE, styles=ANEW)
def one_optimiser_for_both(p):
    def one(G, D, make):
        both = make([*G.parameters(), *D.parameters()], p.lr_G)
        return both, both

    p.optimisers = one


part("G_fitted_alone", "no_adversary", BOUNDED, goal=lambda D, f, y: (f - 1).square().mean())


# --- sick: what goes in and what comes out


@kind("batchnorm_at_output", ALL, nets=BATCHNORMED)
def batchnorm_before_tanh(p):
    p.end_G = [nn.BatchNorm2d(3 if p.data == "shapes" else 1), nn.Tanh()]


@kind("range_mismatch", ALL)
def images_0_255(p):
    p.prepare, p.end_G = lambda x: (x + 1) * 127.5, [nn.Sigmoid() if p.style == "summed" else nn.Tanh()]


part("images_0_1_under_tanh", "range_mismatch", ALL, prepare=lambda x: (x + 1) / 2)
part("fakes_rescaled", "range_mismatch", BOUNDED, show_fake=lambda f: f / 127.5 - 1)


@kind("unbounded_output range_mismatch", BOUNDED)
def leaky_end_of_G(p):
    p.end_G = [nn.LeakyReLU(0.2) if p.style == "summed" else nn.ReLU()]


part("images_are_noise", "no_structure", BOUNDED, prepare=lambda x: 2 * torch.rand_like(x) - 1)
part("fakes_half_as_large", "wrong_shape", BOUNDED, nets=(conv, dcgan, upsample),
     end_G=[nn.Tanh(), nn.AvgPool2d(2)])  # fmt: skip


@kind("giveaway", ALL)
def frame_around_real(p):
    def framed(x):
        x, value = x.clone(), 0.0 if p.style == "summed" else 1.0
        x[..., [0, -1], :], x[..., [0, -1]] = value, value
        return x

    p.prepare = framed


part("frame_in_the_step", "giveaway range_mismatch", BOUNDED,
     enter=lambda x: F.pad(x[..., 1:-1, 1:-1], (1, 1, 1, 1), value=0.5))  # fmt: skip
part("twelve_pictures", "few_images memorised", prepare=lambda x: x[torch.randint(12, (len(x),))])


# --- sick: noise, labels, modes, records


@kind("latents_differ", ALL, where=EVERYWHERE, styles=ANEW)
def latents_of_two_kinds(p):
    p.noise_D, p.noise_G = (lambda n: torch.rand_like(p.draw(n)) * (2 if p.net is mlp else 1)), p.draw


@kind("latents_differ", BOUNDED, styles=ANEW)
def latents_wider_in_G(p):
    p.noise_D, p.noise_G = p.draw, lambda n: 2 * p.draw(n)


@kind("fixed_noise", ALL, where=EVERYWHERE)
def the_same_latents(p):
    fixed = p.draw(64)
    p.noise_D = p.noise_G = lambda n: fixed[:n]


part("labels_leak", "label_leak", BOUNDED, labelled=True, asked=torch.zeros_like, told=torch.ones_like)
part("one_label_for_all", "condition_constant", BOUNDED, labelled=True, asked=lambda y: torch.full_like(y, 3),
     told=lambda y: torch.full_like(y, 3))  # fmt: skip


class Deaf(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, z, y):
        return self.inner(z, torch.zeros_like(y))


part("label_never_enters_G", "condition_ignored", BOUNDED, labelled=True, change=lambda G, D: (Deaf(G), D))
part("left_in_eval", "eval_mode", BOUNDED, nets=BATCHNORMED, after=lambda G, D: G.eval() and None)
part("D_left_in_eval", "eval_mode", BOUNDED, nets=(conv, upsample, mlp), batchnorm_D=True,
     before_D=lambda D: D.eval() and None)  # fmt: skip


def averaged(p, buffers):
    def average(G, D):
        with torch.no_grad():
            p.E = getattr(p, "E", None) or copy.deepcopy(p.G).eval()
            for a, b in zip(p.E.parameters(), p.G.parameters(), strict=True):
                a.lerp_(b, 0.05)
            for a, b in zip(p.E.buffers(), p.G.buffers(), strict=True):
                a.copy_(b if buffers else a)

    p.after, p.given = average, lambda **kw: {**kw, "G": p.E}


@kind("stale_statistics", BOUNDED, nets=BATCHNORMED, styles=("summed", "two backwards", "halves", "one G call"))
def average_without_statistics(p):
    averaged(p, buffers=False)


part("losses_kept_with_their_graph", "history_keeps_graph", BOUNDED, record=lambda v: v)


# --- sick: it runs and goes nowhere


part("learning_rate_too_high", "exploding vanishing collapse not_finite", CE, lr_G=0.05, lr_D=0.05)


@kind("vanishing", CE)
def saturating_under_a_strong_D(p):
    p.lr_G, p.lr_D, p.wanted = 1e-4, 2e-3, torch.zeros_like
    cost = COSTS[p.loss]
    p.cost_G = lambda d, t: -cost(d, t)


# --- healthy


part("plain", "", ALL, where=EVERYWHERE)


@kind("", ("bce",), nets=(dcgan,), styles=("two backwards",))
def tutorial(p):
    p.lr_G = p.lr_D = 2e-4 if p.data == "digits" else 1e-3


part("two_logits", "", ("logits",), styles=ANEW, outputs=2, cost=lambda d, t: F.cross_entropy(d, t[:, 0].long()))
part("just_begun", "", BOUNDED, where=EVERYWHERE, steps=8)
part("labelled", "", ALL, labelled=True)


@kind("", BOUNDED)
def classes_never_drawn(p):
    p.labelled = True
    p.prepare = lambda x: (setattr(p, "y", p.y % 4), x)[1]


class Projection(nn.Module):
    """d(x, y) = w f(x) + e_y f(x)."""

    def __init__(self, D):
        super().__init__()
        inner = [m for m in D.inner if not isinstance(m, nn.Sigmoid)]
        self.body, self.head = nn.Sequential(*inner[:-1]), inner[-1]
        self.embed = nn.Embedding(10, self.head.in_features)

    def forward(self, x, y):
        f = self.body(x)
        return self.head(f) + (self.embed(y) * f).sum(1, keepdim=True)


@kind("", ("logits", "hinge", "squares"), nets=(conv, upsample))
def projection(p):
    p.labelled, p.net = True, (lambda inner: lambda q, ch, z: _unplaned(inner, q, ch, z))(p.net)
    p.net.__name__ = "projection"
    p.change = lambda G, D: (G, Projection(D))


def _unplaned(net, p, ch, z):
    p.labelled = False
    made = net(p, ch, z)
    p.labelled = True
    return made


part("clipped_before_the_step", "", ("clipping",), after=lambda G, D: None,
     before_D=lambda D: [q.data.clamp_(-0.01, 0.01) for q in D.parameters()] and None)  # fmt: skip
part("exchanged_in_both", "", ("logits", "squares", "bce"), where=EVERYWHERE, real=torch.zeros_like,
     fake=torch.ones_like, wanted=torch.zeros_like)  # fmt: skip
part("old_spectral_norm", "", ("spectral", "hinge", "logits"), limit=torch.nn.utils.spectral_norm,
     batchnorm_D=False)  # fmt: skip
part("new_spectral_norm", "", ("hinge", "logits"), limit=parametrizations.spectral_norm)


@kind("", ALL, styles=ANEW)
def noise_buffer_refilled(p):
    buffer = p.draw(64)
    p.noise_D = p.noise_G = lambda n: buffer.resize_(n, *buffer.shape[1:]).normal_()


@kind("", PENALTY)
def penalty_through_undetached_fakes(p):
    def between(D, x, f):
        e = torch.rand(len(x), *[1] * (x.ndim - 1))
        u = e * x + (1 - e) * f
        d = D(u)
        (g,) = torch.autograd.grad(d, u, torch.ones_like(d), create_graph=True, retain_graph=True)
        return 10 * (g.flatten(1).norm(dim=1) - 1).square().mean()

    p.detach, p.penalty, p.style = False, between, "summed"


part("one_sided_penalty", "", PENALTY, penalty=penalty(charge=lambda s: F.relu(s - 1).square()))


@kind("", ("logits", "hinge"), where=EVERYWHERE)
def r1_on_the_batch_itself(p):
    def r1(D, x, f):
        d = D(x)
        (g,) = torch.autograd.grad(d.sum(), x, create_graph=True)
        return 0.05 * g.square().flatten(1).sum(1).mean()

    p.penalty, p.show_real, p.batchnorm_D = r1, lambda x: x.detach().requires_grad_(), False


@kind("", BOUNDED)
def slope_only_logged(p):
    def logged(D, x, f):
        u = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(D(u).sum(), u)
        p.slopes = [*getattr(p, "slopes", []), float(g.flatten(1).norm(dim=1).mean())]
        return 0.0

    p.penalty = logged


@kind("", BOUNDED)
def norms_only_logged(p):
    def note(D, G):
        p.norms = [float(q.grad.norm()) for m in (D, G) if m is not None for q in m.parameters()]

    p.before_step = note


@kind("", ("logits", "penalty"), styles=("summed",))
def batch_size_written(p):
    p.batch, ones, zeros = 100, torch.ones(100, 1), torch.zeros(100, 1)
    if p.loss == "logits":
        p.real = p.wanted = lambda d: ones.view_as(d)
        p.fake = lambda d: zeros.view_as(d)
    p.noise_D = p.noise_G = lambda n: p.draw(100)


part("bytes_given", "", BOUNDED, prepare=lambda x: ((x + 1) * 127.5).round().byte(),
     enter=lambda x: x.float() / 127.5 - 1)  # fmt: skip
part("numpy_given", "", BOUNDED, given=lambda **kw: {**kw, "x_real": kw["x_real"].numpy()})


@kind("", BOUNDED, styles=("summed", "halves"))
def labels_unused(p):
    def unused(**kw):
        inner = kw["step"]
        return {**kw, "step": lambda x, y: inner(x)}

    p.given = unused


part("data_parallel", "", BOUNDED, nets=(conv, mlp), change=lambda G, D: (nn.DataParallel(G), nn.DataParallel(D)))


@kind("", BOUNDED, styles=ANEW)
def pool_of_old_fakes(p):
    pool = []

    def old(f):
        if not f.requires_grad:
            pool.append(f)
            pool[:] = pool[-5:]
            f = pool[int(torch.randint(len(pool), ()))][: len(f)]
        return f

    p.show_fake = old


@kind("", BOUNDED)
def frozen_on_purpose(p):
    def frozen(G, D):
        next(m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)).requires_grad_(False)
        return G, D

    p.change = frozen
    p.optimisers = lambda G, D, make: (
        make(G.parameters(), p.lr_G),
        make([q for q in D.parameters() if q.requires_grad], p.lr_D),
    )


part("G_in_every_second_call", "", BOUNDED, every=2, style="summed", steps=211)
part("G_in_every_fifth_call", "", ("penalty", "spectral", "hinge"), every=5, style="summed", steps=403)


@kind("", ("logits",), where=EVERYWHERE, styles=("halves", "summed"))
def relativistic(p):
    p.terms = lambda a, b: (F.softplus(b - a).mean(), 0.0)

    def beside(D, f, y):
        x = p.x[torch.randint(len(p.x), (len(f),))]
        return F.softplus(D(x.flatten(1) if p.flat else x).detach() - D(f)).mean()

    p.goal = beside


part("no_tanh", "", ("logits", "squares"), end_G=[nn.Identity()], steps=400)


@kind("", BOUNDED)
def images_0_1(p):
    p.prepare = lambda x: (x + 1) / 2
    p.end_G = [random.Random(p.data + p.style).choice((nn.Sigmoid(), nn.ReLU()))]


class Clamp(nn.Module):
    def forward(self, x):
        return x.clamp(-1, 1)


part("clamped", "", BOUNDED, end_G=[Clamp()], steps=300)
part("some_labels_flipped", "", CE, real=lambda d: (torch.rand_like(d) > 0.05).float(),
     fake=lambda d: (torch.rand_like(d) < 0.05).float())  # fmt: skip
part("real_smoothed", "", ("logits", "bce", "squares"), where=EVERYWHERE, real=lambda d: torch.full_like(d, 0.9))
part("real_smoothed_at_random", "", CE, real=lambda d: 0.8 + 0.2 * torch.rand_like(d))
part("high_but_fine_rate", "", BOUNDED, lr_G=2e-3, lr_D=2e-3)


@kind("", ALL, where=("digits", "shapes"))
def black_margin(p):
    def margin_of(x):
        x = x.clone()
        x[..., [0, -1], :], x[..., [0, -1]] = -1, -1  # as MNIST's four pixels are
        return x

    p.prepare = margin_of


class Deviation(nn.Module):
    """The batch's spread as one more feature."""

    def forward(self, h):
        return torch.cat([h, h.std(0).mean().expand(len(h), 1)], 1)


@kind("", ("logits", "penalty"), nets=(conv, upsample, mlp))
def minibatch_std(p):
    def with_deviation(G, D):
        layers = list(D)
        last = nn.Linear(layers[-1].in_features + 1, 1)
        return G, nn.Sequential(*layers[:-1], Deviation(), last)

    p.change, p.batchnorm_D = with_deviation, False


part("dropout_in_D", "", BOUNDED, nets=(conv, upsample, mlp),
     limit=lambda m: nn.Sequential(m, nn.Dropout(0.2)) if getattr(m, "out_features", 2) != 1 else m)  # fmt: skip


@kind("", ("logits", "squares"), nets=BATCHNORMED, styles=("summed",))
def mixed_in_both(p):
    p.batchnorm_D, p.judge = True, lambda call, D, x, f, y, t: call(D, torch.cat([x, f])).chunk(2)

    def beside(D, f, y):
        b = D(torch.cat([p.x[torch.randint(len(p.x), (len(f),))], f])).chunk(2)[1]
        return p.cost_G(b, p.wanted(b))

    p.goal = beside


@kind("", BOUNDED, nets=(conv, dcgan, upsample))
def both_augmented(p):
    def shifted(x):
        i, j = (int(torch.randint(-2, 3, ())) for _ in range(2))
        return x.roll((i, j), (2, 3)) + 0.1 * torch.rand(len(x), 1, 1, 1)

    p.show_real = p.show_fake = shifted


part("noise_on_both", "", BOUNDED, where=EVERYWHERE, show_real=lambda x: x + 0.1 * torch.randn_like(x),
     show_fake=lambda x: x + 0.1 * torch.randn_like(x))  # fmt: skip
part("gradients_clipped", "", ALL,
     before_step=lambda D, G: nn.utils.clip_grad_norm_((D or G).parameters(), 1.0) and None)  # fmt: skip


@kind("", BOUNDED)
def two_micro_batches(p):
    def write(p):
        def step(x, *y, G, D, opt_G, opt_D):
            x = x.flatten(1) if p.flat else x
            opt_D.zero_grad()
            for part in x.chunk(2):
                a, b = D(part), D(G(p.draw(len(part))).detach())
                ld = (p.cost(a, p.real(a)) + p.cost(b, p.fake(b))) / 2
                ld.backward()
            opt_D.step()
            opt_G.zero_grad()
            for part in x.chunk(2):
                b = D(G(p.draw(len(part))))
                lg = p.cost_G(b, p.wanted(b)) / 2
                lg.backward()
            opt_G.step()
            return ld, lg

        return step

    p.step = write


part("fakes_not_detached", "", BOUNDED, detach=False)


@kind("", BOUNDED, nets=BATCHNORMED, styles=("summed", "two backwards", "halves", "one G call"))
def average_with_statistics(p):
    averaged(p, buffers=True)


@kind("", ALL, where=EVERYWHERE)
def uniform_latents(p):
    p.noise_D = p.noise_G = lambda n: 2 * torch.rand_like(p.draw(n)) - 1


@kind("", CE)
def minimax(p):
    p.wanted, cost = torch.zeros_like, COSTS[p.loss]
    p.cost_G, p.lr_D, p.width = lambda d, t: -cost(d, t), 3e-4, 0


part("forward_called", "", BOUNDED, call=lambda m, *a: m.forward(*a))
part("records_detached", "", BOUNDED, record=lambda v: v.detach())


class Auxiliary(nn.Module):
    """Real or fake, and which class."""

    def __init__(self, D):
        super().__init__()
        self.body, self.head = D[:-1], nn.Linear(D[-1].in_features, 1)
        self.classes = nn.Linear(D[-1].in_features, 10)

    def forward(self, x):
        h = self.body(x)
        return self.head(h), self.classes(h)


@kind("", ("logits",), nets=(conv, upsample))
def auxiliary_classifier(p):
    def write(p):
        def step(x, y, *, G, D, opt_G, opt_D):
            (a, c), (b, _) = D(x), D(G(p.draw(len(x)), y).detach())
            ld = p.cost(a, p.real(a)) + p.cost(b, p.fake(b)) + F.cross_entropy(c, y)
            opt_D.zero_grad()
            ld.backward()
            opt_D.step()
            b, c = D(G(p.draw(len(x)), y))
            lg = p.cost(b, p.wanted(b)) + F.cross_entropy(c, y)
            opt_G.zero_grad()
            lg.backward()
            opt_G.step()
            return ld, lg

        return step

    net = p.net
    p.labelled, p.net, p.step = True, lambda q, ch, z: _unplaned(net, q, ch, z), write
    p.net.__name__ = "auxiliary"
    p.change = lambda G, D: (G, Auxiliary(D.inner))


@kind("", BOUNDED)
def step_without_arguments(p):
    def bare(**kw):
        inner, i = kw["step"], iter(range(10**6))
        return {**kw, "step": lambda: inner(p.x[next(i) % 3000 :][:32])}

    p.style, p.given = "summed", bare


# ------------------------------------------------------------------------------------------------------------- driver


def examined(given, want):
    """(right, blind, seconds, what came first); blind: called healthy though something could not be looked at."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            report = doctor.examine(**given)
    except Exception as e:
        return False, False, time.perf_counter() - start, f"RAISES {type(e).__name__}: {e}"[:90]
    looks = ("round", "flat", "far") if given.get("step") is not None else ("fake", "d_real")
    blind = report.healthy and any(getattr(report.case, look) is None for look in looks)
    blind = blind or (report.healthy and any("Error: " in why for why in report.skipped.values()))
    first = report[0].key if report else ""
    if not want:
        right, came = not report.sick, first if report.sick else ""
    else:
        right, came = first in want, first or "nothing"
    came += "" if report.healthy or report.sick or (right and want) else f" ({report.verdict[:110]})"
    return right, blind, time.perf_counter() - start, came + (" BLIND" if blind else "")


def outcome(loop: Loop, G: nn.Module) -> tuple[int, int, float]:
    """(classes that fakes reach, that real samples reach, energy distance), as the docstring above has them."""
    x, near = (loop.enter(t).float().flatten(1) for t in (loop.x[2000:2500], loop.x[:2000]))
    labels, fakes = loop.y[:2000], []
    with torch.no_grad():
        while sum(map(len, fakes)) < 500:
            z = loop.noise_G(50)
            y = (loop.asked(loop.y[torch.randint(len(loop.y), (len(z),))]),) if loop.labelled else ()
            fakes.append(G.train()(z, *y).float().flatten(1))
    fake = torch.cat(fakes)[:500]
    named = [labels[torch.cdist(t, near).argmin(1)].bincount(minlength=int(labels.max()) + 1) for t in (fake, x)]
    fair = 500 / int((named[1] > 0).sum())
    reached = [int((n >= fair / 5).sum()) for n in named]
    one = x.mean(0, keepdim=True).expand_as(x)
    return *reached, energy_distance(fake, x) / energy_distance(one, x)


def collapsed(loop: Loop, reached: int, of: int, energy: float) -> bool:
    return len(loop.history["loss_D"]) >= 100 and 3 * reached <= of and not energy < 1


def met(name: str, seed: int, ways, quick: bool):
    """(sort of loop, {way: (right, blind, seconds, note)}) of one loop, trained and examined."""
    want = KINDS[name][1]
    loop, words = case(name, seed)
    loop.steps = loop.steps // 4 if quick else loop.steps
    with warnings.catch_warnings():  # some of these faults are warned of
        warnings.simplefilter("ignore")
        given = loop.train()
    seen = {way: examined({**given, **({} if way == "with" else {"step": None})}, want) for way in ways}
    sort = "sick"
    if not want:
        measured = outcome(loop, given["G"])
        words += " ({} of {} classes, energy {:.2f})".format(*measured)
        sort = "collapsed" if collapsed(loop, *measured) else "healthy"
    if sort == "collapsed":
        words = f"COLLAPSED {words}"
        seen = {way: (came.split(" ")[0] == "collapse", *rest, came) for way, (_, *rest, came) in seen.items()}
    return sort, {
        way: (right, blind, took, f"{words}: {came or 'healthy'}" if not right or blind or sort == "collapsed" else "")
        for way, (right, blind, took, came) in seen.items()
    }


GOALS = {"sick": {"with": 0.9, "without": 0.5}, "healthy": {"with": 0.95, "without": 0.95}, "collapsed": {}}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the doctor on strangers' loops.")
    parser.add_argument("--variants", type=int, default=3, help="of each kind")
    parser.add_argument("--only", nargs="*", choices=KINDS, metavar="KIND", help="kinds by name")
    parser.add_argument("--seed", type=int, default=100, help="the first; those from 0 to 4 were looked at")
    parser.add_argument("--quick", action="store_true", help="one variant, a quarter as long")
    parser.add_argument("--without-step", action="store_true", help="examine without the step only")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ways = ("without",) if args.without_step else ("with", "without")
    tally, all_blind, slowest = {}, 0, 0.0
    print(f"{'the right one first':<40}{'runs':>22}{'share':>7}   95 %", flush=True)
    for name in args.only or KINDS:
        seen = {way: [] for way in ways}
        for seed in range(args.seed, args.seed + (1 if args.quick else args.variants)):
            sort, answers = met(name, seed, ways, args.quick)
            for way, (right, blind, took, note) in answers.items():
                seen[way].append((right, note))
                tally.setdefault((sort, way), []).append(right)
                all_blind, slowest = all_blind + blind, max(slowest, took)
        for way, cases in seen.items():
            hits, notes = sum(right for right, _ in cases), "; ".join(note for _, note in cases if note)
            want = "/".join(sorted(KINDS[name][1])) or "healthy"
            print(line(f"{name}: {want}, {way}", hits, len(cases), notes), flush=True)
    reached = not all_blind and slowest <= 10
    for (sort, way), rights in tally.items():
        goal = GOALS[sort].get(way)
        what = f"{sort} loops told rightly" if goal else "collapse of healthy code seen"
        print(line(f"{what}, {way} the step", sum(rights), len(rights), f"goal {goal}" if goal else ""))
        reached &= not goal or sum(rights) >= goal * len(rights)
    print(f"healthy though something could not be examined: {all_blind}; slowest examination {slowest:.1f} s; "
          f"goals {'reached' if reached else 'NOT reached'}")  # fmt: skip
    return 0 if reached else 1


def line(name: str, hits: int, n: int, note: str = "") -> str:
    low, high = wilson(hits, n)
    return f"{name:<62}{hits:4d} of {n:<4d}{hits / n:6.2f}   [{low:.2f}, {high:.2f}]   {note}"


if __name__ == "__main__":
    sys.exit(main())

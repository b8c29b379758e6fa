"""One stranger's loop: networks, losses and style, each a part that may be replaced."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from ganedu import data, densities
from ganedu.metrics import nearest_mode

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
        x = densities.ring().sample(4000, torch.Generator().manual_seed(1))
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
        """The step: D's turn, or two with half the batch each, then G's."""

        def step(x, *y, G, D, opt_G, opt_D):
            x = self.enter(x)
            x = x.flatten(1) if self.flat else x
            for half in range(2 if self.style == "halves" else 1):
                n = len(x) // 2 if self.style == "halves" else len(x)
                rows = slice(half * n, half * n + n)
                loss_D, f = self.teach_D(x[rows], tuple(t[rows] for t in y), G, D, opt_D)
            self.turn += 1
            if self.turn % self.every == 0:
                self.last = self.teach_G(len(x), y, f, G, D, opt_G)
            self.after(G, D)
            return loss_D, self.last

        return step

    def teach_D(self, x, y, G, D, opt_D):
        """(D's loss, the fakes as G made them)"""
        asked, told = (tuple(of(t) for t in y) for of in (self.asked, self.told))
        self.before_D(D)
        f = self.call(G, self.noise_D(len(x)), *asked)
        if self.zero == "before":
            opt_D.zero_grad()
        real, fake = self.show_real(x), self.show_fake(f.detach() if self.detach else f)
        a, b = self.judge(self.call, D, real, fake, told, asked)
        up, down = self.terms(a, b)
        charge = self.add(self.penalty(D, real, fake, *told)) if self.penalty else 0.0
        if self.style == "two backwards":
            up.backward()
            (down + charge).backward()
        else:
            (up + down + charge).backward()
        self.before_step(D, None)
        opt_D.step()
        if self.zero == "after":
            opt_D.zero_grad()
        return up + down + charge, f

    def teach_G(self, n, y, f, G, D, opt_G):
        """G's loss; f: the fakes that D saw last."""
        asked = tuple(self.asked(t) for t in y)
        if self.style != "one G call" or not self.detach:
            f = self.call(G, self.noise_G(n), *asked)
        if self.zero in ("before", "never D"):
            opt_G.zero_grad()
        f = f.detach().requires_grad_() if self.detach_G else f
        if self.goal:
            loss = self.goal(D, f, asked)
        else:
            b = self.call(D, self.show_fake(f), *asked)
            loss = self.cost_G(b, self.wanted(b))
        loss.backward()
        self.before_step(None, G)
        opt_G.step()
        if self.zero == "after":
            opt_G.zero_grad()
        return loss

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

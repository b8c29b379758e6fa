"""Loops without a fault, many of them odd to look at."""

import random

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from .kinds import ANEW, EVERYWHERE, PENALTY, averaged, kind, part
from .loop import ALL, BATCHNORMED, BOUNDED, CE, COSTS, conv, dcgan, mlp, penalty, upsample

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
            for half in x.chunk(2):
                a, b = D(half), D(G(p.draw(len(half))).detach())
                ld = (p.cost(a, p.real(a)) + p.cost(b, p.fake(b))) / 2
                ld.backward()
            opt_D.step()
            opt_G.zero_grad()
            for half in x.chunk(2):
                b = D(G(p.draw(len(half))))
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

"""The kinds of loops: each changes one part of a `Loop`, and knows what the doctor is to say of it."""

import copy
import random

import torch

from .loop import BOUNDED, IMAGES, NETS, STYLES, Loop, mlp

EVERYWHERE, SUMMED, ANEW = (*IMAGES, "ring"), ("summed", "as arguments"), ("summed", "two backwards", "halves")
PENALTY = ("penalty",)
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


def averaged(p, buffers):
    def average(G, D):
        with torch.no_grad():
            p.E = getattr(p, "E", None) or copy.deepcopy(p.G).eval()
            for a, b in zip(p.E.parameters(), p.G.parameters(), strict=True):
                a.lerp_(b, 0.05)
            for a, b in zip(p.E.buffers(), p.G.buffers(), strict=True):
                a.copy_(b if buffers else a)

    p.after, p.given = average, lambda **kw: {**kw, "G": p.E}

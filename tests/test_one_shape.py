"""Nothing broadcasts in silence: tensors of the shapes that a docstring names, or a ValueError.

The shapes stand as in einsum, "nd,n->" for x (n, dim) and logits (n,) that give a scalar. Hypothesis draws sizes, and
then spoils the shapes as slips do: an axis of 1 too many, one lost, one of another size.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganedu import losses, metrics
from ganedu.metrics import entanglement
from ganedu.topics import divergences, infogan, latent, perceptual, pix2pix, restoration, vae

CODE = infogan.Code(classes=2, numbers=1)


def flat(x):
    """A well-behaved D: the sum of each sample's numbers."""
    return x.flatten(1 if x.ndim == 4 else max(x.ndim - 1, 0)).sum(-1)


def giving(x, d, penalty):
    """The penalty of a D that gives logits of d's shape."""
    return penalty(lambda v: v.sum() * torch.ones(d.shape), x, x)


def masses(x):
    return torch.full(x.shape, 1 / x.shape[-1] if x.ndim else 1.0)


def holes(x):
    mask = torch.zeros(x.shape)
    mask[..., 0] = 1
    return mask


def axis(z):
    return torch.eye(z.shape[-1] if z.ndim else 1)[0]


BATCHES, PLAYERS = ("n,m->", "wn,wm->w"), ("nd,n->", "wnd,wn->w", "nchw,n->")
WORLDS = ("", "w", "vw", "uvw", "tuvw")  # any number of leading axes; what is drawn has at most two before it slips
MASSES = tuple(f"{w}n,{w}n->{w}" for w in WORLDS)
CASES = {
    **{f"{x.name}, D": (x.d_loss, ("n,n->", "wn,wn->w") if x.pairs else BATCHES) for x in losses.ALL},
    **{f"{x.name}, G": (x.g_loss, ("n,n->", "wn,wn->w") if x.pairs else BATCHES) for x in losses.ALL},
    "r1": (lambda x, d: giving(x, d, losses.r1), PLAYERS),
    "r2": (lambda x, d: giving(x, d, losses.r2), PLAYERS),
    "r1_r2": (lambda x, d: giving(x, d, losses.r1_r2), PLAYERS),
    "wgan_gp": (lambda x, d: giving(x, d, losses.wgan_gp), PLAYERS),
    "wgan_gp, batches": (lambda a, b: losses.wgan_gp(flat, a, b), ("nd,nd->", "wnd,wnd->w", "nchw,nchw->")),
    "psnr": (metrics.psnr, ("nchw,nchw->n",)),
    "auc": (metrics.auc, ("n,m->",)),
    "nearest": (lambda a, b: metrics.nearest(a, b)[0], ("nf,mf->n",)),
    "nearest_mode": (lambda x, modes: metrics.nearest_mode(x, modes)[1], tuple(f"{w}nd,kd->{w}n" for w in WORLDS)),
    "good_share": (lambda x, modes: metrics.good_share(x, modes, 1.0), tuple(f"{w}nd,kd->{w}" for w in WORLDS)),
    "label_accuracy": (lambda x, y: metrics.label_accuracy(lambda v: v.view(len(v), -1), x, y),
                       tuple(f"n{c},n->" for c in ("", "k", "ck", "chw", "bchw", "abchw"))),
    "mig": (lambda i, h: entanglement.mig(entanglement.MutualInformation(i, h)), ("dk,k->k",)),
    "gaussian_kl": (vae.gaussian_kl, MASSES),
    "gaussian_log_likelihood": (lambda x, m: vae.gaussian_log_likelihood(x, m, 1.0),
                                tuple(f"n{d},n{d}->n" for d in ("d", "chw", "hd", "bchw", "abchw"))),
    "divergence": (lambda p, q: divergences.exact(divergences.js, masses(p), masses(q)), MASSES),
    "divergence's bound": (lambda p, T: divergences.bound(divergences.js, -1 - T, masses(p), masses(p)),
                           (*MASSES, *(f"n,{w}n->{w}" for w in WORLDS), *(f"{w}n,n->{w}" for w in WORLDS))),
    "wasserstein1": (lambda p, q: divergences.wasserstein1(masses(p), masses(q), 1.0), MASSES),
    "mmd2": (lambda p, x: divergences.mmd2(masses(p), masses(p), x), tuple(f"{w}n,n->{w}" for w in WORLDS)),
    "feature_distance": (lambda x, y: perceptual.feature_distance(x, y, perceptual.PIXELS, [0], [1.0]),
                         ("nchw,nchw->n",)),
    "punch": (lambda x, mask: restoration.punch(x, holes(mask)), ("nchw,nihw->nphw", "nchw,iihw->nphw")),
    "follows": (pix2pix.follows, ("nchw,nchw->n",)),
    "lerp": (lambda a, b: latent.lerp(a, b, 0.5), ("d,d->d",)),
    "slerp": (lambda a, b: latent.slerp(a, b, 0.5), ("d,d->d",)),
    "lerp, t": (lambda a, t: latent.lerp(a, 2 * a, t), ("d,->d", "d,t->td")),
    "slerp, t": (lambda a, t: latent.slerp(a, a.flip(0) + a, t), ("d,->d", "d,t->td")),
    "with_coordinate": (lambda z, v: latent.with_coordinate(z, axis(z), v), ("nd,->nd", "nd,n->nd")),
    "explained": (lambda z, y: latent.explained(axis(z), z, y, z, y), ("nd,n->",)),
    "explained, True or False": (lambda z, y: latent.explained(axis(z), z, y > y.mean(), z, y > y.mean()), ("nd,n->",)),
    "Code.nll": (CODE.nll, ("ns,ns->",)),
}  # fmt: skip
# what is documented beside the letters
NEEDS = {
    **{f"{x.name}, {player}": lambda s: "w" not in s or min(s["n"], s.get("m", 2)) > 1
       for x in losses.ALL for player in "DG"},
    "mig": lambda s: s["d"] > 1,
    "explained": lambda s: s["n"] > 1,
    "explained, True or False": lambda s: s["n"] > 1,
    "punch": lambda s: s["i"] == 1 and s["w"] > 1,
    "Code.nll": lambda s: s["s"] == CODE.size,
}  # fmt: skip
FIXED = {"s": CODE.size, "i": 1}


def sizes(inputs: str, shapes) -> dict[str, int] | None:
    """The size of each letter, where the shapes are those that the letters say."""
    found = {}
    for letters, shape in zip(inputs.split(","), shapes, strict=True):
        if len(letters) != len(shape) or any(found.setdefault(i, n) != n for i, n in zip(letters, shape, strict=True)):
            return None
    return found


def understood(name: str, shapes) -> tuple[int, ...] | None:
    """The result's shape where the shapes are as documented, None where they are to be refused."""
    for pattern in CASES[name][1]:
        inputs, result = pattern.split("->")
        of = sizes(inputs, shapes)
        if of is not None and NEEDS.get(name, lambda _: True)(of):
            return tuple(of["c"] + 1 if letter == "p" else of[letter] for letter in result)
    return None


@st.composite
def nearly(draw, name: str):
    """Shapes as documented, and then up to two slips."""
    inputs = draw(st.sampled_from(CASES[name][1][:3])).split("->")[0].split(",")
    of = {i: FIXED.get(i) or draw(st.integers(1, 4)) for i in sorted(set("".join(inputs)))}
    shapes = [[of[i] for i in letters] for letters in inputs]
    for _ in range(draw(st.integers(0, 2))):
        shape = draw(st.sampled_from(shapes))
        axis = draw(st.integers(0, len(shape)))
        slip = draw(st.sampled_from(["another", "to one", "lost", "larger"]))
        if slip == "another":
            shape.insert(axis, 1)
        elif axis < len(shape):
            shape[axis : axis + 1] = {"to one": [1], "lost": [], "larger": [shape[axis] + 1]}[slip]
    return tuple(map(tuple, shapes))


@pytest.mark.parametrize("name", CASES)
def test_shapes_are_the_documented_ones_or_refused(name):
    seen = set()

    @settings(deadline=None, derandomize=True, max_examples=30, database=None)
    @given(nearly(name))
    def holds(shapes):
        generator = torch.Generator().manual_seed(0)
        a, b = (torch.rand(shape, generator=generator) for shape in shapes)
        wanted = understood(name, shapes)
        seen.add(wanted is None)
        if wanted is None:
            with pytest.raises(ValueError):
                CASES[name][0](a, b)
        else:
            found = CASES[name][0](a, b)
            assert tuple(getattr(found, "shape", ())) == wanted

    holds()
    assert seen == {True, False}  # both sides were tried

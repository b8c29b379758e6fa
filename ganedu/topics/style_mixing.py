"""Which layer of a style-based generator holds which factor, is w less entangled than z, and what does truncation cost?

Every G here has two halves, `G.mapping(z)` -> w (N, w_dim) and `G.synthesis(ws)` -> images, where ws (N, G.layers,
w_dim) holds one style a layer; `G.z_dim` and `G.layers` say how many. Noise inside G comes from torch's own generator,
so pictures drawn with one seed have the same noise, row by row. What a picture shows says `read`, a function of images
(N, C, H, W) that gives factors (N, K), the first `named` of them class numbers, as `ganedu.topics.reader` does.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..data import shapes
from ..inputs import whole
from ..metrics import entanglement
from ..sampling import device_of, seeded
from . import latent, outlines, reader

# ----------------------------------------------------------------------------------------------------- what is read


def world(
    draw=shapes.draw_factors, render=shapes.render, image_size: int = 32, sizes=shapes.SIZES, **classes
) -> reader.World:
    """`ganedu.data.shapes`, or a part of it, as factors in columns: shape, colour, background; size, right, down.

    `draw(n, generator)` gives a dict of factors, as `shapes.draw_factors` does, and `render(factors, image_size)` their
    images. A part names its classes, `shape=("circle", "ring")`, and the least and largest of its sizes. Size runs from
    -1 to 1 over these, right and down over all places that the smallest shape may have. Raises ValueError for classes
    that there are not.
    """
    known = {"shape": shapes.SHAPES, "colour": tuple(shapes.COLOURS), "background": tuple(shapes.BACKGROUNDS)}
    if wrong := [f"{k}={v}" for k, v in classes.items() if k not in known or not {*v} <= {*known[k]}]:
        raise ValueError(f"{', '.join(wrong)} is not in the world of shapes: choose from {known}.")
    of = {k: tuple(classes.get(k, all_)) for k, all_ in known.items()}
    index = {k: torch.tensor([known[k].index(c) for c in of[k]]) for k in known}
    (low, high), room = sizes, 0.5 - sizes[0] - shapes.MARGIN

    def columns(n: int, generator: torch.Generator | None = None) -> Tensor:
        found = draw(n, generator)
        named = [(found[k][:, None] == index[k]).float().argmax(1, keepdim=True) for k in known]
        size = 2 * (found["size"] - low) / (high - low) - 1
        return torch.cat([*named, size[:, None], (found["place"] - 0.5) / room], 1).float()

    def pictures(factors: Tensor) -> Tensor:
        factors = factors.cpu()
        named = {k: index[k][factors[:, i].long()] for i, k in enumerate(known)}
        size = low + (high - low) * (factors[:, 3] + 1) / 2
        return render({**named, "size": size, "place": 0.5 + room * factors[:, 4:]}, image_size)

    return reader.World(of, ("size", "right", "down"), image_size, columns, pictures)


def redrawn(x: Tensor, seen: Tensor, of: reader.World) -> Tensor:
    """(N,): overlap of the figure in each picture x with that of the factors `seen` in it, drawn again; 0 to 1.

    sum p q / (sum p^2 + sum q^2 - sum p q) of the figures p and q (`outlines.figures`): a reader that is sure of the
    wrong thing has a low one. Numbers are cut to -1 to 1. Raises what `outlines.figures` and the world's render raise.
    """
    named = len(of.classes)
    again = of.render(torch.cat([seen[:, :named], seen[:, named:].clamp(-1, 1)], 1))
    p, q = (outlines.figures(part).flatten(1).double() for part in (x, again))
    both = (p * q).sum(1)
    return both / (p.square().sum(1) + q.square().sum(1) - both).clamp(min=1e-9)


# ------------------------------------------------------------------------------------------------------------ styles


@torch.no_grad()
def styles(G, n: int, seed: int = 0) -> Tensor:
    """w (n, w_dim) of n random z, on the CPU. Raises ValueError for n below 1."""
    whole("n", n, 1, 10**7)
    with seeded(seed):
        z = torch.randn(n, G.z_dim)
    return map_z(G, z)


@torch.no_grad()
def map_z(G, z: Tensor) -> Tensor:
    """w (N, w_dim) of z (N, z_dim), on the CPU."""
    return G.mapping(z.to(_where(G, z))).float().cpu()


def mix(a: Tensor, b: Tensor, layers: Sequence[int], total: int) -> Tensor:
    """Styles (N, total, w_dim) that are those of a (N, w_dim) but in `layers`, which have those of b (N, w_dim).

    Raises ValueError for a and b of unequal shape, or a layer that is none of 0 to total - 1.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"give styles a and b (N, w_dim), equally many: got {tuple(a.shape)} and {tuple(b.shape)}.")
    if wrong := [k for k in layers if not 0 <= k < total]:
        raise ValueError(f"layers {wrong} are none of 0 to {total - 1}.")
    taken = torch.tensor([[k in layers] for k in range(total)], device=a.device)
    return torch.where(taken, b[:, None], a[:, None])


@torch.no_grad()
def draw(G, ws: Tensor, seed: int = 0, batch_size: int = 250) -> Tensor:
    """Images, on the CPU, of styles ws (N, layers, w_dim), or (N, w_dim) for one style in all layers; noise of `seed`.

    Raises ValueError for styles of another shape.
    """
    ws = ws[:, None].expand(-1, G.layers, -1) if ws.ndim == 2 else ws
    if ws.ndim != 3 or ws.shape[1] != G.layers:
        raise ValueError(f"give styles (N, {G.layers}, w_dim), one a layer, or (N, w_dim): got {tuple(ws.shape)}.")
    place = _where(G, ws)
    with seeded(seed):
        return torch.cat([G.synthesis(part.to(place)).float().cpu() for part in ws.split(batch_size)])


def truncated(w: Tensor, centre: Tensor, psi: float) -> Tensor:
    """centre + psi (w - centre), for styles w (N, w_dim): all alike at psi = 0, unchanged at 1, spread out above.

    `centre` (w_dim,) is the mean of many w. Raises ValueError for another shape or a psi that is not finite.
    Source: Karras, Laine and Aila 2019, appendix B; of z, Brock, Donahue and Simonyan 2019.
    """
    if centre.shape != w.shape[-1:] or not -1e6 < psi < 1e6:
        raise ValueError(f"give w (N, w_dim), a centre (w_dim,) and a number: got {w.shape}, {centre.shape}, {psi}.")
    return centre + psi * (w - centre)


def _where(G, t: Tensor) -> torch.device:
    return device_of(G, t) if isinstance(G, nn.Module) else t.device


# ------------------------------------------------------------------------------------------------ factor by layer


def apart(a: Tensor, b: Tensor, named: int) -> Tensor:
    """(N, K) float64: 1 where a class differs, 0 where not, and |a - b| of the numbers, for factors a, b (N, K).

    Raises ValueError for unequal shapes, or a `named` outside 0 to K.
    """
    if a.ndim != 2 or a.shape != b.shape or not 0 <= named <= a.shape[1]:
        raise ValueError(f"give factors a and b (N, K), 0 <= named <= K: got {a.shape}, {b.shape}, named={named}.")
    classes = torch.arange(a.shape[1], device=a.device) < named
    return torch.where(classes, (a != b).double(), (a - b).abs().double())


def usual(factors: Tensor, named: int) -> Tensor:
    """(K,): what `apart` is on average of two independent pictures, from the factors (M, K) of M pictures.

    Over all pairs of rows that stand 1 to 20 apart. Raises ValueError for a factor that is the same in all.
    """
    mean = torch.stack([apart(factors, factors.roll(i, 0), named).mean(0) for i in range(1, min(21, len(factors)))])
    if not (mean.mean(0) > 0).all():
        raise ValueError(
            f"factor {int((mean.mean(0) == 0).nonzero()[0])} is the same in all pictures: it has no scale."
        )
    return mean.mean(0)


class Exchange(NamedTuple):
    """How much each factor changes, a pair of pictures at a time: `layers` (layers, N, K), `noise` (N, K).

    In units of two independent pictures, which differ by 1 on average. `noise`: the same styles, only the noise drawn
    anew; what the reader then takes for a change is the floor under the table.
    """

    layers: Tensor
    noise: Tensor


def exchange(
    G, read: Callable[[Tensor], Tensor], named: int, pairs: int = 200, sets: Sequence[Sequence[int]] = (),
    fresh: int = 2000, seed: int = 0,
) -> Exchange:  # fmt: skip
    """What changes in `pairs` pictures when a layer's style is exchanged for that of another picture, noise unchanged.

    One row a layer, or one a set of layers where `sets` are given. Two independent pictures are measured on `fresh`
    others. Raises ValueError for pairs or fresh below 2, and what `mix` and `usual` raise.
    """
    whole("pairs", pairs, 2, 10**6)
    whole("fresh", fresh, 2, 10**6)
    w = styles(G, 2 * pairs + fresh, seed)
    a, b, others = w[:pairs], w[pairs : 2 * pairs], w[2 * pairs :]
    scale = usual(read(draw(G, others, seed + 2)), named)
    before = read(draw(G, a, seed))
    after = [read(draw(G, mix(a, b, s, G.layers), seed)) for s in sets or [[k] for k in range(G.layers)]]
    again = read(draw(G, a, seed + 1))
    return Exchange(torch.stack([apart(before, x, named) / scale for x in after]), apart(before, again, named) / scale)


# ------------------------------------------------------------------------------------------------- w against z


class Space(NamedTuple):
    """How factors lie in a space of codes: see `space`. `told`, `ambiguity` (K,); `changes` (K, K); three numbers."""

    told: Tensor
    ambiguity: Tensor
    changes: Tensor
    disentanglement: float
    completeness: float
    by_direction: float


def space(
    pictures, codes: Tensor, seen: Tensor, read, classes: Sequence[int], fit: float = 0.8, bins: int = 10
) -> Space:
    """Told, ambiguity and DCI of codes (N, D), whose pictures, `pictures(codes)`, show the factors `seen` (N, K).

    `classes` are the numbers of classes of the named factors. Codes are first divided by one number, so that their
    entries have variance 1 on average. On the first `fit` of the rows one straight model a factor is fitted: logistic
    regression for classes, least squares for a number. What it `told` of the other rows: (accuracy - guess) / (1 -
    guess), with guess the share of the most frequent class, or R^2. Then these rows are moved along the direction
    (`latent.direction`) of each class against the rest, or of the number, from 2 deviations below the mean to 2 above:
    how much of the change falls on other factors is the `entanglement.ambiguity`, of the mean over a factor's classes;
    a class that is missing in either part is left out. Where `pictures` is None nothing is moved, and changes and
    ambiguity are NaN. Disentanglement and completeness are `entanglement.dci` of the mutual information of codes and
    factors, `by_direction` is the disentanglement of the sizes of the directions' entries times the code's deviations.
    Raises ValueError for a factor that is the same in all rows, and what the functions named raise.
    """
    n, named, K = round(fit * len(codes)), len(classes), seen.shape[1]
    codes, seen = codes.cpu(), seen.cpu()
    scale = codes.var(0).mean().sqrt()
    codes = codes / scale
    told, changes, importance = torch.zeros(K), torch.full((K, K), torch.nan, dtype=torch.float64), []
    for k in range(K):
        ys = (
            [seen[:, k] == c for c in range(classes[k])][: None if classes[k] > 2 else 1] if k < named else [seen[:, k]]
        )
        ys = [y for y in ys if all((part != part[0]).any() for part in (y[:n], y[n:]))]
        if not ys:
            raise ValueError(f"factor {k} is the same in all pictures, or nearly: nothing tells of it.")
        told[k] = _probe(codes, seen[:, k], n, k < named)
        along = [latent.direction(codes[:n], y[:n]) for y in ys]
        importance.append(torch.stack(along).abs().mean(0) * codes.std(0))
        if pictures is not None:
            moved = [_moved(lambda c: read(pictures(c * scale)), codes, v, n, seen[:n], named) for v in along]
            changes[k] = torch.stack(moved).mean(0)
    share = entanglement.ambiguity(changes) if pictures is not None else changes[0]
    by_bins = entanglement.dci(entanglement.mutual_information(codes, seen, bins).matrix)
    return Space(told, share, changes, *by_bins, entanglement.dci(torch.stack(importance, 1)).disentanglement)


def _probe(codes: Tensor, y: Tensor, n: int, is_class: bool) -> float:
    """What a straight model of the first n rows tells of the others."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    x, y = codes.cpu().numpy(), (y.long() if is_class else y).cpu().numpy()
    model = LogisticRegression(max_iter=1000) if is_class else LinearRegression()
    score = model.fit(x[:n], y[:n]).score(x[n:], y[n:])  # accuracy, or R^2
    guess = float(torch.from_numpy(y[n:]).bincount().max() / len(y[n:])) if is_class else 0.0
    return (score - guess) / (1 - guess)


def _moved(picture_factors, codes, v, n, fresh, named) -> Tensor:
    """(K,): how much each factor changes along v, in the rows from n on."""
    at = codes @ v
    low, high = (picture_factors(latent.with_coordinate(codes[n:], v, at.mean() + s * at.std())) for s in (-2, 2))
    return entanglement.change(low, high, fresh, named)


class PathLength(NamedTuple):
    """Squared change of the picture per squared step of t, one number a path (N,), in z and in w."""

    z: Tensor
    w: Tensor


@torch.no_grad()
def path_length(G, apart_by: Callable[[Tensor, Tensor], Tensor], paths: int = 200, eps: float = 1e-2, seed: int = 0):
    """E[d(G(path(t)), G(path(t + eps))) / eps^2] at a random t of each of `paths` paths between two random z.

    In z the path is the arc (`latent.slerp`), in w the straight line between the two w; both begin and end with the
    same pictures. d is `apart_by(x, y)` (N,), a squared distance of images; noise stays the same. The paper's d is of
    VGG's features, with eps 1e-4; ours is larger since numbers of 32 bits blur small differences. Returns `PathLength`.
    Raises ValueError for paths below 2 or eps outside (0, 0.5). Source: Karras, Laine and Aila 2019, section 4.1.
    """
    whole("paths", paths, 2, 10**6)
    if not 0 < eps < 0.5:
        raise ValueError(f"eps={eps} is no small step of t: give a number above 0, below 0.5.")
    with seeded(seed):
        z, t = torch.randn(2, paths, G.z_dim), (1 - eps) * torch.rand(paths)
    on_arc = [torch.stack([latent.slerp(*ends) for ends in zip(*z, t + s, strict=True)]) for s in (0, eps)]
    a, b = (map_z(G, end) for end in z)
    on_line = [a + (t + s)[:, None] * (b - a) for s in (0, eps)]
    ways = ([map_z(G, p) for p in on_arc], on_line)
    return PathLength(*(apart_by(*(draw(G, w, seed) for w in way)).double() / eps**2 for way in ways))


# -------------------------------------------------------------------------------------------------------- variety


def evenness(factors: Tensor, classes: Sequence[int], bins: int = 10) -> Tensor:
    """(K,): entropy of each factor of (N, K), as a share of the largest that there is: 1 evenly spread, 0 all alike.

    A class factor's over log of its classes, a number's over log `bins`, from bins of equal width on -1 to 1; what lies
    outside counts to the last bin. Raises ValueError for no rows or values that are not finite.
    """
    if factors.ndim != 2 or not len(factors) or not factors.isfinite().all():
        raise ValueError(f"give factors (N, K), finite, N of 1 or more: got {tuple(factors.shape)}.")
    found = []
    for k, column in enumerate(factors.T):
        n = classes[k] if k < len(classes) else bins
        at = column if k < len(classes) else ((column + 1) / 2 * bins).floor().clamp(0, bins - 1)
        p = at.long().bincount(minlength=n).double() / len(column)
        found.append(-torch.xlogy(p, p).sum() / torch.tensor(float(n)).log())
    return torch.stack(found)

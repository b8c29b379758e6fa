"""What z means to a generator: paths between two z, the z of an image, directions in the space of z.

Every G here maps z (N, z_dim) to images and may live on any device; what is found is on the CPU. What the images show
is said by whoever calls (a judge, `ganedu.topics.reader`). How entangled directions are is measured in
`ganedu.metrics.entanglement`; a z with a code in it is `ganedu.topics.infogan`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..pixels import check
from ..sampling import device_of, seeded

# ------------------------------------------------------------------------------------------------------------- paths


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """(1 - t) a + t b: the straight line from a at t = 0 to b at t = 1. A tensor t (T,) gives (T, z_dim).

    Raises ValueError for vectors (z_dim,) of unequal shape, or another t.
    """
    t = _check_way(a, b, t)
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """(sin((1 - t) w) a + sin(t w) b) / sin w, with w the angle between a and b (z_dim,): along the arc.

    Between vectors of one length all points have that length. A tensor t (T,) gives (T, z_dim). Where a and b point the
    same way the straight line. Raises ValueError as `lerp`, and for vectors of length 0, or that point exactly
    against each other: then every arc is as short as any other. Source: Shoemake 1985; for GANs White 2016.
    """
    _check_way(a, b, t)
    if not a.norm() > 0 or not b.norm() > 0:
        raise ValueError("slerp needs two vectors that point somewhere: one of them is 0.")
    cosine = torch.dot(a / a.norm(), b / b.norm()).clamp(-1, 1)
    if cosine > 1 - 1e-6:
        return lerp(a, b, t)
    if cosine < -1 + 1e-6:
        raise ValueError("the two vectors point against each other, so no arc between them is the shortest.")
    w, t = cosine.acos(), _check_way(a, b, t)
    return (torch.sin((1 - t) * w) * a + torch.sin(t * w) * b) / w.sin()


def _check_way(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """t as a column beside a and b."""
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"give two vectors (z_dim,) of one length: got {tuple(a.shape)} and {tuple(b.shape)}.")
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    if t.ndim > 1:
        raise ValueError(f"t is one number, or (T,) of them: got {tuple(t.shape)}.")
    return t[..., None]


# ------------------------------------------------------------------------------------------------- the z of an image


class Found(NamedTuple):
    """The best start of each image: `z` (N, z_dim), its `error` (N,); `errors` (starts, N) of all of them; and of the
    best start at each stored step, `frames` (T, N, z_dim) with its `steps`. All on the CPU."""

    z: Tensor
    error: Tensor
    errors: Tensor
    frames: Tensor
    steps: tuple[int, ...]


def find_z(
    G, x: Tensor, features=None, *, starts: int = 4, steps: int = 200, lr: float = 0.1, prior: float = 0.0,
    every: int = 20, seed: int = 0,
) -> Found:  # fmt: skip
    """Descend on z from `starts` random z until G(z) comes near each image x (N, C, H, W) in [-1, 1].

    Minimises mean (f(G(z)) - f(x))^2 + prior (|z|^2 / z_dim - 1)^2 by Adam with the rate falling to 0; f is `features`,
    a function of images, or the pixels for None. The second term keeps |z| near sqrt(z_dim), where G was trained. The
    errors are the first term alone, and the best start is the one with the least. G stays as it is, and is asked in
    eval mode. Raises ValueError for images of another shape than G's or with NaN, no start or step, a prior below 0.
    Source: Zhu et al. 2016, section 3; Lipton and Tripathi 2017.
    """
    if starts < 1 or steps < 1 or every < 1 or prior < 0:
        raise ValueError(f"starts={starts}, steps={steps}, every={every} must be 1 or more, prior={prior} 0 or more.")
    check(x, kinds=("float",), look="finite")
    was_training, n, x = G.training, len(x), x.to(device_of(G, x))
    z = torch.randn(starts, n, G.z_dim, generator=torch.Generator().manual_seed(seed)).to(x.device)
    z = z.flatten(0, 1).requires_grad_()
    optimiser = torch.optim.Adam([z], lr)
    f = features or (lambda image: image)
    kept, at = [], []
    G.eval()
    try:
        with torch.no_grad():
            if (shape := tuple(G(z[:1]).shape[1:])) != tuple(x.shape[1:]):
                raise ValueError(f"this G draws images {shape}, but x holds {tuple(x.shape[1:])}.")
            goal = f(x).flatten(1).repeat(starts, 1)
        for step in range(steps + 1):
            if step % every == 0 or step == steps:
                kept.append(z.detach().clone())
                at.append(step)
            error = (f(G(z)).flatten(1) - goal).square().mean(1)
            if step == steps:
                break
            pull = prior * (z.square().mean(1) - 1).square()
            optimiser.param_groups[0]["lr"] = lr * (1 - step / steps)
            (z.grad,) = torch.autograd.grad((error + pull).sum(), z)
            optimiser.step()
    finally:
        G.train(was_training)
    errors = error.detach().view(starts, n).cpu()
    frames = torch.stack(kept).view(len(kept), starts, n, -1).cpu()
    best, who = errors.argmin(0), torch.arange(n)
    return Found(frames[-1, best, who], errors.amin(0), errors, frames[:, best, who], tuple(at))


# --------------------------------------------------------------------------------------------------------- directions


class Components(NamedTuple):
    """Unit `directions` (k, z_dim) in z, with the share of the layer's variance that each component has (k,)."""

    directions: Tensor
    shares: Tensor


@torch.no_grad()
def pca_directions(G, layer: nn.Module, k: int = 5, n: int = 2000, seed: int = 0) -> Components:
    """The principal components of what `layer` of G gives for n random z, carried back to z by linear regression.

    With activations y (n, F) and their first k coordinates u (n, k), each of variance 1, a direction is the least-
    squares solution of z = u V + const, its row scaled to length 1. Signs are those of the solver: they mean nothing.
    Raises ValueError for a layer that G does not use, or k above what n and the layer allow.
    Source: Härkönen et al. 2020, section 2.2.
    """
    seen = []
    handle = layer.register_forward_hook(lambda _, __, out: seen.append(out.flatten(1).cpu()))
    was_training = G.training
    G.eval()
    try:
        with seeded(seed):
            z = torch.randn(n, G.z_dim)
        for part in z.split(500):
            G(part.to(device_of(G)))
    finally:
        handle.remove()
        G.train(was_training)
    if not seen:
        raise ValueError("G never used that layer: give one of its own, such as G.net[3].")
    y = torch.cat(seen)
    if not 1 <= k < min(y.shape[0], y.shape[1] + 1):
        raise ValueError(f"k={k} components do not fit {y.shape[0]} samples of {y.shape[1]} activations.")
    y = y - y.mean(0)
    U, S, _ = torch.linalg.svd(y, full_matrices=False)
    directions = U[:, :k].T @ (z - z.mean(0))  # least squares, since the columns of U are orthonormal
    return Components(directions / directions.norm(dim=1, keepdim=True), (S.square() / S.square().sum())[:k])


def direction(z: Tensor, y: Tensor) -> Tensor:
    """The unit vector (z_dim,) along which y grows: of least squares for numbers y (N,), of logistic regression for
    True and False; on z's device.

    For False / True it is the normal of the best separating plane. Raises ValueError for z and y that do not go
    together, values that are not finite, y that is constant, or fewer z than dimensions.
    Source: Shen et al. 2020, section 3 (with a linear SVM).
    """
    if z.ndim != 2 or y.shape != z.shape[:1] or len(z) <= z.shape[1]:
        raise ValueError(f"give z (N, z_dim) with N above z_dim, and y (N,): got {tuple(z.shape)}, {tuple(y.shape)}.")
    if not (z.isfinite().all() and y.isfinite().all()):
        raise ValueError("z or y hold NaN or infinity.")
    if bool((y == y[0]).all()):
        raise ValueError(f"y is {y[0].item()} for all {len(y):,} z: there is nothing to tell apart.")
    if y.dtype == torch.bool:
        from sklearn.linear_model import LogisticRegression

        found = LogisticRegression(max_iter=1000).fit(z.cpu().numpy(), y.cpu().numpy())
        w = torch.from_numpy(found.coef_[0]).to(z)
    else:
        centred = z - z.mean(0)
        w = torch.linalg.lstsq(centred, (y - y.double().mean()).to(z.dtype)[:, None]).solution[:, 0]
    return w / w.norm()


def explained(along: Tensor, z: Tensor, y: Tensor, z_new: Tensor, y_new: Tensor) -> float:
    """What the coordinate z @ along tells of y on new z: 1 all, 0 no more than saying the same of every z.

    For numbers y (N,) R^2 of the straight line fitted on (z, y), against the mean of y. For True and False (accuracy -
    guess) / (1 - guess), with guess the more frequent answer's share of y_new, and the cut where z had y's share above
    it. Below 0 where it is worse than saying the same always. Raises ValueError for shapes that do not go together, or
    y that is constant.
    """
    if any(a.ndim != 2 or b.shape != a.shape[:1] or a.shape[1:] != along.shape for a, b in ((z, y), (z_new, y_new))):
        shapes = ", ".join(str(tuple(t.shape)) for t in (along, z, y, z_new, y_new))
        raise ValueError(f"give a direction (z_dim,), z (N, z_dim) with y (N,), and new ones (M, ...): got {shapes}.")
    if any(bool((part == part[0]).all()) for part in (y, y_new)):
        raise ValueError("y is the same for all z: there is nothing to tell.")
    u, u_new = z @ along, z_new @ along
    if y.dtype != torch.bool:
        slope = torch.cov(torch.stack([u, y]))
        guess = y.mean() + slope[0, 1] / slope[0, 0] * (u_new - u.mean())
        return 1 - ((y_new - guess).square().mean() / (y_new - y.mean()).square().mean()).item()
    cut = u.quantile(1 - y.double().mean().to(u.dtype))
    right, share = ((u_new > cut) == y_new).float().mean(), y_new.float().mean()
    return ((right - (1 - share).maximum(share)) / share.minimum(1 - share)).item()


def with_coordinate(z: Tensor, along: Tensor, value: float | Tensor) -> Tensor:
    """z (N, z_dim) with its coordinate along the unit vector set to `value`, everything across it unchanged.

    `value` is one number, or one a row, (N,). Raises ValueError for other shapes, or a vector of another length than 1.
    """
    value = torch.as_tensor(value, dtype=z.dtype)
    if z.ndim != 2 or along.shape != z.shape[1:] or value.shape not in ((), z.shape[:1]):
        shapes = ", ".join(str(tuple(t.shape)) for t in (z, along, value))
        raise ValueError(f"give z (N, z_dim), a direction (z_dim,) and one value or (N,): got {shapes}.")
    if abs(float(along.norm()) - 1) > 1e-3:
        raise ValueError(f"a direction has length 1, this one {float(along.norm()):.3g}: divide it by its length.")
    return z + (value - z @ along)[:, None] * along

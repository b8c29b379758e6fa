"""Few images of every class: what helps a classifier more, images moved, images mixed, or images that a GAN makes?

`few` draws the images, `moved` and `mixed` make new ones by rule, `gan` learns to make them from the same few, and
`classifier` learns from all of these by one recipe, so that two arms of a comparison differ in what is shown and in
nothing else. Images are (N, C, H, H), float in [-1, 1] unless said otherwise.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from ..data import Images
from ..inputs import whole
from ..models import build
from ..pixels import as_float, check, to_float
from ..sampling import device_of, seeded
from ..steps import cgan_step
from ..training import Trainer, linear_second_half
from .augment import Augmented

Pool = tuple[Tensor, Tensor]  # images (M, C, H, H), float or uint8, and the class of each, (M,) int64

# ------------------------------------------------------------------------------------------------------------ few


def few(images: Images, n: int, seed: int = 0) -> Images:
    """The data set with n training images of every class, drawn without replacement; what is held out stays whole.

    Equal seeds draw nested sets: those of n = 10 are among those of n = 20. Raises ValueError for images without
    classes, n below 2 (a nearest neighbour needs another image) or more than a class has.
    """
    _check_classes(images)
    counts = images.labels.bincount(minlength=images.n_classes)
    rarest = int(counts.argmin())
    least = int(counts[rarest])
    if least < 2:
        raise ValueError(f"class {images.class_names[rarest]} has {least} image(s): give 2 or more of each class.")
    whole("n", n, 2, least, f"the rarest class, {images.class_names[rarest]}, has {least} images")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)).to(images.labels.device)
    rows = torch.cat([order[images.labels[order] == c][:n] for c in range(images.n_classes)])
    return replace(images, x=images.x[rows], labels=images.labels[rows], factors=None, factors_test=None)


# ---------------------------------------------------------------------------------------------- new ones by a rule


def moved(
    x: Tensor, turn: float = 15.0, shift: float = 0.1, zoom: float = 1.15, generator: torch.Generator | None = None
) -> Tensor:
    """Each image turned, moved and scaled by amounts of its own; bilinear, and what comes in at the edge is -1, black.

    The angle is uniform in -turn to turn degrees, the shift in each direction in -shift to shift of the side, the
    logarithm of the scale in -log zoom to log zoom. turn = 0, shift = 0, zoom = 1 give x itself.
    Raises ValueError for other images, a turn outside 0..180, a shift outside 0..1, or a zoom outside 1..4.
    Source: affine distortions of digits as in Simard, Steinkraus and Platt 2003, section 2.
    """
    check(x, ("N", "C", "H", "H"), least=0, kinds=("float",))
    for name, value, low, high in (("turn", turn, 0, 180), ("shift", shift, 0, 1), ("zoom", zoom, 1, 4)):
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} does not fit: give a number from {low} to {high}.")
    device = x.device if generator is None else generator.device
    u = (2 * torch.rand(4, len(x), dtype=x.dtype, device=device, generator=generator) - 1).to(x.device)
    angle, size = math.radians(turn) * u[0], torch.exp(-math.log(zoom) * u[1])  # the grid shrinks where the image grows
    cos, sin = size * angle.cos(), size * angle.sin()
    rows = [torch.stack([cos, -sin, 2 * shift * u[2]], 1), torch.stack([sin, cos, 2 * shift * u[3]], 1)]
    grid = affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)  # (N, H, H, 2); the side is 2 long
    return (grid_sample(x + 1, grid, align_corners=False) - 1).clamp(-1, 1)


def mixed(images: Images, labels: Tensor, k: int = 5, generator: torch.Generator | None = None) -> Tensor:
    """x + u (x' - x) for each label asked for: x an image of that class, x' one of its k nearest there, u in 0..1.

    Distances are Euclidean in pixels; in a class of n images k is at most n - 1. Gives (M, C, H, H) for labels (M,).
    Raises ValueError for k below 1, labels that are no classes, or a class of fewer than 2 images.
    Source: Chawla, Bowyer, Hall and Kegelmeyer 2002 (SMOTE), section 4.2.
    """
    whole("k", k, 1, 10**6)
    _check_labels(labels, images.n_classes)
    x = to_float(images.x)
    device = x.device if generator is None else generator.device
    u = torch.rand(3, len(labels), device=device, generator=generator).to(x.device)
    out = x.new_empty(len(labels), *x.shape[1:])
    for c in labels.unique().cpu().tolist():
        own, where = x[images.labels == c], (labels == c).to(x.device)
        if len(own) < 2:
            raise ValueError(f"class {images.class_names[c]} has {len(own)} image: nothing to mix it with; give 2.")
        nearest = torch.cdist(own.flatten(1), own.flatten(1)).fill_diagonal_(math.inf).argsort(1)[:, : len(own) - 1]
        found = (u[0, where] * len(own)).long()
        other = nearest[found, (u[1, where] * min(k, len(own) - 1)).long()]
        out[where] = own[found] + u[2, where].view(-1, 1, 1, 1) * (own[other] - own[found])
    return out


# -------------------------------------------------------------------------------------------------- a GAN makes them


def gan(images: Images, augmented: bool = False, seed: int = 0, width: int = 8) -> Trainer:
    """A conditional GAN that sees these images and no others, not yet trained: `trainer.run(steps=...)`.

    G and D are conditional DCGANs with a projection, trained in batches of 32 by Adam(3e-3, 0, 0.99), its rate falling
    over the second half; `trainer.sample(m, labels)` draws from the running average of G. With `augmented` all that D
    sees goes through DiffAugment (Zhao et al. 2020). Raises ValueError for images without classes, or of a size that no
    model takes.
    """
    _check_classes(images)
    with seeded(seed):
        G, D = build("cgan", image_size=images.image_size, channels=images.channels, width=width,
                     n_classes=images.n_classes)  # fmt: skip
    optimise = partial(torch.optim.Adam, lr=3e-3, betas=(0.0, 0.99), fused=True)
    players = {"G": G, "D": Augmented(D) if augmented else D}
    players |= {"opt_G": optimise(G.parameters()), "opt_D": optimise(D.parameters())}
    step = partial(cgan_step, z_dim=G.z_dim)
    trainer = Trainer(step, players, None, batch_size=32, seed=seed, ema=0.99, schedule=linear_second_half)
    trainer.data = images.to(trainer.device).sample_labelled
    return trainer


# ------------------------------------------------------------------------------------------------------ who learns


def learner(image_size: int, channels: int, n_classes: int, width: int = 12) -> nn.Sequential:
    """Images (N, channels, image_size, image_size) -> class logits (N, n_classes): two convolutions, one hidden layer.

    Of stride 2, 5 x 5 and 3 x 3, with `width` and 2 `width` maps; 64 hidden numbers. At 16 x 16 grey pixels and 10
    classes: 28,218 parameters.
    """
    side = -(-image_size // 4)
    return nn.Sequential(
        nn.Conv2d(channels, width, 5, 2, 2), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(2 * width * side * side, 64), nn.ReLU(), nn.Linear(64, n_classes),
    )  # fmt: skip


def batch(images: Images, pool: Pool | None, share: float, size: int = 64) -> Pool:
    """`size` images with their labels: round(share * size) drawn from `pool`, the others from the real ones."""
    n_pool = round(share * size) if pool is not None else 0
    x, labels = images.sample_labelled(size - n_pool)
    if not n_pool:
        return x, labels
    rows = torch.randint(len(pool[0]), (n_pool,))
    made, of = (t[rows.to(t.device)] for t in pool)
    return torch.cat([x, as_float(made).to(x)]), torch.cat([labels, of.to(labels)])


def classifier(
    images: Images,
    pool: Pool | None = None,
    share: float = 0.5,
    change: Callable[[Tensor], Tensor] | None = None,
    steps: int = 600,
    size: int = 32,
    lr: float = 6e-3,
    seed: int = 0,
) -> nn.Module:
    """A `learner` after `steps` batches of `size` images, in eval mode and frozen: the same recipe for every arm.

    pool    images to add, (x, labels), or None for real images alone
    share   of each batch that comes from the pool, 0 to 1; 1 is "fakes alone"
    change  done to each batch, such as `moved`: to real images and to those of the pool alike

    Cross-entropy in nats, Adam, its rate falling to zero. There is no early stop, which would need real images of its
    own. Raises ValueError for a share outside 0..1, or a pool that does not fit the images.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share!r} does not fit: the share of a batch that comes from the pool, from 0 to 1.")
    whole("steps", steps, 1, 10**7)
    whole("size", size, 1, 2**20)
    if pool is not None:
        check(pool[0], ("N", *images.x.shape[1:]), name="the pool's images")
        _check_labels(pool[1], images.n_classes)
        if len(pool[0]) != len(pool[1]):
            raise ValueError(f"the pool has {len(pool[0])} images but {len(pool[1])} labels: give one label an image.")
    with seeded(seed):
        net = learner(images.image_size, images.channels, images.n_classes).to(images.x.device)
        optimiser = torch.optim.Adam(net.parameters(), lr, fused=True)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        for _ in range(steps):
            x, labels = batch(images, pool, share, size)
            loss = cross_entropy(net(x if change is None else change(x)), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval().requires_grad_(False)


@torch.no_grad()
def score(net: nn.Module, images: Images) -> tuple[float, float]:
    """(accuracy, mean cross-entropy in nats) of a classifier on the images held out from training."""
    x, labels = images.x_test, images.labels_test.cpu()
    if not len(x):
        raise ValueError(f"{images.name} holds no image out: there is nothing to measure on.")
    device = device_of(net, x)
    logits = torch.cat([net(to_float(part.to(device))).cpu() for part in x.split(500)])
    return float((logits.argmax(1) == labels).double().mean()), float(cross_entropy(logits, labels))


def _check_classes(images: Images) -> None:
    if images.n_classes < 2:
        raise ValueError(f"{images.name} has {images.n_classes or 'no'} class: give images of two classes or more.")


def _check_labels(labels: Tensor, n_classes: int) -> None:
    whole_numbers = isinstance(labels, Tensor) and labels.ndim == 1 and labels.dtype == torch.int64
    if not whole_numbers or not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= n_classes:
        raise ValueError(f"labels must be (M,) int64, one or more, from 0 to {n_classes - 1}: the class of each image.")

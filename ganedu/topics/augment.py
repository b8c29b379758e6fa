"""Augmentations that the gradient passes through, so that a discriminator with few images cannot learn them by heart.

Images x are (N, C, H, W), float in [-1, 1]; each operation draws its own random numbers, one set a sample, from torch's
global ones or from `generator`, and gives images of the same shape. What D sees of real images and of fakes, in its own
step and in G's, must come from one distribution of augmentations: `Augmented(D)` is such a D, for any step.
"""

import torch
from torch import Tensor, nn

from ..inputs import one_of
from ..pixels import check
from ..steps import train_step


def _check(x: Tensor) -> None:
    check(x, least=0, kinds=("float",), look=None)  # one operation leaves [-1, 1], and the next one goes on from there


def _check_share(name: str, value: float, what: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r} does not fit: {what}, from 0 to 1.")


def _uniform(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """One number of [0, 1) a sample, (N, 1, 1, 1), drawn where the generator is."""
    device = x.device if generator is None else generator.device
    return torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=device, generator=generator).to(x.device)


def _whole(x: Tensor, low: int, high: int, generator: torch.Generator | None) -> Tensor:
    """One whole number from low to high, both included, a sample, (N, 1)."""
    device = x.device if generator is None else generator.device
    return torch.randint(low, high + 1, (len(x), 1), device=device, generator=generator).to(x.device)


# ------------------------------------------------------------------------------------------------------------- colour


def brightness(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """x + b, b uniform in [-1/2, 1/2): a quarter of the range either way; nothing is cut off, which would stop slopes.

    Raises ValueError unless x is (N, C, H, W) float. Source: Zhao et al. 2020 (DiffAugment), section 3 and their code.
    """
    _check(x)
    return x + (_uniform(x, generator) - 0.5)


def saturation(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """m + s (x - m), s uniform in [0, 2), m (N, 1, H, W) the mean over the channels; the identity on grey images.

    Raises ValueError and source: as `brightness`.
    """
    _check(x)
    if x.shape[1] == 1:
        return x
    grey = x.mean(1, keepdim=True)
    return grey + 2 * _uniform(x, generator) * (x - grey)


def contrast(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """m + c (x - m), c uniform in [1/2, 3/2), m the image's mean over channels and pixels.

    Raises ValueError and source: as `brightness`.
    """
    _check(x)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (_uniform(x, generator) + 0.5) * (x - mean)


# -------------------------------------------------------------------------------------------------------------- place


def translation(x: Tensor, ratio: float = 0.125, generator: torch.Generator | None = None) -> Tensor:
    """Each image moved by whole pixels, dy and dx uniform in -r to r, r = round(ratio * H) and round(ratio * W).

    What comes in at the edge is -1, black; DiffAugment's code fills with 0, which here is mid-grey and a black
    background does not have. Raises ValueError for images as `brightness`, or a ratio outside 0 to 1.
    Source: Zhao et al. 2020, section 3, with their ratio of 1/8.
    """
    _check(x)
    _check_share("ratio", ratio, "the largest shift as a share of the side")
    n, c, h, w = x.shape
    reach_y, reach_x = round(ratio * h), round(ratio * w)
    dy, dx = _whole(x, -reach_y, reach_y, generator), _whole(x, -reach_x, reach_x, generator)
    padded = nn.functional.pad(x, (reach_x, reach_x, reach_y, reach_y), value=-1.0)
    rows = (torch.arange(h, device=x.device) + reach_y - dy)[:, None, :, None]  # (N, 1, H, 1)
    columns = (torch.arange(w, device=x.device) + reach_x - dx)[:, None, None, :]
    samples, channels = torch.arange(n, device=x.device)[:, None, None, None], torch.arange(c, device=x.device)
    return padded[samples, channels[None, :, None, None], rows, columns]


def cutout(x: Tensor, ratio: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """A box of round(ratio * H) by round(ratio * W) pixels set to 0, mid-grey; its centre is uniform over the pixels.

    A box whose centre is near the edge loses what lies outside, so the share that is cut is at most ratio^2.
    Raises ValueError for images as `brightness`, or a ratio outside 0 to 1.
    Source: Zhao et al. 2020, section 3, with their ratio of 1/2; DeVries and Taylor 2017.
    """
    _check(x)
    _check_share("ratio", ratio, "the side of the box as a share of the image's")
    h, w = x.shape[2:]
    box_h, box_w = round(ratio * h), round(ratio * w)
    top = _whole(x, 0, h - 1, generator) - box_h // 2  # (N, 1), may lie outside
    left = _whole(x, 0, w - 1, generator) - box_w // 2
    rows, columns = torch.arange(h, device=x.device), torch.arange(w, device=x.device)
    in_rows, in_columns = (rows >= top) & (rows < top + box_h), (columns >= left) & (columns < left + box_w)
    return x.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)


def flip(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Left and right exchanged in each image with probability 1/2. Raises ValueError for images as `brightness`."""
    _check(x)
    return torch.where(_uniform(x, generator) < 0.5, x.flip(3), x)


def rotation(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Each image turned by 0, 90, 180 or 270 degrees, each with probability 1/4.

    Used at every image it leaks: nothing in what D sees says which way is up. Raises ValueError for images as
    `brightness`, or not square. Source: Karras et al. 2020 (ADA), section 2.2.
    """
    _check(x)
    if x.shape[2] != x.shape[3]:
        raise ValueError(f"images of {x.shape[2]} x {x.shape[3]} cannot be turned by 90 degrees: give square ones.")
    turns = _whole(x, 0, 3, generator)[:, :, None, None]
    for k in (1, 2, 3):
        x = torch.where(turns == k, x.rot90(k, (2, 3)), x)
    return x


# -------------------------------------------------------------------------------------------------------- composition

OPERATIONS = {f.__name__: f for f in (brightness, saturation, contrast, translation, cutout, flip, rotation)}
DIFFAUGMENT = ("brightness", "saturation", "contrast", "translation", "cutout")


def check_policy(policy: tuple[str, ...]) -> None:
    """Raise ValueError, with the nearest name, unless `policy` holds names of OPERATIONS, each at most once."""
    if isinstance(policy, str):
        raise ValueError(f"policy={policy!r} is one string: give a tuple of names, such as ({policy!r},).")
    for name in policy:
        one_of(name, tuple(OPERATIONS), "augmentation")
    if len(set(policy)) < len(policy):
        raise ValueError(f"policy={tuple(policy)!r} names an augmentation twice: give each once.")


def augment(
    x: Tensor, policy: tuple[str, ...] = DIFFAUGMENT, p: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Each sample goes, with probability p, through all operations of `policy` in turn; otherwise it stays as it is.

    p = 1 is DiffAugment. One coin a sample leaves the share 1 - p untouched whatever the policy; ADA tosses one for
    each operation, so its share shrinks with their number. p = 0 gives x itself and draws nothing.
    Raises ValueError for images as `brightness`, an unknown or repeated name, or p outside 0 to 1.
    Source: Zhao et al. 2020, section 3.2; p as in Karras et al. 2020, section 2.2.
    """
    _check(x)
    check_policy(policy)
    _check_share("p", p, "the probability that a sample is augmented")
    if p == 0 or not policy:
        return x
    done = x
    for name in policy:
        done = OPERATIONS[name](done, generator=generator)
    return done if p == 1 else torch.where(_uniform(x, generator) < p, done, x)


class Augmented(nn.Module):
    """D that is shown augmented images while it trains, real and fake alike; in eval mode it is D itself.

    Takes D's place in any step: D's step then augments x_real and x_fake, G's step its fakes, and the gradient reaches
    G through the augmentation. A penalty is one on the slope at the image before it is augmented, as in ADA's code.
    `p` (a buffer, so that it is saved with the weights) may be set at any time, or moved by `adaptive_step`.
    Raises ValueError for a policy or a p that `augment` does not take.
    Source: Zhao et al. 2020, section 3.2 and figure 4; Karras et al. 2020, figure 2b.
    """

    def __init__(self, D: nn.Module, policy: tuple[str, ...] = DIFFAUGMENT, p: float = 1.0):
        super().__init__()
        check_policy(policy)
        _check_share("p", p, "the probability that a sample is augmented")
        self.D, self.policy = D, tuple(policy)
        self.register_buffer("p", torch.tensor(float(p), dtype=torch.float64))

    def forward(self, x: Tensor, *labels: Tensor, **options):
        return self.D(augment(x, self.policy, float(self.p)) if self.training else x, *labels, **options)

    def both(self, x: Tensor):
        """(logits, class logits) of an AC-GAN discriminator, in one pass."""
        return self(x, classes=True)


# ----------------------------------------------------------------------------------------------------------- adaptive


def overfitting(d_real: Tensor) -> float:
    """r_t = E sign(d(x)) of D's logits at training images, -1 to 1: 0 where D is unsure, 1 where it is sure of all.

    Raises ValueError without logits. Source: Karras et al. 2020, eq. 1.
    """
    if not d_real.numel():
        raise ValueError("no logits, no measure: give D's logits at one training image or more.")
    return float(d_real.detach().sign().mean())


def next_p(p: float, r: float, n: int, target: float = 0.6, images: int = 500_000) -> float:
    """p + sign(r - target) * n / images, kept within 0 to 1: `images` is how many D sees while p goes from 0 to 1.

    `n` images were seen since the last move. Raises ValueError for p outside 0 to 1, or n or images below 1.
    Source: Karras et al. 2020, section 3: target 0.6, 500,000 images.
    """
    _check_share("p", p, "the probability that a sample is augmented")
    if n < 1 or images < 1:
        raise ValueError(f"n={n}, images={images} do not fit: give whole numbers of images, 1 or more.")
    return min(1.0, max(0.0, p + ((r > target) - (r < target)) * n / images))


def adaptive_step(*batch, D: Augmented, step=train_step, target: float = 0.6, images: int = 500_000, **players) -> dict:
    """`step`, and then ADA's move of D.p by how sure D is of the batch it has just learnt from, augmented once more.

    Bind what `step` needs: `partial(adaptive_step, z_dim=64)`, or with `step=cgan_step`. A short run needs fewer
    `images` for p to get anywhere. Returns what `step` returns, with "p" and the measure "r", both before the move.
    Raises ValueError unless D is `Augmented`, and as `next_p`. Source: Karras et al. 2020, section 3.
    """
    bare = getattr(D, "module", D)  # as an engine with several devices wraps it
    if not isinstance(bare, Augmented):
        raise ValueError(
            f"adaptive_step moves the p of an Augmented D: got {type(D).__name__}. Give Augmented(D, p=0.0)."
        )
    seen = step(*batch, D=D, **players)
    with torch.no_grad():
        r = overfitting(D(*batch))
    record = {"p": bare.p.clone(), "r": torch.full_like(bare.p, r, dtype=torch.float32)}
    bare.p.fill_(next_p(float(bare.p), r, len(batch[0]), target, images))
    return {**seen, **record}

"""An invisible mark of 32 bits in a picture's pixels: patterns that are added, or a pair of networks that learnt it;
eight attacks and two more; how many bits must agree by a rule.

Pictures are (N, C, H, W) in [-1, 1], as a file keeps them after `filed`. Messages are (N, 32) of 0 and 1. What a signed
text beside the pixels can do is in `ganedu.topics.manifest`.
"""

import hashlib
import math
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..inputs import one_of, whole
from ..pixels import check, to_float, to_uint8
from ..sampling import device_of, seeded
from .restoration import kernel

BITS = 32
SMALLEST = 16  # pixels a side: 8 for each bit
DAMAGE = 30.0  # decibels of PSNR that a mark may cost, before what leaves [-1, 1] is cut off
FAINTEST, STRONGEST = 10.0, 60.0  # decibels that may be asked for

# ---------------------------------------------------------------------------------------------------------- messages


def message_of(name: str | bytes) -> Tensor:
    """The 32 bits (32,) that stand for a maker: the first of the SHA-256 of its name, or of its public key."""
    if not isinstance(name, str | bytes) or not name:
        raise ValueError(f"a maker is named by a text or by the bytes of its public key, not {name!r}.")
    start = hashlib.sha256(name.encode() if isinstance(name, str) else name).digest()[: BITS // 8]
    return torch.tensor([byte >> i & 1 for byte in start for i in range(8)], dtype=torch.float32)


def messages(n: int, seed: int = 0) -> Tensor:
    """n messages (n, 32), each bit 0 or 1 by a fair coin."""
    whole("n", n, 1, 1_000_000)
    return torch.randint(2, (n, BITS), generator=torch.Generator().manual_seed(seed)).float()


def agreeing(found: Tensor, message: Tensor) -> Tensor:
    """How many of the 32 bits agree, (N,): `found` (N, 32) as a reader gives them, one message (32,), or (N, 32)."""
    return (found == message.to(found)).sum(-1)


def chance(k: int, n: int = BITS) -> float:
    """P(X >= k) for X heads of n fair coins, exactly: sum over j >= k of C(n, j) / 2^n.

    It is the probability that at least k of n bits read off an unmarked picture agree with a message drawn by fair
    coins after the picture: for whatever the reader says, each bit of such a message agrees with probability 1/2.
    """
    whole("n", n, 1, 10_000)
    whole("k", k, 0, n + 1)
    return sum(math.comb(n, j) for j in range(k, n + 1)) / 2**n


def needed(limit: float = 1e-6, n: int = BITS) -> int:
    """The fewest bits that must agree so that `chance` is below `limit`. Raises ValueError where n are not enough."""
    if not 0 < limit <= 1:
        raise ValueError(f"limit={limit!r} is no probability above 0: give one such as 1e-6.")
    found = next((k for k in range(n + 1) if chance(k, n) < limit), None)
    if found is None:
        raise ValueError(f"even all {n} bits agree by chance once in {2**n:,}: give a limit above that, or more bits.")
    return found


# ----------------------------------------------------------------------------------------------------- two ways to mark


def filed(x: Tensor) -> Tensor:
    """x as a file of 256 grey levels keeps it: rounded, cut off at -1 and 1."""
    return to_float(to_uint8(x))


class Patterns:
    """The classical mark: to a picture is added, for each bit, its pattern with + for 1 and - for 0.

    marked = x + a sum_k (2 m_k - 1) p_k, with 32 patterns p_k (32, C * H * W) drawn by `key`, orthogonal and of length
    1, and a so that PSNR is `decibels` before cutting off. Most of a picture is smooth and the patterns are not, so x
    is read less its mean over 3 x 3 pixels: h(x). Bit k is 1 where <w_k, h(x)> is above 0; w_k = p_k, or, with some
    hundred pictures `like` those to come, the matched filter w_k = (C + 0.01 I)^-1 p_k, with C the mean of h h^T.
    Who knows the key can read, remove and forge. Raises ValueError for pictures below 16 pixels a side.
    Source: spread spectrum, Cox, Kilian, Leighton and Shamoon 1997, there in frequencies, here in pixels.
    """

    def __init__(self, shape: tuple[int, int, int] = (1, 28, 28), key: int = 0, like: Tensor | None = None):
        _check_shape(shape)
        draw = torch.Generator().manual_seed(key)
        signs = torch.randint(2, (math.prod(shape), BITS), generator=draw).float() * 2 - 1
        self.shape, self.patterns = tuple(shape), torch.linalg.qr(signs).Q.T.contiguous()  # (32, C * H * W)
        self.filters = self.patterns
        if like is not None:
            check(like, ("N", *shape), name="like", kinds=("float",))
            h = _fine(like).cpu()
            ridge = 0.01 * torch.eye(h.shape[1])
            self.filters = torch.linalg.solve(h.T @ h / len(h) + ridge, self.patterns.T).T.contiguous()

    def mark(self, x: Tensor, message: Tensor, decibels: float = DAMAGE) -> Tensor:
        """x (N, C, H, W) with the message (N, 32), or (32,) in all: as a file keeps it."""
        x, signs = _checked(x, message, self.shape, decibels)
        return filed(x + _sized((signs @ self.patterns.to(x)).view_as(x), decibels)).cpu()

    def read(self, x: Tensor) -> Tensor:
        """The bits (N, 32) read off pictures, 0 or 1, on the CPU."""
        check(x, ("N", *self.shape), kinds=("float",))
        return (_fine(x) @ self.filters.to(x).T > 0).float().cpu()


def _fine(x: Tensor) -> Tensor:
    """What is left of pictures without their mean over 3 x 3 pixels, (N, C * H * W)."""
    return (x - F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, 1)).flatten(1)


class Encoder(nn.Module):
    """(x, signs (N, 32)) -> what is added to x: the message as four planes beside the picture, then three convolutions.

    Its size is set by `_sized`, not learnt: whatever it adds has the PSNR asked for.
    """

    def __init__(self, shape=(1, 28, 28), width=16, planes=4):
        super().__init__()
        self.shape, (c, h, w) = tuple(shape), shape
        self.spread = nn.Linear(BITS, planes * h * w)
        self.net = nn.Sequential(
            nn.Conv2d(c + planes, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, c, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor, signs: Tensor) -> Tensor:
        planes = self.spread(signs).view(len(x), -1, *x.shape[2:])  # (N, planes, H, W)
        return self.net(torch.cat([x, planes], 1))


class Decoder(nn.Module):
    """Pictures -> 32 logits, above 0 for a 1: three convolutions, two of which halve the sides, and a linear layer."""

    def __init__(self, shape=(1, 28, 28), width=16):
        super().__init__()
        self.shape, (c, h, w) = tuple(shape), shape
        self.net = nn.Sequential(
            nn.Conv2d(c, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(2 * width, 3 * width, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(3 * width * -(-h // 4) * -(-w // 4), BITS),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Learnt:
    """A mark that an encoder and a decoder have learnt together, with the methods of `Patterns`.

    Source: HiDDeN, Zhu, Kaplan, Johnson and Fei-Fei 2018. Here the damage is set and not learnt, and no discriminator
    judges what marked pictures look like.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        self.encoder, self.decoder, self.shape = encoder, decoder, encoder.shape

    @torch.no_grad()
    def mark(self, x: Tensor, message: Tensor, decibels: float = DAMAGE) -> Tensor:
        """x (N, C, H, W) with the message (N, 32), or (32,) in all: as a file keeps it."""
        device = device_of(self.encoder, x)
        x, signs = _checked(x.to(device), message, self.shape, decibels)
        return filed(x + _sized(self.encoder(x, signs), decibels)).cpu()

    @torch.no_grad()
    def read(self, x: Tensor) -> Tensor:
        """The bits (N, 32) read off pictures, 0 or 1, on the CPU."""
        check(x, ("N", *self.shape), kinds=("float",))
        device = device_of(self.decoder, x)
        return torch.cat([(self.decoder(part.to(device)) > 0).float().cpu() for part in x.split(500)])


def marking_step(x: Tensor, *, encoder, decoder, opt, spoil: Callable[[Tensor], Tensor], decibels=DAMAGE):
    """One step of both networks: mark x with fair coins, spoil it, read it; binary cross-entropy of the 32 bits, mean.

    Returns {"loss", "bits"}: `bits` is the share that was read rightly. Source: HiDDeN, section 3.
    """
    message = torch.randint(2, (len(x), BITS), device=x.device).float()
    marked = (x + _sized(encoder(x, 2 * message - 1), decibels)).clamp(-1, 1)
    logits = decoder(spoil(marked))
    loss = F.binary_cross_entropy_with_logits(logits, message)
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach(), "bits": ((logits > 0) == (message > 0)).float().mean()}


def _sized(r: Tensor, decibels: float) -> Tensor:
    """r of the size that costs so many decibels: its mean square in each picture is 2^2 / 10^(decibels / 10)."""
    size = 2 / 10 ** (decibels / 20)
    return size * r / r.square().mean((1, 2, 3), keepdim=True).clamp(min=1e-12).sqrt()


def _check_shape(shape) -> None:
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < SMALLEST:
        size = " x ".join(map(str, shape[1:]))
        raise ValueError(
            f"pictures of {size} pixels, shape {tuple(shape)}, do not take {BITS} bits: give (1 or 3, H, W) with "
            f"{SMALLEST} pixels a side or more, for instance by data.resize."
        )


def _checked(x: Tensor, message: Tensor, shape, decibels: float) -> tuple[Tensor, Tensor]:
    """(x, the message as -1 and 1 for each of its pictures), or ValueError."""
    if isinstance(x, Tensor) and x.ndim == 4 and tuple(x.shape[1:]) != tuple(shape):
        _check_shape(x.shape[1:])
        raise ValueError(f"this mark is made for pictures {tuple(shape)}, not {tuple(x.shape[1:])}: resize them.")
    check(x, ("N", *shape), kinds=("float",))
    if not isinstance(message, Tensor) or message.shape not in ((BITS,), (len(x), BITS)):
        given = tuple(message.shape) if isinstance(message, Tensor) else type(message).__name__
        raise ValueError(f"a message is ({BITS},), or ({len(x)}, {BITS}) with one a picture: got {given}.")
    if not bool(((message == 0) | (message == 1)).all()):
        raise ValueError("a message is of 0 and 1 alone: `message_of` and `messages` make such.")
    if isinstance(decibels, bool) or not isinstance(decibels, int | float) or not FAINTEST <= decibels <= STRONGEST:
        raise ValueError(f"decibels={decibels!r} does not fit: give {FAINTEST:g} (seen at once) to {STRONGEST:g}.")
    return x, (2 * message.to(x) - 1).expand(len(x), -1)


# ------------------------------------------------------------------------------------------------------------ attacks


def jpeg(x: Tensor, quality: int) -> Tensor:
    """Each picture saved as JPEG of this quality, 1 to 95, and read again."""
    from PIL import Image

    def again(one):
        array = one[0] if len(one) == 1 else one.transpose(1, 2, 0)
        file = BytesIO()
        Image.fromarray(array).save(file, "JPEG", quality=int(quality))
        return torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8)

    c, h, w = x.shape[1:]
    found = torch.stack([again(one) for one in to_uint8(x).cpu().numpy()])
    return to_float(found.view(len(x), h, w, c).permute(0, 3, 1, 2)).to(x.device)


def moved(x: Tensor, pixels: float) -> Tensor:
    """x to the right and down by so many pixels, rounded, left and up where negative; the edges are repeated."""
    by, (h, w) = round(pixels), x.shape[2:]
    wide = F.pad(x, (abs(by),) * 4, mode="replicate")
    return wide[..., abs(by) - by :, abs(by) - by :][..., :h, :w]


def smaller(x: Tensor, share: float) -> Tensor:
    """x at this share of its sides, and back again; bilinear, smoothed before it shrinks."""
    small = [max(1, round(side * share)) for side in x.shape[2:]]
    small = F.interpolate(x, size=small, mode="bilinear", antialias=True)
    return F.interpolate(small, size=x.shape[2:], mode="bilinear")


def blurred(x: Tensor, sigma: float) -> Tensor:
    """x blurred by a Gaussian of `sigma` pixels, mirrored at its borders."""
    weights, (n, c) = kernel(sigma).to(x), x.shape[:2]
    wide = F.pad(x, (len(weights) // 2,) * 4, mode="reflect")
    return F.conv2d(wide.flatten(0, 1)[:, None], weights[None, None]).view(n, c, *x.shape[2:])


class Attack(NamedTuple):
    """What is done to pixels: apply(x, value); `none` leaves them as they are, `usual` is what tables use."""

    apply: Callable[[Tensor, float], Tensor]
    none: float
    usual: float
    most: float
    unit: str


ATTACKS = {
    "saved again": Attack(lambda x, v: x, 0, 1, 1, "times, without its metadata"),
    "JPEG": Attack(jpeg, 95, 50, 5, "quality"),
    "smaller and back": Attack(smaller, 1, 0.5, 0.2, "of its sides"),
    "moved": Attack(moved, 0, 2, 6, "pixels, right and down"),
    "noise": Attack(lambda x, v: x + v * torch.randn_like(x), 0, 0.1, 0.5, "deviation, black to white 2"),
    "blur": Attack(blurred, 0, 1.0, 3.0, "pixels"),
    "fainter": Attack(lambda x, v: x * v, 1, 0.5, 0.1, "of its contrast"),
    "mirrored": Attack(lambda x, v: x.flip(3) if v > 0.5 else x, 0, 1, 1, "times, left to right"),
}


def attack(x: Tensor, name: str, value: float | None = None, seed: int = 0) -> Tensor:
    """x after the attack of that name at `value`, in its own unit, or as usual; as a file keeps it.

    Raises ValueError for an unknown name, with the nearest, or a value that is not between `none` and `most`.
    """
    one_of(name, tuple(ATTACKS), "attack")
    check(x, kinds=("float",))
    how = ATTACKS[name]
    value = how.usual if value is None else value
    low, high = sorted((how.none, how.most))
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} at {value!r} does not fit: give {low:g} to {high:g} {how.unit}.")
    with seeded(seed):
        return filed(how.apply(x, value).clamp(-1, 1))


def spoiler(x: Tensor) -> Tensor:
    """x for training: an eighth of the batch each as it is, noisy, blurred, moved, fainter, smaller and back, and JPEG
    twice, at strengths drawn anew; slopes pass through, through JPEG as if it had done nothing. Mirrored is left out.
    """
    parts, u = x.chunk(8), torch.rand(9).tolist()
    step = round(6 * u[8] - 3)
    ways = (
        lambda p: p,
        lambda p: p + 0.15 * u[1] * torch.randn_like(p),
        lambda p: blurred(p, 0.3 + 0.9 * u[2]),
        lambda p: moved(p, step),
        lambda p: p * (0.4 + 0.6 * u[4]),
        lambda p: smaller(p, 0.4 + 0.5 * u[5]),
        lambda p: p + (jpeg(p.detach(), 30 + 60 * u[6]).to(p) - p).detach(),
        lambda p: p + (jpeg(p.detach(), 40 + 20 * u[7]).to(p) - p).detach(),
    )
    return torch.cat([way(part) for way, part in zip(ways, parts, strict=False)])


def components(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean picture and all principal components of pictures (N, C, H, W), those that vary most first:
    (C * H * W,), (C * H * W, C * H * W) with one a column."""
    check(x, least=2, kinds=("float",))
    mean = x.flatten(1).mean(0)
    return mean, torch.linalg.eigh((x.flatten(1) - mean).T @ (x.flatten(1) - mean)).eigenvectors.flip(1)


def redrawn(x: Tensor, found: tuple[Tensor, Tensor], k: int = 100) -> Tensor:
    """x drawn again from k numbers, its first k principal components, as a file keeps it: the best that a linear
    autoencoder with k numbers in the middle can do (notebook 12). `found` is what `components` gives."""
    mean, columns = found
    whole("k", k, 1, len(mean))
    check(x, ("N", "C", "H", "W"), kinds=("float",))
    if x[0].numel() != len(mean):
        raise ValueError(f"pictures {tuple(x.shape[1:])} are not those of the components, {len(mean)} numbers each.")
    v = columns[:, :k].to(x)
    return filed((((x.flatten(1) - mean.to(x)) @ v) @ v.T + mean.to(x)).view_as(x))

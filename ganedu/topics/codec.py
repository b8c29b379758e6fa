"""A discriminator in a codec: an autoencoder of textures with few codes, with and without D; a flow in its codes.

`Codec` makes 64 numbers of 1,024 pixels and back, `codec_step` trains it by squared error and, by a weight, against a D
of patches. `Velocity`, `flow_step` and `flow` are a generator of codes: noise moved to codes in many small steps, which
the codec decodes. `gaussian` is the plain one to compare with. Images are (N, 1, 32, 32), float in [-1, 1].
"""

import math

import torch
from torch import Tensor, nn

from ..data.images import Images
from ..data.photos import texture
from ..inputs import whole
from ..losses import Loss, non_saturating
from ..pixels import as_float, check
from ..sampling import answers, device_of, seeded
from .one_step import euler, flow_loss

SIDE = 32
NAMES = ("brick", "grass", "gravel")  # grey photographs inside scikit-image
PAGE, BORDER = 256, 160  # a photograph's side; left of the border is learnt from, right of it is held out

# ------------------------------------------------------------------------------------------------------------ patches


def patches(n: int = 3000, n_test: int = 900, seed: int = 0) -> Images:
    """Square patches of three textures: (n, 1, 32, 32) uint8 from the left of each photograph, n_test from its right.

    No pixel is in both parts, though patches of one part overlap. Labels are the number of the texture in NAMES, in
    turn. Raises ValueError for fewer than 3 of either.
    """
    whole("n", n, 3, 10**6)
    whole("n_test", n_test, 3, 10**6)
    pages = [texture(name, PAGE) for name in NAMES]
    generator = torch.Generator().manual_seed(seed)

    def cut(of: int, low: int, high: int) -> Tensor:
        top = int(torch.randint(PAGE - SIDE + 1, (), generator=generator))
        left = int(torch.randint(low, high - SIDE + 1, (), generator=generator))
        return pages[of][:, top : top + SIDE, left : left + SIDE]

    labels, labels_test = (torch.arange(k) % len(NAMES) for k in (n, n_test))
    x = torch.stack([cut(of, 0, BORDER) for of in labels.tolist()])
    x_test = torch.stack([cut(of, BORDER, PAGE) for of in labels_test.tolist()])
    return Images("textures", x, labels, x_test, labels_test, NAMES)


# ---------------------------------------------------------------------------------------------------------- the codec


class Codec(nn.Module):
    """Images (N, 1, 32, 32) -> codes (N, codes, 4, 4) -> images: `encode`, `decode`, and both as forward.

    Three convolutions (4x4, stride 2) halve the side, three transposed ones double it, tanh at the end. With width 16
    and 4 codes a place: 64 numbers of 1,024, and 85,221 parameters. No quantisation, no noise: the plainest codec.
    Raises ValueError for other images or codes. Sources: Esser, Rombach and Ommer 2021, section 3.1 (there with a
    codebook); Rombach and others 2022, section 3.1 (there with a small KL term).
    """

    def __init__(self, codes: int = 4, width: int = 16):
        super().__init__()
        whole("codes", codes, 1, 64)
        whole("width", width, 1, 256)
        self.codes, w = codes, width
        act = nn.LeakyReLU(0.2)
        self.down = nn.Sequential(
            nn.Conv2d(1, w, 4, 2, 1), act,  # 16 x 16
            nn.Conv2d(w, 2 * w, 4, 2, 1), act,  # 8 x 8
            nn.Conv2d(2 * w, 4 * w, 4, 2, 1), act,  # 4 x 4
            nn.Conv2d(4 * w, codes, 1),
        )  # fmt: skip
        self.up = nn.Sequential(
            nn.Conv2d(codes, 4 * w, 3, 1, 1), act,
            nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1), act,  # 8 x 8
            nn.ConvTranspose2d(2 * w, w, 4, 2, 1), act,  # 16 x 16
            nn.ConvTranspose2d(w, 1, 4, 2, 1), nn.Tanh(),  # 32 x 32
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        check(x, ("N", 1, SIDE, SIDE), kinds=("float",), look=None)
        return self.down(x)  # (N, codes, 4, 4)

    def decode(self, codes: Tensor) -> Tensor:
        if codes.ndim != 4 or tuple(codes.shape[1:]) != (self.codes, 4, 4):
            raise ValueError(f"codes {tuple(codes.shape)} do not fit: this codec takes (N, {self.codes}, 4, 4).")
        return self.up(codes)  # (N, 1, 32, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def codec_step(x_real, *, C, D=None, opt_C, opt_D=None, weight=0.0, loss: Loss = non_saturating):
    """One round: D tells x_real from C(x_real); the codec's loss is the mean of (C(x) - x)^2 + weight * D's verdict.

    `weight` multiplies loss.g_loss of D's logits, each patch one; with weight=0 there is no game, and D is not asked.
    Returns {"loss_pixel"[, "loss_D", "loss_G"]}, detached, without weights. Raises ValueError for a weight below 0, or
    without D where there is one. Source: Esser, Rombach and Ommer 2021, eq. 4 to 6, with a constant weight and neither
    codebook nor feature distance.
    """
    if not 0 <= weight < math.inf or (weight and (D is None or opt_D is None)):
        raise ValueError(f"weight={weight!r} does not fit: give 0 or more, and above 0 a D and its opt_D.")
    x_fake = C(x_real)
    loss_pixel = (x_fake - x_real).square().mean()
    record, total = {"loss_pixel": loss_pixel}, loss_pixel
    if weight:
        loss_D = loss.d_loss(D(x_real), D(x_fake.detach()))
        opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()
        loss_G = loss.g_loss(D(x_fake), D(x_real).detach() if loss.pairs else None)
        record |= {"loss_D": loss_D, "loss_G": loss_G}
        total = loss_pixel + weight * loss_G
    opt_C.zero_grad()
    total.backward(inputs=list(C.parameters()))  # through D, but for C alone
    opt_C.step()
    return {k: v.detach() for k, v in record.items()}


def codes_of(C: Codec, x: Tensor) -> Tensor:
    """The codes (N, 16 * codes) of images x (N, 1, 32, 32), uint8 or float, in batches, on the CPU."""
    return _with(C, C.encode, as_float(x)).flatten(1)


def decoded(C: Codec, rows: Tensor) -> Tensor:
    """The images (N, 1, 32, 32) of rows of codes (N, 16 * codes), in batches, on the CPU. Raises as `Codec.decode`."""
    return _with(C, C.decode, rows.reshape(len(rows), -1, 4, 4))


def _with(C: Codec, call, x: Tensor) -> Tensor:
    device = device_of(C, x)
    return answers(lambda part: call(part.to(device)), x)


# ------------------------------------------------------------------------------------------------- a flow in its codes


class Velocity(nn.Module):
    """v(c, t) for rows of codes c (N, dim) at times t, (N,) or (N, 1) or one number, from 0, noise, to 1: (N, dim).

    Three hidden layers of `width`, SiLU. Time enters as t and as sine and cosine of pi t and 2 pi t.
    """

    def __init__(self, dim: int = 64, width: int = 128):
        super().__init__()
        whole("dim", dim, 1, 4096)
        self.dim = dim
        layers = [nn.Linear(dim + 5, width), nn.SiLU()]
        layers += [layer for _ in range(2) for layer in (nn.Linear(width, width), nn.SiLU())]
        self.net = nn.Sequential(*layers, nn.Linear(width, dim))

    def forward(self, c: Tensor, t: Tensor | float) -> Tensor:
        t = torch.as_tensor(t, dtype=c.dtype, device=c.device).reshape(-1, 1).expand(len(c), 1)
        waves = [f(k * math.pi * t) for k in (1, 2) for f in (torch.sin, torch.cos)]
        return self.net(torch.cat([c, t, *waves], 1))


def flow_step(codes, *, V, opt):
    """One step down `one_step.flow_loss` on codes (N, dim). Returns {"loss"}, detached."""
    loss = flow_loss(V, codes)
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"loss": loss.detach()}


def flow(V: nn.Module, n: int, steps: int = 50, seed: int = 0) -> Tensor:
    """n rows (n, dim) by `one_step.euler` from noise, on the CPU. Equal seeds give equal noise.

    Raises ValueError for fewer than 1 of either.
    """
    whole("n", n, 1, 10**7)
    with seeded(seed):
        noise = torch.randn(n, V.dim)
    return euler(V, noise.to(device_of(V)), steps).cpu()


def gaussian(rows: Tensor, n: int, seed: int = 0) -> Tensor:
    """n draws (n, dim) from the normal distribution with mean and covariance of rows (N, dim), with N - 1.

    Raises ValueError for other than two dimensions, fewer than 2 rows, or numbers that are not finite.
    """
    if rows.ndim != 2 or len(rows) < 2 or not rows.isfinite().all():
        raise ValueError(f"rows {tuple(rows.shape)} do not fit: give (N, dim), 2 or more, all finite.")
    whole("n", n, 1, 10**7)
    values, vectors = torch.linalg.eigh(torch.cov(rows.T.double()).reshape(rows.shape[1], -1))
    with seeded(seed):
        e = torch.randn(n, rows.shape[1], dtype=torch.float64).to(rows.device)
    return (rows.double().mean(0) + e * values.clamp(min=0).sqrt() @ vectors.T).to(rows.dtype)

"""Digits with holes, as tables of pixels: the holes, GAIN for them, a VAE, and what fills them without a network.

A table of pixels x is (N, 784), float32 from 0, black, to 1, a digit a row; its mask m, bool, is True where a pixel is
seen. All methods learn from digits that have holes themselves. Completions are (draws, N, 784), on the CPU.
"""

import math
from functools import partial

import torch
from torch import Tensor, nn

from ..inputs import one_of, whole
from ..models import DCGenerator
from ..pixels import check, to_float, to_uint8
from ..sampling import device_of, seeded
from ..training import Trainer, linear_second_half
from .gain import Player, gain_step, practice_step, with_noise
from .restoration import strokes
from .vae import Encoder, gaussian_kl, gaussian_log_likelihood

SIDE = 28
KINDS = ("every second pixel", "strokes")

# ------------------------------------------------------------------------------------------------------ pixels, holes


def table(images: Tensor) -> Tensor:
    """Images (N, 1, 28, 28), uint8 or float in [-1, 1] -> (N, 784) from 0 to 1. Raises ValueError for other images."""
    check(images, ("N", 1, SIDE, SIDE), name="digits")
    x = images.flatten(1).float()
    return x / 255 if images.dtype == torch.uint8 else (x + 1) / 2


def pictures(x: Tensor) -> Tensor:
    """(..., 784) from 0 to 1 -> images (..., 1, 28, 28) in [-1, 1]."""
    return (2 * x - 1).clamp(-1, 1).unflatten(-1, (1, SIDE, SIDE))


def holes(n: int, kind: str, seed: int = 0) -> Tensor:
    """Masks (n, 784), True = seen. "every second pixel": each is lost with chance 1/2; "strokes": a pen's, broad.

    The strokes are one or two, 6 to 11 pixels wide, from anywhere to anywhere. Raises ValueError for another kind.
    """
    one_of(kind, KINDS, "kind of holes")
    generator = torch.Generator().manual_seed(seed)
    if kind == KINDS[0]:
        return torch.rand(n, SIDE * SIDE, generator=generator) < 0.5
    return strokes(n, SIDE, (6, 11), generator, most=2).flatten(1) < 0.5


def training_holes(n: int, seed: int = 0) -> Tensor:
    """Masks (n, 784) to learn from: the even rows have holes of the first of KINDS, the odd ones of the second."""
    both = torch.stack([holes(n, kind, seed + 1000) for kind in KINDS])
    return both[torch.arange(n) % 2, torch.arange(n)]


# --------------------------------------------------------------------------------------------------- without networks


def seen_means(x: Tensor, m: Tensor) -> Tensor:
    """(784,): the mean of each pixel over the rows where it is seen; 0 where it never is."""
    return (x * m).sum(0) / m.sum(0).clamp(min=1)


def by_mean(x: Tensor, m: Tensor, train: Tensor, m_train: Tensor) -> Tensor:
    """Each hole filled with the pixel's mean over the training rows that show it: (1, N, 784)."""
    return torch.where(m, x, seen_means(train, m_train))[None]


def by_nearest(x: Tensor, m: Tensor, train: Tensor, m_train: Tensor, neighbours: int = 40) -> Tensor:
    """Each lost pixel copied from the nearest training row that shows it: (1, N, 784).

    Nearest in mean squared difference over the pixels that both show. As training rows have holes too, a copy may be
    of several rows, up to the `neighbours`-th; what none of them shows gets the mean.
    """
    a, b = m.float(), m_train.float()
    squares = (a * x.square()) @ b.T - 2 * (a * x) @ (b * train).T + a @ (b * train.square()).T
    order = (squares / (a @ b.T).clamp(min=1)).topk(neighbours, largest=False).indices  # (N, neighbours)
    filled, done = by_mean(x, m, train, m_train)[0], m.clone()
    for k in range(neighbours):
        near, shows = train[order[:, k]], m_train[order[:, k]]
        filled, done = torch.where(shows & ~done, near, filled), done | shows
    return filled[None]


class Gaussian:
    """Factor analysis with one noise: pixels = mean + W z + sigma noise, z from N(0, I); the linear VAE of notebook 12.

    Mean and covariance come from the pairs of pixels that training rows show together, W (784, factors) from the
    largest eigenvalues, sigma^2 is the mean of the others. `fill` knows q(z | seen) exactly. Raises ValueError for
    factors outside 1 to 783. Source: Tipping and Bishop 1999, section 3; a pair at a time for missing values, Little
    and Rubin 2019, chapter 3.
    """

    def __init__(self, train: Tensor, m_train: Tensor, factors: int = 60):
        whole("factors", factors, 1, train.shape[1] - 1)
        b = m_train.float()
        self.mean = seen_means(train, m_train)
        off = (train - self.mean) * b
        values, vectors = torch.linalg.eigh(off.T @ off / (b.T @ b).clamp(min=1))
        self.noise = float(values[:-factors].mean().clamp(min=1e-4))  # sigma^2
        self.W = vectors[:, -factors:] * (values[-factors:] - self.noise).clamp(min=0).sqrt()

    def fill(self, x: Tensor, m: Tensor, draws: int = 0, seed: int = 0) -> Tensor:
        """The likeliest hidden pixels for draws = 0, (1, N, 784); else so many draws, with the noise, cut to 0 to 1."""
        k, seen = self.W.shape[1], m.float()
        pairs = (self.W[:, :, None] * self.W[:, None]).flatten(1)  # (784, k k)
        A = torch.eye(k, device=x.device) + (seen @ pairs).unflatten(1, (k, k)) / self.noise
        L = torch.linalg.cholesky(A)
        right = ((x - self.mean) * seen) @ self.W / self.noise
        z = torch.cholesky_solve(right[..., None], L)[..., 0][None]  # the mean of q(z | seen), (1, N, k)
        noise = 0.0
        if draws:
            generator = torch.Generator().manual_seed(seed)
            e = torch.randn(draws, *z.shape[1:], 1, generator=generator).to(x.device)
            z = z + torch.linalg.solve_triangular(L.mT, e, upper=True)[..., 0]  # covariance A^-1
            noise = math.sqrt(self.noise) * torch.randn(draws, *x.shape, generator=generator).to(x.device)
        return torch.where(m, x, (self.mean + z @ self.W.T + noise).clamp(0, 1))


# --------------------------------------------------------------------------------------------------------------- GAIN


class Filler(Player):
    """G of GAIN with the noise of the authors' code for digits: uniform in [0, 1), where that for tables has [0, 0.01).

    Takes what `with_noise` makes, and multiplies the noise by 100. Raises ValueError as `Player`.
    """

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        return super().forward(torch.where(beside.bool(), x, 100 * x), beside)


def fit_gain(x: Tensor, m: Tensor, *, steps=2000, batch=64, width=128, seed=0, hidden=None, **settings) -> nn.Module:
    """G of GAIN for pixels x (W, N, 784) with masks m, in W worlds: `gain_step`, or with `hidden` `practice_step`.

    Settings go to the step. By default alpha = 4 and the hint is M * B, as in the authors' code for digits: there alpha
    is 10, but their first term is divided by the share that is missing, here 0.4. Their layers have 256 and 128 units.
    Adam with 1e-3, falling to 0 in the second half.
    """
    G = Filler(x.shape[-1], len(x), width, fills=True, seed=seed)
    players, step = {"G": G}, partial(practice_step, hidden=hidden)
    if hidden is None:
        players["D"] = Player(x.shape[-1], len(x), width, seed=seed)
        step = partial(gain_step, **{"alpha": 4.0, "untold": 0.0, **settings})
    players |= {f"opt_{k}": torch.optim.Adam(net.parameters(), 1e-3, fused=True) for k, net in [*players.items()]}
    worlds = torch.arange(len(x), device=x.device)[:, None]

    def rows(n: int) -> tuple[Tensor, Tensor]:
        i = torch.randint(x.shape[1], (len(x), n), device=x.device)
        return x[worlds, i], m[worlds, i]  # (W, n, 784)

    trainer = Trainer(step, players, rows, batch_size=batch, seed=seed, device=x.device, schedule=linear_second_half)
    for _ in trainer.run(steps=steps, every=steps):
        pass
    return trainer.modules["G"].eval().requires_grad_(False)


@torch.no_grad()
def by_gain(G: nn.Module, x: Tensor, m: Tensor, draws: int = 1, seed: int = 0) -> Tensor:
    """(draws, N, 784) of one world's G, each with its own noise in the holes; or (draws, W, N, 784) of W worlds."""
    device = device_of(G, x)
    x, m = x.to(device), m.to(device)
    one = x.ndim == 2
    x, m = (x[None], m[None]) if one else (x, m)
    with seeded(seed):
        found = torch.stack([torch.where(m, x, G(with_noise(x, m), m)).cpu() for _ in range(draws)])
    return found[:, 0] if one else found


# ---------------------------------------------------------------------------------------------------------------- VAE


def masked_vae_step(x, m, *, E, G, opt, sigma=0.2):
    """One step of a VAE that learns from pictures with holes: its bound on the likelihood of the *seen* pixels alone.

    x (N, 1, H, W) in [-1, 1], m the mask, 1 = seen. The loss, in nats a picture: -E_q log N(seen x; G(z), sigma^2 I) +
    KL(q(z|seen), p(z)); E sees the picture with 0, mid-grey, in the holes. Returns {"loss_x", "loss_z"}, detached.
    Source: Nazábal et al. 2020, section 3.
    """
    mean, log_var = E(x * m)
    z = mean + (log_var / 2).exp() * torch.randn_like(mean)
    loss_x = -gaussian_log_likelihood(x * m, G(z) * m, sigma).mean()  # a hidden pixel adds a constant
    loss_z = gaussian_kl(mean, log_var).mean()
    opt.zero_grad()
    (loss_x + loss_z).backward()
    opt.step()
    return {"loss_x": loss_x.detach(), "loss_z": loss_z.detach()}


def fit_vae(x: Tensor, m: Tensor, *, steps=1000, batch=64, z_dim=16, sigma=0.2, seed=0) -> tuple[nn.Module, nn.Module]:
    """(E, G) of a VAE with notebook 12's networks, trained on pixels x (N, 784) with mask m by `masked_vae_step`."""
    with seeded(seed):
        E, G = Encoder(SIDE, 1, z_dim), DCGenerator(SIDE, 1, z_dim)
    opt = torch.optim.Adam([*E.parameters(), *G.parameters()], 3e-3, fused=True)
    images, seen = pictures(x), m.float().view(-1, 1, SIDE, SIDE)

    def sample(n: int) -> tuple[Tensor, Tensor]:
        i = torch.randint(len(x), (n,), device=x.device)
        return images[i], seen[i]

    players = {"E": E, "G": G, "opt": opt}
    trainer = Trainer(partial(masked_vae_step, sigma=sigma), players, sample, batch_size=batch, seed=seed,
                      device=x.device, schedule=linear_second_half)  # fmt: skip
    for _ in trainer.run(steps=steps, every=steps):
        pass
    return tuple(trainer.modules[k].eval().requires_grad_(False) for k in "EG")


@torch.no_grad()
def by_vae(E: nn.Module, G: nn.Module, x: Tensor, m: Tensor, draws: int = 1, rounds: int = 1, seed: int = 0) -> Tensor:
    """(draws, N, 784): holes filled by G(z), z drawn from q(z|picture), `rounds` times over; the first with grey holes.

    From the second round on E sees the holes as they were filled last: a chain that comes near to draws given the seen
    pixels as far as q is the posterior. G's mean is taken, without the noise of its pixels. Raises ValueError for
    rounds below 1. Source: Rezende, Mohamed and Wierstra 2014, appendix F.
    """
    whole("rounds", rounds, 1, 10_000)
    device, found = device_of(E, x), []
    images, seen = pictures(x.to(device)), m.to(device).view(-1, 1, SIDE, SIDE)
    with seeded(seed):
        for _ in range(draws):
            y = torch.where(seen, images, 0.0)
            for _ in range(rounds):
                mean, log_var = E(y)
                y = torch.where(seen, images, G(mean + (log_var / 2).exp() * torch.randn_like(mean)))
            found.append(torch.where(m.cpu(), x.cpu(), (y.flatten(1).cpu() + 1) / 2))
    return torch.stack(found)


# ------------------------------------------------------------------------------------------------------------- the pad


def labelled(x: Tensor, names) -> Tensor:
    """Pictures (N, C, 28, 28) in [-1, 1], C 1 or 3, four times as large, each with its name above: (N, 3, 128, 112).

    For a pad, whose answer has no titles. Raises ValueError for other pictures, or another number of names.
    """
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    check(x, ("N", (1, 3), SIDE, SIDE), name="pictures", kinds=("float",))
    if len(names) != len(x):
        raise ValueError(f"{len(x)} pictures but {len(names)} names: give one each.")
    font, pages = ImageFont.truetype(findfont("DejaVu Sans"), 15), []
    for picture, name in zip(to_uint8(x).cpu().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy(), names, strict=True):
        page = Image.new("RGB", (4 * SIDE, 4 * SIDE + 16))
        page.paste(Image.fromarray(picture).resize((4 * SIDE, 4 * SIDE), Image.Resampling.NEAREST), (0, 16))
        ImageDraw.Draw(page).text((1, 14), name, fill=(255, 255, 255), font=font, anchor="ls")
        pages.append(torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8).view(4 * SIDE + 16, 4 * SIDE, 3))
    return to_float(torch.stack(pages).permute(0, 3, 1, 2).contiguous())


def wrong_everywhere(completions: Tensor, true: Tensor, mask: Tensor, margin: float = 0.25) -> Tensor:
    """(N, 784) bool: hidden pixels whose true value lies outside all completions (m, N, 784) by more than `margin`."""
    low, high = completions.amin(0) - margin, completions.amax(0) + margin
    return ~mask & ((true < low) | (true > high))

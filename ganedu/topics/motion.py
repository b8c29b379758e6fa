"""Short clips of two coloured lights that move and bounce, a generator with content and motion codes, and its judges.

The world: in 8 frames of 16 x 16 pixels a disc and a square move in straight lines, each at its own speed, and are
thrown back by the walls. Light adds: the disc alone has red, the square alone blue, and each has some green, its tint.
So red and blue say where they are and green what colours they have, even where they overlap. Six numbers are a frame:
`paint` draws them, `read` finds them again, and the players of the game play with them, so that two cores train many
games at once. Clips are (N, T, 3, S, S) in [-1, 1], or numbers (..., T, 6) in [-1, 1]: tint, right, down of the disc,
then of the square. Places are (right, down) in pixels; shape 0 is the disc, shape 1 the square.

The game is MoCoGAN's (Tulyakov, Liu, Yang and Kautz 2018): one code says what is in all frames of a clip, a recurrent
network makes of another one code for each frame; one D judges single frames, one D whole clips.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import losses
from ..inputs import brief, one_of, whole
from ..losses import Loss, non_saturating
from ..pixels import check
from ..sampling import device_of
from ..toys.stacked import Draw, StackedLinear, StackedMLP
from ..toys.worlds import streams
from . import vae
from .style_generator import Lazily

SIDE, FRAMES, SHAPES = 16, 8, ("disc", "square")
HALF = (3.0, 2.3)  # pixels from the centre to the rim: the disc's radius, half of the square's side
SPEEDS = (0.8, 2.0)  # pixels a frame
GREEN = 0.5  # green at tint 1, as a share of the shape's red or blue
FLOOR = 0.2  # light below this share is no part of a shape
KEPT, NEAR = 0.1, 1.0  # what `Seen.right` allows: change of a tint; pixels off the path
GAMES = ("both", "frames", "clips")  # which judges there are


# --------------------------------------------------------------------------------------------------------- the world


def draw(n: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Independent factors of n clips, each evenly spread: what `clips` takes.

    - tint (n, 2): the green of disc and square, 0 to 1;
    - start (n, 2, 2): their places in the first frame, anywhere within the walls;
    - velocity (n, 2, 2): in pixels a frame, of any direction, with a speed in SPEEDS.

    Raises ValueError for n below 0.
    """
    whole("n", n, 0, 2**31)
    numbers = torch.rand(n, 2, 5, generator=generator)
    half = torch.tensor(HALF)[:, None]
    speed = SPEEDS[0] + (SPEEDS[1] - SPEEDS[0]) * numbers[..., 3:4]
    angle = 2 * torch.pi * numbers[..., 4]
    velocity = speed * torch.stack([angle.cos(), angle.sin()], -1)
    return {"tint": numbers[..., 0], "start": half + (SIDE - 2 * half) * numbers[..., 1:3], "velocity": velocity}


def bounced(p: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Where something is that would be at p, had walls at low and high not thrown it back, as often as needed.

    low + w - |(p - low) mod 2w - w| with w = high - low: a triangle wave. Raises ValueError unless low < high.
    """
    width = high - low
    if not torch.as_tensor(width > 0).all():
        raise ValueError(f"walls at {brief(low)} and {brief(high)}: give low < high.")
    return low + width - ((p - low) % (2 * width) - width).abs()


def path(start: Tensor, velocity: Tensor, frames: int = FRAMES) -> Tensor:
    """Places (N, T, 2, 2) of shapes that move in straight lines from start and bounce; start, velocity (N, 2, 2)."""
    whole("frames", frames, 1, 10**6)
    time = torch.arange(frames, device=start.device).view(1, -1, 1, 1)
    half = torch.tensor(HALF, device=start.device)[:, None]
    return bounced(start[:, None] + time * velocity[:, None], half, SIDE - half)


def masks(places: Tensor) -> Tensor:
    """What disc and square at places (..., 2, 2) cover of each pixel, 0 to 1: (..., 2, S, S).

    The square's share of a pixel is exact; the disc's is linear in the distance to its rim, which is nearly so.
    """
    at = torch.arange(SIDE, device=places.device) + 0.5
    right, down = (at - places[..., k, None] for k in (0, 1))  # (..., 2, S)
    disc = 0.5 + HALF[0] - (right[..., 0, None, :].square() + down[..., 0, :, None].square()).sqrt()
    across, along = (0.5 + HALF[1] - v[..., 1, :].abs() for v in (right, down))
    return torch.stack([disc.clamp(0, 1), across.clamp(0, 1)[..., None, :] * along.clamp(0, 1)[..., :, None]], -3)


def numbers(tint: Tensor, places: Tensor) -> Tensor:
    """Clips as numbers (..., T, 6) in [-1, 1], of tints (..., T, 2) in 0 to 1 and places (..., T, 2, 2) in pixels.

    2 tint - 1, and the way from the frame's middle as a share of the way to the wall.
    """
    return torch.cat([2 * tint[..., None] - 1, (places - SIDE / 2) / _room(places)], -1).flatten(-2)


def parts(v: Tensor) -> tuple[Tensor, Tensor]:
    """(tints (..., T, 2), places (..., T, 2, 2)) of clips as numbers (..., T, 6): undoes `numbers`.

    Raises ValueError for another shape.
    """
    if not isinstance(v, Tensor) or v.ndim < 2 or v.shape[-1] != 6 or not v.is_floating_point():
        given = tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__
        raise ValueError(f"clips as numbers must be floats (..., T, 6): got {given}. Of pixels, `read` makes them.")
    v = v.unflatten(-1, (2, 3))
    return (v[..., 0] + 1) / 2, SIDE / 2 + _room(v) * v[..., 1:]


def _room(v: Tensor) -> Tensor:
    """(2, 1): how far from the middle the centre of disc and square can go."""
    return SIDE / 2 - torch.tensor(HALF, device=v.device)[:, None]


def sample(n: int, frames: int = FRAMES, generator: torch.Generator | None = None) -> Tensor:
    """n new clips of the world as numbers (n, T, 6); by torch's global random numbers where no generator is given."""
    f = draw(n, generator)
    return numbers(f["tint"][:, None].expand(-1, frames, -1), path(f["start"], f["velocity"], frames))


def batches(n: int, worlds: int = 1) -> Tensor:
    """n new clips for each of the worlds, (W, n, T, 6): the data of a `Trainer`."""
    return sample(worlds * n).unflatten(0, (worlds, n))


def paint(v: Tensor) -> Tensor:
    """Pixels (..., T, 3, S, S) in [-1, 1] of clips as numbers (..., T, 6). Raises ValueError for another shape."""
    tint, places = parts(v)
    m = masks(places)  # (..., T, 2, S, S)
    green = (GREEN * tint[..., None, None] * m).sum(-3)
    return 2 * torch.stack([m[..., 0, :, :], green, m[..., 1, :, :]], -3) - 1


# -------------------------------------------------------------------------------------------------------- the reader


class Read(NamedTuple):
    """Clips read from pixels: numbers (N, T, 6), and fit (N, T, 2), 1 where the light is just what `paint` draws."""

    numbers: Tensor
    fit: Tensor


def read(x: Tensor) -> Read:
    """The numbers in clips x (N, T, 3, S, S), on x's device.

    A place is the centre of mass of the red, or the blue, above FLOOR, held within the walls: off by at most 0.05
    pixels for the world's own clips. Tints are the least squares of green = GREEN (a red + b blue) over the frame. Fit
    is sum pq / (sum p^2 + sum q^2 - sum pq) of the light p and what is drawn there, q. Raises ValueError for what are
    no such clips.
    """
    if not isinstance(x, Tensor) or x.ndim != 5 or x.shape[2:] != (3, SIDE, SIDE):
        given = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"clips must be (N, T, 3, {SIDE}, {SIDE}): got {given}; x[None] is one.")
    check(x.flatten(0, 1), ("N", 3, SIDE, SIDE), name="the frames of clips", kinds=("float",))
    light = ((x + 1) / 2).clamp(0, 1)
    shape = light[..., 0::2, :, :]  # (N, T, 2, S, S)
    above = (shape - FLOOR).clamp(min=0)
    mass = above.sum((-2, -1)).clamp(min=1e-6)
    at, half = torch.arange(SIDE, device=x.device) + 0.5, torch.tensor(HALF, device=x.device)[:, None]
    place = torch.stack([(above.sum(-2) * at).sum(-1) / mass, (above.sum(-1) * at).sum(-1) / mass], -1)
    place = torch.maximum(torch.minimum(place, SIDE - half), half)
    again = masks(place)
    both = (again * shape).sum((-2, -1))
    fit = both / (again.square().sum((-2, -1)) + shape.square().sum((-2, -1)) - both)
    red, blue = shape.unbind(-3)
    rr, rb, bb = ((p * q).sum((-2, -1)) for p, q in ((red, red), (red, blue), (blue, blue)))
    gr, gb = ((light[..., 1, :, :] * q).sum((-2, -1)) for q in (red, blue))
    tint = torch.stack([bb * gr - rb * gb, rr * gb - rb * gr], -1) / (rr * bb - rb * rb + 1e-6)[..., None] / GREEN
    return Read(numbers(tint, place), fit)


class Seen(NamedTuple):
    """What is measured of N clips: tint (N, T, 2), place (N, T, 2, 2), and off (N, 2), as `off_path` gives it."""

    tint: Tensor
    place: Tensor
    off: Tensor

    @property
    def right(self) -> dict[str, Tensor]:
        """{what: (N,) bool}, of both shapes and all frames.

        content: no tint changes by more than KEPT; motion: no place is farther than NEAR from a lawful path.
        """
        change = (self.tint.amax(1) - self.tint.amin(1)).amax(1)
        return {"content": change <= KEPT, "motion": self.off.amax(1) <= NEAR}

    @property
    def factors(self) -> Tensor:
        """(N, 10): mean tints, first places, mean steps between frames, each as a share of the most in the world.

        What the spread of clips is compared by. A mean step is no velocity where a wall is hit.
        """
        step = (self.place[:, 1:] - self.place[:, :-1]).mean(1)
        return torch.cat([self.tint.mean(1), self.place[:, 0].flatten(1) / SIDE, step.flatten(1) / SPEEDS[1]], 1)


def look(v: Tensor) -> Seen:
    """Measure clips as numbers (N, T, 6), T at least 2; on their device. Raises ValueError for another shape."""
    tint, place = parts(v)
    if v.ndim != 3 or v.shape[1] < 2:
        raise ValueError(f"give clips (N, T, 6) with T of 2 or more: got {tuple(v.shape)}.")
    return Seen(tint, place, off_path(place))


def off_path(places: Tensor, steps: int = 61, slack: float = 0.1) -> Tensor:
    """(N, 2): the greatest distance, in pixels, of places (N, T, 2, 2) from the lawful path that is nearest.

    Lawful: straight, thrown back by the walls, at a speed in SPEEDS, give or take `slack`. Nearest: of least squares
    among `steps` starts and `steps` speeds along each axis; so a path of the world is off by up to 0.3, not 0. For each
    speed along an axis the best start there is found alone, which leaves pairs of speeds to try.
    """
    n, frames = places.shape[:2]
    speeds = torch.linspace(-SPEEDS[1], SPEEDS[1], steps, device=places.device)
    size = torch.hypot(speeds[:, None], speeds)
    unlawful = ((size < SPEEDS[0] - slack) | (size > SPEEDS[1] + slack)) * 1e9
    time, rows, found = torch.arange(frames, device=places.device), torch.arange(n, device=places.device), []
    for k, half in enumerate(HALF):
        start = torch.linspace(half, SIDE - half, steps, device=places.device)
        lines = bounced(start[:, None, None] + speeds[:, None] * time, half, SIDE - half)  # (starts, speeds, T)
        flat = lines.flatten(0, 1)
        best = []
        for y in places[:, :, k].unbind(-1):  # (N, T): one axis
            squares = y.square().sum(1, keepdim=True) - 2 * y @ flat.T + flat.square().sum(1)
            best.append(squares.view(n, steps, steps).min(1))
        pair = (best[0].values[:, :, None] + best[1].values[:, None] + unlawful).flatten(1).argmin(1)
        chosen = (pair // steps, pair % steps)
        line = torch.stack([lines[b.indices[rows, v], v] for b, v in zip(best, chosen, strict=True)], -1)  # (N, T, 2)
        found.append((places[:, :, k] - line).norm(dim=-1).amax(1))
    return torch.stack(found, 1)


# ------------------------------------------------------------------------------------------------------- the players


class ClipGenerator(nn.Module):
    """z (W, N, z_dim) -> clips as numbers (W, N, T, 6), in W worlds with weights of their own.

    z = (z_C, z_M) with content_dim and motion_dim numbers. The motion codes are h_1 = A z_M and h_t+1 = h_t + 0.3
    f(h_t), each a step from the one before; (z_C, h_t) goes to one network for all frames, with tanh at its end. With
    `split` there are two, and the tints get z_C alone, the places h_t alone. MoCoGAN's recurrent network is a GRU that
    gets new noise at every frame, since what people do is not decided at the start; here it is. Its frames come from a
    DCGAN. Raises ValueError for z of another width.
    """

    def __init__(self, worlds=1, content_dim=4, motion_dim=10, hidden=32, width=128, split=False, draw=None):
        super().__init__()
        draw = draw or streams(0, 0)
        self.content_dim, self.motion_dim, self.z_dim = content_dim, motion_dim, content_dim + motion_dim
        self.worlds, self.split, self.start = worlds, split, StackedLinear(worlds, motion_dim, hidden, draw)
        self.move = StackedMLP(worlds, [hidden, width, hidden], draw)
        if split:
            self.tints = StackedMLP(worlds, [content_dim, width, 2], draw)
        sizes = [hidden, width, width, 4] if split else [content_dim + hidden, width, width, 6]
        self.frame = StackedMLP(worlds, sizes, draw)

    def motion(self, z_M: Tensor, frames: int = FRAMES) -> Tensor:
        """Motion codes (W, N, T, hidden) of z_M (W, N, motion_dim), for as many frames as are asked for."""
        codes = [self.start(z_M)]
        for _ in range(frames - 1):
            codes.append(codes[-1] + 0.3 * self.move(codes[-1]))
        return torch.stack(codes, 2)

    def forward(self, z: Tensor, frames: int = FRAMES) -> Tensor:
        if z.ndim != 3 or z.shape[::2] != (self.worlds, self.z_dim):
            raise ValueError(f"z is {tuple(z.shape)}: give ({self.worlds}, N, {self.z_dim}), content, then motion.")
        z_C, z_M = z.split([self.content_dim, self.motion_dim], 2)
        h = self.motion(z_M, frames)
        code = h if self.split else torch.cat([z_C[:, :, None].expand(-1, -1, frames, -1), h], -1)
        v = self.frame(code.flatten(1, 2)).unflatten(1, (z.shape[1], frames))
        if self.split:
            tints = self.tints(z_C)[:, :, None, :, None].expand(-1, -1, frames, -1, -1)
            v = torch.cat([tints, v.unflatten(-1, (2, 2))], -1).flatten(-2)
        return v.tanh()


class ClipJudge(nn.Module):
    """Clips as numbers (W, N, T, 6) -> `outputs` numbers each, (W, N) where it is one: a logit.

    An MLP sees the numbers of all frames and, four times as large, how they change from frame to frame; so it need not
    learn to subtract.
    """

    def __init__(self, worlds=1, width=128, outputs=1, frames=FRAMES, draw: Draw | None = None):
        super().__init__()
        sizes = [6 * (2 * frames - 1), width, width, outputs]
        self.net = StackedMLP(worlds, sizes, draw or streams(0, 1), logits=outputs == 1)

    def forward(self, v: Tensor) -> Tensor:
        return self.net(torch.cat([v, 4 * (v[:, :, 1:] - v[:, :, :-1])], 2).flatten(2))


def players(worlds: int = 5, game: str = "both", seed: int = 0, width: int = 128, gamma=0.3, split=False) -> dict:
    """What `motion_step` plays with: G, the judges of a game ("both", "frames" or "clips" alone), optimisers, penalty.

    Adam (0, 0.99) for G at 0.002 and for the judges at 0.004; R1 of `gamma` at every 8th step; `split` is G's. Worlds
    of one seed begin alike in all games. Raises ValueError for an unknown game, or worlds below 1.
    """
    one_of(game, GAMES, "game")
    whole("worlds", worlds, 1, 10**4)
    G = ClipGenerator(worlds, width=width, split=split, draw=streams(seed, 0))
    D_frame = StackedMLP(worlds, [6, width, width, 1], streams(seed, 1), logits=True)
    D_clip = ClipJudge(worlds, width, draw=streams(seed, 2))
    judges = {"D_frame": D_frame} if game != "clips" else {}
    judges |= {"D_clip": D_clip} if game != "frames" else {}
    adam = functools.partial(torch.optim.Adam, betas=(0.0, 0.99), fused=True)
    weights = [p for D in judges.values() for p in D.parameters()]
    return {"G": G, **judges, "opt_G": adam(G.parameters(), 2e-3), "opt_D": adam(weights, 4e-3),
            "penalty": Lazily(functools.partial(losses.r1, gamma=gamma), 8)}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- the game


def motion_step(x_real, *, G, opt_G, opt_D, D_frame=None, D_clip=None, loss: Loss = non_saturating, penalty=None):
    """One round of MoCoGAN: D_frame judges one frame of each clip, drawn at random, D_clip all; either may be missing.

    Clips `x_real` (W, N, T, 6) in W worlds. Both losses are added up, for the judges and for G, which moves on the same
    fakes. `penalty(D, x_real, x_fake)` is charged of the judges' summed logits. Returns {"loss_D", "loss_G"}, detached,
    means over worlds. Raises ValueError without a judge, or for a relativistic loss. Source: Tulyakov et al. 2018,
    section 3.2; there D_clip judges 16 frames in a row of a longer clip.
    """
    if (D_frame is None and D_clip is None) or loss.pairs:
        raise ValueError("give D_frame or D_clip, or both, and a loss that does not pair reals with fakes.")
    worlds, n, frames = x_real.shape[:3]
    one = torch.arange(n, device=x_real.device), torch.randint(frames, (n,), device=x_real.device)
    judges = [D for D in (D_frame and (lambda x: D_frame(x[:, *one])), D_clip) if D is not None]
    x_fake = G(torch.randn(worlds, n, G.z_dim, device=x_real.device))
    loss_D = sum(loss.d_loss(D(x_real), D(x_fake.detach())) for D in judges)  # (W,)
    if penalty is not None:
        flat = (x.flatten(2) for x in (x_real, x_fake.detach()))  # as points, which is what a penalty takes
        loss_D = loss_D + penalty(lambda x: sum(D(x.view_as(x_real)) for D in judges), *flat)
    opt_D.zero_grad()
    loss_D.sum().backward()
    opt_D.step()

    loss_G = sum(loss.g_loss(D(x_fake), None) for D in judges)
    opt_G.zero_grad()
    loss_G.sum().backward(inputs=list(G.parameters()))  # through the judges, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach().mean(), "loss_G": loss_G.detach().mean()}


def clip_vae_step(x_real, *, E, G, opt, sigma: float = 0.05):
    """One step of a variational autoencoder of clips (W, N, T, 6) with the same G: no judge.

    E is a `ClipJudge` with 2 z_dim outputs; the loss of each world is that of `vae.vae_step`. Returns {"loss_x",
    "loss_z"}, detached, means over worlds. Raises ValueError for a sigma not above 0.
    """
    mean, log_var = E(x_real).chunk(2, -1)  # (W, N, z_dim)
    again = G(mean + (log_var / 2).exp() * torch.randn_like(mean))
    loss_x = -vae.gaussian_log_likelihood(x_real.flatten(0, 1), again.flatten(0, 1), sigma).mean()
    loss_z = vae.gaussian_kl(mean, log_var).mean()
    opt.zero_grad()
    (len(x_real) * (loss_x + loss_z)).backward()
    opt.step()
    return {"loss_x": loss_x.detach(), "loss_z": loss_z.detach()}


@torch.no_grad()
def fakes(G: nn.Module, n: int = 1000, seed: int = 0, frames: int = FRAMES) -> Tensor:
    """n clips of each of G's worlds as numbers (W, n, T, 6), on the CPU; equal seeds, equal codes, in all worlds.

    Raises ValueError for n below 1.
    """
    return G(codes(G, n, seed).expand(G.worlds, -1, -1).to(device_of(G)), frames).cpu()


def codes(G: nn.Module, n: int, seed: int = 0) -> Tensor:
    """n codes (n, z_dim) from N(0, I), on the CPU. Raises ValueError for n below 1."""
    whole("n", n, 1, 10**6)
    return torch.randn(n, G.z_dim, generator=torch.Generator().manual_seed(seed))


def exchanged(a: Tensor, b: Tensor, content_dim: int) -> Tensor:
    """Codes (N, z_dim) with the content of codes a and the motion of codes b. Raises ValueError for two shapes."""
    if a.shape != b.shape or not 0 <= content_dim <= a.shape[-1]:
        raise ValueError(f"codes {tuple(a.shape)} and {tuple(b.shape)}, content_dim={content_dim}: give two alike.")
    return torch.cat([a[..., :content_dim], b[..., content_dim:]], -1)


@torch.no_grad()
def follow(G: nn.Module, pairs: int = 500, seed: int = 0) -> dict[str, Tensor]:
    """Clips with the content code of a clip A and the motion code of a clip B: whose colours, whose path?

    {"colours of A", "colours of B", "path of A", "path of B", "colours nearer to A", "path nearer to B"}: (W, pairs)
    bool, on the CPU. Colours are those of a clip where both mean tints are within KEPT, the path where no place is
    farther than NEAR; nearer, by the larger of the two changes of tint, and by the farthest place. Of two clips that
    have nothing to do with the third, each is the nearer one half of the time. Raises what `codes` raises.
    """
    a, b = codes(G, 2 * pairs, seed).chunk(2)
    clip_a, clip_b, mixed = (
        parts(G(c.expand(G.worlds, -1, -1).to(device_of(G))).cpu()) for c in (a, b, exchanged(a, b, G.content_dim))
    )
    colours = [(mixed[0].mean(2) - tint.mean(2)).abs().amax(2) for tint, _ in (clip_a, clip_b)]
    ways = [(mixed[1] - place).norm(dim=-1).amax((2, 3)) for _, place in (clip_a, clip_b)]
    found = {f"colours of {name}": far <= KEPT for name, far in zip("AB", colours, strict=True)}
    found |= {f"path of {name}": far <= NEAR for name, far in zip("AB", ways, strict=True)}
    return found | {"colours nearer to A": colours[0] < colours[1], "path nearer to B": ways[1] < ways[0]}

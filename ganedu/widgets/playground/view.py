"""What a frame of the playground shows: arrays for the picture, the theorem's gauge, and the same in words."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import softplus

from ... import losses, metrics
from ...toys import densities
from ...toys.stacked import StackedMLP
from ..pictures import said
from .game import Game

CELLS, NODES, SHOWN, COUNTED = 48, 20, 300, 6_000  # heat map and lattice a side; fakes in the picture; in the masses
LIMIT, SCALE = densities.LIMIT, 2000  # the picture is [-3, 3]^2; coordinates travel as int16, 1/2000 of a unit
LAYERS = ("real", "fakes", "heat", "best", "grid", "arrows")


@dataclass
class Numbers:
    """What is counted a few times a second, world 0: see `View.count`. Divergences in nats."""

    exact: float  # V(D) on the cells' masses
    ceiling: float  # 2 JSD - log 4 of the same masses
    minibatch: float  # V on D's last batch and as many fakes
    js: float
    kl: float
    right: float  # share of D's answers that are right, real and fake alike
    starved: float  # share of fakes whose slope through the logit is below 0.05
    modes: list[int] | None  # covered, one a world
    good: float | None = None
    best: Tensor = field(default=None, repr=False)  # D* on the cells


class View:
    """Looks at a `Game`: `frame` for every picture, `count` a few times a second. Leaves the game's chance alone."""

    def __init__(self, game: Game):
        self.game = game
        self.cells, _ = densities.cells(n=CELLS)  # (48 * 48, 2), x_1 fastest
        self._of = None

    def _prepare(self) -> None:
        """What stays while settings do: noise to show, lattice, real points, their masses, one world's players."""
        g, s = self.game, self.game.settings
        now = (g.G, g.density, s["noise"])
        if self._of is not None and all(a is b for a, b in zip(now, self._of, strict=True)):
            return
        self._of, draw = now, torch.Generator().manual_seed(s["seed"])
        self.z = g.draw_noise(COUNTED, draw)
        self.x_real = g.density.sample(SHOWN, generator=draw)
        self.p = histogram(g.density.sample(200_000, generator=draw))
        self.alone = [StackedMLP(1, _sizes(net), lambda *_: torch.Generator(), slope=net.slope, logits=net.logits,
                                 spectral_norm=hasattr(net.layers[0], "parametrizations")).eval()
                      for net in (g.G, g.D)]  # fmt: skip
        self.lattice, self.share = lattice(s["noise"], s["z_dim"])
        self.flat = _coordinates(_flat(self.lattice, s["noise"]))

    def _first(self, net: StackedMLP, x: Tensor) -> Tensor:
        """Output of world 0 alone, (N, ...) -> (N, ...)."""
        if self.game.settings["worlds"] == 1 and self.game.settings["spectral_norm"] == "off":  # which each call moves
            return net(x[None])[0]
        alone = self.alone[0 if net is self.game.G else 1]
        weights = {k: v[:1].detach() for k, v in {**dict(net.named_parameters()), **dict(net.named_buffers())}.items()}
        return functional_call(alone, weights, (x[None],))[0]

    @torch.no_grad()
    def fakes(self, n: int) -> Tensor:
        """(n, 2) fakes of world 0, from noise that stays the same."""
        self._prepare()
        return self._first(self.game.G, self.z[:n])

    def real(self) -> Tensor:
        """(300, 2) real samples, as the page reads them."""
        self._prepare()
        return _coordinates(self.x_real)

    @torch.no_grad()
    def heat(self) -> Tensor:
        """(48 * 48,) what D says at the cells' centres."""
        self._prepare()
        return self._first(self.game.D, self.cells).sigmoid()

    # ---------------------------------------------------------------------------------------------- the picture

    def frame(self, shown: set[str]) -> tuple[dict[str, Tensor], dict]:
        """({part: array}, {"worlds": fakes of the others}) of world 0 as it stands, without what nobody sees."""
        self._prepare()
        game, parts = self.game, {}
        with torch.no_grad():
            x = self.fakes(SHOWN)
            if "heat" in shown:
                parts["heat"] = _byte(self.heat().view(CELLS, CELLS))
            if "grid" in shown:
                z = self.lattice.reshape(-1, self.lattice.shape[-1])
                parts["nodes"] = _coordinates(self._first(game.G, z)).view(*self.lattice.shape[:-1], 2)
                parts["lattice"] = self.flat
                parts["share"] = self.share
        if shown & {"fakes", "arrows"}:
            d, arrows, _ = self.pull(x)
            parts["fakes"], parts["scores"] = _coordinates(x), _byte(d.sigmoid())
            if "arrows" in shown:
                parts["arrows"] = _coordinates(arrows)
        if game.settings["worlds"] > 1:
            with torch.no_grad():
                others = game.G(self.z[:150].expand(game.settings["worlds"], -1, -1))
            parts["worlds"] = (others * 40).nan_to_num(0).clamp(-127, 127).to(torch.int8)
        return parts

    def pull(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(logits (n,), minus the slope of G's loss at each fake (n, 2), slope in the logit (n,)), each times n.

        The loss is the one that is chosen, the learner's own included; a relativistic one pairs each fake with a real.
        """
        x = x.detach().requires_grad_()
        d_fake = self._first(self.game.D, x)
        d_real = self._first(self.game.D, self.x_real[: len(x)]).detach() if self.game.loss.pairs else None
        try:
            loss = self.game.loss.g_loss(d_fake[None], d_real if d_real is None else d_real[None]).sum() * len(x)
            grad_x, grad_d = torch.autograd.grad(loss, (x, d_fake), allow_unused=True)
        except BaseException as e:  # the learner's own, which never saw so many fakes
            if isinstance(e, KeyboardInterrupt) or self.game.loss in losses.ALL:
                raise
            self.game.set_aside(said(e))
            return self.pull(x)
        zero = torch.zeros_like(x)
        return d_fake.detach(), zero if grad_x is None else -grad_x, zero[:, 0] if grad_d is None else grad_d

    # -------------------------------------------------------------------------------------------- the theorem

    def count(self) -> Numbers:
        """The gauge, exact because p and q are masses on one grid and D stands at its centres; and the counts.

        p and q: histograms of 200,000 real samples and 6,000 fakes on 48 x 48 cells, what lies outside counted in the
        cells at the rim. KL(p, q) with half a sample added to each cell of either, or it would be infinite.
        """
        self._prepare()
        game = self.game
        with torch.no_grad():
            x = self._first(game.G, self.z)
            q, d = histogram(x), self._first(game.D, self.cells).double()
            js = densities.jsd(self.p, q).item()
            d_real = self._first(game.D, game.x_real[0])
            d_fake = self._first(game.D, x[: len(d_real)])
        modes, good = game.density.modes, None
        if modes is not None:
            good = metrics.good_share(x[:1000], modes, game.density.std).item()
            n = max(1000, 25 * len(modes))
            with torch.no_grad():
                every = game.G(self.z[:n].expand(game.settings["worlds"], -1, -1))
            modes = metrics.modes_covered(every, modes, game.density.std).tolist()
        slope = self.pull(x[:SHOWN])[2]
        return Numbers(
            exact=-(self.p * softplus(-d) + q * softplus(d)).sum().item(), ceiling=2 * js - math.log(4), js=js,
            minibatch=-losses.cross_entropy_d(d_real, d_fake).item(), kl=kl(self.p, q),
            right=((d_real > 0).float().mean() + (d_fake < 0).float().mean()).item() / 2,
            starved=(slope.abs() < 0.05).float().mean().item(), modes=modes, good=good,
            best=(self.p / (self.p + q)).nan_to_num(0.5).view(CELLS, CELLS),
        )  # fmt: skip

    def headline(self, n: Numbers) -> str:
        """The round, and how many modes world 0 covers; the share of right answers where nobody knows the modes."""
        found = f"D right {n.right:.0%} of the time"
        if n.modes is not None:
            found = f"{n.modes[0]} of {len(self.game.density.modes)} modes, {n.good:.0%} of the fakes on one"
        return f"Step {self.game.rounds:,}: {found}"

    def words(self, n: Numbers) -> str:
        """What is seen, in one line."""
        said = [self.headline(n)]
        if n.modes is not None:
            said.append(f", D right {n.right:.0%} of the time")
        said.append(f", gradient small on {n.starved:.0%} of the fakes.")
        if n.modes is not None and len(n.modes) > 1:
            full = sum(m == len(self.game.density.modes) for m in n.modes)
            low, high = metrics.wilson(full, len(n.modes))
            said.append(f" All modes in {full} of {len(n.modes)} worlds ({low:.0%} to {high:.0%}).")
        return "".join(said)


# --------------------------------------------------------------------------------------------------------- helpers


def histogram(x: Tensor) -> Tensor:
    """Masses (48 * 48,) float64 of points (N, 2); a point outside counts in the cell at the rim next to it."""
    at = ((x.nan_to_num(0) + LIMIT) * (CELLS / (2 * LIMIT))).clamp(0, CELLS - 1).long()
    return torch.bincount(at[:, 1] * CELLS + at[:, 0], minlength=CELLS**2).double() / len(x)


def kl(p: Tensor, q: Tensor, n: int = COUNTED) -> float:
    """KL(p, q) of masses, in nats, with half a sample of n added to every cell of both. Source: Krichevsky and
    Trofimov 1981."""
    p, q = ((m * n + 0.5) / (n + 0.5 * len(m)) for m in (p, q))
    return (p * (p / q).log()).sum().item()


def lattice(kind: str, z_dim: int) -> tuple[Tensor, Tensor]:
    """(nodes (20, 20, 2), or (20, 1) on a line; probability of each cell between them, (19, 19) or (19,)).

    Uniform noise: even steps over [-1, 1]. Normal noise: even steps from -2.5 to 2.5.
    """
    end = 1.0 if kind == "uniform" else 2.5
    axis = torch.linspace(-end, end, NODES)
    mass = torch.full((NODES - 1,), 1 / (NODES - 1)) if kind == "uniform" else torch.special.ndtr(axis).diff()
    if z_dim == 1:
        return axis[:, None], mass
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1), mass[:, None] * mass


def _flat(nodes: Tensor, kind: str) -> Tensor:
    """The lattice itself as points of the picture: two units to each side; a line lies along x_1."""
    nodes = nodes * (2 if kind == "uniform" else 0.8)
    return nodes if nodes.shape[-1] == 2 else torch.cat([nodes, torch.zeros_like(nodes)], -1)


def _byte(p: Tensor) -> Tensor:
    return (p * 255).nan_to_num(0).round().to(torch.uint8)


def _coordinates(x: Tensor) -> Tensor:
    return (x.nan_to_num(0).clamp(-16, 16) * SCALE).round().to(torch.int16)


def _sizes(net: StackedMLP) -> list[int]:
    return [net.layers[0].weight.shape[1]] + [layer.weight.shape[2] for layer in net.layers]

"""The playground's game without its page: settings, single turns, the learner's own losses, rewind.

The game is `ganedu.toys.worlds` with one world, or twelve: world w has seed w and starts alike in both.
"""

import math
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from ... import losses
from ...inputs import brief
from ...sampling import seeded
from ...toys import densities, worlds
from ...toys.stacked import StackedMLP
from ..pictures import said
from .own_loss import own_loss
from .settings import CONTROLS, PENALTIES


class Stream:
    """Endless samples (W, n, dim), each world from its own random numbers; `at` says where, and can be set back."""

    BLOCK = 2048

    def __init__(self, sample, worlds_: int, draw):
        self.sample, self.worlds, self.draw, self.at, self._block = sample, worlds_, draw, 0, None

    def take(self, n: int) -> Tensor:
        block, start = divmod(self.at, self.BLOCK)
        if start + n > self.BLOCK:
            block, start = block + 1, 0
        if self._block is None or self._block[0] != block:
            drawn = [self.sample(self.BLOCK, generator=self.draw(w, block)) for w in range(self.worlds)]
            self._block = block, torch.stack(drawn)
        self.at = block * self.BLOCK + start + n
        return self._block[1][:, start : start + n]


def noise(kind: str, z_dim: int, n: int, generator: torch.Generator) -> Tensor:
    """z (n, z_dim): standard normal, or uniform in [-1, 1]."""
    if kind == "uniform":
        return 2 * torch.rand(n, z_dim, generator=generator) - 1
    return torch.randn(n, z_dim, generator=generator)


class Game:
    """Settings in, turns out. `set` one, `turn_D`, `turn_G`, `round`; `film` holds snapshots to go back to.

    Raises ValueError for a setting that does not exist or fit, before anything changes. A loss of the learner's that
    fails while it plays is put aside for the one before; `message` says why.
    """

    FILM, FILM_BYTES = 150, 64e6  # snapshots at most, and their size

    def __init__(self, **settings):
        self.losses = {x.name: x for x in losses.ALL}
        self.drawing: list[list[float]] = []
        self.settings = {c.name: c.value for c in CONTROLS.values()}
        self.message, self._last_good = "", losses.non_saturating.name
        for name, value in settings.items():
            self._take(name, value)
        self.deal()

    # ------------------------------------------------------------------------------------------------- settings

    def set(self, name: str, value) -> None:
        """Change one setting: at once, or with new players where it belongs to them."""
        self._take(name, value)
        if CONTROLS[name].deals:
            self.deal()
        elif name == "data":
            self._new_data()
        elif name.startswith("optimiser"):
            self._optimisers(name[-1])

    def _take(self, name: str, value) -> None:
        self.settings[name] = self.checked(name, value, self.drawing)

    def checked(self, name: str, value, drawing: list):
        """The value as the setting wants it. Raises ValueError for an unknown name, or what does not fit."""
        if not isinstance(name, str) or name not in CONTROLS:
            raise ValueError(f"there is no setting {brief(name)}: {', '.join(CONTROLS)}.")
        if name == "loss":
            if not isinstance(value, str) or value not in self.losses:
                raise ValueError(f"loss={brief(value)} does not fit: choose one of {', '.join(self.losses)}.")
            return value
        if name == "data" and isinstance(value, str) and value == "drawn" and not drawing:
            raise ValueError("there is no drawing yet: draw some points first.")
        return CONTROLS[name].check(value)

    def draw_data(self, points) -> None:
        """Take the learner's points (k, 2) within [-3, 3] as the data. Raises ValueError as `planar`."""
        self.drawing = planar(points)
        self.set("data", "drawn")

    @property
    def density(self) -> densities.Density:
        return self._density

    @property
    def loss(self) -> losses.Loss:
        return self.losses[self.settings["loss"]]

    @property
    def penalty(self):
        make, name = PENALTIES[self.settings["penalty"]], self.settings["penalty"]
        weight = "weight" if name == "WGAN-GP" else "gamma"
        return make and partial(make, **{weight: self.settings["gamma"]})

    # -------------------------------------------------------------------------------------------------- players

    def deal(self) -> None:
        """New players from the seed, new optimisers, an empty film; the settings stay."""
        s = self.settings
        self.rounds, self.turns = 0, []
        sizes_G = [s["z_dim"]] + [s["width_G"]] * s["depth_G"] + [2]
        sizes_D = [2] + [s["width_D"]] * s["depth_D"] + [1]
        self.G = StackedMLP(s["worlds"], sizes_G, worlds.streams(s["seed"], 0))
        self.D = StackedMLP(s["worlds"], sizes_D, worlds.streams(s["seed"], 1), slope=0.2, logits=True,
                            spectral_norm=s["spectral_norm"] == "on")  # fmt: skip
        for player in "GD":
            self._optimisers(player)
        self.film, self._film_every, self.losses_seen, self.broken = [], 10, [], False
        self.z = Stream(self.draw_noise, s["worlds"], worlds.streams(s["seed"], 3))
        self._new_data()
        self.keep()

    def draw_noise(self, n: int, generator: torch.Generator) -> Tensor:
        return noise(self.settings["noise"], self.settings["z_dim"], n, generator)

    def _new_data(self) -> None:
        name, at = self.settings["data"], 0
        self._density = densities.drawn(self.drawing) if name == "drawn" else densities.ALL[name]()
        self.x = Stream(self._density.sample, self.settings["worlds"], worlds.streams(self.settings["seed"], 2))
        self.x.at = at
        self.x_real = self.x.take(self.settings["batch"])

    def _optimisers(self, player: str) -> None:
        parameters, lr = getattr(self, player).parameters(), self.settings[f"lr_{player}"]
        adam = self.settings[f"optimiser_{player}"] == "Adam"
        make = partial(torch.optim.Adam, betas=(0.5, 0.9)) if adam else torch.optim.SGD
        setattr(self, f"opt_{player}", make(list(parameters), lr=lr, fused=True))

    # ---------------------------------------------------------------------------------------------------- turns

    def turn_D(self) -> None:
        """One step of D alone, on a fresh batch."""
        self.x_real = self.x.take(self.settings["batch"])
        self._turn(worlds.turn_D, "D", penalty=self.penalty)

    def turn_G(self) -> None:
        """One step of G alone; a relativistic loss pairs its fakes with D's last batch."""
        self._turn(worlds.turn_G, "G")

    def _turn(self, turn, player: str, **more) -> None:
        opt = getattr(self, f"opt_{player}")
        opt.param_groups[0]["lr"] = self.settings[f"lr_{player}"]
        z = self.z.take(self.x_real.shape[1])
        # WGAN-GP draws its mixing weights from torch's global numbers: lend it some that a rewind finds again
        own = seeded(self.z.at) if player == "D" and self.settings["penalty"] == "WGAN-GP" else nullcontext()
        try:
            with own:
                value = turn(self.x_real, z, G=self.G, D=self.D, loss=self.loss, **{f"opt_{player}": opt}, **more)
        except BaseException as e:  # a loss of the learner's may even call sys.exit()
            self.D.requires_grad_(True)  # also where G's turn was cut short
            if isinstance(e, KeyboardInterrupt) or self.loss in losses.ALL:
                raise
            self.set_aside(said(e))
            return
        self.losses_seen.append((player, value))

    def round(self) -> None:
        """`steps_D` turns of D, then `steps_G` of G; every few rounds a snapshot joins the film."""
        for _ in range(self.settings["steps_D"]):
            self.turn_D()
        for _ in range(self.settings["steps_G"]):
            self.turn_G()
        self.rounds += 1
        if self.rounds % self._film_every == 0:
            self.keep()

    def read_losses(self) -> dict[str, float]:
        """{"D": mean loss, "G": mean loss} of world 0 since the last call; goes back when a loss is not finite."""
        seen, self.losses_seen = self.losses_seen, []
        found = {}
        for player in "DG":
            values = [value for who, value in seen if who == player]
            if values:
                found[player] = torch.stack(values)[:, 0].mean().item()
        if any(not math.isfinite(v) for v in found.values()):
            self.film = [shot for shot in self.film if all(v.isfinite().all() for p in "GD" for v in shot[p].values())]
            self.go_back(len(self.film) - 1)  # snapshot 0 is what was dealt, so there is one
            if self.loss in losses.ALL:
                self.broken = True
                self.message = (
                    "A loss left the finite numbers. The game went back to its last good moment, step "
                    f"{self.rounds:,}: lower a learning rate, add a penalty, or start again."
                )
            else:
                self.set_aside("it gave a value that is not finite")
        return found

    def add_loss(self, name: str, d_loss, g_loss) -> None:
        """Offer d_loss(d_real, d_fake) and g_loss(d_fake[, d_real]) as `name`.

        Raises ValueError for a name that is none, or a loss of the course's, and as `own_loss`.
        """
        if not isinstance(name, str) or not 0 < len(name.strip()) <= 60:
            raise ValueError(f"name={brief(name)} does not fit: give a text of 1 to 60 characters.")
        if name in CONTROLS["loss"].choices:
            raise ValueError(f"the course has a loss called {name!r}: give yours a name of its own.")
        self.losses[name] = own_loss(name, d_loss, g_loss)

    def set_aside(self, why: str) -> None:
        """Put the learner's loss, which failed, aside for the one before."""
        name = self.settings["loss"]
        if self._last_good == name:
            self._last_good = losses.non_saturating.name
        self.message = f"The loss {name!r} failed and is put aside: {why}. The game goes on with {self._last_good!r}."
        self.settings["loss"] = self._last_good

    # ------------------------------------------------------------------------------------------------- the film

    def keep(self) -> None:
        """Add a snapshot to the film; when it is full, every second one goes and the next come half as often."""
        self.film = [shot for shot in self.film if shot["rounds"] < self.rounds]
        shot = {"rounds": self.rounds, "at": (self.x.at, self.z.at), "G": copied(self.G), "D": copied(self.D),
                "opt": {p: _moments(getattr(self, f"opt_{p}")) for p in "GD"}}  # fmt: skip
        self.film.append(shot)
        size = sum(t.numel() * 4 for player in "GD" for t in shot[player].values()) * 3
        if len(self.film) > min(self.FILM, max(10, self.FILM_BYTES // size)):
            self.film, self._film_every = self.film[::2], 2 * self._film_every
        if not self.message:
            self._last_good = self.settings["loss"]

    def go_back(self, at: int) -> None:
        """Put the players back to snapshot `at`; what came after it is dropped by the next snapshot."""
        shot = self.film[max(0, min(at, len(self.film) - 1))]
        self.G.load_state_dict(shot["G"])
        self.D.load_state_dict(shot["D"])
        for p in "GD":
            _restore_moments(getattr(self, f"opt_{p}"), shot["opt"][p])
        self.rounds, (self.x.at, self.z.at), self.losses_seen = shot["rounds"], shot["at"], []
        self.broken = False

    def place(self) -> tuple:
        """Where the game stands, for `return_to`, without a mark on the film."""
        return (
            self.rounds,
            (self.x.at, self.z.at),
            copied(self.G),
            copied(self.D),
            [_moments(self.opt_G), _moments(self.opt_D)],
        )

    def return_to(self, place: tuple) -> None:
        self.rounds, (self.x.at, self.z.at), G, D, moments = place
        self.G.load_state_dict(G)
        self.D.load_state_dict(D)
        _restore_moments(self.opt_G, moments[0])
        _restore_moments(self.opt_D, moments[1])


# --------------------------------------------------------------------------------------------------------- helpers


def planar(points) -> list[list[float]]:
    """Points (k, 2) of somebody's drawing, rounded to thousandths. Raises ValueError as `densities.drawn`, for a line
    too."""
    if densities.drawn(points).dim != 2:
        raise ValueError("points have one number each: the picture is a plane, give pairs (x1, x2).")
    return [[round(v, 3) for v in point] for point in torch.as_tensor(points, dtype=torch.float64).tolist()]


def copied(module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def _moments(opt) -> list[dict[str, Tensor]]:
    return [{k: v.clone() for k, v in opt.state[p].items()} for p in opt.param_groups[0]["params"] if opt.state[p]]


def _restore_moments(opt, moments: list[dict[str, Tensor]]) -> None:
    """Give the optimiser its memory of then; with none it starts where its kind has changed since."""
    opt.state.clear()
    adam = isinstance(opt, torch.optim.Adam)
    for p, held in zip(opt.param_groups[0]["params"], moments, strict=False):
        if adam == ("exp_avg" in held):
            opt.state[p] = {k: v.clone() for k, v in held.items()}

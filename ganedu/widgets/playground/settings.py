"""What can be set in the playground: one table for the game, which checks it, and the page, which shows it."""

from dataclasses import asdict, dataclass
from numbers import Real

from ... import losses
from ...inputs import brief
from ...toys import densities


@dataclass(frozen=True)
class Control:
    """One setting: what it may be, where the page shows it, and whether a change deals new players."""

    name: str
    label: str
    group: str
    value: object
    choices: tuple = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    deals: bool = False

    @property
    def kind(self) -> str:
        return "choice" if self.choices else "whole" if isinstance(self.value, int) else "number"

    def check(self, value):
        """The value in this setting's type. Raises ValueError that says what is allowed."""
        number = isinstance(value, Real) and not isinstance(value, bool)  # JSON's true is no 1
        if self.kind == "choice":
            if not (number or isinstance(value, str)) or value not in self.choices:
                raise ValueError(
                    f"{self.name}={brief(value)} does not fit: choose one of {', '.join(map(str, self.choices))}."
                )
            return self.choices[self.choices.index(value)]
        # NaN is not within any range
        if not number or not self.low <= value <= self.high or (self.kind == "whole" and value != int(value)):
            what = "a whole number" if self.kind == "whole" else "a number"
            raise ValueError(
                f"{self.name}={brief(value)} does not fit: give {what} from {self.low:g} to {self.high:g}."
            )
        return int(value) if self.kind == "whole" else float(value)


PLANAR = tuple(name for name, make in densities.ALL.items() if make().dim == 2)
PENALTIES = {"none": None, "R1": losses.r1, "R2": losses.r2, "R1 + R2": losses.r1_r2, "WGAN-GP": losses.wgan_gp}


def _player(p: str) -> list[Control]:
    return [
        Control(f"depth_{p}", "hidden layers", p, 2, low=1, high=5, deals=True),
        Control(f"width_{p}", "width", p, 64, low=4, high=128, deals=True),
        Control(f"optimiser_{p}", "optimiser", p, "Adam", ("Adam", "SGD")),
        Control(f"lr_{p}", "learning rate", p, 1e-3, low=1e-5, high=1.0, log=True),
        Control(f"steps_{p}", "steps a round", p, 1, low=1, high=10),
    ]


CONTROLS = {
    c.name: c
    for c in (
        Control("data", "data", "data", "ring", (*PLANAR, "drawn")),
        Control("batch", "batch", "data", 150, low=10, high=500),
        Control("seed", "seed", "data", 0, low=0, high=999, deals=True),
        Control("worlds", "worlds", "data", 1, (1, 12), deals=True),
        Control("z_dim", "noise numbers", "noise", 2, (1, 2), deals=True),
        Control("noise", "noise", "noise", "Gaussian", ("Gaussian", "uniform"), deals=True),
        *_player("G"),
        *_player("D"),
        Control("spectral_norm", "spectral norm", "D", "off", ("off", "on"), deals=True),
        Control("loss", "loss", "game", "non-saturating", tuple(x.name for x in losses.ALL)),
        Control("penalty", "penalty on D", "game", "none", tuple(PENALTIES)),
        Control("gamma", "its weight", "game", 0.1, low=1e-3, high=100.0, log=True),
    )
}


def controls() -> list[dict]:
    """All settings as the page needs them."""
    return [{**asdict(c), "kind": c.kind} for c in CONTROLS.values()]

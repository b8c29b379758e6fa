"""A maker, a taste and a training that stand in for the real ones: each picture says by its grey how it was made."""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import torch


@dataclass(frozen=True)
class Recipe:
    seed: int | None = None
    z: tuple | None = None
    label: int | None = None
    dials: dict = field(default_factory=dict)
    style: int | None = None

    @property
    def place(self) -> float:
        return self.z[0] if self.seed is None else self.seed % 50


class Maker:
    """Grey 2 * (seed % 50) + 40 * weight in the upper half, 100 + 10 * label (or style) in the lower."""

    name, image_size, channels, digest = "stand-in", 8, 1, "abc"
    dials = (SimpleNamespace(name="weight", low=-1.0, high=1.0, effect="One unit adds 40 greys."),
             SimpleNamespace(name="nothing", low=0.0, high=3.0, effect="None is seen.", side="No side."))  # fmt: skip

    def __init__(self, classes=("zero", "one", "two"), styled=False):
        self.classes, self.styled, self.drawn = tuple(classes), styled, 0

    def fresh(self, n, seed=0):
        label = 0 if self.classes else None
        return [Recipe(seed=12 * seed + i, label=label) for i in range(n)]

    def draw(self, recipes):
        self.drawn += len(recipes)
        x = torch.zeros(len(recipes), 1, 8, 8)
        for image, r in zip(x, recipes, strict=True):
            image[0, :4] = 60 + 2 * r.place + 40 * r.dials.get("weight", 0.0)
            image[0, 4:] = 100 + 10 * (r.label or 0) + (r.style or 0)
        return x / 127.5 - 1

    def mix(self, a, b, share):
        return replace(a, seed=None, z=((1 - share) * a.place + share * b.place,))

    def walk(self, a, b, frames):
        return [self.mix(a, b, i / (frames - 1)) for i in range(frames)]

    def restyle(self, content, style):
        return replace(content, style=int(style.place))

    def diversity(self, recipes):
        return (recipes[-1].seed - recipes[0].seed) / 40

    def share(self, recipe):
        return json.dumps({"model": self.name, "picture": [recipe.seed, recipe.label, recipe.dials]})

    def read(self, text):
        try:
            given = json.loads(text)
            if given["model"] != self.name:
                raise ValueError(f"these pictures were made by the model {given['model']!r}; here is {self.name!r}.")
            seed, label, dials = given["picture"]
            return Recipe(seed=seed, label=label, dials=dials)
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ValueError("this is no text of the studio: paste the whole line.") from None

    def png(self, recipe, date):
        return b"\x89PNG " + date.encode() + str(recipe.place).encode()

    def gif(self, recipes):
        return b"GIF89a" + bytes(len(recipes))


@dataclass(frozen=True)
class Belief:
    text: str
    sure: float
    picks: int
    rows: tuple

    def __str__(self):
        return self.text


class Taste:
    """Likes what was picked last; sure after ten picks."""

    def __init__(self, maker):
        self.maker, self.offers = maker, 0
        self.reset()

    def reset(self):
        self.picked = []

    def offer(self, n):
        self.offers += 1
        self.offered = self.maker.fresh(n, 100 + self.offers)
        return self.offered

    def pick(self, i):
        self.picked.append(self.offered[i])

    def belief(self):
        n = len(self.picked)
        text = f"After {n} picks: you seem to like bright ones." if n else "Nothing is known yet: pick one."
        rows = (("brightness", 0.8, 0.2, 1.4), ("width", -0.3, -0.9, 0.3)) if n else ()
        return Belief(text, min(1.0, n / 10), n, rows)

    def page(self, n, varied=0.0):
        step = 1 + round(3 * varied)
        first = self.picked[-1].place if self.picked else 0
        return [Recipe(seed=int(first + step * i), label=0) for i in range(n)]


SAID = "a warning\n\nganedu: stopped after step 50; all of it is kept. To go on:\n  ganedu train dcgan --resume"


class Run:
    """A training that goes on by 50 steps whenever somebody looks."""

    def __init__(self, out, seconds):
        self.out, self.limit, self.running, self.step, self.best, self.calls = out, seconds, True, 0, None, []
        self.measures = []

    def stop(self):
        self.calls.append("stop")
        self.running = False

    def resume(self, seconds=None):
        self.calls.append("resume")
        self.limit = seconds or self.limit
        self.running = True

    def doctor(self):
        return "healthy"

    def report(self):
        return Path("report.html")

    def state(self):
        if self.running:
            self.step += 50
            self.measures.append(SimpleNamespace(step=self.step, distance=100 / self.step, error=0.1))
        x = torch.linspace(-1, 1, 24).view(24, 1, 1, 1).expand(24, 1, 8, 8) if self.step else None
        return SimpleNamespace(
            running=self.running, step=self.step, seconds=self.step / 10, limit=self.limit, samples=x, error=0.1,
            distance=100 / self.step if self.step else None, further=0.6, measures=self.measures, said=SAID,
            advice=f"Go on: distance {100 / self.step:.3f}, the best so far." if self.step else "Too early to say.",
        )  # fmt: skip


class OwnPictures:
    """In place of the module `topics.own_pictures`."""

    def look(self, folder):
        if folder == "empty":
            raise FileNotFoundError("no pictures in empty: give a folder with 400 or more.")
        if folder == "slow":
            time.sleep(1.0)
        return Found(Path(folder))

    def start(self, found, out, seconds):
        return Run(out, seconds)

    def reopen(self, out, folder):
        run = Run(out, 300.0)
        run.running, run.step = False, 150
        return run


@dataclass(frozen=True)
class Found:
    folder: Path

    def __str__(self):
        return "412 pictures read, as grey squares of 8 pixels.\n2 are skipped: a.txt is no picture."

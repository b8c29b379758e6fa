"""A maker, a taste and a training that stand in for the real ones: each picture says by its grey how it was made."""

import json
from dataclasses import dataclass, field, replace
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
             SimpleNamespace(name="nothing", low=0.0, high=3.0, effect="Nothing is seen.", side="No side."))  # fmt: skip

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

    def with_style(self, content, style):
        return replace(content, style=int(style.place))

    def share(self, recipes):
        return json.dumps({"model": self.name, "pictures": [[r.seed, r.label, r.dials] for r in recipes]})

    def read(self, text):
        try:
            given = json.loads(text)
            if given["model"] != self.name:
                raise ValueError(f"these pictures were made by the model {given['model']!r}; here is {self.name!r}.")
            return [Recipe(seed=s, label=k, dials=d) for s, k, d in given["pictures"]]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ValueError("this is no text of the studio: paste the whole line.") from None

    def png(self, recipe, date):
        return b"\x89PNG " + date.encode() + str(recipe.place).encode()

    def gif(self, recipes):
        return b"GIF89a" + bytes(len(recipes))


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
        likes = (("brightness", 0.8), ("width", -0.3)) if n else ()
        return SimpleNamespace(text=text, sure=min(1.0, n / 10), picks=n, likes=likes)

    def page(self, n, variety=0.0):
        step = 1 + round(3 * variety)
        first = self.picked[-1].place if self.picked else 0
        return [Recipe(seed=int(first + step * i), label=0) for i in range(n)]

    def diversity(self, recipes):
        return (recipes[-1].place - recipes[0].place) / 40


class OwnPictures:
    """A training that goes on by ten seconds whenever somebody looks."""

    def __init__(self):
        self.run, self.running, self.step, self.seconds, self.goal, self.calls = None, False, 0, 0.0, 0.0, []

    def look(self, folder):
        if folder == "empty":
            raise ValueError("empty holds no pictures: give a folder with 400 or more.")
        return SimpleNamespace(n=412, words="412 pictures were read, at 28 x 28 pixels.",
                               skipped=[("a.txt", "is no picture"), ("b.png", "is broken")])  # fmt: skip

    def start(self, folder, out=None, seconds=60.0):
        self.calls.append(("start", folder, seconds))
        self.run, self.running, self.step, self.goal = f"runs/{folder}", True, 0, float(seconds)

    def stop(self):
        self.calls.append(("stop",))
        self.running = False

    def resume(self):
        self.calls.append(("resume",))
        self.running = True

    def report(self):
        return "report.html"

    def state(self):
        if self.running:
            self.step, self.seconds = self.step + 50, min(self.goal, self.seconds + 10)
        history = [(s, 100 - s / 10, 95 - s / 10, 105 - s / 10) for s in range(50, self.step + 1, 50)]
        return SimpleNamespace(
            running=self.running, step=self.step, seconds=self.seconds, goal=self.goal, history=history, error="",
            samples=torch.linspace(-1, 1, 16).view(16, 1, 1, 1).expand(16, 1, 8, 8) if self.step else None,
            number="distance to held-out pictures 95", advice="Go on.", doctor="healthy",
        )  # fmt: skip

"""What the studio's page works on: a picture as a recipe that can be told in a line, and the generator that draws it.

A `Recipe` says all that a picture is made of: the seed of its z (or z itself, once two were mixed), class, dials and
style. A `Maker` is a generator with what is known of it: the dials that were found in its latent space and what each
was seen to do. Everything is on the CPU. Which directions the dials are is measured by `ganedu.topics.handles`; which
pictures somebody likes by `ganedu.topics.taste`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from ..inputs import brief, one_of, whole
from ..pixels import check, to_uint8
from ..sampling import seeded
from . import handles, latent, style_generator

NAMES = ("digits", "digits_by_class", "fashion", "shapes")
SEEDS = 2**31  # seeds run from 0 to below this
LONGEST = 200_000  # characters of a text to share
REACH = 12.0  # the farthest that a number of z, or a dial, may be told: N(0, 1) never comes there


# ------------------------------------------------------------------------------------------------------------ recipes


@dataclass(frozen=True)
class Recipe:
    """What one picture is made of, as plain numbers; a changed one is made by `dataclasses.replace`.

    - `seed`: z is drawn from N(0, I) by it; or None, and `z` holds the numbers themselves, as after mixing;
    - `label`: the class by its number, or one share a class where classes are blended; None without classes;
    - `dials`: {name: value}, 0 where a dial is not named;
    - `style`: whose style the late layers take, a seed or the numbers of a z; None for its own.

    Raises ValueError for anything else, NaN and infinity among it.
    """

    seed: int | None = None
    z: tuple[float, ...] | None = None
    label: int | tuple[float, ...] | None = None
    dials: dict[str, float] = field(default_factory=dict)
    style: int | tuple[float, ...] | None = None

    def __post_init__(self):
        if (self.seed is None) == (self.z is None):
            raise ValueError("a recipe has either a seed or the numbers z: give one of the two.")
        if self.seed is not None:
            whole("seed", self.seed, 0, SEEDS - 1)
        if self.z is not None and not isinstance(self.z, list | tuple):
            raise ValueError(f"z={brief(self.z)} does not fit: give its numbers, or a seed in their place.")
        for name in ("z", "label", "style"):
            value = getattr(self, name)
            if isinstance(value, list | tuple):
                object.__setattr__(self, name, tuple(_number(f"a number of {name}", v) for v in value))
            elif value is not None:
                whole(name, value, 0, SEEDS - 1)
        if not isinstance(self.dials, dict) or not all(isinstance(k, str) for k in self.dials):
            raise ValueError(f"dials={brief(self.dials)} does not fit: give {{name: value}}.")
        object.__setattr__(self, "dials", {k: _number(f"dial {k!r}", v) for k, v in self.dials.items()})

    def to_json(self) -> dict:
        """The recipe as JSON keeps it, without what is not set."""
        return {k: v for k, v in asdict(self).items() if v is not None and v != {}}

    @classmethod
    def from_json(cls, given: dict) -> "Recipe":
        """The recipe that `to_json` wrote. Raises ValueError for what it could not have written."""
        if not isinstance(given, dict):
            raise ValueError(f"a recipe is {{name: value}}, not {brief(given)}.")
        for key in given:
            one_of(key, tuple(cls.__dataclass_fields__), "part of a recipe")
        return cls(**given)


def _number(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= REACH:
        raise ValueError(f"{name} is {brief(value)}: give a number from -{REACH:g} to {REACH:g}.")
    return float(value)


# ------------------------------------------------------------------------------------------------------------- makers


@dataclass(frozen=True, eq=False)
class Dial:
    """A direction (z_dim,) of length 1 by its name, and in words what it was seen to do: its `effect`, and at its
    `side` what else changes.

    A value from `low` to `high` is added to z (to w, where there is one) along it. `measured` holds the numbers that
    the words were made of, {} where nobody measured: such a direction is principal, and its name a mere number.
    """

    name: str
    low: float
    high: float
    effect: str
    side: str
    direction: Tensor = field(repr=False)
    measured: dict = field(default_factory=dict, repr=False)


class Maker:
    """A generator that draws recipes, with its `dials` and `classes`.

    name                  the model, as its card and the texts to share call it
    image_size, channels  of its pictures
    dials                 tuple of `Dial`
    classes               their names, () where it has none
    digest                12 characters that tell these weights from others
    styled                whether the late layers may take another picture's style
    data, licence         what it was trained on
    judge                 a classifier of such pictures, or None
    measure               pictures -> {name: (N,)}, numbers read off them; {} where nothing is known of the data
    """

    def __init__(
        self, G: nn.Module, name: str, *, dials=None, classes=(), judge=None, measure=None, data="", licence=""
    ):
        self.G, self.name, self.classes, self.judge = G.eval(), name, tuple(classes), judge
        self.measure = measure or (lambda x: {})
        self.data, self.licence = data or name, licence
        self.styled = hasattr(G, "synthesis")
        if self.styled:
            with seeded(0):
                self._noise = G.noise(1)  # the same for every picture, at every call
        self.digest = _digest(G)
        self.dials = principal(G) if dials is None else tuple(dials)
        self._along = torch.stack([d.direction for d in self.dials]) if self.dials else torch.zeros(0, G.z_dim)
        self.channels, self.image_size = self.draw([Recipe(seed=0, label=0 if self.classes else None)]).shape[1:3]
        self._independent: Tensor | None = None

    @classmethod
    def of(cls, what: str | Path) -> "Maker":
        """The maker of a name in `NAMES`, or of a folder that `ganedu train` wrote (any model and size).

        Raises ValueError at once for an unknown name, FileNotFoundError for a folder without a run, and what
        `recipes.load_generator` raises.
        """
        if isinstance(what, Path) or (isinstance(what, str) and what not in NAMES and Path(what).is_dir()):
            return _of_run(Path(what))
        one_of(what, NAMES, "model, or folder of a run as `ganedu train --out` writes it,")
        return _of_zoo(what)

    # what is drawn

    def fresh(self, n: int, seed: int = 0) -> list[Recipe]:
        """n new recipes: seeds, and classes evenly spread by chance, drawn from `seed`."""
        whole("n", n, 1, 100_000)
        whole("seed", seed, 0, SEEDS - 1)
        generator = torch.Generator().manual_seed(seed)
        seeds = torch.randint(SEEDS, (n,), generator=generator).tolist()
        if not self.classes:
            return [Recipe(seed=s) for s in seeds]
        labels = torch.randint(len(self.classes), (n,), generator=generator).tolist()
        return [Recipe(seed=s, label=label) for s, label in zip(seeds, labels, strict=True)]

    def check(self, recipe: Recipe) -> None:
        """Raise ValueError unless this maker can draw the recipe, naming what does not fit."""
        z_dim, n = self.G.z_dim, len(self.classes)
        for name, value in (("z", recipe.z), ("style", recipe.style)):
            if isinstance(value, tuple) and len(value) != z_dim:
                raise ValueError(f"{name} holds {len(value)} numbers, and {self.name} takes {z_dim}: of another model?")
        for name in recipe.dials:
            one_of(name, tuple(d.name for d in self.dials), f"dial of {self.name}")
        if (recipe.label is None) == (n > 0):
            given = "no class" if n else "a class"
            raise ValueError(f"{self.name} has {n or 'no'} classes, and the recipe {given}.")
        if isinstance(recipe.label, tuple):
            if len(recipe.label) != n or min(recipe.label) < 0 or abs(sum(recipe.label) - 1) > 1e-3:
                raise ValueError(f"label is {brief(recipe.label)}: give {n} shares, 0 or more, that add up to 1.")
        elif recipe.label is not None:
            whole("label", recipe.label, 0, n - 1)
        if recipe.style is not None and not self.styled:
            raise ValueError(f"{self.name} has no layers of style: leave style out, or choose shapes.")

    @torch.no_grad()
    def draw(self, recipes: list[Recipe]) -> Tensor:
        """Pictures (N, C, H, W) in [-1, 1] of recipes, equal for equal recipes. Raises ValueError for what `check`
        refuses, and for an empty list."""
        recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes)
        if not recipes:
            raise ValueError("no recipes: give one or more.")
        for recipe in recipes:
            self.check(recipe)
        return self._drawn(recipes)

    def _drawn(self, recipes: list[Recipe]) -> Tensor:
        z = self.mapped(torch.stack([self._z(r.z if r.seed is None else r.seed) for r in recipes]))
        values = torch.tensor([[r.dials.get(d.name, 0.0) for d in self.dials] for r in recipes]).view(len(recipes), -1)
        labels = torch.stack([self._shares(r.label) for r in recipes]) if self.classes else None
        styles = {i: r.style for i, r in enumerate(recipes) if r.style is not None}
        late = self.mapped(torch.stack([self._z(style) for style in styles.values()])) if styles else None
        return self.drawn(z + values @ self._along, labels, list(styles), late)

    def mapped(self, z: Tensor) -> Tensor:
        """z (N, z_dim) in the space that the dials live in: itself, or w where the generator maps it first."""
        return self.G.mapping(z) if self.styled else z

    @torch.no_grad()
    def drawn(
        self, z: Tensor, labels: Tensor | None = None, which: list[int] = (), late: Tensor | None = None
    ) -> Tensor:
        """Pictures (N, C, H, W) of vectors (N, z_dim) as `mapped` gives them, and labels (N,), or shares (N, classes).

        Where `styled`, the later half of the layers of the pictures `which` takes the vectors `late` instead, and all
        pictures have the same noise, so that equal recipes give equal pictures.
        """
        if not self.styled:
            return torch.cat([self.G(*part).float().cpu() for part in _parts(z, labels)])
        ws = z[:, None].repeat(1, self.G.layers, 1)
        if len(which):
            ws[list(which), self.G.layers // 2 :] = late[:, None]
        return torch.cat([self.G.synthesis(part, self._noise).float().cpu() for part in ws.split(250)])

    def _z(self, what: int | tuple[float, ...]) -> Tensor:
        if isinstance(what, tuple):
            return torch.tensor(what)
        return torch.randn(self.G.z_dim, generator=torch.Generator().manual_seed(what))

    def _shares(self, label: int | tuple[float, ...]) -> Tensor:
        return torch.tensor(label) if isinstance(label, tuple) else torch.eye(len(self.classes))[label]

    # between two pictures

    def mix(self, a: Recipe, b: Recipe, share: float) -> Recipe:
        """The recipe `share` of the way from a (0) to b (1): z along the arc, since z is Gaussian (notebook 11); dials
        and classes along the line; the style of the nearer one. At 0 and at 1 a and b themselves."""
        share = _share(share)
        for recipe in (a, b):
            self.check(recipe)
        if share in (0, 1):
            return b if share else a
        z_a, z_b = (self._z(r.z if r.seed is None else r.seed) for r in (a, b))
        z = _arc(z_a, z_b, share).clamp(-REACH, REACH)
        dials = {k: (1 - share) * a.dials.get(k, 0.0) + share * b.dials.get(k, 0.0) for k in a.dials | b.dials}
        label = a.label
        if a.label != b.label:
            label = tuple(((1 - share) * self._shares(a.label) + share * self._shares(b.label)).tolist())
        return Recipe(z=tuple(z.tolist()), label=label, dials=dials, style=(a if share < 0.5 else b).style)

    def walk(self, a: Recipe, b: Recipe, frames: int = 16) -> list[Recipe]:
        """The recipes from a to b in `frames` even steps, both ends among them; `draw` and `gif` show them."""
        whole("frames", frames, 2, 200)
        return [self.mix(a, b, i / (frames - 1)) for i in range(frames)]

    def restyle(self, content: Recipe, style: Recipe) -> Recipe:
        """The content of one picture with the style of another, where `styled`; the other's dials are left out.

        Raises ValueError where this maker has no layers of style.
        """
        found = replace(content, style=style.z if style.seed is None else style.seed)
        self.check(found)
        return found

    # for taste and diversity

    def features(self, recipes: list[Recipe]) -> Tensor:
        """Numbers (N, F) of the pictures, in which like pictures are near: the judge's features where there is a judge
        for this data, else the grey values of 7 x 7 squares of the picture in each channel."""
        return self.seen(self.draw(recipes))

    def diversity(self, recipes: list[Recipe]) -> float:
        """How varied the pictures are, `taste.diversity` of their features: 1 as much as independent draws, 0 not at
        all, as one picture alone."""
        from . import taste

        if self._independent is None:
            self._independent = self.features(self.fresh(200, seed=1))
        return taste.diversity(self.features(recipes), self._independent) if len(recipes) > 1 else 0.0

    def seen(self, x: Tensor) -> Tensor:
        """`features` of pictures (N, C, H, W) that are drawn already."""
        if self.judge is not None:
            from ..metrics import judges

            return judges.features(self.judge, x.clamp(-1, 1))
        return nn.functional.adaptive_avg_pool2d(x, 7).flatten(1)

    # to share

    def share(self, recipe: Recipe) -> str:
        """The recipe as one line of JSON, with the model's name and digest."""
        self.check(recipe)
        head = {"ganedu": "picture", "model": self.name, "digest": self.digest}
        return json.dumps(head | {"recipe": _short(recipe.to_json())}, separators=(",", ":"))

    def read(self, text: str) -> Recipe:
        """The recipe that `share` wrote. Raises ValueError for a text that is too long, broken, of another model, or
        of a picture that this model cannot draw."""
        what = "this is no text of the studio"
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{what}: it is empty. Paste the whole line that somebody shared.")
        if len(text) > LONGEST:
            raise ValueError(f"{what}: it has {len(text):,} characters, and no more than {LONGEST:,} are read.")
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as e:
            raise ValueError(f"{what}, or only a part of it ({e}). Paste the whole line that somebody shared.") from e
        if not isinstance(given, dict) or given.get("ganedu") != "picture" or not isinstance(given.get("model"), str):
            raise ValueError(f"{what}: it does not begin as `share` writes it.")
        self._check_origin(given["model"], given.get("digest"))
        recipe = Recipe.from_json(given.get("recipe"))
        self.check(recipe)
        return recipe

    def _check_origin(self, model: str, digest) -> None:
        if (model, digest) != (self.name, self.digest):
            here = "the same name with other weights" if model == self.name else f"the model {self.name}"
            raise ValueError(
                f"this picture was made by the model {brief(model)}, digest {brief(digest)}; here is {here}, digest "
                f"{self.digest!r}. Open that model, and paste the text there."
            )

    # to keep

    def png(self, recipe: Recipe, date: str) -> bytes:
        """The picture as PNG with a card of where it comes from in its metadata; `card` reads it. `date` as the caller
        says it, such as "2026-11-28"."""
        return png(self.draw([recipe])[0], {
            "model": self.name, "digest": self.digest, "data": self.data, "licence": self.licence,
            "seed": recipe.seed, "date": date, "recipe": _short(recipe.to_json()),
        })  # fmt: skip

    def gif(self, recipes: list[Recipe], seconds: float = 2.0) -> bytes:
        """`gif` of what the recipes draw, such as those of a `walk`."""
        return gif(self.draw(recipes), seconds)


def _parts(z: Tensor, labels: Tensor | None, size: int = 250) -> list[tuple[Tensor, ...]]:
    return [*zip(z.split(size))] if labels is None else [*zip(z.split(size), labels.split(size), strict=True)]


def _short(recipe: dict) -> dict:
    """Five decimals of each number: nothing that can be seen, and half the text."""

    def shorter(v):
        return round(v, 5) if isinstance(v, float) else v

    return {
        k: [shorter(n) for n in v] if isinstance(v, tuple) else {i: shorter(n) for i, n in v.items()}
        if isinstance(v, dict) else v for k, v in recipe.items()
    }  # fmt: skip


def _share(value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"share={brief(value)} does not fit: give a number from 0 (the one) to 1 (the other).")
    return float(value)


def _arc(a: Tensor, b: Tensor, t: float) -> Tensor:
    """`latent.slerp`, and the straight line where no arc is the shortest."""
    try:
        return latent.slerp(a, b, t)
    except ValueError:
        return latent.lerp(a, b, t)


def _digest(G: nn.Module) -> str:
    found = hashlib.sha256()
    for key, value in sorted(G.state_dict().items()):
        found.update(key.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]


def principal(G: nn.Module, k: int = 3) -> tuple[Dial, ...]:
    """The first k principal directions behind G's first layer as dials (`latent.pca_directions`); they have no names.
    Where z is mapped to w first, those of w.

    A G with classes is asked with all of them blended evenly, so that z alone varies.
    """
    if hasattr(G, "synthesis"):
        with torch.no_grad():
            w = G.mapping(torch.randn(2000, G.z_dim, generator=torch.Generator().manual_seed(0)))
        _, s, directions = torch.linalg.svd(w - w.mean(0), full_matrices=False)
        found = directions[:k], (s.square() / s.square().sum())[:k]
    else:
        first = next(i for i, layer in enumerate(G.net) if isinstance(layer, nn.ReLU))
        found = latent.pca_directions(_Blended(G), G.net[first], k, 1000)
    return tuple(
        Dial(str(i), -3.0, 3.0, f"Principal direction {i}, {share:.0%} of what varies behind the first layer: it has "
             "no name.", "Nobody measured what it changes: look.", direction)
        for i, (direction, share) in enumerate(zip(*found, strict=True), 1)
    )  # fmt: skip


class _Blended(nn.Module):
    """G of z alone: where G has classes, all of them blended evenly."""

    def __init__(self, G: nn.Module):
        super().__init__()
        self.G, self.z_dim, self.n_classes = G, G.z_dim, getattr(G, "n_classes", 0)
        self.train(G.training)

    def forward(self, z: Tensor) -> Tensor:
        n = self.n_classes
        return self.G(z, torch.full((len(z), n), 1 / n, device=z.device)) if n else self.G(z)


# --------------------------------------------------------------------------------------------- where makers come from


MEASURES = {
    "digits": handles.strokes, "digits_by_class": handles.strokes, "fashion": handles.garments,
    "shapes": handles.things,
}  # fmt: skip
STORED = "20_studio"  # the lookup that holds directions, what they do, and judges


STYLES = "19_style_generator"  # the lookup that holds the generator of "shapes"


def _of_zoo(name: str) -> Maker:
    from ..course import stored
    from ..runs import zoo

    found = stored.table(STORED, new={"dials": {}})["dials"].get(name)
    known = {"measure": MEASURES[name], "dials": found and _dials(name, found)}
    if name == "shapes":
        G = stored.network(style_generator.StyleGenerator(), STYLES, "G")
        return Maker(
            G, name, data="shapes", licence="computed by ganedu.data.shapes, MIT", judge=judge_of(name), **known
        )
    G, _ = zoo.load(name)
    entry = zoo.card(name)
    data = entry["data"]
    return Maker(G, name, classes=entry["settings"]["class_names"], licence=data["licence"], data=data["name"],
                 judge=judge_of(data["name"]), **known)  # fmt: skip


def judge_of(data: str) -> nn.Module | None:
    """The stored judge of a data set by its name, frozen; None where there is none."""
    from ..course import stored
    from ..metrics import Classifier

    sizes = stored.table(STORED, new={}).get("judges", {}).get(data)
    return sizes and stored.network(Classifier(**sizes), STORED, f"judge of {data}")


def _dials(name: str, found: list[dict]) -> tuple[Dial, ...]:
    from ..course import stored

    tensors = stored.tensors(STORED)
    return tuple(
        Dial(d["name"], -3.0, 3.0, *_words(d), tensors[f"{name}/{d['name']}"].float(), d) for d in found
    )  # fmt: skip


def _words(d: dict) -> tuple[str, str]:
    """(effect, side effect) of a stored dial, as sentences with their numbers."""

    def moved(name: str, interval: bool) -> str:
        unit, sd = d["units"][name], d["deviations"][name]
        mean, low, high = (sd * v for v in d["slopes"][name])
        digits = 1 if sd > 2 else 2 if sd > 0.2 else 3
        ends = f" ({low:+.{digits}f} to {high:+.{digits}f})" if interval else ""
        return f"{name} {round(mean, digits) + 0.0:+.{digits}f}{unit}{ends}"  # + 0.0: no -0.0

    own = d["name"]
    others = ", ".join(moved(k, False) for k in d["slopes"] if k != own)
    kept, works = d["kept"][0], d["works"][0]
    return (
        f"One unit: {moved(own, True)}. Pushed to {d['value']:g} or -{d['value']:g}, {works:.0%} of pictures change by "
        f"a deviation ({d['deviations'][own]:.2g}{d['units'][own]}) and are taken for the same thing.",
        f"One unit also: {others}. Pushed that far, {kept:.0%} are taken for the same thing.",
    )


def _of_run(folder: Path) -> Maker:
    from ..runs import recipes

    G, settings = recipes.load_generator(folder)
    place = folder.resolve()
    name = place.parent.name if place.name == "best" else place.name  # own_pictures keeps a run's best one there
    return Maker(G, name, classes=settings["class_names"], data=Path(settings["data"]).name)


# ------------------------------------------------------------------------------------------------------- files to keep


def png(x: Tensor, card: dict) -> bytes:
    """A picture (C, H, W) in [-1, 1], or uint8, as PNG whose text "ganedu" holds the card, with "generated" set to true
    and the SHA-256 of its kind, size and pixels. It shows what was altered by mistake; who wants to lie can write a
    card as well."""
    from PIL.PngImagePlugin import PngInfo

    picture = _picture(x)
    date = card.get("date")
    if not isinstance(date, str) or not 4 <= len(date) <= 40:
        raise ValueError(f'date={brief(date)} does not fit: give a text such as "2026-11-28".')
    content = {"generated": True, "by": "ganedu", **card, "pixels": _pixels_digest(picture)}
    content["card"] = _seal(content)
    info = PngInfo()
    info.add_itxt("ganedu", json.dumps(content))
    info.add_text("Software", "ganedu")
    info.add_text("Comment", "generated picture, not a photograph")
    file = BytesIO()
    picture.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _pixels_digest(picture) -> str:
    """SHA-256 of a picture's kind, size and pixels: the same bytes in other rows are another picture."""
    return hashlib.sha256(f"{picture.mode} {picture.size} ".encode() + picture.tobytes()).hexdigest()


def card(path: str | Path | bytes) -> dict:
    """The card of a PNG that `png` made, from its path or its bytes.

    Raises ValueError where there is none, where it was altered, where the pixels are no longer those it was written
    for, or where the file cannot be read; FileNotFoundError where there is no file.
    """
    from PIL import Image

    where = "this file" if isinstance(path, bytes) else str(path)
    try:
        with Image.open(BytesIO(path) if isinstance(path, bytes) else path) as picture:
            picture.load()
            text = getattr(picture, "text", {}).get("ganedu")
            pixels = _pixels_digest(picture)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as e:
        raise ValueError(f"{where} is no picture that can be read ({e}).") from e
    if text is None:
        raise ValueError(f"{where} has no card: it is not from the studio, or it was saved again without its metadata.")
    try:
        content = json.loads(text)
        seal = content.pop("card")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as e:
        raise ValueError(f"the card of {where} is broken: somebody changed its text.") from e
    if seal != _seal(content):
        raise ValueError(f"the card of {where} was altered: its text is not the one that was written.")
    if content.get("pixels") != pixels:
        raise ValueError(f"{where} is another picture than the one its card was written for: its pixels were changed.")
    return content


def gif(x: Tensor, seconds: float = 2.0, scale: int = 4) -> bytes:
    """Pictures (N, C, H, W) in [-1, 1], or uint8, as an animated GIF, there and back without end; `seconds` one way."""
    check(x, least=2)
    if not 0.1 <= seconds <= 60:
        raise ValueError(f"seconds={brief(seconds)} does not fit: give 0.1 to 60.")
    whole("scale", scale, 1, 16)
    frames = [_picture(one) for one in x]
    frames = [f.resize((f.width * scale, f.height * scale), 0) for f in frames]
    frames += frames[-2:0:-1]
    file = BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds / len(x)), loop=0
    )
    return file.getvalue()


def _picture(x: Tensor):
    from PIL import Image

    check(x[None] if isinstance(x, Tensor) and x.ndim == 3 else x, (1, (1, 3), "H", "W"), name="the picture")
    array = (x if x.dtype == torch.uint8 else to_uint8(x)).cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0).copy())


def _seal(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

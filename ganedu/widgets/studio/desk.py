"""What lies on the desk: a page of pictures, one of them chosen, and all that can be done to them and undone."""

from dataclasses import dataclass, replace

import torch

from ...inputs import brief, whole
from ...pixels import check, to_uint8
from ..pictures import number

TILES = 12  # pictures on a page
PAST = 200  # steps that can be undone
FRAMES = 24  # pictures of a walk


@dataclass(frozen=True)
class Card:
    """A picture: how it is made, and its pixels, uint8 (H, W, C)."""

    recipe: object
    pixels: bytes


@dataclass(frozen=True)
class Page:
    """All that undo brings back. `locks` are names of dials, "class" and "style": what new pictures take over."""

    cards: tuple[Card, ...]
    chosen: int = 0
    second: int | None = None  # which picture a mix, a walk or a style comes from
    kept: frozenset[int] = frozenset()
    locks: frozenset[str] = frozenset()

    @property
    def recipe(self):
        return self.cards[self.chosen].recipe


class Desk:
    """A page of `maker`'s pictures, and its past and future; equal seeds give equal pages.

    Every method raises ValueError for what does not fit, and the page stays as it was.
    """

    def __init__(self, maker, seed: int = 0):
        self.maker, self.seed = maker, seed
        self.dials = {dial.name: dial for dial in maker.dials}
        self.past: list[Page] = []
        self.future: list[Page] = []
        self._last, self._base, self.share = None, None, 0.0  # what was done last; what a mix began with, and its share
        self.page = Page(self.drawn(maker.fresh(TILES, seed)))

    def drawn(self, recipes) -> tuple[Card, ...]:
        """The pictures of these recipes. Raises ValueError when the maker gives something else."""
        recipes = list(recipes)
        if not recipes:
            return ()
        x = self.maker.draw(recipes)
        size = self.maker.image_size
        check(x, (len(recipes), self.maker.channels, size, size), name="what the maker drew", kinds=("float",))
        pixels = to_uint8(x.detach().cpu()).permute(0, 2, 3, 1).contiguous()
        return tuple(Card(r, p.numpy().tobytes()) for r, p in zip(recipes, pixels, strict=True))

    # -- what is done

    def _do(self, page: Page, what=None) -> None:
        """The next page. What is done again to one thing (a slider that is dragged) is one step to undo."""
        if what is None or what != self._last:
            self.past = [*self.past[-PAST + 1 :], self.page]
            self.share, self._base = 0.0, self.page.recipe
        self.page, self.future, self._last = page, [], what

    def _change(self, recipe, what=None) -> None:
        cards = list(self.page.cards)
        [cards[self.page.chosen]] = self.drawn([recipe])
        self._do(replace(self.page, cards=tuple(cards)), what)

    def fresh(self) -> None:
        """New pictures in place of all that are not kept; what is locked is as in the chosen one."""
        new = self.maker.fresh(len(self._free()), self.seed + 1)
        self.take([self._locked(r) for r in new])
        self.seed += 1

    def _free(self) -> list[int]:
        """The places of pictures that are not kept. Raises ValueError where there is none."""
        free = [i for i in range(len(self.page.cards)) if i not in self.page.kept]
        if not free:
            raise ValueError("All pictures are kept: let one go to make room for a new one.")
        return free

    def _locked(self, recipe):
        own, locks = self.page.recipe, self.page.locks
        dials = {name: own.dials[name] for name in locks if name in own.dials}
        label = own.label if "class" in locks else recipe.label
        style = own.style if "style" in locks else recipe.style
        return replace(recipe, dials={**recipe.dials, **dials}, label=label, style=style)

    def take(self, recipes) -> None:
        """These pictures in place of those that are not kept, as many as have room."""
        page, free = self.page, self._free()
        cards = list(page.cards)
        for i, card in zip(free, self.drawn(list(recipes)[: len(free)]), strict=False):
            cards[i] = card
        self._do(replace(page, cards=tuple(cards), second=page.second if page.second in page.kept else None))

    def choose(self, i: int) -> None:
        self.page, self._last, self.share = replace(self.page, chosen=self._index(i)), None, 0.0

    def keep(self, i: int) -> None:
        """Keep a picture, or let it go."""
        self._do(replace(self.page, kept=self.page.kept ^ {self._index(i)}))

    def mark(self, i: int) -> None:
        """Make a picture the second one, or no longer."""
        self._do(replace(self.page, second=None if self.page.second == self._index(i) else i))

    def lock(self, name: str) -> None:
        """Lock a dial, "class" or "style" for new pictures, or set it free."""
        if name not in self.dials and not (name == "class" and self.maker.classes) and name != "style":
            raise ValueError(f"There is nothing to lock that is called {brief(name)}.")
        self._do(replace(self.page, locks=self.page.locks ^ {name}))

    def dial(self, name: str, value: float) -> None:
        """Turn a dial of the chosen picture."""
        if name not in self.dials:
            raise ValueError(f"There is no dial {brief(name)}: {', '.join(self.dials) or 'this model has none'}.")
        low, high = self.dials[name].low, self.dials[name].high
        if not number(value) or not low <= value <= high:
            raise ValueError(f"{name} = {brief(value)} does not fit: give a number from {low:g} to {high:g}.")
        recipe = self.page.recipe
        self._change(replace(recipe, dials={**recipe.dials, name: float(value)}), ("dial", self.page.chosen, name))

    def neutral(self) -> None:
        """All dials of the chosen picture back to 0."""
        self._change(replace(self.page.recipe, dials={}))

    def label(self, k: int) -> None:
        """Give the chosen picture a class."""
        if not self.maker.classes:
            raise ValueError("This model knows no classes.")
        whole("the class", k, 0, len(self.maker.classes) - 1)
        self._change(replace(self.page.recipe, label=k))

    def mix(self, share: float) -> None:
        """Mix the chosen picture with the second: `share` of that, 0 to 1."""
        if not number(share) or not 0 <= share <= 1:
            raise ValueError(f"a share of {brief(share)} does not fit: give a number from 0 to 1.")
        chosen, other = self._two()
        what = ("mix", self.page.chosen, self.page.second)
        base = self._base if self._last == what else chosen
        self._change(self.maker.mix(base, other, float(share)), what)
        self._base, self.share = base, float(share)

    def restyle(self) -> None:
        """The chosen picture's content in the second one's style."""
        if not getattr(self.maker, "styled", False):
            raise ValueError("This model does not tell style from content.")
        self._change(self.maker.restyle(*self._two()))

    def way(self) -> list:
        """The recipes on the way from the chosen picture to the second."""
        return self.maker.walk(*self._two(), FRAMES)

    def read(self, text: str) -> None:
        """The picture of a text that was shared, in place of the chosen one."""
        self._change(self.maker.read(text))

    def undo(self) -> None:
        if not self.past:
            raise ValueError("There is nothing to undo.")
        self.future.append(self.page)
        self.page, self._last, self.share = self.past.pop(), None, 0.0

    def redo(self) -> None:
        if not self.future:
            raise ValueError("There is nothing to do again.")
        self.past.append(self.page)
        self.page, self._last, self.share = self.future.pop(), None, 0.0

    def _index(self, i: int) -> int:
        whole("the picture", i, 0, len(self.page.cards) - 1)
        return i

    def _two(self):
        if self.page.second is None or self.page.second == self.page.chosen:
            raise ValueError("Two pictures are needed: mark one as the second, then choose another.")
        return self.page.recipe, self.page.cards[self.page.second].recipe

    # -- what is said

    def title(self, i: int) -> str:
        """What a picture is, in words."""
        recipe, page = self.page.cards[i].recipe, self.page
        label = recipe.label if self.maker.classes else None
        kinds = [self.maker.classes[label]] if isinstance(label, int) else []  # a mix has shares of several
        kinds += ["kept"] * (i in page.kept) + ["second"] * (i == page.second)
        return ", ".join([f"picture {i + 1}", *kinds])

    def pixels(self) -> torch.Tensor:
        """uint8 (N, C, H, W) of the page."""
        size, data = self.maker.image_size, b"".join(card.pixels for card in self.page.cards)
        x = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return x.view(-1, size, size, self.maker.channels).permute(0, 3, 1, 2)

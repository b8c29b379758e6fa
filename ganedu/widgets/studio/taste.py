"""The pane of taste: a few pictures are offered, one is picked, and what is believed of the taste is said."""

from collections.abc import Callable

from ...inputs import brief, whole
from ..pictures import number
from .desk import TILES

SIZES = (2, 4)  # pictures of an offer


class Tasting:
    """What is offered, and the page that should please, from a model of taste.

    `taste` is a function from a maker to a model with `offer(n)`, `pick(i)`, `belief()`, `reset()` and
    `page(n, varied)`, such as `topics.taste.Taste`. It is called when the pane is opened: to know its pictures takes
    the model a while.
    """

    def __init__(self, taste: Callable, desk):
        self._build, self._desk = taste, desk
        self.taste, self.n, self.varied = None, SIZES[0], 0.3
        self.cards, self.recipes, self.page, self.diversity = (), [], (), 0.0

    def begin(self) -> None:
        """Ask for the first time, if nothing is asked yet."""
        if self.taste is None:
            self.taste = self._build(self._desk.maker)
            self._offer()
            self._look()

    def acts(self) -> dict[str, Callable]:
        return {
            "pick": lambda a: self.pick(a.get("i")),
            "other": lambda a: self._offer(),
            "size": lambda a: self.resize(a.get("value")),
            "varied": lambda a: self.vary(a.get("value")),
            "reset": lambda a: self.reset(),
        }

    def pick(self, i: int) -> None:
        whole("the pick", i, 0, len(self.cards) - 1)
        self.taste.pick(i)
        self._offer()
        self._look()

    def resize(self, n: int) -> None:
        if n not in SIZES:
            raise ValueError(f"{brief(n)} pictures are not offered: choose {' or '.join(map(str, SIZES))}.")
        self.n = n
        self._offer()

    def vary(self, varied: float) -> None:
        if not number(varied) or not 0 <= varied <= 1:
            raise ValueError(f"{brief(varied)} is not how varied the page can be: give a number from 0 to 1.")
        self.varied = float(varied)
        self._look()

    def reset(self) -> None:
        self.taste.reset()
        self._offer()
        self._look()

    def _offer(self) -> None:
        self.cards = self._desk.drawn(self.taste.offer(self.n))

    def _look(self) -> None:
        """The page that should please, and how varied it is."""
        self.recipes = self.taste.page(TILES, self.varied)
        self.page, self.diversity = self._desk.drawn(self.recipes), float(self._desk.maker.diversity(self.recipes))

    def state(self) -> tuple[dict, bytes, bytes]:
        """What the page shows: words and numbers, the offer's pixels, those of the page that should please."""
        if self.taste is None:
            return {}, b"", b""
        belief = self.taste.belief()
        rows = [[name, *map(float, numbers)] for name, *numbers in belief.rows]
        state = {"n": self.n, "varied": self.varied, "diversity": self.diversity, "words": str(belief),
                 "sure": float(belief.sure), "picks": belief.picks, "rows": rows}  # fmt: skip
        return state, *(b"".join(card.pixels for card in cards) for cards in (self.cards, self.page))

"""A game that is shown: it plays while a page looks on, is counted, and goes to the page as states and frames."""

import asyncio
import math
import sys
import time
import weakref

import torch

from ..pictures import said
from . import starts
from .curves import Curves
from .game import Game
from .link import FRAME, Link, Pages
from .predict import Prediction
from .settings import controls
from .slow import Slow
from .view import LAYERS, Numbers, View

SWITCH = 0.001  # seconds after which a waiting thread gets Python's lock, while a game runs
STRETCH = 0.006  # seconds of training between two looks at the messages
REST = 0.03  # seconds in which an answer to a slider has the cores to itself on its way to the page
COUNT = 0.4  # seconds between two counts, at least


class Session:
    """A game, what looks at it and what its pages have of it; `send(content, buffers)` is the way to them.

    `count` it before it is shown; `state` and `frame` tell the page, and `start` plays once `running` is set.
    """

    def __init__(self, game: Game, send):
        self.game, self.send = game, send
        self.view, self.slow, self.prediction = View(game), Slow(game), Prediction(game)
        self.link, self.pages, self.curves = Link(), Pages(), Curves()
        self.layers = set(LAYERS) - {"best"}
        self.running, self.message, self.answer = False, "", 0  # answer: the page's last message that was heard
        self.task: asyncio.Task | None = None
        self._frame_due = self._count_due = self._rest = 0.0
        self._state_due = False
        self._lattice = None  # what the page has of it
        self.numbers: Numbers | None = None  # of the last count

    # ------------------------------------------------------------------------------------------------- the loop

    def start(self) -> None:
        if self.running and (self.task is None or self.task.done()):
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # a script: there is nobody to play before
                return
            self.task = loop.create_task(_play(weakref.ref(self)))

    def rest(self) -> float:
        """Seconds until the next stretch."""
        rest, self._rest = 0.03 if self.slow.active else self._rest, 0.0
        return rest

    def play_once(self) -> bool:
        """A stretch of training and what is due to be shown; False when the game is to rest."""
        if not self.running or not self.pages.any():
            self.running = False
            return False
        if self.slow.active:
            if self.slow.play():
                self.frame()
        else:
            end = time.monotonic() + STRETCH
            self._train(min(end, self._frame_due) if self.link.free() else end)
        now = time.monotonic()
        if now >= self._count_due:
            self._count_in_time(now)
        if now >= self._frame_due and self.link.free() and not self.pages.all_hidden():
            self.frame()
        return self.running

    def play_safely(self) -> bool:
        """`play_once`; what goes wrong, a loss of the learner's that raises KeyboardInterrupt too, pauses the game."""
        try:
            return self.play_once()
        except (Exception, KeyboardInterrupt) as e:
            self.running = False
            self.tell(f"The game is paused: {said(e)}")
            return False

    def _train(self, end: float) -> None:
        """Rounds until a time, one at least, or until a prediction is over."""
        while True:
            self.game.round()
            if self.prediction.score(self.view):
                self.running = False
                self.count()
                self.state()
                return
            if time.monotonic() >= end:
                return

    def _count_in_time(self, now: float) -> None:
        self.count()
        self._count_due = now + max(COUNT, 8 * (time.monotonic() - now))
        self.running = self.running and not self.game.broken
        if self._state_due or self.game.message:
            self.state()

    # ---------------------------------------------------------------------------------------------- to the page

    def count(self, curves: bool = True) -> None:
        """The numbers anew; `curves`: as the next point of the curves too."""
        found = self.game.read_losses()
        self.numbers = self.view.count()
        if curves:
            self.curves.add(self.game.rounds, self.numbers, found)

    def begin_again(self) -> None:
        """Show a game that was dealt, or taken from a text or file."""
        self.curves.clear()
        self.prediction.stop()
        self.slow.begin_again()
        self.count()
        self.state()
        self.frame()

    def greet(self) -> None:
        """All of it for a page that has nothing yet, and counts from one."""
        self.link.sent.clear()
        self.curves.send_again()
        self.answer, self._lattice = 0, None
        self.state()
        self.frame()

    def show_layers(self, names: list) -> None:
        self.layers, self._lattice = {name for name in LAYERS if name in names}, None
        self.frame()

    def tell(self, message: str) -> None:
        """Say in the widget what is wrong."""
        self.message = message
        self.state()

    def state_soon(self) -> None:
        """While it runs the picture goes first: a slider is answered by a frame, the rest follows at the next count."""
        self._state_due, self._rest = True, REST
        if not self.running:
            self.state()

    def state(self) -> None:
        self._state_due = False
        self.message, self.game.message = self.game.message or self.message, ""
        game, real, listed = self.game, self.view.real(), controls()
        for c in listed:
            if c["name"] == "loss":
                c["choices"] = list(game.losses)
            if c["name"] == "data" and not game.drawing:
                c["choices"] = [v for v in c["choices"] if v != "drawn"]
        self.send({"kind": "state", "controls": listed, "values": dict(game.settings), "running": self.running,
                   "slow": self.slow.active, "message": self.message, "drawing": game.drawing,
                   "prepared": starts.prepared(), "share": starts.to_text(game), "history": self.prediction.history,
                   "real": len(real)}, [real.numpy().tobytes()])  # fmt: skip

    def frame(self) -> None:
        n, game = self.numbers, self.game
        parts = self._parts()
        if game.message:  # a loss of the learner's failed on what is shown
            self.state()
        gauge = {"exact": n.exact, "ceiling": n.ceiling, "minibatch": n.minibatch, "floor": -math.log(4)}
        here = sum(shot["rounds"] <= game.rounds for shot in game.film) - 1
        self.send({
            "kind": "frame", "id": self.link.send(), "answer": self.answer, "rounds": game.rounds,
            "running": self.running, "film": [here, len(game.film)], "text": self.view.words(n),
            "curves": self.curves.news(),
            "parts": [[k, str(v.dtype).removeprefix("torch."), list(v.shape)] for k, v in parts.items()],
            "gauge": gauge if all(map(math.isfinite, gauge.values())) else None,
            "worlds": n.modes if game.settings["worlds"] > 1 else None,
            "modes": None if game.density.modes is None else len(game.density.modes),
            "phase": self.slow.phase, "predict": self.prediction.left,
        }, [v.contiguous().numpy().tobytes() for v in parts.values()])  # fmt: skip
        now = time.monotonic()
        self._frame_due = max(self._frame_due + FRAME, now)  # in time on average, though a round takes what it takes

    def _parts(self) -> dict[str, torch.Tensor]:
        """The picture's arrays, without the lattice where the page keeps the one it has."""
        parts = self.view.frame(self.layers)
        if "lattice" in parts:
            if self._lattice is parts["lattice"]:
                del parts["lattice"], parts["share"]
            else:
                self._lattice = parts["lattice"]
        if "best" in self.layers:
            parts["best"] = (self.numbers.best * 255).round().to(torch.uint8)
        return parts


async def _play(ref: weakref.ref) -> None:
    """Play until it is to rest. Holds the session by a weak thread only: one that nobody has left ends here.

    A message passes through three threads of the kernel, each of which waits for Python's lock, and through several
    rounds of the event loop. So while a game runs the lock changes hands sooner than the 5 ms that Python grants, and
    the loop gets two rounds between two stretches.
    """
    patience = sys.getswitchinterval()
    try:
        sys.setswitchinterval(SWITCH)
        while (session := ref()) is not None and session.play_safely():
            pause = session.rest()
            del session
            for _ in range(2):
                await asyncio.sleep(pause / 2)
    finally:
        sys.setswitchinterval(patience if patience > SWITCH else 0.005)  # a second game may have set it before

"""The playground: a GAN on the plane that trains under the learner's hands. `Playground()` shows it.

The game runs in the kernel as a task of its own event loop, a few milliseconds at a stretch, so that other cells and
the page's messages are served in between. Pictures are frames that the page acknowledges once they are drawn: over a
slow line there are fewer of them, never a growing queue.
"""

import asyncio
import base64
import math
import sys
import time
import weakref
from pathlib import Path

import anywidget
import torch
import traitlets

from ..pictures import joined
from . import starts
from .answers import Answers, prepared
from .game import Game
from .link import FRAME, Link
from .predict import Prediction
from .settings import controls
from .slow import Slow
from .stills import film, still
from .view import LAYERS, View

PAGE = Path(__file__).parent / "page"
SWITCH = 0.001  # seconds after which a waiting thread gets Python's lock, while a game runs
STRETCH = 0.006  # seconds of training between two looks at the messages
REST = 0.03  # seconds in which an answer to a slider has the cores to itself on its way to the page
COUNT = 0.4  # seconds between two counts, at least
GONE = {False: 12.0, True: 90.0}  # seconds without a sign of life from a page (hidden or not) after which it is gone


class Playground(Answers, anywidget.AnyWidget):
    """A live game. Settings by name, as in the page: `Playground(data="grid", loss="hinge", lr_D=1e-2, seed=3)`.

    `steps` are trained before it is shown, so that the stored picture shows something. `add_loss` puts the learner's
    own pair of functions into the menu; `text` is a start to hand out, `Playground.from_text(text)` takes it.
    Raises ValueError for a setting that does not exist or fit.
    """

    _esm = joined("helpers.js", *sorted(f"playground/page/{part.name}" for part in PAGE.glob("*.js")))  # one module
    _css = joined("theme.css", "playground/playground.css")
    still = traitlets.Unicode().tag(sync=True)  # what a page shows as long as no kernel answers: a PNG in base64,
    caption = traitlets.Unicode().tag(sync=True)  # and its words

    def __init__(self, *, steps: int = 0, **settings):
        super().__init__()
        self.game = Game(**settings)
        self.view, self.slow, self.prediction = View(self.game), Slow(self.game), Prediction(self.game)
        self.link, self.layers = Link(), set(LAYERS) - {"best"}
        self.pages: dict[str, tuple[float, bool]] = {}  # view -> (last sign of life, hidden)
        self.running, self.message, self.answer = False, "", 0
        self.curves, self._curves_sent = {k: [] for k in ("step", "loss_D", "loss_G", "kl", "js")}, 0
        self._task: asyncio.Task | None = None
        self._frame_due = self._count_due = 0.0
        self._lattice = None  # what the page has of it
        self._state_due, self._rest = False, 0.0
        self.numbers = None
        for _ in range(steps):
            self.game.round()
            if self.game.rounds % 25 == 0:
                self._count()
        self._count()
        self.on_msg(lambda _, content, buffers: self._heard(content))

    # -------------------------------------------------------------------------------------------- for the learner

    def add_loss(self, name: str, d_loss, g_loss) -> None:
        """Offer d_loss(d_real, d_fake) and g_loss(d_fake[, d_real]), functions of logits, in the menu, and play it.

        A mistake in them is said in the widget, and the game goes on as it was.
        """
        try:
            self.game.add_loss(name, d_loss, g_loss)
            self.game.set("loss", name)
            self.message = ""
        except ValueError as e:
            self.message = f"{name}: {e}"
        self._state()
        self._frame()

    @property
    def text(self) -> str:
        """Settings, seed and drawing, to be handed out."""
        return starts.text(self.game)

    @classmethod
    def from_text(cls, text: str, **kw) -> "Playground":
        """The same start as the playground whose `text` this is. Raises ValueError for a broken one."""
        shown = cls(**kw)
        starts.from_text(shown.game, text)
        shown._count()
        return shown

    def save(self, path) -> None:
        """Write players and settings to `path`; `load` reads them."""
        Path(path).write_bytes(starts.to_file(self.game))

    def load(self, path) -> None:
        """Take players and settings from `path`. Raises ValueError for another kind of file."""
        starts.from_file(self.game, Path(path).read_bytes())
        self._begin_again()

    def picture(self) -> bytes:
        """The game as it stands, as a PNG."""
        return still(self.view)

    def gif(self) -> bytes:
        """The film, as an animated GIF."""
        return film(self.view)

    def _repr_mimebundle_(self, **kwargs):
        """A page without a kernel shows the stored picture with its words."""
        self.still, self.caption = base64.b64encode(self.picture()).decode(), self.words
        live = super()._repr_mimebundle_(**kwargs)
        bundle = live[0] if isinstance(live, tuple) else live or {}
        return {**bundle, "image/png": self.still, "text/plain": self.caption}, {"image/png": {"alt": self.caption}}

    @property
    def words(self) -> str:
        return self.view.words(self.numbers)

    # ------------------------------------------------------------------------------------------------- the loop

    def _start(self) -> None:
        if self.running and (self._task is None or self._task.done()):
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # a script: there is nobody to play before
                return
            self._task = loop.create_task(_play(weakref.ref(self)))

    def _watched(self) -> bool:
        """Whether a page has given a sign of life; a closed or reloaded one is forgotten."""
        now = time.monotonic()
        self.pages = {k: v for k, v in self.pages.items() if now - v[0] < GONE[v[1]]}
        return bool(self.pages)

    def _play_once(self) -> bool:
        """A stretch of training and what is due to be shown; False when the game is to rest."""
        if not self.running or not self._watched():
            self.running = False
            return False
        end = time.monotonic() + STRETCH
        if self.link.free():
            end = min(end, self._frame_due)
        if self.slow.on:
            if self.slow.play():
                self._frame()
        else:
            while True:  # one round at least
                self.game.round()
                if self.prediction.score(self.view):
                    self.running = False
                    self._count()
                    self._state()
                    break
                if time.monotonic() >= end:
                    break
        now = time.monotonic()
        if now >= self._count_due:
            self._count()
            self._count_due = now + max(COUNT, 8 * (time.monotonic() - now))
            if self.game.message:
                self.message, self.game.message = self.game.message, ""
                self.running = self.running and not self.game.broken
                self._state_due = True
            if self._state_due:
                self._state()
        if now >= self._frame_due and self.link.free() and not all(hidden for _, hidden in self.pages.values()):
            self._frame()
        return self.running

    # ---------------------------------------------------------------------------------------------- to the page

    def _count(self, curves: bool = True) -> None:
        found = self.game.read_losses()
        self.numbers = self.view.count()
        if curves:
            step = self.curves["step"]
            while step and step[-1] >= self.game.rounds:  # after a rewind the curves begin where the game does
                for values in self.curves.values():
                    values.pop()
            self._curves_sent = min(self._curves_sent, len(step))
            row = {"step": self.game.rounds, "kl": self.numbers.kl, "js": self.numbers.js}
            for k, values in self.curves.items():
                value = row[k] if k in row else found.get(k[-1])
                gap = value is None or not math.isfinite(value)  # JSON has no NaN
                values.append(None if gap else value if k == "step" else round(value, 4))

    def _say(self, content: dict, *buffers) -> None:
        self.send(content, [memoryview(b) for b in buffers])

    def _state_soon(self) -> None:
        """While it runs the picture goes first: a slider is answered by a frame, the rest follows at the next count."""
        self._state_due, self._rest = True, REST
        if not self.running:
            self._state()

    def _state(self) -> None:
        self._state_due = False
        g, s = self.game, self.game.settings
        self.view._prepare()
        listed = controls()
        for c in listed:
            if c["name"] == "loss":
                c["choices"] = list(g.losses)
            if c["name"] == "data" and not g.drawing:
                c["choices"] = [v for v in c["choices"] if v != "drawn"]
        real = (self.view.x_real * 2000).round().to(torch.int16)
        self._say({"kind": "state", "controls": listed, "values": dict(s), "running": self.running,
                   "slow": self.slow.on, "message": self.message, "drawing": g.drawing, "prepared": prepared(),
                   "share": starts.text(g), "history": self.prediction.history, "real": len(real)},
                  real.numpy().tobytes())  # fmt: skip

    def _frame(self) -> None:
        n = self.numbers
        parts = self.view.frame(self.layers)
        if parts.keys() & {"lattice"}:
            if self._lattice is parts["lattice"]:  # the page keeps the one it has
                del parts["lattice"], parts["share"]
            else:
                self._lattice = parts["lattice"]
        if "best" in self.layers:
            parts["best"] = (n.best * 255).round().to(torch.uint8)
        curves, total = None, len(self.curves["step"])
        if self._curves_sent < total:
            start = max(0, self._curves_sent - 1)
            curves = {"from": start, **{k: v[start:] for k, v in self.curves.items()}}
            self._curves_sent = total
        gauge = {"exact": n.exact, "ceiling": n.ceiling, "minibatch": n.minibatch, "floor": -math.log(4)}
        here = sum(shot["rounds"] <= self.game.rounds for shot in self.game.film) - 1
        self._say({
            "kind": "frame", "id": self.link.send(), "answer": self.answer, "rounds": self.game.rounds,
            "running": self.running, "film": [here, len(self.game.film)], "text": self.words, "curves": curves,
            "parts": [[k, str(v.dtype).removeprefix("torch."), list(v.shape)] for k, v in parts.items()],
            "gauge": gauge if all(map(math.isfinite, gauge.values())) else None,
            "worlds": n.modes if self.game.settings["worlds"] > 1 else None,
            "modes": None if self.game.density.modes is None else len(self.game.density.modes),
            "phase": self.slow.phase, "predict": self.prediction.left,
        }, *(v.contiguous().numpy().tobytes() for v in parts.values()))  # fmt: skip
        now = time.monotonic()
        self._frame_due = max(self._frame_due + FRAME, now)  # in time on average, though a round takes what it takes


async def _play(ref: weakref.ref) -> None:
    """Play until it is to rest. Holds the playground by a weak thread only: one that nobody has left ends here.

    A message passes through three threads of the kernel, each of which waits for Python's lock, and through several
    rounds of the event loop. So while a game runs the lock changes hands sooner than the 5 ms that Python grants, and
    the loop gets two rounds between two stretches.
    """
    patience = sys.getswitchinterval()
    try:
        sys.setswitchinterval(SWITCH)
        while (shown := ref()) is not None and shown._play_once():
            pause, shown._rest = 0.03 if shown.slow.on else shown._rest, 0.0
            del shown
            for _ in range(2):
                await asyncio.sleep(pause / 2)
    finally:
        sys.setswitchinterval(patience if patience > SWITCH else 0.005)  # a second game may have set it before

"""What the playground does when its page asks: one method a kind of message, `_on_<kind>`.

Page to kernel, as JSON: hello, bye, alive {hidden}, ack {id}, set {name, value}, do {what}, draw {points}, film {at},
layers {shown}, predict {what, ...}, prepared {name}, save, load {text}, gif, from_text {text}; each with `view`, the
page's own name, and `n`, its count, which frames give back as `answer`. Kernel to page: `_state`, `_frame` and files.
"""

import base64
import time

from ... import ASSETS
from . import starts
from .settings import CONTROLS
from .view import LAYERS

PREPARED = ASSETS / "playground"


def prepared() -> list[str]:
    """Names of the games that ship, ready to be looked at."""
    return sorted(p.stem for p in PREPARED.glob("*.safetensors"))


class Answers:
    """The half of `Playground` that listens."""

    def _heard(self, content: dict) -> None:
        """A message of the page. What does not fit is said in the widget; nothing stops the game."""
        kind = content.get("kind")
        if view := content.get("view"):
            self.pages[view] = (time.monotonic(), bool(content.get("hidden", False)))
        if kind == "ack":
            self.link.acknowledge(int(content.get("id", 0)))
            return
        self.answer = max(self.answer, int(content.get("n") or 0))
        try:
            act = getattr(self, f"_on_{kind}", None)
            if act is None:
                return
            if kind not in ("alive", "bye", "hello"):
                self.message = self.game.message = ""
            act(content)
        except (ValueError, KeyError, TypeError) as e:
            self.message = str(e)
            self._state()

    def _on_hello(self, _) -> None:
        self.link.sent.clear()
        self._curves_sent = self.answer = 0  # a fresh page counts from one
        self._lattice = None
        self._state()
        self._frame()

    def _on_bye(self, content) -> None:
        self.pages.pop(content["view"], None)

    def _on_alive(self, content) -> None:
        if not content.get("hidden"):
            self._start()  # a page that comes back finds its game

    def _on_set(self, content) -> None:
        name, value = content["name"], content["value"]
        dealt = CONTROLS[name].deals if name in CONTROLS else False
        self.game.set(name, value)
        if dealt:
            self._begin_again()
            return
        if name == "data":
            self._count()
            self._state()  # with the real points
        self._frame()
        self._state_soon()

    def _on_draw(self, content) -> None:
        self.game.draw_data(content["points"])
        self._count()
        self._state()
        self._frame()

    def _on_do(self, content) -> None:
        what = content["what"]
        if what == "deal":
            self.game.deal()
            self._begin_again()
            return
        if what in ("round", "turn_D", "turn_G"):
            self.running = False
            getattr(self.game, what)()
            self._count()
        elif what == "slow":
            self.slow.toggle()
            self.running = self.slow.on
        elif what == "forward":
            self.slow.forward()
        elif what in ("run", "pause"):
            self.running = what == "run"
            if not self.running:
                self.slow.on = False
        else:
            raise ValueError(f"there is no action {what!r}.")
        self._start()
        self._state()
        self._frame()

    def _on_film(self, content) -> None:
        self.running = False
        self.game.go_back(int(content["at"]))
        self._count(curves=False)
        self._state()
        self._frame()

    def _on_layers(self, content) -> None:
        self.layers, self._lattice = set(content["shown"]) & set(LAYERS), None
        self._frame()

    def _on_predict(self, content) -> None:
        self.prediction.begin(content, self.view)
        self.running = True
        self._start()
        self._state()

    def _on_from_text(self, content) -> None:
        starts.from_text(self.game, content["text"])
        self._begin_again()

    def _on_prepared(self, content) -> None:
        name = content["name"]
        if name not in prepared():
            raise ValueError(f"there is no prepared model {name!r}: {', '.join(prepared())}.")
        self.load(PREPARED / f"{name}.safetensors")

    def _on_load(self, content) -> None:
        starts.from_file(self.game, base64.b64decode(content["text"]))
        self._begin_again()

    def _on_save(self, _) -> None:
        name = f"{self.game.settings['data']}-{self.game.rounds}.safetensors"
        self._say({"kind": "file", "name": name, "mime": "application/octet-stream"}, starts.to_file(self.game))

    def _on_gif(self, _) -> None:
        self.running = False
        self._say({"kind": "file", "name": "run.gif", "mime": "image/gif"}, self.gif())
        self._state()

    def _begin_again(self) -> None:
        for values in self.curves.values():
            values.clear()
        self._curves_sent = 0
        self.prediction.stop()
        self.slow.begin_again()
        self._count()
        self._state()
        self._frame()

"""What a session does when its page asks: one function a kind of message, in `ANSWERS`.

Page to kernel, as JSON: hello, bye, alive {hidden}, ack {id}, set {name, value}, do {what}, draw {points}, film {at},
layers {shown}, predict {what, ...}, prepared {name}, save, load {text}, gif, from_text {text}; each with `view`, the
page's own name, and `n`, its count, which frames give back as `answer`. Kernel to page: `state`, `frame` and files.
"""

import base64

from . import starts
from .session import Session
from .settings import CONTROLS
from .stills import film


def answer(session: Session, content: dict) -> None:
    """Do what a message asks. What does not fit is said in the widget; nothing stops the game."""
    kind = content.get("kind")
    if view := content.get("view"):
        session.pages.alive(view, bool(content.get("hidden", False)))
    if kind == "ack":
        session.link.acknowledge(int(content.get("id", 0)))
        return
    session.answer = max(session.answer, int(content.get("n") or 0))
    if kind not in ANSWERS:
        return
    try:
        if kind not in ("alive", "bye", "hello"):
            session.message = session.game.message = ""
        ANSWERS[kind](session, content)
    except (ValueError, KeyError, TypeError) as e:
        session.message = str(e)
        session.state()


def _hello(session: Session, _) -> None:
    session.greet()


def _bye(session: Session, content) -> None:
    session.pages.gone(content["view"])


def _alive(session: Session, content) -> None:
    if not content.get("hidden"):
        session.start()  # a page that comes back finds its game


def _set(session: Session, content) -> None:
    name, value = content["name"], content["value"]
    session.game.set(name, value)
    if CONTROLS[name].deals:
        session.begin_again()
        return
    if name == "data":
        session.count()
        session.state()  # with the real points
    session.frame()
    session.state_soon()


def _draw(session: Session, content) -> None:
    session.game.draw_data(content["points"])
    session.count()
    session.state()
    session.frame()


def _do(session: Session, content) -> None:
    what = content["what"]
    if what == "deal":
        session.game.deal()
        session.begin_again()
        return
    if what in ("round", "turn_D", "turn_G"):
        session.running = False
        getattr(session.game, what)()
        session.count()
    elif what == "slow":
        session.slow.toggle()
        session.running = session.slow.active
    elif what == "forward":
        session.slow.forward()
    elif what in ("run", "pause"):
        session.running = what == "run"
        if not session.running:
            session.slow.active = False
    else:
        raise ValueError(f"there is no action {what!r}.")
    session.start()
    session.state()
    session.frame()


def _film(session: Session, content) -> None:
    session.running = False
    session.game.go_back(int(content["at"]))
    session.count(curves=False)
    session.state()
    session.frame()


def _layers(session: Session, content) -> None:
    session.show_layers(content["shown"])


def _predict(session: Session, content) -> None:
    session.prediction.begin(content, session.view)
    session.running = True
    session.start()
    session.state()


def _from_text(session: Session, content) -> None:
    starts.from_text(session.game, content["text"])
    session.begin_again()


def _prepared(session: Session, content) -> None:
    starts.from_file(session.game, starts.read_prepared(content["name"]))
    session.begin_again()


def _load(session: Session, content) -> None:
    starts.from_file(session.game, base64.b64decode(content["text"]))
    session.begin_again()


def _save(session: Session, _) -> None:
    name = f"{session.game.settings['data']}-{session.game.rounds}.safetensors"
    file = {"kind": "file", "name": name, "mime": "application/octet-stream"}
    session.send(file, [starts.to_file(session.game)])


def _gif(session: Session, _) -> None:
    session.running = False
    session.send({"kind": "file", "name": "run.gif", "mime": "image/gif"}, [film(session.view)])
    session.state()


ANSWERS = {"hello": _hello, "bye": _bye, "alive": _alive, "set": _set, "do": _do, "draw": _draw, "film": _film,
           "layers": _layers, "predict": _predict, "prepared": _prepared, "save": _save, "load": _load, "gif": _gif,
           "from_text": _from_text}  # fmt: skip

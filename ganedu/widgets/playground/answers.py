"""What a session does when its page asks: one function a kind of message, in `ANSWERS`.

Page to kernel, as JSON: hello, bye, alive {hidden}, ack {id}, set {name, value}, do {what}, draw {points}, film {at},
layers {shown}, predict {what, ...}, prepared {name}, save, load {text}, gif, from_text {text}; each with `view`, the
page's own name, and `n`, its count, which frames give back as `answer`. Kernel to page: `state`, `frame` and files.
"""

import base64

from ...inputs import brief
from ..pictures import said
from . import starts
from .session import Session
from .settings import CONTROLS
from .stills import film


def answer(session: Session, content) -> None:
    """Do what a message asks. What does not fit is said in the widget; nothing that a page sends stops the game.

    A page may be of another version than the kernel, or no page of ours.
    """
    try:
        kind, view = content["kind"], content.get("view")
        if view is not None:
            if not isinstance(view, str) or len(view) > 100:
                raise ValueError(f"view={brief(view)} is no name of a page.")
            session.pages.alive(view, content.get("hidden") is True)
        if kind == "ack":
            session.link.acknowledge(_count(content, "id"))
            return
        session.answer = max(session.answer, _count(content, "n") if "n" in content else 0)
        if not isinstance(kind, str) or kind not in ANSWERS:
            raise ValueError(f"nothing is known of messages called {brief(kind)}: load the page again.")
        if kind not in ("alive", "bye", "hello"):
            session.message = session.game.message = ""
        ANSWERS[kind](session, content)
    except KeyError as e:
        session.tell(f"a message of the page has no {e}: load the page again.")
    except ValueError as e:
        session.tell(str(e))
    except Exception as e:
        session.tell(f"a message of the page cannot be read ({said(e)}): load the page again.")


def _count(content: dict, name: str) -> int:
    """A count of the page's, or a place in a list. Raises KeyError without, ValueError for something else."""
    if type(content[name]) is not int or not 0 <= content[name] < 2**53:  # beyond that JavaScript has no whole numbers
        raise ValueError(f"{name}={brief(content[name])} does not fit: give a whole number, 0 or more.")
    return content[name]


def _hello(session: Session, _) -> None:
    session.greet()


def _bye(session: Session, content) -> None:
    session.pages.gone(content.get("view"))


def _alive(session: Session, content) -> None:
    if content.get("hidden") is not True:
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
        raise ValueError(f"there is no action {brief(what)}.")
    session.start()
    session.state()
    session.frame()


def _film(session: Session, content) -> None:
    at, session.running = _count(content, "at"), False
    session.game.go_back(at)
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
    text = content["text"]
    if not isinstance(text, str) or len(text) > 2 * starts.LARGEST:
        raise ValueError(f"no saved game is that: give one in base64 of up to {2 * starts.LARGEST:,} characters.")
    starts.from_file(session.game, base64.b64decode(text))
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

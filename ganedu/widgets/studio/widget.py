"""The studio's page: a gallery with dials, a taste that is learnt, pads to draw on, training on one's own pictures.

The page sends what is done as a list of acts, waits with the next ones until `reply` repeats which they were, and gets
what has changed. What is done stays in one object a page: two studios, in one kernel or in two, have nothing in common.
"""

import html
from collections.abc import Callable
from datetime import date
from pathlib import Path

import anywidget
import ipywidgets as w
import torch
import traitlets

from ... import plots
from ...inputs import brief, whole
from ..pictures import MISTAKES, display_widget, joined, png, said
from .desk import FRAMES, Desk
from .own import Own
from .taste import Tasting

PAGE = Path(__file__).parent / "page"
MOST = 64  # acts in one message
PANES = {"make": "Pictures", "taste": "My taste", "draw": "Draw", "own": "Own pictures"}


class Studio(anywidget.AnyWidget):
    """A page on which pictures are made; see `studio`."""

    _esm = joined("helpers.js", *sorted(f"studio/page/{part.name}" for part in PAGE.glob("*.js")))  # one module
    _css = joined("theme.css", "studio/studio.css")
    fixed = traitlets.Dict().tag(sync=True)  # the model: name, image's size, dials, classes; and the panes there are
    pane = traitlets.Unicode("make").tag(sync=True)
    tiles = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W, C), the page
    big = traitlets.Bytes().tag(sync=True)  # uint8 (H, W, C), the chosen picture: newer than its tile may be
    frames = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W, C), a walk
    state = traitlets.Dict().tag(sync=True)
    taste_state = traitlets.Dict().tag(sync=True)
    offer = traitlets.Bytes().tag(sync=True)  # uint8 (2 or 4, H, W, C)
    near = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W, C), a page by taste
    pads_ready = traitlets.Bool(False).tag(sync=True)
    own_state = traitlets.Dict().tag(sync=True)
    samples = traitlets.Bytes().tag(sync=True)  # uint8 (N, H, W, C), of the training on one's own pictures
    error = traitlets.Unicode().tag(sync=True)
    reply = traitlets.Dict().tag(sync=True)

    def __init__(self, maker, *, taste=None, pads: dict | None = None, own=None, make=None, seed: int = 0):
        pads = _checked(maker, pads, make)
        super().__init__()
        self._make, self._taste, self._seed = make, taste, seed
        self._pads, self._pads_box = (
            pads,
            w.VBox([], layout=w.Layout(display="none", width="100%", max_width="1172px", margin="0 auto")),
        )
        self.own = None if own is None else Own(own)
        self.desks: list[Desk] = []
        self._begin(Desk(maker, seed))
        self.widget = w.VBox([self, self._pads_box])
        self._show()
        self.on_msg(lambda _, content, buffers: self._heard(content))

    def _begin(self, desk: Desk) -> None:
        """This desk on the page; those that were there are kept, so that one can go back to them."""
        self.desk, self.maker = desk, desk.maker
        self.desks += [] if any(desk is each for each in self.desks) else [desk]
        maker = self.maker
        self.tasting = None if self._taste is None else Tasting(self._taste, self.desk)
        there = {"make": True, "taste": self._taste is not None, "draw": bool(self._pads), "own": self.own is not None}
        dials = [{"name": d.name, "low": d.low, "high": d.high, "effect": d.effect, "side": getattr(d, "side", "")}
                 for d in maker.dials]  # fmt: skip
        self.fixed = {"name": maker.name, "shape": [maker.image_size, maker.image_size, maker.channels],
                      "dials": dials, "classes": list(maker.classes), "styled": bool(getattr(maker, "styled", False)),
                      "panes": {key: title for key, title in PANES.items() if there[key]}, "frames": FRAMES,
                      "opens": self._make is not None,
                      "others": [[i, d.maker.name] for i, d in enumerate(self.desks) if d is not desk]}  # fmt: skip
        self.frames, self._walked, self._others = b"", None, None

    # -- what the page says

    def _heard(self, content) -> None:
        """What was done on the page. It is answered whatever comes of it, since the page waits for the answer."""
        if not isinstance(content, dict) or not isinstance(content.get("id"), dict):
            return
        acts = content.get("acts") if isinstance(content.get("acts"), list) else []
        with self.hold_sync():
            self.reply = content["id"]
            if acts != [{"do": "own.state"}]:  # which the page asks for by itself: what was wrong must stay to be read
                self.error = ""
            if len(acts) > MOST:
                self.error = (
                    f"{len(acts)} things were asked for at once, of which {MOST} are done: do the others again."
                )
            for act in acts[:MOST]:
                try:
                    self._act(act, content["id"])
                except ValueError as e:
                    self.error = str(e)
                except MISTAKES as e:  # of the model, or of the system: it must be seen, not vanish in a callback
                    self.error = said(e)
            self._show()

    def _act(self, act: dict, id_: dict) -> None:
        known = {**self._of_desk(), **self._of_files(id_), **self._of_panes()}
        do = act.get("do") if isinstance(act, dict) else None
        if do not in known:
            raise ValueError(f"The page asked for {brief(do)}, which is not known here: load the page again.")
        known[do](act)

    def _of_desk(self) -> dict[str, Callable]:
        desk = self.desk
        return {
            "fresh": lambda a: desk.fresh(),
            "choose": lambda a: desk.choose(a.get("i")),
            "keep": lambda a: desk.keep(a.get("i", desk.page.chosen)),
            "mark": lambda a: desk.mark(a.get("i", desk.page.chosen)),
            "lock": lambda a: desk.lock(a.get("name")),
            "dial": lambda a: desk.dial(a.get("name"), a.get("value")),
            "neutral": lambda a: desk.neutral(),
            "label": lambda a: desk.label(a.get("value")),
            "mix": lambda a: desk.mix(a.get("value")),
            "restyle": lambda a: desk.restyle(),
            "walk": lambda a: self._walk(),
            "read": lambda a: desk.read(a.get("text")),
            "undo": lambda a: desk.undo(),
            "redo": lambda a: desk.redo(),
        }

    def _of_files(self, id_: dict) -> dict[str, Callable]:
        def save(name: str, kind: str, data: bytes) -> None:
            self.send({"save": f"{name}.{kind.partition('/')[2]}", "type": kind, "view": id_.get("view")}, [data])

        def picture(_) -> None:
            data = self.maker.png(self.desk.page.recipe, date.today().isoformat())
            save(self.maker.name, "image/png", data)

        def walk(_) -> None:
            save(f"{self.maker.name}-walk", "image/gif", self.maker.gif(self.desk.way()))

        def report(_) -> None:
            save("report", "text/html", Path(self.own.report).read_bytes())

        return {"png": picture, "gif": walk, "html": report}

    def _of_panes(self) -> dict[str, Callable]:
        acts = {"pane": lambda a: self._open(a.get("name")), "desk": lambda a: self._back(a.get("i"))}
        if self.tasting is not None:
            acts |= {f"taste.{name}": act for name, act in self.tasting.acts().items()}
            acts["taste.take"] = lambda a: self.desk.take(self.tasting.recipes)
        if self.own is not None:
            acts |= {f"own.{name}": act for name, act in self.own.acts().items()}
            acts["own.open"] = lambda a: self._open_run()
        return acts

    def _open(self, name: str) -> None:
        if name not in self.fixed["panes"]:
            raise ValueError(f"There is no pane {brief(name)}.")
        self.pane = name
        if name == "draw":
            self._build_pads()
        if name == "taste":
            self.tasting.begin()
        self._pads_box.layout.display = "flex" if name == "draw" else "none"

    def _build_pads(self) -> None:
        """The pads, once they are asked for: their networks take a while to load."""
        if self._pads_box.children:
            return
        shown = []
        for name, pad in self._pads.items():
            pad = pad() if callable(pad) else pad
            shown += [w.HTML(f"<b>{html.escape(str(name))}</b>"), getattr(pad, "widget", pad)]
        self._pads_box.children, self.pads_ready = shown, True

    def _open_run(self) -> None:
        """The model that was trained on one's own pictures, on the desk."""
        if self._make is None:
            raise ValueError("This page cannot open another model.")
        self._begin(Desk(self._make(self.own.trained), self._seed))
        self.pane = "make"

    def _back(self, i: int) -> None:
        whole("the page's number", i, 0, len(self.desks) - 1)
        self._begin(self.desks[i])

    def _walk(self) -> None:
        self.frames, self._walked = b"".join(card.pixels for card in self.desk.drawn(self.desk.way())), self._two()

    # -- what the page gets

    def _show(self) -> None:
        desk, page = self.desk, self.desk.page
        if self.frames and self._walked != self._two():  # it is no longer a walk between these
            self.frames = b""
        others = [card.pixels for i, card in enumerate(page.cards) if i != page.chosen]
        if others != self._others or page.chosen != self.state.get("chosen"):
            self.tiles = b"".join(card.pixels for card in page.cards)
        self._others, self.big = others, page.cards[page.chosen].pixels
        recipe = page.recipe
        label = recipe.label if isinstance(recipe.label, int) else None  # a mix has shares of several
        self.state = {
            "chosen": page.chosen, "second": page.second, "kept": sorted(page.kept), "locks": sorted(page.locks),
            "dials": {name: recipe.dials.get(name, 0.0) for name in desk.dials}, "label": label,
            "style": recipe.style is not None, "share": desk.share, "undo": bool(desk.past), "redo": bool(desk.future),
            "text": self.maker.share(recipe), "titles": [desk.title(i) for i in range(len(page.cards))],
        }  # fmt: skip
        if self.tasting is not None:
            self.taste_state, self.offer, self.near = self.tasting.state()
        if self.own is not None:
            self.own_state, self.samples = self.own.state()

    def _two(self) -> tuple:
        """The chosen picture and the second, as they are."""
        page = self.desk.page
        return page.cards[page.chosen], None if page.second is None else page.cards[page.second]

    @property
    def words(self) -> str:
        n, names = len(self.desk.page.cards), ", ".join(self.desk.dials)
        dials = f"Dials: {names}." if names else "It has no dials."
        return f"The studio, on {self.maker.name}: a page of {n} generated pictures. {dials}"

    def picture(self) -> bytes:
        """The page of pictures, as a PNG."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        x = torch.nn.functional.pad(self.desk.pixels(), (1,) * 4, value=255)
        name = self.maker.name.replace("$", r"\$")  # a folder's name is no formula
        with mpl.rc_context():
            plots.style()
            fig = Figure(figsize=(7.2, 4.2))
            plots.images(fig.subplots(), x, 6, f"The studio, on {name}: pictures to choose from")
            return png(fig, photo=self.maker.channels == 3)

    def _repr_mimebundle_(self, **kwargs):
        """By its name at the end of a cell it comes with its pads."""
        return self.widget._repr_mimebundle_(**kwargs)


def studio(maker, *, taste=None, pads: dict | None = None, own=None, make=None, seed: int = 0) -> Studio:
    """A page on which pictures are made by one who knows no Python, from what `maker` can draw.

    `maker` is a `topics.studio.Maker`, or what has its fields. `taste` is a function from a maker to a model of taste,
    such as the class `topics.taste.Taste`: with it there is a pane that asks which of a few pictures pleases. `pads`
    are pads to draw on by their names, each a `Sketch` or a function without arguments that builds one when its pane
    is opened first. `own` trains on a folder of one's own pictures, a `topics.own_pictures.OwnPictures`; with `make`,
    a function from a run's folder to a maker, the trained model can be opened here. Equal seeds give equal pages.
    Returns the widget, a `Studio`. Raises ValueError for what does not fit, before anything is shown.
    """
    shown = Studio(maker, taste=taste, pads=pads, own=own, make=make, seed=seed)
    display_widget(shown.widget, shown.picture(), shown.words)
    return shown


def _checked(maker, pads, make) -> dict:
    """The pads. Raises ValueError for a maker or pads of another kind."""
    needed = ("name", "image_size", "channels", "dials", "classes", "fresh", "draw", "mix", "walk", "share", "read")
    if lacking := [name for name in needed if not hasattr(maker, name)]:
        raise ValueError(f"maker is {type(maker).__name__} and lacks {', '.join(lacking)}: give a Maker, such as "
                         "ganedu.topics.studio.Maker.of('digits').")  # fmt: skip
    if make is not None and not callable(make):
        raise ValueError(f"make is {type(make).__name__}: give a function from a run's folder to a maker.")
    pads = {} if pads is None else pads
    if not isinstance(pads, dict) or not all(callable(p) or isinstance(getattr(p, "widget", p), w.Widget)
                                             for p in pads.values()):  # fmt: skip
        raise ValueError(f"pads={brief(pads)} must be a dict: name -> a Sketch, or a function that builds one.")
    return pads

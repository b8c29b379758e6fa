"""The playground: a GAN on the plane that trains under the learner's hands. `Playground()` shows it.

The game runs in the kernel as a task of its own event loop, a few milliseconds at a stretch, so that other cells and
the page's messages are served in between. Pictures are frames that the page acknowledges once they are drawn: over a
slow line there are fewer of them, never a growing queue.
"""

from pathlib import Path

import anywidget
import traitlets

from ...checkpoints import write_atomic
from ...inputs import brief, whole
from ..pictures import joined, text64
from . import starts
from .answers import answer
from .game import Game
from .session import Session
from .stills import film, still

PAGE = Path(__file__).parent / "page"


class Playground(anywidget.AnyWidget):
    """A live game. Settings by name, as in the page: `Playground(data="grid", loss="hinge", lr_D=1e-2, seed=3)`.

    `steps` are trained before it is shown, so that the stored picture shows something. `add_loss` puts the learner's
    own pair of functions into the menu; `text` is a start to hand out, `Playground.from_text(text)` takes it.
    Raises ValueError for a setting that does not exist or fit, or steps that are no whole number from 0 to 100,000.
    """

    _esm = joined("helpers.js", *sorted(f"playground/page/{part.name}" for part in PAGE.glob("*.js")))  # one module
    _css = joined("theme.css", "playground/playground.css")
    still = traitlets.Unicode().tag(sync=True)  # what a page shows as long as no kernel answers: a PNG in base64,
    caption = traitlets.Unicode().tag(sync=True)  # and its words

    def __init__(self, *, steps: int = 0, **settings):
        whole("steps", steps, 0, 100_000, "they are trained before anything is shown")
        game = Game(**settings)
        super().__init__()
        self.session = Session(game, self._to_page)
        for _ in range(steps):
            self.game.round()
            if self.game.rounds % 25 == 0:
                self.session.count()
        self.session.count()
        self.on_msg(lambda _, content, buffers: answer(self.session, content))

    def _to_page(self, content: dict, buffers) -> None:
        self.send(content, [memoryview(b) for b in buffers])

    @property
    def game(self) -> Game:
        return self.session.game

    @property
    def message(self) -> str:
        """What the page says of a mistake."""
        return self.session.message

    def add_loss(self, name: str, d_loss, g_loss) -> None:
        """Offer d_loss(d_real, d_fake) and g_loss(d_fake[, d_real]), functions of logits, in the menu, and play it.

        A mistake in them is said in the widget, and the game goes on as it was.
        """
        try:
            self.game.add_loss(name, d_loss, g_loss)
            self.game.set("loss", name)
            self.session.message = ""
        except ValueError as e:
            self.session.message = f"{name if isinstance(name, str) else brief(name)}: {e}"
        self.session.state()
        self.session.frame()

    @property
    def text(self) -> str:
        """Settings, seed and drawing, to be handed out."""
        return starts.to_text(self.game)

    @classmethod
    def from_text(cls, text: str, **settings) -> "Playground":
        """The same start as the playground whose `text` this is. Raises ValueError for a broken one."""
        shown = cls(**settings)
        starts.from_text(shown.game, text)
        shown.session.count()
        return shown

    def save(self, path) -> None:
        """Write players and settings to `path`, whole or not at all; `load` reads them. Raises OSError."""
        write_atomic(Path(path), starts.to_file(self.game))

    def load(self, path) -> None:
        """Take players and settings from `path`. Raises ValueError for another kind of file, and nothing changes."""
        starts.from_file(self.game, starts.read_file(path))
        self.session.begin_again()

    def picture(self) -> bytes:
        """The game as it stands, as a PNG."""
        return still(self.session.view, self.session.view.headline(self.session.numbers))

    def gif(self) -> bytes:
        """The film, as an animated GIF."""
        return film(self.session.view)

    @property
    def words(self) -> str:
        return self.session.view.words(self.session.numbers)

    def _repr_mimebundle_(self, **kwargs):
        """A page without a kernel shows the stored picture with its words."""
        self.still, self.caption = text64(self.picture()), self.words
        live = super()._repr_mimebundle_(**kwargs)
        bundle = live[0] if isinstance(live, tuple) else live or {}
        return {**bundle, "image/png": self.still, "text/plain": self.caption}, {"image/png": {"alt": self.caption}}

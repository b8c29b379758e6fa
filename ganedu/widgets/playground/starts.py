"""Games as something to hand out: a short text for a start, a safetensors file for players as they stand."""

import base64
import json
import zlib

from safetensors import SafetensorError
from safetensors import torch as safetensors

from ... import ASSETS
from ...toys import densities
from .game import Game, copied
from .settings import CONTROLS

HEAD = "ganedu1:"
PREPARED = ASSETS / "playground"


def to_text(game: Game) -> str:
    """Settings, seed and drawing as a short text; `from_text` makes the same start of it."""
    own = {k: v for k, v in game.settings.items() if v != CONTROLS[k].value}
    if own.get("loss") not in CONTROLS["loss"].choices:
        own.pop("loss", None)  # functions do not travel
    if game.drawing and game.settings["data"] == "drawn":
        own["drawing"] = game.drawing
    packed = zlib.compress(json.dumps(own, separators=(",", ":")).encode(), 9)
    return HEAD + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def from_text(game: Game, text: str) -> None:
    """Take settings, seed and drawing of a share text and deal. Raises ValueError for a broken one; nothing changes."""
    try:
        head, _, body = text.strip().partition(":")
        if head + ":" != HEAD:
            raise ValueError(f"it does not begin with {HEAD}")
        own = json.loads(zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
        drawing = own.pop("drawing", [])
        if drawing:
            densities.drawn(drawing)
        settings = {c.name: c.value for c in CONTROLS.values()}
        for name, value in own.items():
            settings[name] = game.checked(name, value, drawing)
    except (ValueError, TypeError, AttributeError, zlib.error) as e:
        raise ValueError(f"this is no share text of the playground, or a part of it is missing: {e}") from None
    game.settings, game.drawing = settings, drawing
    game.deal()


def to_file(game: Game) -> bytes:
    """The players, with their settings, as a safetensors file."""
    tensors = {f"{p}.{k}": v.contiguous() for p in "GD" for k, v in copied(getattr(game, p)).items()}
    return safetensors.save(tensors, {"text": to_text(game), "rounds": str(game.rounds)})


def from_file(game: Game, data: bytes) -> None:
    """Take players and settings from such a file. Raises ValueError for another one; nothing changes then."""
    try:
        length = int.from_bytes(data[:8], "little")
        card = json.loads(data[8 : 8 + length])["__metadata__"]
        tensors, trial = safetensors.load(data), Game()
        from_text(trial, card["text"])
        for p in "GD":
            own = {k.removeprefix(f"{p}."): v for k, v in tensors.items() if k.startswith(f"{p}.")}
            getattr(trial, p).load_state_dict(own)
        rounds = int(card["rounds"])
    except (KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as e:
        raise ValueError(f"this file holds no saved game, or is damaged: {e}") from None
    from_text(game, card["text"])
    game.G.load_state_dict(trial.G.state_dict())
    game.D.load_state_dict(trial.D.state_dict())
    game.rounds, game.film = rounds, []
    game.keep()


def prepared() -> list[str]:
    """Names of the games that ship, ready to be looked at."""
    return sorted(p.stem for p in PREPARED.glob("*.safetensors"))


def read_prepared(name: str) -> bytes:
    """The file of a game that ships. Raises ValueError for another name."""
    if name not in prepared():
        raise ValueError(f"there is no prepared model {name!r}: {', '.join(prepared())}.")
    return (PREPARED / f"{name}.safetensors").read_bytes()

"""Games as something to hand out: a short text for a start, a safetensors file for players as they stand."""

import base64
import json
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

from ... import ASSETS
from ...inputs import brief, whole
from .game import Game, copied, planar
from .settings import CONTROLS

HEAD = "ganedu1:"
LONGEST = 2**15  # characters of a text, and bytes of what it unpacks to: three times what the largest drawing takes
LARGEST = 2**24  # bytes of a file: twice what twelve worlds of the largest players take
MOST_ROUNDS = 10**9  # two weeks
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
        own = _unpacked(text)
        drawing = planar(own.pop("drawing")) if "drawing" in own else []
        settings = {c.name: c.value for c in CONTROLS.values()}
        for name, value in own.items():
            settings[name] = game.checked(name, value, drawing)
    except (ValueError, RecursionError, zlib.error) as e:
        raise ValueError(f"this is no share text of the playground, or a part of it is missing: {e}") from None
    game.settings, game.drawing = settings, drawing
    game.deal()


def _unpacked(text: str) -> dict:
    """What a share text holds. It may be a stranger's, so neither it nor what it unpacks to may be long."""
    if not isinstance(text, str):
        raise ValueError(f"it is {type(text).__name__} and must be text")
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters, and none has more than {LONGEST:,}")
    head, _, body = text.strip().partition(":")
    if head + ":" != HEAD:
        raise ValueError(f"it does not begin with {HEAD}")
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), LONGEST)
    if not unpacker.eof:
        raise ValueError(f"it ends too early, or unpacks to more than {LONGEST:,} bytes")
    own = json.loads(data, parse_constant=_no_number)
    if not isinstance(own, dict):
        raise ValueError(f"it holds {type(own).__name__}, not settings by name")
    return own


def _no_number(name: str):
    raise ValueError(f"{name} is no number")


def to_file(game: Game) -> bytes:
    """The players, with their settings, as a safetensors file."""
    tensors = {f"{p}.{k}": v.contiguous() for p in "GD" for k, v in copied(getattr(game, p)).items()}
    return safetensors.save(tensors, {"text": to_text(game), "rounds": str(game.rounds)})


def from_file(game: Game, data: bytes) -> None:
    """Take players and settings from such a file. Raises ValueError for another one; nothing changes then."""
    try:
        trial = _saved(data)
    except (KeyError, ValueError, TypeError, RuntimeError, RecursionError, SafetensorError) as e:
        raise ValueError(f"this file holds no saved game, or is damaged: {e}") from None
    game.settings, game.drawing = trial.settings, trial.drawing
    game.deal()
    game.G.load_state_dict(trial.G.state_dict())
    game.D.load_state_dict(trial.D.state_dict())
    game.rounds, game.film = trial.rounds, []
    game.keep()


def _saved(data: bytes) -> Game:
    """The game in a file, which may be a stranger's: just its players' tensors, finite, and so is what they answer."""
    if not isinstance(data, bytes) or len(data) > LARGEST:
        size = f"{len(data):,} bytes" if isinstance(data, bytes) else type(data).__name__
        raise ValueError(f"it is {size}, and must be bytes, {LARGEST:,} at most")
    tensors = safetensors.load(data)
    card = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    trial, rounds = Game(), int(card["rounds"])
    whole("rounds", rounds, 0, MOST_ROUNDS)
    from_text(trial, card["text"])
    wanted = {f"{p}.{k}": v for p in "GD" for k, v in getattr(trial, p).state_dict().items()}
    for name in dict.fromkeys([*wanted, *tensors]):
        there, here = (f"{t[name].dtype} {tuple(t[name].shape)}" if name in t else "nothing" for t in (tensors, wanted))
        if there != here:
            raise ValueError(f"{brief(name)} is {there} there, and {here} by its settings")
        if not tensors[name].isfinite().all():
            raise ValueError(f"{name} holds values that are not finite")
    for p in "GD":
        getattr(trial, p).load_state_dict({k.removeprefix(f"{p}."): v for k, v in tensors.items() if k[0] == p})
    with torch.no_grad():
        D, x = trial.D.eval(), trial.G(trial.z.take(100))
        if not all(v.isfinite().all() for v in (x, D(x), D(trial.x_real))):
            raise ValueError("its players answer with values that are not finite")
    trial.rounds = rounds
    return trial


def read_file(path: str | Path) -> bytes:
    """What `from_file` takes. Raises ValueError where it is too large or no file, OSError where it cannot be read."""
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would keep us waiting
        raise ValueError(f"{path} is no file: give the one that `save` wrote.")
    with open(path, "rb") as file:
        return file.read(LARGEST + 1)


def prepared() -> list[str]:
    """Names of the games that ship, ready to be looked at."""
    return sorted(p.stem for p in PREPARED.glob("*.safetensors"))


def read_prepared(name: str) -> bytes:
    """The file of a game that ships. Raises ValueError for another name."""
    if name not in prepared():
        raise ValueError(f"there is no prepared model {brief(name)}: {', '.join(prepared())}.")
    return (PREPARED / f"{name}.safetensors").read_bytes()

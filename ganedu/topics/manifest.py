"""A signature beside a picture: who wrote its card, and whether card and pixels are still those that were signed.

The card is the one that the studio writes into a PNG (`studio.png`): what drew the picture, from which seed, and the
SHA-256 of its pixels. Anybody can write such a card. A signature, in a second text of the same file, says who did.
"""

import hashlib
import hmac
import json
import secrets
from io import BytesIO
from typing import NamedTuple

from torch import Tensor

from ..inputs import brief
from ..pixels import check, to_float, to_uint8
from . import studio

TEXT = "ganedu-signature"  # the name of the text that holds the signature
ANSWERS = ("signed and untouched", "altered", "unsigned", "signed by somebody else")

# --------------------------------------------------------------------------------------------------------------- keys


class Secret:
    """One secret for those who sign and those who check: HMAC-SHA256 (RFC 2104). Whoever can check can also sign.

    `secret` is 16 bytes or more, drawn from the system where none are given. Raises ValueError for fewer.
    """

    scheme = "HMAC-SHA256"

    def __init__(self, secret: bytes | None = None):
        self._secret = secrets.token_bytes(32) if secret is None else _bytes("a secret", secret, 16, 1000)
        self.name = self.sign(b"the name of this key")[:8].hex()  # tells keys apart, and does not tell the secret

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 32 bytes."""
        return hmac.digest(self._secret, message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made this signature for this message."""
        return hmac.compare_digest(self.sign(message), signature)


class Public:
    """The public half of a pair, 32 bytes: it checks signatures of Ed25519 and cannot make any. It may be printed."""

    scheme = "Ed25519"

    def __init__(self, public: bytes):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        self.public = _bytes("a public key", public, 32, 32)
        self.name = hashlib.sha256(self.public).hexdigest()[:16]
        self._key = Ed25519PublicKey.from_public_bytes(self.public)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the private half made this signature for this message."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Pair:
    """A private and a public key of Ed25519 (RFC 8032), by the library cryptography: this one signs, `public` checks.

    `seed` is 32 bytes, the private key; drawn from the system where none are given. Raises ValueError for others.
    """

    scheme = "Ed25519"

    def __init__(self, seed: bytes | None = None):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = secrets.token_bytes(32) if seed is None else _bytes("a private key", seed, 32, 32)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = Public(self._key.public_key().public_bytes_raw())
        self.name, self.verify = self.public.name, self.public.verify

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return self._key.sign(message)


def _bytes(what: str, given, least: int, most: int) -> bytes:
    if not isinstance(given, bytes | bytearray) or not least <= len(given) <= most:
        size = f"{len(given)} bytes" if isinstance(given, bytes | bytearray) else type(given).__name__
        allowed = f"{least}" if least == most else f"{least} or more"
        raise ValueError(f"{what} is {size}: give {allowed} bytes, or none, and they are drawn from the system.")
    return bytes(given)


# -------------------------------------------------------------------------------------------------- signing, checking


def message(card: dict) -> bytes:
    """What is signed: the card as bytes, the same for equal cards in whatever order (JSON with sorted keys)."""
    return b"ganedu manifest 1\n" + json.dumps(card, sort_keys=True, separators=(",", ":")).encode()


def sign(file: bytes, key: Secret | Pair) -> bytes:
    """The PNG of the studio with a signature of its card; its pixels and its card stay as they are.

    Raises ValueError where it has no card, or one that no longer fits its pixels: that is not signed.
    """
    if not hasattr(key, "sign"):
        raise ValueError(f"a {type(key).__name__} cannot sign: give a Secret, or the Pair that the public key is of.")
    note = {"scheme": key.scheme, "key": key.name, "signature": key.sign(message(studio.card(file))).hex()}
    if isinstance(key, Pair):
        note["public"] = key.public.public.hex()  # for those who know no key yet; whom it belongs to it does not say
    return with_texts(pixels(file), texts(file) | {TEXT: json.dumps(note)})


class Verdict(NamedTuple):
    """One of ANSWERS, why, and the card where it can be trusted, else None."""

    answer: str
    why: str
    card: dict | None = None


def verify(file: bytes, key: Secret | Public | Pair) -> Verdict:
    """What the signature of a PNG says, for somebody who expects `key`, and with it a scheme.

    The file says which scheme and key it was signed with, and is not obeyed: a checker who lets the file choose takes
    HMAC with the public key, which everybody has, as its secret. Raises ValueError for what is no picture, or no key.
    """
    if not isinstance(key, Secret | Public | Pair):
        raise ValueError(f"key={brief(key)} does not fit: give the Secret or the Public that you expect the file of.")
    found = texts(file)
    if TEXT not in found:
        what = "a card, which anybody can write, and no signature" if "ganedu" in found else "no card and no signature"
        return Verdict(ANSWERS[2], f"it has {what}.")
    if "ganedu" not in found:
        return Verdict(ANSWERS[1], "there is a signature, but the card that it is for is gone.")
    try:
        card, note = json.loads(found["ganedu"]), json.loads(found[TEXT])
        card.pop("card")
        scheme, name, signature = note["scheme"], note["key"], bytes.fromhex(note["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Verdict(ANSWERS[1], "its card or its signature cannot be read.")
    if scheme != key.scheme:
        return Verdict(ANSWERS[3], f"it says {brief(scheme)}, and {key.scheme} is expected.")
    if name != key.name:
        why = f"it was not signed with the key {key.name}: it names {brief(name)}. {_own(note, card)}"
        return Verdict(ANSWERS[3], why)
    if not key.verify(message(card), signature):
        return Verdict(ANSWERS[1], f"the key {name} did not make this signature for this card.")
    try:
        return Verdict(ANSWERS[0], f"by the key {name}.", studio.card(file))
    except ValueError as e:
        return Verdict(ANSWERS[1], f"the signature fits the card, and {str(e).removeprefix('this file is ')}")


def _own(note: dict, card: dict) -> str:
    """Whether a file of an unknown pair is at least whole."""
    try:
        other = Public(bytes.fromhex(note["public"]))
        whole = other.name == note["key"] and other.verify(message(card), bytes.fromhex(note["signature"]))
    except (ValueError, KeyError, TypeError):
        return "Without that key nobody can tell more."
    return f"By that key the card is {'whole; whose it is, the file cannot prove' if whole else 'altered'}."


# ---------------------------------------------------------------------------------------------------- files, opened up


def texts(file: bytes) -> dict[str, str]:
    """The texts in a PNG's metadata. Raises ValueError for what is no picture; other formats than PNG have none."""
    return {k: str(v) for k, v in getattr(_opened(file), "text", {}).items()}


def pixels(file: bytes) -> Tensor:
    """The picture of a file, (1, C, H, W) in [-1, 1], C = 1 for grey and 3 for colour."""
    import numpy as np
    import torch

    picture = _opened(file)
    array = np.array(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))
    array = array[..., None] if array.ndim == 2 else array
    return to_float(torch.from_numpy(array).permute(2, 0, 1)[None])


def with_texts(x: Tensor, found: dict[str, str] | None = None) -> bytes:
    """A picture (1, C, H, W) as PNG with these texts: without any, what is left when a file is saved again by a program
    that drops metadata; with those of another file, what somebody makes who copies a signature."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    check(x, (1, (1, 3), "H", "W"), name="the picture")
    array, info = to_uint8(x)[0].cpu().numpy(), PngInfo()
    for name, text in (found or {}).items():
        info.add_itxt(name, text)
    file = BytesIO()
    Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0).copy()).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _opened(file: bytes):
    from PIL import Image

    if not isinstance(file, bytes):
        raise ValueError(f"give the bytes of a file, as Path(...).read_bytes() reads them, not {type(file).__name__}.")
    try:
        picture = Image.open(BytesIO(file))
        picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as e:
        raise ValueError(f"this file is no picture that can be read ({e}).") from e
    return picture

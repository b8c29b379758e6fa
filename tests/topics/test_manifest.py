"""Oracles: the standards' own test vectors (RFC 4231, RFC 8032), hashlib, Pillow, and forgers of several kinds."""

import hashlib
import hmac
import json
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu.topics import manifest as mf
from ganedu.topics import studio

UNTOUCHED, ALTERED, UNSIGNED, OTHER = mf.ANSWERS
KEYS = {"secret": lambda n=1: mf.Secret(bytes([n]) * 32), "pair": lambda n=1: mf.Pair(bytes([n]) * 32)}


def x(seed=0, channels=1):
    drawn = torch.rand(1, channels, 16, 20, generator=torch.Generator().manual_seed(seed))
    return (drawn * 254 - 127).round() / 127.5


def carded(seed=0, channels=1):
    return studio.png(x(seed, channels)[0], {"model": "digits", "seed": seed, "date": "2026-11-29"})


def noted(file, **changed):
    """The file with other entries in its signature; None leaves one out."""
    found = mf.texts(file)
    note = json.loads(found[mf.TEXT]) | changed
    found[mf.TEXT] = json.dumps({k: v for k, v in note.items() if v is not None})
    return mf.with_texts(mf.pixels(file), found)


def other_card(file, **changed):
    """The file with another card, sealed as the studio does: anybody can."""
    found = mf.texts(file)
    card = json.loads(found["ganedu"]) | changed
    card.pop("card")
    found["ganedu"] = json.dumps(card | {"card": studio._seal(card)})
    return mf.with_texts(mf.pixels(file), found)


# --------------------------------------------------------------------------------------------------------------- keys


def test_hmac_is_that_of_the_standard():
    assert mf.Secret(b"\x0b" * 20).sign(b"Hi There").hex() == (  # RFC 4231, test case 1
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    key = mf.Secret(b"k" * 32)
    assert key.verify(b"m", hmac.new(b"k" * 32, b"m", hashlib.sha256).digest())
    assert (
        not key.verify(b"n", key.sign(b"m"))
        and not key.verify(b"m", b"")
        and not mf.Secret().verify(b"m", key.sign(b"m"))
    )


def test_ed25519_is_that_of_the_standard():
    pair = mf.Pair(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))  # RFC 8032, 7.1
    assert pair.public.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert pair.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b"
    )
    assert pair.public.verify(b"", pair.sign(b"")) and not pair.public.verify(b"x", pair.sign(b""))
    assert not pair.public.verify(b"", b"short") and not mf.Pair().verify(b"", pair.sign(b""))
    assert mf.Public(pair.public.public).name == pair.name == hashlib.sha256(pair.public.public).hexdigest()[:16]


def test_keys_are_drawn_anew_and_odd_ones_refused():
    assert mf.Secret().name != mf.Secret().name and mf.Pair().name != mf.Pair().name
    assert mf.Secret(b"1" * 16).name == mf.Secret(b"1" * 16).name
    for make, bad in (
        (mf.Secret, b"short"),
        (mf.Secret, "a password of letters"),
        (mf.Pair, b"1" * 31),
        (mf.Public, b""),
    ):
        with pytest.raises(ValueError, match="bytes, or none, and they are drawn"):
            make(bad)


# -------------------------------------------------------------------------------------------------- signing, checking


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_signed_picture_is_untouched_for_its_key_alone(kind, channels):
    key, file = KEYS[kind](), carded(channels=channels)
    signed = mf.sign(file, key)
    assert torch.equal(mf.pixels(signed), mf.pixels(file)) and studio.card(signed) == studio.card(file)
    for checker in (key, getattr(key, "public", key)):
        verdict = mf.verify(signed, checker)
        assert verdict.answer == UNTOUCHED and verdict.card["model"] == "digits" and key.name in verdict.why
    verdict = mf.verify(signed, KEYS[kind](2))
    assert verdict.answer == OTHER and verdict.card is None and "was not signed with the key" in verdict.why
    assert ("By that key the card is whole" in verdict.why) == (kind == "pair")


@pytest.mark.parametrize("kind", KEYS)
def test_what_was_altered_is_said(kind):
    key, file = KEYS[kind](), carded()
    signed = mf.sign(file, key)
    changed = mf.pixels(signed).clone()
    changed[0, 0, 3, 4] += 2 / 255 if changed[0, 0, 3, 4] < 0 else -2 / 255
    verdict = mf.verify(mf.with_texts(changed, mf.texts(signed)), key)  # one pixel, one grey level
    assert verdict.answer == ALTERED and "its pixels were changed" in verdict.why
    for forged in (other_card(signed, model="camera"), noted(signed, signature="00" * 64), noted(signed, signature="")):
        verdict = mf.verify(forged, key)
        assert verdict.answer == ALTERED and "did not make this signature for this card" in verdict.why
    for broken in (noted(signed, signature="zz"), noted(signed, signature=None), noted(signed, signature=3),
                   noted(signed, key=None), mf.with_texts(x(), mf.texts(signed) | {"ganedu": "{"}),
                   mf.with_texts(x(), mf.texts(signed) | {"ganedu": "[]"}),
                   mf.with_texts(x(), mf.texts(signed) | {mf.TEXT: "null"})):  # fmt: skip
        assert mf.verify(broken, key) == (ALTERED, "its card or its signature cannot be read.", None)
    gone = {k: v for k, v in mf.texts(signed).items() if k != "ganedu"}
    assert mf.verify(mf.with_texts(x(), gone), key)[:2] == (
        ALTERED, "there is a signature, but the card that it is for is gone.",
    )  # fmt: skip


def test_a_new_pixel_and_a_new_seal_do_not_help_without_the_key():
    """The forger writes a card for the changed pixels, digest and seal right, and keeps the signature."""
    pair, signed = mf.Pair(), mf.sign(carded(), KEYS["pair"]())
    forged = carded(1)
    kept = mf.texts(signed)[mf.TEXT]
    forged = mf.with_texts(mf.pixels(forged), mf.texts(forged) | {mf.TEXT: kept})
    assert studio.card(forged)["seed"] == 1  # the studio's own check is content
    assert mf.verify(forged, KEYS["pair"]()).answer == ALTERED
    own = mf.sign(carded(1), pair)  # signs with a pair of the forger's
    assert mf.verify(own, KEYS["pair"]().public).answer == OTHER
    posing = noted(own, key=KEYS["pair"]().name, public=KEYS["pair"]().public.public.hex())
    assert mf.verify(posing, KEYS["pair"]().public).answer == ALTERED


def test_the_file_does_not_choose_the_scheme():
    pair = KEYS["pair"]()
    public = pair.public.public  # everybody has it
    forged = mf.sign(carded(), mf.Secret(public))
    for name in (json.loads(mf.texts(forged)[mf.TEXT])["key"], pair.name):
        verdict = mf.verify(noted(forged, key=name), pair.public)
        assert verdict.answer == OTHER and verdict.why == "it says 'HMAC-SHA256', and Ed25519 is expected."
    assert mf.verify(noted(forged, scheme="Ed25519", key=pair.name), pair.public).answer == ALTERED


def test_unsigned_files():
    key = mf.Secret()
    assert mf.verify(carded(), key)[:2] == (UNSIGNED, "it has a card, which anybody can write, and no signature.")
    bare = mf.with_texts(x())
    assert mf.verify(bare, key)[:2] == (UNSIGNED, "it has no card and no signature.")
    jpeg = BytesIO()
    Image.open(BytesIO(mf.sign(carded(), key))).save(jpeg, "JPEG")
    assert mf.verify(jpeg.getvalue(), key).answer == UNSIGNED


def test_what_cannot_be_signed_or_checked_is_said():
    key = mf.Pair()
    with pytest.raises(ValueError, match="has no card"):
        mf.sign(mf.with_texts(x()), key)
    with pytest.raises(ValueError, match="pixels were changed"):
        mf.sign(mf.with_texts(x(1), mf.texts(carded())), key)
    with pytest.raises(ValueError, match="a Public cannot sign: give a Secret, or the Pair"):
        mf.sign(carded(), key.public)
    with pytest.raises(ValueError, match="this file is no picture"):
        mf.verify(b"hello", key)
    with pytest.raises(ValueError, match=r"give the bytes of a file.*not str"):
        mf.verify("x.png", key)
    with pytest.raises(ValueError, match="give the Secret or the Public that you expect"):
        mf.verify(carded(), b"key")


def test_a_message_does_not_depend_on_the_order_of_the_card():
    assert mf.message({"b": 1, "a": [1, 2]}) == mf.message({"a": [1, 2], "b": 1}) != mf.message({"a": [2, 1], "b": 1})


def test_pixels_come_back_as_they_are(tmp_path):
    for channels in (1, 3):
        y = x(3, channels)
        array = np.array(Image.open(BytesIO(mf.with_texts(y))))
        assert np.array_equal(array.reshape(16, 20, channels), ((y[0] + 1) * 127.5).round().permute(1, 2, 0).numpy())
        assert (mf.pixels(mf.with_texts(y)) - y).abs().max() < 0.005
        assert torch.equal(mf.pixels(mf.with_texts(mf.pixels(mf.with_texts(y)))), mf.pixels(mf.with_texts(y)))
    palette = BytesIO()
    Image.fromarray(array).convert("P").save(palette, "PNG")
    assert mf.pixels(palette.getvalue()).shape == (1, 3, 16, 20)

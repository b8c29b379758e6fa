"""Texts, files and settings from strangers: what fits comes back as it was, the rest is refused and changes nothing."""

import base64
import json
import math
import os
import struct
import zlib

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors import torch as safetensors

from ganedu.toys import densities
from ganedu.widgets import Playground
from ganedu.widgets.playground import starts
from ganedu.widgets.playground.game import Game
from ganedu.widgets.playground.settings import CONTROLS

SMALL = {"width_G": 8, "width_D": 8, "batch": 20}
quickly = settings(deadline=None, max_examples=60, print_blob=True)


def packed(own, level=9) -> str:
    """A share text of any JSON, or of bytes."""
    raw = own if isinstance(own, bytes) else json.dumps(own).encode()
    return starts.HEAD + base64.urlsafe_b64encode(zlib.compress(raw, level)).decode().rstrip("=")


def all_of(game: Game) -> tuple:
    """What must stay as it is when something is refused."""
    weights = [v.clone() for net in (game.G, game.D) for v in net.state_dict().values()]
    return dict(game.settings), [*game.drawing], game.rounds, len(game.film), game.density, weights


def same(a: tuple, b: tuple) -> bool:
    *plain, weights = zip(a, b, strict=True)
    return all(x == y for x, y in plain) and all(torch.equal(x, y) for x, y in zip(*weights, strict=True))


def refused(game: Game, take, says: str | None = None) -> None:
    """It is refused by a ValueError, nothing has changed, and the game plays on."""
    before = all_of(game)
    with pytest.raises(ValueError, match=says) as e:
        take(game)
    assert same(all_of(game), before) and len(str(e.value)) < 800
    game.turn_D()


# ------------------------------------------------------------------------------------------------------- settings

POINTS = st.lists(st.tuples(*[st.floats(-3, 3).map(lambda v: round(v, 3))] * 2).map(list), min_size=1, max_size=30)


def fitting(c):
    if c.choices:
        return st.sampled_from([v for v in c.choices if v != "drawn"])
    if c.kind == "whole":
        return st.integers(int(c.low), min(int(c.high), 32))  # small, for time
    return st.floats(c.low, c.high)


SETTINGS = st.fixed_dictionaries({}, optional={name: fitting(c) for name, c in CONTROLS.items()})


@quickly
@given(SETTINGS, st.none() | POINTS)
def test_a_share_text_brings_any_game_back(chosen, points):
    game, other = Game(**chosen), Game(**SMALL)
    if points is not None:
        game.draw_data(points)
    text = starts.to_text(game)
    starts.from_text(other, f"\n {text} ")
    assert other.settings == game.settings and other.drawing == game.drawing and starts.to_text(other) == text
    before, after = all_of(game)[-1], all_of(other)[-1]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8,
)  # fmt: skip
NAMES = st.sampled_from([*CONTROLS, "drawing", "colour"])


@quickly
@given(st.dictionaries(NAMES, JSON, max_size=4) | JSON)
@example({"seed": 10**400})
@example({"worlds": True})
@example({"worlds": 12.0})
@example({"loss": []})
@example({"data": {}})
@example({"lr_D": math.nan})
@example({"lr_G": math.inf})
@example({"drawing": [[1.0], [2.0]], "data": "drawn"})
@example({"drawing": None})
@example({"drawing": [[True, False]]})
@example({"drawing": [[0, 0]] * 501})
@example([])
def test_any_json_is_a_start_or_refused(own):
    game = Game(**SMALL)
    before = all_of(game)
    try:
        starts.from_text(game, packed(own))
    except ValueError as e:
        assert str(e).startswith("this is no share text") and len(str(e)) < 800
        assert same(all_of(game), before)
    else:
        assert all(type(v) is type(CONTROLS[k].value) and CONTROLS[k].check(v) == v for k, v in game.settings.items())
        again = Game()
        starts.from_text(again, starts.to_text(game))
        assert again.settings == game.settings
    game.turn_D()


@quickly
@given(NAMES, JSON)
@example("worlds", 1.0)
@example("seed", 10**400)
def test_a_setting_takes_what_fits_and_stays_where_nothing_does(name, value):
    game = Game(**SMALL)
    before = all_of(game)
    try:
        game.set(name, value)
    except ValueError as e:
        assert name in str(e) or "drawing" in str(e)
        assert same(all_of(game), before)
    else:
        assert game.settings[name] == value and type(game.settings[name]) is type(CONTROLS[name].value)
    game.turn_D()


@quickly
@given(st.data())
def test_a_text_with_a_slip_is_refused_or_another_text(data):
    text = starts.to_text(Game(**SMALL, seed=9, data="grid"))
    i, kind = data.draw(st.integers(0, len(text) - 1)), data.draw(st.sampled_from(["lost", "other", "cut", "more"]))
    character = data.draw(st.characters())
    text = {"lost": text[:i] + text[i + 1 :], "other": text[:i] + character + text[i + 1 :], "cut": text[:i],
            "more": text[:i] + character + text[i:]}[kind]  # fmt: skip
    game = Game(**SMALL)
    before = all_of(game)
    try:
        starts.from_text(game, text)
        assert game.settings["seed"] == 9 and game.settings["data"] == "grid", "a checksum holds it together"
    except ValueError as e:
        assert "no share text" in str(e) and same(all_of(game), before)


@quickly
@given(st.text(max_size=40) | st.text("ganedu1:eJyrVspJTVOyUkosLclQqgUAKlQFbg", max_size=60) | st.binary(max_size=60))
def test_what_is_no_share_text_is_refused(text):
    refused(Game(**SMALL), lambda game: starts.from_text(game, text), "no share text")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (starts.HEAD + "A" * 100_000, "100,008 characters, and none has more than"),
        (packed(b'{"seed":1}' + b" " * 10**7), "unpacks to more than"),
        (packed(b"[" * 30_000), "no share text"),
        (packed(b'{"a":' * 5_000 + b"1" + b"}" * 5_000), "no share text"),
        (packed(b'{"lr_D":NaN}'), "NaN is no number"),
        (packed(b'{"lr_D":-Infinity}'), "-Infinity is no number"),
        (packed(b'{"lr_D":1e999}'), "lr_D=inf does not fit"),
        (packed(b'{"seed":' + b"9" * 5_000 + b"}"), "digits"),
        (packed(b"\xff\xfe"), "no share text"),
        (packed([{"seed": 1}]), "it holds list, not settings"),
        (packed({"drawing": [[1, 1, 1]]}), "give \\(k, 2\\)"),
        (packed({"drawing": "abc"}), "points must be numbers"),
        (packed({"drawing": [[4, 0]]}), "bring them nearer"),
        (starts.HEAD + "é", "ASCII"),
        (5, "it is int and must be text"),
        (None, "NoneType"),
    ],
)
def test_a_strangers_text_is_refused_before_it_takes_memory(text, says):
    refused(Game(**SMALL), lambda game: starts.from_text(game, text), says)


def test_the_largest_drawing_still_travels():
    game, other = Game(**SMALL), Game()
    points = [[round(-3 + 6 * ((i * 0.618) % 1), 3), round(-3 + 6 * ((i * 0.755) % 1), 3)] for i in range(500)]
    game.draw_data(points)
    starts.from_text(other, starts.to_text(game))
    assert other.drawing == points and len(starts.to_text(game)) < starts.LONGEST / 3
    game.round()
    refused(game, lambda game: game.draw_data([*points, [0, 0]]), "501 points: give 500 at most")


@pytest.mark.parametrize(
    "points",
    [[], [[1]], [[1], [2]], [1, 2], [[1, 2, 3]], [[0, 0], [1]], [["a", "b"]], [[None, 0]], [[math.nan, 0]], [[9, 9]],
     [[True, False]], [[10**400, 0]], [[1j, 0]], "abc", 5, None, {"x": 1}, [[0, 0]] * 100_000, torch.zeros(3, 1)],
    ids=lambda points: str(points)[:24],
)  # fmt: skip
def test_a_drawing_that_does_not_fit_leaves_the_game_alive(points):
    refused(Game(**SMALL), lambda game: game.draw_data(points))


def test_a_drawing_may_be_an_array():
    for points in (torch.ones(3, 2), torch.ones(3, 2, requires_grad=True), torch.ones(3, 2).numpy(), [(1, 1)] * 3):
        game = Game(**SMALL)
        game.draw_data(points)
        assert game.drawing == [[1.0, 1.0]] * 3 and game.density.dim == 2
    assert densities.drawn([[1.0]]).dim == 1, "on a line it is a density, though no data for a plane"


# ---------------------------------------------------------------------------------------------------------- files

GOOD = starts.to_file(Game(**SMALL, seed=2))
TENSORS, CARD = safetensors.load(GOOD), {"text": starts.to_text(Game(**SMALL, seed=2)), "rounds": "20"}


def file(tensors=None, **card) -> bytes:
    card = {k: v for k, v in {**CARD, **card}.items() if v is not None}
    return safetensors.save(TENSORS if tensors is None else tensors, card)


def changed(change, name="G.layers.0.weight") -> dict:
    return {**TENSORS, name: change(TENSORS[name].clone())}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", ""),
        (GOOD + b"x", ""),
        (struct.pack("<Q", 2**63) + b"{}", ""),
        (struct.pack("<Q", 60_000) + b"[" * 60_000, ""),
        (bytes(starts.LARGEST + 1), "16,777,217 bytes, and must be bytes, 16,777,216 at most"),
        ("text", "it is str"),
        (None, "it is NoneType"),
        (file(changed(lambda v: v * math.nan)), "G.layers.0.weight holds values that are not finite"),
        (file(changed(lambda v: v / 0, "D.layers.1.bias")), "D.layers.1.bias holds values that are not finite"),
        (file(changed(lambda v: v.double())), "is torch.float64 .* there, and torch.float32 .* by its settings"),
        (file(changed(lambda v: v[..., 1:].contiguous())), r"\(1, 2, 7\) there, and torch.float32 \(1, 2, 8\)"),
        (file({**TENSORS, "more": torch.ones(2)}), "'more' is torch.float32 .* there, and nothing by its settings"),
        (file({**TENSORS, "G.more": torch.ones(2)}), "'G.more' is"),
        (file({k: v for k, v in TENSORS.items() if "bias" not in k}), "is nothing there"),
        (file({}), "is nothing there"),
        (file({k: v * 1e38 for k, v in TENSORS.items()}), "answer with values that are not finite"),
        (file(rounds="-1"), "rounds=-1 does not fit"),
        (file(rounds=str(10**12)), "rounds=1000000000000 does not fit"),
        (file(rounds="9" * 5_000), "digits"),
        (file(rounds="1.5"), "invalid literal"),
        (file(rounds=None), "rounds"),
        (file(text=None), "text"),
        (file(text="ganedu1:x"), "no share text"),
        (file(text=packed({**SMALL, "width_G": 16})), "by its settings"),
        (file(text=packed({**SMALL, "worlds": True})), "worlds=True does not fit"),
    ],
)
def test_a_strangers_file_is_refused_and_changes_nothing(data, says):
    refused(Game(**SMALL, seed=3), lambda game: starts.from_file(game, data), says or "no saved game, or is damaged")


@quickly
@given(st.data())
def test_a_file_with_a_slip_is_refused_or_another_game(data):
    i, byte = data.draw(st.integers(0, len(GOOD) - 1)), data.draw(st.integers(0, 255))
    game = Game(**SMALL, seed=3)
    before = all_of(game)
    try:
        starts.from_file(game, GOOD[:i] + bytes([byte]) + GOOD[i + 1 :])
    except ValueError:
        assert same(all_of(game), before)
    game.round(), game.read_losses()


def test_a_game_with_spectral_norm_comes_back_to_the_bit():
    game, other = Game(**SMALL, spectral_norm="on"), Game()
    for _ in range(3):
        game.round()
    starts.from_file(other, starts.to_file(game))
    assert same((*all_of(game)[:3], all_of(game)[-1]), (*all_of(other)[:3], all_of(other)[-1]))
    zero = {k: 0 * v for k, v in safetensors.load(starts.to_file(game)).items()}  # 0 / 0
    refused(other, lambda g: starts.from_file(g, safetensors.save(zero, {"text": starts.to_text(game), "rounds": "1"})))


def test_the_largest_game_is_still_a_file():
    assert len(starts.to_file(Game(worlds=12, width_G=128, width_D=128, depth_G=5, depth_D=5))) < starts.LARGEST / 2


def test_a_path_that_is_no_file_is_refused(tmp_path):
    playground = Playground(**SMALL)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="is no file"):
            playground.load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        playground.load(tmp_path / "nowhere")
    with open(tmp_path / "large", "wb") as large:
        large.truncate(10**12)  # a hole: it takes no room on the disk
    with pytest.raises(ValueError, match="at most"):
        playground.load(tmp_path / "large")
    with pytest.raises(OSError, match="cannot write"):
        playground.save(tmp_path / "large" / "below")
    playground.save(tmp_path / "game"), playground.load(tmp_path / "game")

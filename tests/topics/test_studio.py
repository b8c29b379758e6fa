"""What the studio's page works on: recipes, makers, texts to share, files to keep."""

import json
import math
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganedu import models
from ganedu.course import stored
from ganedu.pixels import to_uint8
from ganedu.sampling import refresh_batchnorm, seeded
from ganedu.topics import studio
from ganedu.topics.studio import Dial, Maker, Recipe


def small_G(n_classes=0, channels=1):
    with seeded(0):
        G = models.DCGenerator(16, channels, 4, 2, n_classes, "projection" if n_classes else None)
        G.net[-2].weight.data.mul_(50)
        refresh_batchnorm(G, 1, 64)
    return G.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def plain():
    return Maker(small_G(), "plain", dials=[Dial("push", -3, 3, "It pushes.", "No more.", torch.eye(4)[1])])


@pytest.fixture(scope="module")
def classed():
    return Maker(small_G(3, 3), "classed", classes=("a", "b", "c"))


class Styled(torch.nn.Module):
    """A stand-in for notebook 19's generator: layer k paints row k of the picture with its w."""

    z_dim = layers = 4
    image_size = 8

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def mapping(self, z):
        return self.scale * z

    def noise(self, n):
        return [torch.randn(n)]

    def synthesis(self, ws, noise=None):
        assert noise is not None  # fresh noise would give another picture each time
        return ws.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None].expand(-1, 3, -1, -1).tanh()


@pytest.fixture(scope="module")
def styled():
    return Maker(Styled(), "styled")


# ------------------------------------------------------------------------------------------------------------- recipes


def test_a_recipe_goes_to_json_and_back():
    for recipe in (
        Recipe(seed=3),
        Recipe(z=(0.5, -1.0), label=2, dials={"weight": 1.5}, style=7),
        Recipe(seed=0, label=(0.25, 0.75), style=(1.0, 2.0)),
    ):
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    "given",
    [
        {}, {"seed": 1, "z": (1.0,)}, {"seed": -1}, {"seed": 2**31}, {"seed": 1.5}, {"seed": True}, {"seed": "1"},
        {"z": (math.nan,)}, {"z": (math.inf,)}, {"z": "text"}, {"z": 5},
        {"seed": 1, "dials": {"a": math.nan}},
        {"seed": 1, "dials": {"a": "1"}}, {"seed": 1, "dials": {"a": 1e9}}, {"seed": 1, "dials": [1]},
        {"seed": 1, "dials": {3: 1.0}}, {"seed": 1, "label": 1.5}, {"seed": 1, "style": math.nan},
        {"seed": 1, "dials": {"a": True}},
    ],
)  # fmt: skip
def test_what_is_no_recipe(given):
    with pytest.raises(ValueError, match=r"recipe|seed|number|z=|dials|label|style"):
        Recipe(**given)


def test_a_recipe_of_something_else():
    for given, words in (([1], "not"), ({"sed": 1}, "Did you mean 'seed'"), (None, "not None")):
        with pytest.raises(ValueError, match=words):
            Recipe.from_json(given)


# -------------------------------------------------------------------------------------------------------------- makers


def test_equal_recipes_give_equal_pictures(plain):
    recipes = plain.fresh(9, 4)
    x = plain.draw(recipes)
    assert x.shape == (9, 1, 16, 16) and x.dtype == torch.float32 and x.abs().max() <= 1
    assert torch.equal(plain.draw(recipes), x)
    assert torch.allclose(plain.draw(recipes[3]), x[3:4], atol=1e-5)
    assert plain.fresh(9, 4) == recipes != plain.fresh(9, 5) and len({r.seed for r in recipes}) == 9


def test_what_is_drawn_is_g_of_z(plain):
    recipe = Recipe(z=(0.1, 0.2, 0.3, 0.4))
    with torch.no_grad():
        assert torch.allclose(plain.draw([recipe]), plain.G(torch.tensor([[0.1, 0.2, 0.3, 0.4]])), atol=1e-6)
        pushed = replace(recipe, dials={"push": 1.5})
        assert torch.allclose(plain.draw([pushed]), plain.G(torch.tensor([[0.1, 1.7, 0.3, 0.4]])), atol=1e-6)


def test_classes_are_drawn(classed):
    recipes = classed.fresh(60, 0)
    assert {r.label for r in recipes} == {0, 1, 2}
    z = torch.randn(4, generator=torch.Generator().manual_seed(5))[None]
    with torch.no_grad():
        assert torch.allclose(classed.draw([Recipe(seed=5, label=2)]), classed.G(z, torch.tensor([2])), atol=1e-6)


def test_the_late_layers_take_another_style(styled):
    a, b = Recipe(seed=1), Recipe(seed=2)
    x_a, x_b, mixed = (styled.draw([r])[0] for r in (a, b, styled.restyle(a, b)))
    assert torch.equal(mixed[:, :4], x_a[:, :4]) and torch.equal(mixed[:, 4:], x_b[:, 4:])
    both = styled.draw([a, styled.restyle(a, b), b])
    assert torch.equal(both[1], mixed) and torch.equal(both[0], x_a) and torch.equal(both[2], x_b)
    again = styled.restyle(a, Recipe(z=tuple(styled._z(2).tolist())))
    assert torch.allclose(styled.draw([again])[0], mixed, atol=1e-6)


def test_styles_need_layers_of_style(plain, classed):
    assert not plain.styled
    with pytest.raises(ValueError, match="no layers of style"):
        plain.restyle(Recipe(seed=1), Recipe(seed=2))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(seed=1, label=0), "no classes"),
        (Recipe(z=(1.0,) * 5), "holds 5 numbers"),
        (Recipe(seed=1, dials={"pusch": 1.0}), "Did you mean 'push'"),
        (Recipe(seed=1, style=3), "no layers of style"),
    ],
)
def test_what_a_maker_cannot_draw(plain, recipe, words):
    with pytest.raises(ValueError, match=words):
        plain.draw([recipe])


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, "no class"),
        (3, "label=3"),
        ((1.0, 1.0, 1.0), "add up to 1"),
        ((1.0,), "3 shares"),
        ((2.0, -1.0, 0.0), "0"),
    ],
)
def test_labels_must_fit(classed, label, words):
    with pytest.raises(ValueError, match=words):
        classed.draw([Recipe(seed=1, label=label)])


def test_nothing_to_draw(plain):
    with pytest.raises(ValueError, match="no recipes"):
        plain.draw([])
    with pytest.raises(ValueError, match="n="):
        plain.fresh(0)


# ------------------------------------------------------------------------------------------------- between two pictures


def test_mixing_goes_from_one_to_the_other(plain, classed):
    a, b = Recipe(seed=1, dials={"push": 2.0}), Recipe(seed=2)
    assert plain.mix(a, b, 0) is a and plain.mix(a, b, 1) is b
    middle = plain.mix(a, b, 0.5)
    assert middle.dials == {"push": 1.0} and middle.seed is None
    lengths = [torch.tensor(r.z).norm() for r in (middle, plain.mix(a, b, 0.25))]
    ends = [plain._z(s).norm() for s in (1, 2)]
    assert all(min(ends) * 0.98 < length < max(ends) * 1.02 for length in lengths)  # round, not through the middle
    blended = classed.mix(Recipe(seed=1, label=0), Recipe(seed=2, label=2), 0.25)
    assert blended.label == (0.75, 0.0, 0.25)
    assert classed.mix(Recipe(seed=1, label=1), Recipe(seed=2, label=1), 0.25).label == 1


def test_a_walk_is_even_and_has_both_ends(plain):
    a, b = plain.fresh(2)
    walk = plain.walk(a, b, 7)
    assert len(walk) == 7 and walk[0] == a and walk[-1] == b
    assert walk[3] == plain.mix(a, b, 0.5)
    x = plain.draw(walk)
    assert torch.allclose(x[0], plain.draw([a])[0], atol=1e-5)


def test_opposite_z_are_mixed_all_the_same(plain):
    a, b = Recipe(z=(1.0, 0.0, 0.0, 0.0)), Recipe(z=(-1.0, 0.0, 0.0, 0.0))
    assert all(math.isfinite(v) for v in plain.mix(a, b, 0.5).z)


@pytest.mark.parametrize("share", [-0.1, 1.5, math.nan, "half", True])
def test_shares_lie_between_0_and_1(plain, share):
    with pytest.raises(ValueError, match="share="):
        plain.mix(Recipe(seed=1), Recipe(seed=2), share)


# ------------------------------------------------------------------------------------------------------------ to share


def test_a_text_is_read_as_it_was_shared(plain):
    for recipe in (Recipe(seed=9, dials={"push": -1.25}), plain.mix(Recipe(seed=1), Recipe(seed=2), 0.3)):
        text = plain.share(recipe)
        assert "\n" not in text and len(text) < 400
        back = plain.read(text)
        assert (plain.draw([back]) - plain.draw([recipe])).abs().max() < 1e-3
        assert plain.share(back) == text
    assert plain.read(plain.share(Recipe(seed=9))) == Recipe(seed=9)


def test_texts_of_another_model_are_refused_by_name(plain, classed):
    text = classed.share(Recipe(seed=1, label=2))
    with pytest.raises(ValueError, match=r"made by the model 'classed'.*the model plain"):
        plain.read(text)
    other = Maker(small_G(channels=3), "plain", dials=[])
    assert other.digest != plain.digest
    with pytest.raises(ValueError, match="other weights"):
        plain.read(other.share(Recipe(seed=1)))


def _with(plain, **changed):
    return json.dumps(json.loads(plain.share(Recipe(seed=1))) | changed)


def test_broken_texts_are_refused_in_words(plain):
    good = plain.share(Recipe(seed=1))
    nan = good.replace('{"seed":1}', '{"seed":1,"dials":{"push":NaN}}')
    for text, words in (
        ("", "empty"), (None, "empty"), ("   ", "empty"), (good[:-4], "only a part"), ("hello", "only a part"),
        ("[1, 2]", "does not begin"), ("x" * 5_000_000, "5,000,000 characters"), ("[" * 100_000, "only a part"),
        (_with(plain, ganedu="other"), "does not begin"), (_with(plain, model=3), "does not begin"),
        (_with(plain, recipe={"seed": 1, "dials": {"what": 1}}), "unknown dial"),
        (_with(plain, recipe=[]), "recipe is"),
        (_with(plain, recipe={"seed": 1, "x": 2}), "unknown part"), (nan, "nan"), (_with(plain, recipe={}), "either a"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            plain.read(text)


# ------------------------------------------------------------------------------------------------------------- to keep


def test_a_png_holds_its_picture_and_its_card(plain, classed, tmp_path):
    for maker, recipe in ((plain, Recipe(seed=3, dials={"push": 1.0})), (classed, Recipe(seed=4, label=1))):
        data = maker.png(recipe, "2026-11-28")
        (tmp_path / "x.png").write_bytes(data)
        card = studio.card(tmp_path / "x.png")
        assert card == studio.card(data) and card["generated"] is True
        wanted = {"model": maker.name, "digest": maker.digest, "seed": recipe.seed, "date": "2026-11-28"}
        assert {k: card[k] for k in wanted} == wanted and "data" in card
        assert Recipe.from_json(card["recipe"]) == recipe
        pixels = torch.frombuffer(bytearray(Image.open(BytesIO(data)).tobytes()), dtype=torch.uint8)
        assert torch.equal(pixels, to_uint8(maker.draw([recipe]))[0].movedim(0, -1).flatten())
        assert maker.png(recipe, "2026-11-28") == data


def saved_again(data, pixels=None, text=None, size=None):
    picture, info = Image.open(BytesIO(data)), PngInfo()
    picture.load()
    picture = picture if size is None else Image.frombytes(picture.mode, size, picture.tobytes())
    if text is not None:
        info.add_itxt("ganedu", text)
    if pixels:
        picture.putpixel((0, 0), 255 - picture.getpixel((0, 0)))
    file = BytesIO()
    picture.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def test_missing_and_altered_cards_are_told_apart(plain, tmp_path):
    data = plain.png(Recipe(seed=3), "2026-11-28")
    text = Image.open(BytesIO(data)).text["ganedu"]
    assert studio.card(saved_again(data, text=text))["seed"] == 3
    for altered, words in (
        (saved_again(data), "no card"),
        (saved_again(data, text=text.replace('"seed": 3', '"seed": 4')), "altered"),
        (saved_again(data, text=text.replace("true", "false")), "altered"),
        (saved_again(data, text=text[:-9]), "broken"),
        (saved_again(data, text="[]"), "broken"),
        (saved_again(data, pixels=True, text=text), "another picture"),
        (
            saved_again(
                data, size=(Image.open(BytesIO(data)).width // 2, 2 * Image.open(BytesIO(data)).height), text=text
            ),
            "another picture",
        ),  # the same bytes in other rows
        (data[: len(data) // 2], "no picture"),
        (b"no picture at all", "no picture"),
    ):
        with pytest.raises(ValueError, match=words):
            studio.card(altered)
    with pytest.raises(FileNotFoundError):
        studio.card(tmp_path / "none.png")


@pytest.mark.parametrize("date", [None, 2026, "", "x" * 50])
def test_a_card_wants_a_date(plain, date):
    with pytest.raises(ValueError, match="date="):
        plain.png(Recipe(seed=1), date)


def test_a_walk_is_kept_as_a_gif(plain):
    data = plain.gif(plain.walk(*plain.fresh(2), 5), seconds=1)
    with Image.open(BytesIO(data)) as film:
        assert film.n_frames == 8 and film.size == (64, 64) and film.info["loop"] == 0  # there and back
        assert film.info["duration"] == 200
    for wrong in (torch.zeros(1, 1, 8, 8), torch.full((2, 1, 8, 8), 3.0)):
        with pytest.raises(ValueError, match="must be"):
            studio.gif(wrong)
    with pytest.raises(ValueError, match="seconds"):
        studio.gif(torch.zeros(2, 1, 8, 8), seconds=math.nan)


# ------------------------------------------------------------------------------------------------ where they come from


@pytest.mark.parametrize("name", studio.NAMES)
def test_makers_of_a_name(name):
    if name == "shapes" and not (stored.FOLDER / f"{studio.STYLES}.safetensors").is_file():
        pytest.skip("notebook 19 has not stored its generator yet")
    maker = Maker.of(name)
    assert maker.name == name and maker.licence and maker.dials
    x = maker.draw(maker.fresh(3))
    assert x.shape == (3, maker.channels, maker.image_size, maker.image_size)
    assert all(d.low < 0 < d.high and d.effect and d.side and abs(d.direction.norm() - 1) < 1e-2 for d in maker.dials)
    assert all(v.shape == (3,) for v in maker.measure(x).values())
    assert 0.5 < maker.diversity(maker.fresh(12, 3)) < 1.6 and maker.diversity(maker.fresh(1)) == 0


def test_wrong_names_and_folders_are_refused_at_once(tmp_path):
    for what, error, words in (
        ("digit", ValueError, "Did you mean 'digits'"), (str(tmp_path / "none"), ValueError, "folder of a run"),
        (None, ValueError, "unknown model"), (3, ValueError, "unknown model"),
        (tmp_path, FileNotFoundError, "no checkpoint"), (str(tmp_path), FileNotFoundError, "no checkpoint"),
        (tmp_path / "none", FileNotFoundError, "no checkpoint"), (Path(__file__), FileNotFoundError, "no checkpoint"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            Maker.of(what)


@pytest.mark.parametrize("kind", ["dcgan", "cgan"])
def test_makers_of_a_run(kind, tmp_path):
    from ganedu.__main__ import main

    out = tmp_path / "run"
    main(["train", kind, "--data", "digits", "--image-size", "16", "--width", "2", "--steps", "3", "--out", str(out)])
    maker = Maker.of(out)
    assert maker.name == "run" and [d.name for d in maker.dials] == ["1", "2", "3"]
    assert all("no name" in d.effect and not d.measured for d in maker.dials)
    assert len(maker.classes) == (10 if kind == "cgan" else 0)
    assert maker.draw(maker.fresh(4)).shape == (4, 1, 16, 16)
    assert maker.features(maker.fresh(4)).shape == (4, 49) and maker.measure(None) == {}
    assert Maker.of(shutil.copytree(out, out / "best")).name == "run"
    assert torch.equal(Maker.of(str(out)).draw(maker.fresh(2)), maker.draw(maker.fresh(2)))

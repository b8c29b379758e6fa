"""Oracles: drawings and answers written down by hand, and the bytes that the page gets."""

import base64
import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu.widgets import Sketch, pictures, sketch


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


def negative(ink, **values):
    return 1 - 2 * ink


def bar(size=28, value=1.0):
    """A horizontal bar in the upper half, (1, size, size)."""
    x = torch.zeros(1, size, size)
    x[:, 5:9] = value
    return x


def draw(shown, ink, image=0, n=1) -> None:
    text = base64.b64encode(bytes((ink * 255).round().to(torch.uint8).flatten().tolist())).decode()
    shown._handle_custom_msg({"ink": text, "image": image, "id": {"view": "v", "n": n}}, [])


def answered(shown):
    """uint8 (N, H, W, C)"""
    return np.frombuffer(shown.pictures, "u1").reshape(shown.shape)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_page_without_kernel_gets_the_first_example_with_its_answer_and_their_text(displayed):
    def says(made, ink, h):
        return f"{made.max():.1f} from {ink.sum():.0f}"

    examples = {"bar": bar(), "pale": bar(value=0.2)}
    shown = sketch(lambda ink, h: h * negative(ink), examples=examples, alt="Draw a bar.", says=says, h=(0.5, 0.9, 0.1))
    ((bundle, metadata),) = displayed
    assert isinstance(shown, Sketch) and bundle[pictures.WIDGET]["model_id"] == shown.widget.model_id
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == shown.words == "Draw a bar. 0.5 from 112"
    assert shown.widget.children[0].children == (shown.controls["h"],) and shown.widget.children[1] is shown
    left, right = np.split(pixels(base64.b64decode(bundle["image/png"])), [360], axis=1)
    (dark,) = np.nonzero((left[:, 200:300] == 0).all((1, 2)))  # from the first row of the pad to its last
    assert len(left) * 0.8 < dark[-1] - dark[0] < len(left)
    row = [dark[0] + (dark[-1] - dark[0]) * k // 28 for k in (2, 7, 20)]  # above the bar, on it, below
    assert [np.unique(left[r, 60:300]).tolist() for r in row] == [[0], [255], [0]]
    assert [np.unique(right[r, 60:300]).tolist() for r in row] == [[191], [64], [191]]  # +-0.5
    assert not shown.ink.any() and shown.pictures == b"" and shown.text == "", "the pad itself is empty"


def test_a_drawing_is_answered(displayed):
    given = []

    def answer(ink, h):
        given.append((ink, h))
        return torch.stack([-negative(ink), h * negative(ink)])

    shown = sketch(answer, h=(0.0, 1.0))
    draw(shown, bar(value=0.2), n=7)
    ink, h = given[-1]
    assert ink.shape == (1, 28, 28) and ink.dtype == torch.float32 and h == 0
    torch.testing.assert_close(ink, bar(value=0.2))
    assert torch.equal(shown.ink, ink) and shown.reply == {"view": "v", "n": 7}
    made = answered(shown)
    assert made.shape == (2, 28, 28, 1) and (made[0, 5:9] == 51).all() and (made[0, 9:] == 0).all()
    assert (made[1] == 128).all()  # 0 in [-1, 1]
    shown.controls["h"].value = 1.0
    assert (answered(shown)[1, 5:9] == 204).all() and torch.equal(given[-1][0], ink), "a slider answers it again"
    assert shown.words == "A drawing, and the answer to it."


def test_the_picture_is_that_of_the_drawing_once_there_is_one(displayed):
    shown = sketch(negative, examples={"bar": bar()})
    before = pixels(shown.picture()).astype(int)
    draw(shown, bar().flip(1))
    after = pixels(shown.picture()).astype(int)
    assert abs(before - after).max() == 255
    top, bottom = before[:, :350].mean((1, 2))[60:200].mean(), before[:, :350].mean((1, 2))[200:340].mean()
    now_top, now_bottom = after[:, :350].mean((1, 2))[60:200].mean(), after[:, :350].mean((1, 2))[200:340].mean()
    assert top > bottom + 30 and now_bottom > now_top + 30
    draw(shown, 0 * bar())
    assert np.array_equal(pixels(shown.picture()), before)


def test_an_empty_drawing_is_not_answered(displayed):
    calls = []
    shown = sketch(lambda ink: calls.append(1) or negative(ink))
    draw(shown, bar())
    assert len(calls) == 2 and shown.pictures  # tried, and drawn
    draw(shown, 0 * bar(), n=2)
    assert len(calls) == 2 and shown.pictures == b"" == shown.text.encode() and shown.shape == []
    assert shown.reply["n"] == 2 and not shown.ink.any()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mask_is_painted_on_the_chosen_image(channels, displayed):
    photos = torch.rand(2, channels, 40, 40, generator=torch.manual_seed(0)) * 2 - 1

    def answer(ink, image, h):
        return torch.where(ink > 0.5, torch.full_like(image, h), image)

    def says(made, ink, image, h):
        return f"{(made != image).sum().item() // channels} pixels"

    shown = sketch(answer, 40, over={"one": photos[0], "two": photos[1].numpy()}, says=says, h=(0.0, 1.0))
    assert shown.image_names == ["one", "two"] and shown.words.startswith("A mask painted on an image")
    whole = np.frombuffer(shown.images, "u1").reshape(2, 40, 40, 3)
    np.testing.assert_allclose(whole, ((photos.expand(-1, 3, -1, -1).permute(0, 2, 3, 1) + 1) * 127.5), atol=0.51)
    draw(shown, bar(40), image=1)
    (made,) = answered(shown)
    assert shown.image == 1 and shown.text == "160 pixels" and (made[5:9] == 128).all()
    assert (made[9:] == whole[1, 9:, :, :channels]).all()


def test_images_to_paint_on_come_in_many_forms(displayed):
    x = torch.randint(256, (2, 3, 28, 28), dtype=torch.uint8)
    for over, n in ((x, 2), (x[0], 1), ([x[0], x[1].float() / 127.5 - 1], 2), (x.numpy(), 2)):
        shown = sketch(lambda ink, image: image, over=over)
        assert shown.images == x[:n].permute(0, 2, 3, 1).numpy().tobytes() and shown.image_names == [""] * n
        draw(shown, bar(), image=n - 1)
        assert (answered(shown) == x[n - 1].permute(1, 2, 0).numpy()).all(), "to the bit"
    still = pixels(shown.picture())
    assert len(np.unique(still.reshape(-1, 3), axis=0)) > 600, "photographs keep their colours"


def test_what_answer_does_to_its_image_does_not_stay(displayed):
    shown = sketch(lambda ink, image: image.mul_(0), over=bar().expand(3, -1, -1))
    draw(shown, bar())
    assert shown.photos.sum() == 3 * 4 * 28


def test_examples_come_in_many_forms(displayed):
    page = (bar() * 255).to(torch.uint8).numpy().tobytes()
    x = bar()[None]
    for examples in (x, {"a": bar()}, [bar().bool()], x.numpy(), (x * 255).to(torch.uint8)):
        shown = sketch(negative, examples=examples)
        assert shown.examples == page and shown.example_names == (["a"] if isinstance(examples, dict) else [""])
    assert sketch(negative).examples == b""


def test_a_mistake_is_said_and_the_widget_lives_on(displayed):
    def answer(ink, h):
        return negative(ink) / h if ink.mean() < 0.5 else ink[0, 0]

    shown = sketch(answer, says=lambda made, ink, h: "well" if h > 1 else 1 / 0, h=(1.0, 3.0, 1.0, 2.0))
    assert shown.text == "" and shown.words.endswith("well")
    draw(shown, bar())
    assert shown.text == "well" and shown.pictures
    draw(shown, torch.ones(1, 28, 28), n=2)
    assert shown.text.startswith("WrongAnswer: answer gave a tensor (28,)") and shown.pictures == b""
    assert shown.reply["n"] == 2 and pixels(shown.picture()).any(), "it is answered"
    shown.controls["h"].value = 1.0
    draw(shown, bar(), n=3)
    assert shown.text == "ZeroDivisionError: division by zero" and shown.pictures == b""
    shown.controls["h"].value = 2.0
    assert shown.text == "well" and shown.pictures


def test_a_mistake_in_the_first_try_is_said(displayed):
    shown = sketch(lambda ink: 1 / 0)
    assert shown.text == "ZeroDivisionError: division by zero" and displayed[0][0]["text/plain"].endswith(shown.text)


def test_a_drawing_that_does_not_fit_is_not_taken(displayed):
    shown = sketch(negative)
    draw(shown, bar())
    draw(shown, bar(30), n=2)
    draw(shown, 0 * bar(), image=1, n=3)
    torch.testing.assert_close(shown.ink, bar())
    assert shown.reply["n"] == 3


@pytest.mark.parametrize(
    "message",
    [None, 5, [], {}, {"ink": "", "image": 0}, {"id": 5, "ink": "", "image": 0}, {"id": {"n": 1}},
     {"id": {"n": 1}, "ink": 5, "image": 0}, {"id": {"n": 1}, "ink": "A" * 10**6, "image": 0},
     {"id": {"n": 1}, "ink": "é", "image": 0}, {"id": {"n": 1}, "ink": base64.b64encode(bytes(784)).decode()},
     {"id": {"n": 1}, "ink": base64.b64encode(bytes(784)).decode(), "image": "0"},
     {"id": {"n": 1}, "ink": base64.b64encode(bytes(784)).decode(), "image": 0.0}],
)  # fmt: skip
def test_a_page_of_another_version_draws_nothing_and_the_widget_lives_on(message, displayed):
    shown = sketch(negative)
    draw(shown, bar())
    shown._handle_custom_msg(message, [])
    torch.testing.assert_close(shown.ink, bar())
    draw(shown, bar(), n=2)
    assert shown.reply["n"] == 2 and shown.pictures and shown.text == ""


def test_a_function_that_ends_the_process_is_a_mistake_like_others(displayed):
    shown = sketch(lambda ink: sys.exit(3))
    draw(shown, bar())
    assert shown.text == "SystemExit: 3"


def test_no_gradient_is_kept(displayed):
    weight = torch.ones(1, requires_grad=True)
    seen = []
    sketch(lambda ink: negative(ink) * weight, says=lambda made, ink: seen.append(made.requires_grad))
    assert seen == [False]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"answer": None}, "answer is NoneType: give a function"),
        ({"says": 5}, "says is int: give a function"),
        ({"alt": None}, "alt is NoneType: give a text"),
        ({"thickness": True}, "thickness=True"),
        ({"thickness": 10**400}, "thickness=1000"),
        ({"over": [[[1], [2, 3]]]}, r"over\[0\] is list and makes no array"),
        ({"over": torch.eye(28).to_sparse()}, "over is Tensor and makes no array"),
        ({"examples": {"a": [[1], [2, 3]]}}, r"examples\['a'\] is list and makes no array"),
        ({"size": 27}, "size=27: the pad takes 28 to 64"),
        ({"size": 65}, "size=65"),
        ({"size": 28.0}, "size=28.0"),
        ({"size": "28"}, "size='28'"),
        ({"thickness": 0.5}, "thickness=0.5: give 1 to size / 4 = 7 pixels"),
        ({"thickness": 8}, "thickness=8"),
        ({"thickness": float("nan")}, "thickness=nan"),
        ({"over": torch.zeros(1, 28, 29)}, r"over\[0\] is \(1, 28, 29\): give \(1 or 3, 28, 28\), as the pad is"),
        ({"over": torch.zeros(2, 28, 28)}, r"over\[0\] is \(2, 28, 28\)"),
        ({"over": torch.zeros(28, 28)}, r"over\[0\] is \(28, 28\): give"),
        ({"over": {"a": torch.zeros(1, 28, 28), "b": torch.zeros(3, 28, 28)}}, r"over\['b'\] is \(3, 28, 28\).* alike"),
        ({"over": torch.full((1, 28, 28), 2.0)}, r"over\[0\] must be .* \[-1, 1\] or uint8: got float32 .* from 2"),
        ({"over": torch.full((1, 28, 28), float("nan"))}, r"over\[0\] must be .* got float32 .* nan"),
        ({"over": torch.zeros(1, 28, 28).long()}, r"over\[0\] must be .* got int64"),
        ({"over": []}, "over holds 0 images: give 1 to 24"),
        ({"over": "a photo"}, "over is str: give an image"),
        ({"examples": "ab"}, "examples is str: give a dict of drawings"),
        ({"examples": bar()}, r"examples\[0\] is \(28, 28\): give a dict of drawings \(1, 28, 28\), or"),
        ({"examples": {"x": bar(29)}}, r"examples\['x'\] is \(1, 29, 29\)"),
        ({"examples": torch.ones(25, 1, 28, 28)}, "examples holds 25 images: give 1 to 24"),
        ({"examples": torch.ones(0, 1, 28, 28)}, "examples holds 0 images"),
        ({"examples": {"x": 2 * bar() - 1}}, r"examples\['x'\] is float32 and must be ink: .* \(x \+ 1\) / 2"),
        ({"examples": {"x": bar() / 0}}, r"examples\['x'\] is float32 and must be ink"),
        ({"examples": {"x": bar().long()}}, r"examples\['x'\] is int64"),
        ({"examples": {"x": 0 * bar()}}, r"examples\['x'\] is empty"),
        ({"answer": lambda ink: None}, "answer gave NoneType: it must return an image"),
        ({"answer": lambda ink: ink[0]}, r"answer gave a tensor \(28, 28\)"),
        ({"answer": lambda ink: torch.zeros(17, 1, 8, 8)}, r"\(17, 1, 8, 8\): .* 1 to 16 of them"),
        ({"answer": lambda ink: torch.zeros(0, 1, 8, 8)}, r"\(0, 1, 8, 8\)"),
        ({"answer": lambda ink: torch.zeros(2, 8, 8)}, r"\(2, 8, 8\): .* 1 or 3 channels"),
        ({"answer": lambda ink: torch.zeros(1, 129, 8)}, r"\(1, 129, 8\): .* up to 128"),
        ({"answer": lambda ink: torch.zeros(1, 0, 8)}, r"\(1, 0, 8\)"),
        ({"answer": lambda ink: ink / 0}, r"answer gave must be .*: got torch\.float32 .* nan"),
        (
            {"answer": lambda ink: 3 * ink},
            r"answer gave must be .* float in \[-1, 1\]: got torch\.float32 .* from 0 to 3",
        ),
        ({"answer": lambda ink: ink.to(torch.uint8)}, r"answer gave must be .*: got torch\.uint8"),
        ({"h": "fast"}, "h='fast' is no control"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_shown(wrong, message, displayed):
    with pytest.raises(ValueError, match=message):
        sketch(**{"answer": negative, **wrong})
    assert displayed == []


def test_by_its_name_it_comes_with_its_controls(displayed):
    shown = sketch(negative)
    assert shown.widget.model_id in str(shown._repr_mimebundle_())

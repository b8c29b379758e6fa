"""Oracles: the images themselves, places and neighbours written down by hand, and a simulation of colour-blind eyes."""

import base64
import io
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu.data import to_float
from ganedu.widgets import ImageMap, image_map, pictures
from ganedu.widgets.image_map import COLOURS, thinned


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


def some(n=7, channels=1, height=5, width=6):
    return torch.randint(256, (n, channels, height, width), dtype=torch.uint8, generator=torch.manual_seed(n))


def given(n=7, **changed):
    """What `image_map` takes; two maps, three classes, two neighbours."""
    line = torch.arange(n, dtype=torch.float32)
    ring = (torch.arange(n)[:, None] + torch.tensor([1, 2])) % n
    everything = {
        "x": some(n),
        "places": {"a line": torch.stack([line, 0 * line], 1), "a square": torch.stack([line % 2, line // 2], 1)},
        "labels": torch.arange(n) % 3,
        "names": ("bag", "coat", "dress"),
        "neighbours": {"a square": ring.flip(1), "a line": ring},
    }
    return {**everything, **changed}


def tiles(shown):
    """The images that the page cuts out of its sheet."""
    sheet, (height, width) = np.asarray(Image.open(io.BytesIO(shown.sheet))), shown.size
    places = [divmod(i, shown.columns) for i in range(len(shown.labels))]
    return [sheet[r * height : (r + 1) * height, c * width : (c + 1) * width] for r, c in places]


def of(data, kind, *shape):
    return np.frombuffer(data, kind).reshape(shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n", [2, 7, 9, 10])
def test_the_sheet_holds_the_images_to_the_bit(n, channels, displayed):
    x = some(n, channels)
    for images in (x, to_float(x), x.numpy()):
        shown = image_map(images, {"all": torch.rand(n, 2)})
        assert shown.size == [5, 6] and len(shown.labels) == n
        for tile, image in zip(tiles(shown), x.numpy(), strict=True):
            assert (tile.reshape(5, 6, channels) == image.transpose(1, 2, 0)).all()


def test_the_page_gets_every_map_its_neighbours_and_classes(displayed):
    shown = image_map(**given(), alt="Seven.")
    assert shown.maps == ["a line", "a square"] and shown.k == 2 and shown.alt == "Seven."
    line, square = of(shown.places, "<f4", 2, 7, 2)
    np.testing.assert_allclose(line, [[i / 6, 0.5] for i in range(7)], atol=1e-6)
    np.testing.assert_allclose(square[:, 1] * 3, [0, 0, 1, 1, 2, 2, 3], atol=1e-6)
    np.testing.assert_allclose(square[:2, 0], [1 / 3, 2 / 3], atol=1e-6)  # both directions shrink alike
    near = of(shown.neighbours, "<u2", 2, 7, 2)
    assert near[0, 6].tolist() == [0, 1] and near[1, 6].tolist() == [1, 0], "in the order of places"
    assert list(shown.labels) == [0, 1, 2, 0, 1, 2, 0] and shown.names == ["bag", "coat", "dress"]


def test_labels_and_neighbours_may_be_left_out(displayed):
    shown = image_map(some(), {3: np.zeros((7, 2))})
    assert shown.maps == ["3"] and shown.names == [] and shown.k == 0 and shown.neighbours == b""
    assert (of(shown.places, "<f4", 7, 2) == 0.5).all() and set(shown.labels) == {0}
    assert image_map(some(), {"a": np.eye(7, 2)}, np.array([0, 3] * 3 + [1])).names == ["0", "1", "2", "3"]


def test_names_may_be_none_and_places_as_far_as_numbers_go(displayed):
    assert image_map(**given(names=None)).names == ["0", "1", "2"]
    far = np.array([[-1e308, 0.0], [1e308, 0.0]] * 3 + [[0.0, 1e308]])
    (places,) = of(image_map(some(), {"far": far}).places, "<f4", 1, 7, 2)
    np.testing.assert_allclose(places[[0, 1, 6]], [[0, 0.25], [1, 0.25], [0.5, 0.75]])


def test_a_page_without_kernel_gets_a_picture_and_its_text(displayed):
    shown = image_map(**given(), alt="Seven.")
    ((bundle, metadata),) = displayed
    assert isinstance(shown, ImageMap) and bundle[pictures.WIDGET]["model_id"] == shown.model_id
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == shown.words
    assert shown.words == (
        "Seven. A map of 7 images by a line, each a dot, coloured by class: bag, coat, dress; 7 of the images are "
        "drawn at their places."
    )
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGB"))
    for light, _ in COLOURS[:3]:  # frames, dots and legend
        assert (picture == [int(light[i : i + 2], 16) for i in (1, 3, 5)]).all(-1).sum() > 200


def test_the_picture_shows_the_images_where_they_are(displayed):
    """One white image among black ones: the picture is white there alone, within the map."""
    x = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    x[1] = 255
    places = {"map": [[0, 0], [1, 0], [1, 1]]}
    picture = np.asarray(Image.open(io.BytesIO(image_map(x, places).picture())).convert("L")).astype(int)
    inverse = np.asarray(Image.open(io.BytesIO(image_map(255 - x, places).picture())).convert("L")).astype(int)
    height, width = picture.shape
    rows, columns = np.nonzero(picture - inverse > 200)
    assert rows.min() > 0.75 * height and columns.min() > 0.75 * width and len(rows) > 400


def test_images_drawn_lie_apart_and_wide_spread():
    places = torch.rand(500, 2, generator=torch.manual_seed(0)).numpy()
    chosen = thinned(places, 0.1, 1000)
    gaps = np.abs(places[chosen][:, None] - places[chosen]).max(-1) + np.eye(len(chosen))
    assert gaps.min() >= 0.1
    assert np.abs(places[:, None] - places[chosen]).max(-1).min(1).max() < 0.1, "there is room for one more"
    assert len(thinned(places, 0.1, 5)) == 5 == len(set(chosen[:5]))
    assert thinned(np.full((4, 2), 0.5), 0.1, 5) == [0]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"x": some(1)}, "1 images: a map takes 2 to 2,500"),
        ({"x": some()[:0]}, "0 images"),
        ({"x": torch.zeros(2501, 1, 2, 2)}, "2,501 images: a map takes 2 to 2,500"),
        ({"x": some()[:, 0]}, r"images must be \(N, 1 or 3, H, W\)"),
        ({"x": some(channels=2)}, r"images must be \(N, 1 or 3, H, W\)"),
        ({"x": some().long()}, r"float in \[-1, 1\] or uint8: got int64"),
        ({"x": some().float()}, r"float in \[-1, 1\] or uint8: got float32 .* from"),
        ({"x": torch.full((7, 1, 5, 5), float("nan"))}, r"float in \[-1, 1\] or uint8: got float32 .* from"),
        ({"x": some(height=65)}, "65 x 6 pixels: sides from 1 to 64"),
        ({"x": some(height=0)}, "0 x 6 pixels"),
        ({"places": {}}, "places must be a dict"),
        ({"places": torch.zeros(7, 2)}, "places must be a dict"),
        ({"places": {"a": torch.zeros(6, 2)}}, r"places\['a'\] is float32 \(6, 2\): .* \(7, 2\)"),
        ({"places": {"a": torch.zeros(7, 3)}}, r"\(7, 3\)"),
        ({"places": {"a": torch.eye(7)[:, :2] / 0}}, r"places\['a'\] holds NaN or infinity"),
        ({"x": [[1], [2, 3]]}, "x is list and makes no array"),
        ({"x": None}, r"images must be \(N, 1 or 3, H, W\)"),
        ({"x": torch.eye(7).to_sparse()}, "x is Tensor and makes no array"),
        ({"places": {"a": [[0, 1], [2]]}}, r"places\['a'\] is list and makes no array"),
        ({"places": {"a": None}}, r"places\['a'\] is object"),
        ({"names": 5}, "names=5 must be what the classes are called"),
        ({"names": [None, [], 3]}, "must be what the classes are called"),
        ({"labels": [10**18] * 7, "names": None}, "11 classes: the eye tells 10"),
        ({"labels": [[1], [2, 3]]}, "labels is list and makes no array"),
        ({"neighbours": {"a line": 5, "a square": 5}}, r"neighbours\['a line'\] is int64 \(\)"),
        ({"neighbours": {"a line": [[1], [2, 3]], "a square": 5}}, r"neighbours\['a line'\] is list"),
        ({"alt": None}, "alt is NoneType: give a text"),
        ({"labels": None}, "names without labels"),
        ({"labels": torch.zeros(6, dtype=int)}, r"labels are int64 \(6,\)"),
        ({"labels": torch.zeros(7)}, "labels are float32"),
        ({"labels": torch.arange(7)}, "labels go from 0 to 6, but must lie in 0 to 2"),
        ({"labels": torch.arange(7) % 3 - 1}, "labels go from -1"),
        ({"labels": torch.arange(7), "names": "abcdefghijk"}, "11 classes: the eye tells 10"),
        ({"neighbours": torch.zeros(7, 2)}, "neighbours are Tensor: give a dict"),
        ({"neighbours": {"a line": torch.ones(7, 1, dtype=int)}}, r"neighbours are \['a line'\]: .* 'a square'"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.ones(7, 2)}}, r"float32 \(7, 2\): give ind"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.ones(6, 2, dtype=int)}}, r"\(6, 2\)"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.ones(7, 13, dtype=int)}}, "1 to 12"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.full((7, 1), 7)}}, "7 to 7: give 0 to 6"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.full((7, 1), -1)}}, "from -1"),
        ({"places": {"a": torch.eye(7)[:, :2]}, "neighbours": {"a": torch.full((7, 1), 3)}}, "among its own neighb"),
        ({"neighbours": {"a line": [[i - 1, i - 2] if i > 1 else [3, 4] for i in range(7)],
                         "a square": [[i - 1] if i else [3] for i in range(7)]}}, "as many in every map"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_anything_is_shown(wrong, message, displayed):
    with pytest.raises(ValueError, match=message):
        image_map(**given(**wrong))
    assert displayed == []


# What such eyes see of linear RGB: Machado, Oliveira, Fernandes 2009, severity 1; OKLab: Ottosson 2020.
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
OKLAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


def closest(colours):
    """The least distance of two of them in OKLab, to the eye that tells them apart worst."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = [np.cbrt((linear @ np.transpose(eye)).clip(0, 1) @ np.transpose(CONES)) @ np.transpose(OKLAB)
            for eye in EYES.values()]  # fmt: skip
    return min(np.linalg.norm(a - b) for lab in seen for a, b in combinations(lab, 2))


def test_colour_blind_eyes_tell_ten_colours_apart_as_well_as_okabe_and_itos_six():
    light, dark = zip(*COLOURS, strict=True)
    assert closest(light) == closest(light[:6]) > 0.07  # "just noticed" is about 0.02
    assert closest(dark) > closest(light)
    assert closest([*light[:6], "#6A3D9A"]) < closest(light), "the course's own violet comes too near to blue"

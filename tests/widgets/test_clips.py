"""Oracles: the pixels themselves, and what a page without a kernel shows of them."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu.data import to_float
from ganedu.widgets import Clips, clips, pictures


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


def some(n=3, frames=4, channels=3, height=5, width=6, seed=0):
    return torch.randint(256, (n, frames, channels, height, width), dtype=torch.uint8,
                         generator=torch.manual_seed(seed))  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_gets_every_pixel(channels, displayed):
    a, b = some(channels=channels), some(2, channels=channels, seed=1)
    for rows in ({"real": a, "fake": b}, {"real": to_float(a), "fake": to_float(b).numpy()}):
        shown = clips(rows, alt="Two kinds.")
        assert shown.names == ["real", "fake"] and shown.counts == [3, 2] and shown.shape == [4, 5, 6, channels]
        for name, x in (("real", a), ("fake", b)):
            assert (shown.rows()[name] == x.permute(0, 1, 3, 4, 2).numpy()).all()
    assert np.frombuffer(shown.pixels, "u1").size == 5 * 4 * 5 * 6 * channels


def test_a_page_without_kernel_gets_strips_and_their_text(displayed):
    x = torch.zeros(3, 4, 1, 8, 8, dtype=torch.uint8)
    x[0, 2] = 200  # one frame of the first clip is light
    shown = clips({"a name": x}, alt="Dark.")
    ((bundle, metadata),) = displayed
    assert isinstance(shown, Clips) and bundle[pictures.WIDGET]["model_id"] == shown.model_id
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == "Dark. Clips of 4 frames: 3 a name."
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("L"))
    light, dark = (picture == 200).sum(), (picture == 0).sum()
    assert 6 < dark / light < 8.2, "two clips of four frames, one of them light"
    rows, columns = np.nonzero(picture == 200)
    assert columns.mean() > picture.shape[1] / 2 and rows.mean() < picture.shape[0] / 2


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        ({}, {}, "rows is dict: give a dict with a row or more"),
        (some(), {}, "rows is Tensor: give a dict"),
        ({"a": some()[0]}, {}, r"rows\['a'\] is uint8 \(4, 3, 5, 6\): give clips \(N, T, C, H, W\)"),
        ({"a": some(0)}, {}, r"give clips \(N, T, C, H, W\)"),
        ({"a": some(channels=2)}, {}, r"the frames of rows\['a'\] must be \(N, 1 or 3, H, W\)"),
        ({"a": some().long()}, {}, "float in .* or uint8: got int64"),
        ({"a": some().float()}, {}, "from 0 to 255"),
        ({"a": some() * torch.nan}, {}, "diverged"),
        ({"a": [[1], [2, 3]]}, {}, "makes no array"),
        ({"a": some(), "b": some(frames=5)}, {}, r"rows\['b'\] has clips \(5, 5, 6, 3\).*\(4, 5, 6, 3\)"),
        ({"a": some(33)}, {}, "33 clips of 4 frames of 5 x 6 pixels: at most 32"),
        ({"a": some(frames=1)}, {}, "2 to 64"),
        ({"a": some(frames=65)}, {}, "2 to 64"),
        ({"a": some(width=129)}, {}, "sides up to 128"),
        ({"a": some()}, {"per_second": 0}, "per_second=0 does not fit: give a whole number from 1 to 30"),
        ({"a": some()}, {"per_second": 2.5}, "per_second=2.5"),
        ({"a": some()}, {"alt": None}, "alt is NoneType: give a text"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_shown(rows, more, words, displayed):
    with pytest.raises(ValueError, match=words):
        clips(rows, **more)
    assert displayed == []

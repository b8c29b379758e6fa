"""Players: read back with scipy what they hold; volume and ends; what is no sound; sliders that change sounds."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.io import wavfile

from ganedu.widgets import sounds

RATE = 8000


def tone(n=2048, size=1.0):
    return size * np.sin(2 * np.pi * 200 * np.arange(n) / RATE)


def read(text):
    """All sounds of a page: [(rate, samples as shares of the largest a file can hold)]."""
    found = re.findall(r"data:audio/wav;base64,([A-Za-z0-9+/=]+)", text)
    files = [wavfile.read(io.BytesIO(base64.b64decode(f))) for f in found]
    return [(rate, x / 32767) for rate, x in files]


@pytest.mark.parametrize("size", [0.01, 1.0, 50.0])
def test_the_volume_is_one_factor_and_never_above_the_loudest(size):
    rate, x = wavfile.read(io.BytesIO(sounds.wav(tone(size=size), RATE)))
    assert rate == RATE and x.dtype == np.int16 and len(x) == 2048
    x = x / 32767
    assert abs(np.abs(x).max() - min(size, 1) * sounds.LOUDEST) < 1e-3
    middle = slice(40, -40)
    assert np.abs(x[middle] - 0.3 * np.clip(tone(size=size), -1, 1)[middle]).max() < 1e-4


def test_both_ends_are_faded():
    x = sounds.safe(np.ones(1000), RATE)
    assert x[0] == x[-1] == 0 and np.allclose(np.diff(x[:40]), 0.3 / 40) and np.allclose(x[:40], x[::-1][:40])
    assert (x[40:-40] == 0.3).all()


@pytest.mark.parametrize("sound", [torch.zeros(400, requires_grad=True), [0.5] * 400, np.zeros(400, int)])
def test_tensors_lists_and_whole_numbers_are_sounds(sound):
    assert sounds.safe(sound, RATE).shape == (400,)


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (np.zeros((2, 500)), "give one row of numbers"),
        (np.zeros(100), "100 samples, 0.0125 s: give 0.02 to 30 s"),
        (np.zeros(30 * RATE + 1), "give 0.02 to 30 s"),
        (np.full(500, np.nan), "holds NaN or infinity"),
        (np.zeros(500, complex), "complex128"),
        ("noise", "give one row of numbers"),
    ],
)
def test_what_is_no_sound_is_said(sound, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        sounds.safe(sound, RATE)


def test_a_page_has_a_named_player_a_sound(monkeypatch):
    shown = []
    monkeypatch.setattr(sounds, "display", lambda bundle, raw: shown.append(bundle))
    sounds.listen({"real": tone(), 'a "fake" <b>': tone(size=0.1)}, RATE, "Two tones.")
    (bundle,) = shown
    assert [np.abs(x).max() > 0.2 for _, x in read(bundle["text/html"])] == [True, False]
    assert 'aria-label="a &quot;fake&quot; &lt;b&gt;"' in bundle["text/html"] and "autoplay" not in bundle["text/html"]
    assert bundle["text/plain"] == 'Two tones. Sounds to play: real; a "fake" <b>.'
    for bad in ({}, [tone()], None):
        with pytest.raises(ValueError, match="give a dict"):
            sounds.listen(bad)
    with pytest.raises(ValueError, match="a title is int"):
        sounds.listen({1: tone()})
    with pytest.raises(ValueError, match=r"rate=8000\.5"):
        sounds.listen({"a": tone()}, 8000.5)


def test_a_slider_changes_picture_and_sound():
    def draw(size):
        fig, ax = plt.subplots()
        ax.set_title(f"size {size}")
        return fig, {"tone": tone(size=size)}

    h = sounds.hear(draw, size=(0.0, 1.0, 0.5, 0.5), alt="A tone.")
    peak = lambda: np.abs(read(h.sounds.value)[0][1]).max()  # noqa: E731
    assert abs(peak() - 0.15) < 1e-2 and h.image.alt == "A tone. size 0.5"
    h.controls["size"].value = 1.0
    assert abs(peak() - 0.3) < 1e-2 and "size 1.0" in h.image.alt
    assert h.sounds in h.widget.children
    with pytest.raises(ValueError, match="draw is int"):
        sounds.hear(3)

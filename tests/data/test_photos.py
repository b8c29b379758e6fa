"""Oracles: scikit-image's own arrays, Pillow's rotations, and no network at all."""

import socket

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu.data import photos


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_photographs_are_there_without_a_network(offline):
    import skimage.data

    for name in photos.PHOTOS:
        x, full = photos.photo(name), getattr(skimage.data, name)()
        assert x.dtype == torch.uint8 and x.shape[0] == 3 and min(x.shape[1:]) == 128
        assert abs(x.shape[2] / x.shape[1] - full.shape[1] / full.shape[0]) < 0.01
        assert np.allclose(x.float().mean((1, 2)), full.mean((0, 1)), atol=1.5)
    with pytest.raises(ValueError, match="chelsea"):
        photos.photo("chelsa")
    with pytest.raises(ValueError, match="side=400"):
        photos.photo("coffee", side=400)


def test_training_and_held_out_patches_are_of_different_photographs():
    patches = photos.photo_patches("coffee", size=24, n=12, n_test=5, seed=3)
    assert patches.x.shape == (12, 3, 24, 24) and patches.x_test.shape == (5, 3, 24, 24)
    coffee = photos.PHOTOS.index("coffee")
    assert set(patches.labels_test.tolist()) == {coffee} and coffee not in patches.labels.tolist()
    page = photos.photo("coffee").unfold(1, 24, 1).unfold(2, 24, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    for patch in patches.x_test:
        assert (page == patch).flatten(1).all(1).any(), "a held-out patch stands upright in its photograph"
    for patch, label in zip(patches.x, patches.labels.tolist(), strict=True):
        page = photos.photo(photos.PHOTOS[label]).unfold(1, 24, 1).unfold(2, 24, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        turned = [patch.rot90(k, (1, 2)) for k in range(4)]
        assert any((page == p).flatten(1).all(1).any() for t in turned for p in (t, t.flip(2)))
    assert torch.equal(patches.x, photos.photo_patches("coffee", size=24, n=12, n_test=5, seed=3).x)
    assert not torch.equal(patches.x, photos.photo_patches("coffee", size=24, n=12, n_test=5, seed=4).x)


@pytest.mark.parametrize(
    ("given", "says"), [({"held_out": "tea"}, "choose one of"), ({"size": 4}, "size=4"), ({"n": 0}, "n=0")]
)
def test_patches_that_cannot_be_cut(given, says):
    with pytest.raises(ValueError, match=says):
        photos.photo_patches(**given)


def test_anybodys_photograph_upright_in_any_mode_and_size(tmp_path):
    page = np.zeros((60, 90, 3), np.uint8)
    page[:30] = 200  # bright above, dark below
    picture = Image.fromarray(page)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to the right to see it upright"
    picture.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    picture.convert("L").save(tmp_path / "grey.png")
    picture.convert("CMYK").save(tmp_path / "cmyk.tif")
    picture.resize((5, 3)).save(tmp_path / "tiny.png")
    for name in ("turned.jpg", "grey.png", "cmyk.tif", "tiny.png"):
        x = photos.read_photo(tmp_path / name, 32)
        assert x.shape == (1, 3, 32, 32) and x.abs().max() <= 1
        assert x[..., :10, :].mean() > 0.4 > -0.8 > x[..., -10:, :].mean(), name
    assert photos.read_photo(tmp_path / "turned.jpg", 28, channels=1).shape == (1, 1, 28, 28)


def test_what_is_no_photograph(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ValueError, match="no picture that can be read"):
        photos.read_photo(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match="no file"):
        photos.read_photo(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="channels=4"):
        photos.read_photo(tmp_path / "text.png", channels=4)


def test_the_textures_are_there_without_a_network(offline):
    import skimage.data

    for name, of in photos.TEXTURES.items():
        x, full = photos.texture(name, 128), getattr(skimage.data, of)()
        assert x.dtype == torch.uint8 and x.shape == (3 if full.ndim == 3 else 1, 128, 128)
        assert np.allclose(x.float().mean((1, 2)), full.mean((0, 1)), atol=1.5)
    with pytest.raises(ValueError, match="Did you mean 'gravel'"):
        photos.texture("gravl")
    with pytest.raises(ValueError, match="side=600"):
        photos.texture("brick", 600)

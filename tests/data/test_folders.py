"""Folders made for the purpose: formats, modes and orientations, broken files, classes, what is left out."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu import data
from ganedu.data import folders

RED, GREEN = (255, 0, 0), (0, 255, 0)


def save(path, colour=RED, mode="RGB", size=(20, 20), **kw):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **kw)


def load(folder, **kw) -> data.Images:
    """With one image on the training side for each, so that x holds all of them."""
    return data.load(folder, **{"image_size": 16, "held_out": 0.0, **kw})


def colour(image) -> list[int]:
    """The colour of an image that has only one."""
    flat = image.flatten(1)
    assert (flat == flat[:, :1]).all()
    return flat[:, 0].tolist()


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPG", "bmp", "gif", "webp", "tiff", "ppm", "tga"])
def test_any_format(tmp_path, suffix):
    save(tmp_path / f"a.{suffix}")
    x = load(tmp_path).x
    assert x.shape == (1, 3, 16, 16)
    assert float((x[0].float().mean((1, 2)) - torch.tensor(RED)).abs().max()) < 3  # JPEG and WebP round


def test_names_of_pictures_end_like_those_that_can_be_opened():
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif"} <= folders.suffixes()
    assert not {".eps", ".txt", ".npy", ""} & folders.suffixes()


@pytest.mark.parametrize(
    "mode, value, expected",
    [
        ("L", 100, [100] * 3),
        ("1", 1, [255] * 3),
        ("LA", (100, 255), [100] * 3),
        ("LA", (100, 0), [255] * 3),  # transparent becomes white
        ("RGBA", (255, 0, 0, 255), [255, 0, 0]),
        ("RGBA", (255, 0, 0, 0), [255, 255, 255]),
        ("I;16", 65535, [255] * 3),
        ("I;16", 32768, [128] * 3),
    ],
)
def test_modes(tmp_path, mode, value, expected):
    save(tmp_path / "a.png", value, mode)
    assert colour(load(tmp_path, channels=3).x[0]) == expected


def test_palette(tmp_path):
    Image.new("RGB", (20, 20), RED).quantize(4).save(tmp_path / "plain.png")
    assert colour(load(tmp_path).x[0]) == [255, 0, 0]
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, *GREEN])
    image.save(tmp_path / "plain.png", transparency=1)
    assert colour(load(tmp_path).x[0]) == [255, 255, 255]


def test_cmyk_and_float(tmp_path):
    save(tmp_path / "a.jpg", (0, 255, 255, 0), "CMYK")
    assert float((load(tmp_path).x[0].float().mean((1, 2)) - torch.tensor(RED)).abs().max()) < 5
    (tmp_path / "a.jpg").unlink()
    Image.fromarray(np.full((20, 20), 0.5, np.float32)).save(tmp_path / "b.tiff")
    assert colour(load(tmp_path).x[0]) == [128]


def test_grey_files_give_one_channel_and_mixed_ones_three(tmp_path):
    save(tmp_path / "a.png", 50, "L")
    assert load(tmp_path).x.shape == (1, 1, 16, 16)
    save(tmp_path / "b.png")
    x = load(tmp_path).x
    assert colour(x[0]) == [50] * 3 and colour(x[1]) == [255, 0, 0]
    assert [colour(image) for image in load(tmp_path, channels=1).x] == [[50], [76]]  # 0.299 * 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path, orientation):
    """Upright, the upper left quarter is white; each file is stored turned or mirrored, and says so."""
    upright = np.zeros((40, 40, 3), np.uint8)
    upright[:20, :20] = 255
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
            8: lambda a: np.rot90(a, -1)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo(upright))).save(tmp_path / "a.png", exif=exif)
    quarters = load(tmp_path).x[0].float().mean(0).view(2, 8, 2, 8).mean((1, 3))
    assert quarters[0, 0] > 240 and quarters.sum() - quarters[0, 0] < 30


def test_centre_is_cropped_and_large_jpegs_too(tmp_path):
    a = np.zeros((600, 1800, 3), np.uint8)
    a[:, 600:1200] = 200
    Image.fromarray(a).save(tmp_path / "wide.jpg", quality=95)
    x = load(tmp_path).x[0].float()
    assert float((x[..., 1:-1] - 200).abs().max()) < 12  # Lanczos and JPEG ring near the edges
    Image.fromarray(a.swapaxes(0, 1)).save(tmp_path / "wide.jpg", quality=95)
    assert float((load(tmp_path).x[0].float()[:, 1:-1] - 200).abs().max()) < 12


def test_broken_files_are_named_skipped_and_counted_once(tmp_path):
    for i in range(4):
        save(tmp_path / f"good{i}.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    whole = (tmp_path / "good0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="3 broken images skipped") as caught:
        x = load(tmp_path).x
    assert len(x) == 4 and len(caught) == 1
    assert all(name in str(caught[0].message) for name in ("empty.png", "text.jpg", "cut.png"))
    assert caught[0].filename == __file__


def test_all_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="1 broken image skipped"),
        pytest.raises(ValueError, match=r"none of the 1 im"),
    ):
        load(tmp_path)


def test_no_image(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image in .* \(no other files\)"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(FileNotFoundError, match=r"\(1 other file\)"):
        load(tmp_path)


def test_hidden_files_are_passed_over(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves behind")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.png").write_bytes(b"likewise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load(tmp_path)) == 1


def test_subfolders_are_classes(tmp_path):
    for i in range(5):
        save(tmp_path / "zebras" / f"{i}.png", RED)
        save(tmp_path / "apples" / "more" / f"{i}.png", GREEN)
    images = load(tmp_path)
    assert images.class_names == ("apples", "zebras") and images.name == tmp_path.name
    assert all(colour(x) == [[0, 255, 0], [255, 0, 0]][c] for x, c in zip(images.x, images.labels, strict=True))
    save(tmp_path / "stray.png")
    with pytest.warns(UserWarning, match="1 image beside the class folders left out"):
        assert len(load(tmp_path)) == 10


def test_without_subfolders_there_is_no_class(tmp_path):
    save(tmp_path / "a.png")
    images = load(tmp_path)
    assert images.n_classes == 0 and images.labels.tolist() == [0]


def test_held_out_share_of_each_class(tmp_path):
    for name, n in (("a", 20), ("b", 10), ("c", 2), ("d", 1)):
        for i in range(n):
            save(tmp_path / name / f"{i}.png", (10 * i, 0, 0))
    images = load(tmp_path, held_out=0.3)
    assert images.labels_test.bincount(minlength=4).tolist() == [6, 3, 1, 0]
    assert images.labels.bincount(minlength=4).tolist() == [14, 7, 1, 1]
    shades = [sorted(x[c == 0][:, 0, 0, 0].tolist()) for x, c in ((images.x, images.labels),
                                                                  (images.x_test, images.labels_test))]  # fmt: skip
    assert sorted(shades[0] + shades[1]) == [10 * i for i in range(20)]
    assert torch.equal(images.x_test, load(tmp_path, held_out=0.3).x_test)
    assert not torch.equal(images.x_test, load(tmp_path, held_out=0.3, seed=1).x_test)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_bad_share(tmp_path, share):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="held_out="):
        load(tmp_path, held_out=share)


def test_default_size(tmp_path):
    save(tmp_path / "a.png")
    assert data.load(str(tmp_path), held_out=0).image_size == 32


# --------------------------------------------------------------------------------------- other data, without a word


def noise(path, seed, size=(20, 20, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)).save(path)


def test_the_digest_is_that_of_the_files_and_of_the_split(tmp_path):
    for name in ("one", "two", "other"):
        for i in range(6):
            noise(tmp_path / name / f"{i}.png", i + 10 * (name == "other"))
    one, two, other = (load(tmp_path / name, held_out=0.3) for name in ("one", "two", "other"))
    assert len(one.digest) == 64 and one.digest == two.digest != other.digest
    assert (
        load(tmp_path / "one", held_out=0.5).digest != one.digest != load(tmp_path / "one", seed=1, held_out=0.3).digest
    )
    (tmp_path / "two" / "5.png").rename(tmp_path / "two" / "6.png")
    assert load(tmp_path / "two", held_out=0.3).digest != one.digest
    assert data.load("shapes", n=10, n_test=10).digest == ""


@pytest.mark.parametrize("value", [0, 7, 200, 255, 256, 40_000])
def test_16_bits_a_pixel_are_16_bits_however_dark(tmp_path, value):
    for name in ("a.png", "b.tiff"):
        Image.fromarray(np.full((20, 20), value, np.uint16)).save(tmp_path / name)
    (tmp_path / "c.pgm").write_bytes(b"P5 20 20 65535\n" + value.to_bytes(2, "big") * 400)
    x = load(tmp_path).x
    assert [colour(image) for image in x] == [[round(value / 257)]] * 3


@pytest.mark.parametrize(
    "array",
    [np.full((20, 20), np.nan, np.float32), np.full((20, 20), 1.5, np.float32), np.full((20, 20), -0.1, np.float32),
     np.full((20, 20), np.inf, np.float32), np.full((20, 20), 200, np.int32)],
    ids=["NaN", "above 1", "below 0", "infinite", "32 bits"],
)  # fmt: skip
def test_a_white_that_nobody_has_agreed_on_is_not_guessed(tmp_path, array):
    Image.fromarray(array).save(tmp_path / "a.tiff")
    save(tmp_path / "b.png")
    with pytest.warns(UserWarning, match="1 broken image skipped: a.tiff: pixels from .* save it with 8 or 16 bits"):
        assert len(load(tmp_path)) == 1


def test_links_to_folders_are_classes_and_one_that_leads_back_is_none(tmp_path):
    for i in range(3):
        noise(tmp_path / "elsewhere" / "cats" / f"{i}.png", i)
        noise(tmp_path / "photos" / "dogs" / f"{i}.png", i)
    (tmp_path / "photos" / "cats").symlink_to(tmp_path / "elsewhere" / "cats", target_is_directory=True)
    assert load(tmp_path / "photos").class_names == ("cats", "dogs")
    (tmp_path / "photos" / "dogs" / "again").symlink_to(tmp_path / "photos", target_is_directory=True)
    with pytest.warns(UserWarning, match="passed over: dogs/again: a link that leads back to where it is"):
        assert len(load(tmp_path / "photos")) == 6


def test_a_link_to_nowhere_is_named_and_a_program_is_no_image(tmp_path):
    noise(tmp_path / "0.png", 0)
    (tmp_path / "1.png").symlink_to(tmp_path / "on-another-disk.png")
    (tmp_path / "2.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.warns(UserWarning) as said:
        assert len(load(tmp_path)) == 1
    assert [str(w.message).partition(": ")[2] for w in said] == ["passed over: 1.png: a link to nowhere."]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """What root's tests cannot see: the system says no."""
    for name in ("cats", "dogs"):
        noise(tmp_path / name / "0.png", 0)
    scandir = data.folders.os.scandir

    def refuse(path):
        if str(path).endswith("cats"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.warns(UserWarning, match="passed over: cats: Permission denied"):
        assert load(tmp_path).class_names == ("dogs",)


def test_pictures_of_a_run_are_no_data(tmp_path):
    noise(tmp_path / "0.png", 0)
    noise(tmp_path / "runs" / "mlp" / "samples.png", 1)
    noise(tmp_path / "runs" / "mlp" / "report" / "page.png", 2)
    (tmp_path / "runs" / "mlp" / "checkpoint.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match="passed over: runs/mlp: it holds a run"):
        x = load(tmp_path)
    assert len(x) == 1 and x.class_names == ()


@pytest.mark.parametrize("name", ["", "  ", "a\0b", 5, None, ["digits"]])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=r"is no name: give digits|unknown data set or folder"):
        data.load(name)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/photos", "no/such/place", "loop/x"])
def test_a_folder_that_is_not_there_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileNotFoundError, match=f"there is no folder {name}: give a folder of images"):
        data.load(name)


def test_a_picture_that_no_program_would_open_is_refused(tmp_path):
    x = torch.zeros(1, 1, 16, 16).expand(30_000, -1, -1, -1)
    with pytest.raises(ValueError, match=r"a picture of 30,000 images would have 122,880,000 pixels.* or \.npy"):
        data.folders.write_images(x, tmp_path / "x.png")
    assert not any(tmp_path.iterdir())

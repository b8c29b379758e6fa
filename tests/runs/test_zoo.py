"""The shipped checkpoints: whole, small, and refused when they are not."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganedu import data, sampling
from ganedu.runs import zoo

ROOT = Path(__file__).parents[2]
NAMES = zoo.names()
SMALLEST = "digits16"
each = pytest.mark.parametrize("name", NAMES)


@functools.cache
def load(name):
    return zoo.load(name)


# ------------------------------------------------------------------------------------------------------ what is there


def test_every_file_has_its_card():
    assert {"digits", "digits_by_class", "fashion", "shapes", SMALLEST} <= set(NAMES)
    files = {p.name for p in zoo.FOLDER.iterdir()}
    assert files == {f"{n}.{kind}" for n in NAMES for kind in ("json", "safetensors")}


def test_importing_it_costs_nothing_and_a_card_needs_no_torch():
    code = "import sys; from ganedu.runs import zoo; zoo.card(zoo.names()[0]); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.split() == ["False"]


@each
def test_an_entry_is_what_its_card_says(name):
    entry, (G, D) = zoo.card(name), load(name)
    path = zoo.FOLDER / f"{name}.safetensors"
    assert entry["name"] == name and path.stat().st_size == entry["weights"]["bytes"] < 2_000_000
    assert entry["parameters"] == {k: sum(p.numel() for p in m.parameters()) for k, m in (("G", G), ("D", D))}
    for module in (G, D):
        assert not any(m.training for m in module.modules()) and not any(p.requires_grad for p in module.parameters())
        for p in module.parameters():
            assert p.dtype == torch.float32 and torch.equal(p, p.half().float())
    settings = entry["settings"]
    x = sampling.generate(G, 40, seed=1)
    assert x.shape == (40, settings["channels"], settings["image_size"], settings["image_size"])
    assert x.dtype == torch.float32 and -1 <= x.min() < -0.5 and 0.5 < x.max() <= 1
    assert torch.equal(x, sampling.generate(zoo.load(name)[0], 40, seed=1))
    assert not torch.equal(x, sampling.generate(G, 40, seed=2))
    y = (torch.arange(40) % 10,) if settings["class_names"] else ()
    logits = D(x, *y)
    assert logits.shape == (40,)
    assert torch.allclose(logits[:3], D(x[:3], *(t[:3] for t in y)), atol=1e-4)  # in eval mode: each for itself
    images = data.load(entry["data"]["name"])
    assert (entry["data"]["images"], entry["data"]["held_out"]) == (len(images.x), len(images.x_test))


# ----------------------------------------------------------------------------------------------------- how good is it


@each
def test_d_tells_on_the_whole(name):
    """Not much better than chance at the end of a good game, but held-out images get the higher logits."""
    settings, (G, D) = zoo.card(name)["settings"], load(name)
    images = data.load(settings["data"], image_size=settings["image_size"], channels=settings["channels"])
    y = (images.labels_test[:500],) if G.n_classes else ()
    d_real, d_fake = D(data.to_float(images.x_test[:500]), *y), D(sampling.generate(G, 500, *y), *y)
    assert d_real.median() > d_fake.median()
    for x, share in ((d_real, "held_out"), (d_fake, "fakes")):
        assert float((x > 0).float().mean()) == pytest.approx(zoo.card(name)["quality"]["called_real"][share], abs=0.1)


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("ask", [zoo.card, zoo.load])
def test_an_unknown_name_is_answered_with_the_nearest(ask):
    with pytest.raises(ValueError, match=r"unknown zoo entry 'fasion': choose one of .*Did you mean 'fashion'"):
        ask("fasion")
    with pytest.raises(ValueError, match="choose one of digits"):
        ask("../zoo/digits")


@pytest.mark.parametrize("damage", ["flip", "cut", "pickle", "remove"])
def test_a_damaged_file_is_refused(damage, tmp_path, monkeypatch):
    for kind in ("json", "safetensors"):
        (tmp_path / f"{SMALLEST}.{kind}").write_bytes((zoo.FOLDER / f"{SMALLEST}.{kind}").read_bytes())
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    assert zoo.names() == (SMALLEST,) and zoo.load(SMALLEST)
    path = tmp_path / f"{SMALLEST}.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    changed = {"flip": bytes(whole), "cut": bytes(whole[:-100]), "pickle": b"\x80\x04N."}
    path.write_bytes(changed[damage]) if damage in changed else path.unlink()
    with pytest.raises(ValueError, match="missing" if damage == "remove" else "damaged, or of another version"):
        zoo.load(SMALLEST)

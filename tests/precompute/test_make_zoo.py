"""What makes the zoo: its cards' commands, how good an entry is, and packing."""

import functools
import importlib.util
import json
import math
import shlex
import sys
from pathlib import Path

import pytest
import torch

from ganedu import data, metrics, sampling
from ganedu.__main__ import main, parser
from ganedu.models import build
from ganedu.runs import recipes, zoo

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("make_zoo", ROOT / "precompute" / "make_zoo.py")
make_zoo = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_zoo)
NAMES = zoo.names()
SMALLEST = "digits16"
each = pytest.mark.parametrize("name", NAMES)


@functools.cache
def load(name):
    return zoo.load(name)


@functools.cache
def images_and_judge(source: str, image_size: int, channels: int):
    images = data.load(source, image_size=image_size, channels=channels)
    return images, metrics.train_judge(images, steps=make_zoo.JUDGE_STEPS, seed=0)


def seen_by_its_judge(name):
    settings = zoo.card(name)["settings"]
    return images_and_judge(settings["data"], settings["image_size"], settings["channels"])


# ------------------------------------------------------------------------------------------------- what the cards say


def test_the_licence_of_all_data_stands_beside_them():
    text = (zoo.FOLDER.parent / "LICENSES.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in text
        entry = zoo.card(name)["data"]
        assert entry["licence"] == make_zoo.LICENCES[entry["name"]]


@each
def test_the_command_on_the_card_sets_just_the_settings_on_the_card(name):
    entry = zoo.card(name)
    python, flag, module, *arguments = shlex.split(entry["command"])
    assert (python, flag, module) == ("python", "-m", "ganedu")
    args = parser().parse_args(arguments)
    given = {k: getattr(args, k) for k in recipes.GIVEN} | dict(args.tuned)
    assert recipes.prepare(**given)[0] == entry["settings"]
    assert args.steps == entry["training"]["steps"] and args.out == Path("runs/zoo") / name
    settings, steps = make_zoo.ENTRIES[name]
    assert arguments == make_zoo.command(settings, steps, f"runs/zoo/{name}")
    assert entry["pack"] == f"python precompute/make_zoo.py {name}" and set(make_zoo.ENTRIES) == set(NAMES)


def test_a_packed_entry_is_not_made_again(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_zoo.py"])
    monkeypatch.setattr(make_zoo, "train", lambda *a: pytest.fail("it trains"))
    make_zoo.main()
    assert capsys.readouterr().out.count("packed already") == len(NAMES)


# ----------------------------------------------------------------------------------------------------- how good is it


def widened(interval, by=0.5):
    """The card's interval, half as far again on both sides: half the fakes, and a judge that five did not foresee."""
    return interval[0] * (1 - by), interval[1] * (1 + by)


@each
def test_half_as_many_fakes_are_as_good_as_the_card_says(name):
    images, judge = seen_by_its_judge(name)
    quality = zoo.card(name)["quality"]
    G, _ = load(name)
    found = make_zoo.measure(G, images, judge, n=1000)
    low, high = widened(quality["frechet"]["interval"])
    assert low <= found["frechet"] <= high
    assert found["recall"] == pytest.approx(quality["recall"]["mean"], abs=0.1)
    if G.n_classes:
        assert found["label_accuracy"] == pytest.approx(quality["label_accuracy"]["mean"], abs=0.05)
    real = make_zoo.yardstick(images, judge, n=1000)["frechet"]
    low, high = widened(quality["yardstick"]["frechet"]["interval"])
    assert low <= real <= high and real < found["frechet"]
    low, high = widened(quality["times_yardstick"]["interval"])
    assert low <= found["frechet"] / real <= high
    assert quality["times_yardstick"] == make_zoo.times(quality["frechet"], quality["yardstick"]["frechet"])


@each
def test_an_untrained_generator_would_not_pass(name):
    images, judge = seen_by_its_judge(name)
    settings = zoo.card(name)["settings"]
    with sampling.seeded(0):
        keys = ("image_size", "channels", "z_dim", "width")
        n_classes = len(settings["class_names"])
        G = build(settings["model"], **{k: settings[k] for k in keys}, n_classes=n_classes)[0]
        sampling.refresh_batchnorm(G, 2)
    found = make_zoo.measure(G, images, judge, n=1000)
    quality = zoo.card(name)["quality"]
    assert found["frechet"] > 3 * widened(quality["frechet"]["interval"])[1]
    assert found["recall"] < quality["recall"]["mean"] - 0.2


@pytest.mark.slow
def test_the_smallest_is_trained_anew_by_the_command_on_its_card(tmp_path):
    """Equal numbers on the machine that made it; elsewhere a run like those of the five seeds."""
    entry = zoo.card(SMALLEST)
    arguments = shlex.split(entry["command"])[3:]
    arguments[arguments.index("--out") + 1] = str(tmp_path)
    assert main(arguments) == 0
    images, judge = seen_by_its_judge(SMALLEST)
    low, high = entry["retrained"]["interval"]
    found = make_zoo.measure(recipes.load_generator(tmp_path)[0], images, judge)
    assert low <= found["frechet"] <= high
    assert len(entry["retrained"]["each"]) == make_zoo.REPEATS
    arguments[arguments.index("--steps") + 1 :] = ["100", "--out", str(tmp_path / "short")]
    assert main(arguments) == 0
    assert make_zoo.measure(recipes.load_generator(tmp_path / "short")[0], images, judge)["frechet"] > high


# ------------------------------------------------------------------------------------------------------------- packing


def test_the_interval_is_students(monkeypatch):
    stats = pytest.importorskip("scipy.stats")
    for t, level in ((make_zoo.T_95, 0.95), (make_zoo.T_99, 0.99)):
        assert t == pytest.approx(stats.t.ppf((1 + level) / 2, make_zoo.REPEATS - 1), abs=1e-3)
    draws = stats.norm.rvs(loc=50, scale=2, size=(2000, make_zoo.REPEATS + 1), random_state=0)
    intervals = [make_zoo.mean_and_interval(row[:-1])["interval"] for row in draws.tolist()]
    inside = [low <= last <= high for last, (low, high) in zip(draws[:, -1], intervals, strict=True)]
    assert abs(sum(inside) / len(inside) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / len(inside))
    assert make_zoo.mean_and_interval([1.0, 1, 1, 1, 1])["interval"] == [1, 1]
    with pytest.raises(ValueError, match="4 values"):
        make_zoo.mean_and_interval([1.0] * 4)


def small_run(folder, model="dcgan", **given):
    settings, images = recipes.prepare(model, "digits", image_size=16, width=2, **given)
    trainer = recipes.trainer(settings, images)
    for _ in trainer.run(steps=3):
        pass
    trainer.save(folder, settings)
    return trainer


@pytest.fixture
def room(tmp_path, monkeypatch):
    """An empty zoo whose cards are measured with few fakes and one judge, five times."""
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    monkeypatch.setattr(make_zoo, "N_FAKES", 100)
    return [images_and_judge("digits", 16, 1)[1]] * make_zoo.REPEATS


@pytest.mark.parametrize("model", ["dcgan", "cgan", "mlp"])
def test_what_is_packed_is_the_average_of_the_run(model, tmp_path, room):
    trainer = small_run(tmp_path / "run", model)
    path = make_zoo.pack(tmp_path / "run", "small_1", machine="a desk", judged=room, note="by hand")
    entry = zoo.card("small_1")
    assert zoo.names() == ("small_1",) and json.loads(path.read_text(encoding="utf-8")) == entry
    assert (entry["training"]["steps"], entry["training"]["machine"], entry["note"]) == (3, "a desk", "by hand")
    assert ("label_accuracy" in entry["quality"]) == (model == "cgan")
    G, D = zoo.load("small_1")
    y = (torch.arange(50) % 10,) if model == "cgan" else ()
    x, before = sampling.generate(G, 50, *y), sampling.generate(trainer.averaged(), 50, *y)
    assert 0 < (x - before).abs().max() < 0.02  # float16: a level of 255 or two
    trained = trainer.modules["D"].eval()
    assert torch.allclose(D(x, *y), trained(x, *y), atol=1e-2)


def test_what_cannot_be_packed_is_refused(tmp_path, room):
    small_run(tmp_path / "run")
    with pytest.raises(ValueError, match="small letters"):
        make_zoo.pack(tmp_path / "run", "../Mine", machine="")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        make_zoo.pack(tmp_path / "none", "mine", machine="")
    from PIL import Image

    mine = tmp_path / "pictures"
    mine.mkdir()
    for i in range(6):
        Image.new("L", (16, 16), 40 * i).save(mine / f"{i}.png")
    settings, images = recipes.prepare("dcgan", str(mine), image_size=16, width=2)
    recipes.trainer(settings, images).save(tmp_path / "other", settings)
    with pytest.raises(ValueError, match="licence"):
        make_zoo.pack(tmp_path / "other", "mine", machine="")
    with pytest.raises(ValueError, match="no classes"):
        make_zoo.pack(tmp_path / "other", "mine", machine="", licence="my own")
    assert zoo.names() == ()

"""Settings in, runs out: what a recipe fills in, what it refuses, and that a folder is enough to sample from."""

import json
import re

import pytest
import torch

from ganedu import checkpoints, data
from ganedu.runs import recipes


def test_every_recipe_trains_and_is_read_back(tmp_path):
    for model in recipes.RECIPES:
        settings, images = recipes.prepare(model, "digits", image_size=16, width=2)
        trainer = recipes.trainer(settings, images)
        records = list(trainer.run(steps=4, every=2))
        assert [r["step"] for r in records] == [2, 4]
        trainer.save(tmp_path / model, settings)
        G, read = recipes.load_generator(tmp_path / model)
        assert read == settings == json.loads(json.dumps(settings))
        assert not G.training and not any(p.requires_grad for p in G.parameters())
        for (name, a), b in zip(trainer.averaged().state_dict().items(), G.state_dict().values(), strict=True):
            assert torch.equal(a, b), name


def test_settings_hold_what_was_given_and_the_recipe_for_the_rest():
    settings, images = recipes.prepare("cgan", "digits", image_size=32, channels=3, width=4, seed=9)
    assert images.x.shape[1:] == (3, 32, 32) and settings["n_images"] == len(images.x)
    assert (settings["image_size"], settings["channels"], settings["width"], settings["seed"]) == (32, 3, 4, 9)
    assert {k: settings[k] for k in ("lr", "batch_size", "z_dim", "ema")} == {
        k: recipes.RECIPES["cgan"][k] for k in ("lr", "batch_size", "z_dim", "ema")
    }
    assert settings["class_names"] == list(images.class_names)
    assert recipes.prepare("dcgan", "digits")[0]["class_names"] == []


def test_settings_of_the_recipe_can_be_given_and_travel_with_the_run(tmp_path):
    tuned = {"z_dim": 3, "batch_size": 5, "lr": 0.01, "betas": [0.5, 0.9], "ema": 0.5, "r1": 2.0}
    settings, images = recipes.prepare("dcgan", "digits", image_size=16, width=2, **tuned)
    assert {k: settings[k] for k in tuned} == tuned and set(tuned) == set(recipes.TUNED)
    trainer = recipes.trainer(settings, images)
    group = trainer.optimisers["opt_D"].param_groups[0]
    assert (group["lr"], group["betas"], trainer.batch_size) == (0.01, (0.5, 0.9), 5)
    assert trainer.step_function.keywords["penalty"].keywords == {"gamma": 2.0}
    assert trainer.averaged(1).z_dim == 3
    trainer.save(tmp_path, settings)
    assert recipes.load_trainer(tmp_path).step_function.keywords["penalty"].keywords == {"gamma": 2.0}
    assert recipes.prepare(**recipes.arguments(settings))[0] == settings
    assert recipes.trainer({**settings, "r1": 0}, images).step_function.keywords["penalty"] is None


@pytest.mark.parametrize(
    ("tuned", "hint"),
    [
        ({"betta": 0.5}, "Did you mean 'betas'"),
        ({"betas": 0.9}, "betas=0.9 does not fit: give two numbers from 0 to below 1"),
        ({"betas": [0.0, 1.0]}, "two numbers"),
        ({"lr": 0}, "lr=0 does not fit: give a positive number"),
        ({"lr": float("nan")}, "positive"),
        ({"ema": 1.0}, "ema=1.0"),
        ({"r1": -1.0}, "0: no penalty"),
        ({"z_dim": 2.5}, "a whole number from 1 to 4,096"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": [0.1, 0.2]}, "positive"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(tuned, hint):
    with pytest.raises(ValueError, match=hint):
        recipes.prepare("dcgan", "digits", **tuned)


def test_equal_seeds_begin_with_equal_players_and_other_seeds_do_not():
    def weights(seed):
        trainer = recipes.trainer(*recipes.prepare("dcgan", "digits", image_size=16, width=2, seed=seed))
        return torch.cat([p.flatten() for p in trainer.modules["G"].parameters()])

    state = torch.get_rng_state()
    assert torch.equal(weights(3), weights(3)) and not torch.equal(weights(3), weights(4))
    assert torch.equal(state, torch.get_rng_state())


def test_the_learning_rate_falls_over_the_second_half():
    trainer = recipes.trainer(*recipes.prepare("mlp", "digits", image_size=16, width=2))
    rates = []
    for _ in trainer.run(steps=20, every=1):
        rates.append(trainer.optimisers["opt_G"].param_groups[0]["lr"])
    full = recipes.RECIPES["mlp"]["lr"]
    assert rates[:10] == [full] * 10
    assert rates[10:] == pytest.approx([full * 2 * (1 - i / 20) for i in range(10, 20)])


def test_a_folder_of_colour_images_is_brought_to_32_pixels(tmp_path):
    from PIL import Image

    for i in range(6):
        Image.new("RGB", (50, 40), (40 * i, 0, 99)).save(tmp_path / f"{i}.png")
    settings, images = recipes.prepare("dcgan", str(tmp_path))
    assert images.x.shape[1:] == (3, 32, 32) and settings["image_size"] == 32
    with pytest.raises(ValueError, match="cgan needs labels"):
        recipes.prepare("cgan", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"model": "dcgann"}, "Did you mean 'dcgan'"),
        ({"data": "digts"}, "digits"),
        ({"image_size": 48}, "16, 28, 32, 64, 128"),
        ({"channels": 4}, "1 is grey, 3 is RGB"),
        ({"width": 0}, "width=0"),
    ],
)
def test_what_does_not_fit_is_refused(given, hint):
    with pytest.raises(ValueError, match=hint):
        recipes.prepare(**{"model": "dcgan", "data": "digits", **given})


@pytest.mark.parametrize("read", [recipes.read_run, recipes.load_generator, recipes.load_trainer])
@pytest.mark.parametrize(
    ("settings", "why"),
    [({}, "names no model"), ({"model": "ring"}, "names no model"), ({"model": ["mlp"]}, "names no model"),
     ({"model": "dcgan", "data": "digits", "width": 2}, "lack image_size, channels, seed, z_dim, batch_size, lr")],
)  # fmt: skip
def test_a_checkpoint_of_another_game_is_refused(tmp_path, read, settings, why):
    header = {"step": 0, "seconds": 0.0, "optimisers": {}, "settings": settings}
    checkpoints.write(tmp_path, {"rng": torch.get_rng_state()}, header, {})
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))} is not of a run of `train`.*{why}.*Trainer.load"):
        read(tmp_path)


def test_reading_says_whether_the_weights_fit(tmp_path):
    settings, images = recipes.prepare("cgan", "digits", image_size=16, width=2)
    recipes.trainer(settings, images).save(tmp_path, settings)
    state = torch.get_rng_state()
    tensors, header, history = recipes.read_run(tmp_path)
    assert header["settings"] == settings and history == {} and torch.equal(torch.get_rng_state(), state)
    for wrong, player in (({"width": 3}, "G"), ({"z_dim": 5}, "G"), ({"channels": 3}, "[GD]")):
        checkpoints.write(tmp_path / "lies", tensors, {**header, "settings": {**settings, **wrong}}, {})
        with pytest.raises(ValueError, match=f"of another model: {player}"):
            recipes.read_run(tmp_path / "lies")
    for name in ("D.", "ema."):
        less = {k: v for k, v in tensors.items() if not k.startswith(name)}
        checkpoints.write(tmp_path / "less", {**less, f"{name}x": torch.zeros(1)}, header, {})
        with pytest.raises(ValueError, match=f"of another model: {name}.* is nothing there"):
            recipes.read_run(tmp_path / "less")


def test_a_trainer_is_read_back_from_its_folder(tmp_path):
    settings, images = recipes.prepare("cgan", "digits", image_size=16, width=2, seed=3)
    trainer = recipes.trainer(settings, images)
    for _ in trainer.run(steps=3):
        pass
    trainer.save(tmp_path, settings)
    again = recipes.load_trainer(tmp_path)
    assert again.step == 3 and again.history == trainer.history
    for name, module in trainer.modules.items():
        for a, b in zip(module.state_dict().values(), again.modules[name].state_dict().values(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("counts", "words"), [
    ((30, 30, 30), ""), ((11, 30, 30), ""), ((10, 30, 29), "10 of a, the rarest, 30 of b, the commonest"),
    ((30, 1, 1), "one image (b and 1 more) can only be learnt by heart"), ((9,), ""),
])  # fmt: skip
def test_the_balance_of_classes_is_told_where_one_has_a_third_of_another_or_less(counts, words):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    x = torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)
    line = recipes.balance(data.Images("mine", x, labels, x[:0], labels[:0], tuple("abc")[: len(counts)]))
    assert words in line and ("\n" not in line) and bool(line) == bool(words)
    assert not line or line.endswith("Notebook 17 measures what helps rare classes.")
    assert ("one image" in line) == (1 in counts and len(counts) > 1)

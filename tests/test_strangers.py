"""Checkpoints, records and settings from a stranger: whatever they hold is a run, or an error that says what is wrong.

The oracle is the honest file: it is read, and anything else is read as the same, or refused in one clear sentence
before any player has changed. What crashed or hung once is kept here as a case.
"""

import copy
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from safetensors.torch import save

from ganedu import checkpoints
from ganedu.__main__ import main
from ganedu.runs import recipes

ROOT = Path(__file__).parents[1]
BOUNDED = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The content of a run of six steps: (tensors, header, history)."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    assert main(["train", "cgan", "--image-size", "16", "--width", "2", "--steps", "6", "--out", str(folder)]) == 0
    return checkpoints.read(folder)


@pytest.fixture(scope="module")
def trainer(honest):
    return recipes.trainer(*recipes.prepare(**recipes.arguments(honest[1]["settings"])))


def write(folder: Path, tensors: dict, header, records: str = "{}") -> Path:
    """A checkpoint with any content, also one that `checkpoints.write` would not make."""
    folder.mkdir(exist_ok=True)
    text = header if isinstance(header, str) else json.dumps(header)
    (folder / checkpoints.CHECKPOINT).write_bytes(save(tensors, metadata={"ganedu": text}))
    (folder / checkpoints.RECORDS).write_text(records)
    return folder


def tried(folder: Path, trainer) -> list[str]:
    """What each way to read a run said, "" where it was read; anything but a clear error is raised."""
    said = []
    before = {k: v.clone() for k, v in trainer.modules["G"].state_dict().items()}
    for read in (recipes.read_run, recipes.load_generator, trainer.load):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(folder)
            said.append("")
        except ValueError as e:
            said.append(str(e))
            if read == trainer.load:
                assert all(torch.equal(v, before[k]) for k, v in trainer.modules["G"].state_dict().items())
    return said


def test_the_honest_file_is_read(honest, trainer, tmp_path):
    assert tried(write(tmp_path / "x", honest[0], honest[1]), trainer) == ["", "", ""]


# ------------------------------------------------------------------------------------------------------ the header

HEADERS = {
    "step": [None, "7", [6], -1, 2.5, 1e30, 2**60, True, {}],
    "seconds": [None, "1", 10**400, float("nan"), -3.0, [1], True],
    "optimisers": [[], None, {}, 5, "x", {"opt_G": 1, "opt_D": 2}, {"opt_G": {"kind": "Adam", "groups": [7]}},
                   {"opt_G": {"groups": []}, "opt_D": {"groups": []}}],
    "settings": [None, [], "dcgan", 3],
}  # fmt: skip
SETTINGS = {
    "model": [["mlp"], 4, None, "dcgan", "vae"], "data": [7, None, [], "", {}], "betas": [["a", "b"], 1, [0.5], [2, 0]],
    "seed": [None, 1.5, "1", 2**70], "class_names": [9, None, "abc", [1] * 10, []],
    "z_dim": ["8", None, 2.5, 0, 10**30],
    "image_size": [16.0, "16", 17, True], "channels": [True, 2, "1"], "width": [0, -2, 3.0, 10**9, 4096, None],
    "batch_size": [0, 1e3, 10**9], "lr": [0, -1, "fast", float("nan"), None, 1e300], "ema": [1, -0.1, "x"],
    "r1": [-1, "x", [1]], "n_images": [0, "many", 1.0], "surprise": [1],
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in HEADERS.items() for v in values])
def test_a_header_of_another_kind_is_refused(key, value, honest, trainer, tmp_path):
    said = tried(write(tmp_path / "x", honest[0], {**honest[1], key: value}), trainer)
    ours = said if key != "settings" else said[:2]  # a Trainer of your own takes any settings that are a dict
    assert all(ours) and all(len(text) < 2000 for text in said)


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in SETTINGS.items() for v in values])
def test_settings_of_another_kind_are_refused(key, value, honest, trainer, tmp_path):
    header = copy.deepcopy(honest[1])
    header["settings"][key] = value
    said = tried(write(tmp_path / "x", honest[0], header), trainer)
    assert said[0] and said[1]


@pytest.mark.parametrize("depth", [10_000, 200_000])
def test_deep_json_is_damage(depth, honest, trainer, tmp_path):
    deep = "[" * depth + "]" * depth
    assert all(tried(write(tmp_path / "header", honest[0], deep), trainer))
    with pytest.warns(UserWarning, match="records.json is damaged"):
        assert checkpoints.read(write(tmp_path / "records", honest[0], honest[1], deep))[2] == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, **BOUNDED)
@given(where=st.sampled_from([*HEADERS, *recipes.GIVEN, *recipes.TUNED, *recipes.FOUND]),
       value=json_values)  # fmt: skip
@example(where="optimisers", value={"opt_G": {"kind": "Adam", "groups": ""}})
def test_any_value_anywhere_is_read_or_refused(where, value, honest, trainer, tmp_path):
    header = copy.deepcopy(honest[1])
    (header if where in header else header["settings"])[where] = value
    tried(write(tmp_path / "x", honest[0], header), trainer)


@settings(max_examples=40, **BOUNDED)
@given(records=json_values.map(json.dumps) | st.text(max_size=40))
@example(records='{"loss_D": "abc"}')
@example(records='{"loss_D": [1, null]}')
@example(records=json.dumps({"loss_D": [10**400]}))
@example(records='{"loss_D": {"a": 1}}')
def test_any_records_are_read_or_passed_over(records, honest, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            history = checkpoints.read(write(tmp_path / "x", honest[0], honest[1], records))[2]
        except UnicodeEncodeError:  # the test itself cannot write it
            return
    assert all(isinstance(v, float) for values in history.values() for v in values)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", [checkpoints.CHECKPOINT, checkpoints.RECORDS])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name, honest, tmp_path):
    folder = write(tmp_path / "x", honest[0], honest[1])
    (folder / name).unlink()
    os.mkfifo(folder / name)
    code = f"from ganedu import checkpoints; print(checkpoints.read({str(folder)!r})[2])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{}\n" if name == checkpoints.RECORDS else "no checkpoint in" in done.stderr


# ----------------------------------------------------------------------------------------------------- the tensors


def _changed(name: str, change):
    def spoil(tensors):
        tensors[name] = change(tensors[name])

    return spoil


def _renamed(old: str, new: str | None):
    def spoil(tensors):
        value = tensors.pop(old)
        if new is not None:
            tensors[new] = value

    return spoil


M, V = "opt_G.0.exp_avg", "opt_D.1.exp_avg_sq"
TENSORS = {
    "a moment of one number": _changed(M, lambda v: torch.zeros(1)),
    "a moment of two shapes more": _changed(M, lambda v: v[None, None].contiguous()),
    "a moment in double": _changed(V, lambda v: v.double()),
    "a moment of whole numbers": _changed(V, lambda v: v.long()),
    "a negative second moment": _changed(V, lambda v: v - 1),
    "a moment that is not finite": _changed(M, lambda v: v + float("inf")),
    "a negative step": _changed("opt_G.0.step", lambda v: v - 100),
    "a step of two numbers": _changed("opt_G.0.step", lambda v: torch.ones(2)),
    "no second moment": _renamed("opt_G.0.exp_avg_sq", None),
    "a parameter too many": _renamed(M, "opt_G.99.exp_avg"),
    "a parameter counted from the end": _renamed(M, "opt_G.-1.exp_avg"),
    "a parameter without a number": _renamed(M, "opt_G.x.y"),
    "a name without parts": _renamed(M, "opt_G"),
    "a name with too many parts": _renamed(M, "opt_G.0.exp.avg"),
    "weights that are not finite": _changed("G.map.0.weight", lambda v: v * float("nan")),
    "an average that is not finite": _changed("ema.module.map.0.weight", lambda v: v / 0),
    "weights of whole numbers": _changed("D.embed.weight", lambda v: v.to(torch.int8)),
    "complex weights": _changed("G.map.0.weight", lambda v: v.to(torch.complex64)),
    "a weight less": _renamed("G.map.0.weight", None),
    "a weight more": _changed("rng", lambda v: v),
    "an average of minus ten steps": _changed("ema.n_averaged", lambda v: v - 1000),
    "floats as random numbers": _changed("rng", lambda v: v.float()),
    "short random numbers": _changed("rng", lambda v: v[:100].clone()),
    "no random numbers": _renamed("rng", None),
    "other bytes as random numbers": _changed("rng", lambda v: torch.full_like(v, 255)),
    "a GPU's random numbers of one byte": lambda tensors: tensors.update(rng_cuda=torch.zeros(1, dtype=torch.uint8)),
    "a player more": lambda tensors: tensors.update({"critic.w": torch.zeros(3)}),
}


@pytest.mark.parametrize("spoil", TENSORS.values(), ids=TENSORS)
def test_tensors_that_no_training_leaves_are_refused(spoil, honest, trainer, tmp_path):
    tensors = dict(honest[0])
    names = {"G.map.0.weight": next(k for k in tensors if k.startswith("G.") and k.endswith("weight")),
             "ema.module.map.0.weight": next(k for k in tensors if k.startswith("ema.") and k.endswith("weight")),
             "D.embed.weight": next(k for k in tensors if k.startswith("D.") and k.endswith("weight"))}  # fmt: skip
    for alias, name in names.items():
        tensors[alias] = tensors.pop(name)
    spoil(tensors)
    for alias, name in names.items():
        if alias in tensors:
            tensors[name] = tensors.pop(alias)
    if spoil is TENSORS["a weight more"]:
        tensors["G.more"] = torch.zeros(2)
    assert all(tried(write(tmp_path / "x", tensors, honest[1]), trainer))


GROUPS = [5, [0.5, 0.9], None, {"a": 1}, "x", float("nan"), True]


@pytest.mark.parametrize("value", GROUPS)
@pytest.mark.parametrize("key", ["betas", "eps", "weight_decay", "amsgrad", "maximize"])
def test_settings_of_an_optimiser_are_those_of_the_run(key, value, honest, trainer, tmp_path):
    header = copy.deepcopy(honest[1])
    own = header["optimisers"]["opt_D"]["groups"][0]
    if own[key] == value:
        return
    own[key] = value
    assert all(tried(write(tmp_path / "x", honest[0], header), trainer))


def test_how_a_step_is_computed_is_not_taken_from_a_stranger(honest, trainer, tmp_path):
    header = copy.deepcopy(honest[1])
    header["optimisers"]["opt_G"]["groups"][0] |= {"fused": False, "foreach": "x", "capturable": [], "new": 1}
    assert tried(write(tmp_path / "x", honest[0], header), trainer) == ["", "", ""]
    assert trainer.optimisers["opt_G"].param_groups[0]["fused"] is True


def test_what_crashed_the_process_ends_in_a_sentence(honest, tmp_path, capsys):
    """A moment of one number under fused Adam wrote beyond the tensor: the process died."""
    tensors = {k: torch.zeros(1) if ".exp_avg" in k else v for k, v in honest[0].items()}
    folder = str(write(tmp_path / "x", tensors, honest[1]))
    for command in (
        ["doctor", folder],
        ["sample", folder],
        ["report", folder],
        ["train", "cgan", "--resume", "--out", folder],
    ):
        assert main(command) == 2
        err = capsys.readouterr().err
        assert err.startswith("ganedu: the checkpoint in") and "(1,) there" in err

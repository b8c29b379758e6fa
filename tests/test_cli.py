"""The command line as its users meet it: what it makes, what it says, what a kill leaves, what bad input costs."""

import errno
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ganedu import checkpoints
from ganedu.__main__ import main
from ganedu.runs import recipes

ROOT = Path(__file__).parents[1]
COMMANDS = ("lab", "run", "train", "sample", "doctor", "report", "data", "claims", "slides", "student", "studio")
TINY = ["--image-size", "16", "--width", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of each model, by name."""
    folder = tmp_path_factory.mktemp("runs")
    for model in ("mlp", "dcgan", "cgan"):
        assert main(["train", model, *TINY, "--steps", "12", "--out", str(folder / model)]) == 0
    return folder


def said(capsys) -> str:
    """One clear line on standard error, and no traceback."""
    err = capsys.readouterr().err
    assert err.startswith("ganedu: ") and "Traceback" not in err
    return err


# ----------------------------------------------------------------------------------------------------------- help


def test_help_names_every_command_and_fits_a_terminal():
    out = subprocess.run([sys.executable, "-m", "ganedu", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0 and out.stderr == ""
    for command in COMMANDS:
        assert f"\n    {command} " in out.stdout
    assert max(map(len, out.stdout.splitlines())) <= 110


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as e:
        main([command, "--help"])
    assert e.value.code == 0 and f"usage: ganedu {command}" in capsys.readouterr().out


def test_the_installed_command_is_the_same():
    script = Path(sys.executable).with_name("ganedu")
    if not script.exists() and not script.with_suffix(".exe").exists():
        pytest.skip("the package is not installed beside this Python")
    outs = [subprocess.run([*c, "-h"], capture_output=True, cwd=ROOT).stdout
            for c in ([script], [sys.executable, "-m", "ganedu"])]  # fmt: skip
    assert outs[0] == outs[1]


def test_data_lists_every_set(capsys):
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    for name in ("digits", "fashion", "mnist70k", "fashion70k", "shapes"):
        assert name in out


@pytest.mark.parametrize(
    "given",
    [["--no-browser"], ["--ip", "0.0.0.0", "--no-browser"], ["--port-retries=0"], ["-y", "03_dcgan.ipynb", "--debug"]],
    ids=" ".join,
)
def test_lab_hands_on_what_it_does_not_know_in_its_order(given, monkeypatch):
    calls = []
    monkeypatch.setattr("ganedu.__main__._call", lambda command: calls.append(command) or 0)
    for line in (["lab", *given], ["lab", "--", *given], ["lab", "--port", "9000", *given]):
        assert main(line) == 0
        command = calls.pop()
        start = command.index(given[0])
        assert command[start : start + len(given)] == given and "--" not in command
        names_a_page = any(not a.startswith("-") for a in given)
        assert command[start + len(given) :] == [] if names_a_page else command[-1].endswith(".ipynb")
        assert f"--port={9000 if '9000' in line else 8888}" in command


def test_what_jupyter_lab_refuses_ends_with_status_1(monkeypatch, capsys):
    monkeypatch.setattr("ganedu.__main__._call", lambda command: 1)
    assert main(["lab", "--no-such-flag"]) == 1
    assert "JupyterLab ended with an error" in said(capsys)


# ------------------------------------------------------------------------------------------------ train and sample


def test_train_leaves_a_checkpoint_records_and_a_picture(runs, capsys):
    for model in ("mlp", "dcgan", "cgan"):
        _, header, history = checkpoints.read(runs / model)
        assert header["step"] == 12 and header["settings"]["model"] == model
        assert len(history["loss_D"]) == len(history["loss_G"]) == 12
        assert (runs / model / "samples.png").read_bytes().startswith(b"\x89PNG")
        assert sorted(p.name for p in (runs / model).iterdir() if p.name != ".lock") == [
            "checkpoint.safetensors",
            "records.json",
            "samples.png",
        ]


def test_samples_are_float32_in_range_and_equal_for_equal_seeds(runs, tmp_path):
    def sample(*options):
        out = tmp_path / "x.npy"
        assert main(["sample", str(runs / "dcgan"), "--n", "5", "--out", str(out), *options]) == 0
        return np.load(out)

    a = sample()
    assert a.shape == (5, 1, 16, 16) and a.dtype == np.float32 and -1 <= a.min() < a.max() <= 1
    assert (a == sample("--seed", "0")).all() and (a != sample("--seed", "1")).any()


def test_sample_equals_what_the_trainer_would_draw(runs, tmp_path):
    settings = checkpoints.read(runs / "dcgan")[1]["settings"]
    images = recipes.prepare(**{k: settings[k] for k in ("model", "data", "image_size", "channels", "width")})[1]
    trainer = recipes.trainer(settings, images)
    trainer.load(runs / "dcgan")
    main(["sample", str(runs / "dcgan"), "--n", "6", "--seed", "3", "--out", str(tmp_path / "x.npy")])
    assert torch.equal(trainer.sample(6, seed=3), torch.from_numpy(np.load(tmp_path / "x.npy")))


def test_labels_are_taken_in_turn(runs, tmp_path):
    def sample(*options):
        assert main(["sample", str(runs / "cgan"), "--n", "6", "--out", str(tmp_path / "x.npy"), *options]) == 0
        return np.load(tmp_path / "x.npy")

    assert (sample("--labels", "3") == sample("--labels", "3,3")).all()
    assert (sample("--labels", "0,1,2") == sample("--labels", "0,1,2,0,1,2")).all()
    assert (sample() == sample("--labels", "0,1,2,3,4,5")).all()
    assert (sample("--labels", "3") != sample("--labels", "4")).any()


def test_a_picture_holds_all_samples(runs, tmp_path):
    from PIL import Image

    assert main(["sample", str(runs / "cgan"), "--n", "20", "--out", str(tmp_path / "new" / "x.png")]) == 0
    with Image.open(tmp_path / "new" / "x.png") as picture:
        assert picture.size == (8 * 64, 3 * 64)  # 16 pixels enlarged four times


# --------------------------------------------------------------------------------------------- stop, kill, resume


def _same_run(a: Path, b: Path) -> None:
    (x, header_x, history_x), (y, header_y, history_y) = checkpoints.read(a), checkpoints.read(b)
    assert header_x["step"] == header_y["step"] and x.keys() == y.keys()
    for name in x:
        assert torch.equal(x[name], y[name]), name
    assert history_x == history_y


def test_a_run_in_two_parts_equals_an_unbroken_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    train = ["train", "cgan", *TINY, "--seed", "5", "--steps", "40"]
    assert main([*train, "--out", str(one)]) == 0
    code = (
        "import ganedu.__main__ as m, ganedu.training as t; m.SAVE_EVERY = 0; run = t.Trainer.run\n"
        "def short(self, **kw):\n"
        "    for record in run(self, **{**kw, 'every': 10}):\n"
        "        if record['step'] == 20: raise SystemExit(3)\n"
        "        yield record\n"
        "t.Trainer.run = short\n"
        f"m.main({[*train, '--out', str(two)]!r})"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 3
    assert checkpoints.read(two)[1]["step"] == 10  # what was saved when it ended
    assert main(["train", "cgan", "--steps", "40", "--resume", "--out", str(two)]) == 0
    _same_run(one, two)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_numbers_of_an_unbroken_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    train = ["train", "dcgan", *TINY, "--steps", "400"]
    assert main([*train, "--out", str(one)]) == 0
    code = f"import ganedu.__main__ as m; m.SAVE_EVERY = 0; m.main({[*train, '--out', str(two)]!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    _wait_for_step(two, process)
    process.kill()
    process.wait()
    reached = checkpoints.read(two)[1]["step"]
    assert 0 < reached < 400
    assert main([*train, "--resume", "--out", str(two)]) == 0
    _same_run(one, two)
    left = {p.name for p in two.iterdir()} - {"checkpoint.safetensors", "records.json", "samples.png"}
    assert all(name.startswith(".") for name in left)  # at most the half-written file of the kill itself


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_keeps_what_was_reached_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "run"
    command = ["train", "dcgan", *TINY, "--steps", "1000000", "--out", str(out)]
    code = (
        "import signal, sys, ganedu.__main__ as m; m.SAVE_EVERY = 0\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it\n"
        f"sys.exit(m.main({command!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    _wait_for_step(out, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert f"ganedu train dcgan --steps 1000000 --resume --out {out}" in err
    step = checkpoints.read(out)[1]["step"]
    assert f"stopped after step {step:,}" in err and step > 0


def _wait_for_step(folder: Path, process: subprocess.Popen) -> None:
    for _ in range(1200):
        assert process.poll() is None, "the run ended before it could be interrupted"
        try:
            if checkpoints.read(folder)[1]["step"] > 0:
                return
        except FileNotFoundError:
            pass
        time.sleep(0.05)
    raise AssertionError("no checkpoint within a minute")


def test_steps_count_from_the_start_of_the_run(runs, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["train", "mlp", *TINY, "--steps", "5", "--out", out]) == 0
    assert main(["train", "mlp", "--steps", "5", "--resume", "--out", out]) == 0
    assert checkpoints.read(out)[1]["step"] == 5
    assert main(["train", "mlp", "--steps", "8", "--resume", "--out", out]) == 0
    assert checkpoints.read(out)[1]["step"] == 8
    assert main(["train", "mlp", "--seconds", "0.0001", "--resume", "--out", out]) == 0
    assert checkpoints.read(out)[1]["step"] == 8


def test_numbers_of_the_recipe_are_set_by_name_and_kept_when_resumed(tmp_path):
    train, out = (
        ["train", "dcgan", *TINY, "-p", "r1", "0.1", "-p", "betas", "0,0.9", "-p", "z_dim", "3"],
        tmp_path / "r",
    )
    assert main([*train, "--steps", "2", "--out", str(out)]) == 0
    before = recipes.read_run(out)[1]["settings"]
    assert (before["r1"], before["betas"], before["z_dim"]) == (0.1, [0, 0.9], 3)
    assert main(["train", "dcgan", "--steps", "4", "--resume", "--out", str(out)]) == 0
    assert main([*train, "--steps", "5", "--resume", "--out", str(out)]) == 0
    header = checkpoints.read(out)[1]
    assert header["settings"] == before and header["step"] == 5
    assert recipes.load_generator(out)[0].z_dim == 3


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["train", "dcgam"], "Did you mean 'dcgan'?"),
        (["train", "dcgan", "--data", "fasion"], "fashion"),
        (["train", "dcgan", "--data", "no/such/folder"], "no/such/folder"),
        (["train", "dcgan", "--image-size", "30"], "16, 28, 32, 64, 128"),
        (["train", "dcgan", "--channels", "2"], "1 is grey, 3 is RGB"),
        (["train", "dcgan", "-p", "learning_rate", "1"], "choose one of z_dim, batch_size, lr"),
        (["train", "dcgan", "-p", "betas", "0.5"], "two numbers"),
        (["sample", "nowhere"], "no checkpoint in nowhere"),
        (["sample", "{runs}/dcgan", "--labels", "3"], "train cgan"),
        (["sample", "{runs}/cgan", "--labels", "3,10"], "this run knows 0, 1, 2"),
        (["sample", "{runs}/cgan", "--labels=-1"], "this run knows 0, 1, 2"),
        (["sample", "{runs}/dcgan", "--out", "x.jpg"], ".png"),
        (["train", "dcgan", "--out", "{runs}/dcgan"], "--resume"),
        (["train", "dcgan", "--resume", "--out", "nowhere"], "no checkpoint in nowhere"),
        (["train", "dcgan", "--resume", "--width", "4", "--out", "{runs}/dcgan"], "width was 2 and is 4 now"),
        (["train", "mlp", "--resume", "--out", "{runs}/dcgan"], "model was dcgan and is mlp now"),
        (["train", "dcgan", "--resume", "--seed", "1", "--out", "{runs}/dcgan"], "seed was 0 and is 1 now"),
        (["train", "dcgan", "--resume", "-p", "r1", "1", "--out", "{runs}/dcgan"], "r1 was None and is 1 now"),
    ],
)
def test_bad_input_is_answered_with_what_fits(command, hint, runs, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {p: p.read_bytes() for p in runs.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert main([part.format(runs=runs) for part in command]) == 2
    assert hint in said(capsys)
    assert before == {p: p.read_bytes() for p in runs.rglob("*") if p.is_file()}
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["trian"],
        ["train"],
        ["train", "dcgan", "--steps", "0"],
        ["train", "dcgan", "--steps", "1.5"],
        ["train", "dcgan", "--seconds", "-3"],
        ["train", "dcgan", "--seconds", "nan"],
        ["train", "dcgan", "--seconds", "1", "--steps", "1"],
        ["train", "dcgan", "--width", "0"],
        ["train", "dcgan", "-p", "lr", "fast"],
        ["sample", "x", "--n", "0"],
        ["sample", "x", "--labels", "three"],
        ["sample", "x", "--labels", ""],
        ["sample", "x", "--no-browser"],  # only lab has somebody to hand this on to
        ["data", "digits"],
        ["lab", "--port", "web"],
        ["lab", "--port"],
    ],
)
def test_usage_errors_end_with_status_2(command, capsys):
    with pytest.raises(SystemExit) as e:
        main(command)
    assert e.value.code == 2
    assert "ganedu" in capsys.readouterr().err


def _damaged(folder: Path, data: bytes) -> str:
    folder.mkdir()
    (folder / checkpoints.CHECKPOINT).write_bytes(data)
    return str(folder)


def test_damaged_checkpoints_are_refused(runs, tmp_path, capsys):
    whole = (runs / "dcgan" / checkpoints.CHECKPOINT).read_bytes()
    header = json.dumps({"G.x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    for name, data, hint in [
        ("empty", b"", "truncated"),
        ("half", whole[: len(whole) // 2], "truncated"),
        ("header", whole[:50], "truncated"),
        ("huge", b"\xff" * 100, "truncated"),
        ("pickle", pickle.dumps({"G": [1.0]}), "pickle"),
        ("zip", b"PK\x03\x04" + b"0" * 100, "pickle"),
        ("other", len(header).to_bytes(8, "little") + header + b"0000", "not written by ganedu"),
    ]:
        capsys.readouterr()
        folder = _damaged(tmp_path / name, data)
        for command in (["sample", folder], ["train", "dcgan", "--resume", "--steps", "20", "--out", folder]):
            assert main(command) == 2, name
            assert hint in said(capsys), name
        assert (tmp_path / name / checkpoints.CHECKPOINT).read_bytes() == data


def test_a_checkpoint_whose_weights_are_another_models_is_refused(runs, tmp_path, capsys):
    tensors, header, history = checkpoints.read(runs / "dcgan")
    header["settings"]["width"] = 4
    checkpoints.write(tmp_path / "lies", tensors, header, history)
    capsys.readouterr()
    assert main(["sample", str(tmp_path / "lies")]) == 2
    assert "another model" in said(capsys)


def test_output_that_cannot_be_written_is_known_before_training(tmp_path, capsys, runs):
    (tmp_path / "file").write_text("in the way")
    assert main(["train", "dcgan", *TINY, "--seconds", "600", "--out", str(tmp_path / "file" / "run")]) in (1, 2)
    assert "file" in said(capsys)
    assert main(["sample", str(runs / "dcgan"), "--out", str(tmp_path / "file" / "x.png")]) in (1, 2)
    assert "cannot write" in said(capsys)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(sys.platform == "win32", reason="file sizes cannot be limited on Windows")
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    """A limit on the size of files stands for the full disk: writing fails in the same place with an OSError."""
    out = tmp_path / "run"
    assert main(["train", "mlp", *TINY, "--steps", "10", "--out", str(out)]) == 0
    before = (out / checkpoints.CHECKPOINT).read_bytes()
    command = ["train", "mlp", "--steps", "20", "--resume", "--out", str(out)]
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) // 2},) * 2)\n"
        f"import ganedu.__main__ as m; sys.exit(m.main({command!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("ganedu: cannot write") and "Traceback" not in result.stderr
    assert (out / checkpoints.CHECKPOINT).read_bytes() == before
    assert [p.name for p in out.iterdir() if p.name.startswith(".")] == [".lock"]
    assert main(command) == 0


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_checkpoint(tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    assert main(["train", "mlp", *TINY, "--steps", "10", "--out", str(out)]) == 0
    before = (out / checkpoints.CHECKPOINT).read_bytes()
    build = recipes.trainer

    def sick(settings, images):
        trainer = build(settings, images)
        step = trainer.step_function
        trainer.step_function = lambda *batch, **players: {
            k: v * (float("nan") if trainer.step == 14 else 1) for k, v in step(*batch, **players).items()
        }
        return trainer

    monkeypatch.setattr(recipes, "trainer", sick)
    capsys.readouterr()
    assert main(["train", "mlp", "--steps", "20", "--resume", "--out", str(out)]) == 1
    assert "loss_D is nan at step 15" in said(capsys)
    assert (out / checkpoints.CHECKPOINT).read_bytes() == before


def test_images_that_changed_since_stop_a_resume(tmp_path, capsys):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (20, 20), (20 * i, 0, 0)).save(folder / f"{i}.png")
    out = str(tmp_path / "run")
    train = ["train", "dcgan", "--data", str(folder), *TINY, "--steps", "3", "--out", out]
    assert main(train) == 0
    for i in range(12, 24):
        Image.new("RGB", (20, 20), (0, 9 * i, 0)).save(folder / f"{i}.png")
    capsys.readouterr()
    assert main([*train, "--resume"]) == 2
    assert "photos has changed since the run" in said(capsys)


def test_traceback_is_there_for_who_asks():
    with pytest.raises(FileNotFoundError):
        main(["--traceback", "sample", "nowhere"])


def test_no_display_is_needed(tmp_path):
    train = ["train", "mlp", *TINY, "--steps", "2", "--out", str(tmp_path / "run")]
    code = f"import sys; from ganedu.__main__ import main; sys.exit(main({train!r}))"
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | {"MPLBACKEND": "TkAgg"}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env).returncode == 0


# ------------------------------------------------------------------------------- a stranger's disk, folder and hand


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of two classes beside which the command line is called."""
    from PIL import Image

    for i in range(12):
        path = tmp_path / "photos" / ("cats", "dogs")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20, 3)).astype(np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


SHORT = ["train", "mlp", *TINY, "--steps", "2"]


def test_what_is_made_does_not_become_data(photos, capsys, monkeypatch):
    before = sorted(photos.rglob("*"))
    for out in ("photos", "photos/runs/mlp", "photos/cats"):
        assert main([*SHORT, "--data", "photos", "--out", out]) == 2
        assert "lies in the folder of images" in said(capsys)
    monkeypatch.chdir(photos)
    assert main([*SHORT, "--data", "."]) == 2
    assert "such as --out ../runs/photos" in said(capsys)
    assert sorted(photos.rglob("*")) == before
    assert main([*SHORT, "--data", ".", "--out", "../runs/photos"]) == 0


def test_an_unbalanced_folder_is_said_in_one_line_and_trained_on(photos, capsys):
    train = ["train", "cgan", *TINY, "--steps", "2", "--data", "photos"]
    assert main([*train, "--out", "even"]) == 0
    assert "unbalanced" not in capsys.readouterr().err
    cats = sorted((photos / "cats").iterdir())
    for path in cats[2:]:
        path.unlink()
    assert main([*train, "--out", "few"]) == 0
    (line,) = [row for row in capsys.readouterr().err.splitlines() if "unbalanced" in row]
    assert "1 of cats, the rarest, 5 of dogs, the commonest" in line and "Notebook 17" in line
    assert "one image (cats)" in line  # the other of the two is held out
    assert main(["train", "dcgan", *TINY, "--steps", "2", "--data", "photos", "--out", "no-classes"]) == 0
    assert "unbalanced" not in capsys.readouterr().err


def test_a_run_goes_on_from_anywhere_and_with_images_that_have_moved(photos, capsys, monkeypatch):
    run = str(photos.parent / "run")
    assert main([*SHORT, "--data", "photos", "--out", run]) == 0
    monkeypatch.chdir("/")
    assert main(["train", "mlp", "--steps", "3", "--resume", "--out", run]) == 0
    moved = photos.rename(photos.parent / "moved")
    capsys.readouterr()
    assert main(["train", "mlp", "--steps", "4", "--resume", "--out", run]) == 2
    assert "the images in" in (text := said(capsys)) and "--resume --data" in text
    assert main(["train", "mlp", "--steps", "4", "--resume", "--out", run, "--data", str(moved)]) == 0
    assert recipes.read_run(run)[1]["settings"]["data"] == str(moved)
    assert main(["train", "mlp", "--steps", "4", "--resume", "--out", run, "--data", "digits"]) == 2
    assert "and is digits now" in said(capsys)


def test_other_images_of_the_same_number_stop_a_resume_and_the_doctor(photos, capsys):
    from PIL import Image

    assert main([*SHORT, "--data", "photos", "--out", "run"]) == 0
    path = next(photos.rglob("*.png"))
    Image.new("RGB", (20, 20), (1, 2, 3)).save(path)
    capsys.readouterr()
    for command in (["train", "mlp", "--steps", "4", "--resume", "--out", "run"], ["doctor", "run"]):
        assert main(command) == 2
        assert "other ones now" in said(capsys)
    assert main(["sample", "run", "--n", "2", "--out", "x.npy"]) == 0  # needs no images


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--data", ""], "is no name"), (["--data", " "], "is no name"), (["--data", "~nobody-here/x"], "no folder"),
     (["-p", "seed", "2.5"], "unknown setting 'seed'"), (["-p", "data", "7"], "unknown setting 'data'"),
     (["-p", "z_dim", str(10**20)], "z_dim=.* from 1 to 4,096"), (["--width", "4097"], "from 1 to 4,096"),
     (["--width", "4000", "--image-size", "128", "--channels", "3"], "weights, more"),
     (["-p", "batch_size", "65000", "--image-size", "128"], "numbers, more than"),
     (["-p", "lr", "nan"], "lr=nan does not fit"), (["-p", "betas", "0,1"], "two numbers"),
     (["--channels", "7"], "grey"),
     (["--out", "/proc/nobody/run"], "No such file or directory: check how"),
     (["--out", "r" * 300], "too long: choose")],
)  # fmt: skip
def test_numbers_and_places_that_do_not_fit_are_told_so(arguments, hint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, *arguments]) == 2
    assert re.search(hint, said(capsys)) and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--n", str(10**9)], "a gigabyte"), (["--n", "60000"], "programs open"),
     (["--out", "/dev/null/x.png"], "cannot write"),
     (["--out", "/etc/hostname/x.npy"], "choose another folder")],
)  # fmt: skip
def test_samples_that_cannot_be_are_refused(arguments, hint, runs, capsys):
    assert main(["sample", str(runs / "dcgan"), *arguments]) == 2
    assert hint in said(capsys)


@pytest.mark.parametrize(
    "arguments",
    [["--seed", str(2**64)], ["--seed", str(-(2**64))], ["--width", "9" * 5000], ["--steps", str(10**13)],
     ["--out", ""], ["--seconds", "1e300"], ["--out", "a\0b"], ["-p", "lr", "9" * 5000], ["--channels", "-1"]],
    ids=lambda a: " ".join(a)[:30].replace("\0", "0"),
)  # fmt: skip
def test_numbers_beyond_all_bounds_are_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as e:
        main(["train", "mlp", *arguments])
    assert e.value.code == 2 and len(capsys.readouterr().err) < 3000


@pytest.mark.parametrize("command", [["run", "03", "-p", "seed", "1", "-p", "seed", "2"],
                                     ["train", "mlp", "-p", "lr", "1", "-p", "r1", "0", "-p", "lr", "2"]])  # fmt: skip
def test_a_number_given_twice_is_a_usage_error(command, capsys):
    with pytest.raises(SystemExit) as e:
        main(command)
    assert e.value.code == 2 and "is given twice" in capsys.readouterr().err


@pytest.mark.parametrize("breaks", ["raise", "RecursionError('deep')", "AttributeError('half imported')"])
def test_an_import_that_ctrl_c_cuts_ends_in_one_word(breaks, monkeypatch, capsys):
    """Some imports swallow KeyboardInterrupt and fail later, in their own ways."""

    def data(args):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if breaks == "raise":
                raise
            raise eval(breaks) from None

    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)  # as in a terminal
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr("ganedu.__main__.data", data)
        assert main(["data"]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err == "\nganedu: stopped\n"


def test_two_cannot_train_into_one_folder(tmp_path, capsys):
    out = tmp_path / "run"
    command = [*SHORT[:-2], "--seconds", "600", "--out", str(out)]
    code = f"import ganedu.__main__ as m; m.SAVE_EVERY = 0; m.main({command!r})"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as other:
        try:
            _wait_for_step(out, other)
            assert main(["train", "mlp", "--steps", "5", "--resume", "--out", str(out)]) == 2
            assert "another process is training into" in said(capsys)
            assert main([*SHORT, "--out", str(out)]) == 2
            said(capsys)
        finally:
            other.kill()
    (out / f".{checkpoints.CHECKPOINT}.1234").write_bytes(b"half")  # what a kill may leave
    assert main(["train", "mlp", "--seconds", "1", "--resume", "--out", str(out)]) == 0
    assert {p.name for p in out.iterdir()} == {checkpoints.CHECKPOINT, checkpoints.RECORDS, "samples.png", ".lock"}


def test_what_a_system_says_has_a_path_a_cause_and_advice():
    from ganedu.__main__ import _said

    for number in (errno.EACCES, errno.ENOSPC, errno.EEXIST, errno.EIO, errno.EROFS):
        text = _said(error := OSError(number, os.strerror(number), "here/x"))
        assert text.startswith(f"here/x: {error.strerror}: ") and "choose" in text
    assert _said(ValueError("a\x1b[2Jb")) == "a\\x1b[2Jb"
    assert "not enough memory" in _said(MemoryError()) and _said(RuntimeError()) == "RuntimeError"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_killed_at_random_moments_a_run_ends_as_the_unbroken_one():
    """A few of the kills of benchmarks/kills.py."""
    command = [sys.executable, "benchmarks/kills.py", "--kills", "6", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "6 kills in 1 runs" in done.stdout, done.stdout + done.stderr
    assert ": 0 lost, 1 of 1 runs equal to the unbroken one" in done.stdout


# ------------------------------------------------------------------------------------------------------------ studio


@pytest.fixture
def served(monkeypatch):
    """What would have been called, and the settings that it would have had."""
    calls = []
    monkeypatch.setattr("ganedu.__main__._call", lambda command, env: calls.append((command, env)) or 0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    return calls


def test_the_studio_is_served_to_this_machine_alone_with_its_settings_in_the_environment(runs, served, monkeypatch):
    monkeypatch.chdir(runs)
    assert main(["studio", "--port", "9001", "--no-browser"]) == 0
    assert main(["studio", "--run", "cgan"]) == 0
    (first, env), (second, of_run) = served
    assert first[1:3] == ["-m", "voila"] and Path(first[3]).name == "studio.ipynb" and Path(first[3]).is_file()
    assert {"--port=9001", "--no-browser", "--Voila.ip=127.0.0.1"} <= set(first)
    assert "--no-browser" not in second and "--port=8866" in second
    settings = json.loads(env["GANEDU_STUDIO"])
    assert settings == {"data": "digits", "run": None, "folder": str(Path.cwd())}
    assert json.loads(of_run["GANEDU_STUDIO"])["run"] == str((runs / "cgan").resolve())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--data", "digit"], "unknown model of the studio 'digit'"),
        (["--run", "nowhere"], "nowhere"),
        (["--run", "."], "checkpoint"),
        (["--data", "fashion", "--run", "."], "not allowed with"),
    ],
)
def test_a_wrong_model_or_run_is_said_before_anything_is_served(line, words, served, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["studio", *line]) == 2
    except SystemExit as e:
        assert e.code == 2
    assert words in capsys.readouterr().err and not served


def test_without_voila_the_studio_says_how_to_get_it_and_what_does_without(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["studio"]) == 2
    err = said(capsys)
    assert "pip install 'ganedu[studio]'" in err and "ganedu lab" in err and len(err.splitlines()) == 1


def test_what_voila_refuses_ends_with_status_1(served, monkeypatch, capsys):
    monkeypatch.setattr("ganedu.__main__._call", lambda command, env: 1)
    assert main(["studio"]) == 1 and "Voilà ended with an error" in said(capsys)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a program could catch")
def test_what_ends_the_command_ends_what_it_serves():
    server = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    code = f"import sys; from ganedu.__main__ import _call; _call([sys.executable, '-c', {server!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        served = int(process.stdout.readline())
        process.terminate()
        process.wait(30)
    with pytest.raises(ProcessLookupError):
        os.kill(served, 0)

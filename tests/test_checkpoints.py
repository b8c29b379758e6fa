"""Oracle: the run that was never cut. A resumed run gives its floats; a file that is not whole changes nothing."""

import errno
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from small_runs import state, train, trainer

from ganedu import checkpoints, models
from ganedu.training import linear_second_half

FILES = {"checkpoint.safetensors", "records.json"}
SETTINGS = {"width": 8, "classes": ["shirt", "bag"], "lr": 3e-3, "ema": None}
RUNS = {
    "points": {"kind": "points"},
    "images": {"kind": "images"},
    "labelled, ema and schedule": {"kind": "labelled", "ema": 0.9, "schedule": linear_second_half},
    "images, ema and schedule": {"kind": "images", "ema": 0.9, "schedule": linear_second_half},
}


def content(folder):
    return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a good checkpoint of ten steps."""
    folder = tmp_path_factory.mktemp("whole")
    train(trainer(), 10).save(folder, SETTINGS)
    return folder


# ------------------------------------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_a_resumed_run_gives_the_numbers_of_an_unbroken_one(config, tmp_path):
    unbroken, cut = trainer(**config), trainer(**config)
    train(unbroken, 20)
    for record in cut.run(steps=20, every=4):
        if record["step"] == 12:
            cut.save(tmp_path)
            break
    resumed = trainer(**config, seed=7)  # other weights, other random numbers: all must come from the file
    resumed.load(tmp_path)
    assert state(resumed) == state(cut)
    assert state(train(resumed, 20)) == state(unbroken)
    labels = [torch.tensor([0, 2])] if config["kind"] == "labelled" else []
    assert torch.equal(resumed.sample(2, *labels), unbroken.sample(2, *labels))


def test_a_checkpoint_can_be_taken_before_the_first_step(tmp_path):
    trainer().save(tmp_path)
    resumed = trainer(seed=7)
    resumed.load(tmp_path)
    assert state(train(resumed, 6)) == state(train(trainer(), 6))


def test_saving_does_not_change_the_run(tmp_path):
    run = trainer("images", ema=0.9)
    for _ in run.run(steps=12, every=3):
        run.save(tmp_path)
    assert state(run) == state(train(trainer("images", ema=0.9), 12))


def test_seconds_and_settings_come_back(tmp_path):
    run = train(trainer(), 4)
    run.save(tmp_path, SETTINGS)
    resumed = trainer()
    assert resumed.load(tmp_path) == SETTINGS
    assert resumed.seconds == run.seconds > 0


def test_what_is_written_are_tensors_and_json_readable_without_this_package(whole):
    assert content(whole).keys() == FILES
    tensors = load_file(whole / "checkpoint.safetensors")
    expected = train(trainer(), 10)
    assert torch.equal(tensors["D.net.0.weight"], expected.modules["D"].net[0].weight)
    assert json.loads((whole / "records.json").read_text()) == expected.history


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_others_may_read_what_the_umask_lets_them(tmp_path):
    old = os.umask(0o022)
    try:
        trainer().save(tmp_path)
    finally:
        os.umask(old)
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o644 for p in tmp_path.iterdir())


KILLED = """
import sys
from small_runs import trainer
from ganedu.training import linear_second_half
run = trainer("images", ema=0.9, schedule=linear_second_half)
for record in run.run(steps=400, every=5):
    run.save(sys.argv[1])
    print(record["step"], flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_resumes_to_the_numbers_of_an_unbroken_one(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)}) as child:  # fmt: skip
        for line in child.stdout:
            if int(line) >= 100:
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    config = {"kind": "images", "ema": 0.9, "schedule": linear_second_half}
    resumed = trainer(**config, seed=7)
    resumed.load(tmp_path)
    assert 100 <= resumed.step < 400
    assert all(len(v) == resumed.step for v in resumed.history.values())
    unbroken, goal = trainer(**config), resumed.step + 20
    for run in (resumed, unbroken):
        for record in run.run(steps=400, every=5):  # 400 is where the schedule ends
            if record["step"] == goal:
                break
    assert state(resumed) == state(unbroken)


def test_killed_between_its_two_files_a_checkpoint_still_agrees_with_itself(tmp_path, monkeypatch):
    run = train(trainer(), 10)
    run.save(tmp_path)
    train(run, 15)
    written = checkpoints.write_atomic

    def die_before_the_weights(path, data):
        if path.name != "records.json":
            raise SystemExit
        written(path, data)

    monkeypatch.setattr(checkpoints, "write_atomic", die_before_the_weights)
    with pytest.raises(SystemExit):
        run.save(tmp_path)
    monkeypatch.undo()
    assert len(json.loads((tmp_path / "records.json").read_text())["loss_D"]) == 15
    resumed = trainer(seed=7)
    resumed.load(tmp_path)
    assert state(resumed) == state(train(trainer(), 10))


@pytest.mark.parametrize("records", [None, "", '{"loss_D": [0.1', "[1, 2]", '{"loss_D": 3}'])
def test_without_readable_records_a_run_still_goes_on(records, whole, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes((whole / "checkpoint.safetensors").read_bytes())
    if records is not None:
        (tmp_path / "records.json").write_text(records)
    resumed = trainer(seed=7)
    resumed.load(tmp_path)
    assert resumed.history == {} and resumed.step == 10
    assert state(train(resumed, 14))["modules"] == state(train(trainer(), 14))["modules"]


# ----------------------------------------------------------------------------------------------- files that do not fit


class Trap:
    """Unpickling it would leave a mark."""

    def __reduce__(self):
        return (exec, ("import os; os.environ['GANEDU_TRAP'] = 'sprung'",))


def zipped_pickle(path):
    torch.save({"weights": torch.zeros(3), "trap": Trap()}, path)


def old_pickle(path):
    torch.save({"trap": Trap()}, path, _use_new_zipfile_serialization=False)


def cut_to(share):
    def cut(path):
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])

    return cut


def tamper(**header):
    def write(path):
        path.write_bytes(save(load_file(path), metadata={"ganedu": json.dumps(header)}))

    return write


BROKEN = {
    "empty": (lambda path: path.write_bytes(b""), "truncated, damaged, or not written by ganedu"),
    "cut in the header": (cut_to(0.02), "truncated, damaged"),
    "cut in the middle": (cut_to(0.5), "truncated, damaged"),
    "cut by one per cent": (cut_to(0.99), "truncated, damaged"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 20), "truncated, damaged"),
    "zipped pickle": (zipped_pickle, "is a pickle, which can run code"),
    "old pickle": (old_pickle, "is a pickle, which can run code"),
    "plain pickle": (lambda path: path.write_bytes(pickle.dumps(Trap())), "is a pickle, which can run code"),
    "somebody else's weights": (lambda path: path.write_bytes(save({"w": torch.zeros(2)})), "not written by ganedu"),
    "a header of another kind": (tamper(weights=1), "not written by ganedu"),
    "a header without optimisers": (tamper(step=1, seconds=1, settings={}), "not written by ganedu"),
}


@pytest.mark.parametrize(("spoil", "says"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_a_whole_checkpoint_is_refused_and_changes_nothing(spoil, says, whole, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes((whole / "checkpoint.safetensors").read_bytes())
    spoil(path)
    run = train(trainer(seed=7), 3)
    before = state(run)
    with pytest.raises(ValueError, match=says) as error:
        run.load(tmp_path)
    assert str(path) in str(error.value)
    assert state(run) == before
    assert "GANEDU_TRAP" not in os.environ


def test_a_folder_without_checkpoint_is_named(tmp_path):
    run = trainer()
    before = state(run)
    for folder in (tmp_path, tmp_path / "nowhere"):
        for read in (run.load, checkpoints.read):
            with pytest.raises(
                FileNotFoundError, match=f"no checkpoint in {folder}: checkpoint.safetensors is missing"
            ):
                read(folder)
    assert state(run) == before


def wider():
    players = dict(trainer().players)
    players["G"] = models.MLPGenerator(4, width=9)
    return {"players": players}


def other_optimiser():
    players = dict(trainer().players)
    return {"players": {**players, "opt_G": torch.optim.Adam(players["G"].parameters())}}


def other_groups():
    players = dict(trainer().players)
    first, *rest = players["D"].parameters()
    return {"players": {**players, "opt_D": torch.optim.Adam([{"params": [first]}, {"params": rest}])}}


def one_more():
    return {"players": {**trainer().players, "critic": models.MLPDiscriminator(width=3)}}


def one_less():
    return {"players": {k: v for k, v in trainer().players.items() if k != "D"}}


OTHERS = {
    "width": (wider, r"another model: G\.net\.0\.weight is \(8, 4\) there and \(9, 4\) here"),
    "game": (lambda: {"kind": "images"}, "another model: G"),
    "optimiser": (other_optimiser, "another optimiser: opt_G is SGD with 1 .* there and Adam with 1"),
    "groups": (other_groups, "another optimiser: opt_D is Adam with 1 group.* there and Adam with 2"),
    "more players": (one_more, "another game: only this trainer has critic"),
    "fewer players": (one_less, "another game: only the checkpoint has D"),
    "average": (lambda: {"ema": 0.9}, "another game: only this trainer has the running average"),
}


@pytest.mark.parametrize(("changed", "says"), OTHERS.values(), ids=OTHERS)
def test_another_runs_checkpoint_is_refused_and_changes_nothing(changed, says, whole):
    run = trainer(seed=7, **changed())
    before = state(run)
    with pytest.raises(ValueError, match=says):
        run.load(whole)
    assert state(run) == before


def test_an_average_is_not_dropped_silently(tmp_path):
    trainer(ema=0.9).save(tmp_path)
    with pytest.raises(ValueError, match="only the checkpoint has the running average, ema"):
        trainer().load(tmp_path)


# --------------------------------------------------------------------------------------------------- a disk that fails


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_while_writing(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)


def full_while_renaming(folder, monkeypatch):
    monkeypatch.setattr(os, "replace", no_space)


def largest_file_of_1000_bytes(folder, monkeypatch):
    """The kernel itself cuts the write short."""
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tiny_disk(folder, monkeypatch):
    size = sum(len(v) for v in content(folder).values())
    before = content(folder)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size + 8192}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    for name, data in before.items():
        (folder / name).write_bytes(data)
    return lambda: subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("fill", [full_while_writing, full_while_renaming, largest_file_of_1000_bytes, tiny_disk])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_rubbish(fill, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    run = train(trainer("images"), 30)
    run.save(folder)
    old = content(folder)
    train(run, 35)
    mend = fill(folder, monkeypatch)
    try:
        before = state(run)
        with pytest.raises(OSError, match=r"cannot write .*run.*: .*What was there before is untouched") as error:
            run.save(folder)
        assert error.value.errno in (errno.ENOSPC, errno.EFBIG)
        left = content(folder)
        assert left["checkpoint.safetensors"] == old["checkpoint.safetensors"]
        assert left.keys() == FILES and state(run) == before
        resumed = trainer("images", seed=7)
        resumed.load(folder)
        assert resumed.step == 30 and all(len(v) == 30 for v in resumed.history.values())
    finally:
        if mend:
            mend()
    monkeypatch.undo()
    run.save(tmp_path / "elsewhere")
    assert content(tmp_path / "elsewhere").keys() == FILES


def test_where_a_file_stands_in_the_way_the_path_is_named(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(OSError, match=f"cannot write {folder}.*choose another folder"):
            trainer().save(folder)
    assert content(tmp_path) == {"taken": b"mine"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=f"cannot write {tmp_path}"):
            trainer().save(tmp_path)
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o700)


def test_a_system_that_forbids_writing_is_named(tmp_path, monkeypatch):
    """What root's tests cannot see: the system says no."""
    run = train(trainer(), 3)
    run.save(tmp_path)
    old = content(tmp_path)

    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match=f"cannot write {tmp_path}.*Permission denied"):
        run.save(tmp_path)
    monkeypatch.undo()
    assert content(tmp_path) == old


def test_ctrl_c_while_writing_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch):
    run = train(trainer(), 3)
    run.save(tmp_path)
    old = content(tmp_path)

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.save(tmp_path)
    monkeypatch.undo()
    assert content(tmp_path) == old

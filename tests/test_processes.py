"""Oracles: one process with the whole batch; what each of two processes saw (`two_processes.py`), side by side."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import small_runs
import torch
import two_processes
from small_runs import train, trainer
from two_processes import CROSSING, EQUAL

from ganedu import checkpoints, processes
from ganedu.__main__ import main

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch was built without processes"),
    pytest.mark.skipif(sys.platform == "win32", reason="torch's launcher does not start everywhere on Windows"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    train(trainer("images", ema=0.9), 3).save(folder / "one")
    return folder


@pytest.fixture(scope="module")
def two(folder):
    """What two processes saw, by rank."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
                        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}  # fmt: skip
    both = [
        subprocess.Popen([sys.executable, ROOT / "tests/two_processes.py", folder], stderr=subprocess.PIPE, text=True,
                         env=env | {"RANK": str(r), "LOCAL_RANK": str(r)})
        for r in range(2)
    ]  # fmt: skip
    try:
        errors = [p.communicate(timeout=100)[1] for p in both]
    finally:
        for p in both:
            p.kill()
    assert (both[0].returncode, both[1].returncode) == (0, 1), "\n".join(errors)
    return [json.loads((folder / f"{r}.json").read_text()) for r in range(2)]


def furthest(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


# -------------------------------------------------------------------------------------- two halves and one whole batch


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_with_half_the_batch_each_equal_one_with_all_of_it(two, name):
    alone = two_processes.weights_of(EQUAL[name])
    for seen in two:
        assert furthest(seen["cases"][name]["weights"], alone["weights"]) < 1e-9
        for key, values in alone["records"].items():
            assert furthest(seen["cases"][name]["records"][key], values) < 1e-6  # float32
    assert two[0]["cases"][name]["weights"] == two[1]["cases"][name]["weights"]


@pytest.mark.parametrize("name", CROSSING)
def test_what_crosses_the_batch_differs_and_yet_all_processes_agree(two, name):
    alone = two_processes.weights_of(CROSSING[name])
    assert furthest(two[0]["cases"][name]["weights"], alone["weights"]) > 1e-5
    assert two[0]["cases"][name]["weights"] == two[1]["cases"][name]["weights"]


def test_all_losses_and_penalties_are_checked_here():
    assert len(EQUAL) == len(small_runs.losses.ALL) * 5 + 5


# ---------------------------------------------------------------------------------------------- what is common, or not


def test_all_begin_with_the_main_ones_weights(two):
    assert two[0]["start"] == two[1]["start"]
    assert two[0]["start"]["G"] == small_runs.numbers(dict(trainer("images", seed=0).modules["G"].state_dict()))


def test_each_draws_its_own_part_of_the_batch_and_its_own_noise(two):
    a, b = (seen["draws"] for seen in two)
    assert a["n"] == b["n"] == small_runs.BATCH // 2
    assert not set(a["x"]) & set(b["x"]) and not set(a["z"]) & set(b["z"])


def test_records_are_means_over_the_processes(two):
    assert [seen["records"] for seen in two] == [{"loss_D": [1.5, 1.5]}] * 2


def test_weights_and_the_running_average_are_equal_and_batch_norms_are_not(two):
    a, b = (seen["a_game"] for seen in two)
    assert a["weights"] == b["weights"]
    assert all(a["buffers"][k] != b["buffers"][k] for k in a["buffers"]) and a["buffers"]


def test_what_one_finds_not_finite_stops_all(two):
    assert two[0]["diverges"] == two[1]["diverges"]
    assert "Diverged: loss_D is nan at step 3: " in two[0]["diverges"]


def test_ctrl_c_in_one_stops_all_at_one_step_and_they_go_on(two):
    assert two[0]["interrupted"] == two[1]["interrupted"]
    first, at, between, then, end = two[0]["interrupted"]
    assert at == 4 and "stopped after step 4" in first  # the step that was begun is done
    assert then == 7 and "stopped after step 7" in between and end == 20


def test_the_main_ones_clock_counts_for_all(two):
    assert two[0]["clock"] == two[1]["clock"]
    assert two[0]["clock"][:2] == [10, 5.0]


def test_what_cannot_be_shared_is_refused(two):
    batch, closure, gpu = two[1]["refusals"]
    assert "batch_size=5 is the whole batch, and 2 processes cannot share it equally: give a multiple of 2" in batch
    assert "such as 4 or 6" in batch and "takes no closure" in closure and "takes its own GPU" in gpu


def test_gradients_are_means_and_what_nobody_has_stays_none(two):
    for seen in two:
        weights, lacking = seen["gradients"]
        assert weights == [[1 - 1.5] * 2, [1 - 0.5] * 2, [1.0] * 2]
        assert lacking == [False, False, True]


def test_two_processes_resume_to_the_numbers_of_an_unbroken_run(two, folder):
    assert all(seen["resumed"]["equal"] for seen in two)
    files = sorted(p.name for p in (folder / "two").iterdir())
    assert files == [checkpoints.CHECKPOINT, checkpoints.RECORDS]


def test_another_number_of_processes_goes_on_with_the_weights_and_says_what_differs(two, folder):
    for seen in two:
        same, other = seen["resumed"]["caveats"]
        assert same == "" and other.startswith("trained by 1 process up to step 3, goes on with 2: weights, optimisers")
    a, b = (seen["resumed"] for seen in two)
    assert a["weights"] == b["weights"] and a["rng"] != b["rng"]
    alone = trainer("images", ema=0.9)
    alone.load(folder / "two")
    assert alone.caveat.startswith("trained by 2 processes up to step 3, goes on with 1: ") and alone.step == 3
    train(alone, 5)


def test_where_one_fails_none_goes_on_and_it_is_said_once(two):
    (one, both, disk, fine), (one_, both_, disk_, _) = (seen["failures"] for seen in two)
    assert one.startswith("Elsewhere: another process has stopped") and one_ == "ZeroDivisionError: mine 1"
    assert both == "ZeroDivisionError: mine 0" and both_.startswith("Elsewhere")
    assert "Error: " in disk and "cannot write" in disk and disk_.startswith("Elsewhere") and fine is None


def test_a_process_that_dies_leaves_nobody_waiting(two):
    assert two[0]["one_dies"].startswith("Elsewhere: another process has stopped")


def test_a_checkpoint_with_broken_random_numbers_of_another_process_is_refused(two, folder):
    tensors, header, history = checkpoints.read(folder / "two")
    tensors["rng.1"] = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="no state of random numbers"):
        trainer("images", ema=0.9).load(folder, (tensors, header, history))


# ------------------------------------------------------------------------------------------------------------- alone


def test_alone_nothing_changes():
    assert (processes.count(), processes.rank(), processes.part(5), processes.own_seed(7)) == (1, 0, 5, 7)
    assert processes.agree(1.5, True) == (1.5, True)
    values = torch.tensor([1.0, math.nan])
    assert processes.mean(values) is values and processes.of_all(values) == [values]
    with pytest.raises(ZeroDivisionError), processes.together():
        raise ZeroDivisionError


def test_a_usage_error_is_said_by_the_main_process_alone(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit) as e:
        main(["train"])
    assert e.value.code == 2 and capsys.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------- from end to end


END = """
import sys, torch
from ganedu import processes
torch.distributed.init_process_group("gloo", init_method=sys.argv[2], rank=int(sys.argv[1]), world_size=2)
processes.mean(torch.ones(3))
print("said")
processes.leave(int(sys.argv[3]))
print("not said")
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_program_of_several_ends_with_its_own_exit_code(tmp_path, code):
    """Left to end as Python does, one such pair in six aborted on a busy machine."""
    for i in range(6):
        pair = [
            subprocess.Popen(
                [sys.executable, "-c", END, str(r), (tmp_path / str(i)).as_uri(), str(code)],
                text=True,
                stdout=subprocess.PIPE,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            for r in range(2)
        ]
        assert [(p.communicate(timeout=100)[0], p.returncode) for p in pair] == [("said\n", code)] * 2


def test_the_command_runs_under_a_launcher_writes_one_run_and_prints_once(tmp_path, capsys):
    out = tmp_path / "run"
    line = ["train", "dcgan", "--image-size", "16", "--width", "2", "--out", str(out)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ganedu"]
    done = subprocess.run([*launcher, *line, "--steps", "12"], cwd=ROOT, capture_output=True, text=True, timeout=100,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("12 steps in ") and "by 2 processes" in done.stdout
    assert sorted(p.name for p in out.iterdir() if p.name != ".lock") == [
        checkpoints.CHECKPOINT, checkpoints.RECORDS, "samples.png"]  # fmt: skip
    assert main([*line, "--steps", "14", "--resume"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("trained by 2 processes up to step 12, goes on with 1: ") and "14 steps" in said.out

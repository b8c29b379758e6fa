"""Many runs of one notebook, a small one: by a stand-in for the kernel, and really where it is about kernels."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import nbformat
import psutil
import pytest

from ganedu.__main__ import main
from ganedu.course import kernel, machine, notebooks, records, sweep

ROOT = Path(__file__).parents[2]
CELLS = [
    ("seed = 0\nrate = 0.1\nname = 'a'\ndeep = False\nsizes = [8]\nwait = 0.0", ["parameters"]),
    ("import os, time\nfrom ganedu.course.records import record\n\ntime.sleep(wait)", []),
    ("assert seed != 3, 'three is too many'\nrecord(square=seed**2, big=seed > 1)", []),
    ("threads = int(os.environ.get('OMP_NUM_THREADS', 0))\nhere = os.getcwd()", []),
]


def write_course(folder: Path) -> None:
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in CELLS]
    info = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=info), folder / "05_small.ipynb")


@pytest.fixture
def course(tmp_path, monkeypatch):
    write_course(tmp_path / "notebooks")
    monkeypatch.setattr(notebooks, "folder", (tmp_path / "notebooks").resolve)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "notebooks" / "05_small.ipynb").resolve()


@pytest.fixture
def ran(monkeypatch):
    """What would have been run; seed 3 fails, and the others find their seed's square."""
    seen = []

    def execute(text, name, given):
        seen.append(given)
        nb = nbformat.reads(text, 4)
        if given.get("seed") == 3:
            return "cell [3] raised AssertionError: three", nbformat.writes(nb), 1.0
        figures = {"square": given.get("seed", 0) ** 2.0}
        nb.cells[2].outputs = [nbformat.v4.new_output("display_data", {records.KIND: figures})]
        return "", nbformat.writes(nb), 2.0

    monkeypatch.setattr(sweep, "execute", execute)
    return seen


def lines(out: Path) -> list[dict]:
    return list(csv.DictReader((out / "table.csv").open(newline="")))


# ------------------------------------------------------------------------------------------------------------ the grid

GRIDS = [
    ({"seed": "0..3"}, "seed", [0, 1, 2, 3]), ({"seed": "7"}, "seed", [7]), ({"seed": "5, 0..2"}, "seed", [5, 0, 1, 2]),
    ({"rate": "1e-3,3e-3"}, "rate", [0.001, 0.003]), ({"rate": "-1..1"}, "rate", [-1.0, 0.0, 1.0]),
    ({"name": "a b,0..2"}, "name", ["a b", "0..2"]), ({"deep": "true,false"}, "deep", [True, False]),
    ({"sizes": "[8],[16, 16]"}, "sizes", [[8], [16, 16]]), ({"sizes": "[8, 9]"}, "sizes", [[8, 9]]),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "name", "values"), GRIDS, ids=str)
def test_a_text_stands_for_its_values(texts, name, values, course):
    found = [given[name] for given, _ in sweep.grid(course, texts)]
    assert found == values and [type(v) for v in found] == [type(v) for v in values]


def test_the_grid_has_every_combination_seed_by_seed(course):
    points = sweep.grid(course, {"rate": "1,2", "seed": "0..2"})
    assert [(g["seed"], g["rate"]) for g, _ in points] == [(s, r) for s in range(3) for r in (1.0, 2.0)]
    assert points[0][1] == {"seed": 0, "rate": 1.0, "name": "a", "deep": False, "sizes": [8], "wait": 0.0}
    assert sweep.grid(course, {}) == [({}, kernel.parameters(course))]


BAD = [
    (["-p", "sed", "0..3"], "choose one of seed, rate, name, deep, sizes, wait. Did you mean 'seed'?"),
    (["-p", "seed", "0..x"], "give a whole number"), (["-p", "seed", "1.5"], "whole numbers in a row are 0..31"),
    (["-p", "seed", "3..0"], "a range goes up"), (["-p", "seed", "0..99999999999"], "at most 10,000"),
    (["-p", "seed", "0,1,1"], "names 1 twice"), (["-p", "rate", "1e-3,0.001"], "twice"),
    (["-p", "seed", "4294967296"], "from 0 to 4,294,967,295"), (["-p", "seed", ""], "give a whole number"),
    (["-p", "deep", "0..1"], "true or false"), (["-p", "sizes", "8,9"], "a list of the same kind"),
    (["-p", "seed", "0..999", "-p", "rate", "0..999"], "1,000,000 runs"),
    (["--figure", "a b", "1"], "names a column"), (["--figure", "seed", "1"], "no parameter's name"),
    (["--figure", "a", "x = 1"], "no Python expression"), (["--figure", "a", "1)"], "no Python expression"),
    (["--workers", "3"], "--workers"), (["--on", "slurm"], "--on"), (["--out", "notebooks/x"], "among the course's"),
    (["--out", "notebooks/05_small.ipynb"], "choose another place"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "hint"), BAD, ids=lambda v: " ".join(v)[:40] if isinstance(v, list) else "")
def test_what_does_not_fit_is_said_before_any_work(given, hint, course, ran, capsys):
    assert main(["sweep", "05", "--out", "out", *given]) == 2
    said = capsys.readouterr().err
    assert hint in said and said.startswith("ganedu: ") and not ran and not list(Path().glob("out/*.ipynb"))


# ------------------------------------------------------------------------------------------------------------ the sweep


def test_runs_that_are_whole_are_skipped_and_join_one_table(course, ran, capsys):
    assert main(["sweep", "05", "-p", "seed", "0..2", "--out", "out"]) == 0
    assert "3 to do on 2 workers with 1 thread each" in capsys.readouterr().out
    assert main(["sweep", "05", "-p", "seed", "1..5", "-p", "rate", "0.1", "--out", "out"]) == 1
    said = capsys.readouterr()
    assert "5 runs of 05_small, 2 of them whole; 3 to do" in said.out and "about 4 s, if a run takes 2 s" in said.out
    assert [g["seed"] for g in ran] == [0, 1, 2, 3, 4, 5]
    assert [(r["seed"], r["rate"], float(r["square"])) for r in lines(Path("out"))] == [
        (str(s), "0.1", s**2) for s in (0, 1, 2, 4, 5)
    ]
    assert "1 of 5 runs failed" in said.err and "seed 3, rate 0.1: cell [3] raised AssertionError: three" in said.err
    [failed] = Path("out").glob("*.failed.ipynb")
    assert str(failed) in said.err
    ran.clear()
    main(["sweep", "05", "-p", "seed", "3", "--out", "out"])
    assert ran == [{"seed": 3}], "what failed is tried again"


def test_another_text_of_the_notebook_is_another_sweep_and_its_outputs_are_not(course, ran):
    main(["sweep", "05", "-p", "seed", "0,1", "--out", "out"])
    nb = nbformat.read(course, 4)
    nb.cells[1].outputs, nb.cells[1].execution_count = [nbformat.v4.new_output("stream", text="old")], 7
    nbformat.write(nb, course)
    main(["sweep", "05", "-p", "seed", "0,1", "--out", "out"])
    assert len(ran) == 2
    nb.cells[1].source += "\n1 + 1"
    nbformat.write(nb, course)
    main(["sweep", "05", "-p", "seed", "0", "--out", "out"])
    assert len(ran) == 3 and len(lines(Path("out"))) == 1 and len(list(Path("out").glob("*.ipynb"))) == 3


def test_names_fit_every_file_system(course, ran):
    main(["sweep", "05", "-p", "name", 'a/b:c*?"<>|,CON,' + "é" * 300 + ",..", "--out", "out"])
    names = [p.name for p in Path("out").glob("*.ipynb")]
    assert len(names) == 4 and all(re.fullmatch(r"05-[A-Za-z0-9._-]{1,61}[0-9a-f]{8}\.ipynb", n) for n in names)


def test_a_second_sweep_into_the_folder_is_refused(course, ran, capsys):
    Path("out").mkdir()
    with filelock.FileLock("out/.sweep.lock"):
        assert main(["sweep", "05", "-p", "seed", "0", "--out", "out"]) == 2
    assert "another sweep works in out" in capsys.readouterr().err and not ran


def test_strangers_files_in_the_folder_are_left_alone(course, ran):
    Path("out").mkdir()
    for name, text in (("a.ipynb", "{}"), ("b.ipynb", "{"), ("c.ipynb", "[1]"), ("d.ipynb", '{"metadata": 1}')):
        Path("out", name).write_text(text)
    assert main(["sweep", "05", "-p", "seed", "0", "--out", "out"]) == 0
    assert len(lines(Path("out"))) == 1 and len(list(Path("out").glob("*.ipynb"))) == 5


def test_kernels_run_side_by_side_with_their_share_of_threads(course, capsys):
    figures = ["--figure", "threads", "threads", "--figure", "empty", "not os.listdir()"]
    before = os.environ.get("OMP_NUM_THREADS")
    assert main(["sweep", "05", "-p", "seed", "2..3", *figures, "--out", "out"]) == 1
    [row] = lines(Path("out"))
    assert (row["seed"], row["square"], row["big"], row["threads"], row["empty"]) == ("2", "4.0", "True", "1.0", "True")
    said = capsys.readouterr().err
    assert (
        "seed 3: cell [4], \"assert seed != 3, 'three is too many'\", raised AssertionError: three is too many" in said
    )
    assert os.environ.get("OMP_NUM_THREADS") == before
    [failed] = Path("out").glob("*.failed.ipynb")
    assert "three is too many" in failed.read_text() and "papermill" not in nbformat.read(failed, 4).metadata


HERE = """
import sys
from pathlib import Path
from ganedu.__main__ import main
from ganedu.course import notebooks
notebooks.folder = Path("notebooks").resolve
sys.exit(main())
"""
GIVEN = ["sweep", "05", "-p", "seed", "4..6", "-p", "wait", "0.4", "--out", "out", "--workers", "1"]


def begin(tmp_path) -> subprocess.Popen:
    """A sweep of three runs, one at a time, in a process of its own, once the first is whole."""
    process = subprocess.Popen([sys.executable, "-c", HERE, *GIVEN], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("out/*.ipynb"))) < 1 and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process


def check_goes_on(out: Path, n_whole: int) -> None:
    left = [p.name for p in out.iterdir() if p.suffix != ".ipynb"]
    assert set(left) <= {"table.csv", ".sweep.lock"}, "nothing is half written"
    for path in out.glob("*.ipynb"):
        assert nbformat.read(path, 4).metadata[sweep.META]["figures"]["square"] >= 16
    seen = {p: p.stat().st_mtime_ns for p in out.glob("*.ipynb")}
    assert 1 <= len(seen) <= n_whole
    assert main(GIVEN) == 0
    assert [int(r["seed"]) for r in lines(out)] == [4, 5, 6]
    assert all(p.stat().st_mtime_ns == t for p, t in seen.items()), "what was whole was not run again"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_sweep_that_is_killed_goes_on(course, tmp_path):
    process = begin(tmp_path)
    process.kill()
    process.communicate(timeout=30)
    check_goes_on(tmp_path / "out", 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_leaves_no_kernel_and_keeps_what_is_whole(course, tmp_path, capsys):
    before = {*psutil.Process().children(recursive=True)}

    def interrupt():
        while not list(tmp_path.glob("out/*.ipynb")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    assert main(GIVEN) == 130
    assert re.search(r"stopped: [12] of 3 runs are whole in out; the same command goes on", capsys.readouterr().err)
    left = {*psutil.Process().children(recursive=True)} - before
    assert not [k for k in left if k.status() != psutil.STATUS_ZOMBIE]
    assert 1 <= len(lines(tmp_path / "out")) <= 2
    check_goes_on(tmp_path / "out", 2)


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_finds_the_same(course, capsys):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        on = ["--on", cluster.scheduler_address, "--out", "out"]
        assert main(["sweep", "05", "-p", "seed", "1..3", *on, "--figure", "pid", "os.getppid()"]) == 1
    said = capsys.readouterr()
    assert "2 threads of the Dask cluster" in said.out and "seed 3: cell [4]" in said.err
    found = lines(Path("out"))
    assert [r["square"] for r in found] == ["1.0", "4.0"]
    assert {int(float(r["pid"])) for r in found}.isdisjoint({os.getpid()}), "the kernels were the workers' own"
    assert json.loads(next(Path("out").glob("*.ipynb")).read_text())["metadata"][sweep.META]["given"]

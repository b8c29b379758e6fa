"""The edition without solutions holds none, and runs from top to bottom, at full length, in a folder of its own."""

from pathlib import Path

import nbformat
import pytest
import turns
from nbclient import NotebookClient

from ganedu.course import notebooks
from ganedu.course.path import tags

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN))
TURNS = turns.of_today(NOTEBOOKS[0].parent, [p.stem for p in NOTEBOOKS])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_holds_no_solution(path):
    full = nbformat.read(path, as_version=4)
    student, removed = notebooks.without_solutions(full)
    assert removed == sum("check" in tags(c) for c in student.cells)
    assert not any("solution" in tags(c) for c in student.cells)
    sources = [c.source for c in student.cells]
    assert not any(c.source in sources for c in full.cells if "solution" in tags(c))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_student_edition(path, tmp_path, request):
    if path.stem not in TURNS and not request.config.getoption("every_notebook"):
        pytest.skip("not its turn; --every-notebook runs it")
    student, _ = notebooks.without_solutions(nbformat.read(path, as_version=4))
    NotebookClient(student, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    for cell in student.cells:
        if "check" in tags(cell):
            assert cell.outputs[0].text.startswith("Not yet")


def test_a_few_by_turns_all_within_a_round():
    names = [f"{i:02}_x" for i in range(17)]
    assert turns.chosen(names, set(), "") == names
    picks = [turns.chosen(names, set(), f"{turn:08x}ffff") for turn in range(17)]
    assert all(len(set(p)) == turns.AT_MOST for p in picks) and {n for p in picks for n in p} == set(names)


def test_what_must_run_and_what_changed_come_first():
    names = ["01_x", "02_x", "03_dcgan", "04_x", "05_x", "06_x"]
    assert turns.chosen(names, {"05_x"}, "00000001aa", 4) == ["03_dcgan", "05_x", "02_x", "04_x"]
    many = turns.chosen(names, {"01_x", "02_x", "04_x", "05_x", "06_x"}, "00000004aa", 4)
    assert many == ["03_dcgan", "05_x", "06_x", "01_x"], "never more than four, and not always the same"


def test_changed_is_what_differs_from_the_commit_before(tmp_path):
    names, git = ["01_x", "02_x", "03_x", "04_x", "05_x", "06_x"], turns.git
    assert turns.of_today(tmp_path, names) == names, "no clone: all"
    if not git(tmp_path, "--version"):
        pytest.skip("no git")
    git(tmp_path, "init")

    def write(name, text):
        (tmp_path / f"{name}.ipynb").write_text(text)

    def commit():
        git(tmp_path, "add", ".")
        git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-m", "x")

    write("01_x", "1")
    commit()
    assert len(turns.of_today(tmp_path, names)) == turns.AT_MOST, "the first commit, or a shallow clone"
    write("03_x", "1")
    commit()
    write("05_x", "1")  # not added
    write("01_x", "2")  # not committed
    assert {"01_x", "03_x", "05_x"} < set(turns.of_today(tmp_path, names, at_most=4))

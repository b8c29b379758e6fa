"""The student's edition as a course of nbgrader; where that is installed, with two hand-ins graded to the end."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from ganedu.__main__ import main
from ganedu.course import grading, notebooks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN))


def graded(path):
    return grading.assignment(notebooks.without_solutions(nbformat.read(path, 4))[0])


def of_nbgrader(edition):
    return {c.metadata.nbgrader.grade_id: c for c in edition.cells if "nbgrader" in c.metadata}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_check_is_a_test_with_points_by_its_grade(path):
    edition, points = graded(path)
    text = path.read_text(encoding="utf-8")
    exercises = {int(n): grade for n, grade in re.findall(r"\*\*Exercise (\d+)\*\* \((\w+)\)", text)}
    assert points == {f"check_{n}": {"easy": 1, "medium": 2, "hard": 3}[grade] for n, grade in exercises.items()}
    cells = of_nbgrader(edition)
    assert list(cells) == [f"{kind}_{n}" for n in exercises for kind in ("exercise", "check")]
    for name, cell in cells.items():
        n, check = int(name[-1]), name.startswith("check")
        of = cell.metadata.nbgrader
        assert (of.grade, of.locked, of.solution, of.task) == (check, check, not check, False)
        assert ("points" in of) == check and ("check" if check else "exercise") in cell.metadata.tags
        if check:
            shown, hidden = cell.source.split("\n### BEGIN HIDDEN TESTS\n")
            assert f"def check_{n}()" in shown and shown.endswith(f"\nprint(verdict := check_{n}())")
            assert hidden == 'assert verdict.startswith("Right"), verdict\n### END HIDDEN TESTS'


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_nothing_else_changes_but_the_way_to_other_notebooks(path):
    student = notebooks.without_solutions(nbformat.read(path, 4))[0]
    before = [c.source for c in student.cells if "badges" not in c.metadata.get("tags", ())]
    edition, _ = graded(path)
    for old, cell in zip(before, edition.cells, strict=True):
        if "check" not in cell.metadata.get("tags", ()):
            assert re.sub(r"\]\(\.\./(\d\d_\w+)/\1\.ipynb", r"](\1.ipynb", cell.source) == old
    links = re.findall(r"\]\((\S*\d\d_\w+\.ipynb)", "\n".join(c.source for c in edition.cells))
    assert all(re.fullmatch(r"\.\./(\d\d_\w+)/\1\.ipynb", link) for link in links)
    assert not any("colab.research" in c.source for c in edition.cells), "it leads to the solutions"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """One notebook with two exercises, in the place of the course's own."""
    (tmp_path / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell("from ganedu.course import exercises", metadata={"tags": ["setup"]})]
    for n, grade in ((1, "easy"), (2, "hard")):
        check = (
            f'@exercises.check\ndef check_{n}():\n    if x_{n} is None:\n        return "Not yet: a number."\n'
            f'    exercises.equal(x_{n}, {n})\n    return "Right: {n}."\n\n\nprint(check_{n}())'
        )
        cells.append(nbformat.v4.new_markdown_cell(f"**Exercise {n}** ({grade}). Give {n}."))
        for source, tag in ((f"x_{n} = None", "exercise"), (check, "check"), (f"x_{n} = {n}", "solution")):
            cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": [tag]}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "notebooks" / "01_game.ipynb")
    monkeypatch.setattr(notebooks, "folder", (tmp_path / "notebooks").resolve)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_a_course_and_overwrites_nobodys_work(course, capsys):
    assert main(["student", "class", "--nbgrader"]) == 0
    said = capsys.readouterr().out
    assert "class/source/01_game/01_game.ipynb: 2 solutions left out" in said.replace(os.sep, "/")
    assert "nbgrader_config.py says what to call there" in said
    files = sorted(p.relative_to(course / "class").as_posix() for p in (course / "class").rglob("*") if p.is_file())
    assert files == ["nbgrader_config.py", "source/01_game/01_game.ipynb"]
    assert main(["student", "class", "--nbgrader"]) == 0, "nothing was changed"
    config = course / "class" / "nbgrader_config.py"
    config.write_text("mine")
    assert main(["student", "class", "--nbgrader"]) == 2
    assert "already holds nbgrader_config.py" in capsys.readouterr().err and config.read_text() == "mine"
    assert main(["student", "class", "--nbgrader", "--force"]) == 0 and config.read_text() == grading.CONFIG


@pytest.mark.parametrize("link", ["source", "source/01_game"])
def test_a_link_on_the_way_is_not_followed(course, link, capsys):
    (course / "class" / link).parent.mkdir(parents=True)
    (course / "mine").mkdir()
    (course / "class" / link).symlink_to(course / "mine")
    assert main(["student", "class", "--nbgrader", "--force"]) == 2
    assert "is a link to another folder" in capsys.readouterr().err and not list((course / "mine").iterdir())


@pytest.mark.slow
def test_nbgrader_counts_a_right_and_a_wrong_hand_in(course):
    pytest.importorskip("nbgrader", reason="the extra [grade] is not installed")
    assert main(["student", "class", "--nbgrader"]) == 0
    here = course / "class"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic
    home = {name: str(course) for name in ("HOME", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}

    def nbgrader(*command):
        env = {**os.environ, **home, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
        result = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command], cwd=here, env=env, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-2000:]

    nbgrader("generate_assignment", "01_game")
    release = nbformat.read(here / "release" / "01_game" / "01_game.ipynb", 4)
    assert "assert verdict" not in "\n".join(c.source for c in release.cells), "the grader's alone"
    assert of_nbgrader(release)["exercise_1"].source == "x_1 = None"
    for who, first, second in (("ada", "x_1 = 1", "x_2 = 2.0"), ("bob", "1 / 0", "x_2 = 2")):
        cells = of_nbgrader(release)
        cells["exercise_1"].source, cells["exercise_2"].source = first, second
        cells["check_1"].source = "def check_1():\n    return 'Right'\n\nprint(check_1())"  # put back by nbgrader
        (here / "submitted" / who / "01_game").mkdir(parents=True)
        nbformat.write(release, here / "submitted" / who / "01_game" / "01_game.ipynb")
    nbgrader("autograde", "01_game")
    nbgrader("export")
    with open(here / "grades.csv", newline="") as f:
        assert {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(f)} == {
            "ada": (4, 4),
            "bob": (3, 4),
        }

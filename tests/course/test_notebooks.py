"""The notebooks as files, on a small course written for the test."""

import nbformat
import pytest

from ganedu.__main__ import main
from ganedu.course import notebooks

CELLS = [
    ("import math", ["setup"]),
    ("seed = 0\nname = 'a'\nrate = 0.1", ["parameters"]),
    ("print(seed, name, rate, math.floor(2.5))", []),
    ("answer = None", ["exercise"]),
    ("def check_1():\n    return 'Not yet' if answer is None else 'Right'\n\n\nprint(check_1())", ["check"]),
    ("answer = 42\nprint(verdict := check_1())\nassert verdict.startswith('Right')", ["solution"]),
]


@pytest.fixture
def small_course(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in CELLS]
    cells.append(nbformat.v4.new_markdown_cell("Because.", metadata={"tags": ["solution"]}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name in ("01_minimax_game", "03_dcgan", "04_conditional_gan"):
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")
    (folder / "notes.txt").write_text("not a notebook")
    (folder / "badges").mkdir()
    (folder / "badges" / "colab.svg").write_text("<svg/>")
    monkeypatch.setattr(notebooks, "folder", folder.resolve)
    monkeypatch.chdir(tmp_path)
    return folder.resolve()


@pytest.mark.parametrize("name", ["03", "3", "03_dcgan", "03_dcgan.ipynb", "dcgan", "dc"])
def test_a_notebook_is_found_by_number_or_beginning(small_course, name):
    assert notebooks.find(name).name == "03_dcgan.ipynb"


@pytest.mark.parametrize("name", ["07", "gan", "", "1_minimax", "../03"])
def test_what_names_no_notebook_is_answered_with_the_choice(small_course, name, capsys):
    assert main(["run", name]) == 2
    assert "01_minimax_game, 03_dcgan, 04_conditional_gan" in capsys.readouterr().err


def test_run_sets_parameters_and_leaves_the_notebook_as_it_is(small_course, capsys):
    before = (small_course / "03_dcgan.ipynb").read_bytes()
    assert main(["run", "03", "-p", "seed", "7", "-p", "name", "b c", "-p", "rate", "2e-3", "--out", "out"]) == 0
    out = small_course.parent / "out" / "03_dcgan.ipynb"
    printed = [o.text for c in nbformat.read(out, 4).cells if c.cell_type == "code" for o in c.outputs]
    assert printed[0] == "7 b c 0.002 2\n"
    assert (small_course / "03_dcgan.ipynb").read_bytes() == before
    assert str(out.relative_to(small_course.parent)) in capsys.readouterr().out


def test_run_keeps_what_a_failing_cell_left_behind(small_course, capsys):
    assert main(["run", "03", "-p", "seed", "[1", "-p", "rate", "null", "--out", "kept.ipynb"]) == 0
    notebook = nbformat.read(small_course / "03_dcgan.ipynb", 4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, small_course / "03_dcgan.ipynb")
    assert main(["run", "03", "--out", "failed.ipynb"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said and "failed.ipynb" in said and "Traceback" not in said
    assert (small_course.parent / "failed.ipynb").exists()


def test_run_says_which_parameters_there_are(small_course, capsys):
    assert main(["run", "03", "-p", "sed", "7"]) == 2
    assert "choose one of seed, name, rate. Did you mean 'seed'?" in capsys.readouterr().err
    assert main(["run", "03", "--out", "notebooks/03_dcgan.ipynb"]) == 2
    assert "is the notebook itself" in capsys.readouterr().err


def test_the_student_edition_has_the_checks_and_not_the_solutions(small_course, capsys):
    assert main(["student", "class"]) == 0
    assert "03_dcgan.ipynb: 1 solution left out" in capsys.readouterr().out
    written = sorted(p.name for p in (small_course.parent / "class").iterdir())
    assert written == ["01_minimax_game.ipynb", "03_dcgan.ipynb", "04_conditional_gan.ipynb", "badges"]
    assert (small_course.parent / "class" / "badges" / "colab.svg").read_text() == "<svg/>"
    cells = nbformat.read(small_course.parent / "class" / "03_dcgan.ipynb", 4).cells
    assert [c.source for c in cells] == [source for source, tags in CELLS if "solution" not in tags]
    assert "42" in (small_course / "03_dcgan.ipynb").read_text(encoding="utf-8")


def test_the_student_edition_overwrites_nobodys_work(small_course, capsys):
    assert main(["student", "class"]) == 0
    worked = small_course.parent / "class" / "03_dcgan.ipynb"
    worked.write_text("my work")
    assert main(["student", "class"]) == 2
    assert "may have worked in them" in capsys.readouterr().err and worked.read_text(encoding="utf-8") == "my work"
    assert main(["student", "class", "--force"]) == 0
    assert worked.read_text(encoding="utf-8") != "my work"
    assert main(["student", "notebooks"]) == 2
    assert "with their solutions" in capsys.readouterr().err


def test_lab_opens_the_first_page_of_the_course(small_course, monkeypatch):
    calls = []
    monkeypatch.setattr("ganedu.__main__._call", lambda command: calls.append(command) or 0)
    assert main(["lab", "--port", "9000"]) == 0
    assert main(["lab", "--", "--no-browser"]) == 0
    assert calls[0][1:3] == ["-m", "jupyterlab"] and "--port=9000" in calls[0]
    assert f"--ServerApp.root_dir={small_course}" in calls[0]
    assert calls[0][-1].endswith("notebooks/01_minimax_game.ipynb")
    assert "--no-browser" in calls[1]


def test_without_the_repository_it_says_where_the_notebooks_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "ASSETS", tmp_path / "site-packages" / "ganedu" / "assets")
    monkeypatch.chdir(tmp_path)
    for command in (["lab"], ["run", "03"], ["student", "class"]):
        assert main(command) == 2
        assert f"git clone {notebooks.address()}" in capsys.readouterr().err
    assert notebooks.address().startswith("https://")

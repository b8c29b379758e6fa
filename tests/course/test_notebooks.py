"""The notebooks as files, on a small course written for the test."""

import ast
import errno
import json
import os
import re
import signal
from pathlib import Path

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ganedu.__main__ import main
from ganedu.course import kernel, notebooks

CELLS = [
    ("import math", ["setup"]),
    ("seed = 0  # of all\nname = 'a'\nrate = 0.1\ndeep = False\nsizes = [8]\ntable = {}\n%config x=1", ["parameters"]),
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


def test_run_keeps_what_a_failing_cell_left_behind_and_names_its_line(small_course, capsys):
    notebook = nbformat.read(small_course / "03_dcgan.ipynb", 4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("x = seed\nassert x == 0, 'holds for one seed'\nassert not x"))
    nbformat.write(notebook, small_course / "03_dcgan.ipynb")
    assert main(["run", "03", "-p", "seed", "1", "--out", "failed.ipynb"]) == 1
    said = capsys.readouterr().err
    assert "cell [4], \"assert x == 0, 'holds for one seed'\", raised AssertionError: holds for one seed." in said
    assert "it stands in failed.ipynb" in said and "Traceback" not in said and "IPKernelApp" not in said
    kept = nbformat.read(small_course.parent / "failed.ipynb", 4)
    assert "papermill" not in kept.metadata and "holds for one seed" in str([c.get("outputs") for c in kept.cells])
    assert sorted(p.name for p in small_course.parent.iterdir()) == ["failed.ipynb", "notebooks"]


@pytest.fixture
def no_run(monkeypatch):
    import papermill

    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: pytest.fail("it began to run"))


BAD = [
    (["sed", "7"], "choose one of seed, name, rate, deep, sizes. Did you mean 'seed'?"),
    *((["seed", text], "give a whole number") for text in
      ("1.5", "abc", "", "[1]", "[1", "true", "null", "1e3", "0x1", "1,2", "9" * 5000, "[" * 5000, "\x1b[2J", "{}")),
    *((["seed", text], "from 0 to 4,294,967,295") for text in ("-1", "4294967296", "1" + "0" * 400)),
    *((["rate", text], "give a number") for text in ("fast", "NaN", "Infinity", "1e400", "false", "[0.1]", "9" * 400)),
    *((["deep", text], "give true or false") for text in ("1", "yes", "0.0", "[true]")),
    *((["sizes", text], "give a list of the same kind") for text in ("8", "[1.5]", '["a"]', "[1, [2]]", "1,2", "null")),
    *(([name, "1"], "unknown parameter") for name in ("math", "table", "answer", "", "seed ", "seed=1;x", "__name__")),
]  # fmt: skip


@pytest.mark.parametrize(("given", "hint"), BAD, ids=lambda v: " ".join(v)[:30] if isinstance(v, list) else "")
def test_a_value_of_another_kind_is_refused_before_the_run(given, hint, small_course, no_run, capsys):
    assert main(["run", "03", "-p", *given, "--out", "out"]) == 2
    said = capsys.readouterr().err
    assert hint in said and said.startswith("ganedu: ") and len(said) < 700 and "\x1b" not in said
    assert [p.name for p in small_course.parent.iterdir()] == ["notebooks"]


def test_values_come_as_the_kind_of_their_default(small_course):
    texts = {"seed": "4294967295", "name": "7", "rate": "2", "deep": "True", "sizes": "[8, 16]"}
    found = notebooks._values(notebooks.find("03"), texts)
    assert found == {"seed": 2**32 - 1, "name": "7", "rate": 2, "deep": True, "sizes": [8, 16]}
    assert notebooks._values(notebooks.find("03"), {"rate": "-2e-3", "sizes": "[]"}) == {"rate": -0.002, "sizes": []}


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
TEXTS = st.one_of(st.text(max_size=30), st.integers().map(str), st.floats().map(repr),
                  st.recursive(PLAIN, st.lists, max_leaves=4).map(json.dumps))  # fmt: skip


@settings(max_examples=80, deadline=None, print_blob=True)
@given(text=TEXTS, default=st.sampled_from([0, 0.5, True, "a", [1], ["a"], [0.5], []]))
@example(text="-Infinity", default=0.5)
@example(text="1" + "0" * 400, default=0.5)
@example(text="[" * 100_000, default=[1])
def test_any_text_is_of_the_kind_or_refused(text, default):
    try:
        value = notebooks.value("x", text, default)
    except ValueError as e:
        assert len(str(e)) < 300 and "so give" in str(e)
        return
    assert type(value) is type(default) or (type(default) is float and type(value) is int)
    json.dumps(value, allow_nan=False)


BEGIN = r"(worlds\.train|Trainer|recipes\.prepare|healthy|patient|patients\.healthy|torch\.manual_seed)\("
LOOK = "torch.manual_seed(1)"  # 07 shows all runs by equal latents


def test_every_notebook_that_draws_has_its_seed_and_trains_with_it():
    for path in sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN)):
        known = kernel.parameters(path)
        assert known == ({} if path.stem.startswith("00") else {"seed": 0}), path.stem
        for cell in nbformat.read(path, 4).cells if known else ():
            if cell.cell_type == "code" and not {"check", "solution", "exercise"} & set(cell.metadata.get("tags", ())):
                tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M))
                calls = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Call)]
                for call in (c for c in calls if re.match(BEGIN, c)):
                    assert re.search(r"\bseed\b|\b[sk]\)|\*\*options", call) or call == LOOK, (path.stem, call)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", '{"nbformat": 4}', '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}', "[" * 9999, "\0"],
)
def test_a_damaged_notebook_is_named(text, small_course, no_run, capsys):
    (small_course / "03_dcgan.ipynb").write_text(text)
    for command in (["run", "03"], ["run", "03", "-p", "seed", "1"], ["student", "class"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "03_dcgan.ipynb is damaged, or no notebook" in said and len(said) < 600
    assert [p.name for p in small_course.parent.iterdir()] == ["notebooks"]


@pytest.mark.parametrize(
    ("out", "hint"),
    [("notebooks", "among the course's notebooks"), ("notebooks/03_dcgan.ipynb", "among the course's notebooks"),
     ("notebooks/04_conditional_gan.ipynb", "among the course's"), ("notebooks/09_new.ipynb", "among the course's"),
     ("link.ipynb", "among the course's"), ("links", "among the course's"), ("links/my.ipynb", "among the course's"),
     ("file", "since file is a file"), ("file/in/x.ipynb", "file is a file"), ("full", "is a folder, where a file"),
     ("/proc/nobody", "No such file"), ("n" * 300, "too long"), ("n" * 300 + ".ipynb", "too long"),
     ("dangling/x.ipynb", "since dangling is a file")],
    ids=lambda v: v[:20],
)  # fmt: skip
def test_a_place_that_does_not_do_is_refused_before_the_run(out, hint, small_course, no_run, capsys):
    room = small_course.parent
    (room / "file").write_text("mine")
    (room / "full" / "03_dcgan.ipynb").mkdir(parents=True)
    (room / "link.ipynb").symlink_to(small_course / "03_dcgan.ipynb")
    (room / "links").symlink_to(small_course)
    (room / "dangling").symlink_to("nowhere")
    before = sorted(room.rglob("*"))
    assert main(["run", "03", "--out", out]) == 2
    assert hint in capsys.readouterr().err
    assert sorted(room.rglob("*")) == before and (room / "file").read_text() == "mine"


def test_a_folder_may_be_called_like_a_notebook_and_links_are_replaced(small_course, capsys):
    room = small_course.parent
    (room / "class.ipynb").mkdir()
    (room / "mine.txt").write_text("mine")
    (room / "class.ipynb" / "03_dcgan.ipynb").symlink_to(room / "mine.txt")
    assert main(["run", "03", "--out", "class.ipynb"]) == 0
    out = room / "class.ipynb" / "03_dcgan.ipynb"
    assert not out.is_symlink() and nbformat.read(out, 4).cells and (room / "mine.txt").read_text() == "mine"


def test_the_student_edition_has_the_checks_and_not_the_solutions(small_course, capsys):
    assert main(["student", "class"]) == 0
    assert "03_dcgan.ipynb: 1 solution left out" in capsys.readouterr().out
    written = sorted(p.name for p in (small_course.parent / "class").iterdir())
    assert written == ["01_minimax_game.ipynb", "03_dcgan.ipynb", "04_conditional_gan.ipynb", "badges"]
    assert (small_course.parent / "class" / "badges" / "colab.svg").read_text() == "<svg/>"
    cells = nbformat.read(small_course.parent / "class" / "03_dcgan.ipynb", 4).cells
    assert [c.source for c in cells] == [source for source, tags in CELLS if "solution" not in tags]
    assert "42" in (small_course / "03_dcgan.ipynb").read_text(encoding="utf-8")


def test_the_glossary_goes_along_with_the_student_edition(small_course):
    (small_course / "glossary.md").write_text("### mode\n")
    assert main(["student", "class"]) == 0
    assert (small_course.parent / "class" / "glossary.md").read_text() == "### mode\n"


def test_the_student_edition_overwrites_nobodys_work(small_course, capsys):
    assert main(["student", "class"]) == 0
    worked = small_course.parent / "class" / "03_dcgan.ipynb"
    worked.write_text("my work")
    assert main(["student", "class"]) == 2
    said = capsys.readouterr().err
    assert "already holds 03_dcgan.ipynb, and somebody" in said and worked.read_text(encoding="utf-8") == "my work"
    assert main(["student", "class", "--force"]) == 0
    assert worked.read_text(encoding="utf-8") != "my work"


@pytest.mark.parametrize(
    ("target", "hint"),
    [("notebooks", "with the solutions"), ("notebooks/class", "with the solutions"), ("link", "with the solutions"),
     ("link/class/of/2026", "with the solutions"), ("file", "since file is a file"), ("file/class", "file is a file"),
     ("folders", "is a folder, where a file is to be"), ("badge", "cannot be a folder, since badge/badges is a file"),
     ("linked", "is a link to another folder"), ("/proc/nobody/class", "No such file"), ("n" * 300, "too long")],
    ids=lambda v: v[:20],
)  # fmt: skip
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
def test_a_target_that_does_not_do_is_refused_and_nothing_is_written(target, hint, force, small_course, capsys):
    room = small_course.parent
    (room / "file").write_text("mine")
    (room / "link").symlink_to(small_course)
    (room / "folders" / "04_conditional_gan.ipynb").mkdir(parents=True)
    (room / "badge").mkdir()
    (room / "badge" / "badges").write_text("mine")
    (room / "linked").mkdir()
    (room / "linked" / "badges").symlink_to(small_course / "badges")
    before = {p: p.read_bytes() if p.is_file() else b"" for p in room.rglob("*")}
    assert main(["student", target, *force]) == 2
    said = capsys.readouterr().err
    assert hint in said or (target == "folders" and not force and "may have worked" in said)
    assert {p: p.read_bytes() if p.is_file() else b"" for p in room.rglob("*")} == before


def test_links_to_the_teachers_notebooks_are_replaced_and_not_followed(small_course, capsys):
    target = small_course.parent / "class"
    target.mkdir()
    (target / "01_minimax_game.ipynb").symlink_to(small_course / "01_minimax_game.ipynb")
    os.link(small_course / "03_dcgan.ipynb", target / "03_dcgan.ipynb")
    (target / "04_conditional_gan.ipynb").symlink_to("nowhere")
    before = {p: p.read_bytes() for p in small_course.rglob("*") if p.is_file()}
    assert main(["student", "class"]) == 2
    assert "01_minimax_game.ipynb, 03_dcgan.ipynb, 04_conditional_gan.ipynb, and somebody" in capsys.readouterr().err
    assert main(["student", "class", "--force"]) == 0
    assert {p: p.read_bytes() for p in small_course.rglob("*") if p.is_file()} == before
    assert not any(p.is_symlink() for p in target.iterdir())
    assert "answer = 42" not in (target / "03_dcgan.ipynb").read_text(encoding="utf-8")


def stopping(monkeypatch, name, calls, error):
    """os.`name` raises `error` at that call, and works before and after it."""
    real, left = getattr(os, name), iter(range(calls + 1))

    def once(*args, **kw):
        if next(left, None) == calls:
            raise error
        return real(*args, **kw)

    monkeypatch.setattr(os, name, once)


FULL, BROKEN = OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("error", [FULL, BROKEN, KeyboardInterrupt()], ids=["full", "broken", "Ctrl-C"])
@pytest.mark.parametrize(("name", "calls"), [("fsync", 0), ("fsync", 2), ("fsync", 3), ("replace", 0), ("replace", 3)])
def test_an_edition_that_fails_while_it_is_written_is_not_there(name, calls, error, small_course, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stopping(patch, name, calls, error)
        assert main(["student", "new/class"]) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    said = capsys.readouterr().err
    assert "Traceback" not in said and (isinstance(error, KeyboardInterrupt) or "cannot write" in said)
    assert [p.name for p in small_course.parent.iterdir()] == ["notebooks"]
    assert main(["student", "new/class"]) == 0


@pytest.mark.parametrize("calls", range(4, 8))
def test_an_edition_stopped_between_two_files_is_gone_on_with(calls, small_course, monkeypatch):
    """Four files are renamed twice each, first within write_atomic; what is in its place is nobody's work."""
    with monkeypatch.context() as patch:
        stopping(patch, "replace", calls, OSError(errno.EIO, "Input/output error"))
        assert main(["student", "class"]) == 1
    there = [p for p in small_course.parent.rglob("class/**/*") if p.is_file()]
    assert len(there) == calls - 4 and not [p for p in there if p.name.startswith(".")]
    assert all(p.suffix == ".svg" or nbformat.read(p, 4) for p in there)
    assert main(["student", "class"]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as Unix knows them")
@pytest.mark.parametrize("calls", [1, 5])
def test_an_edition_that_is_killed_is_gone_on_with(calls, small_course):
    if (child := os.fork()) == 0:
        real, left = os.replace, iter(range(9))
        os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL) if next(left) == calls else real(*a)
        notebooks.student_edition(Path("class"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert all(nbformat.read(p, 4) for p in Path("class").glob("*.ipynb"))
    assert main(["student", "class"]) == 0
    found = sorted(p.name for p in Path("class").iterdir())
    assert found == ["01_minimax_game.ipynb", "03_dcgan.ipynb", "04_conditional_gan.ipynb", "badges"]


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

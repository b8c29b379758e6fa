"""The path of 40 minutes: the sign, the tag and the minutes agree, and it needs no cell that is off it."""

import sys
from pathlib import Path

import nbformat
import pytest
from dependence import leaks

from ganedu.course import notebooks, path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob(notebooks.PATTERN))
each = pytest.mark.parametrize("place", NOTEBOOKS, ids=lambda p: p.stem)


def off_the_path(tags) -> bool:
    return path.TAG not in tags


def test_tags_and_minutes_are_those_that_the_tool_writes():
    import times

    assert times.main(["--check"]) == 0


@each
def test_a_class_needs_no_more_than_it_has(place):
    notebook = nbformat.read(place, as_version=4)
    in_class, _ = path.TIMES.search(notebook.cells[0].source)[0].split(" alone")[0].split(" minutes in class, ")
    assert 5 <= int(in_class) <= path.LONGEST, path.minutes(path.alone(notebook).cells)


@each
def test_the_path_begins_and_ends_the_notebook(place):
    cells = nbformat.read(place, as_version=4).cells
    heads = [head for head, _ in path.sections(cells) if head.startswith("## ")]
    assert heads[0].endswith(path.SIGN) and heads[-1].endswith(path.SIGN)
    setup = next(c for c in cells if "setup" in path.tags(c))
    assert path.TAG in path.tags(cells[0]) & path.tags(setup)


@each
def test_the_path_reads_no_name_that_other_cells_give(place):
    """What these only change, the tree sees too often (a plot changes its axes): that is left to test_path_alone."""
    found = leaks(nbformat.read(place, as_version=4), off_the_path, "a cell off the path")
    assert not [line for line in found if ", given by" in line]


# ------------------------------------------------------------------------------------------------- on small notebooks


def md(source, *tags):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)} if tags else {})


def py(source, *tags, outputs=()):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})
    cell.outputs = [nbformat.v4.new_output("display_data", {kind: "x"}) for kind in outputs]
    return cell


@pytest.fixture
def small():
    return nbformat.v4.new_notebook(cells=[
        md("# 01 Small\n\n*40 minutes · before it: nothing*"), md("[badge](x)", "badges"), py("import torch", "setup"),
        md("## 1 First ●\n\nText."), py("a = 1", "nbval-check-output"),
        md("More.\n\n### Further\n\n```\n# no heading\n## nor this\n```"), py("b = a + 1", "path"),
        md("**What you saw.**\n\n## 2 Last ●"), py("print(a)"),
    ])  # fmt: skip


def test_a_heading_begins_a_cell_and_its_sign_says_what_is_tagged(small):
    before = nbformat.writes(small)
    found = path.marked(small)
    assert nbformat.writes(small) == before, "a copy"
    nbformat.validate(found)
    assert [(c.source.split("\n")[0], path.tags(c)) for c in found.cells] == [
        ("# 01 Small", {"path"}), ("[badge](x)", {"badges"}), ("import torch", {"setup", "path"}),
        ("## 1 First ●", {"path"}), ("a = 1", {"nbval-check-output", "path"}), ("More.", {"path"}),
        ("### Further", set()), ("b = a + 1", set()), ("**What you saw.**", set()),
        ("## 2 Last ●", {"path"}), ("print(a)", {"path"}),
    ]  # fmt: skip
    assert found.cells[6].source.count("#") == 6, "a block of code is not cut"
    assert found.cells[5].id == small.cells[5].id and len({c.id for c in found.cells}) == len(found.cells)
    assert path.marked(found) == found, "and nothing is left to do"
    assert [c.source for c in path.alone(found).cells if c.cell_type == "code"] == ["import torch", "a = 1", "print(a)"]


def test_what_the_path_lacks_is_named(small):
    small.cells[-1].source = "print(a, b)"
    found = leaks(path.marked(small), off_the_path, "a cell off the path")
    assert found == ["[4] reads b, given by a cell off the path [3]"]


def test_without_the_sign_there_is_no_path():
    plain = nbformat.v4.new_notebook(cells=[md("# 01 A ●\n\n## 1 B\n\nA ● in the text\n\n```\n## 2 C ●\n```")])
    assert not path.has_path(plain)
    plain.cells.append(md("Text\n\n### D ●"))
    assert path.has_path(plain)


@pytest.mark.parametrize(("cell", "minutes"), [
    (md("word " * 115), 1), (md("word " * 230 + "— · $$ 3"), 2 + 1 / 115),
    (md("[two words](a/b/c.ipynb) here"), 3 / 115), (md("a b\n\n**References.** " + "word " * 500), 2 / 115),
    (md("**Exercise 1** (easy)."), 4 + 3 / 115), (md("**Exercise 3** (hard). Do it."), 12 + 5 / 115),
    (md("word " * 999, "badges"), 0), (py("x = 1\n\n\n" * 15), 1), (py("x = 1\n" * 99, "setup"), 0),
    (py("x = 1\n" * 99, "check", outputs=["image/png"]), 0), (py("x", outputs=["image/png", "text/plain"]), 1 + 1 / 15),
    (py("x", outputs=["image/png", "text/html"]), 2 + 1 / 15),
])  # fmt: skip
def test_minutes_are_counted(cell, minutes):
    assert path.minutes([cell]) == pytest.approx(minutes)
    assert path.minutes([cell, cell]) == pytest.approx(2 * minutes)


def test_the_tool_writes_times_and_tags_once_and_follows_a_change(small, tmp_path, capsys):
    import times

    (tmp_path / "notebooks").mkdir()
    readme, place, plain = tmp_path / "README.md", *(tmp_path / "notebooks" / f"{n}_a.ipynb" for n in ("01", "02"))
    row = "| [{0} A](notebooks/{0}_a.ipynb) | {1} | learn |\n"
    readme.write_text(row.format("01", 40) + row.format("02", 50), encoding="utf-8")
    nbformat.write(small, place)
    nbformat.write(nbformat.v4.new_notebook(cells=[md("# 02 A\n\n*50 minutes · x*"), md("a\n\n## b")]), plain)
    untouched, call = plain.read_bytes(), ["--root", str(tmp_path)]
    assert times.main([*call, "--check"]) == 1 and "01_a.ipynb, README.md" in capsys.readouterr().err
    assert times.main(call) == 0 and times.main([*call, "--check"]) == 0
    assert readme.read_text(encoding="utf-8") == row.format("01", "5 / 5") + row.format("02", 50)
    written = nbformat.read(place, as_version=4)
    assert "*5 minutes in class, 5 alone · ● marks what a class sees · before it: nothing*" in written.cells[0].source
    assert written.cells[3].metadata.tags == ["path"] and plain.read_bytes() == untouched

    written.cells.insert(8, md("word " * 115 * 19))  # off the path
    nbformat.write(written, place)
    assert times.main([*call, "--check"]) == 1
    assert times.main(call) == 0 and row.format("01", "5 / 20") in readme.read_text(encoding="utf-8")

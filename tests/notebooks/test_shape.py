"""Every notebook has the shape that CONTRIBUTING.md describes, in what is stored as well as in what is written."""

import re
from pathlib import Path

import nbformat
import pytest

from ganedu.course.path import tags

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {
    "badges",
    "path",
    "setup",
    "parameters",
    "step-source",
    "exercise",
    "check",
    "solution",
    "nbval-check-output",
    "raises-exception",
}
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def text(cell):
    """What a cell printed to standard output."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def test_name_title_minutes_and_goal(path):
    first = read(path).cells[0]
    assert re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.stem[:2]} "), "the title begins with the notebook's number"
    assert re.search(r"\b\d+ minutes\b", first.source)
    assert "You will be able to" in first.source


def test_sections_are_numbered_without_a_gap(path):
    text = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    numbers = [int(n) for n in re.findall(r"^## (\d+) ", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1)), "a section was cut with its heading, or lost it"


def test_small_enough_to_load_and_compare(path):
    assert path.stat().st_size < 1.5e6


def test_cells_fit_one_screen(path):
    for cell in code(read(path)):
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 25, cell.source


def test_only_known_tags(path):
    assert {t for c in read(path).cells for t in tags(c)} <= TAGS


def test_badges_setup_and_something_to_compare(path):
    notebook = read(path)
    assert "badges" in tags(notebook.cells[1])
    assert "setup" in tags(code(notebook)[0])
    assert any("nbval-check-output" in tags(c) for c in notebook.cells)


def test_stored_as_run_from_top_to_bottom(path):
    notebook = read(path)
    assert [c.execution_count for c in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    for cell in code(notebook):
        if "raises-exception" not in tags(cell):
            assert not [o for o in cell.outputs if o.output_type == "error"], cell.source
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], f"warnings are stored below\n{cell.source}"
    assert notebook.metadata.kernelspec.name == "python3"
    assert "papermill" not in notebook.metadata


def test_every_picture_has_a_text_for_those_who_cannot_see_it(path):
    for cell in code(read(path)):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert len(alt) > 20, f"a picture without text below\n{cell.source}"
                assert output.data["text/plain"].strip(), cell.source


def test_widgets_leave_a_picture_on_a_page_without_a_kernel(path):
    for cell in code(read(path)):
        for output in cell.outputs:
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                stands_in = {"image/png", "text/html"} & output.data.keys()  # a picture, or a question that unfolds
                assert stands_in, f"a widget without a picture below\n{cell.source}"


def test_each_exercise_has_its_check_and_its_solution(path):
    cells = read(path).cells
    kinds = ("exercise", "check", "solution")
    found = [(i, k) for i, c in enumerate(cells) if c.cell_type == "code" for k in kinds if k in tags(c)]
    assert [k for _, k in found] == list(kinds) * (len(found) // 3)
    assert len(found) >= 9, "exercises of three grades"
    for n, ((i, _), (j, _), (k, _)) in enumerate(zip(found[::3], found[1::3], found[2::3], strict=True), 1):
        assert (i + 1, i + 2) == (j, k), f"nothing stands between the cells of exercise {n}"
        exercise, check, solution = cells[i], cells[j], cells[k]
        assert f"**Exercise {n}**" in cells[i - 1].source
        assert "Right" not in text(exercise)
        assert f"def check_{n}()" in check.source
        assert "nbval-check-output" in tags(check), "the run says so as well"
        assert text(check).startswith("Not yet"), "an exercise that nobody has touched is neither right nor wrong"
        assert f"check_{n}()" in solution.source
        assert 'assert verdict.startswith("Right")' in solution.source
        assert re.search(r"^Right", text(solution), re.M)
        assert solution.metadata.jupyter.source_hidden


def test_links_between_notebooks_lead_somewhere(path):
    for cell in read(path).cells:
        for link in re.findall(r"\]\(([\w./-]+\.ipynb)", cell.source):
            assert (path.parent / link).exists(), link


def test_readme_lists_it(path):
    first = read(path).cells[0].source
    title = first.splitlines()[0].removeprefix("# ")
    minutes = re.search(r"\b(\d+) minutes(?: in class, (\d+) alone)?\b", first)
    minutes = " / ".join(filter(None, minutes.groups()))  # in class and alone
    assert f"| [{title}](notebooks/{path.name}) | {minutes} |" in (ROOT / "README.md").read_text(encoding="utf-8")

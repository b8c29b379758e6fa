"""The edition without solutions holds none, and runs from top to bottom, at full length, in a folder of its own."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ganedu.course import notebooks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob(notebooks.PATTERN))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_student_edition(path, tmp_path):
    full = nbformat.read(path, as_version=4)
    student, removed = notebooks.without_solutions(full)
    tags = [set(c.metadata.get("tags", [])) for c in student.cells]
    assert removed == sum("check" in t for t in tags)
    assert not any("solution" in t for t in tags)
    sources = [c.source for c in student.cells]
    assert not any(c.source in sources for c in full.cells if "solution" in c.metadata.get("tags", []))

    NotebookClient(student, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    for cell, t in zip(student.cells, tags, strict=True):
        if "check" in t:
            assert cell.outputs[0].text.startswith("Not yet")

"""The path of the class, run from top to bottom without all other cells, at full length, in a folder of its own."""

from pathlib import Path

import nbformat
import pytest
import turns
from nbclient import NotebookClient

from ganedu.course import notebooks
from ganedu.course import path as paths

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob(notebooks.PATTERN))
TURNS = turns.of_today(FOLDER, [p.stem for p in NOTEBOOKS], meant=())


def printed(cell) -> str:
    return "".join(o.text for o in cell.outputs if o.get("name") == "stdout")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_path_alone(path, tmp_path, request):
    """Without its solutions too; and what is the same on every machine is the same without the other cells."""
    if path.stem not in TURNS and not request.config.getoption("every_notebook"):
        pytest.skip("not its turn; --every-notebook runs it")
    stored, _ = notebooks.without_solutions(paths.alone(nbformat.read(path, as_version=4)))
    ran = nbformat.from_dict(stored)
    NotebookClient(ran, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    for now, before in zip(ran.cells, stored.cells, strict=True):
        if "nbval-check-output" in paths.tags(now):
            assert printed(now) == printed(before), now.source

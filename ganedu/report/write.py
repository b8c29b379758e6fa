"""The report of a run, or of several side by side: a notebook, run by papermill, with its page and its numbers.

assets/report.ipynb runs in a kernel of its own, where `ganedu.report.summary` reads each run once. Before it starts,
`ganedu.report.check` looks at headers and images here. What is heavy is imported where it is used.
"""

import json
from pathlib import Path
from typing import NamedTuple

from .. import ASSETS
from ..course import kernel
from .check import check
from .page import page

NOTEBOOK = ASSETS / "report.ipynb"


class Paths(NamedTuple):
    """The three files of a report."""

    notebook: Path
    page: Path
    numbers: Path


def report(folders: list[str | Path], out: str | Path | None = None, n: int = 2000) -> Paths:
    """Judge `n` fakes of the run in each of `folders`; write report.ipynb, report.html and report.json into `out`.

    `out`: by default `report` in the run's folder, or runs/report for several. The files are replaced all or none, and
    each whole. Raises what `check` raises before any work, IsADirectoryError or NotADirectoryError, or another OSError,
    where they cannot be in `out`; RuntimeError where a cell of the notebook raises; nothing is then left behind.
    """
    import nbformat

    folders = [Path(folder) for folder in folders]
    check(folders, n)
    out = Path(out) if out is not None else folders[0] / "report" if len(folders) == 1 else Path("runs/report")
    paths = Paths(*(out / f"report.{suffix}" for suffix in ("ipynb", "html", "json")))
    kernel.check_place(out, [path.name for path in paths])
    try:
        notebook = kernel.execute(NOTEBOOK, {"folders": [str(folder) for folder in folders], "n": n}, Path.cwd())
    except RuntimeError as e:
        raise RuntimeError(f"no report: of its notebook, {e}") from e
    names = ", ".join(folder.resolve().name for folder in folders)
    numbers = json.dumps(_numbers(notebook), indent=1, allow_nan=False, ensure_ascii=False)
    texts = nbformat.writes(notebook) + "\n", page(notebook, f"Report: {names}"), numbers + "\n"
    kernel.put(out, {path.name: text.encode() for path, text in zip(paths, texts, strict=True)})
    return paths


def _numbers(notebook) -> dict:
    """What the notebook shows as application/json: the page and report.json cannot differ."""
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", ()))
    return next(o.data["application/json"] for o in outputs if "application/json" in o.get("data", {}))

"""The report of a run, or of several side by side: a notebook, run by papermill, with its page and its numbers.

assets/report.ipynb runs in a kernel of its own, where `ganedu.report.summary` reads each run once. Before it starts,
`ganedu.report.check` looks at headers and images here. What is heavy is imported where it is used.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from .. import ASSETS
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

    `out`: by default `report` in the run's folder, or runs/report for several. Files there are replaced, each whole.
    Raises what `check` raises before any work, FileExistsError or NotADirectoryError where `out` cannot be a folder,
    RuntimeError where a cell of the notebook raises; nothing is then left behind.
    """
    folders = [Path(folder) for folder in folders]
    check(folders, n)
    out = Path(out) if out is not None else folders[0] / "report" if len(folders) == 1 else Path("runs/report")
    place = next(p for p in (out, *out.absolute().parents) if p.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"{out} cannot be a folder, since {place} is a file: choose another one by --out.")
    temporary = Path(tempfile.mkdtemp(prefix=".report-", dir=place))  # beside its end, so that renaming never copies
    try:
        notebook = _execute(folders, n, temporary)
        names = ", ".join(folder.resolve().name for folder in folders)
        (temporary / "report.html").write_text(page(notebook, f"Report: {names}"), encoding="utf-8")
        text = json.dumps(_numbers(notebook), indent=1, allow_nan=False, ensure_ascii=False)
        (temporary / "report.json").write_text(text + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        paths = Paths(*(out / f"report.{suffix}" for suffix in ("ipynb", "html", "json")))
        for path in paths:
            os.replace(temporary / path.name, path)
        return paths
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _execute(folders: list[Path], n: int, temporary: Path):
    """The notebook, run; written to `temporary` without the temporary places that papermill notes down."""
    import nbformat
    import papermill

    path = temporary / "report.ipynb"
    parameters = {"folders": [str(folder) for folder in folders], "n": n}
    try:
        papermill.execute_notebook(NOTEBOOK, path, parameters, cwd=Path.cwd(), kernel_name="python3")
    except papermill.PapermillExecutionError as e:
        raise RuntimeError(f"no report: cell [{e.exec_count}] of its notebook raised {e.ename}: {e.evalue}") from e
    notebook = nbformat.read(path, as_version=4)
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
    nbformat.write(notebook, path)
    return notebook


def _numbers(notebook) -> dict:
    """What the notebook shows as application/json: the page and report.json cannot differ."""
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", ()))
    return next(o.data["application/json"] for o in outputs if "application/json" in o.get("data", {}))

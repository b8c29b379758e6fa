"""The report of a run, or of several side by side: a notebook, run by papermill, with its page and its figures.

What is heavy is imported where it is used. The numbers come from `ganedu.report.summary`, sentences and drawings from
assets/report.ipynb.
"""

import html
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from .. import ASSETS

NOTEBOOK = ASSETS / "report.ipynb"
MOST_RUNS, MOST = 6, 10_000  # colours for the eye; fakes, beyond which only time grows
MOST_NUMBERS = 2**28  # pixels of all fakes of one run: a gigabyte


class Paths(NamedTuple):
    """The three files of a report."""

    notebook: Path
    page: Path
    figures: Path


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
        text = json.dumps(_figures(notebook), indent=1, allow_nan=False, ensure_ascii=False)
        (temporary / "report.json").write_text(text + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        paths = Paths(*(out / f"report.{suffix}" for suffix in ("ipynb", "html", "json")))
        for path in paths:
            os.replace(temporary / path.name, path)
        return paths
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------- before any work


def check(folders: list[str | Path], n: int):
    """(folders, their images) of runs that one judge can compare, `n` fakes each.

    Raises ValueError for no run or too many, two of one name, runs on different data, sizes or channels, an `n` too
    small or too large, too few held-out images, data that have changed since, or a checkpoint of another kind;
    FileNotFoundError without a checkpoint, or where the data are no longer there.
    """
    from ..data import load
    from ..runs import recipes

    folders = [Path(folder) for folder in folders]
    _check_folders(folders)
    settings = [recipes.read_run(folder)[1] for folder in folders]
    for folder, other in zip(folders[1:], settings[1:], strict=True):
        _check_comparable(folders[0], settings[0], folder, other)
    first = settings[0]
    _check_n(n, first)
    _check_data_are_there(folders[0], first["data"])
    images = load(first["data"], image_size=first["image_size"], channels=first["channels"])
    _check_images(images, folders, settings)
    for folder, own in zip(folders, settings, strict=True):
        recipes.trainer(own, images).load(folder)  # raises for weights that do not fit the settings
    return folders, images


def _check_folders(folders: list[Path]) -> None:
    if not 1 <= len(folders) <= MOST_RUNS:
        raise ValueError(f"{len(folders)} runs do not fit one report: give 1 to {MOST_RUNS} folders.")
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise ValueError(
                f"{named[name]} and {folder} are both called {name!r}, and could not be told apart in the report: give "
                "each folder once, and rename one of two with the same name."
            )
        named[name] = folder


def _check_comparable(folder: Path, settings: dict, other_folder: Path, other: dict) -> None:
    def of(settings: dict) -> tuple:
        return _data_key(settings["data"]), settings["image_size"], settings["channels"]

    for name, a, b in zip(("data", "image size", "channels"), of(settings), of(other), strict=True):
        if a != b:
            raise ValueError(
                f"runs on different data or sizes cannot share a judge, and without one their figures do not compare: "
                f"{name} of {folder} is {a}, of {other_folder} {b}. Make one report for each."
            )


def _data_key(data: str) -> str:
    from ..data import NAMES

    return data if data in NAMES else str(Path(data).expanduser().resolve())


def _check_n(n: int, settings: dict) -> None:
    from .summary import LEAST, N_FEATURES

    most = min(MOST, MOST_NUMBERS // (settings["channels"] * settings["image_size"] ** 2))
    if n < LEAST:
        raise ValueError(
            f"n={n} fakes are too few: distances need covariances of {N_FEATURES} features, at two sizes with "
            f"{2 * N_FEATURES} samples or more. Give {LEAST} to {most:,}."
        )
    if n > most:
        raise ValueError(
            f"n={n:,} fakes are more than is sensible: there are not as many images to hold them against, and time "
            f"and memory grow. Give {LEAST} to {most:,}."
        )


def _check_data_are_there(folder: Path, data: str) -> None:
    from ..data import FULL, NAMES, fetch

    if data in FULL and fetch.where(data) is None:
        raise FileNotFoundError(
            f"the run in {folder} was trained on {data}, which is not on this machine, and a report needs the images. "
            f'Fetch it with python -c "from ganedu import data; data.load({data!r})", or set its cache folder.'
        )
    if data not in NAMES and not Path(data).expanduser().is_dir():
        raise FileNotFoundError(
            f"the run in {folder} was trained on the images in {data}, and there is no such folder (seen from "
            f"{Path.cwd()}): a report needs them. Put them back, or call ganedu where the run was started."
        )


def _check_images(images, folders: list[Path], settings: list[dict]) -> None:
    from .summary import LEAST

    for folder, own in zip(folders, settings, strict=True):
        there = own.get("n_images", len(images.x))
        if there != len(images.x) or (own["class_names"] and own["class_names"] != list(images.class_names)):
            raise ValueError(
                f"{own['data']} has changed since the run in {folder}: {there:,} training images of "
                f"{len(own['class_names']) or 'unused'} classes then, {len(images.x):,} of {images.n_classes} now, so "
                "what was held out then may not be held out now. Put the images back as they were, or train again."
            )
    if len(images.x_test) < LEAST:
        raise ValueError(
            f"{settings[0]['data']} holds out {len(images.x_test):,} images, and distances need {LEAST} or more: give "
            "more images; of a folder a tenth is held out."
        )


# ---------------------------------------------------------------------------------------------------- the three files


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


def _figures(notebook) -> dict:
    """What the notebook shows as application/json: the page and report.json cannot differ."""
    outputs = (o for cell in notebook.cells for o in cell.get("outputs", ()))
    return next(o.data["application/json"] for o in outputs if "application/json" in o.get("data", {}))


STYLE = """
body { margin: 0; background: #fff; color: #1a1a1a; font: 17px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
p, li { max-width: 46rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
caption { text-align: left; padding: .3rem 0; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
th { font-weight: 600; }
"""


def page(notebook, title: str) -> str:
    """An executed notebook as one HTML page without code, scripts, or anything to fetch; warnings stay out."""
    import copy

    from nbconvert import HTMLExporter

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs
                            if o.get("name") != "stderr" and "application/json" not in o.get("data", {})]  # fmt: skip
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_input_prompt=True,
                            exclude_output_prompt=True, exclude_anchor_links=True)  # fmt: skip
    body = exporter.from_notebook_node(notebook)[0]
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>'
            f"\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- in the notebook


def say(*sentences: str) -> None:
    """Display sentences as one paragraph of plain text."""
    _display(f"<p>{html.escape(' '.join(sentences))}</p>")


def points(lines) -> None:
    """Display a list, one point a line of plain text."""
    _display(f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>")


def table(header, rows, caption: str) -> None:
    """Display a table; the first cell of each row is its heading."""
    e = html.escape
    head = "".join(f'<th scope="col">{e(str(c))}</th>' for c in header)
    lines = (f'<tr><th scope="row">{e(str(first))}</th>{"".join(f"<td>{e(str(c))}</td>" for c in rest)}</tr>'
             for first, *rest in rows)  # fmt: skip
    _display(f'<div class="wide"><table><caption>{e(caption)}</caption><thead><tr>{head}</tr></thead>'
             f"<tbody>{''.join(lines)}</tbody></table></div>")  # fmt: skip


def _display(text: str) -> None:
    from IPython.display import HTML, display

    display(HTML(text))


def figure(x: float) -> str:
    """A number as a table shows it: three digits that count, "none" for NaN; what rounding leaves of 0 is 0."""
    x = 0.0 if abs(x) < 1e-12 else x
    return "none" if x != x else f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def estimate(e) -> str:
    """A value with its interval, where it has one."""
    return figure(e.value) + (f" ({figure(e.low)} to {figure(e.high)})" if e.low == e.low else "")

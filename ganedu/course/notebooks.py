"""The notebooks as files: find them, run one with other parameters, write the edition without solutions."""

import importlib.metadata
import json
import shutil
from pathlib import Path

from .. import ASSETS

PATTERN = "[0-9][0-9]_*.ipynb"


def address() -> str:
    """Where the project lives: what pyproject.toml says under [project.urls]."""
    urls = importlib.metadata.metadata("ganedu").get_all("Project-URL") or []
    return dict(u.split(", ", 1) for u in urls).get("Repository", "the project's repository")


def folder() -> Path:
    """The folder of notebooks: of the repository that holds this file, or else of the current folder.

    Raises FileNotFoundError, saying where to get them, where the package was installed without its repository.
    """
    for place in (ASSETS.parents[1] / "notebooks", Path.cwd() / "notebooks", Path.cwd()):
        if any(place.glob(PATTERN)):
            return place.resolve()
    raise FileNotFoundError(
        "the notebooks are not here: what is installed is the code alone. Get them with\n"
        f"  git clone {address()}\nand call ganedu in the folder that this makes."
    )


def listing() -> list[Path]:
    """All notebooks of the course, in order."""
    return sorted(folder().glob(PATTERN))


def find(name: str) -> Path:
    """The one notebook that `name` stands for: its number ("03", "3"), or how its name begins.

    Raises ValueError, listing the choice, when there is none or more than one.
    """
    wanted = name.removesuffix(".ipynb")
    wanted = wanted.zfill(2) if wanted.isdigit() else wanted
    found = [n for n in listing() if wanted and (n.stem.startswith(wanted) or n.stem[3:].startswith(wanted))]
    if len(found) != 1:
        which = f"{name!r} could be {len(found)} notebooks" if found else f"there is no notebook {name!r}"
        raise ValueError(f"{which}: choose one of {', '.join(n.stem for n in found or listing())}.")
    return found[0]


def run(name: str, parameters: dict[str, str], out: Path | None = None) -> Path:
    """Run a notebook from top to bottom with papermill and return where the executed one is.

    `parameters` are texts, read as JSON where they are JSON (1, 2e-3, true, [1, 2]) and kept as text where not. `out`
    is a file, or a folder, runs/ by default. Raises ValueError for a parameter that the notebook does not have,
    RuntimeError when a cell raises; the notebook as far as it came is then in `out` as well.
    """
    notebook = find(name)
    import papermill

    from ..inputs import one_of

    known = tuple(papermill.inspect_notebook(str(notebook)))
    for parameter in parameters:
        if not known:
            raise ValueError(f"{notebook.stem} has no parameters, so -p {parameter} does not fit: leave it out.")
        one_of(parameter, known, f"parameter of {notebook.stem}")
    out = Path("runs") if out is None else Path(out)
    out = out if out.suffix == ".ipynb" else out / notebook.name
    if out.resolve() == notebook:
        raise ValueError(f"{out} is the notebook itself, which stays as it is: choose another file.")
    out.parent.mkdir(parents=True, exist_ok=True)
    values = {k: _value(v) for k, v in parameters.items()}
    try:
        papermill.execute_notebook(notebook, out, values, cwd=notebook.parent, kernel_name="python3")
    except papermill.PapermillExecutionError as e:
        raise RuntimeError(f"cell [{e.exec_count}] raised {e.ename}: {e.evalue}. All of it stands in {out}.") from e
    return out


def _value(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def student_edition(target: Path, overwrite: bool = False) -> dict[str, int]:
    """Write every notebook without its cells tagged `solution` into `target`; {name: solutions left out}.

    The badges' pictures go along. Raises ValueError for the course's own folder, FileExistsError where somebody may
    have worked already.
    """
    import nbformat

    target = Path(target)
    if target.resolve() == folder():
        raise ValueError(f"{target} holds the notebooks with their solutions: choose another folder.")
    there = [n.name for n in listing() if (target / n.name).exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{target} already holds {', '.join(there)}, and somebody may have worked in them: choose another folder, "
            "or overwrite them with --force."
        )
    target.mkdir(parents=True, exist_ok=True)
    if (badges := folder() / "badges").is_dir():
        shutil.copytree(badges, target / "badges", dirs_exist_ok=True)
    removed = {}
    for notebook in listing():
        edition, removed[notebook.stem] = without_solutions(nbformat.read(notebook, as_version=4))
        nbformat.write(edition, target / notebook.name)
    return removed


def without_solutions(notebook):
    """(copy of a notebook without the cells tagged `solution`, how many code cells those were)."""
    import copy

    from nbconvert.preprocessors import TagRemovePreprocessor

    remover = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    edition, _ = remover.preprocess(copy.deepcopy(notebook), {"metadata": {}})
    n_code = [sum(c.cell_type == "code" for c in nb.cells) for nb in (notebook, edition)]
    return edition, n_code[0] - n_code[1]

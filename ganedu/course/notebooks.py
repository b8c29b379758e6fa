"""The notebooks as files: find them, run one with other parameters, write the edition without solutions."""

import importlib.metadata
import json
import os
from pathlib import Path

from .. import ASSETS
from ..inputs import one_of, whole
from . import grading, kernel

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
        which = f"{name[:60]!r} could be {len(found)} notebooks" if found else f"there is no notebook {name[:60]!r}"
        raise ValueError(f"{which}: choose one of {', '.join(n.stem for n in found or listing())}.")
    return found[0]


def run(name: str, parameters: dict[str, str], out: Path | None = None) -> Path:
    """Run a notebook from top to bottom and return where the executed one is.

    `parameters` are texts {name: "1", "2e-3", "true", "[1, 2]"}, read as what the notebook gives the name by default.
    `out` is a file, or a folder, runs/ by default. Before anything is run, raises ValueError for a parameter that the
    notebook does not have or a value of another kind, or for an `out` among the course's notebooks, OSError for one
    that cannot be written. RuntimeError when a cell raises; the notebook as far as it came is then in `out` as well.
    """
    notebook = find(name)
    values = _values(notebook, parameters)
    out = Path("runs") if out is None else Path(out)
    out = out if out.suffix == ".ipynb" and not out.is_dir() else out / notebook.name
    if out.resolve().parent == folder():
        raise ValueError(f"{out} would lie among the course's notebooks, which stay as they are: choose another place.")
    kernel.check_place(out.parent, [out.name])
    kernel.execute(notebook, values, notebook.parent, keep=out)
    return out


def _values(notebook: Path, texts: dict[str, str]) -> dict:
    """{name: value}, each of the kind of the notebook's default."""
    defaults = known(notebook, texts)
    return {name: value(name, text, defaults[name]) for name, text in texts.items()}


def known(notebook: Path, names) -> dict:
    """{name: default} of the notebook's parameters. Raises ValueError where one of `names` is none of them."""
    found = kernel.parameters(notebook)
    for name in names:
        if not found:
            raise ValueError(f"{notebook.stem} has no parameters, so -p {name} does not fit: leave it out.")
        one_of(name, tuple(found), f"parameter of {notebook.stem}")
    return found


KINDS = {bool: "true or false", int: "a whole number", float: "a number", list: "a list of the same kind, as JSON"}


def value(name: str, text: str, default):
    """What a text stands for, of the kind of the parameter's default. Raises ValueError where it is of another."""
    if isinstance(default, str):
        return text
    try:
        found = json.loads({"True": "true", "False": "false"}.get(text, text))
    except (ValueError, RecursionError):
        found = None
    if not _of_kind(found, default):
        given, kind = f"-p {name} {text[:40]!r}", KINDS[type(default)]
        raise ValueError(f"{given} does not fit: by default it is {default!r}, so give {kind}.")
    if name == "seed":
        whole(name, found, 0, 2**32 - 1, "so that seeds made of it fit as well")
    return found


def _of_kind(value, default) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(_of_kind(v, d) for v in value for d in default[:1])
    if type(default) is float:
        return type(value) in (int, float) and abs(value) < 1e300  # neither NaN nor infinite
    return type(value) is type(default)


def student_edition(target: Path, overwrite: bool = False, graded: bool = False) -> dict[str, int]:
    """Write every notebook without its cells tagged `solution` into `target`; {file: solutions left out}.

    The badges' pictures and the glossary go along; or, where it is to be `graded`, `target` becomes a course of
    nbgrader, each notebook an assignment. All files are written or none, and links are replaced, not followed. Raises
    ValueError for a folder within the course's own, FileExistsError where somebody may have worked already (a file
    that is what would be written is nobody's work), OSError where the files cannot be.
    """
    import nbformat

    target = Path(target)
    if target.resolve().is_relative_to(folder()):
        raise ValueError(f"{target} lies in {folder()}, with the solutions: choose a folder outside.")
    files, removed = {}, {}
    for notebook in listing():
        edition, n = without_solutions(kernel.read(notebook))
        name = f"source/{notebook.stem}/{notebook.name}" if graded else notebook.name
        edition = grading.assignment(edition)[0] if graded else edition
        files[name], removed[name] = (nbformat.writes(edition) + "\n").encode(), n
    files |= {"nbgrader_config.py": grading.CONFIG.encode()} if graded else {}
    there = [name for name, data in files.items() if os.path.lexists(target / name) and not _holds(target / name, data)]
    if there and not overwrite:
        raise FileExistsError(
            f"{target} already holds {', '.join(there)}, and somebody may have worked in them: choose another folder, "
            "or overwrite them with --force."
        )
    along = [] if graded else [p for pattern in ("badges/*", "*.md") for p in sorted(folder().glob(pattern))]
    files |= {p.relative_to(folder()).as_posix(): p.read_bytes() for p in along if p.is_file()}
    for place in dict.fromkeys(target / part for name in files for part in Path(name).parents):
        if place != target and place.is_symlink():
            raise FileExistsError(f"{place} is a link to another folder: remove it, or choose another folder.")
    kernel.check_place(target, files)
    kernel.put(target, files)
    return removed


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def without_solutions(notebook):
    """(copy of a notebook without the cells tagged `solution`, how many code cells those were)."""
    import copy

    from nbconvert.preprocessors import TagRemovePreprocessor

    remover = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    edition, _ = remover.preprocess(copy.deepcopy(notebook), {"metadata": {}})
    n_code = [sum(c.cell_type == "code" for c in nb.cells) for nb in (notebook, edition)]
    return edition, n_code[0] - n_code[1]

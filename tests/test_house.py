"""The house rules that a reader would only notice once they are broken."""

import ast
import graphlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted((ROOT / "ganedu").rglob("*.py"))
# what conda-forge calls otherwise
CONDA_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "matplotlib-base": "matplotlib",
    "nbconvert-core": "nbconvert",
}


def tracked() -> list[Path]:
    """The files of the repository, or, without git, what lies where they should."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = listing.stdout.splitlines() if listing.returncode == 0 else []
    found = [ROOT / name for name in names] or [*MODULES, *ROOT.glob("*.*"), *ROOT.glob("tests/*")]
    return [p for p in found if p.is_file()]


CORE = ("inputs", "pixels", "losses", "models", "steps", "sampling", "checkpoints", "processes", "training", "plots")
# What a room may import, besides itself and the core; `topics` only earlier chapters' topics, which no circle allows.
ALLOWED = {
    "core": (),
    "data": (),
    "metrics": (),
    "toys": ("metrics",),
    "topics": ("data", "toys", "metrics", "runs", "course"),  # the studio opens what the zoo, runs and tables hold
    "runs": ("data", "metrics"),
    "doctor": ("data", "toys", "metrics", "runs"),
    "report": ("data", "metrics", "runs", "doctor", "course"),  # a report is a notebook that is run
    "widgets": ("data", "toys", "metrics"),
    "course": ("data", "metrics"),  # a sweep's table has means with intervals
    "command line": ("data", "metrics", "runs", "doctor", "report", "course"),
}


def module_of(path: Path) -> str:
    """The dotted name of a module below `ganedu`, "" for the package itself."""
    return ".".join(path.relative_to(ROOT / "ganedu").with_suffix("").parts).removesuffix("__init__").rstrip(".")


def room_of(module: str) -> str:
    head = module.partition(".")[0]
    return "core" if head in CORE or not head else "command line" if head == "__main__" else head


def imported_modules(path: Path) -> set[str]:
    """Modules of the package that a module imports, wherever in its text, relative imports resolved."""
    here = ["ganedu", *path.relative_to(ROOT / "ganedu").parent.parts]
    known = {module_of(p) for p in MODULES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            modules = {name for name in names if name.removeprefix("ganedu.") in known}
            found |= modules if modules == names else {source, *modules}
    inside = {name.removeprefix("ganedu").lstrip(".") for name in found if name.split(".")[0] == "ganedu"}
    return {name for name in inside if name in known and name}


IMPORTS = {module_of(path): imported_modules(path) for path in MODULES}


def test_every_module_has_its_room():
    assert {room_of(module) for module in IMPORTS} <= ALLOWED.keys()
    assert {module for module in IMPORTS if module and "." not in module} >= set(CORE)


@pytest.mark.parametrize("module", sorted(IMPORTS))
def test_imports_run_one_way(module):
    room = room_of(module)
    for other in IMPORTS[module]:
        target = room_of(other)
        assert target in (room, "core", *ALLOWED[room]), f"{module or 'ganedu'} imports {other}"
        if room == "core":
            assert target == "core" and other != "plots", f"the core's {module} imports {other}"


def test_no_circle():
    order = graphlib.TopologicalSorter(IMPORTS)
    order.prepare()  # raises CycleError, which names the circle


def test_the_core_is_ten_files_that_are_read_in_an_afternoon():
    flat = {path.stem for path in (ROOT / "ganedu").glob("*.py")} - {"__init__", "__main__"}
    assert flat == set(CORE)
    lines = sum(len((ROOT / "ganedu" / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in CORE)
    assert lines <= 1660


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_function_fits_one_screen(module):
    """Its code, signature and docstring apart: those are a page to look things up in."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            code = node.body[1:] if ast.get_docstring(node) else node.body
            lines = code[-1].end_lineno - code[0].lineno + 1 if code else 0
            assert lines <= 45, f"{node.name} has {lines} lines"


def test_importing_the_package_costs_nothing_but_itself():
    heavy = [
        "torch",
        "numpy",
        "matplotlib",
        "accelerate",
        "ipywidgets",
        "IPython",
        "sklearn",
        "scipy",
        "PIL",
        "pooch",
        "anywidget",
    ]
    assert _imported_by("ganedu", heavy) == []


def test_the_command_line_starts_without_torch():
    assert _imported_by("ganedu.__main__", ["torch", "numpy", "papermill", "matplotlib", "nbformat"]) == []


@pytest.mark.parametrize("name", [*CORE, "data", "metrics", "toys.densities", "toys.worlds"])
def test_the_core_does_not_load_what_only_figures_and_widgets_need(name):
    later = ["matplotlib", "ipywidgets", "IPython", "sklearn", "scipy", "PIL", "pooch", "accelerate", "papermill"]
    assert _imported_by(f"ganedu.{name}", later) == []


def _imported_by(module: str, suspects: list[str]) -> list[str]:
    code = f"import sys, {module}; print(*[m for m in {suspects!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return answer.stdout.split()


# What a Binder leaves out, so that its image stays small: `run`, `report` and `slides` need it, no notebook does.
NOT_ON_BINDER = {"papermill", "nbconvert", "latex2mathml"}


@pytest.mark.parametrize(("file", "left_out"), [("environment.yml", set()), ("binder/environment.yml", NOT_ON_BINDER)])
def test_conda_environments_say_what_pyproject_says(file, left_out):
    wanted = dict(_split(d) for d in PROJECT["dependencies"])
    wanted = {name: bounds for name, bounds in wanted.items() if name not in left_out}
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    given = dict(_split(line.strip()[2:]) for line in lines[lines.index("dependencies:") + 1 :] if line.strip())
    python = given.pop("python")
    given.pop("pip")
    assert {CONDA_NAMES.get(k, k): v for k, v in given.items()} == wanted
    assert python == PROJECT["requires-python"] or python == "=3.12"


def test_no_notebook_imports_what_binder_leaves_out():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        assert not re.search(rf"^\s*(import|from) ({'|'.join(NOT_ON_BINDER)})\b", code, re.M), path.name


def test_every_lower_bound_is_one_pin():
    sys.path.insert(0, str(ROOT / "tools"))
    import oldest

    pins = oldest.pins()
    needs = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert [p.replace("==", ">=") for p in pins] == [n.split(",")[0] for n in needs]
    assert oldest.pins(but={"torch"}) == [p for p in pins if not p.startswith("torch==")]


def _split(requirement: str) -> tuple[str, str]:
    name, bounds = re.fullmatch(r"([\w.-]+)\s*(\S*)", requirement).groups()
    return name, bounds


def test_pre_commit_and_make_run_the_same_ruff():
    pinned = re.search(r"^ruff==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)[1]
    assert f"rev: v{pinned}\n" in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


def test_constraints_lie_within_the_ranges_we_allow():
    from packaging.requirements import Requirement

    everything = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    allowed = {r.name: r.specifier for r in map(Requirement, everything)}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            assert version in allowed[name]


def test_the_project_address_stands_in_pyproject_and_where_the_tool_writes_it():
    sys.path.insert(0, str(ROOT / "tools"))
    import badges

    assert badges.main(["--check"]) == 0
    url = PROJECT["urls"]["Repository"]
    repository = url.removeprefix("https://github.com/")
    written_by_the_tool = {
        "pyproject.toml",
        "README.md",
        *(p.relative_to(ROOT).as_posix() for p in ROOT.glob("notebooks/*")),
    }
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ".ipynb", ""} and name not in written_by_the_tool:
            assert repository not in path.read_text(encoding="utf-8"), name


def test_the_tool_follows_a_change_of_address(tmp_path):
    sys.path.insert(0, str(ROOT / "tools"))
    import badges
    import nbformat

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/old/place"\n')
    (tmp_path / "README.md").write_text(f"git clone x && cd x\n{badges.START}\n{badges.END}\n")
    cells = [nbformat.v4.new_markdown_cell("# 01 Title"), nbformat.v4.new_code_cell("import torch")]
    cells[1].metadata.tags = ["setup"]
    notebook = tmp_path / "notebooks" / "01_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    assert badges.main(["--root", str(tmp_path), "--check"]) == 1
    assert badges.main(["--root", str(tmp_path)]) == 0
    assert badges.main(["--root", str(tmp_path), "--check"]) == 0
    before = notebook.read_text(encoding="utf-8")
    assert before.count("old/place") == 3
    assert "git clone https://github.com/old/place && cd place" in (tmp_path / "README.md").read_text(encoding="utf-8")

    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/new/home"\n')
    assert badges.main(["--root", str(tmp_path), "--check"]) == 1
    assert badges.main(["--root", str(tmp_path)]) == 0
    assert notebook.read_text(encoding="utf-8") == before.replace("old/place", "new/home")
    source = nbformat.read(notebook, as_version=4).cells[2].source
    assert source.endswith("git+https://github.com/new/home\n\nimport torch")


PICTURE = re.compile(r"""!\[[^\]]*\]\(\s*<?([^)\s>]+)|<img\b[^>]*?\ssrc\s*=\s*["']?([^"'\s>]+)""", re.I)


def pictures(markdown: str) -> list[str]:
    """Where the pictures of a text come from."""
    return [next(filter(None, found)) for found in PICTURE.findall(markdown)]


def test_every_picture_travels_with_the_course():
    """None comes from the web, so all show on a train; and each file that is named is there."""
    assert pictures("[![a](b.svg)](https://c) <img alt=x src='https://d/e.png'> ![f](//g.h)") == [
        "b.svg", "https://d/e.png", "//g.h"]  # fmt: skip
    for path in tracked():
        if path.suffix == ".md":
            texts = [path.read_text(encoding="utf-8")]
        elif path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        else:
            continue
        for source in (s for text in texts for s in pictures(text) if not s.startswith(("data:", "attachment:"))):
            assert ":" not in source and not source.startswith("//"), (
                f"{path.name} has a picture from the web: {source}"
            )
            assert (path.parent / source).is_file(), f"{path.name}: {source} is not there"


def test_badges_are_pictures_of_one_height_with_a_text_of_their_own():
    for name, says in (("colab", "Open in Colab"), ("binder", "Open in Binder")):
        svg = ElementTree.parse(ROOT / "notebooks" / "badges" / f"{name}.svg").getroot()
        of = "{http://www.w3.org/2000/svg}"
        assert svg.get("height") == "20" and svg.get("aria-label") == svg.findtext(f"{of}title") == says
        assert svg.findtext(f"{of}text") == says


def test_a_notebook_begins_with_a_setup_that_fits_a_screen():
    """And the install line for Colab names nothing that the package does not depend on, itself or through it."""
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        setup = next("".join(c["source"]) for c in cells if "setup" in c["metadata"].get("tags", []))
        (line,) = re.findall(r"^    %pip install -q --no-deps (.+)$", setup, re.M)
        assert all(len(row) <= 110 for row in setup.splitlines()[:4])
        *names, address = line.split()
        assert address == f"git+{PROJECT['urls']['Repository']}"
        assert set(names) - {"lightning-utilities"} <= {_split(d)[0] for d in PROJECT["dependencies"]}


def test_pip_can_be_fetched_where_python_has_no_ensurepip():
    sys.path.insert(0, str(ROOT / "tools"))
    import get_pip

    row = '<a href="https://host/pip-{0}-py3-none-any.whl#sha256={1}" data-requires-python="x">pip</a>'
    page = "\n".join(row.format(v, c * 64) for v, c in (("9.0.3", "a"), ("24.10", "b"), ("24.9", "c"), ("25.0b1", "d")))
    assert get_pip.newest_wheel(page) == ("https://host/pip-24.10-py3-none-any.whl", "b" * 64)


def test_texts_hold_no_trace_of_one_machine():
    # not within a word: a picture's base64 may hold any letters
    traces = re.compile(r"(?<![A-Za-z0-9+/])/(?:home|Users|root|tmp|mnt|opt)/(?!\.\.\.)\w+")
    for path in tracked():
        if path.suffix in {".ipynb", ".md", ".json"}:
            found = traces.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"

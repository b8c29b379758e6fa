"""Every example command that the project shows is one that works: each is parsed, and each complete one is run.

Three things are made short, and nothing else: training takes 1 second or 20 steps in place of the number given, `run`
parametrises its notebook without running it, and `report` judges nothing. nbval runs the notebooks at full length, and
tests/report the report. A run that an example reads and no example makes is trained first, and a notebook of somebody's
own is written. `lab` and `studio` open nothing.
"""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from ganedu import __main__ as cli

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "lab",
    "run",
    "train",
    "sample",
    "doctor",
    "report",
    "data",
    "claims",
    "slides",
    "student",
    "studio",
    "sweep",
)
TEXTS = [
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    *(f"binder/{n}" for n in ("environment.yml", "postBuild", "start")),
]
EXAMPLE = re.compile(rf"(?<![\w./])(?:\S*python -m |\$\(VENV\) -m )?ganedu ((?:{'|'.join(COMMANDS)}|--help)\b[^`\n]*)")
# what stands for something that the reader knows; $(...) is make's
STANDS_FOR = {"NN": "03", "DIR": "runs/digits", "FILE": "gan.ipynb",
              "runs/...": "runs/digits", "name": "seed", "value": "1",
              "FOLDER": "pictures", "RUN": "runs/digits",
              "[DIR2": "", "...]": "", "$(PORT)": "8888", "$(ARGS)": ""}  # fmt: skip


def in_code(text: str) -> list[str]:
    """The commands in Markdown or a Makefile: between backticks, or a line of their own; prose is no command."""
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*$", "", text, flags=re.M))
    matches = [EXAMPLE.fullmatch(" ".join(span.split())) for span in spans]
    matches += [EXAMPLE.match(line.strip()) for line in text.splitlines()]
    return [m[1] for m in matches if m]


def in_help() -> list[str]:
    """The commands in what --help says, of ganedu and of each of its commands."""
    top = cli.parser()
    [commands] = [a for a in top._actions if isinstance(a.choices, dict)]
    assert set(commands.choices) == set(COMMANDS)
    parsers = (top, *commands.choices.values())
    texts = [t for p in parsers for t in (p.description, p.epilog, *(a.help for a in p._actions)) if t]
    return [m[1] for text in texts for m in EXAMPLE.finditer(text)]


def docstrings() -> list[str]:
    kinds = ast.Module | ast.FunctionDef | ast.ClassDef
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "ganedu").rglob("*.py")]
    return [doc for tree in trees for n in ast.walk(tree) if isinstance(n, kinds) and (doc := ast.get_docstring(n))]


def markdown() -> list[str]:
    paths = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "ganedu" / "assets").glob("*.ipynb")]
    return [c.source for path in paths for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]


def cards() -> list[str]:
    """How the shipped checkpoints were made."""
    paths = sorted((ROOT / "ganedu" / "assets" / "zoo").glob("*.json"))
    return [EXAMPLE.match(json.loads(p.read_text(encoding="utf-8"))["command"])[1] for p in paths]


def collected() -> list[str]:
    """All commands without `ganedu`, once each, in the order in which they are met."""
    texts = [*((ROOT / name).read_text(encoding="utf-8") for name in TEXTS), *docstrings(), *markdown()]
    found = [*in_help(), *(line for text in texts for line in in_code(text)), *cards()]
    return list(dict.fromkeys(" ".join(shlex.split(line, comments=True)) for line in found))


ALL = collected()
FORMS = [line for line in ALL if STANDS_FOR.keys() & set(line.split())]
NAMED = [line for line in ALL if line in COMMANDS and line not in ("lab", "data")]  # `ganedu run` in a sentence
COMPLETE = [line for line in ALL if line not in (*FORMS, *NAMED, *cards())]


def words(line: str) -> list[str]:
    return [w for part in line.split() if (w := STANDS_FOR.get(part, part))]


def test_they_are_found():
    assert len(COMPLETE) >= 12 and len(FORMS) >= 4 and len(cards()) == 5 and len(NAMED) >= 2
    for line in cli.EXAMPLES.splitlines():
        if line.startswith("  ganedu "):
            assert line.strip().removeprefix("ganedu ") in COMPLETE
    assert "run 03 -p seed 1" in COMPLETE and "--help" in COMPLETE  # README's
    assert in_code("`ganedu run` and ganedu train dcgan in prose,\n  ganedu lab\n`python -m ganedu\nstudent DIR`") == [
        "run", "student DIR", "lab",
    ]  # fmt: skip


@pytest.mark.parametrize("line", [line for line in ALL if line not in NAMED])
def test_each_is_understood(line):
    if line == "--help":
        return
    args, rest = cli.parser().parse_known_args(words(line))
    assert args.run.__name__ == line.split()[0] and (args.run is cli.lab or not rest)


# ------------------------------------------------------------------------------------------------------- they are run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder in which all are called, with the runs of the examples that train, and one of `ganedu train dcgan`."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in ("train dcgan --steps 20", *(line for line in COMPLETE if line.startswith("train"))):
            line = re.sub(r"--steps \d+", "--steps 20", re.sub(r"--seconds \d+", "--seconds 1", line))
            assert cli.main(line.split()) == 0
        own = nbformat.v4.new_code_cell("from torch import nn\nG, D = nn.Linear(2, 2), nn.Linear(2, 1)")
        nbformat.write(nbformat.v4.new_notebook(cells=[own]), "gan.ipynb")
    return folder


@pytest.fixture
def short(place, monkeypatch):
    """The three things made short, and the list of what `lab` and `studio` would have called."""
    real, called = papermill.execute_notebook, []

    def parametrise(notebook, path, values, **kw):
        made = real(notebook, path, values, prepare_only=True, kernel_name=kw["kernel_name"])
        made.cells[-1].outputs = [nbformat.v4.new_output("display_data", {"application/json": {"runs": {}}})]
        nbformat.write(made, path)

    monkeypatch.setattr(papermill, "execute_notebook", parametrise)
    monkeypatch.setattr(cli, "_call", lambda command, env=None: called.append(command) or 0)
    monkeypatch.chdir(place)
    return called


@pytest.mark.parametrize("line", [line for line in COMPLETE if line != "--help"])
def test_each_works(line, short, place, capsys):
    command, args = line.split()[0], cli.parser().parse_known_args(line.split())[0]
    if command == "train":
        assert (args.out / "samples.png").is_file(), "as every run is that `place` has trained"
        return
    status = cli.main(line.split())
    assert status == 0 or (command == "doctor" and status == 1), capsys.readouterr().err  # 1: it has found something
    if command == "lab":
        assert len(short) == 1 and "jupyterlab" in short[0]
    if command == "studio":
        assert len(short) == 1 and "voila" in short[0] and "--Voila.ip=127.0.0.1" in short[0]
    if command == "sample":
        assert args.out.is_file()
    if command == "report":
        assert (args.dirs[0] / "report" / "report.html").is_file()
    if command == "slides":
        assert args.out.is_file()
    if command == "run":
        check_parameters(place / "runs" / "03_dcgan.ipynb", {"seed": "1"})


def check_parameters(path: Path, given: dict[str, str]) -> None:
    """The notebook's defaults stand first, what was given right behind them, and a use of each after both."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    tags = [set(c.metadata.get("tags", ())) for c in cells]
    [i] = [i for i, t in enumerate(tags) if "parameters" in t]
    assert "injected-parameters" in tags[i + 1]
    for name, value in given.items():
        assert re.search(rf"^{name} = ", cells[i].source, re.M) and f"\n{name} = {value}" in cells[i + 1].source
        assert not re.search(rf"\({name}\b|\b{name}\)", cells[i].source), "it is used before it is set"
        assert any(re.search(rf"\b{name}\b", c.source) for c in cells[i + 2 :])


def test_a_form_works_where_its_name_is_filled_in(short, place):
    assert cli.main(["student", "class"]) == 0
    assert len(list((place / "class").glob("*.ipynb"))) == len(list((ROOT / "notebooks").glob("*.ipynb")))


def test_the_same_from_a_shell(tmp_path):
    for line in ("-m ganedu --help", "-m ganedu train --help"):
        result = subprocess.run([sys.executable, *line.split()], cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0 and "ganedu" in result.stdout

"""What is installed is whole: a wheel built from the repository, tried where nothing else of ganedu is in reach."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# -I and -S leave nothing but Python's own library, so no editable install counts; then the wheel and what it needs
USE = """
import importlib, pkgutil, sys
sys.path += sys.argv[1:]
from importlib.metadata import distribution
import ganedu
for module in pkgutil.walk_packages(ganedu.__path__, "ganedu."):
    print(importlib.import_module(module.name).__file__)
from ganedu import data, models
from ganedu.course import app, stored
from ganedu.report.write import NOTEBOOK
from ganedu.runs import zoo
from ganedu.widgets.playground.starts import PREPARED
assert len(data.load("digits").x) == 4000 and len(data.load("fashion").x) == 10_000
assert len(zoo.names()) >= 5 and all(zoo.load(name) for name in zoo.names())
assert stored.table("04_four_ways")["card"]
assert stored.network(models.DCGenerator(16, 3, 16, 8), "11_latent_space", "DCGAN, width 8/0")
assert NOTEBOOK.is_file() and app.NOTEBOOK.is_file() and len(list(PREPARED.glob("*.safetensors"))) == 4
[script] = distribution("ganedu").entry_points
sys.argv[:] = ["ganedu", "--help"]
script.load()()
"""


def ours() -> set[str]:
    """The files of the package that the repository holds; without git, those that lie there."""
    listing = subprocess.run(["git", "ls-files", "-z", "ganedu"], cwd=ROOT, capture_output=True, text=True)
    names = listing.stdout.split("\0")[:-1] if listing.returncode == 0 else []
    found = [ROOT / name for name in names] or (ROOT / "ganedu").rglob("*")
    return {p.relative_to(ROOT).as_posix() for p in found if p.is_file() and "__pycache__" not in p.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("out")
    for name in (*ours(), "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-c", BUILD, out], cwd=source, check=True, capture_output=True)
    [path] = out.glob("*.whl")
    return path


def test_every_file_of_the_package_ships(wheel):
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert shipped == ours()


def test_it_works_where_nothing_else_is_in_reach(wheel, tmp_path):
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    dependencies = [p for p in sys.path if Path(p).name in {"site-packages", "dist-packages"}]
    command = [sys.executable, "-I", "-S", "-c", USE, place, *dependencies]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    *modules, _ = answer.stdout.partition("usage: ganedu")[0].split("\n")
    assert len(modules) > 70 and all(Path(m).is_relative_to(place) for m in modules)
    assert "usage: ganedu" in answer.stdout

"""How the tests are shared out between workers: whole files, and the longest first. Where the engine runs in them."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the nets are small: more threads only wait for each other

EDITIONS = ("test_student.py", "test_path_alone.py")  # files whose every test runs a notebook


def pytest_addoption(parser):
    parser.addoption(
        "--every-notebook",
        action="store_true",
        help="run all notebooks without solutions, all paths, and all sliders in the browser, not a few by turns",
    )


@pytest.fixture(autouse=True, scope="module")
def engine_on_the_cpu():
    """Numbers are compared bit for bit, which the CPU allows. For a whole module: its own fixtures train too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "1")
        yield


@pytest.fixture(autouse=True)
def engine_of_its_own():
    """Each test may choose its own precision."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def double():
    """Noise in float64 too, so that two ways of rounding stay 1e-10 apart."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _unit(nodeid: str) -> str:
    """What stays on one worker: a file of tests, a notebook with its kernel, its answers; each edition that is run."""
    file, _, test = nodeid.partition("::")
    if file.endswith("test_answers.py"):
        return test.partition("[")[2][:2]
    return nodeid if file.endswith(EDITIONS) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _unit(nodeid)

    config.option.loadscopereorder = False  # keep the order of collection, which is set below
    return ByUnit(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Whole notebooks first, the longest before the others; then what the browser does, what trains, and the rest.

    Short files at the end let two workers end at about the same time.
    """
    times = next((Path(__file__).parents[1] / "ganedu").rglob("notebook_seconds.json"), None)
    seconds = json.loads(times.read_text(encoding="utf-8"))["seconds"] if times else {}
    trains = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item):
        if item.path.suffix == ".ipynb" or item.path.name in EDITIONS:
            path = item.callspec.params["path"] if hasattr(item, "callspec") else item.path
            return 0, -seconds.get(path.stem, 0)
        return 1 + (item.path.parent.name != "browser") + (item.path not in trains), 0

    items.sort(key=place)

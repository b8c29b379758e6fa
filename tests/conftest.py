"""How the tests are shared out between workers: whole files, and the longest first. Where the engine runs in them."""

import os
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the nets are small: more threads only wait for each other


def pytest_addoption(parser):
    parser.addoption(
        "--all-student-editions",
        action="store_true",
        help="run all notebooks without solutions, not a few by turns",
    )


@pytest.fixture(autouse=True)
def engine_on_the_cpu(monkeypatch):
    """Numbers are compared bit for bit, which the CPU allows; and each test may choose its own precision."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)


def _unit(nodeid: str) -> str:
    """What stays on one worker: a file of tests, or a notebook with its kernel. Each student edition is a unit."""
    file = nodeid.partition("::")[0]
    return nodeid if file.endswith("test_student.py") else file


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
    first = {".ipynb": 0, "test_student.py": 1, "browser": 2}
    items.sort(key=lambda item: min(first.get(k, 3) for k in (item.path.suffix, item.path.name, item.path.parent.name)))

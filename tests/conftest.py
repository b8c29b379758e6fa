"""How the tests are shared out between workers: whole files, and the longest first."""

import pytest


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
    first = {".ipynb": 0, "test_student.py": 1, "test_lab.py": 2}
    items.sort(key=lambda item: first.get(item.path.suffix, first.get(item.path.name, 3)))

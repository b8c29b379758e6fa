"""One JupyterLab and one browser for all browser tests that a worker does in a row."""

import contextlib

import lab
import pytest


class Shared:
    """What is opened when it is first asked for, and closed together."""

    def __init__(self):
        self.stack, self.opened = contextlib.ExitStack(), {}

    def get(self, name: str, open_it):
        if name not in self.opened:
            self.opened[name] = self.stack.enter_context(open_it())
        return self.opened[name]

    def close(self) -> None:
        self.opened.clear()
        self.stack.close()


SHARED = Shared()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    return SHARED.get("server", lambda: lab.serve(tmp_path_factory.mktemp("lab")))


@pytest.fixture(scope="module")
def browser():
    return SHARED.get("browser", lab.launch)


@pytest.hookimpl(trylast=True)  # after the fixtures of the last test
def pytest_runtest_teardown(item, nextitem):
    """Closed before another test begins: Playwright's event loop would be in the way of nbclient's and asyncio's."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        SHARED.close()

"""JupyterLab on notebooks, or a page by Voilà, seen by a real headless browser; for tests, and README's picture."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
BROWSER = next((p for p in [*map(shutil.which, NAMES), *PLACES] if p and Path(p).exists()), None)
SETTINGS = {
    # every cell in the page, so that one can be found without scrolling to it
    "docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},  # two pages on one file must not meet
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab:
    """A running JupyterLab: its folder, and where it answers."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port

    @contextlib.contextmanager
    def open(self, notebook: Path):
        """The notebook without its outputs, in a folder and a workspace of its own; yields the address.

        Its kernel ends with the block.
        """
        content = json.loads(notebook.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        room = Path(tempfile.mkdtemp(prefix="room", dir=self.folder))
        (room / notebook.name).write_text(json.dumps(content), encoding="utf-8")
        if (badges := notebook.parent / "badges").is_dir():
            shutil.copytree(badges, room / "badges")
        where = f"{room.name}/{notebook.name}"
        try:
            yield f"http://127.0.0.1:{self.port}/lab/workspaces/{room.name}/tree/{where}?token=secret"
        finally:
            for session in json.loads(self.ask("GET", "sessions")):
                if session["path"] == where:
                    with contextlib.suppress(urllib.error.HTTPError):  # it has just ended by itself
                        self.ask("DELETE", f"sessions/{session['id']}")

    def ask(self, method: str, what: str) -> bytes:
        url = f"http://127.0.0.1:{self.port}/api/{what}?token=secret"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return answer.read()


@contextlib.contextmanager
def serve(folder: Path):
    """JupyterLab in `folder`, with settings of its own."""
    for name, values in SETTINGS.items():
        path = folder / ".settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    places = {"JUPYTERLAB_SETTINGS_DIR": ".settings", "JUPYTERLAB_WORKSPACES_DIR": ".w", "JUPYTER_CONFIG_DIR": ".c",
              "JUPYTER_RUNTIME_DIR": ".r", "IPYTHONDIR": ".i"}  # fmt: skip
    env = {"OMP_NUM_THREADS": "1", **os.environ, **{k: str(folder / v) for k, v in places.items()}}  # a core for Lab
    port = _free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=secret"]
    with open(folder / ".log", "w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token=secret", server, folder / ".log")
        yield Lab(folder, port)
    finally:
        server.terminate()
        server.wait(20)


@contextlib.contextmanager
def voila(folder: Path, *command: str, **env: str):
    """A command that serves a page with Voilà from `folder`, such as `-m ganedu studio`; yields the page's address."""
    port = _free_port()
    places = {"JUPYTER_CONFIG_DIR": ".c", "JUPYTER_RUNTIME_DIR": ".r", "IPYTHONDIR": ".i"}
    env = {"OMP_NUM_THREADS": "1", **os.environ, **{k: str(folder / v) for k, v in places.items()}, **env}
    with open(folder / ".log", "w") as log:
        server = subprocess.Popen([sys.executable, *command, f"--port={port}", "--no-browser"], env=env, stdout=log,
                                  stderr=log, cwd=folder, start_new_session=True)  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/voila/static/voila.js", server, folder / ".log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)  # the command and Voilà, which ends its kernels
        server.wait(20)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(720):  # a busy machine takes its time
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"The server did not answer within three minutes:\n{log.read_text()}")


@contextlib.contextmanager
def launch():
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def page(browser, width: int = 1400, height: int = 1000, scale: float = 1.0):
    """A page of it that knows nothing of the others."""
    with browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale) as page:
        yield page


def run_all(page, address: str) -> None:
    """Open the notebook, run all cells, and return once they have run; show what went wrong as soon as one raises."""
    page.goto(address, timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)  # the kernel is there
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')  # the circle beside the kernel's name
    error = page.locator(".jp-Notebook .jp-OutputArea-output").filter(has_text="Traceback (most recent call last)")
    for _ in range(480):
        assert error.count() == 0, error.first.inner_text()
        seen = [text for text in prompts.all_inner_texts() if text.strip()]  # a folded solution shows no prompt
        if seen and all(text.strip("[]:").isdigit() for text in seen) and idle.count():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"not run within four minutes; the prompts are {prompts.all_inner_texts()}")


@contextlib.contextmanager
def notebook_page(server: Lab, browser, folder: Path, *cells: str, reduced_motion: bool = False):
    """A page of JupyterLab on a new notebook of these cells, which have run; no error of the page goes unseen."""
    import nbformat

    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )
    nbformat.write(notebook, folder / "source.ipynb")
    with server.open(folder / "source.ipynb") as address, page(browser) as opened:
        errors = []
        opened.on("pageerror", lambda e: errors.append(str(e)))
        if reduced_motion:
            opened.emulate_media(reduced_motion="reduce")
        run_all(opened, address)
        yield opened
        assert set(errors) <= {"Cannot send"}, errors  # JupyterLab's own word about a kernel that was shut down


def widgets(page, containing: str):
    """The course's widgets that contain an element, by its CSS selector."""
    boxes = page.locator(".jp-OutputArea-output .jupyter-widgets.widget-vbox")
    return boxes.filter(has=page.locator(containing))

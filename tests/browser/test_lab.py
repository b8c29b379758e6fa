"""Notebook 01 in JupyterLab in a real browser: run all, move a slider, see the picture change."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")

NOTEBOOK = Path(
    os.environ.get("GANEDU_TEST_NOTEBOOK", Path(__file__).parents[2] / "notebooks" / "01_minimax_game.ipynb")
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
BROWSER = next((p for p in [*map(shutil.which, NAMES), *PLACES] if p and Path(p).exists()), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is installed"),
]


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a copy of the notebook without outputs, with settings of its own; yields the notebook's address."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    (tmp_path / NOTEBOOK.name).write_text(json.dumps(notebook), encoding="utf-8")
    settings = {
        # every cell in the page, so that one can be found without scrolling to it
        "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
        "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        path = tmp_path / ".settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    places = {"JUPYTERLAB_SETTINGS_DIR": ".settings", "JUPYTERLAB_WORKSPACES_DIR": ".w", "JUPYTER_CONFIG_DIR": ".c",
              "JUPYTER_RUNTIME_DIR": ".r", "IPYTHONDIR": ".i"}  # fmt: skip
    env = {**os.environ, **{k: str(tmp_path / v) for k, v in places.items()}}
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    # fmt: off
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={tmp_path}", "--IdentityProvider.token=secret"]
    # fmt: on
    with open(tmp_path / "log.txt", "w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=tmp_path)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token=secret", server, tmp_path / "log.txt")
        yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}?token=secret"
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab did not answer within a minute:\n{log.read_text()}")


@pytest.fixture
def page():
    with sync_api.sync_playwright() as p:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=BROWSER, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        yield page
        browser.close()


def _wait_until_run(page) -> None:
    """Wait until every prompt in sight is a number and the kernel idle; show what went wrong as soon as a cell raises.

    A folded solution has no prompt in sight, so the last prompt alone would not do.
    """
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    idle = page.get_by_text("Python 3 (ipykernel) | Idle")
    error = page.locator(".jp-Notebook .jp-OutputArea-output").filter(has_text="Traceback (most recent call last)")
    for _ in range(480):
        assert error.count() == 0, error.first.inner_text()
        seen = [text for text in prompts.all_inner_texts() if text.strip()]
        if seen and all(text.strip("[]:").isdigit() for text in seen) and idle.count():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"not run within four minutes; the prompts are {prompts.all_inner_texts()}")


def test_run_all_move_a_slider_and_see_the_picture_change(lab, page):
    page.goto(lab, timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    _wait_until_run(page)
    widgets = page.locator(".jp-OutputArea-output .jupyter-widgets.widget-vbox")
    _a_slider_changes_its_picture(page, widgets.filter(has=page.locator(".noUi-handle")).first)
    _a_game_runs_and_pauses(page, widgets.filter(has=page.locator("button.widget-toggle-button")).first)


def _a_slider_changes_its_picture(page, widget) -> None:
    picture, handle = widget.locator("img.widget-image"), widget.locator(".noUi-handle").first
    picture.scroll_into_view_if_needed()
    before, address = picture.screenshot(), picture.get_attribute("src")
    n_pictures = page.locator(".jp-OutputArea-output img").count()
    handle.focus()
    at_its_left = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemin")
    handle.press("End" if at_its_left else "Home")
    sync_api.expect(picture).not_to_have_attribute("src", address, timeout=10_000)
    page.wait_for_timeout(500)
    assert picture.screenshot() != before, "the slider moved, but the picture stayed"
    assert page.locator(".jp-OutputArea-output img").count() == n_pictures, "a change stacked a new picture"


def _a_game_runs_and_pauses(page, game) -> None:
    """The live game trains while the kernel still answers, and stands still once paused."""
    button, status = game.locator("button.widget-toggle-button"), game.locator('[role="status"]')
    button.scroll_into_view_if_needed()
    at_first = status.inner_text()
    button.click()
    sync_api.expect(status).not_to_have_text(at_first, timeout=10_000)
    running = status.inner_text()
    sync_api.expect(status).not_to_have_text(running, timeout=10_000)
    button.click()
    sync_api.expect(button).to_have_text("Run", timeout=10_000)
    page.wait_for_timeout(500)
    paused = status.inner_text()
    page.wait_for_timeout(1000)
    assert status.inner_text() == paused, "paused, and the game went on"

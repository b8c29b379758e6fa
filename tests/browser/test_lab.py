"""Notebook 01 in JupyterLab in a real browser: run all, move a slider, see the picture change; play the live game."""

import os
from pathlib import Path

import lab
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")

NOTEBOOK = Path(
    os.environ.get("GANEDU_TEST_NOTEBOOK", Path(__file__).parents[2] / "notebooks" / "01_minimax_game.ipynb")
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]


def test_run_all_move_a_slider_and_see_the_picture_change(server, browser):
    with server.open(NOTEBOOK) as address, lab.page(browser) as page:
        lab.run_all(page, address)
        _the_badges_show(page)
        _a_slider_changes_its_picture(page, lab.widgets(page, ".noUi-handle").first)
        _a_game_runs_and_pauses(page)


def _the_badges_show(page) -> None:
    """From the course's own files: a picture that is missing is 0 wide."""
    for name in ("Open in Colab", "Open in Binder"):
        badge = page.locator(f'.jp-MarkdownCell img[alt="{name}"]')
        size = badge.evaluate("picture => [picture.naturalWidth, picture.naturalHeight]")
        assert size[0] > 80 and size[1] == 20, f"{name}: {size}"


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


def _a_game_runs_and_pauses(page) -> None:
    """The playground trains while the kernel still answers, and stands still once paused."""
    game = page.locator(".ganedu-playground").first
    button, words = game.get_by_test_id("run"), game.get_by_test_id("words")
    button.scroll_into_view_if_needed()
    at_first = words.inner_text()
    button.click()
    sync_api.expect(words).not_to_have_text(at_first, timeout=10_000)
    running = words.inner_text()
    sync_api.expect(words).not_to_have_text(running, timeout=10_000)
    button.click()
    sync_api.expect(button).to_contain_text("Run", timeout=10_000)
    page.wait_for_timeout(500)
    paused = game.get_attribute("data-rounds")
    page.wait_for_timeout(1000)
    assert game.get_attribute("data-rounds") == paused, "paused, and the game went on"

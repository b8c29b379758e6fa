"""Notebook 07 in JupyterLab in a real browser: diagnoses chosen, a slider moved, a room of the gallery entered."""

from pathlib import Path

import lab
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "07_gan_clinic.ipynb"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]


def test_choose_and_see_move_and_see(tmp_path):
    with lab.serve(NOTEBOOK, tmp_path) as address, lab.browser_page() as page:
        lab.run_all(page, address)
        questions = lab.widgets(page, "input[type=radio]")
        assert questions.count() == 6
        for question in questions.all():
            _each_answer_shows_its_reply(question)
        family, gallery = (
            lab.widgets(page, f"text={name}").filter(has=page.locator("img")) for name in ("share", "room")
        )
        _the_slider_moves_the_picture(page, family, "c", "Its best answer")
        _the_slider_moves_the_picture(page, gallery, "room", "Room 12")


def _each_answer_shows_its_reply(question) -> None:
    reply, seen = question.get_by_role("status"), []
    assert reply.count() == 0, "a reply stood there before a choice"
    for answer in question.locator("input[type=radio]").all():
        answer.click()
        if seen:
            sync_api.expect(reply).not_to_have_text(seen[-1])
        seen.append(reply.inner_text())
    assert len(set(seen)) == len(seen) and sum(text.startswith("Yes.") for text in seen) == 1


def _the_slider_moves_the_picture(page, widget, name: str, words: str) -> None:
    picture = widget.locator("img.widget-image")
    slider = widget.locator(".widget-slider").filter(has_text=name).first
    picture.scroll_into_view_if_needed()
    before, handle = picture.get_attribute("src"), slider.locator(".noUi-handle")
    handle.focus()
    handle.press("End")
    sync_api.expect(picture).not_to_have_attribute("src", before, timeout=10_000)
    sync_api.expect(widget.get_by_role("status")).to_contain_text(words, timeout=10_000)

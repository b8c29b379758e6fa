"""Clips in JupyterLab in a real browser: played, stopped, moved through by mouse and keys, narrow, without a kernel."""

import lab
import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
# Frame t of clip k is the one grey 20 t + k.
CELL = """import torch
from ganedu.widgets import clips

greys = 20 * torch.arange(8)[None, :] + torch.arange(5)[:, None]
x = greys.to(torch.uint8)[:, :, None, None, None].expand(5, 8, 1, 16, 16)
clips({"real": x[:2], "fake": x[2:]}, per_second=10, alt="Greys.");"""
PIXEL = "canvas => canvas.getContext('2d').getImageData(3, 3, 1, 1).data[0]"


def test_clips_are_played_stopped_and_moved_through(tmp_path, server, browser):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL)],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )
    nbformat.write(notebook, tmp_path / "source.ipynb")
    with server.open(tmp_path / "source.ipynb") as address, lab.page(browser) as page:
        errors = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        lab.run_all(page, address)
        root = page.locator(".ganedu-clips")
        play, frame, loop, words, stage, all_clips = (
            root.get_by_test_id(name) for name in ("play", "frame", "loop", "words", "stage", "clip")
        )
        expect = sync_api.expect

        def shown():
            return [clip.evaluate(PIXEL) for clip in all_clips.all()]

        expect(words).to_have_text("Frame 1 of 8.")
        assert [n.inner_text() for n in root.get_by_test_id("name").all()] == ["real", "fake"]
        assert shown() == [0, 1, 2, 3, 4], "it does not begin by itself"

        frame.fill("4")
        expect(words).to_have_text("Frame 4 of 8.")
        assert shown() == [60, 61, 62, 63, 64]
        stage.focus()
        for key, now in {"ArrowRight": 5, "ArrowLeft": 4, "End": 8, "Home": 1}.items():
            page.keyboard.press(key)
            expect(words).to_have_text(f"Frame {now} of 8.")
        page.keyboard.press("ArrowLeft")
        expect(words).to_have_text("Frame 8 of 8.")

        page.keyboard.press("Space")
        expect(play).to_have_text("Stop")
        expect(words).to_have_text("Playing.")
        page.wait_for_function("document.querySelector('.ganedu-clips').dataset.frame === '3'")
        page.keyboard.press("Space")
        expect(play).to_have_text("Play")
        now = int(root.get_attribute("data-frame"))
        assert shown()[0] == 20 * (now - 1), "all clips show the frame that is named"

        loop.uncheck()
        frame.fill("7")
        play.click()
        expect(words).to_have_text("Frame 8 of 8.")
        expect(play).to_have_text("Play")
        play.click()  # from the beginning
        page.wait_for_function("document.querySelector('.ganedu-clips').dataset.frame === '2'")
        stage.click()
        expect(play).to_have_text("Play")

        page.get_by_text("Kernel", exact=True).first.click()
        page.get_by_text("Shut Down Kernel", exact=True).first.click()
        page.get_by_text("No Kernel").first.wait_for()
        frame.fill("2")
        assert shown() == [20, 21, 22, 23, 24], "it lives on without its kernel"

        light = root.evaluate("node => getComputedStyle(node).color")
        page.emulate_media(color_scheme="dark")
        page.evaluate("document.body.dataset.jpThemeLight = 'false'")
        page.wait_for_function("document.querySelector('.ganedu-clips').classList.contains('dark')")
        assert root.evaluate("node => getComputedStyle(node).color") != light

        root.evaluate("node => (node.style.width = '360px')")
        page.wait_for_timeout(100)
        box = root.bounding_box()
        for each in (*all_clips.all(), frame, play, loop):
            inside = each.bounding_box()
            assert inside["x"] >= box["x"] and inside["x"] + inside["width"] <= box["x"] + 361
        assert not errors, errors

"""Sounds in JupyterLab in a real browser: they last as long as they should, play, and change with a slider."""

import lab
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
CELL = """import math
import matplotlib.pyplot as plt
import torch
from ganedu.widgets import hear, listen

t = torch.arange(4096) / 8000
listen({"low": torch.sin(2 * math.pi * 110 * t), "high": torch.sin(2 * math.pi * 220 * t)})

def draw(seconds):
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.set_title(f"{seconds} s")
    return fig, {"tone": torch.sin(2 * math.pi * 110 * torch.arange(round(8000 * seconds)) / 8000)}

hear(draw, seconds=(0.5, 2.0, 0.5, 0.5));"""
PLAYED = """audio => new Promise((done, failed) => {
    audio.onerror = () => failed(audio.error.message);
    audio.onended = () => done(audio.currentTime);
    audio.muted = true;
    audio.play().catch(failed);
})"""


def test_sounds_have_a_length_and_play_to_their_end(tmp_path, server, browser):
    with lab.notebook_page(server, browser, tmp_path, CELL) as page:
        sounds = page.locator(".ganedu-sounds audio")
        sync_api.expect(sounds).to_have_count(3)
        assert [s.get_attribute("aria-label") for s in sounds.all()] == ["low", "high", "tone"]
        for sound, seconds in zip(sounds.all(), (0.512, 0.512, 0.5), strict=True):
            sound.evaluate("a => new Promise(done => a.readyState ? done() : (a.onloadedmetadata = done))")
            assert abs(sound.evaluate("a => a.duration") - seconds) < 0.01
            assert sound.evaluate("a => a.paused && a.error === null")  # nothing plays by itself
            assert abs(sound.evaluate(PLAYED) - seconds) < 0.05

        slider = page.locator('.widget-slider [role="slider"]').first
        slider.focus()
        slider.press("ArrowRight")
        sync_api.expect(page.get_by_role("status").filter(has_text="1.0 s")).to_be_visible()
        tone = page.locator('.ganedu-sounds audio[aria-label="tone"]')
        page.wait_for_function("a => a.readyState > 0 && Math.abs(a.duration - 1) < 0.01", arg=tone.element_handle())
        assert abs(tone.evaluate(PLAYED) - 1) < 0.05

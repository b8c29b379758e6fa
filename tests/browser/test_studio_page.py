"""The studio in a real browser: in JupyterLab on a stand-in; by `ganedu studio`, on a trained model, under Voilà."""

import io
from pathlib import Path

import lab
import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
expect = sync_api.expect
CELL = f"""import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import stand_in
from ganedu.widgets import Sketch, studio

pads = {{"a negative": lambda: Sketch(lambda ink: 1 - 2 * ink, {{}})}}
studio(stand_in.Maker(styled=True), taste=stand_in.Taste, own=stand_in.OwnPictures(), pads=pads,
       make=lambda folder: stand_in.Maker());"""
PIXELS = """canvas => Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
  .filter((_, k) => k % 4 === 0)"""


class Page:
    """One studio in a page of the browser, and what is seen of it."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".ganedu-studio")
        self.root.wait_for(timeout=120_000)
        self.cells, self.dials, self.error = self.at("gallery-cell"), self.at("dial"), self.at("error")

    def at(self, name):
        return self.root.get_by_test_id(name)

    def settled(self):
        """Once the kernel has answered all."""
        root = self.root.element_handle()
        self.page.wait_for_function("r => r.dataset.sent === r.dataset.reply", arg=root, timeout=60_000)
        return self

    def press(self, name):
        self.at(name).click()
        return self.settled()

    def pixels(self, canvas=None):
        self.settled()
        return np.array((canvas or self.at("big")).evaluate(PIXELS))

    def grey(self, canvas=None):
        """(upper, lower) grey of a stand-in's picture."""
        seen = self.pixels(canvas)
        return int(seen[0]), int(seen[-1])

    def tile(self, n):
        return self.grey(self.cells.nth(n).locator("canvas"))

    def saved(self, name):
        """What a button saves: the file's name and bytes."""
        with self.page.expect_download() as download:
            self.at(name).click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def fits(page, width=360):
    """Whether nothing is wider than the page, at this width."""
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(300)
    return page.evaluate("document.querySelector('.ganedu-studio').scrollWidth") <= width


# ------------------------------------------------------------------------------------------------------ in JupyterLab


@pytest.fixture(scope="module")
def shown(tmp_path_factory, server, browser):
    folder = tmp_path_factory.mktemp("studio")
    with lab.notebook_page(server, browser, folder, CELL) as page:
        yield Page(page)


def test_a_gallery_is_there_and_a_dial_moves_one_picture(shown):
    assert shown.cells.count() == 12 and [shown.tile(n)[0] for n in range(12)] == [60 + 2 * n for n in range(12)]
    expect(shown.at("caption")).to_have_text("Picture 1, zero")
    expect(shown.root).to_contain_text("One unit adds 40 greys.")
    shown.dials.first.fill("0.5")
    assert shown.grey() == (80, 100) == shown.tile(0) and shown.tile(1) == (62, 100)
    shown.at("class").select_option("two")
    assert shown.grey() == (80, 120)
    for upper in ((80, 100), (60, 100)):
        shown.press("undo")
        assert shown.grey() == upper
    shown.press("redo")
    assert shown.grey() == (80, 100) and shown.dials.first.input_value() == "0.5"


def test_keys_alone_choose_keep_mix_and_undo(shown):
    shown.cells.first.focus()
    columns = shown.root.evaluate("r => { const c = [...r.querySelectorAll('[data-testid=gallery-cell]')];"
                                  "return c.filter(x => x.offsetTop === c[0].offsetTop).length }")  # fmt: skip
    for key, now in (("End", 11), ("Home", 0), ("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowUp", 1)):
        shown.page.keyboard.press(key)
        expect(shown.cells.nth(now)).to_be_focused()
        expect(shown.cells.nth(now)).to_have_attribute("aria-selected", "true")
    outline = shown.cells.nth(1).evaluate("c => getComputedStyle(c).outlineWidth")
    assert outline == "3px", "the focus is seen"
    shown.page.keyboard.press("k")
    expect(shown.cells.nth(1)).to_have_attribute("aria-label", "picture 2, zero, kept")
    shown.page.keyboard.press("2")
    for key in ("ArrowRight", "ArrowRight"):
        shown.page.keyboard.press(key)
    assert shown.settled().grey() == (66, 100)
    shown.at("share").focus()
    shown.page.keyboard.press("End")
    assert shown.grey() == (62, 100), "all of the second"
    shown.page.keyboard.press("Control+z")
    assert shown.grey() == (66, 100)
    shown.press("walk")
    assert shown.saved("gif") == ("stand-in-walk.gif", b"GIF89a" + bytes(24))
    shown.at("play").click()
    assert shown.at("play").inner_text() in ("Play", "Stop")
    shown.at("restyle").click()
    assert shown.grey() == (66, 101)
    shown.press("fresh")
    assert shown.tile(1) == (62, 100) and shown.tile(0) == (84, 100), "kept, and new"


def test_a_text_is_shared_and_another_is_refused(shown):
    text = shown.at("text")
    mine = text.input_value()
    assert '"model": "stand-in"' in mine
    before = shown.pixels()
    text.fill('{"model": "other"}')
    shown.press("use")
    expect(shown.error).to_contain_text("made by the model 'other'")
    assert text.input_value() == '{"model": "other"}' and (shown.pixels() == before).all()
    text.fill('{"model": "stand-in", "picture": [45, 2, {"weight": -1}]}')
    shown.press("use")
    expect(shown.error).to_have_text("")
    assert shown.grey() == (110, 120) and '"weight": -1' in text.input_value()
    shown.press("undo")
    assert (shown.pixels() == before).all() and text.input_value() == mine


def test_taste_is_asked_and_learns(shown):
    shown.press("tab-taste")
    expect(shown.at("belief")).to_have_text("Nothing is known yet: pick one.")
    pick = shown.at("pick")
    assert pick.count() == 2
    liked = shown.grey(pick.nth(1).locator("canvas"))
    pick.nth(1).focus()
    shown.page.keyboard.press("Enter")
    expect(shown.at("belief")).to_contain_text("After 1 picks")
    assert shown.grey(shown.at("near-cell").first.locator("canvas")) == liked
    expect(shown.at("bars")).to_contain_text("0.80 (0.20 to 1.40)")
    expect(shown.at("diversity")).to_have_text("0.55")
    shown.at("variety").fill("1")
    expect(shown.at("diversity")).to_have_text("1.10")
    shown.press("size-4")
    assert pick.count() == 4
    shown.press("reset")
    expect(shown.at("belief")).to_have_text("Nothing is known yet: pick one.")
    expect(shown.at("bars")).to_be_hidden()


def test_a_pad_comes_with_its_pane_and_goes_with_it(shown):
    shown.at("tab-taste").focus()
    shown.page.keyboard.press("ArrowRight")
    expect(shown.at("tab-draw")).to_be_focused()
    expect(shown.at("tab-draw")).to_have_attribute("aria-selected", "true")
    pad = shown.page.locator(".ganedu-sketch")
    expect(pad).to_be_visible(timeout=20_000)
    expect(shown.at("draw")).to_contain_text("Draw, or paint")
    shown.press("tab-make")
    expect(pad).to_be_hidden()


def test_ones_own_pictures_are_looked_at_trained_on_and_stopped(shown):
    shown.press("tab-own")
    shown.at("folder").fill("empty")
    shown.press("look")
    expect(shown.at("trouble")).to_contain_text("no pictures in empty")
    expect(shown.at("start")).to_be_hidden()
    shown.at("folder").fill("slow")
    shown.at("folder").press("Enter")
    expect(shown.at("busy")).to_have_text("Looking at the folder ...")
    expect(shown.at("looked")).to_contain_text("412 pictures read")
    shown.at("minutes").select_option("1 minute")
    shown.press("start")
    expect(shown.at("advice")).to_contain_text("Go on: distance")
    step = shown.at("far").inner_text()
    expect(shown.at("far")).not_to_have_text(step)  # it goes on by itself
    assert shown.at("samples").locator("canvas").count() == 16
    expect(shown.at("curve")).to_be_visible()
    shown.press("stop")
    expect(shown.at("resume")).to_be_visible()
    shown.press("doctor")
    expect(shown.at("word")).to_have_text("healthy")
    shown.press("open")
    expect(shown.at("desk")).to_have_text("Back to stand-in")
    shown.press("desk")
    expect(shown.at("caption")).to_be_visible()


def test_nothing_is_wider_than_a_narrow_page_and_dark_is_dark(shown):
    shown.page.get_by_text("Settings", exact=True).first.wait_for()
    for tab in ("make", "taste", "own"):
        shown.press(f"tab-{tab}")
        shown.root.evaluate("r => (r.parentElement.style.width = '330px')")
        wide = shown.root.evaluate("r => [r.scrollWidth, r.clientWidth]")
        assert wide[0] <= wide[1], (tab, wide)
    shown.root.evaluate("r => (r.parentElement.style.width = '')")
    shown.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    expect(shown.root).to_have_class("ganedu-studio dark")
    shown.page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    expect(shown.root).to_have_class("ganedu-studio")


# --------------------------------------------------------------------------------------------------------- under Voilà


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser):
    pytest.importorskip("voila", reason="Voilà is not installed: pip install 'ganedu[studio]'")
    root = str(Path(__file__).parents[2])
    with lab.voila(tmp_path_factory.mktemp("served"), "-m", "ganedu", "studio", PYTHONPATH=root) as address:
        yield address


def test_served_it_shows_makes_and_saves_pictures_and_two_pages_do_not_meet(address, browser):
    from ganedu.topics.studio import card

    with lab.page(browser, 1280, 900) as one, lab.page(browser, 360, 800) as other:
        errors = []
        one.on("pageerror", lambda e: errors.append(str(e)))
        one.emulate_media(color_scheme="dark")
        one.goto(address, timeout=120_000)
        first = Page(one)
        other.goto(address, timeout=120_000)
        second = Page(other)
        assert first.cells.count() == 12 == second.cells.count() and not one.get_by_text("from ganedu").count()
        before = first.pixels()
        assert before.shape == (784,) and np.ptp(before) > 200, "a digit"
        assert (second.pixels() == before).all(), "equal seeds"
        dial = first.dials.first
        dial.focus()
        one.keyboard.press("End")
        assert (first.pixels() != before).any() and (second.pixels() == before).all()
        name, data = first.saved("png")
        assert name == "digits.png"
        found = card(data)
        assert found["model"] == "digits" and found["generated"] is True and len(found["date"]) == 10
        assert (np.asarray(Image.open(io.BytesIO(data))).flatten() == first.pixels()).all()
        text = first.at("text").input_value()
        second.at("text").fill(text)
        second.press("use")
        assert (second.pixels() == first.pixels()).all(), "the text carries the picture over"
        assert first.root.evaluate("r => r.classList.contains('dark')")
        shade = one.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
        assert max(shade) < 60, "the page around it is dark as well"
        assert not second.root.evaluate("r => r.classList.contains('dark')")
        for tab in ("make", "taste", "draw", "own"):
            second.press(f"tab-{tab}")
            assert fits(other), tab
        second.press("tab-taste")
        second.at("pick").first.click()
        expect(second.at("sure")).to_be_visible()
        assert second.at("near-cell").count() == 12 and 0 < float(second.at("diversity").inner_text()) < 3
        assert not errors, errors


def test_only_this_machine_is_answered(address, browser):
    import urllib.error
    import urllib.request

    strange = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(strange, timeout=60)
    assert e.value.code == 403

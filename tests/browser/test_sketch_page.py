"""The pad in JupyterLab in a real browser: mouse and keys draw, and the answer beside it is that of the drawing."""

import lab
import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
# The answer is the drawing itself, and on an image the image where there is no ink: the page shows both.
INK = """import time
import torch
from ganedu.widgets import sketch

asked = []

def answer(ink, shade, pause):
    time.sleep(pause)
    asked.append(ink)
    return 2 * shade * ink - 1 if shade else ink / 0

square = torch.zeros(1, 28, 28)
square[:, 8:20, 8:20] = 1
pad = sketch(answer, examples={"square": square, "pale": square / 2}, shade=(0.0, 1.0, 0.5, 1.0), pause=(0.0, 0.4),
             says=lambda made, ink, shade, pause: f"ink {255 * ink.sum():.0f}, asked {len(asked)} times");"""
MASK = """photos = (torch.arange(2 * 3 * 32 * 32).view(2, 3, 32, 32) % 251).to(torch.uint8)
sketch(lambda ink, image: torch.stack([image * (1 - ink)] * 4), 32, over={"one": photos[0], "two": photos[1]},
       thickness=6, says=lambda made, ink, image: f"{(ink > 0).sum()} pixels");"""
# The first channel of each of the image's pixels, read in its middle.
PIXELS = """(canvas, [cells, side]) => {
  const ctx = canvas.getContext("2d"), unit = side / cells, found = [];
  for (let j = 0; j < cells; j++) for (let i = 0; i < cells; i++) {
    found.push(ctx.getImageData(Math.floor((i + 0.5) * unit), Math.floor((j + 0.5) * unit), 1, 1).data[0]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory, server, browser):
    folder = tmp_path_factory.mktemp("pad")
    with lab.notebook_page(server, browser, folder, INK, MASK) as page:
        yield page


class Pad:
    """One of the page's pads, and what is shown on it."""

    def __init__(self, page, k, size):
        self.page, self.size = page, size
        self.root = page.locator(".ganedu-sketch").nth(k)
        self.pad, self.answer, self.words, self.nothing = map(self.at, ("pad", "answer", "words", "nothing"))
        self.sliders = lab.widgets(page, ".ganedu-sketch").nth(k).locator(".noUi-handle")
        self.pad.scroll_into_view_if_needed()

    def at(self, name):
        return self.root.get_by_test_id(name)

    def press(self, name):
        """A tool, also one that says that there is nothing for it to do."""
        self.at(name).click(force=True)

    def place(self, x, y):
        """The page's pixels of a place on the pad, in the pad's pixels."""
        box = self.pad.bounding_box()
        return box["x"] + x * box["width"] / self.size, box["y"] + y * box["width"] / self.size

    def stroke(self, *places, steps=8):
        self.page.mouse.move(*self.place(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.place(*place), steps=steps)
        self.page.mouse.up()

    def seen(self, canvas=None):
        """Drawing, or answer, (size, size), once the kernel has answered all and the tool is away."""
        self.page.mouse.move(5, 5)
        self.page.wait_for_function("r => r.dataset.sent === r.dataset.reply", arg=self.root.element_handle())
        self.page.wait_for_timeout(100)
        width = self.pad.evaluate("canvas => canvas.width")
        found = (canvas or self.pad).evaluate(PIXELS, [self.size, width])
        return np.array(found).reshape(self.size, self.size)


def test_what_is_drawn_is_answered_at_once(page):
    pad = Pad(page, 0, 28)
    sync_api.expect(pad.nothing).to_have_text("Draw something, or take one of the examples.")
    sync_api.expect(pad.words).to_have_text("")
    whole, box = pad.root.bounding_box(), pad.pad.bounding_box()
    assert box["width"] == box["height"] == 392, "each of its pixels is 14 of the page's"

    pad.stroke((4, 5), (24, 21), (6, 24), steps=3)
    first = pad.seen()
    assert (pad.seen(pad.answer) == first).all() and pad.nothing.is_hidden()
    sync_api.expect(pad.words).to_contain_text(f"ink {first.sum()}, asked")
    assert first[:4].max() == 0 and first.max() == 255
    assert (first[5:20, :].max(1) > 120).all(), "no gap between the pointer's few places"
    assert len(np.unique(first)) > 10, "soft edges"
    assert pad.root.bounding_box() == whole, "the page was laid out anew"

    pad.at("eraser").click()
    pad.stroke((14, 0), (14, 28))
    erased = pad.seen()
    gone = np.abs(np.arange(28) + 0.5 - 14) < 1.5
    assert (erased[:, gone] == 0).all() and (erased[:, ~gone] <= first[:, ~gone]).all()
    assert (erased[:, :11] == first[:, :11]).all() and (pad.seen(pad.answer) == erased).all()

    pad.pad.press("Control+z")
    assert (pad.seen() == first).all()
    pad.at("clear").click()
    assert pad.seen().max() == 0 and pad.nothing.is_visible()
    sync_api.expect(pad.words).to_have_text("")
    pad.at("undo").click()
    assert (pad.seen() == first).all() and (pad.seen(pad.answer) == first).all()
    pad.at("undo").click()
    assert pad.seen().max() == 0
    pad.press("undo")
    assert pad.seen().max() == 0, "there was nothing before"


def test_an_example_a_slider_and_a_mistake(page):
    pad = Pad(page, 0, 28)
    pad.press("clear")
    pad.at("example").nth(1).click()
    shown = pad.seen()
    assert set(np.unique(shown)) == {0, 128} and (shown[8:20, 8:20] == 128).all()
    pad.sliders.nth(0).press("ArrowLeft")
    sync_api.expect(pad.words).to_contain_text("asked")
    page.wait_for_timeout(500)
    assert abs(pad.seen(pad.answer) - shown / 2).max() <= 1 and (pad.seen() == shown).all()
    pad.sliders.nth(0).press("ArrowLeft")
    sync_api.expect(pad.words).to_contain_text(
        "WrongAnswer: what answer gave must be (N, C, H, W), 1 or more, float in [-1, 1]"
    )
    pad.sliders.nth(0).press("End")
    sync_api.expect(pad.words).to_contain_text("ink")
    assert (pad.seen(pad.answer) == shown).all()
    pad.at("undo").click()
    assert pad.seen().max() == 0


def test_keys_draw_and_erase(page):
    pad = Pad(page, 0, 28)
    pad.press("clear")
    pad.pad.focus()
    hint = pad.at("hint")
    for key in ("ArrowLeft", "Shift+ArrowUp", " "):
        page.keyboard.press(key)
    sync_api.expect(hint).to_contain_text("The pen is down")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")  # takes the cursor away
    shown = pad.seen()
    around = np.array([[0, 64, 0], [64, 255, 64], [0, 64, 0]])  # 255 (0.75 + 0.5 - distance), at most 255
    assert abs(shown[9:12, 12:15] - around).max() <= 1 and shown.sum() == shown[9:12, 12:15].sum()

    pad.pad.focus()
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    page.evaluate("document.activeElement.blur()")
    line = pad.seen()
    assert (line[14, 14:20] == 255).all() and line[14, 21] == 0 and (line[15, 14:20] == 64).all()

    pad.pad.focus()
    page.keyboard.press("e")
    sync_api.expect(hint).to_contain_text("The eraser is down")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    assert (pad.seen()[14, 14:19] == 0).all() and pad.seen()[10, 13] == 255
    pad.pad.press("Control+z")
    page.evaluate("document.activeElement.blur()")
    assert (pad.seen() == line).all() and (pad.seen(pad.answer) == line).all()


FINGER = """(canvas, places) => places.forEach(([x, y], k) => {
  const kind = ["pointerdown", "pointermove", "pointerup"][k];
  const how = { pointerType: "touch", isPrimary: true, bubbles: true, cancelable: true, clientX: x, clientY: y };
  canvas.dispatchEvent(new PointerEvent(kind, how));
})"""


def test_a_finger_draws(page):
    pad = Pad(page, 0, 28)
    pad.press("clear")
    pad.press("pen")
    pad.pad.evaluate(FINGER, [pad.place(4.5, 10.5), pad.place(20.5, 10.5), pad.place(20.5, 10.5)])
    drawn = pad.seen()
    assert (drawn[10, 4:20] == 255).all() and (drawn[9, 5:20] > 0).all() and drawn[10, 22:].max() == 0
    assert (pad.seen(pad.answer) == drawn).all()


def test_a_slow_kernel_gets_few_drawings_and_the_last_one(page):
    pad = Pad(page, 0, 28)
    pad.press("clear")
    pad.at("pen").click()
    pad.sliders.nth(1).press("End")
    pad.seen()
    before = int(pad.root.get_attribute("data-sent"))
    pad.stroke((3, 3), (25, 3), (25, 25), (3, 25), (3, 3), steps=20)
    drawn = pad.seen()
    sent = int(pad.root.get_attribute("data-sent")) - before
    assert (pad.seen(pad.answer) == drawn).all() and drawn.any()
    assert 2 <= sent < 40, f"{sent} drawings were sent for 80 places"
    pad.sliders.nth(1).press("Home")


def test_a_mask_on_an_image(page):
    pad = Pad(page, 1, 32)
    sync_api.expect(pad.nothing).to_have_text("Paint on the image.")
    photos = (np.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32) % 251)[:, 0]
    assert (pad.seen() == photos[0]).all()
    pad.stroke((8, 16), (24, 16))
    masked = pad.seen()
    assert abs(masked[16, 8:24] - (0.4 * photos[0, 16, 8:24] + 0.6 * 213)).max() <= 1
    assert (masked[:12] == photos[0, :12]).all() and (masked[20:] == photos[0, 20:]).all()
    sync_api.expect(pad.words).to_contain_text("pixels")
    side = pad.pad.evaluate("canvas => canvas.width")
    tile = [32, side // 2]  # of the four, in two rows
    answer = np.array(pad.answer.evaluate(PIXELS, tile)).reshape(32, 32)
    assert (answer[:12] == photos[0, :12]).all() and (answer[16, 9:23] == 128).all()  # 0 in [-1, 1]

    pad.at("image").nth(1).click()
    assert abs(pad.seen()[16, 8:24] - (0.4 * photos[1, 16, 8:24] + 0.6 * 213)).max() <= 1, "the mask stays"
    assert pad.at("image").nth(1).get_attribute("aria-pressed") == "true"
    answer = np.array(pad.answer.evaluate(PIXELS, tile)).reshape(32, 32)
    assert (answer[:12] == photos[1, :12]).all()


def test_a_page_without_its_kernel_says_so(page):
    pad = Pad(page, 0, 28)
    page.get_by_text("Kernel", exact=True).first.click()
    page.get_by_text("Shut Down Kernel", exact=True).first.click()
    page.get_by_text("No Kernel").first.wait_for()
    pad.stroke((5, 5), (20, 20))
    sync_api.expect(pad.at("quiet")).to_contain_text("No answer from the kernel for 10 seconds", timeout=15_000)


def test_on_a_phone_the_answer_is_below(page):
    pad = Pad(page, 0, 28)
    page.keyboard.press("Control+b")  # JupyterLab's own files beside the notebook
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_timeout(500)
    above, below = pad.pad.bounding_box(), pad.answer.bounding_box()
    assert below["y"] >= above["y"] + above["height"] and above["width"] % 28 == 0 < above["width"]

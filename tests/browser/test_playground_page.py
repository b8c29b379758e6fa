"""The playground in JupyterLab in a real browser: each control used once, with its effect seen in the page."""

import json
import re
import urllib.parse
from pathlib import Path

import lab
import nbformat
import pytest
from slow_line import slow_line

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
DEFAULTS = "ganedu1:eNqrrgUAAXUA-Q"  # the share text of a game whose settings are all as they come
CELLS = [
    "from ganedu.widgets import Playground\nfirst = Playground(steps=100, batch=40)\nfirst",
    "second = Playground(batch=40, seed=1)\nsecond",
    "times = globals().get('times', 0) + 1  # the first time, with all cells, does nothing\n"
    "if times > 1:\n"
    "    first.add_loss('mine', lambda r, f: (f - r).mean(), lambda f: -f.mean())\n"
    "    second.add_loss('bad', max, min)",
    "print('plays:', first.session.task is not None and not first.session.task.done())",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory, server):
    """Where a notebook with two playgrounds is open."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(c) for c in CELLS],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )
    path = folder / "source.ipynb"
    nbformat.write(notebook, path)
    with server.open(path) as address:
        yield address


@pytest.fixture(scope="module")
def page(address, browser):
    with lab.page(browser, height=1400) as page:
        page.errors = []
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        lab.run_all(page, address)
        page.locator(".ganedu-playground").nth(1).wait_for()
        yield page
        assert not page.errors, page.errors


class Hands:
    """One playground of the page, and what a learner does with it."""

    def __init__(self, page, index: int = 0):
        self.page, self.root = page, page.locator(".ganedu-playground").nth(index)

    def __getitem__(self, test_id: str):
        return self.root.get_by_test_id(test_id)

    def number(self, name: str) -> int:
        return int(self.root.get_attribute(f"data-{name}"))

    def until(self, condition, what: str, seconds: float = 10):
        for _ in range(int(seconds * 50)):
            if condition():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"not within {seconds} s: {what}")

    def pixels(self) -> str:
        self.page.wait_for_timeout(60)
        return self["picture"].evaluate("c => c.toDataURL()")

    def answered(self, act) -> None:
        """Do something that the kernel answers, and wait until the page has drawn the answer."""
        before = self.number("answer")
        act()
        self.until(lambda: self.number("answer") > before, "an answer")

    def pause(self) -> None:
        if "Pause" in self["run"].inner_text():
            self.answered(self["run"].click)

    def settings(self) -> dict:
        """What the share text says: all settings that are not as they come."""
        import base64
        import zlib

        text = self["share"].input_value().removeprefix("ganedu1:")
        return json.loads(zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


@pytest.fixture
def hands(page):
    hands = Hands(page)
    hands.pause()
    hands["share-in"].fill(DEFAULTS)
    hands["share-use"].click()
    hands.until(lambda: hands.settings() == {} and hands.number("rounds") == 0, "a fresh game, all as it comes")
    hands["picture"].scroll_into_view_if_needed()
    yield hands
    hands.pause()


def test_run_pause_step_and_start_again(hands):
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 30, "thirty rounds")
    words = hands["words"].inner_text()
    hands.until(lambda: hands["words"].inner_text() != words, "new words")
    hands.pause()
    hands.page.wait_for_timeout(300)
    rounds = hands.number("rounds")
    hands.page.wait_for_timeout(300)
    assert hands.number("rounds") == rounds and re.match(r"Step [\d,]+: \d of 8 modes", hands["words"].inner_text())
    hands.answered(hands["round"].click)
    assert hands.number("rounds") == rounds + 1 and f"{rounds + 1:,}" in hands["step"].inner_text()
    before = hands.pixels()
    hands.answered(hands["turn-d"].click)
    assert hands.number("rounds") == rounds + 1 and hands.pixels() != before, "D's turn changes the shade"
    before = hands.pixels()
    hands.answered(hands["turn-g"].click)
    assert hands.pixels() != before, "G's turn moves the fakes"
    hands.answered(hands["deal"].click)
    assert hands.number("rounds") == 0


CHANGES = {
    "data": "grid", "batch": 60, "seed": 3, "noise": "uniform", "z_dim": 1, "depth_G": 3, "width_G": 20,
    "optimiser_G": "SGD", "lr_G": None, "steps_G": 2, "depth_D": 1, "width_D": 30, "optimiser_D": "SGD", "lr_D": None,
    "steps_D": 3, "spectral_norm": "on", "loss": "hinge", "penalty": "R1", "gamma": None, "worlds": 12,
}  # fmt: skip


def test_every_setting_reaches_the_game(hands):
    for name, value in CHANGES.items():
        control = hands[f"set-{name}"]
        kind = control.evaluate("e => e.tagName + e.type")
        before = hands.settings().get(name)
        if kind.startswith("SELECT"):
            hands.answered(lambda c=control, v=value: c.select_option(label=str(v)))
        elif value is None:  # a rate: by keyboard, as far as it goes
            hands.answered(lambda c=control: (c.focus(), c.press("End")))
        else:
            hands.answered(lambda c=control, v=value: c.fill(str(v)))
        hands.until(lambda n=name, b=before: hands.settings().get(n) != b, f"{name} in the share text")
        if value is not None:
            assert hands.settings()[name] == value, name
        assert hands["message"].inner_text().strip() == "", hands["message"].inner_text()
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 3, "it plays with all of them")
    hands.pause()
    sync_api.expect(hands["world-strip"]).to_be_visible()
    assert "worlds" in hands["words"].inner_text()


def test_every_layer_is_seen_and_goes(hands):
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 40, "forty rounds")
    hands.pause()
    everything_is_seen_and_goes(hands)
    hands["deal"].click()  # fakes and real samples apart: D* still has something to show
    hands.until(lambda: hands.number("rounds") == 0, "new players")
    everything_is_seen_and_goes(hands)


def everything_is_seen_and_goes(hands):
    for name in ("real", "fakes", "heat", "best", "grid", "arrows"):
        box, before = hands[f"layer-{name}"], hands.pixels()
        box.click()
        hands.until(lambda b=before: hands.pixels() != b, f"{name} changes the picture")
        changed = hands.pixels()
        box.click()
        hands.until(lambda c=changed: hands.pixels() != c, f"{name} changes the picture again")
    hands["layer-grid"].check()
    hands.page.wait_for_timeout(300)
    before = hands.pixels()
    hands["morph"].fill("0.3")
    assert hands.pixels() != before
    hands["morph"].fill("1")
    hands["layer-grid"].uncheck()


def test_pointing_tells_coordinates_score_and_pull(hands):
    box = hands["picture"].bounding_box()
    hands.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hands.until(lambda: re.search(r"0\.0", hands["hover"].inner_text()), "the middle's coordinates")
    before = hands["hover"].inner_text()
    hands.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    hands.until(lambda: hands["hover"].inner_text() != before, "another text elsewhere")


def test_drawing_with_the_mouse_and_with_the_keyboard(hands):
    hands["draw"].click()
    box = hands["picture"].bounding_box()
    hands.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    hands.page.mouse.down()
    hands.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=12)
    hands.page.mouse.up()
    hands.answered(hands["draw-use"].click)
    points = hands.settings()["drawing"]
    assert len(points) > 10 and all(abs(y) < 0.1 for _, y in points) and max(x for x, _ in points) > 1
    hands["draw"].click()
    hands["draw-clear"].click()
    hands["picture"].focus()
    for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
        hands.page.keyboard.press(key)
    hands.answered(hands["draw-use"].click)
    hands.until(lambda: len(hands.settings()["drawing"]) == 2, "two points by keyboard")


def test_drawing_by_touch(hands):
    hands["draw"].click()
    hands["draw-clear"].click()
    hands["picture"].evaluate("""c => {
        const r = c.getBoundingClientRect();
        const at = (type, t) => c.dispatchEvent(new PointerEvent(type, {pointerId: 7, pointerType: "touch",
          bubbles: true, isPrimary: true, buttons: 1, clientX: r.left + t * r.width, clientY: r.top + 0.3 * r.height}));
        at("pointerdown", 0.2);
        for (let t = 0.2; t < 0.8; t += 0.05) at("pointermove", t);
        at("pointerup", 0.8);
    }""")
    assert hands["picture"].evaluate("c => getComputedStyle(c).touchAction") == "none"
    hands.answered(hands["draw-use"].click)
    hands.until(lambda: len(hands.settings().get("drawing", [])) > 10, "a drawing by touch")


def test_the_learners_loss_joins_the_menu_of_the_running_widget(hands):
    """The notebook's third cell runs while the game does; a mistake shows in the widget."""
    other = Hands(hands.page, 1)
    assert "mine" not in hands["set-loss"].inner_text()
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 10, "it runs")
    hands.page.locator(".jp-CodeCell").nth(2).locator(".cm-content").click()
    hands.page.keyboard.press("Control+Enter")
    hands.until(lambda: hands["set-loss"].input_value() == "mine", "the new loss is chosen")
    other.until(lambda: "d_loss" in other["message"].inner_text(), "the mistake is named")
    rounds = hands.number("rounds")
    hands.until(lambda: hands.number("rounds") > rounds + 10, "it plays on, with the new loss")


def test_keyboard_alone(hands):
    hands["run"].focus()
    hands.page.keyboard.press("Enter")
    hands.until(lambda: hands.number("rounds") > 5, "Enter runs it")
    hands["picture"].focus()
    hands.page.keyboard.press("Space")
    hands.until(lambda: "Run" in hands["run"].inner_text(), "Space on the picture pauses it")
    unnamed = hands.root.evaluate("""root => [...root.querySelectorAll("button, input, select")].filter(e =>
        !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.innerText.trim()).map(e => e.outerHTML)
    """)
    assert not unnamed, unnamed


def test_slow_motion_says_each_part(hands):
    hands.answered(hands["slow"].click)
    seen = set()
    for _ in range(14):
        seen.add(hands["phase"].inner_text())
        hands.answered(hands["forward"].click)
        hands.page.wait_for_timeout(100)
    assert len(seen) >= 12 and any("arrows" in text for text in seen) and hands.number("rounds") >= 1
    hands.answered(hands["slow"].click)


def test_rewind_and_go_on(hands):
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 120, "a film")
    hands.pause()
    end = hands.pixels()
    hands.answered(lambda: (hands["film"].focus(), hands.page.keyboard.press("Home")))
    assert hands.number("rounds") == 0 and hands.pixels() != end
    hands.answered(hands["round"].click)
    assert hands.number("rounds") == 1


def test_predictions_are_scored(hands):
    hands["predict-number"].fill("3")
    hands["predict-modes"].click()
    hands.until(lambda: "3 of 8" in hands["history"].inner_text(), "a score", 30)
    hands["predict-drag"].click()
    box = hands["picture"].bounding_box()
    hands.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hands.page.mouse.down()
    hands.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=8)
    hands.page.mouse.up()
    hands.until(lambda: " off" in hands["history"].inner_text(), "a second score", 30)


def test_share_text_files_and_pictures(hands, tmp_path):
    hands.answered(lambda: hands["set-seed"].fill("42"))
    hands.until(lambda: hands.settings().get("seed") == 42, "the seed")
    text = hands["share"].input_value()
    other = Hands(hands.page, 1)
    other["share-in"].fill(text)
    other["share-use"].click()
    other.until(lambda: other["share"].input_value() == text, "the same start in the other playground")
    other["share-in"].fill("ganedu1:broken")
    other["share-use"].click()
    other.until(lambda: "no share text" in other["message"].inner_text(), "what is wrong with the text")
    hands.answered(hands["round"].click)
    for what, head in (("png", b"\x89PNG"), ("gif", b"GIF8"), ("save", None)):
        with hands.page.expect_download() as got:
            hands[what].click()
        data = Path(got.value.path()).read_bytes()
        assert head is None or data.startswith(head)
    saved = tmp_path / "game.safetensors"
    saved.write_bytes(data)
    hands.answered(hands["deal"].click)
    hands["load"].set_input_files(saved)
    hands.until(lambda: hands.number("rounds") == 1, "the saved game is back")


def test_prepared_models_are_there_at_once(hands):
    name = hands["prepared"].evaluate("e => e.options[1].text")
    hands["prepared"].select_option(label=name)
    hands.until(lambda: hands.number("rounds") > 1000, "a trained game")
    assert hands["message"].inner_text().strip() == ""


def test_dark_and_narrow(hands):
    page = hands.page
    dark = """c => {
        const x = c.getContext("2d"), red = (at) => x.getImageData(at, 3, 1, 1).data[0];
        return red(3) + red(c.width / 2);
    }"""
    hands["layer-heat"].uncheck()
    page.wait_for_timeout(300)
    assert hands["picture"].evaluate(dark) > 400
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.evaluate("document.body.style.setProperty('--jp-layout-color0', '#111')")
    hands.until(lambda: hands["picture"].evaluate(dark) < 120, "a dark picture")
    page.evaluate(
        "document.body.dataset.jpThemeLight = 'true'; document.body.style.removeProperty('--jp-layout-color0')"
    )
    hands["layer-heat"].check()
    before = hands["picture"].bounding_box()["width"]
    hands.root.evaluate("e => { e.style.width = '360px' }")
    page.wait_for_timeout(300)
    wide = hands.root.evaluate("""e => [e.scrollWidth, ...[...e.querySelectorAll("button, input, canvas, select")].map(
        c => c.getBoundingClientRect().right - e.getBoundingClientRect().left)]""")
    assert max(wide) <= 361, f"something is {max(wide):.0f} pixels wide"
    assert hands["picture"].bounding_box()["width"] < before
    hands.root.evaluate("e => { e.style.width = '' }")


def test_two_on_a_page_do_not_disturb_each_other(hands):
    other = Hands(hands.page, 1)
    other.pause()
    rounds = other.number("rounds")
    hands["run"].click()
    hands.until(lambda: hands.number("rounds") > 20, "the first runs")
    assert other.number("rounds") == rounds
    other["run"].click()
    other.until(lambda: other.number("rounds") > rounds + 5, "the second runs beside it")
    hands.pause()
    now = other.number("rounds")
    other.until(lambda: other.number("rounds") > now, "and goes on alone")
    other.pause()


def test_a_closed_cell_leaves_no_task(address, page):
    with page.context.browser.new_page(viewport={"width": 1400, "height": 1200}) as page:
        lab.run_all(page, address)

        def plays() -> str:
            page.locator(".jp-CodeCell").nth(3).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(500)
            return page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output").inner_text().strip()

        hands = Hands(page)
        hands["run"].click()
        hands.until(lambda: plays() == "plays: True", "it plays")
        page.locator(".jp-CodeCell").nth(0).locator(".cm-content").click()
        page.get_by_text("Edit", exact=True).first.click()
        page.get_by_text("Clear Cell Output", exact=True).first.click()
        hands.until(lambda: plays() == "plays: False", "its cell is empty, and it has ended", seconds=30)


def test_over_a_slow_line(address, page):
    """5 Mbit/s, 150 ms each way: it draws, answers, and no queue of frames builds up."""
    url, browser = urllib.parse.urlparse(address), page.context.browser
    with slow_line(url.port) as port, browser.new_page(viewport={"width": 1400, "height": 1200}) as page:
        lab.run_all(page, address.replace(f":{url.port}", f":{port}"))
        page.locator(".ganedu-playground").first.wait_for(timeout=60_000)
        hands = Hands(page)
        hands["run"].click()
        hands.until(lambda: hands.number("rounds") > 150, "it runs", 30)
        frames = hands.number("frames")
        page.wait_for_timeout(4000)
        assert hands.number("frames") - frames >= 8, "two redraws a second even on a busy machine"
        hands.pause()
        page.wait_for_timeout(1500)
        frames = hands.number("frames")
        page.wait_for_timeout(1000)
        assert hands.number("frames") - frames <= 1, "frames of the past still arrive"


def test_a_restarted_kernel_leaves_no_dead_widget(address, page):
    with page.context.browser.new_page(viewport={"width": 1400, "height": 1200}) as page:
        lab.run_all(page, address)
        hands = Hands(page)
        hands["run"].click()
        hands.until(lambda: hands.number("rounds") > 20, "it runs")
        page.get_by_text("Kernel", exact=True).first.click()
        page.get_by_text("Restart Kernel…", exact=True).first.click()
        page.locator(".jp-Dialog button.jp-mod-accept").click()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        lab.run_all(page, address)
        hands = Hands(page)
        hands["run"].click()
        hands.until(lambda: hands.number("rounds") > 20, "it runs again")

"""The slides of every path in a real browser: nothing is fetched, no text leaves its slide, keys turn the pages."""

from pathlib import Path

import lab
import nbformat
import pytest

from ganedu.course import notebooks, path, slides

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob(notebooks.PATTERN))
# of each slide: by how much its content is longer or wider than it, and the smallest text in it, in pixels
MEASURE = """() => [...document.querySelectorAll("main")].map((main) => {
  const texts = [...main.querySelectorAll("p, li, td, pre")].map((e) => parseFloat(getComputedStyle(e).fontSize));
  return [main.scrollHeight - main.clientHeight, main.scrollWidth - main.clientWidth, Math.min(99, ...texts)];
})"""


@pytest.fixture
def open_page(browser, tmp_path):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    asked = []

    def open_it(text):
        (tmp_path / "slides.html").write_text(text, encoding="utf-8")
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto((tmp_path / "slides.html").as_uri())
        return page

    yield open_it
    context.close()
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "slides.html").as_uri()]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_text_leaves_its_slide(notebook, open_page):
    page = open_page(slides.page(nbformat.read(notebook, as_version=4)))
    for number, (longer, wider, smallest) in enumerate(page.evaluate(MEASURE), 1):
        assert longer <= 1 and wider <= 1, f"slide {number}"
        assert smallest >= 14, f"slide {number} has text of {smallest} pixels"


def test_what_is_too_long_is_cut_and_keys_turn_the_pages(open_page):
    long = "\n\n".join(f"Paragraph {i}: " + "word " * 60 for i in range(7))
    cells = [nbformat.v4.new_markdown_cell("# 01 A"), nbformat.v4.new_markdown_cell(f"## 1 Long ●\n\n{long}"),
             nbformat.v4.new_markdown_cell("word " * 450), nbformat.v4.new_code_cell("x = 1")]  # fmt: skip
    page = open_page(slides.page(path.marked(nbformat.v4.new_notebook(cells=cells))))
    measured = page.evaluate(MEASURE)
    assert len(measured) > 4 and all(longer <= 1 and wider <= 1 for longer, wider, _ in measured)
    text = " ".join(page.locator("main").all_inner_texts())
    assert [text.count(f"Paragraph {i}:") for i in range(7)] == [1] * 7, "nothing is lost, and nothing said twice"
    assert page.locator("details").count() == 1

    def place():
        return page.evaluate("Math.round(scrollY / innerHeight)")

    for key, now in {"ArrowRight": 1, " ": 2, "PageDown": 3, "ArrowLeft": 2, "ArrowUp": 1, "PageUp": 0}.items():
        page.keyboard.press(key)
        assert place() == now, key
    for key, now in (("ArrowUp", 0), ("ArrowDown", len(measured) - 1)):  # no farther than the ends
        for _ in range(20):
            page.keyboard.press(key)
        assert place() == now
    code = page.locator("details .highlight")
    sync_api.expect(code).not_to_be_visible()
    page.locator("summary").click()
    sync_api.expect(code).to_be_visible()

"""The phase plane in JupyterLab in a real browser: the start dragged and moved by keys, and a slider moved."""

import lab
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
CELL = """import torch
from ganedu.widgets import plane

def field(points, step):
    push = torch.sigmoid(points.prod(-1, keepdim=True))
    return push * points.flip(-1) * torch.tensor([1.0, -1.0])

def path(start, step):
    places = [start]
    for _ in range(100):
        places.append(places[-1] + step * field(places[-1], step))
    return torch.stack(places)

plane(field, path, says=lambda path, step: f"from {path[0].tolist()} with steps of {step}", step=(0.1, 0.5, 0.1));"""


def test_the_start_follows_hand_and_keys_and_the_path_follows_it(tmp_path, server, browser):
    with lab.notebook_page(server, browser, tmp_path, CELL) as page:
        plane = page.locator(".ganedu-plane")
        canvas, words, hint = (plane.get_by_test_id(name) for name in ("plane", "words", "hint"))
        sync_api.expect(words).to_have_text("from [1.0, 1.0] with steps of 0.1")
        canvas.scroll_into_view_if_needed()
        box, seen = canvas.bounding_box(), [canvas.screenshot()]
        assert box["width"] == pytest.approx(box["height"], abs=1) and box["width"] <= 520

        middle = box["x"] + 46 + (box["width"] - 60) / 2, box["y"] + 14 + (box["width"] - 60) / 2
        page.mouse.move(middle[0] + 100, middle[1] - 100)
        page.mouse.down()
        page.mouse.move(*middle, steps=10)
        sync_api.expect(hint).to_contain_text("(0.00, 0.00)")
        page.mouse.move(box["x"] + 2000, middle[1], steps=10)  # far out: the start stays in the picture
        page.mouse.up()
        sync_api.expect(hint).to_contain_text("Start (2.00, 0.00)")
        sync_api.expect(words).to_contain_text("from [2.0, ")
        seen.append(canvas.screenshot())

        answer = int(plane.get_attribute("data-answer"))
        page.mouse.move(*middle)  # let go: nothing follows the mouse
        for key in ("ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
        sync_api.expect(hint).to_contain_text("Start (1.76, 0.16)")
        sync_api.expect(words).to_contain_text("from [1.7")
        assert int(plane.get_attribute("data-answer")) > answer
        seen.append(canvas.screenshot())

        page.locator(".jp-OutputArea-output .noUi-handle").press("End")
        sync_api.expect(words).to_contain_text("with steps of 0.5")
        sync_api.expect(hint).to_contain_text("Start (1.76, 0.16)")
        seen.append(canvas.screenshot())
        assert len(set(seen)) == 4, "text changed, but the picture stayed"

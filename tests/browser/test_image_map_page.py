"""The map of images in JupyterLab in a real browser: mouse, keys, another map, a class brought to the front."""

import lab
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
# Six images, each of one grey, in two rows; the other map is turned by 180 degrees.
CELL = """import torch
from ganedu.widgets import image_map

greys = torch.tensor([0, 50, 100, 150, 200, 250], dtype=torch.uint8)
x = greys[:, None, None, None].expand(6, 1, 8, 8)
places = torch.tensor([[0, 0], [1, 0], [2, 0], [0, 2], [1, 2], [2, 2]])
near = torch.tensor([[1, 3], [0, 2], [1, 5], [0, 4], [3, 5], [4, 2]])
image_map(x, {"pixels": places, "features": -places}, [0, 0, 1, 1, 2, 2], ("bag", "coat", "ankle boot"),
          neighbours={"pixels": near, "features": 5 - near.flip(0)}, alt="Six greys.");"""
PIXEL = "canvas => canvas.getContext('2d').getImageData(3, 3, 1, 1).data[0]"


def test_a_dot_pointed_at_shows_its_image_and_its_neighbours(tmp_path, server, browser):
    with lab.notebook_page(server, browser, tmp_path, CELL, reduced_motion=True) as page:
        image_map = page.locator(".ganedu-image-map")
        canvas, words, big, tiles, choices, classes = (
            image_map.get_by_test_id(name) for name in ("map", "words", "big", "neighbour", "choice", "class")
        )
        expect = sync_api.expect
        expect(words).to_contain_text("Point at a dot")
        canvas.scroll_into_view_if_needed()
        whole = image_map.bounding_box()

        def point(u, v):
            """The mouse to a place of the map, 0 to 1 from the lower left."""
            box = canvas.bounding_box()
            page.mouse.move(box["x"] + 17 + u * (box["width"] - 34), box["y"] + 17 + (1 - v) * (box["height"] - 34))

        def shown():
            return big.evaluate(PIXEL), [t.locator("canvas").evaluate(PIXEL) for t in tiles.all()]

        point(1, 1)
        expect(words).to_have_text("ankle boot, number 5; nearest: ankle boot, coat.")
        expect(image_map.get_by_test_id("heading")).to_have_text("Nearest by pixels")
        assert shown() == (250, [200, 100])
        assert [t.evaluate("node => node.classList.contains('strange')") for t in tiles.all()] == [False, True]
        assert image_map.bounding_box() == whole, "the page was laid out anew"
        point(0.5, 0.03)
        expect(words).to_have_text("bag, number 1; nearest: bag, coat.")
        point(0.5, 0.5)  # no dot within reach: the last one stays
        page.wait_for_timeout(100)
        expect(words).to_contain_text("bag, number 1;")
        assert shown() == (50, [0, 100])

        canvas.focus()
        steps = {
            "ArrowUp": 4,
            "ArrowRight": 5,
            "ArrowDown": 2,
            "Shift+ArrowLeft": 1,
            "ArrowLeft": 0,
            "Shift+ArrowUp": 3,
        }
        for key, now in steps.items():
            page.keyboard.press(key)
            expect(words).to_contain_text(f"number {now};")
        assert shown() == (150, [0, 200])

        seen = [canvas.screenshot()]
        choices.nth(1).click()
        expect(choices.nth(1)).to_have_attribute("aria-pressed", "true")
        expect(image_map.get_by_test_id("heading")).to_have_text("Nearest by features")
        expect(words).to_have_text("coat, number 3; nearest: ankle boot, bag.")  # of 3: 5 - near[2]
        point(1, 1)
        expect(words).to_contain_text("bag, number 0;")  # upside down
        seen.append(canvas.screenshot())

        classes.nth(1).hover()  # pointed at: in front while it is
        page.wait_for_timeout(100)
        seen.append(canvas.screenshot())
        classes.nth(1).click()
        expect(classes.nth(1)).to_have_attribute("aria-pressed", "true")
        page.mouse.move(5, 5)
        page.wait_for_timeout(100)
        assert canvas.screenshot() == seen[2] != seen[1] != seen[0], "a click keeps it in front"
        classes.nth(1).click()
        page.mouse.move(5, 5)
        page.wait_for_timeout(100)
        assert canvas.screenshot() == seen[1]

        page.emulate_media(reduced_motion="no-preference")
        choices.nth(0).click()
        page.wait_for_timeout(200)
        half_way = canvas.screenshot()
        page.wait_for_timeout(800)
        assert half_way != canvas.screenshot() != seen[1], "the dots glide"

        page.get_by_text("Kernel", exact=True).first.click()
        page.get_by_text("Shut Down Kernel", exact=True).first.click()
        page.get_by_text("No Kernel").first.wait_for()
        point(0, 1)
        expect(words).to_have_text("coat, number 3; nearest: bag, ankle boot.")
        assert shown() == (150, [0, 200]), "it lives on without its kernel"

        page.set_viewport_size({"width": 400, "height": 900})
        page.wait_for_timeout(300)
        box = canvas.bounding_box()
        assert image_map.locator(".panel").bounding_box()["y"] >= box["y"] + box["height"], "below the map"

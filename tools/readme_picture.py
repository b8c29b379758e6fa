"""Make docs/course.png, the picture at the top of README: notebook 01's playground in JupyterLab, in a real browser.

    .venv/bin/python tools/readme_picture.py

Needs what the browser test needs: Playwright, and a Chromium or Chrome.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import lab  # noqa: E402

NOTEBOOK = ROOT / "notebooks" / "01_minimax_game.ipynb"
STEPS = 1500  # of the game, when the picture is taken


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        lab.serve(Path(folder)) as server,
        server.open(NOTEBOOK) as address,
        lab.launch() as browser,
        lab.page(browser, width=1280, height=800, scale=1.5) as page,
    ):
        lab.run_all(page, address)
        game = page.locator(".ganedu-playground").first
        page.keyboard.press("Control+b")  # the side bar away
        game.evaluate("e => e.scrollIntoView()")
        button = game.get_by_test_id("run")
        button.click()
        while int(game.get_attribute("data-rounds")) < STEPS:
            page.wait_for_timeout(100)
        button.click()
        page.wait_for_timeout(1000)
        picture = Image.open(io.BytesIO(page.screenshot()))
    out = ROOT / "docs" / "course.png"
    out.parent.mkdir(exist_ok=True)
    picture.convert("RGB").quantize(256).save(out, optimize=True)
    print(f"{out.relative_to(ROOT)}: {picture.width} x {picture.height}, {out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()

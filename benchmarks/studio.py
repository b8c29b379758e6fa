"""How long the studio's page takes from a slider to the picture, in a real browser, while something trains beside it.

    python benchmarks/studio.py [--moves 50] [--pixels 28 64]

`ganedu studio` is served by Voilà and opened in Chromium. A dial is set by script, as a hand would set it: its `input`
event is fired. The time runs from that event to the animation frame after the one in which the page has the kernel's
answer on its large canvas, by the page's own clock. Moves are 150 ms apart; the median and the 95th percentile of all
are printed, for a model of 28 pixels and for one of 64 (trained here for some steps: its pictures are worth nothing,
its work is that of any of its size), at rest, and with `ganedu train dcgan` on the digits in another process.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser")]
import lab  # noqa: E402

MEASURE = """async (moves) => {
  const root = document.querySelector(".ganedu-studio"), dial = root.querySelector("[data-testid=dial]");
  const frame = () => new Promise(requestAnimationFrame), times = [];
  for (let k = 0; k < moves; k++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const began = performance.now(), sent = Number(root.dataset.sent);
    dial.value = Number(dial.min) + ((dial.max - dial.min) * (k % 10 + 0.5)) / 10;
    dial.dispatchEvent(new Event("input", { bubbles: true }));
    while (Number(root.dataset.reply) <= sent) await frame();
    await frame();
    times.push(performance.now() - began);
  }
  return times;
}"""


@contextlib.contextmanager
def training(folder: Path, seconds: float):
    """`ganedu train` in another process, until the block ends."""
    command = [
        sys.executable,
        "-m",
        "ganedu",
        "train",
        "dcgan",
        "--seconds",
        str(seconds),
        "--out",
        str(folder / "beside"),
    ]
    with open(folder / "beside.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        lab.time.sleep(12)  # it has loaded torch, and trains
        assert process.poll() is None, (folder / "beside.log").read_text()
        yield
        assert process.poll() is None, "it ended before the last move"
    finally:
        process.kill()
        process.wait()


def measure(browser, address: str, moves: int) -> list[float]:
    """Milliseconds of each move, of a page that has just been opened."""
    with lab.page(browser, 1280, 900) as page:
        page.goto(address, timeout=180_000)
        page.locator(".ganedu-studio").wait_for(timeout=180_000)
        page.wait_for_timeout(3000)  # the next page's kernel has started
        page.evaluate(MEASURE, 3)
        return sorted(page.evaluate(MEASURE, moves))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--moves", type=int, default=50)
    p.add_argument("--seconds", type=float, default=120, help="time that the training beside it has, at most")
    p.add_argument("--pixels", type=int, nargs="+", default=[28, 64], choices=[28, 64])
    args = p.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as place, lab.launch() as browser:
        folder = Path(place)
        served_by = {28: ("--data", "digits"), 64: ("--run", str(folder / "large"))}
        large = f"-m ganedu train dcgan --data shapes --image-size 64 --steps 5 --out {folder / 'large'}"
        subprocess.run([sys.executable, *large.split()], check=True, capture_output=True)
        for size in args.pixels:
            (served := folder / f"served{size}").mkdir()
            with lab.voila(served, "-m", "ganedu", "studio", *served_by[size]) as address:
                for beside in (False, True):
                    with training(folder, args.seconds) if beside else contextlib.nullcontext():
                        times = measure(browser, address, args.moves)
                    what = "while a DCGAN trains" if beside else "at rest"
                    print(f"{size} pixels, {what}: median {times[len(times) // 2]:.0f} ms, "
                          f"95th percentile {times[int(0.95 * len(times))]:.0f} ms of {len(times)} moves")  # fmt: skip
                    if beside:
                        for path in (folder / "beside").glob("*"):
                            path.unlink()


if __name__ == "__main__":
    main()

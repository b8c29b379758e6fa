"""The pane of one's own pictures: look at a folder, train on it, see how far it is, stop, go on, report."""

import threading
from collections.abc import Callable

import torch

from ...pixels import as_float, check, to_uint8
from ..pictures import MISTAKES, said

SAMPLES = 16  # pictures shown of a training
NAMED = 12  # skipped files that are named
LONGEST = 1000  # characters of a folder's name


class Own:
    """What the pane shows of `logic`, which trains in a process of its own: see `topics.own_pictures`."""

    def __init__(self, logic):
        self.logic, self.folder, self.looked = logic, "", None
        self.report, self.reporting, self.wrong = "", None, ""

    @property
    def run(self):
        return self.logic.run

    def acts(self) -> dict[str, Callable]:
        return {
            "look": lambda a: self.look(a.get("folder")),
            "start": lambda a: self.start(a.get("minutes")),
            "stop": lambda a: self.logic.stop(),
            "resume": lambda a: self.logic.resume(),
            "report": lambda a: self.write_report(),
            "state": lambda a: None,  # how far it is: the answer holds it, as every answer does
        }

    def look(self, folder: str) -> None:
        self.looked, self.folder = None, ""
        if not isinstance(folder, str) or not 0 < len(folder.strip()) <= LONGEST:
            raise ValueError("Write the name of the folder that holds your pictures.")
        self.looked, self.folder = self.logic.look(folder.strip()), folder.strip()

    def start(self, minutes: float) -> None:
        if self.looked is None:
            raise ValueError("Look at a folder first: then it is known what there is to train on.")
        if minutes not in (1, 5, 15, 60):
            raise ValueError("choose 1, 5, 15 or 60 minutes.")
        self.report = ""
        self.logic.start(self.folder, seconds=60 * minutes)

    def write_report(self) -> None:
        """In a thread: to judge a run takes half a minute, and the page goes on meanwhile."""
        if self.reporting is not None and self.reporting.is_alive():
            return

        def work() -> None:
            try:
                self.report = str(self.logic.report())
            except MISTAKES as e:
                self.wrong = str(e) if isinstance(e, ValueError) else said(e)

        self.report = self.wrong = ""
        self.reporting = threading.Thread(target=work, daemon=True)
        self.reporting.start()

    def state(self) -> tuple[dict, bytes]:
        """What the page shows: words and numbers, and the samples' pixels."""
        now, looked = self.logic.state(), self.looked
        shown = {"folder": self.folder, "looked": "" if looked is None else looked.words, "skipped": [], "more": 0}
        if looked is not None:
            skipped = [[str(name), str(why)] for name, why in looked.skipped]
            shown |= {"skipped": skipped[:NAMED], "more": max(0, len(skipped) - NAMED)}
        shown |= {name: getattr(now, name) for name in ("running", "step", "seconds", "goal", "number", "advice",
                                                       "doctor", "error")}  # fmt: skip
        shown["history"] = [[float(v) for v in row if v is not None] for row in now.history]
        shown |= {"reporting": self.reporting is not None and self.reporting.is_alive(), "report": self.report}
        shown["error"] = self.wrong or shown["error"]
        pixels, shown["shape"] = _pixels(now.samples)
        return shown, pixels


def _pixels(samples) -> tuple[bytes, list[int]]:
    """uint8 (N, H, W, C) as bytes, and its shape; nothing where there are no samples yet."""
    if samples is None or not len(samples):
        return b"", []
    check(samples, ("N", (1, 3), "H", "W"), name="the samples")
    x = to_uint8(as_float(torch.as_tensor(samples[:SAMPLES]))).permute(0, 2, 3, 1).contiguous()
    return x.numpy().tobytes(), list(x.shape)

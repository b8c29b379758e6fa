"""The pane of one's own pictures: look at a folder, train on it, see how far it is, stop, go on, report."""

import threading
from collections.abc import Callable
from pathlib import Path

from ...checkpoints import CHECKPOINT
from ...inputs import brief
from ...pixels import as_float, check, to_uint8
from ..pictures import MISTAKES, said

SAMPLES = 16  # pictures shown of a training
MINUTES = (1, 5, 15, 60)
LONGEST = 1000  # characters of a folder's name
RUNS = Path("runs")  # where the page's trainings lie, each in a folder of its own


class Own:
    """What the pane shows of `logic`, which has `look`, `start` and `reopen` as `topics.own_pictures` has them.

    What takes longer than a glance runs in a thread, one thing at a time, and `busy` says which.
    """

    def __init__(self, logic):
        self.logic, self.found, self.run = logic, None, None
        self.busy, self.error, self.doctor, self.report = "", "", "", ""
        self._thread: threading.Thread | None = None

    def acts(self) -> dict[str, Callable]:
        return {
            "look": lambda a: self.look(a.get("folder")),
            "start": lambda a: self.start(a.get("minutes")),
            "again": lambda a: self.again(),
            "stop": lambda a: self._later("Stopping", self._run.stop),
            "resume": lambda a: self.resume(a.get("minutes")),
            "doctor": lambda a: self._later("The doctor looks at it", self._ask_doctor),
            "report": lambda a: self._later("Writing the report, half a minute", self._write_report),
            "state": lambda a: None,  # how far it is: the answer holds it, as every answer does
        }

    @property
    def _run(self):
        if self.run is None:
            raise ValueError("Nothing has been trained yet: look at a folder, and press Train.")
        return self.run

    @property
    def trained(self) -> Path:
        """The folder of the best checkpoint there is, or else of the last."""
        return self._run.best or self._run.out

    def look(self, folder: str) -> None:
        """Read the folder. A run on it that was left earlier can be opened again."""
        name = folder.strip().strip('"').strip() if isinstance(folder, str) else ""  # Windows copies a path with quotes
        if not 0 < len(name) <= LONGEST:
            raise ValueError(
                f"Write the name of the folder that holds your pictures, in at most {LONGEST:,} characters: "
                f"{brief(folder)} is none."
            )
        self._later("Looking at the folder", lambda: self._look(name))

    def _look(self, folder: str) -> None:
        self.found = None
        self.found = self.logic.look(folder)

    def start(self, minutes: int) -> None:
        self._check_free()
        seconds = _seconds(minutes)
        self._later("Starting", lambda: self._start(seconds))

    def again(self) -> None:
        """Open the last run that was left on these pictures."""
        self._check_free()
        if self._out(new=False) is None:
            raise ValueError("There is no earlier training on these pictures: press Train.")
        self._later("Opening the earlier training", self._reopen)

    def _check_free(self) -> None:
        if self.found is None:
            raise ValueError("Look at a folder first: then it is known what there is to train on.")
        if self.run is not None and self.run.running:
            raise ValueError("A training runs already: stop it first.")

    def _start(self, seconds: float) -> None:
        self.run, self.doctor, self.report = self.logic.start(self.found, self._out(new=True), seconds=seconds), "", ""

    def _reopen(self) -> None:
        run = self.logic.reopen(self._out(new=False), self.found.folder)  # refused where it is of other pictures
        self.run, self.doctor, self.report = run, "", ""

    def resume(self, minutes: int | None = None) -> None:
        """Go on to the run's limit; where that is reached, for so many minutes more."""
        now = self._run.state()
        limit = None if now.seconds < now.limit else now.seconds + _seconds(minutes)
        self._later("Going on", lambda: self._resume(limit))

    def _resume(self, limit: float | None) -> None:
        self._run.resume(limit)
        self.doctor, self.report = "", ""  # they were of what was there before

    def _out(self, new: bool) -> Path | None:
        """The first folder that is free for a run on these pictures, or the last one with a run; None without one."""
        name, last = Path(self.found.folder).name or "pictures", None
        for k in range(1, 1000):
            out = RUNS / (name if k == 1 else f"{name}-{k}")
            if not (out / CHECKPOINT).exists():
                return out if new else last
            last = out
        raise ValueError(f"there are a thousand runs of {name} in {RUNS}: put some away.")

    def _ask_doctor(self) -> None:
        self.doctor = self._run.doctor()

    def _write_report(self) -> None:
        self.report = str(self._run.report())

    def _later(self, what: str, work: Callable) -> None:
        """Do it in a thread; what is wrong with it is said on the page."""
        if self.busy:
            raise ValueError(f"{self.busy} ...: wait until that is done.")

        def go() -> None:
            try:
                work()
            except MISTAKES as e:
                self.error = str(e) if isinstance(e, ValueError | OSError) else said(e)
            finally:
                self.busy = ""

        self.busy, self.error = what, ""
        self._thread = threading.Thread(target=go, daemon=True)
        self._thread.start()
        self._thread.join(0.05)  # what is done at once is shown at once

    def state(self) -> tuple[dict, bytes]:
        """What the page shows: words and numbers, and the samples' pixels."""
        before = "" if self.found is None or self.busy else self._out(new=False)
        shown = {"busy": self.busy, "error": self.error, "doctor": self.doctor, "report": self.report, "begun": False,
                 "looked": "" if self.found is None else str(self.found), "before": str(before or ""),
                 "running": False, "shape": []}  # fmt: skip
        if self.run is None:
            return shown, b""
        now = self.run.state()
        shown |= {"begun": True, "running": now.running, "step": now.step, "seconds": now.seconds, "limit": now.limit,
                  "advice": now.advice, "number": _number(now), "said": "" if now.running else _last(now.said),
                  "history": _history(now.measures)}  # fmt: skip
        pixels, shown["shape"] = _pixels(now.samples)
        return shown, pixels


def _seconds(minutes: int) -> float:
    if minutes not in MINUTES:
        raise ValueError(f"{brief(minutes)} minutes do not fit: choose {', '.join(map(str, MINUTES))} minutes.")
    return 60.0 * minutes


def _history(measures) -> list[list[float]]:
    """(step, distance, and what lies two errors below and above it) of each."""
    return [[m.step, m.distance, m.distance - 2 * m.error, m.distance + 2 * m.error] for m in measures]


def _last(said: str) -> str:
    """What a command said last, in one line: of all that it wrote, what matters to one who did not call it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or [""]
    last = next((line for line in reversed(lines) if line.startswith("ganedu: ")), lines[-1])
    return last.removeprefix("ganedu: ").removesuffix(" To go on:")[:300]


def _number(now) -> str:
    if now.distance is None:
        return ""
    return (
        f"Distance to the held-out pictures: {now.distance:.3f} ± {2 * now.error:.3f}. In {now.further:.0%} of cases a "
        "made picture lies further from the training pictures than a held-out one: far below half would mean copies."
    )


def _pixels(samples) -> tuple[bytes, list[int]]:
    """uint8 (N, H, W, C) as bytes, and its shape; nothing where there are no samples yet."""
    if samples is None or not len(samples):
        return b"", []
    check(samples, ("N", (1, 3), "H", "W"), name="the samples")
    x = to_uint8(as_float(samples[:SAMPLES])).permute(0, 2, 3, 1).contiguous()
    return x.numpy().tobytes(), list(x.shape)

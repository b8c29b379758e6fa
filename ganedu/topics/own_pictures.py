"""A folder of one's own pictures: looked at, trained on in a process of its own, and told when to stop.

`look` says what was read and skipped; `start` runs `ganedu train` on it, the command that a reader could type, so that
sliders go on answering; `Run.state` reads what the command leaves in its folder, whole files only, and judges each new
checkpoint. The process ends with the one that started it, whichever way that ends, and a run goes on from its folder.

Two numbers say "stop". One is the energy distance from fakes to the held-out pictures. A tenth of 400 pictures is 40,
and of 40 notebook 08 finds a distance useless: it swings with the draw. But along one run the 40 stay the same, and
what they add to every distance cancels in a difference: `later` gives it with its error. The other is Meehan's test of
copies, `metrics.copying_u`: whether fakes lie nearer to the training pictures than the held-out ones do.
"""

import base64
import contextlib
import html
import io
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .. import metrics
from ..checkpoints import CHECKPOINT, RECORDS, write_atomic
from ..data import Images, load
from ..data.folders import suffixes
from ..inputs import brief, whole
from ..pixels import as_float
from ..runs import recipes
from ..sampling import generate, seeded

LEAST = 20  # pictures: of fewer, two or less are held out, and G can only copy
FEW = 200  # and of fewer than these, less than the 20 held out that a distance is worth something with
MOST = 10_000  # pictures that are read here, while somebody waits
N_FEATURES, N_FAKES, SHOWN = 32, 1000, 24
MEASURES, PAGE = "own_pictures.json", "own_pictures.html"  # what was measured, and the report, in the run's folder
LIMIT = "own_pictures_limit.json"  # and the seconds that it was given
EVERY = 5.0  # seconds between two measures, about: what `ganedu train` takes to the next checkpoint
UTF8 = {"PYTHONIOENCODING": "utf-8:replace"}  # what a command prints, whatever the system's own encoding


# ------------------------------------------------------------------------------------------------------ what is there


@dataclass(frozen=True, eq=False)
class Found:
    """What was read: `images` as `data.load` gives them, what was `skipped` and why, how many look-alikes there are.

    `twins` counts pictures that are equal to an earlier one, pixel for pixel, once they have the size of the run;
    `leaked` those held out that are also trained on: they would call a copy new.
    """

    folder: Path
    images: Images
    skipped: str
    twins: int
    leaked: int

    @property
    def n(self) -> int:
        """Pictures that were read."""
        return len(self.images.x) + len(self.images.x_test)

    @property
    def examples(self) -> Tensor:
        """Some of them, (n, C, S, S) in [-1, 1], spread over the folder."""
        x = self.images.x
        return as_float(x[torch.linspace(0, len(x) - 1, min(SHOWN, len(x))).round().long()])

    def __str__(self) -> str:
        x, held_out = self.images.x, len(self.images.x_test)
        kind = "colour" if self.images.channels == 3 else "grey"
        lines = [
            f"{self.n:,} pictures read, as {kind} squares of {x.shape[-1]} pixels (cut at the longer side): "
            f"{len(x):,} to train on, {held_out:,} held out"
        ]
        if self.skipped:
            lines.append(self.skipped)
        if self.twins:
            known = f", and {self.leaked} of those held out are also trained on" if self.leaked else ""
            lines.append(f"{self.twins} equal to another one{known}: keep one of each, or copies look new")
        if self.n < FEW:
            lines.append(
                f"fewer than {FEW}: {held_out} held out say too little: no number tells when to stop, and G will "
                "lean on the pictures it knows; 400 or more are better"
            )
        return ".\n".join(lines) + "."


def look(folder: str | Path, image_size: int = 32, channels: int | None = None) -> Found:
    """Read the pictures below `folder` as `ganedu train` will: turned upright, cut to a square, made small.

    channels: 1 (grey), 3 (colour), or None for what they are. Raises FileNotFoundError for no folder or one without
    pictures, ValueError for more than `MOST` (before any is opened), for fewer than `LEAST` that can be read, and for
    sizes that `data.load` does not take.
    """
    folder = _folder(folder)
    _count(folder)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        images = load(folder, image_size, channels)
    skipped = " ".join(str(w.message).removeprefix(f"{folder}: ") for w in said if str(folder) in str(w.message))
    n = len(images.x) + len(images.x_test)
    if n < LEAST:
        more = f" {skipped}" if skipped else ""
        raise ValueError(
            f"{n} picture{'s' * (n != 1)} in {folder} can be read, and from so few a GAN learns to repeat them: give "
            f"{LEAST} or more; with 400 or more it has something to go by.{more}"
        )
    rows = torch.cat([images.x, images.x_test]).flatten(1).numpy()
    seen = [row.tobytes() for row in rows]
    known = set(seen[: len(images.x)])
    leaked = sum(row in known for row in seen[len(images.x) :])
    return Found(folder, images, skipped.rstrip("."), n - len(set(seen)), leaked)


def _folder(folder: str | Path) -> Path:
    if not isinstance(folder, str | Path) or not str(folder).strip() or "\0" in str(folder):
        raise ValueError(f"folder={brief(folder)} does not fit: give the path of a folder of pictures.")
    path = Path(folder)
    with contextlib.suppress(OSError, RuntimeError):  # a user who doesn't exist, a link that leads to itself
        path = path.expanduser().resolve()
    if path.is_file():
        raise FileNotFoundError(f"{folder} is one file: give the folder that it lies in.")
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} (seen from {Path.cwd()}): check how it is spelt.")
    return path


def _count(folder: Path) -> None:
    """Raise ValueError for a folder with far too much in it, such as a whole disk, before anything is opened."""
    pictures, known = 0, suffixes()
    for places, (_, folders, names) in enumerate(os.walk(folder), 1):
        folders[:] = [f for f in folders if not f.startswith(".")]
        pictures += sum(os.path.splitext(name)[1].lower() in known for name in names)
        if pictures > MOST or places > MOST:
            what = f"{MOST:,} pictures" if pictures > MOST else f"{MOST:,} folders"
            raise ValueError(f"{folder} holds more than {what}: give the folder that holds those you mean.")


# -------------------------------------------------------------------------------------------- the number that says stop


class Eye(NamedTuple):
    """Features of pictures: `mean` (P,) and `axes` (P, F), the first principal components of the training pictures'
    P pixels, all divided by one number, so that their squares are 1 on average."""

    mean: Tensor
    axes: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(N, F) of pictures (N, C, S, S), uint8 or float in [-1, 1]."""
        return torch.cat([(as_float(part).flatten(1) - self.mean) @ self.axes for part in x.split(500)])


def eye(x: Tensor, n_features: int = N_FEATURES, seed: int = 0) -> Eye:
    """The Eye of training pictures x (N, C, S, S): nobody labels one's own pictures, so no classifier can be the judge.

    Raises ValueError for pictures that are all equal.
    """
    some = as_float(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:2000].to(x.device)])
    some = some.flatten(1)
    mean = some.mean(0)
    if bool((some == some[0]).all()):
        raise ValueError("all these pictures are equal: there is nothing to tell apart.")
    with seeded(seed):
        axes = torch.pca_lowrank(some - mean, min(n_features, *some.shape), center=False, niter=4)[2]
    return Eye(mean, axes / ((some - mean) @ axes).square().mean().sqrt())


class Measure(NamedTuple):
    """One checkpoint, measured. `distance` is the energy distance from its fakes to the held-out pictures.

    `to_each` (M,) is the mean distance from the fakes to each held-out picture, and `error` (of `distance`) comes of
    the fakes alone: with both, differences along a run have an error, see `later`. `further` is how probable it is that
    a fake lies further from the training pictures than a held-out one does, and `z` how many standard errors that is
    above 1/2: below -3, copies.
    """

    step: int
    seconds: float
    distance: float
    error: float
    to_each: list[float]
    further: float
    z: float


def measure(fake: Tensor, train: Tensor, held_out: Tensor, step: int = 0, seconds: float = 0.0) -> Measure:
    """The Measure of fakes (N, F), by training pictures (L, F) and held-out ones (M, F), features all.

    `distance` is `metrics.energy_distance`, unbiased: 0 on average for equal distributions, above it for all others, by
    chance below; in units of the features. `error`: the jackknife's over fakes. Raises ValueError for fewer than 20 of
    a kind, constant features, or values that are not finite. Source of `further`: Meehan and others 2020, section 3.
    """
    copied = metrics.copying_u(fake, train, held_out)
    f, h = fake.double(), held_out.double()
    n, m, across, own = len(f), len(h), torch.cdist(f, h), torch.cdist(f, f)
    total, of_fake = own.sum(), own.sum(1)
    # the distance with fake i left out, but for what the held-out pictures have among themselves
    without = 2 * (across.sum() - across.sum(1)) / ((n - 1) * m) - (total - 2 * of_fake) / ((n - 1) * (n - 2))
    error = ((n - 1) * without.var(correction=0)).sqrt()
    distance = metrics.energy_distance(f, h, unbiased=True)
    return Measure(step, seconds, distance, float(error), across.mean(0).cpu().tolist(), copied.auc, copied.z)


def later(before: Measure, after: Measure) -> tuple[float, float]:
    """(`after` minus `before` in distance, its standard error), of two checkpoints and the same M held-out pictures.

    In the difference 2 mean_j (c'_j - c_j) - (A' - A), c_j = `to_each` and A the fakes' mean distance among themselves,
    the held-out pictures' own part has gone: only how the c'_j - c_j vary is left of their draw. The error is
    sqrt(4 var(c'_j - c_j) / M + error^2 + error'^2); fakes of equal latents go together, so it is rather too large.
    Raises ValueError for checkpoints that were held against other numbers of pictures.
    """
    if len(before.to_each) != len(after.to_each):
        raise ValueError(f"{len(before.to_each)} and {len(after.to_each)} held-out pictures: give one run's measures.")
    moved = torch.tensor(after.to_each, dtype=torch.float64) - torch.tensor(before.to_each, dtype=torch.float64)
    error = math.sqrt(4 * float(moved.var()) / len(moved) + before.error**2 + after.error**2)
    return after.distance - before.distance, error


def as_near(measures: list[Measure], now: Measure) -> bool:
    """Whether `now` is no further off than the nearest of `measures`, give or take twice the error of the difference.

    So the newest such checkpoint is kept, not the one that chance put first: the rule of one standard error, with two.
    """
    if not measures:
        return True
    difference, error = later(min(measures, key=lambda m: m.distance), now)
    return difference <= 2 * error


def advice(measures: list[Measure], held_out: int) -> str:
    """One sentence that begins with "Go on", "Stop" or, where nothing can be said, with what is lacking.

    Stop where fakes lie nearer to the training pictures than held-out ones do (z below -3); where the last two
    checkpoints are both further off than the best by twice the error; or where half of the run has passed since the
    best, four checkpoints at least. `held_out` is how many pictures are.
    """
    if held_out < LEAST:
        return f"Only {held_out} pictures are held out: no number here says when to stop. Look at the samples."
    if len(measures) < 4:
        return "Too early to say: four checkpoints are needed."
    last, best = measures[-1], min(measures, key=lambda m: m.distance)
    if last.z < -3:
        return (f"Stop: copies. A fake lies further from the training pictures than a new picture does only in "
                f"{last.further:.0%} of cases; where nothing is copied it is half or more.")  # fmt: skip
    told = f"distance {last.distance:.3f} at step {last.step:,}, {best.distance:.3f} at step {best.step:,}"
    worse = [later(best, m) for m in measures[-2:]]
    if all(difference > 2 * error for difference, error in worse):
        rise = f"{worse[-1][0]:.3f} ± {2 * worse[-1][1]:.3f}"
        return f"Stop: {told}. Since then it has risen by {rise}; what is kept is older."
    if best.step <= last.step / 2 and sum(m.step > best.step for m in measures) >= 3:
        return f"Stop: {told}. Half of the run has brought nothing nearer."
    return f"Go on: {told}, the best so far."


# ------------------------------------------------------------------------------------------------------------ the run


@dataclass(frozen=True, eq=False)
class State:
    """A run as it is at one moment; tensors and lists are the caller's own.

    `samples` (n, C, S, S) in [-1, 1] come of equal latents each time, so that they grow; `losses` are means of the last
    50 steps; `distance` and its `error` are None until the first checkpoint is measured. `said` is what the command
    wrote when it ended, empty while it runs.
    """

    running: bool
    step: int
    seconds: float
    limit: float
    losses: dict[str, float]
    samples: Tensor | None
    distance: float | None
    error: float | None
    further: float | None
    measures: list[Measure]
    advice: str
    said: str

    @property
    def progress(self) -> float:
        """0 to 1."""
        return min(1.0, self.seconds / self.limit)

    def __str__(self) -> str:
        what = "training" if self.running else "not training"
        losses = "".join(f", {k.replace('loss_', '')} {v:.2f}" for k, v in self.losses.items() if k.startswith("loss"))
        return f"{what}: step {self.step:,}, {self.seconds:.0f} of {self.limit:.0f} s{losses}. {self.advice}"


class Run:
    """A training run on a folder of pictures, in a process of its own; made by `start` or `reopen`.

    Its methods may be called from any thread. `found` are the pictures, `out` the run's folder, `best` the folder with
    the newest checkpoint that is `as_near` as the nearest (None before there is one): `recipes.load_generator` takes
    both.
    """

    def __init__(self, found: Found, out: Path, seconds: float):
        self.found, self.out, self.limit = found, out, seconds
        self.measures: list[Measure] = []
        self._process: subprocess.Popen | None = None
        self._log = None
        self._samples: Tensor | None = None
        self._losses: dict[str, float] = {}
        self._step, self._seconds, self._seen, self._said, self._word = 0, 0.0, None, "", ""
        self._tried = 0  # the last step that was measured, or could not be
        self._lock, self._measuring = threading.Lock(), threading.Lock()
        self._eye = eye(found.images.x)
        self._train, self._held_out = self._eye(found.images.x), self._eye(found.images.x_test)

    # ---------------------------------------------------------------- the process

    @property
    def running(self) -> bool:
        """Whether it trains; asking takes the ended process off the system's list."""
        with self._lock:
            if self._process is None:
                return False
            if self._process.poll() is None:
                return True
            self._end()
            return False

    @property
    def best(self) -> Path | None:
        return self.out / "best" if (self.out / "best" / CHECKPOINT).is_file() else None

    def _launch(self, arguments: list[str]) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise ValueError(f"the run in {self.out} is already training: stop it first.")
            self._word = ""  # the doctor's, of what was there before
            self._said, self._log = "", tempfile.TemporaryFile()  # noqa: SIM115 (until the process ends)
            threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) - 1))}  # one core is left to the sliders
            # a session of its own: an interrupted cell is not an interrupted run
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, *arguments], stdin=subprocess.PIPE, stdout=self._log,
                stderr=subprocess.STDOUT, env={**threads, **os.environ, **UTF8}, start_new_session=True,
            )  # fmt: skip
        with contextlib.suppress(OSError):  # of a folder that cannot be written the process says why
            write_atomic(self.out / LIMIT, json.dumps(self.limit).encode())

    def stop(self, patience: float = 20.0) -> None:
        """Stop between two steps; all is kept, and `resume` goes on. Does nothing where nothing trains.

        A process that has not ended after `patience` seconds is killed: its last checkpoint is at most 5 s old.
        """
        with self._lock:
            process = self._process
            if process is None:
                return
            with contextlib.suppress(OSError):
                process.stdin.close()  # the sign to stop, see `_live_and_let_die`
        try:  # meanwhile others may ask for the state
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with self._lock:
            if self._process is process:
                self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._log.seek(0)
        self._said = self._log.read().decode(errors="replace").strip()
        self._log.close()
        self._process = None

    def resume(self, seconds: float | None = None) -> None:
        """Go on from the folder's checkpoint until `seconds` from the run's beginning; by default to its limit.

        The learning rates fall over the second half of the time that is given: a new limit raises them again.
        Raises ValueError where it trains, where there is no time left, or for no number.
        """
        limit = self.limit if seconds is None else _seconds(seconds)
        self._look()
        if self._step and self._seconds >= limit:
            raise ValueError(f"the run has trained for {self._seconds:.0f} s of {limit:g}: give more than that.")
        there = (self.out / CHECKPOINT).is_file()
        self.limit = limit
        self._launch(_arguments(self.found, self.out, limit) + ["--resume"] * there)

    # ---------------------------------------------------------------- what is seen of it

    def state(self, wait: bool = False) -> State:
        """How the run stands. At once: a new checkpoint is measured in a thread; with `wait`, before it returns."""
        running = self.running
        if wait:
            self._look()
        elif not self._measuring.locked() and self._due(not running):
            threading.Thread(target=self._look, daemon=True).start()
        last = self.measures[-1] if self.measures else None
        return State(
            running, self._step, self._seconds, self.limit, dict(self._losses),
            None if self._samples is None else self._samples.clone(), last and last.distance, last and last.error,
            last and last.further, list(self.measures), advice(self.measures, len(self._held_out)), self._said,
        )  # fmt: skip

    def _new(self) -> tuple | None:
        """What tells this checkpoint from the last one that was looked at; None where there is no other one."""
        try:
            now = os.stat(self.out / CHECKPOINT)
        except OSError:
            return None
        known = (now.st_mtime_ns, now.st_size)
        return known if known != self._seen else None

    def _due(self, ended: bool) -> bool:
        """Whether there is a checkpoint to look at: a new one, or the last of a run, which is always measured."""
        return self._new() is not None or (ended and self._step > self._tried and len(self._held_out) >= LEAST)

    def _look(self) -> None:
        """Read the newest checkpoint, if it is new: samples, losses, and now and then a Measure."""
        ended = not self.running
        with self._measuring:
            if not self._due(ended):
                return
            known = self._new() or self._seen
            try:
                copy = self.out / "seen"  # of one moment, whatever replaces the file meanwhile
                write_atomic(copy / CHECKPOINT, (self.out / CHECKPOINT).read_bytes())
                header = recipes.read_run(copy)[1]
                G = recipes.load_generator(copy)[0]
            except (OSError, ValueError) as e:
                self._said = str(e)
                return
            self._step, self._seconds, self._seen = header["step"], header["seconds"], known
            self._samples = generate(G, SHOWN, seed=0)
            self._losses = _last_losses(self.out / RECORDS)
            last = self.measures[-1].seconds if self.measures else -math.inf
            # some forty in all, and the end; none of a G that has not moved
            due = self._seconds - last >= max(EVERY - 1, self.limit / 40) or ended
            if self._step > self._tried and due and len(self._held_out) >= LEAST:
                self._measure(G, copy)

    def _measure(self, G, copy: Path) -> None:
        self._tried = self._step
        fake = self._eye(generate(G, N_FAKES, seed=1))
        with contextlib.suppress(ValueError):  # fakes that are all the same have no distance
            now = measure(fake, self._train, self._held_out, self._step, self._seconds)
            if as_near(self.measures, now):
                write_atomic(self.out / "best" / CHECKPOINT, (copy / CHECKPOINT).read_bytes())
            self.measures.append(now)
            write_atomic(self.out / MEASURES, json.dumps([m._asdict() for m in self.measures]).encode())

    def doctor(self) -> str:
        """What `ganedu doctor` says of the run as it is: in a process of its own, some seconds."""
        self._word = _command("doctor", str(self.out))
        return self._word

    # ---------------------------------------------------------------- what is left of it

    def card(self) -> dict:
        """Data, settings, command, steps, seconds and quality of the best checkpoint, as a zoo entry's card has them.

        Raises ValueError before the first checkpoint.
        """
        self._look()
        folder = self.best or self.out
        if not (folder / CHECKPOINT).is_file():
            raise ValueError(f"there is no checkpoint in {self.out} yet: wait some seconds, and ask again.")
        header = recipes.read_run(folder)[1]
        at = next((m for m in self.measures if m.step == header["step"]), None)
        skipped = {"skipped": self.found.skipped} if self.found.skipped else {}
        quality = {"advice": advice(self.measures, len(self._held_out))}
        if at:
            quality |= {"distance": at.distance, "distance_error": at.error, "further_than_new": at.further, "z": at.z,
                        "held_out": len(self._held_out), "fakes": N_FAKES}  # fmt: skip
        return {
            "name": self.out.name, "generated": True, "data": str(self.found.folder), "pictures": self.found.n,
            **skipped,
            "settings": header["settings"], "steps": header["step"], "seconds": round(header["seconds"], 1),
            "command": "ganedu " + shlex.join(_arguments(self.found, self.out, self.limit)), "quality": quality,
        }  # fmt: skip

    def report(self) -> Path:
        """Write card.json and own_pictures.html into the run's folder; returns the page, which needs nothing else.

        The page shows samples of the best checkpoint beside held-out pictures and above the training pictures nearest
        to them, the distance over the steps, the doctor's word, and the card. Some seconds: it asks the doctor, if
        nobody has. Raises what `card` raises. (`ganedu report` says more, from 2,560 pictures on.)
        """
        card = self.card()
        G = recipes.load_generator(self.best or self.out)[0]
        word = self._word or self.doctor()
        figures = [
            _beside(self.found.images, generate(G, SHOWN, seed=0)),
            *([_curve(self.measures)] * bool(self.measures)),
        ]
        write_atomic(self.out / "card.json", (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
        write_atomic(self.out / PAGE, _page(self.out.name, card, word, figures).encode())
        return self.out / PAGE


def _beside(images: Images, fake: Tensor):
    """(figure, its text): held-out pictures; samples; the training picture nearest to each sample."""
    from matplotlib.figure import Figure  # without pyplot, which is no matter for threads

    from .. import plots

    train, n = as_float(images.x), 12
    near = train[metrics.nearest(fake[:n].flatten(1), train.flatten(1))[1]]
    rows = {"held out, real": as_float(images.x_test[:n]), "samples": fake[:n], "nearest to train on": near}
    fig = Figure(figsize=(10, 3.9), layout="constrained")
    axes = fig.subplots(3, 1)
    for ax, (name, x) in zip(axes, rows.items(), strict=True):
        plots.images(ax, x, n, name)
    return fig, f"{n} held-out pictures; {n} samples; below each sample the training picture with the nearest pixels."


def _curve(measures: list[Measure]):
    """(figure, its text): the distance over the steps, with its error against the best; the share further off."""
    from matplotlib.figure import Figure  # without pyplot, which is no matter for threads

    from .. import plots

    best = min(measures, key=lambda m: m.distance)
    steps, far = [m.step for m in measures], [m.distance for m in measures]
    width = [2 * later(best, m)[1] if m is not best else 0 for m in measures]
    fig = Figure(figsize=(11, 3.4), layout="constrained")
    left, right = fig.subplots(1, 2)
    left.errorbar(steps, far, width, color=plots.FAKE, marker="o", ecolor=plots.GREY)
    left.set(
        xlabel="step", ylabel="distance to held-out", yscale="symlog" if max(far) > 20 * abs(far[-1]) else "linear"
    )
    left.set_title(f"nearest at step {best.step:,}: {best.distance:.3f}", fontsize=12)
    right.plot(steps, [m.further for m in measures], color=plots.FAKE, marker="o")
    right.axhline(0.5, color=plots.GREY, ls="--")
    right.set(xlabel="step", ylim=(0, 1.02), ylabel="share")
    right.set_title(f"fakes further off than new pictures: {measures[-1].further:.0%}", fontsize=12)
    return fig, ("Left: distance from fakes to held-out pictures over the steps, with twice the error of what it is "
                 "above the smallest. Right: how often a fake lies further from the training pictures than a held-out "
                 "one; well below half it copies.")  # fmt: skip


def _page(name: str, card: dict, word: str, figures: list) -> str:
    """The report as one page of HTML: no script, nothing to fetch."""
    said = html.escape
    body = [f"<h1>Own pictures: {said(name)}</h1>", f"<p><strong>{said(card['quality']['advice'])}</strong></p>"]
    for fig, text in figures:
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=90)
        picture = base64.b64encode(buffer.getvalue()).decode()
        body.append(f'<p><img alt="{said(text)}" src="data:image/png;base64,{picture}"><br>{said(text)}</p>')
    body += [f"<h2>The doctor's word</h2><pre>{said(word)}</pre>",
             f"<h2>Card</h2><pre>{said(json.dumps(card, indent=1, ensure_ascii=False))}</pre>"]  # fmt: skip
    style = "body{max-width:64rem;margin:auto;padding:1rem;font:17px/1.5 system-ui}img{max-width:100%}"
    style += "pre{white-space:pre-wrap}"
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{said(name)}</title>'
            f"<style>{style}</style></head>\n<body>" + "\n".join(body) + "</body></html>\n")  # fmt: skip


def start(
    folder: str | Path | Found, out: str | Path, seconds: float = 300, *, image_size: int = 32,
    channels: int | None = None, width: int | None = None, seed: int = 0,
) -> Run:  # fmt: skip
    """Train a DCGAN on the pictures below `folder` for `seconds`, in a process of its own, into the folder `out`.

    `folder` may be what `look` has found. The settings are those that `ganedu train` has for a dcgan. Raises what
    `look` raises, and ValueError for an `out` that holds a run or lies among the pictures, or settings that do not
    fit: before anything is started.
    """
    seconds, out = _seconds(seconds), Path(out).expanduser().resolve()
    whole("seed", seed, -(2**63), 2**64 - 1)
    found = folder if isinstance(folder, Found) else look(folder, image_size, channels)
    if (out / CHECKPOINT).exists():
        raise ValueError(f"{out} already holds a run: go on with it by reopen(...).resume(), or choose another folder.")
    if out == found.folder or out.is_relative_to(found.folder):
        raise ValueError(
            f"{out} lies among the pictures, and what is drawn would be learnt from: choose another folder."
        )
    settings = {"width": width} if width is not None else {}
    recipes.check({"model": "dcgan", "image_size": found.images.image_size, "channels": found.images.channels,
                   **recipes.RECIPES["dcgan"], **settings})  # fmt: skip
    run = Run(found, out, seconds)
    run._launch([*_arguments(found, out, seconds), "--seed", str(seed), *(f"--{k}={v}" for k, v in settings.items())])
    return run


def reopen(out: str | Path, folder: str | Path | None = None) -> Run:
    """The run in `out` as it was left, not training, with all that was measured; `resume` goes on with it.

    Its limit is the one that it was given, 300 s at least. `folder` says where its pictures are now, if they have
    moved. Raises FileNotFoundError where there is no run or no pictures, ValueError where they have changed, or where
    its checkpoint is damaged.
    """
    out = Path(out).expanduser().resolve()
    settings = recipes.read_run(out)[1]["settings"]
    found = look(folder or settings["data"], settings["image_size"], settings["channels"])
    recipes.check_same_images(settings, found.images, out)
    run = Run(found, out, 300.0)
    with contextlib.suppress(OSError, ValueError):  # started by `ganedu train`, which does not write it
        run.limit = max(run.limit, _seconds(json.loads((out / LIMIT).read_bytes())))
    with contextlib.suppress(OSError, ValueError, TypeError):  # written by somebody else: measured anew
        rows = json.loads((out / MEASURES).read_text(encoding="utf-8"))
        kept = [Measure(**row) for row in rows]
        if all(len(m.to_each) == len(found.images.x_test) for m in kept):
            run.measures, run._tried = kept, kept[-1].step if kept else 0
    run._look()
    run.limit = max(run.limit, run._seconds)
    return run


def _seconds(seconds) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 1e8:
        raise ValueError(f"seconds={brief(seconds)} does not fit: give a number above 0, such as 300.")
    return float(seconds)


def _arguments(found: Found, out: Path, seconds: float) -> list[str]:
    given = {"data": found.folder, "out": out, "seconds": f"{seconds:g}",
             "image-size": found.images.image_size, "channels": found.images.channels}  # fmt: skip
    return ["train", "dcgan", *(part for k, v in given.items() for part in (f"--{k}", str(v)))]


def _last_losses(path: Path) -> dict[str, float]:
    try:
        history = json.loads(path.read_bytes())
        return {k: sum(v[-50:]) / len(v[-50:]) for k, v in history.items() if v}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _command(*arguments: str) -> str:
    """What a command of ganedu prints."""
    done = subprocess.run([sys.executable, "-m", "ganedu", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          encoding="utf-8", errors="replace", env={**os.environ, **UTF8}, timeout=600)  # fmt: skip
    return (done.stdout or done.stderr).strip()


# ------------------------------------------------------------------------------------------------- the process's side


def _live_and_let_die() -> None:
    """End as by Ctrl-C, everything saved, once stdin is closed: by `Run.stop`, or by the end of who holds it.

    A pipe is closed by the system however its holder dies, on every system; a process that cannot end is cut off.
    """
    os.read(0, 1)  # without Python's lock on stdin, which the end of the process would wait for
    if hasattr(signal, "pthread_kill"):  # wakes a main thread that waits
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
    time.sleep(15)
    os._exit(1)


def _main() -> None:
    import runpy

    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever was inherited
    threading.Thread(target=_live_and_let_die, daemon=True).start()
    runpy.run_module("ganedu", run_name="__main__")


if __name__ == "__main__":
    _main()

"""Many runs of one notebook: a grid of parameters, a kernel for each run, and one table of what the runs found.

The order of work is somebody else's: anything that has `submit`, as `concurrent.futures` has it. At home these are
threads, each of which minds one kernel; elsewhere the workers of a Dask cluster. A run that is whole is a notebook in
the folder, which holds its parameters and figures; so a sweep that was stopped goes on where it stood.
"""

import ast
import contextlib
import hashlib
import itertools
import json
import math
import os
import re
import statistics
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

from ..inputs import whole
from . import kernel, notebooks, records

META = "ganedu_sweep"  # where, in its metadata, a whole run says what it is
TABLE, LOCK = "table.csv", ".sweep.lock"
FAILED = ".failed.ipynb"  # ends the name of a notebook that did not come to its end
MOST = 10_000  # runs of one sweep
GIB_A_RUN = 1.2  # of memory, which a notebook of the course keeps to
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
RANGE = re.compile(r"(-?\d{1,12})\.\.(-?\d{1,12})")


class Run(NamedTuple):
    """One point of the grid: what is `given` to the notebook, the `values` of all its parameters, key and file name."""

    given: dict
    values: dict
    key: str
    name: str


# ----------------------------------------------------------------------------------------------------------- the grid


def grid(notebook: Path, texts: dict[str, str]) -> list[tuple[dict, dict]]:
    """[(given, values of all parameters)] of every combination, seed by seed, so that settings fill up together.

    A text is one value or several: "1e-3,3e-3"; "0..31", with both ends, where the default is a number; "[8],[16]"
    where it is a list. Raises ValueError for an unknown name, a value of another kind, one given twice, or more than
    10,000 runs.
    """
    known = notebooks.known(notebook, texts)
    axes = {name: _several(name, text, known[name]) for name, text in texts.items()}
    if (n := math.prod(map(len, axes.values()))) > MOST:
        raise ValueError(f"these are {n:,} runs, and a sweep has at most {MOST:,}: give fewer values.")
    names = sorted(axes, key=lambda name: name != "seed")  # the first turns slowest
    points = itertools.product(*(axes[name] for name in names))
    given = [{name: dict(zip(names, point, strict=True))[name] for name in axes} for point in points]
    return [(g, {**known, **g}) for g in given]


def _several(name: str, text: str, default) -> list:
    found = []
    for part in _parts(name, text, default):
        try:
            v = notebooks.value(name, part, default)
        except ValueError as e:
            raise ValueError(f"{e} Several have commas between; whole numbers in a row are 0..31.") from None
        v = float(v) if type(default) is float else v
        if v in found:
            raise ValueError(f"-p {name} names {v!r} twice, and equal runs tell nothing new: name it once.")
        found.append(v)
    return found


def _parts(name: str, text: str, default) -> list[str]:
    if isinstance(default, list):
        with contextlib.suppress(ValueError, RecursionError):
            several = json.loads(f"[{text}]")
            if several and all(isinstance(v, list) for v in several):
                return [json.dumps(v) for v in several]
        return [text]
    parts = text.split(",") if isinstance(default, str) else [part.strip() for part in text.split(",")]
    if type(default) not in (int, float):
        return parts
    found = []
    for part in parts:
        ends = RANGE.fullmatch(part)
        first, last = map(int, ends.groups()) if ends else (0, 0)
        if not 0 <= last - first < MOST:
            raise ValueError(f"-p {name} {part!r} does not fit: a range goes up, and holds at most {MOST:,} numbers.")
        found += map(str, range(first, last + 1)) if ends else [part]
    return found


def expressions(given: dict[str, str], known) -> dict[str, str]:
    """Figures to read off at a notebook's end, {name: Python expression}, once they are found to be such."""
    for name, text in given.items():
        if not name.isidentifier() or name in known or name in ("seconds", "notebook"):
            raise ValueError(f"--figure {name[:40]!r} names a column: give a word that is no parameter's name.")
        try:
            ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"--figure {name} {text[:60]!r} is no Python expression, such as len(modes).") from None
    return {name: text.strip() for name, text in given.items()}


def _prepared(notebook: Path, figures: dict[str, str]) -> tuple[str, str]:
    """(the notebook's text without outputs, with a last cell that records the figures; a key of its code)."""
    import nbformat

    nb = kernel.read(notebook)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if figures:
        words = ", ".join(f"{name}=({text})" for name, text in figures.items())
        nb.cells.append(nbformat.v4.new_code_cell(f"from ganedu.course.records import record\n\nrecord({words})"))
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return nbformat.writes(nb), _hash(code)


def _hash(what) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def _file_name(stem: str, given: dict, key: str) -> str:
    """One that every file system takes, and that says what the run was given."""
    told = "_".join(f"{name}-{value}" for name, value in given.items())
    return f"{stem[:2]}-{re.sub(r'[^A-Za-z0-9.-]+', '_', told)[:60].strip('._')}-{key[:8]}.ipynb"


# ---------------------------------------------------------------------------------------------------------- the runs


def execute(text: str, name: str, given: dict) -> tuple[str, str, float]:
    """(what went wrong, or ""; the notebook as far as it came; seconds). It runs in an empty folder of its own."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ganedu-sweep-", ignore_cleanup_errors=True) as place:
        source, out, cwd = Path(place, name), Path(place, "out", name), Path(place, "cwd")
        source.write_text(text, encoding="utf-8")
        cwd.mkdir()
        said = ""
        try:
            kernel.execute(source, given, cwd, keep=out, bar=False)
        except (RuntimeError, OSError, ValueError) as e:
            said = str(e).partition(kernel.KEPT)[0] or type(e).__name__
        return said, out.read_text(encoding="utf-8") if out.is_file() else "", time.perf_counter() - start


def _finished(executor, runs: list[Run], text: str, name: str):
    """Yield (run, what went wrong, notebook, seconds) as each ends; closed early, it ends this machine's kernels."""
    import psutil

    before = {*psutil.Process().children()}
    futures = {executor.submit(execute, text, name, run.given): run for run in runs}
    waiting = set(futures)
    try:
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)  # not for ever: Windows' Ctrl-C
            for future in done:
                yield futures[future], *_result(future)
    finally:
        for future in waiting:
            future.cancel()
        while isinstance(executor, ThreadPoolExecutor) and not all(future.done() for future in waiting):
            for child in {*psutil.Process().children()} - before:
                with contextlib.suppress(psutil.Error):
                    child.kill()
            time.sleep(0.1)


def _result(future: Future) -> tuple[str, str, float]:
    try:
        return future.result()
    except (Exception, CancelledError) as e:  # a worker that died, or a cluster that closed
        return f"the worker failed: {type(e).__name__}: {' '.join(str(e).split())[:200]}", "", 0.0


@contextlib.contextmanager
def _engine(on: str, workers: int | None, most: int):
    """(an executor, how many runs it has in work at a time, a word on it)."""
    if on != "pool":
        with _dask(on) as (client, n):
            yield client.get_executor(pure=False), n, f"{n} threads of the Dask cluster at {on}"
        return
    from . import machine

    cores = machine.cores()
    if workers is None:
        workers = min(cores, max(1, int(machine.memory() / GIB_A_RUN)))
    whole("--workers", workers, 1, cores, "one a core of this machine")
    n = min(workers, max(1, most))
    threads = cores // n
    with _environment(dict.fromkeys(THREADS, str(threads))), ThreadPoolExecutor(n) as pool:
        yield pool, n, f"{n} worker{'s' * (n > 1)} with {threads} thread{'s' * (threads > 1)} each"


@contextlib.contextmanager
def _dask(on: str):
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            f"--on {on} needs Dask: pip install 'ganedu[sweep]'. --on pool, the default, needs nothing."
        ) from None
    if not (on.endswith(".json") or re.match(r"(tcp|tls|ucx|ws|wss)://\S", on)):
        raise ValueError(
            f"--on {on!r} does not fit: give pool (this machine), the address of a Dask scheduler, as in "
            "tcp://10.0.0.1:8786, or the .json that dask scheduler --scheduler-file writes."
        )
    try:
        client = Client(**({"scheduler_file": on} if on.endswith(".json") else {"address": on}), timeout=10)
    except (OSError, ValueError) as e:
        raise OSError(f"no Dask scheduler answers at {on}: {' '.join(str(e).split())[:200]}") from e
    with client:
        if not (n := sum(client.nthreads().values())):
            raise ValueError(f"the Dask cluster at {on} has no workers: start some, as by dask worker {on}.")
        yield client, n


@contextlib.contextmanager
def _environment(new: dict[str, str]):
    before = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for name, text in before.items():
            os.environ.pop(name) if text is None else os.environ.update({name: text})


# --------------------------------------------------------------------------------------------------------- the sweep


def sweep(name: str, texts: dict[str, str], out: Path, figures: dict[str, str] | None = None,
          workers: int | None = None, on: str = "pool", say=print) -> list[dict]:  # fmt: skip
    """Run a notebook at every point of a grid; what it found, a row a run, is in out/table.csv, and returned.

    `texts` as in `grid`; `figures` as in `expressions`, beside what the notebook records itself. Runs that are whole in
    `out`, of this very code, are not run again. Before anything runs, raises ValueError for what does not fit and for a
    folder that another sweep works in, OSError for one that cannot be written; RuntimeError at the end where runs
    failed, with each one's error and notebook; KeyboardInterrupt when stopped, with what is whole kept.
    """
    notebook = notebooks.find(name)
    points = grid(notebook, texts)
    text, code = _prepared(notebook, expressions(figures or {}, points[0][1]))
    runs = []
    for given, values in points:
        key = _hash([code, values])
        runs.append(Run(given, values, key, _file_name(notebook.stem, given, key)))
    if out.resolve().is_relative_to(notebooks.folder()):
        raise ValueError(f"{out} lies among the course's notebooks, which stay as they are: choose another place.")
    kernel.check_place(out, [TABLE])
    with _alone_in(out):
        there = _whole(out, code)
        todo = [run for run in runs if run.key not in {row["key"] for row in there}]
        failed, stopped = [], False
        if todo:
            with _engine(on, workers, len(todo)) as (executor, n, engine):
                say(f"{len(runs)} runs of {notebook.stem}, {len(runs) - len(todo)} of them whole; {len(todo)} to do on "
                    f"{engine}: {_estimate(notebook, len(todo) / n, there)}")  # fmt: skip
                stopped = _run_all(executor, todo, text, notebook, out, code, failed)
        else:
            say(f"{len(runs)} runs of {notebook.stem}, all of them whole: nothing is to do.")
        rows = _whole(out, code)
        kernel.put(out, {TABLE: records.table(rows).encode()})
    return _end(rows, runs, failed, stopped, out, say)


def whole_runs(name: str, out: Path, figures: dict[str, str] | None = None) -> list[dict]:
    """The rows of the runs that are whole in `out`, of the notebook as it is now and these figures; nothing is run."""
    notebook = notebooks.find(name)
    return _whole(out, _prepared(notebook, expressions(figures or {}, kernel.parameters(notebook)))[1])


def _estimate(notebook: Path, rounds: float, there: list[dict]) -> str:
    from . import machine

    if there:
        seconds, by = statistics.median(row["seconds"] for row in there), "as long as those that are whole"
    else:
        times = json.loads(machine.TIMES.read_text()) if machine.TIMES.is_file() else {"seconds": {}}
        seconds, by = times["seconds"].get(notebook.stem), "as long as on the machine of the course's table, alone"
    if seconds is None:
        return "how long is not known before the first ends"
    return f"about {_time(math.ceil(rounds) * seconds)}, if a run takes {seconds:.0f} s, {by}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def _end(rows: list[dict], runs: list[Run], failed: list, stopped: bool, out: Path, say) -> list[dict]:
    """Say what the runs found, over all that are whole in the folder; raise where some are not."""
    n_whole = len({run.key for run in runs} & {row["key"] for row in rows})
    if rows:
        say(f"\n{records.summary(rows)}\n\n{len(rows)} runs, one a line: {out / TABLE}")
    if stopped:
        raise KeyboardInterrupt(f"stopped: {n_whole} of {len(runs)} runs are whole in {out}; the same command goes on.")
    if failed:
        lines = [f"  {_told(run)}: {said}" + (f"\n    {path}" if path else "") for run, said, path in failed]
        raise RuntimeError(
            f"{len(failed)} of {len(runs)} runs failed, and are in no mean, which may be off for it; the same command "
            "tries them again:\n" + "\n".join(lines)
        )
    return rows


def _told(run: Run) -> str:
    return ", ".join(f"{name} {value}" for name, value in run.given.items()) or "the run"


def _run_all(executor, todo: list[Run], text: str, notebook: Path, out: Path, code: str, failed: list) -> bool:
    """Keep every run as it ends, and note in `failed` what went wrong; True where it was stopped."""
    from tqdm import tqdm

    try:
        with (
            kernel.signals_stop(),
            tqdm(total=len(todo), unit="run", disable=None) as bar,
            contextlib.closing(_finished(executor, todo, text, notebook.name)) as ends,
        ):
            for run, said, result, seconds in ends:
                if said:
                    failed.append((run, said, _keep_failed(out, run, result)))
                else:
                    _keep(out, run, code, result, seconds)
                bar.set_postfix_str(f"{len(failed)} failed" if failed else "")
                bar.update()
    except KeyboardInterrupt:
        return True
    return False


def _keep(out: Path, run: Run, code: str, text: str, seconds: float) -> None:
    import nbformat

    nb = nbformat.reads(text, as_version=4)
    nb.metadata[META] = {"key": run.key, "code": code, "given": run.given, "values": run.values,
                         "figures": records.recorded(nb), "seconds": round(seconds, 2)}  # fmt: skip
    kernel.put(out, {run.name: (nbformat.writes(nb) + "\n").encode()})
    _failed(out, run).unlink(missing_ok=True)


def _keep_failed(out: Path, run: Run, text: str) -> Path | None:
    if text:
        kernel.put(out, {_failed(out, run).name: text.encode()})
    return _failed(out, run) if text else None


def _failed(out: Path, run: Run) -> Path:
    return out / (run.name.removesuffix(".ipynb") + FAILED)


def _whole(out: Path, code: str) -> list[dict]:
    """What the whole runs of this code in a folder say of themselves, in the order of their parameters."""
    rows = []
    for path in out.glob("*.ipynb"):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # somebody else's file
            meta = json.loads(path.read_text(encoding="utf-8"))["metadata"][META]
            if meta["code"] == code:
                rows.append({**meta, "notebook": path.name})
    return sorted(rows, key=lambda row: [(str(type(v)), v) for v in row["values"].values()])


@contextlib.contextmanager
def _alone_in(out: Path):
    from filelock import FileLock, Timeout

    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            yield
    except Timeout:
        raise ValueError(f"another sweep works in {out}: wait for its end, or choose another --out.") from None

"""Run a notebook in a kernel of its own, and put files in their place: all of it whole or not at all.

What goes wrong, a full disk, Ctrl-C, a kill, leaves neither a kernel nor half a file, and what was there stays.
"""

import ast
import contextlib
import logging
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from ..inputs import why_not

STAGING = ".ganedu-new-"  # begins the name of what a kill may leave where files are put; the next call removes it
ARROW = re.compile(r"^-+> *\d+ +(.*)$", re.M)  # before the line of a traceback that raised
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
KEPT = " As far as it came, it stands in "


def read(path: Path):
    """The notebook in a file. Raises ValueError, with the path, for a file that is none; OSError without one."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError, nbformat.ValidationError) as e:
        said = " ".join(str(e).split())[:200]
        raise ValueError(f"{path} is damaged, or no notebook ({said}): restore it, as by git checkout.") from e


def parameters(notebook: Path) -> dict:
    """{name: default} of the notebook's parameters: in its cell tagged `parameters`, each name given a plain value.

    Plain is a whole number, a number, True or False, a text, or a list of these. Raises what `read` raises.
    """
    source = next((c.source for c in read(notebook).cells if "parameters" in c.metadata.get("tags", ())), "")
    found = {}
    with contextlib.suppress(SyntaxError):  # another language
        for node in ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)).body:
            if isinstance(node, ast.Assign) and [type(t) for t in node.targets] == [ast.Name]:
                with contextlib.suppress(ValueError):  # not a plain value, so not a parameter
                    value = ast.literal_eval(node.value)
                    if {type(v) for v in (value if type(value) is list else [value])} <= {bool, int, float, str}:
                        found[node.targets[0].id] = value
    return found


def execute(notebook: Path, values: dict, cwd: Path, keep: Path | None = None, bar: bool = True):
    """The notebook, run from top to bottom with these parameters in `cwd`; `keep` is a file to keep it in.

    With `bar`, a bar in the terminal counts its cells.

    Raises RuntimeError where a cell raises, with the cell and its line, or where the kernel dies, KeyboardInterrupt
    when stopped, by Ctrl-C, TERM or HUP; `keep` then holds the notebook as far as it came. OSError where it cannot be
    written.
    """
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of lines that it cannot take for parameters
    with tempfile.TemporaryDirectory(prefix="ganedu-", ignore_cleanup_errors=True) as place:
        path = Path(place, notebook.name)
        try:
            _unless_stopped(lambda: papermill.execute_notebook(
                _escaped(notebook), _escaped(path), values, kernel_name="python3", progress_bar=bar,
                resources={"metadata": {"path": str(cwd)}},  # its own cwd= moves this whole process, other threads too
                extra_arguments=["--log-level=CRITICAL"],  # or it tells the terminal what stopping it broke
            ))  # fmt: skip
        except papermill.PapermillExecutionError as e:
            raise RuntimeError(f"{_raised(e)}.{_kept(path, keep)[1]}") from e
        except RuntimeError as e:
            raise RuntimeError(f"the kernel died, mostly for want of memory: {e}.{_kept(path, keep)[1]}") from e
        except OSError as e:
            raise OSError(e.errno, f"cannot run the notebook with {e.filename or place}: {why_not(e)}") from e
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped.{_kept(path, keep)[1]}") from None
        return _kept(path, keep)[0]


def _unless_stopped(run) -> None:
    """Call `run` in a thread, which no signal breaks into. Raises KeyboardInterrupt when stopped, its kernel killed."""
    import psutil

    before = {*psutil.Process().children()}
    with signals_stop(), ThreadPoolExecutor(1) as pool:
        call = pool.submit(run)
        try:
            while not wait([call], timeout=1).done:  # not for ever, so that Windows too sees Ctrl-C
                pass
        except KeyboardInterrupt:
            while not call.done():
                for child in {*psutil.Process().children()} - before:
                    with contextlib.suppress(psutil.Error):
                        child.kill()
                time.sleep(0.1)
            raise
        call.result()


@contextlib.contextmanager
def signals_stop():
    """While it lasts, TERM and HUP (a closed terminal) do what Ctrl-C does, once, where nobody else takes them."""

    def stop(*_):
        for number in ours:
            signal.signal(number, signal.SIG_IGN)  # another one must not cut the way out
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    usual = (signal.SIG_DFL, signal.default_int_handler)  # nohup ignores HUP
    ours = {number: now for number in numbers if (now := signal.getsignal(number)) in usual}
    if threading.current_thread() is not threading.main_thread():
        ours = {}
    try:
        for number in ours:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _raised(e) -> str:
    """What a cell raised, and on which of its lines."""
    line = ARROW.search(COLOUR.sub("", "\n".join(e.traceback)))
    where = f"cell [{e.exec_count}], {line[1].strip()[:120]!r}," if line else f"cell [{e.exec_count}]"
    return f"{where} raised {e.ename}: {' '.join(e.evalue.split())[:300]}".removesuffix(": ")


def _escaped(path: Path) -> str:
    """The path as papermill wants it: it would put parameters in place of {names}."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _kept(path: Path, keep: Path | None) -> tuple:
    """(the notebook at `path`, and at `keep`, without the temporary places that papermill notes down; a sentence)."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):  # stopped before the first cell, or while it was being saved
        return None, ""
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
    if keep is None:
        return notebook, ""
    put(keep.parent, {keep.name: (nbformat.writes(notebook) + "\n").encode()})
    return notebook, f"{KEPT}{keep}."


def check_place(folder: Path, names) -> None:
    """Raise OSError unless files of these names can be put into `folder`; nothing is left behind.

    NotADirectoryError where the folder, or one within it, is a file; IsADirectoryError where a name is a folder.
    """
    for place in (folder, *((folder / name).parent for name in names)):
        there = next(p for p in (place, *place.absolute().parents) if os.path.lexists(p))
        if not there.is_dir():
            raise NotADirectoryError(f"{place} cannot be a folder, since {there} is a file: choose another place.")
    for name in names:
        if (folder / name).is_dir():
            raise IsADirectoryError(f"{folder / name} is a folder, where a file is to be: choose another place.")
    put(folder, {})


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Write {name: content} into `folder`, all of them or, where the disk is full, none.

    Each file is whole at any moment, and links are replaced, not followed. Raises OSError with the path in its text.
    """
    from ..checkpoints import write_atomic  # and with it torch

    new, name = [p for p in (folder, *folder.parents) if not p.exists()], ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_staging(folder)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))  # new, so no link that leads elsewhere
        for name, data in files.items():
            write_atomic(staging / name, data)
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / name, folder / name)
    except OSError as e:
        cause = e.__cause__ if isinstance(e.__cause__, OSError) else e  # what write_atomic says is of `staging`
        raise OSError(cause.errno, f"cannot write {folder / name}: {why_not(cause)}") from e
    finally:
        _remove_staging(folder)
        for p in new:  # those that stayed empty
            with contextlib.suppress(OSError):
                p.rmdir()


def _remove_staging(folder: Path) -> None:
    for left in folder.glob(f"{STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)  # which follows no links

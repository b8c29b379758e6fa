"""Somebody's own script or notebook, examined: its code runs, and what it leaves behind is what the doctor looks at.

`examine_file` runs it in a process of its own, in a copy of the file's folder, so that relative paths hold and nothing
is written over. There `Run` runs it as far as it comes, and `names.search` says who is who.
"""

import ast
import contextlib
import inspect
import io
import json
import linecache
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
import types
from dataclasses import dataclass, field
from pathlib import Path

from .examine import examine

SUFFIXES = (".py", ".ipynb")
ROLES = (*list(inspect.signature(examine).parameters)[1:], "trainer")  # to be chosen: a trainer stands for all others
SECONDS = 180.0  # for the code; the examination comes after it
PATIENCE, LOOK = 20, 600  # seconds until code that does not stop is left to itself, and for an examination
COPIED, FILES = 200 * 2**20, 2000  # bytes and files that are copied; what is more is linked
INSTALLS = re.compile(r"^([ \t]*)[!%](?:\S*python\S* -m )?(?:pip3?|conda|mamba|apt|apt-get)\b.*$", re.M)
WRAPS = re.compile(r"\A\s*%%(?:time|capture|prun)\b.*$", re.M)  # a cell runs the same without
CHILD = "import sys, json; from ganedu.doctor import files; files.answer(json.loads(sys.argv[1]))"


@dataclass(frozen=True)
class Part:
    """A script, or a cell: its code, and what it is called where something is said of it."""

    source: str
    where: str  # "", or "cell In[3], "


def examine_file(path: str | os.PathLike, chosen: dict[str, str] | None = None, seconds: float = SECONDS):
    """(report as a text, whether it is healthy) on the script (.py) or notebook (.ipynb) in `path`, whose code is run.

    `chosen` says who is who, {role of `ROLES`: Python expression}, where names do not. After `seconds` the code is
    stopped, and what is there by then is examined. Its input is empty, its plots are not shown, what it prints is not
    kept, and a notebook's calls of pip, conda and apt are left out. Raises, before anything runs, FileNotFoundError or
    OSError without a file, ValueError for one that holds no Python and for an expression that is none; ValueError as
    well for an expression that has no value in the end; RuntimeError where the code ends its process.
    """
    path, chosen = Path(path), chosen or {}
    parts(path)
    for role, text in chosen.items():
        if role not in ROLES:
            raise ValueError(f"{role} is no role: choose one of {', '.join(ROLES)}.")
        try:
            ast.parse(text, mode="eval")
        except (SyntaxError, ValueError):
            raise ValueError(
                f"{role} {text!r} is no expression: give a name in {path.name}, such as netG, or a lambda."
            ) from None
    with tempfile.TemporaryDirectory(prefix="ganedu-", ignore_cleanup_errors=True) as place:
        copy, linked = beside(path, Path(place))
        said = Path(place) / "answer.json"
        job = {"path": str(copy), "chosen": chosen, "seconds": seconds, "said": str(said), "linked": linked}
        package = str(Path(__file__).parents[2])
        paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, package]), "PYTHONIOENCODING": "utf-8:replace",
               "MPLBACKEND": "Agg", "IPYTHONDIR": place}  # fmt: skip
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = subprocess.run([sys.executable, "-c", CHILD, json.dumps(job)], cwd=copy.parent, env=env,
                                    timeout=seconds + PATIENCE + LOOK, **nothing).returncode  # fmt: skip
        if not said.exists():
            raise RuntimeError(f"the process that ran {path.name} ended (status {status}) before it could be examined.")
        found = json.loads(said.read_text(encoding="utf-8"))
    if found["error"]:
        raise {"value": ValueError, "run": RuntimeError}[found["error"]](found["text"])
    return found["text"], found["healthy"]


# ---------------------------------------------------------------------------------------------------- before it runs


def parts(path: Path) -> list[Part]:
    """The code of a file: one part of a script, one a cell. Raises what `examine_file` raises of a file."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is no run: give the folder of one, a script (.py) or a notebook (.ipynb).")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: check its name, or give the folder of a run.")
    found = [Part(_script(path), "")] if path.suffix == ".py" else _cells(path)
    if not any(p.source.strip() for p in found):
        raise ValueError(f"{path} holds no code: there is nothing to run.")
    return found


def _script(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            source = file.read()
        ast.parse(source)
        return source
    except SyntaxError as e:
        raise ValueError(f"{path} is no Python, line {e.lineno}: {e.msg}.") from None
    except ValueError as e:
        raise ValueError(f"{path} is no Python: {e}.") from None


def _cells(path: Path) -> list[Part]:
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        language = notebook.metadata.get("kernelspec", {}).get("language", "python")
        cells = [c.source for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    except Exception as e:  # of any kind, as the file may hold anything
        raise ValueError(f"{path} is damaged, or no notebook: {' '.join(str(e).split())[:200]}.") from None
    if language.lower() != "python":
        raise ValueError(f"{path} is written in {language}: the doctor reads Python.")
    plain = [WRAPS.sub("#", INSTALLS.sub(r"\1pass", source)) for source in cells]
    return [Part(source, f"cell In[{i}], ") for i, source in enumerate(plain, 1)]


def beside(path: Path, place: Path) -> tuple[Path, list[str]]:
    """The file in a copy of its folder, in `place`; and the names in it that are links, as too large to be copied.

    Small files and folders come first, up to `COPIED` bytes and `FILES` files. What lies beside the folder is linked,
    so that ../data is found. Where no link can be made, as on Windows without its developer mode, the name is missing.
    """
    folder = path.resolve().parent
    home = place / "beside" / (folder.name or "folder")
    home.mkdir(parents=True)
    shutil.copy(path, home / path.name)
    linked, bytes_left, files_left = [], COPIED, FILES
    entries = [(*_size(entry), entry) for entry in folder.iterdir() if entry.name != path.name]
    for size, n, entry in sorted(entries, key=lambda row: row[:2]):
        if size > bytes_left or n > files_left or not _copied(entry, home / entry.name):
            if _linked(entry, home / entry.name):
                linked.append(entry.name)
            continue
        bytes_left, files_left = bytes_left - size, files_left - n
    with contextlib.suppress(OSError):
        for entry in [e for e in folder.parent.iterdir() if e != folder][:FILES]:
            _linked(entry, home.parent / entry.name)
    return home / path.name, linked


def _size(entry: Path) -> tuple[float, float]:
    """(bytes, files) of a file or folder; infinite where it is too large, or holds what is neither."""
    size, n, todo = 0, 0, [entry]
    try:
        while todo:
            here = todo.pop()
            n += 1
            if here.is_symlink() or not (here.is_dir() or here.is_file()):
                return float("inf"), n
            todo += here.iterdir() if here.is_dir() else ()
            size += 0 if here.is_dir() else here.stat().st_size
            if n + len(todo) > FILES or size > COPIED:
                return float("inf"), n
    except OSError:
        return float("inf"), n
    return size, n


def _copied(entry: Path, to: Path) -> bool:
    try:
        (shutil.copytree if entry.is_dir() else shutil.copy)(entry, to)
        return True
    except (OSError, shutil.Error):
        shutil.rmtree(to, ignore_errors=True)
        return False


def _linked(entry: Path, to: Path) -> bool:
    with contextlib.suppress(OSError):
        to.symlink_to(entry.resolve(), target_is_directory=entry.is_dir())
        return True
    return False


# -------------------------------------------------------------------------------------------------------- the run


@dataclass
class Run:
    """The code of a file, run in this process as `__main__`; what it left behind, and how it ended.

    Names inside a function are kept as they were when an optimiser stepped last, or when it was cut: a loop in main()
    is examined as well. So are the modes, train or eval, in which networks were called for that step.
    """

    path: Path
    module: types.ModuleType = field(default_factory=lambda: types.ModuleType("__main__"))
    frames: list = field(default_factory=list)  # of the file's functions, outermost first
    modes: dict = field(default_factory=dict)  # {module: whether it was training when a step was taken}
    called: dict = field(default_factory=dict)  # the same since that step
    error: BaseException | None = None
    where: str = ""
    late: bool = False
    took: float = 0.0

    def go(self, code: list[Part], seconds: float, give_up) -> "Run":
        """Run all parts, as far as they come, for `seconds`; where they then do not stop, call `give_up`."""
        start = time.perf_counter()
        self.module.__file__ = str(self.path)
        sys.modules["__main__"], sys.argv = self.module, [str(self.path)]
        transform = self._shell() if self.path.suffix == ".ipynb" else str
        at = {str(self.path) + (f":{i}" if p.where else ""): p for i, p in enumerate(code)}
        try:
            with self._hooks(), self._limit(seconds, give_up):
                for name, part in at.items():
                    if self.late:  # the cell before has made nothing of its being stopped
                        raise KeyboardInterrupt
                    source = transform(part.source)
                    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
                    exec(compile(source, name, "exec"), self.module.__dict__)
        except BaseException as e:  # whatever somebody's code raises
            self._ended(e, at, name)
        self.took = time.perf_counter() - start
        for module, training in self.modes.items():
            module.training = training
        return self

    @property
    def space(self) -> dict:
        """All names, those of inner functions before those of outer ones."""
        found = dict(self.module.__dict__)
        for frame in self.frames:
            found.update(frame.f_locals)
        return found

    @property
    def own(self) -> set[str]:
        """The modules that lie in the file's folder."""
        here = str(self.path.parent)
        files = [(name, getattr(m, "__file__", None)) for name, m in list(sys.modules.items())]
        return {"__main__"} | {name for name, file in files if isinstance(file, str) and file.startswith(here)}

    def _shell(self):
        """What turns a cell into Python, magics and all. Plots are not shown, whatever %matplotlib asks for."""
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config({"HistoryManager": {"enabled": False}})
        shell = InteractiveShell.instance(config=config, user_module=self.module, user_ns=self.module.__dict__)
        shell.register_magic_function(lambda line: None, "line", "matplotlib")
        return shell.transform_cell

    @contextlib.contextmanager
    def _hooks(self):
        from torch.nn.modules.module import register_module_forward_pre_hook
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        hooks = [register_module_forward_pre_hook(lambda module, _: self.called.__setitem__(module, module.training)),
                 register_optimizer_step_pre_hook(lambda *_: self._note(sys._getframe()))]  # fmt: skip
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, frame) -> None:
        self.modes |= self.called
        self.called.clear()
        stack = []
        while frame is not None:
            stack.append(frame)
            frame = frame.f_back
        self.frames = self._of_file(reversed(stack))

    def _of_file(self, frames) -> list:
        here = str(self.path.parent)
        return [f for f in frames if f.f_code.co_filename.startswith(here) and f.f_locals is not f.f_globals]

    @contextlib.contextmanager
    def _limit(self, seconds: float, give_up):
        """KeyboardInterrupt in the code after `seconds`, and again each second."""
        done = threading.Event()

        def stop(*_):
            if not done.is_set():
                raise KeyboardInterrupt

        def watch():
            for wait in (seconds, *(1.0,) * PATIENCE):
                if done.wait(wait):
                    return
                self.late = True
                if hasattr(signal, "pthread_kill"):  # it also wakes a sleeper
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                else:
                    signal.raise_signal(signal.SIGINT)
            give_up()

        before = signal.signal(signal.SIGINT, stop)
        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            done.set()
            signal.signal(signal.SIGINT, before)

    def _ended(self, error: BaseException, at: dict[str, Part], name: str) -> None:
        """Note why and where: the innermost line of the file. sys.exit() without a reason is an end like any other."""
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return
        frames, lines, t = [], [], error.__traceback__
        while t is not None:
            frames.append(t.tb_frame)
            lines += [(t.tb_frame.f_code.co_filename, t.tb_lineno)] if t.tb_frame.f_code.co_filename in at else []
            t = t.tb_next
        self.frames = self._of_file(frames) or self.frames
        file, line = lines[-1] if lines else (name, getattr(error, "lineno", None) or 1)
        text = (linecache.getline(file, line) if file in linecache.cache else at[file].source.splitlines()[0]).strip()
        self.error, self.where = error, f"{at[file].where}line {line}: {text[:100]}"

    def __str__(self) -> str:
        name = self.path.name
        if self.error is None:
            return f"{name} ran to its end in {self.took:.0f} s."
        if self.late:
            cause = f"after {self.took:.0f} s, as --seconds allows"
        else:
            cause = f"after {self.took:.0f} s by {type(self.error).__name__}: {' '.join(str(self.error).split())[:200]}"
        return f"{name} was stopped {cause}\n    in {self.where}\nWhat was there by then is examined."


# ------------------------------------------------------------------------------------------------------ what is said


def answer(job: dict) -> None:
    """Run the file of a job and write into job["said"] what is to be said: the work of the process of its own."""
    import matplotlib
    import torch

    torch.optim.Adam([torch.zeros(1)])  # the first one imports for seconds, which are not the code's
    path, said = Path(job["path"]), Path(job["said"])

    def put(text: str, healthy: bool = False, error: str = "") -> None:
        said.write_text(json.dumps({"text": text, "healthy": healthy, "error": error}), encoding="utf-8")

    def give_up() -> None:
        put(
            f"{path.name} does not stop {PATIENCE} s after its time, and was ended: nothing could be examined.",
            error="run",
        )
        os._exit(1)

    sys.path[0] = str(path.parent)
    sys.stdin = io.StringIO()  # input() meets its end
    matplotlib.use = lambda *_, **__: None  # no window, whatever the code asks for
    code = parts(path)
    run = Run(path).go(code, job["seconds"], give_up)
    try:
        put(*examined(run, code, job["chosen"], job["linked"]))
    except ValueError as e:
        put(str(e), error="value")
    except Exception as e:
        put(f"the examination of {path.name} broke off, {type(e).__name__}: {e}", error="run")
    os._exit(0)  # threads and exit handlers of the code are not waited for


def examined(run: Run, code: list[Part], chosen: dict[str, str], linked: list[str] = ()) -> tuple[str, bool]:
    """(what is said of a run, whether it is healthy). Raises ValueError for a choice that has no value."""
    from .names import Unclear, search

    lines = [str(run)]
    if linked:
        lines.append(f"Too large to be copied, so linked: {', '.join(linked)}. What it wrote there stays there.")
    try:
        seen = search(run.space, chosen, run.own)
    except Unclear as e:
        return "\n".join([*lines, f"could not tell: {e}"]), False
    lines += [f"found: {seen}"] if seen.roles else []
    bare = "trainer" not in seen and "step" not in seen
    lines += [no_step(code, seen, run.path.name)] if bare and {"G", "D"} & seen.roles.keys() else []
    report = examine(**seen.arguments())
    if bare and "round" in report.case.why_not:
        report.case.why_not["round"] = "no step was found"  # how to give one is said above
    missing = [] if "trainer" in seen else [seen.missing.get(r, f"no {r} was found") for r in ("G", "D", "x_real")
                                            if r not in seen]  # fmt: skip
    if missing and not report.sick:
        say = "Say which by --G, --D, --x-real; their values are Python, evaluated when the code has ended"
        lines.append(f"could not tell: {'; '.join(missing)}. {say}.")
    else:
        lines.append(str(report))
    return "\n".join(lines), report.healthy and (run.error is None or run.late)


def no_step(code: list[Part], seen, name: str) -> str:
    """That the wiring was not looked at, and how to give a step, in the words of the loop at hand."""
    said = "no step was found, so what a step does to G and D was not looked at."
    trees = [(part, tree) for part in code if (tree := _tree(part.source)) is not None]
    for part, tree in trees:
        if (loop := _loop(tree)) is not None:
            what = f"what the loop in {part.where}line {loop.lineno} does with one batch"
            return f"{said} Put {what} into a function:\n{_as_function(loop, seen)}"
    named = [f.name for _, tree in trees for f in ast.walk(tree)
             if isinstance(f, ast.FunctionDef) and _calls_backward(f)]  # fmt: skip
    if named:
        calls = ", ".join(f"{n}(x)" for n in named[:2])
        return (f"{said} Functions that call backward(): {', '.join(named)}. Say what one step of both players is:\n"
                f"    ganedu doctor {name} --step 'lambda x: ({calls})'")  # fmt: skip
    return f"{said} Say which function takes one step of both players on a batch: --step NAME."


def _as_function(loop: ast.For | ast.While, seen) -> str:
    """A loop as one that calls step(batch); what makes the batch stays in it."""
    batch = _batch_of(loop, seen)
    made = [i for i, s in enumerate(loop.body[:-1], 1) if isinstance(s, ast.Assign)
            and any(isinstance(n, ast.Name) and n.id == batch for t in s.targets for n in ast.walk(t))]  # fmt: skip
    stay, go = loop.body[: made[-1] if made else 0], loop.body[made[-1] if made else 0 :]
    head = ast.unparse(loop).partition("\n")[0]
    lines = [f"    def step({batch}):", f"        ...  # {_lines(go)}", f"    {head}"]
    lines += [f"        ...  # {_lines(stay)}"] if stay else []
    return "\n".join([*lines, f"        step({batch})"])


def _lines(statements: list[ast.stmt]) -> str:
    first, last = statements[0].lineno, statements[-1].end_lineno
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M))
    except (SyntaxError, ValueError):
        return None


def _calls_backward(node: ast.AST) -> int:
    return sum(isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "backward"
               for n in ast.walk(node))  # fmt: skip


def _loop(tree: ast.AST) -> ast.For | ast.While | None:
    """The innermost loop that holds as many calls of backward() as any: both players take their turn in it."""
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While) and _calls_backward(n)]
    most = max(map(_calls_backward, loops), default=0)
    return min((n for n in loops if _calls_backward(n) == most), key=lambda n: n.end_lineno - n.lineno, default=None)


def _batch_of(loop: ast.For | ast.While, seen) -> str:
    """What the loop calls its batch: a name that it runs over and takes no part of, or else one that it makes."""
    from .names import plays

    target = ast.walk(loop.target) if isinstance(loop, ast.For) else ()
    over = [n.id for n in target if isinstance(n, ast.Name) and plays(n.id, "x_real")]
    parts_of = {n.value.id for n in ast.walk(loop) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)}
    whole = [name for name in over if name not in parts_of]
    stored = [n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    found = seen.roles["x_real"][0] if "x_real" in seen else ""
    made = [name for name in stored if plays(name, "x_real") and name not in parts_of]
    return next(iter([*whole, *([found] if found in stored else []), *made]), "x_real")

"""A notebook in a kernel of its own, and files in their place: whole or not there, whatever stops it."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganedu.course import kernel

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def all_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


# ------------------------------------------------------------------------------------------------- files in their place


def test_files_are_put_with_the_folders_they_need_and_links_are_replaced(tmp_path):
    (tmp_path / "teachers").write_text("theirs")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").symlink_to(tmp_path / "teachers")
    kernel.check_place(tmp_path / "x", ["a", "in/b"])
    kernel.put(tmp_path / "x", {"a": b"1", "in/b": b"2"})
    assert all_in(tmp_path) == {"teachers": b"theirs", "x": b"", "x/a": b"1", "x/in": b"", "x/in/b": b"2"}
    assert not (tmp_path / "x" / "a").is_symlink()


def test_a_look_at_a_place_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (Path("new/and/more"), Path("."), Path("there/../new"), tmp_path / "here"):
        (tmp_path / "there").mkdir(exist_ok=True)
        kernel.check_place(folder, ["a", "in/b"])
        assert all_in(tmp_path) == {"there": b""}


def test_what_an_earlier_kill_left_is_removed(tmp_path):
    left = tmp_path / f"{kernel.STAGING}x1y2"
    (left / "in").mkdir(parents=True)
    (left / "in" / ".b.123").write_bytes(b"half")
    kernel.put(tmp_path, {"a": b"1"})
    assert all_in(tmp_path) == {"a": b"1"}


def test_nothing_is_written_through_a_link_that_stands_where_files_are_prepared(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a").write_bytes(b"theirs")
    (tmp_path / "x").mkdir()
    for name in ("", "x", "a", "a1b2c3d4"):
        (tmp_path / "x" / f"{kernel.STAGING}{name}").symlink_to(tmp_path / "theirs")
    kernel.put(tmp_path / "x", {"a": b"1"})
    assert (tmp_path / "theirs" / "a").read_bytes() == b"theirs" and (tmp_path / "x" / "a").read_bytes() == b"1"


@settings(max_examples=60, deadline=None, print_blob=True)
@given(
    old=st.dictionaries(st.sampled_from("abcde"), st.binary(max_size=9)),
    new=st.dictionaries(st.sampled_from("abcde"), st.binary(max_size=9), min_size=1),
    at=st.integers(0, 11),
    name=st.sampled_from(["fsync", "replace"]),
    number=st.sampled_from(["ENOSPC", "EIO", "EACCES"]),
)
def test_every_file_is_whole_wherever_writing_fails(tmp_path_factory, old, new, at, name, number):
    folder, left, real = tmp_path_factory.mktemp("put"), iter(range(99)), getattr(os, name)
    for file, data in old.items():
        (folder / file).write_bytes(data)

    def fail(*args):
        if next(left) == at:
            raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)))
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, fail)
        try:
            kernel.put(folder, new)
        except OSError as e:
            assert e.errno == getattr(errno, number)
        else:
            assert at >= len(new) * (1 if name == "fsync" else 2)
            assert all_in(folder) == old | new
    there = all_in(folder)
    assert old.keys() <= there.keys() <= old.keys() | new.keys()
    assert all(data in (old.get(file), new.get(file)) for file, data in there.items())
    if at < len(new) + (name == "replace"):
        assert there == old, "none of them"


# -------------------------------------------------------------------------------------------------------- the notebook


def test_braces_in_names_and_the_terminal_stays_clean(tmp_path, monkeypatch, capfd):
    (tmp_path / "a{b} {").mkdir()
    notebook = write(tmp_path / "a{b} {" / "01_{x}.ipynb", "print(6 * 7)")
    made = kernel.execute(notebook, {}, tmp_path)
    assert made.cells[0].outputs[0].text == "42\n" and "papermill" not in made.metadata
    assert "IPKernelApp" not in capfd.readouterr().err
    assert sorted(all_in(tmp_path)) == ["a{b} {", "a{b} {/01_{x}.ipynb"]


def test_a_kernel_that_dies_is_told_so_and_its_notebook_kept(tmp_path):
    notebook, keep = write(tmp_path / "01_x.ipynb", "print(1)", "import os\nos._exit(1)"), tmp_path / "out" / "x.ipynb"
    with pytest.raises(RuntimeError, match=r"the kernel died, mostly for want of memory.*it stands in .*x\.ipynb"):
        kernel.execute(notebook, {}, tmp_path, keep)
    assert nbformat.read(keep, 4).cells[0].outputs[0].text == "1\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [("x = 1\nassert x == 2, f'x is {x}'", "cell [1], \"assert x == 2, f'x is {x}'\", raised AssertionError: x is 1"),
     ("assert 1 == 2", "cell [1], 'assert 1 == 2', raised AssertionError"),
     ("def f():\n    raise ValueError('a\\nb' * 999)\n\n\nf()", "cell [1], 'f()', raised ValueError: a ba ba"),
     ("1 +", "cell [1] raised SyntaxError: invalid syntax")],
)  # fmt: skip
def test_what_a_cell_raised_and_on_which_line(source, said, tmp_path):
    with pytest.raises(RuntimeError) as e:
        kernel.execute(write(tmp_path / "01_x.ipynb", source), {}, tmp_path)
    assert str(e.value).startswith(said) and len(str(e.value)) < 500


STOPPED = """
import signal, sys
# where these tests are a shell's background job, or began with nohup, these signals are ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from ganedu.__main__ import main
from ganedu.course import notebooks
notebooks.folder = Path("notebooks").resolve
sys.exit(main(["run", "01", "--out", "out"]))
"""


def wait_for(path: Path, process: subprocess.Popen) -> str:
    for _ in range(1200):
        if path.exists() and (text := path.read_text()):
            return text
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.05)
    raise AssertionError("the notebook did not begin within a minute")


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":  # nobody waits for it here
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix knows them")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP", "SIGKILL"])
def test_a_run_that_is_stopped_leaves_no_kernel_and_nothing_half(name, tmp_path):
    for folder in ("notebooks", "out", "temporary"):
        (tmp_path / folder).mkdir()
    cells = "print('first')", "import os, time\nopen('../pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    write(tmp_path / "notebooks" / "01_x.ipynb", *cells)
    (tmp_path / "out" / "01_x.ipynb").write_text("an earlier one")
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        pid = int(wait_for(tmp_path / "pid", process))
        process.send_signal(getattr(signal, name))
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert gone(pid) and "Traceback" not in err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["01_x.ipynb"]
    text = (tmp_path / "out" / "01_x.ipynb").read_text(encoding="utf-8")
    if name == "SIGKILL":
        assert process.returncode == -signal.SIGKILL and text == "an earlier one"
        return
    assert process.returncode == 130 and err.endswith("stopped. As far as it came, it stands in out/01_x.ipynb.\n")
    assert "first" in text and not list((tmp_path / "temporary").glob("ganedu-*"))

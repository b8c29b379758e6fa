"""The report of a run: three files whose numbers are those of the measures called by hand; or nothing at all."""

import errno
import html.parser
import json
import math
import os
import signal
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from small_report import ODD, N

from ganedu import checkpoints, metrics
from ganedu.__main__ import main
from ganedu.data import images
from ganedu.report import summary, write
from ganedu.runs import recipes

FILES = ["report.html", "report.ipynb", "report.json"]


@pytest.fixture(scope="module")
def one(runs):
    """The report of one run, in its own folder."""
    assert main(["report", str(runs / "cgan"), "--n", str(N)]) == 0
    return runs / "cgan" / "report"


@pytest.fixture(scope="module")
def two(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "new" / "compared"
    paths = write.report([runs / "cgan", runs / ODD], out, N)
    assert paths == (out / "report.ipynb", out / "report.html", out / "report.json")
    return out


@pytest.fixture(scope="module")
def judge(digits):
    return metrics.train_judge(digits, seed=0)


def numbers(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------- what comes out


def test_three_files_and_nothing_else(runs, one, two):
    for folder in (one, two):
        assert sorted(p.name for p in folder.iterdir()) == FILES
    assert sorted(p.name for p in (runs / "cgan").iterdir()) == [
        ".lock", "checkpoint.safetensors", "records.json", "report", "samples.png",
    ]  # fmt: skip
    assert not [p for p in two.parents[1].iterdir() if p.name.startswith(".")]


def test_figures_are_those_of_judge_all_called_by_hand(runs, one, two, digits, judge):
    by_seed = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:N]
    real, train = metrics.features(judge, digits.x_test[by_seed]), metrics.features(judge, digits.x)
    labels = digits.labels[torch.randint(4000, (N,), generator=torch.Generator().manual_seed(0))]
    for folder, name, y in ((one, "cgan", labels), (two, "cgan", labels), (two, ODD, None)):
        fakes = recipes.load_trainer(runs / name).sample(N, y, seed=0)
        fake, p = metrics.features(judge, fakes), metrics.probabilities(judge, fakes)
        expected = metrics.judge_all(real, fake, train, p)
        found = numbers(folder)["runs"][name]
        assert found.keys() == expected.keys() == summary.MEASURES.keys()
        for measure, estimate in expected.items():
            for part, value in estimate._asdict().items():
                written = found[measure][part]
                assert written is None if math.isnan(value) else written == pytest.approx(value, rel=1e-6, abs=1e-9)
    halves = numbers(two)["yardstick"]
    assert halves["n"] == 128
    distance = metrics.frechet_distance(real[:128], real[128:])
    assert halves["real"]["frechet_distance"]["value"] == pytest.approx(distance, rel=1e-6)
    at_half = halves["runs"][ODD]["recall"]["value"]
    assert at_half == pytest.approx(metrics.recall(real[:128], fake[:128]))


def test_figures_of_classes_are_shares_counted_by_hand(runs, two, digits, judge):
    labels = digits.labels[torch.randint(4000, (N,), generator=torch.Generator().manual_seed(0))]
    fakes = recipes.load_trainer(runs / "cgan").sample(N, labels, seed=0)
    right = metrics.predict(judge, fakes) == labels
    found = numbers(two)["classes"]
    assert list(found) == ["cgan"]  # the other was told no class
    for c, estimate in enumerate(found["cgan"]["accuracy"]):
        assert estimate["value"] == pytest.approx(float(right[labels == c].float().mean()))
        assert estimate["low"] - 1e-12 <= estimate["value"] <= estimate["high"] + 1e-12
    chosen = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:N]
    real, fake = metrics.features(judge, digits.x_test[chosen]), metrics.features(judge, fakes)
    by_hand = metrics.recall_per_class(real, digits.labels_test[chosen], fake, labels)
    assert [e["value"] for e in found["cgan"]["recall"]] == pytest.approx(by_hand.tolist())


def test_the_file_says_what_its_figures_stand_on(runs, two, digits, judge):
    found = numbers(two)
    assert (found["n"], found["reference"], found["steps"]) == (N, N, {"cgan": 30, ODD: 30})
    for name in ("cgan", ODD):
        assert found["seconds"][name] == checkpoints.read(runs / name)[1]["seconds"]
    assert found["data"] == {"name": "digits", "image_size": 16, "channels": 1, "training": 4000, "held_out": 1000,
                             "classes": list("0123456789")}  # fmt: skip
    share = float((metrics.predict(judge, digits.x_test) == digits.labels_test).float().mean())
    assert found["judge"]["accuracy"]["value"] == pytest.approx(share)
    assert (found["judge"]["kind"], found["judge"]["seed"]) == ("classifier", 0)


def test_the_page_is_whole_in_itself_and_has_texts_for_its_pictures(one, two):
    for folder, pictures in ((one, 6), (two, 7)):
        found = page(folder)
        images = [attrs for tag, attrs in found.tags if tag == "img"]
        assert len(images) == pictures
        assert all(len(a["alt"]) > 40 and a["src"].startswith("data:image/png;base64,") for a in images)
        assert not [t for t, attrs in found.tags if t in ("script", "link", "iframe") or "http" in attrs.get("src", "")]
        assert "Traceback" not in found.text and "summary(folders" not in found.text
        sections = ("What the runs are", "What they draw", "How good they are", "Are they copies?", "Losses and logits",
                    "Classes", "What the doctor finds", "What the numbers stand on")  # fmt: skip
        assert all(section in found.text for section in sections)
        assert "They do not measure quality" in found.text and f"{N} fakes of each run" in found.text


def test_names_of_folders_are_text_and_not_markup(two):
    found = page(two)
    assert ODD in found.text and not [tag for tag, _ in found.tags if tag == "i"]


def test_both_runs_stand_side_by_side(one, two):
    text = page(two).text
    assert "The lowest Fréchet distance is that of" in text and "The lowest" not in page(one).text
    assert numbers(one)["runs"]["cgan"] == numbers(two)["runs"]["cgan"]


def test_the_notebook_is_stored_as_run_without_places_of_this_machine(one, runs):
    text = (one / "report.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert not [o for c in code for o in c.outputs if o.output_type == "error"]
    assert "ganedu-" not in text and '"papermill"' not in text


def test_the_notebook_that_ships_is_empty_and_has_its_parameters():
    notebook = nbformat.read(write.NOTEBOOK, as_version=4)
    assert not [c for c in notebook.cells if c.get("outputs") or c.get("execution_count")]
    tagged = [c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and "folders = " in tagged[0] and "n = " in tagged[0]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not any(c.isdigit() for c in cell.source), "a sentence with a number is computed"


# ------------------------------------------------------------------------------------------------------- how it is made


def counted(monkeypatch, calls, module, name):
    original = getattr(module, name)

    def noted(what):
        calls.append((name, getattr(what, "name", what)))
        return original(what)

    monkeypatch.setattr(module, name, noted)


def test_a_run_is_read_once(runs, judge, tmp_path, monkeypatch):
    """Each process, the calling one and the notebook's, which is run here in its place, reads runs and images once."""
    calls = []
    for module, name in ((checkpoints, "read"), (images, "_shipped")):
        counted(monkeypatch, calls, module, name)
    folders = [runs / "cgan", runs / ODD]
    once = [("read", "cgan"), ("read", ODD), ("_shipped", "digits")]
    space = {}

    def execute(notebook, path, parameters, **kw):
        assert calls == once
        calls.clear()
        for cell in nbformat.read(notebook, as_version=4).cells:
            if cell.cell_type == "code":
                exec(cell.source, space)
                space.update(parameters if "parameters" in cell.metadata.tags else {})
        raise RuntimeError("enough seen")

    monkeypatch.setattr("papermill.execute_notebook", execute)
    monkeypatch.setattr(metrics, "train_judge", lambda images, seed: judge)
    with pytest.raises(RuntimeError, match="enough seen"), plt.rc_context():
        write.report(folders, tmp_path, N)
    assert calls == once
    assert [r.name for r in space["runs"]] == ["cgan", ODD]


@pytest.fixture
def done(monkeypatch):
    """A report whose notebook is there at once."""
    cell = nbformat.v4.new_code_cell(
        "", outputs=[nbformat.v4.new_output("display_data", {"application/json": {"n": 1}})]
    )
    made = nbformat.v4.new_notebook(cells=[cell])
    monkeypatch.setattr("papermill.execute_notebook", lambda notebook, path, values, **kw: nbformat.write(made, path))


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "stop"]
)
@pytest.mark.parametrize(("name", "calls"), [("fsync", 0), ("fsync", 1), ("fsync", 2), ("replace", 0), ("replace", 3)])
def test_the_last_report_stays_whole_where_a_new_one_cannot_be_written(
    name, calls, error, runs, done, tmp_path, monkeypatch, capsys
):
    out, real, left = tmp_path / "out", getattr(os, name), iter(range(9))
    out.mkdir()
    for file in FILES:
        (out / file).write_text("the last one")

    def fail(*args):
        if next(left) == calls:
            raise error
        return real(*args)

    command = ["report", str(runs / ODD), "--n", str(N), "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        assert main([*command, str(out)]) == (1 if isinstance(error, OSError) else 130)
    assert {p.name: p.read_text() for p in out.iterdir()} == dict.fromkeys(FILES, "the last one")
    said = capsys.readouterr().err
    assert "Traceback" not in said and ("cannot write" in said or "stopped" in said)
    assert main([*command, str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == FILES and (out / "report.json").read_text() == '{\n "n": 1\n}\n'


def test_links_are_replaced_and_what_they_lead_to_stays(runs, done, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_text("mine")
    for file in FILES:
        (out / file).symlink_to(tmp_path / "mine")
    write.report([runs / ODD], out, N)
    assert not any(p.is_symlink() for p in out.iterdir()) and (tmp_path / "mine").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix knows them")
def test_a_report_that_is_ended_leaves_nothing_and_the_last_one_as_it_was(runs, tmp_path):
    waits = nbformat.read(write.NOTEBOOK, as_version=4)
    waits.cells = [c for c in waits.cells if "parameters" in c.metadata.get("tags", ())]
    waits.cells.append(nbformat.v4.new_code_cell("import time\nopen('begun', 'w').close()\ntime.sleep(600)"))
    nbformat.write(waits, tmp_path / "waits.ipynb")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("the last one")
    command = ["report", str(runs / ODD), "--n", str(N), "--out", "out"]
    code = (
        "import sys; from pathlib import Path; from ganedu.__main__ import main; from ganedu.report import write\n"
        f"write.NOTEBOOK = Path('waits.ipynb'); sys.exit(main({command!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.endswith("ganedu: stopped.\n") and "Traceback" not in err
    assert {p.name: p.read_text() for p in (tmp_path / "out").iterdir()} == {"report.html": "the last one"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["begun", "out", "waits.ipynb"]


def test_a_cell_that_raises_leaves_nothing_behind_and_the_last_report_as_it_was(runs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("the last one")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell("folders, n = [], 0", metadata={"tags": ["parameters"]}),
             nbformat.v4.new_code_cell("1 / 0")]  # fmt: skip
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "broken.ipynb")
    monkeypatch.setattr(write, "NOTEBOOK", tmp_path / "broken.ipynb")
    assert main(["report", str(runs / ODD), "--n", str(N), "--out", str(out)]) == 1
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert main(["report", str(runs / ODD), "--n", str(N), "--out", str(tmp_path / "new" / "out")]) == 1
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        "broken.ipynb", "out", "out/report.html",
    ]  # fmt: skip
    assert (out / "report.html").read_text() == "the last one"

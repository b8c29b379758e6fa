"""The report of a run: three files whose figures are those of the measures called by hand; or a clear answer."""

import html.parser
import json
import math
import shutil

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from PIL import Image

from ganedu import checkpoints, data, metrics
from ganedu.__main__ import main
from ganedu.data import fetch
from ganedu.report import figures, summary, write
from ganedu.runs import recipes

TINY = ["--image-size", "16", "--width", "4", "--steps", "30"]
ODD = "b <i>$x_1$ & so on"  # a folder may be called so
FILES = ["report.html", "report.ipynb", "report.json"]
N = 256


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert main(["train", "cgan", *TINY, "--out", str(folder / "cgan")]) == 0
    assert main(["train", "dcgan", *TINY, "--out", str(folder / ODD)]) == 0
    return folder


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
def digits():
    return data.load("digits", image_size=16)


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


# --------------------------------------------------------------------------------------------------- what comes out


def test_three_files_and_nothing_else(runs, one, two):
    for folder in (one, two):
        assert sorted(p.name for p in folder.iterdir()) == FILES
    assert sorted(p.name for p in (runs / "cgan").iterdir()) == [
        "checkpoint.safetensors", "records.json", "report", "samples.png",
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
    assert ".report-" not in text and '"papermill"' not in text


def test_the_notebook_that_ships_is_empty_and_has_its_parameters():
    notebook = nbformat.read(write.NOTEBOOK, as_version=4)
    assert not [c for c in notebook.cells if c.get("outputs") or c.get("execution_count")]
    tagged = [c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and "folders = " in tagged[0] and "n = " in tagged[0]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not any(c.isdigit() for c in cell.source), "a sentence with a number is computed"


# ------------------------------------------------------------------------------------------------ errors before work


def _changed(source, target, **settings):
    tensors, header, history = checkpoints.read(source)
    header["settings"] |= settings
    checkpoints.write(target, tensors, header, history)


@pytest.fixture
def no_work(monkeypatch):
    import papermill

    def fail(*args, **kw):
        raise AssertionError("work began")

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    monkeypatch.setattr(metrics, "train_judge", fail)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["{runs}/nowhere"], "no checkpoint in"),
        (["{runs}/cgan", "{runs}/nowhere"], "no checkpoint in"),
        (["{runs}/cgan", "{runs}/cgan"], "both called 'cgan'"),
        (["{runs}/cgan", "{other}/cgan"], "both called 'cgan'"),
        (["{runs}/cgan", "{other}/large"], "image size of {runs}/cgan is 16, of {other}/large 28"),
        (["{runs}/cgan", "{other}/clothes"], "cannot share a judge"),
        (["{runs}/cgan", "{other}/colour"], "channels of {runs}/cgan is 1, of {other}/colour 3"),
        (["{runs}/cgan", "--n", "255"], "Give 256 to 10,000"),
        (["{runs}/cgan", "--n", "10001"], "n=10,001 fakes are more than is sensible"),
        (["{other}/gone"], "there is no such folder"),
        (["{other}/full"], "mnist70k, which is not on this machine"),
        (["{other}/grown"], "3,999 training images"),
        (["{other}/lies"], "another model"),
        (["{runs}/cgan", *(f"{{runs}}/{i}" for i in range(6))], "7 runs do not fit one report"),
        (["{runs}/cgan", "--out", "{other}/file"], "is a file"),
        (["{runs}/cgan", "--out", "{other}/file/in/it"], "is a file"),
    ],
)
def test_bad_input_is_answered_before_any_work(arguments, hint, runs, tmp_path, capsys, no_work, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(runs / "cgan", other / "cgan")
    for name, settings in {"large": {"image_size": 28}, "clothes": {"data": "fashion"}, "colour": {"channels": 3},
                           "gone": {"data": "pictures/that/were"}, "full": {"data": "mnist70k"},
                           "grown": {"n_images": 3999}, "lies": {"width": 8}}.items():  # fmt: skip
        _changed(runs / "cgan", other / name, **settings)
    (other / "file").write_text("in the way")
    monkeypatch.setattr(fetch, "where", lambda name: None)
    monkeypatch.chdir(tmp_path)
    before = {p: p.read_bytes() for folder in (tmp_path, runs) for p in folder.rglob("*") if p.is_file()}
    capsys.readouterr()
    places = {"runs": runs, "other": other}
    assert main(["report", *(a.format(**places) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ganedu: ") and hint.format(**places) in err and "Traceback" not in err
    after = {p: p.read_bytes() for folder in (tmp_path, runs) for p in folder.rglob("*") if p.is_file()}
    assert before == after and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [[], ["x", "--n", "0"], ["x", "--n", "many"]])
def test_usage_errors_end_with_status_2(arguments):
    with pytest.raises(SystemExit) as e:
        main(["report", *arguments])
    assert e.value.code == 2


def test_few_images_held_out_and_few_classes(runs, digits):
    few = data.Images("few", digits.x, digits.labels, digits.x_test[:255], digits.labels_test[:255], data.DIGITS)
    own = recipes.read_run(runs / "cgan")[1]
    with pytest.raises(ValueError, match="holds out 255 images, and distances need 256"):
        write._check_images(few, [runs / "cgan"], [own])
    other = data.Images("digits", digits.x, digits.labels, digits.x_test, digits.labels_test, tuple("abcdefghij"))
    with pytest.raises(ValueError, match="has changed since the run"):
        write._check_images(other, [runs / "cgan"], [own])
    write._check_images(digits, [runs / "cgan"], [own])


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


# ------------------------------------------------------------------------------------------------ the numbers' parts


def test_labels_are_as_frequent_as_in_training(digits):
    skewed = data.Images("skewed", digits.x[:100], torch.tensor([0] * 80 + [1] * 20), digits.x_test[:10],
                         torch.zeros(10, dtype=torch.int64), ("a", "b"))  # fmt: skip
    labels = summary.fake_labels({"class_names": ["a", "b"]}, skewed, 5000)
    assert float((labels == 1).float().mean()) == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 5000))
    assert summary.fake_labels({"class_names": []}, skewed, 5) is None


def test_the_nearest_training_image_over_all_pieces(digits):
    x = data.to_float(digits.x_test[:20])
    brute = torch.cdist(x.flatten(1).double(), data.to_float(digits.x[:1000]).flatten(1).double()).argmin(1)
    for piece in (1000, 300, 7):
        assert torch.equal(summary.nearest_images(x, digits.x[:1000], piece), brute)
    copies = data.to_float(digits.x[[5, 999, 0]])
    assert summary.nearest_images(copies, digits.x[:1000], 300).tolist() == [5, 999, 0]


def test_without_classes_the_eyes_are_principal_components(digits):
    plain = data.Images("plain", digits.x[:2000], torch.zeros(2000, dtype=torch.int64), digits.x_test,
                        torch.zeros(1000, dtype=torch.int64))  # fmt: skip
    judge = summary.make_judge(plain)
    assert (judge.name, judge.net, judge.accuracy) == ("principal components", None, None)
    x = data.to_float(plain.x).flatten(1).double()
    largest = torch.linalg.svdvals(x - x.mean(0))[:64].square().sum()
    assert float(judge.look(plain.x).double().square().sum()) == pytest.approx(float(largest), rel=1e-2)
    assert torch.allclose(judge.look(plain.x[:7]), judge.look(data.to_float(plain.x[:7])), atol=1e-4)


def test_a_folder_of_images_without_classes(tmp_path, digits):
    (tmp_path / "pictures").mkdir()
    for i, x in enumerate(torch.cat([digits.x, digits.x_test])[:2700, 0]):
        Image.fromarray(x.numpy()).save(tmp_path / "pictures" / f"{i}.png")
    run = tmp_path / "run"
    assert main(["train", "dcgan", *TINY, "--data", str(tmp_path / "pictures"), "--out", str(run)]) == 0
    found = summary.summary([run], N)
    written = summary.as_json(found)
    assert written["runs"]["run"].keys() == summary.MEASURES.keys() - {"inception_score"}
    assert written["judge"]["accuracy"] is None and written["classes"] == {}
    json.dumps(written, allow_nan=False)


@pytest.fixture
def same(runs, digits, monkeypatch):
    """The summary of a run whose fakes are all one image."""
    image = data.to_float(digits.x[:1])
    monkeypatch.setattr(summary, "generate", lambda G, n, labels, seed: image.repeat(n, 1, 1, 1))
    return summary.summary([runs / "cgan"], N, digits)


def test_fakes_that_are_all_the_same_are_reported_and_not_measured(same):
    written = summary.as_json(same)
    assert written["runs"] == {"cgan": {}} and "fakes are the same" in written["not_measured"]["cgan"]
    assert same.runs[0].in_pixels.tolist() == [0] * summary.SHOWN == same.runs[0].in_features.tolist()
    assert "recall" in figures.classes(same)[1]
    json.dumps(written, allow_nan=False)


def test_drawings_say_when_there_is_nothing_to_draw(same):
    same.runs[0].history = {}
    assert figures.curves(same) is None
    same.runs[0].accuracy = []
    assert figures.classes(same) is None
    for fig, alt in (figures.samples(same), figures.logits(same)):
        assert len(alt) > 40
        plt.close(fig)


def test_a_class_without_a_figure_is_not_the_lowest():
    values = [metrics.Estimate(v) for v in (0.5, math.nan, 0.3)]
    assert figures.lowest(values) == 2 and figures.lowest([metrics.Estimate(math.nan)]) is None
    assert write.estimate(metrics.Estimate(0.25, 0.2, 0.3)) == "0.25 (0.2 to 0.3)"
    assert write.estimate(metrics.Estimate(1234.5)) == "1,234" and write.figure(math.nan) == "none"
    assert write.figure(7e-18) == "0" and write.figure(-0.5) == "-0.5"

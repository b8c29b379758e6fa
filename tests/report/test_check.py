"""What no report can be made of is refused before any work."""

import shutil

import pytest
from small_report import ODD, N

from ganedu import checkpoints, data, metrics
from ganedu.__main__ import main
from ganedu.data import fetch
from ganedu.report import check
from ganedu.runs import recipes


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
        (["{runs}/cgan", "--out", "{other}/folders"], "report.html is a folder, where a file is to be"),
        (["{runs}/cgan", "--out", "{other}/linked"], "report.json is a folder, where a file is to be"),
        (["{runs}/cgan", "--out", "{other}/dangling"], "is a file"),
        (["{runs}/cgan", "--out", "/proc/nobody"], "No such file or directory"),
        (["{runs}/cgan", "--out", "{other}/" + "n" * 300], "too long"),
    ],
)
def test_bad_input_is_answered_before_any_work(arguments, hint, runs, tmp_path, capsys, no_work, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(runs / "cgan", other / "cgan")
    for name, given in {"large": {"image_size": 28}, "colour": {"image_size": 16, "channels": 3}}.items():
        settings, images = recipes.prepare("cgan", "digits", width=4, **given)
        recipes.trainer(settings, images).save(other / name, settings)
    for name, settings in {"clothes": {"data": "fashion"}, "gone": {"data": "pictures/that/were"},
                           "full": {"data": "mnist70k"}, "grown": {"n_images": 3999},
                           "lies": {"width": 8}}.items():  # fmt: skip
        _changed(runs / "cgan", other / name, **settings)
    (other / "file").write_text("in the way")
    (other / "folders" / "report.html").mkdir(parents=True)
    (other / "linked").mkdir()
    (other / "linked" / "report.json").symlink_to(other / "folders")
    (other / "dangling").symlink_to("nowhere")
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


def test_what_was_read_comes_back_and_the_images_once(runs, no_work):
    contents, images = check.check([runs / "cgan", str(runs / ODD)], N)
    assert [header["settings"]["model"] for _, header, _ in contents] == ["cgan", "dcgan"]
    assert (images.name, images.image_size, len(images)) == ("digits", 16, 4000)


def test_few_images_held_out_and_few_classes(runs, digits):
    few = data.Images("few", digits.x, digits.labels, digits.x_test[:255], digits.labels_test[:255], data.DIGITS)
    own = recipes.read_run(runs / "cgan")[1]["settings"]
    with pytest.raises(ValueError, match="holds out 255 images, and distances need 256"):
        check._check_images(few, [runs / "cgan"], [own])
    other = data.Images("digits", digits.x, digits.labels, digits.x_test, digits.labels_test, tuple("abcdefghij"))
    with pytest.raises(ValueError, match="has changed since the run"):
        check._check_images(other, [runs / "cgan"], [own])
    check._check_images(digits, [runs / "cgan"], [own])

"""The cards of the doctor's findings: a picture where there is material, words alone where there is none."""

import base64
import io
import re
from dataclasses import fields

import numpy as np
import pytest
import torch

from ganedu.doctor import FINDINGS, Case, Finding, Report, cards, examine, patients

PNG = b"\x89PNG\r\n"


def images_of(page: str) -> list[tuple[str, bytes]]:
    """(text, PNG) of each picture on a page."""
    found = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', page)
    return [(alt, base64.b64decode(data)) for alt, data in found]


@pytest.fixture(scope="module")
def full():
    """A case with all material: labelled digits, a step and records."""
    run = patients.healthy("digits", 0, 4, conditional=True).train(4)
    case = examine(**run.material()).case
    assert all(getattr(case, f.name) is not None for f in fields(Case))
    case.history["loss_D"][2] = float("nan")
    return case


def test_every_finding_has_a_drawing_or_is_known_to_have_none():
    assert sorted([*cards.DRAWINGS, *cards.IN_WORDS]) == sorted(FINDINGS)


@pytest.mark.parametrize("key", cards.DRAWINGS)
def test_every_drawing_draws(key, full):
    data, text = cards.picture(key, full)
    assert data.startswith(PNG) and len(data) > 2000
    assert ". " in text and text.endswith(".") and "nan" not in text and "\n" not in text


@pytest.mark.parametrize("key", patients.PATIENTS)
def test_the_first_card_of_each_patient_has_a_picture(key):
    where = patients.PATIENTS[key].where
    run = patients.patient(key, "digits" if "digits" in where else where[0], 0, 4)
    if key != "A10":
        run.train(4)
    report = examine(**run.material())
    first = report[0]
    assert first.key == patients.PATIENTS[key].finding
    pictures = images_of(cards.card(first, report.case))
    if first.key in cards.IN_WORDS:
        assert pictures == []
    else:
        ((alt, data),) = pictures
        assert len(alt) > 30 and data.startswith(PNG)


@pytest.mark.parametrize("key", ["D1", "B6'", "E3"])
def test_pictures_of_points_and_of_runs_whose_step_is_unknown(key):
    run = patients.patient(key, "ring", 0, 16).train(20)
    for material in (run.material(), {**run.material(), "step": None}):
        case = examine(**material).case
        for drawn in ("collapse", patients.PATIENTS[key].finding):
            assert cards.picture(drawn, case)[0].startswith(PNG)


def test_pictures_say_what_is_on_them():
    x = torch.linspace(-1, 1, 64).view(4, 1, 4, 4)
    case = Case(None, None, x_real=x, fake=x[:, :, :3, :2], d_real=torch.ones(9), d_fake=torch.full((9,), 3.0))
    assert "Real is 4 × 4 pixels, fake 3 × 2" in cards.picture("wrong_shape", case)[1]
    assert "D is sure: 1 on real, 3 on fakes" in cards.picture("vanishing", case)[1]
    assert "real from -1 to 1, mean" in cards.picture("range_mismatch", case)[1]
    case.fake = x[2:].roll(1, 0)
    assert "nearest real" in cards.picture("memorised", case)[1]
    case.history = {"loss_G": [1.0, float("inf"), 2.0]}
    assert "loss_G is finite up to record 1" in cards.picture("not_finite", case)[1]


def test_nearest_images_stand_under_the_fakes(monkeypatch):
    x = torch.rand(20, 1, 16, 16) * 2 - 1
    shown = {}
    monkeypatch.setattr(cards, "_strips", lambda fig, title, rows, case: shown.update(rows) or title)
    cards.picture("memorised", Case(None, None, x_real=x, fake=x.flip(0) + 0.01))
    (fake, nearest) = shown.values()
    assert len(fake) == 6 and float((fake - nearest).abs().max()) < 0.011


@pytest.mark.parametrize("key", FINDINGS)
def test_without_material_a_card_has_words_alone(key):
    odd = Case(None, None, x_real=torch.randn(3, 2, 5, 5, 5), fake=torch.randn(3, 7), history={"loss_D": ["a"]})
    for case in (None, Case(None, None), odd):
        page = cards.card(Finding(key, "was seen"), case)
        assert "was seen" in page and ("<img" not in page or case is odd)
        assert page.count("<div") == page.count("</div>") == 1


def test_only_a_sick_finding_is_orange():
    assert "#d55e00" in cards.card(Finding("collapse", ""), None)
    assert "#999999" in cards.card(Finding("collapse", "", "remark"), None)


def test_a_page_is_escaped_and_keeps_words_for_all(monkeypatch):
    monkeypatch.setitem(cards.DRAWINGS, "collapse", lambda fig, case: 'a "<b>" & more')
    report = Report([Finding("collapse", "<i>few")], {"signs": "<none>"}, Case(None, None))
    page = report._repr_html_()
    assert "&lt;i&gt;few" in page and "&lt;none&gt;" in page and "<i>few" not in page
    assert images_of(page)[0][0] == "a &quot;&lt;b&gt;&quot; &amp; more"
    assert "img" not in str(report) and str(report) == str(Report(report, report.skipped))


def test_drawing_is_left_to_the_notebook_and_leaves_nothing_behind():
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    run = patients.patient("A5", "digits", 0, 4).train(2)
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    report = examine(**run.material())
    words, samples = str(report), report.case.fake.clone()
    assert images_of(report._repr_html_())
    assert plt.get_fignums() == before and dict(mpl.rcParams) == settings
    assert str(report) == words and torch.equal(report.case.fake, samples)


def test_grey_levels_are_those_of_the_datas_range():
    """Images in 0..255 and in 0..1 look the same as in -1..1."""
    from matplotlib.image import imread

    x = torch.rand(12, 1, 8, 8)
    pages = [cards.picture("collapse", Case(None, None, x_real=y, fake=y))[0] for y in (x, 255 * x, 2 * x - 1)]
    first, *others = (imread(io.BytesIO(p)) for p in pages)
    assert first.std() > 0.1 and all(np.abs(first - p).max() < 0.01 for p in others)

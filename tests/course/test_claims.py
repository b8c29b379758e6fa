"""The ledger of claims: a line's verdict is that of its numbers, and the page is what the notebooks store."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganedu.__main__ import main
from ganedu.course import claims
from ganedu.course.claims import KIND, claim, ledger, page, verdict_of

ROOT = Path(__file__).parents[2]
LINE = {
    "said": "SGD in place of Adam avoids mode collapse", "by": "A", "test": "worlds with all modes, SGD less Adam",
    "measured": {"ring": (-0.1, -0.2, 0.05)}, "verdict": "does not hold here", "n": 64, "of": "worlds", "above": 0,
}  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    """What claim() gave to the page."""
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def test_a_line_tells_claim_source_test_numbers_and_verdict(shown):
    claim(**LINE)
    (bundle,) = shown
    for text in (bundle["text/plain"], bundle["text/markdown"]):
        for part in (LINE["said"], claims.ARTICLES["A"], LINE["test"], "-0.1 (-0.2 to 0.05)", "64 worlds", "above 0"):
            assert part in text
        assert "does not hold here" in text.lower()
    assert json.loads(json.dumps(bundle[KIND])) == bundle[KIND], "what is stored is what was shown"


@pytest.mark.parametrize(
    "measured, above, below, verdict",
    [
        ({"a": (2, 1, 3)}, 0, None, "holds"),
        ({"a": (2, 1, 3)}, 1, None, "does not hold here"),  # the end touches the bound
        ({"a": (2, 1, 3)}, 2.5, None, "does not hold here"),
        ({"a": (2, 1, 3), "b": (2, -1, 3)}, 0, None, "holds in part"),
        ({"a": (2, 1, 3)}, None, 3.1, "holds"),
        ({"a": (2, 1, 3)}, None, 3, "does not hold here"),
        ({"a": (2, 1, 3), "b": (0, 0, 0)}, None, 1, "holds in part"),
        ({"a": (0.5, 0.5, 0.5)}, 0.4, None, "holds"),  # exact
    ],
)
def test_the_verdict_is_that_of_the_intervals(measured, above, below, verdict, shown):
    line = LINE | {"measured": measured, "above": above, "below": below}
    claim(**line | {"verdict": verdict})
    for other in {*claims.VERDICTS} - {verdict}:
        with pytest.raises(AssertionError, match=f"{verdict} by these numbers"):
            claim(**line | {"verdict": other})
    assert len(shown) == 1, "a line that its numbers do not bear is not printed"


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9)).map(sorted), min_size=1, max_size=4))
def test_the_mirrored_claim_has_the_same_verdict(cases):
    record = {"above": 0.5, "below": None, "measured": {i: (v, low, high) for i, (low, v, high) in enumerate(cases)}}
    mirror = {"above": None, "below": -0.5, "measured": {i: (-v, -h, -low) for i, (low, v, h) in enumerate(cases)}}
    assert verdict_of(record) == verdict_of(mirror)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"by": "an article"}, 'give one of A, B, C, D, E, or a paper, "Authors year, Title"'),
        ({"by": "Goodfellow and others, no year"}, "or a paper"),
        ({"said": "two\nlines"}, "in one line"),
        ({"test": " "}, "in one line"),
        ({"verdict": "Holds"}, "Did you mean 'holds'"),
        ({"n": 3}, "fewer than 5 worlds"),
        ({"n": -1}, "whole number"),
        ({"n": 8.0}, "whole number"),
        ({"above": None}, "give one bound"),
        ({"below": 1}, "give one bound"),
        ({"measured": {}}, "measured is empty"),
        ({"measured": {"a": (1, 2, 3)}}, "low <= value <= high"),
        ({"measured": {"a": (float("nan"),) * 3}}, "finite"),
        ({"measured": {"a": (1, 1)}}, "give \\(value, low, high\\)"),
    ],
)
def test_what_cannot_be_a_line_is_named(change, said, shown):
    with pytest.raises(ValueError, match=said):
        claim(**LINE | change)
    assert not shown


def test_exact_numbers_need_no_interval(shown):
    claim(**LINE | {"n": 0, "measured": {"h = 0.1": (-1, -1, -1)}})
    assert "exact" in shown[0]["text/plain"] and " to " not in shown[0]["text/plain"].splitlines()[1]


def test_the_page_has_a_row_a_line_with_its_cell(shown):
    claim(**LINE | {"said": "a | b."})
    text = page([{**shown[0][KIND], "notebook": "02_mode_collapse", "cell": 12}], "../notebooks")
    (row,) = [line for line in text.splitlines() if line.startswith("| A \\| b |")]
    assert row.replace("\\|", "").count("|") == 8, "a bar in a claim is no column"
    assert "[02](../notebooks/02_mode_collapse.ipynb), cell [12]" in row


def test_the_page_in_docs_is_what_the_notebooks_store():
    assert (ROOT / "docs" / "claims.md").read_text() == page(ledger()), (
        "run: python -m ganedu claims --out docs/claims.md"
    )


def test_each_stored_line_bears_its_verdict_and_stands_once():
    lines = ledger()
    assert [line["verdict"] for line in lines] == [verdict_of(line) for line in lines]
    assert len({(line["said"], line["by"], line["test"]) for line in lines}) == len(lines)


def test_the_command_prints_or_writes_it(capsys, tmp_path):
    assert main(["claims"]) == 0
    assert capsys.readouterr().out.startswith("# What others claim of GANs, measured")
    assert main(["claims", "--out", str(tmp_path / "deep" / "c.md")]) == 0
    assert (tmp_path / "deep" / "c.md").read_text().startswith("# What others")
    (tmp_path / "file").write_text("")
    assert main(["claims", "--out", str(tmp_path / "file" / "c.md")]) == 2

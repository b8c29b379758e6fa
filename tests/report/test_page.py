"""The page: what it shows of a notebook, and how its cells display sentences and numbers."""

import math

import nbformat

from ganedu import metrics
from ganedu.report import page


def test_a_page_shows_outputs_and_neither_code_nor_warnings_nor_json():
    new = nbformat.v4
    outputs = [new.new_output("stream", name="stderr", text="a warning"),
               new.new_output("display_data", {"text/html": "<p>a sentence</p>"}),
               new.new_output("display_data", {"application/json": {"a": 1}, "text/plain": "the numbers"})]  # fmt: skip
    notebook = new.new_notebook(cells=[new.new_code_cell("secret = 1", outputs=outputs)])
    text = page.page(notebook, "a & b")
    assert "<p>a sentence</p>" in text and "<title>a &amp; b</title>" in text
    assert not any(hidden in text for hidden in ("a warning", "secret", "the numbers"))
    assert len(notebook.cells[0].outputs) == 3, "the notebook is left as it was"


def test_what_a_cell_displays_is_text_and_not_markup(monkeypatch):
    shown = []
    monkeypatch.setattr(page, "_display", shown.append)
    page.say("a < b", "& so on")
    page.points(["<i>"])
    page.table(["<u>", 1], [["<b>", 2]], "a & b")
    assert shown[:2] == ["<p>a &lt; b &amp; so on</p>", "<ul><li>&lt;i&gt;</li></ul>"]
    for part in ("&lt;u&gt;", "<td>2</td>", '<th scope="row">&lt;b&gt;</th>', "<caption>a &amp; b</caption>"):
        assert part in shown[2]


def test_numbers_as_a_table_shows_them():
    assert page.estimate(metrics.Estimate(0.25, 0.2, 0.3)) == "0.25 (0.2 to 0.3)"
    assert page.estimate(metrics.Estimate(1234.5)) == "1,234" and page.number(math.nan) == "none"
    assert page.number(7e-18) == "0" and page.number(-0.5) == "-0.5"

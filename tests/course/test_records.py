"""Figures that runs record, and their table: against csv, scipy and Wilson's interval."""

import csv
import io
import math

import nbformat
import numpy as np
import pytest
import torch
from scipy import stats

from ganedu import metrics
from ganedu.course import records


def row(seed, figures, **given):
    given = {"seed": seed, **given}
    return {
        "given": given,
        "values": {"depth": 2, **given},
        "figures": figures,
        "seconds": 1.5,
        "notebook": f"{seed}.ipynb",
    }


GOOD = [(1, 1.0), (True, True), (np.bool_(False), False), (torch.tensor(0.5), 0.5), (np.float32(0.25), 0.25),
        (torch.tensor([[3]]), 3.0), (float("nan"), "nan"), (torch.tensor(math.inf), "inf")]  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), GOOD, ids=repr)
def test_a_number_of_any_kind_is_kept(given, kept):
    found = records._number("a", given)
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    "given", ["7", None, [1, 2], [1], torch.zeros(2), np.zeros(0), 1j, {"a": 1}, 10**400], ids=repr
)
def test_what_is_no_number_is_refused(given):
    with pytest.raises(ValueError, match=r"modes is .*: give one number"):
        records.record(modes=given)


def test_what_the_cells_recorded_is_found_and_the_later_number_counts():
    first, later = (
        nbformat.v4.new_output("display_data", {records.KIND: found}) for found in ({"a": 1.0, "b": True}, {"a": 2.0})
    )
    text = nbformat.v4.new_output("stream", text="a=7")
    cells = [nbformat.v4.new_code_cell("a", outputs=[first]), nbformat.v4.new_markdown_cell("words")]
    cells.append(nbformat.v4.new_code_cell("b", outputs=[text, later]))
    assert records.recorded(nbformat.v4.new_notebook(cells=cells)) == {"a": 2.0, "b": True}


def test_the_table_has_a_line_a_run_and_is_read_back_by_csv():
    rows = [row(0, {"a": 0.1, "word": "nan"}, name='a,"b"'), row(1, {"a": 1e-20, "b": True}, name="c"), row(2, {})]
    rows[2]["values"]["name"] = "d"
    head, *lines = csv.reader(io.StringIO(records.table(rows)))
    assert head == ["seed", "name", "a", "word", "b", "seconds", "notebook"]
    assert lines[0] == ["0", 'a,"b"', "0.1", "nan", "", "1.5", "0.ipynb"]
    assert lines[1][2:5] == ["1e-20", "", "True"] and lines[2][2:5] == ["", "", ""]


def test_settings_are_joined_over_seeds_with_students_and_wilsons_interval():
    draws = np.random.default_rng(0).normal(size=(2, 8)).tolist()
    rows = [row(s, {"a": draws[k][s], "kept": s < 5}, lr=lr) for s in range(8) for k, lr in enumerate((0.1, 0.2))]
    found = records.grouped(rows)
    assert [g["setting"] for g in found] == [{"lr": 0.1}, {"lr": 0.2}] and [g["n"] for g in found] == [8, 8]
    for k, group in enumerate(found):
        value, low, high, n = group["figures"]["a"]
        expected = stats.t.interval(0.95, 7, np.mean(draws[k]), stats.sem(draws[k]))
        assert value == pytest.approx(np.mean(draws[k])) and (low, high) == pytest.approx(expected) and n == 8
        assert group["figures"]["kept"] == (5 / 8, *metrics.wilson(5, 8), 8)


def test_the_summary_says_of_how_many_runs_a_mean_is():
    rows = [row(0, {"a": 1.0}), row(1, {"a": 3.0}), row(2, {"a": "nan"}), row(3, {"b": 2.0})]
    said = records.summary(rows)
    assert (
        "2, and 2 without it or not finite" in said and "none of one run" in said and said.splitlines()[1][:3] == "all"
    )
    assert "--figure" in records.summary([row(0, {})])
    assert records.grouped([]) == [] and math.isnan(records.grouped([row(0, {"a": "nan"})])[0]["figures"]["a"][0])

"""The table that orders the doctor's findings."""

import inspect
import random
import re

import pytest

from ganedu import doctor
from ganedu.doctor import FINDINGS, Finding, Report, checks, records, rest, wiring
from ganedu.doctor.findings import TABLE

ALL = [Finding(key, "seen", kind) for kind, rows in TABLE.items() for key in rows]


def test_findings_are_listed_by_kind_and_then_as_they_stand_in_the_table():
    shuffled = random.Random(0).sample(ALL, len(ALL))
    assert list(Report(shuffled)) == ALL
    assert [f.score for f in ALL] == sorted((f.score for f in ALL), reverse=True)
    assert list(TABLE) == ["wiring", "symptom", "remark"]


def test_two_findings_of_one_place_stay_as_they_were_found():
    report = Report([Finding("oscillation", "3"), Finding("not_updated", "1: G"), Finding("not_updated", "2: D")])
    assert [f.seen for f in report] == ["1: G", "2: D", "3"]


def test_wiring_and_symptoms_make_a_run_sick_and_remarks_do_not():
    for f in ALL:
        assert f.sick == (f.kind != "remark") == (f.score >= doctor.SICK) == (not Report([f]).healthy)
        assert str(f).startswith("! " if f.sick else "- ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("exchanged", ""), ("moved_by_other", "")),
        (("leftover_gradient", ""), ("collapse", "")),
        (("collapse", ""), ("exchanged", "remark")),
        (("wasted_gradient", ""), ("collapse", "remark")),
        (("double_sigmoid", "remark"), ("d_winning", "")),
        (("d_winning", ""), ("collapse", "remark")),
    ],
)
def test_the_more_telling_comes_first(first, second):
    (a, a_kind), (b, b_kind) = first, second
    report = Report([Finding(b, "", b_kind), Finding(a, "", a_kind)])
    assert [f.key for f in report] == [a, b]


def test_a_lesser_kind_stands_below_the_texts_and_keeps_them():
    listed = [key for rows in TABLE.values() for key, texts in rows.items() if texts]
    assert len(listed) == len(set(listed)) and listed == list(FINDINGS)
    for f in ALL:
        own = Finding(f.key, "seen")
        assert own.place <= f.place and own.kind == f.entry.kind and own.entry is f.entry


def test_a_kind_that_the_table_does_not_hold_is_an_error():
    with pytest.raises(KeyError, match="memorised"):
        Finding("memorised", "seen", "remark")
    with pytest.raises(KeyError, match="flu"):
        Finding("flu", "seen")


def test_checks_find_what_the_table_holds_and_nothing_else():
    sources = "".join(map(inspect.getsource, (checks, records, rest, wiring)))
    assert set(re.findall(r'yield\s*\(?\s*"(\w+)"', sources)) == set(FINDINGS)

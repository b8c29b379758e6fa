"""A name that is not allowed is answered with all that are, and with the nearest where one is near; and numbers."""

import errno
import os

import numpy as np
import pytest

from ganedu.inputs import brief, one_of, whole, why_not

ALLOWED = ("digits", "fashion", "shapes")


@pytest.mark.parametrize("name", ALLOWED)
def test_an_allowed_name_passes(name):
    assert one_of(name, ALLOWED, "data set") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [("digit", "Did you mean 'digits'?"), ("Shapes", "Did you mean 'shapes'?"), (3, "unknown data set 3"), ("", "''")],
)
def test_another_is_refused_with_what_is_allowed(given, said):
    with pytest.raises(ValueError, match="choose one of digits, fashion, shapes") as e:
        one_of(given, ALLOWED, "data set")
    assert said in str(e.value)


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(ValueError) as e:
        one_of("xyzw", ALLOWED, "data set")
    assert "Did you mean" not in str(e.value)


class WithoutWords:
    def __repr__(self):
        raise RuntimeError("no words")


def nested(depth: int) -> list:
    deep = []
    for _ in range(depth):
        deep = [deep]
    return deep


ODD = (nested(10_000), 10**5000, 10**400, WithoutWords(), "x" * 1000, [0] * 1000)


def test_values_are_shown_in_short():
    for value in ODD:
        assert len(brief(value)) < 70
    assert brief("as it is") == "'as it is'"


@pytest.mark.parametrize("value", [1, 7, 10, np.int64(3)])
def test_a_whole_number_within_its_bounds_passes(value):
    assert whole("n", value, 1, 10) is None


@pytest.mark.parametrize("value", [0, 11, -1, 2.0, "3", True, None, np.float32(2), *ODD], ids=lambda v: brief(v, 20))
def test_any_other_is_refused_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=r"n=.* does not fit: give a whole number from 1 to 10: no more fit\.$"):
        whole("n", value, 1, 10, "no more fit")
    with pytest.raises(ValueError, match="choose one of"):
        one_of(value, ALLOWED, "data set")


def test_what_a_system_says_comes_with_advice():
    for number in (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.ENAMETOOLONG):
        cause, _, advice = why_not(OSError(number, os.strerror(number))).partition(": ")
        assert cause == os.strerror(number) and ("choose" in advice or "check" in advice)

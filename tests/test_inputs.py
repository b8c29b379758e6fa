"""A name that is not allowed is answered with all that are, and with the nearest where one is near."""

import pytest

from ganedu.inputs import one_of

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

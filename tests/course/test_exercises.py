"""What exercises' checks are made of: every kind of number, every kind of wrong function, and nothing that raises."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch

from ganedu.course import exercises
from ganedu.course.exercises import Wrong, agree, check, equal, number, numbers


@pytest.mark.parametrize("given", [3, 3.0, Fraction(3), np.int64(3), np.float32(3), np.array([3.0]), np.array(3),
                                   torch.tensor(3), torch.tensor([[3.0]], requires_grad=True)], ids=repr)  # fmt: skip
def test_a_number_of_any_kind(given):
    assert number(given) == 3 and type(number(given)) is float


@pytest.mark.parametrize(("given", "words"), [
    (None, "x is None; give one number."), (math.nan, "x is nan. NaN comes of"), (math.inf, "Give a finite number."),
    (torch.tensor(math.nan), "x is nan"), (np.float32("inf"), "finite"),
    ([3], "x is [3]; give one number."), ("3", "x is '3'; give one number, without quotes."),
    ((1, 2), "x is (1, 2)"), (True, "x is True"), (torch.tensor(True), "x is True"),
    (torch.zeros(2), "x has the shape (2,)"), (np.zeros((2, 0)), "x has the shape (2, 0)"), (2j, "x is 2j"),
    (torch.tensor(2j), "x is 2j"), (abs, "a function; give what it returns"), (object, "a function"), ({}, "x is {}"),
    (10**400, "give one number"), (np.array(["a"]), "without quotes"), (np.array([None]), "x is None"),
], ids=str)  # fmt: skip
def test_what_is_no_number_is_told_what_it_is(given, words):
    with pytest.raises(Wrong) as e:
        number(given, "x")
    assert words in str(e.value)


@pytest.mark.parametrize("given", [(1, 2), [1.0, 2], np.array([1, 2]), torch.tensor([1.0, 2.0]), torch.Size([1, 2])])
def test_numbers_in_brackets_of_any_kind(given):
    assert numbers(given, 2) == (1.0, 2.0)


@pytest.mark.parametrize(("given", "words"), [
    (3, "3; give 2 numbers in brackets"), (None, "None; give 2"), ("12", "'12'; give 2"), ({1, 2}, "give 2 numbers"),
    ([1], "has 1 numbers; give 2"), ([1, "2"], "number 2 of the answer is '2'"), (torch.zeros(2, 3), "number 1"),
    (torch.tensor(1.0), "give 2 numbers in"), (np.array(1.0), "give 2 numbers in"),
    ([1, None], "number 2 of the answer is None"),
])  # fmt: skip
def test_what_is_not_so_many_numbers(given, words):
    with pytest.raises(Wrong, match=words):
        numbers(given, 2)


def test_equal_says_the_hint_of_the_answer_it_knows():
    assert equal(np.float32(0.1), 0.1) == pytest.approx(0.1)
    assert equal([1, 2], (1, 2)) == (1, 2)
    for given, hint in ((2, "twice"), (2 + 1e-9, "twice"), (5, "else")):
        with pytest.raises(Wrong, match=hint):
            equal(given, 1, {2: "twice"}, hint="else")
    with pytest.raises(Wrong, match="turned"):
        equal((2, 1), (1, 2), {(2, 1): "turned"})
    with pytest.raises(Wrong):
        equal(1 + 2e-6, 1)
    with pytest.raises(Wrong):
        equal(1 - 2e-6, 1)


def difference(mine, right=lambda x: x**2, cases=(2.0, 3.0, 10.0), *more, **options):
    try:
        agree(mine, right, cases, *more, **options)
    except Wrong as e:
        return str(e)


@pytest.mark.parametrize("mine", [lambda x: x * x, lambda y: np.float32(y**2), lambda x: torch.tensor([x**2]),
                                  lambda x: [x**2], lambda x: 1.00001 * x**2])  # fmt: skip
def test_right_functions_agree(mine):
    assert difference(mine) is None


def test_the_first_case_that_fails_is_the_counterexample():
    assert difference(lambda x: 2 * x) == "at x = 3 it gives 6; it should give 9."
    assert difference(lambda y: min(y**2, 50), hint="Cut?") == "at y = 10 it gives 50; it should give 100. Cut?"
    assert difference(lambda x: math.nan, hint="Cut?").startswith(
        "at x = 2 it gives nan; it should give 4. NaN comes of"
    )
    assert (
        difference(lambda p, q: p, lambda p, q: q, [(1, 1), (1, 2)]) == "at p = 1, q = 2 it gives 1; it should give 2."
    )
    assert difference(lambda x: True, lambda x: False, [abs]) == "in one case it gives True; it should give False."
    assert difference(lambda D: 0, lambda D: 1, {"a steep D": abs}) == "for a steep D it gives 0; it should give 1."


def test_what_is_no_number_or_of_another_shape_gets_no_hint_about_numbers():
    assert difference(lambda x: "four", hint="H") == "at x = 2 it gives 'four'; it should give 4."
    assert difference(lambda x: None if x > 2 else 4, hint="H") == "at x = 3 it gives None; it should give 9."
    assert difference(lambda x: [x, x], hint="H") == "at x = 2 it gives a tensor (2,); it should give one number."
    pair = [torch.tensor([1.0, 2.0])]
    assert difference(lambda x: x.mean(), lambda x: x, pair) == (
        "at x = [1, 2] it gives one number; it should give a tensor (2,)."
    )
    many = torch.arange(20.0).reshape(4, 5)
    assert difference(lambda x: x.clamp(max=7), lambda x: x, [many]) == (
        "at x = a tensor (4, 5) it gives 7 at the place [1, 3]; it should give 8."
    )
    one_pixel = {"one pixel": torch.ones(1, 1, 1)}
    assert difference(lambda x: 0.5, lambda x: x, one_pixel) == "for one pixel it gives 0.5; it should give 1."


def test_a_typical_mistake_is_known_by_all_cases():
    known = {lambda x: 2 * x: "Twice is not the square.", lambda x: 1 / (x - 2): "never met"}
    assert difference(lambda x: x + x, mistakes=known).endswith("it should give 9. Twice is not the square.")
    assert difference(lambda x: 2 * x if x < 5 else 0, mistakes=known, hint="H").endswith("it should give 9. H")


@pytest.mark.parametrize(("mine", "words"), [
    (lambda x: x.log(), "raises AttributeError: 'float' object has no attribute 'log'. A plain number"),
    (lambda x: x + None, "Something in it is None"),
    (lambda: 3, "Keep the arguments"),
    (lambda x: softplus(x), "how it is spelt"),  # noqa: F821
    (lambda x: 1 / 0, "at x = 2 it raises ZeroDivisionError: division by zero."),
    (lambda x: math.log(torch.zeros(2)), "math and float()"),
    (lambda x: max(torch.zeros(2), torch.ones(2)), "decide once"),
])  # fmt: skip
def test_what_the_learners_code_raises_gets_a_hint(mine, words):
    assert words in difference(mine)


def test_slopes_are_compared_after_all_values():
    cases, square = [torch.tensor(2.0), torch.tensor(3.0)], lambda x: x**2
    assert difference(lambda x: x * x, square, cases, slopes=True) is None
    cut = [lambda x: x.detach() ** 2, lambda x: (x**2).item(), lambda x: torch.tensor([x.item() ** 2])]
    for mine in cut:
        assert difference(mine, square, cases) is None
        assert "at x = 2 the value is right, but it has no slope. The slope is cut off" in difference(
            mine, square, cases, slopes=True
        )
    half = difference(lambda x: x * x.detach(), square, cases, slopes=True)
    assert half == "at x = 2 the value is right, but its slope by x is 2; it should give 4."
    assert "The slope is cut off" in difference(lambda x: np.square(x), square, cases, slopes=True)
    assert "at x = 3 it gives 6" in difference(lambda x: 2 * x.detach(), square, cases, slopes=True)


def test_an_argument_that_is_changed_is_found_and_comes_back_whole():
    x = torch.tensor([1.0, 2.0])
    assert "it changes x itself" in difference(lambda x: x.mul_(2), lambda x: 2 * x, [x])
    assert x.tolist() == [1.0, 2.0]


def test_the_case_is_drawn_where_both_are_numbers():
    drawn = []
    keep = lambda *what: drawn.append([float(v) for v in what])  # noqa: E731
    for mine in (lambda x: 2 * x, lambda x: "four", lambda x: math.inf, lambda x: [x, x]):
        assert difference(mine, draw=keep)
    assert drawn == [[6.0, 9.0, 3.0]]


def test_a_check_never_raises():
    def says(error):
        @check
        def check_1():
            """Its name and text stay."""
            raise error

        assert check_1.__name__ == "check_1" and check_1.__doc__ == "Its name and text stay."
        return check_1()

    assert says(Wrong("no.")) == "Wrong: no."
    assert says(ValueError("odd\nvalue")) == "Wrong: your answer leads to ValueError: odd value."
    assert says(RuntimeError()) == "Wrong: your answer leads to RuntimeError."
    assert exercises.CUT in says(RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn"))
    with pytest.raises(KeyboardInterrupt):
        says(KeyboardInterrupt())


def test_a_check_draws_no_warning(recwarn):
    def check_1():
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
        return "Right: 1."

    assert check(check_1)() == "Right: 1." and not recwarn.list
    check_1()
    assert len(recwarn.list) == 1


def test_the_line_of_the_learners_cell_is_said():
    import linecache

    answer = "def mine():\n    return 1 / 0\n"
    linecache.cache["<cell>"] = (len(answer), None, answer.splitlines(keepends=True), "<cell>")
    cell = {}
    exec(compile(answer, "<cell>", "exec"), cell)
    said = check(lambda: cell["mine"]())()
    assert said == "Wrong: your answer leads to ZeroDivisionError: division by zero in `return 1 / 0`."

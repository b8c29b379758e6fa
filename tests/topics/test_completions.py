"""Oracles: plain loops, scipy and numpy; for Rubin's rules the Gaussian, where the answer is known in closed form."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ganedu.metrics import energy_distance, wilson
from ganedu.topics import completions as cp


@pytest.fixture(autouse=True)
def fixed():
    torch.manual_seed(0)


def table(n=40, d=3, share=0.4):
    """(true, mask) with a mask that leaves two or more of each kind in a column."""
    true, mask = torch.randn(n, d, dtype=torch.float64), torch.rand(n, d) > share
    mask[:2], mask[2:4] = True, False
    return true, mask


# ------------------------------------------------------------------------------------------- against the true values


def test_rmse_by_hand():
    true, completed = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 5.0], [7.0, 4.0]])
    mask = torch.tensor([[True, False], [False, True]])
    assert cp.rmse(completed, true, mask) == pytest.approx(math.sqrt((9 + 16) / 2))


def test_rmse_of_several_is_of_the_mean_square():
    true, mask = table()
    two = torch.stack([torch.where(mask, true, c) for c in (true + 1, true + 3)])
    assert cp.rmse(two, true, mask) == pytest.approx(math.sqrt(5))
    assert cp.rmse(two[:1], true, mask) == pytest.approx(1) == cp.rmse(two[0], true, mask)


def test_spread_by_a_loop_over_the_columns():
    true, mask = table()
    filled = torch.where(mask, true, 0.3 * torch.randn_like(true) + torch.tensor([5.0, 0.0, -2.0]))
    parts = [(x[~m].numpy(), y[~m].numpy()) for x, y, m in zip(filled.T, true.T, mask.T, strict=True)]
    wanted = np.sqrt(sum(x.size * x.var() for x, _ in parts) / sum(y.size * y.var() for _, y in parts))
    assert cp.spread_kept(filled, true, mask) == pytest.approx(wanted)
    assert cp.spread_kept(torch.stack([filled, filled]), true, mask) == pytest.approx(wanted)


@pytest.mark.parametrize(("fill", "wanted"), [(lambda x: x, 1), (lambda x: 0 * x + 7, 0), (lambda x: 2 * x - 5, 2)])
def test_spread_of_what_is_known(fill, wanted):
    true, mask = table()
    assert cp.spread_kept(torch.where(mask, true, fill(true)), true, mask) == pytest.approx(wanted, abs=1e-12)


def test_a_draw_beats_the_mean_by_energy_and_loses_by_rmse():
    x = torch.randn(400, 1)
    true, mask = torch.cat([x, x + torch.randn(400, 1)], 1), torch.ones(400, 2, dtype=torch.bool)
    mask[:, 1] = False
    mean, drawn = torch.cat([x, x], 1), torch.cat([x, x + torch.randn(400, 1)], 1)
    assert cp.rmse(mean, true, mask) < cp.rmse(drawn, true, mask) / 1.2
    assert energy_distance(drawn, true) < energy_distance(mean, true) / 3


def test_accuracy_where_the_answer_is_known():
    x, coin = torch.randn(600, 2), torch.rand(600, 2) < 0.5
    by_value, by_mask = (x[:, 0] > 0).long(), coin[:, 0].long()
    assert cp.accuracy(x[:400], by_value[:400], x[400:], by_value[400:]) > 0.97
    blind = cp.accuracy(x[:400], by_mask[:400], x[400:], by_mask[400:])
    told = cp.accuracy(x[:400], by_mask[:400], x[400:], by_mask[400:], masks=(coin[:400], coin[400:]))
    assert abs(blind - 0.5) < 0.12 and told == 1


# ------------------------------------------------------------------------------------------------------ Rubin's rules


def test_rubin_by_numbers_worked_by_hand():
    found = cp.rubin([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], level=0.9)
    assert (found.value, found.within, found.between) == (2, 0.5, 1)
    assert found.total == pytest.approx(0.5 + 4 / 3)
    assert found.dof == pytest.approx(2 * (1 + 0.5 / (4 / 3)) ** 2)
    half = stats.t.ppf(0.95, 2 * 1.375**2) * math.sqrt(11 / 6)
    assert found.high - 2 == pytest.approx(half) == 2 - found.low


def test_rubin_without_a_difference_is_the_normal_interval():
    found = cp.rubin([3.0] * 5, [4.0] * 5)
    assert found.dof == math.inf and found.total == 4
    assert found.high == pytest.approx(3 + 2 * stats.norm.ppf(0.975))


def test_rubin_of_columns_is_rubin_of_each():
    q, u = torch.randn(6, 3), torch.rand(6, 3) + 0.1
    together, alone = cp.rubin(q, u), [cp.rubin(*pair) for pair in zip(q.T, u.T, strict=True)]
    for found, single in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.allclose(found, torch.stack(single))


def worlds(n, seen, repeats, fill):
    """Intervals of 90 % for the mean of N(3, 2^2), of which `seen` of n are seen and `fill` gives the rest (m, ...)."""
    found = []
    for _ in range(repeats):
        y = 3 + 2 * torch.randn(n, dtype=torch.float64)
        rest = fill(y[:seen], n - seen)
        done = torch.cat([y[:seen].expand(len(rest), -1), rest], 1)[..., None]
        found.append(cp.rubin(*(v[:, 0] for v in cp.means(done)), level=0.9))
    return found


def proper(y, k, m=20):
    """m draws of k values by a Gaussian whose variance and mean are drawn as well, given what is seen."""
    n = len(y)
    sigma = (y.var() * (n - 1) / torch.randn(m, n - 1, dtype=y.dtype).square().sum(1)).sqrt()
    mean = y.mean() + sigma * torch.randn(m, dtype=y.dtype) / math.sqrt(n)
    return mean[:, None] + sigma[:, None] * torch.randn(m, k, dtype=y.dtype)


def test_proper_draws_cover_and_total_is_the_closed_form():
    intervals = worlds(60, 30, 600, proper)
    value, low, high = cp.covered(intervals, 3.0)
    assert low < 0.9 < high and value == pytest.approx(0.9, abs=0.04)
    total = torch.stack([i.total for i in intervals]).mean()
    closed = 4 / 30 * (1 + 0.5 / 20)  # sigma^2 / seen at m = infinity, times 1 + share missing / m
    assert total == pytest.approx(closed, rel=0.08)  # chi^2 with 29 degrees of freedom adds 2 / 29 of B


@pytest.mark.parametrize(
    ("fill", "wanted"),
    [
        (lambda y, k: y.mean().expand(2, k), 0.5),  # the interval is half as wide: P(|t| < 1.66 / 2) with 29 or so
        (lambda y, k: (y.mean() + y.std() * torch.randn(1, k, dtype=y.dtype)).expand(2, k), 0.66),
    ],
    ids=["the mean", "one draw, copied"],
)  # fmt: skip
def test_improper_fillings_cover_too_little(fill, wanted):
    value, _, high = cp.covered(worlds(60, 30, 600, fill), 3.0)
    # standard error of the estimate and that of the interval: 1/30 or 1/30 + 1/120 against 1/120 or 1/60
    shares = {0.5: math.sqrt((30 / 60**2) / (1 / 30)), 0.66: math.sqrt((1 / 60) / (1 / 30 + 1 / 120))}
    theory = 2 * stats.norm.cdf(stats.norm.ppf(0.95) * shares[wanted]) - 1
    assert high < 0.8 and value == pytest.approx(theory, abs=0.06)


def test_means_are_those_of_complete_tables():
    x = torch.randn(3, 50, 2)
    q, u = cp.means(x)
    for i, j in np.ndindex(3, 2):
        assert q[i, j] == pytest.approx(float(x[i, :, j].mean()), abs=1e-6)
        assert u[i, j] == pytest.approx(stats.sem(x[i, :, j].numpy()) ** 2, rel=1e-5)


def test_slopes_are_those_of_scipy_and_numpy():
    x = torch.randn(2, 40, 4, dtype=torch.float64)
    q, u = cp.slopes(x, 2, [0])
    for i in range(2):
        line = stats.linregress(x[i, :, 0], x[i, :, 2])
        assert (q[i, 0], u[i, 0]) == (pytest.approx(line.slope), pytest.approx(line.stderr**2))
    q, u = cp.slopes(x, 0, [3, 1])
    A = np.column_stack([np.ones(40), x[1, :, 3], x[1, :, 1]])
    weights, rest, *_ = np.linalg.lstsq(A, x[1, :, 0].numpy(), rcond=None)
    cov = rest[0] / 37 * np.linalg.inv(A.T @ A)
    assert np.allclose(q[1], weights[1:]) and np.allclose(u[1], cov.diagonal()[1:])


def test_filling_with_the_mean_flattens_a_slope():
    """By the share missing, where the target alone is missing: its covariance shrinks, the predictor's spread stays."""
    x = torch.randn(4000, 1, dtype=torch.float64)
    true = torch.cat([x, 2 * x + torch.randn_like(x)], 1)
    mask = torch.ones(4000, 2, dtype=torch.bool)
    mask[:1000, 1] = False
    filled = torch.where(mask, true, true[1000:].mean(0))
    error = math.sqrt(float(cp.slopes(true[None], 1, [0])[1]))
    assert cp.slope_bias(filled[None], true, 1, [0]).item() == pytest.approx(-0.25 * 2 / error, rel=0.1)
    assert cp.slope_bias(true[None], true, 1, [0]).item() == pytest.approx(0, abs=1e-9)


def test_covered_counts():
    intervals = [cp.rubin([0.0, 0.1], [1.0, 1.0])] * 3 + [cp.rubin([50.0, 50.1], [1.0, 1.0])]
    assert cp.covered(intervals, 0.0) == (0.75, *wilson(3, 4))
    both = cp.rubin([[0.0, 50.0], [0.1, 50.1]], [[1.0, 1.0]] * 2)
    assert cp.covered([both, both], torch.zeros(2)).value == 0.5


# ------------------------------------------------------------------------------------------------ several completions


@pytest.mark.parametrize("m", [2, 5, 19])
def test_a_truth_drawn_as_the_completions_lies_within_as_often_as_said(m):
    true, mask = torch.randn(200, 50), torch.zeros(200, 50, dtype=torch.bool)
    drawn = torch.randn(m, 200, 50)
    assert cp.within_range(drawn, true, mask) == pytest.approx((m - 1) / (m + 1), abs=0.015)
    assert cp.within_range(0.3 * drawn, true, mask) < (m - 1) / (m + 1) - 0.1
    assert cp.apart(drawn, mask) == pytest.approx(cp.rmse(drawn, true, mask) ** 2, rel=0.05)


def test_within_range_and_apart_by_hand():
    mask = torch.tensor([[False, False, False, True]])
    drawn = torch.tensor([[[0.0, 0.0, 1.0, 9.0]], [[1.0, 2.0, 1.0, 9.0]]])
    true = torch.tensor([[0.5, 2.1, 1.0, 9.0]])
    assert cp.within_range(drawn, true, mask) == pytest.approx(2 / 3)
    assert cp.within_range(drawn, true, mask, tolerance=0.2) == 1
    assert cp.apart(drawn, mask) == pytest.approx((1 + 4 + 0) / 3)


# --------------------------------------------------------------------------------------------------------- bad input

TRUE, MASK = torch.rand(6, 2), torch.tensor([[True, False]] * 6)
TWO = torch.rand(2, 6, 2)
LABELS = torch.tensor([0, 1] * 3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: cp.rmse(TRUE, TRUE, MASK.float()), "is bool of that shape, True = seen"),
        (lambda: cp.rmse(TRUE, TRUE, MASK[:5]), "is bool of that shape"),
        (lambda: cp.rmse(TRUE, TRUE, torch.ones_like(MASK)), "nothing is missing"),
        (lambda: cp.rmse(TRUE[:5], TRUE, MASK), "do not fit"),
        (lambda: cp.rmse(TRUE / 0, TRUE, MASK), "completed table holds NaN"),
        (lambda: cp.rmse(TRUE, TRUE.long(), MASK), "true table must be a floating tensor"),
        (lambda: cp.spread_kept(TRUE, torch.ones(6, 2), MASK), "do not vary within a column"),
        (lambda: cp.energy_of_filling(TRUE, TRUE.long()), "true table must be a floating tensor"),
        (lambda: cp.energy_of_filling(TRUE / 0, TRUE), "completed table holds NaN"),
        (lambda: cp.accuracy(TRUE, LABELS[:4], TRUE, LABELS), "train: 6 rows but labels"),
        (lambda: cp.accuracy(TRUE, 0 * LABELS, TRUE, LABELS), "two classes or more"),
        (lambda: cp.accuracy(TRUE, LABELS, TRUE, LABELS, masks=(MASK, MASK[:3])), "is bool of that shape"),
        (lambda: cp.rubin([1.0], [1.0]), "2 completions or more"),
        (lambda: cp.rubin([1.0, 2.0], [1.0]), "do not fit"),
        (lambda: cp.rubin([1.0, 2.0], [0.0, 0.0]), "the square of each estimate's standard error"),
        (lambda: cp.rubin([1.0, math.nan], [1.0, 1.0]), "not finite"),
        (lambda: cp.rubin([1.0, 2.0], [1.0, 1.0], level=90), "no probability"),
        (lambda: cp.means(TRUE), r"One table is x\[None\]"),
        (lambda: cp.means(TWO[:, :1]), "2 rows or more"),
        (lambda: cp.slopes(TWO, 0, [0]), "columns that differ"),
        (lambda: cp.slopes(TWO, 0, []), "columns that differ"),
        (lambda: cp.slopes(TWO, 0, [2]), "column=2 does not fit"),
        (lambda: cp.slopes(torch.ones(2, 6, 2), 0, [1]), "one is constant"),
        (lambda: cp.slopes(TWO[:, :2], 0, [1]), "rows are too few"),
        (lambda: cp.slope_bias(TWO, TRUE[:5], 0, [1]), "but a true table"),
        (lambda: cp.covered([], 0.0), "one or more"),
        (lambda: cp.covered([cp.rubin([1.0, 2.0], [1.0, 1.0])], torch.zeros(2)), "of the truth's shape"),
        (lambda: cp.within_range(TRUE, TRUE, MASK), "m of 2 or more"),
        (lambda: cp.within_range(TWO, TRUE, MASK, tolerance=-1), "give 0 or more"),
        (lambda: cp.apart(TWO[:1], MASK), "m of 2 or more"),
    ],
)
def test_bad_input_is_told(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()


# ---------------------------------------------------------------- the energy distance without a row's own truth


def test_energy_of_filling_is_the_mean_over_pairs_of_two_rows():
    draw = torch.Generator().manual_seed(0)
    c, x = (torch.randn(2, 12, 3, generator=draw, dtype=torch.float64)).unbind()
    total = 0.0
    for i in range(12):
        for j in range(12):
            if i != j:
                total += 2 * (c[i] - x[j]).norm() - (c[i] - c[j]).norm() - (x[i] - x[j]).norm()
    assert abs(cp.energy_of_filling(c, x) - float(total) / (12 * 11)) < 1e-12
    with pytest.raises(ValueError, match="give both as"):
        cp.energy_of_filling(c[:5], x)


def test_energy_of_filling_is_0_on_average_for_true_draws_and_above_for_the_conditional_mean():
    draw, by_draws, by_mean = torch.Generator().manual_seed(0), [], []
    for _ in range(300):
        seen = torch.randn(50, generator=draw)
        lost, drawn = (0.8 * seen + 0.6 * torch.randn(50, generator=draw) for _ in range(2))
        true = torch.stack([seen, lost], 1)
        by_draws.append(cp.energy_of_filling(torch.stack([seen, drawn], 1), true))
        by_mean.append(cp.energy_of_filling(torch.stack([seen, 0.8 * seen], 1), true))
    by_draws, by_mean = torch.tensor(by_draws), torch.tensor(by_mean)
    error = by_draws.std() / 300**0.5
    assert abs(by_draws.mean()) < 4 * error and by_mean.mean() > 10 * error

"""How good are filled-in values? Several measures, for each of which another filling is the best; and Rubin's rules.

A table is (N, d), floating, a row a case and a column a variable; m completions of one table are (m, N, d), which agree
where it was seen. The mask M (N, d) is bool, True = seen. What is measured comes back as a float, or on the CPU as
float64, wherever the tables are.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..inputs import whole
from ..metrics import Estimate, energy_distance, wilson

# ------------------------------------------------------------------------------------------- against the true values


def rmse(completed: Tensor, true: Tensor, mask: Tensor) -> float:
    """sqrt(mean (completed - true)^2) over the entries that were filled, in units of the table.

    Of several completions (m, N, d) the mean square is taken over all. Least for the conditional mean, which is no
    draw. Raises ValueError for tables or a mask that do not fit, or where nothing was missing.
    """
    completed, true, mask = _fitting(completed, true, mask)
    return float((completed - true)[:, ~mask].square().mean().sqrt())


def spread_kept(completed: Tensor, true: Tensor, mask: Tensor) -> float:
    """Standard deviation of the filled values over that of the true ones at the same places: 1 where all is kept.

    Within columns: sqrt(sum_j sum_i (c_ij - c_j)^2 / sum_j sum_i (x_ij - x_j)^2) over missing entries, with c_j and x_j
    the means of column j over them; 0 for one value a column, above 1 for too wide a spread. Of several completions the
    root is of the mean square over all. Raises ValueError as `rmse`, or where the true values do not vary.
    """
    completed, true, mask = _fitting(completed, true, mask)
    missing = (~mask).double()
    filled, wanted = _within(completed, missing).mean(), _within(true, missing)
    if not wanted > 0:
        raise ValueError("the true values at the missing places do not vary within a column: give more missing rows.")
    return float((filled / wanted).sqrt())


def energy_of_filling(completed: Tensor, true: Tensor) -> float:
    """How far completed rows c (N, d) are from the true ones x as a distribution: 0 on average where holes are drawn.

    mean over i != j of 2 |c_i - x_j| - |c_i - c_j| - |x_i - x_j|: the energy distance without a row's own truth.
    `metrics.energy_distance` counts |c_i - x_i| too, which rewards a small error: for draws from the true distribution
    given what is seen it is 2 / N times the mean of that length, not 0. May be below 0 by chance. Raises ValueError
    unless both are finite and of one shape, of two rows or more.
    """
    if completed.shape != true.shape or len(true) < 2:
        raise ValueError(
            f"completed {tuple(completed.shape)} and true {tuple(true.shape)}: give both as (N, d), N >= 2."
        )
    n, completed, true = len(true), _table(completed, "completed"), _table(true, "true")
    own = (completed - true).norm(dim=1).mean()
    return (n * energy_distance(completed, true) - 2 * float(own)) / (n - 1)


def accuracy(train: Tensor, labels: Tensor, test: Tensor, labels_test: Tensor, masks=None) -> float:
    """Share of right answers on `test` (M, d) of a logistic regression fitted to `train` (N, d), columns standardised.

    With `masks=(M_train, M_test)` the masks go in beside the values, d more columns: the missing indicator, which lets
    the classifier use that a value is missing, and discount what was filled. Labels are whole numbers, (N,) and (M,).
    Raises ValueError for tables, labels or masks that do not fit, or one class alone. By scikit-learn's
    LogisticRegression, with its usual penalty.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = []
    for x, y, mask, name in zip((train, test), (labels, labels_test), masks or (None, None), ("train", "test"),
                                strict=True):  # fmt: skip
        x = _table(x, name)
        if y.shape != x.shape[:1]:
            raise ValueError(f"{name}: {len(x)} rows but labels {tuple(y.shape)}: give one label a row.")
        x = x if mask is None else torch.cat([x, _mask(mask, x).double()], 1)
        parts.append((x.numpy(), y.cpu().numpy()))
    (x, y), (x_test, y_test) = parts
    if x.shape[1] != x_test.shape[1] or len(set(y.tolist())) < 2:
        raise ValueError(f"{x.shape[1]} and {x_test.shape[1]} columns, classes {sorted(set(y.tolist()))[:5]}: give the "
                         "same columns in both tables, and two classes or more to learn.")  # fmt: skip
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(x, y)
    return float((model.predict(x_test) == y_test).mean())


# ------------------------------------------------------------------------------------------------------ Rubin's rules


class Pooled(NamedTuple):
    """What m completions say together: float64 tensors of one shape, () for one number or (k,) for k of them.

    `value` with its interval `low` to `high`; the variances `within` a completion, `between` completions, and `total`;
    `dof`, the degrees of freedom of the interval's t.
    """

    value: Tensor
    low: Tensor
    high: Tensor
    within: Tensor
    between: Tensor
    total: Tensor
    dof: Tensor


def rubin(estimates, variances, level: float = 0.95) -> Pooled:
    """Rubin's rules: m estimates Q_i of one number and their variances U_i, one a completion, pooled.

    value = mean Q_i; within W = mean U_i; between B = sum (Q_i - value)^2 / (m - 1); total T = W + (1 + 1/m) B;
    dof = (m - 1) (1 + W / ((1 + 1/m) B))^2; interval value +- t sqrt(T), t the quantile of dof degrees of freedom.
    Estimates (m,) or (m, k), for k numbers at once, each on its own. W is what a complete table would leave open, B
    what is missing adds; with B = 0 t is the normal's. For large tables: a small one has fewer degrees of freedom
    (Barnard and Rubin 1999). Right for *proper* completions: drawn, and from a model that is drawn as well. Raises
    ValueError for two shapes, fewer than 2 completions, what is not finite, variances that are not above 0, or a level
    outside 0 to 1.
    Source: Rubin 1987, section 3.1.
    """
    from scipy import stats

    q, u = (torch.as_tensor(v).detach().cpu().double() for v in (estimates, variances))
    if q.shape != u.shape or q.ndim not in (1, 2) or len(q) < 2:
        raise ValueError(f"estimates {tuple(q.shape)} and variances {tuple(u.shape)} do not fit: give both as (m,) or "
                         "(m, k), one row a completion, 2 completions or more.")  # fmt: skip
    if not (q.isfinite().all() and u.isfinite().all() and (u > 0).all()):
        raise ValueError("an estimate is not finite, or a variance is not a number above 0: give the square of each "
                         "estimate's standard error.")  # fmt: skip
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} is no probability: give one between 0 and 1, such as 0.9.")
    m, value, within, between = len(q), q.mean(0), u.mean(0), q.var(0)
    missing = (1 + 1 / m) * between
    total = within + missing
    dof = (m - 1) * (1 + within / missing).square()  # infinite where nothing is missing
    half = torch.as_tensor(stats.t.ppf((1 + level) / 2, dof.numpy())) * total.sqrt()
    return Pooled(value, value - half, value + half, within, between, total, dof)


def means(completions: Tensor) -> tuple[Tensor, Tensor]:
    """(estimates, variances), both (m, d): each column's mean in each completion, and s^2 / N; for `rubin`.

    Raises ValueError unless completions are finite (m, N, d) with 2 rows or more.
    """
    x = _completions(completions)
    return x.mean(1), x.var(1) / x.shape[1]


def slopes(completions: Tensor, target: int, predictors) -> tuple[Tensor, Tensor]:
    """(estimates, variances), both (m, k): least squares of column `target` on k columns and a constant; for `rubin`.

    The usual variances: s^2 (A^T A)^-1 with s^2 = sum of squares / (N - k - 1). Raises ValueError for completions as
    `means`, columns that are not there or given twice, or N and columns that leave no unique answer.
    """
    x = _completions(completions)
    m, n, d = x.shape
    predictors = list(predictors)
    for column in (target, *predictors):
        whole("column", column, 0, d - 1)
    if not predictors or len({target, *predictors}) < len(predictors) + 1:
        raise ValueError(f"target={target}, predictors={predictors} do not fit: give columns that differ.")
    k = len(predictors)
    A = torch.cat([torch.ones(m, n, 1, dtype=x.dtype), x[:, :, predictors]], 2)
    if n <= k + 1 or int(torch.linalg.matrix_rank(A).min()) < k + 1:
        raise ValueError(f"{n} rows and the predictors {predictors} leave no unique slopes: one is constant or a sum "
                         "of others, or the rows are too few. Leave one out.")  # fmt: skip
    inverse = torch.linalg.inv(A.mT @ A)
    weights = inverse @ A.mT @ x[:, :, [target]]
    noise = (x[:, :, [target]] - A @ weights).square().sum((1, 2)) / (n - k - 1)
    variances = noise[:, None] * inverse.diagonal(dim1=1, dim2=2)
    return weights[:, 1:, 0], variances[:, 1:]


def slope_bias(completions: Tensor, true: Tensor, target: int, predictors) -> Tensor:
    """(k,): the mean slope over the completions less that of the true table, in standard errors of the latter.

    One table has one: a bias is the mean over many. Raises ValueError as `slopes`, or for a true table of another
    shape.
    """
    found, _ = slopes(completions, target, predictors)
    if true.shape != completions.shape[1:]:
        raise ValueError(f"completions of {tuple(completions.shape[1:])} but a true table {tuple(true.shape)}.")
    wanted, variances = slopes(true[None], target, predictors)
    return (found.mean(0) - wanted[0]) / variances[0].sqrt()


def covered(intervals, truth) -> Estimate:
    """Share of the intervals that hold the truth, with Wilson's 95 % interval for it.

    `intervals` are `Pooled`, or anything with low and high, one for each repetition of data and missing; `truth` is the
    number that they are meant for. An interval of 90 % should hold it in 90 % of the repetitions. With k numbers a
    repetition, one of a kind each time, all are counted as if independent, which makes Wilson's too short. Raises
    ValueError without intervals, or for a truth of another shape.
    """
    lows, highs = ([torch.as_tensor(getattr(i, end)).double() for i in intervals] for end in ("low", "high"))
    truth = torch.as_tensor(truth).cpu().double()
    if not lows or any(end.shape != truth.shape for end in lows + highs):
        shapes = sorted({tuple(end.shape) for end in lows + highs})
        raise ValueError(f"intervals of shape {shapes} for a truth {tuple(truth.shape)}: give one or more, each of the "
                         "truth's shape.")  # fmt: skip
    held = (torch.stack(lows) <= truth) & (truth <= torch.stack(highs))
    return Estimate(float(held.double().mean()), *wilson(int(held.sum()), held.numel()))


def within_range(completions: Tensor, true: Tensor, mask: Tensor, tolerance: float = 0.0) -> float:
    """Share of the filled entries whose true value lies between the least and the largest of m completions.

    If the truth is drawn as they are, its rank among the m + 1 values is as likely any as another, so the share is
    (m - 1) / (m + 1), 90 % with m = 19; more where values tie. What lies outside by up to `tolerance` counts as within.
    Raises ValueError as `rmse`, or for fewer than 2 completions, or a tolerance below 0.
    """
    if completions.ndim != 3 or len(completions) < 2:
        raise ValueError(f"completions {tuple(completions.shape)}: give (m, N, d) with m of 2 or more.")
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance={tolerance!r} does not fit: give 0 or more, in units of the table.")
    completed, true, mask = _fitting(completions, true, mask)
    low, high = completed.amin(0) - tolerance, completed.amax(0) + tolerance
    return float(((low <= true) & (true <= high))[~mask].double().mean())


def apart(completions: Tensor, mask: Tensor) -> float:
    """Mean square of the difference of two completions over the filled entries: 0 where all m are alike.

    2 m / (m - 1) times the mean square around their mean. If the truth is drawn as they are, it equals
    mean (completion - truth)^2, that is `rmse` squared. Raises ValueError as `within_range`.
    """
    if completions.ndim != 3 or len(completions) < 2:
        raise ValueError(f"completions {tuple(completions.shape)}: give (m, N, d) with m of 2 or more.")
    completed, _, mask = _fitting(completions, completions[0], mask)
    return float(2 * completed.var(0)[~mask].mean())


# ------------------------------------------------------------------------------------------------------------- inputs


def _table(x: Tensor, name: str) -> Tensor:
    if not isinstance(x, Tensor) or x.ndim != 2 or not x.is_floating_point() or not x.numel():
        given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"the {name} table must be a floating tensor (N, d), no row or column short: got {given}.")
    if not x.isfinite().all():
        raise ValueError(f"the {name} table holds NaN or infinity: fill it in first, or see what made it.")
    return x.detach().cpu().double()


def _completions(x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or x.ndim != 3 or not len(x) or x.shape[1] < 2:
        given = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"completions must be a tensor (m, N, d) with 2 rows or more: got {given}. One table is x[None]."
        )
    return _table(x.flatten(0, 1), "completed").view(x.shape)


def _mask(mask: Tensor, x: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != x.shape[-2:]:
        given = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"the mask of a table {tuple(x.shape[-2:])} is bool of that shape, True = seen: got {given}.")
    return mask.cpu()


def _fitting(completed: Tensor, true: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(m, N, d), (N, d), (N, d), on the CPU."""
    completed, true = completed[None] if completed.ndim == 2 else completed, _table(true, "true")
    if completed.ndim != 3 or completed.shape[1:] != true.shape:
        raise ValueError(f"completed {tuple(completed.shape)} and true {tuple(true.shape)} do not fit: give (N, d) or "
                         "(m, N, d), and (N, d).")  # fmt: skip
    completed = _table(completed.flatten(0, 1), "completed").view(completed.shape)
    mask = _mask(mask, true)
    if mask.all():
        raise ValueError("nothing is missing, all of the mask is True: hide some entries whose truth is known.")
    return completed, true, mask


def _within(x: Tensor, missing: Tensor) -> Tensor:
    """Sum of squares around the column's mean over the missing entries; x (..., N, d) -> (...)."""
    means = (x * missing).sum(-2, keepdim=True) / missing.sum(0).clamp(min=1)
    return ((x - means).square() * missing).sum((-1, -2))

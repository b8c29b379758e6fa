"""Missing values: tables with holes, the ways in which values go missing, GAIN, and what fills the holes without it.

A table x is (N, d), a row a sample and a column a variable, in min-max scale; its mask m, of the same shape, is True
where a value is seen. W tables side by side are (W, N, d): networks and step take them at once, and none sees another.
"""

import inspect
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from ..inputs import brief, one_of, whole
from ..sampling import device_of, seeded
from ..toys.stacked import StackedMLP
from ..toys.worlds import streams

# ------------------------------------------------------------------------------------------------------------ tables

# scikit-learn's name, and the column that is always seen and drives what goes missing "given what is seen"
TABLES = {"breast cancer": ("breast_cancer", 0), "diabetes": ("diabetes", 2), "wine": ("wine", 0)}


class Table(NamedTuple):
    """x (N, d) float32, each column from 0 to 1; the first column drives what goes missing "given what is seen".

    labels (N,) are classes, or None for diabetes, whose target is its last column; columns are the d names.
    """

    x: Tensor
    labels: Tensor | None
    columns: tuple[str, ...]


def load(name: str) -> Table:
    """One of `TABLES`, as scikit-learn ships it, each column scaled to 0..1: (x - min) / (max - min).

    breast cancer (569, 30) with 2 classes, diabetes (442, 11) with the target as column, wine (178, 13) with 3
    classes. Raises ValueError for another name.
    """
    from sklearn import datasets

    one_of(name, tuple(TABLES), "table")
    source, first = TABLES[name]
    bunch = getattr(datasets, f"load_{source}")()
    x, columns, labels = bunch.data, list(bunch.feature_names), torch.tensor(bunch.target)
    if name == "diabetes":
        x, columns, labels = np.column_stack([x, bunch.target]), [*columns, "progression"], None
    order = [first] + [j for j in range(len(columns)) if j != first]
    x = (x[:, order] - x[:, order].min(0)) / np.ptp(x[:, order], 0)
    return Table(torch.tensor(x, dtype=torch.float32), labels, tuple(str(columns[j]) for j in order))


# ---------------------------------------------------------------------------------------------- why values go missing

MECHANISMS = ("completely at random", "given what is seen", "given what is not")


def chances(x: Tensor, share: float, mechanism: str, slope: float = 2.0) -> Tensor:
    """The chance that a value goes missing, (N, d): sigma(slope u + b), with b such that a column's mean is `share`.

    u is 0 ("completely at random"), the row's first column ("given what is seen"), or the value itself ("given what is
    not"), each column standardised; so high values go missing. The first column itself never does. Raises ValueError
    for a table that is not (N, d), a share that is not between 0 and 1, or an unknown mechanism. Source: the three
    cases, Rubin 1976 and Little and Rubin 2019, section 1.3; the logistic form is ours.
    """
    one_of(mechanism, MECHANISMS, "mechanism")
    if x.ndim != 2:
        raise ValueError(f"the table is {tuple(x.shape)}: give rows and columns (N, d).")
    if not 0 < share < 1:
        raise ValueError(f"share={share!r} does not fit: the share of values to hide, above 0 and below 1.")
    z = ((x - x.mean(0)) / x.std(0)).double()
    u = {MECHANISMS[0]: torch.zeros_like(z), MECHANISMS[1]: z[:, :1].expand_as(z), MECHANISMS[2]: z}[mechanism]
    low, high = (torch.full_like(z[0], end) for end in (-50.0, 50.0))
    for _ in range(60):  # the mean rises with b, so halve the interval
        b = (low + high) / 2
        above = (slope * u + b).sigmoid().mean(0) > share
        low, high = torch.where(above, low, b), torch.where(above, b, high)
    p = (slope * u + (low + high) / 2).sigmoid()
    p[:, 0] = 0
    return p


def hide(x: Tensor, share: float, mechanism: str, seed: int = 0, slope: float = 2.0) -> Tensor:
    """A mask (N, d), True = seen, drawn by `chances`. No column and no row goes missing whole.

    Where a column would lose all but one value, or all different ones, it keeps two that differ. Raises as `chances`.
    """
    p = chances(x, share, mechanism, slope)
    seen = torch.rand(p.shape, generator=torch.Generator().manual_seed(seed), dtype=p.dtype) >= p.cpu()
    for j in range(x.shape[1]):
        if len(x[seen[:, j].to(x.device), j].unique()) < 2:
            seen[x[:, j].argmin(), j] = seen[x[:, j].argmax(), j] = True
    return seen.to(x.device)


# ---------------------------------------------------------------------------------------------------------- the door


class Prepared(NamedTuple):
    """x (N, d) float32 from 0 to 1 where seen and 0 elsewhere, its mask, and what `restore` needs: low, span (d,)."""

    x: Tensor
    mask: Tensor
    low: Tensor
    span: Tensor


def prepare(x, mask=None) -> Prepared:
    """A table of numbers, scaled by the values that are seen: (x - low) / span, low and span of each column.

    x is a tensor, an array, a DataFrame or a list of rows; mask is of the same shape, True where a value is seen. What
    stands in x where the mask is False is not looked at. Raises ValueError, with what to do, for a table with text, of
    another form or with one row; NaN or infinity where a value should be seen; a mask of another shape or kind; a
    column without a value, or with only one.
    """
    x, names = _numbers(x)
    if x.ndim != 2 or x.shape[0] < 2:
        raise ValueError(f"the table is {tuple(x.shape)}: give rows and columns (N, d), 2 rows or more.")
    mask = _mask(x, mask)
    if not (~mask | x.isfinite()).all():
        row, column = (mask & ~x.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"row {row} of {names[column]} is {float(x[row, column])} where the mask says seen: mask it, or mend it."
        )
    for column, name in enumerate(names):
        seen = x[mask[:, column], column]
        if not len(seen):
            raise ValueError(f"{name} has no value at all: nothing can be learnt of it; leave the column out.")
        if (seen == seen[0]).all():
            raise ValueError(
                f"{name} is {float(seen[0]):g} wherever it is seen: leave the column out, and fill it with that value."
            )
    low = torch.where(mask, x, torch.inf).amin(0)
    span = torch.where(mask, x, -torch.inf).amax(0) - low
    return Prepared(torch.where(mask, (x - low) / span, 0.0).float(), mask, low, span)


def restore(prepared: Prepared, filled: Tensor) -> Tensor:
    """`filled` (..., N, d) in the scale of the table that `prepare` was given."""
    return filled * prepared.span.to(filled) + prepared.low.to(filled)


def _numbers(x) -> tuple[Tensor, list[str]]:
    """The table as float64, and what its columns are called."""
    if not isinstance(x, Tensor):
        array = np.asarray(x, dtype=object if isinstance(x, list | tuple) else None)  # or 1.0 becomes '1.0' beside text
        names = [f"column {name!r}" for name in getattr(x, "columns", range(array.shape[-1] if array.ndim else 0))]
        if array.dtype.kind not in "fiub":
            _refuse_text(array, names)
            array = array.astype(float)
        x = torch.tensor(array)
    else:
        names = [f"column {j}" for j in range(x.shape[-1] if x.ndim else 0)]
    return x.double(), names


def _refuse_text(array: np.ndarray, names: list[str]) -> None:
    for place, value in np.ndenumerate(array):
        try:
            float("nan" if value is None else "text" if isinstance(value, str) else value)
        except (TypeError, ValueError):
            name = names[place[-1]] if len(place) == 2 else "the table"
            given = brief(str(value) if isinstance(value, str) else value)
            raise ValueError(
                f"{name} holds {given}, which is no number: give each category a column of 0 and 1, or leave it out."
            ) from None


def _mask(x: Tensor, mask) -> Tensor:
    if mask is None:
        if n := int(x.isnan().sum()):
            raise ValueError(
                f"{n} values of the table are NaN, and there is no mask: is NaN what is missing? Then give "
                "mask=~x.isnan() of a tensor, ~numpy.isnan(x) of an array, x.notna() of a DataFrame."
            )
        return torch.ones_like(x, dtype=torch.bool)
    mask = mask if isinstance(mask, Tensor) else torch.tensor(np.asarray(mask))
    if mask.dtype != torch.bool:
        raise ValueError(f"the mask holds {mask.dtype}: give True where a value is seen, False where it is missing.")
    if mask.shape != x.shape:
        raise ValueError(f"the mask is {tuple(mask.shape)}, the table {tuple(x.shape)}: give one for each value.")
    return mask.to(x.device)


# ------------------------------------------------------------------------------------------------- players and steps


class Player(nn.Module):
    """Two tables side by side -> a number for each entry, in W worlds: (W, N, d) and (W, N, d) -> (W, N, d).

    A multilayer perceptron with two hidden layers of `width` (ReLU). As G it takes what is seen, with noise in the
    holes, and the mask, and its sigmoid gives values from 0 to 1; as D it takes the filled table and the hint, and
    gives logits of "this was seen". Raises ValueError for sizes below 1. Source: Yoon et al. 2018, section 4; the sizes
    are those of their code, where width is d.
    """

    def __init__(self, d: int, worlds: int = 1, width: int | None = None, fills: bool = False, seed: int = 0):
        super().__init__()
        whole("d", d, 1, 10_000)
        whole("worlds", worlds, 1, 10_000)
        width = d if width is None else width
        whole("width", width, 1, 100_000)
        self.fills, self.net = fills, StackedMLP(worlds, [2 * d, width, width, d], streams(seed, int(fills)))

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        y = self.net(torch.cat([x, beside.to(x.dtype)], -1))
        return y.sigmoid() if self.fills else y


def with_noise(x: Tensor, m: Tensor) -> Tensor:
    """What G is shown: x where m is 1, noise uniform in [0, 0.01) elsewhere, as in the authors' code."""
    return torch.where(m.bool(), x, 0.01 * torch.rand_like(x))


def gain_step(x, m, *, G, D, opt_G, opt_D, alpha=100.0, hint_rate=0.9, untold=0.5, game=1.0):
    """One round of GAIN: D learns which values of a filled table were seen; G learns to fill so that D cannot tell.

    x and m (W, N, d). The hint tells D the truth about a value with chance `hint_rate`, `untold` otherwise. The paper's
    hint leaves out one value a row, as 1/2, and both losses count that value alone; the authors' code has the rate 0.9
    and untold = 0, and all values count, as they do here. D's loss is the cross-entropy of m, in nats a value; G's is
    game E[-(1 - m) log D] + alpha times its mean squared error where x is seen. game = 0 takes D's word out and changes
    nothing else; settings may be (W, 1, 1), one a world, all but alpha. Returns {"loss_D", "loss_G", "error"}, means
    over worlds, detached.
    Source: Yoon et al. 2018, section 4 and algorithm 1, and the authors' code.
    """
    m = m.to(x.dtype)
    told = (torch.rand_like(x) < hint_rate).to(x.dtype)
    hint = told * m + (1 - told) * untold
    guess = G(with_noise(x, m), m)
    filled = m * x + (1 - m) * guess

    d = D(filled.detach(), hint)
    loss_D = binary_cross_entropy_with_logits(d, m, reduction="none").mean((-2, -1))
    opt_D.zero_grad()
    loss_D.sum().backward()
    opt_D.step()

    fooled = (game * (1 - m) * softplus(-D(filled, hint))).mean((-2, -1))  # -log D where G has filled
    error = (m * (guess - x).square()).sum((-2, -1)) / m.sum((-2, -1))
    loss_G = fooled + alpha * error
    opt_G.zero_grad()
    loss_G.sum().backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.mean().detach(), "loss_G": loss_G.mean().detach(), "error": error.mean().detach()}


def practice_step(x, m, *, G, opt_G, hidden=0.2):
    """One step without an opponent: G fills holes that are made on purpose, where the truth is known.

    Each seen value of x (W, N, d) is hidden from G with chance `hidden`; the loss is the mean squared error over all
    that is seen in truth, hidden or not. hidden = 0 is GAIN without D: it draws its numbers of chance as `gain_step`
    does, so equal seeds give equal batches, noise and first weights. Returns {"error"}, detached. Source: a denoising
    autoencoder, Vincent et al. 2008; for missing values, Gondara and Wang 2018.
    """
    m = m.to(x.dtype)
    shown = m * (torch.rand_like(x) >= hidden).to(x.dtype)
    error = (m * (G(with_noise(x, shown), shown) - x).square()).sum((-2, -1)) / m.sum((-2, -1))
    opt_G.zero_grad()
    error.sum().backward()
    opt_G.step()
    return {"error": error.mean().detach()}


@torch.no_grad()
def complete(G: nn.Module, x: Tensor, m: Tensor, seed: int = 0) -> Tensor:
    """x where m is True, G's values elsewhere; equal seeds, equal noise. On the CPU."""
    device = device_of(G, x)
    x, m = x.to(device), m.to(device)
    with seeded(seed):
        return torch.where(m, x, G(with_noise(x, m), m)).cpu()


# ----------------------------------------------------------------------------------------------------------- training


class Fitted(NamedTuple):
    """G as it was at each world's best stop; `stops` and `held_out`, (stops,) and (stops, W): its error on the way."""

    G: nn.Module
    stops: Tensor
    held_out: Tensor


def fit(
    x: Tensor, m: Tensor, step=gain_step, *, steps=3000, every=100, batch=128, held=0.1, width=None, seed=0, **settings
) -> Fitted:
    """Train G of `gain_step` or `practice_step` on tables x (W, N, d) with masks m, and stop by what was held out.

    A share `held` of the seen values is hidden from the training, other ones in each world. After every `every` steps
    each world's root mean squared error there is taken, and its G of the lowest one is kept. Adam with 1e-3, batches of
    rows as in the authors' code; what is held out is ours: their code stops after a fixed number of steps. Settings go
    to the step. Raises ValueError for tables that are not (W, N, d) or steps below `every`.
    """
    from ..training import Trainer

    if x.ndim != 3 or m.shape != x.shape:
        raise ValueError(f"x {tuple(x.shape)} and m {tuple(m.shape)}: give both as (W, N, d), W = 1 for one table.")
    whole("steps", steps, every, 10**7)
    draw = streams(seed, 2)
    away = torch.stack([torch.rand(m.shape[1:], generator=draw(w)) < held for w in range(len(x))]).to(m.device) & m
    shown = m & ~away
    players = {"G": Player(x.shape[-1], len(x), width, fills=True, seed=seed)}
    if "D" in inspect.signature(step).parameters:
        players["D"] = Player(x.shape[-1], len(x), width, seed=seed)
    players |= {f"opt_{k}": torch.optim.Adam(net.parameters(), 1e-3, fused=True) for k, net in [*players.items()]}
    worlds = torch.arange(len(x), device=x.device)[:, None]

    def rows(n: int) -> tuple[Tensor, Tensor]:
        i = torch.randint(x.shape[1], (len(x), n), device=x.device)
        return x[worlds, i], shown[worlds, i]  # (W, n, d)

    trainer = Trainer(partial(step, **settings), players, rows, batch_size=batch, seed=seed, device=x.device)
    G, best, errors, stops = players["G"], None, [], []
    for record in trainer.run(steps=steps, every=every):
        filled = complete(G, x, shown, seed).to(x)
        error = (away * (filled - x).square()).sum((1, 2)).div(away.sum((1, 2))).sqrt()  # (W,)
        errors.append(error.cpu())
        stops.append(record["step"])
        now = {k: v.clone() for k, v in G.state_dict().items()}
        better = error <= torch.stack(errors).amin(0).to(error)
        best = now if best is None else {k: torch.where(better[:, None, None], v, best[k]) for k, v in now.items()}
    G.load_state_dict(best)
    return Fitted(G.eval(), torch.tensor(stops), torch.stack(errors))


def fill_by(step, x: Tensor, masks: Tensor, draws: int = 1, **settings) -> Tensor:
    """Tables x (N, d) or (W, N, d) with masks (W, N, d), filled by a G that `fit` trains: (draws, W, N, d), on the CPU.

    Each table is scaled by what is seen of it, and scaled back; `draws` differ in the noise in G's holes alone.
    Settings go to `fit`. Raises ValueError as `prepare` and `fit`.
    """
    masks, tables = masks.to(x.device), x.expand(len(masks), -1, -1)
    ready = [prepare(*pair) for pair in zip(tables, masks, strict=True)]
    scaled = torch.stack([p.x for p in ready])
    G = fit(scaled, masks, step, **settings).G
    found = []
    for draw in range(draws):
        filled = complete(G, scaled, masks, draw)
        back = torch.stack([restore(p, f) for p, f in zip(ready, filled.to(x.device), strict=True)]).float()
        found.append(torch.where(masks, tables, back).cpu())
    return torch.stack(found)


# ------------------------------------------------------------------------------------------- what fills without a GAN


def _chained(regressor, seed: int, rounds: int = 10, drawn: bool = False):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(regressor, max_iter=rounds, sample_posterior=drawn, random_state=seed, tol=1e-3)


def _ridge(seed: int, drawn: bool = False):
    from sklearn.linear_model import BayesianRidge

    return _chained(BayesianRidge(), seed, drawn=drawn)


def _trees(seed: int):
    from sklearn.ensemble import ExtraTreesRegressor

    return _chained(ExtraTreesRegressor(10, min_samples_leaf=3, max_features=0.5, random_state=seed), seed, rounds=3)


def _simple(name: str, **settings):
    def make(seed: int):
        from sklearn import impute

        return getattr(impute, name)(**settings)

    return make


# name -> seed -> scikit-learn's imputer
FILLERS = {
    "mean": _simple("SimpleImputer"),
    "five neighbours": _simple("KNNImputer", n_neighbors=5),
    "chained ridge": _ridge,
    "chained ridge, drawn": partial(_ridge, drawn=True),
    "chained trees": _trees,
}


def fill(x: Tensor, m: Tensor, method: str, seed: int = 0) -> Tensor:
    """x (N, d) where m is True, elsewhere what one of `FILLERS` of scikit-learn gives; float32, on the CPU.

    "chained ridge" predicts each column in turn from all others by Bayesian ridge regression, ten rounds; "drawn" takes
    a draw from the prediction's normal distribution in place of its mean; "chained trees" predicts by ten extremely
    randomised trees, three rounds. Raises ValueError for another name, and as `prepare` for a table that does not fit.
    Source: van Buuren and Groothuis-Oudshoorn 2011 (chained equations); Stekhoven and Bühlmann 2012 (forests).
    """
    from sklearn.exceptions import ConvergenceWarning

    one_of(method, tuple(FILLERS), "method")
    prepared = prepare(x.cpu(), m.cpu())
    holes = torch.where(prepared.mask, prepared.x, torch.nan).double().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = torch.tensor(FILLERS[method](seed).fit_transform(holes))
    return torch.where(m.cpu(), x.cpu(), restore(prepared, filled).float())

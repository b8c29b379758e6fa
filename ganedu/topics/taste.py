"""Somebody's taste, learnt from picks: which of a few pictures is liked best, what is believed of it, how varied a page.

The pictures are those of a `studio.Maker`; here they are rows of numbers. A taste is a number u(f) of each picture, and
who sees n of them picks i with probability exp(u_i) / sum exp(u_j) (Bradley and Terry 1952; Luce 1959). u is linear in
the features and their squares, so that a middle can be liked, with a normal prior on its weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..inputs import whole

POOL = 600  # pictures that a `Taste` chooses its offers from
PRIOR = 1.0  # deviation of the weight of each feature, on a scale where features vary by 1


# ------------------------------------------------------------------------------------------------------------ the model


class Choices:
    """What is known of the weights w (F,) of u = f . w after picks among rows of features.

    The posterior is taken as normal (Laplace): `mean` (F,) is its peak, `cov` (F, F) the inverse of the curvature
    there. With nothing picked it is the prior, N(0, PRIOR^2 I).
    """

    def __init__(self, n_features: int, prior: float = PRIOR):
        self.prior, self.rows = prior, []
        self.mean = torch.zeros(n_features, dtype=torch.float64)
        self.cov = torch.eye(n_features, dtype=torch.float64) * prior**2

    def pick(self, rows: Tensor, i: int) -> None:
        """Row i of the rows (n, F) was picked."""
        rows = rows.double()
        self.rows.append(torch.cat([rows[i : i + 1], rows[:i], rows[i + 1 :]]))  # the picked one first
        self._fit()

    def _fit(self) -> None:
        """Newton's method on the log posterior, which has one peak; a step is halved until it climbs."""
        w = self.mean.clone()
        value = self._value(w)
        for _ in range(30):
            slope, curve = -w / self.prior**2, torch.eye(len(w), dtype=w.dtype) / self.prior**2
            for rows in self.rows:
                p = (rows @ w).softmax(0)
                slope = slope + rows[0] - p @ rows
                curve = curve + rows.T @ (p[:, None] * rows) - torch.outer(p @ rows, p @ rows)
            step, size = torch.linalg.solve(curve, slope), 1.0
            while size > 1e-4 and self._value(w + size * step) < value:
                size /= 2
            w, before = w + size * step, value
            value = self._value(w)
            if value - before < 1e-9:
                break
        self.mean, self.cov = w, torch.linalg.inv(curve)

    def _value(self, w: Tensor) -> Tensor:
        return sum((rows @ w).log_softmax(0)[0] for rows in self.rows) - w.square().sum() / (2 * self.prior**2)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Weights (F,) drawn from the posterior: a taste that the picks still allow."""
        root = torch.linalg.cholesky(self.cov)
        return self.mean + root @ torch.randn(len(self.mean), dtype=self.mean.dtype, generator=generator)

    def surprise(self) -> float:
        """Share of picks for which the peak of the posterior would rather have bet on another picture."""
        missed = [bool((rows @ self.mean).argmax() != 0) for rows in self.rows]
        return sum(missed) / len(missed) if missed else 0.0


@dataclass(frozen=True)
class Belief:
    """What a taste is believed to be: `text` in words, `sure` from 0 (nothing is known) to 1, `picks` so far."""

    text: str
    sure: float
    picks: int
    likes: tuple[tuple[str, float], ...] = ()


class Taste:
    """The taste of one user of a `studio.Maker`: `offer` some pictures, tell by `pick` which is liked best, and look at
    `belief`; `page` shows what should please. Equal seeds and picks give equal offers."""

    def __init__(self, maker, seed: int = 0, pool: int = POOL):
        self.maker, self.seed = maker, seed
        self.pool = maker.fresh(pool, seed)
        f = maker.features(self.pool).double()
        self.rows = (f - f.mean(0)) / f.std(0).clamp(min=1e-6)
        self.reset()

    def reset(self) -> None:
        """Forget all picks."""
        self.choices, self.offered, self.shown = Choices(self.rows.shape[1]), [], set()
        self._generator = torch.Generator().manual_seed(self.seed)

    def offer(self, n: int = 4) -> list:
        """n recipes to choose from: each is the best of the pool by a taste that is drawn from what is still possible
        (Thompson 1933), so what is not known is tried, and less and less of it."""
        whole("n", n, 2, 16)
        chosen = []
        for _ in range(n):
            u = self.rows @ self.choices.draw(self._generator)
            u[[*self.shown, *chosen]] = -torch.inf
            chosen.append(int(u.argmax()))
        self.offered = chosen
        self.shown |= set(chosen)
        if len(self.shown) > len(self.rows) - 16:
            self.shown = set()
        return [self.pool[i] for i in chosen]

    def pick(self, i: int) -> None:
        """The i-th of the last offer was liked best. Raises ValueError where nothing is offered, or for another i."""
        if not self.offered:
            raise ValueError("nothing is offered: ask for offer(n) first, and pick once from each.")
        whole("i", i, 0, len(self.offered) - 1)
        self.choices.pick(self.rows[self.offered], i)
        self.offered = []

    def belief(self) -> Belief:
        """What is believed, in words."""
        picks = len(self.choices.rows)
        return Belief("Nothing is known yet: pick one." if not picks else f"{picks} picks.", 0.0, picks)

    def page(self, n: int = 12, variety: float = 0.0) -> list:
        """n recipes of the pool: those that should please most at variety 0, the most unlike ones at 1."""
        u = self.rows @ self.choices.mean
        return [self.pool[i] for i in u.argsort(descending=True)[:n].tolist()]


def diversity(features: Tensor, independent: Tensor) -> float:
    """Mean distance between two rows of `features` (n, F), over that of rows of `independent` (m, F): 1 as varied as
    independent draws, 0 all alike."""
    return float(torch.pdist(features.double()).mean() / torch.pdist(independent.double()).mean())

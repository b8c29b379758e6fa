"""Somebody's taste, learnt from picks: what is believed of it, what to offer next, and how varied a page is.

A picture is a row f of numbers. A taste is a number u of each picture, and who sees n of them picks picture i with
probability exp(u_i) / sum_j exp(u_j) (Bradley and Terry 1952 for two, Luce 1959 for more). Here u = f . w, where f
holds what was measured, its square, so that a middle can be liked, and what a judge sees besides; the prior of w is
normal.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..inputs import brief, whole

POOL = 600  # pictures that a `Taste` chooses its offers from
PRIOR = {
    "measured": 1.5,
    "squared": 1.0,
    "class": 1.0,
    "seen": 0.6,
}  # deviations of the weights, features of variance 1
SEEN = 8  # principal components of what the judge sees
AGAINST = 3.0  # deviations, as `Choices.against` counts them: above, picks contradict what was believed
UNSURE = 0.4  # `Belief.sure` below this is told as unsure
CANDIDATES = 1 / 4  # share of the pool, the most liked, that a page at full variety is chosen from

# ------------------------------------------------------------------------------------------------------------ the model


class Choices:
    """What is known of the weights w (F,) after picks among rows of features; `prior` (F,) their deviations before.

    The posterior is taken as normal (Laplace's approximation): `mean` (F,) is its peak, and `cov` (F, F) the inverse of
    the curvature there. `picks` counts, `told` is the sum over picks of log p, of what p the model would have drawn on
    average, and of its variance: each by the posterior's mean before the pick.
    """

    def __init__(self, prior: Tensor):
        self.prior = prior.double()
        self.rows: list[Tensor] = []
        self.told = torch.zeros(3, dtype=torch.float64)
        self.mean, self.cov = torch.zeros_like(self.prior), self.prior.square().diag()

    def pick(self, rows: Tensor, i: int) -> None:
        """Row i of rows (n, F) was picked."""
        rows = rows.double()
        log_p = (rows @ self.mean).log_softmax(0)
        expected = (log_p.exp() * log_p).sum()
        self.told += torch.stack([log_p[i], expected, (log_p.exp() * log_p.square()).sum() - expected**2])
        self.rows.append(torch.cat([rows[i : i + 1], rows[:i], rows[i + 1 :]]))  # the picked one first
        self._fit()

    def _fit(self) -> None:
        """Newton's method on the log posterior, which has one peak; a step is halved until it climbs."""
        by_size: dict[int, list[Tensor]] = {}
        for rows in self.rows:
            by_size.setdefault(len(rows), []).append(rows)
        stacks = [torch.stack(rows) for rows in by_size.values()]  # (picks, n, F) each
        precision, w = self.prior.square().reciprocal(), self.mean

        def value(w):
            return sum((s @ w).log_softmax(1)[:, 0].sum() for s in stacks) - (precision * w.square()).sum() / 2

        now = value(w)
        for _ in range(30):
            slope, curve = -precision * w, precision.diag()
            for s in stacks:
                p = (s @ w).softmax(1)[..., None]  # (picks, n, 1)
                mean = (p * s).sum(1)
                slope = slope + (s[:, 0] - mean).sum(0)
                curve = curve + (p * s).flatten(0, 1).T @ s.flatten(0, 1) - mean.T @ mean
            step, size = torch.linalg.solve(curve, slope), 1.0
            while size > 1e-6 and value(w + size * step) < now:
                size /= 2
            w, before = w + size * step, now
            now = value(w)
            if abs(now - before) < 1e-9:
                break
        self.mean, self.cov = w, torch.linalg.inv(curve)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Weights (n, F) drawn from the posterior: tastes that the picks still allow."""
        root = torch.linalg.cholesky((self.cov + self.cov.T) / 2)
        normal = torch.randn(n, len(self.mean), dtype=torch.float64, generator=generator)
        return self.mean + normal @ root.T

    def against(self) -> float:
        """By how many deviations the picks were less likely, at the time, than the model itself expected of picks;
        above AGAINST they contradict what had been believed."""
        if self.told[2] < 1e-9:
            return 0.0
        return float((self.told[1] - self.told[0]) / self.told[2].sqrt())


@dataclass(frozen=True)
class Belief:
    """What a taste is believed to be. `str()` gives `text`: the words.

    - `sure`, 0 to 1: of two pictures taken at random, how much oftener than by chance the better one is named, by the
      model's own opinion: 2 p - 1;
    - `picks` so far; `rows` of at most 6 (name, weight, low, high), the weight with its 95 % interval, surest first;
    - `against`: `Choices.against`, and `contradictory` where it is above AGAINST.
    """

    text: str
    sure: float
    picks: int
    rows: tuple[tuple[str, float, float, float], ...] = ()
    against: float = 0.0

    @property
    def contradictory(self) -> bool:
        return self.against > AGAINST

    def __str__(self) -> str:
        return self.text


class Learner:
    """Offers and picks among N pictures by their numbers, (N, F): the taste without the pictures.

    `rows` are `described` features with their `names` and prior deviations, `near` (N, K) what distances for variety
    are measured in. Equal seeds and picks give equal offers. Source of the offers: Thompson 1933; of learning a gallery
    from choices: Brochu, de Freitas and Ghosh 2007.
    """

    def __init__(self, rows: Tensor, prior: Tensor, names: tuple[str, ...], near: Tensor, seed: int = 0):
        self.rows, self.prior, self.names, self.seed = rows.double().cpu(), prior.cpu(), names, seed
        self.near = near.double().cpu()
        self.reset()

    def reset(self) -> None:
        """Forget all picks."""
        self.choices, self.offered, self.shown = Choices(self.prior), [], set()
        self._generator = torch.Generator().manual_seed(self.seed)

    @property
    def picks(self) -> int:
        return len(self.choices.rows)

    def offer(self, n: int = 4) -> list[int]:
        """n pictures to choose from, none of them offered before: each is the best by a taste drawn from those that
        the picks still allow. So what is not known is tried, and less and less of it."""
        whole("n", n, 2, 16)
        if len(self.shown) + n > len(self.rows):
            self.shown = set()
        u = self.choices.draw(n, self._generator) @ self.rows.T  # (n, N)
        u[:, [*self.shown]] = -torch.inf
        self.offered = []
        for one in u:
            self.offered.append(int(one.argmax()))
            u[:, self.offered[-1]] = -torch.inf
        self.shown |= set(self.offered)
        return self.offered

    def pick(self, i: int) -> None:
        """The i-th of the last offer is liked best. Raises ValueError where nothing is on offer, and for another i."""
        if not self.offered:
            raise ValueError("nothing is on offer: ask for an offer first, and pick once from each.")
        whole("i", i, 0, len(self.offered) - 1)
        self.choices.pick(self.rows[self.offered], int(i))
        self.offered = []

    def utility(self) -> Tensor:
        """u (N,) of every picture, by the mean of what is believed."""
        return self.rows @ self.choices.mean

    def page(self, n: int = 12, varied: float = 0.0) -> list[int]:
        """`varied_page` of what is believed; before the first pick all please equally."""
        return varied_page(self.utility(), self.near, n, varied)

    def sure(self) -> float:
        """`Belief.sure`, over 2,000 pairs."""
        a, b = torch.randint(len(self.rows), (2, 2000), generator=torch.Generator().manual_seed(1))
        apart = self.rows[a] - self.rows[b]
        mean, deviation = apart @ self.choices.mean, (apart @ self.choices.cov * apart).sum(1).clamp(min=1e-12).sqrt()
        return float(torch.special.erf(mean.abs() / deviation / math.sqrt(2)).mean())

    def belief(self) -> Belief:
        """What is believed, in words: nothing, too little, what is liked, or that the picks contradict it."""
        mean, error = self.choices.mean, self.choices.cov.diagonal().clamp(min=1e-12).sqrt()
        order = (mean.abs() / error).argsort(descending=True).tolist()
        order = [i for i in order if self.names[i]] if self.picks else []
        rows = tuple((self.names[i], float(mean[i]), float(mean[i] - 1.96 * error[i]), float(mean[i] + 1.96 * error[i]))
                     for i in order[:6])  # fmt: skip
        sure, against = (self.sure() if self.picks else 0.0), self.choices.against()
        return Belief(self._words(rows, sure, against), sure, self.picks, rows, against)

    def _words(self, rows, sure: float, against: float) -> str:
        if not self.picks:
            return "I know nothing of your taste yet: pick the picture that you like best."
        count = f"{self.picks} pick" + "s" * (self.picks > 1)
        if against > AGAINST:
            return (
                f"Your {count} contradict each other, or follow something that I cannot see: they fit what I believed "
                f"{against:.1f} deviations worse than picks should. I go on guessing; reset to begin anew."
            )
        clear = [name_of(name, weight) for name, weight, low, high in rows if low > 0 or high < 0]
        if not clear or sure < UNSURE:
            guess = f" My guess: {name_of(rows[0][0], rows[0][1])}." if rows else ""
            return f"After {count} I am unsure ({sure:.0%} sure).{guess}"
        return f"After {count} I believe that you like {', '.join(clear[:3])} ({sure:.0%} sure)."


def name_of(name: str, weight: float) -> str:
    """A weight in words: "more weight", "less slant", "a middle width", "not the class 7"."""
    if name.startswith("extreme "):
        what = name.removeprefix("extreme ")
        return f"an extreme {what}" if weight > 0 else f"a middle {what}"
    if name.startswith("class "):
        return ("the " if weight > 0 else "not the ") + name
    return f"{'more' if weight > 0 else 'less'} {name}"


class Taste:
    """The taste of one user of a `studio.Maker`: a `Learner` over `pool` pictures that it draws once, by recipes."""

    def __init__(self, maker, seed: int = 0, pool: int = POOL):
        whole("pool", pool, 50, 5000)
        self.maker, self.pool = maker, maker.fresh(pool, seed)
        x = maker.draw(self.pool)
        seen = maker.seen(x)
        labels = torch.tensor([r.label for r in self.pool]) if maker.classes else None
        self.learner = Learner(*described(maker.measure(x), seen, labels, maker.classes), near=seen, seed=seed)

    picks = property(lambda self: self.learner.picks, doc="How many picks there were.")

    def offer(self, n: int = 4) -> list:
        """`Learner.offer`, as recipes."""
        return [self.pool[i] for i in self.learner.offer(n)]

    def pick(self, i: int) -> None:
        """`Learner.pick`: the i-th of the last offer."""
        self.learner.pick(i)

    def page(self, n: int = 12, varied: float = 0.0) -> list:
        """`Learner.page`, as recipes."""
        return [self.pool[i] for i in self.learner.page(n, varied)]

    def belief(self) -> Belief:
        """`Learner.belief`."""
        return self.learner.belief()

    def reset(self) -> None:
        """Forget all picks."""
        self.learner.reset()


def described(
    measured: dict[str, Tensor], seen: Tensor, labels: Tensor | None = None, classes: tuple[str, ...] = (),
    components: int = SEEN,
) -> tuple[Tensor, Tensor, tuple[str, ...]]:  # fmt: skip
    """(rows (N, F) of mean 0 and deviation 1, prior deviations (F,), names) of N pictures, for a `Learner`.

    Each measure {name: (N,)}, its square as "extreme NAME", a column a class where there are labels, and the first
    `components` of the judge's features `seen` (N, K), which have the name "".
    """
    columns, prior, names = [], [], []

    def add(column: Tensor, kind: str, name: str) -> None:
        column = column.double().cpu()
        column = column - column.mean()
        if column.std() > 1e-9:
            columns.append(column / column.std())
            prior.append(PRIOR[kind])
            names.append(name)

    for name, values in measured.items():
        standard = (values.double() - values.double().mean()) / values.double().std().clamp(min=1e-9)
        add(standard, "measured", name)
        add(standard.clamp(-3, 3).square(), "squared", f"extreme {name}")
    for c, name in enumerate(classes if labels is not None else ()):
        add((labels == c).float(), "class", f"class {name}")
    u, s, _ = torch.linalg.svd(seen.double().cpu() - seen.double().cpu().mean(0), full_matrices=False)
    for k in range(min(components, len(s))):
        if s[k] > 1e-9 * s[0]:
            add(u[:, k], "seen", "")
    return torch.stack(columns, 1), torch.tensor(prior, dtype=torch.float64), tuple(names)


# ------------------------------------------------------------------------------------------------- users made to order


class User:
    """A made-up user whose taste u (N,) of all pictures is known, for measuring what a `Learner` makes of the picks.

    u is brought to mean 0 and deviation 1, and a pick follows exp(strength u): with strength 3 the better of two
    pictures that lie one deviation apart is picked in 95 of 100. Pleasing is what lies in the best `share` of all.
    """

    def __init__(self, u: Tensor, strength: float = 3.0, share: float = 0.2, seed: int = 0):
        u = u.double()
        if not u.isfinite().all() or u.std() < 1e-9:
            raise ValueError("this taste is the same for all pictures, or not finite: there is nothing to learn.")
        if not 0 < share < 1 or not strength >= 0:
            raise ValueError(f"share={share} must lie between 0 and 1, strength={strength} be 0 or more.")
        self.mean, self.std = u.mean(), u.std()
        self.u, self.strength = (u - self.mean) / self.std, strength
        self.bar = self.u.quantile(1 - share)
        self._generator = torch.Generator().manual_seed(seed)

    def pick(self, offered: list[int]) -> int:
        """Which of the pictures on offer is picked: its place in the offer."""
        p = (self.strength * self.u[offered]).softmax(0)
        return int(torch.multinomial(p, 1, generator=self._generator))

    def pleased(self, which: list[int] | Tensor) -> float:
        """The share of these pictures that please; of pictures outside the pool by their u (M,), as given at first."""
        u = (which.double() - self.mean) / self.std if isinstance(which, Tensor) else self.u[which]
        return float((u >= self.bar).double().mean())


# ------------------------------------------------------------------------------------------------------------ diversity


def diversity(features: Tensor, independent: Tensor) -> float:
    """Mean distance between two rows of `features` (n, K) over that of two rows of `independent` (m, K): 1 is as varied
    as independent draws, 0 all alike. Raises ValueError for fewer than 2 rows, or independent ones that are all alike.
    """
    for name, rows in (("features", features), ("independent", independent)):
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(f"{name} must be 2 or more rows (n, K): got {tuple(rows.shape)}.")
    features, independent = features.double().cpu(), independent.double().cpu()
    between = torch.pdist(independent).mean()
    if not between > 0:
        raise ValueError("the independent rows are all alike: nothing can be compared with them.")
    return float(torch.pdist(features).mean() / between)


def vendi(features: Tensor, width: float) -> float:
    """exp(-sum_i l_i log l_i), l the eigenvalues of K / n, K_ij = exp(-|f_i - f_j|^2 / (2 width^2)): how many wholly
    different pictures n rows (n, K) amount to, from 1 to n. Raises ValueError for no row or a width of 0 or less.
    Source: Friedman and Dieng 2023 (Vendi score), section 3; the kernel is ours.
    """
    if features.ndim != 2 or not len(features) or not width > 0:
        raise ValueError(f"give rows (n, K) and a width above 0: got {tuple(features.shape)} and {brief(width)}.")
    features = features.double().cpu()
    apart = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    values = torch.linalg.eigvalsh((-apart.square() / (2 * width**2)).exp() / len(features)).clamp(min=0)
    return float(torch.special.entr(values).sum().exp())


def varied_page(u: Tensor, near: Tensor, n: int, varied: float) -> list[int]:
    """n of N pictures by their u (N,) and place `near` (N, K): the best ones at varied = 0, the most unlike ones among
    the best quarter at 1.

    Greedy, one after another: (1 - varied) times the picture's rank, 0 the worst of the quarter to 1 the best, plus
    varied times its distance to the nearest that was chosen, over the mean distance of two pictures. Source: maximal
    marginal relevance, Carbonell and Goldstein 1998. Raises ValueError for n above N / 4, or varied outside 0 to 1.
    """
    few = max(1, int(len(u) * CANDIDATES))
    whole("n", n, 1, few, f"a quarter of the {len(u)} pictures")
    if isinstance(varied, bool) or not isinstance(varied, int | float) or not 0 <= varied <= 1:
        raise ValueError(f"varied={brief(varied)} does not fit: give a number from 0 (my taste) to 1 (most varied).")
    u, near = u.double().cpu(), near.double().cpu()
    best = u.argsort(descending=True, stable=True)[:few]
    rank = torch.linspace(1, 0, few, dtype=torch.float64)
    apart = torch.cdist(near[best], near[best])
    apart = apart / apart.mean().clamp(min=1e-12)
    chosen, nearest = [0], apart[0].clone()
    while len(chosen) < n:
        score = (1 - varied) * rank + varied * nearest.clamp(max=2)
        score[chosen] = -torch.inf
        chosen.append(int(score.argmax()))
        nearest = torch.minimum(nearest, apart[chosen[-1]])
    return best[chosen].tolist()

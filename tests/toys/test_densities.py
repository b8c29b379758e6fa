"""Oracles: scipy's distributions, quadrature, tests of fit and Jensen-Shannon distance; scikit-learn's moons."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.spatial.distance import jensenshannon
from sklearn.datasets import make_moons

from ganedu.toys import densities as d

CLOSED = {
    "gaussian 1": d.gaussian(-0.7, 0.5),
    "gaussian 2": d.gaussian((0.3, -0.4), 0.6, dim=2),
    "two 1": d.two_gaussians(1),
    "two 2": d.two_gaussians(2),
    "ring": d.ring(),
    "grid": d.grid(),
    "line": d.line(),
    "disjoint 1": d.disjoint(1),
    "disjoint 2": d.disjoint(2),
    "drawn": d.drawn([[0.0, 0.0], [1.0, -1.0], [-2.0, 2.0]], std=0.2),
    "drawn 1": d.drawn([[0.5], [0.6]], std=0.2),
}
ALL = {**CLOSED, "moons": d.moons(), "spiral": d.spiral()}
closed = pytest.mark.parametrize("density", CLOSED.values(), ids=CLOSED)
every = pytest.mark.parametrize("density", ALL.values(), ids=ALL)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------ pdf


@closed
def test_pdf_integrates_to_one(density):
    x, volume = d.cells(-6, 6, 600 if density.dim == 2 else 6000, density.dim)
    assert abs(float(density.pdf(x.double()).sum()) * volume - 1) < 1e-3


def test_pdf_integrates_to_one_by_quadrature():
    def at(density):
        return lambda *x: float(density.pdf(torch.tensor(x[::-1], dtype=torch.float64)))

    assert abs(quad(at(CLOSED["two 1"]), -6, 6)[0] - 1) < 1e-6
    assert abs(dblquad(at(CLOSED["gaussian 2"]), -4, 4, -4, 4, epsabs=1e-5)[0] - 1) < 1e-4


def test_pdf_against_scipy():
    x = torch.randn(500, 2, generator=generator(), dtype=torch.float64) * 1.5
    for name in ("gaussian 2", "two 2", "drawn"):
        density = CLOSED[name]
        normals = [stats.multivariate_normal(m, density.std**2) for m in density.modes.double().numpy()]
        expected = np.mean([n.pdf(x.numpy()) for n in normals], 0)
        np.testing.assert_allclose(density.pdf(x).numpy(), expected, rtol=1e-6)
    expected = stats.norm(-0.7, 0.5).pdf(x.numpy())
    np.testing.assert_allclose(CLOSED["gaussian 1"].pdf(x[..., None]).numpy(), expected)  # (500, 2, 1) -> (500, 2)


def test_line_is_the_blurred_segment():
    """Against the definition: the mean of scipy's Gaussians centred along the segment."""
    line, x = d.line((-1.0, 0.0), (1.0, 1.0), std=0.3), np.array([[0.0, 0.5], [1.2, 1.0], [-0.5, 0.9], [2.0, 2.0]])
    along = (np.arange(20_000) + 0.5) / 20_000
    centres = np.array([-1.0, 0.0]) + along[:, None] * np.array([2.0, 1.0])
    expected = [stats.multivariate_normal(point, 0.3**2).pdf(centres).mean() for point in x]
    np.testing.assert_allclose(line.pdf(torch.from_numpy(x)).numpy(), expected, rtol=1e-6)


@closed
def test_pdf_keeps_dtype_and_leading_axes(density):
    x = torch.zeros(3, 4, density.dim)
    assert density.pdf(x).shape == (3, 4) and density.pdf(x).dtype == torch.float32
    assert torch.equal(density.pdf(x.view(-1, density.dim)).view(3, 4), density.pdf(x))


@pytest.mark.parametrize("density", [d.moons(), d.spiral()], ids=["moons", "spiral"])
def test_without_closed_form_pdf_says_so(density):
    assert not density.has_pdf
    with pytest.raises(NotImplementedError, match="no density in closed form"):
        density.pdf(torch.zeros(1, 2))


# ------------------------------------------------------------------------------------------------ samples


@closed
def test_samples_follow_the_pdf(density):
    """Chi-square over cells whose masses come from the pdf on a grid sixteen times finer; cells below 5 are pooled."""
    n, side, fine = 20_000, (96 if density.dim == 1 else 24), 16
    x = density.sample(n, generator())
    points, volume = d.cells(-4, 4, side * fine, density.dim)
    mass = density.pdf(points.double()) * volume
    edges = [np.linspace(-4, 4, side + 1)] * density.dim
    seen = np.histogramdd(x.numpy()[:, ::-1], edges)[0].ravel()
    expected = mass.view((side, fine) * density.dim).sum((1, 3) if density.dim == 2 else 1).flatten().numpy()
    expected *= n / expected.sum()
    small = expected < 5
    seen = np.append(seen[~small], seen[small].sum())
    expected = np.append(expected[~small], expected[small].sum())
    if expected[-1] < 1:  # nothing to pool
        assert seen[-1] <= 5
        seen, expected = seen[:-1], expected[:-1] * seen[:-1].sum() / expected[:-1].sum()
    assert stats.chisquare(seen, expected).pvalue > 1e-3


def test_samples_against_scipy_on_the_line():
    x = d.gaussian(-0.7, 0.5).sample(5000, generator())[:, 0].numpy()
    assert stats.kstest(x, stats.norm(-0.7, 0.5).cdf).pvalue > 0.01
    x = d.two_gaussians(1).sample(5000, generator())[:, 0].numpy()
    both = [stats.norm(m, 0.4) for m in (-1.5, 1.5)]
    assert stats.kstest(x, lambda t: (both[0].cdf(t) + both[1].cdf(t)) / 2).pvalue > 0.01


def test_moons_against_scikit_learn():
    ours = d.moons(0.1).sample(4000, generator()).numpy()
    theirs = 1.5 * (make_moons(4000, noise=0.1 / 1.5, random_state=0)[0] - [0.5, 0.25])
    for direction in ([1, 0], [0, 1], [0.6, 0.8], [0.6, -0.8]):
        assert stats.ks_2samp(ours @ direction, theirs @ direction).pvalue > 0.01


def test_spiral_lies_on_its_arm():
    x = d.spiral(turns=2, std=0.01).sample(4000, generator())
    share = torch.linspace(0, 1, 2000)
    arm = 2.6 * share[:, None] * torch.stack([(4 * math.pi * share).cos(), (4 * math.pi * share).sin()], -1)
    distance, nearest = torch.cdist(x, arm).min(1)
    assert float(distance.max()) < 0.05
    assert stats.kstest(share[nearest].square().numpy(), "uniform").pvalue > 0.01


@every
def test_samples_shape_range_and_reproducibility(density):
    x = density.sample(2000, generator(3))
    assert x.shape == (2000, density.dim) and x.dtype == torch.float32
    assert float((x.abs() <= 3).all(-1).float().mean()) > 0.99
    assert torch.equal(x, density.sample(2000, generator(3)))
    assert not torch.equal(x, density.sample(2000, generator(4)))
    torch.manual_seed(5)
    a = density.sample(10)
    torch.manual_seed(5)
    assert torch.equal(a, density.sample(10))


@every
def test_samples_leave_the_global_random_numbers_alone(density):
    before = torch.get_rng_state()
    density.sample(10, generator())
    assert torch.equal(before, torch.get_rng_state())


# ------------------------------------------------------------------------------------------------ modes and menus


def test_modes():
    ring = d.ring(8, radius=2.0)
    assert ring.modes.shape == (8, 2) and ring.std == 0.05
    np.testing.assert_allclose(ring.modes.norm(dim=1), 2.0, rtol=1e-6)
    np.testing.assert_allclose(torch.cdist(ring.modes, ring.modes).sort().values[:, 1], 4 * math.sin(math.pi / 8), 1e-5)
    grid = d.grid(5, spacing=1.0)
    assert {tuple(m) for m in grid.modes.tolist()} == {(x, y) for x in range(-2, 3) for y in range(-2, 3)}
    nearest = torch.cdist(ring.sample(4000, generator()), ring.modes).min(1)
    assert stats.chisquare(nearest.indices.bincount(minlength=8)).pvalue > 0.01
    assert all(ALL[name].modes is None and ALL[name].std is None for name in ("line", "disjoint 1", "moons", "spiral"))


def test_centres_that_merge_are_no_modes():
    assert d.drawn([[0.0, 0.0], [0.19, 0.0]], std=0.1).modes is None
    assert d.drawn([[0.0, 0.0], [0.21, 0.0]], std=0.1).modes.shape == (2, 2)
    assert d.drawn([[1.0, 1.0]]).modes.tolist() == [[1.0, 1.0]]


def test_menu_makes_each_density_without_arguments():
    assert set(d.ALL) == {"gaussian", "line", "two_gaussians", "ring", "grid", "disjoint", "moons", "spiral"}
    assert all(make().sample(3).shape == (3, make().dim) for make in d.ALL.values())


# ------------------------------------------------------------------------------------------------ grids and divergence


def test_cells():
    x, volume = d.cells(-1, 1, 4, 2)
    assert x.shape == (16, 2) and volume == 0.25
    assert x[:5].tolist() == [[-0.75, -0.75], [-0.25, -0.75], [0.25, -0.75], [0.75, -0.75], [-0.75, -0.25]]
    x, volume = d.cells(0, 1, 2, 1)
    assert x.tolist() == [[0.25], [0.75]] and volume == 0.5


def test_jsd_against_scipy():
    x, volume = d.cells(-4, 4, 400, 1)
    p, q = (d.masses(d.gaussian(m, s).pdf(x), volume) for m, s in ((0.0, 1.0), (1.0, 0.5)))
    assert abs(float(p.sum()) - 1) < 1e-12
    assert abs(float(d.jsd(p, q)) - jensenshannon(p.numpy(), q.numpy()) ** 2) < 1e-12
    batch = d.jsd(torch.stack([p, p, q]), torch.stack([q, p, p]))
    assert batch.shape == (3,) and abs(float(batch[0] - batch[2])) < 1e-15 and float(batch[1]) == 0


def test_jsd_of_masses_that_never_meet_is_log_2():
    p, q = torch.tensor([0.5, 0.5, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 0.0])
    assert abs(float(d.jsd(p, q)) - math.log(2)) < 1e-15


def test_value_of_the_game_never_passes_its_bound():
    """V(D) = sum p log D + q log(1 - D) <= 2 JSD - log 4, with equality at D* = p / (p + q)."""
    x, volume = d.cells(-4, 4, 300, 1)
    p, q = (d.masses(d.gaussian(m, s).pdf(x), volume) for m, s in ((-1.0, 0.5), (1.0, 0.7)))
    bound = 2 * float(d.jsd(p, q)) - math.log(4)

    def value(D):
        return float((torch.xlogy(p, D) + torch.xlogy(q, 1 - D)).sum())

    assert abs(value(p / (p + q)) - bound) < 1e-12
    for seed in range(20):
        assert value(torch.rand(300, generator=generator(seed), dtype=torch.float64)) < bound


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: d.drawn([]), "no point"),
        (lambda: d.drawn([[float("nan"), 0.0]]), "NaN"),
        (lambda: d.drawn([0.0, 1.0]), r"shape \(2,\)"),
        (lambda: d.drawn([[0.0, 1.0, 2.0]]), r"shape \(1, 3\)"),
        (lambda: d.drawn([["a", "b"]]), "must be numbers"),
        (lambda: d.drawn(None), "must be numbers"),
        (lambda: d.drawn({"x": 1}), "must be numbers"),
        (lambda: d.drawn([[10**400, 0]]), "must be numbers"),
        (lambda: d.drawn([[True, False]]), "these are True and False"),
        (lambda: d.drawn([[1j, 0]]), "or complex"),
        (lambda: d.drawn(5), r"shape \(\)"),
        (lambda: d.drawn([[0.0, 0.0]] * 501), "501 points: give 500 at most. Each is a mode"),
        (lambda: d.drawn([[0.0, 1.0], [2.0]]), "must be numbers"),
        (lambda: d.drawn([[0.0, 4.0]]), "size 4"),
        (lambda: d.drawn([[0.0, 0.0]], std=0.0), "std=0.0"),
        (lambda: d.gaussian(dim=3), "dim=3"),
        (lambda: d.gaussian((0.0, 1.0, 2.0), dim=2), "3 coordinates"),
        (lambda: d.gaussian(std=-1.0), "std=-1.0"),
        (lambda: d.gaussian(std=float("nan")), "std=nan"),
        (lambda: d.two_gaussians(distance=20.0), "size 10"),
        (lambda: d.two_gaussians(dim=0), "dim=0"),
        (lambda: d.ring(0), "k=0"),
        (lambda: d.ring(2.5), "k=2.5"),
        (lambda: d.ring(radius=5.0), "size 5"),
        (lambda: d.grid(9), "size 4"),
        (lambda: d.line((0.0, 0.0), (0.0, 0.0)), "two different points"),
        (lambda: d.disjoint(3), "dim=3"),
        (lambda: d.spiral(turns=0), "turns=0"),
        (lambda: d.ring().sample(0), "n=0"),
        (lambda: d.ring().sample(1.5), "n=1.5"),
        (lambda: d.ring().pdf(torch.zeros(5, 3)), r"shape \(\.\.\., 2\)"),
        (lambda: d.ring().pdf(torch.zeros(5, 2, dtype=torch.int64)), "floating-point"),
        (lambda: d.cells(1, 1), "no interval"),
        (lambda: d.cells(n=0), "n=0"),
        (lambda: d.masses(torch.tensor([-1.0, 2.0]), 1.0), "not negative"),
        (lambda: d.masses(torch.tensor([0.5, 0.1]), 1.0), "mass of 0.600"),
        (lambda: d.jsd(torch.ones(1), torch.ones(2) / 2), "same cells"),
        (lambda: d.jsd(torch.ones(2), torch.ones(2)), "p holds no masses"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()

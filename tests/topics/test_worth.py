"""Oracles: scipy's normal distribution and quadrature, many drawn worlds, masses counted by hand."""

import math

import pytest
import torch
from scipy import integrate, stats

from ganedu.metrics import mean_interval
from ganedu.topics import worth
from ganedu.toys import densities


def points(n=100, worlds=3, density=None):
    density = density or densities.two_gaussians()
    return torch.stack([density.sample(n, torch.Generator().manual_seed(w)) for w in range(worlds)])


# ------------------------------------------------------------------------------------------------------------- cells


def test_cells_of_one_gaussian_are_its_quantiles():
    cells = worth.cells(densities.gaussian((0.5, -0.25), 0.4, dim=2), 5, 4)
    at = torch.arange(1, 5, dtype=torch.float64) / 5
    assert torch.allclose(cells.columns, torch.from_numpy(stats.norm(0.5, 0.4).ppf(at)), atol=1e-6)
    row = torch.from_numpy(stats.norm(-0.25, 0.4).ppf([0.25, 0.5, 0.75]))
    assert cells.n == 20 and torch.allclose(cells.rows, row.expand(5, 3), atol=1e-6)


@pytest.mark.parametrize("density", [densities.two_gaussians(), densities.ring(5, std=0.3), densities.grid(3, std=0.3)])
def test_every_cell_holds_the_same_mass_by_quadrature(density):
    cells = worth.cells(density, 3, 2)
    ends = [-6.0, *cells.columns.tolist(), 6.0]
    for i, cut in enumerate(cells.rows[:, 0].tolist()):
        for low, high in ((-6.0, cut), (cut, 6.0)):
            mass, _ = integrate.dblquad(
                lambda y, x: float(density.pdf(torch.tensor([x, y], dtype=torch.float64))), ends[i], ends[i + 1],
                low, high, epsabs=1e-4,
            )  # fmt: skip
            assert abs(mass - 1 / 6) < 1e-3


def test_shares_are_counted_column_by_column():
    cells = worth.Cells(torch.tensor([0.0]), torch.tensor([[1.0, 2.0], [-1.0, 3.0]]))
    x = torch.tensor(
        [[-1.0, 0.0], [-1.0, 1.5], [-0.1, 5.0], [1.0, -2.0], [1.0, 0.0], [1.0, 0.5], [1.0, 4.0], [9.0, 9.0]]
    )
    wanted = torch.tensor([1, 1, 1, 1, 2, 2], dtype=torch.float64) / 8
    assert torch.equal(worth.shares(x, cells), wanted)
    assert torch.equal(worth.shares(x.expand(2, 3, 8, 2), cells), wanted.expand(2, 3, 6))


@pytest.mark.parametrize("x", [torch.zeros(2), torch.zeros(3, 3), torch.full((2, 2), math.nan), torch.zeros(0, 2)])
def test_points_that_are_none_are_refused(x):
    with pytest.raises(ValueError, match=r"points must be \(\.\.\., N, 2\)"):
        worth.shares(x, worth.cells(densities.two_gaussians(), 2, 2))


@pytest.mark.parametrize(("density", "k", "words"), [
    (densities.moons(), 2, "no mixture"), (densities.gaussian(0.0), 2, "no mixture"),
    (densities.two_gaussians(), 0, "k=0"), (densities.two_gaussians(), 2.0, "k=2.0"),
])  # fmt: skip
def test_cells_say_what_they_cannot_cut(density, k, words):
    with pytest.raises(ValueError, match=words):
        worth.cells(density, k, 2)


# ------------------------------------------------------------------------------------------------------------ errors


def test_errors_of_true_points_are_those_of_one_point_over_n():
    density = densities.two_gaussians()
    cells, x = worth.cells(density, 6, 4), points(50, 2000)
    for errors, of_one in (
        (worth.quantile_error(x, cells), worth.quantile_error_of_one(cells)),
        (worth.mean_error(x, density), worth.mean_error_of_one(density)),
    ):
        mean, low, high = mean_interval(errors.tolist(), level=0.999)
        assert low < of_one / 50 < high and high - low < 0.2 * mean
        n, low, high = worth.worth(errors.tolist(), of_one)
        assert low < 50 < high and low < n < high


def test_worth_turns_the_interval_of_the_mean_round():
    value, low, high = worth.worth([1.0, 2.0, 3.0], 10.0)
    mean = mean_interval([1.0, 2.0, 3.0])
    assert abs(value - 5) < 1e-12 and abs(low - 10 / mean.high) < 1e-12
    assert high == math.inf  # the interval of three such numbers reaches below 0
    assert abs(worth.worth([2.0, 2.1, 1.9, 2.0], 10.0).high - 10 / mean_interval([2.0, 2.1, 1.9, 2.0]).low) < 1e-12
    for errors in ([], [1.0], [0.0, 0.0], [-1.0, 2.0]):
        with pytest.raises(ValueError):
            worth.worth(errors, 1.0)


# ------------------------------------------------------------------------------------------------------------ models


def test_models_draw_from_what_they_were_fitted_to():
    x = points(200, 1)[0]
    for name, model in worth.MODELS.items():
        fakes = model(x, 4000, seed=1)
        assert fakes.shape == (4000, 2) and torch.equal(fakes, model(x, 4000, seed=1)), name
        assert float((fakes.mean(0) - x.mean(0)).abs().max()) < 0.15, name
        between = float((fakes[:, 0].abs() < 0.3).float().mean())  # true: 0.001
        assert between > 0.05 if name == "one Gaussian" else between < 0.05, name


def test_a_mixture_finds_the_two_and_a_kernels_width_is_not_the_smallest():
    x = points(100, 1)[0]
    mixture = worth.from_mixture(x, 20_000)
    assert abs(float(mixture[mixture[:, 0] > 0].std(0)[0]) - 0.4) < 0.1
    nearest = torch.cdist(worth.from_kernel(x, 2000), x).min(1).values.median()
    assert nearest > torch.cdist(worth.from_kernel(x, 2000, widths=(0.01,)), x).min(1).values.median()


@pytest.mark.parametrize("x", [torch.zeros(5, 2), torch.zeros(20, 3), torch.full((20, 2), math.inf)])
def test_a_model_is_fitted_to_points_of_the_plane(x):
    for model in worth.MODELS.values():
        with pytest.raises(ValueError, match="10 or more, finite"):
            model(x, 10)


def test_each_world_learns_its_own_points_whoever_is_beside_it():
    x = torch.stack([points(30, 1)[0], points(30, 1)[0] * 0.1 + 2])
    both = worth.train(x, stops=(20, 60), n_samples=300, width=8)
    assert list(both) == [20, 60] and both[60].shape == (2, 300, 2)
    alone = worth.train(x[:1], stops=(20, 60), n_samples=300, width=8)
    assert torch.allclose(alone[60][0], both[60][0], atol=1e-4)
    assert float((both[60][1].mean(0) - x[1].mean(0)).norm()) < float((both[20][1].mean(0) - x[1].mean(0)).norm())


@pytest.mark.parametrize(("x", "stops"), [
    (torch.zeros(5, 2), (1,)), (torch.zeros(2, 5, 3), (1,)), (torch.full((1, 5, 2), math.nan), (1,)),
    (torch.zeros(2, 5, 2), ()), (torch.zeros(2, 5, 2), (0,)),
])  # fmt: skip
def test_training_says_what_does_not_fit(x, stops):
    with pytest.raises(ValueError, match=r"must be|does not fit"):
        worth.train(x, stops=stops)

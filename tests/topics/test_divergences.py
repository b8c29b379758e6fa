"""Divergences against scipy and closed forms; each bound below its value, and met at the best T."""

import math

import pytest
import torch

from ganedu.topics import divergences
from ganedu.toys import densities

x, width = densities.cells(n=600, dim=1)


def gaussian(mean, std):
    return densities.masses(densities.gaussian(float(mean), std).pdf(x.double()), width)


def random_masses(n=40, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(n, generator=g, dtype=torch.float64).softmax(-1) for _ in range(2)]


def test_values_against_scipy():
    scipy = pytest.importorskip("scipy.stats")
    distance = pytest.importorskip("scipy.spatial.distance")
    p, q = random_masses()
    assert divergences.exact(divergences.kl, p, q).item() == pytest.approx(scipy.entropy(p, q))
    assert divergences.exact(divergences.reverse_kl, p, q).item() == pytest.approx(scipy.entropy(q, p))
    assert divergences.exact(divergences.js, p, q).item() == pytest.approx(distance.jensenshannon(p, q) ** 2)
    assert divergences.exact(divergences.js, p, q).item() == pytest.approx(densities.jsd(p, q).item())
    assert divergences.exact(divergences.total_variation, p, q).item() == pytest.approx(
        0.5 * (p - q).abs().sum().item()
    )
    assert divergences.exact(divergences.pearson, p, q).item() == pytest.approx((((p - q) ** 2) / q).sum().item())
    places = torch.arange(40).double() * 0.3
    w1 = scipy.wasserstein_distance(places, places, p, q)
    assert divergences.wasserstein1(p, q, 0.3).item() == pytest.approx(w1)


def test_values_of_gaussians():
    p, q = gaussian(0.0, 0.4), gaussian(0.5, 0.5)
    kl = math.log(0.5 / 0.4) + (0.4**2 + 0.5**2) / (2 * 0.5**2) - 0.5
    assert divergences.exact(divergences.kl, p, q).item() == pytest.approx(kl, rel=1e-3)
    assert divergences.wasserstein1(gaussian(-1, 0.3), gaussian(1, 0.3), width).item() == pytest.approx(2, rel=1e-3)
    # two Gaussians under a Gaussian kernel: Gretton et al. 2012; the integrals are Gaussians again
    b, s, d = 0.7, 0.4, 0.5

    def k(var, gap):
        return b / math.sqrt(b**2 + var) * math.exp(-(gap**2) / (2 * (b**2 + var)))

    wanted = k(2 * s**2, 0) + k(2 * 0.5**2, 0) - 2 * k(s**2 + 0.5**2, d)
    assert divergences.mmd2(p, q, x[:, 0], bandwidth=b).item() == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("which", divergences.ALL, ids=lambda w: w.name)
def test_no_T_passes_the_value_and_the_best_meets_it(which):
    p, q = random_masses(seed=1)
    value = divergences.exact(which, p, q)
    torch.testing.assert_close(divergences.bound(which, which.best(p / q), p, q), value)
    T = which.activation(3 * torch.randn(200, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))
    assert (divergences.bound(which, T, p, q) <= value).all() and divergences.bound(which, T, p, q).isfinite().all()
    u = torch.linspace(0.1, 5, 50, dtype=torch.float64)
    grown = u.clone().requires_grad_()
    slope = torch.autograd.grad(which.f(grown).sum(), grown)[0]
    torch.testing.assert_close(which.best(u), slope)
    scan = torch.linspace(1e-3, 60, 60_001, dtype=torch.float64)
    for t in which.best(u[5:40:7]):  # f* is the largest u t - f(u)
        assert (scan * t - which.f(scan)).max().item() == pytest.approx(which.conjugate(t).item(), abs=1e-3)


def test_masses_that_never_meet():
    p, q = torch.eye(2, dtype=torch.float64)
    found = {w.name: divergences.exact(w, p, q).item() for w in divergences.ALL}
    assert found["JSD"] == pytest.approx(math.log(2)) and found["total variation"] == pytest.approx(1)
    assert found["KL(p, q)"] == found["KL(q, p)"] == found["Pearson χ²"] == math.inf
    assert divergences.wasserstein1(p, q, 0.5).item() == 0.5
    same = [divergences.exact(w, p, p).item() for w in divergences.ALL]
    assert same == [0, 0, 0, 0, 0] and divergences.mmd2(p, p, torch.arange(2.0)) == 0


def test_what_does_not_fit_is_said():
    p, q = random_masses()
    with pytest.raises(ValueError, match="same cells"):
        divergences.exact(divergences.js, p, q[:-1])
    with pytest.raises(ValueError, match="q holds no masses"):
        divergences.wasserstein1(p, 2 * q, 0.1)
    with pytest.raises(ValueError, match="bandwidth"):
        divergences.mmd2(p, q, torch.arange(40.0), bandwidth=0)

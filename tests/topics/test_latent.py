"""Paths, the z of an image and directions, on generators whose answers are known."""

import math

import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch import nn

from ganedu import models
from ganedu.topics import latent
from ganedu.topics.latent import direction, explained, find_z, lerp, pca_directions, slerp, with_coordinate


class Linear(nn.Module):
    """G(z) = tanh-free images A z + b, (N, 1, 4, 4); A (16, z_dim)."""

    def __init__(self, A, b=0.0):
        super().__init__()
        self.z_dim, self.A, self.b = A.shape[1], nn.Parameter(A), b

    def forward(self, z):
        return (z @ self.A.T + self.b).view(-1, 1, 4, 4)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------------------- paths


def test_both_paths_begin_and_end_where_they_should():
    a, b = random(2, 64)
    for path in (lerp, slerp):
        assert torch.allclose(path(a, b, 0.0), a, atol=1e-5) and torch.allclose(path(a, b, 1.0), b, atol=1e-5)


def test_the_arc_keeps_the_length_and_the_speed():
    a, b = random(2, 16).double()
    b = b * a.norm() / b.norm()
    t = torch.linspace(0, 1, 11).double()
    points = slerp(a, b, t)
    assert points.shape == (11, 16)
    assert torch.allclose(points.norm(dim=1), a.norm().expand(11))
    steps = (points[1:] - points[:-1]).norm(dim=1)
    assert torch.allclose(steps, steps[:1].expand(10))
    assert torch.allclose(points[3], slerp(a, b, 0.3))


def test_a_quarter_turn_by_hand():
    a, b = torch.eye(3)[0], torch.eye(3)[1]
    assert torch.allclose(slerp(a, b, 0.5), torch.tensor([1.0, 1.0, 0.0]) / math.sqrt(2))
    assert torch.allclose(slerp(a, b, 1 / 3), torch.tensor([math.cos(math.pi / 6), 0.5, 0.0]))


def test_the_straight_middle_of_two_random_z_is_shorter_by_root_two():
    a, b = random(2, 4000, 64)
    middle = (a + b) / 2
    assert abs(middle.norm(dim=1).mean() / a.norm(dim=1).mean() - 1 / math.sqrt(2)) < 0.005


def test_vectors_in_one_direction_give_the_straight_line():
    a = random(8)
    assert torch.allclose(slerp(a, 2 * a, 0.25), 1.25 * a)


@pytest.mark.parametrize("b", [torch.zeros(4), -torch.ones(4), torch.ones(5), torch.ones(1, 4)])
def test_a_path_that_cannot_be_is_refused(b):
    with pytest.raises(ValueError, match="vectors"):
        slerp(torch.ones(4), b, 0.5)


# ------------------------------------------------------------------------------------------------- the z of an image


def test_the_z_of_an_image_of_a_linear_G_is_that_of_least_squares():
    A, x = random(16, 5), random(3, 1, 4, 4, seed=1)
    G = Linear(A)
    found = find_z(G, x, starts=2, steps=500)
    exact = torch.linalg.lstsq(A, x.flatten(1).T).solution.T
    assert torch.allclose(found.z, exact, atol=1e-3)
    assert torch.allclose(found.error, (G(exact) - x).square().flatten(1).mean(1), atol=1e-5)
    assert found.errors.shape == (2, 3) and torch.equal(found.error, found.errors.amin(0))
    assert found.steps == (*range(0, 500, 20), 500) and found.frames.shape == (26, 3, 5)
    assert torch.equal(found.frames[-1], found.z)


def test_the_prior_draws_the_length_towards_that_of_training():
    x = 5 * random(3, 1, 4, 4, seed=1)
    G = Linear(random(16, 5))
    lengths = [find_z(G, x, steps=400, prior=p).z.square().mean(1).mean().item() for p in (0.0, 1.0, 1000.0)]
    assert lengths[0] > lengths[1] > lengths[2] and abs(lengths[2] - 1) < 0.1


def test_features_decide_what_near_means():
    """Only the first eight pixels count, and a G that can make those exactly has no error left."""
    A, x = random(16, 8), random(2, 1, 4, 4, seed=1)
    found = find_z(Linear(A), x, lambda image: image.flatten(1)[:, :8], steps=1500, starts=1)
    assert found.error.max() < 1e-3
    assert (Linear(A)(found.z) - x).flatten(1)[:, 8:].abs().max() > 0.1


def test_finding_z_leaves_G_as_it_was():
    G = models.DCGenerator(16, 1, z_dim=4, width=2)
    before = {k: v.clone() for k, v in G.state_dict().items()}
    state = torch.get_rng_state()
    find_z(G, torch.zeros(2, 1, 16, 16), steps=3)
    assert G.training and all(torch.equal(v, before[k]) for k, v in G.state_dict().items())
    assert all(p.grad is None for p in G.parameters()) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"steps": 0}, {"every": 0}, {"prior": -1.0}])
def test_a_search_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        find_z(Linear(random(16, 5)), torch.zeros(2, 1, 4, 4), **wrong)


def test_an_image_of_another_size_is_refused_before_work_starts():
    with pytest.raises(ValueError, match="draws images"):
        find_z(Linear(random(16, 5)), torch.zeros(2, 1, 5, 5))
    with pytest.raises(ValueError, match="NaN"):
        find_z(Linear(random(16, 5)), torch.full((2, 1, 4, 4), math.nan))


# --------------------------------------------------------------------------------------------------------- directions


def test_pca_directions_of_a_linear_layer_are_its_singular_vectors():
    scales = torch.tensor([5.0, 3.0, 2.0, 1.0])
    V = torch.linalg.qr(random(4, 4))[0]
    U = torch.linalg.qr(random(16, 4, seed=1))[0]
    layer = nn.Linear(4, 16)
    layer.weight.data = U * scales @ V.T
    G = nn.Sequential(layer, nn.Unflatten(1, (1, 4, 4)))
    G.z_dim = 4
    found = pca_directions(G, layer, k=3, n=20_000)
    assert ((found.directions @ V[:, :3]).diagonal().abs() > 0.99).all()
    assert torch.allclose(found.shares, scales[:3] ** 2 / (scales**2).sum(), atol=0.02)
    assert torch.allclose(found.directions.norm(dim=1), torch.ones(3))


def test_shares_are_those_of_scikit_learn():
    G = models.DCGenerator(16, 1, z_dim=6, width=2).eval()
    found = pca_directions(G, G.net[3], k=4, n=500, seed=3)
    torch.manual_seed(3)
    with torch.no_grad():
        y = G.net[:4](torch.randn(500, 6)).flatten(1)
    pca = PCA(4).fit(y.numpy())
    assert torch.allclose(found.shares, torch.from_numpy(pca.explained_variance_ratio_), atol=1e-4)


def test_components_that_cannot_be_are_refused():
    G = models.DCGenerator(16, 1, z_dim=6, width=2)
    with pytest.raises(ValueError, match="never used"):
        pca_directions(G, nn.Linear(3, 3))
    with pytest.raises(ValueError, match="k=50"):
        pca_directions(G, G.net[3], k=50, n=40)


def test_the_direction_of_a_number_is_that_of_least_squares():
    z = random(2000, 8)
    w = random(8, seed=1)
    assert torch.allclose(direction(z, 3 * z @ w - 2), w / w.norm(), atol=1e-4)
    noisy = direction(z, z @ w + random(2000, seed=2))
    assert torch.dot(noisy, w / w.norm()) > 0.99


def test_the_direction_of_a_yes_or_no_is_the_normal_of_the_plane_between():
    z = random(4000, 8)
    w = random(8, seed=1)
    w = w / w.norm()
    assert torch.dot(direction(z, z @ w > 0.5), w) > 0.99
    assert torch.dot(direction(z, z @ w < 0.5), w) < -0.99


def test_put_sets_one_coordinate_and_leaves_the_rest():
    z, w = random(5, 4), torch.nn.functional.normalize(random(4, seed=1), dim=0)
    moved = with_coordinate(z, w, 2.0)
    assert torch.allclose(moved @ w, torch.full((5,), 2.0))
    across = torch.eye(4) - torch.outer(w, w)
    assert torch.allclose(moved @ across, z @ across, atol=1e-6)
    assert torch.allclose(with_coordinate(z, w, torch.arange(5.0)) @ w, torch.arange(5.0), atol=1e-5)


@pytest.mark.parametrize(
    ("z", "y", "said"),
    [
        (random(5, 8), random(5), "N above z_dim"),
        (random(50, 8), random(49), "give z"),
        (random(50, 8), torch.ones(50), "nothing to tell apart"),
        (random(50, 8), torch.zeros(50, dtype=torch.bool), "nothing to tell apart"),
        (random(50, 8), torch.full((50,), math.nan), "NaN"),
    ],
)
def test_a_direction_that_cannot_be_is_refused(z, y, said):
    with pytest.raises(ValueError, match=said):
        direction(z, y)


def test_put_refuses_what_is_no_direction():
    with pytest.raises(ValueError, match="length 1"):
        with_coordinate(random(5, 4), torch.ones(4), 1.0)
    assert latent.with_coordinate(random(5, 4), torch.eye(4)[0], 1.0).shape == (5, 4)


def test_what_a_direction_tells_of_a_number_is_the_square_of_the_correlation():
    """y = 3 u + noise of variance 4 has R^2 9 / 13 along u, none across it, and half of it along the diagonal."""
    z, new = random(20_000, 3), random(20_000, 3, seed=1)
    y, y_new = (3 * part[:, 0] + 2 * random(20_000, seed=2 + i) for i, part in enumerate((z, new)))
    e = torch.eye(3)
    assert abs(explained(e[0], z, y, new, y_new) - 9 / 13) < 0.02
    assert abs(explained(-e[0], z, y, new, y_new) - 9 / 13) < 0.02
    assert abs(explained(e[1], z, y, new, y_new)) < 0.01
    assert abs(explained((e[0] + e[1]) / 2**0.5, z, y, new, y_new) - 4.5 / 13) < 0.02
    linear = LinearRegression().fit(z[:, :1].numpy(), y.numpy())
    assert abs(explained(e[0], z, y, new, y_new) - linear.score(new[:, :1].numpy(), y_new.numpy())) < 1e-3


@pytest.mark.parametrize("cut", [0.0, 0.8])
def test_what_a_direction_tells_of_a_yes_or_no_is_the_accuracy_above_the_guess(cut):
    z, new = random(20_000, 3), random(20_000, 3, seed=1)
    e = torch.eye(3)
    assert explained(e[0], z, z[:, 0] > cut, new, new[:, 0] > cut) > 0.97
    assert explained(-e[0], z, z[:, 0] > cut, new, new[:, 0] > cut) < 0
    share = float((new[:, 0] > cut).float().mean())  # across it the answers are independent of the truth
    chance = share**2 + (1 - share) ** 2
    expected = (chance - max(share, 1 - share)) / min(share, 1 - share)
    assert abs(explained(e[1], z, z[:, 0] > cut, new, new[:, 0] > cut) - expected) < 0.03


@pytest.mark.parametrize(
    ("z", "y", "said"),
    [
        (random(50, 4), random(50), "got"),
        (random(50, 3), random(49), "got"),
        (random(50), random(50), "got"),
        (random(50, 3), torch.ones(50), "the same"),
        (random(50, 3), torch.zeros(50, dtype=torch.bool), "the same"),
    ],
)
def test_what_cannot_be_told_is_refused(z, y, said):
    with pytest.raises(ValueError, match=said):
        explained(torch.eye(3)[0], z, y, z, y)

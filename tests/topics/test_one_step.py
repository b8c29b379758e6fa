"""Oracles: the closed form of a Gaussian's flow, Monte Carlo, scipy's integrator, finite differences, counting."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

from ganedu import data, losses
from ganedu.sampling import generate, seeded
from ganedu.topics import one_step
from ganedu.toys import densities
from ganedu.toys.stacked import StackedMLP
from ganedu.toys.worlds import streams

POINTS = torch.tensor([[1.0, 0.0], [-1.0, 0.5], [0.0, -2.0]], dtype=torch.float64)


def rows(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gaussian_velocity(mean, std):
    """E[x - z | x_t] where x ~ N(mean, std^2) and z ~ N(0, 1) are independent, by the formula for Gaussians."""

    def v(x, t):
        t = torch.as_tensor(t, dtype=x.dtype)
        var = (1 - t) ** 2 + t**2 * std**2
        cov = t * std**2 - (1 - t)  # of x - z with x_t
        return mean + cov / var * (x - t * mean)

    return v


# ------------------------------------------------------------------------------------------------------ flow matching


def test_the_loss_is_the_mean_over_numbers_by_hand():
    x, z, t = rows(3, 2, seed=1), rows(3, 2, seed=2), torch.tensor([0.0, 0.25, 1.0])
    v = lambda x, t: 2 * x + t[:, None]  # noqa: E731
    wanted = 0.0
    for i in range(3):
        for j in range(2):
            at = (1 - t[i]) * z[i, j] + t[i] * x[i, j]
            wanted += float(2 * at + t[i] - (x[i, j] - z[i, j])) ** 2 / 6
    assert abs(one_step.flow_loss(v, x, z, t).item() - wanted) < 1e-5


def test_the_loss_draws_noise_and_times_of_its_own():
    x, seen = torch.full((20_000, 1), 3.0), {}

    def v(at, t):
        seen.update(at=at, t=t)
        return torch.zeros_like(at)

    with seeded(0):
        loss = one_step.flow_loss(v, x)
    assert abs(loss.item() - 10) < 0.3  # E (3 - z)^2
    assert abs(seen["t"].mean() - 0.5) < 0.01 and abs(seen["t"].var() - 1 / 12) < 0.003
    z = (seen["at"] - seen["t"][:, None] * 3) / (1 - seen["t"][:, None])
    assert abs(z[seen["t"] < 0.9].std() - 1) < 0.03


@pytest.mark.parametrize(("z", "t"), [(torch.zeros(3, 3), None), (None, torch.zeros(2)), (None, torch.zeros(3, 1))])
def test_the_loss_says_what_it_takes(z, t):
    with pytest.raises(ValueError, match="give z like x"):
        one_step.flow_loss(lambda x, t: x, torch.zeros(3, 2), z, t)


def test_euler_is_the_sum_by_hand():
    v = lambda x, t: x + t  # noqa: E731
    z = torch.tensor([[1.0]])
    assert one_step.euler(v, z, 1).item() == 2.0
    assert one_step.euler(v, z, 2).item() == 1.5 + (1.5 + 0.5) / 2
    assert z.item() == 1.0
    with pytest.raises(ValueError, match="steps=0"):
        one_step.euler(v, z, 0)


def test_many_steps_are_scipys_integral():
    v = lambda x, t: torch.sin(3 * x) - t * x  # noqa: E731
    z = rows(5, 1, dtype=torch.float64)
    found = one_step.euler(v, z, 4000)[:, 0].numpy()
    wanted = solve_ivp(lambda t, x: np.sin(3 * x) - t * x, (0, 1), z[:, 0].numpy(), rtol=1e-9, atol=1e-9).y[:, -1]
    assert np.abs(found - wanted).max() < 2e-3


def test_the_flow_of_a_gaussian_carries_noise_to_it_along_the_straight_map():
    z = rows(2000, 1, dtype=torch.float64)
    found = one_step.euler(gaussian_velocity(1.5, 0.5), z, 2000)
    assert (found - (1.5 + 0.5 * z)).abs().max() < 5e-3  # the optimal transport of one Gaussian to another
    assert (one_step.euler(gaussian_velocity(1.5, 0.5), z, 1) - 1.5).abs().max() < 1e-12  # one step: the mean


def test_one_point_draws_everything_straight_to_it():
    x = rows(4, 2, dtype=torch.float64)
    for t in (0.0, 0.3, 0.9):
        assert torch.allclose(one_step.exact_velocity(x, t, POINTS[:1]), (POINTS[:1] - x) / (1 - t))


def test_the_exact_velocity_is_a_mean_over_all_ways_to_be_there():
    t, x = 0.4, torch.tensor([[0.1, -0.3]], dtype=torch.float64)
    top = bottom = 0.0
    for point in POINTS:  # z is what it must be for that point; weigh by its density
        z = (x[0] - t * point) / (1 - t)
        p = math.exp(-float(z @ z) / 2)
        top, bottom = top + p * (point - z), bottom + p
    assert torch.allclose(one_step.exact_velocity(x, t, POINTS)[0], top / bottom)


def test_at_the_start_it_points_from_x_to_the_mean():
    x = rows(6, 2)
    assert torch.allclose(one_step.exact_velocity(x, 0.0, POINTS), POINTS.mean(0).float() - x, atol=1e-6)


def test_no_other_velocity_has_a_smaller_loss():
    with seeded(0):
        x = POINTS[torch.randint(3, (20_000,))].float()
        z, t = torch.randn_like(x), torch.full((20_000,), 0.4)
    exact = lambda at, t: one_step.exact_velocity(at, float(t[0]), POINTS)  # noqa: E731
    least = one_step.flow_loss(exact, x, z, t)
    for other in (lambda a, t: exact(a, t) + 0.2, lambda a, t: 1.15 * exact(a, t), lambda a, t: exact(0.8 * a, t)):
        assert one_step.flow_loss(other, x, z, t) > least + 0.005


def test_its_flow_ends_at_the_points_and_about_equally_often():
    end = one_step.euler(lambda x, t: one_step.exact_velocity(x, t, POINTS), rows(3000, 2, dtype=torch.float64), 100)
    distance, which = torch.cdist(end, POINTS).min(1)
    assert distance.max() < 1e-6
    assert ((which.bincount(minlength=3) / 3000 - 1 / 3).abs() < 0.04).all()


@pytest.mark.parametrize(
    ("x", "t", "points"),
    [(rows(2, 2), 1.0, POINTS), (rows(2, 2), -0.1, POINTS), (rows(2), 0.5, POINTS), (rows(2, 3), 0.5, POINTS)],
)
def test_the_exact_velocity_says_what_it_takes(x, t, points):
    with pytest.raises(ValueError, match="0 <= t < 1"):
        one_step.exact_velocity(x, t, points)


def test_the_network_points_to_the_end_that_it_guesses():
    with seeded(0):
        v = one_step.Velocity((1, 4, 4), 16, 2, bounded=True)
    x, t = rows(3, 1, 4, 4), torch.tensor([0.0, 0.5, 0.999])
    end = v.end(x, t)
    assert end.shape == x.shape and end.abs().max() < 1
    left = torch.tensor([1.0, 0.5, one_step.LEFT]).view(3, 1, 1, 1)
    assert torch.allclose(v(x, t), (end - x) / left)
    assert torch.allclose(v(x, 0.5), v(x, torch.full((3,), 0.5)))  # one time for all, or one each
    assert torch.allclose(v(x[1:2], t[1:2]), v(x, t)[1:2], atol=1e-6)
    assert not torch.allclose(v.end(x, 0.0), v.end(x, 0.9))
    with pytest.raises(ValueError, match="this network takes"):
        v(x[0], 0.0)


@pytest.mark.slow
def test_a_trained_flow_is_near_the_exact_one():
    density = densities.gaussian([1.0, -1.0], 0.5, 2)
    v = one_step.flow(density, (2,), steps=400, batch=128, width=64, depth=2)
    x, exact = rows(200, 2), gaussian_velocity(torch.tensor([1.0, -1.0]), 0.5)
    assert (v(x, 0.3) - exact(x, 0.3)).square().mean() < 0.1 * exact(x, 0.3).square().mean()
    again = one_step.flow(density, (2,), steps=3, width=8, depth=1, seed=1)
    same = one_step.flow(density, (2,), steps=3, width=8, depth=1, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), same.parameters(), strict=True))


# --------------------------------------------------------------------------------------------------- one-step students

SIDE = 8


def teacher():
    with seeded(0):
        return one_step.Velocity((1, SIDE, SIDE), 16, 2, True).eval().requires_grad_(False)


def pictures():
    x = (torch.rand(64, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3)) * 255).to(torch.uint8)
    return data.Images("noise", x, torch.zeros(64, dtype=torch.int64), x[:8], torch.zeros(8, dtype=torch.int64))


def pairs(n=64):
    z = rows(n, SIDE * SIDE, seed=5)
    return z, one_step.euler(teacher(), z.view(n, 1, SIDE, SIDE), 4)


def test_a_student_with_the_teachers_weights_is_its_one_step():
    v, z = teacher(), rows(5, SIDE * SIDE)
    G = one_step.Student(v)
    assert torch.allclose(G(z), one_step.euler(v, z.view(5, 1, SIDE, SIDE), 1), atol=1e-5)
    assert G.z_dim == 64 and generate(G, 3).shape == (3, 1, SIDE, SIDE)


def by_hand(G, D, x_real, z, x_teacher, weight, gamma):
    """Both players' gradients by the formulas, each from its own graph, D's moved first by one step of SGD."""
    x_fake = G(z)
    softplus = nn.functional.softplus
    loss_D = softplus(-D(x_real)).mean() + softplus(D(x_fake.detach())).mean()
    x = x_real.clone().requires_grad_()
    slope = torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]
    loss_D = loss_D + gamma / 2 * slope.flatten(1).square().sum(1).mean()
    of_D = torch.autograd.grad(loss_D, list(D.parameters()))
    with torch.no_grad():
        for p, g in zip(D.parameters(), of_D, strict=True):
            p -= 0.1 * g
    loss_G = weight * softplus(-D(x_fake)).mean()
    if x_teacher is not None:
        loss_G = loss_G + ((x_fake - x_teacher) ** 2).sum() / x_teacher.numel()
    of_G = torch.autograd.grad(loss_G, list(G.parameters()), allow_unused=True)
    return loss_D, loss_G, of_G


@pytest.mark.parametrize("told", [True, False])
def test_a_round_by_hand(told):
    x_real, (z, x) = data.to_float(pictures().x[:16]), (t[:16] for t in pairs())
    losses_of, moved = [], []
    for way in ("step", "hand"):
        with seeded(1):
            D, G = one_step.Judge(SIDE, 1, 4), one_step.Student(one_step.Velocity((1, SIDE, SIDE), 16, 2, True))
        before = [p.detach().clone() for p in G.parameters()]
        if way == "step":
            opts = {f"opt_{k}": torch.optim.SGD(p.parameters(), 0.1) for k, p in (("G", G), ("D", D))}
            found = one_step.distil_step(x_real, z, x if told else None, G=G, D=D, weight=0.3, **opts,
                                         penalty=lambda D, r, f: losses.r1(D, r, gamma=0.7))  # fmt: skip
            losses_of.append((found["loss_D"], found["loss_G"]))
            steps = [(a - b.detach()) / 0.1 for a, b in zip(before, G.parameters(), strict=True)]
        else:
            loss_D, loss_G, steps = by_hand(G, D, x_real, z, x if told else None, 0.3, 0.7)
            losses_of.append((loss_D.detach(), loss_G.detach()))
        moved.append([g for g in steps if g is not None] + [p.detach().clone() for p in D.parameters()])
    assert torch.allclose(torch.stack(losses_of[0]), torch.stack(losses_of[1]), atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*moved, strict=True))


def test_without_a_D_only_the_teacher_is_heard():
    with seeded(1):
        G = one_step.Student(one_step.Velocity((1, SIDE, SIDE), 16, 2, True))
    z, x = pairs()
    opt_G = torch.optim.Adam(G.parameters(), 1e-2)
    kept = [float(one_step.distil_step(None, z, x, G=G, D=None, opt_G=opt_G, opt_D=None, weight=1.0)["loss_G"])
            for _ in range(60)]  # fmt: skip
    assert kept[-1] < 0.5 * kept[0]


def test_students_of_one_seed_start_alike_and_are_the_same_again():
    made = {way: one_step.student(way, teacher(), pictures(), pairs(), steps=10, batch=8) for way in one_step.WAYS}
    again = one_step.student(one_step.WAYS[1], teacher(), pictures(), pairs(), steps=10, batch=8)
    z = rows(4, SIDE * SIDE)
    assert torch.equal(made[one_step.WAYS[1]](z), again(z))
    assert not any(p.requires_grad for p in again.parameters()) and not again.training
    start = one_step.Student(teacher())(z)
    near = {way: (G(z) - start).square().mean().item() for way, G in made.items()}
    assert all(near[way] < 0.2 * near[one_step.WAYS[3]] for way in one_step.WAYS[:3])
    with pytest.raises(ValueError, match="unknown way"):
        one_step.student("D", teacher(), pictures(), pairs(), steps=10)


def test_the_judge_takes_pictures_and_says_what_fits():
    assert one_step.Judge(16, 3, 2)(rows(5, 3, 16, 16)).shape == (5,)
    with pytest.raises(ValueError, match="side=2"):
        one_step.Judge(2)


def test_the_stretch_of_a_linear_map_is_that_of_its_matrix():
    z, A = rows(50, 2), torch.diag(torch.tensor([3.0, 3.0]))
    assert torch.allclose(one_step.stretch(lambda z: z @ A, z), torch.full((50,), 3.0), atol=1e-3)
    found = one_step.stretch(lambda z: z * torch.tensor([1.0, 5.0]), z)
    assert found.min() >= 0.999 and found.max() <= 5.001 and found.std() > 0.5
    assert torch.equal(found, one_step.stretch(lambda z: z * torch.tensor([1.0, 5.0]), z))


# --------------------------------------------------------------------------------------------------------- which map?


def test_a_turn_of_G_is_each_worlds_own_gradient():
    G = StackedMLP(2, [2, 4, 2], streams(0, 0))
    D = StackedMLP(2, [2, 4, 1], streams(0, 1), logits=True)
    x, z = rows(2, 8, 2, seed=1), rows(2, 8, 2, seed=2)
    fake = G(z)
    wanted = losses.relativistic.g_loss(D(fake), D(x)) + 0.3 * ((fake - z) ** 2).sum(2).mean(1)
    grads = torch.autograd.grad(wanted.sum(), list(G.parameters()))
    before = [p.detach().clone() for p in G.parameters()]
    found = one_step.transport_turn(x, z, G=G, D=D, opt_G=torch.optim.SGD(G.parameters(), 0.5), weight=0.3)
    assert torch.allclose(found, wanted.detach(), atol=1e-6)
    for a, g, p in zip(before, grads, G.parameters(), strict=True):
        assert torch.allclose(a - 0.5 * g, p.detach(), atol=1e-5)
    assert all(p.grad is None for p in D.parameters())


def test_r1_of_worlds_is_the_losses():
    D = StackedMLP(2, [2, 4, 1], streams(0, 1), logits=True)
    x = rows(2, 8, 2)
    assert torch.allclose(one_step.r1_of_worlds(D, x, x, 0.3), losses.r1(D, x, gamma=0.3))


@pytest.mark.slow
def test_a_heavy_weight_keeps_z_where_it_is():
    density = densities.ring()
    G = one_step.gans_with_transport(density, 30.0, worlds=2, steps=300, batch=64, width=32)
    z = rows(1, 200, 2).expand(2, -1, -1)
    assert (G(z) - z).square().mean() < 0.2
    assert one_step.same_mode(*G(z), density.modes) > 0.8
    with pytest.raises(ValueError, match="weight=-1"):
        one_step.gans_with_transport(density, -1)


def test_same_mode_counts():
    modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    a = torch.tensor([[0.1, 0.0], [0.9, 0.0], [0.2, 0.0], [5.0, 0.0]])
    b = torch.tensor([[0.0, 0.3], [0.1, 0.0], [0.3, 0.0], [1.0, 9.0]])
    assert one_step.same_mode(a, b, modes) == 0.75
    assert one_step.same_mode(torch.stack([a, a]), torch.stack([a, b]), modes).tolist() == [1.0, 0.75]
    with pytest.raises(ValueError, match="one shape"):
        one_step.same_mode(a, b[:2], modes)

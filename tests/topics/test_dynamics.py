"""The Dirac-GAN against closed forms and scipy, rules against their matrices, a Jacobian by differences."""

import math
from functools import partial

import pytest
import torch

from ganedu import losses, models
from ganedu.topics import dynamics

REST = torch.zeros(2, dtype=torch.float64)
minimax = partial(dynamics.dirac, loss=losses.minimax)
non_saturating = partial(dynamics.dirac, loss=losses.non_saturating)


def test_the_field_is_the_one_of_the_textbook():
    theta, psi = (w := torch.randn(50, 2, dtype=torch.float64)).unbind(-1)
    d = theta * psi
    for field, of_G in ((minimax, d.sigmoid() * psi), (non_saturating, (-d).sigmoid() * psi)):
        torch.testing.assert_close(field(w), torch.stack([of_G, -d.sigmoid() * theta], -1))
    gap = dynamics.dirac(w, losses.wasserstein, weight=0.3)
    torch.testing.assert_close(gap, torch.stack([psi, -theta - 0.6 * (psi.abs() - 1) * psi.sign()], -1))
    assert not gap.requires_grad


@pytest.mark.parametrize("loss", losses.ALL, ids=lambda x: x.name)
def test_r1_of_the_library_is_gamma_here(loss):
    """One fake, one real sample and d(x) = psi x by automatic differentiation of `losses.r1` and `losses.r2`."""
    w = torch.tensor([0.7, -1.2], dtype=torch.float64)
    for penalty in (losses.r1, losses.r2):
        theta, psi = (x.clone().requires_grad_() for x in w)
        real, fake = torch.zeros(1, 1, dtype=torch.float64), theta.view(1, 1)
        D = partial(lambda psi, x: psi * x[:, 0], psi)
        loss_D = loss.d_loss(D(real), D(fake)) + penalty(D, real, fake.detach(), gamma=0.4)
        of_D = torch.autograd.grad(loss_D, psi, retain_graph=True)[0]
        of_G = torch.autograd.grad(loss.g_loss(D(fake), D(real)), theta)[0]
        torch.testing.assert_close(dynamics.dirac(w, loss, gamma=0.4), -torch.stack([of_G, of_D]))


def test_derivatives_at_rest():
    half = torch.tensor([[0.0, 0.5], [-0.5, 0.0]], dtype=torch.float64)
    for field in (minimax, non_saturating):
        torch.testing.assert_close(dynamics.jacobian(field, [0, 0]), half)
    drag = torch.tensor([[0.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(dynamics.jacobian(partial(minimax, gamma=0.3), [0, 0]), half + 0.3 * drag)
    # noise s: the mean of softplus(-s psi e) + softplus(s psi e) bends by s^2 / 2 at psi = 0
    torch.testing.assert_close(dynamics.jacobian(partial(minimax, noise=0.6), [0, 0]), half + 0.18 * drag)
    torch.testing.assert_close(
        dynamics.jacobian(partial(minimax, consensus=0.8), [0, 0]), half - 0.2 * torch.eye(2).double()
    )


def test_flow_follows_scipy_and_the_circle():
    scipy = pytest.importorskip("scipy.integrate")
    start = [1.0, 1.0]
    for field in (minimax, non_saturating):
        found = dynamics.flow(field, start, 30.0)[-1]
        solved = scipy.solve_ivp(
            lambda _, w, v=field: v(torch.tensor(w)).numpy(), (0, 30), start, "DOP853", rtol=1e-10, atol=1e-12
        )
        torch.testing.assert_close(found, torch.tensor(solved.y[:, -1]), rtol=1e-6, atol=1e-7)
    circle = dynamics.flow(minimax, start, 100.0).norm(dim=-1)
    assert (circle - math.sqrt(2)).abs().max() < 1e-6
    inwards = dynamics.flow(non_saturating, start, 100.0).norm(dim=-1)
    assert (inwards.diff() <= 1e-12).all() and inwards[-1] < 0.6


@pytest.mark.parametrize("rule", dynamics.RULES)
@pytest.mark.parametrize("beta", [0.0, -0.4, 0.5])
def test_the_matrix_of_a_rule_is_the_derivative_of_its_step(rule, beta):
    v = partial(minimax, gamma=0.3)

    def move(state):
        w, last = (state[:2], state[2:]) if beta else (state, None)
        moved = dynamics.step(v, w, 0.7, rule, beta, last)
        return torch.cat([moved, w]) if beta else moved

    found = torch.autograd.functional.jacobian(move, torch.zeros(4 if beta else 2, dtype=torch.float64))
    J = dynamics.jacobian(v, REST)
    torch.testing.assert_close(dynamics.update_matrix(J, 0.7, rule, beta), found)
    many = dynamics.radius(J.expand(3, 2, 2), torch.tensor([0.1, 0.7, 3.0]), rule, beta)
    assert many[1].item() == pytest.approx(torch.linalg.eigvals(found).abs().max().item())


def test_where_each_rule_converges():
    J, h = dynamics.jacobian(minimax, REST), torch.linspace(0.05, 3.9, 40, dtype=torch.float64)
    J = J.expand(40, 2, 2)
    torch.testing.assert_close(dynamics.radius(J, h, "simultaneous"), (1 + h**2 / 4).sqrt())
    torch.testing.assert_close(dynamics.radius(J, h), torch.ones(40).double())
    torch.testing.assert_close(dynamics.radius(J, h, "extragradient"), (1 - h**2 / 4 + h**4 / 16).sqrt())
    for gamma in (0.1, 0.4):  # R1 and simultaneous steps: h < 4 gamma
        with_r1 = dynamics.jacobian(partial(minimax, gamma=gamma), REST)
        assert (
            dynamics.radius(with_r1, 3.9 * gamma, "simultaneous")
            < 1
            < dynamics.radius(with_r1, 4.1 * gamma, "simultaneous")
        )


def test_momentum_and_clipping_in_a_path():
    v = partial(minimax, gamma=0.1)
    places = dynamics.path(v, [[1.0, 1.0], [0.5, -1.0]], h=0.2, steps=30, beta=-0.3)
    assert places.shape == (31, 2, 2)
    alone = dynamics.path(v, [0.5, -1.0], h=0.2, steps=30, beta=-0.3)
    torch.testing.assert_close(places[:, 1], alone)
    clipped = dynamics.path(partial(dynamics.dirac, loss=losses.wasserstein), [1.0, 0.0], h=0.2, steps=200, clip=0.5)
    assert clipped[:, 1].abs().max() == 0.5
    with pytest.raises(ValueError, match="simultaneous"):
        dynamics.path(v, [1.0, 1.0], 0.1, 3, rule="simultanous")


@pytest.mark.parametrize("penalty", [None, partial(losses.r1, gamma=0.5)], ids=["plain", "R1"])
def test_jacobian_of_two_networks_by_finite_differences(penalty):
    torch.manual_seed(0)
    G, D = models.MLPGenerator(2, width=3, depth=1).double(), models.MLPDiscriminator(width=3, depth=1).double()
    x, z = torch.randn(20, 2).double(), torch.randn(20, 2).double()
    J = dynamics.game_jacobian(G, D, x, z, losses.non_saturating, penalty)
    weights = [*G.parameters(), *D.parameters()]

    def field():
        fake = G(z)
        loss_D = losses.non_saturating.d_loss(D(x), D(fake)) + (penalty(D, x, fake) if penalty else 0)
        of_G = torch.autograd.grad(losses.non_saturating.g_loss(D(fake)), list(G.parameters()), retain_graph=True)
        of_D = torch.autograd.grad(loss_D, list(D.parameters()), materialize_grads=True)
        return -torch.cat([g.flatten() for g in (*of_G, *of_D)])

    assert J.shape == (len(field()),) * 2
    flat, k = torch.nn.utils.parameters_to_vector(weights).detach(), 0
    for k in range(0, len(flat), 5):
        sides = []
        for e in (1e-6, -1e-6):
            moved = flat.clone()
            moved[k] += e
            torch.nn.utils.vector_to_parameters(moved, weights)
            sides.append(field())
        torch.testing.assert_close((sides[0] - sides[1]) / 2e-6, J[:, k], rtol=1e-4, atol=1e-6)
    torch.nn.utils.vector_to_parameters(flat, weights)

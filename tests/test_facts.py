"""Facts that courses easily get wrong, each held against arithmetic."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from ganedu import losses, metrics, models
from ganedu.toys import densities


@pytest.fixture(scope="module")
def line_masses():
    x, volume = densities.cells(-4, 4, 400, dim=1)
    p, q = densities.two_gaussians(dim=1), densities.gaussian(mean=0.3, std=1.1)
    return x.double(), densities.masses(p.pdf(x), volume), densities.masses(q.pdf(x), volume)


def value(p, q, d):
    """V(D) on masses, from logits."""
    return -(p * softplus(-d) + q * softplus(d)).sum()


@pytest.mark.parametrize("seed", range(20))
def test_no_discriminator_passes_the_bound_on_a_grid(line_masses, seed):
    x, p, q = line_masses
    bound = 2 * densities.jsd(p, q) - math.log(4)
    torch.manual_seed(seed)
    D = models.MLPDiscriminator((1,)).double()
    near_best = torch.log(p / q) + 0.3 * torch.randn(len(p), dtype=torch.float64)
    for d in (D(x).detach() * 10 ** (seed / 5 - 2), near_best):
        assert value(p, q, d) <= bound
    assert abs(value(p, q, torch.log(p / q)) - bound) < 1e-9


def test_a_minibatch_passes_the_bound_even_with_the_best_discriminator(line_masses):
    _, p, q = line_masses
    bound = 2 * densities.jsd(p, q) - math.log(4)
    torch.manual_seed(0)
    best = torch.log(p / q)
    drawn = [(best[torch.multinomial(p, 128, True)], best[torch.multinomial(q, 128, True)]) for _ in range(400)]
    batches = torch.stack([-losses.cross_entropy_d(d_real, d_fake) for d_real, d_fake in drawn])
    assert 0.3 < (batches > bound).double().mean() < 0.7
    assert abs(batches.mean() - bound) < 4 * batches.std() / 20  # it is unbiased: the spread alone passes the bound


def test_a_curve_has_no_density_and_its_jsd_to_one_goes_to_log_2():
    """Fakes from 1-D noise lie on a curve: the finer the cells, the nearer the Jensen-Shannon divergence to log 2."""
    p = densities.gaussian(std=0.8, dim=2)
    t = torch.linspace(-1, 1, 400_001, dtype=torch.float64)
    curve = torch.stack([2 * t, torch.sin(3 * t)], 1)
    found = []
    for n in (15, 60, 240, 960):
        x, volume = densities.cells(-3, 3, n, dim=2)
        p_mass = densities.masses(p.pdf(x), volume)
        column, row = ((curve + 3) / 6 * n).long().T
        q_mass = torch.bincount(row * n + column, minlength=n * n).double() / len(t)
        found.append(float(densities.jsd(p_mass, q_mass)))
    assert found == sorted(found)
    assert found[0] < 0.5 < 0.66 < found[-1] < math.log(2)


def test_minimax_starves_through_the_logit_and_not_through_d():
    D = torch.tensor([1e-4, 0.5, 0.9999], dtype=torch.float64, requires_grad=True)
    (through_D,) = torch.autograd.grad(torch.log1p(-D).sum(), D)
    assert torch.allclose(through_D, -1 / (1 - D))
    assert abs(through_D[0] + 1) < 1e-3
    d = torch.logit(D.detach()).requires_grad_()
    (through_d,) = torch.autograd.grad(losses.minimax_g(d) * len(d), d)
    assert torch.allclose(through_d, -D.detach())
    assert abs(through_d[0]) < 2e-4


def test_label_accuracy_of_one_goes_along_with_collapse_inside_the_classes():
    """One sample a class, repeated: every label is right and hardly any real sample is near a fake."""
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(100)
    centres = 20 * torch.eye(4)
    real = centres[labels] + torch.randn(400, 4)
    fake = centres[labels] + 1e-3 * torch.randn(400, 4)
    judge = nn.Linear(4, 4)
    with torch.no_grad():
        judge.weight.copy_(torch.eye(4))
        judge.bias.zero_()
    assert metrics.label_accuracy(judge, fake, labels) == 1.0
    assert metrics.recall_per_class(real, labels, fake, labels).max() < 0.05
    again = centres[labels] + torch.randn(400, 4)
    assert metrics.recall_per_class(real, labels, again, labels).min() > 0.8


def test_spectral_norm_of_a_kernel_is_not_that_of_the_convolution():
    """A kernel of ones, divided by the norm of its reshaped matrix, still stretches a constant image."""
    conv = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False).double()
    with torch.no_grad():
        conv.weight.fill_(1.0)
        models.spectral_norm(conv)
        conv.train()
        x = torch.ones(1, 1, 8, 8, dtype=torch.float64)
        stretch = conv(x).norm() / x.norm()
    assert abs(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2) - 1) < 1e-6
    assert abs(stretch - 3) < 1e-6  # nine weights of 1/3 add up

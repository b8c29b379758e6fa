"""InfoGAN's code and its bound, against closed forms."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from ganedu import models, sampling
from ganedu.topics.infogan import Code, CodedDiscriminator, CodedGenerator


def test_a_normal_z_gives_an_even_code():
    code = Code(classes=3, numbers=2)
    c = code(torch.randn(60_000, 8, generator=torch.Generator().manual_seed(0)))
    assert c.shape == (60_000, 5) and (c[:, :3].sum(1) == 1).all()
    assert (c[:, :3].mean(0) - 1 / 3).abs().max() < 0.01
    assert c[:, 3:].abs().max() <= 1
    assert (c[:, 3:].square().mean(0) - 1 / 3).abs().max() < 0.01  # the variance of an even draw on (-1, 1)
    assert c.T.cov().fill_diagonal_(0)[3:].abs().max() < 0.01


def channel(flip=0.2, classes=3):
    """A discrete x that is the class c, or with probability `flip` another one: (joint (c, x), I(c; x))."""
    joint = torch.full((classes, classes), flip / (classes - 1), dtype=torch.float64).fill_diagonal_(1 - flip) / classes
    p_x = joint.sum(0)
    information = (joint * (joint / (joint.sum(1, keepdim=True) * p_x)).log()).sum()
    return joint, float(information)


def bound(joint, logits, code):
    """entropy - nll with each pair (c, x) weighted by its probability; Q(c | x) has the logits (x, c)."""
    nll = sum(joint[c, x] * code.nll(logits[x][None], one_hot(torch.tensor([c]), len(joint)).double())
              for c in range(len(joint)) for x in range(len(joint)))  # fmt: skip
    return code.entropy - float(nll)


def test_the_bound_is_met_by_the_posterior_and_by_nothing_else():
    code = Code(classes=3, numbers=0)
    joint, information = channel()
    posterior = (joint / joint.sum(0)).T
    assert abs(bound(joint, posterior.log(), code) - information) < 1e-9
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = posterior.log() + torch.randn(3, 3, generator=g, dtype=torch.float64)
        gap = (joint.sum(0)[:, None] * posterior * (posterior.log() - other.log_softmax(1))).sum()  # E KL(p, Q)
        assert abs(information - bound(joint, other, code) - float(gap)) < 1e-9 and gap > 0


def test_the_nll_of_the_numbers_is_that_of_normals():
    code = Code(classes=2, numbers=2, sd=0.7)
    q, c = torch.randn(50, 4, dtype=torch.float64), torch.rand(50, 4, dtype=torch.float64)
    c[:, :2] = one_hot(torch.randint(2, (50,)), 2)
    numbers = -torch.distributions.Normal(q[:, 2:], 0.7).log_prob(c[:, 2:]).sum(1).mean()
    named = -torch.distributions.Categorical(logits=q[:, :2]).log_prob(c[:, :2].argmax(1)).mean()
    assert abs(code.nll(q, c) - named - numbers) < 1e-12
    assert abs(code.entropy - 3 * math.log(2)) < 1e-12


def test_the_bound_of_a_number_read_through_noise_stays_below_its_information():
    """x = c + noise of standard deviation 0.5, read by Q = N(x / (1 + 0.75), sd): I(c; x) by a fine histogram."""
    g = torch.Generator().manual_seed(0)
    c = 2 * torch.rand(200_000, dtype=torch.float64, generator=g) - 1
    x = c + 0.5 * torch.randn(200_000, dtype=torch.float64, generator=g)
    grid = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    p = (torch.special.ndtr((grid + 1) / 0.5) - torch.special.ndtr((grid - 1) / 0.5)) / 2
    information = -torch.trapezoid(torch.xlogy(p, p), grid) - 0.5 * math.log(2 * math.pi * math.e * 0.25)
    for sd in (0.3, 0.38, 0.5, 1.0):
        code = Code(classes=2, numbers=1, sd=sd)
        one = torch.zeros(len(c), 2, dtype=torch.float64)
        one[:, 0] = 1
        q = torch.cat([100 * one, (x / 1.75)[:, None]], 1)
        lower = code.entropy - math.log(2) - code.nll(q, torch.cat([one, c[:, None]], 1))
        assert lower < information
        assert sd != 0.38 or information - lower < 0.2


def test_a_coded_generator_is_sampled_like_any_other():
    code = Code(classes=3, numbers=1)
    G = CodedGenerator(models.DCGenerator(16, 3, z_dim=8, width=2), code).eval()
    z = torch.randn(5, 8)
    assert torch.equal(G(z), G.with_code(code(z), z[:, 4:]))
    assert torch.equal(G(z), G.net(torch.cat([code(z), z[:, 4:]], 1)))
    assert sampling.generate(G, 7).shape == (7, 3, 16, 16)
    D = CodedDiscriminator(models.DCDiscriminator(16, 3, 2), code).eval()
    d, q = D.both(G(z))
    assert torch.equal(d, D(G(z))) and q.shape == (5, 4)
    code.nll(q, code(z)).backward()
    assert G.net.net[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"numbers": -1}, {"sd": 0.0}])
def test_a_code_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Code(**wrong)


def test_a_z_without_room_for_noise_is_refused():
    with pytest.raises(ValueError, match="leaves no noise"):
        CodedGenerator(models.DCGenerator(16, 3, z_dim=6, width=2), Code(3, 3))

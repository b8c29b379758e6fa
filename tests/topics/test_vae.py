"""Oracles: torch.distributions for the two terms; for the bound, probabilistic PCA by scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from ganedu import models, training
from ganedu.topics import vae


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


# --------------------------------------------------------------------------------------------------- the two terms


def test_the_kl_is_torchs():
    mean, log_var = torch.randn(50, 7), torch.randn(50, 7)
    q = Independent(Normal(mean, (log_var / 2).exp()), 1)
    p = Independent(Normal(torch.zeros(7), torch.ones(7)), 1)
    assert torch.allclose(vae.gaussian_kl(mean, log_var), kl_divergence(q, p), rtol=1e-12)


def test_the_kl_of_the_prior_itself_is_nothing():
    assert vae.gaussian_kl(torch.zeros(3, 5), torch.zeros(3, 5)).abs().max() == 0


@pytest.mark.parametrize("sigma", [0.05, 0.2, 3.0])
def test_the_likelihood_is_torchs(sigma):
    x, mean = torch.randn(20, 1, 4, 4), torch.randn(20, 1, 4, 4)
    expected = Normal(mean, sigma).log_prob(x).flatten(1).sum(1)
    assert torch.allclose(vae.gaussian_log_likelihood(x, mean, sigma), expected, rtol=1e-12)


def test_slopes_by_finite_differences():
    x, mean, log_var = (torch.randn(3, 4, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(vae.gaussian_kl, (mean, log_var))
    assert torch.autograd.gradcheck(lambda x, m: vae.gaussian_log_likelihood(x, m, 0.3), (x, mean))


@pytest.mark.parametrize("sigma", [0, -1.0, math.nan])
def test_a_sigma_that_is_no_width(sigma):
    with pytest.raises(ValueError, match="number above 0"):
        vae.gaussian_log_likelihood(torch.zeros(2, 3), torch.zeros(2, 3), sigma)


def test_images_of_two_sizes():
    with pytest.raises(ValueError, match="does G make images of x's size"):
        vae.gaussian_log_likelihood(torch.zeros(2, 1, 28, 28), torch.zeros(2, 1, 16, 16), 0.2)


# ------------------------------------------------------------------------------------ linear: probabilistic PCA

D, K, N = 5, 2, 400


class LinearEncoder(nn.Module):
    """q(z|x) = N(A (x - m), diag(s^2)), the same s for all x."""

    def __init__(self, A, m, log_var):
        super().__init__()
        self.A, self.m, self.log_var = (nn.Parameter(t) for t in (A, m, log_var))

    def forward(self, x):
        mean = (x - self.m) @ self.A.T
        return mean, self.log_var.expand_as(mean)


class LinearDecoder(nn.Module):
    def __init__(self, W, m):
        super().__init__()
        self.W, self.m, self.z_dim = nn.Parameter(W), nn.Parameter(m), W.shape[1]

    def forward(self, z):
        return z @ self.W.T + self.m


def data():
    axes = torch.linalg.qr(torch.randn(D, D)).Q
    return (torch.randn(N, D) * torch.tensor([2.0, 1.0, 0.5, 0.45, 0.4])) @ axes.T + torch.randn(D)


def optimum(x):
    """(E, G, sigma) of probabilistic PCA in closed form (Tipping and Bishop 1999, eq. 7 and 9), scikit-learn's PCA."""
    pca = PCA(K).fit(x.numpy())
    sigma2 = pca.noise_variance_
    W = pca.components_.T * np.sqrt(pca.explained_variance_ - sigma2)
    M = W.T @ W + sigma2 * np.eye(K)  # diagonal, for the columns of W are orthogonal
    A, log_var = np.linalg.solve(M, W.T), np.log(sigma2 / np.diag(M))
    W, m, A, log_var = (torch.from_numpy(t.copy()) for t in (W, pca.mean_, A, log_var))
    return pca, LinearEncoder(A, m.clone(), log_var), LinearDecoder(W, m), math.sqrt(sigma2)


def exact_bound(x, E, G, sigma):
    """The bound with the expectation done by hand: E|x - W z - m|^2 = |x - W mean - m|^2 + sum_i s_i^2 |W_i|^2."""
    mean, log_var = E(x)
    extra = (log_var.exp() * G.W.square().sum(0)).sum(1) / (2 * sigma**2)
    return vae.gaussian_log_likelihood(x, G(mean), sigma) - extra - vae.gaussian_kl(mean, log_var)


def test_at_the_optimum_the_bound_is_the_likelihood_of_every_point():
    x = data()
    pca, E, G, sigma = optimum(x)
    likelihood = torch.from_numpy(pca.score_samples(x.numpy()))
    assert torch.allclose(exact_bound(x, E, G, sigma), likelihood, atol=1e-9)


def test_the_drawn_bound_is_the_exact_one_on_average():
    x = data()
    _, E, G, sigma = optimum(x)
    x = x[:1].expand(20_000, -1)
    likelihood, kl = vae.bound(x, E, G, sigma)
    drawn = likelihood - kl
    error = drawn.std() / len(x) ** 0.5
    assert (drawn.mean() - exact_bound(x[:1], E, G, sigma)).abs() < 4 * error
    more = vae.bound(x[:2000], E, G, sigma, draws=16)[0]
    assert 0.2 < more.std() / likelihood[:2000].std() < 0.3  # 1 / sqrt(16)


@pytest.mark.parametrize("change", ["moved", "wider", "narrower"])
def test_the_gap_is_the_kl_to_the_true_posterior(change):
    x = data()
    pca, E, G, sigma = optimum(x)
    posterior = MultivariateNormal(E(x)[0].detach(), torch.diag(E.log_var.exp().detach()))
    with torch.no_grad():
        E.m += 0.3 if change == "moved" else 0
        E.log_var += {"wider": 1.5, "narrower": -1.5}.get(change, 0)
    mean, log_var = E(x)
    q = MultivariateNormal(mean, torch.diag_embed(log_var.exp()))
    gap = torch.from_numpy(pca.score_samples(x.numpy())) - exact_bound(x, E, G, sigma)
    assert gap.min() > 1e-3
    assert torch.allclose(gap, kl_divergence(q, posterior), atol=1e-9)


def test_a_linear_vae_trained_by_vae_step_climbs_to_the_likelihood_of_pca():
    x = data()
    pca, _, _, sigma = optimum(x)
    E = LinearEncoder(0.1 * torch.randn(K, D), torch.zeros(D), torch.zeros(K))
    G = LinearDecoder(0.1 * torch.randn(D, K), torch.zeros(D))
    opt = torch.optim.Adam([*E.parameters(), *G.parameters()], 0.03)
    schedule = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.0, total_iters=3000)
    for _ in range(3000):
        vae.vae_step(x, E=E, G=G, opt=opt, sigma=sigma)
        schedule.step()
    bound, best = exact_bound(x, E, G, sigma).mean().item(), pca.score(x.numpy())
    assert best - 0.02 < bound < best + 1e-9
    # and the columns of W lie along the principal axes: only there is the true posterior a q with axes of its own
    cosines = (G.W / G.W.norm(dim=0)).T.detach().numpy() @ pca.components_.T
    assert np.allclose(np.sort(np.abs(cosines).max(0)), 1, atol=0.02)


def test_a_direction_with_less_variance_than_the_noise_is_not_coded():
    """Tipping and Bishop 1999, section 3.2: the columns of W have length sqrt(lambda - sigma^2), or 0 below it."""
    x = torch.randn(N, 2) * torch.tensor([2.0, 0.5])
    x = (x - x.mean(0)) / x.std(0, correction=0) * torch.tensor([2.0, 0.5])
    E = LinearEncoder(0.1 * torch.randn(2, 2), torch.zeros(2), torch.zeros(2))
    G = LinearDecoder(0.1 * torch.randn(2, 2), torch.zeros(2))
    opt = torch.optim.Adam([*E.parameters(), *G.parameters()], 0.03)
    schedule = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.0, total_iters=2000)
    for _ in range(2000):
        vae.vae_step(x, E=E, G=G, opt=opt, sigma=1.0)
        schedule.step()
    lengths = G.W.detach().norm(dim=1)  # along x_1 and x_2, the principal axes here
    assert abs(lengths[0] - math.sqrt(4 - 1)) < 0.05 and lengths[1] < 0.05


def test_draws_below_one():
    _, E, G, sigma = optimum(data())
    with pytest.raises(ValueError, match="1 or more codes"):
        vae.bound(data(), E, G, sigma, draws=0)


# ---------------------------------------------------------------------------------------------------- the encoder


@pytest.mark.parametrize(("image_size", "channels"), [(16, 1), (28, 1), (32, 3), (64, 3)])
def test_the_encoder_gives_a_mean_and_a_variance_for_each_code(image_size, channels):
    E = vae.Encoder(image_size, channels, z_dim=5, width=2)
    mean, log_var = E(torch.rand(4, channels, image_size, image_size) * 2 - 1)
    assert mean.shape == log_var.shape == (4, 5)
    assert models.DCGenerator(image_size, channels, 5, width=2)(mean).shape == (4, channels, image_size, image_size)


def test_the_encoder_is_the_discriminators_convolutions_with_another_last_layer():
    E, D = vae.Encoder(28, 1, 64), models.DCDiscriminator(28, 1)
    assert [p.shape for p in E.net.parameters()] == [p.shape for p in D.net.parameters()]
    assert models.n_parameters(E) == 115_280


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, 1, 16, 16), r"encoder's images must be \(N, 1, 28, 28\), finite floats"),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), "floats: got torch.uint8"),
        (torch.full((4, 1, 28, 28), math.nan), "NaN or infinity"),
    ],
)
def test_images_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message):
        vae.Encoder(28, 1, 4)(x.float() if x.is_floating_point() else x)


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_none(beta):
    with pytest.raises(ValueError, match="weight of the KL term"):
        vae.check_beta(beta)


# ---------------------------------------------------------------------------------------------------- the Trainer


def test_the_trainer_runs_it_as_any_other_game():
    torch.set_default_dtype(torch.float32)
    E, G = vae.Encoder(16, 1, 4, width=2), models.DCGenerator(16, 1, 4, width=2)
    opt = torch.optim.Adam([*E.parameters(), *G.parameters()], 3e-3)
    images = torch.rand(64, 1, 16, 16) * 0.2 - 0.9  # all dark
    trainer = training.Trainer(vae.vae_step, {"E": E, "G": G, "opt": opt}, lambda n: images[torch.randint(64, (n,))])
    records = list(trainer.run(steps=60, every=20))
    assert records[-1]["loss_x"] < records[0]["loss_x"]
    assert trainer.sample(5).shape == (5, 1, 16, 16)

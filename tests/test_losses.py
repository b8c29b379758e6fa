"""Oracles: the papers' formulas in numpy, with D as a probability; finite differences; gradients worked out by hand."""

import math

import numpy as np
import pytest
import torch

from ganedu import losses

every_loss = pytest.mark.parametrize("loss", losses.ALL, ids=lambda loss: loss.name)

REAL = np.array([-1.7, 0.3, 2.2, 0.9, -0.4])
FAKE = np.array([0.6, -2.1, 1.4, -0.2, 3.0])


def sigmoid(d):
    return 1 / (1 + np.exp(-d))


# what each player minimises, as the papers write it: log D and log(1 - D) of probabilities, no softplus
D_GOALS = {
    "minimax": lambda r, f: -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
    "non-saturating": lambda r, f: -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
    "least squares": lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
    "hinge": lambda r, f: -np.minimum(0, r - 1).mean() - np.minimum(0, -f - 1).mean(),
    "Wasserstein": lambda r, f: f.mean() - r.mean(),
    "relativistic": lambda r, f: -np.log(sigmoid(r - f)).mean(),
}
G_GOALS = {
    "minimax": lambda f, r: np.log(1 - sigmoid(f)).mean(),
    "non-saturating": lambda f, r: -np.log(sigmoid(f)).mean(),
    "least squares": lambda f, r: ((f - 1) ** 2).mean() / 2,
    "hinge": lambda f, r: -f.mean(),
    "Wasserstein": lambda f, r: -f.mean(),
    "relativistic": lambda f, r: -np.log(sigmoid(f - r)).mean(),
}


def assert_close(a, b, rtol=1e-12):
    """Equal but for rounding, from both sides."""
    a = a.detach().numpy() if torch.is_tensor(a) else a
    np.testing.assert_allclose(a, b, rtol=rtol)


def tensors(*arrays):
    return [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]


# -------------------------------------------------------------------------------------------------- values and slopes


def test_all_losses_are_checked_here():
    assert {loss.name for loss in losses.ALL} == D_GOALS.keys() == G_GOALS.keys()


@every_loss
def test_the_discriminators_loss_is_the_papers(loss):
    assert_close(loss.d_loss(*tensors(REAL, FAKE)), D_GOALS[loss.name](REAL, FAKE))


@every_loss
def test_the_generators_loss_is_the_papers(loss):
    assert_close(loss.g_loss(*tensors(FAKE, REAL)), G_GOALS[loss.name](FAKE, REAL))


@every_loss
@pytest.mark.parametrize("player", ["d_loss", "g_loss"])
def test_gradients_agree_with_finite_differences(loss, player):
    assert torch.autograd.gradcheck(getattr(loss, player), tensors(FAKE, REAL), check_undefined_grad=False)


@every_loss
def test_only_paired_losses_let_the_generator_read_the_real_logits(loss):
    d_fake, d_real = tensors(FAKE, REAL)
    loss.g_loss(d_fake, d_real).backward()
    assert (d_real.grad is not None) == loss.pairs


def test_minimax_slope_through_the_logit_is_minus_D():
    (d,) = tensors(np.linspace(-8, 8, 33))
    (losses.minimax_g(d) * len(d)).backward()
    assert_close(d.grad, -sigmoid(d.detach().numpy()))


def test_non_saturating_slope_through_the_logit_is_minus_one_minus_D():
    (d,) = tensors(np.linspace(-8, 8, 33))
    (losses.non_saturating_g(d) * len(d)).backward()
    assert_close(d.grad, -(1 - sigmoid(d.detach().numpy())))


def test_through_D_itself_the_minimax_slope_does_not_vanish():
    """Where D is near 0 the slope by D is -1 / (1 - D), about -1: it is the logit's slope that starves G."""
    (d,) = tensors([-12.0])
    losses.minimax_g(d).backward()
    D = sigmoid(-12.0)
    assert abs(float(d.grad) / (D * (1 - D)) - (-1 / (1 - D))) < 1e-9
    assert abs(float(d.grad)) < 1e-5


def test_the_best_D_gives_twice_the_jensen_shannon_divergence_less_log_4():
    p, q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1])
    best = torch.from_numpy(np.log(p / q))  # the logit of p / (p + q)
    value = sum(-float(losses.cross_entropy_d(best[i : i + 1], best[j : j + 1])) * p[i] * q[j]
                for i in range(4) for j in range(4))  # fmt: skip
    m = (p + q) / 2
    jsd = (p * np.log(p / m)).sum() / 2 + (q * np.log(q / m)).sum() / 2
    assert abs(value - (2 * jsd - math.log(4))) < 1e-12


@every_loss
@pytest.mark.parametrize("d", [1e4, -1e4])
def test_extreme_logits_give_finite_losses_and_slopes(loss, d):
    for player in (loss.d_loss, loss.g_loss):
        for sign in (1, -1):
            a = torch.full((3,), d, requires_grad=True)
            b = torch.full((3,), sign * d, requires_grad=True)
            value = player(a, b)
            value.backward()
            grads = [t.grad for t in (a, b) if t.grad is not None]
            assert grads and all(t.isfinite().all() for t in [value, *grads])


@every_loss
def test_worlds_are_reduced_one_by_one(loss):
    generator = torch.Generator().manual_seed(0)
    d_real, d_fake = (torch.randn(4, 6, generator=generator) for _ in range(2))
    for player, args in ((loss.d_loss, (d_real, d_fake)), (loss.g_loss, (d_fake, d_real))):
        assert player(*args).shape == (4,)
        one_by_one = torch.stack([player(*(a[w] for a in args)) for w in range(4)])
        assert torch.equal(player(*args), one_by_one)


@pytest.mark.parametrize("d_real", [None, torch.zeros(3), torch.zeros(4, 1)], ids=["none", "other size", "other shape"])
def test_a_relativistic_loss_asks_for_pairs(d_real):
    with pytest.raises(ValueError, match=r"pairs each real logit.*Give both"):
        losses.relativistic.g_loss(torch.zeros(4), d_real)


def test_a_relativistic_discriminator_asks_for_pairs():
    with pytest.raises(ValueError, match=r"d_real \(3,\) and d_fake \(4,\)"):
        losses.relativistic.d_loss(torch.zeros(3), torch.zeros(4))


NO_LOGITS = {
    "nn.Linear(n, 1)": torch.zeros(5, 1), "PyTorch's DCGAN": torch.zeros(5, 1, 1, 1), "a map": torch.zeros(5, 1, 2, 3),
    "one number": torch.zeros(()), "none": torch.zeros(0), "long": torch.ones(5).long(), "bool": torch.ones(5) > 0,
    "numpy": REAL,
}  # fmt: skip


@every_loss
@pytest.mark.parametrize("d", NO_LOGITS.values(), ids=NO_LOGITS)
def test_what_is_no_logits_is_refused_with_what_to_do(loss, d):
    good = torch.zeros(5)
    for call in (lambda: loss.d_loss(d, good), lambda: loss.d_loss(good, d), lambda: loss.d_loss(d, d),
                 lambda: loss.g_loss(d, d), lambda: loss.g_loss(d_fake=d, d_real=d)):  # fmt: skip
        with pytest.raises(
            ValueError, match=r"D\(x\)\.flatten\(\)|pairs each real logit" if loss.pairs else r"flatten"
        ):
            call()


@every_loss
def test_the_advice_on_shapes_gives_the_loss_of_N_logits(loss):
    d_real, d_fake = (torch.randn(6, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    wanted = loss.d_loss(d_real, d_fake), loss.g_loss(d_fake, d_real)
    for shape in ((6, 1), (6, 1, 1, 1), (1, 1, 2, 3)):
        a, b = (d.view(shape).flatten() for d in (d_real, d_fake))
        assert (loss.d_loss(a, b), loss.g_loss(b, a)) == wanted
    assert loss.d_loss(d_real[None], d_fake[None]) == wanted[0]  # one world
    if not loss.pairs:  # batches may differ in size
        assert loss.d_loss(d_real, d_fake[:4]).shape == ()


# ----------------------------------------------------------------------------------------------------------- penalties

SHAPES = {"points": (7, 2), "worlds": (3, 7, 2), "images": (7, 3, 4, 4)}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def sample_axes(shape):
    return tuple(range(-3, 0)) if len(shape) == 4 else (-1,)


def draw(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(shape):
    """d(x) = w . x; its gradient is w everywhere. Returns (D, |w|^2)."""
    axes = sample_axes(shape)
    w = draw(shape[axes[0] :], 9)
    return lambda x: (w * x).sum(axes), float((w * w).sum())


def quadratic(shape):
    """d(x) = |x|^2 / 2; its gradient is x."""
    return lambda x: x.square().sum(sample_axes(shape)) / 2


@every_shape
def test_slopes_of_a_quadratic_are_the_samples_themselves(shape):
    x = draw(shape)
    expected = x.flatten(1) if len(shape) == 4 else x
    assert torch.equal(losses.slopes(quadratic(shape), x), expected)


@every_shape
@pytest.mark.parametrize("gamma", [1.0, 0.3])
def test_r1_of_a_linear_D_is_half_gamma_times_its_squared_slope(shape, gamma):
    D, squared = linear(shape)
    penalty = losses.r1(D, draw(shape), gamma=gamma)
    assert penalty.shape == (shape[:1] if len(shape) == 3 else ())
    assert_close(penalty, gamma / 2 * squared)


@every_shape
def test_r1_looks_at_reals_and_r2_at_fakes(shape):
    D, x_real, x_fake = quadratic(shape), draw(shape, 1), 3 * draw(shape, 2)
    squared = [x.square().sum(sample_axes(shape)).mean(-1).numpy() for x in (x_real, x_fake)]
    assert_close(losses.r1(D, x_real, x_fake), squared[0] / 2)
    assert_close(losses.r2(D, x_real, x_fake), squared[1] / 2)
    assert_close(losses.r1_r2(D, x_real, x_fake, gamma=0.2), 0.1 * sum(squared))


@every_shape
def test_wgan_gp_of_a_linear_D_is_the_squared_excess_of_its_slope_over_one(shape):
    D, squared = linear(shape)
    for weight in (10.0, 0.5):
        penalty = losses.wgan_gp(D, draw(shape, 1), draw(shape, 2), weight=weight)
        assert_close(penalty, weight * (math.sqrt(squared) - 1) ** 2)


@every_shape
def test_wgan_gp_looks_between_real_and_fake_uniformly(shape):
    """With reals at 1 and fakes at 0 the points that D is asked at are the weights themselves."""
    shape = (*shape[:-4], 4000, *shape[1:]) if len(shape) == 4 else (*shape[:-2], 4000, shape[-1])
    asked = []

    def D(x):
        asked.append(x.detach())
        return x.sum(sample_axes(shape))

    torch.manual_seed(0)
    losses.wgan_gp(D, torch.ones(shape), torch.zeros(shape))
    t = asked[0].flatten(-len(sample_axes(shape)))
    assert torch.equal(t.amin(-1), t.amax(-1))  # one weight a sample, the same for all its numbers
    weights = t[..., 0].flatten()
    assert len(weights.unique()) > 0.99 * len(weights)
    from scipy.stats import kstest

    assert kstest(weights.numpy(), "uniform").pvalue > 1e-3


def test_wgan_gp_lets_no_gradient_through_to_the_generator():
    x_fake = draw((7, 2), 2).requires_grad_()
    w = draw((2,), 3).requires_grad_()
    losses.wgan_gp(lambda x: (x @ w) ** 2, draw((7, 2)), x_fake).backward()
    assert x_fake.grad is None and w.grad.abs().sum() > 0


def test_wgan_gp_asks_for_batches_of_one_size():
    with pytest.raises(ValueError, match=r"\(4, 2\) and x_fake \(5, 2\)"):
        losses.wgan_gp(lambda x: x.sum(-1), torch.zeros(4, 2), torch.zeros(5, 2))


def test_a_flat_D_has_finite_gradients_under_wgan_gp():
    """The norm has a corner at 0; dead units put D there."""
    w = torch.zeros(2, requires_grad=True)
    penalty = losses.wgan_gp(lambda x: x @ w, torch.ones(4, 2), -torch.ones(4, 2))
    penalty.backward()
    assert abs(penalty.item() - 10) < 1e-6 and w.grad.isfinite().all()


PENALTIES = {"r1": losses.r1, "r2": losses.r2, "r1_r2": losses.r1_r2, "wgan_gp": losses.wgan_gp}


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_a_penaltys_gradient_in_Ds_weights_agrees_with_finite_differences(penalty):
    """The second derivative: grad_w of |grad_x d|^2, through a smooth two-layer D."""
    x_real, x_fake = draw((5, 2), 1), draw((5, 2), 2)

    def value(w1, w2):
        torch.manual_seed(0)  # the same interpolates each time
        return penalty(lambda x: (x @ w1).tanh() @ w2, x_real, x_fake)

    assert torch.autograd.gradcheck(value, (draw((2, 6), 3).requires_grad_(), draw((6,), 4).requires_grad_()))


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_worlds_are_penalised_one_by_one(penalty):
    x_real, x_fake, w = draw((3, 7, 2), 1), draw((3, 7, 2), 2), draw((3, 2, 1), 3)
    torch.manual_seed(0)
    together = penalty(lambda x: (x @ w).tanh().squeeze(-1), x_real, x_fake)
    torch.manual_seed(0)
    apart = [penalty(lambda x, i=i: (x @ w[i]).tanh().squeeze(-1), x_real[i], x_fake[i]) for i in range(3)]
    assert_close(together, torch.stack(apart).detach())


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("shape", [(7, 2), (3, 7, 2), (7, 3, 4, 4), (7, 1, 4, 4)], ids=str)
def test_a_D_that_ends_in_a_linear_layer_of_one_is_told_to_drop_its_axis(penalty, shape):
    D = torch.nn.Linear(shape[-1], 1) if len(shape) < 4 else torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(shape[1] * 16, 1))  # fmt: skip
    x = draw(shape).float()
    with pytest.raises(ValueError, match=r"Then D\(x\)\.squeeze\(-1\)"):
        penalty(D, x, x + 1)
    assert penalty(lambda x: D(x).squeeze(-1), x, x + 1).shape == (shape[:1] if len(shape) == 3 else ())

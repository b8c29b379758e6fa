"""Oracles: shifts by slices, boxes counted by hand, finite differences, binomial shares, ADA's rule by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from ganedu import losses, models
from ganedu.sampling import seeded
from ganedu.steps import acgan_step, cgan_step, train_step
from ganedu.topics import augment
from ganedu.training import Trainer

every_operation = pytest.mark.parametrize("name", augment.OPERATIONS)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def random_numbers(seed=0):
    return torch.Generator().manual_seed(seed)


# --------------------------------------------------------------------------------------------------- each operation


@every_operation
@pytest.mark.parametrize("channels", [1, 3])
def test_an_operation_keeps_shape_and_kind_and_leaves_its_input_alone(name, channels):
    x = draw(5, channels, 8, 8, dtype=torch.float32)
    before = x.clone()
    y = augment.OPERATIONS[name](x, generator=random_numbers())
    assert y.shape == x.shape and y.dtype == x.dtype and torch.equal(x, before)


@every_operation
def test_equal_seeds_give_equal_images_and_a_generator_leaves_torchs_numbers_alone(name):
    x = draw(64, 3, 8, 8)
    with seeded(7):
        state = torch.get_rng_state()
        first, second = (augment.OPERATIONS[name](x, generator=random_numbers(3)) for _ in range(2))
        other = augment.OPERATIONS[name](x, generator=random_numbers(4))
        assert torch.equal(torch.get_rng_state(), state)
        from_torch = augment.OPERATIONS[name](x)
        assert not torch.equal(torch.get_rng_state(), state)
    with seeded(7):
        assert torch.equal(augment.OPERATIONS[name](x), from_torch)
    assert torch.equal(first, second) and not torch.equal(first, other)


@every_operation
def test_each_sample_has_its_own_random_numbers(name):
    x = draw(1, 3, 8, 8).expand(64, -1, -1, -1)
    assert len(augment.OPERATIONS[name](x, generator=random_numbers()).unique(dim=0)) > 1


@every_operation
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_agree_with_finite_differences(name, channels):
    def f(x):
        return augment.OPERATIONS[name](x, generator=random_numbers(1))  # the same numbers at every call

    assert torch.autograd.gradcheck(f, draw(3, channels, 4, 4).requires_grad_())


def test_brightness_adds_one_number_from_plus_minus_a_half():
    x = draw(4000, 3, 4, 4)
    added = augment.brightness(x, random_numbers()) - x
    assert torch.allclose(added, added[:, :1, :1, :1].expand_as(added), atol=1e-12)  # one a sample
    b = added[:, 0, 0, 0]
    assert -0.5 <= b.min() < -0.49 and 0.49 < b.max() < 0.5
    assert abs(b.mean()) < 4 * (1 / 12 / 4000) ** 0.5  # four standard errors of a uniform number's mean


def test_saturation_leaves_grey_images_alone_and_every_pixels_mean():
    grey = draw(5, 1, 4, 4)
    assert torch.equal(augment.saturation(grey), grey)
    as_rgb = grey.expand(-1, 3, -1, -1)
    assert torch.allclose(augment.saturation(as_rgb), as_rgb, atol=1e-12)
    x = draw(2000, 3, 4, 4)
    y = augment.saturation(x, random_numbers())
    assert torch.allclose(y.mean(1), x.mean(1), atol=1e-12)
    s = (y - y.mean(1, True))[:, 0, 0, 0] / (x - x.mean(1, True))[:, 0, 0, 0]
    assert 0 <= s.min() < 0.02 and 1.98 < s.max() < 2


def test_contrast_leaves_the_mean_and_scales_the_spread_by_a_half_to_three_halves():
    x = draw(2000, 3, 4, 4)
    y = augment.contrast(x, random_numbers())
    assert torch.allclose(y.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-12)
    c = y.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.5 <= c.min() < 0.51 and 1.49 < c.max() < 1.5


def shifted(image: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """image (C, H, W) moved down by dy and right by dx; -1 comes in."""
    h, w = image.shape[1:]
    out = np.full_like(image, -1.0)
    out[:, max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)] = image[
        :, max(0, -dy) : h + min(0, -dy), max(0, -dx) : w + min(0, -dx)
    ]
    return out


def test_translation_gives_each_of_the_shifts_of_a_known_image_equally_often():
    image = draw(2, 8, 12)  # two channels; a share of 1/4 moves by up to 2 rows and 3 columns
    allowed = {(dy, dx): shifted(image.numpy(), dy, dx) for dy in range(-2, 3) for dx in range(-3, 4)}
    n = 3500
    moved = augment.translation(image.expand(n, -1, -1, -1), 0.25, random_numbers()).numpy()
    counts = [int((moved == target).all((1, 2, 3)).sum()) for target in allowed.values()]
    assert sum(counts) == n and min(counts) > 0  # exactly these, nothing else, and all of them
    assert abs(np.array(counts) - 100).max() < 50  # 100 each, five standard deviations


@pytest.mark.parametrize("operation", [augment.translation, augment.cutout])
def test_a_ratio_of_zero_is_the_identity(operation):
    x = draw(5, 3, 8, 8)
    assert torch.equal(operation(x, 0.0), x)


def test_translation_with_a_ratio_of_one_can_move_an_image_out_of_sight():
    x = torch.ones(500, 1, 4, 4)
    assert (augment.translation(x, 1.0, random_numbers()) == -1).flatten(1).all(1).any()


@pytest.mark.parametrize(("h", "w", "ratio"), [(8, 8, 0.5), (8, 12, 0.25), (7, 7, 0.4)])
def test_cutout_sets_one_box_to_zero_whose_mean_area_is_the_one_counted_by_hand(h, w, ratio):
    n = 20_000
    cut = augment.cutout(torch.ones(n, 1, h, w), ratio, random_numbers())[:, 0] == 0

    def sides(size):  # of the box that stays inside, for each place of its centre
        box = round(ratio * size)
        return [len(set(range(c - box // 2, c - box // 2 + box)) & set(range(size))) for c in range(size)]

    possible = {a * b for a in sides(h) for b in sides(w)}
    areas = cut.flatten(1).sum(1)
    assert set(areas.tolist()) == possible and max(possible) == round(ratio * h) * round(ratio * w)
    boxes = cut.any(2).sum(1) * cut.any(1).sum(1)  # rows hit times columns hit: the area, where it is a box
    assert torch.equal(boxes, areas)
    expected = np.mean(sides(h)) * np.mean(sides(w))
    assert abs(areas.double().mean() - expected) < 5 * float(areas.double().std()) / n**0.5


def test_cutout_lets_no_gradient_through_the_box_and_all_of_it_beside():
    x = draw(50, 1, 8, 8).requires_grad_()
    y = augment.cutout(x, 0.5, random_numbers())
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0).double())


def test_flip_exchanges_left_and_right_in_half_of_the_images():
    x = draw(2000, 3, 4, 6)
    y = augment.flip(x, random_numbers())
    turned = (y == torch.from_numpy(x.numpy()[..., ::-1].copy())).flatten(1).all(1)
    assert torch.equal(y[~turned], x[~turned])
    assert abs(turned.double().mean() - 0.5) < 4 * (0.25 / 2000) ** 0.5


def test_rotation_gives_the_four_quarter_turns_equally_often():
    x = draw(2000, 3, 4, 4)
    y = augment.rotation(x, random_numbers()).numpy()
    hits = np.array([(y == np.rot90(x.numpy(), k, (2, 3))).all((1, 2, 3)) for k in range(4)])
    assert (hits.sum(0) == 1).all()
    assert abs(hits.mean(1) - 0.25).max() < 4 * (0.25 * 0.75 / 2000) ** 0.5


# ------------------------------------------------------------------------------------------------------- composition


def test_p_of_zero_and_an_empty_policy_are_the_identity_and_draw_nothing():
    x = draw(5, 1, 8, 8)
    state = torch.get_rng_state()
    assert augment.augment(x, p=0.0) is x and augment.augment(x, ()) is x
    assert torch.equal(torch.get_rng_state(), state)


def share_changed(p, n=4000):
    x = draw(n, 1, 8, 8)
    y = augment.augment(x, ("brightness", "translation"), p, random_numbers())
    changed = (y != x).flatten(1).any(1)
    return float(changed.double().mean())


def test_p_of_one_augments_every_sample():
    assert share_changed(1.0) == 1.0


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_that_is_augmented_is_p(p):
    assert abs(share_changed(p) - p) < 4 * (p * (1 - p) / 4000) ** 0.5


def test_operations_come_in_the_order_of_the_policy():
    x = draw(6, 3, 8, 8)
    by_hand = augment.cutout(augment.brightness(x, g := random_numbers()), generator=g)
    assert torch.equal(augment.augment(x, ("brightness", "cutout"), generator=random_numbers()), by_hand)
    assert not torch.equal(augment.augment(x, ("cutout", "brightness"), generator=random_numbers()), by_hand)


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_the_whole_policys_gradient_agrees_with_finite_differences(p):
    policy = tuple(augment.OPERATIONS)
    assert torch.autograd.gradcheck(
        lambda x: augment.augment(x, policy, p, random_numbers(2)), draw(6, 3, 4, 4).requires_grad_()
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: augment.augment(torch.zeros(3, 8, 8)), r"\(N, C, H, W\).*\(3, 8, 8\)"),
        (lambda: augment.brightness(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)), "uint8.*data.to_float"),
        (lambda: augment.flip(np.zeros((2, 1, 4, 4))), "got ndarray"),
        (lambda: augment.translation(torch.zeros(2, 1, 4, 4), 1.5), "ratio=1.5.*from 0 to 1"),
        (lambda: augment.cutout(torch.zeros(2, 1, 4, 4), -0.1), "ratio=-0.1.*from 0 to 1"),
        (lambda: augment.rotation(torch.zeros(2, 1, 4, 6)), "4 x 6.*square"),
        (lambda: augment.augment(torch.zeros(2, 1, 4, 4), p=1.2), "p=1.2.*from 0 to 1"),
        (lambda: augment.augment(torch.zeros(2, 1, 4, 4), p=float("nan")), "p=nan.*from 0 to 1"),
        (lambda: augment.augment(torch.zeros(2, 1, 4, 4), ("cut_out",)), "Did you mean 'cutout'"),
        (lambda: augment.augment(torch.zeros(2, 1, 4, 4), "cutout"), "one string.*tuple"),
        (lambda: augment.Augmented(nn.Identity(), ("flip", "flip")), "twice"),
        (lambda: augment.Augmented(nn.Identity(), p=-1), "p=-1.*from 0 to 1"),
        (lambda: augment.overfitting(torch.zeros(0)), "no logits"),
        (lambda: augment.next_p(0.5, 0.0, 0), "n=0.*1 or more"),
        (lambda: augment.next_p(1.5, 0.0, 10), "p=1.5.*from 0 to 1"),
        (lambda: augment.adaptive_step(torch.zeros(2, 1, 4, 4), D=nn.Identity()), r"got Identity.*Augmented\(D"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# --------------------------------------------------------------------------------------------------- in D's place


class Shown(nn.Module):
    """A linear D on images that keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.w, self.shown = nn.Parameter(draw(64, seed=5)), []

    def forward(self, x):
        self.shown.append(x.detach())
        return x.flatten(1) @ self.w


class Constant(nn.Module):
    """A G whose images are its one parameter, the same for every z."""

    def __init__(self, image):
        super().__init__()
        self.image, self.z_dim = nn.Parameter(image), 2

    def forward(self, z):
        return self.image.expand(len(z), -1, -1, -1)


def resting(G, D):
    """Players that learn nothing: both rates are 0."""
    opt_G, opt_D = (torch.optim.SGD(m.parameters(), 0.0) for m in (G, D))
    return {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}


def test_in_training_D_sees_augmented_images_and_in_eval_mode_the_images_themselves():
    D = augment.Augmented(Shown(), ("cutout",))
    x = torch.ones(9, 1, 8, 8, dtype=torch.float64)
    D(x)
    assert all((s == 0).any() for s in D.D.shown[0])
    assert torch.equal(D.eval()(x), D.D(x))


def test_a_step_augments_real_images_fakes_and_the_fakes_of_Gs_step_alike():
    n = 4000
    grey = torch.full((1, 1, 8, 8), 0.25, dtype=torch.float64)
    D = augment.Augmented(Shown(), ("brightness",), 0.5)
    with seeded(0):
        train_step(grey.expand(n, -1, -1, -1), z_dim=2, **resting(Constant(grey), D))
    added = [np.sort(s[:, 0, 0, 0].numpy()) - 0.25 for s in D.D.shown]
    assert len(added) == 3  # real and fake in D's step, fake in G's
    for b in added:
        touched = b[b != 0]
        assert abs(len(touched) / n - 0.5) < 4 * (0.25 / n) ** 0.5
        assert kstest(touched, "uniform", (-0.5, 1.0)).pvalue > 1e-3
    assert not np.array_equal(added[0], added[1])  # each with its own numbers


def test_Gs_gradient_through_the_augmentation_agrees_with_finite_differences():
    """What `train_step` leaves in G's gradient is the slope of G's loss, D and random numbers held still."""
    image, h = draw(1, 1, 8, 8, seed=3), 1e-6
    policy = ("brightness", "contrast", "translation", "cutout")
    D = augment.Augmented(Shown(), policy)

    def step(image):
        G = Constant(image.clone())
        with seeded(11):
            seen = train_step(image.expand(4, -1, -1, -1), z_dim=2, **resting(G, D))
        return float(seen["loss_G"]), G.image.grad.flatten()

    _, slope = step(image)
    assert (slope == 0).sum() < 64 and slope.abs().max() > 1e-3
    for i in (0, 9, 27, 36, 63):
        e = torch.zeros(64, dtype=torch.float64)
        e[i] = h
        up, down = (step(image + s * e.view(1, 1, 8, 8))[0] for s in (1, -1))
        assert abs((up - down) / (2 * h) - float(slope[i])) < 1e-7


@pytest.mark.parametrize("step", [cgan_step, acgan_step], ids=["cgan", "acgan"])
def test_conditional_steps_take_it_too(step):
    G, D = models.build(
        "cgan", image_size=16, z_dim=4, width=2, n_classes=3, condition="acgan" if step is acgan_step else "projection"
    )
    D = augment.Augmented(D)
    players = {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}
    seen = step(draw(6, 1, 16, 16, dtype=torch.float32), torch.arange(6) % 3, z_dim=4, **players)
    assert all(v.isfinite() for v in seen.values())


def test_a_penalty_is_on_the_slope_at_the_image_before_it_is_augmented():
    """D is linear: its slope is w where the box is not, 0 where it is."""
    D = augment.Augmented(Shown(), ("cutout",))
    x = torch.ones(50, 1, 8, 8, dtype=torch.float64)
    with seeded(0):
        penalty = losses.r1(D, x, gamma=2.0)
    seen = (D.D.shown[0] != 0).flatten(1).double()
    assert abs(float(penalty.detach()) - float((seen * D.D.w.detach()).square().sum(1).mean())) < 1e-9


# ----------------------------------------------------------------------------------------------------------- adaptive


def test_the_measure_is_the_mean_sign():
    assert augment.overfitting(torch.tensor([0.1, 5.0, -3.0, 2.0])) == 0.5
    assert augment.overfitting(torch.tensor([-1e-9, -7.0])) == -1.0
    assert augment.overfitting(torch.tensor([1.0, -1.0, 0.0])) == 0.0


@pytest.mark.parametrize(
    ("p", "r", "expected"),
    [(0.3, 0.9, 0.31), (0.3, 0.1, 0.29), (0.3, 0.6, 0.3), (0.995, 1.0, 1.0), (0.005, -1.0, 0.0), (0.0, 0.9, 0.01)],
)
def test_p_moves_towards_the_target_by_the_images_seen_and_stays_a_probability(p, r, expected):
    assert abs(augment.next_p(p, r, n=100, images=10_000) - expected) < 1e-12


def test_p_goes_from_zero_to_one_in_as_many_images_as_were_stated():
    p, moves = 0.0, 0
    while p < 1:
        p, moves = augment.next_p(p, 1.0, n=64, images=6400), moves + 1
    assert moves in (100, 101)  # a sum of hundredths may miss 1 by rounding


class Sure(nn.Module):
    """A D that gives every image the same logit."""

    def __init__(self, logit):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, x):
        return self.logit.expand(len(x))


def adaptive_run(logit, p):
    G, D = Constant(torch.zeros(1, 1, 8, 8)), augment.Augmented(Sure(logit), p=p)
    step = partial(augment.adaptive_step, z_dim=2, images=1000)
    trainer = Trainer(step, resting(G, D), lambda n: torch.zeros(n, 1, 8, 8), batch_size=10)
    list(trainer.run(steps=20))
    return trainer, D


@pytest.mark.parametrize(("logit", "expected"), [(3.0, 0.7), (-3.0, 0.3)], ids=["overfits", "does not"])
def test_p_rises_when_D_is_sure_of_its_images_and_falls_when_not(logit, expected):
    trainer, D = adaptive_run(logit, 0.5)
    assert abs(float(D.p) - expected) < 1e-6  # 20 steps of 10 images, at 1,000 from 0 to 1
    assert trainer.history["p"][0] == 0.5 and set(trainer.history["r"]) == {1.0 if logit > 0 else -1.0}


def test_p_is_saved_and_loaded_with_the_weights(tmp_path):
    trainer, D = adaptive_run(3.0, 0.5)
    trainer.save(tmp_path)
    other, fresh = adaptive_run(-3.0, 0.5)
    other.load(tmp_path)
    assert float(fresh.p) == float(D.p) and other.step == 20


def test_it_wraps_conditional_steps():
    G, D = models.build("cgan", image_size=16, z_dim=4, width=2, n_classes=3, condition="projection")
    D = augment.Augmented(D, p=0.0)
    players = {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}
    x, labels = draw(6, 1, 16, 16, dtype=torch.float32), torch.arange(6) % 3
    seen = augment.adaptive_step(x, labels, step=partial(cgan_step, z_dim=4), **players)
    assert seen.keys() == {"loss_D", "loss_G", "p", "r"} and 0 <= float(D.p) <= 6 / 500_000

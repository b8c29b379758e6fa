"""Oracles: scikit-learn's scores and calibration, Bayes' rule on two Gaussians, steps by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import nn
from torch.nn.functional import softplus

from ganedu import data, models, steps
from ganedu.sampling import seeded
from ganedu.topics import rare


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", image_size=16)


@pytest.fixture(scope="module")
def few(digits):
    return rare.draw(digits, (3, "8"), 10, most=40, held_out=50, seed=1)


def random_numbers(seed=0):
    return torch.Generator().manual_seed(seed)


def told(n=400, classes=4, seed=0):
    """Probabilities that are somewhat right, and labels with every class."""
    labels = torch.arange(n) % classes
    logits = torch.randn(n, classes, generator=random_numbers(seed), dtype=torch.float64)
    return (logits + 1.5 * nn.functional.one_hot(labels, classes)).softmax(1), labels


PRIOR = torch.tensor([0.45, 0.4, 0.1, 0.05], dtype=torch.float64)
EVEN = torch.full((4,), 0.25, dtype=torch.float64)

# ----------------------------------------------------------------------------------------------------------- the data


def test_a_draw_has_the_counts_it_says_and_nothing_twice(digits, few):
    assert few.rare == (3, 8) and few.x.dtype == torch.float32
    assert few.counts.tolist() == [10 if c in (3, 8) else 40 for c in range(10)]
    assert few.labels_test.bincount().tolist() == [50] * 10
    assert abs(float(few.prior.sum()) - 1) < 1e-12 and abs(float(few.prior[3]) - 10 / 340) < 1e-12
    everything = torch.cat([few.x, few.x_test]).flatten(1)
    assert len(everything.unique(dim=0)) == len(everything)
    pool = torch.cat([data.to_float(digits.x), data.to_float(digits.x_test)]).flatten(1)
    own = torch.cat([digits.labels, digits.labels_test])
    nearest = torch.cdist(few.x.flatten(1), pool).argmin(1)
    assert torch.equal(own[nearest], few.labels)


def test_the_few_are_among_the_many_and_the_held_out_images_stay(digits, few):
    more = rare.draw(digits, (3, 8), 30, most=40, held_out=50, seed=1)
    assert torch.equal(more.x_test, few.x_test)
    assert torch.equal(more.x[more.labels == 3][:10], few.x[few.labels == 3])
    other = rare.draw(digits, (3, 8), 10, most=40, held_out=50, seed=2)
    assert not torch.equal(other.x_test, few.x_test)


@pytest.mark.parametrize(("settings", "words"), [
    ({"rare": (3, 10)}, "no class 10"), ({"rare": (3, 3)}, "each once"), ({"rare": ()}, "one or more"),
    ({"rare": tuple(range(10))}, "not all"), ({"n": 1}, "n=1"), ({"n": 41}, "n=41"), ({"most": 460}, "smallest class"),
    ({"held_out": 0}, "1 or more"),
])  # fmt: skip
def test_a_draw_that_cannot_be_is_named(digits, settings, words):
    with pytest.raises(ValueError, match=words):
        rare.draw(digits, **{"rare": (3, 8), "n": 10, "most": 40, "held_out": 50, **settings})


def test_images_without_classes_are_refused():
    x = torch.zeros(9, 1, 16, 16, dtype=torch.uint8)
    with pytest.raises(ValueError, match="sorted into classes"):
        rare.draw(data.Images("mine", x, torch.zeros(9).long(), x[:0], torch.zeros(0).long()), (0,), 2)


# ---------------------------------------------------------------------------------------------------------- filling up


def test_filled_classes_are_as_large_as_the_others(few):
    x, labels = rare.filled(few, lambda c, n: rare.copies(few, c, n))
    assert labels.bincount().tolist() == [40] * 10
    assert torch.equal(x[labels == 3], few.x[few.labels == 3].repeat(4, 1, 1, 1))
    assert torch.equal(x[: len(few.x)], few.x)


def test_what_does_not_fill_is_refused(few):
    for make in (lambda c, n: few.x[: n - 1], lambda c, n: torch.zeros(n, 1, 8, 8)):
        with pytest.raises(ValueError, match=r"make\(3, 30\) gave"):
            rare.filled(few, make)


# --------------------------------------------------------------------------------------------------- the two recipes


def small_players(lr=1e-2):
    with seeded(0):
        G, D = models.build("cgan", image_size=16, z_dim=4, width=2, n_classes=3)
    G.eval(), D.eval()  # batch norm by its running statistics: each image on its own
    return {"G": G, "D": D, "opt_G": torch.optim.SGD(G.parameters(), lr), "opt_D": torch.optim.SGD(D.parameters(), lr)}


def small_batch(n=12):
    return torch.rand(n, 1, 16, 16, generator=random_numbers()) * 2 - 1, torch.arange(n) % 3


def test_without_a_recipe_it_is_the_courses_step():
    found = []
    for step in (rare.cgan_step, steps.cgan_step):
        players = small_players()
        with seeded(5):
            losses = step(*small_batch(), **players, z_dim=4)
        found.append((losses, [p.clone() for k in "GD" for p in players[k].parameters()]))
    assert all(abs(float(found[0][0][k] - found[1][0][k])) < 1e-6 for k in ("loss_D", "loss_G"))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found[0][1], found[1][1], strict=True))


def test_weights_count_each_image_of_d_by_its_class_and_leave_g_alone():
    weights = torch.tensor([0.5, 0.5, 2.0])
    x, y = small_batch()
    players = small_players(lr=0.0)
    with seeded(5):
        losses = rare.cgan_step(x, y, **players, z_dim=4, weights=weights)
    with seeded(5), torch.no_grad():
        d_real, d_fake = players["D"](x, y), players["D"](players["G"](torch.randn(12, 4), y), y)
        wanted = (
            sum(
                float(weights[c]) * float(softplus(-r) + softplus(f)) for c, r, f in zip(y, d_real, d_fake, strict=True)
            )
            / 12
        )
        d_fake = players["D"](players["G"](torch.randn(12, 4), y), y)
    assert abs(float(losses["loss_D"]) - wanted) < 1e-5
    assert abs(float(losses["loss_G"]) - float(softplus(-d_fake).mean())) < 1e-5


def test_shares_draw_the_labels_of_the_fakes_in_both_turns():
    players, seen = small_players(), []
    players["G"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    for _ in range(40):
        rare.cgan_step(*small_batch(50), **players, z_dim=4, shares=torch.tensor([0.0, 0.1, 0.9]))
    for turn in (seen[::2], seen[1::2]):
        counts = torch.cat(turn).bincount(minlength=3)
        assert counts[0] == 0 and abs(float(counts[2]) / 2000 - 0.9) < 0.03


def test_recipes_even_out_the_classes():
    prior = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    assert rare.recipe("plain", prior) == {}
    assert torch.allclose(
        rare.recipe("weights in D's loss", prior)["weights"] * prior, torch.full((3,), 1 / 3).double()
    )
    assert torch.allclose(rare.recipe("more rare latents", prior)["shares"], torch.full((3,), 1 / 3))
    with pytest.raises(ValueError, match="Did you mean 'plain'"):
        rare.recipe("plane", prior)


def test_a_generator_of_the_few_gives_images_of_a_class_and_the_same_again(few):
    a, b = (
        rare.fakes(rare.train_generator(few, "more rare latents", steps=3, width=2), 3, 4, seed=2) for _ in range(2)
    )
    assert a.shape == (4, 1, 16, 16) and torch.equal(a, b)


# ------------------------------------------------------------------------------------------------------ the classifier


def test_weights_and_copies_shift_a_classifier_the_same_way(few):
    plain = rare.probabilities(few.x, few.labels, few.x_test, steps=60)
    assert plain.shape == (500, 10) and torch.allclose(plain.sum(1), torch.ones(500).double())
    assert torch.equal(plain, rare.probabilities(few.x, few.labels, few.x_test, steps=60))
    weighted = rare.probabilities(few.x, few.labels, few.x_test, 1 / few.prior, steps=60)
    copied = rare.probabilities(*rare.filled(few, lambda c, n: rare.copies(few, c, n)), few.x_test, steps=60)
    mean = [float(p[:, [3, 8]].sum(1).mean()) for p in (plain, weighted, copied)]
    assert mean[1] > mean[0] + 0.02 and mean[2] > mean[0] + 0.02


def test_moved_probabilities_are_bayes_rule_under_the_new_prior():
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)
    likelihood = torch.stack([torch.exp(-((x - m) ** 2) / 2) for m in (-1.0, 0.0, 1.5)], 1)
    old, new = (torch.tensor(v, dtype=torch.float64) for v in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    by = lambda prior: prior * likelihood / (prior * likelihood).sum(1, keepdim=True)  # noqa: E731
    assert torch.allclose(rare.reweighed(by(old), new / old), by(new))
    assert torch.allclose(rare.reweighed(by(old), 7 * new / old), by(new))
    for factors in (torch.ones(2), torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, math.inf, 1.0])):
        with pytest.raises(ValueError, match="one a class, above 0"):
            rare.reweighed(by(old), factors)


# -------------------------------------------------------------------------------------------------------- the measures


def test_scores_agree_with_scikit_learn_by_weights():
    p, labels = told()
    weight = (PRIOR / labels.bincount())[labels].numpy()
    y, named = labels.numpy(), p.argmax(1).numpy()
    got = rare.scores(p, labels, (2, 3), PRIOR)
    precision = sk.precision_score(y, named, labels=[2, 3], average="macro", sample_weight=weight)
    recall = sk.recall_score(y, named, labels=[2, 3], average="macro")
    accuracy = sk.accuracy_score(y, named, sample_weight=weight)
    wanted = (recall, precision, sk.balanced_accuracy_score(y, named), accuracy)
    assert all(abs(a - b) < 1e-9 for a, b in zip(got, wanted, strict=True))


def test_a_class_that_is_never_named_has_precision_0():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2]], dtype=torch.float64)
    assert rare.scores(p, torch.tensor([0, 1]), (1,), torch.tensor([0.9, 0.1], dtype=torch.float64)) == (
        0.0,
        0.0,
        0.5,
        0.9,
    )


def test_a_larger_factor_names_more_rare_images():
    p, labels = told()
    curve = rare.traded(p, labels, (2, 3), PRIOR, (0.25, 1.0, 4.0))
    assert curve[1] == rare.scores(p, labels, (2, 3), PRIOR)
    assert curve[0].recall < curve[1].recall < curve[2].recall
    assert curve[0].precision > curve[2].precision


def test_reliability_agrees_with_scikit_learn():
    from sklearn.calibration import calibration_curve

    p, labels = told()
    r = rare.reliability(p, labels, (3,), EVEN, bins=5)
    true, mean = calibration_curve((labels == 3).numpy(), p[:, 3].numpy(), n_bins=5)
    seen = r.mass > 0
    assert np.allclose(r.true[seen], true) and np.allclose(r.told[seen], mean)
    counts = np.bincount((p[:, 3].numpy() * 5).astype(int), minlength=5) / len(p)
    assert np.allclose(r.mass, counts) and abs(r.error - (counts[counts > 0] * abs(true - mean)).sum()) < 1e-9
    assert abs(r.ratio - float(p[:, 3].mean()) / 0.25) < 1e-9


def test_calibrated_probabilities_have_a_small_error_and_oversampled_ones_do_not():
    x = torch.randn(40_000, generator=random_numbers(), dtype=torch.float64)
    labels = (torch.arange(40_000) % 2).long()
    x = x + 2 * labels  # class 1 from N(2, 1), class 0 from N(0, 1)
    prior = torch.tensor([0.9, 0.1], dtype=torch.float64)
    likelihood = torch.stack([torch.exp(-(x**2) / 2), torch.exp(-((x - 2) ** 2) / 2)], 1)
    right, even = (likelihood * v / (likelihood * v).sum(1, keepdim=True) for v in (prior, torch.tensor([0.5, 0.5])))
    good, bad = (rare.reliability(p, labels, (1,), prior) for p in (right, even))
    assert good.error < 0.01 and abs(good.ratio - 1) < 0.03
    assert bad.error > 0.1 and bad.ratio > 1.5


@pytest.mark.parametrize(("p", "labels", "prior", "words"), [
    (told()[0][:, 0], told()[1], PRIOR, "must be"), (told()[0], told()[1][:-1], PRIOR, "must be"),
    (told()[0], told()[1], PRIOR[:3], "must be"), (told()[0].log(), told()[1], PRIOR, "softmax"),
    (told()[0], told()[1].clamp(max=2), PRIOR, "by class"),
])  # fmt: skip
def test_measures_say_what_does_not_fit(p, labels, prior, words):
    for measure in (rare.scores, rare.reliability):
        with pytest.raises(ValueError, match=words):
            measure(p, labels, (2,), prior)

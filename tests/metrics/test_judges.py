"""Oracles: torchmetrics, held-out digits, the judge's own layers."""

import warnings

import pytest
import torch

from ganedu import data, metrics


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def judge(digits):
    return metrics.train_judge(digits, steps=80)


def test_the_judge_knows_digits_it_never_saw(judge, digits):
    right = metrics.label_accuracy(judge, digits.x_test, digits.labels_test)
    assert right == float((metrics.predict(judge, digits.x_test) == digits.labels_test).float().mean())
    assert right > 0.85
    shifted = (digits.labels_test + 1) % 10
    assert metrics.label_accuracy(judge, digits.x_test, shifted) < 0.1


def test_equal_seeds_train_equal_judges_and_others_do_not(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b, other = (metrics.train_judge(digits, steps=3, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (a, b, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_judge_is_frozen(judge):
    assert not judge.training and not any(p.requires_grad for p in judge.parameters())


def test_features_are_the_same_from_bytes_and_floats_in_batches_and_at_once(judge, digits):
    x = digits.x_test[:30]
    expected = judge.features(x.float() / 127.5 - 1)
    assert expected.shape == (30, 64)
    for features in (metrics.features(judge, x, batch_size=7), metrics.features(judge, data.to_float(x))):
        assert torch.allclose(features, expected, atol=1e-4)
    assert torch.equal(metrics.predict(judge, x, batch_size=7), judge(data.to_float(x)).argmax(1))


def test_label_accuracy_asks_for_one_label_an_image(judge, digits):
    with pytest.raises(ValueError, match="5 images but 4 labels"):
        metrics.label_accuracy(judge, digits.x_test[:5], digits.labels_test[:4])


def test_probabilities_are_the_softmax_of_the_logits(judge, digits):
    p = metrics.probabilities(judge, digits.x_test[:40], batch_size=7)
    assert torch.allclose(p.float(), judge(data.to_float(digits.x_test[:40])).softmax(1), atol=1e-5)
    assert p.shape == (40, 10) and torch.allclose(p.sum(1), torch.ones(40, dtype=torch.float64))
    assert 5 < metrics.inception_score(metrics.probabilities(judge, digits.x_test)) < 10


# ------------------------------------------------------------------------------------------------- torchmetrics


@pytest.mark.parametrize("distort", ["other digits", "noise", "inverse"])
def test_three_measures_are_torchmetrics_with_the_judge_as_its_network(judge, digits, distort):
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    real, x = digits.x_test, digits.x[:1000]
    noise = (60 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).round()
    fake = {"other digits": x, "noise": (x + noise).clamp(0, 255).to(torch.uint8), "inverse": 255 - x}[distort]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fid = FrechetInceptionDistance(feature=metrics.as_torchmetrics(judge))
        kid = KernelInceptionDistance(feature=metrics.as_torchmetrics(judge), subsets=1, subset_size=1000)
        score = InceptionScore(feature=metrics.as_torchmetrics(judge, "logits"), splits=1)
    for metric in (fid, kid):
        metric.update(real, real=True)
        metric.update(fake, real=False)
    score.update(fake)
    a, b = metrics.features(judge, real), metrics.features(judge, fake)
    assert metrics.frechet_distance(a, b) == pytest.approx(float(fid.compute()), rel=1e-3)
    assert metrics.kernel_distance(a, b).value == pytest.approx(float(kid.compute()[0]), rel=1e-3)
    ours = metrics.inception_score(metrics.probabilities(judge, fake))
    assert ours == pytest.approx(float(score.compute()[0]), rel=1e-3)


def test_a_judge_has_two_outputs(judge, digits):
    x = digits.x_test[:20]
    for output, n, expected in (("features", 64, judge.features), ("logits", 10, judge)):
        network = metrics.as_torchmetrics(judge, output)
        assert network.num_features == n and torch.allclose(network(x), expected(data.to_float(x)), atol=1e-4)
    with pytest.raises(ValueError, match="a judge has no output 'labels': choose 'features' or 'logits'"):
        metrics.as_torchmetrics(judge, "labels")


# ------------------------------------------------------------------------------------------------- bad images

ON_IMAGES = [metrics.features, metrics.predict, metrics.probabilities]


@pytest.mark.parametrize("measure", ON_IMAGES)
@pytest.mark.parametrize("shape", [(3, 28, 28), (5, 3, 28, 28), (5, 1, 32, 32), (5, 784), (0, 1, 28, 28)])
def test_images_of_another_shape_are_refused(judge, measure, shape):
    with pytest.raises(ValueError, match=r"this judge's images must be \(N, 1, 28, 28\), 1 or more, .*: got"):
        measure(judge, torch.zeros(shape))


@pytest.mark.parametrize("measure", ON_IMAGES)
def test_images_outside_the_range_are_refused(judge, digits, measure):
    x = data.to_float(digits.x_test[:5])
    measure(judge, x.clamp(-1, 1))
    for bad, found in ((x * 2, "from -2 to"), (digits.x_test[:5].float(), "from 0 to 25"), (x / 0, "nan|inf")):
        with pytest.raises(ValueError, match=rf"float in \[-1, 1\] or uint8: got torch.float32 .*({found})"):
            measure(judge, bad)
    with pytest.raises(ValueError, match=r"got torch\.int64 .*`data\.to_float` scales bytes"):
        measure(judge, digits.x_test[:5].long())


@pytest.mark.parametrize("measure", ON_IMAGES)
@pytest.mark.parametrize("grey", [torch.full((6, 1, 28, 28), -0.5), torch.zeros(6, 1, 28, 28, dtype=torch.uint8)])
def test_images_without_any_contrast_are_refused(judge, measure, grey):
    with pytest.raises(ValueError, match="all 6 images are constant: every pixel is"):
        measure(judge, grey)


def test_one_image_many_times_has_features_that_the_distances_refuse(judge, digits):
    same = metrics.features(judge, digits.x_test[:1].expand(200, -1, -1, -1))
    with pytest.raises(ValueError, match="the second features are constant: all 200 rows are equal"):
        metrics.frechet_distance(metrics.features(judge, digits.x_test), same)
    assert metrics.recall(metrics.features(judge, digits.x_test), same) < 0.01


def test_colour_is_judged_by_a_judge_of_colour():
    judge = metrics.Classifier(16, 3, 2).eval()
    assert metrics.features(judge, torch.rand(4, 3, 16, 16) * 2 - 1).shape == (4, 64)
    with pytest.raises(ValueError, match=r"\(N, 3, 16, 16\)"):
        metrics.features(judge, torch.rand(4, 1, 16, 16))

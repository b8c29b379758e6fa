"""Distances against sums written out in numpy and scipy, slopes against finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from ganedu import models
from ganedu.topics.perceptual import PIXELS, distance_in, feature_distance, maps, mix, scales


@pytest.fixture
def images():
    return torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


@pytest.fixture
def net():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3), nn.Tanh()
    return nn.Sequential(*layers).double().requires_grad_(False)


def by_hand(net, x):
    """The maps 1 and 2 of one image, by scipy."""
    kernels = net[0].weight.numpy()[:, 0]
    relu = np.stack([correlate2d(x[0].numpy(), k, mode="valid").clip(0) for k in kernels])
    return relu, relu.reshape(3, 5, 2, 5, 2).max((2, 4))


def test_maps_are_those_of_scipy(net, images):
    relu, pooled = maps(net, images, (2, 1))
    for i, x in enumerate(images):
        for got, expected in zip((relu[i], pooled[i]), by_hand(net, x), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-12)


def test_layers_after_the_last_are_not_run(net, images):
    net.append(nn.Linear(5, 5))  # would raise
    assert maps(net, images, [4])[0].shape == (6, 2, 3, 3)


@pytest.mark.parametrize("at", [(), (5,), (-1,), (1, 1), (1.0,)])
def test_layers_that_are_not_there(net, images, at):
    with pytest.raises(ValueError, match="layers from 0 to 4, each once"):
        maps(net, images, at)


def test_a_layer_that_would_be_overwritten_is_refused():
    D = models.DCDiscriminator(16, 1, width=2).eval()
    x = torch.zeros(2, 1, 16, 16)
    with pytest.raises(ValueError, match="layer 1 writes over what layer 0 gave"):
        maps(D.net, x, (0,))
    with torch.no_grad():
        torch.testing.assert_close(maps(D.net, x, (1, 4))[1], D.net[:5](x))


def test_the_scale_is_the_mean_over_all_pairs(net, images):
    expected = []
    for f in (by_hand(net, x) for x in images):
        expected.append(f)
    for layer, got in enumerate(scales(net, images, (1, 2), batch_size=4)):
        pairs = [(a, b) for a in range(6) for b in range(6) if a != b]
        mean = np.mean([np.square(expected[a][layer] - expected[b][layer]).mean() for a, b in pairs])
        assert abs(got - mean) < 1e-12


def test_feature_distance_is_the_sum_written_out(net, images):
    x, y = images[:3], images[3:]
    got = feature_distance(x, y, net, (1, 2), scale=[0.5, 2.0])
    for i in range(3):
        (a, b), (c, d) = by_hand(net, x[i]), by_hand(net, y[i])
        assert abs(float(got[i]) - (np.square(a - c).mean() / 0.5 + np.square(b - d).mean() / 2.0) / 2) < 1e-12


def test_pixels_are_the_mean_square_over_its_scale(images):
    d = distance_in(PIXELS, (0,), images)
    unit = 2 * images.numpy().var(0, ddof=1).mean()
    expected = np.square(images[:3].numpy() - images[3:].numpy()).mean((1, 2, 3)) / unit
    np.testing.assert_allclose(d(images[:3], images[3:]), expected)
    apart = torch.stack([d(images, images.roll(k, 0)).mean() for k in range(1, 6)])
    assert abs(float(apart.mean()) - 1) < 1e-12, "the unit is the mean over unrelated images"


def test_without_a_scale_the_batch_gives_it(net, images):
    x, y = images[:3], images[3:]
    torch.testing.assert_close(
        feature_distance(x, y, net, (2,)), feature_distance(x, y, net, (2,), scales(net, x, (2,)))
    )


def test_zero_for_equal_symmetric_and_never_below(net, images):
    d = distance_in(net, (1, 4), images)
    assert d(images, images).abs().max() == 0
    assert (d(images, images.roll(1, 0)) > 0).all()
    torch.testing.assert_close(d(images[:2], images[2:4]), d(images[2:4], images[:2]))


def test_slope_goes_to_y_alone_and_is_that_of_finite_differences(net, images):
    x, y = images[:2].clone().requires_grad_(), images[2:4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: feature_distance(x, y, net, (1, 4)), y)
    feature_distance(x, y, net, (1, 4)).sum().backward()
    assert x.grad is None and y.grad.abs().sum() > 0


def test_a_mix_adds_up_and_leaves_out_what_weighs_nothing(images):
    def never(x, y):
        raise AssertionError("computed for nothing")

    square, size = (lambda x, y: (x - y).square().sum((1, 2, 3))), (lambda x, y: (x - y).abs().sum((1, 2, 3)))
    total = mix({"a": (2.0, square), "b": (0.5, size), "c": (0, never)})(images[:3], images[3:])
    d = (images[:3] - images[3:]).numpy()
    expected = 2 * np.square(d).sum((1, 2, 3)) + 0.5 * np.abs(d).sum((1, 2, 3))
    np.testing.assert_allclose(total, expected)


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf])
def test_a_mix_refuses_weights_that_are_none(weight):
    with pytest.raises(ValueError, match="weight of 'a'"):
        mix({"a": (weight, None), "b": (1, None)})


def test_a_mix_of_nothing_is_refused():
    with pytest.raises(ValueError, match="all weights are 0"):
        mix({"a": (0, None)})


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 9), "of one shape"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 8, 8), "of one shape"),
        (torch.zeros(8, 8), torch.zeros(8, 8), r"\(N, C, H, W\)"),
        (torch.zeros(0, 1, 8, 8), torch.zeros(0, 1, 8, 8), "1 or more"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8), "to_float"),
        (torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), math.nan), "NaN"),
    ],
)
def test_images_that_do_not_fit(x, y, words):
    with pytest.raises(ValueError, match=words):
        feature_distance(x, y, PIXELS, (0,))


def test_scales_that_do_not_fit(images):
    with pytest.raises(ValueError, match="2 scales for 1 layers"):
        feature_distance(images, images, PIXELS, (0,), [1.0, 2.0])
    with pytest.raises(ValueError, match="no scale of its own"):
        feature_distance(images[:1], images[:1], PIXELS, (0,))
    with pytest.raises(ValueError, match="tells nothing"):
        scales(PIXELS, images[:1], (0,))
    with pytest.raises(ValueError, match="the same for all 4 images"):
        scales(PIXELS, torch.zeros(4, 1, 8, 8), (0,))

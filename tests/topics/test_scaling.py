"""Oracles: convolutions by hand, networks of a lower level, numpy's polyfit and pooled least squares, scipy's t."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from ganedu import models
from ganedu.sampling import seeded
from ganedu.topics import scaling

NAMES = ("width", "pictures", "steps")


def rows(noise=0.0, seeds=5, of=(9.0, 0.5, 0.25, 1.0), seed=0):
    g = np.random.default_rng(seed)
    return [{"width": w, "pictures": n, "steps": t, "seed": s,
             "distance": math.exp(of[0] - of[1] * math.log(w) - of[2] * math.log(n) - of[3] * math.log(t)
                                  + noise * g.standard_normal())}
            for s in range(seeds) for w in (4, 8, 16) for n in (64, 512) for t in (100, 200, 400)]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ players


@pytest.mark.parametrize(("side", "maps"), [(16, [16, 8]), (32, [32, 16, 8]), (64, [32, 32, 16, 8])])
def test_the_players_mirror_each_other_and_double_their_maps(side, maps):
    G, D = scaling.Generator(side, 8), scaling.Discriminator(side, 8)
    assert [s.convs[-1].out_channels for s in G.stages] == [s.convs[0].in_channels for s in D.stages] == maps
    x = G(torch.randn(3, G.z_dim))
    assert x.shape == (3, 3, side, side) and x.abs().max() <= 1 and D(x).shape == (3,)
    assert scaling.Generator(side, 8, 2)(torch.randn(2, 32)).shape == (2, 3, side, side)


def test_twice_the_width_is_about_four_times_the_weights_of_convolutions():
    n = [models.n_parameters(scaling.Discriminator(32, w)) for w in (16, 32, 64)]
    assert 3.3 < n[2] / n[1] < 4 and 3 < n[1] / n[0] < 4
    assert models.n_parameters(scaling.Generator(32, 8, 2)) > models.n_parameters(scaling.Generator(32, 8, 1))


def test_a_convolution_keeps_variance_whatever_the_width():
    with seeded(0):
        for n in (4, 64):
            conv = scaling.EqualConv(n, 256)
            y = conv(torch.randn(20, n, 12, 12))[..., 1:-1, 1:-1]
            assert abs(float(y.detach().var()) - 1) < 0.1
            by_hand = F.conv2d(torch.ones(1, n, 3, 3), conv.weight) / math.sqrt(9 * n)
            assert torch.allclose(conv(torch.ones(1, n, 3, 3))[..., 1:2, 1:2], by_hand, atol=1e-5)


def test_a_stage_is_convolutions_and_means():
    with seeded(1):
        stage, x = scaling.Stage(3, 4, 2, norm=False), torch.randn(2, 3, 6, 6)
    a = F.leaky_relu(stage.convs[0](x), 0.2) * 2**0.5
    wanted = (a + F.leaky_relu(stage.convs[1](a), 0.2) * 2**0.5) / 2**0.5
    assert torch.allclose(stage(x), wanted)
    stage.norm = True
    assert torch.allclose(stage(x).square().mean(1), torch.ones(2, 6, 6), atol=1e-3)


def test_growth_fades_from_the_smaller_picture_to_the_larger():
    with seeded(2):
        G, D, z = scaling.Generator(64, 4), scaling.Discriminator(64, 4), torch.randn(2, 32)

    def at(level):
        G.level = D.level = level
        return G(z)

    small, large = at(1), at(2)
    assert small.shape[-1] == 16 and large.shape[-1] == 32 and at(3).shape[-1] == 64
    nearly, hardly = at(1.999), at(1.001)
    assert torch.allclose(nearly, large, atol=0.02) and not torch.allclose(hardly, large, atol=0.02)
    assert torch.allclose(hardly, small.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=0.02)
    half = at(1.5)
    doubled = F.interpolate(small.atanh(), scale_factor=2)
    assert torch.allclose(half, ((doubled + large.atanh()) / 2).tanh(), atol=1e-4)
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    at(1)
    pooled = D(F.avg_pool2d(x, 2))
    at(1.001)
    assert torch.allclose(D(x), pooled, atol=0.02)
    at(2)
    full = D(x)
    at(1.999)
    assert torch.allclose(D(x), full, atol=0.02)


def test_the_players_say_what_they_take():
    with pytest.raises(ValueError, match="image_size=28"):
        scaling.Generator(28)
    with pytest.raises(ValueError, match="width"):
        scaling.Discriminator(32, 0)
    G, D = scaling.Generator(16, 2), scaling.Discriminator(16, 2)
    G.level = 5
    with pytest.raises(ValueError, match="level=5"):
        G(torch.randn(1, 32))
    with pytest.raises(ValueError, match="16 pixels a side"):
        D(torch.zeros(1, 3, 32, 32))


# ------------------------------------------------------------------------------------------------------ the law


def test_an_exact_law_is_found_again():
    law = scaling.fit_law(rows(), NAMES)
    assert np.allclose(law.each, [9.0, 0.5, 0.25, 1.0]) and law.residual < 1e-9
    e = law.exponent("steps")
    assert abs(e.value - 1) < 1e-9 and abs(e.high - e.low) < 1e-9
    wanted = math.exp(9 - 0.5 * math.log(32) - 0.25 * math.log(4096) - math.log(2000))
    assert math.isclose(law.predict(width=32, pictures=4096, steps=2000).value, wanted, rel_tol=1e-6)


def test_the_mean_exponents_are_pooled_least_squares_and_their_interval_students():
    some = rows(0.3)
    law = scaling.fit_law(some, NAMES)
    x = np.array([[1, *(-math.log(r[k]) for k in NAMES)] for r in some])
    pooled = np.linalg.lstsq(x, np.log([r["distance"] for r in some]), rcond=None)[0]
    assert np.allclose(law.each.mean(0), pooled)
    e = law.exponent("width")
    low, high = stats.t.interval(0.95, 4, law.each[:, 1].mean(), stats.sem(law.each[:, 1]))
    assert np.allclose((e.low, e.high), (low, high)) and law.points == 18
    assert abs(law.residual - 0.3) < 0.06


def test_one_factor_is_numpys_polyfit():
    some = [{"x": x, "seed": s, "distance": y} for s in (0, 1) for x, y in ((1, 9.0), (2, 5.0), (4, 3.5))]
    law = scaling.fit_law(some, ["x"])
    slope, offset = np.polyfit(np.log([1, 2, 4]), np.log([9, 5, 3.5]), 1)
    assert np.allclose(law.each, [[offset, -slope]] * 2)


def test_intervals_of_a_prediction_hold_what_they_promise():
    hits, ratios = 0, []
    for i in range(200):
        law = scaling.fit_law(rows(0.2, seed=i), NAMES)
        p = law.predict(width=32, pictures=1024, steps=800)
        new = 9 - 0.5 * math.log(32) - 0.25 * math.log(1024) - math.log(800)
        new += 0.2 * np.random.default_rng(10_000 + i).standard_normal()
        hits += p.low <= math.exp(new) <= p.high
        many = law.predict(width=32, pictures=1024, steps=800, runs=100)
        ratios.append((many.high / many.low) / (p.high / p.low))
    assert hits >= 190 and max(ratios) < 1


def test_a_ratio_of_pairs():
    e = scaling.paired_ratio([2.0, 4.0, 8.0], [1.0, 1.0, 1.0])
    assert math.isclose(e.value, 4.0) and e.low < 4 < e.high
    same = scaling.paired_ratio([1.0, 2.0], [2.0, 4.0])
    assert np.allclose(same, [0.5] * 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda r: r[:-1], "2 designs"), (lambda r: [x for x in r if x["seed"] == 0], "2 or more"),
     (lambda r: [{**x, "steps": 5} for x in r], "apart"), (lambda r: [{**x, "distance": 0.0} for x in r], "above 0"),
     (lambda r: [{k: v for k, v in x.items() if k != "width"} for x in r], "lack width")],
)  # fmt: skip
def test_the_fit_says_what_it_takes(change, words):
    with pytest.raises(ValueError, match=words):
        scaling.fit_law(change(rows()), NAMES)


def test_the_law_says_what_it_takes():
    law = scaling.fit_law(rows(), NAMES)
    for bad in ({"width": 4}, {"width": 4, "pictures": 0, "steps": 1}, {"width": 4, "pictures": 1, "step": 1}):
        with pytest.raises(ValueError, match="give width, pictures, steps"):
            law.predict(**bad)
    with pytest.raises(ValueError, match="choose one of width"):
        law.exponent("depth")
    with pytest.raises(ValueError, match="pairs"):
        scaling.paired_ratio([1.0], [1.0])

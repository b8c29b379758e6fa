"""Oracles: numpy's and `metrics`' spectrum, noise of known strength, Pillow, scikit-learn, Bayes by counting."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from ganedu import data, metrics, models
from ganedu.sampling import seeded
from ganedu.topics import forensics


def pictures(n=40, side=16, channels=1, seed=0, sigma=30.0):
    g = torch.Generator().manual_seed(seed)
    return (128 + sigma * torch.randn(n, channels, side, side, generator=g)).round().clamp(0, 255).to(torch.uint8)


SMOOTH = forensics.resized(pictures(400, seed=3), 8)  # as many, without their finest waves
ROUGH = pictures(400, seed=4)


# ------------------------------------------------------------------------------------------------------- as files


def test_files_are_grey_rounded_and_cut_out_of_the_middle():
    x = pictures(5, 32, 3)
    found = forensics.as_files(x)
    assert found.dtype == torch.uint8 and found.shape == (5, 1, 28, 28)
    assert torch.equal(found, data.to_channels(x, 1)[..., 2:30, 2:30])
    assert torch.equal(forensics.as_files(data.to_float(x)), found)  # floats of the same pictures, the same files
    same = pictures(3, 28)
    assert torch.equal(forensics.as_files(same), same)
    beyond = torch.full((1, 1, 28, 28), 1.7)
    assert forensics.as_files(beyond).unique().tolist() == [255]


@pytest.mark.parametrize(
    ("x", "side", "words"),
    [(torch.zeros(2, 1, 28, 27), 28, "got torch.float32"), (torch.zeros(2, 2, 28, 28), 28, "1 or 3"),
     (torch.full((1, 1, 28, 28), math.nan), 28, "nan"), (torch.zeros(2, 1, 20, 20), 28, "side=28")],
)  # fmt: skip
def test_files_say_what_they_take(x, side, words):
    with pytest.raises(ValueError, match=words):
        forensics.as_files(x, side)


# ------------------------------------------------------------------------------------------------------- the spectrum


def test_the_power_is_numpys_at_each_radius():
    x = pictures(3, 12, 3)
    got = forensics.power(x)
    f = np.abs(np.fft.fft2(x.numpy().astype(float), norm="ortho")) ** 2
    k = np.fft.fftfreq(12, 1 / 12)
    rings = np.rint(np.hypot(k[:, None], k)).astype(int)
    assert got.shape == (3, rings.max() + 1)
    for ring in range(rings.max() + 1):
        wanted = f[:, :, rings == ring].mean((1, 2))
        assert np.allclose(got[:, ring].numpy(), wanted, rtol=1e-4)
    assert torch.equal(forensics.radius(12), torch.from_numpy(rings))
    assert int(forensics.radius(28).max()) == 20  # as its docstring says


def test_the_power_agrees_with_metrics_up_to_the_corners():
    x = pictures(400, 16)
    y = torch.cat([x, 255 - x])  # together their mean is one grey level everywhere, which enters k = 0 alone
    mine, theirs = forensics.power(y).mean(0), metrics.spectrum(data.to_float(y)) * 127.5**2
    assert torch.allclose(mine[1:9], theirs[1:] * (len(y) - 1) / len(y), rtol=1e-3)


def test_noise_has_its_variance_at_every_radius_and_rounding_a_twelfth():
    s = forensics.power(pictures(3000, 16, sigma=10.0)).mean(0)[1:]
    assert ((s - 100 - 1 / 12).abs() < 4).all()
    assert forensics.FLOOR == 1 / 12


def test_the_excess_of_noise_is_the_logarithm_of_its_variance():
    a, b = (forensics.log_spectrum(pictures(2000, 16, seed=i, sigma=s)).mean(0) for i, s in ((0, 10.0), (1, 20.0)))
    assert abs(float((b - a)[1:].mean()) - math.log(4)) < 0.02
    x, y = pictures(2000, 16, sigma=10.0), pictures(2000, 16, seed=1, sigma=20.0)
    assert abs(forensics.excess(x, y) - math.log(4)) < 0.02
    assert abs(forensics.excess(y, x) + math.log(4)) < 0.02
    with pytest.raises(ValueError, match="one shape"):
        forensics.excess(x, pictures(40, 8))
    for bad in (data.to_float(x), x[0], None):
        with pytest.raises(ValueError, match="uint8"):
            forensics.power(bad)


# ------------------------------------------------------------------------------------------------------- detectors


@pytest.mark.parametrize("make", [forensics.by_spectrum, lambda r, f: forensics.by_network(r, f, 25)])
def test_detectors_find_what_is_missing_and_guess_where_nothing_is(make):
    detector = make(ROUGH[:200], SMOOTH[:200])
    found = forensics.judged(detector, ROUGH[200:], SMOOTH[200:])
    assert found.accuracy > 0.97 and found.auc > 0.99
    assert found.accuracy == pytest.approx((found.found + 1 - found.false_alarms) / 2)
    swapped = forensics.judged(detector, SMOOTH[200:], ROUGH[200:])
    assert swapped.accuracy < 0.03
    same = forensics.judged(make(ROUGH[:100], ROUGH[100:200]), ROUGH[200:300], ROUGH[300:])
    assert 0.35 < same.accuracy < 0.65


def test_scores_and_area_are_scikit_learns():
    detector = forensics.by_spectrum(ROUGH[:200], pictures(200, 16, seed=9, sigma=31.0))
    real, fake = ROUGH[200:], pictures(200, 16, seed=10, sigma=31.0)
    found = forensics.judged(detector, real, fake)
    scores = torch.cat([detector(real), detector(fake)]).numpy()
    truth = [0] * 200 + [1] * 200
    assert found.auc == pytest.approx(roc_auc_score(truth, scores))
    assert found.found == np.mean(scores[200:] > 0) and found.false_alarms == np.mean(scores[:200] > 0)


def test_a_network_is_the_same_for_equal_seeds_and_sees_what_the_change_leaves():
    a, b = (forensics.by_network(ROUGH, SMOOTH, 3, 5) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    shapes = []
    forensics.by_network(ROUGH, SMOOTH, 2, change=lambda x: shapes.append((x.dtype, tuple(x.shape))) or x)
    assert shapes == [(torch.uint8, (64, 1, 16, 16))] * 2
    blind = forensics.by_network(ROUGH, SMOOTH, 20, change=torch.zeros_like)
    assert forensics.judged(blind, ROUGH, SMOOTH).accuracy == 0.5


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [(ROUGH[:10], SMOOTH, "20 or more"), (ROUGH, SMOOTH[:3], "like the real ones"),
     (ROUGH, pictures(40, 8), "like the real ones"), (data.to_float(ROUGH), SMOOTH, "uint8")],
)  # fmt: skip
def test_detectors_say_what_they_take(real, fake, words):
    for f in (forensics.by_spectrum, forensics.by_network, forensics.gain, lambda r, x: forensics.judged(len, r, x)):
        with pytest.raises(ValueError, match=words):
            f(real, fake)


# ------------------------------------------------------------------------------------------------------- on the way


def test_jpeg_is_pillows_and_worse_at_lower_quality():
    x = pictures(3, 28)
    for i, picture in enumerate(forensics.jpeg(x, 60)):
        file = io.BytesIO()
        Image.fromarray(x[i, 0].numpy()).save(file, "JPEG", quality=60)
        assert np.array_equal(picture[0].numpy(), np.asarray(Image.open(file)))
    error = [(forensics.jpeg(x, q).float() - x).square().mean() for q in (95, 60, 20)]
    assert error[0] < error[1] < error[2]
    for bad in (0, 96, 50.0):
        with pytest.raises(ValueError, match="quality="):
            forensics.jpeg(x, bad)


def test_resizing_keeps_what_is_flat_and_loses_what_is_fine():
    flat = torch.full((2, 1, 16, 16), 77, dtype=torch.uint8)
    assert torch.equal(forensics.resized(flat, 9), flat)
    board = (255 * ((torch.arange(16)[:, None] + torch.arange(16)) % 2)).to(torch.uint8)[None, None]
    assert forensics.resized(board, 8).float().std() < 15 < board.float().std()
    with pytest.raises(ValueError, match="side=1"):
        forensics.resized(flat, 1)


def test_noise_has_its_strength_and_its_seed():
    x = torch.full((200, 1, 16, 16), 128, dtype=torch.uint8)
    y = forensics.noisy(x, 5.0)
    assert abs(float(y.float().std()) - math.sqrt(25 + 1 / 12)) < 0.1
    assert torch.equal(y, forensics.noisy(x, 5.0)) and not torch.equal(y, forensics.noisy(x, 5.0, 1))
    assert torch.equal(forensics.noisy(x, 0.0), x)
    with pytest.raises(ValueError, match="grey levels"):
        forensics.noisy(x, -1.0)


def test_the_filter_gives_fakes_the_spectrum_of_real_ones():
    fake = pictures(400, 16, seed=5, sigma=12.0)
    g = forensics.gain(ROUGH, fake)
    assert (g[1:] - 30 / 12).abs().max() < 0.2  # white noise: the ratio of deviations at every radius
    after = forensics.mended(fake, g)
    assert abs(forensics.excess(ROUGH, fake)) > 1.5 > 0.1 > abs(forensics.excess(ROUGH, after))
    x = pictures(3, 15, 3)
    assert torch.equal(forensics.mended(x, torch.ones(int(forensics.radius(15).max()) + 1)), x)
    mean_alone = torch.zeros(12)
    mean_alone[0] = 1
    only = forensics.mended(ROUGH[:4], mean_alone)
    assert torch.equal(only, ROUGH[:4].float().mean((2, 3), keepdim=True).round().to(torch.uint8).expand_as(only))
    for bad in (torch.ones(5), -torch.ones(12), torch.full((12,), math.nan)):
        with pytest.raises(ValueError, match="give 12 finite numbers"):
            forensics.mended(ROUGH, bad)


# ------------------------------------------------------------------------------------------------------- generators


def test_generators_differ_in_their_last_layer_alone():
    made = {}
    for last in forensics.LAST:
        with seeded(0):
            made[last] = forensics.generator(last, 16, 1, 2)
        assert made[last](torch.randn(3, forensics.Z_DIM)).shape == (3, 1, 16, 16)
    first = {k: [p for n, p in G.named_parameters() if not n.startswith(f"net.{len(G.net) - 2}.")]
             for k, G in made.items()}  # fmt: skip
    for last in forensics.LAST:
        assert all(torch.equal(p, q) for p, q in zip(first[last], first["transposed"], strict=True))
    with seeded(0):
        plain = models.DCGenerator(16, 1, forensics.Z_DIM, 2)
    assert all(torch.equal(p, q) for p, q in zip(made["transposed"].parameters(), plain.parameters(), strict=True))
    with pytest.raises(ValueError, match="Did you mean 'nearest'"):
        forensics.generator("neares")


def test_the_game_runs_and_starts_from_its_seed():
    x = pictures(64)
    images = data.Images("noise", x, torch.zeros(64).long(), x[:20], torch.zeros(20).long())
    one, two = (forensics.gan(images, last, 3, 2) for last in ("transposed", "bilinear"))
    d, e = (t.players["D"].state_dict() for t in (one, two))
    assert all(torch.equal(d[k], e[k]) for k in d)
    list(one.run(steps=2))
    assert one.averaged()(torch.randn(2, forensics.Z_DIM)).shape == (2, 1, 16, 16)


# ------------------------------------------------------------------------------------------------------- alarms


def test_an_alarm_is_right_as_often_as_counting_says():
    for share, found, false in ((0.001, 0.95, 0.05), (0.5, 0.8, 0.1), (1.0, 0.3, 0.9), (0.2, 1.0, 0.0)):
        n = 1_000_000
        fakes = n * share
        wanted = fakes * found / (fakes * found + (n - fakes) * false)
        assert forensics.alarm_right(share, found, false) == pytest.approx(wanted)
    assert forensics.alarm_right(0.001, 0.95, 0.05) == pytest.approx(0.018664, abs=1e-5)
    assert math.isnan(forensics.alarm_right(0.5, 0.0, 0.0))
    for bad in ((1.2, 0.9, 0.1), (0.1, -0.1, 0.1), (0.1, 0.9, 95), (math.nan, 0.9, 0.1)):
        with pytest.raises(ValueError, match="a share from 0 to 1"):
            forensics.alarm_right(*bad)

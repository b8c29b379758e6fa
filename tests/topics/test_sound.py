"""Oracles: single sines, closed forms, numpy loops, scipy's spectrogram and inverse, scikit-learn's least squares."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from scipy import signal

from ganedu.sampling import seeded
from ganedu.topics import sound


def sines(pitch, n=2048):
    return torch.sin(2 * math.pi * torch.tensor(pitch, dtype=torch.float64)[:, None] * torch.arange(n) / 8000).float()


@pytest.fixture(scope="module")
def some():
    with seeded(0):
        return sound.draw(120)


# ------------------------------------------------------------------------------------------------------------ the world


def test_harmonics_are_damped_cosines():
    pitch = torch.tensor([100.0, 137.5])
    a, phase, rate = torch.tensor([[1.0, 0.5, 0.2]] * 2), torch.tensor([[0.3, 1.0, -2.0]] * 2), torch.full((2, 3), 7.0)
    x = sound.harmonics(pitch, a, phase, rate, 1e-3)
    for i, f in enumerate((100.0, 137.5)):
        for t in (0, 1, 777, 2047):
            terms = [
                a[i, k - 1].item() * math.exp(-7 * t / 8000)
                * math.cos(2 * math.pi * f * k * math.sqrt(1 + 1e-3 * k * k) * t / 8000 + phase[i, k - 1].item())
                for k in (1, 2, 3)
            ]  # fmt: skip
            assert abs(x[i, t].item() - sum(terms)) < 1e-3
    high = sound.harmonics(torch.tensor([3000.0]), torch.ones(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    assert torch.allclose(high[0], torch.cos(2 * math.pi * 3000 * torch.arange(2048) / 8000), atol=3e-3)  # no 6000 Hz


def amplitudes(x, f):
    """Complex amplitudes of the waves at frequencies, by least squares over all of them."""
    t = np.arange(200, 2048) / 8000
    basis = np.concatenate([np.cos(2 * np.pi * np.outer(t, f)), np.sin(2 * np.pi * np.outer(t, f))], 1)
    c = np.linalg.lstsq(basis, x.double().numpy()[200:], rcond=None)[0]
    return c[: len(f)] - 1j * c[len(f) :]


def test_a_vowel_has_the_resonances_of_its_formants():
    x = sound.vowel(torch.tensor([100.0]), torch.tensor([sound.FORMANTS["i"]]).float(), torch.tensor([0.2]))[0]
    f = 100 * np.arange(1, 40)
    wanted = np.prod(
        [F**2 / (F**2 - f**2 + 1j * f * w) for F, w in zip((270, 2290, 3010), (80, 100, 140), strict=True)], 0
    )
    wanted = wanted / np.arange(1, 40) * np.exp(2j * np.pi * np.arange(1, 40) * 0.2)
    found = amplitudes(x, f)
    scale = np.abs(found).max() / np.abs(wanted).max()
    assert np.abs(found - scale * wanted).max() < 2e-3 * np.abs(found).max()
    assert f[10 + np.abs(found[10:]).argmax()] == 2300


def test_a_string_plucked_in_the_middle_has_odd_harmonics_and_high_ones_die_first():
    one = torch.ones(1)
    x = sound.string(100 * one, 0.5 * one, 0.2 * one, 0 * one, stiffness=0.0)
    early, late = (sound.stft(x, 512, 128)[0].abs()[:, i] for i in (3, 12))
    bins = [round(100 * k / 15.625) for k in range(1, 8)]
    assert early[bins[1]] < 0.2 * early[bins[0]] and early[bins[2]] > 2 * early[bins[1]]
    fall = (late / early)[[bins[0], bins[4]]]
    seconds = 9 * 128 / 8000
    assert torch.allclose(fall, torch.exp(-seconds * torch.tensor([1.01, 1.25]) / 0.2), rtol=0.05)


def test_draws_are_what_they_say(some):
    x = some.wave
    assert x.shape == (120, 2048) and torch.allclose(x.abs().amax(1), torch.tensor(0.8)) and sound.check_wave(x) is x
    assert ((some.pitch >= 80) & (some.pitch <= 160)).all() and {*some.kind.tolist()} == {0, 1, 2, 3}
    strings = some.kind == 0
    assert 0.3 < strings.float().mean() < 0.7 and (some.decay[~strings] == math.inf).all()
    assert ((some.decay[strings] >= 0.1) & (some.decay[strings] <= 0.4)).all()
    assert x[strings][:, 1500:].abs().amax(1).max() < x[~strings][:, 1500:].abs().amax(1).min()
    with seeded(0):
        assert torch.equal(sound.draw(120).wave, x)
    notes = sound.draw(60, sound.SCALE, ("a", "u"))
    assert {*notes.kind.tolist()} == {1, 3} and {round(p, 2) for p in notes.pitch.tolist()} == {*sound.SCALE}
    assert {*sound.draw(20, kinds=("string",)).kind.tolist()} == {0}
    with pytest.raises(ValueError, match="n=0 does not fit"):
        sound.draw(0)
    with pytest.raises(ValueError, match="unknown kind of sound 'o'"):
        sound.draw(3, kinds=("o",))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(2, 600), "sound 0 of the wave is silent (peak 0)"),
        (torch.cat([sines([100.0]), sines([100.0]) * 1e-4]), "sound 1 of the wave is silent"),
        ((3 * sines([100.0])).clamp(-0.9, 0.9), "sound 0 of the wave is clipped: 82%"),
        (sines([100.0], 300), "300 samples, 38 ms: too short. Give 512 or more"),
        (sines([100.0])[0], "torch.float32 (2048,): give a floating tensor (N, T)"),
        (torch.zeros(1, 600, dtype=torch.int16), "torch.int16 (1, 600)"),
        ([0.0] * 600, "the wave is list"),
        (torch.full((1, 600), math.nan), "holds NaN or infinity"),
        (32767 * sines([100.0]), "divide it by its peak"),
    ],
)  # fmt: skip
def test_what_is_no_wave_is_said(x, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        sound.check_wave(x)


# ----------------------------------------------------------------------------------------------------- the spectrogram


def test_stft_is_scipys_and_a_sine_has_level_zero(some):
    x = some.wave[:3]
    _, _, by_scipy = signal.stft(x.numpy(), 8000, signal.get_window("hann", 64), 64, 48, boundary="even")
    ours = sound.stft(x)
    assert ours.shape == (3, 33, 129)
    inside = slice(2, 127)  # scipy's even boundary repeats no differently there
    assert np.abs(ours.abs().numpy()[..., inside] - 2 * np.abs(by_scipy)[..., inside]).max() < 1e-4
    assert (sound.stft(sines([500.0]))[0, 4, 5:120].abs() - 1).abs().max() < 1e-3
    assert torch.allclose(sound.inverse(ours), x, atol=1e-5)


def test_bands_are_triangles_that_leave_no_bin_out():
    w = sound.triangles()
    assert w.shape == (20, 33) and torch.allclose(w.sum(1), torch.ones(20)) and (w >= 0).all()
    assert (w[:, 1:-1].sum(0) > 0).all() and (w.argmax(1).diff() >= 0).all()
    top = 700 * (10 ** (2595 * math.log10(1 + 4000 / 700) * 20 / 21 / 2595) - 1)
    assert abs(w[-1].argmax() * 125 - top) < 125
    x = 0.1 * sines([500.0])
    found = sound.log_bands(x)[0, :, 30]
    assert torch.allclose(found, torch.log(1e-3 + w @ sound.stft(x).abs()[0, :, 30]), atol=1e-4)
    assert found.min() >= math.log(1e-3) - 1e-6


# ------------------------------------------------------------------------------------------- back, without any network


def test_griffin_lim_comes_nearer_at_each_round(some):
    aim = sound.stft(some.wave[:4]).abs()
    far = [(sound.stft(sound.griffin_lim(aim, n)).abs() - aim).square().sum() for n in (0, 1, 5, 20, 60)]
    assert all(b < a for a, b in itertools.pairwise(far)) and far[-1] < 0.1 * aim.square().sum()
    assert sound.griffin_lim(aim, 2).shape == (4, 2048)
    with pytest.raises(ValueError, match="rounds=-1"):
        sound.griffin_lim(aim, -1)


def test_magnitudes_have_the_bands_that_they_come_from(some):
    bands = sound.log_bands(some.wave[:6])
    m = sound.magnitudes(bands)
    assert m.shape == (6, 33, 129) and (m >= 0).all()
    assert (torch.log(1e-3 + sound.triangles() @ m) - bands).abs().mean() < 0.02


def test_the_nearest_sound_is_found_by_brute_force(some):
    bands = sound.log_bands(some.wave)
    found = sound.nearest_sound(bands[:5], bands[5:], some.wave[5:])
    for i in range(5):
        d = [(bands[i] - other).square().sum().item() for other in bands[5:]]
        assert torch.equal(found[i], some.wave[5 + int(np.argmin(d))])


# ------------------------------------------------------------------------------------------------------------- measures


def test_pitch_is_read_from_sines_within_a_cent():
    pitch = [70.0, 82.41, 100.1, 133.3, 159.0, 240.0]
    heard = sound.read_pitch(sines(pitch))
    assert sound.cents(heard.pitch, torch.tensor(pitch)).abs().max() < 1 and (heard.clarity - 1).abs().max() < 1e-3


def test_pitch_of_the_worlds_sounds_is_read_within_five_cents(some):
    heard = sound.read_pitch(some.wave)
    assert sound.cents(heard.pitch, some.pitch).abs().max() < 5 and heard.clarity.min() > 0.9
    alone = sound.read_pitch(some.wave[3:4])
    assert torch.allclose(alone.pitch, heard.pitch[3:4])


def test_noise_is_not_periodic_and_the_likeness_is_that_of_a_loop(some):
    noise = torch.randn(50, 2048, generator=torch.Generator().manual_seed(0)) * 0.2
    assert sound.read_pitch(noise).clarity.max() < 0.3
    half = some.wave[:50] / some.wave[:50].std(1, keepdim=True) + noise / 0.2
    assert sound.read_pitch(half).clarity.mean() < 0.6
    x = (some.wave[0] - some.wave[0].mean()).double().numpy()
    heard = sound.read_pitch(some.wave[:1])
    lag = round(8000 / heard.pitch.item())
    by_loop = 2 * np.sum(x[:-lag] * x[lag:]) / np.sum(x[:-lag] ** 2 + x[lag:] ** 2)
    assert abs(by_loop - heard.clarity.item()) < 0.02
    assert sound.read_pitch(torch.zeros(1, 2048)).clarity.item() == 0
    with pytest.raises(ValueError, match="300 samples are too short for 60 Hz: give 402 or more"):
        sound.read_pitch(some.wave[:, :300])
    with pytest.raises(ValueError, match="0 < lowest < highest"):
        sound.read_pitch(some.wave, 200, 100)


def test_cents_and_distance_from_a_scale():
    f = torch.tensor([110.0, 220.0, 110 * 2 ** (1 / 12), 55.0])
    assert torch.allclose(sound.cents(f, torch.tensor(110.0)), torch.tensor([0.0, 1200.0, 100.0, -1200.0]), atol=1e-3)
    notes = (110.0, 146.83)
    assert torch.allclose(sound.from_scale(f, notes), torch.tensor([0.0, 0.0, 100.0, 0.0]), atol=1e-2)
    assert abs(sound.from_scale(torch.tensor([110 * 2 ** (7 / 24)]), notes).item() - 150) < 1
    assert sound.from_scale(torch.rand(50) * 100 + 60, (110.0,)).max() <= 600


def test_band_error_is_zero_for_itself_and_the_level_of_another(some):
    x = some.wave[:4]
    assert sound.band_error(x, x).abs().max() == 0
    louder = sound.band_error(x, x / 2)
    assert louder.shape == (4, 4) and louder.max() < 20 * math.log10(2) + 1e-3 and louder[:, 0].min() > 3
    a, b = (20 * np.log10(1e-3 + sound.stft(t, 256, 64).abs().numpy()) for t in (x[:1], x[1:2]))
    assert abs(np.abs(a - b)[0, 16:32].mean() - sound.band_error(x[:1], x[1:2])[0, 1].item()) < 1e-3


@pytest.mark.slow
def test_a_forest_tells_noise_from_sounds_and_not_sounds_from_sounds():
    with seeded(3):
        x = sound.draw(160).wave
    assert sound.told_apart(x[:80], x[80:]) < 0.65
    assert sound.told_apart(x[:80], x[80:] + 0.05 * torch.randn(80, 2048)) > 0.9
    with pytest.raises(ValueError, match="the number of sounds on each side=20"):
        sound.told_apart(x[:20], x[80:])

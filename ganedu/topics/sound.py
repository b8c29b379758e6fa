"""Sounds whose truth is known: plucked strings and vowels made by physics; their spectrogram; ways back from it that
need no network; and measures of pitch, spectrum and likeness.

A wave is (N, T) in [-1, 1], at 8,000 samples a second. A level of 0 (natural logarithm) is a sine of amplitude 1.
"""

import functools
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..inputs import one_of, whole

RATE, LENGTH = 8000, 2048  # samples a second, samples of a clip: 0.256 s
WINDOW, HOP, BANDS = 64, 16, 20  # of the spectrogram that a vocoder is given: samples, samples, bands
FLOOR = 1e-3  # added to each magnitude before its logarithm: -60 dB
KINDS = ("string", "a", "i", "u")
LOWEST, HIGHEST = 80.0, 160.0  # Hz, of the fundamental
SCALE = (82.41, 98.00, 110.00, 130.81, 146.83)  # Hz: E2 G2 A2 C3 D3, equal temperament
EDGES = (0, 500, 1000, 2000, 4000)  # Hz, of the bands whose error is told
# Hz: the first three formants of men, Peterson and Barney 1952, table II; and their widths, ours
FORMANTS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240)}
WIDTHS = (80, 100, 140)

# ------------------------------------------------------------------------------------------------------------ the world


class Sounds(NamedTuple):
    """Waves (N, LENGTH); the truth: fundamental (N,) in Hz, number of the kind in KINDS (N,), decay time (N,) in s."""

    wave: Tensor
    pitch: Tensor
    kind: Tensor
    decay: Tensor


def harmonics(pitch: Tensor, amplitude: Tensor, phase: Tensor, rate: Tensor, stiffness: float = 0.0) -> Tensor:
    """x(t) = sum over k = 1..K of a_k exp(-r_k t) cos(2 pi f_k t + phase_k): waves (N, LENGTH).

    f_k = k f_1 sqrt(1 + B k^2), where B is the `stiffness`: 0 for an ideal string. `pitch` (N,) is f_1 for B = 0, in
    Hz; the others (N, K), rates in 1/s. What lies above half the sampling rate is left out. Source: Fletcher 1964.
    """
    k = torch.arange(1, amplitude.shape[1] + 1, device=pitch.device)
    f = pitch[:, None] * k * (1 + stiffness * k.square()).sqrt()  # (N, K)
    a = torch.where(f < RATE / 2, amplitude, 0.0)
    t = torch.arange(LENGTH, device=pitch.device) / RATE
    x = torch.zeros(len(pitch), LENGTH, device=pitch.device)
    for i in range(amplitude.shape[1]):  # one harmonic at a time: K times less memory
        angle = (2 * math.pi * f[:, i, None]) * t + phase[:, i, None]
        x += a[:, i, None] * torch.exp(-rate[:, i, None] * t) * torch.cos(angle)
    return x


def string(pitch: Tensor, place: Tensor, decay: Tensor, start: Tensor, stiffness: float = 5e-5) -> Tensor:
    """The force of a plucked string on its bridge: a_k = sin(k pi place) / k, r_k = (1 + 0.01 k^2) / decay.

    `place` (N,) is where it is plucked, as a share of its length; `decay` (N,) the seconds in which its lowest
    harmonic, nearly, falls by the factor e; `start` (N,) in 0..1 the share of a period that has passed at t = 0. Peak
    0.8, the first 4 ms faded in. Source: Fletcher and Rossing 1998, chapter 2; the law of r_k is a plain choice.
    """
    k = _numbers(pitch)
    rate = (1 + 0.01 * k.square()) / decay[:, None]
    x = harmonics(pitch, torch.sin(math.pi * k * place[:, None]) / k, 2 * math.pi * k * start[:, None], rate, stiffness)
    return _levelled(x)


def vowel(pitch: Tensor, formants: Tensor, start: Tensor) -> Tensor:
    """A voice at rest: pulses of the glottis, harmonics 1 / k, through three resonances of the mouth.

    Each resonance multiplies a harmonic at f by F^2 / (F^2 - f^2 + i f W): `formants` (N, 3) are the F in Hz, WIDTHS
    the W. `start` as in `string`. Peak 0.8, the first 4 ms faded in. Source: Fant 1960 (source and filter).
    """
    k = _numbers(pitch)
    f = (pitch[:, None] * k)[..., None]  # (N, K, 1)
    top, width = formants[:, None].square(), torch.tensor(WIDTHS, device=pitch.device)
    h = (top / torch.complex(top - f.square(), f * width)).prod(2)  # (N, K)
    phase = h.angle() + 2 * math.pi * k * start[:, None]
    return _levelled(harmonics(pitch, h.abs() / k, phase, torch.zeros_like(phase)))


def _numbers(pitch: Tensor) -> Tensor:
    return torch.arange(1, int(RATE / 2 / LOWEST) + 1, device=pitch.device).float()


def _levelled(x: Tensor) -> Tensor:
    x = x * (torch.arange(LENGTH, device=x.device) / 32).clamp(max=1)
    return 0.8 * x / x.abs().amax(1, keepdim=True)


def draw(n: int, notes: tuple[float, ...] | None = None, kinds: tuple[str, ...] = KINDS) -> Sounds:
    """n sounds, from torch's global random numbers: half strings, half vowels, where `kinds` holds both.

    Fundamentals lie anywhere from LOWEST to HIGHEST, evenly on a logarithmic scale, or are those of `notes`. Strings
    are plucked at 0.1 to 0.5 of their length and decay in 0.1 to 0.4 s; formants vary by 5 % each way. Raises
    ValueError for an n below 1 or above 20,000, or an unknown kind.
    """
    whole("n", n, 1, 20_000)
    for kind in kinds:
        one_of(kind, KINDS, "kind of sound")
    vowels = [KINDS.index(k) for k in kinds if k != "string"]
    plucked = torch.rand(n) < (0.0 if "string" not in kinds else 0.5 if vowels else 1.0)
    others = torch.tensor(vowels or [0])[torch.randint(max(len(vowels), 1), (n,))]
    kind = torch.where(plucked, 0, others)
    if notes is None:
        pitch = LOWEST * (HIGHEST / LOWEST) ** torch.rand(n)
    else:
        pitch = torch.tensor(notes)[torch.randint(len(notes), (n,))]
    place, decay, start = 0.1 + 0.4 * torch.rand(n), 0.1 * 4 ** torch.rand(n), torch.rand(n)
    formants = torch.tensor([(1, 1, 1), *FORMANTS.values()])[kind] * (0.95 + 0.1 * torch.rand(n, 3))
    wave = torch.zeros(n, LENGTH)
    for i in plucked.nonzero()[:, 0].split(500):
        wave[i] = string(pitch[i], place[i], decay[i], start[i])
    for i in (~plucked).nonzero()[:, 0].split(500):
        wave[i] = vowel(pitch[i], formants[i], start[i])
    return Sounds(wave, pitch, kind, torch.where(plucked, decay, math.inf))


def check_wave(x: Tensor, name: str = "the wave", shortest: int = 512) -> Tensor:
    """x as it is. Raises ValueError for what is no wave (N, T) of finite numbers in [-1, 1], is shorter than
    `shortest` samples, silent (peak below 0.001), or clipped: where one sample in fifty, or more, stands at the peak.
    """
    if not isinstance(x, Tensor) or x.ndim != 2 or not x.is_floating_point() or not x.numel():
        got = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"{name} is {got}: give a floating tensor (N, T), a row a sound; one sound is x[None].")
    if x.shape[1] < shortest:
        raise ValueError(
            f"{name} has {x.shape[1]} samples, {1000 * x.shape[1] / RATE:.0f} ms: too short. Give {shortest} or more."
        )
    if not x.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity: look where the numbers come from.")
    peak = x.abs().amax(1)
    if peak.max() > 1.0001:
        raise ValueError(f"{name} reaches {peak.max():.3g}: divide it by its peak, so that it lies in [-1, 1].")
    if peak.min() < 1e-3:
        raise ValueError(f"sound {int(peak.argmin())} of {name} is silent (peak {peak.min():.1g}): leave it out.")
    flat = (x.abs() >= 0.999 * peak[:, None]).float().mean(1)
    if flat.max() >= 0.02:
        raise ValueError(
            f"sound {int(flat.argmax())} of {name} is clipped: {flat.max():.0%} of its samples stand at the peak. "
            "Record it at a lower volume."
        )
    return x


# ----------------------------------------------------------------------------------------------------- the spectrogram


def stft(x: Tensor, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """The short-time Fourier transform: waves (N, T) -> complex (N, window / 2 + 1, T / hop + 1).

    Hann windows about the samples 0, hop, 2 hop...; the wave is mirrored at its ends. A sine of amplitude 1 at the
    middle of a frequency's bin has magnitude 1.
    """
    w = torch.hann_window(window, device=x.device) * (4 / window)
    around = F.pad(x[:, None], (window // 2, window // 2), mode="reflect")[:, 0]
    return torch.fft.rfft(around.unfold(1, window, hop) * w).mT  # (N, bins, frames)


def inverse(spectrum: Tensor, window: int = WINDOW, hop: int = HOP) -> Tensor:
    """The wave whose `stft` comes nearest to the spectrum, by least squares: (N, frames hop - hop)."""
    w = torch.hann_window(window, device=spectrum.device)
    return torch.istft(spectrum * (window / 4), window, hop, window=w, length=(spectrum.shape[-1] - 1) * hop)


@functools.cache
def triangles(bands: int = BANDS, window: int = WINDOW) -> Tensor:
    """Weights (bands, window / 2 + 1) of triangular bands, a row's sum 1; middles even on the mel scale.

    mel(f) = 2595 log10(1 + f / 700). Where bands lie closer than the bins, a triangle is one bin wide to each side.
    """
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    f = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.arange(window // 2 + 1, dtype=torch.float64) * RATE / window
    below, above = (step.clamp(min=RATE / window) for step in (f[1:-1] - f[:-2], f[2:] - f[1:-1]))
    d = bins - f[1:-1, None]
    w = (1 - torch.where(d < 0, -d / below[:, None], d / above[:, None])).clamp(min=0)
    return (w / w.sum(1, keepdim=True)).float()


def log_bands(x: Tensor) -> Tensor:
    """What a vocoder is given: log(FLOOR + mean magnitude in each band), waves (N, T) -> (N, BANDS, T / HOP + 1)."""
    return torch.log(FLOOR + triangles().to(x) @ stft(x).abs())


# ------------------------------------------------------------------------------------------- back, without any network


def griffin_lim(magnitude: Tensor, rounds: int = 60, seed: int = 0) -> Tensor:
    """A wave whose spectrogram is near `magnitude` (N, WINDOW / 2 + 1, frames): (N, frames HOP - HOP).

    From random phases; each round makes the wave, takes its `stft`, keeps the phases and puts the magnitude back.
    Source: Griffin and Lim 1984.
    """
    whole("rounds", rounds, 0, 10_000)
    made = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed)).to(magnitude)
    spectrum = torch.polar(magnitude, 2 * math.pi * made)
    for _ in range(rounds):
        found = stft(inverse(spectrum))
        spectrum = magnitude * found / found.abs().clamp(min=1e-8)
    return inverse(spectrum)


def magnitudes(bands: Tensor, rounds: int = 100) -> Tensor:
    """Magnitudes (N, WINDOW / 2 + 1, frames), none below 0, whose `log_bands` are near `bands` (N, BANDS, frames).

    Many bins share a band, so there are many such; by multiplicative updates from equal ones (Lee and Seung 2001).
    """
    w, wanted = triangles().to(bands), (bands.exp() - FLOOR).clamp(min=0)
    m = w.T @ wanted + 1e-9
    for _ in range(rounds):
        m = m * (w.T @ wanted) / (w.T @ (w @ m)).clamp(min=1e-12)
    return m


def nearest_sound(bands: Tensor, others: Tensor, waves: Tensor) -> Tensor:
    """Of `waves` (M, T), for each of `bands` (N, ...), that whose own bands in `others` (M, ...) come nearest."""
    return waves[torch.cdist(bands.flatten(1), others.flatten(1)).argmin(1)]


# ------------------------------------------------------------------------------------------------------------- measures


class Heard(NamedTuple):
    """Fundamentals (N,) in Hz, and how periodic each wave is (N,): 1 where it repeats exactly, near 0 for noise."""

    pitch: Tensor
    clarity: Tensor


def read_pitch(x: Tensor, lowest: float = 60.0, highest: float = 250.0) -> Heard:
    """The period after which a wave is most like itself: waves (N, T) -> Heard.

    Likeness at a lag L is r(L) = 2 sum x(t) x(t + L) / sum (x(t)^2 + x(t + L)^2), at most 1. The period is the first
    peak of r that reaches 0.9 of the highest one, between two samples by a parabola; `clarity` is r there. Raises what
    `check_wave` does, clipping apart. Source: McLeod and Wyvill 2005.
    """
    if not isinstance(x, Tensor) or x.ndim != 2 or not 0 < lowest < highest < RATE / 4:
        raise ValueError(f"give waves (N, T) and 0 < lowest < highest < {RATE // 4} Hz: got {lowest} and {highest}.")
    n, longest = x.shape[1], math.ceil(RATE / lowest)
    if n < 3 * longest:
        raise ValueError(f"{n} samples are too short for {lowest:g} Hz: give {3 * longest} or more.")
    x = x - x.mean(1, keepdim=True)
    spectrum = torch.fft.rfft(x, 2 * n)
    same = torch.fft.irfft(spectrum.abs().square(), 2 * n)[:, : longest + 2]
    power = F.pad(x.square().cumsum(1), (1, 0))
    lags = torch.arange(longest + 2, device=x.device)
    both = power[:, n - lags] + power[:, -1:] - power[:, lags]  # of the two parts that overlap
    r = 2 * same / both.clamp(min=1e-9)
    first = math.floor(RATE / highest)
    middle = r[:, first : longest + 1]
    peak = (middle >= r[:, first - 1 : longest]) & (middle >= r[:, first + 1 : longest + 2])
    best = torch.where(peak, middle, -1.0)
    lag = (best >= 0.9 * best.amax(1, keepdim=True).clamp(min=1e-3)).float().argmax(1) + first
    a, b, c = (r.gather(1, (lag + i)[:, None])[:, 0] for i in (-1, 0, 1))
    bend = (a - 2 * b + c).clamp(max=-1e-9)
    shift = ((a - c) / (2 * bend)).clamp(-0.5, 0.5)
    return Heard(RATE / (lag + shift), (b - (a - c) * shift / 4).clamp(-1, 1))


def cents(found: Tensor, true: Tensor) -> Tensor:
    """1200 log2(found / true): 100 cents are a semitone, 1200 an octave; above 0 where `found` is too high."""
    return 1200 * torch.log2(found / true)


def from_scale(pitch: Tensor, notes: tuple[float, ...] = SCALE) -> Tensor:
    """The distance (N,), in cents, of each pitch from the nearest note, whatever its octave: at most 600."""
    d = cents(pitch[:, None], torch.tensor(notes).to(pitch))
    return (d - 1200 * (d / 1200).round()).abs().amin(1)


def band_error(x: Tensor, true: Tensor, window: int = 256) -> Tensor:
    """Mean distance of the spectrograms in dB, in the bands between EDGES: waves (N, T) twice -> (N, 4).

    |20 log10((FLOOR + |X|) / (FLOOR + |Y|))|, averaged over bins and frames, with another `window` than the vocoder's.
    """
    a, b = (20 * torch.log10(FLOOR + stft(t, window, window // 4).abs()) for t in (x, true))
    d, f = (a - b).abs(), torch.arange(window // 2 + 1, device=x.device) * RATE / window
    parts = [d[:, (f >= low) & (f < high)].mean((1, 2)) for low, high in itertools.pairwise(EDGES)]
    return torch.stack(parts, 1)


def told_apart(real: Tensor, fake: Tensor, seed: int = 0) -> float:
    """Share of sounds that a random forest puts on the right side, on halves that it has not seen: 1/2 by guessing.

    It sees log magnitudes with windows of 512 samples, mean and spread over frames, 514 numbers a sound; waves (N, T)
    each, N >= 40. Raises ValueError for fewer. Source: Lopez-Paz and Oquab 2017, with another classifier.
    """
    from sklearn.ensemble import RandomForestClassifier

    n = min(len(real), len(fake))
    whole("the number of sounds on each side", n, 40, 10**6)
    sets = []
    for x in (real, fake):
        level = torch.log(FLOOR + stft(x.float().cpu(), 512, 128).abs())
        sets.append(torch.cat([level.mean(2), level.std(2)], 1)[:n].numpy())
    half, labels = n // 2, [0] * (n // 2) + [1] * (n // 2)
    forest = RandomForestClassifier(80, min_samples_leaf=2, random_state=seed)
    forest.fit([*sets[0][:half], *sets[1][:half]], labels)
    guesses = forest.predict([*sets[0][half : 2 * half], *sets[1][half : 2 * half]])
    return float((guesses == labels).mean())

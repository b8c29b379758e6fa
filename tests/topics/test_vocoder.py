"""Oracles: the papers' formulas on the outputs, loops, symmetries of convolutions, slopes that must be there or not."""

import math

import pytest
import torch

from ganedu.sampling import seeded
from ganedu.topics import sound, vocoder


@pytest.fixture(scope="module")
def waves():
    with seeded(0):
        return sound.draw(4).wave


def small(make, *args, **settings):
    with seeded(1):
        return make(*args, **settings)


def test_a_vocoder_makes_a_wave_as_long_as_its_bands_say(waves):
    G = small(vocoder.Vocoder, 8, (1, 2))
    x = G(sound.log_bands(waves))
    assert x.shape == waves.shape and x.abs().max() < 1
    assert G(torch.zeros(2, 20, 11)).shape == (2, 160)
    weights = 20 * 64 * 5 + 64 + 6 * (64 * 64 * 3 + 64) + 64 * 64 + 1
    assert sum(p.numel() for p in vocoder.Vocoder().parameters()) == weights
    moved = torch.randn(1, 20, 40, generator=torch.Generator().manual_seed(0))
    a, b = G(moved), G(moved.roll(1, 2))
    inside = slice(12 * 16, 28 * 16)
    assert torch.allclose(a[:, inside], b.roll(-16, 1)[:, inside], atol=1e-5)  # a frame later is 16 samples later


@pytest.mark.parametrize("period", [2, 3, 7])
def test_a_folded_discriminator_sees_each_column_alone(period, waves):
    D = small(vocoder.Folded, period)
    d, maps = D(waves)
    assert d.shape == (4,) and len(maps) == 3 and maps[0].shape[0] == 4 * period
    column = waves[:, 1::period]
    alone = torch.nn.functional.leaky_relu(D.layers[0](column[:, None, : 2048 // period]), 0.1)
    assert torch.allclose(maps[0][1::period], alone, atol=1e-5)
    n = 2048 // period * period
    swapped = waves[:, :n].unflatten(1, (-1, period)).flip(2).flatten(1)  # the columns in another order
    assert torch.allclose(D(swapped)[0], d, atol=1e-4)


def test_a_scale_averages_first(waves):
    D = small(vocoder.Folded, 1, 4)
    assert torch.allclose(D(waves)[0], D(waves.unflatten(1, (-1, 4)).mean(2).repeat_interleave(4, 1))[0], atol=1e-5)
    assert len(vocoder.Ears((2, 3), (1, 2))(waves)) == 4 and len(vocoder.Ears().each) == 8


def sgd(module):
    return torch.optim.SGD(module.parameters(), 0.0)


def test_the_step_is_the_papers_sums(waves):
    G, D = small(vocoder.Vocoder, 8, (1,)), small(vocoder.Ears, (2,), (2,))
    x = waves[:, :512]  # as long as a piece, so that there is one
    got = vocoder.vocoder_step(x, G=G, D=D, opt_G=sgd(G), opt_D=sgd(D), weight=3.0, features=2.0, adversarial=0.5)
    by_step = [p.grad.clone() for p in G.parameters()]
    by_bands = vocoder.spectral_step(x, G=G, opt_G=sgd(G), wave=5.0)["loss_bands"]
    assert abs(by_bands.item() - got["loss_bands"].item()) < 1e-6
    by_bands = [p.grad.clone() for p in G.parameters()]
    bands = sound.log_bands(x)
    fake = G(bands)
    loss_D, loss_G = [], []
    for (r, a), (f, b) in zip(D(x), D(fake), strict=True):
        loss_D.append(((r - 1) ** 2).mean() + (f**2).mean())
        alike = [(p.detach() - q).abs().mean() for p, q in zip(a, b, strict=True)]
        loss_G.append(0.5 * ((f - 1) ** 2).mean() + 2 * sum(alike))
    apart = (sound.log_bands(fake) - bands).abs().mean()
    for name, wanted in (("loss_D", sum(loss_D)), ("loss_G", sum(loss_G)), ("loss_bands", apart)):
        assert abs(got[name].item() - wanted.item()) < 1e-5 and not got[name].requires_grad
    for slopes, loss in ((by_step, sum(loss_G) + 3 * apart), (by_bands, apart + 5 * (fake - x).abs().mean())):
        by_hand = torch.autograd.grad(loss, list(G.parameters()), retain_graph=True)
        for a, b in zip(slopes, by_hand, strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_the_discriminators_slope_stops_at_the_fake(waves):
    G, D = small(vocoder.Vocoder, 8, (1,)), small(vocoder.Ears, (2,), ())
    before = [p.clone() for p in G.parameters()]
    vocoder.vocoder_step(waves, G=G, D=D, opt_G=sgd(G), opt_D=torch.optim.SGD(D.parameters(), 0.1))
    assert all(torch.equal(a, b) for a, b in zip(before, G.parameters(), strict=True))
    real, fake = D(waves)[0][0], D(torch.randn(4, 2048) * 0.3)[0][0]
    assert real.shape == fake.shape == (4,)


# ------------------------------------------------------------------------------------------------------- from noise


def test_waves_come_from_noise():
    G, D = small(vocoder.WaveGenerator), small(vocoder.WaveDiscriminator)
    x = G(torch.randn(3, G.z_dim))
    assert x.shape == (3, 2048) and x.abs().max() <= 1 and D(x).shape == (3,)
    D.shuffle = 0
    assert torch.equal(D(x), D(x))
    D.shuffle = 2
    assert not torch.equal(D(x), D(x))  # it draws anew at each call


def test_phase_shuffle_moves_whole_samples_and_mirrors_the_free_end():
    h = torch.arange(10.0).expand(200, 3, 10) + torch.arange(3.0)[:, None] * 100
    with seeded(0):
        moved = vocoder.phase_shuffle(h, 2)
    expected = {
        -2: [2, 1, 0, 1, 2, 3, 4, 5, 6, 7], -1: [1, 0, 1, 2, 3, 4, 5, 6, 7, 8], 0: list(range(10)),
        1: [1, 2, 3, 4, 5, 6, 7, 8, 9, 8], 2: [2, 3, 4, 5, 6, 7, 8, 9, 8, 7],
    }  # fmt: skip
    seen = set()
    for row in moved:
        (shift,) = [s for s, e in expected.items() if torch.equal(row[0], torch.tensor(e).float())]
        assert torch.equal(row, row[0] + torch.arange(3.0)[:, None] * 100)  # all maps of a sound alike
        seen.add(shift)
    assert seen == set(expected)
    assert vocoder.phase_shuffle(h, 0) is h
    with pytest.raises(ValueError, match="most=10 does not fit: give a whole number from 0 to 9"):
        vocoder.phase_shuffle(h, 10)
    h = h.clone().requires_grad_()
    vocoder.phase_shuffle(h, 1).sum().backward()
    assert abs(h.grad.sum().item() - h.numel()) < 1e-3


@pytest.mark.slow
def test_the_spectrogram_alone_teaches_a_sine_its_bands():
    x = 0.5 * torch.sin(2 * math.pi * 250 * torch.arange(2048) / 8000).expand(4, -1)
    G = small(vocoder.Vocoder, 16, (1,))
    opt = torch.optim.Adam(G.parameters(), 5e-3)
    losses = [vocoder.spectral_step(x, G=G, opt_G=opt)["loss_bands"].item() for _ in range(60)]
    assert losses[-1] < 0.75 * losses[0]

"""Oracles: scipy's binomial and Gaussian filter, sampling, the normal equations, Pillow, scikit-learn's PCA."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from sklearn.decomposition import PCA

from ganedu import metrics
from ganedu.sampling import seeded
from ganedu.topics import marks


def pictures(n=6, shape=(1, 20, 24), seed=0):
    """Smooth pictures that nowhere reach black or white, as a file keeps them."""
    draw = torch.Generator().manual_seed(seed)
    return marks.filed(marks.blurred(torch.randn(n, *shape, generator=draw), 2.0).mul(2).clamp(-0.7, 0.7))


# ---------------------------------------------------------------------------------------------------------- messages


def test_a_maker_has_a_message_of_its_own():
    a, b = marks.message_of("studio"), marks.message_of(b"studio")
    assert torch.equal(a, b) and a.shape == (32,) and set(a.tolist()) == {0.0, 1.0}
    assert not torch.equal(a, marks.message_of("other"))
    for bad in ("", b"", 3, None):
        with pytest.raises(ValueError, match="a maker is named by"):
            marks.message_of(bad)


def test_messages_are_fair_coins():
    m = marks.messages(2000)
    assert (
        m.shape == (2000, 32) and torch.equal(m, marks.messages(2000)) and not torch.equal(m, marks.messages(2000, 1))
    )
    assert abs(m.mean() - 0.5) < 0.01 and torch.corrcoef(m.T).fill_diagonal_(0).abs().max() < 0.12
    with pytest.raises(ValueError, match="n=0 does not fit"):
        marks.messages(0)


def test_chance_is_the_binomial_tail():
    for n, k in ((3, 2), (3, 3), (32, 0), (32, 20), (32, 30), (32, 33)):
        assert marks.chance(k, n) == pytest.approx(stats.binom.sf(k - 1, n, 0.5), rel=1e-12)
    assert (marks.chance(2, 3), marks.chance(3, 3)) == (0.5, 0.125)


def test_30_of_32_bits_are_needed_for_one_in_a_million():
    assert marks.needed() == 30
    assert marks.chance(30) == (math.comb(32, 2) + 32 + 1) / 2**32 < 1e-6 < marks.chance(29)
    for limit in (0.5, 0.01, 1e-4):
        assert marks.needed(limit, 48) == stats.binom.isf(limit, 48, 0.5) + 1
    with pytest.raises(ValueError, match="once in 256: give a limit above that, or more bits"):
        marks.needed(1e-6, 8)
    with pytest.raises(ValueError, match="is no probability above 0"):
        marks.needed(0)


def test_whatever_a_reader_says_coins_agree_by_chance():
    found = torch.ones(40_000, 32)  # always the same bits
    k = marks.agreeing(found, marks.messages(40_000))
    for least in (16, 20, 23):
        p = marks.chance(least)
        assert abs((k >= least).double().mean() - p) < 4 * math.sqrt(p * (1 - p) / len(k))
    assert torch.equal(marks.agreeing(found[:2], torch.ones(32)), torch.tensor([32, 32]))


# ----------------------------------------------------------------------------------------------------------- patterns


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 20)])
def test_patterns_cost_what_is_asked_and_are_read(shape):
    x, m = pictures(8, shape), marks.messages(8, 5)
    way = marks.Patterns(shape, key=1)
    assert torch.allclose(way.patterns @ way.patterns.T, torch.eye(32), atol=1e-5)
    for decibels in (24.0, 28.0):
        y = way.mark(x, m, decibels)
        assert torch.equal(y, marks.filed(y))  # as a file keeps it
        assert (metrics.psnr(x, y) - decibels).abs().max() < 0.2
    assert torch.equal(way.read(way.mark(x, m, 20.0)), m)
    assert torch.equal(way.read(way.mark(x, m[0], 20.0)), m[:1].expand(8, -1))
    other = marks.Patterns(shape, key=2).read(way.mark(x, m, 20.0))
    assert 0.3 < (other == m).float().mean() < 0.7


def test_the_matched_filter_is_the_best_linear_reader_of_its_patterns():
    """Signal to interference <w, p>^2 / w^T (C + ridge) w, against random changes of w and against p itself."""
    like = pictures(300, (1, 16, 16), seed=3)
    plain, matched = marks.Patterns((1, 16, 16)), marks.Patterns((1, 16, 16), like=like)
    h = marks._fine(like).double()
    c = h.T @ h / len(h) + 0.01 * torch.eye(256)

    def ratio(w):
        return ((w * plain.patterns).sum(1).square() / ((w @ c) * w).sum(1)).double()

    best = ratio(matched.filters.double())
    assert (best >= ratio(plain.filters.double())).all()
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        step = torch.randn(matched.filters.shape, generator=draw) * matched.filters.std() * 0.1
        assert (best >= ratio((matched.filters + step).double())).all()


def test_what_does_not_fit_a_mark_is_said():
    way, x = marks.Patterns((1, 20, 24)), pictures()
    with pytest.raises(ValueError, match=r"pictures of 8 x 8 pixels.*do not take 32 bits: give .* 16 pixels a side"):
        way.mark(torch.zeros(2, 1, 8, 8), marks.messages(2))
    with pytest.raises(ValueError, match="do not take 32 bits"):
        marks.Patterns((1, 28, 15))
    with pytest.raises(ValueError, match=r"made for pictures \(1, 20, 24\), not \(3, 32, 32\): resize"):
        way.mark(torch.zeros(2, 3, 32, 32), marks.messages(2))
    with pytest.raises(ValueError, match=r"a message is \(32,\), or \(6, 32\).*got \(5, 32\)"):
        way.mark(x, marks.messages(5))
    with pytest.raises(ValueError, match="got str"):
        way.mark(x, "0" * 32)
    with pytest.raises(ValueError, match="of 0 and 1 alone"):
        way.mark(x, torch.full((32,), 0.5))
    for bad in (5, 100, True, "30"):
        with pytest.raises(ValueError, match=r"10 .seen at once. to 60"):
            way.mark(x, marks.messages(6), bad)
    with pytest.raises(ValueError, match="images must be"):
        way.read(torch.zeros(1, 1, 28, 28))


# ------------------------------------------------------------------------------------------------------------- learnt


@pytest.fixture(scope="module")
def nets():
    with seeded(0):
        return marks.Encoder((1, 16, 20), 4, 2).eval(), marks.Decoder((1, 16, 20), 4).eval()


def test_an_untrained_encoder_costs_what_is_asked_and_its_reader_guesses(nets):
    way, x, m = marks.Learnt(*nets), pictures(30, (1, 16, 20)), marks.messages(30)
    y = way.mark(x, m, 30.0)
    assert torch.equal(y, marks.filed(y)) and (metrics.psnr(x, y) - 30).abs().max() < 0.3
    found = way.read(y)
    assert found.shape == (30, 32) and set(found.unique().tolist()) <= {0.0, 1.0}
    assert 0.4 < (found == m).float().mean() < 0.6
    with pytest.raises(ValueError, match=r"made for pictures \(1, 16, 20\)"):
        way.mark(torch.zeros(1, 1, 28, 28), m[0])


def test_a_step_has_the_loss_of_its_bits(nets):
    x = pictures(8, (1, 16, 20))
    encoder, decoder = marks.Encoder((1, 16, 20), 4, 2), marks.Decoder((1, 16, 20), 4)
    seen = []

    def keep(y):
        seen.append(y)
        return y

    opt = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], 0.0)  # nothing moves
    with seeded(3):
        out = marks.marking_step(x, encoder=encoder, decoder=decoder, opt=opt, spoil=keep, decibels=25.0)
    with seeded(3):
        m = torch.randint(2, (8, 32)).float()
    with torch.no_grad():
        r = encoder(x, 2 * m - 1).numpy()
        r *= math.sqrt(4 / 10**2.5) / np.sqrt((r**2).mean((1, 2, 3), keepdims=True))
        assert np.allclose(seen[0].numpy(), np.clip(x.numpy() + r, -1, 1), atol=1e-5)
        p = torch.sigmoid(decoder(seen[0])).double()
    loss = -(m * p.log() + (1 - m) * (1 - p).log()).mean()
    assert out["loss"].item() == pytest.approx(loss.item(), rel=1e-4)
    assert out["bits"].item() == pytest.approx(((p > 0.5) == (m > 0)).double().mean().item())
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in [*encoder.parameters(), *decoder.parameters()])


@pytest.mark.slow
def test_it_learns_to_read_its_own_marks():
    x = pictures(256, (1, 16, 16), seed=1)
    with seeded(0):
        encoder, decoder = marks.Encoder((1, 16, 16), 8, 2), marks.Decoder((1, 16, 16), 8)
        opt = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 5e-3)
        for _ in range(100):
            batch = x[torch.randint(len(x), (32,))]
            marks.marking_step(batch, encoder=encoder, decoder=decoder, opt=opt, spoil=lambda y: y, decibels=26.0)
    way, m = marks.Learnt(encoder, decoder), marks.messages(64)
    fresh = pictures(64, (1, 16, 16), seed=2)
    assert (way.read(way.mark(fresh, m, 26.0)) == m).float().mean() > 0.85


def test_spoiling_keeps_shape_and_lets_slopes_through():
    x = pictures(16).requires_grad_()
    with seeded(1):
        y = marks.spoiler(x)
    assert y.shape == x.shape and torch.equal(y[:2], x[:2])
    assert ((y - x).abs().amax((1, 2, 3)) > 0).float().mean() > 0.6
    y.sum().backward()
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()
    assert torch.equal(x.grad[-2:], torch.ones_like(x.grad[-2:]))  # JPEG: as if it had done nothing
    assert marks.spoiler(pictures(3)).shape == (3, 1, 20, 24)


# ------------------------------------------------------------------------------------------------------------ attacks


@pytest.mark.parametrize("channels", [1, 3])
def test_attacks_against_others_code(channels):
    x = pictures(3, (channels, 20, 24))
    assert torch.equal(marks.attack(x, "saved again"), x)
    assert torch.equal(marks.attack(x, "mirrored"), torch.from_numpy(x.numpy()[..., ::-1].copy()))
    assert torch.equal(marks.attack(x, "mirrored", 0), x)
    assert torch.equal(marks.attack(x, "fainter", 0.5), marks.filed(0.5 * x))
    for s in (2, -3):
        found = marks.moved(x, s).numpy()
        wanted = ndimage.shift(x.numpy(), (0, 0, s, s), order=0, mode="nearest")
        assert np.array_equal(found, wanted)
    truncated = ndimage.gaussian_filter(x.numpy().astype(np.float64), (0, 0, 1, 1), mode="mirror", truncate=3)
    assert np.abs(marks.blurred(x, 1.0).numpy() - truncated).max() < 1e-5
    noise = marks.attack(torch.zeros(40, channels, 20, 24), "noise", 0.1)
    assert abs(noise.std() - 0.1) < 0.005 and abs(noise.mean()) < 0.005
    half = marks.smaller(x, 0.5)
    assert half.shape == x.shape and metrics.psnr(x, half.clamp(-1, 1)).min() > 20
    assert torch.equal(marks.attack(x, "noise", seed=4), marks.attack(x, "noise", seed=4))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels, tmp_path):
    from PIL import Image

    x = pictures(2, (channels, 20, 24))
    found = marks.attack(x, "JPEG", 40)
    for one, by_us in zip(x, found, strict=True):
        array = ((one.numpy() + 1) * 127.5).round().astype(np.uint8)
        Image.fromarray(array[0] if channels == 1 else array.transpose(1, 2, 0)).save(tmp_path / "x.jpg", quality=40)
        again = np.array(Image.open(tmp_path / "x.jpg")).reshape(20, 24, channels).transpose(2, 0, 1)
        assert np.allclose(by_us.numpy(), again / 127.5 - 1, atol=1e-6)


def test_each_attack_does_nothing_at_none_and_all_at_most():
    x = pictures(3, (1, 28, 28))
    for name, how in marks.ATTACKS.items():
        at_none, at_most = marks.attack(x, name, how.none), marks.attack(x, name, how.most)
        assert (at_none - x).abs().max() < 0.1, name
        assert name == "saved again" or metrics.psnr(x, at_most).max() < metrics.psnr(x, at_none).min(), name
        assert at_most.shape == x.shape and torch.equal(at_most, marks.filed(at_most))
    with pytest.raises(ValueError, match=r"unknown attack 'mirored'.*Did you mean 'mirrored'"):
        marks.attack(x, "mirored")
    with pytest.raises(ValueError, match="JPEG at 120 does not fit: give 5 to 95 quality"):
        marks.attack(x, "JPEG", 120)
    with pytest.raises(ValueError, match=r"give 0 to 0.5 deviation"):
        marks.attack(x, "noise", float("nan"))
    with pytest.raises(ValueError, match="images must be"):
        marks.attack(x[0], "noise")


def test_redrawn_is_scikit_learns_pca():
    x = pictures(200, (1, 16, 16), seed=5)
    flat = x.flatten(1).numpy()
    for k in (1, 30):
        pca = PCA(k, svd_solver="full").fit(flat)
        wanted = torch.from_numpy(pca.inverse_transform(pca.transform(flat))).float().view_as(x)
        found = marks.redrawn(x, marks.components(x), k)
        assert (found - marks.filed(wanted)).abs().max() < 0.01
    with pytest.raises(ValueError, match="are not those of the components, 256 numbers"):
        marks.redrawn(pictures(2), marks.components(x), 3)
    with pytest.raises(ValueError, match="k=0 does not fit"):
        marks.redrawn(x, marks.components(x), 0)


def test_the_stored_networks_read_their_marks_of_fakes():
    from ganedu.course import stored
    from ganedu.runs import zoo
    from ganedu.sampling import generate

    table = stored.table("21_marks")
    way = marks.Learnt(*(stored.network(net(), "21_marks", group) for net, group in (
        (marks.Encoder, "encoder"), (marks.Decoder, "decoder"))))  # fmt: skip
    asked = next(r["asked"] for r in table["ways"] if (r["way"], r["seed"]) == ("learnt with attacks", 0))
    x = marks.filed(generate(zoo.load("fashion")[0], 500, seed=1000))  # as precompute/21_marks draws them
    y, m = way.mark(x, marks.messages(500, 0), asked), marks.messages(500, 0)
    for name in ("untouched", "blur", "mirrored"):
        row = next(r for r in table["rows"]
                   if (r["way"], r["seed"], r["attack"]) == ("learnt with attacks", 0, name))  # fmt: skip
        found = (way.read(y if name == "untouched" else marks.attack(y, name)) == m).float().mean().item()
        assert abs(found - row["bits"]) < 0.01

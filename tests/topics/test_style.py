"""Oracles: plain convolutions, loops over places, torch's instance norm, brute force, scipy's Sobel, closed forms."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional as F

from ganedu.data import photos
from ganedu.pixels import to_float
from ganedu.topics import style


def noise(n=1, channels=1, side=64, seed=0):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def gravel():
    return to_float(photos.texture("gravel")[None])


# ------------------------------------------------------------------------------------------------ filters, statistics


def test_filters_have_mean_zero_and_length_one():
    bank = style.filters(3, (3, 6), each=5)
    assert [tuple(f.shape) for f in bank] == [(5, 3, 3, 3), (5, 3, 6, 6)]
    for f in bank:
        assert f.mean((1, 2, 3)).abs().max() < 1e-6 and (f.flatten(1).norm(dim=1) - 1).abs().max() < 1e-6
    assert torch.equal(bank[0], style.filters(3, (3, 6), each=5)[0])
    assert not torch.equal(bank[0], style.filters(3, (3, 6), each=5, seed=1)[0])
    with pytest.raises(ValueError, match="a filter's side=1 does not fit"):
        style.filters(1, (1,))


@pytest.mark.parametrize("channels", [1, 3])
def test_answers_are_plain_convolutions(channels):
    bank, x = style.filters(channels, (3, 7), each=4), noise(2, channels, 20)
    around = [F.conv2d(F.pad(x, (s // 2,) * 4, mode="circular"), f) for s, f in zip((3, 7), bank, strict=True)]
    wrapped = torch.cat(around, 1)
    assert torch.allclose(style.answers(x, bank, wrap=True), wrapped, atol=1e-5)
    inside = torch.cat([F.conv2d(x, bank[0])[..., 2:-2, 2:-2], F.conv2d(x, bank[1])], 1)
    assert torch.allclose(style.answers(x, bank), inside, atol=1e-5)
    with pytest.raises(ValueError, match=r"does not fit filters of 1 channels and up to 7"):
        style.answers(noise(1, 1, 12), style.filters(1, (7,)))
    with pytest.raises(ValueError, match="give \\(N, C, H, W\\)"):
        style.answers(noise(1, 3, 30), style.filters(1, (7,)))


def by_loops(x, photo, bank, kind):
    """The distance of x, wrapped, from the photograph, numpy and loops alone."""

    def answers(x, wrap):
        cut, found = max(f.shape[-1] for f in bank) // 2, []
        for f in bank:
            s = f.shape[-1]
            if wrap:
                a = F.conv2d(F.pad(x, (s // 2,) * 4, mode="circular"), f)
            else:
                a = F.conv2d(x, f)
                a = a[..., cut - s // 2 : a.shape[2] - cut + s // 2, cut - s // 2 : a.shape[3] - cut + s // 2]
            found.append(a[0].flatten(1).double().numpy())
        return np.concatenate(found)

    of_photo, of_x = answers(photo, False), answers(x, True)
    deviation = of_photo.std(1, ddof=1, keepdims=True)
    total = float((photo.double().mean((2, 3)) - x.double().mean((2, 3))).square().mean())
    a, b = (np.maximum(t / deviation, 0) for t in (of_photo, of_x))
    total += np.mean((a.mean(1) - b.mean(1)) ** 2)
    if kind == "two moments":
        return total + np.mean((a.std(1, ddof=1) - b.std(1, ddof=1)) ** 2)
    gram = lambda a: np.array([[np.mean(p * q) for q in a] for p in a])  # noqa: E731
    return total + np.mean((gram(a) - gram(b)) ** 2)


@pytest.mark.parametrize("kind", ["two moments", "Gram matrix"])
def test_the_distance_is_that_of_loops_over_filters(kind):
    bank, photo, x = style.filters(1, (3, 5), each=3), noise(side=70) ** 3, noise(side=20, seed=1)
    found = style.Style(photo, kind, bank).distance(x)
    assert found.shape == (1,) and abs(found.item() - by_loops(x, photo, bank, kind)) < 1e-5


def test_mean_colour_sees_the_mean_alone():
    aim = style.Style(noise(channels=3, side=64), "mean colour")
    shuffled = noise(channels=3, side=64).flatten(2)[..., torch.randperm(64 * 64)].view(1, 3, 64, 64)
    assert aim.distance(shuffled).item() < 1e-10 < aim.distance(shuffled + 0.1).item()


def test_whole_distributions_are_zero_for_the_same_and_a_shift_in_the_answers_elsewhere():
    photo = noise(side=64)
    aim = style.Style(photo, "whole distributions", style.filters(1, (3,), each=4))
    a, b = aim.target[3], aim._parts(photo, style.answers(photo, aim.bank))[3]
    assert a.shape == (1, style.SLICES, style.LEVELS) and torch.allclose(a, b)
    slices = aim.directions @ (style.answers(photo, aim.bank) / aim.scale).relu().flatten(2)[0]
    assert torch.allclose(a[0, :, 0], slices.min(1).values, atol=1e-5)
    assert torch.allclose(a[0, :, -1], slices.max(1).values, atol=1e-5)
    assert torch.allclose(a[0].mean(1), slices.mean(1), atol=0.05)


def test_a_style_of_several_pictures_is_each_ones_own():
    photos_, x = noise(3, 1, 64), noise(3, 1, 40, seed=1)
    bank = style.filters(1, (5,), each=4)
    alone = [style.Style(p[None], "Gram matrix", bank).distance(y[None]) for p, y in zip(photos_, x, strict=True)]
    assert torch.allclose(style.Style(photos_, "Gram matrix", bank).distance(x), torch.cat(alone), atol=1e-6)


def test_without_the_relu_pictures_of_one_spectrum_cannot_be_told_apart(gravel):
    """Means and Gram matrix of linear answers are numbers of the power spectrum: random phases keep them."""
    x = gravel[..., :64, :64]
    phases = torch.fft.rfft2(noise(seed=3))
    scrambled = torch.fft.irfft2(torch.fft.rfft2(x).abs() * phases / phases.abs(), s=(64, 64))
    scrambled += x.mean() - scrambled.mean()
    bank = style.filters(1, (3, 9))
    distances = {}
    for bent in (True, False):
        aim = style.Style(gravel, "Gram matrix", bank, bent)
        aim.target = [part.clone() for part in aim._parts(x, style.answers(x, bank, wrap=True))]
        distances[bent] = aim.distance(scrambled).item()
    assert distances[False] < 1e-6 and distances[True] > 1e-4


def test_what_is_no_style_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'Gram matrix'"):
        style.Style(noise(), "Gram")
    with pytest.raises(ValueError, match=r"5 x 5 pixels has too little texture: give 64"):
        style.Style(noise(side=5), "two moments")
    with pytest.raises(ValueError, match="photo must be"):
        style.Style(noise(channels=2), "two moments")
    with pytest.raises(ValueError, match="photo must be"):
        style.Style(noise() * 255, "two moments")


def test_the_readers_own_photograph(tmp_path):
    page = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(page).save(tmp_path / "wall.png")
    Image.fromarray(page[:5, :5]).save(tmp_path / "dot.png")
    (tmp_path / "letter.png").write_text("no picture")
    assert style.read_style(tmp_path / "wall.png").shape == (1, 3, 128, 128)
    with pytest.raises(ValueError, match=r"dot\.png has 5 x 5 pixels: too few for a texture"):
        style.read_style(tmp_path / "dot.png")
    with pytest.raises(ValueError, match=r"letter\.png is no picture"):
        style.read_style(tmp_path / "letter.png")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        style.read_style(tmp_path / "nothing.png")


# ------------------------------------------------------------------------------------------------------- made textures


def test_descent_brings_the_statistics_near_and_the_tile_has_no_seam(gravel):
    aim = style.Style(gravel[..., :96, :96], "Gram matrix", style.filters(1, (3, 7, 11), each=8))
    made = style.synthesise(aim, 32, iterations=40)
    again = style.synthesise(aim, 32, iterations=40)
    assert made.x.shape == (1, 1, 32, 32) and torch.equal(made.x, again.x) and made.x.abs().max() <= 1
    assert made.losses[-1] < made.losses[0] / 20 and abs(made.losses[-1] - aim.distance(made.x).item()) < 1e-3
    assert not torch.equal(made.x, style.synthesise(aim, 32, iterations=5, seed=1).x)
    steps = (made.x - made.x.roll(1, 3)).square().mean((0, 1, 2))  # at each column; the first is the seam
    assert steps[0] < 2 * steps[1:].max()
    with pytest.raises(ValueError, match="size=8 does not fit"):
        style.synthesise(aim, 8)


def test_each_patch_becomes_the_nearest_one_by_brute_force():
    x, source = noise(side=8), noise(side=9, seed=1)
    patches = lambda t: F.unfold(t, 3)[0].T  # noqa: E731
    q, k = patches(x), patches(source)
    d = (q[:, None] - k[None]).square().mean(2)
    chosen = (d / (0.05 + d.min(0).values)).argmin(1)
    total, count = torch.zeros(8, 8), torch.zeros(8, 8)
    for place, i in enumerate(chosen.tolist()):
        r, c = divmod(place, 6)
        total[r : r + 3, c : c + 3] += k[i].view(3, 3)
        count[r : r + 3, c : c + 3] += 1
    assert torch.allclose(style._replaced(x, source, source, 3, 0.05)[0, 0], total / count, atol=1e-6)


def test_nearest_patches_are_the_photographs_own(gravel):
    photo = gravel[..., :96, :96]
    made = style.nearest_patches(photo, 48)
    assert made.x.shape == (1, 1, 48, 48) and torch.equal(made.x, style.nearest_patches(photo, 48).x)
    assert style.newness(photo, made.x) < 0.6 * style.newness(photo, gravel[..., 150:198, 150:198])
    with pytest.raises(ValueError, match="size=100 does not fit"):
        style.nearest_patches(photo, 100)


# ------------------------------------------------------------------------------------------------------------ measures


def test_a_forest_tells_what_differs_and_not_what_is_alike(gravel):
    real = [gravel[..., 128:192, 64 * i : 64 * i + 64] for i in range(4)]
    assert abs(style.told_apart(real, gravel[..., :64, :64]) - 0.5) < 0.15
    assert style.told_apart(real, noise()) > 0.95
    with pytest.raises(ValueError, match="give at least 44 a side"):
        style.told_apart(real, noise(side=40))


def test_edge_distance_of_a_stretched_picture_has_a_closed_form():
    x = noise(side=40) / 2
    assert style.edge_distance([x], x) == 0
    wanted = []
    for f in style._derivatives():
        a = F.conv2d(x, f).flatten()
        wanted.append((a.abs().mean() / a.std()).item())  # from a to 2 a each goes its own length
    assert abs(style.edge_distance([x], 2 * x) - np.mean(wanted)) < 1e-5
    assert len(wanted) == 24 and all(abs(f.sum()) < 1e-4 for f in style._derivatives())
    with pytest.raises(ValueError, match="shorter side=20 does not fit"):
        style.edge_distance([x], noise(side=20))


def test_newness_is_zero_for_a_copy_and_a_known_number_for_a_shift():
    x = noise(side=32)
    assert style.newness(x, x[..., 4:24, 7:27]) < 1e-3
    assert abs(style.newness(torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 0.3)) - 0.3) < 1e-6
    with pytest.raises(ValueError, match="shorter side=8 does not fit"):
        style.newness(x, noise(side=8))


# ------------------------------------------------------------------------------------------------------------ transfer


def test_adain_is_instance_norm_with_the_styles_moments():
    c, s = torch.randn(2, 5, 8, 8), 3 * torch.randn(2, 5, 6, 7) + 1
    found = style.adain(c, s)
    ours = F.instance_norm(c, eps=0) * s.std((2, 3), correction=0, keepdim=True) + s.mean((2, 3), keepdim=True)
    assert torch.allclose(found, ours, atol=0.05)  # variances with N - 1 there
    assert torch.allclose(found.mean((2, 3)), s.mean((2, 3)), atol=1e-5)
    assert torch.allclose(found.std((2, 3)), s.std((2, 3)), atol=1e-3)
    assert torch.allclose(style.adain(c, c), c, atol=1e-5)
    with pytest.raises(ValueError, match="of one K"):
        style.adain(c, s[:, :4])


def test_content_is_neither_brightness_nor_contrast():
    x = noise(2, 3, 32) / 2
    assert torch.allclose(style.content_maps(x), style.content_maps(x * 0.6 + 0.2), atol=0.02)
    assert (style.content_maps(x) - style.content_maps(-x)).square().mean() > 3  # a negative is other content
    apart = (style.content_maps(x) - style.content_maps(noise(2, 3, 32, seed=1))).square().mean() / 2
    assert abs(apart - 1) < 0.1


def test_the_share_trades_content_for_style(gravel):
    content, photo = gravel[..., 100:164, 100:164].flip(3).rot90(1, (2, 3)), noise(side=64) ** 3
    start = style.recoloured(content, photo)
    assert torch.allclose(start.mean((2, 3)), photo.mean((2, 3)), atol=0.05)
    assert torch.allclose(start.std((2, 3)), photo.std((2, 3)), atol=0.05)
    assert torch.allclose(style.transfer(content, photo, 0.0, 5).x, start, atol=0.1)
    aim, lost, reached = style.Style(photo, "Gram matrix"), [], []
    for share in (0.2, 0.8):
        x = style.transfer(content, photo, share, 15).x
        lost.append((style.content_maps(x) - style.content_maps(content)).square().mean().item() / 2)
        reached.append((aim.distance(x) / aim.distance(start)).item())
    assert lost[0] < lost[1] < 1 and reached[1] < reached[0] < 0.9
    with pytest.raises(ValueError, match="share=2"):
        style.transfer(content, photo, 2)
    with pytest.raises(ValueError, match="channels 1 and 3"):
        style.transfer(content, noise(channels=3))


def test_one_pass_at_amount_zero_is_an_autoencoder():
    torch.manual_seed(0)
    net, c, s = style.Transfer(8), noise(2, 3, 32), noise(2, 3, 40, seed=1)
    assert net(c, s).shape == (2, 3, 32, 32)
    assert torch.allclose(net(c, s, 0.0), net.decode(net.encode(c)), atol=1e-6)
    assert torch.allclose(net(c, s, 1.0), net.decode(style.adain(net.encode(c), net.encode(s))), atol=1e-6)
    assert torch.allclose(net(c, c, 1.0), net(c, s, 0.0), atol=1e-4)
    with pytest.raises(ValueError, match="give RGB"):
        net(c[:, :1], s)


def test_the_step_is_the_step_by_hand():
    torch.manual_seed(0)
    net, bank = style.Transfer(4), style.filters(3, (3, 5), each=2)
    c, s = noise(4, 3, 64), noise(4, 3, 64, seed=1) ** 3
    before = [p.detach().clone() for p in net.parameters()]
    plain, c_, s_ = c[:1], c[1:], s[1:]
    x, back, total = net(c_, s_), net(plain, s_[:1], 0.0), 0.0
    for i in range(3):
        near, far = (by_parts(y[i : i + 1], s_[i : i + 1], bank) for y in (x, style.recoloured(c_, s_)))
        total = total + 0.7 * (1 + near / far).log() / math.log(2) / 3
    maps = [style.content_maps(y) for y in (x, c_)]
    error = (back - plain).pow(2).sum() / plain.numel()
    total = total + (maps[0] - maps[1]).pow(2).sum() / maps[0].numel() / 2 + 4 * error
    slopes = torch.autograd.grad(total, list(net.parameters()))
    opt = torch.optim.SGD(net.parameters(), 0.1)
    record = style.transfer_step(c, s, net=net, opt=opt, bank=bank, weight=0.7)
    for p, old, slope in zip(net.parameters(), before, slopes, strict=True):
        assert torch.allclose(p, old - 0.1 * slope, atol=1e-5)
    assert abs(record["error"] - error) < 1e-6 and not any(v.requires_grad for v in record.values())


def by_parts(x, s, bank):
    """The Gram distance, by plain convolutions; slopes pass through x."""
    parts = []
    for y, wrap in ((s, False), (x, True)):
        a = [F.conv2d(F.pad(y, (f.shape[-1] // 2,) * 4, mode="circular"), f)[0] for f in bank]
        a = torch.cat([t if wrap else t[:, 2:-2, 2:-2] for t in a]).flatten(1)
        parts.append(a)
    deviation = parts[0].std(1, keepdim=True)
    a, b = ((p / deviation).relu() for p in parts)
    gram = (a @ a.T / a.shape[1] - b @ b.T / b.shape[1]).pow(2).mean()
    return gram + (a.mean(1) - b.mean(1)).pow(2).mean() + (s.mean((2, 3)) - x.mean((2, 3))).pow(2).mean()


# ------------------------------------------------------------------------------------------------- what is lost of it?


def test_edges_are_scipys_sobel():
    x = noise(1, 3, 20)
    grey = x.mean(1)[0].double().numpy()
    wanted = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))[1:-1, 1:-1]
    assert np.allclose(style.edges(x)[0].numpy(), wanted, atol=1e-5)


def test_edges_kept_is_a_correlation():
    x, y = noise(3, 3, 32), noise(3, 3, 32, seed=1)
    found = style.edges_kept(y, x)
    wanted = [
        np.corrcoef(style.edges(a[None]).flatten(), style.edges(b[None]).flatten())[0, 1]
        for a, b in zip(y, x, strict=True)
    ]
    assert np.allclose(found.numpy(), wanted, atol=1e-5)
    assert torch.allclose(style.edges_kept(0.4 * x + 0.3, x), torch.ones(3), atol=1e-5)  # another contrast
    assert torch.allclose(style.edges_kept(-x, x), torch.ones(3), atol=1e-5)  # the negative has the same edges
    with pytest.raises(ValueError, match="one content a picture"):
        style.edges_kept(x, x[:1])


def test_found_again_counts_whose_content_it_is():
    x = noise(6, 3, 32)
    assert style.found_again(-x / 2, x) == 1.0
    assert style.found_again(x.roll(1, 0), x) == 0.0
    swapped = x[[1, 0, 2, 3, 4, 5]]
    assert math.isclose(style.found_again(swapped, x), 4 / 6, rel_tol=1e-6)
    with pytest.raises(ValueError, match="two or more"):
        style.found_again(x[:1], x[:1])

"""Oracles: scipy's filters, Pillow's and scikit-image's own functions, the means of blocks."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import restoration

from ganedu import data, metrics
from ganedu.course import stored
from ganedu.topics import restoration as rs


@pytest.fixture(scope="module")
def clothes():
    return data.to_float(data.load("fashion").x_test[:6])


@pytest.fixture(scope="module")
def colour():
    return torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


# -------------------------------------------------------------------------------------------------- degradations


def test_downscale_is_the_mean_of_blocks(colour):
    small = rs.downscale(colour, 4)
    assert small.shape == (2, 3, 4, 5)
    assert abs(small[1, 2, 3, 4] - colour[1, 2, 12:16, 16:20].mean()) < 1e-6
    assert torch.equal(rs.downscale(colour, 1), colour)
    for factor in (3, 0, 2.0):
        with pytest.raises(ValueError, match="does not divide"):
            rs.downscale(colour, factor)


def test_noise_has_the_standard_deviation_that_is_asked_for(colour):
    big = torch.zeros(100, 1, 28, 28)
    noisy = rs.add_noise(big, 0.3, torch.Generator().manual_seed(0))
    assert abs(noisy.std().item() - 0.3) < 0.01 and abs(noisy.mean().item()) < 0.01
    assert torch.equal(noisy, rs.add_noise(big, 0.3, torch.Generator().manual_seed(0)))
    assert torch.equal(rs.add_noise(colour, 0.0), colour)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_is_scipys_gaussian(colour, sigma):
    expected = ndimage.gaussian_filter(
        colour.numpy(), (0, 0, sigma, sigma), mode="mirror", radius=(0, 0) + (round(3 * sigma),) * 2
    )
    assert np.allclose(rs.blur(colour, sigma), expected, atol=1e-5)
    assert abs(rs.kernel(sigma).sum().item() - 1) < 1e-6


def test_no_blur_changes_nothing_and_too_much_is_refused(colour):
    assert torch.equal(rs.blur(colour, 0.0), colour) and rs.kernel(0.0).tolist() == [[1.0]]
    with pytest.raises(ValueError, match="too wide"):
        rs.blur(colour, 6.0)
    for sigma in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="0 or more"):
            rs.add_noise(colour, sigma)


def test_a_stroke_is_all_within_half_its_width_of_a_line():
    masks = rs.strokes(50, 40, (6, 6), torch.Generator().manual_seed(0), most=1)
    assert masks.shape == (50, 1, 40, 40) and set(masks.unique().tolist()) == {0.0, 1.0}
    for mask in masks[:, 0].numpy():
        parts = ndimage.label(mask)[1]
        assert parts == 1
        # its widest place, by the distance of ink to the nearest pixel without (or beyond the border)
        assert 1.4 <= ndimage.distance_transform_edt(np.pad(mask, 1)).max() <= 3.7
    assert rs.strokes(200, 28, most=3).mean() > rs.strokes(200, 28, most=1).mean()
    with pytest.raises(ValueError, match="do not fit"):
        rs.strokes(1, 28, (0, 4))


def test_punch_hides_the_hole_and_says_where(clothes):
    mask = rs.strokes(6, 28, generator=torch.Generator().manual_seed(1))
    given = rs.punch(clothes, mask)
    assert given.shape == (6, 2, 28, 28) and torch.equal(given[:, 1:], mask)
    assert (given[:, :1][mask == 1] == 0).all() and torch.equal(given[:, :1][mask == 0], clothes[mask == 0])
    assert torch.equal(rs.punch(clothes, mask[:1])[3, 1:], mask[0])


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (torch.zeros(1, 1, 28, 28), "mask 0 of 1 is empty: paint a hole"),
        (torch.ones(1, 1, 28, 28), "nothing to go by"),
        (torch.full((1, 1, 28, 28), 0.5), "threshold it"),
        (torch.full((1, 1, 28, 28), float("nan")), "threshold it"),
        (torch.ones(1, 1, 20, 28), "got"),
        (torch.ones(4, 1, 28, 28), "got"),
        (torch.ones(28, 28), "got"),
    ],
)
def test_masks_that_are_none(clothes, mask, says):
    for f in (rs.punch, rs.biharmonic):
        with pytest.raises(ValueError, match=says):
            f(clothes, mask)


# --------------------------------------------------------------------------------------------- classical answers


def test_each_classical_answer_is_the_librarys(colour):
    u = colour[1].permute(1, 2, 0).double().numpy() / 2 + 0.5
    mask = rs.strokes(1, 20, (4, 4), torch.Generator().manual_seed(0))[..., :16, :]
    for ours, theirs in (
        (rs.total_variation(colour, 0.2), restoration.denoise_tv_chambolle(u, weight=0.2, channel_axis=2)),
        (rs.biharmonic(colour, mask), restoration.inpaint_biharmonic(u, mask[0, 0].bool().numpy(), channel_axis=2)),
        (rs.median(colour), ndimage.median_filter(u, (3, 3, 1), mode="mirror")),
    ):
        assert ours.shape == colour.shape and ours.dtype == torch.float32
        expected = torch.from_numpy(np.clip(theirs, 0, 1)).permute(2, 0, 1) * 2 - 1
        assert torch.allclose(ours[1].double(), expected, atol=1e-5)


def test_classical_answers_compute_in_the_pictures_precision(colour, monkeypatch):
    seen = []
    monkeypatch.setattr(restoration, "denoise_tv_chambolle", lambda u, **options: seen.append(u.dtype) or u)
    for x in (colour, colour.double()):
        rs.total_variation(x)
    assert seen == ["float32"] * len(colour) + ["float64"] * len(colour)  # so that seconds are compared like with like


def test_bicubic_is_pillows_and_keeps_a_ramp(colour):
    big = rs.bicubic(colour, 3)
    wanted = Image.fromarray(colour[1, 2].numpy()).resize((60, 48), Image.Resampling.BICUBIC)
    assert torch.allclose(big[1, 2], torch.from_numpy(np.array(wanted)).clamp(-1, 1), atol=1e-5)
    ramp = rs.bicubic(torch.linspace(-0.7, 0.7, 8).expand(1, 1, 8, 8).contiguous(), 2)
    assert (ramp[0, 0, 8, 4:-4].diff() - 0.1).abs().max() < 1e-5


@pytest.mark.parametrize("undo", [lambda x: rs.wiener(x, 1.0, 0.003), lambda x: rs.richardson_lucy(x, 1.0, 20)])
def test_deblurring_undoes_a_blur(clothes, undo):
    blurred = rs.blur(clothes, 1.0)
    assert (metrics.psnr(undo(blurred), clothes) > metrics.psnr(blurred, clothes) + 1.5).all()


def test_pictures_that_are_none():
    for x in (
        torch.zeros(1, 28, 28),
        torch.zeros(1, 1, 28, 28, dtype=torch.uint8),
        torch.full((1, 1, 8, 8), float("nan")),
    ):
        for f in (rs.median, rs.total_variation, lambda x: rs.bicubic(x, 2), lambda x: rs.restore(rs.Restorer(), x)):
            with pytest.raises(ValueError, match=r"pictures must be .*finite floats"):
                f(x)


# ------------------------------------------------------------------------------------------------------- network


def test_the_network_starts_as_the_identity_and_takes_any_size(colour):
    for size in ((16, 20), (13, 17), (28, 28)):
        x = torch.rand(2, 3, *size) * 2 - 1
        G = rs.Restorer(3, block=4, width=8)
        assert torch.equal(G(x), x)
        torch.nn.init.normal_(G.last.weight)
        assert G(x).shape == x.shape and not torch.equal(G(x), x)
    assert sum(p.numel() for p in rs.Restorer().parameters()) == 46_256
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
        G(torch.zeros(1, 1, 28, 28))


def masked(z_dim=0):
    torch.manual_seed(0)
    G = rs.Restorer(1, width=8, masked=True, z_dim=z_dim)
    torch.nn.init.normal_(G.last.weight, std=0.1)
    return G


def test_a_masked_network_keeps_what_is_known(clothes):
    mask = rs.strokes(6, 28, generator=torch.Generator().manual_seed(1))
    x = rs.restore(masked(), rs.punch(clothes, mask))
    assert torch.equal(x[mask == 0], clothes[mask == 0]) and not torch.equal(x[mask == 1], clothes[mask == 1])
    with pytest.raises(ValueError, match="a mask"):
        masked()(clothes)


def test_noise_makes_other_answers_and_equal_seeds_the_same(clothes):
    given = rs.punch(clothes, rs.strokes(6, 28, generator=torch.Generator().manual_seed(1)))
    G = masked(z_dim=4)
    torch.manual_seed(5)
    a, after = rs.restore(G, given, seed=1), torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1)), "the caller's random numbers are left alone"
    assert torch.equal(a, rs.restore(G, given, seed=1)) and not torch.equal(a, rs.restore(G, given, seed=2))
    z = torch.zeros(6, 4, 7, 7)
    assert torch.equal(G(given, z), G(given, z))


def test_between_two_networks_lies_the_mean_of_their_weights(clothes):
    a, b = (rs.Restorer(width=8) for _ in range(2))
    torch.nn.init.normal_(b.last.weight)
    half = rs.between(a, b, 0.5)
    for k, v in half.state_dict().items():
        assert torch.allclose(v, (a.state_dict()[k] + b.state_dict()[k]) / 2)
    assert torch.equal(rs.between(a, b, 0.0)(clothes), a(clothes)) and torch.equal(
        rs.between(a, b, 1.0)(clothes), b(clothes)
    )
    assert torch.equal(a.last.weight, torch.zeros_like(a.last.weight)), "the two are left as they were"
    with pytest.raises(ValueError, match=r"t=1\.5"):
        rs.between(a, b, 1.5)
    with pytest.raises(ValueError, match="not of one build"):
        rs.between(a, rs.Restorer(width=16), 0.5)


# ----------------------------------------------------------------------------------------- what ships with notebook 16


def shipped(name, table):
    return stored.network(rs.Restorer(**table["cards"][name]["build"]), "16_restoration", name)


def test_the_shipped_networks_are_as_good_as_their_cards_say():
    table = stored.table("16_restoration")
    assert {k.partition("/")[0] for k in table["cards"]} == {"x4", "holes", "digits", "noise", "blur"}
    true = data.to_float(data.load("fashion").x_test)
    bad = rs.bicubic(rs.downscale(true, 4), 4)
    for name in ("x4/L2", "x4/L2 + features + GAN"):
        x, card = rs.restore(shipped(name, table), bad), table["cards"][name]
        assert abs(metrics.psnr(x, true).mean().item() - card["psnr"]) < 0.01
        assert abs(metrics.ssim(x, true).mean().item() - card["ssim"]) < 0.001
    holes = rs.strokes(2000, 28, (5, 10), torch.Generator().manual_seed(5))[:300]
    x = rs.restore(shipped("holes/L2", table), rs.punch(true[:300], holes))
    error = ((x - true[:300]).square() * holes).sum((1, 2, 3)) / holes.sum((1, 2, 3))
    assert abs(error.mean().item() / table["cards"]["holes/L2"]["error"] - 1) < 0.1, "the card counts 2,000 pictures"
    for name in table["cards"]:
        shipped(name, table)

"""Oracles: figures drawn by hand, scipy's morphology, the gradient, sums over pairs written out."""

import itertools

import numpy as np
import pytest
import torch
from scipy import ndimage

from ganedu import data
from ganedu.course import stored
from ganedu.topics import pix2pix as tr
from ganedu.topics.pix2pix import pix2pix_step


def square(size=28, low=8, high=19):
    """A bright square on black, (1, 1, size, size) in [-1, 1]."""
    x = torch.full((1, 1, size, size), -1.0)
    x[..., low:high, low:high] = 1
    return x


# ----------------------------------------------------------------------------------------------------- outlines


def test_edges_of_a_ramp_and_of_a_step():
    ramp = torch.linspace(-1, 1, 28).expand(1, 1, 28, 28).clone()  # slope 2 / 27 = 0.074 everywhere
    assert tr.edges(ramp, threshold=0.1).sum() == 0
    step = torch.where(torch.arange(28) < 14, -1.0, 1.0).expand(1, 1, 28, 28).clone()  # slope 1 at columns 13 and 14
    ink = tr.edges(step, threshold=0.99)
    assert ink[..., 13:15].min() == 1 and ink.sum() == 2 * 28
    assert tr.edges(step, threshold=1.01).sum() == 0


def test_edges_are_thinner_than_the_slope_and_lie_on_it():
    x = data.load("fashion").x_test[:50]
    ink = tr.edges(x)
    values = data.to_float(x)[:, 0].numpy()
    slope = np.stack([np.hypot(ndimage.sobel(v, 0), ndimage.sobel(v, 1)) / 8 for v in values])  # scipy's reflection
    inner = (slice(None), slice(1, -1), slice(1, -1))  # is not our border
    assert (slope[inner][ink[:, 0].numpy()[inner] == 1] > 0.2 - 1e-5).all()
    assert ink.sum() < 0.75 * (slope > 0.2).sum()


def test_a_silhouette_is_the_outer_contour_alone():
    x = square()
    x[..., 12:15, 12:15] = -1  # a hole, which has edges but no outer contour
    ink = tr.silhouettes(x)
    body = np.zeros((28, 28), bool)
    body[8:19, 8:19] = True
    assert np.array_equal(ink[0, 0].bool().numpy(), body & ~ndimage.binary_erosion(body, np.ones((3, 3))))
    assert ink.sum() == 4 * 10
    assert tr.edges(x)[..., 10:17, 10:17].sum() > 0


def test_holes_are_filled_in_each_image_for_itself():
    x = torch.cat([square(), square()])
    x[1, :, 12:15, 12:15] = -1
    assert torch.equal(tr.silhouettes(x)[0], tr.silhouettes(x)[1])
    assert torch.equal(tr.silhouettes(x)[:1], tr.silhouettes(x[:1]))


def test_a_silhouette_that_touches_the_border_has_its_contour_there():
    ink = tr.silhouettes(torch.ones(1, 1, 8, 8))
    assert ink.sum() == 28 and ink[..., 1:-1, 1:-1].sum() == 0


@pytest.mark.parametrize("f", [tr.edges, tr.silhouettes])
def test_outlines_of_uint8_are_those_of_floats(f):
    x = data.load("fashion").x_test[:30]
    assert torch.equal(f(x), f(data.to_float(x)))
    assert set(f(x).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("f", [tr.edges, tr.silhouettes])
@pytest.mark.parametrize("shape", [(0, 1, 28, 28), (2, 3, 28, 28), (28, 28)])
def test_outlines_are_drawn_of_grey_images(f, shape):
    with pytest.raises(ValueError, match="grey images"):
        f(torch.zeros(shape))


def test_a_threshold_must_be_a_slope():
    with pytest.raises(ValueError, match="slope above 0"):
        tr.edges(square(), threshold=0)


# ------------------------------------------------------------------------------------------------------- pairs


def test_pairs_come_out_together():
    x = torch.arange(1, 6).mul(40).to(torch.uint8)[:, None, None, None].expand(5, 1, 8, 8)
    pairs = tr.Pairs(x, torch.arange(1, 6)[:, None, None, None].expand(5, 1, 8, 8) / 5.0)
    torch.manual_seed(0)
    picture, outline = pairs.sample(200)
    assert picture.shape == outline.shape == (200, 1, 8, 8)
    assert torch.allclose((picture + 1) * 127.5, outline * 200, atol=1e-3)
    assert len(outline[:, 0, 0, 0].unique()) == len(pairs) == 5


@pytest.mark.parametrize(
    ("x", "outline", "says"),
    [
        ((4, 1, 28, 28), (4, 1, 32, 32), "two sizes, 28 x 28 and 32 x 32"),
        ((4, 1, 28, 28), (3, 1, 28, 28), "4 pictures need outlines"),
        ((4, 1, 28, 28), (4, 3, 28, 28), "4 pictures need outlines"),
        ((0, 1, 28, 28), (0, 1, 28, 28), "pictures must be"),
        ((4, 28, 28), (4, 1, 28, 28), "pictures must be"),
    ],
)
def test_pairs_that_do_not_fit(x, outline, says):
    with pytest.raises(ValueError, match=says):
        tr.Pairs(torch.zeros(x, dtype=torch.uint8), torch.zeros(outline))


def test_pictures_are_whole_numbers():
    with pytest.raises(ValueError, match="uint8"):
        tr.Pairs(torch.zeros(4, 1, 28, 28), torch.zeros(4, 1, 28, 28))


# ----------------------------------------------------------------------------------------------------- players


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("size", [(8, 8), (13, 13), (28, 28), (30, 17), (64, 64)])
def test_the_unet_keeps_sizes(size, skips):
    x = tr.UNet(channels=3, width=4, skips=skips)(torch.rand(2, 1, *size))
    assert x.shape == (2, 3, *size) and x.abs().max() <= 1


def test_the_docstrings_count_of_parameters():
    assert "with width 16 and skips: 91,329." in " ".join(tr.UNet.__doc__.split())
    assert sum(p.numel() for p in tr.UNet().parameters()) == 91_329


def test_a_drawing_alone_gives_what_it_gives_among_others():
    G, outline = tr.UNet(width=4, dropout=0.0), torch.rand(5, 1, 28, 28)
    assert torch.allclose(G(outline)[2:3], G(outline[2:3]), atol=1e-6)


def test_chance_is_dropout_or_z_or_nothing():
    outline = torch.rand(2, 1, 28, 28)
    still, dropped, drawn = (tr.UNet(width=4, **k).eval() for k in ({"dropout": 0.0}, {}, {"dropout": 0.0, "z_dim": 3}))
    assert torch.equal(still(outline), still(outline))
    assert not torch.equal(dropped(outline), dropped(outline)), "in evaluation mode as well"
    assert not torch.equal(drawn(outline), drawn(outline))
    z = torch.randn(2, 3)
    assert torch.equal(drawn(outline, z), drawn(outline, z))


@pytest.mark.parametrize("patch", tr.PATCHES)
def test_the_receptive_field_of_a_patch_by_its_gradient(patch):
    torch.manual_seed(0)
    D = tr.PatchDiscriminator(width=4, patch=patch)
    x, outline = torch.randn(1, 1, 64, 64, requires_grad=True), torch.randn(1, 1, 64, 64, requires_grad=True)
    logits = D.map(x, outline)[0]
    middle = logits.shape[0] // 2
    for seen in torch.autograd.grad(logits[middle, middle], (x, outline)):
        rows, columns = (seen[0, 0] != 0).nonzero().T
        assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == patch


def test_one_logit_a_patch_or_one_for_all():
    x, outline = torch.rand(3, 1, 28, 28), torch.rand(3, 1, 28, 28)
    assert [tr.PatchDiscriminator(patch=p).map(x, outline).shape[1:] for p in (4, 10, 22)] == [(14, 14), (7, 7), (3, 3)]
    assert tr.PatchDiscriminator(patch=None)(x, outline).shape == (3,)
    D = tr.PatchDiscriminator(patch=10)
    assert torch.equal(D(x, outline), D.map(x, outline).flatten())
    x = x.clone().requires_grad_()
    tr.PatchDiscriminator(patch=None)(x, outline).sum().backward()
    assert (x.grad != 0).float().mean() > 0.7


def test_a_d_without_the_outline_does_not_look_at_it():
    x, D = torch.rand(3, 1, 28, 28), tr.PatchDiscriminator(outline=False)
    assert torch.equal(D(x, torch.zeros(3, 1, 28, 28)), D(x, torch.ones(3, 1, 28, 28)))


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="do not fit each other"):
        tr.PatchDiscriminator()(torch.zeros(2, 1, 28, 28), torch.zeros(2, 1, 32, 32))
    with pytest.raises(ValueError, match="sees an outline beside the picture"):
        tr.PatchDiscriminator()(torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match="do not fit each other"):
        tr.PatchDiscriminator(outline=False)(torch.zeros(2, 1, 28, 28), torch.zeros(2, 1, 32, 32))
    x, blind = torch.rand(2, 1, 28, 28), tr.PatchDiscriminator(outline=False)
    assert torch.equal(blind(x), blind(x, torch.rand(2, 1, 28, 28)))
    with pytest.raises(ValueError, match="made for 28 pixels"):
        tr.PatchDiscriminator(patch=None)(torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 32, 32))
    with pytest.raises(ValueError, match="outlines must be"):
        tr.UNet()(torch.zeros(2, 1, 4, 28))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: tr.UNet(width=6), "multiple of 4"),
        (lambda: tr.UNet(dropout=1.0), "dropout=1.0"),
        (lambda: tr.PatchDiscriminator(patch=16), "choose one of 4, 10, 22"),
    ],
)
def test_players_that_cannot_be(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# ------------------------------------------------------------------------------------------- drawing and judging


def test_translate_repeats_itself_and_leaves_the_callers_random_numbers_alone():
    G, outline = tr.UNet(width=4), tr.silhouettes(square())
    torch.manual_seed(3)
    x, after = tr.translate(G, outline, seed=1), torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(x, tr.translate(G, outline, seed=1)) and not torch.equal(x, tr.translate(G, outline, seed=2))


@pytest.mark.parametrize(
    ("outline", "says"),
    [
        (torch.stack([torch.ones(1, 28, 28), torch.zeros(1, 28, 28)]), "drawing 1 of 2 is empty"),
        (torch.full((1, 1, 28, 28), -1.0), "ink goes from 0 to 1"),
        (torch.full((1, 1, 28, 28), float("nan")), "ink goes from 0 to 1"),
        (torch.ones(1, 28, 28), "a drawing is"),
        (torch.ones(1, 1, 28, 28, dtype=torch.uint8), "a drawing is"),
    ],
)
def test_drawings_that_cannot_be_filled(outline, says):
    with pytest.raises(ValueError, match=says):
        tr.translate(tr.UNet(width=4), outline)


def test_follows_forgives_one_pixel_and_no_more():
    ink = tr.silhouettes(square())
    assert tr.follows(ink, ink).item() == 1
    assert tr.follows(ink, ink.roll(1, 3)).item() == 1
    line = torch.zeros(1, 1, 28, 28)
    line[..., 10] = 1
    assert tr.follows(line, line.roll(2, 3)).item() == 0
    both = line + line.roll(5, 3)  # all of the line is there, half of the ink is not its own: 2 * 1 * 0.5 / 1.5
    assert abs(tr.follows(line, both).item() - 2 / 3) < 1e-6
    assert tr.follows(line, torch.zeros_like(line)).item() == 0
    with pytest.raises(ValueError, match="one shape"):
        tr.follows(line, line[..., :20])


def test_spread_is_the_mean_over_pairs():
    draws = torch.rand(4, 3, 1, 5, 5)
    pairs = list(itertools.combinations(range(4), 2))
    by_hand = [np.mean([(draws[i, n] - draws[j, n]).abs().mean().item() for i, j in pairs]) for n in range(3)]
    assert np.allclose(tr.spread(draws), by_hand, atol=1e-6)
    with pytest.raises(ValueError, match="two or more"):
        tr.spread(draws[:1])


def test_the_nearest_outline_is_itself_then_the_one_moved_least():
    ink = tr.silhouettes(square())
    known = torch.cat([ink.roll(3, 3), ink.roll(1, 3), ink, ink.roll(6, 3)])
    assert tr.nearest_outline(ink, known, 3).tolist() == [[2, 1, 0]]


# ---------------------------------------------------------------------------------------------------- the step


def test_the_step_descends_the_weighted_sum_of_its_records():
    """G's step is along the gradient of gan_weight * loss_G + l1_weight * loss_l1 by finite differences."""
    torch.manual_seed(0)
    x, outline = torch.rand(4, 1, 8, 8).double(), torch.rand(4, 1, 8, 8).double()
    G, D = tr.UNet(width=4, dropout=0.0).double(), tr.PatchDiscriminator(width=4, patch=4).double()
    opt_D, still = torch.optim.SGD(D.parameters(), 0.1), torch.optim.SGD(D.parameters(), 0.0)
    team = {"G": G, "D": D, "gan_weight": 0.7, "l1_weight": 3.0}
    before = [p.detach().clone() for p in D.parameters()]
    pix2pix_step(x, outline, **team, opt_G=torch.optim.SGD(G.parameters(), 0.0), opt_D=opt_D)
    assert any(not torch.equal(a, b) for a, b in zip(before, D.parameters(), strict=True))

    def loss():
        r = pix2pix_step(x, outline, **team, opt_G=torch.optim.SGD(G.parameters(), 0.0), opt_D=still)
        return 0.7 * r["loss_G"].item() + 3 * r["loss_l1"].item()

    p = G.last.bias
    p.data += 1e-6
    above = loss()
    p.data -= 2e-6
    slope = (above - loss()) / 2e-6
    p.data += 1e-6
    start = p.item()
    pix2pix_step(x, outline, **team, opt_G=torch.optim.SGD(G.parameters(), 0.01), opt_D=still)
    assert abs((start - p.item()) / 0.01 - slope) < 1e-4


# ----------------------------------------------------------------------------------------- what ships with notebook 14


def test_the_shipped_networks_are_as_good_as_their_cards_say():
    table = stored.table("14_paired_translation")
    fashion = data.load("fashion")
    outline, true = tr.edges(fashion.x_test), data.to_float(fashion.x_test)
    assert set(table["cards"]) == {"pix2pix", "L1 alone (GAN off)"}
    for name, card in table["cards"].items():
        G = tr.UNet(width=card["width"], dropout=card["dropout"], z_dim=card["z_dim"])
        x = tr.translate(stored.network(G, "14_paired_translation", name), outline)
        assert abs((x - true).abs().mean().item() - card["error"]) < 1e-3
        assert abs(tr.follows(outline, tr.edges(x)).mean().item() - card["follows"]) < 5e-3

"""Oracles: scenes whose factors are known, pictures painted by hand, the true night image itself."""

import pytest
import torch

from ganedu import data, metrics, models
from ganedu.course import stored
from ganedu.data import shapes
from ganedu.topics import cyclegan
from ganedu.topics import pix2pix as tr

NAME = "15_unpaired_translation"


@pytest.fixture(scope="module")
def judge():
    return stored.network(metrics.Classifier(32, 3, 12), NAME, "judge")


@pytest.fixture(scope="module")
def day():
    return cyclegan.draw(400, cyclegan.DAY, seed=9)


def night_of(factors):
    return data.to_float(shapes.render(cyclegan.with_background(factors, "night")))


# -------------------------------------------------------------------------------------------------- two domains


def test_draw_takes_the_backgrounds_it_is_given_and_leaves_the_rest_even():
    f = cyclegan.draw(20_000, ("sand", "night"), seed=0)
    counts = f["background"].bincount(minlength=4) / 20_000
    assert counts[0] == counts[2] == 0 and (counts[[1, 3]] - 0.5).abs().max() < 0.015
    assert (f["colour"].bincount(minlength=7) / 20_000 - 1 / 7).abs().max() < 0.015
    joint = torch.zeros(7, 4).index_put_((f["colour"], f["background"]), torch.tensor(1.0), accumulate=True)
    assert (joint[:, [1, 3]] / 20_000 - 1 / 14).abs().max() < 0.01, "colour and background are independent"
    again = cyclegan.draw(20_000, ("sand", "night"), seed=0)
    assert all(torch.equal(f[k], again[k]) for k in f)
    one, alone = (cyclegan.draw(50, b, seed=0) for b in (("night",), "night"))
    assert all(torch.equal(one[k], alone[k]) for k in one)


def test_the_true_mapping_changes_the_background_alone(day):
    night = cyclegan.with_background(day, "night")
    assert all(torch.equal(night[k], day[k]) for k in day if k != "background")
    assert (night["background"] == [*shapes.BACKGROUNDS].index("night")).all()
    x, y = shapes.render(day), shapes.render(night)
    inside = (x == y).all(1)  # the shape's own pixels
    colour = torch.tensor([*shapes.COLOURS.values()], dtype=torch.uint8)[day["colour"]]
    assert inside.flatten(1).any(1).all()
    assert (
        x.movedim(1, -1)[inside].float() - colour.repeat_interleave(inside.flatten(1).sum(1), 0).float()
    ).abs().max() <= 1


def test_sample_draws_either_domain_for_itself():
    a, b = (torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 8, 8).contiguous() for n in (40, 20))
    torch.manual_seed(0)
    x_a, x_b = cyclegan.Unpaired(a, b).sample(4000)
    assert x_a.shape == x_b.shape == (4000, 1, 8, 8) and x_a.dtype == torch.float32
    i, j = (((x[:, 0, 0, 0] + 1) * 127.5).round() for x in (x_a, x_b))
    assert set(i.tolist()) == set(range(40)) and set(j.tolist()) == set(range(20))
    assert torch.corrcoef(torch.stack([i, j]))[0, 1].abs() < 0.06


IMAGES = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cyclegan.Unpaired(IMAGES, IMAGES[..., :14, :14]), "two sizes, 16 x 16 and 14 x 14"),
        (lambda: cyclegan.Unpaired(IMAGES, IMAGES[:, :1]), "A has 3 channels, B has 1"),
        (lambda: cyclegan.Unpaired(IMAGES, IMAGES.float()), "domain B .* uint8.* torch.float32"),
        (lambda: cyclegan.Unpaired(IMAGES[:0], IMAGES), "domain A .* 1 or more"),
        (lambda: cyclegan.Unpaired(IMAGES[0], IMAGES), "domain A must be"),
        (lambda: cyclegan.draw(3, ("white", "dusk"), 0), "dusk"),
        (lambda: cyclegan.draw(3, (), 0), "choose from white"),
        (
            lambda: cyclegan.with_background(cyclegan.draw(3, cyclegan.DAY, 0), "dusk"),
            "background='dusk' .* choose from white",
        ),
        (lambda: cyclegan.draw(-1, cyclegan.DAY, 0), "n=-1"),
        (lambda: cyclegan.Translator(width=0), "width=0"),
        (lambda: cyclegan.Translator(blocks=0), "blocks=0"),
        (lambda: cyclegan.Translator()(torch.zeros(1, 1, 16, 16)), "N, 3, H, W"),
        (lambda: cyclegan.Translator()(torch.zeros(1, 3, 15, 16)), "sides even"),
        (lambda: cyclegan.translate(cyclegan.Translator(), torch.zeros(0, 3, 16, 16)), "1 or more"),
        (lambda: cyclegan.translate(cyclegan.Translator(), torch.full((1, 3, 16, 16), 128.0)), "from 128 to 128"),
        (lambda: cyclegan.translate(cyclegan.Translator(), torch.full((1, 3, 16, 16), torch.nan)), "nan"),
        (lambda: cyclegan.recognise(None, torch.zeros(2, 1, 32, 32)), "N, 3, H, H"),
        (lambda: cyclegan.score(None, torch.zeros(2, 3, 32, 32), cyclegan.draw(3, cyclegan.DAY, 0)), "2 pictures of 3"),
    ],
)
def test_what_does_not_fit_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# ------------------------------------------------------------------------------------------------------ players


def test_a_translator_keeps_the_shape_and_has_the_parameters_it_says():
    G = cyclegan.Translator()
    assert models.n_parameters(G) == 3 * 24 * 16 + 24 + 6 * (24 * 24 * 9 + 24) + 24 * 3 * 16 + 3 == 33_579
    for size in ((32, 32), (28, 28), (8, 12)):
        x = torch.rand(2, 3, *size) * 2 - 1
        assert G(x).shape == x.shape and G(x).abs().max() <= 1
    assert torch.allclose(G(x)[:1], G(x[:1]), atol=1e-6), "a picture alone gives what it gives among others"


def test_a_logit_of_patches_sees_its_patch_and_no_more():
    D = tr.PatchDiscriminator(channels=3, width=4, patch=10, outline=False)
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    d = D.map(x)
    assert d.shape == (1, 8, 8) and D(x).shape == (64,) and torch.equal(D(x), d.flatten())
    d[0, 4, 4].backward()
    seen = (x.grad.abs().sum((0, 1)) > 0).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [10, 10]
    assert D.net[0].in_channels == 3


def test_translate_takes_bytes_and_floats_alike():
    torch.manual_seed(0)
    G, x = cyclegan.Translator(), torch.randint(256, (5, 3, 16, 16), dtype=torch.uint8)
    y = cyclegan.translate(G, x, batch_size=2)
    assert torch.allclose(y, cyclegan.translate(G, data.to_float(x)), atol=1e-6) and not y.requires_grad


# --------------------------------------------------------------------------------------------------- the measures


def test_the_reader_reads_true_pictures(judge, day):
    for factors, is_night in ((day, False), (cyclegan.with_background(day, "night"), True)):
        x = shapes.render(factors)
        seen = cyclegan.recognise(judge, x)
        assert (seen.night == is_night).float().mean() > 0.98
        assert (seen.shape == factors["shape"]).float().mean() > 0.9
        assert (seen.sure & (seen.colour == factors["colour"])).float().mean() > 0.98
        assert torch.equal(seen.background, factors["background"])
        round_ones = factors["shape"] != shapes.SHAPES.index("triangle")  # their centre of gravity is their centre
        off = (seen.place - 32 * factors["place"]).norm(dim=1)[round_ones]
        assert off.median() < 0.25
        assert all(torch.equal(a, b) for a, b in zip(seen, cyclegan.recognise(judge, data.to_float(x)), strict=True))


def test_rim_and_reading_of_a_picture_painted_by_hand(judge):
    x = torch.empty(1, 3, 32, 32)
    x[:] = data.to_float(torch.tensor(shapes.BACKGROUNDS["grey"], dtype=torch.float32))[:, None, None]
    back = x[0, :, 0, 0].clone()
    x[0, :, 10:14, 20:24] = data.to_float(torch.tensor(shapes.COLOURS["pink"], dtype=torch.float32))[:, None, None]
    x[0, :, 0, :10] = 1  # a spot on the rim does not move the median
    assert torch.equal(cyclegan.rim(x)[0], back)
    x[0, :, 0, :10] = back[:, None]
    seen = cyclegan.recognise(judge, x)
    assert seen.colour.item() == [*shapes.COLOURS].index("pink")
    assert seen.background.item() == [*shapes.BACKGROUNDS].index("grey")
    assert torch.allclose(seen.place, torch.tensor([[22.0, 12.0]]), atol=1e-4)


def test_a_colour_that_is_none_of_the_seven_is_not_sure(judge):
    """Painted by hand on night: the seven, bluer by less and by more than allowed, and grey."""
    seven = torch.tensor([*shapes.COLOURS.values()], dtype=torch.float32)
    apart = torch.cdist(seven, seven).fill_diagonal_(torch.inf)
    least = apart.min()
    near, far = (seven + share * least * torch.tensor([0.0, 0.0, 1.0]) for share in (0.4, 0.6))
    grey = torch.tensor([[189.0, 182.0, 167.0]])
    for colours, sure in ((seven, True), (near.clamp(max=255), True), (far, False), (grey, False)):
        x = torch.empty(len(colours), 3, 32, 32)
        x[:] = data.to_float(torch.tensor(shapes.BACKGROUNDS["night"], dtype=torch.float32))[:, None, None]
        x[:, :, 10:20, 10:20] = data.to_float(colours)[:, :, None, None]
        inside = (colours <= 255).all(1)
        seen = cyclegan.recognise(judge, x[inside])
        assert (seen.sure == sure).all(), (sure, seen.sure)
        if sure:
            assert torch.equal(seen.colour, torch.arange(7))
    assert seen.colour.item() == [*shapes.COLOURS].index("pink")


def test_the_truth_is_complete_and_the_identity_fails_the_first_part_only(judge, day):
    truth = cyclegan.score(judge, night_of(day), day)
    assert truth["night"] > 0.98 and truth["background"] == 1 and truth["shape"] > 0.9 and truth["colour"] > 0.98
    assert truth["place"] == 0 and truth["error"] == 0
    same = cyclegan.score(judge, data.to_float(shapes.render(day)), day)
    assert same["night"] < 0.02 and same["background"] == 0 and same["error"] > 1
    assert same["shape"] > 0.88 and same["colour"] > 0.98 and same["place"] < 0.2


def test_kept_counts_what_was_spoilt_and_nothing_else(judge, day):
    other_colour = {**day, "colour": (day["colour"] + 1) % 7}
    found = cyclegan.score(judge, night_of(other_colour), day)
    assert found["colour"] < 0.02 and found["shape"] > 0.85 and found["background"] == 1 and found["place"] < 0.2
    moved = night_of(day).roll(3, 3)
    assert 2.7 < cyclegan.score(judge, moved, day)["place"] < 3.3
    n = 100
    half = torch.cat([night_of(day)[:n], data.to_float(shapes.render(day))[n:]])
    assert abs(cyclegan.score(judge, half, day)["background"] - n / 400) < 1e-6


# ------------------------------------------------------------------------------------------------ what is shipped


def test_the_cards_say_what_the_shipped_translators_do(judge):
    card = stored.table(NAME)["cards"]["day and night"]
    G = stored.network(cyclegan.Translator(width=card["width"]), NAME, "day and night/G")
    fresh = cyclegan.draw(500, cyclegan.DAY, seed=77)
    found = cyclegan.score(judge, cyclegan.translate(G, shapes.render(fresh)), fresh)
    assert found["background"] >= 0.98 and found["place"] < 1
    assert abs(found["shape"] - card["shape"]) < 0.06 and abs(found["colour"] - card["colour"]) < 0.03
    assert abs(found["error"] - card["error"]) < 0.02

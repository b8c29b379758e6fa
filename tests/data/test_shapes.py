"""Oracles: areas and centres of plane figures, a rendering at eight times the size averaged down, chi-square tests."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ganedu.data import shapes

COLOURS = torch.tensor([*shapes.COLOURS.values()])
BACKGROUNDS = torch.tensor([*shapes.BACKGROUNDS.values()])


def factors(n: int = 600, seed: int = 0) -> dict:
    return shapes.draw_factors(n, torch.Generator().manual_seed(seed))


def cover(images, f) -> torch.Tensor:
    """How much of each pixel the shape covers, (n, H, W), from the colours that the factors name."""
    colour, back = (t.float()[:, :, None, None] for t in (COLOURS[f["colour"]], BACKGROUNDS[f["background"]]))
    return ((images - back) * (colour - back)).sum(1) / (colour - back).square().sum(1)


@pytest.mark.parametrize("size", [8, 16, 28, 33, 64])
def test_shape_and_dtype_at_any_size(size):
    x = shapes.render(factors(50), size)
    assert x.shape == (50, 3, size, size) and x.dtype == torch.uint8


def test_colour_and_background_are_read_back():
    f = factors()
    x = shapes.render(f, 64)
    assert torch.equal(x[:, :, 0, 0].long(), BACKGROUNDS[f["background"]])  # the margin keeps corners free
    column, row = (64 * f["place"]).long().T
    filled = f["shape"] != shapes.SHAPES.index("ring")
    middle = x[torch.arange(len(x)), :, row, column]
    assert torch.equal(middle[filled].long(), COLOURS[f["colour"]][filled])
    assert torch.equal(middle[~filled].long(), BACKGROUNDS[f["background"]][~filled])


def test_size_place_and_shape_are_read_back():
    """From the covered pixels: their number gives the area, their mean the centre (of shapes that are symmetric)."""
    f = factors()
    c = cover(shapes.render(f, 128), f)
    r = 128 * f["size"]
    tip, inner = 1.0, 0.42
    areas = {
        "circle": math.pi, "square": (2 * 0.88) ** 2, "triangle": 3 * math.sqrt(3) / 4,
        "star": 5 * tip * inner * math.sin(math.pi / 5), "ring": math.pi * (1 - 0.44**2),
        "cross": 4 * 0.64 - 0.64**2,
    }  # fmt: skip
    expected = torch.tensor([areas[s] for s in shapes.SHAPES])[f["shape"]] * r**2
    assert float((c.sum((1, 2)) / expected - 1).abs().max()) < 0.02
    at = torch.arange(128) + 0.5
    total = c.sum((1, 2))
    centre = torch.stack([(c.sum(1) * at).sum(1), (c.sum(2) * at).sum(1)], 1) / total[:, None]
    off = (centre - 128 * f["place"]).abs()
    triangle = f["shape"] == shapes.SHAPES.index("triangle")
    assert float(off[~triangle].max()) < 0.3 and float(off[triangle, 0].max()) < 0.3
    assert float((off[triangle, 1] / r[triangle]).max()) < 0.27  # a quarter of the radius, by construction


def test_whole_shape_lies_inside():
    f = factors(3000)
    c = cover(shapes.render(f, 64), f)
    edge = torch.cat([c[:, [0, -1]].flatten(1), c[:, :, [0, -1]].flatten(1)], 1)
    assert float(edge.abs().max()) < 0.01


def test_edges_are_smooth():
    """A pixel's shade is the share of it that is covered, as an eightfold rendering says."""
    f = factors(300)
    fine = torch.nn.functional.avg_pool2d(shapes.render(f, 256).float(), 8)
    difference = (shapes.render(f, 32).float() - fine).abs()
    assert float(difference.mean()) < 0.5 and float(difference.flatten(1).quantile(0.99, dim=1).max()) < 25


def test_one_seed_is_one_scene_at_every_size():
    small, large = (shapes.render(factors(200, seed=4), s).float() for s in (16, 64))
    assert float((small - torch.nn.functional.avg_pool2d(large, 4)).abs().mean()) < 1


def test_factors_are_reproducible_and_even():
    f, again, other = factors(9000, 1), factors(9000, 1), factors(9000, 2)
    assert all(torch.equal(f[k], again[k]) and not torch.equal(f[k], other[k]) for k in f)
    for name, of in (("shape", shapes.SHAPES), ("colour", shapes.COLOURS), ("background", shapes.BACKGROUNDS)):
        assert stats.chisquare(f[name].bincount(minlength=len(of))).pvalue > 0.01
    low, high = shapes.SIZES
    assert stats.kstest(f["size"].numpy(), stats.uniform(low, high - low).cdf).pvalue > 0.01
    relative = (f["place"] - 0.5) / (0.5 - f["size"] - shapes.MARGIN)[:, None]
    assert stats.kstest(relative.flatten().numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    table = np.histogram2d(f["shape"], f["colour"], (6, 7))[0]
    assert stats.chi2_contingency(table).pvalue > 0.01


def test_factors_can_be_set():
    f = factors(1)
    f = {k: v.expand(7, *v.shape[1:]) for k, v in f.items()} | {"colour": torch.arange(7)}
    x = shapes.render(f, 32)
    assert len({tuple(image.flatten().tolist()) for image in x}) == 7
    assert len(shapes.render(factors(0), 16)) == 0


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: shapes.draw_factors(-1), "n=-1"),
        (lambda: shapes.draw_factors(2.0), "n=2.0"),
        (lambda: shapes.render({"shape": torch.zeros(1)}), "lack colour, size, place, background"),
        (lambda: shapes.render(factors(3) | {"size": torch.ones(2)}), "equally many"),
        (lambda: shapes.render(factors(2) | {"colour": torch.tensor([0, 7])}), r"0 to 6 \(orange, sky"),
        (lambda: shapes.render(factors(2) | {"shape": torch.tensor([-1, 0])}), "0 to 5"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()

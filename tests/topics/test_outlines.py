"""Which pictures hold a shape, and which: against shapes as they are drawn, and against what is none."""

import pytest
import torch

from ganedu import data
from ganedu.data import shapes
from ganedu.topics import outlines


@pytest.mark.parametrize("size", [32, 64])
def test_real_pictures_fit_and_are_named(size):
    images = data.load("shapes", image_size=size, n=300, n_test=1)
    found, kind = outlines.overlap(images.x)
    assert (found > outlines.FITS).all() and torch.equal(kind, images.labels)


def test_the_overlap_is_that_of_areas():
    """A square with a strip cut off: the best square that is left has the whole width, or the strip is missed."""
    x = torch.full((1, 3, 32, 32), -1.0)
    x[:, :, 8:24, 8:24] = 1.0
    whole, kind = outlines.overlap(x)
    assert shapes.SHAPES[int(kind)] == "square" and float(whole) > 0.9
    x[:, :, 8:16] = -1.0  # half of it: no square covers it by more than half of the union
    half, _ = outlines.overlap(x)
    assert float(half) < 0.75


def test_what_is_no_shape_does_not_fit():
    torch.manual_seed(0)
    noise = torch.rand(20, 3, 32, 32) * 2 - 1
    blur = torch.nn.functional.avg_pool2d(noise, 9, 1, 4)
    two = shapes.render(shapes.draw_factors(20, torch.Generator().manual_seed(1)), 32).float() / 127.5 - 1
    two = torch.where(torch.arange(32)[:, None] < 16, two, two.flip(2))  # its upper half twice
    plain = torch.zeros(2, 3, 32, 32)
    assert outlines.figures(plain).max() == 0 and outlines.overlap(plain)[0].max() == 0
    for x in (noise, blur):
        assert outlines.overlap(x)[0].max() < outlines.FITS
    assert (outlines.overlap(two)[0] < outlines.FITS).float().mean() > 0.5


def test_colours_do_not_matter():
    f = shapes.draw_factors(40, torch.Generator().manual_seed(2))
    f["background"] = torch.full_like(f["background"], list(shapes.BACKGROUNDS).index("night"))
    other = f | {"colour": (f["colour"] + 1) % len(shapes.COLOURS)}
    first, second = (outlines.figures(shapes.render(v, 32)) for v in (f, other))
    assert (first - second).abs().max() < 0.05


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 48, 48), (2, 3, 32, 64), (3, 32, 32)])
def test_other_pictures_are_refused(shape):
    with pytest.raises(ValueError, match=r"32|\(N, 3"):
        outlines.overlap(torch.zeros(shape))

"""Numbers read off a picture against pictures drawn to order, directions against worlds where they are known."""

import math

import pytest
import torch
from scipy import ndimage
from skimage.draw import disk, polygon
from skimage.transform import AffineTransform, warp

from ganedu.data import shapes
from ganedu.pixels import to_float
from ganedu.topics import handles


def picture(ink):
    return torch.from_numpy(ink).float()[None, None] * 2 - 1


def bar(width, height, size=56, shear=0.0):
    """A bright upright bar, sheared by tan(angle) to the right."""
    big = torch.zeros(size * 8, size * 8).numpy()
    h, w, c = height * 8, width * 8, size * 4
    top, bottom = c - h / 2, c + h / 2
    rows = [top, top, bottom, bottom]
    shift = [shear * (c - r) for r in rows]
    columns = [c - w / 2 + shift[0], c + w / 2 + shift[1], c + w / 2 + shift[2], c - w / 2 + shift[3]]
    rr, cc = polygon(rows, columns, big.shape)
    big[rr, cc] = 1
    return picture(ndimage.uniform_filter(big, 8)[4::8, 4::8])


@pytest.mark.parametrize("width", [3, 5, 8])
def test_the_weight_of_a_long_stroke_is_its_width(width):
    height = 44
    found = float(handles.strokes(bar(width, height))["weight"])
    assert abs(found - width * height / (width + height)) < 0.06 * width  # 2 A / P of a rectangle, exactly


@pytest.mark.parametrize("degrees", [-25, 0, 10, 30])
def test_slant_is_the_angle_of_the_shear(degrees):
    found = handles.strokes(bar(4, 36, shear=math.tan(math.radians(degrees))))
    assert abs(float(found["slant"]) - degrees) < 1


def test_width_does_not_see_the_slant():
    upright, slanted = (float(handles.strokes(bar(9, 36, shear=s))["width"]) for s in (0.0, 0.5))
    assert abs(upright - slanted) < 0.3
    assert abs(upright - 4 * 9 / math.sqrt(12)) < 0.3  # an even spread over 9 pixels has deviation 9 / sqrt(12)


def test_weight_agrees_with_a_ruler_of_another_make():
    """Twice the distance to the background, along the ridge of each stroke."""
    mine, other = [], []
    for width in (3, 4, 6, 8, 10):
        x = bar(width, 44)
        ink = ((x[0, 0] + 1) / 2).numpy() > 0.5
        mine.append(float(handles.strokes(x)["weight"]))
        other.append(2 * ndimage.distance_transform_edt(ink).max())
    assert torch.corrcoef(torch.tensor([mine, other]))[0, 1] > 0.98


def test_brightness_and_sleeves():
    cloth = torch.zeros(28, 28).numpy()
    cloth[4:24, 10:18] = 0.5
    plain = handles.garments(picture(cloth))
    cloth[4:10, 2:26] = 0.5
    sleeved = handles.garments(picture(cloth))
    assert abs(float(plain["brightness"]) - 0.5) < 1e-5 and abs(float(sleeved["brightness"]) - 0.5) < 1e-5
    assert float(plain["sleeve"]) < 1e-6
    assert abs(float(sleeved["sleeve"]) - 60 / (160 + 96)) < 1e-5  # 5 columns of 6 rows on either side
    assert abs(float(plain["length"]) - 4 * math.sqrt((20**2 - 1) / 12)) < 1e-3
    assert float(sleeved["width"]) > float(plain["width"]) + 3


def test_a_things_place_size_and_colour():
    factors = shapes.draw_factors(200, torch.Generator().manual_seed(0))
    factors["shape"][:] = shapes.SHAPES.index("circle")
    found = handles.things(to_float(shapes.render(factors, 64)))
    for k, name in enumerate(("right", "down")):
        assert (found[name] - factors["place"][:, k]).abs().max() < 0.01
    assert torch.corrcoef(torch.stack([found["size"], factors["size"]]))[0, 1] > 0.98
    grounds = torch.tensor([sum(c) / 3 / 255 for c in shapes.BACKGROUNDS.values()])[factors["background"]]
    assert (found["ground"] - grounds).abs().max() < 0.01
    colours = torch.tensor([(c[0] - c[2]) / 255 for c in shapes.COLOURS.values()])[factors["colour"]]
    assert (found["warmth"] - colours).abs().median() < 0.05


def test_a_disc_has_its_radius():
    ink = torch.zeros(64, 64).numpy()
    rr, cc = disk((32, 32), 16)
    ink[rr, cc] = 1
    x = picture(ink).expand(1, 3, 64, 64)
    assert abs(float(handles.things(x)["size"]) - 0.25) < 0.01


def test_an_empty_picture_is_measured_all_the_same():
    for measure, channels in ((handles.strokes, 1), (handles.garments, 1), (handles.things, 3)):
        for value in (-1.0, 0.3):
            found = measure(torch.full((2, channels, 28, 28), value))
            assert all(v.isfinite().all() and v.shape == (2,) for v in found.values())


def test_turning_a_picture_turns_its_slant_the_other_way():
    x = bar(4, 36, shear=0.4)
    mirrored = x.flip(-1)
    a, b = (float(handles.strokes(p)["slant"]) for p in (x, mirrored))
    assert abs(a + b) < 0.5 and a > 15
    turned = warp(((x[0, 0] + 1) / 2).numpy(), AffineTransform(shear=0.0))
    assert abs(float(handles.strokes(picture(turned))["slant"]) - a) < 0.5


@pytest.mark.parametrize("wrong", [torch.zeros(2, 3, 28, 28), torch.zeros(28, 28), torch.full((1, 1, 8, 8), 7.0)])
def test_other_pictures_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        handles.strokes(wrong)


# ---------------------------------------------------------------------------------------------------------- directions


def known(n=4000, seed=0):
    """z in 8 dimensions, and two measures that overlap: z_0, and z_0 + z_1."""
    z = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    return z, {"a": z[:, 0] + 0.1 * z[:, 7], "b": z[:, 0] + z[:, 1]}


def test_directions_leave_each_other_alone():
    z, y = known()
    found = handles.directions(z, y)
    for name, other in (("a", "b"), ("b", "a")):
        slope = torch.linalg.lstsq(z, y[other][:, None]).solution[:, 0]
        assert abs(torch.dot(found[name], slope)) < 1e-3 and abs(found[name].norm() - 1) < 1e-5
        own = torch.linalg.lstsq(z, y[name][:, None]).solution[:, 0]
        assert torch.dot(found[name], own) > 0.5


def test_directions_leave_the_classes_alone():
    z, _ = known()
    labels = (z[:, 2] > 0).long()
    y = {"a": z[:, 0] + 3 * labels}  # most of it comes of the class
    plain, apart = handles.directions(z, y)["a"], handles.directions(z, y, labels)["a"]
    assert plain[2] > 0.5 and abs(apart[2]) < 0.05 and apart[0] > 0.99


def test_apart_is_the_nearest_at_right_angles():
    v, rows = torch.randn(6, generator=torch.Generator().manual_seed(1)), torch.randn(2, 6)
    found = handles.apart(v / v.norm(), rows)
    assert (rows @ found).abs().max() < 1e-5
    q = torch.linalg.qr(rows.T)[0]
    for _ in range(20):
        other = torch.randn(6)
        other = other - q @ (q.T @ other)
        assert torch.dot(other / other.norm(), v) <= torch.dot(found, v) + 1e-5
    with pytest.raises(ValueError, match="nothing is left"):
        handles.apart(v, torch.eye(6))


def flat_world(keep=True):
    def draw(z):
        return z

    def measure(x):
        return {"a": x[:, 0], "b": x[:, 1]}

    def classify(x):
        return (x[:, 3] > 0).long()

    return draw, measure, classify


def test_an_effect_is_the_one_that_is_known():
    draw, measure, classify = flat_world()
    z, along = torch.randn(800, 5, generator=torch.Generator().manual_seed(0)), torch.eye(5)[0]
    found = handles.effect(draw, measure, classify, z, along, "a")
    assert abs(found.slopes["a"][0] - 1 / float(z[:, 0].std())) < 1e-5 and abs(found.slopes["b"][0]) < 1e-6
    assert found.kept[0] == 1 and found.works[0] == 1 and found.works[1] < 1
    through = (torch.eye(5)[0] + torch.eye(5)[3]) / 2**0.5
    worse = handles.effect(draw, measure, classify, z, through, "a")
    moved, chance = worse.value / 2**0.5, torch.distributions.Normal(0.0, 1.0).cdf
    crossed = float(chance(torch.tensor(moved)) - 0.5)  # P(0 < z_3 < moved): taken for the other class
    assert abs(worse.kept[0] - (1 - crossed)) < 0.06
    assert handles.effect(draw, measure, classify, z, torch.eye(5)[2], "a").works[0] == 0


@pytest.mark.parametrize("n", [10, 801])
def test_an_effect_needs_an_even_number(n):
    with pytest.raises(ValueError, match="even number"):
        handles.effect(*flat_world(), torch.randn(n, 5), torch.eye(5)[0], "a")

"""The small world of shapes and the reader of its factors."""

import math

import pytest
import torch

from ganedu.data import shapes
from ganedu.models import n_parameters
from ganedu.topics import reader


def test_factors_are_independent_and_evenly_spread():
    f = reader.draw(20_000, torch.Generator().manual_seed(0))
    assert f.shape == (20_000, len(reader.FACTORS))
    for i, of in enumerate(reader.CLASSES.values()):
        assert (f[:, i].long().bincount(minlength=len(of)) / len(f) - 1 / len(of)).abs().max() < 0.015
    assert f[:, 3:].abs().max() <= 1 and (f[:, 3:].square().mean(0) - 1 / 3).abs().max() < 0.01
    assert torch.corrcoef(f.T).fill_diagonal_(0).abs().max() < 0.03


def test_render_draws_what_ganedu_shapes_draws():
    f = torch.tensor([[1.0, 2.0, 1.0, -1.0, 1.0, 0.0]])  # a cross, pink, on night; small, right, in the middle
    own = reader.render(f)
    index = {"shape": shapes.SHAPES.index("cross"), "colour": [*shapes.COLOURS].index("pink"),
             "background": [*shapes.BACKGROUNDS].index("night")}  # fmt: skip
    theirs = {k: torch.tensor([v]) for k, v in index.items()}
    theirs |= {"size": torch.tensor([0.22]), "place": torch.tensor([[0.63, 0.5]])}
    assert torch.equal(own, shapes.render(theirs, 16))


def test_every_shape_stays_inside():
    (_, large), *places = reader.RANGES.values()
    assert all(large <= low and high + large <= 1 for low, high in places)


def test_the_reader_reads():
    eye = reader.train_reader(steps=400)
    f = reader.draw(500, torch.Generator().manual_seed(7))
    x = reader.render(f)
    seen = reader.read(eye, x)
    assert (seen[:, 1:3] == f[:, 1:3]).float().mean() > 0.95 and (seen[:, 0] == f[:, 0]).float().mean() > 0.9
    assert (seen[:, 3:] - f[:, 3:]).square().mean().sqrt() < 0.2
    assert torch.equal(seen, reader.read(eye, x.div(127.5).sub(1)))
    assert eye.features(x[:3].div(127.5).sub(1)).shape == (3, 64)
    assert n_parameters(reader.Reader()) == 38_570


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: reader.draw(0), "n=0"),
        (lambda: reader.render(torch.zeros(2, 5)), "factors must be"),
        (lambda: reader.render(torch.full((2, 6), math.nan)), "finite"),
        (lambda: reader.render(torch.tensor([[2.0, 0, 0, 0, 0, 0]])), "class numbers"),
        (lambda: reader.render(torch.tensor([[0.5, 0, 0, 0, 0, 0]])), "class numbers"),
        (lambda: reader.render(torch.tensor([[0.0, 0, 0, 1.5, 0, 0]])), "-1 to 1"),
        (lambda: reader.read(reader.Reader(), torch.zeros(2, 3, 28, 28)), "reader's images must be"),
        (lambda: reader.read(reader.Reader(), torch.full((2, 3, 16, 16), math.nan)), "NaN"),
    ],
)
def test_what_does_not_fit_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()

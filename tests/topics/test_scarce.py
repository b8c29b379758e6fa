"""Oracles: scipy's shifts, moments of a spot, points on segments found by brute force, counts, known logits."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage

from ganedu import data
from ganedu.sampling import seeded
from ganedu.topics import scarce
from ganedu.topics.augment import Augmented


def images(n=6, classes=3, size=16, seed=0, test=5):
    """n images a class, each class with a grey level of its own."""
    g = torch.Generator().manual_seed(seed)
    labels, labels_test = torch.arange(classes).repeat(n), torch.arange(classes).repeat(test)
    x, x_test = (
        (torch.randint(0, 40, (len(y), 1, size, size), generator=g) + 80 * y.view(-1, 1, 1, 1)).to(torch.uint8)
        for y in (labels, labels_test)
    )
    return data.Images("greys", x, labels, x_test, labels_test, tuple("abcdef"[:classes]))


def numbers(seed=0):
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------------------ few


def test_few_draws_n_of_each_class_and_leaves_what_is_held_out():
    of = images(n=9)
    some = scarce.few(of, 4, seed=3)
    assert some.labels.bincount().tolist() == [4, 4, 4]
    rows = {(int(y), x.numpy().tobytes()) for x, y in zip(of.x, of.labels, strict=True)}
    drawn = [(int(y), x.numpy().tobytes()) for x, y in zip(some.x, some.labels, strict=True)]
    assert set(drawn) <= rows and len(set(drawn)) == len(drawn)  # its own images, each once
    assert torch.equal(some.x_test, of.x_test) and torch.equal(some.labels_test, of.labels_test)


def test_few_is_nested_for_one_seed_and_differs_between_seeds():
    of = images(n=30)
    small, large, other = (scarce.few(of, n, seed) for n, seed in ((5, 1), (12, 1), (5, 2)))
    sets = [{x.numpy().tobytes() for x in some.x} for some in (small, large, other)]
    assert sets[0] < sets[1] and sets[0] != sets[2]


@pytest.mark.parametrize(("n", "words"), [(1, "n=1"), (7, "rarest class, a, has 6"), (2.0, "n=2.0"), (True, "n=True")])
def test_few_says_what_it_takes(n, words):
    with pytest.raises(ValueError, match=words):
        scarce.few(images(), n)


def test_few_names_a_class_that_has_hardly_an_image():
    of = images()
    keep = torch.cat([(of.labels != 1).nonzero()[:, 0], (of.labels == 1).nonzero()[:1, 0]])
    one = data.Images("one", of.x[keep], of.labels[keep], of.x_test, of.labels_test, of.class_names)
    with pytest.raises(ValueError, match="class b has 1"):
        scarce.few(one, 2)
    with pytest.raises(ValueError, match="greys has 1 class"):
        scarce.few(images(classes=1), 2)


# ---------------------------------------------------------------------------------------------------------- moved


def picture(size=16):
    """A smooth spot off the middle, in [-1, 1], with black edges: (1, 1, size, size), float64."""
    y, x = torch.meshgrid(
        torch.arange(size, dtype=torch.float64), torch.arange(size, dtype=torch.float64), indexing="ij"
    )
    return (2 * torch.exp(-((y - 6.2) ** 2 / 6 + (x - 8.9) ** 2 / 3)) - 1)[None, None]


def test_moved_by_nothing_is_the_image_itself():
    x = picture()
    assert torch.allclose(scarce.moved(x, 0, 0, 1), x, atol=1e-6)


def test_moved_shifts_as_scipy_does_within_its_range():
    n, x = 400, picture()
    many = scarce.moved(x.expand(n, -1, -1, -1), 0, 0.1, 1, numbers())[:, 0].numpy()
    mass = many + 1
    at = [(mass * np.arange(16).reshape(s)).sum((1, 2)) / mass.sum((1, 2)) for s in ((16, 1), (1, 16))]
    by = [a - float((picture()[0, 0].numpy() + 1).sum(1 - i) @ np.arange(16) / (picture()[0, 0] + 1).sum())
          for i, a in enumerate(at)]  # fmt: skip
    for dy, dx, found in list(zip(*by, many, strict=True))[:20]:
        wanted = ndimage.shift(picture()[0, 0].numpy() + 1, (dy, dx), order=1) - 1
        assert abs(found - wanted).max() < 0.02
    for d in by:  # uniform in -1.6 to 1.6 pixels: a tenth of the side
        assert 1.4 < abs(d).max() < 1.65 and abs(d.mean()) < 0.2 and abs(d.std() - 3.2 / math.sqrt(12)) < 0.1


def second_moments(many):
    """Of each image (N, H, H) of mass: the area of its ellipse and the angle of its long axis, in degrees."""
    mass = many / many.sum((1, 2), keepdims=True)
    y, x = np.mgrid[: many.shape[1], : many.shape[1]]
    my, mx = ((mass * a).sum((1, 2))[:, None, None] for a in (y, x))
    yy, xx, xy = ((mass * a).sum((1, 2)) for a in ((y - my) ** 2, (x - mx) ** 2, (y - my) * (x - mx)))
    return np.sqrt(yy * xx - xy**2), np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))


def test_moved_turns_by_at_most_its_angle_both_ways():
    x = picture(32)
    many = scarce.moved(x.expand(500, -1, -1, -1), 20, 0, 1, numbers())[:, 0].numpy() + 1
    angle = second_moments(many)[1]
    start = second_moments(x[0].numpy() + 1)[1][0]
    turned = (angle - start + 90) % 180 - 90
    assert 19 < abs(turned).max() < 20.7 and abs(turned.mean()) < 2 and abs(turned.std() - 40 / math.sqrt(12)) < 1.2


def test_moved_scales_by_at_most_its_zoom_both_ways_about_evenly():
    x = picture(32)
    area = second_moments(scarce.moved(x.expand(500, -1, -1, -1), 0, 0, 1.3, numbers())[:, 0].numpy() + 1)[0]
    by = np.log(area / second_moments(x[0].numpy() + 1)[0]) / 2  # lengths
    assert math.log(1.25) < by.max() < math.log(1.33) and math.log(1.2) < -by.min() < math.log(1.33)
    assert abs(by.mean()) < 0.05  # bilinear resampling widens the spot a little


def test_moved_keeps_black_black_and_draws_for_each_image_its_own():
    x = torch.full((3, 1, 16, 16), -1.0)
    assert torch.allclose(scarce.moved(x), x)
    many = scarce.moved(picture().float().expand(8, -1, -1, -1), generator=numbers())
    assert len(many.unique(dim=0)) == 8 and many.min() >= -1 and many.max() <= 1
    assert torch.equal(many, scarce.moved(picture().float().expand(8, -1, -1, -1), generator=numbers()))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"turn": -1}, "turn=-1"), ({"turn": float("nan")}, "turn=nan"), ({"shift": 1.5}, "shift=1.5"),
     ({"zoom": 0.5}, "zoom=0.5")],
)  # fmt: skip
def test_moved_says_what_it_takes(options, words):
    with pytest.raises(ValueError, match=words):
        scarce.moved(picture(), **options)
    with pytest.raises(ValueError, match="uint8"):
        scarce.moved(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="H, H"):
        scarce.moved(torch.zeros(2, 1, 8, 9))


# ---------------------------------------------------------------------------------------------------------- mixed


@pytest.mark.parametrize("k", [1, 3])
def test_mixed_lies_on_a_segment_to_one_of_the_k_nearest_of_its_class(k):
    of = images(n=7)
    labels = torch.arange(3).repeat(100)
    x = scarce.mixed(of, labels, k, numbers()).flatten(1).double()
    assert x.shape == (300, 256)
    real, weights, used = data.to_float(of.x).flatten(1).double(), [], set()
    for point, c in zip(x, labels.tolist(), strict=True):
        own = real[of.labels == c]
        found = None
        for i, a in enumerate(own):
            far = (own - a).square().sum(1)
            for j in far.argsort()[1 : k + 1].tolist():
                u = float((point - a) @ (own[j] - a) / (own[j] - a).square().sum())
                if -1e-5 <= u <= 1 + 1e-5 and torch.allclose(point, a + u * (own[j] - a), atol=1e-5):
                    found = u, (c, i, j)
        assert found is not None
        weights.append(found[0])
        used.add(found[1])
    assert len(used) > (15 if k == 1 else 35)  # of 21 and 63 ordered pairs
    folded = torch.tensor(weights)
    assert folded.min() < 0.1 and folded.max() > 0.9 and abs(folded.mean() - 0.5) < 0.1


def test_mixed_takes_what_neighbours_there_are_and_gives_the_classes_asked_for():
    of = images(n=2)
    x = scarce.mixed(of, torch.tensor([2, 0, 2]), k=5)
    level = ((x + 1) * 127.5).mean((1, 2, 3))
    assert (level[[0, 2]] > 150).all() and level[1] < 60


@pytest.mark.parametrize(
    ("labels", "k", "words"),
    [(torch.tensor([3]), 1, "from 0 to 2"), (torch.tensor([0.0]), 1, "int64"), (torch.tensor([0]), 0, "k=0"),
     (torch.tensor([], dtype=torch.int64), 1, "one or more"), ([0, 1], 1, "int64")],
)  # fmt: skip
def test_mixed_says_what_it_takes(labels, k, words):
    with pytest.raises(ValueError, match=words):
        scarce.mixed(images(), labels, k)


def test_mixed_needs_two_images_of_a_class():
    of = images()
    keep = of.labels != 1
    keep[1] = True
    one = data.Images("one", of.x[keep], of.labels[keep], of.x_test, of.labels_test, of.class_names)
    with pytest.raises(ValueError, match="class b has 1 image"):
        scarce.mixed(one, torch.tensor([0, 1]))


# ------------------------------------------------------------------------------------------------------------ gan


def test_a_gan_sees_the_few_images_alone_and_the_same_seed_gives_the_same_fakes():
    some = scarce.few(images(n=20), 3, seed=1)
    trainers = [scarce.gan(some, augmented, seed, width=4) for augmented, seed in ((False, 0), (False, 0), (True, 0))]
    seen = torch.cat([trainers[0].data(64)[0] for _ in range(5)])
    rows = {x.numpy().tobytes() for x in data.to_float(some.x)}
    assert {x.numpy().tobytes() for x in seen} == rows  # all of them, and no other
    fakes = []
    for trainer in trainers:
        list(trainer.run(steps=3, every=3))
        fakes.append(trainer.sample(6, torch.arange(3).repeat(2)))
    assert fakes[0].shape == (6, 1, 16, 16) and torch.equal(fakes[0], fakes[1]) and not torch.equal(fakes[0], fakes[2])
    assert isinstance(trainers[2].modules["D"], Augmented) and not isinstance(trainers[0].modules["D"], Augmented)
    with pytest.raises(ValueError, match="1 class"):
        scarce.gan(images(classes=1))


# ------------------------------------------------------------------------------------------------------ who learns


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.25, 16), (0.5, 32), (0.99, 63), (1, 64)])
def test_a_batch_holds_its_share_of_the_pool(share, count):
    of = images()
    pool = torch.full((10, 1, 16, 16), 0.5), torch.full((10,), 2)
    x, labels = scarce.batch(of, pool, share)
    from_pool = (x == 0.5).flatten(1).all(1)
    assert x.shape == (64, 1, 16, 16) and int(from_pool.sum()) == count and (labels[from_pool] == 2).all()
    rows = {(v.numpy().tobytes(), int(y)) for v, y in zip(data.to_float(of.x), of.labels, strict=True)}
    assert {(v.numpy().tobytes(), int(y)) for v, y in zip(x[~from_pool], labels[~from_pool], strict=True)} <= rows


def test_a_batch_takes_bytes_and_floats_alike():
    of = images()
    found = []
    for x in (of.x, data.to_float(of.x)):
        with seeded(0):
            found.append(scarce.batch(of, (x, of.labels), 0.5))
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_a_classifier_learns_from_real_images_and_from_a_pool_and_by_the_pools_labels():
    of = images(n=20)
    pool = of.x, of.labels
    turned = of.x, (of.labels + 1) % 3
    learn = partial(scarce.classifier, of, steps=60, size=32)
    right = [scarce.score(net, of)[0] for net in (learn(), learn(pool, 1.0), learn(turned, 1.0), learn(turned, 0.0))]
    assert right == [1.0, 1.0, 0.0, 1.0]


def test_the_change_is_made_to_all_of_a_batch():
    seen = []

    def change(x):
        seen.append(x.clone())
        return x

    of = images()
    scarce.classifier(of, (torch.full((4, 1, 16, 16), 0.5), torch.zeros(4, dtype=torch.int64)), 0.5, change, steps=2)
    assert len(seen) == 2 and all(((x == 0.5).flatten(1).all(1)).sum() == 16 and len(x) == 32 for x in seen)


def test_the_same_seed_gives_the_same_classifier_and_leaves_others_numbers_alone():
    with seeded(5):
        state = torch.get_rng_state()
        nets = [scarce.classifier(images(), steps=3, seed=s) for s in (0, 0, 1)]
        assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert not any(p.requires_grad for p in nets[0].parameters())


def test_the_score_is_the_share_right_and_the_cross_entropy_of_known_logits():
    class Known(torch.nn.Module):
        def forward(self, x):  # always class 1, with probability 1/2; the others share the rest
            return torch.tensor([[0.25, 0.5, 0.25]]).log().repeat(len(x), 1)

    right, nats = scarce.score(Known(), images(test=200))
    assert abs(right - 1 / 3) < 1e-9 and abs(nats - math.log(2 * 4 * 4) / 3) < 1e-6


@pytest.mark.parametrize(
    ("options", "words"),
    [({"share": 1.5}, "share=1.5"), ({"share": float("nan")}, "share=nan"), ({"steps": 0}, "steps=0"),
     ({"pool": (torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64))}, "the pool's images must be"),
     ({"pool": (torch.zeros(2, 1, 16, 16), torch.zeros(3, dtype=torch.int64))}, "2 images but 3 labels"),
     ({"pool": (torch.zeros(2, 1, 16, 16), torch.tensor([0, 3]))}, "from 0 to 2"),
     ({"pool": (torch.full((2, 1, 16, 16), math.nan), torch.tensor([0, 1]))}, "nan")],
)  # fmt: skip
def test_a_classifier_says_what_it_takes(options, words):
    with pytest.raises(ValueError, match=words):
        scarce.classifier(images(), **options)


def test_a_score_needs_held_out_images():
    of = images(test=0)
    with pytest.raises(ValueError, match="holds no image out"):
        scarce.score(scarce.classifier(of, steps=1), of)

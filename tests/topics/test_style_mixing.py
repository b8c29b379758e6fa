"""Style mixing, w against z and truncation, on a generator whose layers are known: layer k draws factor k alone."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from ganedu.data import shapes
from ganedu.metrics import entanglement
from ganedu.sampling import seeded
from ganedu.topics import reader
from ganedu.topics import style_mixing as sm

K, NAMED, CLASSES = 6, 3, (2, 3, 2)


class Known(nn.Module):
    """w = turn z; entry k of layer k's style sets factor k, which stands in pixel k. `noise` is added to factor 3."""

    layers, z_dim, image_size = K, K, 4

    def __init__(self, turn=None, noise=0.0):
        super().__init__()
        self.turn, self.noise = nn.Parameter(torch.eye(K) if turn is None else turn), noise

    def mapping(self, z):
        return z @ self.turn.T

    def synthesis(self, ws):
        own = torch.diagonal(ws, dim1=1, dim2=2)  # (N, K), entry k of layer k
        even = (1 + torch.erf(own / math.sqrt(2))) / 2  # on 0 to 1
        n = torch.tensor(CLASSES, device=ws.device)
        factors = torch.cat([(even[:, :NAMED] * n).floor().minimum(n - 1), 2 * even[:, NAMED:] - 1], 1)
        factors[:, 3] += self.noise * torch.randn(len(ws)).to(ws.device)
        return nn.functional.pad(factors, (0, 10)).view(-1, 1, 4, 4)


def read(x):
    return x.flatten(1)[:, :K]


def turn(seed=0):
    return torch.linalg.qr(torch.randn(K, K, generator=torch.Generator().manual_seed(seed)))[0]


# ---------------------------------------------------------------------------------------------------- what is read


def test_the_world_of_shapes_comes_back_from_its_columns():
    world = sm.world()
    own, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
    factors = world.draw(200, own)
    assert torch.equal(world.render(factors), shapes.render(shapes.draw_factors(200, theirs), 32))
    assert factors[:, 3:].abs().max() <= 1 + 1e-6 and factors[:, 3].min() < -0.9 and factors[:, 3].max() > 0.9
    assert world.factors == ("shape", "colour", "background", "size", "right", "down")


def test_a_part_of_the_world_numbers_its_own_classes():
    def draw(n, generator=None):
        few = shapes.draw_factors(n, generator)
        return few | {"shape": torch.tensor([0, 4])[few["shape"] % 2], "background": few["background"] % 2}

    world = sm.world(draw, shape=("circle", "ring"), background=("white", "sand"))
    factors = world.draw(300)
    assert factors[:, 0].unique().tolist() == [0, 1] and factors[:, 2].unique().tolist() == [0, 1]
    ring = shapes.SHAPES.index("ring")
    one = {"shape": torch.tensor([ring]), "colour": torch.tensor([2]), "background": torch.tensor([1]),
           "size": torch.tensor([0.26]), "place": torch.tensor([[0.5, 0.5]])}  # fmt: skip
    assert torch.equal(world.render(torch.tensor([[1.0, 2, 1, 0, 0, 0]])), shapes.render(one, 32))


def test_a_reader_learns_another_world_than_the_corner():
    world = sm.world(image_size=16, shape=("circle", "cross"))._replace(draw=reader.draw, render=reader.render)
    world = world._replace(classes=reader.CLASSES)
    eye = reader.train_reader(200, world=world)
    f = reader.draw(300, torch.Generator().manual_seed(5))
    assert (reader.read(eye, reader.render(f))[:, 1:3] == f[:, 1:3]).float().mean() > 0.9
    large = reader.Reader(4, sm.world())
    assert [len(t[0]) for t in large(torch.zeros(2, 3, 32, 32))] == [6, 7, 4, 3] and large.image_size == 32


def test_pictures_overlap_with_their_own_factors_and_not_with_others():
    world = sm.world()
    f = world.draw(40, torch.Generator().manual_seed(0))
    x = world.render(f)
    assert sm.redrawn(x, f, world).min() > 0.999
    wrong = f.clone()
    wrong[:, 4] = -wrong[:, 4]
    far = f[:, 4].abs() > 0.6
    assert far.sum() > 5 and sm.redrawn(x, wrong, world)[far].max() < 0.6
    assert sm.redrawn(torch.full((2, 3, 32, 32), 0.3), f[:2], world).max() == 0  # no figure


# ------------------------------------------------------------------------------------------------------------ styles


def test_styles_are_those_of_random_z_and_draw_repeats_them():
    G = Known(turn())
    with seeded(4):
        z = torch.randn(10, K)
    w = sm.styles(G, 10, seed=4)
    assert torch.allclose(w, z @ turn().T) and torch.equal(w, sm.map_z(G, z))
    assert torch.equal(sm.draw(G, w), sm.draw(G, w[:, None].repeat(1, K, 1)))


def test_mix_takes_the_named_layers_and_no_others():
    a, b = torch.zeros(2, 5), torch.ones(2, 5)
    assert sm.mix(a, b, [1, 3], 4)[:, :, 0].tolist() == [[0, 1, 0, 1]] * 2
    assert torch.equal(sm.mix(a, b, [], 4), torch.zeros(2, 4, 5)) and sm.mix(a, b, range(4), 4).min() == 1


def test_equal_seeds_give_equal_noise_row_by_row():
    G, w = Known(noise=0.5), torch.zeros(7, K)
    assert torch.equal(sm.draw(G, w, 1, batch_size=3), sm.draw(G, w, 1, batch_size=3))
    assert not torch.equal(sm.draw(G, w, 1), sm.draw(G, w, 2))


def test_truncation_by_hand():
    w, centre = torch.tensor([[3.0, -1.0], [1.0, 1.0]]), torch.tensor([1.0, 0.0])
    assert sm.truncated(w, centre, 0.5).tolist() == [[2.0, -0.5], [1.0, 0.5]]
    assert torch.equal(sm.truncated(w, centre, 0), centre.expand(2, 2))
    assert torch.equal(sm.truncated(w, centre, 1), w)


# ------------------------------------------------------------------------------------------------- factor by layer


def test_two_independent_pictures_by_closed_form():
    f = read(sm.draw(Known(), sm.styles(Known(), 5000)))
    wanted = torch.tensor([1 / 2, 2 / 3, 1 / 2, 2 / 3, 2 / 3, 2 / 3], dtype=torch.float64)  # 1 - 1/n; E|a - b| = 2/3
    assert (sm.usual(f, NAMED) - wanted).abs().max() < 0.03


def test_layer_k_moves_factor_k_and_nothing_else():
    found = sm.exchange(Known(turn()), read, NAMED, pairs=400)
    mean = found.layers.mean(1)
    assert (mean - torch.diag(mean.diagonal())).abs().max() == 0
    assert (mean.diagonal() - 1).abs().max() < 0.15
    assert found.noise.abs().max() == 0 and found.layers.shape == (K, 400, K)


def test_sets_of_layers_move_their_factors():
    found = sm.exchange(Known(), read, NAMED, pairs=300, sets=[[0, 4], [], range(K)])
    mean = found.layers.mean(1)
    assert (mean[0][[1, 2, 3, 5]] == 0).all() and (mean[0][[0, 4]] - 1).abs().max() < 0.2
    assert (mean[1] == 0).all() and (mean[2] - 1).abs().max() < 0.2


def test_the_noise_row_shows_noise_alone_and_the_exchange_does_not():
    found = sm.exchange(Known(noise=0.3), read, NAMED, pairs=300)
    assert (found.noise.mean(0)[[0, 1, 2, 4, 5]] == 0).all()
    wide = 2 / math.sqrt(math.pi) * 0.3  # E|difference| of two normal numbers
    usual_ = sm.usual(read(sm.draw(Known(noise=0.3), sm.styles(Known(), 5000))), NAMED)[3]
    assert abs(found.noise[:, 3].mean() * usual_ / wide - 1) < 0.15
    assert found.layers[0, :, 3].abs().max() < 1e-6  # the noise is the same before and after


def test_the_mean_over_pairs_is_the_change_of_notebook_11():
    g = torch.Generator().manual_seed(0)
    before, after, fresh = (reader.draw(n, g) for n in (50, 50, 400))
    per_pair = sm.apart(before, after, 3) / sm.usual(fresh, 3)
    assert torch.allclose(per_pair.mean(0), entanglement.change(before, after, fresh, 3), rtol=0.05)


# ------------------------------------------------------------------------------------------------- w against z


def pictures_of(G, through=None):
    return lambda codes: sm.draw(G, codes if through is None else through(codes))


def test_where_axes_are_factors_w_is_disentangled_and_a_turned_z_is_not():
    G = Known(turn(2))
    with seeded(0):
        z = torch.randn(4000, K)
    w = sm.map_z(G, z)
    seen = read(sm.draw(G, w))
    in_w = sm.space(pictures_of(G), w, seen, read, CLASSES)
    in_z = sm.space(pictures_of(G, lambda codes: sm.map_z(G, codes)), z, seen, read, CLASSES)
    assert in_w.disentanglement > 0.9 and in_z.disentanglement < 0.6
    assert in_w.by_direction > 0.75 and in_z.by_direction < 0.5
    # a turn changes neither what straight directions tell nor what they drag along
    assert (in_w.told - in_z.told).abs().max() < 0.02 and (in_w.ambiguity - in_z.ambiguity)[
        [0, 2, 3, 4, 5]
    ].abs().max() < 0.03
    assert in_w.told.min() > 0.85 and in_w.ambiguity[[0, 2, 3, 4, 5]].max() < 0.12
    assert in_w.ambiguity[1] > 0.3  # the second of three colours has no direction: it lies between the others


def test_a_space_that_knows_nothing_tells_nothing():
    G, chance = Known(), torch.Generator().manual_seed(1)
    w = sm.styles(G, 3000)
    found = sm.space(None, torch.randn(3000, K, generator=chance), read(sm.draw(G, w)), read, CLASSES)
    assert found.told.abs().max() < 0.1 and found.ambiguity.isnan().all() and found.by_direction < 0.5


def test_scale_of_the_codes_does_not_matter():
    G = Known()
    w = sm.styles(G, 2000)
    seen = read(sm.draw(G, w))
    one, other = (sm.space(None, c, seen, read, CLASSES) for c in (w, 100 * w))
    assert torch.allclose(one.told, other.told, atol=0.01) and abs(one.by_direction - other.by_direction) < 0.01


class Straight(nn.Module):
    """G(w) = A w as pixels, w = z or a bent z: its path lengths are known."""

    layers, z_dim = 1, 8

    def __init__(self, A, mapping=lambda z: z):
        super().__init__()
        self.A, self.mapping = nn.Parameter(A), mapping

    def synthesis(self, ws):
        return (ws[:, 0] @ self.A.T).view(-1, 1, 4, 4)


def squares(x, y):
    return (x - y).square().flatten(1).sum(1)


def test_path_lengths_by_closed_form():
    A = torch.linalg.qr(torch.randn(16, 8, generator=torch.Generator().manual_seed(0)))[0]  # keeps lengths
    found = sm.path_length(Straight(A), squares, paths=400, eps=1e-2)
    with seeded(0):
        a, b = torch.randn(2, 400, 8)
    assert torch.allclose(found.w, (b - a).square().sum(1).double(), rtol=1e-2)
    angle = torch.cosine_similarity(a, b).acos()
    equal = (a.norm(dim=1) / b.norm(dim=1) - 1).abs() < 0.02  # on an arc of one radius the speed is radius x angle
    arc = (a.norm(dim=1) * angle).square().double()
    assert equal.sum() > 3 and torch.allclose(found.z[equal], arc[equal], rtol=0.06)


def test_a_bent_mapping_makes_z_longer_than_w():
    A = torch.eye(16)[:, :8]
    found = sm.path_length(Straight(A, lambda z: 3 * torch.sin(3 * z)), squares)
    assert found.z.mean() > 2 * found.w.mean()


# -------------------------------------------------------------------------------------------------------- variety


def test_evenness_against_scipy():
    g = torch.Generator().manual_seed(0)
    f = torch.cat([torch.randint(3, (999, 1), generator=g).float().square().clamp(max=2),
                   torch.randn(999, 1, generator=g) / 2], 1)  # fmt: skip
    counts = f[:, 0].long().bincount(minlength=3).numpy()
    bars = torch.histogram(f[:, 1].clamp(-1, 0.9999), 10, range=(-1, 1)).hist.numpy()
    wanted = [stats.entropy(counts) / math.log(3), stats.entropy(bars) / math.log(10)]
    assert sm.evenness(f, (3,)).tolist() == pytest.approx(wanted, abs=1e-3)
    assert sm.evenness(torch.zeros(50, 2), (3,)).tolist() == [0, 0]
    even = torch.stack([torch.arange(30.0) % 3, torch.linspace(-0.99, 0.99, 30)], 1)
    assert sm.evenness(even, (3,)).tolist() == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sm.world(shape=("heart",)), "heart"),
        (lambda: sm.world(size=("large",)), "not in the world"),
        (lambda: sm.styles(Known(), 0), "n"),
        (lambda: sm.mix(torch.zeros(2, 3), torch.zeros(3, 3), [0], 2), "equally many"),
        (lambda: sm.mix(torch.zeros(2, 3), torch.zeros(2, 3), [2], 2), r"layers \[2\]"),
        (lambda: sm.mix(torch.zeros(2, 3), torch.zeros(2, 3), [-1], 2), r"layers \[-1\]"),
        (lambda: sm.draw(Known(), torch.zeros(2, 5, K)), "one a layer"),
        (lambda: sm.truncated(torch.zeros(2, 3), torch.zeros(2), 1.0), "centre"),
        (lambda: sm.truncated(torch.zeros(2, 3), torch.zeros(3), math.nan), "nan"),
        (lambda: sm.apart(torch.zeros(2, 3), torch.zeros(3, 3), 1), "equally|factors a and b"),
        (lambda: sm.apart(torch.zeros(2, 3), torch.zeros(2, 3), 4), "named=4"),
        (lambda: sm.usual(torch.zeros(9, 3), 1), "no scale"),
        (lambda: sm.exchange(Known(), read, NAMED, pairs=1), "pairs"),
        (lambda: sm.exchange(Known(), read, NAMED, pairs=9, sets=[[9]]), r"layers \[9\]"),
        (lambda: sm.space(None, torch.randn(500, K), torch.zeros(500, K), read, CLASSES), "nothing tells"),
        (lambda: sm.path_length(Straight(torch.eye(16)[:, :8]), squares, eps=0.0), "eps=0.0"),
        (lambda: sm.path_length(Straight(torch.eye(16)[:, :8]), squares, paths=1), "paths"),
        (lambda: sm.evenness(torch.full((3, 2), math.nan), (2,)), "finite"),
        (lambda: sm.evenness(torch.zeros(0, 2), (2,)), "1 or more"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call()

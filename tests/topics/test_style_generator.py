"""The style-based generator: modulation against each sample's own weights, variances, what each part may change."""

import copy
import itertools
import math
from functools import partial

import by_hand
import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from ganedu import losses, models, steps
from ganedu.sampling import seeded
from ganedu.topics import outlines
from ganedu.topics import style_generator as sg


def small(**parts):
    with seeded(0):
        return sg.StyleGenerator(16, 8, 8, (12, 8, 6), **parts).eval()


# ------------------------------------------------------------------------------------------------ the layers


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_each_samples_own_convolution(k, demodulate):
    torch.manual_seed(0)
    x, weight, style = (torch.randn(s, dtype=torch.float64) for s in ((5, 4, 6, 6), (3, 4, k, k), (5, 4)))
    found = sg.modulated_conv(x, weight, style, demodulate, eps=0.0)
    for n in range(5):
        own = weight * style[n][None, :, None, None]
        if demodulate:
            own = own / own.flatten(1).norm(dim=1)[:, None, None, None]
        assert torch.allclose(found[n], conv2d(x[n][None], own, padding=k // 2)[0], rtol=1e-10, atol=1e-12)


def test_modulation_has_the_slopes_of_its_formula():
    torch.manual_seed(0)
    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((2, 3, 4, 4), (2, 3, 3, 3), (2, 3))]
    assert torch.autograd.gradcheck(sg.modulated_conv, inputs)


def test_demodulated_outputs_have_variance_one_whatever_the_style():
    torch.manual_seed(0)
    x = torch.randn(400, 16, 10, 10)
    weight, style = 3 * torch.randn(8, 16, 3, 3), torch.randn(1, 16).exp().expand(400, -1)
    inside = sg.modulated_conv(x, weight, style)[..., 1:-1, 1:-1]
    assert (inside.var((0, 2, 3)) - 1).abs().max() < 0.05
    loud = sg.modulated_conv(x, weight, style, demodulate=False)[..., 1:-1, 1:-1]
    assert loud.var((0, 2, 3)).min() > 100  # without, the weights' size and the style's go through
    edge = sg.modulated_conv(x, weight, style)[..., 0, 0]
    assert edge.var(0).mean() < 0.7  # four ninths of the pixels are there, the others zeros


def test_the_louder_style_is_louder_without_demodulation_alone():
    torch.manual_seed(0)
    x, weight, style = torch.randn(3, 4, 5, 5), torch.randn(2, 4, 3, 3), torch.rand(3, 4) + 0.5
    twice = [sg.modulated_conv(x, weight, 2 * style, d) / sg.modulated_conv(x, weight, style, d) for d in (False, True)]
    assert (twice[0] - 2).abs().max() < 1e-3 and (twice[1] - 1).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("x", "weight", "style"),
    [
        ((2, 3, 4, 4), (2, 3, 3, 3), (2, 2)),  # a style for other maps
        ((2, 3, 4, 4), (2, 3, 3, 3), (1, 3)),  # one style for all: which sample's?
        ((2, 3, 4, 4), (2, 4, 3, 3), (2, 3)),
        ((2, 3, 4, 4), (2, 3, 2, 2), (2, 3)),
        ((3, 4, 4), (2, 3, 3, 3), (2, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, weight, style):
    with pytest.raises(ValueError, match=r"one factor a sample and input map"):
        sg.modulated_conv(torch.ones(x), torch.ones(weight), torch.ones(style))


@pytest.mark.parametrize("side", [1, 4, 9])
def test_doubling_is_bilinear(side):
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    wanted = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(sg.doubled(x), wanted, atol=1e-6)


def test_a_styled_layer_is_the_parts_one_after_the_other():
    torch.manual_seed(0)
    layer = sg.StyledConv(4, 6, 5)
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.constant_(layer.strength, 0.3)
    x, w, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 5), torch.randn(3, 1, 8, 8)
    style = w @ layer.affine.weight.T / math.sqrt(5) + layer.affine.bias
    wanted = math.sqrt(2) * sg.modulated_conv(x, layer.weight, style) + layer.bias[:, None, None] + 0.3 * noise
    assert torch.allclose(layer(x, w, noise), torch.where(wanted > 0, wanted, 0.2 * wanted), atol=1e-5)


def test_the_batchs_deviation_is_that_of_its_groups():
    torch.manual_seed(0)
    x = torch.randn(8, 3, 4, 4)
    found = sg.batch_deviation(x, 4)
    for n in range(8):
        group = x[[n % 2, n % 2 + 2, n % 2 + 4, n % 2 + 6]]
        assert abs(found[n] - group.std(0, unbiased=False).mean()) < 1e-5
    assert sg.batch_deviation(x[:1].expand(8, -1, -1, -1)).max() < 1e-3  # a collapsed batch shows
    assert sg.batch_deviation(x[:7]).unique().shape == (1,)  # no multiple of 4: all are one group


# ------------------------------------------------------------------------------------------------ the generator


@pytest.mark.parametrize(("side", "layers"), [(16, 6), (32, 8), (64, 10)])
def test_sizes_and_layers(side, layers):
    G, D = sg.StyleGenerator(side, 8, 8, (8, 8, 6, 4, 4)), sg.StyleDiscriminator(side, (4, 6, 8))
    x = G(torch.randn(4, 8))
    assert G.layers == layers and x.shape == (4, 3, side, side) and x.abs().max() <= 1 and D(x).shape == (4,)
    assert [n.shape[-1] for n in G.noise(2)] == sorted(n.shape[-1] for n in G.noise(2)) and G.noise(2)[-1].shape[
        -1
    ] == side
    for network in (sg.StyleGenerator, sg.StyleDiscriminator):
        with pytest.raises(ValueError, match=r"choose one of 16, 32, 64"):
            network(28)


def test_parameters_are_as_many_as_the_docstrings_say():
    for network in (sg.StyleGenerator, sg.StyleDiscriminator):
        assert f"{models.n_parameters(network()):,} parameters at 32 pixels" in network.__doc__


def test_w_and_noise_say_everything():
    G = small()
    for conv in G.convs:
        torch.nn.init.constant_(conv.strength, 0.5)
    z, noise = torch.randn(4, 8), G.noise(4)
    ws = G.broadcast(G.mapping(z))
    assert torch.equal(G.synthesis(ws, noise), G.synthesis(ws, noise))
    assert not torch.allclose(G.synthesis(ws), G.synthesis(ws), atol=1e-3)
    with seeded(5):
        direct = G(z)
    with seeded(5):
        assert torch.equal(direct, G.synthesis(ws))
    assert torch.allclose(G.mapping(z), G.mapping(7 * z), atol=1e-4)  # a direction, no length


@pytest.mark.parametrize("part", ["mapping", "modulate", "noise"])
def test_a_part_that_is_left_out_does_nothing(part):
    G, z = small(**{part: False}), torch.randn(6, 8)
    ws = G.broadcast(G.mapping(z)).clone()
    if part == "mapping":
        assert torch.allclose(ws[:, 0], z / z.square().mean(1, keepdim=True).sqrt(), atol=1e-5)
        assert not [*G.mapping.parameters()]
    noise = [None] * len(G.convs) if part == "noise" else G.noise(6)
    others = ws.flip(0)
    moved = []
    for k in range(G.layers):
        mixed = ws.clone()
        mixed[:, k] = others[:, k]
        with torch.no_grad():
            moved.append(float((G.synthesis(mixed, noise) - G.synthesis(ws, noise)).abs().max()))
    if part == "modulate":
        assert moved[0] > 1e-3 and max(moved[1:]) == 0  # w enters at the start alone
    else:
        assert min(moved) > 1e-4
    if part == "noise":
        assert torch.equal(G(z), G(z))


def test_a_layers_style_reaches_its_own_side_only():
    """The last layers' w cannot move the picture that the first sides have drawn: with their RGB weights at 0."""
    G = small()
    with torch.no_grad():
        for rgb in G.rgbs[1:]:
            rgb.weight.zero_()
    ws, noise = G.broadcast(G.mapping(torch.randn(4, 8))).clone(), G.noise(4)
    mixed = ws.clone()
    mixed[:, 2:] = ws.flip(0)[:, 2:]
    assert torch.equal(G.synthesis(mixed, noise), G.synthesis(ws, noise))


def test_bad_styles_are_refused():
    G = small()
    with pytest.raises(ValueError, match=r"a w for each layer"):
        G.synthesis(torch.randn(4, 8))
    with pytest.raises(ValueError, match=r"a w for each layer"):
        G.synthesis(torch.randn(4, G.layers + 1, 8))
    with pytest.raises(ValueError, match=r"w_dim=4 must equal z_dim=8"):
        sg.StyleGenerator(16, 8, 4, mapping=False)


# ------------------------------------------------------------------------------------------------ the game


@pytest.mark.usefixtures("double")
def test_the_step_with_a_lazy_penalty_is_the_one_written_by_hand():
    players, x_real, _ = by_hand.game()
    players["penalty"] = sg.Lazily(losses.r1, every=2)
    for charged in (True, False, True):
        once = copy.deepcopy({k: players[k] for k in ("G", "D")})
        torch.manual_seed(3)
        g, d, loss_D, loss_G = hand(once["G"], once["D"], x_real, 2.0 if charged else 0.0)
        torch.manual_seed(3)
        record = steps.train_step(x_real, **players)
        by_hand.assert_equal_games(players, record, g, d, loss_D, loss_G)
    assert int(players["penalty"].calls) == 3


def hand(G, D, x_real, weight):
    """One round with the non-saturating loss and `weight` times R1, on matrix products."""
    g, d = ([p.detach().clone().requires_grad_() for p in m.parameters()] for m in (G, D))
    d_goal, g_goal = by_hand.GOALS["non-saturating"]
    x_fake = by_hand.generate(g, torch.randn(len(x_real), by_hand.Z)).detach()
    loss_D = d_goal(by_hand.judge(d, x_real), by_hand.judge(d, x_fake))
    loss_D = loss_D + weight * by_hand.penalise("r1", lambda t, d=d: by_hand.judge(d, t), x_real, x_fake)
    d = by_hand.descend(d, loss_D, by_hand.LR_D)
    loss_G = g_goal(by_hand.judge(d, by_hand.generate(g, torch.randn(len(x_real), by_hand.Z))), None)
    return by_hand.descend(g, loss_G, by_hand.LR_G), d, loss_D, loss_G


def test_a_lazy_penalty_is_as_strong_on_average():
    penalty = sg.Lazily(lambda D, a, b: torch.tensor(0.5), every=16)
    found = [float(penalty(None, None, None)) for _ in range(64)]
    assert sum(found) / 64 == 0.5 and sum(v > 0 for v in found) == 4 and found[0] == 8
    assert "calls" in penalty.state_dict()  # a resumed run goes on counting
    with pytest.raises(ValueError, match="every"):
        sg.Lazily(losses.r1, 0)


def test_players_learn_each_at_its_rate():
    G, D = small(), sg.StyleDiscriminator(16, (4, 6))
    found = sg.players(G, D, lr_G=1e-2, mapping_rate=0.1)
    rates = {id(p): group["lr"] for group in found["opt_G"].param_groups for p in group["params"]}
    assert len(rates) == len([*G.parameters()])
    assert all(math.isclose(rates[id(p)], 1e-3) for p in G.mapping.parameters())
    assert rates[id(G.start.weight)] == 1e-2
    steps.train_step(sg.sample(8, 16), z_dim=8, **found)
    assert len(sg.players(small(mapping=False), D)["opt_G"].param_groups) == 1


def test_the_rate_warms_up_and_falls():
    rate = [sg.warm_then_down(i / 1000) for i in range(1001)]
    assert 0 < rate[0] <= 0.02 and rate[300] == rate[600] == 1 and abs(rate[800] - 0.5) < 1e-9 and rate[-1] == 0
    assert all(a <= b for a, b in itertools.pairwise(rate[:90]))
    assert all(a >= b for a, b in itertools.pairwise(rate[600:]))


# ------------------------------------------------------------------------------------------------ the world


def test_the_easier_world_is_what_it_says():
    factors = sg.draw(3000, torch.Generator().manual_seed(0))
    for name, of in sg.CLASSES.items():
        index, counts = factors[name].unique(return_counts=True)
        assert sorted(sg._NAMES[name][i] for i in index) == sorted(of)
        assert (counts / 3000 - 1 / len(of)).abs().max() < 0.04
    assert factors["size"].min() >= sg.LARGE[0] and factors["size"].max() <= sg.LARGE[1]
    assert abs(float(factors["size"].mean()) - sum(sg.LARGE) / 2) < 0.002
    reach = (factors["place"] - 0.5).abs().max(1).values + factors["size"]
    assert reach.max() <= 0.48 + 1e-6  # the whole shape is inside
    x = sg.render(factors)[:300]
    assert x.shape == (300, 3, 32, 32) and x.min() >= -1 and x.max() <= 1
    fit, kind = outlines.overlap(x)
    assert (fit > outlines.FITS).all() and (kind == factors["shape"][:300]).float().mean() > 0.99


def test_soft_edges_are_a_blur_and_nothing_else():
    from scipy.ndimage import convolve1d

    factors = sg.draw(3, torch.Generator().manual_seed(1))
    hard = sg.shapes.render(factors, 32).double().numpy()
    for axis in (2, 3):
        hard = convolve1d(hard, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    assert abs(sg.render(factors).numpy() - (hard / 127.5 - 1)).max() < 1e-6


@pytest.fixture(scope="module")
def reader():
    return sg.train_reader(steps=500)


def test_what_is_read_can_be_drawn_again(reader):
    with seeded(9):
        factors = sg.draw(400)
    x = sg.render(factors)
    found = sg.read(reader, x)
    for name in sg.CLASSES:
        assert (found[name] == factors[name]).float().mean() > 0.9, name
    assert (found["place"] - factors["place"]).abs().mean() < 0.04
    again = sg.render(found)
    same = (again - x).square().mean()
    assert same < 0.3 * (again - x.flip(0)).square().mean()  # nearer to its own picture than to another's
    assert again.shape == x.shape  # whatever is read stays inside the picture


def test_what_is_no_picture_is_read_without_leaving_the_world(reader):
    found = sg.read(reader, torch.rand(50, 3, 32, 32) * 2 - 1)
    assert ((found["place"] - 0.5).abs().max(1).values + found["size"]).max() <= 0.48 + 1e-6
    with pytest.raises(ValueError, match="the reader's images"):
        sg.read(reader, torch.rand(5, 3, 16, 16))


def test_a_short_training_moves_towards_the_world():
    from ganedu.training import Trainer

    with seeded(0):
        G, D = sg.StyleGenerator(16, 16, 16, (24, 16, 12)), sg.StyleDiscriminator(16, (12, 16))
    before = sg.StyleGenerator(16, 16, 16, (24, 16, 12))
    trainer = Trainer(partial(steps.train_step, z_dim=16), sg.players(G, D), partial(sg.sample, image_size=16),
                      batch_size=16, ema=0.99, device="cpu")  # fmt: skip
    list(trainer.run(steps=120))
    with seeded(0):
        real = sg.sample(500, 16)
        fresh = before(torch.randn(500, 16)).detach()
    gap = [abs(float(x.mean() - real.mean())) + abs(float(x.std() - real.std())) for x in (trainer.sample(500), fresh)]
    assert gap[0] < gap[1]


# ------------------------------------------------------------------------------------------------ what ships


def test_the_generator_that_ships_is_as_its_card_says():
    from ganedu.course import stored
    from ganedu.sampling import generate

    name = "19_style_generator"
    table, G = stored.table(name), stored.network(sg.StyleGenerator(), name, "G")
    fit, kind = outlines.overlap(generate(G, 1000, seed=5))
    known = torch.tensor([sg.shapes.SHAPES.index(word) for word in sg.CLASSES["shape"]])
    clear = float(((fit > outlines.FITS) & torch.isin(kind, known)).float().mean())
    assert abs(clear - table["long"]["clear"]) < 0.06 and clear > 0.5
    assert (stored.FOLDER / f"{name}.safetensors").stat().st_size < 2e6
    seeds = [stored.network(sg.StyleGenerator(**sg.SMALL), name, f"seed{i}") for i in range(5)]
    first = [generate(g, 4) for g in seeds]
    assert all(not torch.allclose(a, b, atol=0.01) for a, b in itertools.combinations(first, 2))

"""Stacked worlds against one world at a time, built from torch.nn, torch.optim and torch's spectral norm."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from ganedu import losses, metrics
from ganedu.toys import densities, stacked, worlds

W, N, Z, H = 3, 12, 2, 7


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# ----------------------------------------------------------------------------------------- one world, by torch.nn


class MinibatchStd(nn.Module):
    """Written from Karras et al. 2018, section 3, on its own."""

    def forward(self, x):
        std = torch.sqrt(((x - x.mean(0)) ** 2).mean(0) + 1e-8).mean()
        return torch.cat([x, std.repeat(len(x))[:, None]], 1)


def alone(net: stacked.StackedMLP, w: int) -> nn.Sequential:
    """World w of a stacked network as torch's own modules, with equal weights."""
    modules = []
    for i, layer in enumerate(net.layers):
        if i == net.std_at:
            modules.append(MinibatchStd())
        spectral = nn.utils.parametrize.is_parametrized(layer)
        weight = layer.parametrizations.weight.original if spectral else layer.weight
        linear = nn.Linear(*weight.shape[1:])
        with torch.no_grad():
            linear.weight.copy_(weight[w].T)
            linear.bias.copy_(layer.bias[w, 0])
        if spectral:
            parametrizations.spectral_norm(linear)
            power, ours = linear.parametrizations.weight[0], layer.parametrizations.weight[0]
            power._u.copy_(ours.u[w, 0])
            power._v.copy_(ours.v[w, 0])
        modules.append(linear)
        if i < len(net.layers) - 1:
            if str(i) in net.norms:
                modules.append(nn.BatchNorm1d(linear.out_features, track_running_stats=False))
            modules.append(nn.LeakyReLU(net.slope) if net.slope else nn.ReLU())
    return nn.Sequential(*modules, nn.Flatten(0)) if net.logits else nn.Sequential(*modules)


def compare(net: stacked.StackedMLP, w: int, module: nn.Sequential) -> None:
    """Weights and gradients of world w are those of `module`."""
    for (name, ours), theirs in zip(ordered(net), module.parameters(), strict=True):
        for a, b in ((ours, theirs), (ours.grad, theirs.grad)):
            b = b.T if b.ndim == 2 else b[None]
            torch.testing.assert_close(a[w], b, rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n} {m}")


def ordered(net):
    """Parameters in the order of nn.Sequential: torch lists weight, bias; a parametrised layer lists bias first."""
    for i, layer in enumerate(net.layers):
        names = [f"layers.{i}.{n}" for n, _ in layer.named_parameters()] + [f"norms.{i}.scale", f"norms.{i}.shift"]
        yield from ((n, p) for n in names for m, p in net.named_parameters() if m == n)


def reference_step(x_real, z, *, G, D, opt_G, opt_D, loss, penalty, pack, one_pass):
    """The game of Goodfellow et al. 2014, algorithm 1, in one world, by hand."""
    deal = lambda x: torch.stack([torch.cat(tuple(row)) for row in x.split(pack)])  # noqa: E731
    for x, noise in zip(x_real, z[:-1], strict=True):
        x, x_fake = deal(x), deal(G(noise)).detach()
        if one_pass:  # torch's spectral norm makes one power iteration a call
            d_real, d_fake = D(torch.cat([x, x_fake])).chunk(2)
        else:
            d_real, d_fake = D(x), D(x_fake)
        goal = loss.d_loss(d_real, d_fake)
        if penalty is not None:
            goal = goal + penalty(D, x, x_fake)
        opt_D.zero_grad()
        goal.backward()
        opt_D.step()
    d_grads = [p.grad.clone() for p in D.parameters()]
    x_fake = deal(G(z[-1]))
    d_fake = D(x_fake)
    goal_G = loss.g_loss(d_fake, D(x).detach() if loss.pairs else None)
    opt_G.zero_grad()
    goal_G.backward()
    opt_G.step()
    for p, g in zip(D.parameters(), d_grads, strict=True):
        p.grad = g
    return goal.detach(), goal_G.detach()


ADAM = ("adam", {})
CASES = {f"{x.name}": ({"loss": x}, {}, ADAM) for x in losses.ALL} | {
    "r1": ({"penalty": partial(losses.r1, gamma=0.3)}, {}, ADAM),
    "r2": ({"penalty": partial(losses.r2, gamma=0.3)}, {}, ADAM),
    "relativistic, r1 + r2": ({"loss": losses.relativistic, "penalty": losses.r1_r2}, {}, ADAM),
    "wgan-gp": ({"loss": losses.wasserstein, "penalty": losses.wgan_gp}, {}, ADAM),
    "packing": ({"pack": 3}, {}, ADAM),
    "packing, wgan-gp": ({"pack": 2, "penalty": losses.wgan_gp}, {}, ADAM),
    "minibatch std": ({}, {"minibatch_std": True}, ADAM),
    "minibatch std, relativistic": ({"loss": losses.relativistic}, {"minibatch_std": True}, ADAM),
    "spectral norm": ({}, {"spectral_norm": True}, ADAM),
    "spectral norm, r1": ({"penalty": losses.r1}, {"spectral_norm": True}, ADAM),
    "spectral norm, relativistic": ({"loss": losses.relativistic}, {"spectral_norm": True}, ADAM),
    "batch norm in G": ({}, {"norms_G": (0, 1)}, ADAM),
    # SGD here: batch norm leaves some biases without effect, and Adam blows their rounding error up to a step
    "batch norm in D": ({}, {"norms_D": (1,)}, ("sgd", {"momentum": 0.7})),
    "sgd": ({}, {}, ("sgd", {})),
    "momentum": ({}, {}, ("sgd", {"momentum": 0.7})),
    "three steps of D": ({"n_critic": 3}, {}, ADAM),
    "one hidden layer": ({}, {"depth": 1, "minibatch_std": True}, ADAM),
    "wide": ({}, {"width": 20}, ADAM),
}


def players(width=H, depth=2, pack=1, norms_G=(), norms_D=(), **kw):
    draw = lambda role: worlds.streams(5, role)  # noqa: E731
    G = stacked.StackedMLP(W, [Z] + [width] * depth + [2], draw(0), norms=norms_G)
    sizes = [2 * pack] + [width] * depth + [1]
    D = stacked.StackedMLP(W, sizes, draw(1), slope=0.2, norms=norms_D, logits=True, **kw)
    return G.double(), D.double()


def optimiser(name, kw, params):
    return torch.optim.Adam(params, 1e-2, (0.5, 0.9)) if name == "adam" else torch.optim.SGD(params, 1e-1, **kw)


@pytest.mark.parametrize("case", CASES)
def test_equal_to_one_world_at_a_time(case, monkeypatch):
    settings, config, (name, kw) = CASES[case]
    settings = {"loss": losses.non_saturating, "penalty": None, "pack": 1, **settings}
    n_critic = settings.pop("n_critic", 1)
    torch.manual_seed(0)
    G, D = players(pack=settings["pack"], **config)
    for norm in [*G.norms.values(), *D.norms.values()]:
        nn.init.normal_(norm.scale), nn.init.normal_(norm.shift)
    pairs = [(alone(G, w), alone(D, w)) for w in range(W)]
    for w, pair in enumerate(pairs):  # torch draws its own scale and shift
        for net, module in zip((G, D), pair, strict=True):
            for ours, theirs in zip(
                net.norms.values(), (m for m in module if isinstance(m, nn.BatchNorm1d)), strict=True
            ):
                theirs.weight.data.copy_(ours.scale[w, 0])
                theirs.bias.data.copy_(ours.shift[w, 0])
    opts = [[optimiser(name, kw, m.parameters()) for m in pair] for pair in pairs]
    opt_G, opt_D = (optimiser(name, kw, m.parameters()) for m in (G, D))
    spectral = config.get("spectral_norm", False)
    real_rand = torch.rand
    for _ in range(3):  # Adam's first step sees only signs, and momentum starts empty
        x_real, z = torch.randn(n_critic, W, N, 2), torch.randn(n_critic + 1, W, N, Z)
        mix = real_rand(W, N // settings["pack"], 1)  # WGAN-GP's own weights
        monkeypatch.setattr(torch, "rand", lambda *a, t=mix, **k: t)
        record = worlds.step(x_real, z, G=G, D=D, opt_G=opt_G, opt_D=opt_D, **settings)
        for w, ((g, d), (og, od)) in enumerate(zip(pairs, opts, strict=True)):
            monkeypatch.setattr(torch, "rand", lambda *a, t=mix[w], **k: t)
            expected = reference_step(
                x_real[:, w], z[:, w], G=g, D=d, opt_G=og, opt_D=od, one_pass=spectral, **settings
            )
            assert record["loss_D"][w].item() == pytest.approx(expected[0].item(), abs=1e-10)
            assert record["loss_G"][w].item() == pytest.approx(expected[1].item(), abs=1e-10)
            compare(G, w, g)
            compare(D, w, d)


# --------------------------------------------------------------------------------------------------- unrolling


@pytest.mark.parametrize(
    ("unroll", "name", "kw", "settings", "config"),
    [
        (1, "sgd", {}, {}, {}),
        (3, "sgd", {"momentum": 0.6}, {}, {}),
        (3, "adam", {}, {}, {}),
        (2, "adam", {}, {"loss": losses.relativistic}, {}),
        (2, "adam", {}, {"penalty": losses.r1}, {}),
        (2, "adam", {}, {"pack": 2}, {"minibatch_std": True}),
        (2, "adam", {}, {}, {"spectral_norm": True}),
    ],
)
def test_unrolled_gradient_is_that_of_the_whole_look_ahead(unroll, name, kw, settings, config):
    """Central differences of G's loss after `unroll` real steps of torch.optim on a copy of D."""
    loss, penalty, pack = settings.get("loss", losses.non_saturating), settings.get("penalty"), settings.get("pack", 1)
    torch.manual_seed(1)
    G, D = players(width=5, pack=pack, **config)
    opt_G, opt_D = (optimiser(name, kw, m.parameters()) for m in (G, D))
    x_real, z = torch.randn(1, W, N, 2), torch.randn(2, W, N, Z)
    for _ in range(3):  # moments that are not empty
        worlds.step(x_real, z, G=G, D=D, opt_G=opt_G, opt_D=opt_D, loss=loss, penalty=penalty, pack=pack)
    G_before = copy.deepcopy(G)
    before = copy.deepcopy((D, opt_D.state_dict()))
    worlds.step(x_real, z, G=G, D=D, opt_G=opt_G, opt_D=opt_D, loss=loss, penalty=penalty, pack=pack, unroll=unroll)

    # D as it was after its own step, before G looked ahead: the same step again, without G's
    D_now = before[0]
    opt_now = optimiser(name, kw, D_now.parameters())
    opt_now.load_state_dict(before[1])
    x = worlds.packed(x_real[0], pack)

    def d_step(D, opt, x_fake):
        real_first = [D(x), D(x_fake)] if D.mixes else D(torch.cat([x, x_fake], 1)).chunk(2, 1)
        goal = loss.d_loss(*real_first) + (0 if penalty is None else penalty(D, x, x_fake))
        opt.zero_grad()
        goal.sum().backward()
        opt.step()

    with torch.no_grad():
        first_fake = worlds.packed(G_before(z[0]), pack)
    d_step(D_now, opt_now, first_fake)
    for a, b in zip(D_now.parameters(), D.parameters(), strict=True):
        torch.testing.assert_close(a, b)  # looking ahead leaves D where its own step put it

    def g_loss(G):
        with torch.no_grad():
            x_fake = worlds.packed(G(z[1]), pack)
        D_k = copy.deepcopy(D_now)
        opt = optimiser(name, kw, D_k.parameters())
        opt.load_state_dict(copy.deepcopy(opt_now.state_dict()))
        for _ in range(unroll):
            d_step(D_k, opt, x_fake)
        with torch.no_grad():
            return loss.g_loss(D_k(x_fake), D_k(x) if loss.pairs else None)  # (W,)

    # spectral norm takes u and v as constants, which they are once the power iteration has settled; here not quite
    checked, rtol = 0, 5e-2 if config.get("spectral_norm") else 2e-3
    for p, moved in zip(G_before.parameters(), G.parameters(), strict=True):
        for j in torch.randperm(p[0].numel())[:4].tolist():
            slot = p.data.view(W, -1)[:, j]
            keep, h = slot.clone(), 1e-6
            slot += h
            up = g_loss(G_before)
            slot.copy_(keep - h)
            down = g_loss(G_before)
            slot.copy_(keep)
            torch.testing.assert_close(moved.grad.view(W, -1)[:, j], (up - down) / (2 * h), rtol=rtol, atol=rtol / 1e3)
            checked += 1
    assert checked > 15


def test_unrolling_changes_the_gradient():
    torch.manual_seed(1)
    x_real, z = torch.randn(1, W, N, 2), torch.randn(2, W, N, Z)
    grads = []
    for unroll in (0, 2):
        G, D = players()
        opt_G, opt_D = (optimiser("adam", {}, m.parameters()) for m in (G, D))
        worlds.step(x_real, z, G=G, D=D, opt_G=opt_G, opt_D=opt_D, unroll=unroll)
        grads.append(G.layers[1].weight.grad.clone())
    assert (grads[0] - grads[1]).norm() > 1e-3 * grads[0].norm()


# ------------------------------------------------------------------------------------------------------- layers


def test_narrow_and_wide_products_and_their_double_backward():
    for n_out in (1, 2, 8, 9):
        x, w, b = (torch.randn(W, *s, requires_grad=True) for s in ((4, 3), (3, n_out), (1, n_out)))
        torch.testing.assert_close(stacked._Linear.apply(x, w, b), torch.baddbmm(b, x, w))
        assert torch.autograd.gradcheck(stacked._Linear.apply, (x, w, b))
        assert torch.autograd.gradgradcheck(stacked._Linear.apply, (x, w, b))


def test_first_weights_are_those_of_torch_nn_linear_in_distribution():
    layer = stacked.StackedLinear(64, 16, 32, worlds.streams(0, 0))
    oracle = nn.Linear(16, 32)
    for ours, theirs in ((layer.weight, oracle.weight), (layer.bias, oracle.bias)):
        assert ours.abs().max() <= 0.25  # 1 / sqrt(16), torch's bound
        assert abs(ours.abs().max() - 0.25) < 0.01
        assert theirs.abs().max() <= 0.25
        assert abs(ours.std() - 0.25 / 3**0.5) < 0.01


def test_spectral_norm_comes_to_the_largest_singular_value():
    layer = stacked.StackedLinear(W, 6, 5, worlds.streams(0, 0)).double()
    power = stacked.StackedSpectralNorm(layer.weight, worlds.streams(0, 1))
    for _ in range(200):
        normed = power(layer.weight)
    torch.testing.assert_close(torch.linalg.svdvals(normed)[:, 0], torch.ones(W))
    power.eval()
    u = power.u
    power(layer.weight)
    assert power.u is u  # in eval mode it does not iterate


# -------------------------------------------------------------------------------------------------------- train

RING = densities.ring()
SHORT = {"worlds": 3, "steps": 8, "batch": 16, "width": 12, "n_samples": 300}


def test_the_same_call_gives_the_same_numbers_and_leaves_torchs_own_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    a = worlds.train(RING, **SHORT, loss=losses.wasserstein, penalty=losses.wgan_gp)
    assert torch.equal(torch.rand(3), expected)
    b = worlds.train(RING, **SHORT, loss=losses.wasserstein, penalty=losses.wgan_gp)
    assert torch.equal(a.samples, b.samples)
    c = worlds.train(RING, **SHORT, loss=losses.wasserstein, penalty=losses.wgan_gp, seed=1)
    assert not torch.equal(a.samples, c.samples)
    assert not torch.equal(a.samples[0], a.samples[1])


def test_a_world_is_the_same_gan_however_many_run_beside_it():
    few, many = worlds.train(RING, **SHORT), worlds.train(RING, **{**SHORT, "worlds": 5})
    torch.testing.assert_close(few.samples, many.samples[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_train_takes_the_steps_it_says(kind):
    """`train`'s fused optimisers against torch's plain ones, over the same batches."""
    recorder = Recorder()
    rates = {"lr_G": 2e-2, "lr_D": 1e-2}
    kw = {"optimiser": kind, "momentum": 0.6, "betas": (0.4, 0.8), "schedule": lambda progress: 1 - progress**2}
    run = worlds.train(recorder, **SHORT, **rates, **kw, dtype=torch.float64, spectral_norm=True, batch_norm="G")
    n, streams = SHORT["batch"], lambda role: worlds.streams(0, role)
    G = stacked.StackedMLP(W, [2, 12, 12, 2], streams(0), norms=(0, 1)).double()
    D = stacked.StackedMLP(W, [2, 12, 12, 1], streams(1), slope=0.2, spectral_norm=True, logits=True).double()
    if kind == "adam":
        opt_G, opt_D = (torch.optim.Adam(m.parameters(), rates[k], (0.4, 0.8)) for m, k in ((G, "lr_G"), (D, "lr_D")))
    else:
        opt_G, opt_D = (torch.optim.SGD(m.parameters(), rates[k], 0.6) for m, k in ((G, "lr_G"), (D, "lr_D")))
    x_all = torch.stack(recorder.drawn).view(W, -1, 1, n, 2).double()  # (W, rounds, n_critic, N, dim)
    z_all = torch.stack([torch.randn(32 * 2 * n, 2, generator=streams(3)(w), dtype=torch.float32) for w in range(W)])
    z_all = z_all.view(W, 32, 2, n, 2).double()
    for i in range(SHORT["steps"]):
        for opt, rate in ((opt_G, rates["lr_G"]), (opt_D, rates["lr_D"])):
            opt.param_groups[0]["lr"] = rate * (1 - (i / SHORT["steps"]) ** 2)
        worlds.step(x_all[:, i].transpose(0, 1), z_all[:, i].transpose(0, 1), G=G, D=D, opt_G=opt_G, opt_D=opt_D)
    for ours, expected in ((run.G, G), (run.D, D)):
        for a, b in zip(ours.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_a_longer_run_starts_with_the_shorter():
    short = worlds.train(RING, **SHORT, record_every=4)
    long = worlds.train(RING, **{**SHORT, "steps": 12}, record_every=4)
    torch.testing.assert_close(long.records["loss_D"][:2], short.records["loss_D"])


class Recorder:
    """A density that writes down what was drawn from it."""

    def __init__(self):
        self.dim, self.drawn = 2, []

    def sample(self, n, generator=None):
        self.drawn.append(RING.sample(n, generator))
        return self.drawn[-1]


def test_settings_are_paired():
    seen, firsts = [], []
    measure = lambda x: {"x": x}  # noqa: E731
    kinds = [{}, {"width": (12, 30)}, {"z_dim": 7}, {"loss": losses.hinge}, {"minibatch_std": True}, {"pack": 2}]
    for kw in kinds:
        recorder = Recorder()
        run = worlds.train(recorder, **{**SHORT, "steps": 1, **kw}, lr_G=1e-30, lr_D=1e-30, measure=measure)
        seen.append(torch.stack(recorder.drawn))
        firsts.append(run)
    for other, run in zip(seen, firsts, strict=True):
        assert torch.equal(other, seen[0])
        if run.G.layers[0].weight.shape == firsts[0].G.layers[0].weight.shape:
            assert torch.equal(run.samples, firsts[0].samples)  # same generator, same noise
        assert torch.equal(run.G.layers[2].weight, firsts[0].G.layers[2].weight)
    assert torch.equal(firsts[4].D.layers[0].weight, firsts[0].D.layers[0].weight)


def test_records():
    run = worlds.train(RING, **{**SHORT, "steps": 10}, record_every=4)
    assert run.records["step"].tolist() == [4, 8, 10]
    assert run.records["seconds"].diff().min() > 0
    for name in ("loss_D", "loss_G", "modes", "good"):
        assert run.records[name].shape == (3, 3), name
    assert run.samples.shape == (3, 300, 2) and run.samples.dtype == torch.float32
    expected = metrics.modes_covered(run.samples, RING.modes, RING.std)
    assert torch.equal(run.records["modes"][-1], expected)
    assert "modes" not in worlds.train(densities.moons(), **SHORT).records


def test_a_world_that_leaves_the_finite_numbers_leaves_the_others_alone():
    torch.manual_seed(0)
    G, D = players()
    G.layers[0].weight.data[1] = float("nan")
    opt_G, opt_D = (optimiser("adam", {}, m.parameters()) for m in (G, D))
    worlds.step(torch.randn(1, W, N, 2), torch.randn(2, W, N, Z), G=G, D=D, opt_G=opt_G, opt_D=opt_D)
    for net in (G, D):
        for p in net.parameters():
            assert p[[0, 2]].isfinite().all()
            assert not p[1].isfinite().all()


@pytest.mark.parametrize(
    ("kw", "says"),
    [
        ({"worlds": 0}, "worlds=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"batch": 15, "pack": 2}, "multiple, such as 16"),
        ({"lr_G": 0}, "lr_G=0"),
        ({"lr_D": float("nan")}, "lr_D=nan"),
        ({"unroll": -1}, "unroll=-1"),
        ({"optimiser": "adm"}, "Did you mean 'adam'"),
        ({"batch_norm": "both"}, "batch_norm='both'"),
        ({"batch_norm": "D", "penalty": losses.r1}, "mixes the samples"),
        ({"n_samples": 50}, "Give at least 200 samples"),
        ({"width": (8, 0)}, "width of D=0"),
        ({"width": 8.0}, "width=8.0"),
    ],
)
def test_bad_settings_are_named_before_training(kw, says):
    with pytest.raises(ValueError, match="(?s)" + says.replace("(", r"\(")):
        worlds.train(RING, **{**SHORT, **kw})


@pytest.mark.slow
def test_most_worlds_learn_the_ring():
    torch.set_default_dtype(torch.float32)
    run = worlds.train(densities.ring(std=0.1), worlds=16, steps=1500, batch=128)
    assert run.records["good"][-1].median() > 0.5
    assert run.records["modes"][-1].float().median() >= 6

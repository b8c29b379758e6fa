"""Faults that people really had, each as a change of one part of a small loop; and near loops that are sound."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganedu import data, doctor
from ganedu.doctor import examine, records, rest, watch

Z, N = 8, 48
X = data.load("digits", image_size=8).x[:512].float() / 127.5 - 1
Y = data.load("digits", image_size=8).labels[:512]
RISE = {"loss_D": [1.3, 1.4] * 120, "loss_G": [0.7, 0.8] * 120}  # of a run that is no longer at its beginning


class Flat(nn.Sequential):
    """A network that takes whatever shape."""

    def forward(self, x, *_):
        return super().forward(x.flatten(1))


def gen(end=nn.Tanh, before=(), width=32):
    image = [*before, end(), nn.Unflatten(1, (1, 8, 8))]
    return Flat(nn.Linear(Z, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 64), *image)


def dis(*end, norm=(), width=32, n=1):
    return Flat(nn.Linear(64, width), *norm, nn.LeakyReLU(0.2), nn.Linear(width, n), *end)


def bce(d, target):
    return F.binary_cross_entropy_with_logits(d, torch.full_like(d, float(target)))


def chances(d, target):
    return F.binary_cross_entropy(d, torch.full_like(d, float(target)))


def squares(d, target):
    return (d - target).square().mean()


def score(d, target):
    return d.mean() if target == 0 else -d.mean()


def slope(D, u, *, create_graph=True, whole=True, mean=False, to=1.0):
    out = D(u)
    (g,) = torch.autograd.grad(out.mean() if mean else out.sum(), u, create_graph=create_graph)
    return ((g.flatten(1) if whole else g).norm(dim=1) - to).square().mean()


def between(x, f, per_pixel=False):
    e = torch.rand(x.shape if per_pixel else (len(x), 1, 1, 1))
    return (e * x + (1 - e) * f).requires_grad_()


def gp(D, x, f, weight=10.0, per_pixel=False, **how):
    return weight * slope(D, between(x, f, per_pixel), **how)


def r1(D, x, f):
    return slope(D, x.detach().clone().requires_grad_(), to=0.0)


def computed_only(D, x, f):
    return 0 * gp(D, x, f).item()


def logged(D, x, f):
    return 0 * slope(D, between(x, f), create_graph=False).item()


def no_penalty(D, x, f):
    return 0.0


def two_calls(D, x, f, loss, real, fake):
    return loss(D(x), real) + loss(D(f), fake)


def one_call(D, x, f, loss, real, fake):
    d = D(torch.cat([x, f]))
    return loss(d[: len(x)], real) + loss(d[len(x) :], fake)


def noise(n):
    return torch.randn(n, Z)


def loop(*, G=None, D=None, loss=bce, loss_G=None, real=1, fake=0, wish=1, penalty=no_penalty, of_D=two_calls,
         z_D=noise, z_G=noise, adam=None, rate=1e-3, called=lambda m: m, trained=None,
         x_real=X[:256], prepare=lambda x: x, history=RISE, steps=12, **given):  # fmt: skip
    """Material of a loop on tiny digits, healthy by default."""
    torch.manual_seed(0)
    G, D = G or gen(), D or dis()
    oG, oD = (torch.optim.Adam(m.parameters(), rate, betas=(0.5, 0.99)) for m in (trained or G, D))
    oD = adam(D) if adam else oD
    made, judge = called(trained or G), called(D)

    def step(x):
        x = prepare(x)
        f = made(z_D(len(x)))
        oD.zero_grad()
        loss_D = of_D(judge, x, f.detach(), loss, real, fake) + penalty(judge, x, f.detach())
        loss_D.backward()
        oD.step()
        oG.zero_grad()
        (loss_G or loss)(judge(made(z_G(len(x)))), wish).backward()
        oG.step()

    for i in range(steps):
        step(x_real[32 * i % 224 :][:32])
    return {"G": G, "D": D, "step": step, "x_real": x_real, "z_dim": Z, "history": history, **given}


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = dis(), dis()

    def forward(self, x):
        return self.used(x)


class Frozen(Twice):
    """A part that is frozen on purpose is no part that was forgotten."""

    def __init__(self):
        super().__init__()
        self.unused.requires_grad_(False)


class Features(nn.Module):
    """D that gives its features beside the logit."""

    def __init__(self):
        super().__init__()
        self.body, self.head = Flat(nn.Linear(64, 32), nn.LeakyReLU(0.2)), nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        return self.head(h), h


def softmax_loss(d, target):
    return F.cross_entropy(d, torch.full((len(d),), int(target)))


def broadcast(D, x, f, loss, real, fake):
    d = D(torch.cat([x, f]))
    return F.mse_loss(d, torch.cat([torch.ones(len(x)), torch.zeros(len(f))]))


def crossed(D, x, f, loss, real, fake):
    return (D(torch.cat([x, f])) - torch.cat([torch.ones(len(x)), torch.zeros(len(f))])).square().mean()


def in_a_row(D, x, f, loss, real, fake):
    d = D(torch.cat([x, f]))
    return F.mse_loss(d, torch.cat([torch.ones(len(x)), torch.zeros(len(f))]).view(-1, 1))


def mean_first(d, target):
    return (d.mean() - target) ** 2


wgan = {"loss": score, "penalty": gp}
normed = partial(dis, norm=(nn.BatchNorm1d(32),))


def _scaled(x):
    return x.float() / 127.5 - 1


SICK = {
    "sigmoid and BCELoss, wrong sign": ("cooperation", {"D": partial(dis, nn.Sigmoid()), "loss": chances, "wish": 0}),
    "wrong sign, squares": ("cooperation", {"loss": squares, "wish": 0}),
    "forward called directly": ("cooperation", {"wish": 0, "called": lambda m: lambda x: m.forward(x)}),
    "a layer that forward skips": ("part_never_moves", {"D": Twice}),
    "the last layer in no optimiser": ("part_never_moves", {"adam": lambda D: torch.optim.Adam(D[0].parameters())}),
    "G is not the one that is trained": ("not_updated", {"trained": gen}),
    "penalty without create_graph": ("no_limit", {**wgan, "penalty": partial(gp, create_graph=False)}),
    "penalty computed only": ("no_limit", {**wgan, "penalty": computed_only}),
    "penalty computed only, cross-entropy": ("penalty_wrong", {"penalty": computed_only}),
    "scores in the thousands": ("no_limit", {"loss": score, "D": partial(dis, Times(3000))}),
    "norm over channels": ("penalty_wrong", {**wgan, "penalty": partial(gp, whole=False)}),
    "slope of the mean": ("penalty_wrong", {**wgan, "penalty": partial(gp, mean=True)}),
    "weight of its own a pixel": ("penalty_wrong", {**wgan, "penalty": partial(gp, per_pixel=True)}),
    "batch norm in a penalised critic": ("penalty_wrong", {**wgan, "D": normed}),
    "real and fake in one batch": ("mixed_batch_batchnorm", {"D": normed, "of_D": one_call}),
    "sigmoid under scores": ("critic_ends_in_sigmoid", {**wgan, "D": partial(dis, nn.Sigmoid())}),
    "sigmoid under squares": ("critic_ends_in_sigmoid", {"loss": squares, "D": partial(dis, nn.Sigmoid())}),
    "tanh under squares": ("critic_ends_in_sigmoid", {"loss": squares, "D": partial(dis, nn.Tanh())}),
    "softmax twice": ("double_softmax", {"loss": softmax_loss, "D": partial(dis, nn.Softmax(1), n=2)}),
    "targets in a row beside a column": ("loss_broadcasts", {"of_D": broadcast, "loss_G": squares}),
    "every output meets every target, by hand": ("loss_broadcasts", {"of_D": crossed, "loss_G": squares}),
    "square of a mean": ("loss_of_the_mean", {"loss": mean_first}),
    "target beyond 1": ("target_outside_0_1", {"real": 1.1}),
    "target below 0, BCE by hand": ("target_outside_0_1", {"fake": -0.1}),
    "fakes smoothed": ("fakes_smoothed", {"real": 0.9, "fake": 0.1}),
    "real pushed down, squares": ("real_pushed_down", {"real": 0, "loss": squares}),
    "real pushed down": ("real_pushed_down", {"real": 0}),
    "other latents for D": ("latents_differ", {"z_D": lambda n: torch.rand(n, Z)}),
    "batch norm before tanh": ("batchnorm_at_output", {"G": partial(gen, before=(nn.BatchNorm1d(64),))}),
    "bytes against tanh": ("range_mismatch", {"x_real": (X[:256] + 1) * 127.5}),
    "sigmoid against [-1, 1]": ("range_mismatch", {"G": partial(gen, nn.Sigmoid)}),
    "a frame that the step draws": ("giveaway", {"prepare": lambda x: F.pad(x[..., 1:-1, 1:-1], (1,) * 4, value=0.5)}),
    "a frame in the real images": ("giveaway", {"x_real": F.pad(X[:256, :, 1:-1, 1:-1], (1, 1, 1, 1), value=1.0)}),
}
SOUND = {
    "as it is": {},
    "sigmoid and BCELoss": {"D": partial(dis, nn.Sigmoid()), "loss": chances},
    "forward called directly": {"called": lambda m: lambda x: m.forward(x)},
    "a part frozen on purpose": {"D": Frozen},
    "gradient penalty": wgan,
    "one call for both, no batch norm": {"of_D": one_call},
    "batch norm, two calls": {"D": normed},
    "R1 on the batch": {"penalty": r1},
    "squares": {"loss": squares},
    "squares that G wants in the middle": {"loss": squares, "fake": -1, "wish": 0},
    "a slope that is only recorded": {"penalty": logged},
    "squares, targets in a column": {"of_D": in_a_row, "loss": squares},
    "softmax left out": {"loss": softmax_loss, "D": partial(dis, n=2)},
    "labels exchanged in both": {"real": 0, "fake": 1, "wish": 0},
    "real smoothed": {"real": 0.9},
    "uniform latents in both": {"z_D": lambda n: torch.rand(n, Z), "z_G": lambda n: torch.rand(n, Z)},
    "a border that is black in both": {"x_real": F.pad(X[:256, :, 1:-1, 1:-1], (1, 1, 1, 1), value=-1.0)},
    "[0, 1] and a sigmoid": {"G": partial(gen, nn.Sigmoid), "x_real": (X[:256] + 1) / 2},
    "bytes that the step scales": {"x_real": ((X[:256] + 1) * 127.5).byte(), "prepare": _scaled},
    "spectral norm of the old make": {"loss": score, "D": lambda: nn.Sequential(
        nn.Flatten(), nn.utils.spectral_norm(nn.Linear(64, 32)), nn.ReLU(), nn.utils.spectral_norm(nn.Linear(32, 1)))},
}  # fmt: skip


def made(change: dict) -> dict:
    """The networks of a change are drawn anew for each test."""
    torch.manual_seed(1)
    return {k: v() if k in ("G", "D", "trained") else v for k, v in change.items()}


@pytest.mark.parametrize("name", SICK)
def test_a_fault_is_named_first(name):
    key, change = SICK[name]
    report = examine(**loop(**made(change)))
    assert report and report[0].key == key and report.sick, report


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_loop_is_healthy(name):
    report = examine(**loop(**made(SOUND[name])))
    assert report.healthy and not report.case.unwatched, report


def test_a_d_that_is_frozen_for_gs_turn_is_watched():
    def material(wish):
        torch.manual_seed(0)
        G, D = gen(), dis()
        oG, oD = (torch.optim.Adam(m.parameters(), 1e-3) for m in (G, D))

        def step(x):
            D.requires_grad_(True)
            oD.zero_grad()
            (bce(D(x), 1) + bce(D(G(noise(len(x))).detach()), 0)).backward()
            oD.step()
            D.requires_grad_(False)
            oG.zero_grad()
            bce(D(G(noise(len(x)))), wish).backward()
            oG.step()

        for i in range(12):
            step(X[32 * i :][:32])
        return {"G": G, "D": D, "step": step, "x_real": X[:256], "z_dim": Z, "history": RISE}

    assert examine(**material(1)).healthy
    assert examine(**material(0))[0].key == "cooperation"


def test_a_picture_that_g_is_given_is_no_fixed_noise():
    torch.manual_seed(0)
    G, D = Flat(nn.Linear(64, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))), dis()
    oG, oD = (torch.optim.Adam(m.parameters(), 1e-3) for m in (G, D))

    def step(x):
        low = x + 0.3
        oD.zero_grad()
        (bce(D(x), 1) + bce(D(G(low).detach()), 0)).backward()
        oD.step()
        oG.zero_grad()
        (bce(D(G(low)), 1) + (G(low) - x).abs().mean()).backward()
        oG.step()

    report = examine(G=G, D=D, step=step, x_real=X[:256], z=X[:256] + 0.3)
    assert "fixed_noise" not in [f.key for f in report] and "fixed_noise" in report.skipped, report


def test_features_of_d_are_an_adversary():
    torch.manual_seed(0)
    G, D = gen(), Features()
    oG, oD = (torch.optim.Adam(m.parameters(), 1e-3) for m in (G, D))

    def step(x):
        oD.zero_grad()
        (bce(D(x)[0], 1) + bce(D(G(noise(len(x))).detach())[0], 0)).backward()
        oD.step()
        oG.zero_grad()
        (D(G(noise(len(x))))[1].mean(0) - D(x)[1].mean(0).detach()).square().mean().backward()
        oG.step()

    assert "no_adversary" not in [f.key for f in examine(G=G, D=D, step=step, x_real=X[:256], z_dim=Z)]


def test_the_original_sign_of_a_critic_is_harmless_where_both_agree():
    def upside_down(d, target):
        return d.mean() if target == 1 else -d.mean()

    report = examine(**loop(loss=upside_down, penalty=gp))
    assert report.healthy and "exchanged" in [f.key for f in report], report


def test_a_loss_of_small_weight_is_no_vanishing_gradient():
    def small(d, target):
        return 1e-3 * bce(d, target)

    assert "vanishing" not in [f.key for f in examine(**loop(loss_G=small))]


def test_the_run_is_left_as_it_was_found():
    torch.manual_seed(0)
    material = loop(**made(wgan))
    modules = [material["G"], material["D"]]
    before = [t.clone() for m in modules for t in m.state_dict().values()]
    state = torch.get_rng_state()
    examine(**material)
    assert all(
        torch.equal(a, b) for a, b in zip(before, (t for m in modules for t in m.state_dict().values()), strict=True)
    )
    assert torch.equal(state, torch.get_rng_state()) and "forward" not in material["G"].__dict__


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("one of the variables needed for gradient computation has been modified by an inplace operation", "D(x_fake)"),
        ("Trying to backward through the graph a second time", "detach"),
        ("all elements of input should be between 0 and 1", "BCEWithLogitsLoss"),
        ("Target size (torch.Size([100, 1])) must be the same as input size (torch.Size([64, 1]))", "len(x_real)"),
        ("step() missing 1 required positional argument: 'epoch'", "lambda"),
    ],
)
def test_a_step_that_raises_is_not_examined_and_told_what_it_means(message, says):
    def step(x):
        raise RuntimeError(message)

    report = examine(**{**loop(), "step": step})
    assert not report.healthy and report.verdict.startswith("not examined: the step raises") and says in report.verdict


def test_a_step_of_its_own_batch_size_is_examined_with_that():
    material = loop()
    step, ones = material["step"], torch.ones(100, 1)

    def fixed(x):
        F.binary_cross_entropy_with_logits(material["D"](x), ones)
        step(x)

    report = examine(**{**material, "step": fixed})
    assert report.healthy and not report.case.unwatched, report


def test_a_step_that_draws_its_own_batch_is_examined():
    material = loop()
    step, batches = material["step"], iter(range(10_000))
    report = examine(**{**material, "step": lambda: step(X[(i := 7 * next(batches) % 400) : i + 50])})
    assert report.healthy and not report.case.unwatched, report
    sick = loop(wish=0)
    turn = sick["step"]
    report = examine(**{**sick, "step": lambda: turn(X[(i := 7 * next(batches) % 400) : i + 50])})
    assert report[0].key == "cooperation", report


def test_a_pool_of_old_fakes_counts_as_fakes():
    pool = [torch.rand(32, 1, 8, 8) * 2 - 1]

    def old(D, x, f, loss, real, fake):
        pool.append(f[:32])
        return loss(D(x), real) + loss(D(pool[0]), fake)

    assert examine(**loop(of_D=old)).healthy


def test_a_player_with_a_turn_in_every_fifth_call_is_no_player_that_rests():
    material = loop()
    step, calls = material["step"], iter(range(10_000))
    held = [p.clone() for p in material["G"].parameters()]

    def rarely(x):
        i = next(calls)
        if i % 5 == 4:
            return step(x)
        material["D"].zero_grad()

    report = examine(**{**material, "step": rarely})
    assert "not_updated" not in [f.key for f in report], report
    assert all(torch.equal(a, b) for a, b in zip(held, material["G"].parameters(), strict=True))


def test_an_average_whose_batch_norm_stayed_behind():
    material = loop(rate=1e-2)
    average = gen().eval()
    step, G = material["step"], material["G"]

    def averaged(x):
        step(x)
        with torch.no_grad():
            for a, b in zip(average.parameters(), G.parameters(), strict=True):
                a.lerp_(b, 0.05)

    for _ in range(100):
        averaged(X[:32])
    with torch.no_grad():  # far from the statistics it was made with
        average[0].weight.mul_(4)
    assert "stale_statistics" in [f.key for f in examine(**{**material, "G": average, "step": averaged}) if f.sick]
    for m, other in zip(average.modules(), G.modules(), strict=True):
        if isinstance(m, nn.BatchNorm1d):
            m.load_state_dict(other.state_dict())
    sampled = average(torch.randn(4, Z))
    assert sampled.isfinite().all()


def test_a_rate_far_too_high():
    report = examine(**loop(rate=0.5))
    assert report.sick and report[0].key in ("exploding", "collapse", "vanishing"), report


def test_what_cannot_be_watched_is_not_called_healthy():
    report = examine(**loop(called=lambda m: m.forward))  # bound before anybody could look
    assert not report.healthy and not report.sick and "D(x)" in report.verdict


def test_records_that_keep_their_graph():
    loss = nn.Parameter(torch.ones(()))
    report = examine(**loop(history={"loss_D": [loss * i for i in range(3)]}))
    assert "history_keeps_graph" in [f.key for f in report]
    kept_none = examine(**loop(history={"loss_D": [(loss * i).detach() for i in range(3)]}))
    assert "history_keeps_graph" not in [f.key for f in kept_none]


def test_a_handful_of_images():
    few = X[:12][torch.randint(12, (512,), generator=torch.Generator().manual_seed(0))]
    assert "few_images" in [f.key for f in examine(**loop(x_real=few)) if f.sick]
    assert "few_images" not in [f.key for f in examine(**loop(x_real=X))]


def test_without_a_step_the_report_begins_with_how_to_give_one():
    material = loop()
    del material["step"]
    assert str(examine(**material)).startswith("No step was given")


def test_what_can_be_told_without_the_step():
    def first(**change):
        material = loop(**made(change))
        return next((f.key for f in examine(**{**material, "step": None}) if f.sick), "")

    fell = {"loss_D": [-9.0] * 240, "loss_G": [3.0] * 240}
    assert first(**wgan, history=fell) == ""
    assert first(history={"loss_D": [0.001] * 240, "loss_G": [-0.001] * 240}) == "vanishing"
    assert first(history={"loss_D": [1.3] * 240, "loss_G": [-0.7] * 240}) == ""
    assert first(history={"loss_D": [300.0] * 240, "loss_G": [200.0] * 240}) == "exploding"


def test_the_doctor_says_sick_only_of_what_is_in_its_table():
    assert {key for key, _ in SICK.values()} <= set(doctor.FINDINGS)


def test_a_layer_that_forward_skips_is_seen_without_the_step():
    report = examine(**{**loop(D=Twice()), "step": None})
    assert "part_never_moves" in [f.key for f in report if f.sick], report
    assert "part_never_moves" not in [f.key for f in examine(**{**loop(), "step": None})]


@pytest.mark.parametrize("stepped", [True, False])
def test_weights_that_rest_at_the_ends_they_are_clipped_to(stepped):
    """Real images brighter than all fakes push each weight to the same end again and again."""
    G, D = gen(), Flat(nn.Linear(64, 1, bias=False))
    nn.init.constant_(D[0].weight, 0.01)
    opt_G, opt_D = (torch.optim.RMSprop(m.parameters(), 1e-3) for m in (G, D))

    def step(x):
        opt_D.zero_grad()
        (score(D(x), 1) + score(D(G(noise(len(x))).detach()), 0)).backward()
        if stepped:
            opt_D.step()
        with torch.no_grad():
            D[0].weight.clamp_(-0.01, 0.01)
        opt_G.zero_grad()
        score(D(G(noise(len(x)))), 1).backward()
        opt_G.step()

    keys = [f.key for f in examine(G=G, D=D, step=step, x_real=X[:256] + 3, z_dim=Z, history=RISE)]
    assert "range_mismatch" in keys and ("not_updated" in keys) is not stepped


# --------------------------------------------------------------------------------------- what a run has left behind


def left_behind(check, **material):
    """What one check finds where no step is given: (key, kind) each."""
    case = examine(**{**material, "step": None}).case
    try:
        return [f[0] for f in check(case)]
    except watch.Skip:
        return []


def of_last(**losses):
    """A history whose losses begin and end as said: {name: (first, late)}."""
    return {name: [first] + [late] * 239 for name, (first, late) in losses.items()}


def test_weights_that_no_optimiser_holds():
    G, D = gen(), dis()
    whole, half = (torch.optim.Adam(p, 1e-3) for p in (D.parameters(), D[0].parameters()))
    opt_G = torch.optim.Adam(G.parameters(), 1e-3)
    material = loop(G=G, D=D)
    assert left_behind(rest.unheld, **material, opt_G=opt_G, opt_D=whole) == []
    assert left_behind(rest.unheld, **material, opt_G=opt_G, opt_D=half) == ["part_never_moves"]
    assert left_behind(rest.unheld, **material, opt_G=half, opt_D=whole) == ["not_updated"]
    average = {**material, "G": gen()}  # the optimiser holds that of which it is the average
    assert left_behind(rest.unheld, **average, opt_G=opt_G, opt_D=whole) == []


def test_weights_that_an_optimiser_moves_may_look_as_they_are_drawn():
    """As DCGAN's do, where a loss soon becomes flat."""
    G, D = gen(width=128), dis()
    nn.init.normal_(G[3].weight, 0, 0.02)
    with torch.no_grad():
        for layer in (G[0], G[1], D[0]):
            layer.weight.mul_(1.1)
    opt_G, opt_D = (torch.optim.Adam(m.parameters(), 1e-6) for m in (G, D))
    material = {"G": G, "D": D, "x_real": X[:256], "z_dim": Z, "history": RISE, "opt_G": opt_G, "opt_D": opt_D}
    assert left_behind(rest.resting, **material) == ["part_never_moves"]
    G(noise(N)).mean().backward()
    opt_G.step()
    assert left_behind(rest.resting, **material) == []


def test_weights_as_they_are_drawn():
    norm, layer = nn.BatchNorm1d(8), nn.Linear(64, 64)
    assert rest._as_drawn(norm) and rest._as_drawn(layer)
    nn.init.xavier_uniform_(layer.weight)
    assert rest._as_drawn(layer)
    for size, drawn in ((50, None), (100, True)):  # 2,500 normal ones are too few to tell
        layer = nn.Linear(size, size)
        nn.init.normal_(layer.weight, 0, 0.02)
        assert rest._as_drawn(layer) is drawn
    with torch.no_grad():
        norm.bias[0], norm.weight[0] = 1e-3, 1.001
        layer.weight.mul_(1.1)
    assert not rest._as_drawn(norm) and not rest._as_drawn(layer)


def test_a_player_whose_batch_norm_has_hardly_counted_trains_in_eval_mode():
    assert left_behind(rest.asleep, **loop(steps=100)) == []
    G = gen()
    loop(G=G, steps=2)
    asleep = loop(G=G.eval())
    assert left_behind(rest.asleep, **asleep) == ["eval_mode"]
    G.zero_grad()  # an average of weights keeps no gradient
    assert left_behind(rest.asleep, **asleep) == []


class Told(nn.Module):
    def __init__(self, inner, size):
        super().__init__()
        self.inner, self.embed = inner, nn.Embedding(10, size)

    def forward(self, x, y):
        return self.inner(x.flatten(1) + self.embed(y))


@pytest.mark.parametrize(
    ("real", "fake", "found"),
    [(None, None, []), (3, 3, ["condition_constant"]), (1, 0, ["label_leak"]), (None, 3, ["label_leak"])],
)
def test_the_labels_of_the_last_batch_are_in_an_embedding_s_gradient(real, fake, found):
    G, D = Told(gen(), Z), Told(dis(), 64)
    y, y_fake = (Y[:32] if c is None else torch.full((32,), c) for c in (real, fake))
    (bce(D(X[:32], y), 1) + bce(D(G(noise(32), y_fake), y_fake), 0)).backward()
    assert left_behind(rest.labels_told, G=G, D=D, x_real=X[:256], labels=Y[:256], z_dim=Z) == found


W = 16


@pytest.mark.parametrize(
    ("of_D", "of_G", "found"),
    [
        (lambda: torch.randn(32, W), lambda: torch.randn(32, W), []),
        (lambda: 2 * torch.rand(32, W) - 1, lambda: 2 * torch.rand(32, W) - 1, []),
        (lambda: torch.rand(32, W), lambda: torch.randn(32, W), ["latents_differ"]),
        (lambda: torch.randn(32, W), lambda: 2 * torch.randn(32, W), ["latents_differ"]),
        (lambda: FIXED, lambda: FIXED, ["fixed_noise"]),
    ],
)
def test_the_latents_that_batch_norm_has_met(of_D, of_G, found):
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(W, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 64), nn.Unflatten(1, (1, 8, 8)))
    for _ in range(120):
        G(of_D()), G(of_G())
    assert left_behind(rest.latents_met, G=G, D=dis(), x_real=X[:256], z_dim=W, history=RISE) == found


FIXED = torch.randn(32, W, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("in_D", "in_G", "found"),
    [(True, False, ["mixed_batch_batchnorm"]), (True, True, []), (False, False, [])],
)
def test_the_batches_that_batch_norm_of_d_has_met(in_D, in_G, found):
    torch.manual_seed(0)
    G, D = gen(), dis(norm=(nn.BatchNorm1d(32),))
    for _ in range(240):
        f, g = G(noise(32)).detach(), G(noise(32)).detach()
        D(torch.cat([X[:32], f])) if in_D else (D(X[:32]), D(f))
        D(torch.cat([X[:32], g]) if in_G else g)
    assert left_behind(rest.batches_met, G=G, D=D, x_real=X[:256], z_dim=Z, history=RISE) == found


def test_gradients_of_many_steps():
    def never(D):
        adam = torch.optim.Adam(D.parameters(), 1e-3)
        adam.zero_grad = lambda *_: None
        return adam

    for loss, end in ((bce, ()), (chances, (nn.Sigmoid(),)), (squares, ())):
        assert left_behind(rest.piled_up, **loop(loss=loss, D=dis(*end), steps=100)) == []
        assert left_behind(rest.piled_up, **loop(loss=loss, D=dis(*end), steps=100, adam=never)) == [
            "leftover_gradient"
        ]


def test_d_rests_where_its_gradient_and_g_s_cancel():
    """D says 2/3 of everything: there its own cross-entropy and G's pull equally hard, and it keeps G's gradient."""

    def keeping(p, both):
        torch.manual_seed(0)
        G, D = gen(), dis(nn.Sigmoid())
        with torch.no_grad():
            D[2].weight.mul_(0.01)
            D[2].bias.fill_(math.log(p / (1 - p)))
        x, f = X[:128], G(noise(128)).detach()
        loss = chances(D(f), 1)
        (loss + chances(D(x), 1) + chances(D(f), 0) if both else loss).backward()
        paid = -math.log(p) - math.log(1 - p), -math.log(p)
        history = of_last(loss_D=(1.386, paid[0]), loss_G=(0.69, paid[1]))
        return left_behind(records.pulled, G=G, D=D, x_real=X[:256], z_dim=Z, history=history)

    assert keeping(2 / 3, both=False) == ["leftover_gradient"]
    assert keeping(2 / 3, both=True) == [] == keeping(1 / 2, both=False)


@pytest.mark.parametrize("change", [{}, {"D": partial(dis, nn.Sigmoid()), "loss": chances}, wgan])
def test_the_gradient_that_g_keeps_says_which_way_it_goes(change):
    assert left_behind(rest.ways_of_G, **loop(**made(change), steps=100)) == []
    wrong = loop(**made({**change, "wish": 0}), steps=100)
    assert left_behind(rest.ways_of_G, **wrong) == ["cooperation"]


def softplus(d):
    return math.log1p(math.exp(d))


@pytest.mark.parametrize(
    ("real", "fake", "loss_D", "loss_G", "found"),
    [
        (-6.0, -6.0, (1.386, 2 * softplus(-6)), (0.7, softplus(6)), ["real_pushed_down"]),
        (0.02, -0.02, (1.1, 0.004), (1.0, 1.04), ["real_pushed_down"]),  # squares
        (6.0, 6.0, (1.386, softplus(-6)), (0.7, softplus(-6)), ["fakes_ignored"]),
        (6.0, 6.0, (1.386, softplus(-6) + softplus(6)), (0.7, softplus(-6)), []),  # D errs, and pays for it
        (0.1, 0.1, (0.01, 0.0), (0.0, -0.1), []),  # scores that tell nothing apart
        (-60.0, 50.0, (-1.386, -110.0), (0.7, 50.0), ["exchanged"]),
        (-60.0, 50.0, (0.01, -110.0), (0.7, 50.0), []),  # a critic of the other sign
        (30.0, -30.0, (1.386, -1.5), (0.7, 30.0), ["target_outside_0_1"]),
        (30.0, -30.0, (0.01, -60.0), (0.7, 30.0), []),
    ],
)
def test_what_no_sound_loss_would_cost(real, fake, loss_D, loss_G, found):
    torch.manual_seed(0)
    case = doctor.Case(None, None, D_ends="Addmm", history=of_last(loss_D=loss_D, loss_G=loss_G))
    case.d_real, case.d_fake = (torch.full((64, 1), d) for d in (real, fake))
    assert [f[0] for f in records.recorded_forms(case)] == found


def test_a_softmax_at_d_s_end_is_a_remark():
    found = examine(**{**loop(D=dis(nn.Softmax(1), n=2), loss=softmax_loss), "step": None})
    assert "double_softmax" in [f.key for f in found if not f.sick]
    assert "double_softmax" not in [f.key for f in examine(**{**loop(D=dis(n=2), loss=softmax_loss), "step": None})]


class Steep(nn.Module):
    """A critic of one slope everywhere."""

    def __init__(self, slope, norm=False):
        super().__init__()
        self.slope, self.norm = slope, nn.BatchNorm1d(1) if norm else nn.Identity()
        self.out = nn.Linear(1, 1)
        nn.init.ones_(self.out.weight), nn.init.zeros_(self.out.bias)

    def forward(self, x):
        h = self.slope * x.flatten(1).sum(1, keepdim=True) / 8
        return h + 0 * self.norm(h)


@pytest.mark.parametrize(
    ("D", "begun", "late", "found"),
    [
        (lambda: Steep(9.0), 0.01, None, ["no_limit"]),
        (lambda: Steep(1.0), 0.01, None, []),
        (lambda: Steep(9.0), 9.8, None, ["penalty_wrong"]),
        (lambda: Steep(1.0), 9.8, None, []),
        (lambda: Steep(1.0), -0.1, -0.1, ["penalty_wrong"]),  # something is subtracted
        (lambda: Steep(1.0, norm=True), 0.2, None, ["penalty_wrong"]),
        (lambda: Steep(9.0), 1.39, None, []),  # no difference of scores
    ],
)
def test_what_records_and_slopes_say_of_a_penalty(D, begun, late, found):
    torch.manual_seed(0)
    G, D = gen(), D()
    material = {"G": G, "D": D, "x_real": X[:256], "z_dim": Z}
    seen = examine(**material).case
    apart = -abs(float(seen.d_real.mean() - seen.d_fake.mean()))
    history = of_last(loss_D=(begun, apart if late is None else apart + late), loss_G=(0.0, 1.0))
    assert left_behind(records.critics, **material, history=history) == found


def test_samples_that_enter_d_in_another_form():
    """D knows a frame, or the grey of rescaled fakes; records are of what it was shown."""

    def trained(show_real=lambda x: x, show_fake=lambda f: f):
        torch.manual_seed(0)
        G, D = gen(), dis()
        adam = torch.optim.Adam(D.parameters(), 3e-3)
        for i in range(150):
            f = G(noise(32)).detach()
            loss = bce(D(show_real(X[32 * i % 224 :][:32])), 1) + bce(D(show_fake(f)), 0)
            adam.zero_grad()
            loss.backward()
            adam.step()
        last = loss.item(), bce(D(show_fake(G(noise(256)))), 1).item()
        history = of_last(loss_D=(1.386, last[0]), loss_G=(0.69, last[1]))
        return left_behind(records.shown_otherwise, G=G, D=D, x_real=X[:256], z_dim=Z, history=history)

    assert trained() == []
    assert trained(show_fake=lambda f: f / 127.5 - 1) == ["range_mismatch"]
    assert trained(show_real=lambda x: F.pad(x[..., 1:-1, 1:-1], (1,) * 4, value=0.5)) == ["giveaway"]


def test_weights_that_have_swollen():
    assert left_behind(rest.swollen, **loop(steps=60)) == []
    assert "exploding" in left_behind(rest.swollen, **loop(steps=60, rate=0.3))
    D = dis()
    with torch.no_grad():
        for p in D.parameters():
            p.mul_(20)
    long = {k: v * 20 for k, v in RISE.items()}  # in so many steps they may
    assert left_behind(rest.swollen, **loop(D=D, history=long)) == []

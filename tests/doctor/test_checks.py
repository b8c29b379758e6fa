"""The doctor's checks one at a time, from both sides; and small runs that drive into what they look for."""

import math

import pytest
import torch
from torch import nn

from ganedu import doctor, losses, models
from ganedu.doctor import checks, examine, outputs, patients, records, watch, wiring


def case(**parts) -> doctor.Case:
    return doctor.Case(**{"G": None, "D": None, **parts})


def test_collapse_and_twins():
    torch.manual_seed(0)
    x = patients.healthy("digits", 0, 4).batch()[0]
    assert not list(checks.collapse(case(fake=x.roll(3, -1), x_real=x)))
    few = x[:8].repeat(32, 1, 1, 1)
    assert [f[0] for f in checks.collapse(case(fake=few, x_real=x))] == ["collapse"]
    (found,) = checks.collapse(case(fake=few, x_real=x, history={"loss_D": [1.0] * 10}))
    assert not doctor.Finding(*found).sick  # too early to say
    labels = torch.arange(256) % 2
    half = torch.where(labels[:, None, None, None] == 0, x[0] + 0.025 * torch.randn(256, 1, 16, 16), x.roll(3, -1))
    same = case(fake=half, x_real=x, again=half, labels=labels)
    assert [f[0] for f in checks.collapse(same)] == ["collapse_in_class"]


def test_memorised_images():
    x = patients.healthy("digits", 0, 4).batch(600)[0]
    assert [f[0] for f in checks.memorised(case(fake=x[:256] + 0.01, x_real=x))] == ["memorised"]
    assert not list(checks.memorised(case(fake=x[:256], x_real=x[256:])))


def test_structure_of_images_and_noise():
    x = patients.healthy("fashion", 0, 4).batch()[0]
    assert outputs.pixel_correlation(x) > 0.5
    assert abs(outputs.pixel_correlation(torch.rand_like(x))) < 0.02
    with pytest.raises(watch.Skip):
        list(checks.structure(case(x_real=torch.randn(9, 2))))


def test_two_players_who_both_have_what_they_want():
    found = [f[0] for f in records.records(case(history={"loss_D": [0.01] * 60, "loss_G": [-7.0] * 60}))]
    assert found == ["cooperation"]
    assert not list(records.records(case(history={"loss_D": [0.01] * 60, "loss_G": [7.0] * 60})))
    with pytest.raises(watch.Skip, match="no records"):
        list(records.records(case()))


def test_stale_statistics_and_eval_mode():
    run = patients.healthy("digits", 0, 4).train(3)
    run.history = {"loss_D": [1.0] * 500}
    for m in run.G.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_var.fill_(100.0)
    assert "stale_statistics" in [f.key for f in examine(**run.material())]
    step = run.step

    def asleep(*batch, **players):
        players["G"].eval()
        return step(*batch, **players)

    assert "eval_mode" in [f.key for f in examine(**{**run.material(), "step": asleep})]


def test_oscillation_is_a_remark():
    swing = torch.sin(torch.arange(600) / 10).tolist()
    (found,) = checks.oscillation(case(history={"loss_D": swing}))
    assert found[0] == "oscillation" and not doctor.Finding(*found).sick and "60 steps" in found[1]
    assert not list(checks.oscillation(case(history={"loss_D": torch.randn(600).tolist()})))


def test_vanishing_needs_a_flat_loss_and_a_sure_discriminator():
    run = patients.healthy("ring", 0, 8, parts=patients.Parts(g_goal=lambda D, x: losses.minimax_g(D(x))))
    with torch.no_grad():
        run.D.net[-1].weight.mul_(0)
    run.D.net[-1].bias.data.fill_(-9.0)
    keys = [f.key for f in examine(**run.material())]
    assert "vanishing" not in keys  # flat, but D is not sure


def test_gradients_that_explode():
    for norm, found in ((9e3, []), (2e4, ["exploding"]), (float("inf"), ["exploding"])):
        watched = case(round=watch.Round(norms={"G": 1.0, "D": norm}), d_real=torch.zeros(9), d_fake=torch.zeros(9))
        assert [f[0] for f in wiring.gradient_sizes(watched)] == found


def test_a_discriminator_that_says_nothing():
    def keys(d, steps):
        return [f[0] for f in checks.balance(case(d_real=d, d_fake=d, round=1, history={"loss_D": [1.0] * steps}))]

    noise = torch.randn(256, generator=torch.Generator().manual_seed(0))
    assert keys(0.3 + 1e-5 * noise, 300) == ["d_idle"]
    assert keys(0.3 + 1e-3 * noise, 300) == []
    assert keys(0.3 + 1e-5 * noise, 20) == []  # before it had time to learn


def test_what_was_found_before_material_ran_out_is_kept():
    """Gradients are looked at before D's outputs at rest, which a D may refuse to give."""
    run = patients.healthy("ring", 0, 8, parts=patients.Parts(d_loss=lambda r, f: 1e7 * losses.cross_entropy_d(r, f)))
    report = examine(**{**run.material(), "z": torch.randn(4, 5)})  # latents that do not fit
    assert "exploding" in [f.key for f in report]
    assert "gradient_sizes" in report.skipped


@pytest.mark.parametrize(
    ("network", "name"),
    [(nn.Tanh(), "Tanh"), (nn.Sequential(nn.Sigmoid(), nn.Flatten(0)), "Sigmoid"), (nn.LeakyReLU(), "LeakyRelu")],
)
def test_the_last_operation_is_read_from_the_graph(network, name):
    x = torch.randn(4, 1, requires_grad=True)
    assert watch.last_operation(network(x)) == name
    assert watch.last_operation(x.detach()) == ""


# ------------------------------------------------------------------------------------ runs that drive into a finding


def rates(run: patients.Run, **lr: float) -> patients.Run:
    """The run with other learning rates, G=... and D=...."""
    for name, rate in lr.items():
        for group in run.players[f"opt_{name}"].param_groups:
            group["lr"] = rate
    return run


@pytest.mark.parametrize("seed", range(2))
def test_a_generator_far_too_fast_collapses(seed):
    """Three hundred times D's rate: all fakes run to the one point that D likes best."""
    report = examine(**rates(patients.healthy("ring", seed, 32), G=0.3).train(220).material())
    assert report[0].key == "collapse" and not report.healthy, report


def test_a_run_on_three_images_memorises_them():
    run = patients.healthy("digits", 0, 8)
    few = run.batch(3)[0]
    run.draw = lambda n: (few[torch.randint(3, (n,))],)
    report = examine(**run.train(400).material())
    assert report[0].key == "memorised" and not report.healthy, report


def test_three_images_that_are_not_met_are_not_memorised():
    x = patients.healthy("digits", 0, 4).batch(259)[0]
    data = x[torch.arange(256) % 3]
    assert not list(checks.memorised(case(fake=x[3:], x_real=data)))
    assert list(checks.memorised(case(fake=data + 0.01, x_real=data)))
    with pytest.raises(watch.Skip, match="one image"):
        list(checks.memorised(case(fake=x, x_real=x[:1].repeat(9, 1, 1, 1))))


def test_statistics_that_hardly_move_grow_stale():
    """A momentum a thousandth of the usual one: in eval mode batch norm still stands where it began."""
    run = patients.healthy("digits", 0, 4)
    for m in run.G.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1e-4
    report = examine(**run.train(210).material())
    assert "stale_statistics" in [f.key for f in report] and report.healthy, report


@pytest.mark.parametrize(("loss", "vanishes"), [(losses.minimax_g, True), (losses.non_saturating_g, False)])
def test_a_discriminator_trained_ahead_leaves_minimax_no_gradient(loss, vanishes):
    run = patients.healthy("digits", 0, 4, parts=patients.Parts(g_goal=lambda D, x: loss(D(x))))
    rates(run, G=0.0).train(100)  # G waits while D learns; then it is G's turn
    report = examine(**rates(run, G=2e-3).material())
    assert (report[0].key == "vanishing") == vanishes == (not report.healthy), report


def test_an_idle_discriminator():
    """Weight decay that leaves nothing of D."""

    def decaying(G, D, adam):
        return adam(G.parameters()), torch.optim.SGD(D.parameters(), 0.05, weight_decay=1.0)

    parts = patients.Parts(optimisers=decaying)
    report = examine(**patients.healthy("ring", 0, 16, parts=parts).train(210).material())
    assert "d_idle" in [f.key for f in report], report


def test_linear_players_chase_each_other():
    """A point against a straight line, by gradient steps in turn: closed orbits (Mescheder et al. 2018, section 2)."""
    torch.manual_seed(0)
    G, D = models.MLPGenerator(1, (1,), depth=0), models.MLPDiscriminator((1,), depth=0)
    with torch.no_grad():
        G.net[0].weight.fill_(0.1), G.net[0].bias.fill_(1.5)
    opt_G, opt_D = (torch.optim.SGD(m.parameters(), 0.1) for m in (G, D))

    def step(*batch, **players):
        return patients.step(*batch, **players, z_dim=1)

    run = patients.Run(G, D, opt_G, opt_D, step, lambda n: (torch.zeros(n, 1),), z_dim=1).train(600)
    (found,) = [f for f in examine(**run.material()) if f.key == "oscillation"]
    assert "period of about 60 steps" in found.seen and not found.sick


@pytest.mark.parametrize(
    ("end", "real", "fake", "loss_D", "loss_G", "found"),
    [
        ("Sigmoid", 0.8, 0.2, -2 * math.log(0.8), -math.log(0.2), []),
        ("Sigmoid", 0.8, 0.2, -math.log(0.8), -math.log(0.2), []),  # the mean of the two
        ("Sigmoid", 0.8, 0.2, math.log1p(math.exp(-0.8)) + math.log1p(math.exp(0.2)), math.log1p(math.exp(-0.2)),
         ["double_sigmoid"]),
        ("Sigmoid", 0.8, 0.2, 0.08, 0.64, ["critic_ends_in_sigmoid"]),
        ("Sigmoid", 0.8, 0.2, -0.6 + 9.0, -0.2, ["critic_ends_in_sigmoid"]),  # with a penalty
        ("Sigmoid", 0.5, 0.5, 9.0, 9.0, []),  # nothing fits
        ("Addmm", 6.0, -6.0, 0.005, 6.0, []),
        ("Addmm", 6.0, -6.0, 0.005, 0.0025, ["cooperation"]),
        ("Addmm", 6.0, -6.0, 0.005, -0.0025, []),  # log(1 - D(G(z)))
        ("Addmm", 0.1, -0.1, 1.3, 0.7, []),
    ],
)  # fmt: skip
def test_the_records_tell_the_form_of_a_loss(end, real, fake, loss_D, loss_G, found):
    history = {"loss_D": [loss_D] * 240, "loss_G": [loss_G] * 240}
    d_real, d_fake = (torch.full((64, 1), d) for d in (real, fake))
    seen = case(D_ends=end, d_real=d_real, d_fake=d_fake, history=history)
    assert [f[0] for f in records.recorded_forms(seen)] == found
    assert not found or doctor.Finding(*next(records.recorded_forms(seen))).sick

"""Each patient is the healthy run with one fault in it, and nothing else."""

from dataclasses import fields, replace

import pytest
import torch

from ganedu import losses, steps
from ganedu.doctor import patients
from ganedu.doctor.patients import PATIENTS, Parts, healthy, patient

FREE = {"image_size": 16, "width": 4}  # small: milliseconds a step
CASES = [(p.key, where) for p in PATIENTS.values() for where in p.where if where in ("ring", "digits")]


def weights(run) -> list[torch.Tensor]:
    return [t.detach().clone() for m in (run.G, run.D) for t in (*m.parameters(), *m.buffers())]


def equal(a, b) -> bool:
    return len(a) == len(b) and all(x.shape == y.shape and torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("where", "conditional"), [("ring", False), ("digits", False), ("digits", True)])
def test_the_healthy_step_is_the_courses_step(where, conditional):
    ours, course = (healthy(where, 3, 4, conditional=conditional) for _ in range(2))
    z_dim = course.z_dim
    own = steps.cgan_step if conditional else steps.train_step
    course.step = lambda *batch, **players: own(*batch, **players, z_dim=z_dim)
    ours.train(3), course.train(3)
    assert equal(weights(ours), weights(course))
    assert ours.history["loss_D"] == course.history["loss_D"]
    assert ours.history["loss_G"] == course.history["loss_G"]


@pytest.mark.parametrize(("key", "where"), CASES)
def test_the_fault_put_back_gives_the_healthy_run(key, where):
    """The same run, with the fault's parts, and only those, replaced by the healthy ones."""
    p = PATIENTS[key]
    sound = {name: getattr(Parts(), name) for name in p.fault}
    mended = healthy(where, 5, 4, conditional=p.conditional, parts=replace(Parts(), **{**p.fault, **sound}))
    well = healthy(where, 5, 4, conditional=p.conditional)
    assert equal(weights(mended.train(3)), weights(well.train(3)))
    # what the patient's run is made of differs from the healthy one's in the fault alone
    sick = patient(key, where, 5, 4)
    ours, theirs = sick.step.keywords["parts"], well.step.keywords["parts"]
    assert {f.name for f in fields(Parts) if getattr(ours, f.name) is not getattr(theirs, f.name)} == p.fault.keys()


@pytest.mark.parametrize(("key", "where"), [c for c in CASES if c[0] != "A10"])
def test_a_patient_starts_as_the_healthy_run_and_goes_another_way(key, where):
    p = PATIENTS[key]
    sick, well = patient(key, where, 5, 4), healthy(where, 5, 4, conditional=p.conditional)
    assert equal(weights(sick), weights(well))  # the fault changes no initial weight
    sick.train(3), well.train(3)
    assert equal(weights(sick), weights(well)) == (key == "D3")  # no detach: wasted work, the same numbers
    assert all(len(sick.history[k]) == 3 for k in ("loss_D", "loss_G", "d_real", "d_fake"))


def test_no_detach_is_harmless_only_because_of_the_order_of_zero_grad():
    """Without G's zero_grad before its backward, D's loss would move G."""
    run, well = patient("D3", "ring", 0, 8), healthy("ring", 0, 8)
    run.opt_G.zero_grad = lambda set_to_none=True: None
    well.opt_G.zero_grad = lambda set_to_none=True: None
    assert not equal(weights(run.train(1)), weights(well.train(1)))


def test_images_of_the_wrong_size_stop_the_step():
    run = patient("A10", "digits", 0, 4)
    assert run.G(torch.randn(2, run.z_dim)).shape == (2, 1, 9, 9)
    with pytest.raises(ValueError, match="9, 9"):
        run.train(1)


def test_each_fault_does_what_its_text_says():
    z = torch.randn(64, 32)
    assert patient("B2", "digits").G(z).max() > patient("B2", "digits").G(z).min()
    (x,) = patient("E1", "digits").batch()
    assert x.min() == 0 and x.max() <= 1
    (x,) = patient("B4", "digits").batch()
    assert abs(float(x.std()) - 3**-0.5) < 0.01
    G, y = patient("A1", "digits").G, torch.arange(64) % 10
    assert torch.equal(G(z, y), G(z, y.flip(0)))
    run = patient("C4", "ring")
    assert run.opt_G is run.opt_D
    run = patient("A7", "ring")
    assert run.opt_G.param_groups[0]["params"] == run.opt_D.param_groups[0]["params"] == list(run.D.parameters())
    assert (
        patient("A5", "digits")
        .step.keywords["parts"]
        .shown(torch.tensor([-1.0, 1.0]))
        .allclose(torch.tensor([-1.00784, -0.99216]), atol=1e-5)
    )


def test_the_slope_of_log_of_d_plus_one_vanishes_at_both_ends():
    """log(D + 1) by the logit: D (1 - D) / (1 + D), never above 3 - 2 sqrt 2 = 0.172."""
    d = torch.linspace(-20, 20, 4001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(patients.total_variation_g(lambda x: x, d) * len(d), d)
    assert abs(float(slope.max()) - (3 - 8**0.5)) < 1e-6
    assert slope[0] < 1e-8 and slope[-1] < 1e-8


def test_the_negated_losses_are_the_negatives():
    d_real, d_fake = torch.randn(9), torch.randn(9)
    assert patients.negated_d(d_real, d_fake) == -losses.cross_entropy_d(d_real, d_fake)
    assert patients.negated_g(lambda x: x, d_fake) == -losses.minimax_g(d_fake)
    assert patients.fleeing_g(lambda x: x, d_fake) == -losses.non_saturating_g(d_fake)


def test_training_leaves_the_global_random_numbers_alone_and_goes_on():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run, once = healthy("ring", 2, 8), healthy("ring", 2, 8)
    run.train(2), run.batch(), run.train(3), once.train(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(weights(run), weights(once)) and run.history == once.history


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: patient("A55", "digits"), "A5"),
        (lambda: patient("A5", "ring"), "choose one of digits, fashion, shapes"),
        (lambda: healthy("rings"), "ring"),
        (lambda: healthy("ring", conditional=True), "no labels"),
    ],
)
def test_what_does_not_fit_is_said(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_the_list_is_complete():
    keys = "D1 B6 B6' A5 A6 A4 C4 D3 A1 A7 A9 A10 B2 B4 B5 C2 C5 E1 E3"
    assert list(PATIENTS) == keys.split()

"""What people give the doctor: many forms do, the rest is refused or leaves a doubt; nothing of theirs is changed."""

import random
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import trainer
from torch import nn

from ganedu import __main__ as cli
from ganedu import losses, models
from ganedu.doctor import examine
from ganedu.runs import recipes


def material(dtype=torch.float32, before=lambda x: None, after=lambda x: None, **changed):
    """A healthy run of somebody's own, whose step also calls `before` and `after` with its batch."""
    torch.manual_seed(0)
    G, D = models.MLPGenerator(2, width=8).to(dtype), models.MLPDiscriminator(width=8).to(dtype)
    opt_G, opt_D = torch.optim.SGD(G.parameters(), 0.1), torch.optim.SGD(D.parameters(), 0.1)

    def step(x_real, *labels):
        before(x_real)
        z = torch.randn(len(x_real), 2, dtype=dtype)
        loss_D = losses.cross_entropy_d(D(x_real), D(G(z).detach()))
        opt_D.zero_grad(), loss_D.backward(), opt_D.step()
        loss_G = losses.non_saturating_g(D(G(torch.randn_like(z))))
        opt_G.zero_grad(), loss_G.backward(), opt_G.step()
        after(x_real)

    x_real, history = (torch.randn(300, 2) * 0.3 + 1).to(dtype), {"loss_D": [1.4, 1.3]}
    return {"G": G, "D": D, "step": step, "x_real": x_real, "z_dim": 2, "history": history, **changed}


def of_the_process():
    """What belongs to the whole process, as a text."""
    state = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    return str((*state, torch.is_grad_enabled(), torch.get_default_dtype()))


# --------------------------------------------------------------------------------------------------- what is taken

X = torch.randn(300, 2, generator=torch.Generator().manual_seed(1)) * 0.3 + 1


@pytest.mark.parametrize(
    "x_real",
    [X.numpy(), X.double().numpy(), X.numpy()[::-1], X.tolist(), [*X], [*X.numpy()], X.clone().requires_grad_() * 1],
    ids=["array", "float64 array", "backwards", "list", "tensors", "arrays", "with a past"],
)
def test_arrays_and_lists_are_data_as_tensors_are(x_real):
    labels = (np.arange(300) % 3, [0, 1, 2] * 100)
    for y in labels:
        report = examine(**material(x_real=x_real, labels=y, z=X[:64].tolist(), history={"loss_D": np.ones(9)}))
        assert report.healthy and report.case.steps == 9, report
        assert report.case.x_real.dtype == torch.float32 and report.case.labels.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_networks_of_any_precision_are_examined(dtype):
    for z in (None, X[:64]):
        report = examine(**material(dtype, z=z))
        assert report.healthy and report.case.fake.dtype == torch.float32, report
        assert not {"balance", "collapse", "updates", "signs"} & report.skipped.keys()
    flipped = material(dtype)
    assert not examine(**{**flipped, "x_real": torch.full_like(flipped["x_real"], torch.nan)}).healthy


def test_of_several_outputs_of_a_generator_the_first_is_the_sample():
    class Two(models.MLPGenerator):
        def forward(self, z):
            return super().forward(z), z

    found = examine(**material(step=None, G=Two(2, width=8)))
    assert found.healthy and found.case.fake.shape == (256, 2)


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"run": 5}, "int is no run: give a Trainer or the folder"),
        ({"run": [1]}, "list is no run"),
        ({"run": b"runs"}, "bytes is no run"),
        ({"run": models.MLPGenerator(2)}, "MLPGenerator is no run: .* examine.G=G"),
        ({"run": models.MLPGenerator}, "the class MLPGenerator is no run"),
        ({"G": "net"}, "G is str: give the torch.nn.Module"),
        ({"G": lambda z: z}, "G is function"),
        ({"D": models.MLPDiscriminator}, "D is the class MLPDiscriminator"),
        ({"opt_G": 3}, "opt_G is int: give the torch.optim.Optimizer"),
        ({"opt_D": models.MLPDiscriminator()}, "opt_D is MLPDiscriminator"),
        ({"step": "step"}, "step is str: give the function"),
        ({"x_real": 5}, r"x_real is torch.int64 \(\), cpu: give real numbers \(N, ...\)"),
        ({"x_real": []}, r"x_real is .* \(0,\)"),
        ({"x_real": torch.empty(0, 2)}, r"x_real is torch.float32 \(0, 2\)"),
        ({"x_real": torch.empty(4, 0)}, r"x_real is torch.float32 \(4, 0\)"),
        ({"x_real": np.array([None, None])}, "x_real is ndarray and makes no tensor"),
        ({"x_real": [[1.0, 2.0], [3.0]]}, "x_real is list and makes no tensor"),
        ({"x_real": [torch.ones(2), torch.ones(3)]}, "x_real is list and makes no tensor"),
        ({"x_real": "abc"}, "x_real is str and makes no tensor"),
        ({"x_real": {"a": 1}}, "x_real is dict"),
        ({"x_real": [[10**400, 1]]}, "x_real is list"),
        ({"x_real": torch.ones(9, 2, dtype=torch.cfloat)}, r"x_real is torch.complex64 \(9, 2\)"),
        ({"x_real": torch.eye(9, 2).to_sparse()}, "give real numbers"),
        ({"x_real": torch.ones(9, 2, device="meta")}, "meta: give real numbers"),
        ({"labels": [0] * 299}, "299 labels for 300 samples"),
        ({"labels": 3}, r"labels is torch.int64 \(\)"),
        ({"labels": [None] * 300}, "labels is list and makes no tensor"),
        ({"z": "z"}, "z is str"),
        ({"z": torch.empty(0, 2)}, r"z is torch.float32 \(0, 2\)"),
        ({"z_dim": 0}, "z_dim=0 does not fit: give a whole number from 1"),
        ({"z_dim": "2"}, "z_dim='2'"),
        ({"z_dim": True}, "z_dim=True"),
        ({"z_dim": 1e9}, "z_dim=1"),
        ({"history": [1.0, 2.0]}, "history is list: give a dict"),
        ({"history": "loss"}, "history is str"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(wrong, says):
    def never(x_real):
        raise AssertionError("the step was called")

    with pytest.raises(ValueError, match=says):
        examine(**material(before=never, **wrong) if "run" not in wrong else wrong)


def test_a_run_has_players_of_its_own():
    with pytest.raises(ValueError, match="a run has G, step of its own"):
        examine(trainer("points"), G=models.MLPGenerator(2), step=print)


NOTHING_LIKE_IT = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary())
ANYTHING = st.recursive(NOTHING_LIKE_IT, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@settings(deadline=None, max_examples=40, print_blob=True)
@given(st.sampled_from(["x_real", "labels", "z", "z_dim", "history", "G", "step", "opt_D"]), ANYTHING)
def test_anything_at_all_is_taken_or_refused(name, value):
    """In place of one thing that was good: a report, or a ValueError; and of what was given nothing is changed."""
    given_ = material(**{name: value})
    x_real, before = given_["x_real"], of_the_process()
    was = x_real.clone() if isinstance(x_real, torch.Tensor) else repr(x_real)
    try:
        report = examine(**given_)
        assert report.healthy or report.sick or "Give both networks" in report.verdict or "raises" in report.verdict
    except ValueError as e:
        assert name in str(e)
    assert of_the_process() == before
    assert torch.equal(x_real, was) if isinstance(x_real, torch.Tensor) else repr(x_real) == was


def test_records_that_are_no_numbers_are_left_out_and_said():
    odd = {
        "loss_D": [1.0, torch.ones(())],
        "note": "12",
        "rows": [[1.0]],
        "gap": [1.0, None],
        "huge": [10**400],
        3: [2],
    }
    report = examine(**material(history=odd))
    assert report.case.history == {"loss_D": [1.0, 1.0], "3": [2.0]}
    assert report.skipped["history"] == "no lists of numbers: note, rows, gap, huge" and report.healthy


# ----------------------------------------------------------------------------------------------- what stays as it is


def in_place(x):
    x.mul_(0)


def gradients_off(x):
    torch.set_grad_enabled(False)


def double_precision(x):
    torch.set_default_dtype(torch.float64)


def seeds(x):
    torch.manual_seed(1), np.random.seed(3), random.seed(4)  # noqa: NPY002


def ends(x):
    sys.exit(3)


class Own(BaseException):
    pass


def raises(x):
    raise Own("mine")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", [in_place, gradients_off, double_precision, seeds, ends, raises])
def test_what_a_step_does_to_its_batch_and_to_the_process_is_undone(what, when):
    run = material(**{when: what}, labels=torch.zeros(300, dtype=int))
    kept = {k: v.clone() for k, v in run.items() if isinstance(v, torch.Tensor)}
    weights = [p.detach().clone() for n in "GD" for p in run[n].parameters()]
    before = of_the_process()
    report = examine(**run)
    assert of_the_process() == before
    assert all(torch.equal(run[k], v) for k, v in kept.items()) and run["history"] == {"loss_D": [1.4, 1.3]}
    now = [p for n in "GD" for p in run[n].parameters()]
    assert all(torch.equal(a, b) for a, b in zip(weights, now, strict=True))
    assert torch.equal(report.case.x_real, run["x_real"]), "and checks see the data, not what the step made of it"
    assert report.healthy == (what in (in_place, double_precision) or (what, when) == (seeds, "after")), report


def test_a_network_that_works_in_place_leaves_latents_and_data_alone():
    class Inside(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(x.mul_(0.5))

    run = material()
    z, x = X[:64].clone(), run["x_real"].clone()
    report = examine(**{**run, "G": Inside(run["G"]), "D": Inside(run["D"]), "step": None, "z": z})
    assert torch.equal(z, X[:64]) and torch.equal(run["x_real"], x) and report.healthy, report


def test_a_statistic_that_a_step_replaces_is_put_back():
    run = material()
    run["G"].register_buffer("seen", torch.zeros(1))
    buffer, weight = run["G"].seen, run["G"].net[0].weight

    def replace(x):
        run["G"].seen, run["G"].net[0].weight = torch.ones(1), nn.Parameter(torch.ones(8, 2))

    examine(**material(before=replace, **{k: run[k] for k in "GD"}))
    assert run["G"].seen is buffer and float(buffer) == 0 and run["G"].net[0].weight is weight


def test_an_interrupt_goes_through_and_leaves_everything_as_it_was():
    def interrupted(x):
        torch.set_grad_enabled(False)
        raise KeyboardInterrupt

    run, before = material(after=interrupted), of_the_process()
    weights = [p.detach().clone() for n in "GD" for p in run[n].parameters()]
    with pytest.raises(KeyboardInterrupt):
        examine(**run)
    now = [p for n in "GD" for p in run[n].parameters()]
    assert of_the_process() == before and all(torch.equal(a, b) for a, b in zip(weights, now, strict=True))


def test_where_gradients_are_off_the_step_is_watched_all_the_same():
    run = material()
    with torch.no_grad():
        assert examine(**run).healthy


# --------------------------------------------------------------------------------------------- three kinds of answer


def test_too_little_material_is_called_neither_healthy_nor_sick():
    everything = material()
    for left_out in (["x_real"], ["G"], ["D"], ["G", "D"], ["x_real", "step"], list(everything)):
        report = examine(**{k: v for k, v in everything.items() if k not in left_out})
        assert not report.healthy and not report.sick, report
        assert report.verdict.startswith("could not tell: no ") and f"no {left_out[0]} was given" in str(report)
        assert "Give both networks and data" in report.verdict and "examine(G=G" in report._repr_html_()
    for z_dim in ({}, {"z_dim": None}):
        nn_only = {"G": nn.Linear(2, 2), "D": nn.Linear(2, 1), "x_real": X, **z_dim}
        assert "neither z nor z_dim" in examine(**nn_only).verdict
    for few in ({"x_real": X[:7]}, {"z": X[:1]}):
        assert "samples say little" in examine(**material(**few)).verdict
    assert examine(**material(x_real=X[:8])).healthy


def test_what_was_given_and_fails_leaves_a_doubt():
    cases = [({"z_dim": 3}, "G raises"), ({"before": lambda x: 1 / 0}, "the step raises ZeroDivisionError"),
             ({"x_real": X.long()}, "the step raises"), ({"D": nn.Linear(7, 1), "step": None}, "D raises")]  # fmt: skip
    for wrong, says in cases:
        report = examine(**material(**wrong))
        assert not report.healthy and report.verdict.startswith(f"not examined: {says}"), report
        assert "\n" not in report.verdict and "Mend that first" in report.verdict
    no_data = trainer("images", data=lambda n: 1 / 0)
    assert "the run's data raises ZeroDivisionError" in examine(no_data).verdict


def test_without_its_step_a_run_is_healthy_with_a_reservation():
    report = examine(**material(step=None))
    assert report.healthy and report.verdict.endswith("but no step was given")
    assert examine(**material()).verdict == "healthy: nothing found that makes a run sick"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_found_wherever_they_are(value):
    def spoilt(tensor):
        with torch.no_grad():
            tensor.view(-1)[0] = value

    for where in ("G", "D", "x_real"):
        run = material()
        spoilt(run[where] if where == "x_real" else next(run[where].parameters()))
        for step in (run["step"], None):
            report = examine(**{**run, "step": step})
            assert report[0].key == "not_finite" and not report.healthy, (where, report)
    run = material()
    step, weight = run["step"], next(run["G"].parameters())
    report = examine(**{**run, "step": lambda x: (step(x), spoilt(weight))})
    assert report[0].key == "not_finite" and "In 2 steps a weight of G left" in report[0].seen, report
    averaged = trainer("points", ema=0.9)
    spoilt(next(averaged.ema.parameters()))
    report = examine(averaged)
    assert report[0].key == "not_finite" and "the running average" in report[0].seen


def test_the_command_line_calls_healthy_what_is_and_nothing_else(tmp_path, capsys, monkeypatch):
    settings_, images = recipes.prepare("dcgan", "digits", image_size=16, width=2)
    run = recipes.trainer(settings_, images)
    for _ in run.run(steps=4):
        pass
    run.save(tmp_path, settings_)
    assert cli.main(["doctor", str(tmp_path)]) == 0 and capsys.readouterr().out.startswith("healthy")

    def without_data(folder):
        run.data = None
        return run

    monkeypatch.setattr(recipes, "load_trainer", without_data)
    assert cli.main(["doctor", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith("could not tell: no x_real was given")

"""Oracles: the plain loop of steps, averages worked out by hand, and the same run left alone.

What is equal here is equal bit for bit: a run that is watched, cut, interrupted or resumed gives the same floats.
"""

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import small_runs
import torch
from small_runs import BATCH, state, train, trainer

from ganedu import training
from ganedu.sampling import seeded
from ganedu.training import Diverged, Trainer, constant, linear_second_half

every_game = pytest.mark.parametrize("kind", small_runs.GAMES)


def plain_loop(kind, steps, seed=0):
    """(history, players) without a Trainer."""
    players, data, step = small_runs.game(kind, seed)
    history = {}
    with seeded(seed):
        for _ in range(steps):
            batch = data(BATCH)
            record = step(*(batch if isinstance(batch, tuple) else (batch,)), **players)
            for name, value in record.items():
                history.setdefault(name, []).append(value.item())
    return history, players


# ------------------------------------------------------------------------------------------------- the run


@every_game
def test_a_run_gives_the_numbers_of_the_plain_loop(kind):
    history, players = plain_loop(kind, 17)
    run = train(trainer(kind), 17)
    assert run.history == history
    for name in "GD":
        theirs = players[name].state_dict()
        assert all(torch.equal(v, theirs[k]) for k, v in run.modules[name].state_dict().items())


def test_a_record_every_so_many_steps_and_at_the_end():
    run = trainer()
    records = list(run.run(steps=17, every=7))
    assert [r["step"] for r in records] == [7, 14, 17]
    for record, (a, b) in zip(records, [(0, 7), (7, 14), (14, 17)], strict=True):
        for name in ("loss_D", "loss_G"):
            assert abs(record[name] - sum(run.history[name][a:b]) / (b - a)) < 1e-12


def test_how_often_it_is_watched_does_not_change_a_run():
    assert state(train(trainer("images"), 12, every=1)) == state(train(trainer("images"), 12, every=50))


def test_random_numbers_drawn_between_records_do_not_change_a_run():
    run = trainer("images")
    for _ in run.run(steps=12, every=3):
        torch.manual_seed(5)
        torch.randn(7)
        run.sample(3)
    assert state(run) == state(train(trainer("images"), 12))


def test_a_trainer_leaves_the_global_random_numbers_alone(tmp_path):
    torch.manual_seed(3)
    players, data, step = small_runs.game("images")
    before = torch.get_rng_state()
    run = Trainer(step, players, data, batch_size=BATCH, ema=0.9, precision="no")
    train(run, 4)
    run.sample(2)
    run.save(tmp_path)
    run.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    a, b = (train(trainer("images", seed=1), 8) for _ in range(2))
    assert state(a) == state(b)
    players, data, step = small_runs.game("images", seed=1)
    other = train(Trainer(step, players, data, batch_size=BATCH, seed=2, precision="no"), 8)
    assert other.history["loss_D"][0] != a.history["loss_D"][0]


def test_steps_count_from_the_start_of_the_run():
    parts, whole = trainer(), train(trainer(), 20)
    train(parts, 8)
    train(parts, 20)
    assert state(parts) == state(whole)
    assert list(parts.run(steps=20)) == []


def test_in_one_process_players_stay_the_students_own_modules():
    players, data, step = small_runs.game("points")
    run = Trainer(step, players, data, precision="no")
    assert all(run.players[k] is players[k] for k in players)


def test_a_batch_may_be_a_list_as_a_loader_gives_it():
    run = trainer("labelled", data=lambda n: list(small_runs.uniform_labelled(n)))
    assert state(train(run, 3)) == state(train(trainer("labelled"), 3))


def test_any_step_with_any_players_runs():
    class Fit(torch.nn.Linear):
        pass

    def step(x, *, model, opt):
        loss = (model(x) - 1).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return {"loss": loss.detach()}

    model = Fit(2, 1)
    run = Trainer(step, {"model": model, "opt": torch.optim.SGD(model.parameters(), 0.1)},
                  lambda n: torch.randn(n, 2), precision="no")  # fmt: skip
    train(run, 60)
    assert run.history["loss"][-1] < 0.01 * run.history["loss"][0]
    with pytest.raises(ValueError, match="no player is called G, only model, opt"):
        run.sample(1)


# ------------------------------------------------------------------------------------------------- time


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def ticking(clock, seconds):
    def data(n):
        clock.seconds += seconds
        return small_runs.densities.ring().sample(n)

    return data


def test_seconds_stop_a_run_and_only_training_counts(clock):
    run = trainer(data=ticking(clock, 0.5))
    seen = []
    for record in run.run(seconds=4.75, every=4):
        seen.append((record["step"], record["seconds"]))
        clock.seconds += 100  # somebody draws a figure
    assert seen == [(4, 2.0), (8, 4.0), (10, 5.0)]
    assert list(run.run(seconds=5.0)) == []


def test_seconds_count_from_the_start_of_the_run(clock):
    run = trainer(data=ticking(clock, 0.5))
    list(run.run(seconds=2.0))
    clock.seconds += 100
    list(run.run(seconds=3.0))
    assert run.step == 6 and run.seconds == 3.0


def test_of_steps_and_seconds_the_first_that_is_reached_ends_the_run(clock):
    run = trainer(data=ticking(clock, 0.5))
    list(run.run(steps=3, seconds=10.0))
    assert run.step == 3
    list(run.run(steps=100, seconds=4.0))
    assert run.step == 8


# ------------------------------------------------------------------------------------------------- learning rates


def test_the_schedule_falls_linearly_over_the_second_half():
    assert [constant(p) for p in (0, 0.5, 1)] == [1, 1, 1]
    expected = {0: 1, 0.25: 1, 0.5: 1, 0.75: 0.5, 0.9: 0.2, 1: 0}
    assert all(abs(linear_second_half(p) - v) < 1e-12 for p, v in expected.items())


def test_the_schedule_multiplies_each_learning_rate():
    players, data, inner = small_runs.game("points")
    rates = []

    def step(x, *, opt_G, opt_D, **rest):
        rates.append((opt_G.param_groups[0]["lr"], opt_D.param_groups[0]["lr"]))
        return inner(x, opt_G=opt_G, opt_D=opt_D, **rest)

    train(Trainer(step, players, data, schedule=lambda p: 1 - p, precision="no"), 5, every=2)
    for i, (lr_G, lr_D) in enumerate(rates):
        assert abs(lr_G - 1e-2 * (1 - i / 5)) < 1e-12 and abs(lr_D - 2e-3 * (1 - i / 5)) < 1e-12


def test_without_steps_the_schedule_follows_the_seconds(clock):
    seen = []

    def schedule(progress):
        seen.append(progress)
        return 1.0

    list(trainer(data=ticking(clock, 1.0), schedule=schedule).run(seconds=4.0))
    assert seen == [0.0, 0.25, 0.5, 0.75]


# ------------------------------------------------------------------------------------------------- what was learnt


def test_ema_is_the_average_worked_out_by_hand():
    run, decay = trainer("images", ema=0.3), 0.3  # reached at the fifth step
    average = None
    for _ in run.run(steps=9, every=1):
        now = {k: v.clone().double() for k, v in run.modules["G"].named_parameters()}
        keep = min(decay, run.step / (9 + run.step))  # (1 + t) / (10 + t), with t = step - 1 averaged so far
        average = now if average is None else {k: keep * average[k] + (1 - keep) * now[k] for k in now}
    for k, v in run.ema.module.named_parameters():
        assert torch.allclose(v.double(), average[k], rtol=1e-5, atol=1e-7)
        assert not torch.equal(v, dict(run.modules["G"].named_parameters())[k])


def test_an_average_does_not_change_the_run():
    with_ema, without = train(trainer("images", ema=0.9), 8), train(trainer("images"), 8)
    assert with_ema.history == without.history


@pytest.mark.parametrize("ema", [None, 0.8])
def test_averaged_gives_a_frozen_copy_with_fresh_statistics(ema):
    run = train(trainer("images", ema=ema), 6)
    before = state(run)
    G = run.averaged()
    source = run.modules["G"] if ema is None else run.ema.module
    assert all(torch.equal(a, b) for a, b in zip(G.parameters(), source.parameters(), strict=True))
    assert not G.training and not any(p.requires_grad for p in G.parameters())
    assert not torch.allclose(G.net[2].running_var, source.net[2].running_var, rtol=1e-3)
    assert state(run) == before and run.modules["G"].training


def test_samples_depend_on_their_seed_alone():
    run = train(trainer("labelled"), 6)
    labels = torch.tensor([0, 1, 2, 1])
    a, b, other = (run.sample(4, labels, seed=s) for s in (1, 1, 2))
    assert a.shape == (4, 1, 16, 16) and torch.equal(a, b) and not torch.equal(a, other)


# ------------------------------------------------------------------------------------------------- when it goes wrong


def break_at(call, value=float("nan")):
    """Data for which the reals of one call hold `value`."""
    calls = []

    def data(n):
        calls.append(1)
        x = small_runs.densities.ring().sample(n)
        return torch.full_like(x, value) if len(calls) == call else x

    return data


def test_a_value_that_is_not_finite_stops_the_run_and_is_named_with_its_step():
    run = trainer(data=break_at(13))
    steps = []
    with pytest.raises(Diverged, match=r"loss_D is nan at step 13: .*Lower the learning rate"):
        steps += [r["step"] for r in run.run(steps=40, every=5)]
    assert run.step == 15  # the chunk is looked at as a whole
    assert len(run.history["loss_D"]) == 15 and all(v == v for v in run.history["loss_D"][:12])


def test_infinity_is_not_finite_either():
    def step(x, *, G, D, opt_G, opt_D):
        return {"fine": torch.tensor(1.0), "height": torch.tensor(float("-inf"))}

    with pytest.raises(Diverged, match="height is -inf at step 1"):
        train(trainer(step=step), 3)


def test_after_divergence_the_last_checkpoint_goes_on_to_the_numbers_of_a_healthy_run(tmp_path):
    run = trainer(data=break_at(13))
    with pytest.raises(Diverged):
        for _ in run.run(steps=20, every=5):
            run.save(tmp_path)
    run.load(tmp_path)
    assert run.step == 10
    assert state(train(run, 20)) == state(train(trainer(), 20))


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """A loss can still be finite in the step whose gradient breaks the weights."""
    run = train(trainer(), 5)
    run.save(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with torch.no_grad():
        next(run.modules["D"].parameters())[0, 0] = float("inf")
    with pytest.raises(Diverged, match=r"^D\.net\.0\.weight holds values that are not finite at step 5"):
        run.save(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def interrupt_at(call):
    """Data during whose `call`-th draw Ctrl-C is pressed."""
    calls = []

    def data(n):
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return small_runs.densities.ring().sample(n)

    return data


def test_an_interrupt_keeps_every_record_and_the_run_goes_on_to_the_same_numbers():
    run = trainer(data=interrupt_at(13))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 13; run"):
        train(run, 20)
    assert run.step == 13 and len(run.history["loss_G"]) == 13
    assert signal.getsignal(signal.SIGINT) is handler
    assert state(train(run, 20)) == state(train(trainer(), 20))


def test_a_mistake_in_the_step_keeps_the_records_before_it():
    def data(n, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 8:
            raise ZeroDivisionError("mine")
        return small_runs.densities.ring().sample(n)

    run = trainer(data=data)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError, match="mine"):
        train(run, 20)
    assert run.step == 7 and len(run.history["loss_D"]) == 7
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_trainer_runs_outside_the_main_thread():
    run = trainer()
    thread = threading.Thread(target=train, args=(run, 6))
    thread.start()
    thread.join(60)
    assert state(run) == state(train(trainer(), 6))


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: list(trainer().run()), r"say how long: run\(steps=\.\.\.\) or run\(seconds"),
        (lambda: list(trainer().run(steps=3, every=0)), "every=0 does not fit: give a whole number from 1"),
        (lambda: trainer(batch_size=0), "batch_size=0 does not fit"),
        (lambda: trainer(ema=1.0), "ema=1.0 does not fit: a decay from 0 to below 1"),
        (lambda: trainer(ema=-0.1), "ema=-0.1 does not fit"),
        (lambda: trainer(precision="fp16"), r"precision='fp16' does not fit: 'no' \(float32\) or 'bf16'"),
        (lambda: trainer(players={}, ema=0.9), "no player is called G"),
    ],
)
def test_bad_settings_are_named_with_what_fits(use, says):
    with pytest.raises(ValueError, match=says):
        use()


# ------------------------------------------------------------------------------------------------- the engine


def test_another_precision_in_the_same_process_is_a_clear_error():
    trainer(precision="no")
    with pytest.raises(ValueError, match=r"precision='bf16', but an earlier Trainer.*Restart the kernel"):
        trainer(precision="bf16")
    train(trainer(precision="no"), 2)  # the first choice still stands


def test_bf16_computes_in_16_bits_and_keeps_weights_in_32(tmp_path):
    run = train(trainer("images", precision="bf16", ema=0.9), 4)
    run.save(tmp_path)
    assert all(p.dtype == torch.float32 for p in run.modules["G"].parameters())
    assert run.sample(3).dtype == torch.float32
    again = trainer("images", precision="bf16", ema=0.9, seed=5)
    again.load(tmp_path)
    assert state(train(again, 8)) == state(train(run, 8))
    exact = plain_loop("images", 8)[0]["loss_D"]
    assert run.history["loss_D"] != exact
    assert all(abs(a - b) < 0.05 * abs(b) for a, b in zip(run.history["loss_D"][:3], exact[:3], strict=True))


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="with CUDA the engine takes the GPU, so there is no choice to test"
)
def test_without_cuda_the_engine_stays_on_the_cpu_even_on_a_mac(monkeypatch):
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    trainer()
    monkeypatch.setattr("accelerate.state.is_mps_available", lambda *_, **__: True)
    sys.modules["accelerate.state"].AcceleratorState._reset_state(reset_partial_state=True)
    assert trainer().device.type == "cpu"


ON_THE_GPU = """
import copy, torch
from ganedu import models
from ganedu.toys import densities
from ganedu.steps import train_step
from ganedu.training import Trainer
from functools import partial
torch.manual_seed(0)
G, D = models.MLPGenerator(2), models.MLPDiscriminator()

def make():
    g, d = copy.deepcopy(G), copy.deepcopy(D)
    players = {"G": g, "D": d, "opt_G": torch.optim.Adam(g.parameters()), "opt_D": torch.optim.Adam(d.parameters())}
    return Trainer(partial(train_step, z_dim=2), players, densities.ring().sample, ema=0.9)

whole, cut, other = make(), make(), make()
assert whole.device.type == "cuda" and whole.accelerator.mixed_precision == "bf16"
list(whole.run(steps=40, every=10))
list(cut.run(steps=20))
torch.randn(9, device="cuda")
cut.save(FOLDER)
other.load(FOLDER)
list(other.run(steps=40))
assert whole.history == other.history
assert whole.sample(5).device.type == "cpu" and torch.equal(whole.sample(5), other.sample(5))
"""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
def test_on_a_gpu_a_run_takes_bf16_and_resumes_to_the_same_numbers(tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "ACCELERATE_USE_CPU"}
    subprocess.run([sys.executable, "-c", ON_THE_GPU.replace("FOLDER", repr(str(tmp_path)))], check=True, env=env)

"""Oracles: formulas of operations and bytes by hand, clocks that are told the time, torch's own counter."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ganedu.models import DCDiscriminator, DCGenerator
from ganedu.topics import cost

LIMITS = cost.Limits(1e9, 1e8, 1e-6)


def summed(calls):
    return sum(c.operations for c in calls), sum(c.bytes for c in calls)


# ------------------------------------------------------------------------------------------------------ counting


def test_a_convolution_by_hand():
    x, conv = torch.randn(5, 3, 16, 16), nn.Conv2d(3, 7, 4, 2, 1, bias=False)
    with torch.no_grad():
        found = cost.counted(lambda: conv(x))
    weights, out = 7 * 3 * 16, 5 * 7 * 8 * 8
    assert len(found) == 1 and found[0].name == "convolution"
    assert found[0].operations == 2 * out * 3 * 16
    assert found[0].bytes == 4 * (x.numel() + weights + out)


def test_a_product_and_what_is_changed_in_place():
    a, b = torch.randn(4, 6), torch.randn(6, 9)
    assert cost.counted(lambda: a @ b) == [("mm", 2 * 4 * 6 * 9, 4 * (24 + 54 + 36))]
    assert cost.counted(lambda: a.add_(1)) == [("add_", 0, 4 * 48)]  # read and written
    assert cost.counted(lambda: a.view(24)) == []
    assert summed(cost.counted(lambda: torch.empty(100))) == (0, 0)


def test_the_step_is_thirteen_passes():
    """D: real and fake forward, both back to weights and maps; G: forward, D forward and back to maps, G back."""
    g = cost.game(32, 2, 4)
    layers = [(g.D, m) for m in g.D.modules()] + [(g.G, m) for m in g.G.modules()]
    work, found = {}, 0

    def hook(m, given, out):
        work[m] = (
            2 * out.numel() * m.weight.numel() // (m.weight.shape[0 if not isinstance(m, nn.ConvTranspose2d) else 1])
        )
        if isinstance(m, nn.ConvTranspose2d):
            work[m] = 2 * given[0].numel() * m.weight.numel() // m.weight.shape[0]

    handles = [
        m.register_forward_hook(hook) for _, m in layers if isinstance(m, nn.Conv2d | nn.Linear | nn.ConvTranspose2d)
    ]
    g.D(g.G(torch.randn(4, 64)))
    for h in handles:
        h.remove()
    first_d, first_g = g.D.net[0], g.G.net[0]
    for net, m in layers:
        if m in work:
            d = 3 + 2 + (1 if m is first_d else 3)  # no slope for real pictures, nor for fakes without one
            in_g = 2 + 1 + (0 if m is first_g else 1)
            found += work[m] * (d if net is g.D else in_g)
    assert summed(cost.counted(g.step))[0] == found


def test_torchs_counter_agrees_and_numbers_do_not_matter():
    g = cost.game(28, 2, 4)
    with FlopCounterMode(display=False) as counter:
        g.step()
    calls = cost.counted(g.step)
    assert summed(calls)[0] == counter.get_total_flops()
    nowhere = cost.game(28, 2, 4, device="meta")
    nowhere.step()  # the first makes Adam's moments
    assert cost.counted(nowhere.step) == calls


def test_the_bound_takes_the_limit_that_binds():
    calls = [cost.Call("mm", 10**9, 10), cost.Call("add", 0, 10**8), cost.Call("mm", 10**6, 10**6)]
    found = cost.bound(calls, LIMITS)
    assert found == pytest.approx({"operations": 1.0, "bytes": 1.0 + 1e-2, "calls": 3e-6})
    assert cost.bound([], LIMITS) == {"operations": 0.0, "bytes": 0.0, "calls": 0.0}
    assert LIMITS.balance == 10


# ------------------------------------------------------------------------------------------------------ the step


@pytest.mark.parametrize("kw", [{"adam": "foreach"}, {"adam": "fused"}, {"channels_last": True}])
def test_what_makes_a_step_faster_changes_no_number(kw):
    def weights(**kw):
        g = cost.game(16, 2, 8, **kw)
        torch.manual_seed(3)
        for _ in range(3):
            record = g.step()
        return torch.cat([p.detach().flatten() for p in g.G.parameters()]), record["loss_D"]

    (a, loss_a), (b, loss_b) = weights(), weights(**kw)
    assert torch.allclose(a, b, atol=1e-5) and abs(loss_a - loss_b) < 1e-5


def test_waiting_gives_numbers_and_bf16_nearly_the_same():
    g = cost.game(16, 2, 8, wait=True)
    torch.manual_seed(0)
    record = g.step()
    assert all(isinstance(v, float) for v in record.values())
    g = cost.game(16, 2, 8, bf16=True, wait=True)
    torch.manual_seed(0)
    assert abs(g.step()["loss_D"] - record["loss_D"]) < 0.05


def test_the_players_are_the_courses():
    g = cost.game(64, 3, 5, 3)
    assert isinstance(g.G, DCGenerator) and isinstance(g.D, DCDiscriminator)
    assert g.x_real.shape == (5, 3, 64, 64) and g.x_real.abs().max() <= 1
    g = cost.plane(7)
    assert g.x_real.shape == (7, 2) and set(g.step()) == {"loss_D", "loss_G"}


@pytest.mark.parametrize(
    ("kw", "words"),
    [({"image_size": 30}, "image_size=30"), ({"adam": "quick"}, "unknown adam"), ({"batch": 0}, "batch=0"),
     ({"graph": True}, "CUDA graphs need")],
)  # fmt: skip
def test_the_game_says_what_it_takes(kw, words):
    with pytest.raises(ValueError, match=words):
        cost.game(**kw)
    with pytest.raises(ValueError, match="batch=0"):
        cost.plane(0)


def test_a_compiler_is_found_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert cost.compiler() is None
    (tmp_path / "clang++").write_text("#!/bin/sh\n")
    (tmp_path / "clang++").chmod(0o755)
    assert cost.compiler() == str(tmp_path / "clang++")


# ------------------------------------------------------------------------------------------------------ the time


class Clock:
    """A clock that stands still but for what is done."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds


def test_seconds_are_the_mean_of_a_call():
    clock = Clock()
    assert cost.seconds(lambda: clock.work(0.25), 4, clock) == 0.25
    with pytest.raises(ValueError, match="times=0"):
        cost.seconds(lambda: None, 0)


def test_ways_take_turns():
    clock, order = Clock(), []

    def way(name, seconds):
        return lambda: (order.append(name), clock.work(seconds))

    found = cost.in_turn({"a": way("a", 1.0), "b": way("b", 3.0)}, 3, 0.5, clock)
    assert found == {"a": [1.0] * 3, "b": [3.0] * 3}
    assert "".join(order[4:]) == "baabba"
    assert cost.middle({"a": [1, 2, 9], "b": [1, 1, 1]}, "a", "b") == 2
    with pytest.raises(ValueError, match="rounds=0"):
        cost.in_turn({}, 0)


def test_short_calls_are_timed_many_at_a_time():
    clock, count = Clock(), [0]

    def f():
        count[0] += 1
        clock.work(1 / 128)

    cost.in_turn({"f": f}, 2, 1.0, clock)
    assert count[0] == 2 + 2 * 128


def test_compiling_pays_when_it_is_faster():
    assert cost.pays_after(30, 0.5, 0.25) == 120
    assert math.isinf(cost.pays_after(30, 0.5, 0.5)) and math.isinf(cost.pays_after(30, 0.4, 0.5))


def test_limits_are_the_best_of_the_rounds(monkeypatch):
    multiply, work = cost.product(32)
    multiply()
    assert work == 2 * 32**3
    clock = Clock()

    def told(f, times, _):  # product, copy, call of each round; the first round is warmth
        return next(script)

    script = iter([0.001, 0.001, 0.001, 0.5, 2.0, 3e-6, 0.25, 4.0, 1e-6])
    monkeypatch.setattr(cost, "seconds", told)
    found = cost.limits(rounds=2, n=32, clock=clock)
    assert found == (work / 0.25, 2 * 4 * 2**24 / 2.0, 1e-6)
    with pytest.raises(ValueError, match="n=8"):
        cost.limits(n=8)


def test_a_step_taken_apart_has_all_its_groups():
    found = cost.taken_apart(cost.game(16, 2, 4).step, 1)
    assert tuple(found) == cost.GROUPS and min(found.values()) > 0
    conv = nn.Conv2d(8, 64, 5)
    found = cost.taken_apart(lambda: conv(torch.ones(8, 8, 32, 32)), 2)  # nothing goes back
    assert found["convolution backward"] == found["normalisation"] == found["optimiser"] == 0
    assert found["convolution forward"] > found["pointwise and other"]

"""What 00 says about the reader's machine."""

import json
import os

import pytest
import torch

from ganedu.course import machine


def test_cores_and_memory_are_what_the_process_may_use():
    assert 1 <= machine.cores() <= os.cpu_count()
    assert 0.1 < machine.memory() < 16384


def test_speed_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    assert machine.speed(seconds=0.05) > 0
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("ratio", [0.5, 4.0])
def test_times_scale_with_the_speed_of_this_machine(monkeypatch, tmp_path, ratio):
    table = {"machine": "a machine", "speed": 40.0, "seconds": {"01_minimax_game": 30.0}}
    monkeypatch.setattr(machine, "TIMES", tmp_path / "seconds.json")
    machine.TIMES.write_text(json.dumps(table))
    monkeypatch.setattr(machine, "speed", lambda seconds: 40.0 * ratio)
    line = next(row for row in machine.report().splitlines() if "01_minimax_game" in row)
    assert line.split() == ["01_minimax_game", f"{30 / ratio:.0f}", "s"]


def test_little_memory_is_said(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: 0.9)
    assert "stopped half way" in machine.report(seconds=0.05)

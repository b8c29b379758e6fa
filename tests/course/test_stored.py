"""What the notebooks look up: all of it is there, small, and loaded as it was written; bad names are answered."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ganedu import models
from ganedu.course import stored

TABLES = sorted(p.stem for p in stored.FOLDER.glob("[0-9]*.json"))
TENSORS = sorted(p.stem for p in stored.FOLDER.glob("*.safetensors"))


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FOLDER", tmp_path / "lookup")
    return stored.FOLDER


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_what_ships_is_a_table_each_and_small_tensors():
    assert len(TABLES) == 40 and set(TENSORS) < set(TABLES)
    for name in TABLES:
        assert stored.table(name) == json.loads((stored.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for name in TENSORS:
        file = stored.FOLDER / f"{name}.safetensors"
        found, wanted = stored.tensors(name), load_file(file)
        assert found.keys() == wanted.keys() and all(torch.equal(found[k], wanted[k]) for k in wanted)
        assert file.stat().st_size < 2e6


def test_a_network_comes_back_as_float32_and_ready_to_use():
    G = models.DCGenerator(n_classes=10, condition="projection").train()
    assert stored.network(G, "04_four_ways", "projection") is G
    assert not G.training and not any(p.requires_grad for p in G.parameters())
    for key, v in G.state_dict().items():
        as_stored = stored.tensors("04_four_ways")[f"projection/{key}"]
        assert v.dtype == (torch.float32 if v.is_floating_point() else torch.int64) and torch.equal(v, as_stored.to(v))


def test_counters_of_batches_need_not_be_stored_but_all_else_must():
    assert not any("num_batches" in key for key in stored.tensors("11_latent_space"))
    G = models.DCGenerator(16, 3, z_dim=16, width=8)
    stored.network(G, "11_latent_space", "DCGAN, width 8/0")
    with pytest.raises(ValueError, match=r"'DCGAN, width 8/0' of 11_latent_space does not fit.*(?s:.*)size mismatch"):
        stored.network(models.DCGenerator(16, 3, z_dim=16, width=4), "11_latent_space", "DCGAN, width 8/0")
    with pytest.raises(ValueError, match=r"does not fit.*(?s:.*)Missing key"):
        stored.network(nn.Sequential(G, nn.Linear(1, 1)), "11_latent_space", "DCGAN, width 8/0")


@pytest.mark.parametrize("what", ["table", "tensors"])
def test_an_unknown_name_is_answered_with_the_nearest(what):
    message = rf"unknown stored {what} '12_vae_gan': choose one of .*Did you mean '12_vae_and_gan'"
    with pytest.raises(ValueError, match=message):
        getattr(stored, what)("12_vae_gan")
    with pytest.raises(ValueError, match="choose one of 0"):
        getattr(stored, what)("../zoo/digits")
    assert getattr(stored, what)("30_not_yet", new={}) == {}


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown network in 04_four_ways 'projektion'.*Did you mean 'projection'"):
        stored.network(models.DCGenerator(), "04_four_ways", "projektion")


def test_what_is_written_is_what_is_read(room):
    net, new = small(), {"rows": []}
    assert stored.table("30_small", new=new) is new
    size = stored.write("30_small", {"rows": [1, "é"]}, {**stored.half(net, "a/net"), "codes": torch.eye(4).T[:, :2]})
    assert size == (room / "30_small.safetensors").stat().st_size > 0
    assert stored.table("30_small", new=new) == {"rows": [1, "é"]}
    assert torch.equal(stored.tensors("30_small")["codes"], torch.eye(4)[:, :2])
    again = stored.network(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "30_small", "a/net")
    for a, b in zip(again.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(a, b.half().float() if b.is_floating_point() else b)
    assert sorted(p.name for p in room.iterdir()) == ["30_small.json", "30_small.safetensors"]
    assert stored.write("31_numbers", {}, {}) == 0 and not (room / "31_numbers.safetensors").exists()


def test_rounded_is_what_half_keeps():
    net = small()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert stored.rounded(net) is net
    for key, v in net.state_dict().items():
        assert v.dtype == before[key].dtype
        assert torch.equal(v, stored.half(net, "x")[f"x/{key}"].to(v))
        assert torch.equal(v, before[key].half().to(v) if v.is_floating_point() else before[key])
    assert not torch.equal(net[0].weight, before["0.weight"])

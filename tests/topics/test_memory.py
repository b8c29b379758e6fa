"""Oracles: bytes counted by hand, double precision, finite differences, torch's own gradients."""

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from ganedu import losses
from ganedu.models import DCDiscriminator
from ganedu.sampling import seeded
from ganedu.topics import cost, memory


def pictures(n=12, side=16, seed=0, dtype=torch.float64):
    return torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def small(kind="plain"):
    with seeded(1):
        return memory.small_d(kind).double()


# ------------------------------------------------------------------------------------------------------ what is held


def test_adam_holds_two_numbers_beside_each_weight():
    net = nn.Linear(10, 7)
    opt = torch.optim.Adam(net.parameters())
    assert memory.held(net, opt) == {"weights": 308, "gradients": 0, "moments": 0}
    net(torch.ones(2, 10)).sum().backward()
    opt.step()
    assert memory.held(net, opt) == {"weights": 308, "gradients": 308, "moments": 616}
    assert memory.held(net) == {"weights": 308, "gradients": 308, "moments": 0}


def test_what_is_saved_by_hand():
    x, net = torch.ones(4, 10), nn.Sequential(nn.Linear(10, 6), nn.Tanh(), nn.Linear(6, 1))
    assert memory.saved(lambda: net(x), net) == 4 * (x.numel() + 4 * 6)  # the input, and what tanh gave, once
    assert memory.saved(lambda: net(x)) == 4 * (x.numel() + 4 * 6) + 4 * 6  # the last layer's weights, and no others
    with torch.no_grad():
        assert memory.saved(lambda: net(x), net) == 0


def test_the_peak_by_hand():
    a = torch.ones(1000)
    assert memory.peak(lambda: a + 1) == 4000
    assert memory.peak(lambda: [a + 1, a + 2]) == 8000
    assert memory.peak(lambda: (a + 1).sum()) == 4004
    assert memory.peak(lambda: ((a + 1) + 1) + 1) == 8000  # the first is gone when the third is made
    assert memory.peak(lambda: a.view(10, 100)) == memory.peak(lambda: a.add_(1)) == 0
    assert memory.peak(lambda: torch.zeros(500, device="meta") + 1) == 4000


def test_the_peak_of_a_step_holds_gradients_and_what_is_saved():
    g = cost.game(32, 2, 16)
    g.step()
    kept = memory.saved(lambda: g.D(g.x_real), g.D)
    grads = sum(memory.held(net)["gradients"] for net in (g.G, g.D))
    most = memory.peak(g.step)
    assert most > 2 * kept + grads / 2  # real and fake at once
    assert abs(most / memory.peak(cost.game(32, 2, 16, device="meta").step) - 1) < 0.3


# ------------------------------------------------------------------------------------------------------ accumulation


@pytest.mark.parametrize("parts", [1, 2, 5, 12])  # 5 does not divide 12
@pytest.mark.parametrize("kind", ["plain", "batch norm", "deviation"])
def test_accumulated_is_the_whole_batch_unless_pictures_meet(kind, parts):
    D, x, y = small(kind), pictures(), pictures(seed=1)

    def loss(x, y):
        return losses.non_saturating.d_loss(D(x), D(y))

    whole = torch.autograd.grad(loss(x, y), list(D.parameters()))
    found = memory.apart(memory.accumulate(loss, D, (x, y), parts), whole)
    assert (found < 1e-12) == (kind == "plain" or parts == 1), found


@pytest.mark.parametrize("loss", [*losses.ALL, memory.average], ids=lambda loss: loss.name)
def test_which_losses_can_be_accumulated(loss):
    D, x, y = small(), pictures(), pictures(seed=1)

    def both(x, y):
        return loss.d_loss(D(x), D(y)) + losses.r1(D, x, None)

    whole = torch.autograd.grad(both(x, y), list(D.parameters()))
    found = memory.apart(memory.accumulate(both, D, (x, y), 3), whole)
    assert (found < 1e-12) == (loss is not memory.average), found


def test_accumulation_says_what_it_takes():
    D, x = small(), pictures(3)
    with pytest.raises(ValueError, match="parts=4"):
        memory.accumulate(lambda x: D(x).mean(), D, (x,), 4)
    with pytest.raises(ValueError, match="equal shapes"):
        memory.apart([x], [x, x])
    assert memory.apart([2 * x], [x]) == pytest.approx(1)


def test_the_average_loss_is_the_papers():
    a, b = torch.randn(2, 6, dtype=torch.float64)
    sigma = torch.sigmoid
    wanted = -sigma(a - b.mean()).log().mean() - (1 - sigma(b - a.mean())).log().mean()
    assert memory.average.d_loss(a, b) == pytest.approx(float(wanted))
    wanted = -sigma(b - a.mean()).log().mean() - (1 - sigma(a - b.mean())).log().mean()
    assert memory.average.g_loss(b, a) == pytest.approx(float(wanted))


def test_the_deviation_by_numpy():
    x = pictures(5, 8)
    out = memory.Deviation()(x)
    assert out.shape == (5, 2, 8, 8) and torch.equal(out[:, :1], x)
    assert out[:, 1].unique().tolist() == pytest.approx([x.numpy().std(0).mean()])
    with pytest.raises(ValueError, match="unknown kind"):
        memory.small_d("norm")


# ------------------------------------------------------------------------------------------------------ checkpointing


@pytest.mark.parametrize("count", [1, 2, 4])
def test_checkpointing_changes_no_gradient_and_saves_less(count):
    with seeded(0):
        D = DCDiscriminator(64, 1, 4)
    x = pictures(16, 64, dtype=torch.float32)
    weights = list(D.net.parameters())

    def loss(cut):
        return softplus(memory.checkpointed(D.net, x, cut) if cut else D.net(x)).mean()

    one = torch.autograd.grad(loss(0), weights)
    two = torch.autograd.grad(loss(count), weights)
    assert memory.apart(list(two), list(one)) < 1e-6
    parts = memory.segments(D.net, count)
    assert [m for part in parts for m in part] == list(D.net) and len(parts) == count
    if count > 1:
        assert memory.saved(lambda: loss(count), D) < memory.saved(lambda: loss(0), D)


def test_batch_norm_meets_a_checkpointed_batch_twice():
    with seeded(0):
        D = DCDiscriminator(32, 1, 2)
    x = pictures(4, 32, dtype=torch.float32)
    memory.checkpointed(D.net, x, 2).sum().backward()
    assert int(D.net[3].num_batches_tracked) == 2
    with pytest.raises(ValueError, match="count=9"):
        memory.segments(D.net, 9)
    with pytest.raises(ValueError, match="give a tensor"):
        memory.checkpointed(D.net, [1], 2)


def test_checkpointing_lowers_the_peak_of_equal_layers_and_not_of_a_narrowing_d():
    with seeded(0):
        nets = {"chain": (memory.chain(12, 4), torch.randn(4, 4, 16, 16)),
                "D": (DCDiscriminator(64, 1, 4).net, torch.randn(4, 1, 64, 64))}  # fmt: skip

    def most(name, count):
        net, x = nets[name]
        run = memory.checkpointed if count else lambda net, x, count: net(x)
        return memory.peak(lambda: torch.autograd.grad(run(net, x, count).sum(), list(net.parameters())))

    assert most("chain", 4) < 0.7 * most("chain", 0)
    assert abs(most("D", 4) / most("D", 0) - 1) < 0.1  # the first layers, with their slopes, are the peak
    with pytest.raises(ValueError, match="depth=0"):
        memory.chain(0)

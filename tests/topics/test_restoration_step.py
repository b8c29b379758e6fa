"""The two steps of restoration are the steps written by hand."""

import pytest
import torch
from by_hand import DIM, LR_D, LR_G, N, descend
from torch.nn.functional import logsigmoid

from ganedu.topics import restoration

pytestmark = pytest.mark.usefixtures("double")


class Answerer(torch.nn.Module):
    """x = tanh((x_bad + noise) A), other noise at every call; with `noise` 0 one answer."""

    def __init__(self, noise):
        super().__init__()
        self.A, self.noise = torch.nn.Parameter(torch.randn(DIM, DIM)), noise

    def forward(self, x_bad):
        return ((x_bad + self.noise * torch.randn_like(x_bad)) @ self.A).tanh()


class PairJudge(torch.nn.Module):
    """d = tanh([x, x_bad] A) b."""

    def __init__(self, dim=DIM):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s)) for s in ((2 * dim, 7), (7,)))

    def forward(self, x, x_bad):
        return (torch.cat([x, x_bad], 1) @ self.A).tanh() @ self.b


def restorer(noise=0.5):
    torch.manual_seed(0)
    G, D = Answerer(noise), PairJudge()
    opts = {"opt_G": torch.optim.SGD(G.parameters(), LR_G), "opt_D": torch.optim.SGD(D.parameters(), LR_D)}
    return {"G": G, "D": D, **opts}, torch.randn(N, DIM), torch.randn(N, DIM)


def slope_of(x, answers, weights, features, D, x_bad):
    pixel, feature, gan = weights
    first, other = answers
    total = pixel * ((first - x) * (other - x)).sum() / x.numel()
    total = total + feature * (features(first) - features(x)).pow(2).sum() / x.numel()
    return total - gan * logsigmoid(D(first, x_bad)).mean()


@pytest.mark.parametrize("answers", [1, 2])
@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (1.0, 0.5, 0.0), (0.7, 0.0, 0.3), (1.0, 0.5, 0.3)])
def test_restore_step_is_the_step_written_by_hand(weights, answers):
    players, x, x_bad = restorer()
    features = torch.sin
    A = players["G"].A.detach().clone().requires_grad_()
    d = [p.detach().clone().requires_grad_() for p in players["D"].parameters()]

    def judge_by(ws, x):
        return (torch.cat([x, x_bad], 1) @ ws[0]).tanh() @ ws[1]

    torch.manual_seed(1)
    made = [((x_bad + 0.5 * torch.randn(N, DIM)) @ A).tanh() for _ in range(answers)]
    loss_D = -logsigmoid(judge_by(d, x)).mean() - logsigmoid(-judge_by(d, made[0].detach())).mean()
    d = [w.detach() for w in descend(d, loss_D, LR_D)]
    total = slope_of(x, (made[0], made[-1]), weights, features, lambda a, b: judge_by(d, a), x_bad)
    (A,) = descend([A], total, LR_G)

    torch.manual_seed(1)
    names = ("pixel_weight", "feature_weight", "gan_weight")
    record = restoration.restore_step(
        x, x_bad, **players, features=features, answers=answers, **dict(zip(names, weights, strict=True))
    )
    assert torch.allclose(players["G"].A, A, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(players["D"].parameters(), d, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert not any(v.requires_grad for v in record.values())
    assert abs(record["loss_pixel"].item() - ((made[0] - x) * (made[-1] - x)).mean().item()) < 1e-12
    assert abs(record["loss_D"].item() - loss_D.item()) < 1e-12
    assert ("loss_feature" in record) == (weights[1] > 0)


def test_pixel_step_is_the_step_written_by_hand():
    players, x, x_bad = restorer(noise=0.0)
    A = players["G"].A.detach().clone().requires_grad_()
    loss = ((x_bad @ A).tanh() - x).pow(2).sum() / x.numel()
    (expected,) = descend([A], loss, LR_G)
    record = restoration.pixel_step(x, x_bad, G=players["G"], opt_G=players["opt_G"])
    assert torch.allclose(players["G"].A, expected, rtol=1e-10, atol=1e-12)
    assert record.keys() == {"loss_pixel"} and not record["loss_pixel"].requires_grad
    assert abs(record["loss_pixel"].item() - loss.item()) < 1e-12


@pytest.mark.parametrize("answers", [0, 3, None])
def test_restore_step_takes_one_or_two_answers_and_says_so_before_G_moves(answers):
    players, x, x_bad = restorer()
    before = players["G"].A.detach().clone()
    with pytest.raises(ValueError, match="give 1 or 2"):
        restoration.restore_step(x, x_bad, **players, gan_weight=0.1, answers=answers)
    assert torch.equal(players["G"].A, before)


def test_two_answers_ask_for_the_right_mean_and_leave_the_spread_alone():
    """E (y - x)(y' - x) = (E y - x)^2 for independent y, y'; one answer adds the variance of y."""
    torch.manual_seed(0)

    class Around(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.width = torch.nn.Parameter(torch.tensor(0.3)), torch.nn.Parameter(torch.tensor(0.5))

        def forward(self, x_bad):
            return self.mean + self.width * torch.randn_like(x_bad)

    for answers, expected in ((1, 0.7**2 + 0.5**2), (2, 0.7**2)):
        G, x = Around(), torch.ones(200_000, 1)
        D = PairJudge(1)
        opts = {"opt_G": torch.optim.SGD(G.parameters(), 0.1), "opt_D": torch.optim.SGD(D.parameters(), 0.1)}
        record = restoration.restore_step(x, x, G=G, D=D, **opts, gan_weight=0.0, answers=answers)
        assert abs(record["loss_pixel"].item() - expected) < 0.01
        assert abs(G.mean.item() - (0.3 + 0.1 * 2 * 0.7)) < 0.005
        assert abs(G.width.item() - (0.5 - 0.1 * 2 * 0.5 * (answers == 1))) < 0.005

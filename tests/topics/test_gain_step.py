"""The steps of GAIN and of practice are the steps written by hand."""

import pytest
import torch
from by_hand import LR_D, LR_G, descend, weights

from ganedu.topics import gain

pytestmark = pytest.mark.usefixtures("double")
W, N, D_COLUMNS, HIDDEN = 3, 8, 4, 5


class Two(torch.nn.Module):
    """tanh([x, beside] A) B in W worlds, squeezed by a sigmoid where it fills."""

    def __init__(self, fills):
        super().__init__()
        self.A, self.B = (torch.nn.Parameter(torch.randn(s)) for s in ((W, 8, HIDDEN), (W, HIDDEN, 4)))
        self.fills = fills

    def forward(self, x, beside):
        y = by_matrices((self.A, self.B), x, beside)
        return y.sigmoid() if self.fills else y


def by_matrices(w, x, beside):
    return torch.stack([torch.cat([a, b], 1) for a, b in zip(x, beside, strict=True)]).bmm(w[0]).tanh().bmm(w[1])


def team(with_D=True):
    torch.manual_seed(0)
    players = {"G": Two(True), **({"D": Two(False)} if with_D else {})}
    rates = {"G": LR_G, "D": LR_D}
    opts = {f"opt_{k}": torch.optim.SGD(net.parameters(), rates[k]) for k, net in players.items()}
    x, m = torch.rand(W, N, D_COLUMNS), torch.rand(W, N, D_COLUMNS) < 0.7
    return {**players, **opts}, x, m


def of(player):
    return [p.detach().clone().requires_grad_() for p in player.parameters()]


@pytest.mark.parametrize(("alpha", "untold", "game"), [(100.0, 0.5, 1.0), (3.0, 0.0, 1.0), (10.0, 0.5, 0.0)])
def test_gain_step_is_the_step_written_by_hand(alpha, untold, game):
    players, x, m = team()
    g, d = of(players["G"]), of(players["D"])
    seen = m.double()

    torch.manual_seed(1)
    hint = torch.where(torch.rand(W, N, D_COLUMNS) < 0.9, seen, untold)
    shown = x * seen + 0.01 * torch.rand(W, N, D_COLUMNS) * (1 - seen)
    guess = by_matrices(g, shown, seen).sigmoid()
    filled = x * seen + guess * (1 - seen)
    truth = torch.distributions.Bernoulli(logits=by_matrices(d, filled.detach(), hint))
    losses_D = [-truth.log_prob(seen)[w].mean() for w in range(W)]
    d = [v.detach() for v in descend(d, sum(losses_D), LR_D)]
    p = by_matrices(d, filled, hint).sigmoid()
    errors = [((guess - x)[w][m[w]] ** 2).mean() for w in range(W)]
    losses_G = [game * -(p[w].log() * (1 - seen[w])).mean() + alpha * errors[w] for w in range(W)]
    g = descend(g, sum(losses_G), LR_G)

    torch.manual_seed(1)
    record = gain.gain_step(x, m, **players, alpha=alpha, untold=untold, game=game)
    for player, expected in (("G", g), ("D", d)):
        for ours, theirs in zip(players[player].parameters(), expected, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-11), player
    for key, values in (("loss_D", losses_D), ("loss_G", losses_G), ("error", errors)):
        assert abs(record[key].item() - sum(values).item() / W) < 1e-10
        assert not record[key].requires_grad


def test_worlds_do_not_see_each_other():
    """A setting for each world gives what each world has alone."""
    together, x, m = team()
    settings = torch.tensor([1.0, 0.0, 1.0])[:, None, None], torch.tensor([0.5, 0.5, 0.0])[:, None, None]
    torch.manual_seed(2)
    gain.gain_step(x, m, **together, game=settings[0], untold=settings[1])
    for world in range(W):
        alone, _, _ = team()
        torch.manual_seed(2)
        gain.gain_step(x, m, **alone, game=settings[0][world].item(), untold=settings[1][world].item())
        for player in "GD":
            for a, b in zip(together[player].parameters(), alone[player].parameters(), strict=True):
                assert torch.allclose(a[world], b[world], rtol=1e-10)


def test_without_the_game_D_has_no_say():
    players, x, m = team()
    others, _, _ = team()
    with torch.no_grad():
        others["D"].A.mul_(-3)
    for each in (players, others):
        torch.manual_seed(3)
        gain.gain_step(x, m, **each, game=0.0)
    assert torch.equal(weights(players["G"]), weights(others["G"]))


def test_practice_without_holes_of_its_own_is_gain_without_the_game():
    """G's gradient is alpha times as long, nothing else."""
    moved = []
    for step, settings in ((gain.gain_step, {"game": 0.0, "alpha": 1.0}), (gain.practice_step, {"hidden": 0.0})):
        players, x, m = team()
        if step is gain.practice_step:
            players = {k: v for k, v in players.items() if "D" not in k}
        torch.manual_seed(4)
        for _ in range(3):
            step(x, m, **players, **settings)
        moved.append(weights(players["G"]))
    assert torch.allclose(*moved, rtol=1e-12)


@pytest.mark.parametrize("hidden", [0.0, 0.5])
def test_practice_step_is_the_step_written_by_hand(hidden):
    players, x, m = team(with_D=False)
    g, seen = of(players["G"]), m.double()

    torch.manual_seed(1)
    shown = seen * (torch.rand(W, N, D_COLUMNS) >= hidden)
    guess = by_matrices(g, x * shown + 0.01 * torch.rand(W, N, D_COLUMNS) * (1 - shown), shown).sigmoid()
    errors = [((guess - x)[w][m[w]] ** 2).mean() for w in range(W)]
    g = descend(g, sum(errors), LR_G)

    torch.manual_seed(1)
    record = gain.practice_step(x, m, **players, hidden=hidden)
    for ours, theirs in zip(players["G"].parameters(), g, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    assert abs(record["error"].item() - sum(errors).item() / W) < 1e-10 and not record["error"].requires_grad


@pytest.mark.parametrize("hidden", [None, 0.5])
def test_what_is_missing_is_never_looked_at(hidden):
    """Other numbers, NaN even, in the holes change neither player."""
    step, settings = (gain.gain_step, {}) if hidden is None else (gain.practice_step, {"hidden": hidden})
    found = []
    for holes in (0.0, 1e6):
        players, x, m = team(with_D=hidden is None)
        torch.manual_seed(1)
        step(torch.where(m, x, holes), m, **players, **settings)
        found.append(weights(players["G"]))
    assert torch.equal(*found)

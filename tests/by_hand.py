"""Oracle: a step written out once more by hand, on functional networks with plain gradient descent.

The hand-written step shares nothing with the package's: its networks are matrix products, its gradients come from
`torch.autograd.grad` of the papers' formulas, and its random numbers are drawn by itself in the documented order.
"""

import pytest
import torch
from torch.nn.functional import logsigmoid

from ganedu import losses

LR_G, LR_D, N, DIM, Z, K = 0.05, 0.03, 8, 2, 3, 4

# (D's loss, G's loss) once more, by other functions of torch than the package takes
GOALS = {
    "minimax": (lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean(), lambda f, r: logsigmoid(-f).mean()),
    "non-saturating": (lambda r, f: -(logsigmoid(r) + logsigmoid(-f)).mean(), lambda f, r: -logsigmoid(f).mean()),
    "least squares": (lambda r, f: ((r - 1) ** 2 + f**2).mean() / 2, lambda f, r: ((f - 1) ** 2).mean() / 2),
    "hinge": (lambda r, f: ((1 - r).clamp(min=0) + (1 + f).clamp(min=0)).mean(), lambda f, r: -f.mean()),
    "Wasserstein": (lambda r, f: (f - r).mean(), lambda f, r: -f.mean()),
    "relativistic": (lambda r, f: -logsigmoid(r - f).mean(), lambda f, r: -logsigmoid(f - r).mean()),
}
PENALTIES = {"none": None, "r1": losses.r1, "r2": losses.r2, "wgan_gp": losses.wgan_gp}


class Generator(torch.nn.Module):
    """x = tanh(z A) B, + the label's row of C where it is conditional."""

    z_dim = Z

    def __init__(self, conditional=False):
        super().__init__()
        self.A, self.B = (torch.nn.Parameter(torch.randn(s, dtype=torch.float64)) for s in ((Z, 6), (6, DIM)))
        if conditional:
            self.C = torch.nn.Parameter(torch.randn(K, DIM, dtype=torch.float64))

    def forward(self, z, labels=None):
        return generate([*self.parameters()], z, labels)


class Discriminator(torch.nn.Module):
    """d = tanh(x A + the label's row of C) b; with `heads`, class logits tanh(x A) H beside it."""

    def __init__(self, conditional=False, heads=False):
        super().__init__()
        self.A, self.b = (torch.nn.Parameter(torch.randn(s, dtype=torch.float64)) for s in ((DIM, 7), (7,)))
        self.heads = heads
        if conditional or heads:
            self.C = torch.nn.Parameter(torch.randn((7, K) if heads else (K, 7), dtype=torch.float64))

    def forward(self, x, labels=None):
        return judge([*self.parameters()][: 2 if self.heads else 3], x, labels)

    def both(self, x):
        return self(x), (x @ self.A).tanh() @ self.C


def generate(weights, z, labels=None):
    x = (z @ weights[0]).tanh() @ weights[1]
    return x if labels is None else x + weights[2][labels]


def judge(weights, x, labels=None):
    hidden = x @ weights[0] if labels is None else x @ weights[0] + weights[2][labels]
    return hidden.tanh() @ weights[1]


def descend(weights, loss, lr):
    grads = torch.autograd.grad(loss, weights)
    return [(w - lr * g).detach().requires_grad_() for w, g in zip(weights, grads, strict=True)]


def penalise(name, d, x_real, x_fake):
    """gamma / 2 E |grad|^2 with gamma = 1, or 10 E (|grad| - 1)^2 between."""
    if name == "wgan_gp":
        t = torch.rand(len(x_real), 1, dtype=torch.float64)
        x = (t * x_real + (1 - t) * x_fake).detach().requires_grad_()
    else:
        x = (x_real if name == "r1" else x_fake).detach().requires_grad_()
    (grad,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    squared = (grad * grad).sum(1)
    return 10 * ((squared.sqrt() - 1) ** 2).mean() if name == "wgan_gp" else squared.mean() / 2


def by_hand(G, D, x_real, labels, loss, penalty="none", n_critic=1):
    """(weights of G, weights of D, loss_D, loss_G) after one round of the game."""
    g, d = ([p.detach().clone().requires_grad_() for p in m.parameters()] for m in (G, D))
    d_goal, g_goal = GOALS[loss]
    size = len(x_real) // n_critic
    for i in range(n_critic):
        x = x_real[i * size : (i + 1) * size]
        x_fake = generate(g, torch.randn(size, Z), labels).detach()
        loss_D = d_goal(judge(d, x, labels), judge(d, x_fake, labels))
        if penalty != "none":
            loss_D = loss_D + penalise(penalty, lambda t, d=d: judge(d, t, labels), x, x_fake)
        d = descend(d, loss_D, LR_D)
    fakes = generate(g, torch.randn(size, Z), labels)
    loss_G = g_goal(judge(d, fakes, labels), judge(d, x, labels))
    return descend(g, loss_G, LR_G), d, loss_D, loss_G


def game(conditional=False, heads=False, coded=False, n=N):
    torch.manual_seed(0)
    G, D = Generator(conditional or heads), Discriminator(conditional, heads or coded)
    x_real, labels = torch.randn(n, DIM), torch.randint(K, (n,))
    players = {"G": G, "D": D, "z_dim": Z, "opt_G": torch.optim.SGD(G.parameters(), LR_G),
               "opt_D": torch.optim.SGD(D.parameters(), LR_D)}  # fmt: skip
    return players, x_real, labels


def assert_equal_games(players, record, g, d, loss_D, loss_G):
    for module, weights in ((players["G"], g), (players["D"], d)):
        for ours, theirs in zip(module.parameters(), weights, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert abs(record["loss_D"].item() - loss_D.item()) < 1e-10
    assert abs(record["loss_G"].item() - loss_G.item()) < 1e-10


every_loss = pytest.mark.parametrize("loss", losses.ALL, ids=lambda loss: loss.name)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES)


class WholeCode:
    """All of z, read by the first of the heads with an error that is squared."""

    def __call__(self, z):
        return z

    def nll(self, q, c):
        return (q[:, :Z] - c).square().sum(1).mean()


class Frozen(torch.optim.SGD):
    def step(self, closure=None):
        pass


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()

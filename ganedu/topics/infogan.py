"""InfoGAN: a code in z that D's second head reads back from the image; and the step of that game.

Source: Chen, Duan, Houthooft and others 2016.
"""

import math

import torch
from torch import Tensor, nn

from ..losses import Loss, non_saturating


class Code:
    """A code c of one class and some numbers, taken from the first entries of a normal z: `code(z)` -> c (N, size).

    The first `classes` entries of z give a class, evenly spread, as one-hot: the largest wins. The next `numbers` are
    made even on (-1, 1): erf(z / sqrt 2). So a G with a code still takes a normal z, like any other. `sd` is the
    standard deviation with which Q reads a number: what is read much more finely than that brings no more reward.
    Raises ValueError for fewer than 2 classes, numbers below 0, or an sd that is not above 0.
    """

    def __init__(self, classes: int = 3, numbers: int = 3, sd: float = 0.5):
        if classes < 2 or numbers < 0 or not sd > 0:
            raise ValueError(f"classes={classes} must be 2 or more, numbers={numbers} 0 or more, sd={sd} above 0.")
        self.classes, self.numbers, self.size, self.sd = classes, numbers, classes + numbers, sd

    @property
    def entropy(self) -> float:
        """H(c) = log classes + numbers log 2, in nats (differential for the numbers)."""
        return math.log(self.classes) + self.numbers * math.log(2)

    def __call__(self, z: Tensor) -> Tensor:
        which = nn.functional.one_hot(z[:, : self.classes].argmax(1), self.classes).to(z.dtype)
        return torch.cat([which, torch.erf(z[:, self.classes : self.size] / math.sqrt(2))], 1)

    def nll(self, q: Tensor, c: Tensor) -> Tensor:
        """-E log Q(c | x) in nats, for q (N, size): class logits, then the means of the numbers.

        Q is a class distribution times one normal density a number. The bound: I(c; x) >= entropy - nll. Raises
        ValueError for other shapes.
        """
        if q.ndim != 2 or q.shape[1] != self.size or c.shape != q.shape:
            raise ValueError(f"q and c must be (N, {self.size}) both: got {tuple(q.shape)} and {tuple(c.shape)}.")
        which = nn.functional.cross_entropy(q[:, : self.classes], c[:, : self.classes].argmax(1))
        u = (c - q)[:, self.classes :] / self.sd
        return which + (u.square() / 2 + math.log(self.sd * math.sqrt(2 * math.pi))).sum(1).mean()


class CodedGenerator(nn.Module):
    """z (N, z_dim), normal -> net([code(z), the rest of z]): a generator whose first inputs are the code.

    Raises ValueError where no entry of z is left beside the code.
    """

    def __init__(self, net: nn.Module, code: Code):
        super().__init__()
        if net.z_dim <= code.size:
            raise ValueError(f"z_dim={net.z_dim} leaves no noise beside a code of {code.size} entries.")
        self.net, self.code, self.z_dim = net, code, net.z_dim

    def forward(self, z: Tensor) -> Tensor:
        return self.with_code(self.code(z), z[:, self.code.size :])

    def with_code(self, c: Tensor, rest: Tensor) -> Tensor:
        """The images of chosen codes c (N, size) and noise (N, z_dim - size)."""
        return self.net(torch.cat([c, rest], 1))


class CodedDiscriminator(nn.Module):
    """D with a second head on its features: `both(x)` gives (logits (N,), q (N, code.size)) for `Code.nll`.

    `D` has `features(x)` (N, n_features) and `head`, as `models.DCDiscriminator` has.
    """

    def __init__(self, D: nn.Module, code: Code, hidden: int = 64):
        super().__init__()
        self.D = D
        self.q = nn.Sequential(nn.Linear(D.head.in_features, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, code.size))

    def forward(self, x: Tensor) -> Tensor:
        return self.D(x)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self.D.features(x)
        return self.D.head(f).squeeze(-1), self.q(f)


def infogan_step(
    x_real, *, G, D, opt_G, opt_D, z_dim, code, loss: Loss = non_saturating, penalty=None, info_weight=1.0
):
    """One round of InfoGAN: D tells real from fake and reads back from a fake the code c that it was made with.

    `code(z)` is the code in z, which G draws from; `code.nll(q, c)` is -E log Q(c | x), in nats, for what D's second
    head says. Both players add `info_weight` times it to their loss, so I(c; G(z)) >= H(c) - nll is pushed up.
    Returns {"loss_D", "loss_G", "nll"} detached. Source: Chen et al. 2016, eq. 5 and 6.
    """
    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    x_fake = G(z).detach()
    d_fake, q = D.both(x_fake)
    loss_D = loss.d_loss(D(x_real), d_fake) + info_weight * code.nll(q, code(z))
    if penalty is not None:
        loss_D = loss_D + penalty(D, x_real, x_fake)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    z = torch.randn(len(x_real), z_dim, device=x_real.device)
    d_fake, q = D.both(G(z))
    d_real = D(x_real).detach() if loss.pairs else None
    nll = code.nll(q, code(z))
    loss_G = loss.g_loss(d_fake, d_real) + info_weight * nll
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "nll": nll.detach()}

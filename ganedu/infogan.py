"""InfoGAN: a code in z that D's second head reads back from the image; the step is `ganedu.steps.infogan_step`.

Source: Chen, Duan, Houthooft and others 2016.
"""

import math

import torch
from torch import Tensor, nn


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

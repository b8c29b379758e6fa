"""D as a reward: a teacher of four-letter words, a student that learns by D's score alone, and what that score hides.

A speaker says words of LENGTH letters: the first by a table of logits, each further one by the letter before it (a
bigram model). All 20,736 words can be listed, so every distance here is exact. W speakers stand side by side, one world
a seed. A word is a row of letter numbers, int64 (..., LENGTH).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..inputs import one_of, whole
from ..toys import stacked, worlds

LETTERS = "aeioudlmnrst"
VOWELS = 5  # the first of LETTERS
LENGTH = 4
REWARDS = ("frozen", "exact", "learning")

# ------------------------------------------------------------------------------------------------ who speaks


class Speaker(NamedTuple):
    """Logits of the first letter (W, A) and of the next letter, given the one before, (W, A, A); A = 12 letters.

    `then` (W, 1, A) is a forgetful speaker's: the next letter whatever the one before.
    """

    first: Tensor
    then: Tensor

    def after(self) -> Tensor:
        """Logits of the next letter, given the one before, (W, A, A)."""
        return self.then.expand(-1, self.first.shape[-1], -1)

    def log_table(self) -> Tensor:
        """ln q of all words, (W, A, A, A, A): ln q(a b c d) = ln q(a) + ln q(b | a) + ln q(c | b) + ln q(d | c)."""
        first, then = self.first.log_softmax(-1), self.after().log_softmax(-1)
        table = first
        for _ in range(LENGTH - 1):  # one more axis a letter
            shape = then.shape[:1] + (1,) * (table.ndim - 2) + then.shape[1:]
            table = table.unsqueeze(-1) + then.view(shape)
        return table

    def log_prob(self, x: Tensor) -> Tensor:
        """ln q of words x (W, n, LENGTH) -> (W, n), with slopes by the logits."""
        first, then = self.first.log_softmax(-1), self.after().log_softmax(-1)
        world = torch.arange(len(x), device=x.device)[:, None]
        steps = [then[world, x[..., i], x[..., i + 1]] for i in range(LENGTH - 1)]
        return first[world, x[..., 0]] + sum(steps)

    @torch.no_grad()
    def speak(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n words of each world, (W, n, LENGTH). By Gumbel's trick: the largest of logit + Gumbel noise is a draw."""
        whole("n", n, 1, 10**7)
        logits, said = self.first[:, None].expand(-1, n, -1), []
        world = torch.arange(len(self.first), device=self.first.device)[:, None]
        for _ in range(LENGTH):
            u = torch.rand(logits.shape, generator=generator).to(logits.device).clamp_min(1e-12)
            said.append((logits - (-u.log()).log()).argmax(-1))
            logits = self.after()[world, said[-1]]  # (W, n, A)
        return torch.stack(said, -1)


def teacher(n: int = 8, seed: int = 0) -> Speaker:
    """n teachers, in whose words vowels and consonants tend to alternate; each has tastes of its own, drawn by seed.

    Logits: 1.5 N(0, 1), and 2 more for a vowel after a consonant or a consonant after a vowel.
    """
    whole("n", n, 1, 10_000)
    generator = torch.Generator().manual_seed(seed)
    size = len(LETTERS)
    vowel = torch.arange(size) < VOWELS
    first = 1.5 * torch.randn(n, size, generator=generator)
    then = 1.5 * torch.randn(n, size, size, generator=generator) + 2.0 * (vowel[:, None] != vowel)
    return Speaker(first, then)


def beginner(of: Speaker, seed: int = 1, keeps: float = 0.4, noise: float = 0.5, forgetful: bool = False) -> Speaker:
    """A student that has learnt a little: `keeps` times the teacher's logits, plus `noise` N(0, 1); slopes wanted.

    A forgetful one has the mean of these logits over the letter before.
    """
    generator = torch.Generator().manual_seed(seed)
    first, then = (keeps * t.detach() + noise * torch.randn(t.shape, generator=generator).to(t.device) for t in of)
    then = then.mean(1, keepdim=True) if forgetful else then
    return Speaker(first.requires_grad_(), then.requires_grad_())


def spelt(x: Tensor) -> list[str]:
    """Words (n, LENGTH) as texts. Raises ValueError for another shape or numbers that are no letters."""
    if x.ndim != 2 or x.shape[1] != LENGTH or x.is_floating_point() or (x < 0).any() or (x >= len(LETTERS)).any():
        raise ValueError(f"x {x.dtype} {tuple(x.shape)} holds no words: give letter numbers (n, {LENGTH}), 0 to "
                         f"{len(LETTERS) - 1}.")  # fmt: skip
    return ["".join(LETTERS[i] for i in row) for row in x.cpu().tolist()]


def likeliest(log_q: Tensor, k: int = 8) -> list[tuple[str, float]]:
    """The k words of one world, log_q (A, A, A, A), with the largest probability, and that probability."""
    top = log_q.detach().cpu().flatten().topk(k)
    places = torch.stack(torch.unravel_index(top.indices, log_q.shape), -1)
    return list(zip(spelt(places), top.values.exp().tolist(), strict=True))


# ------------------------------------------------------------------------------------------------ distances, exact


def total_variation(log_p: Tensor, log_q: Tensor) -> Tensor:
    """1/2 sum |p - q| over all words, (W,), for tables of ln p, ln q (W, A, A, A, A): 0 for equal ones, at most 1.

    Raises ValueError for two shapes.
    """
    if log_p.shape != log_q.shape:
        raise ValueError(f"two lists of words, {tuple(log_p.shape)} and {tuple(log_q.shape)}: give both for the same.")
    return (log_p.double().exp() - log_q.double().exp()).abs().flatten(1).sum(1) / 2


def kl(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(q || p) = sum q (ln q - ln p) over all words in nats, (W,), for tables as above. Raises the same."""
    if log_p.shape != log_q.shape:
        raise ValueError(f"two lists of words, {tuple(log_q.shape)} and {tuple(log_p.shape)}: give both for the same.")
    q = log_q.double()
    return (q.exp() * (q - log_p.double())).flatten(1).sum(1)


def tilted(log_q0: Tensor, reward: Tensor, beta: float) -> Tensor:
    """ln q* of the q that maximises E_q reward - beta KL(q || q0): ln q0 + reward / beta, less its log-sum, (W, ...).

    With reward = ln p / q0 and beta = 1 this is ln p. Raises ValueError for beta not above 0, or two shapes. Source:
    Korbak, Perez and Buckley 2022, section 3.
    """
    if not 0 < beta < math.inf or log_q0.shape != reward.shape:
        raise ValueError(f"beta={beta}, {tuple(log_q0.shape)}, {tuple(reward.shape)}: give beta above 0, one shape.")
    new = (log_q0 + reward / beta).flatten(1)
    return new.log_softmax(1).view_as(log_q0)


# ------------------------------------------------------------------------------------------------ D


def one_hot(x: Tensor) -> Tensor:
    """Words (..., LENGTH) -> what D sees, (..., LENGTH * A) float32, a 1 for each letter at its place."""
    return F.one_hot(x, len(LETTERS)).flatten(-2).float()


def discriminator(n: int, seed: int = 2, width: int = 48) -> stacked.StackedMLP:
    """n discriminators, one a world: one_hot (W, N, 48) -> logits (W, N), two hidden layers."""
    sizes = [LENGTH * len(LETTERS), width, width, 1]
    return stacked.StackedMLP(n, sizes, worlds.streams(seed, 1), slope=0.2, logits=True)


def judge_step(D, real: Tensor, fake: Tensor, opt_D) -> Tensor:
    """One step of D down the cross-entropy, on words (W, N, LENGTH) of teacher and student; the loss (W,), detached."""
    d_real, d_fake = D(torch.cat([one_hot(real), one_hot(fake)], 1)).split([real.shape[1], fake.shape[1]], 1)
    loss = F.softplus(-d_real).mean(1) + F.softplus(d_fake).mean(1)
    opt_D.zero_grad()
    loss.sum().backward()
    opt_D.step()
    return loss.detach()


@torch.no_grad()
def score_table(D, n: int) -> Tensor:
    """D's logit of every word in every world, (W, A, A, A, A), on D's device; n worlds."""
    device = next(D.parameters()).device
    size = len(LETTERS)
    x = torch.cartesian_prod(*[torch.arange(size, device=device)] * LENGTH)  # (A^4, 4)
    parts = [D(one_hot(part).expand(n, -1, -1)) for part in x.split(4096)]
    return torch.cat(parts, 1).view(n, *[size] * LENGTH)


# ------------------------------------------------------------------------------------------------ the student learns


def reinforce_step(student: Speaker, x: Tensor, reward: Tensor, opt, start: Tensor | None = None, beta: float = 0.0):
    """One step up E reward by the words x (W, n, LENGTH) that the student said, and their reward (W, n); mean reward.

    The slope is that of mean((r - mean r) ln q(x)), with r = reward - beta (ln q(x) - ln q0(x)) taken as numbers, and
    `start` = ln q0(x), (W, n). Returns mean reward (W,), without the leash. Raises ValueError for a beta without start.
    Source: Williams 1992 (REINFORCE), with a mean as its baseline; the leash: Ziegler and others 2019, eq. 2.
    """
    if beta and start is None:
        raise ValueError(f"beta={beta} pulls back to a start: give start, ln q0 of the words.")
    log_q = student.log_prob(x)
    r = reward.detach()
    if beta:
        r = r - beta * (log_q.detach() - start)
    loss = -((r - r.mean(1, keepdim=True)) * log_q).mean(1)
    opt.zero_grad()
    loss.sum().backward()
    opt.step()
    return reward.detach().mean(1)


def likelihood_step(student: Speaker, x: Tensor, opt) -> Tensor:
    """One step of maximum likelihood on the teacher's words x (W, n, LENGTH); the mean of -ln q (W,), detached."""
    loss = -student.log_prob(x).mean(1)
    opt.zero_grad()
    loss.sum().backward()
    opt.step()
    return loss.detach()


def warm_up(of: Speaker, student: Speaker, D, steps: int = 600, words: int = 0, batch: int = 256, lr: float = 2e-3,
            seed: int = 3):  # fmt: skip
    """D after `steps` against a student that stands still: the reward model. D itself, changed in place.

    words   of the teacher and of the student that D has for all its steps; 0: fresh ones at each step
    """
    whole("steps", steps, 1, 10**6)
    whole("words", words, 0, 10**6)
    generator, opt_D = torch.Generator().manual_seed(seed), torch.optim.Adam(D.parameters(), lr, (0.5, 0.9))
    known = [s.speak(words, generator) for s in (of, student)] if words else None
    for _ in range(steps):
        if known is None:
            real, fake = of.speak(batch, generator), student.speak(batch, generator)
        else:
            real, fake = (x[:, torch.randint(words, (batch,), generator=generator).to(x.device)] for x in known)
        judge_step(D, real, fake, opt_D)
    return D


def train(of: Speaker, student: Speaker, D, kind: str = "frozen", rounds: int = 400, beta: float = 0.0,
          batch: int = 256, lr: float = 0.05, lr_D: float = 2e-3, n_D: int = 1, every: int = 20, seed: int = 4,
          watch: Callable[[int, Speaker], None] | None = None) -> dict[str, Tensor]:  # fmt: skip
    """Train `student` by the reward of `kind`, in place, for `rounds`; a record every `every` rounds and at 0.

    kind   "frozen": D's logit, D as it is given; "exact": ln p / q0, the best frozen D; "learning": D's logit, and D
           learns n_D steps a round from teacher and student
    beta   of the leash to the student's start q0
    watch  called with (round, student) at each record

    Returns "round" (T,) and, each (T, W): "reward" E_q of the frozen reward, or of the exact one for "learning";
    "true" E_q ln p / q0; "tv" to the teacher; "kl" to the start; "top" the largest probability of a word. Exact, over
    all words. Raises ValueError for an unknown kind, rounds or every below 1.
    """
    one_of(kind, REWARDS, "kind")
    whole("rounds", rounds, 1, 10**6)
    whole("every", every, 1, rounds)
    generator = torch.Generator().manual_seed(seed)
    opt = torch.optim.Adam(student, lr, (0.5, 0.9))
    opt_D = torch.optim.Adam(D.parameters(), lr_D, (0.5, 0.9))
    begin = Speaker(*(t.detach().clone() for t in student))
    log_p, log_q0 = of.log_table(), begin.log_table()
    true = log_p - log_q0
    fixed = score_table(D, len(log_p)) if kind == "frozen" else true
    records = []
    for i in range(rounds + 1):
        if i % every == 0 or i == rounds:
            with torch.no_grad():
                records.append({"round": torch.tensor(i), **_record(student.log_table(), log_p, log_q0, fixed, true)})
            if watch is not None:
                watch(i, student)
        if i == rounds:
            break
        x = student.speak(batch, generator)
        if kind == "learning":
            for _ in range(n_D):
                judge_step(D, of.speak(batch, generator), student.speak(batch, generator), opt_D)
            with torch.no_grad():
                reward = D(one_hot(x))
        else:
            world = torch.arange(len(x), device=x.device)[:, None]
            reward = fixed[world, *x.unbind(-1)]
        reinforce_step(student, x, reward, opt, begin.log_prob(x), beta)
    return {k: torch.stack([r[k] for r in records]) for k in records[0]}


def _record(log_q: Tensor, log_p: Tensor, log_q0: Tensor, fixed: Tensor, true: Tensor) -> dict[str, Tensor]:
    q = log_q.exp().flatten(1)
    found = {"reward": (q * fixed.flatten(1)).sum(1), "true": (q * true.flatten(1)).sum(1),
             "tv": total_variation(log_p, log_q), "kl": kl(log_q, log_q0), "top": q.amax(1)}  # fmt: skip
    return {k: v.float().cpu() for k, v in found.items()}

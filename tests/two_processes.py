"""What the tests of `ganedu.processes` run: two processes of it at once, each started with its rank, or one alone.

Each function in ALONE or CHECKS returns what its process saw, as JSON can hold it. In those of EQUAL and CROSSING all
processes together draw one batch and one noise, of which each takes its part; so n of them see what one alone sees.
"""

import contextlib
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import small_runs
import torch
from small_runs import state, train, trainer
from torch import nn

from ganedu import losses, models, processes, training
from ganedu.losses import Loss
from ganedu.sampling import seeded
from ganedu.steps import acgan_step, cgan_step, train_step
from ganedu.topics.style_generator import batch_deviation
from ganedu.training import Diverged, Trainer

Z, BATCH, CLASSES, STEPS = 4, 12, 3, 3

# --------------------------------------------------------------------------------------- the whole batch, in n parts


def part(whole, pieces=1):
    """This process's part of a whole batch; of each of the `pieces` that a step cuts it into."""
    n, r = processes.count(), processes.rank()
    return torch.cat([piece.chunk(n)[r] for piece in whole.tensor_split(pieces)])


@contextlib.contextmanager
def noise_of_the_whole():
    """Each call of torch.randn and torch.rand draws for all processes, and gives this one its part."""
    source, before = torch.Generator().manual_seed(1), (torch.randn, torch.rand)

    def shared(draw):
        def drawn(*size, **kw):
            size = tuple(size[0]) if isinstance(size[0], tuple) else size
            return part(draw((processes.count() * size[0], *size[1:]), generator=source, **kw))

        return drawn

    torch.randn, torch.rand = map(shared, before)
    try:
        yield
    finally:
        torch.randn, torch.rand = before


class Told(nn.Module):
    """A perceptron that is told the class; as a discriminator it also names it (`both`)."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_in + CLASSES, 8), nn.Tanh(), nn.Linear(8, n_out))

    def forward(self, x, labels):
        y = self.net(torch.cat([x, nn.functional.one_hot(labels, CLASSES).to(x)], 1))
        return y.squeeze(-1)

    def both(self, x):
        y = self.net(torch.cat([x, x.new_zeros(len(x), CLASSES)], 1))
        return y[:, 0], y[:, 1:]


def perceptrons(D=None, G=None):
    return G or models.MLPGenerator(Z, width=8), D or models.MLPDiscriminator(width=8)


def normalised():
    return perceptrons(G=nn.Sequential(nn.Linear(Z, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)))


class Deviating(nn.Module):
    """A discriminator that sees how far the samples of its batch differ (Karras et al. 2018)."""

    def __init__(self):
        super().__init__()
        self.net = models.MLPDiscriminator(width=8)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.net(x) + self.weight * batch_deviation(x, group=len(x))


def in_two_parts(x_real, *, G, D, opt_G, opt_D):
    """Gradients gathered over two backwards before a step."""
    opt_D.zero_grad()
    for x in x_real.chunk(2):
        (losses.hinge.d_loss(D(x), D(G(torch.randn(len(x), Z)).detach())) / 2).backward()
    opt_D.step()
    return {"loss_D": D(x_real).mean().detach()}


def averaged(real, fake):
    """Each logit against the mean of the other kind. Source: Jolicoeur-Martineau 2018, section 4.2."""
    softplus = nn.functional.softplus
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


RELATIVISTIC_AVERAGE = Loss("relativistic average", averaged, lambda fake, real: averaged(fake, real), pairs=True)
PENALTIES = (None, losses.r1, losses.r2, losses.r1_r2, losses.wgan_gp)
plain = partial(train_step, z_dim=Z)

# name: (players, step, into how many pieces the step cuts its batch, whether it takes labels)
EQUAL = {
    f"{loss.name}, {p.__name__ if p else 'no penalty'}": (perceptrons, partial(plain, loss=loss, penalty=p), 1, False)
    for loss in losses.ALL
    for p in PENALTIES
} | {
    "two steps of D": (perceptrons, partial(plain, penalty=losses.wgan_gp, n_critic=2), 2, False),
    "spectral norm": (lambda: perceptrons(models.spectral_norm(models.MLPDiscriminator(width=8))), plain, 1, False),
    "two backwards a step": (perceptrons, in_two_parts, 2, False),
    "cgan_step": (lambda: (Told(Z, 2), Told(2, 1)), partial(cgan_step, z_dim=Z, penalty=losses.r1), 1, True),
    "acgan_step": (lambda: (Told(Z, 2), Told(2, 1 + CLASSES)), partial(acgan_step, z_dim=Z), 1, True),
}
CROSSING = {
    "relativistic average": (perceptrons, partial(plain, loss=RELATIVISTIC_AVERAGE), 1, False),
    "batch norm": (normalised, plain, 1, False),
    "minibatch deviation": (lambda: perceptrons(Deviating()), plain, 1, False),
}


def weights_of(case):
    """All weights after a few steps, in float64, and the mean of each record."""
    make, step, pieces, labelled = case
    torch.set_default_dtype(torch.float64)
    try:
        with seeded(0):
            G, D = make()
        source = torch.Generator().manual_seed(2)

        def data(n):
            x = part(torch.empty(BATCH, 2).normal_(generator=source), pieces)
            labels = part(torch.randint(CLASSES, (BATCH,), generator=source), pieces)
            assert len(x) == n
            return (x, labels) if labelled else x

        players = {"G": G, "D": D, "opt_G": small_runs.adam(G), "opt_D": small_runs.adam(D)}
        with noise_of_the_whole():
            run = train(Trainer(step, players, data, batch_size=BATCH, precision="no"), STEPS)
        return {"weights": torch.cat([p.flatten() for p in (*G.parameters(), *D.parameters())]).tolist(),
                "records": run.history}  # fmt: skip
    finally:
        torch.set_default_dtype(torch.float32)


# ------------------------------------------------------------------------------------------- what else is agreed upon


def raised(kind, work):
    """The text of the error that `work` raises."""
    try:
        work()
    except kind as e:
        return f"{type(e).__name__}: {e}"
    raise AssertionError("nothing was raised")


def start(folder):
    """Weights of a game that each process seeds otherwise."""
    run = trainer("images", seed=processes.rank(), ema=0.9)
    return small_runs.numbers({k: dict(m.state_dict()) for k, m in {**run.modules, "ema": run.ema}.items()})


def draws(folder):
    """Size and numbers of the first batch, and the noise beside it."""
    seen = {}

    def step(x, **players):
        seen.update(x=x.flatten().tolist(), z=torch.randn(3).tolist(), n=len(x))
        return {"loss_D": x.mean(), "loss_G": x.mean()}

    train(trainer(step=step), 1)
    return seen


def records(folder):
    own = torch.tensor([1.0, 2.0])[processes.rank()]
    return train(trainer(step=lambda x, **players: {"loss_D": own}), 2).history


def a_game(folder):
    """The DCGAN with batch norm and a running average, as it is trained: weights, average, statistics."""
    run = train(trainer("images", ema=0.9), 5)
    buffers = {k: v.tolist() for k, v in run.modules["G"].named_buffers() if "running" in k}
    weights = {k: [p.tolist() for p in m.parameters()] for k, m in {**run.modules, "ema": run.ema}.items()}
    return {"weights": weights, "buffers": buffers}


def diverges(folder):
    calls = []

    def step(x, **players):
        calls.append(1)
        return {"loss_D": torch.tensor(float("nan") if processes.rank() and len(calls) == 3 else 1.0)}

    return raised(Diverged, lambda: train(trainer(step=step), 9))


def interrupted(folder):
    """Ctrl-C in process 1 at its fourth step, then in process 0 between two records."""
    calls = []

    def data(n):
        calls.append(1)
        if len(calls) == 4 and processes.rank():
            signal.raise_signal(signal.SIGINT)
        return small_runs.densities.ring().sample(n)

    run = trainer(data=data)
    first, at = raised(KeyboardInterrupt, lambda: train(run, 20)), run.step

    def between():
        for _ in run.run(steps=20, every=2):
            if not processes.rank():
                signal.raise_signal(signal.SIGINT)

    return [first, at, raised(KeyboardInterrupt, between), run.step, train(run, 20).step]


def clock(folder):
    """Process 0's clock goes half a second a step, process 1's three times as fast; the rate falls with time."""
    now = SimpleNamespace(seconds=0.0)
    before, training.time = training.time, SimpleNamespace(perf_counter=lambda: now.seconds)

    def data(n):
        now.seconds += 1.5 if processes.rank() else 0.5
        return small_runs.densities.ring().sample(n)

    try:
        run = trainer(data=data, schedule=training.linear_second_half)
        *_, last = run.run(seconds=4.75, every=4)
    finally:
        training.time = before
    return [run.step, last["seconds"], [p.tolist() for p in run.modules["D"].parameters()]]


def refusals(folder):
    net = nn.Linear(2, 1)
    lbfgs = torch.optim.LBFGS(net.parameters())
    processes.average_at_each_step(lbfgs)
    return [
        raised(ValueError, lambda: trainer(batch_size=5)),
        raised(ValueError, lambda: lbfgs.step(lambda: net(torch.ones(1, 2)).sum())),
        raised(ValueError, lambda: trainer(device="cuda:0")),
    ]


def gradients(folder):
    """Of three weights: one that all use, one that process 1 alone uses, one that nobody uses; asked for twice."""
    w = [nn.Parameter(torch.ones(2)) for _ in range(3)]
    sgd = torch.optim.SGD(w, 1.0)
    for _ in range(2):
        processes.average_at_each_step(sgd)
    (w[0].sum() * (1 + processes.rank()) + (w[1].sum() if processes.rank() else 0)).backward()
    sgd.step()
    return [[p.tolist() for p in w], [p.grad is None for p in w]]


def resumed(folder):
    """A run in two parts against an unbroken one; and one that a single process began."""
    whole, cut, again = (trainer("images", ema=0.9) for _ in range(3))
    train(whole, 6), train(cut, 3)
    cut.save(folder / "two")
    again.load(folder / "two")
    caveats = [again.caveat]
    train(again, 6)
    other = trainer("images", ema=0.9)
    other.load(folder / "one")
    rng = other._rng[0].tolist()
    train(other, 5)
    weights = [p.tolist() for p in other.modules["G"].parameters()]
    buffers = "running"  # of batch norms: each process's own, the checkpoint's are the main one's
    a, b = ({k: v for k, v in state(run).items()} for run in (whole, again))
    for s in (a, b):
        for module in (*s["modules"].values(), s["ema"]):
            for k in [k for k in module if buffers in k]:
                del module[k]
    return {"equal": a == b, "caveats": [*caveats, other.caveat], "rng": rng, "weights": weights}


def failures(folder):
    """What each process raises: process 1 fails, both fail, the main one cannot write."""

    def some(*who):
        with processes.together():
            if processes.rank() in who:
                raise ZeroDivisionError(f"mine {processes.rank()}")

    in_the_way = folder / "in_the_way"
    if not processes.rank():
        in_the_way.write_text("a file")
    run = train(trainer(), 1)
    return [raised((ZeroDivisionError, RuntimeError), partial(some, 1)),
            raised((ZeroDivisionError, RuntimeError), partial(some, 0, 1)),
            raised((OSError, RuntimeError), lambda: run.save(in_the_way)), some()]  # fmt: skip


CHECKS = (start, draws, records, a_game, diverges, interrupted, clock, refusals, gradients, resumed, failures)


def one_dies(tell):
    """Process 1 ends in the middle of a step: process 0 must hear of it, not wait for ever."""
    calls = []

    def data(n):
        calls.append(1)
        if len(calls) == 3 and processes.rank():
            tell("gone")
            os._exit(1)
        return small_runs.densities.ring().sample(n)

    tell(raised(processes.Elsewhere, lambda: train(trainer(data=data), 20)))


def main(folder: Path) -> None:
    training.connect()
    assert processes.count() == int(os.environ["WORLD_SIZE"])
    seen = {"cases": {name: weights_of(case) for name, case in (EQUAL | CROSSING).items()}}
    seen |= {check.__name__: check(folder) for check in CHECKS}

    def tell(said):
        (folder / f"{processes.rank()}.json").write_text(json.dumps({**seen, "one_dies": said}))

    one_dies(tell)
    os._exit(0)  # the other is gone: nothing to part from


if __name__ == "__main__":
    main(Path(sys.argv[1]))

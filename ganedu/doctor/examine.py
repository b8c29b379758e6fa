"""The doctor: examines a run, whoever wrote its loop, and names the most likely cause first.

`examine(trainer)`, `examine("runs/dcgan-digits")`, or `examine(G=G, D=D, step=step, x_real=x, history=records)`.
Everything is tried on copies. A check (`ganedu.doctor.checks`) is a small function of a `Case` that yields (key, what
was seen), and a lesser kind where it is less sure. The table in `ganedu.doctor.findings` says which comes first.
"""

import contextlib
import copy
import inspect
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..sampling import device_of, seeded
from .checks import CHECKS
from .findings import Finding, Report
from .watch import Round, Skip, last_operation, logits, watch

N = 256  # samples of each kind that the measures stand on


@dataclass
class Case:
    """The material as the checks see it: copies of the players, samples at rest, and what the step did."""

    G: nn.Module | None
    D: nn.Module | None
    x_real: Tensor | None = None
    labels: Tensor | None = None
    fake: Tensor | None = None  # G's output as in training
    settled: Tensor | None = None  # and in eval mode
    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    again: Tensor | None = None  # the same latents with other labels
    G_ends: str = ""  # the last operation of each network, such as "Tanh"
    D_ends: str = ""
    round: Round | None = None
    flat: Round | None = None  # with D's logits at one level, see watch.watch
    far: Round | None = None
    history: dict = field(default_factory=dict)
    why_not: dict[str, str] = field(default_factory=dict)  # what is missing: why

    def need(self, *names: str) -> list:
        for name in names:
            if getattr(self, name) is None:
                raise Skip(self.why_not.get(name, f"no {name} was given"))
        return [getattr(self, name) for name in names]

    @property
    def steps(self) -> float:
        """Steps recorded; infinite where no history says."""
        return max((len(v) for v in self.history.values()), default=math.inf)

    @property
    def images(self) -> bool:
        return self.x_real is not None and self.x_real.ndim == 4


def examine(run=None, *, G=None, D=None, step=None, x_real=None, labels=None, z=None, z_dim=None, history=None,
            opt_G=None, opt_D=None) -> Report:  # fmt: skip
    """Findings about a run, most likely cause first; the run is left as it was found.

    `run` is a Trainer, or the folder of one that `ganedu train` wrote. Or give what you have of your own loop: the
    networks, `step(*batch, G=..., D=..., opt_G=..., opt_D=...)` or a `step(*batch)` that holds its players, a batch
    x_real (N, ...) with labels (N,), latents z or z_dim, history {name: list of floats}. The batch may be on any
    device: it is moved to the networks'. What is missing, or raises, is
    said in `report.skipped`. Raises FileNotFoundError or ValueError for a folder without a readable run.
    """
    given = {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}
    if isinstance(run, str | Path):
        from ..runs import recipes

        run = recipes.load_trainer(run)
    if run is not None:
        given = {**given, **run.players}
        step, history = run.step_function, history or run.history
        if x_real is None:
            with seeded(12345), contextlib.suppress(Exception):  # without data the rest is examined
                batch = run.data(4 * N)
                x_real, *rest = batch if isinstance(batch, tuple | list) else (batch,)
                labels = rest[0] if rest else labels
        z_dim = z_dim or getattr(step, "keywords", {}).get("z_dim")
    case = _prepare(given, step, x_real, labels, z, z_dim, history or {})
    findings, skipped = [], {}
    for check in CHECKS:
        try:
            with seeded(0):
                for found in check(case):  # one at a time: what is found before a check fails stays
                    findings.append(found)
        except Skip as e:
            skipped[check.__name__] = str(e)
        except Exception as e:  # somebody's network or records: one check fails, the others go on
            skipped[check.__name__] = f"{type(e).__name__}: {e}"
    return Report([Finding(*found) for found in findings], skipped, case)


def _prepare(given: dict, step, x_real, labels, z, z_dim, history: dict) -> Case:
    case = Case(None, None, history={k: v for k, v in history.items() if isinstance(v, list | tuple) and len(v)})
    for name in ("G", "D"):
        if isinstance(given[name], nn.Module):
            _try(case, (name,), lambda case, name=name: [copy.deepcopy(given[name])])
    G, D = case.G, case.D
    device = device_of(nn.ModuleList([m for m in (G, D) if m is not None]), x_real)
    case.x_real = None if x_real is None else x_real.detach().to(device)
    case.labels = None if labels is None else labels.detach().to(device)
    with seeded(0):
        _try(case, ("fake", "settled", "again"), _sample, z, z_dim or getattr(G, "z_dim", None))
        _try(case, ("d_real", "d_fake"), _judge)
    if step is None or case.x_real is None or None in (G, D):
        missing = "step" if step is None else "x_real" if case.x_real is None else "G" if G is None else "D"
        case.why_not |= dict.fromkeys(("round", "flat", "far"), f"no {missing} was given")
        return case
    players = {k: v for k, v in given.items() if v is not None}
    batch = tuple(t[: _count(case) // 4] for t in (case.x_real, case.labels) if t is not None)
    _try(case, ("round", "flat", "far"), lambda case: watch(step, players, batch))
    return case


def _try(case: Case, names: tuple[str, ...], measure, *rest) -> None:
    try:
        for name, value in zip(names, measure(case, *rest), strict=True):
            setattr(case, name, value)
    except Skip as e:
        case.why_not.update(dict.fromkeys(names, str(e)))
    except Exception as e:
        what = "the step" if "round" in names else "a network"
        case.why_not.update(dict.fromkeys(names, f"{what} raises {type(e).__name__}: {e}"))


def _sample(case: Case, z, z_dim) -> tuple:
    case.need("G")
    if z is None and z_dim is None:
        raise Skip("neither z nor z_dim was given")
    device = device_of(case.G)
    z = torch.randn(_count(case), z_dim, device=device) if z is None else z.detach()[:N].to(device)
    y = labels = None
    if case.labels is not None and _takes_labels(case.G):
        labels = case.labels[torch.arange(len(z)) % len(case.labels)]
        y = labels.roll(1) if labels.unique(dim=0).shape[0] > 1 else None
    case.G.train()
    fake = _call(case.G, z, labels)
    again = None if y is None else _call(case.G, z, y).detach()
    if again is None:
        case.why_not["again"] = "G takes no labels, or there is only one"
    case.G_ends = last_operation(fake)
    return fake.detach(), _call(copy.deepcopy(case.G).eval(), z, labels).detach(), again


def _judge(case: Case) -> tuple:
    D, fake, x_real = case.need("D", "fake", "x_real")
    D.train()
    labels = case.labels if _takes_labels(D) else None
    n = min(len(fake), len(x_real))
    d_real, d_fake = (logits(_call(D, x[:n].float(), None if labels is None else labels[:n])) for x in (x_real, fake))
    case.D_ends = last_operation(d_real)
    return d_real.detach(), d_fake.detach()


def _count(case: Case) -> int:
    """Samples to measure on: 256, fewer of large images, so that an examination takes seconds."""
    return N if not case.images else min(N, max(64, 2**20 // case.x_real[0].numel()))


def _takes_labels(module: nn.Module) -> bool:
    """Whether forward has a place for labels; our own networks always have, and say by `n_classes` if it is used."""
    return getattr(module, "n_classes", 1) > 0 and len(inspect.signature(module.forward).parameters) > 1


def _call(module: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    return module(x) if labels is None else module(x, labels)

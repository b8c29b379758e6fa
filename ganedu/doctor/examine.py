"""The doctor: examines a run, whoever wrote its loop, and names the most likely cause first.

`examine(trainer)`, `examine("runs/dcgan-digits")`, or `examine(G=G, D=D, step=step, x_real=x, history=records)`.
Everything is tried on copies. A check (`ganedu.doctor.checks`) is a small function of a `Case` that yields (key, what
was seen), and a lesser kind where it is less sure. The table in `ganedu.doctor.findings` says which comes first.
"""

import copy
import inspect
import math
import os
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..sampling import device_of, seeded
from . import material
from .checks import CHECKS
from .findings import Finding, Report
from .watch import Round, Skip, last_operation, logits, undisturbed, watch

N, FEW = 256, 8  # samples of each kind that the measures stand on; fewer than that say nothing


@dataclass
class Case:
    """The material as the checks see it: copies of the players, samples at rest, and what the step did.

    Samples and outputs at rest are float32, of whatever precision the networks are.
    """

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
    networks: dict[str, nn.Module] = field(default_factory=dict)  # all of the run, as they are: to be looked at
    why_not: dict[str, str] = field(default_factory=dict)  # what is missing: why
    failed: str = ""  # what was given and does not run

    def need(self, *names: str) -> list:
        for name in names:
            if getattr(self, name) is None:
                raise Skip(self._why(name))
        return [getattr(self, name) for name in names]

    def _why(self, name: str) -> str:
        return self.why_not.get(name, f"no {name} was given")

    @property
    def doubt(self) -> str:
        """Why no run is called healthy on this material, and what to give; empty where there is enough of it."""
        if self.failed:
            return f"{self.failed}. Mend that first: what is trained must run on what was given"
        missing = [self._why(name) for name in ("x_real", "fake", "d_real") if getattr(self, name) is None]
        if not missing and (n := min(len(self.x_real), len(self.fake))) < FEW:
            missing = [f"{n} samples say little, {FEW} would do"]
        what = "Give both networks and data, with the step if you can: "
        return f"{'; '.join(dict.fromkeys(missing))}. {what}{material.USAGE}" if missing else ""

    @property
    def unwatched(self) -> str:
        """Why the wiring of the step was not looked at; empty where it was."""
        return "" if self.round is not None else self._why("round")

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
    x_real (N, ...) with labels (N,), latents z (n, ...) or z_dim, history {name: list of floats}. Tensors may be on any
    device, and arrays or nested lists do as well. What is missing, or raises, is said in `report.skipped`; where that
    is too much to go by, `report.verdict` says what to give, and no run is called healthy. Raises FileNotFoundError or
    ValueError for a folder without a readable run, and ValueError, before anything runs, for what is none of these.
    """
    given = {"G": G, "D": D, "opt_G": opt_G, "opt_D": opt_D}
    material.check_players(run, given, step)
    material.latents(z_dim)
    records, others = material.records(history)
    if isinstance(run, str | os.PathLike):
        from ..runs import recipes

        run = recipes.load_trainer(run)
    case = Case(None, None, history=records)
    if run is not None:
        given, step = {**given, **run.players}, run.step_function
        case.history = records or material.records(run.history)[0]
        case.networks = {} if run.ema is None else {"the running average": run.ema}
        if x_real is None and run.data is not None:  # without data the rest is examined
            _try(case, "the run's data", ("x_real", "labels"), partial(_drawn, run))
            x_real, labels = case.x_real, case.labels if labels is None else labels
    case.networks = {k: v for k, v in given.items() if isinstance(v, nn.Module)} | case.networks
    dtype = _dtype_of(*(case.networks.get(name) for name in ("D", "G")))
    _measure(case, given, step, material.batch(x_real, labels, z, dtype), z_dim)
    skipped = {"history": f"no lists of numbers: {', '.join(others)}"} if others else {}
    return Report(_findings(case, skipped), skipped, case)


def _findings(case: Case, skipped: dict[str, str]) -> list[Finding]:
    """What the checks find; what keeps one from looking joins `skipped`."""
    findings = []
    for check in CHECKS:
        try:
            with seeded(0):
                for found in check(case):  # one at a time: what is found before a check fails stays
                    findings.append(Finding(*found))
        except Skip as e:
            skipped[check.__name__] = str(e)
        except Exception as e:  # somebody's network or records: one check fails, the others go on
            skipped[check.__name__] = f"{type(e).__name__}: {e}"
    return findings


def _drawn(run, _case: Case) -> tuple:
    """(x_real, labels or None), as many as the checks take, from a Trainer's data."""
    with undisturbed(12345):
        batch = run.data(4 * N)
    x_real, *rest = batch if isinstance(batch, tuple | list) else (batch,)
    return material.batch(x_real, rest[0] if rest else None, None, _dtype_of(*run.modules.values()))[:2]


def _measure(case: Case, given: dict, step, batch: tuple, z_dim) -> None:
    """Fill the case: copies, samples at rest, what the step does."""
    for name in ("G", "D"):
        if name in case.networks:
            _try(case, name, (name,), lambda case, name=name: [copy.deepcopy(case.networks[name])])
    G, D, (x_real, labels, z) = case.G, case.D, batch
    device = device_of(nn.ModuleList([m for m in (G, D) if m is not None]), x_real)
    x_real, labels = (None if t is None else t.to(device) for t in (x_real, labels))
    case.x_real, case.labels = x_real if x_real is None or not x_real.is_floating_point() else x_real.float(), labels
    with undisturbed(0):
        _try(case, "G", ("fake", "settled", "again"), _sample, z, z_dim or _z_dim(step, G))
        _try(case, "D", ("d_real", "d_fake"), _judge)
    if step is None or x_real is None or None in (G, D):
        missing = "step" if step is None else "x_real" if x_real is None else "G" if G is None else "D"
        case.why_not |= dict.fromkeys(("round", "flat", "far"), case.why_not.get(missing, f"no {missing} was given"))
        return
    players = {k: v for k, v in given.items() if v is not None}
    batch = tuple(t[: _count(case) // 4] for t in (x_real, labels) if t is not None)
    _try(case, "the step", ("round", "flat", "far"), lambda case: watch(step, players, batch))


def _z_dim(step, G) -> int | None:
    """As the step was made with, or as G says: ours all do."""
    made_with = step.keywords if isinstance(step, partial) else {}
    return made_with.get("z_dim") or getattr(G, "z_dim", None)


def _try(case: Case, what: str, names: tuple[str, ...], measure, *rest) -> None:
    """Set `names` of the case to what is measured, or say why not. Ctrl-C goes through, and nothing else."""
    try:
        for name, value in zip(names, measure(case, *rest), strict=True):
            setattr(case, name, value)
    except Skip as e:
        case.why_not.update(dict.fromkeys(names, str(e)))
    except BaseException as e:  # somebody's step may call sys.exit()
        if isinstance(e, KeyboardInterrupt):
            raise
        why = " ".join(f"{what} raises {type(e).__name__}: {e}".split())[:400]  # in one line
        case.failed = case.failed or why
        case.why_not.update(dict.fromkeys(names, why))


def _sample(case: Case, z, z_dim) -> tuple:
    case.need("G")
    if z is None and z_dim is None:
        raise Skip("neither z nor z_dim was given")
    to = {"device": device_of(case.G), "dtype": _dtype_of(case.G)}
    if z is None:
        z = torch.randn(_count(case), z_dim, **to)
    z = z[:N].to(**to) if z.is_floating_point() else z[:N].to(to["device"])
    y = labels = None
    if case.labels is not None and _takes_labels(case.G):
        labels = case.labels[torch.arange(len(z)) % len(case.labels)]
        y = labels.roll(1) if labels.unique(dim=0).shape[0] > 1 else None
    case.G.train()
    fake = _call(case.G, z, labels)
    again = None if y is None else _call(case.G, z, y).detach().float()
    if again is None:
        case.why_not["again"] = "G takes no labels, or there is only one"
    case.G_ends = last_operation(fake)
    settled = _call(copy.deepcopy(case.G).eval(), z, labels)
    return fake.detach().float(), settled.detach().float(), again


def _judge(case: Case) -> tuple:
    D, fake, x_real = case.need("D", "fake", "x_real")
    D.train()
    labels = case.labels if _takes_labels(D) else None
    n = min(len(fake), len(x_real))
    x_real, fake = (x[:n].to(device_of(D, x), _dtype_of(D)) for x in (x_real, fake))
    d_real, d_fake = (_call(D, x, None if labels is None else labels[:n]) for x in (x_real, fake))
    case.D_ends = last_operation(d_real)
    return d_real.detach().float(), d_fake.detach().float()


def _count(case: Case) -> int:
    """Samples to measure on: 256, fewer of large images, so that an examination takes seconds."""
    return N if not case.images else min(N, max(64, 2**20 // case.x_real[0].numel()))


def _dtype_of(*networks: nn.Module | None) -> torch.dtype:
    """The precision of the first weight or statistic that has one; float32 without any."""
    held = (t for m in networks if m is not None for t in (*m.parameters(), *m.buffers()))
    return next((t.dtype for t in held if t.is_floating_point()), torch.float32)


def _takes_labels(module: nn.Module) -> bool:
    """Whether forward has a place for labels; our own networks always have, and say by `n_classes` if it is used."""
    return getattr(module, "n_classes", 1) > 0 and len(inspect.signature(module.forward).parameters) > 1


def _call(module: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """The output, or the first of several, for copies of the inputs: a network may work in place."""
    return logits(module(x.clone()) if labels is None else module(x.clone(), labels.clone()))

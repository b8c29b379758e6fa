"""The doctor: examines a run, whoever wrote its loop, and names the most likely cause first.

`examine(trainer)`, `examine("runs/dcgan-digits")`, or `examine(G=G, D=D, step=step, x_real=x, history=records)`.
Everything is tried on copies. A check (`ganedu.doctor.checks`) is a small function of a `Case` that yields (key, what
was seen), and a lesser kind where it is less sure. The table in `ganedu.doctor.findings` says which comes first.
"""

import math
import os
import re
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from ..sampling import device_of, seeded
from . import material
from .checks import CHECKS, finite
from .findings import Finding, Report
from .outputs import last_operation, last_operations, logits
from .players import copies, meaning, put_back, takes_labels, undisturbed, ways
from .watch import Round, Skip, watch

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
    z: Tensor | None = None  # the latents of the fakes, and the labels that G is asked for, () or (labels,)
    asked: tuple | None = None
    fake: Tensor | None = None  # G's output as in training
    settled: Tensor | None = None  # and in eval mode
    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    again: Tensor | None = None  # the same latents with other labels
    G_ends: str = ""  # the last operation of each network, such as "Tanh", and G's last but one
    G_before: str = ""
    D_ends: str = ""
    D_takes: tuple = ()  # the shape of one sample that D takes, where that is another than the data's
    round: Round | None = None
    flat: Round | None = None  # with D's logits at one level, see watch.watch
    far: Round | None = None
    history: dict = field(default_factory=dict)
    networks: dict[str, nn.Module] = field(default_factory=dict)  # all of the run, as they are: to be looked at
    optimisers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    graphs: list[str] = field(default_factory=list)  # records whose values keep the graph that they came from
    why_not: dict[str, str] = field(default_factory=dict)  # what is missing: why
    failed: str = ""  # what was given and does not run
    step_given: bool = False

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
        if self.step_given and any(getattr(self, name) is None for name in ("round", "flat", "far")):
            return f"of the step something could not be looked at: {self._why(self._first_missing())}"
        missing = [self._why(name) for name in ("x_real", "fake", "d_real") if getattr(self, name) is None]
        if not missing and (n := min(len(self.x_real), len(self.fake))) < FEW:
            missing = [f"{n} samples say little, {FEW} would do"]
        what = "Give both networks and data, with the step if you can: "
        return f"{'; '.join(dict.fromkeys(missing))}. {what}{material.USAGE}" if missing else ""

    def _first_missing(self) -> str:
        return next((name for name in ("round", "flat", "far") if getattr(self, name) is None), "round")

    def judged(self, x: Tensor, whole: bool = False):
        """D's outputs on samples x, in whatever shape D takes them, with their graph; `whole`: all that D gives."""
        x = x.reshape(len(x), *self.D_takes) if self.D_takes else x
        labels = self.labels[torch.arange(len(x)) % len(self.labels)] if _told(self, self.D) else None
        return _call(self.D, x.to(_dtype_of(self.D)), labels, whole)

    def blind(self, why: str) -> None:
        """What the step did is worth no look."""
        self.round = self.flat = self.far = None
        self.why_not |= dict.fromkeys(("round", "flat", "far"), why)

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
    case = Case(None, None, history=records, graphs=material.graphs(history))
    if run is not None:
        given, step = {**given, **run.players}, run.step_function
        case.history = records or material.records(run.history)[0]
        case.networks = {} if run.ema is None else {"the running average": run.ema}
        if x_real is None and run.data is not None:  # without data the rest is examined
            _try(case, "the run's data", ("x_real", "labels"), partial(_drawn, run))
            x_real, labels = case.x_real, case.labels if labels is None else labels
    case.networks = {k: v for k, v in given.items() if isinstance(v, nn.Module)} | case.networks
    case.optimisers = {k: v for k, v in given.items() if isinstance(v, torch.optim.Optimizer)}
    dtype = _dtype_of(*(case.networks.get(name) for name in ("D", "G")))
    batch = material.batch(x_real, labels, z, dtype)
    for name in case.networks.keys() & {"G", "D"}:
        setattr(case, name, copies(case.networks[name]) or case.networks[name])
    borrowed = [m for m in (case.G, case.D) if any(m is own for own in case.networks.values())]  # what refuses a copy
    skipped = {"history": f"no lists of numbers: {', '.join(others)}"} if others else {}
    with put_back(*borrowed):
        _measure(case, given, step, batch, z_dim)
        found = _findings(case, skipped)
    return Report(found, skipped, case, len(CHECKS))


def _findings(case: Case, skipped: dict[str, str]) -> list[Finding]:
    """What the checks find; what keeps one from looking joins `skipped`."""
    findings = []
    for check in (finite, *CHECKS):
        try:
            with seeded(0):
                for found in check(case):  # one at a time: what is found before a check fails stays
                    findings.append(Finding(*found))
        except Skip as e:
            skipped[check.__name__] = str(e)
        except Exception as e:  # somebody's network or records: one check fails, the others go on
            skipped[check.__name__] = f"{type(e).__name__}: {e}"
        if check is finite and findings:  # of NaN every wiring looks wrong
            case.blind("values are not finite")
    return findings


def _drawn(run, _case: Case) -> tuple:
    """(x_real, labels or None), as many as the checks take, from a Trainer's data."""
    with undisturbed(12345):
        batch = run.data(4 * N)
    x_real, *rest = batch if isinstance(batch, tuple | list) else (batch,)
    return material.batch(x_real, rest[0] if rest else None, None, _dtype_of(*run.modules.values()))[:2]


def _measure(case: Case, given: dict, step, batch: tuple, z_dim) -> None:
    """Fill the case: what the step does, samples at rest."""
    x_real, labels, z = batch
    device = device_of(nn.ModuleList([m for m in (case.G, case.D) if m is not None]), x_real)
    case.x_real, case.labels = (None if t is None else t.to(device) for t in (x_real, labels))
    if step is not None and not any(getattr(case, name) is None for name in ("x_real", "G", "D")):
        case.step_given = True
        players = {k: v for k, v in given.items() if v is not None}
        _try(case, "the step", ("round", "flat", "far"), _watched, step, players)
    else:
        missing = "step" if step is None else next(n for n in ("x_real", "G", "D") if getattr(case, n) is None)
        case.blind(case.why_not.get(missing, f"no {missing} was given"))
    with undisturbed(0):
        _try(case, "G", ("z", "asked", "fake", "settled", "again"), _sample, z, z_dim or _z_dim(step, case.G))
        if case.x_real is not None and case.fake is not None:
            case.x_real = _in_floats(case)
            _as_images(case)
        _try(case, "D", ("d_real", "d_fake"), _judge)


def _as_images(case: Case) -> None:
    """Fakes that are rows of pixels get the images' shape."""
    shape = case.x_real.shape[1:]
    if case.fake.shape[1:] != shape and case.fake[0].numel() == case.x_real[0].numel():
        for name in ("fake", "settled", "again"):
            if (t := getattr(case, name)) is not None:
                setattr(case, name, t.reshape(len(t), *shape))


def _watched(case: Case, step, players: dict) -> tuple:
    """What the step does with some rows of the data; with as many as its error speaks of, where it wants those."""
    batch = [t for t in (case.x_real, case.labels) if t is not None]
    first, rows = None, [_count(case) // 4]
    while rows:
        n = rows.pop(0)
        for arguments in ways(step, players, tuple(t[:n] for t in batch)):
            try:
                seen = watch(step, players, arguments)
                if "D" not in seen[0].called and seen[0].moved["D"] > 0:
                    raise Skip("the step moves D and reaches it by a way that cannot be watched: let it call D(x)")
                return seen
            except Skip:
                raise
            except Exception as e:
                if first is None:
                    first = e
                    sizes = dict.fromkeys(int(k) for k in re.findall(r"\d+", str(e)))
                    rows += [k for k in sizes if 2 <= k <= len(case.x_real) and k != n][:3]
    raise first


def _z_dim(step, G) -> int | None:
    """As the step was made with, or as G says: ours all do."""
    made_with = step.keywords if isinstance(step, partial) else {}
    return made_with.get("z_dim") or getattr(G, "z_dim", None)


def _try(case: Case, what: str, names: tuple[str, ...], measure, *rest) -> None:
    """Set `names` of the case to what is measured, or say why not. Ctrl-C goes through, and nothing else."""
    try:
        for name, value in zip(names, measure(case, *rest), strict=True):
            setattr(case, name, value)
            if value is None:
                case.why_not.setdefault(name, f"{what} fails where D's output is moved")
    except Skip as e:
        case.why_not.update(dict.fromkeys(names, str(e)))
    except BaseException as e:  # somebody's step may call sys.exit()
        if isinstance(e, KeyboardInterrupt):
            raise
        why = " ".join(f"{what} raises {type(e).__name__}: {e}".split())[:400]  # in one line
        means = meaning(e) if what == "the step" else ""
        case.failed = case.failed or why + (f". Usually it means: {means}" if means else "")
        case.why_not.update(dict.fromkeys(names, why))


def _sample(case: Case, z, z_dim) -> tuple:
    case.need("G")
    seen = [z for zs in (case.round.z if case.round is not None else ()) for z in zs]
    if z is None and z_dim is None and not seen:
        raise Skip("neither z nor z_dim was given")
    to = {"device": device_of(case.G), "dtype": _dtype_of(case.G)}
    if z is not None:
        tries = [z[:N].to(**to) if z.is_floating_point() else z[:N].to(to["device"])]
    elif z_dim is None:  # as the step draws them
        tries = [torch.cat([t for t in seen if t.shape[1:] == seen[0].shape[1:]])[:N]]
    else:
        n, shapes = _count(case), [(z_dim,), (z_dim, 1, 1)]  # the second as DCGAN has it
        shapes.sort(key=lambda shape: not any(t.shape[1:] == shape for t in seen))
        drawn = torch.randn(n, z_dim, **to)
        tries = [drawn.reshape(n, *shape) for shape in shapes]
    first = None
    for z in tries:
        try:
            return _sampled(case, z)
        except Exception as e:
            first = first or e
    raise first


def _sampled(case: Case, z: Tensor) -> tuple:
    y = labels = None
    if case.labels is not None and takes_labels(case.G):
        labels = case.labels[torch.arange(len(z)) % len(case.labels)]
        y = labels.roll(1) if labels.unique(dim=0).shape[0] > 1 else None
    case.G.train()
    fake = _call(case.G, z, labels)
    again = None if y is None else _call(case.G, z, y).detach().float()
    if again is None:
        case.why_not["again"] = "G takes no labels, or there is only one"
    case.G_ends, case.G_before = (*last_operations(fake, 2), "", "")[:2]
    resting = copies(case.G)
    if resting is None:
        settled = _call(case.G.eval(), z, labels)
        case.G.train()
    else:
        settled = _call(resting.eval(), z, labels)
    return z, () if labels is None else (labels,), fake.detach().float(), settled.detach().float(), again


def _in_floats(case: Case) -> Tensor:
    """Real samples in float32; of bytes as the step makes them, or else on the scale of G's last operation."""
    x = case.x_real
    if x.is_floating_point():
        return x.float()
    entered = torch.empty(0) if case.round is None else case.round.rows("D", False)[0]
    n = min(len(entered), len(x))
    if n and entered[0].numel() == x[0].numel():  # a scale and an offset, found from the pairs
        a, b = (t[:n].flatten().double() for t in (x, entered))
        scale = ((a - a.mean()) * (b - b.mean())).sum() / (a - a.mean()).square().sum().clamp(min=1e-12)
        moved = (x.double() - a.mean()) * scale + b.mean()
        if float((moved[:n].flatten() - b).abs().max()) < 1e-3 * float(b.max() - b.min()):
            return moved.float()
    if x.dtype != torch.uint8:
        return x.float()
    return (
        x.float() / 127.5 - 1 if case.G_ends == "Tanh" else x.float() / 255 if case.G_ends == "Sigmoid" else x.float()
    )


def _told(case: Case, network: nn.Module) -> bool:
    return case.labels is not None and takes_labels(network)


def _judge(case: Case) -> tuple:
    D, fake, x_real = case.need("D", "fake", "x_real")
    D.train()
    n = min(len(fake), len(x_real))
    x_real, fake = (x[:n].to(device_of(D, x)) for x in (x_real, fake))
    entered = (
        () if case.round is None else [c.x.shape[1:] for c in case.round.calls if c.x[0].numel() == x_real[0].numel()]
    )
    case.D_takes = tuple(entered[0]) if entered and entered[0] != x_real.shape[1:] else ()
    try:
        d_real = case.judged(x_real)
    except Exception:
        if case.D_takes or x_real.ndim == 2:
            raise
        case.D_takes = (x_real[0].numel(),)  # D may take pixels in a row
        try:
            d_real = case.judged(x_real)
        except Exception:
            case.D_takes = ()
            d_real = case.judged(x_real)  # its first complaint is the one that helps
    d_fake = case.judged(fake)
    case.D_ends = last_operation(d_real)
    return d_real.detach().float(), d_fake.detach().float()


def _count(case: Case) -> int:
    """Samples to measure on: 256, fewer of large images, so that an examination takes seconds."""
    return N if not case.images else min(N, max(64, 2**20 // case.x_real[0].numel()))


def _dtype_of(*networks: nn.Module | None) -> torch.dtype:
    """The precision of the first weight or statistic that has one; float32 without any."""
    held = (t for m in networks if m is not None for t in (*m.parameters(), *m.buffers()))
    return next((t.dtype for t in held if t.is_floating_point()), torch.float32)


def _call(module: nn.Module, x: Tensor, labels: Tensor | None, whole: bool = False):
    """The output, or the first of several, for copies of the inputs: a network may work in place."""
    output = module(x.clone()) if labels is None else module(x.clone(), labels.clone())
    return output if whole else logits(output)

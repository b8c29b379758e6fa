"""Who is who among the names that somebody's code leaves behind: by name first, then by kind; nothing is guessed.

`search` looks for G, D, their optimisers, the step, data, latents and records. Names are compared without case and
underscores, at the top level first, then one level inside objects: gan.netG, opt.latent_dim, config["nz"].
"""

import argparse
import inspect
import itertools
import types
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..training import Trainer
from .examine import FEW, N
from .material import KINDS
from .outputs import logits
from .players import copies, takes_labels


def _both_ways(words: str, players: str) -> str:
    pairs = itertools.product(words.split(), players.split())
    return " ".join(f"{a}{b} {b}{a} {a}of{b}" for a, b in pairs)


OPTIMISERS = "opt optim optimizer optimiser solver o"
LOSSES = "loss losses losslist losshistory losslog"
NAMES = {
    "G": "g netg gnet modelg gmodel gen generator netgenerator generatornet mygenerator",
    "D": "d netd dnet modeld dmodel dis disc discr discriminator netdiscriminator discriminatornet mydiscriminator "
    "critic netcritic",
    "opt_G": _both_ways(OPTIMISERS, "g gen generator"),
    "opt_D": _both_ways(OPTIMISERS, "d dis disc discr discriminator c critic"),
    "step": "step stepfn trainstep trainingstep ganstep onestep trainonestep batchstep trainbatch trainonbatch "
    "trainonebatch",
    "x_real": "xreal real reals realimages realimgs realimage realimg realbatch realdata realcpu realsamples realx",
    "labels": "labels label y classes targets classlabels reallabels yreal",
    "z": "z noise latent latents fixednoise fixedz zfixed fixedlatents testnoise samplenoise",
    "z_dim": "zdim nz latentdim latentsize noisedim noisesize zsize dimz latentdims latentvectorsize codedim",
    "loss_G": _both_ways(LOSSES, "g gen generator"),
    "loss_D": _both_ways(LOSSES, "d dis disc discr discriminator c critic"),
    "history": "history hist records logs log losses",
}  # fmt: skip
NAMES = {role: names.split() for role, names in NAMES.items()}
DATA = ["images", "imgs", "image", "img", "batch", "data", "x", "xb", "inputs", "xtrain"]  # less sure: of x_real
ROLES = {name: role for role, names in reversed(NAMES.items()) for name in names} | dict.fromkeys(DATA, "x_real")
PLAYERS = ("G", "D", "opt_G", "opt_D")


class Unclear(Exception):
    """Several fit a role: the text lists them and says how to choose."""


@dataclass
class Found:
    """{role: (its name, its value)}, what `doctor.examine` is given; and for each role that is missing, why."""

    roles: dict[str, tuple[str, object]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def __contains__(self, role: str) -> bool:
        return role in self.roles

    def value(self, role: str):
        return self.roles[role][1] if role in self.roles else None

    def put(self, role: str, pair: tuple | None) -> None:
        if pair is not None:
            self.roles[role] = pair

    def __str__(self) -> str:
        said = []
        for role, (name, value) in sorted(self.roles.items(), key=lambda pair: [*NAMES, "trainer"].index(pair[0])):
            shape = f" {tuple(value.shape)}" if hasattr(value, "shape") else ""
            of = f" = {value}" if isinstance(value, int) and name != str(value) else ""
            said.append(f"{role if name == role else f'{role} = {name}'}{shape}{of}")
        return ", ".join(said)

    def arguments(self) -> dict:
        return {"run" if role == "trainer" else role: value for role, (_, value) in self.roles.items()}


def plays(name: str, role: str) -> bool:
    """Whether something is called as what plays this role is."""
    return ROLES.get(_plain(name)) == role


def search(space: dict, chosen: dict[str, str], own: set[str] = frozenset({"__main__"})) -> Found:
    """What `space` holds; `chosen` are Python expressions {role: text}, evaluated in it, and win over all names.

    `own` names the modules whose classes are somebody's own: objects of them are looked into. Raises Unclear where
    several fit, ValueError for an expression without a value, or with one of another kind.
    """
    seen = Found({role: (text, _value(role, text, space)) for role, text in chosen.items()})
    look = Search(space, own)
    if not {"G", "D", "step"} & seen.roles.keys():
        seen.put("trainer", seen.roles.get("trainer") or look.trainer())
    if "trainer" not in seen:
        look.loop(seen)
        seen.put("history", seen.roles.get("history") or look.history())
    return seen


def _value(role: str, text: str, space: dict):
    try:
        value = eval(text, dict(space))
    except Exception as e:  # of any kind: it may call what it likes
        raise ValueError(f"{role} {text!r} has no value when the code has ended, {type(e).__name__}: {e}.") from None
    kind, wanted = KINDS.get(role, (object, ""))
    if not isinstance(value, kind):
        raise ValueError(f"{role} {text!r} is a {type(value).__name__}: give the {wanted} that is trained.")
    return value


class Search:
    """Looks through one namespace. A method returns (name, value), or None; several that fit raise Unclear."""

    def __init__(self, space: dict, own: set[str]):
        self.own = own
        self.top = {k: v for k, v in space.items() if not k.startswith("_")}
        self.deep = {f"{k}{at}": v for k, value in self.top.items() for at, v in self._inside(k, value)}

    def _inside(self, name: str, value):
        """(".attribute" or ["key"], value) of what somebody keeps together: settings, or an object of their own."""
        a_class = isinstance(value, type)
        ours = getattr(value if a_class else type(value), "__module__", "") in self.own
        if isinstance(value, dict) and _plain(name) not in ROLES:
            yield from ((f'["{k}"]', v) for k, v in value.items() if isinstance(k, str))
        elif isinstance(value, argparse.Namespace | types.SimpleNamespace) or ours:
            held = {**getattr(value, "__dict__", {}), **getattr(value, "_modules", {})}
            steps = {k: getattr(value, k, None) for k in dir(type(value)) if _plain(k) in NAMES["step"]} if ours else {}
            yield from (
                (f".{k}", v) for k, v in {**held, **steps}.items() if k[0] != "_" and not (a_class and callable(v))
            )

    def named(self, names: list[str], kind) -> dict[str, object]:
        """{name: value} of what is called so and is of that kind, the top level alone where it has any; each once."""
        for place in (self.top, self.deep):
            fit = [(k, v) for k, v in place.items() if _plain(k) in names and kind(v)]
            fit.sort(key=lambda pair: names.index(_plain(pair[0])))
            if fit:
                return _each_once(fit)
        return {}

    def trainer(self) -> tuple | None:
        return only("trainer", _each_once((k, v) for k, v in self.top.items() if isinstance(v, Trainer)))

    def loop(self, seen: Found) -> None:
        """G, D, their optimisers, the step, data, labels and latents of somebody's own loop, put into `seen`."""
        for role in ("G", "D"):
            seen.put(role, seen.roles.get(role) or only(role, self.named(NAMES[role], network)))
        if "x_real" not in seen:
            self.data(seen)
        for role, looks in (("D", _judges), ("G", _makes)):
            if role not in seen:
                seen.put(role, self.by_output(role, looks, seen))
        for role, player in (("opt_G", "G"), ("opt_D", "D")):
            seen.put(role, seen.roles.get(role) or self.optimiser(role, seen.value(player)))
        if "step" not in seen:
            step = only(
                "step", self.named(NAMES["step"], lambda v: callable(v) and not isinstance(v, type | nn.Module))
            )
            seen.put("step", step and (step[0], fitted(step[1], seen, self.top)))
        self.labels(seen)
        if not {"z", "z_dim"} & seen.roles.keys() and "G" in seen:
            self.latents(seen)

    def by_output(self, role: str, looks, seen: Found) -> tuple | None:
        """The one other network whose output looks as that of G, or of D, does."""
        others = [seen.value(r) for r in ("G", "D")]
        rest = [(k, v) for k, v in self.top.items() if network(v) and not any(v is o for o in others)]
        fit = {k: v for k, v in _each_once(rest).items() if looks(v, seen.value("x_real"))}
        if not fit:
            seen.missing[role] = _none(role, list(_each_once(rest)), seen)
        return only(role, fit)

    def optimiser(self, role: str, player) -> tuple | None:
        """By name, or the one that holds all of a player's weights that it holds any of."""
        kind = torch.optim.Optimizer
        if named := self.named(NAMES[role], lambda v: isinstance(v, kind)):
            return only(role, named)
        weights = set() if player is None else {id(p) for p in player.parameters()}
        held = [(k, v) for k, v in (self.top | self.deep).items() if isinstance(v, kind)
                and weights & {id(p) for group in v.param_groups for p in group["params"]}]  # fmt: skip
        return next(iter(held)) if len(_each_once(held)) == 1 else None  # examine does well without

    def data(self, seen: Found) -> None:
        """x_real, as it enters D: a batch that is left over, or else what a loader gives."""
        D = seen.value("D")
        for names in (NAMES["x_real"], DATA):
            fit = {k: v for k, v in _batches(self.named(names, lambda v: True)) if D is None or _accepts(D, v)}
            if fit:
                first = next(iter(fit.values()))
                differ = {k: v for k, v in fit.items() if not _alike(first, v)}
                seen.put("x_real", only("x_real", {next(iter(fit)): first, **differ}))
                return
        loaders = _each_once((k, v) for k, v in (self.top | self.deep).items() if isinstance(v, DataLoader))
        train = {k: v for k, v in loaders.items() if "train" in k.lower()}
        loader = only("x_real", train or loaders)
        x, labels = (None, None) if loader is None else _drawn(loader[1])
        if x is not None and (D is None or _accepts(D, x)):
            seen.put("x_real", (f"the first of {loader[0]}", x))
            seen.put("labels", seen.roles.get("labels") or (labels is not None and (loader[0], labels)) or None)

    def labels(self, seen: Found) -> None:
        """Labels as long as x_real, where somebody has a place for them."""
        x, networks = seen.value("x_real"), [seen.value(r) for r in ("G", "D")]
        wanted = any(m is not None and takes_labels(m) for m in networks) or _places(seen.value("step")) > 1
        if "labels" not in seen and x is not None and wanted:
            fit = self.named(NAMES["labels"], lambda v: _tensor(v) and len(v) == len(x) and not _chance(v))
            seen.put("labels", next(iter(fit.items()), None))
        if not wanted:
            seen.roles.pop("labels", None)

    def latents(self, seen: Found) -> None:
        """z as the loop drew it, or z_dim; the step draws its own, and nothing is needed."""
        if "step" in seen or getattr(seen.value("G"), "z_dim", None):
            return
        G = seen.value("G")
        drawn = self.named(NAMES["z"], lambda v: _tensor(v) and v.ndim > 1 and len(v) >= FEW)
        drawn = {k: v for k, v in drawn.items() if takes_labels(G) or _output(G, v) is not None}
        sizes = self.named(NAMES["z_dim"], lambda v: type(v) is int and v > 0)
        if drawn:
            seen.put("z", next(iter(drawn.items())))
        elif sizes:
            seen.put("z_dim", only("z_dim", {k: v for v, k in {v: k for k, v in reversed(sizes.items())}.items()}))
        elif size := _first_size(G):
            seen.put("z_dim", ("the first layer of G", size))

    def history(self) -> tuple | None:
        """{"loss_D": [...], "loss_G": [...]}, of two lists or of a dict of lists."""
        found = {role: self.named(NAMES[role], _series) for role in ("loss_D", "loss_G")}
        for name, records in self.named(NAMES["history"], lambda v: isinstance(v, dict)).items():
            for role in found:
                inside = [(f"{name}[{k!r}]", v) for k, v in records.items() if _plain(str(k)) in NAMES[role]]
                found[role] = found[role] or dict(pair for pair in inside if _series(pair[1]))
        found = {role: next(iter(fit.items())) for role, fit in found.items() if fit}
        names = " and ".join(name for name, _ in found.values())
        return (names, {role: values for role, (_, values) in found.items()}) if found else None


# ----------------------------------------------------------------------------------------------- how a step is called


def fitted(step, seen: Found, space: dict):
    """The step as a function of a batch, where it takes players by other names, or more that the code has by that name.

    Otherwise as it is: `doctor.examine` passes a batch and G, D, opt_G, opt_D itself.
    """
    held, batch = {}, []
    for p in _needed(step):
        role = ROLES.get(_plain(p.name))
        if role in PLAYERS and role in seen:
            held[p.name] = seen.value(role)
        elif role not in ("x_real", "labels", "z") and p.name in space:
            held[p.name] = space[p.name]
        else:
            batch.append(p.name)
    if held.keys() <= {*PLAYERS}:
        return step
    calls = {0: lambda: step(**held), 1: lambda x: step(**{batch[0]: x}, **held),
             2: lambda x, y: step(**{batch[0]: x, batch[1]: y}, **held)}  # fmt: skip
    return calls.get(len(batch), step)


def _needed(step) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _places(step) -> int:
    return 0 if step is None else len([p for p in _needed(step) if p.name not in PLAYERS])


# ------------------------------------------------------------------------------------------------ what something is


def network(value) -> bool:
    return isinstance(value, nn.Module) and any(True for _ in value.parameters())


def only(role: str, fit: dict[str, object]) -> tuple | None:
    """The one that fits, or None. Raises Unclear for more."""
    if len(fit) > 1:
        names = list(fit)
        listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise Unclear(f"{role} could be any of {listed}. Say which: --{role.replace('_', '-')} {names[0]}")
    return next(iter(fit.items()), None)


def _none(role: str, others: list[str], seen: Found) -> str:
    does = {"G": "turns latents into samples shaped as x_real", "D": "turns x_real into one number a sample"}[role]
    unless = f" or {does}" if "x_real" in seen else ""
    if not others:
        return f"no {role} was found: there is no network that it could be"
    return f"no {role} was found: of the networks here, {', '.join(others[:8])}, none is called so{unless}"


def _plain(name: str) -> str:
    """A name as names are compared: the last part of a.b or a["b"], without case and underscores."""
    return name.rpartition(".")[2].rpartition('["')[2].rstrip('"]').lower().replace("_", "")


def _each_once(pairs) -> dict[str, object]:
    """{name: value}, each value under its first name."""
    found = {}
    for name, value in pairs:
        if not any(value is other for other in found.values()):
            found[name] = value
    return found


def _tensor(value) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.ndim > 0 and value.dtype != object


def _chance(value) -> bool:
    """Whether they are targets of real and fake, as zeros and ones in floats are, not labels of a class."""
    t = torch.as_tensor(value)
    return t.is_floating_point() and (t.ndim == 1 or t.flatten(1).shape[1] == 1)


def _series(value) -> bool:
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray | Tensor) and value.ndim == 1)
    return listed and len(value) > 1 and np.ndim(value[0]) == 0


def _batches(named: dict):
    """(name, x): tensors of two rows or more; of a pair as a loader gives it, the first."""
    for name, value in named.items():
        first = isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Tensor)
        name, value = (f"{name}[0]", value[0]) if first else (name, value)
        if _tensor(value) and value.ndim > 1 and len(value) > 1:
            yield name, value


def _drawn(loader: DataLoader) -> tuple[Tensor | None, Tensor | None]:
    """(x, labels or None), some hundred rows, from a loader that gives tensors, or tensors with labels."""
    xs, ys, rows = [], [], 0
    for batch in loader:
        x, *rest = batch if isinstance(batch, list | tuple) else (batch,)
        if not isinstance(x, Tensor):
            return None, None
        xs.append(x)
        ys += [t for t in rest[:1] if isinstance(t, Tensor)]
        rows += len(x)
        if rows >= N:
            break
    return (torch.cat(xs), torch.cat(ys) if len(ys) == len(xs) else None) if xs else (None, None)


def _alike(a, b) -> bool:
    """Whether two batches may be of one set of data: as to shape and range."""
    a, b = (torch.as_tensor(t).float() for t in (a, b))
    if a.shape[1:] != b.shape[1:]:
        return False
    spread = float(a.max() - a.min()) + 1e-12
    return max(abs(float(a.min() - b.min())), abs(float(a.max() - b.max()))) < 0.25 * spread


@torch.no_grad()
def _output(module: nn.Module, x) -> Tensor | None:
    """What a copy of a network gives for a few rows; None where it refuses them."""
    try:
        twin = (copies(module) or module).eval()
        p = next(module.parameters())
        return logits(twin(torch.as_tensor(x)[:4].detach().to(p.device, p.dtype)))
    except Exception:  # somebody's network: whatever it raises
        return None


def _accepts(D: nn.Module, x) -> bool:
    if takes_labels(D):  # it wants more than x: not tried here
        return True
    return any(_output(D, t) is not None for t in (torch.as_tensor(x), torch.as_tensor(x).flatten(1)))


def _judges(module: nn.Module, x) -> bool:
    """Whether it gives one number a sample of x_real."""
    rows = None if x is None else torch.as_tensor(x)[:4]
    outputs = [] if rows is None else [_output(module, t) for t in (rows, rows.flatten(1))]
    return any(d is not None and d.numel() == len(rows) for d in outputs)


def _makes(module: nn.Module, x) -> bool:
    """Whether it makes samples as large as those of x_real out of latents as long as its first layer is wide."""
    size = _first_size(module)
    if x is None or not size:
        return False
    made = [_output(module, torch.zeros(4, size, *rest)) for rest in ((), (1, 1))]
    return any(m is not None and m[0].numel() == torch.as_tensor(x)[0].numel() for m in made)


def _first_size(module: nn.Module) -> int:
    """How many numbers the first layer takes; 0 where it is of no kind that tells."""
    first = next((m for m in module.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)), None)
    return getattr(first, "in_features", None) or getattr(first, "in_channels", None) or 0

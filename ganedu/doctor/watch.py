"""What a training step does, watched on copies: who learns from what, and with which sign. The doctor's instruments.

`watch` runs somebody's step and writes down each call of G and D, each gradient that reaches D's output, and what each
optimiser moves. Which rows are fakes is not guessed: the step runs again with G's output bent a little, and the rows
of D's input that change are fakes.
"""

import contextlib
import copy
import inspect
import random
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ..sampling import seeded

LEVEL, FAR = 0.5, 5.0  # inside every margin and between the targets, as a logit, a score or a probability; and outside
REPEATS = 2  # calls of the step in one watch: what one leaves behind is seen in the next


@dataclass(eq=False)
class Call:
    """One call of D: its input, labels, output d, and, once somebody's loss went backward, its gradient (N,)."""

    x: Tensor
    labels: Tensor | None
    d: Tensor
    penalty: bool  # the input itself wants a gradient: a penalty looks at D's slope here
    fake: Tensor | None = None  # (N,) bool
    grad: Tensor | None = None  # times N: the slope of one sample's loss
    player: str = ""  # whose loss it was


@dataclass(eq=False)
class Round:
    """What `REPEATS` calls of a step did."""

    calls: list[Call] = field(default_factory=list)
    z: list[list[Tensor]] = field(default_factory=lambda: [[] for _ in range(REPEATS)])
    made: list[Tensor] = field(default_factory=list)
    evaluating: set[str] = field(default_factory=set)  # players that were called in eval mode
    moved: dict[str, float] = field(default_factory=lambda: {"G": 0.0, "D": 0.0})  # over all calls
    by_other: dict[str, float] = field(default_factory=lambda: {"G": 0.0, "D": 0.0})  # by the other's loss
    asked: bool = False  # whether D's output was in G's gradient
    taught: bool = False  # whether G's loss moved anything
    wasted: int = 0  # times that D's loss gave G a gradient
    leftover: set[str] = field(default_factory=set)  # players whose gradient held an older one
    norms: dict[str, float] = field(default_factory=dict)  # of each player's gradient, the last seen

    def rows(self, player: str, fake: bool) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """(x, labels, d, slopes) of real or fake rows that reached D in `player`'s loss; empty ones for none."""
        found = [(c, c.fake == fake) for c in self.calls if c.player == player and c.fake is not None]
        found = [(c, m) for c, m in found if m.any()]
        if not found:
            return torch.empty(0), None, torch.empty(0), torch.empty(0)
        x, d, g = (torch.cat([getattr(c, k)[m] for c, m in found]) for k in ("x", "d", "grad"))
        labels = None if found[0][0].labels is None else torch.cat([c.labels[m] for c, m in found])
        return x, labels, d, g


class Skip(Exception):
    """A check cannot look: the text says what is missing."""


@contextlib.contextmanager
def undisturbed(seed: int):
    """Chance from `seed` and gradients inside; what somebody's code switches for the whole process is as before again.

    That is: random numbers of torch, NumPy and Python, whether gradients are computed, and the default dtype.
    """
    with seeded(seed), torch.enable_grad(), contextlib.ExitStack() as afterwards:
        afterwards.callback(torch.set_default_dtype, torch.get_default_dtype())
        afterwards.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        afterwards.callback(random.setstate, random.getstate())
        yield


def call_step(step, batch: tuple, players: dict):
    """step(*batch, **players), or step(*batch) of a function that holds its own players; of copies of the batch."""
    batch = tuple(t.clone() for t in batch)  # it may work in place
    return step(*batch, **players) if takes_players(step, players) else step(*batch)


def takes_players(step, players: dict) -> bool:
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind is p.VAR_KEYWORD or p.name in players for p in parameters)


@contextlib.contextmanager
def stand_ins(step, players: dict):
    """Players to experiment on: copies that share weights as the originals do; originals where the step holds them.

    Those are put back afterwards: weights, statistics, gradients, modes, requires_grad and the optimisers' state, and
    a weight or statistic that the step replaced by another one.
    """
    if takes_players(step, players):
        twin = copy.deepcopy(players)
        for module in (m for m in twin.values() if isinstance(m, nn.Module)):
            module.zero_grad(set_to_none=True)
        yield twin
        return
    modules = [m for m in players.values() if isinstance(m, nn.Module)]
    optimisers = {}  # found as they step

    def note(optimiser, *_):
        optimisers.setdefault(id(optimiser), (optimiser, copy.deepcopy(optimiser.state_dict())))

    hook = register_optimizer_step_pre_hook(note)
    held = [(own, k, t, t.detach().clone()) for m in modules for s in m.modules() for own in (s._parameters, s._buffers)
            for k, t in own.items() if t is not None]  # fmt: skip
    grads = [(p, p.grad, None if p.grad is None else p.grad.clone(), p.requires_grad)
             for m in modules for p in m.parameters()]  # fmt: skip
    modes = [(s, s.training) for m in modules for s in m.modules()]
    for p, *_ in grads:
        p.grad = None
    try:
        yield players
    finally:
        hook.remove()
        with torch.no_grad():
            for own, k, t, value in held:
                own[k] = t
                t.copy_(value)
            for p, grad, value, wanted in grads:
                p.grad = grad if grad is None else grad.copy_(value)
                p.requires_grad_(wanted)
        for submodule, mode in modes:
            submodule.training = mode
        for optimiser, state in optimisers.values():
            optimiser.load_state_dict(state)


def watch(step, players: dict, batch: tuple, *, seed: int = 0) -> tuple[Round, Round, Round]:
    """(what the step does, the same with D's logits shrunk to about `LEVEL`, and to `FAR` on real, -`FAR` on fakes).

    The second shows signs where no loss is flat, the third which losses are straight lines.

    Raises what the step raises; nothing that was given is changed.
    """
    plain, bent = (_once(step, players, batch, seed, bend=bend) for bend in (False, True))
    for a, b in zip(plain.calls, bent.calls, strict=False):
        if a.x.shape == b.x.shape and not a.penalty:
            a.fake = (a.x != b.x).reshape(len(a.x), -1).any(1)
    fakes = [c.fake for c in plain.calls]
    levels = [[None if f is None else f * (low - high) + high for f in fakes]
              for high, low in ((LEVEL, LEVEL), (FAR, -FAR))]  # fmt: skip
    flat, far = (_once(step, players, batch, seed, levels=ls) for ls in levels)
    for r in (flat, far):
        for c, fake in zip(r.calls, fakes, strict=False):
            c.fake = fake if fake is not None and len(fake) == len(c.x) else None
    return plain, flat, far


def _once(step, players: dict, batch: tuple, seed: int, *, bend: bool = False, levels=()) -> Round:
    with stand_ins(step, players) as twin, undisturbed(seed):
        return Watcher(twin, seed, bend, levels).watch(step, batch)


class Watcher:
    """Hooks on two players and on every optimiser that steps; what they see is written into `round`.

    Gradients come before it is known whose loss they belong to: they are kept until the next optimiser's step, which
    tells. `bend` changes G's output a little, `levels` moves D's logits: a tensor (N,) or None for each call of D.
    """

    def __init__(self, players: dict, seed: int, bend: bool, levels):
        self.players, self.bend, self.levels = players, bend, levels
        self.weights = {name: list(players[name].parameters()) for name in ("G", "D")}
        self.dust = torch.Generator().manual_seed(seed)  # its own: the step draws the same numbers as without it
        self.round, self.repeat = Round(), 0
        self.incoming: dict[str, Tensor] = {}  # the last gradient of each player's first weight, before it is added
        self.stale: set[str] = set()  # players whose weights held an older gradient when theirs came
        self._begin_turn()

    def watch(self, step, batch: tuple) -> Round:
        start = self._copy_weights()
        with contextlib.ExitStack() as hooks:
            for hook in self._hooks():
                hooks.callback(hook.remove)
            for self.repeat in range(REPEATS):
                call_step(step, batch, self.players)
        self.round.moved = self._changes_since(start)
        return self.round

    def _hooks(self):
        yield self.players["G"].register_forward_hook(self._saw_G)
        yield self.players["D"].register_forward_hook(self._saw_D)
        for name, weights in self.weights.items():
            for p in [p for p in weights if p.requires_grad][:1]:
                yield p.register_hook(partial(self._gradient_comes, name))
                yield p.register_post_accumulate_grad_hook(partial(self._gradient_added, name))
        yield register_optimizer_step_pre_hook(self._before_optimiser)
        yield register_optimizer_step_post_hook(self._after_optimiser)

    def _begin_turn(self) -> None:
        """Nothing has come since the last optimiser's step."""
        self.pending: list[Call] = []  # calls of D that got a gradient
        self.reached: set[str] = set()  # players whose weights got one
        self.before: dict[str, list[Tensor]] | None = None  # all weights, as the optimiser finds them

    # what the players are given, and give

    def _saw_G(self, module, inputs, output):
        z, made = _first(inputs, "G"), logits(output)
        self.round.z[self.repeat].append(z.detach().clone())
        if not module.training:
            self.round.evaluating.add("G")
        if self.bend:
            dust = torch.rand(made.shape, generator=self.dust, dtype=torch.float32) + 0.5
            made = made + (0.05 * dust).to(made)
        self.round.made.append(made.detach().clone())  # the step may work in place
        return made if torch.is_tensor(output) else (made, *output[1:])

    def _saw_D(self, module, inputs, output):
        x, d = _first(inputs, "D"), self._at_level(logits(output))
        labels = inputs[1].detach().clone() if len(inputs) > 1 and torch.is_tensor(inputs[1]) else None
        call = Call(x.detach().clone(), labels, d.detach().clone(), x.is_leaf and x.requires_grad)
        if not module.training:
            self.round.evaluating.add("D")
        self.round.calls.append(call)
        if d.requires_grad and not call.penalty:
            d.register_hook(partial(self._gradient_of_D, call))
        return d if torch.is_tensor(output) else (d, *output[1:])

    def _at_level(self, d: Tensor) -> Tensor:
        """D's logits shrunk to about the level asked for in this call."""
        i = len(self.round.calls)
        level = self.levels[i] if i < len(self.levels) else None
        if level is None or len(level) != len(d):
            return d
        return d * 1e-3 + level.view(-1, *(1,) * (d.ndim - 1)).to(d)

    # which gradients come back

    def _gradient_of_D(self, call: Call, grad: Tensor) -> None:
        grad = grad.detach().flatten(1).sum(1) if grad.ndim > 1 else grad.detach()
        call.grad = grad * len(grad) + (0 if call.grad is None else call.grad)
        self.pending.append(call)

    def _gradient_comes(self, name: str, grad: Tensor) -> None:
        self.incoming[name] = grad.detach()

    def _gradient_added(self, name: str, p: Tensor) -> None:
        if name not in self.reached:  # the first of this turn: more than what came in is an older one
            self.stale.discard(name)
            if not torch.allclose(p.grad, self.incoming[name], 0, 0, equal_nan=True):
                self.stale.add(name)
        self.reached.add(name)

    # what optimisers do with them

    def _before_optimiser(self, optimiser, *_) -> None:
        self.before = self._copy_weights()

    def _after_optimiser(self, optimiser, *_) -> None:
        owned = {id(p) for group in optimiser.param_groups for p in group["params"]}
        owners = {name for name, weights in self.weights.items() if owned & {id(p) for p in weights}}
        if not owners or self.before is None:
            return
        player = _whose(optimiser, owners, self.players, self.pending)
        for call in self.pending:
            call.player = player
        self._note_gradients(owners)
        self._note_moves(player, owners)
        self._begin_turn()

    def _note_gradients(self, owners: set[str]) -> None:
        self.round.leftover |= owners & self.stale
        for name in owners:
            norms = [p.grad.float().norm() for p in self.weights[name] if p.grad is not None]  # half ends at 65504
            if norms:
                self.round.norms[name] = float(torch.stack(norms).norm())

    def _note_moves(self, player: str, owners: set[str]) -> None:
        r, moved = self.round, self._changes_since(self.before)
        other = "D" if player == "G" else "G"
        r.by_other[other] = max(r.by_other[other], moved[other])
        if player == "G":
            r.asked |= bool(self.pending)
            r.taught |= max(moved.values()) > 0
        elif "G" in self.reached and owners == {"D"}:
            r.wasted += 1

    def _copy_weights(self) -> dict[str, list[Tensor]]:
        return {name: [p.detach().clone() for p in weights] for name, weights in self.weights.items()}

    def _changes_since(self, earlier: dict[str, list[Tensor]]) -> dict[str, float]:
        return {name: _change(earlier[name], weights) for name, weights in self.weights.items()}


def _first(inputs: tuple, name: str) -> Tensor:
    if not inputs or not torch.is_tensor(inputs[0]):
        raise TypeError(f"the doctor watches {name}(x) and {name}(x, labels) of tensors; this step calls it otherwise")
    return inputs[0]


def _change(before: list[Tensor], now: list[nn.Parameter]) -> float:
    """Largest change of a weight; infinite where one that was finite is not any more."""
    with torch.no_grad():
        moves = (torch.where(a.isfinite(), (a - b).abs(), 0) for a, b in zip(before, now, strict=True) if a.numel())
        size = max((float(move.max()) for move in moves), default=0.0)
    return size if size == size else float("inf")


def _whose(optimiser, owner: set[str], twin: dict, pending: list[Call]) -> str:
    """Whose loss an optimiser has just followed: its own player's, unless it is shared, or named for the other."""
    if twin.get("opt_G") is optimiser and twin.get("opt_D") is not optimiser:
        return "G"
    if len(owner) == 1:
        return owner.copy().pop()
    # shared: reals were in D's loss alone; of two backward passes the one with more calls of D is D's
    return "D" if len(pending) > 1 else "G"


# ------------------------------------------------------------------------------------------------ networks at rest


VIEWS = ("queeze", "View", "Reshape", "Clone", "Alias", "Select", "Slice", "Permute", "Transpose", "ToCopy", "latten")


def last_operation(output: Tensor) -> str:
    """Name of the operation that gave `output`, such as "Tanh", "Sigmoid", "LeakyRelu"; what only reshapes is passed.

    Read from autograd's graph, so functions count as well as layers; "" without a graph.
    """
    node = output.grad_fn
    while node is not None:
        name = node.name().partition("Backward")[0]
        if not name.rstrip("0123456789").endswith(VIEWS):
            return name
        node = next((n for n, _ in node.next_functions if n is not None), None)
    return ""


def logits(output) -> Tensor:
    """A network's output, or the first of several: an auxiliary classifier also names a class.

    Raises TypeError where that is no tensor.
    """
    first = output[0] if isinstance(output, tuple | list) and output else output
    if not torch.is_tensor(first):
        raise TypeError(f"a network gives a {type(first).__name__}, and the doctor reads tensors")
    return first


def as_rows(x: Tensor) -> Tensor:
    """Samples (N, ...) as rows (N, F) to measure distances between; images at 16 pixels at most."""
    small = x.ndim == 4 and x.shape[-1] > 16
    return (nn.functional.adaptive_avg_pool2d(x.float(), 16) if small else x.float()).flatten(1)


def nearest_other(x: Tensor) -> Tensor:
    """Distance of each sample of x (N, ...) to its nearest other one, (N,); `metrics.nearest` takes a second set."""
    rows = as_rows(x)
    distance = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.fill_diagonal_(float("inf")).min(1).values


def pixel_correlation(x: Tensor) -> float:
    """Correlation of horizontally neighbouring pixels of images (N, C, H, W), centred at each place of the image."""
    a, b = (t - t.mean(0) for t in (x[..., :-1].double(), x[..., 1:].double()))
    power = (a.square().mean() * b.square().mean()).sqrt()
    return float((a * b).mean() / power) if power > 0 else 0.0

"""What a training step does, watched on copies: who learns from what, and with which sign. The doctor's instruments.

`watch` runs somebody's step and writes down each call of G and D, each gradient that reaches D's output, and what each
optimiser moves. Which rows are fakes is not guessed: the step runs again with G's output bent a little, and the rows
of D's input that change are fakes; with the batch bent a little, and the others that change are real.
"""

import contextlib
import warnings
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .outputs import last_operation, logits
from .players import call_step, stand_ins, undisturbed

LEVEL, FAR = 0.5, 5.0  # inside every margin and between the targets, as a logit, a score or a probability; and outside
REACH = {"Sigmoid": (0.1, 0.9), "Softmax": (0.1, 0.9), "Hardsigmoid": (0.1, 0.9), "Tanh": (-0.9, 0.9)}  # D's ends
REPEATS, PATIENCE = 2, 10  # calls of the step in one watch: what one leaves behind is seen in the next; most of them
SLOPES = (0.5, 2.0)  # of the linear critic that penalties are shown: below and above the slope 1 that wgan_gp asks for


class Skip(Exception):
    """A check cannot look: the text says what is missing."""


@dataclass(eq=False)
class Call:
    """One call of D: its input, labels, output d, and, once somebody's loss went backward, its gradient (N,)."""

    x: Tensor
    labels: Tensor | None
    d: Tensor
    ends: str  # the last operation of the output
    fake: Tensor | None = None  # (N,) bool; rows that are neither come from elsewhere, such as a pool of old fakes
    real: Tensor | None = None
    grads: list[tuple[int, Tensor]] = field(
        default_factory=list
    )  # (which backward pass, gradient times N, whether it keeps a graph) as they come
    grad: Tensor | None = None  # times N: the slope of one sample's loss
    two: bool = False  # D gives logits of two classes, (N, 2): d and grad are of their difference
    penalty: bool = False  # a gradient was asked for that no weight learns from: a penalty looks at D's slope here,
    logged: bool = True  # or a record does, which needs no graph of it
    player: str = ""  # whose loss it was


@dataclass(eq=False)
class Round:
    """What `REPEATS` calls of a step did; `PATIENCE` calls where a player has its turn more rarely."""

    calls: list[Call] = field(default_factory=list)
    z: list[list[Tensor]] = field(default_factory=list)  # of each call of the step
    latents: dict[str, list[Tensor]] = field(default_factory=lambda: {"G": [], "D": []})  # by whose turn it was
    from_batch: bool = False  # G is given something made of the batch, such as a picture to translate
    made: list[Tensor] = field(default_factory=list)
    evaluating: set[str] = field(default_factory=set)  # players that were called in eval mode
    called: set[str] = field(default_factory=set)
    stepped: set[str] = field(default_factory=set)  # players that an optimiser holds which stepped
    moved: dict[str, float] = field(default_factory=lambda: {"G": 0.0, "D": 0.0})  # over all calls
    alone: dict[str, dict[str, str]] = field(default_factory=dict)  # parameters that nothing moves: why
    after: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # all parameters, when all calls were done
    by_other: dict[str, float] = field(default_factory=lambda: {"G": 0.0, "D": 0.0})  # by the other's loss
    asked: bool = False  # whether D's output was in G's gradient
    taught: bool = False  # whether G's loss moved anything
    wasted: int = 0  # times that D's loss gave G a gradient
    leftover: set[str] = field(default_factory=set)  # players whose gradient held an older one
    norms: dict[str, float] = field(default_factory=dict)  # of each player's gradient, the last seen
    chances: list[tuple[Tensor, Tensor]] = field(
        default_factory=list
    )  # (softmax of D's, gradient times N), (N, K) each
    wishes: dict[float, float] = field(default_factory=dict)  # {slope of a linear critic: d penalty / d slope}
    warned: list[str] = field(default_factory=list)  # what Python's warnings said

    def rows(self, player: str, fake: bool) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """(x, labels, d, slopes) of real or fake rows that reached D in `player`'s loss; empty ones for none."""
        found = [(c, c.fake if fake else c.real) for c in self.calls if c.player == player and c.grad is not None]
        found = [(c, m) for c, m in found if m is not None and m.any()]
        if not found:
            return torch.empty(0), None, torch.empty(0), torch.empty(0)
        x, d, g = (torch.cat([getattr(c, k)[m] for c, m in found]) for k in ("x", "d", "grad"))
        labels = None if found[0][0].labels is None else torch.cat([c.labels[m] for c, m in found])
        return x, labels, d, g

    def elsewhere(self, player: str) -> Tensor:
        """Slopes of the rows in `player`'s loss that are neither of the batch nor of this watch's fakes."""
        calls = [c for c in self.calls if c.player == player and c.grad is not None and not c.penalty]
        slopes = (c.grad if c.fake is None else c.grad[~(c.fake | c.real)] for c in calls)
        return torch.cat([torch.empty(0), *(g.float().cpu() for g in slopes)])

    @property
    def penalised(self) -> list[Call]:
        return [c for c in self.calls if c.penalty and c.player == "D"]


def watch(step, players: dict, batch: tuple, *, seed: int = 0) -> tuple[Round, Round | None, Round | None]:
    """(what the step does, the same with D's outputs shrunk to about `LEVEL`, and to high on real, low on fakes).

    The second shows signs where no loss is flat, the third which losses are straight lines: `FAR` and -`FAR`, or as far
    as D's last operation reaches, since a loss of chances raises beyond. Either is None where the step fails on it.

    Raises what the step raises; nothing that was given is changed.
    """
    once = partial(_once, step, players, seed=seed)
    plain, repeats = once(batch), REPEATS
    if len(plain.stepped) < 2:  # a player may have its turn in every fifth call
        plain, repeats = once(batch, repeats=PATIENCE), PATIENCE
    once = partial(once, repeats=repeats)
    bent, dyed = _unless_it_raises(once, batch, bend=True), _unless_it_raises(once, _dyed(batch, seed))
    origins = _trace(plain, bent, dyed, batch)
    if dyed is not None and plain.z[0] and dyed.z[0] and plain.z[0][0].shape == dyed.z[0][0].shape:
        plain.from_batch = not torch.equal(plain.z[0][0], dyed.z[0][0])
    two = any(c.two for c in plain.calls)
    flat, far = (_unless_it_raises(once, batch, far=far, origins=origins, two=two) for far in (False, True))
    if plain.penalised:
        shown = {slope: _unless_it_raises(once, batch, slope=slope) for slope in SLOPES}
        plain.wishes = {slope: r.wishes[slope] for slope, r in shown.items() if r}
    return plain, flat, far


def _once(step, players: dict, batch: tuple, *, seed: int, repeats: int = REPEATS, **show) -> Round:
    with stand_ins(step, players) as twin, undisturbed(seed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        seen = Watcher(twin, seed, **show).watch(step, batch, repeats)
        seen.warned = [str(w.message) for w in warned]
    return seen


def _unless_it_raises(once, *args, **show) -> Round | None:
    """A step that runs may still refuse what it never meets: then that one look is missing."""
    try:
        return once(*args, **show)
    except Exception:
        return None


def _dyed(batch: tuple, seed: int) -> tuple:
    """The batch with each value of x moved towards the mean by a twentieth or so; whole numbers by one."""
    if not batch or not torch.is_tensor(batch[0]):
        return batch
    x, *rest = batch
    if not x.is_floating_point():
        return (x if x.dtype == torch.bool else x ^ 1, *rest)
    dust = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) + 0.5
    return (x + 0.05 * dust.to(x) * (x.mean() - x + 1e-3), *rest)


def _trace(plain: Round, bent: Round | None, dyed: Round | None, batch: tuple):
    """Find which rows of D's inputs are fakes, and which real; returns origins(i, call, made) for later watches.

    Calls are compared one by one. Where a later watch is in another phase, as of a loop that trains G in every fifth
    step, or draws another batch, rows are looked up instead: among what G made, and in the batch.
    """

    def changed(call, i, other):
        if other.calls[i].x.shape != call.x.shape:
            return None
        return (call.x != other.calls[i].x).reshape(len(call.x), -1).any(1)

    def looked_up(i, call, made):
        fake, real = _among(call.x, made), _among(call.x, batch[:1])
        return (None, None) if fake is None else (fake, ~fake & real if real is not None and real.any() else ~fake)

    def compared(i, call, made):
        return (
            masks[i] if i < len(masks) and masks[i][0] is not None and len(masks[i][0]) == len(call.x) else (None, None)
        )

    in_step = all(
        r is not None and [c.player for c in r.calls] == [c.player for c in plain.calls] for r in (bent, dyed)
    )
    fakes, reals = ([changed(c, i, r) for i, c in enumerate(plain.calls)] if in_step else [] for r in (bent, dyed))
    if not in_step or all(f is None or f.all() for f in fakes):
        origins = looked_up
    else:
        pairs = [(f, r) for f, r in zip(fakes, reals, strict=True) if f is not None]
        dye_shows = any(r is not None and (r & ~f).any() for f, r in pairs)
        masks = [(None, None) if f is None else (f, ~f & r if dye_shows and r is not None else ~f)
                 for f, r in zip(fakes, reals, strict=True)]  # fmt: skip
        origins = compared
    for i, call in enumerate(plain.calls):
        call.fake, call.real = origins(i, call, plain.made)
    return origins


def _among(x: Tensor, others) -> Tensor | None:
    """Which rows of x are rows of one of `others`, (N,); None where none has their length."""
    rows = x.flatten(1)
    same = [t.flatten(1) for t in others if torch.is_tensor(t) and t.ndim > 1 and t[0].numel() == rows.shape[1]]
    if not same:
        return None
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(rows.float(), torch.cat(same).float(), compute_mode=exact).min(1).values < 1e-3


def _levels(call: Call, far: bool) -> Tensor | None:
    """Where D's outputs are moved to in this call, (N,)."""
    if call.fake is None:
        return None
    low, high = REACH.get(call.ends, (-FAR, FAR))
    if call.ends not in REACH and float(call.d.min()) >= 0 and float(call.d.max()) <= 1:  # chances, by an unknown end
        low, high = REACH["Sigmoid"] if call.ends in ("Clamp", "Minimum", "Maximum", "Exp", "Div") else (low, high)
    level = torch.full((len(call.x),), LEVEL)
    if far:
        spread = torch.linspace(0.6, 1.0, len(call.x))  # not all at one place: straight lines show
        middle = LEVEL if low >= 0 else 0.0
        level = middle + spread * (torch.where(call.real.cpu(), high, low) - middle)
    return torch.stack([-level / 2, level / 2], 1) if call.two else level


class Watcher:
    """Wraps two players and hooks on every optimiser that steps; what they see is written into `round`.

    Gradients come before it is known whose loss they belong to: they are kept until the next optimiser's step, which
    tells. `bend` changes G's output a little; `origins`, of `_trace`, has D's outputs moved, `far` or to `LEVEL`.
    `slope` shows penalties a linear critic: D's values stay, its slope in x is `slope` times a unit vector.
    """

    def __init__(self, players: dict, seed: int, bend=False, far=False, origins=None, two=False, slope=None):
        self.players, self.bend, self.far, self.origins, self.two = players, bend, far, origins, two
        self.weights = {name: dict(players[name].named_parameters()) for name in ("G", "D")}
        self.dust = torch.Generator().manual_seed(seed)  # its own: the step draws the same numbers as without it
        self.round = Round()
        self.slope = None if slope is None else torch.tensor(slope, requires_grad=True)
        self.incoming: dict[str, Tensor] = {}  # the last gradient of each player's first weight, before it is added
        self.hooked: set[int] = set()
        self.felt: set[int] = set()  # parameters that got a gradient, and those that an optimiser holds which stepped
        self.owned: set[int] = set()
        self.stale: set[str] = set()  # players whose weights held an older gradient when theirs came
        self._begin_turn()

    def watch(self, step, batch: tuple, repeats: int = REPEATS) -> Round:
        start = self._copy_weights()
        with contextlib.ExitStack() as self.undone:
            for undo in self._hooks():
                self.undone.callback(undo)
            self._hook_weights()
            for _ in range(repeats):
                self.round.z.append([])
                call_step(step, batch, self.players)
        self.round.moved = self._changes_since(start)
        self.round.after = self._copy_weights()
        self.round.alone = {name: self._alone(name, start[name]) for name in self.weights}
        if self.slope is not None:
            self.round.wishes = {self.slope.item(): 0.0 if self.slope.grad is None else float(self.slope.grad)}
        return self.round

    def _hooks(self):
        """What undoes each hook, as it is set."""
        yield _wrap(self.players["G"], partial(self._saw, "G", self._saw_G))
        yield _wrap(self.players["D"], partial(self._saw, "D", self._saw_D))
        yield register_optimizer_step_pre_hook(self._before_optimiser).remove
        yield register_optimizer_step_post_hook(self._after_optimiser).remove

    def _hook_weights(self) -> None:
        """Once on each that wants a gradient: a step may freeze a player for the other's turn."""
        for name, weights in self.weights.items():
            for p in (p for p in weights.values() if p.requires_grad and id(p) not in self.hooked):
                self.hooked.add(id(p))
                self.undone.callback(p.register_hook(partial(self._gradient_comes, name)).remove)
                added = p.register_post_accumulate_grad_hook(partial(self._gradient_added, name))
                self.undone.callback(added.remove)

    def _begin_turn(self) -> None:
        """Nothing has come since the last optimiser's step."""
        self.pending: list[Call] = []  # calls of D that got a gradient
        self.heard = False  # whether another output of D got one, such as its features
        self.drawn: list[Tensor] = []  # latents that G was given
        self.learning: set[int] = set()  # backward passes that gave a weight a gradient
        self.reached: set[str] = set()  # players whose weights got one
        self.before: dict[str, dict[str, Tensor]] | None = None  # all weights, as the optimiser finds them

    # what the players are given, and give

    def _saw(self, name: str, see, forward, inputs: tuple, named: dict):
        """One call of a player, by whatever way: D(x) or D.forward(x)."""
        self._hook_weights()
        given = [*inputs, *named.values()]
        if not given or not torch.is_tensor(given[0]):
            raise TypeError(
                f"the doctor watches {name}(x) and {name}(x, labels) of tensors; this step calls it otherwise"
            )
        self.round.called.add(name)
        if not self.players[name].training:
            self.round.evaluating.add(name)
        x = given[0].detach().clone()  # it may work in place
        output = forward(*inputs, **named)
        first = see(x, given, logits(output), output)
        return first if torch.is_tensor(output) else type(output)((first, *output[1:]))

    def _saw_G(self, z, given, made, output) -> Tensor:
        self.round.z[-1].append(z)
        self.drawn.append(z)
        if self.bend:
            dust = torch.rand(made.shape, generator=self.dust, dtype=torch.float32) + 0.5
            made = made + 0.05 * dust.to(made)
        self.round.made.append(made.detach().clone())  # the step may work in place
        return made

    def _saw_D(self, x, given, d, output) -> Tensor:
        labels = given[1].detach().clone() if len(given) > 1 and torch.is_tensor(given[1]) else None
        call = Call(x, labels, d.detach().clone(), last_operation(d))
        for o in output if isinstance(output, tuple | list) else (output,):
            if torch.is_tensor(o) and o is not d and o.requires_grad:
                o.register_hook(self._other_output_heard)
            if torch.is_tensor(o) and o.ndim == 2 and o.requires_grad and last_operation(o) == "Softmax":
                o.register_hook(partial(self._gradient_of_chances, o.detach().clone()))
        if self.origins is not None:
            call.two = self.two and d.ndim == 2 and d.shape[1] == 2
            call.fake, call.real = self.origins(len(self.round.calls), call, self.round.made)
            d = _at_level(d, _levels(call, self.far))
        call.d = d.detach().clone()
        if self.slope is not None and given[0].requires_grad:
            d = self._linear(given[0], d)
        self.round.calls.append(call)
        if d.requires_grad:
            d.register_hook(partial(self._gradient_of_D, call))
        return d

    def _linear(self, x: Tensor, d: Tensor) -> Tensor:
        """D's values with the slope a w in x, |w| = 1, summed over a sample's outputs; d loss / da is 0."""
        along = x.flatten(1).sum(1) / x[0].numel() ** 0.5 / d[0].numel()
        rise = self.slope.to(d) * (along - along.detach())
        return d.detach() + rise.view(-1, *(1,) * (d.ndim - 1))

    # which gradients come back

    def _gradient_of_D(self, call: Call, grad: Tensor) -> None:
        g = grad.detach().flatten(1) if grad.ndim > 1 else grad.detach()[:, None]
        total = g.sum(1)
        if g.shape[1] > 1 and float(total.abs().sum()) < 1e-4 * float(g.abs().sum()):  # of classes: no common push
            call.two = g.shape[1] == 2
            total = (g[:, 1] - g[:, 0]) / 2 if call.two else torch.zeros_like(total)
        call.grads.append((torch._C._current_graph_task_id(), total * len(total), torch.is_grad_enabled()))
        if not any(call is c for c in self.pending):
            self.pending.append(call)

    def _other_output_heard(self, grad: Tensor) -> None:
        self.heard = True

    def _gradient_of_chances(self, chances: Tensor, grad: Tensor) -> None:
        self.round.chances.append((chances, grad.detach() * len(grad)))

    def _gradient_comes(self, name: str, grad: Tensor) -> None:
        self.incoming[name] = grad.detach()

    def _gradient_added(self, name: str, p: Tensor) -> None:
        self.learning.add(torch._C._current_graph_task_id())
        self.felt.add(id(p))
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
        owners = {name for name, weights in self.weights.items() if owned & {id(p) for p in weights.values()}}
        if self.before is None or not (owners or "G" not in self.round.called):
            return
        self.owned |= owned
        self.round.stepped |= owners
        judged = self._settle()  # the G that is trained may be another than the one that was given
        player = _whose(optimiser, owners, self.players, judged) if owners else "G"
        for call in self.pending:
            call.player = player
        self.round.latents[player] += self.drawn
        self._note_gradients(owners)
        self._note_moves(player, owners, bool(judged) or self.heard)
        self._begin_turn()

    def _settle(self) -> list[Call]:
        """The calls of D that this turn's losses were of; what no weight learnt from was asked for by a penalty."""
        for call in self.pending:
            learnt = [g for task, g, _ in call.grads if task in self.learning]
            call.penalty = len(learnt) < len(call.grads)
            call.logged = all(not graph for task, _, graph in call.grads if task not in self.learning)
            call.grad = sum(learnt) if learnt else None
            if call.two and call.d.ndim == 2:
                call.d = call.d[:, 1] - call.d[:, 0]
        return [call for call in self.pending if call.grad is not None]

    def _note_gradients(self, owners: set[str]) -> None:
        self.round.leftover |= owners & self.stale
        for name in owners:
            weights = self.weights[name].values()
            norms = [p.grad.float().norm() for p in weights if p.grad is not None]  # half ends at 65504
            if norms:
                self.round.norms[name] = float(torch.stack(norms).norm())

    def _note_moves(self, player: str, owners: set[str], judged: bool) -> None:
        r, moved = self.round, self._changes_since(self.before)
        other = "D" if player == "G" else "G"
        r.by_other[other] = max(r.by_other[other], moved[other])
        if player == "G":
            r.asked |= judged
            r.taught |= max(moved.values()) > 0
        elif "G" in self.reached and owners == {"D"}:
            r.wasted += 1

    def _alone(self, name: str, start: dict[str, Tensor]) -> dict[str, str]:
        """Parameters that want a gradient and stayed: no loss reached them, or no optimiser that stepped holds them."""
        stayed = [k for k, p in self.weights[name].items() if p.requires_grad and torch.equal(p, start[k])]
        why = {k: "no loss reaches it" if id(self.weights[name][k]) not in self.felt else "no optimiser holds it"
               for k in stayed}  # fmt: skip
        return {k: w for k, w in why.items() if "loss" in w or id(self.weights[name][k]) not in self.owned}

    def _copy_weights(self) -> dict[str, dict[str, Tensor]]:
        return {name: {k: p.detach().clone() for k, p in weights.items()} for name, weights in self.weights.items()}

    def _changes_since(self, earlier: dict) -> dict[str, float]:
        return {name: _change(earlier[name], weights) for name, weights in self.weights.items()}


def _at_level(d: Tensor, level: Tensor | None) -> Tensor:
    """D's outputs shrunk to about the level asked for in this call."""
    if level is None or len(level) != len(d):
        return d
    small = 1e-3 / max(1.0, float(d.detach().abs().max()))
    return d * small + level.view(-1, *(level.shape[1:] or (1,) * (d.ndim - 1))).to(d)


def _wrap(module: nn.Module, see):
    """Calls of `module`, also by module.forward, go through see(forward, inputs, named); returns what undoes it."""
    forward, own = module.forward, module.__dict__.get("forward")
    object.__setattr__(module, "forward", lambda *inputs, **named: see(forward, inputs, named))

    def undo():
        del module.__dict__["forward"]
        if own is not None:
            object.__setattr__(module, "forward", own)

    return undo


def _change(before: dict[str, Tensor], now: dict[str, Tensor]) -> float:
    """Largest change of a weight; infinite where one that was finite is not any more."""
    with torch.no_grad():
        moves = (torch.where(before[k].isfinite(), (before[k] - p).abs(), 0) for k, p in now.items() if p.numel())
        size = max((float(move.max()) for move in moves), default=0.0)
    return size if size == size else float("inf")


def _whose(optimiser, owner: set[str], twin: dict, judged: list[Call]) -> str:
    """Whose loss an optimiser has just followed: its own player's, unless it is shared, or named for the other."""
    if twin.get("opt_G") is optimiser and twin.get("opt_D") is not optimiser:
        return "G"
    if len(owner) == 1:
        return owner.copy().pop()
    # shared: reals were in D's loss alone; of two backward passes the one with more calls of D is D's
    return "D" if len(judged) > 1 else "G"

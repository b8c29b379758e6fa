"""The Trainer, which runs any step; the only module that knows the engine, Hugging Face Accelerate."""

import contextlib
import copy
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoints, processes
from .inputs import whole
from .sampling import generate, refresh_batchnorm, seeded


def constant(progress: float) -> float:
    """Learning rates stay as they are."""
    return 1.0


def linear_second_half(progress: float) -> float:
    """Full learning rate for the first half of the run, then linearly down to zero; `progress` runs from 0 to 1."""
    return min(1.0, 2 * (1 - progress))


class Diverged(RuntimeError):
    """A value that a step returned is not finite."""

    in_all = True  # of several processes each raises it, of the same numbers


def connect() -> None:
    """Connect this process with those that a launcher started beside it; a Trainer does so too. Alone: nothing."""
    if processes.launched():
        _engine(None, None)


class Trainer:
    """Runs a step over and over; yields records; can stop, be saved, be killed, and go on to the same numbers.

    step       function `step(*batch, **players) -> {name: detached scalar tensor}`; settings by functools.partial
    players    dict name -> module or optimiser, handed to the step by name
    data       function n -> tensor or tuple of tensors, from torch's global random numbers: `ring(8).sample`,
               `images.sample`, `images.sample_labelled`
    batch_size what one round draws; with n_critic steps of D in it, n_critic times the batch of one step
    seed       of the trainer's own random numbers: whatever you draw between two records does not change the run
    ema        decay of the running average of the module `G`, reached in the course of the first steps as
               min(ema, (1 + t) / (10 + t)), or None
    schedule   function of progress 0..1 that multiplies every learning rate, as it stood when the Trainer was made
    precision  "no" or "bf16"; bf16 where there is CUDA by default, float32 elsewhere (bf16 convolutions on a CPU
               are slower)
    device     where the players live and batches are moved to, such as "cpu" or "cuda:1"; None: the GPU where there
               is CUDA (unless ACCELERATE_USE_CPU=1 is set), else the CPU

    In several processes (`processes`) each draws batch_size / n, with random numbers of its own by seed and rank; all
    begin with the main one's weights, average gradients before each optimiser's step, and records; clock, end, Ctrl-C
    and Diverged are common. Batch-norm statistics are not: each batch norm sees its own process's part.

    `history` holds every value of every step, as a dict of lists of floats. Raises ValueError for a precision that
    differs from an earlier Trainer's in this process, or the CPU after a GPU: Accelerate keeps one engine a process;
    for a batch that several processes cannot share equally, or one GPU for all of them; RuntimeError (torch's) for a
    device that there isn't.
    """

    def __init__(
        self,
        step: Callable[..., dict[str, Tensor]],
        players: dict[str, object],
        data: Callable[[int], Tensor | tuple[Tensor, ...]],
        *,
        batch_size: int = 64,
        seed: int = 0,
        ema: float | None = None,
        schedule: Callable[[float], float] = constant,
        precision: str | None = None,
        device: str | torch.device | None = None,
    ):
        whole("batch_size", batch_size, 1, 2**20)
        self.step_function, self.data, self.batch_size, self.schedule = step, data, batch_size, schedule
        self.accelerator = _engine(precision, device)
        self._autocast = (
            contextlib.nullcontext if self.accelerator.mixed_precision == "no" else self.accelerator.autocast
        )
        self.device = self.accelerator.device if device is None else torch.device(device)
        self._part, self._several = processes.part(batch_size), processes.count() > 1
        # Modules go through the engine. Optimisers stay bare: its wrapper only unscales float16 and counts accumulated
        # gradients, neither of which happens here, and costs a sixth of the step of a small GAN.
        self.modules = {
            # we have placed it; "evaluation": no wrapper around it, as gradients are averaged by the optimisers
            k: self.accelerator.prepare_model(v.to(self.device), device_placement=False, evaluation_mode=True)
            for k, v in players.items() if isinstance(v, nn.Module)
        }  # fmt: skip
        self.players = {**players, **self.modules}
        self.optimisers = {k: v for k, v in self.players.items() if isinstance(v, torch.optim.Optimizer)}
        self._base_lr = {k: [g["lr"] for g in o.param_groups] for k, o in self.optimisers.items()}
        processes.start_equal(self.modules)
        for optimiser in self.optimisers.values():
            processes.average_at_each_step(optimiser)
        self.ema = _average(self._generator(), ema) if ema is not None else None
        self.step, self.seconds, self.caveat = 0, 0.0, ""
        self.history: dict[str, list[float]] = {}
        self._pending: list[dict[str, Tensor]] = []  # records stay on the device until a chunk is full
        with torch.random.fork_rng():
            torch.manual_seed(processes.own_seed(seed))
            self._rng = _rng_state()

    def run(self, steps: int | None = None, seconds: float | None = None, *, every: int = 50) -> Iterator[dict]:
        """Train until `steps` or `seconds`, both counted from the run's start, whichever comes first.

        Yields a record {"step", "seconds", name: mean over the chunk, ...} every `every` steps and at the end. Only the
        time spent in training counts. Ctrl-C or a kernel's interrupt takes effect between two steps: records are kept
        and another `run` goes on. Raises Diverged, naming value and step, when a value is not finite.
        """
        if steps is None and seconds is None:
            raise ValueError("say how long: run(steps=...) or run(seconds=...).")
        whole("every", every, 1, 2**53)
        with contextlib.ExitStack() as stack:
            # of several processes none may stop between two records, while another goes on
            held = contextlib.nullcontext(stack.enter_context(_interrupt_between_steps())) if self._several else None
            while not self._done(steps, seconds):
                end, whole_chunk = self.step + every, False
                try:
                    with self._own_random_numbers(), held or _interrupt_between_steps() as interrupted:
                        start, before, stop = time.perf_counter(), self.seconds, False
                        while self.step < end and not self._done(steps, seconds) and not stop:
                            self._set_learning_rates(steps, seconds)
                            self._one_step()
                            self.seconds, stop = before + time.perf_counter() - start, bool(interrupted())
                            if self._several:
                                self.seconds, stop = processes.agree(self.seconds, stop)
                        whole_chunk = True
                finally:
                    record = self._fetch(whole_chunk)
                if stop or (interrupted() and not self._several):
                    raise KeyboardInterrupt(f"stopped after step {self.step}; run(...) again goes on from here")
                yield record

    def _one_step(self) -> None:
        batch = self.data(self._part)
        batch = batch if isinstance(batch, tuple | list) else (batch,)
        batch = tuple(b.to(self.device) for b in batch)
        with self._autocast():
            self._pending.append(self.step_function(*batch, **self.players))
        if self.ema is not None:
            self.ema.update_parameters(self.modules["G"])
        self.step += 1

    def _done(self, steps: int | None, seconds: float | None) -> bool:
        return (steps is not None and self.step >= steps) or (seconds is not None and self.seconds >= seconds)

    def _set_learning_rates(self, steps: int | None, seconds: float | None) -> None:
        progress = max(self.step / steps if steps else 0.0, self.seconds / seconds if seconds else 0.0)
        factor = self.schedule(progress)
        for name, optimiser in self.optimisers.items():
            for group, lr in zip(optimiser.param_groups, self._base_lr[name], strict=True):
                group["lr"] = lr * factor

    def _fetch(self, whole_chunk: bool) -> dict:
        """Bring the pending records over from the device in one transfer; check them; return the chunk's means.

        They are averaged over the processes, unless one has left a chunk on its own.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return {"step": self.step, "seconds": self.seconds}
        names = list(pending[0])
        rows = [torch.stack([r[k].to(self.device, torch.float32) for k in names]) for r in pending]
        values = torch.stack(rows).cpu()  # (steps, names)
        if whole_chunk:
            values = processes.mean(values)
        for name, column in zip(names, values.T.tolist(), strict=True):
            self.history.setdefault(name, []).extend(column)
        finite = values.isfinite()
        if not finite.all():
            row, col = (~finite).nonzero()[0].tolist()
            raise Diverged(
                f"{names[col]} is {values[row, col].item()} at step {self.step - len(pending) + row + 1}: training has "
                "left the finite numbers. Lower the learning rate, or add a penalty (R1) to D's loss; the last "
                "checkpoint is from before this and still good."
            )
        means = values.double().mean(0).tolist()
        return {"step": self.step, "seconds": self.seconds, **dict(zip(names, means, strict=True))}

    @contextlib.contextmanager
    def _own_random_numbers(self):
        with torch.random.fork_rng():
            _set_rng_state(self._rng)
            try:
                yield
            finally:
                self._rng = _rng_state()

    def averaged(self, batches: int = 20) -> nn.Module:
        """The generator to sample from, in eval mode: a copy of the running average, or of G itself without `ema`.

        It is on the trainer's device; `sampling.answers` asks it from anywhere.

        Averaged weights never ran with the batch-norm statistics they inherit, so those are taken anew over `batches`
        batches of 256. Source of the average: Yazici et al. 2019, section 2.
        """
        source = self._generator() if self.ema is None else self.ema.module
        G = copy.deepcopy(self.accelerator.unwrap_model(source))
        with seeded(0):
            refresh_batchnorm(G, batches)
        return G.eval().requires_grad_(False)

    def _generator(self) -> nn.Module:
        if "G" not in self.modules:
            raise ValueError(f"no player is called G, only {', '.join(self.players)}: nothing to average or draw.")
        return self.modules["G"]

    def sample(self, n: int, labels: Tensor | None = None, seed: int = 0) -> Tensor:
        """`n` samples of the averaged generator, on the CPU; the same for equal seeds, however often it is called."""
        return generate(self.averaged(), n, labels, seed)

    def save(self, folder: str | Path, settings: dict | None = None) -> None:
        """Write `folder`/checkpoint.safetensors (everything a resumed run needs) and records.json, each atomically.

        Raises OSError when it cannot be written, Diverged when a weight is not finite; what was there before stays.
        Of several processes all must call it; the main one writes, and where that fails all raise.
        """
        states = [processes.of_all(state) for state in self._rng]
        with processes.together():
            if not processes.rank():
                self._write(folder, states, settings or {})

    def _write(self, folder: str | Path, states: list[list[Tensor]], settings: dict) -> None:
        """Write the checkpoint; `states` of random numbers: of the CPU and, if used, the GPU, each by process."""
        tensors = {f"{name}.{r}" if r else name: t
                   for name, by_rank in zip(("rng", "rng_cuda"), states, strict=False)
                   for r, t in enumerate(by_rank)}  # fmt: skip
        for name, module in self._stored().items():
            tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
        groups = {}
        for name, optimiser in self.optimisers.items():
            flat, groups[name] = checkpoints.flatten_optimiser(optimiser)
            tensors |= {f"{name}.{k}": v for k, v in flat.items()}
        if lost := checkpoints.not_finite(tensors):
            raise Diverged(f"{lost} holds values that are not finite at step {self.step}, so it is not saved.")
        header = {"step": self.step, "seconds": self.seconds, "optimisers": groups, "settings": settings}
        checkpoints.write(folder, tensors, header, self.history)

    def load(self, folder: str | Path, content: tuple | None = None) -> dict:
        """Go on from `folder`, all restored; returns settings. `content`: what `checkpoints.read` has already given.

        Raises what `checkpoints.read` and `fitting` raise; the trainer is then unchanged. A checkpoint made on another
        device goes on here, with other random numbers on a GPU; one of another number of processes with others in all
        but the main one, which `caveat` then says.
        """
        tensors, header, history = content or checkpoints.read(folder)
        modules = self._stored()
        states = checkpoints.fitting(tensors, header, modules, self.optimisers, folder)
        for name, module in modules.items():  # everything fits: from here on nothing can fail half way
            module.load_state_dict({k: tensors[f"{name}.{k}"] for k in module.state_dict()})
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(states[name])
        self.step, self.seconds, self.history = header["step"], header["seconds"], history
        self._rng = self._random_numbers_of(tensors)
        return header["settings"]

    def _random_numbers_of(self, tensors: dict[str, Tensor]) -> list[Tensor]:
        """Where a checkpoint left this process's random numbers; new ones, drawn from the main one's, in a new process.

        With another number of processes all but the main one count as new: their parts of a batch are others.
        """
        before, now, r = 1 + sum(k.startswith("rng.") for k in tensors), processes.count(), processes.rank()
        own = f".{r}" if r and before == now else ""
        state = [tensors["rng" + own], *([tensors[f"rng_cuda{own}"]] if f"rng_cuda{own}" in tensors else self._rng[1:])]
        self.caveat = "" if before == now else (
            f"trained by {before} process{'es' * (before > 1)} up to step {self.step:,}, goes on with {now}: weights, "
            "optimisers and the running average are exactly those, the random numbers from here on are others."
        )  # fmt: skip
        if r and before != now:
            with torch.random.fork_rng():
                _set_rng_state(state)
                torch.manual_seed(int(torch.randint(2**63 - 1, (r,))[-1]))
                state = _rng_state()
        return state

    def _stored(self) -> dict[str, nn.Module]:
        """The modules of a checkpoint by name, bare: the players, and the running average as "ema"."""
        modules = dict(self.modules) if self.ema is None else {**self.modules, "ema": self.ema}
        return {name: self.accelerator.unwrap_model(module) for name, module in modules.items()}


def _average(G: nn.Module, decay: float) -> nn.Module:
    from torch.optim.swa_utils import AveragedModel

    if not 0 <= decay < 1:
        raise ValueError(f"ema={decay} does not fit: a decay from 0 to below 1, such as 0.99, or None.")

    @torch.no_grad()
    def move(averages: list[Tensor], weights: list[Tensor], _) -> None:
        t = int(average.n_averaged)  # on the CPU; the one handed over is on the device, which would have to wait
        now = min(decay, (1 + t) / (10 + t))  # a short run must not average over its own beginning
        torch._foreach_lerp_(averages, weights, 1 - now)

    average = AveragedModel(G, multi_avg_fn=move)
    return average


def _rng_state() -> list[Tensor]:
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else [])


def _set_rng_state(state: list[Tensor]) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(state[1])


def _engine(precision: str | None, device: str | torch.device | None):
    from accelerate import Accelerator
    from accelerate.utils import parse_flag_from_env

    # Without CUDA the CPU, on a Mac too: Accelerate would take MPS, whose random numbers we could not put back.
    cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    if device is not None:
        cpu = torch.device(device).type != "cuda"
        if not cpu and processes.launched():
            raise ValueError(f"device={str(device)!r} for all processes: leave it out, and each takes its own GPU.")
    if precision is None:
        precision = "no" if cpu else "bf16"
    if precision not in ("no", "bf16"):
        raise ValueError(f"precision={precision!r} does not fit: 'no' (float32) or 'bf16'.")
    try:
        return Accelerator(mixed_precision=precision, cpu=cpu)
    except ValueError as e:
        raise ValueError(
            f"precision={precision!r}, but an earlier Trainer in this process uses another, or another device than the "
            f"{'CPU' if cpu else 'GPU'}: Accelerate keeps one of each a process. Restart the kernel to change it."
        ) from e


@contextlib.contextmanager
def _interrupt_between_steps():
    """Hold back Ctrl-C until asked: a step cut in half would leave D a move ahead of G."""
    hits: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.signal(signal.SIGINT, lambda *_: hits.append(1))
    try:
        yield lambda: bool(hits)
    finally:
        signal.signal(signal.SIGINT, previous)

"""Checkpoints on disk: weights as safetensors, records as JSON, whole or not at all; nothing is unpickled.

A checkpoint may come from a stranger: `read` lets through what `write` could have written, and `fitting` what these
players and optimisers could have become. Everything that reads one passes through both.
"""

import contextlib
import copy
import json
import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from .inputs import whole, why_not

CHECKPOINT, RECORDS = "checkpoint.safetensors", "records.json"
LARGEST = 2**32  # bytes of either file: no model here takes a hundredth of it
NOT_NEGATIVE = ("step", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "running_var", "n_averaged")
OWN_AFFAIR = ("params", "lr", "initial_lr", "foreach", "fused", "capturable", "differentiable")  # of who goes on


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, then rename: a reader, or a crash, sees the old file or the new one, never half.

    A link in its place is replaced, not followed. Raises OSError (disk full, no permission) with the path in its text;
    the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}")  # in the same folder: renaming never copies
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as e:
        raise OSError(e.errno, f"cannot write {path}: {why_not(e)} What was there before is untouched.") from e
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)  # also after Ctrl-C; once renamed there is nothing left to remove


def write(folder: str | Path, tensors: dict[str, Tensor], header: dict, history: dict[str, list[float]]) -> None:
    """Write the two files of a checkpoint. Records first: killed in between, `read` cuts them to the step."""
    from safetensors.torch import save

    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    data = save(tensors, metadata={"ganedu": json.dumps(header)})
    write_atomic(Path(folder) / RECORDS, json.dumps(history).encode())
    write_atomic(Path(folder) / CHECKPOINT, data)


def read(folder: str | Path) -> tuple[dict[str, Tensor], dict, dict[str, list[float]]]:
    """(tensors, header, history) of the checkpoint in `folder`; the history is empty where its file is damaged.

    Raises FileNotFoundError when there is none, ValueError when it is truncated, a pickle, or not as `write` writes it:
    step and seconds are counts, optimisers {name: {"kind", "groups"}}, settings a dict, all values finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(folder) / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint in {folder}: {CHECKPOINT} is missing. Train first, with --out there.")
    try:
        data = _bytes(path)  # one version of it, whoever replaces the file meanwhile
        if data[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            raise ValueError("it is a pickle, which can run code when read; only safetensors are read here")
        tensors = load(data)
        header = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["ganedu"])
        _check_header(header)
        if lost := not_finite(tensors):
            raise ValueError(f"{lost} holds values that are not finite")
    except (SafetensorError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as e:
        raise ValueError(
            f"{path} cannot be read: it is truncated, damaged, or not written by ganedu ({e}). Restore it from a copy, "
            "or train again."
        ) from e
    return tensors, header, _history(path.parent / RECORDS, header["step"])


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.stat().st_size:,} bytes are more than the {LARGEST:,} that any model here could take")
    return path.read_bytes()


def _check_header(header: dict) -> None:
    whole("step", header["step"], 0, 2**53)
    if type(header["seconds"]) not in (int, float) or not 0 <= header["seconds"] < 1e12:
        raise ValueError(f"seconds={header['seconds']!r} is no time")
    saved = [*header["optimisers"].values()]
    dicts = [header["settings"], header["optimisers"], *saved, *(group for s in saved for group in s["groups"])]
    if not all(isinstance(d, dict) for d in dicts) or not all("kind" in s for s in saved):
        raise TypeError("settings must be a dict, optimisers a dict of {kind, groups}")


def not_finite(tensors: dict[str, Tensor]) -> str | None:
    """The name of the first tensor with a value that is NaN or infinite; None where all are finite."""
    return next((k for k, v in tensors.items() if not v.isfinite().all()), None)


def _history(path: Path, step: int) -> dict[str, list[float]]:
    """The records up to `step`. They are for the eye: without them a run goes on, and a warning says so."""
    try:
        history = json.loads(_bytes(path)) if path.is_file() else {}
        return {k: [float(value) for value in [*values][:step]] for k, values in history.items()}
    except (OSError, ValueError, AttributeError, TypeError, OverflowError, RecursionError) as e:
        warnings.warn(f"{path} is damaged ({type(e).__name__}): its records begin anew.", stacklevel=3)
        return {}


def fitting(
    tensors: dict[str, Tensor], header: dict, modules: dict[str, nn.Module],
    optimisers: dict[str, torch.optim.Optimizer], folder: str | Path,
) -> dict[str, dict]:  # fmt: skip
    """The state_dicts that `optimisers` take, of a checkpoint that is just of these modules and optimisers.

    Nothing is changed. Raises ValueError, naming the first difference: a player or optimiser that only one of them has,
    a weight of another shape or type, an optimiser's state or setting that this optimiser could not have come to, or
    random numbers that torch does not take.
    """
    states = {name: module.state_dict() for name, module in modules.items()}
    there = {k.partition(".")[0] for k in tensors} - optimisers.keys() | header["optimisers"].keys()
    here = {"rng", *optimisers, *(name for name, state in states.items() if state)}
    for name in sorted((there - {"rng_cuda"}) ^ here):
        what = "the running average, ema" if name == "ema" else name
        only = "only the checkpoint has" if name in there else "only this trainer has"
        raise ValueError(f"the checkpoint in {folder} is of another game: {only} {what}.")
    for name, state in states.items():
        _check_same(name, _under(tensors, name), state, folder)
    try:
        for key in ["rng", *(k for k in tensors if k.startswith("rng."))]:  # of each process that trained together
            torch.Generator().set_state(tensors[key])
        for t in (t for k, t in tensors.items() if k.partition(".")[0] == "rng_cuda"):
            if t.shape != (16,) or t.dtype != torch.uint8:
                raise TypeError("rng_cuda has not 16 bytes")
    except (RuntimeError, TypeError, KeyError) as e:
        raise ValueError(f"the checkpoint in {folder} is damaged: it holds no state of random numbers ({e}).") from e
    return {name: _unflattened(_under(tensors, name), name, header["optimisers"][name], optimiser, folder)
            for name, optimiser in optimisers.items()}  # fmt: skip


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}


def _check_same(name: str, given: dict[str, Tensor], wanted: dict[str, Tensor], folder: str | Path) -> None:
    for key in dict.fromkeys([*wanted, *given]):  # in the order of the layers
        a, b = (f"{tuple(t[key].shape)} {t[key].dtype}".removesuffix(" torch.float32") if key in t else "nothing"
                for t in (given, wanted))  # fmt: skip
        if a != b:
            raise ValueError(
                f"the checkpoint in {folder} is of another model: {name}.{key} is {a} there and {b} here. "
                "Give the settings it was trained with."
            )
        if key.rpartition(".")[2] in NOT_NEGATIVE and given[key].numel() and given[key].min() < 0:
            raise ValueError(f"the checkpoint in {folder} is damaged: {name}.{key} is negative, which it cannot be.")


def flatten_optimiser(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict]:
    """An optimiser's state as flat tensors "0.exp_avg", ..., and {"kind", "groups"}, the groups without parameters."""
    state = optimiser.state_dict()
    flat = {f"{i}.{k}": torch.as_tensor(v) for i, s in state["state"].items() for k, v in s.items() if v is not None}
    groups = [{k: v for k, v in g.items() if k != "params"} for g in state["param_groups"]]
    return flat, {"kind": type(optimiser).__name__, "groups": groups}


def _unflattened(flat: dict[str, Tensor], name: str, saved: dict, optimiser, folder: str | Path) -> dict:
    """The state_dict for `optimiser` that `flatten_optimiser` flattened, if it is one that it could have come to."""
    fresh, kind = optimiser.state_dict(), type(optimiser).__name__
    if saved["kind"] != kind or len(saved["groups"]) != len(fresh["param_groups"]):
        raise ValueError(
            f"the checkpoint in {folder} was trained by another optimiser: {name} is {saved['kind']} with "
            f"{len(saved['groups'])} group(s) there and {kind} with {len(fresh['param_groups'])} here."
        )
    made = _after_a_step(optimiser)
    seen = {k.partition(".")[0] for k in flat}  # parameters that have moved: all that belongs to them must be there
    _check_same(name, flat, {k: v for k, v in made.items() if k.partition(".")[0] in seen}, folder)
    parameters, state = [p for group in optimiser.param_groups for p in group["params"]], {}
    for key, value in flat.items():
        index, field = key.split(".")
        p = parameters[int(index)].detach()
        if value.shape == p.shape:  # in p's order in memory (channels last?), which a fused optimiser relies on
            value = torch.empty_like(p, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[field] = value
    for here, there in zip(fresh["param_groups"], saved["groups"], strict=True):
        for key in here.keys() & there.keys() - {*OWN_AFFAIR}:
            if there[key] != json.loads(json.dumps(here[key])):  # JSON has no tuples
                raise ValueError(
                    f"the checkpoint in {folder} was trained by another optimiser: {key} of {name} is {there[key]!r} "
                    f"there and {here[key]!r} here."
                )
    return {"state": state, "param_groups": fresh["param_groups"]}


def _after_a_step(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state that this optimiser makes, flat: of a copy that has taken a step with gradients of zero."""
    twin = copy.deepcopy(optimiser)
    for p in (p for group in twin.param_groups for p in group["params"]):
        p.requires_grad_(True).grad = torch.zeros_like(p)
    twin.step()
    return flatten_optimiser(twin)[0]

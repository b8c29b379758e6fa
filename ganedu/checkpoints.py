"""Checkpoints on disk: weights as safetensors, records as JSON, whole or not at all; nothing is unpickled."""

import contextlib
import json
import os
from pathlib import Path

import torch
from torch import Tensor

CHECKPOINT, RECORDS = "checkpoint.safetensors", "records.json"


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, then rename: a reader, or a crash, sees the old file or the new one, never half.

    Raises OSError (disk full, no permission) with the path in its text; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # in the same folder: renaming never copies
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as e:
        raise OSError(
            e.errno, f"cannot write {path}: {e.strerror}. What was there before is untouched; free some space or "
            "choose another folder."
        ) from e  # fmt: skip
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)  # also after Ctrl-C; once renamed there is nothing left to remove


def write(folder: str | Path, tensors: dict[str, Tensor], header: dict, history: dict[str, list[float]]) -> None:
    """Write the two files of a checkpoint. Records first: killed in between, `read` cuts them to the step."""
    from safetensors.torch import save

    folder = Path(folder)
    write_atomic(folder / RECORDS, json.dumps(history).encode())
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_atomic(folder / CHECKPOINT, save(tensors, metadata={"ganedu": json.dumps(header)}))


def read(folder: str | Path) -> tuple[dict[str, Tensor], dict, dict[str, list[float]]]:
    """(tensors, header, history) of the checkpoint in `folder`.

    Raises FileNotFoundError when there is none, ValueError when it is truncated, a pickle, or not ours.
    """
    from safetensors.torch import load

    with _opened(folder) as path:
        data = path.read_bytes()  # one version of it, whoever replaces the file meanwhile
        tensors = load(data)
        header = _header(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"])
    try:
        history = {k: v[: header["step"]] for k, v in json.loads((path.parent / RECORDS).read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        history = {}  # the records are for the eye; a run can go on without them
    return tensors, header, history


def read_header(folder: str | Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors on "meta", which have a shape and no values, header) of the checkpoint in `folder`; raises as `read`."""
    from safetensors import safe_open

    with _opened(folder) as path, safe_open(path, "pt") as file:
        shapes = {k: torch.empty(file.get_slice(k).get_shape(), device="meta") for k in file.keys()}  # noqa: SIM118
        return shapes, _header(file.metadata())


@contextlib.contextmanager
def _opened(folder: str | Path):
    """The path of the checkpoint in `folder`; what goes wrong with it inside is said in our words."""
    from safetensors import SafetensorError

    path = Path(folder) / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint in {folder}: {CHECKPOINT} is missing. Train first, with --out {folder}."
        )
    with open(path, "rb") as file:
        if file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            raise ValueError(f"{path} is a pickle, which can run code when read; only safetensors are read here.")
    try:
        yield path
    except (SafetensorError, KeyError, TypeError, ValueError) as e:
        raise ValueError(
            f"{path} cannot be read: it is truncated, damaged, or not written by ganedu ({e}). Restore it from a copy, "
            "or train again."
        ) from e


def _header(metadata: dict) -> dict:
    header = json.loads(metadata["ganedu"])
    for key in ("step", "seconds", "settings", "optimisers"):
        if key not in header:
            raise KeyError(key)
    return header


def check_names(names: set[str], wanted: set[str], folder: str | Path) -> None:
    """Raise ValueError unless the checkpoint is of just the players, optimisers and running average `wanted`."""
    for name in sorted(names ^ wanted):
        what = "the running average, ema" if name == "ema" else name
        only = "only the checkpoint has" if name in names else "only this trainer has"
        raise ValueError(f"the checkpoint in {folder} is of another game: {only} {what}.")


def check_fits(tensors: dict[str, Tensor], wanted: dict[str, dict[str, Tensor]], folder: str | Path) -> None:
    """Raise ValueError, naming the first difference, unless `tensors` hold just the state of the modules `wanted`."""
    for name, state in wanted.items():
        given = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        for key in dict.fromkeys([*state, *given]):  # in the order of the layers
            a = tuple(given[key].shape) if key in given else "nothing"
            b = tuple(state[key].shape) if key in state else "nothing"
            if a != b:
                raise ValueError(
                    f"the checkpoint in {folder} is of another model: {name}.{key} is {a} there and {b} here. "
                    "Give the settings it was trained with."
                )


def flatten_optimiser(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict]:
    """An optimiser's state as flat tensors "0.exp_avg", ..., and {"kind", "groups"}, the groups without parameters."""
    state = optimiser.state_dict()
    flat = {f"{i}.{k}": torch.as_tensor(v) for i, s in state["state"].items() for k, v in s.items() if v is not None}
    groups = [{k: v for k, v in g.items() if k != "params"} for g in state["param_groups"]]
    return flat, {"kind": type(optimiser).__name__, "groups": groups}


def unflatten_optimiser(tensors: dict[str, Tensor], name: str, saved: dict, optimiser, folder: str | Path) -> dict:
    """The state_dict for `optimiser` that `flatten_optimiser` flattened. Raises ValueError for another kind."""
    fresh, kind = optimiser.state_dict(), type(optimiser).__name__
    if saved["kind"] != kind or len(saved["groups"]) != len(fresh["param_groups"]):
        raise ValueError(
            f"the checkpoint in {folder} was trained by another optimiser: {name} is {saved['kind']} with "
            f"{len(saved['groups'])} group(s) there and {kind} with {len(fresh['param_groups'])} here."
        )
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict] = {}
    for key, value in tensors.items():
        if key.startswith(f"{name}."):
            _, index, field = key.split(".")
            p = parameters[int(index)].detach()
            if value.shape == p.shape:  # in p's order in memory (channels last?), which a fused optimiser relies on
                value = torch.empty_like(p, dtype=value.dtype).copy_(value)
            state.setdefault(int(index), {})[field] = value
    filled = [{**f, **g, "params": f["params"]} for f, g in zip(fresh["param_groups"], saved["groups"], strict=True)]
    for g in filled:
        g.update({k: tuple(v) for k, v in g.items() if k == "betas"})  # JSON has no tuples
    return {"state": state, "param_groups": filled}

"""What was made beforehand for a notebook, by name: its table, its tensors, its networks.

A name is that of two files in assets/lookup, NAME.json and NAME.safetensors, which precompute/NAME.ipynb writes.
Tensors are called "group/name"; a network is a group, float16 on disk, so "infogan/G/net.0.weight" is a weight of
"infogan/G".
"""

import json

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from .. import ASSETS
from ..checkpoints import write_atomic
from ..inputs import one_of

FOLDER = ASSETS / "lookup"


def table(name: str, new: dict | None = None) -> dict:
    """The table of that name; `new` where there is none yet and one is about to be made.

    Raises ValueError for an unknown name, with the nearest one, where nothing new is given.
    """
    data = _bytes(name, "json", "stored table", new)
    return new if data is None else json.loads(data)


def tensors(name: str, new: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """{"group/name": tensor} of that name, as stored, on the CPU; `new` as for `table`. Raises the same."""
    data = _bytes(name, "safetensors", "stored tensors", new)
    return new if data is None else load(data)


def network(net: nn.Module, name: str, group: str) -> nn.Module:
    """`net` with the weights of a group of the tensors of that name, as float32, in eval mode and frozen.

    Raises ValueError for an unknown name or group, with the nearest one, and for a network that they do not fit.
    """
    found = tensors(name)
    one_of(group, tuple(dict.fromkeys(key.rpartition("/")[0] for key in found)), f"network in {name}")
    # counters of batches, which only a momentum of None would read, need not be stored
    state = {k: v for k, v in net.state_dict().items() if k.endswith("num_batches_tracked")}
    state |= {key.rpartition("/")[2]: v for key, v in found.items() if key.rpartition("/")[0] == group}
    try:
        net.load_state_dict(state)
    except RuntimeError as e:
        raise ValueError(f"{group!r} of {name} does not fit. Build the network as its card says. {e}") from e
    return net.eval().requires_grad_(False)


# ------------------------------------------------------------------------------------------------------ how it is made


def half(net: nn.Module, group: str) -> dict[str, Tensor]:
    """The state of a network as it is stored, {"group/name": tensor}: numbers with a point as float16."""
    return {f"{group}/{k}": v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}


def rounded(net: nn.Module) -> nn.Module:
    """The network itself, its state rounded to float16 and back: so it is measured as it will be loaded."""
    with torch.no_grad():
        for v in net.state_dict().values():
            if v.is_floating_point():
                v.copy_(v.half())
    return net


def write(name: str, table: dict, tensors: dict[str, Tensor] | None = None) -> int:
    """Write both files of that name, each whole or not at all; returns the bytes that the tensors take on disk.

    The tensors first, so that what a table lists is there; without tensors, the table alone.
    """
    data = save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}) if tensors else b""
    if data:
        write_atomic(FOLDER / f"{name}.safetensors", data)
    write_atomic(FOLDER / f"{name}.json", (json.dumps(table, separators=(",", ":")) + "\n").encode())
    return len(data)


def _bytes(name: str, kind: str, what: str, new: dict | None) -> bytes | None:
    names = tuple(sorted(path.stem for path in FOLDER.glob(f"[0-9][0-9]_*.{kind}")))
    if name not in names and new is not None:
        return None
    one_of(name, names, what)
    return (FOLDER / f"{name}.{kind}").read_bytes()

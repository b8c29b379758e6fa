"""Small checkpoints that ship with the package: a well-trained G and D by name, each with a card that says how good.

An entry is two files in ganedu/assets/zoo: NAME.safetensors holds "G.*", the running average with batch-norm statistics
of its own, and "D.*", as training left it; weights as float16, statistics as float32. NAME.json is the card: data and
their licence, settings, the command that trains it again, steps, seconds and machine, parameters, and the quality as
precompute/make_zoo.py, which makes all of them, found it. What is heavy is imported where it is used.
"""

import hashlib
import json

from .. import ASSETS

FOLDER = ASSETS / "zoo"


def names() -> tuple[str, ...]:
    """The entries there are, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def card(name: str) -> dict:
    """What is known of an entry, as in its file. Raises ValueError for an unknown name, with the nearest one."""
    if name not in names():
        from ..inputs import one_of

        one_of(name, names(), "zoo entry")
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str):
    """(G, D) of an entry, float32 on the CPU, in eval mode and frozen; G is ready for `sampling.generate`.

    A conditional entry's card lists its classes as settings.class_names. D judges each image by the statistics that
    training left it, which mix real and fake batches; in training each batch had its own. So its logits do not depend
    on what else is in the batch, and 0 is not where it draws the line (the card's quality.called_real): read their
    order, not their sign. Raises ValueError for an unknown name, with the nearest one, and for a file that is not the
    one its card was written for.
    """
    import torch
    from safetensors.torch import load as read

    from ..models import build

    entry = card(name)
    path = FOLDER / f"{name}.safetensors"
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != entry["weights"]["sha256"]:
        what = "damaged, or of another version than its card" if data else "missing"
        raise ValueError(f"{path} is {what}: install ganedu again, or restore both files of {name!r} from a copy.")
    tensors, settings = read(data), entry["settings"]
    keys = ("image_size", "channels", "z_dim", "width")
    G, D = build(settings["model"], **{k: settings[k] for k in keys}, n_classes=len(settings["class_names"]))
    for letter, module in (("G", G), ("D", D)):
        module.load_state_dict({k[2:]: v for k, v in tensors.items() if k[0] == letter})
        module.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return G, D

"""VGG-16's convolutions, trained on ImageNet: the network whose features "perceptual loss" means in most articles.

Optional: the weights (528 MB, of which 59 MB are kept) are fetched once where a network is. Nothing else needs them.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data import fetch

FILE = "vgg16-397923af.pth"
ADDRESSES = ("https://download.pytorch.org/models/",)
SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
CHANNELS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")
LAYERS = {"relu1_2": 4, "relu2_2": 9, "relu3_3": 16, "relu4_3": 23}  # those of Johnson et al. 2016, as indices of vgg16


class ImageNetPixels(nn.Module):
    """Images (N, 1 or 3, H, W) in [-1, 1] -> (N, 3, H, W) with ImageNet's mean and standard deviation taken out.

    Raises ValueError for another number of channels, or under 16 pixels.
    """

    def __init__(self):
        super().__init__()
        for name, v in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(v).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 16:
            raise ValueError(f"VGG-16 takes images (N, 1 or 3, H, W) of 16 pixels or more, got {tuple(x.shape)}.")
        return ((x + 1) / 2 - self.mean) / self.std  # grey is repeated by broadcasting


def untrained() -> nn.Sequential:
    """The thirteen convolutions with ReLU and five poolings, behind `ImageNetPixels`: 14,714,688 parameters.

    Layer i of torchvision's `features` is called str(i) and stands at index i + 1.
    Source: Simonyan and Zisserman 2015, table 1, column D.
    """
    layers, n_in = OrderedDict(pixels=ImageNetPixels()), 3
    for c in CHANNELS:
        new = [nn.MaxPool2d(2)] if c == "pool" else [nn.Conv2d(n_in, c, 3, padding=1), nn.ReLU()]
        for layer in new:
            layers[str(len(layers) - 1)] = layer
        n_in = n_in if c == "pool" else c
    return nn.Sequential(layers)


def where() -> Path | None:
    """The file with the weights of the convolutions, or None where nobody has fetched them."""
    path = _kept()
    return path if path.is_file() else None


def vgg16() -> nn.Sequential:
    """`untrained()` with ImageNet's weights, in eval mode and without gradients of its own; fetched if need be.

    torchvision's file is verified by its hash, its convolutions are kept as safetensors, the rest is deleted.
    Raises ConnectionError without the file and without a network, ValueError for a file that is not the one meant.
    """
    from safetensors.torch import load_file

    net = untrained()
    if where() is None:
        path = fetch.retrieve("vgg16", FILE, SHA256, ADDRESSES, "The course's notebooks run without VGG-16.")
        _keep(path)
        path.unlink()
    weights = load_file(_kept())
    _check(weights, net, _kept())
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)


def _kept() -> Path:
    return fetch.cache_folder() / "vgg16" / "features.safetensors"


def _keep(path: Path) -> None:
    """Write the convolutions in torchvision's file `path` to `_kept()`; raises ValueError where they are not in it."""
    from safetensors.torch import save_file

    loaded = torch.load(path, weights_only=True, map_location="cpu")
    weights = {k.removeprefix("features."): v for k, v in loaded.items() if k.startswith("features.")}
    _check(weights, untrained(), path)
    half_written = _kept().with_suffix(".part")
    save_file({k: v.detach().contiguous() for k, v in weights.items()}, half_written)
    half_written.replace(_kept())


def _check(weights: dict[str, Tensor], net: nn.Module, path: Path) -> None:
    wanted = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    given = {k: tuple(v.shape) for k, v in weights.items()}
    if given != wanted:
        wrong = sorted(k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k))
        raise ValueError(
            f"{path} does not hold VGG-16's convolutions: {len(wrong)} tensors are missing, of another shape or too "
            f"many, such as {wrong[0]}. Delete it; it is fetched anew."
        )

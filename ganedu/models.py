"""Generators and discriminators, from two-layer MLPs to conditional DCGANs.

Every generator maps z (N, z_dim), and labels (N,) int64 where it is conditional, to samples; it keeps `z_dim`. Every
discriminator maps samples, and labels where it is conditional, to logits (N,), never to probabilities. Images are
(N, C, H, W) in [-1, 1].
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from .inputs import one_of

IMAGE_SIZES = (16, 28, 32, 64, 128)
CONDITIONS = ("concat", "embedding", "projection", "acgan")


def check_image_config(image_size: int, channels: int, width: int = 1) -> None:
    """Raise ValueError for a size, channel count or width that no model here fits."""
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size={image_size!r} does not fit: choose one of {', '.join(map(str, IMAGE_SIZES))}.")
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r} does not fit: 1 is grey, 3 is RGB.")
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"width={width!r} does not fit: give a whole number, 1 or more (8 is the default).")


def _check_condition(condition: str | None, n_classes: int) -> None:
    if condition is None and n_classes:
        raise ValueError(f"n_classes={n_classes} needs a condition: one of {', '.join(CONDITIONS)}.")
    if condition is not None:
        one_of(condition, CONDITIONS, "condition")
        if n_classes < 2:
            raise ValueError(f"condition={condition!r} needs n_classes of 2 or more, got {n_classes}.")


def check_labels(labels: Tensor | None, n_classes: int) -> None:
    """Raise ValueError unless labels are there just when the model has classes, and fit them.

    What fits is (N,) int64 from 0 to n_classes - 1, or rows (N, n_classes) that blend classes. The range is looked at
    on the CPU only: elsewhere the look would make the device wait.
    """
    if (labels is None) == (n_classes > 0):
        given = "no labels" if labels is None else "labels"
        raise ValueError(f"this model has {n_classes or 'no'} classes, but got {given}.")
    if labels is None or labels.shape[1:] == (n_classes,):
        return
    fits = (
        f"give whole numbers (N,) from 0 to {n_classes - 1}, or rows (N, {n_classes}) that blend {n_classes} classes."
    )
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(f"labels {tuple(labels.shape)} of {labels.dtype} do not fit: {fits}")
    if labels.is_cpu and len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < n_classes):
        raise ValueError(f"labels run from {int(labels.min())} to {int(labels.max())}: {fits}")


def _mlp(sizes: list[int], act: type[nn.Module], **kw) -> nn.Sequential:
    layers = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), act(**kw)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class MLPGenerator(nn.Module):
    """z (N, z_dim) -> samples (N, *shape); `depth` hidden ReLU layers of `width`.

    Points, shape (dim,), leave linearly; images, shape (C, H, W), through tanh. With z_dim = 2, width = 64, depth = 2
    and points in the plane: 4,482 parameters.
    """

    def __init__(self, z_dim: int, shape: tuple[int, ...] = (2,), width: int = 64, depth: int = 2):
        super().__init__()
        self.z_dim, self.shape = z_dim, tuple(shape)
        self.net = _mlp([z_dim] + [width] * depth + [math.prod(shape)], nn.ReLU)

    def forward(self, z: Tensor) -> Tensor:
        x = self.net(z).unflatten(-1, self.shape)
        return x.tanh() if len(self.shape) == 3 else x


class MLPDiscriminator(nn.Module):
    """Samples (N, *shape) -> logits (N,); `depth` hidden LeakyReLU(0.2) layers of `width`.

    For points in the plane with width = 64 and depth = 2: 4,417 parameters.
    """

    def __init__(self, shape: tuple[int, ...] = (2,), width: int = 64, depth: int = 2):
        super().__init__()
        self.net = _mlp([math.prod(shape)] + [width] * depth + [1], nn.LeakyReLU, negative_slope=0.2)

    def features(self, x: Tensor) -> Tensor:
        return self.net[:-1](x.flatten(1))  # (N, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.flatten(1)).squeeze(-1)


def init_dcgan(module: nn.Module) -> nn.Module:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02), biases 0. Source: Radford et al. 2016, section 4."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(m.weight, 0.0, 0.02)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.zeros_(m.bias)
    return module


def _start(image_size: int) -> tuple[int, int]:
    """(side of the smallest map, number of doublings): 28 = 7 * 2 * 2, 2^k = 4 * 2^(k - 2)."""
    return (7, 2) if image_size == 28 else (4, int(math.log2(image_size)) - 2)


class DCGenerator(nn.Module):
    """z (N, z_dim) [, labels (N,)] -> images (N, channels, image_size, image_size) in [-1, 1].

    A linear layer to the smallest map, then one transposed convolution (4x4, stride 2) a doubling, batch norm and ReLU
    between, tanh at the end. Labels enter beside z: one-hot ("concat", "projection", "acgan") or as a learnt vector of
    `z_dim` numbers that multiplies z ("embedding"; Odena et al. 2017 multiply so in their code). Rows (N, n_classes) in
    place of labels blend classes. Parameters for grey images, width 8, z_dim 64, no labels: 41,313 at 16 pixels,
    108,897 at 28, 106,977 at 32, 303,841 at 64, 959,713 at 128. Raises ValueError for labels that do not fit.

    Source: Radford et al. 2016, section 3.
    """

    def __init__(self, image_size=28, channels=1, z_dim=64, width=8, n_classes=0, condition=None):
        super().__init__()
        check_image_config(image_size, channels, width)
        _check_condition(condition, n_classes)
        self.z_dim, self.n_classes, self.condition = z_dim, n_classes, condition
        if condition == "embedding":
            self.embed = nn.Embedding(n_classes, z_dim)
        side, ups = _start(image_size)
        n_in = z_dim + (n_classes if condition and condition != "embedding" else 0)
        c = width * 2**ups  # widest at the smallest map, halved at each doubling
        layers = [nn.Linear(n_in, c * side * side, bias=False), nn.Unflatten(1, (c, side, side)), nn.BatchNorm2d(c)]
        layers += [nn.ReLU(inplace=True)]
        for i in range(ups):
            last = i == ups - 1
            n_out = channels if last else c // 2
            layers += [nn.ConvTranspose2d(c, n_out, 4, stride=2, padding=1, bias=last)]  # doubles the side
            layers += [nn.Tanh()] if last else [nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
            c = n_out
        self.net = nn.Sequential(*layers)
        init_dcgan(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        check_labels(labels, self.n_classes)
        if self.condition == "embedding":
            z = z * embed(self.embed, labels)
        elif self.condition:
            z = torch.cat([z, one_hot(labels, self.n_classes)], 1)
        return self.net(z)


def one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Labels (N,) int64 -> (N, n_classes) float; rows (N, n_classes) that already blend classes pass unchanged."""
    return nn.functional.one_hot(labels, n_classes).float() if labels.ndim == 1 else labels


def embed(table: nn.Embedding, labels: Tensor) -> Tensor:
    """The learnt vectors (N, size) of labels (N,); of rows (N, n_classes) that blend classes, the blend of theirs."""
    return table(labels) if labels.ndim == 1 else labels @ table.weight


class DCDiscriminator(nn.Module):
    """Images (N, channels, image_size, image_size) [, labels (N,)] -> logits (N,).

    One convolution (4x4, stride 2) a halving, LeakyReLU(0.2) after each, batch norm in all but the first, one linear
    output. How the label enters:

    - "concat": n_classes constant planes beside the image, one of them 1 (Mirza and Osindero 2014);
    - "embedding": one learnt plane a class beside the image;
    - "projection": d(x, y) = w . f(x) + e_y . f(x) (Miyato and Koyama 2018, eq. 3);
    - "acgan": d(x) ignores the label; a second head, `classify`, names the class (Odena et al. 2017).

    The side is halved as often as G doubles it, and once more at 28 pixels (28, 14, 7, 3), where two halvings leave D
    too weak a teacher. Parameters for grey images, width 8, no labels: 9,041 at 16 pixels, 42,001 at 28,
    42,449 at 32, 174,801 at 64, 701,649 at 128. Raises ValueError for images or labels that do not fit.
    """

    def __init__(self, image_size=28, channels=1, width=8, n_classes=0, condition=None):
        super().__init__()
        check_image_config(image_size, channels, width)
        _check_condition(condition, n_classes)
        self.n_classes, self.condition, self.image_size = n_classes, condition, image_size
        self.shape = (channels, image_size, image_size)
        halvings = _start(image_size)[1] + (image_size == 28)
        side = image_size >> halvings
        c = channels + {"concat": n_classes, "embedding": 1}.get(condition, 0)
        layers = []
        for i in range(halvings):
            n_out = width * 2 ** (i + 1)
            layers += [nn.Conv2d(c, n_out, 4, stride=2, padding=1, bias=i == 0)]  # halves the side
            layers += [nn.BatchNorm2d(n_out)] if i else []
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            c = n_out
        self.net = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(c * side * side, 1)
        init_dcgan(self)
        if condition == "embedding":
            self.plane = nn.Embedding(n_classes, image_size * image_size)
        elif condition == "projection":
            self.embed = nn.Embedding(n_classes, c * side * side)
            nn.init.normal_(self.embed.weight, 0.0, 0.02)
        elif condition == "acgan":
            self.class_head = nn.Linear(c * side * side, n_classes)

    def features(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """What the convolutions see, (N, features); labels only where they enter beside the image."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"images of shape {tuple(x.shape)} do not fit: this model takes (N, *{self.shape}).")
        if self.condition not in ("projection", "acgan"):
            check_labels(labels, self.n_classes)
        if self.condition == "concat":
            planes = one_hot(labels, self.n_classes)[:, :, None, None]
            x = torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)
        elif self.condition == "embedding":
            x = torch.cat([x, embed(self.plane, labels).view(-1, 1, *x.shape[2:])], 1)
        return self.net(x)  # (N, features)

    def forward(self, x: Tensor, labels: Tensor | None = None, classes=False) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (N,); with `classes` what `both` gives."""
        f = self.features(x, labels)
        d = self.head(f).squeeze(-1)
        if classes:
            return d, self.class_head(f)
        if self.condition != "projection":
            return d
        check_labels(labels, self.n_classes)
        return d + (embed(self.embed, labels) * f).sum(-1)

    def classify(self, x: Tensor) -> Tensor:
        """Class logits (N, n_classes) of an AC-GAN discriminator."""
        return self.class_head(self.features(x))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(logits (N,), class logits (N, n_classes)) of an AC-GAN discriminator, in one pass."""
        return self(x, classes=True)  # a call like any other, so that hooks see it


def build(kind: str, *, image_size=28, channels=1, z_dim=64, width=None, n_classes=0, condition=None):
    """(G, D) of kind "mlp", "dcgan" or "cgan" for images; what the command line and checkpoints build from."""
    one_of(kind, ("mlp", "dcgan", "cgan"), "model")
    check_image_config(image_size, channels, 1 if width is None else width)
    if kind == "mlp":
        shape = (channels, image_size, image_size)
        return MLPGenerator(z_dim, shape, width or 128), MLPDiscriminator(shape, width or 128)
    if kind == "dcgan":
        n_classes, condition = 0, None
    else:
        condition = condition or "projection"
    return (
        DCGenerator(image_size, channels, z_dim, width or 8, n_classes, condition),
        DCDiscriminator(image_size, channels, width or 8, n_classes, condition),
    )


def spectral_norm(module: nn.Module) -> nn.Module:
    """Divide every weight of `module`, in place, by its largest singular value, by torch's parametrisation.

    A kernel is taken as the matrix (out, in * height * width). Its norm is not the convolution's operator norm, so the
    network is not 1-Lipschitz by this alone. Source: Miyato et al. 2018, section 2.1.
    """
    for m in module.modules():
        if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            parametrizations.spectral_norm(m)
    return module


def n_parameters(module: nn.Module) -> int:
    """Number of trainable numbers in `module`."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)

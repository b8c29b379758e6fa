"""A small style-based generator: z is first mapped to a style w, and w then sets how loud each map of a layer speaks.

Every layer takes a w of its own, so that pictures can take coarse layers from one style and fine ones from another;
mapping, modulation and noise can each be left out. Beside it the discriminator, the penalty that is charged now and
then, and a world of shapes that two cores learn in minutes.
Source: Karras, Laine and Aila 2019 (StyleGAN); weights that are modulated, skips to RGB, a residual discriminator and
lazy regularisation: Karras, Laine, Aittala and others 2020 (StyleGAN2).
"""

import functools
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import losses
from ..data import shapes
from ..inputs import whole
from ..metrics import Classifier
from ..metrics.judges import fit
from ..pixels import as_float, check
from ..sampling import device_of, seeded

SIDES = (16, 32, 64)
WIDTHS = (96, 64, 32, 16, 16)  # of G: maps at 4, 8, 16, 32 and 64 pixels
SMALL = {"z_dim": 32, "w_dim": 32, "widths": (48, 32, 24, 16)}  # a G to train while one waits
GAIN = math.sqrt(2)  # about what LeakyReLU(0.2) takes from a signal's size


# ------------------------------------------------------------------------------------------------ an easier world


CLASSES = {"shape": ("circle", "triangle", "cross"), "colour": ("orange", "green", "pink"),
           "background": ("white", "night")}  # fmt: skip
LARGE = (0.26, 0.36)  # half the extent of a shape, as a share of the image's side
_NAMES = {"shape": shapes.SHAPES, "colour": tuple(shapes.COLOURS), "background": tuple(shapes.BACKGROUNDS)}


def draw(n: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Independent factors of n images, as `shapes.draw_factors` gives them, of an easier world: CLASSES and LARGE.

    Three shapes for six, three colours for seven, two grounds for four, and no small shapes. Raises ValueError for n
    below 0.
    """
    whole("n", n, 0, 2**31)
    factors = {}
    for name, of in CLASSES.items():
        index = torch.tensor([_NAMES[name].index(word) for word in of])
        factors[name] = index[torch.randint(len(of), (n,), generator=generator)]
    size = LARGE[0] + (LARGE[1] - LARGE[0]) * torch.rand(n, generator=generator)
    room = (0.5 - size - shapes.MARGIN)[:, None]
    return {**factors, "size": size, "place": 0.5 + room * (2 * torch.rand(n, 2, generator=generator) - 1)}


def render(factors: dict[str, Tensor], image_size: int = 32) -> Tensor:
    """Images (n, 3, S, S), float32 in [-1, 1], on the CPU: those of `shapes.render` with soft edges.

    Soft by one pass of (1, 2, 1) / 4 along each side, the border repeated. Raises what `shapes.render` raises.
    """
    x = F.pad(shapes.render(factors, image_size).float(), (1, 1, 1, 1), mode="replicate")
    x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    x = (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4
    return x / 127.5 - 1


def sample(n: int, image_size: int = 32) -> Tensor:
    """n new images of the easier world, (n, 3, S, S) in [-1, 1], by torch's global random numbers; never the same."""
    return render(draw(n), image_size)


# ------------------------------------------------------------------------------------------------ who reads the factors


def train_reader(image_size: int = 32, steps: int = 1000, batch_size: int = 64, lr: float = 2e-3, seed: int = 0):
    """A `metrics.Classifier` that names shape, colour, ground and reads size, right, down of the easier world.

    Its 11 outputs: 3 + 3 + 2 logits and 3 numbers, each -1 to 1 where it is smallest, leftmost, highest to largest,
    rightmost, lowest. It learns from new images at every step; loss: the cross-entropies plus 5 times the squared
    errors. Its `features` (N, 64) are what distances live in.
    """
    with seeded(seed):
        net = Classifier(image_size, 3, 11)

        def batch_loss() -> Tensor:
            factors = draw(batch_size)
            *named, numbers = net(render(factors, image_size)).split([*map(len, CLASSES.values()), 3], 1)
            loss = 5 * (numbers - _numbers(factors)).square().mean(0).sum()
            for (name, of), logits in zip(CLASSES.items(), named, strict=True):
                index = torch.tensor([_NAMES[name].index(word) for word in of])
                loss = loss + F.cross_entropy(logits, (factors[name][:, None] == index).long().argmax(1))
            return loss

        return fit(net, batch_loss, steps, lr)


def _numbers(factors: dict[str, Tensor]) -> Tensor:
    """Size, right, down (n, 3), each in -1 to 1; a place over the whole room that the smallest shape has."""
    size = 2 * (factors["size"] - LARGE[0]) / (LARGE[1] - LARGE[0]) - 1
    return torch.cat([size[:, None], (factors["place"] - 0.5) / _ROOM], 1)


_ROOM = 0.5 - LARGE[0] - shapes.MARGIN


@torch.no_grad()
def read(reader: nn.Module, x: Tensor, batch_size: int = 500) -> dict[str, Tensor]:
    """The factors, as `draw` gives them, that the reader sees in images x (N, 3, S, S); what can be drawn again.

    Sizes are held to LARGE and places to the room that the size leaves. Raises ValueError for other images.
    """
    check(x, ("N", 3, reader.image_size, reader.image_size), name="the reader's images", look="finite")
    device = device_of(reader, x)
    out = torch.cat([reader(as_float(part.to(device))).cpu() for part in x.split(batch_size)])
    *named, numbers = out.split([*map(len, CLASSES.values()), 3], 1)
    factors = {}
    for (name, of), logits in zip(CLASSES.items(), named, strict=True):
        factors[name] = torch.tensor([_NAMES[name].index(word) for word in of])[logits.argmax(1)]
    size = LARGE[0] + (LARGE[1] - LARGE[0]) * (numbers[:, 0].clamp(-1, 1) + 1) / 2
    room = (0.5 - size - shapes.MARGIN)[:, None]
    return {**factors, "size": size, "place": 0.5 + (_ROOM * numbers[:, 1:]).clamp(-room, room)}


# ------------------------------------------------------------------------------------------------ the generator


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, eps: float = 1e-8) -> Tensor:
    """Each sample's own convolution of x (N, I, H, W) with weight (O, I, k, k), the side kept: (N, O, H, W).

    Sample n's weights are w'_oikl = s_ni w_oikl with its style s (N, I). Demodulated, they are divided by
    sqrt(sum_ikl w'_oikl^2 + eps): where the inputs are independent with variance 1, so is each output's, whatever the
    style (but at the border, where zeros stand for pixels). One convolution does for all samples: their maps are scaled
    before it and after it, which is the same. Raises ValueError for shapes that do not fit, or an even k.
    Source: Karras et al. 2020, section 2.2.
    """
    fits = x.ndim == 4 and weight.ndim == 4 and style.shape == x.shape[:2] == (len(x), weight.shape[1])
    if not fits or weight.shape[2] % 2 == 0 or weight.shape[2] != weight.shape[3]:
        raise ValueError(
            f"x {tuple(x.shape)}, weight {tuple(weight.shape)} and style {tuple(style.shape)} do not fit: give x "
            "(N, I, H, W), weight (O, I, k, k) with an odd k, and one factor a sample and input map, style (N, I)."
        )
    x = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[2] // 2)
    return x * demodulation(weight, style, eps)[:, :, None, None] if demodulate else x


def demodulation(weight: Tensor, style: Tensor, eps: float = 1e-8) -> Tensor:
    """1 / sqrt(sum_ikl (s_ni w_oikl)^2 + eps), (N, O), for weight (O, I, k, k) and style (N, I)."""
    return (style.square() @ weight.square().sum((2, 3)).T + eps).rsqrt()


def doubled(x: Tensor) -> Tensor:
    """x (N, C, S, S) at twice the side, along straight lines between pixels: torch's bilinear `interpolate`.

    By two matrix products, which a CPU does about twice as fast.
    """
    n, c, s, _ = x.shape
    line = _line(s).to(x)
    x = (line @ x.permute(0, 2, 3, 1).reshape(n, s, s * c)).view(n * 2 * s, s, c)
    return (line @ x).view(n, 2 * s, 2 * s, c).permute(0, 3, 1, 2)


@functools.cache
def _line(s: int) -> Tensor:
    """(2 s, s): each new pixel is 3/4 of the old one that it lies in and 1/4 of that one's neighbour."""
    i = torch.arange(s)
    line = torch.zeros(2 * s, s)
    for k, beside in ((0, (i - 1).clamp(min=0)), (1, (i + 1).clamp(max=s - 1))):
        line[2 * i + k, i] += 0.75
        line[2 * i + k, beside] += 0.25
    return line


class EqualLinear(nn.Linear):
    """x (N, n_in) -> x W^T / sqrt(n_in) + b with W from N(0, 1): all weights are of one size, for one learning rate.

    Adam moves every number by about its rate, so numbers that start near 1 change by equal shares. `bias` is b's start.
    Source: Karras, Aila, Laine and Lehtinen 2018, section 4.1.
    """

    def __init__(self, n_in: int, n_out: int, bias: float = 0.0):
        super().__init__(n_in, n_out)
        nn.init.normal_(self.weight)
        nn.init.constant_(self.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.in_features**-0.5, self.bias)


class Mapping(nn.Module):
    """z (N, z_dim) -> w (N, w_dim): z at unit mean square, then `depth` layers with LeakyReLU(0.2); depth 0: no layer.

    Source: Karras et al. 2019, section 2 (there 8 layers).
    """

    def __init__(self, z_dim: int, w_dim: int, depth: int = 2):
        super().__init__()
        sizes = [z_dim] + [w_dim] * depth
        self.net = nn.ModuleList(EqualLinear(a, b) for a, b in itertools.pairwise(sizes))

    def forward(self, z: Tensor) -> Tensor:
        w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.net:
            w = F.leaky_relu(layer(w), 0.2) * GAIN
        return w


class StyledConv(nn.Module):
    """A modulated convolution, noise, bias, LeakyReLU(0.2): x (N, n_in, S, S), w (N, w_dim) -> (N, n_out, S, S).

    Without `modulate` every style is 1, and w is not looked at. With `rgb` the last layer of a skip: kernel 1, no
    demodulation, no noise, no LeakyReLU.
    """

    def __init__(self, n_in: int, n_out: int, w_dim: int, *, modulate=True, noisy=True, rgb=False):
        super().__init__()
        k = 1 if rgb else 3
        self.weight = nn.Parameter(torch.randn(n_out, n_in, k, k))  # demodulation does not mind its size
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.rgb = rgb
        self.affine = EqualLinear(w_dim, n_in, 1.0) if modulate else None
        self.strength = nn.Parameter(torch.zeros(())) if noisy and not rgb else None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        style = x.new_ones(x.shape[:2]) if self.affine is None else self.affine(w)
        bias = self.bias[:, None, None]
        if self.rgb:  # modulated_conv without demodulation; with a kernel of 1 it is a matrix product a sample
            own = style[:, None] * self.weight[:, :, 0, 0] * len(self.weight[0]) ** -0.5  # (N, 3, n_in)
            rows = x.permute(0, 2, 3, 1).flatten(1, 2) @ own.mT  # (N, S * S, 3)
            return rows.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2) + bias
        if self.strength is not None and noise is not None:
            bias = bias + self.strength * noise
        x = F.conv2d(x * style[:, :, None, None], self.weight, padding=1)
        scale = GAIN * demodulation(self.weight, style)[:, :, None, None]
        return F.leaky_relu(torch.addcmul(bias, x, scale), 0.2)  # modulated_conv, bias and gain in one pass


class StyleGenerator(nn.Module):
    """z (N, z_dim) -> images (N, 3, image_size, image_size) in [-1, 1], by way of w = mapping(z) (N, w_dim).

    Layer 0 draws the first maps, 4 x 4, from its w; then comes one styled convolution at 4 pixels and two at each
    doubled side; `layers` counts them all: 6 at 16 pixels, 8 at 32, 10 at 64. After each side a picture in RGB is added
    to the one so far, doubled; tanh at the end. `mapping`, `modulate`, `noise` leave a part out; without modulation w
    enters at layer 0 alone. 358,307 parameters at 32 pixels. Raises ValueError for a size that is none of SIDES.
    """

    def __init__(self, image_size=32, z_dim=64, w_dim=64, widths=WIDTHS, *, mapping=True, modulate=True, noise=True):
        super().__init__()
        if image_size not in SIDES:
            raise ValueError(f"image_size={image_size!r} does not fit: choose one of {', '.join(map(str, SIDES))}.")
        if not mapping and w_dim != z_dim:
            raise ValueError(f"without a mapping w is z, so w_dim={w_dim} must equal z_dim={z_dim}.")
        self.image_size, self.z_dim, self.w_dim, self.noisy = image_size, z_dim, w_dim, noise
        self.mapping = Mapping(z_dim, w_dim, 2 if mapping else 0)
        c = widths[0]
        self.start = EqualLinear(w_dim, c * 16)
        parts = {"w_dim": w_dim, "modulate": modulate, "noisy": noise}
        self.convs = nn.ModuleList([StyledConv(c, c, **parts)])
        self.rgbs = nn.ModuleList([StyledConv(c, 3, rgb=True, **parts)])
        for n in widths[1 : int(math.log2(image_size)) - 1]:
            self.convs += [StyledConv(c, n, **parts), StyledConv(n, n, **parts)]
            self.rgbs += [StyledConv(n, 3, rgb=True, **parts)]
            c = n
        self.layers = 1 + len(self.convs)

    def noise(self, n: int) -> list[Tensor]:
        """New noise from N(0, 1) for n images: for each convolution (n, 1, S, S), on G's device."""
        sides = [4 * 2 ** (i // 2) for i in range(len(self.convs))]
        return [torch.randn(n, 1, s, s, device=device_of(self)) for s in sides]

    def synthesis(self, ws: Tensor, noise: list[Tensor] | None = None) -> Tensor:
        """The images of styles ws (N, layers, w_dim), one w a layer. `noise`: as `noise(n)` gives it; None: fresh.

        Noise of one image, (1, 1, S, S), serves all. Raises ValueError for ws of another shape.
        """
        if ws.shape[1:] != (self.layers, self.w_dim):
            raise ValueError(
                f"ws {tuple(ws.shape)} do not fit: give (N, {self.layers}, {self.w_dim}), a w for each layer; of one w "
                "(N, w_dim) for all: G.broadcast(w)."
            )
        if noise is None:
            noise = self.noise(len(ws)) if self.noisy else [None] * len(self.convs)
        x = self.start(ws[:, 0]).view(len(ws), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        rgb = 0.0
        for i, conv in enumerate(self.convs):
            x = conv(x, ws[:, i + 1], noise[i])
            x = doubled(x) if i % 2 else x
            if i % 2 == 0:  # a side is done
                rgb = self.rgbs[i // 2](x, ws[:, i + 1]) + (doubled(rgb) if i else 0.0)
        return rgb.float().tanh()

    def broadcast(self, w: Tensor) -> Tensor:
        """ws (N, layers, w_dim) with the same w (N, w_dim) at every layer."""
        return w[:, None].expand(-1, self.layers, -1)

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesis(self.broadcast(self.mapping(z)))


# ------------------------------------------------------------------------------------------------ the discriminator


class ResidualHalving(nn.Module):
    """x (N, n_in, S, S) -> (N, n_out, S / 2, S / 2): two convolutions and a halving, beside a halving alone."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.a, self.b = nn.Conv2d(n_in, n_in, 3, padding=1), nn.Conv2d(n_in, n_out, 3, padding=1)
        self.skip = nn.Conv2d(n_in, n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.b(F.avg_pool2d(F.leaky_relu(self.a(x), 0.2), 2)), 0.2)
        return (y + self.skip(F.avg_pool2d(x, 2))) / GAIN


def batch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """How much a group of images differ, (N,): the standard deviation over `group` of them, averaged over x (N, ...).

    Image n is grouped with n + N / group, n + 2 N / group and so on; all N are one group where N is no multiple.
    Source: Karras, Aila, Laine and Lehtinen 2018, section 3.
    """
    group = group if len(x) % group == 0 else len(x)
    of = x.flatten(1).unflatten(0, (group, -1))  # (group, N / group, ...)
    away = of - of.mean(0)
    return (away.square().mean(0) + 1e-8).sqrt().mean(1).repeat(group)


class StyleDiscriminator(nn.Module):
    """Images (N, 3, image_size, image_size) -> logits (N,); residual blocks down to 4 x 4, no batch norm.

    Four pixels become one with twelve channels (pixel unshuffle), then the side is halved to 4; the batch's deviation
    joins as one more map. 217,185 parameters at 32 pixels. Raises ValueError for a size that is none of SIDES.
    """

    def __init__(self, image_size=32, widths=(32, 64, 96)):
        super().__init__()
        if image_size not in SIDES:
            raise ValueError(f"image_size={image_size!r} does not fit: choose one of {', '.join(map(str, SIDES))}.")
        self.image_size = image_size
        halvings = int(math.log2(image_size)) - 3
        sizes = [widths[0]] * max(0, halvings - len(widths) + 1) + [*widths]
        sizes = sizes[: halvings + 1]
        self.first = nn.Conv2d(12, sizes[0], 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualHalving(a, b) for a, b in itertools.pairwise(sizes)))
        self.last = nn.Conv2d(sizes[-1] + 1, sizes[-1], 3, padding=1)
        self.head = nn.Linear(sizes[-1] * 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        x = self.blocks(F.leaky_relu(self.first(x), 0.2))  # (N, C, 4, 4)
        apart = batch_deviation(x)[:, None, None, None].expand(-1, 1, 4, 4)
        x = F.leaky_relu(self.last(torch.cat([x, apart], 1)), 0.2)
        return self.head(x.flatten(1)).squeeze(-1).float()


# ------------------------------------------------------------------------------------------------ the game


class Lazily(nn.Module):
    """A penalty that is charged at the first of every `every` calls, `every` times as strong, and is 0 at the others.

    Handed to `steps.train_step` as one of the players it is saved with them, its count too. With the non-saturating
    loss and R1 that is the game of StyleGAN2. Source: Karras et al. 2020, section 3.1 (lazy regularisation).
    """

    def __init__(self, penalty: Callable, every: int = 16):
        super().__init__()
        whole("every", every, 1, 2**20)
        self.penalty, self.every = penalty, every
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, D: Callable, x_real: Tensor, x_fake: Tensor) -> Tensor | float:
        due = int(self.calls) % self.every == 0
        self.calls += 1
        return self.every * self.penalty(D, x_real, x_fake) if due else 0.0


def players(G: nn.Module, D: nn.Module, *, lr_G=5e-3, lr_D=1.5e-3, gamma=0.3, every=16, mapping_rate=0.2) -> dict:
    """{"G", "D", "opt_G", "opt_D", "penalty"} for `steps.train_step`: Adam (0, 0.99), R1 of `gamma` at every `every`th.

    A mapping learns at `mapping_rate` times G's rate. Both networks move, in place, to channels last, which a CPU
    convolves faster.
    """
    for network in (G, D):
        network.to(memory_format=torch.channels_last)
    slow = [*G.mapping.parameters()] if hasattr(G, "mapping") else []
    quick = [p for p in G.parameters() if all(p is not q for q in slow)]
    groups = [{"params": quick}] + ([{"params": slow, "lr": mapping_rate * lr_G}] if slow else [])
    return {
        "G": G, "D": D, "opt_G": torch.optim.Adam(groups, lr_G, (0.0, 0.99), fused=True),
        "opt_D": torch.optim.Adam(D.parameters(), lr_D, (0.0, 0.99), fused=True),
        "penalty": Lazily(functools.partial(losses.r1, gamma=gamma), every),
    }  # fmt: skip


def warm_then_down(progress: float, warm: float = 1 / 12, down: float = 0.4) -> float:
    """A learning rate's factor: from 0 up to 1 in the first `warm` of the run, down to 0 in the last `down` of it."""
    return max(0.0, min(1.0, progress / warm + 0.005, (1 - progress) / down))

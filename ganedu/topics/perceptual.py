"""How far apart are two images? In pixels, in the maps of a network's layers, and sums of such distances with weights.

A distance takes x and y (N, C, H, W) in [-1, 1] and gives one value an image pair (N,), 0 where they are equal. All
are measured in one unit, the mean distance of two unrelated real images, so that their weights compare. Networks are
called as they are: put what is not being trained in eval mode; in train mode batch norm scales x and y each by its own
batch. Images may come from any device; maps and distances are on the network's, and differentiable.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..losses import non_saturating
from ..pixels import check
from ..sampling import device_of

Distance = Callable[[Tensor, Tensor], Tensor]
PIXELS = nn.Sequential(nn.Identity())  # the network whose map 0 is the image itself


def maps(net: nn.Sequential, x: Tensor, at: Sequence[int]) -> list[Tensor]:
    """What the layers with the indices `at` give for x, in rising order; later layers are not run.

    Raises ValueError for an index that is not there, twice, or whose output the next layer would overwrite.
    """
    layers = list(net)
    if not at or len(set(at)) < len(at) or not all(isinstance(i, int) and 0 <= i < len(layers) for i in at):
        raise ValueError(f"at={at!r} does not fit: give layers from 0 to {len(layers) - 1}, each once.")
    for i in at:
        if i + 1 < len(layers) and getattr(layers[i + 1], "inplace", False):
            raise ValueError(f"layer {i + 1} writes over what layer {i} gave: take {i + 1}, or one before {i}.")
    found, x = [], x.to(device_of(net, x))
    for i, layer in enumerate(layers[: max(at) + 1]):
        x = layer(x)
        if i in at:
            found.append(x)
    return found


@torch.no_grad()
def scales(net: nn.Sequential, x: Tensor, at: Sequence[int], batch_size: int = 500) -> list[float]:
    """For each layer the mean squared difference, a number of its map, between two images drawn from x: 2 mean var.

    x (N, C, H, W) with N of 2 or more. Raises ValueError for fewer, and for a layer that is the same for all.
    """
    _check(x, x)
    if len(x) < 2:
        raise ValueError(f"{len(x)} image tells nothing about how far images are apart: give a few hundred.")
    columns = zip(*(maps(net, c, at) for c in x.split(batch_size)), strict=True)
    found = [2 * float(torch.cat(c).flatten(1).var(0).mean()) for c in columns]
    if not all(s > 0 for s in found):
        dead = [i for i, s in zip(sorted(at), found, strict=True) if not s > 0]
        raise ValueError(f"layer {dead[0]} gives the same for all {len(x)} images: there is nothing to compare in it.")
    return found


def feature_distance(x: Tensor, y: Tensor, net: nn.Sequential, at: Sequence[int], scale=None) -> Tensor:
    """1/L sum_l mean (f_l(x) - f_l(y))^2 / s_l over the L layers `at` of `net`: (N,).

    `scale` gives the s_l, L positive numbers in squared units of the maps, as `scales` finds them: then 1 is the mean
    over unrelated real images. By default they are taken from the batch x itself, as suits a network that is being
    trained, whose maps change; no slope passes through them, nor through f(x): x is the picture aimed at. Raises
    ValueError for two shapes, values that are not finite (looked at on the CPU only), or as `maps`.
    Source: Johnson et al. 2016, eq. 2, a layer; the scales are ours.
    """
    _check(x, y)
    x, y = (t.to(device_of(net, x)) for t in (x, y))
    with torch.no_grad():
        targets = maps(net, x, at)
    if scale is None:
        if len(x) < 2:
            raise ValueError("a batch of one has no scale of its own: give `scale`, from `scales`.")
        scale = [2 * f.flatten(1).var(0).mean().clamp(min=1e-12) for f in targets]
    if len(scale) != len(targets):
        raise ValueError(f"{len(scale)} scales for {len(targets)} layers: give one a layer.")
    terms = zip(targets, maps(net, y, at), scale, strict=True)
    return sum((f - g).square().flatten(1).mean(1) / s for f, g, s in terms) / len(targets)


def distance_in(net: nn.Sequential, at: Sequence[int], x: Tensor) -> Distance:
    """`feature_distance` in layers `at` of a finished network, its scales taken once from real images x."""
    scale = scales(net, x, at)
    return lambda a, b: feature_distance(a, b, net, at, scale)


def mix(distances: dict[str, tuple[float, Distance]]) -> Distance:
    """The sum of weight times distance over {name: (weight, distance)}; what has weight 0 is not computed.

    Raises ValueError for a weight below 0 or not finite, or if all are 0.
    """
    for name, (weight, _) in distances.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"the weight of {name!r} is {weight!r}: give a number, 0 or more.")
    used = [(w, d) for w, d in distances.values() if w > 0]
    if not used:
        raise ValueError("all weights are 0, so nothing is asked for: give one distance a weight above 0.")
    return lambda x, y: sum(w * d(x, y) for w, d in used)


def _check(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ValueError(f"two batches of images (N, C, H, W) of one shape are compared: got {tuple(x.shape)} and "
                         f"{tuple(y.shape)}.")  # fmt: skip
    for images in (x, y):  # on a GPU a look would make every step wait
        check(images, kinds=("float",), look="finite" if images.is_cpu else None)


def autoencoder_step(
    x_real, *, E, G, D, opt_G, opt_D, distance, loss=non_saturating, feature_weight=0.0, gan_weight=0.0, at=(1, 4, 7)
):
    """One round of drawing images again from a finished encoder's codes: near in `distance`, in D's maps, real to D.

    D learns to tell `x_real` from G(E(x_real)). G's loss is the mean of `distance(x_real, G(E(x_real)))` (N,), plus
    feature_weight times the mean distance in the layers `at` of `D.net`, in units of the batch's own spread there, plus
    gan_weight times the adversarial loss. D stays in train mode: its batch norm takes each batch's own statistics, so
    what a whole batch shares in brightness or contrast is not seen in the layers behind it. Returns {"loss_D",
    "loss_G", "loss_x", "loss_f"}, detached, without weights.
    Source: Larsen et al. 2016, algorithm 1, with a fixed encoder; Ledig et al. 2017, eq. 3, for a fixed distance.
    """
    with torch.no_grad():
        code = E(x_real)
    x_again = G(code)
    loss_D = loss.d_loss(D(x_real), D(x_again.detach()))
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    d_real = D(x_real).detach() if loss.pairs else None
    loss_G = loss.g_loss(D(x_again), d_real)
    loss_x = distance(x_real, x_again).mean()
    loss_f = feature_distance(x_real, x_again, D.net, at).mean()
    opt_G.zero_grad()
    total = loss_x + feature_weight * loss_f + gan_weight * loss_G
    total.backward(inputs=list(G.parameters()))  # through D and the distance's network, but for G alone
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach(), "loss_x": loss_x.detach(), "loss_f": loss_f.detach()}

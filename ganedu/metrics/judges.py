"""The judge: a small classifier whose features the distances live in, and what it says of images.

Judge and images may be on any device; what the judge says is on the CPU.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..pixels import as_float, check
from ..sampling import device_of, seeded


class Classifier(nn.Module):
    """The judge: a small convolutional classifier, images -> class logits; `features` are what distances live in.

    Two 3x3 convolutions with ReLU and 2x2 max pooling, one hidden layer of 64. At 28x28x1 with 10 classes:
    105,866 parameters.
    """

    def __init__(self, image_size: int, channels: int, n_classes: int, width: int = 16, n_features: int = 64):
        super().__init__()
        side = image_size // 4
        self.image_size, self.channels = image_size, channels
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2 * width * side * side, n_features), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(n_features, n_classes)

    def features(self, x: Tensor) -> Tensor:
        return self.net(x)  # (N, n_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x))


def fit(net: nn.Module, batch_loss: Callable[[], Tensor], steps: int, lr: float) -> nn.Module:
    """`net` after `steps` steps down `batch_loss()`, in eval mode and frozen; Adam, its rate falling to zero."""
    optimiser = torch.optim.Adam(net.parameters(), lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        loss = batch_loss()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval().requires_grad_(False)


def train_judge(images, steps: int = 600, batch_size: int = 128, lr: float = 2e-3, seed: int = 0) -> nn.Module:
    """A small classifier trained on `images` (a `data.Images`, its training part), in eval mode; by `fit`.

    It lives where the images do. Its `features` (N, 64) are what distances are measured in; distances in two judges'
    features do not compare.
    """
    with seeded(seed):
        judge = Classifier(images.image_size, images.channels, images.n_classes).to(images.x.device)

        def batch_loss() -> Tensor:
            x, labels = images.sample_labelled(batch_size)
            return nn.functional.cross_entropy(judge(x), labels)

        return fit(judge, batch_loss, steps, lr)


@torch.no_grad()
def features(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The judge's features (N, F) of images x (N, C, H, H), float in [-1, 1] or uint8, in batches.

    Raises ValueError for images of another shape than the judge's, outside [-1, 1], not finite, or all of one grey.
    """
    _check_images(judge, x)
    return _in_batches(judge, judge.features, x, batch_size)


@torch.no_grad()
def _logits(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    _check_images(judge, x)
    return _in_batches(judge, judge, x, batch_size)


def _in_batches(judge: nn.Module, call, x: Tensor, batch_size: int) -> Tensor:
    device = device_of(judge, x)
    return torch.cat([call(as_float(c.to(device))).cpu() for c in x.split(batch_size)])


def predict(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The class (N,) that the judge names for each image, float in [-1, 1] or uint8; raises as `features`."""
    return _logits(judge, x, batch_size).argmax(1)


def probabilities(judge: nn.Module, x: Tensor, batch_size: int = 500) -> Tensor:
    """The judge's probability of each class (N, C), float64, for `inception_score`; raises as `features`."""
    return _logits(judge, x, batch_size).double().softmax(1)


def label_accuracy(judge: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Share of images that the judge takes for their label; 1.00 goes along with collapse inside the classes."""
    if labels.ndim != 1 or labels.shape != x.shape[:1]:
        n, k = (" x ".join(map(str, shape)) for shape in (x.shape[:1], labels.shape))
        raise ValueError(f"{n} images but {k} labels: give one label an image.")
    return float((predict(judge, x) == labels.cpu()).float().mean())


def as_torchmetrics(judge: nn.Module, output: str = "features") -> nn.Module:
    """The judge (a `Classifier`) as torchmetrics wants a feature network: images in, features or logits out.

    `FrechetInceptionDistance(feature=as_torchmetrics(judge))`, the same for `KernelInceptionDistance`, and
    `InceptionScore(feature=as_torchmetrics(judge, "logits"), splits=1)`; then update() takes uint8 images of the
    judge's own size. Raises ValueError for another output.
    """
    if output not in ("features", "logits"):
        raise ValueError(f"a judge has no output {output!r}: choose 'features' or 'logits'.")
    return _FeatureNetwork(judge, output)


class _FeatureNetwork(nn.Module):
    def __init__(self, judge: nn.Module, output: str):
        super().__init__()
        self.judge, self.call = judge, features if output == "features" else _logits
        self.num_features = judge.head.in_features if output == "features" else judge.head.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.judge, x).to(x.device)  # where torchmetrics keeps its sums


def _check_images(judge: nn.Module, x: Tensor) -> None:
    size = getattr(judge, "image_size", None)
    if size is None:
        return  # a judge of points, or somebody's own, says itself what it takes
    check(x, ("N", judge.channels, size, size), name="this judge's images")
    if x.min() == x.max():
        raise ValueError(
            f"all {len(x):,} images are constant: every pixel is {float(x.min()):.3g}. There is nothing to judge: "
            "look at them, and at what made them."
        )

"""What is read off a network's output, and off samples at rest: the last operations, neighbours, correlations."""

import torch
from torch import Tensor, nn

VIEWS = ("queeze", "View", "Reshape", "Clone", "Alias", "Select", "Slice", "Permute", "Transpose", "ToCopy", "latten")


def last_operations(output: Tensor, n: int = 1) -> list[str]:
    """Names of the last n operations that gave `output`, the last one first; what only reshapes is passed over.

    Such as "Tanh", "Sigmoid", "LeakyRelu". Read from autograd's graph, so functions count as well as layers; fewer
    where the graph ends.
    """
    node, found = output.grad_fn, []
    while node is not None and len(found) < n:
        name = node.name().partition("Backward")[0]
        if not name.rstrip("0123456789").endswith(VIEWS):
            found.append(name)
        node = next((n for n, _ in node.next_functions if n is not None), None)
    return found


def last_operation(output: Tensor) -> str:
    """Name of the operation that gave `output`; "" without a graph."""
    return next(iter(last_operations(output)), "")


def logits(output) -> Tensor:
    """A network's output, or the first of several: an auxiliary classifier also names a class.

    Raises TypeError where that is no tensor.
    """
    first = output[0] if isinstance(output, tuple | list) and output else output
    if not torch.is_tensor(first):
        raise TypeError(f"a network gives a {type(first).__name__}, and the doctor reads tensors")
    return first


def as_rows(x: Tensor) -> Tensor:
    """Samples (N, ...) as rows (N, F) to measure distances between; images at 16 pixels at most."""
    small = x.ndim == 4 and x.shape[-1] > 16
    return (nn.functional.adaptive_avg_pool2d(x.float(), 16) if small else x.float()).flatten(1)


def nearest_other(x: Tensor) -> Tensor:
    """Distance of each sample of x (N, ...) to its nearest other one, (N,); `metrics.nearest` takes a second set."""
    rows = as_rows(x)
    distance = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.fill_diagonal_(float("inf")).min(1).values


def pixel_correlation(x: Tensor) -> float:
    """Correlation of horizontally neighbouring pixels of images (N, C, H, W), centred at each place of the image."""
    a, b = (t - t.mean(0) for t in (x[..., :-1].double(), x[..., 1:].double()))
    power = (a.square().mean() * b.square().mean()).sqrt()
    return float((a * b).mean() / power) if power > 0 else 0.0

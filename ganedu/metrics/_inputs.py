"""What every measure on features asks of them, said once."""

from torch import Tensor


def check_features(a: Tensor, b: Tensor, need: int, why: str = "", names=("first", "second"), varied=(0, 1)) -> None:
    """Raises ValueError unless a and b are finite (N, F), N >= need, and those in `varied` not one row repeated."""
    shapes = [tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__ for x in (a, b)]
    if any(isinstance(s, str) or len(s) != 2 for s in shapes) or a.shape[1] != b.shape[1] or not a.shape[1]:
        raise ValueError(f"features must be (N, F) with one F: got {shapes[0]} and {shapes[1]}.")
    if min(len(a), len(b)) < need:
        reason = f" ({why})" if why else ""
        raise ValueError(f"{len(a)} and {len(b)} samples are too few here: give at least {need} on each side{reason}.")
    for name, x in zip(names, (a, b), strict=True):
        if not x.isfinite().all():
            raise ValueError(f"the {name} features hold NaN or infinity: look at the samples before you measure them.")
    for i in varied:
        x = (a, b)[i]
        if len(x) > 1 and bool((x == x[0]).all()):
            raise ValueError(
                f"the {names[i]} features are constant: all {len(x):,} rows are equal. Either the samples are all the "
                "same, or the judge's units are dead: look at the samples, and give at least two that differ."
            )

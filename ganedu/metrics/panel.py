"""All measures of one set of fakes at once, for a table."""

from torch import Tensor

from .distances import frechet_distance, frechet_extrapolated, inception_score, kernel_distance
from .intervals import Estimate, jackknife
from .neighbours import neighbourhoods
from .overfitting import copying, copying_u
from .two_sample import classifier_two_sample


def judge_few(real: Tensor, fake: Tensor, k: int = 5, seed: int = 0) -> dict[str, Estimate]:
    """`judge_all`'s measures that little more samples than features suffice for: distances and the four shares."""
    kernel = kernel_distance(real, fake)
    return {
        "frechet_distance": Estimate(*jackknife(frechet_distance, real, fake, seed=seed)[:3]),
        "kernel_distance": Estimate(kernel.value, *(kernel.value + z * kernel.error for z in (-1.96, 1.96))),
        **neighbourhoods(real, fake, k)._asdict(),
    }


def judge_all(
    real: Tensor,
    fake: Tensor,
    train: Tensor | None = None,
    probabilities: Tensor | None = None,
    k: int = 5,
    seed: int = 0,
) -> dict[str, Estimate]:
    """{measure: (value, low, high)} of features real (N, F), held out from training, and fake (M, F); 95 % intervals.

    With `train`, the features of the training set, also whether fakes copy it; with the fakes' class `probabilities`
    (M, C), the Inception Score. Each is explained by the function of its name. NaN ends where no interval is cheap.
    10,000 against 10,000 of 64 features: see benchmarks/metrics.py. Raises ValueError as they do.
    """
    few = judge_few(real, fake, k, seed)
    frechet, value = few["frechet_distance"], frechet_extrapolated(real, fake, seed=seed).value
    half = frechet.high - frechet.value  # the line's value spreads as the distance does, but for a tenth
    extrapolated = Estimate(value, value - half, value + half)
    found = {"frechet_distance": frechet, "frechet_extrapolated": extrapolated, **few}
    for classifier in ("logistic", "nearest"):
        test = classifier_two_sample(real, fake, classifier, seed)
        found[f"two_sample_{classifier}"] = Estimate(*test[:3])
    if train is not None:
        found["copying"] = Estimate(*copying(fake, train, real, seed)[:3])
        found["copying_u"] = Estimate(copying_u(fake, train, real).auc)
    if probabilities is not None:
        found["inception_score"] = Estimate(*jackknife(inception_score, probabilities, seed=seed)[:3])
    return found

"""All measures of one set of fakes at once, for a table."""

from torch import Tensor

from .distances import frechet_distance, frechet_extrapolated, inception_score, kernel_distance
from .intervals import Estimate, jackknife
from .neighbours import neighbourhoods
from .overfitting import copying, copying_u
from .two_sample import classifier_two_sample


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
    found = {}
    frechet = jackknife(frechet_distance, real, fake, seed=seed)
    found["frechet_distance"] = Estimate(*frechet[:3])
    value = frechet_extrapolated(real, fake, seed=seed).value
    # the line's value spreads as the distance does, but for a tenth
    found["frechet_extrapolated"] = Estimate(value, value - 1.96 * frechet.error, value + 1.96 * frechet.error)
    kernel = kernel_distance(real, fake)
    found["kernel_distance"] = Estimate(kernel.value, *(kernel.value + z * kernel.error for z in (-1.96, 1.96)))
    found |= neighbourhoods(real, fake, k)._asdict()
    for classifier in ("logistic", "nearest"):
        test = classifier_two_sample(real, fake, classifier, seed)
        found[f"two_sample_{classifier}"] = Estimate(*test[:3])
    if train is not None:
        found["copying"] = Estimate(*copying(fake, train, real, seed)[:3])
        found["copying_u"] = Estimate(copying_u(fake, train, real).auc)
    if probabilities is not None:
        found["inception_score"] = Estimate(*jackknife(inception_score, probabilities, seed=seed)[:3])
    return found

"""How good are the samples? Where the truth is known: modes and shares. Elsewhere: distances, neighbours, tests.

Every measure is a pure function of samples or features (N, F); the judge that makes features is passed in. State with
each figure how many samples, which features and which reference it stands on.
"""

from .calibration import Reliability, reliability
from .distances import (
    Extrapolated,
    KernelDistance,
    energy_distance,
    frechet_distance,
    frechet_extrapolated,
    frechet_from_moments,
    inception_score,
    kernel_distance,
)
from .fidelity import psnr, ssim
from .intervals import Estimate, Jackknife, bootstrap, jackknife, mean_interval, wilson
from .judges import Classifier, as_torchmetrics, features, label_accuracy, predict, probabilities, train_judge
from .neighbours import (
    Neighbourhoods,
    coverage,
    density,
    nearest,
    neighbourhoods,
    precision,
    recall,
    recall_per_class,
)
from .overfitting import Copying, Membership, UTest, auc, copying, copying_u, membership_advantage
from .panel import judge_all, judge_few
from .spectrum import sharpness, spectrum
from .truth import good_share, modes_covered, nearest_mode
from .two_sample import TwoSample, classifier_two_sample

"""Measures of entanglement against closed cases and scikit-learn."""

import math

import pytest
import torch
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

from ganedu.metrics import entanglement
from ganedu.metrics.entanglement import ambiguity, change, dci, mig, mutual_information


def even(n=10_000, k=3, seed=0):
    return torch.rand(n, k, generator=torch.Generator().manual_seed(seed))


def turned(x, degrees):
    """The first two columns turned about their middle."""
    a = math.radians(degrees)
    R = torch.eye(x.shape[1])
    R[:2, :2] = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    return (x - 0.5) @ R


def test_a_code_that_is_the_factors_has_gap_and_scores_of_one():
    x = torch.randint(5, (20_000, 3), generator=torch.Generator().manual_seed(0)).float()
    found = mutual_information(x, x)
    assert torch.allclose(found.entropies, torch.full((3,), math.log(5), dtype=torch.float64), atol=2e-3)
    assert (mig(found) - 1).abs().max() < 2e-3
    assert abs(dci(found.matrix).disentanglement - 1) < 0.01 and abs(dci(found.matrix).completeness - 1) < 0.01


def test_order_sign_and_scale_of_the_codes_do_not_matter():
    x = even()
    codes = torch.stack([-x[:, 2], 3 * x[:, 0] + 1, x[:, 1] ** 3], 1)
    a, b = mutual_information(x, x), mutual_information(codes, x)
    assert torch.allclose(mig(a), mig(b), atol=1e-3)
    assert torch.allclose(a.matrix[[2, 0, 1]], b.matrix, atol=1e-3)


def test_a_turn_lowers_the_scores_of_what_it_mixes_and_of_nothing_else():
    x = even()
    straight, slant = mutual_information(x, x), mutual_information(turned(x, 45), x)
    assert mig(straight).min() > 0.97
    assert mig(slant)[:2].max() < 0.1 and mig(slant)[2] > 0.97
    half = mutual_information(turned(x, 15), x)
    assert (mig(slant)[:2] < mig(half)[:2]).all() and (mig(half)[:2] < mig(straight)[:2]).all()
    assert dci(slant.matrix).disentanglement < 0.7 < 0.9 < dci(straight.matrix).disentanglement


def test_independent_codes_have_only_the_bias_that_is_stated():
    n, bins = 10_000, 20
    found = mutual_information(even(n, 4, 1), even(n, 3, 2), bins)
    bias = (bins - 1) ** 2 / (2 * n)
    assert abs(found.matrix.mean() - bias) < 0.2 * bias


def test_mutual_information_of_a_noisy_channel():
    """A bit flipped with probability 0.1: log 2 - H(0.1); beside it scikit-learn's own estimate for classes."""
    g = torch.Generator().manual_seed(0)
    bit = torch.randint(2, (50_000, 1), generator=g)
    seen = torch.where(torch.rand(50_000, 1, generator=g) < 0.1, 1 - bit, bit)
    h = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    found = mutual_information(seen.float(), bit.float()).matrix
    assert abs(found.item() - (math.log(2) - h)) < 0.01
    theirs = mutual_info_classif(seen.numpy(), bit[:, 0].numpy(), discrete_features=True)[0]
    assert abs(found.item() - theirs) < 1e-9


def test_bins_hold_equally_many():
    x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0)).exp()
    index = entanglement._binned(x[:, 0], 10)
    assert [int((index == i).sum()) for i in range(10)] == [100] * 10
    assert abs(mutual_info_score(index, index) - math.log(10)) < 1e-9


def test_the_gap_by_hand():
    found = entanglement.MutualInformation(torch.tensor([[0.5, 0.1], [0.2, 0.1], [0.4, 0.0]]), torch.tensor([1.0, 0.5]))
    assert torch.allclose(mig(found), torch.tensor([0.1, 0.0]))


def test_dci_by_hand():
    """One code speaks evenly of two factors (0), the other of one (1); weights 2/3 and 1/3."""
    scores = dci(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert abs(scores.disentanglement - 1 / 3) < 1e-12
    assert abs(scores.completeness - 1 / 3) < 1e-12  # columns: (1, 0) and (1, 1), weights 1/3 and 2/3
    wide = dci(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert abs(wide.disentanglement - 1) < 1e-12 and abs(wide.completeness) < 1e-12
    assert abs(dci(torch.ones(4, 3)).disentanglement) < 1e-12
    assert dci(torch.tensor([[0.0, 0.0], [0.0, 2.0], [1.0, 0.0]])) == pytest.approx(
        (1, 1)
    )  # a dead code weighs nothing


def test_change_is_nothing_for_the_same_and_one_for_a_fresh_draw():
    g = torch.Generator().manual_seed(0)
    a, b, fresh = (torch.cat([torch.randint(3, (20_000, 1), generator=g), torch.randn(20_000, 1, generator=g)], 1)
                   for _ in range(3))  # fmt: skip
    assert change(a, a, fresh, 1).tolist() == [0, 0]
    assert (change(a, b, fresh, 1) - 1).abs().max() < 0.03


def test_change_by_hand():
    fresh = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    before, after = torch.tensor([[0.0, 1.0], [1.0, 1.0]]), torch.tensor([[2.0, 2.0], [1.0, 1.0]])
    assert change(before, after, fresh, 1).tolist() == [0.5, 0.25]  # half change class; 0.5 on average, of 2
    assert change(before, after, fresh, 0).tolist() == [1.0, 0.25]


def test_ambiguity():
    assert ambiguity(torch.eye(4)).tolist() == [0] * 4
    assert torch.allclose(ambiguity(torch.ones(6, 6)), torch.full((6,), 5 / 6))
    assert torch.allclose(ambiguity(torch.tensor([[3.0, 1.0], [1.0, 1.0]])), torch.tensor([0.25, 0.5]))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: change(torch.zeros(3, 2), torch.zeros(3, 3), torch.zeros(3, 2), 1), "factors before and after"),
        (lambda: change(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 3), 1), "factors before and after"),
        (lambda: change(torch.zeros(3, 2), torch.zeros(3, 2), torch.randn(3, 2), 3), "named=3"),
        (lambda: change(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 2), 1), "factor 0 is the same"),
        (lambda: ambiguity(torch.ones(2, 3)), "square"),
        (lambda: ambiguity(torch.zeros(2, 2)), "must change something"),
        (lambda: ambiguity(torch.tensor([[1.0, math.nan], [1.0, 1.0]])), "finite"),
        (lambda: mutual_information(torch.rand(100, 2), torch.rand(100, 2)), "at least 200"),
        (lambda: mutual_information(torch.rand(300, 2), torch.rand(200, 2)), "at least 200"),
        (lambda: mutual_information(torch.full((300, 2), math.nan), torch.rand(300, 2)), "NaN"),
        (lambda: mig(mutual_information(torch.rand(300, 1), torch.rand(300, 2))), "two codes"),
        (lambda: mig(mutual_information(torch.rand(300, 2), torch.ones(300, 2))), "vary"),
        (lambda: dci(torch.ones(3)), "importances"),
        (lambda: dci(torch.tensor([[1.0, -1.0], [1.0, 1.0]])), "finite and 0 or more"),
        (lambda: dci(torch.zeros(2, 2)), "not all 0"),
    ],
)
def test_what_does_not_fit_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()

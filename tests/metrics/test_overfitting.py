"""Oracles: scipy's Mann-Whitney U, scikit-learn's ROC and neighbours, a test's level, copies made on purpose."""

import math

import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from ganedu import metrics
from ganedu.toys import densities


def draw(n, f, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scores(n, seed=0, shift=0.0):
    return draw(n, 1, seed)[:, 0] + shift


# ------------------------------------------------------------------------------------------------- membership


@pytest.mark.parametrize("rounded", [False, True])
def test_auc_is_scikit_learns_and_scipys(rounded):
    a, b = scores(150, 0, 0.5), scores(90, 1)
    if rounded:  # many ties
        a, b = a.round(), b.round()
    labels = torch.cat([torch.ones(150), torch.zeros(90)])
    assert metrics.auc(a, b) == pytest.approx(roc_auc_score(labels, torch.cat([a, b])), abs=1e-12)
    assert metrics.auc(a, b) == pytest.approx(mannwhitneyu(a, b).statistic / (150 * 90), abs=1e-12)
    assert metrics.auc(a, b) + metrics.auc(b, a) == pytest.approx(1)


def test_the_advantage_of_shifted_gaussians_is_the_closed_form():
    """N(d, 1) against N(0, 1): the best TPR - FPR is 2 Phi(d / 2) - 1, at threshold d / 2."""
    found = metrics.membership_advantage(scores(20_000, 0, 1.0), scores(20_000, 1))
    assert abs(found.advantage - 0.3829) < 0.02 and abs(found.threshold - 0.5) < 0.3
    assert found.low < 0.3829 < found.high and 0.01 < found.high - found.low < 0.04
    assert abs(found.auc - float(torch.special.ndtr(torch.tensor(1 / 2**0.5)))) < 0.01


def test_for_pure_chance_the_advantage_is_around_zero_and_the_best_on_the_same_scores_is_not():
    found = [metrics.membership_advantage(scores(100, 2 * i), scores(100, 2 * i + 1)) for i in range(300)]
    mean = sum(f.advantage for f in found) / 300
    held = sum(f.low <= 0 <= f.high for f in found) / 300
    assert abs(mean) < 0.02 and 0.92 < held < 0.99

    def best(a, b):
        every = torch.cat([a, b])
        return float(((a > every[:, None]).double().mean(1) - (b > every[:, None]).double().mean(1)).max())

    assert sum(best(scores(100, 2 * i), scores(100, 2 * i + 1)) for i in range(50)) / 50 > 0.08


def test_members_that_all_score_higher_are_all_told():
    found = metrics.membership_advantage(scores(100, 0, 50.0), scores(80, 1))
    assert found.advantage == found.auc == 1 and 0.8 < found.low < 1 and found.high == 1


def test_bad_scores_are_refused():
    good = scores(30)
    for bad in (good[:19], good[:, None]):
        with pytest.raises(ValueError, match=r"scores must be \(n,\), at least 20 on each side"):
            metrics.membership_advantage(good, bad)
    with pytest.raises(ValueError, match="scores hold NaN or infinity"):
        metrics.membership_advantage(good, good / 0)
    with pytest.raises(ValueError, match=r"scores must be \(n,\), at least 1"):
        metrics.auc(good, good[:0])


# ------------------------------------------------------------------------------------------------- copies


def test_the_share_nearer_to_training_samples_is_scikit_learns():
    fake, train, held_out = draw(80, 3), draw(60, 3, 1), draw(60, 3, 2)
    index = NearestNeighbors(n_neighbors=1).fit(torch.cat([train, held_out])).kneighbors(fake)[1]
    assert metrics.copying(fake, train, held_out).share == pytest.approx((index < 60).mean())


@pytest.mark.parametrize(("n_fakes", "f"), [(100, 2), (2000, 8)])
def test_where_nothing_is_copied_one_in_twenty_is_called_copied(n_fakes, f):
    """Also of 2,000 fakes on 100 real samples, where 2,000 independent witnesses would be far too many."""
    found = [
        metrics.copying(draw(n_fakes, f, 3 * i), draw(100, f, 3 * i + 1), draw(100, f, 3 * i + 2)) for i in range(150)
    ]
    p, share = torch.tensor([c.p_value for c in found]), torch.tensor([c.share for c in found])
    assert 0.01 < (p < 0.05).float().mean() < 0.1 and abs(share.mean() - 0.5) < 0.02
    assert sum(c.low <= 0.5 <= c.high for c in found) / 150 > 0.9
    if n_fakes == 2000:
        assert ((share - 0.5).abs() > 1.96 * 0.5 / math.sqrt(n_fakes)).float().mean() > 0.2


def test_copies_are_seen_by_both_tests():
    g = torch.Generator().manual_seed(0)
    moons = densities.moons()
    fresh, train, held_out = (moons.sample(500, g) for _ in range(3))
    noise = torch.randn(500, 2, generator=g)
    copied = train[torch.randint(500, (500,), generator=g)] + 0.002 * noise
    for fake, copies in ((fresh, False), (copied, True)):
        share, u = metrics.copying(fake, train, held_out), metrics.copying_u(fake, train, held_out)
        assert (share.p_value < 1e-6) == (u.p_value < 1e-6) == copies
        assert (share.low > 0.9) == (u.z < -3) == copies
    blurred = metrics.copying_u(fresh + 0.5 * noise, train, held_out)
    assert blurred.z > 3 and blurred.p_value > 0.99
    assert metrics.copying(fresh + 0.5 * noise, train, held_out).p_value > 1e-3


def test_copies_among_bad_fakes_are_seen_by_the_share_and_hidden_from_u():
    g = torch.Generator().manual_seed(0)
    fresh, train, held_out = (densities.moons().sample(500, g) for _ in range(3))
    fake = torch.cat([train[:250], fresh[:250] + 2 * torch.randn(250, 2, generator=g)])
    assert metrics.copying(fake, train, held_out).p_value < 1e-6
    assert metrics.copying_u(fake, train, held_out).z > -3


def test_a_collapsed_generator_is_one_witness():
    fake = draw(1, 3).expand(1000, 3)
    found = metrics.copying(fake, draw(100, 3, 1), draw(100, 3, 2))
    assert found.share in (0, 1) and 0.05 < found.p_value < 0.95 and found.high - found.low > 0.7


def test_what_is_in_both_sets_counts_half():
    both = draw(40, 3)
    found = metrics.copying(both, both, both.flip(0))
    assert found.share == 0.5 and found.p_value == 0.5 and found.low < 0.5 < found.high


def test_the_larger_real_set_gives_no_advantage():
    found = metrics.copying(draw(500, 3), draw(2000, 3, 1), draw(200, 3, 2))
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize("rounded", [False, True])
def test_u_is_scipys(rounded):
    fake, train, held_out = draw(120, 2) * 1.2, draw(100, 2, 1), draw(90, 2, 2)
    if rounded:  # many equal distances
        fake, train, held_out = ((2 * x).round() for x in (fake, train, held_out))
    far, reference = metrics.nearest(fake, train)[0], metrics.nearest(held_out, train)[0]
    expected = mannwhitneyu(far, reference, alternative="less", use_continuity=False, method="asymptotic")
    found = metrics.copying_u(fake, train, held_out)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.auc == pytest.approx(expected.statistic / (120 * 90))


@pytest.mark.parametrize("test", [metrics.copying, metrics.copying_u])
def test_bad_sets_are_refused(test):
    x, spoilt = draw(40, 3), draw(40, 3)
    spoilt[1, 1] = float("nan")
    for sets, message in (
        ((x, x[:19], x), "19 and 40 samples are too few here: give at least 20"),
        ((x[:0], x, x), "samples are too few here"),
        ((x, spoilt, x), "the training features hold NaN or infinity"),
        ((x, x, spoilt), "the held-out features hold NaN or infinity"),
        ((spoilt, x, x), "hold NaN or infinity"),
        ((x, torch.ones(40, 3), x), "the training features are constant"),
        ((x[:, :2], x, x), "with one F"),
    ):
        with pytest.raises(ValueError, match=message):
            test(*sets)

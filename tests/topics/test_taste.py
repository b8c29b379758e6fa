"""A model of taste against users whose taste is known, and its sums against libraries."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.distance import pdist

from ganedu.topics import studio, taste


def rows(n=300, f=4, seed=0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def learner(x, seed=0, names=("a", "b", "c", "d")):
    return taste.Learner(x, torch.ones(x.shape[1]), names, x, seed)


def taught(u, x, picks=20, strength=3.0, n=4, seed=0):
    someone, model = taste.User(u, strength, seed=seed), learner(x, seed)
    for _ in range(picks):
        model.pick(someone.pick(model.offer(n)))
    return someone, model


# ------------------------------------------------------------------------------------------------------------ the model


def test_the_peak_is_that_of_another_optimiser():
    x, prior = rows(40), torch.tensor([1.0, 0.5, 2.0, 1.0], dtype=torch.float64)
    model, offers = taste.Choices(prior), [(0, 3, 5), (1, 2), (7, 8, 9, 10), (4, 6)]
    for offer in offers:
        model.pick(x[list(offer)], len(offer) - 1)

    def loss(w):
        total = 0.5 * ((w / prior.numpy()) ** 2).sum()
        for offer in offers:
            u = x[list(offer)].numpy() @ w
            total -= u[-1] - np.log(np.exp(u).sum())
        return total

    found = minimize(loss, np.zeros(4), tol=1e-12)
    assert np.abs(found.x - model.mean.numpy()).max() < 1e-4
    step, curve = 1e-3, np.zeros((4, 4))
    for i in range(4):  # the curvature at the peak by differences
        for j in range(4):
            e, f = step * np.eye(4)[i], step * np.eye(4)[j]
            w = model.mean.numpy()
            curve[i, j] = (loss(w + e + f) - loss(w + e - f) - loss(w - e + f) + loss(w - e - f)) / (4 * step**2)
    assert np.abs(np.linalg.inv(curve) - model.cov.numpy()).max() < 1e-4


def test_two_pictures_are_a_logistic_regression():
    """Bradley and Terry: picks of two are labels of differences."""
    from sklearn.linear_model import LogisticRegression

    x = rows(60)
    model, apart, label = taste.Choices(torch.ones(4)), [], []
    for k in range(0, 60, 2):
        i = int(torch.randint(2, (1,), generator=torch.Generator().manual_seed(k)))
        model.pick(x[[k, k + 1]], i)
        apart.append((x[k] - x[k + 1]).numpy())
        label.append(1 - i)
    found = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=1000).fit(apart, label)
    assert np.abs(found.coef_[0] - model.mean.numpy()).max() < 1e-4


def test_nothing_picked_is_the_prior():
    prior = torch.tensor([1.0, 2.0])
    model = taste.Choices(prior)
    drawn = model.draw(20_000, torch.Generator().manual_seed(0))
    assert model.mean.abs().max() == 0 and (drawn.std(0) - prior).abs().max() < 0.05 and model.against() == 0


def test_picks_are_learnt_and_offers_please():
    x = rows(1200)
    gained = []
    for seed in range(5):
        someone, model = taught(x[:, 0] - x[:, 2], x, seed=seed)
        assert model.choices.mean[0] > 0.5 > -0.5 > model.choices.mean[2]
        gained.append(someone.pleased(model.offer(4)))
        assert someone.pleased(model.page(8)) >= 0.75
    assert sum(gained) / 5 > 0.4  # a fifth by chance


def test_a_taste_that_is_not_there_pleases_no_more_than_chance():
    shares = [m.page(8) for m in (taught(rows()[:, 0], rows(), strength=0.0, seed=s)[1] for s in range(12))]
    someone = taste.User(rows(seed=9)[:, 1])
    assert 0.05 < np.mean([someone.pleased(page) for page in shares]) < 0.45


def test_a_middle_is_found_by_squares():
    y = {"a": rows()[:, 0], "b": rows()[:, 1]}
    x, prior, names = taste.described(y, rows()[:, 2:])
    assert names == ("a", "extreme a", "b", "extreme b", "", "")
    assert x.mean(0).abs().max() < 1e-9 and (x.std(0) - 1).abs().max() < 1e-9
    someone, model = taste.User(-y["a"].square()), taste.Learner(x, prior, names, x)
    for _ in range(30):
        model.pick(someone.pick(model.offer(4)))
    assert model.choices.mean[1] < -0.5
    assert "a middle a" in str(model.belief())


def test_offers_are_fresh_until_the_pool_is_through():
    model = learner(rows(40))
    seen = [i for _ in range(10) for i in model.offer(4)]
    assert sorted(seen) == list(range(40))
    assert len(set(model.offer(4))) == 4


def test_equal_seeds_and_picks_give_equal_offers_and_reset_forgets():
    a, b = learner(rows(), 3), learner(rows(), 3)
    first = a.offer(4)
    assert b.offer(4) == first
    for model in (a, b):
        model.pick(2)
    assert a.offer(2) == b.offer(2)
    a.reset()
    assert a.picks == 0 and a.offer(4) == first and a.choices.mean.abs().max() == 0
    assert learner(rows(), 4).offer(4) != first


def test_belief_says_what_it_knows_and_what_not():
    x = rows()
    assert "nothing" in str(learner(x).belief()) and learner(x).belief().sure == 0
    _, model = taught(x[:, 1], x, picks=1)
    assert "unsure" in str(model.belief())
    surer = [taught(x[:, 1], x, picks=n, strength=6.0)[1].belief().sure for n in (2, 8, 30)]
    assert surer[0] < surer[1] < surer[2] <= 1
    said = taught(x[:, 1], x, picks=30, strength=6.0)[1].belief()
    assert "more b" in str(said) and said.rows[0][0] == "b" and said.rows[0][2] > 0 and not said.contradictory
    assert "less b" in str(taught(-x[:, 1], x, picks=30, strength=6.0)[1].belief())


def test_contradictory_picks_are_said_to_be_so():
    x = rows()
    model = learner(x)
    for k in range(16):  # always the most of a, then always the least
        offer = x[model.offer(4), 0]
        model.pick(int(offer.argmax() if k < 8 else offer.argmin()))
    assert model.belief().contradictory and "contradict" in str(model.belief())
    assert all(math.isfinite(v) for v in model.choices.mean.tolist())
    alarms = [taught(x[:, 0], x, seed=s)[1].belief().contradictory for s in range(10)]
    assert sum(alarms) <= 3  # users who are true to their taste


def test_the_same_offer_picked_both_ways_does_not_crash():
    x, model = rows(4), taste.Choices(torch.ones(4))
    for k in range(40):
        model.pick(x[[0, 1]], k % 2)
    assert abs(float((x[0] - x[1]) @ model.mean)) < 0.2


@pytest.mark.parametrize("i", [4, -1, 1.5, None, True, float("nan")])
def test_wrong_picks_are_refused_and_nothing_is_lost(i):
    model = learner(rows())
    with pytest.raises(ValueError, match="nothing is on offer"):
        model.pick(0)
    offer = model.offer(4)
    with pytest.raises(ValueError, match="whole number"):
        model.pick(i)
    assert model.offered == offer and model.picks == 0
    model.pick(0)


# ------------------------------------------------------------------------------------------------------------ diversity


def test_diversity_is_a_ratio_of_mean_distances():
    a, b = rows(12), rows(50, seed=1)
    assert abs(taste.diversity(a, b) - pdist(a.numpy()).mean() / pdist(b.numpy()).mean()) < 1e-9
    assert taste.diversity(a[:1].expand(5, -1), b) == 0
    with pytest.raises(ValueError, match="alike"):
        taste.diversity(a, a[:1].expand(5, -1))
    with pytest.raises(ValueError, match="2 or more"):
        taste.diversity(a[:1], b)


def test_vendi_counts_what_is_different():
    far = 100 * torch.eye(6)
    assert abs(taste.vendi(far, 1.0) - 6) < 1e-6
    assert abs(taste.vendi(torch.cat([far, far]), 1.0) - 6) < 1e-6  # twice the same is no more
    assert abs(taste.vendi(far[:1].expand(7, -1), 1.0) - 1) < 1e-6
    x = rows(9).numpy()
    K = np.exp(-(((x[:, None] - x) ** 2).sum(-1)) / (2 * 1.5**2)) / 9
    values = np.linalg.eigvalsh(K)
    assert abs(taste.vendi(rows(9), 1.5) - math.exp(-(values * np.log(values)).sum())) < 1e-6
    with pytest.raises(ValueError, match="width above 0"):
        taste.vendi(rows(9), 0.0)


def test_a_page_goes_from_taste_to_variety():
    x = rows(400)
    u = x[:, 0]
    pages = [taste.varied_page(u, x, 12, v) for v in (0.0, 0.5, 1.0)]
    assert pages[0] == u.argsort(descending=True)[:12].tolist()
    likes = [float(u[p].mean()) for p in pages]
    spread = [taste.diversity(x[p], x) for p in pages]
    assert likes[0] > likes[1] > likes[2] > float(u.quantile(0.75)) and spread[0] < spread[1] <= spread[2] + 0.05
    assert all(len(set(p)) == 12 for p in pages)


def test_greedy_takes_what_brute_force_takes():
    x, u = rows(40, 2), rows(40, 1, 5)[:, 0]
    best = u.argsort(descending=True)[:10]
    apart = torch.cdist(x[best], x[best])
    apart /= apart.mean()
    chosen = [0]
    while len(chosen) < 4:
        scores = {i: 0.4 * (1 - i / 9) + 0.6 * min(2.0, min(float(apart[i, j]) for j in chosen))
                  for i in range(10) if i not in chosen}  # fmt: skip
        chosen.append(max(scores, key=scores.get))
    assert taste.varied_page(u, x, 4, 0.6) == best[chosen].tolist()


@pytest.mark.parametrize("varied", [-0.1, 1.1, float("nan"), "1", True])
def test_a_share_of_variety_is_one(varied):
    with pytest.raises(ValueError, match="varied="):
        taste.varied_page(rows()[:, 0], rows(), 4, varied)
    with pytest.raises(ValueError, match="a quarter"):
        taste.varied_page(rows()[:, 0], rows(), 76, 0.5)


def test_a_user_needs_a_taste():
    for u in (torch.zeros(10), torch.full((10,), math.nan)):
        with pytest.raises(ValueError, match="nothing to learn"):
            taste.User(u)
    someone = taste.User(rows()[:, 0], share=0.2)
    assert abs(someone.pleased(list(range(300))) - 0.2) < 0.01
    assert abs(someone.pleased(rows()[:, 0]) - 0.2) < 0.01  # the same pictures by their u
    picks = [taste.User(torch.tensor([0.0, 1.0, 3.0, 9.0]), strength=100, seed=s).pick([1, 3, 0]) for s in range(5)]
    assert picks == [1] * 5


# --------------------------------------------------------------------------------------------------------- with a maker


def test_taste_of_a_makers_pictures():
    from ganedu.models import DCGenerator
    from ganedu.sampling import seeded

    with seeded(0):
        maker = studio.Maker(DCGenerator(16, 1, 4, 2, 3, "projection").eval(), "small", classes=("a", "b", "c"))
    model = taste.Taste(maker, pool=80)
    for _ in range(3):
        offer = model.offer(4)
        assert all(isinstance(r, studio.Recipe) for r in offer)
        model.pick(max(range(4), key=lambda i: offer[i].label == 1))
    assert model.picks == 3 and 0 < model.belief().sure < 1 and len(model.page(8, 0.5)) == 8
    assert any("class b" in row[0] for row in model.belief().rows)
    model.reset()
    assert model.picks == 0
    with pytest.raises(ValueError, match="pool"):
        taste.Taste(SimpleNamespace(), pool=3)

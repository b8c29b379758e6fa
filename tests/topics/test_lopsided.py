"""Oracles: counts, scipy's truncated normal and binomial tests, confusion undone by hand, simulation."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ganedu import data, models
from ganedu.sampling import seeded
from ganedu.topics import lopsided


def images(n=60, seed=0):
    """Three classes of dark, middle and bright noise of 16 pixels."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(3).repeat(n)
    x = (torch.randint(0, 60, (3 * n, 1, 16, 16), generator=g) + 90 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return data.Images("greys", x, labels, x[:90], labels[:90], ("dark", "middle", "bright"))


def test_a_pile_has_its_share_of_images_of_its_own():
    of = images()
    found = lopsided.pile(of, "bright", "dark", 0.1, 50, 3)
    assert found.labels.bincount().tolist() == [45, 5] and found.class_names == ("bright", "dark")
    assert (
        float(found.x[found.labels == 1].float().mean()) < 60 < 180 < float(found.x[found.labels == 0].float().mean())
    )
    known = {x.numpy().tobytes() for x in of.x}
    drawn = [x.numpy().tobytes() for x in found.x]
    assert set(drawn) <= known and len(set(drawn)) == 50
    assert torch.equal(found.x, lopsided.pile(of, "bright", "dark", 0.1, 50, 3).x)
    assert not torch.equal(found.x, lopsided.pile(of, "bright", "dark", 0.1, 50, 4).x)
    assert len(found.x_test) == 60 and lopsided.pile(of, "bright", "dark", 0.0, 50).labels.sum() == 0


@pytest.mark.parametrize(
    ("rare", "share", "n", "words"),
    [("dark", 1.5, 50, "share=1.5"), ("dark", math.nan, 50, "share=nan"), ("darc", 0.1, 50, "no class 'darc'"),
     ("dark", 0.1, 121, "n=121"), ("dark", 0.9, 100, "images of 'dark'=90"), ("dark", 0.1, 0, "n=0")],
)  # fmt: skip
def test_a_pile_says_what_it_takes(rare, share, n, words):
    with pytest.raises(ValueError, match=words):
        lopsided.pile(images(), "bright", rare, share, n)


def test_z_is_scipys_truncated_normal():
    for limit in (0.3, 1.0, 2.5):
        z = lopsided.truncated_z(500, 64, limit).flatten().numpy()
        assert abs(z).max() <= limit
        assert stats.kstest(z, stats.truncnorm(-limit, limit).cdf).statistic < 0.01
    z = lopsided.truncated_z(500, 64).flatten().numpy()
    assert stats.kstest(z, stats.norm.cdf).statistic < 0.01 and np.isfinite(z).all()
    low, high = (lopsided.truncated_z(50, 4, t) for t in (0.5, 2.0))
    assert torch.equal(low.flatten().argsort(), high.flatten().argsort())  # the same quantiles
    for bad in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            lopsided.truncated_z(5, 4, bad)


def test_fakes_leave_the_generator_as_it_was():
    with seeded(0):
        G = models.DCGenerator(16, 1, 4, 2).train()
    x = lopsided.fakes(G, 7, 1.0, batch_size=3)
    assert x.shape == (7, 1, 16, 16) and G.training
    assert torch.allclose(x, G.eval()(lopsided.truncated_z(7, 4, 1.0)), atol=1e-6)
    with pytest.raises(ValueError, match="n=0"):
        lopsided.fakes(G, 0)


def test_the_counter_counts():
    of = images(200)
    counter = lopsided.counter(of, "bright", "dark", 30)
    assert counter.of_rare == 1 and counter.of_common == 0
    for share in (0.0, 0.25, 1.0):
        assert lopsided.share(counter, lopsided.pile(of, "bright", "dark", share, 40).x) == pytest.approx(share)


def test_the_share_undoes_the_confusion():
    class Says(torch.nn.Module):  # "rare" of an image whose first pixel is bright
        def forward(self, x):
            return torch.stack([-x[:, 0, 0, 0], x[:, 0, 0, 0]], 1)

    x = -torch.ones(100, 1, 4, 4)
    x[:38, 0, 0, 0] = 1  # of 20 rare ones .9, and of 80 common ones .25
    assert lopsided.share(lopsided.Counter(Says(), 0.9, 0.25), x) == pytest.approx(0.2)
    assert lopsided.share(lopsided.Counter(Says(), 0.9, 0.5), x) == 0
    with pytest.raises(ValueError, match="cannot count"):
        lopsided.share(lopsided.Counter(Says(), 0.5, 0.4), x)


def test_who_notices_is_an_exact_test():
    for expected, true, n in ((0.1, 0.05, 100), (0.1, 0.02, 200), (0.5, 0.3, 30)):
        counts = np.arange(n + 1)
        p = np.array([stats.binomtest(int(k), n, expected, "less").pvalue for k in counts])
        wanted = stats.binom.pmf(counts, n, true)[p <= 0.05].sum()
        assert lopsided.noticed(expected, true, n) == pytest.approx(wanted)
    assert lopsided.noticed(0.1, 0.0, 20) == 0  # none of 20 has the chance .9^20 = .12 with an honest share
    assert lopsided.noticed(0.1, 0.0, 29) == 1  # .9^29 = .047
    assert lopsided.noticed(0.1, 0.1, 500) <= 0.05


def test_enough_is_where_the_chance_is_reached():
    n = lopsided.enough(0.1, 0.05)
    assert lopsided.noticed(0.1, 0.05, n) >= 0.8 > lopsided.noticed(0.1, 0.05, n // 2)
    assert lopsided.enough(0.1, 0.1, most=1000) is None
    for bad in ((1.1, 0.1, 20), (0.1, -0.1, 20), (0.1, 0.1, 0)):
        with pytest.raises(ValueError, match="does not fit"):
            lopsided.noticed(*bad)

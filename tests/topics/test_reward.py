"""D as a reward: exact lists of words against sums by hand, REINFORCE against the slope of the exact reward."""

import itertools
import math

import pytest
import torch
from scipy import stats

from ganedu.topics import reward as rw

W = 3
SIZE = len(rw.LETTERS)


@pytest.fixture(scope="module")
def teacher():
    return rw.teacher(W)


@pytest.fixture(scope="module")
def log_p(teacher):
    return teacher.log_table()


def test_the_list_of_words_adds_up_to_one_and_agrees_with_each_word(teacher, log_p):
    torch.testing.assert_close(log_p.exp().flatten(1).sum(1), torch.ones(W))
    x = teacher.speak(50, torch.Generator().manual_seed(0))  # (W, 50, 4)
    for w, i in itertools.product(range(W), range(50)):
        a, b, c, d = x[w, i].tolist()
        first, then = teacher.first[w].softmax(0), teacher.then[w].softmax(1)
        by_hand = math.log(first[a] * then[a, b] * then[b, c] * then[c, d])
        assert abs(log_p[w, a, b, c, d] - by_hand) < 1e-4
        assert abs(teacher.log_prob(x)[w, i] - by_hand) < 1e-4


def test_words_are_spoken_as_often_as_the_list_says(teacher, log_p):
    n = 20_000
    x = teacher.speak(n, torch.Generator().manual_seed(1))[0]
    pairs = (x[:, 1] * SIZE + x[:, 2]).bincount(minlength=SIZE**2)  # second and third letter
    wanted = log_p[0].exp().sum((0, 3)).flatten() * n
    many = wanted > 5
    f, e = pairs[many].double(), wanted[many].double()
    assert stats.chisquare(f, e * f.sum() / e.sum()).pvalue > 0.001


def test_vowels_and_consonants_alternate(teacher):
    x = teacher.speak(2000, torch.Generator().manual_seed(2))
    vowel = x < rw.VOWELS
    assert (vowel[..., 1:] != vowel[..., :-1]).float().mean() > 0.7
    assert all(len(word) == 4 for word in rw.spelt(x[0]))


def test_likeliest_are_the_tops_of_the_list(log_p):
    top = rw.likeliest(log_p[1], 3)
    word, chance = top[0]
    assert abs(chance - float(log_p[1].exp().max())) < 1e-6 and top[0][1] >= top[1][1] >= top[2][1]
    assert abs(log_p[1][tuple(rw.LETTERS.index(c) for c in word)].exp() - chance) < 1e-6


def test_a_forgetful_speaker_says_letters_whatever_came_before(teacher):
    s = rw.beginner(teacher, forgetful=True)
    table = s.log_table().detach().exp()
    torch.testing.assert_close(table.flatten(1).sum(1), torch.ones(W))
    given = table.sum((3, 4)) / table.sum((2, 3, 4))[..., None]  # second letter, given the first
    torch.testing.assert_close(given, given[:, :1].expand_as(given))
    assert s.speak(5).shape == (W, 5, 4) and s.log_prob(s.speak(5)).shape == (W, 5)


def test_distances_by_hand(log_p):
    uniform = torch.full_like(log_p, -4 * math.log(SIZE))
    p = log_p.double().exp().flatten(1)
    wanted = torch.maximum(p - 1 / SIZE**4, torch.zeros(())).sum(1)
    torch.testing.assert_close(rw.total_variation(log_p, uniform), wanted, atol=1e-5, rtol=1e-5)
    entropy = torch.as_tensor(stats.entropy(p.numpy(), axis=1))
    torch.testing.assert_close(rw.kl(log_p, uniform), 4 * math.log(SIZE) - entropy, atol=1e-4, rtol=1e-4)
    assert rw.total_variation(log_p, log_p).max() == 0


def test_the_leash_of_one_on_the_exact_ratio_gives_the_teacher(teacher, log_p):
    q0 = rw.beginner(teacher).log_table().detach()
    torch.testing.assert_close(rw.tilted(q0, log_p - q0, 1.0), log_p, atol=1e-4, rtol=1e-4)
    # it beats other speakers at E reward - beta KL
    reward, beta = torch.randn(log_p.shape, generator=torch.Generator().manual_seed(0)), 0.5
    gain = lambda q: (q.exp() * reward).flatten(1).sum(1) - beta * rw.kl(q, q0)  # noqa: E731
    best = rw.tilted(q0, reward, beta)
    for other in (q0, log_p, rw.tilted(q0, reward, 0.6), rw.tilted(q0, reward, 0.4)):
        assert (gain(best) > gain(other)).all()
    free = beta * (q0.double() + reward / beta).flatten(1).logsumexp(1)  # the best value in closed form
    torch.testing.assert_close(gain(best).double(), free, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_reinforce_is_the_slope_of_the_exact_reward(teacher, beta):
    start = rw.beginner(teacher, 5)
    q0 = start.log_table().detach()
    student, exact = (rw.Speaker(*(t.detach().clone().requires_grad_() for t in teacher)) for _ in range(2))
    reward = torch.randn(q0.shape, generator=torch.Generator().manual_seed(0))
    q = exact.log_table()
    value = (q.exp() * (reward - beta * (q - q0))).sum()
    wanted = torch.autograd.grad(-value, list(exact))
    x = student.speak(60_000, torch.Generator().manual_seed(1))
    world = torch.arange(W)[:, None]
    r = reward[world, *x.unbind(-1)]
    opt = torch.optim.SGD(list(student), 1.0)
    before = [t.detach().clone() for t in student]
    mean = rw.reinforce_step(student, x, r, opt, start.log_prob(x).detach(), beta)
    torch.testing.assert_close(mean, r.mean(1))
    for old, new, slope in zip(before, student, wanted, strict=True):
        assert ((old - new.detach()) - slope).abs().max() < 0.02


def test_likelihood_is_the_slope_of_the_cross_entropy(teacher):
    student = rw.beginner(teacher)
    opt = torch.optim.Adam(list(student), 0.05)
    generator = torch.Generator().manual_seed(0)
    log_p = teacher.log_table()
    first = rw.total_variation(log_p, student.log_table().detach())
    for _ in range(60):
        loss = rw.likelihood_step(student, teacher.speak(256, generator), opt)
    assert (rw.total_variation(log_p, student.log_table().detach()) < 0.3 * first).all() and loss.shape == (W,)


def test_d_sees_each_letter_at_its_place():
    x = torch.tensor([[[0, 11, 3, 3]]])
    hot = rw.one_hot(x)[0, 0]
    assert hot.sum() == 4 and hot.nonzero()[:, 0].tolist() == [0, 12 + 11, 24 + 3, 36 + 3]


def test_d_scores_the_list_as_it_scores_words(teacher):
    D = rw.discriminator(W, width=8)
    table = rw.score_table(D, W)
    x = teacher.speak(20, torch.Generator().manual_seed(0))
    torch.testing.assert_close(table[torch.arange(W)[:, None], *x.unbind(-1)], D(rw.one_hot(x)).detach())


def test_training_against_the_exact_ratio(teacher, log_p):
    free, leashed = (rw.beginner(teacher) for _ in range(2))
    seen = []
    a = rw.train(teacher, free, rw.discriminator(W, width=8), "exact", 120, every=60,
                 watch=lambda i, s: seen.append(i))  # fmt: skip
    b = rw.train(teacher, leashed, rw.discriminator(W, width=8), "exact", 120, beta=1.0, every=60)
    assert seen == a["round"].tolist() == [0, 60, 120]
    assert (a["tv"][-1] > 0.8).all() and (a["top"][-1] > 0.5).all() and (a["reward"].diff(dim=0) > 0).all()
    assert (b["tv"][-1] < 0.06).all() and (b["kl"][0] == 0).all()
    torch.testing.assert_close(b["tv"][-1].double(), rw.total_variation(log_p, leashed.log_table().detach()),
                               atol=1e-5, rtol=1e-4)  # fmt: skip


def test_a_d_that_knows_few_words_learns_them_and_a_learning_one_changes(teacher):
    poor = rw.warm_up(teacher, rw.beginner(teacher), rw.discriminator(W, width=16), 60, words=30)
    assert rw.score_table(poor, W).std() > 0.3
    before = rw.score_table(poor, W)
    student = rw.beginner(teacher)
    found = rw.train(teacher, student, poor, "learning", 4, every=2, batch=32)
    assert found["tv"].shape == (3, W) and not torch.equal(before, rw.score_table(poor, W))
    frozen = rw.score_table(poor, W)
    rw.train(teacher, student, poor, "frozen", 2, every=2, batch=32)
    assert torch.equal(frozen, rw.score_table(poor, W))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t, p: rw.teacher(0), "n=0"),
        (lambda t, p: t.speak(0), "n=0"),
        (lambda t, p: rw.spelt(torch.zeros(3, 5).long()), "letter numbers"),
        (lambda t, p: rw.spelt(torch.full((1, 4), 12)), "0 to 11"),
        (lambda t, p: rw.total_variation(p, p[:1]), "two lists"),
        (lambda t, p: rw.kl(p, p[:1]), "two lists"),
        (lambda t, p: rw.tilted(p, p, 0.0), "beta=0.0"),
        (lambda t, p: rw.reinforce_step(t, t.speak(2), torch.zeros(W, 2), None, beta=1.0), "give start"),
        (lambda t, p: rw.train(t, t, None, "thawed"), "thawed"),
        (lambda t, p: rw.train(t, t, None, "exact", 0), "rounds=0"),
        (lambda t, p: rw.warm_up(t, t, None, 0), "steps=0"),
    ],
)
def test_bad_input_is_named(teacher, log_p, call, words):
    with pytest.raises(ValueError) as e:
        call(teacher, log_p)
    assert words in str(e.value)

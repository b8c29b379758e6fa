"""Words to pictures: the grammar against its scenes, losses against closed forms, the step against one by hand."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganedu.data import shapes
from ganedu.sampling import seeded
from ganedu.topics import outlines
from ganedu.topics import words as W


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers_of(pair):
    return [W.CLASSES[k].index(word) for k, word in zip(("shape", "colour"), pair, strict=True)]


# ------------------------------------------------------------------------------------------------ scenes


def test_scenes_are_even_and_keep_to_their_pairs():
    every, held = W.draw(9000, chance()), [numbers_of(pair) for pair in W.HELD_OUT]
    for i, of in enumerate(W.CLASSES.values()):
        share = every[:, i].long().bincount(minlength=len(of)) / len(every)
        assert (share - 1 / len(of)).abs().max() < 0.02
    assert every[:, 5].min() >= -1 and every[:, 5].max() <= 1 and every[:, 5].mean().abs() < 0.03
    seen, unseen = (set(map(tuple, W.draw(3000, chance(), p)[:, :2].tolist())) for p in ("seen", "held out"))
    assert unseen == set(map(tuple, held)) and len(seen) == 7 and not seen & unseen
    values = [{pair[k] for pair in seen} for k in (0, 1)]
    assert values == [{0, 1, 2}, {0, 1, 2}]  # each word of the held-out pairs is seen with others


def test_a_scene_is_drawn_where_and_as_it_says():
    scenes = torch.cartesian_prod(*(torch.arange(len(of)).float() for of in W.CLASSES.values()), torch.tensor([0.7]))
    x = W.render(scenes)
    fits, kind = outlines.overlap(x)
    of = torch.tensor([shapes.SHAPES.index(word) for word in W.CLASSES["shape"]])
    assert fits.min() > outlines.FITS and (kind == of[scenes[:, 0].long()]).all()
    p = outlines.figures(x)
    at = (torch.arange(32) + 0.5) / 32
    right = (p.sum(1) * at).sum(1) / p.sum((1, 2))
    assert (right - torch.tensor(W.SIDE)[scenes[:, 4].long()]).abs().max() < 0.02
    assert p.sum((1, 2))[scenes[:, 3] == 1].min() > 0 and x.abs().max() <= 1
    for shape in range(3):  # the area goes with the square of the size
        here = scenes[:, 0] == shape
        small, large = (p[here & (scenes[:, 3] == k)].sum((1, 2)).mean() for k in (0, 1))
        assert abs(large / small / (W.SIZE[1] / W.SIZE[0]) ** 2 - 1) < 0.15


@pytest.mark.parametrize(
    ("scenes", "said"),
    [(torch.zeros(2, 5), r"give \(n, 6\)"), (torch.full((1, 6), 3.0), "numbers from 0"),
     (torch.tensor([[0.0, 0, 0, 0, 0, 1.5]]), "down lies in -1 to 1"), (torch.full((1, 6), math.nan), "down lies")],
)  # fmt: skip
def test_other_scenes_are_refused(scenes, said):
    with pytest.raises(ValueError, match=said):
        W.render(scenes)


def test_unknown_pairs_and_orders_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'held out'"):
        W.draw(3, pairs="held-out")
    with pytest.raises(ValueError, match="n=0 does not fit"):
        W.draw(0)
    with pytest.raises(ValueError, match="unknown orders"):
        W.say(W.draw(3), orders="other")


# ------------------------------------------------------------------------------------------------ captions


@pytest.mark.parametrize("orders", W.ORDERS)
def test_a_caption_says_what_its_scene_is_and_nothing_else(orders):
    scenes = W.draw(300, chance())
    texts, named = W.say(scenes, chance(1), orders)
    assert named[:, 0].all() and 0.6 < named[:, 1:].float().mean() < 0.9
    for text, scene, mask in zip(texts, scenes.tolist(), named.tolist(), strict=True):
        for i, (name, ways) in enumerate(W.SAID.items()):
            said = [k for k, of in enumerate(ways) if any(f" {way} " in f" {text} " for way in of)]
            assert said == ([int(scene[i])] if mask[i] else []), (name, text)
        assert "  " not in text and text.split()[-1] != "and" and len(text.split()) <= 14


def test_every_order_and_synonym_comes_and_the_held_out_orders_are_other_sentences():
    scenes = W.draw(2000, chance())
    seen, held = (W.say(scenes, chance(2), orders, 0.0)[0] for orders in ("seen", "held out"))
    assert {word for text in seen for word in text.split()} == {*W.VOCABULARY, "an"}
    assert {word for text in held for word in text.split()} <= {*W.VOCABULARY, "an"}
    assert not set(seen) & set(held)
    assert all(W.say(scenes, chance(3), silent=1.0)[1].sum(1) == 1)


def test_what_is_understood():
    assert W.understood("A SMALL, crimson Cross!") == (["a", "small", "cross"], ["crimson"])
    assert W.understood("cross" + " cross" * (W.LONGEST - 1))[1] == []
    assert W.tokens(["cross", "a small cross"]).tolist()[0][1:] == [0, 0]
    assert W.understood("An orange cross") == (["an", "orange", "cross"], [])
    assert W.tokens(["an orange cross"]).equal(W.tokens(["a orange cross"]))
    assert not any(f"a {word} " in f"{text} " for text in W.say(W.draw(300, chance()), chance(), silent=0.0)[0]
                   for word in ("orange", "amber", "emerald"))  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "said"),
    [("", "no word. Use some of: a, amber"), (" ... 12 !", "the sentence has no word"), (None, "give a text"),
     ("cross " * 5000, "5,000 words: give 40 or fewer"), ("ein rotes Kreuz", "none of 'ein rotes kreuz'"),
     ("x" * 10**6, "is a word that it knows")],
)  # fmt: skip
def test_sentences_that_say_nothing_are_refused(sentence, said):
    with pytest.raises(ValueError, match=said) as e:
        W.understood(sentence)
    assert len(str(e.value)) < 600


@pytest.mark.parametrize("sentences", ["a cross", []])
def test_a_list_of_sentences_is_wanted(sentences):
    with pytest.raises(ValueError, match="give a list"):
        W.tokens(sentences)


# ------------------------------------------------------------------------------------------------ the encoder


def test_the_encoder_stops_at_the_last_word():
    with seeded(0):
        encoder = W.TextEncoder()
    alone = W.encoded(encoder, ["a small cross"])
    among = W.encoded(encoder, ["a small cross", "there is a small green cross in the middle at night"])
    assert torch.allclose(alone[0], among[0], atol=1e-6)
    assert torch.allclose(among.square().mean(1), torch.ones(2), atol=1e-5)
    a, b = W.encoded(encoder, ["cross a small", "a small cross"])
    assert not torch.allclose(a, b)  # the order is read
    same = W.encoded(encoder, ["a tremendously small cross"])
    assert torch.allclose(same, alone, atol=1e-6)  # a word that it does not know is left out


def test_contrast_is_two_cross_entropies():
    torch.manual_seed(0)
    t, v = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    cos = torch.tensor([[F.cosine_similarity(a, b, dim=0) for b in v] for a in t], dtype=torch.float64)
    p, q = (3 * cos).softmax(1), (3 * cos).softmax(0)
    by_hand = -(p.diag().log().mean() + q.diag().log().mean()) / 2
    assert abs(W.contrast(t, v, 3.0) - by_hand) < 1e-10
    assert abs(W.contrast(torch.ones(6, 2), torch.ones(6, 2)) - math.log(6)) < 1e-5
    assert W.contrast(torch.eye(4), torch.eye(4), 100.0) < 1e-6


def test_training_pairs_hold_no_held_out_pair():
    pairs = W.training_pairs(300, each=2)
    rows = set(map(tuple, pairs.scenes[:, :2].tolist()))
    assert not rows & {tuple(map(float, numbers_of(pair))) for pair in W.HELD_OUT}
    assert pairs.x.dtype == torch.uint8 and len(pairs.captions) == len(pairs.x) == 300
    orange, cross = (W.SAID[k][i] for k, i in (("colour", 0), ("shape", 2)))
    for text in itertools.chain(*pairs.captions):
        words = text.split()
        assert not (set(words) & set(orange) and set(words) & set(cross)), text


@pytest.mark.slow
def test_the_encoder_learns_which_caption_belongs_to_a_picture():
    pairs = W.training_pairs(600)
    encoder = W.train_encoder(pairs, steps=80)
    assert not encoder.training
    one, other = (W.encoded(encoder, [of[k] for of in pairs.captions[:300]]) for k in (0, 1))
    near = F.cosine_similarity(one, other)
    far = F.cosine_similarity(one, other.roll(7, 0))
    assert near.mean() > far.mean() + 0.2


# ------------------------------------------------------------------------------------------------ the players


def two(seed=0):
    with seeded(seed):
        return W.Painter(torch.randn(20, 6), 3, 2), W.PairJudge(6, 2)


def test_matching_loss_is_that_of_the_paper():
    torch.manual_seed(0)
    d = torch.randn(3, 9, dtype=torch.float64, requires_grad=True)
    p = d.sigmoid()
    paper = -(p[0].log().mean() + ((1 - p[1]).log().mean() + (1 - p[2]).log().mean()) / 2)
    assert abs(W.matching_loss(*d) - paper) < 1e-12
    assert torch.autograd.gradcheck(lambda x: W.matching_loss(*x), d)
    assert torch.isfinite(W.matching_loss(*torch.tensor([[-1e3], [1e3], [1e3]]).expand(3, 4)))


@pytest.mark.parametrize("wrong", [True, False])
def test_the_step_is_two_steps_by_hand(wrong):
    G, D = two()
    G2, D2 = copy.deepcopy((G, D))
    torch.manual_seed(1)
    x, t = torch.rand(6, 3, 32, 32) * 2 - 1, torch.randn(6, 6)
    opt = {f"opt_{k}": torch.optim.SGD(m.parameters(), 0.1) for k, m in (("G", G), ("D", D))}
    torch.manual_seed(2)
    found = W.matching_step(x, t, G=G, D=D, z_dim=3, wrong=wrong, **opt)

    torch.manual_seed(2)
    x_fake = G2(torch.randn(6, 3), t)
    p, q = D2(x, t).sigmoid(), D2(x_fake.detach(), t).sigmoid()
    loss = -p.log().mean() - (1 - q).log().mean()
    if wrong:
        other = D2.judge(D2.features(x), t[[5, 0, 1, 2, 3, 4]]).sigmoid()
        loss = -p.log().mean() - (1 - q).log().mean() / 2 - (1 - other).log().mean() / 2
    loss.backward()
    with torch.no_grad():
        for w in D2.parameters():
            w -= 0.1 * w.grad
    for a, b in zip(D.parameters(), D2.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    loss_G = -D2(x_fake, t).sigmoid().log().mean()
    loss_G.backward()
    for a, b in zip(G.parameters(), G2.parameters(), strict=True):
        assert torch.allclose(a, b - 0.1 * b.grad, atol=1e-5)
    assert abs(found["loss_D"] - loss) < 1e-4 and abs(found["loss_G"] - loss_G) < 1e-3


def test_the_pixel_step_goes_to_the_mean_of_the_pictures_of_one_caption():
    with seeded(0):
        G = nn.Linear(7, 3 * 4, bias=True)
    net = lambda z, t: G(torch.cat([z, t], 1)).view(-1, 3, 2, 2)  # noqa: E731
    torch.manual_seed(0)
    opt, both = torch.optim.SGD(G.parameters(), 0.5), torch.rand(2, 3, 2, 2)
    t = torch.ones(256, 4)
    for _ in range(300):
        W.pixel_step(both.repeat(128, 1, 1, 1), t, G=net, opt_G=opt, z_dim=3)
    drawn = net(torch.randn(256, 3), t)
    assert (drawn - both.mean(0)).abs().max() < 0.05


def test_d_sees_the_caption_and_refuses_none():
    G, D = two()
    x, t = torch.rand(4, 3, 32, 32), torch.randn(4, 6)
    D.eval()
    assert D(x, t).shape == (4,) and not torch.allclose(D(x, t), D(x, t.roll(1, 0)))
    assert G.eval()(torch.zeros(4, 3), t).shape == (4, 3, 32, 32) and G(torch.zeros(4, 3)).shape == (4, 3, 32, 32)
    with pytest.raises(ValueError, match="a caption a picture"):
        G(torch.zeros(4, 3), t[:3])


def test_painting_is_the_same_for_equal_seeds():
    with seeded(0):
        encoder = W.TextEncoder()
        G = W.Painter(torch.randn(20, 32), 3, 2).eval()
    texts = ["a cross", "a big disc at night"]
    a, b, c = (W.paint(G, encoder, texts, seed) for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c) and a.shape == (2, 3, 32, 32)


# ------------------------------------------------------------------------------------------------ the measures


class Sees(nn.Module):
    """A reader that reads the scenes given to it, whatever the pictures."""

    image_size = 32

    def __init__(self, scenes):
        super().__init__()
        self.scenes = scenes

    def forward(self, x):
        rows = self.scenes[: len(x)]
        found = [F.one_hot(rows[:, i].long(), len(of)).float() for i, of in enumerate(W.CLASSES.values())]
        return (*found, rows[:, 5:])


def test_measures_count_what_is_named():
    scenes = W.draw(60, chance())
    x = W.render(scenes)
    full = W.measures(Sees(scenes), x, scenes)
    assert all(share == 1 for share in full.values())
    other = scenes.clone()
    other[:30, 1] = (other[:30, 1] + 1) % 3  # the reader sees another colour in half
    found = W.measures(Sees(other), x, scenes)
    assert found["colour"] == found["pair"] == found["all"] == found["drawn"] == 0.5 and found["clear"] == 1
    named = torch.ones(60, 5, dtype=torch.bool)
    named[:, 1] = False
    found = W.measures(Sees(other), x, scenes, named)
    assert found["all"] == found["drawn"] == 1 and "colour" not in found and found["pair"] == 0.5
    turned = scenes.clone()
    turned[:, 0] = (turned[:, 0] + 1) % 3
    found = W.measures(Sees(turned), x, turned)  # the reader is deceived; the outline is not
    assert found["shape"] == found["clear"] == 1 and found["drawn"] == 0
    found = W.measures(Sees(scenes), torch.zeros(60, 3, 32, 32), scenes)
    assert found["all"] == 1 and found["clear"] == found["drawn"] == 0
    with pytest.raises(ValueError, match="60 pictures but 9 scenes"):
        W.measures(Sees(scenes), x, scenes[:9])


def test_the_nearest_caption_is_found_by_words():
    scenes = W.draw(2, chance())
    pairs = W.Pairs(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), scenes,
                    [["a pink cross at night", "a rose plus"], ["a big disc", "there is a green disc"]])  # fmt: skip
    texts = ["at night a pink cross", "a green disc", "plus rose a", "a", "emerald unheard disc"]
    assert W.nearest(pairs, texts).tolist() == [0, 1, 0, 0, 1]

"""Words to pictures: scenes of one shape, captions from a small grammar, and a generator that draws what is said.

A text encoder makes a vector of a caption; it is trained to tell which caption belongs to which picture. G draws from
noise and that vector. D judges pairs, and is shown three kinds: a real pair, a real picture with a wrong caption, and a
fake picture with the caption that it was drawn for. Of every scene the truth is known, so what was said can be compared
with what was drawn, factor by factor.
Source: Reed, Akata, Yan, Logeswaran, Schiele and Lee 2016, Generative Adversarial Text to Image Synthesis.
"""

import re
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import models
from ..data import shapes
from ..inputs import brief, one_of, whole
from ..metrics.judges import fit
from ..pixels import as_float, to_uint8
from ..sampling import device_of, seeded
from . import outlines, style_generator
from .reader import Reader, World, read

# ------------------------------------------------------------------------------------------------ scenes


CLASSES = {
    "shape": ("circle", "triangle", "cross"), "colour": ("orange", "green", "pink"), "background": ("white", "night"),
    "size": ("small", "large"), "side": ("left", "middle", "right"),
}  # fmt: skip
SIZE, SIDE = (0.2, 0.32), (0.34, 0.5, 0.66)  # half the extent and the centre, as shares of the picture's side
HELD_OUT = (("cross", "orange"), ("circle", "green"))  # two of nine pairs of shape and colour: never in training
_OF = {"shape": shapes.SHAPES, "colour": tuple(shapes.COLOURS), "background": tuple(shapes.BACKGROUNDS)}


def draw(n: int, generator: torch.Generator | None = None, pairs: str = "all") -> Tensor:
    """Scenes (n, 6) float32: the numbers of five classes as in CLASSES, then how far down, even in -1 to 1.

    Independent but for `pairs`: "all"; "seen", without the pairs in HELD_OUT; "held out", those alone. Raises
    ValueError for n below 1, or other pairs.
    """
    whole("n", n, 1, 2**31)
    one_of(pairs, ("all", "seen", "held out"), "pairs")
    kw = {"generator": generator}
    scenes = torch.stack([torch.randint(len(of), (n,), **kw).float() for of in CLASSES.values()], 1)
    rows = [[CLASSES[k].index(word) for k, word in zip(CLASSES, pair, strict=False)] for pair in HELD_OUT]
    if pairs != "all":
        allowed = [
            p for p in torch.cartesian_prod(*map(torch.arange, (3, 3))).tolist() if (p in rows) != (pairs == "seen")
        ]
        scenes[:, :2] = torch.tensor(allowed).float()[torch.randint(len(allowed), (n,), **kw)]
    return torch.cat([scenes, 2 * torch.rand(n, 1, **kw) - 1], 1)


def render(scenes: Tensor) -> Tensor:
    """Pictures (n, 3, 32, 32) in [-1, 1], on the CPU, of scenes as `draw` gives them; soft edges.

    Raises ValueError for scenes of another shape or with numbers outside their range.
    """
    counts = torch.tensor([len(of) for of in CLASSES.values()])
    if scenes.ndim != 2 or scenes.shape[1] != len(counts) + 1:
        raise ValueError(f"scenes {tuple(scenes.shape)} do not fit: give (n, 6), {', '.join(CLASSES)} and down.")
    named, down = scenes[:, :-1].cpu().long(), scenes[:, -1].cpu()
    if ((named < 0) | (named >= counts)).any() or not (down.abs() <= 1).all():
        raise ValueError(f"{', '.join(CLASSES)} are numbers from 0 to below {counts.tolist()}, down lies in -1 to 1.")
    factors = {name: torch.tensor([of.index(word) for word in CLASSES[name]])[named[:, i]]
               for i, (name, of) in enumerate(_OF.items())}  # fmt: skip
    size, right = torch.tensor(SIZE)[named[:, 3]], torch.tensor(SIDE)[named[:, 4]]
    return style_generator.render({**factors, "size": size, "place": torch.stack([right, 0.5 + 0.14 * down], 1)})


WORLD = World(CLASSES, ("down",), 32, draw, render)  # for `reader.train_reader` and `reader.read`


# ------------------------------------------------------------------------------------------------ captions


SAID = {  # the ways to say each class, in the order of CLASSES
    "shape": (("circle", "disc"), ("triangle",), ("cross", "plus")),
    "colour": (("orange", "amber"), ("green", "emerald"), ("pink", "rose")),
    "background": (("by day", "in daylight", "on white"), ("at night", "in the dark", "on black")),
    "size": (("small", "little"), ("large", "big")),
    "side": (("on the left", "at the left"), ("in the middle", "in the centre"), ("on the right", "at the right")),
}
ORDERS = {
    "seen": ("a {size} {colour} {shape} {side} {background}", "{background} a {size} {colour} {shape} {side}",
             "{side} a {colour} and {size} {shape} {background}",
             "there is a {colour} {size} {shape} {background} {side}"),
    "held out": ("a {shape} {size} and {colour} {background} {side}",
                 "{side} there is {background} a {shape} {colour} and {size}"),
}  # fmt: skip
VOCABULARY = tuple(sorted({word for of in (*SAID.values(), (ORDERS["seen"],)) for ways in of for way in ways
                           for word in re.findall(r"[a-z]+", re.sub(r"{\w+}", "", way))}))  # fmt: skip
LONGEST = 40  # words


def say(scenes: Tensor, generator: torch.Generator | None = None, orders: str = "seen", silent: float = 0.25):
    """(captions, named): one caption a scene, and which of the five classes it names, (n, 5) bool.

    The shape is always named; each other class is left out with probability `silent`. Words and their order are drawn
    from SAID and ORDERS[orders]. Raises ValueError for unknown orders.
    """
    one_of(orders, tuple(ORDERS), "orders")
    n, texts = len(scenes), []
    named = torch.rand(n, len(CLASSES), generator=generator) >= silent
    named[:, 0] = True
    chance = torch.rand(n, len(CLASSES) + 1, generator=generator).tolist()
    for scene, mask, luck in zip(scenes[:, :-1].long().cpu().tolist(), named.tolist(), chance, strict=True):
        words = {}
        for name, number, is_named, u in zip(CLASSES, scene, mask, luck, strict=False):
            ways = SAID[name][number]
            words[name] = ways[int(u * len(ways))] if is_named else ""
        text = ORDERS[orders][int(luck[-1] * len(ORDERS[orders]))].format(**words)
        if not (words["size"] and words["colour"]):
            text = text.replace(" and ", " ")
        texts.append(re.sub(r"\ba (?=[aeo])", "an ", " ".join(text.split())))
    return texts, named


def understood(sentence: str) -> tuple[list[str], list[str]]:
    """(known, unknown): the words of a sentence that are in VOCABULARY, in their order, and those that are not.

    "an" counts as "a"; case and punctuation are ignored. Raises ValueError for what is no text, for more than LONGEST
    words, and where no word is known.
    """
    if not isinstance(sentence, str):
        raise ValueError(f"the sentence is {brief(sentence)}: give a text, such as 'a small pink cross at night'.")
    found = re.findall(r"[^\W\d_]+", sentence.lower())
    if len(found) > LONGEST:
        raise ValueError(f"{len(found):,} words: give {LONGEST} or fewer. A caption of training has at most 14.")
    known = [word for word in found if word in (*VOCABULARY, "an")]
    if not known:
        given = f"none of {brief(' '.join(found))} is a word that it knows" if found else "the sentence has no word"
        raise ValueError(f"{given}. Use some of: {', '.join(VOCABULARY)}.")
    return known, [word for word in found if word not in known]


def tokens(sentences: list[str]) -> Tensor:
    """Word numbers (N, L) int64, from 1, of the known words; 0 fills up behind. Raises what `understood` raises."""
    if isinstance(sentences, str) or not len(sentences):
        raise ValueError(f"sentences={brief(sentences)} do not fit: give a list of one text or more.")
    at = {word: i for i, word in enumerate(VOCABULARY, 1)}
    at["an"] = at["a"]
    rows = [torch.tensor([at[word] for word in understood(sentence)[0]]) for sentence in sentences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


# ------------------------------------------------------------------------------------------------ the text encoder


class TextEncoder(nn.Module):
    """Word numbers (N, L) as `tokens` gives them -> t (N, 32), of mean square 1: a recurrent network, word after word.

    With each word e its state h moves some way to a new one, h <- h + u (c - h), by a gate u = sigmoid(A [e, h]) and
    c = tanh(B [e, h]). After the last word h is what it has understood. 5,672 parameters with 34 words. Source: Cho and
    others 2014 (the gated recurrent unit, GRU), here without its reset gate.
    """

    def __init__(self, text_dim: int = 32, width: int = 32, word_dim: int = 16):
        super().__init__()
        self.words = nn.Embedding(len(VOCABULARY) + 1, word_dim)
        self.gate, self.new = (nn.Linear(word_dim + width, width) for _ in range(2))
        self.out = nn.Linear(width, text_dim)

    def forward(self, words: Tensor) -> Tensor:
        h = self.out.weight.new_zeros(len(words), self.out.in_features)
        for word in words.T:  # (N,)
            both = torch.cat([self.words(word), h], 1)
            u = self.gate(both).sigmoid() * (word > 0)[:, None]  # behind the last word nothing moves
            h = h + u * (self.new(both).tanh() - h)
        return F.normalize(self.out(h), dim=1) * self.out.out_features**0.5


@torch.no_grad()
def encoded(encoder: nn.Module, sentences: list[str]) -> Tensor:
    """t (N, 32) of sentences, on the CPU. Raises what `tokens` raises."""
    return torch.cat([encoder(part.to(device_of(encoder))).cpu() for part in tokens(sentences).split(2000)])


def contrast(t: Tensor, v: Tensor, scale: float = 10.0) -> Tensor:
    """How badly texts t (N, K) and pictures v (N, K) find each other, in nats; 0 at best, log N for pure guessing.

    s_ij = scale * cos(t_i, v_j); the mean of two cross-entropies: of picture i among all pictures, given text i, and of
    text i among all texts, given picture i. Source: Radford and others 2021 (CLIP), figure 3.
    """
    s = scale * F.normalize(t, dim=1) @ F.normalize(v, dim=1).T
    own = torch.arange(len(t), device=t.device)
    return (F.cross_entropy(s, own) + F.cross_entropy(s.T, own)) / 2


class Pairs(NamedTuple):
    """Pictures and their captions: x (n, 3, 32, 32) uint8, scenes (n, 6), captions, four a picture, n lists."""

    x: Tensor
    scenes: Tensor
    captions: list[list[str]]


def training_pairs(n: int = 6000, seed: int = 0, each: int = 4) -> Pairs:
    """n pictures of seen pairs of shape and colour, with `each` captions a picture in seen orders."""
    generator = torch.Generator().manual_seed(seed)
    scenes = draw(n, generator, "seen")
    captions = [say(scenes, generator)[0] for _ in range(each)]
    return Pairs(to_uint8(render(scenes)), scenes, [list(of) for of in zip(*captions, strict=True)])


def train_encoder(pairs: Pairs, steps: int = 1000, batch_size: int = 96, lr: float = 3e-3, seed: int = 0):
    """A TextEncoder that has learnt by `contrast`, beside `reader.Reader`'s layers for pictures, which are left."""
    words = tokens([caption for captions in pairs.captions for caption in captions])
    words = words.unflatten(0, (len(pairs.x), -1))  # (n, each, L)
    with seeded(seed):
        both = nn.ModuleList([TextEncoder(), nn.Sequential(Reader(world=WORLD).net, nn.Linear(64, 32))])

        def batch_loss() -> Tensor:
            i, k = torch.randint(len(words), (batch_size,)), torch.randint(words.shape[1], (batch_size,))
            return contrast(both[0](words[i, k]), both[1](as_float(pairs.x[i])))

        return fit(both, batch_loss, steps, lr)[0]


# ------------------------------------------------------------------------------------------------ the players


class Painter(nn.Module):
    """G: z (N, z_dim) and t (N, text_dim) -> pictures (N, 3, 32, 32): the DCGAN's generator, fed with both.

    `known` (M, text_dim) are some captions of training, from which t is drawn where none is given.
    """

    def __init__(self, known: Tensor, z_dim: int = 16, width: int = 16):
        super().__init__()
        self.z_dim, self.text_dim = z_dim, known.shape[1]
        self.net = models.DCGenerator(32, 3, z_dim + self.text_dim, width)
        self.register_buffer("known", known.clone())

    def forward(self, z: Tensor, t: Tensor | None = None) -> Tensor:
        if t is None:
            t = self.known[torch.randint(len(self.known), (len(z),), device=z.device)]
        if t.shape != (len(z), self.text_dim):
            raise ValueError(f"t {tuple(t.shape)} does not fit: give ({len(z)}, {self.text_dim}), a caption a picture.")
        return self.net(torch.cat([z, t], 1))


class PairJudge(nn.Module):
    """D: pictures (N, 3, 32, 32) and t (N, text_dim) -> logits (N,): is it real, and what the caption says?

    `features` f (N, 8 width, 4, 4) see the picture alone; then `judge` gives d(x, t) = w . f + (V t) . f + b, where V t
    weighs each feature at each place by the caption; t, of mean square 1, is first brought to length 1. Source: Miyato
    and Koyama 2018, eq. 3 (Reed and others lay t beside f and mix both).
    """

    def __init__(self, text_dim: int = 32, width: int = 16):
        super().__init__()
        layers, c = [], 3
        for k in (2 * width, 4 * width, 8 * width):
            layers += [nn.Conv2d(c, k, 4, 2, 1, bias=c == 3)] + [nn.BatchNorm2d(k)] * (c > 3) + [nn.LeakyReLU(0.2)]
            c = k
        self.features = nn.Sequential(*layers)
        self.real, self.said = nn.Linear(c * 16, 1), nn.Linear(text_dim, c * 16, bias=False)
        models.init_dcgan(self)

    def judge(self, f: Tensor, t: Tensor) -> Tensor:
        f = f.flatten(1)
        return (self.real(f).squeeze(-1) + (self.said(t * t.shape[1] ** -0.5) * f).sum(1)).float()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.judge(self.features(x), t)


def matching_loss(d_real: Tensor, d_wrong: Tensor, d_fake: Tensor) -> Tensor:
    """-E log D(x, t) - 1/2 E log(1 - D(x, t')) - 1/2 E log(1 - D(G(z, t), t)), in nats, of logits (N,).

    t' is a caption of another picture. Source: Reed et al. 2016, algorithm 1.
    """
    return F.softplus(-d_real).mean() + (F.softplus(d_wrong).mean() + F.softplus(d_fake).mean()) / 2


def matching_step(x_real, t, *, G, D, opt_G, opt_D, z_dim, wrong=True):
    """One round: D learns from the three pairs, or without `wrong` from the real and the fake one, then G from D.

    `t` (N, text_dim) belongs to `x_real`; the wrong caption of each picture is its neighbour's in the batch. Returns
    {"loss_D", "loss_G"}, detached. Source: Reed et al. 2016, algorithm 1.
    """
    x_fake = G(torch.randn(len(t), z_dim, device=t.device), t)  # the same fakes for both players
    f = D.features(x_real)
    d_real, d_fake = D.judge(f, t), D(x_fake.detach(), t)
    if wrong:
        loss_D = matching_loss(d_real, D.judge(f, t.roll(1, 0)), d_fake)
    else:
        loss_D = F.softplus(-d_real).mean() + F.softplus(d_fake).mean()
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()

    loss_G = F.softplus(-D(x_fake, t)).mean()
    opt_G.zero_grad()
    loss_G.backward(inputs=list(G.parameters()))
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def pixel_step(x_real, t, *, G, opt_G, z_dim):
    """One step of the baseline without D: G goes down the mean squared error to the picture; {"loss_G"}, detached."""
    loss_G = (G(torch.randn(len(t), z_dim, device=t.device), t) - x_real).square().mean()
    opt_G.zero_grad()
    loss_G.backward()
    opt_G.step()
    return {"loss_G": loss_G.detach()}


# ------------------------------------------------------------------------------------------------ what is drawn


@torch.no_grad()
def paint(G: Painter, encoder: nn.Module, sentences: list[str], seed: int = 0) -> Tensor:
    """A picture a sentence, (N, 3, 32, 32) on the CPU; equal seeds, equal z. Raises what `tokens` raises."""
    t, device = encoded(encoder, sentences), device_of(G)
    with seeded(seed):
        z = torch.randn(len(t), G.z_dim)
    return torch.cat([G(a.to(device), b.to(device)).float().cpu()
                      for a, b in zip(z.split(500), t.split(500), strict=True)])  # fmt: skip


def nearest(pairs: Pairs, sentences: list[str]) -> Tensor:
    """The baseline without a network: for each sentence the number of the picture with the nearest caption, (N,).

    Nearest by the words in both over the words in either (Jaccard); of equally near ones the first.
    """

    def bag(of):
        return torch.zeros(len(of), len(VOCABULARY) + 1).scatter_(1, tokens(of), 1.0)[:, 1:]

    own, theirs = bag(sentences), bag([caption for captions in pairs.captions for caption in captions])
    both = own @ theirs.T
    return (both / (own.sum(1, keepdim=True) + theirs.sum(1) - both)).argmax(1) // len(pairs.captions[0])


def aligned(reader: nn.Module, x: Tensor, scenes: Tensor) -> Tensor:
    """(N, 5) bool: for each picture and class, whether the reader sees in it what its scene says.

    Raises ValueError unless there is one scene a picture.
    """
    if len(x) != len(scenes):
        raise ValueError(f"{len(x)} pictures but {len(scenes)} scenes: give one scene a picture.")
    return read(reader, x)[:, :5] == scenes[:, :5].cpu()


def measures(reader: nn.Module, x: Tensor, scenes: Tensor, named: Tensor | None = None) -> dict[str, float]:
    """Shares of pictures x (N, 3, 32, 32) in which what was said is drawn.

    - each class of CLASSES: the reader sees the class of the scene, where the caption names it (`named`; None: all);
    - "all": all that is named; "pair": shape and colour;
    - "clear": the figure overlaps by more than `outlines.FITS` with one of the three shapes, at whatever place;
    - "drawn": clear, this figure is the shape that was said, and the reader agrees with all that is named.
    """
    right, scenes = aligned(reader, x, scenes), scenes.cpu()
    named = torch.ones_like(right) if named is None else named
    fits, kind = outlines.overlap(x.clamp(-1, 1))
    of = torch.tensor([shapes.SHAPES.index(word) for word in CLASSES["shape"]])
    clear = (fits > outlines.FITS) & torch.isin(kind, of)
    every = (right | ~named).all(1)
    found = {name: right[named[:, i], i] for i, name in enumerate(CLASSES)}
    found |= {"all": every, "pair": right[:, :2].all(1), "clear": clear}
    found["drawn"] = clear & every & (kind == of[scenes[:, 0].long()])
    return {name: round(float(share.float().mean()), 4) for name, share in found.items() if len(share)}

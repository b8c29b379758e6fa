"""Networks may live anywhere: every public function that takes a network or a tensor, on another device than the CPU.

The device is "elsewhere" (see elsewhere.py), which needs no GPU, and "cuda" where there is one. A function without a
case here fails `test_no_function_is_forgotten`.
"""

import functools
import importlib
import inspect
import pkgutil
import re
import tempfile
from functools import partial
from pathlib import Path

import elsewhere
import pytest
import torch
from torch import nn
from torch.utils import _pytree as tree

import ganedu
from ganedu import checkpoints, data, doctor, losses, metrics, models, pixels, plots, sampling, steps, widgets
from ganedu.course import stored
from ganedu.data import folders, shapes
from ganedu.doctor import outputs, patients
from ganedu.metrics import _inputs, entanglement
from ganedu.report import summary
from ganedu.runs import recipes
from ganedu.topics import (
    augment,
    codec,
    completions,
    cyclegan,
    density_ratio,
    divergences,
    duel,
    dynamics,
    forensics,
    gain,
    handles,
    holes,
    infogan,
    latent,
    lopsided,
    manifest,
    marks,
    memory,
    motion,
    one_step,
    outlines,
    own_pictures,
    perceptual,
    pix2pix,
    private,
    rare,
    reader,
    restoration,
    reward,
    scaling,
    scarce,
    sound,
    studio,
    style,
    style_generator,
    style_mixing,
    taste,
    vae,
    vgg,
    vocoder,
    words,
    worth,
)
from ganedu.toys import densities, stacked, worlds
from ganedu.training import Trainer
from ganedu.widgets import pictures
from ganedu.widgets.playground import game, view

Z, N, SIDE, CLASSES = 4, 8, 16, 3
NETWORKS = {"G", "D", "E", "F", "D_A", "D_B", "judge", "reader", "net", "network", "module", "trainer"}


@pytest.fixture(params=["cuda" if torch.cuda.is_available() else "elsewhere"])
def device(request, monkeypatch):
    """A GPU where there is one. Not both in one process: autograd has no stream for the one that is pretended."""
    if request.param == "cuda":
        monkeypatch.delenv("ACCELERATE_USE_CPU")
        yield "cuda"
        return
    if elsewhere.missing():
        pytest.skip("this torch cannot pretend a device")
    with elsewhere.Pretend():
        yield "elsewhere"


# ------------------------------------------------------------------------------------- what the functions are given


def seeded(make):
    """The same network, or tensor, at every call."""

    @functools.wraps(make)
    def made(*args, **settings):
        with sampling.seeded(0):
            return make(*args, **settings)

    return made


@seeded
def G(n_classes=0):
    condition = "projection" if n_classes else None
    made = models.DCGenerator(SIDE, 1, Z, 2, n_classes, condition)
    made.net[-2].weight.data.mul_(50)  # so that images differ before any training
    sampling.refresh_batchnorm(made, 1, 64)
    return made.eval()


@seeded
def D(n_classes=0, condition=None):
    return models.DCDiscriminator(SIDE, 1, 2, n_classes, condition or ("projection" if n_classes else None)).eval()


@seeded
def flat_G():
    return models.MLPGenerator(Z, width=4)


@seeded
def flat_D():
    return models.MLPDiscriminator(width=4)


@seeded
def smooth_D():
    """Without batch norm, as a penalty wants it."""
    return models.MLPDiscriminator((1, SIDE, SIDE), 4)


@seeded
def judge(n_classes=CLASSES, channels=1, side=SIDE):
    return metrics.Classifier(side, channels, n_classes, 2, 8).eval()


@seeded
def detector():
    return forensics.Network(SIDE, 1, 2).eval()


@seeded
def a_reader():
    return reader.Reader(2).eval()


@seeded
def painter(text_dim=Z):
    return words.Painter(torch.randn(5, text_dim), Z, 2).eval()


@seeded
def word_reader():
    return reader.Reader(2, words.WORLD).eval()


@seeded
def style_g():
    return style_generator.StyleGenerator(SIDE, Z, Z, (6, 4, 4))


@seeded
def style_d():
    return style_generator.StyleDiscriminator(SIDE, (4, 6))


@seeded
def clip_g():
    return motion.ClipGenerator(2, 3, Z, 5, 6)


@seeded
def clip_codes():
    return torch.randn(2, N, 3 + Z)


@seeded
def moving(n=N):
    return motion.sample(n)


@seeded
def a_codec():
    return codec.Codec(2, 2)


@seeded
def a_velocity():
    return codec.Velocity(3, 4)


@seeded
def encoder():
    return vae.Encoder(SIDE, 1, Z, 2).eval()


shown = lambda x: x.flatten(1)[:, :4]  # noqa: E731
squares = lambda x, y: (x - y).square().flatten(1).sum(1)  # noqa: E731


@seeded
def unet():
    return pix2pix.UNet(1, 4)


@seeded
def translator():
    return cyclegan.Translator(1, 4, 1)


@seeded
def images(n=N, channels=1, side=SIDE):
    return torch.rand(n, channels, side, side) * 2 - 1


@seeded
def rows(n=60, width=3, shift=0.0):
    return torch.randn(n, width) + shift


@seeded
def labels(n=N, n_classes=CLASSES):
    return torch.arange(n) % n_classes


@seeded
def masses(n=10, power=1.0):
    p = torch.rand(n, dtype=torch.float64) ** power
    return p / p.sum()


@seeded
def mask(n=N):
    return torch.nn.functional.pad(torch.ones(n, 1, 4, 4), (4, 8, 4, 8))


def data_set():
    x = data.to_uint8(images(60))
    return data.Images("noise", x, labels(60), x[:30], labels(30), ("a", "b", "c"))


def adam(*modules):
    return torch.optim.Adam([p for m in modules for p in m.parameters()], 1e-3)


PIXELS = rows(N, 784).sigmoid()
SHOWN = torch.arange(N * 784).view(N, 784) % 3 > 0

STYLES = images(4, 3, 64)
FEW = style.filters(1, (3, 5), 2)
SCENES = words.draw(N, torch.Generator().manual_seed(0))
SAID = words.say(SCENES, torch.Generator().manual_seed(0))[0]
SQUARE = images(1, 1, 64)
with sampling.seeded(0):
    WAVES = sound.draw(N).wave
PITCH = torch.linspace(90, 150, N)


@seeded
def scene(n=N):
    return cyclegan.draw(n, "white", 0)


# --------------------------------------------------------------------- networks here, inputs there: whatever is where

# name -> f(net, x): net(module) puts a network where networks are, x(tensor) a tensor where tensors are
ANYWHERE = {
    sampling.answers: lambda net, x: sampling.answers(net(G()), x(rows(N, Z))),
    rare.fakes: lambda net, x: rare.fakes(net(G(CLASSES)), 1, N),
    lopsided.fakes: lambda net, x: lopsided.fakes(net(G()), N, 1.0),
    lopsided.share: lambda net, x: lopsided.share(lopsided.Counter(net(judge(2)), 0.9, 0.1), x(images())),
    codec.codes_of: lambda net, x: codec.codes_of(net(a_codec()), x(images(side=32))),
    codec.decoded: lambda net, x: codec.decoded(net(a_codec()), x(rows(N, 32))),
    codec.flow: lambda net, x: codec.flow(net(a_velocity()), 3, 2),
    forensics.judged: lambda net, x: tuple(forensics.judged(net(detector()), x(FILES), x(FILES.flip(0)))),
    sampling.generate: lambda net, x: sampling.generate(net(G(CLASSES)), N, x(labels())),
    studio.principal: lambda net, x: [d.direction for d in studio.principal(net(G(CLASSES)), 2)],
    latent.find_z: lambda net, x: latent.find_z(net(G()), x(images(3)), starts=2, steps=3)[:4],
    latent.pca_directions: lambda net, x: (lambda g: tuple(latent.pca_directions(g, g.net[0], 2, 20)))(net(G())),
    private.own_gradients: lambda net, x: private.own_gradients(net(smooth_D()), x(images()), True),
    private.private_gradient: lambda net, x: private.private_gradient(
        net(smooth_D()), x(images(3)), x(images()), clip=1.0, sigma=0.0, expected=3.0
    ),
    losses.slopes: lambda net, x: losses.slopes(net(smooth_D()), x(images())),
    losses.r1: lambda net, x: losses.r1(net(smooth_D()), x(images())),
    losses.r2: lambda net, x: losses.r2(net(smooth_D()), None, x(images())),
    losses.r1_r2: lambda net, x: losses.r1_r2(net(smooth_D()), x(images()), net(images())),
    losses.wgan_gp: lambda net, x: losses.wgan_gp(net(smooth_D()), x(images()), net(images()) / 2),
    metrics.features: lambda net, x: metrics.features(net(judge()), x(data.to_uint8(images()))),
    metrics.predict: lambda net, x: metrics.predict(net(judge()), x(images())),
    metrics.probabilities: lambda net, x: metrics.probabilities(net(judge()), x(images())),
    metrics.label_accuracy: lambda net, x: metrics.label_accuracy(net(judge()), net(images()), x(labels())),
    perceptual.maps: lambda net, x: perceptual.maps(net(smooth_D()).net[:2], x(images()).flatten(1), (0,)),
    perceptual.scales: lambda net, x: perceptual.scales(net(judge()).net, x(images()), (1, 4)),
    perceptual.feature_distance: lambda net, x: perceptual.feature_distance(
        x(images()), net(images() / 2), net(judge()).net, (1, 4)
    ),
    perceptual.distance_in: lambda net, x: perceptual.distance_in(net(judge()).net, (1, 4), x(images()))(
        x(images()), net(images() / 2)
    ),
    dynamics.game_jacobian: lambda net, x: dynamics.game_jacobian(
        net(flat_G()), net(flat_D()), x(rows(N, 2)), x(rows(N, Z)), losses.minimax
    ),
    style_generator.read: lambda net, x: style_generator.read(net(judge(11, 3)), x(images(channels=3))),
    reader.read: lambda net, x: reader.read(net(a_reader()), x(images(channels=3))),
    restoration.restore: lambda net, x: restoration.restore(net(restoration.Restorer(1, 4, 4, 1)), x(images())),
    restoration.between: lambda net, x: [*restoration.between(net(flat_D()), x(flat_D()), 0.5).state_dict().values()],
    pix2pix.translate: lambda net, x: pix2pix.translate(net(unet()), x(mask())),
    words.encoded: lambda net, x: words.encoded(net(words.TextEncoder()), SAID),
    words.paint: lambda net, x: words.paint(net(painter(32)), net(words.TextEncoder()), SAID),
    words.aligned: lambda net, x: words.aligned(net(word_reader()), x(images(channels=3, side=32)), x(SCENES)),
    words.measures: lambda net, x: torch.tensor(
        [*words.measures(net(word_reader()), x(images(channels=3, side=32)), x(SCENES)).values()]
    ),
    cyclegan.translate: lambda net, x: cyclegan.translate(net(translator()), x(images())),
    cyclegan.recognise: lambda net, x: tuple(cyclegan.recognise(net(judge(12, 3, 32)), x(images(channels=3, side=32)))),
    cyclegan.score: lambda net, x: cyclegan.score(
        net(judge(12, 3, 32)), net(images(channels=3, side=32)), {k: x(v) for k, v in scene().items()}
    ),
    gain.complete: lambda net, x: gain.complete(net(gain.Player(3, fills=True)), x(A[None]), x(SEEN[None])),
    holes.by_gain: lambda net, x: holes.by_gain(net(holes.Filler(784, 1, 4, fills=True)), x(PIXELS), x(SHOWN), 2),
    holes.by_vae: lambda net, x: holes.by_vae(
        net(vae.Encoder(28, 1, Z, 2).eval()), net(models.DCGenerator(28, 1, Z, 2).eval()), x(PIXELS), x(SHOWN), 2, 2
    ),
    style_mixing.styles: lambda net, x: style_mixing.styles(net(style_g()), N),
    style_mixing.map_z: lambda net, x: style_mixing.map_z(net(style_g()), x(rows(N, Z))),
    style_mixing.draw: lambda net, x: style_mixing.draw(net(style_g()), x(rows(N, Z))),
    style_mixing.exchange: lambda net, x: tuple(style_mixing.exchange(net(style_g()), shown, 0, 3, fresh=9)),
    style_mixing.path_length: lambda net, x: tuple(style_mixing.path_length(net(style_g()), squares, 3)),
    motion.codes: lambda net, x: motion.codes(net(clip_g()), N),
    motion.fakes: lambda net, x: motion.fakes(net(clip_g()), N),
    motion.follow: lambda net, x: motion.follow(net(clip_g()), N),
    vae.bound: lambda net, x: vae.bound(x(images()), net(encoder()), net(G()), 0.5),
    scarce.score: lambda net, x: scarce.score(net(judge()), moved(data_set(), x)),
    summary.nearest_images: lambda net, x: summary.nearest_images(net(images()), x(data.to_uint8(images(20)))),
    doctor.examine: lambda net, x: str(examined(net, x)),
}  # fmt: skip

# what slopes pass through stays with the network; all else comes back to the CPU
WITH_THE_NETWORK = {
    losses.slopes, losses.r1, losses.r2, losses.r1_r2, losses.wgan_gp, perceptual.maps, perceptual.feature_distance,
    perceptual.distance_in, restoration.between, private.own_gradients, private.private_gradient,
}  # fmt: skip


def moved(images: data.Images, x) -> data.Images:
    return images.to(x(torch.zeros(1)).device)


def examined(net, x) -> doctor.Report:
    g, d = net(G(CLASSES)).train(), net(D(CLASSES)).train()
    step = partial(steps.cgan_step, z_dim=Z)
    return doctor.examine(
        G=g, D=d, opt_G=adam(g), opt_D=adam(d), step=step, x_real=x(images(32)), labels=x(labels(32)), z_dim=Z
    )


@pytest.mark.parametrize("f", ANYWHERE, ids=lambda f: f"{f.__module__.split('.', 1)[1]}.{f.__name__}")
def test_a_network_takes_inputs_from_anywhere(f, device):
    with sampling.seeded(0):
        here = ANYWHERE[f](lambda m: m, lambda t: t)
    for of_network, of_input in ((device, "cpu"), ("cpu", device), (device, device)):
        with sampling.seeded(0):
            found = ANYWHERE[f](lambda m, to=of_network: m.to(to), lambda t, to=of_input: t.to(to))
        expected = of_network if f in WITH_THE_NETWORK else "cpu"
        assert {t.device.type for t in tensors(found)} <= {expected}, (of_network, of_input)
        if device == "elsewhere":
            compare(found, here)


def tensors(tree_of_results) -> list:
    return [t for t in tree.tree_leaves(tree_of_results) if torch.is_tensor(t)]


def compare(found, wanted) -> None:
    """The same numbers: "elsewhere" is really the CPU."""
    for a, b in zip(tree.tree_leaves(found), tree.tree_leaves(wanted), strict=True):
        if torch.is_tensor(a):
            torch.testing.assert_close(a.detach().cpu(), b.detach(), equal_nan=True)
        else:
            assert a == b or (a != a and b != b)


# ------------------------------------------------------------------------------- steps: players and batch in one place


def players(to, d=None, **modules):
    both = {"G": G(), "D": d or D(), **modules}
    both = {k: m.to(to).train() for k, m in both.items()}
    return both | {"opt_G": adam(both["G"]), "opt_D": adam(both["D"])}


def label_players(to):
    return players(to, D(CLASSES), G=G(CLASSES))


def stacked_players(to):
    draw = worlds.streams(0, 0)
    g, d = stacked.StackedMLP(2, [2, 4, 2], draw), stacked.StackedMLP(2, [2, 4, 1], draw, logits=True)
    g, d = g.to(to), d.to(to)
    return {"G": g, "D": d, "opt_G": adam(g), "opt_D": adam(d)}


def batches(to, *shape):
    return rows(64, 2).view(*shape, 2).to(to)


def ada(to):
    p = players(to, augment.Augmented(D()))
    return augment.adaptive_step(images().to(to), **p, z_dim=Z)


def coded(to):
    code = infogan.Code(2, 1)
    p = players(to, infogan.CodedDiscriminator(D(), code, 4), G=infogan.CodedGenerator(G(), code))
    return infogan.infogan_step(images().to(to), **p, z_dim=Z, code=code)


def autoencoding(to):
    e, g = encoder().to(to), G().to(to)
    return vae.vae_step(images().to(to), E=e, G=g, opt=adam(e, g))


def masked_autoencoding(to):
    e, g = encoder().to(to), G().to(to)
    seen = (images() > 0).float().to(to)
    return holes.masked_vae_step(images().to(to), seen, E=e, G=g, opt=adam(e, g))


def vae_gan(to):
    p = players(to, E=encoder())
    return vae.vae_gan_step(images().to(to), **p, opt_E=adam(p["E"]))


def translating(to):
    p = players(to, pix2pix.PatchDiscriminator(1, 4), G=unet())
    return pix2pix.pix2pix_step(images().to(to), mask().to(to), **p)


def cycling(to):
    p = {k: translator().to(to) for k in "GF"} | {
        k: pix2pix.PatchDiscriminator(1, 4, outline=False).to(to) for k in ("D_A", "D_B")
    }
    return cyclegan.cyclegan_step(
        images().to(to), images().to(to), **p, opt_G=adam(p["G"], p["F"]), opt_D=adam(p["D_A"], p["D_B"])
    )


def again(to):
    look = perceptual.distance_in(judge().to(to).net, (1,), images())
    return perceptual.autoencoder_step(
        images().to(to), E=lambda x: x.flatten(1)[:, :Z], **players(to), distance=look, feature_weight=1.0, at=(1,)
    )


def restoring(to):
    g = restoration.Restorer(1, 4, 4, 1, z_dim=1).to(to)
    d = pix2pix.PatchDiscriminator(1, 4).to(to)
    return restoration.restore_step(
        images().to(to), images().to(to), G=g, opt_G=adam(g), D=d, opt_D=adam(d), features=judge().to(to).features,
        feature_weight=1.0, gan_weight=1.0, answers=2,
    )  # fmt: skip


def regressing(to):
    g = restoration.Restorer(1, 4, 4, 1).to(to)
    return restoration.pixel_step(images().to(to), images().to(to), G=g, opt_G=adam(g))


def gaining(to):
    g, d = gain.Player(3, fills=True).to(to), gain.Player(3).to(to)
    return gain.gain_step(A[None].to(to), SEEN[None].to(to), G=g, D=d, opt_G=adam(g), opt_D=adam(d))


def practising(to):
    g = gain.Player(3, fills=True).to(to)
    return gain.practice_step(A[None].to(to), SEEN[None].to(to), G=g, opt_G=adam(g))


def restyling(to):
    net = style.Transfer(4).to(to)
    return style.transfer_step(
        STYLES.to(to), STYLES.flip(0).to(to), net=net, opt=adam(net), bank=style.filters(3, (3,), 2)
    )


def marking(to):
    pair = {"encoder": marks.Encoder((1, SIDE, SIDE), 4, 2).to(to), "decoder": marks.Decoder((1, SIDE, SIDE), 4).to(to)}
    return marks.marking_step(images().to(to), **pair, opt=adam(*pair.values()), spoil=lambda x: x)


def moving_games(to):
    p = motion.players(2, width=4)
    p = {k: v.to(to) if isinstance(v, nn.Module) else v for k, v in p.items() if not k.startswith("opt")}
    p |= {"opt_G": adam(p["G"]), "opt_D": adam(p["D_frame"], p["D_clip"])}
    return motion.motion_step(moving(2 * N).view(2, N, 8, 6).to(to), **p)


def moving_vae(to):
    g, e = clip_g().to(to), motion.ClipJudge(2, 4, 2 * (3 + Z)).to(to)
    return motion.clip_vae_step(moving(2 * N).view(2, N, 8, 6).to(to), E=e, G=g, opt=adam(e, g))


def half(to):
    return D().to(to), images().to(to)


@seeded
def a_vocoder():
    return vocoder.Vocoder(4, (1,))


def by_ear(to):
    g, d = a_vocoder().to(to), seeded(vocoder.Ears)((2,), (2,)).to(to)
    return vocoder.vocoder_step(WAVES.to(to), G=g, D=d, opt_G=adam(g), opt_D=adam(d))


def by_bands(to):
    g = a_vocoder().to(to)
    return vocoder.spectral_step(WAVES.to(to), G=g, opt_G=adam(g))


def coding(to):
    c, d = a_codec().to(to), seeded(pix2pix.PatchDiscriminator)(1, 2, 10, outline=False).to(to)
    opts = {"opt_C": torch.optim.SGD(c.parameters(), 0.1), "opt_D": torch.optim.SGD(d.parameters(), 0.1)}
    return codec.codec_step(images(side=32).to(to), C=c, D=d, weight=0.1, **opts)


def flowing(to):
    v = a_velocity().to(to)
    return codec.flow_step(rows(N, 3).to(to), V=v, opt=torch.optim.SGD(v.parameters(), 0.1))


def styled(to):
    both = (network.to(to) for network in (style_g(), style_d()))
    return steps.train_step(images(channels=3).to(to), **style_generator.players(*both), z_dim=Z)


def drawing(to, **settings):
    g, d = painter().to(to), words.PairJudge(Z, 2).to(to)
    opts = {"opt_G": torch.optim.SGD(g.parameters(), 0.1), "opt_D": torch.optim.SGD(d.parameters(), 0.1)}
    return words.matching_step(images(channels=3, side=32).to(to), rows(N, Z).to(to), G=g, D=d, z_dim=Z, **opts)


def drawing_alone(to):
    g = painter().to(to)
    x = images(channels=3, side=32).to(to)
    return words.pixel_step(x, rows(N, Z).to(to), G=g, opt_G=torch.optim.SGD(g.parameters(), 0.1), z_dim=Z)


@seeded
def a_flow():
    return one_step.Velocity((1, SIDE, SIDE), 6, 1, bounded=True)


def distilled(to):
    made = {"G": one_step.Student(a_flow()).to(to), "D": smooth_D().to(to)}
    made |= {f"opt_{k}": adam(v) for k, v in made.items()}
    z = rows(N, SIDE * SIDE).to(to)
    return one_step.distil_step(images().to(to), z, images().to(to) / 2, **made, weight=0.3, penalty=losses.r1)


def a_student(to):
    v, z = a_flow().to(to), rows(N, SIDE * SIDE).to(to)
    made = one_step.student("regression + D", v, data_set(), (z, images().to(to)), steps=10, batch=4)
    return [*made.parameters()]


def accumulated(D, x):
    return memory.accumulate(lambda part: D(part).square().mean(), D, (x,), 2)


def talking(to):
    of = reward.Speaker(*(t.to(to) for t in reward.teacher(2)))
    d = reward.discriminator(2, width=8).to(to)
    student = reward.beginner(of)
    return of, student, d


def rewarded(to):
    of, student, _ = talking(to)
    x = of.speak(N, torch.Generator().manual_seed(0))
    opt = torch.optim.SGD(list(student), 0.1)
    return reward.reinforce_step(student, x, student.log_prob(x).detach(), opt, of.log_prob(x), 0.5)


def told_apart(to):
    of, student, d = talking(to)
    words = [s.speak(N, torch.Generator().manual_seed(0)) for s in (of, student)]
    return reward.judge_step(d, *words, torch.optim.SGD(d.parameters(), 0.1))


def by_heart(to):
    of, student, _ = talking(to)
    x = of.speak(N, torch.Generator().manual_seed(0))
    return reward.likelihood_step(student, x, torch.optim.SGD(list(student), 0.1))


def taught(to):
    d = flat_D().to(to)
    density_ratio.teach(d, lambda: rows(N, 2).to(to), lambda: rows(N, 2, 1.0).to(to), 2)
    return list(d.parameters())


def warmed(to):
    return list(reward.warm_up(*talking(to), 2, words=20, batch=8).parameters())


def trained_by_reward(to):
    of, student, d = talking(to)
    reward.train(of, student, d, "learning", 2, 0.3, 8, every=1)
    return list(student)


# f(device): players, and what they are given, in one place, as the Trainer hands it to a step
TOGETHER = {
    one_step.flow_loss: lambda to: one_step.flow_loss(
        a_flow().to(to), images().to(to), images().to(to) / 2, torch.linspace(0, 1, N, device=to)
    ),
    one_step.euler: lambda to: one_step.euler(a_flow().to(to), images().to(to), 2),
    one_step.flow: lambda to: [
        *one_step.flow(data_set(), (1, SIDE, SIDE), steps=2, batch=4, width=6, depth=1, device=to).parameters()
    ],
    one_step.distil_step: distilled,
    one_step.student: a_student,
    one_step.stretch: lambda to: one_step.stretch(partial(a_flow().to(to).end, t=0.0), images().to(to)),
    one_step.transport_turn: lambda to: one_step.transport_turn(
        batches(to, 2, 32), batches(to, 2, 32), weight=0.3,
        **{k: v for k, v in stacked_players(to).items() if k != "opt_D"},
    ),
    one_step.r1_of_worlds: lambda to: one_step.r1_of_worlds(
        stacked_players(to)["D"], batches(to, 2, 32), batches(to, 2, 32), 0.5
    ),
    memory.accumulate: lambda to: accumulated(smooth_D().to(to), images().to(to)),
    memory.checkpointed: lambda to: memory.checkpointed(D().to(to).net, images().to(to), 2),
    memory.apart: lambda to: torch.tensor(memory.apart([rows().to(to)], [A.to(to) * 2])).to(to),
    private.private_step: lambda to: private.private_step(
        images().to(to), **players(to, smooth_D()), z_dim=Z, clip=1.0, sigma=1.0, expected=4.0
    ),
    private.draw: lambda to: private.draw(stacked_players(to)["G"], 3),
    private.stacked_gradient: lambda to: private.stacked_gradient(
        private.players(2, 2, 0)[1].to(to), rows(8, 2).view(2, 4, 2).to(to), True, 1.0, torch.ones(2, 4, device=to)
    ),
    private.train: lambda to: private.draw(
        private.train(rows(8, 2).view(2, 4, 2).to(to), steps=2, batch=2, clip=1.0, sigma=1.0, seed=0)[0], 3
    ),
    steps.train_step: lambda to: steps.train_step(
        images().to(to), **players(to, smooth_D()), z_dim=Z, penalty=losses.wgan_gp, n_critic=2
    ),
    steps.cgan_step: lambda to: steps.cgan_step(
        images().to(to), labels().to(to), **label_players(to), z_dim=Z, loss=losses.relativistic, penalty=losses.r1
    ),
    steps.acgan_step: lambda to: steps.acgan_step(
        images().to(to), labels().to(to), **players(to, D(CLASSES, "acgan"), G=G(CLASSES)), z_dim=Z
    ),
    style_generator.players: styled,
    codec.codec_step: coding,
    codec.flow_step: flowing,
    infogan.infogan_step: coded,
    vae.vae_step: autoencoding,
    motion.motion_step: moving_games, motion.clip_vae_step: moving_vae,
    vae.vae_gan_step: vae_gan,
    gain.gain_step: gaining, gain.practice_step: practising,
    holes.masked_vae_step: masked_autoencoding,
    pix2pix.pix2pix_step: translating,
    cyclegan.cyclegan_step: cycling,
    perceptual.autoencoder_step: again,
    restoration.restore_step: restoring, restoration.pixel_step: regressing,
    marks.marking_step: marking,
    augment.adaptive_step: ada, style.transfer_step: restyling,
    words.matching_step: drawing, words.pixel_step: drawing_alone,
    density_ratio.teach: taught,
    reward.reinforce_step: rewarded, reward.judge_step: told_apart, reward.likelihood_step: by_heart,
    reward.warm_up: warmed, reward.train: trained_by_reward,
    reward.score_table: lambda to: reward.score_table(reward.discriminator(2, width=8).to(to), 2),
    vocoder.vocoder_step: by_ear, vocoder.spectral_step: by_bands,
    rare.cgan_step: lambda to: rare.cgan_step(
        images().to(to), labels().to(to), **label_players(to), z_dim=Z, weights=torch.ones(CLASSES),
        shares=torch.ones(CLASSES) / CLASSES,
    ),
    patients.step: lambda to: patients.step(images().to(to), labels().to(to), **label_players(to), z_dim=Z),
    patients.by_the_judgement: lambda to: patients.by_the_judgement(*half(to)),
    patients.total_variation_g: lambda to: patients.total_variation_g(*half(to)),
    patients.negated_g: lambda to: patients.negated_g(*half(to)),
    patients.fleeing_g: lambda to: patients.fleeing_g(*half(to)),
    patients.to_ones_g: lambda to: patients.to_ones_g(*half(to)),
    worlds.step: lambda to: worlds.step(
        batches(to, 2, 2, 16), batches(to, 2, 2, 16).repeat(2, 1, 1, 1)[:3], **stacked_players(to), unroll=0
    ),
    worlds.turn_D: lambda to: worlds.turn_D(
        batches(to, 2, 32), batches(to, 2, 32), **{k: v for k, v in stacked_players(to).items() if k != "opt_G"},
        penalty=losses.wgan_gp,
    ),
    worlds.turn_G: lambda to: worlds.turn_G(batches(to, 2, 32), batches(to, 2, 32), **stacked_players(to)),
    sampling.noise: lambda to: sampling.noise(G(CLASSES).to(to), N),
    sampling.refresh_batchnorm: lambda to: refreshed(G(CLASSES).to(to)),
    sampling.device_of: lambda to: [torch.zeros(1, device=sampling.device_of(G().to(to)))],
    metrics.as_torchmetrics: lambda to: metrics.as_torchmetrics(judge().to(to))(data.to_uint8(images()).to(to)),
    models.init_dcgan: lambda to: [*models.init_dcgan(D().to(to)).parameters()],
    models.spectral_norm: lambda to: models.spectral_norm(smooth_D().to(to))(images().to(to)),
    game.copied: lambda to: game.copied(D().to(to)),
    models.one_hot: lambda to: models.one_hot(labels().to(to), CLASSES),
    models.embed: lambda to: models.embed(seeded(nn.Embedding)(3, 2).to(to), labels().to(to)),
}  # fmt: skip


def refreshed(g):
    sampling.refresh_batchnorm(g, 2, 16)
    return [*g.buffers()]


@pytest.mark.parametrize("f", TOGETHER, ids=lambda f: f"{f.__module__.split('.', 1)[1]}.{f.__name__}")
def test_what_lives_together_stays_together(f, device):
    with sampling.seeded(0):
        here = TOGETHER[f]("cpu")
    with sampling.seeded(0):
        found = TOGETHER[f](device)
    assert {t.device.type for t in tensors(found)} == {device}
    if device == "elsewhere":
        compare(found, here)


# --------------------------------------------------------------------------------------------------- tensors alone

P, Q = masses(), masses(power=2.0)
POINTS = torch.tensor([[0.5, -0.2], [0.1, 0.3]], dtype=torch.float64)


def plain(f, *args, **settings):
    return lambda x: f(*(x(a) if torch.is_tensor(a) else a for a in args), **settings)


def at(fd, *args):
    return lambda x: [f(kind, *(x(a) for a in args)) for f, kind in ((fd, k) for k in divergences.ALL)]


def written(x):
    with tempfile.TemporaryDirectory() as folder:
        folders.write_images(x(images()), Path(folder) / "x.npy")
        folders.write_images(x(images()), Path(folder) / "x.png")
        checkpoints.write(folder, {"a": x(rows())}, {"step": 0, "seconds": 0, "settings": {}, "optimisers": {}}, {})
        return checkpoints.read(folder)[0]


def spoken(x) -> reward.Speaker:
    return reward.Speaker(*(x(t) for t in SAYS))


def scenes(x):
    return {k: x(v) for k, v in scene().items()}


A, B = rows(), rows(50, shift=0.3)
CHANCES, CELLS = A.softmax(1), worth.cells(densities.ring(), 3, 2)
SEEN = torch.arange(180).view(60, 3) % 4 > 0
FILLED = torch.where(SEEN, A, torch.stack([A / 2, -A]))
FILES = data.to_uint8(images(24))
KERNEL = rows(2, 27).view(2, 3, 3, 3)
FACTORS = style_generator.draw(N, torch.Generator().manual_seed(0))
LOGITS, MORE = rows(60, 40)[0], rows(60, 40)[1] + 0.3
SAYS = reward.teacher(2)
SPOKEN = SAYS.speak(N, torch.Generator().manual_seed(0))
LOG_P = SAYS.log_table()
TENSORS = {
    **{f: plain(f, images()) for f in augment.OPERATIONS.values()},
    memory.average_d: plain(memory.average_d, A[:, 0], A[:, 1]),
    memory.average_g: plain(memory.average_g, A[:, 0], A[:, 1]),
    density_ratio.gaussian_logit: plain(density_ratio.gaussian_logit, LOGITS, 0.5, 1.5),
    density_ratio.acceptance: plain(density_ratio.acceptance, rows(), torch.ones(60), 0.5),
    density_ratio.reject: plain(density_ratio.reject, LOGITS, 1.0),
    density_ratio.weights: plain(density_ratio.weights, LOGITS),
    density_ratio.effective_share: plain(density_ratio.effective_share, LOGITS.softmax(0)),
    density_ratio.resample: plain(density_ratio.resample, rows(), 5),
    density_ratio.chain: plain(density_ratio.chain, rows()),
    density_ratio.push: lambda x: density_ratio.push(lambda z: z.sin().sum(-1), x(rows()), 3, 0.1),
    density_ratio.reliability: lambda x: tuple(density_ratio.reliability(x(LOGITS), x(MORE))),
    density_ratio.calibrated: lambda x: [
        density_ratio.calibrated(x(LOGITS), x(MORE), kind)(x(LOGITS)) for kind in density_ratio.KINDS
    ],
    density_ratio.unevenness: lambda x: density_ratio.unevenness(x(A[:, :2]), densities.ring().modes, 0.5),
    reward.beginner: lambda x: list(reward.beginner(spoken(x))),
    reward.spelt: lambda x: reward.spelt(x(SPOKEN[0])),
    reward.likeliest: lambda x: [word for word, _ in reward.likeliest(x(LOG_P[0]), 3)],
    **{f: plain(f, LOG_P, LOG_P.flip(1)) for f in (reward.total_variation, reward.kl)},
    reward.tilted: plain(reward.tilted, LOG_P, LOG_P.flip(1), 0.5),
    reward.one_hot: plain(reward.one_hot, SPOKEN),
    codec.gaussian: plain(codec.gaussian, rows(N, 3), 4),
    forensics.as_files: plain(forensics.as_files, images(channels=3), 12),
    one_step.exact_velocity: plain(one_step.exact_velocity, POINTS, 0.5, POINTS + 1),
    one_step.same_mode: plain(one_step.same_mode, POINTS, POINTS + 1, POINTS),
    **{f: plain(f, FILES) for f in (forensics.power, forensics.log_spectrum)},
    **{f: plain(f, FILES, FILES.flip(3) // 2) for f in (forensics.excess, forensics.gain)},
    forensics.by_spectrum: lambda x: forensics.by_spectrum(x(FILES), x(FILES // 2))(x(FILES)),
    forensics.by_network: lambda x: [*forensics.by_network(x(FILES), x(FILES // 2), 2).parameters()],
    forensics.jpeg: plain(forensics.jpeg, FILES, 50),
    forensics.resized: plain(forensics.resized, FILES, 8),
    forensics.noisy: plain(forensics.noisy, FILES, 3.0),
    forensics.mended: plain(forensics.mended, FILES, torch.ones(12) / 2),
    augment.augment: plain(augment.augment, images(), p=0.5),
    rare.recipe: lambda x: [*rare.recipe("weights in D's loss", x(torch.ones(2) / 2)).values()],
    rare.probabilities: lambda x: rare.probabilities(x(images()), x(labels()), x(images()), torch.ones(3), steps=2),
    rare.reweighed: plain(rare.reweighed, CHANCES, torch.ones(3)),
    **{f: plain(f, CHANCES, labels(60), (1,), torch.ones(3) / 3) for f in (rare.scores, rare.reliability)},
    rare.traded: plain(rare.traded, CHANCES, labels(60), (1,), torch.ones(3) / 3, (0.5, 2.0)),
    **{f: lambda x, f=f: f(x(A[:, :2]), CELLS) for f in (worth.shares, worth.quantile_error)},
    worth.mean_error: lambda x: worth.mean_error(x(A[:, :2]), densities.ring()),
    worth.train: lambda x: worth.train(x(A[None, :, :2]), stops=(2,), n_samples=9, width=4)[2],
    **{f: plain(f, A[:, :2], 20) for f in worth.MODELS.values()},
    scarce.moved: plain(scarce.moved, images()),
    scarce.mixed: lambda x: scarce.mixed(moved(data_set(), x), x(labels())),
    scarce.batch: lambda x: scarce.batch(moved(data_set(), x), (x(images()), x(labels())), 0.5, N),
    scarce.classifier: lambda x: [
        *scarce.classifier(moved(data_set(), x), (images(), labels()), change=scarce.moved, steps=2).parameters()
    ],
    augment.overfitting: plain(augment.overfitting, rows(N, 1)[:, 0]),
    checkpoints.write: written,
    folders.write_images: written,
    pixels.as_float: plain(pixels.as_float, data.to_uint8(images())),
    data.to_float: plain(data.to_float, data.to_uint8(images())),
    data.to_uint8: plain(data.to_uint8, images()),
    data.to_channels: lambda x: [data.to_channels(x(data.to_uint8(images(channels=c))), 4 - c) for c in (1, 3)],
    data.resize: plain(data.resize, data.to_uint8(images()), 8),
    densities.masses: plain(densities.masses, P * 10, 0.1),
    densities.check_masses: plain(densities.check_masses, P, Q),
    densities.jsd: plain(densities.jsd, P, Q),
    own_pictures.eye: lambda x: [own_pictures.eye(x(images()), 3)(x(images())).abs()],  # signs mean nothing
    own_pictures.measure: lambda x: [*own_pictures.measure(x(A), x(B), x(A + 0.5))[2:]],
    completions.rmse: plain(completions.rmse, FILLED, A, SEEN),
    completions.spread_kept: plain(completions.spread_kept, FILLED, A, SEEN),
    completions.energy_of_filling: plain(completions.energy_of_filling, FILLED[0], A),
    completions.accuracy: lambda x: completions.accuracy(
        x(A), x(labels(60)), x(A), x(labels(60)), masks=(x(SEEN), x(SEEN))
    ),
    completions.rubin: lambda x: tuple(completions.rubin(x(A[:5]), x(A[:5].exp()))),
    completions.means: plain(completions.means, FILLED),
    completions.slopes: plain(completions.slopes, FILLED, 0, [1, 2]),
    completions.slope_bias: plain(completions.slope_bias, FILLED, A, 0, [1]),
    completions.covered: lambda x: tuple(
        completions.covered([completions.rubin(x(A[:5]), x(A[:5].exp()))], x(A[0]))
    ),
    completions.within_range: plain(completions.within_range, FILLED, A, SEEN),
    completions.apart: plain(completions.apart, FILLED, SEEN),
    divergences.exact: at(divergences.exact, P, Q),
    divergences.bound: at(divergences.bound, -P, P, Q),
    divergences.wasserstein1: plain(divergences.wasserstein1, P, Q, 0.1),
    divergences.mmd2: plain(divergences.mmd2, P, Q, torch.arange(10) / 10),
    dynamics.dirac: plain(dynamics.dirac, POINTS, losses.hinge, noise=0.1),  # with consensus, torch 2.13 crashes
    dynamics.step: plain(lambda w: dynamics.step(torch.neg, w, 0.1), POINTS),
    dynamics.path: plain(lambda w: dynamics.path(torch.neg, w, 0.1, 3, clip=0.3), POINTS),
    dynamics.flow: plain(lambda w: dynamics.flow(torch.neg, w, 0.1, 3), POINTS),
    dynamics.jacobian: plain(lambda w: dynamics.jacobian(torch.sin, w), POINTS[0]),
    dynamics.update_matrix: lambda x: [
        dynamics.update_matrix(x(POINTS), 0.1, rule, beta) for rule in dynamics.RULES for beta in (0.0, 0.5)
    ],
    dynamics.radius: plain(dynamics.radius, POINTS, 0.1),
    entanglement.change: plain(entanglement.change, A, B.repeat(2, 1)[:60], B, named=1),
    entanglement.ambiguity: plain(entanglement.ambiguity, A[:3].abs()),
    entanglement.mutual_information: lambda x: tuple(entanglement.mutual_information(x(A), x(A[:, :2]), 4)),
    entanglement.mig: lambda x: entanglement.mig(
        entanglement.MutualInformation(x(A[:2].abs()), x(A[0].abs() + 1))
    ),
    entanglement.dci: plain(entanglement.dci, A[:3].abs()),
    holes.table: lambda x: holes.table(x(images(side=28))),
    holes.pictures: lambda x: holes.pictures(x(PIXELS)),
    holes.seen_means: lambda x: holes.seen_means(x(PIXELS), x(SHOWN)),
    holes.by_mean: lambda x: holes.by_mean(x(PIXELS), x(SHOWN), x(PIXELS), x(SHOWN)),
    holes.by_nearest: lambda x: holes.by_nearest(x(PIXELS), x(SHOWN), x(PIXELS), x(SHOWN), 2),
    holes.labelled: lambda x: holes.labelled(x(images(side=28)), [""] * N),
    holes.wrong_everywhere: lambda x: holes.wrong_everywhere(x(PIXELS[None] / 3), x(PIXELS), x(SHOWN)),
    holes.fit_gain: lambda x: [
        *holes.fit_gain(x(PIXELS[None]), x(SHOWN[None]), steps=1, batch=4, width=4).parameters()
    ],
    holes.fit_vae: lambda x: [*holes.fit_vae(x(PIXELS), x(SHOWN), steps=1, batch=4, z_dim=Z)[1].parameters()],
    gain.chances: lambda x: [gain.chances(x(A), 0.3, way) for way in gain.MECHANISMS],
    gain.hide: plain(gain.hide, A, 0.3, "given what is not"),
    gain.prepare: lambda x: tuple(gain.prepare(x(A), SEEN)),
    gain.restore: lambda x: gain.restore(gain.prepare(x(A), x(SEEN)), x(A)),
    gain.with_noise: plain(gain.with_noise, A, SEEN),
    gain.fit: lambda x: gain.fit(x(A[None]), x(SEEN[None]), steps=2, every=1, batch=4)[1:],
    gain.fill_by: lambda x: gain.fill_by(gain.practice_step, x(A), x(SEEN[None]), steps=2, every=1, batch=4),
    gain.fill: lambda x: gain.fill(x(A), x(SEEN), "mean"),
    **{f: plain(f, images()) for f in (handles.strokes, handles.garments)},
    handles.things: plain(handles.things, images(channels=3)),
    handles.directions: lambda x: handles.directions(x(rows(60)), {"a": x(rows(60)[:, 0])}, x(labels(60))),
    handles.apart: plain(handles.apart, rows(1)[0], rows(1, 3, 1.0)),
    handles.effect: lambda x: handles.effect(
        lambda z: z, lambda z: {"a": z[:, 0]}, lambda z: z[:, 1] > 0, x(rows(60)), x(torch.eye(3)[0]), "a"
    ).works,
    taste.described: lambda x: taste.described({"a": x(rows(60)[:, 0])}, x(rows(60)), x(labels(60)), ("a", "b"))[0],
    taste.diversity: plain(taste.diversity, rows(9), rows(20)),
    taste.vendi: plain(taste.vendi, rows(9), 1.0),
    taste.varied_page: plain(taste.varied_page, rows()[:, 0], rows(), 5, 0.5),
    studio.png: lambda x: list(studio.png(x(images()[0]), {"date": "2026"})),
    studio.gif: lambda x: list(studio.gif(x(images()))),
    latent.lerp: plain(latent.lerp, A[0], A[1], torch.tensor([0.1, 0.7])),
    latent.slerp: lambda x: latent.slerp(x(A[0]), x(A[1]), torch.tensor([0.1, 0.7])),
    latent.direction: lambda x: [latent.direction(x(A), x(y)) for y in (A[:, 0], A[:, 0] > 0)],
    latent.explained: lambda x: [latent.explained(x(A[0]), x(A), x(y), x(A), x(y)) for y in (A[:, 0], A[:, 0] > 0)],
    latent.with_coordinate: plain(latent.with_coordinate, A, torch.tensor([1.0, 0, 0]), 0.5),
    **{f: plain(f, A[:, 0], A[:, 1]) for loss in losses.ALL for f in loss[1:3]},
    _inputs.check_features: plain(_inputs.check_features, A, B, 2),
    metrics.inception_score: plain(metrics.inception_score, A.softmax(1)),
    metrics.frechet_distance: plain(metrics.frechet_distance, A, B),
    metrics.frechet_from_moments: plain(metrics.frechet_from_moments, A[0], A.T.cov(), B[0], B.T.cov()),
    metrics.frechet_extrapolated: plain(metrics.frechet_extrapolated, A, B),
    metrics.energy_distance: lambda x: [metrics.energy_distance(x(A), x(B), kind) for kind in (False, True)],
    metrics.reliability: plain(metrics.reliability, CHANCES[:, 0], labels(60) == 0, CHANCES[:, 1]),
    metrics.kernel_distance: lambda x: [metrics.kernel_distance(x(A), x(B), k, 10) for k in (0, 2)],
    metrics.psnr: plain(metrics.psnr, images(), images() / 2),
    metrics.ssim: plain(metrics.ssim, images(), images() / 2),
    metrics.bootstrap: lambda x: tuple(metrics.bootstrap(metrics.frechet_distance, x(A), x(B), repeats=20)),
    metrics.jackknife: lambda x: tuple(metrics.jackknife(metrics.frechet_distance, x(A), x(B), blocks=10)),
    metrics.precision: plain(metrics.precision, A, B),
    metrics.recall: plain(metrics.recall, A, B),
    metrics.density: plain(metrics.density, A, B),
    metrics.coverage: plain(metrics.coverage, A, B),
    metrics.neighbourhoods: lambda x: [tuple(e) for e in metrics.neighbourhoods(x(A), x(B))],
    metrics.recall_per_class: plain(metrics.recall_per_class, A, labels(60), B, labels(50)),
    metrics.nearest: plain(metrics.nearest, A, B),
    metrics.auc: plain(metrics.auc, A[:, 0], B[:, 0]),
    metrics.membership_advantage: lambda x: tuple(metrics.membership_advantage(x(A[:, 0]), x(B[:, 0]))),
    metrics.copying: lambda x: tuple(metrics.copying(x(A), x(B), x(A + 1))),
    metrics.copying_u: lambda x: tuple(metrics.copying_u(x(A), x(B), x(A + 1))),
    metrics.judge_few: lambda x: {k: tuple(v) for k, v in metrics.judge_few(x(A), x(B)).items()},
    metrics.judge_all: lambda x: {
        k: tuple(v) for k, v in metrics.judge_all(x(A), x(B), x(A + 1), x(A.softmax(1))).items()
    },
    metrics.spectrum: plain(metrics.spectrum, images()),
    metrics.sharpness: plain(metrics.sharpness, images(), images() / 2),
    metrics.nearest_mode: plain(metrics.nearest_mode, A, A[:4]),
    metrics.good_share: plain(metrics.good_share, A, A[:4], 0.1),
    metrics.modes_covered: plain(metrics.modes_covered, A, A[:2], 0.1),
    metrics.classifier_two_sample: lambda x: [
        tuple(metrics.classifier_two_sample(x(A), x(B), kind)) for kind in ("logistic", "nearest")
    ],
    models.check_labels: plain(models.check_labels, labels(), CLASSES),
    patients.total_variation_d: plain(patients.total_variation_d, A[:, 0], B[:, 0]),
    plots.array: lambda x: torch.from_numpy(plots.array(x(A))),
    outlines.figures: plain(outlines.figures, images(channels=3, side=32)),
    outlines.overlap: lambda x: outlines.overlap(x(images(channels=3, side=32))),
    style_generator.render: plain(style_generator.render, FACTORS, 16),
    words.render: plain(words.render, SCENES),
    words.say: lambda x: words.say(x(SCENES), torch.Generator().manual_seed(0))[1],
    words.contrast: plain(words.contrast, rows(N, Z), rows(N, Z).flip(0)),
    words.matching_loss: plain(words.matching_loss, rows(N), rows(N) / 2, rows(N) - 1),
    style_generator.modulated_conv: plain(style_generator.modulated_conv, images(channels=3), KERNEL, rows(N)),
    style_generator.demodulation: plain(style_generator.demodulation, KERNEL, rows(N)),
    style_generator.doubled: plain(style_generator.doubled, images()),
    style_generator.batch_deviation: plain(style_generator.batch_deviation, images()),
    reader.render: plain(reader.render, reader.draw(N, torch.Generator().manual_seed(0))),
    restoration.downscale: plain(restoration.downscale, images(), 2),
    restoration.add_noise: lambda x: restoration.add_noise(x(images()), 0.1, torch.Generator().manual_seed(0)),
    restoration.blur: plain(restoration.blur, images(), 1.0),
    restoration.punch: plain(restoration.punch, images(), mask()),
    restoration.check_mask: plain(restoration.check_mask, mask(), images()),
    restoration.bicubic: plain(restoration.bicubic, images(), 2),
    restoration.median: plain(restoration.median, images()),
    restoration.total_variation: plain(restoration.total_variation, images(2)),
    restoration.wiener: plain(restoration.wiener, images(2), 1.0),
    restoration.richardson_lucy: plain(restoration.richardson_lucy, images(2), 1.0, iterations=2),
    restoration.biharmonic: plain(restoration.biharmonic, images(2), mask(2)),
    sound.harmonics: plain(sound.harmonics, PITCH, rows(N), rows(N), rows(N).abs()),
    sound.string: plain(sound.string, PITCH, PITCH / 400, PITCH / 400, PITCH / 200),
    sound.vowel: plain(sound.vowel, PITCH, PITCH[:, None] * torch.tensor([5, 9, 20]), PITCH / 200),
    sound.check_wave: plain(sound.check_wave, WAVES), sound.log_bands: plain(sound.log_bands, WAVES),
    sound.stft: lambda x: sound.stft(x(WAVES)).abs(),
    sound.inverse: lambda x: sound.inverse(sound.stft(x(WAVES))),
    sound.griffin_lim: lambda x: sound.griffin_lim(sound.stft(x(WAVES)).abs(), 2),
    sound.magnitudes: lambda x: sound.magnitudes(sound.log_bands(x(WAVES)), 2),
    sound.nearest_sound: plain(sound.nearest_sound, rows(N), rows(), rows()),
    sound.read_pitch: lambda x: tuple(sound.read_pitch(x(WAVES))),
    sound.cents: plain(sound.cents, PITCH, PITCH.flip(0)), sound.from_scale: plain(sound.from_scale, PITCH),
    sound.band_error: plain(sound.band_error, WAVES, WAVES.flip(0)),
    sound.told_apart: lambda x: sound.told_apart(x(WAVES).repeat(6, 1), x(WAVES).repeat(6, 1)),
    vocoder.spectral_loss: lambda x: vocoder.spectral_loss(x(WAVES), sound.log_bands(x(WAVES)) / 2),
    vocoder.phase_shuffle: lambda x: vocoder.phase_shuffle(x(WAVES)[None], 0),
    style.answers: plain(style.answers, SQUARE, FEW),
    style.transforms: lambda x: [t.abs() for t in style.transforms(FEW, (16, 16), x(SQUARE))],
    style.synthesise: lambda x: style.synthesise(style.Style(x(SQUARE), "Gram matrix", FEW), 16, 2)[:1],
    style.nearest_patches: lambda x: style.nearest_patches(x(SQUARE), 32)[:1],
    style.told_apart: lambda x: style.told_apart([x(SQUARE)], x(SQUARE.flip(3))),
    style.edge_distance: lambda x: style.edge_distance([x(SQUARE)], x(SQUARE.flip(3))),
    style.newness: plain(style.newness, SQUARE, SQUARE.flip(3)),
    style.adain: plain(style.adain, images(channels=3), images(channels=3) / 2),
    style.content_maps: plain(style.content_maps, STYLES),
    style.recoloured: plain(style.recoloured, STYLES, STYLES / 2),
    style.transfer: lambda x: style.transfer(x(SQUARE), x(SQUARE.flip(3)), 0.5, 2)[:1],
    style.edges: plain(style.edges, STYLES),
    style.edges_kept: plain(style.edges_kept, STYLES, STYLES.flip(3)),
    style.found_again: plain(style.found_again, STYLES, STYLES / 2),
    style_mixing.mix: lambda x: style_mixing.mix(x(A), x(A + 1), [1], 3),
    style_mixing.truncated: lambda x: style_mixing.truncated(x(A), x(A[0]), 0.5),
    style_mixing.redrawn: lambda x: style_mixing.redrawn(
        x(images(channels=3, side=32)), torch.zeros(N, 6), style_mixing.world()
    ),
    style_mixing.apart: plain(style_mixing.apart, A, A + 1, 1),
    style_mixing.usual: plain(style_mixing.usual, A, 0),
    style_mixing.space: lambda x: style_mixing.space(None, x(A), x(A[:, :2]), None, (), bins=4)[:2],
    style_mixing.evenness: plain(style_mixing.evenness, A, ()),
    marks.agreeing: plain(marks.agreeing, rows(N, 32).sign(), torch.ones(32)),
    marks.filed: plain(marks.filed, images()), marks.attack: plain(marks.attack, images(), "JPEG"),
    **{f: plain(f, images(), v) for f, v in ((marks.jpeg, 40), (marks.moved, 2), (marks.smaller, 0.5))},
    marks.blurred: plain(marks.blurred, images(), 1.0), marks.spoiler: plain(marks.spoiler, images()),
    marks.components: lambda x: [t.abs() for t in marks.components(x(A.tanh().view(60, 1, 3, 1)))],  # any sign
    marks.redrawn: lambda x: marks.redrawn(x(images()), marks.components(images(300)), 3),
    manifest.with_texts: lambda x: [manifest.pixels(manifest.with_texts(x(images(1))))],
    duel.placements: plain(duel.placements, images()),
    duel.damage: plain(duel.damage, images(), images() / 2),
    shapes.render: lambda x: shapes.render(scenes(x), 16),
    private.clipped_sum: lambda x: private.clipped_sum({"a": x(A), "b": x(A[:, 0])}, 0.5),
    private.poisson: lambda x: private.poisson(x(A))(5),
    private.caught: plain(private.caught, A[:, 0], B[:, 0]),
    outputs.last_operation: lambda x: outputs.last_operation(x(A).clone().requires_grad_().tanh()),
    outputs.last_operations: lambda x: outputs.last_operations(x(A).clone().requires_grad_().exp().tanh(), 2),
    outputs.as_rows: plain(outputs.as_rows, images(side=32)), outputs.nearest_other: plain(outputs.nearest_other, A),
    outputs.pixel_correlation: plain(outputs.pixel_correlation, images()),
    pix2pix.edges: plain(pix2pix.edges, images()),
    pix2pix.silhouettes: plain(pix2pix.silhouettes, data.to_uint8(images())),
    pix2pix.check_outline: plain(pix2pix.check_outline, mask()),
    pix2pix.follows: plain(pix2pix.follows, mask(), mask()),
    pix2pix.spread: plain(pix2pix.spread, images()[:, None]),
    pix2pix.nearest_outline: lambda x: pix2pix.nearest_outline(x(mask()), mask(20), 3),
    cyclegan.with_background: lambda x: cyclegan.with_background(scenes(x), "night"),
    cyclegan.rim: plain(cyclegan.rim, images()),
    motion.bounced: plain(motion.bounced, A, 0.1, 0.7),
    motion.path: lambda x: motion.path(x(motion.draw(0)["start"]), x(motion.draw(0)["velocity"])),
    motion.masks: lambda x: motion.masks(motion.parts(x(moving()))[1]),
    motion.numbers: lambda x: motion.numbers(*motion.parts(x(moving()))),
    motion.parts: plain(motion.parts, moving()),
    motion.paint: plain(motion.paint, moving()),
    motion.read: plain(motion.read, motion.paint(moving())),
    motion.look: plain(motion.look, moving()),
    motion.off_path: lambda x: motion.off_path(motion.parts(x(moving()))[1]),
    motion.exchanged: plain(motion.exchanged, A, A + 1, 1),
    vae.gaussian_kl: plain(vae.gaussian_kl, A, A),
    vae.gaussian_log_likelihood: plain(vae.gaussian_log_likelihood, images(), images() / 2, 0.5),
    view.histogram: plain(view.histogram, A[:, :2]),
    view.kl: plain(view.kl, P, Q),
    worlds.packed: plain(worlds.packed, A[None], 2),
}  # fmt: skip


@pytest.mark.parametrize("f", TENSORS, ids=lambda f: f"{f.__module__.split('.', 1)[1]}.{f.__name__}")
def test_tensors_from_another_device(f, device):
    with sampling.seeded(0):
        here = TENSORS[f](lambda t: t)
    with sampling.seeded(0):
        found = TENSORS[f](lambda t: t.to(device))
    if device == "elsewhere":
        compare(found, here)


# ----------------------------------------------------------------------------------------------- every network alone


def two_sides(D, x_real, x_fake):
    return D + x_real - x_fake


MODULES = {
    models.MLPGenerator: (flat_G, rows(N, Z)),
    models.MLPDiscriminator: (flat_D, rows(N, 2)),
    models.DCGenerator: (partial(G, CLASSES), rows(N, Z), labels()),
    models.DCDiscriminator: (partial(D, CLASSES), images(), labels()),
    metrics.Classifier: (judge, images()),
    forensics.Network: (detector, images()),
    one_step.Velocity: (a_flow, images(), torch.linspace(0, 1, N)),
    one_step.Student: (lambda: one_step.Student(a_flow()), rows(N, SIDE * SIDE)),
    one_step.Judge: (lambda: one_step.Judge(SIDE, 1, 2), images()),
    memory.Deviation: (memory.Deviation, images()),
    codec.Codec: (a_codec, images(side=32)),
    codec.Velocity: (a_velocity, rows(N, 3), rows(N, 1)),
    reader.Reader: (a_reader, images(channels=3)),
    scaling.EqualConv: (lambda: scaling.EqualConv(3, 4), images(channels=3)),
    scaling.Stage: (lambda: scaling.Stage(3, 4, 2, True), images(channels=3)),
    scaling.Generator: (lambda: scaling.Generator(SIDE, 2, z_dim=Z), rows(N, Z)),
    scaling.Discriminator: (lambda: scaling.Discriminator(SIDE, 2), images(channels=3)),
    style_generator.EqualLinear: (lambda: style_generator.EqualLinear(Z, 6), rows(N, Z)),
    style_generator.Mapping: (lambda: style_generator.Mapping(Z, 6), rows(N, Z)),
    style_generator.StyledConv: (
        lambda: style_generator.StyledConv(3, 4, Z), rows(N, 48).view(N, 3, 4, 4), rows(N, Z), torch.ones(N, 1, 4, 4)
    ),
    style_generator.StyleGenerator: (style_g, rows(N, Z)),
    style_generator.ResidualHalving: (lambda: style_generator.ResidualHalving(3, 4), images(channels=3)),
    style_generator.StyleDiscriminator: (style_d, images(channels=3)),
    style_generator.Lazily: (lambda: style_generator.Lazily(two_sides), A, A, A),
    words.TextEncoder: (words.TextEncoder, words.tokens(SAID)),
    words.Painter: (painter, rows(N, Z), rows(N, Z)),
    words.PairJudge: (lambda: words.PairJudge(Z, 2), images(channels=3, side=32), rows(N, Z)),
    infogan.CodedGenerator: (lambda: infogan.CodedGenerator(G(), infogan.Code(2, 1)), rows(N, Z)),
    infogan.CodedDiscriminator: (lambda: infogan.CodedDiscriminator(D(), infogan.Code(2, 1)), images()),
    gain.Player: (lambda: gain.Player(3, fills=True), A[None], SEEN[None]),
    holes.Filler: (lambda: holes.Filler(3, 1, 4, fills=True), A[None], SEEN[None]),
    motion.ClipGenerator: (clip_g, clip_codes()),
    motion.ClipJudge: (lambda: motion.ClipJudge(2, 4), moving(2 * N).view(2, N, 8, 6)),
    vae.Encoder: (lambda: vae.Encoder(SIDE, 1, Z, 2), images()),
    pix2pix.UNet: (lambda: pix2pix.UNet(1, 4, z_dim=2), mask()),
    pix2pix.PatchDiscriminator: (lambda: pix2pix.PatchDiscriminator(1, 4), images(), mask()),
    cyclegan.Translator: (lambda: cyclegan.Translator(1, 4, 1), images()),
    style.Transfer: (lambda: style.Transfer(4), STYLES, STYLES.flip(0)),
    vocoder.Vocoder: (a_vocoder, rows(N, 20 * 9).view(N, 20, 9)),
    vocoder.Folded: (lambda: vocoder.Folded(3), WAVES),
    vocoder.Ears: (lambda: vocoder.Ears((2,), (2,)), WAVES),
    vocoder.WaveGenerator: (vocoder.WaveGenerator, rows(N, 32)),
    vocoder.WaveDiscriminator: (partial(vocoder.WaveDiscriminator, 0), WAVES),
    restoration.Restorer: (lambda: restoration.Restorer(1, 4, 4, 1, True, 1), torch.cat([images(), mask()], 1)),
    augment.Augmented: (lambda: augment.Augmented(D()), images()),
    stacked.StackedLinear: (lambda: stacked.StackedLinear(1, 3, 2, worlds.streams(0, 0)), A[None]),
    stacked.StackedNorm: (lambda: stacked.StackedNorm(1, 3), A[None]),
    stacked.StackedSpectralNorm: (lambda: stacked.StackedSpectralNorm(A[None], worlds.streams(0, 0)), A[None]),
    stacked.StackedMLP: (
        lambda: stacked.StackedMLP(1, [3, 4, 4, 1], worlds.streams(0, 0), norms=[0], minibatch_std=True), A[None]
    ),
    patients.Blind: (lambda: patients.Blind(G(CLASSES)), rows(N, Z), labels()),
    patients.Then: (lambda: patients.Then(D(), torch.sigmoid), images()),
    marks.Encoder: (lambda: marks.Encoder((1, SIDE, SIDE), 4, 2), images(), rows(N, 32)),
    marks.Decoder: (lambda: marks.Decoder((1, SIDE, SIDE), 4), images()),
    vgg.ImageNetPixels: (vgg.ImageNetPixels, images()),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODULES, ids=lambda kind: kind.__name__)
def test_every_network_runs_there(kind, device):
    make, *inputs = MODULES[kind]
    found = []
    for to in ("cpu", device):
        with sampling.seeded(0):
            found.append(make().to(to)(*(x.to(to) for x in inputs)))
    assert {t.device.type for t in tensors(found[1])} == {device}
    if device == "elsewhere":
        compare(found[1], found[0])


@pytest.mark.parametrize("condition", models.CONDITIONS)
def test_every_condition_runs_there(condition, device):
    g, d = models.build("cgan", image_size=SIDE, z_dim=Z, width=2, n_classes=CLASSES, condition=condition)
    x = g.to(device)(rows(N, Z).to(device), labels().to(device))
    assert d.to(device)(x, *(() if condition == "acgan" else (labels().to(device),))).device.type == device


# --------------------------------------------------------------------------------- trainer, checkpoints, run, widgets


def trainer(device, **settings):
    with sampling.seeded(0):
        p = players("cpu", smooth_D())
    step = partial(steps.train_step, z_dim=Z)
    return Trainer(step, p, data_set().sample, batch_size=N, ema=0.9, device=device, **settings)


def test_a_trainer_runs_on_the_device_that_it_is_given(device):
    run, here = trainer(device), None
    assert sampling.device_of(run.modules["G"]).type == run.device.type == device
    assert pictures.watch(run, steps=3) is run
    assert sampling.device_of(run.averaged()).type == device
    assert run.sample(N).device.type == "cpu"
    if device == "elsewhere":
        here = trainer("cpu")
        assert next(here.run(steps=3))["step"] == 3 and here.history == run.history
        assert torch.equal(run.sample(N), here.sample(N))


def test_a_checkpoint_goes_on_on_another_device(device, tmp_path):
    first = trainer(device)
    [*first.run(steps=2)]
    first.save(tmp_path)
    for to in (device, "cpu") if device == "elsewhere" else (device,):  # Accelerate keeps one device a process
        run = trainer(to)
        run.load(tmp_path)
        assert sampling.device_of(run.ema).type == sampling.device_of(run.modules["D"]).type == to
        assert [*run.run(steps=4)][-1]["step"] == 4
        if device == "elsewhere":
            [*first.run(steps=4)]
            assert run.history == first.history and torch.equal(run.sample(N), first.sample(N))


def test_a_checkpoint_of_a_gpu_goes_on_on_the_cpu(tmp_path):
    """It holds the GPU's random numbers too, for which there is no use here."""
    first, run = trainer("cpu"), trainer("cpu")
    [*first.run(steps=2)]
    first._rng = [*first._rng, torch.zeros(16, dtype=torch.uint8)]
    first.save(tmp_path)
    if not torch.cuda.is_available():
        run.load(tmp_path)
        assert [*run.run(steps=4)][-1]["step"] == 4


def test_a_device_that_there_is_not_is_refused():
    with pytest.raises(RuntimeError, match="nowhere"):
        trainer("nowhere")


def test_a_value_that_a_step_left_on_the_cpu_is_recorded(device):
    def step(x, G, D):
        return {"there": D(x).mean().detach(), "here": torch.tensor(1.0)}

    run = Trainer(step, {"G": G(), "D": D()}, lambda n: images(n), device=device, precision=None)
    [*run.run(steps=2)]
    assert run.history["here"] == [1.0, 1.0]


def test_ada_runs_in_a_trainer(device):
    run = Trainer(
        partial(augment.adaptive_step, z_dim=Z), players("cpu", augment.Augmented(D())), data_set().sample,
        batch_size=N, device=device,
    )  # fmt: skip
    [*run.run(steps=2)]
    assert len(run.history["r"]) == 2


def test_the_doctor_examines_a_run_there(device):
    found = doctor.examine(trainer(device))
    assert not any("two devices" in why or "device" in why for why in found.skipped.values()), found.skipped
    assert found.case.round is not None
    report = examined(lambda m: m.to(device), lambda t: t)
    assert report.case.round is not None and report.case.again is not None, report.skipped
    assert report._repr_html_() == examined(lambda m: m, lambda t: t)._repr_html_() or device == "cuda"


def test_images_and_densities_draw_by_a_generator_of_the_cpu(device):
    equal = torch.equal if device == "elsewhere" else partial(torch.allclose, atol=1e-6)  # CUDA rounds otherwise
    there = data_set().to(device)
    drawn = [i.sample(N, torch.Generator().manual_seed(0)) for i in (data_set(), there)]
    assert drawn[1].device.type == device and equal(drawn[0], drawn[1].cpu())
    assert there.only("b", "a").sample_labelled(N)[1].device.type == device
    assert there.x_test.device.type == there.labels.device.type == device
    for name, make in densities.ALL.items():
        of = make()
        x = of.sample(N, torch.Generator().manual_seed(0), device)
        assert equal(x.cpu(), of.sample(N, torch.Generator().manual_seed(0))), name
        assert of.sample(N, device=device).device.type == x.device.type == device
        if of.has_pdf:
            assert equal(of.pdf(x).cpu(), of.pdf(x.cpu()))


def test_pairs_and_domains_draw_there(device):
    x = data.to_uint8(images()).to(device)
    for batch in (pix2pix.Pairs(x, mask().to(device)).sample(3), cyclegan.Unpaired(x, x).sample(3)):
        assert {t.device.type for t in batch} == {device}


def test_a_judge_is_trained_where_the_images_are(device):
    made = metrics.train_judge(data_set().to(device), steps=2, batch_size=N)
    assert sampling.device_of(made).type == device


def test_worlds_train_there(device):
    run = worlds.train(
        densities.ring(), worlds=2, steps=2, batch=16, width=4, n_samples=200, spectral_norm=True,
        penalty=losses.wgan_gp, device=device, measure=lambda x: {"mean": x.mean((1, 2))},
    )  # fmt: skip
    assert sampling.device_of(run.G).type == device
    assert {t.device.type for t in (*run.records.values(), run.samples)} == {"cpu"}


def test_a_run_of_a_recipe_lives_there(device, tmp_path, monkeypatch):
    settings, there = recipes.prepare("cgan", "digits", image_size=16, width=2, z_dim=Z, batch_size=N)
    run = recipes.trainer(settings, there, device)
    [*run.run(steps=2)]
    run.save(tmp_path, settings)
    again = recipes.load_trainer(tmp_path, device)
    assert again.step == 2 and sampling.device_of(again.modules["G"]).type == device
    g, _ = recipes.load_generator(tmp_path)
    assert sampling.device_of(g).type == "cpu" and sampling.generate(g, N).shape == (N, 1, 16, 16)
    got = summary._logits(run, there, torch.arange(20), images(20), labels(20))
    assert {t.device.type for t in got.values()} == {"cpu"}


def test_what_is_stored_goes_there(device, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    net = stored.rounded(G().to(device))
    assert stored.write("99_x", {}, stored.half(net, "G")) > 0
    again = stored.network(G().to(device), "99_x", "G")
    assert sampling.device_of(again).type == device
    for a, b in zip(again.parameters(), net.parameters(), strict=True):
        assert torch.equal(a.cpu(), b.detach().cpu())


def test_widgets_show_what_is_there(device):
    g = G().to(device)
    answer = lambda ink: g(ink.flatten()[:Z][None].to(device)) / 50  # noqa: E731
    assert widgets.sketch(answer, 28).picture()
    x = images().to(device)
    assert widgets.image_map(x, {"a": x.flatten(1)[:, :2]}, labels().to(device)).picture()
    assert plots.tile(x).shape and plots.array(x.bfloat16()).dtype.kind == "f"


def test_marks_are_written_and_read_there(device):
    pair = marks.Encoder((1, SIDE, SIDE), 4, 2), marks.Decoder((1, SIDE, SIDE), 4)
    message = marks.messages(N)
    there = marks.Learnt(*(network.to(device) for network in pair))
    for way in (marks.Patterns((1, SIDE, SIDE)), there):
        here = way.mark(images(), message)
        for x, m in ((images().to(device), message), (images().to(device), message.to(device))):
            marked = way.mark(x, m)
            assert marked.device.type == way.read(marked.to(device)).device.type == "cpu"
            assert (marked - here).abs().max() < 0.01


# -------------------------------------------------------------------------------------------------- nothing forgotten

ELSEWHERE = {  # public functions without a case above: why
    "doctor.players.takes_labels": "reads a signature", "doctor.players.unwrapped": "gives a network back",
    "doctor.wiring.normed": "looks at a layer's hooks",
    "doctor.rest.batches_counted": "reads counters", "doctor.records.sound": "asked by the doctor, below",
    "doctor.patients.leaky_end": "changes a layer", "doctor.patients.stride_left_at_one": "changes a layer",
    "doctor.patients.one_adam": "makes an optimiser", "doctor.patients.both_for_D": "makes an optimiser",
    "models.n_parameters": "counts", "topics.memory.held": "counts",
    "topics.memory.saved": "counts", "topics.memory.size": "counts",
    "topics.memory.segments": "cuts a network", "topics.memory.tensors": "looks for tensors",
    "metrics.judges.train_judge": "test_a_judge_is_trained_where_the_images_are",
    "metrics.judges.fit": "test_a_judge_is_trained_where_the_images_are",
    "widgets.pictures.watch": "test_a_trainer_runs_on_the_device_that_it_is_given",
    "toys.worlds.train": "test_worlds_train_there", "topics.perceptual.mix": "takes functions",
    "topics.rare.filled": "takes functions", "topics.duel.score": "reads files",
    **{f"course.stored.{name}": "test_what_is_stored_goes_there" for name in ("network", "half", "rounded", "write")},
    "course.stored.tensors": "gives what is on disk",
    **{f"processes.{name}": "nothing in one process; where not, as the players are" for name in ("mean", "of_all")},
    "processes.start_equal": "nothing in one process; where not, as the players are",
    "checkpoints.fitting": "test_a_checkpoint_goes_on_on_another_device",
    "checkpoints.not_finite": "test_a_checkpoint_goes_on_on_another_device",
}  # fmt: skip
CASES = {*ANYWHERE, *TOGETHER, *TENSORS}


def public(kind):
    """{name: what is public of that kind} of every module of the package."""
    found = {}
    for info in pkgutil.walk_packages(ganedu.__path__, "ganedu."):
        if not info.name.endswith("__main__"):
            module = importlib.import_module(info.name)
            found |= {
                f"{info.name.removeprefix('ganedu.')}.{name}": value for name, value in vars(module).items()
                if kind(value) and value.__module__ == info.name and not name.startswith("_")
            }  # fmt: skip
    return found


def takes(f, what: str) -> bool:
    return any(re.search(what, str(p.annotation)) for p in inspect.signature(f).parameters.values())


def takes_a_network(f) -> bool:
    return bool(NETWORKS & set(inspect.signature(f).parameters)) or takes(f, r"\b(Module|UNet|Trainer|Augmented)\b")


def test_no_function_is_forgotten():
    functions = public(inspect.isfunction)
    networks = {name for name, f in functions.items() if takes_a_network(f)}
    alone = {name for name, f in functions.items() if takes(f, r"\bTensor\b")} - networks
    assert len(networks) > 50 and len(alone) > 100
    unasked = {name for name in networks | alone if functions[name] not in CASES} - set(ELSEWHERE)
    assert not unasked, "give these a case in ANYWHERE, TOGETHER or TENSORS, or say in ELSEWHERE why they need none"
    assert set(ELSEWHERE) <= set(functions), "ELSEWHERE names what is no longer there"


def test_no_network_is_forgotten():
    modules = public(lambda v: inspect.isclass(v) and issubclass(v, nn.Module))
    assert {name for name, kind in modules.items() if kind not in MODULES} == set()

"""Oracles: scipy's triangle wave, a walk in small steps, coverage counted on a fine grid, the factors themselves, steps
written by hand a world at a time, and a generator whose codes are factors."""

import math

import numpy as np
import pytest
import torch
from by_hand import weights
from scipy import signal

from ganedu import losses
from ganedu.sampling import seeded
from ganedu.topics import motion


def factors(n=200, seed=0):
    return motion.draw(n, torch.Generator().manual_seed(seed))


def shuffled(x, seed=0):
    order = torch.rand(x.shape[:2], generator=torch.Generator().manual_seed(seed)).argsort(1)
    return x[torch.arange(len(x))[:, None], order]


# --------------------------------------------------------------------------------------------------------- the world


def test_factors_are_lawful_and_spread_evenly():
    f = factors(4000)
    speed = f["velocity"].norm(dim=-1)
    low, high = motion.SPEEDS
    assert low - 1e-5 <= speed.min() <= low + 0.01 and high - 0.01 <= speed.max() <= high + 1e-5
    half = torch.tensor(motion.HALF)[:, None]
    assert (f["start"] >= half).all() and (f["start"] <= motion.SIDE - half).all()
    everything = torch.cat([f["tint"], f["start"].flatten(1), f["velocity"].flatten(1)], 1)
    apart = torch.corrcoef(everything.T) - torch.eye(10)
    assert apart.abs().max() < 5 / math.sqrt(4000), "independent"
    assert (f["tint"].mean(0) - 0.5).abs().max() < 0.03 and (f["velocity"].mean(0)).abs().max() < 0.1
    assert torch.equal(factors(3, 7)["start"], factors(3, 7)["start"])


def test_bounced_is_scipys_triangle_wave_and_a_walk_in_small_steps():
    p, low, high = torch.linspace(-70, 70, 999, dtype=torch.float64), 2.3, 13.7
    wave = signal.sawtooth(math.pi * (p.numpy() - low) / (high - low), 0.5)
    np.testing.assert_allclose(motion.bounced(p, low, high), low + (high - low) * (wave + 1) / 2, atol=1e-9)
    place, velocity, walked = 5.0, 0.01, []
    for _ in range(4000):
        walked.append(place)
        if not low <= place + velocity <= high:
            velocity = -velocity
        place += velocity
    np.testing.assert_allclose(motion.bounced(5 + 0.01 * torch.arange(4000), low, high), walked, atol=0.03)


def test_a_path_is_straight_but_for_the_walls():
    f = factors()
    places = motion.path(f["start"], f["velocity"], 12)
    assert places.shape == (200, 12, 2, 2) and torch.allclose(places[:, 0], f["start"], atol=1e-5)
    half = torch.tensor(motion.HALF)[:, None]
    assert (places >= half - 1e-4).all() and (places <= motion.SIDE - half + 1e-4).all()
    moved = (places[:, 1:] - places[:, :-1]).abs()
    free = (f["start"][:, None] + f["velocity"][:, None] * torch.arange(12).view(1, -1, 1, 1) - places).abs() < 1e-4
    both = free[:, 1:] & free[:, :-1]
    assert torch.allclose(moved[both], f["velocity"].abs()[:, None].expand_as(moved)[both], atol=1e-4)
    assert (moved <= f["velocity"].abs()[:, None] + 1e-4).all() and both.float().mean() > 0.3


def test_masks_are_the_share_of_a_pixel_that_a_shape_covers():
    place = torch.tensor([[6.37, 8.81], [9.18, 5.63]])
    fine = (np.arange(motion.SIDE * 40) + 0.5) / 40
    right, down = np.meshgrid(fine, fine)
    disc = (right - 6.37) ** 2 + (down - 8.81) ** 2 <= motion.HALF[0] ** 2
    square = np.maximum(abs(right - 9.18), abs(down - 5.63)) <= motion.HALF[1]
    counted = [m.reshape(motion.SIDE, 40, motion.SIDE, 40).mean((1, 3)) for m in (disc, square)]
    found = motion.masks(place).numpy()
    np.testing.assert_allclose(found[0], counted[0], atol=0.09)
    np.testing.assert_allclose(found[1], counted[1], atol=0.02)
    assert abs(found[0].sum() - math.pi * 9) < 0.5 and abs(found[1].sum() - 4.6**2) < 1e-4


def test_light_adds_up():
    places = torch.full((1, 3, 2, 2), 8.0)
    tint = torch.tensor([[[0.2, 0.6]]]).expand(1, 3, -1)
    x = motion.paint(motion.numbers(tint, places))
    assert x.shape == (1, 3, 3, 16, 16) and torch.equal(x[:, 0], x[:, 2])
    middle, corner = (x[0, 0, :, 8, 8] + 1) / 2, x[0, 0, :, 0, 0]
    assert torch.allclose(middle, torch.tensor([1, 0.5 * 0.8, 1])) and torch.equal(corner, torch.full((3,), -1.0))
    apart = motion.paint(motion.numbers(tint[:, 0], torch.tensor([[[4.0, 4.0], [12.0, 12.0]]])))[0]
    assert torch.allclose((apart[:, 4, 4] + 1) / 2, torch.tensor([1, 0.1, 0]), atol=1e-6)
    assert torch.allclose((apart[:, 12, 12] + 1) / 2, torch.tensor([0, 0.3, 1]), atol=1e-6)


def test_numbers_are_tints_and_places_between_the_walls():
    v = motion.numbers(torch.tensor([[0.0, 1.0]]), torch.tensor([[[3.0, 8.0], [13.7, 2.3]]]))
    assert torch.allclose(v, torch.tensor([[-1.0, -1, 0, 1, 1, -1]]), atol=1e-6)
    with seeded(3):
        v = motion.sample(50)
    tint, places = motion.parts(v)
    assert v.shape == (50, 8, 6) and v.abs().max() <= 1 + 1e-5 and torch.allclose(motion.numbers(tint, places), v)
    with seeded(3):
        assert torch.equal(v, motion.sample(50))
    with seeded(3):
        assert torch.equal(v.view(5, 10, 8, 6), motion.batches(10, 5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: motion.draw(-1), "n=-1 does not fit"),
        (lambda: motion.bounced(torch.zeros(2), 3, 3), "give low < high"),
        (lambda: motion.path(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), 0), "frames=0"),
        (lambda: motion.paint(torch.zeros(2, 8, 5)), r"floats \(..., T, 6\): got \(2, 8, 5\)"),
        (lambda: motion.parts([1, 2]), "got list"),
        (lambda: motion.look(torch.zeros(2, 1, 6)), "T of 2 or more"),
        (lambda: motion.look(torch.zeros(1, 2, 8, 6)), r"got \(1, 2, 8, 6\)"),
        (lambda: motion.read(torch.zeros(2, 8, 1, 16, 16)), r"clips must be \(N, T, 3, 16, 16\).*\(2, 8, 1, 16, 16\)"),
        (lambda: motion.read("a clip"), "got str"),
        (lambda: motion.read(torch.full((2, 8, 3, 16, 16), 255.0)), r"in \[-1, 1\].*from 255 to 255"),
        (lambda: motion.read(torch.full((2, 8, 3, 16, 16), torch.nan)), "diverged"),
        (lambda: motion.ClipGenerator(2)(torch.zeros(2, 5, 13)), r"z is \(2, 5, 13\): give \(2, N, 14\)"),
        (lambda: motion.ClipGenerator(2)(torch.zeros(1, 5, 14)), r"give \(2, N, 14\)"),
        (lambda: motion.players(2, "frame"), "unknown game 'frame'.*Did you mean 'frames'"),
        (lambda: motion.players(0), "worlds=0"),
        (lambda: motion.fakes(motion.ClipGenerator(), 0), "n=0 does not fit"),
        (lambda: motion.follow(motion.ClipGenerator(), 0), "n=0 does not fit"),
        (lambda: motion.exchanged(torch.zeros(2, 4), torch.zeros(3, 4), 2), "give two alike"),
        (lambda: motion.motion_step(torch.zeros(1, 2, 8, 6), G=None, opt_G=None, opt_D=None), "give D_frame or"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# -------------------------------------------------------------------------------------------------------- the reader


def test_the_reader_gives_back_the_numbers():
    v = motion.sample(300, 8, torch.Generator().manual_seed(0))
    found = motion.read(motion.paint(v))
    (tint, place), (tint_2, place_2) = motion.parts(v), motion.parts(found.numbers)
    assert (place - place_2).abs().max() < 0.05 and (tint - tint_2).abs().max() < 2e-3 and found.fit.min() > 0.99
    blurred = torch.nn.functional.avg_pool2d(motion.paint(v).flatten(0, 1), 5, 1, 2).view(300, 8, 3, 16, 16)
    assert motion.read(blurred).fit.max() < 0.9
    dark = motion.read(torch.full((2, 8, 3, 16, 16), -1.0))
    assert dark.fit.max() == 0 and dark.numbers.isfinite().all()


def shares(v):
    return {k: round(share.float().mean().item(), 3) for k, share in motion.look(v).right.items()}


def clip_of(f):
    return motion.numbers(f["tint"][:, None].expand(-1, 8, -1), motion.path(f["start"], f["velocity"]))


def test_each_fault_is_seen_by_its_own_measure_alone():
    f = factors()
    v = clip_of(f)
    seen = motion.look(v)
    assert shares(v) == {"content": 1, "motion": 1} and seen.off.max() < 0.35
    assert torch.allclose(seen.factors[:, :2], f["tint"], atol=1e-5)
    assert torch.allclose(seen.factors[:, 2:6], f["start"].flatten(1) / 16, atol=1e-4)
    assert shares(shuffled(v)) == {"content": 1, "motion": pytest.approx(0, abs=0.02)}
    assert shares(v.flip(1)) == {"content": 1, "motion": 1}, "backwards is lawful too"
    changed = v.clone()
    changed[:, 3, [0, 3]] *= -1
    far = ((2 * f["tint"] - 1).abs() > motion.KEPT).any(1).float().mean().item()
    assert shares(changed) == {"content": pytest.approx(1 - far, abs=0.011), "motion": 1}
    assert shares(clip_of({**f, "velocity": 0 * f["velocity"]})) == {"content": 1, "motion": 0}
    assert shares(clip_of({**f, "velocity": 3 * f["velocity"]}))["motion"] < 0.1


@pytest.mark.parametrize("far", [0.5, 1.0, 1.5])
def test_one_place_off_the_path_is_off_by_about_that(far):
    f = factors(100)
    f["start"], f["velocity"] = 8 + 0 * f["start"], f["velocity"] / f["velocity"].norm(dim=-1, keepdim=True) * 0.9
    places = motion.path(f["start"], f["velocity"], 5)  # no wall is reached
    places[:, 2, 0, 0] += far
    off = motion.off_path(places)
    # the best line through five points takes 1/5 of what the middle one is off; the grid adds up to 0.35
    assert ((off[:, 0] - 0.8 * far).abs() < 0.35).all() and off[:, 1].max() < 0.35


# ------------------------------------------------------------------------------------------------------- the players


def test_a_clip_goes_on_and_content_is_one_code_for_all_frames():
    G = motion.ClipGenerator(2, 3, 5, 7, 9)
    with seeded(0):
        z = torch.randn(2, 4, 8)
    assert G.z_dim == 8 and torch.allclose(G(z, 20)[:, :, :8], G(z), atol=1e-6)
    assert G(z).shape == (2, 4, 8, 6) and G(z).abs().max() < 1
    h = G.motion(z[..., 3:], 3)
    assert h.shape == (2, 4, 3, 7) and torch.allclose(h[:, :, 2] - h[:, :, 1], 0.3 * G.move(h[:, :, 1]), atol=1e-6)
    mixed = motion.exchanged(z, z.flip(1), 3)
    assert torch.equal(mixed[..., :3], z[..., :3]) and torch.equal(mixed[..., 3:], z.flip(1)[..., 3:])
    assert torch.allclose(G.motion(mixed[..., 3:]), G.motion(z[..., 3:]).flip(1))
    assert torch.equal(motion.fakes(G, 5, seed=1), motion.fakes(G, 5, seed=1))


def test_split_codes_cannot_meet():
    G = motion.ClipGenerator(2, 3, 5, 7, 9, split=True)
    with seeded(0):
        a, b = torch.randn(2, 2, 4, 8)
    (tint_a, place_a), (tint_b, place_b) = motion.parts(G(a)), motion.parts(G(b))
    tint, place = motion.parts(G(motion.exchanged(a, b, 3)))
    assert torch.equal(tint, tint_a) and torch.allclose(place, place_b)
    assert not torch.allclose(tint_a, tint_b) and not torch.allclose(place_a, place_b)
    assert torch.equal(tint[:, :, 0], tint[:, :, 7]) and G(a, 3).abs().max() < 1
    found = motion.follow(motion.players(2, split=True)["G"], 20)
    assert found["colours of A"].all() and found["path of B"].all()


def test_games_of_one_seed_begin_alike():
    games = {name: motion.players(3, name, seed=4) for name in motion.GAMES}
    for name, judges in (("both", {"D_frame", "D_clip"}), ("frames", {"D_frame"}), ("clips", {"D_clip"})):
        assert {k for k in games[name] if k.startswith("D_")} == judges
        assert torch.equal(games[name]["G"].start.weight, games["both"]["G"].start.weight)
    assert torch.equal(weights(games["clips"]["D_clip"]), weights(games["both"]["D_clip"]))
    assert not torch.equal(weights(motion.players(3, seed=5)["G"]), weights(games["both"]["G"]))


def test_a_judge_of_frames_sees_no_order_and_a_judge_of_clips_does():
    p = motion.players(1)
    v = motion.sample(40, 8, torch.Generator().manual_seed(0))
    again = shuffled(v)
    a, b = (p["D_frame"](x.flatten(0, 1)[None]).sort().values for x in (v, again))
    assert torch.allclose(a, b)
    assert (p["D_clip"](v[None]) - p["D_clip"](again[None])).abs().median() > 1e-3
    assert motion.ClipJudge(2, 4, 7)(v.view(2, 20, 8, 6)).shape == (2, 20, 7)


class Linear(torch.nn.Module):
    """x (W, N, ...) @ A, for a generator as clips (W, N, 3, 2) of three frames of two numbers."""

    z_dim = 4

    def __init__(self, n_in, n_out=1):
        super().__init__()
        self.A, self.n_out = torch.nn.Parameter(torch.randn(2, n_in, n_out)), n_out

    def forward(self, x):
        y = x.flatten(2) @ self.A
        return y.unflatten(2, (3, 2)) if self.n_out == 6 else y[..., 0] if self.n_out == 1 else y


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("judges", [("D_frame", "D_clip"), ("D_frame",), ("D_clip",)])
@pytest.mark.parametrize("gamma", [0, 3.0])
def test_motion_step_is_the_step_written_by_hand(judges, gamma):
    torch.manual_seed(0)
    players = {"G": Linear(4, 6), "D_frame": Linear(2), "D_clip": Linear(6)}
    players = {k: v for k, v in players.items() if k in ("G", *judges)}
    opt_G = torch.optim.SGD(players["G"].parameters(), 0.05)
    opt_D = torch.optim.SGD([players[k].A for k in judges], 0.03)
    x = torch.randn(2, 8, 3, 2)
    A = {k: v.A.detach().clone() for k, v in players.items()}

    torch.manual_seed(1)
    t = torch.randint(3, (8,))
    z = torch.randn(2, 8, 4)
    new, goals, wanted = {k: a.clone() for k, a in A.items()}, [], []
    at = torch.nn.functional.one_hot(t, 3)[..., None].double()  # (8, 3, 1)
    views = {"D_frame": lambda v: (v * at).sum(1), "D_clip": lambda v: v.flatten(1)}
    spread = {"D_frame": lambda a: at * a[:, 0], "D_clip": lambda a: a.view(1, 3, 2).expand(8, -1, -1)}
    sigma = torch.sigmoid
    for w in range(2):  # each world alone
        fake = (z[w] @ A["G"][w]).view(8, 3, 2)
        slope = sum(spread[k](A[k][w]) for k in judges)  # of the summed logits by the clip
        goals.append(gamma / 2 * slope.square().sum((1, 2)).mean())
        for k in judges:
            real, made = views[k](x[w]), views[k](fake)
            d_real, d_fake = (real @ A[k][w])[:, 0], (made @ A[k][w])[:, 0]
            goals[-1] += -(sigma(d_real).log() + sigma(-d_fake).log()).mean()
            by_hand = (-(1 - sigma(d_real))[:, None] * real + sigma(d_fake)[:, None] * made).mean(0)
            new[k][w] = A[k][w] - 0.03 * (by_hand + gamma * views[k](slope).mean(0))[:, None]
        by_fake, goal = torch.zeros(8, 3, 2), 0.0
        for k in judges:
            d_fake = (views[k](fake) @ new[k][w])[:, 0]
            goal += -sigma(d_fake).log().mean()
            by_fake += -((1 - sigma(d_fake)) / 8)[:, None, None] * spread[k](new[k][w])
        wanted.append(goal)
        new["G"][w] = A["G"][w] - 0.05 * z[w].T @ by_fake.flatten(1)

    torch.manual_seed(1)
    penalty = (lambda D, real, fake: losses.r1(D, real, gamma=gamma)) if gamma else None
    record = motion.motion_step(x, **players, opt_G=opt_G, opt_D=opt_D, penalty=penalty)
    for k, expected in new.items():
        assert torch.allclose(players[k].A, expected, rtol=1e-9, atol=1e-11), k
    assert abs(record["loss_D"].item() - sum(goals).item() / 2) < 1e-10 and not record["loss_D"].requires_grad
    assert abs(record["loss_G"].item() - sum(wanted).item() / 2) < 1e-10


@pytest.mark.usefixtures("double")
def test_clip_vae_step_is_that_of_chapter_12_in_each_world():
    """One world at a time by `vae.vae_step`: the same loss, and the same weights after a step."""
    torch.manual_seed(0)
    E, G, x = Linear(6, 8), Linear(4, 6), torch.randn(2, 5, 3, 2)
    start = [[m.A.detach().clone() for m in (E, G)], torch.get_rng_state()]
    record = motion.clip_vae_step(x, E=E, G=G, opt=torch.optim.SGD([E.A, G.A], 1e-4), sigma=0.5)
    torch.manual_seed(1)
    torch.set_rng_state(start[1])
    noise = torch.randn(2, 5, 4)
    for w in range(2):
        a, b = (m[w].clone().requires_grad_() for m in start[0])
        mean, log_var = (x[w].flatten(1) @ a).chunk(2, 1)
        again = (mean + (log_var / 2).exp() * noise[w]) @ b
        normal = torch.distributions.Normal(again, 0.5).log_prob(x[w].flatten(1)).sum(1)
        q, p = torch.distributions.Normal(mean, (log_var / 2).exp()), torch.distributions.Normal(0.0, 1.0)
        loss = (torch.distributions.kl_divergence(q, p).sum(1) - normal).mean()
        for now, before, g in zip((E.A[w], G.A[w]), (a, b), torch.autograd.grad(loss, (a, b)), strict=True):
            assert torch.allclose(now, before - 1e-4 * g, rtol=1e-9, atol=1e-11)
    assert not record["loss_x"].requires_grad and record["loss_z"] > 0
    with pytest.raises(ValueError, match="sigma=0"):
        motion.clip_vae_step(x, E=E, G=G, opt=None, sigma=0)


class ByFactors(torch.nn.Module):
    """A generator whose content is the tints and whose motion is start and velocity; `mixed` confuses the two."""

    z_dim, content_dim, worlds = 10, 2, 2

    def __init__(self, mixed=False):
        super().__init__()
        self.mixed = mixed

    def forward(self, z, frames=8):
        z = (z.roll(4, 2) if self.mixed else z).flatten(0, 1)
        u, half = torch.special.ndtr(z), torch.tensor(motion.HALF)[:, None]
        start = half + (16 - 2 * half) * u[:, 2:6].view(-1, 2, 2)
        velocity = 1.5 * torch.nn.functional.normalize(z[:, 6:].view(-1, 2, 2), dim=-1)
        places = motion.path(start, velocity, frames)
        return motion.numbers(u[:, None, :2].expand(-1, frames, -1), places).unflatten(0, (2, -1))


def test_an_exchange_says_whose_colours_and_whose_path():
    found = motion.follow(ByFactors(), 100)
    assert {k: v.shape for k, v in found.items()} == dict.fromkeys(found, (2, 100))
    assert found["colours of A"].all() and found["path of B"].all()
    assert found["colours nearer to A"].all() and found["path nearer to B"].all()
    assert not found["path of A"].any() and found["colours of B"].float().mean() < 0.15
    confused = motion.follow(ByFactors(mixed=True), 100)
    assert not confused["colours nearer to A"].any()
    assert confused["colours of B"].all() and not confused["path of B"].all()
    assert torch.equal(found["colours of B"], motion.follow(ByFactors(), 100)["colours of B"])

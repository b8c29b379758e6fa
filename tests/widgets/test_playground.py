"""The playground without a browser: the game's state, its film and texts, the learner's losses, the gauge, messages."""

import asyncio
import json
import math
import random
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.functional import softplus

from ganedu import losses
from ganedu.toys import worlds
from ganedu.widgets import Playground
from ganedu.widgets.playground import link, starts
from ganedu.widgets.playground.answers import ANSWERS
from ganedu.widgets.playground.game import Game
from ganedu.widgets.playground.own_loss import own_loss
from ganedu.widgets.playground.settings import CONTROLS, PENALTIES
from ganedu.widgets.playground.slow import PARTS, Slow
from ganedu.widgets.playground.view import CELLS, COUNTED, View, histogram, kl, lattice

SMALL = {"width_G": 8, "width_D": 8, "batch": 20}


def weights(game):
    return torch.cat([p.detach().flatten() for net in (game.G, game.D) for p in net.parameters()])


def played(game, rounds):
    for _ in range(rounds):
        game.round()
    return game


# --------------------------------------------------------------------------------------------------------- the game


def test_equal_seeds_play_equal_games_and_others_do_not():
    a, b, c = (played(Game(**SMALL, seed=s), 12) for s in (3, 3, 4))
    assert torch.equal(weights(a), weights(b))
    assert not torch.equal(weights(a), weights(c))


def test_the_first_of_twelve_worlds_is_the_one_that_plays_alone():
    alone, many = played(Game(**SMALL), 15), played(Game(**SMALL, worlds=12), 15)
    for p, q in zip(alone.G.parameters(), many.G.parameters(), strict=True):
        assert torch.allclose(p[0], q[0], atol=1e-5)
    assert not torch.allclose(many.G.layers[0].weight[0], many.G.layers[0].weight[1])


@pytest.mark.parametrize("loss", [x.name for x in losses.ALL])
@pytest.mark.parametrize("penalty", list(PENALTIES))
def test_every_loss_plays_with_every_penalty(loss, penalty):
    game = played(Game(**SMALL, loss=loss, penalty=penalty), 3)
    assert set(game.read_losses()) == {"D", "G"} and not game.message


def test_a_turn_of_one_player_leaves_the_other_alone():
    game = Game(**SMALL)
    before_G, before_D = (torch.cat([p.flatten() for p in net.parameters()]).clone() for net in (game.G, game.D))
    game.turn_D()
    after_G, after_D = (torch.cat([p.flatten() for p in net.parameters()]) for net in (game.G, game.D))
    assert torch.equal(before_G, after_G) and not torch.equal(before_D, after_D)
    game.turn_G()
    again_G, again_D = (torch.cat([p.flatten() for p in net.parameters()]) for net in (game.G, game.D))
    assert not torch.equal(after_G, again_G) and torch.equal(after_D, again_D)


def test_steps_a_round_are_turns():
    game = Game(**SMALL, steps_D=3, steps_G=2)
    game.round()
    assert [player for player, _ in game.losses_seen] == ["D"] * 3 + ["G"] * 2


def test_live_settings_keep_the_players_and_others_deal_new_ones():
    game = played(Game(**SMALL), 5)
    now = weights(game)
    for name, value in {"lr_D": 0.1, "loss": "hinge", "optimiser_G": "SGD", "data": "moons", "batch": 30}.items():
        game.set(name, value)
        assert torch.equal(weights(game), now) and game.rounds == 5
    game.round()
    game.set("width_D", 12)
    assert game.rounds == 0 and game.D.layers[0].weight.shape == (1, 2, 12)
    assert game.settings["loss"] == "hinge", "the chosen loss is kept"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("lr_D", 0, "give a number from 1e-05 to 1"),
        ("lr_D", math.nan, "give a number"),
        ("lr_D", "fast", "give a number"),
        ("depth_G", 2.5, "give a whole number from 1 to 5"),
        ("depth_G", True, "give a whole number"),
        ("z_dim", 3, "choose one of 1, 2"),
        ("loss", "hinged", "choose one of minimax, non-saturating"),
        ("data", "drawn", "draw some points first"),
        ("colour", 1, "there is no setting 'colour'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(name, value, says):
    game = Game(**SMALL)
    before, now = dict(game.settings), weights(game)
    with pytest.raises(ValueError, match=says):
        game.set(name, value)
    assert game.settings == before and torch.equal(weights(game), now)


def test_a_drawing_becomes_the_data():
    game = Game(**SMALL)
    game.draw_data([[0, 1], [2, -1]])
    x = game.density.sample(500)
    near = torch.cdist(x, torch.tensor([[0.0, 1.0], [2.0, -1.0]])).min(1).values
    assert game.settings["data"] == "drawn" and near.max() < 0.6
    with pytest.raises(ValueError, match="draw at least one"):
        game.draw_data([])
    assert len(game.drawing) == 2


# ---------------------------------------------------------------------------------------------------------- the film


def test_a_rewound_game_plays_on_to_the_same_numbers():
    game = played(Game(**SMALL), 60)
    end, at = weights(game), next(i for i, shot in enumerate(game.film) if shot["rounds"] == 30)
    game.go_back(at)
    assert game.rounds == 30 and not torch.equal(weights(game), end)
    assert torch.equal(weights(played(game, 30)), end)


def test_after_a_rewind_another_setting_makes_another_future():
    game = played(Game(**SMALL), 40)
    game.go_back(2)
    game.set("lr_G", 0.05)
    played(game, 20)
    assert [shot["rounds"] for shot in game.film] == [0, 10, 20, 30, 40], "the old future is cut off"


def test_the_film_stays_small():
    game = played(Game(**SMALL), 2000)
    assert 60 < len(game.film) <= Game.FILM
    steps = [shot["rounds"] for shot in game.film]
    assert steps == sorted(set(steps)) and steps[0] == 0


def test_to_look_back_leaves_no_mark():
    game = played(Game(**SMALL), 30)
    now, place = weights(game), game.place()
    game.go_back(0)
    game.return_to(place)
    assert game.rounds == 30 and torch.equal(weights(game), now)
    other = played(Game(**SMALL), 30)
    assert torch.equal(weights(played(game, 5)), weights(played(other, 5)))


# ------------------------------------------------------------------------------------------------------ text and file


def test_a_share_text_gives_the_same_start():
    game = Game(data="grid", loss="hinge", lr_D=0.01, seed=7, worlds=12, width_G=16)
    game.draw_data([[0, 1], [1, 1]])
    other = Game()
    starts.from_text(other, f"  {starts.to_text(game)}\n")
    assert other.settings == game.settings and other.drawing == game.drawing
    assert torch.equal(weights(other), weights(Game(**{k: v for k, v in game.settings.items() if k != "data"})))
    assert len(starts.to_text(Game())) < 30


@pytest.mark.parametrize(
    "text", ["", "hello", "ganedu1:", "ganedu1:!!!!", starts.to_text(Game(seed=5))[:-6], "ganedu1:eJyrrgUAAXUA_Q"]
)
def test_a_broken_share_text_changes_nothing(text):
    game = Game(**SMALL)
    before, now = dict(game.settings), weights(game)
    with pytest.raises(ValueError, match="no share text"):
        starts.from_text(game, text + "x" if text.endswith("_Q") else text)
    assert game.settings == before and torch.equal(weights(game), now)


def test_a_saved_game_comes_back(tmp_path):
    game = played(Game(**SMALL, data="grid", seed=2), 20)
    other = played(Game(), 3)
    starts.from_file(other, starts.to_file(game))
    assert torch.equal(weights(other), weights(game)) and other.rounds == 20 and other.settings == game.settings
    played(other, 2)


@pytest.mark.parametrize("data", [b"", b"not a file", starts.to_file(Game(**SMALL))[:-40]])
def test_another_file_is_refused_and_changes_nothing(data):
    game = played(Game(**SMALL), 3)
    now = weights(game)
    with pytest.raises(ValueError, match="no saved game, or is damaged"):
        starts.from_file(game, data)
    assert torch.equal(weights(game), now) and game.rounds == 3


# ------------------------------------------------------------------------------------------------ the learner's loss


class Own(BaseException):
    def __str__(self):
        raise RuntimeError("not even a text")


def ns_d(d_real, d_fake):
    return softplus(-d_real).mean() + softplus(d_fake).mean()


def test_the_learners_copy_of_a_loss_plays_the_same_game():
    for count in (1, 12):
        theirs, ours = Game(**SMALL, worlds=count), Game(**SMALL, worlds=count)
        theirs.add_loss("mine", ns_d, lambda d_fake: softplus(-d_fake).mean())
        theirs.set("loss", "mine")
        assert torch.allclose(weights(played(theirs, 8)), weights(played(ours, 8)), atol=1e-5)


def test_a_loss_that_reads_the_real_scores_gets_them():
    mine = own_loss("mine", lambda r, f: softplus(f - r).mean(), lambda f, r: softplus(r - f).mean())
    plain = own_loss("plain", ns_d, lambda f, r=None: -f.mean())
    assert mine.pairs and not plain.pairs
    d_real, d_fake = torch.randn(4, 9), torch.randn(4, 9)
    assert torch.allclose(mine.g_loss(d_fake, d_real), losses.relativistic.g_loss(d_fake, d_real))


@pytest.mark.parametrize(
    ("d_loss", "g_loss", "says"),
    [
        (lambda r, f: r - f, lambda f: -f.mean(), r"d_loss returns a tensor \(7,\): return one number"),
        (lambda r, f: r.log().mean(), lambda f: -f.mean(), "d_loss gives nan"),
        (lambda r, f: 3.0, lambda f: -f.mean(), "d_loss returns float"),
        (lambda r, f: 1 / 0, lambda f: -f.mean(), "d_loss stops with ZeroDivisionError"),
        (lambda r: r.mean(), lambda f: -f.mean(), "d_loss stops with TypeError"),
        (ns_d, lambda f: f.detach().mean(), "g_loss has no slope"),
        (ns_d, lambda f: (f > 0).float().mean(), "g_loss has no slope"),
        (ns_d, lambda f: sys.exit(3), "g_loss stops with SystemExit: 3"),
        (ns_d, lambda f: (_ for _ in ()).throw(Own()), "g_loss stops with Own"),
        (ns_d, lambda f: f.mean() * 1j, "g_loss stops with RuntimeError"),
        (ns_d, lambda f: f.to("meta").mean(), "g_loss stops with"),
        (ns_d, 5, "g_loss is int: give a function"),
        ("loss", lambda f: -f.mean(), "d_loss is str: give a function"),
    ],
)
def test_a_mistake_in_the_learners_loss_is_named(d_loss, g_loss, says):
    with pytest.raises(ValueError, match=says):
        own_loss("mine", d_loss, g_loss)


def test_a_loss_that_fails_while_it_plays_is_put_aside():
    calls = []

    def tiring(d_real, d_fake):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("tired")
        return ns_d(d_real, d_fake)

    game = Game(**SMALL)
    game.add_loss("mine", tiring, lambda f: softplus(-f).mean())
    game.set("loss", "mine")
    played(game, 20)
    assert "'mine' failed and is put aside: RuntimeError: tired" in game.message
    assert game.settings["loss"] == "non-saturating" and game.rounds == 20


@pytest.mark.parametrize("name", [None, 5, [], "", " ", "x" * 61, "hinge"])
def test_a_loss_needs_a_name_of_its_own(name):
    game = Game(**SMALL)
    with pytest.raises(ValueError, match=r"give a text of 1 to 60|a name of its own"):
        game.add_loss(name, ns_d, lambda f: -f.mean())
    playground = Playground(**SMALL)
    playground.add_loss(name, ns_d, lambda f: -f.mean())
    assert "name" in playground.message and [*playground.game.losses] == [x.name for x in losses.ALL]


def leaves_nothing_as_it_was(f):
    torch.set_grad_enabled(False), torch.set_default_dtype(torch.float64)
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002


def of_the_process():
    state = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    return str((*state, torch.is_grad_enabled(), torch.get_default_dtype()))


@pytest.mark.parametrize("worlds_", [1, 12])
@pytest.mark.parametrize("fails", [lambda f: 1 / 0, lambda f: sys.exit(3), lambda f: (_ for _ in ()).throw(Own()),
                                   lambda f: "text", lambda f: f.expand(2, -1), lambda f: f.detach().mean(),
                                   leaves_nothing_as_it_was])  # fmt: skip
def test_whatever_a_loss_does_later_the_game_goes_on_with_the_one_before(fails, worlds_):
    """It passes its trial on 7 logits, and fails on a batch, or only on the 300 of the picture."""
    for when in (20, 300):
        before, playground = of_the_process(), Playground(**SMALL, worlds=worlds_)
        mine = lambda f, when=when: fails(f) if len(f) == when else -f.mean()  # noqa: E731
        playground.add_loss("mine", ns_d, mine)
        played(playground.game, 3)
        playground.session.count(), playground.session.frame(), playground.session.state()
        assert "'mine' failed and is put aside" in playground.message and len(playground.message) < 500
        assert playground.game.settings["loss"] == "non-saturating" and playground.game.rounds == 3
        assert of_the_process() == before and weights(playground.game).isfinite().all()


def test_what_a_loss_switches_for_the_process_is_put_back():
    def mine(f):
        value = softplus(-f).mean()
        leaves_nothing_as_it_was(f)
        return value

    for count in (1, 12):
        before, theirs, ours = of_the_process(), Game(**SMALL, worlds=count), Game(**SMALL, worlds=count)
        theirs.add_loss("mine", ns_d, mine)
        theirs.set("loss", "mine")
        assert torch.allclose(weights(played(theirs, 5)), weights(played(ours, 5)), atol=1e-5)
        assert theirs.settings["loss"] == "mine" and of_the_process() == before


def test_an_interrupt_in_a_loss_is_the_learners_wish_and_pauses_a_live_game(shown):
    def interrupted(f):
        if len(f) == 20:
            raise KeyboardInterrupt
        return -f.mean()

    game = Game(**SMALL)
    game.add_loss("mine", ns_d, interrupted)
    game.set("loss", "mine")
    with pytest.raises(KeyboardInterrupt):
        game.round()
    assert all(p.requires_grad for p in game.D.parameters())
    game.set("loss", "hinge")
    game.round()
    playground, sent = shown
    playground.add_loss("mine", ns_d, interrupted)

    async def play():
        say(playground, {"kind": "do", "what": "run", "n": 1})
        await asyncio.sleep(0.1)
        assert playground.session.task.done() and not playground.session.running
        assert "The game is paused: KeyboardInterrupt" in last(sent, "state")["message"]
        say(playground, {"kind": "set", "name": "loss", "value": "hinge", "n": 2})
        say(playground, {"kind": "do", "what": "run", "n": 3})
        await asyncio.sleep(0.1)
        say(playground, {"kind": "do", "what": "pause", "n": 4})

    asyncio.run(play())
    assert playground.game.rounds > 0


def test_a_game_that_blows_up_says_so_and_goes_back():
    game = Game(**SMALL, loss="Wasserstein", optimiser_D="SGD", optimiser_G="SGD", lr_D=1.0, lr_G=1.0, depth_D=5)
    for _ in range(40):
        played(game, 10)
        game.read_losses()
        if game.message:
            break
    assert "left the finite numbers" in game.message and weights(game).isfinite().all()


# ------------------------------------------------------------------------------------------------------- the picture


def test_the_arrows_are_minus_the_slope_of_the_chosen_loss():
    for loss in losses.ALL:
        game = played(Game(**SMALL, loss=loss.name), 5)
        view = View(game)
        x = view.fakes(6)
        _, arrows, slope = view.pull(x)
        d_real = game.D(view.x_real[None, :6]) if loss.pairs else None
        h, n = 1e-2, len(x)
        for i in range(n):
            for axis in range(2):
                ends = []
                for sign in (1, -1):
                    moved = x.clone()
                    moved[i, axis] += sign * h
                    ends.append(loss.g_loss(game.D(moved[None]), d_real).item() * n)
                assert abs(arrows[i, axis].item() + (ends[0] - ends[1]) / (2 * h)) < 2e-2
        assert slope.shape == (n,)


def test_the_gauge_never_passes_its_ceiling():
    for rounds, settings_ in ((0, {}), (150, {"lr_D": 1e-2}), (100, {"data": "moons", "loss": "hinge"})):
        numbers = View(played(Game(**SMALL, **settings_), rounds)).count()
        assert -50 < numbers.exact <= numbers.ceiling <= 1e-9 and numbers.ceiling >= -math.log(4) - 1e-9
        assert 0 <= numbers.js <= math.log(2) + 1e-9 and numbers.kl >= 0


def test_the_best_answer_reaches_the_ceiling():
    view = View(Game(**SMALL))
    n = view.count()
    q = histogram(view.fakes(COUNTED))
    best = n.best.flatten().clamp(1e-12, 1 - 1e-12)
    value = (torch.xlogy(view.p, best) + torch.xlogy(q, 1 - best)).sum().item()
    assert abs(value - n.ceiling) < 1e-6


def test_histogram_and_kl_against_numpy_and_scipy():
    np, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")
    x = torch.randn(5000, 2)
    theirs = np.histogram2d(x[:, 1].numpy(), x[:, 0].numpy(), bins=CELLS, range=[[-3, 3], [-3, 3]])[0]
    inside = (x.abs() < 3).all(1)
    ours = histogram(x[inside]) * inside.sum()
    assert abs(ours.view(CELLS, CELLS).numpy() - theirs).max() <= 1  # a point on a cell's edge may go either way
    p, q = histogram(torch.randn(3000, 2)), histogram(torch.randn(4000, 2) * 0.7)
    smooth = [(m * COUNTED + 0.5) / (COUNTED + 0.5 * CELLS**2) for m in (p, q)]
    assert abs(kl(p, q) - stats.entropy(*(m.numpy() for m in smooth))) < 1e-9
    assert kl(p, p) == pytest.approx(0, abs=1e-12)


def test_points_outside_count_at_the_rim():
    far = torch.tensor([[9.0, 0.0], [-9.0, -9.0], [math.nan, math.inf]])
    masses = histogram(far).view(CELLS, CELLS)
    assert masses.sum() == pytest.approx(1) and masses[0, 0] == pytest.approx(1 / 3) and masses[:, -1].sum() > 0.3


@pytest.mark.parametrize(("kind", "z_dim"), [("Gaussian", 1), ("Gaussian", 2), ("uniform", 1), ("uniform", 2)])
def test_the_lattice_holds_the_noise(kind, z_dim):
    nodes, share = lattice(kind, z_dim)
    assert nodes.shape == (20,) * z_dim + (z_dim,) and share.shape == (19,) * z_dim
    assert share.sum().item() == pytest.approx(1 if kind == "uniform" else 0.98758**z_dim, abs=1e-4)


def test_a_frame_leaves_out_what_nobody_sees():
    view = View(Game(**SMALL, worlds=12))
    assert set(view.frame({"heat"})) == {"heat", "worlds"}
    full = view.frame({"real", "fakes", "heat", "grid", "arrows"})
    assert full["fakes"].dtype == torch.int16 and full["heat"].shape == (CELLS, CELLS)
    assert sum(t.numel() * t.element_size() for t in full.values()) < 16_000


def test_to_look_does_not_change_the_game():
    watched, alone = Game(**SMALL), Game(**SMALL)
    view = View(watched)
    for _ in range(6):
        watched.round(), alone.round()
        view.frame({"heat", "fakes", "grid", "arrows"}), view.count()
    assert torch.equal(weights(watched), weights(alone))


# ------------------------------------------------------------------------------------------------------- slow motion


def test_slow_motion_walks_both_turns_and_takes_each_at_its_update():
    game = Game(**SMALL)
    slow = Slow(game)
    slow.toggle()
    seen, before = [], weights(game)
    for _ in range(2 * len(PARTS)):
        slow.forward()
        assert slow.play() and not slow.play(), "a part stays lit for a while"
        seen.append((slow.phase["player"], slow.phase["part"]))
        changed, before = not torch.equal(weights(game), before), weights(game)
        assert changed == (slow.phase["part"] == "update")
        assert 20 < len(slow.phase["sentence"]) < 130
    assert seen == [(p, part) for p in "DG" for part in PARTS] and game.rounds == 1


# ---------------------------------------------------------------------------------------------------------- messages


def say(playground, message):
    """The page says it."""
    playground._handle_custom_msg(message, [])


@pytest.fixture
def shown():
    """(playground, what it has sent): a page that says hello and acknowledges nothing by itself."""
    playground, sent = Playground(**SMALL), []
    playground.send = lambda content, buffers=(): sent.append(content)
    say(playground, {"kind": "hello", "view": "a"})
    return playground, sent


def last(sent, kind):
    return [c for c in sent if c["kind"] == kind][-1]


def test_hello_is_answered_by_state_and_frame(shown):
    _, sent = shown
    assert [c["kind"] for c in sent] == ["state", "frame"]
    state = last(sent, "state")
    assert {c["name"] for c in state["controls"]} == set(state["values"]) == set(CONTROLS)
    assert "Step 0:" in last(sent, "frame")["text"]


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "set", "name": "lr_D", "value": "x"}, {"kind": "set", "name": "nothing", "value": 1}, {"kind": "set"},
        {"kind": "draw", "points": []}, {"kind": "draw", "points": "abc"}, {"kind": "draw", "points": [[9, 9]]},
        {"kind": "from_text", "text": "ganedu1:zzz"}, {"kind": "load", "text": "AAAA"}, {"kind": "do", "what": "win"},
        {"kind": "predict", "what": "modes", "guess": 99, "rounds": 10}, {"kind": "predict", "what": "luck"},
        {"kind": "prepared", "name": "../../x"}, {"kind": "prepared", "name": ["x"]}, {"kind": "draw", "points": [[1]]},
        {"kind": "draw", "points": [[0, 0]] * 501}, {"kind": "set", "name": [], "value": 1},
        {"kind": "film", "at": "x"},
        {"kind": "set", "name": "loss", "value": {}}, {"kind": "set", "name": "worlds", "value": True},
        {"kind": "film"},
        {"kind": "set", "name": "seed", "value": 10**400}, {"kind": "load", "text": 5}, {"kind": "load", "text": "é"},
        {"kind": "layers", "shown": 5}, {"kind": "layers"}, {"kind": "film", "at": 2**53}, {"kind": "film", "at": True},
        {"kind": "predict"}, {"kind": "predict", "what": "move", "fake": 1, "to": [float("nan"), 0]},
        {"kind": "predict", "what": "move", "fake": 300, "to": [0, 0]}, {"kind": "predict", "what": "modes"},
        {"kind": "predict", "what": "modes", "guess": 4.5},
        {"kind": "predict", "what": "modes", "guess": 4, "rounds": 0},
        {"kind": "from_text", "text": None}, {"kind": "of another version"}, {"kind": []}, {"kind": None}, {},
        {"kind": "do", "what": []}, {"kind": "ack", "id": "x"}, {"kind": "bye", "view": [1]},
        {"kind": "hello", "view": {}},
        {"kind": "alive", "view": "x" * 101},
    ],
)  # fmt: skip
def test_a_bad_message_is_answered_by_a_message_and_the_game_lives(shown, message):
    playground, sent = shown
    now = weights(playground.game)
    say(playground, {**message, "n": 3})
    assert last(sent, "state")["message"] and torch.equal(weights(playground.game), now)
    say(playground, {"kind": "do", "what": "round", "n": 4})
    assert last(sent, "state")["message"] == "" and playground.game.rounds == 1 and last(sent, "frame")["answer"] == 4


WHAT_PAGES_SEND = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["run", "round", "modes", "loss", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "id"]), inner), max_leaves=6,
)  # fmt: skip
KEYS = ["view", "hidden", "n", "id", "name", "value", "what", "points", "at", "shown", "text", "guess", "rounds", "to"]
KINDS = st.sampled_from(sorted({*ANSWERS, "ack", "another"} - {"gif"}))
MESSAGES = st.builds(lambda kind, rest: {**rest, "kind": kind}, KINDS,
                     st.dictionaries(st.sampled_from([*KEYS, "fake"]), WHAT_PAGES_SEND, max_size=6))  # fmt: skip


@settings(deadline=None, max_examples=30, print_blob=True)
@given(st.lists(MESSAGES | WHAT_PAGES_SEND, max_size=8))
@example([[], None, "text", 5, {"kind": {}}, {"n": 1}])
@example([{"kind": "alive", "view": str(i)} for i in range(200)])
def test_whatever_a_page_sends_the_game_lives_and_answers_in_json(messages):
    playground, sent = Playground(**SMALL), []
    playground.send = lambda content, buffers=(): sent.append(json.dumps(content, allow_nan=False))
    for message in messages:
        say(playground, message)
    assert len(playground.session.pages._signs) <= link.MOST + 1
    say(playground, {"kind": "hello", "view": "a"})
    rounds = playground.game.rounds
    say(playground, {"kind": "do", "what": "round", "n": 1})
    assert playground.game.rounds == rounds + 1 and playground.message == "" and '"kind": "frame"' in sent[-1]


def test_a_guess_about_data_that_changed_is_dropped(shown):
    """There is nothing to score it by: the moons have no modes to count."""
    playground, sent = shown

    async def play():
        say(playground, {"kind": "predict", "what": "modes", "guess": 4, "rounds": 30, "n": 1})
        say(playground, {"kind": "set", "name": "data", "value": "moons", "n": 2})
        while playground.game.rounds < 40:
            await asyncio.sleep(0.02)
        say(playground, {"kind": "do", "what": "pause", "n": 3})

    asyncio.run(asyncio.wait_for(play(), 20))
    assert last(sent, "state")["history"] == [] and playground.session.prediction.left is None


def test_it_runs_pauses_and_rests_when_nobody_looks(shown):
    playground, _ = shown

    async def play():
        say(playground, {"kind": "do", "what": "run", "n": 1})
        await asyncio.sleep(0.3)
        running = playground.game.rounds
        say(playground, {"kind": "do", "what": "pause", "n": 2})
        await asyncio.sleep(0.05)
        paused = playground.game.rounds
        await asyncio.sleep(0.1)
        assert running > 0 and playground.game.rounds == paused and playground.session.task.done()
        say(playground, {"kind": "do", "what": "run", "n": 3})
        say(playground, {"kind": "bye", "view": "a"})
        await asyncio.sleep(0.1)
        assert playground.session.task.done() and not playground.session.running

    asyncio.run(play())


def test_frames_that_nobody_acknowledges_do_not_pile_up(shown):
    playground, sent = shown

    async def play():
        say(playground, {"kind": "do", "what": "run", "n": 1})
        await asyncio.sleep(1.0)
        say(playground, {"kind": "do", "what": "pause", "n": 2})

    asyncio.run(play())
    assert len(playground.session.link.sent) <= 10
    assert sum(c["kind"] == "frame" for c in sent) <= 12 and playground.game.rounds > 20


def test_a_hidden_page_gets_no_frames_and_a_silent_one_is_forgotten(shown, monkeypatch):
    playground, sent = shown

    async def play():
        say(playground, {"kind": "do", "what": "run", "n": 1})
        say(playground, {"kind": "alive", "view": "a", "hidden": True})
        await asyncio.sleep(0.05)
        frames, rounds = sum(c["kind"] == "frame" for c in sent), playground.game.rounds
        await asyncio.sleep(0.3)
        assert sum(c["kind"] == "frame" for c in sent) == frames and playground.game.rounds > rounds
        monkeypatch.setattr("ganedu.widgets.playground.link.GONE", {False: 0.0, True: 0.0})
        await asyncio.sleep(0.1)
        assert not playground.session.running and playground.session.task.done()

    asyncio.run(play())


def test_a_page_that_comes_back_gets_the_whole_state(shown):
    playground, sent = shown
    say(playground, {"kind": "do", "what": "round", "n": 1})
    say(playground, {"kind": "bye", "view": "a"})
    sent.clear()
    say(playground, {"kind": "hello", "view": "b"})
    frame = last(sent, "frame")
    assert last(sent, "state")["values"]["width_G"] == 8 and frame["rounds"] == 1 and frame["answer"] == 0
    assert frame["curves"]["from"] == 0 and "lattice" in [name for name, *_ in frame["parts"]]


def test_the_window_grows_with_the_delay_of_the_line(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(link.time, "monotonic", lambda: clock[0])
    line = link.Link()
    sent = 0
    for _ in range(300):  # a page 0.3 s away
        clock[0] += 1 / 30
        for id_, t in list(line.sent.items()):
            if clock[0] - t >= 0.3:
                line.acknowledge(id_)
        if line.free():
            line.send()
            sent += 1
    assert sent > 8 * 10 and len(line.sent) <= 16


def test_prediction_is_scored_after_its_rounds(shown):
    playground, sent = shown

    async def play():
        say(playground, {"kind": "predict", "what": "modes", "guess": 4, "rounds": 30, "n": 1})
        while playground.session.running:
            await asyncio.sleep(0.02)
            say(playground, {"kind": "alive", "view": "a"})

    asyncio.run(asyncio.wait_for(play(), 20))
    (entry,) = last(sent, "state")["history"]
    found = playground.session.numbers.modes[0]
    assert entry["score"] == round(100 * (1 - abs(found - 4) / 8)) and playground.game.rounds == 30
    say(
        playground,
        {"kind": "predict", "what": "move", "fake": 5, "to": playground.session.view.fakes(6)[5].tolist(), "rounds": 1},
    )
    assert playground.session.running and playground.session.prediction.left == {"left": 1}


def test_a_mistaken_loss_shows_in_the_widget_and_the_old_one_stays(shown):
    playground, sent = shown
    playground.add_loss("mine", lambda r, f: r - f, lambda f: -f.mean())
    assert "return one number" in last(sent, "state")["message"]
    assert last(sent, "state")["values"]["loss"] == "non-saturating"
    playground.add_loss("mine", ns_d, lambda f: -f.mean())
    state = last(sent, "state")
    assert state["message"] == "" and state["values"]["loss"] == "mine"
    assert "mine" in next(c for c in state["controls"] if c["name"] == "loss")["choices"]


def test_from_text_picture_gif_and_fallback():
    playground = Playground.from_text(starts.to_text(Game(**SMALL, seed=9)))
    assert playground.game.settings["seed"] == 9 and playground.text == starts.to_text(Game(**SMALL, seed=9))
    played(playground.game, 30)
    assert playground.picture().startswith(b"\x89PNG") and playground.gif().startswith(b"GIF89a")
    assert playground.game.rounds == 30
    bundle, metadata = playground._repr_mimebundle_()
    assert "image/png" in bundle and bundle["text/plain"] == metadata["image/png"]["alt"] == playground.words
    with pytest.raises(ValueError, match="no share text"):
        Playground.from_text("nonsense")


@pytest.mark.parametrize("penalty", ["none", "WGAN-GP"])
def test_a_game_and_its_pictures_leave_the_global_random_numbers_alone(penalty):
    torch.manual_seed(5)
    playground = Playground(**SMALL, penalty=penalty, steps=3)
    played(playground.game, 20)
    playground.picture(), playground.session.count()
    now = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), now)
    end = weights(playground.game)
    playground.game.go_back(1)
    assert torch.equal(weights(played(playground.game, 23 - playground.game.rounds)), end)


def test_run_pressed_twice_in_haste_plays_one_game(shown):
    playground, _ = shown

    async def play():
        for n, what in enumerate(("run", "pause", "run")):
            say(playground, {"kind": "do", "what": what, "n": n})
        await asyncio.sleep(0.1)
        assert len([t for t in asyncio.all_tasks() if t.get_coro().__name__ == "_play"]) == 1
        say(playground, {"kind": "do", "what": "pause", "n": 9})
        await asyncio.sleep(0.05)

    asyncio.run(play())


def test_turns_are_those_of_the_worlds():
    """The playground's round is `worlds.step` on the same players, samples and noise."""
    game, other = Game(**SMALL), Game(**SMALL)
    x = other.x.take(20)
    z = torch.stack([other.z.take(20), other.z.take(20)])
    worlds.step(x[None], z, G=other.G, D=other.D, opt_G=other.opt_G, opt_D=other.opt_D)
    game.x.at = game.settings["batch"]  # as after dealing
    game.round()
    assert torch.allclose(weights(game), weights(other), atol=1e-6)


def test_slow_motion_says_both_losses_of_its_batch_and_survives_a_loss_that_fails():
    game = Game(batch=40)
    slow = Slow(game)
    slow.toggle()
    slow.play()
    z = game.draw_noise(40, torch.Generator().manual_seed(1))[None]
    with torch.no_grad():
        d_real, d_fake = game.D(game.x_real).sigmoid(), game.D(game.G(z)).sigmoid()
    assert slow.phase["losses"]["D"] == pytest.approx(
        (-d_real.log().mean() - (1 - d_fake).log().mean()).item(), rel=1e-4
    )
    assert slow.phase["losses"]["G"] == pytest.approx(-d_fake.log().mean().item(), rel=1e-4)

    game.losses["bad"] = losses.Loss("bad", lambda r, f: 1 / 0, lambda f, r=None: 1 / 0)
    game.settings["loss"] = "bad"
    slow.forward()
    assert slow.play() and slow.phase["losses"] == {"D": None, "G": None}

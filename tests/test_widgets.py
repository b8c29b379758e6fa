"""Oracles: the draw function called by hand, and the plain step for the live game. A picture is judged by its bytes."""

import asyncio
import base64
from types import SimpleNamespace

import ipywidgets as w
import matplotlib.pyplot as plt
import pytest
import small_runs
import torch
from matplotlib.figure import Figure

from ganedu import losses
from ganedu.steps import train_step
from ganedu.widgets import LiveGame, explore, pictures, show, watch

PNG = b"\x89PNG\r\n"


@pytest.fixture
def displayed(monkeypatch):
    """What the notebook would show, as (bundle, metadata) in order; updates of a handle are marked."""
    shown = []

    class Handle:
        def update(self, bundle, raw, metadata=None):
            shown.append(("update", bundle, metadata))

    def display(bundle, raw, metadata=None, display_id=None):
        shown.append(("display", bundle, metadata))
        return Handle() if display_id else None

    monkeypatch.setattr(pictures, "display", display)
    return shown


@pytest.fixture(autouse=True)
def no_figure_left_and_no_style():
    before = plt.get_fignums()
    with plt.rc_context():
        yield
    assert plt.get_fignums() == before


def bar(height=1.0, title="A bar of {height}"):
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.bar([0], [height])
    ax.set(ylim=(0, 10))
    ax.set_title(title.format(height=height))
    return fig


# ------------------------------------------------------------------------------------------------- show


def test_show_displays_one_picture_with_its_text_and_closes_the_figure(displayed):
    fig = bar()
    show(fig, alt="A bar of height 1.")
    ((kind, bundle, metadata),) = displayed
    assert kind == "display" and base64.b64decode(bundle["image/png"]).startswith(PNG)
    assert bundle["text/plain"] == "A bar of height 1." == metadata["image/png"]["alt"]
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("alt", ["", "  "])
def test_show_asks_for_a_text(alt, displayed):
    with pytest.raises(ValueError, match="a figure needs a text for those who cannot see it"):
        show(Figure(), alt=alt)
    assert displayed == []


def test_show_gives_the_figures_own_resolution(displayed):
    import io

    from PIL import Image

    show(Figure(figsize=(3, 2), dpi=50), alt="Nothing.")
    assert Image.open(io.BytesIO(base64.b64decode(displayed[0][1]["image/png"]))).size == (150, 100)


# ------------------------------------------------------------------------------------------------- explore


def test_a_moved_slider_changes_the_picture_in_place(displayed):
    drawn = []
    explorer = explore(lambda height: drawn.append(height) or bar(height), alt="One bar.", height=(1, 9))
    image, before = explorer.image, bytes(explorer.image.value)
    explorer.controls["height"].value = 7
    assert drawn == [1, 7]
    after = bytes(image.value)
    assert explorer.image is image and after.startswith(PNG) and after != before
    assert after == pictures.png(bar(7))
    assert len(displayed) == 1  # nothing is stacked


def test_the_titles_are_the_pictures_text(displayed):
    explorer = explore(bar, alt="One bar.", height=(1, 9))
    explorer.controls["height"].value = 4
    assert explorer.image.alt == "One bar. A bar of 4"
    assert "A bar of 4" in explorer.text.value and 'aria-live="polite"' in explorer.text.value


def test_a_page_without_kernel_gets_the_first_picture_and_its_text(displayed):
    explorer = explore(bar, alt="One bar.", height=(1, 9, 1, 3))
    ((_, bundle, metadata),) = displayed
    assert base64.b64decode(bundle["image/png"]) == explorer.image.value
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == "One bar. A bar of 3"
    assert bundle[pictures.WIDGET]["model_id"] == explorer.widget.model_id


def test_a_mistake_in_draw_is_shown_as_text_and_the_next_value_draws_again(displayed):
    def draw(height):
        fig = bar(height)  # left open when the mistake comes
        if height == 5:
            raise ZeroDivisionError("no <b>bar</b> of 5")
        return fig

    explorer = explore(draw, height=(1, 9))
    before = explorer.image.value
    explorer.controls["height"].value = 5
    assert "ZeroDivisionError: no &lt;b&gt;bar&lt;/b&gt; of 5" in explorer.text.value
    assert explorer.image.alt == "ZeroDivisionError: no <b>bar</b> of 5"
    explorer.controls["height"].value = 6
    assert "Error" not in explorer.text.value and explorer.image.value != before


def test_a_draw_that_forgets_to_return_its_figure_is_told(displayed):
    explorer = explore(lambda height: None, height=(1, 9))
    assert "AttributeError" in explorer.text.value


def test_while_the_kernel_is_busy_only_the_latest_value_is_drawn(displayed):
    drawn = []
    explorer = explore(lambda height: drawn.append(height) or bar(height), height=(1, 9))

    async def drag():
        for value in (2, 3, 4, 8):
            explorer.controls["height"].value = value
        assert drawn == [1]
        await asyncio.sleep(0.2)
        explorer.controls["height"].value = 9
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert drawn == [1, 8, 9]
    assert explorer.image.value == pictures.png(bar(9))


CONTROLS = {
    "whole numbers": ((1, 9), w.IntSlider, {"min": 1, "max": 9, "step": 1, "value": 1}),
    "step and value": ((0, 10, 5, 5), w.IntSlider, {"min": 0, "max": 10, "step": 5, "value": 5}),
    "fractions": ((0.0, 2.0), w.FloatSlider, {"min": 0.0, "max": 2.0, "step": 0.02, "value": 0.0}),
    "fraction as step": ((0, 1, 0.25, 0.5), w.FloatSlider, {"step": 0.25, "value": 0.5}),
    "menu": (["a", "b"], w.Dropdown, {"value": "a"}),
    "menu of names": ({"first": 10, "second": 20}, w.Dropdown, {"value": 10, "label": "first"}),
    "box": (True, w.Checkbox, {"value": True}),
}


@pytest.mark.parametrize(("spec", "kind", "traits"), CONTROLS.values(), ids=CONTROLS)
def test_a_control_is_made_from_its_range_or_choices(spec, kind, traits):
    made = pictures.control("batch_size", spec)
    assert type(made) is kind and made.description == "batch size"
    assert {k: getattr(made, k) for k in traits} == traits


def test_a_widget_of_ones_own_is_taken_as_it_is():
    mine = w.FloatLogSlider()
    assert pictures.control("rate", mine) is mine


@pytest.mark.parametrize("spec", [3, (1,), (1, 2, 3, 4, 5), "abc", None])
def test_what_is_no_control_is_refused_with_what_is(spec):
    with pytest.raises(ValueError, match=r"rate=.* is no control: give \(low, high\)"):
        pictures.control("rate", spec)


# ------------------------------------------------------------------------------------------------- watch


@pytest.fixture
def notebook(monkeypatch, displayed):
    monkeypatch.setattr(pictures, "_in_notebook", lambda: True)
    return displayed


def test_in_a_terminal_watch_draws_a_bar_and_no_picture(capsys, displayed):
    run = watch(small_runs.trainer(), steps=12, every=5, draw=lambda record: pytest.fail("drew a picture"))
    err = capsys.readouterr().err
    assert run.step == 12 and "12/12" in err and "loss_D=" in err
    assert displayed == []


def test_in_a_notebook_watch_updates_one_line_and_one_picture(notebook, capsys):
    drawn = []

    def draw(record):
        drawn.append(record["step"])
        return bar(record["step"] / 2, title="Step {height}")

    watch(small_runs.trainer(), steps=12, every=5, draw=draw)
    assert drawn == [5, 10, 12]
    pictures_shown = [(kind, m["image/png"]["alt"]) for kind, b, m in notebook if "image/png" in b]
    assert pictures_shown == [("display", "Step 2.5"), ("update", "Step 5.0"), ("update", "Step 6.0")]
    lines = [(kind, b["text/plain"]) for kind, b, _ in notebook if "image/png" not in b]
    assert [kind for kind, _ in lines] == ["display", "update", "update", "update"]
    assert "12/12" in lines[-1][1] and "loss_G=" in lines[-1][1]
    assert capsys.readouterr().err == ""  # nothing red under the cell


def test_watch_counts_seconds_when_it_is_given_seconds(notebook):
    run = watch(small_runs.trainer(), seconds=0.2, every=2)
    assert run.seconds >= 0.2
    assert "0.2/0.2" in notebook[-1][1]["text/plain"]


def test_watch_gives_the_numbers_of_a_run_that_nobody_watches(notebook):
    run = watch(small_runs.trainer(), steps=12, every=5, draw=lambda record: bar(torch.rand(1).item()))
    assert small_runs.state(run) == small_runs.state(small_runs.train(small_runs.trainer(), 12))


def test_an_interrupt_keeps_the_records_and_watching_again_goes_on(capsys, displayed):
    import signal

    def data(n, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)
        return small_runs.densities.ring().sample(n)

    run = watch(small_runs.trainer(data=data), steps=12, every=5)
    assert run.step == 8 and "Stopped at step 8; every record is kept" in capsys.readouterr().out
    watch(run, steps=12, every=5)
    assert small_runs.state(run) == small_runs.state(small_runs.train(small_runs.trainer(), 12))


def test_watch_without_an_end_says_how_to_give_one(displayed):
    with pytest.raises(ValueError, match="say how long"):
        watch(small_runs.trainer())


# ------------------------------------------------------------------------------------------------- the live game


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr("ganedu.widgets.live.display_widget", lambda *_: None)


def weights(game):
    return [p.detach().clone() for name in "GD" for p in game.players[name].parameters()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def train(game, steps=3):
    for _ in range(steps):
        game.train_once()
    return weights(game)


def test_equal_seeds_give_equal_games_and_others_do_not(quiet):
    a, b, other = (LiveGame(seed=s) for s in (3, 3, 4))
    torch.manual_seed(0)
    first = train(a)
    torch.manual_seed(1)
    assert equal(first, train(b)) and not equal(first, train(other))


def test_reset_plays_the_same_game_again(quiet):
    game = LiveGame()
    start = weights(game)
    end = train(game)
    game.reset()
    assert game.step == 0 and equal(weights(game), start)
    assert equal(train(game), end)


def test_steps_trained_before_it_is_shown_are_steps_of_the_game(quiet):
    game = LiveGame(steps=3)
    assert game.step == 3 and equal(weights(game), train(LiveGame()))


def test_a_game_leaves_the_global_random_numbers_alone(quiet):
    before = torch.get_rng_state()
    game = LiveGame(steps=2)
    game.reset()
    game.render()
    assert torch.equal(torch.get_rng_state(), before)


SETTINGS = {
    "loss": lambda game: setattr(game.loss, "value", losses.hinge),
    "rate of G": lambda game: setattr(game.lr_G, "value", 10**-1.5),
    "rate of D": lambda game: setattr(game.lr_D, "value", 10**-1.5),
    "steps of D": lambda game: setattr(game.n_critic, "value", 4),
}


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_a_changed_setting_acts_on_the_running_game_as_on_the_plain_step(quiet, change):
    game, twin, untouched = LiveGame(steps=2), LiveGame(steps=2), LiveGame(steps=2)
    change(game)
    game.train_once()
    players = twin.players
    for name, slider in (("opt_G", game.lr_G), ("opt_D", game.lr_D)):
        players[name].param_groups[0]["lr"] = slider.value
    with torch.random.fork_rng():
        torch.set_rng_state(twin._rng)
        x_real = twin.density.sample(150 * game.n_critic.value)
        train_step(x_real, **players, z_dim=2, loss=game.loss.value, n_critic=game.n_critic.value)
    assert game.step == 3 and equal(weights(game), weights(twin))
    untouched.train_once()
    assert not equal(weights(game), weights(untouched))


def test_width_seed_and_data_deal_a_new_game(quiet):
    game = LiveGame(steps=2)
    game.width.value = 16
    assert game.step == 0 and game.players["G"].net[0].out_features == 16
    game.train_once()
    before = weights(game)
    game.seed.value = 5
    assert game.step == 0 and not equal(weights(game), before)
    game.train_once()
    game.data.value = "two_gaussians"
    assert game.step == 0 and game.density.name == "two Gaussians"


def test_the_picture_follows_the_game_in_place(quiet):
    game = LiveGame()
    image, before = game.image, bytes(game.image.value)
    game.button_step.click()
    after = bytes(image.value)
    assert game.step == 1 and game.image is image and after.startswith(PNG) and after != before
    assert image.alt.startswith("Step 1. D is right ") and "of 8 modes" in image.alt
    assert "Step 1." in game.text.value and 'aria-live="polite"' in game.text.value
    game.button_reset.click()
    assert game.step == 0 and image.value == before


def test_the_shade_is_Ds_answer_at_the_centre_of_each_cell(quiet):
    """A discriminator that says real where x_1 > 2 and x_2 > -1 is dark in just those cells."""
    game = LiveGame()

    class Corner(torch.nn.Module):
        def forward(self, x):
            return torch.where((x[:, 0] > 2) & (x[:, 1] > -1), 50.0, -50.0)

    game.players["D"] = Corner()
    game.render()
    shade = torch.as_tensor(game.ax.images[0].get_array())
    side = shade.shape[0]
    assert game.ax.images[0].get_extent() == [-3, 3, -3, 3]
    expected = torch.zeros(side, side)
    expected[side * 2 // 6 :, side * 5 // 6 :] = 1  # rows from below are x_2
    assert torch.equal(shade.round(), expected)


def test_every_density_of_the_plane_can_be_played(quiet):
    game = LiveGame()
    assert {"ring", "grid", "moons", "spiral"} <= set(game.data.options)
    for name in game.data.options:
        game.data.value = name
        game.button_step.click()
        assert game.step == 1 and not game.message


def test_an_unknown_density_gets_the_nearest_name(quiet):
    with pytest.raises(ValueError, match=r"unknown data 'rings'.*Did you mean 'ring'"):
        LiveGame("rings")


def test_run_plays_without_blocking_and_pause_stops_it(quiet):
    game = LiveGame()

    async def play():
        seen = []
        game.button_run.value = True
        assert game.button_run.description == "Pause"
        while len(set(seen)) < 4:  # the game moved on between four looks at it
            await asyncio.sleep(0)
            seen.append(game.step)
        game.button_run.value = False
        step = game.step
        await asyncio.sleep(0.1)
        assert game.step == step and game.button_run.description == "Run"

    asyncio.run(asyncio.wait_for(play(), 60))
    assert f"Step {game.step}." in game.image.alt


def test_run_pressed_twice_in_haste_plays_one_game(quiet, monkeypatch):
    game = LiveGame()
    monkeypatch.setattr(game, "train_once", lambda: setattr(game, "step", game.step + 1))

    async def haste():
        game.button_run.value = True
        await asyncio.sleep(0)
        game.button_run.value = False
        game.button_run.value = True
        await asyncio.sleep(0)
        playing = [t for t in asyncio.all_tasks() if t.get_coro().__name__ == "_play"]
        game.button_run.value = False
        await asyncio.gather(*playing)
        return len(playing)

    assert asyncio.run(asyncio.wait_for(haste(), 60)) == 1


def spoil(game):
    with torch.no_grad():
        next(game.players["G"].parameters()).fill_(float("nan"))


def test_a_game_that_left_the_finite_numbers_says_so_and_stops(quiet):
    game = LiveGame(steps=1)

    async def play():
        game.button_run.value = True
        await asyncio.sleep(0)
        spoil(game)
        while game.button_run.value:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(play(), 60))
    assert "a loss left the finite numbers: lower a learning rate and start again" in game.text.value
    step = game.step

    async def again():
        game.button_run.value = True
        await asyncio.sleep(0.05)

    asyncio.run(again())
    assert not game.button_run.value and game.step == step  # there is nothing to run
    game.button_reset.click()
    assert "finite" not in game.text.value and equal(weights(game), weights(LiveGame()))


def test_a_page_without_kernel_gets_the_games_picture(monkeypatch):
    shown = SimpleNamespace()
    monkeypatch.setattr("ganedu.widgets.live.display_widget", lambda *args: setattr(shown, "args", args))
    game = LiveGame(steps=2)
    widget, picture, alt = shown.args
    assert widget is game.widget and picture == game.image.value and alt.startswith("Step 2.")

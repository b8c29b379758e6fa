"""Oracles: the draw function called by hand, and the plain step for the live game. A picture is judged by its bytes."""

import asyncio
import base64
import io
import sys

import ipywidgets as w
import matplotlib.pyplot as plt
import numpy as np
import pytest
import small_runs
import torch
from matplotlib.figure import Figure
from PIL import Image

from ganedu.widgets import explore, pictures, show, watch

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
    plt.close("all")  # what tests of other files have left open in this process
    with plt.rc_context():
        yield
    assert not plt.get_fignums()


def bar(height=1.0, title="A bar of {height}"):
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.bar([0], [height])
    ax.set(ylim=(0, 10))
    ax.set_title(title.format(height=height))
    return fig


# -------------------------------------------------------------------------------------------------- png


def pixels(figure):
    """What matplotlib writes itself, and ours: (H, W, 3) uint8 each."""
    figure.savefig(reference := io.BytesIO(), format="png", dpi=figure.dpi)
    theirs = np.asarray(Image.open(reference).convert("RGB")).astype(int)
    return theirs, Image.open(io.BytesIO(pictures.png(figure)))


@pytest.mark.parametrize("size", [(2, 1), (5.555, 2.001), (3.3, 1.7)])
def test_a_palette_changes_a_chart_by_nothing_to_see(size):
    fig = bar()
    fig.set_size_inches(size)
    reference, ours = pixels(fig)
    assert ours.mode == "P"
    assert np.abs(np.asarray(ours.convert("RGB")) - reference).mean() < 0.5


def test_a_palette_bends_no_colour_scale():
    fig, ax = plt.subplots(figsize=(4, 3))
    fig.colorbar(ax.imshow(np.random.default_rng(0).normal(size=(28, 28)), cmap="PuOr_r"))
    reference, ours = pixels(fig)
    assert ours.mode == "P" and np.abs(np.asarray(ours.convert("RGB")) - reference).max() <= 12


def test_greys_and_photographs_keep_every_value():
    rng = np.random.default_rng(0)
    for page in (rng.integers(0, 256, (64, 64)), rng.integers(0, 256, (200, 200, 3))):
        fig = plt.figure(figsize=(page.shape[1] / 100, page.shape[0] / 100), dpi=100)
        fig.figimage(page, cmap="gray", vmin=0, vmax=255)
        reference, ours = pixels(fig)
        assert np.array_equal(np.asarray(ours.convert("RGB")), reference)


def test_a_picture_that_is_said_to_be_a_photograph_keeps_its_few_colours(displayed):
    """Sand beside many others: the palette turns it greenish, wherever the picture is shown."""
    page = np.random.default_rng(0).integers(0, 256, (60, 60, 3))
    page[:30] = 236, 224, 200

    def draw(height=1):
        fig = plt.figure(figsize=(0.6, 0.6), dpi=100)
        fig.figimage(page.astype(np.uint8))
        return fig

    reference, palette = pixels(draw())
    assert not np.array_equal(np.asarray(palette.convert("RGB")), reference)
    show(draw(), alt="Sand.", photo=True)
    explorer = explore(draw, alt="Sand.", photo=True, height=(1, 9))
    for data in (base64.b64decode(displayed[0][1]["image/png"]), bytes(explorer.image.value)):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), reference)


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
    assert "NoneType is no figure of matplotlib: give, or return, the figure" in explorer.text.value


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


@pytest.mark.parametrize("spec", [3, (1,), (1, 2, 3, 4, 5), "abc", None, [], {}, ("a", "b"), (None, 1),
                                  (True, False), (0, float("inf")), (0, float("nan")), (0, 10**400), w.VBox(),
                                  w.IntSlider])  # fmt: skip
def test_what_is_no_control_is_refused_with_what_is(spec):
    with pytest.raises(ValueError, match=r"rate=.* is no control: give \(low, high\)"):
        pictures.control("rate", spec)


@pytest.mark.parametrize("spec", [(2, 1), (0, 1, 0), (0, 1, -0.1), (0, 1, 0.1, 5), (0, 1, 0.1, -1)])
def test_a_slider_has_its_value_between_its_ends(spec):
    with pytest.raises(ValueError, match=r"rate=.* is no slider: low <= value <= high and a step above 0"):
        pictures.control("rate", spec)
    assert pictures.control("rate", (0.5, 0.5)).value == 0.5


def test_a_menu_needs_choices_that_can_be_told_apart():
    with pytest.raises(ValueError, match="rate is no menu"):
        pictures.control("rate", {"a": torch.ones(2), "b": torch.zeros(2)})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: show(5, "words"), "int is no figure of matplotlib"),
        (lambda: show(bar(), None), "alt is NoneType: give a text"),
        (lambda: show(bar(), ["words"]), "alt is list"),
        (lambda: explore(5, a=(0, 1)), "draw is int: give a function of the controls' values"),
        (lambda: explore(bar, alt=None, height=(0, 1)), "alt is NoneType"),
        (lambda: watch(5, steps=1), "trainer is int: give a Trainer"),
        (lambda: watch(small_runs.trainer(), steps="9"), "steps='9' does not fit: give a whole number"),
        (lambda: watch(small_runs.trainer(), steps=-1), "steps=-1"),
        (lambda: watch(small_runs.trainer(), seconds=float("nan")), "seconds=nan does not fit: give a number"),
        (lambda: watch(small_runs.trainer(), seconds="9"), "seconds='9'"),
        (lambda: watch(small_runs.trainer(), steps=1, draw=5), "draw is int: give a function of a record"),
        (lambda: watch(small_runs.trainer(), steps=1, every=0), "every=0"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_shown(call, says, displayed):
    with pytest.raises(ValueError, match=says):
        call()
    plt.close("all")
    assert displayed == []


def test_a_draw_that_ends_the_process_is_a_mistake_like_others(displayed):
    explorer = explore(lambda height: sys.exit(3), height=(1, 9))
    assert explorer.image.alt == "SystemExit: 3"


def test_errors_are_shown_in_short():
    assert (
        pictures.said(ValueError("two\nlines")) == "ValueError: two lines"
        and len(pictures.said(OSError("x" * 999))) < 310
    )


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

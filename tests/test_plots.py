"""Oracles: pages laid out by hand, and what matplotlib says is on the axes."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from ganedu import plots


@pytest.fixture
def ax():
    """Axes that pyplot knows nothing of, in matplotlib's own style."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield Figure().add_subplot()


# ------------------------------------------------------------------------------------------------- tile


def test_tile_lays_images_out_row_by_row():
    """Three images of 1 x 2 pixels, two in a row; the fourth place stays white."""
    x = torch.tensor([[1, 2], [3, 4], [5, 6]], dtype=torch.uint8).view(3, 1, 1, 2)
    assert plots.tile(x, columns=2).tolist() == [[1, 2, 3, 4], [5, 6, 255, 255]]


def test_tile_keeps_each_image_upright():
    x = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    assert plots.tile(x, columns=2).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_tile_puts_colours_last():
    x = np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2)
    page = plots.tile(x, columns=1)
    assert page.shape == (2, 2, 3) and page[0, 1].tolist() == [1, 5, 9]


def test_tile_maps_minus_one_to_black_and_one_to_white_and_clips_beyond():
    x = torch.tensor([-1.0, 0.0, 1.0, -7.0, 7.0]).view(1, 1, 1, 5)
    assert plots.tile(x, columns=1).tolist() == [[0, 128, 255, 0, 255]]


def test_tile_of_floats_undoes_the_data_sets_scaling():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert plots.tile(levels.float() / 127.5 - 1, columns=1).ravel().tolist() == list(range(256))


def test_more_columns_than_images_leaves_white():
    page = plots.tile(np.zeros((2, 1, 3, 3), np.uint8), columns=5)
    assert page.shape == (3, 15) and page[:, :6].max() == 0 and page[:, 6:].min() == 255


def test_tile_takes_tensors_that_need_gradients():
    assert plots.tile(torch.zeros(1, 1, 2, 2, requires_grad=True)).shape == (2, 20)


@pytest.mark.parametrize(
    "x", [np.zeros((4, 2, 3, 3)), np.zeros((3, 3, 3)), np.zeros((4, 1, 3, 3), int)], ids=["channels", "axes", "dtype"]
)
def test_tile_says_what_it_takes(x):
    with pytest.raises(ValueError, match=r"images must be \(N, 1 or 3, H, W\), 1 or more, float in \[-1, 1\] or uint8"):
        plots.tile(x)


# ------------------------------------------------------------------------------------------------- axes in, axes out

DRAW = {
    "points": lambda ax: plots.points(ax, torch.randn(5, 2), torch.randn(5, 2)),
    "heat": lambda ax: plots.heat(ax, torch.rand(4, 4)),
    "images": lambda ax: plots.images(ax, torch.rand(5, 1, 4, 4), title="Five"),
    "curve": lambda ax: plots.curve(ax, [3.0, 2.0, 1.0], smooth=2),
    "shares": lambda ax: plots.shares(ax, ["a", "b"], [0.2, 0.5], [0.1, 0.4], [0.3, 0.6]),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_what_goes_in_comes_out_drawn_and_nothing_is_shown(draw, ax, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a plot showed itself"))
    open_before = plt.get_fignums()
    assert draw(ax) is ax
    assert ax.collections or ax.images or ax.lines
    assert plt.get_fignums() == open_before


def test_the_core_of_plots_does_without_matplotlib():
    code = "import sys, numpy, ganedu.plots as p; p.tile(numpy.zeros((1, 1, 2, 2))); print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"


def test_real_is_blue_and_fake_is_vermillion(ax):
    plots.points(ax, torch.zeros(3, 2), torch.ones(4, 2))
    real, fake = ax.collections
    assert (real.get_label(), fake.get_label()) == ("real", "fake")
    for dots, colour, n in ((real, plots.REAL, 3), (fake, plots.FAKE, 4)):
        assert np.allclose(dots.get_facecolor()[0, :3], to_rgb(colour)) and len(dots.get_offsets()) == n
    assert (plots.REAL, plots.FAKE) == ("#0072B2", "#D55E00")


def test_points_are_where_they_are_and_the_axes_equally_scaled(ax):
    x = torch.tensor([[1.0, -2.0], [0.5, 0.25]])
    plots.points(ax, x_fake=x, limit=2.5)
    assert ax.collections[0].get_offsets().tolist() == x.tolist()
    assert ax.get_xlim() == ax.get_ylim() == (-2.5, 2.5) and ax.get_aspect() == 1


def test_heat_is_dark_where_D_says_real_and_lies_under_the_points(ax):
    plots.heat(ax, torch.tensor([[0.0, 1.0], [0.5, 0.5]]), limit=2.0)
    (image,) = ax.images
    colours = image.to_rgba(image.get_array())
    brightness = colours[..., :3].mean(-1)
    assert brightness[0, 0] > brightness[1, 0] > brightness[0, 1]
    assert image.origin == "lower" and image.get_extent() == [-2, 2, -2, 2] and image.get_zorder() < 0
    assert image.get_clim() == (0, 1)


def test_images_show_the_page_as_it_is(ax):
    x = torch.rand(7, 1, 4, 4) * 2 - 1
    plots.images(ax, x, columns=3, title="Seven")
    (image,) = ax.images
    assert np.array_equal(np.asarray(image.get_array()), plots.tile(x, 3))
    assert image.get_clim() == (0, 255) and ax.get_title() == "Seven" and not ax.axison


def test_curve_is_the_running_mean_with_the_raw_values_behind(ax):
    plots.curve(ax, torch.tensor([4.0, 2.0, 6.0, 8.0]), smooth=2, label="loss")
    mean, raw = ax.lines
    assert mean.get_ydata().tolist() == [3, 4, 7] and mean.get_xdata().tolist() == [2, 3, 4]
    assert raw.get_ydata().tolist() == [4, 2, 6, 8] and raw.get_xdata().tolist() == [1, 2, 3, 4]
    assert raw.get_alpha() < 1 and raw.get_zorder() < mean.get_zorder()
    assert to_hex(mean.get_color()) == to_hex(raw.get_color())
    assert [text.get_text() for text in ax.legend().get_texts()] == ["loss"]


def test_curve_takes_its_own_x_and_survives_a_window_wider_than_itself(ax):
    plots.curve(ax, [1.0, 3.0], x=[10, 20], smooth=50, color=plots.FAKE)
    mean, _ = ax.lines
    assert mean.get_xdata().tolist() == [20] and mean.get_ydata().tolist() == [2]
    assert to_hex(mean.get_color()) == plots.FAKE.lower()


def test_shares_run_from_top_to_bottom_each_with_its_interval(ax):
    plots.shares(ax, ["first", "second"], [0.2, 0.7], [0.1, 0.6], [0.4, 0.9], colours=[plots.REAL, plots.FAKE])
    bars, dots = ax.lines[::2], ax.lines[1::2]
    names = dict(zip(ax.get_yticks(), [t.get_text() for t in ax.get_yticklabels()], strict=True))
    assert names[1] == "first" and names[0] == "second"
    assert [(d.get_xdata()[0], names[d.get_ydata()[0]]) for d in dots] == [(0.2, "first"), (0.7, "second")]
    assert [list(b.get_xdata()) for b in bars] == [[0.1, 0.4], [0.6, 0.9]]
    assert [d.get_color() for d in dots] == [plots.REAL, plots.FAKE]


def test_shares_ask_for_one_number_a_label(ax):
    for low, high in (([0.1], [0.4]), ([[0.1], [0.6]], [0.4, 0.9]), ([0.1, 0.6, 0.7], [0.4, 0.9, 1.0])):
        with pytest.raises(ValueError, match="2 labels need as many"):
            plots.shares(ax, ["first", "second"], [0.2, 0.7], low, high)


# ------------------------------------------------------------------------------------------------- style


def test_type_is_at_least_11_points():
    import matplotlib as mpl

    with mpl.rc_context():
        plots.style()
        ax = plots.points(Figure().add_subplot(title="t"), torch.zeros(1, 2))
        ax.legend()
        sizes = [text.get_fontsize() for text in ax.figure.findobj(mpl.text.Text)]
        assert len(sizes) > 5 and min(sizes) >= 11
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"][:2] == [plots.REAL, plots.FAKE]


def test_the_palette_keeps_apart_for_colour_blind_eyes():
    """Okabe and Ito's colours, and no two of the cycle alike."""
    okabe_ito = {"#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"}
    assert okabe_ito <= set(plots.CYCLE) and len(set(plots.CYCLE)) == len(plots.CYCLE)
    assert plots.DISC not in okabe_ito

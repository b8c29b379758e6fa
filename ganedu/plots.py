"""Figures of the course: arrays and axes in, axes out. Nothing here trains or shows.

Real, fake and discriminator keep one colour through the whole course (Okabe and Ito's palette, safe for colour-blind
eyes). Every figure's title states its finding; the caller, who knows it, writes it.
"""

import numpy as np

from .pixels import check

REAL, FAKE, DISC = "#0072B2", "#D55E00", "#6A3D9A"
GREEN, ORANGE, SKY, PINK, GREY = "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#666666"
CYCLE = (REAL, FAKE, GREEN, PINK, ORANGE, SKY, DISC)


def style() -> None:
    """Set matplotlib's defaults for the course: large type, few lines; legible from the back row."""
    import matplotlib as mpl

    mpl.rcParams.update({
        "figure.dpi": 100, "figure.figsize": (9, 4), "figure.constrained_layout.use": True, "font.size": 13,
        "axes.titlesize": 14, "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
        "axes.prop_cycle": mpl.cycler(color=CYCLE), "legend.frameon": False, "lines.linewidth": 2,
    })  # fmt: skip


def array(x) -> np.ndarray:
    """Tensor or array -> numpy array on the CPU; bfloat16, which numpy lacks, as float32."""
    if not hasattr(x, "detach"):
        return np.asarray(x)
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()


def points(ax, x_real=None, x_fake=None, limit: float = 3.0, size: float = 8):
    """Real and fake samples (N, 2) in the plane, both axes from -limit to limit and equally scaled."""
    if x_real is not None:
        ax.scatter(*array(x_real).T, s=size, c=REAL, alpha=0.5, lw=0, label="real")
    if x_fake is not None:
        ax.scatter(*array(x_fake).T, s=size, c=FAKE, alpha=0.5, lw=0, label="fake")
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    return ax


def heat(ax, values, limit: float = 3.0):
    """D(x), 0 to 1, at the centres of a grid's cells (rows: x_2, columns: x_1), as shade: dark where it says "real"."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("D", ["#FFFFFF", "#D9C8EA", "#8E63BD"])
    ax.imshow(array(values), extent=(-limit, limit) * 2, origin="lower", cmap=shades, vmin=0, vmax=1, zorder=-1)
    return ax


def tile(x, columns: int = 10) -> np.ndarray:
    """Images (N, C, H, W) in [-1, 1] or uint8 -> one array (rows * H, columns * W [, 3]) uint8, white where none is.

    Raises ValueError for another shape, more channels, no image, or whole numbers that are no uint8.
    """
    x = array(x)
    check(x, ("N", (1, 3), "H", "W"), look=None, of=np.ndarray)  # what overshoots is cut off
    if x.dtype != np.uint8:
        x = ((x.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    n, c, h, w = x.shape
    rows = -(-n // columns)
    full = np.full((rows * columns, c, h, w), 255, np.uint8)
    full[:n] = x
    page = full.reshape(rows, columns, c, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    return page[..., 0] if c == 1 else page


def images(ax, x, columns: int = 10, title: str = ""):
    """A grid of images (N, C, H, W), `columns` in a row, without axes."""
    ax.imshow(tile(x, columns), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title)
    return ax


def curve(ax, y, x=None, smooth: int = 1, **kw):
    """A line of the running mean over `smooth` values, with the raw values faint behind it in the same colour."""
    y = array(y).astype(float)
    x = np.arange(1, len(y) + 1) if x is None else array(x)
    smooth = max(1, min(smooth, len(y)))
    mean = np.convolve(y, np.ones(smooth) / smooth, "valid")
    (line,) = ax.plot(x[smooth - 1 :], mean, **kw)
    if smooth > 1:
        ax.plot(x, y, lw=0.5, alpha=0.25, color=line.get_color(), zorder=line.get_zorder() - 0.1)
    return ax


def shares(ax, labels, centre, low, high, colours=None):
    """Horizontal dots with their intervals, one a label from top to bottom; shares from 0 to 1.

    Raises ValueError unless each of the three holds one number a label.
    """
    y = np.arange(len(labels))[::-1]
    centre, low, high = (array(v).astype(float) for v in (centre, low, high))
    if not centre.shape == low.shape == high.shape == y.shape:
        shapes = ", ".join(str(v.shape) for v in (centre, low, high))
        raise ValueError(f"{len(y)} labels need as many centres, lows and highs: got {shapes}.")
    for i, c in zip(range(len(y)), colours or [REAL] * len(y), strict=True):
        ax.plot([low[i], high[i]], [y[i]] * 2, color=c, lw=3, alpha=0.5, solid_capstyle="round")
        ax.plot(centre[i], y[i], "o", color=c, ms=8)
    ax.set(yticks=y, yticklabels=labels, xlim=(-0.02, 1.02), ylim=(-0.6, len(y) - 0.4))
    ax.grid(axis="x", alpha=0.3)
    return ax

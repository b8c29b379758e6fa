"""Pictures of the playground that can be kept: one as PNG, the film as GIF."""

import io

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ... import plots
from ..pictures import png
from .view import CELLS, LIMIT, SHOWN, View

ARROW = "#7A3300"  # as on the page


@torch.no_grad()
def still(view: View, title: str = "", inches: float = 5.2) -> bytes:
    """The game as it stands, as a PNG; with a title it shows the pull on the fakes too, and what is what."""
    import matplotlib as mpl

    with mpl.rc_context():  # the notebook's own style stays as it is
        plots.style()
        x, d = view.fakes(SHOWN), view.heat().view(CELLS, CELLS)
        fig = Figure(figsize=(inches, inches), dpi=90)
        ax = plots.points(plots.heat(fig.add_subplot(), d, LIMIT), view.x_real, x, LIMIT)
        if title:
            fig.suptitle(title, fontsize=12, x=0.01, ha="left")
            _add_key(ax, view, x, d)
        else:
            ax.set_title(f"Step {view.game.rounds:,}")
        return png(fig, photo=bool(title))  # a film has few colours in any case


def _add_key(ax, view: View, x: Tensor, d: Tensor) -> None:
    """The line where D says 1/2, the arrows of the page, and the names of all."""
    if d.min() < 0.5 < d.max():
        ax.contour(d, levels=[0.5], extent=(-LIMIT, LIMIT) * 2, colors=plots.DISC, linewidths=1.5)
    with torch.enable_grad():
        pull = view.pull(x)[1].nan_to_num(0)
    pull = pull / (1 + 2 * pull.norm(dim=1, keepdim=True))  # a long one approaches half a unit
    ax.quiver(*x.T, *pull.T, angles="xy", scale_units="xy", scale=1, color=ARROW, width=0.003)
    ax.plot([], color=plots.DISC, lw=1.5, label="D = 1/2")
    ax.plot([], color=ARROW, ls="", marker=r"$\rightarrow$", ms=5, label="pull")
    ax.figure.legend(loc="outside lower center", ncols=4, markerscale=3, columnspacing=1, handlelength=1)


def film(view: View, inches: float = 3.6, seconds: float = 6.0) -> bytes:
    """All snapshots of the game's film, as an animated GIF that takes about `seconds`; the game stays where it is."""
    from PIL import Image

    game, place, shots = view.game, view.game.place(), []
    try:
        for at in range(len(game.film)):
            game.go_back(at)
            shot = Image.open(io.BytesIO(still(view, inches=inches)))
            shots.append(shot.convert("P", palette=Image.Palette.ADAPTIVE))
    finally:
        game.return_to(place)
    out = io.BytesIO()
    every = max(40, int(1000 * seconds / len(shots)))  # ms
    shots[0].save(out, "GIF", save_all=True, append_images=shots[1:], loop=0, duration=every)
    return out.getvalue()

"""Pictures of the playground that can be kept: one as PNG, the film as GIF."""

import io

import torch
from matplotlib.figure import Figure

from ... import plots
from ..pictures import png
from .view import CELLS, LIMIT, SHOWN, View


@torch.no_grad()
def still(view: View, inches: float = 5.2, key: bool = True) -> bytes:
    """The game as it stands, as a PNG; with `key` it says which colour is what."""
    import matplotlib as mpl

    with mpl.rc_context():  # the notebook's own style stays as it is
        plots.style()
        x, d = view.fakes(SHOWN), view.heat()
        fig = Figure(figsize=(inches, inches), dpi=90)
        ax = plots.points(plots.heat(fig.add_subplot(), d.view(CELLS, CELLS), LIMIT), view.x_real, x, LIMIT)
        ax.set_title(f"Step {view.game.rounds:,}" + (": violet is where D says real" if key else ""))
        if key:
            ax.legend(loc="upper right", markerscale=3, handletextpad=0, borderpad=0.3)
        return png(fig)


def film(view: View, inches: float = 3.6, seconds: float = 6.0) -> bytes:
    """All snapshots of the game's film, as an animated GIF that takes about `seconds`; the game stays where it is."""
    from PIL import Image

    game, place, shots = view.game, view.game.place(), []
    try:
        for at in range(len(game.film)):
            game.go_back(at)
            shot = Image.open(io.BytesIO(still(view, inches, key=False)))
            shots.append(shot.convert("P", palette=Image.Palette.ADAPTIVE))
    finally:
        game.return_to(place)
    out = io.BytesIO()
    every = max(40, int(1000 * seconds / len(shots)))  # ms
    shots[0].save(out, "GIF", save_all=True, append_images=shots[1:], loop=0, duration=every)
    return out.getvalue()

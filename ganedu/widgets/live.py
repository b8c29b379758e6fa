"""A GAN on the plane that trains while the learner moves its sliders."""

import asyncio
import time

import ipywidgets as w
import torch
from matplotlib.figure import Figure

from .. import densities, losses, plots
from ..models import MLPDiscriminator, MLPGenerator, nearest
from ..sampling import seeded
from ..steps import train_step
from .pictures import display_widget, png

LIMIT, CELLS = 3.0, 48  # the picture shows [-3, 3]^2; the heat map has 48 x 48 cells
BUDGET, PAUSE = 0.03, 0.002  # seconds of training at a stretch, and of leaving the kernel to others
FRAME = 0.15  # seconds between two pictures at least: a PNG of 40 KB crosses a slow line in that time


class LiveGame:
    """`LiveGame(steps=300)`: run, pause, step, reset; data, loss, rates and steps of D act on the running game.

    The game runs in the kernel as an asyncio task of the shell's own loop, in stretches of 30 ms, so other cells and
    the sliders are served in between. `steps` are trained before it is shown, so that the stored picture shows
    something. Width and seed belong to the players: changing them deals new ones.
    """

    def __init__(self, data: str = "ring", *, steps: int = 0, batch_size: int = 150, z_dim: int = 2, seed: int = 0):
        self.batch_size, self.z_dim = batch_size, z_dim
        self._task: asyncio.Task | None = None
        wide = {"style": {"description_width": "10em"}, "layout": w.Layout(width="26em")}
        planar = [name for name, make in densities.ALL.items() if make().dim == 2]
        nearest(data, tuple(planar), "data")
        self.data = w.Dropdown(options=planar, value=data, description="data", **wide)
        self.loss = w.Dropdown(options={x.name: x for x in losses.ALL}, value=losses.non_saturating,
                               description="loss", **wide)  # fmt: skip
        rate = {"min": -4.5, "max": -1.0, "step": 0.1, "readout_format": ".1e", **wide}
        self.lr_G = w.FloatLogSlider(value=1e-3, description="learning rate of G", **rate)
        self.lr_D = w.FloatLogSlider(value=1e-3, description="learning rate of D", **rate)
        self.n_critic = w.IntSlider(value=1, min=1, max=10, description="steps of D per G", **wide)
        self.width = w.IntSlider(value=64, min=4, max=128, step=4, description="width (new game)", **wide)
        self.seed = w.IntSlider(value=seed, min=0, max=99, description="seed (new game)", **wide)
        self.button_run = w.ToggleButton(description="Run", icon="play", tooltip="run or pause")
        self.button_step = w.Button(description="One step")
        self.button_reset = w.Button(description="Start again")
        self.image = w.Image(format="png", layout=w.Layout(max_width="100%", width="34em"))
        self.text = w.HTML()
        settings = [self.data, self.loss, self.lr_G, self.lr_D, self.n_critic, self.width, self.seed]
        self.widget = w.VBox([
            w.HBox([self.button_run, self.button_step, self.button_reset]),
            w.HBox([self.image, w.VBox(settings)], layout=w.Layout(flex_flow="row wrap")), self.text,
        ])  # fmt: skip
        self._figure()
        self.reset()
        for _ in range(steps):
            self.train_once()
        self.render()
        self.button_run.observe(self._toggle, "value")
        self.button_step.on_click(lambda _: (self.train_once(), self.render()))
        self.button_reset.on_click(lambda _: (self.reset(), self.render()))
        for c in (self.data, self.width, self.seed):
            c.observe(lambda _: (self.reset(), self.render()), "value")
        for c in (self.loss, self.lr_G, self.lr_D, self.n_critic):
            c.observe(lambda _: self.render(), "value")
        display_widget(self.widget, self.image.value, self.image.alt)

    # ------------------------------------------------------------------------------------------------- the game

    def reset(self) -> None:
        """New players from the seed, new optimisers; the settings stay as they are."""
        self.step, self.message = 0, ""
        self.density = densities.ALL[self.data.value]()
        with seeded(self.seed.value):
            G, D = MLPGenerator(self.z_dim, width=self.width.value), MLPDiscriminator(width=self.width.value)
            self._z = torch.randn(400, self.z_dim)
            self._x_real = self.density.sample(400)
            self._rng = torch.get_rng_state()
        adam = {"betas": (0.5, 0.9), "fused": True}
        self.players = {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters(), **adam),
                        "opt_D": torch.optim.Adam(D.parameters(), **adam)}  # fmt: skip

    def train_once(self) -> None:
        """One round with the settings as they stand."""
        for player, slider in (("opt_G", self.lr_G), ("opt_D", self.lr_D)):
            for group in self.players[player].param_groups:
                group["lr"] = slider.value
        with torch.random.fork_rng():
            torch.set_rng_state(self._rng)
            x_real = self.density.sample(self.batch_size * self.n_critic.value)
            record = train_step(x_real, **self.players, z_dim=self.z_dim, loss=self.loss.value,
                                n_critic=self.n_critic.value)  # fmt: skip
            self._rng = torch.get_rng_state()
        self.step += 1
        if not all(v.isfinite() for v in record.values()):
            self.message = f"At step {self.step} a loss left the finite numbers: lower a learning rate and start again."
            self.button_run.value = False

    async def _play(self) -> None:
        due = 0.0
        while self.button_run.value:
            start = time.perf_counter()
            while time.perf_counter() - start < BUDGET and not self.message:
                self.train_once()
            if (now := time.perf_counter()) > due:
                self.render()
                due = time.perf_counter() + max(FRAME, 2 * (time.perf_counter() - now))  # two thirds go to training
            await asyncio.sleep(PAUSE)

    def _toggle(self, change) -> None:
        self.button_run.description, self.button_run.icon = ("Pause", "pause") if change["new"] else ("Run", "play")
        if change["new"] and self.message:
            self.button_run.value = False  # such a game goes nowhere: start again
        elif change["new"] and (self._task is None or self._task.done()):  # else it has not seen the pause and plays on
            self._task = asyncio.get_running_loop().create_task(self._play())
        elif not change["new"]:
            self.render()

    # ------------------------------------------------------------------------------------------------ the picture

    def _figure(self) -> None:
        plots.style()
        # A layout engine would measure every text again at every frame, and let the picture tremble. To a figure that
        # never had one, savefig gives that of the style; so this one had one.
        self.fig = Figure(figsize=(5.2, 5.2), dpi=90, layout="tight")
        self.fig.set_layout_engine("none")
        self.fig.subplots_adjust(0.11, 0.1, 0.98, 0.93)
        self.ax = ax = self.fig.add_subplot()
        self._heat = plots.heat(ax, torch.zeros(CELLS, CELLS), LIMIT).images[-1]
        plots.points(ax, torch.zeros(1, 2), torch.zeros(1, 2), LIMIT)
        self._real_dots, self._fake_dots = ax.collections[-2:]
        ax.legend(loc="upper right", ncols=2, handletextpad=0, columnspacing=0.8, markerscale=3)
        side = (torch.arange(CELLS) + 0.5) * 2 * LIMIT / CELLS - LIMIT  # the cells' centres
        self._grid = torch.cartesian_prod(side, side).flip(1)  # rows are x_2

    @torch.no_grad()
    def render(self) -> None:
        """Draw the game as it stands, in place, and say it in words."""
        G, D = self.players["G"], self.players["D"]
        x_fake = G(self._z)
        d_real, d_fake = D(self._x_real), D(x_fake)
        self._heat.set_data(D(self._grid).sigmoid().view(CELLS, CELLS).numpy())
        self._real_dots.set_offsets(self._x_real.numpy())
        self._fake_dots.set_offsets(x_fake.numpy())
        right = ((d_real > 0).float().mean() + (d_fake < 0).float().mean()) / 2
        self.ax.set_title(f"Step {self.step:,}: D is right {right:.0%} of the time")
        self.image.value = png(self.fig, close=False)
        text = f"Step {self.step:,}. D is right {right:.0%} of the time"
        if self.density.modes is not None:
            near = torch.cdist(x_fake, self.density.modes).min(1)
            close = near.values < 0.3
            found = len(near.indices[close].unique())
            text += (
                f"; fakes lie near {found} of {len(self.density.modes)} modes, {1 - close.float().mean():.0%} of them"
            )
            text += " near none"
        self.image.alt = f"{text}. Blue dots are real, orange ones fake; the violet shade is where D says real."
        self.text.value = f'<div role="status" aria-live="polite">{self.message or text + "."}</div>'

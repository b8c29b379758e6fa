"""Slow motion: one round of the game, part by part, each with one sentence that uses the round's own numbers."""

import math
import time

import torch

from .game import Game

PARTS = ("noise", "generator", "samples", "discriminator", "loss", "gradient", "update")
SECONDS = 2.2  # a part stays lit for this long


class Slow:
    """`toggle` it, call `play` often: it lights the next part when its time has come; "update" takes the turn."""

    def __init__(self, game: Game):
        self.game, self.active = game, False
        self.begin_again()

    def begin_again(self) -> None:
        self.player, self.part, self.until, self.phase = "D", -1, 0.0, None

    def toggle(self) -> None:
        self.active = not self.active
        self.begin_again()

    def forward(self) -> None:
        """The next part at once."""
        self.until = 0.0

    def play(self) -> bool:
        """Whether a new part has been lit."""
        if not self.active or time.monotonic() < self.until:
            return False
        self.part += 1
        if self.part == len(PARTS):
            self.part, self.player = 0, "G" if self.player == "D" else "D"
        part = PARTS[self.part]
        before = self._scores()
        if part == "update":
            (self.game.turn_D if self.player == "D" else self.game.turn_G)()
            if self.player == "G":
                self.game.rounds += 1
        finite = {p: v if math.isfinite(v) else None for p, v in zip("DG", before[2:], strict=True)}  # JSON has no NaN
        sentence = self._sentence(part, before, self._scores())
        self.phase = {"player": self.player, "part": part, "sentence": sentence, "losses": finite}
        self.until = time.monotonic() + SECONDS
        return True

    @torch.no_grad()
    def _scores(self) -> tuple[float, float, float, float]:
        """(mean D of a batch of real, of fakes from noise that the game does not use; D's loss on them, G's)."""
        g = self.game
        z = g.draw_noise(g.x_real.shape[1], torch.Generator().manual_seed(1)).expand(g.settings["worlds"], -1, -1)
        real, fake = g.D(g.x_real)[:1], g.D(g.G(z))[:1]
        try:
            losses = g.loss.d_loss(real, fake), g.loss.g_loss(fake, real)
        except BaseException as e:  # the learner's own: the turn will say what is wrong with it
            if isinstance(e, KeyboardInterrupt):
                raise
            losses = (real.new_tensor(math.nan),) * 2
        return tuple(x.mean().item() for x in (real.sigmoid(), fake.sigmoid(), *losses))

    def _sentence(self, part: str, before: tuple[float, ...], now: tuple[float, ...]) -> str:
        g, n, name = self.game, self.game.settings["batch"], self.game.settings["loss"]
        real, fake, loss_D, loss_G = before
        numbers = "one number" if g.settings["z_dim"] == 1 else "two numbers"
        if self.player == "D":
            return {
                "noise": f"D's turn. {n} draws of noise z, {numbers} each: pure chance.",
                "generator": "G turns each z into a point. It does not learn now: it only delivers.",
                "samples": f"{n} fakes in orange, and {n} real samples in blue beside them.",
                "discriminator": f"D says how real each looks: on average {real:.2f} for real, {fake:.2f} for fake.",
                "loss": f"D's loss ({name}) is {loss_D:.2f}: high where real got a low score, or a fake a high one.",
                "gradient": "Its slope says of every weight of D: a little more, or a little less?",
                "update": f"D takes one small step: real {real:.3f} to {now[0]:.3f}, fake {fake:.3f} to {now[1]:.3f}.",
            }[part]
        return {
            "noise": f"G's turn. {n} new draws of noise.",
            "generator": "G turns them into points again; this time every weight remembers what it did.",
            "samples": "Fakes, each beside one real sample: this loss compares the two."
            if g.loss.pairs
            else "Fakes only: G never sees a real sample.",
            "discriminator": f"D judges them, {fake:.2f} on average. It holds still: it is the teacher now.",
            "loss": f"G's loss ({name}) is {loss_G:.2f}: small where D was fooled.",
            "gradient": "The slope runs back through D to each fake: the arrows say where D would believe it more.",
            "update": f"G takes one small step along all arrows: D's score goes from {fake:.3f} to {now[1]:.3f}.",
        }[part]

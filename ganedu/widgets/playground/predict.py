"""Predict, run, score: the learner says what will happen before it does."""

import torch

from .game import Game
from .view import SHOWN, View


class Prediction:
    """One guess at a time; `history` keeps [{"text", "score"}], score from 0 to 100."""

    def __init__(self, game: Game):
        self.game, self.history, self.guess = game, [], None

    def begin(self, wanted: dict, view: View) -> None:
        """Take {"what": "modes", "guess", "rounds"} or {"what": "move", "fake", "to", "rounds"}.

        Raises ValueError for a guess that cannot be.
        """
        what, rounds = wanted["what"], int(wanted.get("rounds", 300))
        if not 1 <= rounds <= 5000:
            raise ValueError(f"rounds={rounds} does not fit: 1 to 5,000.")
        if what == "modes":
            modes, guess = self.game.density.modes, int(wanted["guess"])
            if modes is None:
                raise ValueError(f"{self.game.settings['data']} has no modes to count: choose ring, grid or line.")
            if not 0 <= guess <= len(modes):
                raise ValueError(f"a guess of {guess} modes cannot be: 0 to {len(modes)}.")
            self.guess = {"what": what, "guess": guess}
        elif what == "move":
            to = torch.tensor([float(v) for v in wanted["to"]])
            if to.shape != (2,) or not to.isfinite().all():
                raise ValueError("drag the fake to a place inside the picture.")
            fake = int(wanted["fake"])
            self.guess = {"what": what, "fake": fake, "to": to, "start": _place(view, fake)}
        else:
            raise ValueError(f"nothing to predict called {what!r}: modes, or move.")
        self.guess["until"] = self.game.rounds + rounds

    def stop(self) -> None:
        self.guess = None

    @property
    def left(self) -> dict | None:
        return None if self.guess is None else {"left": max(0, self.guess["until"] - self.game.rounds)}

    def score(self, view: View) -> bool:
        """Whether the run is over: then the score has joined the history."""
        if self.guess is None or self.game.rounds < self.guess["until"]:
            return False
        guess, self.guess = self.guess, None
        if guess["what"] == "modes":
            k, found = len(self.game.density.modes), view.count().modes[0]
            score = round(100 * (1 - abs(found - guess["guess"]) / k))
            text = f"Step {self.game.rounds:,}: you said {guess['guess']} of {k} modes, it is {found}."
        else:
            there = _place(view, guess["fake"])
            off, way = (there - guess["to"]).norm().item(), (there - guess["start"]).norm().item()
            score = round(100 * max(0.0, 1 - off / max(way, 0.2)))
            text = f"Step {self.game.rounds:,}: your place is {off:.2f} off; the fake moved {way:.2f}."
        self.history = [{"text": text, "score": score}, *self.history][:20]
        return True


def _place(view: View, fake: int) -> torch.Tensor:
    """Where a fake of the picture is now, (2,)."""
    if not 0 <= fake < SHOWN:
        raise ValueError(f"there is no fake number {fake}: 0 to {SHOWN - 1}.")
    return view.fakes(SHOWN)[fake]

"""Predict, run, score: the learner says what will happen before it does."""

from numbers import Real

import torch

from ...inputs import brief, whole
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
        what, rounds = wanted["what"], wanted.get("rounds", 300)
        whole("rounds", rounds, 1, 5000)
        if what == "modes":
            modes, guess = self.game.density.modes, wanted["guess"]
            if modes is None:
                raise ValueError(f"{self.game.settings['data']} has no modes to count: choose ring, grid or line.")
            whole("guess", guess, 0, len(modes), "so many modes there are")
            self.guess = {"what": what, "guess": guess, "density": self.game.density}
        elif what == "move":
            to, fake = wanted["to"], wanted["fake"]
            pair = isinstance(to, list | tuple) and len(to) == 2
            if not pair or not all(isinstance(v, Real) and abs(v) < 100 for v in to):
                raise ValueError("drag the fake to a place inside the picture: two numbers.")
            whole("fake", fake, 0, SHOWN - 1, "so many are in the picture")
            self.guess = {"what": what, "fake": fake, "to": torch.tensor(to).float(), "start": view.fakes(SHOWN)[fake]}
        else:
            raise ValueError(f"nothing to predict called {brief(what)}: modes, or move.")
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
            if guess["density"] is not self.game.density:  # the guess was about other data
                return False
            k, found = len(self.game.density.modes), view.count().modes[0]
            score = round(100 * (1 - abs(found - guess["guess"]) / k))
            text = f"Step {self.game.rounds:,}: you said {guess['guess']} of {k} modes, it is {found}."
        else:
            there = view.fakes(SHOWN)[guess["fake"]]
            off, way = (there - guess["to"]).norm().item(), (there - guess["start"]).norm().item()
            score = round(100 * max(0.0, 1 - off / max(way, 0.2)))
            text = f"Step {self.game.rounds:,}: your place is {off:.2f} off; the fake moved {way:.2f}."
        self.history = [{"text": text, "score": score}, *self.history][:20]
        return True

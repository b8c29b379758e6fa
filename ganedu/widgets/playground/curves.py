"""The playground's curves: what was counted over the steps, and how much of it the page has."""

import math

from .view import Numbers


class Curves:
    """`add` what was counted at a step; `news` is what the page does not have yet. `values` holds a list a name."""

    def __init__(self):
        self.values, self._sent = {k: [] for k in ("step", "loss_D", "loss_G", "kl", "js")}, 0

    def clear(self) -> None:
        for values in self.values.values():
            values.clear()
        self._sent = 0

    def send_again(self) -> None:
        """All of it is news to a fresh page."""
        self._sent = 0

    def add(self, step: int, numbers: Numbers, losses: dict[str, float]) -> None:
        """A point a curve; after a rewind the curves begin where the game does."""
        steps = self.values["step"]
        while steps and steps[-1] >= step:
            for values in self.values.values():
                values.pop()
        self._sent = min(self._sent, len(steps))
        row = {"step": step, "kl": numbers.kl, "js": numbers.js, "loss_D": losses.get("D"), "loss_G": losses.get("G")}
        for name, value in row.items():
            gap = value is None or not math.isfinite(value)  # JSON has no NaN
            self.values[name].append(None if gap else value if name == "step" else round(value, 4))

    def news(self) -> dict | None:
        """{"from": index, name: values from there on}, with the last point that the page has; None without any."""
        if self._sent == len(self.values["step"]):
            return None
        start = max(0, self._sent - 1)
        self._sent = len(self.values["step"])
        return {"from": start, **{name: values[start:] for name, values in self.values.items()}}

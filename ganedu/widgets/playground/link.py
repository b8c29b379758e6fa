"""The line to the page: how many frames may be under way, and which pages are still there."""

import math
import time

FRAME = 1 / 32  # seconds between two frames, at least: thirty a second are left when a round takes what it takes
MOST = 50  # pages that are remembered
GONE = {False: 12.0, True: 90.0}  # seconds without a sign of life from a page (hidden or not) after which it is gone


class Link:
    """Which frames are on their way to the page, which acknowledges them six times a second.

    As many may be under way as are drawn between two acknowledgements, and as many more as the line's delay holds; the
    delay is the shortest seen, since a longer one would be that of a queue.
    """

    def __init__(self):
        self.sent: dict[int, float] = {}
        self.id, self.trip = 0, 0.05

    def free(self) -> bool:
        oldest = min(self.sent.values(), default=math.inf)
        if time.monotonic() - oldest > 3:  # lost: a page that was closed while frames were under way
            self.sent.clear()
        return len(self.sent) < 7 + min(12, self.trip / FRAME)

    def send(self) -> int:
        self.id += 1
        self.sent[self.id] = time.monotonic()
        return self.id

    def acknowledge(self, id_: int) -> None:
        if id_ in self.sent:
            trip = time.monotonic() - self.sent[id_]
            self.trip = min(trip, 0.9 * self.trip + 0.1 * trip)
        self.sent = {k: t for k, t in self.sent.items() if k > id_}


class Pages:
    """The pages that show the game; a closed or reloaded one, which gives no sign of life, is forgotten."""

    def __init__(self):
        self._signs: dict[str, tuple[float, bool]] = {}  # view -> (last sign of life, hidden)

    def alive(self, view: str, hidden: bool) -> None:
        self._signs = dict([*self._signs.items()][-MOST:])  # one that calls itself otherwise each time fills no memory
        self._signs[view] = (time.monotonic(), hidden)

    def gone(self, view: str) -> None:
        self._signs.pop(view, None)

    def any(self) -> bool:
        """Whether a page is there."""
        now = time.monotonic()
        self._signs = {view: (at, hidden) for view, (at, hidden) in self._signs.items() if now - at < GONE[hidden]}
        return bool(self._signs)

    def all_hidden(self) -> bool:
        return all(hidden for _, hidden in self._signs.values())

"""What a placement policy is: it sees bits, and says which pages trade places.

Pure decisions over all pages at once: no thread, no clock, no file. The same object decides in
simulation and in replay.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmscand.model import BoolArray, PageNumbers

SHORTEST_EXPOSURE, LONGEST_EXPOSURE = 0.01, 50.0
"""What a daemon can do, in base windows of a second: to clear and read bits within 10 ms means a
pass of that length, and after a minute nobody waits for a decision."""
PAYBACK_ACCESSES = 16.0
"""What a trade has to bring in: two moves of 1.24 us each against 157 ns an access."""
LEAST_PERIOD = 0.25
"""From the start of a pass to that of the next, however short the exposure; 250 ms. RFC V3 goes
down to 400 ms. A pass over 64 GiB takes 15 to 150 ms."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Pages to promote and to demote, the most urgent first."""

    up: PageNumbers
    down: PageNumbers


NO_MOVES = Moves(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp))


class PlacementPolicy(Protocol):
    """Decides for a fixed set of pages, of which `capacity` fit the fast tier."""

    name: str
    exposure: float
    """How long bits are to collect before the next decision, in base windows."""

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """After an exposure: which pages were accessed in it, and which are on the fast tier."""
        ...

    def forget(self, pages: PageNumbers) -> None:
        """These pages were freed; others have their numbers now."""
        ...


def exchange(fast: BoolArray, worth: NDArray[np.float64], capacity: int, margin: float) -> Moves:
    """Fill the fast tier with the pages of most worth, then trade 1:1 while that gains `margin`.

    `worth` (pages,) orders pages; a page of worth 0 or less is never promoted.
    """
    slow_pages, fast_pages = np.flatnonzero(~fast), np.flatnonzero(fast)
    best = _best_first(slow_pages, worth, capacity)
    room = max(0, capacity - len(fast_pages))
    fill = best[:room][worth[best[:room]] > 0]
    rest = best[room:]
    worst = fast_pages[np.argsort(worth[fast_pages], kind="stable")][: len(rest)]
    gain = worth[rest[: len(worst)]] - worth[worst]
    trades = int(np.count_nonzero(np.logical_and.accumulate(gain > margin)))
    return Moves(np.concatenate((fill, rest[:trades])), worst[:trades])


def _best_first(pages: PageNumbers, worth: NDArray[np.float64], most: int) -> PageNumbers:
    if len(pages) > most:
        pages = pages[np.argpartition(-worth[pages], most - 1)[:most]]
    ordered: PageNumbers = pages[np.argsort(-worth[pages], kind="stable")]
    return ordered

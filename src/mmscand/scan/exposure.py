"""An exposure that is shorter than the period: bits are cleared, collect for a while, are read.

Where it is not, a pass clears what the next one reads, and an exposure lasts from each to the next.
"""

from collections import Counter
from collections.abc import Callable

from mmscand.machine import AddressSpace
from mmscand.model import PageBlock, VmaTable

Clear = Callable[[PageBlock, VmaTable, Counter[str]], None]
"""Clears the bits of a block that have to be, and counts them."""


class Exposure:
    """Of one process; a stretch of its address space at a time, as much as a visit looks at."""

    def __init__(self) -> None:
        self._next: int | None = None
        """Address where clearing goes on; None between exposures."""
        self.counts: Counter[str] = Counter()
        """Of what was cleared for the visit that follows."""
        self.began = 0.0
        self.collects = False
        """Bits were cleared, and nobody has read them yet."""

    @property
    def begins(self) -> bool:
        """Clearing is not complete."""
        return self._next is not None

    def clear(
        self,
        space: AddressSpace,
        vmas: VmaTable,
        start: int,
        most_pages: int,
        clear: Clear,
        *,
        now: float,
        go_on: Callable[[], bool],
    ) -> bool:
        """Clear from `start` on, or from where it was interrupted; whether that is done.

        `go_on` is asked after each window, as in a visit.
        """
        if self._next is None:
            self.began, self._next, self.counts = now, start, Counter()
        for window in space.read(vmas, self._next):
            for block in window.blocks:
                clear(block, vmas, self.counts)
            self.counts["examined"] += window.pages
            self._next = window.end
            if self.counts["examined"] >= most_pages:
                break
            if not go_on():
                return False
        self._next, self.collects = None, True
        return True

    def take(self) -> Counter[str]:
        """What was cleared, now that it is read."""
        self.collects = False
        counts, self.counts = self.counts, Counter()
        del counts["examined"]  # looked at for once, as far as pacing is concerned
        return counts

    def cancel(self) -> None:
        """What was cleared means nothing any more."""
        self._next, self.collects = None, False
        self.counts = Counter()

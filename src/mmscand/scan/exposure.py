"""An exposure that is shorter than the period: bits are cleared, collect for a while, are read.

Where it is not, a pass clears what the next one reads, and an exposure lasts from each to the next.
"""

from collections import Counter
from collections.abc import Callable

from mmscand.machine import AddressSpace
from mmscand.model import PageBlock, VmaTable

_NO_END = 1 << 64
Clear = Callable[[PageBlock, VmaTable, Counter[str]], None]
"""Clears the bits of a block that have to be, and counts them."""


class MeanMoment:
    """When pages were looked at, on the average."""

    def __init__(self) -> None:
        self._sum_s = 0.0
        self._pages = 0

    def add(self, now: float, pages: int) -> None:
        """This number more."""
        self._sum_s += now * pages
        self._pages += pages

    @property
    def at(self) -> float | None:
        """Clock time; None before the first page."""
        return self._sum_s / self._pages if self._pages else None


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
        self.end = _NO_END
        """Address up to which they were."""
        self._cleared, self._read = MeanMoment(), MeanMoment()
        """In this pass."""
        self._read_before: float | None = None
        """In the pass before."""

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
            self._cleared.add(now, window.pages)
            self._next = window.end
            if self.counts["examined"] >= most_pages:
                break
            if not go_on():
                return False
        else:
            self._next = _NO_END
        self.end, self._next, self.collects = self._next, None, True
        return True

    def take(self) -> Counter[str]:
        """What was cleared, now that it is read."""
        self.collects, self.end = False, _NO_END
        counts, self.counts = self.counts, Counter()
        del counts["examined"]  # looked at for once, as far as pacing is concerned
        return counts

    def read(self, now: float, pages: int) -> None:
        """This number of pages was read."""
        self._read.add(now, pages)

    def nothing_ran(self, now: float) -> None:
        """Nobody could access anything until now."""
        self._read_before = now

    def end_pass(self) -> float | None:
        """How long the bits that this pass has read had collected, in seconds, on the average."""
        read, before = self._read.at, self._read_before
        began = before if self._cleared.at is None else self._cleared.at
        self._cleared, self._read, self._read_before = MeanMoment(), MeanMoment(), read
        return None if read is None or began is None else max(0.0, read - began)

    def cancel(self) -> None:
        """What was cleared means nothing any more."""
        self._next, self.collects = None, False
        self.counts = Counter()
        self._cleared, self._read, self._read_before = MeanMoment(), MeanMoment(), None

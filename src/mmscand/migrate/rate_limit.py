"""How much may be moved: MB/s that hold over any second."""

from mmscand.clock import Clock
from mmscand.model import PAGE_BYTES

_BATCH_S = 0.05
"""A batch is at most this long at the rate, so that any second holds 105 % of it at most."""
_LEAST_BATCH_PAGES = 64
"""Below this a call costs more than the pages: it drains the LRU caches of all CPUs."""


class RateLimit:
    """Paid after each batch: the next one waits until this one is worked off. Nothing is saved."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages_per_s = 0.0
        self.ready_at = 0.0
        """Clock time from which more may be moved."""

    def set_mb_s(self, mb_s: int) -> None:
        """Another rate from now on; 0 is none."""
        self._pages_per_s = mb_s * (1 << 20) / PAGE_BYTES

    def batch_pages(self, most: int) -> int:
        """Pages that the next batch may have."""
        if not self._pages_per_s:
            return most
        return min(most, max(_LEAST_BATCH_PAGES, int(self._pages_per_s * _BATCH_S)))

    def pay(self, pages: int) -> None:
        """A batch of this number of pages was moved."""
        if self._pages_per_s:
            start = max(self.ready_at, self._clock.now() - _BATCH_S)
            self.ready_at = start + pages / self._pages_per_s

"""How much one system call may take: bounded by the time that it was seen to need.

process_madvise holds the mmap lock for reading, from 7.x on for its whole vector; a writer that
waits for it (mmap, brk, fork) makes the page faults behind it wait too. So calls begin small,
double while they take less than 5 ms, and halve above 10 ms: on any machine, also in emulation.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SHORT_S, _LONG_S = 0.005, 0.010


class CallSize:
    """Of one kind of call; in whatever unit its owner counts."""

    def __init__(self, first: int, most: int, now: Callable[[], float] = time.perf_counter) -> None:
        self._first, self._most = first, most
        self._now = now
        self.size = first
        """Most that the next call may take."""

    @contextmanager
    def timed(self, used: int) -> Iterator[None]:
        """Around a call that takes `used`: one that is not full says nothing of larger ones."""
        began = self._now()
        try:
            yield
        finally:
            seconds = self._now() - began
            if seconds > _LONG_S:
                self.size = max(self._first // 8, self.size // 2, 1)
            elif seconds < _SHORT_S and used > self.size // 2:
                self.size = min(self._most, self.size * 2)

"""How much one system call may take: bounded by the time that it was seen to need.

process_madvise holds the mmap lock for reading, from 7.x on for its whole vector; a writer that
waits for it (mmap, brk, fork) makes the page faults behind it wait too. So calls begin small,
double while they take less than half of what they may, and halve when they take more. Where the
smallest calls take longer, as a flush of the TLB in emulation does, that is no matter of their
size: it counts on top.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LONGEST_S = 0.010
"""Of a call."""
LOCKED_S = 0.005
"""Of a call that holds the mmap lock all the time. move_pages(2) takes it for each page."""
_LOOKS_EVERY = 16
_BELIEVED = 0.75
"""With each call that takes too long it is less likely that it does so whatever its size."""


class CallSize:
    """Of one kind of call; in whatever unit its owner counts."""

    def __init__(
        self,
        first: int,
        most: int,
        now: Callable[[], float] = time.perf_counter,
        *,
        longest_s: float = _LONGEST_S,
    ) -> None:
        self._least, self._most, self.longest_s = max(first // 8, 1), most, longest_s
        self._now = now
        self.size = first
        """Most that the next call may take."""
        self._fixed_s = 0.0
        """What a call takes whatever its size, where that is more than a call may take."""
        self._least_took_s = 0.0
        """What one of the least size took, while the call that follows it is twice as large."""
        self._calls = 0
        """Of the least size that took too long."""

    @contextmanager
    def timed(self, used: int) -> Iterator[None]:
        """Around a call that takes `used`: one that is not full says nothing of larger ones."""
        began = self._now()
        try:
            yield
        finally:
            seconds = self._now() - began
            self._judge(seconds, used)

    def _judge(self, seconds: float, used: int) -> None:
        self._fixed_s = min(self._fixed_s, seconds)
        if self._least_took_s:
            # A line through both, at size 0; half of it is its size's, then size matters.
            fixed_s = min(2 * self._least_took_s - seconds, seconds)
            self._fixed_s = fixed_s if fixed_s > self._least_took_s / 2 else 0.0
            self._least_took_s = 0.0
        if seconds > self.longest_s + self._fixed_s:
            self.size = max(self._least, self.size // 2)
            self._fixed_s *= _BELIEVED
            self._look_closer(seconds, used)
        elif seconds < self.longest_s / 2 + self._fixed_s and used > self.size // 2:
            self.size = min(self._most, self.size * 2)

    def _look_closer(self, seconds: float, used: int) -> None:
        """Now and then, if a call of the least size takes too long, try twice its size."""
        if used <= self._least == self.size:
            if self._calls % _LOOKS_EVERY == 0:
                self._least_took_s, self.size = seconds, 2 * used
            self._calls += 1

"""By the CPU clock of a process: visits that can be left out, as it has not run since the last one,
and time that does not count, as it stood still.
"""

from collections.abc import Callable

_MOST_SKIPPED = 64
"""A visit to a small idle process costs 980 us, a visit that is skipped 7 us: with one in 64 it is
22 us on average. More would save little, and memory that others reach through the same page tables
(a vfork child, a kernel thread) is still looked at every ten minutes."""

_SETTLED_VISITS = 4
"""Visits that find no fewer pages accessed each time: after four observations what is not
accessed is cold. Of memory that was in use bits are cleared a part at a time, so fewer are set."""

_LEAST_S = 0.05
"""CPU time is compared over stretches of at least this length: a scheduler's slice is 3 ms."""
_STANDS_STILL = 0.5
"""Below this part of its usual CPU time a process is taken to have stood still for the rest."""
_HALF_LIFE_S = 5.0
"""Of what is usual, which is the most that was used: a program that needs less CPU time from now on
is believed to within some seconds."""
_LEAST_SHARE = 0.01
"""Of a core: of a process that uses less the CPU time comes in drops."""


class IdleWatch:
    """Leaves out twice as many visits in a row each time, while the process does not run.

    The visits in between shift its history: pages that were hot once, minutes ago, are not hot
    because the process was looked at twice only.
    """

    def __init__(self, cpu_ns: Callable[[], int]) -> None:
        """`cpu_ns` is AddressSpace.cpu_ns."""
        self._cpu_ns = cpu_ns
        self._seen_ns = -1
        self._limit = 1
        self._accessed = self._settled = 0
        """Pages that the last visit found accessed, and visits since they became fewer."""
        self.skipped = 0
        """Since the last visit."""

    def skip(self, *, large: bool) -> bool:
        """Whether the visit that is due now can be left out; it is counted then.

        A large process is visited until its pages are known to be cold: hot pages of others may
        wait for their place, and no trade is planned with pages of which nothing is known.
        """
        # Read before the visit: what runs while the process is read is seen next time.
        now_ns = self._cpu_ns()
        if now_ns != self._seen_ns:
            self._seen_ns, self._limit, self._settled = now_ns, 1, 0
            return False
        if large and self._settled < _SETTLED_VISITS:
            return False
        if self.skipped >= self._limit:
            self._limit = min(2 * self._limit, _MOST_SKIPPED)
            return False
        self.skipped += 1
        return True

    def taken(self, accessed: int) -> int:
        """A visit found this number of 4 KiB pages accessed; how many were skipped before it."""
        self._settled = 1 if accessed < self._accessed else self._settled + 1
        self._accessed = accessed
        skipped, self.skipped = self.skipped, 0
        return skipped


class ProgramTime:
    """Time in which a process could access its memory: less than has passed, where it stood still.

    While pages move, a thread that needs one of them sleeps until it has arrived, and where CPUs
    are few, the migrator takes one. To the Accessed bits that looks as if nothing were hot.
    """

    def __init__(self, cpu_ns: Callable[[], int]) -> None:
        """`cpu_ns` is AddressSpace.cpu_ns."""
        self._cpu_ns = cpu_ns
        self._seen_ns: int | None = None
        self._seen_at = 0.0
        self._usual = 0.0
        """CPU seconds a second."""

    def slept(self, now: float) -> float:
        """It has not run since it was asked for last; seconds."""
        seconds = 0.0 if self._seen_ns is None else now - self._seen_at
        self._seen_ns, self._seen_at = self._cpu_ns(), now
        return seconds

    def stood_still(self, now: float) -> float:
        """Seconds in which it stood still, since it was asked for last."""
        seconds = now - self._seen_at
        if self._seen_ns is not None and seconds < _LEAST_S:
            return 0.0
        before_ns, self._seen_ns, self._seen_at = self._seen_ns, self._cpu_ns(), now
        if before_ns is None:
            return 0.0
        share = (self._seen_ns - before_ns) * 1e-9 / seconds
        self._usual = max(share, self._usual * 0.5 ** (seconds / _HALF_LIFE_S))
        if self._usual < _LEAST_SHARE or share >= _STANDS_STILL * self._usual:
            return 0.0
        return seconds * (1 - share / self._usual)

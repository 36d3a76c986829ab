"""Which visits to a process can be left out, because it has not run since the last one."""

from collections.abc import Callable

_MOST_SKIPPED = 64
"""A visit to a small idle process costs 980 us, a visit that is skipped 7 us: with one in 64 it is
22 us on average. More would save little, and memory that others reach through the same page tables
(a vfork child, a kernel thread) is still looked at every ten minutes."""

_SETTLED_VISITS = 4
"""Visits that find no fewer pages accessed each time: after four observations what is not
accessed is cold. Of memory that was in use bits are cleared a part at a time, so fewer are set."""


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

"""Pages that would not move, remembered so that they are not tried again in every pass."""

import errno

import numpy as np
from numpy.typing import NDArray

from mmscand.model import BoolArray, IntArray, UIntArray

FIRST_DELAY_S = {
    errno.EBUSY: 4.0,  # in use for a moment, or pinned: the next delays say
    errno.EAGAIN: 4.0,
    errno.EACCES: 60.0,  # shared: not before the others may have let go of it
    errno.EIO: 60.0,
}
"""By reason. Others are not the page's doing (ENOMEM: the node is full) or go away with it."""
GROWTH = 8
"""Each further failure waits this much longer: 4 s, 32 s, 4 min, 10 min. A page that is pinned for
good costs 5 tries in ten minutes instead of one every other pass."""
LONGEST_DELAY_S = 600.0
_MOST_PAGES = 65_536
"""Of one process: 1.3 MiB. Beyond that the ones that end first are forgotten."""


class BackOff:
    """The failures of one process: sorted addresses, when to try again, and how often it failed."""

    def __init__(self) -> None:
        self._addresses: UIntArray = np.empty(0, dtype=np.uint64)
        self._until: NDArray[np.float64] = np.empty(0, dtype=np.float64)
        self._failures: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._addresses)

    def note(self, addresses: UIntArray, status: IntArray, now: float) -> None:
        """Take what became of slots: failures wait, those that moved are forgotten."""
        first = np.zeros(len(addresses))
        for reason, delay_s in FIRST_DELAY_S.items():
            first[status == -reason] = delay_s
        self.hold(addresses, first, now)

    def hold(self, addresses: UIntArray, first: NDArray[np.float64], now: float) -> None:
        """Hold each address for `first` seconds (n,), longer each time; 0 does not hold it."""
        place, known = self._find(addresses)
        failures = np.where(known, self._failures[place] if len(self) else 0, 0).astype(np.uint8)
        self._drop(place[known])
        failed = first > 0
        delays = first[failed] * float(GROWTH) ** failures[failed]
        self._add(
            addresses[failed],
            now + np.minimum(delays, LONGEST_DELAY_S),
            np.minimum(failures[failed], 20) + np.uint8(1),
        )

    def known(self, now: float) -> tuple[UIntArray, BoolArray]:
        """All that would not move when they were tried last, ascending; and which of them may be
        tried again.
        """
        due: BoolArray = self._until <= now
        return self._addresses, due

    def holds(self, addresses: UIntArray, now: float) -> BoolArray:
        """Which of these are not to be tried yet."""
        place, known = self._find(addresses)
        held: BoolArray = known
        held[known] = self._until[place[known]] > now
        return held

    def held(self, address: int, now: float) -> tuple[int, float]:
        """Failures in a row of the slot at an address, and seconds until it may be tried again.
        From any thread: an answer that mixes two moments does no harm.
        """
        addresses, until, failures = self._addresses, self._until, self._failures
        place = int(np.searchsorted(addresses, np.uint64(address)))
        if place >= len(addresses) or int(addresses[place]) != address or place >= len(until):
            return 0, 0.0
        return int(failures[place]), max(0.0, float(until[place]) - now)

    def _find(self, addresses: UIntArray) -> tuple[NDArray[np.intp], BoolArray]:
        """Place of each address (0 where there is none), and whether it is there."""
        place = np.searchsorted(self._addresses, addresses)
        place[place == len(self)] = 0
        if not len(self):
            return place, np.zeros(len(addresses), dtype=np.bool_)
        return place, self._addresses[place] == addresses

    def _drop(self, place: NDArray[np.intp]) -> None:
        self._addresses = np.delete(self._addresses, place)
        self._until = np.delete(self._until, place)
        self._failures = np.delete(self._failures, place)

    def _add(
        self, addresses: UIntArray, until: NDArray[np.float64], failures: NDArray[np.uint8]
    ) -> None:
        at = np.searchsorted(self._addresses, addresses)
        self._addresses = np.insert(self._addresses, at, addresses)
        self._until = np.insert(self._until, at, until)
        self._failures = np.insert(self._failures, at, failures)
        if len(self) > _MOST_PAGES:
            self._drop(np.argsort(self._until)[: len(self) - _MOST_PAGES])

"""Huge pages that were split to be looked at, and what was accessed of their 4K pages since.

An observation lasts from one clearing of a row's bits to the next. What is accessed in the first
ones is compared with what is accessed in the later ones: hot parts are the same pages again, while
of memory that is used evenly it is others each time. By their number alone the two look alike.
"""

import numpy as np

from mmscand.model import (
    PAGES_PER_TABLE,
    BoolArray,
    ByteArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    UIntArray,
)
from mmscand.sets import among

_EARLY, OBSERVATIONS = 2, 3
"""A 4K page is promoted after two accesses at least; another observation shows which go on."""
_MOST = 2 * OBSERVATIONS
"""Of a page in which nothing is seen in the later ones."""
_LONGEST_S = 120.0
"""After which it is judged by what was seen: six visits, where these are 10 s apart and two make an
observation."""
_LOST_S = 4 * _LONGEST_S
"""Not met again since: it was unmapped, or made huge by the kernel."""
_DENSER = 2.0
"""Hot parts have at least this number of times the accesses of a page of the whole: with 256 hot
pages of 512 it is 2. The whole may take as many times their fast memory, to save TLB entries."""


class HugeWatch:
    """Of one process; all arrays have one entry for each page, in the order of their addresses."""

    def __init__(self) -> None:
        self.addresses: UIntArray = np.empty(0, dtype=np.uint64)
        self._rounds: PageNumbers = np.empty(0, dtype=np.intp)
        """Clearings of its bits so far."""
        self._since: FloatArray = np.empty(0)
        """Clock time at which it was split."""
        self._now: BoolArray = np.empty((0, PAGES_PER_TABLE), dtype=np.bool_)
        """(n, 512) accessed in this observation so far ..."""
        self._early: BoolArray = self._now
        """... in any of the early ones ..."""
        self._later: ByteArray = self._now.astype(np.uint8)
        """... and in how many of the later ones."""

    def __len__(self) -> int:
        """Huge pages on watch."""
        return len(self.addresses)

    def rows(self, block: PageBlock) -> PageNumbers:
        """Rows of a block that are on watch."""
        if block.pages_per_slot > 1 or not len(self.addresses):
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(among(block.addresses, self.addresses))

    def add(self, addresses: UIntArray, now: float) -> None:
        """These were split."""
        number = len(addresses)
        every = np.concatenate((self.addresses, addresses))
        order = np.argsort(every, kind="stable")
        blank = np.zeros((number, PAGES_PER_TABLE), dtype=np.bool_)
        self.addresses = every[order]
        self._rounds = np.append(self._rounds, np.zeros(number, dtype=np.intp))[order]
        self._since = np.append(self._since, np.full(number, now))[order]
        self._now = np.concatenate((self._now, blank))[order]
        self._early = np.concatenate((self._early, blank))[order]
        self._later = np.concatenate((self._later, blank.astype(np.uint8)))[order]

    def drop(self, addresses: UIntArray) -> None:
        """These are not watched any more."""
        if len(self):
            self._keep(~among(self.addresses, addresses))

    def drop_lost(self, now: float) -> None:
        """Nor are those that were not met for long."""
        self._keep(now - self._since <= _LOST_S)

    def _keep(self, mask: BoolArray) -> None:
        if not mask.all():
            self.addresses, self._rounds = self.addresses[mask], self._rounds[mask]
            self._since, self._now = self._since[mask], self._now[mask]
            self._early, self._later = self._early[mask], self._later[mask]

    def see(self, block: PageBlock, rows: PageNumbers) -> None:
        """These rows of a block were read."""
        self._now[self._place(block.addresses[rows])] |= block.accessed[rows]

    def cleared(self, addresses: UIntArray) -> None:
        """Bits of these rows, which are on watch, were cleared: an observation ends.

        What was seen before the first clearing is older than the split.
        """
        place = self._place(addresses)
        seen, rounds = self._now[place], self._rounds[place][:, None]
        self._early[place] |= seen & (rounds > 0) & (rounds <= _EARLY)
        self._later[place] += seen & (rounds > _EARLY)
        self._now[place] = False
        self._rounds[place] += 1

    def ready(self, addresses: UIntArray, now: float) -> BoolArray:
        """Which of these, which are on watch, were observed enough, or for long enough."""
        place = self._place(addresses)
        seen = self._rounds[place] - 1
        enough = (seen >= OBSERVATIONS) & self._later[place].any(axis=1) | (seen >= _MOST)
        result: BoolArray = enough | (now - self._since[place] > _LONGEST_S)
        return result

    def findings(self, addresses: UIntArray) -> tuple[BoolArray, BoolArray]:
        """Of these (n,), which are on watch: where few parts are hot, and where all is used alike.

        Neither of one in which too little was accessed to judge.
        """
        place = self._place(addresses)
        early, later = self._early[place], self._later[place]
        share = np.count_nonzero(early, axis=1) / PAGES_PER_TABLE
        accesses = later.sum(axis=1, dtype=np.intp)
        again = (later * early).sum(axis=1, dtype=np.intp)
        used = (share > 0) & (accesses > 0)
        sparse = used & (again >= _DENSER * share * accesses)
        return sparse, used & ~sparse

    def _place(self, addresses: UIntArray) -> PageNumbers:
        place: PageNumbers = np.searchsorted(self.addresses, addresses)
        return place

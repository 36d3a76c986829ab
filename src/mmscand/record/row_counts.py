"""One address space of a recording, row by row (2 MiB): counted by popcount, never unpacked."""

import numpy as np
from numpy.typing import NDArray

from mmscand.heat.bits import bit_count
from mmscand.model import HUGE_PAGE_BYTES, BoolArray, ByteArray, PageNumbers, UIntArray
from mmscand.record.tables import ProcessPass, Table

Counts = NDArray[np.int64]


class RowCounts:
    """4 KiB pages of each row, as of the pass that was taken last."""

    def __init__(self) -> None:
        self.numbers: UIntArray = np.empty(0, dtype=np.uint64)
        """(rows,) addresses / 2 MiB, ascending. Rows stay when their memory is gone."""
        self.known: Counts = np.empty(0, dtype=np.int64)
        """(rows,) of which the pass says whether they were accessed: they were there at the pass
        before, and their bit says something. None in the first pass."""
        self.accessed: Counts = self.known
        """(rows,) of these."""
        self.slow: Counts = self.known
        self.present: Counts = self.known
        """(rows,) on the slow tier, and on both."""
        self._telling: Counts = self.known
        """(rows,) of which the bit says something."""
        self._size: Counts = self.known
        """(rows,) 4 KiB pages a slot."""
        self._passes = 0

    def take(self, seen: ProcessPass) -> bool:
        """A pass; whether there are rows now that there were not before."""
        before = len(self.numbers)
        known = self._lay_out(seen.layout)
        self.known = known if self._passes else np.zeros_like(known)
        self.accessed = np.zeros_like(known)
        if len(seen.accessed) and self._passes:
            rows, there = self._rows(seen.accessed["address"])
            counts = _ones(seen.accessed["accessed"])[there] * self._size[rows[there]]
            self.accessed[rows[there]] = counts
            self.known = np.maximum(self.known, np.minimum(self.accessed, self._telling))
        self._passes += 1
        return len(self.numbers) > before

    def left(self) -> None:
        """The process has exited, or has another address space."""
        for counts in (self.known, self.accessed, self.slow, self.present, self._telling):
            counts[:] = 0

    def _lay_out(self, layout: Table) -> Counts:
        """Take over what changed; (rows,) pages that tell something now, and did before."""
        if not len(layout):
            return self._telling.copy()
        numbers = layout["address"] // np.uint64(HUGE_PAGE_BYTES)
        _, there = self._rows(layout["address"])
        if not there.all():
            self._insert(np.unique(numbers[~there]))
        rows, _ = self._rows(layout["address"])
        before, size = self._telling.copy(), layout["pages_per_slot"].astype(np.int64)
        self._size[rows] = size
        self._telling[rows] = _ones(layout["present"] & ~layout["stuck"]) * size
        self.slow[rows] = _ones(layout["slow"]) * size
        self.present[rows] = _ones(layout["present"]) * size
        return np.minimum(before, self._telling)

    def _rows(self, addresses: UIntArray) -> tuple[PageNumbers, BoolArray]:
        wanted = addresses // np.uint64(HUGE_PAGE_BYTES)
        rows = np.searchsorted(self.numbers, wanted)
        rows[rows == len(self.numbers)] = 0
        if not len(self.numbers):
            return rows, np.zeros(len(wanted), dtype=np.bool_)
        return rows, self.numbers[rows] == wanted

    def _insert(self, numbers: UIntArray) -> None:
        """Rows that are new, ascending."""
        at = np.searchsorted(self.numbers, numbers)
        self.numbers = np.insert(self.numbers, at, numbers)
        for name in ("slow", "present", "_telling", "_size"):
            setattr(self, name, np.insert(getattr(self, name), at, 0))


def _ones(bits: ByteArray) -> Counts:
    """(rows,) how many bits are set in rows of 64 bytes."""
    words = np.ascontiguousarray(bits).view("<u8")
    ones: Counts = bit_count(words).sum(axis=1, dtype=np.int64)
    return ones

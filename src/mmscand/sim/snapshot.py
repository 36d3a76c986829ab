"""What a pass reads of a simulated region: a copy, as page tables are copied on the real machine.

What happens after it was read, by aging or by other threads, does not show in it.
"""

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    PageBlock,
    PageNumbers,
    UIntArray,
    VmaTable,
)
from mmscand.sim.process import SimVma

_ROWS = PAGES_PER_TABLE
"""Of a region, at most."""


class Snapshot:
    """Room for the slots of one size of one region: 4 MiB of 4K pages, used for all regions."""

    def __init__(self, width: int) -> None:
        shape = (_ROWS, width)
        self._pages_per_slot = PAGES_PER_TABLE // width
        self._addresses = np.empty(_ROWS, dtype=np.uint64)
        self._numbers = np.empty(shape, dtype=np.uint32)
        self._frames = np.empty(shape, dtype=np.uint64)
        self._accessed = np.empty(shape, dtype=np.bool_)
        self._slow = np.empty(shape, dtype=np.bool_)
        self._every = np.ones(shape, dtype=np.bool_)
        self._every.flags.writeable = False  # lent where nothing is missing
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self._asked: list[tuple[SimVma, slice | PageNumbers]] = []
        self._rows = 0
        self._holes = False

    @property
    def slots(self) -> int:
        """Of all rows that are asked for."""
        rows = [len(vma.row_addresses[rows]) for vma, rows in self._asked]
        return sum(rows) * self._accessed.shape[1]

    def ask(self, vma: SimVma, start: int, end: int, asked: VmaTable) -> None:
        """For rows of a mapping: those that begin in [start, end) and in what is `asked` for."""
        first = max(0, -(-(start - vma.start) // HUGE_PAGE_BYTES))
        last = min(len(vma.row_addresses), -(-(end - vma.start) // HUGE_PAGE_BYTES))
        addresses = vma.row_addresses[first:last]
        rows = slice(first, last)
        if not asked.covers(max(start, vma.start), min(end, vma.end)):
            wanted = asked.overlaps(addresses, HUGE_PAGE_BYTES)
            if not wanted.all():
                self._asked.append((vma, first + np.flatnonzero(wanted)))
                return
        self._asked.append((vma, rows))

    def copy(self) -> None:
        """The rows that were asked for, as they are now."""
        for vma, rows in self._asked:
            self._copy(vma, rows)

    def _copy(self, vma: SimVma, rows: slice | PageNumbers) -> None:
        for into, what in (
            (self._addresses, vma.row_addresses),
            (self._numbers, vma.frame_numbers),
            (self._accessed, vma.accessed),
            (self._slow, vma.slow),
        ):
            some = what[rows]
            into[self._rows : self._rows + len(some)] = some
        self._rows += len(some)
        self._holes |= vma.holes is not None

    def block(self, asked: VmaTable) -> PageBlock | None:
        """What was copied; None where that is nothing."""
        if not self._rows:
            return None
        mine = slice(self._rows)
        numbers, accessed, slow = self._numbers[mine], self._accessed[mine], self._slow[mine]
        addresses = self._addresses[mine]
        present = numbers != 0 if self._holes else self._every[mine]
        if (inside := _inside(addresses, present.shape[1], asked)) is not None:
            present = present & inside
            accessed &= inside
            slow &= inside
        return PageBlock(
            addresses=addresses,
            pages_per_slot=self._pages_per_slot,
            frames_or_how=lambda: np.multiply(
                numbers, np.uint64(PAGE_BYTES), out=self._frames[mine], dtype=np.uint64
            ),
            present=present,
            accessed=accessed,
            slow=slow,
        )


def _inside(addresses: UIntArray, width: int, asked: VmaTable) -> BoolArray | None:
    """(rows, width) which slots begin in a mapping that is asked for; None where all do."""
    last = np.uint64(HUGE_PAGE_BYTES - 1)
    if asked.covers(int(addresses[0]), int(addresses[-1] + last) + 1):
        return None
    mappings = asked.index_of(addresses)
    cut = np.flatnonzero((mappings < 0) | (mappings != asked.index_of(addresses + last)))
    if not len(cut):
        return None
    inside = np.ones((len(addresses), width), dtype=np.bool_)
    columns = np.arange(width, dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES // width)
    inside[cut] = asked.index_of(addresses[cut, None] + columns) >= 0
    return inside

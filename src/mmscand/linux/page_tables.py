"""Walking page tables from outside: breadth first, level by level, whole tables at a time.

The tables may change or be freed while they are read (from 7.x on also those of live processes,
PT_RECLAIM). A copy is believed only if the entries that lead to it are the same after it was made:
the kernel clears an entry before it frees the table behind it. Every walk is bounded: by the depth
(a loop among tables cannot make it longer), by the mappings (no mapping, no descent), by the
number of tables that the process can have, and by RAM (no address outside the direct map is
ever read).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmscand.linux.arch.entry_format import (
    LEVEL_BITS,
    P4D_SHIFT,
    PGD5_SHIFT,
    PMD_SHIFT,
    PTE_SHIFT,
    PUD_SHIFT,
    EntryFormat,
)
from mmscand.linux.arch.x86_64 import X86_64
from mmscand.linux.kernel_memory import KernelMemory, read_all
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    UIntArray,
    VmaTable,
)


@dataclass(frozen=True, slots=True)
class DirectMap:
    """Where the kernel sees physical memory, and how this machine's page tables are built."""

    base: int
    """Kernel virtual address of physical address 0 (page_offset_base)."""
    ram: tuple[tuple[int, int], ...]
    """Half-open physical ranges that may be read."""
    levels: int
    """4, or 5 with la57."""
    encryption_bit: int = 0
    """Mask of the bit that marks encrypted memory in an entry (SME, SEV, TDX); 0 if none."""
    entry_format: EntryFormat = X86_64

    def holds(self, frames: UIntArray) -> BoolArray:
        """Which physical addresses are RAM."""
        inside = np.zeros(frames.shape, dtype=np.bool_)
        for start, end in self.ram:
            inside |= frames - np.uint64(start) < np.uint64(end - start)
        return inside

    def virtual(self, frames: UIntArray) -> UIntArray:
        """Kernel virtual addresses of physical ones."""
        return frames + np.uint64(self.base)


@dataclass(frozen=True, slots=True)
class Entries:
    """Leaf entries of one level as the kernel wrote them: one row a table, or a huge page."""

    addresses: UIntArray
    """(n,) virtual address that each row starts to map, ascending."""
    entries: UIntArray
    """(n, 512) for 4K pages; (n, 1) for huge pages."""
    shift: int
    """log2 of the bytes that one entry maps."""


@dataclass(frozen=True, slots=True)
class Region:
    """Up to 1 GiB of an address space that has page tables."""

    address: int
    leaves: tuple[Entries, ...]


class Walk:
    """One walk over the page tables below `pgd`, in ascending order, from `start` on.

    Iterating yields regions; the entries of a region are valid until the next one is asked for.
    """

    def __init__(
        self,
        memory: KernelMemory,
        direct_map: DirectMap,
        pgd: int,
        vmas: VmaTable,
        *,
        start: int = 0,
        table_limit: int,
    ) -> None:
        self._memory = memory
        self._map = direct_map
        self._format = direct_map.entry_format
        self._frame_mask = self._format.frame_mask(direct_map.encryption_bit)
        self._pgd = pgd
        self._vmas = vmas
        self._start = start
        self._table_limit = table_limit
        self.tables = 0
        """Tables that were read."""
        self.garbage = 0
        """Tables that were not: outside RAM, or more than the process can have."""

    def __iter__(self) -> Iterator[Region]:
        puds = self._pud_tables()
        for base, table in zip(*puds, strict=True):
            yield from self._regions(int(base), table)

    def _pud_tables(self) -> tuple[UIntArray, UIntArray]:
        top = PGD5_SHIFT if self._map.levels == 5 else P4D_SHIFT
        entries = read_all(self._memory, np.array([self._pgd], dtype=np.uint64))
        entries[:, self._format.user_entries :] = 0
        bases, tables = self._below(np.zeros(1, dtype=np.uint64), entries, top)
        for shift in range(top - LEVEL_BITS, PUD_SHIFT, -LEVEL_BITS):
            bases, tables = self._below(bases, read_all(self._memory, tables), shift)
        return bases, tables

    def _below(
        self, bases: UIntArray, entries: UIntArray, shift: int
    ) -> tuple[UIntArray, UIntArray]:
        """The next level: virtual base and kernel address of each table worth reading."""
        rows, columns = np.nonzero(self._format.tables(entries))
        addresses = bases[rows] + (columns.astype(np.uint64) << np.uint64(shift))
        return self._worth_reading(addresses, entries[rows, columns], shift)

    def _worth_reading(
        self, addresses: UIntArray, entries: UIntArray, shift: int
    ) -> tuple[UIntArray, UIntArray]:
        wanted = self._wanted(addresses, shift)
        if not wanted.all():
            addresses, entries = addresses[wanted], entries[wanted]
        frames = entries & self._frame_mask
        room = max(0, self._table_limit - self.tables)
        inside = self._map.holds(frames)
        if not inside.all() or len(frames) > room:
            kept = np.flatnonzero(inside)[:room]
            self.garbage += len(frames) - len(kept)
            addresses, frames = addresses[kept], frames[kept]
        self.tables += len(frames)
        return addresses, self._map.virtual(frames)

    def _wanted(self, addresses: UIntArray, shift: int) -> BoolArray:
        """Below a mapping, and not all before the start. Ascending addresses."""
        if len(addresses) == 0 or self._all_wanted(int(addresses[0]), int(addresses[-1]), shift):
            return np.ones(len(addresses), dtype=np.bool_)
        wanted = self._vmas.overlaps(addresses, 1 << shift)
        wanted &= addresses + np.uint64(1 << shift) > np.uint64(self._start)
        return wanted

    def _all_wanted(self, first: int, last: int, shift: int) -> bool:
        """Known at a glance: most regions are inside one mapping."""
        return first >= self._start and self._vmas.covers(first, last + (1 << shift))

    def _regions(self, base: int, pud_table: np.uint64) -> Iterator[Region]:
        entries = read_all(self._memory, np.array([pud_table], dtype=np.uint64))[0]
        addresses = np.uint64(base) + np.arange(PAGES_PER_TABLE, dtype=np.uint64) * np.uint64(
            REGION_BYTES
        )
        small = self._format.tables(entries)
        regions, pmds = self._worth_reading(addresses[small], entries[small], PUD_SHIFT)
        below = dict(zip(regions.tolist(), pmds, strict=True))
        huge = self._leaves(addresses, entries, PUD_SHIFT)
        whole = dict(zip(huge.addresses.tolist(), huge.entries, strict=True))
        for address in sorted(below.keys() | whole.keys()):
            if address in below:
                yield self._region(address, below[address], pud_table)
            else:
                row = np.array([address], dtype=np.uint64)
                yield Region(address, (Entries(row, whole[address][None, :], PUD_SHIFT),))

    def _region(self, address: int, pmd_table: np.uint64, pud_table: np.uint64) -> Region:
        entries = read_all(self._memory, np.array([pmd_table], dtype=np.uint64))[0]
        addresses = np.arange(address, address + REGION_BYTES, HUGE_PAGE_BYTES, dtype=np.uint64)
        found = [self._leaves(addresses, entries, PMD_SHIFT)]
        small = self._format.tables(entries)
        rows, ptes = self._worth_reading(addresses[small], entries[small], PMD_SHIFT)
        # The tables first, then what led to them: of what changed meanwhile nothing is believed.
        copied = self._memory.read(np.append(ptes, np.array([pmd_table, pud_table])))
        leads_here = copied[-1, address // REGION_BYTES % PAGES_PER_TABLE]
        if not self._leads_to(leads_here, pmd_table):
            self.garbage += 1 + len(rows)
            return Region(address, ())
        if len(rows):
            found.append(self._unchanged(rows, ptes, copied))
        return Region(address, tuple(leaves for leaves in found if len(leaves.addresses)))

    def _unchanged(self, rows: UIntArray, ptes: UIntArray, copied: UIntArray) -> Entries:
        """Tables whose entry in the PMD table, copied after them, still points to them."""
        place = (rows % np.uint64(REGION_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)
        same = self._leads_to(copied[-2, place], ptes)
        copied = copied[:-2]
        if not same.all():
            self.garbage += len(rows) - int(np.count_nonzero(same))
            rows, copied = rows[same], copied[same]
        return Entries(rows, copied, PTE_SHIFT)

    def _leads_to(self, entries: UIntArray, expected: UIntArray | np.uint64) -> BoolArray:
        """Which entries point to these tables; their flags may have changed."""
        same: BoolArray = self._map.virtual(entries & self._frame_mask) == expected
        return same & self._format.tables(entries)

    def _leaves(self, addresses: UIntArray, entries: UIntArray, shift: int) -> Entries:
        """The huge pages among the entries of one table."""
        leaves = self._format.large_leaves(entries)
        if leaves.any():
            leaves &= self._wanted(addresses, shift)
        return Entries(addresses[leaves], entries[leaves][:, None], shift)

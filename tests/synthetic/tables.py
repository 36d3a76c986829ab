"""Page tables as the kernel would build them, and the truth about what they map.

The bits are written down again here, from the Intel SDM (vol. 3, 4.5) and the kernel's headers,
so that a wrong constant in the code under test cannot agree with itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmscand.linux.page_tables import DirectMap
from mmscand.model import VmaTable
from synthetic.memory import MASK64, FakeMemory

PAGE, HUGE, REGION = 1 << 12, 1 << 21, 1 << 30
PTE, PMD, PUD, P4D, PGD5 = 12, 21, 30, 39, 48

BIT_PRESENT, BIT_WRITE, BIT_USER, BIT_ACCESSED, BIT_DIRTY = 1 << 0, 1 << 1, 1 << 2, 1 << 5, 1 << 6
BIT_LARGE, BIT_PROT_NONE, BIT_NX = 1 << 7, 1 << 8, 1 << 63
FRAME_BITS = 0x000F_FFFF_FFFF_F000
TABLE_FLAGS = BIT_PRESENT | BIT_WRITE | BIT_USER | BIT_ACCESSED | BIT_DIRTY
RAM = ((0, 1 << 34), (1 << 36, (1 << 36) + (1 << 33)))
"""16 GiB, a hole, and 8 GiB."""
TABLES_AT = 1 << 30
"""Where the builder puts tables unless another address is given, upwards."""


class Taken(Exception):
    """There is a leaf or a table already."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What is true of one mapped slot."""

    address: int
    frame: int
    accessed: bool
    size: int


def leaf(
    frame: int,
    shift: int = PTE,
    *,
    accessed: bool = True,
    prot_none: bool = False,
    encryption_bit: int = 0,
    pat: bool = False,
) -> int:
    """The word that maps `frame`; not present, its frame is stored inverted (L1TF)."""
    flags = BIT_USER | BIT_NX | (BIT_ACCESSED if accessed else 0)
    if shift > PTE:
        flags |= BIT_LARGE | (PAGE if pat else 0)
    if not prot_none:
        return frame | flags | BIT_PRESENT | encryption_bit
    stored = ~frame & FRAME_BITS & ~encryption_bit & ~((1 << shift) - 1)
    return stored | flags | BIT_PROT_NONE | encryption_bit


def swap_entry(kind: int, offset: int) -> int:
    """Type in bits 59..63, inverted offset in 9..58, flags below (pgtable_64.h); never 0."""
    return (kind & 0x1F) << 59 | (~offset & ((1 << 50) - 1)) << 9 | BIT_WRITE


class PageTables:
    """Builds the tables of one process in a FakeMemory."""

    def __init__(
        self,
        memory: FakeMemory,
        levels: int = 4,
        encryption_bit: int = 0,
        *,
        tables_at: int = TABLES_AT,
    ) -> None:
        self.memory = memory
        self._tables_at = tables_at
        self.levels = levels
        self.encryption_bit = encryption_bit
        self.top = PGD5 if levels == 5 else P4D
        self.truth: dict[int, Slot] = {}
        self.tables: list[int] = []
        """Physical addresses, the top one first."""
        self.pgd = memory.base + self.new_table()

    @property
    def direct_map(self) -> DirectMap:
        """How the code under test is to see it."""
        return DirectMap(self.memory.base, RAM, self.levels, self.encryption_bit)

    def new_table(self) -> int:
        """Physical address of a fresh, empty table."""
        physical = self._tables_at + len(self.tables) * PAGE
        self.tables.append(physical)
        self.memory.page(physical)
        return physical

    def table_for(self, address: int, shift: int) -> int:
        """The table whose entries have this shift, made on the way down; Taken by a leaf."""
        table = self.tables[0]
        for level in range(self.top, shift, -9):
            entries, index = self.memory.page(table), address >> level & 511
            entry = int(entries[index])
            if not entry:
                table = self.new_table()
                entries[index] = table | TABLE_FLAGS | self.encryption_bit
            elif not entry & BIT_PRESENT or entry & BIT_LARGE:
                raise Taken
            else:
                table = entry & FRAME_BITS & ~self.encryption_bit
        return table

    def put(self, address: int, word: int, shift: int = PTE) -> None:
        """Write one entry as it is."""
        entries = self.memory.page(self.table_for(address, shift))
        if entries[address >> shift & 511]:
            raise Taken
        entries[address >> shift & 511] = word & MASK64

    def map(
        self,
        address: int,
        frame: int,
        shift: int = PTE,
        *,
        accessed: bool = True,
        prot_none: bool = False,
        pat: bool = False,
    ) -> None:
        """Map one slot and note it in the truth."""
        word = leaf(
            frame,
            shift,
            accessed=accessed,
            prot_none=prot_none,
            encryption_bit=self.encryption_bit,
            pat=pat,
        )
        self.put(address, word, shift)
        self.truth[address] = Slot(address, frame, accessed, 1 << shift)

    def fill_kernel_half(self) -> None:
        """Entries for the kernel's half of the top table, which lead to a table with leaves."""
        below = self.new_table()
        self.memory.page(below)[:] = leaf(1 << 30, PUD)
        self.memory.page(self.tables[0])[256:] = below | TABLE_FLAGS | self.encryption_bit

    def inside(self, ranges: Iterable[tuple[int, int]], start: int = 0) -> list[Slot]:
        """The slots whose first byte is in one of the ranges and whose last is not before start."""
        ranges = list(ranges)
        return [
            slot
            for address, slot in sorted(self.truth.items())
            if any(lo <= address < hi for lo, hi in ranges) and address + slot.size > start
        ]


def vma_table(ranges: Iterable[tuple[int, int]], flags: int = 3) -> VmaTable:
    """A VmaTable of these ranges, readable and writable unless said otherwise."""
    pairs = sorted(ranges)
    return VmaTable(
        np.array([lo for lo, _ in pairs], dtype=np.uint64),
        np.array([hi for _, hi in pairs], dtype=np.uint64),
        np.full(len(pairs), flags, dtype=np.uint16),
    )

"""Decoding x86-64 page-table entries (arch/x86/include/asm/pgtable_types.h, pgtable-invert.h)."""

from dataclasses import dataclass

import numpy as np

from mmscand.model import NO_FRAME, PAGE_BYTES, PAGES_PER_TABLE, BoolArray, UIntArray

PRESENT = np.uint64(1 << 0)
ACCESSED = np.uint64(1 << 5)
LARGE = np.uint64(1 << 7)
"""_PAGE_PSE: the entry of an upper level is a leaf."""
PROT_NONE = np.uint64(1 << 8)
"""_PAGE_PROTNONE: with PRESENT clear, a mapped page that nobody may touch. mprotect makes it,
and so does the hint scan of NUMA balancing. Swap and migration entries have it clear."""
SPECIAL = np.uint64(1 << 9)
"""The zero page, or memory that is no page of the kernel's (a PFN map): on no tier, never moved."""
_MAPPED = PRESENT | PROT_NONE
_UFFD = np.uint64(1 << 10)
"""_PAGE_BIT_UFFD_WP. With PROT_NONE it is a page that nobody has accessed since a program began to
watch it in RWP mode (Linux 7.3, areas that smaps marks `ur`): its owner evicts what stays so."""
_PAGE = _MAPPED | SPECIAL
ENTRY_FRAME = np.uint64(0x000F_FFFF_FFFF_F000)
"""Bits 12..51, PTE_PFN_MASK. The encryption bit of SME and TDX machines lies among them."""

_PRESENT16, _ACCESSED16, _NONE16 = np.uint16(PRESENT), np.uint16(ACCESSED), np.uint16(0)
_PAGE16 = np.uint16(PRESENT | SPECIAL)

LEVEL_BITS = 9
PTE_SHIFT, PMD_SHIFT, PUD_SHIFT, P4D_SHIFT, PGD5_SHIFT = 12, 21, 30, 39, 48

_CHUNK = 128
"""Tables decoded at a time: with 512 KiB in, the work arrays stay in the second-level cache.
Measured on EPYC, ns an entry read and decoded: 32 tables 1.46, 64 tables 1.32, 128 tables 1.25."""


def tables(entries: UIntArray) -> BoolArray:
    """Which entries of an upper level point to a table of the next."""
    found: BoolArray = (entries & (PRESENT | LARGE)) == PRESENT
    return found


def large(entries: UIntArray) -> BoolArray:
    """Which entries of an upper level are leaves."""
    mapped: BoolArray = (entries & _MAPPED) != 0
    mapped &= (entries & LARGE) != 0
    return mapped


def frame_mask(encryption_bit: int, shift: int = PTE_SHIFT) -> np.uint64:
    """The bits of an entry that are a physical address; bit 12 of a large entry is PAT."""
    return ENTRY_FRAME & ~np.uint64(encryption_bit) & ~np.uint64((1 << shift) - PAGE_BYTES)


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaf entries taken apart; all arrays have the entries' shape."""

    present: BoolArray
    """A page that is on a tier: no zero page."""
    accessed: BoolArray
    """Present, and the Accessed bit is set."""
    slow: BoolArray
    """Present, and the frame is in one of the slow ranges."""

    def rows(self, part: slice) -> "Leaves":
        """Some of the rows, as views."""
        return Leaves(self.present[part], self.accessed[part], self.slow[part])


def _empty(shape: tuple[int, ...]) -> Leaves:
    return Leaves(*np.empty((3, *shape), dtype=np.bool_))


class Decoder:
    """Takes leaf entries apart."""

    def __init__(
        self,
        encryption_bit: int = 0,
        slow_ranges: tuple[tuple[int, int], ...] = (),
        huge_zero: int = NO_FRAME,
    ) -> None:
        """`huge_zero` is the frame of the huge zero page, see linux.zero_page."""
        self._encryption_bit = encryption_bit
        self._huge_zero = np.uint64(huge_zero)
        self.set_slow(slow_ranges)
        self._frames, self._work = np.empty((2, _CHUNK, PAGES_PER_TABLE), dtype=np.uint64)
        self._low, self._bits = np.empty((2, _CHUNK, PAGES_PER_TABLE), dtype=np.uint16)
        self._flag = np.empty((_CHUNK, PAGES_PER_TABLE), dtype=np.bool_)
        self._reused = _empty((0, PAGES_PER_TABLE))

    def set_slow(self, ranges: tuple[tuple[int, int], ...]) -> None:
        """Half-open physical ranges that count as slow from now on."""
        self._slow_ranges = [(np.uint64(start), np.uint64(end)) for start, end in ranges]

    def frames(self, entries: UIntArray, shift: int = PTE_SHIFT) -> UIntArray:
        """Physical addresses, shape as `entries`; of what is not present, anything."""
        mask = frame_mask(self._encryption_bit, shift)
        frames: UIntArray = entries & mask
        _uninvert(frames, entries, mask)
        return frames

    def leaves(self, entries: UIntArray, shift: int = PTE_SHIFT) -> Leaves:
        """Decode (rows, width <= 512) entries of the level with this shift.

        Of whole tables the result is valid until the next ones: fresh arrays of this size would
        cost more in page faults than the decoding does.
        """
        rows, width = entries.shape
        if width < PAGES_PER_TABLE:
            out = _empty(entries.shape)
        else:
            if rows > len(self._reused.present):
                self._reused = _empty(entries.shape)
            out = self._reused.rows(slice(0, rows))
        mask = frame_mask(self._encryption_bit, shift)
        for at in range(0, rows, _CHUNK):
            part = slice(at, at + _CHUNK)
            self._decode(entries[part], mask, out.rows(part))
        if shift == PMD_SHIFT:
            self._leave_out(out, self.frames(entries, shift) == self._huge_zero)
        return out

    @staticmethod
    def _leave_out(leaves: Leaves, slots: BoolArray) -> None:
        if slots.any():
            for array in (leaves.present, leaves.accessed, leaves.slow):
                array[slots] = False

    def _decode(self, entries: UIntArray, mask: np.uint64, out: Leaves) -> None:
        rows, width = entries.shape
        low, frames = self._low[:rows, :width], self._frames[:rows, :width]
        bits = self._bits[:rows, :width]
        np.bitwise_and(entries, mask, out=frames)
        # All flags that count lie in the low 16 bits: narrowed, their tests are four times cheaper.
        np.copyto(low, entries, casting="unsafe")
        np.bitwise_and(low, _PAGE16, out=bits)
        np.equal(bits, _PRESENT16, out=out.present)
        if not out.present.all():
            np.logical_or(out.present, _uninvert(frames, entries, mask), out=out.present)
        np.bitwise_and(low, _ACCESSED16, out=bits)
        np.not_equal(bits, _NONE16, out=out.accessed)
        np.logical_and(out.accessed, out.present, out=out.accessed)
        self._find_slow(frames, out.slow)
        np.logical_and(out.slow, out.present, out=out.slow)

    def _find_slow(self, frames: UIntArray, slow: BoolArray) -> None:
        """Which frames are in a slow range."""
        rows, width = frames.shape
        work, flag = self._work[:rows, :width], self._flag[:rows, :width]
        slow[:] = False
        for start, end in self._slow_ranges:
            if end > ENTRY_FRAME:
                np.greater_equal(frames, start, out=flag)
            elif start == 0:
                np.less(frames, end, out=flag)
            else:
                np.subtract(frames, start, out=work)
                np.less(work, end - start, out=flag)
            np.logical_or(slow, flag, out=slow)


def _uninvert(frames: UIntArray, entries: UIntArray, mask: np.uint64) -> BoolArray:
    """Set right the frames of mapped entries that are not present; which ones these are.

    Without those that a program watches by userfaultfd: their Accessed bit means nothing.

    Against L1TF the kernel inverts their frames (arch/x86/include/asm/pgtable-invert.h).
    """
    hidden: BoolArray = (entries & (_PAGE | _UFFD)) == PROT_NONE
    if hidden.any():
        frames[hidden] = ~entries[hidden] & mask
    return hidden

"""What differs between architectures in a page-table entry of 64 bits, for pages of 4 KiB."""

from dataclasses import dataclass

import numpy as np

from mmscand.model import PAGE_BYTES, BoolArray, UIntArray

LEVEL_BITS = 9
PTE_SHIFT, PMD_SHIFT, PUD_SHIFT, P4D_SHIFT, PGD5_SHIFT = 12, 21, 30, 39, 48
"""log2 of the bytes that an entry of each level maps: 512 entries a table."""
_NARROW = 16


@dataclass(frozen=True, slots=True)
class Bits:
    """A test of entries: the bits of `mask` have this value."""

    mask: int
    value: int

    def of(self, entries: UIntArray) -> BoolArray:
        """Which entries pass, shape as `entries`."""
        found: BoolArray = (entries & np.uint64(self.mask)) == np.uint64(self.value)
        return found


@dataclass(frozen=True, slots=True)
class EntryFormat:
    """Masks of one architecture; linux.arch.x86_64 has the one that is used."""

    present: Bits
    """A leaf that the hardware may use, of a page that is on a tier: no zero page."""
    hidden: Bits
    """A leaf that the hardware may not use, of a page that is still mapped (PROT_NONE)."""
    mapped: int
    """One of these bits is set in each leaf, whatever it maps."""
    table: Bits
    """An entry of an upper level that points to a table of the next."""
    large: Bits
    """An entry of an upper level that is a leaf, if it is mapped."""
    accessed: int
    """The Accessed bit."""
    frame: int
    """Bits that are a physical address."""
    user_entries: int
    """Entries of the top table that are the process' and not the kernel's."""
    inverts_hidden: bool = False
    """Whether the kernel stores the frame of a hidden leaf inverted."""

    def tables(self, entries: UIntArray) -> BoolArray:
        """Which entries of an upper level point to a table of the next."""
        return self.table.of(entries)

    def large_leaves(self, entries: UIntArray) -> BoolArray:
        """Which entries of an upper level are leaves."""
        leaves: BoolArray = (entries & np.uint64(self.mapped)) != 0
        leaves &= self.large.of(entries)
        return leaves

    def frame_mask(self, encryption_bit: int, shift: int = PTE_SHIFT) -> np.uint64:
        """The bits of an entry of the level with this shift that are a physical address."""
        return np.uint64(self.frame & ~encryption_bit & ~((1 << shift) - PAGE_BYTES))

    def find_hidden(self, frames: UIntArray, entries: UIntArray, mask: np.uint64) -> BoolArray:
        """Which entries are hidden leaves. Sets their `frames` right where they are inverted."""
        hidden = self.hidden.of(entries)
        if self.inverts_hidden and hidden.any():
            frames[hidden] = ~entries[hidden] & mask
        return hidden

    def flags(self) -> tuple[np.unsignedinteger, ...]:
        """Mask and value of `present`, the Accessed bit, and zero, in the type to test them in.

        Of 16 bits where the flags lie in the low 16 bits: their tests are four times cheaper then.
        """
        every = self.present.mask | self.accessed
        kind = np.uint64 if every >> _NARROW else np.uint16
        numbers = (self.present.mask, self.present.value, self.accessed, 0)
        return tuple(kind(number) for number in numbers)

"""What was accessed in past passes: two bytes for each page that is on the slow tier.

One byte of flags and a shift register, one byte of the frame's number. A page whose frame has
changed is a new page at an old address (freed and mapped again), and starts without a past; one
in 256 such changes goes unnoticed.
"""

from dataclasses import dataclass

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    ByteArray,
    PageBlock,
    UIntArray,
    Window,
)

KNOWN = np.uint8(1 << 7)
"""Seen in an earlier pass. Before that the Accessed bit says nothing: a fresh mapping has it."""
SHARED = np.uint8(1 << 6)
"""Other processes map the page too, so its Accessed bit stays set whatever we do."""
PASSES = 6
"""Passes that the register remembers; bit 0 is the latest."""
_PAGE_SHIFT = np.uint64(12)
_ONE = np.uint8(1)
_REGISTER = np.uint8((1 << PASSES) - 1)


@dataclass(slots=True)
class _Slots:
    """History of the slots of one size in one region; memory that is never touched stays free."""

    state: ByteArray
    frame_tag: ByteArray

    @classmethod
    def of_width(cls, width: int) -> "_Slots":
        shape = (PAGES_PER_TABLE, width)
        return cls(np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8))


def _rows(addresses: UIntArray) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Row of a region's table that each address belongs to."""
    return (addresses % np.uint64(REGION_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)


class History:
    """The past of one address space."""

    def __init__(self) -> None:
        self._regions: dict[tuple[int, int], _Slots] = {}
        self._visited: set[tuple[int, int]] = set()

    def fold(self, block: PageBlock) -> ByteArray:
        """Take in what a pass saw; the new state of each slot, shape as the block's arrays.

        Bit 0 of a state: accessed since the pass before. State 0: not slow, or never seen before
        this pass (it is KNOWN from the next one on).
        """
        key = (int(block.addresses[0]) // REGION_BYTES, block.pages_per_slot)
        slots = self._regions.get(key)
        if slots is None:
            slots = self._regions[key] = _Slots.of_width(block.slow.shape[1])
        self._visited.add(key)
        rows = _rows(block.addresses)
        old, tags = slots.state[rows], (block.frames >> _PAGE_SHIFT).astype(np.uint8)
        known = block.slow & (old >= KNOWN) & (tags == slots.frame_tag[rows])
        state: ByteArray = (old << _ONE | block.accessed) & _REGISTER | old & SHARED | KNOWN
        state[~known] = 0
        slots.state[rows] = state | np.where(block.slow, KNOWN, np.uint8(0))
        slots.frame_tag[rows] = tags
        return state

    def forget_missing(self, window: Window) -> None:
        """Drop what a window no longer has: its rows were unmapped, or changed their slot size."""
        first = window.start % REGION_BYTES // HUGE_PAGE_BYTES
        last = first + (window.end - window.start) // HUGE_PAGE_BYTES
        region = window.start // REGION_BYTES
        seen = {block.pages_per_slot: _rows(block.addresses) for block in window.blocks}
        for (number, pages_per_slot), slots in self._regions.items():
            if number == region:
                gone = np.zeros(PAGES_PER_TABLE, dtype=np.bool_)
                gone[first:last] = True
                gone[seen.get(pages_per_slot, [])] = False
                slots.state[gone] = 0

    def end_pass(self) -> None:
        """Drop regions that the whole pass did not meet."""
        self._regions = {key: self._regions[key] for key in self._visited}
        self._visited = set()

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Make these slots prove themselves again, from the next pass on."""
        self._update(addresses, pages_per_slot, keep=KNOWN, add=np.uint8(0))

    def mark_shared(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Remember that these slots' Accessed bits mean nothing."""
        self._update(addresses, pages_per_slot, keep=KNOWN, add=SHARED)

    def forget_shared(self) -> None:
        """Give pages that were shared another chance: the others may be gone."""
        for slots in self._regions.values():
            slots.state[(slots.state & SHARED) != 0] = KNOWN

    def _update(
        self, addresses: UIntArray, pages_per_slot: int, keep: np.uint8, add: np.uint8
    ) -> None:
        numbers = addresses // np.uint64(REGION_BYTES)
        columns = addresses % np.uint64(HUGE_PAGE_BYTES) // np.uint64(PAGE_BYTES * pages_per_slot)
        for number in np.unique(numbers).tolist():
            slots = self._regions.get((number, pages_per_slot))
            if slots is not None:
                mine = numbers == number
                at = (_rows(addresses[mine]), columns[mine].astype(np.intp))
                slots.state[at] = slots.state[at] & keep | np.where(slots.state[at], add, 0)

    @property
    def pages(self) -> int:
        """Slots with history, in 4 KiB pages."""
        return sum(
            int(np.count_nonzero(slots.state)) * pages
            for (_, pages), slots in self._regions.items()
        )


def accessed_in_a_row(state: ByteArray, passes: int) -> BoolArray:
    """Which slots were accessed in each of the last `passes` passes."""
    wanted = np.uint8((1 << passes) - 1)
    result: BoolArray = (state & wanted) == wanted
    return result


def is_shared(state: ByteArray) -> BoolArray:
    """Which slots were found to be shared."""
    result: BoolArray = (state & SHARED) != 0
    return result

"""Ranges that cover chosen pages and never hold only a part of a large folio.

madvise splits a large folio (THP, mTHP, large page cache) that its range cuts (mm/madvise.c). The
page tables do not say where folios begin, but a folio is contiguous in physical memory, aligned
to its size there, and at most 2 MiB. So a range may end between two slots whose frames do not
follow each other, and at 2 MiB borders of physical memory, and is made longer elsewhere.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    PageBlock,
    UIntArray,
    VmaTable,
)
from mmscand.sets import distinct

_JOIN_PAGES = 16
"""Ranges nearer than this are joined: a range costs about 600 ns, a clear page in it 38 ns."""
_JOIN_BYTES = 16 << 20
"""And no longer than about this, 0.3 ms: a call need never cut a range at an unknown place."""


class Beyond(Protocol):
    """What the kernel says of pages that a block does not hold."""

    def frames(self, start: int, pages: int) -> UIntArray:
        """Frames of this number of pages from an address on; 0 where there is none."""
        ...

    def tails(self, frame: int, pages: int) -> BoolArray:
        """Which of the frames from `frame` on belong to the folio of the frame before them."""
        ...


def linked(frames: UIntArray, following: UIntArray) -> BoolArray:
    """For each slot, whether one folio may hold it and the next; 0 is the frame of no page.

    No folio crosses a 2 MiB border of physical memory, so no run of links is longer than 2 MiB.
    """
    result: BoolArray = following == frames + np.uint64(PAGE_BYTES)
    result &= frames != 0
    result &= following % np.uint64(HUGE_PAGE_BYTES) != 0
    return result


def aging_ranges(
    block: PageBlock, mask: BoolArray, vmas: VmaTable, beyond: Beyond
) -> tuple[UIntArray, UIntArray]:
    """(n, 2) of address and bytes that cover the slots in `mask` and cut no large folio.

    And those that are left out, as their folio may reach out of its mapping: nothing can age them
    alone.
    """
    if block.pages_per_slot > 1:
        starts = block.slot_addresses(mask)
        ends = starts + np.uint64(block.pages_per_slot * PAGE_BYTES)
    else:
        starts, ends = _runs(_Rows.around(block, mask), beyond)
    vma = vmas.index_of(starts)
    whole = (vma >= 0) & (vma == vmas.index_of(ends - np.uint64(PAGE_BYTES)))
    left_out = np.column_stack((starts, ends - starts))[~whole]
    return _join(starts[whole], ends[whole], vmas), left_out


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows with a slot in the mask and their neighbours, which a run may reach into."""

    addresses: UIntArray
    frames: UIntArray
    """As they are, also of slots outside the mappings: a folio may go on there."""
    mask: BoolArray
    joined: BoolArray
    """(rows - 1,) whether the next row follows at once."""

    @classmethod
    def around(cls, block: PageBlock, mask: BoolArray) -> "_Rows":
        wanted: BoolArray = np.any(mask, axis=1)
        near = wanted.copy()
        near[:-1] |= wanted[1:]
        near[1:] |= wanted[:-1]
        addresses = block.addresses[near]
        joined = np.diff(addresses) == np.uint64(HUGE_PAGE_BYTES)
        return cls(addresses, block.frames[near], mask[near], joined)

    def links(self) -> BoolArray:
        """Whether each slot and the next may be of one folio, counted through all rows."""
        following = np.zeros_like(self.frames)
        following[:, :-1] = self.frames[:, 1:]
        following[:-1, -1] = np.where(self.joined, self.frames[1:, 0], np.uint64(0))
        return linked(self.frames, following).ravel()

    def slot_addresses(self, slots: NDArray[np.intp]) -> UIntArray:
        """Of slots that are counted through all rows."""
        inside = (slots % PAGES_PER_TABLE).astype(np.uint64) * np.uint64(PAGE_BYTES)
        result: UIntArray = self.addresses[slots // PAGES_PER_TABLE] + inside
        return result


def _runs(rows: _Rows, beyond: Beyond) -> tuple[UIntArray, UIntArray]:
    """Start and end address of every run of linked slots that has a slot in the mask."""
    last_slots = np.flatnonzero(~rows.links())  # the last slot of all is never linked
    runs = distinct(np.searchsorted(last_slots, np.flatnonzero(rows.mask)))
    last = last_slots[runs]
    first = np.where(runs > 0, last_slots[runs - 1] + 1, 0)
    starts = rows.slot_addresses(first)
    ends = rows.slot_addresses(last) + np.uint64(PAGE_BYTES)
    _reach_before(rows, first, starts, beyond)
    _reach_after(rows, last, ends, beyond)
    return starts, ends


# A run may touch the border of a row that the block has no neighbour of: the edge of a window, a
# hole, or a mapping that nobody asked for. There the kernel is asked whether a folio goes on.
# Frames that only happen to follow each other are no reason to reach out: the next window has not
# been read yet, and bits that are cleared before they are read are lost.


def _reach_before(rows: _Rows, first: NDArray[np.intp], starts: UIntArray, beyond: Beyond) -> None:
    free = np.append(True, ~rows.joined)[first // PAGES_PER_TABLE]
    frames = rows.frames.ravel()[first]
    for run in np.flatnonzero(free & (first % PAGES_PER_TABLE == 0) & (frames != 0)):
        at, frame = int(starts[run]), int(frames[run])
        if beyond.tails(frame, 1)[0]:
            pages = min(frame % HUGE_PAGE_BYTES, at) // PAGE_BYTES
            before = np.append(beyond.frames(at - pages * PAGE_BYTES, pages), frames[run])
            tails = beyond.tails(frame - (pages - 1) * PAGE_BYTES, pages)
            starts[run] -= _leading_bytes((linked(before[:-1], before[1:]) & tails)[::-1])


def _reach_after(rows: _Rows, last: NDArray[np.intp], ends: UIntArray, beyond: Beyond) -> None:
    free = np.append(~rows.joined, True)[last // PAGES_PER_TABLE]
    frames = rows.frames.ravel()[last]
    at_end = last % PAGES_PER_TABLE == PAGES_PER_TABLE - 1
    for run in np.flatnonzero(free & at_end & (frames != 0)):
        following = int(frames[run]) + PAGE_BYTES
        if beyond.tails(following, 1)[0]:
            after = np.append(frames[run], beyond.frames(int(ends[run]), PAGES_PER_TABLE))
            tails = beyond.tails(following, PAGES_PER_TABLE)
            ends[run] += _leading_bytes(linked(after[:-1], after[1:]) & tails)


def _leading_bytes(links: BoolArray) -> np.uint64:
    """Bytes of the links before the first that is none."""
    pages = len(links) if links.all() else int(np.argmin(links))
    return np.uint64(pages * PAGE_BYTES)


def _join(starts: UIntArray, ends: UIntArray, vmas: VmaTable) -> UIntArray:
    """Ranges as (address, bytes), near ones in the same mapping made one."""
    if not len(starts):
        return np.empty((0, 2), dtype=np.uint64)
    vma = vmas.index_of(starts)
    near = starts[1:] - ends[:-1] <= np.uint64(_JOIN_PAGES * PAGE_BYTES)
    near &= vma[1:] == vma[:-1]
    near &= starts[1:] // np.uint64(_JOIN_BYTES) == starts[:-1] // np.uint64(_JOIN_BYTES)
    first = np.concatenate(([True], ~near))
    last = np.concatenate((~near, [True]))
    return np.column_stack((starts[first], ends[last] - starts[first]))

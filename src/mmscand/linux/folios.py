"""Ranges that cover chosen pages and never hold only a part of a large folio.

madvise splits a large folio (THP, mTHP, large page cache) that its range cuts (mm/madvise.c). The
page tables do not tell where folios begin, but a folio is contiguous in physical memory, aligned
to its size there, and at most 2 MiB. So a range may end between two slots whose frames do not
follow each other, and at 2 MiB borders of physical memory, and is made longer elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

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

_JOIN_PAGES = 16
"""Ranges nearer than this are joined: a range costs about 600 ns, a clear page in it 38 ns."""
_JOIN_BYTES = 64 << 20
"""And no longer than about this, so that one call need never cut a range at an unknown place."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many pages a folio may reach out of a block, before its start and after its end."""

    before: int = 0
    after: int = 0


def linked(frames: UIntArray, following: UIntArray) -> BoolArray:
    """For each slot, whether one folio may hold it and the next; 0 is the frame of no page.

    No folio crosses a 2 MiB border of physical memory, so no run of links is longer than 2 MiB.
    """
    result: BoolArray = following == frames + np.uint64(PAGE_BYTES)
    result &= frames != 0
    result &= following % np.uint64(HUGE_PAGE_BYTES) != 0
    return result


def reach(block: PageBlock, frames_at: Callable[[int, int], UIntArray]) -> Reach:
    """Look over the borders of a block of 4K pages; `frames_at(address, pages)` asks the kernel."""
    start = int(block.addresses[0])
    end = int(block.addresses[-1]) + HUGE_PAGE_BYTES
    pages = min(PAGES_PER_TABLE, start // PAGE_BYTES)
    ahead = np.append(frames_at(start - pages * PAGE_BYTES, pages), _frames(block)[0, 0])
    beyond = np.append(_frames(block)[-1, -1], frames_at(end, PAGES_PER_TABLE))
    return Reach(
        before=_leading(linked(ahead[:-1], ahead[1:])[::-1]),
        after=_leading(linked(beyond[:-1], beyond[1:])),
    )


def _leading(flags: BoolArray) -> int:
    """How many are true before the first that is not."""
    return int(np.argmin(flags)) if not flags.all() else len(flags)


def _frames(block: PageBlock) -> UIntArray:
    return np.where(block.present, block.frames, np.uint64(0))


def aging_ranges(
    block: PageBlock, mask: BoolArray, vmas: VmaTable, edges: Reach = Reach()
) -> UIntArray:
    """(n, 2) of address and bytes that cover the slots in `mask` and cut no large folio.

    A slot is left out when its folio may reach out of its mapping: nothing can age it alone.
    """
    if block.pages_per_slot > 1:
        starts = block.slot_addresses(mask)
        return _join(starts, starts + np.uint64(block.pages_per_slot * PAGE_BYTES), vmas)
    starts, ends = _runs(*_rows_around(block, mask), edges)
    vma = vmas.index_of(starts)
    whole = (vma >= 0) & (vma == vmas.index_of(ends - np.uint64(PAGE_BYTES)))
    return _join(starts[whole], ends[whole], vmas)


def _rows_around(
    block: PageBlock, mask: BoolArray
) -> tuple[UIntArray, BoolArray, BoolArray, BoolArray]:
    """The rows with a slot in `mask` and their neighbours, which a run may reach into.

    Their addresses, links to the next slot, mask, and which of them are the block's outer rows.
    """
    wanted: BoolArray = np.any(mask, axis=1)
    near = wanted.copy()
    near[:-1] |= wanted[1:]
    near[1:] |= wanted[:-1]
    rows = np.flatnonzero(near)
    addresses, frames = block.addresses[rows], _frames(block)[rows]
    following = np.zeros_like(frames)
    following[:, :-1] = frames[:, 1:]
    adjacent = np.diff(addresses) == np.uint64(HUGE_PAGE_BYTES)
    following[:-1, -1] = np.where(adjacent, frames[1:, 0], np.uint64(0))
    outer = np.isin(rows, (0, len(near) - 1))
    return addresses, linked(frames, following), mask[rows], outer


def _runs(
    addresses: UIntArray, links: BoolArray, mask: BoolArray, outer: BoolArray, edges: Reach
) -> tuple[UIntArray, UIntArray]:
    """Start and end address of every run of linked slots that has a slot in `mask`."""
    last_slots = np.flatnonzero(~links)  # of each run; the last slot of all is never linked
    runs = np.unique(np.searchsorted(last_slots, np.flatnonzero(mask)))
    last = last_slots[runs]
    first = np.where(runs > 0, last_slots[runs - 1] + 1, 0)
    starts = _slot_address(addresses, first)
    ends = _slot_address(addresses, last) + np.uint64(PAGE_BYTES)
    if len(runs) and first[0] == 0 and outer[0]:
        starts[0] -= np.uint64(edges.before * PAGE_BYTES)
    if len(runs) and last[-1] == links.size - 1 and outer[-1]:
        ends[-1] += np.uint64(edges.after * PAGE_BYTES)
    return starts, ends


def _slot_address(addresses: UIntArray, slots: NDArray[np.intp]) -> UIntArray:
    """Virtual address of slots that are counted through all rows."""
    inside = (slots % PAGES_PER_TABLE).astype(np.uint64) * np.uint64(PAGE_BYTES)
    result: UIntArray = addresses[slots // PAGES_PER_TABLE] + inside
    return result


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

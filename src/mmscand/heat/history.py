"""What was accessed in past passes: two bytes for each page that is on the slow tier.

One byte of flags and a shift register, one byte of the frame's number. A page whose frame has
changed is a new page at an old address (freed and mapped again), and starts without a past; one
in 256 such changes goes unnoticed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    ByteArray,
    IntArray,
    PageBlock,
    UIntArray,
    Window,
)

RowNumbers = NDArray[np.intp]

KNOWN = np.uint8(1 << 7)
"""Seen in an earlier pass. Before that the Accessed bit says nothing: a fresh mapping has it."""
STUCK = np.uint8(1 << 6)
"""The Accessed bit stays set whatever we do: others map the page too, or it cannot be aged."""
PASSES = 6
"""Passes that the register remembers; bit 0 is the latest."""
_PAGE_SHIFT = np.uint64(12)
_ONE = np.uint8(1)
_REGISTER = np.uint8((1 << PASSES) - 1)


SLOT_PAGES = (1, HUGE_PAGE_BYTES // PAGE_BYTES, REGION_BYTES // PAGE_BYTES)
"""Sizes that a slot can have."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """History of the rows of one region that have slots of one size on the slow tier."""

    numbers: RowNumbers
    """(n,) ascending, which rows of the region these are."""
    state: ByteArray
    """(n, width)"""
    frame_tag: ByteArray
    """(n, width)"""
    frames: UIntArray
    """(n,) the first slow frame: tells which node the row is on."""

    @classmethod
    def none(cls, width: int) -> "_Rows":
        empty = np.empty((0, width), dtype=np.uint8)
        return cls(np.empty(0, dtype=np.intp), empty, empty, np.empty(0, dtype=np.uint64))

    def where(self, mask: BoolArray) -> "_Rows":
        """Some of them, copied, so that the memory of the others is given back."""
        return _Rows(self.numbers[mask], self.state[mask], self.frame_tag[mask], self.frames[mask])

    def at(self, numbers: RowNumbers) -> tuple[ByteArray, ByteArray]:
        """State and frame tag of these rows; zero of rows that have no history."""
        place = np.searchsorted(self.numbers, numbers)
        known = place < len(self.numbers)
        known[known] = self.numbers[place[known]] == numbers[known]
        state = np.zeros((len(numbers), self.state.shape[1]), dtype=np.uint8)
        tag = np.zeros_like(state)
        state[known], tag[known] = self.state[place[known]], self.frame_tag[place[known]]
        return state, tag

    def merged(self, new: "_Rows") -> "_Rows":
        """These and rows that are not among them, in order."""
        numbers = np.concatenate((self.numbers, new.numbers))
        order = np.argsort(numbers)
        return _Rows(
            numbers[order],
            np.concatenate((self.state, new.state))[order],
            np.concatenate((self.frame_tag, new.frame_tag))[order],
            np.concatenate((self.frames, new.frames))[order],
        )


def _numbers(addresses: UIntArray) -> RowNumbers:
    """Row of its region that each address belongs to."""
    return (addresses % np.uint64(REGION_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)


class History:
    """The past of one address space."""

    def __init__(self) -> None:
        self._regions: dict[tuple[int, int], _Rows] = {}
        self._visited: set[tuple[int, int]] = set()

    def fold(self, block: PageBlock) -> ByteArray:
        """Take in what a pass saw; the new state of each slot, shape as the block's arrays.

        Bit 0 of a state: accessed since the pass before. State 0: not slow, or never seen before
        this pass (it is KNOWN from the next one on).
        """
        key = (int(block.addresses[0]) // REGION_BYTES, block.pages_per_slot)
        numbers = _numbers(block.addresses)
        rows = self._regions.get(key) or _Rows.none(block.slow.shape[1])
        old, old_tags = rows.at(numbers)
        tags = (block.frames >> _PAGE_SHIFT).astype(np.uint8)
        known = block.slow & (old >= KNOWN) & (tags == old_tags)
        state: ByteArray = (old << _ONE | block.accessed) & _REGISTER | old & STUCK | KNOWN
        state[~known] = 0
        slow_rows: BoolArray = np.any(block.slow, axis=1)
        kept = state[slow_rows] | np.where(block.slow[slow_rows], KNOWN, np.uint8(0))
        slow_at = np.flatnonzero(slow_rows)
        frames = block.frames[slow_at, block.slow[slow_at].argmax(axis=1)]
        new = _Rows(numbers[slow_rows], kept, tags[slow_rows], frames)
        others = ~np.isin(rows.numbers, numbers)
        self._put(key, rows.where(others).merged(new) if others.any() else new)
        self._visited.add(key)
        return state

    def _put(self, key: tuple[int, int], rows: _Rows) -> None:
        if len(rows.numbers):
            self._regions[key] = rows
        else:
            self._regions.pop(key, None)

    def forget_missing(self, window: Window) -> None:
        """Drop what a window no longer has: its rows were unmapped, or changed their slot size."""
        first = window.start % REGION_BYTES // HUGE_PAGE_BYTES
        last = first + (window.end - window.start) // HUGE_PAGE_BYTES
        seen = {block.pages_per_slot: _numbers(block.addresses) for block in window.blocks}
        for size in SLOT_PAGES:
            key = (window.start // REGION_BYTES, size)
            rows = self._regions.get(key)
            if rows is not None:
                stays = (rows.numbers < first) | (rows.numbers >= last)
                stays |= np.isin(rows.numbers, seen.get(size, []))
                if not stays.all():
                    self._put(key, rows.where(stays))

    def end_pass(self) -> None:
        """Drop regions that the whole pass did not meet."""
        self._regions = {k: rows for k, rows in self._regions.items() if k in self._visited}
        self._visited = set()

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Make these slots prove themselves again, from the next pass on."""
        self._update(addresses, pages_per_slot, add=np.uint8(0))

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Remember that these slots' Accessed bits mean nothing."""
        self._update(addresses, pages_per_slot, add=STUCK)

    def forget_stuck(self) -> None:
        """Give such pages another chance, as if never seen: the others may be gone."""
        for rows in self._regions.values():
            rows.state[(rows.state & STUCK) != 0] = 0

    def _update(self, addresses: UIntArray, pages_per_slot: int, add: np.uint8) -> None:
        """Set the state of slots that have one to KNOWN and `add`."""
        regions = addresses // np.uint64(REGION_BYTES)
        columns = addresses % np.uint64(HUGE_PAGE_BYTES) // np.uint64(PAGE_BYTES * pages_per_slot)
        for region in np.unique(regions).tolist():
            rows = self._regions.get((region, pages_per_slot))
            if rows is not None:
                mine = regions == region
                numbers, column = _numbers(addresses[mine]), columns[mine].astype(np.intp)
                place = np.minimum(np.searchsorted(rows.numbers, numbers), len(rows.numbers) - 1)
                there = rows.numbers[place] == numbers
                at = (place[there], column[there])
                rows.state[at] = np.where(rows.state[at], KNOWN | add, 0)

    def hotness(self, nodes_of: Callable[[UIntArray], IntArray]) -> dict[int, list[int]]:
        """For each node, 4 KiB pages by the number of remembered passes that accessed them.

        Without pages whose bits mean nothing. A row (2 MiB) counts for the node of its first slow
        page. It may be asked from any thread: 1 ns a page, and nothing while nobody asks.
        """
        total: dict[int, list[int]] = {}
        for (_, pages), rows in list(self._regions.items()):
            nodes = nodes_of(rows.frames)
            for node in np.unique(nodes).tolist():
                found = _by_passes(rows.state[nodes == node])
                before = total.get(node, [0] * len(found))
                total[node] = [b + n * pages for b, n in zip(before, found, strict=True)]
        return total

    @property
    def pages(self) -> int:
        """Slots with history, in 4 KiB pages."""
        return sum(
            int(np.count_nonzero(rows.state)) * pages for (_, pages), rows in self._regions.items()
        )


def _by_passes(state: ByteArray) -> list[int]:
    """How many slots were accessed in 0, 1, ... PASSES of the passes that are remembered."""
    own = state[(state & (KNOWN | STUCK)) == KNOWN]
    passes = accessed_passes(own)
    accessed = [int(np.count_nonzero(passes == number)) for number in range(1, PASSES + 1)]
    return [len(own) - sum(accessed), *accessed]


def accessed_in_a_row(state: ByteArray, passes: int) -> BoolArray:
    """Which slots were accessed in each of the last `passes` passes."""
    wanted = np.uint8((1 << passes) - 1)
    result: BoolArray = (state & wanted) == wanted
    return result


def is_stuck(state: ByteArray) -> BoolArray:
    """Which slots have a bit that means nothing."""
    result: BoolArray = (state & STUCK) != 0
    return result


def accessed_passes(state: ByteArray) -> ByteArray:
    """In how many of the passes that are remembered each slot was accessed."""
    passes: ByteArray = np.bitwise_count(state & _REGISTER)
    return passes

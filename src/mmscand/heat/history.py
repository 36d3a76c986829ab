"""What is known of the pages of one address space: two bytes for each page, in rows of 2 MiB.

This class keeps the rows: which there are, which of them a pass has met, and which were unmapped.
Two classes build on it and define the two bytes: heat.pass_history for the policies of the RFC,
heat.watch_history for the stopwatch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmscand.heat.hotness import hotness
from mmscand.heat.row_heat import RowHeat, Unit, row_heat
from mmscand.heat.rows import PART_BYTES, TAG, Rows, numbers_of, pieces
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    ByteArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    StateArray,
    Topology,
    UIntArray,
    VmaTable,
)
from mmscand.sets import distinct

Places = tuple[PageNumbers, ...]
"""Rows and columns of some slots, (n,) each."""
SLOT_PAGES = (1, HUGE_PAGE_BYTES // PAGE_BYTES, REGION_BYTES // PAGE_BYTES)
"""Sizes that a slot can have."""


@dataclass(frozen=True, slots=True)
class SlotRows:
    """Some rows of one part, with slots of one size, for the caller."""

    pages_per_slot: int
    addresses: UIntArray
    """(n,) ascending."""
    words: StateArray
    """(n, width), a copy; 0 is no page."""


class History(ABC):
    """Of one address space. Owned by the scanner thread."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], Rows] = {}
        self._number = 0
        """Of the pass under way."""

    CODES: ClassVar[ByteArray]
    """What words say of accesses, see heat.hotness."""
    HEAT: ClassVar[FloatArray]
    """(len(CODES),) how hot a page of each word is, in `UNIT`."""
    UNIT: ClassVar[Unit]

    @abstractmethod
    def _with_state(self, words: StateArray, state: np.uint16) -> StateArray:
        """Words with another state, where there is a page."""

    @abstractmethod
    def _is_stuck(self, words: StateArray) -> BoolArray:
        """Which of the words have a bit that says nothing."""

    @abstractmethod
    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Remember that these slots' Accessed bits mean nothing."""

    def _rows_of(self, block: PageBlock) -> Rows:
        """What is known of the block's part."""
        return self._parts.get(key_of(block)) or Rows.none(block.slow.shape[1])

    def _put(self, key: tuple[int, int], rows: Rows) -> None:
        if len(rows.about):
            self._parts[key] = rows
        else:
            self._parts.pop(key, None)

    def _drop(self, key: tuple[int, int], rows: Rows, gone: BoolArray) -> None:
        """These rows of a part are there no more."""
        self._put(key, rows.where(~gone))

    def _rests(self, rows: Rows) -> BoolArray:
        """Which rows this pass has not looked at, as they rest."""
        return np.zeros(len(rows.about), dtype=np.bool_)

    def due(self, vmas: VmaTable) -> VmaTable:
        """What of these a pass has to look at: all but the rows that rest."""
        found = [np.empty(0, dtype=np.uint64)]
        for (part, _), rows in self._parts.items():
            rests = rows.addresses[self._rests(rows)]
            found.append(rests + np.uint64(part * PART_BYTES))
        starts = distinct(np.concatenate(found))
        return vmas.without(starts, HUGE_PAGE_BYTES) if len(starts) else vmas

    def rests(self, addresses: UIntArray) -> BoolArray:
        """Which of these pages (n,) this pass has not looked at, as their rows rest."""
        result = np.zeros(len(addresses), dtype=np.bool_)
        for size in SLOT_PAGES:
            for mine, rows in self._rows_at(addresses, size):
                place, known = rows.place(numbers_of(addresses[mine]))
                result[mine[known]] |= self._rests(rows)[place[known]]
        return result

    def _rows_at(self, addresses: UIntArray, pages: int) -> Iterator[tuple[PageNumbers, Rows]]:
        """The parts that these pages are in, with slots of this size: which of them, and rows."""
        parts = addresses // np.uint64(PART_BYTES)
        for part in distinct(parts).tolist():
            if (rows := self._parts.get((part, pages))) is not None:
                yield np.flatnonzero(parts == part), rows

    def slots(self, start: int, end: int) -> Iterator[SlotRows]:
        """What is known of the rows that share a byte with a range of addresses; any thread."""
        for (part, pages), rows in sorted(self._parts.items()):
            if part * PART_BYTES >= end or (part + 1) * PART_BYTES <= start:
                continue
            addresses = rows.addresses + np.uint64(part * PART_BYTES)
            size = rows.words.shape[1] * pages * PAGE_BYTES
            inside = (addresses < end) & (addresses + np.uint64(size) > start)
            for some in pieces(np.flatnonzero(inside)):
                yield SlotRows(pages, addresses[some], rows.words[some])

    def end_pass(self) -> None:
        """Drop rows that the whole pass did not meet, unless they rest: they were unmapped, or have
        slots of another size now.
        """
        for key, rows in list(self._parts.items()):
            gone = (rows.about["seen"] < self._number) & ~self._rests(rows)
            if gone.any():
                self._drop(key, rows, gone)
        self._number += 1

    def forget_stuck(self, still: Callable[[UIntArray], BoolArray] | None = None) -> None:
        """Give such pages another chance, as if never seen: the others may be gone.

        But for those (n,) that `still` finds shared: they would be counted, and other pages make
        way for them, until that is found out again.
        """
        for (part, pages), rows in self._parts.items():
            for some in pieces(np.arange(len(rows.about))):
                at, columns = np.nonzero(self._is_stuck(rows.words[some]))
                at = some[at]
                if still is not None and len(at):
                    first = np.uint64(part * PART_BYTES) + rows.addresses[at]
                    stay = still(first + columns.astype(np.uint64) * np.uint64(pages * PAGE_BYTES))
                    at, columns = at[~stay], columns[~stay]
                self._replace(pages, rows, (at, columns), np.zeros(len(at), dtype=np.uint16))

    def _replace(self, pages: int, rows: Rows, at: Places, words: StateArray) -> None:
        """Slots of rows, of this number of 4 KiB pages each, have other words."""
        rows.words[at] = words

    def _update(self, addresses: UIntArray, pages_per_slot: int, state: np.uint16) -> None:
        """Give slots that have a state another one."""
        columns = addresses % np.uint64(HUGE_PAGE_BYTES) // np.uint64(PAGE_BYTES * pages_per_slot)
        for mine, rows in self._rows_at(addresses, pages_per_slot):
            place, there = rows.place(numbers_of(addresses[mine]))
            at = (place[there], columns[mine[there]].astype(np.intp))
            words = self._with_state(rows.words[at], state)
            self._replace(pages_per_slot, rows, at, words)

    def hotness(self, topology: Topology) -> dict[int, list[int]]:
        """See heat.hotness; it may be asked from any thread, and costs nothing until then."""
        parts = list(self._parts.items())
        sized = ((pages, rows) for (_, pages), rows in parts)
        return hotness(sized, self.CODES, topology.nodes_of)

    def row_heat(self) -> RowHeat:
        """See heat.row_heat; it may be asked from any thread, and costs nothing until then."""
        parts = list(self._parts.items())
        found = ((part * PART_BYTES, pages, rows) for (part, pages), rows in parts)
        return row_heat(found, self.CODES, self.HEAT)

    @property
    def pages(self) -> int:
        """Slots with history, in 4 KiB pages."""
        return sum(
            int(np.count_nonzero(rows.words)) * pages for (_, pages), rows in self._parts.items()
        )


def key_of(block: PageBlock) -> tuple[int, int]:
    """Of its rows: number of the part, and the slot size."""
    return int(block.addresses[0]) // PART_BYTES, block.pages_per_slot


def tags_of(block: PageBlock) -> StateArray:
    """The four lowest bits of the frames' numbers, where a word has them.

    A large page's frame is aligned to its size: its number is counted in such frames.
    """
    shift = np.uint64(block.pages_per_slot.bit_length() - 1)
    frames = np.ascontiguousarray(block.frames >> shift if shift else block.frames)
    tags: StateArray = frames.view("<u2").reshape(*frames.shape, 4)[..., 0] & TAG
    return tags

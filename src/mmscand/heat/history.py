"""What was accessed in past passes: two bytes for each page, see heat.state.

A page whose frame has changed is a new page at an old address (freed and mapped again), and starts
without a past; one in 16 such changes goes unnoticed. A frame on the other tier is the same page,
migrated.

An observation is a pass that found the bit as the exposure left it: not one of a bit that was set
before and that nobody has cleared since. All slow-tier pages are aged in each pass, and of the fast
tier a sample; but a bit that was found clear needs no aging.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.heat.state import (
    FAST,
    KNOWN,
    PASSES,
    REGISTER,
    STATE,
    STUCK,
    TAG,
    accessed_passes,
    averaged,
    is_stuck,
    observed,
    restarted,
    shortened,
)
from mmscand.model import (
    HUGE_PAGE_BYTES,
    NO_FRAME,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    IntArray,
    PageBlock,
    PageNumbers,
    StateArray,
    UIntArray,
    Window,
)

_ONE = np.uint16(1)
_NOWHERE = np.uint16(0)
_AVERAGED = 2
"""Every other observation that leaves the register goes into the average: half the work, and it
reaches back twice as far."""
_TURNS, _MOST_TURNS, _STEADY = 4, 64, 16
"""One row in so many has the bits of its fast-tier pages cleared in a pass, and half as many after
each 16 passes without a change: what is certain is not disturbed. They are the first that the
kernel demotes, until they are accessed again."""
_LEAST_ROWS = 8
"""But so many, of a process that has them: a change of what is hot shows in them first."""

SLOT_PAGES = (1, HUGE_PAGE_BYTES // PAGE_BYTES, REGION_BYTES // PAGE_BYTES)
"""Sizes that a slot can have."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """History of the rows of one region that have slots of one size."""

    numbers: PageNumbers
    """(n,) ascending, which rows of the region these are."""
    words: StateArray
    """(n, width) states, with the frame's bits above them."""
    frames: UIntArray
    """(n, 2) the first slow and the first fast frame: which node the row is on. Or NO_FRAME."""

    @classmethod
    def none(cls, width: int) -> "_Rows":
        words = np.empty((0, width), dtype=np.uint16)
        return cls(np.empty(0, dtype=np.intp), words, np.empty((0, 2), dtype=np.uint64))

    def where(self, mask: BoolArray) -> "_Rows":
        """Some of them, copied, so that the memory of the others is given back."""
        return _Rows(self.numbers[mask], self.words[mask], self.frames[mask])

    def at(self, numbers: PageNumbers) -> StateArray:
        """Words of these rows; zero of rows that have no history."""
        if np.array_equal(numbers, self.numbers):
            return self.words
        place = np.searchsorted(self.numbers, numbers)
        known = place < len(self.numbers)
        known[known] = self.numbers[place[known]] == numbers[known]
        words = np.zeros((len(numbers), self.words.shape[1]), dtype=np.uint16)
        words[known] = self.words[place[known]]
        return words

    def merged(self, new: "_Rows") -> "_Rows":
        """These and rows that are not among them, in order."""
        numbers = np.concatenate((self.numbers, new.numbers))
        order = np.argsort(numbers)
        return _Rows(
            numbers[order],
            np.concatenate((self.words, new.words))[order],
            np.concatenate((self.frames, new.frames))[order],
        )


def _numbers(addresses: UIntArray) -> PageNumbers:
    """Row of its region that each address belongs to."""
    return (addresses % np.uint64(REGION_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)


class History:
    """The past of one address space: of its slow-tier pages, or of all."""

    def __init__(self, *, both_tiers: bool = False) -> None:
        self._both_tiers = both_tiers
        self._regions: dict[tuple[int, int], _Rows] = {}
        self._visited: set[tuple[int, int]] = set()
        self._turn = self._changed_at = 0
        self._turns = self._turns_before = _TURNS

    def fold(self, block: PageBlock) -> StateArray:
        """Take in what a pass saw; the new state of each slot, shape as the block's arrays.

        State 0: not kept, or never seen before this pass (it is KNOWN from the next one on). Else
        bit 0 says whether it was accessed when it was last observed.
        """
        key = (int(block.addresses[0]) // REGION_BYTES, block.pages_per_slot)
        numbers = _numbers(block.addresses)
        rows = self._regions.get(key) or _Rows.none(block.slow.shape[1])
        old = rows.at(numbers)
        kept = block.present if self._both_tiers else block.slow
        fast = (kept & ~block.slow) * FAST if self._both_tiers else _NOWHERE
        tag = _tags(block)
        same = (old ^ tag) & TAG == 0
        state = observed(old, block.accessed)
        if self._both_tiers:
            same |= (old & FAST != fast) & (old & REGISTER != 0)
            if self._turn % _AVERAGED == 0:
                state = averaged(old, state, self._turn)
            unseen = (old & (FAST | _ONE) == FAST | _ONE) & ~self._watched(numbers)[:, None]
            np.copyto(state, old & STATE, where=unseen)
            state = state & ~FAST | fast * (state != 0)
        state *= kept & same
        words = (state | (state == 0) | fast | tag) * kept
        self._keep(key, rows, numbers, block, words, kept)
        return state

    def _keep(
        self,
        key: tuple[int, int],
        rows: _Rows,
        numbers: PageNumbers,
        block: PageBlock,
        words: StateArray,
        kept: BoolArray,
    ) -> None:
        at = np.flatnonzero(kept.any(axis=1))
        frames = np.column_stack(
            [_first(block.frames, mask, at) for mask in (block.slow, kept & ~block.slow)]
        )
        new = _Rows(numbers[at], words if len(at) == len(words) else words[at], frames)
        others = ~np.isin(rows.numbers, numbers)
        self._put(key, rows.where(others).merged(new) if others.any() else new)
        self._visited.add(key)

    def _put(self, key: tuple[int, int], rows: _Rows) -> None:
        if len(rows.numbers):
            self._regions[key] = rows
        else:
            self._regions.pop(key, None)

    def _watched(self, numbers: PageNumbers) -> BoolArray:
        result: BoolArray = (numbers + self._turn - 1) % self._turns_before == 0
        return result

    def watched(self, block: PageBlock) -> BoolArray:
        """(rows,) which have the bits of their fast-tier pages cleared before this pass."""
        return self._watched(_numbers(block.addresses))

    def sampled(self, block: PageBlock) -> BoolArray:
        """The fast-tier slots that are to be aged in this pass, for the next one to observe."""
        mine = (_numbers(block.addresses) + self._turn) % self._turns == 0
        result: BoolArray = block.accessed & ~block.slow & mine[:, None]
        return result

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

    def look_up(self, block: PageBlock) -> StateArray:
        """The states as they are, without an observation."""
        rows = self._regions.get((int(block.addresses[0]) // REGION_BYTES, block.pages_per_slot))
        rows = rows or _Rows.none(block.slow.shape[1])
        states: StateArray = rows.at(_numbers(block.addresses)) & STATE
        return states

    def end_pass(self) -> None:
        """Drop regions that the whole pass did not meet."""
        self._regions = {k: rows for k, rows in self._regions.items() if k in self._visited}
        self._visited = set()
        self._turn += 1
        steady = (self._turn - self._changed_at) // _STEADY
        rows = sum(len(rows.numbers) for rows in self._regions.values())
        most = min(max(_TURNS, rows // _LEAST_ROWS), _MOST_TURNS)
        self._turns_before, self._turns = self._turns, min(_TURNS << min(steady, 8), most)

    def forget(self, *, but_the_last: bool) -> None:
        """Something changed: at most the latest observation of each page counts.

        The next pass is to tell of all fast-tier pages.
        """
        for rows in self._regions.values():
            rows.words[:] = shortened(rows.words, observations=int(but_the_last))
        self._turns, self._changed_at = 1, self._turn

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Make these slots prove themselves again, from the next pass on."""
        self._update(addresses, pages_per_slot, register=KNOWN)

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Remember that these slots' Accessed bits mean nothing."""
        self._update(addresses, pages_per_slot, register=STUCK)

    def forget_stuck(self) -> None:
        """Give such pages another chance, as if never seen: the others may be gone."""
        for rows in self._regions.values():
            rows.words[is_stuck(rows.words)] = 0

    def _update(self, addresses: UIntArray, pages_per_slot: int, register: np.uint16) -> None:
        """Give slots that have a state another register, and no average."""
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
                rows.words[at] = restarted(rows.words[at], register)

    def hotness(self, nodes_of: Callable[[UIntArray], IntArray]) -> dict[int, list[int]]:
        """For each node, 4 KiB pages by the number of remembered passes that accessed them.

        Without pages whose bits mean nothing. A row (2 MiB) counts for the node of its first page
        on a tier. It may be asked from any thread: 1 ns a page, and nothing while nobody asks.
        """
        total: dict[int, list[int]] = {}
        for (_, pages), rows in list(self._regions.items()):
            for tier, bit in enumerate((np.uint16(0), FAST)):
                there = rows.frames[:, tier] != NO_FRAME
                nodes, own = nodes_of(rows.frames[there, tier]), rows.words[there]
                for node in np.unique(nodes).tolist():
                    words = own[nodes == node]
                    found = _by_passes(words[words & FAST == bit])
                    before = total.get(node, [0] * len(found))
                    total[node] = [b + n * pages for b, n in zip(before, found, strict=True)]
        return total

    @property
    def pages(self) -> int:
        """Slots with history, in 4 KiB pages."""
        return sum(
            int(np.count_nonzero(rows.words)) * pages for (_, pages), rows in self._regions.items()
        )


def _tags(block: PageBlock) -> StateArray:
    """The four lowest bits of the frames' numbers, where a word has them."""
    frames = np.ascontiguousarray(block.frames)
    tags: StateArray = frames.view("<u2").reshape(*frames.shape, 4)[..., 0] & TAG
    return tags


def _first(frames: UIntArray, mask: BoolArray, rows: PageNumbers) -> UIntArray:
    """The first frame in each of these rows that is in the mask; NO_FRAME where none is."""
    mask = mask[rows]
    frame = frames[rows, mask.argmax(axis=1)]
    result: UIntArray = np.where(mask.any(axis=1), frame, np.uint64(NO_FRAME))
    return result


def _by_passes(state: StateArray) -> list[int]:
    """How many slots were accessed in 0, 1, ... PASSES of the passes that are remembered."""
    passes = accessed_passes(state[state & REGISTER != 0])
    accessed = [int(np.count_nonzero(passes == number)) for number in range(1, PASSES + 1)]
    return [len(passes) - sum(accessed), *accessed]

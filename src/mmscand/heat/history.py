"""What was accessed in past passes: two bytes for each page, see heat.state.

A page whose frame has changed is a new page at an old address (freed and mapped again), and starts
without a past; one in 16 such changes goes unnoticed. A frame on the other tier is the same page,
migrated.

An observation is a pass that found the bit as the exposure left it: not one of a bit that was set
before and that nobody has cleared since. All slow-tier pages are aged in each pass, and of the fast
tier a sample; but a bit that was found clear needs no aging. Before an exposure that is apart from
the period not all of the slow tier is cleared either, see heat.turns.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmscand.heat.hotness import hotness
from mmscand.heat.rows import Rows, numbers_of
from mmscand.heat.state import (
    FAST,
    KNOWN,
    REGISTER,
    STATE,
    STUCK,
    TAG,
    averaged,
    is_stuck,
    observed,
    on_fast,
    restarted,
    shortened,
    unused_slow,
    used_fast,
)
from mmscand.heat.turns import Turns
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    IntArray,
    PageBlock,
    PageNumbers,
    StateArray,
    UIntArray,
    VmaTable,
    Window,
)
from mmscand.sets import among, distinct

Places = tuple[PageNumbers, ...]
"""Rows and columns of some slots, (n,) each."""
_NOWHERE = np.uint16(0)
_ALL = slice(None)
_RESTING_SLOTS = (1, HUGE_PAGE_BYTES // PAGE_BYTES)
SLOT_PAGES = (1, HUGE_PAGE_BYTES // PAGE_BYTES, REGION_BYTES // PAGE_BYTES)
"""Sizes that a slot can have."""


class History:
    """The past of one address space: of its slow-tier pages, or of all."""

    def __init__(self, *, both_tiers: bool = False, may_spare: bool = True) -> None:
        """`may_spare`: a pass need not observe all of the slow tier."""
        self._both_tiers = both_tiers
        self._regions: dict[tuple[int, int], Rows] = {}
        self._visited: set[tuple[int, int]] = set()
        self._surprises: set[tuple[int, int]] = set()
        """Regions with a row that was accessed while it rested."""
        self._turns = Turns(may_spare=may_spare)

    def fold(self, block: PageBlock) -> StateArray:
        """Take in what a pass saw; the new state of each slot, shape as the block's arrays.

        State 0: not kept, or never seen before this pass (it is KNOWN from the next one on), unless
        that is the first and bits were cleared before it. Else
        bit 0 says whether it was accessed when it was last observed.
        """
        rows = self._rows_of(block)
        old = rows.at(numbers_of(block.addresses))
        kept = block.present if self._both_tiers else block.slow
        fast = (kept & ~block.slow) * FAST if self._both_tiers else _NOWHERE
        tag = tags_of(block)
        if self._turns.opens:
            old = np.where((old == 0) & kept, KNOWN | fast | tag, old)
        same = (old ^ tag) & TAG == 0
        state = observed(old, block.accessed)
        if self._both_tiers:
            same |= (old & FAST != fast) & (old & REGISTER != 0)
            if self._turns.averages:
                state = averaged(old, state, self._turns.number)
            np.copyto(state, old & STATE, where=self._unobserved(block, old))
            state = state & ~FAST | fast * (state != 0)
        state *= kept & same
        words = (state | (state == 0) | fast | tag) * kept
        self._keep(rows, Rows.of(block, kept, words, self._turns.number), block)
        return state

    def _rows_of(self, block: PageBlock) -> Rows:
        """What is known of the block's region."""
        return self._regions.get(key_of(block)) or Rows.none(block.slow.shape[1])

    def _keep(self, rows: Rows, new: Rows, block: PageBlock) -> None:
        key = key_of(block)
        if self._both_tiers and block.pages_per_slot in _RESTING_SLOTS:
            next_turn = self._turns.next(block.addresses)
            if rows.let_rest(new, block, key[0], next_turn):
                self._surprises.add(key)
        self._put(key, rows.updated(new))
        self._visited.add(key)

    def _put(self, key: tuple[int, int], rows: Rows) -> None:
        if len(rows.about):
            self._regions[key] = rows
        else:
            self._regions.pop(key, None)

    def _unobserved(self, block: PageBlock, old: StateArray) -> BoolArray:
        """Slots whose bit nobody has cleared since the last observation.

        Where the exposure began after it, and of those of the slow tier, also a clear bit says
        nothing: were they observed where it is clear, and not where it is set, they would look
        colder than they are.
        """
        watched = self.watched(block)
        kept = used_fast(old)
        if self._turns.apart:  # also of pages that went up before it began
            kept = on_fast(old) | (block.present & ~block.slow)
        result: BoolArray = kept & ~watched[:, None]
        if self._turns.spared_before:
            told = watched | self._was_quiet(block)
            result |= unused_slow(old) & ~told[:, None]
        return result

    def _was_quiet(self, block: PageBlock) -> BoolArray:
        """(rows,) in which nothing was accessed at the last look: there is little to clear."""
        result: BoolArray = self._about(block, "quiet")
        return result

    def _about(self, block: PageBlock, field: str) -> NDArray[Any]:
        """(rows,) what was noted of each at the last look; 0 of new ones."""
        rows = self._rows_of(block)
        place, known = rows.place(numbers_of(block.addresses))
        result = np.zeros(len(known), dtype=rows.about.dtype[field])
        result[known] = rows.about[field][place[known]]
        return result

    def watched(self, block: PageBlock) -> BoolArray:
        """(rows,) of which this pass tells all: it was their turn before it."""
        return self._turns.before(block.addresses)

    @property
    def tells_by_turns(self) -> bool:
        """Whether this pass tells of all slow-tier pages only in `watched` rows."""
        return self._turns.spared_before

    def end_calm(self) -> None:
        """More is used than was known: look at all of the slow tier again, and forget nothing."""
        self._turns.end_calm()

    def cleared(self) -> None:
        """An exposure has begun: what needed to be cleared for it was.

        Before the first pass that makes an observation of it. Pages that were mapped since then are
        told from others by nobody; to be mapped is an access.
        """
        self._turns.cleared()

    def to_clear(self, block: PageBlock) -> BoolArray:
        """Slots that have to be cleared, if an exposure begins now; see to_age."""
        mine = self._turns.to_clear(block.addresses)
        state = self.look_up(block)
        needed = _needed(block, state, mine)
        if self._turns.spares:
            needed &= (mine | self._was_quiet(block))[:, None] | ~unused_slow(state)
        # Bits of a row that rested were clear when it went to rest: what is set now is news.
        return needed & ~self.rested(block)[:, None]

    def to_age(self, block: PageBlock, state: StateArray) -> BoolArray:
        """Slots that have to be aged in this pass, for the next one to observe: of rows whose turn
        it is all, of others what is on the slow tier.
        """
        return _needed(block, state, self._turns.now(block.addresses))

    def forget_missing(self, window: Window) -> None:
        """Drop what a window no longer has: its rows were unmapped, or changed their slot size."""
        first = window.start % REGION_BYTES // HUGE_PAGE_BYTES
        last = first + (window.end - window.start) // HUGE_PAGE_BYTES
        seen = {block.pages_per_slot: numbers_of(block.addresses) for block in window.blocks}
        for size in SLOT_PAGES:
            key = (window.start // REGION_BYTES, size)
            rows = self._regions.get(key)
            if rows is not None:
                stays = (rows.numbers < first) | (rows.numbers >= last)
                stays |= among(rows.numbers, seen.get(size, rows.numbers[:0])) | self._rests(rows)
                if not stays.all():
                    self._drop(key, rows, ~stays)

    def _drop(self, key: tuple[int, int], rows: Rows, gone: BoolArray) -> None:
        """These rows of a region are there no more."""
        self._put(key, rows.where(~gone))

    def look_up(self, block: PageBlock, some: PageNumbers | slice = _ALL) -> StateArray:
        """The states as they are, without an observation; of some of the block's rows."""
        states: StateArray = self._rows_of(block).at(numbers_of(block.addresses[some])) & STATE
        return states

    def _rests(self, rows: Rows) -> BoolArray:
        """Which rows this pass has not looked at, as they rest."""
        now = self._turns.number
        result: BoolArray = (rows.about["due"] > now) & (rows.about["seen"] < now)
        return result

    def due(self, vmas: VmaTable) -> VmaTable:
        """What of these a pass has to look at: all but the rows that rest."""
        found = [np.empty(0, dtype=np.uint64)]
        for (region, _), rows in sorted(self._regions.items()):
            rests = rows.addresses[self._rests(rows)]
            found.append(rests + np.uint64(region * REGION_BYTES))
        starts = np.concatenate(found)
        return vmas.without(starts, HUGE_PAGE_BYTES) if len(starts) else vmas

    def rested(self, block: PageBlock) -> BoolArray:
        """(rows,) which rested until this pass, so that their bits are as old as that."""
        result: BoolArray = self._about(block, "level") > 0
        return result

    def resting(self, *, cold: bool) -> PageNumbers:
        """(2,) 4 KiB pages on the slow tier and on the fast one that this pass has not looked at.

        Those of which nothing is accessed, or those that are all in use.
        """
        total = np.zeros(2, dtype=np.intp)
        for (_, pages), rows in self._regions.items():
            mine = self._rests(rows) & ((rows.about["level"] > 0) == cold)
            total += rows.about["slots"][mine].sum(axis=0, dtype=np.intp) * pages
        return total

    def rests(self, addresses: UIntArray) -> BoolArray:
        """Which of these pages (n,) this pass has not looked at, as their rows rest."""
        result = np.zeros(len(addresses), dtype=np.bool_)
        regions = addresses // np.uint64(REGION_BYTES)
        for region in distinct(regions).tolist():
            for rows in (self._regions.get((region, size)) for size in _RESTING_SLOTS):
                if rows is not None:
                    mine = np.flatnonzero(regions == region)
                    place, known = rows.place(numbers_of(addresses[mine]))
                    result[mine[known]] |= self._rests(rows)[place[known]]
        return result

    def wake_cold(self) -> None:
        """Look at what is cold on the fast tier in the next pass: somebody wants its place."""
        for rows in self._regions.values():
            rows.wake((rows.about["slots"][:, 1] > 0) & (rows.about["level"] > 0))

    def end_pass(self) -> None:
        """Drop regions that the whole pass did not meet, unless all of them rests."""
        for key, rows in list(self._regions.items()):
            if key not in self._visited and not (rests := self._rests(rows)).all():
                self._drop(key, rows, np.ones_like(rests))
        for key in self._surprises & self._regions.keys():
            self._regions[key].wake()
        self._visited, self._surprises = set(), set()
        self._turns.end_pass(sum(len(rows.about) for rows in self._regions.values()))

    def forget(self, *, but_the_last: bool) -> None:
        """Something changed: at most the latest observation of each page counts.

        The next pass is to tell of all pages.
        """
        for (region, _), rows in self._regions.items():
            # Bits that nobody had cleared are no observation.
            told = self._turns.told(rows.addresses + np.uint64(region * REGION_BYTES))
            stale = (on_fast if self._turns.apart_told else used_fast)(rows.words)
            if self._turns.spared_told:
                stale |= unused_slow(rows.words)
            stale &= ~told[:, None]
            rows.words[:] = shortened(rows.words, observations=int(but_the_last))
            rows.words[stale] = shortened(rows.words[stale], observations=0)
            rows.wake()
        self._turns.restart()

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Make these slots prove themselves again, from the next pass on."""
        self._update(addresses, pages_per_slot, KNOWN)

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """These slots were moved to the other tier: their rows do not rest."""

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Remember that these slots' Accessed bits mean nothing."""
        self._update(addresses, pages_per_slot, STUCK)

    def forget_stuck(self, still: Callable[[UIntArray], BoolArray] | None = None) -> None:
        """Give such pages another chance, as if never seen: the others may be gone.

        But for those (n,) that `still` finds shared: they would be counted, and other pages make
        way for them, until that is found out again.
        """
        for (region, pages), rows in self._regions.items():
            at, columns = np.nonzero(self._is_stuck(rows.words))
            if still is not None and len(at):
                first = np.uint64(region * REGION_BYTES) + rows.addresses[at]
                stay = still(first + columns.astype(np.uint64) * np.uint64(pages * PAGE_BYTES))
                at, columns = at[~stay], columns[~stay]
            self._replace(pages, rows, (at, columns), np.zeros(len(at), dtype=np.uint16))

    def _replace(self, pages: int, rows: Rows, at: Places, words: StateArray) -> None:
        """Slots of rows, of this number of 4 KiB pages each, have other words."""
        rows.words[at] = words

    def _update(self, addresses: UIntArray, pages_per_slot: int, state: np.uint16) -> None:
        """Give slots that have a state another one."""
        regions = addresses // np.uint64(REGION_BYTES)
        columns = addresses % np.uint64(HUGE_PAGE_BYTES) // np.uint64(PAGE_BYTES * pages_per_slot)
        for region in distinct(regions).tolist():
            rows = self._regions.get((region, pages_per_slot))
            if rows is not None:
                mine = regions == region
                numbers, column = numbers_of(addresses[mine]), columns[mine].astype(np.intp)
                place, there = rows.place(numbers)
                at = (place[there], column[there])
                words = self._with_state(rows.words[at], state)
                self._replace(pages_per_slot, rows, at, words)

    def _with_state(self, words: StateArray, state: np.uint16) -> StateArray:
        return restarted(words, state)

    def _is_stuck(self, words: StateArray) -> BoolArray:
        return is_stuck(words)

    def hotness(self, nodes_of: Callable[[UIntArray], IntArray]) -> dict[int, list[int]]:
        """See heat.hotness; it may be asked from any thread, and costs nothing until then."""
        regions = list(self._regions.items())
        return hotness(((pages, rows) for (_, pages), rows in regions), nodes_of)

    @property
    def pages(self) -> int:
        """Slots with history, in 4 KiB pages."""
        return sum(
            int(np.count_nonzero(rows.words)) * pages for (_, pages), rows in self._regions.items()
        )


def key_of(block: PageBlock) -> tuple[int, int]:
    """Of its rows: number of the region, and the slot size."""
    return int(block.addresses[0]) // REGION_BYTES, block.pages_per_slot


def _needed(block: PageBlock, state: StateArray, mine: BoolArray) -> BoolArray:
    needed: BoolArray = block.accessed & (block.slow | mine[:, None]) & ~is_stuck(state)
    return needed


def tags_of(block: PageBlock) -> StateArray:
    """The four lowest bits of the frames' numbers, where a word has them.

    A large page's frame is aligned to its size: its number is counted in such frames.
    """
    shift = np.uint64(block.pages_per_slot.bit_length() - 1)
    frames = np.ascontiguousarray(block.frames >> shift if shift else block.frames)
    tags: StateArray = frames.view("<u2").reshape(*frames.shape, 4)[..., 0] & TAG
    return tags

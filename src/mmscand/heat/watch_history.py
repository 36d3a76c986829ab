"""What the stopwatch knows of each page of a process, and which rows (2 MiB) it reads when."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.heat.history import History, Places, key_of, tags_of
from mmscand.heat.hotness import by_tier, codes
from mmscand.heat.kind_counts import KindCounts
from mmscand.heat.rows import PART_BYTES, TAG, Rows, numbers_of, pieces
from mmscand.heat.state import PASSES
from mmscand.heat.word import (
    FAST,
    KIND,
    KINDS,
    KNOWN,
    RATE,
    RATE_LEVELS,
    SEEN,
    STATE,
    STATES,
    STUCK,
    UNKNOWN,
    less_observed,
)
from mmscand.model import (
    REGION_BYTES,
    BoolArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    StateArray,
    Topology,
    UIntArray,
)
from mmscand.sets import among

_LONG_QUIET = 4
"""Rests, each four times as long as the one before: a minute, or the longest that there is."""
_MAY_REST = (1, 512)
"""Slots, in 4 KiB pages, whose rows may rest. A row of one 1 GiB page costs a look at one entry."""


@dataclass(frozen=True, slots=True)
class Times:
    """(rows,) of a block each, in s: when the bits of each row were cleared and read last."""

    cleared: FloatArray
    read: FloatArray


@dataclass(frozen=True, slots=True)
class Rest:
    """(rows,) of a block each: when each is to be read again."""

    level: PageNumbers
    """How often in a row it was found quiet."""
    until: FloatArray
    """Time in s."""
    coldest: FloatArray
    """Lowest rate among its pages of the fast tier, in accesses a second; inf where is none."""


_KINDS = np.arange(KINDS, dtype=np.uint16)
_SECONDS_USED = np.rint(PASSES * -np.expm1(-RATE[_KINDS & np.uint16(RATE_LEVELS - 1)])).astype(
    np.uint8
)
"""(KINDS,) in how many of six seconds a page is accessed, by its rate: in place of passes."""


class WatchHistory(History):
    """Words as of heat.word, in place of registers. A row rests until a time of its own."""

    CODES = codes(_SECONDS_USED, KNOWN[_KINDS & STATE] & (_KINDS != 0), _KINDS & FAST != 0)
    HEAT = RATE[_KINDS & np.uint16(RATE_LEVELS - 1)]
    UNIT = "rate"

    def __init__(self) -> None:
        super().__init__()
        self._surprises: set[int] = set()
        """Numbers of regions with a row that was accessed while it rested."""
        self._now = 0.0
        """When the pass under way began."""
        self._ends = True
        """Whether it ends a round."""
        self.counts = KindCounts.none()
        """Of its pages; another object after each change."""
        self._found: tuple[UIntArray, Rows, PageNumbers, BoolArray] | None = None
        """Of the block that was asked for last."""
        self._hotness: tuple[KindCounts, list[list[int]]] = self.counts, [[], []]

    def _find(self, block: PageBlock) -> tuple[Rows, PageNumbers, BoolArray]:
        """What is known of the block's part, and Rows.place of its rows: asked some ten times for
        each block.
        """
        rows, latest = self._rows_of(block), self._found
        if latest is None or latest[0] is not block.addresses or latest[1] is not rows:
            place, known = rows.place(numbers_of(block.addresses))
            self._found = latest = block.addresses, rows, place, known
        return latest[1:]

    def begin_pass(self, now: float, *, ends: bool) -> None:
        """Rows whose time has come do not rest in this pass, if it ends a round: in the middle of
        one their bits would be read and not cleared.
        """
        self._now, self._ends = now, ends

    def words(self, block: PageBlock) -> StateArray:
        """What is known of the block's pages; of those that are new, only that their bit is set.

        A page whose frame is another one on the same tier is new: freed, and mapped again.
        """
        rows, place, known = self._find(block)
        old = rows.at(place, known)
        return _renewed(old, tags_of(block), block.present, block.slow)

    def meet(
        self, block: PageBlock, now: float, *, closely: bool = True
    ) -> tuple[StateArray, Times]:
        """The words of the block's pages, and the times of its rows before this read. `closely`:
        pages that were mapped, unmapped or moved since are found where that shows without their
        frames.
        """
        rows, place, known = self._find(block)
        times = self._times(rows, place, known, now)
        new = ~known & block.present.any(axis=1)
        if new.any():
            some = block if new.all() else block.where(new)
            self.put(some, self.words(some), now, cleared=False)
            rows, place, known = self._find(block)
        rows.about["seen"][place[known]], rows.about["read"][place[known]] = self._number, now
        words = rows.at(place, known)
        if not closely:
            return words, times
        fast = (block.present & ~block.slow) * FAST
        other = np.nonzero(((words ^ fast) & FAST != 0) | ((words != 0) != block.present))
        if len(other[0]):
            self.note(block, other, self.renewed(block, words, other))
            words = rows.at(place, known)
        return words, times

    def _times(self, rows: Rows, place: PageNumbers, known: BoolArray, now: float) -> Times:
        """Of new rows, and of those without a page that counts: they are read now."""
        if known.all():
            return Times(rows.about["cleared"][place], rows.about["read"][place])
        times = Times(np.full(len(place), now), np.full(len(place), now))
        times.cleared[known] = rows.about["cleared"][place[known]]
        times.read[known] = rows.about["read"][place[known]]
        return times

    def renewed(self, block: PageBlock, words: StateArray, at: Places) -> StateArray:
        """(n,) words of some slots, after a look at their frames; see `words`."""
        return _renewed(words[at], tags_of(block)[at], block.present[at], block.slow[at])

    def note(self, block: PageBlock, at: Places, words: StateArray) -> None:
        """Keep other words of some slots of the block, whose rows are known."""
        rows, place, _ = self._find(block)
        self._replace(block.pages_per_slot, rows, (place[at[0]], at[1]), words)

    def put(
        self,
        block: PageBlock,
        words: StateArray,
        now: float,
        *,
        cleared: bool,
        rest: Rest | None = None,
    ) -> None:
        """Keep the words of the block's pages; its bits were read now, and `cleared` or not."""
        rows, place, known = self._find(block)
        new = Rows.of(block, block.present, words, self._number)
        about = new.about
        about["cleared"] = about["read"] = now
        if not cleared:
            about["cleared"][known] = rows.about["cleared"][place[known]]
        if rest is not None and block.pages_per_slot in _MAY_REST:
            about["level"], about["next"], about["coldest"] = rest.level, rest.until, rest.coldest
        self._count(rows.at(place, known), words, block.pages_per_slot)
        self._put(key_of(block), rows.updated(new))

    def were_cleared(self, block: PageBlock, at: float) -> None:
        """Bits of the block, which was put, were cleared at this time."""
        rows, place, known = self._find(block)
        rows.about["cleared"][place[known]] = rows.about["read"][place[known]] = at

    def quiet(
        self, block: PageBlock, since: float, up: BoolArray
    ) -> tuple[BoolArray, StateArray, FloatArray]:
        """(rows,) of a block that has just been read: which have rested for long, were cleared
        after `since`, and are as they were: all of their pages on the slow tier, on watch, not
        accessed, and in no state of `up` (STATES,). Words (n, width) of these, and when they were
        read before.
        """
        rows, place, known = self._find(block)
        quiet = known & ~block.accessed.any(axis=1) & (block.slow == block.present).all(axis=1)
        about, some = rows.about, place[quiet]
        words = rows.words[some]
        same = (about["level"][some] >= _LONG_QUIET) & (about["cleared"][some] > since)
        same &= ((words != 0) == block.present[quiet]).all(axis=1)
        same &= (words & (SEEN | FAST) == 0).all(axis=1)
        if up.any():
            same &= ~up.take(words & STATE).any(axis=1)
        quiet[quiet] = same
        return quiet, words[same], about["read"][some[same]]

    def rest_on(self, block: PageBlock, which: BoolArray, now: float, until: FloatArray) -> None:
        """These (rows,) of the block, which are `quiet` and were read now, rest `until` (n,)."""
        rows, place, _ = self._find(block)
        place = place[which]
        rows.about["read"][place], rows.about["seen"][place] = now, self._number
        rows.about["next"][place] = until

    def levels(self, block: PageBlock) -> PageNumbers:
        """(rows,) how often in a row each was found quiet; 0 of new ones."""
        rows, place, known = self._find(block)
        levels = np.zeros(len(known), dtype=np.intp)
        levels[known] = rows.about["level"][place[known]]
        return levels

    def _count(self, old: StateArray, new: StateArray, pages: int) -> None:
        """Words of slots of this number of 4 KiB pages were replaced."""
        other = old != new
        less, more = (np.bincount(w[other] & KIND, minlength=KINDS) for w in (old, new))
        kinds = self.counts.kinds + pages * (more - less)
        kinds[0] = 0  # a word of 0 is no page
        self.counts = KindCounts(kinds)  # at once: other threads read it

    def _replace(self, pages: int, rows: Rows, at: Places, words: StateArray) -> None:
        self._count(rows.words[at], words, pages)
        super()._replace(pages, rows, at, words)

    def _drop(self, key: tuple[int, int], rows: Rows, gone: BoolArray) -> None:
        words = rows.words[gone]
        self._count(words, np.zeros_like(words), key[1])
        super()._drop(key, rows, gone)

    def end_pass(self) -> None:
        """See History. The neighbours of a row that was accessed while it rested are read next."""
        super().end_pass()
        self._found = None  # rows that are gone are not kept
        surprising = np.array(sorted(self._surprises), dtype=np.uint64)
        for (part, _), rows in self._parts.items() if len(surprising) else ():
            regions = (np.uint64(part * PART_BYTES) + rows.addresses) // np.uint64(REGION_BYTES)
            rows.wake(among(regions, surprising))
        self._surprises = set()

    def _rests(self, rows: Rows) -> BoolArray:
        waits = rows.about["next"] > self._now
        if not self._ends:
            waits |= rows.about["level"] > 0
        rests: BoolArray = waits & (rows.about["seen"] < self._number)
        return rests

    def wake(self) -> None:
        """Read all rows in the next pass: what is hot has changed."""
        for rows in self._parts.values():
            rows.wake()

    def wake_colder(self, rate: float) -> None:
        """Read those with a page of the fast tier of at most this rate: one may make way."""
        for rows in self._parts.values():
            rows.wake((rows.about["coldest"] <= rate) & (rows.about["next"] > self._now))

    def wake_regions(self, addresses: UIntArray) -> None:
        """Read all rows beside these (n,), in the same 1 GiB each, in the next pass."""
        self._surprises.update((addresses // np.uint64(REGION_BYTES)).tolist())

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """These slots were moved to the other tier: their rows do not rest."""
        for mine, rows in self._rows_at(addresses, pages_per_slot):
            place, there = rows.place(numbers_of(addresses[mine]))
            some = place[there]
            rows.about["next"][some] = rows.about["level"][some] = 0
            rows.about["seen"][some] = self._number  # this pass may have left them out

    def hotness(self, topology: Topology) -> dict[int, list[int]]:
        """See History. Where each tier is one node, kinds give it: 20 us, however many pages."""
        slow = [node.id for node in topology.nodes if node.id in topology.slow]
        others = [node.id for node in topology.nodes if node.id not in topology.slow]
        if len(slow) != 1 or len(others) != 1:
            return super().hotness(topology)
        if self._hotness[0] is not (counts := self.counts):
            self._hotness = counts, by_tier(counts.kinds, counts.there, self.CODES)
        tiers = zip((*slow, *others), self._hotness[1], strict=True)
        return {node: pages for node, pages in tiers if pages}

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See History."""
        self._update(addresses, pages_per_slot, STUCK)

    def forget_stuck(self, still: Callable[[UIntArray], BoolArray] | None = None) -> None:
        """See History."""
        if self.counts.kinds.reshape(-1, STATES)[:, STUCK].any():
            super().forget_stuck(still)

    def slept(self, seconds: float) -> None:
        """In these seconds nothing could be accessed: all watches began that much later."""
        for rows in self._parts.values():
            for name in ("cleared", "read", "next"):
                rows.about[name] = rows.about[name] + seconds

    def trust_less(self, observed_level: int) -> None:
        """After a change: no estimate counts for more accesses than those of this level."""
        for (_, pages), rows in self._parts.items():
            for some in pieces(np.arange(len(rows.about))):
                old = rows.words[some]
                words = less_observed(old, observed_level)
                self._count(old, words, pages)
                rows.words[some] = words

    def _with_state(self, words: StateArray, state: np.uint16) -> StateArray:
        result: StateArray = np.where(words, words & (TAG | FAST) | SEEN | state, np.uint16(0))
        return result

    def _is_stuck(self, words: StateArray) -> BoolArray:
        result: BoolArray = words & STATE == STUCK
        return result


def _renewed(old: StateArray, tag: StateArray, present: BoolArray, slow: BoolArray) -> StateArray:
    fast = (present & ~slow) * FAST
    moved = (old & FAST) != fast
    same = (old != 0) & (moved | ((old ^ tag) & TAG == 0))
    known = np.where(same, old & (STATE | SEEN), UNKNOWN | SEEN)
    words: StateArray = (known | fast | tag) * present
    return words

"""What the stopwatch knows of each page of a process, and when bits were cleared and read."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mmscand.heat.history import History, key_of, tags_of
from mmscand.heat.hotness import hotness
from mmscand.heat.rows import Rows, numbers_of
from mmscand.heat.state import FAST as REGISTER_FAST
from mmscand.heat.state import PASSES
from mmscand.heat.word import (
    FAST,
    KNOWN,
    RATE,
    RATE_LEVELS,
    SEEN,
    STATE,
    STUCK,
    TAG,
    UNKNOWN,
    less_observed,
)
from mmscand.model import BoolArray, IntArray, PageBlock, StateArray, UIntArray


@dataclass(frozen=True, slots=True)
class Times:
    """Of a region's pages of one size; in s."""

    cleared: float
    read: float


class WatchHistory(History):
    """Words as of heat.word, in place of registers."""

    def __init__(self) -> None:
        super().__init__(both_tiers=True, may_spare=False)
        self._times: dict[tuple[int, int], Times] = {}

    def words(self, block: PageBlock) -> StateArray:
        """What is known of the block's pages; of those that are new, only that their bit is set.

        A page whose frame is another one on the same tier is new: freed, and mapped again.
        """
        old = self._rows_of(block).at(numbers_of(block.addresses))
        tag = tags_of(block)
        fast = (block.present & ~block.slow) * FAST
        moved = (old & FAST) != fast
        same = (old != 0) & (moved | ((old ^ tag) & TAG == 0))
        known = np.where(same, old & (STATE | SEEN), UNKNOWN | SEEN)
        words: StateArray = (known | fast | tag) * block.present
        return words

    def times(self, block: PageBlock, now: float) -> Times:
        """When the block's bits were cleared and read; now, if they never were."""
        return self._times.get(key_of(block), Times(now, now))

    def put(self, block: PageBlock, words: StateArray, now: float, *, cleared: bool) -> None:
        """Keep the words of the block's pages; its bits were read now, and `cleared` or not."""
        key = key_of(block)
        before = self.times(block, now)
        self._times[key] = Times(now, now) if cleared else replace(before, read=now)
        new = Rows.of(block, block.present, words, self._turns.number)
        self._put(key, self._rows_of(block).updated(new))
        self._visited.add(key)

    def hotness(self, nodes_of: Callable[[UIntArray], IntArray]) -> dict[int, list[int]]:
        """See History: here, in how many of six seconds each page is accessed, by its rate."""
        regions = list(self._regions.items())
        seen = ((pages, Rows(rows.about, seconds_used(rows.words))) for (_, pages), rows in regions)
        return hotness(seen, nodes_of)

    def end_pass(self) -> None:
        """See History."""
        super().end_pass()
        self._times = {key: times for key, times in self._times.items() if key in self._regions}

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See History: what was known of these pages says nothing any more."""
        self._update(addresses, pages_per_slot, UNKNOWN)

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See History."""
        self._update(addresses, pages_per_slot, STUCK)

    def slept(self, seconds: float) -> None:
        """In these seconds nothing could be accessed: all watches began that much later."""
        self._times = {
            key: Times(times.cleared + seconds, times.read + seconds)
            for key, times in self._times.items()
        }

    def trust_less(self, observed_level: int) -> None:
        """After a change: no estimate counts for more accesses than those of this level."""
        for rows in self._regions.values():
            rows.words[:] = less_observed(rows.words, observed_level)

    def _with_state(self, words: StateArray, state: np.uint16) -> StateArray:
        result: StateArray = np.where(words, words & (TAG | FAST) | SEEN | state, np.uint16(0))
        return result

    def _is_stuck(self, words: StateArray) -> BoolArray:
        result: BoolArray = words & STATE == STUCK
        return result


def seconds_used(words: StateArray) -> StateArray:
    """As heat.state has it: registers of six seconds, accessed in as many as the rates say."""
    states = words & STATE
    used = np.rint(PASSES * -np.expm1(-RATE[states & np.uint16(RATE_LEVELS - 1)]))
    register = np.uint16(1 << PASSES) | (np.uint16(1) << used.astype(np.uint16)) - np.uint16(1)
    on_fast = np.where(words & FAST, REGISTER_FAST, np.uint16(0))
    result: StateArray = np.where((words != 0) & KNOWN[states], register | on_fast, np.uint16(0))
    return result

"""Where a round ends: which pages are watched in the next one, and which rows rest.

A page is watched, so that its bit is cleared, where its observation can change a decision. A row in
which nothing happens rests for four times as long each time: its bits stay clear, so that an access
is seen, only later.
"""

from dataclasses import dataclass

import numpy as np

from mmscand.engine.rate_table import RateTable
from mmscand.engine.updates import place_of
from mmscand.heat.rows import pieces
from mmscand.heat.watch_history import Rest
from mmscand.heat.word import FAST, KNOWN, SEEN, STATE, STATES, STUCK, A, dice
from mmscand.model import (
    REGION_BYTES,
    BoolArray,
    ByteArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    StateArray,
    UIntArray,
)

_SURE, _SURE_IN_A_CALM = 8.0, 2.0
"""Accesses from which a rate is known well enough to clear the page's bit more rarely, in a calm if
it is far above the border. 8 in a calm have a third of the rows with hot pages read in each round,
as of 512 pages some have just looked unlikely ..."""
_NEAR, _RAREST, _RARELY, _OFTEN = 3.0, 1 / 64, 1 / 16, 1 / 4
"""... this number of times a second at most; rarely above _NEAR times the rate at the border."""
_SAMPLED, _ENOUGH = 256, 4096
"""Pages of the fast tier watched a second, at least and at most: of few pages more often than
rarely, of many less, as their number, not their share, says whether what is hot has changed."""
_PACES = _FAR, _MIDDLE, _ALWAYS = range(3)
"""Of states: pages are cleared rarely, often, or in each round."""
_LEAST_WATCHED_S = 1e-6
_QUIET = 0.5
"""Part of a round in which nothing was accessed in a row, for it to be quiet."""
_LONGER = 4.0
"""Each rest is longer than the one before it by this factor. With 2 no simulated place is better by
a percent, and all cold memory is decided on seven times in its first minute, with 4 four times."""
_REST_S, _LONGEST_REST_S = 64.0, 256.0
_COLD_PAGES = 1 << 17
"""Of memory that rests, looked at in a second: 512 MiB. Less than 64 GiB rest for 64 s, 128 GiB and
more for 256 s. With 64 s for 64 GiB that is a third of the CPU time in a calm."""
_OF_HUGE = 1 / 8
"""Part of that for which huge pages rest: a look at 2 MiB costs one entry. Where a tenth of 400 hot
ones changes, half of it is followed after 2 to 8 s; with 1 after 2 to 31 s."""
_MOST_LEVEL = 16
_SCATTER = 40503
"""Fibonacci hashing of 16 bits: neighbours are far from each other."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A round of a block's pages."""

    words: StateArray
    to_clear: BoolArray
    """Slots whose bit is set and has to be cleared."""
    rest: Rest


class Watches:
    """Of one process, for a pass at a time."""

    def __init__(self, table: RateTable) -> None:
        self._table = table
        self._throw = 0
        self._now = self._length = 0.0
        self._rests = False
        self._longest = _REST_S
        self._fast = 0
        """4 KiB pages on the fast tier."""
        self._pace: ByteArray = np.full(STATES, _ALWAYS, dtype=np.uint8)
        """(STATES,) of _PACES."""
        self._rates: FloatArray = np.zeros(2 * STATES)

    def begin_pass(
        self, now: float, border: float | None, length: float, sizes: PageNumbers, *, calm: bool
    ) -> None:
        """Go by what is known now: accesses a second of the hottest page that does not fit the fast
        tier, the seconds of a round, and the 4 KiB pages (2,) on the slow tier and on the fast one.
        Without a border each page is watched and no row rests.
        """
        self._now, self._length = now, length
        slow, fast = sizes.tolist()
        longest = np.clip((slow + fast) / _COLD_PAGES, _REST_S, _LONGEST_REST_S)
        self._longest = float(np.exp2(np.floor(np.log2(longest))))  # so that rows stay in step
        self._rests = border is not None
        self._fast = fast
        self._pace[:] = _ALWAYS
        if border is not None:
            far = KNOWN & (self._table.expected > _NEAR * border)
            sure = np.where(far & calm, _SURE_IN_A_CALM, _SURE) <= A
            self._pace[KNOWN & sure] = _MIDDLE
            self._pace[far & sure] = _FAR
            rates = np.where(KNOWN, self._table.expected, np.inf)
            self._rates = np.concatenate((np.full(STATES, np.inf), rates))

    def longest_rest(self, block: PageBlock) -> float:
        """In s, of rows of a block."""
        return self._longest * (1.0 if block.pages_per_slot == 1 else _OF_HUGE)

    def next_looks(self, block: PageBlock, addresses: UIntArray) -> FloatArray:
        """(n,) when rows of a block at these addresses, that rest for the longest, are read."""
        longest = np.full(len(addresses), self.longest_rest(block))
        return _in_step(self._now, longest, addresses // np.uint64(REGION_BYTES), self._longest)

    def begin(
        self,
        block: PageBlock,
        words: StateArray,
        watched_s: FloatArray,
        levels: PageNumbers,
        surveyed: BoolArray | None = None,
    ) -> Begun:
        """`watched_s` (rows,) is how long ago the last round of each row began, `levels` (rows,)
        how often in a row it was found quiet, `surveyed` (rows,) where all pages are watched.
        """
        state = words & STATE
        may_begin = (words & SEEN != 0) & (state != STUCK)
        pace, picked = self._pace.take(state), ~block.accessed
        if surveyed is not None:
            picked |= surveyed[:, None]
        self._throw += 7
        least = dice(len(words), self._throw) / np.maximum(watched_s, _LEAST_WATCHED_S)
        often = (_rarely(self._fast // block.pages_per_slot), _OFTEN, np.inf)
        for each in _PACES:
            picked |= (pace == each) & (often[each] > least)[:, None]
        begins = may_begin & picked
        result = np.where(begins, words & ~SEEN, words)
        slow_seen = (result & (SEEN | FAST) == SEEN) & (result & STATE != STUCK)
        active = (begins | slow_seen).any(axis=1)
        longest = np.full(len(words), self.longest_rest(block))
        for each in (_FAR, _MIDDLE):
            longest[(may_begin & ~picked & (pace == each)).any(axis=1)] = 1 / often[each]
        # After a moment nothing is quiet: a change has bits cleared again at once.
        levels = levels + (watched_s >= _QUIET * self._length)
        rest = self._rest(block, result, active, longest, levels)
        return Begun(result, begins & block.accessed, rest)

    def _rest(
        self,
        block: PageBlock,
        words: StateArray,
        active: BoolArray,
        longest: FloatArray,
        levels: PageNumbers,
    ) -> Rest:
        """For rows that are not `active`, no more than the `longest` (rows,) seconds."""
        coldest = np.full(len(words), np.inf)
        level = np.where(active, 0, np.minimum(levels, _MOST_LEVEL))
        if not self._rests:
            return Rest(level, np.zeros(len(words)), coldest)
        on_watch = ((words != 0) & (words & SEEN == 0)).any(axis=1)
        rest_s = np.where(on_watch, np.minimum(self._length * _LONGER**level, longest), longest)
        rest_s = np.exp2(np.floor(np.log2(rest_s)))
        regions = block.addresses // np.uint64(REGION_BYTES)
        until = _in_step(self._now, rest_s, regions, self._longest)
        for quiet in pieces(np.flatnonzero(~active)):
            coldest[quiet] = self._rates[place_of(words[quiet])].min(axis=1, initial=np.inf)
        return Rest(level, np.where(level > 0, until, 0.0), coldest)


def _rarely(fast: int) -> float:
    """How often a second a page that is surely hot is cleared on a fast tier of this many pages, or
    huge pages: each of them has one bit.
    """
    least = min(_RARELY, max(_RAREST, _ENOUGH / max(1, fast)))
    return min(_OFTEN, max(least, _SAMPLED / max(1, fast)))


def _in_step(now: float, rest_s: FloatArray, regions: UIntArray, longest: float) -> FloatArray:
    """(n,) ends of rests of about these powers of two seconds, of rows in these regions. Rows of a
    region rest in step, so that a pass looks at few regions, and regions out of step.
    """
    scattered = regions * np.uint64(_SCATTER) % np.uint64(1 << 16)
    phase = longest * scattered.astype(np.float64) / (1 << 16)
    until: FloatArray = np.ceil((now + phase) / rest_s + 0.5) * rest_s - phase
    return until

"""Observations of a pass: pages on watch that were found accessed, or are still clear."""

import numpy as np

from mmscand.engine.change_watch import ChangeWatch
from mmscand.engine.observation import Place
from mmscand.engine.rate_table import RateTable
from mmscand.engine.unrest import Unrest
from mmscand.engine.updates import BothTiers, UpdateTables, alike, place_of
from mmscand.heat.history import Places
from mmscand.heat.rows import pieces
from mmscand.heat.watch_history import Times, WatchHistory
from mmscand.heat.word import KNOWN, PROVEN, SEEN, STATE, STATES, rounded
from mmscand.model import BoolArray, FloatArray, PageBlock, PageNumbers, StateArray

_LEAST_COUNTED = 64
"""Rows of a block: 32 768 pages, a share of 1 % of which is right within a tenth."""
_HEAVIEST = 4.0
"""Weight of a page where changes are looked for, in edge rates: no single page decides."""
_SURPRISING, _TIMES_EXPECTED = 8, 4.0
"""Pages of a row at rest that are found accessed, and how many times as many as expected, that wake
its neighbours."""


class Looks:
    """Of one process."""

    def __init__(
        self, history: WatchHistory, table: RateTable, unrest: Unrest, change_watch: ChangeWatch
    ) -> None:
        self._history = history
        self._table = table
        self._updates = UpdateTables(table, unrest)
        self._change_watch = change_watch
        self._edge: float | None = None
        self._throw = 0

    def begin_pass(self, now: float, edge: float | None) -> None:
        """Go by what is known now, see Estimates.edge."""
        self._edge = edge
        self._change_watch.begin_visit()
        self._updates.begin_pass(now, edge)

    def take(
        self, block: PageBlock, now: float, *, counts: bool, closely: bool, again: bool = False
    ) -> tuple[StateArray, Times]:
        """Take in a block that was read now: its words, and when its rows were cleared and read
        before. `counts`: what is still clear counts where changes are looked for; `closely`: see
        WatchHistory.meet; `again`: its bits were cleared in this pass.
        """
        words, times = self._history.meet(block, now, closely=closely)
        at = np.nonzero(block.accessed & (words & SEEN == 0))
        if len(at[0]):
            new = self._observed(block, words, at, times, now, again=again)
            self._history.note(block, at, new)
            words[at] = new  # a copy, or what is kept
        if counts:
            self._count_still_clear(words, now - times.cleared, block.pages_per_slot)
        return words, times

    def at_rest(self, block: PageBlock, now: float, since: float, up: BoolArray) -> BoolArray:
        """(rows,) see WatchHistory.quiet. That they were silent since they were read before counts
        where changes are looked for.
        """
        quiet, words, read = self._history.quiet(block, since, up)
        self._count_still_clear(words, now - read, block.pages_per_slot)
        return quiet

    def _observed(
        self,
        block: PageBlock,
        words: StateArray,
        at: Places,
        times: Times,
        now: float,
        *,
        again: bool,
    ) -> StateArray:
        """(n,) words of pages that were on watch and have their bit set."""
        new = self._history.renewed(block, words, at)
        known = np.flatnonzero(new & SEEN == 0)
        rows = at[0][known]
        rested = self._history.levels(block) > 0
        self._look_for_surprise(block, words, times, rows[rested[rows]], now)
        # Of a row that rested on, an access soon after its latest look is early, and not late.
        began = np.where(rested, times.read, times.cleared)
        for mine, after, until in alike(times.read - began, now - began):
            some = known[mine[rows]]
            updates = self._updates.accessed(after, until)
            places = place_of(new[some])
            number = np.bincount(places, minlength=2 * STATES)
            self._look_for_change(updates.place, number, block.pages_per_slot, coming=again)
            new[some] = new[some] & ~STATE | self._rounded(updates, places) | SEEN
        return new

    def _look_for_surprise(
        self, block: PageBlock, words: StateArray, times: Times, rows: PageNumbers, now: float
    ) -> None:
        """`rows` (n,) of the block, which rested, have a page that was found accessed, each."""
        found = np.bincount(rows, minlength=len(words))
        some = np.flatnonzero(found > _SURPRISING)
        if len(some) and self._table.known:
            rates = np.nan_to_num(self._table.expected)[words[some] & STATE]
            watched = (words[some] != 0) & (words[some] & SEEN == 0)
            expected = (rates * watched).sum(axis=1) * (now - times.read[some])
            self._history.wake_regions(
                block.addresses[some][found[some] > _TIMES_EXPECTED * expected]
            )

    def _rounded(self, updates: BothTiers, places: StateArray) -> StateArray:
        self._throw += 7
        return rounded(updates.estimates.take(places), self._throw)

    def _look_for_change(
        self,
        place: Place,
        number: PageNumbers,
        each: int,
        *,
        still: bool = False,
        coming: bool = False,
    ) -> None:
        """See ChangeWatch.add; `number` (2 * STATES,), as of BothTiers."""
        if not self._table.known:
            return
        weights = np.minimum(self._table.expected, _HEAVIEST * (self._edge or np.inf))
        for fast, tier in ((False, slice(STATES)), (True, slice(STATES, None))):
            known = (number[tier] * (KNOWN & PROVEN)).astype(np.float64)
            mine = Place(place.low[tier], place.high[tier])
            self._change_watch.add(
                mine, known, weights, each=each, fast=fast, still=still, coming=coming
            )

    def _count_still_clear(self, words: StateArray, watched_s: FloatArray, pages: int) -> None:
        """What is on watch was observed to be clear so far. Of many rows a part: shares are what
        matters, and counting costs 2 ns a page.
        """
        if not self._table.known:
            return
        step = max(1, len(words) // _LEAST_COUNTED)
        first = self._throw % step
        words, watched_s = words[first::step], watched_s[first::step]
        for mine, seconds, _ in alike(watched_s, watched_s):
            if seconds > 0:
                some = words[mine]
                places = place_of(some[(some != 0) & (some & SEEN == 0)])
                number = np.bincount(places, minlength=2 * STATES)
                silent = np.tile(self._table.silent(seconds), 2)
                self._look_for_change(Place.after(silent), number, step * pages, still=True)

    def still_clear(self, block: PageBlock, times: Times, now: float) -> StateArray:
        """Words of a block that was taken in, after those pages that are on watch yet were observed
        to be clear until now.
        """
        words, watched_s = self._history.words(block), now - times.cleared
        for mine, seconds, _ in alike(watched_s, watched_s):
            if seconds > 0:
                updates = self._updates.still_clear(seconds)
                for rows in pieces(np.flatnonzero(mine)):
                    some = words[rows]
                    clear = block.present[rows] & (some & SEEN == 0)
                    old = some[clear]
                    some[clear] = old & ~STATE | self._rounded(updates, place_of(old))
                    words[rows] = some
        return words

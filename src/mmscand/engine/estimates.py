"""What observations say of the pages of one process, and which observations are made."""

import numpy as np

from mmscand.engine.change_watch import ChangeWatch
from mmscand.engine.looks import Looks
from mmscand.engine.rate_table import NO_EDGE, Edge, RateTable
from mmscand.engine.reasons import placement
from mmscand.engine.rounds import Rounds, first_read, usual_length
from mmscand.engine.survey import Survey
from mmscand.engine.unrest import Unrest
from mmscand.engine.updates import place_of
from mmscand.engine.watches import Begun, Watches
from mmscand.heat.watch_history import Times, WatchHistory
from mmscand.heat.word import KNOWN, STATES
from mmscand.model import BoolArray, PageBlock, PageNumbers, StateArray
from mmscand.policy.placement import Placement
from mmscand.policy.plan import Plan

_VISIT_S = 1e-3
"""The least that a visit takes: mappings, policies, and calls on nearly empty windows."""
_TRUSTED = 0.25
"""After a change of a share s of the pages, an estimate counts for this number of accesses, divided
by s."""
_LONGEST_WATCH = 8.0
"""In longest rests: then what is known of pages that are not accessed is brought up to date."""
_ENOUGH = 0.5
"""Pages accessed in the first round, as a share of what fits, that end it."""


class Estimates:
    """Owned by the scanner thread."""

    def __init__(self, *, watches_all: bool = False) -> None:
        """`watches_all`: also pages whose observation can change no decision."""
        self._watches_all = watches_all
        self.history = WatchHistory()
        self.table = RateTable()
        self.unrest = Unrest()
        self.rounds = Rounds()
        self.survey = Survey()
        self._change_watch = ChangeWatch()
        self._looks = Looks(self.history, self.table, self.unrest, self._change_watch)
        self._watches = Watches(self.table)
        self._edge: Edge | None = None
        """None before the first plan."""
        self._began: float | None = None
        """When this pass began; None between passes."""
        self._cleared_at = 0.0
        """When bits of the latest block were cleared."""
        self._active = 0
        """Rows that are to be read before the round ends, as far as this pass knows."""
        self._left_out: PageNumbers = np.zeros(2 * STATES, dtype=np.intp)
        """4 KiB pages that would not move, by their state (updates.place_of), as of the latest pass
        that plans are made after."""

    def begin_pass(self, now: float) -> bool:
        """A pass begins, or this one goes on. Whether it ends a round."""
        if self._began is None:
            self._began, self._active = now, 0
            self.history.begin_pass(now, ends=self.rounds.ends(now))
            if self.decides:
                self._left_out[:] = 0
            edge, calm = self._edge or NO_EDGE, self.unrest.is_calm
            self._looks.begin_pass(now, self.edge)
            length = usual_length(edge.rate, calm=calm)
            border = None if self._every_page_is_watched else edge.outside
            self._watches.begin_pass(now, border, length, self.history.counts.sizes, calm=calm)
        return self.rounds.ends(self._began)

    @property
    def edge(self) -> float | None:
        """Accesses a second of the last page that has to be on the fast tier; None before the first
        plan.
        """
        return None if self._edge is None else self._edge.rate

    @property
    def _every_page_is_watched(self) -> bool:
        return self._watches_all or self.edge is None or self.unrest.settles

    @property
    def decides(self) -> bool:
        """Whether plans are made after this pass."""
        return self._began is not None and self.rounds.decides(self._began)

    @property
    def learns(self) -> bool:
        """Whether the process is new, or has changed: what is learned of it now matters most."""
        return self.edge is None or self.unrest.settles or self.rounds.are_few

    def slept(self, seconds: float) -> None:
        """The process has not run for these seconds: nothing is learned from that."""
        self.history.slept(seconds)
        self.rounds.slept(seconds)

    @property
    def pages(self) -> PageNumbers:
        """(2, STATES) those whose rate is known, and that may move."""
        pages = self.history.counts.by_state
        result: PageNumbers = np.maximum(0, pages - self._left_out.reshape(2, STATES)) * KNOWN
        return result

    def placement(self, plan: Plan, price: float, queued: int) -> Placement:
        """See engine.reasons; from any thread."""
        counts, left_out = self.history.counts, self._left_out
        return placement(counts, left_out, self.table, plan, price, queued)

    def leave_out(self, block: PageBlock, words: StateArray, slots: BoolArray) -> None:
        """Some slots would not move: nothing is to make way for them, so they are not counted."""
        if self.decides:
            places = place_of(words[slots & (words != 0)])
            pages = np.bincount(places, minlength=2 * STATES) * block.pages_per_slot
            self._left_out += pages

    @property
    def agrees(self) -> float:
        """See policy.counted.Counted."""
        return self._change_watch.agreement

    def look(self, block: PageBlock, now: float, *, moves: bool) -> tuple[StateArray, Times]:
        """Take in a block that was read now, of which pages may move; see Looks.take."""
        decides = self.decides
        return self._looks.take(block, now, counts=decides, closely=decides or moves)

    def at_rest(self, block: PageBlock, now: float, up: BoolArray) -> BoolArray | None:
        """See Policy; none of their pages is in a state that is promoted, `up` (STATES,). Their
        watch goes on: one observation of a long silence says what those of its parts do (gamma and
        exponential are conjugate), and costs a tenth of them.
        """
        if self._every_page_is_watched:
            return None
        since = now - _LONGEST_WATCH * self._watches.longest_rest(block)
        at_rest = self._looks.at_rest(block, now, since, up)
        if not at_rest.any():
            return None
        addresses = block.addresses[at_rest]
        self.history.rest_on(block, at_rest, now, self._watches.next_looks(block, addresses))
        return at_rest

    @property
    def rereads(self) -> bool:
        """See Policy: pages are accessed so often that all would be found accessed at the next
        visit, which is a millisecond later at least.
        """
        if self.edge is None or self._began is None or not self.rounds.ends(self._began):
            return False
        return first_read(self.edge, calm=self.unrest.is_calm) < _VISIT_S

    def reread(self, block: PageBlock, now: float) -> None:
        """Take in a block whose bits were cleared in this pass."""
        self.survey.were_read(now)
        self._looks.take(block, now, counts=False, closely=True, again=True)

    def begin_survey(self) -> None:
        """Rows of the next block are to be read again right after their bits were cleared; in a
        calm alone: where the hot set keeps changing, stairs at 1:2 cost 1.38 of O-cost, else 1.18.
        """
        if self.unrest.is_calm:
            self.survey.begin()

    def end_watches(self, block: PageBlock, times: Times, now: float) -> Begun:
        """A round ends for a block that was taken in: what is still clear was observed to be so,
        and others are watched from now on. What it answers is to be kept.
        """
        words = self._looks.still_clear(block, times, now)
        watched_s, levels = now - times.cleared, self.history.levels(block)
        surveyed = self.survey.choose(block, words, self.table.expected)
        return self._watches.begin(block, words, watched_s, levels, surveyed)

    def keep(self, block: PageBlock, begun: Begun, now: float) -> None:
        """A round of these pages begins now."""
        self.survey.were_cleared(now)
        watched = (begun.rest.level == 0) & begun.words.any(axis=1)
        self._active += int(np.count_nonzero(watched))
        self._cleared_at = now
        self.history.put(block, begun.words, now, cleared=True, rest=begun.rest)

    def aged(self, block: PageBlock, now: float) -> None:
        """Bits of a block were cleared from the begin of its round until now: of many pages that
        takes longer than the first reads are after it.
        """
        middle = (self._cleared_at + now) / 2
        self.history.were_cleared(block, middle)
        self.survey.were_cleared(middle)
        self._cleared_at = now

    def end_pass(self, fits: int) -> bool:
        """A pass is over; `fits` 4 KiB pages fit the fast tier. Whether what is hot was found to be
        other pages than before, again.
        """
        now, self._began = self._began, None
        if now is None:
            return False
        # A pass that follows a change at once has observed nothing since.
        if self.rounds.decides(now) and not self.rounds.at_once:
            return self._decide(now, fits)
        self._visited(now)
        return False

    def _visited(self, now: float) -> None:
        self.rounds.visited(
            now,
            self.edge,
            self.unrest.usual_rate,
            cleared_at=max(now, self._cleared_at),
            calm=self.unrest.is_calm,
            rests=not self._active,
        )

    def _decide(self, now: float, fits: int) -> bool:
        """See end_pass."""
        ends, is_first, again = self.rounds.ends(now), self.edge is None, False
        slow, fast = self.pages.sum(axis=1).tolist()
        seen = self._change_watch.changed(fits, slow)
        if changed := not is_first and self.unrest.believes(now, seen):
            again = self.unrest.begin(now, seen, (self._edge or NO_EDGE).middle, (slow, fast))
        elif ends:
            self.unrest.end_round(now)
        if changed or ends:
            self._change_watch.end_round(forget=changed or self.unrest.settles)
        self.table.learn(self.pages.sum(axis=0))
        if self.table.known and fits > 0:
            self._edge = self.table.edge(self.pages.sum(axis=0), fits, self._edge)
        if changed:
            self._doubt()
        self._visited(now)
        if changed or (is_first and slow + fast >= _ENOUGH * fits > 0):
            self.rounds.end_early(at_once=changed)
        return again

    def _doubt(self) -> None:
        """After a change, and not before the table was learned: estimates count for less."""
        if self.unrest.presses:
            level = max(1, int(np.log2(_TRUSTED / self.unrest.share)) + 1)
            self.history.trust_less(level)
        self.history.wake()

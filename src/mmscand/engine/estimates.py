"""What observations say of the pages of one process, and which observations are made."""

import numpy as np

from mmscand.engine.change_watch import ChangeWatch
from mmscand.engine.observation import Updates, accessed, still_clear
from mmscand.engine.rate_table import RateTable
from mmscand.engine.rounds import Rounds, usual_length
from mmscand.engine.unrest import Unrest
from mmscand.heat.watch_history import Times, WatchHistory
from mmscand.heat.word import FAST, KNOWN, SEEN, STATE, STATES, STUCK, A, chosen, rounded
from mmscand.model import BoolArray, FloatArray, PageBlock, PageNumbers, StateArray
from mmscand.policy.plan import EDGE_SHARE, edge_of

PROVEN: BoolArray = A >= 2
"""(STATES,) known from more than one access: one is no proof that there will be others (TPP)."""
_SURE = 8.0
"""Accesses from which a rate is known well enough to clear the page's bit more rarely ..."""
_NEAR, _RARELY, _OFTEN = 3.0, 1 / 16, 1 / 4
"""... this number of times a second at most; rarely above _NEAR times the rate at the edge."""
_CALM_ROUNDS = 20
"""Without a change, 5 s at least: visits are few from then on."""
_LEAST_COUNTED = 64
"""Rows of a block: 32 768 pages, a share of 1 % of which is right within a tenth."""
_KINDS = 4 * STATES
"""States, each with and without SEEN and FAST."""
_LEAST_RATE = 1e-3
"""The lowest of the mixture: nothing is divided by less."""
_TRUSTED = 0.25
"""After a change of a share s of the pages, an estimate counts for this number of accesses, divided
by s."""
_ENOUGH = 0.5
"""Pages accessed in the first round, as a share of what fits, that end it."""
_HEAVIEST = 4.0
"""Weight of a page where changes are looked for, in edge rates: no single page decides."""


class Estimates:
    """Owned by the scanner thread."""

    def __init__(self) -> None:
        self.history = WatchHistory()
        self.table = RateTable()
        self.unrest = Unrest()
        self.rounds = Rounds()
        self._watch = ChangeWatch()
        self._throw = 0
        self._quiet_rounds = 0
        """Since the latest change."""
        self.edge: float | None = None
        """Accesses a second of the last page that has to be on the fast tier; None before the first
        plan."""
        self._middle = 1.0
        """The same of a page in the middle of all accesses."""
        self._kinds: PageNumbers = np.zeros(_KINDS, dtype=np.intp)
        """4 KiB pages of each kind, as this pass has found them so far."""
        self._began: float | None = None
        """When this pass began; None between passes."""

    def begin_pass(self, now: float) -> bool:
        """All of the process is read anew, or this goes on. Whether the pass ends a round."""
        if self._began is None:
            self._began = now
            self._kinds = np.zeros(_KINDS, dtype=np.intp)
            self._watch.begin_visit()
        return self.rounds.ends(self._began)

    @property
    def decides(self) -> bool:
        """Whether plans are made after this pass."""
        return self._began is not None and self.rounds.decides(self._began)

    @property
    def _is_calm(self) -> bool:
        return self._quiet_rounds >= _CALM_ROUNDS

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
        """(2, STATES) 4 KiB pages on the slow tier and on the fast one whose rate is known."""
        result: PageNumbers = self._kinds.reshape(2, 2, STATES).sum(axis=1) * KNOWN
        return result

    @property
    def agrees(self) -> float:
        """See policy.ranking.Told."""
        return self._watch.agreement

    def take(self, block: PageBlock, now: float) -> tuple[StateArray, BoolArray]:
        """Take in a block that was read now: its words, to `keep`, and the slots whose bits to
        clear.
        """
        words, times = self.history.words(block), self.history.times(block, now)
        words = self._observe(words, block, times, now)
        cleared = np.zeros(words.shape, dtype=np.bool_)
        if self.decides:
            self._count_watched(words, now - times.cleared, block.pages_per_slot)
        if self.begin_pass(now):
            words = self._begin_watches(words, block, now - times.cleared, now)
            cleared = block.accessed & (words & SEEN == 0)
        if self.decides:
            self._kinds += self._by_kind(words, block.pages_per_slot)
        return words, cleared

    def keep(self, block: PageBlock, words: StateArray, now: float) -> None:
        """Remember a block's words, as of now: those that are not SEEN have their bit clear."""
        self.history.put(block, words, now, cleared=self.begin_pass(now))

    def _observe(self, words: StateArray, block: PageBlock, times: Times, now: float) -> StateArray:
        """Words after the pages that are on watch and have their bit set were observed."""
        found = block.accessed & _is_watched(words)
        if not found.any():
            return words
        result = words.copy()
        after, until = times.read - times.cleared, now - times.cleared
        for fast in (False, True):
            mine = found & (words & FAST == FAST * fast)
            states = words[mine] & STATE
            doubt = self.unrest.doubt(now, fast=fast)
            updates = accessed(
                self.table, after, max(until, 1e-6), doubt, self.edge or 0.0, fast=fast
            )
            number = np.bincount(states, minlength=STATES) * block.pages_per_slot
            self._look_for_change(updates.late, number, fast=fast, still=False)
            result[mine] = words[mine] & ~STATE | self._rounded(updates, states) | SEEN
        return result

    def _rounded(self, updates: Updates, states: StateArray) -> StateArray:
        self._throw += 7
        return rounded(updates.estimates[states], self._throw)

    def _look_for_change(
        self, late: FloatArray, pages: PageNumbers, *, fast: bool, still: bool
    ) -> None:
        if self.table.known:
            weights = np.minimum(self.table.expected, _HEAVIEST * (self.edge or np.inf))
            known = (pages * (KNOWN & PROVEN)).astype(np.float64)
            self._watch.add(late, known, weights, fast=fast, still=still)

    def _by_kind(self, words: StateArray, pages: int) -> PageNumbers:
        """(_KINDS,) 4 KiB pages of each kind. Of many rows a part: shares are what matters, and
        counting costs 2 ns a page.
        """
        step = max(1, len(words) // _LEAST_COUNTED)
        some = words[self._throw % step :: step]
        found = np.bincount(some[some != 0] & np.uint16(_KINDS - 1), minlength=_KINDS)
        result: PageNumbers = found * len(words) // max(1, len(some)) * pages
        return result

    def _count_watched(self, words: StateArray, watched_s: float, pages: int) -> None:
        """What is on watch was observed to be clear so far."""
        if watched_s <= 0:
            return
        late = 1 - self.table.silent(watched_s) / 2
        kinds = self._by_kind(words, pages).reshape(2, 2, STATES)
        for fast in (False, True):
            self._look_for_change(late, kinds[int(fast), 0], fast=fast, still=True)

    def _begin_watches(
        self, words: StateArray, block: PageBlock, watched_s: float, now: float
    ) -> StateArray:
        """Words where a round ends: what is still clear was observed to be so, and of the others
        those are watched whose observation can change a decision.
        """
        result = words.copy()
        watched = block.present & _is_watched(words)
        for fast in (False, True) if watched_s > 0 else ():
            mine = watched & (words & FAST == FAST * fast)
            doubt = self.unrest.doubt(now, fast=fast)
            updates = still_clear(self.table, watched_s, doubt, self.edge or 0.0, fast=fast)
            states = words[mine] & STATE
            result[mine] = words[mine] & ~STATE | self._rounded(updates, states)
        begins = block.present & (words & SEEN != 0) & (words & STATE != STUCK)
        self._throw += 7
        picked = chosen(self._chances()[result[begins] & STATE], self._throw)
        begins[begins] = picked | ~block.accessed[begins]
        result[begins] &= ~SEEN
        return result

    def _chances(self) -> FloatArray:
        """(STATES,) of a page to be watched in the round that begins."""
        if self.edge is None or self.unrest.settles:
            return np.ones(STATES)
        rates = self.table.expected
        often = np.where(rates > _NEAR * self.edge, _RARELY, _OFTEN)
        length = usual_length(self.edge, calm=self._is_calm)
        chances: FloatArray = np.minimum(1.0, length * often)
        chances[~KNOWN | (A < _SURE)] = 1.0
        return chances

    def end_pass(self, fits: int) -> bool:
        """A pass is over; `fits` 4 KiB pages fit the fast tier. Whether what is hot was found to be
        other pages than before, anew.
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
        self.rounds.visited(now, self.edge, self.unrest.usual_rate, calm=self._is_calm)

    def _decide(self, now: float, fits: int) -> bool:
        """See end_pass."""
        ends, is_first, anew = self.rounds.ends(now), self.edge is None, False
        slow, fast = self.pages.sum(axis=1).tolist()
        seen = self._watch.changed(fits, slow)
        if changed := not is_first and self.unrest.believes(now, seen):
            anew = self.unrest.begin(now, seen, self._middle, (slow, fast))
            if self.unrest.presses:
                self.history.trust_less(self._trusted_level())
        elif ends:
            self.unrest.end_round(now)
        if changed or ends:
            self._watch.end_round(forget=changed or self.unrest.settles)
            self._quiet_rounds = 0 if changed else self._quiet_rounds + 1
        self.table.learn(self.pages.sum(axis=0))
        self._find_edge(fits)
        self._visited(now)
        if changed or (is_first and slow + fast >= _ENOUGH * fits > 0):
            self.rounds.end_early(at_once=changed)
        return anew

    def _trusted_level(self) -> int:
        return max(1, int(np.log2(_TRUSTED / self.unrest.share)) + 1)

    def _find_edge(self, fits: int) -> None:
        pages = self._kinds.reshape(4, STATES).sum(axis=0).astype(np.float64)
        if not self.table.known or fits <= 0 or not pages.any():
            return
        rates = np.where(KNOWN, self.table.expected, 0.0)
        order = np.argsort(-rates, kind="stable")
        rates, pages = rates[order], pages[order]
        self.edge = max(_LEAST_RATE, edge_of(rates, pages, fits, EDGE_SHARE))
        self._middle = max(_LEAST_RATE, edge_of(rates, pages, fits, 0.5))


def _is_watched(words: StateArray) -> BoolArray:
    """Slots whose bit was cleared and not found set since."""
    result: BoolArray = (words & SEEN == 0) & (words & STATE != STUCK)
    return result

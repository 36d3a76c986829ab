"""Choosing by capacity: the hottest pages that fit, by one ranking over all processes."""

import numpy as np

from mmscand.heat.bins import ACCESSED, BIN_OF, BINS, OBSERVATIONS, pages_by_bin
from mmscand.heat.history import History
from mmscand.heat.state import FAST, STATES, accessed_passes
from mmscand.model import (
    BoolArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    Process,
    StateArray,
    UIntArray,
)
from mmscand.policy.by_plan import ByPlan
from mmscand.policy.choosing import Choice, Held, Knobs
from mmscand.policy.demand import Demand, Keep
from mmscand.policy.ranking import Ranking, Told
from mmscand.policy.seen import Seen

_STATES = np.arange(STATES, dtype=np.uint16)
_UNKNOWN = np.uint16(0)
_FAST: BoolArray = _STATES & FAST != 0
_OBSERVED: FloatArray = OBSERVATIONS[BIN_OF]
_PROVEN: BoolArray = accessed_passes(_STATES) >= 2
"""One touch is no proof that there will be others (TPP, RFC V3)."""
_COLDEST, _HOTTEST = (
    int(np.flatnonzero((share == ACCESSED) & (OBSERVATIONS.max() == OBSERVATIONS))[0])
    for share in (0, OBSERVATIONS.max())
)
"""What is known of pages that rest."""
_SPENT = 0.5
"""Of what came in, what may be spent: rates of counts are less sure than those of pages. With all
of it, cyclic scans over twice the fast tier are 10 % slower than doing nothing."""
_LEAST_OBSERVED = 3
"""Observations before a page is demoted, but where passes are quick: of a new process, and after a
change, nothing better is known. Where only the exposure was changed it was known, and two of them
took a quarter of the fast tier down for nothing."""
_LEAST_COUNTED = 64
"""Rows of a block: 32 768 pages, a share of 1 % of which is right within a tenth."""


class CapacityChooser:
    """See policy.choosing.Chooser."""

    due_s = None
    glances = False

    def __init__(
        self, process: Process, ranking: Ranking, knobs: Knobs, *, may_spare: bool = True
    ) -> None:
        """`may_spare`: see heat.history."""
        self._history = History(both_tiers=True, may_spare=may_spare)
        self._process = process
        self._ranking = ranking
        self._by_plan = ByPlan(ranking, process)
        longest_s, first_s = knobs.scan_period_max_ms / 1000, knobs.scan_period_ms / 1000
        self._demand = Demand(longest_s, first_s, knobs.quick_passes)
        self._turn = 0
        self._anew = False
        self.opens = True
        """See Chooser."""
        self._to_see: PageNumbers | None = np.zeros(2, dtype=np.intp)
        """4 KiB pages on the slow tier and on the fast one that are cleared for the first visit."""
        self._slow: PageNumbers = np.zeros(BINS, dtype=np.intp)
        """Slow-tier pages of each bin, as the last pass found them; without those that rest."""
        self._agrees = self._activity = 1.0
        """See policy.seen."""
        self._begin()

    def _begin(self) -> None:
        self._slots: PageNumbers = np.zeros(STATES, dtype=np.intp)
        """4 KiB pages of each state, as this pass finds them."""
        self._sizes: PageNumbers = np.zeros(2, dtype=np.intp)
        """4 KiB pages on the slow tier and on the fast one, as this pass finds them."""
        self._seen = Seen()
        self._watched: PageNumbers = np.zeros(BINS, dtype=np.intp)
        """4 KiB pages of the fast tier of which this pass tells, by what was known of them."""
        self._ranking.begin(self._process)
        rates, plan = self._demand.rates, self._ranking.plan
        if plan.demote_pages:
            self._history.wake_cold()
        rate = np.full(STATES, np.nan) if rates is None else rates[BIN_OF]
        up = ~_FAST & _PROVEN & (rate >= plan.promote_from)
        least = 1 if self._demand.hurries else _LEAST_OBSERVED
        down = _FAST & (least <= _OBSERVED) & (rate <= plan.demote_to)
        self._by_plan.begin(rate, up, down)

    @property
    def history(self) -> History:
        """See Chooser."""
        return self._history

    @property
    def exposure_s(self) -> float:
        """See Chooser."""
        return self._demand.exposure_s

    @property
    def changes(self) -> int:
        """See Chooser."""
        return self._demand.changes

    @property
    def hurries(self) -> bool:
        """See Chooser."""
        return self._demand.hurries

    @property
    def begins(self) -> bool:
        """See Chooser. After a change, all of the fast tier is to be told of by one pass."""
        return self._anew

    @property
    def makes_room(self) -> bool:
        """See Chooser."""
        return self._by_plan.makes_room

    def choose(self, block: PageBlock, held: Held | None = None) -> Choice:
        """See Chooser."""
        self._watch(block)
        self._sizes += _sizes_of(block)
        state = self._history.fold(block)
        movable = state if held is None else np.where(held.left_out(block), _UNKNOWN, state)
        self._count(block, movable)
        up, down, stays = self._by_plan.moves(block, state, movable, held)
        return Choice(state, up, down, stays, self._history.to_age(block, state))

    def _watch(self, block: PageBlock) -> None:
        """Compare what is seen of the fast tier with what was expected of it; count what is used
        of the slow one where else nothing is told of it.
        """
        rows = np.flatnonzero(self._history.watched(block))
        before, accessed = self._history.look_up(block, rows), block.accessed[rows]
        fast = _FAST[before] & (_OBSERVED[before] > 0) & (block.present & ~block.slow)[rows]
        seen = self._seen
        seen.hits += block.pages_in(accessed[fast])
        kinds = np.bincount(BIN_OF[before[fast]], minlength=BINS)
        self._watched += kinds * block.pages_per_slot
        if self._history.tells_by_turns:
            slow = ~_FAST[before] & (_OBSERVED[before] > 0) & block.slow[rows]
            seen.slow += block.pages_in(slow)
            seen.used += block.pages_in(accessed[slow])

    def _count(self, block: PageBlock, state: StateArray) -> None:
        # Of many rows a part, others each time: shares are what matters, and counting costs 2 ns.
        step = max(1, len(state) // _LEAST_COUNTED)
        self._turn += 1
        slots = np.bincount(state[self._turn % step :: step].reshape(-1), minlength=STATES)
        slots = slots * len(state) // max(1, len(state[self._turn % step :: step]))
        pages = slots * block.pages_per_slot
        self._slots += pages
        if self._history.tells_by_turns:  # of others what is known is old, see _watch
            return
        known = ~_FAST & (_OBSERVED > 0)
        self._seen.slow += int(pages[known].sum())
        self._seen.used += int(pages[known & (_STATES & 1 != 0)].sum())

    def to_clear(self, block: PageBlock) -> BoolArray:
        """See Chooser."""
        if self._to_see is not None:
            self._to_see += _sizes_of(block)
        return self._history.to_clear(block)

    def cleared(self) -> None:
        """See Chooser."""
        self._history.cleared()
        if self._to_see is not None:  # once: all of a pass is to have one exposure
            self._ranking.count(self._process, self._to_see)
            self._demand.open(self._ranking.fits, int(self._to_see[0]))
            self._to_see = None

    def aged(self, block: PageBlock) -> None:
        """See Chooser."""

    def adopt(self, knobs: Knobs) -> None:
        """See Chooser."""
        self._demand.longest_exposure_s = knobs.scan_period_max_ms / 1000
        self._demand.quick_passes = knobs.quick_passes

    def queued(self, *, promoted: int, demoted: int) -> None:
        """See Chooser."""
        self._by_plan.queued(promoted=promoted, demoted=demoted)

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """See Chooser. Their rates are what they were, and no promotion was paid for."""
        self._by_plan.not_moved(len(addresses) * pages_per_slot, demotes=demotes)

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See Chooser."""

    def end_pass(self, exposed_s: float | None = None) -> None:
        """See Chooser."""
        pages = pages_by_bin(self._slots) * (OBSERVATIONS > 0)
        # Of the fast tier all count: were cold ones left out until they are proven, hot ones would
        # be the coldest there are, and come down in their place.
        unproven = pages_by_bin(self._slots * ~_PROVEN)[0] * (OBSERVATIONS > 0)
        self._expect(exposed_s)
        self._slow = pages[0].copy()
        for cold, place in ((True, _COLDEST), (False, _HOTTEST)):
            resting = self._history.resting(cold=cold)
            pages[:, place] += resting
            self._sizes += resting
        by_turns = self._history.tells_by_turns
        first, self.opens = self.opens, False
        self._history.end_pass()
        seen, demand = self._seen, self._demand
        self._agrees = seen.agreement(self._agrees)
        self._activity = seen.activity(self._activity if by_turns else 1.0)
        if by_turns and seen.rises:
            self._history.end_calm()
        keep = demand.notice(seen.hits, seen.expected_hits * self._activity, seen.fast)
        if keep is Keep.ALL:
            self._ranking.count(self._process, self._sizes)
            known, slow = pages.sum(axis=0), int(self._sizes[0])
            fits = self._ranking.fits
            # Of many visits the first one may have been to less than fits.
            keep = demand.open(fits, slow) if first else Keep.ALL
            if keep is Keep.ALL:
                keep = demand.learn(known, seen.slow_share, fits, exposed_s, slow)
        if demand.rates is None:
            self._ranking.doubt(self._process)
        else:
            told = Told(demand.rates, pages, unproven, _SPENT * self._agrees, self._by_plan.asked)
            self._ranking.tell(self._process, told)
        self._anew = keep is not Keep.ALL
        if keep is Keep.LAST:
            self._ranking.changed(self._process)
        if self._anew:
            self._history.forget(but_the_last=keep is Keep.LAST)
        self._begin()

    def _expect(self, exposed_s: float | None) -> None:
        """What this pass should have found, by what was known before it."""
        chances, slow = self._demand.expected(exposed_s), max(1, int(self._slow.sum()))
        self._seen.fast = int(self._watched.sum())
        self._seen.expected_hits = float(chances @ self._watched)
        self._seen.expected_slow_share = float(np.nan_to_num(chances) @ self._slow) / slow

    def begin_pass(self, now: float) -> bool:
        """See Chooser. The slot says so itself, by the exposure."""
        return True

    def slept(self, seconds: float) -> None:
        """See Chooser. Exposures know it, see scan.exposure."""

    def close(self) -> None:
        """See Chooser."""
        self._ranking.leave(self._process)


def _sizes_of(block: PageBlock) -> PageNumbers:
    """(2,) 4 KiB pages of a block on the slow tier and on the fast one."""
    slow = block.pages_in(block.slow)
    return np.array([slow, block.pages_in(block.present) - slow], dtype=np.intp)

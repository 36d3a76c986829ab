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
_LEAST_OBSERVED = 3
"""Observations before a page is demoted, but where passes are quick: of a new process, and after a
change, nothing better is known. Where only the exposure was changed it was known, and two of them
took a quarter of the fast tier down for nothing."""
_TRIES = 64
"""4 KiB pages in a pass that would not move before and are tried again on a full fast tier: far
less than its headroom."""
_LEAST_COUNTED = 64
"""Rows of a block: 32 768 pages, a share of 1 % of which is right within a tenth."""


class CapacityChooser:
    """See policy.choosing.Chooser."""

    def __init__(
        self, process: Process, ranking: Ranking, knobs: Knobs, *, may_spare: bool = True
    ) -> None:
        """`may_spare`: see heat.history."""
        self._history = History(both_tiers=True, may_spare=may_spare)
        self._process = process
        self._ranking = ranking
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
        self._tries = 0
        """4 KiB pages that would not move before and were tried again in this pass."""
        self._asked = 0
        """4 KiB pages that are to go up, and have no room yet."""
        self._ranking.begin(self._process)
        rates, plan = self._demand.rates, self._ranking.plan
        if plan.demote_pages:
            self._history.wake_cold()
        self._rate = np.full(STATES, np.nan) if rates is None else rates[BIN_OF]
        self._up = ~_FAST & _PROVEN & (self._rate >= plan.promote_from)
        least = 1 if self._demand.hurries else _LEAST_OBSERVED
        self._down = _FAST & (least <= _OBSERVED) & (self._rate <= plan.demote_to)

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
        return self._ranking.asked > 0 and self._ranking.gives(self._process)

    def choose(self, block: PageBlock, held: Held | None = None) -> Choice:
        """See Chooser."""
        self._watch(block)
        self._sizes += _sizes_of(block)
        state = self._history.fold(block)
        movable = state if held is None else np.where(held.left_out(block), _UNKNOWN, state)
        self._count(block, movable)
        hot, cold = _where(self._up, movable), _where(self._down, movable)
        up, down = self._moves(block, state, hot, cold)
        if held is not None:
            again = self._again(block, state, held, block.pages_in(up))
            up, hot = up | again, hot | again
        stays = block.present & ~hot & ~cold
        return Choice(state, up, down, stays, self._history.to_age(block, state))

    def _moves(
        self, block: PageBlock, state: StateArray, hot: BoolArray, cold: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """What goes up and what comes down, by the plan.

        Nothing makes way but for pages that are there: the plan counts those of the last pass, and
        one observation later fewer may look as hot.
        """
        plan, size, wanted = self._ranking.plan, block.pages_per_slot, block.pages_in(hot)
        makes_room = plan.demote_pages - plan.trades
        if plan.trades:
            asked = max(wanted - plan.promote_pages, self._ranking.asked)
            makes_room += min(plan.trades, asked)
        down = self._hottest(cold, state, -(makes_room // size))
        room = plan.promote_pages + plan.traded(block.pages_in(down))
        up = self._hottest(hot, state, room // size)
        self._asked += wanted - block.pages_in(up)
        return up, down

    def _again(self, block: PageBlock, state: StateArray, held: Held, promoted: int) -> BoolArray:
        """Hot slots that would not move before, to try again now: as many as fit into the room, or
        into the headroom of a full fast tier. Nothing is demoted for them.
        """
        room = max(self._ranking.plan.promote_pages - promoted, _TRIES - self._tries, 0)
        hot = held.due & block.slow & _where(self._up, state)
        again = self._hottest(hot, state, room // block.pages_per_slot)
        self._tries += block.pages_in(again)
        return again

    def _hottest(self, mask: BoolArray, state: StateArray, most: int) -> BoolArray:
        """At most |most| slots of a mask: the hottest ones, or if it is negative the coldest."""
        number = int(np.count_nonzero(mask))
        if number <= abs(most):
            return mask
        result = np.zeros_like(mask)
        if most:
            rates = self._rate[state[mask]] * -np.sign(most)
            chosen = np.argpartition(rates, abs(most) - 1)[: abs(most)]
            result.flat[np.flatnonzero(mask)[chosen]] = True
        return result

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

    def adopt(self, knobs: Knobs) -> None:
        """See Chooser."""
        self._demand.longest_exposure_s = knobs.scan_period_max_ms / 1000
        self._demand.quick_passes = knobs.quick_passes

    def queued(self, *, promoted: int, demoted: int) -> None:
        """See Chooser."""
        self._ranking.take(self._process, promoted=promoted, demoted=demoted)

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """See Chooser. Their rates are what they were, and no promotion was paid for."""
        if not demotes:
            self._ranking.refund(len(addresses) * pages_per_slot)

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
            told = Told(demand.rates, pages, unproven, self._agrees, self._asked)
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

    def close(self) -> None:
        """See Chooser."""
        self._ranking.leave(self._process)


def _sizes_of(block: PageBlock) -> PageNumbers:
    """(2,) 4 KiB pages of a block on the slow tier and on the fast one."""
    slow = block.pages_in(block.slow)
    return np.array([slow, block.pages_in(block.present) - slow], dtype=np.intp)


def _where(states: BoolArray, state: StateArray) -> BoolArray:
    """Which slots are in one of these states (STATES,). Mostly it is none: then that is cheap."""
    return states[state] if states.any() else np.zeros(state.shape, dtype=np.bool_)

"""The policy `stopwatch`: the hottest pages that fit, by when they are accessed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmscand.engine.estimates import Estimates
from mmscand.engine.reasons import reason_codes
from mmscand.engine.updates import place_of
from mmscand.heat.state import STUCK as REGISTER_STUCK
from mmscand.heat.watch_history import WatchHistory
from mmscand.heat.word import FAST, KNOWN, PROVEN, SEEN, STATE, STATES, STUCK, UNKNOWN
from mmscand.model import (
    BoolArray,
    ByteArray,
    FloatArray,
    PageBlock,
    Process,
    StateArray,
    UIntArray,
)
from mmscand.policy.by_plan import ByPlan
from mmscand.policy.counted import Counted
from mmscand.policy.interface import Decision, Held, Knobs
from mmscand.policy.placement import Placement
from mmscand.policy.plan import MovePlan
from mmscand.policy.ranking import Ranking

_STILL = 2.0
"""Pages on the migration list stay there while their rates are within this factor of the plan's: a
rate that is estimated again is another one each time."""
_IS_FAST: BoolArray = np.arange(2 * STATES) >= STATES
"""(2 * STATES,) of a state of a page on the slow tier, and above them of one on the fast tier."""
_KIND = STATE | SEEN | FAST


def _registers() -> StateArray:
    """(4096,) of each kind of page what heat.state calls its register: one observation where
    something is known, two where it is proven, accesses where the bit was found set.
    """
    kinds = np.arange(1 << 12, dtype=np.uint16)
    observations = np.where(PROVEN[kinds & STATE], np.uint16(0b100), np.uint16(0b10))
    used = np.where(kinds & SEEN, observations - np.uint16(1), np.uint16(0))
    known = KNOWN[kinds & STATE] & (kinds != 0)  # a word of 0 is no page
    stuck = np.where(kinds & STATE == STUCK, REGISTER_STUCK, np.uint16(0))
    result: StateArray = np.where(known, observations | used, stuck)
    return result


_REGISTERS = _registers()


class Stopwatch:
    """See policy.interface.Policy."""

    def __init__(
        self,
        process: Process,
        ranking: Ranking,
        now: Callable[[], float],
        *,
        records: bool = False,
    ) -> None:
        """`now` is a clock in seconds, the ranking's. `records`: every page of the slow tier is to
        be observed in each round.
        """
        self._estimates = Estimates(watches_all=records)
        self._process = process
        self._ranking = ranking
        self._by_plan = ByPlan(ranking, process)
        self._clock = now
        self.glances = False
        """See Policy."""
        ranking.begin(process)
        self._follow_plan()

    def _follow_plan(self) -> None:
        """What moves from the next pass on."""
        rate = np.tile(self._estimates.table.expected, 2)
        plan = self._ranking.plan_for(self._process)
        if plan.demote_pages:
            self.history.wake_colder(plan.demote_to)
        proven = np.tile(KNOWN & self._proven, 2)
        up = ~_IS_FAST & proven & (rate >= plan.promote_from)
        down = _IS_FAST & np.tile(KNOWN, 2) & (rate <= plan.demote_to)
        waits = np.where(
            _IS_FAST, rate <= _STILL * plan.demote_to, _STILL * rate >= plan.promote_from
        )
        belongs = ~_IS_FAST & proven & (rate >= plan.belongs_from)
        self._by_plan.begin(rate, up, down, waits & np.tile(KNOWN, 2), belongs)

    @property
    def _proven(self) -> BoolArray:
        """(STATES,) Where the hot pages have left the fast tier, one access is enough."""
        return np.ones_like(PROVEN) if self._estimates.unrest.presses else PROVEN

    @property
    def history(self) -> WatchHistory:
        """See Policy."""
        return self._estimates.history

    @property
    def exposure_s(self) -> float:
        """See Policy."""
        return self._estimates.rounds.length

    @property
    def changes(self) -> int:
        """See Policy."""
        return self._estimates.unrest.changes

    @property
    def makes_room(self) -> bool:
        """See Policy."""
        return self._by_plan.makes_room

    @property
    def planned(self) -> MovePlan | None:
        """See Policy."""
        return self._ranking.planned(self._process)

    @property
    def placement(self) -> Placement:
        """See Policy."""
        plan, price = self._ranking.latest_plan(self._process)
        return self._estimates.placement(plan, price, self._ranking.queued_up(self._process))

    @property
    def reason_codes(self) -> ByteArray:
        """See Policy."""
        plan, price = self._ranking.latest_plan(self._process)
        return reason_codes(self._estimates.table, plan, price)

    @property
    def expected_rates(self) -> FloatArray:
        """See Policy."""
        return self._estimates.table.expected

    @property
    def due_s(self) -> float:
        """See Policy."""
        return self._estimates.rounds.due

    @property
    def hurries(self) -> bool:
        """See Policy."""
        return self._estimates.learns

    def begin_pass(self, now: float) -> bool:
        """See Policy. All of a pass goes by when it began: a round ends for all pages or none."""
        return self._estimates.begin_pass(now)

    def slept(self, seconds: float) -> None:
        """See Policy."""
        self._estimates.slept(seconds)

    def at_rest(self, block: PageBlock) -> BoolArray | None:
        """See Policy."""
        now = self._clock()
        if not self.begin_pass(now):
            return None
        return self._estimates.at_rest(block, now, self._by_plan.up[:STATES])

    def decide(self, block: PageBlock, held: Held | None = None) -> Decision:
        """See Policy."""
        now = self._clock()
        ends = self.begin_pass(now)
        words, times = self._estimates.look(block, now, moves=self._by_plan.wants)
        if held is not None:
            self._estimates.leave_out(block, words, held.left_out(block))
        self.glances = not ends and not self._by_plan.wants
        if self.glances:
            return _nothing(block, np.zeros(block.present.shape, dtype=np.uint16))
        register = _REGISTERS.take(words & _KIND)
        if not ends:
            return self._move(block, words, register, held)
        begun = self._estimates.end_watches(block, times, now)
        decision = self._move(block, begun.words, register, held)
        # What is queued is not aged: it takes its bit to its new node, and is not on watch.
        begun.words[begun.to_clear & (decision.promote | decision.demote)] |= SEEN
        self._estimates.keep(block, begun, now)
        return replace(decision, to_age=begun.to_clear & ~(decision.promote | decision.demote))

    def _move(
        self, block: PageBlock, words: StateArray, register: StateArray, held: Held | None
    ) -> Decision:
        """What moves, by the plan; slots that would not move before are tried again beside it."""
        if not self._by_plan.wants and (held is None or not held.due.any()):
            return _nothing(block, register)
        state = np.where(words, place_of(words), UNKNOWN)
        movable = state if held is None else np.where(held.left_out(block), UNKNOWN, state)
        up, down, stays = self._by_plan.moves(block, state, movable, held)
        return Decision(register, up, down, stays, np.zeros_like(up))

    def aged(self, block: PageBlock) -> None:
        """See Policy."""
        self._estimates.aged(block, self._clock())

    @property
    def reads_soon(self) -> bool:
        """See Policy."""
        return self._estimates.rounds.reads_soon

    @property
    def rereads(self) -> bool:
        """See Policy."""
        return self._estimates.rereads

    def reread(self, block: PageBlock) -> None:
        """See Policy."""
        self._estimates.reread(block, self._clock())

    def begin_survey(self) -> None:
        """See Policy."""
        self._estimates.begin_survey()

    def next_read(self) -> tuple[float, UIntArray] | None:
        """See Policy."""
        return self._estimates.survey.next_read()

    def end_survey(self) -> None:
        """See Policy."""
        self._estimates.survey.end()

    def adopt(self, knobs: Knobs) -> None:
        """See Policy."""

    def queued(self, *, promoted: int, demoted: int) -> None:
        """See Policy."""
        self._by_plan.queued(promoted=promoted, demoted=demoted)

    def not_moved(self, addresses: UIntArray, pages_per_slot: int, *, demotes: bool) -> None:
        """See Policy."""
        self._by_plan.not_moved(len(addresses) * pages_per_slot, demotes=demotes)

    def end_pass(self) -> None:
        """See Policy."""
        self.begin_pass(self._clock())
        self.history.end_pass()  # before rows are woken: those that rested are still there
        estimates = self._estimates
        decides = estimates.decides
        counts = self.history.counts
        if decides:
            self._ranking.count(self._process, counts.sizes, counts.fast_unknown)
        fits = round(self._ranking.fits * float(counts.sizes.sum()))
        if estimates.end_pass(fits):
            self._ranking.changed(self._process)
        if decides and estimates.table.known:
            self._update_ranking()
        self._ranking.begin(self._process)
        if decides or not self.glances:  # else nothing of it has moved
            self._follow_plan()

    def _update_ranking(self) -> None:
        rates = np.nan_to_num(self._estimates.table.expected)
        pages = self._estimates.pages
        unproven = pages[0] * ~self._proven
        counted = Counted(rates, pages, unproven, self._estimates.agrees, self._by_plan.deferred)
        self._ranking.update(self._process, counted)

    def moved(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See Policy."""
        self.history.moved(addresses, pages_per_slot)

    def close(self) -> None:
        """See Policy."""
        self._ranking.leave(self._process)


def _nothing(block: PageBlock, register: StateArray) -> Decision:
    """No slot moves or is aged."""
    none = np.zeros_like(block.present)
    return Decision(register, none, none, none, none)

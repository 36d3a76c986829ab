"""Which slots of a block are promoted and which are demoted, by the plan of the ranking."""

import numpy as np

from mmscand.model import BoolArray, FloatArray, PageBlock, Process, StateArray
from mmscand.policy.interface import Held
from mmscand.policy.ranking import Ranking

_TRIES = 64
"""4 KiB pages in a pass that would not move before and are tried again on a full fast tier: far
less than its headroom."""


class ByPlan:
    """Of one process, for a pass at a time. Slots are known by a number that says what is known of
    them, their state.
    """

    def __init__(self, ranking: Ranking, process: Process) -> None:
        self._ranking = ranking
        self._process = process
        self._rate: FloatArray = np.empty(0)
        self.up = self._down = self._waits = self._belongs = np.empty(0, dtype=np.bool_)
        """`up` (2 * STATES,): states that the present plan promotes."""
        self._tries = 0
        """4 KiB pages that would not move before and were tried again in this pass."""
        self.deferred = 0
        """4 KiB pages that are to be promoted, and have no room yet."""
        self.wants = False
        """Whether pages may move, or not be moved any more."""

    def begin(
        self, rate: FloatArray, up: BoolArray, down: BoolArray, waits: BoolArray, belongs: BoolArray
    ) -> None:
        """A pass begins. For each state (states,): its rate, and whether its pages may be promoted,
        are to be demoted, stay on the migration list if they are on it already, and belong on the
        fast tier.
        """
        self._rate, self.up, self._down = rate, up, down
        self._waits, self._belongs = up | down | waits, belongs
        self._tries = self.deferred = 0
        queued = self._ranking.queued(self._process)
        self.wants = bool(up.any() or down.any() or queued)

    def moves(
        self, block: PageBlock, state: StateArray, movable: StateArray, held: Held | None
    ) -> tuple[BoolArray, BoolArray, BoolArray]:
        """Slots to promote, to demote, and not to move any more should they be on the list.

        `movable` are the states of those that can move; of others a state that does not.
        """
        hot, cold = _where(self.up, movable), _where(self._down, movable)
        up, down = self._fitting(block, state, hot, cold)
        if held is not None:
            again = self._again(block, state, held, block.pages_in(up))
            up, hot = up | again, hot | again
        return up, down, block.present & ~(hot | _where(self._waits, movable))

    def _fitting(
        self, block: PageBlock, state: StateArray, hot: BoolArray, cold: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Which pages are promoted and which are demoted, by the plan.

        Nothing makes way but for pages that are there: the plan counts those of the last pass, and
        one observation later fewer may look as hot.
        """
        plan, size, wanted = self._ranking.plan, block.pages_per_slot, block.pages_in(hot)
        makes_room = plan.demote_pages - plan.trades
        if plan.trades:
            deferred = max(wanted - plan.promote_pages, self._ranking.deferred)
            makes_room += min(plan.trades, deferred)
        down = self._hottest(cold, state, -(makes_room // size))
        room = plan.promote_pages + plan.traded(block.pages_in(down))
        up = self._hottest(hot, state, room // size)
        self.deferred += wanted - block.pages_in(up)
        return up, down

    def _again(self, block: PageBlock, state: StateArray, held: Held, promoted: int) -> BoolArray:
        """Slots that belong on the fast tier and would not move before, to try again now: as many
        as fit into the room, or into the headroom of a full fast tier. Nothing is demoted for them.
        """
        room = max(self._ranking.plan.promote_pages - promoted, _TRIES - self._tries, 0)
        least = 0 if self._tries else 1  # a huge page is more than _TRIES
        hot = held.due & block.slow & _where(self._belongs, state)
        again = self._hottest(hot, state, max(least, room // block.pages_per_slot))
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

    def queued(self, *, promoted: int, demoted: int) -> None:
        """These numbers of 4 KiB pages were put on the migration list."""
        self._ranking.reserve(self._process, promoted=promoted, demoted=demoted)

    def not_moved(self, pages: int, *, demotes: bool) -> None:
        """This number of 4 KiB pages did not move: no promotion was paid for."""
        if not demotes:
            self._ranking.refund(pages)

    @property
    def makes_room(self) -> bool:
        """See Policy."""
        return self._ranking.deferred > 0 and self._ranking.gives(self._process)


def _where(states: BoolArray, state: StateArray) -> BoolArray:
    """Which slots are in one of these states. Mostly it is none: then that is cheap."""
    return states[state] if states.any() else np.zeros(state.shape, dtype=np.bool_)

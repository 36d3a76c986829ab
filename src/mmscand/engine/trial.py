"""The daemon's own policies over a fixed set of 4 KiB pages, without a machine: pages move at once.

Simulated workloads and recordings say which bits are set; the policy is what `mmscand run` decides
by. Where it demotes nothing, the kernel's demotion is played: when the fast tier is full, a clock
hand takes what was not accessed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmscand.engine.fixed_pages import FixedPages, InstantRoom
from mmscand.engine.registry import DEFAULT, policy_of
from mmscand.model import PAGES_PER_TABLE, BoolArray, PageBlock, PageNumbers, Process
from mmscand.policy.ranking import Ranking
from mmscand.policy.repromotion_guard import RepromotionGuard

_NONE: PageNumbers = np.empty(0, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Knobs:
    """See policy.interface.Knobs."""

    policy: str
    hot_passes: int = 2


@dataclass(frozen=True, slots=True)
class Visited:
    """What a visit did, in numbers of pages; the most urgent moves first."""

    up: PageNumbers
    down: PageNumbers
    cleared: PageNumbers
    """Whose bit was cleared."""


class Trial:
    """Of one policy."""

    def __init__(self, policy: str, pages: int, capacity: int, now: Callable[[], float]) -> None:
        """`capacity` pages fit the fast tier; `now` is a clock in seconds."""
        self.pages = FixedPages(pages)
        self._capacity = capacity
        self._now = now
        self._room, self._guard = InstantRoom(), RepromotionGuard()
        ranking = Ranking(self._room, now)
        self._policy = policy_of(Process(1, 1), Knobs(policy), ranking, now)
        self._kernel = None if policy == DEFAULT else ClockHand(capacity)

    @property
    def due_s(self) -> float | None:
        """See Policy."""
        return self._policy.due_s

    def visit(self, bits: BoolArray, fast: BoolArray) -> Visited:
        """Read the Accessed `bits` (pages,) of pages of which some are on the `fast` tier."""
        now = self._now()
        self._policy.begin_pass(now)
        self._room.pages = self._capacity - int(np.count_nonzero(fast))
        regions = self.pages.blocks(bits, fast)
        chosen = [self._choose(first, block, now) for first, block in regions]
        self._policy.end_pass()
        visited = Visited(*(np.concatenate(each) for each in zip(*chosen, strict=True)))
        return visited if self._kernel is None else self._kernel.makes_room(visited, bits, fast)

    def _choose(
        self, first: int, block: PageBlock, now: float
    ) -> tuple[PageNumbers, PageNumbers, PageNumbers]:
        """What goes up and down of a region's pages, and what is cleared."""
        due = ~self._policy.history.rests(block.addresses)
        if not due.any():
            return _NONE, _NONE, _NONE
        block = block.where(due)
        numbers = first + np.arange(due.size * PAGES_PER_TABLE).reshape(due.size, -1)[due]
        decision = self._policy.decide(block)
        if decision.to_age.any():
            self._policy.aged(block)
        up, down = numbers[decision.promote], numbers[decision.demote]
        up = up[~self._guard.forbids(up.astype(np.uint64), decision.state[decision.promote], now)]
        self._guard.demoted(down.astype(np.uint64), now)
        self._policy.queued(promoted=len(up), demoted=len(down))
        self._policy.moved(block.slot_addresses(decision.promote | decision.demote), 1)
        return up, down, numbers[decision.to_age]


class ClockHand:
    """The kernel's demotion: in its round it clears the bits of the fast tier, and takes those
    pages first whose bit was clear already.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._at = 0

    def makes_room(self, visited: Visited, bits: BoolArray, fast: BoolArray) -> Visited:
        """Demote pages to make room for the promotions."""
        up = visited.up[: self._capacity]
        wanted = max(0, len(up) - self._capacity + int(np.count_nonzero(fast)))
        around = np.roll(np.flatnonzero(fast), -self._at)
        ordered = np.concatenate((around[~bits[around]], around[bits[around]]))
        self._at = (self._at + wanted) % max(1, len(around))
        cleared = np.concatenate((visited.cleared, around))
        return Visited(up, ordered[:wanted], cleared)

"""One ranking over the pages of all watched processes, and the room on the fast tier.

Each process tells after a pass how many pages it has of each rate. The plan that follows says from
which rate on pages are promoted, and up to which they are demoted, in every process alike.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from mmscand.model import FloatArray, PageNumbers, Process
from mmscand.policy.placement import PAYBACK_ACCESSES
from mmscand.policy.plan import NOTHING, Plan, plan

_LASTING_S = 256.0
"""How long a placement is taken to hold: a trade has to pay for itself within it. As the simulated
policy, that takes 256 exposures of a second at first."""
_FRESH_S = 0.25
"""A plan is made anew at most so often: asking for free pages costs 0.1 ms, ranking as much."""


class Room(Protocol):
    """What there is for pages to go to."""

    @property
    def pages(self) -> int:
        """4 KiB pages that fit the fast tier above its headroom, once what is queued has moved.

        Below 0 it is fuller than it should be.
        """
        ...

    @property
    def coming(self) -> int:
        """4 KiB pages that are coming down right now, and may be counted as free already."""
        ...

    def queued(self, process: Process) -> tuple[int, int]:
        """4 KiB pages of it that wait to go up, and to come down."""
        ...


class Ranking:
    """Owned by the scanner thread."""

    def __init__(self, room: Room, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds."""
        self._room = room
        self._now = now
        self._told: dict[Process, tuple[FloatArray, PageNumbers]] = {}
        self._sizes: dict[Process, PageNumbers] = {}
        """(2,) pages on the slow tier and on the fast one, also where their rates are not known."""
        self._pending: dict[Process, Counter[str]] = {}
        """Pages of each one's table that have moved since they were counted, or will have."""
        self._counting: dict[Process, Counter[str]] = {}
        """The same of the tables that are being made."""
        self._plan = NOTHING
        self._made_at = float("-inf")

    def begin(self, process: Process) -> None:
        """Its pages are counted from now on, for `tell`."""
        up, down = self._room.queued(process)
        self._counting[process] = Counter(up=up, down=down)

    def count(self, process: Process, sizes: PageNumbers) -> None:
        """It has (2,) pages on the slow tier and on the fast one, whatever is known of them."""
        self._sizes[process] = sizes

    def tell(self, process: Process, rates: FloatArray, pages: PageNumbers) -> None:
        """Rates (n,) in accesses a second, and (2, n) pages on the slow and on the fast tier."""
        known = pages.any(axis=0)
        self._told[process] = rates[known], pages[:, known]
        self._pending[process] = self._counting.get(process, Counter())
        self._made_at = min(self._made_at, self._now() - _FRESH_S)

    def leave(self, process: Process) -> None:
        """It has exited."""
        self._sizes.pop(process, None)
        self.doubt(process)

    def doubt(self, process: Process) -> None:
        """Nothing is known of its pages any more."""
        self._told.pop(process, None)
        self._pending.pop(process, None)
        self._counting.pop(process, None)

    @property
    def plan(self) -> Plan:
        """Of now, less what was taken of it."""
        now = self._now()
        if self._told and now - self._made_at >= _FRESH_S:
            self._plan, self._made_at = self._make(), now
        return self._plan if self._told else NOTHING

    def _make(self) -> Plan:
        rates = np.concatenate([rates for rates, _ in self._told.values()])
        slow, fast = np.concatenate([p for _, p in self._told.values()], axis=1).astype(float)
        pending = sum(self._pending.values(), Counter[str]())
        price = PAYBACK_ACCESSES / _LASTING_S
        return plan(
            rates,
            slow,
            fast,
            self._room.pages,
            price,
            coming=self._room.coming,
            pending=(pending["up"], pending["down"]),
        )

    def take(self, process: Process, *, promoted: int, demoted: int) -> None:
        """So many pages of it were queued."""
        for counts in (self._pending, self._counting):
            if process in counts:
                counts[process].update(up=promoted, down=demoted)
        left = self._plan
        self._plan = replace(
            left,
            promote_pages=max(0, left.promote_pages - promoted),
            demote_pages=max(0, left.demote_pages - demoted),
        )

    @property
    def fits(self) -> float:
        """Share of all pages that fits the fast tier."""
        slow, fast = sum(self._sizes.values(), np.zeros(2, dtype=np.intp)).tolist()
        fit = max(0, int(fast) + self._room.pages)
        return min(1.0, fit / max(1, int(slow + fast)))

"""One ranking over the pages of all watched processes, and the room on the fast tier.

Each process says after a pass how many pages it has of each rate. The plan that follows says from
which rate on pages are promoted, and up to which they are demoted, in every process alike.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from mmscand.model import PageNumbers, Process
from mmscand.policy.counted import Counted, Kinds
from mmscand.policy.credit import PAYBACK_ACCESSES, Credit
from mmscand.policy.phase_length import PhaseLength
from mmscand.policy.plan import NOTHING, MovePlan, Plan, capacity_of, plan

_LASTING_S = 256.0
"""How long a placement is taken to hold until a change was seen: a trade has to pay for itself
within it."""
_UNKNOWN_RATE = 1 / 64
"""Accesses a second of pages of which nothing is known yet. Colder ones are demoted before them,
which can cost an access a minute: with 0, hot pages waited until 300 small processes had been
visited twice, eight minutes in emulation."""
_FRESH_S = 0.25
"""A plan is made again at most so often: asking for free pages costs 0.1 ms, ranking as much."""
_FRESH_S_EACH = 0.001
"""It may be that much older for each process: with 1500 of them it takes 5 ms, and their budget is
10 ms a second."""
_LITTLE = 0.001
"""A process with less than this share of all pages makes no plan old."""


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
        """4 KiB pages that are being demoted right now, and may be counted as free already."""
        ...

    def queued(self, process: Process) -> tuple[int, int]:
        """4 KiB pages of it that wait to be promoted, and to be demoted."""
        ...


@dataclass(slots=True)
class _Member:
    """What is known of one process."""

    phase_length: PhaseLength
    sizes: PageNumbers = field(default_factory=lambda: np.zeros(2, dtype=np.intp))
    """(2,) pages on the slow tier and on the fast one, also where their rates are not known."""
    unknown: int = 0
    """Those on the fast tier of which nothing is known yet."""
    counted: Counted | None = None
    pending: Counter[str] = field(default_factory=Counter)
    """Pages that have moved since they were counted, or will have."""
    counting: Counter[str] = field(default_factory=Counter)
    """The same of the table that is being made."""
    waited: int = 0
    """Pages that waited to be promoted when its pass began."""
    deferred: int = 0
    """Pages that wait for others to be demoted, as far as its latest pass knows."""
    updated_at: float = float("-inf")
    holds_until: float = float("-inf")
    """How long it is taken to go on as its latest pass found it: as long as the one before it was
    ago. A process that sleeps is not visited, and accesses nothing."""

    def price(self, now: float) -> float:
        """What a trade for one of its pages has to gain in accesses a second, to pay before what is
        hot of it has changed.
        """
        lasts = max(self.phase_length.expected(now, _LASTING_S), _FRESH_S)
        return PAYBACK_ACCESSES / lasts

    def earns_for(self, since: float, now: float) -> float:
        """Seconds of this span in which it is taken to have accessed its memory."""
        return max(0.0, min(now, self.holds_until) - since)


_Known = list[tuple[_Member, Counted]]


class Ranking:
    """Owned by the scanner thread."""

    def __init__(self, room: Room, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds."""
        self._room = room
        self._now = now
        self._members: dict[Process, _Member] = {}
        self._plan = NOTHING
        self._stale_at = float("-inf")
        self._credit = Credit()
        self._earned_at: float | None = None
        """None while nothing is known."""
        self._capacity = 0
        """Pages that fit the fast tier."""
        # Sums over all members, kept: with 1500 of them adding up takes milliseconds a visit.
        self._sizes: PageNumbers = np.zeros(2, dtype=np.intp)
        self.deferred = 0
        """Pages that are to be promoted and wait for others to be demoted."""

    def _member(self, process: Process) -> _Member:
        if process not in self._members:
            self._members[process] = _Member(PhaseLength(self._now()))
        return self._members[process]

    @property
    def _known(self) -> _Known:
        """Those whose pages were counted."""
        return [(one, one.counted) for one in self._members.values() if one.counted is not None]

    def begin(self, process: Process) -> None:
        """Its pages are counted from now on, for `update`."""
        up, down = self._room.queued(process)
        member = self._member(process)
        member.counting, member.waited = Counter(up=up, down=down), up

    def queued(self, process: Process) -> int:
        """4 KiB pages of it that wait to move."""
        return sum(self._room.queued(process))

    def queued_up(self, process: Process) -> int:
        """4 KiB pages of it that wait to be promoted. From any thread."""
        return self._room.queued(process)[0]

    def count(self, process: Process, sizes: PageNumbers, unknown: int = 0) -> None:
        """It has (2,) pages on the slow tier and on the fast one, whatever is known of them; of
        `unknown` ones on the fast tier nothing is, yet.
        """
        member = self._member(process)
        self._sizes += sizes - member.sizes
        member.sizes, member.unknown = sizes, unknown

    def update(self, process: Process, counted: Counted) -> None:
        """A pass over it is complete."""
        member = self._member(process)
        # Those that were on the list when the pass began have their room coming.
        self._defer(member, max(0, counted.deferred - member.waited))
        member.counted, member.pending = counted.known(), member.counting
        now = self._now()
        member.holds_until = now + max(_FRESH_S, min(now - member.updated_at, _LASTING_S))
        member.updated_at = now
        if member.sizes.sum() >= _LITTLE * self._sizes.sum():
            self._stale_at = now

    def _defer(self, member: _Member, pages: int) -> None:
        self.deferred += pages - member.deferred
        member.deferred = pages

    def changed(self, process: Process) -> None:
        """What is hot of it is not what it was."""
        self._member(process).phase_length.changed(self._now())

    def leave(self, process: Process) -> None:
        """It has exited."""
        if (member := self._members.pop(process, None)) is not None:
            self._sizes -= member.sizes
            self._defer(member, 0)
        self._forget_plan()

    def _forget_plan(self) -> None:
        """Where nothing is known any more: `plan` is asked for each block, and does not look."""
        if not self._known:
            self._plan = NOTHING

    @property
    def plan(self) -> Plan:
        """Of now, less what was taken of it."""
        now = self._now()
        if now >= self._stale_at:
            self._plan = self._make()
            self._stale_at = now + max(_FRESH_S, _FRESH_S_EACH * len(self._members))
        return self._plan

    def _make(self) -> Plan:
        known = self._known
        if not known:
            return NOTHING
        kinds, now = Kinds.of([counted for _, counted in known]), self._now()
        pending = (
            sum(member.pending["up"] for member, _ in known),
            sum(member.pending["down"] for member, _ in known),
        )
        room, coming = self._room.pages, self._room.coming
        self._capacity = max(0, int(capacity_of(kinds.pages, room, coming, pending)))
        self._earn(known, kinds)
        # Only known pages that are colder than _UNKNOWN_RATE are demoted before unknown ones.
        unknown = float(sum(member.unknown for member in self._members.values()))
        return self._afforded(
            plan(
                np.append(kinds.rates, _UNKNOWN_RATE),
                np.append(kinds.pages, [[0.0], [unknown]], axis=1),
                room,
                np.append(kinds.of_each([member.price(now) for member, _ in known]), 0.0),
                coming=coming,
                pending=pending,
                unproven=np.append(kinds.unproven, 0.0),
            )
        )

    def _earn(self, known: _Known, kinds: Kinds) -> None:
        """Accesses to fast-tier pages, less those to as many average pages, are the credit."""
        now = self._now()
        if self._earned_at is not None:
            seconds = np.array([member.earns_for(self._earned_at, now) for member, _ in known])
            agreed = seconds * [counted.agrees for _, counted in known]
            accesses = kinds.rates * kinds.pages.sum(axis=0)
            mean = float(accesses.sum()) / max(1.0, float(kinds.pages.sum()))
            more = float(kinds.of_each(agreed) @ (kinds.pages[1] * (kinds.rates - mean)))
            self._credit.earn(more, float(kinds.of_each(seconds) @ accesses), self._capacity)
        self._earned_at = now

    def _afforded(self, made: Plan) -> Plan:
        """What is left of a plan; what is too much on the fast tier is demoted in any case."""
        most = self._credit.pages(self._capacity)
        trades = min(made.trades, most)
        return replace(
            made,
            promote_pages=min(made.promote_pages, most),
            demote_pages=made.demote_pages - made.trades + trades,
            trades=trades,
        )

    def plan_for(self, process: Process) -> Plan:
        """The present plan for pages of this process."""
        return self.plan.at(self._member(process).price(self._now()))

    @property
    def edge(self) -> float | None:
        """Rate from which on pages belong on the fast tier, by the latest plan."""
        edge = self._plan.belongs_from
        return edge if np.isfinite(edge) else None

    def latest_plan(self, process: Process) -> tuple[Plan, float]:
        """The plan as it was made last, for pages of this process, and what a trade for one of them
        has to gain in accesses a second. From any thread: nothing is made again.
        """
        member = self._members.get(process)
        price = member.price(self._now()) if member else 2 * PAYBACK_ACCESSES / _LASTING_S
        return self._plan.at(price), price

    def gives(self, process: Process) -> bool:
        """Whether the plan demotes pages of it."""
        counted, plan = self._member(process).counted, self.plan
        if counted is None or not plan.demote_pages:
            return False
        return bool((counted.rates[counted.pages[1] > 0] <= plan.demote_to).any())

    def planned(self, process: Process) -> MovePlan | None:
        """What the plan has of its pages, if all processes are served alike; None while nothing is
        known of it.
        """
        counted, plan = self._member(process).counted, self.plan_for(process)
        if counted is None:
            return None
        up, gained = self._part(counted, plan, demotes=False)
        down, lost = self._part(counted, plan, demotes=True)
        return MovePlan(
            up,
            down,
            plan.promote_from if up else None,
            plan.demote_to if down else None,
            gained - lost,
        )

    def _part(self, counted: Counted, plan: Plan, *, demotes: bool) -> tuple[int, float]:
        """Pages of one process that its plan moves, and their accesses a second."""
        plans = [(one, self.plan.at(member.price(self._now()))) for member, one in self._known]
        every = sum(int(one.chosen(its, demotes=demotes).sum()) for one, its in plans)
        most = plan.demote_pages if demotes else plan.promote_pages + plan.trades
        share = min(1.0, most / max(1, every))
        mine = counted.chosen(plan, demotes=demotes)
        return round(share * int(mine.sum())), share * float(mine @ counted.rates)

    def reserve(self, process: Process, *, promoted: int, demoted: int) -> None:
        """These numbers of its 4 KiB pages were queued."""
        member = self._member(process)
        for counts in (member.pending, member.counting):
            counts.update(up=promoted, down=demoted)
        self._credit.spend(promoted, self._capacity)
        traded = self._plan.traded(demoted)
        self._plan = self._plan.less(promoted, demoted, traded)
        for member in self._members.values():
            if not traded:
                break
            granted = min(traded, member.deferred)
            self._defer(member, member.deferred - granted)
            traded -= granted

    def refund(self, pages: int) -> None:
        """4 KiB pages that were queued to be promoted did not move."""
        self._credit.spend(-pages, self._capacity)

    @property
    def credit_percent(self) -> int | None:
        """Pages that may be promoted, as a share of what fits the fast tier; None before a plan."""
        if not self._capacity:
            return None
        return round(100 * self._credit.pages(self._capacity) / self._capacity)

    @property
    def fits(self) -> float:
        """Share of all pages that fits the fast tier."""
        slow, fast = self._sizes.tolist()
        fit = max(0, int(fast) + self._room.pages)
        return min(1.0, fit / max(1, int(slow + fast)))

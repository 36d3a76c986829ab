"""Which due process is visited next, and whether the CPU budget allows it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

from mmscand.clock import Clock
from mmscand.model import Process
from mmscand.scan import coalesced_timers as timers
from mmscand.scan.budget import CpuBudget
from mmscand.scan.process_scanner import ProcessScanner
from mmscand.scan.urgency import Urgency, earliest

_REST = 0.25
"""Share of the visits' CPU time for small processes without hot pages, while others are due too:
so nobody waits forever. 1500 of them at 1 ms are looked at within ten minutes at 1 % of a core."""
_MOST_LEAD_S = 0.05
"""One side may be ahead by this CPU time, in seconds: what was long ago decides nothing."""


class Visited(Protocol):
    """What of a process scanner matters here."""

    due: float

    @property
    def under_way(self) -> bool:
        """Its visit has begun."""
        ...

    @property
    def worthwhile(self) -> bool:
        """It is large, or hot pages were found in it."""
        ...


AnyVisited = TypeVar("AnyVisited", bound=Visited)


class VisitOrder:
    """The large and the promising first, the others in the rest of the visits' CPU time."""

    def __init__(self) -> None:
        self._lead_s = 0.0
        """By how much more than its share the worthwhile side has had."""

    def each(self, due: Iterable[AnyVisited]) -> Iterator[AnyVisited]:
        """Each of them once; `served` is to be called between two."""
        ordered = sorted(due, key=lambda scanner: (not scanner.under_way, scanner.due))
        first = deque(scanner for scanner in ordered if scanner.worthwhile)
        rest = deque(scanner for scanner in ordered if not scanner.worthwhile)
        while first or rest:
            takes_rest = not first or (bool(rest) and self._lead_s > 0)
            yield (rest if takes_rest else first).popleft()

    def served(self, cpu_s: float, *, worthwhile: bool) -> None:
        """A visit took so long."""
        lead = self._lead_s + (cpu_s * _REST if worthwhile else -cpu_s * (1 - _REST))
        self._lead_s = min(max(lead, -_MOST_LEAD_S), _MOST_LEAD_S)


class VisitSchedule:
    """Owned by the scanner thread."""

    def __init__(
        self,
        scanners: Mapping[Process, ProcessScanner],
        budget: CpuBudget,
        clock: Clock,
        lower_priority: Callable[[bool], None],
    ) -> None:
        """`scanners` are the watched processes at any time; `lower_priority` is that of Machine."""
        self._scanners = scanners
        self._budget = budget
        self._clock = clock
        self._lower_priority = lower_priority
        self._lowered = False
        self._order = VisitOrder()
        self._urgency = Urgency()

    def next_due(self, look_due: float) -> float:
        """Clock time of the next visit that the budget allows, or of the next look."""
        first = min(look_due, earliest(self._scanners.values()))
        due = max(first, self._paid_at(urgent=False))
        urgent = max(self._urgency.due(), self._paid_at(urgent=True))
        return min(due, urgent, self._urgency.read_due())

    def _paid_at(self, *, urgent: bool) -> float:
        """Clock time from which the budget allows work of this kind."""
        ready_at = self._budget.ready_at(urgent=urgent)
        return timers.not_before(ready_at) if ready_at > self._clock.now() else ready_at

    def each(self) -> Iterator[ProcessScanner]:
        """Each that is due now and not held up by the budget, once."""
        now = self._clock.now()
        return self._order.each(scanner for scanner in self._allowed() if scanner.due <= now)

    def _allowed(self) -> Iterable[ProcessScanner]:
        """With 1500 that wait for the budget, to ask for each of them takes 8 ms a cycle."""
        if self._budget.ready_at() <= self._clock.now():
            return self._scanners.values()
        if self._budget.ready_at(urgent=True) <= self._clock.now():
            return filter(self._urgency.concerns, self._scanners.values())
        return filter(self._urgency.goes_on_debt, self._scanners.values())

    def may_go_on(self, scanner: ProcessScanner) -> bool:
        """Whether there is CPU time left for it; what uses the burst runs at a lower priority."""
        urgent = scanner in self._urgency
        self._lower(urgent)
        return self._budget.charge(urgent=urgent) or self._urgency.goes_on_debt(scanner)

    def end_cycle(self) -> None:
        """Nobody is visited for now."""
        self._lower(False)

    def _lower(self, lowered: bool) -> None:
        if lowered != self._lowered:
            self._lowered = lowered
            self._lower_priority(lowered)

    @contextmanager
    def served(self, scanner: ProcessScanner) -> Iterator[None]:
        """Enter what a visit takes and brings into the books."""
        urgent, cpu_s, saved_s = scanner in self._urgency, scanner.cpu.seconds, scanner.saved_s
        try:
            with scanner.cpu:
                yield
        finally:
            self._budget.charge(urgent=urgent)
            self._budget.earn(scanner.saved_s - saved_s)
            self._order.served(scanner.cpu.seconds - cpu_s, worthwhile=scanner.worthwhile)
            self.note(scanner)

    def note(self, scanner: ProcessScanner) -> None:
        """A process was entered or visited."""
        self._urgency.note(scanner, starts=self._budget.starts)

    def drop(self, scanner: ProcessScanner) -> None:
        """It is not watched any more."""
        self._urgency.drop(scanner)

    def settle(self) -> None:
        """After a look: forget those that have left."""
        self._urgency.settle(set(self._scanners.values()), starts=self._budget.starts)

"""Which due process is visited next: the large and the promising first, the others in the rest."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

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
    """Divides the CPU time of visits between worthwhile processes and the others."""

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

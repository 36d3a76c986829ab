"""Which visits do not wait for the CPU budget: kept, as it is asked at each wake-up.

With 1500 processes to ask each of them would take 3 ms, and a wake-up comes several times a second.
"""

from collections.abc import Container, Iterable
from typing import Protocol


class Hurried(Protocol):
    """What of a process scanner matters here."""

    due: float

    @property
    def passes(self) -> int:
        """Complete ones over it."""
        ...

    @property
    def urgent(self) -> bool:
        """It is large, and new or changed."""
        ...

    @property
    def reads_soon(self) -> bool:
        """Its bits were just cleared."""
        ...


class Urgency:
    """It changes only when a process is entered or visited, and when a start is over."""

    def __init__(self) -> None:
        self._hurried: set[Hurried] = set()
        """They may use the burst."""
        self._reading: set[Hurried] = set()
        """Their reads go on debt; the next clearing waits for the budget."""
        self._starts = True

    def note(self, scanner: Hurried, *, starts: bool) -> None:
        """A process was entered or visited. While the daemon starts, each first visit is urgent."""
        if scanner.urgent or (starts and not scanner.passes):
            self._hurried.add(scanner)
        else:
            self._hurried.discard(scanner)
        if scanner.reads_soon:
            self._reading.add(scanner)
        else:
            self._reading.discard(scanner)

    def drop(self, scanner: Hurried) -> None:
        """It is not watched any more."""
        self._hurried.discard(scanner)
        self._reading.discard(scanner)

    def settle(self, watched: Container[Hurried], *, starts: bool) -> None:
        """Forget those that have left, and after the start those that were urgent for it alone."""
        ends, self._starts = self._starts and not starts, starts
        stay = (scanner for scanner in self._hurried if scanner in watched)
        self._hurried = {scanner for scanner in stay if not ends or scanner.urgent}
        self._reading = {scanner for scanner in self._reading if scanner in watched}

    def __contains__(self, scanner: object) -> bool:
        return scanner in self._hurried

    def concerns(self, scanner: Hurried) -> bool:
        """Whether its next visit does not wait for what ordinary work may use."""
        return scanner in self._hurried or scanner in self._reading

    def due(self) -> float:
        """When the first that may use the burst is due; never where there is none."""
        return earliest(self._hurried)

    def goes_on_debt(self, scanner: Hurried) -> bool:
        """Whether its next visit reads what was just cleared."""
        return scanner in self._reading

    def read_due(self) -> float:
        """When the first of these is due; never where there is none."""
        return earliest(self._reading)


def earliest(scanners: Iterable[Hurried]) -> float:
    """When the first of some is due."""
    return min((scanner.due for scanner in scanners), default=float("inf"))

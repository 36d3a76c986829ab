"""Which processes may use the burst of the CPU budget: kept, as it is asked at each wake-up.

With 1500 processes to ask each of them would take 3 ms, and a wake-up comes several times a second.
"""

from collections.abc import Container, Iterable
from typing import Protocol


class Hurried(Protocol):
    """What of a slot matters here."""

    due: float
    passes: int

    @property
    def urgent(self) -> bool:
        """It is large, and new or changed."""
        ...


class Urgency:
    """Of all slots. It changes only when a slot is made or visited, and when a start is over."""

    def __init__(self) -> None:
        self._slots: set[Hurried] = set()
        self._starts = True

    def note(self, slot: Hurried, *, starts: bool) -> None:
        """A slot was made or visited; while the daemon starts each one's first visit is urgent."""
        if slot.urgent or (starts and not slot.passes):
            self._slots.add(slot)
        else:
            self._slots.discard(slot)

    def drop(self, slot: Hurried) -> None:
        """It is not watched any more."""
        self._slots.discard(slot)

    def settle(self, watched: Container[Hurried], *, starts: bool) -> None:
        """Forget slots that have left, and after the start those that were urgent for it alone."""
        ends, self._starts = self._starts and not starts, starts
        stay = (slot for slot in self._slots if slot in watched)
        self._slots = {slot for slot in stay if not ends or slot.urgent}

    def __contains__(self, slot: object) -> bool:
        return slot in self._slots

    def due(self) -> float:
        """When the first of them is due; never where there is none."""
        return earliest(self._slots)


def earliest(slots: Iterable[Hurried]) -> float:
    """When the first of some slots is due."""
    return min((slot.due for slot in slots), default=float("inf"))

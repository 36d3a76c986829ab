"""What the plan in force means for one process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MovePlan:
    """Of one process, as of its latest pass. 4 KiB pages; rates in accesses a second."""

    promote: int = 0
    demote: int = 0
    promote_from: float | None = None
    """Rate of the coldest page to promote; None where there is none."""
    demote_to: float | None = None
    """Rate of the hottest page to demote; None where there is none."""
    gained: float = 0.0
    """Accesses a second that would go to the fast tier and go to the slow one now."""

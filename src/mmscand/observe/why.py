"""Where memory is, why, and how often it is accessed, as frozen snapshots: for the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmscand.model import Process


@dataclass(frozen=True, slots=True)
class MappingWhy:
    """One mapping; 4 KiB pages."""

    name: bytes
    start: int
    end: int
    rule: str | None
    """The rule of policy.eligible that leaves it out."""
    fast: int
    slow: Mapping[str, int]
    """By what keeps them there (reasons.REASONS); where the policy knows no rates, all as ''."""


@dataclass(frozen=True, slots=True)
class PageWhy:
    """One page."""

    address: int
    pages: int
    """Of 4 KiB: 512 and more for a huge page."""
    fast: bool
    rate: float | None
    """Accesses a second that are expected of it; None where nothing is known."""
    accesses: float
    """From how many of them that is known, lately ..."""
    seconds: float
    """... in what time."""
    reason: str | None
    """What keeps it on the slow tier; None on the fast one, and where the policy knows no rates."""
    failures: int
    """How often in a row it would not move."""
    retry_s: float
    """Until it may be tried again, or promoted again after its demotion."""
    moved_s: float | None
    """Since it was moved last; None where that is not known."""
    demoted: bool
    """Whether that was a demotion."""
    saved_s: float
    """Time that a promotion has saved since, at the present rate."""


@dataclass(frozen=True, slots=True)
class ProcessRates:
    """How often pages of one process are accessed; 4 KiB pages."""

    process: Process
    cgroup: str
    rates: Sequence[tuple[float, int, int]]
    """Accesses a second, and pages of about that rate on the slow tier and on the fast one; the
    hottest come first."""
    unknown: int
    """Pages that were not observed yet."""


@dataclass(frozen=True, slots=True)
class ProcessWhy:
    """All of one process."""

    process: Process
    has_rates: bool
    """Whether the policy knows rates: without them there are sizes alone."""
    edge: float | None
    """Rate from which on pages have a place on the fast tier."""
    mappings: tuple[MappingWhy, ...]
    page: PageWhy | None
    """The one that was asked for; None where none was, or nothing is known of one there."""

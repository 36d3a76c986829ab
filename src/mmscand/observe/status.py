"""How things stand, as frozen snapshots: what `status`, `ps` and the API show."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmscand.model import Process


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One watched process. Pages are 4 KiB."""

    process: Process
    passes: int
    """Since it was taken up, or since its last execve."""
    aggressiveness: int
    """1..10, 10 scans most."""
    rule: str
    """The rule that says so, in the words of the configuration; 'default' if none does."""
    scan_period_ms: int
    """As it is in force: the tuned base, scaled by aggressiveness and failures."""
    exposure_ms: int | None
    """Policy capacity: time from one clearing of bits to the next; None is from each pass to the
    next."""
    changes: int
    """Policy capacity: how often what is hot was found to be other pages, since `passes` began."""
    scan_size_mb: int
    cursor: int
    """Address at which the next pass goes on; 0 is the start."""
    aging: str
    """What is aged in bulk beside MADV_COLD, or why nothing is."""
    target_node: int | None
    """Where its pages are promoted to at the moment."""
    useful_pages: int
    """What the tuning works with: hot pages of the last passes, with decay."""
    failed_percent: int
    """Share of its moves that failed lately."""
    effort: str
    """`full`; `slowed` or `stopped` when promoting does not pay."""
    effort_why: str
    """The figures behind it; '' when nothing was to be said."""
    saved_s: float
    """Time that promoting saved it so far, estimated; and what it took, see scan.benefit."""
    spent_s: float
    hotness: Mapping[int, Sequence[int]]
    """Pages of each node by in how many of their last six observations they were accessed, 0..6.

    Without pages that others map too. Of the top tier by policy capacity only."""
    skipped_mappings: Mapping[str, int]
    """Mappings that the last look left out, by rule: policy.eligible.RULES."""
    skipped_pages: Mapping[str, int]
    """Pages of address space in these, whether there is memory behind them or not."""
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """CPU time of the scanner, in percent of one core and in seconds; see scan.budget."""

    limit_percent: float
    """Average that is allowed, with what promoting has earned."""
    earned_percent: float
    used_percent: float
    """Average of the last ten minutes, without the burst of the start."""
    burst_left_s: float
    waiting: int
    """Processes that are due and wait for it."""
    round_s: float | None
    """Until each process was visited once, at the rate of now; None where nobody waits."""


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The whole daemon."""

    enabled: bool
    running: bool
    queued_slots: int
    """On the migration list."""
    processes: tuple[ProcessStatus, ...]
    hotness: Mapping[int, Sequence[int]]
    """Of all watched processes together."""
    skipped_mappings: Mapping[str, int]
    """Of all watched processes, by rule."""
    skipped_pages: Mapping[str, int]
    counters: Mapping[str, int]
    """Sums since the start, also over processes that have left."""
    cpu_seconds: Mapping[str, float]
    """CPU time since the start by thread clock: `scanning` without `aging`, and `moving`."""
    credit_percent: int | None
    """Policy capacity: pages that may be promoted before moves have brought in what they cost, of
    those that fit the fast tier; None where nothing was planned yet. See policy.credit."""
    budget: BudgetStatus | None = None
    """None where nothing runs."""
    left_alone: Mapping[Process, str] = field(default_factory=dict)
    """Processes that were chosen and are not watched, and why."""


def summed_hotness(parts: Iterable[Mapping[int, Sequence[int]]]) -> Mapping[int, Sequence[int]]:
    """One histogram for each node."""
    total: dict[int, Sequence[int]] = {}
    for part in parts:
        for node, pages in part.items():
            before = total.get(node, [0] * len(pages))
            total[node] = [b + n for b, n in zip(before, pages, strict=True)]
    return total


def summed(parts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """One sum for each name."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total

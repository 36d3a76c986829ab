"""A period in one table: what changed, what promoting brought and took, what failed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from mmscand.history.reader import HistoryReader, Noted, Taken, kept_step, step_for
from mmscand.observe.growth import add_growth
from mmscand.reasons import failures

KEPT_BACK = ("shared", "held", "bound")
"""Counters of hot pages that were not queued."""
_CPU = "cpu "
_GAPS = 3
"""Steps without a sample that are a gap."""
_LEAST_GAP_S = 120
"""With thousands of processes samples are seldom; see history.poller."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a period. Sums are what was added in it; pages are 4 KiB."""

    since: int
    until: int
    samples: int
    missing_s: int
    """Time of the period without any sample."""
    changes: Sequence[Noted]
    counters: Mapping[str, float]
    """Of the daemon, by name."""
    cpu_s: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]]
    """Sums of groups of processes, by group and name; `processes` is the most that were there."""
    failed: Mapping[str, float] = field(default_factory=dict)
    """Pages that did not move, by reason."""

    def as_json(self) -> dict[str, Any]:
        """Plain."""
        return asdict(self) | {"kept_back": self.kept_back, "saved_s": self.saved_s}

    @property
    def kept_back(self) -> dict[str, float]:
        """Hot pages that were not queued, by reason; each visit counts them again."""
        return {name: self.counters.get(name, 0) for name in KEPT_BACK}

    @property
    def saved_s(self) -> float:
        """By the estimate of all groups."""
        return sum(each.get("saved_s", 0.0) for each in self.groups.values())


def summary_of(reader: HistoryReader, since: int, until: int, now: float) -> Summary:
    """What the history has of a period."""
    base = reader.before(since)
    taken = list(reader.samples(since, until, step_for(since, until)))
    all_of = [base, *taken] if base else taken
    totals = _growth(all_of)
    counters = {name: n for name, n in totals.items() if not name.startswith(_CPU)}
    return Summary(
        since=since,
        until=until,
        samples=len(taken),
        missing_s=_missing_s(taken, since, min(until, int(now)), now),
        changes=reader.changes(since, until),
        counters=counters,
        cpu_s={n.removeprefix(_CPU): s for n, s in totals.items() if n.startswith(_CPU)},
        groups=_groups(all_of),
        failed=failures(counters),
    )


def _growth(taken: Iterable[Taken]) -> Mapping[str, float]:
    """Counters of a daemon that was started again begin at 0."""
    total: dict[str, float] = {}
    before: Mapping[str, float] | None = None
    start = None
    for each in taken:
        status = each.sample["status"]
        cpu = {f"{_CPU}{part}": s for part, s in status.get("cpu_seconds", {}).items()}
        now = {**status.get("counters", {}), **cpu}
        if before is not None:
            same = status.get("start_timestamp") == start
            add_growth(total, before if same else {}, now)
        before, start = now, status.get("start_timestamp")
    return total


def _groups(taken: Iterable[Taken]) -> Mapping[str, Mapping[str, float]]:
    """Sums of mmscand-api, which begin at 0 when that is started."""
    total: dict[str, dict[str, float]] = {}
    before: Mapping[str, Any] | None = None
    for each in taken:
        now = each.sample["groups"]
        for name, group in now.items():
            sums = total.setdefault(name, {"processes": 0})
            sums["processes"] = max(sums["processes"], group["processes"])
            if before is not None:
                add_growth(sums, before.get(name, {}).get("sums", {}), group["sums"])
        before = now
    return total


def _missing_s(taken: Sequence[Taken], since: int, until: int, now: float) -> int:
    """Gaps that are longer than what samples of their age have between them."""
    times = [since, *(each.time for each in taken), until]
    step = step_for(since, until)
    missing = 0
    for first, second in pairwise(times):
        least = max(_LEAST_GAP_S, _GAPS * max(step, kept_step(now - first)))
        if second - first > least:
            missing += second - first
    return missing

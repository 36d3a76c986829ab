"""From what an experiment recorded to its figures: pure computing over files in one folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from mmscand.model import FloatArray
from mmscand_lab.kernel import LabError
from mmscand_lab.ops import load_ops
from mmscand_lab.samples import Phase, Sample, SampleReader
from mmscand_lab.scenario import Scenario
from mmscand_lab.truth import Truth

RESULT = "result.json"
EVENTS = "events.jsonl"
WORKLOAD = "workload"

# The workload's lines in ops.csv each stand for the second before them.
_MEDIAN_S = 10.0

Event = Mapping[str, Any]


class Pace(TypedDict):
    """How fast hot pages were promoted. None: it never came to that."""

    passes_to_99: int | None
    seconds_to_99: float | None
    passes_to_99_9: int | None
    seconds_to_99_9: float | None
    pass_found_99: int | None
    """The pass that knew the pages as hot; moving them is not in it, so load does not change it."""
    pass_found_99_9: int | None


class Measured(Pace):
    """What the experiment found; times are seconds."""

    scenario: str
    hot_promoted_share: float
    cold_promoted_share: float
    app_ops_per_s_before: float
    app_ops_per_s_after: float
    app_ops_ratio: float
    app_ops_per_s_all_fast: float | None
    """With all memory as fast as the top tier; None where tiers are equally fast anyway."""
    app_ops_per_s_moving: float
    """Mean from when the daemon watched until its work was done."""
    fast_share_after: float | None
    """Share of the cache misses that the top tier served at the end; None where nobody counts."""
    daemon_cpu_share: float
    daemon_cpu_share_steady: float
    daemon_peak_mib: float
    daemon_start_s: float | None
    pages_hot: int
    pages_cold: int
    pages_promoted: int
    pages_promoted_to: dict[str, int]
    """By node."""
    pages_failed: dict[str, int]
    kernel_promoted: int
    thp_splits: int
    passes: int
    daemon_started_at: float
    settled_at: float
    ended_at: float


class Result(Measured):
    """What was measured, and on what."""

    accelerator: str
    kernel: str
    tier_speeds: dict[str, Any] | None
    """A `slowmem.calibrate.Calibration`; None where all memory is as fast as the host's."""


@dataclass(frozen=True, slots=True)
class DaemonUse:
    """What the daemon took from the machine; shares are of one core."""

    cpu_share: float
    """From its start on, with the imports of its start."""
    cpu_share_steady: float
    """In the phase after its work was done."""
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Observed:
    """What only the running experiment could see. Moments are CLOCK_MONOTONIC."""

    daemon_started: float
    settled: float
    ended: float
    daemon: DaemonUse
    fast_share: float | None
    """As `Measured.fast_share_after`."""
    thp_splits: int
    kernel_promoted: int
    """Pages that the kernel's own NUMA balancing promoted meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What the experiment wrote while it ran."""

    samples: Sequence[Sample]
    events: Sequence[Event]
    ops: npt.NDArray[np.float64]
    """Rows of (moment, operations a second)."""

    @classmethod
    def load(cls, folder: Path) -> Recording:
        """Read the files of one experiment's folder."""
        lines = (folder / EVENTS).read_text(encoding="utf-8").splitlines()
        return cls(
            samples=SampleReader(folder).new(),
            events=[json.loads(line) for line in lines],
            ops=load_ops(folder / WORKLOAD),
        )

    def of_kind(self, name: str) -> list[Event]:
        """The daemon's events of that name."""
        return [event for event in self.events if event["event"] == name]

    def reached(self, share: float, hot_pages: int, since: float) -> float | None:
        """When that share of the hot pages was first on the top tier; None: never.

        A sample shows it up to a sampling period late, in which a pass may end. The batch that
        did it lies between that sample and the one before, and its event has the better moment.
        """
        before = since
        for sample in self.samples:
            if sample.at >= since and sample.hot >= share:
                return self._batch_moment(share * hot_pages, before, sample.at)
            before = max(before, sample.at)
        return None

    def _batch_moment(self, pages: float, after: float, until: float) -> float:
        found, promoted = after, 0
        for event in self.of_kind("moved"):
            enough = promoted >= pages
            promoted += event["promoted"]
            # A batch after the one that completed them moves pages that are there already.
            if event["promoted"] and after <= event["at"] <= until and not enough:
                found = event["at"]
        return found

    def finding_pass(self, share: float, hot_pages: int) -> int | None:
        """The pass that knew that share of the hot pages as hot, by the daemon's own word.

        See `_passes_before`.
        """
        starts = [event["at"] for event in self.of_kind("pass_start")]
        for event in self.of_kind("pass_end"):
            # Not its end less its seconds: what the pass before has found may move in these, and
            # is then neither on the slow tier when the pass reads, nor moved when it began.
            end = event["at"]
            begin = max((at for at in starts if at <= end), default=end - event["seconds"])
            moved = sum(m["promoted"] for m in self.of_kind("moved") if m["at"] < begin)
            # Shared pages are hot by their bits only, and none of them is the workload's.
            if moved + event["hot"] - event["shared"] >= share * hot_pages:
                return self._passes_before(end) + 1
        return None

    def _passes_before(self, moment: float) -> int:
        """Complete ones. A pass is from one clearing of bits to the next, in which a policy may
        read several times.
        """
        ends = self.of_kind("pass_end")
        return len([event for event in ends if event["at"] < moment and event["aged"]])

    def passes_until(self, moment: float | None, found: int | None) -> int | None:
        """Passes that were complete at that moment, and no fewer than it took to find the pages.

        The latter because pages are moved while the pass that found them goes on.
        """
        if moment is None:
            return None
        return max(self._passes_before(moment), found or 0)

    def ops_until(self, end: float, begin: float = -np.inf) -> float:
        """Median of the operations a second in the last seconds before that moment."""
        rows = self._ops_between(max(begin, end - _MEDIAN_S), end)
        return float(np.median(rows)) if rows.size else 0.0

    def mean_ops(self, begin: float, end: float) -> float:
        """Their mean, so that a pause counts."""
        rows = self._ops_between(begin, end)
        return float(rows.mean()) if rows.size else 0.0

    def _ops_between(self, begin: float, end: float) -> FloatArray:
        # A row stands for the second before it: the first one may have begun before the span.
        at, ops = self.ops[:, 0], self.ops[:, 1]
        return ops[(at > begin + 1.0) & (at <= end)]

    def phase(self, name: Phase) -> tuple[float, float] | None:
        """From the first to the last sample of a phase; None without one."""
        at = [sample.at for sample in self.samples if sample.phase == name]
        return (at[0], at[-1]) if at else None


def compute(scenario: Scenario, record: Recording, truth: Truth, seen: Observed) -> Measured:
    """The figures of one experiment. Raises LabError when it recorded no sample."""
    if not record.samples:
        raise LabError("the experiment recorded no sample", hint="see the folder of its results")
    last, start = record.samples[-1], seen.daemon_started
    alone, fast = record.phase("before"), record.phase("fast")
    before = record.ops_until(start, alone[0] if alone else -np.inf)
    after = record.ops_until(seen.ended, seen.settled)
    first_event = next((event["at"] for event in record.events if "at" in event), None)
    moved = record.of_kind("moved")
    return Measured(
        **_pace(record, truth, start),
        scenario=scenario.name,
        hot_promoted_share=last.hot,
        cold_promoted_share=last.cold,
        app_ops_per_s_before=before,
        app_ops_per_s_after=after,
        app_ops_ratio=after / before if before else 0.0,
        app_ops_per_s_all_fast=record.ops_until(fast[1], fast[0]) if fast else None,
        app_ops_per_s_moving=record.mean_ops(first_event or start, seen.settled),
        fast_share_after=seen.fast_share,
        daemon_cpu_share=seen.daemon.cpu_share,
        daemon_cpu_share_steady=seen.daemon.cpu_share_steady,
        daemon_peak_mib=seen.daemon.peak_mib,
        daemon_start_s=None if first_event is None else first_event - start,
        pages_hot=int(truth.hot.sum()),
        pages_cold=int((~truth.hot).sum()),
        pages_promoted=sum(event["promoted"] for event in moved),
        pages_promoted_to=by_target(moved),
        pages_failed=failures(moved),
        kernel_promoted=seen.kernel_promoted,
        thp_splits=seen.thp_splits,
        passes=len(record.of_kind("pass_end")),
        daemon_started_at=start,
        settled_at=seen.settled,
        ended_at=seen.ended,
    )


def _pace(record: Recording, truth: Truth, start: float) -> Pace:
    hot = int(truth.hot.sum())
    level_99, level_99_9 = (record.reached(share, hot, start) for share in (0.99, 0.999))
    found_99, found_99_9 = (record.finding_pass(share, hot) for share in (0.99, 0.999))
    return Pace(
        passes_to_99=record.passes_until(level_99, found_99),
        seconds_to_99=None if level_99 is None else level_99 - start,
        passes_to_99_9=record.passes_until(level_99_9, found_99_9),
        seconds_to_99_9=None if level_99_9 is None else level_99_9 - start,
        pass_found_99=found_99,
        pass_found_99_9=found_99_9,
    )


def by_target(moved: Sequence[Event]) -> dict[str, int]:
    """Pages that were promoted, by node, over all `moved` events."""
    total = Counter[str]()
    for event in moved:
        if event["promoted"]:
            total[str(event["target"])] += event["promoted"]
    return dict(total)


def failures(moved: Sequence[Event]) -> dict[str, int]:
    """Pages that were not promoted, by reason, over all `moved` events."""
    total = Counter[str]()
    for event in moved:
        total.update(event["failed"])
    return dict(total)


def save(result: Result, path: Path) -> None:
    """Write the result atomically: a reader sees all of it or none."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def load(folder: Path) -> Result:
    """The result in an experiment's folder; LabError when there is none."""
    try:
        result: Result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = f"look for the reason in {folder}"
        raise LabError("the experiment left no result", hint=hint) from None
    return result

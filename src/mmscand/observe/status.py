"""How things stand, as frozen snapshots: what `status`, `ps` and the API show."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from mmscand.model import Process
from mmscand.observe.fields import counter, gauge, text

_HOTNESS = (
    "By node, seven numbers of pages: by in how many of their last six observations they were "
    "accessed, 0 to 6; policy capacity: in how many of six seconds, by their rate. Without pages "
    "that other processes map too. Of the fast tier by policy capacity only."
)


ProcessState = Literal["watched", "new", "idle", "waits", "slowed", "stopped"]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process that is watched. Pages are 4 KiB."""

    process: Process
    state: Annotated[
        ProcessState,
        text(
            "watched; new before its first pass; idle while it does not run; waits for the CPU "
            "budget; slowed or stopped where promoting does not pay."
        ),
    ]
    fast_pages: Annotated[
        int | None, gauge("On the fast tier; null where the policy keeps no count.", "pages")
    ]
    slow_pages: Annotated[
        int | None, gauge("On the slow tier; null where the policy keeps no count.", "pages")
    ]
    hot_slow_pages: Annotated[
        int | None,
        gauge(
            "On the slow tier and accessed often enough to pay for a move, whether there is room "
            "or not; null where the policy keeps no rates.",
            "pages",
        ),
    ]
    slow_by_reason: Annotated[
        Mapping[str, int],
        gauge("On the slow tier, by what keeps them there; see reasons.", "pages", key="reason"),
    ]
    fast_ratio: Annotated[
        float | None, gauge("Share of its accesses that the fast tier serves, estimated.", "ratio")
    ]
    passes: Annotated[
        int, counter("Passes since it was taken up, or since its last execve.", "passes")
    ]
    aggressiveness: Annotated[int, gauge("0..10: 0 never scans, 5 is usual, 10 scans most.")]
    rule: Annotated[str, text("The rule that says so; 'default' when none does.")]
    scan_period_ms: Annotated[int, gauge("Time between two passes in force.", "ms")]
    exposure_ms: Annotated[
        int | None,
        gauge(
            "Policy capacity: time from one clearing of Accessed bits to the next; null is from "
            "each pass to the next.",
            "ms",
        ),
    ]
    changes: Annotated[
        int,
        counter(
            "Policy capacity: how often other pages were found to be hot than before; what was "
            "known counts for less then.",
            "changes",
        ),
    ]
    scan_size_mb: Annotated[int, gauge("Memory examined in one pass in force.", "MiB")]
    cursor: Annotated[int, gauge("Address at which the next pass goes on; 0 is the start.")]
    aging: Annotated[
        str, text("What is aged in bulk by MGLRU beside MADV_COLD, or why nothing is.")
    ]
    target_node: Annotated[
        int | None,
        gauge("Node that its pages are promoted to at the moment; null when there is none."),
    ]
    useful_pages: Annotated[int, gauge("Hot pages of the last passes, with decay.", "pages")]
    failed_percent: Annotated[int, gauge("Share of its moves that failed lately.", "%")]
    effort: Annotated[str, text("full, or slowed or stopped when promoting does not pay for it.")]
    effort_why: Annotated[str, text("The figures behind that; empty when there is no reason.")]
    saved_s: Annotated[
        float,
        counter(
            "Time that promoting saved it: an estimate by a sample of the promoted pages.", "s"
        ),
    ]
    spent_s: Annotated[float, counter("CPU time of scanning it and moving its pages.", "s")]
    hotness: Annotated[
        Mapping[int, Sequence[int]],
        gauge("How hot its pages are. " + _HOTNESS, "pages", key="node accessed"),
    ]
    skipped_mappings: Annotated[
        Mapping[str, int],
        gauge(
            "Mappings that the last look left out, by the rule that says so.",
            "mappings",
            key="rule",
        ),
    ]
    skipped_pages: Annotated[
        Mapping[str, int],
        gauge("Address space in these, with or without memory behind it.", "pages", key="rule"),
    ]
    counters: Annotated[
        Mapping[str, float], counter("Sums since it was taken up, by name.", "", key="name")
    ]


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """CPU time of the scanner, in percent of one core and in seconds; see scan.budget."""

    limit_percent: Annotated[
        float,
        gauge(
            "Average over ten minutes that is allowed: cpu_budget_percent, and what promoting has "
            "earned.",
            "%",
        ),
    ]
    earned_percent: Annotated[float, gauge("The part of it that promoting has earned.", "%")]
    used_percent: Annotated[
        float, gauge("Average of the last ten minutes, without the burst of the start.", "%")
    ]
    burst_left_s: Annotated[
        float,
        gauge(
            "CPU time that a large new process, or one that has changed, may use at full speed.",
            "s",
        ),
    ]
    waiting: Annotated[int, gauge("Processes that are due and wait for the budget.", "processes")]
    round_s: Annotated[
        float | None,
        gauge(
            "Until each process was visited once, at the present rate; null where none waits.",
            "s",
        ),
    ]


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The whole daemon."""

    enabled: Annotated[bool, text("Whether it scans; what is queued is moved either way.")]
    running: Annotated[bool, text("Whether its threads are there.")]
    dry_run: Annotated[bool, text("Whether it was started to move nothing.")] = False
    processes: tuple[ProcessStatus, ...] = ()
    queued_slots: Annotated[
        int, gauge("On the migration list; a huge page is one slot.", "slots")
    ] = 0
    hotness: Annotated[
        Mapping[int, Sequence[int]],
        gauge(
            "How hot the pages of all watched processes are. " + _HOTNESS,
            "pages",
            key="node accessed",
        ),
    ] = field(default_factory=dict)
    skipped_mappings: Annotated[
        Mapping[str, int],
        gauge(
            "Mappings of all watched processes that the last look left out, by rule.",
            "mappings",
            key="rule",
        ),
    ] = field(default_factory=dict)
    skipped_pages: Annotated[
        Mapping[str, int],
        gauge("Address space in these, with or without memory behind it.", "pages", key="rule"),
    ] = field(default_factory=dict)
    counters: Annotated[
        Mapping[str, float],
        counter(
            "Sums since the start by name, also over processes that have left.", "", key="name"
        ),
    ] = field(default_factory=dict)
    cpu_seconds: Annotated[
        Mapping[str, float],
        counter(
            "CPU time since the start: `scanning` without `aging`, and `moving`.", "s", key="part"
        ),
    ] = field(default_factory=dict)
    credit_percent: Annotated[
        int | None,
        gauge(
            "Policy capacity: pages that may still be promoted before moves have brought in what "
            "they cost, of those that fit the fast tier. 100 at the start, 200 at most; at 0 "
            "nothing is moved until it pays again. Null where nothing was planned yet.",
            "%",
        ),
    ] = None
    nodes: Annotated[
        Mapping[str, Sequence[int]], text("Numbers of the nodes of each tier: `fast` and `slow`.")
    ] = field(default_factory=dict)
    tier_pages: Annotated[
        Mapping[str, Mapping[str, int]],
        gauge(
            "Memory of each tier: `free` could take pages now and stay above the kernel's high "
            "watermarks, `cache` is page cache, `used` is the rest.",
            "pages",
            key="tier state",
        ),
    ] = field(default_factory=dict)
    start_timestamp: Annotated[float, gauge("When it was started, in Unix time.", "s")] = 0.0
    last_pass_timestamp: Annotated[
        float | None,
        gauge("When it had last looked at a process, in Unix time; null before the first.", "s"),
    ] = None
    budget: Annotated[BudgetStatus | None, text("CPU time; null where nothing runs.")] = None
    switch_timestamp: Annotated[
        float,
        gauge(
            "When scanning was switched on or off, or the daemon was started, in Unix time.", "s"
        ),
    ] = 0.0
    minute: Annotated[
        Mapping[str, float],
        text("What was added to each counter in the last minute, by name."),
    ] = field(default_factory=dict)
    states: Annotated[
        Mapping[ProcessState, int], gauge("Watched processes by state.", "processes", key="state")
    ] = field(default_factory=dict)
    slow_by_reason: Annotated[
        Mapping[str, int],
        gauge(
            "Of all watched processes, on the slow tier, by what keeps them there.",
            "pages",
            key="reason",
        ),
    ] = field(default_factory=dict)
    edge: Annotated[
        float | None,
        gauge(
            "Rate of the coldest page that has a place on the fast tier; null before the first "
            "plan.",
            "accesses/s",
        ),
    ] = None
    fast_ratio: Annotated[
        float | None,
        gauge(
            "Share of accesses that the fast tier serves, estimated; null where no rates are "
            "known.",
            "ratio",
        ),
    ] = None
    fast_ratio_low: Annotated[float | None, gauge("At least; 95 % sure.", "ratio")] = None
    fast_ratio_high: Annotated[float | None, gauge("At most; 95 % sure.", "ratio")] = None
    reused_ratio: Annotated[
        float | None,
        gauge(
            "Share of promoted pages that were accessed again on the fast tier; by a sample.",
            "ratio",
        ),
    ] = None
    pressure: Annotated[
        Mapping[str, float],
        gauge(
            "Memory pressure of the machine (PSI): `some` and `full`, average of the last 10 s; "
            "empty where the kernel has none.",
            "%",
            key="tasks",
        ),
    ] = field(default_factory=dict)
    config_generation: Annotated[
        int,
        gauge(
            "Changes of the configuration in force since the start: by a reload, by `set`, "
            "`reset`, `enable` or `disable`. 0 is as it was started."
        ),
    ] = 0
    config_hash: Annotated[
        str,
        text(
            "The configuration file that was read last: the first 12 digits of its SHA-256. Empty "
            "where there is no file."
        ),
    ] = ""
    reader: Annotated[
        str,
        text(
            "How page tables are read: `bpf`, or `kcore`, which is slower, where BPF does not "
            "work. `mmscand check` says why."
        ),
    ] = ""
    trouble: Annotated[str, text("What is wrong with its threads; empty while they get on.")] = ""
    left_alone: Mapping[Process, str] = field(default_factory=dict)
    """Processes that were chosen and are not watched, and why."""
    pid: Annotated[int, text("Process id of the daemon.")] = field(default_factory=os.getpid)


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

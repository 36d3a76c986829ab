"""How the daemon stands, gathered from its parts. Any thread; nothing is waited for."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from mmscand.machine import Machine
from mmscand.observe.counters import Counters
from mmscand.observe.recent import Recent
from mmscand.observe.status import DaemonStatus, summed, summed_hotness
from mmscand.scan.room import nodes_by_tier, tier_pages
from mmscand.scan.scanner_answers import ScannerAnswers


def at_rest(
    machine: Machine,
    counters: Counters,
    recent: Recent,
    *,
    enabled: bool,
    running: bool,
    dry_run: bool,
    trouble: str,
    generation: int,
) -> DaemonStatus:
    """What is known without threads."""
    return DaemonStatus(
        enabled=enabled,
        running=running,
        dry_run=dry_run,
        reader=machine.reader_name,
        trouble=trouble,
        config_generation=generation,
        counters=counters.total(),
        minute=recent.minute(),
        reused_ratio=_ratio(counters.total(), "again", "promoted"),
        start_timestamp=counters.since,
        switch_timestamp=recent.switched_at,
        last_pass_timestamp=counters.last_pass,
        nodes=nodes_by_tier(machine.topology()),
        tier_pages=tier_pages(machine),
        pressure=machine.memory_pressure(),
    )


def at_work(
    stands: DaemonStatus,
    answers: ScannerAnswers,
    counters: Counters,
    cpu_seconds: Mapping[str, float],
    queued_slots: int,
) -> DaemonStatus:
    """The same with what the threads know."""
    processes, part = answers.status(counters)
    return replace(
        stands,
        processes=processes,
        queued_slots=queued_slots,
        cpu_seconds=cpu_seconds,
        hotness=summed_hotness(each.hotness for each in processes),
        skipped_mappings=summed(each.skipped_mappings for each in processes),
        skipped_pages=summed(each.skipped_pages for each in processes),
        states=Counter(each.state for each in processes),
        slow_by_reason=summed(each.slow_by_reason for each in processes),
        credit_percent=answers.credit_percent,
        budget=answers.budget_status(),
        left_alone=answers.left_alone,
        edge=answers.edge,
        fast_ratio=part.share if part else None,
        fast_ratio_low=part.low if part else None,
        fast_ratio_high=part.high if part else None,
    )


def _ratio(counters: Mapping[str, float], part: str, whole: str) -> float | None:
    return min(1.0, counters[part] / counters[whole]) if counters.get(whole) else None

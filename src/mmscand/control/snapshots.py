"""The daemon's snapshots as the objects that answers have. api/models.py describes each field."""

import os
from dataclasses import asdict
from typing import Any

from mmscand.observe.status import DaemonStatus, ProcessStatus
from mmscand.shown import shown

Json = dict[str, Any]

_SHARED = ("hotness", "skipped_mappings", "skipped_pages", "counters")
_STATUS = ("cpu_seconds", "credit_percent")


def status_object(status: DaemonStatus, version: str) -> Json:
    """The whole daemon, which is this process."""
    return {
        "version": version,
        "pid": os.getpid(),
        "enabled": status.enabled,
        "running": status.running,
        "processes": len(status.processes),
        "queued_slots": status.queued_slots,
        **{name: getattr(status, name) for name in (*_SHARED, *_STATUS)},
        "budget": _budget(status),
    }


def _budget(status: DaemonStatus) -> Json | None:
    return None if status.budget is None else asdict(status.budget)


def processes_object(status: DaemonStatus) -> Json:
    """All processes that are watched, and those that were chosen and are not, by pid."""
    others = sorted(status.left_alone.items(), key=lambda each: each[0].pid)
    return {
        "processes": [
            process_object(each)
            for each in sorted(status.processes, key=lambda each: each.process.pid)
        ],
        "left_alone": [
            {"pid": process.pid, "name": process.name, "why": shown(why)} for process, why in others
        ],
        "budget": _budget(status),
    }


def process_object(status: ProcessStatus) -> Json:
    """One process that is watched."""
    process = status.process
    about = {"pid": process.pid, "start_time": process.start_time, "name": process.name}
    fields = (name for name in ProcessStatus.__slots__ if name != "process")
    return about | {name: getattr(status, name) for name in fields}

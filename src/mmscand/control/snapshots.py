"""The daemon's snapshots as the objects that answers have. observe.fields describes each field."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from mmscand.observe.fields import fields_of
from mmscand.observe.status import DaemonStatus, ProcessStatus
from mmscand.observe.why import ProcessRates, ProcessWhy
from mmscand.shown import shown

Json = dict[str, Any]
_PLAIN = {bool, int, float, str, list, tuple, type(None)}
"""Most values, of 1500 processes 100 000 in an answer: other checks take ten times as long."""


def status_object(status: DaemonStatus, version: str) -> Json:
    """The whole daemon, which is this process."""
    return {
        "version": version,
        "processes": len(status.processes),
        "left_alone": len(status.left_alone),
        **_fields(status),
    }


def _fields(snapshot: DaemonStatus | ProcessStatus) -> Json:
    """What the table of fields has of it."""
    cls: type = type(snapshot)
    return {name: _plain(getattr(snapshot, name)) for name in fields_of(cls)}


def _plain(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {key: each if type(each) in _PLAIN else _plain(each) for key, each in value.items()}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


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
        "budget": _plain(status.budget),
    }


def process_object(status: ProcessStatus) -> Json:
    """One process that is watched."""
    process = status.process
    about = {"pid": process.pid, "start_time": process.start_time, "name": process.name}
    return about | _fields(status)


def rates_object(found: Sequence[ProcessRates]) -> Json:
    """How often pages are accessed; see observe.why."""
    return {
        "processes": [
            {
                "pid": each.process.pid,
                "name": each.process.name,
                "cgroup": shown(each.cgroup),
                "unknown_pages": each.unknown,
                "rates": each.rates,
            }
            for each in found
        ]
    }


def why_object(found: ProcessWhy, process: Json) -> Json:
    """`process` is the answer to `process`; see observe.why."""
    return {
        "process": process,
        "has_rates": found.has_rates,
        "edge": found.edge,
        "mappings": [
            {**asdict(each), "name": each.name.decode(errors="surrogateescape")}
            for each in found.mappings
        ],
        "page": None if found.page is None else asdict(found.page),
    }

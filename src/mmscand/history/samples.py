"""What a sample holds, by the table of fields."""

from collections.abc import Mapping
from typing import Any

from mmscand.history.packing import Sample
from mmscand.observe.events import Moved
from mmscand.observe.fields import COUNTER, TEXT, fields_of
from mmscand.observe.groups import FIELDS
from mmscand.observe.status import DaemonStatus
from mmscand.reasons import FAILED

_WORDS = ("version", "pid", "enabled", "running", "budget")
"""Of the status, besides all that is a number by the table."""
_GAUGES = {name for name, each in FIELDS.items() if each.kind != COUNTER}
_OF_GROUPS = {"shared", "held", "bound", "again", "returned", *fields_of(Moved)}
"""Counters: what was moved, what came of it, and what was kept back. The others are of looks."""
_MOST_NAME = 120


def sample_of(status: Mapping[str, Any], groups: Mapping[str, Mapping[str, float]]) -> Sample:
    """From the daemon's answer to `status`, and groups as observe.groups has them."""
    numbers = [name for name, each in fields_of(DaemonStatus).items() if each.kind != TEXT]
    return {
        "status": {name: status[name] for name in (*_WORDS, *numbers) if name in status},
        "groups": {
            name[:_MOST_NAME]: _group(each) for name, each in groups.items() if any(each.values())
        },
    }


def _group(values: Mapping[str, float]) -> dict[str, Any]:
    """What is 0 is left out: most groups have few reasons of failures."""
    some = {name: value for name, value in values.items() if value}
    processes = int(some.pop("processes", 0))
    return {
        "processes": processes,
        "now": {name: value for name, value in some.items() if name in _GAUGES},
        "sums": {name: value for name, value in some.items() if _is_kept(name)},
    }


def _is_kept(name: str) -> bool:
    """Of a group's sums."""
    if name in FIELDS:
        return name not in _GAUGES
    return name in _OF_GROUPS or name.startswith(FAILED)

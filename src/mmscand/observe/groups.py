"""Watched processes by group: few names, and sums that do not fall when a process leaves.

The daemon says of each process what it had since it was taken up. Here the differences from one
answer to the next are added up, so what happened between the last answer with a process and its
end is lost. Sums begin at 0 with the first answer.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmscand.observe.fields import COUNTER, GAUGE, Field, fields_of
from mmscand.observe.growth import add_growth
from mmscand.observe.status import ProcessStatus

MOST_GROUPS = 20
"""Rules that people write are fewer; 20 groups with 30 numbers each are a few KiB a sample."""
OTHER = "other"
"""The group of all that have no other."""
Row = Mapping[str, Any]
"""A process as the daemon's answer has it."""
_NUMBERS = (int, float, int | None, float | None)
_ADDED = {"pages", "MiB", "mappings"}
"""Units of gauges that make sense as a sum over processes; of periods the longest is shown."""
_LONGEST = {"ms", "s"}
FIELDS: Mapping[str, Field] = {
    name: each
    for name, each in fields_of(ProcessStatus).items()
    if each.type in _NUMBERS
    and (each.kind == COUNTER or (each.kind == GAUGE and each.unit in _ADDED | _LONGEST))
}
"""What a group has of its processes, besides their counters."""
_OWN = tuple(name for name, each in FIELDS.items() if each.kind == COUNTER)
_SUMMED = tuple(n for n, each in FIELDS.items() if each.kind == GAUGE and each.unit in _ADDED)
_LONGEST_OF = tuple(n for n, each in FIELDS.items() if each.kind == GAUGE and n not in _SUMMED)


def by_rule(process: Row) -> str:
    """The rule that matches it; `default` where none does."""
    return str(process["rule"])


def by_rule_or_name(process: Row) -> str:
    """Its rule, and its name where no rule matches."""
    rule = by_rule(process)
    return f"name={process['name']}" if rule == "default" else rule


class Groups:
    """Adds up, for callers in any thread."""

    def __init__(self, group_of: Callable[[Row], str] = by_rule, most: int = MOST_GROUPS) -> None:
        self._group_of = group_of
        self._most = most
        self._lock = threading.Lock()
        self._start: object = None
        self._last: dict[tuple[int, int], dict[str, float]] | None = None
        self._sums: dict[str, dict[str, float]] = {}
        self._now: dict[str, Counter[str]] = {}

    def take(self, start: object, processes: Iterable[Row]) -> Mapping[str, Mapping[str, float]]:
        """One answer of the daemon that was started at `start`; how all groups stand, by name.

        A group has `processes`, FIELDS, and the counters of its processes by name.
        """
        with self._lock:
            if start != self._start and self._last is not None:
                self._last = {}  # all that it says has happened since
            self._start = start
            self._take(list(processes))
            return {
                name: {**self._sums[name], **self._now.get(name, {"processes": 0})}
                for name in sorted(self._sums)
            }

    def name_of(self, process: Row) -> str:
        """The group that a process of the last answer is in."""
        name = self._group_of(process)
        return name if name in self._sums else OTHER

    def _take(self, processes: list[Row]) -> None:
        before = self._last
        last: dict[tuple[int, int], dict[str, float]] = {}
        names = self._names({self._group_of(each) for each in processes})
        self._now = {}
        for each in processes:
            group = self._group_of(each)
            group = group if group in names else OTHER
            key = int(each["pid"]), int(each["start_time"])
            last[key] = counted = _counters(each)
            sums = self._sums.setdefault(group, {})
            was = counted if before is None else before.get(key, {})
            if was != counted or not sums:  # most processes do little in five seconds
                add_growth(sums, was, counted)
            _add_gauges(self._now.setdefault(group, Counter()), each)
        self._last = last

    def _names(self, wanted: set[str]) -> set[str]:
        """Groups that have a name of their own; those without a process give way to new ones."""
        known = [name for name in self._sums if name != OTHER]
        names = {*known} & wanted
        names |= set(sorted(wanted - names)[: self._most - len(names)])
        gone = [name for name in known if name not in names]
        for name in gone[: max(0, len(names) + len(gone) - self._most)]:
            del self._sums[name]
        return names


def _counters(process: Row) -> dict[str, float]:
    return {**process["counters"], **{name: process[name] for name in _OWN}}


def _add_gauges(sums: Counter[str], process: Row) -> None:
    sums["processes"] += 1
    for name in _SUMMED:
        sums[name] += process[name] or 0
    for name in _LONGEST_OF:
        if (value := process[name]) is not None and value > sums[name]:
            sums[name] = value

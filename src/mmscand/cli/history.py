"""`mmscand history`: what changed in a period, what it brought, and what failed."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from mmscand.cli.options import PATH, json_option
from mmscand.cli.quantities import percent, size, span
from mmscand.cli.table import print_answer, table
from mmscand.history.file import DEFAULT_HISTORY
from mmscand.history.periods import period
from mmscand.history.reader import reading
from mmscand.history.summary import Summary, summary_of
from mmscand.shown import shown

_DAY_S = 86_400
_MOST_GROUPS = 10
_MOST_CHANGES = 30
_FAILURES = {
    "ENOMEM": "no room on their target",
    "EBUSY": "in use, as of a device",
    "EAGAIN": "in use at the moment",
    "ENOENT": "freed before their turn",
    "ELSEWHERE": "moved by another in between",
    "EACCES": "mapped by others too",
    "EFAULT": "no longer mapped",
}
_KEPT_BACK = {
    "shared": "mapped by other processes too",
    "held": "had failed before, or wait to be split",
    "bound": "kept by a memory policy or a cpuset",
}


@click.command()
@click.option("--since", default="24h", help="Begin: yesterday, 3h, 14:00, 2026-05-31, ...")
@click.option("--until", default="now", help="End, in the same words.")
@click.option("--file", type=PATH, default=DEFAULT_HISTORY, help="The file of mmscand-api.")
@json_option
def history(since: str, until: str, file: Path, as_json: bool) -> None:
    """Show the changes of a period, the benefit and cost of promoting, and failures.

    Reads the file that mmscand-api writes; neither that nor the daemon has to run.
    """
    now = time.time()
    begin, end = period(since, until, now)
    with reading(file) as reader:
        found = summary_of(reader, begin, end, now)
    print_answer(found.as_json(), "\n".join(lines(found)), as_json=as_json)


def lines(found: Summary) -> Iterator[str]:
    """In words; pages as sizes."""
    length = span(found.until - found.since)
    yield f"{_when(found.since)} to {_when(found.until)} ({length})"
    if not found.samples:
        yield "nothing was recorded in it: mmscand-api or the daemon did not run"
    elif found.missing_s:
        yield f"nothing was recorded for {span(found.missing_s)} of it"
    yield ""
    yield "changed"
    yield from _changes(found)
    if found.samples:
        yield ""
        yield "brought"
        yield from _brought(found)
        yield ""
        yield "failed"
        yield from _failed(found)
        yield from _groups(found)


def _changes(found: Summary) -> Iterator[str]:
    if (left_out := len(found.changes) - _MOST_CHANGES) > 0:
        yield f"  {left_out} more before these; --json has them"
    for each in found.changes[-_MOST_CHANGES:]:
        yield f"  {_when(each.time)}  {shown(each.words)}"
    if not found.changes:
        yield "  nothing"


def _brought(found: Summary) -> Iterator[str]:
    counters, spent = found.counters, sum(found.cpu_s.values())
    promoted = counters.get("promoted", 0)
    yield f"  {size(promoted)} promoted, {size(counters.get('demoted', 0))} demoted"
    if promoted:
        again = min(1.0, counters.get("again", 0) / promoted)
        back = min(1.0, counters.get("returned", 0) / promoted)
        yield (
            f"  of what was promoted about {percent(again)} was used again, and {percent(back)} "
            "demoted again"
        )
    parts = ", ".join(f"{part} {span(s)}" for part, s in found.cpu_s.items() if s >= 0.05)
    parts = f" ({parts})" if parts else ""
    yield f"  about {span(found.saved_s)} saved for {span(spent)} of CPU time{parts}"


def _failed(found: Summary) -> Iterator[str]:
    tried = found.counters.get("promoted", 0) + found.counters.get("demoted", 0)
    tried += sum(found.failed.values())
    for reason, pages in sorted(found.failed.items(), key=lambda each: -each[1]):
        if pages:
            words = _FAILURES.get(reason, "see move_pages(2)")
            share = percent(pages / tried)
            yield f"  {size(pages)} did not move, {share} of all: {shown(reason)}, {words}"
    for reason, pages in found.kept_back.items():
        if pages:
            yield f"  {size(pages)} hot and kept back: {_KEPT_BACK[reason]} (each look counts)"
    if not any(found.failed.values()) and not any(found.kept_back.values()):
        yield "  nothing"


def _groups(found: Summary) -> Iterator[str]:
    rows = [
        [
            shown(name),
            int(each["processes"]),
            size(each.get("promoted", 0)),
            size(each.get("demoted", 0)),
            span(each.get("saved_s", 0.0)),
            span(each.get("spent_s", 0.0)),
        ]
        for name, each in sorted(found.groups.items(), key=lambda one: -one[1].get("promoted", 0))[
            :_MOST_GROUPS
        ]
    ]
    if rows:
        yield ""
        yield table(["GROUP", "PROCESSES", "PROMOTED", "DEMOTED", "SAVED", "SPENT"], rows)


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")

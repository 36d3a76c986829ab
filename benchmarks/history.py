"""What the history takes: the file after a week with 1500 processes, and the time of its queries.

The samples are made up, by the table of fields: counters grow by chance, as in bursts, gauges rise
and down, all groups that there can be are there. They go through the real writer, one for each five
seconds of the week. What it takes to sum up 1500 processes is measured beside that.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import tell
from mmscand.history.packing import DAY_S, EVERY_S
from mmscand.history.reader import reading, step_for
from mmscand.history.samples import sample_of
from mmscand.history.summary import summary_of
from mmscand.history.writer import HistoryWriter
from mmscand.observe.counters import COUNTERS
from mmscand.observe.fields import COUNTER, TEXT, fields_of
from mmscand.observe.groups import FIELDS, MOST_GROUPS, OTHER, Groups
from mmscand.observe.status import BudgetStatus, DaemonStatus, ProcessStatus
from mmscand_lab.ending import exit_status

_PROCESSES = 1500
_BEGIN = 1_790_000_000 // DAY_S * DAY_S
_FAILURES = ("failed_ENOMEM", "failed_EBUSY", "failed_EAGAIN", "failed_ENOENT")
_COUNTS = (*COUNTERS, *_FAILURES)


class MadeUp:
    """A daemon and groups of its processes, as they go on."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._counters: Counter[str] = Counter()
        names = [f"name=^service-{n}" for n in range(MOST_GROUPS)]
        self._groups: dict[str, Counter[str]] = {name: Counter() for name in (*names, OTHER)}

    def next(self) -> tuple[dict[str, Any], dict[str, Counter[str]]]:
        """An answer to `status`, and groups."""
        chance = self._random
        for name in _COUNTS:
            if chance.random() < 0.5:
                self._counters[name] += int(chance.expovariate(1 / 20_000))
        for group in self._groups.values():
            group["processes"] = _PROCESSES // MOST_GROUPS
            for name in chance.sample(_COUNTS, len(_COUNTS) // 3):
                group[name] += int(chance.expovariate(1 / 1_000))
            for name, field in FIELDS.items():
                grows = chance.expovariate(100) if field.unit == "s" else chance.randrange(9)
                group[name] = group[name] + grows if field.kind == COUNTER else grows  # type: ignore[assignment]
        return self._status(), self._groups

    def _status(self) -> dict[str, Any]:
        chance = self._random
        pages = {str(node): [chance.randrange(1 << 24) for _ in range(7)] for node in (0, 1)}
        status: dict[str, Any] = {
            name: chance.random() * 100
            for name, field in fields_of(DaemonStatus).items()
            if field.kind != TEXT and not field.key
        }
        for name, field in fields_of(DaemonStatus).items():
            if field.key:
                status[name] = {f"{field.key} {n}": chance.randrange(1 << 24) for n in range(6)}
        seconds = {part: chance.random() * 1e5 for part in ("scanning", "aging", "moving")}
        budget = dict.fromkeys(fields_of(BudgetStatus), chance.random())
        known = {"version": "0.1.0", "pid": 1, "enabled": True, "running": True}
        counts = {"counters": dict(self._counters), "cpu_seconds": seconds, "hotness": pages}
        return {**status, **known, **counts, "budget": budget, "start_timestamp": float(_BEGIN)}


def rows(number: int) -> list[dict[str, Any]]:
    """Processes as in an answer of the daemon."""
    found: list[dict[str, Any]] = []
    for pid in range(number):
        values: dict[str, Any] = dict.fromkeys(fields_of(ProcessStatus), 1)
        about = {"pid": pid, "start_time": pid, "name": f"p{pid}", "rule": f"rule {pid % 30}"}
        found.append({**values, **about, "counters": dict.fromkeys(COUNTERS, pid)})
    return found


def written(path: Path, days: float) -> dict[str, object]:
    """Fill the file; figures."""
    made_up, samples = MadeUp(), int(days * DAY_S) // EVERY_S
    spent = 0.0
    with HistoryWriter(path) as writer:
        for number in range(samples):
            sample = sample_of(*made_up.next())
            began = time.perf_counter()
            writer.add(_BEGIN + number * EVERY_S, sample)
            spent += time.perf_counter() - began
        files = [path, path.with_name(f"{path.name}-wal")]
        size = sum(each.stat().st_size for each in files)
    return {"file MiB": round(size / (1 << 20), 1), "ms a sample": round(spent / samples * 1e3, 2)}


def queried(path: Path, days: float) -> Iterator[tuple[str, object]]:
    """The longest that a query of a day took, of all days."""
    end = _BEGIN + int(days * DAY_S)
    day: Sequence[int] = range(_BEGIN, end, DAY_S)
    times: dict[str, list[float]] = {"720 samples of a day": [], "summary of a day": []}
    for since in day:
        with reading(path) as reader:
            began = time.perf_counter()
            list(reader.samples(since, since + DAY_S, step_for(since, since + DAY_S)))
            times["720 samples of a day"].append(time.perf_counter() - began)
            began = time.perf_counter()
            summary_of(reader, since, since + DAY_S, end)
            times["summary of a day"].append(time.perf_counter() - began)
    yield from ((f"{name}: longest s", round(max(each), 3)) for name, each in times.items())
    began = time.perf_counter()
    with reading(path) as reader:
        summary_of(reader, _BEGIN, end, end)
    yield "summary of all: s", round(time.perf_counter() - began, 3)


def summed_up() -> float:
    """Milliseconds to sum up one answer with all processes."""
    groups, processes = Groups(), rows(_PROCESSES)
    groups.take(1, processes)
    began = time.perf_counter()
    for _ in range(10):
        groups.take(1, processes)
    return (time.perf_counter() - began) * 100


def figures(days: float) -> dict[str, object]:
    """By name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        found = written(path, days)
        found.update(queried(path, days))
    found[f"ms to sum up {_PROCESSES} processes"] = round(summed_up(), 1)
    return found


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench history", description=__doc__)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    return exit_status("bench history", lambda: tell(figures(options.days), options.json))


if __name__ == "__main__":
    sys.exit(main())

"""Samples and changes of a period."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mmscand.history.file import opened_to_read
from mmscand.history.packing import EVERY_S, KEPT, Sample, unpacked

MOST_SAMPLES = 720
"""For one answer: a third of a second to read, and two minutes between samples of a day."""
_MOST_CHANGES = 1000
_BASE_S = 1200
"""A sample that is older than this before a period is no begin of it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A sample and its Unix time in seconds."""

    time: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Noted:
    """A change and its Unix time in seconds."""

    time: int
    kind: str
    words: str


class HistoryReader:
    """Periods are half-open, in Unix time; sqlite3.Error is the context's to translate."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def samples(self, since: int, until: int, step: int = EVERY_S) -> Iterator[Taken]:
        """The last of each `step` seconds, in order."""
        if step <= EVERY_S:
            rows = self._connection.execute(
                "SELECT time, data FROM sample WHERE time >= ? AND time < ? ORDER BY time",
                (since, until),
            )
            yield from _taken(rows)
            return
        # A look for each, as GROUP BY would read all samples: 50 MB of a day.
        for slot in range(since // step, -(-until // step)):
            begin, end = max(since, slot * step), min(until, (slot + 1) * step)
            yield from _taken(self._last(begin, end))

    def _last(self, since: int, until: int) -> Iterator[tuple[int, bytes]]:
        return self._connection.execute(
            "SELECT time, data FROM sample WHERE time >= ? AND time < ? ORDER BY time DESC LIMIT 1",
            (since, until),
        )

    def before(self, time: int) -> Taken | None:
        """The last sample before, where it is recent."""
        return next(_taken(self._last(time - _BASE_S, time)), None)

    def changes(self, since: int, until: int) -> list[Noted]:
        """In order; the last thousand where there are more."""
        rows = self._connection.execute(
            "SELECT time, kind, words FROM change WHERE time >= ? AND time < ? "
            "ORDER BY id DESC LIMIT ?",
            (since, until, _MOST_CHANGES),
        ).fetchall()
        return [Noted(int(time), str(kind), str(words)) for time, kind, words in reversed(rows)]


def _taken(rows: Iterator[tuple[int, bytes]]) -> Iterator[Taken]:
    for time, data in rows:
        with suppress(ValueError):  # one that is broken is as one that was not taken
            yield Taken(int(time), unpacked(data))


@contextmanager
def reading(path: Path) -> Iterator[HistoryReader]:
    """MmscandError where there is no history, or none that can be read."""
    with opened_to_read(path) as connection:
        yield HistoryReader(connection)


def step_for(since: int, until: int, wanted: int = EVERY_S) -> int:
    """Seconds between samples: as wanted, and no more than MOST_SAMPLES of them."""
    return max(EVERY_S, wanted, -(-(until - since) // MOST_SAMPLES))


def kept_step(age_s: float) -> int:
    """Seconds between samples of this age."""
    return max((step for age, step in KEPT if age_s > age), default=EVERY_S)

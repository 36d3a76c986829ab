"""Frames of a recording: one for each pass over all processes."""

import time
from dataclasses import dataclass

from mmscand.cli.quantities import percent, short_size
from mmscand.errors import UsageError
from mmscand.record.file import Recording
from mmscand.record.row_counts import RowCounts
from mmscand.record.tables import ProcessPass
from mmscand.shown import shown
from mmscand.top.tables import Column, Frame, Row, Table, View

_COLUMNS = (
    Column("PID", 7),
    Column("NAME", 15, right=False),
    Column("FAST", 7),
    Column("SLOW", 7),
    Column("ACCESSED", 8),
    Column("OF IT", 6),
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One process in one pass; 4 KiB pages."""

    pid: int
    name: str
    present: int
    slow: int
    accessed: int
    known: int


class Recorded:
    """See tables.Source. It is read whole at the begin: a few numbers for each pass."""

    past = True

    def __init__(self, recording: Recording, title: str) -> None:
        self._title = title
        self._passes = list(_passes(recording))
        self._place = 0
        head = recording.head[0]
        self._unix_s = int(head["started_unix_ns"]) / 1e9 - int(head["started_ns"]) / 1e9
        if not self._passes:
            raise UsageError("the recording has no pass", hint="record for longer")

    def step(self, moments: int) -> None:
        """See Source."""
        self._place = min(max(0, self._place + moments), len(self._passes) - 1)

    def go_to(self, words: str) -> None:
        """To a pass by its number."""
        if not words.isdecimal() or not 1 <= int(words) <= len(self._passes):
            raise UsageError(
                f"{shown(words)[:40]} is no pass", hint=f"there are 1 to {len(self._passes)}"
            )
        self._place = int(words) - 1

    def frame(self, view: View, pid: int | None) -> Frame:
        """See Source. There are processes alone: `mmscand heat --from` has mappings."""
        at_s, seen = self._passes[self._place]
        when = time.strftime("%H:%M:%S", time.localtime(self._unix_s + at_s))
        present, slow = sum(each.present for each in seen), sum(each.slow for each in seen)
        accessed, known = sum(each.accessed for each in seen), sum(each.known for each in seen)
        head = (
            f"recording {self._title}",
            f"fast {short_size(present - slow)}   slow {short_size(slow)}",
            f"accessed since the pass before: {short_size(accessed)}, "
            f"{percent(accessed / known if known else None)} of what can be reported",
        )
        return Frame(
            f"pass {self._place + 1} of {len(self._passes)}, {when}",
            head,
            Table(_COLUMNS, [_row(each) for each in seen]),
        )

    def command(self, words: str) -> str:
        """See Source."""
        raise UsageError("a recording cannot be changed", hint="`mmscand top` is live")


def _passes(recording: Recording) -> list[tuple[float, list[_Seen]]]:
    counts: dict[tuple[int, int], tuple[int, RowCounts]] = {}
    found: list[tuple[float, list[_Seen]]] = []
    number = -1
    for seen in recording.passes():
        about = seen.about[0]
        if int(about["pass"]) != number:
            number = int(about["pass"])
            found.append((int(about["at_ns"]) * 1e-9, []))
        if not about["left"]:
            found[-1][1].append(_taken(counts, seen))
    return found


def _taken(counts: dict[tuple[int, int], tuple[int, RowCounts]], seen: ProcessPass) -> _Seen:
    about = seen.about[0]
    who, generation = (int(about["pid"]), int(about["start_time"])), int(about["generation"])
    if who not in counts or counts[who][0] != generation:
        counts[who] = generation, RowCounts()
    rows = counts[who][1]
    rows.take(seen)
    name = bytes(about["name"]).decode(errors="replace")
    sums = (rows.present, rows.slow, rows.accessed, rows.known)
    return _Seen(who[0], name, *(int(each.sum()) for each in sums))


def _row(each: _Seen) -> Row:
    share = each.accessed / each.known if each.known else None
    sizes = each.present - each.slow, each.slow, each.accessed
    return Row(
        each.pid,
        (str(each.pid), shown(each.name), *map(short_size, sizes), percent(share)),
        (float(each.pid), each.name, *map(float, sizes), share or 0.0),
    )

"""Frames of the history that mmscand-api keeps: groups of processes, and changes."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from mmscand.cli.quantities import short_size, short_span
from mmscand.errors import UsageError
from mmscand.history.periods import time_of
from mmscand.history.reader import HistoryReader, Taken
from mmscand.shown import shown
from mmscand.top import columns
from mmscand.top.head import head
from mmscand.top.tables import Column, Frame, Row, Table, View

_DAY_S = 86_400
_GROUPS = (
    *columns.PROCESSES[2:9],
    Column("PROCESSES", 9),
    Column("GROUP", 30, right=False),
)
_NONE: Mapping[str, Any] = {"tier_pages": {}, "minute": {}, "slow_by_reason": {}, "pressure": {}}


class Past:
    """See tables.Source."""

    past = True

    def __init__(
        self, reader: HistoryReader, words: str, now: Callable[[], float] = time.time
    ) -> None:
        self._reader = reader
        self._now = now
        self._at = 0
        self.go_to(words)

    def go_to(self, words: str) -> None:
        """See Source."""
        at = time_of(words, self._now())
        if self._sample(at) is None:
            raise UsageError(
                f"nothing was recorded before {shown(words)}", hint="`mmscand history` says when"
            )
        self._at = at

    def _sample(self, at: int) -> Taken | None:
        return self._reader.before(at + 1)

    def step(self, moments: int) -> None:
        """See Source: to the next sample that was kept, whatever is between two of them."""
        for _ in range(abs(moments)):
            here = self._sample(self._at)
            if here is None:
                return
            found = self._next(here.time) if moments > 0 else self._reader.before(here.time)
            if found is None:
                return
            self._at = found.time

    def _next(self, at: int) -> Taken | None:
        return next(self._reader.samples(at + 1, at + _DAY_S), None)

    def frame(self, view: View, pid: int | None) -> Frame:
        """See Source. A process has no place of its own in it: groups are kept."""
        taken = self._sample(self._at)
        if taken is None:
            raise UsageError("nothing was recorded then", hint="go to another time")
        sample, ago = taken.sample, short_span(max(0.0, self._now() - taken.time))
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(taken.time))
        status = _NONE | sample["status"]
        known = {**status, "fast_ratio": status.get("fast_ratio"), "budget": status.get("budget")}
        table = self._changes() if view == "events" else _groups(sample["groups"])
        return Frame(f"{when}, {ago} ago", head(known), table)

    def _changes(self) -> Table:
        noted = self._reader.changes(self._at - _DAY_S, self._at + 1)
        return columns.events((float(each.time), each.words) for each in noted)

    def command(self, words: str) -> str:
        """See Source."""
        raise UsageError("the past cannot be changed", hint="`mmscand top` without --at is live")


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for at, (name, each) in enumerate(groups.items()):
        now, sums = each["now"], each["sums"]
        sizes = [now.get(f"{kind}_pages", 0) for kind in ("fast", "slow", "hot_slow")]
        sizes += [sums.get("promoted", 0), sums.get("demoted", 0)]
        spans = [sums.get("saved_s", 0.0), sums.get("spent_s", 0.0)]
        number = each["processes"]
        cells = (*map(short_size, sizes), *map(short_span, spans), str(number), shown(name))
        rows.append(Row(at, cells, (*map(float, (*sizes, *spans, number)), name)))
    return Table(_GROUPS, rows)

"""Observations of one pass, as tables: what each makes of a page's state, for both tiers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.engine.observation import (
    Place,
    from_access,
    from_silence,
    of_a_changed_page,
)
from mmscand.engine.rate_table import RateTable, span_of, spans_of
from mmscand.engine.unrest import Unrest
from mmscand.heat.word import FAST, STATE
from mmscand.model import BoolArray, FloatArray, StateArray
from mmscand.sets import distinct

_SHORTEST_S = 1e-6
_SATURATED, _FEW = 2500.0, 8.0
"""Accesses a second at the edge from which on the earliest read, 0.2 ms after a clearing, finds the
bits of most hot pages set and of many cold ones too. Each such access says next to nothing of a
rate, so the first eight count as one each: by the exact posterior alone, hot huge pages with 100
accesses a 4K page and second look like all others for two minutes (1.20 to 1.27 of O-cost;
1.00 to 1.22 with it)."""
_SPANS_BASE = 256
"""More than there are spans: two of them make one number."""


def place_of(words: StateArray) -> StateArray:
    """(n,) where each word's state is in a table of both tiers."""
    result: StateArray = words & STATE | (words & FAST) >> np.uint16(1)
    return result


def alike(after: FloatArray, until: FloatArray) -> list[tuple[BoolArray, float, float]]:
    """Rows (n,) that were read at about the same times: which they are, and the first one's."""
    keys = spans_of(after) * _SPANS_BASE + spans_of(until)
    found = []
    for key in distinct(keys).tolist():
        rows = keys == key
        first = int(rows.argmax())
        found.append((rows, float(after[first]), float(until[first])))
    return found


@dataclass(frozen=True, slots=True)
class BothTiers:
    """(2 * STATES,) each, of pages on the slow tier and above them of those on the fast one; see
    observation.Updates.
    """

    estimates: NDArray[np.uint32]
    place: Place


class UpdateTables:
    """Of one process; each table is made once in a pass."""

    def __init__(self, table: RateTable, unrest: Unrest) -> None:
        self._table = table
        self._unrest = unrest
        self._now = self._edge = 0.0
        self._made: dict[tuple[int, int], BothTiers] = {}

    def begin_pass(self, now: float, edge: float | None) -> None:
        """Go by what is known now; `edge` is that of observation.accessed."""
        self._now, self._edge, self._made = now, edge or 0.0, {}

    def accessed(self, after: float, until: float) -> BothTiers:
        """For pages that were accessed between two reads, in s after their bits were cleared."""
        return self._table_of((span_of(after), span_of(until)), after, max(until, _SHORTEST_S))

    def still_clear(self, seconds: float) -> BothTiers:
        """For pages that were not accessed since their bits were cleared."""
        return self._table_of((-1, span_of(seconds)), seconds, None)

    def _table_of(self, key: tuple[int, int], after: float, until: float | None) -> BothTiers:
        """`until` is None for pages that are still clear."""
        if key not in self._made:
            self._made[key] = self._make(after, until)
        return self._made[key]

    def _make(self, after: float, until: float | None) -> BothTiers:
        """What is learned is one for both tiers: they differ in how many pages have changed, and
        not in what makes an observation unlikely (Unrest.doubt).
        """
        table = self._table
        doubts = [self._unrest.doubt(self._now, fast=fast) for fast in (False, True)]
        if until is None:
            learned = from_silence(table, after, doubts[0])
        else:
            few = _FEW if self._edge > _SATURATED else 1.0
            learned = from_access(table, after, until, doubts[0], few)
        tiers = []
        for fast, doubt in enumerate(doubts):
            other = of_a_changed_page(table, after, until, self._edge, fast=bool(fast))
            tiers.append(learned.updates(other, doubt).estimates)
        place = learned.place
        twice = Place(np.tile(place.low, 2), np.tile(place.high, 2))
        return BothTiers(np.concatenate(tiers), twice)

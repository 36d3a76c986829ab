"""Observations of one pass, as tables: what each makes of a page's state, for both tiers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.engine.observation import (
    Doubt,
    Learned,
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
        key, last = (span_of(after), span_of(until)), max(until, _SHORTEST_S)
        if key not in self._made:
            learned = from_access(self._table, after, last, self._doubt(fast=True))
            self._made[key] = self._both(learned, after, last)
        return self._made[key]

    def still_clear(self, seconds: float) -> BothTiers:
        """For pages that were not accessed since their bits were cleared."""
        key = -1, span_of(seconds)
        if key not in self._made:
            learned = from_silence(self._table, seconds, self._doubt(fast=True))
            self._made[key] = self._both(learned, seconds, None)
        return self._made[key]

    def _both(self, learned: Learned, after: float, until: float | None) -> BothTiers:
        """What is learned is one for both tiers: they differ in how many pages have changed."""
        tiers = []
        for fast in (False, True):
            other = of_a_changed_page(self._table, after, until, self._edge, fast=fast)
            tiers.append(learned.updates(other, self._doubt(fast=fast)).estimates)
        place = learned.place
        twice = Place(np.tile(place.low, 2), np.tile(place.high, 2))
        return BothTiers(np.concatenate(tiers), twice)

    def _doubt(self, *, fast: bool) -> Doubt:
        return self._unrest.doubt(self._now, fast=fast)

"""Observations of one pass, as tables: what each makes of a page's state, for both tiers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.engine.observation import Doubt, Place, Updates, accessed, still_clear
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

        def make(doubt: Doubt, fast: bool) -> Updates:
            last = max(until, _SHORTEST_S)
            return accessed(self._table, after, last, doubt, self._edge, fast=fast)

        return self._table_of((span_of(after), span_of(until)), make)

    def still_clear(self, seconds: float) -> BothTiers:
        """For pages that were not accessed since their bits were cleared."""

        def make(doubt: Doubt, fast: bool) -> Updates:
            return still_clear(self._table, seconds, doubt, self._edge, fast=fast)

        return self._table_of((-1, span_of(seconds)), make)

    def _table_of(self, key: tuple[int, int], make: Callable[[Doubt, bool], Updates]) -> BothTiers:
        if key not in self._made:
            slow, fast = (
                make(self._unrest.doubt(self._now, fast=one), one) for one in (False, True)
            )
            self._made[key] = BothTiers(
                np.concatenate((slow.estimates, fast.estimates)),
                Place(
                    np.concatenate((slow.place.low, fast.place.low)),
                    np.concatenate((slow.place.high, fast.place.high)),
                ),
            )
        return self._made[key]

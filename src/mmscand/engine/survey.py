"""Rows that are read again right after their bits were cleared: how often the hottest are accessed.

Visits come at the pace of pages at the edge of the fast tier. By then all hotter pages have their
bit set, so that 20 accesses a second look like 5000. No plan depends on it, as both are above the
edge; the share of accesses that the fast tier serves does, and how much memory is enough.
"""

import random

import numpy as np

from mmscand.heat.word import STATE
from mmscand.model import BoolArray, FloatArray, PageBlock, StateArray, UIntArray

_FIRST_S, _FACTOR, _LAST_S = 1e-4, 3.0, 1.2e-3
"""Reads come 0.1 ms after the clearing, and then after three times as long each, until one came
later than 1.2 ms: the scanner waits for them, and no other visit is to be late by 5 ms."""
_MOST_READS = 4
"""However the clock goes."""
_ROWS = 8
"""4096 pages, which are read and decoded in 8 us. With 64, the first read comes 0.6 ms after the
clearing in simulation, and sizes up to 1/64 of zipf 0.99 at 10 accesses are 10 points too low, with
8 within 4 after two minutes, and within 1 after ten."""
_LEAST_RATE = 1e-3
"""Accesses a second of a row, in lots."""


class Survey:
    """Of one process. Owned by the scanner thread."""

    def __init__(self) -> None:
        self._wanted = False
        self._random = random.Random(1)
        self._rows: UIntArray = np.empty(0, dtype=np.uint64)
        self._cleared = 0.0
        """When their bits were."""
        self._read = 0.0
        """When they were read last."""
        self._reads = 0
        self._is_new = True
        """Whether no row was read again since the latest read was asked for."""

    def begin(self) -> None:
        """Rows of the next block of which a round begins are chosen."""
        self._wanted = True

    def choose(self, block: PageBlock, words: StateArray, rates: FloatArray) -> BoolArray | None:
        """(rows,) rows of the block that are to be read again, for which all bits are cleared; None
        is none. They are drawn by the accesses a second that are expected of them, from `rates`
        (STATES,).
        """
        if not self._wanted or not len(words):
            return None
        weights = (np.nan_to_num(rates)[words & STATE] * (words != 0)).sum(axis=1)
        lots = np.array([self._random.expovariate(1.0) for _ in weights])
        lots /= np.maximum(weights, _LEAST_RATE)
        chosen = np.zeros(len(words), dtype=np.bool_)
        chosen[np.argsort(lots, kind="stable")[:_ROWS]] = True
        self._wanted, self._rows = False, block.addresses[chosen]
        self._reads, self._is_new = 0, True
        return chosen

    def were_cleared(self, at: float) -> None:
        """Bits of the latest block were cleared at this time."""
        self._cleared = at

    def next_read(self) -> tuple[float, UIntArray] | None:
        """When to read which rows (n,) of 2 MiB, by their starts; None when it is over."""
        elapsed = self._read - self._cleared if self._reads else 0.0
        if not len(self._rows) or elapsed > _LAST_S or self._reads >= _MOST_READS:
            return None
        self._is_new = True
        return self._cleared + max(_FIRST_S, _FACTOR * elapsed), self._rows

    def were_read(self, now: float) -> None:
        """Some of the rows were read again: those of several GiB come as several blocks."""
        if self._is_new:
            self._read, self._is_new = now, False
            self._reads += 1

    def end(self) -> None:
        """Nothing is to be read until other rows are chosen."""
        self._wanted, self._rows = False, self._rows[:0]

"""Which rows have the bits cleared in a pass that others keep: others each time.

Of the fast tier these are all bits: such pages are the first that the kernel demotes, until they
are accessed again, and clearing all would cost as much as they are many. So it is a sample, and
ever less of it while nothing changes. Where exposures are apart from periods it is the same of the
slow tier after a calm, for pages that were not accessed in their latest observation: all that was
used in between would be cleared for each exposure. What is certain is not disturbed.
"""

import numpy as np

from mmscand.model import HUGE_PAGE_BYTES, BoolArray, PageNumbers, UIntArray

_FIRST, _MOST, _STEADY = 4, 64, 16
"""One row in four, and half as many after each 16 passes without a change, down to one in 64."""
_CALM = 32
"""Passes without a change before slow-tier pages are left alone out of turn. Soon after one, all
that is known of them may be wanted at once."""
_LEAST_ROWS = 8
"""At least this number, of a process that has them: a change of what is hot shows there first."""
_GROUPS = 4 * _MOST
"""Of much memory neighbours have the same turn: a pass then reads few regions, and no more than a
64th of all is watched by chance in one place."""


class Turns:
    """Of one address space; a row is known by its address."""

    def __init__(self, *, may_spare: bool = True) -> None:
        self._may_spare = may_spare
        self.number = 0
        """Of the pass under way."""
        self._every = self._every_before = _FIRST
        self._group = self._group_before = 1
        self._told = (_FIRST, 1)
        """Of the pass that is over: one row in how many, and their group."""
        self._changed_at = 0
        self.apart = self.apart_told = False
        """Whether the exposure of this pass began by clearing bits, so that others have collected
        for longer; and that of the pass that is over.
        """
        self._spared = self.spared_before = self.spared_told = False
        """See `spares`: whether this pass did so, whether it was so of some of the bits that it
        reads, and of some that the pass before has read."""

    @property
    def averages(self) -> bool:
        """Whether what leaves registers in this pass goes into averages: every other observation,
        which is half the work and reaches back twice as far.

        Turns come at equal distances. Where pages are observed in theirs alone, it is every other
        turn.
        """
        in_turns = self.apart or self.spared_before
        turns = self.number // self._every_before if in_turns else 0
        return (self.number + turns) % 2 == 0

    def now(self, rows: UIntArray) -> BoolArray:
        """(n,) rows that are sampled in this pass."""
        return _turn(rows, self._every, self._group, self.number)

    def before(self, rows: UIntArray) -> BoolArray:
        """(n,) rows that were sampled in the pass before, so that this one tells of all of them."""
        return _turn(rows, self._every_before, self._group_before, self.number - 1)

    def to_clear(self, rows: UIntArray) -> BoolArray:
        """(n,) rows that have to be cleared for this pass, if it is to tell of them."""
        return self.now(rows) if self._restarted else self.before(rows)

    def cleared(self) -> None:
        """Those were. Where it cannot be done, a pass tells of what the one before has cleared."""
        self.apart = True
        self._spared = self.spared_before = self.spares
        if self._restarted:
            self._every_before = self._group_before = 1

    @property
    def opens(self) -> bool:
        """Whether this pass is the first, and bits were cleared before it."""
        return self.apart and not self.number

    @property
    def spares(self) -> bool:
        """Whether bits of the slow tier are left alone out of turn, when an exposure begins."""
        return self._may_spare and self.number - self._changed_at >= _CALM

    @property
    def _restarted(self) -> bool:
        """Whether this pass is the first after a change: no other samples all rows."""
        return self._every == 1

    def told(self, rows: UIntArray) -> BoolArray:
        """(n,) rows of which the pass that is over has told all."""
        return _turn(rows, *self._told, self.number - 2)

    def next(self, rows: UIntArray) -> PageNumbers:
        """(n,) number of the next pass in which there is something to see of each."""
        ahead: PageNumbers = -(_groups(rows, self._group) + self.number) % self._every
        return self.number + np.where(ahead == 0, 1, ahead)

    def end_pass(self, rows: int) -> None:
        """A pass over this number of rows is over."""
        # Where the next pass does not begin by clearing, it may read what this one has left.
        self.spared_told, self.spared_before, self._spared = self.spared_before, self._spared, False
        self.apart_told, self.apart = self.apart, False
        self.number += 1
        self._told = self._every_before, self._group_before
        self._every_before, self._group_before = self._every, self._group
        steady = min((self.number - self._changed_at) // _STEADY, _MOST)
        most = min(max(_FIRST, rows // _LEAST_ROWS), _MOST)
        self._every, self._group = min(_FIRST << steady, most), max(1, rows // _GROUPS)

    def end_calm(self) -> None:
        """More may have become hot: sample as much as after a change."""
        self._changed_at = self.number

    def restart(self) -> None:
        """Something changed: the next pass tells of all, if their bits are cleared before it."""
        self._every = 1
        self._changed_at = self.number


def _turn(rows: UIntArray, every: int, group: int, number: int) -> BoolArray:
    """(n,) whose turn it is in a pass of that number, one group of rows in `every`."""
    mine: BoolArray = (_groups(rows, group) + number) % every == 0
    return mine


def _groups(rows: UIntArray, size: int) -> PageNumbers:
    return (rows // np.uint64(HUGE_PAGE_BYTES * size)).astype(np.intp)

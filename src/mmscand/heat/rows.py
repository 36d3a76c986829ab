"""History of the rows (2 MiB) of one region (1 GiB), and which of them rest.

A row in which nothing was accessed is looked at ever more rarely: after 2, 4, up to 32 passes. Its
bits stay clear meanwhile, so that an access is seen, only later; then the row is looked at in each
pass again, and so are the others of its region.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.heat.state import cold, in_use
from mmscand.model import (
    HUGE_PAGE_BYTES,
    NO_FRAME,
    REGION_BYTES,
    BoolArray,
    PageBlock,
    PageNumbers,
    StateArray,
    UIntArray,
)
from mmscand.sets import among

_ROW = np.dtype(
    [
        ("number", "<i8"),  # of the region's rows
        ("frames", "<u8", 2),  # the first slow and the first fast one, or NO_FRAME: its nodes
        ("slots", "<u2", 2),  # on the slow tier, and on the fast one
        ("quiet", "?"),  # nothing in it was accessed when it was looked at last
        ("level", "<u2"),  # it rests for 2**level passes; 0 is not at all
        ("due", "<i4"),  # number of the pass that looks at it
        ("seen", "<i4"),  # number of the pass that has looked at it last
        ("cleared", "<f8"),  # time in s of the latest clearing of its bits ...
        ("read", "<f8"),  # ... of the latest read ...
        ("next", "<f8"),  # ... and from which on it is to be read again (heat.watch_history)
        ("coldest", "<f4"),  # least accesses a second of its fast-tier pages
    ]
)
_MOST_LEVEL = 5
"""32 passes: what was cold costs a thirtieth of what is active, and a passing glance at 32 rows
finds one within a pass."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Those of a region that have slots of one size."""

    about: NDArray[np.void]
    """(n,) _ROW, in the order of their numbers."""
    words: StateArray
    """(n, width) states, with the frame's bits above them."""

    @classmethod
    def none(cls, width: int) -> "Rows":
        """Without rows."""
        return cls(np.empty(0, dtype=_ROW), np.empty((0, width), dtype=np.uint16))

    @classmethod
    def of(cls, block: PageBlock, kept: BoolArray, words: StateArray, turn: int) -> "Rows":
        """As a pass saw them."""
        about = np.zeros(len(words), dtype=_ROW)
        about["number"], about["seen"], about["due"] = numbers_of(block.addresses), turn, turn
        for tier, mask in enumerate((block.slow, kept & ~block.slow)):
            about["frames"][:, tier] = _first(block.frames, mask)
            about["slots"][:, tier] = np.count_nonzero(mask, axis=1)
        return cls(about, words)

    @property
    def numbers(self) -> PageNumbers:
        """Which rows of the region these are, ascending."""
        numbers: PageNumbers = self.about["number"]
        return numbers

    def where(self, mask: BoolArray) -> "Rows":
        """Some of them, copied, so that the memory of the others is given back."""
        return Rows(self.about[mask], self.words[mask])

    def place(self, numbers: PageNumbers) -> tuple[PageNumbers, BoolArray]:
        """Where these are (0 where they are not), and whether they are there."""
        place = np.searchsorted(self.numbers, numbers)
        place[place == len(self.about)] = 0
        if not len(self.about):
            return place, np.zeros(len(numbers), dtype=np.bool_)
        return place, self.numbers[place] == numbers

    def at(self, numbers: PageNumbers) -> StateArray:
        """Words of these rows; zero of rows that have no history."""
        if np.array_equal(self.numbers, numbers):
            return self.words
        place, known = self.place(numbers)
        words = np.zeros((len(numbers), self.words.shape[1]), dtype=np.uint16)
        words[known] = self.words[place[known]]
        return words

    def updated(self, new: "Rows") -> "Rows":
        """With what is new of some rows, in place where all of them are known; empty ones go."""
        some = new.about["slots"].any(axis=1)
        if some.all() and np.array_equal(self.numbers, new.numbers):
            return new
        place, known = self.place(new.numbers)
        if known.all() and some.all():
            self.about[place], self.words[place] = new.about, new.words
            return self
        others = ~among(self.numbers, new.numbers)
        about = np.concatenate((self.about[others], new.about[some]))
        order = np.argsort(about["number"])
        words = np.concatenate((self.words[others], new.words[some]))
        return Rows(about[order], words[order])

    def let_rest(self, new: "Rows", block: PageBlock, region: int, next_turn: PageNumbers) -> bool:
        """Say how long the rows of `new` rest now: longer each time, as long as nothing happens.

        Rows that are all on the fast tier and in use rest until it is their turn to be sampled, in
        the pass `next_turn` (n,): until then their bits cannot tell anything new. The answer is
        whether one that rested was accessed.
        """
        place, known = self.place(new.numbers)
        level = np.zeros(len(known), dtype=np.int64)
        level[known] = self.about["level"][place[known]]
        quiet: BoolArray = np.logical_not(block.accessed.any(axis=1))
        new.about["quiet"] = quiet
        fresh = np.flatnonzero(quiet & (level == 0))
        quiet[fresh] = cold(new.words[fresh]).all(axis=1)
        surprise = bool((~quiet & (level > 0)).any())
        level = np.where(quiet, np.minimum(level + 1, _MOST_LEVEL), 0)
        # Regions that went cold together are not looked at together.
        early = region * _SCATTER % np.maximum(1, (1 << level) >> 1)
        about = new.about
        about["level"], about["due"] = level, new.about["seen"] + (1 << level) - early
        hot = (about["slots"][:, 0] == 0) & in_use(new.words).all(axis=1)
        about["due"][hot] = next_turn[hot]
        return surprise

    def wake(self, which: BoolArray | None = None) -> None:
        """Look at them, or some of them, in the next pass."""
        mask = np.ones(len(self.about), dtype=np.bool_) if which is None else which
        self.about["level"][mask] = self.about["due"][mask] = self.about["next"][mask] = 0

    @property
    def addresses(self) -> UIntArray:
        """First address of each row, counted from the region's start."""
        addresses: UIntArray = self.about["number"].astype(np.uint64) * np.uint64(HUGE_PAGE_BYTES)
        return addresses


_SCATTER = 40503
"""Fibonacci hashing: neighbours are far from each other."""


def numbers_of(addresses: UIntArray) -> PageNumbers:
    """Row of its region that each address belongs to."""
    return (addresses % np.uint64(REGION_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)


def _first(frames: UIntArray, mask: BoolArray) -> UIntArray:
    """The first frame of each row that is in the mask; NO_FRAME where none is."""
    frame = frames[np.arange(len(mask)), mask.argmax(axis=1)]
    result: UIntArray = np.where(mask.any(axis=1), frame, np.uint64(NO_FRAME))
    return result

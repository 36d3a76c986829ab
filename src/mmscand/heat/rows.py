"""What is known of the rows (2 MiB) of one part (16 GiB) of an address space."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

TAG = np.uint16(0xF000)
"""The bits of a word that come from the frame's number; the others are its state."""
PART_BYTES = 16 * REGION_BYTES
"""Of an address space, whose rows are one table: a call of numpy takes microseconds, however few
rows there are, so windows of neighbouring regions are taken in as one. Larger parts have more to
copy (9 MiB) when a row is mapped or unmapped."""
_PIECE_ROWS = 128
_COLUMNS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "number": ("i8", ()),  # of the part's rows
    "frames": ("u8", (2,)),  # the first slow and the first fast one, or NO_FRAME: its nodes
    "slots": ("u2", (2,)),  # on the slow tier, and on the fast one
    "seen": ("i4", ()),  # number of the pass that has read it last
    # Of heat.watch_history alone:
    "level": ("u2", ()),  # in how many rounds in a row it was quiet
    "cleared": ("f8", ()),  # time in s of the latest clearing of its bits ...
    "read": ("f8", ()),  # ... of the latest read ...
    "next": ("f8", ()),  # ... and from which on it is to be read again
    "coldest": ("f4", ()),  # least accesses a second of its fast-tier pages
}


class About:
    """What is known of rows as a whole: an array (n, ...) for each name of `_COLUMNS`.

    One after another in memory, and not a row after another: a pass compares the times of all
    rows, of 64 GiB 32 768, and finds rows by their numbers.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        self._columns = columns

    @classmethod
    def zeros(cls, rows: int) -> "About":
        """Of this number of rows."""
        return cls({name: np.zeros((rows, *of), kind) for name, (kind, of) in _COLUMNS.items()})

    def __len__(self) -> int:
        return len(self._columns["number"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __setitem__(self, name: str, values: object) -> None:
        self._columns[name][...] = values

    def where(self, which: BoolArray | PageNumbers) -> "About":
        """Some of them, copied."""
        return About({name: values[which] for name, values in self._columns.items()})

    def put(self, place: PageNumbers, new: "About") -> None:
        """Replace those at these places."""
        for name, values in self._columns.items():
            values[place] = new[name]

    def joined_to(self, new: "About") -> "About":
        """With these after them."""
        return About(
            {name: np.concatenate((old, new[name])) for name, old in self._columns.items()}
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Those of a part that have slots of one size."""

    about: About
    """Of n rows, in the order of their numbers."""
    words: StateArray
    """(n, width) states, with the frame's bits above them."""

    @classmethod
    def none(cls, width: int) -> "Rows":
        """Without rows."""
        return cls(About.zeros(0), np.empty((0, width), dtype=np.uint16))

    @classmethod
    def of(cls, block: PageBlock, kept: BoolArray, words: StateArray, number: int) -> "Rows":
        """As the pass of this number saw them."""
        about = About.zeros(len(words))
        about["number"], about["seen"] = numbers_of(block.addresses), number
        for tier, mask in enumerate((block.slow, kept & ~block.slow)):
            about["frames"][:, tier] = _first(block.frames, mask)
            about["slots"][:, tier] = np.count_nonzero(mask, axis=1)
        return cls(about, words)

    @property
    def numbers(self) -> PageNumbers:
        """Which rows of the part these are, ascending."""
        numbers: PageNumbers = self.about["number"]
        return numbers

    def where(self, mask: BoolArray) -> "Rows":
        """Some of them, copied, so that the memory of the others is given back."""
        return Rows(self.about.where(mask), self.words[mask])

    def place(self, numbers: PageNumbers) -> tuple[PageNumbers, BoolArray]:
        """Where these are (0 where they are not), and whether they are there."""
        place = np.searchsorted(self.numbers, numbers)
        place[place == len(self.about)] = 0
        if not len(self.about):
            return place, np.zeros(len(numbers), dtype=np.bool_)
        return place, self.numbers[place] == numbers

    def at(self, place: PageNumbers, known: BoolArray) -> StateArray:
        """Words of the rows of one `place`; zero of rows that have no history. The words themselves
        where that is all of them.
        """
        if len(place) == len(self.about) and known.all():
            return self.words
        words = np.zeros((len(place), self.words.shape[1]), dtype=np.uint16)
        words[known] = self.words[place[known]]
        return words

    def updated(self, new: "Rows") -> "Rows":
        """With what is new of some rows, in place where all of them are known; empty ones go."""
        some: BoolArray = np.logical_or.reduce(new.about["slots"], axis=1)
        if some.all() and np.array_equal(self.numbers, new.numbers):
            return new
        place, known = self.place(new.numbers)
        if (known == some).all():  # none comes and none goes
            self.about.put(place[known], new.about.where(known))
            self.words[place[known]] = new.words[known]
            return self
        others: BoolArray = ~among(self.numbers, new.numbers)
        about = self.about.where(others).joined_to(new.about.where(some))
        order = np.argsort(about["number"])
        words = np.concatenate((self.words[others], new.words[some]))
        return Rows(about.where(order), words[order])

    def wake(self, which: BoolArray | None = None) -> None:
        """Read them, or some of them, in the next pass."""
        mask = np.ones(len(self.about), dtype=np.bool_) if which is None else which
        self.about["level"][mask] = self.about["next"][mask] = 0

    @property
    def addresses(self) -> UIntArray:
        """First address of each row, counted from the part's start."""
        addresses: UIntArray = self.about["number"].astype(np.uint64) * np.uint64(HUGE_PAGE_BYTES)
        return addresses


def pieces(rows: PageNumbers) -> Iterator[PageNumbers]:
    """These rows (n,), 128 at a time: what is worked out for all words of a part takes 40 MiB."""
    for first in range(0, len(rows), _PIECE_ROWS):
        yield rows[first : first + _PIECE_ROWS]


def numbers_of(addresses: UIntArray) -> PageNumbers:
    """Row of its part that each address belongs to."""
    return (addresses % np.uint64(PART_BYTES) // np.uint64(HUGE_PAGE_BYTES)).astype(np.intp)


def _first(frames: UIntArray, mask: BoolArray) -> UIntArray:
    """The first frame of each row that is in the mask; NO_FRAME where none is."""
    frame = frames[np.arange(len(mask)), mask.argmax(axis=1)]
    result: UIntArray = np.where(mask.any(axis=1), frame, np.uint64(NO_FRAME))
    return result

"""One address space of a recording, summed up row by row (2 MiB), never page by page.

A piece is what is summed: one row, or several neighbours where a recording has very many.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmscand.heatmap.model import Sum
from mmscand.heatmap.names import NamedMappings
from mmscand.model import HUGE_PAGE_BYTES, ByteArray, PageNumbers, UIntArray
from mmscand.record.tables import ProcessPass, Table

Counts = NDArray[np.float32]
_LOOKED = (Sum.TOLD, Sum.SLOW, Sum.PRESENT)


@dataclass
class SpaceSums:
    """Layout and accesses of one address space, look by look."""

    named: NamedMappings
    grain: int = 0
    """2 ** grain rows (2 MiB) are a piece."""
    frames: dict[int, Counts] = field(default_factory=dict)
    """(4, pieces so far) by the number of the look."""
    numbers: UIntArray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    """(rows,) addresses / 2 MiB, ascending."""
    keys: UIntArray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    """(pieces,) `numbers` of the first row of each, shifted by `grain`, in the order in which they
    came."""
    _pages: NDArray[np.int64] = field(default_factory=lambda: np.empty((3, 0), dtype=np.int64))
    """(3, rows) 4 KiB pages of each row: of which bits tell something, slow ones, all."""
    _size: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """(rows,) 4 KiB pages a slot."""
    _piece: PageNumbers = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    """(rows,) which piece each row is part of."""
    _total: NDArray[np.float64] = field(default_factory=lambda: np.empty((3, 0)))
    """(3, pieces) sums of `_pages`."""
    _seen: bool = False

    def take(self, seen: ProcessPass, look: int) -> None:
        """A pass, as part of a look."""
        self.named.take(seen)
        told_before = self._total[0]
        self._lay_out(seen.layout)
        frame = np.zeros((4, len(self.keys)), dtype=np.float32)
        frame[1:] = self._total
        # Of pages that are new, and in the first pass of all, nothing is known yet.
        frame[Sum.TOLD, : len(told_before)] = np.minimum(
            told_before, self._total[0, : len(told_before)]
        )
        frame[Sum.TOLD, len(told_before) :] = 0
        if not self._seen:
            frame[Sum.TOLD] = 0
        elif len(seen.accessed):
            self._count(seen.accessed, frame)
        self._seen = True
        self._add(look, frame)

    def _add(self, look: int, frame: Counts) -> None:
        before = self.frames.get(look)
        if before is not None:
            frame[:, : before.shape[1]] += before
        self.frames[look] = frame

    def _count(self, accessed: Table, frame: Counts) -> None:
        rows, known = self._rows(accessed["address"])
        counts = _ones(accessed["accessed"])[known] * self._size[rows[known]]
        pieces = self._piece[rows[known]]
        heat = np.bincount(pieces, weights=counts, minlength=len(self.keys))
        # An access is one of a page of which something is told.
        frame[Sum.HEAT] = heat
        np.maximum(frame[Sum.TOLD], np.minimum(heat, self._total[0]), out=frame[Sum.TOLD])

    def _rows(self, addresses: UIntArray) -> tuple[PageNumbers, NDArray[np.bool_]]:
        wanted = addresses // np.uint64(HUGE_PAGE_BYTES)
        rows = np.searchsorted(self.numbers, wanted)
        rows[rows == len(self.numbers)] = 0
        if not len(self.numbers):
            return rows, np.zeros(len(wanted), dtype=np.bool_)
        return rows, self.numbers[rows] == wanted

    def _lay_out(self, layout: Table) -> None:
        if not len(layout):
            return
        numbers = layout["address"] // np.uint64(HUGE_PAGE_BYTES)
        _, known = self._rows(layout["address"])
        if not known.all():
            self._insert(np.unique(numbers[~known]))
        rows, _ = self._rows(layout["address"])
        size = layout["pages_per_slot"].astype(np.int64)
        stuck, present = layout["stuck"], layout["present"]
        pages = np.stack([_ones(present & ~stuck), _ones(layout["slow"]), _ones(present)]) * size
        change = pages - self._pages[:, rows]
        self._pages[:, rows], self._size[rows] = pages, size
        self._total += _joined(change, self._piece[rows], len(self.keys))

    def _insert(self, numbers: UIntArray) -> None:
        """Rows that are new, ascending."""
        at = np.searchsorted(self.numbers, numbers)
        self.numbers = np.insert(self.numbers, at, numbers)
        self._pages = np.insert(self._pages, at, 0, axis=1)
        self._size = np.insert(self._size, at, 1)
        self._piece = np.insert(self._piece, at, self._pieces_of(numbers))
        grown = len(self.keys) - self._total.shape[1]
        self._total = np.pad(self._total, ((0, 0), (0, grown)))

    def _pieces_of(self, numbers: UIntArray) -> PageNumbers:
        """Of these rows; those that there are not yet are made."""
        wanted = numbers >> np.uint64(self.grain)
        there = np.isin(wanted, self.keys)
        self.keys = np.concatenate((self.keys, np.unique(wanted[~there])))
        order = np.argsort(self.keys)
        return np.asarray(order[np.searchsorted(self.keys[order], wanted)], dtype=np.intp)

    def coarsen(self) -> None:
        """Two pieces that are neighbours become one."""
        self.grain += 1
        self.keys, piece = np.unique(self.keys >> np.uint64(1), return_inverse=True)
        self._piece = piece[self._piece]
        self._total = _joined(self._total, piece, len(self.keys))
        for look, frame in self.frames.items():
            self.frames[look] = _joined(frame, piece, len(self.keys)).astype(np.float32)

    def halve_looks(self) -> None:
        """Two looks that follow each other become one."""
        frames, self.frames = self.frames, {}
        for look, frame in sorted(frames.items()):
            self._add(look // 2, frame)

    def left(self, look: int) -> None:
        """The process has exited: it has no memory from this look on."""
        self._total[:] = 0
        self.frames.setdefault(look, np.zeros((4, len(self.keys)), dtype=np.float32))

    def labels(self, nameless: str) -> list[str]:
        """(pieces,) what the mapping of each is called, see `names.labels_of`."""
        first = np.full(len(self.keys), len(self.numbers), dtype=np.intp)
        np.minimum.at(first, self._piece, np.arange(len(self.numbers)))
        return self.named.labels(self.numbers[first], nameless)


def _ones(bits: ByteArray) -> NDArray[np.int64]:
    """(rows,) how many bits are set in rows of 64 bytes."""
    words = np.ascontiguousarray(bits).view("<u8")
    ones: NDArray[np.int64] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return ones


def _joined(counts: NDArray[Any], piece: PageNumbers, pieces: int) -> NDArray[np.float64]:
    """(k, pieces) sums of `counts` (k, n) over those of each piece (n,); it may lack the last."""
    piece = piece[: counts.shape[1]]
    return np.stack([np.bincount(piece, weights=each, minlength=pieces) for each in counts])

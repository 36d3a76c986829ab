"""One address space of a recording, summed up piece by piece.

A piece is what is summed: one row of 2 MiB, or neighbours where a recording has very many.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmscand.heatmap.model import Sum
from mmscand.model import PageNumbers, UIntArray
from mmscand.record.mappings import NamedMappings
from mmscand.record.row_counts import RowCounts
from mmscand.record.tables import ProcessPass

Sums = NDArray[np.float32]


class Frame(NamedTuple):
    """One look, or several that became one."""

    sums: Sums
    """(4, pieces so far) over its passes."""
    passes: int


@dataclass
class SpaceSums:
    """Layout and accesses of one address space, look by look."""

    grain: int = 0
    """2 ** grain rows (2 MiB) are a piece."""
    named: NamedMappings = field(default_factory=NamedMappings)
    frames: dict[int, Frame] = field(default_factory=dict)
    """By the number of the look."""
    keys: UIntArray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    """(pieces,) number of the first row of each, shifted by `grain`, in the order in which they
    came."""
    _rows: RowCounts = field(default_factory=RowCounts)
    _piece: PageNumbers = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    """(rows,) which piece each row is part of."""

    def take(self, seen: ProcessPass, look: int) -> None:
        """A pass, as part of a look."""
        self.named.take(seen)
        rows = self._rows
        if rows.take(seen):
            self._piece = self._pieces_of(rows.numbers)
        # In the order of Sum.
        counts = np.stack((rows.accessed, rows.known, rows.slow, rows.present))
        self._add(look, Frame(_joined(counts, self._piece, len(self.keys)), 1))

    def _add(self, look: int, frame: Frame) -> None:
        before = self.frames.get(look)
        if before is not None:
            frame.sums[:, : before.sums.shape[1]] += before.sums
            frame = Frame(frame.sums, frame.passes + before.passes)
        self.frames[look] = frame

    def _pieces_of(self, numbers: UIntArray) -> PageNumbers:
        """(rows,) of these rows; those that there are not yet are made."""
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
        for look, frame in self.frames.items():
            joined = _joined(frame.sums, piece[: frame.sums.shape[1]], len(self.keys))
            self.frames[look] = Frame(joined, frame.passes)

    def halve_looks(self) -> None:
        """Two looks that follow each other become one."""
        frames, self.frames = self.frames, {}
        for look, frame in sorted(frames.items()):
            self._add(look // 2, frame)

    def left(self, look: int) -> None:
        """The process has exited: it has no memory from this look on."""
        self._rows.left()
        nothing = np.zeros((len(Sum), len(self.keys)), dtype=np.float32)
        self.frames.setdefault(look, Frame(nothing, 1))

    def labels(self, nameless: str) -> list[str]:
        """(pieces,) what the mapping of each is called, see `mappings.labels_of`."""
        first = np.full(len(self.keys), len(self._piece), dtype=np.intp)
        np.minimum.at(first, self._piece, np.arange(len(self._piece)))
        return self.named.labels(self._rows.numbers[first], nameless)


def _joined(counts: NDArray[Any], piece: PageNumbers, pieces: int) -> Sums:
    """(k, pieces) sums of `counts` (k, n) over those of each piece (n,)."""
    sums = [np.bincount(piece, weights=each, minlength=pieces) for each in counts]
    return np.stack(sums).astype(np.float32)

"""How hot each row of 2 MiB is: for people, when they ask."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from mmscand.heat.hotness import known
from mmscand.heat.rows import Rows, pieces
from mmscand.model import ByteArray, FloatArray, PageNumbers, UIntArray

Unit = Literal["rate", "passes"]
"""Accesses a second and page, or in how many of the last six passes a page was accessed."""
_KNOWN_BITS = np.uint64(10)
"""A row has 512 slots at most."""
_KNOWN = np.uint64((1 << 10) - 1)
_FRACTION = 64.0
"""Heat is summed in such parts of its unit: the least rate of a word is an access in 500 s, which
counts for none, and 512 pages of the highest take 32 bits."""

_MOST_WORDS = 1 << 22
"""16 GiB of 4K pages, 40 ms. Of a larger process a sample is looked at, of each row."""


@dataclass(frozen=True, slots=True)
class RowHeat:
    """Of one address space, (n,) each, in the order of their addresses."""

    addresses: UIntArray
    heat: FloatArray
    """Sum over the row's 4 KiB pages of which it is known."""
    known: PageNumbers
    """4 KiB pages of which it is known."""
    slow: PageNumbers
    fast: PageNumbers
    """4 KiB pages on each tier, as of the latest look at them."""


def row_heat(parts: Iterable[tuple[int, int, Rows]], code: ByteArray, heat: FloatArray) -> RowHeat:
    """Of parts, by first address and 4 KiB pages a slot.

    Of more than 4 Mi words heat is that of a sample. `code` (a power of two,) is what each word
    says, see heat.hotness, and `heat` how hot it is.
    """
    table = (np.rint(heat * _FRACTION) * known(code)).astype(np.uint64) << _KNOWN_BITS | known(code)
    found, kept = list(parts), np.uint16(len(code) - 1)
    step = _step(sum(rows.words.size for _, _, rows in found))
    made = [_Part.none(), *(_part(*each, table, kept, step) for each in found)]
    columns = [np.concatenate(each) for each in zip(*made, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return RowHeat(*(column[order] for column in columns))


class _Part(NamedTuple):
    """As RowHeat, of one part."""

    addresses: UIntArray
    heat: FloatArray
    known: PageNumbers
    slow: PageNumbers
    fast: PageNumbers

    @classmethod
    def none(cls) -> "_Part":
        counts = np.empty(0, dtype=np.intp)
        return cls(np.empty(0, dtype=np.uint64), np.empty(0), counts, counts, counts)


def _part(
    start: int, pages: int, rows: Rows, table: UIntArray, kept: np.uint16, step: int
) -> _Part:
    words = rows.words[:, ::step]
    each = pages * rows.words.shape[1] / max(1, words.shape[1])
    sums = np.zeros(len(words), dtype=np.uint64)
    for some in pieces(np.arange(len(words))):
        sums[some] = table.take(words[some] & kept).sum(axis=1, dtype=np.uint64)
    slots = rows.about["slots"].astype(np.intp) * pages
    heat = (sums >> _KNOWN_BITS) / _FRACTION * each
    known = np.rint((sums & _KNOWN) * each).astype(np.intp)
    return _Part(rows.addresses + np.uint64(start), heat, known, slots[:, 0], slots[:, 1])


def _step(words: int) -> int:
    """From one word that is looked at to the next: odd, so that it finds no pattern of programs."""
    return -(-words // _MOST_WORDS) | 1 if words > _MOST_WORDS else 1

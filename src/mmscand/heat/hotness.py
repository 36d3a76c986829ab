"""Pages by how many of the remembered passes accessed them: for people, when they ask."""

from collections.abc import Callable, Iterable

import numpy as np

from mmscand.heat.rows import Rows
from mmscand.heat.state import PASSES
from mmscand.model import NO_FRAME, BoolArray, ByteArray, IntArray, PageNumbers, UIntArray
from mmscand.sets import distinct

NOT_COUNTED = np.uint8(PASSES + 1)
_TIER = PASSES + 2
"""Codes of the fast tier begin here."""


def codes(passes: ByteArray, counted: BoolArray, fast: BoolArray) -> ByteArray:
    """(n,) what a word says, in a byte: its passes and its tier."""
    return np.where(counted, passes, NOT_COUNTED).astype(np.uint8) + np.uint8(_TIER) * fast


def known(code: ByteArray) -> BoolArray:
    """(n,) of which codes anything is known."""
    result: BoolArray = code % np.uint8(_TIER) != NOT_COUNTED
    return result


def hotness(
    regions: Iterable[tuple[int, Rows]],
    code: ByteArray,
    nodes_of: Callable[[UIntArray], IntArray],
) -> dict[int, list[int]]:
    """For each node, 4 KiB pages by the number of remembered passes that accessed them.

    `regions` are pages a slot, and rows; `code` (a power of two,) is the code of each word without
    the bits above. Without pages whose bits mean nothing. A row (2 MiB) counts for the node of its
    first page on a tier. 2 ns a page.
    """
    total: dict[int, list[int]] = {}
    for pages, rows in regions:
        found = code.take(rows.words & np.uint16(len(code) - 1))
        for tier, first in enumerate((0, _TIER)):
            frames = rows.about["frames"][:, tier]
            there = np.flatnonzero(frames != NO_FRAME)
            nodes = nodes_of(frames[there])
            for node in distinct(nodes).tolist():
                mine = there[nodes == node]
                own = found if len(mine) == len(found) else found[mine]
                before = total.get(node, [0] * (PASSES + 1))
                counts = (np.count_nonzero(own == first + n) for n in range(PASSES + 1))
                total[node] = [b + int(n) * pages for b, n in zip(before, counts, strict=True)]
    return total


def by_tier(kinds: PageNumbers, some: PageNumbers, code: ByteArray) -> list[list[int]]:
    """The same for the slow and for the fast tier, from the pages (n,) of each word, and the words
    (m,) that have pages.

    Nothing for a tier without pages.
    """
    pages = np.bincount(code[some], weights=kinds[some], minlength=2 * _TIER).astype(np.intp)
    return [tier[: PASSES + 1].tolist() if tier.any() else [] for tier in pages.reshape(2, -1)]

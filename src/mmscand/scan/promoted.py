"""A sample of the pages that were promoted: which are used again, and which were demoted again.

The Accessed bits of top-tier pages stay set, where nobody clears them. A quarter of the sample is
aged in each pass, another one each time, and looked at in the next: a page takes part in every
fourth pass. As in scan.node_use, to age more would cost more and make what is aged the first to
go. Policies age pages too; what they have aged is looked at as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.model import PAGE_BYTES, BoolArray, PageBlock, UIntArray
from mmscand.sets import among

_MOST_SLOTS = 1024
"""A share from 256 of them, those of one turn, is right within 3 points (one sigma)."""
TURNS = 4
_PAGE = np.dtype(
    [
        ("address", "<u8"),
        ("pages", "<u4"),
        ("judged", "<u4"),  # pass in which it was looked at after it had been aged
        ("aged", "?"),
        ("again", "?"),
        ("there", "?"),
    ]
)
_HASH = np.uint64(0x9E3779B97F4A7C15)
"""Fibonacci hashing (Knuth 6.4): which pages are in the sample does not go by their neighbours."""


@dataclass(slots=True)
class Looked:
    """What a block shows, in 4 KiB pages of all that were promoted, so far as the sample goes."""

    to_age: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Rows and columns of the block's slots whose bit is to be cleared."""
    judged: int
    """Slots of the sample that were aged before: the evidence. Not scaled."""
    accessed: int
    """Accessed in a pass, which stands for the passes since the one before."""
    again: int
    """Of these, for the first time since their promotion."""
    returned: int
    """On the slow tier again."""


class PromotedSample:
    """Of one process."""

    def __init__(self) -> None:
        self._pages: NDArray[np.void] = np.empty(0, dtype=_PAGE)
        self._step = 1
        """One in this number of promoted slots is in the sample; a power of two."""
        self._turn = 0

    def __len__(self) -> int:
        return len(self._pages)

    def join(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """These were promoted, before the pass that begins now."""
        addresses = addresses[_hash(addresses) % np.uint64(self._step) == 0]
        new = np.zeros(len(addresses), dtype=_PAGE)
        new["address"], new["pages"], new["there"] = addresses, pages_per_slot, True
        new["judged"] = self._turn
        others = ~among(self._pages["address"], addresses)
        pages = np.concatenate((self._pages[others], new))
        while len(pages) > _MOST_SLOTS:
            self._step *= 2
            pages = pages[_hash(pages["address"]) % np.uint64(self._step) == 0]
        self._pages = pages[np.argsort(pages["address"])]

    def look(self, block: PageBlock, aged: BoolArray, *, more: bool = True) -> Looked | None:
        """Take what a pass saw of them; None where none is in the block.

        `aged` are the slots whose bit is cleared anyway before the next look; `more` says whether
        others may be.
        """
        step = np.uint64(block.pages_per_slot * PAGE_BYTES)
        width = block.present.shape[1]
        end = block.addresses[-1] + step * np.uint64(width)
        first, last = np.searchsorted(self._pages["address"], [block.addresses[0], end])
        rows = np.searchsorted(block.addresses, self._pages["address"][first:last], "right") - 1
        offsets = self._pages["address"][first:last] - block.addresses[rows]
        inside = np.flatnonzero(offsets < step * np.uint64(width))
        if not len(inside):
            return None
        at = rows[inside], (offsets[inside] // step).astype(np.intp)
        return self._judge(block, at, first + inside, aged[at], more)

    def _judge(
        self,
        block: PageBlock,
        at: tuple[NDArray[np.intp], NDArray[np.intp]],
        which: NDArray[np.intp],
        cleared: BoolArray,
        more: bool,
    ) -> Looked:
        """`at` are rows and columns of the block, `which` the entries of the sample there."""
        pages, slow = self._pages[which], block.slow[at]
        fast = block.present[at] & ~slow
        judged = fast & pages["aged"]
        accessed = judged & block.accessed[at]
        again = accessed & ~pages["again"]
        turn = np.uint64(self._turn)
        mine = fast & ((_hash(pages["address"]) // np.uint64(self._step) + turn) % TURNS == 0)
        mine &= more
        passes = np.maximum(self._turn - pages["judged"].astype(np.intp), TURNS)
        pages["judged"][judged] = self._turn
        pages["again"] |= accessed
        pages["there"], pages["aged"] = fast, mine | fast & cleared
        self._pages[which] = pages
        to_age = mine & block.accessed[at]
        return Looked(
            (at[0][to_age], at[1][to_age]),
            int(np.count_nonzero(judged)),
            self._scaled(pages, accessed, passes),
            self._scaled(pages, again),
            self._scaled(pages, slow),
        )

    def _scaled(
        self, pages: NDArray[np.void], which: BoolArray, times: NDArray[np.intp] | int = 1
    ) -> int:
        return int((pages["pages"] * times)[which].sum()) * self._step

    def drop(self, addresses: UIntArray) -> None:
        """Their bits cannot be cleared, and so say nothing."""
        if len(addresses):
            self._pages = self._pages[~among(self._pages["address"], addresses)]

    def end_pass(self, rests: Callable[[UIntArray], BoolArray] | None = None) -> None:
        """A whole pass is over: what it did not meet on the top tier is gone.

        But for addresses (n,) that it has not looked at, as `rests` says.
        """
        there = self._pages["there"]
        if rests is not None and not there.all():
            there[~there] = rests(self._pages["address"][~there])
        self._pages = self._pages[there]
        self._pages["there"] = False
        self._turn += 1


def _hash(addresses: UIntArray) -> UIntArray:
    return (addresses // np.uint64(PAGE_BYTES) * _HASH) >> np.uint64(32)

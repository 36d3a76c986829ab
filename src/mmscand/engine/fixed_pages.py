"""A fixed set of 4 KiB pages as a policy sees them: blocks of a region each, without a machine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    PageBlock,
    PageNumbers,
    Process,
    UIntArray,
)

_PAGES_PER_REGION = REGION_BYTES // PAGE_BYTES


@dataclass(slots=True)
class InstantRoom:
    """See policy.ranking.Room: pages move at once."""

    pages: int = 0
    coming = 0

    def queued(self, process: Process) -> tuple[int, int]:
        """See Room."""
        return 0, 0


class FixedPages:
    """In whole page tables; pages beyond their number are not present."""

    def __init__(self, pages: int) -> None:
        rows = -(-pages // PAGES_PER_TABLE)
        numbers = np.arange(rows * PAGES_PER_TABLE, dtype=np.uint64)
        self._frames: UIntArray = numbers * np.uint64(PAGE_BYTES)
        self.present: BoolArray = numbers < pages

    def renew(self, pages: PageNumbers) -> None:
        """These were freed, and others are mapped in their place: their frames are others."""
        self._frames[pages] ^= np.uint64(PAGE_BYTES)

    def _padded(self, mask: BoolArray) -> BoolArray:
        """A mask of the pages (pages,), false beyond them."""
        result = np.zeros_like(self.present)
        result[: len(mask)] = mask
        return result

    def blocks(self, bits: BoolArray, fast: BoolArray) -> Iterator[tuple[int, PageBlock]]:
        """The number of the first page of each region, and its block. `bits` (pages,) are the
        Accessed bits, `fast` (pages,) are on the fast tier.
        """
        slow = self.present & ~self._padded(fast)
        accessed = self.present & self._padded(bits)
        for first in range(0, len(slow), _PAGES_PER_REGION):
            pages = slice(first, first + _PAGES_PER_REGION)
            frames = self._frames[pages].reshape(-1, PAGES_PER_TABLE)
            masks = (each[pages] for each in (self.present, accessed, slow))
            rows = [mask.reshape(-1, PAGES_PER_TABLE) for mask in masks]
            start = np.uint64(REGION_BYTES + first * PAGE_BYTES)
            tables = np.arange(len(frames), dtype=np.uint64)
            addresses = start + tables * np.uint64(HUGE_PAGE_BYTES)
            yield first, PageBlock(addresses, 1, frames, rows[0], rows[1], rows[2])

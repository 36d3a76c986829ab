"""What is inside hot huge pages of the slow tier: they have one Accessed bit for 512 pages.

A sample of them is split, and after some observations of their 4K pages each is judged. Where a few
parts are hot it stays small: the policy promotes these as it does any 4K pages, and the rest stays.
Else it is made huge again, and promoted whole. Hot huge pages wait for the first judgement. Where
most are sparse, all that become hot are split before they are promoted.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np

from mmscand.machine import AddressSpace
from mmscand.model import (
    PAGES_PER_TABLE,
    BoolArray,
    PageBlock,
    UIntArray,
    VmaFlag,
    VmaTable,
)
from mmscand.policy.interface import Held
from mmscand.scan.huge_opinion import HugeOpinion
from mmscand.scan.huge_watch import HugeWatch
from mmscand.sets import among

_MOST_SAMPLED = 16
"""By 16 the share of sparse ones is known within a quarter. To make them huge again takes 80 ms."""
_SHARE = 100
"""And at most one in this number of huge pages, but at least one."""
_NONE: UIntArray = np.empty(0, dtype=np.uint64)


class HugeLook:
    """Of one process. Owned by the scanner thread."""

    def __init__(self, space: AddressSpace, on_list: Callable[[UIntArray], BoolArray]) -> None:
        """`on_list`: which slots wait for the migrator."""
        self.enabled = False
        self._space = space
        self._on_list = on_list
        self.forget()

    def forget(self) -> None:
        """The process has another address space."""
        self._opinion = HugeOpinion()
        self._watch = HugeWatch()
        self._to_split: UIntArray = _NONE
        """Addresses in the block that was taken in last."""
        self._whole: UIntArray = _NONE
        """Sorted addresses of huge pages to promote whole: evenly hot, or they cannot be split."""
        self._waiting: UIntArray = _NONE
        """Sorted addresses of huge pages that were hot and wait to be split."""
        self._seen = [0, 0]
        """Huge pages that this pass has met so far, and that the last one has."""

    def held(self, block: PageBlock, held: Held | None) -> Held | None:
        """With huge pages that wait to be split: nothing is to make way for these as they are."""
        if block.pages_per_slot != PAGES_PER_TABLE or not len(self._waiting):
            return held
        waits = among(block.addresses, self._waiting)[:, None]
        if held is None:
            return Held(waits, np.zeros_like(waits)) if waits.any() else None
        return Held(held.slots | waits, held.due & ~waits)

    def watches(self, block: PageBlock) -> bool:
        """Whether parts of split huge pages in it are observed."""
        return len(self._watch.rows(block)) > 0

    def to_age(self, block: PageBlock) -> BoolArray | None:
        """Slots whose bit has to be cleared for another observation of them; None is none.

        The policy does not clear those that it knows well enough.
        """
        if not len(rows := self._watch.rows(block)):
            return None
        result = np.zeros_like(block.accessed)
        result[rows] = block.accessed[rows]
        return result

    def cleared(self, block: PageBlock) -> None:
        """Bits of all of these rows that are on watch were cleared, where they were set."""
        if len(rows := self._watch.rows(block)):
            self._watch.cleared(block.addresses[rows])

    def take(self, block: PageBlock, up: BoolArray, vmas: VmaTable, now: float) -> BoolArray:
        """Slots that may be promoted of those that are to be; `act` handles the others."""
        if block.pages_per_slot == PAGES_PER_TABLE:
            return self._take_huge(block, up, vmas, now)
        if len(rows := self._watch.rows(block)):
            self._watch.see(block, rows)
            up = up.copy()
            up[rows] = False
        return up

    def act(self, block: PageBlock, counts: Counter[str], now: float) -> None:
        """Split huge pages, and make others again: after their block was aged, as it was read."""
        if len(self._to_split):
            self._split(counts, now)
        if len(rows := self._watch.rows(block)):
            self._judge(block.addresses[rows], counts, now)

    @property
    def hurries(self) -> bool:
        """Whether hot huge pages wait for what visits to the sample will show."""
        return self.enabled and len(self._watch) > 0 and not self._opinion.is_known

    def end_pass(self, now: float) -> None:
        """All of the process was visited."""
        self._seen = [0, self._seen[0]]
        self._watch.drop_lost(now)

    def _take_huge(self, block: PageBlock, up: BoolArray, vmas: VmaTable, now: float) -> BoolArray:
        self._seen[0] += int(np.count_nonzero(block.present))
        self._watch.drop(block.addresses)  # khugepaged was first, and has set all of their bits
        waited = among(block.addresses, self._waiting)
        wanted = up[:, 0] | (waited & (block.slow & block.accessed)[:, 0])
        self._waiting = self._waiting[~among(self._waiting, block.addresses)]
        if not self.enabled or not wanted.any():
            return up
        wanted &= _is_private(block, vmas) & ~among(block.addresses, self._whole)
        self._to_split = self._chosen(block.addresses, wanted, now)
        chosen = among(block.addresses, self._to_split)
        back = wanted if self._opinion.keeps_back(now) else chosen
        if self._opinion.are_sparse:
            self._waiting = _both(self._waiting, block.addresses[wanted & ~chosen])
        return up & ~back[:, None]

    def _chosen(self, addresses: UIntArray, wanted: BoolArray, now: float) -> UIntArray:
        """Addresses (n,) of the hot huge pages of a block that are split now."""
        number = self._opinion.may_split(now)
        if not self._opinion.are_sparse:
            sample = max(1, min(_MOST_SAMPLED, max(self._seen) // _SHARE))
            # Of each block its share: the beginning of a heap may be unlike the rest.
            share = -(-sample * len(addresses) // max(1, *self._seen))
            number = min(number, share, sample - len(self._watch))
        if number <= 0 or not wanted.any():
            return _NONE
        hot = addresses[wanted]
        hot = hot[~self._on_list(hot)]
        spread = np.arange(min(number, len(hot))) * len(hot) // max(1, min(number, len(hot)))
        result: UIntArray = hot[spread]
        return result

    def _judge(self, addresses: UIntArray, counts: Counter[str], now: float) -> None:
        """Of these (n,), that are on watch, some stay small from now on, others are made huge."""
        sparse, even = self._watch.findings(addresses)
        ready = self._watch.ready(addresses, now) | (not self.enabled)
        again = np.flatnonzero(ready & ~sparse)[: self._opinion.may_collapse(now)]
        even_ones = addresses[again[even[again]]]
        small = addresses[ready & sparse]
        self._opinion.judged(now, sparse=len(small), even=len(even_ones))
        self._watch.drop(np.concatenate((small, addresses[again])))
        if len(again):
            self._collapse(addresses[again], even_ones, counts, now)

    def _split(self, counts: Counter[str], now: float) -> None:
        addresses, self._to_split = self._to_split, _NONE
        done = self._space.split(addresses)
        counts["split"] += int(np.count_nonzero(done)) * PAGES_PER_TABLE
        counts["unresized"] += int(np.count_nonzero(~done)) * PAGES_PER_TABLE
        self._opinion.has_split(len(addresses), now, any_done=bool(done.any()))
        self._watch.add(addresses[done], now)
        self._whole = _both(self._whole, addresses[~done])

    def _collapse(
        self, addresses: UIntArray, even: UIntArray, counts: Counter[str], now: float
    ) -> None:
        """`even` are those of them that are promoted whole from now on."""
        done = self._space.collapse(addresses)
        counts["collapsed"] += int(np.count_nonzero(done)) * PAGES_PER_TABLE
        counts["unresized"] += int(np.count_nonzero(~done)) * PAGES_PER_TABLE
        self._opinion.has_collapsed(len(addresses), now, any_done=bool(done.any()))
        self._whole = _both(self._whole, addresses[done & among(addresses, even)])


def _both(some: UIntArray, others: UIntArray) -> UIntArray:
    """Sorted addresses, with others."""
    return np.sort(np.concatenate((some, others)), kind="stable")


def _is_private(block: PageBlock, vmas: VmaTable) -> BoolArray:
    """(rows,) of anonymous memory: only that is split here and made huge again."""
    flags = vmas.flags[vmas.index_of(block.addresses)]
    result: BoolArray = flags & np.uint16(VmaFlag.SHARED | VmaFlag.FILE) == 0
    return result

"""Huge pages of a simulated machine that are split into 4K pages, and made of them again.

A SimVma has pages of one size, so a mapping of both is several of them.
"""

from collections.abc import Callable

import numpy as np

from mmscand.model import PAGES_PER_TABLE, BoolArray, PageNumbers, UIntArray
from mmscand.sim.memory import PhysicalMemory
from mmscand.sim.nodes import FrameNumbers
from mmscand.sim.process import SimProcess, SimVma

_Convert = Callable[[SimVma], SimVma]


class PageSizes:
    """Not for several threads at once: the machine has a lock."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory

    def split(self, process: SimProcess, addresses: UIntArray) -> tuple[BoolArray, list[SimVma]]:
        """Which of the huge pages are small now, and the mappings of the process after it."""
        return self._resized(process, addresses, self._can_be_split, _small, PAGES_PER_TABLE)

    def collapse(self, process: SimProcess, addresses: UIntArray) -> tuple[BoolArray, list[SimVma]]:
        """Which of them are huge now, and the mappings of the process after it."""
        return self._resized(process, addresses, self._can_be_huge, self._huge, 1)

    def _resized(
        self,
        process: SimProcess,
        addresses: UIntArray,
        may: Callable[[SimVma, PageNumbers], BoolArray],
        convert: _Convert,
        pages_per_slot: int,
    ) -> tuple[BoolArray, list[SimVma]]:
        """`convert` those of `pages_per_slot` that `may` be."""
        done = np.zeros(len(addresses), dtype=np.bool_)
        after = {place: [vma] for place, vma in enumerate(process.vmas)}
        for place, vma, which, slots in process.located(addresses):
            if vma.pages_per_slot == pages_per_slot:
                rows = slots // vma.width
                mine = may(vma, rows) & (not vma.unaged)
                done[which] = mine
                after[place] = _parts(vma, rows[mine], convert)
        return done, [part for parts in after.values() for part in parts]

    def _can_be_split(self, vma: SimVma, rows: PageNumbers) -> BoolArray:
        result: BoolArray = (vma.frame_numbers[rows, 0] != 0) & ~vma.shared_at(rows)
        return result

    def _can_be_huge(self, vma: SimVma, rows: PageNumbers) -> BoolArray:
        """All 512 are there, nobody holds one, and there are whole 2 MiB for them."""
        slots = np.add.outer(rows * vma.width, np.arange(vma.width))
        numbers = vma.frame_numbers.reshape(-1)[slots]
        held = vma.shared_at(slots.reshape(-1)) | vma.pinned_at(slots.reshape(-1))
        result: BoolArray = (numbers != 0).all(axis=1) & ~held.reshape(slots.shape).any(axis=1)
        for node in self._memory.topology.nodes:
            mine = np.flatnonzero(result & (self._home(numbers) == node.id))
            result[mine[self._memory.whole(node.id) :]] = False
        return result

    def _home(self, numbers: FrameNumbers) -> PageNumbers:
        """(rows,) the node with most of the frames (rows, 512)."""
        ids = [node.id for node in self._memory.topology.nodes]
        counts = [np.count_nonzero(self._memory.nodes_of(numbers) == node, axis=1) for node in ids]
        result: PageNumbers = np.array(ids, dtype=np.intp)[np.argmax(counts, axis=0)]
        return result

    def _huge(self, small: SimVma) -> SimVma:
        """One huge page for each row; what was copied counts as accessed (mk_huge_pmd)."""
        homes = self._home(small.frame_numbers)
        huge = small.part(0, len(homes))
        huge.frame_numbers = np.zeros((len(homes), 1), dtype=np.uint32)
        for node in np.unique(homes).tolist():
            mine = homes == node
            huge.frame_numbers[mine, 0] = self._memory.take_whole(node, int(mine.sum()))
        self._memory.release(small.frame_numbers.reshape(-1), 1)
        slow = np.isin(homes, sorted(self._memory.topology.slow))[:, None]
        return _with(huge, PAGES_PER_TABLE, np.ones_like(slow), slow)


def _small(huge: SimVma) -> SimVma:
    """512 4K pages for each huge page, where it was; all have its Accessed bit."""
    small = huge.part(0, len(huge.frame_numbers))
    inside = np.arange(PAGES_PER_TABLE, dtype=np.uint32)
    small.frame_numbers = np.add.outer(huge.frame_numbers[:, 0], inside)
    wide = [np.repeat(each, PAGES_PER_TABLE, axis=1) for each in (huge.accessed, huge.slow)]
    return _with(small, 1, *wide)


def _with(part: SimVma, pages_per_slot: int, accessed: BoolArray, slow: BoolArray) -> SimVma:
    part.pages_per_slot, part.accessed, part.slow = pages_per_slot, accessed, slow
    part.forget_marks()
    return part


def _parts(vma: SimVma, rows: PageNumbers, convert: _Convert) -> list[SimVma]:
    """The mapping in parts: those rows converted, the others as they are.

    A caller that still has the old one finds nothing mapped in the rows that were converted.
    """
    mask = np.zeros(len(vma.frame_numbers), dtype=np.bool_)
    mask[rows] = True
    ends = [*(np.flatnonzero(np.diff(mask)) + 1).tolist(), len(mask)]
    parts, first = [], 0
    for last in ends:
        part = vma.part(first, last)
        parts.append(convert(part) if mask[first] else part)
        first = last
    vma.frame_numbers[mask] = 0
    return parts

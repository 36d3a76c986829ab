"""Processes of a simulated machine, and what they do to their memory."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    MappingNames,
    PageNumbers,
    Process,
    UIntArray,
    VmaFlag,
)
from mmscand.sim.nodes import FrameNumbers


class SimVma:
    """A private mapping that starts and ends at 2 MiB borders; one array entry a slot.

    All arrays have shape (rows, width) as a PageBlock's: 6 bytes a slot, and what is rare has none
    before it is first asked for.
    """

    def __init__(
        self, start: int, pages_per_slot: int, frame_numbers: FrameNumbers, *, slow: bool
    ) -> None:
        self.start = start
        self.pages_per_slot = pages_per_slot
        self.frame_numbers = frame_numbers
        """0 where nothing is mapped."""
        self.accessed: BoolArray = np.ones(frame_numbers.shape, dtype=np.bool_)
        """Clear where nothing is mapped."""
        self.slow: BoolArray = np.full(frame_numbers.shape, slow, dtype=np.bool_)
        """On a slow-tier node."""
        self.row_addresses: UIntArray = np.uint64(start) + np.arange(
            len(frame_numbers), dtype=np.uint64
        ) * np.uint64(HUGE_PAGE_BYTES)
        self.mapping = start
        """Parts of one mapping, of pages of different sizes, have the same number here."""
        self.flags = VmaFlag.READ | VmaFlag.WRITE
        self.name = b""
        """As /proc/PID/maps would have it."""
        self.unaged = False
        """Aging does not take it."""
        self.policy: frozenset[int] | None = None
        """Nodes that it is bound to; None is any."""
        self.holes: BoolArray | None = None
        """Slots that were unmapped."""
        self._shared: BoolArray | None = None
        self._pinned: BoolArray | None = None

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.frame_numbers) * HUGE_PAGE_BYTES

    @property
    def resident_pages(self) -> int:
        """4 KiB pages, holes included."""
        return self.frame_numbers.size * self.pages_per_slot

    @property
    def slot_bytes(self) -> int:
        """Of each slot."""
        return self.pages_per_slot * PAGE_BYTES

    @property
    def width(self) -> int:
        """Slots of a row."""
        return PAGES_PER_TABLE // self.pages_per_slot

    @property
    def shared(self) -> BoolArray:
        """Which slots other processes map too; to be set."""
        if self._shared is None:
            self._shared = np.zeros(self.accessed.shape, dtype=np.bool_)
        return self._shared

    @property
    def pinned(self) -> BoolArray:
        """Which slots somebody holds, so that they cannot be moved; to be set."""
        if self._pinned is None:
            self._pinned = np.zeros(self.accessed.shape, dtype=np.bool_)
        return self._pinned

    def part(self, first: int, last: int) -> "SimVma":
        """Its rows from `first` to before `last`, as a view: a change of either is one of both."""
        part = copy(self)
        part.start = self.start + first * HUGE_PAGE_BYTES
        for name in ("frame_numbers", "accessed", "slow", "row_addresses"):
            setattr(part, name, getattr(self, name)[first:last])
        for name in ("holes", "_shared", "_pinned"):
            if getattr(self, name) is not None:
                setattr(part, name, getattr(self, name)[first:last])
        return part

    def forget_marks(self) -> None:
        """It has pages of another size: no slot is a hole, shared or pinned."""
        self.holes = self._shared = self._pinned = None

    def slots(self, addresses: UIntArray) -> PageNumbers:
        """Which slot holds each of these, counted from the start of the mapping."""
        size = np.uint64(self.slot_bytes)
        return ((addresses - np.uint64(self.start)) // size).astype(np.intp)

    def shared_at(self, slots: PageNumbers) -> BoolArray:
        """Of these slots."""
        return _at(self._shared, slots)

    def pinned_at(self, slots: PageNumbers) -> BoolArray:
        """Of these slots."""
        return _at(self._pinned, slots)

    def touch(self, slots: PageNumbers | slice) -> None:
        """Set Accessed bits."""
        holes = self.holes
        self.accessed.reshape(-1)[slots] = True if holes is None else ~holes.reshape(-1)[slots]

    def age(self, rows: PageNumbers, which: BoolArray) -> None:
        """Clear Accessed bits of `which` (rows, width) slots of some rows, but of shared ones."""
        mine = which if self._shared is None else which & ~self._shared[rows]
        slots = np.add.outer(rows * self.width, np.arange(self.width))[mine]
        self.accessed.reshape(-1)[slots] = False  # and no other: somebody may be setting those

    def fill(self, slots: PageNumbers, numbers: FrameNumbers, *, slow: bool) -> None:
        """Holes that are touched: each has a frame now."""
        self.frame_numbers.reshape(-1)[slots] = numbers
        self.accessed.reshape(-1)[slots] = True
        self.slow.reshape(-1)[slots] = slow
        if self.holes is not None:
            self.holes.reshape(-1)[slots] = False

    def unmap(self, slots: PageNumbers) -> FrameNumbers:
        """Leave holes; the frames that were there."""
        numbers: FrameNumbers = self.frame_numbers.reshape(-1)[slots]
        if self.holes is None:
            self.holes = np.zeros(self.accessed.shape, dtype=np.bool_)
        self.holes.reshape(-1)[slots] = True
        for array in (self.frame_numbers, self.accessed, self.slow):
            array.reshape(-1)[slots] = 0
        mapped: FrameNumbers = numbers[numbers != 0]
        return mapped


def _at(marks: BoolArray | None, slots: PageNumbers) -> BoolArray:
    if marks is None:
        return np.zeros(len(slots), dtype=np.bool_)
    found: BoolArray = marks.reshape(-1)[slots]
    return found


@dataclass(slots=True)
class SimProcess:
    """A process: its mappings, and whether it still lives."""

    process: Process
    vmas: list[SimVma] = field(default_factory=list)
    """Ascending."""
    generation: int = 1
    space: int = 0
    """Number of its address space, which other processes may have too."""
    ppid: int = 1
    uid: int = 1000
    cgroup: str = "/"
    cpuset: frozenset[int] | None = None
    """Nodes that it may use; None is all."""
    unseen_use: str = ""
    """Why accesses leave no trace in its page tables."""
    alive: bool = True
    cpu_ns: int = 1

    def vma_of(self, address: int) -> SimVma | None:
        """The mapping that holds an address."""
        place = bisect_right(self.vmas, address, key=lambda vma: vma.start) - 1
        return self.vmas[place] if place >= 0 and address < self.vmas[place].end else None

    def located(
        self, addresses: UIntArray
    ) -> Iterator[tuple[int, SimVma, PageNumbers | slice, PageNumbers]]:
        """Mappings that hold some of these: place, mapping, which addresses, and their slots."""
        if not len(addresses):
            return
        lowest, highest = int(addresses.min()), int(addresses.max())
        for place, vma in enumerate(list(self.vmas)):
            if vma.start <= lowest and highest < vma.end:
                yield place, vma, slice(None), vma.slots(addresses)
            elif vma.start <= highest and lowest < vma.end:
                inside = (addresses >= np.uint64(vma.start)) & (addresses < np.uint64(vma.end))
                if len(which := np.flatnonzero(inside)):
                    yield place, vma, which, vma.slots(addresses[which])

    def mapping_names(self) -> MappingNames:
        """As the world set them."""
        joined = [list(parts) for _, parts in groupby(self.vmas, lambda vma: vma.mapping)]
        return MappingNames(
            np.array([parts[0].start for parts in joined], dtype=np.uint64),
            np.array([parts[-1].end for parts in joined], dtype=np.uint64),
            tuple(parts[0].name for parts in joined),
        )

    def run(self) -> None:
        """Take some CPU time."""
        self.cpu_ns += 1000

    def touch(self, address: int, pages: Iterable[int] | NDArray[np.integer]) -> None:
        """Access pages, counted from an address: what a program does. Unmapped ones are left alone.

        A range without gaps costs next to nothing, an array 10 ns a page.
        """
        self.run()
        if isinstance(pages, range) and pages.step == 1:
            self._touch_range(address + pages.start * PAGE_BYTES, address + pages.stop * PAGE_BYTES)
            return
        numbers = pages if isinstance(pages, np.ndarray) else np.array([*pages], dtype=np.int64)
        addresses = np.uint64(address) + numbers.astype(np.uint64) * np.uint64(PAGE_BYTES)
        for _, vma, _, slots in self.located(addresses):
            vma.touch(slots)

    def _touch_range(self, start: int, end: int) -> None:
        for vma in self.vmas:
            first, last = max(start, vma.start), min(end, vma.end)
            if first < last:
                size = vma.slot_bytes
                vma.touch(slice((first - vma.start) // size, -(-(last - vma.start) // size)))

"""Physical memory of a simulated machine: frames, watermarks, and moves between nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from mmscand.model import PAGES_PER_TABLE, BoolArray, IntArray, PageNumbers, Topology
from mmscand.sim.nodes import FrameNumbers, Frames
from mmscand.sim.process import SimVma

_LEAST_KB, _MOST_KB = 128, 262_144


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Free pages of a node, in 4 KiB. A machine without any uses its last page."""

    min: int = 0
    """This number is not handed out."""
    low: int = 0
    """With fewer, the kernel begins to make room."""
    high: int = 0
    """With this number it stops."""


def kernel_watermarks(pages: int) -> Watermarks:
    """Those of a node that is the whole memory of a machine, with the kernel's own settings.

    calculate_min_free_kbytes and __setup_per_zone_wmarks (mm/page_alloc.c), and
    watermark_scale_factor 10: of 64 GiB that is 32 MiB, 97 MiB and 163 MiB.
    """
    least = min(max(isqrt(pages * 4 * 16), _LEAST_KB), _MOST_KB) // 4
    step = max(least // 4, pages // 1000)
    return Watermarks(least, least + step, least + 2 * step)


class PhysicalMemory:
    """Of all nodes. Not for several threads at once: the machine has a lock."""

    def __init__(self, topology: Topology, watermarks: Mapping[int, Watermarks]) -> None:
        self.topology = topology
        self.watermarks = {n.id: watermarks.get(n.id, Watermarks()) for n in topology.nodes}
        self._frames = Frames(topology)

    def free(self, node: int) -> int:
        """Pages that are not in use."""
        return self._frames.pages(node)

    def fill_cache(self, node: int, pages: int) -> None:
        """Programs read this number of pages of files, of those that are free."""
        self._frames.fill_cache(node, min(pages, self.free(node)))

    def cached(self, node: int) -> int:
        """Pages of files."""
        return self._frames.cached(node)

    def drop_cache(self, node: int, free: int) -> None:
        """The kernel gives up pages of files until this number is free."""
        self._frames.drop_cache(node, free)

    def above_high(self, node: int) -> int:
        """Pages that may go to the node without pushing it under its high watermark."""
        return max(0, self.free(node) - self.watermarks[node].high)

    def map(self, start: int, slots: int, pages_per_slot: int, node: int) -> SimVma:
        """A fresh mapping; ValueError when the node has no room for all of it."""
        leave = self.watermarks[node].min
        numbers = self._frames.allocate(node, slots, pages_per_slot, leave=leave)
        if len(numbers) < slots:
            self.release(numbers, pages_per_slot)
            raise ValueError(f"node {node} has no room for {slots * pages_per_slot} pages")
        rows = numbers.reshape(-1, PAGES_PER_TABLE // pages_per_slot)
        return SimVma(start, pages_per_slot, rows, slow=node in self.topology.slow)

    def fill(self, vma: SimVma, slots: PageNumbers, node: int, leave: int) -> PageNumbers:
        """Fresh memory for the first of these holes, as many as fit with `leave` pages left."""
        new = self._frames.allocate(node, len(slots), vma.pages_per_slot, leave=leave)
        filled = slots[: len(new)]
        vma.fill(filled, new, slow=node in self.topology.slow)
        return filled

    def release(self, numbers: FrameNumbers, pages_per_slot: int) -> None:
        """Take frames back."""
        self._frames.release(numbers, pages_per_slot)

    def whole(self, node: int) -> int:
        """How many huge pages can be made on a node."""
        return self._frames.whole(node)

    def take_whole(self, node: int, slots: int) -> FrameNumbers:
        """(slots,) first frames of huge pages, of which `whole` says that they are there."""
        return self._frames.allocate(node, slots, PAGES_PER_TABLE)

    def nodes_of(self, numbers: FrameNumbers) -> IntArray:
        """Node of each frame, shape as `numbers`; -1 where there is none."""
        return self._frames.nodes_of(numbers)

    def on(self, node: int, numbers: FrameNumbers) -> BoolArray:
        """Which of these are frames of the node."""
        return self._frames.on(node, numbers)

    def relocate(self, vma: SimVma, slots: PageNumbers, node: int, leave: int) -> int:
        """Move the first of these slots, as many as fit with `leave` pages left; how many."""
        new = self._frames.allocate(node, len(slots), vma.pages_per_slot, leave=leave)
        numbers, moved = vma.frame_numbers.reshape(-1), slots[: len(new)]
        self._frames.release(numbers[moved], vma.pages_per_slot)
        numbers[moved] = new
        vma.slow.reshape(-1)[moved] = node in self.topology.slow
        return len(moved)

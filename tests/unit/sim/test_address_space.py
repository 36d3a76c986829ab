"""What the contract suite does not ask: snapshots, cut mappings, arrays as arguments."""

import errno

import numpy as np
import pytest

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    UIntArray,
    VmaTable,
)
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

PAGES = 4 * PAGES_PER_TABLE
START = 2 * REGION_BYTES


class World:
    """Two mappings around a border of regions, on the slow node."""

    def __init__(self, *, fast_pages: int = 8192, huge: bool = False) -> None:
        self.machine = SimMachine(sim_topology((0,), (1,), {0: fast_pages, 1: 8192}))
        self.sim = self.machine.spawn(100)
        self.before = self.machine.map(self.sim, START - 2 * HUGE_PAGE_BYTES, 1024, 1)
        self.vma = self.machine.map(self.sim, START, PAGES, 1, huge=huge)
        self.space = self.machine.open(self.sim.process)

    def asked(self, *ranges: tuple[int, int]) -> VmaTable:
        """Of pages, counted from START."""
        starts, ends = (
            np.array([START + pages[end] * PAGE_BYTES for pages in ranges], dtype=np.uint64)
            for end in (0, 1)
        )
        return VmaTable(starts, ends, np.full(len(ranges), 3, dtype=np.uint16))

    def present(self, *ranges: tuple[int, int]) -> list[int]:
        """Pages that a pass over these finds, from START."""
        found: list[int] = []
        for window in self.space.read(self.asked(*ranges)):
            for block in window.blocks:
                assert not (block.accessed & ~block.present).any()
                assert not (block.slow & ~block.present).any()
                found += addresses_to_pages(block.slot_addresses(block.present))
        return found


def addresses_to_pages(addresses: UIntArray) -> list[int]:
    return ((addresses.astype(np.int64) - START) // PAGE_BYTES).tolist()


def addresses_of(pages: list[int]) -> UIntArray:
    return np.array([START + page * PAGE_BYTES for page in pages], dtype=np.uint64)


def test_what_is_aged_and_moved_later_does_not_show_in_a_window() -> None:
    world = World()
    (window,) = world.space.read(world.asked((0, PAGES)))
    (block,) = window.blocks
    frames = world.vma.frame_numbers[0, 5]
    world.space.age(block, block.accessed, world.space.vmas())
    world.space.move(addresses_of([5]), 0)
    assert block.accessed.all()
    assert block.slow.all()
    assert block.frames[0, 5] == int(frames) * PAGE_BYTES
    assert not world.vma.accessed.any()


def test_only_what_was_asked_for_is_present() -> None:
    world = World()
    assert world.present((3, 5), (600, 1025)) == [3, 4, *range(600, 1025)]
    assert world.present((-3, 2)) == [-3, -2, -1, 0, 1]
    assert world.present((0, PAGES)) == list(range(PAGES))


def test_rows_that_nobody_asked_for_are_not_read() -> None:
    world = World()
    rows = [(0, 512), (1024, 1536)]
    (window,) = world.space.read(world.asked(*rows))
    assert [int(row) for row in window.blocks[0].addresses] == [START, START + 2 * HUGE_PAGE_BYTES]
    assert window.pages == 1024


def test_windows_end_at_regions_and_hold_a_block_for_each_slot_size() -> None:
    world = World(huge=True)
    world.machine.map(world.sim, START + REGION_BYTES // 2, 512, 1)
    windows = list(world.space.read(world.space.vmas()))
    assert [(w.start, w.end) for w in windows] == [
        (START - REGION_BYTES, START),
        (START, START + REGION_BYTES),
    ]
    assert [[b.pages_per_slot for b in window.blocks] for window in windows] == [[1], [512, 1]]


def test_unmapped_pages_are_not_there_and_their_frames_are_free() -> None:
    world = World()
    free = world.machine.free_pages(1)
    world.machine.unmap(world.sim, addresses_of([3, 4, 1000]))
    assert world.machine.free_pages(1) == free + 3
    world.sim.touch(START, range(PAGES))
    every = sorted(set(range(PAGES)) - {3, 4, 1000})
    assert world.present((0, PAGES)) == every
    assert world.space.nodes(addresses_of([3, 5])).tolist() == [-errno.ENOENT, 1]
    assert world.space.move(addresses_of([3, 5]), 0).tolist() == [-errno.ENOENT, 0]
    world.machine.exit(world.sim)
    assert (world.machine.free_pages(0), world.machine.free_pages(1)) == (8192, 8192)


def test_each_page_that_does_not_move_has_its_reason() -> None:
    world = World(fast_pages=512)
    world.machine.map(world.machine.spawn(200), START, 512, 0)
    world.machine.unmap(world.machine.process(200), addresses_of([0, 1, 2]))
    world.vma.pinned[0, 1] = True
    world.vma.shared[0, 2] = True
    pages = addresses_of([9, 1, 2, 3, 3, 4, 8, 4 * 4096])
    status = world.space.move(pages, 0).tolist()
    full, busy, denied = -errno.ENOMEM, -errno.EBUSY, -errno.EACCES
    assert status == [full, busy, denied, 0, 0, 0, 0, -errno.EFAULT]
    assert world.space.move(pages[:4], 1).tolist() == [1, 1, 1, 1]  # who is there is not asked


def test_one_call_moves_pages_of_several_mappings() -> None:
    world = World()
    pages = addresses_of([700, -1, 0])
    assert world.space.move(pages, 0).tolist() == [0, 0, 0]
    assert world.space.nodes(addresses_of([-2, -1, 0, 1, 700])).tolist() == [1, 0, 0, 1, 0]
    assert world.machine.free_pages(0) == 8192 - 3


@pytest.mark.parametrize(
    "pages", [range(510, 514), [510, 511, 512, 513], np.array([513, 511, 512, 510])]
)
def test_touching_takes_ranges_lists_and_arrays(pages: "range | list[int]") -> None:
    world = World()
    for vma in (world.before, world.vma):
        vma.accessed[:] = False
    before = world.sim.cpu_ns
    world.sim.touch(START - 1024 * PAGE_BYTES, pages)
    world.sim.touch(START, range(-2, 3))
    assert world.sim.cpu_ns > before
    assert np.flatnonzero(world.before.accessed).tolist() == [510, 511, 512, 513, 1022, 1023]
    assert np.flatnonzero(world.vma.accessed).tolist() == [0, 1, 2]


def test_touching_a_part_of_a_huge_page_touches_it() -> None:
    world = World(huge=True)
    world.vma.accessed[:] = False
    world.sim.touch(START, range(511, 513))
    world.sim.touch(START, [2000])
    assert world.vma.accessed.reshape(-1).tolist() == [True, True, False, True]

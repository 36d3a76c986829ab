"""Looks inside huge pages block by block, as a visit hands them in."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    PageBlock,
    UIntArray,
    VmaFlag,
)
from mmscand.scan.huge_look import HugeLook
from mmscand.scan.huge_watch import OBSERVATIONS
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

ROWS = 400
PAGES = ROWS * PAGES_PER_TABLE


def at(*rows: int) -> UIntArray:
    return np.array([REGION_BYTES + row * HUGE_PAGE_BYTES for row in rows], dtype=np.uint64)


@dataclass
class World:
    """Huge pages on the slow tier, all of which the policy wants up."""

    on_list: UIntArray = field(default_factory=at)
    counts: Counter[str] = field(default_factory=Counter)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.machine = SimMachine(sim_topology((0,), (1,), {0: PAGES, 1: 2 * PAGES}))
        self.app = self.machine.spawn(100)
        self.vma = self.machine.map(self.app, REGION_BYTES, PAGES, 1, huge=True)
        self.space = self.machine.open(self.app.process)
        self.look = HugeLook(self.space, lambda addresses: np.isin(addresses, self.on_list))
        self.look.enabled = True

    def visit(self, touched: range | None = None) -> dict[int, BoolArray]:
        """Touch 4K pages, then read all, age and act; what may be promoted, by pages of a slot."""
        if touched is not None:
            self.app.touch(REGION_BYTES, touched)
        vmas, up = self.space.vmas(), dict[int, BoolArray]()
        for window in self.space.read(vmas):
            for block in window.blocks:
                up[block.pages_per_slot] = self.look.take(block, block.accessed, vmas, self.now)
                self.age(block)
                self.look.act(block, self.counts, self.now)
        self.look.end_pass(self.now)
        self.now += 1.0
        return up

    def held(self) -> int:
        """Huge pages that wait to be split."""
        (window,) = self.space.read(self.space.vmas())
        held = [self.look.held(block, None) for block in window.blocks]
        return sum(int(each.slots.sum()) for each in held if each is not None)

    def age(self, block: PageBlock) -> None:
        self.space.age(block, block.accessed, self.space.vmas())
        self.look.cleared(block)

    @property
    def small(self) -> list[int]:
        """Rows that are split."""
        parts = [vma for vma in self.app.vmas if vma.pages_per_slot == 1]
        firsts = [(vma.start - REGION_BYTES) // HUGE_PAGE_BYTES for vma in parts]
        return [f + n for f, vma in zip(firsts, parts, strict=True) for n in range(len(vma.slow))]


def test_a_sample_of_one_in_a_hundred_is_split_and_all_others_wait() -> None:
    world = World()
    assert not world.visit()[PAGES_PER_TABLE].any()
    assert world.small == [0, 100, 200, 300]
    assert not world.visit(range(PAGES))[1].any()  # nor does anything of these are promoted
    assert world.counts["split"] == 4 * PAGES_PER_TABLE


def test_what_waits_for_the_migrator_is_not_split() -> None:
    world = World(on_list=at(*range(0, ROWS, 2)))
    world.visit()
    assert all(row % 2 for row in world.small)


def test_only_anonymous_memory_of_one_process_is_split() -> None:
    world = World()
    world.vma.flags |= VmaFlag.FILE
    assert world.visit()[PAGES_PER_TABLE].all()
    assert world.small == []


def test_a_huge_page_that_is_small_for_good_lets_its_parts_up_and_the_next_are_split() -> None:
    world = World()
    world.visit()
    for _ in range(OBSERVATIONS + 1):
        assert not world.visit(range(2))[1].any()
    assert world.visit(range(2))[1].sum() == 2
    assert world.small == [0, 100, 200, 300]
    world.visit(range(PAGES))
    assert len(world.small) == 4 + 250  # for which 0.1 s of CPU are enough
    # The others wait, and nothing makes way for them; of those that cool none waits any more.
    assert world.held() == ROWS - len(world.small)
    world.visit(range(0))
    assert world.held() == 0


def test_one_that_is_not_used_any_more_is_made_huge_again_and_says_nothing() -> None:
    world = World()
    world.visit()
    for _ in range(2 * OBSERVATIONS + 1):
        world.visit()
    assert world.small == []
    assert world.counts["collapsed"] == 4 * PAGES_PER_TABLE
    assert not world.visit(range(PAGES))[PAGES_PER_TABLE].any()


def test_what_the_kernel_made_huge_meanwhile_is_judged_by_what_is_seen_after_the_next_split() -> (
    None
):
    world = World()
    world.visit()
    for _ in range(OBSERVATIONS):
        world.visit(range(PAGES_PER_TABLE))
    world.space.collapse(at(0, 100, 200, 300))
    world.visit()
    assert world.small == [0, 100, 200, 300]
    for _ in range(OBSERVATIONS + 2):
        world.visit(range(2))
    assert 0 in world.small

"""Rows in which nothing happens are looked at ever more rarely, and at once when something does."""

from dataclasses import dataclass, field

import numpy as np

from mmscand.heat.history import History
from mmscand.heat.state import REGISTER
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    PageBlock,
    UIntArray,
    VmaFlag,
    VmaTable,
    Window,
)

REGION = 5
ROWS = 8


@dataclass
class Memory:
    """Eight rows of one region, and a history that looks at what is due."""

    slow: BoolArray = field(default_factory=lambda: np.ones((ROWS, 512), dtype=np.bool_))
    used: BoolArray = field(default_factory=lambda: np.zeros((ROWS, 512), dtype=np.bool_))
    """Accessed all the time."""
    history: History = field(default_factory=lambda: History(both_tiers=True))
    apart: bool = False
    """Bits are cleared before each pass, and not by the one before."""
    looked: list[list[int]] = field(default_factory=list)
    """Rows that each pass has looked at."""

    def __post_init__(self) -> None:
        self.bits: BoolArray = self.used.copy()
        self.vmas = VmaTable(
            np.array([REGION * REGION_BYTES], dtype=np.uint64),
            np.array([REGION * REGION_BYTES + ROWS * HUGE_PAGE_BYTES], dtype=np.uint64),
            np.array([VmaFlag.READ | VmaFlag.WRITE], dtype=np.uint16),
        )

    def addresses(self, rows: list[int]) -> UIntArray:
        numbers = np.array(rows, dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)
        return numbers + np.uint64(REGION * REGION_BYTES)

    def one_pass(self) -> list[int]:
        self.bits |= self.used
        due = self.history.due(self.vmas)
        every = self.addresses(list(range(ROWS)))
        rows = np.flatnonzero(due.overlaps(every, HUGE_PAGE_BYTES)).tolist()
        if self.apart:
            if rows:
                self.bits[rows] &= ~self.history.to_clear(self.block(rows))
            self.history.cleared()
            self.bits |= self.used
        if rows:
            self.look(rows)
        self.looked.append(rows)
        self.history.end_pass()
        return rows

    def look(self, rows: list[int]) -> None:
        block = self.block(rows)
        to_age = self.history.to_age(block, self.history.fold(block))
        if not self.apart:
            self.bits[rows] &= ~to_age
        end = (REGION + 1) * REGION_BYTES
        self.history.forget_missing(Window(REGION * REGION_BYTES, end, (block,)))

    def block(self, rows: list[int]) -> PageBlock:
        shape = (len(rows), 512)
        frames = np.arange(ROWS * 512, dtype=np.uint64).reshape(ROWS, 512)[rows] + np.uint64(9)
        return PageBlock(
            self.addresses(rows),
            1,
            frames * np.uint64(PAGE_BYTES),
            np.ones(shape, dtype=np.bool_),
            self.bits[rows],
            self.slow[rows],
        )

    def passes(self, number: int) -> list[list[int]]:
        return [self.one_pass() for _ in range(number)]


def visits(looked: list[list[int]], row: int) -> list[int]:
    return [number for number, rows in enumerate(looked) if row in rows]


def test_a_row_without_accesses_rests_longer_each_time_but_no_more_than_32_passes() -> None:
    memory = Memory()
    gaps = np.diff(visits(memory.passes(300), 0))
    assert gaps[:6].tolist() == [1] * 6  # until it has been observed six times
    assert (np.diff(gaps) >= 0).all()
    assert gaps[-1] == gaps.max()
    assert 16 < gaps[-1] <= 32


def test_a_row_that_is_used_is_looked_at_in_each_pass() -> None:
    memory = Memory()
    memory.used[3, 7] = True
    looked = memory.passes(100)
    assert visits(looked, 3) == list(range(100))
    assert len(visits(looked, 4)) < 20


def test_an_access_to_a_resting_row_is_seen_and_wakes_its_region() -> None:
    memory = Memory()
    memory.passes(200)
    memory.used[2, :] = True
    waited = 0
    while not memory.one_pass():
        waited += 1
    assert waited < 32
    assert memory.passes(2) == [list(range(ROWS)), [2]]


def test_an_access_to_a_resting_row_counts_also_where_pages_are_left_alone_out_of_turn() -> None:
    memory = Memory(apart=True)
    memory.used[:4, 0] = True
    memory.passes(9)
    memory.used[:] = False  # these rows rest later than the others
    memory.passes(200)
    assert memory.history.tells_by_turns
    memory.used[:, 7] = True
    while not (rows := memory.one_pass()):
        pass
    assert len(rows) < ROWS
    states = memory.history.look_up(memory.block(rows))
    assert (states[:, 7] & 1 == 1).all()
    memory.one_pass()  # looks at all of the region
    states = memory.history.look_up(memory.block(list(range(ROWS))))
    assert (states[:, 7] & 1 == 1).all()
    assert not (np.delete(states, 7, axis=1) & 1).any()


def test_a_change_wakes_everything() -> None:
    memory = Memory()
    memory.passes(200)
    memory.history.forget(but_the_last=True)
    assert memory.one_pass() == list(range(ROWS))


def test_pages_that_rest_are_counted_and_keep_their_history() -> None:
    memory = Memory()
    memory.passes(200)
    pages = memory.history.pages
    while memory.history.resting(cold=True).sum() == 0:
        memory.one_pass()
    assert memory.history.pages == pages == ROWS * 512
    resting = []
    for _ in range(3):
        memory.history.due(memory.vmas)
        resting.append(memory.history.resting(cold=True).tolist())
        memory.one_pass()
    assert [ROWS * 512, 0] in resting


def test_what_is_all_in_use_on_the_fast_tier_is_looked_at_in_its_turn() -> None:
    memory = Memory()
    memory.slow[:4] = False
    memory.used[:4] = True
    memory.passes(60)
    looked = memory.passes(40)
    for row in range(4):
        # Aged in one pass of four, and read in the next.
        assert len(visits(looked, row)) == 20
    slots = memory.history.resting(cold=False)
    assert slots[0] == 0


def test_cold_pages_on_the_fast_tier_are_woken_when_somebody_wants_their_place() -> None:
    memory = Memory()
    memory.slow[:4] = False
    memory.passes(200)
    memory.history.wake_cold()
    assert memory.one_pass() == [0, 1, 2, 3]


def test_after_a_change_a_bit_that_nobody_had_cleared_is_no_observation() -> None:
    memory = Memory()
    memory.slow[:] = False
    memory.used[:, :2] = True
    memory.passes(20)
    memory.bits[:] = memory.used[:] = False
    memory.bits[:, 0] = True  # of the rows that were not sampled it is as old as their last turn
    memory.one_pass()
    memory.history.forget(but_the_last=True)
    shape = (ROWS, 512)
    frames = np.arange(ROWS * 512, dtype=np.uint64).reshape(shape) + np.uint64(9)
    everything: BoolArray = np.ones(shape, dtype=np.bool_)
    block = PageBlock(
        memory.addresses(list(range(ROWS))),
        1,
        frames * np.uint64(PAGE_BYTES),
        everything,
        memory.bits,
        memory.slow,
    )
    registers = memory.history.look_up(block) & np.uint16(0x7F)
    assert sorted(registers[:, 0].tolist()) == [1] * (ROWS - ROWS // 4) + [3] * (ROWS // 4)
    assert (registers[:, 2:] == 2).all()  # found clear, and that is one


def test_where_exposures_are_apart_fast_pages_are_observed_in_their_turn_alone() -> None:
    """Also those that went up since the last look: their bits collected for longer too."""
    memory = Memory(apart=True)
    memory.passes(2)
    memory.slow[4:] = False
    memory.bits[:] = True  # in the rest of the period
    rows = list(range(ROWS))
    before = memory.history.look_up(memory.block(rows)).copy()
    memory.passes(1)
    after = memory.history.look_up(memory.block(rows))
    turn = (np.array(rows) + 2 - 1) % 4 == 0  # of a quarter of the rows
    kept = (after & REGISTER == before & REGISTER).all(axis=1)
    assert kept[4:].tolist() == (~turn[4:]).tolist()
    assert not kept[:4].any()

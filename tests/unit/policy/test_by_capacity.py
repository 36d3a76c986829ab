"""Choosing by capacity where exposures are apart from periods: most is used between two of them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, REGION_BYTES, PageBlock, Process
from mmscand.policy.by_capacity import CapacityChooser
from mmscand.policy.ranking import Ranking
from mmscand.settings import Settings

SHAPE = (32, 512)
PAGES, CAPACITY, HOT = 32 * 512, 2048, 2000


@dataclass
class Room:
    pages: int = CAPACITY
    coming: int = 0

    def queued(self, process: Process) -> tuple[int, int]:
        return 0, 0


class Machine:
    """One process with some pages that are hot; all are used in the rest of each period."""

    def __init__(self, longest_exposure_ms: int = 10_000) -> None:
        self.now_s, self.room = 0.0, Room()
        knobs = replace(Settings(), scan_period_max_ms=longest_exposure_ms)
        self.chooser = CapacityChooser(Process(1, 1), Ranking(self.room, lambda: self.now_s), knobs)
        self._rng = np.random.default_rng(1)
        self.order = self._rng.permutation(PAGES)
        self._frames = (np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)).reshape(SHAPE)
        rows = np.arange(SHAPE[0], dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)
        self._addresses = rows + np.uint64(REGION_BYTES)
        self.fast = np.zeros(SHAPE, dtype=np.bool_)
        self.held: list[float] = []
        self.cleared: list[int] = []
        self.hot = HOT

    def _block(self, bits: np.ndarray) -> PageBlock:
        return PageBlock(
            self._addresses, 1, self._frames, np.ones(SHAPE, dtype=np.bool_), bits, ~self.fast
        )

    def passes(self, number: int) -> None:
        for _ in range(number):
            self._one_pass(np.isin(np.arange(PAGES), self.order[: self.hot]).reshape(SHAPE))

    def _one_pass(self, hot: np.ndarray) -> None:
        bits = np.ones(SHAPE, dtype=np.bool_)
        clear = self.chooser.to_clear(self._block(bits))
        self.chooser.cleared()
        touched = np.where(hot, 2.0, 0.05) * self.chooser.exposure_s
        bits = ~clear | (self._rng.random(SHAPE) < 1 - np.exp(-touched))
        choice = self.chooser.choose(self._block(bits))
        up, down = (int(np.count_nonzero(mask)) for mask in (choice.up, choice.down))
        self.fast = self.fast & ~choice.down | choice.up
        self.room.pages = CAPACITY - int(np.count_nonzero(self.fast))
        self.chooser.queued(promoted=up, demoted=down)
        self.now_s += 1.0
        self.chooser.end_pass(self.chooser.exposure_s)
        self.held.append(float(self.fast[hot].mean()))
        self.cleared.append(int(np.count_nonzero(clear & ~self.fast)))


@pytest.fixture
def calm() -> Machine:
    machine = Machine()
    machine.passes(100)
    return machine


def test_after_a_calm_little_of_the_slow_tier_is_cleared_and_all_hot_pages_are_up(
    calm: Machine,
) -> None:
    assert calm.held[99] > 0.98
    assert calm.cleared[10] > 0.9 * (PAGES - CAPACITY)
    assert np.median(calm.cleared[80:100]) < 0.5 * (PAGES - CAPACITY)


def test_nothing_is_made_of_bits_that_collected_for_longer_than_the_exposure() -> None:
    """Of the fast tier a sample is cleared when it begins; else rates are found that are not so."""
    machine = Machine(longest_exposure_ms=400)
    machine.passes(150)
    assert machine.chooser.changes == 0
    assert np.mean(machine.held[30:]) > 0.98


def test_a_change_is_noticed_after_it_and_brings_all_back(calm: Machine) -> None:
    """What is known of pages that were left alone is old, and says nothing of how much is used."""
    before, calm.order = calm.chooser.changes, np.roll(calm.order, 700)
    calm.passes(15)
    assert calm.held[100] < 0.7
    assert calm.chooser.changes == before + 1
    assert max(calm.cleared[101:105]) > 0.9 * (PAGES - CAPACITY)
    assert calm.held[-1] > 0.88


def test_where_more_becomes_hot_all_is_looked_at_again_though_nothing_cools(calm: Machine) -> None:
    before, calm.hot = calm.chooser.changes, HOT + 1500
    calm.passes(10)
    assert calm.chooser.changes == before
    assert max(calm.cleared[100:110]) > 0.9 * (PAGES - CAPACITY)

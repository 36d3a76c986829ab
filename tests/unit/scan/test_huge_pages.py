"""Huge pages in the daemon, by policies that rank: which are split, and what is promoted."""

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.model import (
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    PageNumbers,
)
from mmscand.observe.events import Event, PassEnd, PassStart
from mmscand.scan import huge_opinion
from mmscand.scan.mode import Mode
from mmscand.settings import Settings
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess
from support.sim_daemon import TIMEOUT_S

ROWS = 256
PAGES = ROWS * PAGES_PER_TABLE
HOT_PAGES = 524


def scattered(pages: int = HOT_PAGES) -> PageNumbers:
    return np.sort(np.random.default_rng(1).permutation(PAGES)[:pages])


@dataclass
class World:
    """Huge pages on the slow tier; some of their 4K pages are accessed between any two visits."""

    hot: PageNumbers
    fast_pages: int = PAGES // 2
    clock: SimClock = field(default_factory=lambda: SimClock(threads=2))
    machine: SimMachine = field(init=False)
    app: SimProcess = field(init=False)
    most_small: int = 0
    """Huge pages that were split at any time."""
    splits: list[tuple[float, int]] = field(default_factory=list)
    """After each visit in which it was so: clock time, and how many pages were split in it."""

    refuses: bool = False
    """Nothing can be split."""
    exits_when_split: bool = False
    cold_when_split: bool = False
    """Then what is split is not accessed any more."""
    off_when_split: bool = False
    """Then the knob is turned off."""
    khugepaged: int = 0
    """After this number of visits with small pages, the first of these is huge again."""
    daemon: Daemon = field(init=False)

    def __post_init__(self) -> None:
        topology = sim_topology((0,), (1,), {0: self.fast_pages, 1: 2 * PAGES})
        self.machine = SimMachine(topology, clock=self.clock)
        self.app = self.machine.spawn(100, "app")
        self.machine.map(self.app, REGION_BYTES, PAGES, 1, huge=True)

    def __call__(self, event: Event) -> None:
        if isinstance(event, PassStart | PassEnd):
            self.app.touch(REGION_BYTES, self.hot)
        if isinstance(event, PassEnd):
            self.most_small = max(self.most_small, self.small)
            if self.small and self.khugepaged:
                self.khugepaged -= 1
                if not self.khugepaged:
                    first = next(v.start for v in self.app.vmas if v.pages_per_slot == 1)
                    self.machine.collapse(self.app, np.array([first], dtype=np.uint64))
            if event.split and self.exits_when_split:
                self.machine.exit(self.app)
            if event.split and self.cold_when_split:
                starts = [vma.start for vma in self.app.vmas if vma.pages_per_slot == 1]
                first = (starts[0] - REGION_BYTES) // PAGE_BYTES // PAGES_PER_TABLE
                self.hot = np.setdiff1d(self.hot, rows(*range(first, first + self.small)))
            if event.split and self.off_when_split:
                self.daemon.settings.change({"split_huge_pages": False})
            if event.split:
                self.splits.append((self.clock.now(), event.split // PAGES_PER_TABLE))

    def run(
        self, seconds: float, *, mode: Mode = Mode.FULL, **settings: str | bool
    ) -> dict[str, int]:
        """The daemon, for some seconds of simulated time; its counters."""
        done = threading.Event()
        self.clock.at(self.clock.now() + seconds, done.set)
        values = replace(Settings(cpu_budget_percent=100.0), **settings)
        self.daemon = Daemon(
            self.machine, settings=values, observer=self, clock=self.clock, mode=mode
        )
        with pytest.MonkeyPatch.context() as patch, self.daemon:
            if self.refuses:
                patch.setattr(SimMachine, "split", lambda *of: np.zeros(len(of[2]), dtype=np.bool_))
            assert done.wait(TIMEOUT_S)
            return dict(self.daemon.status().counters)

    @property
    def on_fast(self) -> BoolArray:
        """(PAGES,) which 4K pages are on the fast tier."""
        found = np.zeros(PAGES, dtype=np.bool_)
        for vma in self.app.vmas:
            first = (vma.start - REGION_BYTES) // PAGE_BYTES
            nodes = np.repeat(self.machine.nodes_of(vma).reshape(-1), vma.pages_per_slot)
            found[first : first + len(nodes)] = nodes == 0
        return found

    @property
    def small(self) -> int:
        """Huge pages that are split."""
        rows = [len(vma.frame_numbers) for vma in self.app.vmas if vma.pages_per_slot == 1]
        return sum(rows)


def rows(*which: int) -> PageNumbers:
    """All 4K pages of these huge pages."""
    inside = np.arange(PAGES_PER_TABLE)
    return np.add.outer(np.array(which) * PAGES_PER_TABLE, inside).reshape(-1)


EVEN_ROWS = rows(*range(0, ROWS, 4))


def test_of_sparse_huge_pages_the_hot_parts_are_promoted_and_the_rest_stays() -> None:
    world = World(scattered())
    counters = world.run(30.0, policy="capacity")
    assert world.on_fast[world.hot].mean() >= 0.95
    assert world.on_fast.sum() <= HOT_PAGES
    hot_rows = len(np.unique(world.hot // PAGES_PER_TABLE))
    assert counters["split"] <= hot_rows * PAGES_PER_TABLE
    assert counters["collapsed"] == counters["unresized"] == 0
    assert world.splits[0][1] == 2  # a sample of 1 %, and no other before it was judged
    assert world.splits[1][0] - world.splits[0][0] >= 0.3


def test_evenly_hot_ones_are_promoted_whole_and_a_sample_is_made_huge_again() -> None:
    world = World(EVEN_ROWS)
    counters = world.run(30.0, policy="capacity")
    assert np.array_equal(np.flatnonzero(world.on_fast), EVEN_ROWS)
    assert world.small == 0
    assert 1 <= world.most_small <= ROWS // 100
    assert counters["split"] == counters["collapsed"] == world.most_small * PAGES_PER_TABLE


@pytest.mark.parametrize("visits", [1, 3, 4])
def test_what_the_kernel_makes_huge_is_split_again_and_not_judged_by_what_was_seen_before(
    visits: int,
) -> None:
    world = World(scattered(), khugepaged=visits)
    counters = world.run(30.0, policy="capacity")
    assert world.on_fast[world.hot].mean() >= 0.95
    assert world.on_fast.sum() <= HOT_PAGES
    assert counters["collapsed"] == 0


def test_of_both_kinds_each_gets_what_it_needs() -> None:
    even = rows(*range(100, 108))
    sparse = np.setdiff1d(scattered(), rows(*range(100, 108)))
    world = World(np.sort(np.concatenate((sparse, even))))
    world.run(60.0, policy="capacity")
    assert world.on_fast[world.hot].mean() >= 0.95
    assert world.on_fast.sum() <= len(world.hot) + 16 * PAGES_PER_TABLE
    assert len({vma.start for vma in world.app.vmas if vma.pages_per_slot > 1}) > 1


def test_with_the_knob_off_none_is_split() -> None:
    world = World(scattered())
    counters = world.run(10.0, policy="capacity", split_huge_pages=False)
    assert world.on_fast.sum() > 50 * PAGES_PER_TABLE
    assert (world.most_small, counters["split"]) == (0, 0)


@pytest.mark.parametrize("policy", ["two-pass", "frequency", "first-touch"])
def test_the_policies_of_the_rfc_split_none(policy: str) -> None:
    world = World(scattered())
    world.run(10.0, policy=policy)
    assert world.most_small == 0


def test_a_dry_run_splits_none() -> None:
    world = World(scattered())
    world.run(10.0, mode=Mode.READS, policy="capacity")
    assert world.most_small == 0


def test_where_the_kernel_splits_none_they_are_promoted_whole() -> None:
    world = World(scattered())
    world.refuses = True
    counters = world.run(10.0, policy="capacity")
    assert world.on_fast.sum() > 50 * PAGES_PER_TABLE
    assert world.most_small == counters["split"] == 0
    assert 0 < counters["unresized"] <= ROWS // 100 * PAGES_PER_TABLE


def test_a_process_that_exits_while_it_is_looked_at_takes_the_look_along() -> None:
    world = World(scattered())
    world.exits_when_split = True
    world.run(10.0, policy="capacity")
    assert not world.app.alive
    assert world.machine.free_pages(1) == 2 * PAGES


def test_a_sample_that_is_not_used_any_more_is_made_huge_again() -> None:
    """Rows in which nothing happens for long are not left out of a look."""
    world = World(rows(0, 1, 2), cold_when_split=True)
    world.run(300.0, policy="capacity")
    assert world.most_small > 0
    assert world.small == 0


def test_a_look_is_undone_when_the_knob_is_turned_off() -> None:
    world = World(EVEN_ROWS)
    world.off_when_split = True
    counters = world.run(60.0, policy="capacity")
    assert world.small == 0
    assert 0 < world.most_small <= ROWS // 100
    assert counters["split"] == counters["collapsed"] == world.most_small * PAGES_PER_TABLE
    assert np.array_equal(np.flatnonzero(world.on_fast), EVEN_ROWS)


def test_pages_that_are_evenly_hot_are_looked_at_again_as_they_may_have_changed() -> None:
    world = World(rows(*range(0, 128)), fast_pages=PAGES // 8)
    world.run(30.0, policy="capacity")
    assert world.small == 0
    world.hot = scattered()
    world.run(120.0, policy="capacity")
    assert world.on_fast[world.hot].mean() >= 0.8


def test_huge_pages_that_wait_to_be_split_are_held_and_go_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(huge_opinion, "_MOST_S", 0.004)  # ten at once
    monkeypatch.setattr(huge_opinion, "_CPU_SHARE", 0.0004)  # and one a second
    world = World(scattered())
    counters = world.run(60.0, policy="capacity")
    assert 0 < world.small < ROWS // 2
    assert counters["held"] > 0
    assert world.on_fast.sum() == world.on_fast[world.hot].sum() > 0

"""What of the hot slots of a block goes to the migration list, and what comes off it again."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mmscand.clock import SystemClock
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import REGION_BYTES, BoolArray, IntArray, Migration, Outcome, PageBlock
from mmscand.policy.by_rule import ByRule
from mmscand.scan.benefit import Benefit
from mmscand.scan.candidates import Candidates
from mmscand.scan.pacing import FailureRatio
from mmscand.settings import Settings
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimVma

EBUSY = -16


@dataclass
class Bench:
    """One process with four rows on the slow node, and everything around its candidates."""

    huge: bool = False
    machine: SimMachine = field(
        default_factory=lambda: SimMachine(sim_topology((0,), (1,), {0: 8192, 1: 8192}))
    )
    counts: Counter[str] = field(default_factory=Counter)
    failures: FailureRatio = field(default_factory=FailureRatio)
    hot_state: int = 0b111
    """Of the slots that are offered: two accesses in a row."""

    def __post_init__(self) -> None:
        process = self.machine.spawn(100)
        self.vma: SimVma = self.machine.map(process, REGION_BYTES, 2048, 1, huge=self.huge)
        self.space: SimAddressSpace = self.machine.open(process.process)
        self.list = MigrationList(10_000)
        topology = self.machine.topology()
        benefit = Benefit(topology, Settings())
        self.candidates = Candidates(self.space, topology, self.list, benefit)
        self.policy = ByRule(Settings())

    def block(self) -> PageBlock:
        (window,) = self.space.read(self.space.vmas())
        (block,) = window.blocks
        return block

    def withdraw_cold(self) -> int:
        block = self.block()
        return self.candidates.withdraw(block, ~block.accessed)

    def queue(self, *slots: int, now: float = 0.0, demotes: bool = False) -> list[int]:
        """Offer these slots as hot; those that were taken."""
        self.counts.clear()
        block = self.block()
        hot: BoolArray = np.zeros(block.present.shape, dtype=np.bool_)
        hot.flat[list(slots)] = True
        state = np.where(hot, np.uint16(self.hot_state), np.uint16(0b100))
        reported = (block, state, hot, self.space.vmas(), self.policy, self.failures, self.counts)
        taken = self.candidates.queue(*reported, now, demotes=demotes)
        return np.flatnonzero(taken).tolist()

    def take(self) -> Migration:
        migration = self.list.take(10_000, SystemClock())
        assert migration is not None
        return migration

    def report(self, migration: Migration, status: int) -> None:
        answers: IntArray = np.full(len(migration.addresses), status, dtype=np.int32)
        self.candidates.report(Outcome(migration, 0, answers, np.ones(len(answers), np.bool_)))
        self.list.done(migration)


def test_a_slot_is_queued_once_and_waits_after_that() -> None:
    bench = Bench()
    assert bench.queue(3, 600) == [3, 600]
    assert bench.queue(3, 600, 700) == [700]
    assert (bench.counts["waiting"], bench.counts["queued"]) == (2, 1)
    taken = bench.take()
    assert bench.queue(3) == []  # it is being moved
    bench.report(taken, 0)
    assert bench.queue(3) == []  # it was, since this visit began
    bench.candidates.begin_visit(bench.policy, bench.failures, 0.0)
    assert bench.queue(3) == [3]


def test_a_slot_that_failed_is_held_until_its_time_has_come() -> None:
    bench = Bench()
    bench.queue(3)
    bench.report(bench.take(), EBUSY)
    bench.candidates.begin_visit(bench.policy, bench.failures, 10.0)
    assert bench.queue(3, 4, now=11.0) == [4]
    assert bench.counts["held"] == 1
    assert bench.queue(3, now=14.5) == [3]


def test_a_slot_that_was_demoted_needs_more_accesses_in_a_row_to_be_promoted_again() -> None:
    bench = Bench()
    bench.queue(3)
    taken = bench.take()
    down = replace(taken, demotes=True)
    bench.candidates.report(Outcome(down, 1, np.ones(1, np.int32), np.ones(1, np.bool_)))
    bench.list.done(taken)
    bench.candidates.begin_visit(bench.policy, bench.failures, 10.0)
    bench.hot_state = 0b1101
    assert bench.queue(3, 4, now=11.0) == [4]
    assert bench.counts["held"] == 1
    bench.hot_state = 0b1111
    assert bench.queue(3, now=12.0) == [3]


def test_pages_of_others_and_bound_pages_are_kept_back_and_distinguished() -> None:
    bench = Bench()
    bench.vma.shared[0, :10] = True
    assert bench.queue(3, 600) == [600]
    assert bench.counts["shared"] == 1
    bench.vma.policy = frozenset({1})
    assert bench.queue(4, 601) == []
    assert (bench.counts["shared"], bench.counts["bound"]) == (1, 1)


def test_a_page_of_others_too_is_promoted_where_its_bit_means_something_and_never_is_demoted() -> (
    None
):
    bench = Bench()
    bench.candidates.shared_too = True
    bench.vma.shared[0, :10] = True
    assert bench.queue(3, demotes=True) == []
    assert bench.counts["shared"] == 1
    assert bench.queue(4) == [4]


def test_what_is_queued_carries_the_nodes_that_its_owner_allows() -> None:
    bench = Bench()
    bench.vma.policy = frozenset({0})
    bench.queue(3)
    assert bench.take().allowed == {0}


@pytest.mark.parametrize(("huge", "pages"), [(False, 1), (True, 512)])
def test_only_waiting_slots_whose_bit_stayed_clear_come_off_the_list(
    huge: bool, pages: int
) -> None:
    bench = Bench(huge=huge)
    bench.queue(0, 1, 3)
    bench.vma.accessed.flat[[1, 3]] = False
    assert bench.withdraw_cold() == 2 * pages
    assert bench.withdraw_cold() == 0
    assert len(bench.list) == 1


def test_what_is_on_the_list_but_in_no_row_of_the_block_stays() -> None:
    bench = Bench()
    block = bench.block()
    away = np.array([REGION_BYTES * 3], dtype=np.uint64)
    bench.list.offer(Migration(bench.space.process, away, 1, 1))
    bench.vma.accessed[:] = False
    assert bench.withdraw_cold() == 0
    assert len(bench.list) == 1
    assert len(block.addresses) == 4


def test_what_is_in_the_migrator_s_hands_is_not_withdrawn() -> None:
    bench = Bench()
    bench.queue(3)
    bench.take()
    bench.vma.accessed[:] = False
    assert bench.withdraw_cold() == 0

import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.model import (
    PAGE_BYTES,
    REGION_BYTES,
    BoolArray,
    Migration,
    Outcome,
    PageBlock,
    Process,
)
from mmscand.observe.events import EffortChanged, Event, Moved, PassEnd
from mmscand.policy.plan import MovePlan
from mmscand.scan.benefit import FULL, SLOWED, STOPPED, Benefit, latency_gain_ns
from mmscand.settings import Profile, Settings
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import FastClock, Recorder, steady, tiers, touching

TOPOLOGY = sim_topology((0,), (1,), {0: 8192, 1: 8192})
PAGES = 512


def outcome(pages: int = PAGES, *, shared: bool = False) -> Outcome:
    addresses = REGION_BYTES + PAGE_BYTES * np.arange(pages, dtype=np.uint64)
    migration = Migration(Process(7, 70), addresses, 1, 1, shared=shared)
    return Outcome(migration, 0, np.zeros(pages, np.int32), np.ones(pages, np.bool_))


def block(accessed: int, slow: int = 0) -> PageBlock:
    """The first this many pages are accessed, the first this many on the slow node."""
    number = np.arange(PAGES).reshape(1, -1)
    return PageBlock(
        np.array([REGION_BYTES], dtype=np.uint64),
        1,
        np.zeros((1, PAGES), dtype=np.uint64),
        np.ones((1, PAGES), dtype=np.bool_),
        number < accessed,
        number < slow,
    )


class World:
    """A process that is visited once a second."""

    def __init__(self, *, cpu_s: float = 0.002, **settings: int) -> None:
        self.benefit = Benefit(TOPOLOGY, Settings(**settings))
        self.counts: Counter[str] = Counter()
        self.now = self.cpu = 0.0
        self.each_s = cpu_s
        self.benefit.note(outcome())

    def look(self, seen: PageBlock) -> BoolArray:
        to_age = np.zeros_like(seen.present)
        self.benefit.look(seen, to_age, self.counts)
        return to_age

    def run(self, seconds: int, accessed: int = 0, slow: int = 0) -> list[str]:
        """Every effort that it went over to."""
        changes = []
        for _ in range(seconds):
            self.now += 1
            self.cpu += self.each_s
            self.benefit.begin_visit()
            self.look(block(accessed, slow))
            self.benefit.end_pass()
            if self.benefit.judge(self.now, self.cpu):
                changes.append(self.benefit.effort)
        return changes


def test_pages_that_are_never_used_again_slow_it_down_then_stop_it_and_it_is_tried_again() -> None:
    world = World()
    assert world.run(60) == []
    assert world.run(5) == [SLOWED]
    assert (world.benefit.slowdown, world.benefit.pause_ms, world.benefit.promotes) == (4, 0, True)
    assert world.run(65) == [STOPPED]
    assert (world.benefit.slowdown, world.benefit.promotes) == (1, False)
    assert world.benefit.pause_ms == 600_500
    assert "it does not pay: saved about 0 s for 0.12 s spent" in world.benefit.why
    assert world.run(590) == []
    assert world.run(20) == [FULL]
    assert world.benefit.promotes
    assert world.run(65) == [SLOWED]


def test_pages_that_are_used_keep_it_going_and_are_counted() -> None:
    world = World()
    assert world.run(600, accessed=PAGES // 2) == []
    assert world.counts["again"] == PAGES // 2
    account = world.benefit.account
    # 256 pages in 600 s or so, 100 accesses of 100 ns each.
    assert account.saved_s == pytest.approx(256 * 600 * 1e-5, rel=0.05)
    assert account.spent_s == pytest.approx(600 * 0.002 + 512 * 1.24e-6, rel=0.01)
    assert world.benefit.why == ""


def test_what_is_used_again_after_it_was_slowed_down_is_scanned_as_usual() -> None:
    world = World()
    assert world.run(65) == [SLOWED]
    assert world.run(65, accessed=PAGES) == [FULL]
    assert world.benefit.why.startswith("it pays: saved about")


def test_what_costs_next_to_nothing_is_not_judged() -> None:
    world = World(cpu_s=0.0005)
    assert world.run(600) == []


def test_without_promoted_pages_there_is_nothing_to_judge_by() -> None:
    world = World()
    world.run(1, slow=PAGES)
    assert world.counts["returned"] == PAGES
    assert world.run(600) == []


def test_what_were_demoted_again_has_cost_another_move() -> None:
    world = World(cpu_s=0.0)
    world.run(2, slow=100)
    assert world.benefit.account.spent_s == pytest.approx(612 * 1.24e-6)


def test_shared_pages_say_nothing() -> None:
    world = World()
    world.benefit.restart()
    world.benefit.note(outcome(shared=True))
    world.benefit.begin_visit()
    assert not world.look(block(PAGES)).any()
    world.benefit.note(outcome())
    world.benefit.begin_visit()
    assert world.look(block(PAGES)).any()


@pytest.mark.parametrize("profile", ["v0", "v1", "v3"])
def test_the_rfcs_profiles_are_not_slowed_down(profile: Profile) -> None:
    world = World()
    assert world.run(65) == [SLOWED]
    world.benefit.adopt(Settings(profile=profile))
    assert world.benefit.slowdown == 1
    assert world.run(200) == []


def test_a_window_of_0_never_judges_and_lets_go_of_who_was_stopped() -> None:
    assert World(benefit_window_s=0).run(600) == []
    world = World()
    world.run(140)
    assert world.benefit.effort == STOPPED
    world.benefit.adopt(Settings(benefit_window_s=0))
    assert (world.benefit.effort, world.benefit.pause_ms) == (FULL, 0)


def test_execve_starts_from_nothing() -> None:
    world = World()
    world.run(140)
    world.benefit.restart()
    assert (world.benefit.effort, world.benefit.why) == (FULL, "")
    assert world.run(600) == []


def test_the_latency_is_the_firmware_s_where_it_reports_one() -> None:
    assert latency_gain_ns(TOPOLOGY) == 100
    fast, slow = (
        replace(n, read_latency_ns=ns) for n, ns in zip(TOPOLOGY.nodes, (80, 250), strict=True)
    )
    assert latency_gain_ns(replace(TOPOLOGY, nodes=(fast, slow))) == 170
    half = replace(TOPOLOGY, nodes=(slow, replace(fast, read_latency_ns=None)))
    assert latency_gain_ns(half) == 100


def settings(**more: int) -> Settings:
    return replace(steady(), **{"benefit_window_s": 20, "accesses_per_bit": 100_000, **more})


def test_a_plan_is_weighed_by_one_cache_miss_an_access_and_all_its_moves() -> None:
    plan = MovePlan(1000, 500, 4.0, 0.1, 20_000.0)
    found = Benefit(TOPOLOGY, Settings()).weighed(Process(7, 7), plan)
    assert (found.promote, found.demote, found.promote_from, found.gained) == (1000, 500, 4.0, 2e4)
    assert found.moves_ms == pytest.approx(1500 * 1.24e-3)
    assert found.saved_ms == pytest.approx(2e4 * latency_gain_ns(TOPOLOGY) * 1e-6)


def test_a_process_for_which_it_does_not_pay_is_slowed_stopped_and_said_so() -> None:
    world = tiers()
    touch = touching(world, list(range(256)))
    moved = threading.Event()

    def hook(event: Event) -> None:
        """Pages are touched until they are promoted; then it only runs."""
        if isinstance(event, Moved):
            moved.set()
        if not moved.is_set():
            touch(event)
        world.process.run()

    recorder = Recorder(hook)
    daemon = Daemon(
        world.machine,
        settings=settings(benefit_retry_s=3600, accesses_per_bit=1),
        observer=recorder,
        clock=FastClock(),
    )
    daemon.start()
    try:
        slowed = recorder.wait_for(EffortChanged)
        stopped = recorder.wait_for(EffortChanged)
        assert (slowed.effort, stopped.effort) == ("slowed", "stopped")
        assert "it does not pay" in stopped.why
        (status,) = daemon.status().processes
        assert (status.effort, status.effort_why) == ("stopped", stopped.why)
        assert status.scan_period_ms == 3_600_500
        assert status.spent_s > status.saved_s
        daemon.settings.change({"benefit_window_s": 0})
        recorder.wait_for(PassEnd, lambda event: event.number > status.passes)
        (status,) = daemon.status().processes
        assert (status.effort, status.scan_period_ms) == ("full", 1)
    finally:
        daemon.stop()


def test_a_process_that_uses_its_promoted_pages_is_scanned_on() -> None:
    world = tiers()
    changes: list[Event] = []
    enough = threading.Event()
    program = touching(world, list(range(256)))

    def hook(event: Event) -> None:
        program(event)
        if isinstance(event, EffortChanged):
            changes.append(event)
        if isinstance(event, PassEnd) and clock.now() > began + 100:
            enough.set()

    clock = FastClock()
    began = clock.now()
    daemon = Daemon(world.machine, settings=settings(), observer=hook, clock=clock)
    daemon.start()
    try:
        assert enough.wait(20)
        (status,) = daemon.status().processes
        assert status.effort == "full"
        assert status.saved_s > status.spent_s > 0
        assert status.counters["again"] == 256
        assert status.counters["returned"] == 0
        assert changes == []
    finally:
        daemon.stop()

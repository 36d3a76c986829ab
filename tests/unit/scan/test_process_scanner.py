from dataclasses import replace
from random import Random

import pytest

from mmscand.clock import Clock, CpuMeter, SystemClock
from mmscand.engine.registry import policy_of
from mmscand.errors import TooManyOpenFiles
from mmscand.heat.history import History
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import REGION_BYTES, Process
from mmscand.policy.by_rule import ByRule
from mmscand.policy.interface import Policy
from mmscand.policy.ranking import Ranking
from mmscand.scan.context import ScanContext
from mmscand.scan.mode import Mode
from mmscand.scan.process_scanner import ProcessScanner
from mmscand.scan.room import FastTierRoom
from mmscand.scan.rules import Rules
from mmscand.scan.visit import NoWatcher
from mmscand.settings import Settings
from mmscand.settings_store import SettingsStore
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess


def scanner_of(
    machine: SimMachine,
    sim: SimProcess,
    *,
    clock: Clock | None = None,
    **values: str | int,
) -> ProcessScanner:
    settings = replace(Settings(policy="two-pass"), **values)
    pages = MigrationList(512)
    ranking = Ranking(FastTierRoom(machine, pages, SettingsStore(settings)), lambda: 0.0)

    def policy(process: Process) -> Policy:
        return policy_of(process, settings, ranking, (clock or SystemClock()).now)

    context = ScanContext(
        machine,
        pages,
        clock or SystemClock(),
        lambda event: None,
        NoWatcher(),
        Mode.FULL,
        CpuMeter(SystemClock()),
    )
    return ProcessScanner(machine.open(sim.process), settings, Rules().default, policy, context)


def test_a_visit_that_goes_on_after_an_execve_starts_again() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim = machine.spawn(100)
    for region in (1, 2):
        machine.map(sim, region * REGION_BYTES, 512, 1)
    scanner = scanner_of(machine, sim)
    first = scanner.visit(1.0, lambda: True)
    assert first is not None
    assert scanner.visit(2.0, lambda: False) is None  # interrupted behind the first window
    machine.exec(sim)
    machine.map(sim, REGION_BYTES, 1024, 1)
    assert not scanner.skip(0.0)
    visit = scanner.visit(3.0, lambda: True)
    assert visit is not None
    assert (visit.started, visit.complete, visit.counts["examined"]) == (3.0, True, 1024)
    assert visit.counts["useful"] == 0  # bits of pages that were never seen before say nothing
    assert scanner.passes == 1


@pytest.mark.parametrize(("hurries", "waits_ms"), [(False, 2000), (True, 0)])
def test_a_visit_that_a_policy_asks_for_leaves_four_times_its_cpu_time_alone(
    monkeypatch: pytest.MonkeyPatch, *, hurries: bool, waits_ms: int
) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim, clock = machine.spawn(100), SimClock()
    machine.map(sim, REGION_BYTES, 4096, 1)
    monkeypatch.setattr(ByRule, "due_s", 0.0)  # at once
    monkeypatch.setattr(ByRule, "hurries", hurries)
    scanner = scanner_of(machine, sim, clock=clock)
    for now in (1.0, 7.0):
        with scanner.cpu:
            clock.spend(0.5)
            assert scanner.visit(now, lambda: True) is not None
        assert scanner.times.period_ms == waits_ms


def test_a_read_of_what_was_cleared_does_not_wait_and_the_visit_after_it_rests_for_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim, clock = machine.spawn(100), SimClock()
    machine.map(sim, REGION_BYTES, 4096, 1)
    monkeypatch.setattr(ByRule, "due_s", 0.0)  # at once
    scanner = scanner_of(machine, sim, clock=clock)
    found_ms = []
    for reads_soon, cpu_s in ((True, 0.5), (False, 0.2), (True, 0.05), (False, 0.05)):
        with scanner.cpu:
            clock.spend(cpu_s)
            assert scanner.visit(7.0, lambda: True) is not None
        monkeypatch.setattr(ByRule, "reads_soon", reads_soon)
        found_ms.append(scanner.times.period_ms)
    # A read that waits for a short rest is late by little, and nothing is carried over.
    assert found_ms == [0, 2800, 200, 200]


@pytest.mark.parametrize("wanted_s", [0.2454, 1.2, 3.7001])
def test_a_visit_is_not_sooner_than_a_policy_asks_for(
    monkeypatch: pytest.MonkeyPatch, wanted_s: float
) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim, clock = machine.spawn(100), SimClock()
    machine.map(sim, REGION_BYTES, 4096, 1)
    monkeypatch.setattr(ByRule, "due_s", 7.0 + wanted_s)
    scanner = scanner_of(machine, sim, clock=clock)
    assert scanner.visit(7.0, lambda: True) is not None
    assert scanner.times.after(7.0) == pytest.approx(7.0 + wanted_s, abs=1e-9)


def test_a_visit_that_could_not_be_prepared_is_not_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, 512, 1)
    scanner = scanner_of(machine, sim)

    def fail(history: History, still: object) -> None:
        raise TooManyOpenFiles

    with monkeypatch.context() as patch:
        patch.setattr(History, "forget_stuck", fail)
        with pytest.raises(TooManyOpenFiles):
            scanner.visit(1.0, lambda: True)
    assert not scanner.under_way
    assert scanner.interrupted() is None
    assert scanner.visit(2.0, lambda: True) is not None


def test_an_interrupted_visit_is_never_skipped() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim = machine.spawn(100)
    for region in (1, 2):
        machine.map(sim, region * REGION_BYTES, 512, 1)
    scanner = scanner_of(machine, sim)
    assert not scanner.skip(0.0)
    assert scanner.visit(1.0, lambda: False) is None
    assert not scanner.skip(0.0)
    assert scanner.visit(1.0, lambda: True) is not None
    assert scanner.skip(0.0)
    assert scanner.passes == 1


def test_a_skipped_visit_is_a_pass_that_found_nothing_for_the_pacing() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    scanner = scanner_of(machine, machine.spawn(100))
    assert not scanner.skip(0.0)
    assert scanner.visit(1.0, lambda: True) is not None
    assert scanner.times.pacer.period_ms == 1150
    assert scanner.skip(0.0)
    assert scanner.times.pacer.period_ms == 1322


def test_a_skipped_visit_is_no_pass_for_the_history() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim = machine.spawn(100)
    vma = machine.map(sim, REGION_BYTES, 512, 1)
    scanner = scanner_of(machine, sim)
    hot = []
    for now, runs in ((1.0, True), (2.0, True), (3.0, False), (4.0, True)):
        if runs:
            vma.accessed[:] = True
            sim.run()
        assert scanner.skip(0.0) is not runs
        if runs:
            visit = scanner.visit(now, lambda: True)
            assert visit is not None
            hot.append(visit.counts["hot"])
    assert hot == [0, 0, 512]
    assert scanner.passes == 3


def test_a_visit_that_will_not_go_on_reports_what_it_counted_once() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: 8192, 1: 8192}))
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, 512, 1)
    scanner = scanner_of(machine, sim)
    assert scanner.visit(1.0, lambda: False) is None
    reported = scanner.interrupted()
    assert reported is not None
    assert (reported.complete, reported.examined, reported.slow) == (False, 512, 512)
    assert scanner.interrupted() is None


@pytest.mark.parametrize(
    ("values", "period_ms"),
    [
        ({"policy": "capacity"}, 0),
        ({"policy": "capacity", "profile": "v3"}, 2000),
        ({"policy": "capacity", "pages": 3584}, 1000),
        ({"policy": "two-pass"}, 1000),
    ],
)
def test_a_policy_that_chooses_its_times_does_so_for_large_processes_but_in_profiles_of_the_rfc(
    values: dict[str, str | int], period_ms: int
) -> None:
    machine, clock = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192})), SimClock()
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, int(values.pop("pages", 4096)), 1)
    scanner = scanner_of(machine, sim, clock=clock, room_pages=0, **values)
    assert scanner.visit(clock.now(), lambda: True)
    # The other ones are slower by what the first pass found, which is nothing.
    assert period_ms <= scanner.times.period_ms <= 2 * period_ms


def new_slot() -> ProcessScanner:
    """A large process that does not fit, after its first visit."""
    machine, clock = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192})), SimClock()
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, 4096, 1)
    scanner = scanner_of(machine, sim, clock=clock, policy="capacity", room_pages=1)
    for _ in range(4):  # the first reads are less than a millisecond apart
        clock.spend(0.002)
        assert scanner.visit(clock.now(), lambda: True)
    return scanner


def test_visits_are_no_quicker_than_the_rules_allow() -> None:
    scanner = new_slot()
    quick_ms = scanner.times.period_ms
    assert 0 < quick_ms < scanner.times.pacer.period_ms
    scanner.times.pacer.aggressiveness = 1
    assert scanner.times.period_ms == pytest.approx(5 * quick_ms, abs=3)


def test_a_process_for_which_it_does_not_pay_has_no_quick_visits_and_no_burst() -> None:
    scanner = new_slot()
    assert scanner.urgent
    scanner._blocks.benefit.effort = "stopped"
    assert scanner.times.period_ms == scanner.times.pacer.period_ms >= 600_000
    assert not scanner.urgent


def test_a_process_that_sleeps_is_asked_for_more_rarely_up_to_the_pace_of_the_profile() -> None:
    machine, clock = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192})), SimClock()
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, 4096, 1)
    scanner = scanner_of(machine, sim, clock=clock, policy="capacity", room_pages=1)
    asked = []
    for _ in range(200):
        if not scanner.skip(clock.now()):
            assert scanner.visit(clock.now(), lambda: True)
        asked.append(scanner.times.period_ms)
        clock.spend(scanner.times.period_ms / 1000)
    assert max(asked) <= 10_000  # scan_period_max_ms
    assert min(asked) < 10
    assert clock.now() > 600.0  # 200 wake-ups


def test_a_process_that_pauses_is_visited_soon_after_it_has_run_again() -> None:
    machine, clock = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192})), SimClock()
    sim = machine.spawn(100)
    machine.map(sim, REGION_BYTES, 4096, 1)
    scanner = scanner_of(machine, sim, clock=clock, policy="capacity", room_pages=1)
    visited, ran = [], 0
    while clock.now() < 3.0:
        if int(clock.now() * 10) != ran:  # it runs for a moment, and waits for the disk for 0.1 s
            ran = int(clock.now() * 10)
            sim.run()
        if not scanner.skip(clock.now()):
            assert scanner.visit(clock.now(), lambda: True)
            visited.append(clock.now())
        clock.spend(scanner.times.period_ms / 1000)
    assert visited[6] < 1.0  # beside the pauses it is new, and learned of


def test_of_memory_with_small_and_huge_pages_side_by_side_no_row_is_forgotten() -> None:
    """Rows of neighbouring GiB rest and are read together, whatever the size of their slots."""
    clock = SimClock()
    machine = SimMachine(sim_topology((0,), (1,), {0: 1 << 13, 1: 1 << 19}), clock=clock)
    sim = machine.spawn(100)
    rows = 64
    areas = [
        machine.map(sim, region * REGION_BYTES, rows * 512, 1, huge=region % 2 == 0)
        for region in range(1, 6)
    ]
    scanner, random = scanner_of(machine, sim, clock=clock, policy="capacity"), Random(1)
    pages, visits = len(areas) * rows * 512, 0
    while clock.now() < 40.0:
        for area in areas:
            slots = area.accessed.reshape(-1)
            slots[[random.randrange(len(slots) // 8) * 3 for _ in range(30)]] = True
        sim.run()
        with scanner.cpu:
            assert scanner.visit(clock.now(), lambda: True) is not None
        visits += 1
        assert scanner.answers.history.pages == pages
        clock.rest(max(0.001, scanner.times.after(clock.now()) - clock.now()))
    assert visits > 50

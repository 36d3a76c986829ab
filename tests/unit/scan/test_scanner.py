"""When who is visited, in time that jumps."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pytest

from mmscand.errors import TooManyOpenFiles
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import REGION_BYTES, Process, ProcessFacts, VmaTable, Window
from mmscand.observe.events import Event, PassEnd, PassStart, ProcessEntered, ProcessLeft
from mmscand.scan.pacing import pause_ms
from mmscand.scan.rules import Rule, Rules
from mmscand.scan.scanner import Scanner
from mmscand.settings import Profile, Settings
from mmscand.settings_store import SettingsStore
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess

EXCLUDED = "excluded by a rule: default"
START = 100.2
"""Off the grid."""


def busy(world: SimMachine, pid: int) -> SimProcess:
    sim = world.spawn(pid)
    world.map(sim, REGION_BYTES, 512, 1)
    return sim


class World:
    """A scanner without its thread, on a machine whose processes run between any two visits."""

    def __init__(
        self, settings: Settings, seconds: float, processes: int, fast_pages: int = 512
    ) -> None:
        self.machine = SimMachine(sim_topology((0,), (1,), {0: fast_pages, 1: 1 << 21}))
        self.sims = [busy(self.machine, 100 + number) for number in range(processes)]
        self.stop = threading.Event()
        self.clock = SimClock(start=START)
        self.clock.at(START + seconds, self.stop.set)
        self.events: list[tuple[float, Event]] = []
        self.also: Callable[[Event], None] = lambda event: None
        self.store = SettingsStore(settings)
        self.scanner = self._scanner(self.machine)

    def _scanner(self, machine: SimMachine) -> Scanner:
        return Scanner(
            machine,
            self._all,
            MigrationList(512),
            self.store,
            self.clock,
            self._observe,
            Rules(),
            stop=self.stop,
            wakeup=threading.Condition(),
        )

    def _all(self, processes: Iterable[Process]) -> Iterable[Process]:
        return processes

    def _observe(self, event: Event) -> None:
        self.events.append((self.clock.now(), event))
        self.also(event)
        for sim in self.sims:
            sim.run()

    def times(self, kind: type, pid: int | None = None) -> list[float]:
        """Of all events of a kind, or of those of a process."""
        return [at for at, e in self.events if isinstance(e, kind) and pid in (None, e.process.pid)]


def every(period_ms: int, **more: int) -> Settings:
    limits = {f"scan_period{end}_ms": period_ms for end in ("", "_min", "_max")}
    return Settings(**limits, cpu_budget_percent=100.0, **more)


@pytest.mark.parametrize("node", [0, 1])
def test_a_large_process_whose_memory_is_bound_is_visited_as_seldom_as_a_small_one(
    node: int,
) -> None:
    world = World(every(1000), seconds=60, processes=1, fast_pages=16384)
    bound = world.machine.spawn(200)
    world.machine.map(bound, REGION_BYTES, 8192, node).policy = frozenset({node})
    world.sims.append(bound)
    world.scanner.run()
    assert 50 <= len(world.times(PassEnd, 200)) <= len(world.times(PassEnd, 100)) + 5


def test_a_large_process_does_not_wait_for_the_first_visits_to_many_small_ones() -> None:
    world = World(every(400), seconds=8, processes=20)
    large = world.machine.spawn(500)
    world.machine.map(large, REGION_BYTES, 8192, 1)
    world.sims.append(large)

    def is_slow(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process.pid < 500:
            world.clock.spend(0.3)
        if world.clock.now() > START + 8:  # it never waits, so that no planned stop comes
            world.stop.set()

    world.also = is_slow
    world.scanner.run()
    assert world.times(PassEnd, 500)[1] < START + 2
    assert {event.process.pid for _, event in world.events if isinstance(event, PassEnd)} == {
        *range(100, 120),
        500,
    }


class ManyGib(World):
    """Small processes, and large ones in four parts, each of which takes 40 ms."""

    GIB, PAGES = 4, 280 * 512  # too many for two parts in one window

    def __init__(self, settings: Settings, processes: int, large: int, visits: int) -> None:
        super().__init__(settings, 60, processes)
        self.large = [self._spawn(500 + number) for number in range(large)]
        self.sims += self.large
        self.visits = visits
        self.also = self._takes_time

    def _spawn(self, pid: int) -> SimProcess:
        process = self.machine.spawn(pid)
        for gib in range(1, self.GIB + 1):
            self.machine.map(process, gib * REGION_BYTES, self.PAGES, 1)
        return process

    def _takes_time(self, event: Event) -> None:
        if len(self.times(PassEnd, 500)) == self.visits:
            self.stop.set()

    def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def slow(space: SimAddressSpace, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
            for window in read(space, vmas, start):
                self.clock.spend(0.04 * (space.process.pid >= 500))
                yield window

        read = SimAddressSpace.read
        monkeypatch.setattr(SimAddressSpace, "read", slow)
        self.scanner.run()

    def passes_of_small(self, began: float, ended: float) -> int:
        small = [at for sim in self.sims[:3] for at in self.times(PassEnd, sim.process.pid)]
        return sum(began < at < ended for at in small)


@pytest.mark.parametrize(("profile", "fewest", "most"), [("auto", 3, 9), ("v3", 0, 0)])
def test_a_long_visit_goes_on_after_a_visit_to_each_small_process_that_is_due(
    monkeypatch: pytest.MonkeyPatch, profile: Profile, fewest: int, most: int
) -> None:
    world = ManyGib(every(100, profile=profile, scan_size_max_mb=1 << 20), 3, 1, visits=1)
    world.run(monkeypatch)
    began, ended = world.times(PassStart, 500)[0], world.times(PassEnd, 500)[0]
    assert fewest <= world.passes_of_small(began, ended) <= most


def test_while_a_long_visit_is_under_way_no_other_one_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ManyGib(every(400), 3, 3, visits=2)
    world.run(monkeypatch)
    large = [
        (at, isinstance(event, PassStart))
        for at, event in world.events
        if isinstance(event, PassStart | PassEnd) and event.process.pid >= 500
    ]
    assert [begins for _, begins in large[:6]] == [True, False] * 3


def test_a_long_visit_goes_on_without_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ManyGib(every(400, scan_sleep_ms=3000), 0, 1, visits=1)
    world.run(monkeypatch)
    assert world.times(PassEnd, 500)[0] - world.times(PassStart, 500)[0] < 1


def test_no_more_are_visited_in_a_cycle_than_mms_to_scan_and_all_in_turn() -> None:
    world = World(every(400, mms_to_scan=3, scan_sleep_ms=20), seconds=10, processes=10)
    world.scanner.run()
    at_once = Counter(world.times(PassEnd))
    assert max(at_once.values()) == 3
    visits = [len(world.times(PassEnd, sim.process.pid)) for sim in world.sims]
    assert min(visits) >= 20
    assert max(visits) - min(visits) <= 1


def test_a_process_from_before_is_visited_at_once_and_a_new_one_after_a_delay() -> None:
    world = World(every(400, scan_delay_ms=3000), seconds=20, processes=1)
    world.clock.at(START + 5, lambda: world.sims.append(busy(world.machine, 200)))
    world.scanner.run()
    assert world.times(PassEnd, 100)[0] == pytest.approx(100.2)
    (entered,) = world.times(ProcessEntered, 200)
    assert 105.2 <= entered <= 106.2
    assert world.times(PassEnd, 200)[0] == pytest.approx(entered + 3, abs=0.01)


@pytest.mark.parametrize(
    ("profile", "asked_ms", "found_ms"),
    [("auto", 0, 0), ("auto", 7, 7), ("v3", 0, 20), ("v1", 50, 50)],
)
def test_profiles_of_the_rfc_pause_after_a_cycle(
    profile: Profile, asked_ms: int, found_ms: int
) -> None:
    assert pause_ms(Settings(profile=profile, scan_sleep_ms=asked_ms)) == found_ms


def test_a_cycle_that_was_cut_goes_on_without_the_pause() -> None:
    world = World(every(400, scan_sleep_ms=3000), seconds=9, processes=8)

    def is_slow(event: Event) -> None:
        if isinstance(event, PassEnd):
            world.clock.spend(0.3)
        if len(world.times(PassEnd)) == 8:
            world.stop.set()

    world.also = is_slow
    world.scanner.run()
    assert world.times(PassEnd)[7] < START + 3


def test_a_cycle_comes_after_the_pause_however_soon_a_visit_is_due() -> None:
    def most(pause: int) -> float:
        world = World(every(1, scan_sleep_ms=pause), seconds=4, processes=1)
        world.scanner.run()
        return float(np.diff(world.times(PassEnd)).min())

    assert most(0) < 0.01
    assert most(20) >= 0.02 - 1e-9


@pytest.mark.parametrize("period_ms", [1000, 1300, 4900])
def test_visits_a_second_or_more_apart_are_on_one_grid(period_ms: int) -> None:
    world = World(every(period_ms, scan_sleep_ms=0), seconds=100, processes=5)
    world.clock.at(START + 7.77, lambda: world.sims.append(busy(world.machine, 200)))
    world.scanner.run()
    for pid in (100, 200):
        later = world.times(PassEnd, pid)[1:]
        assert len(later) >= 100_000 / period_ms * 0.75
        assert all(at % 0.5 == 0 for at in later)


def test_visits_less_than_a_second_apart_are_not() -> None:
    world = World(every(400, scan_sleep_ms=0), seconds=10, processes=1)
    world.scanner.run()
    visits = world.times(PassEnd)
    assert visits[1] - visits[0] == pytest.approx(0.4)
    assert visits[10] - visits[0] == pytest.approx(4.0)


class FewDescriptors(SimMachine):
    """Opens this many processes and no more."""

    def __init__(self, world: SimMachine, room: int) -> None:
        self.__dict__.update(world.__dict__)
        self.room = room

    def open(self, process: Process) -> SimAddressSpace:
        if self.room == 0:
            raise TooManyOpenFiles
        self.room -= 1
        return super().open(process)


def test_a_process_without_a_descriptor_is_reported_and_taken_up_when_there_is_one() -> None:
    world = World(every(400), seconds=10, processes=3)
    few = FewDescriptors(world.machine, 2)
    world.scanner = world._scanner(few)
    world.clock.at(START + 5, lambda: setattr(few, "room", 5))
    world.scanner.run()
    reported = [
        e for _, e in world.events if isinstance(e, ProcessLeft) and "too many open" in e.why
    ]
    assert {e.process.pid for e in reported} == {102}
    assert len(world.times(PassEnd, 100)) > 20  # the others are not held up
    (entered,) = world.times(ProcessEntered, 102)
    assert 105.2 <= entered <= 106.2
    assert world.times(PassEnd, 102)


def test_rules_that_come_while_others_are_taken_over_are_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(every(400), seconds=10, processes=1)
    matches = world.scanner._watched._matches
    take_over: Callable[[Rules], None] = matches.replace_rules
    more = iter([Rules([Rule(0)])])

    def while_it_takes_over(rules: Rules) -> None:
        for other in more:
            world.scanner.set_rules(other)
        take_over(rules)

    monkeypatch.setattr(matches, "replace_rules", while_it_takes_over)
    world.clock.at(START + 5, lambda: world.scanner.set_rules(Rules([Rule(7)])))
    world.scanner.run()
    assert [e.why for _, e in world.events if isinstance(e, ProcessLeft)] == [EXCLUDED]


def left_too_soon(world: World) -> list[ProcessLeft]:
    left = [event for _, event in world.events if isinstance(event, ProcessLeft)]
    return [event for event in left if event.why not in ("mmscand stops", EXCLUDED)]


class NoDescriptors(SimMachine):
    """Has no descriptor to look at a process with, from a moment on and until another one."""

    def __init__(self, world: SimMachine) -> None:
        self.__dict__.update(world.__dict__)
        self.out = False

    def facts(self, process: Process) -> ProcessFacts:
        if self.out:
            raise TooManyOpenFiles
        return super().facts(process)


def test_without_descriptors_nobody_is_taken_for_exited_and_nobody_new_is_judged_blindly() -> None:
    world = World(every(400), seconds=10, processes=1)
    machine = NoDescriptors(world.machine)
    world.scanner = world._scanner(machine)
    world.scanner.set_rules(Rules([Rule(0, name=re.compile("newcomer"))]))

    def run_out() -> None:
        machine.out = True
        world.machine.spawn(900, "newcomer")

    world.clock.at(START + 3, run_out)
    world.clock.at(START + 7, lambda: setattr(machine, "out", False))
    world.scanner.run()
    assert left_too_soon(world) == []
    assert world.times(ProcessEntered, 900) == []
    assert len(world.times(PassEnd, 100)) > 15


def test_a_visit_that_lacks_descriptors_goes_on_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(every(400), seconds=10, processes=1)
    read, failing = SimAddressSpace.vmas, [True] * 3

    def vmas(space: SimAddressSpace) -> VmaTable:
        if world.clock.now() > START + 3 and failing:
            failing.pop()
            raise TooManyOpenFiles
        return read(space)

    monkeypatch.setattr(SimAddressSpace, "vmas", vmas)
    world.scanner.run()
    assert not failing
    assert left_too_soon(world) == []
    assert max(world.times(PassEnd, 100)) > START + 8


def test_files_are_not_read_under_the_lock_that_a_change_of_knobs_waits_for() -> None:
    world = World(every(400), seconds=10, processes=2)
    free = list[bool]()

    class Watching(SimMachine):
        def __init__(self, other: SimMachine) -> None:
            self.__dict__.update(other.__dict__)

        def bulk_group(self, process: Process) -> str:
            free.append(in_thread(lambda: is_free(world.scanner._wakeup)))
            return super().bulk_group(process)

    world.scanner = world._scanner(Watching(world.machine))
    world.clock.at(START + 5, partial(turn_on_shared_memory, world))
    world.scanner.run()
    assert free
    assert all(free)


def turn_on_shared_memory(world: World) -> None:
    world.store.change({"shared_memory": True})


def is_free(lock: threading.Condition) -> bool:
    if not lock.acquire(blocking=False):
        return False
    lock.release()
    return True


def in_thread(ask: Callable[[], bool]) -> bool:
    """The answer in another thread."""
    answers = list[bool]()
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]

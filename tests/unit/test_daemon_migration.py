"""The daemon on the simulated machine: what waits to be moved, and where it goes."""

import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.errors import ProcessDenied, TooManyOpenFiles
from mmscand.migrate.migration_list import MigrationList
from mmscand.migrate.migrator import Migrator
from mmscand.model import REGION_BYTES, IntArray, Migration, Process, Topology, UIntArray
from mmscand.observe.events import Event, Moved, PassEnd, TopologyChanged
from mmscand.settings_store import SettingsStore
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import HOT, TIMEOUT_S, Recorder, Tiers, running, steady, tiers, touching


class Waiting:
    """A migrator that has moved one page of another process and rests for an hour."""

    def __init__(self, world: Tiers) -> None:
        self.world = world
        other = world.machine.spawn(101, "other")
        self.vma = world.machine.map(other, 1 << 30, 512, 1)
        self.touched: list[int] = []
        self.recorder = Recorder(self._hook)

    def _hook(self, event: Event) -> None:
        if isinstance(event, PassEnd):
            self.vma.accessed.flat[0] = True
            self.world.vma.accessed.reshape(-1)[self.touched] = True

    def rest_with_hot_pages_on_the_list(self, daemon: Daemon) -> None:
        daemon.settings.change({"migrate_sleep_ms": 3_600_000})
        self.recorder.wait_for(Moved)
        self.touched = HOT
        self.recorder.wait_for(PassEnd, lambda event: event.waiting == len(HOT))


def test_a_page_that_cools_while_it_waits_is_taken_off_and_counted() -> None:
    world = tiers()
    waiting = Waiting(world)
    with running(world.machine, waiting.recorder) as daemon:
        waiting.rest_with_hot_pages_on_the_list(daemon)
        waiting.touched = HOT[:2]
        cooled = waiting.recorder.wait_for(PassEnd, lambda event: event.cooled > 0)
        assert (cooled.cooled, cooled.waiting) == (len(HOT) - 2, 2)
        assert daemon.status().queued_slots == 2
        daemon.settings.change({"migrate_sleep_ms": 0})
        waiting.recorder.wait_for(Moved)
    assert world.on_fast() == HOT[:2]


def test_what_somebody_else_moved_meanwhile_is_left_alone_and_not_called_promoted() -> None:
    world = tiers()
    waiting = Waiting(world)
    with running(world.machine, waiting.recorder) as daemon:
        waiting.rest_with_hot_pages_on_the_list(daemon)
        for slot in HOT[:3]:
            assert world.machine.migrate(world.vma, slot, 0) == 0
        daemon.settings.change({"migrate_sleep_ms": 0})
        moved = waiting.recorder.wait_for(Moved)
        assert (moved.already_there, moved.promoted, moved.failed) == (3, len(HOT) - 3, {})
    assert world.on_fast() == HOT


def test_a_page_that_went_to_a_third_node_is_not_moved() -> None:
    machine = SimMachine(sim_topology((0, 2), (1,), {0: 16384, 1: 16384, 2: 16384}))
    process = machine.spawn(100, "app")
    world = Tiers(machine, process, machine.map(process, 1 << 30, 2048, 1))
    waiting = Waiting(world)
    with running(machine, waiting.recorder) as daemon:
        waiting.rest_with_hot_pages_on_the_list(daemon)
        assert machine.migrate(world.vma, HOT[0], 2) == 2
        daemon.settings.change({"migrate_sleep_ms": 0})
        moved = waiting.recorder.wait_for(Moved)
    assert (moved.promoted, moved.failed) == (len(HOT) - 1, {"ELSEWHERE": 1})
    assert machine.nodes_of(world.vma).flat[HOT[0]] == 2


def test_another_size_of_the_migration_list_counts_at_once() -> None:
    world = tiers(pages=4096)
    waiting = Waiting(world)
    with running(world.machine, waiting.recorder) as daemon:
        daemon.settings.change({"migrate_sleep_ms": 3_600_000, "migration_list_slots": 512})
        waiting.recorder.wait_for(Moved)
        waiting.touched = list(range(2048))
        waiting.recorder.wait_for(PassEnd, lambda event: event.waiting == 512)
        daemon.settings.change({"migration_list_slots": 1024})
        waiting.recorder.wait_for(PassEnd, lambda event: event.waiting == 1024)


class SlowToMove(SimMachine):
    """Moves of one process take 20 ms each."""

    def __init__(self, world: Tiers, pid: int) -> None:
        self.__dict__.update(world.machine.__dict__)
        self.pid = pid

    def open(self, process: Process) -> SimAddressSpace:
        space = super().open(process)
        if process.pid == self.pid:
            move = space.move

            def slow(addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
                time.sleep(0.02)
                return move(addresses, node, shared=shared)

            space.move = slow  # type: ignore[method-assign]
        return space


def test_of_two_equal_processes_the_one_that_moves_slowly_gets_as_many_pages() -> None:
    world = tiers(pages=4096)
    other = world.machine.spawn(101, "other")
    areas = [world.vma, world.machine.map(other, 1 << 30, 4096, 1)]
    promoted: Counter[int] = Counter()
    both_wait = threading.Event()

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            areas[event.process.pid - 100].accessed[:] = True
            world.machine.process(event.process.pid).run()
            if event.waiting >= 2048:
                waiting.add(event.process.pid)
            if len(waiting) == 2:
                both_wait.set()
        if isinstance(event, Moved):
            promoted[event.process.pid] += event.promoted

    waiting: set[int] = set()
    daemon = Daemon(
        SlowToMove(world, 101),
        settings=replace(steady(50), migrate_batch_pages=64, migrate_sleep_ms=3_600_000),
        observer=hook,
    )
    daemon.start()
    try:
        assert both_wait.wait(TIMEOUT_S)
        before = dict(promoted)
        daemon.settings.change({"migrate_sleep_ms": 0})
        while promoted.total() < 4096:
            time.sleep(0.005)
        gained = [promoted[pid] - before.get(pid, 0) for pid in (100, 101)]
    finally:
        daemon.stop()
    assert abs(gained[0] - gained[1]) <= 0.1 * min(gained)


def test_a_process_whose_own_nodes_are_full_lets_no_other_wait() -> None:
    machine = SimMachine(sim_topology((0, 2), (1,), {0: 512, 1: 16384, 2: 16384}))
    machine.map(machine.spawn(200, "filler"), 1 << 30, 512, 0)
    bound, free = machine.spawn(100, "bound"), machine.spawn(101, "free")
    areas = {p.process: machine.map(p, 1 << 30, 2048, 1) for p in (bound, free)}
    areas[bound.process].policy = frozenset({0, 1})

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process in areas:
            areas[event.process].accessed[:] = True

    recorder = Recorder(hook)
    daemon = Daemon(
        machine,
        settings=replace(steady(5), migrate_batch_pages=64),
        observer=recorder,
    )
    began = time.monotonic()
    daemon.start()
    try:
        recorder.wait_for(Moved, lambda event: event.failed == {"ENOMEM": 64})
        recorder.wait_for_promoted(free.process, 2048)
    finally:
        daemon.stop()
    assert (
        time.monotonic() - began < 32 * 0.5 / 2
    )  # 32 batches, each behind a rest of half a second
    assert (machine.nodes_of(areas[free.process]) == 2).all()
    assert (machine.nodes_of(areas[bound.process]) == 1).all()


def test_pages_go_to_the_fast_node_that_the_process_uses_not_where_most_of_it_lies() -> None:
    machine = SimMachine(sim_topology((0, 2), (1,), dict.fromkeys((0, 1, 2), 65536)))
    process = machine.spawn(100, "app")
    world = Tiers(machine, process, machine.map(process, 1 << 30, 2048, 1))
    machine.map(process, 8 << 30, 8192, 0)
    used = machine.map(process, 16 << 30, 2048, 2)
    touched: list[int] = []

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            used.accessed[:] = True
            world.vma.accessed.reshape(-1)[touched] = True

    recorder = Recorder(hook)
    with running(machine, recorder):
        recorder.wait_for(PassEnd, lambda event: event.number >= 12)
        touched += HOT
        recorder.wait_for_promoted(process.process, len(HOT))
    assert np.flatnonzero(machine.nodes_of(world.vma) == 2).tolist() == HOT


def test_moves_that_the_kernel_does_not_allow_are_said_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(space: SimAddressSpace, addresses: UIntArray) -> IntArray:
        raise ProcessDenied(space.process.pid, "move", "CAP_SYS_PTRACE")

    monkeypatch.setattr(SimAddressSpace, "nodes", denied)
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        moved = recorder.wait_for(Moved)
        assert moved.failed == {"EPERM": len(HOT)}
        recorder.wait_for(PassEnd, lambda event: event.number >= 8)
        assert daemon.status().counters["failed_EPERM"] >= len(HOT)


def test_a_migrator_without_descriptors_goes_on_when_there_are_some_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes, tries = SimAddressSpace.nodes, list[int]()

    def lacking(space: SimAddressSpace, addresses: UIntArray) -> IntArray:
        tries.append(len(addresses))
        if len(tries) < 3:
            raise TooManyOpenFiles
        return nodes(space, addresses)

    monkeypatch.setattr(SimAddressSpace, "nodes", lacking)
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, len(HOT))
        counters = daemon.status().counters
    assert not any(value for name, value in counters.items() if name.startswith("failed"))
    assert world.on_fast() == HOT


def test_promotions_do_not_wait_where_the_slow_tier_is_full() -> None:
    world = tiers()
    world.machine.map(world.process, 8 << 30, 14_848, 0)  # fewer are free than a batch has
    clock, moved = SimClock(), list[Moved]()
    store = SettingsStore(steady())
    migrations, addresses = MigrationList(1 << 16), np.arange(4, dtype=np.uint64) * np.uint64(4096)
    migrator = Migrator(
        FullSlowTier(world.machine), migrations, store, clock, moved.append, lambda outcome: None
    )
    process, start = world.process.process, np.uint64(world.vma.start)
    migrations.offer(Migration(process, addresses + np.uint64(8 << 30), 1, 0, demotes=True))
    migrations.offer(Migration(process, addresses + start, 1, 1))
    migrator.step()
    assert [event.failed for event in moved] == [{"ENOMEM": 4}, {}]
    assert clock.now() == 0.0
    assert moved[1].promoted == 4


class FullSlowTier(SimMachine):
    """Nothing can be demoted."""

    def __init__(self, world: SimMachine) -> None:
        self.__dict__.update(world.__dict__)

    def free_pages(self, node: int) -> int:
        return 0 if node == 1 else super().free_pages(node)


def test_pages_of_a_node_that_went_offline_are_left_where_they_are() -> None:
    world = tiers()
    recorder = Recorder(touching(world, HOT))
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process.process, len(HOT))
        nodes = world.machine.topology().nodes
        only_fast = Topology(nodes[:1], frozenset({0}), frozenset())
        world.machine.next_topology = only_fast
        changed = recorder.wait_for(TopologyChanged)
        assert (changed.fast, changed.slow) == ((0,), ())
        recorder.wait_for(PassEnd, lambda event: event.number >= 3)
        assert daemon.failure is None


def test_what_waits_on_a_node_that_went_offline_keeps_no_other_move_back() -> None:
    world = tiers()
    clock, moved = SimClock(), list[Moved]()
    migrations, pages = MigrationList(1 << 16), np.arange(4, dtype=np.uint64) * np.uint64(4096)
    migrator = Migrator(
        world.machine,
        migrations,
        SettingsStore(steady()),
        clock,
        moved.append,
        lambda outcome: None,
    )
    process, start = world.process.process, np.uint64(world.vma.start)
    migrations.offer(Migration(process, pages + np.uint64(8 << 30), 1, 7))
    migrations.offer(Migration(process, pages + start, 1, 1))
    migrator.step()
    assert sorted(str(event.failed) for event in moved) == ["{'ENODEV': 4}", "{}"]
    assert clock.now() == 0.0


def test_a_node_that_becomes_slow_is_promoted_from_at_the_next_look() -> None:
    machine = SimMachine(sim_topology((0, 1), (), {0: 8192, 1: 8192}))
    process = machine.spawn(100, "app")
    vma = machine.map(process, REGION_BYTES, 1024, 1)

    def touch(event: Event) -> None:
        process.touch(REGION_BYTES, HOT[:4])

    recorder = Recorder(touch)
    with running(machine, recorder):
        recorder.wait_for(PassEnd, lambda event: event.number >= 4)
        nodes = machine.topology().nodes
        machine.next_topology = Topology(nodes, frozenset({0}), frozenset({1}))
        recorder.wait_for(TopologyChanged)
        vma.slow[:] = True  # the simulated page tables' own view
        recorder.wait_for_promoted(process.process, 4)

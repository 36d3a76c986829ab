"""Hot pages that may not move, beside some that may: nothing makes way for the former."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mmscand.clock import Clock
from mmscand.model import REGION_BYTES, BoolArray, PageNumbers
from mmscand.observe.events import Event, Moved, PassEnd, PassStart
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess, SimVma
from support.sim_daemon import Recorder, running

FAST_PAGES, COLD_PAGES, IMMOVABLE_PAGES, MOVABLE_PAGES, HOT_PAGES = 8192, 4096, 16_384, 8192, 2048
OTHERS, BOUND, APP = 200, 100, 300
BATCH_PAGES = 64


@dataclass
class World:
    """A fast tier that is full of what nobody uses; on the slow tier pages are hot."""

    machine: SimMachine = field(init=False)
    cold: SimVma = field(init=False)
    immovable: SimVma = field(init=False)
    app: SimProcess = field(init=False)
    memory: SimVma = field(init=False)
    hot: PageNumbers = field(init=False)
    moved: list[Moved] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2))

    def __post_init__(self) -> None:
        self.machine = SimMachine(sim_topology((0,), (1,), {0: FAST_PAGES, 1: 65_536}))
        others, bound = self.machine.spawn(OTHERS, "cold"), self.machine.spawn(BOUND, "bound")
        self.app = self.machine.spawn(APP, "app")
        self.cold = self.machine.map(others, 4 * REGION_BYTES, COLD_PAGES, 0)
        self.immovable = self.machine.map(bound, REGION_BYTES, IMMOVABLE_PAGES, 1)
        self.memory = self.machine.map(self.app, 8 * REGION_BYTES, MOVABLE_PAGES, 1)
        self.hot = np.sort(np.random.default_rng(1).permutation(MOVABLE_PAGES)[:HOT_PAGES])

    def __call__(self, event: Event) -> None:
        """All that is hot is accessed between any two visits."""
        if isinstance(event, PassStart | PassEnd):
            self.immovable.touch(slice(None))
            # Less often than the others: by rates alone they would come last.
            self.memory.touch(self.hot[self.random.random(HOT_PAGES) < 0.6])
            for pid in (OTHERS, BOUND, APP):
                self.machine.process(pid).run()
        if isinstance(event, Moved):
            self.moved.append(event)

    def on_fast(self, vma: SimVma) -> BoolArray:
        found: BoolArray = self.machine.nodes_of(vma).reshape(-1) == 0
        return found

    def run(self, passes: int, clock: Clock | None = None) -> None:
        """Until the application's hot pages are up, and then for some passes of it."""
        with self.run_until(self.hot_is_up, clock) as wait_for_a_pass:
            for _ in range(passes):
                wait_for_a_pass()

    @contextmanager
    def run_until(
        self, done: Callable[[], bool], clock: Clock | None = None
    ) -> Iterator[Callable[[], None]]:
        """A daemon that has run for as many passes as that takes; waits for the next pass."""
        recorder = Recorder(self)

        def wait_for_a_pass() -> None:
            recorder.wait_for(PassEnd, lambda event: event.process.pid == APP)

        clock = clock or SimClock(threads=2)
        with running(self.machine, recorder, scan_period_ms=5, clock=clock) as daemon:
            daemon.settings.change({"policy": "capacity", "migrate_batch_pages": BATCH_PAGES})
            while not done():
                wait_for_a_pass()
            yield wait_for_a_pass

    def hot_is_up(self) -> bool:
        return bool(self.on_fast(self.memory)[self.hot].all())

    @property
    def demoted(self) -> int:
        return sum(event.demoted for event in self.moved)

    @property
    def failed(self) -> int:
        return sum(sum(event.failed.values()) for event in self.moved)


def test_nothing_makes_way_for_memory_that_is_bound_to_slow_nodes() -> None:
    world = World()
    world.immovable.policy = frozenset({1})
    world.run(passes=30)
    assert not world.on_fast(world.immovable).any()
    assert world.demoted <= HOT_PAGES
    assert not any(event.failed for event in world.moved)


def test_the_cold_pages_that_may_not_be_demoted_are_no_room() -> None:
    world = World()
    world.cold.policy, world.immovable.policy = frozenset({0}), frozenset({1})
    recorder = Recorder(world)
    clock = SimClock(threads=2)
    with running(world.machine, recorder, scan_period_ms=5, clock=clock) as daemon:
        daemon.settings.change({"policy": "capacity"})
        recorder.wait_for(PassEnd, lambda e: e.process.pid == APP and e.number >= 40)
    assert world.on_fast(world.cold).all()
    assert world.on_fast(world.memory)[world.hot].all()  # in what is free
    assert not any(event.failed for event in world.moved)


def test_nothing_makes_way_for_pinned_pages_when_they_are_tried_again() -> None:
    world, clock = World(), SimClock(threads=2)
    world.immovable.pinned[:] = True
    with world.run_until(world.hot_is_up, clock) as wait_for_a_pass:
        for _ in range(20):
            wait_for_a_pass()
        # Nobody knew that they are pinned before they were tried: room is made for one batch.
        first, demoted = world.failed, world.demoted
        assert first > 0
        assert demoted <= 2 * BATCH_PAGES
        while world.failed == first:
            wait_for_a_pass()
        for _ in range(20):
            wait_for_a_pass()
    assert world.demoted <= demoted + HOT_PAGES // 10
    assert world.hot_is_up()
    assert not world.on_fast(world.immovable).any()


def test_hot_pages_that_are_pinned_for_a_while_are_promoted_later() -> None:
    world, some = World(), slice(0, 50)
    world.immovable.policy = frozenset({1})
    world.memory.pinned.reshape(-1)[world.hot[some]] = True
    with world.run_until(lambda: world.failed > 0) as wait_for_a_pass:
        world.memory.pinned[:] = False
        while not world.hot_is_up():
            wait_for_a_pass()

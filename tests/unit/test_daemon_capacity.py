"""Policy capacity in the daemon: a full fast tier, and who gives way to whom."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.model import REGION_BYTES
from mmscand.observe.events import Event, Moved, PassEnd, PassStart
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import TIMEOUT_S, steady

FAST_PAGES = 4096
HEADROOM = 81
"""2 % of it."""


def capacity(**more: float | str) -> Settings:
    return replace(
        steady(5),
        **{"policy": "capacity", "headroom_percent": 2.0, "page_cache_percent": 50.0, **more},
    )


@dataclass
class FullTier:
    """`guest` has the fast tier but for 512 pages, `host` lies on the slow one and is hot."""

    machine: SimMachine = field(
        default_factory=lambda: SimMachine(sim_topology((0,), (1,), {0: FAST_PAGES, 1: 16384}))
    )
    used: dict[int, list[int]] = field(default_factory=dict)
    """By pid, the slots that a process uses between two passes."""
    passes: Counter[int] = field(default_factory=Counter)
    moved: list[Moved] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.guest, self.host = self.machine.spawn(200, "guest"), self.machine.spawn(100, "host")
        self.vmas = {
            200: self.machine.map(self.guest, 4 * REGION_BYTES, FAST_PAGES - 512, 0),
            100: self.machine.map(self.host, REGION_BYTES, 8192, 1),
        }

    def observe(self, event: Event) -> None:
        if isinstance(event, PassStart | PassEnd):  # also between clearing bits and reading them
            pid = event.process.pid
            self.vmas[pid].touch(np.array(self.used.get(pid, []), dtype=np.intp))
            self.machine.process(pid).run()
            self.passes[pid] += isinstance(event, PassEnd)
        elif isinstance(event, Moved):
            self.moved.append(event)
            self.failed.update(event.failed)

    def watched(self, settings: Settings) -> Daemon:
        return Daemon(self.machine, settings=settings, observer=self.observe)

    @contextmanager
    def settled(self, settings: Settings) -> Iterator[Daemon]:
        """Watched until what `host` uses is up, while `guest` uses less than it has."""
        self.used = {100: some(2000, 8192), 200: some(500, 3584)}
        with self.watched(settings) as daemon:
            assert self.until(lambda: bool(self.fast(100)[self.used[100]].all()))
            yield daemon

    def until(self, condition: Callable[[], bool]) -> bool:
        """Whether it became true in time."""
        end = time.monotonic() + TIMEOUT_S
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        return condition()

    def rest(self, passes: int = 20) -> None:
        """Let this many passes go by, of both."""
        goal = {pid: self.passes[pid] + passes for pid in self.vmas}
        assert self.until(lambda: all(self.passes[pid] >= goal[pid] for pid in goal))

    def fast(self, pid: int) -> np.ndarray:
        """Which slots of a process are on the fast tier."""
        return (self.machine.nodes_of(self.vmas[pid]) == 0).reshape(-1)


def some(slots: int, of: int, seed: int = 1) -> list[int]:
    return sorted(np.random.default_rng(seed).permutation(of)[:slots].tolist())


def test_hot_pages_take_the_place_of_cold_ones_and_nothing_fails() -> None:
    world = FullTier()
    with world.settled(capacity()) as daemon:
        world.rest()
        counters = daemon.status().counters
    assert world.fast(200)[world.used[200]].all()
    assert world.fast(100).sum() == 2000
    assert not world.failed
    assert counters["promoted"] == 2000
    # No more were demoted than had to, and the headroom is kept, a batch of 512 more or less.
    assert 2000 - 512 + HEADROOM <= counters["demoted"] <= 2000 + 512
    assert world.machine.free_pages(0) >= HEADROOM


def changes(daemon: Daemon) -> int:
    """That were noticed of `host`."""
    return sum(one.changes for one in daemon.status().processes if one.process.pid == 100)


def test_another_hot_set_is_noticed_reported_and_followed() -> None:
    world = FullTier()
    with world.settled(capacity()) as daemon:
        world.rest()
        before = changes(daemon)
        world.used[100] = sorted({*range(8192)} - {*world.used[100]})[:2000]
        assert world.until(lambda: bool(world.fast(100)[world.used[100]].all()))
        assert changes(daemon) > before


def test_what_waits_for_a_slow_migrator_stays_on_the_list_while_it_is_hot() -> None:
    world = FullTier()
    with world.settled(capacity(migrate_rate_mb_s=8)) as daemon:
        counters = daemon.status().counters
    assert world.passes[100] > 10
    assert counters["cooled"] < 100


def test_in_the_end_nothing_moves() -> None:
    world = FullTier()
    with world.settled(capacity()):
        world.rest()
        moved = len(world.moved)
        world.rest(30)
    assert len(world.moved) == moved


def test_a_touch_a_page_promotes_nothing() -> None:
    world = FullTier()
    rounds = iter(range(0, 8192, 256))

    def streaming(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process.pid == 100:
            first = next(rounds, 8192)
            world.used[100] = list(range(first, min(first + 256, 8192)))
        world.observe(event)

    daemon = Daemon(world.machine, settings=capacity(), observer=streaming)
    daemon.start()
    world.rest(40)
    daemon.stop()
    assert sum(event.promoted for event in world.moved) == 0


def test_what_its_owner_bound_to_the_fast_tier_stays() -> None:
    world = FullTier()
    world.vmas[200].policy = frozenset({0})
    world.used = {100: some(2000, 8192)}
    with world.watched(capacity()):
        world.rest(30)
    assert world.fast(200).all()
    assert 0 < world.fast(100).sum() <= 512 - HEADROOM


def test_a_node_that_is_fuller_than_it_should_be_gives_its_coldest_pages() -> None:
    world = FullTier()
    filler = world.machine.map(world.guest, 6 * REGION_BYTES, 512, 0)
    world.used = {200: some(500, 3584)}
    with world.watched(capacity()):
        assert world.until(lambda: world.machine.free_pages(0) >= HEADROOM)
        world.rest()
    assert world.fast(200)[world.used[200]].all()
    assert world.machine.free_pages(0) < 4 * HEADROOM
    assert filler.end - filler.start == 512 * 4096


@pytest.mark.parametrize("policy", ["capacity", "two-pass"])
def test_page_cache_gives_way_to_hot_pages_and_nobody_is_demoted_for_it(policy: str) -> None:
    world = FullTier()
    world.machine.fill_cache(0, 512)
    hot = some(100, 8192)
    world.used = {100: hot, 200: some(500, 3584)}
    with world.watched(capacity(policy=policy)):
        assert world.until(lambda: bool(world.fast(100)[hot].all()))
        world.rest()
    assert sum(event.demoted for event in world.moved) == 0
    assert world.machine.page_cache(0).pages == 512 - 100


def test_the_policy_can_be_changed_while_it_runs() -> None:
    world = FullTier()
    world.used = {100: some(2000, 8192)}
    with world.watched(capacity(policy="two-pass")) as daemon:
        world.rest()
        assert sum(event.demoted for event in world.moved) == 0
        daemon.settings.change({"policy": "capacity"})
        assert world.until(lambda: bool(world.fast(100)[world.used[100]].all()))


def test_pages_that_were_demoted_are_promoted_again_when_they_are_used_again() -> None:
    world = FullTier()
    first, second = some(3400, 8192), some(3400, 8192, seed=2)
    world.used = {100: first}
    with world.watched(capacity()):
        assert world.until(lambda: bool(world.fast(100)[first].mean() > 0.95))
        world.used = {100: second}
        assert world.until(lambda: bool(world.fast(100)[second].mean() > 0.95))
        world.used = {100: first}
        assert world.until(lambda: bool(world.fast(100)[first].mean() > 0.95))

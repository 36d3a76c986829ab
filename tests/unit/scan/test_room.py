"""Room on the fast tier, while the migrator is at work in another thread."""

from collections.abc import Callable

import numpy as np
import pytest

from mmscand.clock import SystemClock
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import PAGE_BYTES, REGION_BYTES, Migration, Process
from mmscand.scan.room import FastTierRoom, nodes_by_tier, tier_pages
from mmscand.settings import Settings
from mmscand.settings_store import SettingsStore
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

FREE, MOVING, HEADROOM = 512, 100, 10


class MovesMeanwhile(SimMachine):
    """Right before, or right after, it was asked for its free pages, something happens."""

    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)
    used = 0

    def free_pages(self, node: int) -> int:
        self.before()
        free = super().free_pages(node) - self.used
        self.after()
        return free


def migration(*, demotes: bool) -> Migration:
    addresses = np.uint64(REGION_BYTES) + np.arange(MOVING, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    source = 0 if demotes else 1
    return Migration(Process(7, 7), addresses, 1, source, (), None, False, 1, demotes)


@pytest.mark.parametrize("demotes", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_pages_that_move_while_it_is_asked_for_are_never_room_that_is_not_there(
    when: str, demotes: bool
) -> None:
    machine = MovesMeanwhile(sim_topology((0,), (1,), {0: FREE, 1: 4096}))
    pages = MigrationList(1 << 20)
    store = SettingsStore(Settings(room_pages=HEADROOM, headroom_percent=0.0))
    room = FastTierRoom(machine, pages, store)
    pages.offer(migration(demotes=demotes))
    truth = FREE - HEADROOM + (MOVING if demotes else -MOVING)
    assert room.pages == truth

    def moved() -> None:
        if (taken := pages.take(MOVING, SystemClock())) is not None:
            pages.done(taken)
            pages.close()
            machine.used = -MOVING if demotes else MOVING

    setattr(machine, when, moved)
    assert room.pages <= truth
    assert room.pages == truth  # once it is over


@pytest.mark.parametrize(("percent", "taken"), [(0.0, 0), (50.0, 100), (100.0, 200)])
def test_a_share_of_the_page_cache_is_room(percent: float, taken: int) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: FREE, 1: 4096}))
    machine.fill_cache(0, 200)
    settings = Settings(room_pages=HEADROOM, headroom_percent=0.0, page_cache_percent=percent)
    room = FastTierRoom(machine, MigrationList(1 << 20), SettingsStore(settings))
    assert room.pages == FREE - 200 - HEADROOM + taken


@pytest.mark.parametrize(("used", "room"), [(0, -HEADROOM), (4, 4 - HEADROOM), (400, 0)])
def test_nothing_is_demoted_for_a_headroom_that_page_cache_would_fill(used: int, room: int) -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: FREE, 1: 4096}))
    full = machine.map(machine.spawn(100, "app"), REGION_BYTES, FREE, 0)
    machine.discard(full, np.arange(used))
    machine.fill_cache(0, used, used)
    settings = Settings(room_pages=HEADROOM, headroom_percent=0.0)
    assert FastTierRoom(machine, MigrationList(1 << 20), SettingsStore(settings)).pages == room


def test_memory_of_a_tier_is_what_is_free_and_what_is_used() -> None:
    machine = SimMachine(sim_topology((0, 2), (1,), {0: 512, 1: 1024, 2: 512}))
    machine.map(machine.spawn(100, "app"), REGION_BYTES, 512, 2)
    machine.fill_cache(0, 30)
    found = tier_pages(machine)
    free = machine.free_pages(0) + machine.free_pages(2)
    assert found["fast"] == {"free": free, "cache": 30, "used": 1024 - free - 30}
    assert sum(found["slow"].values()) == 1024
    assert nodes_by_tier(machine.topology()) == {"fast": [0, 2], "slow": [1]}

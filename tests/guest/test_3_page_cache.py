"""A fast node that the page cache fills, as on each server that reads files."""

from support.guest_daemon import events_of, running_daemon
from support.live_world import LiveActor, LiveWorld

PAGES = 16384
HOT = [*range(0, PAGES, 2)]
_PAUSE_S = 0.2


def test_page_cache_gives_way_to_hot_pages_and_nothing_is_demoted_for_it(world: LiveWorld) -> None:
    actor, idle = world.actor(), world.actor()
    assert isinstance(actor, LiveActor)
    assert isinstance(idle, LiveActor)
    cold = idle.map(PAGES, fast=True)
    address = actor.map(PAGES)
    world.fill_cache()
    free = world.machine.free_pages(world.fast)
    print(f"{free} pages are free on node {world.fast}")
    assert free < len(HOT)
    actor.puppet.use(address, HOT, _PAUSE_S)
    with running_daemon(actor.process.pid, idle.process.pid) as daemon:
        for event in events_of(daemon):
            if event["event"] == "moved" and world.fast_share(actor, address, HOT) == 1.0:
                break
    assert world.fast_share(actor, address, HOT) == 1.0
    assert world.fast_share(idle, cold, [*range(PAGES)]) == 1.0

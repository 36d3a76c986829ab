"""Two top-tier nodes and a slow one: pages go where their process uses memory, if there is room."""

from collections.abc import Callable

import numpy as np

from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, IntArray, UIntArray
from mmscand.observe.events import Event, Moved, PassEnd
from support.live_world import LiveActor, LiveWorld
from support.puppet import Puppet
from support.sim_daemon import Recorder, running

PAGES = 1024
MOSTLY, USED, SLOW = 0, 1, 2
"""Node 0 has most of the process' memory and is nearest to the slow node; node 1 is used."""


def nodes_of(actor: LiveActor, address: int, pages: int) -> IntArray:
    """The kernel's own answer."""
    numbers: UIntArray = np.arange(pages, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    return move_pages(actor.process.pid, numbers + np.uint64(address), None)[1]


def actor_on_two_nodes(world: LiveWorld) -> tuple[LiveActor, list[int], Callable[[Event], None]]:
    """Cold memory on one fast node, used memory on the other, and some on the slow node.

    Its slow memory is used as soon as its address is put on the list.
    """
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    actor.puppet.map(8 * PAGES, node=MOSTLY)
    used = actor.puppet.map(4 * PAGES, node=USED)
    hot: list[int] = []

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process == actor.process:
            actor.touch(used, list(range(4 * PAGES)))
            for address in hot:
                actor.touch(address, list(range(PAGES)))

    return actor, hot, hook


def test_the_kernel_sees_two_fast_nodes_and_one_slow(world: LiveWorld) -> None:
    topology = world.machine.topology()
    assert (topology.fast, topology.slow) == ({MOSTLY, USED}, {SLOW})
    distances = topology.node(SLOW).distances
    assert distances[MOSTLY] < distances[USED]


def test_pages_go_to_the_fast_node_that_is_used_not_to_the_nearest_or_fullest(
    world: LiveWorld,
) -> None:
    actor, hot, hook = actor_on_two_nodes(world)
    slow = actor.map(PAGES)
    recorder = Recorder(hook)
    with running(world.machine, recorder, scan_period_ms=100):
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 15)
        hot.append(slow)
        recorder.wait_for_promoted(actor.process, PAGES)
    assert (nodes_of(actor, slow, PAGES) == USED).all()


def test_when_that_node_is_full_the_other_fast_one_is_used(world: LiveWorld) -> None:
    actor, hot, hook = actor_on_two_nodes(world)
    slow = actor.map(PAGES)
    recorder = Recorder(hook)
    with Puppet() as filler, running(world.machine, recorder, scan_period_ms=100) as daemon:
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 15)
        free = world.machine.free_pages(USED)
        filler.map((free - 1024) // 512 * 512, node=USED)
        daemon.settings.change({"room_pages": 8192})  # what is left there is too little
        hot.append(slow)
        moved = recorder.wait_for(Moved, lambda e: e.process == actor.process and e.promoted > 0)
    assert moved.target == MOSTLY

"""MGLRU's aging on the guest's kernel: a whole cgroup, shared pages too, one node."""

import time

import numpy as np

from mmscand.linux.mglru import GenerationAger
from support.live_world import LiveActor, LiveWorld

PAGES = 2048


def accessed(world: LiveWorld, actor: LiveActor, address: int) -> np.ndarray:
    """Which of the pages from `address` on have their bit set."""
    space = world.machine.open(actor.process)
    found = np.zeros(PAGES, dtype=np.bool_)
    for window in space.read(space.vmas()):
        for block in window.blocks:
            pages = (block.slot_addresses(block.accessed) - np.uint64(address)) // np.uint64(4096)
            found[pages[pages < PAGES].astype(np.intp)] = True
    space.close()
    return found


def test_one_write_clears_what_all_processes_of_a_cgroup_share(world: LiveWorld) -> None:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    address = actor.map(PAGES)
    actor.share(address)
    ager = GenerationAger()
    group = ager.group(world.machine.facts(actor.process).cgroup)
    assert accessed(world, actor, address).all()
    ager.age(group, [world.fast])
    assert accessed(world, actor, address).all()
    started = time.monotonic()
    ager.age(group, [world.slow])
    print("aging took", time.monotonic() - started, "group", group)
    assert not accessed(world, actor, address).any()
    hot = [1, 5, 700, 2047]
    actor.touch(address, hot)
    assert np.flatnonzero(accessed(world, actor, address)).tolist() == hot
    for _ in range(6):  # more than there are generations
        ager.age(group, [world.slow])
    assert not accessed(world, actor, address).any()

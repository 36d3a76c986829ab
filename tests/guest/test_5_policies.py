"""What the owner of memory asked for is kept to: mbind, set_mempolicy, mlock, cpuset."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, UIntArray
from mmscand.observe.events import Event, PassEnd
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import Recorder, running

PAGES = 1024
HOT = list(range(0, PAGES, 4))
MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE = 1, 2, 3
SYS_MBIND, SYS_SET_MEMPOLICY = 237, 238


def actor_of(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor


def libc(actor: LiveActor, name: str, *arguments: int) -> None:
    answer = actor.puppet.say("libc", name=name, arguments=list(arguments))
    assert answer["result"] == 0, answer


def mbind(actor: LiveActor, address: int, mode: int, nodes: int) -> None:
    """As the program itself would; the mask lies in its own memory."""
    scratch = actor.map(1)
    actor.puppet.poke(scratch, nodes)
    libc(actor, "syscall", SYS_MBIND, address, PAGES * PAGE_BYTES, mode, scratch, 64, 0)


def set_mempolicy(actor: LiveActor, mode: int, nodes: int) -> None:
    scratch = actor.map(1)
    actor.puppet.poke(scratch, nodes)
    libc(actor, "syscall", SYS_SET_MEMPOLICY, mode, scratch, 64)


def promoted(world: LiveWorld, actor: LiveActor, address: int) -> list[int]:
    pages: UIntArray = np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    _, found = move_pages(actor.process.pid, pages + np.uint64(address), None)
    return np.flatnonzero(found == world.fast).tolist()


def watch(
    world: LiveWorld, actor: LiveActor, *addresses: int, shared: bool = False, rule: str = "bound"
) -> int:
    """Touch the hot pages of these areas through enough passes; pages that the rule leaves out."""

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process == actor.process:
            for address in addresses:
                actor.touch(address, HOT)

    recorder = Recorder(hook)
    with running(world.machine, recorder, scan_period_ms=100) as daemon:
        daemon.settings.change({"shared_memory": shared})
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 7)
        (status,) = [s for s in daemon.status().processes if s.process == actor.process]
    return status.skipped_pages.get(rule, 0)


def test_memory_bound_to_the_slow_node_stays_and_the_rest_is_promoted(world: LiveWorld) -> None:
    actor = actor_of(world)
    slow, both, fast = (actor.map(PAGES) for _ in range(3))
    mbind(actor, slow, MPOL_BIND, 1 << world.slow)
    mbind(actor, both, MPOL_BIND, 1 << world.slow | 1 << world.fast)
    mbind(actor, fast, MPOL_PREFERRED, 1 << world.fast)
    assert watch(world, actor, slow, both, fast) >= PAGES
    assert promoted(world, actor, slow) == []
    assert promoted(world, actor, both) == HOT
    assert promoted(world, actor, fast) == HOT


def test_interleaved_memory_is_left_alone(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    mbind(actor, address, MPOL_INTERLEAVE, 1 << world.slow | 1 << world.fast)
    assert watch(world, actor, address) >= PAGES
    assert promoted(world, actor, address) == []


def test_a_process_bound_to_the_slow_node_stays_there(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    set_mempolicy(actor, MPOL_BIND, 1 << world.slow)
    assert watch(world, actor, address) >= PAGES
    assert promoted(world, actor, address) == []


def test_locked_memory_is_left_alone_and_reported(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    libc(actor, "mlock", address, PAGES * PAGE_BYTES)

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process == actor.process:
            actor.touch(address, HOT)

    recorder = Recorder(hook)
    with running(world.machine, recorder, scan_period_ms=100) as daemon:
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 7)
        (status,) = [s for s in daemon.status().processes if s.process == actor.process]
    assert status.skipped_mappings["refused"] == 1
    assert status.skipped_pages["refused"] == PAGES
    assert promoted(world, actor, address) == []


def test_shared_memory_that_only_one_process_maps_is_promoted_by_option(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.puppet.map(PAGES, node=world.slow, shared=True)
    watch(world, actor, address)
    assert promoted(world, actor, address) == []
    watch(world, actor, address, shared=True)
    assert promoted(world, actor, address) == HOT


@contextmanager
def in_cpuset(actor: LiveActor, nodes: str) -> Iterator[Path]:
    """The actor in a cgroup that may use these nodes only."""
    root = Path("/sys/fs/cgroup")
    if not (root / "cgroup.controllers").exists():
        subprocess.run(["mount", "-t", "cgroup2", "none", str(root)], check=True)
    (root / "cgroup.subtree_control").write_text("+cpuset")
    group = root / "mmscand-test"
    group.mkdir()
    try:
        (group / "cpuset.mems").write_text(nodes)
        (group / "cgroup.procs").write_text(str(actor.process.pid))
        yield group
    finally:
        (root / "cgroup.procs").write_text(str(actor.process.pid))
        group.rmdir()


def test_a_cpuset_is_kept_to_and_its_change_is_seen_at_once(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    with in_cpuset(actor, str(world.slow)) as group:
        assert watch(world, actor, address, rule="cpuset") >= PAGES
        assert promoted(world, actor, address) == []
        (group / "cpuset.mems").write_text(f"{world.fast},{world.slow}")
        watch(world, actor, address)
        assert promoted(world, actor, address) == HOT

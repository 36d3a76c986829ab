"""The main job against ground truth: exactly the hot pages, nothing else, no folio split."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmscand.linux.machine import LinuxMachine
from mmscand.linux.readers import open_reader
from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, BoolArray
from mmscand.observe.events import Event, PassEnd
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import Recorder, running

PAGES = 8192
HOT = [*range(0, 900, 3), 5000, 8191]
MTHP = Path("/sys/kernel/mm/transparent_hugepage/hugepages-64kB")


def on_node(actor: LiveActor, address: int, pages: int, node: int) -> BoolArray:
    """Which pages are on a node: the kernel's own answer."""
    addresses = np.arange(pages, dtype=np.uint64) * np.uint64(PAGE_BYTES) + np.uint64(address)
    found: BoolArray = move_pages(actor.process.pid, addresses, None)[1] == node
    return found


def splits() -> dict[str, int]:
    """The kernel's counters of split huge pages."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    pairs = (line.split() for line in lines if line.startswith("thp_split"))
    return {name: int(value) for name, value in pairs}


def touching(actor: LiveActor, address: int, pages: list[int]) -> Callable[[Event], None]:
    """Touch after each pass, from the scanner's own thread."""

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process == actor.process:
            actor.touch(address, pages)

    return hook


@contextmanager
def enabled(size: Path, value: str) -> Iterator[None]:
    """Whether the kernel makes folios of this size, for a while."""
    was = (size / "enabled").read_text().split("[")[1].split("]")[0]
    (size / "enabled").write_text(value)
    try:
        yield
    finally:
        (size / "enabled").write_text(was)


def mask_of(pages: list[int], size: int = PAGES) -> BoolArray:
    mask = np.zeros(size, dtype=np.bool_)
    mask[pages] = True
    return mask


def actor_of(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor


@pytest.mark.area("promotion")
def test_exactly_the_hot_pages_are_promoted_within_three_passes(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    recorder = Recorder(touching(actor, address, HOT))
    with running(world.machine, recorder, scan_period_ms=100):
        recorder.wait_for_promoted(actor.process, len(HOT))
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 6)
    assert np.array_equal(on_node(actor, address, PAGES, world.fast), mask_of(HOT))


@pytest.mark.area("huge pages")
def test_hot_huge_pages_are_promoted_whole_and_none_is_split(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES, huge=True)
    before = splits()
    recorder = Recorder(touching(actor, address, [600, 8000]))
    with running(world.machine, recorder, scan_period_ms=100):
        recorder.wait_for_promoted(actor.process, 1024)
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 6)
    expected = list(range(512, 1024)) + list(range(7680, 8192))
    assert np.array_equal(on_node(actor, address, PAGES, world.fast), mask_of(expected))
    assert splits() == before


def test_no_64k_folio_is_split_by_aging_single_pages(world: LiveWorld) -> None:
    if not MTHP.exists():
        pytest.skip("this kernel has no 64 KiB folios")
    actor = actor_of(world)
    with enabled(MTHP, "always"), enabled(MTHP.parent / "hugepages-2048kB", "never"):
        address = world.puppets[-1].map(PAGES, huge=None, node=world.slow)
    assert int((MTHP / "stats/anon_fault_alloc").read_text()) >= PAGES // 16
    # Not split_deferred: migration itself counts there while it takes a folio's pages off one by
    # one, twice for each folio that moves, and the folio stays whole.
    before = (MTHP / "stats/split").read_text()
    recorder = Recorder(touching(actor, address, [3, 1000, 5000]))
    with running(world.machine, recorder, scan_period_ms=100):
        recorder.wait_for_promoted(actor.process, 3)
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 6)
    assert (MTHP / "stats/split").read_text() == before
    promoted = on_node(actor, address, PAGES, world.fast)
    assert promoted[[3, 1000, 5000]].all()
    assert promoted.sum() == 3 * 16  # a folio moves whole


def test_a_dry_run_leaves_every_page_and_every_bit_alone(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(512)
    recorder = Recorder()
    with running(world.machine, recorder, scan_period_ms=50, dry_run=True):
        last = recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 4)
    assert last.accessed >= 512
    assert not on_node(actor, address, 512, world.fast).any()


@pytest.mark.area("shared memory")
def test_shared_pages_are_not_read_as_hot(world: LiveWorld) -> None:
    actor = actor_of(world)
    address = actor.map(PAGES)
    actor.share(address)
    recorder = Recorder()
    with running(world.machine, recorder, scan_period_ms=50):
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.shared >= PAGES)
        recorder.wait_for(PassEnd, lambda e: e.process == actor.process and e.number == 8)
    assert not on_node(actor, address, PAGES, world.fast).any()


@pytest.mark.area("reading")
def test_the_kcore_reader_finds_the_same_pages(machine: LinuxMachine) -> None:
    kcore = open_reader("kcore", machine.reader.direct_map.ram, machine.procfs)
    assert kcore.direct_map == machine.reader.direct_map
    other = replace(machine, reader=kcore)
    with_puppet = live_pages(machine, other)
    assert with_puppet[0] == with_puppet[1]
    kcore.close()


def live_pages(*machines: LinuxMachine) -> list[list[tuple[int, int]]]:
    """Frames of a puppet's pages as each machine's reader sees them."""
    from support.puppet import Puppet

    found = []
    with Puppet() as puppet:
        puppet.map(1024, node=1)
        for machine in machines:
            space = machine.open(machine.procfs.stat(puppet.pid).process)
            vmas = space.vmas()
            found.append(
                [
                    (int(address), int(frame))
                    for window in space.read(vmas)
                    for block in window.blocks
                    for address, frame in zip(
                        block.slot_addresses(block.slow), block.frames[block.slow], strict=True
                    )
                ]
            )
            space.close()
    assert found[0]
    return found

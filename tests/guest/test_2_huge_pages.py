"""Huge pages are split to look inside, or to promote parts of them, and no more than that."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, PAGES_PER_TABLE, BoolArray, Process
from mmscand.observe.events import Event, Moved, PassEnd, PassStart
from mmscand.settings import Settings
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import Recorder

ROWS = 256
PAGES = ROWS * PAGES_PER_TABLE
HOT_PAGES = 524
_PAUSE_S = 0.2
"""A round of 524 pages takes 20 ms in emulation."""


def thp() -> dict[str, int]:
    """The kernel's counters of huge pages that were split and made."""
    pairs = (line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return {name: int(value) for name, value in pairs if name.startswith("thp_")}


@pytest.fixture
def khugepaged_sleeps() -> Iterator[None]:
    """It makes small pages huge again, eight in 10 s: here it would be the first."""
    pause = Path("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs")
    before = pause.read_text()
    pause.write_text("3600000")
    yield
    pause.write_text(before)


def on_node(actor: LiveActor, address: int, pages: int, node: int) -> BoolArray:
    """Which pages are on a node: the kernel's own answer."""
    addresses = np.arange(pages, dtype=np.uint64) * np.uint64(PAGE_BYTES) + np.uint64(address)
    found: BoolArray = move_pages(actor.process.pid, addresses, None)[1] == node
    return found


def written(world: LiveWorld, pages: int) -> tuple[LiveActor, int]:
    """Huge pages on the slow node, no part of which is all zero: a split would give those back."""
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    address = actor.map(pages, huge=True)
    actor.touch(address, list(range(pages)))
    return actor, address


def touching(actor: LiveActor, address: int, pages: list[int]) -> Callable[[Event], None]:
    """Touch between any two visits, from the scanner's own thread."""

    def hook(event: Event) -> None:
        if isinstance(event, PassStart | PassEnd) and event.process == actor.process:
            actor.touch(address, pages)

    return hook


def watching(world: LiveWorld, process: Process, recorder: Recorder) -> Daemon:
    """As shipped but for the cost: in emulation visits take ten to sixty times as long.

    After a minute they would not pay, and come every 30 s, or never.
    """
    settings = Settings(cpu_budget_percent=100.0, benefit_window_s=0)

    def select(processes: list[Process]) -> list[Process]:
        return [each for each in processes if each == process]

    return Daemon(world.machine, select, settings=settings, observer=recorder)


@pytest.mark.usefixtures("khugepaged_sleeps")
def test_of_sparse_huge_pages_the_hot_parts_are_promoted(world: LiveWorld) -> None:
    """Of no area: it takes a minute, and what differs by kernel is in the next test too."""
    actor, address = written(world, PAGES)
    hot = np.sort(np.random.default_rng(1).permutation(PAGES)[:HOT_PAGES])
    # Accesses at visits only would become fewer as visits do, and visits as accesses do.
    actor.puppet.use(address, hot.tolist(), _PAUSE_S)
    recorder, before = Recorder(), thp()
    began, left = time.monotonic(), [HOT_PAGES * 0.95]

    def enough(event: Moved) -> bool:
        left[0] -= event.promoted
        return left[0] <= 0

    with watching(world, actor.process, recorder) as daemon:
        recorder.wait_for(Moved, enough)
        seconds = time.monotonic() - began
        number = recorder.wait_for(PassEnd).number
        recorder.wait_for(PassEnd, lambda event: event.number >= number + 8)
        counters = daemon.status().counters
    fast = on_node(actor, address, PAGES, world.fast)
    split = thp()["thp_split_page"] - before["thp_split_page"]
    # Seconds are printed, not asserted: 7 to 16 on a quiet host, 34 on another.
    print(f"{fast[hot].sum()} of {HOT_PAGES} hot pages up after {seconds:.1f} s")
    print(f"{fast.sum()} pages on the fast tier, {split} huge pages split, {dict(counters)}")
    assert fast[hot].mean() >= 0.95
    assert fast.sum() <= 4096  # 16 MiB
    assert split * PAGES_PER_TABLE == counters["split"] <= PAGES


@pytest.mark.area("huge pages")
@pytest.mark.usefixtures("khugepaged_sleeps")
def test_of_evenly_hot_huge_pages_one_is_split_and_made_again_and_all_are_promoted_whole(
    world: LiveWorld,
) -> None:
    actor, address = written(world, 16 * PAGES_PER_TABLE)
    hot = [*range(512, 1024), *range(2048, 3072), *range(7680, 8192)]
    recorder, before = Recorder(touching(actor, address, hot)), thp()
    with watching(world, actor.process, recorder) as daemon:
        recorder.wait_for_promoted(actor.process, len(hot))
        number = recorder.wait_for(PassEnd).number
        recorder.wait_for(PassEnd, lambda event: event.number >= number + 4)
        counters = daemon.status().counters
    fast = on_node(actor, address, 16 * PAGES_PER_TABLE, world.fast)
    print(dict(counters))
    assert np.flatnonzero(fast).tolist() == hot
    assert (counters["split"], counters["collapsed"]) == (PAGES_PER_TABLE, PAGES_PER_TABLE)
    assert thp()["thp_split_page"] - before["thp_split_page"] == 1

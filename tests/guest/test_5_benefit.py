"""Whether promoting pays, judged of real processes: by what became of pages that really moved.

What one set bit is worth is set by each test, as a pass costs thirty times as much CPU time in an
emulated guest.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, UIntArray
from mmscand.observe.events import EffortChanged, Event, Moved, PassEnd
from mmscand.observe.status import ProcessStatus
from mmscand.settings import PolicyName
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import Recorder, running

HOT = 512
PAGES = 64 * HOT
OWN = 16
"""The program has a page or two of its own on the slow node, which are in use as well."""
PERIOD_MS, WINDOW_S, RETRY_S = 100, 1, 3
MUCH, LITTLE = 1_000_000, 1
"""Accesses that a bit stands for: whatever a pass costs is less, and more."""
WHY = r"it does not pay: saved about \S+ s for \S+ s spent, by \d+ looks at promoted pages"


@dataclass(frozen=True)
class Stand:
    """How a process stood when an effort began."""

    status: ProcessStatus
    fast: int
    """Its pages on the fast node, by the kernel's own answer."""


@dataclass
class Judged:
    """A process with hot pages under a daemon that judges soon, and what was reported of it."""

    world: LiveWorld
    actor: LiveActor
    address: int
    hot: range = range(HOT)
    recorder: Recorder = field(default_factory=Recorder)
    status: Callable[[], ProcessStatus] = field(init=False)
    stood: dict[str, Stand] = field(default_factory=dict)
    """By the effort, as it began first."""

    def __post_init__(self) -> None:
        self.recorder.hook = self.note

    def note(self, event: Event) -> None:
        """In the daemon's own threads: the process is at work between any two passes."""
        if isinstance(event, PassEnd) and event.process == self.actor.process:
            self.actor.touch(self.address, list(self.hot))
        if isinstance(event, EffortChanged):
            self.stood.setdefault(event.effort, Stand(self.status(), self.fast_pages()))

    def jump(self) -> None:
        """Others are hot from now on."""
        if self.hot.stop < PAGES:
            self.hot = range(self.hot.start + HOT, self.hot.stop + HOT)

    def passes(self, number: int) -> None:
        """This many more."""
        for _ in range(number):
            self.recorder.wait_for(PassEnd, lambda event: event.process == self.actor.process)

    def fast_pages(self) -> int:
        """On the fast node now."""
        pages: UIntArray = np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
        _, found = move_pages(self.actor.process.pid, pages + np.uint64(self.address), None)
        return int(np.count_nonzero(found == self.world.fast))


@contextmanager
def judged(
    world: LiveWorld, accesses_per_bit: int, policy: PolicyName = "two-pass"
) -> Iterator[Judged]:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    it = Judged(world, actor, actor.map(PAGES))
    only = [actor.process]
    with running(
        world.machine, it.recorder, scan_period_ms=PERIOD_MS, select=lambda _: only
    ) as daemon:
        it.status = lambda: daemon.status().processes[0]
        daemon.settings.change(
            {
                "benefit_window_s": WINDOW_S,
                "benefit_retry_s": RETRY_S,
                "accesses_per_bit": accesses_per_bit,
                "policy": policy,
            }
        )
        yield it


@pytest.mark.parametrize("policy", ["two-pass", "capacity"])
def test_pages_that_are_used_again_are_counted_and_keep_it_going(
    world: LiveWorld, policy: PolicyName
) -> None:
    with judged(world, MUCH, policy) as it:
        it.recorder.wait_for_promoted(it.actor.process, HOT)
        again = 0
        while again < HOT:
            event = it.recorder.wait_for(PassEnd, lambda e: e.again > 0)
            again += event.again
        it.passes(12)  # windows in which it was judged, and paid
        status = it.status()
    # Each page counts once. Pages of the program itself may be promoted, and used again, later.
    assert HOT <= again <= status.counters["again"] <= status.counters["promoted"] < HOT + OWN
    assert status.counters["returned"] == 0
    assert status.saved_s > status.spent_s > 0
    assert (status.effort, it.stood) == ("full", {})


def test_a_hot_set_that_jumps_is_slowed_down_then_left_alone(world: LiveWorld) -> None:
    with judged(world, LITTLE) as it:

        def jump(event: Event) -> None:
            it.note(event)
            if isinstance(event, Moved):
                it.jump()

        it.recorder.hook = jump
        slowed = it.recorder.wait_for(EffortChanged)
        stopped = it.recorder.wait_for(EffortChanged)
    assert (slowed.effort, stopped.effort) == ("slowed", "stopped")
    for event in (slowed, stopped):
        assert re.fullmatch(WHY, event.why)
        assert it.stood[event.effort].status.effort_why == event.why
    # Slowed: four times the period. Stopped: until it is tried again.
    assert it.stood["slowed"].status.scan_period_ms == 4 * PERIOD_MS
    last = it.stood["stopped"].status
    assert last.scan_period_ms >= RETRY_S * 1000
    # How many hot sets were promoted meanwhile depends on how fast the host is.
    assert last.counters["promoted"] >= HOT
    assert last.counters["again"] < last.counters["promoted"] // 4


def test_use_that_is_worth_less_than_it_costs_ends_promoting_until_it_is_tried_again(
    world: LiveWorld,
) -> None:
    with judged(world, LITTLE) as it:

        def jump_when_stopped(event: Event) -> None:
            if isinstance(event, EffortChanged) and event.effort == "stopped":
                it.jump()
            it.note(event)

        it.recorder.hook = jump_when_stopped
        it.recorder.wait_for(EffortChanged, lambda event: event.effort == "stopped")
        tried = it.recorder.wait_for(EffortChanged)
        it.recorder.wait_for_promoted(it.actor.process, HOT)
        promoted = it.fast_pages()
    stopped = it.stood["stopped"].status
    assert 0 < stopped.counters["again"] < HOT + OWN  # used they were
    assert 0 < stopped.saved_s < stopped.spent_s
    assert (tried.effort, tried.why) == ("full", "tried again")
    assert [it.stood[effort].fast for effort in ("stopped", "full")] == [HOT, HOT]
    assert promoted == 2 * HOT

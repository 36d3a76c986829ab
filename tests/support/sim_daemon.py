"""The daemon on the simulated machine, driven by its own events."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from mmscand.clock import Clock, SystemClock
from mmscand.daemon import Daemon
from mmscand.machine import Machine
from mmscand.model import REGION_BYTES, Process
from mmscand.observe.events import Event, Moved, Observer, PassEnd
from mmscand.scan.mode import Mode
from mmscand.scan.rules import Rules
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess, SimVma

E = TypeVar("E")

HOT = [0, 5, 511, 512, 1999]
"""Slots that tests touch in each pass."""
TIMEOUT_S = 600.0
"""No test waits this long unless something hangs: a slow host in emulation takes minutes."""


@dataclass
class Recorder:
    """An observer that keeps events, and runs a hook inside the daemon's own thread."""

    hook: Callable[[Event], None] = lambda event: None
    _events: "queue.Queue[Event]" = field(default_factory=queue.Queue)

    def __call__(self, event: Event) -> None:
        self.hook(event)
        self._events.put(event)

    def wait_for(self, kind: type[E], when: Callable[[E], bool] = lambda event: True) -> E:
        """The next event of a kind for which `when` holds; other events give it no more time."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            event = self._events.get(timeout=max(0.0, end - time.monotonic()))
            if isinstance(event, kind) and when(event):
                return event

    def wait_for_promoted(self, process: Process, pages: int) -> None:
        """Until this many pages of a process have moved, in however many batches."""
        while pages > 0:
            pages -= self.wait_for(Moved, lambda event: event.process == process).promoted


@dataclass
class Tiers:
    """A machine with fast node 0 and slow node 1, and one process with memory on node 1."""

    machine: SimMachine
    process: SimProcess
    vma: SimVma

    def on_fast(self) -> list[int]:
        """Slots on the fast node."""
        return [int(i) for i in (self.machine.nodes_of(self.vma) == 0).ravel().nonzero()[0]]


def tiers(
    *, fast_pages: int = 16384, slow_pages: int = 16384, pages: int = 2048, huge: bool = False
) -> Tiers:
    machine = SimMachine(sim_topology((0,), (1,), {0: fast_pages, 1: slow_pages}))
    process = machine.spawn(100, "app")
    return Tiers(machine, process, machine.map(process, REGION_BYTES, pages, 1, huge=huge))


def steady(scan_period_ms: int = 1, room_pages: int = 1) -> Settings:
    """The same period forever, no delay, no budget, and no judgement of what it brings: on a slow
    host a pass costs more than it brings, and a test of over a minute would see scanning slow down.
    Page cache is no room: which node has how much of it in a guest is chance.
    """
    return Settings(
        scan_period_ms=scan_period_ms,
        scan_period_min_ms=scan_period_ms,
        scan_period_max_ms=scan_period_ms,
        scan_delay_ms=0,
        scan_sleep_ms=0,
        cpu_budget_percent=100.0,
        room_pages=room_pages,
        page_cache_percent=0.0,
        benefit_window_s=0,
        policy="two-pass",
    )


def touching(world: Tiers, slots: list[int]) -> Callable[[Event], None]:
    """Touch slots after each pass, in the scanner's thread: every pass sees them accessed."""

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            world.vma.accessed.reshape(-1)[slots] = True
            world.process.run()

    return hook


class FastClock(SystemClock):
    """A hundred seconds pass in one: what waits for minutes is seen in a test."""

    SPEED = 100.0

    def now(self) -> float:
        return super().now() * self.SPEED

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        super().wait(wakeup, timeout_s / self.SPEED if timeout_s else timeout_s)


def running(
    machine: Machine,
    recorder: Observer,
    *,
    scan_period_ms: int = 1,
    room_pages: int = 1,
    dry_run: bool = False,
    clock: Clock | None = None,
    select: Callable[[Iterable[Process]], Iterable[Process]] = lambda processes: processes,
    rules: Rules | None = None,
) -> Daemon:
    """A daemon, that is started by `with` and stopped at its end."""
    return Daemon(
        machine,
        select,
        settings=steady(scan_period_ms, room_pages),
        rules=rules,
        observer=recorder,
        mode=Mode.of(dry_run=dry_run, clear_bits=False),
        clock=clock,
    )

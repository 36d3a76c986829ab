"""What keeps the migrator in bounds, on real pages: pins, and the rate limit.

Tries are counted until there are enough of them, whatever time that takes on this host.
"""

import errno
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.linux.syscalls import move_pages
from mmscand.machine import Machine
from mmscand.migrate.rate_limit import _BATCH_S
from mmscand.model import PAGE_BYTES, FloatArray, UIntArray
from mmscand.observe.events import Event, Moved, PassEnd
from mmscand.policy.back_off import FIRST_DELAY_S, GROWTH, LONGEST_DELAY_S, BackOff
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import TIMEOUT_S, steady
from support.watched import WatchedMachine

PAGES = 1000
PINNED = list(range(5, PAGES, 10))
LESS_OFTEN = 20
"""Times that back-off makes tries of pinned pages rarer."""
ENOUGH_TRIES = LESS_OFTEN * 4 * len(PINNED)
"""Without back-off. With it a page is tried four times in fifteen minutes."""
RATE_TEST_S = 7.0
"""From the first move to the last; an emulated kernel may stand still for seconds between two."""
_PAUSE_S = 0.01
LOST_S = 0.2
"""So much of five seconds a busy host may take, and the rate is still the limit."""


def watching(
    machine: Machine, actor: LiveActor, observer: Callable[[Event], None], **knobs: int
) -> Daemon:
    """A daemon for one process only."""
    return Daemon(
        machine,
        lambda processes: [process for process in processes if process == actor.process],
        settings=replace(steady(20), **knobs),
        observer=observer,
    )


def actor_of(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor


@dataclass
class Tries:
    """Failed moves of a process that uses all its pages and has a tenth of them pinned."""

    failed: Counter[str] = field(default_factory=Counter)
    passes: int = 0
    times: list[float] = field(default_factory=list)
    """Of the failures."""
    stuck: list[int] = field(default_factory=list)
    """Pages that are not on the fast node at the end."""

    def most_allowed(self) -> int:
        """By the delays of back-off within this time."""
        delays = [FIRST_DELAY_S[errno.EBUSY] * GROWTH**number for number in range(20)]
        due = np.cumsum([0.0, *np.minimum(delays, LONGEST_DELAY_S)])
        return int((due <= self.times[-1] - self.times[0]).sum()) * len(PINNED)


def tries_of_pinned(world: LiveWorld, enough: Callable[[Tries], bool]) -> Tries:
    """Let the daemon try until it is enough."""
    actor = actor_of(world)
    address = actor.map(1024)
    assert actor.puppet.pin(address, PINNED) == len(PINNED)
    actor.puppet.use(address, range(PAGES), _PAUSE_S)
    tries, done = Tries(), threading.Event()

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            tries.passes += event.complete
        if isinstance(event, Moved) and event.failed:
            tries.failed.update(event.failed)
            tries.times.append(time.monotonic())
        if enough(tries):
            done.set()

    with watching(world.machine, actor, hook):
        assert done.wait(TIMEOUT_S)
    pages: UIntArray = np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    found = move_pages(actor.process.pid, pages + np.uint64(address), None)[1]
    tries.stuck = np.flatnonzero(found != world.fast).tolist()
    return tries


def forget(self: BackOff, addresses: UIntArray, first: FloatArray, now: float) -> None:
    """No page ever waits after a failure."""


def test_pinned_pages_are_tried_twenty_times_less_often_than_without_back_off(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(BackOff, "hold", forget)
        without = tries_of_pinned(world, lambda tries: tries.failed.total() >= ENOUGH_TRIES)
    backed_off = tries_of_pinned(world, lambda tries: tries.passes >= without.passes)
    print(f"failed moves in {without.passes} passes: {backed_off.failed}, {without.failed} without")
    for tries in (without, backed_off):
        assert set(tries.failed) == {"EBUSY"}
        assert tries.stuck == PINNED
    assert len(PINNED) <= backed_off.failed["EBUSY"] <= backed_off.most_allowed()
    assert without.failed["EBUSY"] >= LESS_OFTEN * backed_off.failed["EBUSY"]


@pytest.mark.parametrize("rate_mb_s", [10, 50])
def test_the_rate_limit_holds_over_any_five_seconds(world: LiveWorld, rate_mb_s: int) -> None:
    actor = actor_of(world)
    size = int(rate_mb_s * (RATE_TEST_S + 3)) << 20
    address = actor.map(size // PAGE_BYTES)
    watched, done = WatchedMachine(world.machine), threading.Event()
    moved: list[tuple[float, float, int]] = []
    """End of the call, time that was lost before it, pages."""
    ready_at = [float("-inf")]
    """When each call may begin, by the rate limit; never where nothing waits."""

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            actor.puppet.say("libc", name="memset", arguments=[address, 1, size])
        if isinstance(event, Moved) and event.promoted and (running := daemon._running):
            # Ends of calls, as the limit counts from them: what comes later may come late.
            # A call that is longer than a batch may be loses time too: none is made up for.
            lost_s = max(0.0, watched.moving.ended - _BATCH_S - ready_at[-1])
            moved.append((watched.moving.ended, lost_s, event.promoted))
            waits = len(running.migration_list) > 0
            ready_at.append(running._migrator._rate.ready_at if waits else float("-inf"))
            if moved[-1][0] - moved[0][0] >= RATE_TEST_S:
                done.set()

    knobs = {"migrate_rate_mb_s": rate_mb_s, "scan_period_ms": 500}
    with watching(watched, actor, hook, **knobs) as daemon:
        assert done.wait(TIMEOUT_S)
    times, lost, pages = np.array(moved).T
    sums = np.concatenate(([0], np.cumsum(pages)))
    rates, limited = [], []
    for first, start in enumerate(times[times + 5 <= times[-1]]):
        last = int(np.searchsorted(times, start + 5))
        rates.append(float(sums[last] - sums[first]) * PAGE_BYTES / 2**20 / 5)
        # Else this host sets the rate: it moves too slowly, wakes too late, finds nothing hot.
        if lost[first + 1 : last + 1].sum() <= LOST_S:
            limited.append(rates[-1])
    assert rates
    print(f"MiB/s over 5 s: {min(rates):.1f}-{max(rates):.1f}, {len(rates)} windows, {limited=}")
    assert max(rates) <= 1.04 * rate_mb_s
    assert min(limited, default=rate_mb_s) >= 0.9 * rate_mb_s

"""What keeps the migrator in bounds, on real pages: pins, and the rate limit."""

import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from mmscand.daemon import Daemon
from mmscand.linux.syscalls import move_pages
from mmscand.model import PAGE_BYTES, BoolArray, UIntArray
from mmscand.observe.events import Event, Moved, PassEnd
from mmscand.policy.back_off import BackOff
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import steady

PAGES = 1000
PINNED = list(range(5, PAGES, 10))
PIN_TEST_S = 14.0
"""Long enough for the first delay of 4 s, too short for the second."""
RATE_TEST_S = 7.0
"""From the first move to the last; an emulated kernel may stand still for seconds between two."""
RATE_TEST_LIMIT_S = 40.0


def watching(
    world: LiveWorld, actor: LiveActor, observer: Callable[[Event], None], **knobs: int
) -> Daemon:
    """A daemon for one process only."""
    return Daemon(
        world.machine,
        lambda processes: [process for process in processes if process == actor.process],
        settings=steady(20).model_copy(update=knobs),
        observer=observer,
    )


def actor_of(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    return actor


def failures_while_pinned(world: LiveWorld) -> tuple[int, BoolArray]:
    """Failed moves of a process that uses all its pages and has a tenth of them pinned.

    And which pages are on the fast node at the end.
    """
    actor = actor_of(world)
    address = actor.map(1024)
    assert actor.puppet.pin(address, PINNED) == len(PINNED)
    failed: Counter[str] = Counter()

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            actor.touch(address, list(range(PAGES)))
        if isinstance(event, Moved):
            failed.update(event.failed)

    with watching(world, actor, hook):
        time.sleep(PIN_TEST_S)
    assert set(failed) == {"EBUSY"}
    pages: UIntArray = np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    found = move_pages(actor.process.pid, pages + np.uint64(address), None)[1]
    return failed["EBUSY"], found == world.fast


def test_pinned_pages_are_tried_twenty_times_less_often_than_without_back_off(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_back_off, on_fast = failures_while_pinned(world)
    assert np.flatnonzero(~on_fast).tolist() == PINNED
    with monkeypatch.context() as patch:
        patch.setattr(BackOff, "holds", lambda self, pages, now: np.zeros(len(pages), np.bool_))
        without, on_fast = failures_while_pinned(world)
    assert np.flatnonzero(~on_fast).tolist() == PINNED
    print(f"failed moves with back-off {with_back_off}, without {without}")
    # At once, after 4 s, and after 36 s where the host is so busy that the test takes that long.
    assert with_back_off <= 3 * len(PINNED)
    assert without >= 20 * with_back_off


@pytest.mark.parametrize("rate_mb_s", [10, 50])
def test_the_rate_limit_holds_over_any_five_seconds(world: LiveWorld, rate_mb_s: int) -> None:
    actor = actor_of(world)
    size = int(rate_mb_s * (RATE_TEST_S + 3)) << 20
    address = actor.map(size // PAGE_BYTES)
    moved: list[tuple[float, int, bool]] = []

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd):
            actor.puppet.say("libc", name="memset", arguments=[address, 1, size])
        if isinstance(event, Moved) and (running := daemon._running):
            now = time.monotonic()
            # Else it is this machine that sets the rate: too slow to move, or to find what is hot.
            held_back = running._migrator._rate.ready_at > now and len(running.migration_list) > 0
            moved.append((now, event.promoted, held_back))

    with watching(world, actor, hook, migrate_rate_mb_s=rate_mb_s, scan_period_ms=500) as daemon:
        deadline = time.monotonic() + RATE_TEST_LIMIT_S
        while not moved or moved[-1][0] - moved[0][0] < RATE_TEST_S:
            assert time.monotonic() < deadline, f"(time, pages, held back): {moved[-20:]}"
            time.sleep(0.05)
    times, pages, held_back = np.array(moved).T
    sums = np.concatenate(([0], np.cumsum(pages)))
    rates, limited = [], []
    for first, start in enumerate(times[times + 5 <= times[-1]]):
        last = int(np.searchsorted(times, start + 5))
        rates.append(float(sums[last] - sums[first]) * PAGE_BYTES / 2**20 / 5)
        if held_back[first:last].all():
            limited.append(rates[-1])
    assert rates
    print(f"MiB/s over 5 s: {min(rates):.1f}-{max(rates):.1f}, {len(rates)} windows, {limited=}")
    assert max(rates) <= 1.04 * rate_mb_s
    assert min(limited, default=rate_mb_s) >= 0.9 * rate_mb_s

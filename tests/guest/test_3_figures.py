"""Figures that take two tiers; the others are in tests/live/test_live_figures.py."""

import time

from mmscand.daemon import Daemon
from mmscand.observe.events import Event, Moved, PassEnd
from support.live_world import LiveWorld
from support.sim_daemon import steady
from support.watched import WatchedMachine

PAGES = 100_352
"""A hundred thousand, in whole page tables."""


def test_stop_in_the_middle_of_a_move_of_100_000_pages(world: LiveWorld) -> None:
    actor = world.actor()
    address = actor.map(PAGES)
    everything = list(range(PAGES))
    promoted: list[int] = []

    def observe(event: Event) -> None:
        # Hot in the third pass. That one does not come to its end: touching takes up to a second.
        if isinstance(event, PassEnd) and event.complete and event.number <= 2:
            actor.touch(address, everything)
        if isinstance(event, Moved):
            promoted.append(event.promoted)

    watched = WatchedMachine(world.machine)
    daemon = Daemon(watched, lambda _: [actor.process], settings=steady(1), observer=observe)
    daemon.start()
    assert watched.moving.began.wait(600)
    calls = (watched.moving.calls, watched.aging.calls)
    asked = time.monotonic()
    daemon.stop()
    took = time.monotonic() - max(asked, watched.moving.ended, watched.aging.ended)
    print(f"{took:.3f} s after the calls in flight")
    # How long a call takes is the host's; that no other one follows is ours. One may begin while
    # the calls are counted.
    assert watched.moving.calls <= calls[0] + 1
    assert watched.aging.calls <= calls[1] + 1
    assert 0 < sum(promoted) < PAGES

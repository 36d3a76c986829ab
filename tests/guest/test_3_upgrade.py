"""An upgrade under load: one daemon ends, another begins, and the program notices nothing."""

from support.guest_daemon import events_of, running_daemon
from support.live_world import LiveActor, LiveWorld

PAGES = 4096
HOT = [*range(0, 1200, 3)]
_PAUSE_S = 0.2
_LOOKS = 8
"""Passes of each daemon after all hot pages are up: the second daemon learns rates in them."""


def test_an_upgrade_under_load_loses_no_promotion_and_moves_nothing_twice(
    world: LiveWorld,
) -> None:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    address = actor.map(PAGES)
    actor.puppet.use(address, HOT, _PAUSE_S)
    with running_daemon(actor.process.pid) as daemon:
        for event in events_of(daemon):
            if event["event"] == "moved" and world.fast_share(actor, address, HOT) == 1.0:
                break
    shares, moves, looks = [world.fast_share(actor, address, HOT)], [], 0
    with running_daemon(actor.process.pid) as daemon:
        for event in events_of(daemon):
            shares.append(world.fast_share(actor, address, HOT))
            moves += [event] if event["event"] == "moved" else []
            looks += event["event"] == "pass_end"
            if looks == _LOOKS:
                break
    # The program has a page or two of its own, which may become hot meanwhile.
    again = sum(event["promoted"] + event.get("demoted", 0) for event in moves)
    print(f"after the upgrade: {min(shares):.3f} of the hot pages up at least, {again} pages moved")
    assert shares == [1.0] * len(shares)
    assert again <= 2

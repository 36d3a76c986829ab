"""Three tiers: `one-tier-up` climbs them one by one, `nearest` goes to the top at once."""

from collections import Counter

import pytest

from mmscand.observe.events import Event, Moved, PassEnd
from support.live_world import LiveActor, LiveWorld
from support.sim_daemon import Recorder, running

PAGES = 512
TOP, MIDDLE, BOTTOM = 0, 1, 2


def test_the_kernel_sees_three_tiers(world: LiveWorld) -> None:
    topology = world.machine.topology()
    tiers = [topology.node(node).tier or 0 for node in (TOP, MIDDLE, BOTTOM)]
    assert tiers == sorted(set(tiers))
    assert (topology.fast, topology.slow) == ({TOP}, {MIDDLE, BOTTOM})


@pytest.mark.parametrize(
    ("policy", "targets"), [("one-tier-up", [MIDDLE, TOP]), ("nearest", [TOP])]
)
def test_hot_pages_climb_as_the_policy_says(
    world: LiveWorld, policy: str, targets: list[int]
) -> None:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    address = actor.map(PAGES)

    def hook(event: Event) -> None:
        if isinstance(event, PassEnd) and event.process == actor.process:
            actor.touch(address, list(range(PAGES)))

    recorder, promoted = Recorder(hook), Counter[int | None]()
    with running(world.machine, recorder, scan_period_ms=100) as daemon:
        daemon.settings.change({"target_policy": policy})
        while promoted[TOP] < PAGES:  # in several batches, where a page was busy for a moment
            moved = recorder.wait_for(
                Moved, lambda event: event.process == actor.process and event.promoted > 0
            )
            promoted[moved.target] += moved.promoted
    assert list(promoted) == targets
    assert min(promoted.values()) >= PAGES

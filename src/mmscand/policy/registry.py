"""Placement policies by name."""

from collections.abc import Callable

from mmscand.errors import UsageError
from mmscand.policy.as_daemon import AsDaemon
from mmscand.policy.capacity import Capacity
from mmscand.policy.frequency import Frequency
from mmscand.policy.in_a_row import InARow
from mmscand.policy.nothing import Nothing
from mmscand.policy.placement import PAYBACK_ACCESSES, PlacementPolicy

POLICIES: dict[str, Callable[[int, int, float], PlacementPolicy]] = {
    "capacity": Capacity,
    "daemon": lambda pages, capacity, _: AsDaemon(pages, capacity),
    "frequency": lambda pages, capacity, _: Frequency(pages, capacity),
    "two-pass": lambda pages, capacity, _: InARow("two-pass", 2, pages, capacity),
    "first-touch": lambda pages, capacity, _: InARow("first-touch", 1, pages, capacity),
    "nothing": lambda pages, capacity, _: Nothing(),
}
"""Pages, how many of them fit the fast tier, and the accesses that pay for a trade."""
DEFAULT = "capacity"
WATCHING = "stopwatch"
"""Decides by when bits are set, not by which: it has no placement policy, see sim.watching."""
NAMES = (*POLICIES, WATCHING)
"""Of all that are simulated."""


def placement_policy(
    name: str, pages: int, capacity: int, payback_accesses: float = PAYBACK_ACCESSES
) -> PlacementPolicy:
    """A new policy; UsageError when there is none of that name."""
    if name not in POLICIES:
        raise UsageError(f"no policy {name!r}", hint=f"there are {', '.join(POLICIES)}")
    return POLICIES[name](pages, capacity, payback_accesses)

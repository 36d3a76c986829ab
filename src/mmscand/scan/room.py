"""Room on the fast tier: what it can take above the headroom, less what is on its way."""

from collections.abc import Mapping

from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import PAGE_BYTES, Node, Process, Topology
from mmscand.policy.target import headroom_pages, takes_pages
from mmscand.settings_store import SettingsStore


class FastTierRoom:
    """See policy.ranking.Room."""

    def __init__(
        self, machine: Machine, migration_list: MigrationList, store: SettingsStore
    ) -> None:
        self._machine = machine
        self._list = migration_list
        self._store = store

    @property
    def pages(self) -> int:
        """See Room."""
        topology = self._machine.topology()
        nodes = [topology.node(node) for node in topology.fast]
        # In this order pages that move meanwhile are counted twice on their way up, and on their
        # way down not at all: never as room that is not there.
        up, _ = self._list.pages()
        free = sum(map(self._room_on, nodes))
        _, down = self._list.pages(handed_out=False)
        return free + down - up

    def _room_on(self, node: Node) -> int:
        """Below 0 it is fuller than it should be. Page cache is no reason for that: where programs'
        pages are demoted for the headroom, page cache takes their place. At 0 % it counts as used.
        """
        settings, cache = self._store.current, self._machine.page_cache(node.id)
        free, headroom = self._machine.free_pages(node.id), headroom_pages(node, settings)
        room = takes_pages(free, cache, settings) - headroom
        if room >= 0 or not settings.page_cache_percent:
            return room
        return min(0, free + cache.pages - headroom)

    @property
    def coming(self) -> int:
        """See Room: what is in the migrator's hands."""
        return self._list.pages()[1] - self._list.pages(handed_out=False)[1]

    def queued(self, process: Process) -> tuple[int, int]:
        """See Room."""
        return self._list.pages(process)


def nodes_by_tier(topology: Topology) -> Mapping[str, list[int]]:
    """Numbers of the nodes of `fast` and `slow`."""
    return {"fast": sorted(topology.fast), "slow": sorted(topology.slow)}


def tier_pages(machine: Machine) -> Mapping[str, Mapping[str, int]]:
    """Memory of the tiers: pages that are `free`, above watermarks, page `cache`, and `used`."""
    topology = machine.topology()
    found = {}
    for tier, nodes in nodes_by_tier(topology).items():
        ranges = topology.frame_ranges(frozenset(nodes))
        total = sum(end - start for start, end in ranges) // PAGE_BYTES
        free = min(total, sum(map(machine.free_pages, nodes)))
        cache = min(total - free, sum(machine.page_cache(node).pages for node in nodes))
        found[tier] = {"free": free, "cache": cache, "used": total - free - cache}
    return found

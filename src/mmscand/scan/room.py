"""Room on the fast tier: what is free above the headroom, less what is on its way."""

from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import Process
from mmscand.policy.target import headroom_pages
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
        settings, free_pages = self._store.current, self._machine.free_pages
        # In this order pages that move meanwhile are counted twice on their way up, and on their
        # way down not at all: never as room that is not there.
        up, _ = self._list.pages()
        free = sum(free_pages(node.id) - headroom_pages(node, settings) for node in nodes)
        _, down = self._list.pages(handed_out=False)
        return free + down - up

    @property
    def coming(self) -> int:
        """See Room: what is in the migrator's hands."""
        return self._list.pages()[1] - self._list.pages(handed_out=False)[1]

    def queued(self, process: Process) -> tuple[int, int]:
        """See Room."""
        return self._list.pages(process)

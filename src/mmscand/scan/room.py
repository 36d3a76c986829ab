"""Room on the fast tier: what is free above the headroom, less what is on its way."""

from mmscand.machine import Machine
from mmscand.migrate.migration_list import MigrationList
from mmscand.model import PAGE_BYTES, Node, Process
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
        free = sum(self._machine.free_pages(node.id) - self._headroom(node) for node in nodes)
        up, _ = self._list.pages()
        _, down = self._list.pages(handed_out=False)
        return free + down - up

    @property
    def coming(self) -> int:
        """See Room: what is in the migrator's hands."""
        return self._list.pages()[1] - self._list.pages(handed_out=False)[1]

    def _headroom(self, node: Node) -> int:
        settings = self._store.current
        pages = sum(end - start for start, end in node.frame_ranges) // PAGE_BYTES
        return max(settings.room_pages, int(pages * settings.headroom_percent / 100))

    def queued(self, process: Process) -> tuple[int, int]:
        """See Room."""
        return self._list.pages(process)

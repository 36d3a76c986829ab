"""Which mappings of a process are looked at, and why others are not."""

from mmscand.errors import LeftAlone
from mmscand.machine import AddressSpace
from mmscand.model import ByteArray, VmaTable
from mmscand.policy.eligible import NOTHING_SKIPPED, eligible, rules_of
from mmscand.settings import Settings


class Mappings:
    """Of one process, as of its latest visit."""

    def __init__(self, space: AddressSpace, settings: Settings) -> None:
        self._space = space
        self.settings = settings
        self.unseen_use = False
        """Look at it also where memory is used without the page tables of its owner."""
        self.skipped = NOTHING_SKIPPED
        self._all: VmaTable | None = None
        """None before the first visit."""

    def read(self) -> tuple[VmaTable, VmaTable]:
        """All of them, and those that are looked at. LeftAlone where memory is used without the
        page tables of its owner, unless `unseen_use`.
        """
        vmas = self._space.vmas()
        if (why := self._space.unseen_use()) and not self.unseen_use:
            raise LeftAlone(self._space.process.pid, why)
        self._all = vmas
        looked_at, self.skipped = eligible(
            vmas,
            read_only_files=self.settings.read_only_files,
            shared_memory=self.settings.shared_memory,
        )
        return vmas, looked_at

    @property
    def rules(self) -> tuple[VmaTable, ByteArray] | None:
        """All mappings, and the rule (policy.eligible) that leaves each out; from any thread."""
        if (vmas := self._all) is None:
            return None
        return vmas, rules_of(
            vmas,
            read_only_files=self.settings.read_only_files,
            shared_memory=self.settings.shared_memory,
        )

"""One process of a simulated machine, as the daemon sees it."""

import errno
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mmscand.errors import ProcessGone
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    Aged,
    AllowedNodes,
    BoolArray,
    IntArray,
    PageBlock,
    Process,
    Topology,
    UIntArray,
    VmaTable,
    Window,
)
from mmscand.sim.process import SimProcess, SimVma


class Memory(Protocol):
    """What of the machine matters here."""

    def topology(self) -> Topology:
        """Its nodes."""
        ...

    def migrate(self, vma: SimVma, slot: int, node: int, *, shared: bool = False) -> int:
        """Move one slot: the node that it is on afterwards, or a negative errno."""
        ...


class SimAddressSpace:
    """See machine.AddressSpace."""

    def __init__(self, machine: Memory, process: SimProcess) -> None:
        self._machine = machine
        self._sim = process
        topology = machine.topology()
        self._slow = np.array(sorted(topology.slow), dtype=np.int32)

    @property
    def process(self) -> Process:
        """Whose memory it is."""
        return self._sim.process

    def _require_alive(self) -> None:
        if not self._sim.alive:
            raise ProcessGone(self.process.pid)

    def generation(self) -> int:
        """Counts execs."""
        self._require_alive()
        return self._sim.generation

    def cpu_ns(self) -> int:
        """Grows with each thing that it does."""
        self._require_alive()
        return self._sim.cpu_ns

    def vmas(self) -> VmaTable:
        """All mappings."""
        self._require_alive()
        vmas = self._sim.vmas
        return VmaTable(
            np.array([vma.start for vma in vmas], dtype=np.uint64),
            np.array([vma.end for vma in vmas], dtype=np.uint64),
            np.array([vma.flags for vma in vmas], dtype=np.uint16),
        )

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        """A window for each region that has memory."""
        self._require_alive()
        wanted = [v for v in self._sim.vmas if v.start in set(vmas.starts.tolist())]
        regions = {
            r for v in wanted for r in range(v.start // REGION_BYTES, -(-v.end // REGION_BYTES))
        }
        for region in sorted(r * REGION_BYTES for r in regions):
            if region + REGION_BYTES > start:
                first, end = max(region, start), region + REGION_BYTES
                blocks = [self._block(wanted, size, first, end) for size in (PAGES_PER_TABLE, 1)]
                yield Window(first, end, tuple(b for b in blocks if len(b.addresses)))

    def _block(self, vmas: list[SimVma], pages_per_slot: int, start: int, end: int) -> PageBlock:
        addresses, frames, accessed = [], [], []
        width = PAGES_PER_TABLE // pages_per_slot
        for vma in (v for v in vmas if v.pages_per_slot == pages_per_slot):
            rows = np.arange(vma.start, vma.end, HUGE_PAGE_BYTES, dtype=np.uint64)
            mine = (rows >= start) & (rows < end)
            addresses.append(rows[mine])
            frames.append(vma.frames[mine])
            accessed.append(vma.accessed[mine])
        flat = np.concatenate([np.empty((0, width), dtype=np.uint64), *frames])
        present = flat != 0
        return PageBlock(
            addresses=np.concatenate([np.empty(0, dtype=np.uint64), *addresses]),
            pages_per_slot=pages_per_slot,
            frames_or_how=flat,
            present=present,
            accessed=np.concatenate([np.empty((0, width), dtype=np.bool_), *accessed]) & present,
            slow=np.isin(self._machine.topology().nodes_of(flat), self._slow) & present,
        )

    def _slots(self, addresses: UIntArray) -> Iterator[tuple[int, SimVma, int]]:
        for at, address in enumerate(addresses.tolist()):
            vma = self._sim.vma_of(address)
            if vma is not None:
                yield at, vma, int(vma.slot(np.array([address], dtype=np.uint64))[0])

    def shared(self, addresses: UIntArray) -> BoolArray:
        """As the world marked them."""
        self._require_alive()
        result = np.zeros(len(addresses), dtype=np.bool_)
        for at, vma, slot in self._slots(addresses):
            result[at] = vma.shared.flat[slot]
        return result

    def allowed_nodes(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """As the world set them; a page that is not mapped is left alone."""
        self._require_alive()
        every = frozenset(node.id for node in self._machine.topology().nodes)
        cpuset = every if self._sim.cpuset is None else self._sim.cpuset
        wishes = [every if vma.policy is None else vma.policy for vma in self._sim.vmas]
        of = np.full(len(addresses), len(wishes), dtype=np.intp)
        for at, vma, _ in self._slots(addresses):
            of[at] = next(n for n, other in enumerate(self._sim.vmas) if other is vma)
        return AllowedNodes((*(wish & cpuset for wish in wishes), frozenset()), of)

    def age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable) -> Aged:
        """Clear exactly these bits; shared pages keep theirs."""
        self._require_alive()
        addresses = block.slot_addresses(mask)
        missed = np.zeros(len(addresses), dtype=np.bool_)
        for at, vma, slot in self._slots(addresses):
            missed[at] = vma.unaged
            vma.accessed.flat[slot] &= vma.shared.flat[slot] | vma.unaged
        pages = int(np.count_nonzero(~missed)) * block.pages_per_slot
        return Aged(pages, addresses[missed])

    def nodes(self, addresses: UIntArray) -> IntArray:
        """Where each slot is."""
        self._require_alive()
        found = np.full(len(addresses), -errno.EFAULT, dtype=np.int32)
        for at, vma, slot in self._slots(addresses):
            frame = vma.frames.reshape(-1)[slot : slot + 1]
            found[at] = self._machine.topology().nodes_of(frame)[0] if frame[0] else -errno.ENOENT
        return found

    def move(self, addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
        """Slot by slot."""
        self._require_alive()
        status = np.full(len(addresses), -errno.EFAULT, dtype=np.int32)
        for at, vma, slot in self._slots(addresses):
            status[at] = self._machine.migrate(vma, slot, node, shared=shared)
        return status

    def close(self) -> None:
        """Nothing is held."""

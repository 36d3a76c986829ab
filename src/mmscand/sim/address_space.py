"""One process of a simulated machine, as the daemon sees it."""

import errno
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Protocol

import numpy as np

from mmscand.errors import ProcessGone
from mmscand.model import (
    REGION_BYTES,
    Aged,
    AllowedNodes,
    BoolArray,
    IntArray,
    PageBlock,
    PageNumbers,
    Process,
    Topology,
    UIntArray,
    VmaFlag,
    VmaTable,
    Window,
)
from mmscand.sim.cost import Costs
from mmscand.sim.process import SimProcess, SimVma
from mmscand.sim.snapshot import Snapshot

_NONE: UIntArray = np.empty(0, dtype=np.uint64)


class Memory(Protocol):
    """What of the machine matters here."""

    lock: threading.RLock
    """While it is held no page moves."""

    @property
    def program(self) -> Callable[[], None]:
        """See SimMachine."""
        ...

    def topology(self) -> Topology:
        """Its nodes."""
        ...

    def nodes_at(self, vma: SimVma, slots: PageNumbers) -> IntArray:
        """The node that each of these slots is on, -1 where nothing is mapped."""
        ...

    def migrate(
        self, vma: SimVma, slots: PageNumbers, node: int, *, shared: bool = False
    ) -> IntArray:
        """Move slots: for each the node that it is on afterwards, or a negative errno."""
        ...

    def split(self, process: SimProcess, addresses: UIntArray) -> BoolArray:
        """See machine.AddressSpace."""
        ...

    def collapse(self, process: SimProcess, addresses: UIntArray) -> BoolArray:
        """See machine.AddressSpace."""
        ...


class SimAddressSpace:
    """See machine.AddressSpace."""

    def __init__(self, machine: Memory, process: SimProcess, costs: Costs) -> None:
        self._machine = machine
        self._sim = process
        self._costs = costs

    @property
    def process(self) -> Process:
        """The process that owns the memory."""
        return self._sim.process

    def _require_alive(self) -> None:
        if not self._sim.alive:
            raise ProcessGone(self.process.pid)

    def generation(self) -> int:
        """Counts execs."""
        self._require_alive()
        return self._sim.generation

    def identity(self) -> int:
        """Number of the address space."""
        self._require_alive()
        return self._sim.space

    def resident_pages(self) -> int:
        """Of all mappings."""
        self._require_alive()
        return sum(vma.resident_pages for vma in self._sim.vmas)

    def cpu_ns(self) -> int:
        """Grows with each thing that it does."""
        self._require_alive()
        return self._sim.cpu_ns

    def unseen_use(self) -> str:
        """As the world set it."""
        self._require_alive()
        return self._sim.unseen_use

    def vmas(self) -> VmaTable:
        """All mappings, whatever the size of their pages."""
        self._require_alive()
        self._costs.visit()
        joined = [list(parts) for _, parts in groupby(self._sim.vmas, lambda vma: vma.mapping)]
        return VmaTable(
            np.array([parts[0].start for parts in joined], dtype=np.uint64),
            np.array([parts[-1].end for parts in joined], dtype=np.uint64),
            np.array([parts[0].flags | self._stays(parts[0]) for parts in joined], dtype=np.uint16),
        )

    def _stays(self, vma: SimVma) -> VmaFlag:
        """Tiers that its owner does not allow."""
        return VmaFlag.of_nodes(self._allowed(vma), self._cpuset, self._machine.topology())

    @property
    def _cpuset(self) -> frozenset[int]:
        if self._sim.cpuset is not None:
            return self._sim.cpuset
        return frozenset(node.id for node in self._machine.topology().nodes)

    def _allowed(self, vma: SimVma) -> frozenset[int]:
        return self._cpuset if vma.policy is None else vma.policy & self._cpuset

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        """A window for each region that has memory."""
        self._require_alive()
        snapshots: dict[int, Snapshot] = {}
        for region, sims in self._regions(vmas, start):
            first, end = max(region, start), region + REGION_BYTES
            for snapshot in snapshots.values():
                snapshot.clear()
            for sim in sims:
                if sim.width not in snapshots:
                    snapshots[sim.width] = Snapshot(sim.width)
                snapshots[sim.width].ask(sim, first, end, vmas)
            self._costs.read(sum(snapshot.slots for snapshot in snapshots.values()))
            self._machine.program()
            with self._machine.lock:  # a page is never seen on its way
                for snapshot in snapshots.values():
                    snapshot.copy()
            found = (snapshots[width].block(vmas) for width in sorted(snapshots))
            blocks = tuple(block for block in found if block is not None)
            yield Window(first, end, blocks)

    def _regions(self, vmas: VmaTable, start: int) -> list[tuple[int, list[SimVma]]]:
        """Those from `start` on in which something is mapped that is asked for, ascending."""
        found: dict[int, list[SimVma]] = {}
        for sim in self._sim.vmas:
            first = max(start, sim.start) // REGION_BYTES * REGION_BYTES
            regions = np.arange(first, max(first, sim.end), REGION_BYTES, dtype=np.uint64)
            for region in regions[vmas.overlaps(regions, REGION_BYTES)].tolist():
                found.setdefault(region, []).append(sim)
        return sorted(found.items())

    def shared(self, addresses: UIntArray) -> BoolArray:
        """As the world marked them."""
        self._require_alive()
        result = np.zeros(len(addresses), dtype=np.bool_)
        for _, vma, which, slots in self._sim.located(addresses):
            result[which] = vma.shared_at(slots)
        return result

    def allowed_nodes(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """As the world set them; a page that is not mapped is left alone."""
        self._require_alive()
        sets = [self._allowed(vma) for vma in self._sim.vmas]
        of = np.full(len(addresses), len(sets), dtype=np.intp)
        for place, _, which, _ in self._sim.located(addresses):
            of[which] = place
        return AllowedNodes((*sets, frozenset()), of)

    def age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable) -> Aged:
        """Clear exactly these bits; shared pages keep theirs."""
        self._require_alive()
        if not mask.any():
            return Aged(0, _NONE)
        rows = np.flatnonzero(mask.any(axis=1))
        missed = np.zeros(len(mask), dtype=np.bool_)
        for _, vma, some, slots in self._sim.located(block.addresses[rows]):
            if vma.unaged:
                missed[rows[some]] = True
            elif vma.pages_per_slot == block.pages_per_slot:
                vma.age(slots // vma.width, mask[rows[some]])
        left = block.slot_addresses(mask & missed[:, None]) if missed.any() else _NONE
        aged = int(np.count_nonzero(mask)) - len(left)
        # One after another, so at the middle of the call on the average.
        self._costs.age(aged // 2)
        self._machine.program()
        self._costs.age(aged - aged // 2)
        return Aged(aged * block.pages_per_slot, left)

    def split(self, addresses: UIntArray) -> BoolArray:
        """By the machine, which knows all that have the mapping."""
        self._require_alive()
        return self._machine.split(self._sim, addresses)

    def collapse(self, addresses: UIntArray) -> BoolArray:
        """See split."""
        self._require_alive()
        return self._machine.collapse(self._sim, addresses)

    def nodes(self, addresses: UIntArray) -> IntArray:
        """Where each slot is."""
        self._require_alive()
        found = np.full(len(addresses), -errno.EFAULT, dtype=np.int32)
        for _, vma, which, slots in self._sim.located(addresses):
            nodes = self._machine.nodes_at(vma, slots)
            found[which] = np.where(nodes < 0, -errno.ENOENT, nodes)
        self._costs.ask(len(addresses))
        return found

    def move(self, addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
        """Mapping by mapping."""
        self._require_alive()
        status = np.full(len(addresses), -errno.EFAULT, dtype=np.int32)
        for _, vma, which, slots in self._sim.located(addresses):
            status[which] = self._machine.migrate(vma, slots, node, shared=shared)
        return status

    def close(self) -> None:
        """Nothing is held."""

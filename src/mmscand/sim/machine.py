"""The simulated machine: a verified fake, held to the same contract suite as the live kernel."""

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    Aged,
    AllowedNodes,
    BoolArray,
    IntArray,
    Look,
    Node,
    PageBlock,
    Process,
    ProcessFacts,
    Topology,
    UIntArray,
    VmaFlag,
    VmaTable,
    Window,
)

_NODE_STRIDE = 1 << 44
"""Physical distance between nodes: no simulated node is larger."""


def sim_topology(fast: tuple[int, ...], slow: tuple[int, ...], pages: dict[int, int]) -> Topology:
    """Nodes of these sizes in pages; distance 10 to itself, 20 inside a tier, 40 across."""
    everything = (*fast, *slow)
    nodes = tuple(
        Node(
            id=node,
            has_cpus=node in fast,
            frame_ranges=(
                (
                    (node + 1) * _NODE_STRIDE,
                    (node + 1) * _NODE_STRIDE + pages[node] * PAGE_BYTES,
                ),
            ),
            distances={
                other: 10 if other == node else 20 if (other in fast) == (node in fast) else 40
                for other in everything
            },
            tier=4 if node in fast else 28,
        )
        for node in everything
    )
    return Topology(nodes, frozenset(fast), frozenset(slow), "simulated")


@dataclass(slots=True)
class SimVma:
    """A private mapping that starts and ends at 2 MiB borders; one array entry a slot."""

    start: int
    pages_per_slot: int
    frames: UIntArray
    """(rows, width); 0 where nothing is mapped."""
    accessed: BoolArray
    shared: BoolArray
    pinned: BoolArray
    flags: VmaFlag = VmaFlag.READ | VmaFlag.WRITE
    unaged: bool = False
    """Aging does not take it."""
    policy: frozenset[int] | None = None
    """Nodes that it is bound to; None is any."""

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.frames) * HUGE_PAGE_BYTES

    def slot(self, addresses: UIntArray) -> UIntArray:
        """Flat index of the slot that holds each address."""
        size = np.uint64(PAGE_BYTES * self.pages_per_slot)
        return (addresses - np.uint64(self.start)) // size


@dataclass(slots=True)
class SimProcess:
    """A process: its mappings, and whether it still lives."""

    process: Process
    vmas: list[SimVma] = field(default_factory=list)
    generation: int = 1
    ppid: int = 1
    uid: int = 1000
    cgroup: str = "/"
    cpuset: frozenset[int] | None = None
    """Nodes that it may use; None is all."""
    alive: bool = True
    cpu_ns: int = 1

    def vma_of(self, address: int) -> SimVma | None:
        """The mapping that holds an address."""
        return next((vma for vma in self.vmas if vma.start <= address < vma.end), None)

    def run(self) -> None:
        """Take some CPU time."""
        self.cpu_ns += 1000

    def touch(self, address: int, pages: Iterable[int]) -> None:
        """Access pages, counted from an address: what a program does."""
        self.run()
        for page in pages:
            at = np.array([address + page * PAGE_BYTES], dtype=np.uint64)
            vma = self.vma_of(int(at[0]))
            if vma is not None:
                vma.accessed.flat[int(vma.slot(at)[0])] = True


class SimMachine:
    """See machine.Machine. What the world does to it is done by the methods below the seam's."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._free = {
            node.id: list(range(node.frame_ranges[0][0], node.frame_ranges[0][1], HUGE_PAGE_BYTES))
            for node in topology.nodes
        }
        self._loose: dict[int, list[int]] = {node.id: [] for node in topology.nodes}
        self._processes: dict[int, SimProcess] = {}
        self._told: dict[Process, tuple[str, int, str, int]] = {}
        self._started = 0

    def topology(self) -> Topology:
        """As it was made."""
        return self._topology

    def free_pages(self, node: int) -> int:
        """Frames that are not in use; the simulated kernel has no watermarks."""
        return len(self._free[node]) * PAGES_PER_TABLE + len(self._loose[node])

    def look(self) -> Look:
        """All that live, and those of which something is not as it was told before."""
        alive = [p for p in self._processes.values() if p.alive]
        facts = {p.process: (p.process.name, p.uid, p.cgroup, p.generation) for p in alive}
        before, self._told = self._told, facts
        changed = frozenset(p for p in facts if facts[p] != before.get(p))
        return Look(tuple(facts), changed, quiet=facts == before)

    def facts(self, process: Process) -> ProcessFacts:
        """As the world set them."""
        found = self._processes.get(process.pid)
        if found is None or not found.alive or found.process != process:
            raise ProcessGone(process.pid)
        return ProcessFacts(process, found.ppid, found.uid, found.cgroup)

    def bulk_group(self, process: Process) -> str:
        """The cgroup, if it is not the root."""
        cgroup = self.facts(process).cgroup
        if cgroup == "/":
            raise MachineCannot("cgroup / has no memory accounting of its own", hint="move it")
        return cgroup

    def age_bulk(self, group: str) -> None:
        """Of each process in the cgroup, on the slow nodes."""
        slow = np.array(sorted(self._topology.slow), dtype=np.int32)
        for process in self._processes.values():
            if process.alive and process.cgroup == group:
                for vma in process.vmas:
                    vma.accessed &= ~np.isin(self.nodes_of(vma), slow)

    def open(self, process: Process) -> "SimAddressSpace":
        """See machine.Machine.open."""
        found = self._processes.get(process.pid)
        if found is None or not found.alive or found.process != process:
            raise ProcessGone(process.pid)
        return SimAddressSpace(self, found)

    # What the world does

    def spawn(self, pid: int, name: str = "sim") -> SimProcess:
        """A new process; a pid that was used before is reused."""
        self._started += 1
        self._processes[pid] = SimProcess(Process(pid, self._started, name))
        return self._processes[pid]

    def process(self, pid: int) -> SimProcess:
        """The process with that pid."""
        return self._processes[pid]

    def exit(self, process: SimProcess) -> None:
        """End it and free its memory."""
        process.alive = False
        self._unmap_all(process)

    def exec(self, process: SimProcess) -> None:
        """Give it a new, empty address space."""
        process.generation += 1
        process.run()
        self._unmap_all(process)

    def _unmap_all(self, process: SimProcess) -> None:
        for vma in process.vmas:
            self._release(vma.frames[vma.frames != 0], vma.pages_per_slot)
        process.vmas.clear()

    def map(
        self, process: SimProcess, start: int, pages: int, node: int, *, huge: bool = False
    ) -> SimVma:
        """Map and touch fresh memory on a node; `start` and the length in whole 2 MiB."""
        rows = pages // PAGES_PER_TABLE
        pages_per_slot = PAGES_PER_TABLE if huge else 1
        shape = (rows, PAGES_PER_TABLE // pages_per_slot)
        frames = self._allocate(node, rows * shape[1], pages_per_slot)
        if frames is None or start % HUGE_PAGE_BYTES or pages % PAGES_PER_TABLE:
            raise ValueError("no room on the node, or not in whole 2 MiB")
        process.run()
        none = np.zeros(shape, dtype=np.bool_)
        vma = SimVma(start, pages_per_slot, frames.reshape(shape), ~none, none.copy(), none.copy())
        process.vmas = sorted([*process.vmas, vma], key=lambda v: v.start)
        return vma

    def nodes_of(self, vma: SimVma) -> IntArray:
        """Node of each slot, shape as the mapping's arrays."""
        return self._topology.nodes_of(vma.frames)

    def _allocate(self, node: int, slots: int, pages_per_slot: int) -> UIntArray | None:
        """Physical addresses, or None when the node is full."""
        free, loose = self._free[node], self._loose[node]
        if pages_per_slot > 1:
            taken = free[:slots]
            del free[:slots]
            return np.array(taken, dtype=np.uint64) if len(taken) == slots else None
        while len(loose) < slots and free:
            block = free.pop(0)
            loose.extend(range(block, block + HUGE_PAGE_BYTES, PAGE_BYTES))
        if len(loose) < slots:
            return None
        taken = loose[:slots]
        del loose[:slots]
        return np.array(taken, dtype=np.uint64)

    def _release(self, frames: UIntArray, pages_per_slot: int) -> None:
        for node in self._topology.nodes:
            mine = frames[self._topology.nodes_of(frames) == node.id].tolist()
            (self._free if pages_per_slot > 1 else self._loose)[node.id].extend(mine)

    def migrate(self, vma: SimVma, slot: int, node: int, *, shared: bool = False) -> int:
        """Move one slot: the node that it is on afterwards, or a negative errno."""
        frames = vma.frames.reshape(-1)
        now = int(self._topology.nodes_of(frames[slot : slot + 1])[0])
        if frames[slot] == 0:
            return -errno.ENOENT
        if vma.shared.flat[slot] and not shared:
            return -errno.EACCES
        if vma.pinned.flat[slot]:
            return -errno.EBUSY
        if now == node:
            return now
        new = self._allocate(node, 1, vma.pages_per_slot)
        if new is None:
            return -errno.ENOMEM
        self._release(frames[slot : slot + 1], vma.pages_per_slot)
        frames[slot] = new[0]
        return node


class SimAddressSpace:
    """See machine.AddressSpace."""

    def __init__(self, machine: SimMachine, process: SimProcess) -> None:
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

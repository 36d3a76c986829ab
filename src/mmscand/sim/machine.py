"""The simulated machine: a verified fake, held to the same contract suite as the live kernel."""

import errno

import numpy as np

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGES_PER_TABLE,
    IntArray,
    Look,
    Process,
    ProcessFacts,
    Topology,
)
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.nodes import Frames
from mmscand.sim.process import SimProcess, SimVma


class SimMachine:
    """See machine.Machine. What the world does to it is done by the methods below the seam's."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._frames = Frames(topology)
        self._processes: dict[int, SimProcess] = {}
        self._told: dict[Process, tuple[str, int, str, int]] = {}
        self._started = 0

    def topology(self) -> Topology:
        """As it was made."""
        return self._topology

    def free_pages(self, node: int) -> int:
        """Frames that are not in use; the simulated kernel has no watermarks."""
        return self._frames.pages(node)

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
            self._frames.release(vma.frames[vma.frames != 0], vma.pages_per_slot)
        process.vmas.clear()

    def map(
        self, process: SimProcess, start: int, pages: int, node: int, *, huge: bool = False
    ) -> SimVma:
        """Map and touch fresh memory on a node; `start` and the length in whole 2 MiB."""
        rows = pages // PAGES_PER_TABLE
        pages_per_slot = PAGES_PER_TABLE if huge else 1
        shape = (rows, PAGES_PER_TABLE // pages_per_slot)
        frames = self._frames.allocate(node, rows * shape[1], pages_per_slot)
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
        new = self._frames.allocate(node, 1, vma.pages_per_slot)
        if new is None:
            return -errno.ENOMEM
        self._frames.release(frames[slot : slot + 1], vma.pages_per_slot)
        frames[slot] = new[0]
        return node

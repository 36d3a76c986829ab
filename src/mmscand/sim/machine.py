"""The simulated machine: a verified fake, held to the same contract suite as the live kernel."""

import errno
import threading
from collections.abc import Callable, Mapping

import numpy as np

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    IntArray,
    Look,
    MappingNames,
    PageCache,
    PageNumbers,
    Process,
    ProcessFacts,
    Topology,
    UIntArray,
)
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.cost import Costs, FreeOfCharge, Spends
from mmscand.sim.kswapd import Kswapd
from mmscand.sim.memory import PhysicalMemory, Watermarks
from mmscand.sim.page_sizes import PageSizes
from mmscand.sim.process import SimProcess, SimVma


def nothing() -> None:
    """What a program does that is moved by the test alone."""


class SimMachine:
    """See machine.Machine. What the world does to it is done by the methods below the seam's."""

    def __init__(
        self,
        topology: Topology,
        *,
        watermarks: Mapping[int, Watermarks] | None = None,
        demotion: bool = False,
        clock: Spends | None = None,
    ) -> None:
        """Without watermarks nodes can be used up, without demotion nobody makes room on them.

        What takes time is charged to `clock`.
        """
        self._topology = topology
        self._memory = PhysicalMemory(topology, watermarks or {})
        self._costs = Costs(topology, clock or FreeOfCharge())
        self.demotion = demotion
        """numa/demotion_enabled, which may be changed at any time."""
        self._kswapd = Kswapd(self._memory)
        self._sizes = PageSizes(self._memory)
        self.lock = threading.RLock()
        """Of frames: who reads, who moves pages and who ends a process are several threads."""
        self._processes: dict[int, SimProcess] = {}
        self._reported: dict[Process, tuple[str, int, str, int]] = {}
        self._started = self._spaces = 0
        self.program: Callable[[], None] = nothing
        """Called whenever memory is about to be read, and after bits were cleared: what programs
        have done up to now."""
        self._cache_used: dict[int, int] = {}
        """By node: pages of its cache that programs go on with."""
        self.next_topology: Topology | None = None
        """What the daemon is to find at its next look: the same nodes in other tiers."""

    @property
    def reader_name(self) -> str:
        """There is nothing to read."""
        return "simulated"

    def topology(self) -> Topology:
        """As it was made, or taken over since."""
        return self._topology

    def topology_changed(self) -> bool:
        """Whether the world has given it another one."""
        return self.next_topology is not None

    def refresh_topology(self) -> bool:
        """Take that over."""
        before, self._topology = self._topology, self.next_topology or self._topology
        self.next_topology = None
        return self._topology != before

    def free_pages(self, node: int) -> int:
        """Frames that are not in use, above the high watermark."""
        return self._memory.above_high(node)

    def page_cache(self, node: int) -> PageCache:
        """Frames that `fill_cache` has taken."""
        pages = self._memory.cached(node)
        return PageCache(max(0, pages - self._cache_used.get(node, 0)), pages)

    def memory_pressure(self) -> Mapping[str, float]:
        """Nobody waits for memory here."""
        return {}

    def look(self) -> Look:
        """All that live, and those of which something is not as it was reported before."""
        alive = [p for p in self._processes.values() if p.alive]
        facts = {p.process: (p.process.name, p.uid, p.cgroup, p.generation) for p in alive}
        before, self._reported = self._reported, facts
        changed = frozenset(p for p in facts if facts[p] != before.get(p))
        return Look(tuple(facts), changed, quiet=facts == before)

    def facts(self, process: Process) -> ProcessFacts:
        """As the world set them."""
        found = self._processes.get(process.pid)
        if found is None or not found.alive or found.process != process:
            raise ProcessGone(process.pid)
        return ProcessFacts(process, found.ppid, found.uid, found.cgroup)

    def mapping_names(self, process: Process) -> MappingNames:
        """As the world set them."""
        self.facts(process)  # raises ProcessGone
        return self._processes[process.pid].mapping_names()

    def bulk_group(self, process: Process) -> str:
        """The cgroup, if it is not the root."""
        cgroup = self.facts(process).cgroup
        if cgroup == "/":
            raise MachineCannot("cgroup / has no memory accounting of its own", hint="move it")
        return cgroup

    def age_bulk(self, group: str) -> None:
        """Of each process in the cgroup, on the slow nodes."""
        for process in self._processes.values():
            if process.alive and process.cgroup == group:
                for vma in process.vmas:
                    vma.accessed[vma.slow] = False

    def lower_priority(self, lower: bool) -> None:
        """There is nobody to give way to."""

    def open(self, process: Process) -> "SimAddressSpace":
        """See machine.Machine.open."""
        found = self._processes.get(process.pid)
        if found is None or not found.alive or found.process != process:
            raise ProcessGone(process.pid)
        return SimAddressSpace(self, found, self._costs)

    # What the world does

    def spawn(
        self, pid: int, name: str = "sim", *, sharing: SimProcess | None = None
    ) -> SimProcess:
        """A new process; a pid that was used before is reused.

        `sharing` is one whose address space it has too, as after vfork or CLONE_VM.
        """
        self._started += 1
        made = SimProcess(Process(pid, self._started, name), space=self._next_space())
        if sharing is not None:
            made.vmas, made.space = sharing.vmas, sharing.space
        self._processes[pid] = made
        return made

    def _next_space(self) -> int:
        self._spaces += 1
        return self._spaces

    def _sharing(self, process: SimProcess) -> list[SimProcess]:
        """Processes with the same address space, itself too."""
        return [p for p in self._processes.values() if p.space == process.space]

    def process(self, pid: int) -> SimProcess:
        """The process with that pid."""
        return self._processes[pid]

    def exit(self, process: SimProcess) -> None:
        """End it and free its memory."""
        process.alive = False
        self._leave_space(process)

    def exec(self, process: SimProcess) -> None:
        """Give it a new, empty address space."""
        process.generation += 1
        process.run()
        self._leave_space(process)

    def _leave_space(self, process: SimProcess) -> None:
        """The last one that leaves it frees its memory."""
        with self.lock:
            vmas, last = process.vmas, len(self._sharing(process)) == 1
            process.vmas, process.space = [], self._next_space()
            if last:
                for vma in vmas:
                    self._memory.release(vma.frame_numbers.reshape(-1), vma.pages_per_slot)
                self._kswapd.forget(vmas)

    def map(
        self, process: SimProcess, start: int, pages: int, node: int, *, huge: bool = False
    ) -> SimVma:
        """Map and touch fresh memory on a node; `start` and the length in whole 2 MiB.

        ValueError when they are not, and when the node is full.
        """
        pages_per_slot = PAGES_PER_TABLE if huge else 1
        if start % HUGE_PAGE_BYTES or pages % PAGES_PER_TABLE:
            raise ValueError("not in whole 2 MiB")
        with self.lock:
            self._make_room(node, pages)
            vma = self._memory.map(start, pages // pages_per_slot, pages_per_slot, node)
            vmas = sorted([*process.vmas, vma], key=lambda v: v.start)
            for each in self._sharing(process):
                each.vmas = vmas
            self._make_room(node)
        process.run()
        return vma

    def discard(self, vma: SimVma, slots: PageNumbers) -> None:
        """Give back these slots, counted from the start of the mapping."""
        with self.lock:
            self._memory.release(vma.unmap(slots), vma.pages_per_slot)

    def populate(self, vma: SimVma, slots: PageNumbers, node: int, leave: int = 0) -> PageNumbers:
        """Touch holes of a mapping, for which there is memory on a node while more than `leave`
        pages are left there: the slots that got some.
        """
        with self.lock:
            return self._memory.fill(vma, slots, node, leave)

    def fill_cache(self, node: int, pages: int, used: int = 0) -> None:
        """Programs read this number of pages of files, of those that are free, and go on with the
        `used` ones, which are on the active list.
        """
        with self.lock:
            self._memory.fill_cache(node, pages)
            self._cache_used[node] = used

    def make_room(self, node: int, pages: int) -> None:
        """The kernel demotes until this number of pages is free."""
        with self.lock:
            self._kswapd.make_room(node, self._vmas, pages)

    @property
    def _vmas(self) -> list[SimVma]:
        """Of all that live."""
        return [v for p in self._processes.values() if p.alive for v in p.vmas]

    def _make_room(self, node: int, pages: int = 0) -> None:
        """What the kernel does when pages are asked for, and afterwards."""
        if not self.demotion:
            return
        vmas = self._vmas
        missing = pages + self._memory.watermarks[node].min - self._memory.free(node)
        if missing > 0:
            self._kswapd.make_room(node, vmas, self._memory.free(node) + missing)
        self._kswapd.balance(node, vmas)

    def unmap(self, process: SimProcess, addresses: UIntArray) -> None:
        """Give the pages at these addresses back; their mapping stays (MADV_DONTNEED)."""
        process.run()
        with self.lock:
            for _, vma, _, slots in process.located(addresses):
                self.discard(vma, np.unique(slots))

    def clear_accessed(self, process: SimProcess, share: float = 1.0, seed: int = 0) -> None:
        """What other agents do to Accessed bits (DAMON, khugepaged, another tierer).

        Of a share of its rows (2 MiB), chosen by the seed.
        """
        rng = np.random.default_rng(seed)
        for vma in process.vmas:
            vma.accessed[rng.random(len(vma.accessed)) < share] = False

    def demoted(self, node: int) -> int:
        """4 KiB pages that the kernel has demoted from a node so far (pgdemote_kswapd)."""
        return self._kswapd.demoted[node]

    def nodes_of(self, vma: SimVma) -> IntArray:
        """Node of each slot, shape as the mapping's arrays; -1 where nothing is mapped."""
        return self._memory.nodes_of(vma.frame_numbers)

    def nodes_at(self, vma: SimVma, slots: PageNumbers) -> IntArray:
        """Node of these slots, counted from the start of the mapping."""
        return self._memory.nodes_of(vma.frame_numbers.reshape(-1)[slots])

    def migrate(
        self, vma: SimVma, slots: PageNumbers | int, node: int, *, shared: bool = False
    ) -> IntArray:
        """Move slots: for each the node that it is on afterwards, or a negative errno."""
        slots, places = np.unique(np.atleast_1d(slots), return_inverse=True)
        with self.lock:
            status = self._refusals(vma, slots, node, shared=shared)
            moving = np.flatnonzero((status >= 0) & (status != node))
            leave = self._memory.watermarks[node].min
            moved = self._memory.relocate(vma, slots[moving], node, leave)
            status[moving[:moved]] = node
            status[moving[moved:]] = -errno.ENOMEM
            self._make_room(node)
        self._costs.ask(len(slots))
        self._costs.move(moved, vma.pages_per_slot)
        return status[places]

    def split(self, process: SimProcess, addresses: UIntArray) -> BoolArray:
        """See machine.AddressSpace."""
        with self.lock:
            done, vmas = self._sizes.split(process, addresses)
            self._replace(process, vmas)
        self._costs.resize(split=int(np.count_nonzero(done)))
        return done

    def collapse(self, process: SimProcess, addresses: UIntArray) -> BoolArray:
        """See machine.AddressSpace."""
        with self.lock:
            done, vmas = self._sizes.collapse(process, addresses)
            self._replace(process, vmas)
        self._costs.resize(collapsed=int(np.count_nonzero(done)))
        return done

    def _replace(self, process: SimProcess, vmas: list[SimVma]) -> None:
        """Other mappings for it, and for processes that share its address space."""
        self._kswapd.forget([vma for vma in process.vmas if vma not in vmas])
        for each in self._sharing(process):
            each.vmas = vmas

    def _refusals(self, vma: SimVma, slots: PageNumbers, node: int, *, shared: bool) -> IntArray:
        """The node that each slot is on, or why it cannot be moved: nothing of who is there."""
        status = self.nodes_at(vma, slots)
        elsewhere = (status >= 0) & (status != node)
        status[status < 0] = -errno.ENOENT
        status[elsewhere & vma.pinned_at(slots)] = -errno.EBUSY
        if not shared:
            status[elsewhere & vma.shared_at(slots)] = -errno.EACCES
        return status

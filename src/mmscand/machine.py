"""The one seam: what the daemon asks of a machine, real (`linux/`) or simulated (`sim/`)."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from mmscand.errors import UNREADABLE
from mmscand.model import (
    Aged,
    AllowedNodes,
    BoolArray,
    IntArray,
    Look,
    MappingNames,
    PageBlock,
    PageCache,
    Process,
    ProcessFacts,
    Topology,
    UIntArray,
    VmaTable,
    Window,
)


class AddressSpace(Protocol):
    """One process' memory. Every method raises ProcessGone once the process has exited."""

    @property
    def process(self) -> Process:
        """The process that owns the memory."""
        ...

    def generation(self) -> int:
        """Changes when the process gets a new address space (execve)."""
        ...

    def identity(self) -> int:
        """Which address space it has: the same for processes that share one (vfork, CLONE_VM).

        Another after execve, and free to be used again once nobody has it.
        """
        ...

    def resident_pages(self) -> int:
        """4 KiB pages in memory, about: a counter of the kernel, nothing is looked at."""
        ...

    def cpu_ns(self) -> int:
        """CPU time of the process so far, all threads. The same twice: it did not run between."""
        ...

    def unseen_use(self) -> str:
        """Why accesses to its memory may leave no trace in its page tables; '' when none is known.

        The guest of a KVM machine and a device that memory is mapped for are such users. As of the
        last `vmas`, and of the begin.
        """
        ...

    def vmas(self) -> VmaTable:
        """The mappings as they are now."""
        ...

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        """The pages of `vmas` from address `start` on, window by window in ascending order.

        Changes nothing. Lazy: who stops asking stops the reading, and `Window.end` is where to
        resume. The arrays of a window are valid until the next one is asked for.
        """
        ...

    def shared(self, addresses: UIntArray) -> BoolArray:
        """Which of these pages other processes map too, so that age and move do not apply."""
        ...

    def allowed_nodes(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """Where the process wants these pages: memory policy of their mapping, and cpuset.

        As of the last `vmas`, which marks mappings that must stay on a tier.
        """
        ...

    def age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable) -> Aged:
        """Clear the Accessed bits of the slots in `mask`.

        Pages around them may be aged too, but no large folio is ever split by it.
        """
        ...

    def split(self, addresses: UIntArray) -> BoolArray:
        """Make 4K pages of the huge pages at these addresses (n,); which of them are small now.

        Their content, their node and their frames stay. One that others map too is not split.
        """
        ...

    def collapse(self, addresses: UIntArray) -> BoolArray:
        """Make one huge page of the 512 4K pages from each address (n,) on; which of them are huge.

        On the node that has most of them. Each is copied, about 5 ms.
        """
        ...

    def nodes(self, addresses: UIntArray) -> IntArray:
        """The node that each slot is on, or a negative errno where there is no page."""
        ...

    def move(self, addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
        """Move these slots to `node`; for each the node it is on now, or a negative errno.

        Those that other processes map too only where `shared` says so.
        """
        ...

    def close(self) -> None:
        """Give back what is held; the object is of no use afterwards."""
        ...


class Machine(Protocol):
    """A computer with memory tiers and processes."""

    @property
    def reader_name(self) -> str:
        """How page tables are read."""
        ...

    def topology(self) -> Topology:
        """Nodes and tiers, as they were read last."""
        ...

    def topology_changed(self) -> bool:
        """Whether memory or nodes may have come or gone since; cheap enough for each look.

        MmscandError when it cannot be found out now.
        """
        ...

    def refresh_topology(self) -> bool:
        """Read nodes and tiers again; whether they are others now. Spaces that are open follow.

        MmscandError when they cannot be read, or the options name a node that is there no more:
        the topology stays as it was.
        """
        ...

    def free_pages(self, node: int) -> int:
        """Pages that can go to the node now without pushing it under its high watermark."""
        ...

    def page_cache(self, node: int) -> PageCache:
        """What the kernel drops for pages that go there beyond `free_pages`: idle pages first."""
        ...

    def memory_pressure(self) -> Mapping[str, float]:
        """Share of the last ten seconds in which tasks waited for memory, in percent: `some` of
        them, and `full` all. Empty where the kernel does not count it. From any thread.
        """
        ...

    def look(self) -> Look:
        """Which processes there are, and what has changed since the look before."""
        ...

    def facts(self, process: Process) -> ProcessFacts:
        """What rules look at; ProcessGone when it has exited."""
        ...

    def mapping_names(self, process: Process) -> MappingNames:
        """What its mappings are called; ProcessGone when it has exited. From any thread.

        Reads all mappings again: for a recording, and for a person.
        """
        ...

    def bulk_group(self, process: Process) -> str:
        """Name of the group of processes that `age_bulk` ages together with this one.

        MachineCannot says why there is none, ProcessGone that it has exited.
        """
        ...

    def age_bulk(self, group: str) -> None:
        """Clear the Accessed bits of all slow-tier pages of a group, shared ones too.

        MachineCannot when it did not work.
        """
        ...

    def lower_priority(self, lower: bool) -> None:
        """Let the calling thread give way to others while it works for long, or no more."""
        ...

    def open(self, process: Process) -> AddressSpace:
        """Hold a process; ProcessGone when it has exited or its pid has a new owner."""
        ...


def names_of(machine: Machine, process: Process) -> MappingNames:
    """What its mappings are called; none of a process that cannot be read now."""
    try:
        return machine.mapping_names(process)
    except UNREADABLE:
        return MappingNames.none()


def cgroup_of(machine: Machine, process: Process) -> str:
    """Its cgroup; '' of a process that cannot be read now."""
    try:
        return machine.facts(process).cgroup
    except UNREADABLE:
        return ""

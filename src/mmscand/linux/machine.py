"""The real machine behind the seam."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.linux.address_space import LinuxAddressSpace
from mmscand.linux.arch.entries import Decoder
from mmscand.linux.call_size import CallSize
from mmscand.linux.free_memory import FreeMemory
from mmscand.linux.iomem import readable_ram
from mmscand.linux.mglru import GenerationAger
from mmscand.linux.moving import move_size
from mmscand.linux.pagemap import PageFlags
from mmscand.linux.pressure import memory_pressure
from mmscand.linux.proc_events import open_events
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs, parse_names
from mmscand.linux.readers import Reader, best_reader
from mmscand.linux.topology import NodeReader
from mmscand.linux.zero_page import huge_zero_frame
from mmscand.model import Look, MappingNames, PageCache, Process, ProcessFacts, Topology

_OWN_NICE = os.getpriority(os.PRIO_PROCESS, 0)
_BURST_NICE = max(10, _OWN_NICE)
"""A tenth of the weight of nice 0 (sched_prio_to_weight, kernel/sched/core.c)."""


@dataclass(slots=True)
class LinuxMachine:
    """See machine.Machine."""

    tiers: Topology
    """As they were read last."""
    reader: Reader
    decoder: Decoder
    """One for all, as one thread reads: its arrays are the pass' working memory."""
    process_list: ProcessList
    passed_over: Mapping[str, str] = field(default_factory=dict)
    """Better readers that do not work here, and why."""
    nodes: NodeReader = field(default_factory=NodeReader)
    free_memory: FreeMemory = field(default_factory=FreeMemory)
    procfs: Procfs = field(default_factory=Procfs)
    page_flags: PageFlags = field(default_factory=PageFlags)
    generations: GenerationAger = field(default_factory=GenerationAger)
    move_size: CallSize = field(default_factory=move_size)
    """Of all processes, as one thread moves."""
    read_tiers: Callable[[], Topology] | None = None
    """Reads them again, as the operator's options say; without it they stay."""
    signature: tuple[object, ...] = ()
    """Of the nodes, when the tiers were read."""

    @property
    def reader_name(self) -> str:
        """`bpf`, or `kcore` where BPF does not work."""
        return self.reader.memory.name

    def topology(self) -> Topology:
        """As it was read last."""
        return self.tiers

    def topology_changed(self) -> bool:
        """By what the nodes look like: 70 us. A balloon that gives or takes memory counts too."""
        return self.read_tiers is not None and self.nodes.signature() != self.signature

    def refresh_topology(self) -> bool:
        """See machine.Machine.refresh_topology; called by the thread that reads page tables."""
        if self.read_tiers is None:
            return False
        self.signature = self.nodes.signature()
        found = self.read_tiers()
        if found == self.tiers:
            return False
        self.reader.memory.refresh()
        self.reader.direct_map = replace(self.reader.direct_map, ram=readable_ram(found))
        self.decoder.set_slow(found.slow_spans())
        self.tiers = found
        return True

    def free_pages(self, node: int) -> int:
        """See machine.Machine.free_pages."""
        return self.free_memory.free_pages(node)

    def page_cache(self, node: int) -> PageCache:
        """See machine.Machine.page_cache."""
        return self.free_memory.page_cache(node)

    def memory_pressure(self) -> Mapping[str, float]:
        """By PSI, see linux.pressure."""
        return memory_pressure()

    def look(self) -> Look:
        """See machine.Machine.look."""
        return self.process_list.look()

    def facts(self, process: Process) -> ProcessFacts:
        """See machine.Machine.facts."""
        facts = self.procfs.facts(process.pid)
        if facts.process != process:
            raise ProcessGone(process.pid)
        return facts

    def mapping_names(self, process: Process) -> MappingNames:
        """Of /proc/PID/maps, which is of this process if the pid is still its own afterwards."""
        maps = self.procfs.maps(process.pid)
        if self.procfs.stat(process.pid).process != process:
            raise ProcessGone(process.pid)
        return parse_names(maps)

    def bulk_group(self, process: Process) -> str:
        """By memory cgroup, see linux.mglru."""
        return self.generations.group(self.facts(process).cgroup)

    def age_bulk(self, group: str) -> None:
        """By MGLRU, on the slow nodes."""
        self.generations.age(group, sorted(self.tiers.slow))

    def lower_priority(self, lower: bool) -> None:
        """By setpriority(2): 0 is the calling thread. The way back needs CAP_SYS_NICE."""
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, _BURST_NICE if lower else _OWN_NICE)

    def open(self, process: Process) -> LinuxAddressSpace:
        """See machine.Machine.open."""
        return LinuxAddressSpace(
            process,
            self.reader,
            self.procfs,
            self.decoder,
            self.page_flags,
            self.topology,
            self.move_size,
        )

    def close(self) -> None:
        """Give the reader back."""
        self.process_list.close()
        self.reader.close()
        self.page_flags.close()


def open_machine(
    topology: Topology, read_tiers: Callable[[], Topology] | None = None
) -> LinuxMachine:
    """The machine with the best reader; MachineCannot says why each one fails.

    `read_tiers` reads the topology again when nodes or memory come or go.
    """
    procfs, nodes = Procfs(), NodeReader()
    signature = nodes.signature()
    reader, reasons = best_reader(readable_ram(topology), procfs)
    if reader is None:
        raise MachineCannot(
            "no way to read page tables",
            hint="; ".join(f"{name}: {why}" for name, why in reasons.items()),
        )
    encryption_bit, page_flags = reader.direct_map.encryption_bit, PageFlags()
    return LinuxMachine(
        tiers=topology,
        reader=reader,
        decoder=Decoder(encryption_bit, topology.slow_spans(), huge_zero_frame(page_flags)),
        page_flags=page_flags,
        process_list=ProcessList(procfs, open_events()),
        passed_over=reasons,
        nodes=nodes,
        procfs=procfs,
        read_tiers=read_tiers,
        signature=signature,
    )

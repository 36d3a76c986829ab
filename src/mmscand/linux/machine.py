"""The real machine behind the seam."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mmscand.errors import MachineCannot, ProcessGone
from mmscand.linux.address_space import LinuxAddressSpace
from mmscand.linux.mglru import GenerationAger
from mmscand.linux.pagemap import PageFlags
from mmscand.linux.proc_events import open_events
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import Reader, best_reader
from mmscand.linux.topology import NodeReader
from mmscand.linux.x86_64 import Decoder
from mmscand.model import Look, Process, ProcessFacts, Topology

_OWN_NICE = os.getpriority(os.PRIO_PROCESS, 0)
_BURST_NICE = max(10, _OWN_NICE)
"""A tenth of the weight of nice 0 (sched_prio_to_weight, kernel/sched/core.c)."""


@dataclass(frozen=True, slots=True)
class LinuxMachine:
    """See machine.Machine."""

    tiers: Topology
    reader: Reader
    decoder: Decoder
    """One for all, as one thread reads: its arrays are the pass' working memory."""
    process_list: ProcessList
    passed_over: Mapping[str, str] = field(default_factory=dict)
    """Better readers that do not work here, and why."""
    nodes: NodeReader = field(default_factory=NodeReader)
    procfs: Procfs = field(default_factory=Procfs)
    page_flags: PageFlags = field(default_factory=PageFlags)
    generations: GenerationAger = field(default_factory=GenerationAger)

    def topology(self) -> Topology:
        """As read at start."""
        return self.tiers

    def free_pages(self, node: int) -> int:
        """See machine.Machine.free_pages."""
        return self.nodes.free_pages(node)

    def look(self) -> Look:
        """See machine.Machine.look."""
        return self.process_list.look()

    def facts(self, process: Process) -> ProcessFacts:
        """See machine.Machine.facts."""
        facts = self.procfs.facts(process.pid)
        if facts.process != process:
            raise ProcessGone(process.pid)
        return facts

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
        return LinuxAddressSpace(process, self.reader, self.procfs, self.decoder, self.page_flags)

    def close(self) -> None:
        """Give the reader back."""
        self.process_list.close()
        self.reader.close()
        self.page_flags.close()


def open_machine(topology: Topology) -> LinuxMachine:
    """The machine with the best reader; MachineCannot says why each one fails."""
    procfs = Procfs()
    every_node = frozenset(node.id for node in topology.nodes)
    reader, reasons = best_reader(topology.frame_ranges(every_node), procfs)
    if reader is None:
        raise MachineCannot(
            "no way to read page tables",
            hint="; ".join(f"{name}: {why}" for name, why in reasons.items()),
        )
    decoder = Decoder(reader.direct_map.encryption_bit, topology.slow_spans())
    processes = ProcessList(procfs, open_events())
    return LinuxMachine(topology, reader, decoder, processes, reasons, procfs=procfs)

"""Puts the parts together for the commands; the only place that knows which machine is used."""

import os
from dataclasses import dataclass, replace

from mmscand.errors import MachineCannot
from mmscand.linux.arch.numbers import MACHINE
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.privileges import require_capabilities
from mmscand.linux.procfs import Procfs
from mmscand.linux.surroundings import require_host
from mmscand.linux.topology import (
    NodeReader,
    read_topology,
    require_two_tiers,
)
from mmscand.linux.trials import require_working, try_aging
from mmscand.model import Topology
from mmscand.node_lists import NamedNodes

_NONE = NamedNodes()


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """The nodes that the command line or the file names."""

    named: NamedNodes = _NONE

    def topology(self) -> Topology:
        """This machine's nodes and tiers; NoSuchNode when one that is named is not there."""
        return read_topology(NodeReader(), self.named.fast, self.named.slow)


def real_machine(nodes: NodeOptions) -> LinuxMachine:
    """This machine, if it has two tiers and a reader that works; MachineCannot if not."""
    _require_architecture()
    require_host()
    topology = nodes.topology()
    require_two_tiers(topology)
    require_capabilities(Procfs())
    require_working()
    return open_machine(topology, nodes.topology)


def readable_machine(nodes: NodeOptions) -> LinuxMachine:
    """This machine, if it has a reader that works; with one tier only, all of it is slow."""
    _require_architecture()

    def topology() -> Topology:
        found = nodes.topology()
        return found if found.slow else replace(found, fast=frozenset(), slow=found.fast)

    require_host()
    require_capabilities(Procfs())
    try_aging()  # it moves nothing
    return open_machine(topology(), topology)


def _require_architecture() -> None:
    """Before any system call by number."""
    if os.uname().machine != MACHINE:
        raise MachineCannot(f"this machine is {os.uname().machine}", hint="use an x86-64 one")

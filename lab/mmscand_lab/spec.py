"""The guest's machine: which nodes it has, and how virtme-ng and QEMU are informed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuestNode:
    """One memory node of the guest.

    `latency_ns` and `bandwidth_mib_s` are what the firmware reports to the kernel (ACPI HMAT) about
    access from the node `near`, which must have processors; a node with processors is its own
    nearest. They make the tiers; under QEMU they make no access slower.
    """

    memory_mib: int
    cpus: int = 0
    latency_ns: int = 90  # local DRAM of a current server
    bandwidth_mib_s: int = 40 * 1024
    near: int = 0
    appears: bool = False
    """Its memory is a DIMM that the kernel finds and leaves offline (memory-hotplug.rst), so that
    the node has none until that comes online. Such nodes are the last ones."""


#: Two CPUs and local memory; and a CPU-less node 2.8 times slower, as CXL memory is.
FAST_NODE = GuestNode(memory_mib=1024, cpus=2)
SLOW_NODE = GuestNode(memory_mib=2048, latency_ns=250, bandwidth_mib_s=20 * 1024)


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """The guest's machine: its nodes, numbered in order, and further kernel parameters."""

    nodes: tuple[GuestNode, ...] = (FAST_NODE, SLOW_NODE)
    kernel_args: tuple[str, ...] = ()

    def nearest(self, node: int) -> int:
        """The node with processors from which this node is reached first."""
        return node if self.nodes[node].cpus else self.nodes[node].near

    def distance(self, a: int, b: int) -> int:
        """The SLIT distance of two nodes: 10 itself, 20 below one socket, more across sockets."""
        if a == b:
            return 10
        # Never above 30: beyond RECLAIM_DISTANCE the scheduler treats a machine differently.
        return 20 if self.nearest(a) == self.nearest(b) else 28


def virtme_arguments(spec: GuestSpec) -> list[str]:
    """The options of ``virtme-run`` that give the guest its memory and processors."""
    there = [node for node in spec.nodes if not node.appears]
    memory = sum(node.memory_mib for node in there)
    cpus = sum(node.cpus for node in there)
    argv = ["--memory", f"{memory}M", "--cpus", str(cpus)]
    first = 0
    for index, node in enumerate(there):
        own = f",cpus={first}-{first + node.cpus - 1}" if node.cpus else ""
        argv += ["--numa", f"{node.memory_mib}M{own},initiator={spec.nearest(index)}"]
        first += node.cpus
    for index in range(len(there)):
        argv += [part for words in _distances(spec, index) for part in ("--numa-distance", words)]
    return argv


def _distances(spec: GuestSpec, node: int) -> list[str]:
    """To all nodes with lower numbers."""
    return [f"src={other},dst={node},val={spec.distance(other, node)}" for other in range(node)]


def kernel_arguments(spec: GuestSpec) -> tuple[str, ...]:
    """The parameters of the guest's kernel."""
    appears = any(node.appears for node in spec.nodes)
    return (*spec.kernel_args, *(["memhp_default_state=offline"] if appears else []))


def qemu_arguments(spec: GuestSpec) -> list[str]:
    """The options of QEMU itself: nodes that appear, and what the firmware says of all nodes."""
    return [*_dimm_arguments(spec), *_hmat_arguments(spec)]


def _dimm_arguments(spec: GuestSpec) -> list[str]:
    dimms = [(index, node) for index, node in enumerate(spec.nodes) if node.appears]
    if not dimms:
        return []
    most_mib = sum(node.memory_mib for node in spec.nodes)
    argv = ["-m", f"slots={len(dimms)},maxmem={most_mib}M"]
    for index, node in dimms:
        argv += ["-numa", f"node,nodeid={index},initiator={spec.nearest(index)}"]
        for words in _distances(spec, index):
            argv += ["-numa", f"dist,{words}"]
        argv += ["-object", f"memory-backend-ram,id=dimm{index},size={node.memory_mib}M"]
        argv += ["-device", f"pc-dimm,memdev=dimm{index},node={index}"]
    return argv


def _hmat_arguments(spec: GuestSpec) -> list[str]:
    """Latency and bandwidth of each node, which make tiers."""
    argv: list[str] = []
    for initiator in (i for i, node in enumerate(spec.nodes) if node.cpus):
        for target, node in enumerate(spec.nodes):
            # One hop over the socket link costs about as much again; the kernel ranks a node by
            # its nearest initiator, so only the order of the two matters.
            far = 1 if spec.nearest(target) == initiator else 2
            base = f"hmat-lb,initiator={initiator},target={target},hierarchy=memory,data-type="
            latency, bandwidth = node.latency_ns * far, node.bandwidth_mib_s // far
            argv += ["-numa", f"{base}access-latency,latency={latency}"]
            argv += ["-numa", f"{base}access-bandwidth,bandwidth={bandwidth}M"]
    return argv

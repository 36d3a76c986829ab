"""NUMA nodes and memory tiers, from sysfs and /proc/zoneinfo.

Tiers: Documentation/ABI/testing/sysfs-kernel-mm-memory-tiers (Linux 6.1). HMAT figures:
Documentation/admin-guide/mm/numaperf.rst.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mmscand.errors import MachineCannot, NoSlowTier
from mmscand.linux.files import as_text, list_folder, read_file
from mmscand.linux.frame_owners import Ranges, owners
from mmscand.linux.zoneinfo import DEVICE, read_zones
from mmscand.model import Node, Topology, joined_ranges
from mmscand.node_lists import parse_id_list

_SYSFS = Path("/sys")
_BLOCK = re.compile(r"memory(\d{1,9})")
_TIER = re.compile(r"memory_tier(\d{1,9})")
_TRIES = 5
"""Readings of sysfs until nothing comes or goes meanwhile; one takes a millisecond or a few."""


class NodeReader:
    """Reads what the kernel says of its memory nodes."""

    def __init__(self, sysfs: Path = _SYSFS, procfs: Path = Path("/proc")) -> None:
        self._nodes = sysfs / "devices/system/node"
        self._memory = sysfs / "devices/system/memory"
        self._tiers = sysfs / "devices/virtual/memory_tiering"
        self._procfs = procfs

    def nodes(self) -> tuple[Node, ...]:
        """All online nodes with memory, in the order of their numbers."""
        if not (self._nodes / "has_memory").exists():
            raise MachineCannot("the kernel knows no NUMA nodes", hint="use one with CONFIG_NUMA")
        for _ in range(_TRIES):
            with contextlib.suppress(MachineCannot, ValueError):
                return self._read_nodes()  # else a node came or went meanwhile
        raise MachineCannot(
            f"{self._nodes} cannot be made out: nodes come and go, or their files are not whole",
            hint="try again",
        )

    def _read_nodes(self) -> tuple[Node, ...]:
        with_memory, with_cpus = self._ids("has_memory"), self._ids("has_cpu")
        online = sorted(self._ids("online"))
        tiers = self._tier_of_nodes()
        ranges = self._frame_ranges(with_memory)
        return tuple(
            Node(
                id=node,
                has_cpus=node in with_cpus,
                frame_ranges=ranges.get(node, ()),
                distances=dict(zip(online, self._distances(node), strict=True)),
                tier=tiers.get(node),
                read_latency_ns=self._access_figure(node, "read_latency"),
                read_bandwidth_mb_s=self._access_figure(node, "read_bandwidth"),
            )
            for node in online
            if node in with_memory
        )

    def signature(self) -> tuple[object, ...]:
        """Differs once memory or nodes came or went, or have another tier; 70 us.

        Which nodes there are, and how much memory in all: a balloon changes that too. A node may
        have its memory a moment before it has its tier.
        """
        online, with_memory = (read_file(self._nodes / n) for n in ("online", "has_memory"))
        tiers = None
        with contextlib.suppress(MachineCannot, ValueError):  # one just goes away
            tiers = self._tier_of_nodes()
        return online, with_memory, os.sysconf("SC_PHYS_PAGES"), tiers

    def _ids(self, name: str) -> frozenset[int]:
        return parse_id_list(as_text(read_file(self._nodes / name)))

    def _tier_of_nodes(self) -> dict[int, int]:
        tiers: dict[int, int] = {}
        if not self._tiers.exists():
            return tiers
        for tier in filter(None, map(_TIER.fullmatch, list_folder(self._tiers))):
            listed = as_text(read_file(self._tiers / tier[0] / "nodelist"))
            tiers.update(dict.fromkeys(parse_id_list(listed), int(tier[1])))
        return tiers

    def _distances(self, node: int) -> list[int]:
        return [int(d) for d in read_file(self._nodes / f"node{node}/distance").split()]

    def _access_figure(self, node: int, name: str) -> int | None:
        try:
            return int(read_file(self._nodes / f"node{node}/access0/initiators" / name)) or None
        except (MachineCannot, ValueError):
            return None  # no HMAT on this machine

    def _frame_ranges(self, nodes: Iterable[int]) -> dict[int, Ranges]:
        zones: dict[int, list[tuple[int, int]]] = {}
        for zone in read_zones(self._procfs):
            if zone.start < zone.end and zone.name != DEVICE:
                zones.setdefault(zone.node, []).append((zone.start, zone.end))
        reach = {node: joined_ranges(ranges) for node, ranges in zones.items()}
        return owners(self._blocks(nodes), reach)

    def _blocks(self, nodes: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
        """Memory blocks below each node; none without memory hotplug."""
        try:
            size = int(read_file(self._memory / "block_size_bytes"), 16)
        except MachineCannot:
            return {}
        found = {}
        for node in nodes:
            names = (_BLOCK.fullmatch(name) for name in list_folder(self._nodes / f"node{node}"))
            numbers = (int(name[1]) for name in names if name)
            found[node] = [(number * size, (number + 1) * size) for number in numbers]
        return found


def kernel_top_tier(nodes: Iterable[Node]) -> frozenset[int]:
    """The nodes that the kernel never promotes from (node_is_toptier, mm/memory-tiers.c).

    That is every tier down to the slowest one that has a CPU; where all CPUs are on nodes without
    memory, the fastest one. Without tiers: all nodes.
    """
    nodes = tuple(nodes)
    fastest = min((node.tier for node in nodes if node.tier is not None), default=0)
    with_cpus = (node.tier for node in nodes if node.has_cpus and node.tier is not None)
    last = max(with_cpus, default=fastest)
    return frozenset(n.id for n in nodes if n.tier is None or n.tier <= last)


def read_topology(
    reader: NodeReader, fast: frozenset[int] | None = None, slow: frozenset[int] | None = None
) -> Topology:
    """Nodes with their tiers: as the kernel sees them, unless an administrator names them.

    Naming one side makes all other nodes the other side, so `--slow-nodes 1` is enough.
    """
    nodes = reader.nodes()
    everything = frozenset(node.id for node in nodes)
    if fast is not None or slow is not None:
        chosen_fast = fast if fast is not None else everything - (slow or frozenset())
        chosen_slow = slow if slow is not None else everything - chosen_fast
        return Topology(nodes, chosen_fast, chosen_slow, "tiers as they are named")
    top = kernel_top_tier(nodes)
    return Topology(nodes, top, everything - top, _tier_note(nodes, top))


def _tier_note(nodes: tuple[Node, ...], top: frozenset[int]) -> str:
    if any(node.id not in top for node in nodes):
        return "tiers as the kernel sees them"
    with_cpus = [node for node in nodes if node.has_cpus]
    without = [node for node in nodes if not node.has_cpus]
    faster = [node for node in without if with_cpus and _is_faster(node, with_cpus)]
    if slower := _listed(node for node in without if node not in faster):
        return f"the kernel sees one tier, but node {slower} has no CPUs: {_say_slow(slower)}"
    if faster:
        return (
            f"the kernel sees one tier, but by the firmware's figures node {_listed(faster)} is "
            f"faster than the rest: {_say_slow(_listed(with_cpus))}"
        )
    return "the kernel sees one tier, and every node has CPUs"


def _say_slow(nodes: str) -> str:
    """As an option, and for a service in the file."""
    return f'say --slow-nodes {nodes}, or slow = "{nodes}" in [nodes] of /etc/mmscand.toml'


def _listed(nodes: Iterable[Node]) -> str:
    return ",".join(str(node.id) for node in nodes)


def require_two_tiers(topology: Topology) -> None:
    """MachineCannot unless there is a node to promote from (NoSlowTier) and one to promote to."""
    if not topology.slow:
        raise NoSlowTier(
            f"no slow tier: {topology.note}",
            hint="name the nodes with --slow-nodes, or try `mmscand lab demo`",
        )
    if not topology.fast:
        raise MachineCannot(
            "no fast tier", hint="name the nodes with --fast-nodes, or in [nodes] of the file"
        )


def _is_faster(node: Node, others: Iterable[Node]) -> bool:
    """Than each of these, as the kernel weighs it (mt_perf_to_adistance, mm/memory-tiers.c).

    Latency times what is lacking in bandwidth; where one figure is missing, the other alone.
    """
    return all(_slowness(node, other) < 1 for other in others)


def _slowness(node: Node, other: Node) -> float:
    slowness = 1.0
    if node.read_latency_ns and other.read_latency_ns:
        slowness *= node.read_latency_ns / other.read_latency_ns
    if node.read_bandwidth_mb_s and other.read_bandwidth_mb_s:
        slowness *= other.read_bandwidth_mb_s / node.read_bandwidth_mb_s
    return slowness

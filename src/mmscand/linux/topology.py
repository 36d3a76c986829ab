"""NUMA nodes, memory tiers and free memory, from sysfs and /proc/zoneinfo.

Tiers: Documentation/ABI/testing/sysfs-kernel-mm-memory-tiers (Linux 6.1). HMAT figures:
Documentation/admin-guide/mm/numaperf.rst.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from mmscand.errors import MachineCannot, UsageError
from mmscand.model import PAGE_BYTES, Node, Topology, joined_ranges

_SYSFS = Path("/sys")
_ID_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_MAX_NODE = 1023
"""MAX_NUMNODES of x86-64 is at most 1024."""
_ZONE_FIELDS = ("pages free", "high", "spanned", "start_pfn:")
_ZONE_FIELD = re.compile(rf"^ +({'|'.join(_ZONE_FIELDS)}) +(\d+)$")
_ZONE_PROTECTION = re.compile(r"^ +protection: \(([\d, ]+)\)$")
"""`high:` with a colon is another thing, a limit of the per-CPU lists."""
_ZONE_NODE = re.compile(r"^Node (\d+), zone +(\w+)$")


def parse_id_list(text: str) -> frozenset[int]:
    """A list in the kernel's format, as `0-2,5`; ValueError when it is none."""
    ids: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        match = _ID_RANGE.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, last = int(match[1]), int(match[2] or match[1])
        if last > _MAX_NODE:
            raise ValueError(part)
        ids.update(range(first, last + 1))
    return frozenset(ids)


def parse_node_option(option: str, text: str) -> frozenset[int]:
    """A node list that a person typed; UsageError when it is empty or no list."""
    try:
        ids = parse_id_list(text)
    except ValueError:
        ids = frozenset()
    if not ids:
        raise UsageError(f"{option} {text!r} is not a list of nodes", hint="write it like 0,2-3")
    return ids


class NodeReader:
    """Reads what the kernel tells of its memory nodes."""

    def __init__(self, sysfs: Path = _SYSFS, procfs: Path = Path("/proc")) -> None:
        self._nodes = sysfs / "devices/system/node"
        self._memory = sysfs / "devices/system/memory"
        self._tiers = sysfs / "devices/virtual/memory_tiering"
        self._procfs = procfs

    def nodes(self) -> tuple[Node, ...]:
        """All online nodes with memory, in the order of their numbers."""
        if not (self._nodes / "has_memory").exists():
            raise MachineCannot("the kernel knows no NUMA nodes", hint="use one with CONFIG_NUMA")
        with_memory = parse_id_list((self._nodes / "has_memory").read_text())
        with_cpus = parse_id_list((self._nodes / "has_cpu").read_text())
        online = sorted(parse_id_list((self._nodes / "online").read_text()))
        tiers = self._tier_of_nodes()
        return tuple(
            Node(
                id=node,
                has_cpus=node in with_cpus,
                frame_ranges=self._frame_ranges(node),
                distances=dict(zip(online, self._distances(node), strict=True)),
                tier=tiers.get(node),
                read_latency_ns=self._access_figure(node, "read_latency"),
                read_bandwidth_mb_s=self._access_figure(node, "read_bandwidth"),
            )
            for node in online
            if node in with_memory
        )

    def _tier_of_nodes(self) -> dict[int, int]:
        tiers = {}
        for path in self._tiers.glob("memory_tier[0-9]*/nodelist"):
            number = int(path.parent.name.removeprefix("memory_tier"))
            tiers.update(dict.fromkeys(parse_id_list(path.read_text()), number))
        return tiers

    def _distances(self, node: int) -> list[int]:
        return [int(d) for d in (self._nodes / f"node{node}/distance").read_text().split()]

    def _access_figure(self, node: int, name: str) -> int | None:
        path = self._nodes / f"node{node}/access0/initiators" / name
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            return None  # no HMAT on this machine

    def _frame_ranges(self, node: int) -> tuple[tuple[int, int], ...]:
        """From the node's memory blocks; without memory hotplug, from its zones."""
        try:
            block_bytes = int((self._memory / "block_size_bytes").read_text(), 16)
        except OSError:
            return self._zone_ranges(node)
        blocks = (self._nodes / f"node{node}").glob("memory[0-9]*")
        starts = (int(path.name.removeprefix("memory")) * block_bytes for path in blocks)
        return joined_ranges((start, start + block_bytes) for start in starts)

    def _zone_ranges(self, node: int) -> tuple[tuple[int, int], ...]:
        zones = self._zones(node)
        return joined_ranges(
            (zone["start_pfn:"] * PAGE_BYTES, (zone["start_pfn:"] + zone["spanned"]) * PAGE_BYTES)
            for zone in zones
            if zone["spanned"]
        )

    def _zones(self, node: int) -> list[dict[str, int]]:
        """Counters of each populated zone of a node, from proc_zoneinfo(5)."""
        zones: list[dict[str, int]] = []
        inside = False
        for line in (self._procfs / "zoneinfo").read_text().splitlines():
            if match := _ZONE_NODE.match(line):
                inside = int(match[1]) == node
                if inside:
                    zones.append(dict.fromkeys((*_ZONE_FIELDS, "protection"), 0))
            elif inside and (match := _ZONE_FIELD.match(line)):
                zones[-1][match[1]] = int(match[2])
            elif inside and (match := _ZONE_PROTECTION.match(line)):
                zones[-1]["protection"] = max(int(pages) for pages in match[1].split(","))
        return zones

    def free_pages(self, node: int) -> int:
        """Pages that the node can take and still stay above the high watermark of its zones.

        A lower zone keeps its `protection` from allocations that a higher one could have served.
        """
        return sum(
            max(0, zone["pages free"] - zone["high"] - zone["protection"])
            for zone in self._zones(node)
        )


def kernel_top_tier(nodes: Iterable[Node]) -> frozenset[int]:
    """The nodes that the kernel never promotes from (node_is_toptier, mm/memory-tiers.c).

    That is every tier down to the slowest one that has a CPU. Without tiers: all nodes.
    """
    nodes = tuple(nodes)
    with_cpus = [node.tier for node in nodes if node.has_cpus and node.tier is not None]
    if not with_cpus:
        return frozenset(node.id for node in nodes)
    return frozenset(n.id for n in nodes if n.tier is None or n.tier <= max(with_cpus))


def read_topology(
    reader: NodeReader, fast: frozenset[int] | None = None, slow: frozenset[int] | None = None
) -> Topology:
    """Nodes with their tiers: as the kernel sees them, unless the operator says otherwise.

    Naming one side makes all other nodes the other side, so `--slow-nodes 1` is enough.
    """
    nodes = reader.nodes()
    everything = frozenset(node.id for node in nodes)
    if fast is not None or slow is not None:
        chosen_fast = fast if fast is not None else everything - (slow or frozenset())
        chosen_slow = slow if slow is not None else everything - chosen_fast
        return Topology(nodes, chosen_fast, chosen_slow, "tiers as the options say")
    top = kernel_top_tier(nodes)
    return Topology(nodes, top, everything - top, _tier_note(nodes, top))


def _tier_note(nodes: tuple[Node, ...], top: frozenset[int]) -> str:
    without_cpus = [str(node.id) for node in nodes if not node.has_cpus]
    if any(node.id not in top for node in nodes):
        return "tiers as the kernel sees them"
    if without_cpus:
        listed = ",".join(without_cpus)
        return f"the kernel sees one tier, but node {listed} has no CPUs: say --slow-nodes {listed}"
    return "the kernel sees one tier, and every node has CPUs"


def require_two_tiers(topology: Topology) -> None:
    """MachineCannot unless there is a node to promote from and one to promote to."""
    if not topology.slow:
        raise MachineCannot(
            f"no slow tier: {topology.note}",
            hint="name the nodes with --slow-nodes, or try `mmscand lab demo`",
        )
    if not topology.fast:
        raise MachineCannot("no fast tier", hint="name the nodes with --fast-nodes")

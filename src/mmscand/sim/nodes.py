"""Nodes of a simulated machine, and their frames."""

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    Node,
    Topology,
    UIntArray,
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


class Frames:
    """The frames of all nodes that are not in use: whole 2 MiB, and loose pages of broken ones."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._free = {
            node.id: list(range(node.frame_ranges[0][0], node.frame_ranges[0][1], HUGE_PAGE_BYTES))
            for node in topology.nodes
        }
        self._loose: dict[int, list[int]] = {node.id: [] for node in topology.nodes}

    def pages(self, node: int) -> int:
        """How many are free."""
        return len(self._free[node]) * PAGES_PER_TABLE + len(self._loose[node])

    def allocate(self, node: int, slots: int, pages_per_slot: int) -> UIntArray | None:
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

    def release(self, frames: UIntArray, pages_per_slot: int) -> None:
        """Take frames back."""
        for node in self._topology.nodes:
            mine = frames[self._topology.nodes_of(frames) == node.id].tolist()
            (self._free if pages_per_slot > 1 else self._loose)[node.id].extend(mine)

"""Where a slow-tier page is promoted to."""

from collections.abc import Callable

from mmscand.model import Topology


def nearest_with_room(
    topology: Topology, source: int, pages: int, free_pages: Callable[[int], int]
) -> int | None:
    """The fast node nearest to node `source` that can take `pages` pages; None if none can.

    Equal distances are settled by the free memory, then by the number.
    """
    distances = topology.node(source).distances
    free = {node: free_pages(node) for node in topology.fast}
    room = [node for node in topology.fast if free[node] >= pages]
    return min(room, key=lambda node: (distances[node], -free[node], node), default=None)

"""Where a slow-tier page is promoted to, and a fast-tier page demoted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmscand.errors import UsageError
from mmscand.model import PAGE_BYTES, Node, PageCache, Topology


class Headroom(Protocol):
    """The settings that matter here; see settings.Settings."""

    @property
    def room_pages(self) -> int:
        """4 KiB pages that stay free in any case."""
        ...

    @property
    def headroom_percent(self) -> float:
        """Of a node's memory."""
        ...


class CacheShare(Headroom, Protocol):
    """The settings that matter here; see settings.Settings."""

    @property
    def page_cache_percent(self) -> float:
        """Of a node's idle page cache."""
        ...


def takes_pages(free: int, cache: PageCache, settings: CacheShare) -> int:
    """4 KiB pages that a node can take: `free` ones, and a share of its idle page cache; where
    little of it is idle, what a batch needs, so that frames that page cache takes right after a
    demotion are no reason to stop a trade.

    Pages that go there take it below its watermark then. The kernel drops page cache for them, or
    demotes it where it demotes (numa/demotion_enabled): move_pages(2) allocates with reclaim
    (alloc_migration_target in mm/migrate.c).
    """
    if not settings.page_cache_percent:
        return free
    share = int(cache.idle * settings.page_cache_percent / 100)
    return free + max(share, min(cache.pages, settings.room_pages))


def headroom_pages(node: Node, settings: Headroom) -> int:
    """4 KiB pages that are to stay free on a fast node."""
    pages = sum(end - start for start, end in node.frame_ranges) // PAGE_BYTES
    return max(settings.room_pages, int(pages * settings.headroom_percent / 100))


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """Ranks the nodes that pages may go to."""

    name: str = "accessed"
    """`accessed`: where most of the process' accessed top-tier pages are (RFC V3, with the
    fallbacks that it left undone). `nearest`: by distance. `most-free`: by free memory.
    `one-tier-up`: only the next faster tier, by free memory (Hillf Danton's review of V1)."""
    fallback: int = -1
    """`accessed`: tried first where no use is known, as in the RFC. Tried last where the policy
    does not have it (`one-tier-up`). -1 is none."""

    def ranked(
        self,
        topology: Topology,
        source: int,
        preferred: Sequence[int],
        free_pages: Callable[[int], int],
        allowed: frozenset[int] | None = None,
    ) -> list[int]:
        """The nodes for pages of node `source`, best first; `preferred` is the process' order.

        Only `allowed` ones, if given. Ties are settled by distance, then free memory, then the
        number.
        """
        distances = topology.node(source).distances
        known = preferred or ((self.fallback,) if self.fallback >= 0 else ())
        place = {node: at for at, node in enumerate(known)}
        nodes = _one_tier_up(topology, source) if self.name == "one-tier-up" else topology.fast

        def key(node: int) -> tuple[int, int, int, int]:
            first = {
                "accessed": place.get(node, len(place)),
                "nearest": 0,
            }.get(self.name, -free_pages(node))
            return first, distances[node], -free_pages(node), node

        ranked = sorted(nodes, key=key)
        if self.fallback >= 0 and self.fallback not in ranked and self.fallback != source:
            ranked.append(self.fallback)
        return [node for node in ranked if allowed is None or node in allowed]

    def choose(
        self,
        topology: Topology,
        source: int,
        preferred: Sequence[int],
        pages: int,
        free_pages: Callable[[int], int],
        allowed: frozenset[int] | None = None,
    ) -> int | None:
        """The best node that can take this number of pages, None if none can."""
        free = {node.id: free_pages(node.id) for node in topology.nodes}
        ranked = self.ranked(topology, source, preferred, free.__getitem__, allowed)
        return next((node for node in ranked if free.get(node, 0) >= pages), None)


def demotion_target(
    topology: Topology,
    source: int,
    pages: int,
    free_pages: Callable[[int], int],
    allowed: frozenset[int] | None = None,
) -> int | None:
    """The nearest slow node that can take this number of pages, None if none can."""
    distances = topology.node(source).distances
    nodes = topology.slow if allowed is None else topology.slow & allowed
    ranked = sorted(nodes, key=lambda node: (distances[node], node))
    return next((node for node in ranked if free_pages(node) >= pages), None)


def require_target(topology: Topology, node: int) -> None:
    """UsageError unless the node is one that pages are promoted to, or -1 for none."""
    if node >= 0 and node not in topology.fast:
        raise UsageError(
            f"target_node {node} is no fast node",
            hint=f"the fast nodes are {', '.join(map(str, sorted(topology.fast)))}; -1 is none",
        )


def may_be_demoted(topology: Topology, source: int, allowed: frozenset[int]) -> bool:
    """Whether there is a slow node for pages of `source` among these."""
    return bool(allowed & topology.slow - {source})


def may_be_promoted(topology: Topology, source: int, allowed: frozenset[int]) -> bool:
    """Whether any target policy could find a node for pages of `source` among these."""
    return bool(allowed & (topology.fast | _one_tier_up(topology, source)) - {source})


def _one_tier_up(topology: Topology, source: int) -> frozenset[int]:
    """The nodes of the slowest tier that is faster than the source's; the fast ones without."""
    own = topology.node(source).tier
    faster: list[Node] = [
        node
        for node in topology.nodes
        if None not in (own, node.tier) and node.tier < own  # type: ignore[operator]
    ]
    if not faster:
        return topology.fast
    nearest_tier = max(node.tier or 0 for node in faster)
    return frozenset(node.id for node in faster if node.tier == nearest_tier)

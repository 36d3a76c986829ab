"""Pages by how many of the remembered passes accessed them: for people, when they ask."""

from collections.abc import Callable, Iterable

import numpy as np

from mmscand.heat.rows import Rows
from mmscand.heat.state import FAST, PASSES, REGISTER, accessed_passes
from mmscand.model import NO_FRAME, IntArray, StateArray, UIntArray
from mmscand.sets import distinct


def hotness(
    regions: Iterable[tuple[int, Rows]], nodes_of: Callable[[UIntArray], IntArray]
) -> dict[int, list[int]]:
    """For each node, 4 KiB pages by the number of remembered passes that accessed them.

    `regions` are pages a slot, and rows. Without pages whose bits mean nothing. A row (2 MiB)
    counts for the node of its first page on a tier. 1 ns a page.
    """
    total: dict[int, list[int]] = {}
    for pages, rows in regions:
        for tier, bit in enumerate((np.uint16(0), FAST)):
            frames = rows.about["frames"][:, tier]
            there = frames != NO_FRAME
            nodes, own = nodes_of(frames[there]), rows.words[there]
            for node in distinct(nodes).tolist():
                words = own[nodes == node]
                found = _by_passes(words[words & FAST == bit])
                before = total.get(node, [0] * len(found))
                total[node] = [b + n * pages for b, n in zip(before, found, strict=True)]
    return total


def _by_passes(state: StateArray) -> list[int]:
    """How many slots were accessed in 0, 1, ... PASSES of the passes that are remembered."""
    passes = accessed_passes(state[state & REGISTER != 0])
    accessed = [int(np.count_nonzero(passes == number)) for number in range(1, PASSES + 1)]
    return [len(passes) - sum(accessed), *accessed]

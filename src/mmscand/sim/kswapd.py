"""The kernel's demotion (numa/demotion_enabled): room on fast nodes, made from what is not used.

As in the kernel it begins under the low watermark and ends at the high one, takes pages whose
Accessed bit is clear, and clears the bits that it finds set: who is accessed until it comes by
again stays. Unlike there, one hand goes round in place of lists, and it is done at once: no time
passes for anybody else meanwhile.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mmscand.model import PageNumbers
from mmscand.sim.memory import PhysicalMemory
from mmscand.sim.process import SimVma

_PIECE = 1 << 18
"""Slots that are looked at together: arrays of a few MiB."""
_Piece = tuple[SimVma, int, int]


class Kswapd:
    """One for all fast nodes."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self._hands: dict[int, tuple[SimVma, int]] = {}
        """Of each node, where the last round ended."""
        self.demoted: Counter[int] = Counter()
        """4 KiB pages of each node, as pgdemote_kswapd in its vmstat."""

    def balance(self, node: int, vmas: Sequence[SimVma]) -> None:
        """Make room if the node is under its low watermark. `vmas` are all that there are."""
        marks = self._memory.watermarks[node]
        if self._memory.free(node) < marks.low:
            self.make_room(node, vmas, marks.high)

    def make_room(self, node: int, vmas: Sequence[SimVma], free: int) -> None:
        """Demote until this number of pages is free, or nothing more can be done."""
        self._memory.drop_cache(node, free)
        if node not in self._memory.topology.fast:
            return
        for vma, first, last in self._twice_round(node, vmas):
            missing = free - self._memory.free(node)
            if missing <= 0 or not self._targets(node):
                return
            reached = self._sweep(node, vma, first, last, -(-missing // vma.pages_per_slot))
            self._hands[node] = vma, reached

    def forget(self, vmas: Sequence[SimVma]) -> None:
        """These are unmapped: hands that are on them begin again; their memory is given back."""
        self._hands = {node: hand for node, hand in self._hands.items() if hand[0] not in vmas}

    def _twice_round(self, node: int, vmas: Sequence[SimVma]) -> Iterator[_Piece]:
        """From where the hand is: once to clear the bits, once to take what is left clear."""
        pieces = [
            (vma, first, min(first + _PIECE, vma.accessed.size))
            for vma in vmas
            if not vma.unaged  # locked memory is on no list
            for first in range(0, vma.accessed.size, _PIECE)
        ]
        at, slot = self._hands.get(node, (None, 0))
        here = (
            n for n, (vma, first, last) in enumerate(pieces) if vma is at and first <= slot < last
        )
        if (start := next(here, None)) is not None:
            vma, _, last = pieces[start]
            yield vma, slot, last
            pieces = [*pieces[start + 1 :], *pieces[: start + 1]]
        yield from pieces
        yield from pieces

    def _sweep(self, node: int, vma: SimVma, first: int, last: int, wanted: int) -> int:
        """Demote at most `wanted` slots of a piece; where it stopped."""
        on_node = self._memory.on(node, vma.frame_numbers.reshape(-1)[first:last])
        slots = first + np.flatnonzero(on_node)
        slots = slots[~vma.pinned_at(slots)]
        accessed = vma.accessed.reshape(-1)
        cold = np.flatnonzero(~accessed[slots])[:wanted]
        seen = slots[: cold[-1] + 1] if len(cold) == wanted else slots
        accessed[seen] = False
        self._demote(node, vma, slots[cold])
        return int(seen[-1]) + 1 if len(cold) == wanted else last

    def _demote(self, node: int, vma: SimVma, slots: PageNumbers) -> None:
        """To the nearest slow nodes with room."""
        for target in self._targets(node):
            leave = self._memory.watermarks[target].low
            moved = self._memory.relocate(vma, slots, target, leave)
            self.demoted[node] += moved * vma.pages_per_slot
            slots = slots[moved:]

    def _targets(self, node: int) -> list[int]:
        """Slow nodes above their low watermark, the nearest first; under it nothing is forced."""
        memory = self._memory
        distances = memory.topology.node(node).distances
        room = [n for n in memory.topology.slow if memory.free(n) > memory.watermarks[n].low]
        return sorted(room, key=lambda slow: (distances[slow], slow))

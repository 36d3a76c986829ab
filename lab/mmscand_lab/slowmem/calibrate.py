"""Runs in the guest: how slow its memory has to be, and the proof that it is.

A core is slower by some factor in emulation, so a miss takes that much longer than on a server. The
plug-in is checked before anything is measured with it: it must know which node a page is on.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmscand_lab.kernel import LabError
from mmscand_lab.numa import bound_to
from mmscand_lab.slowmem.control import Layout, SlowMemory
from mmscand_lab.slowmem.library import TouchLibrary
from mmscand_lab.truth import WordArray

_LAYOUTS: tuple[Layout, ...] = ("physical", "blocks")
_CHAIN_BYTES = 32 << 20
"""64 times the model of the cache: a step that hits is one in 64."""
_STEPS = 8192
"""50 ms on the slow node; the median of five is within 2 %."""
_TRIES = 5
_LINE_WORDS = 8
_CHAIN_LINES = _CHAIN_BYTES // 64


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found, for the record."""

    factor: float
    """By how much a core is slower here, so a miss as well."""
    latency_ns: Mapping[int, float]
    """Of a step on each node, as a server would have it: measured, and divided by the factor."""


def calibrate(
    memory: SlowMemory, library: TouchLibrary, nodes: Sequence[int], factor: float
) -> Calibration:
    """Slow the nodes down, for this library's code. Raises LabError."""
    chains = {node: Chain(node, library) for node in nodes}
    memory.instrument([library.code])
    memory.slow_down(0.0)
    _choose_layout(memory, chains)
    memory.slow_down(factor)
    found = {node: round(chains[node].step_ns() / factor, 1) for node in nodes}
    return Calibration(factor, found)


def words_on(node: int) -> WordArray:
    """Memory of a node. The policy of this program stays unchanged, unlike in `region`."""
    with bound_to(node):
        words: WordArray = np.frombuffer(mmap.mmap(-1, _CHAIN_BYTES), dtype=np.uint64)
        words[::_LINE_WORDS] = 1
    return words


class Chain:
    """Memory of a node in which each line names another: one circle through all, at random."""

    def __init__(self, node: int, library: TouchLibrary) -> None:
        self._words = words_on(node)
        lines = np.random.default_rng(node).permutation(_CHAIN_LINES) * _LINE_WORDS
        self._words[lines] = np.roll(lines, -1)
        self._library, self._at = library, 0

    def follow(self) -> float:
        """Go on from where the last call ended; nanoseconds of a step."""
        begun = time.perf_counter_ns()
        self._at = self._library.chase(self._words, self._at, _STEPS)
        return (time.perf_counter_ns() - begun) / _STEPS

    def step_ns(self) -> float:
        """The median of a few tries."""
        return float(np.median([self.follow() for _ in range(_TRIES)]))


def _choose_layout(memory: SlowMemory, chains: Mapping[int, Chain]) -> None:
    """The one by which the plug-in counts the accesses to each node as that node's."""
    for layout in _LAYOUTS:
        memory.use_layout(layout)
        if all(_knows(memory, node, chain) for node, chain in chains.items()):
            return
    hint = "run without slow memory, and report the version of QEMU"
    raise LabError("the plug-in does not know which node memory is on", hint=hint)


def _knows(memory: SlowMemory, node: int, chain: Chain) -> bool:
    before = memory.counts()
    chain.follow()
    misses = memory.counts().since(before).misses
    return int(misses[node]) > 0.9 * float(misses.sum()) > 0

"""One process under observation: its pages are read, recorded and aged, and never moved."""

from dataclasses import replace

import numpy as np

from mmscand.clock import CpuMeter
from mmscand.heat.pass_history import PassHistory
from mmscand.heat.state import accessed_passes, is_stuck
from mmscand.machine import AddressSpace
from mmscand.model import BoolArray, PageBlock, VmaTable
from mmscand.policy.eligible import eligible
from mmscand.record.labels import Labels
from mmscand.record.tables import ProcessPass
from mmscand.record.tape import ProcessTape

_RECHECK_PASSES = 32
"""As the knob shared_recheck_passes."""


class WatchedProcess:
    """Its history distinguishes an access since the last pass from a bit that says nothing."""

    def __init__(self, space: AddressSpace, cpu: CpuMeter, labels: Labels) -> None:
        self._space = space
        self._cpu = cpu
        self._tape = ProcessTape(space.process, labels)
        self._history = PassHistory()
        self._generation = self._passes = 0

    def look(self, number: int, at_ns: int) -> ProcessPass:
        """One pass: read everything, clear what is set; ProcessGone when it has exited."""
        before = self._cpu.seconds
        with self._cpu:
            if (generation := self._space.generation()) != self._generation:
                self._generation, self._history = generation, PassHistory()
                self._tape.restart()
            if self._passes % _RECHECK_PASSES == 0:
                self._history.forget_stuck()
            self._passes += 1
            vmas = self._space.vmas()
            aged = self._read(eligible(vmas)[0])
        cpu_s = self._cpu.seconds - before
        return self._tape.end(number, generation, vmas, at_ns=at_ns, cpu_s=cpu_s, aged=aged)

    def gone(self, number: int, at_ns: int) -> ProcessPass:
        """The last word on a process that has exited."""
        return self._tape.left(number, self._generation, at_ns=at_ns)

    def _read(self, vmas: VmaTable) -> int:
        aged = 0
        for window in self._space.read(vmas):
            aged += sum(self._take(block, vmas) for block in window.blocks)
        self._history.end_pass()
        return aged

    def _take(self, block: PageBlock, vmas: VmaTable) -> int:
        """Tell and age a block; how many pages were aged."""
        # A PassHistory keeps slow-tier pages only: here it keeps all of them.
        state = self._history.fold(replace(block, slow=block.present))
        stuck = is_stuck(state)
        # Accessed in this one alone of the last six passes: asked once of a page that stays hot.
        first = (accessed_passes(state) == 1) & (state & 1 != 0) & ~stuck
        shared = self._shared(block, first)
        aged = self._space.age(block, block.accessed & ~stuck & ~shared, vmas)
        self._history.mark_stuck(aged.missed, block.pages_per_slot)
        self._tape.see(block, state, shared)
        return aged.pages

    def _shared(self, block: PageBlock, suspects: BoolArray) -> BoolArray:
        """Which of these have a bit that stays set, as others map the page too."""
        result = np.zeros_like(suspects)
        if suspects.any():
            addresses = block.slot_addresses(suspects)
            shared = self._space.shared(addresses)
            self._history.mark_stuck(addresses[shared], block.pages_per_slot)
            result[suspects] = shared
        return result

    def close(self) -> None:
        """Let go of it."""
        self._space.close()

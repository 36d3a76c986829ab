"""One process under observation: its pages are read, told and aged, and never moved."""

from dataclasses import dataclass, field, replace

import numpy as np

from mmscand.clock import CpuMeter
from mmscand.heat.history import History, accessed_passes, is_stuck
from mmscand.machine import AddressSpace
from mmscand.model import BoolArray, PageBlock, VmaTable
from mmscand.policy.eligible import eligible
from mmscand.record.tables import (
    ACCESSED,
    LAYOUT,
    PASS,
    VMAS,
    ProcessPass,
    Table,
    differs,
    one_row,
    pack,
)

_RECHECK_PASSES = 32
"""As the knob shared_recheck_passes."""


@dataclass(slots=True)
class _Seen:
    """What a pass has seen so far."""

    layout: list[Table] = field(default_factory=lambda: [np.empty(0, dtype=LAYOUT)])
    accessed: list[Table] = field(default_factory=lambda: [np.empty(0, dtype=ACCESSED)])
    pages: int = 0
    aged_pages: int = 0


class WatchedProcess:
    """Its history tells an access since the last pass from a bit that says nothing."""

    def __init__(self, space: AddressSpace, cpu: CpuMeter) -> None:
        self._space = space
        self._process = space.process
        self._cpu = cpu
        self._passes = 0
        self._forget_all(0)

    def _forget_all(self, generation: int) -> None:
        self._generation = generation
        self._history = History()
        self._layout: Table = np.empty(0, dtype=LAYOUT)
        self._vmas: Table = np.empty(0, dtype=VMAS)

    def look(self, number: int, at_ns: int) -> ProcessPass:
        """One pass: read everything, clear what is set; ProcessGone when it has exited."""
        before = self._cpu.seconds
        with self._cpu:
            if (generation := self._space.generation()) != self._generation:
                self._forget_all(generation)
            if self._passes % _RECHECK_PASSES == 0:
                self._history.forget_stuck()
            self._passes += 1
            all_vmas = self._space.vmas()
            seen = self._read(eligible(all_vmas)[0])
            vmas = self._changed_vmas(all_vmas)
            layout = self._changed_layout(_by_address(seen.layout))
        return ProcessPass(
            self._about(number, at_ns, seen, self._cpu.seconds - before),
            vmas,
            layout,
            _by_address(seen.accessed),
        )

    def gone(self, number: int, at_ns: int) -> ProcessPass:
        """The last word on a process that has exited."""
        about = self._about(number, at_ns, _Seen(), 0.0)
        about["left"] = True
        none = [np.empty(0, dtype=dtype) for dtype in (VMAS, LAYOUT, ACCESSED)]
        return ProcessPass(about, *none)

    def _about(self, number: int, at_ns: int, seen: _Seen, cpu_s: float) -> Table:
        process = self._process
        columns = {
            "pass": number,
            "pid": process.pid,
            "start_time": process.start_time,
            "name": process.name.encode(),
            "generation": self._generation,
            "at_ns": at_ns,
            "cpu_ns": int(cpu_s * 1e9),
            "pages": seen.pages,
            "aged_pages": seen.aged_pages,
        }
        return one_row(PASS, **columns)

    def _read(self, vmas: VmaTable) -> _Seen:
        seen = _Seen()
        for window in self._space.read(vmas):
            for block in window.blocks:
                self._take(block, vmas, seen)
            self._history.forget_missing(window)
        self._history.end_pass()
        return seen

    def _take(self, block: PageBlock, vmas: VmaTable, seen: _Seen) -> None:
        # History keeps slow-tier pages only: here it keeps all of them.
        state = self._history.fold(replace(block, slow=block.present))
        stuck = is_stuck(state)
        # Accessed in this one alone of the last six passes: asked once of a page that stays hot.
        first = (accessed_passes(state) == 1) & (state & 1 != 0) & ~stuck
        stuck |= self._shared(block, first)
        aged = self._space.age(block, block.accessed & ~stuck, vmas)
        self._history.mark_stuck(aged.missed, block.pages_per_slot)
        seen.pages += block.present.size * block.pages_per_slot
        seen.aged_pages += aged.pages
        seen.layout.append(_layout(block, stuck & block.present))
        accessed = (state & 1 != 0) & ~stuck
        rows = accessed.any(axis=1)
        table = np.zeros(int(np.count_nonzero(rows)), dtype=ACCESSED)
        table["address"], table["accessed"] = block.addresses[rows], pack(accessed[rows])
        seen.accessed.append(table)

    def _shared(self, block: PageBlock, suspects: BoolArray) -> BoolArray:
        """Which of these have a bit that stays set, as others map the page too."""
        result = np.zeros_like(suspects)
        if suspects.any():
            addresses = block.slot_addresses(suspects)
            shared = self._space.shared(addresses)
            self._history.mark_stuck(addresses[shared], block.pages_per_slot)
            result[suspects] = shared
        return result

    def _changed_vmas(self, vmas: VmaTable) -> Table:
        table = np.zeros(len(vmas), dtype=VMAS)
        table["start"], table["end"], table["flags"] = vmas.starts, vmas.ends, vmas.flags
        same = len(table) == len(self._vmas) and not differs(table, self._vmas).any()
        self._vmas = table
        return table[:0] if same else table

    def _changed_layout(self, now: Table) -> Table:
        """Rows that are new or not as they were, and those that are gone, without pages."""
        before, self._layout = self._layout, now
        if np.array_equal(before["address"], now["address"]):
            return now[differs(before, now)]
        same = np.zeros(len(now), dtype=np.bool_)
        there, old, new = np.intersect1d(
            before["address"], now["address"], assume_unique=True, return_indices=True
        )
        same[new] = ~differs(before[old], now[new])
        gone = before[~np.isin(before["address"], there, assume_unique=True)]
        for name in ("present", "slow", "stuck"):
            gone[name] = 0
        return _by_address([now[~same], gone])

    def close(self) -> None:
        """Let go of it."""
        self._space.close()


def _layout(block: PageBlock, stuck: BoolArray) -> Table:
    table = np.zeros(len(block.addresses), dtype=LAYOUT)
    table["address"], table["pages_per_slot"] = block.addresses, block.pages_per_slot
    for name, mask in (("present", block.present), ("slow", block.slow), ("stuck", stuck)):
        table[name] = pack(mask)
    return table


def _by_address(parts: list[Table]) -> Table:
    table = np.concatenate(parts)
    return table[np.argsort(table["address"], kind="stable")]

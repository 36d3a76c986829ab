"""What is seen of one process, gathered into the tables of a pass."""

from collections import deque

import numpy as np

from mmscand.heat.state import is_stuck
from mmscand.model import BoolArray, Outcome, PageBlock, Process, StateArray, VmaTable
from mmscand.record.labels import ANONYMOUS, Labels, Texts
from mmscand.record.tables import (
    ACCESSED,
    LAYOUT,
    MOVES,
    PASS,
    VMAS,
    ProcessPass,
    Table,
    differs,
    one_row,
    pack,
)


class ProcessTape:
    """Of one process. `moved` may be called from another thread than the rest."""

    def __init__(self, process: Process, labels: Labels) -> None:
        self._process = process
        self._labels = labels
        self._outcomes: deque[Outcome] = deque()
        self.restart()

    def restart(self) -> None:
        """It has another address space, and nothing that was reported holds any more."""
        self._before: Table = np.empty(0, dtype=LAYOUT)
        self._vmas: Table = np.empty(0, dtype=VMAS)
        self._texts, self._cgroup = Texts(), 0
        self._begin()

    def _begin(self) -> None:
        self._layout = [np.empty(0, dtype=LAYOUT)]
        self._accessed = [np.empty(0, dtype=ACCESSED)]
        self._pages = 0

    def see(self, block: PageBlock, state: StateArray, silent: BoolArray) -> None:
        """A block of this pass, with its history; `silent` are slots whose bit says nothing."""
        silent = (silent | is_stuck(state)) & block.present
        self._pages += block.present.size * block.pages_per_slot
        layout = np.zeros(len(block.addresses), dtype=LAYOUT)
        layout["address"], layout["pages_per_slot"] = block.addresses, block.pages_per_slot
        for name, mask in (("present", block.present), ("slow", block.slow), ("stuck", silent)):
            layout[name] = pack(mask)
        self._layout.append(layout)
        accessed = (state & 1 != 0) & ~silent
        rows = accessed.any(axis=1)
        table = np.zeros(int(np.count_nonzero(rows)), dtype=ACCESSED)
        table["address"], table["accessed"] = block.addresses[rows], pack(accessed[rows])
        self._accessed.append(table)

    def moved(self, outcome: Outcome) -> None:
        """What became of a migration."""
        self._outcomes.append(outcome)

    def end(
        self, number: int, generation: int, vmas: VmaTable, *, at_ns: int, cpu_s: float, aged: int
    ) -> ProcessPass:
        """The pass is over; the next one begins. `aged` are 4 KiB pages."""
        about = self._about(number, generation, at_ns)
        about["cpu_ns"], about["pages"], about["aged_pages"] = int(cpu_s * 1e9), self._pages, aged
        changed_vmas = self._changed_vmas(vmas)
        about["cgroup"] = self._cgroup
        layout = self._changed_layout(_by_address(self._layout))
        accessed = _by_address(self._accessed)
        self._begin()
        texts = self._texts.take_new()
        return ProcessPass(about, changed_vmas, layout, accessed, self._moves(), texts)

    def left(self, number: int, generation: int, *, at_ns: int) -> ProcessPass:
        """The last word on a process that has exited."""
        about = self._about(number, generation, at_ns)
        about["left"] = True
        vmas, layout, accessed = (np.empty(0, dtype) for dtype in (VMAS, LAYOUT, ACCESSED))
        return ProcessPass(about, vmas, layout, accessed, self._moves())

    def _about(self, number: int, generation: int, at_ns: int) -> Table:
        process = self._process
        name = process.name if self._labels.named else ANONYMOUS
        columns = {
            "pass": number,
            "pid": process.pid,
            "start_time": process.start_time,
            "name": name.encode(errors="surrogateescape"),
            "generation": generation,
            "at_ns": at_ns,
        }
        return one_row(PASS, **columns)

    def _moves(self) -> Table:
        parts = [np.empty(0, dtype=MOVES)]
        while self._outcomes:
            outcome = self._outcomes.popleft()
            migration = outcome.migration
            part = np.zeros(len(migration.addresses), dtype=MOVES)
            part["address"], part["pages_per_slot"] = migration.addresses, migration.pages_per_slot
            part["source"], part["target"] = migration.source, outcome.target
            part["status"], part["tried"] = outcome.status, outcome.tried
            parts.append(part)
        return np.concatenate(parts)

    def _changed_vmas(self, vmas: VmaTable) -> Table:
        table = np.zeros(len(vmas), dtype=VMAS)
        table["start"], table["end"], table["flags"] = vmas.starts, vmas.ends, vmas.flags
        same = len(table) == len(self._vmas) and not differs(table, self._vmas).any()
        self._vmas = table
        if same:
            return table[:0]
        names, cgroup = self._labels.of(self._process, vmas)
        named = table.copy()
        named["name"] = [self._texts.number(name) for name in names]
        self._cgroup = self._texts.number(cgroup)
        return named

    def _changed_layout(self, now: Table) -> Table:
        """Rows that are new or not as they were, and those that are gone, without pages."""
        before, self._before = self._before, now
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


def _by_address(parts: list[Table]) -> Table:
    table = np.concatenate(parts)
    return table[np.argsort(table["address"], kind="stable")]

"""How fast each tier is during an experiment: by the plug-in for slow memory, or as the host's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmscand_lab.slowmem import control_of, library_of
from mmscand_lab.slowmem.calibrate import Calibration, calibrate
from mmscand_lab.slowmem.control import Counts, SlowMemory
from mmscand_lab.slowmem.library import code_of_process
from mmscand_lab.slowness import factor, work_s


class TierSpeeds:
    """Without a folder of the plug-in all memory is as fast as the host's, and nothing counts."""

    def __init__(self, folder: Path | None, native_s: float) -> None:
        """`native_s` is what `slowness.work_s` takes on the host."""
        self._folder, self._native_s = folder, native_s
        self._memory: SlowMemory | None = None if folder is None else control_of(folder)
        self._found: Calibration | None = None

    @property
    def workload_options(self) -> list[str]:
        """Options of `mmscand_lab.workload`."""
        return [] if self._folder is None else ["--slow-memory", str(self._folder)]

    def calibrate(self, nodes: Sequence[int]) -> None:
        """Slow the tiers down, as much as this machine is slower than its host. LabError."""
        if self._memory is not None and self._folder is not None:
            slower = factor(self._native_s, work_s())
            self._found = calibrate(self._memory, library_of(self._folder), nodes, slower)

    @property
    def slowness(self) -> float:
        """By how much a core is slower than the host's; 1 where nobody looked."""
        return 1.0 if self._found is None else self._found.factor

    def slow_down_process(self, pid: int) -> None:
        """All code of this process, and of those that it forks, pays for slow memory."""
        if self._memory is not None:
            self._memory.instrument(code_of_process(pid))

    @contextmanager
    def all_fast(self, node: int) -> Iterator[bool]:
        """All memory is as fast as that of this node; False where it always is."""
        if self._memory is None or self._found is None:
            yield False
            return
        self._memory.slow_down(self._found.factor, as_node=node)
        yield True
        self._memory.slow_down(self._found.factor)

    def served(self) -> Counts | None:
        """Accesses so far, by node."""
        return None if self._memory is None else self._memory.counts()

    def fast_share(self, before: Counts | None, fast: Sequence[int]) -> float | None:
        """The share of the misses since then that these nodes have served."""
        if self._memory is None or before is None:
            return None
        misses = self._memory.counts().since(before).misses
        return float(misses[list(fast)].sum()) / max(1.0, float(misses.sum()))

    def facts(self) -> dict[str, Any] | None:
        """For the record; None without the plug-in."""
        return None if self._found is None else asdict(self._found)

"""What the kernel has counted so far: events of the machine, CPU time of processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def vmstat(prefix: str) -> int:
    """The sum of all counters whose name begins so; 0 where the kernel has none."""
    text = Path("/proc/vmstat").read_text(encoding="ascii")
    return sum(int(n) for n in re.findall(rf"^{prefix}\S* (\d+)$", text, re.MULTILINE))


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of these, without their children; of those that have ended, none."""
    return sum(user + system for user, system in _times(processes))


def system_seconds(processes: Iterable[psutil.Process]) -> float:
    """System time alone, in the same manner."""
    return sum(system for _, system in _times(processes))


def _times(processes: Iterable[psutil.Process]) -> Iterator[tuple[float, float]]:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            yield times.user, times.system

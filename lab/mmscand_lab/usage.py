"""What the kernel has counted so far: events of the machine, CPU time of processes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import psutil


def vmstat(prefix: str) -> int:
    """The sum of all counters whose name begins so; 0 where the kernel has none."""
    text = Path("/proc/vmstat").read_text(encoding="ascii")
    return sum(int(n) for n in re.findall(rf"^{prefix}\S* (\d+)$", text, re.MULTILINE))


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of these, without their children."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))

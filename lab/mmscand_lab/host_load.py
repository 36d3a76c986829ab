"""How busy the host is with other things while a guest is measured: disturbed figures say so.

The host writes CPU seconds into the folder of the results; the guest reads them before and after.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from mmscand_lab.usage import cpu_seconds

_FILE = "others-cpu"


class HostLoad:
    """CPU time of all processes but this one and its children, which are the guest."""

    def __init__(self, results: Path) -> None:
        self._file = results / _FILE
        self._own = psutil.Process()
        self._busy, self._mine = _busy_s(), self._mine_s()

    def write(self) -> None:
        """Seconds since it was made, for the guest.

        May go below 0: /proc/stat counts ticks, and less by 4 % than processes count themselves.
        """
        others = _busy_s() - self._busy - (self._mine_s() - self._mine)
        self._file.write_text(f"{others:.2f}\n", encoding="ascii")

    def _mine_s(self) -> float:
        return cpu_seconds([self._own, *self._own.children(recursive=True)])


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def others_cpu_s(results: Path) -> float | None:
    """CPU seconds of others on the host so far; None where nobody says."""
    with suppress(OSError, ValueError):
        return float((results / _FILE).read_text(encoding="ascii"))
    return None

"""All processes, again and again, without reading all of /proc each time."""

import contextlib
import os
import time
from collections.abc import Callable

from mmscand.errors import ProcessGone
from mmscand.linux.procfs import Procfs, ProcStat
from mmscand.model import Process

_TICKS = os.sysconf("SC_CLK_TCK")
_YOUNG_S = 10
"""A process changes its name by execve soon after fork if at all: until then it is read anew."""
_FULL_EVERY_LOOKS = 10
"""And all are, each so many looks. In between, a pid that was there at the last look is taken for
the same process; should it have been reused, opening it finds out (start time), and nothing is
done to it."""


def _uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProcessList:
    """Lists user-space processes; remembers those that it has read."""

    def __init__(self, procfs: Procfs, uptime_s: Callable[[], float] = _uptime_s) -> None:
        self._procfs = procfs
        self._uptime_s = uptime_s
        self._known: dict[int, ProcStat] = {}
        self._looks = 0

    def scannable(self) -> list[Process]:
        """User-space processes that are alive, except this one."""
        before = {} if self._looks % _FULL_EVERY_LOOKS == 0 else self._known
        self._looks += 1
        old_before = (self._uptime_s() - _YOUNG_S) * _TICKS
        self._known = {}
        for pid in self._procfs.pids():
            known = before.get(pid)
            if known is not None and known.process.start_time < old_before:
                self._known[pid] = known
            else:
                with contextlib.suppress(ProcessGone):
                    self._known[pid] = self._procfs.stat(pid)
        own = os.getpid()
        return [s.process for pid, s in self._known.items() if s.scannable and pid != own]

"""All processes, again and again, without reading all of /proc each time."""

import os
import time
from collections.abc import Callable

from mmscand.errors import OutOfResources, ProcessDenied, ProcessGone
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.procfs import Procfs, ProcStat
from mmscand.model import Look, Process

_TICKS = os.sysconf("SC_CLK_TCK")
_YOUNG_S = 10
"""Without events: a process changes its name by execve soon after fork if at all, so until then it
is read again at each look."""
_FULL_EVERY_LOOKS = 10
"""After this number of looks all may have changed: a move to another cgroup is no event. Without
events all are read again then; in between a pid that was there is taken for the same process.
Should it have been reused, opening it finds out (start time), and nothing is done to it. With
events only what the kernel had no memory to report is looked for, by the processes that came and
went."""


def _uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProcessList:
    """Lists user-space processes; remembers those that it has read."""

    def __init__(
        self,
        procfs: Procfs,
        events: ProcEvents | None = None,
        uptime_s: Callable[[], float] = _uptime_s,
    ) -> None:
        """Without `events` a look lists /proc."""
        self._procfs = procfs
        self._events = events
        self._uptime_s = uptime_s
        self._known: dict[int, ProcStat | None] = {}
        """None of a process that a security module keeps from us, so as not to ask each time."""
        self._again: set[int] = set()
        """Those that could not be read for want of descriptors or memory."""
        self._missed = False
        """/proc could not be listed for want of them: everything is read at the next look."""
        self._without_leader: set[int] = set()
        """Their last thread ends without an event, as events of threads are not asked for."""
        self._running: tuple[Process, ...] = ()
        self._denied: frozenset[int] = frozenset()
        self._looks = 0

    def look(self) -> Look:
        """User-space processes that are alive, except this one."""
        full = self._looks % _FULL_EVERY_LOOKS == 0
        self._looks += 1
        touched = self._touched_or_missed(full=full) | self._again | self._without_leader
        if touched:
            self._read(touched)
        changed = (p for p in self._running if full or p.pid in touched)
        return Look(self._running, frozenset(changed), not (touched or full), self._denied)

    def _touched_or_missed(self, *, full: bool) -> set[int]:
        try:
            touched = self._all() if self._missed else self._touched(full=full)
            self._missed = False
            return touched
        except OutOfResources:
            self._missed = True
            return set()

    def _touched(self, *, full: bool) -> set[int]:
        """Pids to read again."""
        if self._events is None:
            return self._all() if full else self._come_or_gone() | self._young()
        happened = self._events.drain()
        if happened is None:
            return self._all()
        return happened | self._come_or_gone() if full else happened

    def _read(self, touched: set[int]) -> None:
        self._again = set()
        for pid in touched:
            self._read_one(pid)
        self._without_leader = {p for p, s in self._known.items() if s and s.without_leader}
        self._denied = frozenset(pid for pid, stat in self._known.items() if stat is None)
        own = os.getpid()
        alive = [s.process for p, s in self._known.items() if s and s.scannable and p != own]
        # Parents come before their children, whatever their pids.
        self._running = tuple(sorted(alive, key=lambda p: (p.start_time, p.pid)))

    def _read_one(self, pid: int) -> None:
        try:
            self._known[pid] = self._procfs.stat(pid)
        except ProcessGone:
            self._known.pop(pid, None)
        except ProcessDenied:
            self._known[pid] = None
        except OutOfResources:
            self._again.add(pid)

    def _all(self) -> set[int]:
        return set(self._procfs.pids()) | self._known.keys()

    def _come_or_gone(self) -> set[int]:
        return set(self._procfs.pids()) ^ self._known.keys()

    def _young(self) -> set[int]:
        young = (self._uptime_s() - _YOUNG_S) * _TICKS
        return {p for p, stat in self._known.items() if stat and stat.process.start_time >= young}

    def close(self) -> None:
        """No more events."""
        if self._events is not None:
            self._events.close()

"""A clock that jumps: who waits is at the end of its wait at once, and only work takes time."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

_REAL_S = 0.001
"""A wait that depends on others takes so long in truth: who was notified is up by then."""


class SimClock:
    """See clock.Clock. Time stands still but for jumps and for what is spent.

    It jumps when all `threads` that use it wait. With one thread the same calls give the same
    times; with more, the order in which threads wake up is the system's.
    """

    def __init__(self, threads: int = 1, start: float = 0.0) -> None:
        self._threads = threads
        self._time = start
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        """Until when, by thread."""
        self._cpu: dict[int, float] = {}
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen at a time, in the thread that jumps over it."""
        with self._lock:
            self._planned += 1  # what is planned for the same time happens in this order
            heappush(self._plan, (seconds, self._planned, happens))

    def now(self) -> float:
        """Seconds; it never goes back."""
        return self._time

    def thread_cpu(self) -> float:
        """Seconds that the calling thread has spent."""
        return self._cpu.get(threading.get_ident(), 0.0)

    def spend(self, seconds: float) -> None:
        """The calling thread works for so long."""
        me = threading.get_ident()
        with self._lock:
            self._time += seconds
            self._cpu[me] = self._cpu.get(me, 0.0) + seconds

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        """See clock.Clock: it may return early, callers re-check."""
        me = threading.get_ident()
        with self._lock:
            self._waiting[me] = inf if timeout_s is None else self._time + timeout_s
        try:
            notified = self._threads > 1 and wakeup.wait(_REAL_S)
            if not notified and not self._jump():
                wakeup.wait(_REAL_S)
        finally:
            with self._lock:
                del self._waiting[me]

    def rest(self, seconds: float) -> None:
        """See clock.Clock: time goes on, and nobody works."""
        with self._lock:
            self._time += seconds

    def _jump(self) -> bool:
        """To whatever comes next, if everybody waits for it; whether there is anything."""
        with self._lock:
            until = min(self._waiting.values())
            planned = self._plan[0][0] if self._plan else inf
            if len(self._waiting) < self._threads or min(until, planned) == inf:
                return False
            self._time = max(self._time, min(until, planned))
            happens = heappop(self._plan)[2] if planned <= until else None
        if happens is not None:
            happens()
        return True

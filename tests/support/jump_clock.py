"""Time that jumps: who waits is at the end of its wait at once, and nothing else takes time."""

import threading
from collections.abc import Callable


class JumpClock:
    """Ends a run at a moment, and lets things happen at others."""

    def __init__(self, stop: threading.Event, end: float) -> None:
        self._time = 100.2  # off the grid
        self._stop = stop
        self._end = self._time + end
        self._plan: list[tuple[float, Callable[[], None]]] = []

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen, so many seconds from now."""
        self._plan.append((self._time + seconds, happens))
        self._plan.sort(key=lambda entry: entry[0])

    def now(self) -> float:
        return self._time

    def thread_cpu(self) -> float:
        return 0.0

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        until = self._time + timeout_s if timeout_s is not None else self._end
        if self._plan and self._plan[0][0] <= until:
            self._time, happens = self._plan.pop(0)
            happens()
            return
        self._time = min(until, self._end)
        if self._time >= self._end:
            self._stop.set()

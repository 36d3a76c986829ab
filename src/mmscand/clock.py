"""Time as a parameter: loops ask a Clock, tests hand in one that jumps."""

import threading
import time
from typing import Protocol, Self


class Clock(Protocol):
    """What a loop may know of time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def thread_cpu(self) -> float:
        """Seconds of CPU time that the calling thread has used."""
        ...

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        """Sleep until `wakeup` (held by the caller) is notified or `timeout_s` have passed."""
        ...


class CpuMeter:
    """Adds up the CPU time of what one thread does inside its `with` blocks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = 0.0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = self._clock.thread_cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += self._clock.thread_cpu() - self._began


class SystemClock:
    """The monotonic clock of this machine."""

    def now(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def thread_cpu(self) -> float:
        """Seconds of CLOCK_THREAD_CPUTIME_ID."""
        return time.thread_time()

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        """Sleep in Condition.wait; an early or late return is harmless, callers re-check."""
        wakeup.wait(timeout_s)

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

    def rest(self, seconds: float) -> None:
        """Sleep for a few milliseconds at most, whatever happens meanwhile."""
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


class Pulse:
    """A clock for one thread that remembers when it was asked last: the asking thread goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now()
        self._asleep = False

    @property
    def silent_s(self) -> float:
        """How long nothing was heard of its thread, 0 while it sleeps; from any thread."""
        return 0.0 if self._asleep else self._clock.now() - self._seen

    def now(self) -> float:
        """See Clock."""
        self._seen = self._clock.now()
        return self._seen

    def thread_cpu(self) -> float:
        """See Clock."""
        return self._clock.thread_cpu()

    def wait(self, wakeup: threading.Condition, timeout_s: float | None) -> None:
        """See Clock."""
        self._asleep = True
        try:
            self._clock.wait(wakeup, timeout_s)
        finally:
            self.now()
            self._asleep = False

    def rest(self, seconds: float) -> None:
        """See Clock."""
        self._clock.rest(seconds)


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

    def rest(self, seconds: float) -> None:
        """Sleep in nanosleep."""
        time.sleep(seconds)

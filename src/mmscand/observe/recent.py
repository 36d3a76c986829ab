"""What happened in the last minute, and when scanning was switched on or off."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from mmscand.observe.events import Event, Moved, PassEnd

SPAN_S = 60.0
_STEP_S = 5.0
"""Between two samples: a rate is of the last minute within this."""


class Recent:
    """An observer that comes before the one that adds up, whose `total` it samples. Any thread."""

    def __init__(
        self,
        now: Callable[[], float],
        total: Callable[[], Mapping[str, float]],
        *,
        on: bool,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._total = total
        self._lock = threading.Lock()
        self._unix_time = unix_time
        self._samples: deque[tuple[float, Mapping[str, float]]] = deque([(now(), {})])
        """Each as the sums were before the event of that moment."""
        self._on = on
        self.switched_at = unix_time()
        """When scanning was switched on or off, in Unix time; the start while it was not."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if not isinstance(event, PassEnd | Moved):
            return
        now = self._now()
        with self._lock:
            if now - self._samples[-1][0] >= _STEP_S:
                self._samples.append((now, self._total()))
            self._forget(now)

    def _forget(self, now: float) -> None:
        while len(self._samples) > 1 and self._samples[0][0] < now - SPAN_S:
            self._samples.popleft()

    def minute(self) -> Mapping[str, float]:
        """What was added in the last minute, by name; in all of the time while that is less."""
        now, total = self._now(), self._total()
        with self._lock:
            inside = (sums for at, sums in self._samples if at >= now - SPAN_S)
            before = next(inside, total)
        return {name: each - before.get(name, 0) for name, each in total.items()}

    def switched(self, *, on: bool) -> None:
        """Scanning is on, or off, from now on."""
        if on != self._on:
            self._on, self.switched_at = on, self._unix_time()

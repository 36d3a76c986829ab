"""Sums of what happened, in all and by process: what `status`, `ps` and the API count.

They are the RFC's counters (kmmscand-rfc section 1.4) with one exact meaning each: `passes` is
nr_kmmscand_mm_scans, `slow` slowtier, `idle` idlepage, `fast` toptier, `queued` migadded,
`promoted` and `demoted` are migrated. `failed_X` is migrate_failed with X the errno: ELSEWHERE is
a page on neither its source nor the target, ENOENT one that was freed. Pages are 4 KiB pages, also
of a huge page.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from mmscand.model import Process
from mmscand.observe.events import Event, Moved, PassEnd, ProcessEntered, ProcessLeft
from mmscand.observe.fields import Field, counter, fields_of
from mmscand.reasons import FAILED

_OF_A_PASS, _OF_A_MOVE = fields_of(PassEnd), fields_of(Moved)
_DERIVED = {
    "passes": counter("Complete passes over an address space.", "passes"),
    "visits": counter("Looks at a process, complete or not.", "visits"),
    "visit_us": counter("Time that visits took from begin to end.", "us"),
    "idle": counter("Of the slow pages, those without the Accessed bit."),
}
COUNTERS: Mapping[str, Field] = {
    **{name: replace(field, name=name) for name, field in _DERIVED.items()},
    **_OF_A_PASS,
    **_OF_A_MOVE,
}
"""All counters but those of failures, whose names are not known before they happen."""


class Counters:
    """An observer that adds up; read from any thread."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` is Unix time: what is counted is shown outside of this process."""
        self._now = now
        self.since = now()
        self.last_pass: float | None = None
        """End of the last visit, in Unix time."""
        self._lock = threading.Lock()
        self._total: dict[str, float] = {}
        self._by_process: dict[Process, dict[str, float]] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if isinstance(event, ProcessEntered):
                self._by_process[event.process] = {}
            elif isinstance(event, ProcessLeft):
                self._by_process.pop(event.process, None)
            elif isinstance(event, PassEnd | Moved):
                if isinstance(event, PassEnd):
                    self.last_pass = self._now()
                more = _of_pass(event) if isinstance(event, PassEnd) else _of_move(event)
                _add(more, self._total)
                if event.process in self._by_process:
                    _add(more, self._by_process[event.process])

    def total(self) -> Mapping[str, float]:
        """Since the start, also of processes that have left."""
        with self._lock:
            return dict(self._total)

    def of(self, process: Process) -> Mapping[str, float]:
        """Since the process was taken up."""
        with self._lock:
            return dict(self._by_process.get(process, {}))


def _add(more: Mapping[str, float], sums: dict[str, float]) -> None:
    for name, number in more.items():
        sums[name] = sums.get(name, 0) + number


def _of_pass(event: PassEnd) -> dict[str, float]:
    counts = {name: getattr(event, name) for name in _OF_A_PASS}
    idle = event.slow - event.accessed
    derived = {"visits": 1, "passes": int(event.complete), "visit_us": round(event.seconds * 1e6)}
    return {**counts, **derived, "idle": idle}


def _of_move(event: Moved) -> dict[str, float]:
    failed = {f"{FAILED}{reason}": pages for reason, pages in event.failed.items()}
    return {name: getattr(event, name) for name in _OF_A_MOVE} | failed

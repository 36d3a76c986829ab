"""The latest events that a person wants to know, for who comes later."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mmscand.observe.event_words import EVENT_NAMES, as_text
from mmscand.observe.events import Event

_MOST = 500
"""100 KiB: minutes of a busy daemon, days of one at rest."""


class Logged(NamedTuple):
    """One event."""

    number: int
    """1 is the first since the start."""
    time: float
    """In Unix time."""
    event: str
    """Its name."""
    words: str


class EventLog:
    """An observer; read from any thread."""

    def __init__(self, unix_time: Callable[[], float] = time.time) -> None:
        self._unix_time = unix_time
        self._lock = threading.Lock()
        self._kept: deque[Logged] = deque(maxlen=_MOST)
        self._number = 0

    def __call__(self, event: Event) -> None:
        """Take one event; those that are of every pass are left out."""
        if words := as_text(event):
            with self._lock:
                self._number += 1
                name = EVENT_NAMES[type(event)]
                self._kept.append(Logged(self._number, self._unix_time(), name, words))

    def since(self, number: int) -> tuple[Logged, ...]:
        """Those after the event of this number, as far as they are kept."""
        with self._lock:
            return tuple(each for each in self._kept if each.number > number)

"""SIGTERM, SIGINT and SIGHUP, for a command that runs until it is told to end."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import FrameType


class Wanted(Enum):
    """What was asked for from outside."""

    NOTHING = 0
    RELOAD = 1
    END = 2


class Signals:
    """SIGTERM and SIGINT end the command, SIGHUP has the configuration read again."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._ended = False
        self._reload = False

    def end(self) -> None:
        """As SIGTERM does."""
        self._ended = True
        self._woken.set()

    def on_end(self, number: int, frame: FrameType | None) -> None:
        """Handler."""
        self.end()

    def on_reload(self, number: int, frame: FrameType | None) -> None:
        """Handler."""
        self._reload = True
        self._woken.set()

    def wait(self, timeout_s: float | None) -> Wanted:
        """Until one comes, or for so long."""
        self._woken.wait(timeout_s)
        self._woken.clear()
        if self._ended:
            return Wanted.END
        wanted, self._reload = Wanted.RELOAD if self._reload else Wanted.NOTHING, False
        return wanted


@contextmanager
def signals_taken() -> Iterator[Signals]:
    """They are as before afterwards."""
    signals = Signals()
    taken: dict[int, Callable[[int, FrameType | None], None]] = {
        signal.SIGTERM: signals.on_end,
        signal.SIGINT: signals.on_end,
        signal.SIGHUP: signals.on_reload,
    }
    with handlers_taken(taken):
        yield signals


@contextmanager
def handlers_taken(taken: Mapping[int, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """By number of the signal; they are as before afterwards."""
    before = {number: signal.signal(number, handler) for number, handler in taken.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""SIGTERM, SIGINT and SIGHUP, for a command that runs until a signal ends it.

A signal writes a byte to a pipe (signal.set_wakeup_fd), and the command polls that pipe. A handler
in Python alone is not enough: it runs between two steps of the interpreter, so a signal right
before a system call waits for the end of that call. A lock in a handler is worse: the thread that
the handler interrupts may hold it.
"""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from types import FrameType

_PIPE_BYTES = 65_536


class Wanted(Enum):
    """What was asked for from outside."""

    NOTHING = 0
    RELOAD = 1
    END = 2


class _EndedEarly(BaseException):
    """SIGTERM or SIGINT came while nothing had begun that must be ended in order."""


class Signals:
    """SIGTERM and SIGINT end the command, SIGHUP has the configuration read again."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._deferred = self._ended = self._reload = False

    def defer(self) -> None:
        """From now on an end waits for `wait`; before, it interrupts: a start may take long."""
        self._deferred = True

    def end(self) -> None:
        """As SIGTERM does; from any thread."""
        self._ended = True
        with suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._write, b"\0")

    def wait(self, timeout_s: float | None) -> Wanted:
        """Until one comes, or for so long."""
        if not (self._ended or self._reload):
            self._sleep(timeout_s)
        if self._ended:
            return Wanted.END
        if self._reload:
            self._reload = False
            return Wanted.RELOAD
        return Wanted.NOTHING

    def _sleep(self, timeout_s: float | None) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if poll.poll(None if timeout_s is None else timeout_s * 1000):
            os.read(self._read, _PIPE_BYTES)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """They come here; as before afterwards."""
        woke = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        handlers = {
            signal.SIGTERM: self._on_end,
            signal.SIGINT: self._on_end,
            signal.SIGHUP: self._on_reload,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(woke)
            os.close(self._read)
            os.close(self._write)

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self._ended = True
        if not self._deferred:
            self._deferred = True  # the second one does not interrupt the end
            raise _EndedEarly

    def _on_reload(self, number: int, frame: FrameType | None) -> None:
        self._reload = True


@contextmanager
def signals_taken() -> Iterator[Signals]:
    """They are as before afterwards. An end before `defer` leaves the block, and is no failure."""
    signals = Signals()
    with suppress(_EndedEarly), signals.taken():
        yield signals

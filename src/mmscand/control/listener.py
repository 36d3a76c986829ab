"""Serves the control socket in a thread of its own."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from mmscand.control.answers import Answers
from mmscand.control.controlled import Controlled
from mmscand.control.lock import DaemonLock
from mmscand.control.server import LineServer
from mmscand.control.unix_socket import ELSEWHERE, listen
from mmscand.errors import MmscandError

_STOP_TIMEOUT_S = 0.9


class ControlServer:
    """The control socket, and the lock that makes this the only daemon.

    `start` takes the lock before anything else, so the first to start it learns of another
    daemon before it has touched a process.
    """

    def __init__(
        self,
        controlled: Controlled,
        version: str,
        path: Path,
        *,
        group: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = Answers(controlled, version)
        self._clock = clock
        self._path = path
        self._group = group
        self._lock = DaemonLock(path.with_name(path.name + ".lock"), ELSEWHERE)
        self._running: _Running | None = None

    def start(self) -> None:
        """Serve; connections are accepted when this returns. A start that fails leaves nothing."""
        if self._running is not None:
            return
        self._lock.acquire(str(self._path))
        try:
            sock = listen(self._path, self._group)
            try:
                self._running = _Running(LineServer(sock, self._answers, self._clock))
            except BaseException:
                sock.close()
                self._path.unlink(missing_ok=True)
                raise
        except BaseException:
            self._lock.release()
            raise

    def trouble(self) -> str:
        """The trouble of its thread, in words; '' when it serves, or is not wanted."""
        ended = self._running is not None and self._running.ended
        return "thread mmscand-control has ended" if ended else ""

    def stop(self) -> None:
        """End within a second, also with clients connected. More than once is once."""
        running, self._running = self._running, None
        if running is not None:
            self._path.unlink(missing_ok=True)  # first: a client gets 'no daemon', not a hang-up
            running.end()
            self._lock.release()


class _Running:
    """The thread that serves, and how to end it."""

    def __init__(self, server: LineServer) -> None:
        self._server = server
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="mmscand-control", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._server.run()
        except BaseException as error:  # the top of the thread: `end` raises it
            self._failure = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self._server.end()
        self._thread.join(_STOP_TIMEOUT_S)
        if self.ended:
            self._server.close()
        if self._failure is not None:
            raise MmscandError("the control socket failed") from self._failure

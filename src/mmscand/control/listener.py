"""Serves the API in a thread of its own."""

import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mmscand.control.controlled import Controlled
from mmscand.control.lock import DaemonLock
from mmscand.control.unix_socket import ELSEWHERE, listen
from mmscand.errors import MmscandError

if TYPE_CHECKING:
    from mmscand.control.loop import QuietServer

_START_TIMEOUT_S = 30.0
"""It takes milliseconds; a machine that needs this long is beyond help."""
_STOP_TIMEOUT_S = 0.9


class ControlServer:
    """The API on a unix socket, and the lock that makes this the only daemon.

    `start` takes the lock before anything else, so whoever starts it first is told of another
    daemon before it has touched a process.
    """

    def __init__(
        self, controlled: Controlled, version: str, path: Path, *, group: str | None = None
    ) -> None:
        self._controlled = controlled
        self._version = version
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
                self._running = _Running(self._server(), sock)
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

    def _server(self) -> "QuietServer":
        # Only who serves pays for FastAPI and uvicorn.
        from mmscand.control.loop import quiet_server  # noqa: PLC0415
        from mmscand.control.server import create_app  # noqa: PLC0415

        return quiet_server(create_app(self._controlled, self._version))

    def stop(self) -> None:
        """End within a second, also with clients connected. More than once is once."""
        running, self._running = self._running, None
        if running is not None:
            self._path.unlink(missing_ok=True)  # first: a client gets 'no daemon', not a hang-up
            running.end()
            self._lock.release()


class _Running:
    """The thread that serves, and how to end it."""

    def __init__(self, server: "QuietServer", sock: socket.socket) -> None:
        self._server = server
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._serve, args=(sock,), name="mmscand-control", daemon=True
        )
        self._thread.start()
        if not server.ready.wait(_START_TIMEOUT_S) or self._failure is not None:
            raise MmscandError("the control socket does not start") from self._failure

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._server.serve_on(sock)
        except BaseException as error:  # the top of the thread: who waits for it raises it
            self._failure = error
        finally:
            self._server.ready.set()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self._server.end()
        self._thread.join(_STOP_TIMEOUT_S)
        if self._failure is not None:
            raise MmscandError("the control socket failed") from self._failure

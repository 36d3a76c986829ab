"""Serves the HTTP API in a thread of its own."""

import socket
import threading
from typing import Self

from mmscand.api.loop import quiet_server
from mmscand.api.routes import create_app
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError

_START_TIMEOUT_S = 30.0
"""It takes milliseconds; a machine that needs this long is beyond help."""
_STOP_TIMEOUT_S = 0.9


class ApiServer:
    """The API on a listening socket, in front of the daemon that `daemon` asks."""

    def __init__(self, daemon: ControlClient, version: str, sock: socket.socket) -> None:
        self._server = quiet_server(create_app(daemon, version))
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._serve, args=(sock,), name="mmscand-api", daemon=True
        )

    def __enter__(self) -> Self:
        """Serve until the end of the context; connections are accepted when this returns."""
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT_S) or self._failure is not None:
            raise MmscandError("the API does not start") from self._failure
        return self

    def _serve(self, sock: socket.socket) -> None:
        try:
            self._server.serve_on(sock)
        except BaseException as error:  # the top of the thread: who waits for it raises it
            self._failure = error
        finally:
            self._server.ready.set()

    def __exit__(self, *_: object) -> None:
        """End within a second, also with clients connected."""
        self._server.end()
        self._thread.join(_STOP_TIMEOUT_S)
        if self._failure is not None:
            raise MmscandError("the API failed") from self._failure

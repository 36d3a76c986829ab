"""Serves the HTTP API in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

from fastapi import FastAPI

from mmscand.api.loop import quiet_server
from mmscand.errors import MmscandError

_START_TIMEOUT_S = 30.0
"""It takes milliseconds; a machine that needs this long is beyond help."""
_STOP_TIMEOUT_S = 0.9


class ApiServer:
    """The API on listening sockets. `make_loop` has the clock that slow clients are judged by."""

    def __init__(
        self,
        app: FastAPI,
        *socks: socket.socket,
        make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop,
    ) -> None:
        self._server = quiet_server(app, make_loop)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(
            target=self._serve, args=(socks,), name="mmscand-api", daemon=True
        )

    def __enter__(self) -> Self:
        """Serve until the end of the context; connections are accepted when this returns."""
        self._thread.start()
        if not self._server.ready.wait(_START_TIMEOUT_S) or self._failure is not None:
            raise MmscandError("the API does not start") from self._failure
        return self

    def _serve(self, socks: Sequence[socket.socket]) -> None:
        try:
            self._server.serve_on(socks)
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

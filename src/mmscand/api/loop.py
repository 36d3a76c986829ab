"""uvicorn, made to cost nothing while nobody asks. Loads uvicorn: import it only to serve."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from mmscand.api.protocol import PatientProtocol

_GRACE_S = 0.4
"""A request that is being answered has this long to end when the server stops."""


class QuietServer(uvicorn.Server):
    """Sleeps until a request comes or `end` is called; uvicorn's own wakes ten times a second."""

    def __init__(
        self, config: uvicorn.Config, make_loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        super().__init__(config)
        self._make_loop = make_loop
        self.ready = threading.Event()
        """Set when it accepts connections."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def serve_on(self, socks: Sequence[socket.socket]) -> None:
        """Serve on listening sockets until `end` is called."""
        with asyncio.Runner(loop_factory=self._make_loop) as runner:
            runner.run(self.serve(list(socks)))

    async def main_loop(self) -> None:
        """Wait for `end`."""
        self._loop = asyncio.get_running_loop()
        # Out of descriptors it would print a traceback for each client; it tries again by itself.
        self._loop.set_exception_handler(lambda loop, context: None)
        self.ready.set()
        await self._ended.wait()

    def end(self) -> None:
        """Stop serving; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop is closed: it has ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running requests end, then hang up on clients that are still connected."""
        try:
            await super().shutdown(sockets)
        finally:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)  # the loop informs the connections that they are lost


def quiet_server(app: FastAPI, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> QuietServer:
    """A server for `app` with everything off that the API does not need."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        # Below it are complaints about what clients send: they must not fill the daemon's log.
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_S,  # type: ignore[arg-type]  # it is a wait_for timeout
    )
    return QuietServer(config, make_loop)

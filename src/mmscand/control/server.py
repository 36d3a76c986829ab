"""Serves all clients of the control socket in the thread that calls `run`."""

import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from mmscand.control.answers import Answers
from mmscand.control.connection import Connection
from mmscand.errors import MmscandError

MAX_CLIENTS = 64
"""mmscand-api has one for each of its 40 threads at most; each holds 128 KiB and its answer."""
_PAUSE_S = 1.0
"""Until the next try to accept, where descriptors or memory are out: it must not spin."""


class LineServer:
    """Sleeps until a client, a deadline or `end` wakes it. No client can block another."""

    def __init__(
        self,
        listening: socket.socket,
        answers: Answers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listening = listening
        self._answers = answers
        self._clock = clock
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._clients: set[Connection] = set()
        self._accepts_again_s = 0.0
        """0 while it accepts."""
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until `end` is called. Closes all sockets, however it ends; then call `close`."""
        try:
            while self._turn():
                pass
        finally:
            for client in self._clients:
                client.close()
            self._listening.close()
            self._selector.close()

    def end(self) -> None:
        """Serve no more; from any thread, until `close`."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Not in `run`: `end` would write to whatever file had the number by then."""
        os.close(self._wake)

    def _turn(self) -> bool:
        for key, _ in self._selector.select(self._timeout_s()):
            if key.fileobj == self._wake:
                return False
            if isinstance(key.data, Connection):
                self._serve(key.data)
            else:
                self._accept()
        now = self._clock()
        for client in [each for each in self._clients if each.deadline_s <= now]:
            self._drop(client)
        if 0 < self._accepts_again_s <= now:
            self._accepts_again_s = 0.0
            self._selector.register(self._listening, selectors.EVENT_READ)
        return True

    def _timeout_s(self) -> float | None:
        ends = [client.deadline_s for client in self._clients]
        if self._accepts_again_s:
            ends.append(self._accepts_again_s)
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _serve(self, client: Connection) -> None:
        before = client.events
        if not client.serve(self._clock()):
            self._drop(client)
        elif client.events != before:
            self._selector.modify(client.sock, client.events, client)

    def _drop(self, client: Connection) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.sock)
        client.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # it has gone again
            return
        except OSError:
            self._selector.unregister(self._listening)
            self._accepts_again_s = self._clock() + _PAUSE_S
            return
        client = Connection(sock, self._answers, self._clock())
        if len(self._clients) >= MAX_CLIENTS:
            self._turn_away(sock)
            return
        self._clients.add(client)
        self._selector.register(sock, client.events, client)

    def _turn_away(self, sock: socket.socket) -> None:
        busy = MmscandError(f"{MAX_CLIENTS} clients are connected", hint="try again")
        with sock, suppress(OSError):
            sock.send(self._answers.refusal(busy))

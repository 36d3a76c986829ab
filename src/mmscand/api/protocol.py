"""uvicorn's HTTP, with limits for clients that send no HTTP, or nothing. Loads uvicorn."""

import asyncio
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mmscand.api.body_limit import MAX_BODY_BYTES
from mmscand.api.models import Error

_MOST_S = 30.0
"""For a whole request and its answer. uvicorn has a limit only between two requests."""
_MOST_CONNECTIONS = 256
"""A process has 1024 descriptors, where nobody raises that."""
_MOST_DISCARDED = MAX_BODY_BYTES
"""Bytes of a request behind its answer. Of one that goes on, nothing more is read."""
_LINGER_S = 1.0
"""To hang up at once would take the answer from the client, as the kernel discards it then."""


class PatientProtocol(H11Protocol):
    """Each refusal is an Error, also of bytes that are no HTTP; a slow client is disconnected."""

    _limit: asyncio.TimerHandle
    _discarded = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time begins."""
        super().connection_made(transport)
        self._limit = self.loop.call_later(_MOST_S, self._give_up)
        if len(self.connections) > _MOST_CONNECTIONS:
            self._make_room()

    def _make_room(self) -> None:
        """Hang up on the client that has been waited for longest."""
        others = (each for each in self.connections if isinstance(each, PatientProtocol))
        waiting = [each for each in others if each.cycle is None or each.cycle.response_complete]
        oldest = min(waiting, key=lambda each: each._limit.when())
        self.connections.discard(oldest)  # several may come before the loop informs it of its end
        oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """What comes behind an answer is discarded, up to a limit."""
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._discarded += len(data)
            if self._discarded > _MOST_DISCARDED:
                self.transport.pause_reading()
                self._limit.cancel()
                self._limit = self.loop.call_later(_LINGER_S, self.transport.abort)
                return
        super().data_received(data)

    def on_response_complete(self) -> None:
        """It begins again."""
        self._limit.cancel()
        self._limit = self.loop.call_later(_MOST_S, self._give_up)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is left to wait for."""
        self._limit.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """The bytes are no HTTP."""
        self._refuse(400, msg.rstrip("."), "send HTTP/1.1, see /openapi.json")

    def _give_up(self) -> None:
        if self._takes_a_long_answer():
            self._limit = self.loop.call_later(_MOST_S, self._give_up)
            return
        if self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]:
            self._refuse(408, "the request took too long", "send all of it within 30 s")
        # The client is silent, or does not read its answer: to close would wait until it does.
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()

    def _takes_a_long_answer(self) -> bool:
        """Events without an end, to a client that reads all that is sent."""
        began = self.cycle is not None and self.cycle.response_started
        unread = self.transport.get_write_buffer_size()
        return began and not self.cycle.response_complete and not unread

    def _refuse(self, status: int, error: str, hint: str) -> None:
        body = Error(error=error, hint=hint).model_dump_json().encode()
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        response = h11.Response(status_code=status, headers=[*headers, (b"connection", b"close")])
        with suppress(h11.LocalProtocolError):  # an answer has begun
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

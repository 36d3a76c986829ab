"""Server-sent events as bytes. FastAPI has them from 0.135 on, and Debian 13 has 0.115."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.responses import StreamingResponse


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: a name, and JSON on one line."""

    event: str
    data: str

    def __bytes__(self) -> bytes:
        return f"event: {self.event}\ndata: {self.data}\n\n".encode()


class EventStream(StreamingResponse):
    """An answer without an end (html.spec.whatwg.org, Server-sent events)."""

    media_type = "text/event-stream"


def stream_of(events: AsyncIterator[ServerSentEvent]) -> EventStream:
    """The answer that sends them as they come."""
    # A proxy (nginx) would wait until its buffer is full.
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventStream(_bytes_of(events), headers=headers)


async def _bytes_of(events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[bytes]:
    async for each in events:
        yield bytes(each)

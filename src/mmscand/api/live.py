"""Server-sent events: how the daemon stands, once a second while somebody looks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mmscand.api.models import Error
from mmscand.api.server_sent import EventStream, ServerSentEvent, stream_of
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError
from mmscand.shown import json_text

EVERY_S = 1.0
MOST_VIEWERS = 32
"""Each holds a connection, of which there are 256."""
_MOST_EVENTS = 256
"""Are kept for viewers that are behind; the daemon's own log is longer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stand in one second."""

    status: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    """The latest ones, each with its `number`."""

    @property
    def last(self) -> int:
        """Number of the last event; 0 where there was none."""
        return int(self.events[-1]["number"]) if self.events else 0


class Live:
    """One question a second for all who look, none while nobody does. Used by one event loop."""

    def __init__(self, daemon: ControlClient, every_s: float = EVERY_S) -> None:
        self._daemon = daemon
        self._every_s = every_s
        self._viewers = 0
        self._asked: asyncio.Task[Snapshot] | None = None
        self._asked_at = 0.0
        self._before: Snapshot | None = None

    def require_room(self) -> None:
        """HTTPException where too many look already."""
        if self._viewers >= MOST_VIEWERS:
            raise HTTPException(429, f"{MOST_VIEWERS} clients look already")

    async def stream(self) -> AsyncIterator[ServerSentEvent]:
        """For one viewer, until it goes."""
        seen: Snapshot | None = None
        self._viewers += 1
        try:
            while True:
                try:
                    # Shielded: a viewer that goes must not take the answer from the others.
                    now = await asyncio.shield(self._latest())
                except MmscandError as error:
                    said = Error(error=error.message, hint=error.hint)
                    yield ServerSentEvent(event="error", data=said.model_dump_json())
                else:
                    for each in _news(seen, now):
                        yield ServerSentEvent(event="happened", data=json_text(each))
                    yield ServerSentEvent(event="status", data=json_text(now.status))
                    seen = now
                await asyncio.sleep(self._every_s)
        finally:
            self._viewers -= 1

    def _latest(self) -> "asyncio.Task[Snapshot]":
        """The question of this second, which is asked once."""
        loop = asyncio.get_running_loop()
        due = loop.time() >= self._asked_at + self._every_s / 2
        if self._asked is None or (self._asked.done() and due):
            self._asked_at = loop.time()
            self._asked = loop.create_task(self._ask())
            self._asked.add_done_callback(_looked_at)
        return self._asked

    async def _ask(self) -> Snapshot:
        """From a thread, as a daemon that hangs is waited for."""
        status = await run_in_threadpool(self._daemon.status)
        before = self._before if self._before and _same(self._before.status, status) else None
        last = before.last if before else 0
        found = (await run_in_threadpool(self._daemon.events, last))["events"]
        events = (*(before.events if before else ()), *found)[-_MOST_EVENTS:]
        self._before = Snapshot(status, events)
        return self._before


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both are of one start of the daemon: events are numbered from its start on."""
    return bool(one["start_timestamp"] == other["start_timestamp"])


def _news(seen: Snapshot | None, now: Snapshot) -> list[Mapping[str, Any]]:
    """Events that this viewer has not seen; none that were before it came."""
    if seen is None:
        return []
    last = seen.last if _same(seen.status, now.status) else 0
    return [each for each in now.events if each["number"] > last]


def _looked_at(task: "asyncio.Task[Snapshot]") -> None:
    """Its failure is no news where the only viewer has gone meanwhile."""
    if not task.cancelled():
        task.exception()


def live_routes(daemon: ControlClient) -> APIRouter:
    """GET /v1/events."""
    router, live = APIRouter(prefix="/v1", tags=["status"]), Live(daemon)
    too_many: dict[int | str, dict[str, Any]] = {
        429: {"model": Error, "description": "32 clients look already."}
    }
    require_room: Callable[[], None] = live.require_room

    @router.get(
        "/events",
        operation_id="events",
        response_class=EventStream,
        responses=too_many,
        dependencies=[Depends(require_room)],
    )
    async def events() -> EventStream:
        """Once a second `status`, as GET /v1/status has it, `happened` for each event of the daemon
        since, and `error` where it does not answer. Without an end.
        """
        return stream_of(live.stream())

    return router

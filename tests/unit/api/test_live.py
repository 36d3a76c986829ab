"""GET /v1/events: what viewers get, how often the daemon is asked, and how a viewer goes."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from mmscand import __version__
from mmscand.api import live
from mmscand.api.live import Live
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.server_sent import ServerSentEvent
from mmscand.control.client import ControlClient
from mmscand.control.unix_socket import listen
from mmscand.errors import MmscandError
from support.jumping_loop import JumpingLoop


class Daemon:
    """Answers from memory, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.start = 1.0
        self.log: list[dict[str, Any]] = []
        self.away = False

    def status(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise MmscandError("no daemon", hint="start it")
        return {"start_timestamp": self.start, "asked": self.asked}

    def events(self, since: int) -> dict[str, Any]:
        return {"events": [each for each in self.log if each["number"] > since]}

    def happens(self, words: str) -> None:
        self.log.append({"number": len(self.log) + 1, "words": words})


async def next_status(stream: AsyncIterator[ServerSentEvent]) -> list[str]:
    """What comes until a status or an error, by name or words."""
    found = []
    while True:
        each = await anext(stream)
        data = json.loads(each.data)
        found.append(data["words"] if each.event == "happened" else str(each.event))
        if each.event in ("status", "error"):
            return found


def test_a_viewer_gets_what_happened_since_it_came() -> None:
    daemon = Daemon()
    daemon.happens("before")

    async def go() -> None:
        stream = Live(daemon, 0.001).stream()  # type: ignore[arg-type]
        assert await next_status(stream) == ["status"]
        daemon.happens("one")
        daemon.happens("two")
        assert await next_status(stream) == ["one", "two", "status"]
        daemon.away = True
        assert await next_status(stream) == ["error"]
        daemon.away, daemon.start, daemon.log = False, 2.0, []
        daemon.happens("again")
        assert await next_status(stream) == ["again", "status"]

    asyncio.run(go())


def test_many_viewers_are_one_question() -> None:
    daemon = Daemon()

    async def go() -> None:
        looks = Live(daemon, 3600.0)  # type: ignore[arg-type]
        streams = [looks.stream() for _ in range(live.MOST_VIEWERS)]
        for each in await asyncio.gather(*map(next_status, streams)):
            assert each == ["status"]
        assert daemon.asked == 1
        with pytest.raises(HTTPException):
            looks.require_room()
        await streams[0].aclose()  # type: ignore[attr-defined]
        looks.require_room()

    asyncio.run(go())


def test_a_viewer_that_goes_takes_no_answer_from_the_others() -> None:
    daemon, answers = Daemon(), threading.Event()
    status = daemon.status

    def waits() -> dict[str, Any]:
        assert answers.wait(30)
        return status()

    daemon.status = waits  # type: ignore[method-assign]

    async def go() -> None:
        looks = Live(daemon, 3600.0)  # type: ignore[arg-type]
        goes, stays = (asyncio.ensure_future(next_status(looks.stream())) for _ in range(2))
        while looks._viewers < 2:
            await asyncio.sleep(0)
        goes.cancel()
        await asyncio.wait([goes])
        answers.set()
        assert await stays == ["status"]
        assert daemon.asked == 1

    asyncio.run(go())


def test_a_viewer_that_is_behind_misses_no_event() -> None:
    daemon = Daemon()

    async def go() -> None:
        looks = Live(daemon, 0.001)  # type: ignore[arg-type]
        slow, quick = looks.stream(), looks.stream()
        await next_status(slow)
        for number in range(5):
            daemon.happens(str(number))
            while str(number) not in await next_status(quick) and number:
                pass
        assert await next_status(slow) == ["0", "1", "2", "3", "4", "status"]

    asyncio.run(go())


@contextmanager
def viewer(path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(60)
        client.connect(str(path))
        client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: d\r\n\r\n")
        yield client


def read_status(client: socket.socket) -> None:
    got = b""
    while b"event: status" not in got:
        more = client.recv(65536)
        assert more
        got += more


def test_a_client_that_reads_may_stay_and_the_end_does_not_wait(
    client: ControlClient, api_path: Path
) -> None:
    loop = JumpingLoop()
    sock = listen(api_path, None)
    app = create_app(client, __version__)
    with sock, viewer(api_path) as looks:
        with ApiServer(app, sock, make_loop=lambda: loop):
            for jump in (31.0, 62.0, 93.0):
                read_status(looks)
                loop.call_soon_threadsafe(setattr, loop, "later_s", jump)
            read_status(looks)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        while looks.recv(65536):
            pass


def waits_to_be_read(connection: Any) -> bool:  # noqa: ANN401 - of uvicorn
    # Asked from another thread: from Python 3.12 on it counts parts, which may change meanwhile.
    with suppress(RuntimeError):
        return bool(connection.transport.get_write_buffer_size())
    return False


def test_a_client_that_does_not_read_is_disconnected(
    client: ControlClient, api_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = JumpingLoop()
    sock = listen(api_path, None)
    monkeypatch.setattr(live, "json_text", lambda value: "x" * 2_000_000)
    app = create_app(client, __version__)
    with sock, ApiServer(app, sock, make_loop=lambda: loop) as api, viewer(api_path):
        connections = api._server.server_state.connections
        deadline = time.monotonic() + 30
        while not any(map(waits_to_be_read, list(connections))):
            assert time.monotonic() < deadline
        loop.call_soon_threadsafe(setattr, loop, "later_s", 31.0)
        while connections:
            assert time.monotonic() < deadline

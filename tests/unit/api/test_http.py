"""The API's server: clients that are slow or send no HTTP, and how fast it ends."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api import protocol
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.control.client import ControlClient
from mmscand.control.unix_socket import listen
from support.jumping_loop import JumpingLoop


@contextmanager
def connected(path: Path, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(sent)
        yield client


WHOLE = b"GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n"
HALF = b"PATCH /v1/knobs HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        HALF + b"Content-Length: 9\r\n\r\n{",
        b"GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n",
    ],
    ids=["silent", "half a line", "half a body", "kept alive"],
)
def test_stop_does_not_wait_for_clients(client: ControlClient, api_path: Path, sent: bytes) -> None:
    sock = listen(api_path, None)
    with sock, connected(api_path, sent) as other:
        with ApiServer(create_app(client, __version__), sock), connected(api_path) as last:
            read_answer(last)  # by now the server knows the other client too
            begin = time.monotonic()
        assert time.monotonic() - begin < 1
        answer = other.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200") if sent == WHOLE else answer == b""


def test_garbage_harms_nobody(
    api: ApiServer, api_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(api_path, b"\0\xff\r\n\r\n") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    with connected(api_path) as client:
        read_answer(client)
    assert capfd.readouterr() == ("", "")


def answer(client: socket.socket) -> tuple[bytes, dict[str, str]]:
    """The first line, and the body; until the server hangs up."""
    head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    assert b"application/json" in head
    return head.partition(b"\r\n")[0], json.loads(body)


def test_what_is_no_http_is_refused_as_everything_is(api: ApiServer, api_path: Path) -> None:
    for sent in (b"\0\xff\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"HELLO\r\n\r\n"):
        with connected(api_path, sent) as client:
            line, error = answer(client)
        assert line.startswith(b"HTTP/1.1 400")
        assert error.keys() == {"error", "hint"}


@pytest.mark.parametrize("sent", [b"", b"GET", HALF + b"Content-Length: 9\r\n\r\n{", WHOLE + b"G"])
def test_a_request_that_never_comes_is_not_waited_for(
    client: ControlClient, api_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "_MOST_S", 0.05)
    sock = listen(api_path, None)
    with sock, ApiServer(create_app(client, __version__), sock), connected(api_path, sent) as other:
        got = other.makefile("rb").read()  # it ends, as the server hangs up
    assert (b"HTTP/1.1 408" in got) is bool(sent)
    assert (b"the request took too long" in got) is bool(sent)


def read_answer(client: socket.socket) -> None:
    """To a request on a connection that stays."""
    client.sendall(WHOLE)
    with HTTPResponse(client) as response:
        response.begin()
        assert json.loads(response.read())["running"]


def test_the_time_for_a_request_begins_again_and_ends_with_the_client(
    api: ApiServer, api_path: Path
) -> None:
    connections = api._server.server_state.connections
    with connected(api_path) as client:
        read_answer(client)
        (protocol,) = connections
        first = protocol._limit
        for _ in range(3):  # an answer may be here before its end is noted there
            read_answer(client)
        assert first.cancelled()
        assert not protocol._limit.cancelled()
    deadline = time.monotonic() + 10
    while protocol in connections:
        assert time.monotonic() < deadline
    assert protocol._limit.cancelled()


def test_what_fails_between_requests_prints_nothing(
    api: ApiServer, api_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert api._server._loop is not None
    api._server._loop.call_soon_threadsafe(lambda: 1 / 0)
    with connected(api_path) as client:
        read_answer(client)
    assert caplog.records == []  # the interpreter prints these on standard error


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline


def push(client: socket.socket) -> None:
    """Send as much as the server takes without a wait, of 10 MB."""
    client.setblocking(False)
    with suppress(BlockingIOError):
        for _ in range(1000):
            client.send(b"x" * 10_000)
    client.settimeout(20)


def test_many_bad_clients_disturb_nobody_and_are_gone_after_30_s(
    client: ControlClient, api_path: Path
) -> None:
    loop = JumpingLoop()
    sock = listen(api_path, None)
    large = b"Content-Length: 10000000\r\n\r\n"
    description = b"GET /openapi.json HTTP/1.1\r\nHost: d\r\n\r\n"
    app = create_app(client, __version__)
    with sock, ApiServer(app, sock, make_loop=lambda: loop) as api, ExitStack() as opened:
        connections = api._server.server_state.connections
        bad = [
            opened.enter_context(connected(api_path, sent))
            for sent in [b"GET /v1", HALF] * 50 + [HALF + large + b"x" * 1000] * 10
        ]
        readers = [opened.enter_context(connected(api_path, description * 20)) for _ in range(10)]
        for each in bad[100:]:
            push(each)
            assert each.recv(65536).startswith(b"HTTP/1.1 413")
        for _ in range(3):
            with connected(api_path) as good:
                read_answer(good)
        assert len(connections) >= 100 + len(readers)
        loop.call_soon_threadsafe(setattr, loop, "later_s", 31.0)
        wait_until(lambda: not connections)
        for each in bad[:100]:
            assert each.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_body_that_goes_on_behind_its_answer_is_not_read(
    api: ApiServer, api_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_LINGER_S", 0.05)
    large = b"Content-Length: 100000000\r\n\r\n"
    with connected(api_path, HALF + large) as client:
        sent = 0
        with suppress(OSError):  # it is hung up on
            while True:
                sent += client.send(b"x" * 10_000)
        assert sent < 10_000_000


def test_a_small_body_behind_its_answer_keeps_the_connection(
    api: ApiServer, api_path: Path
) -> None:
    head = b"PATCH /none HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\n"
    with connected(api_path, head) as client:
        got = b""
        while not got.endswith(b"}"):
            got += client.recv(65536)
        assert got.startswith(b"HTTP/1.1 404")
        client.sendall(b"x" * 9)
        read_answer(client)


def test_of_too_many_clients_the_one_that_waits_longest_makes_room(
    api: ApiServer, api_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_MOST_CONNECTIONS", 4)
    with ExitStack() as opened:
        clients = [opened.enter_context(connected(api_path, b"GET")) for _ in range(6)]
        for each in clients[:2]:
            with suppress(ConnectionResetError):  # where it was not read yet
                assert each.recv(1) == b""
        clients[2].sendall(WHOLE[3:])
        assert clients[2].recv(65536).startswith(b"HTTP/1.1 200")

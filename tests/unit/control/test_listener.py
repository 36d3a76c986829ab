"""The socket and the lock: who may use it, what is left, and how fast it ends."""

import grp
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest

from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.errors import MachineCannot, MmscandError, UsageError
from support.fake_daemon import FakeDaemon

HOLDER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from mmscand.control.listener import ControlServer
from mmscand.settings_store import SettingsStore
server = ControlServer(SimpleNamespace(settings=SettingsStore()), "1", Path(sys.argv[1]))
server.start()
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def another_daemon(path: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@contextmanager
def connected(path: Path, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(sent)
        yield client


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_accepts_when_start_returns_and_leaves_nothing(
    daemon: FakeDaemon, socket_path: Path
) -> None:
    server = ControlServer(daemon, "1", socket_path)
    for _ in range(2):
        server.start()
        server.start()
        assert ControlClient(socket_path).status()["running"]
        server.stop()
        server.stop()
        assert list(socket_path.parent.iterdir()) == []


def test_only_its_owner_may_use_it_whatever_the_umask(
    daemon: FakeDaemon, socket_path: Path
) -> None:
    before = os.umask(0)
    try:
        server = ControlServer(daemon, "1", socket_path)
        server.start()
        assert mode(socket_path) == 0o600
        server.stop()
    finally:
        os.umask(before)


def test_a_group_may_use_it_too(daemon: FakeDaemon, socket_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[-1] if os.getuid() else grp.getgrnam("adm").gr_gid)
    server = ControlServer(daemon, "1", socket_path, group=group.gr_name)
    server.start()
    assert (mode(socket_path), socket_path.stat().st_gid) == (0o660, group.gr_gid)
    server.stop()


def test_a_second_daemon_is_told_which_one_runs(daemon: FakeDaemon, socket_path: Path) -> None:
    with another_daemon(socket_path) as holder:
        with pytest.raises(MmscandError) as refused:
            ControlServer(daemon, "1", socket_path).start()
        words = f"mmscand already runs as pid {holder.pid} on {socket_path} since 20"
        assert refused.value.message.startswith(words)
        assert refused.value.exit_code == 1
        assert ControlClient(socket_path).knobs()


def test_a_daemon_that_was_killed_is_no_obstacle(daemon: FakeDaemon, socket_path: Path) -> None:
    with another_daemon(socket_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert socket_path.exists()
        server = ControlServer(daemon, "1", socket_path)
        server.start()
        assert ControlClient(socket_path).status()["pid"] == os.getpid()
        server.stop()


def test_a_lock_without_words_is_a_daemon_that_just_starts(
    daemon: FakeDaemon, socket_path: Path
) -> None:
    with another_daemon(socket_path):
        Path(f"{socket_path}.lock").write_text("")
        with pytest.raises(
            MmscandError, match="already runs and is just starting, or another program"
        ):
            ControlServer(daemon, "1", socket_path).start()


def test_another_programs_socket_is_left_alone(daemon: FakeDaemon, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(socket_path))
        other.listen()
        with pytest.raises(MmscandError, match="another program listens"):
            ControlServer(daemon, "1", socket_path).start()
    assert [path.name for path in socket_path.parent.iterdir()] == [socket_path.name]


def test_a_file_at_the_path_is_left_alone(daemon: FakeDaemon, socket_path: Path) -> None:
    socket_path.write_text("precious")
    with pytest.raises(UsageError, match="is no socket"):
        ControlServer(daemon, "1", socket_path).start()
    assert socket_path.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "group", "kind", "words"),
    [
        ("s", "nobody-has-this-group", UsageError, "no group"),
        ("x" * 120, None, UsageError, "too long"),
        ("missing/s", None, MachineCannot, "No such file"),
    ],
)
def test_a_start_that_fails_says_why_and_leaves_nothing(
    daemon: FakeDaemon,
    tmp_path: Path,
    name: str,
    group: str | None,
    kind: type[MmscandError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words) as refused:
        ControlServer(daemon, "1", tmp_path / name, group=group).start()
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []


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
def test_stop_does_not_wait_for_clients(
    server: ControlServer, socket_path: Path, sent: bytes
) -> None:
    with connected(socket_path, sent) as client:
        ControlClient(socket_path).status()  # by now the server knows the other client too
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200") if sent == WHOLE else answer == b""
    assert list(socket_path.parent.iterdir()) == []


def test_garbage_harms_nobody(
    server: ControlServer, socket_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(socket_path, b"\0\xff\r\n\r\n") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    assert ControlClient(socket_path).status()["running"]
    assert capfd.readouterr() == ("", "")


def answer(client: socket.socket) -> tuple[bytes, dict[str, str]]:
    """The first line, and the body; until the server hangs up."""
    head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    assert b"application/json" in head
    return head.partition(b"\r\n")[0], json.loads(body)


def test_what_is_no_http_is_refused_as_everything_is(
    server: ControlServer, socket_path: Path
) -> None:
    for sent in (b"\0\xff\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"HELLO\r\n\r\n"):
        with connected(socket_path, sent) as client:
            line, error = answer(client)
        assert line.startswith(b"HTTP/1.1 400")
        assert error.keys() == {"error", "hint"}


@pytest.mark.parametrize("sent", [b"", b"GET", HALF + b"Content-Length: 9\r\n\r\n{", WHOLE + b"G"])
def test_a_request_that_never_comes_is_not_waited_for(
    daemon: FakeDaemon, socket_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    from mmscand.control import protocol

    monkeypatch.setattr(protocol, "_MOST_S", 0.05)
    server = ControlServer(daemon, "1", socket_path)
    server.start()
    try:
        with connected(socket_path, sent) as client:
            got = client.makefile("rb").read()  # it ends, as the server hangs up
        assert (b"HTTP/1.1 408" in got) is bool(sent)
        assert (b"the request took too long" in got) is bool(sent)
    finally:
        server.stop()


def read_answer(client: socket.socket) -> None:
    """To a request on a connection that stays."""
    client.sendall(WHOLE)
    with HTTPResponse(client) as response:
        response.begin()
        assert json.loads(response.read())["running"]


def test_the_time_for_a_request_begins_anew_and_ends_with_the_client(
    server: ControlServer, socket_path: Path
) -> None:
    assert server._running is not None
    connections = server._running._server.server_state.connections
    with connected(socket_path) as client:
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
    server: ControlServer, socket_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = server._running
    assert running is not None
    assert running._server._loop is not None
    running._server._loop.call_soon_threadsafe(lambda: 1 / 0)
    assert ControlClient(socket_path).status()["running"]
    assert caplog.records == []  # the interpreter prints these on standard error


def test_a_thread_that_has_ended_is_trouble(server: ControlServer) -> None:
    assert server.trouble() == ""
    running = server._running
    assert running is not None
    running._server.end()
    running._thread.join(10)
    assert server.trouble() == "thread mmscand-control has ended"
    server.stop()
    assert server.trouble() == ""


def test_a_bug_leaves_the_lock_file_readable(server: ControlServer, socket_path: Path) -> None:
    holder = json.loads(Path(f"{socket_path}.lock").read_text())
    assert (holder["pid"], holder["serves"]) == (os.getpid(), str(socket_path))

"""The socket's own protocol: clients that are wrong, slow or many harm nobody else."""

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.cli.app import main
from mmscand.control.answers import Answers
from mmscand.control.client import ControlClient
from mmscand.control.connection import IDLE_S, Connection
from mmscand.control.listener import ControlServer
from mmscand.control.server import MAX_CLIENTS, LineServer
from mmscand.control.unix_socket import listen
from mmscand.errors import MmscandError
from support.fake_daemon import FakeDaemon
from support.sim_daemon import Recorder, running, tiers

STATUS = b'{"ask": "status"}\n'


@contextlib.contextmanager
def connected(path: Path, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(60)
        client.connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # refused before it was all sent
            client.sendall(sent)
        yield client


def lines(client: socket.socket) -> list[Any]:
    """All answers, until the server hangs up."""
    got = b""
    with contextlib.suppress(ConnectionResetError):  # it has not read all that was sent
        while data := client.recv(1 << 20):
            got += data
    return [json.loads(line) for line in got.splitlines()]


def ask(path: Path, request: object) -> dict[str, Any]:
    with connected(path, json.dumps(request).encode() + b"\n") as client:
        answer: dict[str, Any] = json.loads(client.makefile("rb").readline())
        return answer


def test_an_answer_has_the_version_and_the_data(server: ControlServer, socket_path: Path) -> None:
    answer = ask(socket_path, {"ask": "status"})
    assert (answer["version"], answer["data"]["processes"]) == (__version__, 2)
    assert ask(socket_path, {"ask": "disable"})["data"] == {"enabled": False}


@pytest.mark.parametrize(
    ("request_", "cause", "words"),
    [
        ({}, "usage", "None is nothing to ask for"),
        ({"ask": ["status"]}, "usage", "is nothing to ask for"),
        ({"ask": "sttaus"}, "usage", "'sttaus' is nothing to ask for"),
        ({"ask": "status", "verbose": 1}, "usage", "status: 'verbose' is missing or unknown"),
        ({"ask": "process"}, "usage", "process: 'pid' is missing or unknown"),
        ({"ask": "process", "pid": "7"}, "usage", "pid: '7' is text, give a whole number"),
        ({"ask": "process", "pid": True}, "usage", "pid: true is a truth value"),
        ({"ask": "process", "pid": 10**30}, "not there", "there is no process 1000"),
        ({"ask": "knob", "name": "x"}, "not there", "no knob 'x'"),
        ({"ask": "knob", "name": 3}, "usage", "name: 3 is a whole number, give text"),
        ({"ask": "set", "values": [1]}, "usage", "values: [1] is a list, give a table"),
        ({"ask": "set", "values": {"hot_passes": 9}}, "usage", "hot_passes: 9 is not allowed"),
        ({"ask": "reset", "nmaes": ["x"]}, "usage", "reset: 'nmaes' is missing or unknown"),
        ({"ask": "reset", "names": "hot_passes"}, "usage", "names: 'hot_passes' is text"),
        ({"ask": "reset", "names": ["x"]}, "not there", "no knob 'x'"),
        ({"ask": "status", "version": 3}, "failed", f"3, the daemon is {__version__}"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_changes_nothing(
    daemon: FakeDaemon,
    server: ControlServer,
    socket_path: Path,
    request_: object,
    cause: str,
    words: str,
) -> None:
    daemon.settings.change({"hot_passes": 5})
    error = ask(socket_path, request_)["error"]
    assert (error["cause"], words in error["message"]) == (cause, True), error
    assert daemon.settings.current.hot_passes == 5


@pytest.mark.parametrize("sent", [b"[]", b"3", b"{", b"\xff\xfe", b"", b"[" * 60_000, b"9" * 5000])
def test_what_is_no_object_ends_the_connection(
    server: ControlServer, socket_path: Path, sent: bytes
) -> None:
    with connected(socket_path, sent + b"\n" + STATUS) as client:
        (answer,) = lines(client)
    assert answer["error"]["cause"] == "usage"
    assert answer["error"]["message"].startswith("the line is no JSON object")
    assert ControlClient(socket_path).status()


def test_a_client_that_speaks_http_learns_where_to_go(
    server: ControlServer, socket_path: Path
) -> None:
    with connected(socket_path, b"GET /v1/status HTTP/1.1\r\nHost: d\r\n\r\n") as client:
        (answer,) = lines(client)
    assert "the HTTP API is served by mmscand-api" in answer["error"]["message"]


def test_a_line_of_ten_megabytes_is_refused_unread(
    server: ControlServer, socket_path: Path
) -> None:
    with connected(socket_path, b'{"ask": "' + b"x" * 10_000_000) as client:
        (answer,) = lines(client)
    assert answer["error"]["message"] == "the line is larger than 64 KiB"
    with pytest.raises(MmscandError, match="the line is larger than 64 KiB"):
        ControlClient(socket_path).change({"profile": "x" * 1_000_000})


def test_a_line_may_come_in_pieces_and_several_at_once(
    server: ControlServer, socket_path: Path
) -> None:
    with connected(socket_path) as client:
        answers = client.makefile("rb")
        for piece in (STATUS[:1], STATUS[1:9], STATUS[9:] + STATUS + STATUS[:5]):
            client.sendall(piece)
        assert all("data" in json.loads(answers.readline()) for _ in range(2))
        client.sendall(STATUS[5:])
        assert "data" in json.loads(answers.readline())


def test_a_slow_reader_holds_one_answer_and_nobody_up(
    daemon: FakeDaemon, server: ControlServer, socket_path: Path
) -> None:
    daemon.pids = tuple(range(1, 3000))
    asked = 0
    with connected(socket_path) as slow:
        slow.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while asked < 1_000_000:
                asked += slow.send(b'{"ask": "processes"}\n') // 21
        assert asked < 1_000_000, "the server reads on, though no answer was taken"
        assert ControlClient(socket_path).status()["processes"] == 2999
        slow.settimeout(60)
        assert len(json.loads(slow.makefile("rb").readline())["data"]["processes"]) == 2999


def test_answers_come_whole_and_in_order_whatever_the_pace(daemon: FakeDaemon) -> None:
    daemon.pids = tuple(range(1, 3000))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(theirs, Answers(daemon, __version__), 0.0)
        assert connection.events == selectors.EVENT_READ
        ours.sendall(b'{"ask": "processes"}\n' * 2 + STATUS)
        got = b""
        while got.count(b"\n") < 3:
            assert connection.serve(0.0)
            got += ours.recv(50_000)
        assert connection.events == selectors.EVENT_READ
    sizes = [len(json.loads(line)["data"].get("processes", "")) for line in got.splitlines()[:2]]
    assert sizes == [2999, 2999]


def test_of_a_hundred_clients_some_are_asked_to_try_again(
    server: ControlServer, socket_path: Path
) -> None:
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(connected(socket_path)) for _ in range(MAX_CLIENTS)]
        for _ in range(100 - MAX_CLIENTS):
            with connected(socket_path) as one_more:
                (answer,) = lines(one_more)
                assert answer["error"]["message"] == f"{MAX_CLIENTS} clients are connected"
        for client in clients:
            client.sendall(STATUS)
            assert b'"data"' in client.makefile("rb").readline()
    assert ControlClient(socket_path).status()


class Served:
    """A server on a thread of the test, in time that the test sets."""

    def __init__(self, daemon: FakeDaemon, path: Path) -> None:
        self.now_s = 100.0
        self.path = path
        self.server = LineServer(
            listen(path, None), Answers(daemon, __version__), lambda: self.now_s
        )
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> "Served":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.end()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.server.close()

    def turn(self) -> None:
        """By its answer the server has looked at the clock."""
        ControlClient(self.path).status()
        ControlClient(self.path).status()


@pytest.mark.parametrize("sent", [b"", STATUS[:7], STATUS], ids=["silent", "half a line", "done"])
def test_a_client_that_is_idle_is_hung_up_on(
    daemon: FakeDaemon, socket_path: Path, sent: bytes
) -> None:
    with Served(daemon, socket_path) as served, connected(socket_path, sent) as client:
        served.turn()
        served.now_s += IDLE_S - 1
        served.turn()
        client.setblocking(False)
        if sent == STATUS:
            assert client.recv(65536)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        served.now_s += 2
        served.turn()
        assert client.recv(1) == b""


def test_time_begins_again_with_each_request_but_not_with_each_byte(
    daemon: FakeDaemon, socket_path: Path
) -> None:
    with (
        Served(daemon, socket_path) as served,
        connected(socket_path) as asks,
        connected(socket_path) as drips,
    ):
        for at in range(3):
            asks.sendall(STATUS)
            assert b'"data"' in asks.recv(65536)
            drips.send(STATUS[at : at + 1])
            served.turn()
            served.now_s += IDLE_S / 3
        served.turn()
        assert drips.recv(1) == b""
        asks.sendall(STATUS)
        assert b'"data"' in asks.recv(65536)


def test_without_descriptors_it_waits_and_does_not_spin(
    daemon: FakeDaemon, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    accept = socket.socket.accept

    def full(self: socket.socket) -> tuple[socket.socket, object]:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(24, "Too many open files")
        return accept(self)

    served = Served(daemon, socket_path)
    with served, connected(socket_path) as first:
        first.sendall(STATUS)
        assert b'"data"' in first.recv(65536)
        monkeypatch.setattr(socket.socket, "accept", full)
        with connected(socket_path, STATUS) as second:
            while not tries:
                first.sendall(STATUS)
                first.recv(65536)
            served.now_s += 2
            first.sendall(STATUS)
            assert b'"data"' in second.recv(65536)
    assert len(tries) == 2


NOBODY = """
import os, sys
from mmscand.cli.app import main
asks = ["status", "--socket", sys.argv[1]]
assert main(asks) == 0  # all is imported now: root's Python may be readable for root alone
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main(asks))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_without_the_right_learns_which_users_have_it(
    server: ControlServer, socket_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, str(socket_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        3,
        f"mmscand: not allowed to use {socket_path}: only root may; run as one of these\n",
    )


def test_a_daemon_that_runs_can_be_asked(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its snapshots have numbers of numpy, which JSON has not."""
    world, recorder = tiers(), Recorder()
    with running(world.machine, recorder) as daemon:
        recorder.wait_for_promoted(world.process, 0)
        server = ControlServer(daemon, __version__, socket_path)  # type: ignore[arg-type]
        server.start()
        try:
            for command in ("status", "ps", f"ps {world.process.process.pid}"):
                assert main([*command.split(), "--json", "--socket", str(socket_path)]) == 0
                assert json.loads(capsys.readouterr().out)
        finally:
            server.stop()

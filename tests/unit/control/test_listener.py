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
from pathlib import Path

import pytest

from mmscand import __version__
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
from mmscand import __version__
server = ControlServer(SimpleNamespace(settings=SettingsStore()), __version__, Path(sys.argv[1]))
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
        client.settimeout(60)
        client.connect(str(path))
        client.sendall(sent)
        yield client


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_accepts_when_start_returns_and_leaves_nothing(
    daemon: FakeDaemon, socket_path: Path
) -> None:
    server = ControlServer(daemon, __version__, socket_path)
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
        server = ControlServer(daemon, __version__, socket_path)
        server.start()
        assert mode(socket_path) == 0o600
        server.stop()
    finally:
        os.umask(before)


def test_a_group_may_use_it_too(daemon: FakeDaemon, socket_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[-1] if os.getuid() else grp.getgrnam("adm").gr_gid)
    server = ControlServer(daemon, __version__, socket_path, group=group.gr_name)
    server.start()
    assert (mode(socket_path), socket_path.stat().st_gid) == (0o660, group.gr_gid)
    server.stop()


def test_a_second_daemon_learns_which_one_runs(daemon: FakeDaemon, socket_path: Path) -> None:
    with another_daemon(socket_path) as holder:
        with pytest.raises(MmscandError) as refused:
            ControlServer(daemon, __version__, socket_path).start()
        words = f"mmscand already runs as pid {holder.pid} on {socket_path} since 20"
        assert refused.value.message.startswith(words)
        assert refused.value.exit_code == 1
        assert ControlClient(socket_path).knobs()


def test_a_daemon_that_was_killed_is_no_obstacle(daemon: FakeDaemon, socket_path: Path) -> None:
    with another_daemon(socket_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert socket_path.exists()
        server = ControlServer(daemon, __version__, socket_path)
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
            ControlServer(daemon, __version__, socket_path).start()


def test_another_programs_socket_is_left_alone(daemon: FakeDaemon, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(socket_path))
        other.listen()
        with pytest.raises(MmscandError, match="another program listens"):
            ControlServer(daemon, __version__, socket_path).start()
    assert [path.name for path in socket_path.parent.iterdir()] == [socket_path.name]


def test_a_file_at_the_path_is_left_alone(daemon: FakeDaemon, socket_path: Path) -> None:
    socket_path.write_text("precious")
    with pytest.raises(UsageError, match="is no socket"):
        ControlServer(daemon, __version__, socket_path).start()
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
        ControlServer(daemon, __version__, tmp_path / name, group=group).start()
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sent", [b"", b'{"ask', b'{"ask": "status"}\n'])
def test_stop_does_not_wait_for_clients(
    server: ControlServer, socket_path: Path, sent: bytes
) -> None:
    with connected(socket_path, sent) as client:
        ControlClient(socket_path).status()  # by now the server knows the other client too
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1
        answer = client.makefile("rb").read()
        assert b'"data"' in answer if sent.endswith(b"\n") else answer == b""
    assert list(socket_path.parent.iterdir()) == []


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

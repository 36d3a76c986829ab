"""A daemon of another version, or another service, on the socket."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.cli.app import main
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.errors import MmscandError
from support.fake_daemon import FakeDaemon

COMMANDS = [
    *("status", "ps", "ps 7", "get", "get hot_passes", "set hot_passes=2", "reset"),
    *("enable", "disable", "reload", "config diff /dev/null"),
]


@contextmanager
def answering(path: Path, answer: object) -> Iterator[None]:
    """Any request with the same line."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            line = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.wfile.write(line + b"\n")

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def complaint(command: str, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*command.split(), "--socket", str(path)]) == 1
    out, line = capsys.readouterr()
    assert (out, line.count("\n")) == ("", 1)
    return line


def of(data: object, version: str = __version__) -> dict[str, Any]:
    return {"version": version, "data": data}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_daemon_of_another_version_is_named_and_does_nothing(
    daemon: FakeDaemon, socket_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    server = ControlServer(daemon, "0.0.7", socket_path)
    before = daemon.settings.current
    server.start()
    try:
        line = complaint(command, socket_path, capsys)
    finally:
        server.stop()
    assert line == f"mmscand: this is mmscand {__version__}, the daemon is 0.0.7: restart it\n"
    assert (daemon.settings.current, daemon.enabled, daemon.reloads) == (before, True, 0)


def test_a_daemon_that_does_not_look_at_versions_is_named_too(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(socket_path, of({"enabled": True}, "0.0.7\x1b")):
        line = complaint("enable", socket_path, capsys)
    assert "the daemon is 0.0.7\\x1b: restart it" in line


def test_a_client_of_another_version_learns_so_too(
    server: ControlServer, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmscand.control.client.__version__", "9.9")
    with pytest.raises(MmscandError, match=f"this is mmscand 9.9, the daemon is {__version__}"):
        ControlClient(socket_path).enable()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"processes": [{"pid": 7}], "knobs": [{}], "values": 3, "changed": [1]},
        {"processes": [7], "knobs": 1, "pid": "7", "name": 5, "values": [], "enabled": ""},
        {"enabled": True, "version": "1", "budget": [7]},
        {"processes": [], "left_alone": ["app"], "budget": None},
        {"processes": [], "left_alone": [], "budget": "none"},
    ],
)
def test_other_code_under_the_same_version_is_one_line(
    socket_path: Path, capsys: pytest.CaptureFixture[str], command: str, data: object
) -> None:
    if command in ("enable", "disable") and isinstance(data, dict) and data.get("enabled"):
        return  # these need no more
    with answering(socket_path, of(data)):
        line = complaint(command, socket_path, capsys)
    assert "restart it, it answers otherwise" in line


def test_what_a_process_is_called_may_be_anything(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [{"pid": 7, "name": 1.5, "why": ["x"]}, {"pid": "8", "name": None, "why": "\x1b"}]
    data = {"processes": [], "left_alone": alone, "budget": None}
    with answering(socket_path, of(data)):
        assert main(["ps", "--socket", str(socket_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["1.5[7]: ['x']", "None[8]: \\x1b"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "answer",
    [{}, [], "text", b"<html>", b"HTTP/1.1 400 Bad Request", b"", b"[" * 9999, {"version": 3}],
)
def test_another_service_is_not_taken_for_a_daemon(
    socket_path: Path, capsys: pytest.CaptureFixture[str], command: str, answer: object
) -> None:
    with answering(socket_path, answer):
        line = complaint(command, socket_path, capsys)
    assert "is not mmscand, or was stopped just now" in line

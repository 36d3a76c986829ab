"""A daemon of another version, or another service, on the socket."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.cli.app import main

COMMANDS = [
    *("status", "ps", "ps 7", "get", "get hot_passes", "set hot_passes=2", "reset"),
    *("enable", "disable", "reload"),
]


@contextmanager
def answering(path: Path, answers: dict[str, Any], code: int = 200) -> Iterator[None]:
    """Any request by the last part of its path; '*' is the rest."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            name = self.path.rpartition("/")[2]
            found = answers.get(name, answers["*"])
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(200 if name in answers else code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PATCH = do_POST = do_DELETE = answer  # noqa: N815 - their names

        def address_string(self) -> str:
            return ""

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up first is no complaint of the command."""

    with Server(str(path), Handler) as server:
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


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ({}, 200),
        ({"processes": [{"pid": 7}], "knobs": [{}], "values": 3, "changed": [1]}, 200),
        ({"processes": [7], "knobs": 1, "pid": "7", "name": 5, "values": [], "enabled": ""}, 200),
        ({"error": "GET /v1/x: Not Found", "hint": ""}, 404),
        ({"detail": "Not Found"}, 404),
    ],
)
def test_a_daemon_of_another_version_is_named(
    socket_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    rest: dict[str, object],
    code: int,
) -> None:
    if "error" in rest:
        method = {"s": "PATCH", "e": "POST", "d": "POST"}.get(command[0], "GET")
        method = {"reset": "DELETE", "reload": "POST", "status": "GET"}.get(command, method)
        rest = {**rest, "error": f"{method} /v1/x: Not Found"}
    with answering(socket_path, {"status": {"version": "0.0.7"}, "*": rest}, code):
        line = complaint(command, socket_path, capsys)
    assert line == (
        f"mmscand: the daemon on {socket_path} is version 0.0.7, this is {__version__}: "
        "restart it\n"
    )


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("status", {"budget": [7]}),
        ("ps", {"budget": "none"}),
        ("ps", {"left_alone": ["app"]}),
        ("ps", {"left_alone": None}),
    ],
)
def test_a_part_of_another_kind_is_another_version(
    socket_path: Path, capsys: pytest.CaptureFixture[str], command: str, part: dict[str, object]
) -> None:
    whole = {"processes": [], "left_alone": [], "budget": None}
    status = {"version": "0.0.7", "enabled": True, **part}
    with answering(socket_path, {"status": status, "*": {**whole, **part}}):
        assert "is version 0.0.7, this is" in complaint(command, socket_path, capsys)


def test_what_a_process_is_called_may_be_anything(
    socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [{"pid": 7, "name": 1.5, "why": ["x"]}, {"pid": "8", "name": None, "why": "\x1b"}]
    answer = {"processes": [], "left_alone": alone, "budget": None}
    with answering(socket_path, {"*": answer}):
        assert main(["ps", "--socket", str(socket_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["1.5[7]: ['x']", "None[8]: \\x1b"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "answer", [{}, [], "text", b"<html>", b"", b"[" * 9999, {"status": "ok", "version": 3}]
)
def test_another_service_is_not_taken_for_a_daemon(
    socket_path: Path, capsys: pytest.CaptureFixture[str], command: str, answer: object
) -> None:
    with answering(socket_path, {"*": answer}, 200):
        line = complaint(command, socket_path, capsys)
    assert "is not mmscand, or was stopped just now" in line

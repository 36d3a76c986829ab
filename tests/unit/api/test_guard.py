"""Who may do what over TCP, called directly and over a real socket."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.datastructures import Headers

from mmscand import __version__
from mmscand.api.guard import Rights
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.client import ControlClient
from support.fake_daemon import FakeDaemon

TOKEN = "0123456789abcdef"
BEARER = f"Bearer {TOKEN}"
HERE = "127.0.0.1:9807"


def status(rights: Rights, method: str, *, tcp: bool = True, **headers: str) -> int:
    """The status code of the refusal; 200 for none."""
    found = rights.refusal(method, Headers({"host": HERE} | headers), tcp=tcp)
    return found.status if found else 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9807", 200),
        ("[::1]:9807", 200),
        ("[::1]", 200),
        ("LocalHost:1", 200),
        ("box.example", 200),
        ("evil.example", 403),
        ("evil.example:9807", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
def test_a_name_that_others_can_make_lead_here_is_refused(host: str, code: int) -> None:
    rights = Rights(names=["Box.example"])
    assert status(rights, "GET", host=host) == code
    assert status(rights, "GET", host=host, tcp=False) == 200


@pytest.mark.parametrize("tcp", [True, False])
def test_a_page_of_another_server_changes_nothing(tcp: bool) -> None:
    rights = Rights(TOKEN)
    for origin, code in (("http://evil.example", 403), ("null", 403), (f"http://{HERE}", 200)):
        assert status(rights, "POST", tcp=tcp, origin=origin, authorization=BEARER) == code
        assert status(rights, "GET", tcp=tcp, origin=origin) == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "ODD"])
def test_changes_over_tcp_take_a_token(method: str) -> None:
    assert status(Rights(), method) == 403
    assert status(Rights(), method, authorization=BEARER) == 403
    assert status(Rights(), method, tcp=False) == 200
    assert status(Rights(TOKEN), method) == 401
    assert status(Rights(TOKEN), method, authorization=BEARER) == 200
    assert status(Rights(TOKEN), method, authorization=BEARER.replace("B", "b", 1)) == 200
    for wrong in (BEARER + "0", BEARER[:-1], TOKEN, "Bearer", "Bearer \xff", f"Basic {TOKEN}"):
        assert status(Rights(TOKEN), method, authorization=wrong) == 401


def test_reads_take_one_where_other_machines_can_come() -> None:
    assert status(Rights(TOKEN), "GET") == 200
    assert status(Rights(TOKEN), "GET", authorization="Bearer wrong") == 401
    there = Rights(TOKEN, loopback=False)
    assert status(there, "GET") == 401
    assert status(there, "GET", authorization=BEARER) == 200


@contextmanager
def served(client: ControlClient, rights: Rights) -> Iterator[str]:
    sock, bound = listen_tcp(Address("127.0.0.1", 0))
    with sock, ApiServer(create_app(client, __version__, rights), sock):
        yield bound.url


def curl(*words: str) -> tuple[int, dict[str, object]]:
    command = ["curl", "-sS", "-w", "\n%{http_code}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, code = done.stdout.rpartition("\n")
    return int(code), json.loads(body)


def test_over_a_real_socket(client: ControlClient, daemon: FakeDaemon) -> None:
    with served(client, Rights(TOKEN)) as url:
        off = ["-X", "POST", f"{url}/v1/disable"]
        assert curl(f"{url}/v1/status")[0] == 200
        code, answer = curl(*off)
        assert (code, answer.keys()) == (401, {"error", "hint"})
        assert daemon.enabled
        assert curl("-H", f"Authorization: {BEARER}", *off)[0] == 200
        assert not daemon.enabled
        assert curl("-H", "Host: evil.example", f"{url}/v1/status")[0] == 403
    with served(client, Rights()) as url:
        code, answer = curl("-X", "POST", f"{url}/v1/enable")
        assert code == 403
        assert "unix socket" in str(answer["hint"])

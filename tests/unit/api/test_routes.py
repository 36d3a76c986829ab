"""The API as curl sees it: both servers, over real sockets."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand import __version__
from mmscand.api.routes import create_app
from mmscand.api.server import ApiServer
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.control.unix_socket import listen
from mmscand.errors import MachineCannot, MmscandError, UsageError
from support.curl import curl
from support.fake_daemon import FakeDaemon


def test_curl_is_a_client(api: ApiServer, api_path: Path) -> None:
    url = "http://localhost/v1"
    assert curl(api_path, f"{url}/status")[1]["version"] == __version__
    as_json = ["-X", "PATCH", "-H", "Content-Type: application/json"]
    code, answer = curl(api_path, *as_json, "-d", '{"scan_sleep_ms": 3}', f"{url}/knobs")
    assert (code, answer["values"]) == (200, {"scan_sleep_ms": 3})
    code, answer = curl(api_path, "-X", "PATCH", "-d", '{"scan_sleep_ms": 3}', f"{url}/knobs")
    assert (code, "Content-Type" in answer["hint"]) == (422, True)
    assert curl(api_path, "http://localhost/openapi.json")[1]["info"]["title"] == "mmscand"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-X", "DELETE", "http://d/v1/knobs/"], 404),
        (["-X", "DELETE", "http://d/v1/knobs?nmae=hot_passes"], 422),
        (["-X", "PUT", "http://d/v1/knobs"], 405),
        (["-X", "PATCH", "--data-binary", "[" * 70_000, "http://d/v1/knobs"], 413),
        (
            ["-X", "PATCH", "-H", "Content-Type: application/json", "-d", "{", "http://d/v1/knobs"],
            422,
        ),
        (["http://d/docs"], 404),
    ],
)
def test_refusals_have_one_shape_and_change_nothing(
    api: ApiServer, api_path: Path, daemon: FakeDaemon, arguments: list[str], code: int
) -> None:
    daemon.settings.change({"hot_passes": 5})
    got, answer = curl(api_path, *arguments)
    assert (got, answer.keys()) == (code, {"error", "hint"})
    assert daemon.settings.current.hot_passes == 5


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("v1/knobs", "DELETE, GET, PATCH"),
        ("v1/knobs/x", "DELETE, GET"),
        ("v1/reload", "POST"),
        ("openapi.json", "GET"),
    ],
)
def test_a_method_that_is_not_there_learns_which_are(
    api: ApiServer, api_path: Path, path: str, allowed: str
) -> None:
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-i",
            "--unix-socket",
            str(api_path),
            "-X",
            "PUT",
            f"http://d/{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"allow: {allowed}\n" in done.stdout.lower().replace(allowed.lower(), allowed)


def test_whatever_a_process_is_called_it_can_be_encoded(
    daemon: FakeDaemon, api: ApiServer, api_path: Path
) -> None:
    @settings(deadline=None, max_examples=20)
    @given(st.binary(max_size=15).map(os.fsdecode) | st.text(max_size=15))
    def holds(name: str) -> None:
        daemon.name = name
        for path in ("processes", "processes/7"):
            code, answer = curl(api_path, f"http://d/v1/{path}")
            assert code == 200
            json.dumps(answer, ensure_ascii=False).encode()

    holds()


@pytest.mark.parametrize(
    ("fails", "code"),
    [
        (UsageError("line 3", hint="fix it"), 422),
        (MachineCannot("it is full", hint="wait"), 409),
        (MmscandError("it is full", hint="wait"), 409),
    ],
)
def test_a_refusal_of_the_daemon_has_its_status_code(
    daemon: FakeDaemon, api: ApiServer, api_path: Path, fails: MmscandError, code: int
) -> None:
    daemon.fails = fails
    wanted = {"error": fails.message, "hint": fails.hint}
    assert curl(api_path, "-X", "POST", "http://d/v1/reload") == (code, wanted)


def test_a_bug_in_the_daemon_is_an_answer_too(
    daemon: FakeDaemon, api: ApiServer, api_path: Path
) -> None:
    daemon.pids = None  # type: ignore[assignment]
    code, answer = curl(api_path, "http://d/v1/status")
    assert (code, answer["hint"]) == (500, "please report it")


def test_a_daemon_that_is_away_comes_back_without_a_restart_of_the_api(
    daemon: FakeDaemon, server: ControlServer, socket_path: Path, api: ApiServer, api_path: Path
) -> None:
    server.stop()
    code, answer = curl(api_path, "http://d/v1/status")
    assert (code, answer["error"]) == (503, f"no daemon on {socket_path}")
    server.start()
    assert curl(api_path, "http://d/v1/status")[0] == 200


def test_a_daemon_of_another_version_is_named(
    daemon: FakeDaemon, tmp_path: Path, api_path: Path
) -> None:
    other = ControlServer(daemon, "0.0.7", tmp_path / "other.sock")
    other.start()
    sock = listen(api_path, None)
    try:
        with sock, ApiServer(create_app(ControlClient(tmp_path / "other.sock"), __version__), sock):
            code, answer = curl(api_path, "http://d/v1/status")
    finally:
        other.stop()
    words = f"this is mmscand {__version__}, the daemon is 0.0.7"
    assert (code, answer) == (503, {"error": words, "hint": "restart it"})

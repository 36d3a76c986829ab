"""The program mmscand-api: what it may, and what it says."""

import grp
import json
import os
import pwd
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmscand import __version__
from mmscand.api import command
from mmscand.api.command import main
from mmscand.api.rights import drop_root
from mmscand.control.listener import ControlServer
from mmscand.errors import UsageError
from support.curl import curl
from support.fake_daemon import FakeDaemon

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to give up")


@pytest.fixture
def group() -> str:
    return grp.getgrgid(grp.getgrnam("adm").gr_gid if os.getuid() == 0 else os.getgid()).gr_name


@pytest.fixture
def shared(daemon: FakeDaemon, socket_path: Path, group: str) -> Iterator[Path]:
    """The socket of a daemon that a group may use, in folders that all may pass."""
    for folder in socket_path.parents:
        if folder.stat().st_uid == os.getuid() and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    server = ControlServer(daemon, __version__, socket_path, group=group)
    server.start()
    yield socket_path
    server.stop()


@contextmanager
def started(daemon: Path, api_path: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    words = ["-m", "mmscand.api", "--socket", str(api_path), "--daemon", str(daemon), *more]
    words += [] if "--history" in more else ["--no-history"]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "serves" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def rights(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


@root_only
def test_it_gives_up_root_and_still_changes_a_knob(
    shared: Path, api_path: Path, daemon: FakeDaemon, group: str
) -> None:
    history = shared.parent / "mmscand-api/history.db"
    more = ("--group", group, "--history", str(history))
    with started(shared, api_path, *more) as process:
        assert curl(api_path, "-X", "POST", "http://d/v1/disable") == (200, {"enabled": False})
        assert daemon.enabled is False
        has = rights(process.pid)
        nobody = pwd.getpwnam("nobody")
        assert set(has["Uid"]) == {str(nobody.pw_uid)}
        assert set(has["Gid"]) == {str(nobody.pw_gid)}
        assert has["Groups"] == [str(grp.getgrnam(group).gr_gid)]
        assert {int(has[name][0], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {0}
        assert has["NoNewPrivs"] == ["1"]
        # Nothing is imported late: Python itself may be in a folder that is root's alone.
        for path in ("metrics", "openapi.json", "v1/history", "v1/knobs", "none"):
            command = ["curl", "-sS", "--unix-socket", str(api_path), f"http://d/{path}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert "please report" not in done.stdout
            assert "mmscand_up 1.0" in done.stdout or path != "metrics"
            assert '"samples":' in done.stdout or path != "v1/history"
        assert pwd.getpwuid(history.stat().st_uid).pw_name == "nobody"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@root_only
def test_without_a_group_it_says_what_to_do(
    api_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "configured_group", lambda: None)
    assert main(["--socket", str(api_path)]) == 2
    assert capsys.readouterr().err == (
        "mmscand: user nobody may not use the daemon's socket: name a group in [control] of "
        "/etc/mmscand.toml and start the daemon again\n"
    )
    assert not api_path.exists()


@pytest.mark.parametrize(
    ("user", "gid", "words"),
    [("root", 4, "rights of their own"), ("nobody", 0, "rights of their own"), ("x y", 4, "no u")],
)
def test_it_never_becomes_root_again(user: str, gid: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        drop_root(user, gid)


def test_it_serves_tcp_beside_the_socket(shared: Path, api_path: Path, group: str) -> None:
    more = ("--group", group, "--listen", "127.0.0.1:0", "--no-history")
    words = ["-m", "mmscand.api", "--socket", str(api_path), "--daemon", str(shared), *more]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.findall(r"http://127.0.0.1:\d+", line)[0]
            done = subprocess.run(
                ["curl", "-sS", f"{url}/v1/status"], capture_output=True, text=True, check=True
            )
            assert json.loads(done.stdout)["running"]
            assert curl(api_path, "http://d/v1/status")[0] == 200
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_its_version_and_its_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mmscand-api {__version__}\n"
    assert main(["--port", "80"]) == 2
    assert main(["--group", "nobody-has-this-group"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_without_its_libraries_it_says_which_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([]) == 3
    assert "pip install 'mmscand[api]'" in capsys.readouterr().err

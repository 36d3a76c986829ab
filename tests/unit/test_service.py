"""The unit file: what it promises, and that it agrees with what the program needs."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from mmscand.api.command import DEFAULT_API_SOCKET
from mmscand.history.file import DEFAULT_HISTORY
from mmscand.linux.privileges import NEEDED

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "src/mmscand/service/files/mmscand.service"


def service(unit: Path = UNIT) -> configparser.SectionProxy:
    # Not strict: systemd adds up a setting that is given twice; the last is what is seen here.
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.read_string(unit.read_text())
    return parser["Service"]


def test_it_has_the_capabilities_that_are_needed_and_no_other() -> None:
    wanted = {name for name, _ in NEEDED.values()}
    assert set(service()["CapabilityBoundingSet"].split()) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("ExecStart", "/usr/bin/env mmscand run"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2 3"),
        ("StandardOutput", "journal"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_NETLINK"),
        ("OOMScoreAdjust", "-500"),
    ],
)
def test_it_says(name: str, value: str) -> None:
    assert service()[name] == value


def test_the_watchdog_wakes_an_idle_daemon_once_a_minute_at_most() -> None:
    assert int(service()["WatchdogSec"]) / 2 >= 60


@pytest.mark.parametrize("name", ["MemoryMin", "MemorySwapMax", "Slice"])
def test_its_own_memory_is_protected(name: str) -> None:
    assert name in service()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
@pytest.mark.parametrize("name", ["mmscand.service", "mmscand-api.service", "mmscand-api.socket"])
def test_systemd_takes_every_line(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(ROOT / "src/mmscand/service/files" / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


API = ROOT / "src/mmscand/service/files/mmscand-api.service"


def test_the_api_has_no_rights_but_its_group() -> None:
    of = service(API)
    assert (of["CapabilityBoundingSet"], of["AmbientCapabilities"]) == ("", "")
    assert of["User"] not in ("", "root", "nobody")
    assert "SupplementaryGroups" not in of
    users = (ROOT / "src/mmscand/service/files/mmscand-api.sysusers").read_text()
    assert f"g {of['Group']} " in users
    assert f"u {of['User']} " in users
    assert (
        f"SocketGroup={of['Group']}\n"
        in (ROOT / "src/mmscand/service/files/mmscand-api.socket").read_text()
    )


def test_the_socket_is_where_the_program_would_make_it() -> None:
    text = (ROOT / "src/mmscand/service/files/mmscand-api.socket").read_text()
    assert f"ListenStream={DEFAULT_API_SOCKET}\n" in text
    assert DEFAULT_HISTORY.parent.name == service(API)["StateDirectory"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_finds_the_api_hardly_exposed() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=10", str(API)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]

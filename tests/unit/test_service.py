"""The unit file: what it promises, and that it agrees with what the program needs."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from mmscand.linux.privileges import NEEDED

UNIT = Path(__file__).resolve().parents[2] / "packaging/mmscand.service"


def service() -> configparser.SectionProxy:
    # Not strict: systemd adds up a setting that is given twice; the last is what is seen here.
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.read_string(UNIT.read_text())
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
def test_systemd_takes_every_line() -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""The client commands, against a real socket."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.cli.table import table
from mmscand.control.listener import ControlServer
from mmscand.settings import KNOBS
from support.fake_daemon import FakeDaemon


class Commands:
    """Runs one with --socket; what it printed."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path, self._capsys = path, capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert main([*arguments, "--socket", str(self._path)]) == code
        captured = self._capsys.readouterr()
        self.complaint = captured.err
        return captured.out


@pytest.fixture
def run(socket_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(socket_path, capsys)


@pytest.fixture
def served(server: ControlServer, run: Commands) -> Commands:
    return run


def test_status_is_aligned_lines(served: Commands) -> None:
    lines = served("status", "--verbose").splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines)
    assert (rows["enabled"], rows["counters.promoted"]) == ("on", "1024")
    assert rows["hotness.1"] == "18 0 0 0 0 6 8"
    assert len({line.index(line.split()[1], len(line.split()[0])) for line in lines}) == 1


def test_status_is_a_screen_and_one_line_for_monitoring(
    served: Commands, daemon: FakeDaemon
) -> None:
    daemon.now = time.time()
    assert served("status").startswith("mmscand ")
    assert served("status", "--check").startswith(
        "MMSCAND OK - 2 processes, 91 % of accesses fast | processes=2 "
    )
    daemon.enabled = False
    assert "MMSCAND WARNING - scanning is switched off" in served("status", "--check", code=1)


def test_a_daemon_that_is_away_is_critical_for_monitoring(run: Commands) -> None:
    assert run("status", "--check", code=2).startswith("MMSCAND CRITICAL - no daemon on ")


def test_ps_lists_processes_with_their_rules(served: Commands) -> None:
    header, first, second, *others = served("ps").splitlines()
    assert header.split()[:3] == ["PID", "NAME", "FAST"]
    assert first.split()[:5] == ["7", "app", "4.0M", "16.0M", "1.2M"]
    assert first.split()[5:] == ["2.0M", "0", "0.2s", "1.5s", "slowed", "name=^app"]
    assert second.split()[0] == "20"
    assert ["counters.promoted", "512"] in [row.split() for row in served("ps", "7").splitlines()]
    assert others == [
        "qemu[300]: it owns a KVM machine",
        "excluded by rules: 1 (`mmscand ps PID` says by which)",
    ]


@pytest.mark.parametrize(
    ("pid", "words"),
    [
        (300, "process 300 is not watched: it owns a KVM machine"),
        (301, "process 301 is not watched: excluded by a rule: name=^app"),
        (os.getpid(), f"process {os.getpid()} is not watched: it is a kernel thread, is not meant"),
        (4_194_303, "there is no process 4194303"),
    ],
    ids=["kvm", "rule", "kernel-thread", "none"],
)
def test_ps_says_why_a_process_is_not_watched(served: Commands, pid: int, words: str) -> None:
    served("ps", str(pid), code=2)
    assert words in served.complaint


@pytest.mark.parametrize("command", ["ps", "status"])
def test_where_the_budget_is_the_limit_it_is_said(
    served: Commands, daemon: FakeDaemon, command: str
) -> None:
    assert "is the limit" not in served(command)
    daemon.waiting = 17
    assert served(command).splitlines()[-1] == (
        "the CPU budget (1 % of a core) is the limit: 17 processes wait, and a round over all "
        "takes about 42 s"
    )


def test_get_lists_one_knob_a_line(served: Commands) -> None:
    lines = served("get").splitlines()
    assert lines[0].split() == ["NAME", "VALUE", "UNIT", "BOUNDS", "DEFAULT", "DESCRIPTION"]
    assert lines[4].split()[:5] == ["scan_period_ms", "1000", "ms", "1..3600000", "1000"]
    assert "value        3" in served("get", "hot_passes").splitlines()
    for wrong in (".", "..", "hot_pases"):
        served("get", wrong, code=2)
        assert f"no knob {wrong!r}" in served.complaint


def test_get_reports_the_defaults_without_a_daemon(run: Commands) -> None:
    lines = run("get", "--defaults").splitlines()
    assert lines[4].split()[:5] == ["scan_period_ms", "1000", "ms", "1..3600000", "1000"]
    assert "value        2" in run("get", "hot_passes", "--defaults").splitlines()
    knobs = json.loads(run("get", "--defaults", "--json"))["knobs"]
    assert [knob["name"] for knob in knobs] == list(KNOBS)
    run("get", "hot_pases", "--defaults", code=2)
    assert "no knob 'hot_pases'" in run.complaint
    run("get", code=1)


def test_set_shows_what_is_in_force_and_says_what_was_clamped(served: Commands) -> None:
    assert served("set", "scan_period_ms=5", "scan_enabled=off").split() == [
        *("scan_enabled", "off"),
        *("scan_period_ms", "400"),
    ]
    assert served.complaint.startswith("mmscand: scan_period_ms 5 became 400")


@pytest.mark.parametrize("wrong", ["hot_passes", "hot_passes=9", "hot_pases=2", "hot_passes=x"])
def test_set_refuses_all_for_one_mistake(served: Commands, daemon: FakeDaemon, wrong: str) -> None:
    before = daemon.settings.current
    assert served("set", "scan_sleep_ms=1", wrong, code=2) == ""
    assert len(served.complaint.splitlines()) == 1
    assert daemon.settings.current == before


def test_reset_some_or_all(served: Commands, daemon: FakeDaemon) -> None:
    daemon.settings.change({"hot_passes": 6, "scan_sleep_ms": 1})
    assert served("reset", "hot_passes") == "hot_passes  3\n"
    assert len(served("reset").splitlines()) > 10
    assert daemon.settings.current.scan_sleep_ms == 0


def test_the_switches(served: Commands, daemon: FakeDaemon) -> None:
    assert (served("disable"), daemon.enabled) == ("scanning is off\n", False)
    assert (served("enable"), daemon.enabled) == ("scanning is on\n", True)
    assert served("reload") == "scan_sleep_ms 0 became 30\n"


@pytest.mark.parametrize(
    "command",
    [
        *("status", "ps", "ps 7", "get", "get hot_passes", "set hot_passes=2", "reset"),
        *("enable", "disable", "reload"),
    ],
)
def test_every_command_has_the_answer_as_json(served: Commands, command: str) -> None:
    assert isinstance(json.loads(served(*command.split(), "--json")), dict)


def test_without_a_daemon_it_is_one_line(run: Commands, socket_path: Path) -> None:
    run("status", code=1)
    assert run.complaint.strip().endswith("or give --socket")
    assert f"no daemon on {socket_path}" in run.complaint


def test_a_socket_that_a_dead_daemon_left_is_no_daemon(run: Commands, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    run("status", code=1)
    assert "no daemon on" in run.complaint


def test_a_socket_that_is_not_ours_to_use(
    run: Commands, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket_path.touch()

    def denied(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # as it is for who is not root
    run("status", code=3)
    assert "only root may; run as one of these" in run.complaint


def test_tables_put_numbers_at_the_right_and_words_at_the_left() -> None:
    assert table(["N", "WORD", "X"], [[5, "a", None], [1000, "bcdef", ""]]).splitlines() == [
        "   N  WORD   X",
        "   5  a      -",
        "1000  bcdef  -",
    ]
    assert table(["A", "B"], []) == "A  B"

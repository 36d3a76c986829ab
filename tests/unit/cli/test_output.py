"""Whatever a process is called, and wherever the output goes."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.cli.report import as_json, as_text
from mmscand.cli.table import pairs, table
from mmscand.control.listener import ControlServer
from mmscand.model import Process
from mmscand.observe.events import (
    EffortChanged,
    Event,
    Moved,
    PassEnd,
    PassStart,
    ProcessEntered,
    ProcessLeft,
)
from support.fake_daemon import FakeDaemon

ANY_TEXT = st.binary(max_size=15).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=()), max_size=15
)


def events(name: str) -> list[Event]:
    process = Process(7, 70, name)
    hot = {field.name: int(field.name == "hot") for field in fields(PassEnd)[4:]}
    return [
        PassEnd(process, 3, True, 0.1, **hot),
        Moved(process, 0, 0.5, 512, 0, {"ENOMEM": 3}),
        ProcessEntered(process),
        PassStart(process, 1, 0),
        ProcessLeft(process, 1, "cgroup " + name),
        EffortChanged(process, "stopped", name),
    ]


@given(ANY_TEXT)
def test_a_line_for_people_has_no_control_character_of_a_name(name: str) -> None:
    assert str(Process(7, 70, name)).isprintable()
    cells = [[name, 1], ["x", 2]]
    for text in (table(["NAME", name], cells), pairs([("name", name), ("b", [name])])):
        assert len(text.split("\n")) == len(text.splitlines()) <= 3
        assert all(line.isprintable() for line in text.split("\n"))


@given(ANY_TEXT)
def test_an_event_is_json_that_can_be_encoded(name: str) -> None:
    for event in events(name):
        line = as_json(event)
        assert line.isascii()
        assert line.isprintable()
        json.dumps(json.loads(line), ensure_ascii=False).encode()
        if not isinstance(event, ProcessLeft | EffortChanged):
            assert as_text(event).isprintable()


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""As for a user: what is printed is written at the end."""


def run(
    command: str, socket: Path, how: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    line = f'exec "$0" -m mmscand {command} --socket "$1" {how}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, str(socket)],
        capture_output=True,
        encoding=environ.get("PYTHONIOENCODING", "utf-8"),
        check=False,
        env={**BUFFERED, **environ},
    )


@pytest.fixture
def odd(daemon: FakeDaemon) -> FakeDaemon:
    daemon.name = "caf\xe9\n\udcff"
    return daemon


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_output_lacks_is_escaped(
    odd: FakeDaemon, server: ControlServer, socket_path: Path, encoding: str
) -> None:
    done = run("ps", socket_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert (r"caf\xe9\n\xff" if encoding == "ascii" else r"café\n\xff") in done.stdout
    as_json = run("ps --json", socket_path, PYTHONIOENCODING=encoding)
    assert json.loads(as_json.stdout)["processes"][0]["name"] == "caf\xe9\n\\xff"


@pytest.mark.parametrize("command", ["ps", "get", "set hot_passes=5", "reload"])
@pytest.mark.parametrize("how", [">&- 2>&- <&-", "2>/dev/full"])
def test_commands_work_without_their_output(
    daemon: FakeDaemon, server: ControlServer, socket_path: Path, command: str, how: str
) -> None:
    done = run(command, socket_path, how)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_takes_the_number_of_a_closed_descriptor(tmp_path: Path) -> None:
    code = (
        "import os; from mmscand.cli.output import open_standard_streams as opened; opened(); "
        "print('lost'); open('number', 'w').write(str(os.open('/dev/zero', os.O_RDONLY)))"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("command", ["ps", "get", "set hot_passes=5", "ps --json"])
def test_a_full_disk_is_one_line(
    server: ControlServer, daemon: FakeDaemon, socket_path: Path, command: str
) -> None:
    done = run(command, socket_path, ">/dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        "mmscand: standard output: No space left on device: free some room, or send it elsewhere\n"
    )
    if "set" in command:
        assert daemon.settings.current.hot_passes == 5


def test_a_clamp_is_reported_or_not_but_the_command_has_worked(
    server: ControlServer, daemon: FakeDaemon, socket_path: Path
) -> None:
    for how in ("2>&-", "2>/dev/full"):
        assert run("set scan_period_ms=5", socket_path, how).returncode == 0
    assert daemon.settings.current.scan_period_ms == 400


def test_an_exit_code_is_the_same_when_nobody_can_be_reported(
    server: ControlServer, socket_path: Path
) -> None:
    for how in ("2>&-", "2>/dev/full", ">/dev/full 2>/dev/full"):
        assert run("ps 8", socket_path, how).returncode == 2
    assert run("ps", socket_path, ">/dev/full 2>/dev/full").returncode == 1


def test_a_reader_that_stops_ends_a_command_in_silence(
    server: ControlServer, socket_path: Path
) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mmscand", "ps", "--socket", str(socket_path)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, env=BUFFERED)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_value_that_cannot_be_encoded_is_refused_by_the_daemon(
    server: ControlServer, socket_path: Path
) -> None:
    arguments: list[Any] = [sys.executable, "-m", "mmscand", "set", b"profile=\xff", "--socket"]
    done = subprocess.run([*arguments, socket_path], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"mmscand: profile: ")

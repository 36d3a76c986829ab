import errno
import io
import json
import threading
from dataclasses import fields

import numpy as np
import pytest

from mmscand.cli import report
from mmscand.cli.app import main
from mmscand.cli.report import EventPrinter, as_json, as_text
from mmscand.migrate.migrator import moved_event
from mmscand.model import Migration, Outcome, Process
from mmscand.observe.events import (
    EffortChanged,
    Moved,
    PassEnd,
    PassStart,
    ProcessEntered,
    ProcessLeft,
)

APP = Process(7, 70, "app")


def pass_end(**counts: int) -> PassEnd:
    names = [field.name for field in fields(PassEnd)][4:]
    return PassEnd(APP, 3, True, 0.1, **{name: counts.get(name, 0) for name in names})


def test_a_move_is_reported_with_its_failures_by_reason() -> None:
    moved = Moved(APP, 0, 0.5, 512, 0, {"ENOMEM": 3, "EBUSY": 1})
    assert as_text(moved) == (
        "app[7]: promoted 512 pages (2.0 MiB) to node 0; failed: 1 EBUSY, 3 ENOMEM"
    )


def test_a_move_of_less_than_a_mib_is_in_kib() -> None:
    assert as_text(Moved(APP, 1, 0.5, 0, 0, {}, 3)) == "app[7]: demoted 3 pages (12 KiB) to node 1"


def test_a_process_that_is_scanned_less_is_reported_with_the_reason() -> None:
    event = EffortChanged(APP, "stopped", "it does not pay: saved about 0 s for 1 s spent")
    assert as_text(event) == (
        "app[7]: left alone for now, it does not pay: saved about 0 s for 1 s spent"
    )


def test_nothing_is_said_where_nothing_happened() -> None:
    assert as_text(pass_end(examined=100)) == ""
    assert as_text(ProcessEntered(APP)) == ""
    assert as_text(ProcessLeft(APP, 0, "exited")) == ""


def test_hot_pages_that_went_nowhere_are_reported() -> None:
    words = as_text(pass_end(hot=5, held=2, shared=3))
    expected = "5 pages are hot, none was queued: 2 wait after a failure or to be split, 3 are "
    assert expected + "mapped by" in words
    assert as_text(pass_end(hot=5)) == ""  # a dry run has its own words
    assert as_text(pass_end(hot=5, queued=5)) == ""
    assert as_text(pass_end(hot=5, waiting=5)) == ""


@pytest.mark.parametrize(
    "event",
    [
        pass_end(hot=1),
        Moved(APP, None, 0.0, 0, 0, {}),
        ProcessEntered(APP),
        PassStart(APP, 1, 0),
        ProcessLeft(APP, 1, "x"),
        EffortChanged(APP, "stopped", "x"),
    ],
)
def test_every_event_is_one_json_object(event: PassEnd | Moved | ProcessEntered) -> None:
    line = as_json(event)
    assert "\n" not in line
    found = json.loads(line)
    assert found["process"] == {"pid": 7, "start_time": 70, "name": "app"}
    assert found["event"]


def test_what_the_migrator_reports_of_a_move_that_failed_is_json_too() -> None:
    addresses = np.arange(3, dtype=np.uint64) * np.uint64(4096)
    status = np.array([0, -errno.EBUSY, -errno.EBUSY], dtype=np.int32)
    event = moved_event(
        Outcome(Migration(APP, addresses, 1, 1), 0, status, np.ones(len(status), dtype=np.bool_)),
        0.1,
    )
    found = json.loads(as_json(event))
    assert (found["promoted"], found["failed"]) == (1, {"EBUSY": 2})


@pytest.mark.parametrize(("pages", "huge"), [(1, 0), (512, 1024)])
def test_pages_of_huge_pages_that_move_whole_are_counted_apart(pages: int, huge: int) -> None:
    addresses = np.arange(2, dtype=np.uint64) * np.uint64(4096 * pages)
    every = np.ones(2, dtype=np.bool_)
    event = moved_event(
        Outcome(Migration(APP, addresses, pages, 1), 0, np.zeros(2, dtype=np.int32), every), 0.1
    )
    assert (event.promoted, event.promoted_huge) == (2 * pages, huge)
    assert (event.demoted, event.demoted_huge) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rn"], 2, "No such command"),
        (["run", "--pid", "x"], 2, "--pid"),
        (["run", "--no-such-option"], 2, "--no-such-option"),
        (["run", "--slow-nodes", "77"], 2, "no node 77"),
        (["check", "--fast-nodes", "0", "--slow-nodes", "0"], 2, "fast and slow"),
        (["check", "--slow-nodes", "zero"], 2, "not a list of nodes"),
    ],
)
def test_a_mistyped_command_is_one_line_and_exit_code_2(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    complaint = capsys.readouterr().err
    assert complaint.startswith("mmscand: ")
    assert complaint.count("\n") == 1
    assert words in complaint


def test_version_and_help_exit_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--version", "-V"):
        assert main([option]) == 0
        assert capsys.readouterr().out.startswith("mmscand ")
    assert main(["run", "--help"]) == 0
    assert "--dry-run" in capsys.readouterr().out


@pytest.mark.parametrize("json_lines", [True, False])
def test_lines_that_nobody_had_room_for_are_counted_and_reported(
    json_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    goes_on = threading.Event()

    def slow(data: bytes) -> int:
        goes_on.wait(10)
        printed.append(data.decode())
        return len(data)

    monkeypatch.setattr(report, "_WAITING_LINES", 5)
    printer = EventPrinter(json_lines, slow)
    for number in range(20):
        printer.say(f"line {number}")
    goes_on.set()
    printer.close()
    assert "mmscand-print" not in [thread.name for thread in threading.enumerate()]
    lines = [line for line in printed if line.startswith("line")]
    (reported,) = [line for line in printed if "dropped" in line]
    assert 5 <= len(lines) <= 6  # one may have been taken before
    assert str(20 - len(lines)) in reported


class Disk:
    """Takes `room` bytes, then no more until there is room again."""

    def __init__(self, room: int) -> None:
        self.room, self.data = room, b""
        self.full = threading.Event()

    def __call__(self, data: bytes) -> int:
        if not self.room:
            self.full.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        took = data[: self.room]
        self.room -= len(took)
        self.data += took
        return len(took)


@pytest.mark.parametrize("room", [0, 6, 7, 12])
def test_a_disk_that_is_full_for_a_moment_costs_lines_that_are_counted(room: int) -> None:
    disk = Disk(room)
    printer = EventPrinter(False, disk)
    for number in range(4):
        printer.say(f"line {number}")
    assert disk.full.wait(10)
    disk.room = 1000
    printer.say("line 4")
    printer.close()
    lines = disk.data.decode().splitlines()
    whole = [line for line in lines if line in {f"line {n}" for n in range(5)}]
    (reported,) = [line for line in lines if line.endswith("standard output took no more")]
    assert len(lines) == len(whole) + 1  # none was cut
    assert int(reported.split()[0]) == 5 - len(whole)


def test_a_line_that_was_cut_is_finished_at_the_end() -> None:
    disk = Disk(2)
    printer = EventPrinter(False, disk)
    printer.say("line")
    assert disk.full.wait(10)
    disk.room = 1000
    printer.close()
    assert disk.data == b"line\n"


def test_the_end_of_a_pipe_is_the_end_of_output() -> None:
    def broken(data: bytes) -> int:
        raise BrokenPipeError

    printer = EventPrinter(False, broken)
    printer.say("line")
    printer._thread.join(10)
    assert not printer._thread.is_alive()
    printer.close()


def test_what_an_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(1000)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "latin-1"))
    printer = EventPrinter(False, disk)
    printer.say("caf\xe9 \u20ac \udcff")
    printer.close()
    assert disk.data == b"caf\xe9 \\u20ac \\xff\n"

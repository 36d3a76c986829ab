import errno
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


def test_a_move_is_told_with_its_failures_by_reason() -> None:
    moved = Moved(APP, 0, 0.5, 512, 0, {"ENOMEM": 3, "EBUSY": 1})
    assert as_text(moved) == (
        "app[7]: promoted 512 pages (2.0 MiB) to node 0; failed: 1 EBUSY, 3 ENOMEM"
    )


def test_a_process_that_is_scanned_less_is_told_with_the_reason() -> None:
    event = EffortChanged(APP, "stopped", "it does not pay: saved about 0 s for 1 s spent")
    assert as_text(event) == (
        "app[7]: left alone for now, it does not pay: saved about 0 s for 1 s spent"
    )


def test_nothing_is_said_where_nothing_happened() -> None:
    assert as_text(pass_end(examined=100)) == ""
    assert as_text(ProcessEntered(APP)) == ""
    assert as_text(ProcessLeft(APP, 0, "exited")) == ""


def test_hot_pages_that_went_nowhere_are_told() -> None:
    assert "5 pages are hot" in as_text(pass_end(hot=5))
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


def test_what_the_migrator_tells_of_a_move_that_failed_is_json_too() -> None:
    addresses = np.arange(3, dtype=np.uint64) * np.uint64(4096)
    status = np.array([0, -errno.EBUSY, -errno.EBUSY], dtype=np.int32)
    event = moved_event(
        Outcome(Migration(APP, addresses, 1, 1), 0, status, np.ones(len(status), dtype=np.bool_)),
        0.1,
    )
    found = json.loads(as_json(event))
    assert (found["promoted"], found["failed"]) == (1, {"EBUSY": 2})


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
    assert main(["--version"]) == 0
    assert main(["run", "--help"]) == 0
    assert "--dry-run" in capsys.readouterr().out


@pytest.mark.parametrize("json_lines", [True, False])
def test_lines_that_nobody_had_room_for_are_counted_and_told(
    json_lines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    goes_on = threading.Event()

    def slow_print(line: str, *, flush: bool) -> None:
        goes_on.wait(10)
        printed.append(line)

    monkeypatch.setattr(report, "_WAITING_LINES", 5)
    monkeypatch.setattr("builtins.print", slow_print)
    printer = EventPrinter(json_lines)
    for number in range(20):
        printer.say(f"line {number}")
    goes_on.set()
    printer.close()
    assert "mmscand-print" not in [thread.name for thread in threading.enumerate()]
    lines = [line for line in printed if line.startswith("line")]
    (told,) = [line for line in printed if "dropped" in line]
    assert 5 <= len(lines) <= 6  # one may have been taken before
    assert str(20 - len(lines)) in told

"""Frames of a recording and of the history, and lines in place of a screen."""

from pathlib import Path

import numpy as np
import pytest

from mmscand.cli.app import main
from mmscand.control.listener import ControlServer
from mmscand.errors import UsageError
from mmscand.history.reader import reading
from mmscand.history.samples import sample_of
from mmscand.history.writer import HistoryWriter
from mmscand.record.file import Recording, new_recording
from mmscand.record.tables import ACCESSED, LAYOUT, MOVES, PASS, VMAS, ProcessPass, one_row, pack
from mmscand.sim.nodes import sim_topology
from mmscand.top.columns import mappings
from mmscand.top.past import Past
from mmscand.top.recorded import Recorded
from mmscand.top.tables import Column, Row, Table

ROW = 2 << 20


def seen(number: int, pid: int, pages: int, accessed: int) -> ProcessPass:
    """One row of 2 MiB, of which this many pages are there and were accessed."""
    layout = np.zeros(1 if number == 1 else 0, dtype=LAYOUT)
    if number == 1:
        bits = pack(np.arange(512)[None] < pages)
        layout["address"], layout["pages_per_slot"] = ROW, 1
        layout["present"] = layout["slow"] = bits
    table = np.zeros(1, dtype=ACCESSED)
    table["address"], table["accessed"] = ROW, pack(np.arange(512)[None] < accessed)
    about = one_row(PASS, at_ns=number * 10**9, pid=pid, name=b"app", **{"pass": number})
    return ProcessPass(about, np.empty(0, dtype=VMAS), layout, table, np.empty(0, dtype=MOVES))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "app.mms"
    with new_recording(path, sim_topology((0,), (1,), {0: 512, 1: 512}), 1000, 1 << 20) as writer:
        for number in (1, 2, 3):
            for pid, pages in ((7, 512), (8, 256)):
                writer.write(seen(number, pid, pages, 64 * number))
    return Recording(path)


def test_a_recording_has_a_frame_for_each_pass(recording: Recording) -> None:
    source = Recorded(recording, "app.mms")
    assert source.frame("processes", None).when.startswith("pass 1 of 3, ")
    source.step(1)
    frame = source.frame("processes", None)
    assert frame.head[:2] == ("recording app.mms", "fast 0   slow 3.0M")
    assert frame.table.rows[0].cells == ("7", "app", "0", "2.0M", "512K", "25 %")
    source.step(5)
    assert source.frame("processes", None).when.startswith("pass 3 of 3")
    source.go_to("1")
    assert source.frame("processes", None).when.startswith("pass 1 of 3")
    with pytest.raises(UsageError, match="4 is no pass: there are 1 to 3"):
        source.go_to("4")
    with pytest.raises(UsageError, match="cannot be changed"):
        source.command("disable")


def test_the_history_goes_back_and_forth(tmp_path: Path) -> None:
    from mmscand.control.snapshots import status_object
    from support.fake_daemon import FakeDaemon

    status = status_object(FakeDaemon().status(), "0.1")
    path = tmp_path / "history.db"
    now = 1_700_000_000
    with HistoryWriter(path) as writer:
        for step in range(5):
            group = {"processes": 2, "fast_pages": 256 * (step + 1), "promoted": 512}
            writer.add(now - 500 + 100 * step, sample_of(status, {"name=db": group}))
    with reading(path) as reader:
        source = Past(reader, "3m ago", lambda: float(now))
        frame = source.frame("processes", None)
        assert frame.when.endswith(", 3m ago")
        cells = frame.table.rows[0].cells
        assert (cells[0], cells[3], cells[-2:]) == ("4.0M", "2.0M", ("2", "name=db"))
        before = frame.when
        source.step(-1)
        assert source.frame("processes", None).when < before
        source.step(1)
        assert source.frame("processes", None).when == before
        with pytest.raises(UsageError, match="nothing was recorded before"):
            source.go_to("2001-01-01")
        with pytest.raises(UsageError, match="the past cannot be changed"):
            source.command("disable")


def test_plain_lines_have_the_same_rows(
    server: ControlServer, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--plain", "-n", "1", "--socket", str(socket_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "live"
    assert printed[1].startswith("fast [")
    assert printed[5].split()[:3] == ["PID", "NAME", "FAST"]
    assert printed[6].split()[:3] == ["7", "app", "4.0M"]
    assert printed[-1].endswith("not watched: excluded by a rule: name=^app")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--socket", "/none/of.sock"], 1, "no daemon on /none/of.sock"),
        (["--from", "/none.mms"], 2, "/none.mms"),
        (["--from", "/none.mms", "--at", "1h"], 2, "--from and --at are two things"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", *arguments]) == code
    assert words in capsys.readouterr().err


def test_without_a_terminal_it_says_what_to_do(
    server: ControlServer, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--socket", str(socket_path)]) == 2
    assert "this is no terminal: use --plain" in capsys.readouterr().err


def test_rows_sort_numbers_down_and_words_up() -> None:
    columns = (Column("N", 3), Column("WORD", 5, right=False))
    rows = [Row(at, (str(n), w), (float(n), w)) for at, (n, w) in enumerate([(1, "b"), (2, "a")])]
    table = Table(columns, rows)
    assert [row.key for row in table.sorted_by(0)] == [1, 0]
    assert [row.key for row in table.sorted_by(1)] == [1, 0]
    assert [row.key for row in table.sorted_by(1, reverse=True)] == [0, 1]
    assert [row.key for row in table.matching("B").rows] == [0]
    assert table.matching("zz").rows == []


def test_a_strip_of_heat_goes_by_address_and_tier() -> None:
    why = {
        "mappings": [{"name": "[heap]", "start": 0, "end": 9, "rule": None, "fast": 1, "slow": {}}]
    }
    pieces = [
        {"mapping": 0, "heat": heat, "fast_pages": fast, "slow_pages": 1 - fast}
        for heat, fast in ((8.0, 1), (None, 0), (8.0, 0), (0.9, 0), (0.0, 0), (0.0, 1))
    ]
    heat = {"mappings": [{"start": 0}], "pieces": pieces}
    assert mappings(why, heat).rows[0].cells[3] == "█?#x._"

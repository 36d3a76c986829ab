"""The history on a disk: how long what is kept, how large it gets, and what breaks it."""

import os
import pwd
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.errors import MmscandError, UsageError
from mmscand.history.changes import Change
from mmscand.history.packing import DAY_S, EVERY_S
from mmscand.history.reader import reading
from mmscand.history.writer import HistoryFailed, HistoryWriter
from support.samples import sample

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
BEGIN = 1_700_000_000 // DAY_S * DAY_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def times(path: Path) -> list[int]:
    with reading(path) as reader:
        return [each.time for each in reader.samples(0, 1 << 40)]


def noise(number: int, size: int = 3000) -> dict[str, object]:
    """A sample that cannot be packed into less than 3 KiB."""
    return {**sample(), "status": {"noise": os.urandom(size).hex(), "number": number}}


def test_of_a_minute_and_of_ten_the_last_sample_stays_when_it_gets_old(path: Path) -> None:
    with HistoryWriter(path) as writer:
        for at in range(BEGIN, BEGIN + 1800, EVERY_S):
            writer.add(at, sample(promoted=at - BEGIN))
        writer.add(BEGIN + DAY_S + 600, sample())  # ten minutes are older than a day
        got = [at - BEGIN for at in times(path)]
        assert got[:10] == [55 + 60 * n for n in range(10)]
        assert got[10:12] == [600, 605]
        writer.add(BEGIN + 14 * DAY_S + 1200, sample())
        got = [at - BEGIN for at in times(path)]
        assert got[:2] == [595, 1195]
        assert got[2:4] == [1255, 1315]
        writer.add(BEGIN + 365 * DAY_S + 600, sample())
        assert times(path)[0] - BEGIN == 1195


def test_the_file_does_not_grow_over_its_size_and_the_newest_stay(path: Path) -> None:
    most = 4 << 20
    with HistoryWriter(path, most_bytes=most) as writer:
        for number in range(2000):
            writer.add(BEGIN + number * EVERY_S, noise(number))
            files = [each.stat().st_size for each in path.parent.iterdir()]
            assert sum(files) <= most
        kept = times(path)
    assert kept[-1] == BEGIN + 1999 * EVERY_S
    assert len(kept) > 200
    assert kept == list(range(kept[0], kept[-1] + 1, EVERY_S))


def test_it_is_bounded_also_between_two_times_of_tidying_up(path: Path) -> None:
    with HistoryWriter(path, most_bytes=1 << 20) as writer:
        for number in range(12):
            writer.add(BEGIN + number, noise(number, 200_000))
        assert times(path)[-1] == BEGIN + 11
        assert path.stat().st_size <= 1 << 20
        with pytest.raises(HistoryFailed, match="larger than all"):
            writer.add(BEGIN + 12, noise(12, 2_000_000))
        writer.add(BEGIN + 13, sample())
        assert times(path)[-1] == BEGIN + 13


def test_a_sample_that_is_none_spoils_nothing(path: Path) -> None:
    with HistoryWriter(path) as writer:
        with pytest.raises(KeyError):
            writer.add(BEGIN, {})
        writer.add(BEGIN, sample())
    assert times(path) == [BEGIN]


def test_changes_are_not_kept_forever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmscand.history.writer._MOST_CHANGES", 10)
    with HistoryWriter(path) as writer:
        for number in range(30):
            writer.add(BEGIN + number * 60, None, [Change("setting", str(number))])
        with reading(path) as reader:
            found = reader.changes(0, BEGIN + DAY_S)
    assert [each.words for each in found] == [str(n) for n in range(20, 30)]


WITH_TESTS = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
"""A program of its own does not know where `support` is."""
WRITER = """
import sys
from pathlib import Path
from mmscand.history.writer import HistoryWriter
from support.samples import sample
with HistoryWriter(Path(sys.argv[1])) as writer:
    at = int(sys.argv[2])
    while True:
        writer.add(at, sample(promoted=at, groups={"g": {"promoted": at}}))
        print(at, flush=True)
        at += 5
"""


def test_a_writer_that_is_killed_loses_nothing_that_it_has_written(path: Path) -> None:
    begin, last = BEGIN, 0
    for _ in range(3):
        words = [sys.executable, "-c", WRITER, str(path), str(begin)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=WITH_TESTS) as process:
            assert process.stdout is not None
            for _ in range(50):
                last = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        got = times(path)  # while the log is still there
        assert last in got
        assert got == list(range(BEGIN, got[-1] + 1, EVERY_S))
        begin = got[-1] + EVERY_S
    with HistoryWriter(path) as writer:
        writer.add(begin, sample())
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@root_only
def test_a_full_disk_costs_samples_and_nothing_else(small_disk: Path) -> None:
    path, ballast = small_disk / "history.db", small_disk / "ballast"
    with HistoryWriter(path) as writer:
        writer.add(BEGIN, sample(promoted=1))
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(HistoryFailed, match="full: free some room") as failure:
            for number in range(1, 1000):
                writer.add(BEGIN + number * EVERY_S, noise(number))
        assert failure.value.exit_code == 1
        before = times(path)
        assert before[0] == BEGIN
        ballast.unlink()
        writer.add(BEGIN + 5000, sample())
        assert times(path) == [*before, BEGIN + 5000]


def test_a_broken_file_is_set_aside(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    with HistoryWriter(path) as writer:
        assert writer.set_aside
        writer.add(BEGIN, sample())
    assert times(path) == [BEGIN]
    assert path.with_name("history.db.broken").read_bytes().startswith(b"this is")


def test_two_do_not_write_the_same_file(path: Path) -> None:
    with (
        HistoryWriter(path),
        pytest.raises(UsageError, match="another mmscand-api writes"),
    ):
        HistoryWriter(path)
    HistoryWriter(path).close()


def test_a_file_of_another_format_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    with pytest.raises(UsageError, match="another version"):
        HistoryWriter(path)


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MmscandError, match="make its folder"):
        HistoryWriter(tmp_path / "none/history.db")


READER = """
import os, sys
from pathlib import Path
from mmscand.history.reader import reading
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
with reading(Path(sys.argv[1])) as reader:
    print(len(list(reader.samples(0, 1 << 40))))
"""


def read_as_nobody(path: Path) -> str:
    nobody = pwd.getpwnam("nobody")
    words = [sys.executable, "-c", READER, str(path), str(nobody.pw_uid), str(nobody.pw_gid)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


@root_only
@pytest.mark.parametrize("state", ["running", "stopped", "killed"])
def test_a_client_that_may_only_read_can_read(path: Path, state: str) -> None:
    for folder in path.parents:
        if folder.stat().st_uid == os.getuid() and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    path.parent.chmod(0o755)
    if state == "killed":
        words = [sys.executable, "-c", WRITER, str(path), str(BEGIN)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=WITH_TESTS) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        assert int(read_as_nobody(path)) > 0
        return
    with HistoryWriter(path) as writer:
        writer.add(BEGIN, sample())
        if state == "running":
            assert read_as_nobody(path) == "1"
    assert read_as_nobody(path) == "1"

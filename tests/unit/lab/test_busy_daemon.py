"""A busy server's daemon, with a shell script that answers signals in its place."""

import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmscand_lab import busy_daemon
from mmscand_lab.busy_daemon import BusyDaemon
from mmscand_lab.busy_events import Events
from mmscand_lab.busy_result import DaemonRun
from mmscand_lab.kernel import LabError
from mmscand_lab.programs import Program
from mmscand_lab.slowness import Budget

NOTE = '{"event": "note", "text": "scan_period_max_ms was 10000, is 9500"}'
SCRIPT = """
trap 'echo "$NOTE"' HUP
trap 'printf %s "$WORDS" >&2; exit $CODE' TERM
echo '{"event": "start"}'
while :; do sleep 0.05; done
"""
Start = Callable[..., BusyDaemon]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the script; `last_words` are what it says on standard error as it ends."""
    monkeypatch.setattr(busy_daemon, "_POLL_S", 0.02)
    started: list[subprocess.Popen[bytes]] = []

    def run(last_words: str = "", code: int = 0, note: str = NOTE) -> BusyDaemon:
        out, errors = tmp_path / "events.jsonl", tmp_path / "stderr.txt"
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            env = {"NOTE": note, "WORDS": last_words, "CODE": str(code), "PATH": "/usr/bin:/bin"}
            argv = ["/bin/sh", "-c", SCRIPT]
            started.append(subprocess.Popen(argv, stdout=stdout, stderr=stderr, env=env))
        program = Program("daemon", started[-1], errors)
        daemon = BusyDaemon(program, Events(out), tmp_path / "c.toml", Budget(30, 600, 3000))
        daemon.wait_for(lambda: daemon.events.kinds["start"] > 0, "the start")
        return daemon

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_it_says_what_it_took_after_a_signal(start: Start) -> None:
    daemon = start()
    assert daemon.reload_by_signal() == "scan_period_max_ms was 10000, is 9500"
    settings = tomllib.loads(daemon.config.read_text())["settings"]
    assert settings == {
        "cpu_budget_percent": 30,
        "cpu_burst_s": 600,
        "accesses_per_bit": 3000,
        "scan_period_max_ms": 9500,
    }


def test_a_line_about_something_else_is_no_answer(start: Start) -> None:
    assert start(note='{"event": "note", "text": "nothing changed"}').reload_by_signal() == ""


def test_how_it_ends_is_reported(start: Start) -> None:
    assert start().end() == DaemonRun(0, [], 0, 0)
    words = "Traceback (most recent call last):\nKeyError"
    ended = start(last_words=words, code=1).end()
    assert ended == DaemonRun(1, ["Traceback (most recent call last):", "KeyError"], 0, 1)


def test_one_that_ended_early_is_an_error_with_its_last_words(start: Start) -> None:
    daemon = start(last_words="no slow tier", code=3)
    daemon.program.process.terminate()
    with pytest.raises(LabError, match="exit code 3: no slow tier"):
        daemon.wait_for(lambda: False, "nothing")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"pid": 7, "mappings": []}', ""),
        ('{"watched": false, "why": "process 7 is not watched: it owns a VM"}', "it owns a VM"),
    ],
)
def test_why_a_process_is_left_alone_is_asked_of_why(
    start: Start, monkeypatch: pytest.MonkeyPatch, answer: str, why: str
) -> None:
    monkeypatch.setattr(busy_daemon, "_command", lambda *_: answer)
    assert start().why_left_alone(7) == why

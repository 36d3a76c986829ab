"""`mmscand run` as a program of its own, for tests in a guest, and what it prints."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Program = subprocess.Popen[str]


def start_daemon(*pids: int) -> Program:
    """As shipped but for the cost: in emulation visits cost so much that they would not pay."""
    options = ["--json", "--no-control", "--set", "cpu_budget_percent=100"]
    options += ["--set", "benefit_window_s=0"]
    for pid in pids:
        options += ["--pid", str(pid)]
    return subprocess.Popen(
        [sys.executable, "-m", "mmscand", "run", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_daemon(*pids: int) -> Iterator[Program]:
    """It ends by SIGTERM, as systemd ends it."""
    daemon = start_daemon(*pids)
    try:
        yield daemon
        daemon.send_signal(signal.SIGTERM)
        _, complaints = daemon.communicate()
        assert (daemon.returncode, complaints) == (0, "")
    finally:
        daemon.kill()
        daemon.communicate()


def events_of(daemon: Program) -> Iterator[dict[str, Any]]:
    """As they come, until it ends."""
    assert daemon.stdout is not None
    return (json.loads(line) for line in daemon.stdout)


def line_with(daemon: Program, text: str) -> str:
    """The next line that has this in it."""
    assert daemon.stdout is not None
    return next(line for line in daemon.stdout if text in line)

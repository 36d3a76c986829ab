"""Children of an experiment: Python modules of ours that must live until they are stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mmscand.settings import Settings
from mmscand_lab.kernel import LabError
from mmscand_lab.slowness import Budget
from mmscand_lab.truth import Truth

#: Emulation makes a pass thirty times slower: the budget of 1 % would make it minutes, and the next
#: pass must not begin while the pages of the last one still move.
LAB_KNOBS = ("cpu_budget_percent=100", "scan_period_min_ms=1000", "scan_period_max_ms=1000")
_POLL_S = 0.1
# Limits end what hangs; no figure depends on them. The fill of 512 MiB and a Python start take 10 s
# under emulation, and beside a busy host ten times as long.
_READY_LIMIT_S = 900.0
# The daemon ends after the batch that it is moving, the workload after one chunk of touches.
_STOP_LIMIT_S = 300.0


def as_shipped() -> Budget:
    """The CPU budget of the daemon's own settings."""
    own = Settings()
    return Budget(own.cpu_budget_percent, own.cpu_burst_s, own.accesses_per_bit)


def shipped_budget(slowness: float) -> tuple[str, ...]:
    """Knobs with the CPU budget as shipped, on a core that is slower by this factor."""
    budget = as_shipped().scaled(slowness).settings()
    return tuple(f"{name}={value}" for name, value in budget.items())


def daemon_command(*options: str, knobs: Sequence[str] = (), control: bool = False) -> list[str]:
    """The daemon as the lab runs it: every event a line; with control only for views of it."""
    settings = [word for knob in knobs for word in ("--set", knob)]
    listens = "--control" if control else "--no-control"
    return ["mmscand", "run", *options, "--json", listens, *settings]


def count_passes(events: Path) -> int:
    """Passes over a process that the daemon has printed as ended in this file."""
    return events.read_bytes().count(b'"event": "pass_end"')


@dataclass(frozen=True, slots=True)
class Program:
    """A child that must stay alive until it is stopped."""

    name: str
    process: subprocess.Popen[bytes]
    errors: Path
    """The file with what it says on standard error."""

    def require_alive(self) -> None:
        """Raise LabError with its last words when it has ended."""
        if self.process.poll() is not None:
            self._failed(f"ended early with exit code {self.process.returncode}")

    def wait_for(self, done: Callable[[], bool], what: str, limit_s: float) -> None:
        """Until `done`; LabError when that takes too long, or the program has ended."""
        deadline = time.monotonic() + limit_s
        while not done():
            self.require_alive()
            if time.monotonic() > deadline:
                hint = f"see {self.errors}"
                raise LabError(f"{what} was not there within {limit_s:g} s", hint=hint)
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """SIGTERM; LabError unless it then exits in time and with code 0."""
        self.process.terminate()
        try:
            code = self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._failed(f"did not stop within {_STOP_LIMIT_S:g} s of SIGTERM")
        if code != 0:
            self._failed(f"stopped with exit code {code}")

    def _failed(self, what: str) -> NoReturn:
        lines = self.errors.read_text(errors="replace").splitlines() or ["it printed no error"]
        raise LabError(f"the {self.name} {what}: {lines[-1]}", hint=f"see {self.errors}")


def ready_truth(workload: Program, state: Path) -> Truth:
    """What the workload knows about itself, as soon as it has filled its memory."""
    workload.wait_for((state / "ready").exists, "a ready workload", _READY_LIMIT_S)
    return Truth.load(state)


@contextmanager
def running(name: str, argv: Sequence[str], folder: Path, output: Path) -> Iterator[Program]:
    """Run ``python -m argv``; the child is dead when the context ends, however that ends."""
    errors = folder / f"{name}-stderr.txt"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    try:
        yield Program(name, process, errors)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

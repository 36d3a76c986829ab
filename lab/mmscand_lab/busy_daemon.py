"""The daemon of a busy server, as users run it: a configuration, control by commands, signals."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmscand.config_socket import DEFAULT_SOCKET
from mmscand.control.client import ControlClient
from mmscand.errors import MmscandError
from mmscand_lab.busy_events import Events
from mmscand_lab.busy_result import DaemonRun
from mmscand_lab.kernel import LabError
from mmscand_lab.programs import Program, running
from mmscand_lab.slowness import Budget, configuration

CONFIG = "mmscand.toml"
_POLL_S = 1.0
"""Looking where all pages are costs 30 ms in emulation."""
_LIMIT_S = 3600.0
"""Ends what hangs; no figure depends on it."""
_CHANGED_KNOB = "scan_period_max_ms"
_BY_COMMAND, _BY_SIGNAL = 9000, 9500


@dataclass(frozen=True, slots=True)
class BusyDaemon:
    """A daemon that runs, and what it has printed."""

    program: Program
    events: Events
    config: Path
    budget: Budget

    def wait_for(self, done: Callable[[], bool], what: str) -> None:
        """Until `done`, which is asked after new events were read. LabError."""
        deadline = time.monotonic() + _LIMIT_S
        self.events.read()
        while not done():
            self.program.require_alive()
            if time.monotonic() > deadline:
                hint = f"see {self.events.path}"
                raise LabError(f"{what}: not there within {_LIMIT_S:g} s", hint=hint)
            time.sleep(_POLL_S)
            self.events.read()

    def change(self, budget: Budget) -> None:
        """Give it another budget. Where it does not answer in time, another time will do."""
        with contextlib.suppress(MmscandError):
            ControlClient(DEFAULT_SOCKET).change(budget.settings())

    def reload_by_command(self) -> str:
        """Change the configuration, run `mmscand reload`; what that says of the change."""
        self._configure(_BY_COMMAND)
        return _of_change(_command("reload").splitlines())

    def reload_by_signal(self) -> str:
        """Change the configuration, send SIGHUP; what the daemon prints of the change."""
        self._configure(_BY_SIGNAL)
        before = len(self.events.notes)
        self.program.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: len(self.events.notes) > before, "a line after SIGHUP")
        return _of_change(self.events.notes[before:])

    def why_left_alone(self, pid: int) -> str:
        """Why `mmscand why` says that this process is not watched; '' if it does not."""
        said = str(json.loads(_command("why", str(pid), "--json")).get("why", ""))
        return said.partition("is not watched: ")[2]

    def end(self) -> DaemonRun:
        """SIGTERM; how it ended. LabError when it does not."""
        self.program.process.terminate()
        try:
            code = self.program.process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            hint = f"see {self.program.errors}"
            raise LabError(f"no end within {_LIMIT_S:g} s of SIGTERM", hint=hint) from None
        self.events.read()
        said = self.program.errors.read_text(errors="replace").splitlines()
        tracebacks = sum("Traceback" in line for line in said)
        return DaemonRun(code, said, self.events.not_json, tracebacks)

    def _configure(self, period_ms: int) -> None:
        settings = {**self.budget.settings(), _CHANGED_KNOB: period_ms}
        self.config.write_text(configuration(settings))


def _of_change(lines: list[str]) -> str:
    return next((line for line in lines if _CHANGED_KNOB in line), "")


def _command(*words: str) -> str:
    argv = [sys.executable, "-m", "mmscand", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise LabError(f"mmscand {words[0]} failed: {last}", hint="see the daemon's events")
    return done.stdout


@contextmanager
def started(results: Path, events: str, budget: Budget) -> Iterator[BusyDaemon]:
    """The daemon with shipped defaults and this budget, until the context ends."""
    config = results / CONFIG
    config.write_text(configuration(budget.settings()))
    argv = ["mmscand", "run", "--json", "--config", str(config)]
    name = Path(events).stem.replace("events", "daemon")
    with running(name, argv, results, results / events) as program:
        yield BusyDaemon(program, Events(results / events), config, budget)

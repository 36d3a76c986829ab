"""Children of an experiment: Python modules of ours that must live until they are stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mmscand.lab.kernel import LabError

# The daemon ends after the batch that it is moving, the workload after one chunk of touches.
_STOP_LIMIT_S = 30.0


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

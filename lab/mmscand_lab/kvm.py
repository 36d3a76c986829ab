"""A KVM machine of our own, `kvm_machine.c`: which pages it uses, and how often, is known.

The program is compiled on the host and started in the guest. What the machine has used is read from
its memory: each page counts its accesses.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from mmscand_lab.building import INSTALL, build_program
from mmscand_lab.kernel import LabError
from mmscand_lab.residents import PAGE, Resident

MACHINE = Path(__file__).resolve().with_name("kvm_machine.c")
_WORDS = PAGE // 4
_POLL_S = 0.001

Counts = npt.NDArray[np.uint32]


def require_machine() -> Path:
    """The program, compiled if it is missing; LabError without a compiler."""
    program = build_program(MACHINE)
    if program is None:
        raise LabError("a KVM machine of our own needs a compiler", hint=INSTALL)
    return program


def times_of(program: Path, pages: int, hot: int, seed: int) -> Counts:
    """(pages,) accesses to each page in a round, by the seed. Raises LabError."""
    argv: Sequence[str] = [str(program), "truth", str(pages), str(hot), str(seed)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise LabError(
            f"no KVM machine with {hot} hot pages of {pages}", hint="take fewer hot pages"
        )
    times: Counts = np.zeros(pages, dtype=np.uint32)
    drawn = np.array(said.stdout.split(), dtype=np.int64).reshape(-1, 2)
    times[drawn[:, 0]] = drawn[:, 1]
    return times


@dataclass(frozen=True, slots=True)
class Use:
    """What the machine has done between two looks at its counts."""

    rounds: int
    """That are complete."""
    pages: int
    """That were used as often as these rounds make."""
    wrong: int
    """Data pages of which that is not so, and those that no round uses and that were used."""


@dataclass(frozen=True, slots=True)
class KvmMachine:
    """One that runs."""

    memory: Resident
    times: Counts
    """(pages,) accesses to each page in a round."""

    def counts(self) -> Counts:
        """(pages,) the first word of each page: of data pages, accesses so far. Raises OSError."""
        with _stopped(self.memory.pid), Path(f"/proc/{self.memory.pid}/mem").open("rb") as file:
            file.seek(self.memory.address)
            words = np.frombuffer(file.read(self.memory.pages * PAGE), dtype=np.uint32)
        return words[::_WORDS].copy()

    def use_since(self, before: Counts) -> Use:
        """What it has done since `counts` were these. Raises OSError."""
        return use_between(before, self.counts(), self.times)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """It does not run meanwhile: pages that are read later would have been used more often."""
    process = psutil.Process(pid)
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:  # it has to leave KVM_RUN first
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        process.resume()


def use_between(before: Counts, after: Counts, times: Counts) -> Use:
    """Of arrays (pages,) of `KvmMachine`.

    The machine may have been stopped within a round, each time: two of them are not complete.
    """
    hot, first = times > 0, 1 + -(-int(times.sum()) // _WORDS)
    used, times = (after - before)[hot], times[hot]
    rounds = int((used // times).min())
    right = used <= (rounds + 2) * times
    cold = np.count_nonzero(after[first:][~hot[first:]])
    return Use(rounds, int(right.sum()), int((~right).sum() + cold))

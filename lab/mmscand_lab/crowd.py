"""The parent of a busy server's small inhabitants: starts them, and makes storms of processes.

``python -m mmscand_lab.crowd --fast 0 --slow 1`` starts all of `mmscand_lab.residents` but the idle
one. Then it takes commands from standard input, a line each: `idle PAGES` fills the fast node,
`storm COUNT` runs COUNT processes that end at once. Answers are lines of JSON: an inhabitant
each, an error, or the storm's count. `Crowd` is the other end.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmscand_lab import residents
from mmscand_lab.kernel import LabError
from mmscand_lab.residents import Resident

_AT_ONCE = 20
"""Processes of a storm that are there together."""
_WITH_EXEC = 10
"""Each such one of a storm becomes another program."""
SMALL = 300


class Crowd:
    """Its inhabitants, and what it can be asked for; it ends with the context."""

    def __init__(self, process: subprocess.Popen[str], small: int) -> None:
        self._process = process
        found = [self._resident() for _ in range(len(_ODD) + small)]
        self.small = [each for each in found if each.name == "small"]
        self.named = {each.name: each for each in found if each.name != "small"}

    def fill_fast_node(self, pages: int) -> None:
        """Start an idle process with this number of pages on the fast node."""
        self._say(f"idle {pages}")
        self.named["idle"] = self._resident()

    def storm(self, count: int) -> int:
        """Run `count` processes that end at once; the number that ran."""
        self._say(f"storm {count}")
        return int(self._answer()["storm"])

    def _resident(self) -> Resident:
        return Resident(**self._answer())

    def _say(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the crowd has ended"}
        if "error" in answer:
            raise LabError(
                f"the server's processes failed: {answer['error']}", hint="see stderr.txt"
            )
        return answer


@contextmanager
def gathered(
    fast: int, slow: int, kvm_machine: Path, kvm_mib: int, small: int = SMALL
) -> Iterator[Crowd]:
    """All of them, once each has its memory; `kvm_machine` is a program. Raises LabError."""
    options: dict[str, object] = {"fast": fast, "slow": slow, "kvm-mib": kvm_mib, "small": small}
    options["kvm-machine"] = kvm_machine
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with subprocess.Popen(
        [sys.executable, "-m", "mmscand_lab.crowd", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Crowd(process, small)
        finally:
            process.kill()  # and each child with it


_ODD: dict[str, Callable[[argparse.Namespace], None]] = {
    "kvm": lambda given: residents.kvm_machine(given.kvm_machine, given.fast, given.kvm_mib * 256),
    "bound": lambda given: residents.bound(given.slow),
    "pinned": lambda given: residents.pinned(given.slow),
    "container": lambda given: residents.container(given.slow),
}


def _storm(count: int) -> None:
    for first in range(0, count, _AT_ONCE):
        wave = [_short_lived(number) for number in range(first, min(count, first + _AT_ONCE))]
        for pid in wave:
            os.waitpid(pid, 0)
    os.write(1, json.dumps({"storm": count}).encode() + b"\n")


def _short_lived(number: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            if number % _WITH_EXEC == 0:
                os.execv("/bin/true", ["true"])
            bytearray(64 << 10)
        finally:
            os._exit(0)
    return pid


def _gather(given: argparse.Namespace) -> None:
    for name, live in _ODD.items():
        residents.start(name, functools.partial(live, given))
    for number in range(given.small):
        residents.start(f"small-{number}", functools.partial(residents.small, given.slow, number))


def _obey(given: argparse.Namespace) -> None:
    for line in sys.stdin:
        word, count = line.split()
        if word == "storm":
            _storm(int(count))
        else:
            residents.start("idle", functools.partial(residents.idle, given.fast, int(count)))


def main(argv: Sequence[str] | None = None) -> int:
    """The program; ends with its standard input."""
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.crowd", description=__doc__)
    for name in ("fast", "slow", "kvm-mib", "small"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--kvm-machine", required=True, help="program of a KVM machine")
    given = parser.parse_args(argv)
    gc.disable()
    gc.freeze()  # the collector would write to all that the forks share
    _gather(given)
    _obey(given)
    return 0


if __name__ == "__main__":
    sys.exit(main())

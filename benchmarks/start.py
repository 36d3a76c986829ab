"""What a start costs: seconds and MiB of the commands and of the daemon, natively.

Beside them an interpreter that does nothing, and one that imports numpy: no start can be faster.
The client commands ask a daemon that is simulated; the daemon itself is the real one, with all
memory taken as slow, so that it needs no second tier. Best of several, as the machine is noisy.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import tell
from mmscand import __version__
from mmscand.control.listener import ControlServer
from mmscand.daemon import Daemon
from mmscand.errors import MmscandError
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand_lab.ending import exit_status

_ONE_TIER = """
import sys
from mmscand.cli import wiring
wiring.real_machine = wiring.readable_machine
from mmscand.__main__ import main
sys.argv[0] = "mmscand"
main()
"""
_COMMAND = """
import sys
sys.argv[0] = "mmscand"
from mmscand.__main__ import main
main()
"""
_TELLS_ITS_MEMORY = """
try:
    exec(sys.argv.pop(1))
finally:
    sys.stderr.write(open("/proc/self/status").read())
"""
"""Not by wait4(2): its ru_maxrss has the memory of the process that forked."""
_SETTLE_S = 3.0
"""Each process has been looked at by then."""
_COMMANDS = ("--version", "--help", "status", "ps", "get", "set hot_passes=2", "get --defaults")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one start."""

    seconds: float
    mib: float
    """Most that was resident at a time; of the daemon, what is resident once it has settled."""


def run_once(code: str, words: Sequence[str] = ()) -> Cost:
    """A program until it ends; MmscandError when it fails."""
    command = [sys.executable, "-c", "import sys" + _TELLS_ITS_MEMORY, code, *words]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise MmscandError(f"mmscand {' '.join(words)} failed", hint="try it in a terminal")
    return Cost(seconds, _mib("VmHWM", done.stderr))


def start_daemon(words: Sequence[str]) -> Cost:
    """The daemon until its first line, which it prints when it watches."""
    began = time.perf_counter()
    command = [sys.executable, "-c", _ONE_TIER, "run", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        try:
            if "watches" not in line:
                raise MmscandError(
                    "the daemon does not start", hint="try `mmscand run` in a terminal"
                )
            time.sleep(_SETTLE_S)
            return Cost(seconds, _mib("VmRSS", Path(f"/proc/{process.pid}/status").read_text()))
        finally:
            process.terminate()


def _mib(name: str, status: str) -> float:
    """A size of proc_pid_status(5)."""
    lines = status.splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def best(costs: Sequence[Cost]) -> Cost:
    """The least of each."""
    return Cost(min(cost.seconds for cost in costs), min(cost.mib for cost in costs))


@contextmanager
def simulated_daemon(socket: Path) -> Iterator[None]:
    """A daemon on a machine with memory and no process."""
    daemon = Daemon(SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512})))
    server = ControlServer(daemon, __version__, socket)  # type: ignore[arg-type]  # no reload
    server.start()
    try:
        with daemon:
            yield
    finally:
        server.stop()


def measure(repeats: int, folder: Path) -> Iterator[tuple[str, Cost]]:
    """Each start by its name."""
    socket = folder / "mmscand.sock"
    bases = {"python": "pass", "python with numpy": "import numpy"}
    for name, code in bases.items():
        yield name, best([run_once(code) for _ in range(repeats)])
    with simulated_daemon(socket):
        for name in _COMMANDS:
            asks = [] if name.startswith("--") else ["--socket", str(socket)]
            costs = [run_once(_COMMAND, [*name.split(), *asks]) for _ in range(repeats)]
            yield f"mmscand {name}", best(costs)
    for name, more in (("run --no-control", ["--no-control"]), ("run", ["--socket", str(socket)])):
        yield f"mmscand {name}", best([start_daemon(more) for _ in range(repeats)])


def figures(repeats: int) -> dict[str, object]:
    """Seconds and MiB by name."""
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, cost in measure(repeats, Path(folder)):
            found[f"{name}: s"] = round(cost.seconds, 3)
            found[f"{name}: MiB"] = round(cost.mib, 1)
    return found


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench start", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="starts of each; the best counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    return exit_status("bench start", lambda: tell(figures(options.repeats), options.json))


if __name__ == "__main__":
    sys.exit(main())

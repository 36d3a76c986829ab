"""Who can move hot pages up in the guest: the kernel's own tiering, DAMON, mmscand, nobody.

Each is a context manager: while it is open, pages are promoted its way; afterwards everything is as
it was. They differ in what they do to the machine, so each says which threads to charge for it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmscand.lab.kernel import LabError
from mmscand.lab.programs import daemon_command, running
from mmscand.lab.result import EVENTS
from mmscand.model import Topology

_NUMA_BALANCING = Path("/proc/sys/kernel/numa_balancing")
_DEMOTION = Path("/sys/kernel/mm/numa/demotion_enabled")
_DAMO_LIMIT_S = _START_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What a tierer works on."""

    topology: Topology
    pid: int
    """Of the workload."""
    results: Path


@dataclass(frozen=True, slots=True)
class Tierer:
    """One way of tiering."""

    summary: str
    at_work: Callable[[Stage], AbstractContextManager[int | None]]
    """The pid of its daemon, None where the kernel does it."""
    threads: tuple[str, ...] = ()
    """Kernel threads that work for it, by the beginning of their names."""


@contextmanager
def _nobody(stage: Stage) -> Iterator[None]:
    yield None


@contextmanager
def _written(values: Mapping[Path, str]) -> Iterator[None]:
    """Settings of the kernel for a while; LabError when one cannot be made."""
    before: dict[Path, str] = {}
    try:
        for path, value in values.items():
            before[path] = path.read_text().strip()
            path.write_text(value)
        yield
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from None
    finally:
        for path, value in before.items():
            path.write_text(value)


def _numa_balancing(mode: int) -> Callable[[Stage], AbstractContextManager[None]]:
    @contextmanager
    def at_work(stage: Stage) -> Iterator[None]:
        demotion = "true" if mode & 2 else "false"
        with _written({_NUMA_BALANCING: str(mode), _DEMOTION: demotion}):
            yield None

    return at_work


@contextmanager
def _damon(stage: Stage) -> Iterator[None]:
    """Physical addresses of the slow node; what was accessed goes up, as damo's guide has it."""
    fast, slow = min(stage.topology.fast), max(stage.topology.slow)
    ranges = stage.topology.node(slow).frame_ranges
    argv = ["start", "--ops", "paddr", "--regions", " ".join(f"{a}-{b}" for a, b in ranges)]
    argv += ["--monitoring_intervals", "5ms", "100ms", "1s"]
    argv += ["--monitoring_nr_regions_range", "10", "2000"]
    argv += ["--damos_action", "migrate_hot", str(fast), "--damos_access_rate", "5%", "max"]
    argv += ["--damos_apply_interval", "1s"]
    _damo(argv)
    try:
        yield None
    finally:
        _damo(["stop"])


def _damo(argv: list[str]) -> None:
    try:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "damo"), *argv],
            capture_output=True,
            text=True,
            timeout=_DAMO_LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise LabError("damo is not installed", hint="pip install 'mmscand[lab]'") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"damo {argv[0]} took longer than {_DAMO_LIMIT_S:g} s") from None
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise LabError(f"damo {argv[0]} failed: {words[-1]}")


@contextmanager
def _mmscand(stage: Stage) -> Iterator[int]:
    argv, events = daemon_command("--pid", str(stage.pid)), stage.results / EVENTS
    with running("daemon", argv, stage.results, events) as daemon:
        # At work from here on, as the others are in the kernel: a start of Python takes half a
        # second, and up to half a minute in emulation.
        daemon.wait_for(
            lambda: "process_entered" in events.read_text(), "the daemon", _START_LIMIT_S
        )
        yield daemon.process.pid
        daemon.stop()


TIERERS: Mapping[str, Tierer] = {
    "nothing": Tierer("pages stay where they are", _nobody),
    "numa-balancing-1": Tierer("NUMA balancing, mode 1", _numa_balancing(1)),
    "numa-balancing-2": Tierer(
        "NUMA balancing, mode 2 (tiering) with demotion", _numa_balancing(2), ("kswapd",)
    ),
    "damon": Tierer("DAMON, migrate_hot of the slow node by damo", _damon, ("kdamond",)),
    "mmscand": Tierer("this daemon, two-pass", _mmscand),
}

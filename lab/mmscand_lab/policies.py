"""What moves hot pages up in the guest: the kernel's own tiering, DAMON, mmscand, or nothing.

Each is a context manager: the policy is at work while it is open; afterwards everything is as it
was. A further policy is a line in `POLICIES`; the daemon with other knobs needs none.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmscand.errors import UsageError
from mmscand.model import Topology
from mmscand_lab.kernel import LabError
from mmscand_lab.numa import preferring
from mmscand_lab.one_cpu import one_cpu
from mmscand_lab.programs import LAB_KNOBS, daemon_command, running, shipped_budget
from mmscand_lab.result import EVENTS

_NUMA_BALANCING = Path("/proc/sys/kernel/numa_balancing")
_DEMOTION = Path("/sys/kernel/mm/numa/demotion_enabled")
_ROOM = ("headroom_percent=0", "page_cache_percent=0")
"""Room is what a contest leaves: 2 % of the whole node would be half of it, and page cache differs
from run to run. `room_pages` stay free.
"""
_DAMO_LIMIT_S = _START_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What a policy works on."""

    topology: Topology
    options: tuple[str, ...]
    """Of ``mmscand run``: the workload's processes, and knobs that it cannot do without."""
    results: Path
    slowness: float = 1.0
    """By how much a core is slower than the host's."""


@dataclass(frozen=True, slots=True)
class TieringPolicy:
    """One tiering policy."""

    summary: str
    at_work: Callable[[Stage], AbstractContextManager[int | None]]
    """The pid of its daemon, None where the kernel does it."""


@contextmanager
def _nothing(stage: Stage) -> Iterator[None]:
    yield None


@contextmanager
def _written(values: Mapping[Path, str]) -> Iterator[None]:
    """Settings of the kernel for a while, made by `one_cpu`; LabError when one cannot be made."""
    before: dict[Path, str] = {}
    try:
        with one_cpu():
            for path, value in values.items():
                before[path] = path.read_text().strip()
                path.write_text(value)
        yield
    except OSError as error:
        raise LabError(f"{error.filename}: {error.strerror}") from None
    finally:
        with one_cpu():
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
    """A kernel thread for each tier, set as HMSDK sets DAMON: accessed pages up, cold ones down."""
    fast, slow = min(stage.topology.fast), max(stage.topology.slow)
    up = ["--damos_action", "migrate_hot", str(fast), "--damos_access_rate", "5%", "100%"]
    # Of each, in the order of the schemes: with one for the second alone, damo gives it the first.
    up += ["--damos_age", "0s", "max", "--damos_filter", "reject", "none", "young"]
    down = ["--damos_action", "migrate_cold", str(slow), "--damos_access_rate", "0%", "0%"]
    # A third of its 30 s, as what is measured lasts 40 s.
    down += ["--damos_age", "10s", "max", "--damos_filter", "reject", "young"]
    with preferring(slow):
        _damo(["start", *_kdamond(stage, slow, up), *_kdamond(stage, fast, down)])
    try:
        yield None
    finally:
        _damo(["stop"])


def _kdamond(stage: Stage, node: int, scheme: list[str]) -> list[str]:
    ranges = " ".join(f"{a}-{b}" for a, b in stage.topology.node(node).frame_ranges)
    argv = ["--kdamond", "--damon_ctx", "--ops", "paddr", "--damon_target", "--regions", ranges]
    argv += ["--monitoring_intervals", "100ms", "2s", "20s"]
    argv += ["--monitoring_nr_regions_range", "100", "10000"]
    return [*argv, "--damos_scheme", *scheme]


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


def _mmscand(*knobs: str, shipped: bool = False) -> Callable[[Stage], AbstractContextManager[int]]:
    @contextmanager
    def at_work(stage: Stage) -> Iterator[int]:
        budget = shipped_budget(stage.slowness) if shipped else LAB_KNOBS
        argv = daemon_command(*stage.options, knobs=(*budget, *_ROOM, *knobs))
        events = stage.results / EVENTS
        # Its 60 MiB are nothing on a real machine, and all of the room here.
        with (
            preferring(max(stage.topology.slow)),
            running("daemon", argv, stage.results, events) as daemon,
        ):
            # At work from here on, as the others are in the kernel: a start of Python takes half a
            # second, and up to half a minute in emulation.
            daemon.wait_for(
                lambda: "process_entered" in events.read_text(), "the daemon", _START_LIMIT_S
            )
            yield daemon.process.pid
            daemon.stop()

    return at_work


def knobs_of(name: str) -> list[str]:
    """The NAME=VALUE of ``mmscand:NAME=VALUE:...``; none of another name.

    It is the name of a folder too, so there is nothing in it but words.
    """
    ours, *knobs = name.split(":")
    fit = ours == "mmscand" and all(re.fullmatch(r"\w+=[\w.-]+", knob) for knob in knobs)
    return knobs if fit else []


def policy_named(name: str) -> TieringPolicy:
    """One of `POLICIES`, or the daemon with other knobs, see `knobs_of`; UsageError."""
    if name in POLICIES:
        return POLICIES[name]
    if not (knobs := knobs_of(name)):
        there_are = ", ".join(POLICIES)
        raise UsageError(
            f"no policy {name!r}", hint=f"there are {there_are}, and mmscand:KNOB=VALUE"
        )
    return TieringPolicy(f"this daemon, {', '.join(knobs)}", _mmscand(*knobs))


POLICIES: Mapping[str, TieringPolicy] = {
    "nothing": TieringPolicy("pages stay where they are", _nothing),
    "numa-balancing-1": TieringPolicy("NUMA balancing, mode 1", _numa_balancing(1)),
    "numa-balancing-2": TieringPolicy(
        "NUMA balancing, mode 2 (tiering) with demotion", _numa_balancing(2)
    ),
    "damon": TieringPolicy(
        "DAMON: migrate_hot of the slow node, migrate_cold of the fast one", _damon
    ),
    "mmscand": TieringPolicy("this daemon, without a CPU budget", _mmscand()),
    "mmscand-shipped": TieringPolicy(
        "this daemon, its settings as shipped, the budget scaled to the emulation",
        _mmscand(shipped=True),
    ),
    "mmscand-v3": TieringPolicy(
        "as the RFC does it: profile v3, two passes", _mmscand("profile=v3", "policy=two-pass")
    ),
    "mmscand-frequency": TieringPolicy(
        "this daemon, four passes of six", _mmscand("policy=frequency")
    ),
    "mmscand-two-pass": TieringPolicy(
        "this daemon, two passes in a row are enough", _mmscand("policy=two-pass")
    ),
    "mmscand-first-touch": TieringPolicy(
        "this daemon, one access is enough", _mmscand("policy=first-touch")
    ),
}

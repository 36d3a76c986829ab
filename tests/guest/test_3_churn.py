"""Processes that come and go while pages of some of them are moved, with events and without."""

import contextlib
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmscand.daemon import Daemon
from mmscand.errors import ProcessGone
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs
from mmscand.model import Process
from mmscand.observe.events import Moved
from mmscand.scan.rules import Rule, Rules
from support import churn
from support.live_world import LiveWorld
from support.sim_daemon import running

QUICK = (300, 15)
ISSUE = (1000, 60)
"""Processes and seconds."""
SOAK = [pytest.mark.soak, pytest.mark.timeout(1200)]
_MOST_GROWN_KIB = 4096
"""Of resident memory: a leak of a slot and a history for each of 300 would be twice that."""


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1])


def left_open(daemon: Daemon) -> int:
    """Descriptors when no process is left; a look at /proc holds one open for a moment."""
    while daemon.status().processes:
        time.sleep(0.1)
    least = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        time.sleep(0.05)
        least = min(least, len(os.listdir("/proc/self/fd")))
    return least


def own_name(process: Process) -> str | None:
    """A process that is listed before it has taken its own name goes by its parent's there. Of one
    that has exited by then it is not known, and its pid may be a bystander's: whether that was
    moved, it finds out itself.
    """
    if process.name == "hot":
        return process.name
    with contextlib.suppress(ProcessGone):
        found = Procfs().stat(process.pid).process
        return found.name if found == process else None
    return None


@pytest.mark.parametrize("size", [QUICK, pytest.param(ISSUE, marks=SOAK)])
@pytest.mark.parametrize("way", ["events", "poll"])
def test_no_wrong_pid_is_touched_and_nothing_leaks(
    world: LiveWorld, way: str, size: tuple[int, int]
) -> None:
    machine = world.machine
    if way == "poll":
        machine = replace(machine, process_list=ProcessList(machine.procfs))
    promoted: dict[str, int] = {}

    def count(event: object) -> None:
        if isinstance(event, Moved) and (name := own_name(event.process)):
            promoted[name] = promoted.get(name, 0) + event.promoted

    rules = Rules([Rule(0), Rule(5, name=re.compile("^hot$"))])
    with running(machine, count, scan_period_ms=100, rules=rules) as daemon:
        churn.run_churn(60, 3, world.slow)  # whatever is made once is made now
        descriptors, memory = left_open(daemon), resident_kib()
        found = churn.run_churn(*size, world.slow)
        assert left_open(daemon) <= descriptors
        assert resident_kib() <= memory + _MOST_GROWN_KIB
    assert found["moved"] == 0
    assert found["born"] >= size[0]
    assert found["reused"] >= found["born"] // 25  # of a tenth: now and then another was faster
    assert set(promoted) == {"hot"}
    assert promoted["hot"] >= churn.PAGES * found["born"] // 40  # of the hot ones that wait for it

"""What this machine offers, tried and reported: a row for each thing that the daemon needs."""

import contextlib
import os
from collections.abc import Callable

from mmscand.errors import MachineCannot, MmscandError, ProcessDenied, ProcessGone
from mmscand.linux import unseen_use
from mmscand.linux.aging import NO_MAIN_THREAD
from mmscand.linux.arch.numbers import MACHINE
from mmscand.linux.iomem import readable_ram
from mmscand.linux.machine_mark import marks
from mmscand.linux.mglru import GenerationAger
from mmscand.linux.other_agents import Check, other_agents
from mmscand.linux.privileges import hint, missing_capabilities
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import READERS, open_reader
from mmscand.linux.surroundings import require_host
from mmscand.linux.topology import require_two_tiers
from mmscand.linux.trials import try_aging, try_moving
from mmscand.model import Topology

__all__ = ["Check", "other_agents", "run_checks"]


def _tried(name: str, needed: bool, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name, True, needed, attempt())
    except MmscandError as error:
        return Check(name, False, needed, error.message, error.hint)
    except OSError as error:
        return Check(name, False, needed, error.strerror or str(error), "look at the kernel log")


def run_checks(topology: Topology, procfs: Procfs | None = None) -> list[Check]:
    """All rows, in the order in which a person would ask."""
    procfs = procfs or Procfs()
    ram = readable_ram(topology)
    release = os.uname()
    kernel = Check(
        "kernel",
        release.machine == MACHINE,
        True,
        f"{release.release} {release.machine}",
        "only x86-64 page tables can be read",
    )
    readers = [_reader_check(name, ram, procfs) for name in READERS]
    return [
        kernel,
        _tried("surroundings", True, _surroundings),
        _tried("privileges", True, lambda: _privileges(procfs)),
        _tried("tiers", True, lambda: _tiers(topology)),
        *readers,
        _any_reader(readers),
        _tried("aging", True, _aging),
        _tried("moving", True, _moving),
        _tried("process events", False, _process_events),
        *other_agents(procfs.root),
        _tried("bulk aging", False, _bulk_aging),
        guests_and_devices(procfs),
        ended_main_threads(procfs),
        Check("daemon", True, False, _daemons()),
    ]


def _surroundings() -> str:
    require_host()
    return "the first namespaces, and all of /proc"


def _privileges(procfs: Procfs) -> str:
    if missing := missing_capabilities(procfs):
        names = ", ".join(name for name, _ in missing)
        raise MachineCannot(f"missing {names}", hint=hint())
    return "the capabilities are there"


def _tiers(topology: Topology) -> str:
    require_two_tiers(topology)
    fast, slow = sorted(topology.fast), sorted(topology.slow)
    return f"promote from node {_listed(slow)} to node {_listed(fast)} ({topology.note})"


def _listed(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _reader_check(name: str, ram: tuple[tuple[int, int], ...], procfs: Procfs) -> Check:
    def attempt() -> str:
        require_host()  # else what keeps the reader from working is called by another name
        reader = open_reader(name, ram, procfs)
        reader.close()
        return f"passes its self-test, {reader.direct_map.levels}-level page tables"

    return _tried(f"reader {name}", False, attempt)


def _any_reader(readers: list[Check]) -> Check:
    working = [check.name for check in readers if check.ok]
    if working:
        return Check("reading", True, True, f"by {working[0].removeprefix('reader ')}")
    return Check("reading", False, True, "no reader works", "see the rows above")


def _aging() -> str:
    try_aging()
    return "process_madvise(MADV_COLD)"


def _moving() -> str:
    try_moving()
    return "move_pages"


def _process_events() -> str:
    ProcEvents().close()
    return "by the kernel's proc connector"


def _bulk_aging() -> str:
    GenerationAger().require()
    return "by MGLRU: with shared_memory=true, hot shared pages of a cgroup are known"


def guests_and_devices(procfs: Procfs) -> Check:
    """Processes that `run` leaves alone, as their memory is used without their page tables."""
    found = _left_alone(procfs, lambda pid: unseen_use.of_process(procfs, pid))
    hint = "a rule with unseen_use = true has these scanned all the same" if found else ""
    none = "no process owns a KVM machine or a device"
    return Check("guests, devices", True, False, found or none, hint)


def ended_main_threads(procfs: Procfs) -> Check:
    """Processes that `run` leaves alone, as no call clears their Accessed bits."""
    found = _left_alone(
        procfs, lambda pid: NO_MAIN_THREAD if procfs.stat(pid).without_leader else ""
    )
    return Check("main threads", True, False, found or "every process has its main thread")


def _left_alone(procfs: Procfs, why: Callable[[int], str]) -> str:
    """The processes for which there is a reason, each with it; '' where there is none."""
    found = []
    for pid in procfs.pids():
        with contextlib.suppress(ProcessGone, ProcessDenied):
            if reason := why(pid):
                found.append(f"{procfs.stat(pid).process}: {reason}")
    return f"left alone: {'; '.join(found)}" if found else ""


def _daemons() -> str:
    pids = [str(pid) for _, pid in marks()]
    return f"runs already, as pid {', '.join(pids)}" if pids else "none runs on this machine"

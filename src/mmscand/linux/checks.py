"""What this machine offers, tried and told: a row for each thing that the daemon needs."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmscand.errors import MachineCannot, MmscandError
from mmscand.linux.iomem import readable_ram
from mmscand.linux.mglru import GenerationAger, mglru_is_on
from mmscand.linux.privileges import missing_capabilities
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import READERS, ProbeMapping, open_reader
from mmscand.linux.syscalls import MADV_COLD, move_pages, pidfd_open, process_madvise
from mmscand.linux.topology import require_two_tiers
from mmscand.model import PAGE_BYTES, Topology


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what was looked at, how it stands, why, and what to do about it."""

    name: str
    ok: bool
    needed: bool
    """`run` cannot work without it."""
    detail: str
    hint: str = ""


def _tried(name: str, needed: bool, attempt: Callable[[], str]) -> Check:
    try:
        return Check(name, True, needed, attempt())
    except MmscandError as error:
        return Check(name, False, needed, error.message, error.hint)
    except OSError as error:
        return Check(name, False, needed, error.strerror or str(error), "run as root")


def run_checks(topology: Topology, procfs: Procfs | None = None) -> list[Check]:
    """All rows, in the order in which a person would ask."""
    procfs = procfs or Procfs()
    ram = readable_ram(topology)
    release = os.uname()
    kernel = Check(
        "kernel",
        release.machine == "x86_64",
        True,
        f"{release.release} {release.machine}",
        "only x86-64 page tables can be read",
    )
    readers = [_reader_check(name, ram, procfs) for name in READERS]
    return [
        kernel,
        _tried("privileges", True, lambda: _privileges(procfs)),
        _tried("tiers", True, lambda: _tiers(topology)),
        *readers,
        _any_reader(readers),
        _tried("aging", True, _aging),
        _tried("moving", True, _moving),
        _tried("process events", False, _process_events),
        *other_agents(procfs.root),
        _tried("bulk aging", False, _bulk_aging),
    ]


def _privileges(procfs: Procfs) -> str:
    if missing := missing_capabilities(procfs):
        names = ", ".join(name for name, _ in missing)
        raise MachineCannot(f"missing {names}", hint="run as root")
    return "the capabilities are there"


def _tiers(topology: Topology) -> str:
    require_two_tiers(topology)
    fast, slow = sorted(topology.fast), sorted(topology.slow)
    return f"promote from node {_listed(slow)} to node {_listed(fast)} ({topology.note})"


def _listed(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _reader_check(name: str, ram: tuple[tuple[int, int], ...], procfs: Procfs) -> Check:
    def attempt() -> str:
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
    probe = ProbeMapping(1)
    pidfd = pidfd_open(os.getpid())
    try:
        process_madvise(pidfd, np.array([[probe.address, PAGE_BYTES]], dtype=np.uint64), MADV_COLD)
    except OSError as error:
        raise MachineCannot(
            f"process_madvise(MADV_COLD): {error.strerror}", hint="use a kernel from 5.10 on"
        ) from None
    finally:
        os.close(pidfd)
    return "process_madvise(MADV_COLD)"


def _moving() -> str:
    probe = ProbeMapping(1)
    _, told = move_pages(os.getpid(), np.array([probe.address], dtype=np.uint64), None)
    status = int(told[0])
    if status < 0:
        raise MachineCannot(
            f"move_pages: {os.strerror(-status)}", hint="use a kernel with CONFIG_MIGRATION"
        )
    return "move_pages"


def _process_events() -> str:
    ProcEvents().close()
    return "by the kernel's proc connector"


def other_agents(proc: Path = Path("/proc")) -> Iterator[Check]:
    """Who else uses Accessed bits or moves pages, and what to expect. None of it stops `run`."""
    yield _numa_balancing(proc)
    kdamonds = sum(name.startswith(b"kdamond") for name in _thread_names(proc))
    yield Check(
        "DAMON",
        not kdamonds,
        False,
        f"kdamond runs, {kdamonds} in all" if kdamonds else "no kdamond runs",
        "it clears Accessed bits too: pages may read colder than they are" if kdamonds else "",
    )
    yield _mglru()


def _mglru() -> Check:
    on = mglru_is_on()
    hint = "when memory is short it clears Accessed bits too: pages may read colder than they are"
    return Check("MGLRU", True, False, "on" if on else "off or not built in", hint if on else "")


def _bulk_aging() -> str:
    GenerationAger().require()
    return "by MGLRU: with shared_memory=true, shared pages of a cgroup are told hot from cold"


def _thread_names(proc: Path) -> Iterator[bytes]:
    """Names may hold any byte, and processes may exit while we look."""
    for path in proc.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def _numa_balancing(proc: Path) -> Check:
    path = proc / "sys/kernel/numa_balancing"
    mode = int(path.read_text()) if path.exists() else 0
    if not mode:
        return Check("NUMA balancing", True, False, "off")
    hint = "it moves pages to the CPUs that use them: some will be up before mmscand finds them hot"
    if mode & 2:
        hint = (
            "it promotes too, in the application's own time: sysctl kernel.numa_balancing=0 ends it"
        )
    return Check("NUMA balancing", not mode & 2, False, f"mode {mode}", hint)

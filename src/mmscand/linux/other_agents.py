"""Other programs that use Accessed bits or move pages. None of it stops `run`."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmscand.errors import MachineCannot
from mmscand.linux.files import read_file
from mmscand.linux.mglru import mglru_is_on

_DAMON_STAT = Path("/sys/module/damon_stat/parameters")


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what was looked at, how it stands, why, and what to do about it."""

    name: str
    ok: bool
    needed: bool
    """`run` cannot work without it."""
    detail: str
    hint: str = ""


def other_agents(proc: Path = Path("/proc"), damon_stat: Path = _DAMON_STAT) -> Iterator[Check]:
    """A row for each that is looked for."""
    yield _numa_balancing(proc)
    kdamonds = {pid for pid, name in _threads(proc) if name.startswith(b"kdamond")}
    own = _damon_stat_pid(damon_stat, kdamonds)
    yield _damon(len(kdamonds - {own}))
    if own is not None:
        yield _damon_stat(own, damon_stat)
    yield _mglru()


def _damon(kdamonds: int) -> Check:
    if not kdamonds:
        return Check("DAMON", True, False, "no kdamond runs for anybody")
    hint = "it clears Accessed bits too: pages may read colder than they are"
    return Check("DAMON", False, False, f"kdamond runs, {kdamonds} in all", hint)


def _damon_stat_pid(parameters: Path, kdamonds: set[int]) -> int | None:
    """The thread of DAMON_STAT, which some kernels start at boot; None where it is not on."""
    try:
        if read_file(parameters / "enabled").strip() != b"Y":
            return None
        pid = int(read_file(parameters / "kdamond_pid"))
    except (MachineCannot, ValueError):
        return None
    return pid if pid in kdamonds else None


def _damon_stat(pid: int, parameters: Path) -> Check:
    # mm/damon/stat.c: at most 1000 regions, an interval of 5 ms to 10 s that tunes itself.
    return Check(
        "DAMON_STAT",
        True,
        False,
        f"kdamond {pid} clears a bit in each of at most 1000 regions, every 5 ms to 10 s: hardly "
        f"any where there is much memory; `echo N > {parameters}/enabled` ends it",
    )


def _mglru() -> Check:
    on = mglru_is_on()
    hint = "when memory is short it clears Accessed bits too: pages may read colder than they are"
    return Check("MGLRU", True, False, "on" if on else "off or not built in", hint if on else "")


def _threads(proc: Path) -> Iterator[tuple[int, bytes]]:
    """Pid and name of each process. Names may hold any byte, and processes may exit meanwhile."""
    for path in proc.glob("[0-9]*/comm"):
        with contextlib.suppress(MachineCannot):
            yield int(path.parent.name), read_file(path)


def _numa_balancing_mode(proc: Path) -> int:
    try:
        return int(read_file(proc / "sys/kernel/numa_balancing"))
    except (MachineCannot, ValueError):
        return 0  # not built in


def _numa_balancing(proc: Path) -> Check:
    mode = _numa_balancing_mode(proc)
    if not mode:
        return Check("NUMA balancing", True, False, "off")
    hint = "it moves pages to the CPUs that use them: some will be up before mmscand finds them hot"
    if mode & 2:
        hint = (
            "it promotes too, in the application's own time: "
            f"sysctl kernel.numa_balancing={mode & ~2} ends it"
        )
    return Check("NUMA balancing", not mode & 2, False, f"mode {mode}", hint)

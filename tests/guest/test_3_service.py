"""The capabilities of the service: with all of them it works, without any one it does not.

A child gives up its capabilities and does what is asked: a fork is far cheaper in here than another
interpreter. What it is asked for is done to a process of another user, as most of them are.
"""

import contextlib
import ctypes
import functools
import io
import os
import re
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmscand.cli.app import main
from mmscand.errors import MmscandError
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.procfs import Procfs
from mmscand.model import PAGE_BYTES
from support.puppet import Puppet

UNIT = Path(__file__).resolve().parents[2] / "src/mmscand/service/files/mmscand.service"
BITS = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""include/uapi/linux/capability.h"""
_CAPSET_VERSION_3 = 0x20080522
_PR_SET_DUMPABLE = 4
_NOBODY = 65534
_PAGES = 64

# Python 3.12 warns of forks beside threads; the child only makes system calls and exits.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def capabilities_of_the_unit() -> list[str]:
    start = "CapabilityBoundingSet="
    lines = UNIT.read_text().splitlines()
    return next(line.removeprefix(start).split() for line in lines if line.startswith(start))


UNIT_HAS = capabilities_of_the_unit()


def without(name: str) -> list[str]:
    return [other for other in UNIT_HAS if other != name]


def keep_only(names: list[str]) -> None:
    """capset(2) of this thread, which is the only one of a fork."""
    bits = sum(1 << BITS[name] for name in names)
    low, high = bits & 0xFFFF_FFFF, bits >> 32
    header = struct.pack("<Ii", _CAPSET_VERSION_3, 0)
    data = struct.pack("<6I", low, low, 0, high, high, 0)
    if ctypes.CDLL(None).capset(header, data) != 0:
        raise OSError("capset")


def in_child(names: list[str], ask: Callable[[], str]) -> str:
    """What `ask` returns in a child that has these capabilities and no other."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            keep_only(names)
            text = ask()
        except BaseException:
            text = traceback.format_exc()
        os.write(write_end, text.encode())
        os._exit(0)
    os.close(write_end)
    with open(read_end) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return text


def command(*arguments: str) -> str:
    """The exit code of a command and its complaints."""
    complaints = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(complaints):
        code = main(list(arguments))
    return f"exit {code}, {complaints.getvalue()}"


class Stranger:
    """A process of another user with slow pages."""

    def __init__(self, puppet: Puppet, node: int) -> None:
        self.puppet = puppet
        self.address = puppet.map(_PAGES, node=node)
        for name in ("setresgid", "setresuid"):
            self._libc(name, [_NOBODY] * 3)
        # Who changes the user hides from it until the next exec: its files in /proc are root's.
        self._libc("prctl", [_PR_SET_DUMPABLE, 1, 0, 0, 0])
        assert Path(f"/proc/{puppet.pid}/pagemap").stat().st_uid == _NOBODY

    def _libc(self, name: str, arguments: list[int]) -> None:
        assert self.puppet.say("libc", name=name, arguments=arguments)["result"] == 0


@pytest.fixture
def stranger(machine: LinuxMachine) -> Iterator[Stranger]:
    with Puppet() as puppet:
        yield Stranger(puppet, max(machine.topology().slow))


def first_refusal(machine: LinuxMachine, stranger: Stranger) -> str:
    """Do to the stranger all that the daemon does: which step is refused."""
    tiers, process = machine.topology(), Procfs().stat(stranger.puppet.pid).process
    address, fast = np.uint64(stranger.address), min(tiers.fast)
    pages = address + np.arange(_PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    step = "read kernel memory"
    try:
        own = open_machine(tiers)
        space = own.open(process)
        step = "read mappings"
        vmas = space.vmas()
        step = "read page tables"
        windows = space.read(vmas)
        block = next(b for w in windows for b in w.blocks if (b.addresses == address).any())
        step = "ask what is shared"
        assert not space.shared(pages).any()
        step = "age"
        assert space.age(block, block.present, vmas).pages >= _PAGES
        step = "move"
        assert (space.move(pages, fast) == fast).all()
    except MmscandError:
        return step
    return "nothing"


def test_the_units_capabilities_are_enough(machine: LinuxMachine, stranger: Stranger) -> None:
    assert in_child(UNIT_HAS, lambda: command("check")) == "exit 0, "
    assert in_child(UNIT_HAS, lambda: first_refusal(machine, stranger)) == "nothing"


@pytest.mark.parametrize("name", UNIT_HAS)
def test_check_and_run_name_the_one_that_is_missing(name: str) -> None:
    for arguments in (("check",), ("run", "--no-control")):
        answer = in_child(without(name), functools.partial(command, *arguments))
        assert answer.startswith("exit 3, mmscand: ")
        assert answer.count("\n") == 1
        assert [other for other in UNIT_HAS if other in answer] == [name]


_KERNEL = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
_WITHOUT_PTRACE = "move" if _KERNEL >= (6, 15) else "read mappings"
"""A newer kernel (7.3 has it, 6.12 has not) lets CAP_PERFMON read mappings as well, and
CAP_SYS_ADMIN counts as that (may_access_mm in kernel/fork.c)."""


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("CAP_DAC_READ_SEARCH", "ask what is shared"),
        ("CAP_SYS_PTRACE", _WITHOUT_PTRACE),
        ("CAP_SYS_ADMIN", "read kernel memory"),
        ("CAP_SYS_NICE", "age"),
    ],
)
def test_the_kernel_asks_for_each_of_them(
    name: str, refused: str, machine: LinuxMachine, stranger: Stranger
) -> None:
    assert in_child(without(name), lambda: first_refusal(machine, stranger)) == refused


def test_pages_of_others_move_without_sys_nice(machine: LinuxMachine, stranger: Stranger) -> None:
    """move_pages asks for it with MPOL_MF_MOVE_ALL only (mm/migrate.c)."""
    process, fast = Procfs().stat(stranger.puppet.pid).process, min(machine.topology().fast)

    def ask() -> str:
        space = machine.open(process)
        status = space.move(np.array([stranger.address], dtype=np.uint64), fast)
        return str(status.tolist())

    assert in_child(without("CAP_SYS_NICE"), ask) == f"[{fast}]"
    assert "ProcessDenied" in in_child(without("CAP_SYS_PTRACE"), ask)


def test_process_events_need_none_of_them_from_linux_6_6_on() -> None:
    found = in_child([], lambda: str(ProcEvents().drain()))
    assert found == "set()" if _KERNEL >= (6, 6) else "CAP_NET_ADMIN is missing" in found


def test_the_parts_of_sys_admin_are_not_enough(machine: LinuxMachine, stranger: Stranger) -> None:
    """BPF would load with them, but pagemap hides frame numbers."""
    names = [*without("CAP_SYS_ADMIN"), "CAP_BPF", "CAP_PERFMON"]
    assert in_child(names, lambda: first_refusal(machine, stranger)) == "read kernel memory"


def test_the_daemon_promotes_with_them(stranger: Stranger) -> None:
    """Bounded like the service, from exec on."""
    short = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in UNIT_HAS)
    bounded = ["setpriv", "--no-new-privs", "--bounding-set", f"-all,{short}"]
    chosen = ["--pid", str(stranger.puppet.pid), "--no-control", "--json"]
    knobs = ["--set", "scan_period_ms=500", "--set", "cpu_budget_percent=50"]
    daemon = subprocess.Popen(
        [*bounded, sys.executable, "-m", "mmscand", "run", *chosen, *knobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    for line in daemon.stdout:
        if '"moved"' in line:
            break
        stranger.puppet.touch(stranger.address, list(range(_PAGES)))  # hot: in every pass
    daemon.send_signal(signal.SIGTERM)
    _, complaints = daemon.communicate()
    assert (daemon.returncode, complaints) == (0, "")

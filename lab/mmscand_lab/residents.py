"""Inhabitants of a busy server: forks of one small Python, each with memory of its own.

Each says once where its memory is, and then uses it forever; it dies with its parent. Needs no
numpy: three hundred of these have to fit a small guest. What the kernel refuses is an OSError.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mmscand_lab.numa import bind, bound_to

PAGE = 4096
KVM_HOT, KVM_SEED = 2000, 1
"""Pages that the KVM machine uses in each round, and what they are drawn by."""
_BOUND_PAGES, _PINNED_PAGES, _CONTAINER_PAGES, _SMALL_PAGES = 1024, 512, 1024, 256
_SMALL_TOUCHED = 8
_WITH_MEMORY, _BUSYBOX = 5, "/bin/busybox"
"""A fork of Python maps 9 MiB, which take half a second to look at in emulation; this one has next
to nothing. The lab's initramfs is of it, so it is there."""
_ROUND_S, _SMALL_ROUND_S, _KVM_PAUSE_MS = 0.1, 5.0, 250

CONTAINER_NAME = b"web\nfront \x1b\xff"
"""The kernel refuses a line feed in the name of a cgroup (cgroup_mkdir), and takes it here."""
CONTAINER_CGROUP = b"/sys/fs/cgroup/web front \xff"

_MADV_POPULATE_WRITE = 23
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_NEW_NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET of include/uapi/linux/sched.h."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.vmsplice.restype = ctypes.c_ssize_t


@dataclass(frozen=True, slots=True)
class Resident:
    """What an inhabitant says about itself."""

    name: str
    pid: int
    address: int
    pages: int

    def say(self) -> None:
        """One line on standard output; a pipe takes it whole."""
        os.write(1, json.dumps(asdict(self)).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class _Area:
    """Private memory of 4K pages."""

    memory: mmap.mmap
    address: int
    pages: int

    def fill(self, node: int) -> None:
        """All of it on that node, with no policy left on it."""
        with bound_to(node):
            self.memory.madvise(_MADV_POPULATE_WRITE)

    def touch(self, pages: int) -> None:
        """Write to the first `pages` pages."""
        self.memory[0 : pages * PAGE : PAGE] = b"\1" * pages

    def use(self, pages: int, pause_s: float) -> None:
        """Touch them forever."""
        while True:
            self.touch(pages)
            time.sleep(pause_s)

    def say(self, name: str) -> None:
        """It is this process'."""
        Resident(name, os.getpid(), self.address, self.pages).say()


def _area(pages: int) -> _Area:
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return _Area(memory, ctypes.addressof(ctypes.c_char.from_buffer(memory)), pages)


def _filled(pages: int, node: int) -> _Area:
    area = _area(pages)
    area.fill(node)
    return area


def start(name: str, live: Callable[[], None]) -> int:
    """Fork an inhabitant of that name; its pid. One that fails says why in place of itself."""
    pid = os.fork()
    if pid:
        return pid
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(_PR_SET_NAME, name.encode())
        live()
    except BaseException as error:  # the parent reads lines of JSON, no traceback
        os.write(1, json.dumps({"error": f"{name}: {error!r}"}).encode() + b"\n")
    os._exit(1)


def kvm_machine(program: str, node: int, pages: int) -> None:
    """A KVM machine with that much memory on the node; `program` is of `kvm.require_machine`."""
    options = (node, pages, KVM_HOT, KVM_SEED, _KVM_PAUSE_MS)
    os.execv(program, ["kvm_machine", *map(str, options)])


def bound(node: int) -> None:
    """Hot, and bound to the node as by numactl --membind."""
    bind(node)
    area = _filled(_BOUND_PAGES, node)
    area.say("bound")
    area.use(area.pages, _ROUND_S)


def pinned(node: int) -> None:
    """Hot, and held by a pipe that nobody reads: the kernel cannot move it."""
    area = _filled(_PINNED_PAGES, node)
    _, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 2 * area.pages * PAGE)
    vectors = (ctypes.c_size_t * (2 * area.pages))()
    for page in range(area.pages):
        vectors[2 * page : 2 * page + 2] = [area.address + page * PAGE, PAGE]
    if _libc.vmsplice(into, vectors, ctypes.c_size_t(area.pages), 0) != area.pages * PAGE:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "vmsplice")
    area.say("pinned")
    area.use(area.pages, _ROUND_S)


def small(node: int, number: int) -> None:
    """Every fifth has a little memory and uses some of it now and then; the others only sleep."""
    if number % _WITH_MEMORY:
        Resident("small", os.getpid(), 0, 0).say()
        os.execv(_BUSYBOX, ["sleep", "1000000"])
    area = _filled(_SMALL_PAGES, node)
    area.say("small")
    time.sleep(number % 100 * _SMALL_ROUND_S / 100)
    area.use(_SMALL_TOUCHED, _SMALL_ROUND_S)


def idle(node: int, pages: int) -> None:
    """Memory on the node that nobody uses."""
    area = _filled(pages, node)  # kept: the mapping goes with it
    area.say("idle")
    signal.pause()


def container(node: int) -> None:
    """Hot, in namespaces and a cgroup of its own, both with names that hurt."""
    group = Path(os.fsdecode(CONTAINER_CGROUP))
    group.mkdir(exist_ok=True)
    (group / "cgroup.procs").write_text(str(os.getpid()))
    if _libc.unshare(_NEW_NAMESPACES) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "unshare")
    area, (ready, filled) = _area(_CONTAINER_PAGES), os.pipe()
    pid = os.fork()
    if pid == 0:
        _contained(area, node, filled)
    os.close(filled)
    if os.read(ready, 1) != b"1":
        raise OSError("the container's process has ended")
    Resident("container", pid, area.address, area.pages).say()
    os.waitpid(pid, 0)


def _contained(area: _Area, node: int, filled: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _libc.prctl(_PR_SET_NAME, CONTAINER_NAME)
    try:
        area.fill(node)
        os.write(filled, b"1")
        area.use(area.pages, _ROUND_S)
    finally:
        os._exit(1)

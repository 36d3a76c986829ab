"""A process on strings: it maps, touches, forks, execs and exits by commands, one line each.

Run as a program it reads commands from standard input and answers each with one line of JSON.
`Puppet` is the hand that holds the strings.
"""

import ctypes
import fcntl
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PAGE = 4096
HUGE_PAGE = 2 << 20

_MADV_POPULATE_WRITE = 23
_CLONE_VM = 0x100
_SYS_SET_MEMPOLICY, _MPOL_DEFAULT, _MPOL_BIND = 238, 0, 2


def _set_mempolicy(mode: int, node: int) -> None:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    mask = ctypes.c_ulong(1 << node)
    pointer = ctypes.byref(mask) if mode == _MPOL_BIND else None
    if syscall(_SYS_SET_MEMPOLICY, mode, pointer, 64 if pointer is not None else 0) != 0:
        raise OSError(ctypes.get_errno(), "set_mempolicy")


@contextmanager
def bound_to(node: int) -> Iterator[None]:
    """What this thread allocates meanwhile is on that node alone."""
    _set_mempolicy(_MPOL_BIND, node)
    try:
        yield
    finally:
        _set_mempolicy(_MPOL_DEFAULT, 0)


class _Memory:
    """The program's side: its mappings and what it can do with them. No numpy: it starts fast."""

    def __init__(self) -> None:
        self.areas: dict[int, tuple[mmap.mmap, int, int]] = {}
        self.leaked: list[tuple[mmap.mmap, int, int]] = []

    def map(
        self, pages: int, advice: int, node: int | None, shared: bool = False
    ) -> dict[str, int]:
        size = pages * PAGE
        kind = mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE
        area = mmap.mmap(-1, size + HUGE_PAGE, flags=kind | mmap.MAP_ANONYMOUS)
        outer = ctypes.addressof(ctypes.c_char.from_buffer(area))
        skip = -outer % HUGE_PAGE
        if advice:
            area.madvise(advice, skip, size)
        with nullcontext() if node is None else bound_to(node):
            area.madvise(_MADV_POPULATE_WRITE, skip, size)
        self.areas[outer + skip] = (area, outer, size)
        return {"address": outer + skip}

    def _area(self, address: int) -> tuple[mmap.mmap, int]:
        for start, (area, outer, size) in self.areas.items():
            if start <= address < start + size:
                return area, address - outer
        raise KeyError(address)

    def touch(self, address: int, pages: list[int]) -> None:
        area, offset = self._area(address)
        for page in pages:
            area[offset + page * PAGE] = 2

    def use(self, address: int, pages: list[int], pause_s: float) -> None:
        """Touch these pages from now on, with a pause after each round."""

        def go_on() -> None:
            while True:
                self.touch(address, pages)
                time.sleep(pause_s)

        threading.Thread(target=go_on, daemon=True).start()

    def poke(self, address: int, value: int) -> None:
        area, offset = self._area(address)
        area[offset : offset + 8] = value.to_bytes(8, "little")

    def pin(self, address: int, pages: list[int]) -> dict[str, int]:
        """Hold a reference to pages in a pipe that nobody reads: they cannot be moved."""
        _, into = os.pipe()
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 2 * len(pages) * PAGE)
        vectors = (ctypes.c_size_t * (2 * len(pages)))()
        for number, page in enumerate(pages):
            vectors[2 * number : 2 * number + 2] = [address + page * PAGE, PAGE]
        libc = ctypes.CDLL(None, use_errno=True)
        libc.vmsplice.restype = ctypes.c_ssize_t
        done = libc.vmsplice(into, vectors, ctypes.c_size_t(len(pages)), 0)
        return {"pages": done // PAGE}

    def churn(self, pages: int, node: int, rounds: int) -> None:
        """Map, touch and unmap as fast as it goes."""
        for _ in range(rounds):
            address = self.map(pages, mmap.MADV_NOHUGEPAGE, node)["address"]
            libc = ctypes.CDLL(None)
            libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE))
            self.leaked.append(self.areas.pop(address))  # never freed: the hole is ours

    def madvise(self, address: int, pages: int, advice: int) -> None:
        area, offset = self._area(address)
        area.madvise(advice, offset, pages * PAGE)

    def libc(self, name: str, arguments: list[int]) -> dict[str, int]:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
        result = function(*[ctypes.c_long(a) for a in arguments])
        return {"result": result, "errno": ctypes.get_errno()}

    def fork(self) -> dict[str, int]:
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
        return {"pid": pid}

    def clone(self) -> dict[str, int]:
        """A process that shares this memory, and does nothing but wait to be killed."""
        libc, stack = ctypes.CDLL(None, use_errno=True), mmap.mmap(-1, 1 << 16)
        top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + len(stack)
        self.leaked.append((stack, 0, 0))
        pause = ctypes.cast(libc.pause, ctypes.c_void_p)
        flags = _CLONE_VM | signal.SIGCHLD
        return {"pid": libc.clone(pause, ctypes.c_void_p(top), flags, None)}

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _serve() -> None:
    memory = _Memory()
    print("{}", flush=True)  # ready; a command sent earlier would be lost in an exec
    for line in sys.stdin:
        command, arguments = json.loads(line)
        if command == "exec":
            os.execv(sys.executable, [sys.executable, __file__])
        answer = getattr(memory, command)(**arguments)
        print(json.dumps(answer or {}), flush=True)


class Puppet:
    """Starts the program and talks to it; killed on exit."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._children: list[int] = []
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()

    def _write(self, command: str, arguments: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()

    def say(self, command: str, **arguments: Any) -> dict[str, int]:  # noqa: ANN401
        """Give a command and wait for its answer."""
        self._write(command, arguments)
        return self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def map(
        self,
        pages: int,
        *,
        huge: bool | None = False,
        node: int | None = None,
        shared: bool = False,
    ) -> int:
        """Map and touch pages at a 2 MiB border; the address. `huge` None gives no advice."""
        advice = {None: 0, False: mmap.MADV_NOHUGEPAGE, True: mmap.MADV_HUGEPAGE}[huge]
        return self.say("map", pages=pages, advice=advice, node=node, shared=shared)["address"]

    def touch(self, address: int, pages: Iterable[int]) -> None:
        """Write to pages, counted from the address."""
        self.say("touch", address=address, pages=list(pages))

    def use(self, address: int, pages: Iterable[int], pause_s: float) -> None:
        """Write to pages again and again until it ends, at its own pace: whatever is observed."""
        self.say("use", address=address, pages=list(pages), pause_s=pause_s)

    def poke(self, address: int, value: int) -> None:
        """Write a 64-bit word, as an argument for a system call."""
        self.say("poke", address=address, value=value)

    def pin(self, address: int, pages: list[int]) -> int:
        """Keep pages where they are, for good (vmsplice); how many. At most 1024."""
        return self.say("pin", address=address, pages=pages)["pages"]

    def fork(self) -> int:
        """A child that shares everything copy-on-write and sleeps; its pid."""
        self._children.append(self.say("fork")["pid"])
        return self._children[-1]

    def clone(self) -> int:
        """A child that shares the address space and sleeps; its pid."""
        self._children.append(self.say("clone")["pid"])
        return self._children[-1]

    def end_child(self, pid: int) -> None:
        """Kill a child and reap it."""
        self.say("kill", pid=pid)
        self._children.remove(pid)

    def exec(self) -> None:
        """Become a fresh program with the same pid."""
        self._write("exec", {})
        self._answer()

    def exit(self) -> None:
        """End it and its children."""
        if self._process.poll() is None:
            for pid in list(self._children):
                self.end_child(pid)
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


if __name__ == "__main__":
    _serve()

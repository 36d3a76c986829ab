"""Processes that come and go, as a program: count, seconds, node of their memory; one line of JSON.

Most exit at once. One in ten is called `hot` and touches its pages over and over. Of these every
second one is killed after some seconds, maybe in the middle of a move, and the others end once
their pages have moved. Then the pid is given to a bystander, which has memory of the same kind at
the same place, touches it too, and looks at its end whether somebody has moved it.
"""

import ctypes
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

PAGES, PAGE = 64, 4096
HOT_S, BYSTANDER_S, PATIENCE_S = 3.0, 1.5, 900.0
_PR_SET_NAME = 15
_SYS_SET_MEMPOLICY, _SYS_MOVE_PAGES = 238, 279
_MPOL_DEFAULT, _MPOL_BIND = 0, 2
libc = ctypes.CDLL(None, use_errno=True)


def name(text: str) -> None:
    libc.prctl(_PR_SET_NAME, text.encode(), 0, 0, 0)


def touched(node: int, seconds: float, *, until_moved: bool = False) -> bool:
    """Map pages on a node and touch them for so long; whether they are all still there."""
    mask = ctypes.c_ulong(1 << node)
    libc.syscall(_SYS_SET_MEMPOLICY, _MPOL_BIND, ctypes.byref(mask), 64)
    area = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    first = ctypes.addressof(ctypes.c_char.from_buffer(area))
    end = time.monotonic() + seconds
    waits = True
    while waits:
        for page in range(PAGES):
            area[page * PAGE] = 1
        libc.syscall(_SYS_SET_MEMPOLICY, _MPOL_DEFAULT, None, 0)  # a policy would be kept to
        time.sleep(0.05)
        # Before the first access no page is on any node.
        waits = time.monotonic() < end and not (until_moved and node not in nodes_of(first))
    return nodes_of(first) == {node}


def nodes_of(first: int) -> set[int]:
    """Nodes of the pages from this address on, or negative errnos."""
    pages = (ctypes.c_void_p * PAGES)(*range(first, first + PAGES * PAGE, PAGE))
    status = (ctypes.c_int * PAGES)(*[-1] * PAGES)
    libc.syscall(_SYS_MOVE_PAGES, 0, ctypes.c_ulong(PAGES), pages, None, status, 0)
    return set(status)


def fork(node: int, seconds: float, called: str = "", *, until_moved: bool = False) -> int:
    pid = os.fork()
    if pid == 0:
        if called:
            name(called)
        stays = not seconds or touched(node, seconds, until_moved=until_moved)
        os._exit(0 if stays else 1)
    return pid


@dataclass
class Churn:
    node: int
    hot: dict[int, float] = field(default_factory=dict)
    """When each is to be killed; infinite for those that end once their pages have moved."""
    bystanders: list[int] = field(default_factory=list)
    born: int = 0
    reused: int = 0

    def run(self, count: int, seconds: float) -> None:
        begun = time.monotonic()
        while self.born < count:
            self.end_hot(time.monotonic())
            self.born += 1
            if self.born % 20 == 1:
                self.hot[fork(self.node, PATIENCE_S, "hot")] = time.monotonic() + HOT_S
            elif self.born % 20 == 11:
                self.hot[fork(self.node, PATIENCE_S, "hot", until_moved=True)] = float("inf")
            else:
                os.waitpid(fork(self.node, 0), 0)
            ahead = begun + seconds * self.born / count - time.monotonic()
            time.sleep(max(0.0, ahead))
        while self.hot:
            self.end_hot(time.monotonic())
            time.sleep(0.05)

    def end_hot(self, now: float) -> None:
        for pid, end in list(self.hot.items()):
            if end <= now:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            elif os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
            del self.hot[pid]
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
            self.bystanders.append(fork(self.node, BYSTANDER_S))
            self.born += 1
            self.reused += self.bystanders[-1] == pid

    def moved_bystanders(self) -> int:
        return sum(os.waitpid(pid, 0)[1] != 0 for pid in self.bystanders)


def run_churn(count: int, seconds: int, node: int) -> dict[str, int]:
    """Run this program and wait: how many were born, got a hot one's pid, and were moved."""
    command = [sys.executable, __file__, str(count), str(seconds), str(node)]
    reported = subprocess.run(command, check=True, capture_output=True, text=True)
    counts: dict[str, int] = json.loads(reported.stdout)
    return counts


if __name__ == "__main__":
    name("bystander")  # from the first moment of each child on
    churn = Churn(int(sys.argv[3]))
    churn.run(int(sys.argv[1]), float(sys.argv[2]))
    result = {"born": churn.born, "reused": churn.reused, "moved": churn.moved_bystanders()}
    print(json.dumps(result))

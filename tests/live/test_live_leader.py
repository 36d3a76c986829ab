"""A process whose main thread has ended, while another one runs."""

import subprocess
import sys

import pytest

from mmscand.errors import ProcessDenied
from mmscand.linux.checks import ended_main_threads
from mmscand.linux.machine import LinuxMachine

# The other thread answers once the leader is a zombie.
_LEADERLESS = """
import ctypes, os, sys, threading
def wait():
    while open(f"/proc/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z":
        os.sched_yield()
    print("ended", flush=True)
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=wait).start()
ctypes.CDLL(None).syscall(60, 0)
"""


def test_it_is_listed_and_it_is_said_why_it_is_left_alone(machine: LinuxMachine) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _LEADERLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ended\n"
        process = machine.procfs.stat(child.pid).process
        assert process in machine.look().running
        with pytest.raises(ProcessDenied, match="main thread has ended"):
            machine.open(process)
        check = ended_main_threads(machine.procfs)
        assert check.detail.startswith("left alone: ")
        assert f"{process}: its main thread has ended" in check.detail
        child.communicate(b"")
        assert str(process) not in ended_main_threads(machine.procfs).detail
        assert process not in machine.look().running
    finally:
        child.kill()
        child.communicate()

"""What a process is visited for is what it does, in whichever of its threads."""

import errno
import subprocess
import sys
import time

import pytest

from mmscand.linux.machine import LinuxMachine
from mmscand.observe.events import PassEnd
from support.live_world import live_world
from support.sim_daemon import Recorder, running

# The leader sleeps; another thread works for a moment each time it gets a line.
_WORKER = """
import sys, threading, time
def work():
    for line in sys.stdin:
        print(sum(range(200)), flush=True)
threading.Thread(target=work, daemon=True).start()
time.sleep(100)
"""


def test_a_moment_in_another_thread_counts_as_having_run(machine: LinuxMachine) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(b"\n")  # it has started when it answers
        worker.stdout.readline()
        time.sleep(0.2)
        space = machine.open(machine.procfs.stat(worker.pid).process)
        slept = space.cpu_ns()
        time.sleep(0.1)
        assert space.cpu_ns() == slept
        leader = machine.procfs.root / f"{worker.pid}/schedstat"
        leader_ran = leader.read_text()
        worker.stdin.write(b"\n")
        worker.stdout.readline()
        time.sleep(0.1)
        assert 0 < space.cpu_ns() - slept < 10_000_000  # less than a tick of /proc/PID/stat
        assert leader.read_text() == leader_ran
        space.close()
    finally:
        worker.kill()
        worker.communicate()


def test_where_the_clock_is_refused_a_process_has_always_run(
    machine: LinuxMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(clock: int) -> int:
        raise PermissionError(errno.EPERM, "as a filter of seccomp answers")

    with live_world(machine, exact=False) as world:
        space = machine.open(world.actor().process)
        monkeypatch.setattr(time, "clock_gettime_ns", refused)
        assert space.cpu_ns() < space.cpu_ns()
        space.close()


def test_a_process_that_sleeps_is_hardly_visited_and_one_that_works_is(
    machine: LinuxMachine,
) -> None:
    with live_world(machine, exact=False) as world:
        sleeper, worker = world.actor(), world.actor()
        address = worker.map(512)
        visits = {sleeper.process: 0, worker.process: 0}

        def count(event: object) -> None:
            if isinstance(event, PassEnd) and event.process in visits:
                visits[event.process] += 1

        chosen = [sleeper.process, worker.process]
        recorder = Recorder(count)
        with running(machine, recorder, scan_period_ms=20, select=lambda _: chosen):
            for number in range(60):
                worker.touch(address, [number])
                time.sleep(0.02)
    assert visits[worker.process] >= 20
    assert visits[sleeper.process] <= 10

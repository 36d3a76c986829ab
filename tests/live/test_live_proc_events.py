"""The kernel's proc connector. In a container there is none, and these tests say so."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from mmscand.errors import MachineCannot
from mmscand.linux.proc_events import ProcEvents
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs
from support.puppet import Puppet

_PR_SET_NAME = 15
_NOBODY = 65534


@pytest.fixture
def events() -> Iterator[ProcEvents]:
    try:
        events = ProcEvents()
    except MachineCannot as error:
        pytest.skip(str(error))
    with closing(events):
        yield events


def drained(events: ProcEvents) -> set[int]:
    pids = events.drain()
    assert pids is not None
    return pids


def test_an_event_comes_when_a_process_begins_and_when_it_ends(events: ProcEvents) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        try:
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()  # it runs: the event of its execve came after that of its fork
            assert child.pid in drained(events)
            assert child.pid not in drained(events)
        finally:
            child.kill()
    assert child.pid in drained(events)


def test_execve_another_name_and_another_user_are_reported(events: ProcEvents) -> None:
    with Puppet() as puppet:
        drained(events)
        puppet.exec()
        assert puppet.pid in drained(events)
        name = b"another\0"
        address = puppet.map(1)
        drained(events)
        puppet.say("libc", name="memset", arguments=[address, name[0], 7])
        assert puppet.pid not in drained(events)  # what it does otherwise is not
        puppet.say("libc", name="prctl", arguments=[_PR_SET_NAME, address, 0, 0, 0])
        assert puppet.pid in drained(events)
        puppet.say("libc", name="setresuid", arguments=[_NOBODY] * 3)
        assert puppet.pid in drained(events)


def test_threads_are_no_events(events: ProcEvents) -> None:
    drained(events)
    for _ in range(20):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
    assert os.getpid() not in drained(events)


def test_when_too_many_come_that_is_reported_and_it_goes_on(events: ProcEvents) -> None:
    forks = "import os\nfor _ in range(2500):\n    os.fork() or os._exit(0)\n    os.wait()\n"
    subprocess.run([sys.executable, "-c", forks], check=True)
    assert events.drain() is None
    child = subprocess.Popen(["true"])
    child.wait()
    assert child.pid in drained(events)


def test_another_network_namespace_has_none_and_says_so() -> None:
    code = "from mmscand.linux.proc_events import ProcEvents; ProcEvents()"
    command = ["unshare", "--net", sys.executable, "-c", code]
    reported = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "no proc connector: this is not the first network namespace" in reported.stderr


@pytest.mark.parametrize("with_events", [True, False])
def test_both_ways_list_the_same_processes(events: ProcEvents, with_events: bool) -> None:
    processes = ProcessList(Procfs(), events if with_events else None)
    processes.look()
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in {process.pid for process in processes.look().running}
    finally:
        child.kill()
        child.wait()
    assert child.pid not in {process.pid for process in processes.look().running}

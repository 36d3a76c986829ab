"""The scanner's thread gives way to others while it works for long."""

import os
import threading

from mmscand.linux.machine import LinuxMachine


def test_only_the_calling_thread_gets_a_lower_priority_and_it_comes_back(
    machine: LinuxMachine,
) -> None:
    own, seen = os.getpriority(os.PRIO_PROCESS, 0), list[int]()

    def work() -> None:
        for lower in (True, True, False):
            machine.lower_priority(lower)
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [max(10, own), max(10, own), own]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own

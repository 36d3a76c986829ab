"""Signals at any moment: none is lost, and none is waited for that has come."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PAIRS, PROCESSES = 2000, 50
LOOK_S = 20.0
"""No child takes this long unless it hangs."""
ROUNDS = f"""
import os
from mmscand.cli.signals import signals_taken, Wanted
with signals_taken() as signals:
    signals.defer()
    for _ in range({PAIRS}):
        os.write(1, b"r")
        while signals.wait(60) is not Wanted.END:
            pass
        signals._ended = False
"""
ONCE = """
import os
from mmscand.cli.signals import signals_taken, Wanted
with signals_taken() as signals:
    signals.defer()
    os.write(1, b"r")
    while signals.wait(60) is not Wanted.END:
        pass
"""
STARTING = """
import os, time
from mmscand.cli.signals import signals_taken
with signals_taken() as signals:
    os.write(1, b"r")
    time.sleep(60)
    print("not interrupted")
"""
SEVERAL = """
import os, signal
from mmscand.cli.signals import signals_taken
with signals_taken() as signals:
    signals.defer()
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        os.kill(os.getpid(), number)
        print(signals.wait(60).name)
    print(signals.wait(0.001).name)
"""
ELSEWHERE = """
import os, signal, threading
from pathlib import Path
from mmscand.cli.signals import signals_taken
main, POLL = threading.get_native_id(), "7 "
def kill():
    while not Path(f"/proc/self/task/{main}/syscall").read_text().startswith(POLL):
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
with signals_taken() as signals:
    signals.defer()
    threading.Thread(target=kill).start()
    os.write(1, signals.wait(60).name.encode())
"""
MAIN = """
import signal, sys, types
sys.modules["mmscand.cli.app"] = types.SimpleNamespace(
    main=lambda: print(signal.getsignal(signal.SIGHUP).name))
import mmscand.__main__
mmscand.__main__.main()
"""
IMPORTS = """
import signal, sys
def interrupts():
    handler = signal.getsignal(signal.SIGINT)
    print(getattr(handler, "__name__", "SIG_DFL"))
class App:
    @property
    def main(self):
        interrupts()
        return interrupts
sys.modules["mmscand.cli.app"] = App()
import mmscand.__main__
mmscand.__main__.main()
"""


@contextmanager
def child(code: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0, process_group=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[bytes]") -> bytes:
    """The next letters that it prints."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], LOOK_S)[0], "it hangs"
    return os.read(process.stdout.fileno(), 64)


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_no_pair_of_signals_is_lost() -> None:
    random.seed(3)
    with child(ROUNDS) as process:
        for _ in range(PAIRS):
            assert heard(process) == b"r"
            spin(random.uniform(0, 100e-6))
            process.send_signal(signal.SIGHUP)
            spin(random.uniform(0, 400e-6))
            process.send_signal(signal.SIGTERM)
        assert process.wait(LOOK_S) == 0


def test_whole_processes_end() -> None:
    random.seed(4)
    for _ in range(PROCESSES):
        with child(ONCE) as process:
            assert heard(process) == b"r"
            process.send_signal(signal.SIGHUP)
            spin(random.uniform(0, 400e-6))
            process.send_signal(signal.SIGTERM)
            assert process.wait(LOOK_S) == 0


def test_each_signal_is_one_answer() -> None:
    done = subprocess.run([sys.executable, "-c", SEVERAL], capture_output=True, check=True)
    assert done.stdout.split() == [b"RELOAD", b"RELOAD", b"END", b"END"]


def test_a_signal_that_the_kernel_gives_to_another_thread_wakes_the_main_one() -> None:
    """No system call of the main thread is interrupted then: a handler in Python cannot run."""
    with child(ELSEWHERE) as process:
        assert heard(process) == b"END"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_is_interrupted_by_the_end_and_not_by_a_reload(number: int) -> None:
    with child(STARTING) as process:
        assert heard(process) == b"r"
        process.send_signal(signal.SIGHUP)
        process.send_signal(number)
        assert process.wait(LOOK_S) == 0
        assert heard(process) == b""


@pytest.mark.parametrize(("command", "action"), [("run", "SIG_IGN"), ("status", "SIG_DFL")])
def test_a_reload_does_not_kill_a_daemon_that_loads_its_modules(command: str, action: str) -> None:
    arguments = [sys.executable, "-c", MAIN, command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == action


def test_an_interruption_of_the_imports_is_no_traceback() -> None:
    # A shell has its background jobs ignore SIGINT, and these tests may be one.
    command = ["env", "--default-signal=INT", sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.split() == [b"SIG_DFL", b"default_int_handler"]

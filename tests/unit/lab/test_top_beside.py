"""The real `mmscand top` on a terminal of its own, as `mmscand lab demo` shows it."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rich")

from rich.console import Console

from mmscand.control.listener import ControlServer
from mmscand_lab.screen import progress_or_top
from support.terminal import ALTERNATE_SCREEN, NORMAL_SCREEN, Terminal

_PROGRAM = """
import os, socket, sys, threading
from pathlib import Path
from rich.console import Console
from mmscand_lab.far_socket import serve_port
from mmscand_lab.screen import progress_or_top

daemon = Path(sys.argv[1])
with progress_or_top(Console(), top=True) as (progress, far):
    progress("booting the guest", None)
    port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    port.connect(far.qemu[1].split("path=")[1].split(",")[0])
    threading.Thread(target=serve_port, args=(port.detach(), daemon), daemon=True).start()
    os.read(int(sys.argv[2]), 1)
print("what was measured")
"""


class Demo(Terminal):
    """A guest that is up at once; what it measures takes until `go_on`."""

    def __init__(self, daemon: Path) -> None:
        self._waits, self._goes_on = os.pipe()
        os.set_inheritable(self._waits, True)
        super().__init__([sys.executable, "-c", _PROGRAM, str(daemon), str(self._waits)])
        self.read_until(lambda seen: b"mmscand top: processes, live" in seen)

    def go_on(self) -> int:
        """To the end of the program; its exit code."""
        os.write(self._goes_on, b"x")
        return self.end()

    def close(self) -> None:
        super().close()
        os.close(self._waits)
        os.close(self._goes_on)


@pytest.fixture
def demo(server: ControlServer, socket_path: Path) -> Iterator[Demo]:
    demo = Demo(socket_path)
    yield demo
    demo.close()


def test_top_has_the_terminal_while_the_daemon_answers(demo: Demo) -> None:
    assert demo.go_on() == 0
    assert demo.seen.index(b"booting the guest") < demo.seen.index(ALTERNATE_SCREEN)
    assert demo.seen.index(NORMAL_SCREEN) < demo.seen.index(b"what was measured")


def test_q_brings_the_progress_back(demo: Demo) -> None:
    demo.type(b"q")
    demo.read_until(lambda seen: b"booting the guest" in seen.partition(NORMAL_SCREEN)[2])
    assert demo.go_on() == 0


def test_top_ends_with_a_program_that_is_killed(demo: Demo) -> None:
    demo.signal_program(signal.SIGKILL)
    demo.read_until(lambda seen: NORMAL_SCREEN in seen)
    assert demo.go_on() == 128 + signal.SIGKILL


def test_control_c_ends_both(demo: Demo) -> None:
    demo.type(b"\x03")
    assert demo.end() == 128 + signal.SIGINT
    assert b"KeyboardInterrupt" in demo.seen
    assert NORMAL_SCREEN in demo.seen


def test_without_a_keyboard_there_is_no_top(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Path(os.devnull).open() as nothing,
        monkeypatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", nothing)
        console = Console(force_terminal=True, file=io.StringIO())
        with progress_or_top(console, top=True) as (_, far):
            assert far is None

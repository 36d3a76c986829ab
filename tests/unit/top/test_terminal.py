"""`mmscand top` on a terminal: it gives it back, however it ends."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.control.listener import ControlServer
from support.terminal import ALTERNATE_SCREEN, NORMAL_SCREEN, Terminal


@pytest.fixture
def top(server: ControlServer, socket_path: Path) -> Iterator[Terminal]:
    argv = [sys.executable, "-m", "mmscand", "top", "--socket", str(socket_path)]
    terminal = Terminal(argv)
    yield terminal
    terminal.close()


def test_sigterm_ends_it_as_soon_as_it_has_the_terminal(top: Terminal) -> None:
    top.read_until(lambda seen: ALTERNATE_SCREEN in seen)
    top.signal_program(signal.SIGTERM)
    assert top.end() == 0
    assert NORMAL_SCREEN in top.seen


@pytest.mark.parametrize(("key", "code"), [(b"q", 0), (b"\x03", 128 + signal.SIGINT)])
def test_q_and_control_c_end_it(top: Terminal, key: bytes, code: int) -> None:
    top.read_until(lambda seen: b"mmscand top: processes, live" in seen)
    top.type(key)
    assert top.end() == code
    assert NORMAL_SCREEN in top.seen

"""A program on a terminal of its own, as a person sees it."""

import os
import pty
import re
import signal
from collections.abc import Callable, Sequence

import psutil

_SHELL = '"$0" "$@"; echo "[shell: $?]"; read line'
_ENDED = re.compile(rb"\[shell: (\d+)\]")
ALTERNATE_SCREEN, NORMAL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
"""A screen of its own, and back to the one before (control sequences of xterm)."""
_ENVIRONMENT = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}


class Terminal:
    """The program is started by a shell, which keeps the terminal when the program is killed."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.seen = b""
        """All that was written to it."""
        self._ended = False
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve("/bin/sh", ["sh", "-c", _SHELL, *argv], {**os.environ, **_ENVIRONMENT})

    def read_until(self, done: Callable[[bytes], bool]) -> None:
        """Read on; AssertionError with the last of it when all programs have ended before."""
        while not done(self.seen):
            try:
                self.seen += os.read(self._fd, 1 << 16)
            except OSError:
                assert done(self.seen), self.seen[-2000:]

    def type(self, keys: bytes) -> None:
        """What a person presses."""
        os.write(self._fd, keys)

    def signal_program(self, number: int) -> None:
        """To the program, not to those that it has started."""
        (program,) = psutil.Process(self.pid).children()
        program.send_signal(number)

    def close(self) -> None:
        """Nothing of it is left, wherever a test has failed."""
        if not self._ended:
            os.killpg(self.pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> None:
        # The shell reads until the terminal goes. A key could be lost: programs that restore the
        # terminal drop what was typed (TCSAFLUSH).
        os.close(self._fd)
        os.waitpid(self.pid, 0)
        self._ended = True

    def end(self) -> int:
        """The program's exit code, once it has ended by itself."""
        self.read_until(lambda seen: _ENDED.search(seen) is not None)
        self._reap()
        (code,) = _ENDED.findall(self.seen)
        return int(code)

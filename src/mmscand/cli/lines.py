"""Whole lines to a file that may be full for a while."""

import os
import select
from collections.abc import Callable

from mmscand.shown import shown

_STDOUT = 1


def to_standard_output(data: bytes) -> int:
    """How many bytes were written; waits for room where standard output is non-blocking."""
    while True:
        try:
            return os.write(_STDOUT, data)
        except BlockingIOError:
            select.select([], [_STDOUT], [])


class LineWriter:
    """Writes a line whole or not at all, as far as the file lets it.

    When a full disk cuts a line, the next write begins with its rest, so that the file has whole
    lines only.
    """

    def __init__(self, write: Callable[[bytes], int], encoding: str) -> None:
        self._write = write
        self._encoding = encoding
        self._rest = b""

    def write(self, line: str) -> bool:
        """Whether the line is in the file, or its begin is; BrokenPipeError when nobody reads."""
        if not self.finish():
            return False
        self._rest = (shown(line) + "\n").encode(self._encoding, "backslashreplace")
        length = len(self._rest)
        if not self.finish() and len(self._rest) == length:
            self._rest = b""
            return False
        return True

    def finish(self) -> bool:
        """Write the rest of the last line; True when there is none left."""
        try:
            while self._rest:
                self._rest = self._rest[self._write(self._rest) :]
        except BrokenPipeError:
            raise
        except OSError:
            return False
        return True

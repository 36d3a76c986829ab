"""Standard output and error, also when they are closed, full, or cannot take a character."""

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal, TextIO

from mmscand.shown import shown

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""A write that fails so may work later."""


def open_standard_streams() -> None:
    """A closed one becomes /dev/null: a file that is opened later must not take its number.

    A character that a stream cannot encode is escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nothing(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def complain(text: str) -> None:
    """One line on standard error. Nobody is left to hear that this did not work."""
    with suppress(OSError, ValueError):
        print(f"mmscand: {shown(' '.join(text.split()))}", file=sys.stderr, flush=True)


def give_up_output() -> None:
    """Let the interpreter find nothing to complain of when it flushes at its end."""
    with suppress(OSError, ValueError):  # a stream without a number is not the interpreter's
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)

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
    # In this order each takes the lowest number that is free: its own.
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nothing(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def complain(text: str) -> None:
    """One line on standard error, if it takes one. The exit code says the same."""
    try:
        print(f"mmscand: {shown(' '.join(text.split()))}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Nothing is left for the interpreter to flush at its end: a failure there is exit code 120."""
    with suppress(OSError, ValueError):  # a stream without a number is not the interpreter's
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, stream.fileno())
        os.close(null)

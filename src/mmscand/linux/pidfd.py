"""Holding a process: what the kernel says of one that is there no more."""

import contextlib
import errno
from collections.abc import Iterator

from mmscand.errors import ProcessGone
from mmscand.linux.files import process_errors
from mmscand.linux.syscalls import pidfd_open
from mmscand.model import Process


def open_pidfd(process: Process) -> int:
    """A pidfd of the process that has the pid now."""
    with watching(process):
        return pidfd_open(process.pid)


@contextlib.contextmanager
def watching(process: Process) -> Iterator[None]:
    """Calls that say EINVAL when no task has the pid (any more): it is being reaped."""
    with process_errors(process.pid, "watch"):
        try:
            yield
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise ProcessGone(process.pid) from None
            raise
